"""etcd with three members, and everything that may befall it, under a rollout.

While the store is away: what runs finishes and its results wait, nothing new starts, operators are
told so; at its return all goes on. Nothing that was answered to an operator is ever forgotten. About
110 s; the quorum is lost for 22 s, which is longer than every lease here (15 s at most).
"""
import time

import pytest

from cluster import SESSION_TTL_S, clusters, encode
from fleet import pause_process
from flight import KILL, Flight, stays_for
from processes import wait_until

AWAY_S = SESSION_TTL_S + 7


@pytest.fixture
def make(fleet):
    yield from clusters(fleet, 3, 2)


class Memory:
    """What operators were told is so."""

    def __init__(self, fleet):
        self.fleet = fleet
        self.facts = {}

    def note(self, name, *words):
        self.facts[name] = (words, self.fleet.skein(*words, json=True, check=0).json)

    def assert_kept(self):
        for name, (words, before) in self.facts.items():
            now = self.fleet.skein(*words, json=True, check=0).json
            assert now == before, name


def restart(member):
    member.process.start()
    wait_until(member.is_healthy, f"{member.name} to be back")


def test_one_member_dies_and_then_the_leader(make, fleet):
    group = make()
    flight = Flight(fleet, tenants=12, sleep_s=0.6)
    rollout = flight.start()
    first = group.etcd.members[0]  # the one that all coordinators talk to
    first.process.kill()
    flight.wait_more()
    restart(first)
    leader = group.etcd.leader()
    leader.process.kill()
    flight.wait_more()
    restart(leader)
    flight.assert_arrives(rollout)
    assert "session_lost" not in flight.agent.process.log()


def test_a_lost_quorum_stops_what_is_new_and_nothing_else(make, fleet):
    group = make()
    flight = Flight(fleet, tenants=16, sleep_s=1.0)
    flight.names.remove("t_00")
    flight.tenants.pop(0)
    flight.publish()
    done = fleet.roll_out("billing", "--tenants", "tenant!=t_00")["id"]
    fleet.skein("tenant", "lock", "eu-1/t_00", "--reason", "to see", "--ttl", "1h", check=0)
    rollout = flight.start("--concurrency", "4", "--tenants", "tenant!=t_00")
    memory = Memory(fleet)
    memory.note("report", "rollout", "report", done)
    memory.note("sets", "set", "list")

    away = group.etcd.members[:2]
    for member in away:
        member.process.kill()
    began = time.monotonic()
    leader = group.all[0] if group.all[0].leads() else group.all[1]
    status, reason = wait_until(lambda: (a := leader.readiness())[0] == 503 and a, "the store's loss to be told")
    assert "store" in reason and "etcd" in reason, reason
    for one in group.all:
        wait_until(lambda one=one: not one.is_serving(), f"{one.name} to serve nothing")
    refused = fleet.skein("rollout", "start", "billing", "--timeout", "3s")
    assert refused.code not in (0, 1) and "store" in refused.err, refused
    # What ran has finished, where the lease allowed it; nothing begins any more.
    wait_until(lambda: stays_for(3, flight.total_tries), "the agent to be idle")
    assert wait_until(lambda: time.monotonic() - began > AWAY_S, "the store to be away for long enough")
    tries = flight.total_tries()

    for member in away:
        member.process.start()
    group.etcd.wait_healthy()
    back = time.monotonic()
    group.wait_leader()
    # etcd has given every lease a whole TTL anew: nobody waits for that of the old leader.
    assert time.monotonic() - back < 5
    wait_until(lambda: flight.total_tries() > tries, "the work to go on")
    flight.assert_arrives(rollout, once=False)
    memory.assert_kept()
    held = [lock for lock in fleet.skein("lock", "list", json=True).json if lock["tenant"] == "eu-1/t_00"]
    assert held and held[0]["reason"] == "to see", held


def test_all_members_restart_and_so_do_the_coordinators(make, fleet):
    group = make()
    flight = Flight(fleet, tenants=12, sleep_s=0.5)
    memory = Memory(fleet)
    rollout = flight.start()
    memory.note("sets", "set", "list")
    for member in group.etcd.members:
        member.process.kill()
    for member in group.etcd.members:
        member.process.start()
    group.etcd.wait_healthy()
    flight.wait_more()
    for one in group.all:
        one.process.killed = True
        one.process.send(KILL)
        one.process.wait_end()
        one.start()
    flight.assert_arrives(rollout)
    memory.assert_kept()


def is_write(request):
    return encode("/skein/writes").encode() in request


def is_any(request):
    return b"POST /v3/" in request and b"/v3/watch" not in request


def test_answers_that_are_lost_after_the_write_took_effect(make, fleet):
    group = make(members=1, etcd_proxied=True)
    flight = Flight(fleet, tenants=12, sleep_s=0.2)
    proxies = [p for c in group.all for p in c.etcd_proxies]
    for proxy in proxies:
        proxy.lose_answers(is_write, 3)
    flight.publish()  # answered once, though the store's answer was lost
    ids = set()
    for proxy in proxies:
        proxy.lose_answers(is_write, 4)  # in a row: a store that fails for 3 s is said to be away
    rollout = fleet.start_rollout("billing")
    ids.add(rollout)
    status = flight.assert_arrives(rollout)
    assert status["counts"]["failed"] == 0
    assert any(p.answers_left_to_lose() < 4 for p in proxies)
    # Every kind of request, one in a while: leases, reads, the leader key.
    for proxy in proxies:
        proxy.lose_answers(is_any, 4)
    rollout = flight.start()
    ids.add(rollout)
    flight.assert_arrives(rollout, once=False)
    assert {r["id"] for r in fleet.skein("rollout", "list", json=True).json} == ids
    started = [e for e in fleet.skein("event", "list", json=True).json if "rollout.start" in e.values()]
    assert len(started) == len(ids), started


def test_requests_take_seconds(make, fleet):
    group = make(members=1, etcd_proxied=True)
    flight = Flight(fleet, tenants=6, sleep_s=0.1)
    flight.publish()
    for one in group.all:
        for proxy in one.etcd_proxies:
            proxy.delay_s = 0.7
    rollout = fleet.start_rollout("billing")
    flight.assert_arrives(rollout)
    assert "session_lost" not in flight.agent.process.log()


def test_history_is_compacted_under_a_watch(make, fleet):
    group = make(members=1, etcd_proxied=True)
    flight = Flight(fleet, tenants=12, sleep_s=0.5)
    rollout = flight.start()
    leader = group.wait_leader()
    standby = group.standbys()[0]
    for proxy in standby.etcd_proxies:
        proxy.cut()
    wait_until(lambda: "store" in standby.readiness()[1], "the standby to miss the store")
    assert not standby.is_serving()
    assert "store" in standby.refusal()[1]
    group.etcd.ctl("compact", str(group.etcd.revision()))
    for proxy in standby.etcd_proxies:
        proxy.heal()
    wait_until(lambda: leader.address in standby.readiness()[1], "the standby to know the leader again")
    began = time.monotonic()
    assert leader.process.stop() == 0
    standby.wait_ready()
    assert time.monotonic() - began < 5
    leader.start()
    flight.assert_arrives(rollout)


def test_a_member_that_is_frozen_is_left_alone(make, fleet):
    group = make()
    flight = Flight(fleet, tenants=12, sleep_s=0.4)
    rollout = flight.start()
    follower = next(m for m in group.etcd.members if m is not group.etcd.leader())
    pause_process(follower.process)
    flight.assert_arrives(rollout)
    assert "session_lost" not in flight.agent.process.log()
