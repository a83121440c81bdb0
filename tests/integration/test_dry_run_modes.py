"""What is tried before the first tenant is changed, and whether it is still true then (about 20 s)."""
import glob

import pytest

from fleet import error_of
from processes import wait_until
from sets import schemas_of, steps, write_set

ADDS = "ALTER TABLE account ADD COLUMN city text;"


@pytest.fixture
def led(fleet):
    """Twelve tenants at 0.1.0."""
    return start(fleet, 12)


def start(fleet, count, *flags):
    names = [f"t_{i}" for i in range(count)]
    server = fleet.start_pg("eu")
    fleet.create_schemas(server, names)
    fleet.start_coordinator()
    fleet.start_agent("eu-1", server, flags=["--refresh-ms", "1000", *flags])
    fleet.wait_tenants(count)
    publish(fleet, {})
    fleet.roll_out("billing", "--to", "0.1.0")
    fleet.tenants = schemas_of(server, names)
    fleet.server = server
    return fleet


def publish(fleet, extra, files=()):
    scripts = steps(*sorted(extra), extra=extra)
    scripts.update(dict(files))
    fleet.publish(write_set(fleet.path("billing"), scripts))


def tries(tenant):
    """How many transactions have run the script, rolled back ones included."""
    return tenant.server.sql(f'SELECT CASE WHEN is_called THEN last_value ELSE 0 END'
                             f' FROM "{tenant.name}".attempts')[0][0]


def held_rollout(fleet, *args, change=None):
    """A rollout whose barrier waits for t_1 until `change` was made."""
    fleet.skein("tenant", "lock", "eu-1/t_1", "--reason", "test", check=0)
    rollout = fleet.start_rollout("billing", "--lock-timeout", "10min", *args)
    want = len(fleet.tenants) - 1

    def passed():
        return fleet.status(rollout)["counts"]["dry_run_passed"] == want

    wait_until(passed, f"{want} dry runs")
    change()
    fleet.skein("tenant", "unlock", "eu-1/t_1", check=0)
    return rollout


def stale(status):
    return [w["tenant"] for w in status["warnings"] if w["code"] == "STALE"]


COUNTS = "SELECT nextval('attempts');\n" + ADDS


def test_a_schema_that_has_changed_since_is_tried_again(led):
    publish(led, {"0.2.0": COUNTS})
    rollout = held_rollout(
        led, change=lambda: led.tenants[3].sql("ALTER TABLE account ADD COLUMN nick text"))
    status = led.wait_phase(rollout, "SUCCEEDED")
    assert status["counts"]["migrated"] == 12 and status["errors"] == []
    assert stale(status) == ["eu-1/t_3"], status["warnings"]
    assert status["counts"]["dry_run_passed"] == 12
    # A dry run and a run each; of the changed one another dry run.
    assert [tries(t) for t in led.tenants] == [3 if i == 3 else 2 for i in range(12)]


def test_what_changes_nothing_of_the_schema_is_not_stale(led):
    publish(led, {"0.2.0": ADDS})

    def change():
        led.tenants[3].sql("TRUNCATE fails")
        led.tenants[3].sql("INSERT INTO fails VALUES (false)")
        led.tenants[3].sql("REINDEX TABLE account")
        led.tenants[3].sql("ANALYZE account")

    status = led.wait_phase(held_rollout(led, change=change), "SUCCEEDED")
    assert stale(status) == []


def test_a_stale_tenant_fails_if_its_new_dry_run_does(led):
    publish(led, {"0.2.0": ADDS})
    rollout = held_rollout(
        led, "--policy", "continue",
        change=lambda: led.tenants[3].sql("ALTER TABLE account ADD COLUMN city integer"))
    status = led.wait_phase(rollout, "FAILED")
    assert stale(status) == ["eu-1/t_3"]
    error = error_of(status, "eu-1/t_3")
    assert (error["code"], error["sqlstate"], error["mode"]) == ("SQL", "42701", "dry_run")
    assert status["counts"]["migrated"] == 11 and status["counts"]["failed"] == 1


def test_one_tenant_of_each_class_is_dry_run(led):
    for tenant in led.tenants[8:]:
        tenant.sql("ALTER TABLE account ADD COLUMN nick text")
    publish(led, {"0.2.0": COUNTS})
    only = led.roll_out("billing", "--dry-run", "classes", "--dry-run-only")
    assert only["counts"]["dry_run_passed"] == 12 and only["dry_run"] == "classes"
    assert sorted(tries(t) for t in led.tenants) == [0] * 10 + [1, 1]
    assert only["dry_run_class_total"] == 2
    assert sorted(c["tenants"] for c in only["dry_run_classes"]) == [4, 8]
    stood = {c["tenant"] for c in only["dry_run_classes"]}
    assert stood == {f"eu-1/{t.name}" for t in led.tenants if tries(t) == 1}
    report = led.skein("rollout", "report", only["id"], check=0).out
    assert "2 classes of tenants, of which one tenant was dry-run each" in report, report

    status = led.roll_out("billing", "--dry-run", "classes")
    assert status["counts"]["migrated"] == 12
    assert sorted(tries(t) for t in led.tenants) == [1] * 10 + [3, 3]


def test_a_class_stands_or_falls_with_its_front_and_a_retry_asks_another(led):
    publish(led, {"0.2.0": "ALTER TABLE account ADD CONSTRAINT u UNIQUE (email);"})
    twice = "INSERT INTO account (email) VALUES ('a'), ('a')"
    for tenant in led.tenants:
        tenant.sql(twice)
    stopped = led.roll_out("billing", "--dry-run", "classes", phase="DRY_RUN_FAILED")
    assert stopped["counts"]["failed"] == 1 and stopped["counts"]["queued"] == 11, stopped
    for tenant in led.tenants:
        tenant.sql("DELETE FROM account")
    led.skein("rollout", "retry", stopped["id"], "--yes", check=0)
    status = led.wait_phase(stopped["id"], "SUCCEEDED")
    assert status["counts"]["migrated"] == 12 and status["errors"] == []


def test_a_tenant_that_leaves_its_class_is_looked_at_again(led):
    publish(led, {"0.2.0": COUNTS})
    rollout = held_rollout(
        led, "--dry-run", "classes",
        change=lambda: led.tenants[3].sql("ALTER TABLE account ADD COLUMN nick text"))
    status = led.wait_phase(rollout, "SUCCEEDED")
    assert status["counts"]["migrated"] == 12
    assert stale(status) == ["eu-1/t_3"]
    assert tries(led.tenants[3]) >= 2  # a class of its own by then


def test_without_a_dry_run_only_with_a_reason(led):
    publish(led, {"0.2.0": COUNTS})
    refused = led.skein("rollout", "start", "billing", "--dry-run", "off")
    assert refused.code == 2 and "--yes" in refused.err, refused
    status = led.roll_out("billing", "--dry-run", "off", "--reason", "tried on the staging fleet")
    assert status["counts"]["migrated"] == 12 and status["counts"]["dry_run_passed"] == 0
    assert [tries(t) for t in led.tenants] == [1] * 12
    events = led.skein("event", "list", json=True, check=0).json
    started = [e for e in events if e["action"] == "rollout.start" and e["object"] == status["id"]]
    assert "dry run: off" in started[0]["detail"]
    assert started[0]["reason"] == "tried on the staging fleet"


# ---- copies ----

PG_DUMP = sorted(glob.glob("/usr/lib/postgresql/*/bin/pg_dump"))[-1]
HARD = """ALTER TABLE account ALTER COLUMN id TYPE numeric;
ALTER TABLE account ADD CONSTRAINT filled CHECK (email <> '');
"""
LOOSE = "-- skein:transaction none\nCREATE INDEX CONCURRENTLY account_email ON account (email);\n"


def copying(fleet, count=4):
    led = start(fleet, count, "--pg-dump", PG_DUMP)
    led.server.sql("CREATE EXTENSION IF NOT EXISTS citext")
    for tenant in led.tenants:
        tenant.sql("ALTER TABLE account ADD COLUMN name public.citext")
    publish(led, {"0.2.0": HARD}, {"0.3.0__index.sql": LOOSE})
    return led


def scratches(server):
    return [row[0] for row in server.sql(
        "SELECT datname FROM pg_database WHERE datname LIKE 'skein_clone_%%'")]


def test_a_copy_is_tried_instead_of_the_tenants(fleet):
    led = copying(fleet)
    largest = led.tenants[0]
    largest.sql("INSERT INTO account (email) SELECT 'x' || n FROM generate_series(1, 20000) n")
    largest.sql("ANALYZE account")
    files = [t.server.value(f"SELECT pg_relation_filepath('\"{t.name}\".account')")
             for t in led.tenants]
    # Somebody has a table for himself that no plan is about: nobody waits for him.
    with led.server.connect() as other:
        other.autocommit = False
        cursor = other.cursor()
        cursor.execute('LOCK TABLE "t_1".account IN ROW EXCLUSIVE MODE')
        status = led.roll_out("billing", "--dry-run", "clone", "--dry-run-only")
        other.rollback()
    assert status["counts"]["dry_run_passed"] == 4 and status["errors"] == []
    assert status["dry_run_class_total"] == 1
    said = [(w["code"], w["file"], w["message"]) for w in status["warnings"]
            if "estimated" in w["message"]]
    assert any(code == "LINT" and file == "0.2.0__step.sql" and
               message.startswith("rewrites account (") and
               message.endswith("under ACCESS EXCLUSIVE") for code, file, message in said), said
    assert scratches(led.server) == []
    assert files == [t.server.value(f"SELECT pg_relation_filepath('\"{t.name}\".account')")
                     for t in led.tenants], "a live table was rewritten"
    status = led.roll_out("billing", "--dry-run", "clone")
    assert status["counts"]["migrated"] == 4
    for tenant in led.tenants:
        assert tenant.sql("SELECT indisvalid FROM pg_index"
                          " WHERE indexrelid = 'account_email'::regclass")[0][0]


def test_what_fails_on_the_copy_changes_no_tenant(fleet):
    led = copying(fleet)
    publish(led, {"0.2.0": HARD}, {"0.3.0__index.sql": LOOSE, "0.4.0__no.sql": LOOSE})
    stopped = led.roll_out("billing", "--dry-run", "clone", phase="DRY_RUN_FAILED")
    error = stopped["errors"][0]
    assert (error["code"], error["sqlstate"], error["file"]) == ("SQL", "42P07", "0.4.0__no.sql")
    assert "copy" in error["hint"]
    assert scratches(led.server) == []


def test_a_copy_waits_for_who_changes_a_table_and_not_for_ever(fleet):
    led = copying(fleet, count=2)
    with led.server.connect() as other:
        other.autocommit = False
        cursor = other.cursor()
        cursor.execute('LOCK TABLE "t_0".account, "t_1".account IN ACCESS EXCLUSIVE MODE')
        rollout = led.start_rollout("billing", "--dry-run", "clone", "--dry-run-only",
                                    "--lock-timeout", "1s", "--patience", "1s")
        status = led.wait_phase(rollout, "DRY_RUN_FAILED")
        assert {e["code"] for e in status["errors"]} == {"LOCK_TIMEOUT"}, status["errors"]
        other.rollback()
    led.skein("rollout", "retry", rollout, "--yes", check=0)
    assert led.wait_phase(rollout, "SUCCEEDED")["counts"]["dry_run_passed"] == 2
    assert scratches(led.server) == []


@pytest.mark.parametrize("point", ["clone_made", "clone_tried"])
def test_an_agent_that_dies_over_a_copy_leaves_none(fleet, point):
    led = copying(fleet, count=2)
    agent = led.agents["eu-1"]
    agent.kill()
    agent.start(SKEIN_CRASH_AT=point)
    agent.wait_ready()
    rollout = led.start_rollout("billing", "--dry-run", "clone")
    wait_until(lambda: not agent.process.is_running(), "the agent to die")
    assert len(scratches(led.server)) == 1
    agent.start(SKEIN_CRASH_AT="")
    wait_until(lambda: scratches(led.server) == [], "the copy to be dropped")
    status = led.wait_phase(rollout, "SUCCEEDED")
    assert status["counts"]["migrated"] == 2
    assert scratches(led.server) == []
