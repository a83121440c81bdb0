"""An hour (or three minutes) of everything at once; see README.md. Started by run.sh."""
import argparse
import os
import re
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../integration"))

# pylint: disable=wrong-import-position
from processes import Timeout, wait_until  # noqa: E402
from sets import databases_of, schemas_of  # noqa: E402
from storm_check import gather, judge  # noqa: E402
from storm_load import Load  # noqa: E402
from storm_nemesis import Nemesis, make_plan  # noqa: E402
from storm_network import Loopback, Namespaces, namespaces_work  # noqa: E402
from storm_nodes import ALL, COORDINATORS, DATABASES, SCHEMAS, StormFleet  # noqa: E402
from storm_operator import Operator  # noqa: E402
from storm_person import Person  # noqa: E402
from storm_reaper import Reaper  # noqa: E402
from storm_sets import SETS, GrowingSet  # noqa: E402

# After the last fault everything must end by itself within this: leases (15 s), a fail-over, the
# tries of a task, TCP's own patience, and a slow machine.
HEAL_S = 240


class Journal:
    """storm.log: who did what, when."""

    def __init__(self, path):
        self.began = time.monotonic()
        self.file = open(path, "w", encoding="utf-8")  # pylint: disable=consider-using-with
        self.mutex = threading.Lock()

    def write(self, who, text):
        with self.mutex:
            clock = time.strftime("%H:%M:%S", time.gmtime())
            self.file.write(f"{clock} {time.monotonic() - self.began:8.2f} {who:9} {text}\n")
            self.file.flush()


class Storm:
    def __init__(self, folder, network, reaper, minutes, seed):
        self.folder = folder
        self.seconds = minutes * 60
        self.journal = Journal(os.path.join(folder, "storm.log"))
        self.findings = []
        self.fleet = StormFleet(folder, network, self.complain, reaper)
        self.stop = threading.Event()
        self.nemesis = Nemesis(self.fleet, make_plan(seed, self.seconds), self.journal.write, self.complain)
        self.tenants = {"eu-1": [], "us-1": []}
        self.operators = []
        self.load = None
        self.person = None
        self.seed = seed
        self.doubts = []
        self.aside = 0.0
        self.failovers = 0  # before the end, which is one more

    def complain(self, rule, text):
        self.findings.append((rule, text))
        self.journal.write("FINDING", f"{rule}: {text}")

    def all_tenants(self):
        return self.tenants["eu-1"] + self.tenants["us-1"]

    def run(self):
        self._take_off()
        self.journal.write("storm", "begins")
        self.load.start()
        self.person.thread.start()
        self.nemesis.start()
        for operator in self.operators:
            operator.thread.start()
        self.stop.wait(self.seconds)
        self.stop.set()
        self.nemesis.heal()
        self.journal.write("storm", "is over: every fault is healed")
        healed = time.monotonic()
        self._land()
        self.aside = time.monotonic() - healed
        self.load.finish()
        self.failovers = self._count_failovers()
        self._check()

    def _take_off(self):
        self.fleet.take_off()
        self.tenants["eu-1"] = schemas_of(self.fleet.servers["eu"], SCHEMAS)
        self.tenants["us-1"] = databases_of(self.fleet.servers["us"], DATABASES)
        for name in SETS:
            growing = GrowingSet(os.path.join(self.folder, f"set-{name}"), name)
            operator = Operator(self.fleet, growing, self.all_tenants(), self.seed, self.journal.write, self.stop)
            operator.first()
            self.operators.append(operator)
        self.load = Load(self.all_tenants(), self.seed)
        names = [f"{shard}/{t.name}" for shard, tenants in self.tenants.items() for t in tenants]
        self.person = Person(self.fleet, names, self.seed, self.journal.write, self.stop)

    def _land(self):
        """Every rollout ends; then one more of each set brings everybody to the newest version."""
        patience = time.monotonic() + HEAL_S
        for operator in self.operators:
            operator.patience = patience
        self.person.thread.join()
        if self.person.error is not None:
            self.complain("operator", f"person: {self.person.error}")
        for operator in self.operators:
            operator.thread.join()
            if operator.error is not None:
                self.complain("operator", f"{operator.set.name}: {operator.error}")
        for operator in self.operators:
            try:
                operator.finish_with_everybody()
            except AssertionError as error:
                self.complain("operator", f"{operator.set.name}: {error}")
        try:
            wait_until(lambda: self.fleet.skein("lock", "list", json=True).out.strip() in ("[]", ""), "the locks to go")
        except Timeout as error:
            self.complain("locks", f"{error}: {self.fleet.skein('lock', 'list').out}")

    def _check(self):
        facts = [gather(t, shard) for shard, tenants in self.tenants.items() for t in tenants]
        listed = {r["id"] for r in self.fleet.skein("rollout", "list", json=True, check=0).json}
        rollouts = [r for o in self.operators for r in o.rollouts]
        reports = {r.id: self.fleet.report(r.id) for r in rollouts if r.id in listed}
        sets = {o.set.name: o.set.versions[0 if o.set.name == "alpha" else 1:] for o in self.operators}
        verdict = judge(facts, sets, rollouts, listed, reports, self.person.holds)
        for rule, text in verdict.findings:
            self.complain(rule, text)
        self.doubts += verdict.doubts
        for doubt in verdict.doubts:
            self.journal.write("doubt", f"{doubt[0]}: {doubt[1]}")
        self._check_sets()
        self._check_last(facts, reports)
        self._check_load()

    def _check_sets(self):
        """Sets only grow and old ones are dropped, so the newest publish holds what was acknowledged before."""
        heads = {s["name"]: s["digest"] for s in self.fleet.skein("set", "list", json=True, check=0).json}
        for operator in self.operators:
            if heads.get(operator.set.name) != operator.digests[-1]:
                self.complain("lost", f"the acknowledged publish {operator.digests[-1]} of {operator.set.name} "
                                      f"is gone: {heads}")

    def _check_last(self, facts, reports):
        """The last rollout of each set had a fleet without faults: everybody must have arrived."""
        for operator in self.operators:
            last = operator.rollouts[-1] if operator.rollouts else None
            if last is None or last.id not in reports:
                continue
            behind = {f.name: f.versions.get(last.set) for f in facts if f.versions.get(last.set) != last.target}
            if behind or reports[last.id]["phase"] != "SUCCEEDED":
                self.complain("behind", f"the last rollout {last.id} ({last.status.get('phase')}) left {behind}: "
                                        f"{reports[last.id]['errors'][:3]}")
        try:
            known = {f.name: f.versions for f in facts}
            wait_until(lambda: {t["tenant"]: t["versions"] for t in self.fleet.skein(
                "tenant", "list", json=True).json} == known, "tenant list to be what the databases say")
        except (Timeout, AssertionError) as error:
            self.complain("list", str(error))

    def _check_load(self):
        for tenant in self.all_tenants():
            found = tenant.sql("SELECT sum(n) FROM storm_traffic")[0][0]
            if found < self.load.acknowledged[tenant.name]:
                self.complain("traffic", f"{tenant.name}: {found} of {self.load.acknowledged[tenant.name]} "
                                         "acknowledged transactions are there")

    # ---- the summary ----

    def _count_failovers(self):
        """How often somebody began to lead, after the first time."""
        count = 0
        for name in COORDINATORS:
            if name in self.fleet.nodes:
                count += len(re.findall(" event=leading ", self.fleet.nodes[name].process.log()))
        return max(0, count - 1)

    def print_summary(self):
        print(f"network: {self.fleet.network.kind}; after the storm everything ended within {self.aside:.0f} s")
        print("faults:")
        for what, count in sorted(self.nemesis.done.items()):
            print(f"  {count:4} {what}")
        rollouts = [r for o in self.operators for r in o.rollouts]
        phases = Counter(r.status.get("phase", "?") for r in rollouts)
        pressed = Counter(what for r in rollouts for _, what, code in r.actions if code == 0)
        print(f"rollouts: {len(rollouts)} {dict(phases)}; buttons {dict(pressed)}; "
              f"publishes {sum(len(o.digests) for o in self.operators)}; "
              f"refused starts {sum(len(o.refused) for o in self.operators)}")
        migrated = sum(r.status.get("counts", {}).get("migrated", 0) for r in rollouts)
        print(f"tenants: {len(self.all_tenants())}, migrated {migrated} times; fail-overs: {self.failovers}")
        if self.load is not None:
            print(f"people: {len(self.person.holds)} locks held, {self.person.refused} refused")
            print(f"load: {self.load.transactions} transactions, {self.load.errors} errors, "
                  f"longest {self.load.longest_s:.1f} s")
        print(f"doubts: {len(self.doubts)} {dict(Counter(kind for kind, _ in self.doubts))}")
        for kind, text in self.doubts:
            print(f"  {kind}: {text}")
        print(f"findings: {len(self.findings)}")
        for rule, text in self.findings:
            print(f"  {rule}: {text}")


def parse(argv):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--loopback", action="store_true", help="proxies even where namespaces would work")
    parser.add_argument("--keep", action="store_true", help="leave the folder also if all is well")
    parser.add_argument("--plan", action="store_true", help="print what the nemesis would do, and end")
    return parser.parse_args(argv)


def perform(storm):
    """Runs it and takes everything down, whatever happens."""
    try:
        storm.run()
    except (Exception, KeyboardInterrupt) as error:  # pylint: disable=broad-except
        storm.complain("storm", f"{type(error).__name__}: {error}")
    finally:
        try:
            storm.stop.set()
            storm.nemesis.over.set()
            storm.fleet.close()
            storm.fleet.check_logs()
        finally:
            storm.fleet.kill_all()


def main(argv):
    options = parse(argv)
    if options.plan:
        for fault in make_plan(options.seed, options.minutes * 60):
            print(f"{fault.at:8.1f} {fault}")
        return 0
    signal.signal(signal.SIGTERM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
    folder = tempfile.mkdtemp(prefix=f"skein-storm-{options.seed}-", dir="/tmp")
    os.chmod(folder, 0o755)  # the servers run as another user when we are root
    make = Namespaces if not options.loopback and namespaces_work() else Loopback
    reaper = Reaper()
    with make(ALL, reaper) as network:
        storm = Storm(folder, network, reaper, options.minutes, options.seed)
        perform(storm)
    reaper.close()
    storm.print_summary()
    if storm.findings:
        print(f"logs: {folder} (storm.log says who did what)")
        print(f"again: tests/chaos/run.sh --minutes {options.minutes:g} --seed {options.seed}")
        return 1
    if not options.keep:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
