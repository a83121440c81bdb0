"""The rules of versions, over real databases: where a tenant may start, what it gets, what is refused.
The table is that of deploy/docs/sets.md, with the same codes.

Budget: 40 s.
"""
import os

import pytest

from fleet import codes_of, error_of
from processes import wait_until
from sets import INIT, Tenant, schemas_of, step, write_set

LATEST = "0.5.0"
SCRIPTS = {"0.1.0__init.sql": INIT, "0.2.0__two.sql": step("0.2.0"), "0.4.0__four.sql": step("0.4.0")}


@pytest.fixture(scope="module")
def flight(module_fleet):
    """A shard without tenants: each test adds its own."""
    fleet = module_fleet
    fleet.start_pg("eu")
    fleet.start_coordinator()
    fleet.start_agent("eu-1", fleet.servers["eu"], flags=["--refresh-ms", "300"])
    return fleet


def know(fleet, *names):
    for name in names:
        wait_until(lambda name=name: fleet.skein("tenant", "show", f"eu-1/{name}").code == 0,
                   f"{name} to be known")


def empty_tenant(fleet, name):
    fleet.create_schemas(fleet.servers["eu"], [name])
    know(fleet, name)
    return schemas_of(fleet.servers["eu"], [name])[0]


def unmanaged_tenants(fleet, *names):
    """Tenants with the tables of 0.1.0, of which skein knows nothing."""
    server = fleet.servers["eu"]
    for name in names:
        server.sql(f'CREATE SCHEMA "{name}"; SET search_path = "{name}"; {INIT}')
    know(fleet, *names)
    tenants = schemas_of(server, names)
    wait_until(lambda: all(fleet.skein("tenant", "show", f"eu-1/{name}", json=True).json["has_objects"]
                           for name in names), "their objects to be seen")
    return tenants


def tenant_at(fleet, name, version, set_name):
    """A tenant with the tables of 0.1.0 that is recorded at a version, whatever the set says of it."""
    tenant = unmanaged_tenants(fleet, name)[0]
    fleet.servers["eu"].sql("INSERT INTO skein.tenant (tenant, set_name, version) VALUES (%s, %s, %s)",
                            (name, set_name, version))
    wait_until(lambda: fleet.skein("tenant", "show", f"eu-1/{name}", json=True).json["versions"].get(set_name)
               == version, "its version to be known")
    return tenant


def publish(fleet, name, scripts=None, **settings):
    settings = {"latest": LATEST, **settings}
    folder = write_set(fleet.path(name), scripts or SCRIPTS, name=name,
                       **{key: value for key, value in settings.items() if value is not None})
    return fleet.skein("set", "publish", folder)


ALPHAS = {"0.1.0__init.sql": INIT, "0.2.0-alpha.0__a.sql": step("0.2.0-alpha.0"),
          "0.2.0-alpha.2__b.sql": step("0.2.0-alpha.2"), "0.2.0__c.sql": step("0.2.0")}

# What it shows, start, target (None: the latest), settings, code (None: it goes), scripts.
STARTS = [
    ("below everything", None, None, {}, None, ["0.1.0__init", "0.2.0__two", "0.4.0__four"]),
    ("between two scripts", "0.3.0", None, {}, None, ["0.4.0__four"]),
    ("at a script", "0.2.0", None, {}, None, ["0.4.0__four"]),
    ("after the last script", "0.4.0", None, {}, None, []),
    ("between the last script and the latest", "0.4.7", None, {}, None, []),
    ("stops between two scripts", "0.1.0", "0.3.0", {}, None, ["0.2.0__two"]),
    ("above the latest", "0.5.1", None, {}, "FUTURE_VERSION", []),
    ("below the minimum", "0.1.0", None, {"min_version": "0.2.0"}, "VERSION_TOO_OLD", []),
    ("at the minimum", "0.2.0", None, {"min_version": "0.2.0"}, None, ["0.4.0__four"]),
    ("above the target", "0.4.0", "0.2.0", {}, "FUTURE_VERSION", []),
    ("a prerelease without permission", "0.3.0-rc.1", None, {}, "PRERELEASE", []),
    ("a prerelease with permission", "0.3.0-rc.1", None, {"prereleases": True}, None, ["0.4.0__four"]),
    ("between two prereleases", "0.2.0-alpha.1", None,
     {"prereleases": True, "scripts": ALPHAS, "latest": None}, None, ["0.2.0-alpha.2__b", "0.2.0__c"]),
    ("to a prerelease", "0.1.0", "0.2.0-alpha.2", {"prereleases": True, "scripts": ALPHAS, "latest": None}, None,
     ["0.2.0-alpha.0__a", "0.2.0-alpha.2__b"]),
]


@pytest.mark.parametrize("start", STARTS, ids=lambda start: start[0])
def test_where_a_tenant_may_start(flight, start):
    what, version, target, settings, code, scripts = start
    number = [row[0] for row in STARTS].index(what)
    name, tenant_name = f"s{number}", f"t_s{number}"
    result = publish(flight, name, **settings)
    assert result.code == 0, result
    tenant = tenant_at(flight, tenant_name, version, name) if version else empty_tenant(flight, tenant_name)
    where = ["--tenants", f"tenant={tenant_name}"] + (["--to", target] if target else [])

    planned = flight.skein("plan", name, *where, json=True, check=0).json["tenants"][0]
    assert planned["from"] == version and planned["scripts"] == scripts, planned
    if code is not None:
        assert planned["error"]["code"] == code and version in planned["error"]["message"], planned
        status = flight.roll_out(name, *where, phase="DRY_RUN_FAILED")
        assert error_of(status, f"eu-1/{tenant_name}")["code"] == code, status
        assert tenant.version(name) == version and tenant.history() == []
        return
    assert planned["error"] is None, planned
    flight.roll_out(name, *where)
    latest = settings.get("latest", LATEST) or "0.2.0"
    assert tenant.version(name) == (target or latest)
    done = [(row[0], row[1], row[2]) for row in tenant.history()]
    expected = [(script.split("__")[0], script, "up") for script in scripts]
    if not scripts or scripts[-1].split("__")[0] != (target or latest):
        expected.append((target or latest, "", "fast_forward"))
    assert done == expected
    again = flight.skein("plan", name, *where, "--exit-code", json=True, check=0).json["tenants"][0]
    assert again["scripts"] == [] and again["from"] == (target or latest)


# What it shows, settings of the set, word of the refusal (6: at publish).
@pytest.mark.parametrize("scripts,settings,words", [
    (SCRIPTS, {"latest": "0.6.0-rc.1"}, ["PRERELEASE", "0.6.0-rc.1", "skein.yaml"]),
    (ALPHAS, {"latest": None}, ["PRERELEASE", "0.2.0-alpha.0__a.sql"]),
    ({**SCRIPTS, "0.2.0__again.sql": "SELECT 1;\n"}, {}, ["0.2.0__again.sql", "0.2.0__two.sql"]),
    ({**SCRIPTS, "0.2.0+b2__again.sql": "SELECT 1;\n"}, {}, ["0.2.0+b2__again.sql", "0.2.0__two.sql"]),
    ({**SCRIPTS, "0.6.0__more.sql": "SELECT 1;\n"}, {}, ["0.6.0__more.sql", "0.5.0"]),
    (SCRIPTS, {"min_version": "0.5.1"}, ["min_version", "0.5.1"]),
    ({**SCRIPTS, "0.4.01__more.sql": "SELECT 1;\n"}, {}, ["0.4.01__more.sql", "position 5", "leading zeros"]),
    ({**SCRIPTS, "0.18446744073709551616.0__more.sql": "SELECT 1;\n"}, {}, ["position 3", "64 bits"]),
])
def test_what_no_set_may_say(flight, scripts, settings, words):
    result = publish(flight, "nobody", scripts, **settings)
    assert result.code == 6, result
    assert all(word in result.err + result.out for word in words), result


@pytest.mark.parametrize("target,word,code", [
    ("0.5.1", "FUTURE_VERSION", 7), ("0.1.0", "VERSION_TOO_OLD", 7), ("0.3.0-rc.1", "PRERELEASE", 7),
    ("0.3", "position 4", 2)])
def test_where_no_rollout_may_go(flight, target, word, code):
    assert publish(flight, "bounded", min_version="0.2.0").code == 0
    for verb in (["plan", "bounded"], ["rollout", "start", "bounded"]):
        result = flight.skein(*verb, "--to", target)
        assert result.code == code and word in result.err, result


def test_each_set_of_a_tenant_has_a_version_of_its_own(flight):
    tenant = empty_tenant(flight, "t_two")
    where = ["--tenants", "tenant=t_two"]
    assert publish(flight, "first").code == 0
    assert publish(flight, "second", {"1.0.0__a.sql": "CREATE TABLE of_second (n int);\n",
                                      "2.0.0__b.sql": "ALTER TABLE of_second ADD m int;\n"}, latest=None).code == 0
    flight.roll_out("first", "--to", "0.2.0", *where)
    # It holds objects, but none that the second set knows of.
    unmanaged = flight.skein("plan", "second", *where, json=True).json["tenants"][0]
    assert unmanaged["error"]["code"] == "UNMANAGED"
    flight.roll_out("second", "--to", "1.0.0", *where, "--baseline-unmanaged", "0.0.0")
    shown = flight.skein("tenant", "show", "eu-1/t_two", json=True, check=0).json
    assert shown["versions"] == {"first": "0.2.0", "second": "1.0.0"}
    assert flight.skein("plan", "first", *where, json=True).json["tenants"][0]["scripts"] == ["0.4.0__four"]
    assert flight.skein("plan", "second", *where, json=True).json["tenants"][0]["scripts"] == ["2.0.0__b"]
    assert flight.skein("plan", "second", *where, "--to", "1.0.0", "--exit-code").code == 0
    flight.roll_out("second", *where)
    assert (tenant.version("first"), tenant.version("second")) == ("0.2.0", "2.0.0")
    history = flight.skein("tenant", "history", "eu-1/t_two", json=True, check=0).json
    assert [(row["set"], row["version"], row["direction"]) for row in reversed(history)] == [
        ("first", "0.1.0", "up"), ("first", "0.2.0", "up"), ("second", "0.0.0", "baseline"),
        ("second", "1.0.0", "up"), ("second", "2.0.0", "up")]


def test_a_baseline_for_a_selector_leaves_alone_who_has_a_version(flight):
    assert publish(flight, "based").code == 0
    unmanaged = unmanaged_tenants(flight, "t_b1", "t_b2")
    managed = tenant_at(flight, "t_b3", "0.4.0", "based")
    empty = empty_tenant(flight, "t_b4")
    flight.skein("tenant", "baseline", "--set", "based", "--to", "0.1.0", check=2)
    flight.skein("tenant", "baseline", "eu-1/t_b1", "--where", "tenant=t_b*", "--set", "based", "--to", "0.1.0",
                 check=2)
    result = flight.skein("tenant", "baseline", "--tenants", "tenant=t_b*", "--set", "based", "--to", "0.1.0", check=0)
    assert "2 tenants have version 0.1.0 of based now" in result.out, result
    assert [tenant.version("based") for tenant in unmanaged] == ["0.1.0"] * 2
    assert managed.version("based") == "0.4.0" and empty.version("based") is None
    again = flight.skein("tenant", "baseline", "--where", "tenant=t_b*", "--set", "based", "--to", "0.2.0", check=0)
    assert again.out == "" and "no tenant" in again.err, again
    assert [tenant.version("based") for tenant in unmanaged] == ["0.1.0"] * 2
    # By its name somebody means that very one.
    flight.skein("tenant", "baseline", "eu-1/t_b1", "--set", "based", "--to", "0.2.0", check=0)
    assert unmanaged[0].version("based") == "0.2.0"
    result = flight.skein("tenant", "baseline", "eu-1/t_b1", "--set", "based", "--to", "0.6.0")
    assert result.code == 7 and "FUTURE_VERSION" in result.err, result


def test_a_rollout_may_record_what_is_unmanaged(flight):
    assert publish(flight, "adopting").code == 0
    old, broken = unmanaged_tenants(flight, "t_a1", "t_a2")
    done, done_too = unmanaged_tenants(flight, "t_a5", "t_a6")
    managed = tenant_at(flight, "t_a3", "0.4.0", "adopting")
    empty = empty_tenant(flight, "t_a4")
    where = ["--tenants", "tenant in (t_a1,t_a2,t_a3,t_a4)"]
    status = flight.roll_out("adopting", *where, phase="DRY_RUN_FAILED")
    assert codes_of(status) >= {"UNMANAGED"}
    assert flight.skein("rollout", "start", "adopting", *where, "--baseline-unmanaged", "0.6.0").code == 7
    plan = flight.skein("plan", "adopting", *where, "--baseline-unmanaged", "0.1.0", json=True, check=0).json
    assert [len(tenant["scripts"]) for tenant in plan["tenants"]] == [2, 2, 0, 3]

    # In one transaction: what fails leaves no baseline behind.
    broken.sql("ALTER TABLE ledger ADD CONSTRAINT no_two CHECK (script <> '0.2.0')")
    status = flight.roll_out("adopting", *where, "--baseline-unmanaged", "0.1.0", phase="DRY_RUN_FAILED")
    assert error_of(status, "eu-1/t_a2")["sqlstate"] == "23514"
    assert broken.version("adopting") is None and old.version("adopting") is None and old.history() == []
    broken.sql("ALTER TABLE ledger DROP CONSTRAINT no_two")
    status = flight.roll_out("adopting", *where, "--baseline-unmanaged", "0.1.0")
    assert status["counts"]["migrated"] == 4
    for tenant in (old, broken):
        assert tenant.version("adopting") == LATEST and tenant.ledger() == ["0.1.0", "0.2.0", "0.4.0"]
        assert [(row[0], row[2]) for row in tenant.history()] == [
            ("0.1.0", "baseline"), ("0.2.0", "up"), ("0.4.0", "up"), (LATEST, "fast_forward")]
    assert [row[2] for row in managed.history()] == ["fast_forward"]
    assert [row[2] for row in empty.history()] == ["up", "up", "up", "fast_forward"]

    # At the target already: recorded, and nothing else.
    status = flight.roll_out("adopting", "--tenants", "tenant in (t_a5,t_a6)", "--baseline-unmanaged", LATEST)
    assert status["counts"]["migrated"] == 2
    for tenant in (done, done_too):
        assert tenant.version("adopting") == LATEST
        assert [(row[0], row[2]) for row in tenant.history()] == [(LATEST, "baseline")]


VIEW = "CREATE OR REPLACE VIEW total AS SELECT {} AS n FROM counter;\nINSERT INTO ledger (script) VALUES ('{}');\n"


def test_repeatable_scripts_run_whenever_they_have_changed(flight):
    folder = flight.path("repeating")
    first, second = empty_tenant(flight, "t_r1"), empty_tenant(flight, "t_r2")
    where = ["--tenants", "tenant in (t_r1,t_r2)"]

    def publish_with(repeatables, *versions):
        scripts = {"0.1.0__init.sql": INIT, **{f"{v}__step.sql": step(v) for v in versions}}
        return flight.publish(write_set(folder, {**scripts, **repeatables}, name="repeating"))

    def plan_of(tenant, *args):
        planned = flight.skein("plan", "repeating", *where, *args, json=True, check=0).json["tenants"]
        return next(item["scripts"] for item in planned if item["tenant"] == f"eu-1/{tenant}")

    def repeats(tenant):
        return [(row[0], row[1]) for row in tenant.history() if row[1].startswith("R__")]

    publish_with({"R__view.sql": VIEW.format("n", "view 1"), "R__a.sql": "INSERT INTO ledger (script) VALUES ('a 1');\n"})
    assert plan_of("t_r1") == ["0.1.0__init", "R__a", "R__view"]
    status = flight.roll_out("repeating", *where)
    assert status["counts"]["migrated"] == 2
    assert first.ledger() == second.ledger() == ["0.1.0", "a 1", "view 1"]
    assert repeats(first) == [("0.1.0", "R__a"), ("0.1.0", "R__view")]
    assert plan_of("t_r1") == []
    assert flight.roll_out("repeating", *where)["skips"] == {"UP_TO_DATE": 2}

    # One changes: it alone runs, also on tenants that are where they should be, once.
    publish_with({"R__view.sql": VIEW.format("n + 1", "view 2"),
                  "R__a.sql": "INSERT INTO ledger (script) VALUES ('a 1');\r\n"})
    flight.skein("plan", "repeating", *where, "--exit-code", check=3)
    flight.roll_out("repeating", "--tenants", "tenant=t_r1")
    assert first.ledger()[3:] == ["view 2"] and second.ledger()[3:] == []
    assert repeats(first)[2:] == [("0.1.0", "R__view")]
    assert first.sql("SELECT n FROM total") == [(2,)]
    assert plan_of("t_r1") == [] and plan_of("t_r2") == ["R__a", "R__view"]

    # Behind the versioned ones, in the same transaction: the dry run stops a broken one.
    publish_with({"R__view.sql": "CREATE OR REPLACE VIEW total AS SELECT n, 1 / (n - n) AS bad FROM counter;\n"
                                 "SELECT bad FROM total;\n"}, "0.2.0")
    status = flight.roll_out("repeating", *where, phase="DRY_RUN_FAILED")
    error = error_of(status, "eu-1/t_r1")
    assert (error["sqlstate"], error["file"], error["statement"]) == ("22012", "R__view.sql", 2)
    assert first.version("repeating") == "0.1.0"
    publish_with({"R__view.sql": VIEW.format("n", "view 3"), "R__b.sql": "INSERT INTO ledger (script) VALUES ('b 1');\n"},
                 "0.2.0")
    assert plan_of("t_r2", "--to", "0.1.0") == []  # they are written for the latest version
    assert flight.roll_out("repeating", *where)["counts"]["migrated"] == 2
    assert first.ledger()[4:] == ["0.2.0", "b 1", "view 3"] and second.ledger()[3:] == ["0.2.0", "b 1", "view 3"]
    assert repeats(second)[2:] == [("0.2.0", "R__b"), ("0.2.0", "R__view")]

    # One that is gone has nothing to run; the view is dropped by whoever writes a script for that.
    publish_with({"R__b.sql": "INSERT INTO ledger (script) VALUES ('b 1');\n"}, "0.2.0")
    flight.roll_out("repeating", *where)
    assert len(first.ledger()) == 7 and plan_of("t_r1") == []
    shown = flight.skein("set", "show", "repeating", json=True, check=0).json
    assert [one["name"] for one in shown["repeatables"]] == ["b"]
    assert "R__b" in flight.skein("set", "show", "repeating", check=0).out


def test_repeatable_scripts_stand_behind_what_runs_outside_a_transaction(flight):
    """A migration of several transactions: then they have one of their own, and the dry run sees them."""
    tenant = empty_tenant(flight, "t_walk")
    where = ["--tenants", "tenant=t_walk"]
    index = "-- skein:transaction none\nCREATE INDEX CONCURRENTLY by_email ON account (email);\n"
    scripts = {"0.1.0__init.sql": INIT, "0.2.0__index.sql": index}
    folder = flight.path("walking")
    flight.publish(write_set(folder, {**scripts, "R__view.sql": "CREATE OR REPLACE VIEW total AS SELECT 1 / 0 AS n;\n"
                                                                "SELECT * FROM total;\n"}, name="walking"))
    status = flight.roll_out("walking", *where, phase="DRY_RUN_FAILED")
    error = error_of(status, "eu-1/t_walk")
    assert (error["sqlstate"], error["file"], error["statement"]) == ("22012", "R__view.sql", 2)
    flight.publish(write_set(folder, {**scripts, "R__view.sql": VIEW.format("n", "view 1")}, name="walking"))
    flight.roll_out("walking", *where)
    assert tenant.ledger() == ["0.1.0", "view 1"] and tenant.version("walking") == "0.2.0"
    assert [row[:3] for row in tenant.history() if row[3] == "done"] == [
        ("0.1.0", "0.1.0__init", "up"), ("0.2.0", "0.2.0__index", "up"), ("0.2.0", "R__view", "up")]
    assert flight.skein("plan", "walking", *where, "--exit-code").code == 0


def test_other_line_ends_are_the_same_script(flight):
    folder = flight.path("ends")
    tenant = empty_tenant(flight, "t_ends")
    where = ["--tenants", "tenant=t_ends"]
    flight.publish(write_set(folder, SCRIPTS, name="ends"))
    flight.roll_out("ends", *where, "--to", "0.2.0")
    for name in os.listdir(folder):
        if name.endswith(".sql"):
            path = os.path.join(folder, name)
            with open(path, encoding="utf-8", newline="") as file:
                text = file.read()
            with open(path, "w", encoding="utf-8", newline="") as file:
                file.write(text.replace("\n", "\r\n"))
    assert flight.skein("set", "publish", folder, json=True, check=0).json["changed"] is True
    flight.roll_out("ends", *where)
    assert tenant.ledger() == ["0.1.0", "0.2.0", "0.4.0"]


def test_publishing_the_same_twice_changes_nothing(flight):
    folder = write_set(flight.path("same"), SCRIPTS, name="same")
    first = flight.skein("set", "publish", folder, json=True, check=0).json
    events = len(flight.skein("event", "list", json=True).json)
    again = flight.skein("set", "publish", folder, check=0)
    assert "was there already, unchanged" in again.out and first["digest"] in again.out, again
    with open(os.path.join(folder, "README.md"), "w", encoding="utf-8") as file:
        file.write("what this is for\n")  # does not count
    assert flight.skein("set", "publish", folder, json=True, check=0).json["changed"] is False
    assert len(flight.skein("event", "list", json=True).json) == events


def test_databases_as_tenants_have_repeatable_scripts_and_baselines_too(fleet):
    server = fleet.start_pg("us")
    fleet.create_databases(server, ["d_1", "d_2"])
    server.sql(INIT, database="d_2")
    fleet.start_coordinator()
    fleet.start_agent("us-1", server, mode="database", match=("d_*",))
    fleet.wait_tenants(2)
    fleet.publish(write_set(fleet.path("both"), {"0.1.0__init.sql": INIT, "0.2.0__two.sql": step("0.2.0"),
                                                 "R__view.sql": VIEW.format("n", "view")}, name="both"))
    fleet.roll_out("both", "--baseline-unmanaged", "0.1.0")
    for name in ("d_1", "d_2"):
        tenant = Tenant(server, database=name)
        assert tenant.ledger() == ["0.1.0", "0.2.0", "view"] and tenant.version("both") == "0.2.0"
    plan = fleet.skein("plan", "both", "--exit-code", json=True, check=0).json
    assert [tenant["scripts"] for tenant in plan["tenants"]] == [[], []]

    # A journal of version 2 knows nothing of these: it is upgraded in place, and they run once more.
    agent = fleet.agents["us-1"].process
    assert agent.stop() == 0
    for name in ("d_1", "d_2"):
        server.sql("ALTER TABLE skein.tenant DROP COLUMN repeatables; DROP FUNCTION skein.task_adopt; "
                   "DROP FUNCTION skein.repeatables_changed; UPDATE skein.meta SET version = 2", database=name)
    fleet.agents["us-1"].start().wait_ready()
    wait_until(lambda: fleet.skein("plan", "both", "--exit-code").code == 3, "the tenants to be known anew")
    assert fleet.roll_out("both")["counts"]["migrated"] == 2
    for name in ("d_1", "d_2"):
        tenant = Tenant(server, database=name)
        assert tenant.ledger() == ["0.1.0", "0.2.0", "view", "view"] and tenant.version("both") == "0.2.0"
        assert server.sql("SELECT max(version) FROM skein.meta", database=name)[0][0] >= 3
