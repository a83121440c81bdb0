/* LIBS: skein_import skein_lint skein_sql skein_model */
/* Folders in the shape of each tool (tests/unit/import) and small ones made here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/import/import.h"
#include "common/import/sqitch_plan.h"

static struct sql_parser *parser;

static int start_parser(void **state)
{
    (void)state;
    parser = sql_parser_new();
    return 0;
}

static int stop_parser(void **state)
{
    (void)state;
    sql_parser_free(&parser);
    return 0;
}

static bool try_files(const char *tool, const struct set_file *files, size_t count,
                      struct import_result *ret_result, struct error *err)
{
    char *const placeholders[] = { "prefix=app_" };
    const struct import_request request = { .tool = ledger_tool_find(tool),
                                            .set_name = "shop",
                                            .files = files,
                                            .file_count = count,
                                            .placeholders = placeholders,
                                            .placeholder_count = COUNT_OF(placeholders),
                                            .parser = parser };

    return import_run(&request, ret_result, err);
}

static void import_folder(const char *tool, struct import_result *ret_result)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct set_file *files = NULL;
    size_t count = 0;
    struct error err = { 0 };
    const char *folder = arena_printf(&arena, SKEIN_SOURCE_DIR "/tests/unit/import/%s", tool);

    if (!import_read_folder(folder, &arena, &files, &count, &err) ||
        !try_files(tool, files, count, ret_result, &err)) {
        fail_msg("%s: %s", tool, err.message);
    }
}

/* Pairs of path and content, up to a NULL. */
static void import_pairs(const char *tool, const char *const pairs[],
                         struct import_result *ret_result)
{
    struct set_file files[16];
    size_t count = 0;
    struct error err = { 0 };

    for (; pairs[2 * count] != NULL; count++) {
        files[count] = (struct set_file){ pairs[2 * count], bytes_of_text(pairs[2 * count + 1]) };
    }
    if (!try_files(tool, files, count, ret_result, &err)) {
        fail_msg("%s: %s", tool, err.message);
    }
}

#define FILES(...) ((const char *const[]){ __VA_ARGS__, NULL })

static const char *content_of(const struct import_result *result, const char *path)
{
    for (size_t i = 0; i < result->file_count; i++) {
        if (strcmp(result->files[i].path, path) == 0) {
            return (const char *)result->files[i].content.data;
        }
    }
    fail_msg("no file %s", path);
    return "";
}

static bool has_file(const struct import_result *result, const char *path)
{
    for (size_t i = 0; i < result->file_count; i++) {
        if (strcmp(result->files[i].path, path) == 0) {
            return true;
        }
    }
    return false;
}

static void assert_has(const char *text, const char *part)
{
    if (strstr(text, part) == NULL) {
        fail_msg("no '%s' in: %s", part, text);
    }
}

static void assert_remark(const struct import_result *result, bool problem, const char *file,
                          uint32_t line, const char *part)
{
    for (size_t i = 0; i < result->remark_count; i++) {
        const struct import_remark *remark = &result->remarks[i];
        if (remark->problem == problem && strcmp(remark->file, file) == 0 && remark->line == line &&
            strstr(remark->text, part) != NULL) {
            return;
        }
    }
    for (size_t i = 0; i < result->remark_count; i++) {
        print_message("%s:%u %s\n", result->remarks[i].file, result->remarks[i].line,
                      result->remarks[i].text);
    }
    fail_msg("no remark on %s:%u: %s", file, line, part);
}

static void versions_follow_from_what_tools_call_them(void **state)
{
    static const struct {
        enum ledger_tool tool;
        const char *key;
        const char *version; /* NULL: none */
    } rows[] = {
        { LEDGER_FLYWAY, "1", "1.0.0" },
        { LEDGER_FLYWAY, "1.2", "1.2.0" },
        { LEDGER_FLYWAY, "01.02.003", "1.2.3" },
        { LEDGER_FLYWAY, "1.2.3.4", "1.2.4-0.4" },
        { LEDGER_FLYWAY, "1.2.3.4.5", "1.2.4-0.4.5" },
        { LEDGER_FLYWAY, "1.2.3.0", "1.2.3" },
        { LEDGER_FLYWAY, "0", "0.0.0" },
        { LEDGER_FLYWAY, "20240131120000", "20240131120000.0.0" },
        { LEDGER_FLYWAY, "1.", NULL },
        { LEDGER_FLYWAY, "1a", NULL },
        { LEDGER_FLYWAY, "", NULL },
        { LEDGER_DBMATE, "20240131120000", "0.0.20240131120000" },
        { LEDGER_GOOSE, "00007", "0.0.7" },
        { LEDGER_GOLANG_MIGRATE, "18446744073709551615", "0.0.18446744073709551615" },
        { LEDGER_GOLANG_MIGRATE, "18446744073709551616", NULL },
        { LEDGER_DIESEL, "20240131120000", "0.0.20240131120000" },
        { LEDGER_PRISMA, "20240131120000_init", "0.0.20240131120000" },
        { LEDGER_PRISMA, "0_init", "0.0.0" },
        { LEDGER_PRISMA, "init", NULL },
        { LEDGER_SQITCH, "1", NULL },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char version[SEMVER_BYTES_MAX + 1] = "";
        struct error err = { 0 };
        bool found = ledger_version(rows[i].tool, rows[i].key, version, &err);
        if (found != (rows[i].version != NULL) ||
            (found && strcmp(version, rows[i].version) != 0)) {
            fail_msg("%s: '%s'", rows[i].key, version);
        }
    }
}

static void flyways_folder_becomes_a_set(void **state)
{
    CLEANUP(import_result_release) struct import_result result = { 0 };

    (void)state;
    import_folder("flyway", &result);
    assert_int_equal(result.migration_count, 4);
    assert_int_equal(result.rollback_count, 1);
    assert_string_equal(result.latest, "1.2.1-0.1");
    assert_has(content_of(&result, "skein.yaml"), "prereleases: true\n");
    assert_has(content_of(&result, "1.0.0__create_users.sql"), "CREATE TABLE app_users (\n");
    assert_has(content_of(&result, "1.1.0__index_email.sql"), "\n-- skein:transaction none\n");
    /* As Flyway's own table has them: the checksum is that of the file before any replacement. */
    assert_has(content_of(&result, "1.0.0__create_users.sql"),
               "-- skein:ledger {\"key\":\"1\",\"description\":\"create users\",\"script\":"
               "\"V1__create_users.sql\",\"checksum\":1306744259}\n");
    assert_string_equal(content_of(&result, "1.2.0__add_name.sql") +
                            strcspn(content_of(&result, "1.2.0__add_name.sql"), "\n"),
                        "\nALTER TABLE app_users ADD COLUMN name text;\n-- two lines\n");
    assert_has(content_of(&result, "1.2.0__add_name.down.sql"), "DROP COLUMN name");
    assert_string_equal(content_of(&result, "R__emails.sql"),
                        "CREATE OR REPLACE VIEW app_emails AS SELECT email FROM app_users;\n");
    assert_remark(&result, false, "B1.1__sum.sql", 0, "left out");
    assert_remark(&result, false, "notes.txt", 0, "not the name of a migration");
}

static void what_flyway_does_besides_scripts_is_a_problem(void **state)
{
    CLEANUP(import_result_release) struct import_result result = { 0 };

    (void)state;
    import_pairs("flyway",
                 FILES("V1__a.sql", "SELECT 1;\nSELECT ${who};\n", "V2__b.java", "class V2 {}",
                       "afterMigrate.sql", "SELECT 1", "V3__c.sql", "SELECT 1;", "V3__c.sql.conf",
                       "shouldExecute=false\n", "V1_0__again.sql", "SELECT 1;", "U9__x.sql", "",
                       "Vx__y.sql", "SELECT 1;"),
                 &result);
    assert_remark(&result, true, "V1__a.sql", 2, "--placeholder who=VALUE");
    assert_remark(&result, true, "V2__b.java", 0, "no SQL");
    assert_remark(&result, true, "afterMigrate.sql", 0, "callback");
    assert_remark(&result, true, "V3__c.sql.conf", 1, "does not know");
    assert_remark(&result, true, "V1__a.sql", 0, "same version as 'V1_0__again.sql'");
    assert_remark(&result, true, "Vx__y.sql", 0, "its version 'x': expected a version of numbers");
    assert_remark(&result, false, "U9__x.sql", 0, "is not there");
}

static void dbmates_folder_becomes_a_set(void **state)
{
    CLEANUP(import_result_release) struct import_result result = { 0 };
    CLEANUP(import_result_release) struct import_result wrong = { 0 };

    (void)state;
    import_folder("dbmate", &result);
    assert_int_equal(result.migration_count, 3);
    assert_string_equal(content_of(&result, "0.0.20240131120000__create_users.sql"),
                        "-- skein:ledger {\"key\":\"20240131120000\"}\n"
                        "CREATE TABLE users (id bigint PRIMARY KEY);\n\n");
    assert_string_equal(content_of(&result, "0.0.20240131120000__create_users.down.sql"),
                        "DROP TABLE users;\n");
    assert_has(content_of(&result, "0.0.20240201080000__index_users.sql"),
               "-- skein:transaction none\n");
    assert_has(content_of(&result, "0.0.20240201080000__index_users.down.sql"),
               "-- skein:transaction none\n");
    assert_false(has_file(&result, "0.0.20240202080000__add_name.down.sql")); /* it was empty */

    import_pairs("dbmate",
                 FILES("1_a.sql", "SELECT 1;", "2_b.sql", "-- migrate:up\nSELECT 1;\nSELEC 2;\n",
                       "3_c.sql", "-- migrate:down\n-- migrate:up\n", "10_d.sql",
                       "--migrate:up\nSELECT 1;\n--  migrate:down\n", "schema.sql", ""),
                 &wrong);
    assert_remark(&wrong, true, "1_a.sql", 1, "something before '-- migrate:up'");
    assert_remark(&wrong, true, "2_b.sql", 3, "syntax error");
    assert_remark(&wrong, true, "3_c.sql", 1, "'-- migrate:down' without '-- migrate:up'");
    assert_remark(&wrong, true, "10_d.sql", 0, "orders by the text of names");
    assert_remark(&wrong, false, "schema.sql", 0, "left out");
}

static void golang_migrates_folder_becomes_a_set(void **state)
{
    CLEANUP(import_result_release) struct import_result result = { 0 };

    (void)state;
    import_folder("golang-migrate", &result);
    assert_int_equal(result.migration_count, 3);
    assert_string_equal(result.latest, "0.0.10");
    /* The transaction is skein's; lines keep their numbers. */
    assert_string_equal(content_of(&result, "0.0.2__add_name.sql"),
                        "-- skein:ledger {\"key\":\"2\"}\n\n"
                        "ALTER TABLE users ADD COLUMN name text;\n\n");
    assert_string_equal(content_of(&result, "0.0.2__add_name.down.sql"),
                        "\nALTER TABLE users DROP COLUMN name;\n\n");
    assert_has(content_of(&result, "0.0.10__index_name.sql"), "-- skein:transaction none\n");
    assert_remark(&result, false, "000010_index_name.up.sql", 1, "cannot run in a transaction");
}

static void gooses_folder_becomes_a_set(void **state)
{
    CLEANUP(import_result_release) struct import_result result = { 0 };
    CLEANUP(import_result_release) struct import_result wrong = { 0 };

    (void)state;
    import_folder("goose", &result);
    assert_int_equal(result.migration_count, 3);
    assert_int_equal(result.rollback_count, 2);
    assert_has(content_of(&result, "0.0.2__touch.sql"), "RETURN NEW;\nEND\n$$;\n");
    assert_null(strstr(content_of(&result, "0.0.2__touch.sql"), "+goose"));
    assert_has(content_of(&result, "0.0.2__touch.down.sql"), "DROP FUNCTION touch();");
    assert_has(content_of(&result, "0.0.20240131120000__index_users.sql"),
               "-- skein:transaction none\n");

    static const char goose_broken[] =
        "-- +goose Up\n-- +goose StatementBegin\nSELECT 1;\n-- +goose StatementEnd\nSELEC;\n";
    import_pairs("goose",
                 FILES("1_a.sql", "SELECT 1;", "2_b.go", "package m", "2_b_test.go", "", "3_c.sql",
                       "-- +goose Up\n-- +goose StatementBegin\nSELECT 1;\n", "4_d.sql",
                       "-- +goose ENVSUBST ON\n-- +goose Up\nSELECT '${X}';\n", "5_e.sql",
                       goose_broken),
                 &wrong);
    assert_remark(&wrong, true, "1_a.sql", 1, "something before '-- +goose Up'");
    assert_remark(&wrong, true, "2_b.go", 0, "in Go");
    assert_remark(&wrong, false, "2_b_test.go", 0, "left out");
    assert_remark(&wrong, true, "3_c.sql", 3, "no '-- +goose StatementEnd'");
    assert_remark(&wrong, true, "4_d.sql", 1, "ENVSUBST");
    assert_remark(&wrong, true, "5_e.sql", 5, "syntax error");
}

static void sqitchs_folder_becomes_a_set(void **state)
{
    CLEANUP(import_result_release) struct import_result result = { 0 };

    (void)state;
    import_folder("sqitch", &result);
    assert_int_equal(result.problem_count, 0);
    assert_int_equal(result.migration_count, 3);
    assert_int_equal(result.rollback_count, 3);
    assert_string_equal(result.latest, "0.0.3");
    /* The ids are sqitch's own: `sqitch plan --format raw` shows these. */
    assert_has(content_of(&result, "0.0.1__users.sql"),
               "{\"key\":\"c4a4d0f8b42c480736cd96edc2b629c2651d6d5b\",\"change\":\"users\"");
    assert_has(content_of(&result, "0.0.2__names.sql"),
               "{\"key\":\"f835840a2aedc951d8d64dab1e03f6820a0012de\",");
    assert_has(content_of(&result, "0.0.3__names.sql"),
               "{\"key\":\"e7e36c89fe5ed20493d2f93fc56209e4c91f92af\",");
    /* What was reworked has its scripts under the tag's name. */
    assert_has(content_of(&result, "0.0.2__names.sql"), "ADD COLUMN name");
    assert_has(content_of(&result, "0.0.3__names.sql"), "ADD COLUMN nick");
    assert_has(content_of(&result, "0.0.3__names.sql"),
               "\"requires\":[{\"change\":\"names@v1\",\"id\":"
               "\"f835840a2aedc951d8d64dab1e03f6820a0012de\"}],\"conflicts\":[\"nicknames\"]");
    assert_null(strstr(content_of(&result, "0.0.1__users.sql"), "BEGIN"));
    assert_null(strstr(content_of(&result, "0.0.1__users.down.sql"), "COMMIT"));
    assert_remark(&result, false, "sqitch.plan", 0, "@v1 is the version 0.0.2");
    assert_remark(&result, false, "verify", 0, "1 verify scripts are left out");
}

static void what_sqitch_leaves_to_psql_is_a_problem(void **state)
{
    CLEANUP(import_result_release) struct import_result result = { 0 };

    (void)state;
    static const char plan[] = "%project=p\n\na 2024-01-31T12:00:00Z A <a@b>\nb [q:c] "
                               "2024-01-31T12:00:00Z A <a@b>\ngone 2024-01-31T12:00:00Z A <a@b>\n"
                               "d/e 2024-01-31T12:00:00Z A <a@b>\n";
    import_pairs("sqitch",
                 FILES("db/changes.plan", plan, "deploy/a.sql", "BEGIN;\n\\i common.sql\nCOMMIT;\n",
                       "deploy/b.sql", "BEGIN;\nSELECT 1;\nCOMMIT;\nVACUUM;\n", "deploy/d/e.sql",
                       "BEGIN ISOLATION LEVEL SERIALIZABLE;\nSELECT 1;\nCOMMIT;", "sqitch.conf",
                       "[core]\n\tplan_file = db/changes.plan\n"),
                 &result);
    assert_remark(&result, true, "deploy/a.sql", 2, "psql's");
    assert_remark(&result, true, "deploy/b.sql", 1, "several migrations");
    assert_remark(&result, true, "db/changes.plan", 5, "deploy/gone.sql is not there");
    assert_remark(&result, false, "db/changes.plan", 4, "'q:c', which is not in this plan");
    assert_remark(&result, false, "deploy/d/e.sql", 0, "isolation level");
    assert_true(has_file(&result, "0.0.4__d_e.sql"));
}

static void a_plan_that_is_none_is_refused_with_its_line(void **state)
{
    static const struct {
        const char *plan;
        const char *part;
    } rows[] = {
        { "a 2024-01-31T12:00:00Z A <a@b>\n", "sqitch.plan:1: expected %project=NAME" },
        { "%project=p\n\na\n", "sqitch.plan:3: expected a time" },
        { "%project=p\n\na [b 2024\n", "sqitch.plan:3: expected ']'" },
        { "%project=p\n\na 2024-01-31T12:00:00Z A\n", "sqitch.plan:3: expected a time" },
        { "%project=p\n@t 2024-01-31T12:00:00Z A <a@b>\n", "sqitch.plan:2: a tag without" },
        { "%project=p\n-a 2024-01-31T12:00:00Z A <a@b>\n", "sqitch.plan:2: lines with a '-'" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(arena_release) struct arena arena = { 0 };
        struct sqitch_plan plan;
        struct error err = { 0 };
        assert_false(sqitch_plan_parse(bytes_of_text(rows[i].plan), &arena, &plan, &err));
        assert_has(err.message, rows[i].part);
    }
}

static void diesels_folder_becomes_a_set(void **state)
{
    CLEANUP(import_result_release) struct import_result result = { 0 };

    (void)state;
    import_folder("diesel", &result);
    assert_int_equal(result.migration_count, 3);
    assert_int_equal(result.rollback_count, 3);
    assert_true(has_file(&result, "0.0.0__diesel_initial_setup.sql"));
    assert_has(content_of(&result, "0.0.20240131120000__create_users.sql"),
               "{\"key\":\"20240131120000\"}");
    assert_has(content_of(&result, "0.0.20240201080000__index_users.sql"),
               "-- skein:transaction none\n");
    assert_has(content_of(&result, "0.0.20240201080000__index_users.down.sql"),
               "-- skein:transaction none\n");
}

static void prismas_folder_becomes_a_set(void **state)
{
    CLEANUP(import_result_release) struct import_result result = { 0 };
    CLEANUP(import_result_release) struct import_result other = { 0 };

    (void)state;
    import_folder("prisma", &result);
    assert_int_equal(result.problem_count, 0);
    assert_int_equal(result.migration_count, 2);
    assert_has(content_of(&result, "0.0.20240201080000__add_email.sql"),
               "{\"key\":\"20240201080000_add_email\",\"checksum\":\"");
    import_pairs(
        "prisma",
        FILES("1_a/migration.sql", "SELECT 1;", "migration_lock.toml", "provider = \"mysql\"\n"),
        &other);
    assert_remark(&other, true, "migration_lock.toml", 1, "not PostgreSQL's");
}

static void a_folder_of_another_tool_is_refused(void **state)
{
    static const char *const tools[] = { "flyway", "dbmate", "golang-migrate", "goose",
                                         "sqitch", "diesel", "prisma" };
    const struct set_file file = { "readme.txt", bytes_of_text("hello") };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(tools); i++) {
        CLEANUP(import_result_release) struct import_result result = { 0 };
        struct error err = { 0 };
        assert_false(try_files(tools[i], &file, 1, &result, &err));
        assert_int_equal(err.code, ERR_INVALID);
        assert_has(err.message, "there");
    }
}

static void what_lint_refuses_is_a_problem(void **state)
{
    CLEANUP(import_result_release) struct import_result result = { 0 };

    (void)state;
    import_pairs("golang-migrate", FILES("1_a.up.sql", "DROP DATABASE x;\nSELECT 1;"), &result);
    assert_true(result.problem_count > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(versions_follow_from_what_tools_call_them),
        cmocka_unit_test(flyways_folder_becomes_a_set),
        cmocka_unit_test(what_flyway_does_besides_scripts_is_a_problem),
        cmocka_unit_test(dbmates_folder_becomes_a_set),
        cmocka_unit_test(golang_migrates_folder_becomes_a_set),
        cmocka_unit_test(gooses_folder_becomes_a_set),
        cmocka_unit_test(sqitchs_folder_becomes_a_set),
        cmocka_unit_test(what_sqitch_leaves_to_psql_is_a_problem),
        cmocka_unit_test(a_plan_that_is_none_is_refused_with_its_line),
        cmocka_unit_test(diesels_folder_becomes_a_set),
        cmocka_unit_test(prismas_folder_becomes_a_set),
        cmocka_unit_test(a_folder_of_another_tool_is_refused),
        cmocka_unit_test(what_lint_refuses_is_a_problem),
    };

    return cmocka_run_group_tests(tests, start_parser, stop_parser);
}
