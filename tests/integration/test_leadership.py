"""Two coordinators, pauses, a store that is full or made anew, and names that no path can hold."""
import os
import signal
import subprocess
import time

import grpc
import pytest

from fleet import continue_process, http_get, pause_process
from processes import wait_until
from sets import schemas_of, steps, write_set

NAMES = [f"t_{i:02}" for i in range(12)]
SLOW = {"0.2.0": "SELECT pg_sleep(0.3);"}


def start_two(fleet, flags=()):
    """Both on one etcd; the first leads. `fleet.coordinator` is the second."""
    first = fleet.start_coordinator("etcd", flags=flags)
    address = fleet.address
    fleet.agents["first coordinator"] = first  # ended with the agents
    second = fleet.start_coordinator("etcd", wait=False, flags=flags)
    both = f"{address},{fleet.address}"
    second.address, first.address = fleet.address, address
    fleet.address = both
    return first, second


def take_off(fleet):
    server = fleet.start_pg("eu")
    fleet.create_schemas(server, NAMES)
    return server, schemas_of(server, NAMES)


def publish(fleet):
    fleet.wait_tenants(len(NAMES))
    fleet.publish(write_set(fleet.path("billing"), steps("0.2.0", "0.3.0", extra=SLOW)))


def start_and_wait_for_some(fleet, tenants):
    rollout = fleet.start_rollout("billing")
    wait_until(lambda: sum(t.version() == "0.3.0" for t in tenants) >= 2, "the first tenants")
    return rollout


def assert_all_arrive(fleet, tenants, rollout):
    status = fleet.wait_phase(rollout, "SUCCEEDED", "FAILED", "PAUSED", "DRY_RUN_FAILED", timeout=150)
    assert status["phase"] == "SUCCEEDED", status
    assert status["counts"]["migrated"] == len(NAMES), status
    for tenant in tenants:
        tenant.assert_at("0.1.0", "0.2.0", "0.3.0")


def call(address, path, request=b""):
    with grpc.insecure_channel(address) as channel:
        return channel.unary_unary(path, lambda b: b, lambda b: b)(request, timeout=5)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_the_second_takes_over_and_the_rollout_goes_on(fleet, how):
    server, tenants = take_off(fleet)
    first, second = start_two(fleet)
    fleet.start_agent("eu-1", server)
    publish(fleet)
    assert http_get(second.http + "/readyz")[0] == 503
    with pytest.raises(grpc.RpcError) as refused:
        call(second.address, "/skein.v1.OperatorService/ListSets")
    assert refused.value.code() == grpc.StatusCode.UNAVAILABLE
    assert ("skein-leader", first.address) in [(k, v) for k, v in refused.value.trailing_metadata()]

    rollout = start_and_wait_for_some(fleet, tenants)
    began = time.monotonic()
    if how == signal.SIGTERM:
        assert first.process.stop() == 0
    else:
        first.kill()
    second.wait_ready()
    assert time.monotonic() - began < (6 if how == signal.SIGTERM else 14)
    assert_all_arrive(fleet, tenants, rollout)


def test_a_leader_that_was_paused_finds_that_it_leads_no_more(fleet):
    server, tenants = take_off(fleet)
    first, second = start_two(fleet)
    fleet.start_agent("eu-1", server)
    publish(fleet)
    rollout = start_and_wait_for_some(fleet, tenants)
    pause_process(first.process)
    second.wait_ready()
    continue_process(first.process)
    wait_until(lambda: http_get(first.http + "/readyz")[0] == 503, "the first to step down")
    assert_all_arrive(fleet, tenants, rollout)
    assert second.is_ready()


def test_an_agent_that_was_paused_for_longer_than_its_lease_goes_on(fleet):
    server, tenants = take_off(fleet)
    fleet.start_coordinator()
    agent = fleet.start_agent("eu-1", server)
    publish(fleet)
    rollout = start_and_wait_for_some(fleet, tenants)
    pause_process(agent.process)
    wait_until(lambda: "agent.gone" in fleet.skein("event", "list").out, "the session to end")
    continue_process(agent.process)
    assert_all_arrive(fleet, tenants, rollout)


def test_agents_obey_a_store_that_was_made_anew(fleet):
    server, tenants = take_off(fleet)
    coordinator = fleet.start_coordinator()
    fleet.start_agent("eu-1", server)
    publish(fleet)
    fleet.roll_out("billing", "--to", "0.2.0")
    assert coordinator.process.stop() == 0
    for name in os.listdir(fleet.folder):
        if name.startswith("skein.db"):
            os.unlink(fleet.path(name))
    coordinator.start()
    coordinator.wait_ready()
    publish(fleet)
    fleet.roll_out("billing")
    for tenant in tenants:
        tenant.assert_at("0.1.0", "0.2.0", "0.3.0")


def test_watchers_do_not_hold_up_the_end(fleet):
    coordinator = fleet.start_coordinator(flags=["--grace-ms", "20000"])
    with grpc.insecure_channel(fleet.address) as channel:
        watch = channel.unary_stream("/grpc.health.v1.Health/Watch", lambda b: b, lambda b: b)
        known, unknown = watch(b""), watch(b"\x0a\x04what")
        assert next(known) == b"\x08\x01" and next(unknown) == b"\x08\x03"
        began = time.monotonic()
        assert coordinator.process.stop() == 0
        assert time.monotonic() - began < 5
        assert next(known) == b"\x08\x02"  # NOT_SERVING
        with pytest.raises(grpc.RpcError):
            next(unknown)


def test_names_that_no_path_can_hold_are_left_out(fleet):
    server, tenants = take_off(fleet)
    connection = server.connect()
    for name in ("t_a/b", "t_line\nbreak"):
        connection.cursor().execute(f'CREATE SCHEMA "{name}"')
    connection.close()
    fleet.start_coordinator()
    fleet.start_agent("eu-1", server, wait=False)
    publish(fleet)
    wait_until(lambda: "t_a/b" in fleet.skein("shard", "list", json=True).out, "the trouble to be told")
    assert_all_arrive(fleet, tenants, fleet.start_rollout("billing"))


def etcdctl(fleet, *args, text=None):
    done = subprocess.run(["etcdctl", "--endpoints", fleet.etcd.url, *args], capture_output=True, text=True, input=text,
                          env={**os.environ, "ETCDCTL_API": "3"}, check=False)
    return done.stdout + done.stderr


def fill(fleet):
    value = "x" * 1_000_000  # by standard input: no argument may be so long
    for i in range(200):
        if "space exceeded" in etcdctl(fleet, "put", f"/ballast/{i}", text=value):
            return
    raise AssertionError("etcd takes everything")


def make_room(fleet):
    etcdctl(fleet, "del", "--prefix", "/ballast/")
    revision = etcdctl(fleet, "endpoint", "status", "-w", "json").split('"revision":')[1].split(",")[0]
    etcdctl(fleet, "compact", revision)
    etcdctl(fleet, "defrag")
    etcdctl(fleet, "alarm", "disarm")


def test_a_full_store_stops_nothing_that_runs_and_recovers(fleet):
    server, tenants = take_off(fleet)
    fleet.start_etcd()
    fleet.etcd.process.kill()
    fleet.etcd.process.argv += ["--quota-backend-bytes", str(16 << 20)]
    fleet.etcd.start()
    fleet.start_coordinator("etcd")
    fleet.start_agent("eu-1", server)
    publish(fleet)
    rollout = start_and_wait_for_some(fleet, tenants)
    fill(fleet)
    status, reason = wait_until(
        lambda: (a := http_get(fleet.coordinator.http + "/readyz"))[0] == 503 and a, "trouble to show")
    assert "space" in reason, reason
    time.sleep(4)
    refused = fleet.skein("tenant", "lock", "eu-1/t_00", "--reason", "to see", "--timeout", "2s")
    assert refused.code == 8 and "takes no writes" in refused.err, refused
    health = "/grpc.health.v1.Health/Check"
    wait_until(lambda: call(fleet.address, health) == b"\x08\x02", "health to be NOT_SERVING")
    time.sleep(16)  # longer than a session's lease: heartbeats are still acknowledged
    assert "session_lost" not in fleet.agents["eu-1"].process.log()
    make_room(fleet)
    fleet.coordinator.wait_ready()
    wait_until(lambda: call(fleet.address, health) == b"\x08\x01", "health to be SERVING")
    assert_all_arrive(fleet, tenants, rollout)
