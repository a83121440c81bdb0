/* LIBS: coordinator_cli */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/model/message.h"
#include "coordinator/cli/exit_code.h"

static void a_call_that_failed_says_why_by_its_code(void **state)
{
    (void)state;
    assert_int_equal(exit_code_of_status(RPC_OK, false), 0);
    assert_int_equal(exit_code_of_status(RPC_INTERNAL, false), 1);
    assert_int_equal(exit_code_of_status(RPC_INVALID_ARGUMENT, false), 2);
    assert_int_equal(exit_code_of_status(RPC_NOT_FOUND, false), 1);
    assert_int_equal(exit_code_of_status(RPC_FAILED_PRECONDITION, false), 7);
    assert_int_equal(exit_code_of_status(RPC_ABORTED, false), 7);
    assert_int_equal(exit_code_of_status(RPC_PERMISSION_DENIED, false), 7);
    assert_int_equal(exit_code_of_status(RPC_UNAVAILABLE, true), 8);
    assert_int_equal(exit_code_of_status(RPC_DEADLINE_EXCEEDED, false), 8);
    assert_int_equal(exit_code_of_status(RPC_DEADLINE_EXCEEDED, true), 124);
}

static void a_rollout_says_where_it_stands_by_its_code(void **state)
{
    (void)state;
    assert_int_equal(exit_code_of_phase("SUCCEEDED", 0), 0);
    assert_int_equal(exit_code_of_phase("SUCCEEDED", 3), 4);
    assert_int_equal(exit_code_of_phase("FAILED", 1), 4);
    assert_int_equal(exit_code_of_phase("PAUSED", 1), 5);
    assert_int_equal(exit_code_of_phase("AWAITING_APPROVAL", 0), 5);
    assert_int_equal(exit_code_of_phase("DRY_RUN_FAILED", 1), 6);
    assert_int_equal(exit_code_of_phase("ABORTED", 0), 7);
    assert_int_equal(exit_code_of_phase("ABORTED", 1), 4);
    assert_int_equal(exit_code_of_phase("RUNNING", 0), 0);
    assert_int_equal(exit_code_of_phase("SOMETHING_NEW", 0), 1);
}

static void every_phase_of_a_rollout_is_known(void **state)
{
    (void)state;
    for (int phase = 0; phase < ROLLOUT_PHASE_COUNT; phase++) {
        const char *name = rollout_phase_name((enum rollout_phase)phase);
        assert_int_not_equal(exit_code_of_phase(name, 0), 1);
        assert_int_equal(exit_code_phase_is_final(name),
                         rollout_phase_is_final((enum rollout_phase)phase));
    }
    assert_true(exit_code_phase_is_settled("PAUSED"));
    assert_false(exit_code_phase_is_final("PAUSED"));
    assert_false(exit_code_phase_is_settled("RUNNING"));
    assert_false(exit_code_phase_is_settled("SOMETHING_NEW"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_that_failed_says_why_by_its_code),
        cmocka_unit_test(a_rollout_says_where_it_stands_by_its_code),
        cmocka_unit_test(every_phase_of_a_rollout_is_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
