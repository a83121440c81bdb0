#include "common/sql/sql_script.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/limits.h"
#include "common/core/memory.h"
#include "common/core/utf8.h"
#include "common/sql/sql_parser.h"
#include "common/sql/sql_text.h"

enum { SQL_SCRIPT_OPERATOR_COST_MAX = 1 << 30 };

#define SQL_SCRIPT_NO_COPY                                                                         \
    "COPY ... FROM STDIN is not possible in a migration, there is nobody to send the data: write " \
    "INSERT statements, or let an exec operation load the file"

void sql_script_release(struct sql_script *script)
{
    if (script->count > 0) {
        memory_free(&script->statements[0].text); /* one block holds all texts */
    }
    free(script->statements);
    *script = (struct sql_script){ 0 };
}

static uint32_t sql_script_count_lines(const char *data, size_t size)
{
    uint32_t lines = 0;

    for (size_t i = 0; i < size; i++) {
        lines += data[i] == '\n' ? 1 : 0;
    }
    return lines;
}

size_t sql_script_offset(const char *data, size_t size, uint32_t position)
{
    size_t at = 0;

    for (uint32_t i = 1; i < position && at < size; i++) {
        at++;
        while (at < size && ((unsigned char)data[at] & 0xC0) == 0x80) {
            at++;
        }
    }
    return at;
}

uint32_t sql_statement_line_at(const struct sql_statement *statement, uint32_t position)
{
    size_t offset = sql_script_offset(statement->text, strlen(statement->text), position);

    return statement->line + sql_script_count_lines(statement->text, offset);
}

static bool sql_script_fail(struct sql_problem *problem, enum sql_problem_kind kind, uint32_t line,
                            const char *sentence)
{
    problem->kind = kind;
    problem->line = line;
    return error_set(&problem->error, kind == SQL_PROBLEM_LIMIT ? ERR_LIMIT : ERR_INVALID, "%s",
                     sentence);
}

/* PostgreSQL's lexer takes a run of operator characters whole, decides on its first one or two and
 * starts again behind them: 256 KiB of slashes and stars cost it a minute. The sum of the runs'
 * squares bounds that; the largest sum allowed is about a second. A run of 30,000 characters
 * passes, and so does a script full of ruled lines. */
static bool sql_script_check_operators(struct bytes text, struct sql_problem *problem)
{
    uint64_t cost = 0;
    size_t at = 0;

    while (at < text.size) {
        size_t start = at;
        while (at < text.size && strchr("~!@#^&|`?+-*/%<>=", text.data[at]) != NULL) {
            at++;
        }
        cost += (uint64_t)(at - start) * (at - start);
        if (cost > SQL_SCRIPT_OPERATOR_COST_MAX) {
            return sql_script_fail(problem, SQL_PROBLEM_LIMIT,
                                   1 + sql_script_count_lines((const char *)text.data, start),
                                   "too many operator characters (such as /, *, - or =) in a row: "
                                   "shorten the ruled lines");
        }
        at++;
    }
    return true;
}

static bool sql_script_check_bytes(struct bytes text, struct sql_problem *problem)
{
    const char *data = (const char *)text.data;

    if (text.size > SCRIPT_BYTES_MAX) {
        problem->kind = SQL_PROBLEM_LIMIT;
        problem->line = 1;
        return error_set(&problem->error, ERR_LIMIT,
                         "the script has %zu bytes, expected at most %d", text.size,
                         SCRIPT_BYTES_MAX);
    }
    if (text.size == 0) {
        return true;
    }
    const char *nul = memchr(data, '\0', text.size);
    if (nul != NULL) {
        return sql_script_fail(problem, SQL_PROBLEM_SYNTAX,
                               1 + sql_script_count_lines(data, (size_t)(nul - data)),
                               "the script holds a NUL byte");
    }
    size_t invalid = utf8_find_invalid(text.data, text.size);
    if (invalid < text.size) {
        return sql_script_fail(problem, SQL_PROBLEM_SYNTAX,
                               1 + sql_script_count_lines(data, invalid),
                               "the script holds bytes that are not UTF-8");
    }
    if (text.size >= 3 && memcmp(data, "\xEF\xBB\xBF", 3) == 0) {
        return sql_script_fail(problem, SQL_PROBLEM_SYNTAX, 1,
                               "the script starts with a byte order mark: save it as UTF-8 "
                               "without one");
    }
    return sql_script_check_operators(text, problem);
}

/* COPY table [(columns)] FROM STDIN; `first` has been read. */
static bool sql_script_is_copy_in(struct sql_token first, struct sql_text rest)
{
    size_t depth = 0;

    if (!sql_token_is(first, "COPY")) {
        return false;
    }
    for (;;) {
        struct sql_token token = sql_text_next(&rest);
        if (token.kind == SQL_TOKEN_END || (token.kind == SQL_TOKEN_OTHER && *token.data == ';')) {
            return false;
        }
        if (token.kind == SQL_TOKEN_OTHER && *token.data == '(') {
            depth++;
        } else if (token.kind == SQL_TOKEN_OTHER && *token.data == ')' && depth > 0) {
            depth--;
        } else if (depth == 0 && sql_token_is(token, "FROM")) {
            return sql_token_is(sql_text_next(&rest), "STDIN");
        } else if (depth == 0 && sql_token_is(token, "TO")) {
            return false;
        }
    }
}

/* Whether what stands before `limit` ends in a COPY FROM STDIN and its ';', so that what follows is
 * its data. *ret_offset is where that COPY begins. */
static bool sql_script_find_copy_data(struct sql_text text, size_t limit, size_t *ret_offset)
{
    bool fresh = true; /* the next token begins a statement */
    bool copy = false;
    size_t start = 0;

    for (;;) {
        struct sql_token token = sql_text_next(&text);
        size_t at = (size_t)(token.data - text.data);
        if (token.kind == SQL_TOKEN_END || at >= limit) {
            break;
        }
        if (fresh) {
            if (copy) {
                break; /* data that looks like SQL */
            }
            copy = sql_script_is_copy_in(token, text);
            start = at;
        }
        fresh = token.kind == SQL_TOKEN_OTHER && *token.data == ';';
    }
    *ret_offset = start;
    return copy;
}

/* The parser's own sentence holds pieces of the script, sometimes cut inside a character. Nothing
 * in it may reach a terminal as a control character, and it travels as UTF-8. */
static bool sql_script_fail_parser(struct sql_problem *problem, const char *message)
{
    CLEANUP(memory_free) char *clean = memory_strdup(message);
    size_t size = strlen(clean);
    size_t at = 0;

    while (at < size) {
        size_t length = utf8_length((const uint8_t *)clean + at, size - at);
        if (length == 0 || (unsigned char)clean[at] < ' ' || clean[at] == 0x7F) {
            clean[at] = length == 0 ? '?' : ' ';
            length = 1;
        }
        at += length;
    }
    return sql_script_fail(problem, SQL_PROBLEM_SYNTAX, problem->line, clean);
}

static bool sql_script_explain(const char *data, size_t size, const PgQueryError *error,
                               struct sql_problem *problem)
{
    uint32_t position = error->cursorpos > 0 ? (uint32_t)error->cursorpos : 1;
    size_t offset = sql_script_offset(data, size, position);
    size_t copy_offset;

    problem->line = 1 + sql_script_count_lines(data, offset);
    if (sql_script_find_copy_data((struct sql_text){ data, size, 0 }, offset, &copy_offset)) {
        return sql_script_fail(problem, SQL_PROBLEM_SYNTAX,
                               1 + sql_script_count_lines(data, copy_offset), SQL_SCRIPT_NO_COPY);
    }
    if (offset < size && data[offset] == '\\') {
        return sql_script_fail(problem, SQL_PROBLEM_SYNTAX, problem->line,
                               "psql's own commands (\\d, \\copy, \\set, ...) are not SQL and do "
                               "not work in a migration");
    }
    if (offset + 1 < size && data[offset] == ':' && strchr(" \t\r\n:", data[offset + 1]) == NULL) {
        return sql_script_fail(problem, SQL_PROBLEM_SYNTAX, problem->line,
                               "syntax error at or near \":\" (psql's :variables do not work in a "
                               "migration)");
    }
    return sql_script_fail_parser(problem, error->message);
}

/* NULL, or the words with which a statement would begin, end or split a transaction. */
static const char *sql_script_find_control(struct sql_token first, struct sql_text rest)
{
    static const char *const words[] = { "BEGIN",    "START", "COMMIT",    "END",
                                         "ROLLBACK", "ABORT", "SAVEPOINT", "RELEASE" };
    struct sql_token next;

    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (sql_token_is(first, words[i])) {
            return words[i];
        }
    }
    if (sql_token_is(first, "PREPARE") && sql_token_is(sql_text_next(&rest), "TRANSACTION")) {
        return "PREPARE TRANSACTION";
    }
    if (sql_token_is(first, "SET")) {
        next = sql_text_next(&rest);
        if (sql_token_is(next, "LOCAL") || sql_token_is(next, "SESSION")) {
            next = sql_text_next(&rest);
        }
        if (sql_token_is(next, "TRANSACTION")) {
            return "SET TRANSACTION";
        }
    }
    return NULL;
}

bool sql_script_check(const struct sql_statement *statement, struct sql_problem *problem)
{
    struct sql_text text = { .data = statement->text, .size = strlen(statement->text) };
    struct sql_token first = sql_text_next(&text);
    const char *control = sql_script_find_control(first, text);

    problem->statement = statement->number;
    if (control != NULL) {
        problem->kind = SQL_PROBLEM_TRANSACTION_CONTROL;
        problem->line = statement->line;
        return error_set(&problem->error, ERR_INVALID,
                         "%s: a script cannot control the transaction, skein runs it in one of its "
                         "own (a script that must run outside of one says so at its head: "
                         "-- skein:transaction none)",
                         control);
    }
    if (sql_script_is_copy_in(first, text)) {
        return sql_script_fail(problem, SQL_PROBLEM_SYNTAX, statement->line, SQL_SCRIPT_NO_COPY);
    }
    problem->statement = 0;
    return true;
}

/* Copies the statements into one block. The ranges ascend, so lines are counted once. */
static void sql_script_collect(const char *data, size_t size, const PgQuerySplitResult *split,
                               struct sql_script *script)
{
    size_t count = (size_t)split->n_stmts;
    size_t counted = 0;
    uint32_t line = 1;

    if (count == 0) {
        return;
    }
    char *block = memory_alloc(size + count + 1);
    script->statements = memory_alloc_array(count, sizeof(*script->statements));
    for (size_t i = 0; i < count; i++) {
        size_t start = (size_t)split->stmts[i]->stmt_location;
        assert(start <= size && (size_t)split->stmts[i]->stmt_len <= size - start);
        size_t end = start + (size_t)split->stmts[i]->stmt_len;
        struct sql_text text = { data, end, start };
        sql_text_skip_blanks(&text);
        start = text.at;
        while (end > start && strchr(" \t\r\n\f", data[end - 1]) != NULL) {
            end--;
        }
        assert(start >= counted && end > start);
        line += sql_script_count_lines(data + counted, start - counted);
        counted = start;
        memcpy(block, data + start, end - start);
        script->statements[i] = (struct sql_statement){
            .text = block,
            .number = (uint32_t)i + 1,
            .line = line,
        };
        block += end - start + 1; /* the block is zeroed: the NUL is there */
        script->count = i + 1;
    }
}

static void sql_script_free_split(PgQuerySplitResult *split)
{
    pg_query_free_split_result(*split);
}

bool sql_script_split(struct sql_parser *parser, struct bytes text, struct sql_script *ret_script,
                      struct sql_problem *ret_problem)
{
    CLEANUP(sql_script_release) struct sql_script script = { 0 };
    struct sql_problem problem = { .kind = SQL_PROBLEM_NONE };

    if (!sql_script_check_bytes(text, &problem)) {
        *ret_problem = problem;
        return false;
    }
    CLEANUP(memory_free) char *data = memory_alloc(text.size + 1);
    if (text.size > 0) {
        memcpy(data, text.data, text.size);
    }
    CLEANUP(sql_script_free_split) PgQuerySplitResult split = sql_parser_split(parser, data);
    bool ok = true;
    if (split.error != NULL) {
        ok = sql_script_explain(data, text.size, split.error, &problem);
    } else if (split.n_stmts > STATEMENTS_PER_SCRIPT_MAX) {
        problem.line = 1;
        problem.kind = SQL_PROBLEM_LIMIT;
        ok = error_set(&problem.error, ERR_LIMIT,
                       "the script has %d statements, expected at most %d", split.n_stmts,
                       STATEMENTS_PER_SCRIPT_MAX);
    } else {
        sql_script_collect(data, text.size, &split, &script);
    }
    if (!ok) {
        *ret_problem = problem;
        return false;
    }
    *ret_script = TAKE(script);
    return true;
}

bool sql_script_parse(struct sql_parser *parser, struct bytes text, struct sql_script *ret_script,
                      struct sql_problem *ret_problem)
{
    CLEANUP(sql_script_release) struct sql_script script = { 0 };
    struct sql_problem problem = { .kind = SQL_PROBLEM_NONE };

    if (!sql_script_split(parser, text, &script, ret_problem)) {
        return false;
    }
    for (size_t i = 0; i < script.count; i++) {
        if (!sql_script_check(&script.statements[i], &problem)) {
            *ret_problem = problem;
            return false;
        }
    }
    *ret_script = TAKE(script);
    return true;
}
