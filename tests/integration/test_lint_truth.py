"""What lint foresees is held against what PostgreSQL does: locks, rewrites, scans, for every case of
lint_corpus.py and lint_shop_corpus.py, measured by the test itself in a transaction that is rolled back."""
import json
import subprocess

import psycopg2
import pytest

from fleet import BUILD
import lint_corpus
import lint_shop_corpus
from lint_corpus import SEPARATOR
from servers import Postgres

MODES = ["", "AccessShareLock", "RowShareLock", "RowExclusiveLock", "ShareUpdateExclusiveLock",
         "ShareLock", "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock"]
NAMES = ["", "ACCESS SHARE", "ROW SHARE", "ROW EXCLUSIVE", "SHARE UPDATE EXCLUSIVE", "SHARE",
         "SHARE ROW EXCLUSIVE", "EXCLUSIVE", "ACCESS EXCLUSIVE"]
SHARE = 5
GENTLE = 4  # weaker locks are not compared: nobody waits for them but DDL
ROWS = 50   # so many rows read are a scan
# As lint names them: those of the migration's own schema by their name alone.
NAME = "CASE n.nspname WHEN 'public' THEN '' ELSE n.nspname || '.' END || c.relname"
CLASSES = ("pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
           " AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'")
CORPORA = {"first": lint_corpus, "shop": lint_shop_corpus}


class Truth:
    """One migration in a transaction, and what its own backend holds after each statement."""

    def __init__(self, cursor):
        self.cursor = cursor
        cursor.execute(f"SELECT c.oid, {NAME}, relkind FROM {CLASSES}")
        rows = cursor.fetchall()
        self.names = {oid: name for oid, name, _ in rows}
        self.tables = {name for _, name, kind in rows if kind in "rmpvS"}
        self.kinds = {name: kind for _, name, kind in rows}

    def files(self):
        """By name: an index may be made again under another oid. Only of tables that were there."""
        self.cursor.execute(f"SELECT {NAME}, c.relfilenode, coalesce(i.indrelid, c.oid) FROM {CLASSES}"
                            " LEFT JOIN pg_index i ON i.indexrelid = c.oid WHERE relkind IN ('r', 'm', 'i')")
        return {name: file for name, file, table in self.cursor.fetchall() if table in self.names}

    def rows_read(self):
        self.cursor.execute(f"SELECT c.oid, pg_stat_get_xact_tuples_returned(c.oid) FROM {CLASSES}"
                            " WHERE relkind IN ('r', 'm')")
        return {self.names[oid]: count for oid, count in self.cursor.fetchall() if oid in self.names}

    def locks(self):
        self.cursor.execute("SELECT relation, mode FROM pg_locks"
                            " WHERE pid = pg_backend_pid() AND locktype = 'relation' AND granted")
        held = {}
        for oid, mode in self.cursor.fetchall():
            name = self.names.get(oid)
            if name in self.tables:
                held[name] = max(held.get(name, 0), MODES.index(mode))
        return held

    def run(self, statement):
        files, read = self.files(), self.rows_read()
        self.cursor.execute(statement)
        held = self.locks()
        now, read_now = self.files(), self.rows_read()
        truncates = statement.lstrip().upper().startswith("TRUNCATE")
        changed = {name for name in files if name in now and now[name] != files[name]} if not truncates else set()
        rewrites = {name for name in changed if self.kinds.get(name) in ("r", "m")}
        scans = {name for name, count in read_now.items() if count - read.get(name, 0) > ROWS}
        works = bool(changed or scans)
        return held, rewrites, works and any(mode >= SHARE for mode in held.values())


def split(case):
    parts = case.split(SEPARATOR) if "$" in case or SEPARATOR in case else case.split(";")
    return [part.strip().removesuffix(";") + ";" for part in parts if part.strip()]


def fill(postgres, corpus, folder):
    """The database that the corpus starts from, and what --schema reads. Its time zone is not UTC, so that between
    timestamp and timestamptz values change."""
    (folder / "schema.sql").write_text(corpus.SCHEMA, encoding="utf-8")
    with psycopg2.connect(postgres.conninfo()) as connection:
        cursor = connection.cursor()
        cursor.execute(corpus.SCHEMA + corpus.DATA)
        cursor.execute("SELECT current_database()")
        cursor.execute(f"ALTER DATABASE {cursor.fetchone()[0]} SET timezone = 'Europe/Berlin'")
    return psycopg2.connect(postgres.conninfo())


def measure(connection, case):
    """None where PostgreSQL refuses it."""
    cursor = connection.cursor()
    truth = Truth(cursor)
    connection.rollback()
    cursor.execute("SET LOCAL max_parallel_maintenance_workers = 0")
    try:
        return [truth.run(statement) for statement in split(case)]
    except psycopg2.Error:
        return None
    finally:
        connection.rollback()


def known(folder, postgres=None):
    """How lint is told what there was before: by scripts, or by the live database."""
    return ["--schema", str(folder / "schema.sql")] if postgres is None else ["--database", postgres.conninfo()]


def foresee(folder, case, before):
    path = folder / "case.sql"
    path.write_text("\n".join(split(case)) + "\n", encoding="utf-8")
    done = subprocess.run([f"{BUILD}/skein", "lint", *before, str(path), "-o", "json"], capture_output=True, text=True, check=False)
    assert done.returncode in (0, 6), done.stderr
    held, answers = {}, []
    for statement in json.loads(done.stdout)["statements"]:
        for lock in statement["locks"]:
            mode = NAMES.index(lock["mode"])
            held[lock["relation"]] = max(held.get(lock["relation"], 0), mode)
        answers.append((dict(held), set(statement["rewrites"]), statement["grows"]))
    return answers


def strong(held, tables):
    return {name: NAMES[mode] for name, mode in held.items() if mode >= GENTLE and name in tables}


@pytest.fixture(scope="module", params=CORPORA)
def database(request, postgres_template, session_folder, tmp_path_factory):
    corpus = CORPORA[request.param]
    folder = tmp_path_factory.mktemp("truth")
    postgres = Postgres(postgres_template, session_folder, "truth_" + request.param)
    postgres.start()
    connection = fill(postgres, corpus, folder)
    yield connection, folder, postgres, corpus.CASES
    connection.close()
    postgres.close()


def compare(connection, folder, case, tables, before):
    """(complaints, growth found, growth missed, growth foreseen in vain), or None."""
    truth = measure(connection, case)
    if truth is None:
        return None
    complaints, counts = [], [0, 0, 0]
    guesses = foresee(folder, case, before)
    for number, ((held, rewrites, grows), (guess_held, guess_rewrites, guess_grows)) in enumerate(
            zip(truth, guesses), 1):
        if strong(held, tables) != strong(guess_held, tables):
            complaints.append(f"{number}: locks {strong(guess_held, tables)}, in truth {strong(held, tables)}")
        if rewrites != guess_rewrites & tables:
            complaints.append(f"{number}: rewrites {guess_rewrites}, in truth {rewrites}")
        if grows != guess_grows:
            complaints.append(f"{number}: grows {guess_grows}, in truth {grows}")
        counts[0] += grows and guess_grows
        counts[1] += grows and not guess_grows
        counts[2] += guess_grows and not grows
    return complaints, counts


def judge(database, live):
    """One line about all cases, precision, recall, and what was wrong."""
    connection, folder, postgres, cases = database
    tables = Truth(connection.cursor()).tables
    connection.rollback()
    right = refused = 0
    wrong, sums = [], [0, 0, 0]
    for case in cases:
        answer = compare(connection, folder, case, tables, known(folder, postgres if live else None))
        if answer is None:
            refused += 1
            continue
        complaints, counts = answer
        sums = [a + b for a, b in zip(sums, counts)]
        right += not complaints
        if complaints:
            wrong.append(case + "\n    " + "\n    ".join(complaints))
    found, missed, vain = sums
    precision, recall = found / (found + vain), found / (found + missed)
    words = (f"{len(cases)} migrations, {refused} refused by PostgreSQL, {right} right in all, "
             f"{len(wrong)} not; work that grows under a lock: {found} found, {missed} missed, "
             f"{vain} in vain: precision {precision:.3f}, recall {recall:.3f}")
    return words, precision, recall, wrong


@pytest.mark.parametrize("live", [False, True], ids=["scripts", "database"])
def test_lint_foresees_what_postgresql_does(database, capsys, live):
    words, precision, recall, wrong = judge(database, live)
    with capsys.disabled():
        print(f"\nlint{' and the live catalog' if live else ''}: {words}")
        for text in wrong:
            print("  " + text)
    assert precision >= 0.95 and recall >= 0.95
    assert len(wrong) <= len(database[3]) // 20
