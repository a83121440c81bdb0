"""A coordinator in Python that says what a test tells it to, to a real agent."""
import queue
import threading
import time
from concurrent import futures

import grpc

from processes import PATIENCE_S, Timeout


class Stream:
    """One Connect call: `hear` what the agent says, `say` what it shall hear."""

    def __init__(self, messages, context, protos):
        self.protos = protos
        self.context = context
        self.term = 10
        self.heard = queue.Queue()
        self.to_say = queue.Queue()
        self.kept = []  # heard, but not what was waited for
        threading.Thread(target=self.listen, args=(messages,), daemon=True).start()

    def listen(self, messages):
        try:
            for message in messages:
                self.heard.put(message)
        except Exception:  # pylint: disable=broad-except  # gRPC raises a bare one when the peer is gone
            pass
        self.heard.put("end")

    def hear(self, kind, timeout=PATIENCE_S):
        """The next message of this kind ("heartbeat", ...), or the "end": it has half-closed, or is gone."""
        for message in self.kept:
            if self.kind_of(message) == kind:
                self.kept.remove(message)
                return self.body(message, kind)
        deadline = time.monotonic() + timeout
        while True:
            try:
                message = self.heard.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise Timeout(f"waited {timeout:g} s for the agent to say {kind}") from None
            if self.kind_of(message) == kind:
                return self.body(message, kind)
            self.kept.append(message)

    def heard_any(self, kind):
        """Whether such a message has come, without waiting."""
        while not self.heard.empty():
            self.kept.append(self.heard.get())
        return any(self.kind_of(m) == kind for m in self.kept)

    @staticmethod
    def kind_of(message):
        return message if isinstance(message, str) else message.WhichOneof("body")

    @staticmethod
    def body(message, kind):
        return message if isinstance(message, str) else getattr(message, kind)

    def say(self, kind, term=None, **fields):
        message = self.protos.CoordinatorMessage(term=self.term if term is None else term)
        getattr(message, kind).SetInParent()
        for name, value in fields.items():
            body = getattr(message, kind)
            if isinstance(value, list):
                getattr(body, name).extend(value)
            else:
                setattr(body, name, value)
        self.to_say.put(message)

    def welcome(self, lease=7, granted=True, ttl_ms=15000, heartbeat_ms=1000, heartbeat=0):
        self.say("welcome", lease_id=lease, lease_ttl_ms=ttl_ms, heartbeat_interval_ms=heartbeat_ms,
                 granted=granted, heartbeat=heartbeat)

    def end(self, code=grpc.StatusCode.UNAVAILABLE, words="over", leader=None):
        self.to_say.put((code, words, leader))

    def answers(self):
        while True:
            message = self.to_say.get()
            if isinstance(message, tuple):
                code, words, leader = message
                if leader is not None:
                    self.context.set_trailing_metadata((("skein-leader", leader),))
                if code is None:
                    return
                self.context.abort(code, words)
            yield message.SerializeToString()


class FakeCoordinator(grpc.GenericRpcHandler):
    """Every Connect call becomes a Stream in `streams`; every set is `archive`."""

    def __init__(self, protos, port, archive=b""):
        self.protos = protos
        self.archive = archive
        self.streams = queue.Queue()
        self.all = []
        self.fetched = 0
        self.server = grpc.server(futures.ThreadPoolExecutor(32))
        self.server.add_generic_rpc_handlers((self,))
        self.server.add_insecure_port(f"127.0.0.1:{port}")
        self.server.start()
        self.address = f"127.0.0.1:{port}"

    def service(self, handler_call_details):
        if handler_call_details.method.endswith("/Connect"):
            return grpc.stream_stream_rpc_method_handler(
                self.connect, self.protos.AgentMessage.FromString, lambda message: message)
        return grpc.unary_stream_rpc_method_handler(
            self.fetch, self.protos.FetchSetRequest.FromString,
            lambda message: message.SerializeToString())

    def connect(self, messages, context):
        stream = Stream(messages, context, self.protos)
        self.all.append(stream)
        self.streams.put(stream)
        yield from stream.answers()

    def fetch(self, _request, _context):
        self.fetched += 1
        yield self.protos.FetchSetResponse(chunk=self.archive)

    def next_stream(self, timeout=PATIENCE_S):
        try:
            return self.streams.get(timeout=timeout)
        except queue.Empty:
            raise Timeout(f"waited {timeout:g} s for the agent to connect") from None

    def close(self):
        for stream in self.all:
            stream.end(code=None)
        self.server.stop(0).wait()
