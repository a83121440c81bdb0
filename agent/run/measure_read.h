/* measure_read.h - what follows from the looks of a dry run.
 *
 * Pure; used by one thread. A look at locks may stand for several statements before it: then lint
 * says which of them has done what it sees (look_group.h). */
#ifndef SKEIN_AGENT_RUN_MEASURE_READ_H
#define SKEIN_AGENT_RUN_MEASURE_READ_H

#include <uthash.h>

#include "agent/run/measure_log.h"
#include "common/model/measure.h"

/* A relation that was there before the dry run. */
struct measure_live {
    uint64_t oid;
    const char *name;
    char kind; /* pg_class.relkind */
    uint64_t file;
    uint64_t of; /* the table of an index, or of a sequence; the parent of a partition; else 0 */
    /* While the log is read: */
    uint64_t scans;
    enum lint_mode held;
    enum lint_mode seen; /* of the look that is being read: the same as the three above, by now */
    uint64_t seen_file;
    uint64_t seen_scans;
    size_t whose;             /* the look at the statement that made the difference */
    bool moved;               /* a sequence */
    bool is_new;              /* taken, or made stronger, by the last statement */
    uint64_t blocked_us;      /* since when writers are kept out; 0: they are not */
    uint64_t exclusive_us;    /* since when everybody is */
    size_t blocked_statement; /* which statement began it */
    UT_hash_handle hh;
};

/* For each statement in its order: what it did, as a trace has it. Lives as long as the arena. */
typedef void measure_visit(void *context, const struct measure_look *look,
                           const struct trace_measure *measure);

/* `live` is changed. NULL where the log has no beginning and end. `visit` may be NULL.
 * `ret_unsure`: something was seen that any of several statements may have done: with a look at
 * each it is known.
 */
struct task_measure *measure_read(const struct measure_log *log, struct measure_live *live,
                                  size_t live_count, measure_visit *visit, void *context,
                                  struct arena *arena, bool *ret_unsure);

#endif
