"""How long nobody is given work when the leader goes: killed, and asked to stop. Medians, and the worst.

Three coordinators on one etcd (or three members: --members 3), one agent, a rollout that hands out
one task after the other. Measured from the signal to the first lock that the next leader writes,
which is when the next task is handed out, as a watch of etcd sees it.
"""
import argparse
import os
import shutil
import signal
import statistics
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../integration"))

from cluster import LEADER_TTL_S, Coordinators, EtcdCluster, KeyWatch  # noqa: E402
from fleet import Fleet  # noqa: E402
from processes import wait_until  # noqa: E402
from servers import PostgresTemplate  # noqa: E402
from sets import steps, write_set  # noqa: E402

TENANTS = 3000
NAMES = [f"t_{i:05}" for i in range(TENANTS)]
SLOW = {"0.2.0": "SELECT pg_sleep(0.1);"}


class Bench:
    def __init__(self, folder, members):
        self.fleet = Fleet(folder, PostgresTemplate(folder))
        self.etcd = EtcdCluster(folder, members).start()
        self.group = Coordinators(self.fleet, self.etcd)
        server = self.fleet.start_pg("eu")
        self.fleet.create_schemas(server, NAMES)
        self.fleet.start_agent("eu-1", server, workers=2)
        self.fleet.wait_tenants(TENANTS)
        self.fleet.publish(write_set(self.fleet.path("billing"), steps("0.2.0", extra=SLOW)))
        self.watch = KeyWatch(self.etcd.members[0], "/skein/")
        self.rollout = self.fleet.start_rollout("billing", "--concurrency", "2")

    def next_lock(self, after_s):
        return wait_until(lambda: self.watch.first_put(after_s, "/skein/locks/"), "a task to be handed out",
                          every=0.005)

    def fail_over(self, number):
        """Seconds from the signal to the next leader's key, its readiness, and its first task."""
        leader = self.group.wait_leader()
        self.next_lock(time.monotonic())
        time.sleep(2.0 + 0.37 * (number % 5))  # another moment between two keep-alives each time
        began = time.monotonic()
        leader.process.killed = number == signal.SIGKILL
        leader.process.send(number)
        won = wait_until(lambda: self.watch.first_put(began, "/skein/leader"), "the next leader", every=0.005)
        task = self.next_lock(won)
        leader.process.popen.wait()
        leader.start()
        self.group.wait_leader()
        wait_until(lambda: leader.readiness()[0] == 503, "the old leader to stand by")
        return won - began, task - began

    def close(self):
        self.watch.close()
        self.group.close()
        self.fleet.skein("rollout", "abort", self.rollout, "--reason", "the measurement is over")
        for agent in self.fleet.agents.values():
            agent.kill()
        self.fleet.agents.clear()
        self.fleet.close()
        self.etcd.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--members", type=int, default=1)
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="skein-failover-", dir="/tmp")
    os.chmod(folder, 0o755)
    bench = Bench(folder, options.members)
    try:
        print("| the leader is | bound | next leader | next task, median | worst |")
        print("| --- | ---: | ---: | ---: | ---: |")
        for name, number, bound in (("asked to stop (SIGTERM)", signal.SIGTERM, 1.0),
                                    ("killed (SIGKILL)", signal.SIGKILL, LEADER_TTL_S + 2.0)):
            runs = [bench.fail_over(number) for _ in range(options.times)]
            won, task = ([run[i] for run in runs] for i in (0, 1))
            print(f"| {name} | {bound:.1f} s | {statistics.median(won):.2f} s | "
                  f"{statistics.median(task):.2f} s | {max(task):.2f} s |", flush=True)
    finally:
        bench.close()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
