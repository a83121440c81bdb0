"""What schemas there are among the tenants, and which have drifted. About 20 s."""
from sets import write_set

SCRIPTS = {"0.1.0__a.sql": "CREATE TABLE accounts (id bigint PRIMARY KEY, email text NOT NULL, plan int DEFAULT 1);\n"
                           "CREATE INDEX accounts_email ON accounts (email);\n",
           "0.2.0__b.sql": "ALTER TABLE accounts ADD COLUMN note text;\n"}


def take_off(fleet):
    eu, us = fleet.start_pg("eu"), fleet.start_pg("us")
    names = [f"t_{i:03}" for i in range(120)]
    fleet.create_schemas(eu, names)
    fleet.create_schemas(us, ["t_x"])
    fleet.start_coordinator()
    fleet.start_agent("eu-1", eu)
    fleet.start_agent("us-1", us)
    fleet.wait_tenants(121)
    fleet.publish(write_set(fleet.path("billing"), SCRIPTS))
    fleet.roll_out("billing", "--to", "0.1.0")
    return eu, us


def census(fleet, *flags):
    return fleet.skein("tenant", "census", *flags, json=True, check=0).json


def drift(fleet, *flags, check=0):
    return fleet.skein("drift", "billing", *flags, json=True, check=check).json


def test_tenants_are_grouped_by_schema_and_the_odd_ones_are_told_apart(fleet):
    eu, us = take_off(fleet)
    whole = census(fleet)
    assert [entry["count"] for entry in whole["classes"]] == [121] and whole["unread"] == []
    assert whole["classes"][0]["shards"] == {"eu-1": 120, "us-1": 1}
    assert drift(fleet, "--exit-code") == {"drifted": [], "unread": []}

    eu.sql("DROP INDEX t_007.accounts_email; ALTER TABLE t_007.accounts ALTER plan TYPE bigint;"
           " ALTER TABLE t_007.accounts ADD COLUMN hand_made int")
    classes = census(fleet)["classes"]
    assert [entry["count"] for entry in classes] == [120, 1]
    assert classes[1]["tenants"] == ["eu-1/t_007"] and classes[1]["versions"] == {"billing 0.1.0": 1}
    assert sorted((d["what"], d["object"]) for d in classes[1]["differences"]) == [
        ("changed", "column accounts.plan"), ("extra", "column accounts.hand_made"),
        ("missing", "index accounts_email")]
    changed = next(d for d in classes[1]["differences"] if d["what"] == "changed")
    assert (changed["is"], changed["usual"]) == ("bigint default 1", "integer default 1")
    text = fleet.skein("tenant", "census", "--where", "shard=eu-1", check=0).out
    assert "missing  index accounts_email" in text and "is bigint default 1  instead of integer default 1" in text
    assert [entry["count"] for entry in census(fleet, "--set", "nowhere")["classes"]] == []

    found = drift(fleet, "--exit-code", check=3)
    assert [item["tenants"] for item in found["drifted"]] == [["eu-1/t_007"]]

    fleet.roll_out("billing", "--tenants", "tenant=t_01*")
    assert [entry["count"] for entry in census(fleet)["classes"]] == [110, 10, 1]
    found = drift(fleet, "--exit-code", check=3)
    assert [item["tenants"] for item in found["drifted"]] == [["eu-1/t_007"]], "another version is no drift"
    assert "1 of 121 tenants have drifted" in fleet.skein("drift", "billing", check=0).out


def test_the_reference_is_what_others_are_compared_with(fleet):
    server = fleet.start_pg("eu")
    fleet.create_schemas(server, ["t_model", "t_other"])
    fleet.start_coordinator()
    fleet.start_agent("eu-1", server)
    fleet.wait_tenants(2)
    scripts = write_set(fleet.path("billing"), SCRIPTS)
    fleet.publish(scripts)
    fleet.roll_out("billing")
    server.sql("ALTER TABLE t_other.accounts ADD COLUMN hand_made int")
    assert "either may be the odd one" in fleet.skein("drift", "billing", check=0).out
    fleet.publish(write_set(fleet.path("billing"), SCRIPTS, reference="eu-1/t_model"))
    found = drift(fleet)["drifted"]
    assert [(item["tenants"], item["reference"]) for item in found] == [(["eu-1/t_other"], "eu-1/t_model")]
    server.sql("ALTER TABLE t_model.accounts ADD COLUMN more int; CREATE SCHEMA t_third")
    text = fleet.skein("drift", "billing", check=0).out
    assert "eu-1/t_other  (billing 0.2.0; compared with the reference eu-1/t_model)" in text, text


def test_a_tenant_or_a_shard_that_cannot_be_read_is_named_and_stops_nothing(fleet):
    eu, us = take_off(fleet)
    eu.sql("CREATE VIEW t_003.busy AS SELECT 1 AS x")
    connection = eu.connect()
    connection.autocommit = False
    connection.cursor().execute("LOCK TABLE t_003.busy")
    try:
        found = census(fleet, "--where", "shard=eu-1")
    finally:
        connection.close()
    assert [entry["count"] for entry in found["classes"]] == [119]
    assert [item["tenant"] for item in found["unread"]] == ["eu-1/t_003"]
    assert "lock timeout" in found["unread"][0]["error"]

    fleet.agents["us-1"].process.stop()
    found = drift(fleet, "--exit-code", check=3)
    assert [item["tenants"] for item in found["drifted"]] == [["eu-1/t_003"]], "the view is extra"
    if found["unread"]:
        assert [item["tenant"] for item in found["unread"]] == ["us-1/t_x"]
        assert "not connected" in found["unread"][0]["error"]


def test_a_tenant_that_is_a_database_may_be_like_one_that_is_a_schema(fleet):
    schemas, databases = fleet.start_pg("schemas"), fleet.start_pg("databases")
    fleet.create_schemas(schemas, ["t_1"])
    for name in ("t_1", "t_2"):
        databases.sql(f"CREATE DATABASE {name}")
    fleet.start_coordinator()
    fleet.start_agent("eu-1", schemas)
    fleet.start_agent("us-1", databases, mode="database")
    fleet.wait_tenants(3)
    code = ("CREATE TYPE mood AS ENUM ('good', 'bad');\nALTER TABLE accounts ADD COLUMN mood mood;\n"
            "CREATE VIEW notes AS SELECT note FROM accounts;\n"
            "CREATE FUNCTION f() RETURNS mood LANGUAGE sql AS 'SELECT ''good''::mood';\n")
    fleet.publish(write_set(fleet.path("billing"), {**SCRIPTS, "0.3.0__c.sql": code}))
    fleet.roll_out("billing")
    assert [entry["count"] for entry in census(fleet)["classes"]] == [3]
    databases.sql("CREATE SCHEMA other; CREATE TABLE other.accounts (id int)", database="t_2")
    assert [d["object"] for d in drift(fleet)["drifted"][0]["differences"]] == [
        "column other.accounts.id", "table other.accounts"]
