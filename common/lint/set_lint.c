#include "common/lint/set_lint.h"

#include <assert.h>
#include <string.h>

#include "common/core/limits.h"

static const char *const rule_syntax = "syntax";
static const char *const rule_transaction_control = "transaction-control";
static const char *const rule_kind = "unsupported-kind";
static const char *const rule_setting = "unsupported-setting";

static void set_lint_add(struct lint_report *report, struct lint_finding finding)
{
    report->error_count++;
    if (report->count == LINT_FINDINGS_MAX) {
        return; /* counted; the list is long enough for a person */
    }
    if (report->findings == NULL) {
        report->findings = arena_alloc_array(&report->arena, LINT_FINDINGS_MAX, sizeof(finding));
    }
    finding.severity = "error";
    finding.file = arena_strdup(&report->arena, finding.file);
    finding.message = arena_strdup(&report->arena, finding.message);
    report->findings[report->count++] = finding;
}

/* The line on which a directive stands; it was parsed from the head of the file, so it is there. */
static uint32_t set_lint_line_of(struct bytes content, const char *directive)
{
    const char *data = (const char *)content.data;
    const char *found =
        content.size == 0 ? NULL : memmem(data, content.size, directive, strlen(directive));
    uint32_t line = 1;

    for (const char *at = data; found != NULL && at < found; at++) {
        line += *at == '\n';
    }
    return line;
}

static void set_lint_script(struct sql_parser *parser, const char *path, struct bytes content,
                            struct lint_report *report)
{
    CLEANUP(sql_script_release) struct sql_script script = { 0 };
    struct sql_problem problem = { 0 };

    if (sql_script_parse(parser, content, &script, &problem)) {
        return;
    }
    const char *rule =
        problem.kind == SQL_PROBLEM_TRANSACTION_CONTROL ? rule_transaction_control : rule_syntax;
    set_lint_add(report, (struct lint_finding){ .rule = rule,
                                                .file = path,
                                                .line = problem.line,
                                                .statement = problem.statement,
                                                .message = problem.error.message });
}

static void set_lint_settings(const struct operation *operation, struct lint_report *report)
{
    if (!operation->settings.transaction) {
        set_lint_add(report,
                     (struct lint_finding){
                         .rule = rule_setting,
                         .file = operation->path,
                         .line = set_lint_line_of(operation->content, "skein:transaction"),
                         .message = "'transaction none' is not available in this version; take "
                                    "out what cannot run in a transaction (such as CONCURRENTLY)",
                     });
    }
    if (operation->settings.control_scope) {
        set_lint_add(report,
                     (struct lint_finding){
                         .rule = rule_setting,
                         .file = operation->path,
                         .line = set_lint_line_of(operation->content, "skein:scope"),
                         .message = "'scope control' is not available in this version; scripts "
                                    "work on the tenant only",
                     });
    }
}

static void set_lint_operation(struct sql_parser *parser, const struct operation *operation,
                               struct lint_report *report)
{
    if (operation->kind != OPERATION_SQL) {
        const char *message = arena_printf(&report->arena,
                                           "operations of kind '%s' are not available in this "
                                           "version; use .sql",
                                           operation_kind_name(operation->kind));
        set_lint_add(report, (struct lint_finding){ .rule = rule_kind,
                                                    .file = operation->path,
                                                    .line = 1,
                                                    .message = message });
        return;
    }
    set_lint_settings(operation, report);
    set_lint_script(parser, operation->path, operation->content, report);
    if (operation->down_path != NULL) {
        set_lint_script(parser, operation->down_path, operation->down_content, report);
    }
}

void set_lint(struct sql_parser *parser, const struct set *set, struct lint_report *ret_report)
{
    *ret_report = (struct lint_report){ 0 };
    for (size_t m = 0; m < set->migration_count; m++) {
        const struct migration *migration = &set->migrations[m];
        for (size_t o = 0; o < migration->operation_count; o++) {
            set_lint_operation(parser, &migration->operations[o], ret_report);
        }
    }
    assert(ret_report->count <= ret_report->error_count);
}

void lint_report_release(struct lint_report *report)
{
    arena_release(&report->arena);
    *report = (struct lint_report){ 0 };
}

bool set_lint_refuse(const struct lint_report *report, struct error *err)
{
    assert(report->count > 0);
    const struct lint_finding *first = &report->findings[0];
    const char *code = first->rule == rule_transaction_control ? "TRANSACTION_CONTROL" : "LINT";

    if (report->error_count == 1) {
        return error_set(err, ERR_INVALID, "%s: %s:%u: %s", code, first->file, first->line,
                         first->message);
    }
    return error_set(err, ERR_INVALID, "%s: %s:%u: %s (and %zu more; `skein lint` lists them)",
                     code, first->file, first->line, first->message, report->error_count - 1);
}
