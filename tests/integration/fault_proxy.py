"""A TCP proxy that does to connections what networks do: cut, silence, delay, lose answers."""
import select
import socket
import threading
import time

from processes import PORTS

CHUNK = 1 << 16


class Connection:
    def __init__(self, client, server):
        self.client = client
        self.server = server
        self.loses_answer = False
        self.lock = threading.Lock()

    def close(self):
        with self.lock:
            for end in (self.client, self.server):
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
                end.close()


class FaultProxy:
    """Everything may be changed at any time, from the test's thread."""

    def __init__(self, upstream_port):
        self.upstream_port = upstream_port
        self.port = PORTS.take()
        self.address = f"127.0.0.1:{self.port}"
        self.delay_s = 0.0  # of what clients send
        self.is_cut = False
        self.is_silent = False
        self.seen = []  # what matched `note`
        self._note = None
        self._lose = None  # (matches, how many are left)
        self._hold = None
        self._held = []
        self._connections = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._closed = False
        threading.Thread(target=self._accept, daemon=True).start()

    # ---- faults ----

    def cut(self):
        """Ends all connections and refuses new ones."""
        self.is_cut = True
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            connection.close()

    def silence(self):
        """Nothing goes through, and nobody is told."""
        self.is_silent = True

    def heal(self):
        """What was held up by silence is gone with its connections, as after a long partition."""
        if self.is_silent:
            self.cut()
        self.is_cut = self.is_silent = False
        self.delay_s = 0.0

    def lose_answers(self, matches, count):
        """The next `count` requests that match arrive; their answers do not."""
        self._lose = [matches, count]

    def answers_left_to_lose(self):
        return self._lose[1] if self._lose else 0

    def hold(self, matches):
        """The next request that matches is kept back until release()."""
        self._hold = matches

    def is_holding(self):
        return bool(self._held)

    def release(self, timeout=20):
        """Sends what was kept back, though its client may be gone; the server's answer."""
        server, data = self._held.pop()
        server.settimeout(timeout)
        server.sendall(data)
        answer = server.recv(CHUNK)
        server.close()
        return answer

    def note(self, matches):
        """Appends (request, answer) to `seen` for what matches."""
        self.seen.clear()
        self._note = matches

    def close(self):
        self._closed = True
        self._listener.close()
        self.cut()
        for server, _ in self._held:
            server.close()

    # ---- threads ----

    def _accept(self):
        while not self._closed:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.is_cut or self._closed:
                client.close()
                continue
            try:
                server = socket.create_connection(("127.0.0.1", self.upstream_port), timeout=5)
                server.settimeout(None)
            except OSError:
                client.close()
                continue
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = Connection(client, server)
            with self._lock:
                self._connections.add(connection)
            threading.Thread(target=self._run, args=(connection,), daemon=True).start()

    def _wait_out_silence(self, connection):
        while self.is_silent and not self._closed:
            time.sleep(0.02)
            if connection not in self._connections:
                return

    def _run(self, connection):
        request = b""
        try:
            while True:
                for end in select.select([connection.client, connection.server], [], [])[0]:
                    data = end.recv(CHUNK)
                    self._wait_out_silence(connection)
                    if not data or self.is_cut:
                        return
                    if end is connection.client:
                        request = data
                        if not self._forward(connection, data):
                            return
                    else:
                        if self._note is not None and self._note(request):
                            self.seen.append((request, data))
                        if connection.loses_answer:
                            return
                        connection.client.sendall(data)
        except (OSError, ValueError):
            pass
        finally:
            with self._lock:
                self._connections.discard(connection)
            connection.close()

    def _forward(self, connection, data):
        """False if the connection is over."""
        if self._hold is not None and self._hold(data):
            self._hold = None
            self._held.append((connection.server.dup(), data))
            while connection.client.recv(CHUNK):  # until the client gives up
                pass
            connection.server = socket.socket()  # the held one lives on
            return False
        if self._lose is not None and self._lose[1] > 0 and self._lose[0](data):
            self._lose[1] -= 1
            connection.loses_answer = True
        if self.delay_s > 0:
            time.sleep(self.delay_s)
        connection.server.sendall(data)
        return True
