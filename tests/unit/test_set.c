/* LIBS: skein_model */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/core/clock.h"
#include "common/core/limits.h"
#include "common/core/memory.h"
#include "common/model/set.h"
#include "tests/unit/set_fixture.h"

static void files_become_migrations_in_order_of_version(void **state)
{
    CLEANUP(set_release) struct set set = { 0 };

    (void)state;
    parse_well(FILES("0.10.0__c.sql", "SELECT 3", "0.9.0__b.sql", "SELECT 2", "0.9.0__b.down.sql",
                     "SELECT -2", "0.2.0__split_account-name.sql", "SELECT 1"),
               &set);
    assert_string_equal(set.name, "billing");
    assert_int_equal(set.migration_count, 3);
    assert_string_equal(set.migrations[0].script, "0.2.0__split_account-name");
    assert_string_equal(set.migrations[0].name, "split_account-name");
    assert_string_equal(set.migrations[0].version_text, "0.2.0");
    assert_null(set.migrations[0].operations[0].down_path);
    assert_string_equal(set.migrations[1].script, "0.9.0__b");
    assert_int_equal(set.migrations[1].operation_count, 1);
    assert_string_equal(set.migrations[1].operations[0].path, "0.9.0__b.sql");
    assert_string_equal(set.migrations[1].operations[0].down_path, "0.9.0__b.down.sql");
    assert_memory_equal(set.migrations[1].operations[0].down_content.data, "SELECT -2", 9);
    assert_string_equal(set.migrations[2].script, "0.10.0__c");
    assert_memory_equal(set.migrations[2].checksum, set.migrations[2].operations[0].checksum,
                        CHECKSUM_BYTES);
    assert_string_equal(set.latest_text, "0.10.0");
    assert_string_equal(set.min_version_text, "");
    assert_string_equal(set.reference, "");
    assert_false(set.prereleases);
    assert_ptr_equal(set_find_script(&set, "0.9.0__b"), &set.migrations[1]);
    assert_null(set_find_script(&set, "0.9.0__c"));
    assert_null(set_find_script(&set, "0.8.0__b"));
    assert_null(set_find_script(&set, "b"));
    assert_null(set_find_script(&set, ""));
}

static void a_folder_holds_operations_in_order_of_their_numbers(void **state)
{
    CLEANUP(set_release) struct set set = { 0 };

    (void)state;
    parse_well(FILES("0.4.0__x/100_tell.exec.yaml", "program: /bin/true",
                     "0.4.0__x/20_fill.batch.sql", "SELECT 2", "0.4.0__x/20_fill.down.sql",
                     "SELECT 3", "0.4.0__x/9_add.sql", "SELECT 1", "0.4.0__x/110_so.plugin.yaml",
                     "object: a.so", "0.4.0__x/120_st.state.yaml", "prefix: a-\nfold: f",
                     "0.4.0__x/README.md", "why"),
               &set);
    assert_int_equal(set.migration_count, 1);
    const struct migration *migration = &set.migrations[0];
    assert_string_equal(migration->script, "0.4.0__x");
    assert_int_equal(migration->operation_count, 5);
    assert_string_equal(migration->operations[0].path, "0.4.0__x/9_add.sql");
    assert_int_equal(migration->operations[0].kind, OPERATION_SQL);
    assert_int_equal(migration->operations[1].kind, OPERATION_BATCH);
    assert_string_equal(migration->operations[1].down_path, "0.4.0__x/20_fill.down.sql");
    assert_int_equal(migration->operations[2].kind, OPERATION_EXEC);
    assert_int_equal(migration->operations[3].kind, OPERATION_PLUGIN);
    assert_int_equal(migration->operations[4].kind, OPERATION_STATE);
    assert_string_equal(operation_kind_name(OPERATION_STATE), "state");
}

static void skein_yaml_sets_what_it_names(void **state)
{
    CLEANUP(set_release) struct set set = { 0 };
    const char *yaml = "name: invoices\nlatest: 2.0.0-rc.1\nmin_version: 0.5.0\n"
                       "prereleases: true\nreference: eu-1/template\ndefaults:\n"
                       "  lock_timeout: 2s\n  statement_timeout: 5min\n"
                       "lint: { size_note: 8kB, size_error: 0 }\n";

    (void)state;
    parse_well(FILES("skein.yaml", yaml, "1.0.0__a.sql", "SELECT 1", "2.0.0-alpha__b.sql",
                     "-- skein:lock_timeout 500ms\nSELECT 1"),
               &set);
    assert_string_equal(set.name, "invoices");
    assert_string_equal(set.latest_text, "2.0.0-rc.1");
    assert_string_equal(set.min_version_text, "0.5.0");
    assert_true(set.prereleases);
    assert_string_equal(set.reference, "eu-1/template");
    assert_true(set.sizes.has_note && set.sizes.has_error);
    assert_int_equal(set.sizes.note_bytes, 8192);
    assert_int_equal(set.sizes.error_bytes, 0);
    assert_int_equal(set.migrations[0].operations[0].settings.lock_timeout_ms, 2000);
    assert_int_equal(set.migrations[0].operations[0].settings.statement_timeout_ms, 300000);
    assert_int_equal(set.migrations[1].operations[0].settings.lock_timeout_ms, 500);
}

static void settings_stand_at_the_head_of_a_script(void **state)
{
    CLEANUP(set_release) struct set set = { 0 };
    const char *script = "-- Adds an index.\r\n\r\n--skein:transaction none\r\n"
                         "  -- skein:lock_timeout 2s   -- skein:statement_timeout 1h30m -- long\r\n"
                         "-- skein:scope tenant\n-- skein:allow create-index    tables are small\n"
                         "-- skein:allow other it is so\n\nCREATE INDEX CONCURRENTLY i ON t (a);\n"
                         "-- a comment about skein: settings\n";

    (void)state;
    parse_well(FILES("1.0.0__a.sql", script, "1.0.0__a.down.sql",
                     "-- skein:lock_timeout 1s\nDROP INDEX i", "1.1.0__b.sql", "SELECT 1",
                     "1.2.0__c.exec.yaml",
                     "program: /bin/true\narguments:\n- |\n  -- skein:nonsense\n"),
               &set);
    const struct operation *operation = &set.migrations[0].operations[0];
    assert_false(operation->settings.transaction);
    assert_false(operation->settings.control_scope);
    assert_int_equal(operation->settings.lock_timeout_ms, 2000);
    assert_int_equal(operation->settings.statement_timeout_ms, 5400000);
    assert_true(operation->down_settings.transaction);
    assert_int_equal(operation->down_settings.lock_timeout_ms, 1000);
    assert_true(set.migrations[1].operations[0].settings.transaction);
    assert_int_equal(set.migrations[1].operations[0].settings.lock_timeout_ms, 0);
}

static void a_batch_has_settings_of_its_own(void **state)
{
    CLEANUP(set_release) struct set set = { 0 };
    const char *script = "-- skein:batch_rows 250 -- skein:batch_target 50ms\n"
                         "-- skein:batch_pause 1s -- skein:batch_max_lag none\nSELECT 1";

    (void)state;
    parse_well(FILES("1.0.0__a.batch.sql", script, "1.0.0__a.down.batch.sql", "SELECT 1",
                     "1.1.0__b.sql", "SELECT 1"),
               &set);
    const struct operation *operation = &set.migrations[0].operations[0];
    assert_int_equal(operation->kind, OPERATION_BATCH);
    assert_int_equal(operation->down_kind, OPERATION_BATCH);
    assert_int_equal(operation->settings.batch.rows, 250);
    assert_int_equal(operation->settings.batch.target_ms, 50);
    assert_int_equal(operation->settings.batch.pause_ms, 1000);
    assert_int_equal(operation->settings.batch.max_lag_ms, 0);
    assert_int_equal(operation->down_settings.batch.rows, BATCH_ROWS_DEFAULT);
    assert_int_equal(operation->down_settings.batch.target_ms, BATCH_TARGET_DEFAULT_MS);
    assert_int_equal(operation->down_settings.batch.pause_ms, 0);
    assert_int_equal(operation->down_settings.batch.max_lag_ms, BATCH_LAG_DEFAULT_MS);
}

static void a_file_that_has_no_place_in_a_set_is_refused(void **state)
{
    const struct refusal refusals[] = {
        { FILES("notes.txt", ""), "unknown file 'notes.txt': expected skein.yaml, README.md, or" },
        { FILES("skein.yml", ""), "unknown file 'skein.yml'" },
        { FILES("x.sql", ""), "unknown file 'x.sql': expected VERSION__name" },
        { FILES("1.0.0_x.sql", ""), "expected VERSION__name" },
        { FILES("__x.sql", ""), "expected VERSION__name" },
        { FILES("1.0.0__.sql", ""), "the name after VERSION__" },
        { FILES("1.0.0__a b.sql", ""), "the name after VERSION__" },
        { FILES("1.0.0__a.sh", ""), "unknown file '1.0.0__a.sh': expected skein.yaml" },
        { FILES("1.0.0__a.foo.sql", ""), "the name after VERSION__" },
        { FILES("1.0.0__a.down.plugin.yaml", ""),
          "the rollback of an operation ends in .down.sql, .down.batch.sql or .down.exec.yaml" },
        { FILES("1.0__a.sql", ""), "file '1.0__a.sql': version '1.0', position 4: expected '.'" },
        { FILES("v1.0.0__a.sql", ""), "version 'v1.0.0', position 1: expected a digit" },
        { FILES("1.0.0__a/add.sql", ""), "expected NUMBER_name in a migration's folder" },
        { FILES("1.0.0__a/10.sql", ""), "expected NUMBER_name" },
        { FILES("1.0.0__a/1234567890_x.sql", ""), "expected NUMBER_name" },
        { FILES("1.0.0__a/b/10_x.sql", ""), "may hold no further folder" },
        { FILES("scripts/10_x.sql", ""), "expected VERSION__name" },
        { FILES("1.0.0__a/", ""), "a part of the path is empty" },
        { FILES("/1.0.0__a.sql", ""), "a part of the path is empty" },
        { FILES("", ""), "a part of the path is empty" },
        { FILES("../1.0.0__a.sql", ""), "'.' and '..' have no place" },
        { FILES("1.0.0__a/..", ""), "'.' and '..' have no place" },
        { FILES("R__a.down.sql", ""), "a repeatable script is called R__name.sql" },
        { FILES("R__a.batch.sql", ""), "a repeatable script is called R__name.sql" },
        { FILES("R__.sql", ""), "a repeatable script is called R__name.sql" },
        { FILES("R__a/10_x.sql", ""), "a repeatable script is called R__name.sql" },
        { FILES("a\nb\x1b.sql", ""), "unknown file 'a\\x0Ab\\x1B.sql'" },
    };

    (void)state;
    check_refusals(refusals, COUNT_OF(refusals));
}

static void scripts_that_contradict_each_other_are_refused(void **state)
{
    const struct refusal refusals[] = {
        { FILES("README.md", ""), "the set holds no script" },
        { FILES("1.0.0__a.sql", "", "1.0.0__b.sql", ""),
          "file '1.0.0__b.sql': version '1.0.0' belongs to '1.0.0__a.sql' already" },
        { FILES("1.0.0+a__a.sql", "", "1.0.0+b__b.sql", ""), "belongs to '1.0.0+a__a.sql'" },
        { FILES("1.0.0__a.sql", "", "1.0.0__a/10_x.sql", ""),
          "file '1.0.0__a/10_x.sql': version '1.0.0' belongs to '1.0.0__a.sql' already" },
        { FILES("1.0.0__a.sql", "", "1.0.0__a.sql", ""), "is the same operation" },
        { FILES("1.0.0__a.sql", "", "1.0.0__a.batch.sql", ""), "is the same operation" },
        { FILES("1.0.0__a/10_x.sql", "", "1.0.0__a/10_y.sql", ""),
          "file '1.0.0__a/10_y.sql': '1.0.0__a/10_x.sql' has the number 10 already" },
        { FILES("1.0.0__a/7_x.sql", "", "1.0.0__a/07_x.sql", ""), "has the number 7 already" },
        { FILES("1.0.0__a.down.sql", ""),
          "file '1.0.0__a.down.sql' is a rollback without its migration: expected '1.0.0__a.sql'" },
        { FILES("1.0.0__a/10_x.sql", "", "1.0.0__a/20_y.down.sql", ""),
          "expected '1.0.0__a/20_y.sql' beside it" },
        { FILES("1.0.0__a.sql", "", "R__v.sql", "", "R__v.sql", ""), "stands twice in the set" },
        { FILES("1.0.0__a.sql", "", "R__v.sql", "-- skein:transaction none\n"),
          "file 'R__v.sql': a repeatable script runs in the tenant's transaction" },
        { FILES("1.0.0__a.sql", "", "R__v.sql", "-- skein:scope control\n"),
          "file 'R__v.sql': a repeatable script runs in the tenant's transaction" },
        { FILES("R__v.sql", ""), "the set holds no script" },
        { FILES("1.0.0-rc.1__a.sql", ""),
          "file '1.0.0-rc.1__a.sql': version '1.0.0-rc.1' is a prerelease, expected prereleases" },
    };

    (void)state;
    check_refusals(refusals, COUNT_OF(refusals));
}

static void a_wrong_skein_yaml_is_refused_with_its_line(void **state)
{
#define YAML(text) FILES("1.0.0__a.sql", "", "skein.yaml", text)
    const struct refusal refusals[] = {
        { YAML("name: x\nowner: me\n"),
          "skein.yaml:2: unknown key 'owner': expected name, latest" },
        { YAML("defaults:\n  retries: 3\n"), "skein.yaml:2: unknown key 'defaults.retries'" },
        { YAML("name: a/b\n"), "skein.yaml:1: key 'name', value 'a/b': expected 1 to 128 letters" },
        { YAML("name: [a, b]\n"), "skein.yaml:1: key 'name': expected one value" },
        { YAML("name:\n"), "skein.yaml:1: key 'name': expected a value" },
        { YAML("\nlatest: 1.0\n"), "skein.yaml:2: key 'latest': version '1.0', position 4" },
        { YAML("latest: 0.9.0\n"), "file '1.0.0__a.sql': version '1.0.0' is above the latest "
                                   "version '0.9.0' (skein.yaml:1)" },
        { YAML("latest: 1.1.0-rc.1\n"), "skein.yaml:1: key 'latest': version '1.1.0-rc.1' is a "
                                        "prerelease, expected prereleases: true" },
        { YAML("min_version: 1.0.1\n"), "skein.yaml:1: key 'min_version': version '1.0.1' is above "
                                        "the latest version '1.0.0'" },
        { YAML("min_version: 0.1.0-a\n"), "key 'min_version': version '0.1.0-a' is a prerelease" },
        { YAML("prereleases: yes\n"), "key 'prereleases', value 'yes': expected true or false" },
        { YAML("reference: template\n"), "value 'template': expected a tenant as SHARD/NAME" },
        { YAML("lint:\n  size_note: 1MB\n  size_error: 5\n"),
          "skein.yaml:3: key 'lint.size_error', value '5': size '5': expected a number with a "
          "unit" },
        { YAML("lint: {warn: 1MB}\n"), "skein.yaml:1: unknown key 'lint.warn': expected name" },
        { YAML("defaults: {lock_timeout: 5}\n"), "value '5': duration '5': expected numbers" },
        { YAML("defaults: {lock_timeout: 30d}\n"), "timeout '30d': expected at most 24d" },
        { YAML("name: x\nname: y\n"), "skein.yaml:2: the key 'name' stands in line 1 already" },
        { YAML("name: 'x\n"), "not valid YAML" },
    };

    (void)state;
    check_refusals(refusals, COUNT_OF(refusals));
}

static void a_wrong_setting_is_refused_with_its_line(void **state)
{
#define SCRIPT(text) FILES("1.0.0__a.sql", text)
    const struct refusal refusals[] = {
        { SCRIPT("\n-- skein:retries 3\n"),
          "1.0.0__a.sql:2: 'retries': unknown setting, expected" },
        { SCRIPT("-- skein:transaction off\n"), "1.0.0__a.sql:1: 'off': expected 'none'" },
        { SCRIPT("-- skein:lock_timeout 2\n"), "1.0.0__a.sql:1: lock_timeout: duration '2'" },
        { SCRIPT("-- skein:lock_timeout\n"), "'lock_timeout': expected a value" },
        { SCRIPT("-- skein:statement_timeout 25d"), "timeout '25d': expected at most 24d" },
        { SCRIPT("-- skein:scope all\n"), "'all': expected 'control' or 'tenant'" },
        { SCRIPT("-- skein:allow add-index\n"), "'add-index': expected the reason" },
        { SCRIPT("-- skein:allow Add reason\n"), "'Add': expected a rule's name" },
        { SCRIPT("-- skein:scope tenant\n-- skein:scope control\n"), ":2: 'scope': the setting" },
        { SCRIPT("-- skein:scope tenant always\n"), "'always': unexpected" },
        { SCRIPT("SELECT 1;\n-- skein:scope tenant\n"),
          "1.0.0__a.sql:2: 'scope tenant': a skein:" },
        { SCRIPT("\xEF\xBB\xBF-- skein:scope tenant\n"),
          "1.0.0__a.sql:1: starts with a byte order" },
        { FILES("1.0.0__a.sql", "", "1.0.0__a.down.sql", "-- skein:x y"),
          "1.0.0__a.down.sql:1: 'x'" },
    };

    (void)state;
    check_refusals(refusals, COUNT_OF(refusals));
}

static void a_wrong_setting_of_a_batch_is_refused(void **state)
{
#define BATCH(text) FILES("1.0.0__a.batch.sql", text)
    const struct refusal refusals[] = {
        { BATCH("-- skein:batch_rows 0\n"),
          "1.0.0__a.batch.sql:1: '0': expected a number of rows" },
        { BATCH("-- skein:batch_rows 100001\n"), "'100001': expected a number of rows from 1 to" },
        { BATCH("-- skein:batch_rows 99999999999999999999\n"), "expected a number of rows" },
        { BATCH("-- skein:batch_rows 1k\n"), "'1k': expected a number of rows" },
        { BATCH("-- skein:batch_target 0\n"), "batch_target: expected 1ms to 1m 00s" },
        { BATCH("-- skein:batch_target 2m\n"), "batch_target: expected 1ms to 1m 00s" },
        { BATCH("-- skein:batch_pause 11m\n"), "batch_pause: expected 0ms to 10m 00s" },
        { BATCH("-- skein:batch_max_lag 10\n"), "batch_max_lag: duration '10'" },
        { BATCH("-- skein:batch_size 10\n"), "expected batch_rows, batch_target, batch_pause" },
        { BATCH("-- skein:scope control\n"), "a batch works in the tenant's database only" },
        { BATCH("-- skein:transaction none\n"), "'transaction': is no setting of a .batch.sql" },
        { SCRIPT("-- skein:batch_rows 10\n"), "'batch_rows': is a setting of a .batch.sql only" },
    };

    (void)state;
    check_refusals(refusals, COUNT_OF(refusals));
}

static void a_folders_name_that_cannot_be_a_sets_name_is_refused(void **state)
{
    const struct set_file files[] = { { "1.0.0__a.sql", bytes_of_text("") } };
    struct set set = { 0 };
    struct error err = { 0 };

    (void)state;
    assert_false(set_parse(files, 1, "my set", &set, &err));
    assert_non_null(strstr(err.message, "give it one with name: in skein.yaml"));
}

static void the_digest_covers_what_counts(void **state)
{
    CLEANUP(set_release) struct set set = { 0 };
    CLEANUP(set_release) struct set same = { 0 };
    CLEANUP(set_release) struct set other = { 0 };
    CLEANUP(set_release) struct set moved = { 0 };

    (void)state;
    parse_well(FILES("1.0.0__a.sql", "SELECT 1\n", "1.1.0__b.sql", "SELECT 2\n"), &set);
    parse_well(FILES("README.md", "x", ".git/x", "y", "1.1.0__b.sql", "SELECT 2\n", "1.0.0__a.sql",
                     "SELECT 1\n", ".hidden", "z", ".a/b/c/d", ""),
               &same);
    parse_well(FILES("1.0.0__a.sql", "SELECT 1\r\n", "1.1.0__b.sql", "SELECT 2\n"), &other);
    parse_well(FILES("1.0.0__a.sql", "", "1.1.0__b.sql", "SELECT 1\nSELECT 2\n"), &moved);
    assert_int_equal(strlen(set.digest), DIGEST_TEXT_BYTES - 1);
    assert_memory_equal(set.digest, "sha256:", 7);
    assert_string_equal(set.digest, same.digest);
    assert_string_not_equal(set.digest, other.digest);
    assert_string_not_equal(set.digest, moved.digest);
    /* A checksum is over normalised line ends. */
    assert_memory_equal(set.migrations[0].checksum, other.migrations[0].checksum, CHECKSUM_BYTES);
    assert_memory_not_equal(set.migrations[0].checksum, moved.migrations[0].checksum,
                            CHECKSUM_BYTES);
}

static void checksums_are_over_normalised_line_ends(void **state)
{
    static const char *const same[] = {
        "SELECT 1;\n\nSELECT 2;\n", "SELECT 1;\r\n\r\nSELECT 2;\r\n", /* as Windows has them */
        "SELECT 1;\r\rSELECT 2;\r",                                   /* as old Macs had them */
        "SELECT 1;\r\n\rSELECT 2;\n",                                 /* and a mixture */
    };
    static const char *const other[] = {
        "SELECT 1;\nSELECT 2;\n",
        "SELECT 1;\n\nSELECT 2;",
        "SELECT 1;\n\n SELECT 2;\n",
    };
    CLEANUP(set_release) struct set first = { 0 };

    (void)state;
    parse_well(FILES("1.0.0__a.sql", same[0], "1.1.0__b/10_x.sql", same[0]), &first);
    for (size_t i = 0; i < COUNT_OF(same) + COUNT_OF(other); i++) {
        CLEANUP(set_release) struct set set = { 0 };
        const char *text = i < COUNT_OF(same) ? same[i] : other[i - COUNT_OF(same)];

        parse_well(FILES("1.0.0__a.sql", text, "1.1.0__b/10_x.sql", text), &set);
        for (size_t m = 0; m < 2; m++) {
            assert_int_equal(memcmp(first.migrations[m].checksum, set.migrations[m].checksum,
                                    CHECKSUM_BYTES) == 0,
                             i < COUNT_OF(same));
        }
    }
}

static void check_growth(const char *const new_files[], const char *part)
{
    CLEANUP(set_release) struct set old_set = { 0 };
    CLEANUP(set_release) struct set new_set = { 0 };
    struct error err = { 0 };

    parse_well(FILES("skein.yaml", "latest: 2.1.0", "1.0.0__a.sql", "1", "1.0.0__a.down.sql", "-1",
                     "2.0.0__b/10_x.sql", "2", "2.0.0__b/20_y.sql", "3"),
               &old_set);
    parse_well(new_files, &new_set);
    bool ok = set_check_growth(&old_set, &new_set, &err);
    assert_int_equal(ok, part == NULL);
    if (!ok && part != NULL) {
        assert_int_equal(err.code, ERR_REFUSED);
        if (strstr(err.message, part) == NULL) {
            fail_msg("%s", err.message);
        }
    }
}

static void a_published_set_may_only_grow(void **state)
{
#define A "1.0.0__a.sql", "1", "1.0.0__a.down.sql", "-1"
#define B "2.0.0__b/10_x.sql", "2", "2.0.0__b/20_y.sql", "3"
#define LATEST "skein.yaml", "latest: 2.1.0"
    (void)state;
    check_growth(FILES(LATEST, A, B), NULL);
    check_growth(FILES(A, B, "2.2.0__c.sql", "4"), NULL);
    check_growth(FILES(LATEST, A, B, "2.0.0__b/10_x.down.sql", "-2"), NULL);
    check_growth(
        FILES(LATEST, "1.0.0__a.sql", "one", "1.0.0__a.down.sql", "-1", B),
        "file '1.0.0__a.sql' has changed since it was published: a published set may only");
    check_growth(FILES(LATEST, A, "2.0.0__b/10_x.sql", "2", "2.0.0__b/20_y.sql", "4"),
                 "file '2.0.0__b/20_y.sql' has changed");
    check_growth(FILES(LATEST, "1.0.0__a.sql", "1", "1.0.0__a.down.sql", "-2", B),
                 "file '1.0.0__a.down.sql' has changed");
    check_growth(FILES(LATEST, "1.0.0__a.sql", "1", B),
                 "file '1.0.0__a.down.sql' was published and");
    check_growth(FILES(LATEST, B), "file '1.0.0__a.sql' was published and is gone");
    check_growth(FILES(LATEST, A), "file '2.0.0__b/10_x.sql' was published and is gone");
    check_growth(FILES(LATEST, A, "2.0.0__b/10_x.sql", "2"),
                 "file '2.0.0__b/20_y.sql' was published");
    check_growth(FILES(LATEST, A, B, "2.0.0__b/30_z.sql", "5"),
                 "file '2.0.0__b/30_z.sql' was added to a version that is published");
    check_growth(FILES(LATEST, A, B, "1.5.0__c.sql", "4"),
                 "file '1.5.0__c.sql' is new, but not above the latest version published");
    check_growth(FILES(LATEST, A, B, "2.1.0__c.sql", "4"), "file '2.1.0__c.sql' is new, but");
    check_growth(FILES(LATEST, A, B, "0.5.0__c.sql", "4"), "file '0.5.0__c.sql' is new, but");
    check_growth(FILES(A, B), "the latest version '2.0.0' is below '2.1.0', which was published");
    check_growth(FILES(LATEST, "1.0.0__other.sql", "1", B),
                 "file '1.0.0__a.sql' was published and");
}

static void ten_thousand_scripts_are_read_quickly(void **state)
{
    const size_t count = 10000;
    CLEANUP(set_release) struct set set = { 0 };
    CLEANUP(set_release) struct set again = { 0 };
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct set_file *files = arena_alloc_array(&arena, 2 * count, sizeof(*files));
    struct error err = { 0 };

    (void)state;
    for (size_t i = 0; i < count; i++) {
        size_t n = i * 7919 % count;
        files[2 * i].path = arena_printf(&arena, "0.%zu.%zu__add.sql", n / 100, n % 100);
        files[2 * i].content = bytes_of_text("-- skein:lock_timeout 1s\nSELECT 1;\r\n");
        files[2 * i + 1].path = arena_printf(&arena, "0.%zu.%zu__add.down.sql", n / 100, n % 100);
        files[2 * i + 1].content = bytes_of_text("SELECT 2;\n");
    }
    uint64_t start_ms = clock_monotonic_ms();
    assert_true(set_parse(files, 2 * count, "x", &set, &err));
    assert_true(set_parse(files, 2 * count, "x", &again, &err));
    assert_int_equal(set.migration_count, count);
    assert_string_equal(set.migrations[count - 1].script, "0.99.99__add");
    assert_true(set_check_growth(&set, &again, &err));
    for (size_t i = 0; i < count; i++) {
        assert_ptr_equal(set_find_script(&set, set.migrations[i].script), &set.migrations[i]);
    }
    /* A second would be far too long already, but valgrind and sanitizers are slow. */
    assert_true(clock_monotonic_ms() - start_ms < 20000);
}

static void a_set_beyond_the_limits_is_refused(void **state)
{
    CLEANUP(memory_free) uint8_t *large = memory_alloc(SCRIPT_BYTES_MAX + 1);
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct set_file *files = arena_alloc_array(&arena, SET_FILES_MAX + 1, sizeof(*files));
    struct set set = { 0 };
    struct error err = { 0 };

    (void)state;
    for (int i = 0; i < SET_FILES_MAX + 1; i++) {
        files[i].path = arena_printf(&arena, "0.0.%d__a.sql", i);
        files[i].content = (struct bytes){ large, SCRIPT_BYTES_MAX };
    }
    assert_false(set_parse(files, SET_FILES_MAX + 1, "x", &set, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_false(set_parse(files, 17, "x", &set, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    files[0].content.size++;
    assert_false(set_parse(files, 1, "x", &set, &err));
    assert_int_equal(err.code, ERR_LIMIT);
}

/* ---- a directory ---- */

static void write_file(const char *directory, const char *name, const char *content)
{
    char path[256];

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(content, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void make_folder(const char *directory, const char *name)
{
    char path[256];

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    assert_int_equal(mkdir(path, 0700), 0);
}

static void remove_entry(const char *directory, const char *name)
{
    char path[256];

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    assert_int_equal(remove(path), 0);
}

static void check_directory(const char *directory, const char *part)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct set_file *files;
    size_t count;
    struct error err = { 0 };

    assert_false(set_read_files(directory, &arena, &files, &count, &err));
    if (strstr(err.message, part) == NULL) {
        fail_msg("%s", err.message);
    }
}

static void a_directory_becomes_sorted_files(void **state)
{
    char directory[] = "/tmp/skein-test-set-XXXXXX";
    char link_path[256];
    CLEANUP(arena_release) struct arena arena = { 0 };
    CLEANUP(set_release) struct set set = { 0 };
    struct set_file *files = NULL;
    size_t count = 0;
    struct error err = { 0 };

    (void)state;
    assert_non_null(mkdtemp(directory));
    make_folder(directory, ".git");
    write_file(directory, ".git/x", "");
    write_file(directory, "README.md", "hello");
    write_file(directory, "0.2.0__b.sql", "SELECT 2");
    write_file(directory, "0.1.0__a.sql", "");
    make_folder(directory, "0.3.0__c");
    write_file(directory, "0.3.0__c/10_x.sql", "SELECT 3");
    assert_true(set_read_files(directory, &arena, &files, &count, &err));
    assert_int_equal(count, 3);
    assert_string_equal(files[0].path, "0.1.0__a.sql");
    assert_int_equal(files[0].content.size, 0);
    assert_string_equal(files[1].path, "0.2.0__b.sql");
    assert_string_equal(files[2].path, "0.3.0__c/10_x.sql");
    assert_memory_equal(files[2].content.data, "SELECT 3", 8);
    assert_true(set_parse(files, count, "x", &set, &err));

    snprintf(link_path, sizeof(link_path), "%s/0.4.0__d.sql", directory);
    assert_int_equal(symlink("0.1.0__a.sql", link_path), 0);
    check_directory(directory, "'0.4.0__d.sql' in '/tmp/skein-test-set-");
    check_directory(directory, "links do not belong into a set");
    remove_entry(directory, "0.4.0__d.sql");
    assert_int_equal(mkfifo(link_path, 0600), 0);
    check_directory(directory, "neither a file nor a folder");
    remove_entry(directory, "0.4.0__d.sql");
    make_folder(directory, "0.4.0__d");
    check_directory(directory, "the folder holds no operation");
    make_folder(directory, "0.4.0__d/deep");
    check_directory(directory, "'0.4.0__d/deep' in");
    remove_entry(directory, "0.4.0__d/deep");
    remove_entry(directory, "0.4.0__d");
    snprintf(link_path, sizeof(link_path), "%s/big.sql", directory);
    write_file(directory, "big.sql", "");
    assert_int_equal(truncate(link_path, SCRIPT_BYTES_MAX + 1), 0);
    check_directory(directory, "'big.sql' in");
    check_directory(directory, "too many bytes in a file, expected at most");
    check_directory("/nonexistent", "open the set's directory '/nonexistent'");

    static const char *const left[] = { "big.sql",      "0.3.0__c/10_x.sql",
                                        "0.3.0__c",     "0.1.0__a.sql",
                                        "0.2.0__b.sql", "README.md",
                                        ".git/x",       ".git" };
    for (size_t i = 0; i < COUNT_OF(left); i++) {
        remove_entry(directory, left[i]);
    }
    assert_int_equal(rmdir(directory), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_become_migrations_in_order_of_version),
        cmocka_unit_test(a_folder_holds_operations_in_order_of_their_numbers),
        cmocka_unit_test(skein_yaml_sets_what_it_names),
        cmocka_unit_test(settings_stand_at_the_head_of_a_script),
        cmocka_unit_test(a_file_that_has_no_place_in_a_set_is_refused),
        cmocka_unit_test(scripts_that_contradict_each_other_are_refused),
        cmocka_unit_test(a_wrong_skein_yaml_is_refused_with_its_line),
        cmocka_unit_test(a_wrong_setting_is_refused_with_its_line),
        cmocka_unit_test(a_batch_has_settings_of_its_own),
        cmocka_unit_test(a_wrong_setting_of_a_batch_is_refused),
        cmocka_unit_test(a_folders_name_that_cannot_be_a_sets_name_is_refused),
        cmocka_unit_test(the_digest_covers_what_counts),
        cmocka_unit_test(checksums_are_over_normalised_line_ends),
        cmocka_unit_test(a_published_set_may_only_grow),
        cmocka_unit_test(ten_thousand_scripts_are_read_quickly),
        cmocka_unit_test(a_set_beyond_the_limits_is_refused),
        cmocka_unit_test(a_directory_becomes_sorted_files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
