/* agentdb_pg_tests.c - common/pg against a real server. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "agent/run/barrier.h"
#include "agentdb_fixture.h"
#include "common/core/clock.h"
#include "common/pg/pg_batch.h"

static struct pg_conn *open_conn(const struct agentdb *db)
{
    struct pg_conn *conn = NULL;
    struct error err = { 0 };

    if (!pg_conn_open(db->server.conninfo, "", "agentdb", &conn, &err)) {
        fail_msg("%s", err.message);
    }
    return conn;
}

static void a_connection_that_cannot_be_made_says_why(void **state)
{
    const struct agentdb *db = *state;
    struct pg_conn *conn = NULL;
    struct error err = { 0 };
    char conninfo[512];

    assert_false(pg_conn_open(db->server.conninfo, "nowhere", "agentdb", &conn, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    (void)snprintf(conninfo, sizeof(conninfo), "%s user=nobody", db->server.conninfo);
    assert_false(pg_conn_open(conninfo, "", "agentdb", &conn, &err));
    assert_int_equal(err.code, ERR_REFUSED);
    assert_false(pg_conn_open("host=/nowhere password=sesame", "", "agentdb", &conn, &err));
    assert_int_equal(err.code, ERR_UNAVAILABLE);
    assert_null(strstr(err.message, "sesame"));
    assert_false(pg_conn_open("host=/x passw0rd sesame", "", "agentdb", &conn, &err));
    assert_int_equal(err.code, ERR_INVALID);
    assert_null(strstr(err.message, "sesame"));
    assert_null(conn);
}

static void a_query_gives_rows_and_the_servers_words(void **state)
{
    CLEANUP(pg_conn_free) struct pg_conn *conn = open_conn(*state);
    CLEANUP(pg_result_free) struct pg_result *rows = NULL;
    const char *parameters[] = { "7", NULL };
    struct pg_error words = { 0 };
    struct error err = { 0 };

    assert_true(
        pg_query(conn, "SELECT $1::int + 1, $2::text, true", parameters, 2, &rows, NULL, &err));
    assert_int_equal(pg_result_u64(rows, 0, 0), 8);
    assert_null(pg_result_text(rows, 0, 1));
    assert_true(pg_result_bool(rows, 0, 2));
    pg_result_free(&rows);
    assert_false(pg_query(conn, "SELECT 1 FROM gone", NULL, 0, &rows, &words, &err));
    assert_int_equal(err.code, ERR_INVALID);
    assert_string_equal(words.sqlstate, "42P01");
    assert_int_equal(words.position, 15);
    assert_false(pg_query(conn, "COPY pg_class TO STDOUT", NULL, 0, &rows, &words, &err));
    assert_true(pg_conn_is_lost(conn));
    assert_false(pg_query(conn, "SELECT 1", NULL, 0, &rows, &words, &err));
    assert_int_equal(err.code, ERR_UNAVAILABLE);
}

static void an_error_ends_its_segment_only(void **state)
{
    CLEANUP(pg_conn_free) struct pg_conn *conn = open_conn(*state);
    CLEANUP(pg_batch_free) struct pg_batch *batch = pg_batch_new(conn);
    const struct pg_batch_report *report = NULL;

    for (int round = 0; round < 2; round++) {
        pg_batch_add(batch, "SELECT 1", NULL, 0, 10);
        pg_batch_add(batch, "SELECT 1/0", NULL, 0, 11);
        pg_batch_add(batch, "SELECT 2", NULL, 0, 12);
        pg_batch_end_segment(batch);
        pg_batch_add(batch, "SELECT 3", NULL, 0, 13);
        pg_batch_run(batch, &report);
        assert_int_equal(report->count, 4);
        assert_true(report->failed);
        assert_false(report->lost);
        assert_int_equal(report->failed_index, 1);
        assert_int_equal(report->items[1].tag, 11);
        assert_string_equal(report->error.sqlstate, "22012");
        assert_int_equal(report->items[0].step, PG_STEP_DONE);
        assert_int_equal(report->items[1].step, PG_STEP_FAILED);
        assert_int_equal(report->items[2].step, PG_STEP_NOT_RUN);
        assert_int_equal(report->items[3].step, PG_STEP_DONE);
        assert_int_equal(pg_result_u64(report->items[3].result, 0, 0), 3);
        assert_false(pg_conn_is_lost(conn));
    }
}

static void a_batch_larger_than_every_buffer_does_not_stand_still(void **state)
{
    enum { STATEMENTS = 1500, BYTES = 20000 };
    CLEANUP(pg_conn_free) struct pg_conn *conn = open_conn(*state);
    CLEANUP(pg_batch_free) struct pg_batch *batch = pg_batch_new(conn);
    const struct pg_batch_report *report = NULL;
    char *sql = memory_alloc(BYTES + 32);

    memcpy(sql, "SELECT '", 8);
    memset(sql + 8, 'x', BYTES);
    sql[8 + BYTES] = '\'';
    for (size_t i = 0; i < STATEMENTS; i++) {
        pg_batch_add(batch, sql, NULL, 0, i);
    }
    pg_batch_run(batch, &report);
    assert_false(report->failed);
    assert_false(report->lost);
    assert_int_equal(strlen(pg_result_text(report->items[STATEMENTS - 1].result, 0, 0)), BYTES);
    free(sql);
}

static void *cancel_soon(void *conn)
{
    struct timespec pause = { .tv_nsec = 200000000 };

    (void)nanosleep(&pause, NULL);
    pg_conn_cancel(conn);
    return NULL;
}

static void another_thread_can_interrupt_a_statement(void **state)
{
    CLEANUP(pg_conn_free) struct pg_conn *conn = open_conn(*state);
    CLEANUP(pg_batch_free) struct pg_batch *batch = pg_batch_new(conn);
    const struct pg_batch_report *report = NULL;
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, cancel_soon, conn), 0);
    pg_batch_add(batch, "SELECT pg_sleep(60)", NULL, 0, 0);
    pg_batch_run(batch, &report);
    (void)pthread_join(thread, NULL);
    assert_true(report->failed);
    assert_string_equal(report->error.sqlstate, "57014");
    assert_false(pg_conn_is_lost(conn));
}

static void a_broken_connection_leaves_what_was_not_answered_unknown(void **state)
{
    CLEANUP(pg_conn_free) struct pg_conn *conn = open_conn(*state);
    CLEANUP(pg_batch_free) struct pg_batch *batch = pg_batch_new(conn);
    const struct pg_batch_report *report = NULL;

    pg_batch_add(batch, "SELECT 1", NULL, 0, 0);
    pg_batch_end_segment(batch);
    pg_batch_add(batch, "SELECT pg_terminate_backend(pg_backend_pid())", NULL, 0, 1);
    pg_batch_end_segment(batch);
    pg_batch_add(batch, "SELECT 2", NULL, 0, 2);
    pg_batch_run(batch, &report);
    assert_true(report->lost);
    assert_int_equal(report->items[0].step, PG_STEP_DONE);
    assert_int_equal(report->items[2].step, PG_STEP_UNKNOWN);
    assert_true(pg_conn_is_lost(conn));
    pg_batch_add(batch, "SELECT 3", NULL, 0, 3);
    pg_batch_run(batch, &report);
    assert_true(report->lost);
    assert_int_equal(report->items[0].step, PG_STEP_UNKNOWN);
}

static void copy_to_a_client_that_is_none_ends_the_connection(void **state)
{
    static const char *const copies[] = { "COPY pg_class TO STDOUT", "COPY pg_class FROM STDIN" };

    for (size_t i = 0; i < COUNT_OF(copies); i++) {
        CLEANUP(pg_conn_free) struct pg_conn *conn = open_conn(*state);
        CLEANUP(pg_batch_free) struct pg_batch *batch = pg_batch_new(conn);
        const struct pg_batch_report *report = NULL;

        pg_batch_add(batch, "BEGIN", NULL, 0, 0);
        pg_batch_add(batch, copies[i], NULL, 0, 1);
        pg_batch_add(batch, "COMMIT", NULL, 0, 2);
        pg_batch_run(batch, &report);
        assert_true(report->lost);
        assert_true(pg_conn_is_lost(conn));
    }
}

/* What group commit rests on: one synchronous commit flushes every commit before it. */
static void the_barrier_flushes_the_wal_past_earlier_commits(void **state)
{
    struct agentdb *db = *state;
    CLEANUP(pg_conn_free) struct pg_conn *conn = open_conn(db);
    struct error err = { 0 };

    agentdb_exec(db, "CREATE TABLE barrier_probe (n int)");
    for (int i = 0; i < 20; i++) {
        agentdb_exec(db, "BEGIN; SET LOCAL synchronous_commit = off;"
                         "INSERT INTO barrier_probe VALUES (1); COMMIT");
        char *lsn = agentdb_text(db, "SELECT pg_current_wal_insert_lsn()");

        /* Not yet flushed: else this test would prove nothing. */
        assert_int_equal(agentdb_count(db, "SELECT (pg_current_wal_flush_lsn() < '%s')::int", lsn),
                         1);
        assert_true(barrier_flush(conn, &err));
        assert_int_equal(agentdb_count(db, "SELECT (pg_current_wal_flush_lsn() >= '%s')::int", lsn),
                         1);
        free(lsn);
    }
}

int agentdb_test_pg(struct agentdb *db)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(a_connection_that_cannot_be_made_says_why, db),
        cmocka_unit_test_prestate(a_query_gives_rows_and_the_servers_words, db),
        cmocka_unit_test_prestate(an_error_ends_its_segment_only, db),
        cmocka_unit_test_prestate(a_batch_larger_than_every_buffer_does_not_stand_still, db),
        cmocka_unit_test_prestate(another_thread_can_interrupt_a_statement, db),
        cmocka_unit_test_prestate(a_broken_connection_leaves_what_was_not_answered_unknown, db),
        cmocka_unit_test_prestate(copy_to_a_client_that_is_none_ends_the_connection, db),
        cmocka_unit_test_prestate(the_barrier_flushes_the_wal_past_earlier_commits, db),
    };

    return cmocka_run_group_tests_name("pg", tests, NULL, NULL);
}
