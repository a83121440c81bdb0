/* LIBS: skein_model */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/core/limits.h"
#include "common/core/memory.h"
#include "common/model/config_file.h"

static void check_entry(const struct config_file *file, size_t index, const char *key,
                        const char *value, unsigned line)
{
    assert_true(index < file->entry_count);
    assert_string_equal(file->entries[index].key, key);
    assert_string_equal(file->entries[index].value, value);
    assert_int_equal(file->entries[index].line, line);
}

static void a_file_becomes_flat_entries_in_its_order(void **state)
{
    CLEANUP(config_file_release) struct config_file file = { 0 };
    struct error err = { 0 };
    const char *text = "# agent\n"
                       "shard: eu-1\n"
                       "label: [region=eu, tier=paid]\n"
                       "tenants:\n"
                       "  mode: schema\n"
                       "  match:\n"
                       "    - \"t_*\"\n"
                       "    - u_*\n"
                       "  exclude: []\n"
                       "  query: |\n"
                       "    SELECT 1\n"
                       "    FROM x\n"
                       "empty:\n"
                       "none: ~\n"
                       "text: \"~\"\n";

    (void)state;
    if (!config_file_parse("agent.yaml", bytes_of_text(text), &file, &err)) {
        fail_msg("%s", err.message);
    }
    assert_int_equal(file.entry_count, 10);
    check_entry(&file, 0, "shard", "eu-1", 2);
    check_entry(&file, 1, "label", "region=eu", 3);
    check_entry(&file, 2, "label", "tier=paid", 3);
    check_entry(&file, 3, "tenants.mode", "schema", 5);
    check_entry(&file, 4, "tenants.match", "t_*", 7);
    check_entry(&file, 5, "tenants.match", "u_*", 8);
    check_entry(&file, 6, "tenants.query", "SELECT 1\nFROM x\n", 10);
    check_entry(&file, 7, "empty", "", 13);
    check_entry(&file, 8, "none", "", 14);
    check_entry(&file, 9, "text", "~", 15);
}

static void an_empty_file_has_no_entries(void **state)
{
    static const char *const texts[] = { "", "\n\n", "# nothing\n", "---\n", "{}\n" };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        CLEANUP(config_file_release) struct config_file file = { 0 };
        struct error err = { 0 };
        if (!config_file_parse("x.yaml", bytes_of_text(texts[i]), &file, &err)) {
            fail_msg("%s", err.message);
        }
        assert_int_equal(file.entry_count, 0);
    }
}

static void what_is_wrong_is_refused_with_file_and_line(void **state)
{
    static const struct {
        const char *text;
        const char *part;
    } rows[] = {
        { "a: 1\nb: 2\na: 3\n", "x.yaml:3: the key 'a' stands in line 1 already" },
        { "a: [1]\nb: 2\na: [3]\n", "x.yaml:3: the key 'a' stands in line 1 already" },
        { "a:\n  b: 1\n  b: 2\n", "x.yaml:3: the key 'a.b' stands in line 2 already" },
        { "a: 1\n  b: 2\n", "x.yaml:2: not valid YAML" },
        { "a: &x 1\nb: *x\n", "x.yaml:2: aliases" },
        { "a: 1\n---\nb: 2\n", "x.yaml:2: expected one document" },
        { "a:\n- b: 1\n", "x.yaml:2: a list may hold only single values" },
        { "a: [[1]]\n", "x.yaml:1: a list may hold only single values" },
        { "hello\n", "x.yaml:1: expected `key: value` lines" },
        { "- a\n", "x.yaml:1: expected `key: value` lines" },
        { "? [a]\n: b\n", "x.yaml:1: a key must be a single word" },
        { "\"\": b\n", "x.yaml:1: a key is empty" },
        { "a: \"x\\0y\"\n", "x.yaml:1: a value holds a NUL character" },
        { "a: {b: {c: {d: {e: {f: {g: {h: 1}}}}}}}\n", "x.yaml:1: nested too deeply" },
        { "a: \"unclosed\n", "not valid YAML" },
        { "a: \xFF\n", "not valid YAML" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(config_file_release) struct config_file file = { 0 };
        struct error err = { 0 };
        if (config_file_parse("x.yaml", bytes_of_text(rows[i].text), &file, &err)) {
            fail_msg("accepted: %s", rows[i].text);
        }
        if (strstr(err.message, rows[i].part) == NULL) {
            fail_msg("%s: %s", rows[i].text, err.message);
        }
        assert_int_equal(file.entry_count, 0);
    }
}

static void a_file_that_is_too_large_is_refused(void **state)
{
    CLEANUP(memory_free) char *text = memory_alloc(CONFIG_BYTES_MAX + 1);
    struct config_file file = { 0 };
    struct error err = { 0 };

    (void)state;
    memset(text, '\n', CONFIG_BYTES_MAX + 1);
    const struct bytes bytes = { (const uint8_t *)text, CONFIG_BYTES_MAX + 1 };
    assert_false(config_file_parse("x.yaml", bytes, &file, &err));
    assert_int_equal(err.code, ERR_LIMIT);
}

static void hostile_nesting_ends_soon(void **state)
{
    CLEANUP(memory_free) char *text = memory_alloc(CONFIG_BYTES_MAX);
    struct config_file file = { 0 };
    struct error err = { 0 };

    (void)state;
    memset(text, '[', CONFIG_BYTES_MAX);
    const struct bytes bytes = { (const uint8_t *)text, CONFIG_BYTES_MAX };
    assert_false(config_file_parse("x.yaml", bytes, &file, &err));
}

static void a_key_of_the_greatest_length_has_no_room_below(void **state)
{
    char key[257];
    char text[300];
    struct config_file file = { 0 };
    struct error err = { 0 };

    (void)state;
    memset(key, 'k', 256);
    key[256] = '\0';
    snprintf(text, sizeof(text), "%s: 1\n", key);
    assert_false(config_file_parse("x.yaml", bytes_of_text(text), &file, &err));
    assert_non_null(strstr(err.message, "a key is longer than 255 characters"));
    key[255] = '\0';
    snprintf(text, sizeof(text), "%s: 1\n", key);
    assert_true(config_file_parse("x.yaml", bytes_of_text(text), &file, &err));
    assert_string_equal(file.entries[0].key, key);
    config_file_release(&file);
    snprintf(text, sizeof(text), "%s:\n  a: 1\n", key);
    assert_false(config_file_parse("x.yaml", bytes_of_text(text), &file, &err));
    assert_non_null(strstr(err.message, "x.yaml:2: a key is longer than 255 characters"));
}

static void a_missing_file_is_not_found(void **state)
{
    struct config_file file = { 0 };
    struct error err = { 0 };

    (void)state;
    assert_false(config_file_read("/nonexistent/agent.yaml", &file, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_becomes_flat_entries_in_its_order),
        cmocka_unit_test(an_empty_file_has_no_entries),
        cmocka_unit_test(what_is_wrong_is_refused_with_file_and_line),
        cmocka_unit_test(a_file_that_is_too_large_is_refused),
        cmocka_unit_test(hostile_nesting_ends_soon),
        cmocka_unit_test(a_key_of_the_greatest_length_has_no_room_below),
        cmocka_unit_test(a_missing_file_is_not_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
