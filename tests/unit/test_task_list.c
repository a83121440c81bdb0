/* LIBS: agent_shell */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/task_list.h"

static const struct task_item item_a = { "a", "", 0, "", 0 };
static const struct task_item item_b = { "b", "0.1.0", 0, "", 0 };

static struct task_assignment assignment_with(uint64_t token)
{
    return (struct task_assignment){
        .rollout = "r1", .set = "billing", .mode = TASK_RUN, .token = token
    };
}

static struct agent_event *result_of(const char *tenant, uint64_t token)
{
    struct agent_event *event = agent_event_new(AGENT_EVENT_RESULT);

    event->result = (struct task_result){
        .rollout = "r1", .mode = TASK_RUN, .tenant = tenant, .token = token, .version = "0.2.0"
    };
    return event;
}

static void a_result_is_kept_and_sent_again_until_it_is_acknowledged(void **state)
{
    struct task_list *list = task_list_new();
    const struct task_assignment assignment = assignment_with(5);
    struct task_result results[4];

    (void)state;
    assert_true(task_list_add(list, &assignment, &item_a));
    assert_true(task_list_add(list, &assignment, &item_b));
    task_list_finish(list, result_of("a", 5));
    assert_int_equal(task_list_take_results(list, 1, 4, results), 1);
    assert_int_equal(task_list_take_results(list, 2, 4, results), 0);
    task_list_send_again(list); /* the stream broke before the acknowledgement */
    assert_int_equal(task_list_take_results(list, 3, 4, results), 1);
    assert_string_equal(results[0].tenant, "a");
    task_list_acknowledge(list, 1); /* of the stream that is gone */
    assert_int_equal(task_list_count(list), 2);
    task_list_acknowledge(list, 3);
    assert_int_equal(task_list_count(list), 1); /* b is at work */
    task_list_free(&list);
}

static void a_repeated_assignment_starts_nothing(void **state)
{
    struct task_list *list = task_list_new();
    const struct task_assignment first = assignment_with(5);
    const struct task_assignment later = assignment_with(9);

    (void)state;
    assert_true(task_list_add(list, &first, &item_a));
    assert_false(task_list_add(list, &first, &item_a));
    assert_true(task_list_add(list, &later, &item_a)); /* a later lock is another task */
    task_list_finish(list, result_of("a", 9));
    task_list_finish(list, result_of("a", 9)); /* a second answer is dropped */
    assert_int_equal(task_list_unsent(list), 1);
    task_list_free(&list);
}

static void hello_names_everything_that_is_on_its_way(void **state)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct task_list *list = task_list_new();
    const struct task_assignment assignment = assignment_with(5);

    (void)state;
    task_list_add(list, &assignment, &item_a);
    task_list_add(list, &assignment, &item_b);
    task_list_finish(list, result_of("a", 5));
    const struct running_task *running = task_list_running(list, &arena);
    assert_int_equal(task_list_count(list), 2);
    assert_string_equal(running[0].tenant, "a");
    assert_int_equal(running[1].token, 5);
    task_list_drop(list, &assignment, &item_b);
    task_list_drop(list, &assignment, &item_a); /* has a result: stays */
    assert_int_equal(task_list_count(list), 1);
    task_list_free(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_result_is_kept_and_sent_again_until_it_is_acknowledged),
        cmocka_unit_test(a_repeated_assignment_starts_nothing),
        cmocka_unit_test(hello_names_everything_that_is_on_its_way),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
