"""Hundreds of agents on one coordinator, each a process's worth of protocol without a database.

tests/bench/streams.sh does it with thousands and measures. About 10 s.
"""
import os
import resource

from fleet import BUILD
from processes import Process, wait_until
from sets import steps, write_set

AGENTS = 300
TENANTS = 10
FILES = 200  # fewer than there are agents


def test_more_agents_connect_than_the_soft_limit_of_open_files_allows(fleet):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, hard))
    try:
        fleet.start_coordinator("etcd")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    fake = Process("fake-agents", [f"{BUILD}/tests/bench/fake_agents", fleet.address, "0", str(AGENTS),
                                   str(TENANTS)], fleet.path("fake-agents.log"))
    fake.start()
    try:
        wait_until(lambda: "\nready" in fake.log(), "all agents to have a session")
        fleet.wait_tenants(AGENTS * TENANTS)
        fleet.publish(write_set(os.path.join(fleet.folder, "set"), steps("1.0.0")))
        rollout = fleet.start_rollout("billing")
        status = fleet.wait_phase(rollout, "SUCCEEDED")
        assert int(status["counts"]["migrated"]) == AGENTS * TENANTS, status
        assert fake.stop() == 0
        assert "\nlost 0\n" in fake.log(), fake.log_tail()
    finally:
        fake.kill()
