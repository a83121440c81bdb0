"""A rollout that can tell how often each task ran: for tests of what goes on while it runs."""
import json
import signal
import subprocess
import time

from fleet import BUILD
from processes import wait_until
from sets import schemas_of, write_set

# Not idempotent. What a sequence counts is not rolled back: the dry run is the first try, and all others
# take their time.
STEP = """SELECT pg_sleep(CASE WHEN nextval('public.tries_' || current_schema()) > 1 THEN {sleep_s} ELSE 0 END);
CREATE TABLE once_{minor} ();
"""


class Flight:
    """One set on one shard; each publish() adds a version to it."""

    def __init__(self, fleet, tenants=12, sleep_s=0.3, workers=2, shard="eu-1"):
        self.fleet = fleet
        self.shard = shard
        self.names = [f"t_{i:02}" for i in range(tenants)]
        self.sleep_s = sleep_s
        self.scripts = {}
        self.server = fleet.start_pg("eu")
        fleet.create_schemas(self.server, self.names)
        for name in self.names:
            self.server.sql(f"CREATE SEQUENCE public.tries_{name}")
        self.tenants = schemas_of(self.server, self.names)
        self.agent = fleet.start_agent(shard, self.server, workers=workers)
        fleet.wait_tenants(tenants)

    @property
    def version(self):
        return f"0.{len(self.scripts)}.0"

    def publish(self):
        minor = len(self.scripts) + 1
        self.scripts[f"0.{minor}.0__step.sql"] = STEP.format(minor=minor, sleep_s=self.sleep_s)
        for name in self.names:
            self.server.sql(f"SELECT setval('public.tries_{name}', 1, false)")
        self.runs_before = self.runs()
        self.fleet.publish(write_set(self.fleet.path("billing"), self.scripts))

    def start(self, *flags, at_least=1):
        """Publishes and starts; returns in the midst of the run, behind the barrier."""
        self.publish()
        rollout = self.fleet.start_rollout("billing", *flags)
        wait_until(lambda: self.done() >= at_least, f"{at_least} tenants to be migrated")
        return rollout

    def tries(self):
        return {name: self.server.value(f"SELECT CASE WHEN is_called THEN last_value ELSE 0 END "
                                        f"FROM public.tries_{name}") for name in self.names}

    def total_tries(self):
        return sum(self.tries().values())

    def done(self):
        return sum(t.version() == self.version for t in self.tenants)

    def wait_more(self, count=2):
        """Until further tenants are migrated (or all of them are)."""
        wanted = min(self.done() + count, len(self.names))
        wait_until(lambda: self.done() >= wanted, f"{wanted} tenants to be migrated")

    def assert_arrives(self, rollout, once=True, timeout=90):
        """All tenants, each script once, and (once) no task ran a second time."""
        status = self.fleet.wait_phase(rollout, "SUCCEEDED", "FAILED", "PAUSED", "DRY_RUN_FAILED", timeout=timeout)
        assert status["phase"] == "SUCCEEDED", status
        assert status["counts"]["migrated"] == len(self.names), status
        for tenant in self.tenants:
            assert tenant.version() == self.version
            done = [row[0] for row in tenant.history() if row[3] == "done"]
            assert done == [f"0.{i}.0" for i in range(1, len(self.scripts) + 1)], (tenant.name, done)
        if once:
            runs = {key: self.runs()[key] - value for key, value in self.runs_before.items()}
            assert runs == {"succeeded": len(self.names), "others": 0}, runs
        return status

    def runs(self):
        """What the agent has made of runs (not dry runs) so far. A new leader looks again, by a dry run, at
        tenants whose run has not begun: nobody has written down which of them had passed."""
        found = {"succeeded": 0, "others": 0}
        for name, value in self.agent.metrics().items():
            if "tasks_total" in name and 'mode="run"' in name.lower():
                found["succeeded" if 'outcome="succeeded"' in name.lower() else "others"] += int(value)
        return found


class Watcher:
    """`skein rollout watch` in the background."""

    def __init__(self, fleet, rollout):
        self.popen = subprocess.Popen(
            [f"{BUILD}/skein", "rollout", "watch", rollout, "-o", "ndjson"], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={"SKEIN_COORDINATOR": fleet.address, "PATH": "/usr/bin:/bin"})

    def wait_end(self, timeout=90):
        """Its exit code and the last thing that it has said."""
        try:
            out, err = self.popen.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            raise
        lines = [line for line in out.splitlines() if line]
        assert lines, err
        return self.popen.returncode, json.loads(lines[-1])


TIMES = ("started_at", "finished_at", "started_at_ms", "finished_at_ms", "tasks_per_second", "left_min_ms",
         "left_max_ms", "elapsed_ms", "id", "created_at", "digest", "target", "idempotency_key",
         "created_by", "changed_by",
         # What dry runs measure, and which of them were the slowest: how many were measured stays.
         "took", "blocked", "worst", "estimate_min_ms", "estimate_max_ms")


def without_times(value):
    if isinstance(value, dict):
        return {key: without_times(item) for key, item in value.items()
                if key not in TIMES and not key.endswith(("_at", "_at_ms"))}
    if isinstance(value, list):
        return [without_times(item) for item in value]
    return value


def stays_for(seconds, value):
    """The value does not change for so long."""
    first = value()
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        now = value()
        if now != first:
            return False
        time.sleep(0.2)
    return True


STOP, CONT, TERM, KILL = signal.SIGSTOP, signal.SIGCONT, signal.SIGTERM, signal.SIGKILL
