/* LIBS: skein_model */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/core/limits.h"
#include "common/model/set.h"
#include "common/model/set_process.h"

static void read_well(struct arena *arena, enum set_process_kind kind, const char *text,
                      struct set_process *ret_process)
{
    struct error err = { 0 };

    if (!set_process_parse("x.yaml", kind, bytes_of_text(text), arena, ret_process, &err)) {
        fail_msg("%s", err.message);
    }
}

static void refuse(enum set_process_kind kind, const char *text, const char *words)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct set_process process;
    struct error err = { 0 };

    assert_false(set_process_parse("x.yaml", kind, bytes_of_text(text), &arena, &process, &err));
    if (strstr(err.message, words) == NULL) {
        fail_msg("expected '%s' in: %s", words, err.message);
    }
}

static void a_program_has_arguments_variables_and_a_timeout(void **state)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct set_process process = { 0 };

    (void)state;
    read_well(&arena, SET_PROCESS_EXEC,
              "program: /usr/bin/tell\narguments: [--all, '', 'a b']\n"
              "environment:\n  MODE: fast\n  EMPTY: ''\ntimeout: 90s\ndry_run: true\n",
              &process);
    assert_string_equal(process.program, "/usr/bin/tell");
    assert_int_equal(process.argument_count, 3);
    assert_string_equal(process.arguments[0], "--all");
    assert_string_equal(process.arguments[1], "");
    assert_string_equal(process.arguments[2], "a b");
    assert_int_equal(process.environment_count, 2);
    assert_string_equal(process.environment[0], "MODE=fast");
    assert_string_equal(process.environment[1], "EMPTY=");
    assert_int_equal(process.timeout_ms, 90000);
    assert_true(process.dry_run);
}

static void what_is_not_said_has_a_default(void **state)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct set_process process = { 0 };

    (void)state;
    read_well(&arena, SET_PROCESS_EXEC_DOWN, "program: /bin/true", &process);
    assert_int_equal(process.argument_count, 0);
    assert_int_equal(process.environment_count, 0);
    assert_int_equal(process.timeout_ms, PROCESS_TIMEOUT_DEFAULT_MS);
    assert_false(process.dry_run);
    read_well(&arena, SET_PROCESS_PLUGIN, "object: sum.so\nrollback: true\n", &process);
    assert_string_equal(process.program, "sum.so");
    assert_true(process.rollback);
}

static void a_wrong_value_is_named_with_its_line(void **state)
{
    (void)state;
    refuse(SET_PROCESS_EXEC, "program: tell",
           "x.yaml:1: key 'program', value 'tell': expected the");
    refuse(SET_PROCESS_EXEC, "program: /a/../b", "absolute path");
    refuse(SET_PROCESS_EXEC, "program: [/a, /b]", "one value, not a list");
    refuse(SET_PROCESS_EXEC, "timeout: 5s", "x.yaml:1: expected the key program");
    refuse(SET_PROCESS_EXEC, "program: /a\ntimeout: 0s", "x.yaml:2: key 'timeout', value '0s'");
    refuse(SET_PROCESS_EXEC, "program: /a\ndry_run: yes", "expected true or false");
    refuse(SET_PROCESS_EXEC, "program: /a\n\nargs: [x]",
           "x.yaml:3: key 'args', value 'x': unknown");
    refuse(SET_PROCESS_EXEC, "program: /a\nenvironment: {SKEIN_TENANT: x}", "begin with SKEIN_");
    refuse(SET_PROCESS_EXEC, "program: /a\nenvironment: {LD_PRELOAD: x}", "LD_");
    refuse(SET_PROCESS_EXEC, "program: /a\nenvironment: {'A B': x}", "letters, digits and '_'");
    refuse(SET_PROCESS_EXEC, "program: /a\nenvironment: {A: [1, 2]}", "one value, not a list");
    refuse(SET_PROCESS_EXEC_DOWN, "program: /a\ndry_run: true", "unknown key");
    refuse(SET_PROCESS_PLUGIN, "object: ../a.so", "the name of a shared object");
    refuse(SET_PROCESS_PLUGIN, "object: a", "the name of a shared object");
    refuse(SET_PROCESS_PLUGIN, "object: a.so\nenvironment: {A: b}", "unknown key");
    refuse(SET_PROCESS_PLUGIN, "program: /a", "unknown key");
}

/* A set with one migration of the three files. */
static bool parse_set(const char *const pairs[], struct set *ret_set, struct error *err)
{
    struct set_file files[4];
    size_t count = 0;

    for (; pairs[2 * count] != NULL; count++) {
        files[count] = (struct set_file){ pairs[2 * count], bytes_of_text(pairs[2 * count + 1]) };
    }
    return set_parse(files, count, "billing", ret_set, err);
}

#define FILES(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void a_set_knows_its_programs_and_their_rollbacks(void **state)
{
    CLEANUP(set_release) struct set set = { 0 };
    struct error err = { 0 };

    (void)state;
    if (!parse_set(FILES("0.2.0__x/10_a.exec.yaml", "program: /bin/up",
                         "0.2.0__x/10_a.down.exec.yaml", "program: /bin/down",
                         "0.2.0__x/20_b.plugin.yaml", "object: b.so\nrollback: true",
                         "0.2.0__x/30_c.plugin.yaml", "object: c.so"),
                   &set, &err)) {
        fail_msg("%s", err.message);
    }
    const struct operation *operations = set.migrations[0].operations;
    assert_string_equal(operations[0].process->program, "/bin/up");
    assert_int_equal(operations[0].down_kind, OPERATION_EXEC);
    assert_string_equal(operations[0].down_process->program, "/bin/down");
    assert_string_equal(operations[1].down_path, "0.2.0__x/20_b.plugin.yaml");
    assert_int_equal(operations[1].down_kind, OPERATION_PLUGIN);
    assert_ptr_equal(operations[1].down_process, operations[1].process);
    assert_null(operations[2].down_path);
}

static void a_set_with_a_wrong_program_is_refused_with_file_and_line(void **state)
{
    CLEANUP(set_release) struct set set = { 0 };
    struct error err = { 0 };

    (void)state;
    assert_false(
        parse_set(FILES("0.2.0__x/10_a.exec.yaml", "program: /a\nshell: true"), &set, &err));
    assert_non_null(strstr(err.message, "0.2.0__x/10_a.exec.yaml:2: key 'shell', value 'true'"));
    assert_false(parse_set(FILES("0.2.0__x/10_a.plugin.yaml", "object: a.so\nrollback: true",
                                 "0.2.0__x/10_a.down.sql", "SELECT 1"),
                           &set, &err));
    assert_non_null(strstr(err.message, "says rollback: true already"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_program_has_arguments_variables_and_a_timeout),
        cmocka_unit_test(what_is_not_said_has_a_default),
        cmocka_unit_test(a_wrong_value_is_named_with_its_line),
        cmocka_unit_test(a_set_knows_its_programs_and_their_rollbacks),
        cmocka_unit_test(a_set_with_a_wrong_program_is_refused_with_file_and_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
