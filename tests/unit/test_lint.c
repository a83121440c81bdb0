/* LIBS: skein_lint skein_sql skein_model skein_core */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/core/memory.h"
#include "common/lint/lint_run.h"
#include "common/lint/lint_type.h"
#include "common/lint/set_lint.h"

struct bench {
    struct sql_parser *parser;
    struct lint_report report;
    struct lint_run run;
};

static int setup(void **state)
{
    struct bench *bench = memory_alloc(sizeof(*bench));

    bench->parser = sql_parser_new();
    lint_run_begin(&bench->run, bench->parser, &bench->report);
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;

    lint_run_end(&bench->run);
    lint_report_release(&bench->report);
    sql_parser_free(&bench->parser);
    free(bench);
    return 0;
}

static void migrate(struct bench *bench, const char *sql)
{
    lint_run_migration(&bench->run);
    lint_run_script(&bench->run, "1.sql", bytes_of_text(sql), true);
}

static size_t count(const struct bench *bench, const char *rule)
{
    size_t found = 0;

    for (size_t i = 0; i < bench->report.count; i++) {
        found += strcmp(bench->report.findings[i].rule, rule) == 0 ? 1 : 0;
    }
    return found;
}

static const struct lint_statement *last(const struct bench *bench)
{
    return &bench->report.statements[bench->report.statement_count - 1];
}

static void an_index_on_a_table_of_an_earlier_migration_is_found(void **state)
{
    struct bench *bench = *state;

    migrate(bench, "CREATE TABLE a (id int);");
    migrate(bench, "SELECT 1;\nCREATE INDEX i ON a (id);");
    assert_int_equal(bench->report.count, 1);
    assert_string_equal(bench->report.findings[0].rule, "create-index");
    assert_int_equal(bench->report.findings[0].line, 2);
    assert_int_equal(bench->report.findings[0].statement, 2);
    assert_string_equal(bench->report.findings[0].relation, "a");
    assert_string_equal(bench->report.findings[0].lock, "SHARE");
    assert_non_null(strstr(bench->report.findings[0].fix, "CONCURRENTLY i ON a"));
    assert_true(last(bench)->grows);
}

static void what_the_same_migration_made_is_nobodys_business(void **state)
{
    struct bench *bench = *state;

    migrate(bench, "CREATE TABLE a (id int); CREATE INDEX i ON a (id);"
                   "ALTER TABLE a ADD COLUMN x float DEFAULT random(); DROP TABLE a;");
    assert_int_equal(bench->report.count, 0);
    for (size_t i = 0; i < bench->report.statement_count; i++) {
        assert_int_equal(bench->report.statements[i].lock_count, 0);
        assert_false(bench->report.statements[i].grows);
    }
}

static void a_reason_silences_one_statement_and_no_other(void **state)
{
    struct bench *bench = *state;

    migrate(bench, "-- skein:allow create-index the table is small\n"
                   "CREATE INDEX i ON a (id);\n"
                   "CREATE INDEX j ON a (id);\n"
                   "CREATE INDEX k ON a (id); -- skein:allow create-index this too\n");
    assert_int_equal(count(bench, "create-index"), 1);
    assert_int_equal(bench->report.findings[0].line, 3);
}

static void an_exception_without_a_rule_or_a_reason_is_an_error(void **state)
{
    struct bench *bench = *state;

    migrate(bench, "-- skein:allow no-such-rule because\n-- skein:allow create-index\n"
                   "CREATE INDEX i ON a (id);\n");
    assert_int_equal(count(bench, "allow"), 2);
    assert_int_equal(bench->report.error_count, 2);
    assert_int_equal(count(bench, "create-index"), 1);
}

static void a_check_that_proves_it_spares_the_scan(void **state)
{
    struct bench *bench = *state;

    migrate(bench, "CREATE TABLE a (id int, b int);");
    migrate(bench, "ALTER TABLE a ADD CONSTRAINT c CHECK (b IS NOT NULL AND id > 0) NOT VALID;");
    migrate(bench, "ALTER TABLE a VALIDATE CONSTRAINT c;");
    migrate(bench, "ALTER TABLE a ALTER COLUMN b SET NOT NULL;");
    assert_int_equal(count(bench, "set-not-null"), 0);
    assert_int_equal(last(bench)->scan_count, 0);
    migrate(bench, "ALTER TABLE a ALTER COLUMN id SET NOT NULL;");
    assert_int_equal(count(bench, "set-not-null"), 1);
}

static void a_schema_file_says_what_was_there(void **state)
{
    struct bench *bench = *state;
    struct error err = { 0 };

    assert_true(lint_run_schema(&bench->run,
                                bytes_of_text("CREATE TABLE public.a (id int, n varchar(10));"
                                              "SELECT pg_catalog.set_config('x', '', false);"),
                                &err));
    migrate(bench, "ALTER TABLE a ALTER COLUMN n TYPE varchar(20);");
    assert_int_equal(last(bench)->rewrite_count, 0);
    migrate(bench, "ALTER TABLE a ALTER COLUMN n TYPE varchar(5);");
    assert_int_equal(last(bench)->rewrite_count, 1);
    assert_false(lint_run_schema(&bench->run, bytes_of_text("nonsense"), &err));
    assert_non_null(strstr(err.message, "line 1"));
}

static void nesting_that_would_burst_a_stack_is_an_error(void **state)
{
    struct bench *bench = *state;
    enum { TERMS = 200000 };
    CLEANUP(memory_free) char *sql = memory_alloc(2 * TERMS + 16);
    char *at = sql + snprintf(sql, 16, "SELECT 1");

    for (int i = 0; i < TERMS; i++) {
        *at++ = '+';
        *at++ = '1';
    }
    migrate(bench, sql);
    assert_int_equal(count(bench, "too-deep"), 1);
    migrate(bench, "CREATE INDEX i ON a (id);"); /* and the parser lives on */
    assert_int_equal(count(bench, "create-index"), 1);
}

static void long_lists_are_not_deep(void **state)
{
    struct bench *bench = *state;
    enum { ROWS = 50000 };
    CLEANUP(memory_free) char *sql = memory_alloc(8 * ROWS + 64);
    char *at = sql + snprintf(sql, 64, "INSERT INTO a VALUES (1,2)");

    for (int i = 0; i < ROWS; i++) {
        memcpy(at, ", (1,2)", 7);
        at += 7;
    }
    migrate(bench, sql);
    assert_int_equal(bench->report.count, 0);
    assert_int_equal(last(bench)->lock_count, 1);
}

static const char *fix_of(struct bench *bench, const char *sql)
{
    size_t before = bench->report.count;

    migrate(bench, sql);
    assert_true(bench->report.count > before);
    return bench->report.findings[before].fix;
}

static void what_is_to_be_pasted_is_sql(void **state)
{
    struct bench *bench = *state;

    assert_string_equal(fix_of(bench, "ALTER TABLE \"Order\" ALTER COLUMN \"userId\" SET NOT NULL"),
                        "ALTER TABLE \"Order\" ADD CONSTRAINT \"userId_not_null\" CHECK "
                        "(\"userId\" IS NOT NULL) NOT"
                        " VALID;\n-- then, in a rollout of its own:\n"
                        "ALTER TABLE \"Order\" VALIDATE CONSTRAINT \"userId_not_null\";\n-- then:\n"
                        "ALTER TABLE \"Order\" ALTER COLUMN \"userId\" SET NOT NULL;");
    assert_string_equal(
        fix_of(bench, "ALTER TABLE \"user\" ADD UNIQUE (email, \"Zi\"\"p\")"),
        "-- skein:transaction none\n"
        "CREATE UNIQUE INDEX CONCURRENTLY \"user_email_Zi\"\"p_key\" ON \"user\" (email,"
        " \"Zi\"\"p\");\n-- then, in the next script:\n"
        "ALTER TABLE \"user\" ADD CONSTRAINT \"user_email_Zi\"\"p_key\" UNIQUE USING INDEX"
        " \"user_email_Zi\"\"p_key\";");
    assert_string_equal(
        fix_of(bench, "CREATE INDEX ON orders (a, lower(b)) INCLUDE (c)"),
        "-- skein:transaction none\nCREATE INDEX CONCURRENTLY orders_a_lower_c_idx ON"
        " orders (a, lower(b)) INCLUDE (c);");
    assert_string_equal(fix_of(bench, "ALTER TABLE b ADD CHECK (x > 0 AND x < 9) -- why"),
                        "ALTER TABLE b ADD CHECK (x > 0 AND x < 9) -- why\nNOT VALID\n;\n"
                        "-- then, in a rollout of its own:\n"
                        "ALTER TABLE b VALIDATE CONSTRAINT b_x_check;");
    assert_string_equal(fix_of(bench, "ALTER TABLE c ADD FOREIGN KEY (x, y) REFERENCES d"),
                        "ALTER TABLE c ADD FOREIGN KEY (x, y) REFERENCES d NOT VALID;\n"
                        "-- then, in a rollout of its own:\n"
                        "ALTER TABLE c VALIDATE CONSTRAINT c_x_y_fkey;");
    migrate(bench, "CREATE TABLE parts (id int) PARTITION BY RANGE (id)");
    assert_non_null(strstr(fix_of(bench, "CREATE INDEX ON parts (id)"), "ON ONLY the parent"));
}

static void an_enum_value_waits_for_the_next_transaction(void **state)
{
    struct bench *bench = *state;

    migrate(bench, "ALTER TYPE mood ADD VALUE 'great'; UPDATE a SET m = 'great' WHERE id = 1;");
    assert_int_equal(count(bench, "enum-use"), 1);
    migrate(bench, "UPDATE a SET m = 'great' WHERE id = 1;");
    assert_int_equal(count(bench, "enum-use"), 1);
}

static void code_inside_is_read_and_cannot_ask_for_endless_work(void **state)
{
    struct bench *bench = *state;

    migrate(bench, "DO $$ BEGIN CREATE INDEX i ON a (id); END $$;");
    assert_int_equal(count(bench, "create-index"), 1);
    migrate(bench, "DO $$ BEGIN EXECUTE 'CREATE INDEX i ON ' || x; COMMIT; END $$;");
    assert_int_equal(count(bench, "opaque"), 1);
    assert_int_equal(count(bench, "transaction-control"), 1);
    migrate(bench, "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS"
                   " 'SELECT f() + f() + f() + f() + f() + f() + f() + f() + f() + f()';"
                   "SELECT f();");
    assert_int_equal(count(bench, "opaque"), 2);
}

static void a_statement_says_which_servers_know_it(void **state)
{
    struct bench *bench = *state;

    migrate(bench, "CREATE TABLE a (id int) PARTITION BY RANGE (id);");
    assert_int_equal(last(bench)->since, 12);
    migrate(bench, "MERGE INTO b USING c ON b.id = c.id WHEN MATCHED THEN DELETE;");
    assert_int_equal(last(bench)->since, 15);
    assert_string_equal(last(bench)->needs, "MERGE");
    migrate(bench, "DO $$ BEGIN CREATE UNIQUE INDEX i ON c (id) NULLS NOT DISTINCT; END $$;");
    assert_int_equal(last(bench)->since, 15);
    migrate(bench, "REINDEX TABLE b;");
    assert_int_equal(last(bench)->since, 12);
    migrate(bench, "REINDEX TABLE a;");
    assert_int_equal(last(bench)->since, 14);
    assert_int_equal(count(bench, "postgres-version"), 0);
}

static void what_the_oldest_server_does_not_know_is_an_error(void **state)
{
    struct bench *bench = *state;

    bench->run.version = 14;
    migrate(bench, "CREATE OR REPLACE TRIGGER t BEFORE INSERT ON a EXECUTE FUNCTION f();");
    assert_int_equal(count(bench, "postgres-version"), 0);
    migrate(bench, "ALTER TABLE a ADD UNIQUE NULLS NOT DISTINCT (id);");
    assert_int_equal(count(bench, "postgres-version"), 1);
    bench->run.version = 13;
    migrate(bench, "ALTER TABLE a DETACH PARTITION b;");
    assert_null(strstr(bench->report.findings[bench->report.count - 1].fix, "CONCURRENTLY"));
}

static void a_rollback_is_held_against_the_catalog_after_the_whole_set(void **state)
{
    struct bench *bench = *state;
    CLEANUP(set_release) struct set set = { 0 };
    struct error err = { 0 };
    const struct set_file files[] = {
        { "0.1.0__a.down.sql", bytes_of_text("DROP TABLE a;") },
        { "0.1.0__a.sql", bytes_of_text("CREATE TABLE a (id int);") },
        { "0.2.0__b.down.sql", bytes_of_text("ALTER TABLE a ALTER n TYPE varchar(10);\n"
                                             "DROP INDEX CONCURRENTLY i;") },
        { "0.2.0__b.sql", bytes_of_text("ALTER TABLE a ADD COLUMN n varchar(20);") },
    };

    assert_true(set_parse(files, COUNT_OF(files), "x", &set, &err));
    set_lint(&bench->run, &set);
    assert_int_equal(bench->report.error_count, 0);
    assert_int_equal(count(bench, "column-type-rewrite"), 1);
    assert_int_equal(count(bench, "not-in-transaction"), 1);
    assert_int_equal(count(bench, "drop-table"), 0);
    assert_string_equal(bench->report.findings[0].rule, "varchar-length");
    assert_string_equal(bench->report.findings[1].file, "0.2.0__b.down.sql");
    assert_string_equal(last(bench)->file, "0.1.0__a.down.sql");
    assert_int_equal(last(bench)->locks[0].mode, LINT_ACCESS_EXCLUSIVE);
}

static void what_is_hard_to_change_later_is_noted(void **state)
{
    static const struct {
        const char *rule;
        const char *sql;
    } cases[] = {
        { "int-key", "CREATE TABLE s (id int PRIMARY KEY);" },
        { "int-key", "SELECT 1; CREATE TABLE s (id smallint, PRIMARY KEY (id));" },
        { "serial", "CREATE TABLE s (id bigserial);" },
        { "char-type", "CREATE TABLE s (a char(2));" },
        { "varchar-length", "CREATE TABLE s (a varchar(20));" },
        { "timestamp-zone", "CREATE TABLE s (a timestamp);" },
        { "json-type", "ALTER TABLE t ADD COLUMN a json;" },
        { "long-name",
          "CREATE TABLE a23456789012345678901234567890123456789012345678901234567890abcd"
          " (a bigint);" },
        { "enum-type", "CREATE TYPE e AS ENUM ('a');" },
        { "enum-order", "ALTER TYPE e ADD VALUE 'b';" },
        { "domain-check", "CREATE DOMAIN d AS text CHECK (VALUE <> '');" },
        { "drop-not-null", "ALTER TABLE t ALTER a DROP NOT NULL;" },
        { "drop-constraint", "ALTER TABLE t DROP CONSTRAINT c;" },
        { "wide-index", "CREATE INDEX i ON t (a, b, c, d);" },
        { "alter-again", "ALTER TABLE t ADD a bigint; ALTER TABLE t ADD b bigint;" },
        { "foreign-key-index", "CREATE TABLE s (a bigint REFERENCES t);" },
        { "assigned-twice", "UPDATE t SET a = 1, a = 2 WHERE b = 3;" },
    };
    struct bench *bench = *state;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        size_t before = count(bench, cases[i].rule);
        migrate(bench, cases[i].sql);
        if (count(bench, cases[i].rule) != before + 1) {
            fail_msg("%s: %s", cases[i].rule, cases[i].sql);
        }
    }
    size_t before = bench->report.count;
    migrate(bench, "CREATE TABLE u (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a text,"
                   " b bigint REFERENCES t, at timestamptz); CREATE INDEX ON u (b);"
                   "CREATE INDEX ON u (a, b) INCLUDE (id, at);");
    migrate(bench, "-- skein:allow json-type its readers know it\nALTER TABLE v ADD x json;");
    assert_int_equal(bench->report.count, before);
}

static void what_nobody_has_seen_is_taken_for_the_worst(void **state)
{
    struct bench *bench = *state;

    migrate(bench, "ALTER TABLE a ADD x text DEFAULT something();");
    assert_int_equal(last(bench)->rewrite_count, 1);
    migrate(bench, "ALTER TABLE a ADD y text DEFAULT lower('X');");
    assert_int_equal(last(bench)->rewrite_count, 0);
    migrate(bench, "ALTER TABLE a ALTER z TYPE text;");
    assert_int_equal(last(bench)->rewrite_count, 1);
    assert_non_null(
        strstr(bench->report.findings[bench->report.count - 1].message, "taken for the worst"));
    migrate(bench, "SELECT something();");
    assert_int_equal(count(bench, "opaque"), 1);
}

static void what_execute_is_given_is_put_together(void **state)
{
    struct bench *bench = *state;

    migrate(bench, "DO $$ DECLARE t text := 'a'; BEGIN t := 'b';"
                   " EXECUTE format('CREATE INDEX ON %I.%I (x)', 'public', t); END $$;");
    assert_int_equal(last(bench)->lock_count, 2);
    assert_int_equal(count(bench, "opaque"), 0);
    migrate(bench, "DO $$ DECLARE r record; BEGIN FOR r IN SELECT relname FROM pg_class LOOP"
                   " EXECUTE 'ALTER TABLE ' || quote_ident(r.relname) || ' ADD CHECK (x > 0)';"
                   " END LOOP; END $$;");
    assert_true(last(bench)->grows);
    assert_int_equal(count(bench, "opaque"), 1);
    migrate(bench, "SELECT 1; DO $$ BEGIN EXECUTE 'it''s ' || 'none'; END $$;");
    assert_int_equal(count(bench, "opaque"), 2);
}

static void a_script_that_is_refused_is_read_on(void **state)
{
    struct bench *bench = *state;

    migrate(bench, "BEGIN; CREATE INDEX i ON a (id); COMMIT;");
    assert_int_equal(count(bench, "transaction-control"), 2);
    assert_int_equal(count(bench, "create-index"), 1);
    assert_int_equal(bench->report.statement_count, 3);
}

static void a_rollback_that_cannot_be_read_is_an_error(void **state)
{
    struct bench *bench = *state;
    CLEANUP(set_release) struct set set = { 0 };
    struct error err = { 0 };
    const struct set_file files[] = {
        { "0.1.0__a.down.sql", bytes_of_text("DROP TABL a;") },
        { "0.1.0__a.sql", bytes_of_text("CREATE TABLE a (id int);") },
    };

    assert_true(set_parse(files, COUNT_OF(files), "x", &set, &err));
    set_lint(&bench->run, &set);
    assert_int_equal(bench->report.error_count, 1);
    assert_int_equal(count(bench, "syntax"), 1);
}

/* The findings' severities for a table of that size, between 1 kB and 1 MB a warning. */
static const char *severity_at(struct bench *bench, uint64_t bytes, const char *sql)
{
    bench->run.sizes =
        (struct lint_sizes){ .surveyed = true, .note_bytes = 1 << 10, .error_bytes = 1 << 20 };
    if (lint_catalog_find(&bench->run.catalog, "", "a") == NULL) {
        lint_run_define(&bench->run, "CREATE TABLE a (id int)");
    }
    lint_catalog_size(&bench->run.catalog, "", "a", bytes);
    bench->report.count = 0; /* else the same again would be no news */
    migrate(bench, sql);
    return bench->report.findings[bench->report.count - 1].severity;
}

static void the_size_of_a_table_decides(void **state)
{
    struct bench *bench = *state;
    const char *index = "CREATE INDEX ON a (id);";

    assert_string_equal(severity_at(bench, 1023, index), "note");
    assert_string_equal(severity_at(bench, 1 << 10, index), "warning");
    assert_string_equal(severity_at(bench, 5 << 20, index), "error");
    assert_int_equal(bench->report.error_count, 1);
    assert_non_null(strstr(bench->report.findings[0].message, "a (5 MB): nobody can write"));
    assert_int_equal(bench->report.findings[0].extent.bytes, 5 << 20);
    bench->run.sizes.error_bytes = 0;
    migrate(bench, "CREATE INDEX ON a (id, id);");
    assert_int_equal(bench->report.error_count, 1);
}

static void a_table_is_as_large_as_its_parts_under_any_name(void **state)
{
    struct bench *bench = *state;

    lint_run_define(&bench->run, "CREATE TABLE p (id int) PARTITION BY RANGE (id)");
    lint_run_define(&bench->run, "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (9)");
    lint_run_define(&bench->run, "CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (9) TO (20)");
    lint_catalog_size(&bench->run.catalog, "", "p1", 1000);
    lint_catalog_size(&bench->run.catalog, "", "p2", 24);
    bench->run.sizes = (struct lint_sizes){ .surveyed = true, .note_bytes = 1024 };
    migrate(bench, "ALTER TABLE p RENAME TO q; ALTER TABLE p1 RENAME TO q1;");
    bench->report.count = 0;
    migrate(bench, "CREATE INDEX ON q (id);");
    const struct lint_finding *finding = &bench->report.findings[0];
    assert_string_equal(finding->rule, "create-index");
    assert_string_equal(finding->severity, "warning");
    assert_int_equal(finding->extent.bytes, 1024);
    assert_true(lint_name_has(finding->extent.parts, ".p1"));
}

static void what_no_database_has_said_has_no_size(void **state)
{
    struct bench *bench = *state;

    assert_string_equal(severity_at(bench, 10, "UPDATE v SET id = 1; CREATE INDEX ON b (id);"),
                        "warning");
    assert_null(strchr(bench->report.findings[bench->report.count - 1].message, '('));
    assert_string_equal(severity_at(bench, 5 << 20, "DROP INDEX i;"), "warning");
}

/* The table of PostgreSQL's manual, row by row. */
static void modes_conflict_as_the_manual_says(void **state)
{
    static const char *const rows[LINT_MODE_COUNT] = { "", /* by mode, from ACCESS SHARE on */
                                                       "00000001", "00000011", "00001111",
                                                       "00011111", "00110111", "00111111",
                                                       "01111111", "11111111" };

    (void)state;
    for (int one = LINT_ACCESS_SHARE; one < LINT_MODE_COUNT; one++) {
        assert_false(lint_mode_conflicts((enum lint_mode)one, LINT_NO_LOCK));
        for (int other = LINT_ACCESS_SHARE; other < LINT_MODE_COUNT; other++) {
            bool conflicts = lint_mode_conflicts((enum lint_mode)one, (enum lint_mode)other);

            assert_int_equal(conflicts, rows[one][other - LINT_ACCESS_SHARE] == '1');
            assert_int_equal(conflicts,
                             lint_mode_conflicts((enum lint_mode)other, (enum lint_mode)one));
        }
    }
}

/* Also where its finding is allowed: what somebody says is safe is not seen any better. */
static void a_statement_says_that_it_may_lock_more_than_it_lists(void **state)
{
    static const struct {
        const char *sql;
        bool opaque;
    } cases[] = {
        { "ALTER TABLE a ADD COLUMN c int;", false },
        { "DO $$ BEGIN ALTER TABLE a ADD COLUMN d int; END $$;", false },
        { "DO $$ BEGIN EXECUTE 'ALTER TABLE a ' || current_setting('x'); END $$;", true },
        { "-- skein:allow opaque it is only a comment\n"
          "DO $$ BEGIN EXECUTE 'COMMENT ' || current_setting('x'); END $$;",
          true },
        { "DROP SCHEMA old CASCADE;", true },
        { "REINDEX SCHEMA old;", true },
        { "REINDEX TABLE a;", false },
    };
    struct bench *bench = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        migrate(bench, cases[i].sql);
        assert_int_equal(last(bench)->opaque, cases[i].opaque);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(modes_conflict_as_the_manual_says),
        cmocka_unit_test_setup_teardown(a_statement_says_that_it_may_lock_more_than_it_lists, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(an_index_on_a_table_of_an_earlier_migration_is_found, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_the_same_migration_made_is_nobodys_business, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_reason_silences_one_statement_and_no_other, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(an_exception_without_a_rule_or_a_reason_is_an_error, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_check_that_proves_it_spares_the_scan, setup, teardown),
        cmocka_unit_test_setup_teardown(a_schema_file_says_what_was_there, setup, teardown),
        cmocka_unit_test_setup_teardown(nesting_that_would_burst_a_stack_is_an_error, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_statement_says_which_servers_know_it, setup, teardown),
        cmocka_unit_test_setup_teardown(what_the_oldest_server_does_not_know_is_an_error, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_rollback_is_held_against_the_catalog_after_the_whole_set,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_hard_to_change_later_is_noted, setup, teardown),
        cmocka_unit_test_setup_teardown(what_nobody_has_seen_is_taken_for_the_worst, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_execute_is_given_is_put_together, setup, teardown),
        cmocka_unit_test_setup_teardown(a_script_that_is_refused_is_read_on, setup, teardown),
        cmocka_unit_test_setup_teardown(a_rollback_that_cannot_be_read_is_an_error, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_size_of_a_table_decides, setup, teardown),
        cmocka_unit_test_setup_teardown(a_table_is_as_large_as_its_parts_under_any_name, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_no_database_has_said_has_no_size, setup, teardown),
        cmocka_unit_test_setup_teardown(long_lists_are_not_deep, setup, teardown),
        cmocka_unit_test_setup_teardown(code_inside_is_read_and_cannot_ask_for_endless_work, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_is_to_be_pasted_is_sql, setup, teardown),
        cmocka_unit_test_setup_teardown(an_enum_value_waits_for_the_next_transaction, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
