"""Live traffic on every tenant while hard migrations run, by skein and by a plain loop of psql.

Each tenant has two tables, one of them large, and clients that read and write both without a rest.
The migrations, the same files for both: an index on the large table (CONCURRENTLY), NOT NULL the
safe way (a CHECK that is not valid, validated, then SET NOT NULL), a foreign key (NOT VALID, then
VALIDATE), a wider varchar, which rewrites nothing. On some tenants somebody has a long transaction
open that has read the large table, first one, later another. "quiet" is the same without any
migration: what the machine itself does to the clients.

A query's time is what its client saw (the percentile counts what a blocked client would have asked); what it waited for locks the server's log says
(log_lock_waits). Fails (exit 1) when with skein a query failed, or waited for a lock longer than
the budget and 100 ms.
"""
import argparse
import multiprocessing
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

import psycopg2

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../integration"))

from fleet import Fleet  # noqa: E402
from servers import Postgres, PostgresTemplate  # noqa: E402
from sets import write_set  # noqa: E402

WAIT_SEEN_MS = 10
PACE_S = 0.01  # a client's rest between two queries
SETTINGS = ["shared_buffers=256MB", "max_wal_size=4GB", "checkpoint_timeout=1h", "log_lock_waits=on",
            f"deadlock_timeout={WAIT_SEEN_MS}ms", "log_line_prefix=%p %a "]
MIGRATIONS = {
    "0.2.0__index.sql":
        "-- skein:transaction none\n"
        "CREATE INDEX CONCURRENTLY orders_account ON orders (account_id);\n",
    "0.3.0__check.sql":
        "ALTER TABLE orders ADD CONSTRAINT note_set CHECK (note IS NOT NULL) NOT VALID;\n",
    "0.4.0__check_valid.sql": "ALTER TABLE orders VALIDATE CONSTRAINT note_set;\n",
    "0.5.0__not_null.sql":
        "ALTER TABLE orders ALTER COLUMN note SET NOT NULL, DROP CONSTRAINT note_set;\n",
    "0.6.0__key.sql":
        "ALTER TABLE orders ADD CONSTRAINT of_account FOREIGN KEY (account_id)"
        " REFERENCES accounts (id) NOT VALID;\n",
    "0.7.0__key_valid.sql": "ALTER TABLE orders VALIDATE CONSTRAINT of_account;\n",
    "0.8.0__wider.sql": "ALTER TABLE accounts ALTER COLUMN name TYPE varchar(200);\n",
}
INIT = """CREATE TABLE accounts (id bigint PRIMARY KEY, name varchar(50) NOT NULL, n int NOT NULL DEFAULT 0);
CREATE TABLE orders (id bigserial PRIMARY KEY, account_id bigint NOT NULL, note text);
"""
FILL = """INSERT INTO {t}.accounts SELECT i, 'account ' || i FROM generate_series(1, {accounts}) i;
INSERT INTO {t}.orders (account_id, note) SELECT 1 + i % {accounts}, 'order ' || i
    FROM generate_series(1, {rows}) i;
ANALYZE {t}.accounts; ANALYZE {t}.orders"""
QUERIES = [
    "SELECT name FROM accounts WHERE id = %(account)s",
    "SELECT note FROM orders WHERE id = %(order)s",
    "UPDATE accounts SET n = n + 1 WHERE id = %(account)s",
    "UPDATE orders SET note = 'again' WHERE id = %(order)s",
    "INSERT INTO orders (account_id, note) VALUES (%(account)s, 'new')",
]


def client(dsn, tenants, sizes, stopping, answers):
    """One connection per tenant, in turn; the time of each query goes to `answers` at the end."""
    def work(tenant, times, failures):
        connection = psycopg2.connect(f"{dsn} application_name=traffic")
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute(f"SET search_path = {tenant}")
        while not stopping.is_set():
            values = {"account": random.randint(1, sizes[0]), "order": random.randint(1, sizes[1])}
            started = time.monotonic()
            try:
                cursor.execute(random.choice(QUERIES), values)
            except psycopg2.Error as error:
                failures.append(str(error))
            times.append(time.monotonic() - started)
            time.sleep(PACE_S)
        connection.close()
    times, failures = [], []
    threads = [threading.Thread(target=work, args=(t, times, failures)) for t in tenants]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    answers.put((times, failures))


class Traffic:
    def __init__(self, server, tenants, sizes):
        self.stopping = multiprocessing.Event()
        self.answers = multiprocessing.Queue()
        groups = [tenants, tenants]  # two clients for each tenant, in two processes
        self.processes = [multiprocessing.Process(target=client, args=(
            server.conninfo(), group, sizes, self.stopping, self.answers)) for group in groups]
        for process in self.processes:
            process.start()

    def stop(self):
        """All times, sorted, and all failures."""
        self.stopping.set()
        times, failures = [], []
        for _ in self.processes:
            some, others = self.answers.get()
            times += some
            failures += others
        for process in self.processes:
            process.join()
        return sorted(times), failures


class Readers:
    """On each of these tenants one long transaction after another, with a rest between them."""

    def __init__(self, server, tenants, seconds):
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self._run, args=(server, t, seconds)) for t in tenants]
        for thread in self.threads:
            thread.start()

    def _run(self, server, tenant, seconds):
        while not self.stopping.is_set():
            connection = psycopg2.connect(f"{server.conninfo()} application_name=reader")
            with connection.cursor() as cursor:
                cursor.execute(f"SELECT count(*) FROM {tenant}.orders")
                cursor.execute(f"SELECT count(*) FROM {tenant}.accounts")
            self.stopping.wait(seconds)
            connection.close()
            self.stopping.wait(seconds / 2)

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join()


def run_psql(server, folder, tenants):
    for name in sorted(MIGRATIONS):
        for tenant in tenants:
            subprocess.run(["psql", "-qXv", "ON_ERROR_STOP=1", "-f", os.path.join(folder, name),
                            server.conninfo()], check=True,
                           env={**os.environ, "PGOPTIONS": f"-c search_path={tenant}"})


def run_skein(fleet):
    """Version by version, as the set's author would: a lock ends with its migration."""
    for name in sorted(MIGRATIONS):
        fleet.roll_out("bench", "--to", name.split("__")[0], timeout=600)


def lock_waits_ms(log, offset):
    """What the clients of the traffic waited for locks, by the server's log."""
    with open(log, encoding="utf-8", errors="replace") as file:
        file.seek(offset)
        text = file.read()
    found = re.findall(r"^\d+ traffic LOG: +process \d+ acquired \S+ on .* after ([\d.]+) ms", text, re.M)
    return sorted(float(ms) for ms in found)


def measure(template, way, options):
    folder = tempfile.mkdtemp(prefix="skein-bench-")
    os.chmod(folder, 0o755)
    fleet = Fleet(folder, template)
    tenants = [f"t_{i + 1}" for i in range(options.tenants)]
    sizes = (options.rows // 10, options.rows)
    try:
        server = Postgres(template, folder, "eu", settings=SETTINGS)
        fleet.servers["eu"] = server.start()
        Fleet.create_schemas(server, tenants)
        if way == "skein":
            fleet.start_coordinator()
            fleet.start_agent("eu-1", server, flags=("--yield-after-ms", str(options.budget_ms)))
            fleet.wait_tenants(len(tenants))
            write_set(fleet.path("bench"), {"0.1.0__init.sql": INIT, **MIGRATIONS}, name="bench")
            fleet.publish(fleet.path("bench"))
            fleet.roll_out("bench", "--to", "0.1.0")
        else:
            write_set(fleet.path("bench"), MIGRATIONS, name="bench")
            for tenant in tenants:
                server.sql(f"SET search_path = {tenant}; {INIT}")
        for tenant in tenants:
            server.sql(FILL.format(t=tenant, accounts=sizes[0], rows=sizes[1]))
        log = os.path.join(folder, "pg-eu.log")
        readers = Readers(server, tenants[::3], options.reader_s)
        traffic = Traffic(server, tenants, sizes)
        time.sleep(2)
        offset = os.path.getsize(log)
        started = time.monotonic()
        if way == "skein":
            run_skein(fleet)
        elif way == "psql":
            run_psql(server, fleet.path("bench"), tenants)
        else:
            time.sleep(options.quiet_s)
        took = time.monotonic() - started
        times, failures = traffic.stop()
        readers.stop()
        return {"way": way, "took": took, "times": times, "failures": failures,
                "waits": lock_waits_ms(log, offset)}
    finally:
        fleet.close()
        shutil.rmtree(folder, ignore_errors=True)


def with_those_not_asked(times):
    """A client that is blocked asks nothing meanwhile: the queries that it would have asked, one in
    each PACE_S, had waited as well, the later the shorter."""
    return sorted(times + [late for t in times for late in
                           (t - PACE_S * i for i in range(1, int(t / PACE_S) + 1))])


def row(result):
    times, waits = with_those_not_asked(result["times"]), result["waits"]
    at = times[min(len(times) - 1, int(0.999 * len(times)))]
    longest = waits[-1] if waits else 0
    return (f"| {result['way']} | {result['took']:.1f} s | {len(result['times']):,} | {1000 * at:,.0f} ms | "
            f"{1000 * times[-1]:,.0f} ms | {longest:,.0f} ms | {sum(waits) / 1000:.1f} s | "
            f"{len(result['failures'])} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tenants", type=int, default=6)
    parser.add_argument("--rows", type=int, default=300000)
    parser.add_argument("--reader-s", type=float, default=15)
    parser.add_argument("--quiet-s", type=float, default=30)
    parser.add_argument("--budget-ms", type=int, default=2000)
    parser.add_argument("--ways", default="quiet,psql,skein")
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="skein-bench-template-")
    os.chmod(folder, 0o755)
    fine = True
    try:
        template = PostgresTemplate(folder)
        print("| | migrations took | queries | 99.9 % within | longest query | longest wait for a lock |"
              " all waits | failed |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
        for way in options.ways.split(","):
            result = measure(template, way, options)
            print(row(result), flush=True)
            if way == "skein":
                longest = result["waits"][-1] if result["waits"] else 0
                fine = not result["failures"] and longest <= options.budget_ms + 100
                print("\n".join(sorted(set(result["failures"]))), end="")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
