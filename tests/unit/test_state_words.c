/* LIBS: skein_model */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/core/limits.h"
#include "common/model/state_answer.h"
#include "common/model/state_position.h"

static void a_position_comes_back_as_it_was(void **state)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    CLEANUP(buf_release) struct buf text = { .size_max = 1 << 20 };
    const char *const pending[] = { "a-1", "a-\"2\"" };
    struct state_position position = { 0 };
    struct state_position read;
    struct error err = { 0 };

    (void)state;
    assert_true(state_position_parse("", &arena, &position, &err));
    assert_string_equal(position.after, "");
    position.after = "a-\xC3\xA4";
    position.migrated = 7;
    position.skipped = 3;
    position.pending = pending;
    position.pending_count = COUNT_OF(pending);
    state_position_note(&position, &arena, "a-3", "division by zero", false);
    state_position_note(&position, &arena, "a-4", "no entry", true);
    state_position_put(&position, &text);
    assert_true(state_position_parse(buf_text(&text), &arena, &read, &err));
    assert_string_equal(read.after, position.after);
    assert_int_equal(read.migrated, 7);
    assert_int_equal(read.skipped, 3);
    assert_int_equal(read.errors, 1);
    assert_int_equal(read.warnings, 1);
    assert_int_equal(read.pending_count, 2);
    assert_string_equal(read.pending[1], "a-\"2\"");
    assert_int_equal(read.note_count, 2);
    assert_string_equal(read.notes[0].words, "division by zero");
    assert_false(read.notes[0].registry);
    assert_true(read.notes[1].registry);
}

static void only_the_first_streams_are_named(void **state)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct state_position position = { .after = "" };
    char words[2 * STATE_WORDS_BYTES_MAX];

    (void)state;
    for (size_t i = 0; i + 1 < sizeof(words); i += 2) {
        memcpy(words + i, "\xC3\xA4", 2);
    }
    words[sizeof(words) - 1] = '\0';
    words[sizeof(words) - 2] = '\0';
    for (size_t i = 0; i < 100; i++) {
        state_position_note(&position, &arena, "a-1", words + 0, false);
    }
    assert_int_equal(position.errors, 100);
    assert_int_equal(position.note_count, STATE_NAMED_MAX);
    assert_true(strlen(position.notes[0].words) <= STATE_WORDS_BYTES_MAX);
    assert_int_equal(strlen(position.notes[0].words) % 2, 0);
}

static void a_position_that_is_not_ours_is_refused(void **state)
{
    static const char *const texts[] = {
        "{}",
        "[1]",
        "x",
        "{\"after\": 1, \"migrated\": 0, \"skipped\": 0, \"errors\": 0, \"warnings\": 0,"
        " \"pending\": [], \"notes\": []}",
        "{\"after\": \"\", \"migrated\": 0, \"skipped\": 0, \"errors\": 0, \"warnings\": 0,"
        " \"pending\": [1], \"notes\": []}",
        "{\"after\": \"\", \"migrated\": 0, \"skipped\": 0, \"errors\": 0, \"warnings\": 0,"
        " \"pending\": [], \"notes\": [1]}",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        CLEANUP(arena_release) struct arena arena = { 0 };
        struct state_position position;
        struct error err = { 0 };

        assert_false(state_position_parse(texts[i], &arena, &position, &err));
        assert_int_equal(err.code, ERR_INVALID);
    }
}

static bool answer(const char *line, struct arena *arena, struct state_answer *ret_answer)
{
    struct error err = { 0 };

    return state_answer_parse(bytes_of_text(line), "a-1", arena, ret_answer, &err);
}

static void a_program_answers_in_three_ways(void **state)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct state_answer said = { 0 };

    (void)state;
    assert_true(answer("{\"stream\": \"a-1\", \"state\": {\"n\": 1}}", &arena, &said));
    assert_int_equal(said.outcome, STATE_MIGRATED);
    assert_string_equal(said.text, "{\"stream\": \"a-1\", \"state\": {\"n\": 1}}");
    assert_true(answer("{\"stream\": \"a-1\", \"state\": null}", &arena, &said));
    assert_int_equal(said.outcome, STATE_MIGRATED);
    assert_true(
        answer("{\"stream\": \"a-1\", \"state\": 123456789012345678901234.50}", &arena, &said));
    assert_non_null(strstr(said.text, "123456789012345678901234.50"));
    assert_true(answer("{\"stream\": \"a-1\", \"skip\": true}", &arena, &said));
    assert_int_equal(said.outcome, STATE_SKIPPED);
    assert_true(answer("{\"stream\": \"a-1\", \"error\": \"no account\"}", &arena, &said));
    assert_int_equal(said.outcome, STATE_FAILED);
    assert_string_equal(said.text, "no account");
}

static void another_answer_is_refused(void **state)
{
    static const char *const lines[] = {
        "",
        "hello",
        "{\"stream\": \"a-2\", \"state\": 1}",
        "{\"state\": 1}",
        "{\"stream\": \"a-1\"}",
        "{\"stream\": \"a-1\", \"skip\": false}",
        "{\"stream\": \"a-1\", \"error\": 1}",
        "{\"stream\": \"a-1\", \"error\": \"x\", \"state\": 1}",
        "{\"stream\": \"a-1\", \"state\": 1} 2",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        CLEANUP(arena_release) struct arena arena = { 0 };
        struct state_answer said;

        if (answer(lines[i], &arena, &said)) {
            fail_msg("taken: %s", lines[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_position_comes_back_as_it_was),
        cmocka_unit_test(only_the_first_streams_are_named),
        cmocka_unit_test(a_position_that_is_not_ours_is_refused),
        cmocka_unit_test(a_program_answers_in_three_ways),
        cmocka_unit_test(another_answer_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
