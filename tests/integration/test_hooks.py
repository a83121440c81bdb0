"""Hooks of a set: before and after a tenant's migration, and before and after a rollout.

Budget: 30 s.
"""
import os
import stat

import pytest

from processes import wait_until
from sets import INIT, schemas_of, step, steps, write_set

NOTE = "INSERT INTO ledger (script) VALUES (current_setting('skein.hook') || ' ' || current_setting('skein.from') " \
       "|| '>' || current_setting('skein.to'));\n"
BEFORE = "CREATE TABLE IF NOT EXISTS seen (hook text, rollout text, shard text, tenant text);\n" \
         "INSERT INTO seen SELECT current_setting('skein.hook'), current_setting('skein.rollout'), " \
         "current_setting('skein.shard'), current_setting('skein.tenant');\n"
FAILING = "DO $$ BEGIN IF (SELECT yes FROM fails) THEN RAISE EXCEPTION 'not now'; END IF; END $$;\n"
INDEX = "-- skein:transaction none\nCREATE INDEX CONCURRENTLY account_email ON account (email);\n" \
        "INSERT INTO ledger (script) VALUES ('index');\n"
INDEX_DOWN = "-- skein:transaction none\nDROP INDEX CONCURRENTLY IF EXISTS account_email;\n"


class World:
    def __init__(self, fleet, agent_flags=(), **env):
        self.fleet = fleet
        self.pg = fleet.start_pg("eu")
        fleet.create_schemas(self.pg, ["t_1", "t_2"])
        fleet.start_coordinator()
        fleet.start_agent("eu-1", self.pg, flags=list(agent_flags), **env)
        fleet.wait_tenants(2)
        self.tenants = schemas_of(self.pg, ["t_1", "t_2"])
        self.one = self.tenants[0]

    def publish(self, scripts, **settings):
        self.fleet.publish(write_set(self.fleet.path("billing"), scripts, **settings))

    def ledger(self, tenant):
        return [row[0] for row in tenant.sql("SELECT script FROM ledger ORDER BY at")]


@pytest.fixture(name="world")
def fixture_world(fleet):
    return World(fleet)


def test_hooks_of_a_tenant_are_the_first_and_the_last_of_its_transaction(world):
    hooks = {"hooks/before_tenant.sql": BEFORE, "hooks/after_tenant.sql": NOTE + BEFORE}
    world.publish({**steps("0.2.0"), "R__view.sql": "CREATE OR REPLACE VIEW v AS SELECT 1 AS a;", **hooks})
    first = world.fleet.roll_out("billing", "--to", "0.1.0")["id"]
    second = world.fleet.roll_out("billing")["id"]
    for tenant in world.tenants:
        assert world.ledger(tenant) == ["0.1.0", "after_tenant >0.1.0", "0.2.0", "after_tenant 0.1.0>0.2.0"]
        assert sorted(tenant.sql("SELECT * FROM seen")) == sorted(
            (hook, rollout, "eu-1", tenant.name) for rollout in (first, second)
            for hook in ("before_tenant", "after_tenant"))
        assert len(set(row[0] for row in tenant.sql("SELECT xmin::text FROM seen"))) == 2
    # Who has nothing to do has no hooks; a hook may change, and then neither.
    world.publish({**steps("0.2.0"), "R__view.sql": "CREATE OR REPLACE VIEW v AS SELECT 1 AS a;",
                   "hooks/after_tenant.sql": "SELECT 1 / 0;"})
    world.fleet.roll_out("billing")
    # Repeatable scripts are something to do.
    world.publish({**steps("0.2.0"), "R__view.sql": "CREATE OR REPLACE VIEW v AS SELECT 2 AS a;",
                   "hooks/after_tenant.sql": NOTE})
    world.fleet.roll_out("billing")
    assert world.ledger(world.one)[4:] == ["after_tenant 0.2.0>0.2.0"]
    # So is a version that moves without a script.
    world.publish({**steps("0.2.0"), "hooks/after_tenant.sql": NOTE}, latest="0.3.0")
    world.fleet.roll_out("billing")
    assert world.ledger(world.one)[5:] == ["after_tenant 0.2.0>0.3.0"]


@pytest.mark.parametrize("hook", ["before_tenant", "after_tenant"])
def test_a_hook_that_fails_fails_its_tenant_and_leaves_nothing(world, hook):
    path = f"hooks/{hook}.sql"
    world.publish(steps("0.2.0"))
    world.fleet.roll_out("billing", "--to", "0.1.0")
    world.publish({**steps("0.2.0"), path: "SELECT 1;\n" + FAILING})
    world.one.sql("UPDATE fails SET yes = true")
    status = world.fleet.roll_out("billing", phase="DRY_RUN_FAILED")
    error = status["errors"][0]
    assert (error["code"], error["file"], error["statement"], error["line"]) == ("SQL", path, 2, 2), error
    assert "not now" in error["message"]
    assert [tenant.version() for tenant in world.tenants] == ["0.1.0", "0.1.0"]
    # Only in the run: a sequence is not rolled back.
    world.one.sql("UPDATE fails SET yes = false; CREATE SEQUENCE tries")
    world.tenants[1].sql("CREATE SEQUENCE tries")
    world.publish({**steps("0.2.0"), path: "SELECT 1 / (2 - nextval('tries'));"})
    status = world.fleet.roll_out("billing", "--policy", "continue", phase="FAILED")
    assert {error["file"] for error in status["errors"]} == {path}, status
    for tenant in world.tenants:
        assert tenant.version() == "0.1.0" and world.ledger(tenant) == ["0.1.0"]
    world.fleet.skein("rollout", "retry", status["id"])
    world.fleet.wait_phase(status["id"], "SUCCEEDED")
    assert all(world.ledger(tenant) == ["0.1.0", "0.2.0"] for tenant in world.tenants)


def test_hooks_around_operations_outside_a_transaction(world):
    scripts = {**steps(), "0.2.0__index/10_index.sql": INDEX, "0.2.0__index/10_index.down.sql": INDEX_DOWN,
               "0.2.0__index/20_step.sql": step("0.2.0"),
               "hooks/before_tenant.sql": BEFORE, "hooks/after_tenant.sql": NOTE + FAILING}
    world.publish(scripts)
    rollout = world.fleet.roll_out("billing")["id"]
    for tenant in world.tenants:
        assert world.ledger(tenant) == ["0.1.0", "index", "0.2.0", "after_tenant >0.2.0"]
        assert tenant.sql("SELECT hook, rollout FROM seen") == [("before_tenant", rollout)]
        assert tenant.sql("SELECT count(*) FROM skein.operation") == [(0,)]
        assert [row[1:] for row in tenant.history()] == [("0.1.0__init", "up", "done"), ("0.2.0__index", "up", "done")]


def test_an_agent_dies_between_the_hooks(fleet):
    """Each crash point in turn, on the way of one tenant after another."""
    world = World(fleet)
    world.publish({**steps(), "0.2.0__index.sql": INDEX, "hooks/before_tenant.sql": BEFORE,
                   "hooks/after_tenant.sql": NOTE})
    agent = fleet.agents["eu-1"]
    for number, point in enumerate(["after_step", "after_commit"]):
        agent.process.stop()
        agent.start(SKEIN_CRASH_AT=point)
        rollout = fleet.start_rollout("billing", "--tenants", f"tenant=t_{number + 1}")
        wait_until(lambda: not agent.process.is_running(), "the agent to die")
        agent.start()
        fleet.wait_phase(rollout, "SUCCEEDED", timeout=120)
        tenant = world.tenants[number]
        # By the second agent: it found the tenant at 0.1.0.
        assert world.ledger(tenant) == ["0.1.0", "index", "after_tenant 0.1.0>0.2.0"]
        assert tenant.sql("SELECT hook, rollout FROM seen") == [("before_tenant", rollout)]


PROGRAM = """#!/bin/sh
echo "$SKEIN_HOOK $SKEIN_MODE $SKEIN_TENANT $SKEIN_FROM>$SKEIN_TARGET" >> {log}
test "$SKEIN_HOOK" != after_tenant || test ! -e {log}.fails
"""


def test_a_program_as_a_hook(fleet):
    program, log = fleet.path("hook.sh"), fleet.path("log")
    with open(program, "w", encoding="utf-8") as file:
        file.write(PROGRAM.format(log=log))
    os.chmod(program, stat.S_IRWXU | stat.S_IRGRP | stat.S_IXGRP | stat.S_IROTH | stat.S_IXOTH)
    world = World(fleet, agent_flags=["--allow-exec", program])
    settings = f"program: {program}\n"
    scripts = {"0.1.0__init.sql": INIT, "0.2.0__step.sql": step("0.2.0"),
               "0.2.0__step.down.sql": "DELETE FROM ledger WHERE script = '0.2.0';",
               "hooks/before_tenant.exec.yaml": settings, "hooks/after_tenant.exec.yaml": settings}
    world.publish(scripts)

    def lines():
        with open(log, encoding="utf-8") as file:
            text = sorted(file.read().splitlines())
        os.unlink(log)
        return text

    world.fleet.roll_out("billing", "--to", "0.1.0")
    assert lines() == sorted(f"{hook} run {name} >0.1.0" for hook in ("before_tenant", "after_tenant")
                             for name in ("t_1", "t_2"))
    with open(log + ".fails", "w", encoding="utf-8"):
        pass
    status = world.fleet.roll_out("billing", "--policy", "continue", phase="FAILED")
    assert {error["file"] for error in status["errors"]} == {"hooks/after_tenant.exec.yaml"}, status
    for tenant in world.tenants:
        # As any operation of the last migration that fails: what was done before it is undone.
        assert tenant.version() == "0.1.0" and world.ledger(tenant) == ["0.1.0"]
    lines()
    os.unlink(log + ".fails")
    world.fleet.skein("rollout", "retry", status["id"])
    world.fleet.wait_phase(status["id"], "SUCCEEDED")
    assert all(world.ledger(tenant) == ["0.1.0", "0.2.0"] for tenant in world.tenants)
    assert "after_tenant run t_1 0.1.0>0.2.0" in lines()
    # Where the version only moves, they run, too.
    world.publish(scripts, latest="0.3.0")
    world.fleet.roll_out("billing")
    assert "after_tenant run t_2 0.2.0>0.3.0" in lines()
    assert [tenant.version() for tenant in world.tenants] == ["0.3.0", "0.3.0"]
