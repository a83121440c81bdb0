#include "common/lint/lint_run.h"

#include <stdlib.h>
#include <string.h>

#include "common/core/limits.h"
#include "common/core/memory.h"
#include "common/lint/lint_allow.h"
#include "common/lint/lint_statement.h"
#include "common/lint/lint_style.h"
#include "common/lint/lint_version.h"
#include "common/sql/sql_loose.h"

/* One script while it is read. */
struct lint_script {
    struct lint_run *run;
    struct lint_allow *allows;
    size_t allow_count;
    uint32_t first_line; /* behind the statement before */
    uint32_t last_line;  /* of the statement that is read */
};

void lint_report_release(struct lint_report *report)
{
    free(report->statements);
    arena_release(&report->arena);
    *report = (struct lint_report){ 0 };
}

static void lint_run_put(struct lint_report *report, struct lint_finding finding)
{
    report->error_count += strcmp(finding.severity, "error") == 0 ? 1 : 0;
    bool style = lint_rule_is_style(lint_rule_of(finding.rule)); /* room for what hurts today */
    if (report->count == LINT_FINDINGS_MAX || (style && report->count >= LINT_FINDINGS_MAX / 2)) {
        return; /* counted if it is an error; the list is long enough for a person */
    }
    if (report->findings == NULL) {
        report->findings = arena_alloc_array(&report->arena, LINT_FINDINGS_MAX, sizeof(finding));
    }
    finding.file = arena_strdup(&report->arena, finding.file);
    finding.message = arena_strdup(&report->arena, finding.message);
    report->findings[report->count++] = finding;
}

/* The same rule twice for one statement and relation says nothing new. */
static bool lint_run_is_told(const struct lint_report *report, const struct lint_finding *finding)
{
    for (size_t i = report->count; i > 0; i--) {
        const struct lint_finding *before = &report->findings[i - 1];
        if (before->statement != finding->statement || strcmp(before->file, finding->file) != 0) {
            return false;
        }
        if (strcmp(before->rule, finding->rule) == 0 &&
            strcmp(before->relation, finding->relation) == 0) {
            return true;
        }
    }
    return false;
}

/* Programs go back before their schema does, so nobody misses what a rollback takes away. */
static bool lint_run_is_expected_of_down(enum lint_rule rule)
{
    return rule == LINT_DROP_TABLE || rule == LINT_DROP_COLUMN || rule == LINT_RENAME;
}

static void lint_run_on_finding(void *context, const struct lint_finding *found)
{
    struct lint_script *script = context;
    struct lint_finding copy = *found;
    const struct lint_finding *finding = &copy;
    enum lint_rule rule = lint_rule_of(finding->rule);

    if (script->run->down && lint_run_is_expected_of_down(rule)) {
        return;
    }
    if (script->run->down && strcmp(copy.severity, "error") == 0) {
        copy.severity = "warning";
    }
    for (size_t i = 0; i < script->allow_count; i++) {
        const struct lint_allow *allow = &script->allows[i];
        if (allow->rule == rule && allow->has_reason && allow->line >= script->first_line &&
            allow->line <= script->last_line) {
            struct lint_report *report = script->run->report;

            if (lint_rule_goes_by_size(rule) || rule == LINT_OPAQUE) {
                report->statements[report->statement_count - 1].allowed = true;
            }
            return;
        }
    }
    if (!lint_run_is_told(script->run->report, finding)) {
        lint_run_put(script->run->report, *finding);
    }
}

void lint_run_add(struct lint_run *run, enum lint_rule rule, const char *path, uint32_t line,
                  const char *message)
{
    const struct lint_rule_text *text = lint_rule_text(rule);
    const struct lint_finding finding = { .severity = text->severity,
                                          .rule = text->id,
                                          .file = path,
                                          .line = line,
                                          .message = message,
                                          .relation = "",
                                          .lock = "",
                                          .fix = text->safe };

    lint_run_put(run->report, finding);
}

void lint_run_add_at(struct lint_run *run, enum lint_rule rule,
                     const struct lint_statement *statement, const char *message)
{
    const struct lint_rule_text *text = lint_rule_text(rule);
    bool softer = run->down && strcmp(text->severity, "error") == 0;
    const struct lint_finding finding = { .severity = softer ? "warning" : text->severity,
                                          .rule = text->id,
                                          .file = statement->file,
                                          .line = statement->line,
                                          .statement = statement->number,
                                          .message = message,
                                          .relation = "",
                                          .lock = "",
                                          .fix = text->safe };

    lint_run_put(run->report, finding);
}

void lint_run_begin(struct lint_run *run, struct sql_parser *parser, struct lint_report *report)
{
    *run = (struct lint_run){ .parser = parser, .report = report };
}

void lint_run_end(struct lint_run *run)
{
    lint_catalog_release(&run->catalog);
}

void lint_run_migration(struct lint_run *run)
{
    run->catalog.epoch++;
    run->catalog.path = NULL;
    run->catalog.utc = run->catalog.utc_at_home;
}

static void lint_run_refuse(struct lint_run *run, const char *path,
                            const struct sql_problem *problem)
{
    enum lint_rule rule =
        problem->kind == SQL_PROBLEM_TRANSACTION_CONTROL ? LINT_TRANSACTION_CONTROL : LINT_SYNTAX;

    lint_run_add(run, rule, path, problem->line, problem->error.message);
    struct lint_report *report = run->report;
    if (report->count > 0 && report->count < LINT_FINDINGS_MAX) {
        report->findings[report->count - 1].statement = problem->statement;
    }
}

static void lint_run_check_allows(struct lint_run *run, const char *path,
                                  const struct lint_script *script)
{
    for (size_t i = 0; i < script->allow_count; i++) {
        const struct lint_allow *allow = &script->allows[i];
        if (allow->rule == LINT_RULE_COUNT) {
            lint_run_add(
                run, LINT_ALLOW, path, allow->line,
                arena_printf(&run->report->arena, "there is no rule '%.64s'", allow->word));
        } else if (!allow->has_reason) {
            lint_run_add(run, LINT_ALLOW, path, allow->line,
                         arena_printf(&run->report->arena,
                                      "the reason is missing: why is '%.64s' safe here?",
                                      allow->word));
        }
    }
}

static uint32_t lint_run_last_line(const struct sql_statement *statement)
{
    uint32_t line = statement->line;

    for (const char *at = statement->text; *at != '\0'; at++) {
        line += *at == '\n';
    }
    return line;
}

static struct lint_statement *lint_run_add_statement(struct lint_report *report)
{
    report->statements = memory_reserve(report->statements, report->statement_count,
                                        &report->statement_capacity, sizeof(*report->statements));
    return &report->statements[report->statement_count++];
}

static void lint_run_statement(struct lint_script *script, const char *path,
                               const struct sql_statement *statement, bool transactional,
                               struct lint_transaction *transaction)
{
    struct lint_run *run = script->run;
    struct lint_statement *effects = lint_run_add_statement(run->report);
    struct lint_walk walk = { .catalog = &run->catalog,
                              .transaction = transaction,
                              .arena = &run->report->arena,
                              .statement = effects,
                              .text = statement->text,
                              .version = run->version,
                              .sizes = run->sizes,
                              .found = lint_run_on_finding,
                              .context = script };

    *effects = (struct lint_statement){ .file = path,
                                        .line = statement->line,
                                        .number = statement->number,
                                        .since = LINT_VERSION_OLDEST,
                                        .transactional = transactional };
    script->last_line = lint_run_last_line(statement);
    effects->first_line = script->first_line;
    effects->last_line = script->last_line;
    if (!sql_tree_visit(run->parser, statement->text, lint_statement_visit, &walk)) {
        lint_walk_find(&walk, LINT_TOO_DEEP, NULL, NULL);
    }
    lint_walk_end(&walk);
    script->first_line = script->last_line + 1;
}

/* Whether the statement can run outside a transaction, and be looked up after a crash. */
static void lint_run_loose(struct lint_run *run, const char *path,
                           const struct sql_statement *statement)
{
    struct sql_loose loose = { 0 };
    struct sql_problem problem = { 0 };

    if (!sql_loose_parse(run->parser, statement, &loose, &problem)) {
        lint_run_add(run, LINT_OUTSIDE_TRANSACTION, path, problem.line, problem.error.message);
    }
    sql_loose_release(&loose);
}

static void lint_run_tell_missing_index(struct lint_script *script,
                                        const struct lint_relation *table,
                                        const struct lint_statement *statement)
{
    const struct lint_rule_text *text = lint_rule_text(LINT_FOREIGN_KEY_INDEX);
    struct arena *arena = &script->run->report->arena;
    const char *name = arena_strdup(arena, table->name);
    const struct lint_finding finding = {
        .severity = text->severity,
        .rule = text->id,
        .file = statement->file,
        .line = statement->line,
        .statement = statement->number,
        .message = arena_printf(arena, "%s: %s", name, text->why),
        .relation = name,
        .lock = "",
        .fix = text->safe,
    };

    script->first_line = statement->first_line;
    script->last_line = statement->last_line;
    lint_run_on_finding(script, &finding);
}

/* Foreign keys of the script that have no index by its end. */
static void lint_run_foreign_keys(struct lint_script *script, size_t first)
{
    const struct lint_report *report = script->run->report;
    const struct lint_catalog *catalog = &script->run->catalog;

    for (struct lint_relation *r = catalog->relations; r != NULL; r = r->hh.next) {
        for (struct lint_constraint *c = r->constraints; c != NULL; c = c->next) {
            size_t at = first + c->statement - 1;
            if (c->needs_index && !r->temporary && c->statement > 0 &&
                at < report->statement_count && !lint_style_has_index(catalog, r, c)) {
                lint_run_tell_missing_index(script, r, &report->statements[at]);
            }
            c->needs_index = false;
        }
    }
}

void lint_run_script(struct lint_run *run, const char *path, struct bytes content,
                     bool transactional)
{
    CLEANUP(sql_script_release) struct sql_script sql = { 0 };
    struct sql_problem problem = { 0 };
    struct lint_transaction transaction = { .held.relation = "" };
    struct lint_script script = { .run = run, .first_line = 1 };
    const char *file = arena_strdup(&run->report->arena, path);

    script.allow_count = lint_allow_read(&run->report->arena, content, &script.allows);
    lint_run_check_allows(run, file, &script);
    if (!sql_script_split(run->parser, content, &sql, &problem)) {
        lint_run_refuse(run, file, &problem);
        return;
    }
    const size_t first = run->report->statement_count;
    for (size_t i = 0; i < sql.count; i++) {
        if (!sql_script_check(&sql.statements[i], &problem)) {
            lint_run_refuse(run, file, &problem); /* and what follows is read all the same */
        }
        if (!transactional) {
            transaction = (struct lint_transaction){ .held.relation = "" };
            lint_run_loose(run, file, &sql.statements[i]);
        }
        lint_run_statement(&script, file, &sql.statements[i], transactional, &transaction);
    }
    lint_run_foreign_keys(&script, first);
}

static void lint_run_ignore(void *context, const struct lint_finding *finding)
{
    (void)context;
    (void)finding;
}

void lint_run_define(struct lint_run *run, const char *statement)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct lint_transaction transaction = { .held.relation = "" };
    struct lint_statement effects = { .file = "" };
    struct lint_walk walk = { .catalog = &run->catalog,
                              .transaction = &transaction,
                              .arena = &arena,
                              .statement = &effects,
                              .text = statement,
                              .schema_only = true,
                              .found = lint_run_ignore };

    if (!sql_tree_visit(run->parser, statement, lint_statement_visit, &walk)) {
        return; /* nothing is known of it, as if nobody had said it */
    }
}

bool lint_run_schema(struct lint_run *run, struct bytes text, struct error *err)
{
    CLEANUP(sql_script_release) struct sql_script sql = { 0 };
    struct sql_problem problem = { 0 };

    if (!sql_script_split(run->parser, text, &sql, &problem)) {
        return error_set(err, ERR_INVALID, "line %u: %s", problem.line, problem.error.message);
    }
    for (size_t i = 0; i < sql.count; i++) {
        lint_run_define(run, sql.statements[i].text);
    }
    run->catalog.path = NULL;
    run->catalog.utc_at_home = run->catalog.utc;
    lint_catalog_settle(&run->catalog);
    return true;
}
