/* LIBS: skein_sql */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/core/limits.h"
#include "common/core/memory.h"
#include "common/sql/sql_script.h"

static struct sql_parser *parser_of(void **state)
{
    return *state;
}

static int start(void **state)
{
    *state = sql_parser_new();
    return 0;
}

static int stop(void **state)
{
    struct sql_parser *parser = *state;

    sql_parser_free(&parser);
    return 0;
}

/* The statements that are expected, with a NULL at the end. */
#define check_statements(parser, text, ...)                                                        \
    check_statement_list(parser, text, (const char *const[]){ __VA_ARGS__ })

static void check_statement_list(struct sql_parser *parser, const char *text,
                                 const char *const expected[])
{
    CLEANUP(sql_script_release) struct sql_script script = { 0 };
    struct sql_problem problem = { 0 };
    size_t count = 0;

    if (!sql_script_parse(parser, bytes_of_text(text), &script, &problem)) {
        fail_msg("line %u: %s: %s", problem.line, problem.error.message, text);
    }
    for (; expected[count] != NULL; count++) {
        assert_true(count < script.count);
        assert_string_equal(script.statements[count].text, expected[count]);
        assert_int_equal(script.statements[count].number, count + 1);
    }
    assert_int_equal(script.count, count);
}

static void check_problem(struct sql_parser *parser, struct bytes text, enum sql_problem_kind kind,
                          uint32_t line, const char *part)
{
    struct sql_script script = { 0 };
    struct sql_problem problem = { 0 };

    if (sql_script_parse(parser, text, &script, &problem)) {
        fail_msg("accepted: %.80s", (const char *)text.data);
    }
    if (problem.kind != kind || problem.line != line ||
        strstr(problem.error.message, part) == NULL) {
        fail_msg("kind %d, line %u: %s: %.80s", (int)problem.kind, problem.line,
                 problem.error.message, (const char *)text.data);
    }
    assert_null(script.statements);
}

static void a_script_is_cut_into_statements(void **state)
{
    struct sql_parser *parser = parser_of(state);

    check_statements(parser, "SELECT 1; SELECT 2 ;\n", "SELECT 1", "SELECT 2", NULL);
    check_statements(parser, "SELECT 1", "SELECT 1", NULL);
    check_statements(parser, ";;\n; SELECT 1;;", "SELECT 1", NULL);
    check_statements(parser, "-- one\n/* two /* three */ */ SELECT 1 -- four\n;",
                     "SELECT 1 -- four", NULL);
    check_statements(parser, "SELECT '\xC3\xA9'; SELECT ';'", "SELECT '\xC3\xA9'", "SELECT ';'",
                     NULL);
}

static void a_script_without_statements_is_fine(void **state)
{
    struct sql_parser *parser = parser_of(state);

    check_statements(parser, "", NULL);
    check_statements(parser, "  \n\t", NULL);
    check_statements(parser, ";", NULL);
    check_statements(parser, "-- nothing to do\n/* at all */\n", NULL);
}

static void bodies_stay_whole(void **state)
{
    struct sql_parser *parser = parser_of(state);

    check_statements(parser, "DO $$ BEGIN PERFORM 1; COMMIT; END $$; SELECT 1",
                     "DO $$ BEGIN PERFORM 1; COMMIT; END $$", "SELECT 1", NULL);
    check_statements(parser, "SELECT $a$ ; $b$ ; $$ $a$; SELECT 2", "SELECT $a$ ; $b$ ; $$ $a$",
                     "SELECT 2", NULL);
    check_statements(parser, "SELECT E'it\\'s; one'; SELECT 'it''s; \\'; SELECT U&\"a;b\"",
                     "SELECT E'it\\'s; one'", "SELECT 'it''s; \\'", "SELECT U&\"a;b\"", NULL);
    check_statements(
        parser, "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END; SELECT 3",
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END", "SELECT 3", NULL);
    check_statements(
        parser, "CREATE RULE r AS ON INSERT TO t DO ALSO (SELECT 1; SELECT 2); SELECT 3",
        "CREATE RULE r AS ON INSERT TO t DO ALSO (SELECT 1; SELECT 2)", "SELECT 3", NULL);
    check_statements(parser, "SELECT 1 /* ; /* ; */ ; */; SELECT 2", "SELECT 1 /* ; /* ; */ ; */",
                     "SELECT 2", NULL);
}

static void a_statement_knows_its_line(void **state)
{
    CLEANUP(sql_script_release) struct sql_script script = { 0 };
    struct sql_problem problem;
    const char *text =
        "-- head\n\nSELECT 1;\n/* a\n b */ SELECT\n  '\xC3\xA9',\n  x\n;\r\nSELECT 3";

    assert_true(sql_script_parse(parser_of(state), bytes_of_text(text), &script, &problem));
    assert_int_equal(script.count, 3);
    assert_int_equal(script.statements[0].line, 3);
    assert_int_equal(script.statements[1].line, 5);
    assert_int_equal(script.statements[2].line, 9);
    assert_int_equal(sql_statement_line_at(&script.statements[1], 0), 5);
    assert_int_equal(sql_statement_line_at(&script.statements[1], 1), 5);
    assert_int_equal(sql_statement_line_at(&script.statements[1], 10), 6);
    assert_int_equal(sql_statement_line_at(&script.statements[1], 17), 7); /* x, in characters */
    assert_int_equal(sql_statement_line_at(&script.statements[1], 99999), 7);
}

static void transaction_control_is_refused_with_its_line(void **state)
{
    static const char *const texts[] = {
        "BEGIN",
        "begin isolation level serializable",
        "START TRANSACTION",
        "COMMIT",
        "COMMIT AND CHAIN",
        "COMMIT PREPARED 'x'",
        "END",
        "END TRANSACTION",
        "ROLLBACK",
        "ROLLBACK TO a",
        "ROLLBACK PREPARED 'x'",
        "ABORT",
        "SAVEPOINT a",
        "RELEASE a",
        "PREPARE TRANSACTION 'x'",
        "PREPARE /* ; */ TRANSACTION 'x'",
        "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
        "SET -- x\n TRANSACTION READ ONLY",
        "SET LOCAL TRANSACTION READ ONLY",
        "/* COMMIT */ CoMMiT",
    };

    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        char script[256];
        snprintf(script, sizeof(script), "SELECT 1;\n\n%s;\nSELECT 2;", texts[i]);
        check_problem(parser_of(state), bytes_of_text(script), SQL_PROBLEM_TRANSACTION_CONTROL, 3,
                      "-- skein:transaction none");
    }
}

static void what_only_looks_like_transaction_control_is_fine(void **state)
{
    static const char *const texts[] = {
        "PREPARE p AS SELECT 1",
        "SELECT 1 AS commit",
        "SET search_path = x",
        "SET LOCAL lock_timeout = '1s'",
        "COMMENT ON TABLE t IS 'COMMIT'",
        "DO $$ BEGIN COMMIT; END $$",
        "DO LANGUAGE plpgsql 'BEGIN COMMIT; END'",
        "CREATE PROCEDURE p() LANGUAGE sql AS 'COMMIT'",
        "SELECT E'\\'; COMMIT; --'",
        "CREATE TABLE \"begin\" (\"end\" int)",
        "-- COMMIT;\nSELECT 1",
    };

    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        CLEANUP(sql_script_release) struct sql_script script = { 0 };
        struct sql_problem problem;
        if (!sql_script_parse(parser_of(state), bytes_of_text(texts[i]), &script, &problem)) {
            fail_msg("%s: %s", problem.error.message, texts[i]);
        }
        assert_int_equal(script.count, 1);
    }
}

static void a_syntax_error_has_message_and_line(void **state)
{
    struct sql_parser *parser = parser_of(state);

    check_problem(parser, bytes_of_text("SELECT 1;\nSELEC 2;\n"), SQL_PROBLEM_SYNTAX, 2,
                  "syntax error at or near \"SELEC\"");
    check_problem(parser, bytes_of_text("SELECT '\xC3\xA9\xC3\xA9\xC3\xA9\n';\n\nSELEC"),
                  SQL_PROBLEM_SYNTAX, 4, "\"SELEC\"");
    check_problem(parser, bytes_of_text("SELECT (1\n"), SQL_PROBLEM_SYNTAX, 2, "end of input");
    check_problem(parser, bytes_of_text("SELECT 1;\nSELECT 'abc\n\n"), SQL_PROBLEM_SYNTAX, 2,
                  "unterminated quoted string");
    check_problem(parser, bytes_of_text("SELECT 1 /* never\nclosed"), SQL_PROBLEM_SYNTAX, 1,
                  "unterminated /* comment");
    check_problem(parser, bytes_of_text("SELECT \x1b[31m"), SQL_PROBLEM_SYNTAX, 1, "\" \"");
}

static void what_only_psql_understands_is_explained(void **state)
{
    struct sql_parser *parser = parser_of(state);

    check_problem(parser, bytes_of_text("SELECT 1;\n\\d accounts\n"), SQL_PROBLEM_SYNTAX, 2,
                  "psql's own commands");
    check_problem(parser, bytes_of_text("SELECT 1;\n\\copy t from 'f'\n"), SQL_PROBLEM_SYNTAX, 2,
                  "psql's own commands");
    check_problem(parser, bytes_of_text("SELECT * FROM\n :name"), SQL_PROBLEM_SYNTAX, 2,
                  "psql's :variables");
    check_problem(parser, bytes_of_text("SELECT 1;\nCOPY t (a, \"from\") FROM stdin;\n1\tx\n\\.\n"),
                  SQL_PROBLEM_SYNTAX, 2, "COPY ... FROM STDIN is not possible");
    check_problem(parser, bytes_of_text("SELECT 1;\nCOPY t FROM STDIN (FORMAT csv)"),
                  SQL_PROBLEM_SYNTAX, 2, "COPY ... FROM STDIN is not possible");
    check_statements(parser, "COPY t FROM '/f'; COPY (SELECT 1 FROM stdin) TO STDOUT",
                     "COPY t FROM '/f'", "COPY (SELECT 1 FROM stdin) TO STDOUT", NULL);
}

static void bytes_that_are_no_text_are_refused(void **state)
{
    struct sql_parser *parser = parser_of(state);

    check_problem(parser, (struct bytes){ (const uint8_t *)"SELECT\n1\0;", 10 }, SQL_PROBLEM_SYNTAX,
                  2, "NUL");
    check_problem(parser, bytes_of_text("SELECT\n\n'\xC3'"), SQL_PROBLEM_SYNTAX, 3, "not UTF-8");
    check_problem(parser, bytes_of_text("SELECT '\xED\xA0\x80'"), SQL_PROBLEM_SYNTAX, 1,
                  "not UTF-8");
    check_problem(parser, bytes_of_text("\xEF\xBB\xBFSELECT 1"), SQL_PROBLEM_SYNTAX, 1,
                  "byte order mark");
}

static char *repeated(const char *head, const char *piece, size_t size)
{
    size_t piece_size = strlen(piece);
    size_t at = strlen(head);
    char *text = memory_alloc(size + 1);

    memcpy(text, head, at);
    for (; at + piece_size <= size; at += piece_size) {
        memcpy(text + at, piece, piece_size);
    }
    return text;
}

static void hostile_nesting_does_not_end_the_process(void **state)
{
    static const char *const pieces[] = { "1+",         "(",
                                          "NOT ",       "- ",
                                          "CASE WHEN ", "a.",
                                          "x[",         "ARRAY[",
                                          "f(",         "SELECT (SELECT ",
                                          "/*",         "$a",
                                          "1::int::",   "1 UNION SELECT " };

    for (size_t i = 0; i < COUNT_OF(pieces); i++) {
        CLEANUP(sql_script_release) struct sql_script script = { 0 };
        CLEANUP(memory_free) char *text = repeated("SELECT ", pieces[i], 1 << 20);
        struct sql_problem problem;
        if (sql_script_parse(parser_of(state), bytes_of_text(text), &script, &problem)) {
            assert_int_equal(script.count, 1);
        }
    }
    CLEANUP(memory_free) char *sum = repeated("SELECT 1", "+1", 1 << 20);
    check_statements(parser_of(state), sum, sum, NULL);
}

static void what_would_keep_the_lexer_busy_for_hours_is_refused(void **state)
{
    static const char *const pieces[] = { "/*", "+", "-+", "@/" };

    for (size_t i = 0; i < COUNT_OF(pieces); i++) {
        CLEANUP(memory_free) char *text = repeated("SELECT 1;\n", pieces[i], 1 << 20);
        check_problem(parser_of(state), bytes_of_text(text), SQL_PROBLEM_LIMIT, 2, "in a row");
    }
    CLEANUP(memory_free)
    char *ruled = repeated("",
                           "/*******************************************************\n"
                           " * ===================================================\n"
                           " *******************************************************/\n",
                           SCRIPT_BYTES_MAX);
    check_statements(parser_of(state), ruled, NULL);
}

static void limits_are_limits(void **state)
{
    CLEANUP(memory_free) char *large = repeated("", " ", SCRIPT_BYTES_MAX + 1);
    CLEANUP(memory_free)
    char *many = repeated("", "END;", 4 * ((size_t)STATEMENTS_PER_SCRIPT_MAX + 1));
    CLEANUP(memory_free)
    char *just = repeated("", "ANALYZE;", 8 * (size_t)STATEMENTS_PER_SCRIPT_MAX);
    CLEANUP(sql_script_release) struct sql_script script = { 0 };
    struct sql_problem problem;

    check_problem(parser_of(state), bytes_of_text(large), SQL_PROBLEM_LIMIT, 1, "bytes");
    check_problem(parser_of(state), bytes_of_text(many), SQL_PROBLEM_LIMIT, 1, "100001 statements");
    assert_true(sql_script_parse(parser_of(state), bytes_of_text(just), &script, &problem));
    assert_int_equal(script.count, STATEMENTS_PER_SCRIPT_MAX);
}

static void *parse_many(void *argument)
{
    struct sql_parser *parser = argument;

    for (int i = 0; i < 500; i++) {
        CLEANUP(sql_script_release) struct sql_script script = { 0 };
        struct sql_problem problem;
        bool good = i % 3 != 0;
        const char *text = good ? "SELECT 1; SELECT 2" : "SELECT 1; SELEC 2";
        if (sql_script_parse(parser, bytes_of_text(text), &script, &problem) != good ||
            script.count != (good ? 2U : 0U)) {
            return parser;
        }
    }
    return NULL;
}

static void threads_share_the_parser(void **state)
{
    pthread_t threads[8];

    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, parse_many, parser_of(state)), 0);
    }
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        void *failed = NULL;
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_script_is_cut_into_statements),
        cmocka_unit_test(a_script_without_statements_is_fine),
        cmocka_unit_test(bodies_stay_whole),
        cmocka_unit_test(a_statement_knows_its_line),
        cmocka_unit_test(transaction_control_is_refused_with_its_line),
        cmocka_unit_test(what_only_looks_like_transaction_control_is_fine),
        cmocka_unit_test(a_syntax_error_has_message_and_line),
        cmocka_unit_test(what_only_psql_understands_is_explained),
        cmocka_unit_test(bytes_that_are_no_text_are_refused),
        cmocka_unit_test(hostile_nesting_does_not_end_the_process),
        cmocka_unit_test(what_would_keep_the_lexer_busy_for_hours_is_refused),
        cmocka_unit_test(limits_are_limits),
        cmocka_unit_test(threads_share_the_parser),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
