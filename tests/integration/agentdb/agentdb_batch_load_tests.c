/* agentdb_batch_load_tests.c - batches beside others: who holds rows, who waits for them, standbys
 * that are behind, agents that die. */
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "agentdb_bench.h"

/* Once the first chunk holds rows: an update of one of them, from elsewhere. */
static void *bench_other(void *context)
{
    const struct batch_bench *bench = context;
    struct pg_conn *conn = NULL;
    struct error err = { 0 };

    if (pg_conn_open(bench->db->server.conninfo, "", "other", &conn, &err) &&
        !pg_script(conn,
                   "DO $$BEGIN WHILE NOT EXISTS (SELECT FROM pg_stat_activity WHERE "
                   "application_name = 'bench' AND wait_event = 'PgSleep' AND xact_start < "
                   "clock_timestamp() - interval '60 ms') LOOP PERFORM pg_sleep(0.002); PERFORM "
                   "pg_stat_clear_snapshot(); END LOOP; END$$; "
                   "UPDATE b_wait.accounts SET note = 'mine' WHERE id = 3",
                   NULL, &err)) {
        (void)fprintf(stderr, "%s\n", err.message);
    }
    pg_conn_free(&conn);
    return NULL;
}

static void a_lost_answer_to_commit_counts_the_chunk_once(void **state)
{
    enum { ROWS = 300 };
    struct agentdb *db = *state;
    struct agentdb_proxy *proxy = agentdb_proxy_new(&db->server);
    struct batch_bench bench;

    bench_open(&bench, db, "b_proxy", ROWS, "-- skein:batch_rows 40\n" COUNT_UP);
    for (int i = 0; i < 2; i++) {
        bench_connect(&bench, agentdb_proxy_conninfo(proxy));
        agentdb_proxy_swallow(proxy, "COMMIT", 1);
        assert_false(bench_try(&bench));
        if (!bench.report.interrupted || agentdb_proxy_swallowed(proxy) != 1) {
            fail_msg("%d %s", agentdb_proxy_swallowed(proxy), bench.report.problem.message);
        }
        bench.call.started_before = true;
        bench.call.position = "{}";
    }
    assert_true(agentdb_count(db, "SELECT sum(n) FROM b_proxy.accounts") > 40);
    bench_connect(&bench, agentdb_proxy_conninfo(proxy));
    bench_run(&bench);
    bench_assert_each_once(&bench, ROWS);
    bench_close(&bench);
    agentdb_proxy_free(&proxy);
}

/* A row that somebody holds for longer than the lock budget: the batch tries again, smaller, and
 * gets through once the row is free; the others' locks are never waited for longer. */
static void a_row_that_is_held_makes_the_batch_try_again(void **state)
{
    enum { ROWS = 100 };
    struct agentdb *db = *state;
    struct batch_bench bench;
    struct pg_conn *holder = NULL;
    struct error err = { 0 };

    bench_open(&bench, db, "b_held", ROWS,
               "-- skein:lock_timeout 20ms -- skein:batch_rows 100\n" COUNT_UP);
    assert_true(pg_conn_open(db->server.conninfo, "", "holder", &holder, &err));
    assert_true(pg_script(holder,
                          "SET idle_in_transaction_session_timeout = '400ms'; BEGIN; "
                          "UPDATE b_held.accounts SET note = 'mine' WHERE id = 150",
                          NULL, &err));
    bench_run(&bench);
    bench_assert_each_once(&bench, ROWS);
    assert_true(agentdb_count(db, "SELECT position->>'chunks' FROM skein.operation "
                                  "WHERE tenant = 'b_held'") > 1);
    pg_conn_free(&holder);
    bench_close(&bench);
}

static void a_row_that_is_never_free_fails_the_batch(void **state)
{
    struct agentdb *db = *state;
    struct batch_bench bench;
    struct pg_conn *holder = NULL;
    struct error err = { 0 };

    bench_open(&bench, db, "b_stuck", 10, "-- skein:lock_timeout 1ms\n" COUNT_UP);
    assert_true(pg_conn_open(db->server.conninfo, "", "holder", &holder, &err));
    assert_true(pg_script(holder, "BEGIN; UPDATE b_stuck.accounts SET note = 'mine'", NULL, &err));
    bench.hurry = 100;
    bench_refuses(&bench, "lock timeout");
    assert_int_equal(bench.report.problem.code, TASK_CODE_LOCK_TIMEOUT);
    assert_int_equal(bench.report.problem.statement, 2);
    pg_conn_free(&holder);
    bench_close(&bench);
}

static void chunks_take_about_as_long_as_they_should(void **state)
{
    enum { ROWS = 120 };
    struct batch_bench bench;

    /* A row takes 2 ms: 5 of them fit in 10 ms. */
    bench_open(&bench, *state, "b_pace", ROWS,
               "-- skein:batch_rows 60 -- skein:batch_target 10ms\nSELECT id FROM accounts;"
               "UPDATE accounts a SET n = n + 1 FROM chunk "
               "WHERE a.id = chunk.id AND pg_sleep(0.002) IS NOT NULL");
    bench_run(&bench);
    bench_assert_each_once(&bench, ROWS);
    uint64_t size = agentdb_count(bench.db, "SELECT position->>'size' FROM skein.operation "
                                            "WHERE tenant = 'b_pace'");
    assert_in_range(size, 1, 10);
    bench_close(&bench);
}

/* One that stands still is waited for, until it goes on; one that has gone is not. */
static void a_standby_that_is_behind_is_waited_for(void **state)
{
    enum { ROWS = 400 };
    static const char streams[] = "SELECT count(*) FROM pg_stat_replication "
                                  "WHERE state = 'streaming' AND replay_lsn IS NOT NULL";
    struct agentdb *db = *state;
    struct agentdb_server standby = { 0 };
    struct batch_bench bench;

    agentdb_server_init_standby(&standby, &db->server);
    agentdb_wait_until(db, 1, streams);
    bench_open(&bench, db, "b_lag", ROWS,
               "-- skein:batch_rows 10 -- skein:batch_target 1ms -- skein:batch_max_lag 100ms\n"
               "-- skein:batch_pause 10ms\n" COUNT_UP);
    agentdb_server_freeze(&standby);
    bench.frozen = &standby;
    bench_run(&bench);
    bench_assert_each_once(&bench, ROWS);
    assert_true(bench.waits >= 3);
    bench_close(&bench);

    bench_open(&bench, db, "b_gone", ROWS,
               "-- skein:batch_rows 10 -- skein:batch_target 1ms -- skein:batch_max_lag 1ms\n"
               "-- skein:batch_pause 2ms\n" COUNT_UP);
    agentdb_server_release(&standby);
    bench_run(&bench);
    bench_assert_each_once(&bench, ROWS);
    bench_close(&bench);
}

/* Somebody who waits for a row of the chunk makes the next chunks smaller. */
static void who_waits_for_a_row_is_let_through(void **state)
{
    enum { ROWS = 64 };
    struct agentdb *db = *state;
    struct batch_bench bench;
    pthread_t other;

    bench_open(&bench, db, "b_wait", ROWS,
               "-- skein:batch_rows 32 -- skein:batch_target 400ms\nSELECT id FROM accounts;"
               "UPDATE accounts a SET n = n + 1 FROM chunk "
               "WHERE a.id = chunk.id AND pg_sleep(0.01) IS NOT NULL");
    assert_int_equal(pthread_create(&other, NULL, bench_other, &bench), 0);
    bench_run(&bench);
    assert_int_equal(pthread_join(other, NULL), 0);
    bench_assert_each_once(&bench, ROWS);
    assert_int_equal(agentdb_count(db, "SELECT count(*) FROM b_wait.accounts WHERE note = 'mine'"),
                     1);
    assert_true(agentdb_count(db, "SELECT position->>'chunks' FROM skein.operation "
                                  "WHERE tenant = 'b_wait'") > 2);
    bench_close(&bench);
}

/* ---- crash points: this binary as a child that dies in the middle ---- */

struct prepared_set *agentdb_batch_set(struct agentdb *db)
{
    return AGENTDB_SET(db, "bpoints",
                       { "1.0.0__a.sql", "CREATE TABLE accounts (id bigint PRIMARY KEY, "
                                         "n int NOT NULL DEFAULT 0);"
                                         "INSERT INTO accounts SELECT generate_series(1, 300)" },
                       { "2.0.0__b/10_up.batch.sql", "-- skein:batch_rows 20\n" COUNT_UP },
                       { "2.0.0__b/20_end.sql", "COMMENT ON TABLE accounts IS 'done'" });
}

static void an_agent_that_dies_anywhere_in_a_chunk_has_done_it_once(void **state)
{
#ifdef SKEIN_CRASH_POINTS
    static const char *const points[] = { "batch_before_chunk:1", "batch_before_chunk:2",
                                          "batch_begun:2",        "batch_worked:2",
                                          "batch_stored:2",       "batch_committed:1",
                                          "batch_committed:2" };
    struct agentdb *db = *state;

    for (size_t i = 0; i < COUNT_OF(points); i++) {
        char tenant[16];
        char crash[64];
        const char *arguments[] = {
            db->program, "crash", db->server.conninfo, tenant, "batch", NULL
        };
        const char *environment[] = { crash, NULL };
        const char *calm[] = { "LANG=C", NULL };
        int status = 0;

        (void)snprintf(tenant, sizeof(tenant), "bpoints_%zu", i);
        (void)snprintf(crash, sizeof(crash), "SKEIN_CRASH_AT=%s", points[i]);
        agentdb_exec(db, "CREATE SCHEMA %s", tenant);
        assert_false(agentdb_server_spawn(arguments, environment, &status));
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGKILL);
        /* What the journal says is done is what is done: no more, and no less. */
        assert_int_equal(agentdb_count(db, "SELECT sum(n) FROM %s.accounts", tenant),
                         agentdb_count(db,
                                       "SELECT coalesce(sum((position->>'rows')::int), 0) FROM "
                                       "skein.operation WHERE tenant = '%s'",
                                       tenant));
        assert_true(agentdb_server_spawn(arguments, calm, &status));
        assert_int_equal(agentdb_count(db, "SELECT count(*) FROM %s.accounts WHERE n = 1", tenant),
                         300);
        assert_int_equal(agentdb_count(db,
                                       "SELECT count(*) FROM skein.history WHERE tenant = '%s' "
                                       "AND state = 'done'",
                                       tenant),
                         2);
    }
#else
    (void)state;
    skip();
#endif
}

int agentdb_test_batch_load(struct agentdb *db)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(a_lost_answer_to_commit_counts_the_chunk_once, db),
        cmocka_unit_test_prestate(a_row_that_is_held_makes_the_batch_try_again, db),
        cmocka_unit_test_prestate(a_row_that_is_never_free_fails_the_batch, db),
        cmocka_unit_test_prestate(chunks_take_about_as_long_as_they_should, db),
        cmocka_unit_test_prestate(an_agent_that_dies_anywhere_in_a_chunk_has_done_it_once, db),
        cmocka_unit_test_prestate(a_standby_that_is_behind_is_waited_for, db),
        cmocka_unit_test_prestate(who_waits_for_a_row_is_let_through, db),
    };

    return cmocka_run_group_tests_name("batch_load", tests, NULL, NULL);
}
