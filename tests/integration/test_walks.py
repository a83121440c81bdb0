"""Migrations that cannot run in one transaction, on a fleet. About 30 s: a
session that died is waited for."""
import threading

from fleet import codes_of
from processes import wait_until
from sets import databases_of, schemas_of, steps, write_set

SCHEMAS = [f"t_{i:02}" for i in range(10)]
DATABASES = ["d_1", "d_2"]
INVALID = "SELECT count(*) FROM pg_index WHERE NOT indisvalid"

INDEX = """-- skein:transaction none
CREATE INDEX CONCURRENTLY account_email ON account (email);
INSERT INTO ledger (script) VALUES ('0.3.0');
CREATE UNIQUE INDEX CONCURRENTLY account_unique ON account (email);
UPDATE counter SET n = n + 1;
"""
INDEX_DOWN = """-- skein:transaction none
DROP INDEX CONCURRENTLY IF EXISTS account_unique;
DROP INDEX CONCURRENTLY IF EXISTS account_email;
"""
# What is made outside a transaction is used in the next one.
KEY = "ALTER TABLE account ADD CONSTRAINT account_key UNIQUE USING INDEX account_unique;"


def scripts():
    return {**steps("0.2.0", "0.4.0", extra={"0.4.0": KEY}),
            "0.3.0__index.sql": INDEX, "0.3.0__index.down.sql": INDEX_DOWN}


def take_off(fleet):
    eu, us = fleet.start_pg("eu"), fleet.start_pg("us")
    fleet.create_schemas(eu, SCHEMAS)
    fleet.create_databases(us, DATABASES)
    fleet.start_coordinator()
    fleet.start_agent("eu-1", eu)
    fleet.start_agent("us-1", us, mode="database", match=["d_*"])
    fleet.wait_tenants(len(SCHEMAS) + len(DATABASES))
    fleet.publish(write_set(fleet.path("billing"), scripts()))
    return eu, schemas_of(eu, SCHEMAS) + databases_of(us, DATABASES)


def assert_arrived(fleet, tenants, rollout):
    status = fleet.wait_phase(rollout, "SUCCEEDED", "FAILED", "PAUSED", "DRY_RUN_FAILED", timeout=120)
    assert status["phase"] == "SUCCEEDED", status
    assert status["counts"]["migrated"] == len(tenants), status
    for tenant in tenants:
        tenant.assert_at("0.1.0", "0.2.0", "0.3.0", "0.4.0")
        assert tenant.sql("SELECT count(*) FROM skein.operation") == [(0,)]
        assert tenant.sql("SELECT count(*) FROM pg_indexes WHERE schemaname = current_schema() "
                          "AND indexname IN ('account_email', 'account_key')") == [(2,)], tenant.name
        assert tenant.sql(INVALID) == [(0,)]


def test_an_agent_dies_while_an_index_is_made(fleet):
    eu, tenants = take_off(fleet)
    fleet.roll_out("billing", "--to", "0.2.0")
    first = tenants[0]
    go_on, waits = threading.Event(), threading.Event()

    def read():
        """A reader that sees the past keeps the index from becoming valid."""
        connection = eu.connect()
        try:
            connection.autocommit = False
            connection.cursor().execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT 1")
            waits.set()
            go_on.wait(60)
            connection.commit()
        finally:
            connection.close()

    reader = threading.Thread(target=read)
    reader.start()
    waits.wait(60)
    rollout = fleet.start_rollout("billing")
    wait_until(lambda: first.sql(INVALID) != [(0,)], "the index to be half made")
    agent = fleet.agents["eu-1"]
    agent.kill()
    agent.start()
    go_on.set()
    reader.join()
    assert_arrived(fleet, tenants, rollout)


def test_an_index_that_cannot_be_unique_is_undone_and_tried_again(fleet):
    _, tenants = take_off(fleet)
    fleet.roll_out("billing", "--to", "0.2.0")
    bad = tenants[3]
    fleet.wait_tenants(len(tenants))
    bad.sql("INSERT INTO account (email) VALUES ('twice'), ('twice')")
    # The dry run says so, since the table is small.
    rollout = fleet.start_rollout("billing")
    status = fleet.wait_phase(rollout, "DRY_RUN_FAILED")
    assert [(e["code"], e["sqlstate"], e["file"], e["statement"]) for e in status["errors"]] == \
        [("SQL", "23505", "0.3.0__index.sql", 3)]
    assert all(t.version() == "0.2.0" for t in tenants)
    bad.sql("DELETE FROM account")
    assert_arrived(fleet, tenants, fleet.start_rollout("billing"))


def test_how_far_an_index_is_can_be_watched(fleet):
    server = fleet.start_pg("eu")
    fleet.create_schemas(server, ["t_1"])
    fleet.start_coordinator()
    fleet.start_agent("eu-1", server)
    fleet.wait_tenants(1)
    accounts = {"0.1.0__accounts.sql": "CREATE TABLE accounts (n bigint);"}
    fleet.publish(write_set(fleet.path("billing"), accounts))
    fleet.roll_out("billing")
    # Holds the run back, where the operation has begun, and not the dry run. A sequence, since what an
    # immutable function sees of a table stays as it was.
    server.sql("""CREATE SEQUENCE public.gate;
        CREATE FUNCTION public.held(n bigint) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
        WHILE n = 900 AND EXISTS (SELECT FROM skein.operation) AND NOT (SELECT is_called FROM public.gate)
        LOOP PERFORM pg_sleep(0.05); END LOOP;
        RETURN n; END $$;
        INSERT INTO t_1.accounts SELECT generate_series(1, 1000)""")
    fleet.publish(write_set(fleet.path("billing"), {**accounts, "0.2.0__index.sql":
        "-- skein:transaction none\nCREATE INDEX CONCURRENTLY accounts_n ON accounts (public.held(n));"}))
    rollout = fleet.start_rollout("billing")

    def shown():
        found = fleet.status(rollout).get("progress")
        return found and "building index" in found[0]["words"] and found[0]

    progress = wait_until(shown, "the server's own progress to be shown")
    assert "0.2.0__index.sql: building index" in progress["words"], progress
    assert int(progress["total"]) > 0, progress
    server.sql("SELECT nextval('public.gate')")
    fleet.wait_phase(rollout, "SUCCEEDED")


def test_repeatable_scripts_behind_a_walk_do_not_find_the_schema_changed(fleet):
    server = fleet.start_pg("eu")
    fleet.create_schemas(server, ["t_1", "t_2"])
    fleet.start_coordinator()
    fleet.start_agent("eu-1", server)
    fleet.wait_tenants(2)
    scripts = {"0.1.0__accounts.sql": "CREATE TABLE accounts (n bigint);"}
    fleet.publish(write_set(fleet.path("billing"), scripts))
    fleet.roll_out("billing")
    scripts |= {"0.2.0__index.sql": "-- skein:transaction none\n"
                                    "CREATE INDEX CONCURRENTLY accounts_n ON accounts (n);",
                "R__count.sql": "CREATE OR REPLACE VIEW number AS SELECT count(*) FROM accounts;"}
    fleet.publish(write_set(fleet.path("billing"), scripts))
    done = fleet.roll_out("billing")
    assert done["counts"]["migrated"] == 2
    assert codes_of(done) == {"LINT"}  # that no copy was tried first, and not STALE
    assert server.value("SELECT * FROM t_2.number") == 0
