#!/usr/bin/python3
"""Holds the sources against the rules of the house that a compiler does not know.

- An include goes only to a layer below (LAYERS), and to a library only where it is at home.
- Every header compiles alone.
- A file has at most 600 lines, and a name that no other file has.
- Some functions are banned; a function has at most 5 levels.

Usage: layers.py [--no-headers] [BUILD_DIR]   (the build folder holds the generated protobuf headers)
"""
import concurrent.futures
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

CORE = ["common/core"]
MODEL = CORE + ["common/model"]
COMMON = MODEL + ["common/rpc", "common/store", "common/pg", "common/sql", "common/http",
                  "common/wire", "common/lint", "common/trace", "common/survey",
                  "common/import"]
COORDINATOR = ["coordinator/decide", "coordinator/store", "coordinator/serve"]
AGENT = ["agent/decide", "agent/check", "agent/keep", "agent/helper", "agent/run"]

# folder -> the folders that its files may include, its own apart. The first four rows of layers
# are libraries beside each other: they do not know one another.
LAYERS = {
    "common/core": [],
    "common/model": CORE,
    "common/rpc": CORE,
    "common/store": CORE,
    "common/pg": CORE,
    "common/sql": CORE,
    "common/http": CORE,
    "common/wire": MODEL,
    "common/lint": MODEL + ["common/sql"],
    "common/trace": MODEL + ["common/pg", "common/sql", "common/lint"],
    "common/survey": MODEL + ["common/pg", "common/sql", "common/lint"],
    "common/import": MODEL + ["common/sql", "common/lint"],
    "coordinator/decide": MODEL,
    "coordinator/store": COMMON + ["coordinator/decide"],
    "coordinator/serve": COMMON + ["coordinator/decide"],
    "coordinator": COMMON + COORDINATOR,
    "coordinator/cli": COMMON,
    "agent/decide": MODEL,
    "agent/check": COMMON + ["agent/decide"],
    "agent/keep": COMMON + ["agent/decide"],
    "agent/helper": CORE,
    "agent/run": COMMON + ["agent/decide", "agent/check", "agent/keep", "agent/helper"],
    "agent": COMMON + AGENT,
}

# These never log: errors are values, logged once, at the top.
SILENT = ["common/model", "coordinator/decide", "agent/decide"]

# What an include in <> or of generated code looks like -> where it may stand.
LIBRARIES = [
    (r"pg_query/pg_query\.pb-c\.h", ["common/sql", "common/lint"]),
    (r"protobuf-c/|.*\.pb-c\.h", ["common/wire", "coordinator/serve"]),
    (r"grpc/|grpc\+\+", ["common/rpc"]),
    (r"curl/", ["common/store"]),
    (r"sqlite3", ["common/store"]),
    (r"libpq|postgresql/|pg_config|postgres_ext", ["common/pg"]),
    (r"pg_query|protobuf/pg_query", ["common/sql"]),
    (r"microhttpd", ["common/http"]),
    (r"jansson", ["common/store", "common/model", "common/wire", "common/import",
                   "coordinator/cli"]),
    (r"yaml", ["common/model"]),
    (r"openssl/", ["common/model", "common/rpc", "common/store"]),
    (r"uthash|utlist|utarray|utstring",
     ["common/", "coordinator", "agent"]),
    (r"cmocka", []),
]

BANNED = re.compile(
    r"(?<![\w.>])(strcpy|strcat|sprintf|vsprintf|strtok|atoi|atol|atof|gets|system|popen|fork|vfork|"
    r"alloca|sleep|usleep)\s*\(")
EXIT = re.compile(r"(?<![\w.>])exit\s*\(")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^">]+)[">]', re.M)
LINES_MAX = 600
LEVELS_MAX = 5  # of braces inside a function
SAME_NAMES = {"main.c", "run.sh", "README.md", "CMakeLists.txt", "__init__.py", "conftest.py"}
SYSTEM_PACKAGES = ["grpc", "gpr", "libprotobuf-c", "libpq", "libcurl", "sqlite3", "jansson",
                   "yaml-0.1", "libcrypto", "libmicrohttpd", "cmocka"]


def list_files():
    """What git knows or would add: a new file is checked before it is committed."""
    out = subprocess.run(["git", "-c", f"safe.directory={ROOT}", "ls-files", "--cached", "--others", "--exclude-standard"],
                         cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return sorted({f for f in out.splitlines() if os.path.isfile(os.path.join(ROOT, f))})


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8", errors="replace") as file:
        return file.read()


def without_comments(text):
    """The code with comments and string contents blanked; line numbers stay."""
    def blank(match):
        token = match.group(0)
        if token.startswith("/"):
            return re.sub(r"[^\n]", " ", token)
        return token[0] + " " * (len(token) - 2) + token[-1]
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text,
                  flags=re.S)


def line_of(text, position):
    return text.count("\n", 0, position) + 1


def folder_of(path):
    return os.path.dirname(path)


def check_includes(path, text, complaints):
    folder = folder_of(path)
    if folder.split("/")[0] not in ("common", "coordinator", "agent"):
        return
    if folder not in LAYERS:
        complaints.append(f"{path}: folder '{folder}' has no row in tests/lint/layers.py")
        return
    allowed = LAYERS[folder] + [folder]
    for match in INCLUDE.finditer(text):
        kind, name = match.groups()
        where = f"{path}:{line_of(text, match.start())}"
        library = next((row for row in LIBRARIES if re.match(row[0], name)), None)
        if library is not None:
            if not any(folder == home or (home.endswith("/") and folder.startswith(home)) or
                       (home in ("coordinator", "agent") and folder.startswith(home))
                       for home in library[1]):
                complaints.append(f"{where}: <{name}> belongs to {', '.join(library[1]) or 'tests'}")
            continue
        if kind == "<":
            continue
        if name.startswith("tests/") or folder_of(name) not in allowed:
            if folder_of(name) in LAYERS or name.startswith("tests/"):
                complaints.append(f"{where}: {folder} may not include {name}")
            else:
                complaints.append(f"{where}: \"{name}\" is not a full path from the top")
        elif name == "common/core/log.h" and folder in SILENT:
            complaints.append(f"{where}: {folder} never logs")


def check_own_header_first(path, text, complaints):
    header = path[:-2] + ".h"
    if path.startswith("tests/") or not path.endswith(".c") or \
            not os.path.exists(os.path.join(ROOT, header)):
        return
    first = INCLUDE.search(text)
    if first is None or first.group(2) != header:
        complaints.append(f"{path}: its own header comes first, to prove that it stands alone")


def check_functions(path, text, complaints):
    name = os.path.basename(path)
    code = without_comments(text)
    for match in BANNED.finditer(code):
        complaints.append(f"{path}:{line_of(code, match.start())}: {match.group(1)}() is banned")
    if name != "main.c" and not name.endswith("_main.c") and not path.startswith("tests/"):
        for match in EXIT.finditer(code):
            complaints.append(f"{path}:{line_of(code, match.start())}: exit() outside a main file")


def check_levels(path, text, complaints):
    depth = 0
    for number, line in enumerate(without_comments(text).splitlines(), 1):
        if line.startswith("#"):
            continue
        for char in line:
            depth += (char == "{") - (char == "}")
            if char == "{" and depth == LEVELS_MAX + 2:
                complaints.append(f"{path}:{number}: more than {LEVELS_MAX} levels; split the function")


def check_size(path, text, complaints):
    count = text.count("\n")
    if count > LINES_MAX:
        complaints.append(f"{path}: {count} lines; split the noun (at most {LINES_MAX})")


def check_names(files, complaints):
    seen = {}
    for path in files:
        name = os.path.basename(path)
        if name in SAME_NAMES or not path.endswith((".c", ".h", ".py", ".sh")):
            continue
        if name in seen:
            complaints.append(f"{path}: {seen[name]} has the same name")
        seen[name] = path


def system_flags(build):
    flags = ["-D_GNU_SOURCE", '-DSKEIN_VERSION="0"', "-std=gnu17", f"-I{ROOT}", f"-I{build}/gen",
             f"-I{build}/gen/proto"]
    out = subprocess.run(["pkg-config", "--cflags"] + SYSTEM_PACKAGES, check=True,
                         capture_output=True, text=True).stdout
    return flags + out.split()


def compile_header(path, flags):
    """gcc reads an #include of the header and nothing else."""
    done = subprocess.run(["gcc", "-x", "c", "-fsyntax-only", "-Wall", "-Wextra", "-Werror"] + flags +
                          ["-"], input=f'#include "{path}"\n', cwd=ROOT, capture_output=True,
                          text=True)
    if done.returncode != 0:
        first = (done.stderr.strip().splitlines() or ["?"])
        error = next((line for line in first if "error" in line), first[0])
        return f"{path}: does not compile alone: {error}"
    return None


def check_headers(headers, build, complaints):
    flags = system_flags(build)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for complaint in pool.map(lambda path: compile_header(path, flags), headers):
            if complaint:
                complaints.append(complaint)


def main():
    args = [a for a in sys.argv[1:] if not a.startswith("--")]
    build = os.path.abspath(args[0]) if args else os.path.join(ROOT, "build/dev")
    complaints = []
    files = list_files()
    sources = [f for f in files if f.endswith((".c", ".h"))]
    for path in files:
        if path.endswith((".c", ".h", ".py", ".sh", ".cmake")):
            check_size(path, read(path), complaints)
    for path in sources:
        text = read(path)
        check_includes(path, text, complaints)
        check_own_header_first(path, text, complaints)
        check_functions(path, text, complaints)
        check_levels(path, text, complaints)
    check_names(files, complaints)
    if "--no-headers" not in sys.argv:
        check_headers([f for f in sources if f.endswith(".h")], build, complaints)
    for complaint in complaints:
        print(complaint)
    print(f"layers: {len(sources)} sources, {len(complaints)} complaints")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
