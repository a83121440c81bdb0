/* trace_probe.h - what one statement did, measured in the database that it ran in.
 *
 * Used by the thread that owns the connection. Looks at relations that were there when
 * trace_probe_start was called, in all schemas but PostgreSQL's own and skein's, and at the locks
 * of the connection's own backend: so it asks after each statement, before its transaction ends.
 * The schemas "public" and `home` are left out of names, as lint leaves them out. */
#ifndef SKEIN_COMMON_TRACE_TRACE_PROBE_H
#define SKEIN_COMMON_TRACE_TRACE_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/core/arena.h"
#include "common/core/base.h"
#include "common/lint/lint_walk.h"
#include "common/pg/pg_conn.h"

struct trace_lock {
    const char *relation;
    enum lint_mode mode; /* the strongest that the transaction holds at the end of the statement */
    bool is_new;         /* this statement took it, or made it stronger */
    bool index;
    bool owned; /* the sequence of a column */
};

struct trace_measure {
    bool locks_known; /* false outside of a transaction: they were gone before anybody could look */
    uint64_t took_us;
    const struct trace_lock *locks;
    size_t lock_count;
    const char **rewrites; /* tables and materialized views with new files */
    size_t rewrite_count;
    const char **scans; /* read whole: sequential scans of tables */
    size_t scan_count;
    bool rebuilds; /* an index of a table that was there has new files */
    bool grows;    /* some of this, while a lock keeps writers out */
};

/* Of a name as pg_locks has it ("AccessShareLock"); LINT_NO_LOCK for any other word. */
enum lint_mode trace_probe_mode(const char *word, size_t bytes);
/* The other way round. */
const char *trace_probe_word(enum lint_mode mode);

struct trace_probe;

/* Connection and `home` must outlive the probe; results live in the arena. */
struct trace_probe *trace_probe_new(struct pg_conn *conn, const char *home, struct arena *arena);
void trace_probe_free(struct trace_probe **probe);

/* What is there now counts from here on. */
MUST_CHECK bool trace_probe_start(struct trace_probe *probe, struct error *err);

/* A new transaction begins (or a statement outside of one): no locks are held. */
MUST_CHECK bool trace_probe_begin(struct trace_probe *probe, struct error *err);

/* Runs the statement and looks at what it did. False: it failed (`ret_pg_error`), or the
 * connection broke. */
MUST_CHECK bool trace_probe_run(struct trace_probe *probe, const char *statement,
                                bool in_transaction, struct trace_measure *ret_measure,
                                struct pg_error *ret_pg_error, struct error *err);

#endif
