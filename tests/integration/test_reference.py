"""A set's reference tenant: asked first, migrated last (about 10 s)."""
import pytest

from fleet import add_up, error_of
from sets import FAILS_IN_THE_RUN, UNIQUE_EMAIL, schemas_of, steps, write_set

NAMES = ["t_0", "t_1", "t_2", "t_3"]


@pytest.fixture
def led(fleet):
    """Four tenants at 0.1.0; t_0 is the reference; 0.2.0 fails in the run where `fails` says so."""
    server = fleet.start_pg("eu")
    fleet.create_schemas(server, NAMES)
    fleet.start_coordinator()
    fleet.start_agent("eu-1", server, flags=["--refresh-ms", "1000"])
    fleet.wait_tenants(len(NAMES))
    publish(fleet, "0.2.0", extra={"0.2.0": FAILS_IN_THE_RUN})
    fleet.roll_out("billing", "--to", "0.1.0")
    fleet.tenants = schemas_of(server, NAMES)
    return fleet


def publish(fleet, *versions, extra=None):
    fleet.publish(write_set(fleet.path("billing"), steps(*versions, extra=extra),
                            reference="eu-1/t_0"))


def test_it_is_migrated_when_all_others_are_there(led):
    reference, first = led.tenants[0], led.tenants[1]
    first.sql("UPDATE fails SET yes = true")
    stopped = led.skein("rollout", "start", "billing", "--policy", "continue", "--wait", json=True,
                        check=4).json
    assert stopped["phase"] == "FAILED" and stopped["counts"]["failed"] == 1
    assert stopped["skips"] == {"OTHERS_BEHIND": 1}, stopped
    assert [(w["tenant"], w["code"]) for w in stopped["warnings"]] == \
        [("eu-1/t_0", "OTHERS_BEHIND")]
    reference.assert_at("0.1.0")

    first.sql("UPDATE fails SET yes = false")
    led.skein("rollout", "retry", stopped["id"], "--yes", check=0)
    status = led.wait_phase(stopped["id"], "SUCCEEDED")
    assert status["counts"]["migrated"] == len(NAMES) and status["warnings"] == []
    moved = [t.server.sql("SELECT updated_at FROM skein.tenant WHERE tenant = %s", (t.name,))[0][0]
             for t in led.tenants]
    assert moved[0] == max(moved)
    for tenant in led.tenants:
        tenant.assert_at("0.1.0", "0.2.0")


def test_if_its_dry_run_fails_nobody_else_is_asked(led):
    led.roll_out("billing")
    publish(led, "0.2.0", "0.3.0", extra={"0.2.0": FAILS_IN_THE_RUN, "0.3.0": UNIQUE_EMAIL})
    led.tenants[0].sql("INSERT INTO account (email) VALUES ('a@example.org'), ('a@example.org')")
    stopped = led.skein("rollout", "start", "billing", "--wait", json=True, check=6).json
    assert stopped["phase"] == "DRY_RUN_FAILED" and add_up(stopped["counts"]) == len(NAMES)
    assert error_of(stopped, "eu-1/t_0")["sqlstate"] == "23505"
    assert stopped["counts"]["dry_run_passed"] == 0
    assert stopped["counts"]["queued"] == len(NAMES) - 1

    # A rollout that selects others does not ask it.
    status = led.roll_out("billing", "--tenants", "tenant=t_1")
    assert status["counts"]["migrated"] == 1
    led.tenants[0].assert_at("0.1.0", "0.2.0")


def test_one_that_does_not_exist_is_refused_at_the_start(led):
    led.tenants[0].server.sql('DROP SCHEMA "t_0" CASCADE')
    led.wait_tenants(len(NAMES) - 1)
    refused = led.start_rollout("billing", check=7)
    assert "the reference tenant 'eu-1/t_0' of the set 'billing' does not exist" in refused.err
