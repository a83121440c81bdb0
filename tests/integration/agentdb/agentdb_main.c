/* agentdb_main.c - the agent's database side against a real PostgreSQL.
 *
 *   test_agentdb            all tests
 *   test_agentdb crash ...  a child of the crash-point test */
#include <stdio.h>

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

int main(int argc, char *argv[])
{
    struct agentdb db = { .program = argv[0] };
    int failed = 0;

    if (argc > 1 && strcmp(argv[1], "crash") == 0) {
        return agentdb_crash_child(argc, argv);
    }
    agentdb_setup(&db);
    failed += agentdb_test_pg(&db);
    failed += agentdb_test_tenants(&db);
    failed += agentdb_test_tasks(&db);
    failed += agentdb_test_sessions(&db);
    failed += agentdb_test_faults(&db);
    failed += agentdb_test_outages(&db);
    failed += agentdb_test_batches(&db);
    pg_conn_free(&db.admin);
    sql_parser_free(&db.parser);
    agentdb_server_release(&db.server);
    return failed == 0 ? 0 : 1;
}
