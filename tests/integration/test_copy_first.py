"""A dry run that could hurt live tenants is tried on an empty copy first (about 30 s)."""
import hashlib

import pytest

from fleet import error_of
from homes import PG_DUMP
from processes import wait_until
from sets import databases_of, schemas_of, steps, write_set

COUNTS = "INSERT INTO fails VALUES (nextval('attempts') < 0);\n"


def hidden(statement):
    """What only the server can read."""
    return ("DO $$ BEGIN EXECUTE (SELECT $q$" + statement + "$q$ FROM pg_catalog.pg_namespace"
            " WHERE nspname = 'pg_catalog'); END $$;\n")


HIDDEN = hidden("ALTER TABLE account ALTER COLUMN id TYPE numeric")
LOOSE = "-- skein:transaction none\nCREATE INDEX CONCURRENTLY account_city ON account (city);\n"
HARMLESS = {"0.3.0__harmless.sql": "ALTER TABLE account ADD COLUMN harmless text;\n"}
UNTRIED = "not tried on a copy first"


def start(fleet, count, *flags, databases=False):
    """Tenants at 0.1.0, the first of them with some megabytes."""
    names = [f"t_{i}" for i in range(count)]
    fleet.server = fleet.start_pg("eu", settings=["max_connections=200"])
    (fleet.create_databases if databases else fleet.create_schemas)(fleet.server, names)
    fleet.start_coordinator()
    fleet.start_agent("eu-1", fleet.server, mode="database" if databases else "schema", workers=4,
                      flags=["--refresh-ms", "500", *flags])
    fleet.wait_tenants(count)
    publish(fleet, {})
    fleet.roll_out("billing", "--to", "0.1.0")
    fleet.tenants = (databases_of if databases else schemas_of)(fleet.server, names)
    fleet.tenants[0].sql("INSERT INTO account (email) SELECT repeat('x', 90) || n"
                         " FROM generate_series(1, 20000) n")
    return fleet


def publish(fleet, extra, files=()):
    fleet.publish(write_set(fleet.path("billing"), {**steps(*sorted(extra), extra=extra), **dict(files)}))


def tries(tenant):
    """How many transactions have run the script there, rolled back ones included."""
    return tenant.sql("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM attempts")[0][0]


def copies(fleet):
    """How many were made, by the agent's own words."""
    with open(fleet.path("agent-eu-1.log"), encoding="utf-8") as log:
        return sum("copy_tried" in line for line in log)


def scratches(server):
    return [row[0] for row in server.sql(
        "SELECT datname FROM pg_database WHERE datname LIKE 'skein_clone_%%' ORDER BY 1")]


def untried(status):
    return [w for w in status["warnings"] if UNTRIED in w["message"]]


@pytest.fixture
def led(fleet):
    return start(fleet, 6, "--pg-dump", PG_DUMP)


def test_what_lint_cannot_see_into_is_refused_before_it_touches_a_large_table(led):
    publish(led, {"0.2.0": COUNTS + HIDDEN})
    files = [t.sql("SELECT relfilenode FROM pg_class WHERE oid = 'account'::regclass") for t in led.tenants]
    stopped = led.roll_out("billing", "--size-limit", "1MB", phase="DRY_RUN_FAILED")
    error = error_of(stopped, "eu-1/t_0")
    assert (error["code"], error["file"], error["statement"]) == ("LINT", "0.2.0__step.sql", 2), error
    assert error["message"].startswith("rewrites account (") and "empty copy" in error["message"], error
    assert "The limit is 1 MB" in error["hint"] and "--allow-large" in error["hint"], error
    # By its own size each: the others were dry-run themselves, and no table was written anew.
    assert [e["tenant"] for e in stopped["errors"]] == ["eu-1/t_0"]
    assert [tries(t) for t in led.tenants] == [0, 1, 1, 1, 1, 1]
    assert copies(led) == 1 and scratches(led.server) == []

    budget = led.roll_out("billing", "--lock-budget", "20ms", "--dry-run-only", phase="DRY_RUN_FAILED")
    assert "The lock budget is" in error_of(budget, "eu-1/t_0")["hint"], budget["errors"]
    assert files == [t.sql("SELECT relfilenode FROM pg_class WHERE oid = 'account'::regclass")
                     for t in led.tenants]

    done = copies(led)
    status = led.roll_out("billing", "--size-limit", "1MB", "--allow-large")
    assert status["counts"]["migrated"] == 6 and copies(led) == done  # nobody asks how large


def test_what_an_index_finds_is_not_taken_for_a_table_read_whole(led):
    """On an empty copy PostgreSQL would rather read all of nothing."""
    looks = ("ALTER TABLE ledger ADD COLUMN more int;\n"
             + hidden("SELECT email FROM account WHERE id = 5"))
    publish(led, {"0.2.0": looks})
    status = led.roll_out("billing", "--size-limit", "1MB")
    assert status["counts"]["migrated"] == 6 and copies(led) == 1
    reads = hidden("SELECT 1 FROM account WHERE email = 'a'")
    publish(led, {"0.2.0": looks}, {"0.3.0__reads.sql": "ALTER TABLE ledger ADD COLUMN most int;\n" + reads})
    stopped = led.roll_out("billing", "--size-limit", "1MB", phase="DRY_RUN_FAILED")
    assert error_of(stopped, "eu-1/t_0")["message"].startswith("reads all of account"), stopped["errors"]


def test_what_its_author_has_allowed_is_not_weighed(led):
    allowed = "-- skein:allow opaque the table is small everywhere\n" + HIDDEN
    publish(led, {"0.2.0": allowed}, {"0.3.0__index.sql": LOOSE.replace("city", "email")})
    status = led.roll_out("billing", "--lock-budget", "20ms", "--dry-run-only", phase="DRY_RUN_FAILED")
    # What was measured on the tenant itself still counts.
    assert "locked against writers" in error_of(status, "eu-1/t_0")["message"]
    assert copies(led) == 1  # because of the index


def test_an_index_of_a_column_that_is_not_there_is_refused_in_the_dry_run(led):
    publish(led, {"0.2.0": COUNTS}, {"0.3.0__index.sql": LOOSE})
    stopped = led.roll_out("billing", phase="DRY_RUN_FAILED")
    assert {(e["code"], e["sqlstate"], e["file"]) for e in stopped["errors"]} == {
        ("SQL", "42703", "0.3.0__index.sql")}, stopped["errors"]
    assert "copy" in stopped["errors"][0]["hint"]
    assert [tries(t) for t in led.tenants] == [0] * 6
    # A corrected schema is another class; a retry tries it anew.
    for tenant in led.tenants:
        tenant.sql("ALTER TABLE account ADD COLUMN city text")
    led.skein("rollout", "retry", stopped["id"], "--yes", check=0)
    status = led.wait_phase(stopped["id"], "SUCCEEDED")
    assert status["counts"]["migrated"] == 6
    assert scratches(led.server) == []


def test_what_an_empty_copy_cannot_know_is_left_to_the_tenant(led):
    needs = ("DO $$ BEGIN IF NOT EXISTS (SELECT FROM account) THEN RAISE EXCEPTION 'no rows'; END IF;"
             " EXECUTE (SELECT 'ALTER TABLE account ADD COLUMN city text' FROM pg_catalog.pg_class LIMIT 1);"
             " END $$;\n")
    for tenant in led.tenants[1:]:
        tenant.sql("INSERT INTO account (email) VALUES ('a')")
    publish(led, {"0.2.0": needs}, {"0.3.0__index.sql": LOOSE})
    status = led.roll_out("billing")
    assert status["counts"]["migrated"] == 6 and status["errors"] == []
    said = [w for w in status["warnings"] if "on an empty copy this fails" in w["message"]]
    assert len(said) == 1 and "no rows" in said[0]["message"], status["warnings"]
    assert said[0]["file"] == "0.2.0__step.sql" and said[0]["statement"] == 1


def test_an_index_that_only_rows_make_possible_is_not_refused(led):
    chooses = ("DO $$ BEGIN IF EXISTS (SELECT FROM account) THEN"
               " ALTER TABLE account ADD COLUMN city text; END IF; END $$;\n")
    for tenant in led.tenants[1:]:
        tenant.sql("INSERT INTO account (email) VALUES ('a')")
    publish(led, {"0.2.0": chooses}, {"0.3.0__index.sql": LOOSE})
    assert led.roll_out("billing")["counts"]["migrated"] == 6
    assert copies(led) == 1


def test_what_all_databases_share_is_not_changed_by_a_trial(led):
    makes = hidden("CREATE ROLE made_by_a_script")
    publish(led, {"0.2.0": makes})
    for _ in range(2):
        only = led.roll_out("billing", "--dry-run-only")
        assert only["errors"] == [] and only["counts"]["dry_run_passed"] == 6
        assert any("all databases of the server share" in w["message"] for w in only["warnings"])
        assert led.server.sql("SELECT 1 FROM pg_roles WHERE rolname = 'made_by_a_script'") == []
    clone = led.roll_out("billing", "--dry-run-only", "--dry-run", "clone")
    assert any("all databases of the server share" in w["message"] for w in clone["warnings"])
    assert led.server.sql("SELECT 1 FROM pg_roles WHERE rolname = 'made_by_a_script'") == []


def test_one_copy_speaks_for_all_tenants_with_the_same_schema(fleet):
    led = start(fleet, 24, "--pg-dump", PG_DUMP)
    for tenant in led.tenants[20:]:
        tenant.sql("ALTER TABLE account ADD COLUMN nick text")
    publish(led, {"0.2.0": COUNTS + HIDDEN})
    status = led.roll_out("billing")
    assert status["counts"]["migrated"] == 24 and untried(status) == []
    assert copies(led) == 2
    assert [tries(t) for t in led.tenants] == [2] * 24
    publish(led, {"0.2.0": COUNTS + HIDDEN}, HARMLESS)
    led.roll_out("billing")
    assert copies(led) == 2  # nothing to fear, nothing to pay


def test_work_that_lint_foresees_is_tried_where_there_is_much_of_it(fleet):
    led = start(fleet, 3, "--pg-dump", PG_DUMP)
    publish(led, {"0.2.0": COUNTS + "ALTER TABLE account ADD CONSTRAINT u UNIQUE (email);\n"})
    assert led.roll_out("billing")["counts"]["migrated"] == 3
    assert copies(led) == 1  # for t_0; the other tenants' tables are small


def test_without_pg_dump_it_goes_on_with_one_warning(fleet):
    led = start(fleet, 6)
    publish(led, {"0.2.0": COUNTS + HIDDEN})
    status = led.roll_out("billing")
    assert status["counts"]["migrated"] == 6
    said = untried(status)
    assert len(said) == 1 and "--pg-dump" in said[0]["message"] and "eu-1" in said[0]["message"]
    assert "CREATEDB" in said[0]["hint"], said
    publish(led, {"0.2.0": COUNTS + HIDDEN}, HARMLESS)
    assert untried(led.roll_out("billing")) == []


def test_an_agent_that_dies_over_the_trial_does_it_again(led):
    publish(led, {"0.2.0": COUNTS + HIDDEN})
    agent = led.agents["eu-1"]
    agent.kill()
    agent.start(SKEIN_CRASH_AT="clone_made")
    agent.wait_ready()
    rollout = led.start_rollout("billing")
    wait_until(lambda: not agent.process.is_running(), "the agent to die")
    assert len(scratches(led.server)) == 1
    agent.start(SKEIN_CRASH_AT="")
    status = led.wait_phase(rollout, "SUCCEEDED")
    assert status["counts"]["migrated"] == 6 and untried(status) == []
    wait_until(lambda: scratches(led.server) == [], "the copy to be dropped")


def test_a_rollout_that_is_aborted_ends_its_trial(led):
    publish(led, {"0.2.0": COUNTS + hidden("SELECT pg_sleep(59)")})
    rollout = led.start_rollout("billing")
    wait_until(lambda: led.server.sql("SELECT 1 FROM pg_stat_activity WHERE datname LIKE 'skein_clone_%%'"
                                      " AND wait_event = 'PgSleep'"), "the trial to be under way")
    led.skein("rollout", "abort", rollout, "--yes", check=0)
    led.wait_phase(rollout, "ABORTED")
    wait_until(lambda: copies(led) == 1, "the trial to end")
    with open(led.path("agent-eu-1.log"), encoding="utf-8") as log:
        assert any("copy_tried" in line and "user request" in line for line in log)
    wait_until(lambda: scratches(led.server) == [], "the copy to be dropped")
    assert [tries(t) for t in led.tenants] == [0] * 6


def test_the_sweep_leaves_alone_what_somebody_uses(fleet):
    server = fleet.start_pg("eu")
    fleet.create_schemas(server, ["t_0"])
    prefix = "skein_clone_" + hashlib.sha256(b"eu-1\0").hexdigest()[:8] + "_"
    used, left = prefix + "f00dfeed00000001", prefix + "0000000000000002"
    with server.connect() as trial:  # of another agent, before it has connected to its copy
        trial.autocommit = True
        trial.cursor().execute("SELECT pg_advisory_lock(('x' || %s)::bit(64)::bigint)", (used[-16:],))
        fleet.create_databases(server, [used, left])
        fleet.start_coordinator()
        fleet.start_agent("eu-1", server, flags=["--refresh-ms", "300", "--pg-dump", PG_DUMP])
        wait_until(lambda: scratches(server) == [used], "what nobody uses to be dropped")
        trial.cursor().execute("SELECT pg_advisory_unlock_all()")
        wait_until(lambda: scratches(server) == [], "what nobody uses any more to be dropped")


@pytest.mark.parametrize("mode", ["tenants", "clone"])
def test_tenants_that_are_databases_are_copied_too(fleet, mode):
    led = start(fleet, 3, "--pg-dump", PG_DUMP, databases=True)
    for tenant in led.tenants:
        tenant.sql("CREATE SCHEMA other; CREATE TABLE other.word (w text PRIMARY KEY);"
                   " CREATE EXTENSION citext SCHEMA other; ALTER TABLE account ADD COLUMN n other.citext;"
                   f' ALTER DATABASE "{tenant.name}" SET search_path = public, other')
    publish(led, {"0.2.0": COUNTS + HIDDEN + "ALTER TABLE other.word ADD COLUMN city text;\n"},
            {"0.3.0__index.sql": "-- skein:transaction none\n"
                                 "CREATE INDEX CONCURRENTLY word_city ON word (city);\n"})
    if mode == "tenants":
        stopped = led.roll_out("billing", "--size-limit", "1MB", phase="DRY_RUN_FAILED")
        assert [e["tenant"] for e in stopped["errors"]] == ["eu-1/t_0"], stopped["errors"]
        assert "empty copy" in stopped["errors"][0]["message"] and tries(led.tenants[0]) == 0
    else:
        only = led.roll_out("billing", "--dry-run", "clone", "--dry-run-only")
        assert only["errors"] == [] and only["dry_run_class_total"] == 1
        assert any(w["message"].startswith("rewrites account (") for w in only["warnings"])
        assert [tries(t) for t in led.tenants] == [0, 0, 0]
    status = led.roll_out("billing", "--dry-run", mode)
    assert status["counts"]["migrated"] == 3 and untried(status) == []
    assert scratches(led.server) == []


def test_a_trial_writes_nothing_on_other_servers(fleet):
    led = start(fleet, 1, "--pg-dump", PG_DUMP, databases=True)
    led.server.sql("CREATE TABLE far (n int)")
    led.tenants[0].sql(f"""CREATE EXTENSION postgres_fdw;
        CREATE SERVER away FOREIGN DATA WRAPPER postgres_fdw
            OPTIONS (host '127.0.0.1', port '{led.server.port}', dbname 'postgres');
        CREATE USER MAPPING FOR postgres SERVER away OPTIONS (user 'postgres', password_required 'false');
        CREATE FOREIGN TABLE far (n int) SERVER away""")
    publish(led, {"0.2.0": HIDDEN + "INSERT INTO far VALUES (1);\n"})
    only = led.roll_out("billing", "--dry-run-only")
    assert only["errors"] == [] and copies(led) == 1
    assert any("user mapping" in w["message"] for w in only["warnings"]), only["warnings"]
    assert led.server.sql("SELECT count(*) FROM far") == [(0,)]
    told = led.roll_out("billing", "--dry-run", "clone", phase="DRY_RUN_FAILED")
    assert "user mapping" in told["errors"][0]["message"], told["errors"]
    assert led.server.sql("SELECT count(*) FROM far") == [(0,)]
    led.roll_out("billing")
    assert led.server.sql("SELECT count(*) FROM far") == [(1,)]
