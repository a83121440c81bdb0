"""Migrations that must not run twice, and what they leave behind in a tenant.

Each script writes its begin and its end with the transaction's id and the clock, adds a column (which
fails the second time), counts, and looks whether another migration is at work on its tenant: an
advisory lock sees also those that are rolled back later, and a sequence keeps what it saw.
"""
import random

from sets import write_set

SETS = ["alpha", "beta"]
FIRST = "0.1.0"

# alpha's first script makes the tables of both: a tenant with objects would be unmanaged for beta,
# which therefore begins with a baseline.
INIT = """CREATE TABLE storm_trace (
    set_name text NOT NULL, script text NOT NULL, edge text NOT NULL,
    txid bigint NOT NULL DEFAULT txid_current(), at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE TABLE storm_counter (set_name text PRIMARY KEY, n bigint NOT NULL);
CREATE TABLE storm_alpha (id bigserial PRIMARY KEY);
CREATE TABLE storm_beta (id bigserial PRIMARY KEY);
CREATE TABLE storm_fails (set_name text, version text, chance double precision);
CREATE TABLE storm_traffic (id int PRIMARY KEY, n bigint NOT NULL);
CREATE SEQUENCE storm_overlap;
INSERT INTO storm_counter VALUES ('alpha', 0), ('beta', 0);
INSERT INTO storm_alpha DEFAULT VALUES;
INSERT INTO storm_beta DEFAULT VALUES;
INSERT INTO storm_traffic SELECT i, 0 FROM generate_series(1, 5) AS i;
"""

STEP = """DO $$
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtext('storm'), hashtext(current_schema())) THEN
        PERFORM nextval('storm_overlap');
        RAISE EXCEPTION 'storm: another migration works on this tenant';
    END IF;
END
$$;
INSERT INTO storm_trace (set_name, script, edge) VALUES ('{set}', '{version}', 'begin');
SELECT pg_sleep({sleep});
ALTER TABLE storm_{set} ADD COLUMN c_{column} integer;
UPDATE storm_counter SET n = n + 1 WHERE set_name = '{set}';
DO $$
BEGIN
    IF random() < (SELECT coalesce(max(chance), 0) FROM storm_fails
                    WHERE set_name = '{set}' AND version = '{version}') THEN
        RAISE EXCEPTION 'storm: this tenant fails on purpose';
    END IF;
END
$$;
INSERT INTO storm_trace (set_name, script, edge) VALUES ('{set}', '{version}', 'end');
"""


class GrowingSet:
    """One set on disk that grows from round to round."""

    def __init__(self, folder, name):
        self.folder = folder
        self.name = name
        self.versions = [FIRST]
        first = INIT + step_text(name, FIRST, 0) if name == "alpha" else "SELECT 1;\n"
        self.scripts = {f"{FIRST}__init.sql": first}
        self.write()

    def write(self):
        return write_set(self.folder, self.scripts, name=self.name)

    def grow(self, rng: random.Random):
        """One to three new scripts; their versions."""
        added = []
        for _ in range(rng.choice([1, 1, 2, 3])):
            version = f"1.{len(self.versions)}.0"
            sleep = rng.choice([0, 0, 0.05, 0.1, 0.2, 0.3, 0.5, 1])
            self.scripts[f"{version}__step.sql"] = step_text(self.name, version, sleep)
            self.versions.append(version)
            added.append(version)
        self.write()
        return added


def step_text(name, version, sleep):
    return STEP.format(set=name, version=version, sleep=sleep, column=version.replace(".", "_"))
