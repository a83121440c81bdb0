"""Three coordinators on one etcd: who leads, who stands by, and what a fail-over leaves alone.

About 75 s: three fail-overs have to wait for the leader's lease.
"""
import time

import pytest

from cluster import LEADER_TTL_S, KeyWatch, clusters, encode
from fleet import continue_process, pause_process
from flight import KILL, TERM, Flight, Watcher, without_times
from processes import wait_until


@pytest.fixture
def make(fleet):
    yield from clusters(fleet, 1, 3)


def test_any_of_them_leads_to_the_one_that_leads(make, fleet):
    group = make()
    flight = Flight(fleet, tenants=3, sleep_s=0)
    leader = group.leader()
    assert leader.is_serving() and leader.refusal() is None
    everybody = fleet.address
    for standby in group.standbys():
        assert not standby.is_serving()
        status, reason = standby.readiness()
        assert status == 503 and leader.address in reason
        code, text, named = standby.refusal()
        assert code.name == "UNAVAILABLE" and leader.address in text and named == leader.address
        # The command is given nothing but the address of one that stands by.
        fleet.address = standby.address
        flight.publish()
        rollout = fleet.start_rollout("billing")
        code, last = Watcher(fleet, rollout).wait_end()
        assert code == 0 and last["phase"] == "SUCCEEDED"
        fleet.skein("tenant", "lock", "eu-1/t_00", "--reason", "to see", check=0)
        fleet.skein("tenant", "unlock", "eu-1/t_00", "--reason", "seen", check=0)
        for words in (("shard", "list"), ("rollout", "status", rollout), ("rollout", "list"), ("set", "list"),
                      ("tenant", "list"), ("tenant", "history", "eu-1/t_00"), ("event", "list")):
            assert fleet.skein(*words, json=True, check=0).json, words
    fleet.address = everybody
    # Nobody answers at the first address of the list: the next ones do.
    fleet.address = "127.0.0.1:1," + ",".join(c.address for c in group.standbys())
    fleet.skein("shard", "list", check=0)
    fleet.address = everybody


def fail_over(group, how):
    """Makes somebody else lead; the one that led, and when it was hit."""
    leader = group.wait_leader()
    began = time.monotonic()
    if how == "paused":
        pause_process(leader.process)
    else:
        leader.process.killed = how == KILL
        leader.process.send(how)
    group.wait_leader(other_than=leader)
    if how == "paused":
        continue_process(leader.process)
    else:
        leader.process.wait_end()
        leader.start()
    wait_until(lambda: leader.readiness()[0] == 503, "the one that led to stand by")
    return leader, began


def test_a_report_after_three_fail_overs_equals_one_without(make, fleet):
    group = make()
    flight = Flight(fleet, tenants=14, sleep_s=0.1)
    flight.publish()
    fleet.roll_out("billing")
    calm = flight.start()
    expected = flight.assert_arrives(calm)

    flight.sleep_s = 3.4  # as long as it takes to be at it still after the third of them
    flight.publish()
    stormy = fleet.start_rollout("billing")
    watcher = Watcher(fleet, stormy)
    wait_until(lambda: flight.done() >= 1, "the first tenant to be migrated")
    for how in (KILL, "paused", TERM):
        # Two elections would be longer than a lease: the new leader has kept it alive.
        wait_until(lambda: flight.agent.metrics()["skein_lease_seconds"] > 12, "the agent's lease to be fresh")
        fail_over(group, how)
        assert fleet.status(stormy)["phase"] == "RUNNING", how
    got = flight.assert_arrives(stormy)
    assert without_times(got) == without_times(expected)
    code, last = watcher.wait_end()
    assert code == 0 and last["phase"] == "SUCCEEDED"
    # The reports themselves, and what was answered to operators.
    assert without_times(fleet.report(stormy)) == without_times(fleet.report(calm))
    assert {r["id"] for r in fleet.skein("rollout", "list", json=True).json} >= {calm, stormy}
    assert "session_lost" not in flight.agent.process.log()


def test_a_leader_that_is_asked_to_stop_is_followed_at_once(make, fleet):
    group = make()
    flight = Flight(fleet, tenants=12, sleep_s=0.2)
    watch = KeyWatch(group.etcd.members[0], "/skein/")
    # One tenant is held by a person: it is skipped in the end, also by a leader who was not there before.
    flight.tenants.pop(0)
    held = flight.names.pop(0)
    fleet.skein("tenant", "lock", f"eu-1/{held}", "--reason", "to see", "--ttl", "1h", check=0)
    rollout = flight.start("--concurrency", "2", "--lock-timeout", "1s")
    leader = group.wait_leader()
    began = time.monotonic()
    leader.process.send(TERM)
    won = wait_until(lambda: watch.first_put(began, "/skein/leader"), "the next leader", every=0.01)
    task = wait_until(lambda: watch.first_put(won, "/skein/locks/"), "the next task", every=0.01)
    assert leader.process.wait_end() == 0
    assert task - began < 3  # 0.2 s on a quiet machine (tests/bench)
    watch.close()
    status = flight.assert_arrives(rollout)
    assert status["counts"]["skipped"] == 1 and status["skips"] == {"TENANT_LOCKED": 1}, status


def is_write(request):
    """A transaction of a leader that leads: it compares, and puts, what orders its writes."""
    return b"/v3/kv/txn" in request or encode("/skein/writes").encode() in request


def test_a_leader_cut_off_from_etcd_writes_nothing_more(make, fleet):
    group = make(etcd_proxied=True)
    flight = Flight(fleet, tenants=14, sleep_s=1.5)
    rollout = flight.start()
    first = group.wait_leader()
    proxy = first.etcd_proxies[0]

    # One of its writes is on its way for longer than its lease; later ones do not get through at all.
    proxy.hold(is_write)
    wait_until(proxy.is_holding, "a write to be held up")
    proxy.silence()
    second = group.wait_leader(other_than=first)
    status, reason = wait_until(lambda: (a := first.readiness())[0] == 503 and a, "the first to step down")
    assert "store" in reason
    # The late one arrives now, from the network's depths: etcd refuses it.
    answer = proxy.release()
    assert b"200 OK" in answer and b"succeeded" not in answer, answer
    proxy.heal()
    wait_until(lambda: second.address in first.readiness()[1], "the first to stand by")
    flight.assert_arrives(rollout)
    assert group.leader() is second
    assert "session_lost" not in flight.agent.process.log()


def test_a_leader_that_was_paused_writes_nothing_when_it_wakes(make, fleet):
    group = make(etcd_proxied=True)
    flight = Flight(fleet, tenants=10, sleep_s=1.5)
    rollout = flight.start()
    first = group.wait_leader()
    pause_process(first.process)
    began = time.monotonic()
    second = group.wait_leader(other_than=first)
    assert time.monotonic() - began < LEADER_TTL_S + 4
    proxy = first.etcd_proxies[0]
    proxy.note(is_write)
    continue_process(first.process)
    wait_until(lambda: second.address in first.readiness()[1], "the first to stand by")
    flight.assert_arrives(rollout)
    assert group.leader() is second
    taken = [answer for _, answer in proxy.seen if b'"succeeded":true' in answer]
    assert not taken, taken
    term = [line for line in flight.agent.process.log().splitlines() if "session_started" in line]
    assert len(term) >= 2 and "session_lost" not in flight.agent.process.log(), term


def test_agents_cut_off_from_the_leader_come_back_with_what_they_did(make, fleet):
    group = make(proxied=True)
    flight = Flight(fleet, tenants=10, sleep_s=0.5)
    rollout = flight.start()
    leader = group.wait_leader()
    leader.proxy.cut()
    began = time.monotonic()
    refused = fleet.skein("rollout", "status", rollout, "--timeout", "2s")
    assert refused.code in (7, 8), refused
    wait_until(lambda: time.monotonic() - began > 5, "some time without the leader")
    leader.proxy.heal()
    flight.assert_arrives(rollout)
    assert group.leader() is leader
    assert "session_lost" not in flight.agent.process.log()
