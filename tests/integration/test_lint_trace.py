"""`skein lint DIR --trace CONNINFO`: the set runs on a scratch database, which is gone afterwards, and
what lint did not foresee is said. About 15 s."""
import json
import os
import signal
import subprocess

import pytest

from fleet import BUILD, ROOT
from processes import wait_until
from servers import Postgres
from sets import write_set


@pytest.fixture(scope="module")
def postgres(postgres_template, session_folder):
    server = Postgres(postgres_template, session_folder, "trace")
    server.start()
    yield server
    server.close()


def databases(postgres):
    return postgres.value("SELECT coalesce(string_agg(datname, ' '), '') FROM pg_database"
                          " WHERE datname LIKE 'skein%'")


def lint(*arguments, check=0):
    done = subprocess.run([f"{BUILD}/skein", "lint", *map(str, arguments)], capture_output=True, text=True,
                          check=False)
    assert done.returncode == check, done
    return done


def trace(postgres, *arguments, check=0):
    done = lint(*arguments, "--trace", postgres.conninfo(), "-o", "json", check=check)
    assert databases(postgres) == ""
    return json.loads(done.stdout)


def rules(view):
    return [finding["rule"] for finding in view["findings"]]


def test_a_trace_measures_each_statement_and_agrees(postgres, tmp_path):
    folder = write_set(tmp_path / "set", {
        "0.1.0__a.sql": "CREATE TABLE a (id bigint PRIMARY KEY, n varchar(10));\n",
        "0.1.0__a.down.sql": "DROP TABLE a;\n",
        "0.2.0__b.sql": "CREATE TABLE b (id bigint PRIMARY KEY);\n"
                        "ALTER TABLE a ADD COLUMN r float DEFAULT random();\n"
                        "CREATE INDEX a_n ON a (n);\n",
        "0.2.0__b.down.sql": "DROP TABLE b;\nALTER TABLE a DROP COLUMN r;\n",
        "0.3.0__c.sql": "ALTER TABLE a ALTER COLUMN n TYPE varchar(20);\n"
                        "ALTER TABLE a ADD FOREIGN KEY (id) REFERENCES b NOT VALID;\n",
        "0.3.0__c.down.sql": "ALTER TABLE a DROP CONSTRAINT a_id_fkey;\n"
                             "ALTER TABLE a ALTER COLUMN n TYPE varchar(10);\n",
    }, name="x")
    view = trace(postgres, folder)
    assert "trace" not in rules(view) and "trace-failed" not in rules(view), view["findings"]
    measured = [statement["measured"] for statement in view["statements"]]
    assert len(measured) == 11
    assert measured[0]["locks"] == [], "its own table is nobody's business"
    assert measured[2]["locks"] == [{"relation": "a", "mode": "ACCESS EXCLUSIVE"},
                                    {"relation": "a_pkey", "mode": "ACCESS EXCLUSIVE"}] or \
        {"relation": "a", "mode": "ACCESS EXCLUSIVE"} in measured[2]["locks"]
    assert measured[2]["rewrites"] == ["a"] and measured[2]["grows"] is True
    assert measured[3]["scans"] == ["a"] and measured[3]["ms"] > 0
    assert measured[4]["rewrites"] == [] and measured[4]["grows"] is False
    assert {lock["relation"]: lock["mode"] for lock in measured[5]["locks"]}["b"] == "SHARE ROW EXCLUSIVE"
    assert measured[7]["rewrites"] == ["a"], "a rollback is measured, too"


def test_the_realistic_example_holds_no_surprise(postgres):
    """Among others: identity columns, whose sequences go with their tables."""
    view = trace(postgres, os.path.join(ROOT, "deploy/examples/billing"))
    assert "trace" not in rules(view) and "trace-failed" not in rules(view), view["findings"]


def test_what_only_the_database_knows_is_a_contradiction(postgres, tmp_path):
    """The function is in the database, not in the set: its text alone says nothing."""
    schema = tmp_path / "schema.sql"
    schema.write_text("CREATE TABLE a (id int);\n"
                      "CREATE FUNCTION work() RETURNS void LANGUAGE plpgsql AS\n"
                      "  $f$ BEGIN EXECUTE replace('ALTER TABLE a ADD COLUMN r float DEFAULT x', 'x', 'random()'); END $f$;\n",
                      encoding="utf-8")
    folder = write_set(tmp_path / "set", {"0.1.0__a.sql": "SELECT work();\n"}, name="x")
    view = trace(postgres, folder, "--schema", schema)
    finding = next(f for f in view["findings"] if f["rule"] == "trace")
    assert finding["severity"] == "warning" and finding["line"] == 1
    assert "took ACCESS EXCLUSIVE on a, foreseen was no lock" in finding["message"]
    assert "rewrote a" in finding["message"]


def test_a_statement_that_the_server_refuses_is_an_error(postgres, tmp_path):
    folder = write_set(tmp_path / "set", {"0.1.0__a.sql": "CREATE TABLE a (id int);\n",
                                  "0.2.0__b.sql": "ALTER TABLE a DROP COLUMN nowhere;\n",
                                  "0.3.0__c.sql": "DROP TABLE a;\n"}, name="x")
    view = trace(postgres, folder, check=6)
    finding = next(f for f in view["findings"] if f["rule"] == "trace-failed")
    assert finding["file"] == "0.2.0__b.sql" and "42703" in finding["message"]
    assert "measured" not in view["statements"][2]


def test_the_dump_of_a_tenant_is_what_was_there_before(postgres, tmp_path):
    postgres.sql("CREATE SCHEMA t_1; CREATE TABLE t_1.a (id int PRIMARY KEY, v text);"
                 " CREATE VIEW t_1.w AS SELECT id FROM t_1.a")
    try:
        dump = subprocess.run(["pg_dump", "--schema-only", "-n", "t_1", postgres.conninfo()],
                              capture_output=True, text=True, check=True).stdout
    finally:
        postgres.sql("DROP SCHEMA t_1 CASCADE")
    (tmp_path / "dump.sql").write_text(dump, encoding="utf-8")
    folder = write_set(tmp_path / "set", {"0.1.0__a.sql": "ALTER TABLE a ALTER v SET NOT NULL;\n"
                                          "CREATE UNIQUE INDEX a_v ON a (v);\nDROP TABLE a CASCADE;\n"}, name="x")
    view = trace(postgres, folder, "--schema", tmp_path / "dump.sql")
    assert "trace" not in rules(view), view["findings"]
    assert "set-not-null" in rules(view)
    assert view["statements"][2]["locks"][0] == {"relation": "a", "mode": "ACCESS EXCLUSIVE"}


def test_nothing_is_left_when_it_is_stopped(postgres, tmp_path):
    folder = write_set(tmp_path / "set", {"0.1.0__a.sql": "SELECT pg_sleep(1);\n" * 30}, name="x")
    process = subprocess.Popen([f"{BUILD}/skein", "lint", str(folder), "--trace", postgres.conninfo()],
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: databases(postgres) != "", "the scratch database")
    process.send_signal(signal.SIGINT)
    _, words = process.communicate(timeout=30)
    assert process.returncode == 1 and "stopped" in words
    assert databases(postgres) == ""


def test_a_scratch_that_a_killed_trace_left_is_named(postgres, tmp_path):
    folder = write_set(tmp_path / "set", {"0.1.0__a.sql": "SELECT 1;\n"}, name="x")
    postgres.sql("CREATE DATABASE skein_trace_0123456789abcdef")
    try:
        done = lint(folder, "--trace", postgres.conninfo())
        assert "skein_trace_0123456789abcdef" in done.stderr
    finally:
        postgres.sql("DROP DATABASE skein_trace_0123456789abcdef")


def test_an_unreachable_server_and_a_file_are_refused(tmp_path):
    folder = write_set(tmp_path / "set", {"0.1.0__a.sql": "SELECT 1;\n"}, name="x")
    assert "trace" in lint(folder, "--trace", "host=127.0.0.1 port=1", check=8).stderr
    lint(os.path.join(folder, "0.1.0__a.sql"), "--trace", "host=127.0.0.1 port=1", check=2)


def test_statements_outside_of_a_transaction_are_run_and_their_rewrites_seen(postgres, tmp_path):
    folder = write_set(tmp_path / "set", {
        "0.1.0__a.sql": "CREATE TABLE a (id int);\n",
        "0.2.0__b.sql": "-- skein:transaction none\nCREATE INDEX CONCURRENTLY i ON a (id);\nVACUUM FULL a;\n",
        "0.2.0__b.down.sql": "-- skein:transaction none\nDROP INDEX CONCURRENTLY i;\n"}, name="x")
    view = trace(postgres, folder)
    assert "trace" not in rules(view) and "trace-failed" not in rules(view), view["findings"]
    measured = [statement["measured"] for statement in view["statements"]]
    assert len(measured) == 4
    assert [one["locks"] for one in measured[1:]] == [None] * 3
    assert [one["rewrites"] for one in measured] == [[], [], ["a"], []]


def test_what_is_no_script_of_the_tenant_is_passed_over(postgres, tmp_path):
    folder = write_set(tmp_path / "set", {
        "0.1.0__a/10_make.sql": "CREATE TABLE a (id bigint PRIMARY KEY, v int);\n",
        "0.1.0__a/20_shared.sql": "-- skein:scope control\nCREATE TABLE nowhere_else (id int);\n",
        "0.1.0__a/30_index.sql": "CREATE INDEX a_v ON a (v);\n",
        "0.2.0__b.sql": "ALTER TABLE a ADD COLUMN w int;\n",
        "R__view.sql": "CREATE OR REPLACE VIEW v AS SELECT id FROM a;\n"}, name="x", control="eu-1/control")
    view = trace(postgres, folder)
    measured = {statement["file"]: statement.get("measured") for statement in view["statements"]}
    assert measured.pop("0.1.0__a/20_shared.sql") is None
    assert len(measured) == 4 and all(measured.values()), measured
    assert {"relation": "a", "mode": "ACCESS EXCLUSIVE"} in measured["0.2.0__b.sql"]["locks"]
