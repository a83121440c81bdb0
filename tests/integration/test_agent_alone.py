"""A real agent and its database against a coordinator that says what it should not: about 12 s."""
import hashlib
import signal
import time

import pytest

import wire_client
from fake_coordinator import FakeCoordinator
from processes import PORTS, Timeout, wait_until
from sets import schemas_of, steps

FILES = {"skein.yaml": "name: billing\n", **steps("0.2.0")}
EMPTY = ("t_1", "t_2", "t_3", "t_4", "t_5", "t_6", "t_7", "t_8")


def digest_of(files):
    digest = hashlib.sha256(b"skein set 1\0")
    for path in sorted(files):
        content = files[path].encode()
        digest.update(path.encode() + b"\0" + str(len(content)).encode() + b"\0" + content)
    return "sha256:" + digest.hexdigest()


@pytest.fixture(scope="module")
def ground(module_fleet):
    """One server; each test takes tenants that nobody has touched yet."""
    fleet = module_fleet
    fleet.server = fleet.start_pg("eu")
    fleet.create_schemas(fleet.server, EMPTY)
    fleet.fresh = iter(schemas_of(fleet.server, EMPTY))
    wire_client.generate(fleet.path("python"))
    fleet.protos = wire_client.load("skein.v1.agent_pb2")
    fleet.model = wire_client.load("skein.v1.model_pb2")
    fleet.archive = fleet.model.SetArchive(
        files=[{"path": p, "content": t.encode()} for p, t in FILES.items()]).SerializeToString()
    return fleet


@pytest.fixture
def fakes(ground):
    """Makes fake coordinators, and ends them and the agent with the test."""
    made = []

    def make():
        made.append(FakeCoordinator(ground.protos, PORTS.take(), ground.archive))
        return made[-1]
    yield make
    for agent in ground.agents.values():
        agent.kill()
    for fake in made:
        fake.close()


def start_agent(ground, *addresses, **options):
    ground.address = ",".join(addresses)
    return ground.start_agent("eu-1", ground.server, wait=False, **options)


def assign(ground, stream, *tenants, token=100, **more):
    stream.say("assign", rollout="r1", mode=ground.model.TASK_MODE_RUN, set="billing",
               digest=digest_of(FILES), target="0.2.0", token=token, lock_timeout_ms=5000,
               tasks=[ground.protos.Task(tenant=t.name) for t in tenants], **more)


def outcomes(ground, results):
    names = {ground.model.TASK_OUTCOME_SUCCEEDED: "SUCCEEDED", ground.model.TASK_OUTCOME_FAILED: "FAILED"}
    return {r.tenant: names[r.outcome] for r in results.results}


def acknowledge(stream):
    """Acknowledges the next heartbeat."""
    stream.say("heartbeat_ack", sequence=stream.hear("heartbeat").sequence)


def assert_silent(stream, kind, seconds):
    with pytest.raises(Timeout):
        stream.hear(kind, timeout=seconds)


def test_only_the_newest_term_is_obeyed(ground, fakes):
    fake, tenant = fakes(), next(ground.fresh)
    start_agent(ground, fake.address)
    stream = fake.next_stream()
    hello = stream.hear("hello")
    assert (hello.shard, hello.lease_id, list(hello.running)) == ("eu-1", 0, [])
    stream.welcome()
    report = stream.hear("tenants")
    assert report.full and report.last and {t.name for t in report.tenants} == set(EMPTY)
    assign(ground, stream, tenant, term=9)
    assert_silent(stream, "results", 1)
    assert tenant.ledger() == []
    assign(ground, stream, tenant, term=11)
    assert outcomes(ground, stream.hear("results")) == {tenant.name: "SUCCEEDED"}
    tenant.assert_at("0.1.0", "0.2.0")
    stream.say("welcome", term=10, lease_id=9)  # a leader of the past
    assert "lease=9" not in ground.agents["eu-1"].process.log()


def test_nothing_begins_under_a_lease_that_is_not_proven(ground, fakes):
    fake, tenant = fakes(), next(ground.fresh)
    start_agent(ground, fake.address)
    stream = fake.next_stream()
    stream.welcome(granted=False)  # taken over from a stream before: it may be about to end
    assign(ground, stream, tenant)
    assert_silent(stream, "results", 1.5)
    assert tenant.ledger() == []
    acknowledge(stream)
    assert outcomes(ground, stream.hear("results")) == {tenant.name: "SUCCEEDED"}
    tenant.assert_at("0.1.0", "0.2.0")


def test_results_come_again_until_they_are_acknowledged(ground, fakes):
    fake, tenants = fakes(), [next(ground.fresh), next(ground.fresh)]
    start_agent(ground, fake.address)
    stream = fake.next_stream()
    stream.welcome()
    assign(ground, stream, *tenants)
    first = stream.hear("results")
    acknowledge(stream)
    stream.end()
    for _ in range(2):
        stream = fake.next_stream()
        hello = stream.hear("hello")
        assert hello.lease_id == 7
        assert {t.tenant for t in hello.running} == {t.name for t in tenants}
        stream.term += 1
        stream.welcome(granted=False)
        # What was done is in the report of the tenants, too, though they were read before it.
        told = {t.name: [v.version for v in t.versions] for t in stream.hear("tenants").tenants}
        assert all(told[t.name] == ["0.2.0"] for t in tenants)
        again = stream.hear("results")
        assert outcomes(ground, again) == {t.name: "SUCCEEDED" for t in tenants}
        stream.end()
    stream = fake.next_stream()
    stream.term += 2
    stream.welcome(granted=False)
    results = stream.hear("results")
    assert results.sequence > first.sequence
    stream.say("results_ack", sequence=results.sequence)
    acknowledge(stream)
    acknowledge(stream)
    stream.end()
    assert list(fake.next_stream().hear("hello").running) == []
    assert fake.fetched == 1
    for tenant in tenants:
        tenant.assert_at("0.1.0", "0.2.0")


def test_without_acknowledged_heartbeats_the_session_is_given_up(ground, fakes):
    fake = fakes()
    agent = start_agent(ground, fake.address)
    stream = fake.next_stream()
    began = time.monotonic()
    stream.welcome(ttl_ms=3000)
    acknowledge(stream)
    stream.hear("end")
    assert 2.5 < time.monotonic() - began < 5
    assert "event=session_lost" in agent.process.log()
    assert fake.next_stream().hear("hello").lease_id == 0


def test_it_follows_the_leader_and_comes_back_from_one_that_is_gone(ground, fakes):
    one, two = fakes(), fakes()
    start_agent(ground, one.address)
    stream = one.next_stream()
    stream.hear("hello")
    stream.end(leader=two.address)
    stream = two.next_stream(timeout=2)
    stream.hear("hello")
    stream.end(leader=f"127.0.0.1:{PORTS.take()}")  # nobody is there
    one.next_stream(timeout=3).hear("hello")  # the list again


def test_it_leaves_in_good_order(ground, fakes):
    fake, tenants = fakes(), [next(ground.fresh), next(ground.fresh)]
    agent = start_agent(ground, fake.address, workers=1)
    stream = fake.next_stream()
    stream.welcome()
    held = ground.server.connect()
    held.autocommit = False
    held.cursor().execute(f'CREATE TABLE "{tenants[0].name}".counter (n int)')  # the script waits for it
    assign(ground, stream, *tenants)
    wait_until(lambda: ground.server.value("SELECT count(*) FROM pg_locks WHERE NOT granted") > 0,
               "the task to be at work")
    agent.process.send(signal.SIGTERM)
    assert not stream.hear("leaving").done
    assert outcomes(ground, stream.hear("results")) == {tenants[1].name: "FAILED"}  # not begun: handed back
    assign(ground, stream, tenants[1], token=200)  # it crossed the goodbye
    assert outcomes(ground, stream.hear("results")) == {tenants[1].name: "FAILED"}
    assert not stream.heard_any("results")
    held.rollback()
    held.close()
    results = stream.hear("results")
    assert outcomes(ground, results) == {tenants[0].name: "SUCCEEDED"}
    for sequence in range(1, results.sequence + 1):
        stream.say("results_ack", sequence=sequence)
    assert stream.hear("leaving").done
    stream.hear("end")
    stream.end(code=None)
    assert agent.process.wait_end(10) == 0
    tenants[0].assert_at("0.1.0", "0.2.0")
    assert tenants[1].ledger() == []
