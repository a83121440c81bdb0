"""How long agent/keep/fingerprint.sql takes for a schema of 50 tables, alone and beside many others of
the same size in one database, whose statistics nobody has gathered: medians, as the agent asks it."""
import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../integration"))

import psycopg2  # noqa: E402

from servers import Postgres, PostgresTemplate  # noqa: E402

TABLES = 50
DIGEST = (" SELECT encode(sha256(convert_to(string_agg(text, E'\\n' ORDER BY text COLLATE \"C\"), 'UTF8')), 'hex'),"
          " count(*) FROM line")
SETTINGS = "SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_seqscan = off"


def make_schema(cursor, name):
    cursor.execute(f"CREATE SCHEMA {name}; SET LOCAL search_path = {name};"
                   " CREATE TYPE mood AS ENUM ('a', 'b'); CREATE DOMAIN positive AS int CHECK (VALUE > 0);"
                   " CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'")
    for i in range(TABLES):
        cursor.execute(
            f"CREATE TABLE t_{i} (id bigserial PRIMARY KEY, a int NOT NULL, b text DEFAULT 'x', c timestamptz"
            f" DEFAULT now(), d mood, e positive, f numeric(10,2), g jsonb, h int REFERENCES t_{max(0, i - 1)},"
            f" CHECK (a > 0)); CREATE INDEX ON t_{i} (a); CREATE INDEX ON t_{i} (lower(b));"
            f" CREATE TRIGGER tr BEFORE UPDATE ON t_{i} FOR EACH ROW EXECUTE FUNCTION touch()")
        if i % 5 == 0:
            cursor.execute(f"CREATE VIEW v_{i} AS SELECT t.id, t.b, u.a FROM t_{i} t JOIN t_0 u USING (id);"
                           f" CREATE POLICY p ON t_{i} USING (a > 5)")


def measure(connection, sql, times):
    cursor = connection.cursor()
    took = []
    for _ in range(times):
        cursor.execute("SET LOCAL search_path = x_0; " + SETTINGS)
        started = time.perf_counter()
        cursor.execute(sql)
        _, lines = cursor.fetchone()
        took.append((time.perf_counter() - started) * 1000)
        connection.commit()
    return min(took), statistics.median(took), max(took), lines


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--beside", type=int, default=100, help="so many schemas in the second row")
    parser.add_argument("--times", type=int, default=50)
    options = parser.parse_args()
    with open(os.path.join(HERE, "../../agent/keep/fingerprint.sql"), encoding="utf-8") as file:
        sql = (file.read() + DIGEST).replace("$1", "'x_0'")
    work = tempfile.mkdtemp(prefix="skein-fingerprint-")
    os.chmod(work, 0o755)
    postgres = Postgres(PostgresTemplate(work), work, "x",
                        settings=["max_locks_per_transaction=1024", "autovacuum=off"])
    try:
        postgres.start()
        connection = psycopg2.connect(postgres.conninfo())
        made = 0
        print(f"| schemas of {TABLES} tables in the database | lines | best, ms | median, ms | worst, ms |")
        print("| ---: | ---: | ---: | ---: | ---: |")
        for count in (1, options.beside):
            while made < count:
                make_schema(connection.cursor(), f"x_{made}")
                connection.commit()
                made += 1
            best, median, worst, lines = measure(connection, sql, options.times)
            print(f"| {count} | {lines} | {best:.1f} | {median:.1f} | {worst:.1f} |", flush=True)
        connection.close()
    finally:
        postgres.close()
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
