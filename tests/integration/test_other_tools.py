"""Coming from another tool, and going back: folders imported, versions taken over from that tool's
own history table, that table kept up by skein, and the tool itself asked afterwards. sqitch is
Debian's, dbmate and Prisma come from npm; of the others the tables are made here as those tools make
them. Budget: 60 s."""
import hashlib
import os
import shutil
import subprocess

import pytest

from fleet import ROOT
from sets import schemas_of

USER = {"LC_ALL": "C.UTF-8", "LANGUAGE": "en", "TZ": "UTC", "SQITCH_USER_CONFIG": "/nonexistent",
        "SQITCH_SYSTEM_CONFIG": "/nonexistent", "SQITCH_FULLNAME": "Ana Goose",
        "SQITCH_EMAIL": "ana@example.org"}


def run(argv, cwd, check=True, **env):
    done = subprocess.run(argv, cwd=cwd, env={**os.environ, **USER, **env}, text=True,
                          capture_output=True, timeout=120, stdin=subprocess.DEVNULL, check=False)
    assert not check or done.returncode == 0, f"{argv} -> {done.returncode}\n{done.stdout}{done.stderr}"
    return done


def set_ledger(folder, text):
    with open(os.path.join(folder, "skein.yaml"), "a", encoding="utf-8") as file:
        file.write(f"ledger: {text}\n")


def versions_of(fleet, name):
    """Tenant -> version, as the agents tell it."""
    return {row["tenant"]: row["versions"].get(name, "")
            for row in fleet.skein("tenant", "list", json=True).json}


# ---- sqitch ----

CHANGES = [("users", [], "CREATE TABLE users (id bigint PRIMARY KEY);", "DROP TABLE users;",
            "SELECT id FROM users WHERE false;"),
           ("names", ["users"], "ALTER TABLE users ADD COLUMN name text;",
            "ALTER TABLE users DROP COLUMN name;", "SELECT name FROM users WHERE false;"),
           ("orders", ["users"], "CREATE TABLE orders (id bigint, owner bigint REFERENCES users);",
            "DROP TABLE orders;", "SELECT owner FROM orders WHERE false;"),
           ("totals", ["orders"], "ALTER TABLE orders ADD COLUMN total bigint DEFAULT 0;",
            "ALTER TABLE orders DROP COLUMN total;", "SELECT total FROM orders WHERE false;")]


def sqitch_project(folder):
    """As somebody makes it, with sqitch itself."""
    os.makedirs(folder)
    run(["sqitch", "init", "shop", "--engine", "pg", "--uri", "https://example.org/shop/"], folder)
    for name, requires, deploy, revert, verify in CHANGES:
        run(["sqitch", "add", name, "-n", f"Adds {name}; it's 'quoted'."]
            + [word for other in requires for word in ("--requires", other)], folder)
        for kind, text in (("deploy", deploy), ("revert", revert), ("verify", verify)):
            end = "ROLLBACK" if kind == "verify" else "COMMIT"
            with open(f"{folder}/{kind}/{name}.sql", "w", encoding="utf-8") as file:
                file.write(f"-- {kind} shop:{name}\n\nBEGIN;\n\n{text}\n\n{end};\n")
        if name == "names":
            run(["sqitch", "tag", "v1", "-n", "The first two."], folder)
    return folder


def sqitch(fleet, verb, server, database, *args, check=True):
    target = f"db:pg://postgres@127.0.0.1:{server.port}/{database}"
    return run(["sqitch", verb, target, *args], fleet.path("project"), check)


def test_sqitch_hands_over_agrees_and_takes_back(fleet):
    server = fleet.start_pg("eu")
    fleet.create_databases(server, ["t_1", "t_2", "t_new"])
    project = sqitch_project(fleet.path("project"))
    sqitch(fleet, "deploy", server, "t_1", "--to", "names")
    sqitch(fleet, "deploy", server, "t_2", "--to", "orders")

    made = fleet.skein("set", "import", "sqitch", project, fleet.path("shop"), check=0)
    assert "4 migrations, 4 with a rollback, latest 0.0.4" in made.out, made
    assert "the tag @v1 is the version 0.0.2" in made.err, made
    set_ledger(fleet.path("shop"), "sqitch")
    fleet.skein("lint", fleet.path("shop"), check=0)

    fleet.start_coordinator()
    fleet.start_agent("eu-1", server, mode="database", flags=["--refresh-ms", "300"])
    fleet.wait_tenants(3)
    fleet.publish(fleet.path("shop"))
    # The new one has no registry: that is said, and the others are done all the same.
    told = fleet.skein("tenant", "baseline", "--from", "sqitch", "--set", "shop", "--tenants",
                       "tenant=*", check=4)
    assert "eu-1/t_new: LEDGER: " in told.err and 'sqitch.changes" does not exist' in told.err, told
    assert "2 tenants have the version of shop that sqitch's table tells now" in told.out, told
    assert versions_of(fleet, "shop") == {"eu-1/t_1": "0.0.2", "eu-1/t_2": "0.0.3", "eu-1/t_new": ""}

    rollout = fleet.roll_out("shop")["id"]
    for database in ("t_1", "t_2", "t_new"):
        status = sqitch(fleet, "status", server, database)
        assert "Nothing to deploy (up-to-date)" in status.stdout, status.stdout
    assert "Verify successful" in sqitch(fleet, "verify", server, "t_2").stdout
    log = sqitch(fleet, "log", server, "t_new").stdout
    assert log.count("Deploy ") == 4 and "Adds orders; it's 'quoted'." in log, log

    # A rollback is a revert to sqitch; and any day sqitch goes on by itself.
    fleet.skein("rollout", "rollback", rollout, "--wait", "--yes", check=0)
    status = sqitch(fleet, "status", server, "t_2").stdout
    assert "Undeployed change:" in status and "* totals" in status, status
    assert sqitch(fleet, "log", server, "t_2").stdout.count("Revert ") == 1
    assert server.value("SELECT count(*) FROM sqitch.changes", database="t_new") == 0
    sqitch(fleet, "deploy", server, "t_new")
    assert "Verify successful" in sqitch(fleet, "verify", server, "t_new").stdout
    assert server.value("SELECT tag FROM sqitch.tags", database="t_new") == "@v1"
    sqitch(fleet, "revert", server, "t_1", "-y", "--to", "users")
    assert server.value("SELECT to_regclass('orders') IS NULL", database="t_1")


# ---- dbmate ----

def npm_install(folder, *packages):
    """A folder with node_modules, or the test is skipped: not every machine has npm."""
    if not shutil.which("npm"):
        pytest.skip("npm is not there")
    done = run(["npm", "install", "--no-audit", "--no-fund", "--prefix",
                str(folder), *packages], str(folder), check=False)
    if done.returncode != 0:
        pytest.skip(f"npm cannot install {packages}: {done.stderr[-500:]}")
    return folder


@pytest.fixture(scope="module")
def dbmate(tmp_path_factory):
    """The program: on the path, or from npm."""
    return shutil.which("dbmate") or str(
        npm_install(tmp_path_factory.mktemp("dbmate"), "dbmate@2") / "node_modules/.bin/dbmate")


DBMATE = {
    "20240131120000_create_users.sql":
        "-- migrate:up\nCREATE TABLE users (id bigint PRIMARY KEY);\n\n-- migrate:down\n"
        "DROP TABLE users;\n",
    "20240201080000_add_name.sql":
        "-- migrate:up\nALTER TABLE users ADD COLUMN name text;\n\n-- migrate:down\n"
        "ALTER TABLE users DROP COLUMN name;\n",
    "20240202080000_add_orders.sql":
        "-- migrate:up\nCREATE TABLE orders (id bigint);\n\n-- migrate:down\nDROP TABLE orders;\n",
}


def test_dbmate_hands_over_agrees_and_takes_back(fleet, dbmate):
    server = fleet.start_pg("eu")
    fleet.create_schemas(server, ["t_1", "t_2", "t_new"])
    folder = fleet.path("migrations")
    os.makedirs(folder)

    def call(tenant, *args):
        url = (f"postgres://postgres@127.0.0.1:{server.port}/postgres?sslmode=disable"
               f"&search_path={tenant}")
        return run([dbmate, "--url", url, "--migrations-dir", folder, "--no-dump-schema", *args],
                   fleet.folder).stdout

    for name, text in DBMATE.items():
        if not name.startswith("20240202"):
            with open(f"{folder}/{name}", "w", encoding="utf-8") as file:
                file.write(text)
    call("t_1", "migrate")
    call("t_2", "migrate")
    call("t_2", "rollback")
    with open(f"{folder}/20240202080000_add_orders.sql", "w", encoding="utf-8") as file:
        file.write(DBMATE["20240202080000_add_orders.sql"])
    fleet.skein("set", "import", "dbmate", folder, fleet.path("shop"), check=0)
    set_ledger(fleet.path("shop"), "dbmate")

    fleet.start_coordinator()
    fleet.start_agent("eu-1", server, flags=["--refresh-ms", "300"])
    fleet.wait_tenants(3)
    fleet.publish(fleet.path("shop"))
    for tenant in ("t_1", "t_2"):
        fleet.skein("tenant", "baseline", "--from", "dbmate", "--set", "shop", f"eu-1/{tenant}",
                    check=0)
    assert versions_of(fleet, "shop") == {"eu-1/t_1": "0.0.20240201080000",
                                          "eu-1/t_2": "0.0.20240131120000", "eu-1/t_new": ""}
    fleet.roll_out("shop")
    for tenant in ("t_1", "t_2", "t_new"):
        status = call(tenant, "status")
        assert "Applied: 3" in status and "Pending: 0" in status, status
    assert "Rolled back: 20240202080000_add_orders.sql" in call("t_new", "rollback")
    assert "Applied: 2" in call("t_new", "status")


# ---- Prisma ----

PRISMA_SCHEMA = """datasource db {
  provider = "postgresql"
  url      = "postgresql://nowhere/none"
}
model Account {
  id   Int     @id
  name String?
}
"""
# Its engine as WebAssembly, over Node's PostgreSQL driver: nothing is downloaded. It can tell the
# status so; `migrate deploy` needs the engine that is a program, which npm does not bring.
PRISMA_CONFIG = """import { defineConfig } from 'prisma/config'
import { PrismaPg } from '@prisma/adapter-pg'
export default defineConfig({
  schema: 'prisma/schema.prisma', experimental: { adapter: true }, engine: 'js',
  adapter: async () => new PrismaPg({ connectionString: process.env.TENANT_URL }),
})
"""


@pytest.fixture(scope="module")
def prisma(tmp_path_factory):
    folder = npm_install(tmp_path_factory.mktemp("prisma"), "prisma@6.19", "@prisma/adapter-pg@6.19")
    (folder / "prisma/migrations").mkdir(parents=True)
    (folder / "prisma/schema.prisma").write_text(PRISMA_SCHEMA)
    (folder / "prisma.config.ts").write_text(PRISMA_CONFIG)
    (folder / "prisma/migrations/migration_lock.toml").write_text('provider = "postgresql"\n')
    (folder / "no-engine").write_text("#!/bin/false\n")
    return folder


def prisma_status(folder, server, database):
    engine = str(folder / "no-engine")
    return run([str(folder / "node_modules/.bin/prisma"), "migrate", "status"], str(folder), check=False,
               TENANT_URL=f"postgresql://postgres@127.0.0.1:{server.port}/{database}",
               PRISMA_QUERY_ENGINE_LIBRARY=engine, PRISMA_SCHEMA_ENGINE_BINARY=engine,
               CHECKPOINT_DISABLE="1", PRISMA_HIDE_UPDATE_MESSAGE="1").stdout


def test_prisma_agrees_with_what_skein_has_done(fleet, prisma):
    server = fleet.start_pg("eu")
    fleet.create_databases(server, ["t_1", "t_new"])
    migrations = prisma / "prisma/migrations"
    for name, text in (("20240101000000_init", 'CREATE TABLE "Account" (id integer PRIMARY KEY);\n'),
                       ("20240201000000_name", 'ALTER TABLE "Account" ADD COLUMN name text;\n')):
        (migrations / name).mkdir()
        (migrations / name / "migration.sql").write_text(text)
    for text in TOOLS["prisma"]["made"][:1]:
        server.sql(text, database="t_1")
    server.sql('CREATE TABLE "Account" (id integer PRIMARY KEY)', database="t_1")
    text = (migrations / "20240101000000_init/migration.sql").read_bytes()
    server.sql("INSERT INTO _prisma_migrations (id, checksum, finished_at, migration_name, "
               "applied_steps_count) VALUES ('a', "
               f"'{hashlib.sha256(text).hexdigest()}', now(), '20240101000000_init', 1)", database="t_1")
    before = prisma_status(prisma, server, "t_1")
    assert "not yet been applied:\n20240201000000_name" in before, before

    fleet.skein("set", "import", "prisma", str(migrations), fleet.path("shop"), check=0)
    set_ledger(fleet.path("shop"), "prisma")
    fleet.start_coordinator()
    fleet.start_agent("eu-1", server, mode="database")
    fleet.wait_tenants(2)
    fleet.publish(fleet.path("shop"))
    fleet.skein("tenant", "baseline", "--from", "prisma", "--set", "shop", "eu-1/t_1", check=0)
    fleet.roll_out("shop")
    for tenant in ("t_1", "t_new"):
        status = prisma_status(prisma, server, tenant)
        assert "Database schema is up to date!" in status, status


# ---- the tables of the others ----

def texts(count):
    return [f"CREATE TABLE s{n} (id bigint);" for n in range(1, count + 1)]


# tool -> how its folder names the n-th of four migrations, which SQL makes its table and says that
# the first and the second were applied, which SQL spoils it, and which says what it holds.
TOOLS = {
    "flyway": {
        "files": lambda n, text: {f"V{n}__step_{n}.sql": text,
                                  f"U{n}__step_{n}.sql": f"DROP TABLE s{n};"},
        "made": ["CREATE TABLE flyway_schema_history (installed_rank int PRIMARY KEY, version "
                 "varchar(50), description varchar(200) NOT NULL, type varchar(20) NOT NULL, script "
                 "varchar(1000) NOT NULL, checksum int, installed_by varchar(100) NOT NULL, "
                 "installed_on timestamp NOT NULL DEFAULT now(), execution_time int NOT NULL, "
                 "success boolean NOT NULL)",
                 "INSERT INTO flyway_schema_history VALUES "
                 "(1, NULL, 'schema', 'SCHEMA', 't', NULL, 'me', now(), 0, true),"
                 "(2, '1', 'step 1', 'SQL', 'V1__step_1.sql', 5, 'me', now(), 3, true),"
                 "(3, '2', 'step 2', 'SQL', 'V2__step_2.sql', 6, 'me', now(), 3, true)"],
        "spoiled": "UPDATE flyway_schema_history SET success = false WHERE version = '2'",
        "holds": "SELECT version || ' ' || type || ' ' || script || ' ' || (checksum IS NOT NULL) "
                 "FROM flyway_schema_history WHERE version IS NOT NULL ORDER BY installed_rank",
        "rows": ["1 SQL V1__step_1.sql true", "2 SQL V2__step_2.sql true",
                 "3 SQL V3__step_3.sql true", "4 SQL V4__step_4.sql true"],
        "versions": ["1.0.0", "2.0.0", "3.0.0", "4.0.0"],
        "unknown": "INSERT INTO flyway_schema_history VALUES (9, '9', 'x', 'SQL', 'x', 1, 'me', "
                   "now(), 1, true)",
    },
    "golang-migrate": {
        "files": lambda n, text: {f"00000{n}_step.up.sql": text,
                                  f"00000{n}_step.down.sql": f"DROP TABLE s{n};"},
        "made": ["CREATE TABLE schema_migrations (version bigint NOT NULL PRIMARY KEY, dirty boolean "
                 "NOT NULL)", "INSERT INTO schema_migrations VALUES (2, false)"],
        "spoiled": "UPDATE schema_migrations SET dirty = true",
        "holds": "SELECT version || ' ' || dirty FROM schema_migrations",
        "rows": ["4 false"],
        "rows_before": ["2 false"],
        "versions": ["0.0.1", "0.0.2", "0.0.3", "0.0.4"],
        "unknown": "UPDATE schema_migrations SET version = 77",
    },
    "goose": {
        "files": lambda n, text: {f"0000{n}_step.sql": f"-- +goose Up\n{text}\n-- +goose Down\n"
                                                       f"DROP TABLE s{n};\n"},
        "made": ["CREATE TABLE goose_db_version (id serial PRIMARY KEY, version_id bigint NOT NULL, "
                 "is_applied boolean NOT NULL, tstamp timestamp DEFAULT now())",
                 "INSERT INTO goose_db_version (version_id, is_applied) VALUES (0, true), (1, true), "
                 "(2, true), (3, true), (3, false)"],
        "spoiled": "INSERT INTO goose_db_version (version_id, is_applied) VALUES (1, false)",
        "holds": "SELECT version_id || ' ' || is_applied FROM goose_db_version ORDER BY id",
        "rows": ["0 true", "1 true", "2 true", "3 true", "3 false", "3 true", "4 true"],
        "rows_of_new": ["0 true", "1 true", "2 true", "3 true", "4 true"],
        "rows_before": ["0 true", "1 true", "2 true"],
        "rows_of_none": ["0 true"],
        "versions": ["0.0.1", "0.0.2", "0.0.3", "0.0.4"],
        "unknown": "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9, true)",
    },
    "diesel": {
        "files": lambda n, text: {f"2024-01-0{n}-000000_step/up.sql": text,
                                  f"2024-01-0{n}-000000_step/down.sql": f"DROP TABLE s{n};"},
        "made": ["CREATE TABLE __diesel_schema_migrations (version varchar(50) PRIMARY KEY NOT NULL, "
                 "run_on timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP)",
                 "INSERT INTO __diesel_schema_migrations (version) VALUES ('20240101000000'), "
                 "('20240102000000')"],
        "spoiled": "DELETE FROM __diesel_schema_migrations WHERE version = '20240101000000'",
        "holds": "SELECT version FROM __diesel_schema_migrations ORDER BY version",
        "rows": [f"2024010{n}000000" for n in range(1, 5)],
        "versions": [f"0.0.2024010{n}000000" for n in range(1, 5)],
        "unknown": "INSERT INTO __diesel_schema_migrations VALUES ('20230101000000')",
    },
    "prisma": {
        "files": lambda n, text: {f"2024010{n}000000_step/migration.sql": text},
        "made": ["CREATE TABLE _prisma_migrations (id varchar(36) PRIMARY KEY NOT NULL, checksum "
                 "varchar(64) NOT NULL, finished_at timestamptz, migration_name varchar(255) NOT NULL, "
                 "logs text, rolled_back_at timestamptz, started_at timestamptz NOT NULL DEFAULT now(), "
                 "applied_steps_count integer NOT NULL DEFAULT 0)",
                 "INSERT INTO _prisma_migrations (id, checksum, finished_at, migration_name, "
                 "rolled_back_at, started_at) VALUES "
                 "('a', 'x', now(), '20240101000000_step', NULL, '2024-01-01'),"
                 "('b', 'x', NULL, '20240102000000_step', now(), '2024-01-02'),"
                 "('c', 'x', now(), '20240102000000_step', NULL, '2024-01-03')"],
        "spoiled": "UPDATE _prisma_migrations SET finished_at = NULL WHERE id = 'c'",
        "holds": "SELECT migration_name || ' ' || length(checksum) FROM _prisma_migrations "
                 "WHERE rolled_back_at IS NULL ORDER BY started_at, migration_name",
        "rows": ["20240101000000_step 1", "20240102000000_step 1", "20240103000000_step 64",
                 "20240104000000_step 64"],
        "rows_of_new": [f"2024010{n}000000_step 64" for n in range(1, 5)],
        "versions": [f"0.0.2024010{n}000000" for n in range(1, 5)],
        "unknown": "UPDATE _prisma_migrations SET migration_name = '20230101000000_x' WHERE id = 'c'",
    },
}
TENANTS = ["t_good", "t_new", "t_none", "t_spoiled", "t_unknown"]


@pytest.fixture(scope="module")
def tables(module_fleet):
    """A shard for all of them: each tool has a database of its own."""
    fleet = module_fleet
    fleet.server = fleet.start_pg("eu")
    fleet.start_coordinator()
    return fleet


@pytest.mark.parametrize("tool", sorted(TOOLS))
def test_a_tools_table_tells_the_version_and_is_kept_up(tables, tool):
    fleet, server, facts = tables, tables.server, TOOLS[tool]
    database = tool.replace("-", "_")
    name = f"set-{tool}"
    fleet.create_databases(server, [database])
    fleet.create_schemas(server, TENANTS, database)
    for tenant in TENANTS:
        if tenant in ("t_good", "t_spoiled", "t_unknown"):
            for text in facts["made"] + texts(2):
                server.sql(f"SET search_path = {tenant}; {text}", database=database)
    server.sql(f"SET search_path = t_spoiled; {facts['spoiled']}", database=database)
    server.sql(f"SET search_path = t_unknown; {facts['unknown']}", database=database)
    server.sql("CREATE TABLE t_none.something (id bigint)", database=database)

    folder = fleet.path(f"from-{tool}")
    for n, text in enumerate(texts(4), 1):
        for path, content in facts["files"](n, text).items():
            os.makedirs(os.path.dirname(f"{folder}/{path}"), exist_ok=True)
            with open(f"{folder}/{path}", "w", encoding="utf-8") as file:
                file.write(content)
    fleet.skein("set", "import", tool, folder, fleet.path(name), check=0)
    set_ledger(fleet.path(name), tool)
    shard = f"eu-{database}"
    fleet.start_agent(shard, server, database=database, flags=["--refresh-ms", "300"])
    fleet.wait_tenants(len(TENANTS), f"shard={shard}")
    fleet.publish(fleet.path(name))

    told = fleet.skein("tenant", "baseline", "--from", tool, "--set", name, "--tenants",
                       f"shard={shard}", json=True, check=4).json
    errors = {error["tenant"]: error for error in told["errors"]}
    assert {error["code"] for error in errors.values()} == {"LEDGER"}, errors
    assert set(errors) == {f"{shard}/{t}" for t in TENANTS if t != "t_good"}, errors
    assert "does not exist" in errors[f"{shard}/t_none"]["message"], errors
    spoiled = errors[f"{shard}/t_spoiled"]["message"]
    assert "failed or dirty" in spoiled or "but not what comes before it" in spoiled, spoiled
    assert f"which the set '{name}' does not" in errors[f"{shard}/t_unknown"]["message"], errors
    assert versions_of(fleet, name)[f"{shard}/t_good"] == facts["versions"][1]
    # Again: it has that version, and nothing happens.
    again = fleet.skein("tenant", "baseline", "--from", tool, "--set", name, f"{shard}/t_good",
                        json=True, check=0).json
    assert again["skips"] == {"UP_TO_DATE": 1}, again

    status = fleet.roll_out(name, "--tenants", f"shard={shard},tenant in (t_good,t_new)")
    assert status["counts"]["migrated"] == 2, status
    for tenant in schemas_of(server, ["t_good", "t_new"]):
        tenant.database = database
        wanted = facts["rows"] if tenant.name == "t_good" else facts.get("rows_of_new", facts["rows"])
        assert [row[0] for row in tenant.sql(facts["holds"])] == wanted, tenant.name
        assert tenant.version(name) == facts["versions"][3]
        assert all(tenant.exists(f"s{n}") for n in range(1, 5))
    # skein's history says that the first two were not its own.
    assert [row[2] for row in server.sql("SELECT version, script, direction FROM skein.history WHERE "
                                         "tenant = 't_good' ORDER BY id", database=database)] \
        == ["baseline", "up", "up"]
    if tool == "prisma":
        return  # its scripts have no way back
    fleet.skein("rollout", "rollback", status["id"], "--wait", "--yes", check=0)
    for tenant in schemas_of(server, ["t_good", "t_new"]):
        tenant.database = database
        wanted = facts.get("rows_before", facts["rows"][:2]) if tenant.name == "t_good" \
            else facts.get("rows_of_none", [])
        assert [row[0] for row in tenant.sql(facts["holds"])] == wanted, tenant.name
        assert not tenant.exists("s3"), tenant.name


def test_what_the_tool_did_meanwhile_is_not_done_again(tables):
    """The tool goes on by itself behind skein's back: the rollout refuses, a baseline takes it up."""
    fleet, server = tables, tables.server
    fleet.create_databases(server, ["meanwhile"])
    fleet.create_schemas(server, ["t_1"], "meanwhile")
    folder = fleet.path("meanwhile-from")
    os.makedirs(folder)
    for n, text in enumerate(texts(3), 1):
        with open(f"{folder}/{n}_step.sql", "w", encoding="utf-8") as file:
            file.write(f"-- migrate:up\n{text}\n-- migrate:down\n")
    fleet.skein("set", "import", "dbmate", folder, fleet.path("meanwhile"), check=0)
    set_ledger(fleet.path("meanwhile"), "dbmate:{tenant}_history")
    fleet.start_agent("eu-meanwhile", server, database="meanwhile", flags=["--refresh-ms", "300"])
    fleet.wait_tenants(1, "shard=eu-meanwhile")
    fleet.publish(fleet.path("meanwhile"))
    fleet.roll_out("meanwhile", "--to", "0.0.1", "--tenants", "shard=eu-meanwhile")
    server.sql("SET search_path = t_1; INSERT INTO t_1_history VALUES ('2'); "
               "CREATE TABLE s2 (id bigint)", database="meanwhile")

    status = fleet.roll_out("meanwhile", "--tenants", "shard=eu-meanwhile", phase="DRY_RUN_FAILED")
    assert [(e["code"], e["message"]) for e in status["errors"]] == [
        ("LEDGER", "dbmate has applied 2 already, after skein recorded the tenant's version")], status
    fleet.skein("tenant", "baseline", "--from", "dbmate:{tenant}_history", "--set", "meanwhile",
                "eu-meanwhile/t_1", check=0)
    fleet.roll_out("meanwhile", "--tenants", "shard=eu-meanwhile")
    assert [row[0] for row in server.sql("SELECT version FROM t_1.t_1_history ORDER BY version",
                                         database="meanwhile")] == ["1", "2", "3"]
    # The other way round: the table is behind, and the tenant is not taken back.
    server.sql("DELETE FROM t_1.t_1_history WHERE version <> '1'", database="meanwhile")
    behind = fleet.skein("tenant", "baseline", "--from", "dbmate:{tenant}_history", "--set",
                         "meanwhile", "eu-meanwhile/t_1", check=4)
    assert "the table says 0.0.1, but the tenant is at 0.0.3 already" in behind.err, behind


# ---- the command ----

def test_a_folder_is_written_whole_or_not_at_all(fleet):
    folder = fleet.path("from")
    shutil.copytree(f"{ROOT}/tests/unit/import/flyway", folder)
    out = fleet.path("shop")

    refused = fleet.skein("set", "import", "flyway", folder, out, check=6)
    assert "V1__create_users.sql:1  the placeholder ${prefix} has no value" in refused.err, refused
    assert "nothing was written" in refused.err and not os.path.exists(out), refused
    told = fleet.skein("set", "import", "flyway", folder, out, json=True, check=6).json
    assert told["written"] is False, told
    assert ("problem", "V1__create_users.sql", 1) in [
        (remark["severity"], remark["file"], remark["line"]) for remark in told["remarks"]], told
    fleet.skein("set", "import", "flyway", folder, out, "--placeholder", "prefix=app_", "--force",
                check=0)
    made = sorted(os.listdir(out))
    assert "1.2.0__add_name.down.sql" in made and "skein.yaml" in made, made
    # What is there is not touched, and nothing is left beside it.
    taken = fleet.skein("set", "import", "flyway", folder, out, "--force", check=7)
    assert "is there and is not an empty folder" in taken.err, taken
    assert sorted(os.listdir(out)) == made
    assert [n for n in os.listdir(fleet.folder) if ".new-" in n] == []
    os.makedirs(fleet.path("empty"))
    fleet.skein("set", "import", "golang-migrate", f"{ROOT}/tests/unit/import/golang-migrate",
                fleet.path("empty"), "--force", check=0)
    assert "0.0.1__create_users.sql" in os.listdir(fleet.path("empty"))
    for args, code, words in (
            (("liquibase", folder, "x"), 2, "no importer for 'liquibase'"),
            (("goose", fleet.path("nowhere"), "x"), 2, "nowhere"),
            (("goose", folder, "x"), 6, "no migration of goose is there"),
            (("flyway", folder, fleet.path("a b")), 2, "cannot be a set's name")):
        result = fleet.skein("set", "import", *args, check=code)
        assert words in result.err, result
