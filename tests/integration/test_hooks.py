"""Hooks of a set: before and after a tenant's migration, and before and after a rollout.

About 1 min, half of it waiting for leases.
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


def test_each_rollout_does_the_hook_before_what_was_left_half_done(world):
    world.publish(steps())
    world.fleet.roll_out("billing")
    scripts = {**steps(), "0.2.0__index/10_index.sql": INDEX, "0.2.0__index/20_stop.sql": "SELECT stop();",
               "hooks/before_tenant.sql": BEFORE, "hooks/after_tenant.sql": NOTE}
    for tenant in world.tenants:
        tenant.sql("CREATE SEQUENCE tries; CREATE FUNCTION stop() RETURNS void LANGUAGE plpgsql AS $$ BEGIN IF "
                   "(SELECT yes FROM fails) AND nextval('tries') > 1 THEN RAISE EXCEPTION 'once more'; END IF; END $$")
    world.one.sql("UPDATE fails SET yes = true")
    world.publish(scripts)
    first = world.fleet.roll_out("billing", "--policy", "continue", phase="FAILED")["id"]
    seen = "SELECT hook, rollout FROM seen"
    # The index has no way back: it stays, and so does the hook that is done.
    assert world.one.version() == "0.1.0" and world.one.sql(seen) == [("before_tenant", first)]
    world.fleet.skein("rollout", "retry", first)
    world.fleet.wait_phase(first, "FAILED")
    assert world.one.sql(seen) == [("before_tenant", first)]
    world.one.sql("UPDATE fails SET yes = false")
    second = world.fleet.roll_out("billing")["id"]
    assert sorted(world.one.sql(seen)) == sorted([("before_tenant", first), ("before_tenant", second)])
    assert world.ledger(world.one) == ["0.1.0", "index", "after_tenant 0.1.0>0.2.0"]
    assert world.one.sql("SELECT count(*) FROM skein.operation") == [(0,)]
    assert world.tenants[1].sql(seen) == [("before_tenant", first)]


def test_what_only_lacked_its_last_hook_is_complete_for_a_longer_way(world):
    world.publish(steps())
    world.fleet.roll_out("billing")
    for tenant in world.tenants:
        tenant.sql("CREATE SEQUENCE tries")
    world.one.sql("UPDATE fails SET yes = true")
    refuses = "DO $$ BEGIN IF (SELECT yes FROM fails) AND nextval('tries') > 1 THEN RAISE EXCEPTION 'no'; END IF; END $$;"
    scripts = {**steps(), "0.2.0__index.sql": INDEX}
    world.publish({**scripts, "hooks/after_tenant.sql": refuses})
    status = world.fleet.roll_out("billing", "--policy", "continue", phase="FAILED")
    assert [error["file"] for error in status["errors"]] == ["hooks/after_tenant.sql"], status
    assert world.one.version() == "0.1.0" and world.ledger(world.one) == ["0.1.0", "index"]
    world.publish({**scripts, "0.3.0__step.sql": step("0.3.0"), "hooks/after_tenant.sql": NOTE})
    world.fleet.roll_out("billing")
    assert world.ledger(world.one) == ["0.1.0", "index", "0.3.0", "after_tenant 0.1.0>0.3.0"]
    assert world.one.version() == "0.3.0"
    assert [row[1:] for row in world.one.history()] == [
        ("0.1.0__init", "up", "done"), ("0.2.0__index", "up", "failed"), ("0.2.0__index", "up", "done"),
        ("0.3.0__step", "up", "done")]
    assert world.one.sql("SELECT count(*) FROM skein.operation") == [(0,)]


def test_a_rollback_leaves_hooks_alone(world):
    world.publish(steps())
    world.fleet.roll_out("billing")
    world.publish({**steps(), "0.2.0__index.sql": INDEX, "0.2.0__index.down.sql": INDEX_DOWN,
                   "hooks/before_tenant.sql": BEFORE, "hooks/after_tenant.sql": NOTE})
    rollout = world.fleet.roll_out("billing")["id"]
    world.fleet.skein("rollout", "rollback", rollout, "--yes")
    world.fleet.wait_phase(rollout, "ROLLED_BACK")
    for tenant in world.tenants:
        assert tenant.version() == "0.1.0"
        assert tenant.sql("SELECT hook FROM seen") == [("before_tenant",)]
        assert world.ledger(tenant) == ["0.1.0", "index", "after_tenant 0.1.0>0.2.0"]
    world.fleet.roll_out("billing")
    assert len(world.one.sql("SELECT hook FROM seen")) == 2


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


# ---- hooks of a rollout ----

TELL = """-- Sequences are not rolled back: the first number is that of the dry run.
SELECT 1 / (allowed OR nextval('tries') % 2 = 1)::int FROM gate WHERE hook = current_setting('skein.hook');
INSERT INTO told SELECT current_setting('skein.hook'), current_setting('skein.rollout'), current_setting('skein.to');
"""
CONTROL = """CREATE TABLE told (hook text, rollout text, version text, at timestamptz DEFAULT clock_timestamp());
CREATE TABLE gate (hook text, allowed boolean);
INSERT INTO gate VALUES ('before_rollout', true), ('after_rollout', true);
CREATE SEQUENCE tries;
"""
HOOKS = {"hooks/before_rollout.sql": TELL, "hooks/after_rollout.sql": TELL}


class ControlWorld(World):
    """The control database is next to us-1, which has no tenants."""

    def __init__(self, fleet):
        super().__init__(fleet)
        fleet.create_databases(self.pg, ["control"])
        self.control(CONTROL)
        self.us = fleet.start_agent("us-1", self.pg, match=["none_*"], flags=["--control-database", "control"])
        self.publish({**steps("0.2.0"), **HOOKS}, control="us-1/control")

    def control(self, statement):
        return self.pg.sql(statement, database="control")

    def told(self):
        return self.control("SELECT hook, rollout, version FROM told ORDER BY at")

    def allow(self, hook, allowed):
        self.control(f"UPDATE gate SET allowed = {allowed} WHERE hook = '{hook}'; SELECT setval('tries', 1, false)")

    def assert_told_once(self, rollout, version="0.2.0"):
        assert self.told() == [("before_rollout", rollout, version), ("after_rollout", rollout, version)]
        assert self.control("SELECT tenant, operation, direction FROM skein.control ORDER BY operation") == [
            (f"/{rollout}", f"hooks/{hook}.sql", "up") for hook in ("after_rollout", "before_rollout")]


@pytest.fixture(name="shared")
def fixture_shared(fleet):
    return ControlWorld(fleet)


def test_hooks_of_a_rollout_run_once_before_and_behind_all_tenants(shared):
    rollout = shared.fleet.roll_out("billing")["id"]
    shared.assert_told_once(rollout)
    shown = shared.fleet.skein("set", "show", "billing").out
    assert "hooks/before_rollout.sql" in shown and "hooks/after_rollout.sql" in shown, shown
    before, after = [row[0] for row in shared.control("SELECT at FROM told ORDER BY at")]
    for tenant in shared.tenants:
        assert tenant.version() == "0.2.0"
        assert tenant.sql(f"SELECT bool_and(at > '{before}' AND at < '{after}') FROM ledger") == [(True,)]
    # Nothing to do, or only to be looked at: no hooks.
    shared.fleet.roll_out("billing")
    shared.publish({**steps("0.2.0", "0.3.0"), **HOOKS}, control="us-1/control")
    shared.fleet.roll_out("billing", "--dry-run-only")
    assert len(shared.told()) == 2


def test_before_rollout_that_fails_leaves_everything_as_it_was(shared):
    shared.allow("before_rollout", False)
    shared.control("SELECT nextval('tries')")
    status = shared.fleet.roll_out("billing", phase="DRY_RUN_FAILED")
    error = status["errors"][0]
    assert (error["code"], error["sqlstate"], error["file"]) == ("SQL", "22012", "hooks/before_rollout.sql"), error
    assert (error["statement"], error["line"]) == (1, 2), error
    # The dry run passes, and the run does not.
    shared.control("SELECT setval('tries', 1, false)")
    shared.fleet.skein("rollout", "retry", status["id"])
    status = shared.fleet.wait_phase(status["id"], "PAUSED")
    assert [error["file"] for error in status["errors"]] == ["hooks/before_rollout.sql"], status
    shown = shared.fleet.skein("rollout", "status", status["id"]).out
    assert "before_rollout failed: division by zero" in shown and "1 hook of 1 cause" in shown, shown
    assert shared.told() == [] and all(tenant.version() is None for tenant in shared.tenants)
    shared.allow("before_rollout", True)
    shared.fleet.skein("rollout", "retry", status["id"])
    status = shared.fleet.wait_phase(status["id"], "SUCCEEDED")
    assert not status.get("errors"), status
    shared.assert_told_once(status["id"])


def test_after_rollout_that_fails_fails_the_rollout(shared):
    shared.allow("after_rollout", False)
    shared.control("SELECT nextval('tries')")
    status = shared.fleet.roll_out("billing", "--policy", "continue", phase="FAILED")
    assert [error["file"] for error in status["errors"]] == ["hooks/after_rollout.sql"], status
    assert status["counts"]["migrated"] == 2 and len(shared.told()) == 1
    shared.allow("after_rollout", True)
    shared.fleet.skein("rollout", "retry", status["id"])
    shared.fleet.wait_phase(status["id"], "SUCCEEDED")
    shared.assert_told_once(status["id"])
    assert all(shared.ledger(tenant) == ["0.1.0", "0.2.0"] for tenant in shared.tenants)


def test_the_agent_dies_at_the_hooks_commit_and_the_coordinator_meanwhile(shared):
    shared.us.process.stop()
    shared.us.start(SKEIN_CRASH_AT="control_after_commit")
    rollout = shared.fleet.start_rollout("billing")
    wait_until(lambda: not shared.us.process.is_running(), "the agent to die")
    assert len(shared.told()) == 1
    assert "hook(before_rollout)" in shared.fleet.status(rollout)["waiting_for"]
    coordinator = shared.fleet.coordinator
    coordinator.kill()
    coordinator.start()
    wait_until(lambda: "hook(before_rollout)" in (shared.fleet.status(rollout) or {}).get("waiting_for", ""),
               "the new leader to wait for the hook")
    assert all(tenant.version() is None for tenant in shared.tenants)
    shared.us.start()
    shared.fleet.wait_phase(rollout, "SUCCEEDED", timeout=120)
    shared.assert_told_once(rollout)


def test_an_abort_waits_for_the_hook(shared):
    waits = "SELECT CASE WHEN nextval('tries') > 1 THEN pg_advisory_xact_lock(7) END;\n"
    shared.publish({**steps("0.2.0"), "hooks/before_rollout.sql": waits + TELL}, control="us-1/control")
    shared.control("DROP SEQUENCE tries; CREATE SEQUENCE tries; UPDATE gate SET allowed = true")
    holder = shared.pg.connect("control")
    try:
        holder.cursor().execute("SELECT pg_advisory_lock(7)")
        rollout = shared.fleet.start_rollout("billing", "--lock-timeout", "5m")
        wait_until(lambda: shared.control("SELECT count(*) FROM pg_locks WHERE NOT granted") != [(0,)],
                   "the hook to wait")
        shared.fleet.skein("rollout", "abort", rollout, "--yes")
        status = shared.fleet.status(rollout)
        assert status["phase"] == "RUNNING" and "hook(before_rollout)" in status["waiting_for"], status
    finally:
        holder.close()
    shared.fleet.wait_phase(rollout, "ABORTED")
    assert [row[0] for row in shared.told()] == ["before_rollout"]
    assert all(tenant.version() is None for tenant in shared.tenants)
