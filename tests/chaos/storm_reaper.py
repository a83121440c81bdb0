"""Outlives the storm: when its process is gone, however that ended, what it started goes, too.

A process of its own that reads what there is from a pipe; the pipe's end is the storm's end. It has
no parent, so that who kills the storm with all that descends from it does not kill this, too.
"""
import os
import signal
import subprocess
import sys


def started_at(pid):
    """In ticks since the machine's start: with it a pid is not taken for another process."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rsplit(")", 1)[1].split()[19]
    except OSError:
        return None


def children_of(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return [int(word) for word in file.read().split()]
    except OSError:
        return []


def signal_quietly(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


class Reaper:
    def __init__(self):
        words = ["setsid", "--fork", sys.executable, "-B", os.path.abspath(__file__)]
        self.popen = subprocess.Popen(words, stdin=subprocess.PIPE, text=True)  # pylint: disable=consider-using-with
        self.popen.wait()

    def note_process(self, pid):
        self._note(f"process {pid} {started_at(pid)}")

    def note_namespace(self, name):
        self._note(f"namespace {name} -")

    def _note(self, line):
        self.popen.stdin.write(line + "\n")
        self.popen.stdin.flush()

    def close(self):
        self.popen.stdin.close()


def reap(lines):
    for what, name, extra in (line.split() for line in lines):
        if what == "process" and started_at(name) == extra:
            for pid in [int(name)] + children_of(name):
                signal_quietly(pid, signal.SIGKILL)
    for what, name, _ in (line.split() for line in lines):
        if what == "namespace":
            subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)


if __name__ == "__main__":
    reap(list(sys.stdin))
