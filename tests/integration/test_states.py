"""Streams of events folded into snapshots, over the real fleet.

Budget: 100 s, most of it killed agents' leases.
"""
import json
import os
import stat

import pytest
import yaml

from fleet import BUILD, ROOT, error_of
from processes import wait_until
from sets import write_set

EVENTS = """CREATE TABLE events (stream_id text, sequence bigint, type text, payload jsonb,
    PRIMARY KEY (stream_id, sequence));
"""
SNAPSHOTS = """CREATE TABLE snapshots (stream_id text, sequence bigint, state jsonb, written int DEFAULT 1,
    PRIMARY KEY (stream_id, sequence));
"""
REGISTRY = "CREATE TABLE streams (stream_id text PRIMARY KEY, kind text NOT NULL DEFAULT 'account');\n"
# A sum that depends on the order of the events, and fails when it is told to.
FOLD = """CREATE FUNCTION fold_account(state jsonb, type text, payload jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    IF type = 'broken' THEN RAISE EXCEPTION 'the account % is broken', payload->>'why'; END IF;
    RETURN jsonb_build_object('owner', coalesce(payload->>'owner', state->>'owner'), 'balance',
        CASE type WHEN 'doubled' THEN 2 ELSE 1 END * coalesce((state->>'balance')::numeric, 0)
        + coalesce((payload->>'amount')::numeric, 0));
END $$;
CREATE FUNCTION account_v2(state jsonb) RETURNS jsonb LANGUAGE sql AS
    $$ SELECT jsonb_build_object('version', 2, 'cents', round((state->>'balance')::numeric * 100)) $$;
"""
BASE = {"0.1.0__streams.sql": EVENTS + SNAPSHOTS + REGISTRY + FOLD}

PROGRAM = """#!/usr/bin/python3
import json, os, sys
if "SKEIN_DSN" in os.environ or os.environ["SKEIN_TENANT"] not in ("t_1", "t_2"):
    sys.exit("a fold has no business in a database")
for line in sys.stdin:
    stream = json.loads(line)
    balance = 0
    for event in stream["events"]:
        if event["type"] == "broken":
            if event["payload"]["why"] == "crash":
                print("it died of", stream["stream"], file=sys.stderr)
                os._exit(3)
            print(json.dumps({"stream": stream["stream"], "error": "no account at " + str(event["sequence"])}))
            break
        if event["type"] == "other":
            print(json.dumps({"stream": stream["stream"], "skip": True}))
            break
        balance = balance * (2 if event["type"] == "doubled" else 1) + event["payload"].get("amount", 0)
    else:
        print(json.dumps({"stream": stream["stream"], "state": {"version": 2, "cents": round(balance * 100)}}))
"""


def account(name, schema="t_1", events=None):
    """SQL that makes a stream of an account."""
    events = events or [("opened", {"owner": name, "amount": 10}), ("doubled", {"amount": -10}),
                        ("paid", {"amount": 5.25})]
    rows = ", ".join(f"('{name}', {i + 1}, '{kind}', '{json.dumps(payload)}')"
                     for i, (kind, payload) in enumerate(events))
    return f"INSERT INTO {schema}.events VALUES {rows};"


class Bench:
    def __init__(self, fleet, tenants=("t_1",), flags=(), **env):
        self.fleet = fleet
        self.server = fleet.start_pg("eu")
        fleet.create_schemas(self.server, list(tenants))
        fleet.start_coordinator()
        self.flags = list(flags)
        self.agent = fleet.start_agent("eu-1", self.server, flags=self.flags)
        fleet.wait_tenants(len(tenants))

    def begin(self, scripts=None):
        self.base = scripts or BASE
        self.fleet.publish(write_set(self.fleet.path("bank"), self.base, name="bank"))
        self.fleet.roll_out("bank")

    def publish(self, state, version="0.2.0"):
        self.base = {**self.base, f"{version}__v2/20_accounts.state.yaml": yaml.safe_dump(state)}
        self.fleet.publish(write_set(self.fleet.path("bank"), self.base, name="bank"))

    def snapshots(self, schema="t_1", database="postgres"):
        return self.server.sql(f"SELECT stream_id, sequence, state FROM {schema}.snapshots ORDER BY 1, 2",
                               database=database)

    def registry(self):
        return [row[0] for row in self.server.sql('SELECT stream_id FROM t_1.streams ORDER BY stream_id COLLATE "C"')]


STATE = {"prefix": "account-", "to": "account2-", "fold": "fold_account", "migrate": "account_v2",
         "registry": {"table": "streams"}}
DONE = {"version": 2, "cents": 1525}


@pytest.fixture
def bench(fleet):
    return Bench(fleet)


def names(count, prefix="account-"):
    return [f"{prefix}{i:04}" for i in range(count)]


def fill(bench, count, registry=True):
    bench.server.sql("".join(account(name) for name in names(count)))
    if registry:
        bench.server.sql("INSERT INTO t_1.streams SELECT DISTINCT stream_id FROM t_1.events")


def test_streams_are_folded_and_others_are_left_alone(bench):
    bench.begin()
    fill(bench, 25)
    bench.server.sql(account("accounting-1") + account("order-1") +
                     "INSERT INTO t_1.streams VALUES ('account-empty', 'account'), ('account-order', 'order'), ('order-1', 'order');" +
                     account("account-order") + account("account-broken", events=[
                         ("opened", {"amount": 1}), ("broken", {"why": "in two"})]) +
                     "INSERT INTO t_1.streams VALUES ('account-broken'), ('account-taken'), ('account2-taken');" +
                     account("account-taken"))
    bench.publish({**STATE, "kind": "account", "registry": {"table": "streams", "kind": "kind"}, "page": 7})
    status = bench.fleet.roll_out("bank")
    done = names(25, "account2-") + ["account2-taken"]
    assert bench.snapshots() == [(name, 3, DONE) for name in done]
    assert bench.registry() == sorted(["account-broken", "account-empty", "account-order", "account-taken", "order-1"]
                                      + done)
    # The failing stream is listed, and so is the entry that could not be rewritten; in the rehearsal, too,
    # which sees the first page only.
    told = {(w["code"], w["message"].split(":")[0]) for w in status["warnings"] if w["mode"] == "run"}
    assert told == {("RUNNER", "stream 'account-broken'"), ("REGISTRY", "stream 'account-taken'")}, status
    broken = next(w for w in status["warnings"] if "account-broken" in w["message"])
    assert "at event 2: the account in two is broken (P0001)" in broken["message"], broken
    assert broken["file"] == "0.2.0__v2/20_accounts.state.yaml"
    taken = next(w for w in status["warnings"] if "account-taken" in w["message"])
    assert "(23505)" in taken["message"], taken
    note = bench.server.value("SELECT detail->'20_accounts'->>'output' FROM skein.history WHERE script = '0.2.0__v2'")
    assert note == "26 migrated, 2 skipped, 1 errors, 1 warnings"
    assert bench.server.sql("SELECT version FROM skein.tenant") == [("0.2.0",)]


def test_without_a_registry_streams_are_found_among_the_events(bench):
    bench.begin()
    fill(bench, 40, registry=False)
    bench.server.sql(account("account-x", events=[("created", {"amount": 1})]) + account("zebra-1"))
    bench.publish({"prefix": "account-", "kind": "opened", "fold": "fold_account", "page": 9, "workers": 3})
    bench.fleet.roll_out("bank")
    assert bench.snapshots() == [(name, 3, {"owner": name, "balance": 15.25}) for name in names(40)]


def test_too_many_errors_fail_the_operation_and_undo_it(bench):
    bench.begin()
    fill(bench, 12)
    broken = "".join(account(f"account-x{i}", events=[("opened", {"amount": 1}), ("broken", {"why": "it"})])
                     for i in range(4))
    bench.server.sql(broken + "INSERT INTO t_1.streams SELECT 'account-x' || i FROM generate_series(0, 3) i")
    before = bench.registry()
    bench.publish({**STATE, "max_errors": 2, "rollback": True, "page": 4})
    # The rehearsal folds the first page only, where all is well.
    status = bench.fleet.roll_out("bank", phase="PAUSED")
    error = error_of(status, "eu-1/t_1")
    assert "4 streams have failed, and max_errors is 2" in error["message"], error
    assert bench.snapshots() == []
    assert bench.registry() == before
    bench.server.sql("DELETE FROM t_1.events WHERE type = 'broken'")
    bench.fleet.skein("rollout", "abort", "--yes", status["id"], check=0)
    bench.fleet.roll_out("bank")
    assert len(bench.snapshots()) == 16


def test_a_rollout_is_rolled_back(bench):
    bench.begin()
    fill(bench, 12)
    before = bench.registry()
    bench.publish({**STATE, "rollback": True, "page": 5})
    rollout = bench.fleet.roll_out("bank")["id"]
    assert len(bench.snapshots()) == 12 and bench.registry() == names(12, "account2-")
    bench.server.sql("INSERT INTO t_1.snapshots VALUES ('account-0001', 1, '{}')")  # somebody else's
    bench.fleet.skein("rollout", "rollback", "--yes", rollout, check=0)
    bench.fleet.wait_phase(rollout, "ROLLED_BACK")
    assert [row[0] for row in bench.snapshots()] == ["account-0001"]
    assert bench.registry() == before
    assert bench.server.sql("SELECT version FROM skein.tenant") == [("0.1.0",)]


def test_a_snapshot_that_is_refused_is_its_streams_error(bench):
    bench.begin()
    fill(bench, 20)
    bench.server.sql("ALTER TABLE t_1.snapshots ADD CHECK (stream_id NOT IN ('account2-0003', 'account2-0011'))")
    bench.publish({**STATE, "workers": 2})
    status = bench.fleet.roll_out("bank")
    done = [name for name in names(20, "account2-") if name[-4:] not in ("0003", "0011")]
    assert bench.snapshots() == [(name, 3, DONE) for name in done]
    assert bench.registry() == sorted(["account-0003", "account-0011"] + done)
    told = {w["message"].split(": ")[0] for w in status["warnings"] if "its snapshot" in w["message"]}
    assert told == {"stream 'account-0003'", "stream 'account-0011'"}, status


def test_the_example(bench):
    example = os.path.join(ROOT, "deploy/examples/streams")
    bench.fleet.publish(example)
    rollout = bench.fleet.roll_out("bank")["id"]
    assert bench.snapshots() == [("account2-1", 3, {"owner": "Ann", "cents": 1025}),
                                 ("account2-2", 2, {"owner": "Bob", "cents": 10000})]
    assert bench.registry() == ["account2-1", "account2-2"]
    bench.fleet.skein("rollout", "rollback", "--yes", rollout, check=0)
    bench.fleet.wait_phase(rollout, "ROLLED_BACK")


def test_what_stands_under_the_new_prefix_is_not_taken_for_our_own(bench):
    bench.begin()
    fill(bench, 3)
    bench.server.sql("INSERT INTO t_1.snapshots VALUES ('account2-old', 1, '{}')")
    bench.publish({**STATE, "rollback": True})
    status = bench.fleet.roll_out("bank", phase="DRY_RUN_FAILED")
    assert "has 'account2-old' already" in error_of(status, "eu-1/t_1")["message"]
    assert [row[0] for row in bench.snapshots()] == ["account2-old"]


def test_what_is_missing_is_said_in_the_dry_run(bench):
    bench.begin()
    fill(bench, 3)
    cases = [({"fold": "fold_acount"}, 'there is no function "fold_acount"(jsonb, text, jsonb)'),
             ({"migrate": "lower"}, 'there is no function "lower"(jsonb)'),
             ({"events": {"table": "event"}}, 'relation "event" does not exist'),
             ({"events": {"payload": "body"}}, "column e.body does not exist"),
             ({"snapshots": {"stream": "written"}}, "no unique index"),
             ({"events": {"database": "elsewhere"}}, "may not work in the database 'elsewhere'"),
             ({"fold": "fold_account", "migrate": "account_v2", "max_events": 2, "max_errors": 0},
              "3 streams have failed, and max_errors is 0")]
    for i, (change, words) in enumerate(cases):
        # Each as a set of its own: what is published stays.
        write_set(bench.fleet.path("bank"), {f"0.{i + 2}.0__v2.state.yaml": yaml.safe_dump({**STATE, **change})},
                  name=f"bank{i}")
        bench.fleet.publish(bench.fleet.path("bank"))
        bench.fleet.skein("tenant", "baseline", "eu-1/t_1", "--set", f"bank{i}", "--version", "0.1.0", check=0)
        status = bench.fleet.roll_out(f"bank{i}", phase="DRY_RUN_FAILED")
        message = error_of(status, "eu-1/t_1")["message"]
        assert words in message, message
    assert bench.snapshots() == []


@pytest.mark.parametrize("point", ["state_before_commit:2", "state_committed:2", "state_renamed:2"])
def test_an_agent_that_dies_goes_on_where_it_was(fleet, point):
    bench = Bench(fleet)
    bench.begin()
    fill(bench, 20)
    # Each snapshot counts how often it was written.
    bench.server.sql("CREATE FUNCTION t_1.count_up() RETURNS trigger LANGUAGE plpgsql AS "
                     "$$ BEGIN new.written := old.written + 1; RETURN new; END $$;"
                     "CREATE TRIGGER up BEFORE UPDATE ON t_1.snapshots FOR EACH ROW EXECUTE FUNCTION t_1.count_up()")
    bench.publish({**STATE, "page": 5})
    bench.agent.kill()
    bench.agent.start(SKEIN_CRASH_AT=point)
    bench.agent.wait_ready()
    rollout = fleet.start_rollout("bank")
    wait_until(lambda: not bench.agent.process.is_running(), "the agent to die")
    assert 0 < len(bench.snapshots()) < 20
    bench.agent.start(SKEIN_CRASH_AT="").wait_ready()
    fleet.wait_phase(rollout, "SUCCEEDED", timeout=90)
    assert bench.snapshots() == [(name, 3, DONE) for name in names(20, "account2-")]
    assert bench.server.value("SELECT max(written) FROM t_1.snapshots") == 1
    assert bench.registry() == names(20, "account2-")


def elsewhere(bench, database, tables):
    bench.server.sql(f"CREATE DATABASE {database}")
    bench.server.sql(tables, database=database)


def test_three_databases_and_a_death_between_two_of_them(fleet):
    bench = Bench(fleet, flags=["--state-database", "t_*_events,snap*", "--control-database", "registry"])
    bench.begin({"0.1.0__streams.sql": FOLD})
    elsewhere(bench, "t_1_events", EVENTS)
    elsewhere(bench, "snapshots", SNAPSHOTS.replace(", PRIMARY", ", UNIQUE").replace("(stream_id, sequence))",
                                                   "(stream_id))"))
    elsewhere(bench, "registry", REGISTRY)
    bench.server.sql("".join(account(name, "public") for name in names(30)), database="t_1_events")
    bench.server.sql("INSERT INTO events VALUES ('account-bad', 1, 'opened', '{\"amount\": \"x\"}')",
                     database="t_1_events")
    bench.server.sql("INSERT INTO streams SELECT 'account-' || to_char(i, 'FM0000') FROM generate_series(0, 29) i",
                     database="registry")
    bench.server.sql("INSERT INTO streams VALUES ('account-bad')", database="registry")
    bench.publish({**STATE, "page": 8, "workers": 2, "events": {"database": "{tenant}_events"},
                   "snapshots": {"database": "snapshots"},
                   "registry": {"database": "registry", "table": "streams"}})
    bench.agent.kill()
    bench.agent.start(SKEIN_CRASH_AT="state_written_elsewhere:3")
    bench.agent.wait_ready()
    rollout = fleet.start_rollout("bank")
    wait_until(lambda: not bench.agent.process.is_running(), "the agent to die")
    bench.agent.start(SKEIN_CRASH_AT="").wait_ready()
    status = fleet.wait_phase(rollout, "SUCCEEDED", timeout=90)
    assert bench.snapshots("public", "snapshots") == [(name, 3, DONE) for name in names(30, "account2-")]
    assert [row[0] for row in bench.server.sql('SELECT stream_id FROM streams ORDER BY stream_id COLLATE "C"',
                                              database="registry")] == ["account-bad"] + names(30, "account2-")
    assert any("account-bad" in w["message"] and "at event 1" in w["message"] for w in status["warnings"]), status


def test_a_registry_that_does_not_answer_is_a_warning(fleet):
    bench = Bench(fleet, flags=["--control-database", "registry"])
    bench.begin()
    fill(bench, 5)
    elsewhere(bench, "registry", REGISTRY)
    bench.server.sql("INSERT INTO streams SELECT 'account-' || to_char(i, 'FM0000') FROM generate_series(0, 4) i",
                     database="registry")
    bench.publish({**STATE, "registry": {"database": "registry", "table": "streams"}})
    holder = bench.server.connect("registry")
    try:
        holder.autocommit = False
        holder.cursor().execute("SELECT FROM streams WHERE stream_id = 'account-0002' FOR UPDATE")
        status = fleet.roll_out("bank", "--lock-timeout", "200ms")
    finally:
        holder.close()
    assert bench.snapshots() == [(name, 3, DONE) for name in names(5, "account2-")]
    told = {(w["code"], w["message"].split(": ")[0]) for w in status["warnings"] if w["mode"] == "run"}
    assert told == {("REGISTRY", f"stream '{name}'") for name in names(5)}, status
    assert all("(55P03)" in w["message"] for w in status["warnings"])


# The others who fold have connections of their own; the walk's does not sleep, nor does the dry run's.
SLOW = FOLD.replace("BEGIN\n", """BEGIN
    IF current_setting('application_name') = 'skein-agent state' THEN PERFORM pg_sleep(600); END IF;
""", 1)


def test_a_cancel_reaches_all_who_fold(bench):
    bench.begin({"0.1.0__streams.sql": EVENTS + SNAPSHOTS + REGISTRY + SLOW})
    fill(bench, 60)
    bench.publish({**STATE, "workers": 3})
    rollout = bench.fleet.start_rollout("bank")
    asleep = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    wait_until(lambda: bench.server.value(asleep) == 2, "two of three to be asleep")
    bench.fleet.skein("rollout", "abort", "--yes", rollout, check=0)
    bench.fleet.wait_phase(rollout, "ABORTED")
    wait_until(lambda: bench.server.value(asleep) == 0, "nobody to be asleep")
    assert bench.snapshots() == []
    bench.server.sql("SET search_path = t_1; " + FOLD.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"))
    bench.fleet.roll_out("bank")
    assert bench.snapshots() == [(name, 3, DONE) for name in names(60, "account2-")]


def test_a_program_folds(fleet):
    folder = fleet.path("bin")
    os.makedirs(folder)
    program = f"{folder}/fold"
    with open(program, "w", encoding="utf-8") as file:
        file.write(PROGRAM)
    os.chmod(program, stat.S_IRWXU | stat.S_IRGRP | stat.S_IXGRP | stat.S_IROTH | stat.S_IXOTH)
    bench = Bench(fleet, flags=["--allow-exec", f"{folder}/*"])
    bench.begin()
    fill(bench, 20)
    bench.server.sql(account("account-0003b", events=[("broken", {"why": "crash"})]) +
                     account("account-0007b", events=[("opened", {"amount": 1}), ("broken", {"why": "no"})]) +
                     account("account-0009b", events=[("other", {})]) +
                     "INSERT INTO t_1.streams SELECT DISTINCT stream_id FROM t_1.events ON CONFLICT DO NOTHING")
    bench.publish({"prefix": "account-", "to": "account2-", "program": program, "timeout": "1m",
                   "registry": {"table": "streams"}, "workers": 2})
    status = bench.fleet.roll_out("bank")
    assert bench.snapshots() == [(name, 3, DONE) for name in names(20, "account2-")]
    messages = {w["message"] for w in status["warnings"] if w["mode"] == "run"}
    assert len(messages) == 2, messages
    assert any("'account-0003b'" in m and "exit status 3: it died of account-0003b" in m for m in messages), messages
    assert "stream 'account-0007b': no account at 2" in messages


def test_a_plugin_folds(fleet):
    bench = Bench(fleet, flags=["--plugin-dir", f"{BUILD}/plugins"])
    bench.begin()
    fill(bench, 8)
    bench.server.sql("".join(account(f"account-{kind}", events=[("opened", {}), (kind, {})])
                             for kind in ("asks", "dies", "fails", "other")) +
                     "INSERT INTO t_1.streams SELECT DISTINCT stream_id FROM t_1.events ON CONFLICT DO NOTHING")
    bench.publish({"prefix": "account-", "to": "account2-", "object": "folder.so", "arguments": ["bank"],
                   "registry": {"table": "streams"}})
    status = bench.fleet.roll_out("bank")
    assert bench.snapshots() == [(name, 3, {"events": 3, "of": "bank"}) for name in names(8, "account2-")]
    told = dict(w["message"].split(": ", 1) for w in status["warnings"] if w["mode"] == "run")
    assert set(told) == {f"stream 'account-{kind}'" for kind in ("asks", "dies", "fails")}, told
    assert told["stream 'account-fails'"].startswith('no such "account"')
    assert "signal 6" in told["stream 'account-dies'"], told
    assert bench.registry() == ["account-asks", "account-dies", "account-fails", "account-other"] + names(8, "account2-")


def test_a_program_that_is_not_allowed_is_refused(bench):
    bench.begin()
    fill(bench, 1)
    bench.publish({"prefix": "account-", "program": "/bin/cat"})
    status = bench.fleet.roll_out("bank", phase="DRY_RUN_FAILED")
    assert "runs no programs" in error_of(status, "eu-1/t_1")["message"]


def test_a_file_that_is_wrong_is_refused_when_it_is_published(fleet):
    fleet.start_coordinator()
    for text, words in [("prefix: a-\nfold: f\nworkers: many\n",
                         "20_accounts.state.yaml:3: key 'workers', value 'many': expected a number from 1 to 16"),
                        ("prefix: a-\nobject: fold.sql\n", "expected the name of a shared object")]:
        folder = write_set(fleet.path("bank"), {**BASE, "0.2.0__v2/20_accounts.state.yaml": text}, name="bank")
        result = fleet.publish(folder, check=None)
        assert result.code != 0 and words in result.err, result
        lint = fleet.skein("lint", folder, check=None)
        assert lint.code != 0 and words in lint.out.replace("\n    ", ": "), lint
