"""Locks of people and programs: rollouts wait, skip, take up again; guards that end with their stream.

Budget: 45 s.
"""
import os
import re
import signal
import subprocess
import sys
import threading
import time

import grpc
import pytest

import wire_client
from fleet import BUILD, ROOT, codes_of
from processes import wait_until
from sets import schemas_of, steps, write_set

NAMES = [f"t_{i}" for i in range(1, 5)]
HOLD = "/skein.v1.OperatorService/HoldTenantLock"


@pytest.fixture(scope="module")
def pb(session_folder):
    wire_client.generate(os.path.join(session_folder, "python-locks"))
    return wire_client.load("skein.v1.operator_pb2")


@pytest.fixture(scope="module")
def flight(module_fleet):
    """One shard with four tenants at 0.1.0, and sets that take them further, each test to its own version."""
    fleet = module_fleet
    fleet.server = fleet.start_pg("eu")
    fleet.create_schemas(fleet.server, NAMES)
    fleet.start_coordinator()
    fleet.start_agent("eu-1", fleet.server)
    fleet.wait_tenants(len(NAMES))
    fleet.tenants = schemas_of(fleet.server, NAMES)
    slow = {"0.5.0": "SELECT pg_sleep(1.5);"}
    fleet.publish(write_set(fleet.path("billing"), steps("0.2.0", "0.3.0", "0.4.0", "0.5.0", extra=slow)))
    fleet.roll_out("billing", "--to", "0.1.0")
    return fleet


@pytest.fixture(autouse=True)
def nothing_is_left_locked(request):
    yield
    if "flight" in request.fixturenames:
        fleet = request.getfixturevalue("flight")
        for tenant, lock in locks_of(fleet).items():
            if not lock["rollout"]:
                fleet.skein("tenant", "unlock", tenant, "--force", "--reason", "the test is over")


def locks_of(fleet):
    return {lock["tenant"]: lock for lock in fleet.skein("lock", "list", json=True, check=0).json}


def wait_free(fleet, tenant):
    wait_until(lambda: tenant not in locks_of(fleet), f"{tenant} to be free")


def wait_for_lock(fleet, rollout, tenant):
    """Until the rollout says that it waits for this tenant; what it says."""
    def waits():
        status = fleet.status(rollout)
        found = [locked for locked in status["locked"] if locked["tenant"] == tenant]
        return dict(found[0], status=status) if found and not status["counts"]["running"] else None
    return wait_until(waits, f"{rollout} to wait for {tenant}")


class Guard:
    """A HoldTenantLock call of a program."""

    def __init__(self, pb, address, tenant, **request):
        self.pb = pb
        self.channel = grpc.insecure_channel(address)
        call = self.channel.unary_stream(HOLD, pb.HoldTenantLockRequest.SerializeToString,
                                         pb.HoldTenantLockResponse.FromString)
        self.stream = call(pb.HoldTenantLockRequest(tenant=tenant, owner="backup", **request), timeout=60)

    def next(self):
        return next(self.stream)

    def code(self):
        """How the stream ended."""
        try:
            for _ in self.stream:
                pass
        except grpc.RpcError as error:
            return error.code(), error.details()
        return grpc.StatusCode.OK, ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stream.cancel()
        self.channel.close()


def test_a_rollout_waits_says_for_whom_and_goes_on_when_the_lock_ends(flight):
    flight.skein("tenant", "lock", "eu-1/t_2", "--owner", "ana", "--reason", "a restore", "--ttl", "1h", check=0)
    rollout = flight.start_rollout("billing", "--to", "0.2.0", "--lock-timeout", "50s")
    waits = wait_for_lock(flight, rollout, "eu-1/t_2")
    assert waits["owner"] == "ana" and waits["reason"] == "a restore" and waits["locked_at"], waits
    assert waits["skip_at"] > waits["locked_at"], waits
    assert waits["status"]["waiting_for"] == "locked(eu-1/t_2 by ana)"
    shown = flight.skein("rollout", "status", rollout).out
    assert re.search(r"eu-1/t_2  by ana for \d+s: a restore  \(skipped in \d+s\)", shown), shown
    watch = flight.skein("rollout", "watch", rollout, "--timeout", "1s")
    assert "locked(eu-1/t_2 by ana)" in watch.out and watch.code == 124, watch
    flight.skein("tenant", "unlock", "eu-1/t_2", "--owner", "ana", check=0)
    began = time.monotonic()
    status = flight.wait_phase(rollout, "SUCCEEDED")
    assert time.monotonic() - began < 10, "it did not go on at once"
    assert status["counts"]["migrated"] == 4 and not status["locked"], status
    for tenant in flight.tenants:
        tenant.assert_at("0.1.0", "0.2.0")


def test_a_held_tenant_is_skipped_and_taken_up_by_retry_after_a_restart(flight):
    flight.skein("tenant", "lock", "eu-1/t_3", "--owner", "ana", "--reason", "a restore", check=0)
    status = flight.roll_out("billing", "--to", "0.3.0", "--lock-timeout", "1s")
    assert status["counts"]["migrated"] == 3 and status["skips"] == {"TENANT_LOCKED": 1}, status
    assert "TENANT_LOCKED" in codes_of(status)
    report = flight.skein("rollout", "report", status["id"])
    assert re.search(r"eu-1/t_3 .*TENANT_LOCKED .*skipped after 1s: held by ana: a restore", report.out), report
    assert f"skein rollout retry {status['id']}" in flight.skein("rollout", "status", status["id"]).out

    flight.coordinator.kill()
    flight.coordinator.start().wait_ready()
    again = flight.status(status["id"])
    assert again["skips"] == {"TENANT_LOCKED": 1} and again["warnings"] == status["warnings"], again
    assert locks_of(flight)["eu-1/t_3"]["reason"] == "a restore"
    flight.wait_tenants(len(NAMES))
    flight.skein("tenant", "unlock", "eu-1/t_3", "--owner", "ana", check=0)
    flight.skein("rollout", "retry", status["id"], check=0)
    status = flight.wait_phase(status["id"], "SUCCEEDED")
    assert status["counts"]["migrated"] == 4 and not status["skips"] and not status["warnings"], status
    for tenant in flight.tenants:
        tenant.assert_at("0.1.0", "0.2.0", "0.3.0")
    assert flight.skein("rollout", "retry", status["id"]).code == 7


def test_a_lock_waits_for_the_task_that_runs_and_then_comes_first(flight):
    before = flight.tenants[0].ledger()
    rollout = flight.start_rollout("billing", "--to", "0.5.0", "--lock-timeout", "60s", "--tenants", "tenant=t_1")
    wait_until(lambda: locks_of(flight).get("eu-1/t_1", {}).get("rollout") == rollout, "its task to run")
    refused = flight.skein("tenant", "lock", "eu-1/t_1")
    assert refused.code == 7 and rollout in refused.err, refused
    # While its dry run goes on; the run that follows has to wait.
    locked = flight.skein("tenant", "lock", "eu-1/t_1", "--wait-for", "30s", json=True, check=0).json
    assert locked["kind"] == "operator" and locked["expires_at"], locked
    wait_for_lock(flight, rollout, "eu-1/t_1")
    assert flight.tenants[0].ledger() == before
    flight.skein("tenant", "unlock", "eu-1/t_1", check=0)
    flight.wait_phase(rollout, "SUCCEEDED")
    flight.tenants[0].assert_at("0.1.0", "0.2.0", "0.3.0", "0.4.0", "0.5.0")


def test_somebody_elses_lock_is_broken_only_by_force_and_that_is_kept(flight):
    flight.skein("tenant", "lock", "eu-1/t_1", "--owner", "ana@laptop:4711", "--reason", "a restore", check=0)
    assert flight.skein("tenant", "lock", "eu-1/t_1", "--owner", "ana@laptop:5").code == 7
    refused = flight.skein("tenant", "unlock", "eu-1/t_1")
    assert refused.code == 7 and "ana@laptop:4711" in refused.err and "a restore" in refused.err, refused
    assert flight.skein("tenant", "unlock", "eu-1/t_1", "--force").code == 2
    flight.skein("tenant", "unlock", "eu-1/t_1", "--force", "--reason", "ana is ill", check=0)
    assert not locks_of(flight)
    event = flight.skein("event", "list", json=True, check=0).json[0]
    assert event["action"] == "tenant.unlock-forced" and event["reason"] == "ana is ill", event
    assert "ana@laptop:4711" in event["detail"], event
    # One's own needs none, from whichever process.
    flight.skein("tenant", "lock", "eu-1/t_1", "--owner", "ana@laptop:4711", check=0)
    flight.skein("tenant", "unlock", "eu-1/t_1", "--owner", "ana@laptop:12", check=0)


def test_a_lock_ends_after_its_time_by_itself(flight):
    flight.skein("tenant", "lock", "eu-1/t_1", "--ttl", "2s", check=0)
    assert "eu-1/t_1" in locks_of(flight)
    wait_free(flight, "eu-1/t_1")
    assert flight.skein("tenant", "lock", "eu-1/t_1", "--ttl", "0s").code == 2
    assert flight.skein("tenant", "lock", "eu-1/t_1", "--ttl", "25h").code == 2
    assert flight.skein("tenant", "lock", "eu-1/t_1", "--wait-for", "2h").code == 2
    assert flight.skein("tenant", "lock", "eu-1/t_1", "--reason", "x" * 2000).code == 2
    assert not locks_of(flight)


def test_a_programs_lock_ends_with_its_stream(flight, pb):
    with Guard(pb, flight.address, "eu-1/t_2", reason="nightly") as guard:
        answer = guard.next()
        assert answer.state == pb.HOLD_STATE_HELD and answer.lock.id and answer.grace_ms > answer.silence_max_ms > 0
        lock = locks_of(flight)["eu-1/t_2"]
        assert (lock["kind"], lock["owner"], lock["reason"]) == ("program", "backup", "nightly"), lock
        assert answer.lock.id not in str(lock)
        with Guard(pb, flight.address, "eu-1/t_2") as second:
            code, text = second.code()
            assert code == grpc.StatusCode.ABORTED and "held by backup" in text, text
        with Guard(pb, flight.address, "eu-1/t_2", wait_ms=30000) as third:
            told = third.next()
            assert told.state == pb.HOLD_STATE_WAITING and told.lock.owner == "backup" and not told.lock.id
            guard.stream.cancel()
            assert third.next().state == pb.HOLD_STATE_HELD
    wait_free(flight, "eu-1/t_2")


def test_a_program_is_told_who_broke_its_lock(flight, pb):
    with Guard(pb, flight.address, "eu-1/t_2") as guard:
        guard.next()
        assert flight.skein("tenant", "unlock", "eu-1/t_2").code == 7
        flight.skein("tenant", "unlock", "eu-1/t_2", "--force", "--reason", "it hangs", check=0)
        code, text = guard.code()
        assert code == grpc.StatusCode.ABORTED and "it hangs" in text, text


def test_a_program_that_is_killed_frees_its_tenant(flight, pb):
    del pb  # only generates
    script = ("import sys, grpc\nfrom skein.v1 import operator_pb2 as pb\n"
              "call = grpc.insecure_channel(sys.argv[1]).unary_stream(sys.argv[2],"
              " pb.HoldTenantLockRequest.SerializeToString, pb.HoldTenantLockResponse.FromString)\n"
              "for answer in call(pb.HoldTenantLockRequest(tenant='eu-1/t_4', owner='job')): pass\n")
    with subprocess.Popen([sys.executable, "-c", script, flight.address, HOLD],
                          env={**os.environ, "PYTHONPATH": ":".join(sys.path)}) as program:
        wait_until(lambda: "eu-1/t_4" in locks_of(flight), "the lock")
        began = time.monotonic()
        program.send_signal(signal.SIGKILL)
        wait_free(flight, "eu-1/t_4")
    assert time.monotonic() - began < 5


def test_the_example_of_the_docs_works(flight, pb):
    del pb
    with open(os.path.join(ROOT, "proto/README.md"), encoding="utf-8") as file:
        code = re.search(r"```python\n(.*?)```", file.read(), re.S).group(1)
    code = code.replace("127.0.0.1:7443", flight.address).replace("eu-1/t_7", "eu-1/t_4")
    code = re.sub(r'\["pg_dump".*?\]', repr([f"{BUILD}/skein", "--coordinator", flight.address, "tenant", "lock",
                                            "eu-1/t_4"]), code).replace("check=True", "check=False")
    scope = {}
    exec(compile(code, "example", "exec"), scope)  # pylint: disable=exec-used
    assert scope["good"]
    wait_free(flight, "eu-1/t_4")
    actions = [e["action"] for e in flight.skein("event", "list", "--limit", 4, json=True).json]
    assert actions[:2] == ["tenant.unlock", "tenant.lock"], actions


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_programs_lock_survives_a_fail_over_if_it_comes_back(fleet, pb, how):
    first = fleet.start_coordinator("etcd")
    first_address = fleet.address
    fleet.agents["first coordinator"] = first  # ended with the agents
    second = fleet.start_coordinator("etcd", wait=False)
    second_address, fleet.address = fleet.address, f"{first_address},{fleet.address}"
    server = fleet.start_pg("eu")
    fleet.create_schemas(server, NAMES)
    fleet.start_agent("eu-1", server)
    fleet.wait_tenants(len(NAMES))
    fleet.publish(write_set(fleet.path("billing"), steps()))
    with Guard(pb, first_address, "eu-1/t_2", reason="nightly") as guard:
        lock_id = guard.next().lock.id
        fleet.skein("tenant", "lock", "eu-1/t_3", "--owner", "ana", check=0)
        ended = []
        follower = threading.Thread(target=lambda: ended.append(guard.code()[0]))
        follower.start()
        if how == signal.SIGTERM:
            assert first.process.stop() == 0
        else:
            first.kill()
        follower.join(timeout=30)
        assert ended == [grpc.StatusCode.UNAVAILABLE]
    second.wait_ready()
    rollout = fleet.start_rollout("billing", "--lock-timeout", "60s")
    with Guard(pb, second_address, "eu-1/t_2", lock_id="guessed") as wrong:
        assert wrong.code()[0] == grpc.StatusCode.NOT_FOUND
    with Guard(pb, second_address, "eu-1/t_2", lock_id=lock_id) as again:
        answer = again.next()
        assert answer.state == pb.HOLD_STATE_HELD and answer.lock.id == lock_id
        assert set(locks_of(fleet)) >= {"eu-1/t_2", "eu-1/t_3"}
        wait_for_lock(fleet, rollout, "eu-1/t_2")
        assert schemas_of(server, ["t_2"])[0].ledger() == []
    fleet.skein("tenant", "unlock", "eu-1/t_3", "--owner", "ana", check=0)
    assert fleet.wait_phase(rollout, "SUCCEEDED")["counts"]["migrated"] == 4
