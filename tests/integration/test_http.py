"""/healthz, /readyz and /metrics of both programs."""
import os
import re
import time
import urllib.request

from fleet import http_get
from processes import wait_until
from sets import steps, write_set


def test_health_readiness_and_metrics(fleet):
    server = fleet.start_pg("eu")
    fleet.create_schemas(server, ["t_1", "t_2"])
    coordinator = fleet.start_coordinator()
    agent = fleet.start_agent("eu-1", server)
    fleet.wait_tenants(2)
    fleet.publish(write_set(fleet.path("billing"), steps("0.2.0")))
    fleet.roll_out("billing")
    for program in (coordinator, agent):
        assert http_get(program.http + "/healthz")[0] == 200
        assert http_get(program.http + "/readyz")[0] == 200
        assert http_get(program.http + "/nothing")[0] == 404
        request = urllib.request.Request(program.http + "/healthz", method="POST", data=b"x")
        try:
            urllib.request.urlopen(request)
            raise AssertionError("POST was served")
        except urllib.error.HTTPError as error:
            assert error.code in (404, 405)
        text = http_get(program.http + "/metrics")[1]
        for line in text.splitlines():
            assert re.fullmatch(r'# (HELP|TYPE) skein_\w+ .*|skein_\w+(\{[^{}]*\})? [-+0-9.eE]+(nan|inf)?',
                                line), line
    metrics = coordinator.metrics()

    wait_until(lambda: (m := coordinator.metrics())["skein_leading"] == m["skein_agent_sessions"] == 1,
               "the gauges to follow")
    names = " ".join(metrics)
    for word in ("lock", "mailbox", "task", "outcome", "store", "seconds_bucket"):
        assert word in names, f"no metric about {word}: {sorted(metrics)}"
    assert "task" in " ".join(agent.metrics())


def test_an_agent_without_its_database_is_not_ready_and_says_why(fleet):
    server = fleet.start_pg("eu")
    fleet.create_schemas(server, ["t_1"])
    fleet.start_coordinator()
    agent = fleet.start_agent("eu-1", server)
    server.stop()
    fleet.skein("tenant", "list")
    status, reason = wait_until(lambda: (a := http_get(agent.http + "/readyz"))[0] == 503 and a,
                                "the agent to notice")
    assert status == 503 and len(reason) > 5
    assert http_get(agent.http + "/healthz")[0] == 200
    assert fleet.skein("shard", "list", json=True).json[0]["trouble"]
    server.start()
    agent.wait_ready()


def test_an_agent_without_a_coordinator_is_not_ready(fleet):
    server = fleet.start_pg("eu")
    fleet.start_coordinator()
    agent = fleet.start_agent("eu-1", server)
    fleet.coordinator.process.stop()
    wait_until(lambda: http_get(agent.http + "/readyz")[0] == 503, "the agent to notice")
    fleet.coordinator.start()
    agent.wait_ready()


def processor_seconds(program):
    with open(f"/proc/{program.process.pid}/stat", encoding="ascii") as file:
        words = file.read().rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def test_programs_that_have_nothing_to_do_do_nothing(fleet):
    server = fleet.start_pg("eu")
    fleet.create_schemas(server, ["t_1"])
    fleet.start_coordinator()
    programs = [fleet.coordinator, fleet.start_agent("eu-1", server)]
    fleet.wait_tenants(1)  # the agent works, and has never had a task
    programs.append(fleet.start_agent("eu-1", server, key="standby"))
    before = [processor_seconds(p) for p in programs]
    time.sleep(2)
    used = [processor_seconds(p) - b for p, b in zip(programs, before)]
    assert max(used) < 0.5, used
