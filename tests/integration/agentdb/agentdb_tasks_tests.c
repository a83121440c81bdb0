/* agentdb_tasks_tests.c - what a task does, and every way in which it says no. */
#include <stdlib.h>
#include <time.h>

#include "agentdb_fixture.h"
#include "common/core/clock.h"

static struct agentdb_pool *pool_of(struct agentdb *db)
{
    return agentdb_pool_new(db, &(struct executor_options){ .workers = 2 });
}

/* The scripts are not idempotent, so that a second application would show. */
static struct prepared_set *ledger_set(struct agentdb *db)
{
    return AGENTDB_SET(
        db, "ledger", { "skein.yaml", "name: ledger\nlatest: 0.5.0\n" },
        { "0.1.0__start.sql", "CREATE TABLE ledger (n int);\nINSERT INTO ledger VALUES (1);\n" },
        { "0.2.0__more/10_column.sql", "ALTER TABLE ledger ADD COLUMN name text;" },
        { "0.2.0__more/20_row.sql", "INSERT INTO ledger VALUES (2, 'two; not three');" },
        { "0.3.0__counter.sql", "CREATE FUNCTION total() RETURNS bigint LANGUAGE sql BEGIN ATOMIC "
                                "SELECT sum(n) FROM ledger; END;\nUPDATE ledger SET n = n + 10;" });
}

static void a_run_applies_every_script_in_order_and_writes_the_journal(void **state)
{
    struct agentdb *db = *state;
    struct agentdb_pool *pool = pool_of(db);
    struct prepared_set *set = ledger_set(db);
    const struct task_result *result = NULL;

    agentdb_exec(db, "CREATE SCHEMA \"run \"\"1\"\"\"");
    result = agentdb_run(
        pool,
        &(struct agentdb_order){
            .mode = TASK_RUN, .tenant = "run \"1\"", .target = "0.3.0", .token = 42, .set = set });
    agentdb_assert_succeeded(result);
    assert_string_equal(result->version, "0.3.0");
    assert_int_equal(result->scripts, 3);
    assert_true(result->duration_us > 0);
    assert_int_equal(agentdb_count(db, "SELECT \"run \"\"1\"\"\".total()"), 23);
    assert_int_equal(agentdb_count(db, "SELECT count(*) FROM skein.tenant WHERE tenant = 'run "
                                       "\"1\"' AND set_name = 'ledger' AND version = '0.3.0' AND "
                                       "fence = 42 AND rollout = 'r1'"),
                     1);
    assert_int_equal(
        agentdb_count(db, "SELECT count(*) FROM skein.history WHERE tenant = 'run \"1\"' AND "
                          "direction = 'up' AND state = 'done' AND length(checksum) = 32 AND agent "
                          "= 'agent-1' AND fence = 42 AND rollout = 'r1' AND duration_ms > 0 AND "
                          "started_at > now() - interval '1 minute'"),
        3);
    char *scripts = agentdb_text(db, "SELECT string_agg(script, ',' ORDER BY id) FROM "
                                     "skein.history WHERE tenant = 'run \"1\"'");
    assert_string_equal(scripts, "0.1.0__start,0.2.0__more,0.3.0__counter");
    free(scripts);

    /* The same again, as after a lost answer: done already, and not done twice. */
    result = agentdb_run(
        pool,
        &(struct agentdb_order){
            .mode = TASK_RUN, .tenant = "run \"1\"", .target = "0.3.0", .token = 42, .set = set });
    agentdb_assert_succeeded(result);
    assert_string_equal(result->version, "0.3.0");
    assert_int_equal(agentdb_count(db, "SELECT \"run \"\"1\"\"\".total()"), 23);

    /* No script carries the latest version: it moves all the same. */
    result = agentdb_run(pool, &(struct agentdb_order){ .mode = TASK_RUN,
                                                        .rollout = "r2",
                                                        .tenant = "run \"1\"",
                                                        .from = "0.3.0",
                                                        .token = 43,
                                                        .set = set });
    agentdb_assert_succeeded(result);
    assert_int_equal(result->scripts, 0);
    assert_int_equal(agentdb_count(db, "SELECT count(*) FROM skein.history WHERE tenant = 'run "
                                       "\"1\"' AND direction = 'fast_forward' AND version = "
                                       "'0.5.0'"),
                     1);
    prepared_set_unref(&set);
    agentdb_pool_free(&pool);
}

static void a_dry_run_leaves_nothing(void **state)
{
    struct agentdb *db = *state;
    struct agentdb_pool *pool = pool_of(db);
    struct prepared_set *set = ledger_set(db);

    agentdb_exec(db, "CREATE SCHEMA dry");
    const struct task_result *result = agentdb_run(
        pool, &(struct agentdb_order){ .mode = TASK_DRY_RUN, .tenant = "dry", .set = set });
    agentdb_assert_succeeded(result);
    assert_string_equal(result->version, "");
    assert_int_equal(result->scripts, 3);
    assert_int_equal(agentdb_count(db, "SELECT (to_regclass('dry.ledger') IS NOT NULL)::int"), 0);
    assert_int_equal(agentdb_count(db, "SELECT (SELECT count(*) FROM skein.tenant WHERE tenant = "
                                       "'dry') + (SELECT count(*) FROM skein.history WHERE tenant "
                                       "= 'dry')"),
                     0);
    prepared_set_unref(&set);
    agentdb_pool_free(&pool);
}

static void an_error_names_file_statement_and_line(void **state)
{
    struct agentdb *db = *state;
    struct agentdb_pool *pool = pool_of(db);
    struct prepared_set *set =
        AGENTDB_SET(db, "broken", { "1.0.0__good.sql", "CREATE TABLE good (n int);" },
                    { "2.0.0__bad.sql", "-- first\nINSERT INTO good VALUES (1);\n\nSELECT n,\n  "
                                        "missing\n  FROM good;\nSELECT 1;" });

    agentdb_exec(db, "CREATE SCHEMA broken");
    for (int mode = TASK_DRY_RUN; mode <= TASK_RUN; mode++) {
        const struct task_result *result =
            agentdb_run(pool, &(struct agentdb_order){
                                  .mode = (enum task_mode)mode, .tenant = "broken", .set = set });
        agentdb_assert_code(result, TASK_FAILED, TASK_CODE_SQL);
        assert_string_equal(result->error.sqlstate, "42703");
        assert_string_equal(result->error.tenant, "eu-1/broken");
        assert_string_equal(result->error.file, "2.0.0__bad.sql");
        assert_int_equal(result->error.statement, 2);
        assert_int_equal(result->error.line, 5);
        assert_string_equal(result->version, "");
        assert_non_null(strstr(result->error.message, "missing"));
    }
    assert_int_equal(agentdb_count(db, "SELECT (to_regclass('broken.good') IS NOT NULL)::int"), 0);
    assert_int_equal(agentdb_count(db, "SELECT count(*) FROM skein.tenant WHERE tenant = 'broken'"),
                     0);
    prepared_set_unref(&set);
    agentdb_pool_free(&pool);
}

static void what_cannot_run_is_refused_before_anything_runs(void **state)
{
    struct agentdb *db = *state;
    struct agentdb_pool *pool = pool_of(db);
    struct prepared_set *set =
        AGENTDB_SET(db, "refused", { "1.0.0__ok.sql", "CREATE TABLE ok (n int);" },
                    { "2.0.0__commit.sql", "SELECT 1;\nCOMMIT;" },
                    { "3.0.0__syntax.sql", "SELECT 1;\n\nSELEC 2;" },
                    { "4.0.0__copy.sql", "COPY ok TO STDOUT;" });
    static const struct {
        const char *from;
        const char *target;
        enum task_code code;
        uint32_t line;
    } cases[] = {
        { "", "2.0.0", TASK_CODE_TRANSACTION_CONTROL, 2 },
        { "2.0.0", "3.0.0", TASK_CODE_SQL, 3 },
        { "3.0.0", "4.0.0", TASK_CODE_RUNNER, 1 },
    };

    agentdb_exec(db, "CREATE SCHEMA refused");
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct task_result *result =
            agentdb_run(pool, &(struct agentdb_order){ .mode = TASK_RUN,
                                                       .tenant = "refused",
                                                       .from = cases[i].from,
                                                       .target = cases[i].target,
                                                       .set = set });
        agentdb_assert_code(result, TASK_FAILED, cases[i].code);
        assert_int_equal(result->error.line, cases[i].line);
        assert_true(strlen(result->error.file) > 0);
    }
    prepared_set_unref(&set);
    agentdb_pool_free(&pool);
}

static void a_script_that_touches_the_journal_is_found_out(void **state)
{
    struct agentdb *db = *state;
    struct agentdb_pool *pool = pool_of(db);
    struct prepared_set *set =
        AGENTDB_SET(db, "sly", { "1.0.0__sly.sql", "UPDATE skein.tenant SET fence = 900;" });

    agentdb_exec(db, "CREATE SCHEMA sly");
    agentdb_assert_code(
        agentdb_run(pool, &(struct agentdb_order){ .mode = TASK_RUN, .tenant = "sly", .set = set }),
        TASK_FAILED, TASK_CODE_TRANSACTION_CONTROL);
    assert_int_equal(agentdb_count(db, "SELECT count(*) FROM skein.tenant WHERE fence = 900"), 0);
    prepared_set_unref(&set);
    agentdb_pool_free(&pool);
}

static void the_journal_decides_who_may(void **state)
{
    struct agentdb *db = *state;
    struct agentdb_pool *pool = pool_of(db);
    struct prepared_set *set = ledger_set(db);
    struct agentdb_order order = {
        .mode = TASK_RUN, .tenant = "may", .target = "0.1.0", .token = 50, .set = set
    };
    const struct task_result *result = NULL;

    agentdb_assert_code(agentdb_run(pool, &order), TASK_SKIPPED, TASK_CODE_TENANT_MISSING);
    agentdb_exec(db, "CREATE SCHEMA may; CREATE TABLE may.found (n int)");
    agentdb_assert_code(agentdb_run(pool, &order), TASK_FAILED, TASK_CODE_UNMANAGED);
    order.mode = TASK_BASELINE;
    result = agentdb_run(pool, &order);
    agentdb_assert_succeeded(result);
    assert_string_equal(result->version, "0.1.0");
    assert_int_equal(agentdb_count(db, "SELECT count(*) FROM skein.history WHERE tenant = 'may' "
                                       "AND direction = 'baseline' AND version = '0.1.0'"),
                     1);
    agentdb_exec(db, "CREATE TABLE may.ledger (n int)");
    order.mode = TASK_RUN;
    order.rollout = "r2";
    order.target = "0.2.0";
    agentdb_assert_code(agentdb_run(pool, &order), TASK_FAILED, TASK_CODE_VERSION_MOVED);
    order.from = "0.1.0";
    order.token = 49;
    agentdb_assert_code(agentdb_run(pool, &order), TASK_FAILED, TASK_CODE_FENCED);
    order.token = 51;
    agentdb_assert_succeeded(agentdb_run(pool, &order));
    order.rollout = "r3";
    result = agentdb_run(pool, &order);
    agentdb_assert_code(result, TASK_SKIPPED, TASK_CODE_UP_TO_DATE);
    assert_string_equal(result->version, "0.2.0");
    prepared_set_unref(&set);
    agentdb_pool_free(&pool);
}

static void a_script_that_changed_after_it_was_applied_is_an_error(void **state)
{
    struct agentdb *db = *state;
    struct agentdb_pool *pool = pool_of(db);
    struct prepared_set *first =
        AGENTDB_SET(db, "sums", { "1.0.0__a.sql", "SELECT 1;" }, { "2.0.0__b.sql", "SELECT 2;" });
    struct prepared_set *second = AGENTDB_SET(db, "sums", { "1.0.0__a.sql", "SELECT 'changed';" },
                                              { "2.0.0__b.sql", "SELECT 2;" });
    struct agentdb_order order = {
        .mode = TASK_RUN, .tenant = "sums", .target = "1.0.0", .set = first
    };

    agentdb_exec(db, "CREATE SCHEMA sums");
    agentdb_assert_succeeded(agentdb_run(pool, &order));
    order.from = "1.0.0";
    order.target = "2.0.0";
    order.set = second;
    const struct task_result *result = agentdb_run(pool, &order);
    agentdb_assert_code(result, TASK_FAILED, TASK_CODE_CHECKSUM_MISMATCH);
    assert_non_null(strstr(result->error.message, "1.0.0__a"));
    order.set = first;
    agentdb_assert_succeeded(agentdb_run(pool, &order));
    prepared_set_unref(&first);
    prepared_set_unref(&second);
    agentdb_pool_free(&pool);
}

static void locks_are_waited_for_no_longer_than_asked(void **state)
{
    struct agentdb *db = *state;
    struct agentdb_pool *pool = pool_of(db);
    struct prepared_set *set = AGENTDB_SET(
        db, "locks", { "1.0.0__a.sql", "ALTER TABLE busy ADD COLUMN m int;" },
        { "2.0.0__b.sql", "-- skein:lock_timeout 50ms\nALTER TABLE busy ADD COLUMN o int;" });
    struct agentdb_order order = { .mode = TASK_RUN,
                                   .tenant = "locks",
                                   .from = "0.0.1",
                                   .target = "1.0.0",
                                   .lock_timeout_ms = 200,
                                   .set = set };

    agentdb_exec(db, "CREATE SCHEMA locks; CREATE TABLE locks.busy (n int);"
                     "INSERT INTO skein.tenant VALUES ('locks', 'locks', '0.0.1')");
    agentdb_exec(db, "BEGIN; LOCK TABLE locks.busy");
    uint64_t started_ms = clock_monotonic_ms();
    agentdb_assert_code(agentdb_run(pool, &order), TASK_FAILED, TASK_CODE_LOCK_TIMEOUT);
    assert_in_range(clock_monotonic_ms() - started_ms, 150, 2000);
    agentdb_exec(db, "ROLLBACK");
    agentdb_assert_succeeded(agentdb_run(pool, &order));
    agentdb_exec(db, "BEGIN; LOCK TABLE locks.busy");
    order.from = "1.0.0";
    order.target = "2.0.0";
    order.lock_timeout_ms = 600000;
    const struct task_result *result = agentdb_run(pool, &order);
    agentdb_assert_code(result, TASK_FAILED, TASK_CODE_LOCK_TIMEOUT);
    assert_string_equal(result->error.file, "2.0.0__b.sql");
    agentdb_exec(db, "ROLLBACK");
    prepared_set_unref(&set);
    agentdb_pool_free(&pool);
}

static void deferred_constraints_fail_the_dry_run_too(void **state)
{
    struct agentdb *db = *state;
    struct agentdb_pool *pool = pool_of(db);
    struct prepared_set *set =
        AGENTDB_SET(db, "deferred",
                    { "1.0.0__a.sql", "CREATE TABLE a (n int PRIMARY KEY);\nCREATE TABLE b (n "
                                      "int REFERENCES a DEFERRABLE INITIALLY DEFERRED);\n"
                                      "INSERT INTO b VALUES (1);" });

    agentdb_exec(db, "CREATE SCHEMA deferred");
    const struct task_result *result = agentdb_run(
        pool, &(struct agentdb_order){ .mode = TASK_DRY_RUN, .tenant = "deferred", .set = set });
    agentdb_assert_code(result, TASK_FAILED, TASK_CODE_SQL);
    assert_string_equal(result->error.sqlstate, "23503");
    prepared_set_unref(&set);
    agentdb_pool_free(&pool);
}

static void what_cannot_run_in_a_transaction_says_so(void **state)
{
    struct agentdb *db = *state;
    struct agentdb_pool *pool = pool_of(db);
    struct prepared_set *set =
        AGENTDB_SET(db, "concurrent",
                    { "1.0.0__a.sql", "CREATE TABLE a (n int);\nCREATE INDEX CONCURRENTLY i "
                                      "ON a (n);" });

    agentdb_exec(db, "CREATE SCHEMA concurrent");
    const struct task_result *result = agentdb_run(
        pool, &(struct agentdb_order){ .mode = TASK_DRY_RUN, .tenant = "concurrent", .set = set });
    agentdb_assert_code(result, TASK_FAILED, TASK_CODE_SQL);
    assert_string_equal(result->error.sqlstate, "25001");
    assert_non_null(strstr(result->error.hint, "skein:transaction none"));
    prepared_set_unref(&set);
    agentdb_pool_free(&pool);
}

static void running_and_waiting_tasks_can_be_cancelled(void **state)
{
    struct agentdb *db = *state;
    struct agentdb_pool *pool = agentdb_pool_new(db, &(struct executor_options){ .workers = 1 });
    struct prepared_set *slow =
        AGENTDB_SET(db, "slow", { "1.0.0__a.sql", "CREATE TABLE a ();\nSELECT pg_sleep(50);" });
    struct prepared_set *fast = AGENTDB_SET(db, "fast", { "1.0.0__a.sql", "CREATE TABLE f ();" });
    const char *waiting[] = { "c_2" };

    agentdb_exec(db, "CREATE SCHEMA c_1; CREATE SCHEMA c_2; CREATE SCHEMA c_3");
    agentdb_submit(pool, &(struct agentdb_order){ .mode = TASK_RUN, .tenant = "c_1", .set = slow });
    agentdb_submit(pool, &(struct agentdb_order){ .mode = TASK_RUN, .tenant = "c_2", .set = slow });
    agentdb_submit(pool, &(struct agentdb_order){
                             .mode = TASK_RUN, .tenant = "c_3", .rollout = "other", .set = fast });
    agentdb_wait_until(db, 1, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
    assert_int_equal(executor_load(pool->executor), 3);
    executor_cancel(pool->executor, "r1", waiting, 1);
    agentdb_pool_wait(pool, 1); /* while the worker is still busy */
    agentdb_assert_code(pool->results[0].result, TASK_FAILED, TASK_CODE_CANCELLED);
    assert_string_equal(pool->results[0].result->tenant, "c_2");
    executor_cancel(pool->executor, "r1", NULL, 0);
    agentdb_pool_wait(pool, 3);
    agentdb_assert_code(pool->results[1].result, TASK_FAILED, TASK_CODE_CANCELLED);
    agentdb_assert_succeeded(pool->results[2].result); /* the next one is not hit */
    assert_int_equal(executor_load(pool->executor), 0);
    prepared_set_unref(&slow);
    prepared_set_unref(&fast);
    agentdb_pool_free(&pool);
}

static void stopping_answers_everything(void **state)
{
    struct agentdb *db = *state;
    struct agentdb_pool *pool = agentdb_pool_new(db, &(struct executor_options){ .workers = 1 });
    struct prepared_set *slow = AGENTDB_SET(db, "slow", { "1.0.0__a.sql", "SELECT pg_sleep(50);" });

    agentdb_exec(db, "CREATE SCHEMA s_1; CREATE SCHEMA s_2");
    agentdb_submit(pool, &(struct agentdb_order){ .mode = TASK_RUN, .tenant = "s_1", .set = slow });
    agentdb_submit(pool, &(struct agentdb_order){ .mode = TASK_RUN, .tenant = "s_2", .set = slow });
    agentdb_wait_until(db, 1, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
    executor_stop(pool->executor, 100);
    assert_int_equal(agentdb_pool_count(pool), 2);
    agentdb_submit(pool, &(struct agentdb_order){ .mode = TASK_RUN, .tenant = "s_1", .set = slow });
    for (size_t i = 0; i < 2; i++) {
        agentdb_assert_code(pool->results[i].result, TASK_FAILED, TASK_CODE_CANCELLED);
    }
    prepared_set_unref(&slow);
    agentdb_pool_free(&pool);
}

static void a_database_is_a_tenant_too(void **state)
{
    struct agentdb *db = *state;
    struct agentdb_pool *pool = agentdb_pool_new(
        db,
        &(struct executor_options){ .workers = 2, .database_mode = true, .commit_group = true });
    struct prepared_set *set = ledger_set(db);
    struct agentdb_order order = {
        .mode = TASK_RUN, .tenant = "td_1", .target = "0.3.0", .set = set
    };

    agentdb_assert_code(agentdb_run(pool, &order), TASK_SKIPPED, TASK_CODE_TENANT_MISSING);
    agentdb_exec(db, "CREATE DATABASE td_1 STRATEGY wal_log");
    agentdb_assert_succeeded(agentdb_run(pool, &order)); /* installs the journal on its way */
    agentdb_assert_succeeded(agentdb_run(pool, &order));
    /* No connection is kept that would stand in its way. */
    agentdb_exec(db, "DROP DATABASE td_1");
    prepared_set_unref(&set);
    agentdb_pool_free(&pool);
}

/* What the journal says of a schema is not true of another one with its name. */
static void a_schema_that_was_dropped_and_made_again_begins_anew(void **state)
{
    struct agentdb *db = *state;
    struct agentdb_pool *pool = agentdb_pool_new(db, &(struct executor_options){ .workers = 1 });
    struct prepared_set *set =
        AGENTDB_SET(db, "again", { "1.0.0__a.sql", "CREATE TABLE a (n int);" });
    struct agentdb_order order = { .mode = TASK_RUN, .tenant = "again", .token = 5, .set = set };
    const char *versions = "SELECT count(*) FROM pg_namespace n JOIN skein.tenant t ON t.tenant = "
                           "n.nspname WHERE n.nspname = 'again' AND NOT "
                           "skein.row_is_old(t.database_oid, t.schema_oid, n.oid)";

    agentdb_exec(db, "CREATE SCHEMA again");
    agentdb_assert_succeeded(agentdb_run(pool, &order));
    assert_int_equal(agentdb_count(db, "%s", versions), 1);
    agentdb_exec(db, "DROP SCHEMA again CASCADE; CREATE SCHEMA again");
    assert_int_equal(agentdb_count(db, "%s", versions), 0);
    order.rollout = "r2";
    order.token = 4; /* the fence stays: an old task is one for the old schema */
    agentdb_assert_code(agentdb_run(pool, &order), TASK_FAILED, TASK_CODE_FENCED);
    order.token = 6;
    agentdb_assert_succeeded(agentdb_run(pool, &order));
    assert_int_equal(agentdb_count(db, "SELECT count(*) FROM again.a"), 0);
    /* Restored from a dump, the row with it: it is believed. */
    agentdb_exec(db, "UPDATE skein.tenant SET schema_oid = 1 WHERE tenant = 'again'");
    assert_int_equal(agentdb_count(db, "%s", versions), 1);
    order.rollout = "r3";
    order.from = "1.0.0";
    order.mode = TASK_DRY_RUN;
    agentdb_assert_code(agentdb_run(pool, &order), TASK_SKIPPED, TASK_CODE_UP_TO_DATE);
    prepared_set_unref(&set);
    agentdb_pool_free(&pool);
}

/* What an earlier try waited for is not what this one does. */
static void a_try_after_the_copy_that_fails_at_once_is_answered(void **state)
{
    struct agentdb *db = *state;
    struct agentdb_pool *pool = agentdb_pool_new(db, &(struct executor_options){ .workers = 1 });
    struct prepared_set *set = AGENTDB_SET(db, "rested", { "1.0.0__a.sql", "COMMIT;" });
    const struct agentdb_order order = {
        .mode = TASK_DRY_RUN, .tenant = "rested", .set = set, .awaited_copy = true
    };

    agentdb_exec(db, "CREATE SCHEMA rested");
    agentdb_assert_code(agentdb_run(pool, &order), TASK_FAILED, TASK_CODE_TRANSACTION_CONTROL);
    prepared_set_unref(&set);
    agentdb_pool_free(&pool);
}

int agentdb_test_tasks(struct agentdb *db)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(a_run_applies_every_script_in_order_and_writes_the_journal, db),
        cmocka_unit_test_prestate(a_dry_run_leaves_nothing, db),
        cmocka_unit_test_prestate(an_error_names_file_statement_and_line, db),
        cmocka_unit_test_prestate(what_cannot_run_is_refused_before_anything_runs, db),
        cmocka_unit_test_prestate(a_script_that_touches_the_journal_is_found_out, db),
        cmocka_unit_test_prestate(the_journal_decides_who_may, db),
        cmocka_unit_test_prestate(a_script_that_changed_after_it_was_applied_is_an_error, db),
        cmocka_unit_test_prestate(locks_are_waited_for_no_longer_than_asked, db),
        cmocka_unit_test_prestate(deferred_constraints_fail_the_dry_run_too, db),
        cmocka_unit_test_prestate(what_cannot_run_in_a_transaction_says_so, db),
        cmocka_unit_test_prestate(running_and_waiting_tasks_can_be_cancelled, db),
        cmocka_unit_test_prestate(stopping_answers_everything, db),
        cmocka_unit_test_prestate(a_database_is_a_tenant_too, db),
        cmocka_unit_test_prestate(a_schema_that_was_dropped_and_made_again_begins_anew, db),
        cmocka_unit_test_prestate(a_try_after_the_copy_that_fails_at_once_is_answered, db),
    };

    return cmocka_run_group_tests_name("tasks", tests, NULL, NULL);
}
