#include "common/import/import_script.h"

#include <string.h>

#include "common/lint/lint_run.h"
#include "common/sql/sql_text.h"

enum { IMPORT_WORDS_MAX = 16 };

/* One statement as the lexer sees it: enough to know BEGIN and COMMIT at the ends of a script. */
struct import_statement {
    size_t begin; /* its first token */
    size_t end;   /* behind its semicolon */
    struct sql_token words[IMPORT_WORDS_MAX];
    size_t word_count; /* at most IMPORT_WORDS_MAX are kept */
};

static bool import_next_statement(struct sql_text *text, struct import_statement *ret_statement)
{
    struct import_statement statement = { 0 };
    unsigned depth = 0;

    for (;;) {
        struct sql_token token = sql_text_next(text);
        bool semicolon =
            token.kind == SQL_TOKEN_OTHER && token.size == 1 && *token.data == ';' && depth == 0;
        if (token.kind == SQL_TOKEN_END || semicolon) {
            statement.end = semicolon ? (size_t)(token.data - text->data) + 1 : text->size;
            if (statement.word_count > 0 || token.kind == SQL_TOKEN_END) {
                *ret_statement = statement;
                return statement.word_count > 0;
            }
            continue; /* an empty one */
        }
        if (token.kind == SQL_TOKEN_OTHER && (*token.data == '(' || *token.data == ')')) {
            depth = *token.data == '(' ? depth + 1 : depth - (depth > 0 ? 1 : 0);
        }
        if (statement.word_count == 0) {
            statement.begin = (size_t)(token.data - text->data);
        }
        if (statement.word_count < IMPORT_WORDS_MAX) {
            statement.words[statement.word_count] = token;
        }
        statement.word_count++;
    }
}

static bool import_is_noise(struct sql_token token)
{
    return sql_token_is(token, "WORK") || sql_token_is(token, "TRANSACTION");
}

/* BEGIN, START TRANSACTION; *ret_modes whether it says more (an isolation level, ...). */
static bool import_is_begin(const struct import_statement *statement, bool *ret_modes)
{
    size_t used = 1;

    if (sql_token_is(statement->words[0], "START")) {
        used =
            statement->word_count > 1 && sql_token_is(statement->words[1], "TRANSACTION") ? 2 : 0;
    } else if (!sql_token_is(statement->words[0], "BEGIN")) {
        used = 0;
    } else if (statement->word_count > 1 && import_is_noise(statement->words[1])) {
        used = 2;
    }
    *ret_modes = used > 0 && statement->word_count > used;
    return used > 0;
}

static bool import_is_commit(const struct import_statement *statement)
{
    bool commit =
        sql_token_is(statement->words[0], "COMMIT") || sql_token_is(statement->words[0], "END");

    return commit && (statement->word_count == 1 ||
                      (statement->word_count == 2 && import_is_noise(statement->words[1])));
}

/* Takes a part out, but not the ends of its lines: those below keep their numbers. */
static void import_erase(char *text, size_t *size, size_t begin, size_t end)
{
    size_t kept = begin;

    for (size_t i = begin; i < *size; i++) {
        if (i >= end || text[i] == '\n') {
            text[kept++] = text[i];
        }
    }
    *size = kept;
    text[kept] = '\0';
}

static void import_take_transaction(struct import_work *work, const struct import_script *script,
                                    char *text, size_t *size)
{
    struct sql_text lexer = { .data = text, .size = *size };
    struct import_statement first;
    struct import_statement last;
    struct import_statement next;
    size_t count = 1;
    bool modes;

    if (script->outside || !import_next_statement(&lexer, &first) ||
        !import_is_begin(&first, &modes)) {
        return;
    }
    for (last = first; import_next_statement(&lexer, &next); count++) {
        last = next;
    }
    if (count < 2 || !import_is_commit(&last)) {
        return; /* the parser will say what is wrong with it */
    }
    if (modes) {
        import_note(work, script->file, 0,
                    "its BEGIN has an isolation level or another mode; skein's transactions are "
                    "READ COMMITTED");
    }
    import_erase(text, size, last.begin, last.end);
    import_erase(text, size, first.begin, first.end);
}

bool import_script_is_empty(struct bytes text)
{
    struct sql_text lexer = { .data = (const char *)text.data, .size = text.size };
    struct import_statement statement;

    return !import_next_statement(&lexer, &statement);
}

/* With \n at the ends of lines and without a byte order mark. */
static char *import_copy(struct import_work *work, struct bytes text, size_t *ret_size)
{
    char *copy = arena_alloc(work->arena, text.size + 1);
    size_t from = text.size >= 3 && memcmp(text.data, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    size_t size = 0;

    for (; from < text.size; from++) {
        if (text.data[from] != '\r' || from + 1 == text.size || text.data[from + 1] != '\n') {
            copy[size++] = (char)text.data[from];
        }
    }
    *ret_size = size;
    return copy;
}

static bool import_line_is_psql(struct bytes text, uint32_t number)
{
    struct import_lines lines = import_lines_of(text);
    struct bytes line = { 0 };

    while (lines.number < number && import_next_line(&lines, &line)) {
    }
    for (size_t i = 0; i < line.size; i++) {
        if (line.data[i] != ' ' && line.data[i] != '\t') {
            return line.data[i] == '\\';
        }
    }
    return false;
}

/* Whether it can be cut into statements at all. */
static bool import_check(struct import_work *work, const struct import_script *script,
                         struct bytes text)
{
    CLEANUP(sql_script_release) struct sql_script parsed = { 0 };
    struct sql_problem problem = { 0 };

    if (sql_script_parse(work->request->parser, text, &parsed, &problem)) {
        return true;
    }
    uint32_t line = script->line + problem.line;
    if (problem.kind == SQL_PROBLEM_TRANSACTION_CONTROL) {
        import_problem(work, script->file, line,
                       "%s: cut it into several migrations, each of which skein runs in a "
                       "transaction of its own",
                       problem.error.message);
    } else if (import_line_is_psql(text, problem.line)) {
        import_problem(work, script->file, line,
                       "a command of psql's (\\...); skein's scripts are SQL alone");
    } else {
        import_problem(work, script->file, line, "%s", problem.error.message);
    }
    return false;
}

static bool import_must_run_outside(struct import_work *work, const struct import_script *script,
                                    struct bytes text, uint32_t *ret_line)
{
    CLEANUP(lint_report_release) struct lint_report report = { 0 };
    struct lint_run run;
    bool found = false;

    lint_run_begin(&run, work->request->parser, &report);
    lint_run_migration(&run);
    lint_run_script(&run, script->file, text, true);
    lint_run_end(&run);
    for (size_t i = 0; i < report.count && !found; i++) {
        found = lint_rule_of(report.findings[i].rule) == LINT_NOT_IN_TRANSACTION;
        *ret_line = report.findings[i].line;
    }
    return found;
}

struct bytes import_script_make(struct import_work *work, const struct import_script *script,
                                const char *ledger)
{
    size_t size;
    char *text = import_copy(work, script->text, &size);
    bool outside = script->outside;
    uint32_t line = 0;

    import_take_transaction(work, script, text, &size);
    const struct bytes view = { (const uint8_t *)text, size };
    if (import_check(work, script, view) && !outside &&
        import_must_run_outside(work, script, view, &line)) {
        outside = true;
        import_note(work, script->file, script->line + line,
                    "cannot run in a transaction, so the script got '-- skein:transaction none'");
    }
    const char *whole =
        arena_printf(work->arena, "%s%s%s%s", ledger == NULL ? "" : "-- skein:ledger ",
                     ledger == NULL ? "" : ledger, ledger == NULL ? "" : "\n",
                     outside ? "-- skein:transaction none\n" : "");
    size_t head = strlen(whole);
    char *made = arena_alloc(work->arena, head + size + 1);
    memcpy(made, whole, head);
    memcpy(made + head, text, size);
    return (struct bytes){ (const uint8_t *)made, head + size };
}
