/* agentdb_batch_tests.c - batches on a real server, without the walk around them: the pace, the
 * position, what is refused, what makes a batch wait. */
#include <stdio.h>
#include <stdlib.h>

#include "agent/run/runner_batch.h"
#include "agentdb_fixture.h"
#include "common/core/clock.h"

/* One operation of one tenant, as the walk would call it. */
struct batch_bench {
    struct agentdb *db;
    struct prepared_set *set;
    struct executor_task *task;
    struct pg_conn *conn;
    struct pg_batch *batch;
    struct arena arena;
    struct executor_options options;
    struct runner_call call;
    struct runner_report report;
    uint64_t cancel_after; /* progress calls; 0: never */
    uint64_t calls;
    uint64_t done;
    uint64_t total;
    uint64_t hurry; /* pauses are so many times shorter; 0: as they are */
    uint64_t waits; /* progress calls that said what is waited for */
    char words[256];
    const char *on_wait; /* SQL that ends the waiting */
};

static bool bench_is_cancelled(void *context)
{
    struct batch_bench *bench = context;

    return bench->cancel_after > 0 && bench->calls >= bench->cancel_after;
}

static bool bench_pause(void *context, uint64_t milliseconds)
{
    const struct batch_bench *bench = context;
    uint64_t ms = bench->hurry == 0 ? milliseconds : milliseconds / bench->hurry;
    struct timespec pause = { .tv_sec = (time_t)(ms / 1000),
                              .tv_nsec = (long)(ms % 1000) * 1000000 };

    (void)nanosleep(&pause, NULL);
    return !bench_is_cancelled(context);
}

static void bench_progress(void *context, uint64_t done, uint64_t total, const char *words)
{
    struct batch_bench *bench = context;

    bench->calls++;
    bench->done = done;
    bench->total = total;
    (void)snprintf(bench->words, sizeof(bench->words), "%s", words);
    if (strstr(words, "waits for standby") != NULL) {
        bench->waits++;
        if (bench->waits == 3 && bench->on_wait != NULL) {
            agentdb_exec(bench->db, "%s", bench->on_wait);
        }
    }
}

static void bench_connect(struct batch_bench *bench, const char *conninfo)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct error err = { 0 };

    pg_batch_free(&bench->batch);
    pg_conn_free(&bench->conn);
    if (!pg_conn_open(conninfo, "", "bench", &bench->conn, &err) ||
        !pg_script(bench->conn, arena_printf(&arena, "SET search_path = %s", bench->task->tenant),
                   NULL, &err)) {
        fail_msg("%s", err.message);
    }
    bench->batch = pg_batch_new(bench->conn);
    bench->call.conn = bench->conn;
    bench->call.batch = bench->batch;
}

/* A tenant with a table of `rows` accounts, at version 1.0.0, whose operation has been started. */
static void bench_open(struct batch_bench *bench, struct agentdb *db, const char *tenant, int rows,
                       const char *script)
{
    *bench = (struct batch_bench){ .db = db };
    agentdb_exec(db,
                 "CREATE SCHEMA %s; CREATE TABLE %s.accounts (id bigint PRIMARY KEY, region text "
                 "NOT NULL DEFAULT 'eu', n int NOT NULL DEFAULT 0, note text);"
                 "INSERT INTO %s.accounts SELECT i * 3, CASE i %% 3 WHEN 0 THEN 'eu' WHEN 1 THEN "
                 "'us' ELSE 'Österreich' END FROM generate_series(1, %d) i; ANALYZE %s.accounts;"
                 "INSERT INTO skein.tenant (tenant, set_name, version, fence) "
                 "VALUES ('%s', '%s', '1.0.0', 1);"
                 "INSERT INTO skein.operation (tenant, set_name, script, operation, direction, "
                 "state, rollout, fence) "
                 "VALUES ('%s', '%s', '2.0.0__b', '2.0.0__b', 'up', 'started', 'r1', 1)",
                 tenant, tenant, tenant, rows, tenant, tenant, tenant, tenant, tenant);
    bench->set =
        AGENTDB_SET(db, tenant, { "1.0.0__a.sql", "SELECT 1" }, { "2.0.0__b.batch.sql", script });
    const struct task_assignment assignment = {
        .rollout = "r1", .mode = TASK_RUN, .target = "2.0.0", .token = 1, .lock_timeout_ms = 500
    };
    const struct task_item item = { .tenant = tenant, .from = "1.0.0", .baseline = "" };
    bench->task = executor_task_new(&assignment, &item, bench->set);
    const struct prepared_operation *operation = prepared_set_operation(bench->set, 1, 0);
    if (operation->up.problem.kind != SQL_PROBLEM_NONE) {
        fail_msg("%s", operation->up.problem.error.message);
    }
    bench->call = (struct runner_call){ .options = &bench->options,
                                        .task = bench->task,
                                        .migration = &prepared_set_model(bench->set)->migrations[1],
                                        .operation = operation,
                                        .from = "1.0.0",
                                        .position = "",
                                        .arena = &bench->arena,
                                        .is_cancelled = bench_is_cancelled,
                                        .pause = bench_pause,
                                        .progress = bench_progress,
                                        .context = bench };
    bench_connect(bench, db->server.conninfo);
}

static void bench_close(struct batch_bench *bench)
{
    pg_batch_free(&bench->batch);
    pg_conn_free(&bench->conn);
    executor_task_free(&bench->task);
    prepared_set_unref(&bench->set);
    arena_release(&bench->arena);
}

/* Setup and execute, as one try. */
static bool bench_try(struct batch_bench *bench)
{
    bench->report = (struct runner_report){ 0 };
    return runner_batch.setup(&bench->call, &bench->report) &&
           runner_batch.execute(&bench->call, &bench->report);
}

static void bench_run(struct batch_bench *bench)
{
    if (!bench_try(bench)) {
        fail_msg("%s %s (statement %u, line %u)", bench->report.problem.sqlstate,
                 bench->report.problem.message, bench->report.problem.statement,
                 bench->report.problem.line);
    }
}

static void bench_refuses(struct batch_bench *bench, const char *part)
{
    assert_false(bench_try(bench));
    if (strstr(bench->report.problem.message, part) == NULL) {
        fail_msg("%s", bench->report.problem.message);
    }
}

static void assert_each_once(struct batch_bench *bench, int rows)
{
    assert_int_equal(agentdb_count(bench->db, "SELECT count(*) FROM %s.accounts WHERE n = 1",
                                   bench->task->tenant),
                     rows);
    assert_int_equal(
        agentdb_count(bench->db, "SELECT count(*) FROM %s.accounts", bench->task->tenant), rows);
}

#define COUNT_UP                                                                                   \
    "SELECT id FROM accounts;\n"                                                                   \
    "UPDATE accounts a SET n = n + 1 FROM chunk WHERE a.id = chunk.id;\n"

static void every_row_is_done_once_and_the_report_says_how(void **state)
{
    enum { ROWS = 5003 };
    struct batch_bench bench;

    bench_open(&bench, *state, "b_once", ROWS, "-- skein:batch_rows 100\n" COUNT_UP);
    bench_run(&bench);
    assert_each_once(&bench, ROWS);
    assert_int_equal(bench.done, ROWS);
    assert_int_equal(bench.total, ROWS); /* analysed: the estimate is exact */
    assert_non_null(strstr(bench.words, "rows/s"));
    assert_non_null(strstr(bench.report.output, "5003 rows in "));
    assert_int_equal(agentdb_count(bench.db, "SELECT position->>'rows' FROM skein.operation "
                                             "WHERE tenant = 'b_once'"),
                     ROWS);
    /* Chunks have grown: 100 a chunk would have been 51 of them. */
    assert_true(agentdb_count(bench.db, "SELECT position->>'chunks' FROM skein.operation "
                                        "WHERE tenant = 'b_once'") < 20);
    bench_close(&bench);
}

static void an_empty_table_is_done_at_once(void **state)
{
    struct batch_bench bench;

    bench_open(&bench, *state, "b_empty", 0, COUNT_UP);
    bench_run(&bench);
    bench_run(&bench); /* a crash before it was marked as done */
    assert_int_equal(bench.done, 0);
    bench_close(&bench);
}

/* Chunks of 7 rows with a key of two columns, one of which is text in another alphabet; equal keys
 * are more than a chunk. */
static void a_key_may_be_any_columns_and_need_not_be_unique(void **state)
{
    enum { ROWS = 500 };
    struct batch_bench bench;

    bench_open(&bench, *state, "b_two", ROWS,
               "-- skein:batch_rows 7\n"
               "SELECT region, id % 10 AS \"Digit\" FROM accounts GROUP BY region, id % 10;"
               "UPDATE accounts a SET n = n + 1 FROM chunk c "
               "WHERE (a.region, a.id % 10) = (c.region, c.\"Digit\")");
    bench_run(&bench);
    assert_each_once(&bench, ROWS);
    assert_int_equal(bench.done, 30);
    bench_close(&bench);
    bench_open(&bench, *state, "b_ties", ROWS,
               "-- skein:batch_rows 7\nSELECT region FROM accounts;"
               "UPDATE accounts a SET n = n + 1 FROM (SELECT DISTINCT region FROM chunk) c "
               "WHERE a.region = c.region");
    bench_run(&bench);
    assert_each_once(&bench, ROWS);
    bench_close(&bench);
}

static void keys_of_many_types_come_back_from_the_journal(void **state)
{
    static const char *const types[] = {
        "timestamptz",
        "'2024-01-01 00:00:00.123456+03'::timestamptz + i * '1 hour'::interval",
        "double precision",
        "i / 7.0::float8",
        "uuid",
        "md5(i::text)::uuid",
        "bytea",
        "decode(md5(i::text), 'hex')",
        "numeric",
        "i / 3.0",
        "interval",
        "i * '1 day 7 seconds'::interval",
        "text",
        "'It''s \"' || chr(900 + i) || '\\'"
    };
    struct agentdb *db = *state;

    for (size_t i = 0; i < COUNT_OF(types); i += 2) {
        struct batch_bench bench;
        char tenant[16];

        (void)snprintf(tenant, sizeof(tenant), "b_type_%zu", i);
        bench_open(&bench, db, tenant, 0,
                   "-- skein:batch_rows 3\nSELECT k FROM keys;"
                   "UPDATE keys SET n = n + 1 FROM chunk WHERE keys.k = chunk.k");
        agentdb_exec(db,
                     "CREATE TABLE %s.keys (k %s PRIMARY KEY, n int NOT NULL DEFAULT 0);"
                     "INSERT INTO %s.keys SELECT %s FROM generate_series(1, 40) i;"
                     "SET datestyle = 'SQL, DMY'",
                     tenant, types[i], tenant, types[i + 1]);
        bench.cancel_after = 2;
        bench_refuses(&bench, "cancelled after 9 rows");
        bench.cancel_after = 0;
        bench_run(&bench);
        assert_int_equal(agentdb_count(db, "SELECT count(*) FROM %s.keys WHERE n = 1", tenant), 40);
        bench_close(&bench);
    }
}

static void the_work_may_be_any_statement(void **state)
{
    enum { ROWS = 200 };
    struct agentdb *db = *state;
    struct batch_bench bench;

    bench_open(&bench, db, "b_move", ROWS,
               "-- skein:batch_rows 30\nSELECT id FROM accounts WHERE id % 2 = 0;"
               "WITH gone AS (DELETE FROM accounts a USING chunk WHERE a.id = chunk.id "
               "RETURNING a.*)\nINSERT INTO archive SELECT * FROM gone");
    agentdb_exec(db, "CREATE TABLE b_move.archive (LIKE b_move.accounts)");
    bench_run(&bench);
    assert_int_equal(agentdb_count(db, "SELECT count(*) FROM b_move.archive"), ROWS / 2);
    assert_int_equal(agentdb_count(db, "SELECT count(*) FROM b_move.accounts"), ROWS / 2);
    bench_close(&bench);
    bench_open(&bench, db, "b_call", ROWS,
               "-- skein:batch_rows 30\nSELECT id FROM accounts; SELECT touch(id) FROM chunk");
    agentdb_exec(db, "CREATE FUNCTION b_call.touch(bigint) RETURNS void LANGUAGE sql AS "
                     "'UPDATE b_call.accounts SET n = n + 1 WHERE id = $1'");
    bench_run(&bench);
    assert_each_once(&bench, ROWS);
    bench_close(&bench);
}

static void a_cancelled_batch_goes_on_where_it_was(void **state)
{
    enum { ROWS = 2000 };
    struct batch_bench bench;

    bench_open(&bench, *state, "b_cancel", ROWS, "-- skein:batch_rows 10\n" COUNT_UP);
    for (bench.cancel_after = 1; bench.cancel_after < 4; bench.cancel_after++) {
        bench_refuses(&bench, "cancelled after ");
        assert_int_equal(bench.report.problem.code, TASK_CODE_CANCELLED);
        bench.calls = 0;
        bench.call.started_before = true;
        bench.call.position = "{}";
    }
    bench.cancel_after = 0;
    bench_run(&bench);
    assert_each_once(&bench, ROWS);
    assert_int_equal(bench.done, ROWS);
    bench_close(&bench);
}

static void an_error_names_the_line_and_leaves_what_is_done(void **state)
{
    struct batch_bench bench;

    bench_open(&bench, *state, "b_error", 100,
               "-- skein:batch_rows 20\nSELECT id\nFROM accounts;\n\n"
               "WITH x AS (SELECT 1)\nUPDATE accounts a SET n = n + 1 / (a.id - 150)\n"
               "FROM chunk WHERE a.id = chunk.id");
    bench_refuses(&bench, "division by zero");
    assert_string_equal(bench.report.problem.sqlstate, "22012");
    assert_int_equal(bench.report.problem.statement, 2);
    assert_int_equal(agentdb_count(bench.db, "SELECT count(*) FROM skein.operation WHERE "
                                             "tenant = 'b_error' AND "
                                             "(position->'key'->>0)::int < 150"),
                     1);
    bench_close(&bench);
    bench_open(&bench, *state, "b_error2", 100,
               "SELECT id\nFROM accounts;\nUPDATE accounts a SET n = 0,\n missing = 1\n"
               "FROM chunk WHERE a.id = chunk.id");
    bench_refuses(&bench, "column \"missing\"");
    assert_int_equal(bench.report.problem.line, 4);
    bench_close(&bench);
    bench_open(&bench, *state, "b_error3", 100,
               "SELECT id\nFROM nowhere;\nUPDATE accounts a SET n = 0 FROM chunk "
               "WHERE a.id = chunk.id");
    bench_refuses(&bench, "\"nowhere\" does not exist");
    assert_int_equal(bench.report.problem.statement, 1);
    bench_close(&bench);
}

static void keys_that_are_null_are_refused(void **state)
{
    struct batch_bench bench;

    bench_open(&bench, *state, "b_null", 100,
               "SELECT id, note FROM accounts;"
               "UPDATE accounts a SET n = n + 1 FROM chunk WHERE a.id = chunk.id");
    bench_refuses(&bench, "the key's column \"note\" is NULL in some rows");
    agentdb_exec(bench.db, "UPDATE b_null.accounts SET note = 'x'");
    bench_run(&bench);
    assert_each_once(&bench, 100);
    bench_close(&bench);
}

static void a_later_token_keeps_an_older_batch_out(void **state)
{
    struct batch_bench bench;

    bench_open(&bench, *state, "b_fence", 100, "-- skein:batch_rows 10\n" COUNT_UP);
    agentdb_exec(bench.db, "UPDATE skein.tenant SET fence = 2 WHERE tenant = 'b_fence'");
    assert_false(bench_try(&bench));
    assert_int_equal(bench.report.problem.code, TASK_CODE_FENCED);
    assert_int_equal(agentdb_count(bench.db, "SELECT sum(n) FROM b_fence.accounts"), 0);
    bench_close(&bench);
}

/* Without the row in the journal a chunk would not count: so it must not take effect. */
static void a_chunk_whose_position_cannot_be_stored_is_not_done(void **state)
{
    struct batch_bench bench;

    bench_open(&bench, *state, "b_lost", 100, COUNT_UP);
    agentdb_exec(bench.db, "DELETE FROM skein.operation WHERE tenant = 'b_lost'");
    bench_refuses(&bench, "could not be stored");
    assert_int_equal(agentdb_count(bench.db, "SELECT sum(n) FROM b_lost.accounts"), 0);
    bench_close(&bench);
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
    assert_each_once(&bench, ROWS);
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
    assert_each_once(&bench, ROWS);
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
    assert_each_once(&bench, ROWS);
    uint64_t size = agentdb_count(bench.db, "SELECT position->>'size' FROM skein.operation "
                                            "WHERE tenant = 'b_pace'");
    assert_in_range(size, 1, 10);
    bench_close(&bench);
}

static void the_rollback_has_a_position_of_its_own(void **state)
{
    enum { ROWS = 500 };
    struct agentdb *db = *state;
    struct batch_bench bench;

    bench_open(&bench, db, "b_down", ROWS, "-- skein:batch_rows 50\n" COUNT_UP);
    prepared_set_unref(&bench.set);
    bench.set = AGENTDB_SET(db, "b_down", { "1.0.0__a.sql", "SELECT 1" },

                            { "2.0.0__b.batch.sql", "-- skein:batch_rows 50\n" COUNT_UP },
                            { "2.0.0__b.down.batch.sql",
                              "-- skein:batch_rows 50\nSELECT id FROM accounts WHERE n > 0;"
                              "UPDATE accounts a SET n = n - 1 FROM chunk WHERE a.id = chunk.id" });
    bench.call.operation = prepared_set_operation(bench.set, 1, 0);
    bench.cancel_after = 1;
    bench_refuses(&bench, "cancelled");
    agentdb_exec(db, "UPDATE skein.operation SET direction = 'down' WHERE tenant = 'b_down'");
    bench.call.down = true;
    bench.calls = 0;
    bench.report = (struct runner_report){ 0 };
    assert_false(runner_batch.rollback(&bench.call, &bench.report)); /* cancelled as well */
    bench.cancel_after = 0;
    assert_true(runner_batch.rollback(&bench.call, &bench.report));
    assert_int_equal(agentdb_count(db, "SELECT count(*) FROM b_down.accounts WHERE n = 0"), ROWS);
    bench_close(&bench);
}

static void a_dry_run_does_the_first_chunk_and_foresees_the_rest(void **state)
{
    enum { ROWS = 20000 };
    struct batch_bench bench;
    struct error err = { 0 };

    bench_open(&bench, *state, "b_dry", ROWS, COUNT_UP);
    assert_true(pg_script(bench.conn, "BEGIN", NULL, &err));
    assert_true(runner_batch.dry_run(&bench.call, &bench.report));
    assert_int_equal(bench.report.warning_count, 0);
    assert_string_equal(bench.report.output, "about 20000 rows");
    assert_true(pg_script(bench.conn, "ROLLBACK", NULL, &err));
    assert_int_equal(agentdb_count(bench.db, "SELECT sum(n) FROM b_dry.accounts"), 0);
    bench_close(&bench);
    bench_open(&bench, *state, "b_dry2", ROWS,
               "SELECT region, id % 1000 AS k FROM accounts;"
               "UPDATE accounts a SET n = n + 1 FROM chunk c "
               "WHERE (a.region, a.id % 1000) = (c.region, c.k)");
    assert_true(pg_script(bench.conn, "BEGIN", NULL, &err));
    assert_true(runner_batch.dry_run(&bench.call, &bench.report));
    assert_int_equal(bench.report.warning_count, 1);
    assert_non_null(strstr(bench.report.warnings[0].message, "no index yields the keys"));
    bench_close(&bench);
}

int agentdb_test_batches(struct agentdb *db)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(every_row_is_done_once_and_the_report_says_how, db),
        cmocka_unit_test_prestate(an_empty_table_is_done_at_once, db),
        cmocka_unit_test_prestate(a_key_may_be_any_columns_and_need_not_be_unique, db),
        cmocka_unit_test_prestate(keys_of_many_types_come_back_from_the_journal, db),
        cmocka_unit_test_prestate(the_work_may_be_any_statement, db),
        cmocka_unit_test_prestate(a_cancelled_batch_goes_on_where_it_was, db),
        cmocka_unit_test_prestate(an_error_names_the_line_and_leaves_what_is_done, db),
        cmocka_unit_test_prestate(keys_that_are_null_are_refused, db),
        cmocka_unit_test_prestate(a_later_token_keeps_an_older_batch_out, db),
        cmocka_unit_test_prestate(a_chunk_whose_position_cannot_be_stored_is_not_done, db),
        cmocka_unit_test_prestate(a_lost_answer_to_commit_counts_the_chunk_once, db),
        cmocka_unit_test_prestate(a_row_that_is_held_makes_the_batch_try_again, db),
        cmocka_unit_test_prestate(a_row_that_is_never_free_fails_the_batch, db),
        cmocka_unit_test_prestate(chunks_take_about_as_long_as_they_should, db),
        cmocka_unit_test_prestate(the_rollback_has_a_position_of_its_own, db),
        cmocka_unit_test_prestate(a_dry_run_does_the_first_chunk_and_foresees_the_rest, db),
    };

    return cmocka_run_group_tests_name("batches", tests, NULL, NULL);
}
