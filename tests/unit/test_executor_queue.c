/* LIBS: agent_shell */
/* The last look at the lease, in front of BEGIN. */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_lease_it_waits_until_there_is_one),
        cmocka_unit_test(who_waits_for_a_lease_can_be_cancelled),
        cmocka_unit_test(how_far_a_task_is_is_forgotten_with_its_turn),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
