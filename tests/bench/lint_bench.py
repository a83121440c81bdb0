"""skein's lint and squawk beside each other, statement by statement, on the corpora of
tests/integration/lint_corpus.py and lint_shop_corpus.py. The truth is measured on a real PostgreSQL, as test_lint_truth.py
does: whether a statement does work that grows with the data while a lock keeps writers out.

squawk says no such thing in so many words. It counts as having said so where one of its rules about
such work (SQUAWK_GROWS) names the statement; that it asks for a lock_timeout does not.
"""
import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../integration"))

import test_lint_truth as truth  # noqa: E402
from servers import Postgres, PostgresTemplate  # noqa: E402

SQUAWK_GROWS = {
    "adding-field-with-default", "adding-foreign-key-constraint", "adding-not-nullable-field",
    "adding-serial-primary-key-field", "ban-alter-domain-with-add-constraint", "changing-column-type",
    "constraint-missing-not-valid", "disallowed-unique-constraint", "prefer-repack",
    "require-concurrent-index-creation", "require-concurrent-reindex",
}


def squawk_says(program, folder, case):
    """For each statement whether squawk finds work that grows."""
    statements = truth.split(case)
    path = folder / "squawk.sql"
    path.write_text("\n".join(statements) + "\n", encoding="utf-8")
    done = subprocess.run([program, "--reporter=json", "--pg-version=15.0", "--assume-in-transaction",
                           str(path)], capture_output=True, text=True, check=False)
    first, lines = 0, []
    for statement in statements:
        last = first + statement.count("\n")
        lines.append((first, last))
        first = last + 1
    found = [finding["line"] for finding in json.loads(done.stdout or "[]")
             if finding["rule_name"] in SQUAWK_GROWS]
    return [any(begin <= line <= end for line in found) for begin, end in lines]


class Score:
    def __init__(self, name):
        self.name, self.right, self.found, self.missed, self.vain = name, 0, 0, 0, 0
        self.wrong = []

    def add(self, case, number, said, is_so):
        self.right += said == is_so
        self.found += said and is_so
        self.missed += is_so and not said
        self.vain += said and not is_so
        if said != is_so:
            self.wrong.append(f"{'missed' if is_so else 'in vain'}: statement {number} of {case}")

    def row(self):
        precision = self.found / max(1, self.found + self.vain)
        recall = self.found / max(1, self.found + self.missed)
        return (f"| {self.name} | {self.right} | {self.found} | {self.missed} | {self.vain} "
                f"| {precision:.3f} | {recall:.3f} |")


def run(connection, folder, postgres, cases, squawk):
    ours, live, theirs = Score("skein lint"), Score("skein lint + live catalog"), Score("squawk")
    counted = 0
    for case in cases:
        measured = truth.measure(connection, case)
        if measured is None:
            continue
        guesses = truth.foresee(folder, case, truth.known(folder))
        asked = truth.foresee(folder, case, truth.known(folder, postgres))
        others = squawk_says(squawk, folder, case) if squawk else [False] * len(measured)
        for number, ((_, _, grows), (_, _, guess), (_, _, answer), other) in enumerate(
                zip(measured, guesses, asked, others), 1):
            counted += 1
            ours.add(case, number, guess, grows)
            live.add(case, number, answer, grows)
            theirs.add(case, number, other, grows)
    return counted, [ours, live, theirs] if squawk else [ours, live]


def measure(name, corpus, options):
    """The table of one corpus."""
    work = tempfile.mkdtemp(prefix="skein-lint-")
    os.chmod(work, 0o755)
    postgres = Postgres(PostgresTemplate(work), work, "lint")
    try:
        postgres.start()
        connection = truth.fill(postgres, corpus, Path(work))
        counted, scores = run(connection, Path(work), postgres, corpus.CASES, options.squawk)
        connection.close()
    finally:
        postgres.close()
        shutil.rmtree(work, ignore_errors=True)
    print(f"\n{name}: {len(corpus.CASES)} migrations, {counted} statements that PostgreSQL takes\n")
    print("| | right | found | missed | false alarms | precision | recall |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for score in scores:
        print(score.row())
    for score in scores if options.wrong else []:
        print(f"\n{score.name}:")
        print("\n".join("  " + text for text in score.wrong))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--squawk", default="", help="its program; not asked where not given")
    parser.add_argument("--wrong", action="store_true", help="list what was wrong, too")
    options = parser.parse_args()
    for name, corpus in truth.CORPORA.items():
        measure(name, corpus, options)


if __name__ == "__main__":
    main()
