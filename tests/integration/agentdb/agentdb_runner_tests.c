/* agentdb_runner_tests.c - the order in which a walk calls its runners, for a failure at every
 * point of every operation; and what runs outside a transaction, statement by statement. About 5 s.
 */
#include <stdio.h>
#include <stdlib.h>

#include "agent/run/runner_sql.h"
#include "agent/run/runners.h"
#include "agentdb_fixture.h"

/* ---- a mock: it writes down in public.mock what it was asked for, and fails where the rollout's
 * name says so: "execute-20_b". ---- */

static bool mock_do(const struct runner_call *call, const char *what, struct runner_report *report)
{
    CLEANUP(pg_result_free) struct pg_result *rows = NULL;
    const char *stem = call->operation->operation->stem;
    const char *said = arena_printf(call->arena, "%s-%s", what, stem);
    const char *parameters[] = { call->task->tenant, said };
    struct pg_error words = { 0 };
    struct error err = { 0 };

    if (!pg_query(call->conn, "INSERT INTO public.mock (tenant, said) VALUES ($1, $2)", parameters,
                  COUNT_OF(parameters), &rows, &words, &err)) {
        return runner_fail_pg(call, &words, report);
    }
    if (strstr(call->task->rollout, said) != NULL) {
        return runner_fail(call, report, TASK_CODE_RUNNER, "mock: %s", said);
    }
    return true;
}

static bool mock_setup(const struct runner_call *call, struct runner_report *report)
{
    return mock_do(call, "setup", report);
}

static bool mock_execute(const struct runner_call *call, struct runner_report *report)
{
    return mock_do(call, "execute", report);
}

static bool mock_rollback(const struct runner_call *call, struct runner_report *report)
{
    return mock_do(call, "rollback", report);
}

static const struct runner mock = {
    .kind = OPERATION_EXEC, .setup = mock_setup, .execute = mock_execute, .rollback = mock_rollback
};
static const struct runner_table mocks = {
    .items = { [OPERATION_SQL] = &runner_sql, [OPERATION_EXEC] = &mock }
};

#define PROGRAM "program: /bin/true\n"

static struct prepared_set *mock_set(struct agentdb *db)
{
    return AGENTDB_SET(
        db, "mock", { "1.0.0__start.sql", "CREATE TABLE start (n int);" },
        { "1.1.0__steps/10_a.exec.yaml", PROGRAM }, { "1.1.0__steps/10_a.down.exec.yaml", PROGRAM },
        { "1.1.0__steps/15_sql.sql", "CREATE TABLE fifteen (n int);" },
        { "1.1.0__steps/15_sql.down.sql", "DROP TABLE fifteen;" },
        { "1.1.0__steps/20_b.exec.yaml", PROGRAM }, { "1.1.0__steps/20_b.down.exec.yaml", PROGRAM },
        { "1.1.0__steps/30_c.exec.yaml", PROGRAM },
        { "1.2.0__end.sql", "CREATE TABLE ending (n int);" });
}

static char *mock_said(struct agentdb *db, const char *tenant)
{
    return agentdb_text(db,
                        "SELECT coalesce(string_agg(said, ' ' ORDER BY id), '') FROM public.mock "
                        "WHERE tenant = '%s'",
                        tenant);
}

struct mock_case {
    const char *fails; /* several: the rollbacks that fail too */
    const char *said;
    const char *left; /* operations that the journal still has */
    uint32_t rollback_errors;
    bool table; /* of 15_sql */
};

static void check_mock_result(struct agentdb *db, const struct mock_case *wanted,
                              const char *tenant, const struct task_result *result)
{
    uint32_t rollback_errors = 0;

    agentdb_assert_code(result, TASK_FAILED, TASK_CODE_RUNNER);
    assert_string_equal(result->version, "1.0.0");
    for (size_t w = 0; w < result->warning_count; w++) {
        rollback_errors += result->warnings[w].code == TASK_CODE_ROLLBACK ? 1 : 0;
    }
    assert_int_equal(rollback_errors, wanted->rollback_errors);
    char *said = mock_said(db, tenant);
    assert_string_equal(said, wanted->said);
    free(said);
    char *left = agentdb_text(db,
                              "SELECT coalesce(string_agg(operation, ',' ORDER BY operation), "
                              "'') FROM skein.operation WHERE tenant = '%s'",
                              tenant);
    assert_string_equal(left, wanted->left);
    assert_true((strstr(result->error.hint, "half done") != NULL) == (left[0] != '\0'));
    free(left);
    assert_int_equal(agentdb_count(db,
                                   "SELECT count(*) FROM pg_class WHERE relname = 'fifteen' "
                                   "AND relnamespace = '%s'::regnamespace",
                                   tenant),
                     wanted->table ? 1 : 0);
}

static void a_failure_at_every_point_of_every_operation(void **state)
{
    static const struct mock_case cases[] = {
        { "setup-10_a", "setup-10_a rollback-10_a", "", 0, false },
        { "execute-10_a", "setup-10_a execute-10_a rollback-10_a", "", 0, false },
        { "setup-20_b", "setup-10_a execute-10_a setup-20_b rollback-20_b rollback-10_a", "", 0,
          false },
        { "execute-20_b",
          "setup-10_a execute-10_a setup-20_b execute-20_b rollback-20_b rollback-10_a", "", 0,
          false },
        { "setup-30_c",
          "setup-10_a execute-10_a setup-20_b execute-20_b setup-30_c rollback-20_b rollback-10_a",
          "30_c", 0, false },
        { "execute-30_c",
          "setup-10_a execute-10_a setup-20_b execute-20_b setup-30_c execute-30_c rollback-20_b "
          "rollback-10_a",
          "30_c", 0, false },
        { "execute-20_b rollback-20_b",
          "setup-10_a execute-10_a setup-20_b execute-20_b rollback-20_b rollback-10_a", "20_b", 1,
          false },
        { "execute-20_b rollback-20_b rollback-10_a",
          "setup-10_a execute-10_a setup-20_b execute-20_b rollback-20_b rollback-10_a",
          "10_a,20_b", 2, false },
    };
    struct agentdb *db = *state;
    struct agentdb_pool *pool =
        agentdb_pool_new(db, &(struct executor_options){ .runners = &mocks });
    struct prepared_set *set = mock_set(db);

    agentdb_exec(db, "CREATE TABLE public.mock (id serial, tenant text, said text)");
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char tenant[32];

        (void)snprintf(tenant, sizeof(tenant), "mock_%zu", i);
        agentdb_exec(db, "CREATE SCHEMA %s", tenant);
        struct agentdb_order order = {
            .mode = TASK_RUN, .tenant = tenant, .rollout = cases[i].fails, .set = set
        };
        check_mock_result(db, &cases[i], tenant, agentdb_run(pool, &order));

        /* Another rollout, where nothing fails, gets there from whatever was left. */
        order.rollout = "calm";
        order.from = "1.0.0";
        order.token = 2;
        agentdb_assert_succeeded(agentdb_run(pool, &order));
        assert_int_equal(
            agentdb_count(db, "SELECT count(*) FROM skein.operation WHERE tenant = '%s'", tenant),
            0);
        assert_int_equal(agentdb_count(db,
                                       "SELECT count(*) FROM skein.history WHERE tenant = '%s' AND "
                                       "script = '1.1.0__steps' AND state = 'done'",
                                       tenant),
                         1);
    }
    agentdb_exec(db, "DROP TABLE public.mock");
    prepared_set_unref(&set);
    agentdb_pool_free(&pool);
}

/* ---- scripts outside a transaction ---- */

static void every_kind_of_statement_runs_outside_a_transaction(void **state)
{
    struct agentdb *db = *state;
    struct agentdb_pool *pool = agentdb_pool_new(db, &(struct executor_options){ 0 });
    struct prepared_set *set = AGENTDB_SET(
        db, "loose",
        { "1.0.0__start.sql",
          "CREATE TABLE parts (id int, kind text) PARTITION BY RANGE (id);\n"
          "CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (100);\n"
          "CREATE TABLE plain (id int);\nINSERT INTO plain SELECT generate_series(1, 50);\n"
          "CREATE INDEX plain_id ON plain (id);\n"
          "CREATE INDEX plain_old ON plain (id);\n"
          "ALTER TABLE plain ADD CONSTRAINT positive CHECK (id > 0) NOT VALID;\n"
          "CREATE MATERIALIZED VIEW seen AS SELECT id FROM plain;\n"
          "CREATE UNIQUE INDEX seen_id ON seen (id);\n"
          "CREATE TYPE mood AS ENUM ('good');" },
        { "1.1.0__loose.sql", "-- skein:transaction none\n"
                              "ALTER TYPE mood ADD VALUE 'bad';\n"
                              "DROP INDEX CONCURRENTLY plain_old;\n"
                              "REINDEX INDEX CONCURRENTLY plain_id;\n"
                              "REINDEX TABLE CONCURRENTLY plain;\n"
                              "VACUUM (ANALYZE) plain;\n"
                              "ALTER TABLE parts DETACH PARTITION parts_1 CONCURRENTLY;\n"
                              "ALTER TABLE plain VALIDATE CONSTRAINT positive;\n"
                              "REFRESH MATERIALIZED VIEW CONCURRENTLY seen;\n"
                              "INSERT INTO plain VALUES (51);" });
    struct agentdb_order order = {
        .mode = TASK_RUN, .tenant = "loose", .target = "1.0.0", .set = set
    };

    agentdb_exec(db, "CREATE SCHEMA loose");
    agentdb_assert_succeeded(agentdb_run(pool, &order));
    order = (struct agentdb_order){
        .mode = TASK_DRY_RUN, .tenant = "loose", .from = "1.0.0", .set = set
    };
    agentdb_assert_succeeded(agentdb_run(pool, &order));
    assert_int_equal(agentdb_count(db, "SELECT count(*) FROM loose.plain"), 50);
    order.mode = TASK_RUN;
    agentdb_assert_succeeded(agentdb_run(pool, &order));
    assert_int_equal(agentdb_count(db, "SELECT count(*) FROM loose.plain"), 51);
    assert_int_equal(agentdb_count(db, "SELECT count(*) FROM pg_class WHERE relnamespace = "
                                       "'loose'::regnamespace AND relname = 'plain_old'"),
                     0);
    assert_int_equal(agentdb_count(db, "SELECT count(*) FROM pg_inherits WHERE inhparent = "
                                       "'loose.parts'::regclass"),
                     0);
    assert_int_equal(agentdb_count(db, "SELECT count(*) FROM pg_constraint WHERE conname = "
                                       "'positive' AND convalidated AND conrelid = "
                                       "'loose.plain'::regclass"),
                     1);
    assert_int_equal(agentdb_count(db, "SELECT count(*) FROM pg_enum WHERE enumtypid = "
                                       "'loose.mood'::regtype"),
                     2);
    prepared_set_unref(&set);
    agentdb_pool_free(&pool);
}

/* Its session is ended in the middle of each statement in turn, and what that leaves is no
 * hindrance to the next try. */
static void what_a_broken_statement_leaves_is_repaired(void **state)
{
    static const struct {
        const char *statement;
        const char *left; /* a count that becomes 1 while the statement waits for the writer */
    } cases[] = {
        { "DROP INDEX CONCURRENTLY busy_old",
          "SELECT count(*) FROM pg_index i WHERE indexrelid = 'busy.busy_old'::regclass AND NOT "
          "indisvalid" },
        { "REINDEX TABLE CONCURRENTLY busy",
          "SELECT count(*) FROM pg_index WHERE NOT indisvalid AND indrelid = 'busy.busy'::regclass "
          "LIMIT 1" },
        { "ALTER TABLE parts DETACH PARTITION parts_1 CONCURRENTLY",
          "SELECT count(*) FROM pg_inherits WHERE inhdetachpending" },
    };
    struct agentdb *db = *state;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct agentdb_pool *pool = agentdb_pool_new(db, &(struct executor_options){ 0 });
        struct agentdb watcher = { .server = db->server };
        char text[256];

        (void)snprintf(text, sizeof(text), "-- skein:transaction none\n%s;", cases[i].statement);
        struct prepared_set *set =
            AGENTDB_SET(db, "busy",
                        { "1.0.0__start.sql",
                          "CREATE TABLE busy (id int);\nCREATE INDEX busy_old ON busy (id);\n"
                          "CREATE INDEX busy_id ON busy (id);\n"
                          "CREATE TABLE parts (id int) PARTITION BY RANGE (id);\n"
                          "CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (9);" },
                        { "1.1.0__loose.sql", text });
        struct agentdb_order order = { .mode = TASK_RUN,
                                       .tenant = "busy",
                                       .target = "1.0.0",
                                       .lock_timeout_ms = 2000,
                                       .set = set };

        agentdb_exec(db,
                     "DROP SCHEMA IF EXISTS busy CASCADE; DELETE FROM skein.tenant WHERE tenant "
                     "= 'busy'; DELETE FROM skein.history WHERE tenant = 'busy'; CREATE SCHEMA "
                     "busy");
        agentdb_assert_succeeded(agentdb_run(pool, &order));
        order.from = "1.0.0";
        order.target = "1.1.0";
        order.token = 2;
        agentdb_exec(db,
                     "BEGIN; INSERT INTO busy.busy VALUES (1); INSERT INTO busy.parts VALUES (1)");
        agentdb_submit(pool, &order);
        agentdb_wait_until(&watcher, 1, cases[i].left);
        agentdb_exec(&watcher, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE "
                               "application_name LIKE 'skein-agent worker%%' AND state = 'active'");
        agentdb_exec(db, "COMMIT");
        agentdb_pool_wait(pool, 2);
        agentdb_assert_succeeded(pool->results[1].result);
        assert_int_equal(agentdb_count(db, "SELECT count(*) FROM pg_index WHERE NOT indisvalid"),
                         0);
        assert_int_equal(
            agentdb_count(db, "SELECT count(*) FROM pg_inherits WHERE inhdetachpending"), 0);
        assert_int_equal(agentdb_count(db, "SELECT count(*) FROM pg_class WHERE relname ~ "
                                           "'_cc(new|old)'"),
                         0);
        pg_conn_free(&watcher.admin);
        prepared_set_unref(&set);
        agentdb_pool_free(&pool);
    }
}

int agentdb_test_runners(struct agentdb *db)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(a_failure_at_every_point_of_every_operation, db),
        cmocka_unit_test_prestate(every_kind_of_statement_runs_outside_a_transaction, db),
        cmocka_unit_test_prestate(what_a_broken_statement_leaves_is_repaired, db),
    };

    return cmocka_run_group_tests_name("runners", tests, NULL, NULL);
}
