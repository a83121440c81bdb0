"""What goes wrong and when: a plan that the seed alone decides, and the hand that carries it out."""
import os
import random
import re
import signal
import subprocess
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

import psycopg2

from storm_nodes import AGENTS, CLIENT_PORT, COORDINATORS, MEMBERS, OPERATOR, SERVERS
from storm_reaper import children_of, signal_quietly

# Leases are 10 s (leader) and 15 s (session): shorter, about as long, longer.
SHORT, MIDDLE, LONG = (0.2, 3.0), (3.0, 9.0), (12.0, 30.0)

AT_ONCE_MAX = 4          # faults at the same time
CALM_EVERY = 12          # after so many faults there is a while without any
CALM_S = 20
GAP_S = (0.5, 5.0)
BUSY_S = 5  # how long an agent that is at work is looked for


@dataclass
class Fault:
    at: float
    kind: str
    nodes: list
    length: float
    how: str = ""
    pairs: list = field(default_factory=list)  # (sender, receiver), for cuts

    def __str__(self):
        what = " ".join(f"{a}>{b}" for a, b in self.pairs) or " ".join(self.nodes)
        return f"{self.kind}{'/' + self.how if self.how else ''} {what} for {self.length:.1f} s"


def pick_length(rng):
    return round(rng.uniform(*rng.choice([SHORT, SHORT, MIDDLE, MIDDLE, LONG])), 1)


def one_of(*groups):
    def choose(rng):
        return [rng.choice(rng.choice(groups))]
    return choose


def two_members(rng):
    return rng.sample(MEMBERS, 2)


def all_of_a_kind(rng):
    return list(rng.choice([COORDINATORS, MEMBERS, AGENTS, SERVERS]))


def pair_of(one, other):
    """One link, or all links of one node to the other group."""
    def choose(rng):
        node = rng.choice(one)
        others = [o for o in other if o != node]
        return node, rng.choice([others, [rng.choice(others)]])
    return choose


# kind, weight, which nodes. Weights are about how often it happens to people, and what it costs:
# while the store has no quorum nothing new begins.
PROCESS_FAULTS = [
    ("kill", 10, one_of(COORDINATORS, AGENTS, AGENTS, MEMBERS, SERVERS)),
    ("stop", 6, one_of(COORDINATORS, AGENTS, MEMBERS, SERVERS)),
    ("pause", 12, one_of(COORDINATORS, AGENTS, AGENTS, MEMBERS, SERVERS)),
    ("kill_leader", 4, one_of(COORDINATORS)),
    ("stop_leader", 3, one_of(COORDINATORS)),
    ("pause_leader", 4, one_of(COORDINATORS)),
    ("kill_busy", 4, one_of(AGENTS)),
    ("pause_busy", 8, one_of(AGENTS)),
    ("cut_busy", 4, one_of(AGENTS)),
    ("kill", 2, two_members),
    ("kill", 2, all_of_a_kind),
    ("pause", 2, two_members),
    ("slow", 4, one_of(COORDINATORS, AGENTS, MEMBERS, SERVERS)),
    ("terminate", 4, one_of(SERVERS)),
    ("backend", 2, one_of(SERVERS)),
    ("compact", 2, one_of(MEMBERS)),
]
CUTS = [
    (6, pair_of(AGENTS, COORDINATORS)),
    (6, pair_of(COORDINATORS, MEMBERS)),
    (4, pair_of(MEMBERS, MEMBERS)),
    (5, pair_of(AGENTS, ["server"])),
    (2, pair_of([OPERATOR], COORDINATORS)),
]


def make_cut(rng):
    choose = rng.choices([c for _, c in CUTS], [w for w, _ in CUTS])[0]
    node, others = choose(rng)
    others = [node.split("-", maxsplit=1)[0] if o == "server" else o for o in others]
    how = rng.choice(["both", "both", "out", "in", "refuse"])
    pairs = []
    for other in others:
        if how != "in":
            pairs.append((node, other))
        if how != "out":
            pairs.append((other, node))
    return Fault(0, "cut", [node], 0, how, pairs)


def make_plan(seed, seconds):
    """The same for the same seed, whatever happens later."""
    rng = random.Random(f"{seed} nemesis")
    plan, at, busy = [], 2.0, []  # busy: (until, nodes)
    while True:
        at += rng.uniform(*GAP_S)
        if len(plan) % CALM_EVERY == CALM_EVERY - 1:
            at += CALM_S
        if at >= seconds:
            return plan
        busy = [(until, nodes) for until, nodes in busy if until > at]
        if rng.random() < 0.3:
            fault = make_cut(rng)
        else:
            kind, _, choose = rng.choices(PROCESS_FAULTS, [w for _, w, _ in PROCESS_FAULTS])[0]
            fault = Fault(0, kind, choose(rng), 0)
        fault.at, fault.length = round(at, 1), pick_length(rng)
        taken = {n for _, nodes in busy for n in nodes}
        if len(busy) >= AT_ONCE_MAX or taken & set(fault.nodes):
            continue
        busy.append((at + fault.length, fault.nodes))
        plan.append(fault)


class Nemesis:
    def __init__(self, fleet, plan, log, complain):
        self.fleet = fleet
        self.plan = plan
        self.log = log
        self.complain = complain
        self.over = threading.Event()
        self.done = Counter()  # kind of fault and of node -> how often
        self.threads = []
        self.driver = threading.Thread(target=self._drive, daemon=True)

    def start(self):
        self.driver.start()

    def heal(self):
        """Ends every fault and waits until it is undone."""
        self.over.set()
        self.driver.join()
        for thread in self.threads:
            thread.join()

    def _drive(self):
        began = time.monotonic()
        for fault in self.plan:
            if self.over.wait(max(0, fault.at - (time.monotonic() - began))):
                return
            thread = threading.Thread(target=self._perform, args=(fault,), daemon=True)
            self.threads.append(thread)
            thread.start()

    def _perform(self, fault):
        try:
            self._aim(fault)
            kind = self.fleet.nodes[fault.nodes[0]].kind if fault.nodes[0] in self.fleet.nodes else "operator"
            if fault.kind == "cut":
                kind = "-".join(sorted({self._kind(n) for pair in fault.pairs for n in pair}))
            self.done[f"{fault.kind} {kind}"] += 1
            self.log("nemesis", f"{fault} begins")
            getattr(self, "_" + fault.kind)(fault)
            self.log("nemesis", f"{fault} is over")
        except Exception as error:  # pylint: disable=broad-except  # a thread's last words
            self.complain("nemesis", f"{fault}: {type(error).__name__}: {error}")

    def _aim(self, fault):
        """Some faults look for their victim: who leads, or who is in the middle of a transaction."""
        kind, _, aim = fault.kind.partition("_")
        if aim == "leader":
            fault.nodes = [self.fleet.leader() or fault.nodes[0]]
        elif aim == "busy":
            fault.nodes = [self._busy_agent() or fault.nodes[0]]
        if kind == "cut" and aim:
            fault.how = "both"
            for other in COORDINATORS + [fault.nodes[0].split("-", maxsplit=1)[0]]:
                fault.pairs += [(fault.nodes[0], other), (other, fault.nodes[0])]
        fault.kind = kind

    def _busy_agent(self):
        """Waits a while for one; namespaces only, where the address says who it is."""
        agents = {host: node for node, host in getattr(self.fleet.network, "hosts", {}).items()}
        deadline = time.monotonic() + BUSY_S
        while agents and time.monotonic() < deadline and not self.over.wait(0.02):
            for server in self.fleet.servers.values():
                try:
                    rows = server.sql("SELECT host(client_addr) FROM pg_stat_activity WHERE client_addr IS NOT NULL "
                                      "AND xact_start IS NOT NULL AND state <> 'idle' AND query ~ 'storm|skein'")
                except psycopg2.Error:
                    continue
                if rows:
                    return agents.get(rows[0][0])
        return None

    def _kind(self, name):
        return self.fleet.nodes[name].kind if name in self.fleet.nodes else "operator"

    def _nodes(self, fault):
        return [self.fleet.nodes[name] for name in fault.nodes]

    # ---- the faults: each begins, waits, and is undone ----

    def _kill(self, fault):
        for node in self._nodes(fault):
            node.kill()
        self.over.wait(fault.length)
        for node in self._nodes(fault):
            if not node.process.is_running():
                node.start()

    def _stop(self, fault):
        """As an administrator does; our programs must end well."""
        for node in self._nodes(fault):
            code = node.stop(signal.SIGINT if node.kind == "postgres" else signal.SIGTERM)
            if code not in (None, 0) and node.kind in ("coordinator", "agent"):
                self.complain("stop", f"{node.name} ended with {code} after SIGTERM:\n"
                                      f"{node.process.log_tail(30)}")
        self.over.wait(fault.length)
        for node in self._nodes(fault):
            if not node.process.is_running():
                node.start()

    def _pause(self, fault):
        for node in self._nodes(fault):
            node.pause()
        self.over.wait(fault.length)
        for node in self._nodes(fault):
            node.resume()

    def _cut(self, fault):
        how = "refuse" if fault.how == "refuse" else "drop"
        for sender, receiver in fault.pairs:
            self.fleet.network.cut(sender, receiver, how)
        self.over.wait(fault.length)
        for sender, receiver in fault.pairs:
            self.fleet.network.mend(sender, receiver, how)

    def _slow(self, fault):
        self.fleet.network.slow(fault.nodes[0])
        self.over.wait(fault.length)
        self.fleet.network.mend_slow(fault.nodes[0])

    def _compact(self, fault):
        """The store's history is cut off behind everybody who watches it."""
        node = self.fleet.nodes[fault.nodes[0]]
        host, port = self.fleet.network.listen(node.name, CLIENT_PORT)
        etcdctl = self.fleet.network.inside(node.name) + ["etcdctl", "--endpoints", f"{host}:{port}",
                                                          "--command-timeout", "3s"]
        env = {**os.environ, "ETCDCTL_API": "3"}
        status = subprocess.run(etcdctl + ["get", "none", "-w", "json"], capture_output=True, text=True, env=env,
                                check=False).stdout
        revision = re.search(r'"revision":(\d+)', status)
        if revision:
            subprocess.run(etcdctl + ["compact", revision[1]], capture_output=True, env=env, check=False)

    def _clients(self, fault, what):
        server = self.fleet.servers[fault.nodes[0]]
        try:
            return server.sql(f"SELECT {what} FROM pg_stat_activity WHERE backend_type = 'client backend' "
                              "AND application_name NOT IN ('test', 'traffic')")
        except psycopg2.Error:
            return []  # it is down or paused

    def _terminate(self, fault):
        self._clients(fault, "pg_terminate_backend(pid)")

    def _backend(self, fault):
        """One backend dies of SIGKILL (the out-of-memory killer): the server recovers by itself."""
        pids = self._clients(fault, "pid")
        node = self.fleet.nodes[fault.nodes[0]]
        with node.mutex:
            children = children_of(node.process.pid) if node.process.is_running() else []
            for (pid,) in pids[:1]:
                if pid in children:
                    signal_quietly(pid, signal.SIGKILL)
