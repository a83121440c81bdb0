"""What the dry runs of a fleet measure: the report, the lock budget, contradictions. About 20 s."""
from fleet import codes_of, error_of
from sets import write_set

INIT = ("CREATE TABLE orders (id bigserial PRIMARY KEY, n int, t text);\n"
        "CREATE TABLE items (id bigint PRIMARY KEY, o bigint);\n")
HARD = "ALTER TABLE orders ALTER COLUMN n TYPE bigint;\nALTER TABLE items ALTER COLUMN o SET NOT NULL;\n"
# As long as there are rows to look at; a lock is held meanwhile.
SLOW = ("ALTER TABLE orders ADD COLUMN m int;\n"
        "SELECT pg_catalog.pg_sleep(count(*) / 1000.0) FROM orders;\n")


def take_off(fleet, scripts, tenants=6, big="t_3", rows=800, flags=()):
    """All tenants at 0.1.0; one of them with many rows. Its server."""
    server = fleet.start_pg("eu")
    fleet.create_schemas(server, [f"t_{i}" for i in range(tenants)])
    fleet.start_coordinator()
    fleet.start_agent("eu-1", server, flags=flags)
    fleet.wait_tenants(tenants)
    fleet.publish(write_set(fleet.path("billing"), {"0.1.0__init.sql": INIT, **scripts}))
    fleet.roll_out("billing", "--to", "0.1.0")
    server.sql(f"INSERT INTO {big}.orders (n) SELECT g FROM generate_series(1, {rows}) AS g")
    return server


def test_the_report_names_the_worst_tenants_and_their_statements(fleet):
    server = take_off(fleet, {"0.2.0__hard.sql": HARD}, rows=100000)
    files = server.value("SELECT relfilenode FROM pg_class WHERE oid = 't_3.orders'::regclass")
    done = fleet.roll_out("billing", "--dry-run-only")
    assert server.value("SELECT relfilenode FROM pg_class WHERE oid = 't_3.orders'::regclass") == files
    report = fleet.report(done["id"])
    measures = report["measures"]
    assert measures["tenants"] == 6 and sum(measures["took"]) == 6 and sum(measures["blocked"]) == 6
    worst = measures["worst"]
    assert worst[0]["tenant"] == "eu-1/t_3" and len(worst) == 6
    assert [w["blocked_us"] for w in worst] == sorted((w["blocked_us"] for w in worst), reverse=True)
    assert worst[0]["blocked_relation"] == "orders" and worst[0]["exclusive_us"] == worst[0]["blocked_us"]
    assert (worst[0]["rewrites"], worst[0]["wal_bytes"] > 100000 * 20) == (1, True)
    rewrite = next(s for s in worst[0]["worst"] if s["statement"] == 1)
    assert (rewrite["file"], rewrite["line"], rewrite["rewrites"]) == ("0.2.0__hard.sql", 1, ["orders"])
    assert {"relation": "orders", "mode": "ACCESS EXCLUSIVE"} in rewrite["locks"]
    scan = next(s for s in worst[0]["worst"] if s["statement"] == 2)
    assert scan["scans"] == ["items"] and scan["rewrites"] == []

    text = fleet.skein("rollout", "report", done["id"], check=0).out
    assert "the worst tenants, by their dry runs" in text and "orders ACCESS EXCLUSIVE; rewrites orders" in text
    assert "measured 6 dry runs; writers wait up to" in fleet.skein("rollout", "status", done["id"], check=0).out

    # What was measured is known to the next leader, too.
    fleet.coordinator.process.stop()
    fleet.coordinator.start()
    fleet.coordinator.wait_ready()
    assert fleet.report(done["id"])["measures"] == measures


def test_the_lock_budget_fails_the_tenants_that_are_too_large_for_it(fleet):
    server = take_off(fleet, {"0.2.0__slow.sql": SLOW})
    ended = fleet.roll_out("billing", "--lock-budget", "400ms", phase="DRY_RUN_FAILED")
    assert (ended["counts"]["failed"], ended["counts"]["dry_run_passed"]) == (1, 5)
    report = fleet.report(ended["id"])
    error = error_of(report, "eu-1/t_3")
    assert (error["code"], error["file"], error["statement"]) == ("LINT", "0.2.0__slow.sql", 2)
    assert "orders would be locked against writers for" in error["message"]
    assert "more than the lock budget of 400 ms" in error["message"] and error["hint"]
    assert report["measures"]["worst"][0]["tenant"] == "eu-1/t_3", "one that failed for it is shown, too"
    assert report["measures"]["tenants"] == 5
    assert report["lock_budget_ms"] == 400 and report["estimate_max_ms"] >= report["estimate_min_ms"] > 0
    server.sql("DELETE FROM t_3.orders WHERE n > 5")
    fleet.skein("rollout", "retry", ended["id"], check=0)
    done = fleet.wait_phase(ended["id"], "SUCCEEDED")
    assert done["counts"]["migrated"] == 6
    assert fleet.report(ended["id"])["measures"]["tenants"] == 6
    assert codes_of(done) == set()


def test_migrations_that_share_a_transaction_hold_their_locks_together(fleet):
    """Each of them is harmless alone: the first takes a lock for a moment, the second takes its time without one."""
    take_off(fleet, {"0.2.0__quick.sql": "ALTER TABLE orders ADD COLUMN quick int;\n",
                     "0.3.0__long.sql": "SELECT pg_sleep(0.9);\n"})
    budget = ("--lock-budget", "800ms", "--tenants", "tenant=t_1")
    error = error_of(fleet.roll_out("billing", *budget, phase="DRY_RUN_FAILED"), "eu-1/t_1")
    assert error["code"] == "LINT" and error["message"].startswith("orders would be locked against writers for"), error
    assert error["file"] == "0.3.0__long.sql", error
    fleet.roll_out("billing", *budget, "--to", "0.2.0")
    fleet.roll_out("billing", *budget)


def test_what_a_rollback_does_not_take_back_is_named(fleet):
    take_off(fleet, {"0.2.0__rows.sql": "INSERT INTO orders (n) VALUES (7);\n"})
    done = fleet.roll_out("billing", "--dry-run-only")
    worst = fleet.report(done["id"])["measures"]["worst"]
    assert all(w["sequences"] == ["orders_id_seq"] and w["blocked_us"] == 0 for w in worst)
    text = fleet.skein("rollout", "report", done["id"], check=0).out
    assert "the dry run has moved for good: orders_id_seq" in text
    assert "nobody waits for a lock" in text


def test_a_statement_that_takes_long_is_stopped_in_the_dry_run_alone(fleet):
    sleeps = "SELECT pg_catalog.pg_sleep(1.5);\n"
    own = "-- skein:statement_timeout 1min\n"
    take_off(fleet, {"0.2.0__sleeps.sql": sleeps, "0.3.0__says_so.sql": own + sleeps}, tenants=1,
             big="t_0", rows=1, flags=["--dry-run-statement-ms", "700"])
    ended = fleet.roll_out("billing", "--to", "0.2.0", phase="DRY_RUN_FAILED")
    error = error_of(fleet.report(ended["id"]), "eu-1/t_0")
    assert (error["code"], error["sqlstate"], error["file"]) == ("SQL", "57014", "0.2.0__sleeps.sql")
    assert "dry-run-statement-ms" in error["hint"]
    fleet.roll_out("billing", "--to", "0.2.0", "--dry-run", "off", "--reason", "it only sleeps")
    fleet.roll_out("billing")


def test_what_lint_did_not_foresee_is_a_warning_told_once(fleet):
    server = take_off(fleet, {"0.2.0__rows.sql": "UPDATE items SET o = 1;\n"})
    for tenant in ("t_1", "t_2"):  # somebody was here, and nobody has told the scripts
        server.sql(f"CREATE TABLE {tenant}.other (n int);"
                   f"CREATE FUNCTION {tenant}.sly() RETURNS trigger LANGUAGE plpgsql AS"
                   " 'BEGIN ALTER TABLE other ALTER COLUMN n TYPE bigint; RETURN NULL; END';"
                   f"CREATE TRIGGER sly AFTER UPDATE ON {tenant}.items FOR EACH STATEMENT"
                   f" EXECUTE FUNCTION {tenant}.sly()")
    done = fleet.roll_out("billing", "--dry-run-only")
    warnings = fleet.report(done["id"])["warnings"]
    assert len(warnings) == 1, warnings
    assert (warnings[0]["code"], warnings[0]["file"]) == ("LINT", "0.2.0__rows.sql")
    assert "it took ACCESS EXCLUSIVE on other, foreseen was no lock" in warnings[0]["message"]


def test_a_rewrite_that_lint_cannot_see_is_stopped_on_a_large_table(fleet):
    hidden = ("DO $$ BEGIN EXECUTE format('ALTER TABLE %I ALTER COLUMN n TYPE bigint',"
              " (SELECT relname FROM pg_class WHERE oid = 'orders'::regclass)); END $$;\n")
    take_off(fleet, {"0.2.0__hidden.sql": hidden}, rows=40000)
    ended = fleet.roll_out("billing", "--size-limit", "1MB", phase="DRY_RUN_FAILED")
    report = fleet.report(ended["id"])
    error = error_of(report, "eu-1/t_3")
    assert (error["code"], error["sqlstate"], len(report["errors"])) == ("LINT", "SK060", 1)
    assert error["file"] == "0.2.0__hidden.sql" and "orders (" in error["message"]
    fleet.roll_out("billing", "--size-limit", "1MB", "--allow-large")
