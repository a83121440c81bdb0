"""What a rollout did is undone: by hand, by policy, rehearsed; whatever dies meanwhile."""
import json

import pytest

from fleet import FINAL, add_up, error_of
from processes import wait_until
from sets import FAILS_IN_THE_RUN, schemas_of, steps, write_set

NAMES = [f"t_{i:02}" for i in range(12)]
DOWN_INIT = "DROP TABLE fails, account, counter, ledger; DROP SEQUENCE attempts;\n"
VERSIONS = ("0.1.0", "0.2.0", "0.3.0")


def step_down(version, extra=""):
    """Undoes exactly one step: a second time, or one too many, shows."""
    return f"""{extra}
DELETE FROM ledger WHERE script = '{version}';
UPDATE counter SET n = n - 1;
"""


def with_downs(scripts, extra=None, lacking=()):
    found = dict(scripts)
    for path in scripts:
        version = path.split("__")[0]
        down = DOWN_INIT if version == "0.1.0" else step_down(version, (extra or {}).get(version, ""))
        if version not in lacking:
            found[path.replace(".sql", ".down.sql")] = down
    return found


def publish(fleet, *versions, up=None, down=None, lacking=()):
    scripts = steps(*versions, extra=up)
    fleet.publish(write_set(fleet.path("billing"), with_downs(scripts, down, lacking)))


@pytest.fixture
def flight(fleet):
    """Twelve tenants of two shards (on one server, to save time), empty."""
    server = fleet.start_pg("eu")
    fleet.create_schemas(server, NAMES)
    fleet.tenants = schemas_of(server, NAMES)
    fleet.start_coordinator()
    fleet.start_agent("eu-1", server, match=NAMES[:6])
    fleet.start_agent("us-1", server, match=NAMES[6:])
    fleet.wait_tenants(len(NAMES))
    return fleet


def assert_at(tenant, version):
    """Its scripts took effect once each, those undone not at all; the journal agrees, row for row."""
    expected = list(VERSIONS[:VERSIONS.index(version) + 1]) if version else []
    assert tenant.ledger() == expected and tenant.counter() == len(expected), tenant.name
    assert tenant.version() == version, (tenant.name, tenant.version())
    standing = []
    for script_version, script, direction, state in tenant.history():
        assert state == "done", tenant.history()
        if script and direction == "up":
            standing.append(script_version)
        elif script and direction == "down":
            assert standing.pop() == script_version, tenant.history()
    assert standing == expected, tenant.history()


def scatter(fleet):
    """A third of the tenants at no version, one at 0.1.0, one at 0.2.0; the rollout to 0.3.0."""
    first = fleet.roll_out("billing", "--to", "0.1.0", "--tenants", "tenant notin (t_00,t_03,t_06,t_09)")
    fleet.roll_out("billing", "--to", "0.2.0", "--tenants", "tenant in (t_02,t_05,t_08,t_11)")
    starts = {name: (None, "0.1.0", "0.2.0")[i % 3] for i, name in enumerate(NAMES)}
    return starts, first["id"], fleet.roll_out("billing")["id"]


def test_each_tenant_returns_to_where_it_started(flight):
    publish(flight, "0.2.0", "0.3.0")
    starts, first, rollout = scatter(flight)
    for tenant in flight.tenants:
        assert_at(tenant, "0.3.0")
    status = flight.skein("rollout", "rollback", rollout, "--yes", "--reason", "orders are slow", "--wait",
                          json=True, check=0).json
    assert status["phase"] == "ROLLED_BACK" and "orders are slow" not in status["waiting_for"]
    assert status["counts"]["rolled_back"] == add_up(status["counts"]) == len(NAMES)
    for tenant in flight.tenants:
        assert_at(tenant, starts[tenant.name])
    listed = {t["name"]: t["versions"] for t in flight.skein("tenant", "list", json=True).json}
    assert listed == {n: {"billing": v} if v else {} for n, v in starts.items()}
    assert "undone: 12 rolled back" in flight.skein("rollout", "status", rollout, check=0).out
    # Twice is once; retry has nothing to repeat.
    flight.skein("rollout", "rollback", rollout, "--yes", check=0)
    assert flight.skein("rollout", "retry", rollout, "--yes").code == 7
    # What was under it can be undone next; the tenants that another one has moved since are named.
    status = flight.skein("rollout", "rollback", first, "--yes", "--wait", json=True, check=0).json
    assert status["counts"]["rolled_back"] == 4 and status["skips"] == {"VERSION_MOVED": 4}, status
    assert sorted(w["tenant"][5:] for w in status["warnings"]) == ["t_02", "t_05", "t_08", "t_11"]
    # And up again, as if nothing had been.
    assert flight.roll_out("billing")["counts"]["migrated"] == len(NAMES)
    for tenant in flight.tenants:
        assert_at(tenant, "0.3.0")


def test_a_script_without_a_rollback_is_named_before_anything_is_touched(flight):
    publish(flight, "0.2.0", "0.3.0", lacking=("0.2.0",))
    flight.roll_out("billing", "--to", "0.1.0")
    rollout = flight.roll_out("billing")["id"]
    refused = flight.skein("rollout", "rollback", rollout, "--yes", check=7)
    assert "0.2.0__step.sql" in refused.err and "0.2.0__step.down.sql" in refused.err, refused
    assert flight.status(rollout)["phase"] == "SUCCEEDED"
    refused = flight.start_rollout("billing", "--policy", "rollback", check=0)
    assert flight.wait_phase(refused, *FINAL)["phase"] == "SUCCEEDED"  # nothing to do is nothing to undo
    # Somebody writes it, and one that does not work on one tenant: all look before any leaps.
    publish(flight, "0.2.0", "0.3.0", down={"0.2.0": "SELECT 1 / (NOT yes)::int FROM fails;"})
    flight.tenants[4].sql("UPDATE fails SET yes = true")
    status = flight.skein("rollout", "rollback", rollout, "--yes", "--wait", json=True, check=4).json
    assert status["phase"] == "FAILED" and status["counts"]["failed"] == 1
    error = error_of(status, "eu-1/t_04")
    assert error["mode"] == "rollback_dry_run" and error["sqlstate"] == "22012"
    assert error["file"] == "0.2.0__step.down.sql" and error["line"] == 1
    for tenant in flight.tenants:
        assert_at(tenant, "0.3.0")
    flight.tenants[4].sql("UPDATE fails SET yes = false")
    flight.skein("rollout", "retry", rollout, "--yes", "--wait", check=4)
    assert flight.status(rollout)["phase"] == "ROLLED_BACK" and flight.status(rollout)["errors"] == []
    for tenant in flight.tenants:
        assert_at(tenant, "0.1.0")


def test_the_policy_undoes_what_the_rollout_did(flight):
    publish(flight, "0.2.0", up={"0.2.0": FAILS_IN_THE_RUN})
    flight.roll_out("billing", "--to", "0.1.0")
    flight.tenants[7].sql("UPDATE fails SET yes = true")
    status = flight.skein("rollout", "start", "billing", "--policy", "rollback", "--wait", json=True, check=4).json
    assert status["phase"] == "ROLLED_BACK", json.dumps(status, indent=1)
    assert error_of(status, "us-1/t_07")["mode"] == "run"  # why it was rolled back
    assert status["counts"]["rolled_back"] + status["counts"]["skipped"] == len(NAMES)
    for tenant in flight.tenants:
        assert_at(tenant, "0.1.0")
    publish(flight, "0.2.0", "0.3.0", up={"0.2.0": FAILS_IN_THE_RUN}, lacking=("0.3.0",))
    refused = flight.start_rollout("billing", "--policy", "rollback", check=7)
    assert "0.3.0__step.sql" in refused.err, refused


def test_a_rollback_is_rehearsed(flight):
    publish(flight, "0.2.0", "0.3.0", up={"0.3.0": "ALTER TABLE account ADD note text DEFAULT 'x';"})
    flight.roll_out("billing", "--to", "0.2.0", "--rehearse-rollback")
    failed = flight.roll_out("billing", "--rehearse-rollback", phase="DRY_RUN_FAILED")
    error = error_of(failed, "eu-1/t_00")
    assert error["code"] == "ROLLBACK" and failed["counts"]["failed"] == len(NAMES)
    assert "left over: column account.note text default 'x'::text" in error["message"], error
    for tenant in flight.tenants:
        assert_at(tenant, "0.2.0")


SLOW = {"0.3.0": "SELECT pg_sleep(0.2);"}


def wait_for_some(flight, count=3):
    wait_until(lambda: sum(t.version() != "0.3.0" for t in flight.tenants) >= count, "the first tenants to be back")


def test_what_dies_meanwhile_undoes_nothing_twice(flight):
    publish(flight, "0.2.0", "0.3.0", down=SLOW)
    starts, _, rollout = scatter(flight)
    flight.skein("rollout", "rollback", rollout, "--yes", check=0)
    wait_for_some(flight)
    flight.coordinator.kill()
    flight.agents["eu-1"].kill()
    flight.coordinator.start()
    flight.agents["eu-1"].start()
    wait_for_some(flight, 6)
    flight.coordinator.kill()
    flight.coordinator.start()
    status = flight.wait_phase(rollout, *FINAL, "PAUSED", timeout=90)
    assert status["phase"] == "ROLLED_BACK", json.dumps(status, indent=1)
    assert status["counts"]["rolled_back"] == add_up(status["counts"]) == len(NAMES)
    for tenant in flight.tenants:
        assert_at(tenant, starts[tenant.name])
    wait_until(lambda: flight.skein("lock", "list", json=True).json == [], "the locks to go")


def test_an_abort_leaves_the_rest_and_the_rest_can_follow(flight):
    publish(flight, "0.2.0", "0.3.0", up=SLOW, down={"0.3.0": "SELECT pg_sleep(0.8);"})
    flight.roll_out("billing", "--to", "0.2.0")
    rollout = flight.start_rollout("billing", "--concurrency", 2)
    wait_until(lambda: sum(t.version() == "0.3.0" for t in flight.tenants) >= 8, "the first tenants")
    flight.skein("rollout", "rollback", rollout, "--yes", check=0)  # from the midst of the run
    wait_until(lambda: flight.status(rollout)["counts"]["rolled_back"] >= 1, "the first to be back")
    flight.skein("rollout", "pause", rollout, "--yes", check=0)
    assert flight.status(rollout)["phase"] == "PAUSED"
    assert flight.skein("rollout", "rollback", rollout, "--yes").code == 7  # it is: resume it
    flight.skein("rollout", "abort", rollout, "--yes", check=0)
    status = flight.wait_phase(rollout, "ABORTED")
    back = status["counts"]["rolled_back"]
    assert status["counts"]["migrated"] == sum(t.version() == "0.3.0" for t in flight.tenants) > 0, status
    assert back >= 1
    status = flight.skein("rollout", "rollback", rollout, "--yes", "--wait", json=True, check=0).json
    assert status["phase"] == "ROLLED_BACK" and status["counts"]["migrated"] == 0
    for tenant in flight.tenants:
        assert_at(tenant, "0.2.0")
