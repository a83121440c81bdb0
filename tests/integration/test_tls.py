"""Mutual TLS between all three programs; plaintext only on loopback or said aloud."""
import socket
import ssl

from fleet import BUILD
from processes import PORTS, Process, wait_until
from sets import steps, write_set
from tls_files import Authority


def take_off(fleet):
    authority = Authority(fleet.path("tls"))
    fleet.authority = authority
    server = fleet.start_pg("eu")
    fleet.create_schemas(server, ["t_1", "t_2"])
    fleet.tls_flags = authority.flags("coordinator-1")
    fleet.start_coordinator()
    fleet.tls_flags = authority.flags("agent-eu-1")
    fleet.start_agent("eu-1", server)
    fleet.cli_flags = authority.flags("ana")
    fleet.wait_tenants(2)
    return fleet


def test_three_programs_prove_who_they_are(fleet):
    take_off(fleet)
    fleet.publish(write_set(fleet.path("billing"), steps("0.2.0")))
    assert fleet.roll_out("billing")["counts"]["migrated"] == 2
    events = fleet.skein("event", "list", json=True, check=0).json
    assert all("ana" in e["actor"] for e in events if e["action"] == "set.publish"), events
    shard = fleet.skein("shard", "list", json=True, check=0).json[0]
    assert "agent-eu-1" in shard["peer"]


def test_strangers_are_refused(fleet):
    take_off(fleet)
    known = fleet.cli_flags
    fleet.cli_flags = []
    assert fleet.skein("set", "list", "--timeout", "5s").code in (8, 124)
    stranger = Authority(fleet.path("stranger"), "other")
    cert, key = stranger.issue("ana")
    fleet.cli_flags = ["--tls-cert", cert, "--tls-key", key, "--tls-ca", fleet.authority.cert]
    assert fleet.skein("set", "list", "--timeout", "5s").code in (8, 124)
    fleet.cli_flags = known[:4] + ["--tls-ca", stranger.cert]
    assert fleet.skein("set", "list", "--timeout", "5s").code in (8, 124)
    fleet.cli_flags = known
    fleet.skein("set", "list", check=0)


def served_serial(fleet):
    host, port = fleet.address.split(":")
    context = ssl.create_default_context(cafile=fleet.authority.cert)
    context.load_cert_chain(fleet.cli_flags[1], fleet.cli_flags[3])
    context.set_alpn_protocols(["h2"])
    with socket.create_connection((host, int(port)), timeout=5) as raw:
        with context.wrap_socket(raw, server_hostname="127.0.0.1") as tls:
            return tls.getpeercert()["serialNumber"]


def test_changed_files_are_read_again(fleet):
    take_off(fleet)
    before = served_serial(fleet)
    fleet.authority.issue("coordinator-1")
    wait_until(lambda: served_serial(fleet) != before, "the new certificate to be served")
    fleet.skein("set", "list", check=0)


def test_plaintext_beyond_loopback_must_be_said_aloud(fleet):
    def coordinator(*flags):
        return Process("open coordinator", [f"{BUILD}/skein-coordinator", "--store",
                                            f"sqlite:{fleet.path('open.db')}", "--listen",
                                            f"0.0.0.0:{PORTS.take()}", "--name", "c9", *flags],
                       fleet.path("open.log"))
    refused = coordinator().start()
    assert refused.wait_end() == 2
    assert "--insecure" in refused.log() and "--tls-cert" in refused.log()
    port = PORTS.take()
    spoken = coordinator("--insecure", "--http", f"127.0.0.1:{port}").start()
    from fleet import http_get
    wait_until(lambda: http_get(f"http://127.0.0.1:{port}/readyz")[0] == 200, "the open coordinator")
    assert spoken.stop() == 0
    away = fleet.skein("set", "list", "--timeout", "3s", env={"SKEIN_COORDINATOR": "192.0.2.1:7443"})
    assert away.code == 2 and "--insecure" in away.err, away
