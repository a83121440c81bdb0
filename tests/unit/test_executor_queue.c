/* LIBS: agent_shell */
/* The last look at the lease, in front of BEGIN; tasks that rest. */
#include "tests/unit/agent_fixture.h"

#include <pthread.h>

#include "agent/run/executor_notes.h"
#include "agent/run/executor_queue.h"

struct looker {
    struct executor_queue *queue;
    bool holds;
};

static void *look(void *argument)
{
    struct looker *looker = argument;

    looker->holds = executor_queue_wait_lease(looker->queue, 0);
    return NULL;
}

/* A queue whose first worker has a task in hand. */
static struct executor_queue *queue_at_work(struct sql_parser *parser, struct executor_turn *turn)
{
    struct executor_queue *queue = executor_queue_new(2);
    struct agent_event *event = fixture_assignment("r1", "billing", "d1");
    struct prepared_set *set = fixture_set(parser);
    const struct task_assignment *assign = &event->message.assign;

    executor_queue_push(queue, executor_task_new(assign, &assign->tasks[0], set));
    prepared_set_unref(&set);
    agent_event_free(&event);
    assert_true(executor_queue_take(queue, 0, turn));
    return queue;
}

static void end_turn(struct executor_queue **queue, struct executor_turn *turn)
{
    executor_queue_end_turn(*queue, 0);
    executor_queue_answered(*queue);
    executor_task_free(&turn->task);
    executor_queue_free(queue);
}

static void without_a_lease_it_waits_until_there_is_one(void **state)
{
    struct sql_parser *parser = sql_parser_new();
    struct executor_turn turn;
    struct executor_queue *queue = queue_at_work(parser, &turn);
    struct looker looker = { .queue = queue };
    pthread_t thread;

    (void)state;
    assert_true(executor_queue_wait_lease(queue, 0)); /* nobody has spoken of leases */
    executor_queue_set_lease(queue, clock_monotonic_ms() + 60000);
    assert_true(executor_queue_wait_lease(queue, 0));
    executor_queue_set_lease(queue, clock_monotonic_ms()); /* over, by the clock alone */
    assert_int_equal(pthread_create(&thread, NULL, look, &looker), 0);
    executor_queue_set_lease(queue, clock_monotonic_ms() + 60000);
    pthread_join(thread, NULL);
    assert_true(looker.holds);
    end_turn(&queue, &turn);
    sql_parser_free(&parser);
}

static void who_waits_for_a_lease_can_be_cancelled(void **state)
{
    struct sql_parser *parser = sql_parser_new();
    struct executor_turn turn;
    struct executor_queue *queue = queue_at_work(parser, &turn);
    struct looker looker = { .queue = queue, .holds = true };
    pthread_t thread;

    (void)state;
    executor_queue_set_lease(queue, 0);
    assert_int_equal(pthread_create(&thread, NULL, look, &looker), 0);
    executor_queue_cancel(queue, NULL, NULL, 0);
    pthread_join(thread, NULL);
    assert_false(looker.holds);
    executor_queue_set_lease(queue, UINT64_MAX);
    assert_false(executor_queue_wait_lease(queue, 0)); /* cancelled stays cancelled */
    end_turn(&queue, &turn);
    sql_parser_free(&parser);
}

static void how_far_a_task_is_is_forgotten_with_its_turn(void **state)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct sql_parser *parser = sql_parser_new();
    struct executor_turn turn;
    struct executor_queue *queue = queue_at_work(parser, &turn);
    struct task_progress *progress = NULL;

    (void)state;
    assert_int_equal(executor_notes_read_progress(queue, &arena, &progress), 0);
    executor_notes_progress(queue, 0, 5, 10, "20_fill: 1 row/s");
    executor_notes_progress(queue, 1, 1, 2, "nobody's"); /* its worker is idle */
    assert_int_equal(executor_notes_read_progress(queue, &arena, &progress), 1);
    assert_string_equal(progress[0].rollout, "r1");
    assert_string_equal(progress[0].words, "20_fill: 1 row/s");
    assert_int_equal(progress[0].done, 5);
    assert_int_equal(progress[0].total, 10);
    executor_queue_end_turn(queue, 0);
    assert_int_equal(executor_notes_read_progress(queue, &arena, &progress), 0);
    end_turn(&queue, &turn);
    sql_parser_free(&parser);
}

/* ---- tasks that rest ---- */

static void a_task_rests_until_it_is_due(void **state)
{
    struct sql_parser *parser = sql_parser_new();
    struct executor_turn turn;
    struct executor_turn again;
    struct executor_queue *queue = queue_at_work(parser, &turn);

    (void)state;
    turn.task->gives_up_ms = UINT64_MAX;
    assert_true(executor_queue_rest(queue, 0, clock_monotonic_ms() + 30));
    assert_false(executor_queue_has_more(queue));
    assert_true(executor_queue_is_quiet(queue)); /* others need not wait for it */
    assert_int_equal(executor_queue_load(queue), 1);
    assert_true(executor_queue_take(queue, 1, &again));
    assert_ptr_equal(again.task, turn.task);
    assert_true(again.serial > turn.serial);
    executor_queue_end_turn(queue, 1);
    executor_queue_answered(queue);
    executor_task_free(&again.task);
    executor_queue_free(&queue);
    sql_parser_free(&parser);
}

static void a_task_that_rests_is_dropped_when_it_is_cancelled(void **state)
{
    struct sql_parser *parser = sql_parser_new();
    struct executor_turn turn;
    struct executor_order order;
    struct executor_queue *queue = queue_at_work(parser, &turn);

    (void)state;
    turn.task->gives_up_ms = UINT64_MAX;
    assert_true(executor_queue_rest(queue, 0, clock_monotonic_ms() + 3600000));
    executor_queue_cancel(queue, "r1", NULL, 0);
    executor_queue_wait_order(queue, &order);
    assert_int_equal(order.kind, EXECUTOR_ORDER_DROP);
    assert_ptr_equal(order.task, turn.task);
    executor_queue_answered(queue);
    executor_task_free(&order.task);
    executor_queue_free(&queue);
    sql_parser_free(&parser);
}

static void who_is_cancelled_or_closed_does_not_rest(void **state)
{
    struct sql_parser *parser = sql_parser_new();
    struct executor_turn turn;
    struct executor_queue *queue = queue_at_work(parser, &turn);

    (void)state;
    executor_queue_cancel(queue, NULL, NULL, 0);
    assert_false(executor_queue_rest(queue, 0, 0));
    end_turn(&queue, &turn);
    queue = queue_at_work(parser, &turn);
    executor_queue_close(queue);
    assert_false(executor_queue_rest(queue, 0, 0));
    end_turn(&queue, &turn);
    sql_parser_free(&parser);
}

/* As long as the transaction is there it is not tried; when it has gone, at once; at the end of its
 * patience in any case. */
static void a_task_waits_for_the_transaction_in_its_way(void **state)
{
    CLEANUP(buf_release) struct buf blockers = { .size_max = 1024 };
    CLEANUP(arena_release) struct arena arena = { 0 };
    const char *there[] = { "1:1", "4711:99" };
    struct sql_parser *parser = sql_parser_new();
    struct task_progress *progress = NULL;
    struct executor_turn turn;
    struct executor_queue *queue = queue_at_work(parser, &turn);
    uint64_t started_ms = clock_monotonic_ms();

    (void)state;
    turn.task->blocker = "4711:99";
    turn.task->waits_for = "waits for accounts: pid 4711";
    turn.task->gives_up_ms = UINT64_MAX;
    assert_true(executor_queue_rest(queue, 0, started_ms + 3600000));
    assert_int_equal(executor_queue_blockers(queue, &blockers), 1);
    assert_string_equal(buf_text(&blockers), "4711:99");
    executor_queue_hold(queue, there, 2);
    assert_int_equal(executor_notes_read_progress(queue, &arena, &progress), 1);
    assert_string_equal(progress[0].words,
                        "waits for accounts: pid 4711; try 1 when that has ended");
    executor_queue_hold(queue, there, 1);
    assert_true(executor_queue_take(queue, 0, &turn));

    turn.task->gives_up_ms = clock_monotonic_ms() + 20;
    assert_true(executor_queue_rest(queue, 0, started_ms + 3600000));
    executor_queue_hold(queue, there, 2);
    assert_true(executor_queue_take(queue, 0, &turn));
    end_turn(&queue, &turn);
    sql_parser_free(&parser);
}

/* Nobody else's end wakes it, and what it waits for is told without a try's number. */
static void a_task_that_awaits_a_copy_is_woken_when_that_was_tried(void **state)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct sql_parser *parser = sql_parser_new();
    struct task_progress *progress = NULL;
    struct executor_turn turn;
    struct executor_queue *queue = queue_at_work(parser, &turn);

    (void)state;
    turn.task->awaits_copy = "k1";
    turn.task->waits_for = "waits for a trial";
    assert_true(executor_queue_rest(queue, 0, clock_monotonic_ms() + 3600000));
    assert_int_equal(executor_notes_read_progress(queue, &arena, &progress), 1);
    assert_string_equal(progress[0].words, "waits for a trial");
    executor_queue_wake(queue, "k2");
    assert_true(executor_queue_is_quiet(queue));
    executor_queue_wake(queue, "k1");
    assert_true(executor_queue_take(queue, 0, &turn));
    end_turn(&queue, &turn);
    sql_parser_free(&parser);
}

static void a_turn_that_yields_is_cancelled_unless_it_insists(void **state)
{
    struct sql_parser *parser = sql_parser_new();
    struct executor_turn turn;
    struct executor_order order;
    struct executor_queue *queue = queue_at_work(parser, &turn);
    char words[TEXT_BYTES_MAX];

    (void)state;
    executor_notes_insist(queue, 0, true);
    executor_queue_yield(queue, 0, turn.serial, "2 sessions");
    assert_int_equal(executor_notes_why(queue, 0), TASK_CODE_NONE);
    executor_notes_insist(queue, 0, false);
    executor_queue_yield(queue, 0, turn.serial + 1, "2 sessions"); /* of a turn that is over */
    assert_int_equal(executor_notes_why(queue, 0), TASK_CODE_NONE);
    executor_queue_yield(queue, 0, turn.serial, "2 sessions");
    assert_int_equal(executor_notes_why(queue, 0), TASK_CODE_YIELDED);
    assert_true(executor_notes_has_yielded(queue, 0, words));
    assert_string_equal(words, "2 sessions");
    executor_queue_wait_order(queue, &order);
    assert_int_equal(order.kind, EXECUTOR_ORDER_CANCEL);
    assert_int_equal(order.serial, turn.serial);
    executor_queue_cancel(queue, NULL, NULL, 0);
    assert_int_equal(executor_notes_why(queue, 0), TASK_CODE_CANCELLED);
    end_turn(&queue, &turn);
    sql_parser_free(&parser);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_lease_it_waits_until_there_is_one),
        cmocka_unit_test(who_waits_for_a_lease_can_be_cancelled),
        cmocka_unit_test(how_far_a_task_is_is_forgotten_with_its_turn),
        cmocka_unit_test(a_task_rests_until_it_is_due),
        cmocka_unit_test(a_task_that_rests_is_dropped_when_it_is_cancelled),
        cmocka_unit_test(who_is_cancelled_or_closed_does_not_rest),
        cmocka_unit_test(a_task_waits_for_the_transaction_in_its_way),
        cmocka_unit_test(a_task_that_awaits_a_copy_is_woken_when_that_was_tried),
        cmocka_unit_test(a_turn_that_yields_is_cancelled_unless_it_insists),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
