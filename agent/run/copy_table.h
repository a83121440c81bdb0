/* copy_table.h - what trials on empty copies have come to, for all tenants that they speak for.
 *
 * Thread-safe; the workers of an executor share one. A verdict is known by a key: the rollout, what
 * is to be run, and the schema that it is run on. One worker at a time works on a key; whoever else
 * asks hears that it is being worked on. Nothing of this survives the agent, and need not. */
#ifndef SKEIN_AGENT_RUN_COPY_TABLE_H
#define SKEIN_AGENT_RUN_COPY_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/run/clone_trial.h"
#include "common/core/arena.h"
#include "common/core/limits.h"
#include "common/model/checksum.h"
#include "common/model/message.h"

struct copy_table;

struct copy_key {
    char rollout[NAME_BYTES_MAX + 1];
    char text[2 * CHECKSUM_BYTES + 1]; /* a digest of it all */
};

enum copy_verdict_kind {
    COPY_PASSED,  /* tried to its end */
    COPY_PARTLY,  /* up to a statement that failed, perhaps only because the copy is empty */
    COPY_REFUSED, /* a statement failed that will fail on every one of them */
    COPY_NONE,    /* there was no copy */
};

struct copy_verdict {
    enum copy_verdict_kind kind;
    struct task_error error; /* PARTLY, REFUSED: of the tenant that was copied; NONE: its message */
    const struct clone_finding *findings;
    size_t finding_count;
};

enum copy_answer {
    COPY_KNOWN,
    COPY_BUSY, /* somebody is about to find out */
    COPY_TURN, /* the caller is to find out, and calls copy_table_put or copy_table_give_up */
    COPY_FULL, /* the rollout has had COPY_CLASSES_MAX copies */
};

struct copy_table *copy_table_new(void);
void copy_table_free(struct copy_table **table);

/* The verdict's texts go to the arena. What has failed is known for COPY_REFUSAL_MS, that there was
 * no copy for COPY_NONE_MS: then it is somebody's turn again. */
enum copy_answer copy_table_ask(struct copy_table *table, const struct copy_key *key,
                                uint64_t now_ms, struct arena *arena,
                                struct copy_verdict *ret_verdict);
/* Ends a turn. Copies the verdict. */
void copy_table_put(struct copy_table *table, const struct copy_key *key, uint64_t now_ms,
                    const struct copy_verdict *verdict);
/* Ends a turn that has found out nothing: the next who asks has his. */
void copy_table_give_up(struct copy_table *table, const struct copy_key *key);
bool copy_table_is_busy(struct copy_table *table, const struct copy_key *key);

/* Whether `words` are to be said: not if this rollout was told the same of another tenant. (Of the
 * same one they may be lost with a try that was not its last.) */
bool copy_table_is_news(struct copy_table *table, const char *rollout, const char *tenant,
                        const char *words);

#endif
