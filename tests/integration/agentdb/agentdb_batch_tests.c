/* agentdb_batch_tests.c - batches on a real server: keys, work, position, errors, dry run. */
#include <stdio.h>

#include "agentdb_bench.h"

static void every_row_is_done_once_and_the_report_says_how(void **state)
{
    enum { ROWS = 5003 };
    struct batch_bench bench;

    bench_open(&bench, *state, "b_once", ROWS, "-- skein:batch_rows 100\n" COUNT_UP);
    bench_run(&bench);
    bench_assert_each_once(&bench, ROWS);
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
    bench_assert_each_once(&bench, ROWS);
    assert_int_equal(bench.done, 30);
    bench_close(&bench);
    bench_open(&bench, *state, "b_ties", ROWS,
               "-- skein:batch_rows 7\nSELECT region FROM accounts;"
               "UPDATE accounts a SET n = n + 1 FROM (SELECT DISTINCT region FROM chunk) c "
               "WHERE a.region = c.region");
    bench_run(&bench);
    bench_assert_each_once(&bench, ROWS);
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
    bench_assert_each_once(&bench, ROWS);
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
    bench_assert_each_once(&bench, ROWS);
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
    bench_assert_each_once(&bench, 100);
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
    assert_true(bench.report.partial);
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
        cmocka_unit_test_prestate(the_rollback_has_a_position_of_its_own, db),
        cmocka_unit_test_prestate(a_dry_run_does_the_first_chunk_and_foresees_the_rest, db),
    };

    return cmocka_run_group_tests_name("batches", tests, NULL, NULL);
}
