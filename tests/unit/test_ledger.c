/* LIBS: skein_model */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/model/ledger.h"

static void parse(const char *const pairs[], struct set *ret_set)
{
    struct set_file files[16];
    size_t count = 0;
    struct error err = { 0 };

    for (; pairs[2 * count] != NULL; count++) {
        files[count] = (struct set_file){ pairs[2 * count], bytes_of_text(pairs[2 * count + 1]) };
    }
    if (!set_parse(files, count, "shop", ret_set, &err)) {
        fail_msg("%s", err.message);
    }
}

#define FILES(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void a_ledger_is_a_tool_and_perhaps_a_table(void **state)
{
    static const struct {
        const char *text;
        enum ledger_tool tool;
        const char *table; /* NULL: refused */
    } rows[] = {
        { "", LEDGER_NONE, "" },
        { "flyway", LEDGER_FLYWAY, "flyway_schema_history" },
        { "flyway:schema_version", LEDGER_FLYWAY, "schema_version" },
        { "sqitch:sqitch_{tenant}", LEDGER_SQITCH, "sqitch_{tenant}" },
        { "golang-migrate", LEDGER_GOLANG_MIGRATE, "schema_migrations" },
        { "goose:", LEDGER_NONE, NULL },
        { "goose:a b", LEDGER_NONE, NULL },
        { "liquibase", LEDGER_NONE, NULL },
        { ":x", LEDGER_NONE, NULL },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct ledger ledger = { 0 };
        struct error err = { 0 };
        bool good = ledger_parse(rows[i].text, &ledger, &err);
        if (good != (rows[i].table != NULL) ||
            (good && (ledger.tool != rows[i].tool || strcmp(ledger.table, rows[i].table) != 0))) {
            fail_msg("'%s': %s %s", rows[i].text, ledger.table, err.message);
        }
    }
}

static void a_migration_has_an_entry_of_its_line_or_its_version(void **state)
{
    CLEANUP(set_release) struct set set = { 0 };
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct error err = { 0 };

    (void)state;
    parse(FILES("0.0.7__a.sql", "-- skein:ledger {\"key\":\"007\",\"x\":1}  \r\nSELECT 1;",
                "0.0.8__add_b.sql", "SELECT 1;", "1.2.0__c.sql", "SELECT 1;"),
          &set);
    assert_string_equal(ledger_entry(LEDGER_GOOSE, &set.migrations[0], &arena),
                        "{\"key\":\"007\",\"x\":1}");
    assert_string_equal(ledger_key(LEDGER_GOOSE, &set.migrations[0], &arena), "7");
    assert_string_equal(
        ledger_entry(LEDGER_FLYWAY, &set.migrations[1], &arena),
        "{\"key\":\"0.0.8\",\"description\":\"add b\",\"script\":\"0.0.8__add_b.sql\"}");
    assert_string_equal(ledger_key(LEDGER_FLYWAY, &set.migrations[2], &arena), "1.2");
    assert_string_equal(ledger_key(LEDGER_DBMATE, &set.migrations[1], &arena), "8");
    assert_null(ledger_key(LEDGER_DBMATE, &set.migrations[2], &arena));
    assert_null(ledger_key(LEDGER_SQITCH, &set.migrations[1], &arena));
    assert_true(ledger_check_set(LEDGER_FLYWAY, &set, &err));
    assert_false(ledger_check_set(LEDGER_GOOSE, &set, &err));
    assert_non_null(strstr(err.message, "file '1.2.0__c.sql': goose's table cannot be written"));
}

static void a_set_whose_ledger_cannot_be_written_is_refused(void **state)
{
    CLEANUP(set_release) struct set set = { 0 };
    const struct set_file good[] = {
        { "0.0.1__a.sql", bytes_of_text("SELECT 1;") },
        { "skein.yaml", bytes_of_text("ledger: dbmate:schema_changes\n") },
    };
    const struct set_file bad[] = {
        { "0.0.1__a.sql", bytes_of_text("SELECT 1;") },
        { "skein.yaml", bytes_of_text("ledger: sqitch\n") },
    };
    const struct set_file lines[] = {
        { "0.0.1__a.sql", bytes_of_text("\n-- skein:ledger {\"id\":1}\nSELECT 1;") },
    };
    struct error err = { 0 };

    (void)state;
    assert_true(set_parse(good, COUNT_OF(good), "shop", &set, &err));
    assert_string_equal(set.ledger, "dbmate:schema_changes");
    assert_false(set_parse(bad, COUNT_OF(bad), "shop", &set, &err));
    assert_non_null(strstr(err.message, "skein.yaml: ledger: file '0.0.1__a.sql'"));
    assert_false(set_parse(lines, COUNT_OF(lines), "shop", &set, &err));
    assert_non_null(strstr(err.message, "0.0.1__a.sql:2: expected a JSON object with a \"key\""));
}

#define ROW(key, state)                                                                            \
    {                                                                                              \
        key, LEDGER_##state, key                                                                   \
    }

static void rows_of_a_table_stand_for_a_version(void **state)
{
    CLEANUP(set_release) struct set set = { 0 };
    static const struct {
        enum ledger_tool tool;
        const struct ledger_row rows[4];
        size_t count;
        const char *version; /* NULL: refused */
        const char *part;
    } cases[] = {
        { LEDGER_GOOSE, { ROW("1", APPLIED), ROW("2", APPLIED) }, 2, "0.0.2", "" },
        { LEDGER_GOOSE, { ROW("2", APPLIED), ROW("1", APPLIED) }, 2, "0.0.2", "" },
        { LEDGER_GOOSE, { ROW("1", APPLIED) }, 1, "0.0.1", "" },
        { LEDGER_GOOSE, { { 0 } }, 0, "0.0.0", "" },
        { LEDGER_GOOSE,
          { ROW("1", APPLIED), ROW("2", APPLIED), ROW("2", UNDONE) },
          3,
          "0.0.1",
          "" },
        { LEDGER_GOOSE,
          { ROW("1", APPLIED), ROW("1", UNDONE), ROW("1", APPLIED) },
          3,
          "0.0.1",
          "" },
        { LEDGER_GOOSE, { ROW("9", UNDONE), ROW("1", APPLIED) }, 2, "0.0.1", "" },
        { LEDGER_GOOSE,
          { ROW("1", APPLIED), ROW("3", APPLIED) },
          2,
          NULL,
          "has 0.0.3__c, but not what comes before it: 0.0.2__b; apply that with goose first" },
        { LEDGER_GOOSE,
          { ROW("1", APPLIED), ROW("4", APPLIED) },
          2,
          NULL,
          "goose's table has '4', which the set 'shop' does not" },
        { LEDGER_FLYWAY,
          { ROW("0.0.1", APPLIED), ROW("0.0.2", FAILED) },
          2,
          NULL,
          "flyway's table has '0.0.2' as failed or dirty" },
        { LEDGER_FLYWAY, { ROW("0.0.02", UP_TO), ROW("0.0.3", APPLIED) }, 2, "0.0.3", "" },
        { LEDGER_FLYWAY, { ROW("0", UP_TO), ROW("0.0.1", APPLIED) }, 2, "0.0.1", "" },
        { LEDGER_FLYWAY, { ROW("5", UP_TO) }, 1, "0.0.3", "" },
        { LEDGER_GOLANG_MIGRATE, { ROW("2", UP_TO) }, 1, "0.0.2", "" },
        { LEDGER_GOLANG_MIGRATE, { ROW("2", FAILED) }, 1, NULL, "failed or dirty" },
        { LEDGER_GOLANG_MIGRATE, { ROW("7", UP_TO) }, 1, NULL, "which the set 'shop' does not" },
    };

    (void)state;
    parse(FILES("0.0.1__a.sql", "SELECT 1;", "0.0.2__b.sql", "SELECT 1;", "0.0.3__c.sql",
                "SELECT 1;"),
          &set);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char version[SEMVER_BYTES_MAX + 1] = "";
        struct error err = { 0 };
        bool good = ledger_judge(cases[i].tool, &set, cases[i].rows, cases[i].count, version, &err);
        if (good != (cases[i].version != NULL) ||
            (good && strcmp(version, cases[i].version) != 0) ||
            (!good && strstr(err.message, cases[i].part) == NULL)) {
            fail_msg("case %zu: '%s' %s", i, version, err.message);
        }
    }
}

static void nothing_applied_is_no_version_where_a_script_has_the_lowest(void **state)
{
    CLEANUP(set_release) struct set set = { 0 };
    char version[SEMVER_BYTES_MAX + 1];
    struct error err = { 0 };

    (void)state;
    parse(FILES("0.0.0__a.sql", "SELECT 1;"), &set);
    assert_false(ledger_judge(LEDGER_DIESEL, &set, NULL, 0, version, &err));
    assert_non_null(strstr(err.message, "no version is below the first script 0.0.0__a"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_ledger_is_a_tool_and_perhaps_a_table),
        cmocka_unit_test(a_migration_has_an_entry_of_its_line_or_its_version),
        cmocka_unit_test(a_set_whose_ledger_cannot_be_written_is_refused),
        cmocka_unit_test(rows_of_a_table_stand_for_a_version),
        cmocka_unit_test(nothing_applied_is_no_version_where_a_script_has_the_lowest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
