/* LIBS: skein_sql */
#include <assert.h>
#include <string.h>

#include "common/core/utf8.h"
#include "common/sql/sql_script.h"
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(sql_script_release) struct sql_script script = { 0 };
    struct sql_problem problem = { 0 };
    uint32_t lines = 1;
    uint32_t line = 1;

    for (size_t i = 0; i < size; i++) {
        lines += data[i] == '\n' ? 1 : 0;
    }
    if (!sql_script_parse(fuzz_parser(), (struct bytes){ data, size }, &script, &problem)) {
        assert(problem.kind != SQL_PROBLEM_NONE && problem.error.message[0] != '\0');
        assert(problem.line >= 1 && problem.line <= lines);
        const char *message = problem.error.message;
        assert(utf8_find_invalid((const uint8_t *)message, strlen(message)) == strlen(message));
        return 0;
    }
    for (size_t i = 0; i < script.count; i++) {
        const struct sql_statement *statement = &script.statements[i];
        assert(statement->number == i + 1 && statement->text[0] != '\0');
        assert(statement->line >= line && statement->line <= lines);
        assert(sql_statement_line_at(statement, UINT32_MAX) <= lines);
        line = statement->line;
    }
    return 0;
}
