/* LIBS: agent_decide */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "agent/decide/batch_pace.h"
#include "common/core/limits.h"

static void chunks_grow_and_shrink_towards_the_target(void **state)
{
    struct batch_pace pace;

    (void)state;
    batch_pace_init(&pace, 1000, 200, 0, 0);
    batch_pace_done(&pace, 1000, 10000, false); /* 100 rows/ms: 20,000 would fit, at most twice */
    assert_int_equal(pace.rows, 2000);
    batch_pace_done(&pace, 2000, 160000, false);
    assert_int_equal(pace.rows, 2500);
    batch_pace_done(&pace, 2500, 5000000, false); /* 50 would fit, at least half */
    assert_int_equal(pace.rows, 1250);
    batch_pace_done(&pace, 1250, 250000, false);
    assert_int_equal(pace.rows, 1000);
    batch_pace_done(&pace, 1000, 200000, false);
    assert_int_equal(pace.rows, 1000);
}

static void the_size_has_bounds(void **state)
{
    struct batch_pace pace;

    (void)state;
    batch_pace_init(&pace, 0, 0, 0, 0);
    assert_int_equal(pace.rows, 1);
    assert_int_equal(pace.target_us, 1000);
    batch_pace_done(&pace, 1, UINT64_MAX, false);
    assert_int_equal(pace.rows, 1);
    batch_pace_init(&pace, UINT64_MAX, UINT64_MAX, 0, 0);
    assert_int_equal(pace.rows, BATCH_ROWS_MAX);
    batch_pace_done(&pace, BATCH_ROWS_MAX, 0, false);
    assert_int_equal(pace.rows, BATCH_ROWS_MAX);
}

static void a_chunk_that_was_not_full_says_nothing(void **state)
{
    struct batch_pace pace;

    (void)state;
    batch_pace_init(&pace, 1000, 200, 0, 0);
    batch_pace_done(&pace, 3, 100, false);
    assert_int_equal(pace.rows, 1000);
}

static void somebody_who_waits_makes_chunks_smaller(void **state)
{
    struct batch_pace pace;

    (void)state;
    batch_pace_init(&pace, 1000, 200, 0, 0);
    batch_pace_done(&pace, 1000, 1, true);
    assert_int_equal(pace.rows, 500);
    batch_pace_init(&pace, 1, 200, 0, 0);
    batch_pace_done(&pace, 1, 1, true);
    assert_int_equal(pace.rows, 1);
}

static void refusals_are_tried_again_smaller_and_later_but_not_for_ever(void **state)
{
    struct batch_pace pace;
    uint64_t pause_ms = 0;
    uint64_t before_ms = 0;

    (void)state;
    batch_pace_init(&pace, 1000, 200, 0, 0);
    for (int i = 1; i < BATCH_LOCK_TRIES_MAX; i++) {
        assert_true(batch_pace_refused(&pace, &pause_ms));
        assert_true(pause_ms >= before_ms && pause_ms > 0 && pause_ms <= TASK_BACKOFF_MAX_MS);
        before_ms = pause_ms;
    }
    assert_int_equal(pace.rows, 1);
    assert_false(batch_pace_refused(&pace, &pause_ms));
    batch_pace_done(&pace, 1, 1000, false); /* one that worked: counted anew */
    assert_true(batch_pace_refused(&pace, &pause_ms));
}

static void the_words_tell_rate_and_time_left(void **state)
{
    char words[BATCH_PACE_WORDS_BYTES];
    struct batch_pace pace;

    (void)state;
    batch_pace_init(&pace, 1000, 200, 5000, 1000000);
    assert_string_equal(batch_pace_words(&pace, 5000, 9000, 1000000, words), "0 rows/s");
    assert_string_equal(batch_pace_words(&pace, 2505000, 27505000, 3000000, words),
                        "1,250,000 rows/s, about 20s left");
    assert_string_equal(batch_pace_words(&pace, 7000, 6000, 3000000, words), "1,000 rows/s");
    assert_string_equal(batch_pace_words(&pace, 7000, 0, 3000000, words), "1,000 rows/s");
    (void)batch_pace_words(&pace, UINT64_MAX - 1, UINT64_MAX, 1000001, words);
    assert_true(strlen(words) < BATCH_PACE_WORDS_BYTES - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_grow_and_shrink_towards_the_target),
        cmocka_unit_test(the_size_has_bounds),
        cmocka_unit_test(a_chunk_that_was_not_full_says_nothing),
        cmocka_unit_test(somebody_who_waits_makes_chunks_smaller),
        cmocka_unit_test(refusals_are_tried_again_smaller_and_later_but_not_for_ever),
        cmocka_unit_test(the_words_tell_rate_and_time_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
