/* state_write.h - what is written of a page of streams: snapshots, the position, registry entries.
 *
 * Used by the walk's thread. What if the agent dies, or an answer is lost?
 *
 * - Snapshots in the tenant's database are written in the transaction that stores the position:
 *   both, or none of them.
 * - Snapshots elsewhere are committed first, the position after them. In between, the next try
 *   folds the page again and finds the same states, or newer ones, for the same rows: a snapshot is
 *   known by its stream and sequence, so each is there once.
 * - The position names the streams whose registry entries are still to be rewritten; that is done
 *   behind it, and by the next try again. An entry that has its new identity already is left as it
 *   is. */
#ifndef SKEIN_AGENT_RUN_STATE_WRITE_H
#define SKEIN_AGENT_RUN_STATE_WRITE_H

#include <stdbool.h>

#include "agent/run/runner.h"
#include "agent/run/state_fold.h"
#include "agent/run/state_link.h"
#include "agent/run/state_sql.h"
#include "common/model/state_position.h"

struct state_writer {
    const struct runner_call *call;
    const struct state_sql *sql;
    const char *insert;
    bool rehearses; /* in the dry run's transaction: nothing is committed */
    struct state_link snapshots;
    struct state_link registry;
};

/* `by_stream` as state_sql_insert has it. */
MUST_CHECK bool state_writer_open(struct state_writer *writer, const struct runner_call *call,
                                  const struct state_sql *sql, bool by_stream, bool rehearses,
                                  struct runner_report *report);
void state_writer_close(struct state_writer *writer);

/* Writes the snapshots of the results and stores the position behind them, with the streams
 * counted; `arena` is the page's, what the position points to lives there or in the call's. A
 * result whose snapshot is refused becomes STATE_FAILED. */
MUST_CHECK bool state_writer_page(struct state_writer *writer, const char *const *streams,
                                  struct state_result *results, size_t count, struct arena *arena,
                                  struct state_position *position, struct runner_report *report);

/* Whether registry entries are rewritten at all: see state_rename.h. */
bool state_writer_renames(const struct state_writer *writer);

#endif
