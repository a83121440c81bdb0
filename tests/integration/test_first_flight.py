"""The whole way: two shards, one with schemas and one with databases, on each store."""
import pytest

from fleet import add_up, error_of
from sets import UNIQUE_EMAIL, databases_of, schemas_of, steps, write_set

SCHEMAS = [f"t_{i}" for i in range(1, 7)]
DATABASES = [f"d_{i}" for i in range(1, 4)]
ALL = len(SCHEMAS) + len(DATABASES)


def take_off(fleet, store, commit=None):
    eu, us = fleet.start_pg("eu"), fleet.start_pg("us")
    fleet.create_schemas(eu, SCHEMAS)
    fleet.create_databases(us, DATABASES)
    fleet.start_coordinator(store)
    fleet.start_agent("eu-1", eu, labels=["region=eu"], commit=commit)
    fleet.start_agent("us-1", us, mode="database", match=["d_*"], labels=["region=us"], commit=commit)
    fleet.wait_tenants(ALL)
    return schemas_of(eu, SCHEMAS) + databases_of(us, DATABASES)


def assert_report_is_true(fleet, status, migrated):
    counts = status["counts"]
    assert add_up(counts) == counts["total"] == ALL
    assert counts["migrated"] == migrated and counts["skipped"] == ALL - migrated
    assert counts["failed"] == counts["unknown"] == counts["queued"] == counts["running"] == 0
    assert status["finished_at"] is not None and status["waiting_for"] == ""
    assert fleet.report(status["id"])["counts"] == counts


@pytest.mark.parametrize("store,commit", [("sqlite", "single"), ("etcd", "group")])
def test_a_fleet_is_migrated_end_to_end(fleet, store, commit):
    tenants = take_off(fleet, store, commit)
    folder = fleet.path("billing")
    write_set(folder, steps("0.2.0"))
    fleet.publish(folder)

    # Some tenants stop half-way, so that the next rollout finds different versions.
    status = fleet.roll_out("billing", "--to", "0.1.0", "--tenants", "region=eu")
    assert status["counts"]["migrated"] == len(SCHEMAS)
    status = fleet.roll_out("billing")
    assert_report_is_true(fleet, status, ALL)
    for tenant in tenants:
        tenant.assert_at("0.1.0", "0.2.0")

    # One tenant breaks the rule that the next version brings.
    write_set(folder, steps("0.2.0", "0.3.0", extra={"0.3.0": UNIQUE_EMAIL}))
    fleet.publish(folder)
    broken = tenants[2]
    broken.sql("INSERT INTO account (email) VALUES ('a@example.org'), ('a@example.org')")
    stopped = fleet.skein("rollout", "start", "billing", "--wait", json=True, check=6).json
    assert stopped["phase"] == "DRY_RUN_FAILED"
    error = error_of(stopped, "eu-1/t_3")
    assert (error["code"], error["sqlstate"], error["mode"]) == ("SQL", "23505", "dry_run")
    assert error["file"] == "0.3.0__step.sql" and error["statement"] == 1 and error["line"] == 1
    assert stopped["counts"]["migrated"] == 0
    for tenant in tenants:
        tenant.assert_at("0.1.0", "0.2.0")

    # Repaired, it goes along with all the others.
    broken.sql("DELETE FROM account WHERE id = (SELECT max(id) FROM account)")
    assert_report_is_true(fleet, fleet.roll_out("billing"), ALL)
    for tenant in tenants:
        tenant.assert_at("0.1.0", "0.2.0", "0.3.0")
    listed = fleet.skein("tenant", "list", json=True, check=0).json
    assert {t["versions"]["billing"] for t in listed} == {"0.3.0"}

    # Nothing to do is success, at once.
    assert_report_is_true(fleet, fleet.roll_out("billing"), 0)
    assert fleet.skein("lock", "list", json=True, check=0).json == []


def test_a_tenant_that_appears_is_taken_along(fleet):
    tenants = take_off(fleet, "sqlite")
    eu = tenants[0].server
    folder = write_set(fleet.path("billing"),
                       steps("0.2.0", extra={"0.2.0": "SELECT pg_sleep(0.3);"}))
    fleet.publish(folder)
    rollout = fleet.start_rollout("billing", "--concurrency", 1)
    fleet.wait_phase(rollout, "RUNNING", "SUCCEEDED")
    fleet.create_schemas(eu, ["t_new"])
    status = fleet.wait_phase(rollout, "SUCCEEDED")
    assert status["counts"]["migrated"] == ALL + 1
    schemas_of(eu, ["t_new"])[0].assert_at("0.1.0", "0.2.0")


def test_a_tenant_that_disappears_is_skipped_with_its_reason(fleet):
    tenants = take_off(fleet, "sqlite")
    eu = tenants[0].server
    fleet.publish(write_set(fleet.path("billing"),
                            steps("0.2.0", extra={"0.2.0": "SELECT pg_sleep(0.3);"})))
    rollout = fleet.start_rollout("billing", "--concurrency", 1, "--tenants", "shard=eu-1")
    fleet.wait_phase(rollout, "RUNNING")
    eu.sql("DROP SCHEMA t_6 CASCADE")
    status = fleet.wait_phase(rollout, "SUCCEEDED", "FAILED", "PAUSED")
    assert status["phase"] == "SUCCEEDED", status
    assert status["counts"]["migrated"] == 5 and status["counts"]["skipped"] == 1, status
