"""Tenants that are made in more than one transaction: by a walk, as databases, as copies of the
reference; and databases that are dropped. Whole or not at all, whoever dies (3 min, most of it
waiting for leases)."""
import concurrent.futures
import glob
import os

import pytest

from fleet import continue_process
from processes import wait_until
from sets import databases_of, schemas_of, steps, write_set

POOL = concurrent.futures.ThreadPoolExecutor(4)
PG_DUMP = sorted(glob.glob("/usr/lib/postgresql/*/bin/pg_dump"))[-1]
INDEX = """-- skein:transaction none
CREATE INDEX CONCURRENTLY account_email ON account (email);
"""
FAILS = "SELECT 1 / 0;"


def scripts(*versions, extra=None):
    """A walk: 0.1.0, 0.2.0, an index outside any transaction, and `versions` behind it."""
    return {**steps("0.2.0", *versions, extra=extra), "0.3.0__index.sql": INDEX}


class Home:
    """One shard of one kind, with the reference tenant t_ref at 0.4.0."""

    def __init__(self, fleet, databases):
        self.fleet, self.databases = fleet, databases
        self.server = fleet.start_pg("eu")
        self.make_by_hand("t_ref")
        fleet.start_coordinator()
        self.agent = fleet.start_agent(
            "eu-1", self.server, mode="database" if databases else "schema",
            flags=["--refresh-ms", "1000", "--pg-dump", PG_DUMP])
        fleet.wait_tenants(1)
        self.publish("0.4.0")
        fleet.roll_out("billing")

    def make_by_hand(self, name):
        make = self.fleet.create_databases if self.databases else self.fleet.create_schemas
        make(self.server, [name])

    def publish(self, *versions, extra=None):
        folder = self.fleet.path("billing")
        self.fleet.publish(write_set(folder, scripts(*versions, extra=extra), reference="eu-1/t_ref"))

    def tenant(self, name):
        return (databases_of if self.databases else schemas_of)(self.server, [name])[0]

    def create(self, tenant, *args, **options):
        return self.fleet.skein("tenant", "create", f"eu-1/{tenant}", "--set", "billing", *args,
                                timeout=180, **options)

    def drop(self, tenant, *args, **options):
        return self.fleet.skein("tenant", "drop", f"eu-1/{tenant}", "--yes", "--reason", "over", *args,
                                timeout=180, **options)

    def begin(self, verb, *args):
        """The command in the background, for as long as it takes."""
        return POOL.submit(getattr(self, verb), *args)

    def names(self):
        """What the server has, half made or not."""
        rows = self.server.sql(
            "SELECT datname FROM pg_database WHERE datname LIKE 't\\_%' ORDER BY 1" if self.databases
            else "SELECT nspname FROM pg_namespace WHERE nspname LIKE 't\\_%' ORDER BY 1")
        return [row[0] for row in rows]

    def listed(self):
        found = self.fleet.skein("tenant", "list", json=True, check=0).json
        return [t["tenant"].split("/")[1] for t in found]

    def die_at(self, point):
        self.agent.kill()
        self.agent.start(SKEIN_CRASH_AT=point)
        self.agent.wait_ready()

    def come_back(self):
        wait_until(lambda: not self.agent.process.is_running(), "the agent to die", timeout=120)
        self.agent.start(SKEIN_CRASH_AT="")

    def assert_whole(self, name, *versions):
        tenant = self.tenant(name)
        done = [row[0] for row in tenant.history() if row[2] == "up" and row[3] == "done"]
        assert done[-len(versions):] == list(versions), done  # of earlier ones some may stay
        assert self.databases or "started" not in {row[3] for row in tenant.history()}
        assert tenant.version() == versions[-1]
        assert tenant.sql("SELECT count(*) FROM pg_indexes WHERE indexname = 'account_email'"
                          " AND schemaname = current_schema()") == [(1,)]
        assert self.listed() == sorted({"t_ref", name}) and self.names() == self.listed()
        wait_until(lambda: self.fleet.skein("lock", "list", json=True).json == [], "the locks to go")

    def assert_nothing(self):
        assert self.names() == ["t_ref"] and self.listed() == ["t_ref"]


@pytest.fixture(params=["schema", "database"])
def home(fleet, request):
    return Home(fleet, request.param == "database")


@pytest.fixture
def schemas(fleet):
    return Home(fleet, False)


@pytest.fixture
def databases(fleet):
    return Home(fleet, True)


def test_a_tenant_comes_and_goes(home):
    result = home.create("t_2", "--label", "tier=free", "--label", "region=eu", check=0)
    assert result.out == "eu-1/t_2 is there, at version 0.4.0 of billing\n"
    home.assert_whole("t_2", "0.1.0", "0.2.0", "0.3.0", "0.4.0")
    assert home.tenant("t_2").ledger() == ["0.1.0", "0.2.0", "0.4.0"]

    # A rollout takes it along as any other, by its labels, too.
    free = home.fleet.skein("tenant", "list", "--where", "tier=free,region=eu", json=True, check=0).json
    assert [t["tenant"] for t in free] == ["eu-1/t_2"]
    assert free[0]["labels"] == {"tier": "free", "region": "eu"}
    home.fleet.skein("tenant", "label", "eu-1/t_2", "plan=a=b", "region-", "--reason", "moved", check=0)
    shown = home.fleet.skein("tenant", "list", "--where", "tier=free", json=True, check=0).json
    assert shown[0]["labels"] == {"tier": "free", "plan": "a=b"}
    assert home.fleet.skein("tenant", "label", "eu-1/t_2", "region").code == 2
    event = home.fleet.skein("event", "list", json=True, check=0).json[0]
    assert (event["action"], event["object"]) == ("tenant.label", "eu-1/t_2")
    home.publish("0.4.0", "0.5.0")
    assert home.fleet.roll_out("billing", "--tenants", "tier=free")["counts"]["migrated"] == 1

    assert home.drop("t_2", check=0).out == "eu-1/t_2 is gone\n"
    home.assert_nothing()
    # One of the same name begins at the beginning, without labels.
    assert home.create("t_2", "--to", "0.4.0", check=0)
    home.assert_whole("t_2", "0.1.0", "0.2.0", "0.3.0", "0.4.0")
    assert home.fleet.skein("tenant", "list", "--where", "tier=free", json=True).json == []


def test_a_failure_in_the_last_script_removes_all(home):
    home.publish("0.4.0", "0.5.0", extra={"0.5.0": FAILS})
    failed = home.create("t_2", check=4)
    assert "division by zero" in failed.err and "0.5.0__step.sql" in failed.err
    assert "Nothing is left of the tenant" in failed.err
    home.assert_nothing()
    # The same with a copy, whose script fails behind it.
    assert "division by zero" in home.create("t_2", "--from", "reference", check=4).err
    home.assert_nothing()
    # The same call again, where the cause does not matter.
    home.create("t_2", "--to", "0.4.0", check=0)
    home.assert_whole("t_2", "0.1.0", "0.2.0", "0.3.0", "0.4.0")


def test_what_is_there_is_not_taken_over(home):
    home.make_by_hand("t_old")
    home.fleet.wait_tenants(2)
    assert "is there already" in home.create("t_old", check=7).err
    home.make_by_hand("u_old")  # none of the agent's
    assert "tenants.match" in home.create("u_old", check=7).err
    assert home.names() == ["t_old", "t_ref"]


def test_a_copy_of_the_reference(home):
    reference = home.tenant("t_ref")
    reference.sql("CREATE VIEW emails AS SELECT email FROM account;"
                  "COMMENT ON VIEW emails IS 'kept'; CREATE ROLE reader;"
                  "GRANT SELECT ON emails TO reader;"
                  "CREATE FUNCTION last_id() RETURNS bigint LANGUAGE sql AS"
                  " $$SELECT max(id) FROM account /*\n\\restrict me */$$")
    reference.sql("INSERT INTO account (email) VALUES ('a@b')")
    home.publish("0.4.0", "0.5.0")  # the reference is behind that
    result = home.create("t_2", "--from", "reference", "--label", "tier=paid", check=0)
    assert result.out == "eu-1/t_2 is there, at version 0.5.0 of billing\n"
    home.assert_whole("t_2", "0.1.0", "0.2.0", "0.3.0", "0.4.0", "0.5.0")
    copy = home.tenant("t_2")
    assert copy.ledger() == ["0.5.0"]  # the structure, and what ran in it since
    assert copy.sql("SELECT count(*) FROM account") == [(0,)] == copy.sql("SELECT count(*) FROM emails")
    assert copy.sql("SELECT has_table_privilege('reader', 'emails', 'select')") == [(True,)]
    assert copy.sql("SELECT obj_description('emails'::regclass)") == [("kept",)]
    assert reference.ledger() == ["0.1.0", "0.2.0", "0.4.0"]
    assert home.fleet.roll_out("billing")["counts"]["migrated"] == 1
    home.fleet.skein("tenant", "list", "--where", "tier=paid", check=0)
    assert home.drop("t_2", check=0)
    assert reference.sql("SELECT count(*) FROM emails") == [(1,)]


def test_what_cannot_be_copied(schemas):
    reference = schemas.tenant("t_ref")
    reference.sql("CREATE FUNCTION emails() RETURNS bigint LANGUAGE sql AS"
                  " $$SELECT count(*) FROM t_ref.account$$")
    refused = schemas.create("t_2", "--from", "reference", check=7)
    assert "the copy is not like the reference" in refused.err and "emails" in refused.err
    schemas.assert_nothing()
    reference.sql("DROP FUNCTION emails()")
    assert "above the target" in schemas.create("t_2", "--from", "reference", "--to", "0.1.0").err
    schemas.assert_nothing()
    schemas.publish("0.4.0")
    schemas.agent.kill()  # without --pg-dump
    schemas.fleet.start_agent("eu-1", schemas.server, flags=["--refresh-ms", "1000"])
    assert "pg-dump" in schemas.create("t_2", "--from", "reference", check=7).err


def test_a_copied_database_is_like_the_other(databases):
    databases.server.sql("CREATE ROLE boss; ALTER DATABASE t_ref OWNER TO boss;"
                         "GRANT CONNECT ON DATABASE t_ref TO boss;"
                         "REVOKE CONNECT ON DATABASE t_ref FROM PUBLIC;"
                         "ALTER DATABASE t_ref SET statement_timeout = '77s';"
                         "ALTER DATABASE t_ref SET search_path = public, pg_temp")
    databases.create("t_2", "--from", "reference", check=0)
    one, other = databases.server.sql(
        "SELECT pg_get_userbyid(datdba), datcollate, datctype, encoding, datistemplate,"
        " (SELECT array_agg(a::text ORDER BY a::text) FROM unnest(datacl) a),"
        " (SELECT setconfig FROM pg_db_role_setting WHERE setdatabase = d.oid)"
        " FROM pg_database d WHERE datname IN ('t_2', 't_ref') ORDER BY datname")
    assert one == other


def test_a_database_in_use_is_not_dropped(databases):
    databases.create("t_2", check=0)
    session = databases.server.connect("t_2")
    refused = databases.drop("t_2", check=7)
    assert "1 session is connected" in refused.err and "--force" in refused.err
    assert databases.listed() == ["t_2", "t_ref"]
    assert databases.drop("t_2", "--force", check=0)
    session.close()
    databases.assert_nothing()
    # Unmanaged ones only if that is said.
    databases.make_by_hand("t_old")
    databases.fleet.wait_tenants(2)
    assert "UNMANAGED" in databases.drop("t_old", check=7).err
    assert databases.drop("t_old", "--force", check=0)
    databases.assert_nothing()
    assert "is the reference tenant" in databases.drop("t_ref", "--force", check=7).err


MADE = ("0.1.0", "0.2.0", "0.3.0", "0.4.0")
POINTS = ["make_begun", "after_step", "make_before_end", "make_after_end"]


@pytest.mark.parametrize("point", POINTS)
def test_the_agent_dies_while_it_makes_a_tenant(home, point):
    home.die_at(point)
    said = home.begin("create", "t_2")
    wait_until(lambda: not home.agent.process.is_running(), "the agent to die", timeout=120)
    if point != "make_after_end":
        assert home.listed() == ["t_ref"]  # nobody takes half of it for a tenant
    home.come_back()
    assert said.result().code == 0, said.result()
    home.assert_whole("t_2", *MADE)


@pytest.mark.parametrize("point", ["make_after_database", "make_before_copied", "make_copied"])
def test_the_agent_dies_while_it_copies_a_database(databases, point):
    databases.die_at(point)
    said = databases.begin("create", "t_2", "--from", "reference")
    databases.come_back()
    assert said.result().code == 0, said.result()
    databases.assert_whole("t_2", *MADE)


def test_the_agent_dies_while_it_copies_a_schema(schemas):
    schemas.die_at("make_before_copied")
    said = schemas.begin("create", "t_2", "--from", "reference")
    schemas.come_back()
    assert said.result().code == 0, said.result()
    schemas.assert_whole("t_2", *MADE)


@pytest.mark.parametrize("point", ["make_before_remove", "make_before_raze", "make_after_raze"])
def test_the_agent_dies_while_it_removes_what_failed(databases, point):
    databases.publish("0.4.0", "0.5.0", extra={"0.5.0": FAILS})
    databases.die_at(point)
    said = databases.begin("create", "t_2")
    databases.come_back()
    assert said.result().code == 4, said.result()
    assert "division by zero" in said.result().err
    databases.assert_nothing()


@pytest.mark.parametrize("point", ["drop_before_database", "drop_after_database"])
def test_the_agent_dies_while_it_drops_a_database(databases, point):
    databases.create("t_2", check=0)
    databases.die_at(point)
    said = databases.begin("drop", "t_2")
    databases.come_back()
    assert said.result().code == 0, said.result()
    databases.assert_nothing()


def slow(version):
    return {version: "SELECT pg_sleep(60);"}


def newest(home):
    return home.fleet.skein("rollout", "list", json=True, check=0).json[0]["id"]


def begin_slow(home):
    home.publish("0.4.0", "0.5.0", extra=slow("0.5.0"))
    said = home.begin("create", "t_2")
    sleeps = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(60)%%'"
    wait_until(lambda: home.server.sql(sleeps)[0][0] > 0, "the script to run", timeout=60)
    return said


def test_an_aborted_create_leaves_nothing(home):
    said = begin_slow(home)
    home.fleet.skein("rollout", "abort", newest(home), "--yes", check=0)
    home.fleet.wait_phase(newest(home), "ABORTED", timeout=60)
    assert said.result().code != 0
    wait_until(lambda: home.names() == ["t_ref"], "all of it to go")
    home.assert_nothing()


def test_an_aborted_create_of_a_dead_agent_is_removed_by_the_next(home):
    said = begin_slow(home)
    home.agent.kill()
    home.fleet.skein("rollout", "abort", newest(home), "--yes", check=0)
    assert home.names() == ["t_2", "t_ref"] and home.listed() == ["t_ref"]
    home.agent.start()
    home.fleet.wait_phase(newest(home), "ABORTED", timeout=120)
    assert said.result().code != 0
    home.assert_nothing()
    home.publish("0.4.0", "0.5.0", "0.6.0", extra=slow("0.5.0"))
    home.create("t_2", "--to", "0.4.0", check=0)
    home.assert_whole("t_2", *MADE)


@pytest.mark.parametrize("has_way_back", [True, False])
def test_what_a_program_has_done_elsewhere_is_undone(fleet, has_way_back):
    server = fleet.start_pg("eu")
    fleet.start_coordinator()
    fleet.start_agent("eu-1", server, flags=["--allow-exec", "/usr/bin/mkdir,/usr/bin/rmdir"])
    place = fleet.path("made-by-a-program")
    files = {"0.1.0__init.sql": "CREATE TABLE a (n int);", "0.1.0__init.down.sql": "DROP TABLE a;",
             "0.2.0__place.exec.yaml": f"program: /usr/bin/mkdir\narguments: [{place}]\n",
             "0.2.0__place.down.exec.yaml": f"program: /usr/bin/rmdir\narguments: [{place}]\n",
             "0.3.0__fails.sql": FAILS}
    if not has_way_back:
        del files["0.2.0__place.down.exec.yaml"]
    fleet.publish(write_set(fleet.path("billing"), files))
    failed = fleet.skein("tenant", "create", "eu-1/t_2", "--set", "billing", timeout=120, check=4)
    assert "division by zero" in failed.err and "Nothing is left of the tenant" in failed.err
    assert ("0.2.0__place.exec.yaml" in failed.err) != has_way_back  # what stays is named
    assert os.path.exists(place) != has_way_back
    assert server.sql("SELECT count(*) FROM pg_namespace WHERE nspname = 't_2'") == [(0,)]


def is_stopped(program):
    with open(f"/proc/{program.process.pid}/stat", encoding="ascii") as file:
        return file.read().rsplit(")", 1)[1].split()[0] == "T"


def stall_at(home, point, verb):
    """An agent that stands still in the middle of it; a second one that has done it instead."""
    home.agent.kill()
    home.agent.start(SKEIN_PAUSE_AT=point)
    home.agent.wait_ready()
    said = home.begin(verb, "t_2")
    wait_until(lambda: is_stopped(home.agent), "the agent to stand still", timeout=60)
    second = home.fleet.start_agent("eu-1", home.server, key="second", wait=False,
                                    mode="database" if home.databases else "schema",
                                    flags=["--refresh-ms", "1000", "--pg-dump", PG_DUMP])
    assert said.result().code == 0, said.result()
    return second


def wake_up(home):
    log = home.agent.process.log
    continue_process(home.agent.process)
    wait_until(lambda: "stream_closed" in log() or "standing_by" in log(), "the agent to notice",
               timeout=60)
    ours = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
    wait_until(lambda: home.server.sql(ours) == [(0,)], "its sessions to end", timeout=60)


@pytest.mark.parametrize("point", ["make_before_database", "make_before_end"])
def test_an_agent_that_comes_too_late_makes_nothing(databases, point):
    second = stall_at(databases, point, "create")
    databases.assert_whole("t_2", *MADE)
    wake_up(databases)
    second.process.assert_running()
    databases.assert_whole("t_2", *MADE)


def test_an_agent_that_comes_too_late_drops_nothing(databases):
    databases.create("t_2", check=0)
    stall_at(databases, "drop_before_database", "drop")
    databases.assert_nothing()
    databases.create("t_2", check=0)  # another one of that name
    wake_up(databases)
    databases.assert_whole("t_2", *MADE)
