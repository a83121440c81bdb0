"""A whole fleet on this machine: PostgreSQL shards, a store, a coordinator, agents, the CLI."""
import json
import os
import re
import signal
import subprocess
import urllib.error
import urllib.request

import yaml

from processes import PATIENCE_S, PORTS, Process, Timeout, wait_until
from servers import Etcd, Postgres

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("SKEIN_BUILD", os.path.join(ROOT, "build/dev")))

FINAL = ("SUCCEEDED", "FAILED", "ABORTED", "DRY_RUN_FAILED", "ROLLED_BACK")


class Result:
    """One run of the command: exit code, texts, and the JSON where there is one."""

    def __init__(self, argv, done):
        self.argv = argv
        self.code = done.returncode
        self.out = done.stdout
        self.err = done.stderr

    @property
    def json(self):
        try:
            return json.loads(self.out)
        except ValueError:
            raise AssertionError(f"no JSON from {self}") from None

    def __repr__(self):
        return f"`{' '.join(self.argv)}` -> {self.code}\n{self.out}\n{self.err}"


def http_get(url, timeout=5):
    """Status and text; 0 and the reason when nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=timeout) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)


class Program:
    """skein-coordinator or skein-agent."""

    def __init__(self, process, http_port):
        self.process = process
        self.http = f"http://127.0.0.1:{http_port}"

    def is_ready(self):
        self.process.assert_running()
        return http_get(self.http + "/readyz")[0] == 200

    def wait_ready(self):
        wait_until(self.is_ready, f"{self.process.name} to be ready")
        return self

    def start(self, **env):
        self.process.start(**env)
        return self

    def metrics(self):
        """name{labels} -> value."""
        status, text = http_get(self.http + "/metrics")
        assert status == 200, text
        return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1])
                for line in text.splitlines() if line and not line.startswith("#")}

    def kill(self):
        self.process.kill()


class Fleet:
    def __init__(self, folder, template):
        self.folder = folder
        self.template = template
        self.servers = {}
        self.etcd = None
        self.coordinator = None
        self.agents = {}
        self.address = None
        self.cli_prefix = []  # words before the command, such as those that enter a namespace
        self.cli_flags = []
        self.tls_flags = []

    # ---- starting ----

    def path(self, name):
        return os.path.join(self.folder, name)

    def start_pg(self, name, **options):
        server = Postgres(self.template, self.folder, name, **options)
        self.servers[name] = server
        return server.start()

    def start_etcd(self):
        self.etcd = Etcd(self.folder)
        return self.etcd.start()

    def start_coordinator(self, store="sqlite", wait=True, flags=(), listen="127.0.0.1", **env):
        port, http_port = PORTS.take(), PORTS.take()
        if store == "etcd":
            if self.etcd is None:
                self.start_etcd()
            store_url = f"etcd:{self.etcd.url}"
        else:
            store_url = f"sqlite:{self.path('skein.db')}"
        self.address = f"127.0.0.1:{port}"
        argv = [f"{BUILD}/skein-coordinator", "--listen", f"{listen}:{port}",
                "--advertise", self.address, "--name", "c1", "--http", f"127.0.0.1:{http_port}",
                "--store", store_url] + list(flags) + self.tls_flags
        process = Process("coordinator", argv, self.path("coordinator.log"), env=env)
        self.coordinator = Program(process, http_port).start()
        if wait:
            self.coordinator.wait_ready()
        return self.coordinator

    def start_agent(self, shard, server, mode="schema", match=("t_*",), exclude=(), query=None,
                    labels=(), workers=2, commit=None, database="postgres", wait=True, flags=(),
                    key=None, **env):
        http_port = PORTS.take()
        key = key or shard
        tenants = {"mode": mode}
        if query is not None:
            tenants["query"] = query
        else:
            tenants["match"] = list(match)
            tenants["exclude"] = list(exclude)
        config = self.path(f"agent-{key}.yaml")
        with open(config, "w", encoding="utf-8") as file:
            yaml.safe_dump({"tenants": tenants}, file)
        argv = [f"{BUILD}/skein-agent", "--config", config, "--coordinator", self.address,
                "--shard", shard, "--postgres", server.conninfo(database),
                "--workers", str(workers), "--http", f"127.0.0.1:{http_port}"]
        for label in labels:
            argv += ["--label", label]
        if commit is not None:
            argv += ["--commit", commit]
        process = Process(f"agent {key}", argv + list(flags) + self.tls_flags,
                          self.path(f"agent-{key}.log"), env=env)
        self.agents[key] = Program(process, http_port).start()
        if wait:
            self.agents[key].wait_ready()
        return self.agents[key]

    # ---- tenants ----

    @staticmethod
    def create_schemas(server, names, database="postgres"):
        connection = server.connect(database)
        for name in names:
            connection.cursor().execute(f'CREATE SCHEMA "{name}"')
        connection.close()

    @staticmethod
    def create_databases(server, names):
        connection = server.connect()
        for name in names:
            connection.cursor().execute(f'CREATE DATABASE "{name}"')
        connection.close()

    def wait_tenants(self, count, where=None):
        """Until the coordinator knows that many tenants."""
        def known():
            args = ["tenant", "list"] + (["--where", where] if where else [])
            result = self.skein(*args, json=True)
            return result.code == 0 and len(result.json) == count and result.json
        return wait_until(known, f"{count} tenants to be known")

    # ---- the command ----

    def skein(self, *args, json=False, timeout=PATIENCE_S, env=None, check=None):  # pylint: disable=redefined-outer-name
        argv = self.cli_prefix + [f"{BUILD}/skein"] + [str(a) for a in args]
        argv += ["-o", "json"] if json else []
        full = {k: v for k, v in os.environ.items() if not k.startswith("SKEIN_")}
        full["SKEIN_COORDINATOR"] = self.address or ""
        full.update(env or {})
        try:
            done = subprocess.run(argv + self.cli_flags, capture_output=True, text=True, env=full,
                                  timeout=timeout, stdin=subprocess.DEVNULL, check=False)
        except subprocess.TimeoutExpired:
            raise Timeout(f"`{' '.join(argv)}` still runs after {timeout:g} s") from None
        result = Result(argv, done)
        if check is not None:
            assert result.code == check, result
        return result

    def publish(self, folder, check=0):
        return self.skein("set", "publish", folder, check=check)

    def start_rollout(self, name, *args, check=0):
        """Starts it without waiting; the rollout's id."""
        result = self.skein("rollout", "start", name, *args, "--detach", json=True, check=check)
        return result.json["id"] if check == 0 else result

    def status(self, rollout):
        return self.skein("rollout", "status", rollout, json=True).json

    def wait_phase(self, rollout, *phases, timeout=PATIENCE_S):
        last = {}

        def reached():
            result = self.skein("rollout", "status", rollout, json=True)
            if result.code == 8:  # the coordinator is being restarted
                return None
            last.update(result.json)
            return last if last["phase"] in phases else None
        try:
            return wait_until(reached, f"rollout {rollout} to be {' or '.join(phases)}", timeout)
        except Timeout as error:
            raise Timeout(f"{error}; it is {json.dumps(last)[:2000]}") from None

    def roll_out(self, name, *args, phase="SUCCEEDED", timeout=PATIENCE_S):
        """Starts it and waits for its end, which must be `phase`; the final status."""
        rollout = self.start_rollout(name, *args)
        status = self.wait_phase(rollout, *FINAL, "PAUSED", timeout=timeout)
        assert status["phase"] == phase, json.dumps(status, indent=1)
        return status

    def report(self, rollout):
        return self.skein("rollout", "report", rollout, json=True).json

    # ---- the end ----

    def programs(self):
        found = list(self.agents.values())
        return found + ([self.coordinator] if self.coordinator else [])

    def close(self):
        """Stops everything; complains about a program that did not end cleanly."""
        complaints = []
        for program in self.programs():
            try:
                code = program.process.stop()
                if code not in (None, 0):
                    complaints.append(f"{program.process.name} ended with {code}:\n"
                                      f"{program.process.log_tail()}")
            except Timeout as error:
                complaints.append(str(error))
        for server in self.servers.values():
            server.close()
        if self.etcd is not None:
            self.etcd.close()
        assert not complaints, "\n".join(complaints)

    def logs(self):
        processes = [p.process for p in self.programs()]
        processes += [s.process for s in self.servers.values()]
        if self.etcd is not None:
            processes.append(self.etcd.process)
        return "\n".join(f"==== {p.name} ({p.log_path})\n{p.log_tail()}" for p in processes
                         if os.path.exists(p.log_path))


def codes_of(status):
    """Every code that a rollout's status or report names: errors, warnings, reasons of skips."""
    codes = {e["code"] for e in status.get("errors", []) + status.get("warnings", [])}
    return codes | set(status.get("skips") or {})


def error_of(status, tenant):
    found = [e for e in status["errors"] if e["tenant"] == tenant]
    assert found, f"no error of {tenant} in {json.dumps(status, indent=1)}"
    return found[0]


def add_up(counts):
    return sum(counts[k] for k in ("queued", "running", "migrated", "skipped", "failed", "unknown",
                                   "rolled_back"))


def pause_process(process):
    process.send(signal.SIGSTOP)


def continue_process(process):
    process.send(signal.SIGCONT)


def strip_colours(text):
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
