/* trace_compare.h - what was foreseen of a statement, held against what was measured.
 *
 * Pure. */
#ifndef SKEIN_COMMON_TRACE_TRACE_COMPARE_H
#define SKEIN_COMMON_TRACE_TRACE_COMPARE_H

#include "common/core/buf.h"
#include "common/lint/lint_run.h"
#include "common/trace/trace_probe.h"

/* Appends one sentence for each contradiction about statement `index` of the report, separated by
 * "; ". Locks that only DDL waits for (weaker than SHARE UPDATE EXCLUSIVE) and those on indexes are
 * not compared, nor what a column's own sequence has in common with its table. */
void trace_compare(const struct lint_report *report, size_t index,
                   const struct trace_measure *measure, struct buf *words);

#endif
