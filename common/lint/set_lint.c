#include "common/lint/set_lint.h"

#include <assert.h>
#include <string.h>

#include "common/core/arena.h"
#include "common/sql/batch_script.h"

/* Its statements are read like others, each a transaction of its own; first what only a batch can
 * have wrong. */
static void set_lint_batch(struct lint_run *run, const char *path, struct bytes content)
{
    CLEANUP(batch_script_release) struct batch_script script = { 0 };
    struct sql_problem problem = { 0 };

    if (batch_script_parse(run->parser, content, &script, &problem)) {
        lint_run_script(run, path, content, false);
        return;
    }
    lint_run_add(run,
                 problem.kind == SQL_PROBLEM_TRANSACTION_CONTROL ? LINT_TRANSACTION_CONTROL
                                                                 : LINT_SYNTAX,
                 path, problem.line, problem.error.message);
}

static void set_lint_operation(struct lint_run *run, const struct operation *operation)
{
    if (operation->process != NULL || operation->state != NULL) {
        return; /* its file was checked with the set; what it does is hidden from us */
    }
    if (operation->kind == OPERATION_BATCH) {
        set_lint_batch(run, operation->path, operation->content);
        return;
    }
    if (!operation->settings.control_scope) {
        lint_run_script(run, operation->path, operation->content, operation->settings.transaction);
    }
}

static void set_lint_down(struct lint_run *run, const struct operation *operation)
{
    if (operation->down_path != NULL && operation->down_kind == OPERATION_SQL &&
        !operation->down_settings.control_scope) {
        lint_run_script(run, operation->down_path, operation->down_content,
                        operation->down_settings.transaction);
    } else if (operation->down_path != NULL && operation->down_kind == OPERATION_BATCH) {
        set_lint_batch(run, operation->down_path, operation->down_content);
    }
}

void set_lint_plan_down(struct lint_run *run, const struct set *set, const struct plan *plan)
{
    run->down = true;
    for (size_t m = plan->first + plan->count; m > plan->first; m--) {
        const struct migration *migration = &set->migrations[m - 1];
        lint_run_migration(run);
        for (size_t o = migration->operation_count; o > 0; o--) {
            set_lint_down(run, &migration->operations[o - 1]);
        }
    }
    run->down = false;
}

static void set_lint_rollout_hook(struct lint_run *control, const struct set *set,
                                  enum set_hook hook)
{
    if (set->hooks[hook] != NULL) {
        const struct operation *operation = &set->hooks[hook]->operations[0];

        lint_run_migration(control);
        lint_run_script(control, operation->path, operation->content, true);
    }
}

static void set_lint_tenant_hook(struct lint_run *run, const struct set *set, enum set_hook hook)
{
    if (set->hooks[hook] != NULL) {
        lint_run_migration(run);
        set_lint_operation(run, &set->hooks[hook]->operations[0]);
    }
}

/* The control database is another one: what is in a tenant says nothing of it. */
static void set_lint_control(struct lint_run *run, const struct set *set, size_t first)
{
    struct lint_run control;

    lint_run_begin(&control, run->parser, run->report);
    control.version = run->version;
    set_lint_rollout_hook(&control, set, SET_HOOK_BEFORE_ROLLOUT);
    for (size_t m = first; m < set->migration_count; m++) {
        const struct migration *migration = &set->migrations[m];
        lint_run_migration(&control);
        for (size_t o = 0; o < migration->operation_count; o++) {
            const struct operation *operation = &migration->operations[o];
            if (operation->settings.control_scope) {
                lint_run_script(&control, operation->path, operation->content, true);
            }
        }
    }
    set_lint_rollout_hook(&control, set, SET_HOOK_AFTER_ROLLOUT);
    lint_run_end(&control);
}

void set_lint_plan(struct lint_run *run, const struct set *set, const struct plan *plan)
{
    set_lint_tenant_hook(run, set, SET_HOOK_BEFORE_TENANT);
    for (size_t m = plan->first; m < plan->first + plan->count; m++) {
        const struct migration *migration = &set->migrations[m];
        lint_run_migration(run);
        for (size_t o = 0; o < migration->operation_count; o++) {
            set_lint_operation(run, &migration->operations[o]);
        }
    }
    for (size_t m = 0; m < set->repeatable_count && plan->repeatables; m++) {
        lint_run_migration(run);
        set_lint_operation(run, &set->repeatables[m].operations[0]);
    }
    set_lint_tenant_hook(run, set, SET_HOOK_AFTER_TENANT);
}

void set_lint_from(struct lint_run *run, const struct set *set, size_t first)
{
    const struct plan plan = { .first = first,
                               .count = set->migration_count - first,
                               .repeatables = true };

    assert(first <= set->migration_count);
    set_lint_plan(run, set, &plan);
    set_lint_plan_down(run, set, &plan);
    set_lint_control(run, set, first);
}

void set_lint(struct lint_run *run, const struct set *set)
{
    set_lint_from(run, set, 0);
}

bool set_lint_refuse(const struct lint_report *report, struct error *err)
{
    const struct lint_finding *first = report->findings;

    assert(report->error_count > 0);
    while (first < report->findings + report->count && strcmp(first->severity, "error") != 0) {
        first++;
    }
    if (first == report->findings + report->count) {
        return error_set(err, ERR_INVALID, "LINT: %zu errors (`skein lint` lists them)",
                         report->error_count);
    }
    const char *code =
        lint_rule_of(first->rule) == LINT_TRANSACTION_CONTROL ? "TRANSACTION_CONTROL" : "LINT";
    if (report->error_count == 1) {
        return error_set(err, ERR_INVALID, "%s: %s:%u: %s", code, first->file, first->line,
                         first->message);
    }
    return error_set(err, ERR_INVALID, "%s: %s:%u: %s (and %zu more; `skein lint` lists them)",
                     code, first->file, first->line, first->message, report->error_count - 1);
}
