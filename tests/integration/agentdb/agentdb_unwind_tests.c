/* agentdb_unwind_tests.c - what a rollout did in several transactions is undone in several, and
 * whatever dies between them. About 20 s. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "agentdb_fixture.h"

static struct agentdb_pool *pool_of(struct agentdb *db)
{
    return agentdb_pool_new(db, &(struct executor_options){ .workers = 1 });
}

/* Neither way is idempotent: a second time, or one too many, shows in the counter. */
#define UP(n) "INSERT INTO steps VALUES (" #n ");"
#define DOWN(n) "DELETE FROM steps WHERE n = " #n "; UPDATE undone SET n = n + 1;"

static struct prepared_set *steps_set(struct agentdb *db)
{
    return AGENTDB_SET(
        db, "steps",
        { "1.0.0__base.sql", "CREATE TABLE steps (n int, i int); CREATE TABLE undone (n int);"
                             "INSERT INTO undone VALUES (0);" },
        { "2.0.0__two.sql", UP(20) }, { "2.0.0__two.down.sql", DOWN(20) },
        { "3.0.0__three/10_a.sql", UP(31) }, { "3.0.0__three/10_a.down.sql", DOWN(31) },
        { "3.0.0__three/20_index.sql", "-- skein:transaction none\n"
                                       "CREATE INDEX CONCURRENTLY steps_i ON steps (i);" },
        { "3.0.0__three/20_index.down.sql", "-- skein:transaction none\n"
                                            "DROP INDEX CONCURRENTLY steps_i;\n"
                                            "UPDATE undone SET n = n + 1;" },
        { "3.0.0__three/30_c.sql", UP(33) }, { "3.0.0__three/30_c.down.sql", DOWN(33) },
        { "4.0.0__four.sql", UP(40) }, { "4.0.0__four.down.sql", DOWN(40) });
}

static void assert_steps(struct agentdb *db, const char *tenant, const char *steps, int undone)
{
    char *found = agentdb_text(
        db, "SELECT coalesce(string_agg(n::text, ',' ORDER BY n), '') FROM %s.steps", tenant);

    assert_string_equal(found, steps);
    free(found);
    assert_int_equal(agentdb_count(db, "SELECT n FROM %s.undone", tenant), undone);
    assert_int_equal(agentdb_count(db,
                                   "SELECT count(*) FROM pg_class WHERE relname = 'steps_i' AND "
                                   "relnamespace = '%s'::regnamespace",
                                   tenant),
                     strstr(steps, "33") == NULL ? 0 : 1);
}

/* script version direction, in the order of the history. */
static void assert_history(struct agentdb *db, const char *tenant, const char *wanted)
{
    char *found = agentdb_text(db,
                               "SELECT string_agg(left(script, 5) || ' ' || direction || "
                               "coalesce(' ' || nullif(state, 'done'), ''), ',' ORDER BY id) "
                               "FROM skein.history WHERE tenant = '%s'",
                               tenant);

    assert_string_equal(found, wanted);
    free(found);
    assert_int_equal(
        agentdb_count(db, "SELECT count(*) FROM skein.operation WHERE tenant = '%s'", tenant), 0);
}

#define ALL_UP "1.0.0 up,2.0.0 up,3.0.0 up,4.0.0 up"
#define ALL_DOWN ALL_UP ",4.0.0 down,3.0.0 down,2.0.0 down"

static void assert_undone(struct agentdb *db, const char *tenant)
{
    assert_steps(db, tenant, "", 5);
    assert_history(db, tenant, ALL_DOWN);
    assert_int_equal(agentdb_count(db,
                                   "SELECT count(*) FROM skein.tenant WHERE tenant = '%s' AND "
                                   "version = '1.0.0' AND rollout = 'first' AND undone = 'r1'",
                                   tenant),
                     1);
}

/* At 1.0.0 by the rollout `first`, then at 4.0.0 by `r1`. */
static void take_up(struct agentdb *db, struct agentdb_pool *pool, struct prepared_set *set,
                    const char *tenant)
{
    agentdb_exec(db, "CREATE SCHEMA %s", tenant);
    agentdb_assert_succeeded(agentdb_run(pool, &(struct agentdb_order){ .mode = TASK_RUN,
                                                                        .rollout = "first",
                                                                        .tenant = tenant,
                                                                        .target = "1.0.0",
                                                                        .set = set }));
    agentdb_assert_succeeded(agentdb_run(
        pool, &(struct agentdb_order){
                  .mode = TASK_RUN, .tenant = tenant, .from = "1.0.0", .token = 2, .set = set }));
    assert_steps(db, tenant, "20,31,33,40", 0);
}

static void a_walk_is_undone_by_one(void **state)
{
    struct agentdb *db = *state;
    struct agentdb_pool *pool = pool_of(db);
    struct prepared_set *set = steps_set(db);
    struct agentdb_order order = { .mode = TASK_ROLLBACK_DRY_RUN,
                                   .tenant = "unwind_1",
                                   .from = "4.0.0",
                                   .token = 3,
                                   .lock_timeout_ms = 2000,
                                   .set = set };

    take_up(db, pool, set, "unwind_1");
    const struct task_result *result = agentdb_run(pool, &order);
    agentdb_assert_succeeded(result);
    assert_string_equal(result->version, "4.0.0");
    assert_steps(db, "unwind_1", "20,31,33,40", 0);
    assert_history(db, "unwind_1", ALL_UP);

    order.mode = TASK_ROLLBACK;
    result = agentdb_run(pool, &order);
    agentdb_assert_succeeded(result);
    assert_string_equal(result->version, "1.0.0");
    assert_undone(db, "unwind_1");
    assert_int_equal(agentdb_count(db, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"),
                     0);
    /* The same again, as after a lost answer; then up again, as if nothing had been. */
    agentdb_assert_succeeded(agentdb_run(pool, &order));
    assert_undone(db, "unwind_1");
    order = (struct agentdb_order){ .mode = TASK_RUN,
                                    .rollout = "r2",
                                    .tenant = "unwind_1",
                                    .from = "1.0.0",
                                    .token = 4,
                                    .set = set };
    agentdb_assert_succeeded(agentdb_run(pool, &order));
    assert_steps(db, "unwind_1", "20,31,33,40", 5);
    order.mode = TASK_ROLLBACK;
    order.from = "4.0.0";
    order.token = 5;
    result = agentdb_run(pool, &order);
    agentdb_assert_succeeded(result);
    assert_string_equal(result->version, "1.0.0");
    assert_steps(db, "unwind_1", "", 10);
    prepared_set_unref(&set);
    agentdb_pool_free(&pool);
}

/* The way down stops in the middle of a migration: the journal tells the truth, and both ways lead
 * on from there. */
static void stop_halfway(struct agentdb *db, struct agentdb_pool *pool, struct prepared_set *set,
                         const char *tenant)
{
    take_up(db, pool, set, tenant);
    agentdb_exec(db,
                 "ALTER TABLE %s.steps RENAME TO away; CREATE VIEW %s.steps AS SELECT * FROM "
                 "%s.away",
                 tenant, tenant, tenant);
    agentdb_exec(db,
                 "CREATE FUNCTION %s.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                 "IF OLD.n = 31 THEN RAISE 'not yet'; END IF; RETURN OLD; END $$;"
                 "CREATE TRIGGER refuse BEFORE DELETE ON %s.away FOR EACH ROW EXECUTE FUNCTION "
                 "%s.refuse()",
                 tenant, tenant, tenant);
    const struct task_result *result = agentdb_run(
        pool,
        &(struct agentdb_order){
            .mode = TASK_ROLLBACK, .tenant = tenant, .from = "4.0.0", .token = 3, .set = set });
    agentdb_assert_code(result, TASK_FAILED, TASK_CODE_SQL);
    assert_string_equal(result->error.file, "3.0.0__three/10_a.down.sql");
    assert_string_equal(result->version, "2.0.0");
    assert_non_null(strstr(result->error.hint, "10_a"));
    assert_int_equal(agentdb_count(db,
                                   "SELECT count(*) FROM skein.tenant WHERE tenant = '%s' AND "
                                   "version = '2.0.0' AND rollout = 'r1' AND undone IS NULL",
                                   tenant),
                     1);
    assert_int_equal(agentdb_count(db, "SELECT n FROM %s.undone", tenant), 3);
    agentdb_exec(db,
                 "DROP TRIGGER refuse ON %s.away; DROP VIEW %s.steps; ALTER TABLE %s.away "
                 "RENAME TO steps",
                 tenant, tenant, tenant);
}

static void what_failed_halfway_goes_on(void **state)
{
    struct agentdb *db = *state;
    struct agentdb_pool *pool = pool_of(db);
    struct prepared_set *set = steps_set(db);

    stop_halfway(db, pool, set, "unwind_half");
    const struct task_result *result =
        agentdb_run(pool, &(struct agentdb_order){ .mode = TASK_ROLLBACK,
                                                   .tenant = "unwind_half",
                                                   .from = "2.0.0",
                                                   .token = 4,
                                                   .set = set });
    agentdb_assert_succeeded(result);
    assert_undone(db, "unwind_half");
    prepared_set_unref(&set);
    agentdb_pool_free(&pool);
}

static void what_is_half_undone_can_go_up_again(void **state)
{
    struct agentdb *db = *state;
    struct agentdb_pool *pool = pool_of(db);
    struct prepared_set *set = steps_set(db);
    struct agentdb_order order = { .mode = TASK_DRY_RUN,
                                   .rollout = "r2",
                                   .tenant = "unwind_up",
                                   .from = "2.0.0",
                                   .token = 4,
                                   .set = set };

    stop_halfway(db, pool, set, "unwind_up");
    agentdb_assert_succeeded(agentdb_run(pool, &order));
    order.mode = TASK_RUN;
    agentdb_assert_succeeded(agentdb_run(pool, &order));
    assert_steps(db, "unwind_up", "20,31,33,40", 3);
    assert_history(db, "unwind_up", ALL_UP ",4.0.0 down,3.0.0 down failed,3.0.0 up,4.0.0 up");
    /* What the first rollout did is not the newest any more; what the second did is. */
    order.mode = TASK_ROLLBACK;
    order.rollout = "r1";
    order.from = "4.0.0";
    order.token = 5;
    agentdb_assert_code(agentdb_run(pool, &order), TASK_SKIPPED, TASK_CODE_VERSION_MOVED);
    order.rollout = "r2";
    order.token = 6;
    const struct task_result *result = agentdb_run(pool, &order);
    agentdb_assert_succeeded(result);
    assert_string_equal(result->version, "2.0.0");
    assert_steps(db, "unwind_up", "20", 7);
    prepared_set_unref(&set);
    agentdb_pool_free(&pool);
}

/* ---- what has no way back ---- */

static void all_that_lack_are_named_and_nothing_is_done(void **state)
{
    struct agentdb *db = *state;
    struct agentdb_pool *pool = pool_of(db);
    struct prepared_set *set = AGENTDB_SET(
        db, "lacks", { "1.0.0__a.sql", "CREATE TABLE a (i int);" },
        { "2.0.0__b.sql", "-- skein:transaction none\nCREATE INDEX CONCURRENTLY a_i ON a (i);" },
        { "3.0.0__c.sql", "CREATE TABLE c (i int);" }, { "3.0.0__c.down.sql", "DROP TABLE c;" });
    struct agentdb_order order = { .mode = TASK_RUN, .tenant = "unwind_lacks", .set = set };

    agentdb_exec(db, "CREATE SCHEMA unwind_lacks");
    agentdb_assert_succeeded(agentdb_run(pool, &order));
    order.token = 2;
    order.from = "3.0.0";
    for (int dry = 0; dry < 2; dry++) {
        order.mode = dry ? TASK_ROLLBACK_DRY_RUN : TASK_ROLLBACK;
        const struct task_result *result = agentdb_run(pool, &order);
        agentdb_assert_code(result, TASK_FAILED, TASK_CODE_ROLLBACK);
        assert_non_null(strstr(result->error.message, "1.0.0__a.sql"));
        assert_non_null(strstr(result->error.message, "2.0.0__b.sql"));
        assert_null(strstr(result->error.message, "3.0.0__c"));
    }
    assert_history(db, "unwind_lacks", "1.0.0 up,2.0.0 up,3.0.0 up");
    prepared_set_unref(&set);
    agentdb_pool_free(&pool);
}

static void a_program_that_undoes_has_to_be_allowed_first(void **state)
{
    struct agentdb *db = *state;
    struct agentdb_pool *pool = pool_of(db);
    struct prepared_set *set =
        AGENTDB_SET(db, "undoer", { "1.0.0__a.sql", "CREATE TABLE a (i int);" },
                    { "1.0.0__a.down.exec.yaml", "program: /bin/false\n" });
    struct agentdb_order order = { .mode = TASK_RUN, .tenant = "unwind_program", .set = set };

    agentdb_exec(db, "CREATE SCHEMA unwind_program");
    const struct task_result *result = agentdb_run(pool, &order);
    agentdb_assert_code(result, TASK_FAILED, TASK_CODE_RUNNER);
    assert_string_equal(result->error.file, "1.0.0__a.down.exec.yaml");
    assert_int_equal(agentdb_count(db, "SELECT count(*) FROM pg_class WHERE relnamespace = "
                                       "'unwind_program'::regnamespace"),
                     0);
    prepared_set_unref(&set);
    agentdb_pool_free(&pool);
}

/* A walk that was stopped inside a migration: the rollback undoes what is there of it. */
static void what_was_never_complete_is_undone_too(void **state)
{
    struct agentdb *db = *state;
    struct agentdb_pool *pool = pool_of(db);
    struct prepared_set *set = steps_set(db);
    struct agentdb_order order = { .mode = TASK_RUN,
                                   .rollout = "first",
                                   .tenant = "unwind_begun",
                                   .target = "1.0.0",
                                   .lock_timeout_ms = 200,
                                   .set = set };

    agentdb_exec(db, "CREATE SCHEMA unwind_begun");
    agentdb_assert_succeeded(agentdb_run(pool, &order));
    /* 30_c cannot have its lock: that is tried again, so 10_a and 20_index stay. */
    agentdb_exec(db, "CREATE TABLE unwind_begun.gate (n int); CREATE FUNCTION "
                     "unwind_begun.wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.n = "
                     "33 THEN LOCK TABLE unwind_begun.gate; END IF; RETURN NEW; END $$; CREATE "
                     "TRIGGER wait BEFORE INSERT ON unwind_begun.steps FOR EACH ROW EXECUTE "
                     "FUNCTION unwind_begun.wait()");
    agentdb_exec(db, "BEGIN; LOCK TABLE unwind_begun.gate");
    order.rollout = "r1";
    order.from = "1.0.0";
    order.target = "4.0.0";
    order.token = 2;
    const struct task_result *result = agentdb_run(pool, &order);
    agentdb_exec(db, "COMMIT");
    agentdb_assert_code(result, TASK_FAILED, TASK_CODE_LOCK_TIMEOUT);
    assert_string_equal(result->version, "2.0.0");
    order.mode = TASK_ROLLBACK;
    order.from = "2.0.0";
    order.token = 3;
    result = agentdb_run(pool, &order);
    agentdb_assert_succeeded(result);
    assert_string_equal(result->version, "1.0.0");
    assert_steps(db, "unwind_begun", "", 3);
    assert_history(db, "unwind_begun", "1.0.0 up,2.0.0 up,3.0.0 up failed,2.0.0 down");
    prepared_set_unref(&set);
    agentdb_pool_free(&pool);
}

/* ---- whatever dies ---- */

int agentdb_unwind_child(int argc, char *argv[])
{
    struct agentdb db = { .program = argv[0] };
    struct executor_options options = { .workers = 1 };

    if (argc != 4) {
        return 2;
    }
    options.conninfo = argv[2];
    db.parser = sql_parser_new();
    struct prepared_set *set = steps_set(&db);
    struct agentdb_pool *pool = agentdb_pool_new(&db, &options);
    const struct task_result *result = agentdb_run(
        pool,
        &(struct agentdb_order){
            .mode = TASK_ROLLBACK, .tenant = argv[3], .from = "4.0.0", .token = 3, .set = set });
    bool succeeded = result->outcome == TASK_SUCCEEDED;
    if (!succeeded) {
        (void)fprintf(stderr, "%s\n", result->error.message);
    }
    prepared_set_unref(&set);
    agentdb_pool_free(&pool);
    sql_parser_free(&db.parser);
    return succeeded ? 0 : 1;
}

#ifdef SKEIN_CRASH_POINTS
static bool die_at(struct agentdb *db, const char *tenant, const char *point)
{
    char crash[64];
    const char *arguments[] = { db->program, "unwind-child", db->server.conninfo, tenant, NULL };
    const char *environment[] = { crash, NULL };
    int status = 0;

    (void)snprintf(crash, sizeof(crash), "SKEIN_CRASH_AT=%s", point);
    return !agentdb_server_spawn(arguments, environment, &status) && WIFSIGNALED(status) &&
           WTERMSIG(status) == SIGKILL;
}
#endif

static void an_agent_that_dies_anywhere_on_its_way_down_undoes_it_once(void **state)
{
#ifdef SKEIN_CRASH_POINTS
    static const char *const points[] = {
        "after_look",     "before_undo",   "before_begin",    "after_begin",    "before_commit",
        "after_commit",   "after_undo",    "before_undo:2",   "after_open",     "after_start",
        "before_bare",    "after_bare",    "after_execute",   "after_undo:2",   "before_undo:3",
        "before_begin:2", "after_begin:2", "before_commit:2", "after_commit:2", "after_undo:3",
    };
    struct agentdb *db = *state;
    struct agentdb_pool *pool = pool_of(db);
    struct prepared_set *set = steps_set(db);

    for (size_t i = 0; i < COUNT_OF(points); i++) {
        char tenant[32];
        const char *arguments[] = { db->program, "unwind-child", db->server.conninfo, tenant,
                                    NULL };
        const char *calm[] = { "LANG=C", NULL };
        int status = 0;

        (void)snprintf(tenant, sizeof(tenant), "unwind_point_%zu", i);
        take_up(db, pool, set, tenant);
        if (!die_at(db, tenant, points[i])) {
            fail_msg("%s was not passed", points[i]);
        }
        if (!agentdb_server_spawn(arguments, calm, &status)) {
            fail_msg("the try after %s fails", points[i]);
        }
        assert_undone(db, tenant);
    }
    prepared_set_unref(&set);
    agentdb_pool_free(&pool);
#else
    (void)state;
    skip();
#endif
}

/* Who goes up from there ends what was begun first: what was undone is done again, what was not is
 * not, and the history has it in its order. */
static void who_goes_up_from_anywhere_does_again_what_was_undone(void **state)
{
#ifdef SKEIN_CRASH_POINTS
    static const struct {
        const char *point;
        const char *from;
        const char *history;
        int undone;
    } cases[] = {
        { "after_commit", "2.0.0", ",4.0.0 down,3.0.0 down failed,3.0.0 up,4.0.0 up", 2 },
        { "after_bare", "2.0.0", ",4.0.0 down,3.0.0 down failed,3.0.0 up,4.0.0 up", 3 },
        { "after_undo:2", "2.0.0", ",4.0.0 down,3.0.0 down failed,3.0.0 up,4.0.0 up", 3 },
        { "after_undo:3", "1.0.0", ",4.0.0 down,3.0.0 down,2.0.0 down,2.0.0 up,3.0.0 up,4.0.0 up",
          5 },
    };
    struct agentdb *db = *state;
    struct agentdb_pool *pool = pool_of(db);
    struct prepared_set *set = steps_set(db);

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char tenant[32];
        char history[200];
        struct agentdb_order order = { .mode = TASK_DRY_RUN,
                                       .rollout = "r2",
                                       .tenant = tenant,
                                       .from = cases[i].from,
                                       .token = 4,
                                       .set = set };

        (void)snprintf(tenant, sizeof(tenant), "unwind_again_%zu", i);
        (void)snprintf(history, sizeof(history), ALL_UP "%s", cases[i].history);
        take_up(db, pool, set, tenant);
        assert_true(die_at(db, tenant, cases[i].point));
        agentdb_assert_succeeded(agentdb_run(pool, &order));
        order.mode = TASK_RUN;
        agentdb_assert_succeeded(agentdb_run(pool, &order));
        assert_steps(db, tenant, "20,31,33,40", cases[i].undone);
        assert_history(db, tenant, history);
    }
    prepared_set_unref(&set);
    agentdb_pool_free(&pool);
#else
    (void)state;
    skip();
#endif
}

int agentdb_test_unwind(struct agentdb *db)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(a_walk_is_undone_by_one, db),
        cmocka_unit_test_prestate(what_failed_halfway_goes_on, db),
        cmocka_unit_test_prestate(what_is_half_undone_can_go_up_again, db),
        cmocka_unit_test_prestate(all_that_lack_are_named_and_nothing_is_done, db),
        cmocka_unit_test_prestate(a_program_that_undoes_has_to_be_allowed_first, db),
        cmocka_unit_test_prestate(what_was_never_complete_is_undone_too, db),
        cmocka_unit_test_prestate(an_agent_that_dies_anywhere_on_its_way_down_undoes_it_once, db),
        cmocka_unit_test_prestate(who_goes_up_from_anywhere_does_again_what_was_undone, db),
    };

    return cmocka_run_group_tests_name("unwind", tests, NULL, NULL);
}
