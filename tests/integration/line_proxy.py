"""A TCP proxy that can fall silent: connections stay open, and nothing gets through any more."""
import selectors
import socket
import threading

CHUNK = 65536


class LineProxy:
    """Forwards to `target` ("host:port") from a free port, on a thread of its own."""

    def __init__(self, target, port):
        host, target_port = target.rsplit(":", 1)
        self.target = (host, int(target_port))
        self.address = f"127.0.0.1:{port}"
        self.listener = socket.create_server(("127.0.0.1", port))
        self.selector = selectors.DefaultSelector()
        self.pairs = {}
        self.silent = threading.Event()
        self.stopped = threading.Event()
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def cut(self):
        """What is sent from now on waits in buffers, as behind a firewall that drops packets."""
        self.silent.set()

    def heal(self):
        """Connections from before the cut are dead; new ones get through."""
        for one in list(self.pairs):
            try:
                one.shutdown(socket.SHUT_RDWR)  # seen by the thread, which closes both
            except OSError:
                pass
        self.silent.clear()

    def close(self):
        self.stopped.set()
        self.thread.join()
        for one in list(self.pairs) + [self.listener]:
            one.close()

    def run(self):
        while not self.stopped.is_set():
            if self.silent.is_set():
                self.stopped.wait(0.02)
                continue
            for key, _ in self.selector.select(0.05):
                if not self.silent.is_set():
                    self.serve(key.fileobj)

    def serve(self, source):
        if source is self.listener:
            self.accept()
            return
        if source not in self.pairs:
            return  # closed together with its partner, in this very round
        try:
            data = source.recv(CHUNK)
            if data:
                self.pairs[source].sendall(data)
        except OSError:
            data = b""
        if not data:
            self.drop(source)

    def accept(self):
        near, _ = self.listener.accept()
        try:
            far = socket.create_connection(self.target, timeout=5)
        except OSError:
            near.close()
            return
        far.settimeout(5)
        for one, other in ((near, far), (far, near)):
            self.pairs[one] = other
            self.selector.register(one, selectors.EVENT_READ)

    def drop(self, one):
        other = self.pairs.pop(one)
        del self.pairs[other]
        for end in (one, other):
            self.selector.unregister(end)
            end.close()
