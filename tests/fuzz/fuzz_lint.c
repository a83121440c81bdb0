/* LIBS: skein_lint skein_sql skein_model */
#include <assert.h>
#include <string.h>

#include "common/lint/lint_run.h"
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

/* As what was there before, and twice as a migration: first new, then on what it made itself. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(lint_report_release) struct lint_report report = { 0 };
    struct bytes text = { data, size };
    struct lint_run run;
    struct error err = { 0 };

    lint_run_begin(&run, fuzz_parser(), &report);
    if (!lint_run_schema(&run, text, &err)) {
        assert(err.message[0] != '\0');
    }
    for (int i = 0; i < 2; i++) {
        lint_run_migration(&run);
        lint_run_script(&run, "fuzz.sql", text, i == 0);
    }
    lint_run_end(&run); /* the report outlives it */
    for (size_t i = 0; i < report.count; i++) {
        assert(lint_rule_of(report.findings[i].rule) != LINT_RULE_COUNT);
        assert(report.findings[i].message[0] != '\0' && report.findings[i].fix[0] != '\0');
    }
    for (size_t i = 0; i < report.statement_count; i++) {
        const struct lint_statement *statement = &report.statements[i];
        for (size_t l = 0; l < statement->lock_count; l++) {
            assert(statement->locks[l].mode > LINT_NO_LOCK &&
                   statement->locks[l].mode < LINT_MODE_COUNT);
            assert(strlen(statement->locks[l].relation) > 0);
        }
    }
    return 0;
}
