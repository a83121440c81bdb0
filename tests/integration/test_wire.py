"""The wire, spoken by a client that is not ours: health, reflection, operators' calls, an agent."""
import queue
import threading

import grpc
import pytest

import wire_client
from sets import schemas_of, steps, write_set

NAMES = ["t_1", "t_2", "t_3"]


@pytest.fixture(scope="module")
def wire(module_fleet):
    fleet = module_fleet
    server = fleet.start_pg("eu")
    fleet.create_schemas(server, NAMES)
    fleet.start_coordinator()
    fleet.start_agent("eu-1", server)
    fleet.wait_tenants(len(NAMES))
    fleet.publish(write_set(fleet.path("billing"), steps("0.2.0")))
    fleet.tenants = schemas_of(server, NAMES)
    wire_client.generate(fleet.path("python"))
    fleet.channel = grpc.insecure_channel(fleet.address)
    fleet.model = wire_client.load("skein.v1.model_pb2")
    fleet.agent = wire_client.load("skein.v1.agent_pb2")
    fleet.operator = wire_client.load("skein.v1.operator_pb2")
    fleet.stub = wire_client.Stub(fleet.channel,
                                  fleet.operator.DESCRIPTOR.services_by_name["OperatorService"])
    yield fleet
    fleet.channel.close()


def status_of(call):
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return caught.value


def test_health(wire):
    module = wire_client.load("wire_grpc_health_v1_health_pb2")
    stub = wire_client.Stub(wire.channel, module.DESCRIPTOR.services_by_name["Health"])
    for service in ("", "skein.v1.OperatorService", "skein.v1.AgentService"):
        answer = stub.Check(module.HealthCheckRequest(service=service), timeout=10)
        assert answer.status == module.HealthCheckResponse.SERVING
    error = status_of(lambda: stub.Check(module.HealthCheckRequest(service="no.such"), timeout=10))
    assert error.code() == grpc.StatusCode.NOT_FOUND
    watch = stub.Watch(module.HealthCheckRequest(service=""), timeout=10)
    assert next(watch).status == module.HealthCheckResponse.SERVING
    watch.cancel()


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_reflection(wire, version):
    module = wire_client.load(f"wire_grpc_reflection_{version}_reflection_pb2")
    from google.protobuf import descriptor_pb2
    stub = wire_client.Stub(wire.channel, module.DESCRIPTOR.services_by_name["ServerReflection"])
    request = module.ServerReflectionRequest
    asked = [request(list_services=""), request(file_containing_symbol="skein.v1.OperatorService"),
             request(file_by_filename="skein/v1/model.proto"),
             request(file_containing_symbol="skein.v1.OperatorService.StartRollout"),
             request(file_containing_symbol="no.such.Thing")]
    listed, by_symbol, by_name, by_method, unknown = list(
        stub.ServerReflectionInfo(iter(asked), timeout=10))
    names = {s.name for s in listed.list_services_response.service}
    assert {"skein.v1.OperatorService", "skein.v1.AgentService", "grpc.health.v1.Health",
            "grpc.reflection.v1.ServerReflection",
            "grpc.reflection.v1alpha.ServerReflection"} <= names
    for answer in (by_symbol, by_method):
        found = [descriptor_pb2.FileDescriptorProto.FromString(raw) for raw in
                 answer.file_descriptor_response.file_descriptor_proto]
        assert any(s.name == "OperatorService" for f in found for s in f.service)
    assert by_name.file_descriptor_response.file_descriptor_proto
    assert unknown.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]


def test_operator_calls(wire):
    operator, model, stub = wire.operator, wire.model, wire.stub
    sets = stub.ListSets(operator.ListSetsRequest(), timeout=10).sets
    assert [(s.name, s.latest) for s in sets] == [("billing", "0.2.0")]
    shown = stub.GetSet(operator.GetSetRequest(set="billing"), timeout=10)
    assert [m.version for m in shown.migrations] == ["0.1.0", "0.2.0"]
    pages = list(stub.Plan(operator.PlanRequest(set="billing"), timeout=10))
    assert [t.tenant for page in pages for t in page.tenants] == [f"eu-1/{n}" for n in NAMES]

    request = operator.StartRolloutRequest(set="billing", policy=model.ROLLOUT_POLICY_PAUSE,
                                           reason="wire test", idempotency_key="key-1")
    rollout = stub.StartRollout(request, timeout=10)
    again = stub.StartRollout(request, timeout=10)
    assert again.id == rollout.id  # the same key answers with the same rollout
    phases = [r.phase for r in stub.WatchRollout(operator.GetRolloutRequest(id=rollout.id), timeout=60)]
    assert phases[-1] == model.ROLLOUT_PHASE_SUCCEEDED  # and the stream ended by itself
    final = stub.GetRollout(operator.GetRolloutRequest(id=rollout.id), timeout=10)
    assert final.counts.migrated == final.counts.total == len(NAMES)
    for tenant in wire.tenants:
        tenant.assert_at("0.1.0", "0.2.0")
    tenants = [t for page in stub.ListTenants(operator.ListTenantsRequest(), timeout=10)
               for t in page.tenants]
    assert {(t.name, t.versions[0].version) for t in tenants} == {(n, "0.2.0") for n in NAMES}
    history = stub.GetTenantHistory(operator.GetTenantHistoryRequest(tenant="eu-1/t_1"), timeout=10)
    assert [e.version for e in history.entries] == ["0.2.0", "0.1.0"]


def test_wrong_calls_have_fitting_codes(wire):
    operator, stub = wire.operator, wire.stub
    error = status_of(lambda: stub.GetRollout(operator.GetRolloutRequest(id="nosuch"), timeout=10))
    assert error.code() == grpc.StatusCode.NOT_FOUND and "nosuch" in error.details()
    error = status_of(lambda: list(stub.Plan(operator.PlanRequest(set="billing", selector="a in ("),
                                             timeout=10)))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    error = status_of(lambda: stub.StartRollout(operator.StartRolloutRequest(set="nosuch"), timeout=10))
    assert error.code() == grpc.StatusCode.NOT_FOUND
    raw = wire.channel.unary_unary("/skein.v1.OperatorService/GetRollout")
    assert status_of(lambda: raw(b"\xff\xff\xff", timeout=10)).code() == \
        grpc.StatusCode.INVALID_ARGUMENT
    raw = wire.channel.unary_unary("/skein.v1.OperatorService/NoSuch")
    assert status_of(lambda: raw(b"", timeout=10)).code() == grpc.StatusCode.UNIMPLEMENTED
    huge = wire.channel.unary_unary("/skein.v1.OperatorService/ListSets")
    assert status_of(lambda: huge(b"\x00" * (5 << 20), timeout=10)).code() in (
        grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.INVALID_ARGUMENT)
    assert wire.stub.ListSets(operator.ListSetsRequest(), timeout=10).sets


def test_a_published_set_is_fetched_in_chunks(wire):
    head = wire.stub.GetSet(wire.operator.GetSetRequest(set="billing"), timeout=10).head
    stub = wire_client.Stub(wire.channel, wire.agent.DESCRIPTOR.services_by_name["AgentService"])
    chunks = [c.chunk for c in stub.FetchSet(
        wire.agent.FetchSetRequest(set="billing", digest=head.digest), timeout=10)]
    archive = wire.model.SetArchive.FromString(b"".join(chunks))
    assert {f.path for f in archive.files} >= {"0.1.0__init.sql", "0.2.0__step.sql"}
    error = status_of(lambda: list(stub.FetchSet(
        wire.agent.FetchSetRequest(set="billing", digest="sha256:" + "0" * 64), timeout=10)))
    assert error.code() == grpc.StatusCode.NOT_FOUND


class FakeAgent:
    """An agent in Python: says what it is told to, remembers what it heard."""

    def __init__(self, wire, shard, tenants=()):
        self.module = wire.agent
        self.tenants = [wire.model.TenantInfo(name=name) for name in tenants]
        self.outbox = queue.Queue()
        stub = wire_client.Stub(wire.channel, wire.agent.DESCRIPTOR.services_by_name["AgentService"])
        self.stream = stub.Connect(iter(self.outbox.get, None), timeout=60)
        self.say(hello=self.module.Hello(protocol=1, shard=shard, agent="python-1", version="test",
                                         workers=1))

    def say(self, **body):
        self.outbox.put(self.module.AgentMessage(**body))

    def report(self, refresh=0):
        self.say(tenants=self.module.TenantReport(full=True, last=True, refresh=refresh,
                                                  tenants=self.tenants))

    def hear(self, kind):
        """The next message of this kind; on the way it answers what every agent must answer."""
        for message in self.stream:
            if message.WhichOneof("body") == "refresh":
                self.report(message.refresh.refresh)
            if message.WhichOneof("body") == kind:
                return message
        raise AssertionError(f"the stream ended without {kind}")

    def close(self):
        self.outbox.put(None)
        self.stream.cancel()


def test_an_agent_says_hello_and_is_given_work(wire):
    agent = FakeAgent(wire, "py-1", ["p_1"])
    welcome = agent.hear("welcome")
    assert welcome.term > 0 and welcome.welcome.lease_id != 0 and welcome.welcome.lease_ttl_ms > 0
    agent.say(heartbeat=wire.agent.Heartbeat(sequence=1))
    assert agent.hear("heartbeat_ack").heartbeat_ack.sequence == 1
    agent.report()
    wire.wait_tenants(1, where="shard=py-1")
    rollout = wire.start_rollout("billing", "--tenants", "shard=py-1", "--dry-run-only")
    assign = agent.hear("assign").assign
    assert assign.rollout == rollout and assign.mode == wire.model.TASK_MODE_DRY_RUN
    assert [t.tenant for t in assign.tasks] == ["p_1"] and assign.token > 0
    result = wire.agent.TaskResult(rollout=rollout, mode=assign.mode, tenant="p_1", token=assign.token,
                                   outcome=wire.model.TASK_OUTCOME_SUCCEEDED, version="")
    agent.say(results=wire.agent.TaskResults(sequence=1, results=[result]))
    assert agent.hear("results_ack").results_ack.sequence == 1
    wire.wait_phase(rollout, "SUCCEEDED")
    agent.close()


def test_a_second_agent_of_a_shard_stands_by(wire):
    agent = FakeAgent(wire, "eu-1")
    assert agent.hear("standby").standby.agent
    agent.close()


def refusal_of(stub, message):
    """How the coordinator ends a stream that stays open."""
    over = threading.Event()

    def messages():
        yield message
        over.wait(30)
    try:
        return status_of(lambda: list(stub.Connect(messages(), timeout=30))).code()
    finally:
        over.set()


def test_an_agent_that_does_not_say_hello_is_refused(wire):
    module = wire.agent
    stub = wire_client.Stub(wire.channel, module.DESCRIPTOR.services_by_name["AgentService"])
    refusals = (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.FAILED_PRECONDITION)
    assert refusal_of(stub, module.AgentMessage(heartbeat=module.Heartbeat(sequence=1))) in refusals
    assert refusal_of(stub, module.AgentMessage(hello=module.Hello(protocol=99, shard="x", agent="y"))) in refusals
