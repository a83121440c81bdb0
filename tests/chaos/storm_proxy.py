"""A small TCP proxy whose two directions can be held back, delayed or refused."""
import socket
import threading
import time

CHUNK_BYTES = 1 << 16


class Proxy:
    def __init__(self, target):
        self.target = target
        self.changed = threading.Condition()
        self.held = {True: 0, False: 0}  # by direction (True: from the client to the server)
        self.refusing = 0
        self.delay_s = 0.0
        self.closed = False
        self.sockets = set()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self, forth, refuse=False):
        with self.changed:
            if refuse:
                self.refusing += 1
                self._drop_all()
            else:
                self.held[forth] += 1
            self.changed.notify_all()

    def mend(self, forth, refuse=False):
        with self.changed:
            if refuse:
                self.refusing -= 1
            else:
                self.held[forth] -= 1
            self.changed.notify_all()

    def delay(self, more_s):
        with self.changed:
            self.delay_s = max(0.0, self.delay_s + more_s)

    def close(self):
        with self.changed:
            self.closed = True
            self._drop_all()
            self.changed.notify_all()
        self.listener.close()

    def _drop_all(self):
        for one in self.sockets:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with client:
            if not self._wait(True) or self.refusing > 0:  # connecting, too, is held back
                return
            try:
                server = socket.create_connection(self.target, timeout=5)
            except OSError:
                return
            with server:
                server.settimeout(None)
                for one in (client, server):
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with self.changed:
                    if self.closed or self.refusing > 0:
                        return
                    self.sockets |= {client, server}
                back = threading.Thread(target=self._pump, args=(server, client, False), daemon=True)
                back.start()
                self._pump(client, server, True)
                back.join()
                with self.changed:
                    self.sockets -= {client, server}

    def _wait(self, forth):
        """Until the direction is open; False when the proxy ends."""
        with self.changed:
            self.changed.wait_for(lambda: self.closed or self.held[forth] == 0)
            return not self.closed

    def _pump(self, source, sink, forth):
        try:
            while True:
                data = source.recv(CHUNK_BYTES)
                if not data or not self._wait(forth):
                    break
                if self.delay_s > 0:
                    time.sleep(self.delay_s)
                sink.sendall(data)
        except OSError:
            pass
        for one in (source, sink):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
