/* agentdb_outage_tests.c - servers that are there and do not serve: frozen, full, out of room. */
#include <stdio.h>

#include "agentdb_fixture.h"
#include "common/core/clock.h"

static struct prepared_set *slow_set(struct agentdb *db, const char *name, const char *sleep)
{
    return AGENTDB_SET(db, name, { "1.0.0__a.sql", "CREATE TABLE counter (n int);" },
                       { "2.0.0__b.sql", "INSERT INTO counter VALUES (1);" },
                       { "3.0.0__c.sql", sleep });
}

static void wait_for_worker(struct agentdb *db, const char *state)
{
    char query[256];

    (void)snprintf(query, sizeof(query),
                   "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE "
                   "'skein-agent worker%%' AND query LIKE '%%%s%%'",
                   state);
    agentdb_wait_until(db, 1, query);
}

/* All processes of the server stand still in the middle of a task, for longer than anybody waits:
 * the worker gives the connection up by itself, and goes on when the server does. */
static void a_frozen_server_is_given_up_and_found_again(void **state)
{
    struct agentdb *db = *state;
    struct agentdb_pool *pool = agentdb_pool_new(db, &(struct executor_options){ .workers = 1 });
    struct prepared_set *set = slow_set(db, "frozen", "SELECT pg_sleep(2);");
    char words[TEXT_BYTES_MAX] = "";
    uint64_t began_ms = clock_monotonic_ms();

    agentdb_exec(db, "CREATE SCHEMA frozen");
    agentdb_submit(pool,
                   &(struct agentdb_order){ .mode = TASK_RUN, .tenant = "frozen", .set = set });
    wait_for_worker(db, "pg_sleep");
    agentdb_server_freeze(&db->server);
    while (words[0] == '\0' && clock_monotonic_ms() - began_ms < 60000) {
        struct timespec pause = { .tv_nsec = 50000000 };

        (void)nanosleep(&pause, NULL);
        executor_trouble(pool->executor, words);
    }
    print_message("given up after %llu ms: %s\n",
                  (unsigned long long)(clock_monotonic_ms() - began_ms), words);
    agentdb_server_thaw(&db->server);
    assert_non_null(strstr(words, "connect to PostgreSQL"));
    agentdb_pool_wait(pool, 1);
    agentdb_assert_succeeded(pool->results[0].result);
    executor_trouble(pool->executor, words);
    assert_string_equal(words, "");
    assert_int_equal(agentdb_count(db, "SELECT count(*) FROM frozen.counter"), 1);
    assert_int_equal(agentdb_count(db, "SELECT count(*) FROM skein.history WHERE tenant = "
                                       "'frozen'"),
                     3);
    prepared_set_unref(&set);
    agentdb_pool_free(&pool);
}

/* A statement that takes longer than the first question for a sign of life is left alone. */
static void a_silent_server_that_lives_is_waited_for(void **state)
{
    struct agentdb *db = *state;
    struct agentdb_pool *pool = agentdb_pool_new(db, &(struct executor_options){ .workers = 1 });
    struct prepared_set *set = slow_set(db, "silent", "SELECT pg_sleep(11.5);");

    agentdb_exec(db, "CREATE SCHEMA silent");
    agentdb_assert_succeeded(agentdb_run(
        pool, &(struct agentdb_order){ .mode = TASK_RUN, .tenant = "silent", .set = set }));
    prepared_set_unref(&set);
    agentdb_pool_free(&pool);
}

/* A cancel that a frozen server does not take keeps nobody: all the others are cancelled too, and
 * the executor stops in time. */
static void a_cancel_does_not_wait_for_a_frozen_server(void **state)
{
    struct agentdb *db = *state;
    struct pg_conn *conn = NULL;
    struct error err = { 0 };

    assert_true(pg_conn_open(db->server.conninfo, "", "frozen", &conn, &err));
    agentdb_server_freeze(&db->server);
    uint64_t began_ms = clock_monotonic_ms();
    pg_conn_cancel(conn);
    pg_conn_cancel(conn); /* the first is still on its way */
    uint64_t took_ms = clock_monotonic_ms() - began_ms;
    pg_conn_free(&conn);
    agentdb_server_thaw(&db->server);
    assert_in_range(took_ms, 0, 2 * (uint64_t)PG_CANCEL_WAIT_MS);
}

static void a_server_without_a_free_connection_is_waited_for(void **state)
{
    enum { MOST = 100 };
    struct agentdb *db = *state;
    struct agentdb_pool *pool = agentdb_pool_new(db, &(struct executor_options){ .workers = 2 });
    struct prepared_set *set = slow_set(db, "full", "SELECT 1;");
    struct pg_conn *hogs[MOST] = { 0 };
    struct error err = { 0 };
    char words[TEXT_BYTES_MAX] = "";
    size_t count = 0;

    agentdb_exec(db, "CREATE SCHEMA full_1; CREATE SCHEMA full_2");
    while (count < MOST && pg_conn_open(db->server.conninfo, "", "hog", &hogs[count], &err)) {
        count++;
    }
    assert_int_equal(err.code, ERR_LIMIT);
    agentdb_submit(pool,
                   &(struct agentdb_order){ .mode = TASK_RUN, .tenant = "full_1", .set = set });
    agentdb_submit(pool,
                   &(struct agentdb_order){ .mode = TASK_RUN, .tenant = "full_2", .set = set });
    while (words[0] == '\0') {
        executor_trouble(pool->executor, words);
    }
    assert_non_null(strstr(words, "too many clients"));
    for (size_t i = 0; i < count; i++) {
        pg_conn_free(&hogs[i]);
    }
    agentdb_pool_wait(pool, 2);
    agentdb_assert_succeeded(pool->results[0].result);
    agentdb_assert_succeeded(pool->results[1].result);
    prepared_set_unref(&set);
    agentdb_pool_free(&pool);
}

/* ---- settling: what became of a try that nobody hears of ---- */

static const struct task_result *settle(struct agentdb_pool *pool, const char *tenant,
                                        uint64_t token, struct prepared_set *set)
{
    return agentdb_run(pool, &(struct agentdb_order){ .mode = TASK_SETTLE,
                                                      .tenant = tenant,
                                                      .token = token,
                                                      .lock_timeout_ms = 500,
                                                      .set = set });
}

/* An agent that was stopped in the middle of its transaction, as the database sees it. */
static struct pg_conn *stopped_agent(struct agentdb *db, const char *tenant)
{
    struct pg_conn *conn = NULL;
    struct error err = { 0 };
    char sql[512];

    (void)snprintf(sql, sizeof(sql),
                   "BEGIN; DO $$BEGIN PERFORM skein.task_begin('%s', 'settle', 'r1', 'run', '', "
                   "'3.0.0', 5, '%s', '{}', '{}'); END$$; CREATE TABLE %s.counter (n int)",
                   tenant, tenant, tenant);
    assert_true(pg_conn_open(db->server.conninfo, "", "stopped", &conn, &err));
    assert_true(pg_script(conn, sql, NULL, &err));
    return conn;
}

static void an_open_transaction_is_ended_and_fenced(void **state)
{
    struct agentdb *db = *state;
    struct agentdb_pool *pool = agentdb_pool_new(db, &(struct executor_options){ .workers = 1 });
    struct prepared_set *set = slow_set(db, "settle", "SELECT 1;");
    struct error err = { 0 };

    agentdb_exec(db, "CREATE SCHEMA settle_1; CREATE SCHEMA settle_2");
    struct pg_conn *stopped = stopped_agent(db, "settle_1");
    struct pg_conn *other = stopped_agent(db, "settle_2");
    agentdb_assert_code(settle(pool, "settle_1", 9, set), TASK_SKIPPED, TASK_CODE_CANCELLED);
    assert_false(pg_script(stopped, "COMMIT", NULL, &err));
    assert_true(pg_script(other, "ROLLBACK", NULL, &err)); /* another tenant's is left alone */
    assert_int_equal(agentdb_count(db, "SELECT fence FROM skein.tenant WHERE tenant = "
                                       "'settle_1' AND version IS NULL"),
                     9);
    assert_int_equal(agentdb_count(db, "SELECT count(*) FROM pg_tables WHERE schemaname = "
                                       "'settle_1'"),
                     0);
    /* What the stopped one had not begun comes too late as well; what comes after is welcome. */
    struct agentdb_order order = { .mode = TASK_RUN, .tenant = "settle_1", .token = 5, .set = set };
    agentdb_assert_code(agentdb_run(pool, &order), TASK_FAILED, TASK_CODE_FENCED);
    order.token = 10;
    agentdb_assert_succeeded(agentdb_run(pool, &order));
    agentdb_assert_succeeded(settle(pool, "settle_1", 11, set));
    agentdb_assert_succeeded(settle(pool, "settle_1", 11, set)); /* its answer may be lost */
    agentdb_assert_code(settle(pool, "settle_1", 10, set), TASK_FAILED, TASK_CODE_FENCED);
    pg_conn_free(&stopped);
    pg_conn_free(&other);
    prepared_set_unref(&set);
    agentdb_pool_free(&pool);
}

int agentdb_test_outages(struct agentdb *db)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(an_open_transaction_is_ended_and_fenced, db),
        cmocka_unit_test_prestate(a_frozen_server_is_given_up_and_found_again, db),
        cmocka_unit_test_prestate(a_silent_server_that_lives_is_waited_for, db),
        cmocka_unit_test_prestate(a_cancel_does_not_wait_for_a_frozen_server, db),
        cmocka_unit_test_prestate(a_server_without_a_free_connection_is_waited_for, db),
    };

    return cmocka_run_group_tests_name("outages", tests, NULL, NULL);
}
