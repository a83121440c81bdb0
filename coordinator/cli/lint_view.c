#include "coordinator/cli/lint_view.h"

#include <inttypes.h>
#include <string.h>

#include "coordinator/cli/field.h"
#include "coordinator/cli/table.h"

json_t *lint_view_new(void)
{
    return json_pack("{s:[], s:[]}", "findings", "statements");
}

void lint_view_add_finding(json_t *view, const struct lint_finding *finding)
{
    json_array_append_new(field_get(view, "findings"),
                          json_pack("{s:s, s:s, s:s, s:I, s:I, s:s, s:s, s:s, s:s}", "rule",
                                    finding->rule, "severity", finding->severity, "file",
                                    finding->file, "line", (json_int_t)finding->line, "statement",
                                    (json_int_t)finding->statement, "relation", "", "lock", "",
                                    "message", finding->message, "fix", ""));
}

static void lint_view_add_problem(json_t *view, const char *file, const struct sql_problem *problem)
{
    const struct lint_finding finding = {
        .severity = "error",
        .rule = problem->kind == SQL_PROBLEM_TRANSACTION_CONTROL ? "transaction-control" : "syntax",
        .file = file,
        .line = problem->line,
        .statement = problem->statement,
        .message = problem->error.message,
    };

    lint_view_add_finding(view, &finding);
}

void lint_view_add_script(json_t *view, struct sql_parser *parser, const char *file,
                          struct bytes content, bool transactional, bool report)
{
    CLEANUP(sql_script_release) struct sql_script script = { 0 };
    struct sql_problem problem = { 0 };

    if (!sql_script_parse(parser, content, &script, &problem)) {
        if (report) {
            lint_view_add_problem(view, file, &problem);
        }
        return;
    }
    for (size_t i = 0; i < script.count; i++) {
        json_array_append_new(field_get(view, "statements"),
                              json_pack("{s:s, s:I, s:I, s:b, s:[], s:[], s:[], s:b}", "file", file,
                                        "line", (json_int_t)script.statements[i].line, "statement",
                                        (json_int_t)script.statements[i].number, "transactional",
                                        transactional ? 1 : 0, "locks", "rewrites", "scans",
                                        "grows", 0));
    }
}

void lint_view_add_set(json_t *view, struct sql_parser *parser, const struct set *set)
{
    CLEANUP(lint_report_release) struct lint_report report = { 0 };

    set_lint(parser, set, &report);
    for (size_t i = 0; i < report.count; i++) {
        lint_view_add_finding(view, &report.findings[i]);
    }
    for (size_t i = 0; i < set->migration_count; i++) {
        const struct migration *migration = &set->migrations[i];
        for (size_t j = 0; j < migration->operation_count; j++) {
            const struct operation *operation = &migration->operations[j];
            if (operation->kind == OPERATION_SQL) {
                lint_view_add_script(view, parser, operation->path, operation->content,
                                     operation->settings.transaction, false);
            }
        }
    }
}

size_t lint_view_errors(const json_t *view)
{
    const json_t *findings = field_get(view, "findings");
    size_t count = 0;

    for (size_t i = 0; i < json_array_size(findings); i++) {
        count += strcmp(field_text(json_array_get(findings, i), "severity"), "error") == 0 ? 1 : 0;
    }
    return count;
}

void lint_view_print(const json_t *view, const struct style *style, struct buf *buf)
{
    static const struct table_column columns[] = {
        { "SEVERITY", false }, { "RULE", false }, { "WHERE", false }, { "MESSAGE", false }
    };
    CLEANUP(table_release) struct table table = { 0 };
    const json_t *findings = field_get(view, "findings");
    const size_t errors = lint_view_errors(view);
    const struct style uncut = { .color = style->color, .utf8 = style->utf8 };

    table_init(&table, columns, COUNT_OF(columns));
    for (size_t i = 0; i < json_array_size(findings); i++) {
        const json_t *finding = json_array_get(findings, i);
        const uint64_t line = field_u64(finding, "line");
        table_cell(&table, field_text(finding, "severity"));
        table_cell(&table, field_text(finding, "rule"));
        if (line > 0) {
            table_cell_f(&table, "%s:%" PRIu64, field_text(finding, "file"), line);
        } else {
            table_cell(&table, field_text(finding, "file"));
        }
        table_cell(&table, field_text(finding, "message"));
    }
    if (table_row_count(&table) > 0) {
        table_print(&table, &uncut, buf);
        buf_puts(buf, "\n");
    }
    buf_printf(buf, "%zu statement%s: %zu error%s, %zu other finding%s\n",
               json_array_size(field_get(view, "statements")),
               json_array_size(field_get(view, "statements")) == 1 ? "" : "s", errors,
               errors == 1 ? "" : "s", json_array_size(findings) - errors,
               json_array_size(findings) - errors == 1 ? "" : "s");
}
