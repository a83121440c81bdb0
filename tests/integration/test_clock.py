"""Host clocks that jump by an hour, either way, while a rollout runs: nobody may take notice.

libfaketime jumps the wall clock and leaves the monotonic one alone, as an administrator (or a virtual
machine's host) does. About 25 s.
"""
import glob
import os
import re
import subprocess

import pytest

from fleet import BUILD
from processes import wait_until
from sets import schemas_of, steps, write_set
from test_agents import log_times

NAMES = [f"t_{i:02}" for i in range(10)]
EXTRA = "SELECT nextval('attempts'); SELECT pg_sleep(0.2);"
LIBRARIES = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")


def sanitizer_of(program):
    """A sanitizer's runtime wants to be the first of all libraries."""
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    return re.findall(r"=> (\S*lib[at]san\S*)", listed)


class Clock:
    """The wall clock of one program."""

    def __init__(self, fleet, name):
        self.path = fleet.path(f"clock-{name}")
        self.set(0)
        libraries = sanitizer_of(f"{BUILD}/skein-{name}") + LIBRARIES[:1]
        self.env = {"LD_PRELOAD": ":".join(libraries), "FAKETIME_TIMESTAMP_FILE": self.path,
                    "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                    "FAKETIME_FORCE_MONOTONIC_FIX": "0"}  # with it no timed wait waits at all

    def set(self, seconds):
        with open(self.path + ".new", "w", encoding="ascii") as file:
            file.write(f"{seconds:+d}\n")
        os.rename(self.path + ".new", self.path)


@pytest.mark.skipif(not LIBRARIES, reason="libfaketime is not installed")
@pytest.mark.parametrize("store", ["sqlite", "etcd"])
def test_clocks_jump_and_nothing_happens(fleet, store):
    server = fleet.start_pg("eu")
    fleet.create_schemas(server, NAMES)
    tenants = schemas_of(server, NAMES)
    ours, theirs = Clock(fleet, "coordinator"), Clock(fleet, "agent")
    coordinator = fleet.start_coordinator(store, **ours.env)
    agent = fleet.start_agent("eu-1", server, **theirs.env)
    fleet.wait_tenants(len(NAMES))
    fleet.publish(write_set(fleet.path("billing"), steps()))
    fleet.roll_out("billing")
    fleet.publish(write_set(fleet.path("billing"), steps("0.2.0", extra={"0.2.0": EXTRA})))
    rollout = fleet.start_rollout("billing", "--concurrency", "4")
    # Also in the dry run, and each while tasks are at work.
    jumps = [(theirs, 3600), (ours, -3600), (theirs, -3600), (ours, 3600), (theirs, 0), (ours, 0)]
    for number, (clock, seconds) in enumerate(jumps):
        wait_until(lambda n=number: attempts(server) >= 2 + 3 * n, "the tasks to go on")
        clock.set(seconds)
    status = fleet.wait_phase(rollout, "SUCCEEDED", "FAILED", "PAUSED", "DRY_RUN_FAILED")
    assert status["phase"] == "SUCCEEDED", status
    assert status["counts"]["migrated"] == len(NAMES) and not status.get("errors"), status
    for tenant in tenants:
        tenant.assert_at("0.1.0", "0.2.0")
    assert attempts(server) == 2 * len(NAMES)  # one dry run, one run
    assert_undisturbed(coordinator, agent)
    # And afterwards: a rollout, a hold, a session.
    ours.set(3600)
    fleet.skein("tenant", "lock", "eu-1/t_00", "--reason", "a look", "--ttl", "2h", check=0)
    ours.set(-3600)
    theirs.set(3600)
    fleet.publish(write_set(fleet.path("billing"), steps("0.2.0", "0.3.0", extra={"0.2.0": EXTRA})))
    status = fleet.roll_out("billing", "--lock-timeout", "200ms")
    assert status["counts"]["migrated"] == len(NAMES) - 1 and status["counts"]["skipped"] == 1
    assert_undisturbed(coordinator, agent)
    assert_jumped(agent)
    assert_jumped(coordinator)


def attempts(server):
    return sum(server.value(f'SELECT last_value - CASE WHEN is_called THEN 0 ELSE 1 END FROM "{n}".attempts')
               for n in NAMES)


def assert_undisturbed(coordinator, agent):
    log = coordinator.process.log() + agent.process.log()
    for event in ("session_lost", "stream_closed", "leadership_lost", "lease_gone"):
        assert f"event={event}" not in log, log
    assert len(log_times(agent, "session_started")) == 1


def assert_jumped(program):
    """Its last words are an hour away from its first."""
    assert program.process.stop() == 0
    times = log_times(program, r"\w+")
    assert max(times) - min(times) > 3000, f"the clock of {program.process.name} did not jump"
