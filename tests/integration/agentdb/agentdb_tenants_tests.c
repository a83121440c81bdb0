/* agentdb_tenants_tests.c - finding tenants, and the journal they are found by. */
#include <stdio.h>
#include <stdlib.h>

#include "agent/keep/journal.h"
#include "agent/keep/tenants.h"
#include "agentdb_fixture.h"
#include "common/core/clock.h"

static const char *const no_texts[] = { NULL };

static struct tenants_options schema_options(const struct agentdb *db)
{
    return (struct tenants_options){
        .conninfo = db->server.conninfo, .match = no_texts, .exclude = no_texts, .query = ""
    };
}

static void read_tenants(struct tenants_reader *reader, struct tenants_snapshot *snapshot)
{
    struct error err = { 0 };

    tenants_snapshot_release(snapshot);
    if (!tenants_reader_read(reader, snapshot, &err)) {
        fail_msg("%s", err.message);
    }
}

static const struct tenant_info *find_tenant(const struct tenants_snapshot *snapshot,
                                             const char *name)
{
    for (size_t i = 0; i < snapshot->count; i++) {
        if (strcmp(snapshot->items[i].name, name) == 0) {
            return &snapshot->items[i];
        }
    }
    return NULL;
}

static void schemas_are_found_by_globs_with_versions(void **state)
{
    struct agentdb *db = *state;
    const char *match[] = { "g_*", "exact" };
    const char *exclude[] = { "g_not*" };
    struct tenants_options options = schema_options(db);
    CLEANUP(tenants_snapshot_release) struct tenants_snapshot snapshot = { 0 };

    agentdb_exec(db, "CREATE SCHEMA g_1; CREATE SCHEMA g_2; CREATE SCHEMA g_not; CREATE SCHEMA "
                     "exact; CREATE SCHEMA other; CREATE TABLE g_2.t ();"
                     "INSERT INTO skein.tenant (tenant, set_name, version, fence, rollout) VALUES "
                     "('g_2', 'b', '1.0.0', 7, 'r9'), ('g_2', 'a', '0.1.0', 3, NULL),"
                     "('g_1', 'a', NULL, 0, NULL)");
    options.match = match;
    options.match_count = 2;
    options.exclude = exclude;
    options.exclude_count = 1;
    CLEANUP(tenants_reader_free) struct tenants_reader *reader = tenants_reader_new(&options);
    read_tenants(reader, &snapshot);
    assert_int_equal(snapshot.count, 3);
    assert_string_equal(snapshot.items[0].name, "exact");
    assert_false(snapshot.items[0].has_objects);
    assert_int_equal(snapshot.items[1].version_count,
                     0); /* a row without a version is no version */
    assert_true(snapshot.items[2].has_objects);
    assert_int_equal(snapshot.items[2].version_count, 2);
    assert_string_equal(snapshot.items[2].versions[0].set, "a");
    assert_string_equal(snapshot.items[2].versions[0].rollout, "");
    assert_string_equal(snapshot.items[2].versions[1].version, "1.0.0");
    assert_string_equal(snapshot.items[2].versions[1].rollout, "r9");
    assert_int_equal(snapshot.items[2].versions[1].fence, 7);
}

static void furniture_and_extensions_are_no_tenants_and_no_objects(void **state)
{
    struct agentdb *db = *state;
    struct tenants_options options = schema_options(db);
    const char *match[] = { "*", "public" };
    CLEANUP(tenants_snapshot_release) struct tenants_snapshot snapshot = { 0 };

    agentdb_exec(db, "CREATE SCHEMA with_extension; ALTER DEFAULT PRIVILEGES IN SCHEMA "
                     "with_extension GRANT SELECT ON TABLES TO PUBLIC;"
                     "CREATE EXTENSION citext SCHEMA with_extension");
    CLEANUP(tenants_reader_free) struct tenants_reader *all = tenants_reader_new(&options);
    read_tenants(all, &snapshot);
    assert_null(find_tenant(&snapshot, "public"));
    assert_null(find_tenant(&snapshot, "skein"));
    assert_null(find_tenant(&snapshot, "information_schema"));
    assert_null(find_tenant(&snapshot, "pg_catalog"));
    assert_non_null(find_tenant(&snapshot, "with_extension"));
    assert_false(find_tenant(&snapshot, "with_extension")->has_objects);
    options.match = match;
    options.match_count = 2;
    CLEANUP(tenants_reader_free) struct tenants_reader *outright = tenants_reader_new(&options);
    read_tenants(outright, &snapshot);
    assert_non_null(find_tenant(&snapshot, "public"));
}

static void ten_thousand_schemas_are_one_quick_query(void **state)
{
    struct agentdb *db = *state;
    const char *match[] = { "many_*" };
    struct tenants_options options = schema_options(db);
    CLEANUP(tenants_snapshot_release) struct tenants_snapshot snapshot = { 0 };

    for (int i = 0; i < 4; i++) { /* in pieces, for the lock table */
        agentdb_exec(db,
                     "DO $$BEGIN FOR i IN %d..%d LOOP EXECUTE 'CREATE SCHEMA many_' || i; END "
                     "LOOP; END$$",
                     i * 2500, i * 2500 + 2499);
    }
    agentdb_exec(db, "INSERT INTO skein.tenant (tenant, set_name, version) SELECT 'many_' || i, "
                     "'s', '1.0.0' FROM generate_series(0, 9999) i; ANALYZE skein.tenant; ANALYZE "
                     "pg_namespace; ANALYZE pg_depend");
    options.match = match;
    options.match_count = 1;
    CLEANUP(tenants_reader_free) struct tenants_reader *reader = tenants_reader_new(&options);
    read_tenants(reader, &snapshot);
    uint64_t started_ms = clock_monotonic_ms();
    read_tenants(reader, &snapshot);
    uint64_t took_ms = clock_monotonic_ms() - started_ms;
    print_message("10,000 schemas in %u ms\n", (unsigned)took_ms);
    assert_int_equal(snapshot.count, 10000);
    assert_int_equal(snapshot.items[9999].version_count, 1);
    assert_true(took_ms < 3000);
    agentdb_exec(db, "DELETE FROM skein.tenant WHERE tenant LIKE 'many%%'");
    for (int i = 0; i < 10; i++) {
        agentdb_exec(db,
                     "DO $$BEGIN FOR i IN %d..%d LOOP EXECUTE 'DROP SCHEMA many_' || i; END "
                     "LOOP; END$$",
                     i * 1000, i * 1000 + 999);
    }
}

static void a_query_names_tenants_and_their_labels(void **state)
{
    struct agentdb *db = *state;
    struct tenants_options options = schema_options(db);
    CLEANUP(tenants_snapshot_release) struct tenants_snapshot snapshot = { 0 };
    struct error err = { 0 };

    agentdb_exec(db, "CREATE SCHEMA q_1; CREATE SCHEMA q_2; CREATE SCHEMA q_3;"
                     "CREATE SCHEMA control; CREATE TABLE control.tenants (name text, labels jsonb,"
                     " live bool); INSERT INTO control.tenants VALUES "
                     "('q_1', '{\"tier\": \"free\", \"region\": \"eu\", \"n\": 5}', true),"
                     "('q_2', '{\"tier\": \"paid\"}', false), ('q_3', NULL, true),"
                     "('q_gone', '{}', true)");
    options.query = "SELECT name, labels FROM control.tenants WHERE live -- those that live\n;";
    CLEANUP(tenants_reader_free) struct tenants_reader *reader = tenants_reader_new(&options);
    read_tenants(reader, &snapshot);
    assert_int_equal(snapshot.count, 2);
    assert_string_equal(snapshot.items[0].name, "q_1");
    assert_int_equal(snapshot.items[0].labels.count, 3);
    assert_string_equal(snapshot.items[0].labels.items[0].key, "n");
    assert_string_equal(snapshot.items[0].labels.items[0].value, "5");
    assert_string_equal(snapshot.items[0].labels.items[2].value, "free");
    assert_string_equal(snapshot.items[1].name, "q_3");
    assert_int_equal(snapshot.items[1].labels.count, 0);
    options.query = "SELECT name FROM control.tenants";
    CLEANUP(tenants_reader_free) struct tenants_reader *wrong = tenants_reader_new(&options);
    tenants_snapshot_release(&snapshot);
    assert_false(tenants_reader_read(wrong, &snapshot, &err));
    assert_non_null(strstr(err.message, "name text, labels jsonb"));
}

static void a_reader_survives_a_restart_of_its_connection(void **state)
{
    struct agentdb *db = *state;
    struct tenants_options options = schema_options(db);
    CLEANUP(tenants_reader_free) struct tenants_reader *reader = tenants_reader_new(&options);
    CLEANUP(tenants_snapshot_release) struct tenants_snapshot snapshot = { 0 };

    read_tenants(reader, &snapshot);
    agentdb_exec(db, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE "
                     "application_name = 'skein-agent tenants'");
    read_tenants(reader, &snapshot);
    assert_true(snapshot.count > 0);
}

static void databases_are_tenants_and_get_their_journal(void **state)
{
    struct agentdb *db = *state;
    const char *match[] = { "d_*" };
    struct tenants_options options = schema_options(db);
    CLEANUP(tenants_snapshot_release) struct tenants_snapshot snapshot = { 0 };
    char conninfo[512];
    struct pg_conn *conn = NULL;
    struct error err = { 0 };

    agentdb_exec(db, "CREATE DATABASE d_1 STRATEGY wal_log");
    agentdb_exec(db, "CREATE DATABASE d_2 STRATEGY wal_log");
    agentdb_exec(db, "CREATE DATABASE d_3 STRATEGY wal_log");
    (void)snprintf(conninfo, sizeof(conninfo), "%s", db->server.conninfo);
    assert_true(pg_conn_open(conninfo, "d_2", "agentdb", &conn, &err));
    assert_true(pg_script(conn, "CREATE TABLE public.t ()", NULL, &err));
    assert_true(journal_ensure(conn, &err));
    assert_true(pg_script(conn,
                          "INSERT INTO skein.tenant (tenant, set_name, version) VALUES "
                          "('d_2', 's', '2.0.0')",
                          NULL, &err));
    options.database_mode = true;
    options.match = match;
    options.match_count = 1;
    CLEANUP(tenants_reader_free) struct tenants_reader *reader = tenants_reader_new(&options);
    read_tenants(reader, &snapshot);
    assert_int_equal(snapshot.count, 3);
    assert_false(snapshot.items[0].has_objects);
    assert_true(snapshot.items[1].has_objects);
    assert_string_equal(snapshot.items[1].versions[0].version, "2.0.0");
    assert_string_equal(tenants_reader_trouble(reader), "");
    /* One that cannot be read keeps what was known of it; one that is gone is gone. */
    assert_true(pg_script(conn, "UPDATE skein.meta SET version = 99", NULL, &err));
    agentdb_exec(db, "DROP DATABASE d_1");
    read_tenants(reader, &snapshot);
    assert_int_equal(snapshot.count, 2);
    assert_string_equal(snapshot.items[0].versions[0].version, "2.0.0");
    assert_non_null(strstr(tenants_reader_trouble(reader), "d_2"));
    /* One of which nothing is known is named all the same: no rollout may end without it. */
    CLEANUP(tenants_reader_free) struct tenants_reader *stranger = tenants_reader_new(&options);
    read_tenants(stranger, &snapshot);
    assert_int_equal(snapshot.count, 2);
    assert_string_equal(snapshot.items[0].name, "d_2");
    assert_int_equal(snapshot.items[0].version_count, 0);
    assert_true(pg_script(conn, "UPDATE skein.meta SET version = 1", NULL, &err));
    read_tenants(reader, &snapshot);
    assert_string_equal(tenants_reader_trouble(reader), "");
    pg_conn_free(&conn);
    agentdb_exec(db, "DROP DATABASE d_2");
    agentdb_exec(db, "DROP DATABASE d_3");
}

static void too_few_rights_say_what_to_run(void **state)
{
    struct agentdb *db = *state;
    struct tenants_options options = schema_options(db);
    CLEANUP(tenants_snapshot_release) struct tenants_snapshot snapshot = { 0 };
    struct error err = { 0 };
    char conninfo[512];

    agentdb_exec(db, "CREATE ROLE weak LOGIN");
    agentdb_exec(db, "CREATE DATABASE bare STRATEGY wal_log");
    (void)snprintf(conninfo, sizeof(conninfo), "%s user=weak dbname=bare", db->server.conninfo);
    options.conninfo = conninfo;
    CLEANUP(tenants_reader_free) struct tenants_reader *reader = tenants_reader_new(&options);
    assert_false(tenants_reader_read(reader, &snapshot, &err));
    assert_int_equal(err.code, ERR_REFUSED);
    assert_non_null(strstr(err.message, "journal --print"));
    assert_non_null(strstr(err.message, "TO weak;"));

    /* An administrator does as told. */
    struct pg_conn *conn = NULL;
    assert_true(pg_conn_open(db->server.conninfo, "bare", "agentdb", &conn, &err));
    assert_true(pg_script(conn, journal_sql(), NULL, &err));
    assert_true(pg_script(conn,
                          "GRANT USAGE ON SCHEMA skein TO weak; GRANT SELECT, INSERT, UPDATE, "
                          "DELETE ON ALL TABLES IN SCHEMA skein TO weak; GRANT USAGE ON ALL "
                          "SEQUENCES IN SCHEMA skein TO weak; CREATE SCHEMA owned "
                          "AUTHORIZATION weak",
                          NULL, &err));
    read_tenants(reader, &snapshot);
    assert_int_equal(snapshot.count, 1);

    struct executor_options pool_options = { .conninfo = conninfo };
    struct agentdb_pool *pool = agentdb_pool_new(db, &pool_options);
    struct prepared_set *set =
        AGENTDB_SET(db, "weak", { "1.0.0__a.sql", "CREATE TABLE a (n int);" });
    agentdb_assert_succeeded(agentdb_run(
        pool, &(struct agentdb_order){ .mode = TASK_RUN, .tenant = "owned", .set = set }));
    agentdb_pool_free(&pool);
    prepared_set_unref(&set);
    pg_conn_free(&conn);
}

static void *install_journal(void *conn)
{
    struct error err = { 0 };

    return journal_ensure(conn, &err) ? NULL : conn;
}

static void the_journal_can_be_installed_by_many_at_once(void **state)
{
    struct agentdb *db = *state;
    struct tenants_options options = schema_options(db);
    CLEANUP(tenants_snapshot_release) struct tenants_snapshot snapshot = { 0 };
    const char *match[] = { "j_*" };

    agentdb_exec(db, "CREATE DATABASE j_1 STRATEGY wal_log");
    options.database_mode = true;
    options.match = match;
    options.match_count = 1;
    struct pg_conn *conns[4] = { NULL };
    struct error err = { 0 };
    pthread_t threads[COUNT_OF(conns)];
    for (size_t i = 0; i < COUNT_OF(conns); i++) {
        assert_true(pg_conn_open(db->server.conninfo, "j_1", "agentdb", &conns[i], &err));
    }
    for (size_t i = 0; i < COUNT_OF(conns); i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, install_journal, conns[i]), 0);
    }
    for (size_t i = 0; i < COUNT_OF(conns); i++) {
        void *failed = NULL;
        (void)pthread_join(threads[i], &failed);
        assert_null(failed);
        pg_conn_free(&conns[i]);
    }
    CLEANUP(tenants_reader_free) struct tenants_reader *reader = tenants_reader_new(&options);
    read_tenants(reader, &snapshot);
    assert_int_equal(snapshot.count, 1);
    agentdb_exec(db, "DROP DATABASE j_1");
}

static void history_comes_newest_first(void **state)
{
    struct agentdb *db = *state;
    struct tenants_options options = schema_options(db);
    CLEANUP(tenants_reader_free) struct tenants_reader *reader = tenants_reader_new(&options);
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct history_reply reply = { 0 };
    struct error err = { 0 };

    agentdb_exec(db, "INSERT INTO skein.history (tenant, set_name, version, script, direction, "
                     "checksum, rollout, agent, fence, state, started_at, duration_ms) SELECT "
                     "'h_1', 's', i || '.0.0', 'x', 'up', '\\xAB', 'r', 'a', i, 'done', "
                     "'2026-01-31T12:00:00Z', 1.5 FROM generate_series(1, 5) i");
    assert_true(tenants_reader_history(reader, "h_1", 3, &arena, &reply, &err));
    assert_int_equal(reply.count, 3);
    assert_string_equal(reply.entries[0].version, "5.0.0");
    assert_string_equal(reply.entries[0].checksum, "ab");
    assert_true(reply.entries[0].started_at_ms == 1769860800000);
    assert_int_equal(reply.entries[2].fence, 3);
}

int agentdb_test_tenants(struct agentdb *db)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(schemas_are_found_by_globs_with_versions, db),
        cmocka_unit_test_prestate(furniture_and_extensions_are_no_tenants_and_no_objects, db),
        cmocka_unit_test_prestate(ten_thousand_schemas_are_one_quick_query, db),
        cmocka_unit_test_prestate(a_query_names_tenants_and_their_labels, db),
        cmocka_unit_test_prestate(a_reader_survives_a_restart_of_its_connection, db),
        cmocka_unit_test_prestate(databases_are_tenants_and_get_their_journal, db),
        cmocka_unit_test_prestate(too_few_rights_say_what_to_run, db),
        cmocka_unit_test_prestate(the_journal_can_be_installed_by_many_at_once, db),
        cmocka_unit_test_prestate(history_comes_newest_first, db),
    };

    return cmocka_run_group_tests_name("tenants", tests, NULL, NULL);
}
