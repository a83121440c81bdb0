"""A store that is down, frozen or restarted during a rollout."""
import pytest

from fleet import continue_process, http_get, pause_process
from processes import wait_until
from sets import schemas_of, steps, write_set

NAMES = [f"t_{i:02}" for i in range(12)]


@pytest.fixture
def flight(fleet):
    server = fleet.start_pg("eu")
    fleet.create_schemas(server, NAMES)
    fleet.start_coordinator("etcd")
    fleet.start_agent("eu-1", server)
    fleet.wait_tenants(len(NAMES))
    fleet.publish(write_set(fleet.path("billing"),
                            steps("0.2.0", extra={"0.2.0": "SELECT pg_sleep(0.2);"})))
    fleet.tenants = schemas_of(server, NAMES)
    return fleet


def start_and_wait_for_some(flight):
    rollout = flight.start_rollout("billing")
    wait_until(lambda: sum(t.version() == "0.2.0" for t in flight.tenants) >= 2, "the first tenants")
    return rollout


def assert_all_arrive(flight, rollout):
    status = flight.wait_phase(rollout, "SUCCEEDED", "FAILED", "PAUSED", timeout=150)
    assert status["phase"] == "SUCCEEDED" and status["counts"]["migrated"] == len(NAMES), status
    for tenant in flight.tenants:
        tenant.assert_at("0.1.0", "0.2.0")


def test_etcd_is_restarted(flight):
    rollout = start_and_wait_for_some(flight)
    flight.etcd.process.kill()
    flight.etcd.start()
    assert_all_arrive(flight, rollout)


def test_etcd_is_away_for_longer_than_the_leader_s_lease(flight):
    rollout = start_and_wait_for_some(flight)
    flight.etcd.process.kill()
    wait_until(lambda: http_get(flight.coordinator.http + "/readyz")[0] == 503,
               "the coordinator to say that it cannot lead")
    flight.etcd.start()
    flight.coordinator.wait_ready()
    assert_all_arrive(flight, rollout)


def test_etcd_is_frozen_for_a_while(flight):
    rollout = start_and_wait_for_some(flight)
    pause_process(flight.etcd.process)
    wait_until(lambda: http_get(flight.coordinator.http + "/readyz")[0] == 503,
               "the coordinator to say that it cannot lead")
    continue_process(flight.etcd.process)
    assert_all_arrive(flight, rollout)


def test_a_coordinator_waits_for_a_store_that_is_not_there_yet(fleet):
    fleet.start_etcd()
    fleet.etcd.process.kill()
    fleet.start_coordinator("etcd", wait=False)
    status, text = wait_until(lambda: (a := http_get(fleet.coordinator.http + "/readyz"))[0] == 503 and a,
                              "the HTTP port to answer")
    assert status == 503 and text.strip()
    assert http_get(fleet.coordinator.http + "/healthz")[0] == 200
    fleet.etcd.start()
    fleet.coordinator.wait_ready()


def test_bytes_that_are_not_ours_give_a_clear_error(fleet):
    fleet.start_etcd()
    import subprocess
    subprocess.run(["etcdctl", "--endpoints", fleet.etcd.url, "put", "/skein/rollouts/r1/spec", "junk\x01"],
                   check=True, env={"ETCDCTL_API": "3", "PATH": "/usr/bin:/bin"}, capture_output=True)
    fleet.start_coordinator("etcd", wait=False)
    wait_until(lambda: "/skein/rollouts/r1/spec" in fleet.coordinator.process.log(),
               "the log to name the key")
