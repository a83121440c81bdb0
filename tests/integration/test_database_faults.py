"""Databases that are killed, frozen, failed over, full, out of room, or whose answers are lost.

Each ends in a right report or in a wait that the operator sees, and goes on by itself; the scripts
are not idempotent, and the tenants' tables say how often each took effect."""
import os
import signal
import subprocess

import psycopg2
import pytest

from fault_proxy import FaultProxy
from fleet import add_up, error_of
from processes import wait_until
from sets import schemas_of, steps, write_set

NAMES = [f"t_{i:02}" for i in range(12)]
SLOW = {"0.2.0": "SELECT pg_sleep(0.1);"}
WORKERS = "application_name LIKE 'skein-agent worker%%'"


class Behind:
    """A server as the agent is told to reach it."""

    def __init__(self, *ports, attributes=""):
        self.ports = ports
        self.attributes = attributes

    def conninfo(self, database="postgres"):
        hosts = ",".join("127.0.0.1" for _ in self.ports)
        ports = ",".join(str(port) for port in self.ports)
        return f"host={hosts} port={ports} user=postgres dbname={database} {self.attributes}"


def take_off(fleet, server, reached=None, names=NAMES, extra=None, **agent):
    fleet.create_schemas(server, names)
    fleet.start_coordinator()
    fleet.start_agent("eu-1", reached or server, **agent)
    fleet.wait_tenants(len(names))
    fleet.publish(write_set(fleet.path("billing"), steps("0.2.0", "0.3.0", extra=extra or SLOW)))
    return schemas_of(server, names)


def migrated(server):
    return server.value("SELECT count(*) FROM skein.tenant WHERE version = '0.3.0'")


def start_and_wait_for_some(fleet, server, count=3):
    rollout = fleet.start_rollout("billing")
    wait_until(lambda: migrated(server) >= count, "the first tenants")
    return rollout


def assert_all_arrive(fleet, tenants, rollout, timeout=120):
    status = fleet.wait_phase(rollout, "SUCCEEDED", "FAILED", "PAUSED", "DRY_RUN_FAILED",
                              timeout=timeout)
    assert status["phase"] == "SUCCEEDED", status
    assert status["counts"]["migrated"] == add_up(status["counts"]) == len(tenants)
    for tenant in tenants:
        tenant.assert_at("0.1.0", "0.2.0", "0.3.0")
    wait_until(lambda: fleet.skein("lock", "list", json=True).json == [], "the locks to go")


def is_stopped(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        return file.read().rpartition(")")[2].split()[0] == "T"


def wait_waiting(fleet, rollout, *words):
    """Until the operator is told so."""
    def told():
        text = fleet.status(rollout)["waiting_for"]
        return text if all(word in text for word in words) else None
    return wait_until(told, f"rollout {rollout} to wait for {words}")


@pytest.mark.parametrize("commit", ["single", "group"])
def test_an_administrator_ends_every_worker_again_and_again(fleet, commit):
    server = fleet.start_pg("eu")
    tenants = take_off(fleet, server, commit=commit, workers=3)
    rollout = fleet.start_rollout("billing")
    ended = 0

    def end_them():
        nonlocal ended
        ended += server.value("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                              f"WHERE {WORKERS} AND state <> 'idle'")
        return ended >= 20 or fleet.status(rollout)["phase"] == "SUCCEEDED"
    wait_until(end_them, "twenty connections to be ended", every=0.15)
    assert_all_arrive(fleet, tenants, rollout)
    assert ended > 0


@pytest.mark.parametrize("commit", ["single", "group"])
def test_answers_to_commit_are_lost(fleet, commit):
    server = fleet.start_pg("eu")
    proxy = FaultProxy(server.port)
    try:
        tenants = take_off(fleet, server, Behind(proxy.port), commit=commit)
        proxy.lose_answers(lambda data: b"COMMIT" in data and b"ledger" in data, 5)
        rollout = fleet.start_rollout("billing")
        assert_all_arrive(fleet, tenants, rollout)
        assert proxy.answers_left_to_lose() == 0
    finally:
        proxy.close()


def hog_connections(server, hogs):
    """Takes every connection that there is, those of the agent's workers too."""
    calm = 0

    def all_taken():
        nonlocal calm
        cursor = hogs[0].cursor()
        cursor.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {WORKERS}")
        calm = calm + 1 if cursor.rowcount == 0 else 0
        with pytest.raises(psycopg2.OperationalError):
            while True:
                hogs.append(server.connect())
        return calm == 5  # one that is just being let in is not in the list yet
    hogs.append(server.connect())
    wait_until(all_taken, "every connection to be taken")


def test_a_database_without_a_free_connection_is_waited_for(fleet):
    server = fleet.start_pg("eu", settings=("max_connections=16",
                                            "superuser_reserved_connections=0"))
    tenants = take_off(fleet, server, extra={"0.2.0": "SELECT pg_sleep(0.5);"})
    hogs = []
    try:
        rollout = start_and_wait_for_some(fleet, server, 1)
        hog_connections(server, hogs)
        wait_waiting(fleet, rollout, "agent-trouble(eu-1", "too many clients")
    finally:
        for hog in hogs:
            hog.close()
    assert_all_arrive(fleet, tenants, rollout)


def test_a_frozen_database_is_seen_and_waited_for(fleet):
    server = fleet.start_pg("eu")
    tenants = take_off(fleet, server, extra={"0.2.0": "SELECT pg_sleep(0.3);"})
    rollout = start_and_wait_for_some(fleet, server)
    server.freeze()
    try:
        wait_waiting(fleet, rollout, "agent-trouble(eu-1", "timeout expired")
        assert fleet.status(rollout)["phase"] == "RUNNING"
    finally:
        server.thaw()
    assert_all_arrive(fleet, tenants, rollout)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk takes root")
def test_a_full_disk_fails_with_its_sqlstate_and_retry_goes_on(fleet):
    server = fleet.start_pg("eu")
    disk = fleet.path("disk")
    os.makedirs(disk)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m,mode=0777", "tmpfs", disk], check=True)
    try:
        os.makedirs(f"{disk}/data")
        os.chown(f"{disk}/data", *(lambda s: (s.st_uid, s.st_gid))(os.stat(server.data)))
        server.sql(f"CREATE TABLESPACE small LOCATION '{disk}/data'")
        names = NAMES[:4]
        tenants = take_off(fleet, server, names=names, extra={
            "0.2.0": "CREATE TABLE big TABLESPACE small AS SELECT repeat('x', 1000) AS text "
                     "FROM generate_series(1, 1800);"})
        # One at a time: the dry runs, which take their room back, all pass.
        rollout = fleet.start_rollout("billing", "--concurrency", 1)
        status = fleet.wait_phase(rollout, "PAUSED", "SUCCEEDED", "FAILED", "DRY_RUN_FAILED")
        assert status["phase"] == "PAUSED", status
        failed = status["errors"][0]
        assert failed["sqlstate"] == "53100", failed
        assert error_of(status, failed["tenant"])["file"] == "0.2.0__step.sql"
        done = status["counts"]["migrated"]
        assert 0 < done < len(names)
        assert done == migrated(server)
        subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
        fleet.skein("rollout", "retry", rollout, check=0)
        assert_all_arrive(fleet, tenants, rollout)
    finally:
        server.stop()
        subprocess.run(["umount", disk], check=True)


def test_a_synchronous_standby_takes_over(fleet):
    primary = fleet.start_pg("eu")
    standby = fleet.start_pg("eu-standby", primary=primary)
    primary.sql("ALTER SYSTEM SET synchronous_standby_names = '*'")
    primary.sql("SELECT pg_reload_conf()")
    wait_until(lambda: primary.value("SELECT count(*) FROM pg_stat_replication "
                                     "WHERE sync_state = 'sync'") == 1, "the standby")
    reached = Behind(primary.port, standby.port, attributes="target_session_attrs=read-write")
    take_off(fleet, primary, reached, commit="group")
    rollout = start_and_wait_for_some(fleet, primary)
    primary.crash()
    standby.sql("SELECT pg_promote()")
    assert_all_arrive(fleet, schemas_of(standby, NAMES), rollout)


def test_a_standby_that_lagged_behind_takes_over(fleet):
    """What the primary had committed is lost, also what had been reported: it is told, and done again."""
    primary = fleet.start_pg("eu")
    link = FaultProxy(primary.port)
    try:
        fleet.create_schemas(primary, NAMES)
        standby = fleet.start_pg("eu-standby", primary=primary, primary_port=link.port)
        wait_until(lambda: primary.value("SELECT count(*) FROM pg_stat_replication") == 1,
                   "the standby")
        reached = Behind(primary.port, standby.port, attributes="target_session_attrs=read-write")
        fleet.start_coordinator()
        fleet.start_agent("eu-1", reached, flags=["--refresh-ms", "500"])
        fleet.wait_tenants(len(NAMES))
        fleet.publish(write_set(fleet.path("billing"), steps("0.2.0", "0.3.0", extra={
            "0.2.0": "SELECT pg_sleep(0.4);"})))
        rollout = start_and_wait_for_some(fleet, primary, 2)
        link.silence()
        wait_until(lambda: fleet.status(rollout)["counts"]["migrated"] >= migrated(standby) + 2,
                   "tenants to be reported that the standby has not got")
        primary.crash()
        lost = fleet.status(rollout)["counts"]["migrated"] - migrated(standby)
        assert lost > 0
        standby.sql("SELECT pg_promote()")  # from here on it is noticed and done again
        assert_all_arrive(fleet, schemas_of(standby, NAMES), rollout)
        events = fleet.skein("event", "list", json=True, check=0).json
        told = [e for e in events if e["action"] == "tenants.gone_back"]
        assert told and told[0]["object"] == "eu-1", events
    finally:
        link.close()


def test_what_a_stopped_agent_may_still_do_is_settled_before_an_abort_ends(fleet):
    """The agent stands still with a transaction open; another one settles it; it wakes up in vain."""
    server = fleet.start_pg("eu")
    names = NAMES[:4]
    tenants = take_off(fleet, server, names=names, extra={}, workers=1, commit="single",
                       SKEIN_PAUSE_AT="before_commit:6")  # behind four dry runs
    stopped = fleet.agents["eu-1"].process
    rollout = fleet.start_rollout("billing")
    wait_until(lambda: is_stopped(stopped.pid), "the agent to stand still")
    done = migrated(server)
    assert 0 < done < len(names)
    fleet.start_agent("eu-1", server, key="second", wait=False)
    fleet.skein("rollout", "abort", rollout, "--yes", check=0)
    status = fleet.wait_phase(rollout, "ABORTED")
    os.kill(stopped.pid, signal.SIGCONT)
    wait_until(lambda: "stream_closed" in stopped.log() or "standing_by" in stopped.log(),
               "the agent to notice")
    assert status["counts"]["migrated"] == done
    assert status["counts"]["skipped"] == len(names) - done, status
    assert status["counts"]["unknown"] == 0
    wait_until(lambda: server.value("SELECT count(*) FROM pg_stat_activity WHERE state LIKE "
                                    "'idle in transaction%%'") == 0, "transactions to end")
    assert migrated(server) == done
    for tenant in tenants:
        tenant.assert_at(*(["0.1.0", "0.2.0", "0.3.0"] if tenant.version() else []))
