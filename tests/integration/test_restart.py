"""Processes that die in the middle of a rollout and come back; nothing is asked, nothing runs twice."""
import pytest

from fleet import add_up
from processes import wait_until
from sets import databases_of, schemas_of, steps, write_set

NAMES = [f"t_{i:02}" for i in range(16)]
SLOW = {"0.2.0": "SELECT pg_sleep(0.1);"}


def take_off(fleet, store="sqlite", commit=None, durable=False):
    server = fleet.start_pg("eu", durable=durable)
    fleet.create_schemas(server, NAMES)
    fleet.start_coordinator(store)
    fleet.start_agent("eu-1", server, commit=commit)
    fleet.wait_tenants(len(NAMES))
    fleet.publish(write_set(fleet.path("billing"), steps("0.2.0", "0.3.0", extra=SLOW)))
    return schemas_of(server, NAMES)


def start_and_wait_for_some(fleet, tenants, count=3):
    rollout = fleet.start_rollout("billing")
    wait_until(lambda: sum(t.version() == "0.3.0" for t in tenants) >= count, "the first tenants")
    return rollout


def assert_all_arrive(fleet, tenants, rollout):
    status = fleet.wait_phase(rollout, "SUCCEEDED", "FAILED", "PAUSED", "DRY_RUN_FAILED", timeout=120)
    assert status["phase"] == "SUCCEEDED", status
    assert status["counts"]["migrated"] == add_up(status["counts"]) == len(tenants)
    for tenant in tenants:
        tenant.assert_at("0.1.0", "0.2.0", "0.3.0")
    wait_until(lambda: fleet.skein("lock", "list", json=True).json == [], "the locks to go")


@pytest.mark.parametrize("store", ["sqlite", "etcd"])
def test_the_coordinator_is_killed_and_starts_again(fleet, store):
    tenants = take_off(fleet, store)
    rollout = start_and_wait_for_some(fleet, tenants)
    for _ in range(2):
        fleet.coordinator.kill()
        fleet.coordinator.start()
        fleet.coordinator.wait_ready()
    assert_all_arrive(fleet, tenants, rollout)


def test_the_coordinator_is_killed_in_the_dry_run(fleet):
    tenants = take_off(fleet)
    rollout = fleet.start_rollout("billing")
    fleet.wait_phase(rollout, "DRY_RUN", "RUNNING")
    fleet.coordinator.kill()
    fleet.coordinator.start()
    assert_all_arrive(fleet, tenants, rollout)


def test_the_agent_is_killed_and_starts_again(fleet):
    tenants = take_off(fleet)
    rollout = start_and_wait_for_some(fleet, tenants)
    fleet.agents["eu-1"].kill()
    fleet.agents["eu-1"].start()
    assert_all_arrive(fleet, tenants, rollout)


def test_the_agent_is_stopped_with_grace_and_starts_again(fleet):
    tenants = take_off(fleet)
    rollout = start_and_wait_for_some(fleet, tenants)
    assert fleet.agents["eu-1"].process.stop() == 0
    fleet.agents["eu-1"].start()
    assert_all_arrive(fleet, tenants, rollout)


def test_both_are_killed_at_once(fleet):
    tenants = take_off(fleet)
    rollout = start_and_wait_for_some(fleet, tenants)
    fleet.coordinator.kill()
    fleet.agents["eu-1"].kill()
    fleet.agents["eu-1"].start()
    fleet.coordinator.start()
    assert_all_arrive(fleet, tenants, rollout)


def test_a_second_agent_takes_over(fleet):
    tenants = take_off(fleet)
    fleet.start_agent("eu-1", fleet.servers["eu"], key="standby", wait=False)
    wait_until(lambda: fleet.skein("shard", "list", json=True).json[0].get("standbys") == 1,
               "the second agent to stand by")
    rollout = start_and_wait_for_some(fleet, tenants)
    fleet.agents["eu-1"].kill()
    assert_all_arrive(fleet, tenants, rollout)


@pytest.mark.parametrize("commit", ["single", "group"])
def test_the_database_crashes_and_comes_back(fleet, commit):
    tenants = take_off(fleet, commit=commit, durable=True)
    server = fleet.servers["eu"]
    rollout = start_and_wait_for_some(fleet, tenants)
    server.crash()
    server.start()
    assert_all_arrive(fleet, tenants, rollout)


def test_every_connection_is_cut(fleet):
    tenants = take_off(fleet)
    rollout = start_and_wait_for_some(fleet, tenants)
    for _ in range(3):
        fleet.servers["eu"].sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                                "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()")
    assert_all_arrive(fleet, tenants, rollout)


def test_new_databases_are_found_and_get_a_journal(fleet):
    server = fleet.start_pg("us")
    fleet.create_databases(server, ["d_1"])
    fleet.start_coordinator()
    fleet.start_agent("us-1", server, mode="database", match=["d_*"])
    fleet.wait_tenants(1)
    fleet.publish(write_set(fleet.path("billing"), steps("0.2.0")))
    fleet.roll_out("billing")
    fleet.create_databases(server, ["d_2"])
    assert fleet.roll_out("billing")["counts"]["migrated"] == 1
    for tenant in databases_of(server, ["d_1", "d_2"]):
        tenant.assert_at("0.1.0", "0.2.0")
