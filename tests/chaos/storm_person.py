"""Somebody who locks tenants for a while: what a backup job or an administrator does.

While a lock is acknowledged, nothing may be migrated on its tenant; the checker compares the times.
"""
import datetime
import random
import threading
from dataclasses import dataclass

from processes import Timeout

TTL_S = 30
OWNER = "storm-person"


@dataclass
class Hold:
    tenant: str
    since: datetime.datetime  # the lock was acknowledged
    until: datetime.datetime  # the end was asked for, or its time was over


def now():
    return datetime.datetime.now(datetime.timezone.utc)


class Person:
    def __init__(self, fleet, names, seed, log, stop):
        self.fleet = fleet
        self.names = names  # shard/tenant
        self.rng = random.Random(f"{seed} person")
        self.log = log
        self.stop = stop
        self.holds = []
        self.refused = 0
        self.error = None
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _skein(self, *args):
        return self.fleet.skein("tenant", *args, "--owner", OWNER, "--reason", "storm", "--timeout", "10s",
                                timeout=60).code

    def _run(self):
        try:
            while not self.stop.wait(self.rng.uniform(0.5, 4)):
                self._hold(self.rng.choice(self.names))
        except (AssertionError, Timeout) as error:
            self.error = str(error)

    def _hold(self, tenant):
        asked = now()
        wait = self.rng.choice([[], ["--wait-for", "3s"]])
        code = self._skein("lock", tenant, "--ttl", f"{TTL_S}s", *wait)
        since = now()
        self.log("person", f"lock {tenant} -> {code}")
        if code == 7:
            self.refused += 1
            return
        self.stop.wait(self.rng.choice([0.5, 3, 8, 25]))
        until = min(now(), asked + datetime.timedelta(seconds=TTL_S))
        if code == 0 and until > since:
            self.holds.append(Hold(tenant, since, until))
        code = self._skein("unlock", tenant)  # also what was perhaps never locked; else its time ends it
        self.log("person", f"unlock {tenant} -> {code}")
