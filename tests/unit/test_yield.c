/* LIBS: agent_decide */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "agent/decide/patience.h"
#include "agent/decide/worker_pace.h"
#include "agent/decide/yield.h"
#include "common/core/base.h"
#include "common/core/limits.h"

/* ---- patience ---- */

static void pauses_grow_with_jitter_up_to_a_bound(void **state)
{
    struct patience patience = { 0 };
    uint64_t now_ms = 1000;
    uint64_t pause_ms = PATIENCE_PAUSE_MIN_MS;
    uint64_t at_ms = 0;

    (void)state;
    for (uint64_t i = 0; i < 20; i++) {
        assert_true(
            patience_try_again(&patience, PATIENCE_DEFAULT_MS, now_ms, now_ms, 7919 * i, &at_ms));
        assert_in_range(at_ms, now_ms + pause_ms / 2, now_ms + pause_ms);
        pause_ms = 2 * pause_ms < PATIENCE_PAUSE_MAX_MS ? 2 * pause_ms : PATIENCE_PAUSE_MAX_MS;
        now_ms = at_ms;
    }
    assert_int_equal(patience.began_ms, 1000);
    assert_int_equal(patience.tries, 20);
}

static void the_last_try_is_when_the_patience_ends(void **state)
{
    struct patience patience = { 0 };
    uint64_t at_ms = 0;

    (void)state;
    assert_true(patience_try_again(&patience, 1000, 5000, 5990, UINT64_MAX, &at_ms));
    assert_int_equal(at_ms, 6000);
    assert_false(patience_try_again(&patience, 1000, 6000, 6300, 0, &at_ms));
}

static void without_patience_there_is_one_try(void **state)
{
    struct patience patience = { 0 };
    uint64_t at_ms = 0;

    (void)state;
    assert_false(patience_try_again(&patience, 0, 5000, 5000, 0, &at_ms));
}

/* ---- yield ---- */

static const struct yield_options options = { .sessions = 2,
                                              .after_ms = { 2000, 2000, 2000, 500, [63] = 2000 },
                                              .look_ms = 100 };

static void enough_sessions_that_waited_long_enough_stop_a_worker(void **state)
{
    const struct yield_wait waits[] = {
        { 0, 5000 },                            /* one is not enough */
        { 1, 1901 },  { 1, 2500 },              /* the first would be too late at the next look */
        { 2, 1900 },  { 2, 9000 },  { 2, 100 }, /* only one is late */
        { 3, 401 },   { 3, 450 },               /* whose task has a budget of its own */
        { 63, 3000 }, { 63, 3000 }, { 63, 20 },
    };
    struct yield_verdict verdict;

    (void)state;
    yield_judge(&options, waits, COUNT_OF(waits), &verdict);
    assert_true(verdict.stop == (UINT64_C(1) << 1 | UINT64_C(1) << 3 | UINT64_C(1) << 63));
    assert_int_equal(verdict.sessions[2], 3);
    assert_int_equal(verdict.longest_ms[2], 9000);
    assert_int_equal(verdict.sessions[5], 0);
}

static void with_no_number_of_sessions_nothing_yields(void **state)
{
    const struct yield_options off = { .sessions = 0, .after_ms = { 1 }, .look_ms = 100 };
    const struct yield_wait waits[] = { { 0, 5000 }, { 0, 5000 } };
    struct yield_verdict verdict;

    (void)state;
    yield_judge(&off, waits, COUNT_OF(waits), &verdict);
    assert_true(verdict.stop == 0);
    yield_judge(&options, NULL, 0, &verdict);
    assert_true(verdict.stop == 0);
}

/* ---- workers ---- */

static void strain_halves_and_rest_adds_one(void **state)
{
    struct worker_pace pace;
    uint64_t now_ms = 0;

    (void)state;
    worker_pace_init(&pace, 8, now_ms);
    assert_int_equal(pace.now, 8);
    assert_false(worker_pace_step(&pace, WORKER_STRAIN_NONE, 100000)); /* never more than all */
    assert_true(worker_pace_step(&pace, WORKER_STRAIN_LOCKS, 100000));
    assert_int_equal(pace.now, 4);
    assert_false(worker_pace_step(&pace, WORKER_STRAIN_LOCKS, 100100)); /* not seen yet */
    assert_int_equal(pace.now, 4);
    now_ms = 100000;
    for (uint32_t expected = 5; expected <= 8; expected++) {
        now_ms += WORKER_PACE_STEP_MS;
        assert_string_not_equal(worker_pace_words(pace.reason), "");
        assert_true(worker_pace_step(&pace, WORKER_STRAIN_NONE, now_ms));
        assert_int_equal(pace.now, expected);
    }
    assert_int_equal(pace.reason, WORKER_STRAIN_NONE);
    for (int i = 0; i < 6; i++) {
        now_ms += WORKER_PACE_STEP_MS;
        (void)worker_pace_step(&pace, WORKER_STRAIN_LAG, now_ms);
    }
    assert_int_equal(pace.now, 1);
    assert_string_equal(worker_pace_words(pace.reason), "a standby is behind");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pauses_grow_with_jitter_up_to_a_bound),
        cmocka_unit_test(the_last_try_is_when_the_patience_ends),
        cmocka_unit_test(without_patience_there_is_one_try),
        cmocka_unit_test(enough_sessions_that_waited_long_enough_stop_a_worker),
        cmocka_unit_test(with_no_number_of_sessions_nothing_yields),
        cmocka_unit_test(strain_halves_and_rest_adds_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
