"""Every error code that a task can end with, made to happen in a real database."""
import json

import pytest

from fleet import codes_of, error_of
from processes import wait_until
from sets import INIT, schemas_of, step, steps, write_set

NAMES = ["t_1", "t_2", "t_3"]


@pytest.fixture
def flight(fleet):
    server = fleet.start_pg("eu")
    fleet.create_schemas(server, NAMES)
    fleet.start_coordinator()
    fleet.start_agent("eu-1", server)
    fleet.wait_tenants(len(NAMES))
    fleet.server = server
    fleet.tenants = schemas_of(server, NAMES)
    fleet.folder = fleet.path("billing")
    write_set(fleet.folder, steps())
    fleet.publish(fleet.folder)
    return fleet


def grow(flight, scripts, **settings):
    write_set(flight.folder, {"0.1.0__init.sql": INIT, **scripts}, **settings)
    flight.publish(flight.folder)


def dry_run_fails(flight, tenant, code, *args):
    status = flight.skein("rollout", "start", "billing", *args, "--wait", json=True, check=6).json
    assert status["phase"] == "DRY_RUN_FAILED"
    error = error_of(status, tenant)
    assert error["code"] == code, json.dumps(status["errors"], indent=1)
    assert error["message"]
    return error


class Blocker:
    """Holds a table of the first tenant against writers, so that a rollout with one task at a time
    waits there (and not where it looks how large the table is)."""

    def __init__(self, flight):
        self.flight = flight
        self.connection = flight.server.connect()
        self.connection.autocommit = False
        self.connection.cursor().execute("LOCK TABLE t_1.counter IN EXCLUSIVE MODE")

    def wait_blocked(self):
        wait_until(lambda: self.flight.server.value(
            "SELECT count(*) FROM pg_locks WHERE NOT granted") > 0, "the task to wait for the table")

    def release(self):
        self.connection.rollback()
        self.connection.close()


def test_sql_errors_say_where(flight):
    flight.roll_out("billing")
    grow(flight, {"0.2.0__bad.sql": "SELECT 1;\n\n-- a comment\nSELECT $$;$$ || ';';\n"
                                    "INSERT INTO\n    nowhere VALUES (1);\n"})
    error = dry_run_fails(flight, "eu-1/t_2", "SQL")
    assert error["sqlstate"] == "42P01" and error["mode"] == "dry_run"
    assert error["file"] == "0.2.0__bad.sql" and error["statement"] == 3
    assert error["line"] in (5, 6) and "nowhere" in error["message"]


def test_sql_errors_carry_detail(flight):
    flight.roll_out("billing")
    flight.tenants[1].sql("INSERT INTO account (email) VALUES ('a'), ('a')")
    grow(flight, {"0.2.0__u.sql": "CREATE UNIQUE INDEX ON account (email);\n"})
    error = dry_run_fails(flight, "eu-1/t_2", "SQL")
    assert error["sqlstate"] == "23505" and "(a)" in error["detail"]


def test_lock_timeout(flight):
    flight.roll_out("billing")
    blocker = Blocker(flight)
    grow(flight, {"0.2.0__l.sql": "-- skein:lock_timeout 200ms\n" + step("0.2.0")})
    error = dry_run_fails(flight, "eu-1/t_1", "LOCK_TIMEOUT", "--patience", "1ms")
    assert error["sqlstate"] == "55P03" and error["file"] == "0.2.0__l.sql"
    blocker.release()
    flight.roll_out("billing")


def test_tenant_locked(flight):
    flight.skein("tenant", "lock", "eu-1/t_2", "--reason", "mine", check=0)
    rollout = flight.start_rollout("billing", "--lock-timeout", "1s", "--policy", "continue")
    status = flight.wait_phase(rollout, "SUCCEEDED", "FAILED", "DRY_RUN_FAILED", "PAUSED")
    assert "TENANT_LOCKED" in codes_of(status), json.dumps(status, indent=1)
    assert flight.tenants[1].ledger() == []
    flight.skein("tenant", "unlock", "eu-1/t_2", check=0)
    flight.roll_out("billing")
    flight.tenants[1].assert_at("0.1.0")


def test_a_held_tenant_is_waited_for(flight):
    flight.skein("tenant", "lock", "eu-1/t_2", "--reason", "mine", check=0)
    rollout = flight.start_rollout("billing", "--lock-timeout", "50s")
    wait_until(lambda: "t_2" in flight.status(rollout)["waiting_for"], "the lock to be named")
    flight.skein("tenant", "unlock", "eu-1/t_2", check=0)
    flight.wait_phase(rollout, "SUCCEEDED")
    flight.tenants[1].assert_at("0.1.0")


def test_fenced(flight):
    flight.roll_out("billing")
    flight.server.sql("UPDATE skein.tenant SET fence = 9000000000000000000 WHERE tenant = 't_2'")
    grow(flight, {"0.2.0__s.sql": step("0.2.0")})
    rollout = flight.start_rollout("billing")
    status = flight.wait_phase(rollout, "DRY_RUN_FAILED", "PAUSED", "FAILED")
    assert error_of(status, "eu-1/t_2")["code"] == "FENCED"
    flight.tenants[1].assert_at("0.1.0")


def test_a_version_that_moved_meanwhile_is_planned_again(flight):
    """Somebody else writes the journal between the plan and the task."""
    flight.roll_out("billing")
    blocker = Blocker(flight)
    grow(flight, {"0.2.0__s.sql": "-- skein:lock_timeout 60s\n" + step("0.2.0"),
                  "0.3.0__s.sql": step("0.3.0")})
    rollout = flight.start_rollout("billing", "--concurrency", 1)
    blocker.wait_blocked()
    flight.server.sql("UPDATE skein.tenant SET version = '0.2.0' WHERE tenant = 't_2'")
    blocker.release()
    flight.wait_phase(rollout, "SUCCEEDED")
    assert flight.tenants[1].ledger() == ["0.1.0", "0.3.0"]
    flight.tenants[0].assert_at("0.1.0", "0.2.0", "0.3.0")


def test_tenant_missing(flight):
    flight.roll_out("billing")
    blocker = Blocker(flight)
    grow(flight, {"0.2.0__s.sql": "-- skein:lock_timeout 60s\n" + step("0.2.0")})
    rollout = flight.start_rollout("billing", "--concurrency", 1)
    blocker.wait_blocked()
    flight.server.sql("DROP SCHEMA t_2 CASCADE")
    blocker.release()
    status = flight.wait_phase(rollout, "SUCCEEDED", "FAILED", "DRY_RUN_FAILED", "PAUSED")
    assert "TENANT_MISSING" in codes_of(status), json.dumps(status, indent=1)


def test_version_too_old(flight):
    flight.roll_out("billing")
    grow(flight, {"0.2.0__s.sql": step("0.2.0")}, min_version="0.2.0")
    dry_run_fails(flight, "eu-1/t_1", "VERSION_TOO_OLD")


def test_future_version(flight):
    flight.roll_out("billing")
    flight.server.sql("UPDATE skein.tenant SET version = '7.0.0' WHERE tenant = 't_3'")
    grow(flight, {"0.2.0__s.sql": step("0.2.0")})
    error = dry_run_fails(flight, "eu-1/t_3", "FUTURE_VERSION")
    assert "7.0.0" in error["message"]


def test_prerelease(flight):
    flight.roll_out("billing")
    flight.server.sql("UPDATE skein.tenant SET version = '0.2.0-rc.1' WHERE tenant = 't_3'")
    grow(flight, {"0.2.0__s.sql": step("0.2.0")})
    dry_run_fails(flight, "eu-1/t_3", "PRERELEASE")


def test_checksum_mismatch(flight):
    flight.roll_out("billing")
    flight.server.sql(r"UPDATE skein.history SET checksum = '\xdead' WHERE tenant = 't_2'")
    grow(flight, {"0.2.0__s.sql": step("0.2.0")})
    error = dry_run_fails(flight, "eu-1/t_2", "CHECKSUM_MISMATCH")
    assert "0.1.0" in error["message"]


def test_unmanaged(flight):
    flight.server.sql("CREATE TABLE t_3.stranger (n int)")
    dry_run_fails(flight, "eu-1/t_3", "UNMANAGED")
    for tenant in flight.tenants:
        assert tenant.ledger() == []


def test_a_script_cannot_end_the_transaction(flight):
    flight.roll_out("billing")
    for text, line in (("SELECT 1;\nCOMMIT;\n", 2), ("BEGIN;\nSELECT 1;\n", 1),
                       ("SELECT 1;\nSAVEPOINT a;\n", 2), ("/* x */\nROLLBACK AND CHAIN;\n", 2)):
        write_set(flight.folder, {"0.1.0__init.sql": INIT, "0.2.0__t.sql": text})
        result = flight.skein("set", "publish", flight.folder, check=6)
        assert "transaction-control" in result.err + result.out, result
        assert f"0.2.0__t.sql:{line}" in result.err + result.out, result
    # What hides in a string is stopped by the server, and leaves nothing.
    write_set(flight.folder, {"0.1.0__init.sql": INIT, "0.2.0__t.sql": "DO $$ BEGIN COMMIT; END $$;\n"})
    result = flight.skein("set", "publish", flight.folder, check=6)
    assert "transaction-control" in result.err + result.out, result
    grow(flight, {"0.2.0__t.sql": "DO $$ BEGIN EXECUTE 'DO $x$ BEGIN COMMIT; END $x$'; END $$;\n"})
    error = dry_run_fails(flight, "eu-1/t_1", "SQL")
    assert error["sqlstate"] == "2D000"


def test_cancelled_by_an_abort(flight):
    flight.roll_out("billing")
    grow(flight, {"0.2.0__s.sql": step("0.2.0", "SELECT pg_sleep(0.2);"),
                  "0.3.0__s.sql": step("0.3.0", "SELECT CASE WHEN nextval('attempts') > 1 "
                                                "THEN pg_sleep(600) END;")})
    rollout = flight.start_rollout("billing")
    wait_until(lambda: flight.server.value(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND query LIKE '%%600%%'")
        > 0, "the run to sleep")
    flight.skein("rollout", "abort", rollout, "--yes", "--reason", "enough", check=0)
    status = flight.wait_phase(rollout, "ABORTED")
    assert "CANCELLED" in codes_of(status), json.dumps(status, indent=1)
    assert status["counts"]["running"] == status["counts"]["unknown"] == 0
    for tenant in flight.tenants:
        tenant.assert_at("0.1.0")
    assert flight.skein("lock", "list", json=True).json == []


def test_statement_timeout_is_an_sql_error(flight):
    flight.roll_out("billing")
    grow(flight, {"0.2.0__s.sql": "-- skein:statement_timeout 100ms\nSELECT pg_sleep(5);\n"})
    assert dry_run_fails(flight, "eu-1/t_1", "SQL")["sqlstate"] == "57014"


def test_warnings_never_fail_a_task(flight):
    flight.roll_out("billing")
    grow(flight, {"0.2.0__w.sql": "DO $$ BEGIN RAISE WARNING 'mind the gap'; END $$;\n"
                                  + step("0.2.0")})
    status = flight.roll_out("billing")
    warnings = flight.report(status["id"])["warnings"]
    assert any("mind the gap" in w["message"] and w["tenant"] == "eu-1/t_1" for w in warnings)


def test_nothing_leaks_from_one_tenant_to_the_next(flight):
    """One worker, one connection: what a script leaves must not reach the next tenant."""
    flight.agents["eu-1"].process.stop()
    flight.server.sql("CREATE ROLE visitor; GRANT ALL ON DATABASE postgres TO visitor")
    flight.start_agent("eu-1", flight.server, workers=1, key="single")
    probe = """DO $$
BEGIN
    IF current_setting('skein_test.mark', true) = 'left' THEN RAISE EXCEPTION 'a setting leaked'; END IF;
    IF current_user <> 'postgres' THEN RAISE EXCEPTION 'a role leaked'; END IF;
    IF current_setting('search_path') LIKE '%visitor%' THEN RAISE EXCEPTION 'search_path leaked'; END IF;
    IF current_setting('work_mem') = '77MB' THEN RAISE EXCEPTION 'work_mem leaked'; END IF;
    IF to_regclass('pg_temp.left_behind') IS NOT NULL THEN RAISE EXCEPTION 'a table leaked'; END IF;
    IF EXISTS (SELECT FROM pg_prepared_statements WHERE name = 'left_behind') THEN
        RAISE EXCEPTION 'a prepared statement leaked'; END IF;
    IF EXISTS (SELECT FROM pg_cursors WHERE name = 'left_behind') THEN
        RAISE EXCEPTION 'a cursor leaked'; END IF;
    IF EXISTS (SELECT FROM pg_listening_channels()) THEN RAISE EXCEPTION 'a LISTEN leaked'; END IF;
    -- The one that a script takes; those of the task itself end with its transaction.
    IF EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()
                                          AND classid = 0 AND objid = 4711) THEN
        RAISE EXCEPTION 'an advisory lock leaked'; END IF;
END
$$;
"""
    leave = """
SET skein_test.mark = 'left';
SET work_mem = '77MB';
CREATE TEMPORARY TABLE left_behind (n int);
PREPARE left_behind AS SELECT 1;
DECLARE left_behind CURSOR WITH HOLD FOR SELECT 1;
LISTEN left_behind;
SELECT pg_advisory_lock(4711);
SET search_path = visitor;
SET SESSION AUTHORIZATION visitor;
"""
    scripts = {"0.1.0__init.sql": probe + INIT + leave}
    write_set(flight.path("leak"), scripts, name="leak")
    flight.publish(flight.path("leak"))
    status = flight.roll_out("leak")
    assert status["counts"]["migrated"] == len(NAMES)
    for tenant in flight.tenants:
        assert tenant.counter() == 1 and tenant.version("leak") == "0.1.0"


def test_scripts_are_split_by_the_server_s_own_grammar(flight):
    flight.roll_out("billing")
    grow(flight, {"0.2.0__q.sql": """/* a ; in a /* nested ; */ comment */
CREATE FUNCTION add_one(n int) RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT n + 1; SELECT n + 1; END;
CREATE FUNCTION text_of() RETURNS text LANGUAGE plpgsql AS $body$
BEGIN
    RETURN $q$a;b$q$ || E'\\';' || ';';
END;
$body$;
INSERT INTO account (email) SELECT text_of() || add_one(1);
""" + step("0.2.0")})
    flight.roll_out("billing")
    for tenant in flight.tenants:
        tenant.assert_at("0.1.0", "0.2.0")
        assert tenant.sql("SELECT email FROM account") == [("a;b';;2",)]
