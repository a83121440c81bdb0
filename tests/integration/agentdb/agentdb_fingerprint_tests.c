/* agentdb_fingerprint_tests.c - two schemas that are the same have the same fingerprint, and every
 * kind of difference is seen. */
#include <stdio.h>

#include "agent/keep/fingerprint.h"
#include "agentdb_fixture.h"
#include "common/core/arena.h"
#include "common/core/clock.h"

static const char schema_sql[] =
    "CREATE TYPE mood AS ENUM ('ok', 'sad'); CREATE DOMAIN positive AS int CHECK (VALUE > 0);"
    "CREATE SEQUENCE numbers; CREATE TABLE a (id bigserial PRIMARY KEY, n text DEFAULT 'x', m mood,"
    " p positive, q int DEFAULT nextval('numbers'), CHECK (q > 0));"
    "CREATE TABLE b (a_id bigint REFERENCES a, v int);"
    "CREATE INDEX a_n ON a (lower(n)); CREATE VIEW w AS SELECT a.id, b.v FROM a JOIN b ON a_id = "
    "id;"
    "CREATE FUNCTION f(m mood) RETURNS int LANGUAGE sql AS 'SELECT 1';"
    "CREATE FUNCTION t() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
    "CREATE TRIGGER tr BEFORE UPDATE ON a FOR EACH ROW EXECUTE FUNCTION t();"
    "CREATE POLICY pol ON a USING (q > 1);"
    "CREATE TABLE parts (id int) PARTITION BY RANGE (id);"
    "CREATE TABLE part_1 PARTITION OF parts FOR VALUES FROM (1) TO (10);"
    "CREATE FUNCTION body() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM a; END";

static void make_schema(struct agentdb *db, const char *name)
{
    agentdb_exec(db,
                 "DROP SCHEMA IF EXISTS \"%s\" CASCADE; CREATE SCHEMA \"%s\";"
                 "SET search_path = \"%s\"; %s; RESET search_path",
                 name, name, name, schema_sql);
}

static void read_digest(struct agentdb *db, const char *schema, char digest[FINGERPRINT_BYTES])
{
    struct error err = { 0 };

    if (!fingerprint_read(db->admin, schema, digest, &err)) {
        fail_msg("%s", err.message);
    }
    assert_int_equal(strlen(digest), FINGERPRINT_BYTES - 1);
}

static void the_name_and_the_order_do_not_count(void **state)
{
    struct agentdb *db = *state;
    char first[FINGERPRINT_BYTES];
    char second[FINGERPRINT_BYTES];

    make_schema(db, "fp_1");
    make_schema(db, "Fp \"\"odd");
    read_digest(db, "fp_1", first);
    read_digest(db, "Fp \"odd", second);
    assert_string_equal(first, second);
    agentdb_exec(
        db, "ALTER TABLE fp_1.b DROP COLUMN a_id CASCADE; ALTER TABLE fp_1.b ADD COLUMN a_id bigint"
            " REFERENCES fp_1.a; INSERT INTO fp_1.a DEFAULT VALUES");
    agentdb_exec(db, "CREATE OR REPLACE VIEW fp_1.w AS SELECT a.id, b.v FROM fp_1.a JOIN fp_1.b"
                     " ON a_id = id");
    read_digest(db, "fp_1", second);
    assert_string_equal(first, second);
}

static void every_kind_of_difference_is_seen(void **state)
{
    static const char *const changes[] = {
        "ALTER TABLE fp_2.a ADD COLUMN c int",
        "ALTER TABLE fp_2.a DROP COLUMN n CASCADE",
        "ALTER TABLE fp_2.parts ADD COLUMN v varchar(5)",
        "ALTER TABLE fp_2.a ALTER COLUMN n SET NOT NULL",
        "ALTER TABLE fp_2.a ALTER COLUMN n SET DEFAULT 'y'",
        "DROP INDEX fp_2.a_n",
        "CREATE INDEX extra ON fp_2.a (q)",
        "ALTER TABLE fp_2.a ADD CHECK (q < 100) NOT VALID",
        "ALTER TYPE fp_2.mood ADD VALUE 'mad'",
        "ALTER DOMAIN fp_2.positive SET NOT NULL",
        "ALTER SEQUENCE fp_2.numbers INCREMENT 5",
        "CREATE OR REPLACE VIEW fp_2.w AS SELECT a.id, b.v FROM fp_2.a JOIN fp_2.b ON a_id = v",
        "CREATE OR REPLACE FUNCTION fp_2.f(m fp_2.mood) RETURNS int LANGUAGE sql AS 'SELECT 2'",
        "CREATE OR REPLACE FUNCTION fp_2.body() RETURNS bigint LANGUAGE sql RETURN 5",
        "ALTER TABLE fp_2.a DISABLE TRIGGER tr",
        "DROP TRIGGER tr ON fp_2.a",
        "ALTER POLICY pol ON fp_2.a USING (q > 2)",
        "ALTER TABLE fp_2.a ENABLE ROW LEVEL SECURITY",
        "CREATE TABLE fp_2.part_2 PARTITION OF fp_2.parts FOR VALUES FROM (10) TO (20)",
        "CREATE RULE r AS ON DELETE TO fp_2.b DO INSTEAD NOTHING",
        "ALTER TABLE fp_2.b SET UNLOGGED",
        "CREATE STATISTICS fp_2.st ON n, q FROM fp_2.a",
        "CREATE TABLE fp_2.empty ()",
    };
    struct agentdb *db = *state;
    char before[FINGERPRINT_BYTES];
    char after[FINGERPRINT_BYTES];

    make_schema(db, "fp_2");
    read_digest(db, "fp_2", before);
    for (size_t i = 0; i < COUNT_OF(changes); i++) {
        agentdb_exec(db, "BEGIN; %s", changes[i]);
        read_digest(db, "fp_2", after);
        agentdb_exec(db, "ROLLBACK");
        if (strcmp(before, after) == 0) {
            fail_msg("not seen: %s", changes[i]);
        }
    }
    read_digest(db, "fp_2", after);
    assert_string_equal(before, after);
}

static void a_transaction_keeps_its_settings(void **state)
{
    struct agentdb *db = *state;
    char digest[FINGERPRINT_BYTES];

    make_schema(db, "fp_3");
    agentdb_exec(db, "BEGIN; SET LOCAL search_path = fp_3, public; SET LOCAL lock_timeout = '7s'");
    read_digest(db, "fp_3", digest);
    CLEANUP(memory_free)
    char *settings = agentdb_text(db, "SELECT current_setting('search_path') || ' ' ||"
                                      " current_setting('lock_timeout') || ' ' ||"
                                      " current_setting('enable_seqscan')");
    agentdb_exec(db, "ROLLBACK");
    assert_string_equal(settings, "fp_3, public 7s on");
}

static void lines_say_what_there_is(void **state)
{
    struct agentdb *db = *state;
    CLEANUP(arena_release) struct arena arena = { 0 };
    const char *const *lines = NULL;
    size_t count = 0;
    bool found = false;
    struct error err = { 0 };

    make_schema(db, "fp_4");
    assert_true(fingerprint_read_lines(db->admin, "fp_4", &arena, &lines, &count, &err));
    for (size_t i = 0; i < count; i++) {
        found = found ||
                strcmp(lines[i], "column a.q integer default nextval('numbers'::regclass)") == 0;
        assert_null(strstr(lines[i], "fp_4"));
    }
    assert_true(found);
    char digest[FINGERPRINT_BYTES];
    assert_false(fingerprint_read(db->admin, "fp_nowhere", digest, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
}

static void a_schema_that_is_being_changed_is_not_waited_for_long(void **state)
{
    struct agentdb *db = *state;
    CLEANUP(pg_conn_free) struct pg_conn *other = NULL;
    char digest[FINGERPRINT_BYTES];
    struct error err = { 0 };

    make_schema(db, "fp_5");
    assert_true(pg_conn_open(db->server.conninfo, "", "test", &other, &err));
    assert_true(pg_script(other, "BEGIN; LOCK TABLE fp_5.w", NULL, &err));
    const uint64_t started_ms = clock_monotonic_ms();
    assert_false(fingerprint_read(db->admin, "fp_5", digest, &err));
    assert_non_null(strstr(err.message, "55P03"));
    assert_true(clock_monotonic_ms() - started_ms < 20 * (uint64_t)FINGERPRINT_LOCK_MS);
    assert_true(pg_script(other, "ROLLBACK", NULL, &err));
    read_digest(db, "fp_5", digest);
}

int agentdb_test_fingerprint(struct agentdb *db)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(the_name_and_the_order_do_not_count, db),
        cmocka_unit_test_prestate(every_kind_of_difference_is_seen, db),
        cmocka_unit_test_prestate(a_transaction_keeps_its_settings, db),
        cmocka_unit_test_prestate(lines_say_what_there_is, db),
        cmocka_unit_test_prestate(a_schema_that_is_being_changed_is_not_waited_for_long, db),
    };

    return cmocka_run_group_tests_name("fingerprint", tests, NULL, NULL);
}
