"""Processes under test: free ports, start, wait for a condition, kill by pid, logs."""
import fcntl
import os
import pwd
import signal
import socket
import subprocess
import time

PORT_FIRST = 20000  # below the range that the kernel hands out for outgoing connections
PORT_COUNT = 10000
# Sanitizers and busy machines are slow; a test that waits this long has failed.
PATIENCE_S = float(os.environ.get("SKEIN_TEST_PATIENCE", "60"))


class Timeout(AssertionError):
    pass


def wait_until(condition, what, timeout=PATIENCE_S, every=0.05):
    """The condition's value as soon as it is true; Timeout says what was waited for."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Timeout(f"waited {timeout:g} s for {what}")
        time.sleep(every)


class Ports:
    """Ports that no other test process uses: each is a locked file until this process ends."""

    def __init__(self):
        self.folder = "/tmp/skein-test-ports"
        os.makedirs(self.folder, exist_ok=True)
        try:
            os.chmod(self.folder, 0o1777)
        except PermissionError:
            pass
        self.locks = []
        self.next = PORT_FIRST + (os.getpid() * 37) % PORT_COUNT

    def take(self):
        for _ in range(PORT_COUNT):
            port = self.next
            self.next = PORT_FIRST + (self.next + 1 - PORT_FIRST) % PORT_COUNT
            # By user: another user's file could not be opened.
            lock = open(f"{self.folder}/{port}.{os.getuid()}", "w", encoding="ascii")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                with socket.socket() as probe:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind(("127.0.0.1", port))
            except OSError:
                lock.close()
                continue
            self.locks.append(lock)
            return port
        raise RuntimeError("no free port")


PORTS = Ports()


def unprivileged_user():
    """The user that servers which refuse root run as; None when we are not root."""
    if os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    return None


class Process:
    """One process with a log file; started again it appends to the same log."""

    def __init__(self, name, argv, log_path, env=None, user=None, cwd=None):
        self.name = name
        self.argv = [str(word) for word in argv]
        self.log_path = log_path
        self.env = dict(env or {})
        self.user = user
        self.cwd = cwd
        self.popen = None
        self.killed = False  # by us: the exit code says nothing

    @property
    def pid(self):
        return self.popen.pid

    def start(self, **more_env):
        assert not self.is_running()
        self.killed = False
        env = {key: value for key, value in os.environ.items() if not key.startswith(("PG", "SKEIN_"))}
        env.update(self.env)
        env.update(more_env)
        identity = {}
        if self.user is not None:
            identity = {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []}
        with open(self.log_path, "ab") as log:
            log.write(f"---- {' '.join(self.argv)}\n".encode())
            log.flush()
            self.popen = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=log,
                                          stderr=log, env=env, cwd=self.cwd, **identity)
        return self

    def is_running(self):
        return self.popen is not None and self.popen.poll() is None

    def send(self, number):
        self.popen.send_signal(number)

    def kill(self):
        """kill -9, and wait for the end."""
        if self.is_running():
            self.killed = True
            self.popen.kill()
        if self.popen is not None:
            self.popen.wait()

    def wait_end(self, timeout=PATIENCE_S):
        try:
            return self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise Timeout(f"{self.name} still runs after {timeout:g} s") from None

    def stop(self, number=signal.SIGTERM, timeout=30):
        """Asks it to end and returns its exit code; None when it did not run or was killed."""
        if self.popen is None:
            return None
        if self.is_running():
            self.popen.send_signal(signal.SIGCONT)
            self.popen.send_signal(number)
            try:
                self.popen.wait(timeout)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()
                raise Timeout(f"{self.name} did not end within {timeout} s of SIGTERM") from None
        return None if self.killed else self.popen.returncode

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def log_tail(self, lines=60):
        return "\n".join(self.log().splitlines()[-lines:])

    def assert_running(self):
        if not self.is_running():
            raise AssertionError(f"{self.name} ended with {self.popen.returncode}:\n{self.log_tail()}")
