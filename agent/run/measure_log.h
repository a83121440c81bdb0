/* measure_log.h - what a dry run has seen after its statements, and what follows from that.
 *
 * Pure; used by one thread. A look is an answer of skein.measure_look, in the order in which they
 * were asked for. Looks without a statement are bounds: what lies between two of them is one
 * transaction of the real run, whose locks end with it. */
#ifndef SKEIN_AGENT_RUN_MEASURE_LOG_H
#define SKEIN_AGENT_RUN_MEASURE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uthash.h>

#include "agent/check/prepared_set.h"
#include "common/core/arena.h"
#include "common/model/measure.h"
#include "common/trace/trace_probe.h"

struct measure_look {
    const struct prepared_operation *operation; /* NULL: a bound */
    const struct sql_statement *statement;
    bool down;
    bool light; /* only the time was taken */
    uint64_t at_us;
    uint64_t wal;
    uint64_t rows;     /* of the statement, and of those before it that were not looked at */
    const char *locks; /* "oid mode file scans,..."; "" for none */
};

struct measure_log {
    struct arena arena;
    struct measure_look *looks;
    size_t count;
    size_t capacity;
    size_t asked;  /* looks at statements, at most MEASURE_LOOKS_MAX */
    bool complete; /* what is still to come is only a repetition */
    uint64_t rows; /* since the last look */
};
void measure_log_release(struct measure_log *log);
/* Copies `locks`. */
void measure_log_add(struct measure_log *log, const struct measure_look *look);

/* A relation that was there before the dry run. */
struct measure_live {
    uint64_t oid;
    const char *name;
    char kind; /* pg_class.relkind */
    uint64_t file;
    /* While the log is read: */
    uint64_t scans;
    enum lint_mode held;
    bool is_new;              /* taken, or made stronger, by the last statement */
    uint64_t blocked_us;      /* since when writers are kept out; 0: they are not */
    uint64_t exclusive_us;    /* since when everybody is */
    size_t blocked_statement; /* which statement began it */
    UT_hash_handle hh;
};

/* All relations whose locks were seen, each once, as an array literal of PostgreSQL's: "{1,2}". */
const char *measure_log_relations(const struct measure_log *log, struct arena *arena);

/* For each statement in its order: what it did, as a trace has it. Lives as long as the arena. */
typedef void measure_visit(void *context, const struct measure_look *look,
                           const struct trace_measure *measure);

/* `live` is changed. NULL where the log has no beginning and end. `visit` may be NULL. */
struct task_measure *measure_log_read(const struct measure_log *log, struct measure_live *live,
                                      size_t live_count, measure_visit *visit, void *context,
                                      struct arena *arena);

#endif
