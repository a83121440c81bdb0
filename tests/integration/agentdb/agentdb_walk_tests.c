/* agentdb_walk_tests.c - tasks of several transactions: what cannot run in one, and whatever dies
 * between them. About 20 s. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "agentdb_fixture.h"
#include "common/core/clock.h"

static struct agentdb_pool *pool_of(struct agentdb *db)
{
    return agentdb_pool_new(db, &(struct executor_options){ .workers = 1 });
}

/* Not idempotent, so that a second application would show: `n` counts them. */
static struct prepared_set *orders_set(struct agentdb *db, const char *name)
{
    return AGENTDB_SET(
        db, name,
        { "1.0.0__orders.sql", "CREATE TABLE orders (id int, ref text);\n"
                               "CREATE TABLE counter (n int);\n"
                               "INSERT INTO orders SELECT i, 'r' || i FROM "
                               "generate_series(1, 100) i;" },
        { "1.1.0__index.sql", "-- skein:transaction none\n"
                              "CREATE INDEX CONCURRENTLY orders_ref ON orders (ref);\n"
                              "INSERT INTO counter VALUES (1);\n"
                              "CREATE UNIQUE INDEX CONCURRENTLY orders_id ON orders (id);" },
        { "1.1.0__index.down.sql", "-- skein:transaction none\n"
                                   "DROP INDEX CONCURRENTLY IF EXISTS orders_id;\n"
                                   "DROP INDEX CONCURRENTLY IF EXISTS orders_ref;" },
        { "1.2.0__key.sql", "INSERT INTO counter VALUES (2);\n"
                            "ALTER TABLE orders ADD CONSTRAINT orders_key UNIQUE USING INDEX "
                            "orders_id;" });
}

static void assert_orders_done(struct agentdb *db, const char *tenant, int history)
{
    char *scripts = agentdb_text(db,
                                 "SELECT string_agg(script || ' ' || state, ',' ORDER BY id) FROM "
                                 "skein.history WHERE tenant = '%s' AND state <> 'failed'",
                                 tenant);

    assert_string_equal(scripts, "1.0.0__orders done,1.1.0__index done,1.2.0__key done");
    free(scripts);
    assert_int_equal(
        agentdb_count(db, "SELECT count(*) FROM skein.history WHERE tenant = '%s'", tenant),
        history);
    assert_int_equal(
        agentdb_count(db, "SELECT count(*) FROM skein.operation WHERE tenant = '%s'", tenant), 0);
    assert_int_equal(agentdb_count(db,
                                   "SELECT count(*) FROM skein.tenant WHERE tenant = '%s' AND "
                                   "version = '1.2.0'",
                                   tenant),
                     1);
    char *counted =
        agentdb_text(db, "SELECT string_agg(n::text, ',' ORDER BY n) FROM %s.counter", tenant);
    assert_string_equal(counted, "1,2");
    free(counted);
    assert_int_equal(agentdb_count(db,
                                   "SELECT count(*) FROM pg_index i JOIN pg_class c ON c.oid = "
                                   "i.indexrelid WHERE c.relnamespace = '%s'::regnamespace AND "
                                   "i.indisvalid AND c.relname IN ('orders_ref', 'orders_key')",
                                   tenant),
                     2);
    assert_int_equal(agentdb_count(db, "SELECT count(*) FROM pg_index WHERE NOT indisvalid"), 0);
}

static void what_needs_no_transaction_runs_between_two(void **state)
{
    struct agentdb *db = *state;
    struct agentdb_pool *pool = pool_of(db);
    struct prepared_set *set = orders_set(db, "orders");
    const struct agentdb_order order = {
        .mode = TASK_RUN, .tenant = "walk_1", .lock_timeout_ms = 2000, .set = set
    };

    agentdb_exec(db, "CREATE SCHEMA walk_1");
    const struct task_result *result = agentdb_run(pool, &order);
    agentdb_assert_succeeded(result);
    assert_string_equal(result->version, "1.2.0");
    assert_int_equal(result->scripts, 3);
    assert_orders_done(db, "walk_1", 3);
    /* The guard is gone, and so is what the walk has set. */
    assert_int_equal(agentdb_count(db, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"),
                     0);
    /* The same again, as after a lost answer. */
    agentdb_assert_succeeded(agentdb_run(pool, &order));
    assert_orders_done(db, "walk_1", 3);
    prepared_set_unref(&set);
    agentdb_pool_free(&pool);
}

static void a_dry_run_of_a_walk_leaves_nothing(void **state)
{
    struct agentdb *db = *state;
    struct agentdb_pool *pool = pool_of(db);
    struct prepared_set *set = orders_set(db, "orders");
    struct agentdb_order order = { .mode = TASK_DRY_RUN, .tenant = "walk_dry", .set = set };

    agentdb_exec(db, "CREATE SCHEMA walk_dry");
    const struct task_result *result = agentdb_run(pool, &order);
    agentdb_assert_succeeded(result);
    /* What runs outside of a transaction is tried on a copy, for which this agent has no pg_dump.
     */
    assert_int_equal(result->warning_count, 1);
    assert_non_null(strstr(result->warnings[0].message, "not tried on a copy first"));
    assert_int_equal(agentdb_count(db, "SELECT count(*) FROM pg_class WHERE relnamespace = "
                                       "'walk_dry'::regnamespace"),
                     0);
    assert_int_equal(
        agentdb_count(db, "SELECT count(*) FROM skein.tenant WHERE tenant = 'walk_dry'"), 0);

    /* It finds what would fail: here that the index cannot be unique. */
    order.target = "1.0.0";
    order.mode = TASK_RUN;
    agentdb_assert_succeeded(agentdb_run(pool, &order));
    agentdb_exec(db, "INSERT INTO walk_dry.orders VALUES (1, 'again')");
    order.target = "1.2.0";
    order.mode = TASK_DRY_RUN;
    order.from = "1.0.0";
    result = agentdb_run(pool, &order);
    agentdb_assert_code(result, TASK_FAILED, TASK_CODE_SQL);
    assert_string_equal(result->error.sqlstate, "23505");
    assert_string_equal(result->error.file, "1.1.0__index.sql");
    assert_int_equal(result->error.statement, 3);
    prepared_set_unref(&set);
    agentdb_pool_free(&pool);
}

static void an_index_that_fails_leaves_nothing_and_can_be_tried_again(void **state)
{
    struct agentdb *db = *state;
    struct agentdb_pool *pool = pool_of(db);
    struct prepared_set *set = orders_set(db, "orders");
    struct agentdb_order order = {
        .mode = TASK_RUN, .tenant = "walk_dup", .target = "1.0.0", .set = set
    };

    agentdb_exec(db, "CREATE SCHEMA walk_dup");
    agentdb_assert_succeeded(agentdb_run(pool, &order));
    agentdb_exec(db, "INSERT INTO walk_dup.orders VALUES (1, 'again')");
    order = (struct agentdb_order){
        .mode = TASK_RUN, .tenant = "walk_dup", .from = "1.0.0", .token = 2, .set = set
    };
    const struct task_result *result = agentdb_run(pool, &order);
    agentdb_assert_code(result, TASK_FAILED, TASK_CODE_SQL);
    assert_string_equal(result->error.sqlstate, "23505");
    assert_string_equal(result->error.file, "1.1.0__index.sql");
    assert_int_equal(result->error.statement, 3);
    assert_int_equal(result->error.line, 4);
    assert_string_equal(result->version, "1.0.0");
    /* Its rollback took the other index back; the INSERT has none. */
    assert_int_equal(agentdb_count(db, "SELECT count(*) FROM pg_index WHERE indrelid = "
                                       "'walk_dup.orders'::regclass"),
                     0);
    assert_int_equal(
        agentdb_count(db, "SELECT count(*) FROM skein.operation WHERE tenant = 'walk_dup'"), 0);
    assert_int_equal(agentdb_count(db, "SELECT count(*) FROM skein.history WHERE tenant = "
                                       "'walk_dup' AND script = '1.1.0__index' AND state = "
                                       "'failed' AND detail->>'code' = 'SQL'"),
                     1);
    agentdb_exec(db, "DELETE FROM walk_dup.orders WHERE ref = 'again'; "
                     "DELETE FROM walk_dup.counter");
    order.token = 3;
    agentdb_assert_succeeded(agentdb_run(pool, &order));
    assert_orders_done(db, "walk_dup", 4);
    prepared_set_unref(&set);
    agentdb_pool_free(&pool);
}

/* ---- whatever dies ---- */

int agentdb_walk_child(int argc, char *argv[])
{
    struct agentdb db = { .program = argv[0] };
    struct executor_options options = { .workers = 1 };

    if (argc != 4) {
        return 2;
    }
    options.conninfo = argv[2];
    db.parser = sql_parser_new();
    struct prepared_set *set = orders_set(&db, "orders");
    struct agentdb_pool *pool = agentdb_pool_new(&db, &options);
    const struct task_result *result = agentdb_run(
        pool, &(struct agentdb_order){ .mode = TASK_RUN, .tenant = argv[3], .set = set });
    bool succeeded = result->outcome == TASK_SUCCEEDED;
    if (!succeeded) {
        (void)fprintf(stderr, "%s\n", result->error.message);
    }
    prepared_set_unref(&set);
    agentdb_pool_free(&pool);
    sql_parser_free(&db.parser);
    return succeeded ? 0 : 1;
}

static void an_agent_that_dies_anywhere_on_its_walk_has_done_it_once(void **state)
{
#ifdef SKEIN_CRASH_POINTS
    static const char *const points[] = {
        "after_look",   "before_step",   "before_begin",  "after_begin",     "before_commit",
        "after_commit", "after_step",    "before_step:2", "after_start",     "after_setup",
        "before_bare",  "after_bare",    "before_bare:2", "after_bare:2",    "after_execute",
        "after_step:2", "before_step:3", "after_begin:2", "before_commit:2", "after_commit:2",
        "after_step:3",
    };
    struct agentdb *db = *state;

    for (size_t i = 0; i < COUNT_OF(points); i++) {
        char tenant[32];
        char crash[64];
        const char *arguments[] = { db->program, "walk-child", db->server.conninfo, tenant, NULL };
        const char *environment[] = { crash, NULL };
        const char *calm[] = { "LANG=C", NULL };
        int status = 0;

        (void)snprintf(tenant, sizeof(tenant), "walk_point_%zu", i);
        (void)snprintf(crash, sizeof(crash), "SKEIN_CRASH_AT=%s", points[i]);
        agentdb_exec(db, "CREATE SCHEMA %s", tenant);
        assert_false(agentdb_server_spawn(arguments, environment, &status));
        if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) {
            fail_msg("%s was not passed", points[i]);
        }
        if (!agentdb_server_spawn(arguments, calm, &status)) {
            fail_msg("the try after %s fails", points[i]);
        }
        assert_orders_done(db, tenant, 3);
    }
#else
    (void)state;
    skip();
#endif
}

/* An agent dies while its index is being made: the server ends that, and leaves an invalid index,
 * which the next agent drops before it makes its own. */
static void a_half_made_index_is_made_again(void **state)
{
    struct agentdb *db = *state;
    struct agentdb_pool *pool = pool_of(db);
    struct prepared_set *set = orders_set(db, "orders");
    struct agentdb_order order = {
        .mode = TASK_RUN, .tenant = "walk_half", .target = "1.0.0", .set = set
    };

    agentdb_exec(db, "CREATE SCHEMA walk_half");
    agentdb_assert_succeeded(agentdb_run(pool, &order));
    order = (struct agentdb_order){
        .mode = TASK_RUN, .tenant = "walk_half", .from = "1.0.0", .token = 2, .set = set
    };
    /* A writer that does not end keeps the index from becoming valid. */
    agentdb_exec(db, "BEGIN; INSERT INTO walk_half.orders VALUES (0, 'r0')");
    agentdb_submit(pool, &order);
    struct agentdb watcher = { .server = db->server };
    agentdb_wait_until(&watcher, 1, "SELECT count(*) FROM pg_index WHERE NOT indisvalid");
    agentdb_exec(&watcher, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query "
                           "LIKE 'CREATE INDEX CONCURRENTLY%%' AND pid <> pg_backend_pid()");
    agentdb_exec(db, "COMMIT");
    agentdb_pool_wait(pool, 2);
    agentdb_assert_succeeded(pool->results[1].result);
    assert_orders_done(db, "walk_half", 3);
    pg_conn_free(&watcher.admin);
    prepared_set_unref(&set);
    agentdb_pool_free(&pool);
}

/* The tenant is given to another agent while the first one stands still in its walk: that one is
 * ended, and what it wakes up to is the fence. */
static void a_walk_that_stands_still_is_ended_by_the_next(void **state)
{
    struct agentdb *db = *state;
    struct prepared_set *set = orders_set(db, "orders");
    struct agentdb_pool *pool = pool_of(db);
    struct agentdb_pool *other = pool_of(db);
    struct agentdb_order order = { .mode = TASK_RUN,
                                   .tenant = "walk_stalled",
                                   .target = "1.0.0",
                                   .lock_timeout_ms = 300,
                                   .set = set };

    agentdb_exec(db, "CREATE SCHEMA walk_stalled");
    agentdb_assert_succeeded(agentdb_run(pool, &order));
    order.from = "1.0.0";
    order.target = "1.2.0";
    order.token = 5;
    agentdb_exec(db, "BEGIN; INSERT INTO walk_stalled.orders VALUES (0, 'r0')");
    agentdb_submit(pool, &order);
    struct agentdb watcher = { .server = db->server };
    agentdb_wait_until(&watcher, 1, "SELECT count(*) FROM pg_index WHERE NOT indisvalid");
    order.token = 6;
    agentdb_submit(other, &order);
    agentdb_wait_until(&watcher, 1,
                       "SELECT count(*) FROM skein.tenant WHERE tenant = "
                       "'walk_stalled' AND fence = 6");
    agentdb_exec(db, "COMMIT");
    agentdb_pool_wait(other, 1);
    agentdb_pool_wait(pool, 2);
    agentdb_assert_succeeded(other->results[0].result);
    agentdb_assert_code(pool->results[1].result, TASK_FAILED, TASK_CODE_FENCED);
    assert_orders_done(db, "walk_stalled", 3);
    pg_conn_free(&watcher.admin);
    prepared_set_unref(&set);
    agentdb_pool_free(&pool);
    agentdb_pool_free(&other);
}

static void what_became_of_a_half_done_walk_is_settled(void **state)
{
    struct agentdb *db = *state;
    struct prepared_set *set = orders_set(db, "orders");
    struct agentdb_pool *pool = pool_of(db);
    struct agentdb_pool *other = pool_of(db);
    struct agentdb_order order = {
        .mode = TASK_RUN, .tenant = "walk_settled", .target = "1.0.0", .set = set
    };

    agentdb_exec(db, "CREATE SCHEMA walk_settled");
    agentdb_assert_succeeded(agentdb_run(pool, &order));
    order.target = "1.2.0";
    order.from = "1.0.0";
    order.token = 5;
    agentdb_exec(db, "BEGIN; INSERT INTO walk_settled.orders VALUES (0, 'r0')");
    agentdb_submit(pool, &order);
    struct agentdb watcher = { .server = db->server };
    agentdb_wait_until(&watcher, 1, "SELECT count(*) FROM pg_index WHERE NOT indisvalid");
    order.mode = TASK_SETTLE;
    order.token = 6;
    const struct task_result *settled = agentdb_run(other, &order);
    agentdb_assert_code(settled, TASK_SKIPPED, TASK_CODE_CANCELLED);
    assert_string_equal(settled->version, "1.0.0");
    agentdb_exec(db, "COMMIT");
    agentdb_pool_wait(pool, 2);
    agentdb_assert_code(pool->results[1].result, TASK_FAILED, TASK_CODE_FENCED);
    order.mode = TASK_RUN;
    order.token = 7;
    agentdb_assert_succeeded(agentdb_run(pool, &order));
    assert_orders_done(db, "walk_settled", 3);
    pg_conn_free(&watcher.admin);
    prepared_set_unref(&set);
    agentdb_pool_free(&pool);
    agentdb_pool_free(&other);
}

int agentdb_test_walk(struct agentdb *db)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(what_needs_no_transaction_runs_between_two, db),
        cmocka_unit_test_prestate(a_dry_run_of_a_walk_leaves_nothing, db),
        cmocka_unit_test_prestate(an_index_that_fails_leaves_nothing_and_can_be_tried_again, db),
        cmocka_unit_test_prestate(an_agent_that_dies_anywhere_on_its_walk_has_done_it_once, db),
        cmocka_unit_test_prestate(a_half_made_index_is_made_again, db),
        cmocka_unit_test_prestate(a_walk_that_stands_still_is_ended_by_the_next, db),
        cmocka_unit_test_prestate(what_became_of_a_half_done_walk_is_settled, db),
    };

    return cmocka_run_group_tests_name("walk", tests, NULL, NULL);
}
