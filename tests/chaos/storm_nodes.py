"""What a storm breaks: 3 etcd members, 3 coordinators, 2 PostgreSQL servers with 2 agents each.

Every process has a `Node`: started, killed, paused and continued by pid under a lock of its own,
and watched: one that ends although nobody ended it is a finding, and is started again.
"""
import os
import re
import signal
import subprocess
import threading
import time

import yaml

from fleet import BUILD, Fleet
from processes import Process, Timeout, wait_until
from servers import Postgres, PostgresTemplate, postgres_program
from storm_reaper import children_of, signal_quietly

COORDINATORS = ["c1", "c2", "c3"]
MEMBERS = ["e1", "e2", "e3"]
SERVERS = ["eu", "us"]
AGENTS = ["eu-a", "eu-b", "us-a", "us-b"]
OPERATOR = "op"
ALL = COORDINATORS + MEMBERS + SERVERS + AGENTS + [OPERATOR]

SCHEMAS = [f"t_{i:02}" for i in range(16)]
DATABASES = [f"d_{i}" for i in range(6)]

GRPC_PORT, HTTP_PORT, CLIENT_PORT, PEER_PORT, PG_PORT = 7443, 7480, 2379, 2380, 5432

# What no log may hold, whatever was done to its process.
BAD_LINES = re.compile(r"Assertion|AddressSanitizer|LeakSanitizer|UndefinedBehavior|ThreadSanitizer|"
                       r"runtime error:|Aborted|Segmentation|double free|corrupted|PANIC|panic:|"
                       r"internal error|std::terminate|E\d{4} .*assertion failed")


def kind_of(name):
    for kind, names in (("coordinator", COORDINATORS), ("etcd", MEMBERS), ("postgres", SERVERS),
                        ("agent", AGENTS)):
        if name in names:
            return kind
    return "operator"


class Node:
    def __init__(self, name, process, reaper):
        self.name = name
        self.reaper = reaper
        self.kind = kind_of(name)
        self.process = process
        self.mutex = threading.RLock()
        self.wanted = False  # up, as far as we are concerned
        self.starts = 0

    def start(self):
        with self.mutex:
            self._start()
            self.wanted = True
            self.starts += 1

    def _start(self):
        if self.kind != "postgres":
            self.process.start()
            self.reaper.note_process(self.process.pid)
            return
        # Backends of a postmaster that was killed hold its shared memory until they notice.
        deadline = time.monotonic() + 60
        while True:
            self.process.start()
            self.reaper.note_process(self.process.pid)
            time.sleep(0.3)
            if self.process.is_running():
                return
            if time.monotonic() > deadline:
                raise Timeout(f"{self.name} does not start again:\n{self.process.log_tail(20)}")

    def kill(self):
        with self.mutex:
            self.wanted = False
            self.process.kill()

    def stop(self, number=signal.SIGTERM, timeout=90):
        """Its exit code; Timeout if it does not end."""
        with self.mutex:
            self.wanted = False
            return self.process.stop(number, timeout)

    def pause(self):
        """All of it: a PostgreSQL server is many processes."""
        self._send(signal.SIGSTOP)

    def resume(self):
        self._send(signal.SIGCONT)

    def _send(self, number):
        with self.mutex:
            if not self.process.is_running():
                return
            pids = [self.process.pid]
            self.process.send(number)
            if self.kind == "postgres":
                pids += children_of(self.process.pid)
            for pid in pids:
                signal_quietly(pid, number)

    def ended_by_itself(self):
        """Its exit code if nobody asked it to end."""
        if not self.mutex.acquire(blocking=False):
            return None  # somebody starts or stops it right now
        try:
            if not self.wanted or self.process.is_running():
                return None
            self.wanted = False
            return self.process.popen.returncode
        finally:
            self.mutex.release()


class StormPostgres(Postgres):
    """Reached by its clients through the network, by us through its socket, which nobody cuts."""

    def __init__(self, template, folder, name, host, port, inside):
        super().__init__(template, folder, name)
        self.host, self.port = host, port
        with open(os.path.join(self.data, "pg_hba.conf"), "a", encoding="ascii") as file:
            file.write("host all all 198.18.0.0/15 trust\n")
        options = ["-c", f"listen_addresses={host}", "-c", f"port={port}",
                   "-c", f"unix_socket_directories={self.data}", "-c", "max_connections=100",
                   "-c", "log_min_messages=warning", "-c", "log_line_prefix=%m [%p] %a ",
                   # SIGKILL loses nothing that was written to a file: the machine stays up.
                   "-c", "fsync=off", "-c", "full_page_writes=off"]
        self.process.argv = inside + [postgres_program("postgres"), "-D", self.data] + options
        self.process.user = None  # `inside` changes the user

    def conninfo(self, database="postgres"):
        return f"host={self.data} port={self.port} user=postgres dbname={database} connect_timeout=5"


class StormFleet(Fleet):
    """The fleet of tests/integration, many times over, in a network that can be cut."""

    def __init__(self, folder, network, complain, reaper):
        super().__init__(folder, PostgresTemplate(folder))
        self.network = network
        self.complain = complain
        self.reaper = reaper
        self.nodes = {}
        self.cli_prefix = network.inside(OPERATOR)
        self.cli_flags = ["--insecure"]
        self.address = ",".join(network.reach(OPERATOR, c, GRPC_PORT) for c in COORDINATORS)
        self.watching = threading.Event()
        self.watcher = None

    # ---- making ----

    def _add(self, name, argv, env=None):
        process = Process(name, self.network.inside(name) + argv, self.path(f"{name}.log"), env=env)
        self.nodes[name] = Node(name, process, self.reaper)

    def _add_member(self, name):
        host, port = self.network.listen(name, CLIENT_PORT)
        peer_host, peer_port = self.network.listen(name, PEER_PORT)
        peers = {m: f"http://{self.network.reach('*', m, PEER_PORT)}" for m in MEMBERS}
        url = f"http://{host}:{port}"
        self._add(name, ["etcd", "--name", name, "--data-dir", self.path(name),
                         "--listen-client-urls", url, "--advertise-client-urls", url,
                         "--listen-peer-urls", f"http://{peer_host}:{peer_port}",
                         "--initial-advertise-peer-urls", peers[name],
                         "--initial-cluster", ",".join(f"{m}={u}" for m, u in peers.items()),
                         "--log-level", "warn", "--logger", "zap", "--pre-vote=true",
                         "--heartbeat-interval", "100", "--election-timeout", "1000"],
                  env={"ETCD_UNSUPPORTED_ARCH": os.uname().machine.replace("aarch64", "arm64")})

    def _add_coordinator(self, name):
        host, port = self.network.listen(name, GRPC_PORT)
        http_host, http_port = self.network.listen(name, HTTP_PORT)
        members = ",".join(f"http://{self.network.reach(name, m, CLIENT_PORT)}" for m in MEMBERS)
        self._add(name, [f"{BUILD}/skein-coordinator", "--name", name, "--listen", f"{host}:{port}",
                         "--advertise", self.network.reach("*", name, GRPC_PORT),
                         "--http", f"{http_host}:{http_port}", "--store", f"etcd:{members}",
                         "--insecure"])

    def _add_server(self, name):
        host, port = self.network.listen(name, PG_PORT)
        server = StormPostgres(self.template, self.folder, name, host, port,
                               self.network.inside(name, user=self.template.user))
        self.servers[name] = server
        self.nodes[name] = Node(name, server.process, self.reaper)

    def _add_agent(self, name, mode, match, commit):
        server = name.split("-", maxsplit=1)[0]
        config = self.path(f"{name}.yaml")
        with open(config, "w", encoding="utf-8") as file:
            # The scripts sleep under their locks, so that they are hit in the middle: a plan of several of
            # them would get out of the traffic's way again and again.
            yaml.safe_dump({"tenants": {"mode": mode, "match": [match]}, "yield-after-ms": 30000}, file)
        host, port = self.network.reach(name, server, PG_PORT).split(":")
        http_host, http_port = self.network.listen(name, HTTP_PORT)
        self._add(name, [f"{BUILD}/skein-agent", "--config", config, "--shard", f"{server}-1",
                         "--coordinator", ",".join(self.network.reach(name, c, GRPC_PORT)
                                                   for c in COORDINATORS),
                         "--postgres", f"host={host} port={port} user=postgres dbname=postgres",
                         "--label", f"region={server}", "--workers", "2", "--commit", commit,
                         "--http", f"{http_host}:{http_port}", "--insecure"])

    def take_off(self):
        """Everything up, every tenant there and known."""
        for name in MEMBERS:
            self._add_member(name)
        for name in COORDINATORS:
            self._add_coordinator(name)
        for name in SERVERS:
            self._add_server(name)
        for name in AGENTS:
            eu = name.startswith("eu")
            self._add_agent(name, "schema" if eu else "database", "t_*" if eu else "d_*",
                            "single" if eu else "group")
        self._start(SERVERS + MEMBERS)
        for server in self.servers.values():
            wait_until(server.is_ready, f"PostgreSQL {server.name}")
        self.create_schemas(self.servers["eu"], SCHEMAS)
        self.create_databases(self.servers["us"], DATABASES)
        self._start(COORDINATORS + AGENTS)
        self.watcher = threading.Thread(target=self._watch, daemon=True)
        self.watcher.start()
        self.wait_tenants(len(SCHEMAS) + len(DATABASES))

    def _start(self, names):
        for name in names:
            self.nodes[name].start()

    # ---- watching ----

    def _watch(self):
        while not self.watching.wait(0.3):
            for node in self.nodes.values():
                code = node.ended_by_itself()
                if code is not None:
                    self.complain("crash", f"{node.name} ended by itself with {code}:\n"
                                           f"{node.process.log_tail(30)}")
                    node.start()

    def check_logs(self):
        for node in self.nodes.values():
            bad = [line for line in node.process.log().splitlines()
                   if BAD_LINES.search(line) and not line.startswith("----")]
            if bad:
                self.complain("log", f"{node.name} ({node.process.log_path}): " + "\n    ".join(bad[:10]))

    def leader(self):
        """The coordinator that is ready; None while none is."""
        for name in COORDINATORS:
            url = f"http://{':'.join(str(p) for p in self.network.listen(name, HTTP_PORT))}/readyz"
            done = subprocess.run(self.network.inside(name) + ["curl", "-s", "-m", "1", "-o", "/dev/null",
                                                               "-w", "%{http_code}", url],
                                  capture_output=True, text=True, check=False)
            if done.stdout == "200":
                return name
        return None

    # ---- the end ----

    def close(self):
        """Programs first and with grace: how they end is part of what is tested."""
        self.watching.set()
        if self.watcher is not None:
            self.watcher.join()
        for kind in ("agent", "coordinator"):
            for node in self.nodes.values():
                if node.kind == kind:
                    self._stop(node)
        for node in self.nodes.values():
            if node.kind == "postgres":
                node.resume()
                node.process.killed = True
                node.stop(signal.SIGQUIT)
            elif node.kind == "etcd":
                node.kill()

    def _stop(self, node):
        try:
            code = node.stop()
        except Timeout as error:
            self.complain("stop", str(error))
            return
        if code not in (None, 0):
            self.complain("stop", f"{node.name} ended with {code} after SIGTERM:\n{node.process.log_tail(30)}")

    def kill_all(self):
        """Whatever happened: nothing of ours stays."""
        self.watching.set()
        for node in self.nodes.values():
            node.resume()
            node.kill()
