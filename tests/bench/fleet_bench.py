"""skein against the least correct work, alternating in one run; medians.

Every measurement starts from a fresh copy of the same data folder: a server with empty tenants. The
floor is tests/bench/floor.c in the better of its two protocols; the same connections for both, and
both go twice over the tenants on one set of connections: a dry run, then the run.
"""
import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../integration"))

import grpc  # noqa: E402

import wire_client  # noqa: E402
from fleet import BUILD, Fleet  # noqa: E402
from servers import Postgres, PostgresTemplate  # noqa: E402
from sets import write_set  # noqa: E402

SETTINGS = ["shared_buffers=256MB", "max_wal_size=4GB", "checkpoint_timeout=1h"]

MIGRATIONS = {
    "1.0.0__account": ["CREATE TABLE account (id bigserial PRIMARY KEY, name text NOT NULL, email text);"],
    "2.0.0__invoice": ["CREATE TABLE invoice (id bigserial PRIMARY KEY, account_id bigint NOT NULL "
                       "REFERENCES account (id), total numeric(12,2) NOT NULL DEFAULT 0);"],
    "3.0.0__phone": ["ALTER TABLE account ADD COLUMN phone text;"],
    "4.0.0__email_index": ["CREATE INDEX account_email ON account (email);"],
    "5.0.0__first_rows": ["INSERT INTO account (name, email) SELECT 'account ' || n, n || '@example.org' "
                          "FROM generate_series(1, 10) n;"],
    "6.0.0__check": ["ALTER TABLE invoice ADD CONSTRAINT invoice_total CHECK (total >= 0);"],
    "7.0.0__note": ["CREATE TABLE note (id bigserial PRIMARY KEY, account_id bigint, body text);"],
    "8.0.0__state": ["ALTER TABLE invoice ADD COLUMN state text NOT NULL DEFAULT 'open';"],
    "9.0.0__invoice_index": ["CREATE INDEX invoice_account ON invoice (account_id);"],
    "10.0.0__invoices": ["INSERT INTO invoice (account_id, total) SELECT id, 10 FROM account;",
                         "UPDATE account SET phone = '0' WHERE id <= 5;"],
}


class Prepared:
    """A data folder with empty tenants, copied for every measurement."""

    def __init__(self, template, folder, name, fill):
        server = Postgres(template, folder, name, durable=True, settings=SETTINGS)
        server.start()
        fill(server)
        server.stop()
        self.folder = server.data
        self.user = template.user


def fill_schemas(count):
    def fill(server):
        connection = server.connect()
        for number in range(count):
            connection.cursor().execute(f"CREATE SCHEMA t_{number:05}")
        connection.close()
    return fill


def fill_databases(count):
    def fill(server):
        connection = server.connect()
        for number in range(count):
            connection.cursor().execute(f"CREATE DATABASE d_{number:05}")
        connection.close()
    return fill


def peak_mib(process):
    with open(f"/proc/{process.pid}/status", encoding="ascii") as file:
        line = next(line for line in file if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


class Bench:
    def __init__(self, args, folder):
        self.args = args
        self.folder = folder
        self.results = {}
        self.peaks = {"coordinator": 0.0, "agent": 0.0}
        template = PostgresTemplate(folder)
        self.prepared = {
            "schema": Prepared(template, folder, "schemas", fill_schemas(args.tenants)),
            "database": Prepared(template, folder, "databases", fill_databases(args.databases)),
        }
        self.counts = {"schema": args.tenants, "database": args.databases}
        scripts = {f"{name}.sql": "\n".join(lines) + "\n" for name, lines in MIGRATIONS.items()}
        self.set = write_set(os.path.join(folder, "bench"), scripts, name="bench")
        wire_client.generate(os.path.join(folder, "python"))
        self.operator = wire_client.load("skein.v1.operator_pb2")

    def note(self, what, value):
        self.results.setdefault(what, []).append(value)
        print(f"  {what:34} {value:8.3f}", file=sys.stderr, flush=True)

    def server(self, mode):
        folder = tempfile.mkdtemp(prefix="bench-", dir=self.folder)
        os.chmod(folder, 0o755)
        server = Postgres(self.prepared[mode], folder, "bench", durable=True, settings=SETTINGS)
        server.start()
        server.sql("CHECKPOINT")
        os.sync()
        return server, folder

    # ---- the floor ----

    def floor(self, mode):
        files = [os.path.join(self.set, f"{name}.sql") for name in MIGRATIONS]
        best = None
        for protocol in ("pipeline", "simple"):
            server, folder = self.server(mode)
            argv = [f"{BUILD}/tests/bench/floor", "--connections", str(self.args.connections),
                    *(["--simple"] if protocol == "simple" else []),
                    *(["--databases"] if mode == "database" else []),
                    server.conninfo(), "t\\_%" if mode == "schema" else "d\\_%", *files]
            done = subprocess.run(argv, capture_output=True, text=True, check=False)
            server.close()
            shutil.rmtree(folder)
            if done.returncode != 0:
                sys.exit(f"floor failed: {done.stderr}")
            seconds = [float(word) for word in done.stdout.split()]
            for phase, value in zip(("dry", "run"), seconds):
                self.note(f"{mode} floor {protocol} {phase}", value)
            best = seconds if best is None else min(best, seconds, key=sum)
        for phase, value in zip(("dry", "run"), best):
            self.note(f"{mode} floor {phase}", value)

    # ---- skein ----

    def skein(self, mode, commit):
        server, folder = self.server(mode)
        fleet = Fleet(folder, None)
        fleet.servers["bench"] = server
        try:
            fleet.start_coordinator("sqlite")
            match = "t_*" if mode == "schema" else "d_*"
            fleet.start_agent("s-1", server, mode=mode, match=[match], commit=commit,
                              workers=self.args.connections)
            fleet.wait_tenants(self.counts[mode])
            fleet.publish(self.set)
            self.rollout(fleet, server, mode, commit)
            self.nothing_to_do(fleet, server, mode, commit)
            self.peaks["coordinator"] = max(self.peaks["coordinator"],
                                            peak_mib(fleet.coordinator.process))
            self.peaks["agent"] = max(self.peaks["agent"], peak_mib(fleet.agents["s-1"].process))
        finally:
            fleet.close()
            shutil.rmtree(folder, ignore_errors=True)

    def rollout(self, fleet, server, mode, commit):
        """Dry run: from the start to the first task of the run; run: from there to the end. Of the run,
        `after` is what comes behind the last commit: its result, a last look at all tenants, the end."""
        operator = self.operator
        with grpc.insecure_channel(fleet.address) as channel:
            stub = wire_client.Stub(channel, operator.DESCRIPTOR.services_by_name["OperatorService"])
            started = stub.StartRollout(operator.StartRolloutRequest(set="bench"), timeout=30)
            last = started
            for last in stub.WatchRollout(operator.GetRolloutRequest(id=started.id), timeout=900):
                pass
        count = self.counts[mode]
        if last.counts.migrated != count:
            sys.exit(f"the rollout did not arrive: {last}")
        databases = ["postgres"] if mode == "schema" else [f"d_{i:05}" for i in range(count)]
        first = min(server.value("SELECT extract(epoch FROM min(started_at)) * 1000 FROM skein.history",
                                 database=name) for name in databases)
        commit_ms = max(server.value("SELECT extract(epoch FROM max(updated_at)) * 1000 FROM skein.tenant",
                                     database=name) for name in databases)
        self.note(f"{mode} skein {commit} dry", (float(first) - last.started_at_ms) / 1000)
        self.note(f"{mode} skein {commit} run", (last.finished_at_ms - float(first)) / 1000)
        self.note(f"{mode} skein {commit} after", (last.finished_at_ms - float(commit_ms)) / 1000)

    def nothing_to_do(self, fleet, server, mode, commit):
        """As a user sees it: the command from start to end. Transactions say how often it asked."""
        def transactions():
            server.sql("SELECT pg_stat_force_next_flush()")
            return float(server.value("SELECT sum(xact_commit + xact_rollback) FROM pg_stat_database"))
        before, start = transactions(), time.monotonic()
        fleet.skein("rollout", "start", "bench", "--wait", check=0)
        self.note(f"{mode} skein {commit} no-op", time.monotonic() - start)
        time.sleep(1.2)  # until the agent's sessions have reported their statistics
        self.note(f"{mode} skein {commit} no-op transactions", transactions() - before)

    def run(self):
        for repetition in range(self.args.repeat):
            for mode in self.args.modes:
                print(f"{mode}, {repetition + 1} of {self.args.repeat}", file=sys.stderr)
                self.floor(mode)
                for commit in ("single", "group"):
                    self.skein(mode, commit)

    # ---- the table ----

    def median(self, what):
        return statistics.median(self.results[what])

    def table(self):
        args = self.args
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            model = next((line.split(":")[1].strip() for line in file if "model name" in line), "?")
        print(f"{os.cpu_count()} × {model}, {platform.system()} {platform.release()}; "
              f"{args.connections} connections; medians of {args.repeat}; seconds, durable commits.\n")
        print("| work | floor | `--commit single` | ratio | `--commit group` | ratio |")
        print("| --- | ---: | ---: | ---: | ---: | ---: |")
        for mode in args.modes:
            what = f"{len(MIGRATIONS)} migrations, {self.counts[mode]} {mode}s"
            rows = {"run": ["run"], "dry run": ["dry"], "dry run and run": ["dry", "run"]}
            for title, phases in rows.items():
                floor = sum(self.median(f"{mode} floor {p}") for p in phases)
                cells = []
                for commit in ("single", "group"):
                    value = statistics.median(
                        [sum(v) for v in zip(*(self.results[f"{mode} skein {commit} {p}"]
                                               for p in phases))])
                    cells.append(f"{value:.2f} | {value / floor:.2f}")
                print(f"| {what}: {title} | {floor:.2f} | {' | '.join(cells)} |")
            for title, phase in (("run, of that after the last commit", "after"),
                                 ("nothing to do", "no-op")):
                cells = [f"{self.median(f'{mode} skein {c} {phase}'):.2f} | "
                         for c in ("single", "group")]
                print(f"| {what}: {title} | | {' | '.join(cells)} |")
        print(f"\nPeak resident memory: coordinator {self.peaks['coordinator']:.0f} MiB, "
              f"agent {self.peaks['agent']:.0f} MiB.")
        for mode in args.modes:
            asked = self.median(f"{mode} skein group no-op transactions")
            print(f"Transactions of a rollout with nothing to do, {self.counts[mode]} {mode}s: {asked:.0f}.")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tenants", type=int, default=1000, help="schemas (default 1000)")
    parser.add_argument("--databases", type=int, default=50, help="databases (default 50)")
    parser.add_argument("--connections", type=int, default=4, help="for both (default 4)")
    parser.add_argument("--repeat", type=int, default=5, help="medians of so many (default 5)")
    parser.add_argument("--modes", default="schema,database", type=lambda t: t.split(","))
    args = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="skein-bench-", dir=os.environ.get("TMPDIR", "/tmp"))
    os.chmod(folder, 0o755)
    try:
        bench = Bench(args, folder)
        bench.run()
        bench.table()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
