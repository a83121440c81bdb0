"""A rollout keeps out of the application's way: who is in its way is waited for, and named; who
waits for it is let through."""
import threading
import time

import pytest

from fleet import error_of
from processes import wait_until
from sets import INIT, databases_of, schemas_of, step, write_set

NAMES = ["t_1", "t_2", "t_3"]
REWRITE = """ALTER TABLE account ADD COLUMN note text;
SELECT pg_sleep(0.01);
"""


@pytest.fixture(name="world")
def _world(fleet):
    fleet.server = fleet.start_pg("eu")
    fleet.start_coordinator()
    fleet.tenants = schemas_of(fleet.server, NAMES)
    fleet.create_schemas(fleet.server, NAMES)
    return fleet


def begin(world, **options):
    """All tenants at 0.1.0; the next version changes `account`."""
    agent = world.start_agent("eu-1", world.server, **options)
    world.wait_tenants(len(NAMES))
    world.publish(write_set(world.path("billing"), {"0.1.0__init.sql": INIT}))
    world.roll_out("billing")
    return agent


def grow(world, script=REWRITE, name="0.2.0__note.sql", **more):
    world.publish(write_set(world.path("billing"), {"0.1.0__init.sql": INIT, name: script, **more}))


class Session:
    """Somebody of the application."""

    def __init__(self, world, statement, application="webapp"):
        self.connection = world.server.connect()
        self.connection.autocommit = False
        self.pid = self.connection.info.backend_pid
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT set_config('application_name', %s, false)", (application,))
            cursor.execute(statement)

    def close(self):
        self.connection.rollback()
        self.connection.close()


def words_of(status, tenant):
    return " ".join(p["words"] for p in status.get("progress", []) if p["tenant"] == tenant)


class Traffic:
    """Short queries on a table, again and again, and how long the longest took."""

    def __init__(self, world, statement, count=2):
        self.world = world
        self.statement = statement
        self.stopping = threading.Event()
        self.longest_s = 0.0
        self.failures = []
        self.queries = 0
        self.threads = [threading.Thread(target=self._run, daemon=True) for _ in range(count)]
        for thread in self.threads:
            thread.start()

    def _run(self):
        connection = self.world.server.connect()
        while not self.stopping.is_set():
            started = time.monotonic()
            try:
                connection.cursor().execute(self.statement)
            except Exception as error:  # pylint: disable=broad-except
                self.failures.append(str(error))
            self.longest_s = max(self.longest_s, time.monotonic() - started)
            self.queries += 1
            time.sleep(0.01)
        connection.close()

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join()
        assert self.failures == []
        return self.longest_s


def test_a_long_reader_is_named_and_waited_for(world):
    begin(world, flags=("--yield-after-ms", "1000"))
    reader = Session(world, "SELECT count(*) FROM t_2.account")
    traffic = Traffic(world, "SELECT count(*) FROM t_2.account")
    grow(world)
    rollout = world.start_rollout("billing", "--lock-timeout", "400ms")

    def named():
        return f"pid {reader.pid} webapp (postgres)" in words_of(world.status(rollout), "eu-1/t_2")
    wait_until(named, "the reader to be named")
    words = words_of(world.status(rollout), "eu-1/t_2")
    assert "waits for account" in words and "idle in transaction" in words, words
    assert "holds ACCESS SHARE:" in words and "count" in words, words
    # It makes no queue behind a transaction that is known to be there still.
    wait_until(lambda: "when that has ended" in words_of(world.status(rollout), "eu-1/t_2"), "no try")
    # The others have not waited for it: their dry runs are done.
    wait_until(lambda: world.status(rollout)["counts"]["dry_run_passed"] == len(NAMES) - 1, "the others")
    text = world.skein("rollout", "status", rollout, check=0).out
    assert f"pid {reader.pid}" in text, text
    reader.close()
    world.wait_phase(rollout, "SUCCEEDED")
    queued = traffic.stop()
    assert traffic.queries > 10
    # On a machine that is slow some queries are, whoever is in their way; a queue would be minutes.
    assert queued < 5, queued


def test_patience_ends_with_the_blocker_in_the_error(world):
    begin(world)
    reader = Session(world, "SELECT count(*) FROM t_2.account")
    grow(world)
    rollout = world.start_rollout("billing", "--lock-timeout", "200ms", "--patience", "2s")
    status = world.wait_phase(rollout, "DRY_RUN_FAILED")
    error = error_of(status, "eu-1/t_2")
    assert error["code"] == "LOCK_TIMEOUT" and error["sqlstate"] == "55P03", error
    assert f"pid {reader.pid} webapp" in error["detail"] and "tried" in error["detail"], error
    assert [e["tenant"] for e in status["errors"]] == ["eu-1/t_2"]
    reader.close()
    world.roll_out("billing")
    for tenant in world.tenants:
        assert tenant.sql("SELECT count(*) FROM information_schema.columns WHERE column_name = 'note'"
                          f" AND table_schema = '{tenant.schema}'")[0][0] == 1


def test_a_migration_that_holds_up_the_application_yields(world):
    """It holds a lock for longer than anybody may wait, as long as somebody does."""
    begin(world, flags=("--yield-after-ms", "400"))
    traffic = Traffic(world, "SELECT count(*) FROM t_2.account")
    grow(world, "ALTER TABLE account ADD COLUMN note text;\nSELECT pg_sleep(20);\n")
    # A dry run does not do that to the application again and again: not for all of its patience.
    rollout = world.start_rollout("billing", "--tenants", "tenant=t_2")
    status = world.wait_phase(rollout, "DRY_RUN_FAILED")
    error = error_of(status, "eu-1/t_2")
    assert error["code"] == "YIELDED", error
    assert "waited for it" in error["message"]
    assert "tried 3 times" in error["detail"], error
    assert error["file"] == "0.2.0__note.sql", error
    longest = traffic.stop()
    assert longest < 5, longest  # and not 20


def test_the_rollouts_lock_budget_comes_before_the_agents_setting(world):
    """One session that waits is enough; by the agent alone it would wait for a minute."""
    begin(world, flags=("--yield-after-ms", "60000"))
    grow(world, "ALTER TABLE account ADD COLUMN note text;\nSELECT pg_sleep(30);\n")
    traffic = Traffic(world, "SELECT count(*) FROM t_2.account", count=1)
    rollout = world.start_rollout("billing", "--tenants", "tenant=t_2", "--dry-run", "off", "--yes", "--patience", "1ms",
                                  "--lock-budget", "300ms")
    status = world.wait_phase(rollout, "PAUSED", "FAILED")
    error = error_of(status, "eu-1/t_2")
    assert error["code"] == "YIELDED" and "1 session waited for it" in error["message"], error
    longest = traffic.stop()
    assert 0.1 < longest < 10, longest  # and not 30


def test_a_walk_yields_and_goes_on_from_where_it_was(world):
    begin(world, flags=("--yield-after-ms", "400"))
    holds = "DO $$ BEGIN LOCK TABLE account; IF nextval('attempts') IN (1, 3) THEN PERFORM pg_sleep(30); END IF; END $$;\n"
    write_set(world.path("billing"), {
        "0.1.0__init.sql": INIT,
        "0.2.0__two/10_first.sql": "-- skein:transaction none\nCREATE INDEX CONCURRENTLY account_email ON account (email);\n",
        "0.2.0__two/20_second.sql": holds + step("0.2.0")})
    world.publish(world.path("billing"))
    traffic = Traffic(world, "SELECT count(*) FROM t_2.account")
    # Once in the dry run, once in the run.
    rollout = world.start_rollout("billing", "--tenants", "tenant=t_2")
    world.wait_phase(rollout, "SUCCEEDED")
    assert traffic.stop() < 10
    assert world.tenants[1].ledger() == ["0.1.0", "0.2.0"]
    done = world.server.value("SELECT count(*) FROM pg_indexes WHERE schemaname = 't_2' AND tablename = 'account'")
    assert done == 2  # the key's and ours: made once
    world.tenants[1].assert_at("0.1.0", "0.2.0")


def test_a_cancelled_rest_is_answered(world):
    begin(world)
    reader = Session(world, "SELECT count(*) FROM t_2.account")
    grow(world)
    rollout = world.start_rollout("billing", "--lock-timeout", "100ms")
    wait_until(lambda: words_of(world.status(rollout), "eu-1/t_2") != "", "the tenant to wait")
    world.skein("rollout", "abort", rollout, "--reason", "enough", "--yes", check=0)
    world.wait_phase(rollout, "ABORTED")
    assert world.skein("lock", "list", json=True, check=0).json == []
    reader.close()


def test_workers_are_fewer_while_tables_are_busy(world):
    agent = begin(world, workers=4)
    assert agent.metrics()["skein_workers_allowed"] == 4
    readers = [Session(world, f"SELECT count(*) FROM {name}.account") for name in NAMES]
    grow(world)
    rollout = world.start_rollout("billing", "--lock-timeout", "100ms")
    wait_until(lambda: 'event=workers_allowed count=2 why="sessions waited for locks"' in
               agent.process.log(), "fewer workers")
    for reader in readers:
        reader.close()
    world.wait_phase(rollout, "SUCCEEDED")
    # One more with each second of peace.
    world.roll_out("billing", "--to", "0.2.0")
    shard = world.skein("shard", "list", json=True, check=0).json[0]
    assert shard["workers"] == 4 and 2 <= shard["workers_now"] <= 4, shard


def test_nothing_begins_while_a_standby_is_behind(world):
    begin(world, flags=("--max-lag-ms", "300"))
    standby = world.start_pg("eu-standby", primary=world.server)
    wait_until(lambda: world.server.value("SELECT count(*) FROM pg_stat_replication"
                                          " WHERE state = 'streaming'") == 1, "the standby")
    standby.sql("SELECT pg_wal_replay_pause()")
    grow(world, "SELECT pg_sleep(1);\n" + REWRITE)
    rollout = world.start_rollout("billing", "--concurrency", 1)
    wait_until(lambda: any("waits for the standby" in p["words"]
                           for p in world.status(rollout).get("progress", [])), "a task to wait")
    shard = world.skein("shard", "list", json=True, check=0).json[0]
    assert shard["workers_reason"] == "a standby is behind", shard
    assert "1 of 2: a standby is behind" in world.skein("shard", "list", check=0).out
    standby.sql("SELECT pg_wal_replay_resume()")
    world.wait_phase(rollout, "SUCCEEDED")


def test_databases(fleet):
    server = fleet.start_pg("eu")
    fleet.create_databases(server, NAMES)
    fleet.start_coordinator()
    fleet.server = server
    begin(fleet, mode="database")
    connection = server.connect("t_2")
    connection.autocommit = False
    connection.cursor().execute("SELECT count(*) FROM account")
    grow(fleet)
    rollout = fleet.start_rollout("billing")
    pid = connection.info.backend_pid
    wait_until(lambda: f"pid {pid}" in words_of(fleet.status(rollout), "eu-1/t_2"), "it to be named")
    connection.rollback()
    connection.close()
    fleet.wait_phase(rollout, "SUCCEEDED")
    assert all(tenant.version() == "0.2.0" for tenant in databases_of(server, NAMES))
