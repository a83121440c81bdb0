"""Making and dropping tenants: whole or not at all, whoever dies (2 min, most of it waiting for leases)."""
import concurrent.futures

import pytest

from processes import wait_until
from sets import schemas_of, steps, write_set

POOL = concurrent.futures.ThreadPoolExecutor(4)


@pytest.fixture
def home(fleet):
    """One tenant at 0.2.0, and an agent that looks for t_* but t_x*."""
    fleet.server = fleet.start_pg("eu")
    fleet.create_schemas(fleet.server, ["t_1"])
    fleet.start_coordinator()
    fleet.start_agent("eu-1", fleet.server, exclude=["t_x*"], flags=["--refresh-ms", "1000"])
    fleet.wait_tenants(1)
    fleet.publish(write_set(fleet.path("billing"), steps("0.2.0")))
    fleet.roll_out("billing")
    return fleet


def create(fleet, tenant, *args, **options):
    return fleet.skein("tenant", "create", tenant, "--set", "billing", *args, **options)


def drop(fleet, tenant, **options):
    return fleet.skein("tenant", "drop", tenant, "--yes", "--reason", "over", **options)


def names(fleet):
    return [t["tenant"] for t in fleet.skein("tenant", "list", json=True, check=0).json]


def schemas(fleet):
    rows = fleet.server.sql("SELECT nspname FROM pg_namespace WHERE nspname LIKE 't\\_%'"
                            " ORDER BY 1")
    return [row[0] for row in rows]


def test_a_tenant_comes_and_goes(home):
    result = create(home, "eu-1/t_2", check=0)
    assert result.out == "eu-1/t_2 is there, at version 0.2.0 of billing\n"
    schemas_of(home.server, ["t_2"])[0].assert_at("0.1.0", "0.2.0")
    assert names(home) == ["eu-1/t_1", "eu-1/t_2"]

    # A rollout takes it along as any other.
    write_set(home.path("billing"), steps("0.2.0", "0.3.0"))
    home.publish(home.path("billing"))
    assert home.roll_out("billing")["counts"]["migrated"] == 2

    assert drop(home, "eu-1/t_2", check=0).out == "eu-1/t_2 is gone\n"
    assert schemas(home) == ["t_1"] and names(home) == ["eu-1/t_1"]
    history = "SELECT count(*) FROM skein.history WHERE tenant = 't_2'"
    assert home.server.sql(history)[0][0] == 3  # it stays

    # One of the same name begins at the beginning; `--to` is where it ends.
    assert create(home, "eu-1/t_2", "--to", "0.1.0", json=True, check=0).json["counts"]["migrated"] == 1
    again = schemas_of(home.server, ["t_2"])[0]
    assert again.version() == "0.1.0" and again.ledger() == ["0.1.0"]
    assert home.roll_out("billing")["counts"]["migrated"] == 1
    assert again.ledger() == ["0.1.0", "0.2.0", "0.3.0"]
    actions = [e["action"] for e in home.skein("event", "list", json=True, check=0).json]
    assert actions.count("tenant.create") == 2 and actions.count("tenant.drop") == 1


def test_what_fails_leaves_nothing_behind(home):
    write_set(home.path("billing"), steps("0.2.0", "0.3.0", extra={"0.3.0": "SELECT 1 / 0;"}))
    home.publish(home.path("billing"))
    failed = create(home, "eu-1/t_2", check=4)
    assert "division by zero" in failed.err and "Nothing is left of the tenant" in failed.err
    assert "0.3.0__step.sql" in failed.err
    assert schemas(home) == ["t_1"] and names(home) == ["eu-1/t_1"]

    # The same call again, when the cause is gone.
    assert create(home, "eu-1/t_2", "--to", "0.2.0", check=0)
    schemas_of(home.server, ["t_2"])[0].assert_at("0.1.0", "0.2.0")


def test_what_is_refused(home):
    home.server.sql("CREATE SCHEMA t_old; CREATE TABLE t_old.kept (n int)")
    home.wait_tenants(2)
    assert "is there already" in create(home, "eu-1/t_old", check=7).err
    # Not one of the agent's tenants, so the coordinator cannot know it.
    home.server.sql("CREATE SCHEMA t_x1")
    for name, why in [("t_x1", "tenants.exclude"), ("t_x2", "tenants.exclude"),
                      ("other", "tenants.match"), ("public", "not a name for a tenant")]:
        assert why in create(home, f"eu-1/{name}", check=7).err
    assert "there is no shard" in create(home, "us-1/t_2", check=1).err
    assert "not a tenant" in create(home, "t_2", check=2).err
    assert "there is no set" in home.skein("tenant", "create", "eu-1/t_2", "--set", "x").err
    assert "no reference tenant" in create(home, "eu-1/t_2", "--from", "reference", check=7).err
    assert schemas(home) == ["t_1", "t_old", "t_x1"]

    assert "skein drops only what it manages" in drop(home, "eu-1/t_old", check=7).err
    assert "there is no tenant" in drop(home, "eu-1/t_9", check=1).err
    home.skein("tenant", "lock", "eu-1/t_1", "--reason", "a restore", check=0)
    assert "a restore" in drop(home, "eu-1/t_1", check=7).err
    home.skein("tenant", "unlock", "eu-1/t_1", check=0)
    assert home.skein("tenant", "drop", "eu-1/t_1", "--yes").code == 2
    assert home.skein("tenant", "drop", "eu-1/t_1").code == 2
    home.publish(write_set(home.path("billing"), steps("0.2.0"), reference="eu-1/t_1"))
    assert "is the reference tenant" in drop(home, "eu-1/t_1", check=7).err
    assert schemas(home) == ["t_1", "t_old", "t_x1"]


def begin(fleet, *args):
    """The command in the background, for as long as it takes."""
    return POOL.submit(fleet.skein, *args, timeout=120)


def newest(fleet):
    return fleet.skein("rollout", "list", json=True, check=0).json[0]["id"]


def begin_slow_create(fleet):
    """Returns when the schema is being filled, and how to learn what the command said."""
    write_set(fleet.path("billing"), steps("0.2.0", "0.3.0", extra={"0.3.0": "SELECT pg_sleep(2);"}))
    fleet.publish(fleet.path("billing"))
    said = begin(fleet, "tenant", "create", "eu-1/t_2", "--set", "billing")
    sleeps = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(2)%%'"
    wait_until(lambda: fleet.server.sql(sleeps)[0][0] > 0, "the script to run")
    return said


def assert_whole(fleet, *versions):
    schemas_of(fleet.server, ["t_2"])[0].assert_at(*versions)
    assert names(fleet) == ["eu-1/t_1", "eu-1/t_2"]
    wait_until(lambda: fleet.skein("lock", "list", json=True).json == [], "the locks to go")


@pytest.mark.parametrize("point", ["before_commit", "after_commit"])
def test_the_agent_dies_while_it_makes_a_tenant(home, point):
    agent = home.agents["eu-1"]
    agent.kill()
    agent.start(SKEIN_CRASH_AT=point)
    agent.wait_ready()
    said = begin(home, "tenant", "create", "eu-1/t_2", "--set", "billing")
    wait_until(lambda: not agent.process.is_running(), "the agent to die")
    agent.start(SKEIN_CRASH_AT="")
    assert said.result().code == 0, said.result()
    assert_whole(home, "0.1.0", "0.2.0")


def test_the_agent_dies_while_it_drops_one(home):
    assert create(home, "eu-1/t_2", check=0)
    agent = home.agents["eu-1"]
    agent.kill()
    agent.start(SKEIN_CRASH_AT="after_commit")
    agent.wait_ready()
    said = begin(home, "tenant", "drop", "eu-1/t_2", "--yes", "--reason", "over")
    wait_until(lambda: not agent.process.is_running(), "the agent to die")
    agent.start(SKEIN_CRASH_AT="")
    assert said.result().code == 0, said.result()
    assert schemas(home) == ["t_1"] and names(home) == ["eu-1/t_1"]
    # What comes under this name is not taken for the old one.
    assert create(home, "eu-1/t_2", check=0)
    again = schemas_of(home.server, ["t_2"])[0]
    assert again.ledger() == ["0.1.0", "0.2.0"] and again.version() == "0.2.0"


def test_the_coordinator_dies_while_a_tenant_is_made(home):
    said = begin_slow_create(home)
    home.coordinator.kill()
    home.coordinator.start()
    home.coordinator.wait_ready()
    home.wait_phase(newest(home), "SUCCEEDED")
    assert said.result().code in (0, 8), said.result()
    assert_whole(home, "0.1.0", "0.2.0", "0.3.0")


def test_both_die_and_the_call_is_repeated(home):
    begin_slow_create(home)
    home.coordinator.kill()
    home.agents["eu-1"].kill()
    home.coordinator.start()
    home.agents["eu-1"].start()
    home.coordinator.wait_ready()
    # Meanwhile it is under way; then it is there.
    again = create(home, "eu-1/t_2", check=7)
    assert "wait for it" in again.err or "is there already" in again.err, again
    home.wait_phase(newest(home), "SUCCEEDED")
    assert "is there already" in create(home, "eu-1/t_2", check=7).err
    assert_whole(home, "0.1.0", "0.2.0", "0.3.0")


def test_an_aborted_create_leaves_nothing(home):
    begin_slow_create(home)
    rollout = newest(home)
    home.skein("rollout", "abort", rollout, "--yes", check=0)
    status = home.wait_phase(rollout, "ABORTED", "SUCCEEDED")
    there = status["counts"]["migrated"] == 1
    assert schemas(home) == (["t_1", "t_2"] if there else ["t_1"])


@pytest.fixture
def registered(fleet):
    """Two tenants that a registry in another database knows; a third one it does not know."""
    fleet.server = fleet.start_pg("eu")
    fleet.create_schemas(fleet.server, ["t_1", "t_2", "t_3"])
    fleet.server.sql("CREATE SCHEMA control; CREATE TABLE control.tenants"
                     " (id bigserial PRIMARY KEY, tenant text UNIQUE, at_version varchar(20));"
                     "INSERT INTO control.tenants (tenant) VALUES ('t_1'), ('t_2'), ('other')")
    fleet.start_coordinator()
    fleet.start_agent("eu-1", fleet.server, flags=[
        "--refresh-ms", "1000", "--registry.postgres", fleet.server.conninfo(), "--registry.table",
        "control.tenants", "--registry.set", "billing", "--registry.tenant-column", "tenant",
        "--registry.version-column", "at_version"])
    fleet.wait_tenants(3)
    fleet.publish(write_set(fleet.path("billing"), steps("0.2.0")))
    return fleet


def register(fleet):
    return dict(fleet.server.sql("SELECT tenant, at_version FROM control.tenants"))


def test_the_registry_follows_each_success(registered):
    status = registered.roll_out("billing", "--to", "0.1.0")
    assert register(registered) == {"t_1": "0.1.0", "t_2": "0.1.0", "other": None}
    assert [(w["tenant"], w["code"]) for w in status["warnings"]] == [("eu-1/t_3", "REGISTRY")]

    # A registry that refuses takes nothing back; it is a warning, and is tried again.
    registered.server.sql("ALTER TABLE control.tenants ADD CONSTRAINT stop CHECK (at_version <> '0.2.0')")
    status = registered.roll_out("billing")
    assert status["phase"] == "SUCCEEDED" and status["counts"]["migrated"] == 3
    assert {w["code"] for w in status["warnings"]} == {"REGISTRY"} and len(status["warnings"]) == 3
    assert register(registered)["t_1"] == "0.1.0"
    registered.server.sql("ALTER TABLE control.tenants DROP CONSTRAINT stop")
    wait_until(lambda: register(registered)["t_1"] == "0.2.0", "the registry to be written")
    assert register(registered) == {"t_1": "0.2.0", "t_2": "0.2.0", "other": None}


def test_a_new_agent_compares_journal_and_registry(registered):
    registered.roll_out("billing")
    agent = registered.agents["eu-1"]
    agent.kill()
    registered.server.sql("UPDATE control.tenants SET at_version = '0.1.0' WHERE tenant = 't_2'")
    agent.start()
    wait_until(lambda: register(registered)["t_2"] == "0.2.0", "the registry to be put right")


def test_new_tenants_are_registered_first_and_unregistered_if_they_fail(registered):
    registered.roll_out("billing")
    assert create(registered, "eu-1/t_4", check=0)
    assert register(registered)["t_4"] == "0.2.0"
    write_set(registered.path("billing"), steps("0.2.0", "0.3.0", extra={"0.3.0": "SELECT 1 / 0;"}))
    registered.publish(registered.path("billing"))
    assert "division by zero" in create(registered, "eu-1/t_5", check=4).err
    assert "t_5" not in register(registered)
    assert drop(registered, "eu-1/t_4", check=0)
    assert "t_4" not in register(registered)
    # Where the registry refuses nothing is made at all.
    registered.server.sql("ALTER TABLE control.tenants ADD CONSTRAINT few CHECK (tenant <> 't_6')")
    assert "REGISTRY" in create(registered, "eu-1/t_6", check=4).err
    assert "t_6" not in schemas(registered)
