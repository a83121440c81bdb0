/* agentdb_sessions_tests.c - nothing that a script sets or leaves reaches the next tenant. */
#include <stdio.h>
#include <stdlib.h>

#include "agentdb_fixture.h"

/* Everything that a session can keep, each in its most stubborn form. */
static const char leaks_sql[] = "SET search_path = elsewhere, public;\n"
                                "SET statement_timeout = '17s';\n"
                                "SET synchronous_commit = off;\n"
                                "SET standard_conforming_strings = off;\n"
                                "SELECT set_config('app.tenant', 'leaked', false);\n"
                                "SET ROLE leak_role;\n"
                                "RESET ROLE;\n"
                                "SET SESSION ROLE leak_role;\n"
                                "RESET ROLE;\n"
                                "CREATE TEMP TABLE leaked (n int);\n"
                                "CREATE TEMP SEQUENCE leaked_seq;\n"
                                "PREPARE leaked_statement AS SELECT 1;\n"
                                "LISTEN leaked_channel;\n"
                                "SELECT pg_advisory_lock(4711), pg_advisory_lock_shared(4712);\n"
                                "DECLARE leaked_cursor CURSOR WITH HOLD FOR SELECT 1;\n"
                                "SELECT setseed(0.5);\n"
                                "SET SESSION AUTHORIZATION leak_role;\n"
                                "SET ROLE leak_role;\n"
                                "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY;\n";

/* Run as a script on the next tenant: raises what it finds. */
static const char look_sql[] =
    "DO $look$\n"
    "DECLARE found text;\n"
    "BEGIN\n"
    "  SELECT string_agg(what, ', ') INTO found FROM (\n"
    "    SELECT 'path ' || current_setting('search_path') WHERE current_setting('search_path')\n"
    "      <> '\"' || current_schema || '\"' AND current_setting('search_path') <> current_schema\n"
    "    UNION ALL SELECT 'schema ' || current_schema WHERE current_schema NOT LIKE 'clean%%'\n"
    "    UNION ALL SELECT 'timeout' WHERE current_setting('statement_timeout') <> '0'\n"
    "    UNION ALL SELECT 'strings' WHERE current_setting('standard_conforming_strings') <> 'on'\n"
    "    UNION ALL SELECT 'commit' WHERE current_setting('synchronous_commit') <> 'on'\n"
    "    UNION ALL SELECT 'custom' WHERE current_setting('app.tenant', true) <> ''\n"
    "    UNION ALL SELECT 'role ' || current_user WHERE current_user <> 'postgres'\n"
    "    UNION ALL SELECT 'session ' || session_user WHERE session_user <> 'postgres'\n"
    "    UNION ALL SELECT 'temp ' || relname FROM pg_class\n"
    "      WHERE relnamespace = pg_my_temp_schema()\n"
    "    UNION ALL SELECT 'prepared ' || name FROM pg_prepared_statements\n"
    "    UNION ALL SELECT 'cursor ' || name FROM pg_cursors WHERE name = 'leaked_cursor'\n"
    "    UNION ALL SELECT 'channel ' || c FROM pg_listening_channels() c\n"
    "    UNION ALL SELECT 'advisory' FROM pg_locks\n"
    "      WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND (classid::bigint << 32 |\n"
    "            objid::bigint) NOT IN (skein.task_label(current_schema, 'look'),"
    "                               skein.task_label(current_schema, ''))\n"
    "    UNION ALL SELECT 'read only' WHERE current_setting('default_transaction_read_only') = "
    "'on'\n"
    "  ) AS leaks(what);\n"
    "  IF found IS NOT NULL THEN RAISE EXCEPTION 'leaked: %', found; END IF;\n"
    "  INSERT INTO public.backends VALUES (pg_backend_pid());\n"
    "END $look$;\n";

static void leak(struct agentdb *db, const char *name, const char *ending, bool commit_group,
                 enum task_code expected)
{
    struct agentdb_pool *pool = agentdb_pool_new(
        db, &(struct executor_options){ .workers = 1, .commit_group = commit_group });
    char script[sizeof(leaks_sql) + 256];
    char clean[64];

    (void)snprintf(script, sizeof(script), "%s%s", leaks_sql, ending);
    (void)snprintf(clean, sizeof(clean), "clean_%s", name);
    struct prepared_set *leaks = AGENTDB_SET(db, "leaks", { "1.0.0__leak.sql", script });
    struct prepared_set *look = AGENTDB_SET(db, "look", { "1.0.0__look.sql", look_sql });

    agentdb_exec(db, "CREATE SCHEMA %s; CREATE SCHEMA %s; DELETE FROM public.backends", name,
                 clean);
    struct agentdb_order order = { .mode = TASK_RUN, .tenant = clean, .set = look };
    order.mode = TASK_DRY_RUN;
    agentdb_assert_succeeded(agentdb_run(pool, &order)); /* before: nothing there */
    order.mode = TASK_RUN;
    order.tenant = name;
    order.set = leaks;
    const struct task_result *result = agentdb_run(pool, &order);
    if (expected == TASK_CODE_NONE) {
        agentdb_assert_succeeded(result);
    } else {
        agentdb_assert_code(result, TASK_FAILED, expected);
    }
    agentdb_assert_code(agentdb_run(pool, &(struct agentdb_order){ .mode = TASK_DRY_RUN,
                                                                   .tenant = name,
                                                                   .rollout = "r0",
                                                                   .from = "0.0.1",
                                                                   .target = "1.0.0",
                                                                   .set = leaks }),
                        expected == TASK_CODE_NONE ? TASK_SKIPPED : TASK_FAILED,
                        expected == TASK_CODE_NONE ? TASK_CODE_UP_TO_DATE
                                                   : TASK_CODE_VERSION_MOVED);
    order.tenant = clean;
    order.set = look;
    order.token = 2;
    result = agentdb_run(pool, &order);
    if (commit_group) {
        /* Only the commit's own setting differs there. */
        assert_non_null(strstr(result->error.message, "leaked: commit"));
        assert_int_equal(strlen(result->error.message), strlen("leaked: commit"));
    } else {
        agentdb_assert_succeeded(result);
    }
    prepared_set_unref(&leaks);
    prepared_set_unref(&look);
    agentdb_pool_free(&pool);
}

static void nothing_reaches_the_next_tenant_after_success(void **state)
{
    leak(*state, "leak_success", "", false, TASK_CODE_NONE);
}

static void nothing_reaches_the_next_tenant_with_group_commit(void **state)
{
    leak(*state, "leak_group", "", true, TASK_CODE_NONE);
}

static void nothing_reaches_the_next_tenant_after_failure(void **state)
{
    leak(*state, "leak_failure", "SELECT 1/0;", false, TASK_CODE_SQL);
}

static void nothing_reaches_the_next_script(void **state)
{
    struct agentdb *db = *state;
    struct agentdb_pool *pool = agentdb_pool_new(db, &(struct executor_options){ .workers = 1 });
    struct prepared_set *set = AGENTDB_SET(
        db, "dump",
        { "1.0.0__dump.sql", "SELECT pg_catalog.set_config('search_path', '', false);\n"
                             "SET lock_timeout = 0;\nCREATE TABLE dumped.a (n int);" },
        { "2.0.0__role.sql", "CREATE TABLE b (n int);\nSET ROLE leak_role;" },
        { "3.0.0__next.sql", "ALTER TABLE a ADD COLUMN m int;\nDO $$BEGIN IF "
                             "current_setting('lock_timeout') <> '3s' THEN RAISE 'timeout'; END "
                             "IF; END$$;" });

    agentdb_exec(db, "CREATE SCHEMA dumped");
    agentdb_assert_succeeded(agentdb_run(
        pool, &(struct agentdb_order){
                  .mode = TASK_RUN, .tenant = "dumped", .lock_timeout_ms = 3000, .set = set }));
    prepared_set_unref(&set);
    agentdb_pool_free(&pool);
}

static void a_connection_serves_many_tenants_but_not_for_ever(void **state)
{
    enum { TENANTS = 450 };
    struct agentdb *db = *state;
    struct agentdb_pool *pool = agentdb_pool_new(db, &(struct executor_options){ .workers = 1 });
    struct prepared_set *set =
        AGENTDB_SET(db, "backends",
                    { "1.0.0__a.sql", "INSERT INTO public.backends VALUES (pg_backend_pid());" });

    agentdb_exec(db,
                 "DELETE FROM public.backends; DO $$BEGIN FOR i IN 1..%d LOOP EXECUTE 'CREATE "
                 "SCHEMA be_' || i; END LOOP; END$$",
                 TENANTS);
    for (int i = 1; i <= TENANTS; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "be_%d", i);
        agentdb_submit(pool,
                       &(struct agentdb_order){ .mode = TASK_RUN, .tenant = name, .set = set });
    }
    agentdb_pool_wait(pool, TENANTS);
    for (size_t i = 0; i < TENANTS; i++) {
        agentdb_assert_succeeded(pool->results[i].result);
    }
    assert_int_equal(agentdb_count(db, "SELECT count(DISTINCT pid) FROM public.backends"), 3);
    prepared_set_unref(&set);
    agentdb_pool_free(&pool);
}

int agentdb_test_sessions(struct agentdb *db)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(nothing_reaches_the_next_tenant_after_success, db),
        cmocka_unit_test_prestate(nothing_reaches_the_next_tenant_with_group_commit, db),
        cmocka_unit_test_prestate(nothing_reaches_the_next_tenant_after_failure, db),
        cmocka_unit_test_prestate(nothing_reaches_the_next_script, db),
        cmocka_unit_test_prestate(a_connection_serves_many_tenants_but_not_for_ever, db),
    };

    agentdb_exec(db, "CREATE ROLE leak_role; CREATE TABLE public.backends (pid int); GRANT ALL ON "
                     "public.backends TO PUBLIC; CREATE SCHEMA elsewhere");
    return cmocka_run_group_tests_name("sessions", tests, NULL, NULL);
}
