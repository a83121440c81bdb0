"""The command against a coordinator of a few lines of Python: lost answers, leaders elsewhere, streams
that break, terminals. No database, no real coordinator: what matters is who repeats what."""
import json
import os
import pty
import re
import signal
import subprocess
import threading
import time
from concurrent import futures

import grpc
import pytest

import wire_client
from fleet import BUILD

SERVICE = "skein.v1.OperatorService"


@pytest.fixture(scope="module")
def protos(tmp_path_factory):
    wire_client.generate(str(tmp_path_factory.mktemp("python")))
    return wire_client.load("skein.v1.operator_pb2")


class Fake(grpc.GenericRpcHandler):
    """Answers each method by a function (requests, context) -> message or iterator of messages."""

    def __init__(self, protos, port=0):
        self.protos = protos
        self.methods = {}
        self.calls = []
        self.server = grpc.server(futures.ThreadPoolExecutor(8), handlers=[self],
                                  options=[("grpc.so_reuseport", 0)])
        self.port = self.server.add_insecure_port(f"127.0.0.1:{port}")
        self.address = f"127.0.0.1:{self.port}"
        self.server.start()

    def service(self, details):
        name = details.method.rsplit("/", 1)[1]
        described = self.protos.DESCRIPTOR.services_by_name["OperatorService"].methods_by_name[name]
        request_type = getattr(self.protos, described.input_type.name)

        def answer(requests, context):
            messages = list(requests)
            self.calls.append((name, messages))
            result = self.methods[name](messages, context)
            return result if hasattr(result, "__next__") else iter([result])
        return grpc.stream_stream_rpc_method_handler(
            answer, request_deserializer=request_type.FromString,
            response_serializer=lambda message: message.SerializeToString())

    def stop(self):
        self.server.stop(0).wait()


@pytest.fixture
def fakes(protos):
    made = []

    def make(port=0):
        made.append(Fake(protos, port))
        return made[-1]
    yield make
    for fake in made:
        fake.stop()


def argv_of(fake, args):
    address = fake if isinstance(fake, str) else fake.address
    return [f"{BUILD}/skein", "--coordinator", address] + list(args)


def environment(**more):
    kept = {k: v for k, v in os.environ.items() if not k.startswith("SKEIN_")}
    return {**kept, "TERM": "xterm", "LANG": "C.UTF-8", **more}


def run(fake, *args, timeout=30):
    return subprocess.run(argv_of(fake, args), capture_output=True, text=True, timeout=timeout,
                          env=environment(), stdin=subprocess.DEVNULL, check=False)


def rollout(protos, phase="RUNNING", **counts):
    phases = protos.skein_dot_v1_dot_model__pb2
    return protos.Rollout(id="r7f3a", set="billing", digest="sha256:00", target="0.4.3",
                          phase=phases.RolloutPhase.Value(f"ROLLOUT_PHASE_{phase}"),
                          policy=phases.ROLLOUT_POLICY_PAUSE, started_at_ms=1769860800000,
                          counts=phases.RolloutCounts(**(counts or {"total": 3, "migrated": 3})))


def test_a_standby_names_the_leader_and_is_believed(fakes, protos):
    leader, standby = fakes(), fakes()
    leader.methods["ListSets"] = lambda requests, context: protos.ListSetsResponse()

    def refuse(requests, context):
        context.set_trailing_metadata((("skein-leader", leader.address), ("skein-refused", "not-leading")))
        context.abort(grpc.StatusCode.UNAVAILABLE, "c2 does not lead")
    standby.methods["ListSets"] = refuse
    done = run(standby, "set", "list", "-o", "json")
    assert done.returncode == 0 and json.loads(done.stdout) == [], done
    assert [name for name, _ in leader.calls] == ["ListSets"]


def test_the_next_address_is_tried(fakes, protos):
    alive = fakes()
    alive.methods["ListSets"] = lambda requests, context: protos.ListSetsResponse()
    assert run(f"127.0.0.1:1,{alive.address}", "set", "list").returncode == 0


def test_a_start_whose_answer_was_lost_is_repeated_with_its_key(fakes, protos):
    fake = fakes()

    def start(requests, context):
        if len(fake.calls) == 1:
            context.abort(grpc.StatusCode.UNAVAILABLE, "the store is slow")
        return rollout(protos)
    fake.methods["StartRollout"] = start
    done = run(fake, "rollout", "start", "billing", "--max-failures", "2%", "--policy", "continue")
    assert done.returncode == 0 and done.stdout == "r7f3a\n", done
    first, second = [requests[0] for _, requests in fake.calls]
    assert len(first.idempotency_key) == 32 and first == second
    assert first.max_failures_percent == 2 and first.set == "billing"


@pytest.mark.parametrize("status,code", [
    ("FAILED_PRECONDITION", 7), ("ABORTED", 7), ("INVALID_ARGUMENT", 2), ("NOT_FOUND", 1),
    ("INTERNAL", 1), ("RESOURCE_EXHAUSTED", 7)])
def test_a_refusal_is_not_repeated_and_has_its_code(fakes, status, code):
    fake = fakes()
    fake.methods["StartRollout"] = lambda requests, context: context.abort(
        grpc.StatusCode[status], "rollout r1 is in the way")
    done = run(fake, "rollout", "start", "billing")
    assert done.returncode == code and "rollout r1 is in the way" in done.stderr, done
    assert len(fake.calls) == 1 and done.stdout == ""


@pytest.mark.parametrize("phase,counts,code", [
    ("SUCCEEDED", {"total": 3, "migrated": 3}, 0), ("SUCCEEDED", {"total": 3, "failed": 1}, 4),
    ("FAILED", {"total": 3, "failed": 1}, 4), ("PAUSED", {"total": 3, "failed": 1}, 5),
    ("DRY_RUN_FAILED", {"total": 3, "failed": 1}, 6), ("ABORTED", {"total": 3}, 7)])
def test_waiting_tells_how_it_ended_by_the_exit_code(fakes, protos, phase, counts, code):
    fake = fakes()
    fake.methods["WatchRollout"] = lambda requests, context: iter(
        [rollout(protos, "RUNNING", total=3), rollout(protos, phase, **counts)])
    done = run(fake, "rollout", "status", "r7", "--wait", "-o", "json")
    assert done.returncode == code and json.loads(done.stdout)["phase"] == phase, done


def test_a_watch_survives_a_coordinator_that_restarts(fakes, protos):
    fake = fakes()

    def watch(requests, context):
        yield rollout(protos, "RUNNING", total=3, migrated=len(fake.calls))
        if len(fake.calls) < 3:
            context.abort(grpc.StatusCode.UNAVAILABLE, "stopping")
        yield rollout(protos, "SUCCEEDED")
    fake.methods["WatchRollout"] = watch
    done = run(fake, "rollout", "watch", "r7", "-o", "ndjson")
    seen = [json.loads(line) for line in done.stdout.splitlines()]
    # What comes while the last one is still being printed is merged into one: only the newest counts.
    assert [o["counts"]["migrated"] for o in seen] in ([1, 2, 3, 3], [1, 2, 3]), seen
    assert seen[-1]["phase"] == "SUCCEEDED" and done.returncode == 0, done


def quiet(fake, protos):
    """A rollout in which nothing happens until the client leaves."""
    def watch(requests, context):
        yield rollout(protos, "RUNNING", total=3, running=1)
        gone = threading.Event()
        context.add_callback(gone.set)
        gone.wait(30)
    fake.methods["WatchRollout"] = watch


def test_the_timeout_leaves_and_says_that_the_work_goes_on(fakes, protos):
    fake = fakes()
    quiet(fake, protos)
    done = run(fake, "rollout", "watch", "r7", "--timeout", "2500ms")
    assert done.returncode == 124 and "the work goes on" in done.stderr, done
    lines = done.stdout.splitlines()
    assert len(lines) in (2, 3) and all("phase=RUNNING" in line for line in lines), done


class Terminal:
    """The command on a pseudo-terminal."""

    def __init__(self, fake, *args):
        master, slave = pty.openpty()
        self.process = subprocess.Popen(argv_of(fake, args), stdin=slave, stdout=slave, stderr=slave,
                                        env=environment(), start_new_session=True)
        os.close(slave)
        self.master = master
        self.text = ""

    def read_until(self, wanted, timeout=20):
        end = time.monotonic() + timeout
        while wanted not in self.text and time.monotonic() < end:
            try:
                self.text += os.read(self.master, 65536).decode(errors="replace")
            except OSError:
                break
        assert wanted in self.text, self.text
        return self.text

    def wait(self):
        code = self.process.wait(20)
        os.close(self.master)
        return code


def test_on_a_terminal_the_picture_is_drawn_in_place_and_ctrl_c_leaves(fakes, protos):
    fake = fakes()
    quiet(fake, protos)
    terminal = Terminal(fake, "rollout", "watch", "r7")
    text = terminal.read_until("\033[J\033[")  # a second frame goes up over the first
    assert re.search(r"\033\[\d+A\r", text) and "moving: " in text
    assert "skein rollout pause r7f3a" in text
    terminal.process.send_signal(signal.SIGINT)
    terminal.read_until("the work goes on")
    assert terminal.wait() == 130


def test_on_a_terminal_an_abort_is_asked_for(fakes, protos):
    fake = fakes()
    fake.methods["GetRollout"] = lambda requests, context: rollout(protos)
    fake.methods["AbortRollout"] = lambda requests, context: rollout(protos, "ABORTED")
    terminal = Terminal(fake, "rollout", "abort", "r7")
    terminal.read_until("[y/N]")
    os.write(terminal.master, b"n\n")
    terminal.read_until("nothing was done")
    assert terminal.wait() == 2
    terminal = Terminal(fake, "rollout", "abort", "r7")
    terminal.read_until("[y/N]")
    os.write(terminal.master, b"y\n")
    terminal.read_until("aborted")
    assert terminal.wait() == 0
    done = run(fake, "rollout", "abort", "r7")
    assert done.returncode == 2 and "--yes" in done.stderr, done
    assert [name for name, _ in fake.calls].count("AbortRollout") == 1


def test_a_large_set_travels_in_chunks(fakes, protos, tmp_path):
    fake = fakes()
    fake.methods["PublishSet"] = lambda requests, context: protos.PublishSetResponse(
        set="big", digest="sha256:00", changed=True, latest="0.2.0", migrations=2)
    folder = tmp_path / "big"
    folder.mkdir()
    for version in ("0.1.0", "0.2.0"):
        (folder / f"{version}__x.sql").write_text("SELECT 1;\n" + "-- padding\n" * 90000)
    done = run(fake, "set", "publish", str(folder), "--reason", "because", "--dry-run")
    assert done.returncode == 0 and "would be published" in done.stdout, done
    requests = fake.calls[0][1]
    assert len(requests) == 4 and all(len(r.chunk) <= 512 * 1024 for r in requests)
    assert requests[0].dry_run and requests[0].reason == "because" and not requests[1].dry_run
    archive = protos.skein_dot_v1_dot_model__pb2.SetArchive.FromString(
        b"".join(r.chunk for r in requests))
    assert [f.path for f in archive.files] == ["0.1.0__x.sql", "0.2.0__x.sql", "skein.yaml"]
    assert archive.files[2].content == b"name: big\n"  # the folder's name would not travel


@pytest.mark.parametrize("settings,sent", [
    ("latest: 0.3.0\n", b"latest: 0.3.0\n\nname: folder\n"), ("name: mine\n", b"name: mine\n")])
def test_a_set_is_named_after_its_folder_unless_it_says_otherwise(fakes, protos, tmp_path, settings,
                                                                  sent):
    fake = fakes()
    fake.methods["PublishSet"] = lambda requests, context: protos.PublishSetResponse(set="x")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "0.1.0__x.sql").write_text("SELECT 1;\n")
    (folder / "skein.yaml").write_text(settings)
    assert run(fake, "set", "publish", str(folder)).returncode == 0
    archive = protos.skein_dot_v1_dot_model__pb2.SetArchive.FromString(fake.calls[0][1][0].chunk)
    assert archive.files[1].content == sent


def test_a_button_whose_answer_was_lost_is_not_pressed_again(fakes):
    fake = fakes()
    fake.methods["ResumeRollout"] = lambda requests, context: context.abort(
        grpc.StatusCode.UNAVAILABLE, "stopping")
    done = run(fake, "rollout", "resume", "r7")
    assert done.returncode == 8 and "lost" in done.stderr and len(fake.calls) == 1, done


def test_tenants_that_a_coordinator_does_not_know_yet_are_said_to_be_missing(fakes, protos):
    fake = fakes()

    def tenants(requests, context):
        yield protos.ListTenantsResponse(shards_unknown=["us-1"], tenants=[
            protos.Tenant(tenant="eu-1/t_1", shard="eu-1", name="t_1")])
    fake.methods["ListTenants"] = tenants
    done = run(fake, "tenant", "list")
    assert done.returncode == 0 and "the tenants of shard us-1 are not known yet" in done.stderr, done
    # A check of drift that has not seen all tenants has not passed.
    fake.methods["ListTenants"] = lambda requests, context: iter(
        [protos.ListTenantsResponse(shards_unknown=["us-1"])])
    fake.methods["GetSet"] = lambda requests, context: protos.GetSetResponse()
    assert run(fake, "drift", "billing", "--exit-code").returncode == 8


def test_plan_json_is_the_promised_one(fakes, protos):
    fake = fakes()
    error = protos.skein_dot_v1_dot_model__pb2.TaskError(code=10, message="no version")

    def plan(requests, context):
        yield protos.PlanResponse(set="s", target="2.0.0", shards_offline=["a", "z"], tenants=[
            protos.PlannedTenant(tenant="a/1", to="2.0.0", scripts=["1.0.0__x", "2.0.0__y"])])
        yield protos.PlanResponse(set="s", target="2.0.0", shards_offline=["a", "z"], tenants=[
            protos.PlannedTenant(tenant="a/2", to="2.0.0", error=error),
            protos.PlannedTenant(tenant="a/3", **{"from": "2.0.0"}, to="2.0.0")])
    fake.methods["Plan"] = plan
    got = json.loads(run(fake, "plan", "s", "-o", "json").stdout)
    assert {k: got[k] for k in ("set", "target")} == {"set": "s", "target": "2.0.0"}
    assert got["tenants"] == [
        {"tenant": "a/1", "from": None, "to": "2.0.0", "scripts": ["1.0.0__x", "2.0.0__y"],
         "error": None},
        {"tenant": "a/2", "from": None, "to": "2.0.0", "scripts": [],
         "error": {"code": "UNMANAGED", "message": "no version"}},
        {"tenant": "a/3", "from": "2.0.0", "to": "2.0.0", "scripts": [], "error": None}]
    done = run(fake, "plan", "s", "--exit-code")
    assert done.returncode == 3 and "1 to migrate, 1 up to date, 1 cannot" in done.stdout, done
    assert "a/3" not in done.stdout
    said = done.stderr.splitlines()
    assert said == ["skein: the agent of shard a is away: its tenants are as it knew them last",
                    "skein: the tenants of shard z are not known now, so they are not in this plan"], done


def test_a_file_and_the_environment_give_options(fakes, protos, tmp_path):
    fake = fakes()
    fake.methods["ListSets"] = lambda requests, context: protos.ListSetsResponse()
    config = tmp_path / "skein.yaml"
    config.write_text(f"coordinator: [{fake.address}]\noutput: json\npolicy: continue\n")
    done = subprocess.run([f"{BUILD}/skein", "set", "list", "--config", str(config)],
                          capture_output=True, text=True, env=environment(), check=False)
    assert done.returncode == 0 and json.loads(done.stdout) == [], done
    done = subprocess.run([f"{BUILD}/skein", "set", "list"], capture_output=True, text=True,
                          env=environment(SKEIN_CONFIG=str(config), SKEIN_OUTPUT="table"), check=False)
    assert done.returncode == 0 and done.stdout == "" and "no set yet" in done.stderr, done
    config.write_text("coordinatr: x\n")
    done = subprocess.run([f"{BUILD}/skein", "set", "list", "--config", str(config)],
                          capture_output=True, text=True, env=environment(), check=False)
    assert done.returncode == 2 and "did you mean 'coordinator'" in done.stderr, done


def test_another_machine_wants_tls_or_a_word(fakes):
    done = run("198.18.0.9:7443", "set", "list")
    assert done.returncode == 2 and "--insecure" in done.stderr, done
