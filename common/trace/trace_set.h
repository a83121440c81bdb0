/* trace_set.h - a whole set run for real on a scratch database, and held against what lint foresaw.
 *
 * Used by one thread. Each script is a transaction of its own, as lint takes it; rollbacks follow,
 * newest first, as long as each migration has all of its own. Scripts of other kinds than SQL are
 * passed over, and so are those of the control database. Contradictions go into lint's report as
 * findings. */
#ifndef SKEIN_COMMON_TRACE_TRACE_SET_H
#define SKEIN_COMMON_TRACE_TRACE_SET_H

#include "common/lint/lint_run.h"
#include "common/model/set.h"
#include "common/trace/trace_probe.h"

/* What was measured, beside the report's statements: NULL for one that was not run. */
struct trace {
    struct arena arena;
    const struct trace_measure **measures;
    size_t count;
};
void trace_release(struct trace *trace);

/* The run has read the set (set_lint); nothing else is in its report. `go_on` is asked before each
 * statement. False only where the connection broke or somebody stopped it; a statement that fails
 * is a finding, and ends the tracing. */
typedef bool trace_go_on(void);
MUST_CHECK bool trace_set(struct lint_run *run, const struct set *set, struct pg_conn *conn,
                          trace_go_on *go_on, struct trace *ret_trace, struct error *err);

#endif
