#!/usr/bin/env python3
"""The test of the test: every mutation of mutant_list.py is found by the simulator.

mutants.py BUILD_DIR [--seeds N] [--jobs J] [--only NAME]

A mutation is applied to copies of the files in BUILD_DIR/tests/sim/mutants; what is not changed is
linked from the build. A mutant is found when a seed fails, by a check or an assertion. Fails if one
is not found, or if a change does not fit its file any more."""
import argparse
import concurrent.futures
import pathlib
import re
import subprocess
import sys
import time

from mutant_list import MUTANTS

ROOT = pathlib.Path(__file__).resolve().parents[2]
MUTANT_SECONDS_MAX = 200


class Misfit(Exception):
    pass


def read_once(path, text):
    content = path.read_text()
    if content.count(text) != 1:
        raise Misfit(f"{path}: there {content.count(text)} times, not once:\n{text}")
    return content


def apply(mutant, folder):
    """Returns the changed files, by their path in the repository."""
    changed = {}
    for file, old, new in mutant["changes"]:
        source = folder / file if file in changed else ROOT / file
        content = read_once(source, old).replace(old, new)
        changed[file] = folder / file
        changed[file].parent.mkdir(parents=True, exist_ok=True)
        changed[file].write_text(content)
    for file, text in mutant.get("copies", []):
        read_once(ROOT / file, text)
    return changed


def build(mutant, changed, folder, recipe):
    objects = []
    for file, path in changed.items():
        objects.append(folder / (path.stem + ".o"))
        subprocess.run([*recipe["compile"], "-O1", "-c", path, "-o", objects[-1]], check=True)
    # An object of the program itself takes the place of the one that it was made from; one of a
    # library is found before the library is looked at.
    stems = {path.stem + ".c.o" for path in changed.values()}
    kept = [o for o in recipe["objects"] if pathlib.Path(o).name not in stems]
    program = folder / "sim"
    subprocess.run([*recipe["link"], *objects, *kept, *recipe["libraries"], "-o", program],
                   check=True)
    return program


def hunt(mutant, build_dir, recipe, seeds):
    folder = build_dir / "tests/sim/mutants" / mutant["name"]
    folder.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    try:
        program = build(mutant, apply(mutant, folder), folder, recipe)
        run = subprocess.run([program, "--seeds", f"1-{seeds}"], stdout=subprocess.DEVNULL,
                             stderr=subprocess.PIPE, timeout=MUTANT_SECONDS_MAX, check=False)
        text = run.stderr.decode(errors="replace")
        found = re.search(r"^seed .*", text, re.M) or re.search(r".*Assertion.*", text)
        found = found.group(0) if found else f"exit {run.returncode}"
        ok = run.returncode != 0
    except Misfit as misfit:
        ok, found = False, f"does not fit any more: {misfit}"
    except subprocess.TimeoutExpired:
        ok, found = False, "not found in time"
    except subprocess.CalledProcessError as failure:
        ok, found = False, f"cannot be built: {failure}"
    if not ok and found == "exit 0":
        found = f"survives {seeds} seeds: {mutant['why']}"
    print(f"{'found' if ok else 'NOT FOUND'} {time.monotonic() - started:6.1f} s  "
          f"{mutant['name']}: {found}", flush=True)
    return ok


def read_recipe(path):
    recipe = {}
    for line in path.read_text().splitlines():
        key, _, value = line.partition("=")
        recipe[key] = [word for word in value.split(";") if word]
    return recipe


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    recipe = read_recipe(options.build / "tests/sim/mutants.txt")
    chosen = [m for m in MUTANTS if options.only in m["name"]]
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        found = list(pool.map(lambda m: hunt(m, options.build.resolve(), recipe, options.seeds),
                              chosen))
    print(f"{sum(found)} of {len(chosen)} mutants found")
    return 0 if found and all(found) else 1


if __name__ == "__main__":
    sys.exit(main())
