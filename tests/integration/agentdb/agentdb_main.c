/* agentdb_main.c - the agent's database side against a real PostgreSQL.
 *
 *   test_agentdb            all tests
 *   test_agentdb GROUP...   those of some groups: pg, tasks, batches, ...
 *   test_agentdb crash ...  a child of the crash-point test */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/keep/journal.h"
#include "agentdb_fixture.h"

static void agentdb_setup(struct agentdb *db)
{
    struct error err = { 0 };

    agentdb_server_init(&db->server);
    db->parser = sql_parser_new();
    if (!pg_conn_open(db->server.conninfo, "", "agentdb", &db->admin, &err) ||
        !journal_ensure(db->admin, &err)) {
        (void)fprintf(stderr, "agentdb: %s\n", err.message);
    }
}

static const struct {
    const char *name;
    int (*run)(struct agentdb *db);
} agentdb_groups[] = {
    { "pg", agentdb_test_pg },
    { "tenants", agentdb_test_tenants },
    { "fingerprint", agentdb_test_fingerprint },
    { "tasks", agentdb_test_tasks },
    { "sessions", agentdb_test_sessions },
    { "faults", agentdb_test_faults },
    { "outages", agentdb_test_outages },
    { "measure", agentdb_test_measure },
    { "walk", agentdb_test_walk },
    { "unwind", agentdb_test_unwind },
    { "batches", agentdb_test_batches },
    { "batch_load", agentdb_test_batch_load },
    { "runners", agentdb_test_runners },
};

static bool agentdb_is_wanted(const char *name, int argc, char *argv[])
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], name) == 0) {
            return true;
        }
    }
    return argc == 1;
}

int main(int argc, char *argv[])
{
    struct agentdb db = { .program = argv[0] };
    int failed = 0;

    if (argc > 1 && strcmp(argv[1], "crash") == 0) {
        return agentdb_crash_child(argc, argv);
    }
    if (argc > 1 && strcmp(argv[1], "walk-child") == 0) {
        return agentdb_walk_child(argc, argv);
    }
    if (argc > 1 && strcmp(argv[1], "unwind-child") == 0) {
        return agentdb_unwind_child(argc, argv);
    }
    agentdb_setup(&db);
    bool benches = argc == 3 && strcmp(argv[1], "dry-run-bench") == 0;
    if (benches) {
        failed = agentdb_bench_dry_run(&db, strtoul(argv[2], NULL, 10));
    }
    for (size_t i = 0; i < COUNT_OF(agentdb_groups) && !benches; i++) {
        if (agentdb_is_wanted(agentdb_groups[i].name, argc, argv)) {
            failed += agentdb_groups[i].run(&db);
        }
    }
    pg_conn_free(&db.admin);
    sql_parser_free(&db.parser);
    agentdb_server_release(&db.server);
    return failed == 0 ? 0 : 1;
}
