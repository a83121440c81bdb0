/* set_lint.h - what is wrong with a set's scripts before any tenant sees them.
 *
 * Pure but for the parser's thread; any thread may call it, and it may take seconds for a large
 * set, so the rpc loop and the brain do not. */
#ifndef SKEIN_COMMON_LINT_SET_LINT_H
#define SKEIN_COMMON_LINT_SET_LINT_H

#include <stddef.h>
#include <stdint.h>

#include "common/core/arena.h"
#include "common/core/base.h"
#include "common/model/set.h"
#include "common/sql/sql_script.h"

/* Rules: "syntax", "transaction-control", "unsupported-kind", "unsupported-setting". */
struct lint_finding {
    const char *severity; /* "error", "warning" or "note" */
    const char *rule;
    const char *file;   /* inside the set */
    uint32_t line;      /* from 1 */
    uint32_t statement; /* from 1; 0 where the finding is about the file */
    const char *message;
};

/* Owns its texts. Findings are in the order of the set's scripts; at most LINT_FINDINGS_MAX are
 * listed, all errors are counted. */
struct lint_report {
    struct arena arena;
    struct lint_finding *findings;
    size_t count;
    size_t error_count;
};

void set_lint(struct sql_parser *parser, const struct set *set, struct lint_report *ret_report);
void lint_report_release(struct lint_report *report);

/* One sentence for the first error of a report that has one, as a refused publish says it:
 * "TRANSACTION_CONTROL: 0.2.0__x.sql:3: ..." or "LINT: ..."; how many more there are, too. */
bool set_lint_refuse(const struct lint_report *report, struct error *err);

#endif
