#!/usr/bin/python3
"""clang-tidy over our sources, as many at a time as there are processors.

A file that was clean is remembered by what clang-tidy saw of it (the preprocessed text, the command,
the configuration), so that only what changed is looked at again.

Usage: tidy.py [BUILD_DIR] [PART_OF_PATH...]
"""
import concurrent.futures
import hashlib
import json
import os
import shlex
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def output_of(command, cwd=ROOT):
    return subprocess.run(command, cwd=cwd, capture_output=True, check=True).stdout


def arguments_of(entry):
    """The compiler's arguments without the launcher, the output and the dependency files."""
    words = shlex.split(entry["command"])
    while words and not os.path.basename(words[0]).startswith(("cc", "gcc", "clang")) or \
            os.path.basename(words[0]) == "ccache":
        words.pop(0)
    kept, skip = [], False
    for word in words[1:]:
        if skip:
            skip = False
        elif word in ("-o", "-MF", "-MT"):
            skip = True
        elif word not in ("-c", "-MD", entry["file"]):
            kept.append(word)
    return kept


def key_of(entry, salt):
    text = output_of(["gcc"] + arguments_of(entry) + ["-E", "-CC", "-P", entry["file"]],
                     entry["directory"])
    return hashlib.sha256(salt + entry["file"].encode() + text).hexdigest()


def check(entry, build, cache, salt):
    try:
        mark = os.path.join(cache, key_of(entry, salt))
    except subprocess.CalledProcessError as error:
        return entry["file"], error.stderr.decode(errors="replace")
    if os.path.exists(mark):
        return entry["file"], None
    done = subprocess.run(["clang-tidy", "--quiet", "-p", build, entry["file"]], cwd=ROOT,
                          capture_output=True, text=True)
    if done.returncode != 0:
        return entry["file"], done.stdout + done.stderr
    with open(mark, "w", encoding="ascii"):
        pass
    return entry["file"], ""


def main():
    build = os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else os.path.join(ROOT, "build/dev")
    parts = sys.argv[2:]
    cache = os.path.join(ROOT, "build/tidy-cache")
    os.makedirs(cache, exist_ok=True)
    with open(os.path.join(ROOT, ".clang-tidy"), "rb") as file:
        salt = file.read() + output_of(["clang-tidy", "--version"])
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as file:
        entries = {e["file"]: e for e in json.load(file)
                   if not e["file"].startswith(build) and os.path.exists(e["file"])}
    chosen = [e for f, e in sorted(entries.items()) if not parts or any(p in f for p in parts)]
    bad = fresh = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for path, report in pool.map(lambda e: check(e, build, cache, salt), chosen):
            fresh += report is not None
            if report:
                bad += 1
                print(f"== {os.path.relpath(path, ROOT)}\n{report}", flush=True)
    print(f"tidy: {len(chosen)} files, {fresh} looked at, {bad} with findings")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
