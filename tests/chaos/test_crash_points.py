"""kill -9 of coordinator and agent at named points of a task's way.

Afterwards the process is started again as an operator's supervisor would. The rollout must end by
itself; every tenant must have each script exactly once; and the report must equal the databases.
"""
import json
import subprocess

import pytest

from fleet import BUILD, add_up
from processes import wait_until
from sets import INIT, databases_of, schemas_of, steps, write_set

SCHEMAS = [f"t_{i:02}" for i in range(10)]
DATABASES = ["d_1", "d_2", "d_3"]

# In the order in which a task passes them.
COORDINATOR_POINTS = ["before_lock_write", "after_lock_write", "before_result_write",
                      "after_result_write"]
AGENT_POINTS = ["before_begin", "after_begin", "before_commit", "after_commit"]


def take_off(fleet, store, commit, coordinator_env=None, agent_env=None):
    eu, us = fleet.start_pg("eu"), fleet.start_pg("us")
    fleet.create_schemas(eu, SCHEMAS)
    fleet.create_databases(us, DATABASES)
    fleet.start_coordinator(store, **(coordinator_env or {}))
    fleet.start_agent("eu-1", eu, commit=commit, **(agent_env or {}))
    fleet.start_agent("us-1", us, mode="database", match=["d_*"], commit=commit)
    fleet.wait_tenants(len(SCHEMAS) + len(DATABASES))
    fleet.publish(write_set(fleet.path("billing"), steps("0.2.0", "0.3.0")))
    return schemas_of(eu, SCHEMAS) + databases_of(us, DATABASES)


def wait_killed(program):
    code = program.process.wait_end()
    assert code == -9, f"{program.process.name} ended with {code}, not at its crash point"
    program.process.killed = True
    del program.process.env["SKEIN_CRASH_AT"]


def assert_everybody_arrived_once(fleet, tenants, rollout):
    status = fleet.wait_phase(rollout, "SUCCEEDED", "FAILED", "PAUSED", "DRY_RUN_FAILED", "ABORTED",
                              timeout=120)
    assert status["phase"] == "SUCCEEDED", status
    for tenant in tenants:
        tenant.assert_at("0.1.0", "0.2.0", "0.3.0")
    counts = fleet.report(rollout)["counts"]
    assert counts["migrated"] == add_up(counts) == counts["total"] == len(tenants)
    listed = fleet.skein("tenant", "list", json=True, check=0).json
    assert {t["tenant"]: t["versions"]["billing"] for t in listed} == \
        {f"{'us-1' if t.name.startswith('d_') else 'eu-1'}/{t.name}": t.version() for t in tenants}
    wait_until(lambda: fleet.skein("lock", "list", json=True).json == [], "the locks to go")


def start_rollout_that_kills(fleet, *args):
    """The coordinator may die before it answers; the rollout is there all the same, or is not."""
    result = fleet.skein("rollout", "start", "billing", *args, "--detach", "--timeout", "10s", json=True)
    return result.json["id"] if result.code == 0 else None


def rollout_after(fleet, rollout):
    if rollout is not None:
        return rollout
    listed = fleet.skein("rollout", "list", json=True, check=0).json
    return listed[0]["id"] if listed else fleet.start_rollout("billing")


# All at once: the first passing is in the dry run with many tasks at work. One at a time: thirteen
# tenants are dry-run first, so the 16th passing is in the run.
ALL_AT_ONCE = ((), 1)
IN_THE_RUN = (("--concurrency", 1), len(SCHEMAS + DATABASES) + 3)


@pytest.mark.parametrize("store,how", [("sqlite", ALL_AT_ONCE), ("sqlite", IN_THE_RUN),
                                       ("etcd", IN_THE_RUN)],
                         ids=["sqlite-dry-run", "sqlite-run", "etcd-run"])
@pytest.mark.parametrize("point", COORDINATOR_POINTS)
def test_the_coordinator_dies(fleet, point, store, how):
    args, nth = how
    tenants = take_off(fleet, store, "group", coordinator_env={"SKEIN_CRASH_AT": f"{point}:{nth}"})
    rollout = start_rollout_that_kills(fleet, *args)
    wait_killed(fleet.coordinator)
    fleet.coordinator.start()
    fleet.coordinator.wait_ready()
    assert_everybody_arrived_once(fleet, tenants, rollout_after(fleet, rollout))


# Ten tenants of this agent are dry-run first, so its 13th passing is in the run.
@pytest.mark.parametrize("commit,nth", [("single", 1), ("single", 13), ("group", 13)])
@pytest.mark.parametrize("point", AGENT_POINTS)
def test_the_agent_dies(fleet, point, commit, nth):
    if point.endswith("commit"):
        nth = max(1, nth - 10)  # only the run commits
    if point == "after_commit" and commit == "group":
        nth = 1  # one barrier serves many tenants
    tenants = take_off(fleet, "sqlite", commit, agent_env={"SKEIN_CRASH_AT": f"{point}:{nth}"})
    rollout = start_rollout_that_kills(fleet)
    wait_killed(fleet.agents["eu-1"])
    fleet.agents["eu-1"].start()
    assert_everybody_arrived_once(fleet, tenants, rollout_after(fleet, rollout))


VIEW = "CREATE OR REPLACE VIEW total AS SELECT {} AS n FROM counter;\nINSERT INTO ledger (script) VALUES ('{}');\n"


@pytest.mark.parametrize("point", ["before_commit", "after_commit"])
def test_the_agent_dies_over_what_is_no_plain_script(fleet, point):
    """Baselines that a rollout records on the way, and repeatable scripts of tenants that stay where they are."""
    server = fleet.start_pg("eu")
    for name in SCHEMAS[:4]:
        server.sql(f'CREATE SCHEMA "{name}"; SET search_path = "{name}"; {INIT}')
    tenants = schemas_of(server, SCHEMAS[:4])
    fleet.start_coordinator()
    fleet.start_agent("eu-1", server, commit="single", SKEIN_CRASH_AT=f"{point}:6")
    fleet.wait_tenants(len(tenants))
    folder = fleet.path("billing")
    fleet.publish(write_set(folder, {**steps(), "R__total.sql": VIEW.format("n", "first")}))
    fleet.roll_out("billing", "--tenants", "tenant in (t_00,t_01)", "--baseline-unmanaged", "0.1.0")
    fleet.publish(write_set(folder, {**steps(), "R__total.sql": VIEW.format("n + 1", "second")}))
    # Commits no. 3 to 6: two baselines with scripts behind them, two repeatable scripts.
    rollout = fleet.start_rollout("billing", "--baseline-unmanaged", "0.1.0")
    wait_killed(fleet.agents["eu-1"])
    fleet.agents["eu-1"].start()
    status = fleet.wait_phase(rollout, "SUCCEEDED", "FAILED", "PAUSED", timeout=120)
    assert status["phase"] == "SUCCEEDED" and status["counts"]["migrated"] == len(tenants), status
    for tenant in tenants:
        first = ["first"] if tenant.name in ("t_00", "t_01") else []
        assert tenant.ledger() == ["0.1.0", *first, "second"], tenant.name
        assert [row[1:3] for row in tenant.history()] == \
            [("", "baseline")] + [("R__total", "up")] * (len(first) + 1), tenant.name


@pytest.mark.parametrize("point", ["before_commit", "after_commit"])
def test_the_agent_dies_over_what_another_tools_table_tells(fleet, point):
    """Each tenant has its own version, so nobody but its journal can say what became of the try."""
    server = fleet.start_pg("eu")
    fleet.create_schemas(server, SCHEMAS[:4])
    for n, name in enumerate(SCHEMAS[:4]):
        server.sql(f'SET search_path = "{name}"; CREATE TABLE schema_migrations (version varchar PRIMARY KEY);'
                   f"INSERT INTO schema_migrations SELECT generate_series(1, {n + 1})")
    fleet.start_coordinator()
    fleet.start_agent("eu-1", server, commit="single", SKEIN_CRASH_AT=f"{point}:2")
    fleet.wait_tenants(4)
    fleet.publish(write_set(fleet.path("billing"), {
        f"0.0.{n}__s{n}.sql": f"CREATE TABLE s{n} (id bigint);" for n in range(1, 6)}, ledger="dbmate"))

    command = [f"{BUILD}/skein", "tenant", "baseline", "--from", "dbmate", "--set", "billing", "--tenants",
               "tenant=*", "-o", "json", "--coordinator", fleet.address]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as asked:
        wait_killed(fleet.agents["eu-1"])
        fleet.agents["eu-1"].start()
        told = json.loads(asked.communicate(timeout=120)[0])
    assert told["phase"] == "SUCCEEDED" and told["counts"]["migrated"] == 4, told
    tenants = schemas_of(server, SCHEMAS[:4])
    assert [tenant.version() for tenant in tenants] == ["0.0.1", "0.0.2", "0.0.3", "0.0.4"]
    listed = fleet.skein("tenant", "list", json=True, check=0).json
    assert sorted(t["versions"]["billing"] for t in listed) == ["0.0.1", "0.0.2", "0.0.3", "0.0.4"]
    fleet.roll_out("billing")
    for tenant in tenants:
        rows = [row[0] for row in tenant.sql("SELECT version FROM schema_migrations ORDER BY version")]
        assert rows == ["1", "2", "3", "4", "5"] and tenant.version() == "0.0.5", tenant.name
        assert [row[2] for row in tenant.history()].count("baseline") == 1, tenant.name
