#include "coordinator/cli/lint_view.h"

#include <inttypes.h>
#include <string.h>

#include "common/lint/lint_page.h"
#include "common/lint/lint_rule.h"
#include "common/lint/lint_version.h"
#include "common/model/size_text.h"
#include "coordinator/cli/output.h"
#include "coordinator/cli/table.h"

static json_t *lint_view_finding(const struct lint_finding *finding)
{
    char size[SIZE_TEXT_BYTES];
    json_t *bytes = finding->sized ? json_integer((json_int_t)finding->extent.bytes) : json_null();
    json_t *words =
        finding->sized ? json_string(size_text_format(finding->extent.bytes, size)) : json_null();

    return json_pack("{s:s, s:s, s:s, s:I, s:I, s:s, s:s, s:s, s:s, s:o, s:o}", "rule",
                     finding->rule, "severity", finding->severity, "file", finding->file, "line",
                     (json_int_t)finding->line, "statement", (json_int_t)finding->statement,
                     "relation", finding->relation, "lock", finding->lock, "message",
                     finding->message, "fix", finding->fix, "bytes", bytes, "size", words);
}

static json_t *lint_view_names(const char *const *names, size_t count)
{
    json_t *list = json_array();

    for (size_t i = 0; i < count; i++) {
        json_array_append_new(list, json_string(names[i]));
    }
    return list;
}

static json_t *lint_view_statement(const struct lint_statement *statement)
{
    json_t *locks = json_array();

    for (size_t i = 0; i < statement->lock_count; i++) {
        json_array_append_new(locks,
                              json_pack("{s:s, s:s}", "relation", statement->locks[i].relation,
                                        "mode", lint_mode_name(statement->locks[i].mode)));
    }
    json_t *versions = json_pack("{s:I, s:I}", "from", (json_int_t)statement->since, "to",
                                 (json_int_t)LINT_VERSION_NEWEST);
    return json_pack("{s:s, s:I, s:I, s:b, s:o, s:o, s:o, s:o, s:b}", "file", statement->file,
                     "line", (json_int_t)statement->line, "statement",
                     (json_int_t)statement->number, "transactional",
                     statement->transactional ? 1 : 0, "versions", versions, "locks", locks,
                     "rewrites", lint_view_names(statement->rewrites, statement->rewrite_count),
                     "scans", lint_view_names(statement->scans, statement->scan_count), "grows",
                     statement->grows ? 1 : 0);
}

/* Locks are those that the statement took itself; null outside of a transaction. */
static json_t *lint_view_measure(const struct trace_measure *measure)
{
    json_t *locks = measure->locks_known ? json_array() : json_null();

    for (size_t i = 0; i < measure->lock_count; i++) {
        if (measure->locks[i].is_new) {
            json_array_append_new(locks,
                                  json_pack("{s:s, s:s}", "relation", measure->locks[i].relation,
                                            "mode", lint_mode_name(measure->locks[i].mode)));
        }
    }
    return json_pack("{s:f, s:o, s:o, s:o, s:o}", "ms", (double)measure->took_us / 1000.0, "locks",
                     locks, "rewrites", lint_view_names(measure->rewrites, measure->rewrite_count),
                     "scans", lint_view_names(measure->scans, measure->scan_count), "grows",
                     measure->locks_known ? json_boolean(measure->grows) : json_null());
}

json_t *lint_view_json(const struct lint_report *report, const struct trace *trace)
{
    json_t *findings = json_array();
    json_t *statements = json_array();

    for (size_t i = 0; i < report->count; i++) {
        json_array_append_new(findings, lint_view_finding(&report->findings[i]));
    }
    for (size_t i = 0; i < report->statement_count; i++) {
        json_t *statement = lint_view_statement(&report->statements[i]);
        if (i < trace->count && trace->measures[i] != NULL) {
            json_object_set_new(statement, "measured", lint_view_measure(trace->measures[i]));
        }
        json_array_append_new(statements, statement);
    }
    return json_pack("{s:o, s:o}", "findings", findings, "statements", statements);
}

static enum tone lint_view_tone(const char *severity)
{
    if (strcmp(severity, "error") == 0) {
        return TONE_BAD;
    }
    return strcmp(severity, "warning") == 0 ? TONE_WAIT : TONE_DIM;
}

static void lint_view_print_trace(const struct trace *trace, struct buf *buf)
{
    size_t ran = 0;

    for (size_t i = 0; i < trace->count; i++) {
        ran += trace->measures[i] != NULL ? 1 : 0;
    }
    if (trace->count > 0) {
        buf_printf(buf, "%zu of them ran on a scratch database, which is gone again\n", ran);
    }
}

/* Its lines below each other, so that they can be pasted. */
static void lint_view_print_fix(const char *fix, struct buf *buf)
{
    const char *lead = "\n    safe: ";

    for (const char *line = fix; *line != '\0';) {
        size_t size = strcspn(line, "\n");
        CLEANUP(buf_release) struct buf text = { .size_max = OUTPUT_BYTES_MAX };

        buf_append(&text, line, size);
        buf_puts(buf, lead);
        style_clean(buf_text(&text), buf);
        lead = "\n          ";
        line += size + (line[size] == '\n' ? 1 : 0);
    }
}

void lint_view_print(const struct lint_report *report, const struct trace *trace,
                     const struct style *style, struct buf *buf)
{
    size_t others = 0;

    for (size_t i = 0; i < report->count; i++) {
        const struct lint_finding *finding = &report->findings[i];

        others += strcmp(finding->severity, "error") == 0 ? 0 : 1;
        style_put(style, buf, lint_view_tone(finding->severity), finding->severity);
        buf_printf(buf, "  %s  %s", finding->rule, finding->file);
        if (finding->line > 0) {
            buf_printf(buf, ":%" PRIu32, finding->line);
        }
        buf_printf(buf, "%s%s\n    ", finding->lock[0] != '\0' ? "  takes " : "", finding->lock);
        style_clean(finding->message, buf);
        lint_view_print_fix(finding->fix, buf);
        buf_puts(buf, "\n\n");
    }
    buf_printf(buf, "%zu statement%s: %zu error%s, %zu other finding%s\n", report->statement_count,
               report->statement_count == 1 ? "" : "s", report->error_count,
               report->error_count == 1 ? "" : "s", others, others == 1 ? "" : "s");
    lint_view_print_trace(trace, buf);
    if (others + report->error_count > 0) {
        buf_puts(buf, "`skein lint --explain RULE` says more about one; `-- skein:allow RULE "
                      "reason` before a statement silences it.\n");
    }
}

/* The command's own separators are written as %XX. */
static void lint_view_escape(struct buf *buf, const char *text)
{
    for (; *text != '\0'; text++) {
        if (strchr("%\r\n:,", *text) != NULL) {
            buf_printf(buf, "%%%02X", (unsigned)(unsigned char)*text);
        } else {
            buf_append(buf, text, 1);
        }
    }
}

/* "sets/billing/0.2.0__x.sql" of "./sets/billing/" and "0.2.0__x.sql". */
static void lint_view_path(struct buf *buf, const char *folder, const char *file)
{
    size_t size = strlen(folder);

    while (strncmp(folder, "./", 2) == 0) {
        folder += 2;
        size -= 2;
    }
    while (size > 0 && folder[size - 1] == '/') {
        size--;
    }
    if (size > 0 && strcmp(folder, ".") != 0 && strncmp(file, folder, size) != 0) {
        CLEANUP(buf_release) struct buf path = { .size_max = OUTPUT_BYTES_MAX };

        buf_append(&path, folder, size);
        lint_view_escape(buf, buf_text(&path));
        buf_puts(buf, "/");
    }
    lint_view_escape(buf, file);
}

void lint_view_github(const struct lint_report *report, const char *folder, struct buf *buf)
{
    for (size_t i = 0; i < report->count; i++) {
        const struct lint_finding *finding = &report->findings[i];
        bool note = strcmp(finding->severity, "note") == 0;

        buf_printf(buf, "::%s file=", note ? "notice" : finding->severity);
        lint_view_path(buf, folder, finding->file);
        buf_printf(buf, ",line=%" PRIu32 ",title=%s::", finding->line > 0 ? finding->line : 1,
                   finding->rule);
        lint_view_escape(buf, finding->message);
        buf_puts(buf, "%0A");
        lint_view_escape(buf, finding->fix);
        buf_puts(buf, "\n");
    }
}

static void lint_view_list_rules(const struct style *style, struct buf *buf)
{
    static const struct table_column columns[] = { { "RULE", false },
                                                   { "SEVERITY", false },
                                                   { "WHY IT HURTS", false } };
    CLEANUP(table_release) struct table table = { 0 };

    table_init(&table, columns, COUNT_OF(columns));
    for (size_t i = 0; i < LINT_RULE_COUNT; i++) {
        const struct lint_rule_text *text = lint_rule_text((enum lint_rule)i);
        table_cell(&table, text->id);
        table_cell(&table, text->severity);
        table_cell(&table, text->why);
    }
    table_print(&table, style, buf);
}

bool lint_view_explain(const char *rule, const struct style *style, struct buf *buf)
{
    enum lint_rule found = lint_rule_of(rule);

    if (strcmp(rule, "all") == 0) {
        lint_view_list_rules(style, buf);
        return true;
    }
    if (found == LINT_RULE_COUNT) {
        return false;
    }
    const struct lint_rule_text *text = lint_rule_text(found);
    const struct bytes page = lint_page(text->id);
    style_put(style, buf, lint_view_tone(text->severity), text->id);
    buf_printf(buf, " (%s): %s.\n\n%.*s\n", text->severity, text->why, (int)page.size,
               (const char *)page.data);
    if (strcmp(text->severity, "error") != 0 && found != LINT_TRACE) {
        buf_printf(buf,
                   "\nWhere it is safe all the same, say why above the statement:\n\n"
                   "    -- skein:allow %s because ...\n",
                   text->id);
    }
    return true;
}
