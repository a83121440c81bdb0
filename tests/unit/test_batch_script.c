/* LIBS: skein_sql */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/core/memory.h"
#include "common/sql/batch_script.h"

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

static void parse_well(void **state, const char *text, struct batch_script *ret_script)
{
    struct sql_problem problem = { 0 };

    if (!batch_script_parse(*state, bytes_of_text(text), ret_script, &problem)) {
        fail_msg("line %u: %s: %s", problem.line, problem.error.message, text);
    }
}

#define KEYS "SELECT id FROM accounts;\n"
#define WORK "UPDATE accounts a SET n = 1 FROM chunk WHERE a.id = chunk.id"

static void a_batch_becomes_one_statement(void **state)
{
    CLEANUP(batch_script_release) struct batch_script script = { 0 };
    CLEANUP(buf_release) struct buf first = { .size_max = 4096 };
    CLEANUP(buf_release) struct buf next = { .size_max = 4096 };

    parse_well(state,
               "-- skein:batch_rows 10\n"
               "SELECT a.Region, upper(a.code) AS \"Co\"\"de\" FROM accounts a -- all\n;\n" WORK,
               &script);
    assert_int_equal(script.column_count, 2);
    assert_string_equal(script.columns[0], "\"region\"");
    assert_string_equal(script.columns[1], "\"Co\"\"de\"");
    batch_script_put(&script, true, ", extra AS (SELECT 1)", &first);
    assert_string_equal(
        buf_text(&first),
        "WITH chunk AS MATERIALIZED (\n"
        "SELECT \"region\", \"Co\"\"de\" FROM (\n"
        "SELECT a.Region, upper(a.code) AS \"Co\"\"de\" FROM accounts a -- all\n"
        ") AS skein_keys ORDER BY \"region\", \"Co\"\"de\" FETCH FIRST $1 ROWS WITH TIES)"
        ", extra AS (SELECT 1)\n" WORK);
    batch_script_put(&script, false, "", &next);
    assert_non_null(strstr(buf_text(&next), " WHERE (\"region\", \"Co\"\"de\") > ($2, $3) ORDER"));
}

static void the_works_own_with_is_joined(void **state)
{
    static const struct {
        const char *work, *begin, *end;
    } cases[] = {
        { "WITH gone AS (DELETE FROM a USING chunk WHERE a.id = chunk.id RETURNING a.*)\n"
          "INSERT INTO archive SELECT * FROM gone",
          "WITH chunk AS MATERIALIZED (\n", ", gone AS (DELETE FROM a USING" },
        { "with /* up */ recursive up AS (SELECT id FROM chunk UNION SELECT a.parent FROM a JOIN "
          "up "
          "USING (id)) UPDATE a SET n = 1 FROM up WHERE a.id = up.id",
          "WITH RECURSIVE chunk AS MATERIALIZED (\n", ", up AS (SELECT id" },
        { "INSERT INTO b WITH x AS (SELECT id FROM chunk) SELECT id FROM x",
          "WITH chunk AS MATERIALIZED (\n", "\nINSERT INTO b WITH x AS" },
        { "SELECT fold(id) FROM chunk", "WITH chunk AS MATERIALIZED (\n", "\nSELECT fold(id)" },
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        CLEANUP(batch_script_release) struct batch_script script = { 0 };
        CLEANUP(buf_release) struct buf source = { .size_max = 4096 };
        CLEANUP(buf_release) struct buf text = { .size_max = 4096 };

        buf_printf(&source, KEYS "%s;", cases[i].work);
        parse_well(state, buf_text(&source), &script);
        batch_script_put(&script, true, "", &text);
        assert_ptr_equal(strstr(buf_text(&text), cases[i].begin), buf_text(&text));
        if (strstr(buf_text(&text), cases[i].end) == NULL) {
            fail_msg("%s", buf_text(&text));
        }
    }
}

static uint32_t position_of(const char *text, const char *words)
{
    const char *at = strstr(text, words);
    uint32_t position = 1;

    assert_non_null(at);
    for (const char *c = text; c < at; c++) {
        position += ((unsigned char)*c & 0xC0) != 0x80 ? 1 : 0;
    }
    return position;
}

static void a_position_leads_back_to_the_file(void **state)
{
    CLEANUP(batch_script_release) struct batch_script script = { 0 };
    CLEANUP(buf_release) struct buf text = { .size_max = 4096 };
    const struct sql_statement *statement = NULL;
    uint32_t line = 0;

    parse_well(
        state,
        "-- Größe\nSELECT id -- schön\nFROM accounts\nWHERE mistake;\n\n"
        "WITH\n x AS (SELECT 1)\nUPDATE a SET n = error\nFROM chunk\nWHERE a.id = chunk.id\n",
        &script);
    batch_script_put(&script, true, ", skein_x AS (SELECT 1)", &text);
    const char *sql = buf_text(&text);
    assert_true(batch_script_locate(&script, sql, position_of(sql, "mistake"), &statement, &line));
    assert_int_equal(statement->number, 1);
    assert_int_equal(line, 4);
    assert_true(batch_script_locate(&script, sql, position_of(sql, "error"), &statement, &line));
    assert_int_equal(statement->number, 2);
    assert_int_equal(line, 8);
    assert_false(batch_script_locate(&script, sql, 1, &statement, &line));
    assert_false(batch_script_locate(&script, sql, position_of(sql, "skein_x"), &statement, &line));
    assert_false(batch_script_locate(&script, sql, 0, &statement, &line));
}

static void what_is_no_batch_is_refused_with_its_line(void **state)
{
    static const struct {
        const char *text;
        uint32_t line;
        const char *part;
    } cases[] = {
        { "", 1, "there are 0" },
        { WORK, 1, "there is 1" },
        { KEYS WORK ";\n" WORK, 3, "there are 3" },
        { "SELEC id", 1, "syntax error" },
        { "\nUPDATE a SET n = 1 WHERE true;" WORK, 2, "the first is no SELECT" },
        { KEYS "BEGIN", 2, "BEGIN: a script cannot control" },
        { KEYS "CREATE INDEX i ON chunk (id)", 2, "the second is none of these" },
        { KEYS "TRUNCATE chunk", 2, "the second is none of these" },
        { "SELECT id FROM a WHERE id > $1;\n" WORK, 1, "a parameter such as $1" },
        { KEYS "UPDATE a SET n = 1 FROM chunk WHERE a.id = $1", 2, "a parameter such as $1" },
        { "SELECT id FROM a ORDER BY id;\n" WORK, 1, "leave ORDER BY" },
        { "SELECT id FROM a LIMIT 5;\n" WORK, 1, "leave ORDER BY, LIMIT" },
        { "SELECT id FROM a OFFSET 5;\n" WORK, 1, "leave ORDER BY, LIMIT" },
        { "SELECT id FROM a FOR UPDATE;\n" WORK, 1, "locks rows" },
        { "SELECT id INTO b FROM a;\n" WORK, 1, "makes a table" },
        { "SELECT id FROM a UNION SELECT id FROM b;\n" WORK, 1, "without UNION" },
        { "VALUES (1);\n" WORK, 1, "FROM a table" },
        { "SELECT 1 AS id;\n" WORK, 1, "FROM a table" },
        { "SELECT FROM a;\n" WORK, 1, "has no columns" },
        { "SELECT * FROM a;\n" WORK, 1, "name each column" },
        { "SELECT a.* FROM a;\n" WORK, 1, "name each column" },
        { "SELECT id, upper(x) FROM a;\n" WORK, 1, "name each column" },
        { "SELECT id, b AS id FROM a;\n" WORK, 1, "the same name" },
        { "SELECT a,b,c,d,e,f,g,h,i FROM a;\n" WORK, 1, "too many columns" },
        { "SELECT id FROM chunk;\n" WORK, 1, "the name 'chunk' is skein's own" },
        { "WITH x AS (DELETE FROM a RETURNING id) SELECT id FROM x;\n" WORK, 1, "changes data" },
        { KEYS "UPDATE a SET n = 1 WHERE id > 5", 2, "does not use the table 'chunk'" },
        { KEYS "UPDATE a SET n = 1 FROM other.chunk WHERE true", 2, "does not use the table" },
        { KEYS "UPDATE a SET n = 1 FROM chunk", 2, "without a WHERE" },
        { KEYS "DELETE FROM a USING chunk", 2, "without a WHERE" },
        { KEYS "SELECT id INTO b FROM chunk", 2, "makes a table" },
        { KEYS "WITH chunk AS (SELECT 1 AS id) SELECT id FROM chunk", 2, "skein's own here" },
        { KEYS "WITH skein_x AS (SELECT 1) SELECT id FROM chunk", 2, "skein's own here" },
        { KEYS "(SELECT id FROM chunk)", 2, "begins with a bracket" },
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct batch_script script = { 0 };
        struct sql_problem problem = { 0 };

        if (batch_script_parse(*state, bytes_of_text(cases[i].text), &script, &problem)) {
            fail_msg("accepted: %s", cases[i].text);
        }
        if (strstr(problem.error.message, cases[i].part) == NULL || problem.line != cases[i].line) {
            fail_msg("line %u: %s: %s", problem.line, problem.error.message, cases[i].text);
        }
        assert_int_not_equal(problem.kind, SQL_PROBLEM_NONE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_becomes_one_statement),
        cmocka_unit_test(the_works_own_with_is_joined),
        cmocka_unit_test(a_position_leads_back_to_the_file),
        cmocka_unit_test(what_is_no_batch_is_refused_with_its_line),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
