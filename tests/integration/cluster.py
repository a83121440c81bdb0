"""Several members of etcd and several coordinators, for a fleet (fleet.py)."""
import base64
import json
import os
import subprocess
import threading
import time
import urllib.request

import grpc

from fault_proxy import FaultProxy
from fleet import BUILD, Program, http_get
from processes import PORTS, Process, wait_until

LEADER_TTL_S = 8  # LEADER_LEASE_TTL_MS
SESSION_TTL_S = 15


class EtcdMember:
    def __init__(self, folder, name, options):
        self.name = name
        self.port = PORTS.take()
        self.url = f"http://127.0.0.1:{self.port}"
        self.peer = f"http://127.0.0.1:{PORTS.take()}"
        self.data = os.path.join(folder, name)
        self.process = Process(
            name, ["etcd", "--name", name, "--data-dir", self.data,
                   "--listen-client-urls", self.url, "--advertise-client-urls", self.url,
                   "--listen-peer-urls", self.peer, "--initial-advertise-peer-urls", self.peer,
                   "--log-level", "warn", "--logger", "zap", "--pre-vote=true",
                   "--unsafe-no-fsync", *options],
            os.path.join(folder, f"{name}.log"),
            env={"ETCD_UNSUPPORTED_ARCH": os.uname().machine.replace("aarch64", "arm64")})

    def is_healthy(self):
        try:
            with urllib.request.urlopen(self.url + "/health", timeout=2) as answer:
                return b'"true"' in answer.read()
        except OSError:
            return False


class EtcdCluster:
    """Members on loopback; --unsafe-no-fsync, for what is killed here are processes, not hosts."""

    def __init__(self, folder, count=3, options=()):
        self.members = [EtcdMember(folder, f"etcd{i}", options) for i in range(1, count + 1)]
        initial = ",".join(f"{m.name}={m.peer}" for m in self.members)
        for member in self.members:
            member.process.argv += ["--initial-cluster", initial]

    @property
    def location(self):
        return "etcd:" + ",".join(m.url for m in self.members)

    def start(self):
        for member in self.members:
            member.process.start()
        self.wait_healthy()
        return self

    def wait_healthy(self):
        for member in self.members:
            wait_until(member.is_healthy, f"{member.name} to be healthy")

    def ctl(self, *args, text=None, member=None):
        urls = ",".join(m.url for m in ([member] if member else self.members))
        done = subprocess.run(["etcdctl", "--endpoints", urls, *args], capture_output=True, text=True,
                              input=text, env={**os.environ, "ETCDCTL_API": "3"}, check=False)
        return done.stdout + done.stderr

    def leader(self):
        def found():
            for member in self.members:
                if not member.process.is_running():
                    continue
                out = self.ctl("endpoint", "status", "-w", "json", member=member)
                try:
                    status = json.loads(out.splitlines()[0])[0]["Status"]
                except (ValueError, IndexError, KeyError, TypeError):
                    continue
                if status.get("leader") == status["header"]["member_id"]:
                    return member
            return None
        return wait_until(found, "etcd to have a leader")

    def keys(self, prefix="/skein"):
        out = self.ctl("get", "--prefix", "--keys-only", prefix)
        return [line for line in out.splitlines() if line.startswith(prefix)]

    def value(self, key):
        return self.ctl("get", "--print-value-only", key).strip()

    def revision(self):
        return int(self.ctl("endpoint", "status", "-w", "json",
                            member=self.leader()).split('"revision":')[1].split(",")[0])

    def close(self):
        for member in self.members:
            member.process.kill()


class Coordinator(Program):
    """One of several. With proxies, others reach it, or it reaches etcd, through them."""

    def __init__(self, fleet, name, location, flags=(), etcd_proxies=(), proxied=False, advertise=None):
        self.name = name
        port, http_port = PORTS.take(), PORTS.take()
        self.own_address = f"127.0.0.1:{port}"
        self.proxy = FaultProxy(port) if proxied else None
        self.etcd_proxies = list(etcd_proxies)
        self.address = advertise or (self.proxy.address if proxied else self.own_address)
        argv = [f"{BUILD}/skein-coordinator", "--listen", self.own_address, "--advertise", self.address,
                "--name", name, "--http", f"127.0.0.1:{http_port}", "--store", location, *flags]
        super().__init__(Process(f"coordinator {name}", argv, fleet.path(f"coordinator-{name}.log")),
                         http_port)
        self.start()

    def readiness(self):
        return http_get(self.http + "/readyz")

    def leads(self):
        return self.process.is_running() and self.readiness()[0] == 200

    def call(self, method, request=b"", timeout=5):
        with grpc.insecure_channel(self.own_address) as channel:
            return channel.unary_unary(method, lambda b: b, lambda b: b)(request, timeout=timeout)

    def is_serving(self):
        return self.call("/grpc.health.v1.Health/Check") == b"\x08\x01"

    def refusal(self, method="/skein.v1.OperatorService/ListSets", request=b""):
        """Status, message and the leader that the trailing metadata name."""
        try:
            self.call(method, request)
        except grpc.RpcError as error:
            trailers = dict(error.trailing_metadata())
            assert trailers.get("skein-refused") == "not-leading", trailers
            return error.code(), error.details(), trailers.get("skein-leader")
        return None


class Coordinators:
    """A fleet's coordinators. They end with the fleet, which thinks of them as agents."""

    def __init__(self, fleet, etcd, count=3, proxied=False, etcd_proxied=False, flags=()):
        self.fleet = fleet
        self.etcd = etcd
        self.all = []
        for i in range(1, count + 1):
            location = etcd.location
            proxies = []
            if etcd_proxied:
                proxies = [FaultProxy(m.port) for m in etcd.members]
                location = "etcd:" + ",".join(f"http://{p.address}" for p in proxies)
            one = Coordinator(fleet, f"c{i}", location, flags, proxies, proxied)
            fleet.agents[one.name] = one
            self.all.append(one)
        fleet.address = ",".join(c.address for c in self.all)
        self.wait_leader()

    def leader(self):
        return next((c for c in self.all if c.leads()), None)

    def wait_leader(self, other_than=None):
        def found():
            leader = self.leader()
            return leader is not other_than and leader
        return wait_until(found, "a coordinator to lead", every=0.01)

    def standbys(self):
        leader = self.wait_leader()
        return [c for c in self.all if c is not leader]

    def close(self):
        for one in self.all:
            for proxy in one.etcd_proxies + ([one.proxy] if one.proxy else []):
                proxy.close()


def clusters(fleet, default_members, default_coordinators):
    """For a fixture: yields what makes coordinators with their etcd. The whole fleet ends before etcd
    does."""
    made = []

    def start(members=default_members, coordinators=default_coordinators, **options):
        etcd = EtcdCluster(fleet.folder, members).start()
        made.append(etcd)
        group = Coordinators(fleet, etcd, coordinators, **options)
        made.append(group)
        return group
    yield start
    try:
        fleet.close()
    finally:
        for one in reversed(made):
            one.close()


class KeyWatch:
    """Every change below a prefix with the moment at which it was seen."""

    def __init__(self, member, prefix):
        self.events = []  # (monotonic seconds, key, mod revision, is it a put)
        self.ready = threading.Event()
        body = json.dumps({"create_request": {"key": encode(prefix), "range_end": encode(prefix[:-1] + chr(ord(prefix[-1]) + 1))}})
        request = urllib.request.Request(member.url + "/v3/watch", data=body.encode(), method="POST")
        self.answer = urllib.request.urlopen(request)
        threading.Thread(target=self._read, daemon=True).start()
        self.ready.wait(10)

    def _read(self):
        try:
            for line in self.answer:
                now = time.monotonic()
                result = json.loads(line).get("result", {})
                self.ready.set()
                for event in result.get("events", []):
                    kv = event["kv"]
                    self.events.append((now, base64.b64decode(kv["key"]).decode(), int(kv["mod_revision"]),
                                        event.get("type") != "DELETE"))
        except (OSError, ValueError, AttributeError):
            pass

    def first_put(self, after_s, below=""):
        """When the first put since that moment was seen, of a key with that prefix."""
        return next((at for at, key, _, put in list(self.events)
                     if put and at > after_s and key.startswith(below)), None)

    def close(self):
        self.answer.close()


def encode(text):
    return base64.b64encode(text.encode()).decode()
