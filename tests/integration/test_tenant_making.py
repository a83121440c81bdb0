"""Tenants that are made in more than one transaction: by a walk, as databases, as copies of the
reference; and databases that are dropped (2 min). Who dies meanwhile: test_tenant_deaths.py."""
import os

import pytest

from homes import FAILS, Home
from sets import write_set


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
    refused = home.fleet.skein("tenant", "label", "eu-1/t_2", "shard=eu-2", check=2)
    assert "'shard' is what selectors call the tenant's own shard" in refused.err
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


def test_labels_of_its_own_come_before_those_of_the_query(fleet):
    server = fleet.start_pg("eu")
    fleet.create_schemas(server, ["t_1", "t_2"])
    fleet.start_coordinator()
    fleet.start_agent("eu-1", server, query="SELECT nspname, '{\"tier\": \"std\", \"zone\": \"a\"}'"
                      "::jsonb FROM pg_namespace WHERE nspname ~ '^t_'")
    fleet.wait_tenants(2)

    def labels():
        return [t["labels"] for t in fleet.skein("tenant", "list", json=True, check=0).json]

    fleet.skein("tenant", "label", "eu-1/t_1", "tier=gold", "a=1", "zz=", check=0)
    assert labels() == [{"a": "1", "tier": "gold", "zone": "a", "zz": ""}, {"tier": "std", "zone": "a"}]
    fleet.skein("tenant", "label", "eu-1/t_1", "tier-", "a-", "none-", check=0)
    assert labels() == [{"tier": "std", "zone": "a", "zz": ""}, {"tier": "std", "zone": "a"}]
    assert fleet.skein("tenant", "label", "eu-1/t_9", "a=1").code == 1
    assert "label" in fleet.skein("tenant", "label", "eu-1/t_1", "a=b\nc", check=1).err
