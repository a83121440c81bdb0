#include "agent/check/size_plan.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/limits.h"
#include "common/core/memory.h"
#include "common/lint/set_lint.h"

struct size_plan {
    atomic_uint references;
    struct arena arena;
    const char **names;
    size_t name_count;
    bool all;
    struct size_item *items;
    size_t item_count;
};

static struct size_plan *size_plan_new(void)
{
    struct size_plan *plan = memory_alloc(sizeof(*plan));

    atomic_init(&plan->references, 1);
    return plan;
}

void size_plan_ref(struct size_plan *plan)
{
    unsigned before = atomic_fetch_add_explicit(&plan->references, 1, memory_order_relaxed);

    assert(before > 0);
    (void)before;
}

void size_plan_unref(struct size_plan **plan)
{
    struct size_plan *p = *plan;

    *plan = NULL;
    if (p != NULL && atomic_fetch_sub_explicit(&p->references, 1, memory_order_acq_rel) == 1) {
        arena_release(&p->arena);
        free(p);
    }
}

/* What the tenant has already, as far as the set's own scripts tell: its functions and types, too.
 */
static void size_plan_define(struct lint_run *run, const struct set *set, size_t first)
{
    for (size_t m = 0; m < first; m++) {
        const struct migration *migration = &set->migrations[m];
        for (size_t o = 0; o < migration->operation_count; o++) {
            const struct operation *operation = &migration->operations[o];
            CLEANUP(sql_script_release) struct sql_script script = { 0 };
            struct sql_problem problem = { 0 };

            if (operation->kind != OPERATION_SQL || operation->settings.control_scope ||
                !sql_script_parse(run->parser, operation->content, &script, &problem)) {
                continue;
            }
            for (size_t s = 0; s < script.count; s++) {
                lint_run_define(run, script.statements[s].text);
            }
        }
    }
}

static void size_plan_name(struct size_plan *plan, const char *name)
{
    for (size_t i = 0; i < plan->name_count; i++) {
        if (strcmp(plan->names[i], name) == 0) {
            return;
        }
    }
    if (plan->name_count == SIZE_NAMES_MAX) {
        plan->all = true;
        return;
    }
    plan->names[plan->name_count++] = arena_strdup(&plan->arena, name);
}

/* Whether the size of a table may matter to something. What a new partition scans stands in the
 * catalog alone. */
static bool size_plan_matters(const struct lint_report *report)
{
    for (size_t i = 0; i < report->count; i++) {
        enum lint_rule rule = lint_rule_of(report->findings[i].rule);
        if (lint_rule_goes_by_size(rule) || rule == LINT_CREATE_PARTITION) {
            return true;
        }
    }
    return false;
}

static void size_plan_take_names(struct size_plan *plan, const struct lint_report *report)
{
    for (size_t i = 0; i < report->statement_count; i++) {
        const struct lint_statement *statement = &report->statements[i];
        for (size_t n = 0; n < statement->lock_count; n++) {
            size_plan_name(plan, statement->locks[n].relation);
        }
        for (size_t n = 0; n < statement->rewrite_count; n++) {
            size_plan_name(plan, statement->rewrites[n]);
        }
        for (size_t n = 0; n < statement->scan_count; n++) {
            size_plan_name(plan, statement->scans[n]);
        }
    }
    /* VACUUM FULL without a table, a domain that nobody knows. */
    for (size_t i = 0; i < report->count; i++) {
        enum lint_rule rule = lint_rule_of(report->findings[i].rule);
        plan->all = plan->all || (report->findings[i].relation[0] == '\0' &&
                                  rule != LINT_LONG_WORK && lint_rule_goes_by_size(rule));
    }
}

static void size_plan_take_item(struct size_plan *plan, const struct lint_finding *finding)
{
    struct size_item *item = &plan->items[plan->item_count++];
    struct arena *arena = &plan->arena;

    *item = (struct size_item){
        .rule = finding->rule, /* constant */
        .file = arena_strdup(arena, finding->file),
        .line = finding->line,
        .statement = finding->statement,
        .relation = arena_strdup(arena, finding->relation),
        .lock = finding->lock, /* constant */
        .why = lint_rule_text(lint_rule_of(finding->rule))->why,
        .fix = arena_strdup(arena, finding->fix),
    };
    for (const struct lint_name *part = finding->extent.parts; part != NULL; part = part->next) {
        item->part_count++;
    }
    item->parts = arena_alloc_array(arena, item->part_count + 1, sizeof(*item->parts));
    size_t at = 0;
    for (const struct lint_name *part = finding->extent.parts; part != NULL; part = part->next) {
        item->parts[at++] = arena_strdup(arena, part->name);
    }
}

static void size_plan_take_items(struct size_plan *plan, const struct lint_report *report)
{
    plan->items = arena_alloc_array(&plan->arena, report->count + 1, sizeof(*plan->items));
    for (size_t i = 0; i < report->count; i++) {
        if (lint_rule_goes_by_size(lint_rule_of(report->findings[i].rule)) &&
            report->findings[i].sized) {
            size_plan_take_item(plan, &report->findings[i]);
        }
    }
}

/* The plan's scripts over what the tenant has before they run. */
static void size_plan_read(struct lint_run *run, const struct size_way *way)
{
    if (way->down) {
        set_lint_plan_down(run, way->set, way->plan);
    } else {
        set_lint_plan(run, way->set, way->plan);
    }
}

static size_t size_plan_start(const struct size_way *way)
{
    return way->plan->first + (way->down ? way->plan->count : 0);
}

struct size_plan *size_plan_of_scripts(struct sql_parser *parser, const struct size_way *way)
{
    struct lint_report reports[2] = { { .count = 0 }, { .count = 0 } };
    struct size_plan *made = size_plan_new();
    bool matters = false;

    for (size_t i = 0; i < COUNT_OF(reports); i++) {
        struct lint_run run;
        lint_run_begin(&run, parser, &reports[i]);
        run.sizes.surveyed = true; /* what the plan makes itself holds nothing */
        size_plan_define(&run, way->set, size_plan_start(way));
        if (i > 0) {
            lint_catalog_forget(&run.catalog); /* a tenant's may be another: expect the worst */
        }
        size_plan_read(&run, way);
        lint_run_end(&run);
        matters = matters || size_plan_matters(&reports[i]);
    }
    made->names = arena_alloc_array(&made->arena, SIZE_NAMES_MAX, sizeof(*made->names));
    for (size_t i = 0; i < COUNT_OF(reports); i++) {
        if (matters) {
            size_plan_take_names(made, &reports[i]);
        }
        lint_report_release(&reports[i]);
    }
    return made;
}

struct size_plan *size_plan_of_survey(struct sql_parser *parser, const struct size_way *way,
                                      const struct survey *survey)
{
    CLEANUP(lint_report_release) struct lint_report report = { 0 };
    struct size_plan *made = size_plan_new();
    struct lint_run run;

    lint_run_begin(&run, parser, &report);
    size_plan_define(&run, way->set, size_plan_start(way));
    survey_load(survey, &run);
    size_plan_read(&run, way);
    lint_run_end(&run);
    size_plan_take_items(made, &report);
    return made;
}

const char *const *size_plan_names(const struct size_plan *plan, size_t *ret_count, bool *ret_all)
{
    *ret_count = plan->name_count;
    *ret_all = plan->all;
    return plan->names;
}

const struct size_item *size_plan_items(const struct size_plan *plan, size_t *ret_count)
{
    *ret_count = plan->item_count;
    return plan->items;
}
