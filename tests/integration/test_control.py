"""Operations of the scope control: run in a database that tenants of all shards share, by the agent next
to it, each once for each tenant, whoever dies on the way.

Budget: 40 s.
"""
import os
import shutil
import signal

import pytest

from fleet import ROOT
from processes import wait_until
from sets import schemas_of, write_set

REGISTRY = """CREATE TABLE registry (tenant text, at timestamptz NOT NULL DEFAULT now());
CREATE TABLE gate (open boolean NOT NULL);
INSERT INTO gate VALUES (true);
CREATE SEQUENCE attempts;
"""

TELL = """-- skein:scope control
-- The sequence is not rolled back: it counts tries.
SELECT nextval('attempts');
SELECT 1 / open::int FROM gate;
INSERT INTO registry (tenant) VALUES (current_setting('skein.shard') || '/' || current_setting('skein.tenant'));
"""
TELL_DOWN = """-- skein:scope control
DELETE FROM registry WHERE tenant = current_setting('skein.shard') || '/' || current_setting('skein.tenant');
"""

SCRIPTS = {
    "0.1.0__init.sql": "CREATE TABLE once (n int); CREATE TABLE fails (yes boolean); INSERT INTO fails VALUES (false);",
    "0.2.0__tell/10_before.sql": "INSERT INTO once VALUES (1);",
    "0.2.0__tell/10_before.down.sql": "DELETE FROM once WHERE n = 1;",
    "0.2.0__tell/20_tell.sql": TELL,
    "0.2.0__tell/20_tell.down.sql": TELL_DOWN,
    "0.2.0__tell/30_after.sql": "INSERT INTO once VALUES (2); SELECT 1 / (NOT yes)::int FROM fails;",
    "0.2.0__tell/30_after.down.sql": "DELETE FROM once WHERE n = 2;",
}


class World:
    """Tenants on eu-1 and us-1; the control database is on us-1."""

    def __init__(self, fleet):
        self.fleet = fleet
        self.eu, self.us = fleet.start_pg("eu"), fleet.start_pg("us")
        fleet.create_schemas(self.eu, ["t_1", "t_2", "t_3"])
        fleet.create_schemas(self.us, ["t_4"])
        fleet.create_databases(self.us, ["control"])
        self.us.sql(REGISTRY, database="control")
        fleet.start_coordinator()
        fleet.start_agent("eu-1", self.eu)
        self.start_us()
        fleet.wait_tenants(4)
        self.tenants = schemas_of(self.eu, ["t_1", "t_2", "t_3"]) + schemas_of(self.us, ["t_4"])
        self.publish()

    def start_us(self, key="us-1", **env):
        return self.fleet.start_agent("us-1", self.us, flags=["--control-database", "control"], key=key, **env)

    def publish(self, **settings):
        self.fleet.publish(write_set(self.fleet.path("billing"), SCRIPTS, control="us-1/control", **settings))

    def control(self, statement):
        return self.us.sql(statement, database="control")

    def told(self):
        return sorted(row[0] for row in self.control("SELECT tenant FROM registry"))

    def assert_all_told_once(self):
        assert self.told() == ["eu-1/t_1", "eu-1/t_2", "eu-1/t_3", "us-1/t_4"]
        for tenant in self.tenants:
            assert tenant.version() == "0.2.0"
            assert tenant.sql("SELECT n FROM once ORDER BY n") == [(1,), (2,)]
            assert [row[1:] for row in tenant.history()] == [("0.1.0__init", "up", "done"),
                                                             ("0.2.0__tell", "up", "done")]
        history = self.control("SELECT tenant, script, direction, state FROM skein.history ORDER BY tenant")
        assert history == [(name, "0.2.0__tell/20_tell.sql", "up", "done") for name in self.told()]


@pytest.fixture(name="world")
def fixture_world(fleet):
    return World(fleet)


def test_each_tenant_reaches_the_control_database_once(world):
    world.fleet.roll_out("billing")
    world.assert_all_told_once()


def test_the_example(world):
    world.us.sql("CREATE TABLE seats (tenant text PRIMARY KEY, plan text NOT NULL); CREATE TABLE maintenance "
                 "(rollout text PRIMARY KEY, target text NOT NULL, began timestamptz NOT NULL DEFAULT now(), "
                 "ended timestamptz)", database="control")
    folder = world.fleet.path("seats")
    shutil.copytree(os.path.join(ROOT, "deploy/examples/shared"), folder)
    settings = os.path.join(folder, "skein.yaml")
    with open(settings, "w", encoding="utf-8") as file:
        file.write("name: seats\ncontrol: us-1/control\n")
    world.fleet.publish(folder)
    rollout = world.fleet.roll_out("seats")["id"]
    assert world.control("SELECT rollout, target, ended >= began FROM maintenance") == [(rollout, "0.2.0", True)]
    assert sorted(world.control("SELECT tenant, plan FROM seats")) == [
        (f"{shard}/{name}", "basic") for shard, name in
        (("eu-1", "t_1"), ("eu-1", "t_2"), ("eu-1", "t_3"), ("us-1", "t_4"))]
    assert all(tenant.version("seats") == "0.2.0" for tenant in world.tenants)


def test_what_fails_there_fails_the_dry_run_and_changes_nothing(world):
    world.control("UPDATE gate SET open = false")
    status = world.fleet.roll_out("billing", phase="DRY_RUN_FAILED")
    error = status["errors"][0]
    assert (error["code"], error["sqlstate"], error["file"]) == ("SQL", "22012", "0.2.0__tell/20_tell.sql"), error
    assert (error["statement"], error["line"]) == (2, 4), error
    assert world.told() == []
    assert all(tenant.version() is None for tenant in world.tenants)


def test_a_failure_after_it_undoes_it_in_both_databases(world):
    world.fleet.roll_out("billing", "--to", "0.1.0")
    rollout = world.fleet.start_rollout("billing", "--dry-run-only")
    world.fleet.wait_phase(rollout, "SUCCEEDED")
    one = world.tenants[0]
    # Only seen by the run: the dry run's sequence value is the first.
    one.sql("CREATE SEQUENCE tries; CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "IF NEW.n = 2 AND nextval('tries') > 1 THEN RAISE EXCEPTION 'not here'; END IF; RETURN NEW; END $$; "
            "CREATE TRIGGER refuse BEFORE INSERT ON once FOR EACH ROW EXECUTE FUNCTION refuse();")
    status = world.fleet.roll_out("billing", "--policy", "continue", phase="FAILED")
    assert status["counts"]["migrated"] == 3 and status["counts"]["failed"] == 1, status
    assert world.told() == ["eu-1/t_2", "eu-1/t_3", "us-1/t_4"]
    assert one.version() == "0.1.0" and one.sql("SELECT n FROM once") == []
    one.sql("DROP TRIGGER refuse ON once")
    world.fleet.roll_out("billing")
    assert world.told() == ["eu-1/t_1", "eu-1/t_2", "eu-1/t_3", "us-1/t_4"]
    assert [row[2:] for row in one.history()][-1] == ("up", "done")


def test_an_agent_does_not_lend_a_database_that_its_configuration_does_not_name(world):
    world.fleet.agents["us-1"].process.stop(signal.SIGTERM)
    world.fleet.start_agent("us-1", world.us, key="other", flags=["--control-database", "something"])
    status = world.fleet.roll_out("billing", phase="DRY_RUN_FAILED")
    assert "--control-database" in status["errors"][0]["message"], status["errors"]
    assert world.told() == []


@pytest.mark.parametrize("point", ["control_before_begin", "control_after_commit"])
def test_the_control_agent_dies_in_the_middle(world, point):
    world.fleet.agents["us-1"].process.stop(signal.SIGTERM)
    world.start_us(key="dying", SKEIN_CRASH_AT=point)
    rollout = world.fleet.start_rollout("billing")
    wait_until(lambda: not world.fleet.agents["dying"].process.is_running(), "the agent to die")
    del world.fleet.agents["dying"]
    world.start_us(key="next")
    world.fleet.wait_phase(rollout, "SUCCEEDED", timeout=90)
    world.assert_all_told_once()


def test_the_coordinator_dies_in_the_middle(world):
    lock = world.us.connect("control")
    lock.autocommit = False
    world.fleet.roll_out("billing", "--dry-run-only")
    lock.cursor().execute("LOCK TABLE registry")
    rollout = world.fleet.start_rollout("billing", "--lock-timeout", "30s")
    wait_until(lambda: world.us.value("SELECT count(*) FROM pg_locks WHERE NOT granted") > 0, "an operation to wait there")
    world.fleet.coordinator.kill()
    world.fleet.coordinator.start()
    lock.rollback()
    lock.close()
    world.fleet.wait_phase(rollout, "SUCCEEDED", timeout=90)
    world.assert_all_told_once()
