"""A backfill of one large table by skein against the plain loops that people write, alternating.

Every measurement starts from a fresh copy of the same data folder. The loops know beforehand that
the ids have no gaps, store no position and hold no lock: what they cannot do is go on after a crash.
- psql: one session that is fed one UPDATE after the other, each its own transaction
- procedure: the same in a PL/pgSQL procedure with COMMIT, without any round trip
skein: the whole command `skein rollout start --wait`, dry run included.
"""
import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../integration"))

from fleet import Fleet  # noqa: E402
from servers import Postgres, PostgresTemplate  # noqa: E402
from sets import write_set  # noqa: E402

SETTINGS = ["shared_buffers=256MB", "max_wal_size=8GB", "checkpoint_timeout=1h", "autovacuum=off"]
TABLE = "CREATE TABLE {schema}accounts (id bigint PRIMARY KEY, n int NOT NULL DEFAULT 0, name text);"
FILL = "INSERT INTO t_1.accounts SELECT i, 0, 'account ' || i FROM generate_series(1, {rows}) i"
BATCH = """-- skein:batch_rows {chunk} -- skein:batch_target 60s
SELECT id FROM accounts;
UPDATE accounts SET n = n + 1 FROM chunk WHERE accounts.id = chunk.id;
"""
ADAPTIVE = BATCH.replace("-- skein:batch_rows {chunk} -- skein:batch_target 60s\n", "")
PROCEDURE = """CREATE PROCEDURE fill() LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 0..{last} LOOP
        UPDATE t_1.accounts SET n = n + 1 WHERE id > i * {chunk} AND id <= (i + 1) * {chunk};
        COMMIT;
    END LOOP;
END$$"""


def psql_loop(server, rows, chunk):
    lines = [f"UPDATE t_1.accounts SET n = n + 1 WHERE id > {at} AND id <= {at + chunk};\n"
             for at in range(0, rows, chunk)]
    subprocess.run(["psql", "-qAtX", "-v", "ON_ERROR_STOP=1", server.conninfo()], input="".join(lines),
                   text=True, check=True)


def measure(template, way, rows, chunk):
    folder = tempfile.mkdtemp(prefix="skein-bench-")
    os.chmod(folder, 0o755)
    fleet = Fleet(folder, template)
    try:
        server = Postgres(template, folder, "eu", durable=True, settings=SETTINGS)
        fleet.servers["eu"] = server.start()
        server.sql("CREATE SCHEMA t_1")
        skein = way.startswith("skein")
        if skein:
            fleet.start_coordinator()
            fleet.start_agent("eu-1", server)
            fleet.wait_tenants(1)
            base = {"1.0.0__accounts.sql": TABLE.format(schema="")}
            fleet.publish(write_set(fleet.path("set"), base, name="accounts"))
            fleet.roll_out("accounts")
            text = BATCH.format(chunk=chunk) if way == "skein" else ADAPTIVE
            fleet.publish(write_set(fleet.path("set"), {**base, "2.0.0__fill.batch.sql": text}, name="accounts"))
        else:
            server.sql(TABLE.format(schema="t_1."))
        server.sql(FILL.format(rows=rows))
        server.sql("VACUUM ANALYZE t_1.accounts")
        server.sql("CHECKPOINT")
        began = time.monotonic()
        if skein:
            fleet.skein("rollout", "start", "accounts", "--wait", check=0, timeout=600)
        elif way == "psql":
            psql_loop(server, rows, chunk)
        else:
            server.sql(PROCEDURE.format(last=(rows - 1) // chunk, chunk=chunk))
            began = time.monotonic()
            server.sql("CALL fill()")
        seconds = time.monotonic() - began
        assert server.sql("SELECT count(*) FROM t_1.accounts WHERE n = 1") == [(rows,)]
        return seconds
    finally:
        fleet.close()
        shutil.rmtree(folder, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--chunk", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    ways = ["psql", "procedure", "skein", "skein adaptive"]
    seconds = {way: [] for way in ways}
    with tempfile.TemporaryDirectory(prefix="skein-bench-") as folder:
        os.chmod(folder, 0o755)
        template = PostgresTemplate(folder)
        for _ in range(options.rounds):
            for way in ways:
                seconds[way].append(measure(template, way, options.rows, options.chunk))
                print(f"{way}: {seconds[way][-1]:.2f} s", file=sys.stderr)
    floor = statistics.median(seconds["psql"])
    print("| way | seconds | rows/s | ratio to psql |\n| --- | ---: | ---: | ---: |")
    for way in ways:
        median = statistics.median(seconds[way])
        print(f"| {way} | {median:.2f} | {options.rows / median:,.0f} | {floor / median:.2f} |")


if __name__ == "__main__":
    main()
