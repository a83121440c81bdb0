"""What must be true when the storm is over. `judge` is pure; `gather` asks the databases.

A finding is (rule, text). Doubts are told apart from findings: what is known to be undecidable.
"""
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from fleet import FINAL, add_up


@dataclass
class TenantFacts:
    """One tenant as its own database has it."""
    name: str                                     # shard/tenant
    traces: list = field(default_factory=list)    # (set, script's version, edge, txid, at)
    counters: dict = field(default_factory=dict)  # set -> n
    history: list = field(default_factory=list)   # (set, version, direction, state, rollout)
    versions: dict = field(default_factory=dict)  # set -> version
    overlaps: int = 0                             # migrations that met another one at work


@dataclass
class Verdict:
    findings: list = field(default_factory=list)
    doubts: list = field(default_factory=list)

    def find(self, rule, text):
        self.findings.append((rule, text))


def gather(tenant, shard):
    facts = TenantFacts(f"{shard}/{tenant.name}")
    facts.traces = tenant.sql("SELECT set_name, script, edge, txid, at FROM storm_trace ORDER BY at")
    facts.counters = dict(tenant.sql("SELECT set_name, n FROM storm_counter"))
    facts.overlaps = tenant.sql("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM storm_overlap")[0][0]
    facts.history = tenant.server.sql(
        "SELECT set_name, version, direction, state, rollout FROM skein.history WHERE tenant = %s "
        "ORDER BY id", (tenant.name,), tenant.database)
    facts.versions = dict(tenant.server.sql(
        "SELECT set_name, version FROM skein.tenant WHERE tenant = %s", (tenant.name,), tenant.database))
    return facts


def version_key(version):
    return tuple(int(part) for part in version.split("."))


# ---- one tenant ----

def judge_scripts(facts, sets, verdict):
    """Each script at most once, whole, and as the journal says; none left out below the version."""
    for name, scripts in sets.items():
        edges = Counter((script, edge) for s, script, edge, _, _ in facts.traces if s == name)
        done = Counter(v for s, v, direction, state, _ in facts.history
                       if s == name and direction == "up" and state == "done")
        version = facts.versions.get(name)
        for script in scripts:
            begins, ends = edges[script, "begin"], edges[script, "end"]
            if begins > 1 or ends > 1 or done[script] > 1:
                verdict.find("twice", f"{facts.name} {name} {script}: {begins} begins, {ends} ends, "
                                      f"{done[script]} times in the journal")
            elif not begins == ends == done[script]:
                verdict.find("torn", f"{facts.name} {name} {script}: {begins} begins, {ends} ends, "
                                     f"{done[script]} times in the journal")
            expected = version is not None and version_key(script) <= version_key(version)
            if expected != (begins > 0):
                verdict.find("missing" if expected else "ahead",
                             f"{facts.name} {name} is at {version}, but {script} took effect {begins} times")
        count = sum(edges[script, "end"] for script in scripts)
        if facts.counters.get(name, 0) != count:
            verdict.find("counter", f"{facts.name} {name} counts {facts.counters.get(name)} for {count} scripts")


def judge_order(facts, verdict):
    """Scripts of one set in the order of their versions; no two transactions at the same time."""
    last, spans = {}, {}
    for name, script, edge, txid, at in facts.traces:
        if edge == "begin":
            if name in last and version_key(script) < version_key(last[name]):
                verdict.find("order", f"{facts.name} {name}: {script} after {last[name]}")
            last[name] = script
        first, end = spans.get(txid, (at, at))
        spans[txid] = min(first, at), max(end, at)
    spans = sorted(spans.items(), key=lambda item: item[1])
    for (one, (_, end)), (other, (begin, _)) in zip(spans, spans[1:]):
        if begin < end:
            verdict.find("concurrent", f"{facts.name}: transaction {other} began before {one} had ended")
    if facts.overlaps:
        verdict.find("concurrent", f"{facts.name}: {facts.overlaps} times a migration met another at work")


def judge_holds(facts, holds, verdict):
    """While somebody's lock was acknowledged, no script was at work that took effect."""
    for hold in (h for h in holds if h.tenant == facts.name):
        inside = [(name, script, edge, str(at)) for name, script, edge, _, at in facts.traces
                  if hold.since < at < hold.until]
        if inside:
            verdict.find("held", f"{facts.name} was held from {hold.since} to {hold.until}: {inside}")


# ---- one rollout ----

def migrated_by(rollout, tenants):
    return {t.name for t in tenants if any(h[4] == rollout and h[2] == "up" and h[3] == "done" for h in t.history)}


def judge_report(rollout, report, tenants, verdict):
    """The report's numbers and names are what the databases say."""
    counts, in_databases = report["counts"], migrated_by(rollout.id, tenants)
    title = f"rollout {rollout.id} of {rollout.set} ({report['phase']}, policy {rollout.policy}, {rollout.actions})"
    if rollout.ended and rollout.status["phase"] != report["phase"]:
        verdict.find("report", f"{title} had ended as {rollout.status['phase']}")
    if report["phase"] not in FINAL:
        verdict.find("unended", f"{title} waits for '{report['waiting_for']}'")
    waiting = counts["queued"] if report["phase"] != "DRY_RUN_FAILED" else counts["migrated"]
    if add_up(counts) != counts["total"] or counts["running"] or waiting:
        verdict.find("counts", f"{title}: {counts}")
    difference = len(in_databases) - counts["migrated"]
    if 0 < difference <= counts["unknown"]:
        verdict.doubts.append(("unknown", f"{title}: {counts}, the databases say {len(in_databases)} migrated"))
    elif difference != 0:
        verdict.find("report", f"{title}: {counts}, the databases say {len(in_databases)} migrated: "
                               f"{sorted(in_databases)}")
    wrong = in_databases & {e["tenant"] for e in report["errors"]
                            if e["mode"] == "run" and e["code"] != "OUTCOME_UNKNOWN"}
    if wrong:
        verdict.find("report", f"{title} says failed, the databases say migrated: {sorted(wrong)}")
    for tenant in tenants:
        version = tenant.versions.get(rollout.set)
        if tenant.name in in_databases and version_key(version) < version_key(rollout.target):
            verdict.find("missing", f"{title}: {tenant.name} is at {version}, not at {rollout.target}")
    if report["phase"] == "SUCCEEDED" and counts["failed"] + counts["unknown"] > 0:
        verdict.find("report", f"{title}: {counts}")


def judge_rollouts(rollouts, listed, reports, tenants, verdict):
    for rollout in rollouts:
        if rollout.id not in listed:
            verdict.find("lost", f"rollout {rollout.id} of {rollout.set} was acknowledged and is gone")
            continue
        judge_report(rollout, reports[rollout.id], tenants, verdict)
        phase = reports[rollout.id]["phase"]
        if rollout.did("abort") and phase != "ABORTED":
            verdict.find("lost", f"the abort of rollout {rollout.id} was acknowledged, but it is {phase}: "
                                 f"{rollout.actions}")
    known = {r.id for r in rollouts} | set(listed)
    writers = defaultdict(set)
    for tenant in tenants:
        for entry in tenant.history:
            writers[entry[4]].add(tenant.name)
    for stranger in set(writers) - known:
        verdict.find("stranger", f"nobody started rollout {stranger}, which wrote to {sorted(writers[stranger])}")


def judge(tenants, sets, rollouts, listed, reports, holds=()):
    """sets: name -> versions of its scripts that leave traces."""
    verdict = Verdict()
    for facts in tenants:
        judge_scripts(facts, sets, verdict)
        judge_order(facts, verdict)
        judge_holds(facts, holds, verdict)
    judge_rollouts(rollouts, listed, reports, tenants, verdict)
    return verdict
