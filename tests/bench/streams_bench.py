"""One real coordinator and thousands of agents' streams: memory, threads and processor time.

The agents are tests/bench/fake_agents.c: real connections and the real protocol, but each task is
answered at once. Resident memory is read when all sessions of a step have lived for a while; the
processor time is that of a fleet which has nothing to do but to heartbeat.
"""
import argparse
import os
import platform
import shutil
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../integration"))

from fleet import BUILD, Fleet  # noqa: E402
from processes import Process, wait_until  # noqa: E402
from sets import steps, write_set  # noqa: E402

AGENTS_PER_PROCESS = 250
PATIENCE_S = 300


def status_of(process, word):
    with open(f"/proc/{process.popen.pid}/status", encoding="ascii") as file:
        return int(next(line for line in file if line.startswith(word)).split()[1])


def cpu_seconds(process):
    with open(f"/proc/{process.popen.pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Streams:
    def __init__(self, args, folder):
        self.args = args
        self.folder = folder
        self.fleet = Fleet(folder, None)
        self.fakes = []
        self.count = 0
        self.rows = []

    def add(self, count):
        while self.count < count:
            more = min(AGENTS_PER_PROCESS, count - self.count)
            argv = [f"{BUILD}/tests/bench/fake_agents", self.fleet.address, str(self.count), str(more),
                    str(self.args.tenants)]
            name = f"fake-{self.count}"
            fake = Process(name, argv, os.path.join(self.folder, f"{name}.log"))
            self.fakes.append(fake.start())
            self.count += more
        for fake in self.fakes:
            wait_until(lambda fake=fake: "\nready" in fake.log(), f"{fake.name} to be ready",
                       timeout=PATIENCE_S)

    def measure(self, count):
        begin = time.monotonic()
        self.add(count)
        connected = time.monotonic() - begin
        time.sleep(self.args.settle)
        coordinator = self.fleet.coordinator.process
        store = self.fleet.etcd.process if self.fleet.etcd else None
        before, store_before = cpu_seconds(coordinator), cpu_seconds(store) if store else 0
        time.sleep(self.args.settle)
        row = {
            "streams": count,
            "connect": connected,
            "rss": status_of(coordinator, "VmRSS") / 1024,
            "threads": status_of(coordinator, "Threads"),
            "files": len(os.listdir(f"/proc/{coordinator.popen.pid}/fd")),
            "cpu": (cpu_seconds(coordinator) - before) / self.args.settle,
            "store": (cpu_seconds(store) - store_before) / self.args.settle if store else 0,
        }
        self.rows.append(row)
        print(row, file=sys.stderr, flush=True)

    def roll_out(self):
        write_set(os.path.join(self.folder, "set"), steps("1.0.0"))
        self.fleet.publish(os.path.join(self.folder, "set"))
        coordinator = self.fleet.coordinator.process
        before, begin = cpu_seconds(coordinator), time.monotonic()
        rollout = self.fleet.start_rollout("billing")
        status = self.fleet.wait_phase(rollout, "SUCCEEDED", timeout=PATIENCE_S)
        seconds = time.monotonic() - begin
        tenants = self.count * self.args.tenants
        assert int(status["counts"]["migrated"]) == tenants, status
        print(f"\nA rollout over {tenants:,} tenants of {self.count:,} shards, with agents that answer at "
              f"once: {seconds:.1f} s, {cpu_seconds(coordinator) - before:.1f} s of processor time; the "
              f"coordinator's resident memory at its peak: "
              f"{status_of(coordinator, 'VmHWM') / 1024:.0f} MiB.")

    def run(self):
        self.fleet.start_coordinator(self.args.store)
        for count in [0] + self.args.streams:
            self.measure(count)
        self.table()
        self.roll_out()
        lost = 0
        for fake in self.fakes:
            fake.stop()
            lost += int(fake.log().rsplit("lost ", 1)[1].split()[0])
        print(f"\nSessions lost: {lost}.")
        return lost == 0

    def table(self):
        empty = self.rows[0]
        print(f"{os.cpu_count()} cores, {platform.system()} {platform.release()}; store {self.args.store}; "
              f"{self.args.tenants} tenants per agent.\n")
        print("| streams | resident MiB | KiB per stream | threads | open files | core: coordinator "
              "| core: etcd | s to connect |")
        print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
        for row in self.rows:
            per = (row["rss"] - empty["rss"]) * 1024 / row["streams"] if row["streams"] else 0
            print(f"| {row['streams']} | {row['rss']:.0f} | {per:.0f} | {row['threads']} | {row['files']} | "
                  f"{row['cpu']:.2f} | {row['store']:.2f} | {row['connect']:.1f} |")

    def close(self):
        for fake in self.fakes:
            fake.kill()
        self.fleet.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, nargs="+", default=[500, 1000, 2000])
    parser.add_argument("--tenants", type=int, default=20, help="of each agent")
    parser.add_argument("--store", choices=("etcd", "sqlite"), default="etcd")
    parser.add_argument("--settle", type=float, default=9, help="seconds that each step lives")
    args = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="skein-streams-")
    streams = Streams(args, folder)
    try:
        return 0 if streams.run() else 1
    finally:
        streams.close()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
