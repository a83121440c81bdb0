/* LIBS: agent_run */
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

#include "agent/run/plugin_talk.h"
#include "agent/run/process_allow.h"

struct place {
    struct arena arena;
    const char *folder; /* real */
    struct executor_options options;
    const char *patterns[2];
};

static const char *file_at(struct place *place, const char *name, mode_t mode)
{
    const char *path = arena_printf(&place->arena, "%s/%s", place->folder, name);
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
    return path;
}

static int set_up(void **state)
{
    struct place *place = calloc(1, sizeof(*place));
    char path[] = "/tmp/test_process_allow_XXXXXX";

    assert_non_null(place);
    assert_non_null(mkdtemp(path));
    place->folder = arena_strdup(&place->arena, path);
    place->options = (struct executor_options){ .shard = "eu-1" };
    *state = place;
    return 0;
}

static int tear_down(void **state)
{
    static const char *const names[] = { "tell", "open", "link", "a.so", "out.so", "text" };
    struct place *place = *state;

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        (void)unlink(arena_printf(&place->arena, "%s/%s", place->folder, names[i]));
    }
    assert_int_equal(rmdir(place->folder), 0);
    arena_release(&place->arena);
    free(place);
    return 0;
}

static void allow(struct place *place, const char *pattern)
{
    place->patterns[place->options.allow_exec_count++] = pattern;
    place->options.allow_exec = place->patterns;
}

static void refuse(struct place *place, const char *program, const char *words)
{
    const char *path = NULL;
    struct error err = { 0 };

    assert_false(process_allow_program(&place->options, program, &place->arena, &path, &err));
    if (strstr(err.message, words) == NULL) {
        fail_msg("expected '%s' in: %s", words, err.message);
    }
}

static void nothing_is_allowed_by_itself(void **state)
{
    struct place *place = *state;
    const char *path = NULL;
    struct error err = { 0 };

    refuse(place, "/bin/true", "the agent of shard 'eu-1' runs no programs");
    assert_false(process_allow_plugin(&place->options, "a.so", &place->arena, &path, &err));
    assert_non_null(strstr(err.message, "loads no plugins"));
}

static void what_a_pattern_matches_is_allowed(void **state)
{
    struct place *place = *state;
    const char *program = file_at(place, "tell", 0755);
    const char *path = NULL;
    struct error err = { 0 };

    allow(place, "/elsewhere/*");
    refuse(place, program, "no allow-exec of its configuration matches");
    allow(place, arena_printf(&place->arena, "%s/*", place->folder));
    assert_true(process_allow_program(&place->options, program, &place->arena, &path, &err));
    assert_string_equal(path, program);
}

static void a_glob_does_not_reach_into_folders(void **state)
{
    struct place *place = *state;
    const char *program = file_at(place, "tell", 0755);

    allow(place, "/tmp/*");
    refuse(place, program, "no allow-exec");
}

static void a_link_is_what_it_leads_to(void **state)
{
    struct place *place = *state;
    const char *program = file_at(place, "tell", 0755);
    const char *linked = arena_printf(&place->arena, "%s/link", place->folder);
    const char *path = NULL;
    struct error err = { 0 };

    assert_int_equal(symlink("/usr/bin/env", linked), 0);
    allow(place, arena_printf(&place->arena, "%s/*", place->folder));
    refuse(place, linked, "which is /usr/bin/env");
    assert_int_equal(unlink(linked), 0);
    assert_int_equal(symlink(program, linked), 0);
    assert_true(process_allow_program(&place->options, linked, &place->arena, &path, &err));
    assert_string_equal(path, program);
}

static void what_everybody_may_write_is_not_run(void **state)
{
    struct place *place = *state;

    allow(place, arena_printf(&place->arena, "%s/*", place->folder));
    refuse(place, file_at(place, "open", 0777), "writable by everybody");
    refuse(place, file_at(place, "text", 0644), "cannot be run: Permission denied");
    refuse(place, place->folder, "is not a file");
    refuse(place, "/nowhere/at/all", "/nowhere/at/all: No such file or directory");
}

static void a_plugin_lies_in_its_folder(void **state)
{
    struct place *place = *state;
    const char *outside = arena_printf(&place->arena, "%s/out.so", place->folder);
    const char *object = file_at(place, "a.so", 0644);
    const char *path = NULL;
    struct error err = { 0 };

    place->options.plugin_dir = place->folder;
    assert_true(process_allow_plugin(&place->options, "a.so", &place->arena, &path, &err));
    assert_string_equal(path, object);
    assert_int_equal(symlink("/usr/bin/env", outside), 0);
    assert_false(process_allow_plugin(&place->options, "out.so", &place->arena, &path, &err));
    assert_non_null(strstr(err.message, "lies outside of plugin-dir"));
}

static void what_ends_a_transaction_is_seen_behind_comments(void **state)
{
    static const char *const refused[] = {
        "COMMIT",
        "  rollback to x",
        "/* a /* b */ c */ -- d\n\tBegin",
        "END;",
        "PREPARE TRANSACTION 'x'",
        "--\rSAVEPOINT a",
        "RELEASE a",
        "/**/copy t TO STDOUT",
        "start transaction",
        "\fabort and",
        "-- x\n/* y */prepare a AS SELECT 1",
    };
    static const char *const taken[] = {
        "",        "SELECT 1 -- COMMIT", "/* COMMIT */ SELECT 1",  "commitment",
        "END_ OF", "UPDATE t SET x = 1", "/* never closed COMMIT", "-- COMMIT",
    };
    char word[16];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        if (!plugin_talk_is_refused(refused[i], word)) {
            fail_msg("taken: %s", refused[i]);
        }
    }
    for (size_t i = 0; i < COUNT_OF(taken); i++) {
        if (plugin_talk_is_refused(taken[i], word)) {
            fail_msg("refused: %s", taken[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_is_allowed_by_itself, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_a_pattern_matches_is_allowed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_glob_does_not_reach_into_folders, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_link_is_what_it_leads_to, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_everybody_may_write_is_not_run, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_plugin_lies_in_its_folder, set_up, tear_down),
        cmocka_unit_test(what_ends_a_transaction_is_seen_behind_comments),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
