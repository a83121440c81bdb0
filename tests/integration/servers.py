"""Real PostgreSQL and etcd servers in temporary folders."""
import glob
import os
import shutil
import signal
import subprocess
import urllib.request

import psycopg2

from processes import PORTS, Process, unprivileged_user, wait_until


def postgres_program(name):
    found = sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"))
    return found[-1] if found else name


class PostgresTemplate:
    """A data folder made once; each server gets a copy."""

    def __init__(self, folder):
        self.folder = os.path.join(folder, "pg-template")
        self.user = unprivileged_user()
        os.makedirs(self.folder)
        identity = {}
        if self.user is not None:
            os.chown(self.folder, self.user.pw_uid, self.user.pw_gid)
            identity = {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []}
        subprocess.run([postgres_program("initdb"), "-D", self.folder, "-U", "postgres", "-A", "trust",
                        "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions"],
                       check=True, cwd="/", capture_output=True, **identity)


class Postgres:
    """A server of its own; with `primary`, a streaming standby of that one, which it reaches at
    `primary_port` (its own, or that of a proxy)."""

    def __init__(self, template, folder, name, durable=False, settings=(), primary=None,
                 primary_port=None):
        self.name = name
        self.port = PORTS.take()
        self.data = os.path.join(folder, f"pg-{name}")
        self.sockets = self.data
        if primary is None:
            subprocess.run(["cp", "-a", "--reflink=auto", template.folder, self.data], check=True)
        else:
            self._copy_primary(template, primary, primary_port or primary.port)
        options = ["-c", "listen_addresses=127.0.0.1", "-c", f"port={self.port}",
                   "-c", f"unix_socket_directories={self.sockets}", "-c", "max_connections=100",
                   "-c", "logging_collector=off", "-c", "log_min_messages=warning"]
        if not durable:
            options += ["-c", "fsync=off", "-c", "synchronous_commit=on", "-c", "full_page_writes=off"]
        for setting in settings:
            options += ["-c", setting]
        self.process = Process(f"postgres {name}",
                               [postgres_program("postgres"), "-D", self.data] + options,
                               os.path.join(folder, f"pg-{name}.log"), user=template.user, cwd="/")

    def _copy_primary(self, template, primary, primary_port):
        os.makedirs(self.data, mode=0o700)
        identity = {}
        if template.user is not None:
            os.chown(self.data, template.user.pw_uid, template.user.pw_gid)
            identity = {"user": template.user.pw_uid, "group": template.user.pw_gid,
                        "extra_groups": []}
        subprocess.run([postgres_program("pg_basebackup"), "-D", self.data, "-d",
                        primary.conninfo(), "-X", "stream", "-c", "fast", "--no-sync", "-R"],
                       check=True, cwd="/", capture_output=True, **identity)
        with open(os.path.join(self.data, "postgresql.auto.conf"), "a", encoding="utf-8") as file:
            file.write(f"primary_conninfo = 'host=127.0.0.1 port={primary_port} user=postgres'\n")

    def start(self):
        self.process.start()
        wait_until(self.is_ready, f"PostgreSQL {self.name}")
        return self

    def is_ready(self):
        self.process.assert_running()
        try:
            self.connect().close()
            return True
        except psycopg2.OperationalError:
            return False

    def conninfo(self, database="postgres"):
        return f"host=127.0.0.1 port={self.port} user=postgres dbname={database}"

    def connect(self, database="postgres"):
        connection = psycopg2.connect(self.conninfo(database) + " application_name=test")
        connection.autocommit = True
        return connection

    def sql(self, statement, parameters=None, database="postgres"):
        """Runs it with autocommit; the rows, or None where there are none."""
        connection = self.connect(database)
        try:
            cursor = connection.cursor()
            cursor.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else None
        finally:
            connection.close()

    def value(self, statement, parameters=None, database="postgres"):
        return self.sql(statement, parameters, database)[0][0]

    def stop(self, number=signal.SIGINT):
        """SIGINT: fast; SIGQUIT: immediate, as after a crash."""
        self.process.stop(number)

    def processes(self):
        """The pids of the postmaster and of its children, it first."""
        children = []
        for path in glob.glob("/proc/[0-9]*/stat"):
            try:
                with open(path, encoding="utf-8", errors="replace") as file:
                    text = file.read()
            except OSError:
                continue  # it has ended
            if int(text.rpartition(")")[2].split()[1]) == self.process.pid:
                children.append(int(path.split("/")[2]))
        return [self.process.pid] + children

    def freeze(self):
        """Everything stands still; the kernel answers for it."""
        self.process.send(signal.SIGSTOP)  # first: it makes no new ones then
        for pid in self.processes():
            os.kill(pid, signal.SIGSTOP)

    def thaw(self):
        for pid in reversed(self.processes()):
            os.kill(pid, signal.SIGCONT)

    def crash(self):
        self.process.killed = True
        self.process.stop(signal.SIGQUIT)

    def close(self):
        try:
            self.process.stop(signal.SIGQUIT)
        finally:
            shutil.rmtree(self.data, ignore_errors=True)


class Etcd:
    def __init__(self, folder, name="etcd"):
        self.name = name
        self.port = PORTS.take()
        self.peer_port = PORTS.take()
        self.data = os.path.join(folder, name)
        self.url = f"http://127.0.0.1:{self.port}"
        peer = f"http://127.0.0.1:{self.peer_port}"
        self.process = Process(
            name, ["etcd", "--name", name, "--data-dir", self.data,
                   "--listen-client-urls", self.url, "--advertise-client-urls", self.url,
                   "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
                   "--initial-cluster", f"{name}={peer}", "--log-level", "warn",
                   "--logger", "zap", "--pre-vote=true"],
            os.path.join(folder, f"{name}.log"),
            env={"ETCD_UNSUPPORTED_ARCH": os.uname().machine.replace("aarch64", "arm64")})

    def start(self):
        self.process.start()
        wait_until(self.is_ready, self.name)
        return self

    def is_ready(self):
        self.process.assert_running()
        try:
            with urllib.request.urlopen(self.url + "/health", timeout=1) as answer:
                return b'"true"' in answer.read()
        except OSError:
            return False

    def keys(self, prefix="/skein"):
        done = subprocess.run(["etcdctl", "--endpoints", self.url, "get", "--prefix", "--keys-only",
                               prefix], check=True, capture_output=True, text=True,
                              env={**os.environ, "ETCDCTL_API": "3"})
        return [line for line in done.stdout.splitlines() if line]

    def close(self):
        self.process.kill()
