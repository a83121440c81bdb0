/* agentdb_faults_tests.c - exactly once, whatever is killed, cut off or lost. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>

#include "agentdb_fixture.h"
#include "common/core/clock.h"

/* Not idempotent: a second application shows in the count. */
static struct prepared_set *count_set(struct agentdb *db, const char *name)
{
    return AGENTDB_SET(db, name, { "1.0.0__a.sql", "CREATE TABLE counter (n int);" },
                       { "2.0.0__b.sql", "INSERT INTO counter VALUES (0);" },
                       { "3.0.0__c.sql", "UPDATE counter SET n = n + 1;" });
}

static void make_tenants(struct agentdb *db, const char *prefix, int count)
{
    agentdb_exec(db,
                 "DO $$BEGIN FOR i IN 1..%d LOOP EXECUTE 'CREATE SCHEMA %s_' || i; END LOOP; "
                 "END$$",
                 count, prefix);
}

static void submit_tenants(struct agentdb_pool *pool, const char *prefix, int count,
                           struct prepared_set *set)
{
    for (int i = 1; i <= count; i++) {
        char name[32];

        (void)snprintf(name, sizeof(name), "%s_%d", prefix, i);
        agentdb_submit(pool,
                       &(struct agentdb_order){ .mode = TASK_RUN, .tenant = name, .set = set });
    }
}

/* Every tenant at the target, its scripts in effect once, its history once. */
static void assert_exactly_once(struct agentdb *db, const char *prefix, const char *set, int count)
{
    assert_int_equal(agentdb_count(db,
                                   "SELECT count(*) FROM skein.tenant WHERE set_name = '%s' "
                                   "AND version = '3.0.0'",
                                   set),
                     count);
    assert_int_equal(
        agentdb_count(db, "SELECT count(*) FROM skein.history WHERE set_name = '%s'", set),
        3 * count);
    for (int i = 1; i <= count; i++) {
        assert_int_equal(
            agentdb_count(db, "SELECT sum(n) * 100 + count(*) FROM %s_%d.counter", prefix, i), 101);
    }
}

static void a_backend_that_is_terminated_costs_a_retry(void **state)
{
    enum { TENANTS = 60, WORKERS = 3 };
    struct agentdb *db = *state;
    struct agentdb_pool *pool =
        agentdb_pool_new(db, &(struct executor_options){ .workers = WORKERS });
    size_t ended = 0;
    struct prepared_set *set = count_set(db, "term");

    make_tenants(db, "term", TENANTS);
    submit_tenants(pool, "term", TENANTS, set);
    /* One worker after the other, and none so often that a task's tries could be used up. */
    while (agentdb_pool_count(pool) < TENANTS) {
        struct timespec pause = { .tv_nsec = 20000000 };

        if (agentdb_pool_count(pool) >= ended &&
            ended < (size_t)WORKERS * (TASK_ATTEMPTS_MAX - 1)) {
            agentdb_exec(db,
                         "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE "
                         "application_name = 'skein-agent worker %zu'",
                         ended % WORKERS + 1);
            ended++;
        }
        (void)nanosleep(&pause, NULL);
    }
    for (size_t i = 0; i < TENANTS; i++) {
        agentdb_assert_succeeded(pool->results[i].result);
    }
    assert_exactly_once(db, "term", "term", TENANTS);
    prepared_set_unref(&set);
    agentdb_pool_free(&pool);
}

static void a_lost_answer_to_commit_is_looked_up(void **state)
{
    struct agentdb *db = *state;
    struct agentdb_proxy *proxy = agentdb_proxy_new(&db->server);
    struct prepared_set *set = count_set(db, "lost");

    make_tenants(db, "lost", 4);
    for (int i = 1; i <= 4; i++) {
        struct agentdb_pool *pool = agentdb_pool_new(
            db, &(struct executor_options){ .conninfo = agentdb_proxy_conninfo(proxy),
                                            .commit_group = i % 2 == 0 });
        char name[16];

        (void)snprintf(name, sizeof(name), "lost_%d", i);
        agentdb_proxy_swallow(proxy, "COMMIT", 1);
        const struct task_result *result = agentdb_run(
            pool, &(struct agentdb_order){ .mode = TASK_RUN, .tenant = name, .set = set });
        agentdb_assert_succeeded(result);
        assert_string_equal(result->version, "3.0.0");
        assert_int_equal(agentdb_proxy_swallowed(proxy), 1);
        agentdb_pool_free(&pool);
    }
    assert_exactly_once(db, "lost", "lost", 4);
    prepared_set_unref(&set);
    agentdb_proxy_free(&proxy);
}

/* The first try hangs in the server while its client is gone: the second waits for its row. */
static void a_second_try_waits_for_the_first_transaction(void **state)
{
    struct agentdb *db = *state;
    struct agentdb_proxy *proxy = agentdb_proxy_new(&db->server);
    struct prepared_set *set =
        AGENTDB_SET(db, "zombie",
                    { "1.0.0__a.sql", "CREATE TABLE counter (n int);\nINSERT INTO counter VALUES "
                                      "(1);\nSELECT repeat('swallow me', 10000);\nSELECT "
                                      "pg_sleep(1.5);" });
    struct agentdb_pool *pool = agentdb_pool_new(
        db, &(struct executor_options){ .conninfo = agentdb_proxy_conninfo(proxy) });

    agentdb_exec(db, "CREATE SCHEMA zombie");
    agentdb_proxy_swallow(proxy, "swallow me", 1);
    const struct task_result *result = agentdb_run(
        pool, &(struct agentdb_order){
                  .mode = TASK_RUN, .tenant = "zombie", .lock_timeout_ms = 100, .set = set });
    agentdb_assert_succeeded(result);
    assert_int_equal(agentdb_count(db, "SELECT count(*) FROM zombie.counter"), 1);
    prepared_set_unref(&set);
    agentdb_pool_free(&pool);
    agentdb_proxy_free(&proxy);
}

static void a_database_that_stays_away_is_reported(void **state)
{
    struct agentdb *db = *state;
    struct agentdb_pool *pool =
        agentdb_pool_new(db, &(struct executor_options){ .conninfo = "host=/nowhere dbname=x" });
    struct prepared_set *set = count_set(db, "away");

    agentdb_submit(pool, &(struct agentdb_order){ .mode = TASK_RUN, .tenant = "a", .set = set });
    executor_cancel(pool->executor, NULL, NULL, 0);
    agentdb_pool_wait(pool, 1);
    agentdb_assert_code(pool->results[0].result, TASK_FAILED, TASK_CODE_CANCELLED);
    prepared_set_unref(&set);
    agentdb_pool_free(&pool);
}

/* Kills the whole server under load, twice. What was reported by then must be there afterwards, and
 * in the end everything exactly once. */
static void survive_crashes(struct agentdb *db, const char *name, bool commit_group)
{
    enum { TENANTS = 400, CRASHES = 2 };
    struct agentdb_pool *pool = agentdb_pool_new(
        db, &(struct executor_options){ .workers = 4, .commit_group = commit_group });
    struct prepared_set *set = count_set(db, name);

    make_tenants(db, name, TENANTS);
    agentdb_exec(db, "CHECKPOINT");
    submit_tenants(pool, name, TENANTS, set);
    for (int crash = 1; crash <= CRASHES; crash++) {
        agentdb_pool_wait(pool, (size_t)(crash * TENANTS / (CRASHES + 2)));
        agentdb_server_kill(&db->server);
        pg_conn_free(&db->admin);
        size_t reported = agentdb_pool_count(pool);
        agentdb_server_start(&db->server);
        print_message("%s: crash %d after %zu reports\n", name, crash, reported);
        for (size_t i = 0; i < reported; i++) {
            agentdb_assert_succeeded(pool->results[i].result);
            assert_int_equal(agentdb_count(db,
                                           "SELECT count(*) FROM skein.tenant WHERE set_name = "
                                           "'%s' AND tenant = '%s' AND version = '3.0.0'",
                                           name, pool->results[i].result->tenant),
                             1);
        }
    }
    agentdb_pool_wait(pool, TENANTS);
    assert_int_equal(agentdb_pool_count(pool), TENANTS);
    for (size_t i = 0; i < TENANTS; i++) {
        agentdb_assert_succeeded(pool->results[i].result);
    }
    assert_exactly_once(db, name, name, TENANTS);
    prepared_set_unref(&set);
    agentdb_pool_free(&pool);
}

static void a_killed_postgresql_loses_nothing_that_was_reported(void **state)
{
    survive_crashes(*state, "crash", false);
}

static void nor_does_it_with_group_commit(void **state)
{
    survive_crashes(*state, "crashgroup", true);
}

/* ---- crash points: this binary as a child that dies in the middle ---- */

int agentdb_crash_child(int argc, char *argv[])
{
    struct agentdb db = { .program = argv[0] };
    struct executor_options options = { .workers = 1 };

    if (argc != 5) {
        return 2;
    }
    options.conninfo = argv[2];
    options.commit_group = strcmp(argv[4], "group") == 0;
    db.parser = sql_parser_new();
    struct prepared_set *set =
        strcmp(argv[4], "batch") == 0 ? agentdb_batch_set(&db) : count_set(&db, "points");
    struct agentdb_pool *pool = agentdb_pool_new(&db, &options);
    const struct task_result *result = agentdb_run(
        pool, &(struct agentdb_order){ .mode = TASK_RUN, .tenant = argv[3], .set = set });
    bool succeeded = result->outcome == TASK_SUCCEEDED;
    prepared_set_unref(&set);
    agentdb_pool_free(&pool);
    sql_parser_free(&db.parser);
    return succeeded ? 0 : 1;
}

static void an_agent_that_dies_anywhere_has_done_it_once(void **state)
{
#ifdef SKEIN_CRASH_POINTS
    static const char *const points[] = { "before_begin", "after_begin", "before_commit",
                                          "after_commit" };
    struct agentdb *db = *state;
    int tenants = 0;

    make_tenants(db, "points", 2 * (int)COUNT_OF(points));
    for (size_t i = 0; i < 2 * COUNT_OF(points); i++) {
        char tenant[16];
        char crash[64];
        const char *commit = i % 2 == 0 ? "single" : "group";
        const char *arguments[] = {
            db->program, "crash", db->server.conninfo, tenant, commit, NULL
        };
        const char *environment[] = { crash, NULL };
        const char *calm[] = { "LANG=C", NULL };
        int status = 0;

        tenants++;
        (void)snprintf(tenant, sizeof(tenant), "points_%d", tenants);
        (void)snprintf(crash, sizeof(crash), "SKEIN_CRASH_AT=%s", points[i / 2]);
        assert_false(agentdb_server_spawn(arguments, environment, &status));
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGKILL);
        bool committed = agentdb_count(db,
                                       "SELECT count(*) FROM skein.tenant WHERE tenant = '%s' "
                                       "AND version IS NOT NULL",
                                       tenant) == 1;
        assert_true(committed == (strcmp(points[i / 2], "after_commit") == 0));
        assert_true(agentdb_server_spawn(arguments, calm, &status));
    }
    assert_exactly_once(db, "points", "points", tenants);
#else
    (void)state;
    skip();
#endif
}

int agentdb_test_faults(struct agentdb *db)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(a_backend_that_is_terminated_costs_a_retry, db),
        cmocka_unit_test_prestate(a_lost_answer_to_commit_is_looked_up, db),
        cmocka_unit_test_prestate(a_second_try_waits_for_the_first_transaction, db),
        cmocka_unit_test_prestate(a_database_that_stays_away_is_reported, db),
        cmocka_unit_test_prestate(a_killed_postgresql_loses_nothing_that_was_reported, db),
        cmocka_unit_test_prestate(nor_does_it_with_group_commit, db),
        cmocka_unit_test_prestate(an_agent_that_dies_anywhere_has_done_it_once, db),
    };

    return cmocka_run_group_tests_name("faults", tests, NULL, NULL);
}
