/* batch_chunk.h - one chunk of a batch: one transaction, one round trip.
 *
 * Blocks; used by a worker's thread inside a walk.
 *
 *   BEGIN, skein.step_begin       the tenant's row and its fence
 *   WITH chunk AS (...), ...      the next keys, what is done with them, and the position, in one
 *                                 statement: so on one snapshot, and all of it or nothing
 *   skein.batch_end               the position is stored, or the transaction fails; what there is
 *                                 to know for the next chunk
 *   COMMIT
 *
 * What if the agent dies, or the answer to COMMIT is lost? The position says whether the chunk
 * counts: batch_chunk_load reads it again. */
#ifndef SKEIN_AGENT_RUN_BATCH_CHUNK_H
#define SKEIN_AGENT_RUN_BATCH_CHUNK_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/run/runner.h"
#include "common/core/buf.h"
#include "common/sql/batch_script.h"

/* How far a batch is; what skein.operation.position holds. */
struct batch_position {
    char *key[BATCH_KEY_COLUMNS_MAX]; /* the last one done, as text; [0] is NULL before the first */
    uint64_t rows;                    /* keys done */
    uint64_t chunks;
    uint64_t size; /* that the last chunk was asked to have; 0 before the first */
};
void batch_position_release(struct batch_position *position);

struct batch_chunk_answer {
    bool failed;
    bool in_work; /* failed by the author's statements, not by what stands around them */
    struct pg_error error;
    bool lost;                       /* the connection: it is not known whether it committed */
    uint64_t keys;                   /* of this chunk */
    bool waiting;                    /* somebody waits for its row locks */
    char behind[NAME_BYTES_MAX + 1]; /* a standby that has not yet replayed the mark; "" for none */
    char wal[32];                    /* how far the WAL was written */
};

/* The texts of a batch's statements, made once. */
struct batch_text {
    struct buf first;
    struct buf next;
    struct buf end;
};
void batch_text_init(struct batch_text *text, const struct batch_script *script, bool down);
void batch_text_release(struct batch_text *text);

/* Where the operation stands by its journal. False as runner_fail_pg says. */
MUST_CHECK bool batch_chunk_load(const struct runner_call *call, const struct batch_script *script,
                                 struct batch_position *ret_position, struct runner_report *report);

/* Does the next chunk of `rows` keys and moves the position. `mark`: a place in the WAL ("" for
 * none) to ask the standbys for. False: the answer says why; nothing was done unless `lost`. */
MUST_CHECK bool batch_chunk_run(const struct runner_call *call, const struct batch_script *script,
                                const struct batch_text *text, uint64_t rows, const char *mark,
                                struct batch_position *position,
                                struct batch_chunk_answer *ret_answer,
                                struct runner_report *report);

/* The report of an answer that failed. False. */
bool batch_chunk_fail(const struct runner_call *call, const struct batch_script *script,
                      const struct batch_text *text, const struct batch_position *position,
                      const struct batch_chunk_answer *answer, struct runner_report *report);

#endif
