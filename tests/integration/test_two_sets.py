"""One at a time on a tenant, also of two sets and of people, after an agent was lost on the way.

Budget: 90 s, most of it sessions' leases.
"""
from fleet import continue_process, pause_process
from processes import wait_until
from sets import schemas_of, step, steps, write_set

SLEEP_S = 30  # longer than a session's lease


def take_off(fleet):
    server = fleet.start_pg("eu")
    fleet.create_schemas(server, ["t_1"])
    fleet.start_coordinator()
    fleet.start_agent("eu-1", server, key="first")
    fleet.start_agent("eu-1", server, key="second", wait=False)
    fleet.wait_tenants(1)
    fleet.publish(write_set(fleet.path("billing"), steps()))
    fleet.roll_out("billing")
    fleet.publish(write_set(fleet.path("stock"), {"0.1.0__none.sql": "SELECT 1;", "0.2.0__step.sql": step("stock")},
                            name="stock"))
    fleet.skein("tenant", "baseline", "eu-1/t_1", "--set", "stock", "--version", "0.1.0", check=0)
    return server, schemas_of(server, ["t_1"])[0]


def sleepers(server):
    return server.sql("SELECT pid FROM pg_stat_activity WHERE query ~ 'pg_sleep' AND pid <> pg_backend_pid() "
                      "AND state = 'active'")


def lose_an_agent_at_work(fleet, server):
    """Its rollout is paused; its connection lives, and its migration goes on."""
    # A sequence is not rolled back: the dry run takes the first number, the run that sleeps the second.
    slow = f"SELECT pg_sleep(CASE WHEN nextval('attempts') = 2 THEN {SLEEP_S} ELSE 0 END);"
    fleet.publish(write_set(fleet.path("billing"), steps("0.2.0", extra={"0.2.0": slow})))
    billing = fleet.start_rollout("billing")
    wait_until(lambda: sleepers(server), "the migration to be at work")
    fleet.skein("rollout", "pause", billing, check=0)
    pause_process(fleet.agents["first"].process)
    wait_until(lambda: fleet.skein("lock", "list", json=True).json == [], "its lease to end")
    return billing


def test_a_lost_agents_migration_is_waited_for_by_another_set(fleet):
    server, tenant = take_off(fleet)
    billing = lose_an_agent_at_work(fleet, server)
    stock = fleet.start_rollout("stock")
    fleet.wait_phase(stock, "SUCCEEDED")
    ledger = tenant.sql("SELECT script FROM ledger ORDER BY at")
    assert not sleepers(server), f"stock was migrated while billing was at work: {ledger}"

    continue_process(fleet.agents["first"].process)
    fleet.skein("rollout", "resume", billing, check=0)
    fleet.wait_phase(billing, "SUCCEEDED")
    assert sorted(row[0] for row in tenant.sql("SELECT script FROM ledger")) == ["0.1.0", "0.2.0", "stock"]


def test_nobody_locks_a_tenant_while_a_lost_agent_works_on_it(fleet):
    server, tenant = take_off(fleet)
    billing = lose_an_agent_at_work(fleet, server)
    fleet.skein("tenant", "lock", "eu-1/t_1", "--reason", "backup", "--owner", "ana", "--wait-for", "1min", check=0)
    assert not sleepers(server), "the tenant was locked while a migration was at work"
    continue_process(fleet.agents["first"].process)
    fleet.skein("rollout", "resume", billing, check=0)
    assert tenant.ledger() == ["0.1.0"]
    fleet.skein("tenant", "unlock", "eu-1/t_1", "--owner", "ana", "--reason", "done", check=0)
    fleet.wait_phase(billing, "SUCCEEDED")
    tenant.assert_at("0.1.0", "0.2.0")
