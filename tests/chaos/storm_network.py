"""The network of a storm: one namespace per node on a bridge that nobody else sees, or loopback.

A *node* is a name ("c1", "e2", "eu-a", ...). What a node listens on is asked by `listen`, what a
client connects to by `reach`: on loopback every pair of nodes has a TCP proxy of its own in
between, so that both kinds can cut one pair, both ways or one.
"""
import os
import secrets
import shutil
import subprocess
import threading
from collections import Counter

from processes import PORTS
from storm_proxy import Proxy

# 198.18.0.0/15 is set aside for testing networks: it is nobody's.
SUBNET = "198.18.77"

RULES = """
table ip storm {
    set cut { type ipv4_addr; }
    set refused { type ipv4_addr; }
    chain input {
        type filter hook input priority 0; policy accept;
        ip saddr @cut drop
        ip saddr @refused ip protocol tcp reject with tcp reset
        jump loss
    }
    chain loss { }
}
"""


def run(*words, text=None, check=True):
    done = subprocess.run([str(w) for w in words], input=text, capture_output=True, text=True, check=False)
    if check and done.returncode != 0:
        raise RuntimeError(f"`{' '.join(str(w) for w in words)}` -> {done.returncode}: {done.stderr.strip()}")
    return done


def enter(space):
    """Not `ip netns exec`, which mounts a /sys each time."""
    return ["nsenter", f"--net=/run/netns/{space}"]


def namespaces_work():
    """Whether namespaces, veth, a bridge and nftables are at hand here."""
    if os.getuid() != 0 or not all(shutil.which(p) for p in ("ip", "tc", "nft", "nsenter", "setpriv")):
        return False
    try:
        with Namespaces(["a"], None):
            return True
    except RuntimeError:
        return False


class Namespaces:
    """Each node has a namespace; a cut is a rule in the namespace that would receive."""

    kind = "namespaces"

    def __init__(self, nodes, reaper):
        self.reaper = reaper
        self.prefix = f"storm{secrets.token_hex(3)}-"
        self.hosts = {node: f"{SUBNET}.{i + 10}" for i, node in enumerate(nodes)}
        self.ports = {}
        self.made = []
        self.mutex = threading.Lock()
        self.cuts = Counter()
        self.slows = Counter()
        try:
            self._make(nodes)
        except BaseException:
            self.close()
            raise

    def _make(self, nodes):
        switch = self.prefix + "switch"
        self._add(switch)
        run("ip", "-n", switch, "link", "add", "br0", "type", "bridge", "forward_delay", "0")
        run("ip", "-n", switch, "link", "set", "br0", "up")
        for i, node in enumerate(nodes):
            space = self.prefix + node
            self._add(space)
            run("ip", "-n", switch, "link", "add", f"v{i}", "type", "veth", "peer", "name", "eth0",
                "netns", space)
            run("ip", "-n", switch, "link", "set", f"v{i}", "master", "br0", "up")
            run("ip", "-n", space, "address", "add", f"{self.hosts[node]}/24", "dev", "eth0")
            run("ip", "-n", space, "link", "set", "eth0", "up")
            run("ip", "-n", space, "link", "set", "lo", "up")
            run(*enter(space), "nft", "-f", "-", text=RULES)

    def _add(self, space):
        if self.reaper is not None:
            self.reaper.note_namespace(space)
        run("ip", "netns", "add", space)
        self.made.append(space)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def inside(self, node, user=None):
        """Words before a command that is to run on the node (the process keeps its pid)."""
        words = enter(self.prefix + node)
        if user is not None:
            words += ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
        return words

    def listen(self, node, port):
        """Host and port."""
        return self.hosts[node], port

    def reach(self, _client, node, port):
        return f"{self.hosts[node]}:{port}"

    def _nft(self, node, *words):
        run(*enter(self.prefix + node), "nft", *words)

    def cut(self, sender, receiver, how="drop"):
        """What `sender` sends does not arrive at `receiver`; counted, so cuts may overlap."""
        which = "refused" if how == "refuse" else "cut"
        with self.mutex:
            self.cuts[which, sender, receiver] += 1
            if self.cuts[which, sender, receiver] == 1:
                self._nft(receiver, f"add element ip storm {which} {{ {self.hosts[sender]} }}")

    def mend(self, sender, receiver, how="drop"):
        which = "refused" if how == "refuse" else "cut"
        with self.mutex:
            self.cuts[which, sender, receiver] -= 1
            if self.cuts[which, sender, receiver] == 0:
                self._nft(receiver, f"delete element ip storm {which} {{ {self.hosts[sender]} }}")

    def slow(self, node, loss_percent=15, rate="400kbit"):
        """Packets are lost (and sent again, later and later) and what leaves stands in a queue."""
        with self.mutex:
            self.slows[node] += 1
            if self.slows[node] == 1:
                self._nft(node, f"add rule ip storm loss numgen random mod 100 < {loss_percent} drop")
                run(*enter(self.prefix + node), "tc", "qdisc", "replace", "dev", "eth0",
                    "root", "tbf", "rate", rate, "burst", "8kb", "latency", "2s")

    def mend_slow(self, node):
        with self.mutex:
            self.slows[node] -= 1
            if self.slows[node] == 0:
                self._nft(node, "flush chain ip storm loss")
                run(*enter(self.prefix + node), "tc", "qdisc", "del", "dev", "eth0", "root")

    def close(self):
        """Only what this object made; a namespace's links and rules go with it."""
        for space in reversed(self.made):
            run("ip", "netns", "delete", space, check=False)
        self.made = []


class Loopback:
    """One machine without rights: each pair of client and server has a proxy in between.

    A cut holds bytes back, as a network that loses packets does; etcd's members know each other
    by one address each, so their proxies are per server, not per pair."""

    kind = "loopback proxies"

    def __init__(self, nodes, _reaper):
        self.nodes = list(nodes)
        self.ports = {}
        self.proxies = {}
        self.mutex = threading.Lock()
        self.cuts = Counter()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def inside(self, _node, user=None):
        return [] if user is None else ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}",
                                        "--clear-groups"]

    def listen(self, node, port):
        with self.mutex:
            if (node, port) not in self.ports:
                self.ports[node, port] = PORTS.take()
            return "127.0.0.1", self.ports[node, port]

    def reach(self, client, node, port):
        target = self.listen(node, port)
        with self.mutex:
            key = client, node, port
            if key not in self.proxies:
                self.proxies[key] = Proxy(target)
            return f"127.0.0.1:{self.proxies[key].port}"

    def _between(self, one, other):
        """The proxies between two nodes, each with whether `one` is the client."""
        for (client, server, _), proxy in self.proxies.items():
            if (client in (one, "*")) and server == other:
                yield proxy, True
            elif (client in (other, "*")) and server == one:
                yield proxy, False

    def cut(self, sender, receiver, how="drop"):
        with self.mutex:
            for proxy, forth in self._between(sender, receiver):
                proxy.cut(forth, refuse=how == "refuse")

    def mend(self, sender, receiver, how="drop"):
        with self.mutex:
            for proxy, forth in self._between(sender, receiver):
                proxy.mend(forth, refuse=how == "refuse")

    def slow(self, node, delay_s=0.15, **_):
        with self.mutex:
            for (client, server, _), proxy in self.proxies.items():
                if node in (client, server):
                    proxy.delay(delay_s)

    def mend_slow(self, node):
        with self.mutex:
            for (client, server, _), proxy in self.proxies.items():
                if node in (client, server):
                    proxy.delay(-0.15)

    def close(self):
        for proxy in self.proxies.values():
            proxy.close()
        self.proxies = {}
