/* LIBS: agent_shell */
#include "tests/unit/agent_fixture.h"

#include <stdio.h>

#include "agent/shelf.h"

static int set_up(void **state)
{
    *state = sql_parser_new();
    return 0;
}

static int tear_down(void **state)
{
    struct sql_parser *parser = *state;

    sql_parser_free(&parser);
    return 0;
}

static void who_waits_for_a_set_waits_in_order_and_one_fetches_it(void **state)
{
    struct shelf *shelf = shelf_new();
    static const char *const rollouts[] = { "r1", "r2", "r3" };

    (void)state;
    assert_null(shelf_find(shelf, "billing", "d1"));
    assert_true(shelf_wait(shelf, fixture_assignment("r1", "billing", "d1")));
    assert_false(shelf_wait(shelf, fixture_assignment("r2", "billing", "d1")));
    assert_true(shelf_wait(shelf, fixture_assignment("other", "billing", "d2")));
    assert_false(shelf_wait(shelf, fixture_assignment("r3", "billing", "d1")));
    for (size_t i = 0; i < COUNT_OF(rollouts); i++) {
        struct agent_event *event = shelf_take_waiting(shelf, "billing", "d1");
        assert_string_equal(event->message.assign.rollout, rollouts[i]);
        agent_event_free(&event);
    }
    assert_null(shelf_take_waiting(shelf, "billing", "d1"));
    assert_true(shelf_wait(shelf, fixture_assignment("r4", "billing", "d1"))); /* anew */
    shelf_free(&shelf); /* with what still waits */
}

static void count_dropped(void *context, const struct task_assignment *assignment)
{
    size_t *count = context;

    assert_string_equal(assignment->rollout, "r1");
    *count += assignment->task_count;
}

static void a_rollout_that_is_cancelled_waits_no_more(void **state)
{
    struct shelf *shelf = shelf_new();
    size_t dropped = 0;

    (void)state;
    (void)shelf_wait(shelf, fixture_assignment("r1", "billing", "d1"));
    (void)shelf_wait(shelf, fixture_assignment("r2", "billing", "d1"));
    (void)shelf_wait(shelf, fixture_assignment("r1", "billing", "d2"));
    shelf_drop_waiting(shelf, "r1", count_dropped, &dropped);
    assert_int_equal(dropped, 2);
    struct agent_event *event = shelf_take_waiting(shelf, "billing", "d1");
    assert_string_equal(event->message.assign.rollout, "r2");
    agent_event_free(&event);
    assert_null(shelf_take_waiting(shelf, "billing", "d2"));
    shelf_free(&shelf);
}

static void the_sets_used_last_are_kept(void **state)
{
    struct shelf *shelf = shelf_new();
    char digest[16];

    for (int i = 0; i < SHELF_SETS_MAX; i++) {
        snprintf(digest, sizeof(digest), "d%d", i);
        shelf_put(shelf, "billing", digest, fixture_set(*state));
    }
    assert_non_null(shelf_find(shelf, "billing", "d0")); /* so d1 is the oldest now */
    shelf_put(shelf, "billing", "new", fixture_set(*state));
    assert_non_null(shelf_find(shelf, "billing", "d0"));
    assert_null(shelf_find(shelf, "billing", "d1"));
    assert_non_null(shelf_find(shelf, "billing", "new"));
    assert_null(shelf_find(shelf, "other", "new")); /* the same digest under another name */
    shelf_put(shelf, "billing", "new", fixture_set(*state)); /* fetched twice: in its place */
    assert_non_null(shelf_find(shelf, "billing", "d2"));
    shelf_free(&shelf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_waits_for_a_set_waits_in_order_and_one_fetches_it),
        cmocka_unit_test(a_rollout_that_is_cancelled_waits_no_more),
        cmocka_unit_test(the_sets_used_last_are_kept),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
