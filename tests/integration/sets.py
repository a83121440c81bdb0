"""Migration sets for tests, and what the databases say about them.

The migrations are not idempotent on purpose: each inserts a row and adds to a counter, so that a
second application shows.
"""
import os
import shutil

import yaml


def write_set(folder, scripts, name="billing", **settings):
    """Writes a set from scratch. scripts: file name ("0.1.0__init.sql") -> text."""
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    with open(os.path.join(folder, "skein.yaml"), "w", encoding="utf-8") as file:
        yaml.safe_dump({"name": name, **settings}, file)
    for path, text in scripts.items():
        full = os.path.join(folder, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as file:
            file.write(text)
    return folder


INIT = """CREATE TABLE ledger (script text NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE TABLE counter (n bigint NOT NULL);
CREATE TABLE account (id bigserial PRIMARY KEY, email text);
CREATE SEQUENCE attempts;
CREATE TABLE fails (yes boolean NOT NULL);
INSERT INTO counter VALUES (0);
INSERT INTO fails VALUES (false);
INSERT INTO ledger (script) VALUES ('0.1.0');
UPDATE counter SET n = n + 1;
"""


def step(version, extra=""):
    """A script that leaves its trace; `extra` runs first."""
    return f"""{extra}
INSERT INTO ledger (script) VALUES ('{version}');
UPDATE counter SET n = n + 1;
"""


# A sequence is not rolled back: the dry run takes the first number, the run the second.
FAILS_IN_THE_RUN = """DO $$
BEGIN
    IF (SELECT yes FROM fails) AND nextval('attempts') > 1 THEN
        RAISE EXCEPTION 'this tenant fails in the run';
    END IF;
END
$$;
"""

UNIQUE_EMAIL = "ALTER TABLE account ADD CONSTRAINT account_email_key UNIQUE (email);"


def steps(*versions, extra=None):
    """0.1.0 and further versions as the scripts of a set; extra: version -> SQL that runs first."""
    scripts = {"0.1.0__init.sql": INIT}
    for version in versions:
        scripts[f"{version}__step.sql"] = step(version, (extra or {}).get(version, ""))
    return scripts


class Tenant:
    """A tenant as its own database has it."""

    def __init__(self, server, schema=None, database="postgres"):
        self.server = server
        self.database = database
        self.schema = schema or "public"
        self.name = schema or database

    def sql(self, statement, parameters=None):
        return self.server.sql(f'SET search_path = "{self.schema}"; {statement}', parameters,
                               self.database)

    def exists(self, table):
        return self.server.value("SELECT to_regclass(%s) IS NOT NULL",
                                 (f'"{self.schema}".{table}',), self.database)

    def ledger(self):
        """Which scripts took effect, in order of their commits; [] before the first."""
        if not self.exists("ledger"):
            return []
        return [row[0] for row in self.sql("SELECT script FROM ledger ORDER BY at, script")]

    def counter(self):
        return self.sql("SELECT n FROM counter")[0][0] if self.exists("counter") else 0

    def version(self, name="billing"):
        if not self.server.value("SELECT to_regclass('skein.tenant') IS NOT NULL",
                                 database=self.database):
            return None
        rows = self.server.sql("SELECT version FROM skein.tenant WHERE tenant = %s AND set_name = %s",
                               (self.name, name), self.database)
        return rows[0][0] if rows else None

    def history(self):
        return self.server.sql("SELECT version, script, direction, state FROM skein.history "
                               "WHERE tenant = %s ORDER BY id", (self.name,), self.database)

    def assert_at(self, *versions, at=None):
        """Exactly these scripts took effect, once each, and the journal says the same."""
        assert self.ledger() == list(versions), f"{self.name}: {self.ledger()}"
        assert self.counter() == len(versions), f"{self.name}: counter {self.counter()}"
        assert self.version() == (at or (versions[-1] if versions else None)), self.name
        done = [row[0] for row in self.history() if row[2] == "up" and row[3] == "done"]
        assert done == list(versions), f"{self.name}: journal {self.history()}"


def schemas_of(server, names):
    return [Tenant(server, schema=name) for name in names]


def databases_of(server, names):
    return [Tenant(server, database=name) for name in names]
