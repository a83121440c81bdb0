"""The storm's checker finds what it is there for, and its plans depend on nothing but the seed."""
import copy
import datetime
import os
import subprocess
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from processes import wait_until
from storm_check import TenantFacts, judge
from storm_nemesis import PROCESS_FAULTS, make_plan
from storm_operator import Rollout
from storm_person import Hold
from storm_reaper import started_at

SETS = {"alpha": ["1.0.0", "1.1.0"]}


def at(second):
    return datetime.datetime(2026, 1, 1, 0, 0, second, tzinfo=datetime.timezone.utc)


def good():
    """One tenant, two scripts by two rollouts, all as it should be."""
    facts = TenantFacts("eu-1/t_1")
    facts.traces = [("alpha", "1.0.0", "begin", 7, at(1)), ("alpha", "1.0.0", "end", 7, at(2)),
                    ("alpha", "1.1.0", "begin", 8, at(3)), ("alpha", "1.1.0", "end", 8, at(4))]
    facts.counters = {"alpha": 2}
    facts.history = [("alpha", "1.0.0", "up", "done", "r1"), ("alpha", "1.1.0", "up", "done", "r2")]
    facts.versions = {"alpha": "1.1.0"}
    rollouts = [Rollout("r1", "alpha", "1.0.0", "", "pause", 0.0), Rollout("r2", "alpha", "1.1.0", "", "pause", 0.0)]
    counts = {"total": 1, "queued": 0, "running": 0, "migrated": 1, "skipped": 0, "failed": 0, "unknown": 0,
              "rolled_back": 0}
    reports = {r.id: {"phase": "SUCCEEDED", "waiting_for": "", "counts": dict(counts), "errors": []} for r in rollouts}
    return facts, rollouts, reports


def rules(facts, rollouts, reports, listed=("r1", "r2"), holds=()):
    verdict = judge([facts], SETS, rollouts, set(listed), reports, holds)
    return {rule for rule, _ in verdict.findings}, {kind for kind, _ in verdict.doubts}


def test_nothing_is_found_where_all_is_well():
    assert rules(*good()) == (set(), set())


def spoil_twice(facts, _rollouts, _reports):
    facts.traces += [(s, v, e, txid + 5, t + datetime.timedelta(seconds=10)) for s, v, e, txid, t in facts.traces[2:]]


def spoil_torn(facts, _rollouts, _reports):
    facts.traces = facts.traces[:3]


def spoil_missing(facts, _rollouts, _reports):
    facts.traces, facts.history = facts.traces[2:], facts.history[1:]


def spoil_ahead(facts, _rollouts, _reports):
    facts.versions["alpha"] = "1.0.0"


def spoil_counter(facts, _rollouts, _reports):
    facts.counters["alpha"] = 3


def spoil_concurrent(facts, _rollouts, _reports):
    facts.traces[1] = facts.traces[1][:4] + (at(5),)


def spoil_overlaps(facts, _rollouts, _reports):
    facts.overlaps = 1


def spoil_order(facts, _rollouts, _reports):
    facts.traces = [row[:3] + (row[3], at(10 - row[3] + i)) for i, row in enumerate(facts.traces)]
    facts.traces = facts.traces[2:] + facts.traces[:2]


def spoil_report(_facts, _rollouts, reports):
    reports["r2"]["counts"].update(migrated=0, skipped=1)


def spoil_counts(_facts, _rollouts, reports):
    reports["r2"]["counts"].update(total=2)


def spoil_end(_facts, _rollouts, reports):
    reports["r2"]["phase"] = "RUNNING"


def spoil_abort(_facts, rollouts, _reports):
    rollouts[1].actions.append((1.0, "abort", 0))


def spoil_stranger(facts, _rollouts, _reports):
    facts.history.append(("alpha", "1.1.0", "down", "done", "r9"))


@pytest.mark.parametrize("spoil,rule", [
    (spoil_twice, "twice"), (spoil_torn, "torn"), (spoil_missing, "missing"), (spoil_ahead, "ahead"),
    (spoil_counter, "counter"), (spoil_concurrent, "concurrent"), (spoil_overlaps, "concurrent"),
    (spoil_order, "order"), (spoil_report, "report"), (spoil_counts, "counts"), (spoil_end, "unended"),
    (spoil_abort, "lost"), (spoil_stranger, "stranger")])
def test_it_finds(spoil, rule):
    facts = copy.deepcopy(good())
    spoil(*facts)
    assert rule in rules(*facts)[0]


def test_it_finds_a_rollout_that_is_gone():
    assert "lost" in rules(*good(), listed=["r1"])[0]


def test_it_finds_a_script_on_a_tenant_that_somebody_held():
    assert rules(*good(), holds=[Hold("eu-1/t_1", at(5), at(9)), Hold("eu-1/t_2", at(0), at(9))])[0] == set()
    assert rules(*good(), holds=[Hold("eu-1/t_1", at(0), at(2))])[0] == {"held"}


def test_what_a_report_calls_unknown_is_a_doubt():
    facts, rollouts, reports = good()
    reports["r2"]["phase"] = "ABORTED"
    reports["r2"]["counts"].update(migrated=0, unknown=1)
    reports["r2"]["errors"] = [{"tenant": "eu-1/t_1", "mode": "run", "code": "OUTCOME_UNKNOWN"}]
    assert rules(facts, rollouts, reports) == (set(), {"unknown"})
    reports["r2"]["errors"][0]["code"] = "SQL"
    assert rules(facts, rollouts, reports)[0] == {"report"}


def test_what_a_killed_storm_leaves_is_taken_down():
    """The storm's part is played by a process that starts another, notes it and dies."""
    script = ("import os, subprocess, storm_reaper\n"
              "reaper, child = storm_reaper.Reaper(), subprocess.Popen(['sleep', '1000'])\n"
              "reaper.note_process(child.pid)\n"
              "print(child.pid, flush=True)\n"
              "os.kill(os.getpid(), 9)\n")
    done = subprocess.run([sys.executable, "-B", "-c", script], cwd=os.path.dirname(os.path.abspath(__file__)),
                          stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode == -9
    wait_until(lambda: started_at(int(done.stdout)) is None, "the process to be gone", timeout=20)


def test_the_seed_alone_makes_the_plan():
    assert [str(f) for f in make_plan(5, 600)] == [str(f) for f in make_plan(5, 600)]
    assert [str(f) for f in make_plan(5, 600)] != [str(f) for f in make_plan(6, 600)]
    kinds = {f.kind for f in make_plan(1, 3600)}
    assert kinds == {kind for kind, _, _ in PROCESS_FAULTS} | {"cut"}
