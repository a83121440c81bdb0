"""An operator of one set: publishes, starts rollouts one after another, presses buttons at random.

What was acknowledged is kept and checked at the end. An answer that was lost is looked up, as a
person would: in `rollout list`.
"""
import random
import threading
import time
from dataclasses import dataclass, field

import psycopg2

from fleet import FINAL
from processes import Timeout
from storm_sets import FIRST

UNREACHABLE = 8
TIMED_OUT = 124
CALL_S = 20  # of one command; then it is asked again


@dataclass
class Rollout:
    id: str
    set: str
    target: str
    selector: str
    policy: str
    began: float
    actions: list = field(default_factory=list)  # (seconds since the start, what, exit code)
    status: dict = field(default_factory=dict)   # the newest seen
    ended: bool = False

    def did(self, what):
        return any(action == what and code == 0 for _, action, code in self.actions)


class Operator:
    def __init__(self, fleet, growing, tenants, seed, log, stop):
        self.fleet = fleet
        self.set = growing
        self.tenants = tenants  # of sets.py
        self.rng = random.Random(f"{seed} operator {growing.name}")
        self.log = log
        self.stop = stop        # no new rollouts after this
        self.patience = None    # monotonic time after which a rollout that has not ended is a finding
        self.rollouts = []
        self.digests = []       # acknowledged
        self.refused = []       # what was refused though it should not have been
        self.error = None
        self.thread = threading.Thread(target=self._run, name=growing.name, daemon=True)

    # ---- calls ----

    def _skein(self, *args, json=False):
        """The result; None where nobody knows what became of it."""
        try:
            result = self.fleet.skein(*args, "--timeout", f"{CALL_S}s", json=json, timeout=3 * CALL_S)
        except Timeout:
            raise AssertionError(f"`skein {' '.join(args)}` did not mind its --timeout") from None
        if result.code == 1 and "there is no rollout" in result.err:
            raise AssertionError(f"an acknowledged rollout is gone: {result}")
        return None if result.code in (UNREACHABLE, TIMED_OUT, 1) else result

    def _insist(self, *args, json=False):
        """Only for what may be repeated."""
        while True:
            result = self._skein(*args, json=json)
            if result is not None:
                return result
            self._check_patience(" ".join(args))
            time.sleep(0.5)

    def _check_patience(self, what):
        if self.patience is not None and time.monotonic() > self.patience:
            raise AssertionError(f"after the storm `skein {what}` still is not answered")

    def _act(self, rollout, what):
        """Presses a button; whether that was acknowledged."""
        result = self._skein("rollout", what, rollout.id, "--yes", "--reason", "storm", json=True)
        code = None if result is None else result.code
        rollout.actions.append((round(time.monotonic() - rollout.began, 1), what, code))
        self.log("operator", f"{self.set.name} {rollout.id} {what} -> {code}")
        return code == 0

    # ---- one round ----

    def _publish(self):
        result = self._insist("set", "publish", self.set.folder, json=True)
        if result.code != 0:
            raise AssertionError(f"publishing was refused: {result}")
        self.digests.append(result.json["digest"])
        self.log("operator", f"{self.set.name} published {self.set.versions[-1]} {self.digests[-1]}")

    def _mark_failing(self, versions):
        for tenant in self.rng.sample(self.tenants, self.rng.choice([0, 0, 0, 1, 2])):
            self._mark(tenant, self.rng.choice(versions), self.rng.choice([0.3, 0.5, 1.0]))

    def _mark(self, tenant, version, chance):
        try:
            tenant.sql("INSERT INTO storm_fails VALUES (%s, %s, %s)", (self.set.name, version, chance))
        except psycopg2.Error:
            pass  # its server is down: then it does not fail

    def _repair(self):
        """Deletes every mark of this set; False while a server is away."""
        try:
            for tenant in self.tenants:
                tenant.sql("DELETE FROM storm_fails WHERE set_name = %s", (self.set.name,))
            return True
        except psycopg2.Error:
            return False

    def _known(self):
        result = self._insist("rollout", "list", json=True)
        return {r["id"]: r for r in result.json if r["set"] == self.set.name}

    def _start(self):
        """The rollout, acknowledged or found afterwards; None if it was refused."""
        selector = self.rng.choice(["", "", "", "region=eu", "region=us"])
        policy = self.rng.choice(["pause", "pause", "abort", "continue"])
        target = self.rng.choice(self.set.versions[-3:]) if self.rng.random() < 0.2 else ""
        before = set(self._known())
        words = ["rollout", "start", self.set.name, "--policy", policy, "--detach", "--reason", "storm"]
        words += ["--tenants", selector] if selector else []
        words += ["--to", target] if target else []
        if self.rng.random() < 0.4:
            words += ["--concurrency", str(self.rng.choice([1, 2, 4]))]
        if self.rng.random() < 0.3:
            words += ["--max-failures", "1"]
        began = time.monotonic()
        while True:
            result = self._skein(*words, json=True)
            if result is not None and result.code == 0:
                found = result.json["id"]
                break
            new = [i for i in self._known() if i not in before]
            if new:
                found = new[0]
                break
            if result is not None:
                self.log("operator", f"{self.set.name} start refused: {result.err.strip()}")
                self.refused.append(repr(result))
                return None
            self._check_patience(" ".join(words))
        rollout = Rollout(found, self.set.name, target or self.set.versions[-1], selector, policy, began)
        self.log("operator", f"{self.set.name} {found} started to {rollout.target} {selector} {policy}")
        self.rollouts.append(rollout)
        return rollout

    def _follow(self, rollout):
        """Until it has ended and nobody wants to retry it."""
        press = self.rng.choice([None, None, None, "pause", "pause", "abort"])
        press_at = time.monotonic() + self.rng.uniform(0.2, 8)
        retries = self.rng.choice([0, 1, 1, 2])
        while True:
            result = self._skein("rollout", "status", rollout.id, json=True)
            if result is None:
                self._check_patience(f"rollout status {rollout.id}")
                continue
            rollout.status = status = result.json
            rollout.ended = status["phase"] in FINAL
            if rollout.ended and not self._wants_retry(rollout, retries):
                self.log("operator", f"{self.set.name} {rollout.id} ended {status['phase']} "
                                     f"{status['counts']}")
                return
            if rollout.ended or status["phase"] == "PAUSED":
                retries -= 1
                self._go_on(rollout, retries)
            elif press is not None and time.monotonic() > press_at and not self.stop.is_set():
                self._act(rollout, press)
                press = None
            if self.patience is not None and time.monotonic() > self.patience:
                raise AssertionError(f"rollout {rollout.id} does not end: {status['phase']}, waits for "
                                     f"'{status['waiting_for']}', {status['counts']}")
            time.sleep(self.rng.choice([0.2, 0.5, 1.0]))

    def _wants_retry(self, rollout, retries):
        return (rollout.status["phase"] in ("FAILED", "DRY_RUN_FAILED") and retries > 0
                and not self.stop.is_set())

    def _go_on(self, rollout, retries):
        """It is paused, or has failed: repair and go on; or, out of patience, abort."""
        paused = rollout.status["phase"] == "PAUSED"
        if retries < -2 and paused:
            self._act(rollout, "abort")
        elif self.rng.random() < 0.3 and paused:
            self._act(rollout, "resume")
        else:
            self._repair()
            self._act(rollout, "retry" if rollout.status["counts"]["failed"] or not paused else "resume")

    def _run(self):
        try:
            while not self.stop.is_set():
                added = self.set.grow(self.rng)
                self._publish()
                self._mark_failing(added)
                rollout = self._start()
                if rollout is not None:
                    self._follow(rollout)
                self.stop.wait(self.rng.choice([0, 0.5, 2]))
        except Exception as error:  # pylint: disable=broad-except  # a thread's last words
            self.error = f"{type(error).__name__}: {error}"
            self.log("operator", f"{self.set.name} {self.error}")

    # ---- from the outside ----

    def finish_with_everybody(self):
        """After the storm: what failed is repaired, and every tenant goes to the newest version."""
        while not self._repair():
            self._check_patience("repair")
            time.sleep(0.5)
        rollout = self._last()
        if rollout is not None:
            self._follow(rollout)
        return rollout

    def _last(self):
        result = self._insist("rollout", "start", self.set.name, "--detach", "--policy", "continue", json=True)
        if result.code != 0:
            raise AssertionError(f"the last rollout of {self.set.name} was refused: {result}")
        rollout = Rollout(result.json["id"], self.set.name, self.set.versions[-1], "", "continue",
                          time.monotonic())
        self.rollouts.append(rollout)
        return rollout

    def first(self):
        """Before the storm: published, and every tenant at the first version."""
        self._publish()
        if self.set.name == "alpha":
            self.fleet.roll_out(self.set.name)
        else:
            for shard, tenant in ((s, t) for s, t in self._names()):
                self.fleet.skein("tenant", "baseline", f"{shard}/{tenant}", "--set", self.set.name,
                                 "--version", FIRST, check=0)

    def _names(self):
        for tenant in self.tenants:
            yield ("us-1" if tenant.name.startswith("d_") else "eu-1"), tenant.name
