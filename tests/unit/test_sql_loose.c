/* LIBS: skein_sql */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/sql/sql_loose.h"

static int set_up(void **state)
{
    *state = sql_parser_new();
    return 0;
}

static int tear_down(void **state)
{
    struct sql_parser *parser = *state;

    sql_parser_free(&parser);
    return 0;
}

static bool parse(struct sql_parser *parser, const char *text, struct sql_loose *ret_loose,
                  struct sql_problem *ret_problem)
{
    CLEANUP(sql_script_release) struct sql_script script = { 0 };

    if (!sql_script_parse(parser, bytes_of_text(text), &script, ret_problem)) {
        fail_msg("%s: %s", text, ret_problem->error.message);
    }
    assert_int_equal(script.count, 1);
    return sql_loose_parse(parser, &script.statements[0], ret_loose, ret_problem);
}

static bool is(const char *found, const char *wanted)
{
    return (found == NULL && wanted == NULL) ||
           (found != NULL && wanted != NULL && strcmp(found, wanted) == 0);
}

/* `wanted` has borrowed names, as the catalog has them. */
static void check(struct sql_parser *parser, const char *text, const struct sql_loose *wanted)
{
    CLEANUP(sql_loose_release) struct sql_loose found = { 0 };
    struct sql_problem problem = { 0 };

    if (!parse(parser, text, &found, &problem)) {
        fail_msg("%s: %s", text, problem.error.message);
    }
    if (found.kind != wanted->kind || !is(found.schema, wanted->schema) ||
        !is(found.relation, wanted->relation) || !is(found.other, wanted->other) ||
        !is(found.other_schema, wanted->other_schema) || found.tolerant != wanted->tolerant ||
        found.gentle != wanted->gentle) {
        fail_msg("%s: kind %d, %s.%s, %s.%s, tolerant %d, gentle %d", text, (int)found.kind,
                 found.schema, found.relation, found.other_schema, found.other, found.tolerant,
                 found.gentle);
    }
}

/* Names are not const in the struct, which owns them; here nobody changes them. */
static char *name(const char *text)
{
    return (char *)(uintptr_t)text;
}

static void what_a_transaction_takes_gets_one(void **state)
{
    static const char *const texts[] = {
        "CREATE INDEX i ON t (a)",
        "DROP INDEX i",
        "ALTER TYPE mood ADD VALUE 'glad'",
        "REINDEX TABLE t",
        "ANALYZE t",
        "CLUSTER t USING i",
        "ALTER TABLE p DETACH PARTITION q",
        "REINDEX (CONCURRENTLY off) INDEX i",
        "INSERT INTO t SELECT 1",
        "DO $$ BEGIN PERFORM 1; END $$",
    };

    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        check(*state, texts[i], &(struct sql_loose){ .kind = SQL_LOOSE_TRANSACTION });
    }
}

static void names_are_kept_as_the_catalog_has_them(void **state)
{
    check(*state, "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS \"I x\" ON S.T (a)",
          &(struct sql_loose){ .kind = SQL_LOOSE_CREATE_INDEX,
                               .schema = name("s"),
                               .relation = name("t"),
                               .other = name("I x"),
                               .tolerant = true,
                               .gentle = true });
    check(*state, "DROP INDEX CONCURRENTLY IF EXISTS app.i",
          &(struct sql_loose){ .kind = SQL_LOOSE_DROP_INDEX,
                               .schema = name("app"),
                               .relation = name("i"),
                               .tolerant = true,
                               .gentle = true });
    check(*state, "ALTER TABLE a.p DETACH PARTITION b.q CONCURRENTLY",
          &(struct sql_loose){ .kind = SQL_LOOSE_DETACH,
                               .schema = name("a"),
                               .relation = name("p"),
                               .other_schema = name("b"),
                               .other = name("q") });
}

static void a_reindex_is_of_what_it_says(void **state)
{
    check(*state, "REINDEX INDEX CONCURRENTLY i",
          &(struct sql_loose){
              .kind = SQL_LOOSE_REINDEX_INDEX, .relation = name("i"), .gentle = true });
    check(*state, "REINDEX (VERBOSE, CONCURRENTLY) TABLE s.t",
          &(struct sql_loose){ .kind = SQL_LOOSE_REINDEX_TABLE,
                               .schema = name("s"),
                               .relation = name("t"),
                               .gentle = true });
    check(*state, "REINDEX SCHEMA CONCURRENTLY s",
          &(struct sql_loose){
              .kind = SQL_LOOSE_REINDEX_SCHEMA, .relation = name("s"), .gentle = true });
    check(*state, "REINDEX SCHEMA s",
          &(struct sql_loose){ .kind = SQL_LOOSE_AGAIN, .relation = name("s") });
}

static void what_leaves_nothing_is_run_again(void **state)
{
    static const char *const texts[] = { "VACUUM", "VACUUM (FULL off) t", "CLUSTER" };

    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        check(*state, texts[i], &(struct sql_loose){ .kind = SQL_LOOSE_AGAIN });
    }
}

static void what_is_no_part_of_a_migration_is_refused(void **state)
{
    static const char *const cases[][2] = {
        { "CREATE INDEX CONCURRENTLY ON t (a)", "needs a name" },
        { "REINDEX DATABASE app", "name the table" },
        { "REINDEX SYSTEM app", "name the table" },
        { "ALTER SYSTEM SET work_mem = '1GB'", "no part of a tenant's migration" },
        { "CREATE DATABASE other", "no part of a tenant's migration" },
        { "DROP DATABASE other", "no part of a tenant's migration" },
        { "DISCARD ALL", "no part of a tenant's migration" },
        { "CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p", "no part of a tenant's migration" },
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct sql_loose loose = { 0 };
        struct sql_problem problem = { 0 };

        if (parse(*state, cases[i][0], &loose, &problem)) {
            fail_msg("accepted: %s", cases[i][0]);
        }
        assert_non_null(strstr(problem.error.message, cases[i][1]));
        assert_int_equal(problem.statement, 1);
        assert_int_equal(problem.line, 1);
        assert_null(loose.relation);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_transaction_takes_gets_one),
        cmocka_unit_test(names_are_kept_as_the_catalog_has_them),
        cmocka_unit_test(a_reindex_is_of_what_it_says),
        cmocka_unit_test(what_leaves_nothing_is_run_again),
        cmocka_unit_test(what_is_no_part_of_a_migration_is_refused),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
