"""Agents that stand still, are cut off, or are restarted one after another, and their successors.

Every script leaves a trace of each time that it is begun (a sequence, which no rollback takes back)
and of each time that it takes effect. About 80 s in all: most of it is waiting for leases to end.
"""
import calendar
import re
import signal
import time

import pytest

from fleet import BUILD, continue_process, pause_process
from line_proxy import LineProxy
from processes import PORTS, wait_until
from sets import Tenant, steps, write_set

SESSION_TTL_S = 15
LEADER_TTL_S = 10
SILENCE_S = 7  # after which an agent looks for another coordinator
NAMES = [f"t_{i}" for i in range(4)]
COUNTS = "SELECT nextval('attempts');"  # each time that the script is begun
# 1: the dry run, 2: the first try.
SLEEPS_IN_THE_FIRST_TRY = "SELECT pg_sleep(%s) WHERE nextval('attempts') = 2;"


class Shard:
    """A database of the one server, with tenants that have 0.1.0 already, and two agents."""

    def __init__(self, fleet, server, name, names, **first_agent):
        self.fleet = fleet
        self.name = name
        self.database = f"db_{name}"
        fleet.create_databases(server, [self.database])
        fleet.create_schemas(server, names, self.database)
        self.tenants = [Tenant(server, schema=n, database=self.database) for n in names]
        self.server = server
        self.first = self.start("a", **first_agent)
        self.second = None

    def start(self, which, **options):
        return self.fleet.start_agent(self.name, self.server, database=self.database,
                                      key=f"{self.name}-{which}", **options)

    def start_second(self, **options):
        self.second = self.start("b", **options)
        wait_until(lambda: "standing_by" in self.second.process.log(), "the second to stand by")

    def attempts(self):
        return [t.sql("SELECT last_value FROM attempts")[0][0] for t in self.tenants]

    def done(self, version="0.2.0"):
        return sum(t.version() == version for t in self.tenants)

    def assert_once(self, *versions):
        for tenant in self.tenants:
            tenant.assert_at("0.1.0", *versions)


def log_times(program, event, field=""):
    """When, in seconds since 1970, the program logged this event."""
    times = []
    for line in program.process.log().splitlines():
        match = re.match(r"time=(\S+)\.(\d+)Z level=\w+ event=(\w+) ", line)
        if match and re.fullmatch(event, match[3]) and field in line:
            times.append(calendar.timegm(time.strptime(match[1], "%Y-%m-%dT%H:%M:%S"))
                         + int(match[2]) / 1000)
    return times


def is_stopped(program):
    with open(f"/proc/{program.process.pid}/stat", encoding="ascii") as file:
        return file.read().rsplit(")", 1)[1].split()[0] == "T"


def publish(fleet, count, extra, *versions):
    """The tenants get 0.1.0; the versions after it are published."""
    fleet.wait_tenants(count)
    fleet.publish(write_set(fleet.path("billing"), steps()))
    fleet.roll_out("billing")
    fleet.publish(write_set(fleet.path("billing"), steps(*versions, extra={"0.2.0": extra})))


def assert_succeeded(fleet, rollout, count, timeout=60):
    status = fleet.wait_phase(rollout, "SUCCEEDED", "FAILED", "PAUSED", "DRY_RUN_FAILED",
                              timeout=timeout)
    assert status["phase"] == "SUCCEEDED", status
    assert status["counts"]["migrated"] == status["counts"]["total"] == count, status
    assert status["counts"]["failed"] == 0 and not status.get("errors"), status
    return status


def standbys(fleet):
    shards = fleet.skein("shard", "list", json=True).json
    assert all(s.get("standbys", 0) == len(s.get("standby_agents", [])) for s in shards), shards
    return [s.get("standbys", 0) for s in shards]


# Four tenants are dry-run first, and 0.1.0 was rolled out before: the 14th passing is in the run of
# 0.2.0, the second of its four.
STANDS_STILL_AT = {"begin": "before_begin:14", "fence": "before_fence:14", "row": "after_begin:14",
                   "commit": "before_commit:14"}


def has_pause_points():
    with open(f"{BUILD}/skein-agent", "rb") as file:
        return b"SKEIN_PAUSE_AT" in file.read()


@pytest.mark.skipif(not has_pause_points(), reason="a build without crash points")
def test_an_agent_that_stands_still_is_replaced_and_kept_out(fleet):
    """Between its look at the lease and BEGIN, between BEGIN and the fence, with the tenant's row
    locked, and before COMMIT: the other agent does the work, and what comes late changes nothing."""
    server = fleet.start_pg("pg")
    fleet.start_coordinator()
    shards = {name: Shard(fleet, server, name, NAMES, SKEIN_PAUSE_AT=point)
              for name, point in STANDS_STILL_AT.items()}
    for shard in shards.values():
        shard.start_second()
    count = len(NAMES) * len(shards)
    publish(fleet, count, COUNTS, "0.2.0")
    rollout = fleet.start_rollout("billing", "--lock-timeout", "1s")  # of the row that one stands on
    for shard in shards.values():
        wait_until(lambda s=shard: is_stopped(s.first), f"the agent of {shard.name} to stand still")
    stopped_at = time.time()
    report = assert_succeeded(fleet, rollout, count)
    for shard in shards.values():
        assert is_stopped(shard.first)
        assert log_times(shard.second, "session_started")[0] - stopped_at < SESSION_TTL_S + 2
        shard.assert_once("0.2.0")
    for shard in shards.values():
        continue_process(shard.first.process)
    for shard in shards.values():
        wait_until(lambda s=shard: log_times(s.first, "standing_by"), "the first to stand by")
        # What it had begun has ended, one way or the other, and the coordinator has been told.
        wait_until(lambda s=shard: s.first.metrics()["skein_tasks_in_flight"] == 0, "its tasks to end")
    wait_until(lambda: server.value("SELECT count(*) FROM pg_stat_activity WHERE xact_start IS NOT NULL "
                                    "AND application_name LIKE 'skein-agent%'") == 0, "all to end")
    for shard in shards.values():
        shard.assert_once("0.2.0")
    after = fleet.status(rollout)
    assert (after["phase"], after["counts"]) == (report["phase"], report["counts"])


def test_an_agent_that_is_cut_off_cancels_what_runs(fleet):
    server = fleet.start_pg("pg")
    fleet.start_coordinator()
    proxy = LineProxy(fleet.address, PORTS.take())
    try:
        direct, fleet.address = fleet.address, proxy.address
        shard = Shard(fleet, server, "eu", NAMES[:2])
        fleet.address = direct
        shard.start_second()
        publish(fleet, 2, SLEEPS_IN_THE_FIRST_TRY % 100, "0.2.0")
        rollout = fleet.start_rollout("billing")
        sleepers = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND wait_event = 'PgSleep'"
        wait_until(lambda: server.value(sleepers) == 2, "both to be at work")
        proxy.cut()
        cut_at = time.monotonic()
        wait_until(lambda: server.value(sleepers) == 0, "the statements to be cancelled")
        assert time.monotonic() - cut_at < SESSION_TTL_S + 2  # the lease ends before it is another's
        assert log_times(shard.first, "session_lost")
        assert_succeeded(fleet, rollout, 2)
        assert time.monotonic() - cut_at < SESSION_TTL_S + 5
        assert shard.attempts() == [3, 3]
        proxy.heal()
        wait_until(lambda: standbys(fleet) == [1], "the first to be back")
        assert len(log_times(shard.second, "session_started")) == 1
        shard.assert_once("0.2.0")
    finally:
        proxy.close()


def test_agents_are_restarted_one_after_another(fleet):
    """Grace for what runs, nothing new for who leaves, and the next begins at once."""
    server = fleet.start_pg("pg")
    fleet.start_coordinator()
    names = [f"t_{i:02}" for i in range(16)]
    shard = Shard(fleet, server, "eu", names)
    shard.start_second(flags=["--grace-ms", "200"])
    extra = COUNTS + "SELECT pg_sleep(CASE WHEN current_schema = 't_00' THEN 5 ELSE 0.4 END);"
    publish(fleet, len(names), extra, "0.2.0")
    rollout = fleet.start_rollout("billing", "--concurrency", "8")
    fleet.wait_phase(rollout, "RUNNING")
    wait_until(lambda: shard.done() >= 2, "the first tenants")

    # t_00 keeps the first busy for seconds: meanwhile nothing of the others may fail.
    shard.first.process.send(signal.SIGTERM)
    wait_until(lambda: fleet.skein("shard", "list", json=True).json[0]["state"] == "leaving",
               "the first to leave")
    assert shard.first.process.wait_end() == 0
    ended = log_times(shard.first, "agent_stopped")[0]
    wait_until(lambda: log_times(shard.second, "session_started"), "the second to begin", timeout=5)
    assert log_times(shard.second, "session_started")[0] - ended < 2
    assert max(shard.attempts()) == 2  # nothing that ran was cancelled, nothing was begun twice

    shard.first.start()
    wait_until(lambda: standbys(fleet) == [1], "the first to stand by again")
    assert shard.first.is_ready()
    enough = min(shard.done() + 1, len(names))  # on a slow machine all may be done by now
    wait_until(lambda: shard.done() >= enough, "the second to get on")
    # This one has not enough grace for what runs: it is cancelled and handed back.
    assert shard.second.process.stop() == 0
    wait_until(lambda: len(log_times(shard.first, "session_started")) == 2, "the first to go on", timeout=5)
    assert_succeeded(fleet, rollout, len(names))
    shard.assert_once("0.2.0")
    assert sorted(shard.attempts())[-3] == 2  # two workers, so at most two were cancelled


def start_two_coordinators(fleet):
    first = fleet.start_coordinator("etcd")
    address = fleet.address
    fleet.agents["first coordinator"] = first  # ended with the agents
    second = fleet.start_coordinator("etcd", wait=False)
    fleet.address = f"{address},{fleet.address}"
    return first, second


@pytest.mark.parametrize("how", ["asked to stop", "paused"])
def test_what_runs_goes_on_under_a_new_leader(fleet, how):
    """The agent finds it within a second or two, keeps its lease, and tells what was done meanwhile."""
    server = fleet.start_pg("pg")
    first, second = start_two_coordinators(fleet)
    shard = Shard(fleet, server, "eu", NAMES)
    seconds = 3 if how == "asked to stop" else LEADER_TTL_S + 3
    # t_0 takes long, t_1 ends while nobody leads, t_2 and t_3 wait for their turn.
    extra = COUNTS + (f"SELECT pg_sleep(CASE current_schema WHEN 't_0' THEN {seconds} WHEN 't_1' THEN 1 "
                      "ELSE 0 END) WHERE (SELECT last_value FROM attempts) = 2;")
    publish(fleet, len(NAMES), extra, "0.2.0")
    rollout = fleet.start_rollout("billing", "--concurrency", "2")
    wait_until(lambda: server.value("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'") == 2,
               "two to be at work")
    gone_at = time.time()
    if how == "paused":
        pause_process(first.process)
    else:
        first.process.send(signal.SIGTERM)
    second.wait_ready()
    led_at = log_times(second, "leading")[-1]
    assert led_at - gone_at < (1 if how == "asked to stop" else LEADER_TTL_S + 2)
    wait_until(lambda: len(log_times(shard.first, "session_started")) == 2, "the agent to be back", timeout=5)
    noticed_at = gone_at + SILENCE_S if how == "paused" else gone_at
    assert log_times(shard.first, "session_started")[-1] - max(led_at, noticed_at) < 2
    if how == "paused":
        continue_process(first.process)
    assert_succeeded(fleet, rollout, len(NAMES))
    assert not log_times(shard.first, "session_lost")
    # Those that waited may be dry-run once more; what ran, and what was done meanwhile, is not.
    assert shard.attempts()[:2] == [2, 2] and max(shard.attempts()) <= 3
    shard.assert_once("0.2.0")
