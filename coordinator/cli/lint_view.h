/* lint_view.h - what lint found, in the forms that people, programs and pull requests read.
 *
 * Pure. */
#ifndef SKEIN_COORDINATOR_CLI_LINT_VIEW_H
#define SKEIN_COORDINATOR_CLI_LINT_VIEW_H

#include <jansson.h>

#include "common/core/buf.h"
#include "common/lint/lint_run.h"
#include "common/trace/trace_set.h"
#include "coordinator/cli/style.h"

/* `trace` is what was measured beside the report; an empty one where nothing was.
 * {"findings": [...], "statements": [...]}; the caller owns it. */
json_t *lint_view_json(const struct lint_report *report, const struct trace *trace);

/* A few lines for each finding, and a summary. */
void lint_view_print(const struct lint_report *report, const struct trace *trace,
                     const struct style *style, struct buf *buf);

/* Workflow commands of GitHub Actions: annotations at the lines of a pull request. `folder` is the
 * set's, as the files' names begin below it; "" for single files. */
void lint_view_github(const struct lint_report *report, const char *folder, struct buf *buf);

/* What a rule means, and what is safe instead; all rules, a line each, for "all". False: no such
 * rule. */
bool lint_view_explain(const char *rule, const struct style *style, struct buf *buf);

#endif
