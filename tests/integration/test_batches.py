"""Backfills in chunks, over the real fleet.

Budget: 45 s, a third of it a killed agent's lease.
"""
from processes import wait_until
from sets import write_set

BASE = {"0.1.0__accounts.sql": "CREATE TABLE accounts (id bigint PRIMARY KEY, n int NOT NULL DEFAULT 0, name text);",
        "0.1.0__accounts.down.sql": "DROP TABLE accounts;"}

# Not idempotent on purpose: a row that is done twice shows.
COUNT_UP = """SELECT id FROM accounts;
UPDATE accounts SET n = n + 1, name = 'account ' || accounts.id FROM chunk WHERE accounts.id = chunk.id;
"""


def take_off(fleet, rows):
    """A fleet of one tenant at 0.1.0 with so many accounts."""
    server = fleet.start_pg("eu")
    fleet.create_schemas(server, ["t_1"])
    fleet.start_coordinator()
    fleet.start_agent("eu-1", server)
    fleet.wait_tenants(1)
    fleet.publish(write_set(fleet.path("accounts"), BASE, name="accounts"))
    fleet.roll_out("accounts")
    server.sql(f"INSERT INTO t_1.accounts SELECT i * 7 FROM generate_series(1, {rows}) i")
    server.sql("ANALYZE t_1.accounts")
    return server


def publish(fleet, scripts, check=0):
    return fleet.publish(write_set(fleet.path("accounts"), {**BASE, **scripts}, name="accounts"), check=check)


def rows_done(server):
    found = server.sql("SELECT (position->>'rows')::bigint FROM skein.operation WHERE position IS NOT NULL")
    return found[0][0] if found else 0


def hold_back(server, row):
    """Whoever changes that row of t_1.accounts waits until let_go."""
    server.sql("CREATE TABLE public.gate (open bool)")
    server.sql(f"""CREATE FUNCTION public.wait_for_gate() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        WHILE NEW.id = {row} AND NOT EXISTS (SELECT FROM public.gate) LOOP PERFORM pg_sleep(0.05); END LOOP;
        RETURN NEW; END $$""")
    server.sql("CREATE TRIGGER held BEFORE UPDATE ON t_1.accounts FOR EACH ROW"
               " EXECUTE FUNCTION public.wait_for_gate()")


def let_go(server):
    server.sql("INSERT INTO public.gate VALUES (true)")


def counts(server):
    """n -> how many rows have it."""
    return dict(server.sql("SELECT n, count(*) FROM t_1.accounts GROUP BY n"))


def test_an_agent_killed_in_the_middle_of_a_backfill_goes_on_where_it_was(fleet):
    rows = 40_000
    server = take_off(fleet, rows)
    hold_back(server, 7 * (rows * 6 // 10))
    publish(fleet, {"0.2.0__names/10_note.sql": "ALTER TABLE accounts ADD COLUMN note text;",
                    "0.2.0__names/20_fill.batch.sql":
                    f"-- skein:batch_rows 1000 -- skein:batch_target 20ms -- skein:batch_pause 10ms\n{COUNT_UP}",
                    "0.2.0__names/30_end.sql": "COMMENT ON TABLE accounts IS 'named';"})
    rollout = fleet.start_rollout("accounts")

    shown = wait_until(lambda: fleet.status(rollout).get("progress"), "progress to be shown")
    assert shown[0]["tenant"] == "eu-1/t_1" and "20_fill: " in shown[0]["words"], shown
    assert 0 < int(shown[0]["done"]) <= int(shown[0]["total"]), shown
    assert abs(int(shown[0]["total"]) - rows) < rows / 10, shown
    wait_until(lambda: rows_done(server) > rows / 10, "a part of the rows to be done")
    agent = fleet.agents["eu-1"]
    agent.kill()
    done = rows_done(server)
    assert rows / 10 < done < rows, "the agent was killed too late"
    assert counts(server) == {0: rows - done, 1: done}

    let_go(server)
    agent.start().wait_ready()
    fleet.wait_phase(rollout, "SUCCEEDED", timeout=300)
    assert counts(server) == {1: rows}  # resumed: a fresh start would have counted the first ones twice
    assert server.sql("SELECT count(*) FROM skein.operation") == [(0,)]
    assert server.sql("SELECT version FROM skein.tenant") == [("0.2.0",)]
    assert server.sql("SELECT script, state FROM skein.history ORDER BY id") == [
        ("0.1.0__accounts", "done"), ("0.2.0__names", "done")]


def test_what_needs_the_whole_backfill_does_not_fail_the_dry_run(fleet):
    rows = 3000  # three chunks: the dry run does the first
    server = take_off(fleet, rows)
    publish(fleet, {"0.2.0__names/20_fill.batch.sql": COUNT_UP,
                    "0.2.0__names/20_fill.down.batch.sql":
                    "SELECT id FROM accounts WHERE n > 0;\n"
                    "UPDATE accounts SET n = n - 1 FROM chunk WHERE accounts.id = chunk.id;",
                    "0.2.0__names/30_require.sql": "ALTER TABLE accounts ALTER COLUMN name SET NOT NULL;"})
    status = fleet.roll_out("accounts")
    assert any("rehearsed" in warning["message"] for warning in status["warnings"]), status["warnings"]
    assert counts(server) == {1: rows}
    assert server.sql("SELECT version FROM skein.tenant") == [("0.2.0",)]


def test_a_failure_behind_a_backfill_undoes_it(fleet):
    rows = 2500
    server = take_off(fleet, rows)
    server.sql("INSERT INTO t_1.accounts (id, n) VALUES (-1, 10)")
    publish(fleet, {"0.2.0__names/20_fill.batch.sql": COUNT_UP,
                    "0.2.0__names/20_fill.down.batch.sql":
                    "SELECT id FROM accounts;\n"
                    "UPDATE accounts SET n = n - 1 FROM chunk WHERE accounts.id = chunk.id;",
                    "0.2.0__names/30_check.sql": "ALTER TABLE accounts ADD CHECK (id > 0 OR n < 10 OR name IS NULL);"})
    fleet.roll_out("accounts", phase="PAUSED", timeout=60)
    assert counts(server) == {0: rows, 10: 1}
    assert server.sql("SELECT version FROM skein.tenant") == [("0.1.0",)]


def test_a_batch_that_cannot_work_is_refused_when_it_is_published(fleet):
    fleet.start_coordinator()
    result = publish(fleet, {"0.2.0__names/20_fill.batch.sql":
                             "SELECT id FROM accounts;\n\nUPDATE accounts SET n = 1;"}, check=None)
    assert result.code != 0
    assert "0.2.0__names/20_fill.batch.sql:3\n" in result.err, result
    assert "without a WHERE each chunk would touch every row" in result.err, result
    result = publish(fleet, {"0.2.0__names/20_fill.batch.sql": "-- skein:batch_rows many\n" + COUNT_UP}, check=None)
    assert "20_fill.batch.sql:1: 'many': expected a number of rows" in result.err, result
