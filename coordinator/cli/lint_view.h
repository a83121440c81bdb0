/* lint_view.h - what lint found, in the form of `lint -o json` and as a table.
 *
 * Pure but for lint_view_statements, which asks the parser. */
#ifndef SKEIN_COORDINATOR_CLI_LINT_VIEW_H
#define SKEIN_COORDINATOR_CLI_LINT_VIEW_H

#include <jansson.h>

#include "common/core/buf.h"
#include "common/lint/set_lint.h"
#include "coordinator/cli/style.h"

/* {"findings": [], "statements": []}; the caller owns it. */
json_t *lint_view_new(void);
void lint_view_add_finding(json_t *view, const struct lint_finding *finding);
/* One script's statements; what cannot be parsed adds nothing (or the finding, if `report`). */
void lint_view_add_script(json_t *view, struct sql_parser *parser, const char *file,
                          struct bytes content, bool transactional, bool report);
/* A whole set: its findings and its statements. */
void lint_view_add_set(json_t *view, struct sql_parser *parser, const struct set *set);
size_t lint_view_errors(const json_t *view);

/* "error  transaction-control  0.2.0__x.sql:3  ..." and a summary. */
void lint_view_print(const json_t *view, const struct style *style, struct buf *buf);

#endif
