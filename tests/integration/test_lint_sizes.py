"""The same statement is harmless on a small table and refused on a large one: by `skein lint --database`, and by
the agents before a dry run touches anything."""
import json
import subprocess

import pytest

from fleet import BUILD, error_of
from sets import write_set

TABLES = """CREATE TABLE account (id bigserial PRIMARY KEY, email text, name varchar(50), amount int, note text);
CREATE TABLE tiny (id int, email text);
CREATE SEQUENCE attempts;
"""
FILL = "INSERT INTO account (email, name, amount, note) SELECT 'e' || n, 'n', n, repeat('x', 200) FROM generate_series(1, 20000) n;"
PROVE = "ALTER TABLE account ADD CONSTRAINT proof CHECK (email IS NOT NULL);"
# What a sequence counts is not rolled back: it tells whether the dry run has run the script.
TRIED = "SELECT nextval('attempts');\n"
LIMIT = ("--size-limit", "2MB")

BIG, PROVED, SMALL = "t_big", "t_proved", "t_small"


@pytest.fixture(scope="module")
def fleet(module_fleet):
    """One tenant with a table of 5 MB, one where a check proves a column, one that is nearly empty."""
    server = module_fleet.start_pg("eu")
    module_fleet.create_schemas(server, [BIG, PROVED, SMALL])
    for name, extra in ((BIG, FILL), (PROVED, FILL + PROVE), (SMALL, "INSERT INTO account (email) VALUES ('e');")):
        server.sql(f"SET search_path = {name}; {TABLES} {extra}")
    module_fleet.start_coordinator()
    module_fleet.start_agent("eu-1", server)
    module_fleet.wait_tenants(3)
    module_fleet.server = server
    return module_fleet


def publish(fleet, name, script, path="0.2.0__change.sql", more=(), **settings):
    """A set of its own on tables that are there already."""
    scripts = {"0.1.0__init.sql": TABLES, path: script, **dict(more)}
    fleet.publish(write_set(fleet.path(name), scripts, name=name, **settings))


def roll_out(fleet, name, *flags, phase="SUCCEEDED"):
    return fleet.roll_out(name, "--baseline-unmanaged", "0.1.0", *flags, phase=phase)


def tried(fleet, tenant):
    return fleet.server.value(f"SELECT is_called FROM {tenant}.attempts")


def forget(fleet):
    for tenant in (BIG, PROVED, SMALL):
        fleet.server.sql(f"SELECT setval('{tenant}.attempts', 1, false)")


def file_of(fleet, tenant):
    return fleet.server.value(f"SELECT pg_relation_filenode('{tenant}.account')")


def test_a_large_table_is_not_touched_and_others_are(fleet):
    forget(fleet)
    publish(fleet, "notnull", TRIED + "ALTER TABLE account ALTER COLUMN email SET NOT NULL;\n")
    status = roll_out(fleet, "notnull", *LIMIT, phase="DRY_RUN_FAILED")
    assert [error["tenant"] for error in status["errors"]] == [f"eu-1/{BIG}"], status["errors"]
    error = error_of(status, f"eu-1/{BIG}")
    assert error["code"] == "LINT" and error["file"] == "0.2.0__change.sql" and error["line"] == 2, error
    assert error["message"].startswith("account (") and "MB)" in error["message"], error
    assert "set-not-null" in error["message"] and "ACCESS EXCLUSIVE" in error["message"], error
    assert "NOT VALID" in error["hint"] and "--allow-large" in error["hint"], error
    assert [tried(fleet, name) for name in (BIG, PROVED, SMALL)] == [False, True, True]


def test_who_knows_better_goes_on_with_a_warning(fleet):
    forget(fleet)
    publish(fleet, "bigint", TRIED + "ALTER TABLE account ALTER COLUMN amount TYPE bigint;\n")
    before = file_of(fleet, BIG)
    status = roll_out(fleet, "bigint", *LIMIT, phase="DRY_RUN_FAILED")
    assert {error["tenant"] for error in status["errors"]} == {f"eu-1/{BIG}", f"eu-1/{PROVED}"}
    assert file_of(fleet, BIG) == before and not tried(fleet, BIG) and tried(fleet, SMALL)
    status = roll_out(fleet, "bigint", "--allow-large", *LIMIT)
    assert status["counts"]["migrated"] == 3, status
    warnings = [w for w in fleet.report(status["id"])["warnings"] if w["code"] == "LINT"]
    assert warnings and {w["tenant"] for w in warnings} <= {f"eu-1/{BIG}", f"eu-1/{PROVED}"}, warnings
    assert all("column-type-rewrite" in w["message"] for w in warnings), warnings
    assert file_of(fleet, BIG) != before


def test_without_a_limit_of_its_own_a_rollout_has_the_agents(fleet):
    publish(fleet, "wider", "ALTER TABLE account ALTER COLUMN name TYPE varchar(100);\n"
                            "ALTER TABLE tiny ALTER COLUMN id TYPE bigint;\n")
    status = roll_out(fleet, "wider", *LIMIT)
    assert [w for w in fleet.report(status["id"])["warnings"] if w["code"] == "LINT"] == []
    publish(fleet, "checked", "ALTER TABLE account ADD CONSTRAINT positive CHECK (amount IS NULL OR amount > 0);\n")
    status = roll_out(fleet, "checked")
    assert status["counts"]["migrated"] == 3, status
    # (This agent has no pg_dump to try it on a copy first, and says so.)
    warnings = [w for w in fleet.report(status["id"])["warnings"]
                if w["code"] == "LINT" and "on a copy first" not in w["message"]]
    assert len(warnings) == 1 and warnings[0]["tenant"] in (f"eu-1/{BIG}", f"eu-1/{PROVED}"), warnings
    assert "add-check" in warnings[0]["message"] and "twice as large" in warnings[0]["detail"], warnings


def test_an_index_is_built_concurrently_or_not_at_all(fleet):
    publish(fleet, "index", "CREATE INDEX account_email ON account (email);\n")
    status = roll_out(fleet, "index", *LIMIT, phase="DRY_RUN_FAILED")
    hint = error_of(status, f"eu-1/{BIG}")["hint"]
    assert hint.startswith("Safe: -- skein:transaction none\nCREATE INDEX CONCURRENTLY"), hint
    publish(fleet, "gentle", "-- skein:transaction none\nCREATE INDEX CONCURRENTLY account_email ON account (email);\n")
    assert roll_out(fleet, "gentle", *LIMIT)["counts"]["migrated"] == 3


def test_what_a_dry_run_does_not_run_is_weighed_all_the_same(fleet):
    publish(fleet, "reindex", "-- skein:transaction none\nREINDEX INDEX account_pkey;\n")
    status = roll_out(fleet, "reindex", *LIMIT, phase="DRY_RUN_FAILED")
    assert error_of(status, f"eu-1/{BIG}")["code"] == "LINT"
    publish(fleet, "allowed", "-- skein:transaction none\n-- skein:allow reindex at night\nREINDEX INDEX account_pkey;\n")
    assert roll_out(fleet, "allowed", *LIMIT)["counts"]["migrated"] == 3


def test_what_a_tenant_alone_has_is_seen(fleet):
    """Free by the scripts; here somebody made an index on the expression by hand, which would be built again."""
    fleet.server.sql(f"CREATE INDEX by_hand ON {BIG}.account (lower(name)) WHERE name <> ''")
    publish(fleet, "byhand", "ALTER TABLE account ALTER COLUMN name TYPE varchar(200);\n")
    status = roll_out(fleet, "byhand", *LIMIT, phase="DRY_RUN_FAILED")
    assert [error["tenant"] for error in status["errors"]] == [f"eu-1/{BIG}"], status["errors"]
    assert "column-type-scan" in error_of(status, f"eu-1/{BIG}")["message"]


def lint(folder, *flags):
    return subprocess.run([f"{BUILD}/skein", "lint", str(folder), *flags], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("tenant, error, severity, code", [
    (BIG, "1MB", "error", 6), (BIG, "1GB", "warning", 0), (SMALL, "1GB", "note", 0)])
def test_lint_asks_a_tenants_database(fleet, tmp_path, tenant, error, severity, code):
    folder = write_set(tmp_path / "set", {"0.1.0__init.sql": TABLES,
                                          "0.2.0__x.sql": "ALTER TABLE account ALTER COLUMN note SET NOT NULL;\n"})
    flags = ("--database", fleet.server.conninfo(), "--search-path", tenant, "--from", "0.1.0", "--size-error", error)
    done = lint(folder, *flags, "-o", "json")
    assert done.returncode == code, done.stderr
    found = [f for f in json.loads(done.stdout)["findings"] if f["rule"] == "set-not-null"]
    assert [f["severity"] for f in found] == [severity], found
    size = fleet.server.value(f"SELECT pg_table_size('{tenant}.account')")
    assert found[0]["bytes"] == size and f"account ({found[0]['size']}): " in found[0]["message"], found
    github = lint(folder, *flags, "--format", "github").stdout
    assert found[0]["size"] in github and "0.1.0__init.sql" not in github, github


def test_a_rollback_is_weighed_and_goes_on_all_the_same(fleet):
    down = "ALTER TABLE account DROP COLUMN extra;\nCREATE INDEX account_back ON account (email);\n"
    publish(fleet, "back", "ALTER TABLE account ADD COLUMN extra int;\n", more={"0.2.0__change.down.sql": down})
    rollout = roll_out(fleet, "back", *LIMIT)["id"]
    fleet.skein("rollout", "rollback", rollout, "--yes", "--wait", check=0)
    warnings = [w for w in fleet.report(rollout)["warnings"] if w["code"] == "LINT"]
    assert warnings and {w["tenant"] for w in warnings} <= {f"eu-1/{BIG}", f"eu-1/{PROVED}"}, warnings
    assert all(w["file"] == "0.2.0__change.down.sql" and w["line"] == 2 for w in warnings), warnings
    assert any("create-index" in w["message"] and "account (" in w["message"] for w in warnings), warnings
    assert all("goes on all the same" in w["detail"] for w in warnings), warnings


def test_a_set_may_lower_the_agents_limit(fleet):
    publish(fleet, "careful", "ALTER TABLE account ALTER COLUMN amount TYPE numeric;\n", lint={"size_error": "2MB"})
    status = roll_out(fleet, "careful", phase="DRY_RUN_FAILED")
    assert {error["tenant"] for error in status["errors"]} == {f"eu-1/{BIG}", f"eu-1/{PROVED}"}, status["errors"]
    assert "The limit is 2 MB" in error_of(status, f"eu-1/{BIG}")["hint"], status["errors"]
    # What the rollout says comes first, higher or lower.
    roll_out(fleet, "careful", "--size-limit", "1GB", "--dry-run-only")
    publish(fleet, "careless", "ALTER TABLE account ALTER COLUMN amount TYPE numeric;\n", lint={"size_error": "9TB"})
    roll_out(fleet, "careless", *LIMIT, phase="DRY_RUN_FAILED")


def test_a_set_has_thresholds_of_its_own(fleet, tmp_path):
    scripts = {"0.1.0__init.sql": TABLES, "0.2.0__x.sql": "ALTER TABLE account ALTER COLUMN note SET NOT NULL;\n"}
    database = ("--database", fleet.server.conninfo(), "--from", "0.1.0", "-o", "json")
    folder = write_set(tmp_path / "set", scripts, lint={"size_note": "1GB", "size_error": "2GB"})
    strict = write_set(tmp_path / "strict", scripts, lint={"size_error": "1MB"})

    def severities(*flags):
        found = json.loads(lint(*flags, *database, "--search-path", BIG).stdout)["findings"]
        return [f["severity"] for f in found if f["rule"] == "set-not-null"]
    assert severities(folder) == ["note"]
    assert severities(folder, "--size-note", "1MB") == ["warning"]  # an option comes first
    assert severities(folder, "--size-error", "1MB") == ["error"]
    assert severities(strict) == ["error"]
    assert severities(strict, "--size-error", "0") == ["warning"]
    wrong = write_set(tmp_path / "wrong", scripts, lint={"size_error": "much"})
    done = lint(wrong)
    assert done.returncode == 6 and "skein.yaml:2" in done.stdout, done.stdout
    assert "key 'lint.size_error', value 'much': size 'much': expected a number with a unit" in done.stdout, done.stdout


def test_without_a_database_nothing_has_a_size(tmp_path):
    """Also what an earlier script of the set has made: by now there may be millions of rows in it."""
    folder = write_set(tmp_path / "set", {"0.1.0__init.sql": TABLES,
                                          "0.2.0__x.sql": "ALTER TABLE account ALTER COLUMN note SET NOT NULL;\n"})
    found = [f for f in json.loads(lint(folder, "-o", "json").stdout)["findings"] if f["rule"] == "set-not-null"]
    assert [f["severity"] for f in found] == ["warning"], found
    assert found[0]["message"].startswith("account: ") and found[0]["bytes"] is None, found


def test_lint_refuses_what_cannot_be_meant(fleet, tmp_path):
    folder = write_set(tmp_path / "set", {"0.1.0__init.sql": TABLES})
    conninfo = fleet.server.conninfo()
    for flags, words in (
            (("--database", conninfo, "--schema", "x.sql"), "excludes --schema"),
            (("--search-path", BIG), "are about a --database"),
            (("--database", conninfo, "--size-note", "5"), "such as 500MB")):
        done = lint(folder, *flags)
        assert done.returncode == 2 and words in done.stderr, (done.returncode, done.stderr)
    done = lint(folder, "--database", conninfo, "--search-path", "nobody")
    assert done.returncode != 0 and "there is nothing in a schema 'nobody'" in done.stderr, done.stderr
