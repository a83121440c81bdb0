"""Old transactions are in the way only where they hold what the plan needs: by table and by lock, as
lint foresees it; for CONCURRENTLY, all that hold a snapshot in the database."""
import pytest

from fleet import error_of
from processes import wait_until
from sets import INIT, databases_of, schemas_of, write_set
from test_yield import Session, words_of

TENANTS = ["t_1", "t_2"]
FIRST = INIT + """CREATE TABLE other (id bigint);
CREATE TABLE waits (lock_timeout text);
CREATE TABLE part (id bigint NOT NULL, at date NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE item (account_id bigint);
CREATE FUNCTION until_looked() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1 .. 3000 LOOP
        PERFORM pg_stat_clear_snapshot();
        EXIT WHEN EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'skein-agent watcher'
                          AND state = 'idle' AND query LIKE 'SELECT DISTINCT%' AND query_start > now());
        PERFORM pg_sleep(0.01);
    END LOOP;
END $$;
"""
FULL, SHORT = "800ms", "150ms"  # what a try waits for a lock; where somebody old is in the way
# The agent looks for old transactions once a second; before the dry run ends it has done so.
NOTE = "INSERT INTO waits SELECT current_setting('lock_timeout');\nSELECT until_looked();\n"
# A cursor that is open keeps its snapshot, and locks no table.
SNAPSHOT = "DECLARE looks CURSOR FOR SELECT generate_series(1, 10)"
HIDDEN = """DO $$ DECLARE name text; BEGIN
    SELECT relname INTO name FROM pg_class WHERE oid = 'account'::regclass;
    EXECUTE format('ALTER TABLE %I ADD COLUMN note text', name);
END $$;
"""
INDEX = "-- skein:transaction none\nCREATE INDEX CONCURRENTLY account_email ON account (email);\n"


@pytest.fixture(name="world")
def _world(fleet):
    fleet.server = fleet.start_pg("eu")
    fleet.start_coordinator()
    fleet.tenants = schemas_of(fleet.server, TENANTS)
    fleet.create_schemas(fleet.server, TENANTS)
    begin(fleet)
    return fleet


def begin(world, **options):
    """Whoever has been in a transaction for a moment is old."""
    world.start_agent("eu-1", world.server, flags=("--old-transaction-ms", "100"), **options)
    world.wait_tenants(len(TENANTS))
    world.scripts = {"0.1.0__first.sql": FIRST}
    world.publish(write_set(world.path("billing"), world.scripts))
    world.roll_out("billing")


def old_session(world, statement):
    """Somebody who has been in a transaction for long enough to be old."""
    session = Session(world, statement)
    wait_until(lambda: world.server.value("SELECT clock_timestamp() - xact_start > '200ms' FROM pg_stat_activity"
                                          f" WHERE pid = {session.pid}"), "the transaction to be old")
    return session


def start(world, version, script, *args):
    world.scripts[f"{version}__next.sql"] = script
    world.publish(write_set(world.path("billing"), world.scripts))
    return world.start_rollout("billing", "--lock-timeout", FULL, *args)


def finish(world, rollout):
    status = world.wait_phase(rollout, "SUCCEEDED", "PAUSED", "FAILED", "DRY_RUN_FAILED")
    assert status["phase"] == "SUCCEEDED", status


def waited(tenant):
    """The lock_timeout of the last migration on the tenant."""
    return tenant.sql("SELECT lock_timeout FROM waits ORDER BY ctid DESC LIMIT 1")[0][0]


def wait_for_words(world, rollout, tenant, *parts):
    def said():
        words = words_of(world.status(rollout), f"eu-1/{tenant}")
        return words if all(part in words for part in parts) else None
    return wait_until(said, f"{tenant} to wait for {parts}")


def test_only_the_tables_that_are_locked_matter(world):
    one, two = world.tenants
    elsewhere = old_session(world, "SELECT count(*) FROM t_1.other")
    reader = old_session(world, "SELECT count(*) FROM t_2.account")
    rollout = start(world, "0.2.0", "ALTER TABLE account ADD COLUMN note text;\n" + NOTE)
    words = wait_for_words(world, rollout, "t_2", f"pid {reader.pid} webapp", "when that has ended")
    assert "waits for account (ACCESS EXCLUSIVE)" in words and "holds ACCESS SHARE" in words
    reader.close()
    finish(world, rollout)
    # A reader of another table has made no try short.
    assert waited(one) == FULL and waited(two) == FULL
    elsewhere.close()


def test_a_lock_that_goes_together_with_it_is_in_nobodys_way(world):
    one, two = world.tenants
    reader = old_session(world, "SELECT count(*) FROM t_1.account")
    writer = old_session(world, "INSERT INTO t_2.account (email) VALUES ('a')")
    finish(world, start(world, "0.2.0", "ALTER TABLE account ALTER COLUMN email SET STATISTICS 200;\n" + NOTE))
    assert waited(one) == FULL and waited(two) == FULL
    # A foreign key keeps writers of the other table out, and no readers.
    key = "ALTER TABLE item ADD CONSTRAINT item_account FOREIGN KEY (account_id) REFERENCES account NOT VALID;\n"
    rollout = start(world, "0.3.0", key + NOTE)
    wait_for_words(world, rollout, "t_2", f"pid {writer.pid}", "waits for account (SHARE ROW EXCLUSIVE)",
                   "ROW EXCLUSIVE")
    writer.close()
    finish(world, rollout)
    assert waited(one) == FULL
    reader.close()


def test_partitions_that_no_script_made(world):
    world.server.sql("CREATE TABLE t_2.part_1 PARTITION OF t_2.part FOR VALUES FROM ('2020-01-01') TO ('2021-01-01')")
    reader = old_session(world, "SELECT count(*) FROM t_2.part_1")
    rollout = start(world, "0.2.0", "ALTER TABLE part ADD COLUMN note text;\n")
    wait_for_words(world, rollout, "t_2", f"pid {reader.pid}", "waits for part_1 (ACCESS EXCLUSIVE)")
    reader.close()
    finish(world, rollout)


def test_what_lint_cannot_see_into_may_lock_any_table(world):
    one, two = world.tenants
    reader = old_session(world, "SELECT count(*) FROM t_1.other")
    finish(world, start(world, "0.2.0", HIDDEN + NOTE))
    assert waited(one) == SHORT and waited(two) == FULL
    reader.close()


def test_an_index_waits_for_snapshots_before_it_is_begun(world):
    reader = old_session(world, "SELECT count(*) FROM t_1.account")
    # An idle reader of the very table holds no snapshot, and no lock that matters.
    finish(world, start(world, "0.3.0", INDEX))
    reader.close()
    old = old_session(world, SNAPSHOT)
    rollout = start(world, "0.4.0", INDEX.replace("account_email", "account_second"))
    words = wait_for_words(world, rollout, "t_1", f"pid {old.pid}", "waits for older transactions", "holds a snapshot")
    assert "when that has ended" in words or "webapp" in words, words
    assert world.server.value("SELECT count(*) FROM pg_class WHERE relname = 'account_second'") == 0
    old.close()
    finish(world, rollout)
    assert world.server.value("SELECT count(*) FROM pg_class WHERE relname = 'account_second'") == 2


def test_an_index_waits_for_no_longer_than_its_patience(world):
    old = old_session(world, SNAPSHOT)
    rollout = start(world, "0.2.0", INDEX, "--patience", "1s")
    status = world.wait_phase(rollout, "PAUSED", "FAILED")
    error = error_of(status, "eu-1/t_1")
    assert error["code"] == "LOCK_TIMEOUT" and error["file"] == "0.2.0__next.sql", error
    assert f"pid {old.pid} webapp" in error["detail"] and "a snapshot" in error["message"], error
    assert world.server.value("SELECT count(*) FROM pg_class WHERE relname = 'account_email'") == 0
    old.close()


def test_databases(fleet):
    fleet.server = fleet.start_pg("eu")
    fleet.create_databases(fleet.server, TENANTS)
    fleet.start_coordinator()
    begin(fleet, mode="database")
    connections = [fleet.server.connect(name) for name in TENANTS]
    for connection, table in zip(connections, ["other", "account"]):
        connection.autocommit = False
        connection.cursor().execute(f"SELECT count(*) FROM {table}")
    rollout = start(fleet, "0.2.0", "ALTER TABLE account ADD COLUMN note text;\n" + NOTE)
    wait_for_words(fleet, rollout, "t_2", f"pid {connections[1].info.backend_pid}")
    connections[1].rollback()
    finish(fleet, rollout)
    assert [waited(tenant) for tenant in databases_of(fleet.server, TENANTS)] == [FULL, FULL]
    for connection in connections:
        connection.close()
