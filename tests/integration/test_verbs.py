"""Every verb of the command: what it prints, the shape of its JSON, its exit code."""
import json
import os
import subprocess

import pytest

from fleet import BUILD, ROOT, strip_colours
from processes import wait_until
from sets import schemas_of, step, steps, write_set

NAMES = ["t_1", "t_2", "t_3", "t_4"]


@pytest.fixture(scope="module")
def flight(module_fleet):
    """One shard with four tenants at 0.1.0 and a set that goes to 0.2.0."""
    fleet = module_fleet
    server = fleet.start_pg("eu")
    fleet.create_schemas(server, NAMES)
    fleet.start_coordinator()
    fleet.start_agent("eu-1", server, labels=["region=eu", "tier=free"],
                      flags=["--refresh-ms", "300"])
    fleet.wait_tenants(len(NAMES))
    fleet.billing = write_set(fleet.path("billing"), steps("0.2.0"))
    fleet.publish(fleet.billing)
    fleet.roll_out("billing", "--to", "0.1.0")
    fleet.tenants = schemas_of(server, NAMES)
    return fleet


def test_every_program_has_help_and_a_version():
    for program in ("skein", "skein-agent", "skein-coordinator"):
        for flag in ("--help", "--version"):
            done = subprocess.run([f"{BUILD}/{program}", flag], capture_output=True, text=True,
                                  check=True)
            assert done.stdout and not done.stderr
        done = subprocess.run([f"{BUILD}/{program}", "--no-such-flag"], capture_output=True,
                              text=True, check=False)
        assert done.returncode == 2 and "--no-such-flag" in done.stderr
    for program in ("skein-agent", "skein-coordinator"):
        done = subprocess.run([f"{BUILD}/{program}", "config", "show"], capture_output=True, text=True,
                              check=False, env={"SKEIN_SHARD": "eu-1", "SKEIN_POSTGRES":
                                                "host=h password=geheim dbname=d"})
        assert "geheim" not in done.stdout + done.stderr
        assert "tls-cert" in done.stdout, done


@pytest.mark.parametrize("verb", [
    "set publish", "set list", "set show", "lint", "plan", "rollout start", "rollout list",
    "rollout status", "rollout watch", "rollout report", "rollout pause", "rollout resume",
    "rollout abort", "rollout retry", "set import", "tenant list", "tenant show", "tenant census", "drift",
    "tenant history", "tenant lock",
    "tenant unlock", "tenant baseline", "tenant create", "tenant drop", "tenant label", "shard list", "shard forget", "lock list", "event list",
    "completion bash", "config show"])
def test_each_verb_has_help(verb):
    done = subprocess.run([f"{BUILD}/skein", *verb.split(), "--help"], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0 and verb.split()[-1] in done.stdout, done


@pytest.mark.parametrize("example", ["batches", "billing", "programs/set", "shared", "streams"])
def test_each_example_is_a_set_that_lint_takes(example):
    done = subprocess.run([f"{BUILD}/skein", "lint", os.path.join(ROOT, "deploy/examples", example)],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "0 errors" in done.stdout, done


def test_wrong_usage_exits_with_2(flight):
    for args in ([], ["fly"], ["rollout"], ["rollout", "fly"], ["set", "publish"],
                 ["rollout", "status"], ["plan", "billing", "--no-such"],
                 ["rollout", "start", "billing", "--policy", "hope"],
                 ["rollout", "start", "billing", "--concurrency", "many"]):
        result = flight.skein(*args)
        assert result.code == 2 and result.err and not result.out, result
    assert "publish" in flight.skein("set", "publsh").err  # a typo is answered with the verb meant


def test_nobody_there_exits_with_8(flight):
    result = flight.skein("set", "list", env={"SKEIN_COORDINATOR": "127.0.0.1:1"})
    assert result.code == 8 and "127.0.0.1:1" in result.err, result


def test_set_publish_list_show(flight):
    again = flight.skein("set", "publish", flight.billing, json=True, check=0).json
    assert again["set"] == "billing" and again["changed"] is False
    assert again["digest"].startswith("sha256:")
    dry = write_set(flight.path("dry"), steps("0.2.0"), name="dry")
    flight.skein("set", "publish", dry, "--dry-run", check=0)
    sets = flight.skein("set", "list", json=True, check=0).json
    assert [s["name"] for s in sets] == ["billing"] and sets[0]["latest"] == "0.2.0"
    shown = flight.skein("set", "show", "billing", json=True, check=0).json
    assert [m["version"] for m in shown["migrations"]] == ["0.1.0", "0.2.0"]
    assert flight.skein("set", "show", f"billing@{again['digest']}", check=0).out
    assert flight.skein("set", "show", "nosuch").code == 1
    for args in (["set", "list"], ["set", "show", "billing"]):
        assert "0.2.0" in flight.skein(*args, check=0).out


def test_publishing_a_changed_script_is_refused_and_named(flight):
    changed = write_set(flight.path("changed"),
                        {**steps("0.2.0"), "0.2.0__step.sql": step("0.2.0", "SELECT 1;")})
    result = flight.skein("set", "publish", changed)
    assert result.code == 7 and "0.2.0__step.sql" in result.err, result
    removed = write_set(flight.path("removed"), steps())
    result = flight.skein("set", "publish", removed)
    assert result.code == 7 and "0.2.0" in result.err, result


@pytest.mark.parametrize("scripts,word", [
    ({"0.1.0__a.sql": "SELEC 1;\n"}, "0.1.0__a.sql"),
    ({"0.1.0__a.sql": "SELECT 1;\nCOMMIT;\n"}, "COMMIT"),
    ({"zero__a.sql": "SELECT 1;\n"}, "zero__a.sql"),
    ({"0.1.0__a.sql": "-- skein:lock_timout 2s\nSELECT 1;\n"}, "lock_timout"),
    ({"0.1.0__a.down.sql": "SELECT 1;\n"}, "0.1.0__a"),
    ({"0.1.0__a.sql": "SELECT 1;\n", "notes.txt": "x"}, "notes.txt"),
])
def test_a_bad_set_is_refused_before_it_is_stored(flight, scripts, word):
    bad = write_set(flight.path("bad"), scripts, name="bad")
    result = flight.skein("set", "publish", bad)
    assert result.code == 6 and word in result.err + result.out, result
    assert "bad" not in [s["name"] for s in flight.skein("set", "list", json=True).json]


def test_lint_works_without_a_coordinator(flight):
    alone = {"SKEIN_COORDINATOR": "127.0.0.1:1"}
    flight.skein("lint", flight.billing, env=alone, check=0)
    bad = write_set(flight.path("lint"), {"0.1.0__a.sql": "SELECT 1;\nSELEC 2;\n"}, name="lint")
    result = flight.skein("lint", bad, json=True, env=alone, check=6)
    finding = result.json["findings"][0]
    assert finding["file"].endswith("0.1.0__a.sql") and finding["line"] == 2
    assert finding["severity"] == "error"


def test_plan_changes_nothing_and_tells_the_way(flight):
    plan = flight.skein("plan", "billing", json=True, check=0).json
    assert plan["set"] == "billing" and plan["target"] == "0.2.0"
    assert [t["tenant"] for t in plan["tenants"]] == [f"eu-1/{n}" for n in NAMES]
    for tenant in plan["tenants"]:
        assert (tenant["from"], tenant["to"]) == ("0.1.0", "0.2.0")
        assert tenant["scripts"] == ["0.2.0__step"] and tenant["error"] is None
    flight.skein("plan", "billing", "--exit-code", check=3)
    flight.skein("plan", "billing", "--to", "0.1.0", "--exit-code", check=0)
    one = flight.skein("plan", "billing", "--tenants", "tenant in (t_1,t_2*)", json=True, check=0).json
    assert [t["tenant"] for t in one["tenants"]] == ["eu-1/t_1", "eu-1/t_2"]
    assert flight.skein("plan", "billing", "--tenants", "region=(").code == 2
    for tenant in flight.tenants:
        tenant.assert_at("0.1.0")


def test_tenant_list_and_show(flight):
    listed = flight.skein("tenant", "list", json=True, check=0).json
    assert listed[0] == {"tenant": "eu-1/t_1", "shard": "eu-1", "name": "t_1",
                         "labels": listed[0]["labels"], "versions": {"billing": "0.1.0"},
                         "locked_by": None} | {k: v for k, v in listed[0].items()
                                               if k not in ("tenant", "shard", "name", "versions",
                                                            "locked_by")}
    assert len(flight.skein("tenant", "list", "--where", "region=eu,tier", json=True).json) == 4
    assert len(flight.skein("tenant", "list", "--where", "tier!=free", json=True).json) == 0
    lines = flight.skein("tenant", "list", "-o", "ndjson", check=0).out.splitlines()
    assert [json.loads(line)["name"] for line in lines] == NAMES
    shown = flight.skein("tenant", "show", "eu-1/t_2", json=True, check=0).json
    assert shown["tenant"] == "eu-1/t_2" and shown["versions"] == {"billing": "0.1.0"}
    assert flight.skein("tenant", "show", "eu-1/nobody").code != 0
    table = flight.skein("tenant", "list", check=0).out
    assert "eu-1/t_4" in table and table == strip_colours(table)


def test_tenant_history(flight):
    entries = flight.skein("tenant", "history", "eu-1/t_1", json=True, check=0).json
    assert entries[0]["version"] == "0.1.0" and entries[0]["state"] == "done"
    assert entries[0]["direction"] == "up" and len(entries[0]["checksum"]) == 64


def test_tenant_lock_and_unlock(flight):
    flight.skein("tenant", "lock", "eu-1/t_1", "--reason", "restore test", check=0)
    locks = flight.skein("lock", "list", json=True, check=0).json
    assert len(locks) == 1 and locks[0]["tenant"] == "eu-1/t_1"
    assert locks[0]["reason"] == "restore test"
    assert flight.skein("tenant", "show", "eu-1/t_1", json=True).json["locked_by"]
    assert flight.skein("tenant", "lock", "eu-1/t_1").code == 7
    flight.skein("tenant", "unlock", "eu-1/t_1", check=0)
    assert flight.skein("lock", "list", json=True, check=0).json == []


def test_shard_list(flight):
    shards = flight.skein("shard", "list", json=True, check=0).json
    assert [s["name"] for s in shards] == ["eu-1"]
    assert shards[0]["state"] == "online" and shards[0]["tenants"] == len(NAMES)


def test_rollout_verbs(flight):
    dry = flight.skein("rollout", "start", "billing", "--dry-run-only", "--wait", json=True, check=0)
    assert dry.json["phase"] == "SUCCEEDED" and dry.json["counts"]["migrated"] == 0
    for tenant in flight.tenants:
        tenant.assert_at("0.1.0")
    started = flight.skein("rollout", "start", "billing", "--reason", "test", "--tenants", "tenant=t_1",
                           check=0)
    rollout = flight.skein("rollout", "list", json=True, check=0).json[0]["id"]
    assert rollout in started.out + started.err
    waited = flight.skein("rollout", "status", rollout, "--wait", json=True, check=0).json
    assert waited["phase"] == "SUCCEEDED"
    assert set(waited) >= {"id", "set", "digest", "target", "phase", "waiting_for", "policy", "counts",
                           "errors", "warnings", "started_at", "finished_at"}
    assert waited["started_at"].endswith("Z") and waited["policy"] == "pause"
    assert flight.report(rollout)["counts"]["migrated"] == 1
    assert rollout in flight.skein("rollout", "list", check=0).out
    assert "SUCCEEDED" in flight.skein("rollout", "status", rollout, check=0).out
    watched = flight.skein("rollout", "watch", rollout, check=0)
    assert "SUCCEEDED" in watched.out and watched.out == strip_colours(watched.out)
    for verb in ("pause", "resume", "abort", "retry"):
        assert flight.skein("rollout", verb, rollout, "--yes").code == 7
        assert flight.skein("rollout", verb, "nosuch", "--yes").code == 1


def test_a_baseline_writes_the_version_and_runs_nothing(flight):
    server = flight.servers["eu"]
    server.sql("CREATE SCHEMA t_old; CREATE TABLE t_old.kept (n int)")
    flight.wait_tenants(len(NAMES) + 1)
    plan = flight.skein("plan", "billing", "--tenants", "tenant=t_old", json=True, check=0).json
    assert plan["tenants"][0]["error"]["code"] == "UNMANAGED"
    result = flight.skein("tenant", "baseline", "eu-1/t_old", "--set", "billing",
                          "--version", "0.2.0", "--yes")
    assert result.code == 0, result
    old = schemas_of(server, ["t_old"])[0]
    assert old.version() == "0.2.0" and old.ledger() == []
    assert [row[2:] for row in old.history()] == [("baseline", "done")]


def test_events_say_who_did_what(flight):
    events = flight.skein("event", "list", json=True, check=0).json
    actions = {e["action"] for e in events}
    assert {"set.publish", "rollout.start", "tenant.lock", "tenant.unlock"} <= actions, actions
    assert all(e["actor"] for e in events)
    assert any(e["reason"] == "restore test" for e in events)


def add_tenant(flight, name):
    """An empty tenant, for sets of its own."""
    flight.create_schemas(flight.servers["eu"], [name])
    wait_until(lambda: flight.skein("tenant", "show", f"eu-1/{name}").code == 0, f"{name} to be known")


def test_the_timeout_leaves_the_work_going(flight):
    add_tenant(flight, "t_slow")
    slow = write_set(flight.path("slow"), {"0.1.0__a.sql": "SELECT pg_sleep(1.5);\n"}, name="slow")
    flight.publish(slow)
    result = flight.skein("rollout", "start", "slow", "--tenants", "tenant=t_slow", "--wait",
                          "--timeout", "500ms")
    assert result.code == 124, result
    rollout = flight.skein("rollout", "list", json=True).json[0]["id"]
    flight.wait_phase(rollout, "SUCCEEDED")


def test_a_second_rollout_in_the_way_is_refused(flight):
    add_tenant(flight, "t_slow2")
    slow = write_set(flight.path("slow2"), {"0.1.0__a.sql": "SELECT pg_sleep(1);\n"}, name="slow2")
    flight.publish(slow)
    first = flight.start_rollout("slow2", "--tenants", "tenant=t_slow2")
    result = flight.skein("rollout", "start", "slow2", "--detach", "--tenants", "tenant=t_slow*")
    assert result.code == 7 and first[:8] in result.err, result
    flight.wait_phase(first, "SUCCEEDED")


def test_completion_is_bash(flight):
    script = flight.skein("completion", "bash", check=0).out
    done = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True, check=False)
    assert done.returncode == 0 and "rollout" in script, done
    probe = script + """
COMP_WORDS=(skein rollout sta); COMP_CWORD=2; COMP_LINE='skein rollout sta'; COMP_POINT=17
f=$(complete -p skein | sed 's/.*-F \\([^ ]*\\).*/\\1/'); $f skein sta rollout; echo "${COMPREPLY[@]}"
"""
    done = subprocess.run(["bash"], input=probe, text=True, capture_output=True, check=False,
                          env={"PATH": os.environ["PATH"]})
    assert "start" in done.stdout and "status" in done.stdout, done
    first = [line for line in script.splitlines() if line.startswith("_skein_first=")][0]
    names = first.partition("'")[2].rstrip("'").split()
    assert len(names) == len(set(names)), first  # a second group of one name would hide the first
    assert "    [tenant]='list show census history" in script, script
