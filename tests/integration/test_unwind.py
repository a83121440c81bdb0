"""What a rollout did in more than one transaction is undone: statements outside a transaction, batches,
programs, operations of the scope control; whatever dies meanwhile.

Budget: 120 s, of which 50 s wait for leases to end.
"""
import json
import os
import signal

import pytest
import yaml

from fleet import FINAL, add_up, error_of
from processes import wait_until
from sets import schemas_of, write_set

NAMES = ["t_1", "t_2", "t_3"]

# Neither way is idempotent: `down` counts what was undone.
INIT = """CREATE TABLE item (id int PRIMARY KEY, name text, filled boolean);
INSERT INTO item SELECT i, 'n' || i, NULL FROM generate_series(1, 50) i;
CREATE TABLE done (what text PRIMARY KEY);
CREATE TABLE down (what text PRIMARY KEY);
CREATE TABLE fails (yes boolean);
INSERT INTO fails VALUES (false);
CREATE SEQUENCE attempts;
"""


def up(what):
    return f"INSERT INTO done VALUES ('{what}');\n"


def down(what, extra=""):
    return f"{extra}DELETE FROM done WHERE what = '{what}';\nINSERT INTO down VALUES ('{what}');\n"


LOOSE = "-- skein:transaction none\n"
CONTROL = "-- skein:scope control\n"
WHO = "current_setting('skein.shard') || '/' || current_setting('skein.tenant')"
# A sequence is not rolled back: the dry run takes the first number, the run the second.
FAILS_IN_THE_RUN = "SELECT 1 / (NOT (yes AND nextval('attempts') > 1))::int FROM fails;\n"


class World:
    """Three tenants on a shard whose agent runs programs, and lends its control database."""

    def __init__(self, fleet):
        self.fleet = fleet
        self.bin = fleet.path("bin")
        os.makedirs(self.bin)
        self.log = fleet.path("calls.log")
        self.server = fleet.start_pg("eu")
        fleet.create_schemas(self.server, NAMES)
        fleet.create_databases(self.server, ["control"])
        self.server.sql("CREATE TABLE registry (tenant text PRIMARY KEY); CREATE TABLE plan (tenant text PRIMARY KEY "
                        "REFERENCES registry)", database="control")
        fleet.start_coordinator()
        self.flags = ["--allow-exec", f"{self.bin}/*", "--control-database", "control"]
        fleet.start_agent("eu-1", self.server, flags=self.flags)
        fleet.wait_tenants(len(NAMES))
        self.tenants = schemas_of(self.server, NAMES)

    def program(self, name, text, **more):
        path = f"{self.bin}/{name}"
        with open(path, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\n" + text)
        os.chmod(path, 0o755)
        return yaml.safe_dump({"program": path, **more})

    def scripts(self):
        """Every kind, each with its way back."""
        note = f"echo $SKEIN_DIRECTION $SKEIN_TENANT >>{self.log}\n"
        return {
            "0.1.0__init.sql": INIT,
            "0.2.0__mixed/10_sql.sql": up("sql"),
            "0.2.0__mixed/10_sql.down.sql": down("sql", FAILS_IN_THE_RUN),
            "0.2.0__mixed/20_index.sql": LOOSE + "CREATE INDEX CONCURRENTLY item_name ON item (name);\n",
            "0.2.0__mixed/20_index.down.sql": LOOSE + "DROP INDEX CONCURRENTLY item_name;\n" + down("index"),
            "0.2.0__mixed/30_fill.batch.sql":
                "-- skein:batch_rows 20\nSELECT id FROM item WHERE filled IS NULL;\n"
                "UPDATE item SET filled = true FROM chunk WHERE item.id = chunk.id;\n",
            "0.2.0__mixed/30_fill.down.batch.sql":
                "-- skein:batch_rows 20\nSELECT id FROM item WHERE filled;\n"
                "UPDATE item SET filled = NULL FROM chunk WHERE item.id = chunk.id;\n",
            "0.2.0__mixed/40_tell.exec.yaml": self.program("tell", note),
            "0.2.0__mixed/40_tell.down.exec.yaml": self.program("untell", note),
            "0.2.0__mixed/50_enter.sql": CONTROL + f"INSERT INTO registry VALUES ({WHO});\n",
            "0.2.0__mixed/50_enter.down.sql": CONTROL + f"DELETE FROM registry WHERE tenant = {WHO};\n",
            "0.2.0__mixed/60_plan.sql": CONTROL + f"INSERT INTO plan VALUES ({WHO});\n",
            "0.2.0__mixed/60_plan.down.sql": CONTROL + f"DELETE FROM plan WHERE tenant = {WHO};\n",
            "0.3.0__end.sql": up("end"),
            "0.3.0__end.down.sql": down("end"),
        }

    def publish(self, changes=None):
        scripts = self.scripts()
        scripts.update(changes or {})
        self.fleet.publish(write_set(self.fleet.path("billing"), {k: v for k, v in scripts.items() if v},
                                     control="eu-1/control"))

    def calls(self):
        with open(self.log, encoding="utf-8") as file:
            return sorted(file.read().splitlines())

    def control(self):
        return [sorted(row[0] for row in self.server.sql(f"SELECT tenant FROM {table}", database="control"))
                for table in ("registry", "plan")]

    def take_up(self):
        self.fleet.roll_out("billing", "--to", "0.1.0")
        return self.fleet.roll_out("billing")["id"]

    def index_is_there(self, tenant):
        return tenant.sql("SELECT to_regclass('item_name') IS NOT NULL")[0][0]

    def assert_undone(self, tenant, times_up=1):
        assert tenant.version() == "0.1.0"
        assert tenant.sql("SELECT what FROM done") == []
        assert tenant.sql("SELECT what FROM down ORDER BY what") == [("end",), ("index",), ("sql",)]
        assert tenant.sql("SELECT count(*) FROM item WHERE filled") == [(0,)]
        assert not self.index_is_there(tenant)
        assert [row[1:] for row in tenant.history()][-2:] == [("0.3.0__end", "down", "done"),
                                                              ("0.2.0__mixed", "down", "done")]
        assert tenant.sql("SELECT count(*) FROM skein.operation") == [(0,)]


@pytest.fixture(name="world")
def fixture_world(fleet):
    return World(fleet)


def test_every_kind_is_undone_newest_first(world):
    world.publish()
    rollout = world.take_up()
    paths = [f"eu-1/{name}" for name in NAMES]
    assert world.control() == [paths, paths]
    status = world.fleet.skein("rollout", "rollback", rollout, "--yes", "--wait", json=True, check=0).json
    assert status["phase"] == "ROLLED_BACK", json.dumps(status, indent=1)
    assert status["counts"]["rolled_back"] == add_up(status["counts"]) == len(NAMES)
    for tenant in world.tenants:
        world.assert_undone(tenant)
    assert world.control() == [[], []]
    assert world.calls() == sorted([f"{way} {name}" for name in NAMES for way in ("up", "down")])
    # And up again, as if nothing had been.
    assert world.fleet.roll_out("billing")["counts"]["migrated"] == len(NAMES)
    assert world.control() == [paths, paths]
    for tenant in world.tenants:
        assert tenant.version() == "0.3.0" and world.index_is_there(tenant)


def test_whatever_has_no_way_back_is_named_before_anything_is_touched(world):
    world.publish({"0.2.0__mixed/40_tell.down.exec.yaml": None, "0.2.0__mixed/20_index.down.sql": None,
                   "0.2.0__mixed/60_plan.down.sql": None})
    rollout = world.take_up()
    refused = world.fleet.skein("rollout", "rollback", rollout, "--yes", check=7)
    for name in ("40_tell.exec.yaml", "20_index.sql", "60_plan.sql"):
        assert name in refused.err, refused
    assert "30_fill" not in refused.err
    # A program that undoes has to be one that this agent may run, and that is seen before, too.
    world.publish({"0.2.0__mixed/40_tell.down.exec.yaml": "program: /bin/false\n"})
    status = world.fleet.skein("rollout", "rollback", rollout, "--yes", "--wait", json=True, check=4).json
    assert status["phase"] == "FAILED" and status["counts"]["failed"] == len(NAMES), status
    assert error_of(status, "eu-1/t_1")["file"] == "0.2.0__mixed/40_tell.down.exec.yaml"
    for tenant in world.tenants:
        assert tenant.version() == "0.3.0" and tenant.sql("SELECT count(*) FROM down") == [(0,)]


def stop_on_the_way_back(world):
    """A rollback that is in the middle of undoing, until the file is removed."""
    gate = world.fleet.path("gate")
    world.publish({"0.2.0__mixed/40_tell.down.exec.yaml": world.program(
        "linger", f"echo $SKEIN_DIRECTION $SKEIN_TENANT >>{world.log}\n"
                  f"while [ -e {gate} ]; do sleep 0.05; done\n")})
    rollout = world.take_up()
    with open(gate, "w", encoding="utf-8"):
        pass
    world.fleet.skein("rollout", "rollback", rollout, "--yes", check=0)
    wait_until(lambda: any(c.startswith("down") for c in world.calls()), "a program that undoes")
    return rollout, gate


def test_an_agent_that_is_killed_in_the_middle_undoes_nothing_twice(world):
    rollout, gate = stop_on_the_way_back(world)
    one = next(t for t in world.tenants if t.version() == "0.1.0")
    # Its journal says what is true: no migration is whole but the first, and the rest is half done.
    assert one.history()[-1][1:] == ("0.2.0__mixed", "down", "started")
    assert one.sql("SELECT what FROM down") == [("end",)] and world.index_is_there(one)
    world.fleet.agents["eu-1"].kill()
    os.remove(gate)
    world.fleet.agents["eu-1"].start()
    status = world.fleet.wait_phase(rollout, *FINAL, "PAUSED", timeout=90)
    assert status["phase"] == "ROLLED_BACK", json.dumps(status, indent=1)
    for tenant in world.tenants:
        world.assert_undone(tenant)
    assert world.control() == [[], []]


@pytest.mark.parametrize("point", ["control_before_begin", "control_after_commit"])
def test_the_control_database_is_told_once_whoever_dies(world, point):
    world.publish()
    rollout = world.take_up()
    world.fleet.agents["eu-1"].process.stop(signal.SIGTERM)
    world.fleet.start_agent("eu-1", world.server, key="dying", flags=world.flags, SKEIN_CRASH_AT=point)
    world.fleet.skein("rollout", "rollback", rollout, "--yes", check=0)
    wait_until(lambda: not world.fleet.agents["dying"].process.is_running(), "the agent to die")
    del world.fleet.agents["dying"]
    world.fleet.start_agent("eu-1", world.server, key="next", flags=world.flags)
    status = world.fleet.wait_phase(rollout, *FINAL, "PAUSED", timeout=90)
    assert status["phase"] == "ROLLED_BACK", json.dumps(status, indent=1)
    for tenant in world.tenants:
        world.assert_undone(tenant)
    assert world.control() == [[], []]
    told = world.server.sql("SELECT tenant, script, direction FROM skein.history WHERE direction = 'down'",
                            database="control")
    assert len(told) == len(set(told)) == 2 * len(NAMES), told


def test_a_rollback_that_failed_goes_on_or_is_given_up(world):
    world.publish()
    rollout = world.take_up()
    broken = world.tenants[1]
    broken.sql("UPDATE fails SET yes = true")
    status = world.fleet.skein("rollout", "rollback", rollout, "--yes", "--wait", json=True, check=4).json
    assert status["phase"] == "FAILED" and status["counts"]["rolled_back"] == 2, json.dumps(status, indent=1)
    assert status["counts"]["failed"] == 1 and status["rollback"] == "undoing"
    error = error_of(status, "eu-1/t_2")
    assert error["mode"] == "rollback" and error["file"] == "0.2.0__mixed/10_sql.down.sql", error
    assert "half done" in error["hint"] and "10_sql" in error["hint"], error
    said = world.fleet.skein("rollout", "status", rollout).out
    assert "2 rolled back" in said and f"skein rollout abort {rollout}" in said, said
    assert broken.version() == "0.1.0" and not world.index_is_there(broken)
    # Given up: it stays as it is, and says so.
    world.fleet.skein("rollout", "abort", rollout, "--yes", check=0)
    status = world.fleet.status(rollout)
    assert status["phase"] == "ABORTED" and error_of(status, "eu-1/t_2")["mode"] == "rollback", status
    # Taken up again: what is left is undone.
    broken.sql("UPDATE fails SET yes = false")
    status = world.fleet.skein("rollout", "rollback", rollout, "--yes", "--wait", json=True, check=0).json
    assert status["phase"] == "ROLLED_BACK" and status["errors"] == [], json.dumps(status, indent=1)
    for tenant in world.tenants:
        world.assert_undone(tenant)


def test_an_abort_in_the_middle_names_who_is_half_way(world):
    rollout, gate = stop_on_the_way_back(world)
    world.fleet.skein("rollout", "abort", rollout, "--yes", check=0)
    os.remove(gate)
    status = world.fleet.wait_phase(rollout, "ABORTED")
    half = [t for t in world.tenants if t.version() == "0.1.0"]
    warned = {w["tenant"]: w for w in status["warnings"] if w["code"] == "CANCELLED"}
    assert half and sorted(warned) == [f"eu-1/{t.name}" for t in half], status["warnings"]
    assert all("half done" in w["hint"] for w in warned.values()), warned
    status = world.fleet.skein("rollout", "rollback", rollout, "--yes", "--wait", json=True, check=0).json
    assert status["phase"] == "ROLLED_BACK", json.dumps(status, indent=1)
    for tenant in world.tenants:
        world.assert_undone(tenant)


def test_a_first_migration_that_is_half_undone_can_go_up_again(world):
    world.fleet.publish(write_set(world.fleet.path("first"), {
        "0.1.0__init/10_table.sql": "CREATE TABLE thing (n int); CREATE TABLE gate (shut boolean);"
                                    "INSERT INTO gate VALUES (true);\n",
        "0.1.0__init/10_table.down.sql": "SELECT 1 / (NOT (shut AND (SELECT count(*) FROM pg_class WHERE relname = "
                                         "'thing_n') = 0))::int FROM gate; DROP TABLE thing, gate;\n",
        "0.1.0__init/20_index.sql": LOOSE + "CREATE INDEX CONCURRENTLY thing_n ON thing (n);\n",
        "0.1.0__init/20_index.down.sql": LOOSE + "DROP INDEX CONCURRENTLY thing_n;\n"}, name="first"))
    rollout = world.fleet.roll_out("first", "--tenants", "tenant=t_1")["id"]
    one = world.tenants[0]
    status = world.fleet.skein("rollout", "rollback", rollout, "--yes", "--wait", json=True, check=4).json
    assert status["phase"] == "FAILED" and status["rollback"] == "undoing", json.dumps(status, indent=1)
    assert one.version("first") is None and one.exists("thing")
    world.fleet.skein("rollout", "abort", rollout, "--yes", check=0)
    status = world.fleet.roll_out("first", "--tenants", "tenant=t_1")
    assert status["counts"]["migrated"] == 1, json.dumps(status, indent=1)
    again = status["id"]
    assert one.version("first") == "0.1.0" and one.sql("SELECT to_regclass('thing_n') IS NOT NULL") == [(True,)]
    one.sql("UPDATE gate SET shut = false")
    world.fleet.skein("rollout", "rollback", again, "--yes", "--wait", check=0)
    assert one.version("first") is None and not one.exists("thing")


def test_the_policy_undoes_walks_too(world):
    world.publish({"0.3.0__end.sql": FAILS_IN_THE_RUN + up("end"), "0.2.0__mixed/10_sql.down.sql": down("sql")})
    world.fleet.roll_out("billing", "--to", "0.1.0")
    world.tenants[2].sql("UPDATE fails SET yes = true")
    status = world.fleet.skein("rollout", "start", "billing", "--policy", "rollback", "--wait", json=True,
                               check=4).json
    assert status["phase"] == "ROLLED_BACK", json.dumps(status, indent=1)
    assert error_of(status, "eu-1/t_3")["file"] == "0.3.0__end.sql"
    assert world.control() == [[], []]
    for tenant in world.tenants:
        assert tenant.version() == "0.1.0" and not world.index_is_there(tenant)
        assert tenant.sql("SELECT what FROM done") == []


def test_what_can_be_rehearsed_is_and_the_rest_is_named(world):
    world.publish()
    world.fleet.roll_out("billing", "--to", "0.1.0")
    status = world.fleet.roll_out("billing", "--rehearse-rollback", "--dry-run-only")
    left = [w for w in status["warnings"] if w["code"] == "ROLLBACK"]
    assert len(left) == len(NAMES), status["warnings"]
    for name in ("20_index.sql", "30_fill.batch.sql", "40_tell.exec.yaml", "50_enter.sql", "60_plan.sql"):
        assert name in left[0]["message"], left
    assert "10_sql" not in left[0]["message"] and "failed without it" not in left[0]["message"], left
    # A way back that does not lead back is found all the same.
    world.publish({"0.4.0__more/10_column.sql": "ALTER TABLE item ADD note text;\n",
                   "0.4.0__more/10_column.down.sql": "SELECT 1;\n",
                   "0.4.0__more/20_index.sql": "CREATE INDEX item_note ON item (note);\n",
                   "0.4.0__more/20_index.down.sql": LOOSE + "DROP INDEX CONCURRENTLY item_note;\n"})
    failed = world.fleet.roll_out("billing", "--rehearse-rollback", phase="DRY_RUN_FAILED")
    error = error_of(failed, "eu-1/t_1")
    assert error["code"] == "ROLLBACK" and "left over: column item.note text" in error["message"], error
    for tenant in world.tenants:
        assert tenant.version() == "0.1.0" and tenant.sql("SELECT count(*) FROM done") == [(0,)]
