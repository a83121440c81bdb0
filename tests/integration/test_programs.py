"""Operations that are programs and plugins beside the agent: what they get, how they fail, who ends them.

Budget: 60 s, of which 20 s wait for a lease to end.
"""
import os
import shutil
import subprocess

import psycopg2
import pytest
import yaml

from fleet import BUILD, ROOT, continue_process, error_of, pause_process
from processes import wait_until
from sets import Tenant, schemas_of, write_set

NAMES = ["t_1", "t_2"]
MARKS = {"0.1.0__init.sql": "CREATE TABLE marks (what text);\n"}


class Bench:
    """One shard with an agent that may run what lies in `bin`, and the build's plugins."""

    def __init__(self, fleet, names=NAMES):
        self.fleet = fleet
        self.bin = fleet.path("bin")
        self.log = fleet.path("calls.log")
        os.makedirs(self.bin)
        self.server = fleet.start_pg("eu")
        fleet.create_schemas(self.server, names)
        fleet.start_coordinator()
        self.flags = ["--allow-exec", f"{self.bin}/*", "--plugin-dir", f"{BUILD}/plugins"]
        fleet.start_agent("eu-1", self.server, flags=self.flags)
        fleet.wait_tenants(len(names))
        self.tenants = schemas_of(self.server, names)

    def program(self, name, text):
        path = f"{self.bin}/{name}"
        with open(path, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\n" + text)
        os.chmod(path, 0o755)
        return path

    def exec_yaml(self, name, text, **more):
        """A program's file, and the program itself."""
        return yaml.safe_dump({"program": self.program(name, text), **more})

    def calls(self):
        if not os.path.exists(self.log):
            return []
        with open(self.log, encoding="utf-8") as file:
            return file.read().splitlines()

    def publish(self, scripts, name="billing"):
        self.fleet.publish(write_set(self.fleet.path(name), {**MARKS, **scripts}, name=name))

    def roll_out(self, *args, name="billing", phase="SUCCEEDED"):
        return self.fleet.roll_out(name, *args, phase=phase)

    def dry_run_fails(self, name="billing", code="RUNNER"):
        status = self.roll_out(name=name, phase="DRY_RUN_FAILED")
        error = error_of(status, "eu-1/t_1")
        assert code in (error["code"], None), error
        for tenant in self.tenants:
            assert tenant.version(name) in (None, "0.1.0")
        return error


@pytest.fixture
def bench(fleet):
    return Bench(fleet)


def plugin_yaml(*arguments, **more):
    return yaml.safe_dump({"object": "faulty.so", "arguments": list(arguments), **more})


def is_alive(pid):
    """A process that has ended, but that nobody has asked about yet, does not count."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_the_example(bench):
    example = os.path.join(ROOT, "deploy/examples/programs")
    folder = bench.fleet.path("invoices")
    accounting = bench.fleet.path("accounting")
    shutil.copytree(f"{example}/set", folder)
    shutil.copy(f"{example}/tell-accounting.sh", bench.bin)
    for name in ("30_tell.exec.yaml", "30_tell.down.exec.yaml"):
        with open(f"{folder}/0.2.0__totals/{name}", encoding="utf-8") as file:
            settings = yaml.safe_load(file)
        settings["program"] = f"{bench.bin}/tell-accounting.sh"
        settings["environment"]["ACCOUNTING"] = accounting
        with open(f"{folder}/0.2.0__totals/{name}", "w", encoding="utf-8") as file:
            yaml.safe_dump(settings, file)
    bench.fleet.publish(folder)
    bench.roll_out(name="invoices")
    for tenant in bench.tenants:
        assert [str(row[0]) for row in tenant.sql("SELECT total FROM invoices ORDER BY id")] == \
            ["44.80", "0.30"]
        assert tenant.version("invoices") == "0.2.0"
    with open(accounting, encoding="utf-8") as file:
        assert sorted(file.read().splitlines()) == ["eu-1/t_1 2 invoices", "eu-1/t_2 2 invoices"]


def test_a_program_knows_what_it_works_on(bench):
    text = f'env | grep -E "^(SKEIN_|COLOUR|PATH|LANG)" >{bench.log}.$SKEIN_MODE.$SKEIN_TENANT\n' \
           'echo "INSERT INTO marks VALUES (current_schema())" | psql -Xq "$SKEIN_DSN"\n'
    bench.publish({})
    bench.roll_out()
    bench.publish({"0.2.0__tell.exec.yaml": bench.exec_yaml(
        "tell", text, environment={"COLOUR": "light blue"}, arguments=["a"], dry_run=False)})
    rollout = bench.roll_out()["id"]
    assert not os.path.exists(f"{bench.log}.dry_run.t_1")
    with open(f"{bench.log}.run.t_1", encoding="utf-8") as file:
        found = dict(line.rstrip("\n").split("=", 1) for line in file)
    dsn = found.pop("SKEIN_DSN")
    assert f"port={bench.server.port}" in dsn and "dbname=postgres" in dsn and "password" not in dsn
    assert found == {
        "SKEIN_TENANT": "t_1", "SKEIN_SHARD": "eu-1", "SKEIN_SET": "billing", "SKEIN_FROM": "0.1.0",
        "SKEIN_TARGET": "0.2.0", "SKEIN_VERSION": "0.2.0", "SKEIN_SCRIPT": "0.2.0__tell",
        "SKEIN_MODE": "run", "SKEIN_DIRECTION": "up", "SKEIN_ROLLOUT": rollout,
        "SKEIN_STARTED_BEFORE": "0", "SKEIN_HOOK": "", "COLOUR": "light blue", "LANG": "C.UTF-8",
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
    assert [row[0] for row in bench.tenants[0].sql("SELECT what FROM marks")] == ["t_1"]


def test_names_arrive_whole_in_the_dsn(fleet):
    """A schema in one shard, a database in the other, with all that has to be quoted."""
    name = "t_ 'a\\b $c; -- é"
    bench = Bench(fleet, [name])
    us = fleet.start_pg("us")
    fleet.create_databases(us, [name])
    fleet.start_agent("us-1", us, mode="database", flags=bench.flags)
    fleet.wait_tenants(2)
    bench.publish({"0.2.0__x.exec.yaml": bench.exec_yaml(
        "tell", 'echo "INSERT INTO marks VALUES (current_schema() || current_database() || '
                'current_setting(\'lock_timeout\'))" | psql -Xq "$SKEIN_DSN"\n')})
    bench.roll_out("--lock-timeout", "1s")
    assert Tenant(bench.server, schema=name).sql("SELECT what FROM marks") == [(f"{name}postgres1s",)]
    with psycopg2.connect(host="127.0.0.1", port=us.port, user="postgres", dbname=name) as database:
        cursor = database.cursor()
        cursor.execute("SELECT what FROM marks")
        assert cursor.fetchall() == [(f"public{name}1s",)]


def test_a_failed_program_undoes_what_was_before_it(bench):
    def tell(name, code=0):
        return f'echo "{name} $SKEIN_DIRECTION" >>{bench.log}; echo "{name} says so"; exit {code}\n'
    bench.publish({})
    bench.roll_out()
    bench.publish({
        "0.2.0__x/10_add.sql": "ALTER TABLE marks ADD COLUMN more text;",
        "0.2.0__x/10_add.down.sql": "ALTER TABLE marks DROP COLUMN more;",
        "0.2.0__x/20_a.exec.yaml": bench.exec_yaml("a", tell("a")),
        "0.2.0__x/20_a.down.exec.yaml": bench.exec_yaml("a", tell("a")),
        "0.2.0__x/30_b.plugin.yaml": plugin_yaml("nothing", rollback=True),
        "0.2.0__x/40_c.exec.yaml": bench.exec_yaml("c", tell("c", 3)),
        "0.2.0__x/40_c.down.exec.yaml": bench.exec_yaml("d", tell("d")),
    })
    status = bench.roll_out("--concurrency", 1, phase="PAUSED")
    error = error_of(status, "eu-1/t_1")
    assert error["code"] == "RUNNER" and error["file"] == "0.2.0__x/40_c.exec.yaml"
    assert "ended with exit status 3: c says so" in error["message"]
    assert bench.calls() == ["a up", "c up", "d down", "a down"]
    tenant = bench.tenants[0]
    assert tenant.version() == "0.1.0"
    assert tenant.sql("SELECT * FROM marks") == []
    assert tenant.sql("SELECT count(*) FROM information_schema.columns WHERE table_name = 'marks' "
                      "AND table_schema = 't_1'")[0][0] == 1


def test_what_the_agent_does_not_allow_fails_in_the_dry_run(bench):
    cases = {
        "other": ({"0.2.0__x.exec.yaml": "program: /usr/bin/env"}, "no allow-exec"),
        "gone": ({"0.2.0__x.exec.yaml": f"program: {bench.bin}/gone"}, "No such file"),
        "down": ({"0.2.0__x.exec.yaml": bench.exec_yaml("ok", "exit 0"),
                  "0.2.0__x.down.exec.yaml": "program: /usr/bin/env"}, "no allow-exec"),
        "object": ({"0.2.0__x.plugin.yaml": "object: gone.so"}, "No such file"),
    }
    for name, (scripts, words) in cases.items():
        bench.publish(scripts, name=name)
        error = bench.dry_run_fails(name)
        assert words in error["message"], error
    bench.fleet.agents["eu-1"].process.stop()
    bench.fleet.start_agent("eu-1", bench.server)
    error = bench.dry_run_fails("other")
    assert "runs no programs" in error["message"], error
    assert bench.calls() == []


def test_a_program_that_hangs_is_ended_with_its_children(bench):
    bench.publish({"0.2.0__x.exec.yaml": bench.exec_yaml(
        "hang", f"setsid sleep 1000 & echo $! >>{bench.log}; echo $$ >>{bench.log}; wait\n",
        timeout="500ms", dry_run=True)})
    error = bench.dry_run_fails()
    assert "did not end within its timeout of 0.500 s" in error["message"], error
    assert len(bench.calls()) >= 2
    for pid in bench.calls():
        wait_until(lambda pid=pid: not is_alive(pid), f"process {pid} to end")


def test_a_password_is_not_told(bench):
    agent = bench.fleet.agents["eu-1"].process
    agent.stop()
    agent.argv[agent.argv.index("--postgres") + 1] += " password=swordfish"
    bench.fleet.agents["eu-1"].start()
    bench.publish({"0.2.0__x.exec.yaml": bench.exec_yaml(
        "tell", 'echo "$SKEIN_DSN and $PGPASSWORD"; test "$PGPASSWORD" = swordfish && exit 9\n',
        dry_run=True)})
    error = bench.dry_run_fails()
    assert "exit status 9" in error["message"], error
    assert "********" in str(error) and "swordfish" not in str(error)


@pytest.mark.parametrize("deed, words, code", [
    (["crash"], "faulty was ended by signal 11 (Segmentation fault): about to crash", "RUNNER"),
    (["hang"], "faulty did not end within its timeout", "RUNNER"),
    (["hang_in_sql"], "timeout", None),  # its statement's, or its own: they end together
    (["leave"], "faulty has ended its process", "RUNNER"),
    (["fail"], "faulty: apply failed: seven is not a number of ours", "RUNNER"),
    (["unverified"], "faulty: verify failed: it is not as it should be", "RUNNER"),
    (["much"], "larger than 1 MiB", "RUNNER"),
    (["sql", "SELECT * FROM nowhere"], 'relation "nowhere" does not exist', "SQL"),
    (["sql", "/* */ COMMIT"], "begins with commit", "TRANSACTION_CONTROL"),
    (["sql", "COPY marks TO STDOUT"], "begins with copy", "TRANSACTION_CONTROL"),
], ids=lambda value: value[0] if isinstance(value, list) else "")
def test_a_faulty_plugin_changes_nothing(plugin_bench, deed, words, code):
    plugin_bench.count += 1
    name = f"s{plugin_bench.count}"
    plugin_bench.publish({"0.2.0__x.plugin.yaml": plugin_yaml(*deed, timeout="400ms")}, name=name)
    error = plugin_bench.dry_run_fails(name, code)
    assert words in error["message"], error
    assert not plugin_bench.tenants[0].exists("marks")


@pytest.fixture(scope="module")
def plugin_bench(module_fleet):
    bench = Bench(module_fleet, ["t_1"])
    bench.count = 0
    return bench


def test_a_plugin_that_fails_in_the_run_leaves_nothing(bench):
    bench.publish({})
    bench.roll_out()
    bench.publish({"0.2.0__x/10_a.sql": "INSERT INTO marks VALUES ('sql');",
                   "0.2.0__x/10_a.down.sql": "DELETE FROM marks;",
                   "0.2.0__x/20_b.plugin.yaml": plugin_yaml("fail_in_the_run", rollback=True)})
    status = bench.roll_out("--concurrency", 1, phase="PAUSED")
    assert "not today" in error_of(status, "eu-1/t_1")["message"]
    assert bench.tenants[0].sql("SELECT * FROM marks") == []
    assert bench.tenants[0].version() == "0.1.0"


# In shards whose name begins with c it does not wait: their agents have crash points.
WAITING = 'echo "$$ $SKEIN_STARTED_BEFORE" >>{log}.$SKEIN_SHARD\n' \
          'case "$SKEIN_SHARD$SKEIN_STARTED_BEFORE" in c*|*1) ;; *) exec sleep 1000 ;; esac\n' \
          'echo "INSERT INTO marks VALUES (\'told\')" | psql -Xq "$SKEIN_DSN"\n'
CRASHES = {"c-1": "after_exec", "c-2": "before_plugin_commit", "c-3": "after_plugin_commit"}


def calls_of(bench, shard):
    try:
        with open(f"{bench.log}.{shard}", encoding="utf-8") as file:
            return [line.split() for line in file.read().splitlines()]
    except FileNotFoundError:
        return []


def wait_called(bench, shard):
    return wait_until(lambda: calls_of(bench, shard), f"the program of {shard}")[0][0]


def start_shards(bench):
    """eu-1 and us-1, which has an agent that stands by, and one shard for each crash point."""
    fleet = bench.fleet
    servers = {"eu-1": bench.server, "us-1": fleet.start_pg("us")}
    fleet.create_schemas(servers["us-1"], ["t_1"])
    fleet.start_agent("us-1", servers["us-1"], flags=bench.flags)
    fleet.start_agent("us-1", servers["us-1"], flags=bench.flags, key="us-1-b")
    for shard, point in CRASHES.items():
        servers[shard] = servers["us-1"]
        servers["us-1"].sql(f'CREATE DATABASE "{shard}"')
        fleet.create_schemas(servers[shard], ["t_1"], database=shard)
        fleet.start_agent(shard, servers[shard], flags=bench.flags, database=shard,
                          SKEIN_CRASH_AT=point)
    fleet.wait_tenants(len(servers))
    return {shard: Tenant(server, "t_1", shard if shard in CRASHES else "postgres")
            for shard, server in servers.items()}


def test_agents_that_die_or_stand_still(fleet):
    """One agent is killed, another stands still: their programs end. Three more die where it matters.
    What nobody can know of a program is told to the next call; a plugin takes effect once."""
    bench = Bench(fleet, ["t_1"])
    tenants = start_shards(bench)
    bench.publish({"0.2.0__x.exec.yaml": bench.exec_yaml("wait", WAITING.format(log=bench.log)),
                   "0.3.0__y.plugin.yaml": plugin_yaml("count", bench.log)})
    rollout = fleet.start_rollout("billing")
    pids = {shard: wait_called(bench, shard) for shard in ("eu-1", "us-1")}
    working = next(key for key in ("us-1", "us-1-b")
                   if agent_of(pids["us-1"]) == fleet.agents[key].process.pid)
    fleet.agents["eu-1"].kill()
    pause_process(fleet.agents[working].process)
    try:
        wait_until(lambda: not is_alive(pids["eu-1"]), "the program of the killed agent to end")
        fleet.agents["eu-1"].start()
        for shard in CRASHES:
            fleet.agents[shard].process.wait_end()
            fleet.agents[shard].start(SKEIN_CRASH_AT="")
        wait_until(lambda: len(calls_of(bench, "us-1")) == 2, "the second call in us-1")
        assert not is_alive(pids["us-1"])
        fleet.wait_phase(rollout, "SUCCEEDED")
    finally:
        continue_process(fleet.agents[working].process)
    for shard, tenant in tenants.items():
        again = ["1"] if shard in ("eu-1", "us-1", "c-1") else []
        assert [call[1] for call in calls_of(bench, shard)] == ["0"] + again, shard
        marks = ["plugin", "told"] + (["told"] if shard == "c-1" else [])
        assert sorted(row[0] for row in tenant.sql("SELECT what FROM marks")) == marks, shard
        assert tenant.version() == "0.3.0"
    assert len(bench.calls()) == len(tenants) + 1  # again where the transaction had not committed


def agent_of(pid):
    """The parent of the program's parent, which is a skein-helper."""
    for _ in range(2):
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            pid = int(file.read().rpartition(")")[2].split()[1])
    return pid


def test_a_program_ends_when_its_guard_or_its_rollout_does(bench):
    bench.publish({"0.2.0__x.exec.yaml": bench.exec_yaml("wait", WAITING.format(log=bench.log))})
    rollout = bench.fleet.start_rollout("billing", "--concurrency", 1)
    pid = wait_called(bench, "eu-1")
    bench.server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                     "WHERE application_name LIKE 'skein-agent worker%%'")
    wait_until(lambda: len(calls_of(bench, "eu-1")) >= 2, "the second call")
    assert not is_alive(pid)
    wait_until(lambda: len(calls_of(bench, "eu-1")) == 3, "the next tenant's call")
    bench.fleet.skein("rollout", "abort", rollout, "--yes", check=0)
    wait_until(lambda: not is_alive(calls_of(bench, "eu-1")[2][0]), "the program to end")
    bench.fleet.wait_phase(rollout, "ABORTED")
    assert [tenant.version() for tenant in bench.tenants] == ["0.2.0", "0.1.0"]


def test_sql_that_needs_what_a_program_makes_passes_the_dry_run(bench):
    make = 'echo "CREATE TABLE made (n int)" | psql -Xq "$SKEIN_DSN"\n'
    bench.publish({"0.2.0__x/10_make.exec.yaml": bench.exec_yaml("make", make),
                   "0.2.0__x/20_use.sql": "INSERT INTO marks VALUES ('a');\nINSERT INTO made VALUES (1);"})
    status = bench.roll_out()
    warnings = [w for w in status["warnings"] if w["tenant"] == "eu-1/t_1"]
    assert len(warnings) == 1 and warnings[0]["file"] == "0.2.0__x/20_use.sql", warnings
    assert "has not let " in warnings[0]["message"] and '"made"' in warnings[0]["message"]
    assert warnings[0]["line"] == 2
    for tenant in bench.tenants:
        assert tenant.sql("SELECT n FROM made") == [(1,)]
    bench.publish({"0.2.0__x/10_make.exec.yaml": bench.exec_yaml("make", make),
                   "0.2.0__x/20_use.sql": "INSERT INTO marks VALUES ('a');\nINSERT INTO made VALUES (1);",
                   "0.3.0__y/10_use.sql": "INSERT INTO nowhere VALUES (1);",
                   "0.3.0__y/20_make.exec.yaml": bench.exec_yaml("make", make)})
    error = bench.roll_out(phase="DRY_RUN_FAILED")["errors"][0]
    assert error["code"] == "SQL" and error["file"] == "0.3.0__y/10_use.sql"


def test_paths_that_may_be_run_are_absolute(fleet):
    for flag, value in (("--allow-exec", "bin/tell"), ("--plugin-dir", "plugins")):
        done = subprocess.run([f"{BUILD}/skein-agent", "--shard", "x", "--postgres", "host=/nowhere",
                               flag, value], capture_output=True, text=True, check=False, timeout=30)
        assert done.returncode == 2 and "expected an absolute path" in done.stderr, done


def test_files_of_programs_are_checked_before_they_are_published(fleet):
    folder = write_set(fleet.path("billing"), {"0.1.0__x.exec.yaml": "program: /a\nshell: yes\n"})
    result = fleet.skein("lint", folder)
    assert result.code != 0
    said = result.out.replace("\n    ", ": ")  # place and words are lines of their own
    assert "0.1.0__x.exec.yaml:2: key 'shell', value 'yes': unknown key" in said, result


def test_folders_of_programs_are_gone(bench):
    bench.publish({"0.2.0__x.exec.yaml": bench.exec_yaml(
        "pwd", f"mkdir deep; touch deep/file; pwd >>{bench.log}\n")})
    bench.roll_out()
    assert len(bench.calls()) == len(NAMES)
    for folder in bench.calls():
        assert "/skein-exec-" in folder and not os.path.exists(folder)
