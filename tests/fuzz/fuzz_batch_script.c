/* LIBS: skein_sql */
#include <assert.h>
#include <string.h>

#include "common/core/limits.h"
#include "common/core/utf8.h"
#include "common/sql/batch_script.h"
#include "tests/fuzz/fuzz.h"

/* One thread for all inputs, as in a program; it lives as long as the process. */
static struct sql_parser *fuzz_parser(void)
{
    static struct sql_parser *parser;

    if (parser == NULL) {
        parser = sql_parser_new();
    }
    return parser;
}

/* What is put together from a batch that was accepted is one statement, whatever the parts hold. */
static void check(const struct batch_script *script, bool first, uint32_t lines)
{
    CLEANUP(sql_script_release) struct sql_script sql = { 0 };
    CLEANUP(buf_release) struct buf text = { .size_max = 16 << 20 };
    struct sql_problem problem = { 0 };
    const struct sql_statement *statement = NULL;
    uint32_t line = 0;

    batch_script_put(script, first, ", skein_x AS (SELECT 1)", &text);
    assert(!text.overflow);
    assert(sql_script_parse(fuzz_parser(), buf_view(&text), &sql, &problem));
    assert(sql.count == 1);
    for (uint32_t position = 0; position < 200; position += 7) {
        if (batch_script_locate(script, buf_text(&text), position, &statement, &line)) {
            assert(statement->number == 1 || statement->number == 2);
            assert(line >= statement->line && line <= lines);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(batch_script_release) struct batch_script script = { 0 };
    struct sql_problem problem = { 0 };
    uint32_t lines = 1;

    for (size_t i = 0; i < size; i++) {
        lines += data[i] == '\n' ? 1 : 0;
    }
    if (!batch_script_parse(fuzz_parser(), (struct bytes){ data, size }, &script, &problem)) {
        assert(problem.kind != SQL_PROBLEM_NONE && problem.error.message[0] != '\0');
        assert(problem.line >= 1 && problem.line <= lines);
        const char *message = problem.error.message;
        assert(utf8_find_invalid((const uint8_t *)message, strlen(message)) == strlen(message));
        return 0;
    }
    assert(script.column_count >= 1 && script.column_count <= BATCH_KEY_COLUMNS_MAX);
    check(&script, true, lines);
    check(&script, false, lines);
    return 0;
}
