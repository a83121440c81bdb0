/* agentdb_measure_tests.c - what a dry run measures, and what follows from it. */
#include <stdlib.h>

#include "agent/keep/journal.h"
#include "agent/run/look_group.h"
#include "agentdb_fixture.h"
#include "common/core/limits.h"

static struct agentdb_pool *measure_pool(struct agentdb *db)
{
    return agentdb_pool_new(db, &(struct executor_options){ .workers = 2 });
}

/* A tenant with tables that were there before, at 0.0.1 of the set. */
static void measure_tenant(struct agentdb *db, const char *tenant, size_t rows)
{
    agentdb_exec(db,
                 "CREATE SCHEMA %s; CREATE TABLE %s.orders (id serial PRIMARY KEY, n int, t text);"
                 "CREATE TABLE %s.items (id int PRIMARY KEY, o int);"
                 "INSERT INTO %s.orders (n) SELECT g FROM generate_series(1, %zu) AS g;"
                 "INSERT INTO skein.tenant VALUES ('%s', '%s', '0.0.1')",
                 tenant, tenant, tenant, tenant, rows, tenant, tenant);
}

static const struct measured_statement *measure_find(const struct task_result *result,
                                                     uint32_t number)
{
    assert_non_null(result->measure);
    for (size_t i = 0; i < result->measure->worst_count; i++) {
        if (result->measure->worst[i].statement == number) {
            return &result->measure->worst[i];
        }
    }
    fail_msg("statement %u is not among the worst", number);
    return NULL;
}

static void check_lock(const struct measured_statement *statement, const char *relation,
                       const char *mode)
{
    for (size_t i = 0; i < statement->lock_count; i++) {
        if (strcmp(statement->locks[i].relation, relation) == 0) {
            assert_string_equal(statement->locks[i].mode, mode);
            return;
        }
    }
    fail_msg("statement %u took no lock on %s", statement->statement, relation);
}

static void locks_rewrites_and_scans_are_told_by_statement(void **state)
{
    struct agentdb *db = *state;
    struct agentdb_pool *pool = measure_pool(db);
    struct prepared_set *set =
        AGENTDB_SET(db, "measured",
                    { "1.0.0__a.sql", "CREATE TABLE fresh (n int);\n"
                                      "ALTER TABLE fresh ADD COLUMN m int DEFAULT 7;\n"
                                      "ALTER TABLE orders ALTER COLUMN n TYPE bigint;\n"
                                      "ALTER TABLE items ALTER COLUMN o SET NOT NULL;\n"
                                      "UPDATE orders SET t = 'x';\n" });

    measure_tenant(db, "measured", 2000);
    const struct task_result *result = agentdb_run(
        pool, &(struct agentdb_order){
                  .mode = TASK_DRY_RUN, .tenant = "measured", .from = "0.0.1", .set = set });
    agentdb_assert_succeeded(result);
    const struct task_measure *measure = result->measure;
    assert_non_null(measure);
    assert_int_equal(measure->statements, 5);
    assert_int_equal(measure->rewrites, 1);
    assert_true(measure->wal_bytes > 40000);
    assert_int_equal(measure->rows, 2000);
    assert_string_equal(measure->blocked_relation, "orders");
    assert_true(measure->blocked_us > 0 && measure->blocked_us <= measure->took_us);
    assert_int_equal(measure->exclusive_us, measure->blocked_us);

    const struct measured_statement *rewrite = measure_find(result, 3);
    assert_string_equal(rewrite->file, "1.0.0__a.sql");
    assert_int_equal(rewrite->line, 3);
    check_lock(rewrite, "orders", "ACCESS EXCLUSIVE");
    assert_int_equal(rewrite->rewrite_count, 1);
    assert_string_equal(rewrite->rewrites[0], "orders");
    assert_true(rewrite->blocked_us >= rewrite->took_us);

    const struct measured_statement *not_null = measure_find(result, 4);
    check_lock(not_null, "items", "ACCESS EXCLUSIVE");
    assert_int_equal(not_null->scan_count, 1);
    assert_string_equal(not_null->scans[0], "items");
    assert_int_equal(not_null->rewrite_count, 0);

    const struct measured_statement *update = measure_find(result, 5);
    assert_int_equal(update->rows, 2000);
    assert_int_equal(update->lock_count, 0); /* it had them all */
    assert_true(update->wal_bytes > 0);

    const struct measured_statement *fresh = measure_find(result, 1);
    assert_int_equal(fresh->lock_count, 0);
    assert_int_equal(fresh->blocked_us, 0);

    /* A real run measures nothing. */
    result = agentdb_run(
        pool,
        &(struct agentdb_order){
            .mode = TASK_RUN, .tenant = "measured", .from = "0.0.1", .token = 2, .set = set });
    agentdb_assert_succeeded(result);
    assert_null(result->measure);
    prepared_set_unref(&set);
    agentdb_pool_free(&pool);
}

static void what_is_dropped_keeps_its_name(void **state)
{
    struct agentdb *db = *state;
    struct agentdb_pool *pool = measure_pool(db);
    struct prepared_set *set = AGENTDB_SET(db, "dropping",
                                           { "1.0.0__a.sql", "DROP TABLE items;\n"
                                                             "ALTER TABLE orders RENAME TO sales;\n"
                                                             "CREATE INDEX ON sales (n);\n" });

    measure_tenant(db, "dropping", 10);
    const struct task_result *result = agentdb_run(
        pool, &(struct agentdb_order){
                  .mode = TASK_DRY_RUN, .tenant = "dropping", .from = "0.0.1", .set = set });
    agentdb_assert_succeeded(result);
    check_lock(measure_find(result, 1), "items", "ACCESS EXCLUSIVE");
    check_lock(measure_find(result, 2), "orders", "ACCESS EXCLUSIVE");
    assert_string_equal(measure_find(result, 3)->scans[0], "orders");
    prepared_set_unref(&set);
    agentdb_pool_free(&pool);
}

static void sequences_that_stay_moved_are_named(void **state)
{
    struct agentdb *db = *state;
    struct agentdb_pool *pool = measure_pool(db);
    struct prepared_set *set =
        AGENTDB_SET(db, "counting",
                    { "1.0.0__a.sql", "INSERT INTO orders (n) VALUES (1);\n"
                                      "INSERT INTO orders (n) VALUES (2), (3);\n" });

    measure_tenant(db, "counting", 10);
    const struct task_result *result = agentdb_run(
        pool, &(struct agentdb_order){
                  .mode = TASK_DRY_RUN, .tenant = "counting", .from = "0.0.1", .set = set });
    agentdb_assert_succeeded(result);
    assert_int_equal(result->measure->sequence_count, 1);
    assert_string_equal(result->measure->sequences[0], "orders_id_seq");
    assert_int_equal(result->measure->blocked_us, 0);
    assert_string_equal(result->measure->blocked_relation, "");
    assert_int_equal(result->measure->statements, 1); /* inserts in a row are one */
    assert_int_equal(result->measure->worst[0].rows, 3);
    prepared_set_unref(&set);
    agentdb_pool_free(&pool);
}

/* The lock is taken by a statement that is quick, and held while another one is slow. */
static void a_lock_is_counted_until_the_transaction_ends(void **state)
{
    struct agentdb *db = *state;
    struct agentdb_pool *pool = measure_pool(db);
    struct prepared_set *set =
        AGENTDB_SET(db, "holding",
                    { "1.0.0__a.sql", "ALTER TABLE orders ADD COLUMN m int;\n"
                                      "SELECT pg_catalog.pg_sleep(0.3);\n" });
    struct agentdb_order order = {
        .mode = TASK_DRY_RUN, .tenant = "holding", .from = "0.0.1", .set = set
    };

    measure_tenant(db, "holding", 10);
    const struct task_result *result = agentdb_run(pool, &order);
    agentdb_assert_succeeded(result);
    assert_true(result->measure->exclusive_us >= 300000);
    assert_true(measure_find(result, 1)->blocked_us >= 300000);
    assert_int_equal(measure_find(result, 2)->blocked_us, 0);
    assert_true(measure_find(result, 2)->took_us >= 300000);

    order.lock_budget_ms = 200;
    result = agentdb_run(pool, &order);
    agentdb_assert_code(result, TASK_FAILED, TASK_CODE_LINT);
    assert_string_equal(result->error.file, "1.0.0__a.sql");
    assert_int_equal(result->error.statement, 2);
    assert_non_null(strstr(result->error.message, "orders would be locked"));
    assert_non_null(strstr(result->error.message, "200 ms"));
    assert_non_null(result->measure);

    order.lock_budget_ms = 600000;
    agentdb_assert_succeeded(agentdb_run(pool, &order));
    prepared_set_unref(&set);
    agentdb_pool_free(&pool);
}

/* Roles and settings of a script do not get in the way of looking, nor does a broken search_path.
 */
static void settings_of_a_script_do_not_hide_what_it_does(void **state)
{
    struct agentdb *db = *state;
    struct agentdb_pool *pool = measure_pool(db);
    struct prepared_set *set =
        AGENTDB_SET(db, "settings",
                    { "1.0.0__a.sql", "SET LOCAL ROLE measure_nobody;\nSELECT 1;\n"
                                      "RESET ROLE;\nSET LOCAL search_path = '';\n"
                                      "ALTER TABLE settings.orders ADD COLUMN m int;\n" });

    measure_tenant(db, "settings", 10);
    agentdb_exec(db, "CREATE ROLE measure_nobody");
    const struct task_result *result = agentdb_run(
        pool, &(struct agentdb_order){
                  .mode = TASK_DRY_RUN, .tenant = "settings", .from = "0.0.1", .set = set });
    agentdb_assert_succeeded(result);
    assert_int_equal(result->measure->statements, 1); /* all of the file at once */
    check_lock(measure_find(result, 5), "orders", "ACCESS EXCLUSIVE");
    agentdb_exec(db, "DROP ROLE measure_nobody");
    prepared_set_unref(&set);
    agentdb_pool_free(&pool);
}

static void a_script_of_many_statements_is_measured_all_the_same(void **state)
{
    struct agentdb *db = *state;
    struct agentdb_pool *pool = measure_pool(db);
    struct buf text = { .size_max = 1 << 20 };

    for (size_t i = 0; i < MEASURE_LOOKS_MAX + 50; i++) {
        buf_printf(&text, "COMMENT ON TABLE items IS 'number %zu';\n", i);
    }
    buf_puts(&text, "LOCK TABLE orders IN SHARE MODE;\n");
    struct prepared_set *set = AGENTDB_SET(db, "many", { "1.0.0__a.sql", buf_text(&text) });

    measure_tenant(db, "many", 10);
    const struct task_result *result = agentdb_run(
        pool, &(struct agentdb_order){
                  .mode = TASK_DRY_RUN, .tenant = "many", .from = "0.0.1", .set = set });
    agentdb_assert_succeeded(result);
    assert_int_equal(result->measure->statements, MEASURE_LOOKS_MAX + 1);
    assert_string_equal(result->measure->blocked_relation, "orders");
    assert_int_equal(result->measure->exclusive_us, 0);
    buf_release(&text);
    prepared_set_unref(&set);
    agentdb_pool_free(&pool);
}

/* An INSERT of what another table has is no plain one: it has its own place in the group, or ends
 * it. Here it comes when the group is full. */
static void a_group_that_is_full_ends(void **state)
{
    struct agentdb *db = *state;
    struct agentdb_pool *pool = measure_pool(db);
    struct buf text = { .size_max = 1 << 16 };

    measure_tenant(db, "filled", 10);
    for (size_t i = 0; i < LOOK_GROUP_MAX; i++) {
        agentdb_exec(db, "CREATE TABLE filled.t_%zu (a int)", i);
        buf_printf(&text, "ALTER TABLE t_%zu ADD COLUMN b int;\n", i);
    }
    buf_puts(&text, "INSERT INTO t_0 VALUES (1);\nINSERT INTO items SELECT id, n FROM orders;\n");
    struct prepared_set *set = AGENTDB_SET(db, "filled", { "1.0.0__a.sql", buf_text(&text) });

    const struct task_result *result = agentdb_run(
        pool, &(struct agentdb_order){
                  .mode = TASK_DRY_RUN, .tenant = "filled", .from = "0.0.1", .set = set });
    agentdb_assert_succeeded(result);
    assert_int_equal(result->warning_count, 0);
    assert_int_equal(result->measure->statements, LOOK_GROUP_MAX + 2);
    assert_int_equal(result->measure->rows, 11);
    buf_release(&text);
    prepared_set_unref(&set);
    agentdb_pool_free(&pool);
}

/* Each step of a walk is a transaction of its own: locks of one are not held during the next. */
static void steps_of_a_walk_are_measured_one_by_one(void **state)
{
    struct agentdb *db = *state;
    struct agentdb_pool *pool = measure_pool(db);
    struct prepared_set *set = AGENTDB_SET(
        db, "steps", { "1.0.0__a/10_a.sql", "ALTER TABLE orders ADD COLUMN m int;\n" },
        { "1.0.0__a/20_b.sql",
          "-- skein:transaction none\nCREATE INDEX CONCURRENTLY by_n ON orders (n);\n" },
        { "1.0.0__a/30_c.sql", "SELECT pg_catalog.pg_sleep(0.2);\n" });

    measure_tenant(db, "steps", 10);
    const struct task_result *result = agentdb_run(
        pool, &(struct agentdb_order){
                  .mode = TASK_DRY_RUN, .tenant = "steps", .from = "0.0.1", .set = set });
    agentdb_assert_succeeded(result);
    assert_non_null(result->measure);
    assert_string_equal(result->measure->blocked_relation, "orders");
    assert_true(result->measure->blocked_us < result->measure->took_us);
    assert_true(result->measure->took_us >= 200000);
    prepared_set_unref(&set);
    agentdb_pool_free(&pool);
}

/* Lint knows tables as the scripts made them; this one has got a trigger by hand that does DDL. */
static void what_lint_did_not_foresee_is_a_warning(void **state)
{
    struct agentdb *db = *state;
    struct agentdb_pool *pool = measure_pool(db);
    struct prepared_set *set =
        AGENTDB_SET(db, "foreseen",
                    { "1.0.0__a.sql", "ALTER TABLE orders ADD COLUMN m int;\n"
                                      "UPDATE items SET o = 1;\n"
                                      "ALTER TABLE items ADD COLUMN later int;\n"
                                      "CREATE TABLE fresh (n int);\n"
                                      "ALTER TABLE fresh ALTER COLUMN n TYPE text;\n"
                                      "CREATE INDEX ON orders (n);\n" });
    struct agentdb_order order = {
        .mode = TASK_DRY_RUN, .tenant = "foreseen", .from = "0.0.1", .set = set
    };

    measure_tenant(db, "foreseen", 10);
    const struct task_result *result = agentdb_run(pool, &order);
    agentdb_assert_succeeded(result);
    /* And again: what the session has counted before does not count. */
    result = agentdb_run(pool, &order);
    agentdb_assert_succeeded(result);
    if (result->warning_count > 0) {
        fail_msg("%s", result->warnings[0].message);
    }
    agentdb_exec(db, "CREATE TABLE foreseen.third (n int);"
                     "CREATE FUNCTION foreseen.sly() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN "
                     "ALTER TABLE third ALTER COLUMN n TYPE bigint; RETURN NULL; END$$;"
                     "CREATE TRIGGER sly AFTER UPDATE ON foreseen.items FOR EACH STATEMENT "
                     "EXECUTE FUNCTION foreseen.sly()");
    result = agentdb_run(pool, &order);
    agentdb_assert_succeeded(result);
    assert_int_equal(result->warning_count, 1);
    const struct task_error *warning = &result->warnings[0];
    assert_int_equal(warning->code, TASK_CODE_LINT);
    assert_string_equal(warning->file, "1.0.0__a.sql");
    assert_int_equal(warning->statement, 2);
    assert_non_null(
        strstr(warning->message, "it took ACCESS EXCLUSIVE on third, foreseen was no lock"));
    assert_non_null(strstr(warning->message, "it rewrote third, which was not foreseen"));
    prepared_set_unref(&set);
    agentdb_pool_free(&pool);
}

/* One look stands for several statements; where it sees what none of them was foreseen to do, there
 * is another dry run with a look at each. That set's other tenants are measured like that at once.
 */
static void what_any_of_several_may_have_done_is_found_out(void **state)
{
    struct agentdb *db = *state;
    struct agentdb_pool *pool = measure_pool(db);
    struct prepared_set *set =
        AGENTDB_SET(db, "grouped",
                    { "1.0.0__a.sql", "INSERT INTO orders (n) VALUES (1);\n"
                                      "ALTER TABLE orders ADD COLUMN m int;\n"
                                      "ALTER TABLE items ADD COLUMN later int;\n"
                                      "CREATE TABLE fresh (n int);\n"
                                      "CREATE INDEX ON fresh (n);\n" });
    struct agentdb_order order = {
        .mode = TASK_DRY_RUN, .tenant = "grouped", .from = "0.0.1", .set = set
    };

    measure_tenant(db, "grouped", 10);
    const struct task_result *result = agentdb_run(pool, &order);
    agentdb_assert_succeeded(result);
    assert_int_equal(result->warning_count, 0);
    check_lock(measure_find(result, 2), "orders", "ACCESS EXCLUSIVE");
    check_lock(measure_find(result, 3), "items", "ACCESS EXCLUSIVE");
    assert_int_equal(measure_find(result, 3)->lock_count, 1);
    assert_int_equal(measure_find(result, 5)->lock_count, 0);
    assert_int_equal(agentdb_count(db, "SELECT last_value FROM grouped.orders_id_seq"), 11);

    agentdb_exec(db, "CREATE TABLE grouped.child () INHERITS (grouped.items)");
    for (size_t i = 0; i < 2; i++) {
        result = agentdb_run(pool, &order);
        agentdb_assert_succeeded(result);
        assert_int_equal(result->warning_count, 1);
        assert_int_equal(result->warnings[0].statement, 3);
        assert_non_null(strstr(result->warnings[0].message, "ACCESS EXCLUSIVE on child"));
        check_lock(measure_find(result, 3), "child", "ACCESS EXCLUSIVE");
        assert_int_equal(measure_find(result, 2)->lock_count, 1);
        /* The sequence tells how many dry runs there were. */
        assert_int_equal(agentdb_count(db, "SELECT last_value FROM grouped.orders_id_seq"), 13 + i);
    }
    prepared_set_unref(&set);
    agentdb_pool_free(&pool);
}

/* Files share a look, too: what is left to it is not lost where they end, nor where one of them
 * changes settings or renames what another works on. */
static void a_look_for_several_files_knows_whose_everything_is(void **state)
{
    struct agentdb *db = *state;
    struct agentdb_pool *pool = measure_pool(db);
    struct prepared_set *set = AGENTDB_SET(
        db, "files", { "1.0.0__a.sql", "CREATE INDEX ON orders (n);\n" },
        { "1.1.0__b.sql", "ALTER TABLE items ALTER COLUMN o TYPE bigint;\n" },
        { "1.2.0__c.sql", "UPDATE orders SET n = 2;\nALTER TABLE orders RENAME TO sales;\n" },
        { "1.3.0__d.sql", "ALTER TABLE sales ALTER COLUMN n SET NOT NULL;\n" },
        { "1.4.0__e.sql", "SET LOCAL work_mem = '8MB';\nALTER TABLE items ADD COLUMN p int;\n" });

    measure_tenant(db, "files", 100);
    const struct task_result *result = agentdb_run(
        pool, &(struct agentdb_order){
                  .mode = TASK_DRY_RUN, .tenant = "files", .from = "0.0.1", .set = set });
    agentdb_assert_succeeded(result);
    const struct task_measure *measure = result->measure;
    assert_non_null(measure);
    assert_int_equal(measure->statements, 6);
    assert_int_equal(measure->rewrites, 1);
    assert_int_equal(measure->rows, 100);
    for (size_t i = 0; i < measure->worst_count; i++) {
        const struct measured_statement *one = &measure->worst[i];

        if (strcmp(one->file, "1.0.0__a.sql") == 0) {
            check_lock(one, "orders", "SHARE");
            assert_string_equal(one->scans[0], "orders");
        } else if (strcmp(one->file, "1.1.0__b.sql") == 0) {
            check_lock(one, "items", "ACCESS EXCLUSIVE");
            assert_string_equal(one->rewrites[0], "items");
        } else if (strcmp(one->file, "1.2.0__c.sql") == 0 && one->statement == 1) {
            assert_int_equal(one->lock_count, 0);
            assert_string_equal(one->scans[0], "orders");
        } else if (strcmp(one->file, "1.2.0__c.sql") == 0) {
            check_lock(one, "orders", "ACCESS EXCLUSIVE");
            assert_int_equal(one->scan_count, 0);
        } else if (strcmp(one->file, "1.3.0__d.sql") == 0) {
            assert_int_equal(one->lock_count, 0);
            assert_string_equal(one->scans[0], "orders");
        } else {
            assert_int_equal(one->lock_count, 0); /* all of the file; it has that lock already */
        }
    }
    prepared_set_unref(&set);
    agentdb_pool_free(&pool);
}

/* Nobody can see into a DO block; the event trigger sees what comes out of it. */
static void a_rewrite_that_nobody_could_foresee_is_stopped(void **state)
{
    struct agentdb *db = *state;
    struct agentdb_pool *pool = agentdb_pool_new(
        db, &(struct executor_options){ .workers = 2, .size_limit_bytes = 256 << 10 });
    struct prepared_set *set =
        AGENTDB_SET(db, "stopped",
                    { "1.0.0__a.sql",
                      "SELECT 1;\nDO $$BEGIN EXECUTE format('ALTER TABLE %I ALTER COLUMN n TYPE "
                      "bigint', (SELECT relname FROM pg_class WHERE oid = 'orders'::regclass)); "
                      "END$$;\n" });
    struct agentdb_order order = {
        .mode = TASK_DRY_RUN, .tenant = "stopped", .from = "0.0.1", .set = set
    };

    measure_tenant(db, "stopped", 10);
    agentdb_assert_succeeded(agentdb_run(pool, &order));
    agentdb_exec(db, "INSERT INTO stopped.orders (n) SELECT g FROM generate_series(1, 20000) AS g");
    const struct task_result *result = agentdb_run(pool, &order);
    agentdb_assert_code(result, TASK_FAILED, TASK_CODE_LINT);
    assert_non_null(strstr(result->error.message, "orders ("));
    assert_string_equal(result->error.file, "1.0.0__a.sql");
    assert_int_equal(result->error.statement, 2);
    assert_int_equal(agentdb_count(db, "SELECT count(*) FROM pg_event_trigger"), 0);

    order.mode = TASK_RUN; /* what is to be run is for its people to know */
    order.token = 2;
    agentdb_assert_succeeded(agentdb_run(pool, &order));
    prepared_set_unref(&set);
    agentdb_pool_free(&pool);
}

/* What an agent of before has installed becomes what this one needs, whoever comes first. */
static void a_journal_of_version_4_is_upgraded(void **state)
{
    struct agentdb *db = *state;
    struct agentdb_pool *pool = measure_pool(db);
    struct error err = { 0 };
    struct prepared_set *set =
        AGENTDB_SET(db, "older", { "1.0.0__a.sql", "ALTER TABLE orders ADD COLUMN m int;\n" });
    struct agentdb_order order = {
        .mode = TASK_DRY_RUN, .tenant = "older", .from = "0.0.1", .set = set
    };

    measure_tenant(db, "older", 10);
    for (size_t i = 0; i < 2; i++) {
        agentdb_exec(db, "DROP FUNCTION skein.measure_begin; UPDATE skein.meta SET version = 4");
        if (i > 0) {
            assert_true(journal_ensure(db->admin, &err));
        }
        const struct task_result *result = agentdb_run(pool, &order);
        agentdb_assert_succeeded(result);
        check_lock(measure_find(result, 1), "orders", "ACCESS EXCLUSIVE");
        assert_int_equal(agentdb_count(db, "SELECT max(version) FROM skein.meta"), JOURNAL_VERSION);
    }
    prepared_set_unref(&set);
    agentdb_pool_free(&pool);
}

/* A plan that avoids what it cannot avoid looks so expensive that the server compiles it, for
 * longer than everything else of a task takes. */
static void no_plan_of_the_journal_is_compiled(void **state)
{
    assert_int_equal(agentdb_count(*state,
                                   "SELECT count(*) FROM pg_proc WHERE pronamespace ="
                                   " 'skein'::regnamespace AND proconfig @> '{enable_seqscan=off}'"
                                   " AND NOT proconfig @> '{jit=off}'"),
                     0);
}

int agentdb_test_measure(struct agentdb *db)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(locks_rewrites_and_scans_are_told_by_statement, db),
        cmocka_unit_test_prestate(what_is_dropped_keeps_its_name, db),
        cmocka_unit_test_prestate(sequences_that_stay_moved_are_named, db),
        cmocka_unit_test_prestate(a_lock_is_counted_until_the_transaction_ends, db),
        cmocka_unit_test_prestate(settings_of_a_script_do_not_hide_what_it_does, db),
        cmocka_unit_test_prestate(a_script_of_many_statements_is_measured_all_the_same, db),
        cmocka_unit_test_prestate(what_lint_did_not_foresee_is_a_warning, db),
        cmocka_unit_test_prestate(a_rewrite_that_nobody_could_foresee_is_stopped, db),
        cmocka_unit_test_prestate(what_any_of_several_may_have_done_is_found_out, db),
        cmocka_unit_test_prestate(a_look_for_several_files_knows_whose_everything_is, db),
        cmocka_unit_test_prestate(a_group_that_is_full_ends, db),
        cmocka_unit_test_prestate(steps_of_a_walk_are_measured_one_by_one, db),
        cmocka_unit_test_prestate(a_journal_of_version_4_is_upgraded, db),
        cmocka_unit_test_prestate(no_plan_of_the_journal_is_compiled, db),
    };

    return cmocka_run_group_tests_name("measure", tests, NULL, NULL);
}
