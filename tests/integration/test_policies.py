"""What a rollout does when tenants fail in the run, and what operators can do about it."""
import json

import pytest

from fleet import FINAL, add_up
from processes import wait_until
from sets import FAILS_IN_THE_RUN, schemas_of, steps, write_set

NAMES = [f"t_{i}" for i in range(1, 7)]


@pytest.fixture
def flight(fleet):
    """Six tenants at 0.1.0; 0.2.0 fails in the run where the table `fails` says so."""
    server = fleet.start_pg("eu")
    fleet.create_schemas(server, NAMES)
    fleet.start_coordinator()
    fleet.start_agent("eu-1", server)
    fleet.wait_tenants(len(NAMES))
    fleet.publish(write_set(fleet.path("billing"), steps("0.2.0", extra={"0.2.0": FAILS_IN_THE_RUN})))
    fleet.roll_out("billing", "--to", "0.1.0")
    fleet.tenants = schemas_of(server, NAMES)
    return fleet


def make_fail(tenants, yes=True):
    for tenant in tenants:
        tenant.sql("UPDATE fails SET yes = %s", (yes,))


def migrated(flight):
    return [t.name for t in flight.tenants if t.version() == "0.2.0"]


def assert_exactly_once(flight):
    for tenant in flight.tenants:
        tenant.assert_at(*(("0.1.0", "0.2.0") if tenant.version() == "0.2.0" else ("0.1.0",)))


def test_pause_waits_for_a_person_and_retry_goes_on(flight):
    make_fail(flight.tenants[:1])
    result = flight.skein("rollout", "start", "billing", "--concurrency", 1, "--wait", json=True,
                          check=5)
    status = result.json
    assert status["phase"] == "PAUSED" and status["waiting_for"].startswith("operator(")
    assert status["counts"]["failed"] == 1 and status["errors"][0]["mode"] == "run"
    assert status["errors"][0]["sqlstate"] == "P0001"
    assert status["counts"]["queued"] > 0 and add_up(status["counts"]) == len(NAMES)
    make_fail(flight.tenants, yes=False)
    flight.skein("rollout", "retry", status["id"], "--yes", check=0)
    status = flight.wait_phase(status["id"], "SUCCEEDED", "PAUSED")
    if status["phase"] == "PAUSED":
        flight.skein("rollout", "resume", status["id"], "--yes", check=0)
        status = flight.wait_phase(status["id"], "SUCCEEDED")
    assert status["counts"]["migrated"] == len(NAMES) and status["counts"]["failed"] == 0
    assert migrated(flight) == NAMES
    assert_exactly_once(flight)


def test_pause_and_resume_leaves_the_failed_one_behind(flight):
    make_fail(flight.tenants[:1])
    rollout = flight.start_rollout("billing", "--concurrency", 1)
    flight.wait_phase(rollout, "PAUSED")
    flight.skein("rollout", "resume", rollout, "--yes", check=0)
    status = flight.wait_phase(rollout, *FINAL)
    assert status["phase"] == "FAILED", json.dumps(status, indent=1)
    assert status["counts"]["failed"] == 1 and status["counts"]["migrated"] == len(NAMES) - 1
    assert flight.skein("rollout", "status", rollout, "--wait").code == 4
    assert migrated(flight) == NAMES[1:]
    assert_exactly_once(flight)


def test_abort_stops_at_the_first_failure(flight):
    make_fail(flight.tenants[:1])
    result = flight.skein("rollout", "start", "billing", "--concurrency", 1, "--policy", "abort",
                          "--wait", json=True, check=4)
    assert result.json["phase"] in ("ABORTED", "FAILED")
    assert result.json["counts"]["failed"] == 1
    assert add_up(result.json["counts"]) == len(NAMES)
    assert len(migrated(flight)) == result.json["counts"]["migrated"] < len(NAMES) - 1
    assert_exactly_once(flight)


def test_continue_collects_every_error(flight):
    make_fail(flight.tenants[1:4])
    result = flight.skein("rollout", "start", "billing", "--policy", "continue", "--wait", json=True,
                          check=4)
    assert result.json["phase"] == "FAILED"
    assert sorted(e["tenant"] for e in result.json["errors"]) == ["eu-1/t_2", "eu-1/t_3", "eu-1/t_4"]
    assert migrated(flight) == ["t_1", "t_5", "t_6"]
    assert_exactly_once(flight)


def test_retry_after_the_end_takes_only_the_failed_ones(flight):
    make_fail(flight.tenants[1:4])
    rollout = flight.start_rollout("billing", "--policy", "continue")
    flight.wait_phase(rollout, "FAILED")
    make_fail(flight.tenants, yes=False)
    flight.skein("rollout", "retry", rollout, "--yes", check=0)
    status = flight.wait_phase(rollout, "SUCCEEDED")
    assert status["counts"]["migrated"] == len(NAMES) and status["errors"] == []
    assert_exactly_once(flight)


@pytest.mark.parametrize("budget", ["2", "34%"])
def test_the_failure_budget_is_borne(flight, budget):
    make_fail(flight.tenants[:2])
    rollout = flight.start_rollout("billing", "--max-failures", budget)
    status = flight.wait_phase(rollout, *FINAL, "PAUSED")
    assert status["phase"] == "FAILED", json.dumps(status, indent=1)
    assert status["counts"]["failed"] == 2 and status["counts"]["migrated"] == 4
    assert_exactly_once(flight)


def test_the_failure_budget_is_a_budget(flight):
    make_fail(flight.tenants)
    rollout = flight.start_rollout("billing", "--max-failures", 2, "--concurrency", 1)
    status = flight.wait_phase(rollout, "PAUSED")
    assert status["counts"]["failed"] == 3 and status["counts"]["queued"] == 3
    flight.skein("rollout", "abort", rollout, "--yes", check=0)
    flight.wait_phase(rollout, "ABORTED")


def publish_slow(flight, sql):
    flight.publish(write_set(flight.path("billing"), steps(
        "0.2.0", "0.3.0", extra={"0.2.0": FAILS_IN_THE_RUN, "0.3.0": sql})))


def overlap(flight):
    """The greatest number of tenants that were in their slow statement at one moment."""
    rows = flight.servers["eu"].sql("SELECT from_at, to_at FROM public.spans")
    moments = sorted([(a, 1) for a, _ in rows] + [(b, -1) for _, b in rows])
    now = most = 0
    for _, change in moments:
        now += change
        most = max(most, now)
    return most


@pytest.mark.parametrize("flag,limit", [("--concurrency", 1), ("--concurrency", 2),
                                        ("--concurrency-per-shard", 1)])
def test_concurrency_is_a_limit(flight, flag, limit):
    flight.servers["eu"].sql("CREATE TABLE public.spans (from_at timestamptz, to_at timestamptz)")
    slow = ("DO $$ DECLARE start timestamptz := clock_timestamp();\nBEGIN\n    PERFORM pg_sleep(0.1);\n"
            "    INSERT INTO public.spans VALUES (start, clock_timestamp());\nEND $$;\n")
    publish_slow(flight, slow)
    flight.agents["eu-1"].process.stop()
    flight.start_agent("eu-1", flight.servers["eu"], workers=4, key="wide")
    status = flight.roll_out("billing", flag, limit)
    assert status["counts"]["migrated"] == len(NAMES)
    assert 1 <= overlap(flight) <= limit


def test_an_operator_pauses_and_resumes(flight):
    publish_slow(flight, "SELECT pg_sleep(0.4);\n")
    rollout = flight.start_rollout("billing", "--concurrency", 1)
    flight.wait_phase(rollout, "RUNNING")
    flight.skein("rollout", "pause", rollout, "--reason", "lunch", "--yes", check=0)
    status = wait_until(lambda: (s := flight.status(rollout))["phase"] == "PAUSED" and
                        s["counts"]["running"] == 0 and s, "the rollout to stand still")
    assert "lunch" in json.dumps(status) and status["counts"]["queued"] > 0
    assert flight.skein("rollout", "status", rollout, "--wait").code == 5
    done = flight.servers["eu"].value("SELECT count(*) FROM skein.tenant WHERE version = '0.3.0'")
    assert done == status["counts"]["migrated"]
    flight.skein("rollout", "resume", rollout, "--yes", check=0)
    assert flight.wait_phase(rollout, "SUCCEEDED")["counts"]["migrated"] == len(NAMES)


def test_a_rollout_waits_for_an_agent_that_is_away(flight):
    flight.agents["eu-1"].process.stop()
    rollout = flight.start_rollout("billing")
    wait_until(lambda: "eu-1" in flight.status(rollout)["waiting_for"], "the absent agent to be named")
    flight.agents["eu-1"].start()
    flight.wait_phase(rollout, "SUCCEEDED")
    assert_exactly_once(flight)
