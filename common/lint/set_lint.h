/* set_lint.h - what is wrong with a set's scripts before any tenant sees them.
 *
 * Pure but for the parser's thread; any thread may call it, and it may take seconds for a large
 * set, so the rpc loop and the brain do not. */
#ifndef SKEIN_COMMON_LINT_SET_LINT_H
#define SKEIN_COMMON_LINT_SET_LINT_H

#include "common/lint/lint_run.h"
#include "common/model/plan.h"
#include "common/model/set.h"

/* Every script of the set into the run's report, oldest first; then the rollbacks, newest first. */
void set_lint(struct lint_run *run, const struct set *set);

/* The same without the migrations before the one of that index: the run's catalog has what they
 * made. */
void set_lint_from(struct lint_run *run, const struct set *set, size_t first);

/* Only what a plan runs, upwards. */
void set_lint_plan(struct lint_run *run, const struct set *set, const struct plan *plan);

/* The rollbacks of its migrations, newest first: each finds the catalog as those before it left it,
 * the first of them as the run has it. */
void set_lint_plan_down(struct lint_run *run, const struct set *set, const struct plan *plan);

/* One sentence for the first error of a report that has one, as a refused publish says it:
 * "TRANSACTION_CONTROL: 0.2.0__x.sql:3: ..." or "LINT: ..."; how many more there are, too. */
bool set_lint_refuse(const struct lint_report *report, struct error *err);

#endif
