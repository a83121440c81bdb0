/* measure_log.h - what a dry run has seen after its statements.
 *
 * Pure; used by one thread. A look is an answer of skein.measure_locks, in the order in which they
 * were asked for. What lies between two bounds is one transaction of the real run, whose locks end
 * with it. */
#ifndef SKEIN_AGENT_RUN_MEASURE_LOG_H
#define SKEIN_AGENT_RUN_MEASURE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/check/prepared_set.h"
#include "common/core/arena.h"
#include "common/trace/trace_probe.h"

struct measure_look {
    const struct prepared_operation *operation; /* NULL: of no statement of its own */
    const struct sql_statement *statement;
    bool down;
    bool light;    /* only the time was taken */
    bool bound;    /* a transaction of the real run begins or ends; no statement */
    bool foreseen; /* it does what lint foresees of it, as far as anybody knows */
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

/* All relations whose locks were seen, each once, as an array literal of PostgreSQL's: "{1,2}". */
const char *measure_log_relations(const struct measure_log *log, struct arena *arena);

/* One lock of a look: "16399 AccessExclusiveLock 16402 1". */
struct measure_entry {
    uint64_t oid;
    enum lint_mode mode;
    uint64_t file; /* 0: it has none, or it is gone */
    uint64_t scans;
};

/* Steps to the next one; false: there is none. */
bool measure_log_next(const char **at, struct measure_entry *ret_entry);

#endif
