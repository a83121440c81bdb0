/* LIBS: coordinator_decide sim_parts */
/* Agents that leave in good order, and what a welcome says of the lease. */
#include "tests/unit/decide_fixture.h"

static void leaving(struct fixture *f, uint64_t stream, bool done)
{
    struct agent_message message = { .kind = AGENT_MESSAGE_LEAVING, .leaving_done = done };

    fixture_agent(f, stream, message);
}

static size_t assigned(const struct fixture *f, uint64_t stream, size_t since)
{
    const struct coordinator_message *message =
        fixture_sent(f, stream, COORDINATOR_MESSAGE_ASSIGN, since);

    return message == NULL ? 0 : message->assign.task_count;
}

static void an_agent_that_leaves_gets_no_more_tasks(void **state)
{
    struct fixture *f = *state;

    fixture_shard(f, 1, "eu-1", 4, "0.1.0");
    leaving(f, 1, false);
    assert_int_equal(fixture_publish(f, 3)->reply.code, ERR_NONE);
    size_t mark = fixture_mark(f);
    fixture_start(f, "r1");
    fixture_report(f, 1, 4, "0.1.0", fixture_refresh(f, 1));
    assert_int_equal(assigned(f, 1, mark), 0);
    struct shard_view view;
    fleet_shard_at(f->fleet, 0, &view);
    assert_true(view.leaving);
    fixture_hello(f, 2, "eu-1", "agent-b");
    leaving(f, 1, true);
    assert_non_null(fixture_sent(f, 2, COORDINATOR_MESSAGE_WELCOME, 0)); /* at once */
    mark = fixture_mark(f);
    fixture_report(f, 2, 4, "0.1.0", 0);
    assert_int_equal(assigned(f, 2, mark), 4);
}

/* A rolling restart of many agents: what each hands back must not use up the tries of its task. */
static void what_a_leaving_agent_hands_back_costs_no_try(void **state)
{
    struct fixture *f = *state;
    uint64_t stream = 1;
    size_t mark = 0;

    fixture_begin(f, stream, 1, (struct rollout_spec){ .id = "r1" });
    for (int i = 0; i < 2 * TASK_TRIES_MAX; i++) {
        assert_int_equal(assigned(f, stream, mark), 1);
        struct task_result result = {
            .rollout = "r1", .mode = TASK_DRY_RUN, .tenant = "t_001", .outcome = TASK_FAILED
        };
        result.token = fixture_sent(f, stream, COORDINATOR_MESSAGE_ASSIGN, mark)->assign.token;
        result.error.code = TASK_CODE_CANCELLED;
        leaving(f, stream, false);
        fixture_result(f, stream, 1, result);
        leaving(f, stream, true);
        mark = fixture_mark(f);
        fixture_hello(f, ++stream, "eu-1", "agent-b");
        fixture_report(f, stream, 1, "0.1.0", fixture_refresh(f, stream));
        fixture_tick(f, 0);
    }
    assert_int_equal(fixture_view(f, "r1").state.counts.failed, 0);
}

static void an_agent_that_left_without_a_report_is_looked_up_by_the_next(void **state)
{
    struct fixture *f = *state;

    fixture_begin(f, 1, 4, (struct rollout_spec){ .id = "r1" });
    fixture_hello(f, 2, "eu-1", "agent-b");
    leaving(f, 1, true); /* its tasks never came back: no store was there to hear it */
    assert_non_null(fixture_sent(f, 2, COORDINATOR_MESSAGE_WELCOME, 0));
    size_t mark = fixture_mark(f);
    fixture_report(f, 2, 4, "0.1.0", 0);
    fixture_tick(f, 1000);
    assert_int_equal(assigned(f, 2, mark), 4);
}

static void a_standby_that_leaves_is_not_called(void **state)
{
    struct fixture *f = *state;

    fixture_hello(f, 1, "eu-1", "agent-a");
    fixture_hello(f, 2, "eu-1", "agent-b");
    fixture_hello(f, 3, "eu-1", "agent-c");
    leaving(f, 2, false);
    fixture_close(f, 1);
    assert_null(fixture_sent(f, 2, COORDINATOR_MESSAGE_WELCOME, 0));
    assert_non_null(fixture_sent(f, 3, COORDINATOR_MESSAGE_WELCOME, 0));
}

static void a_welcome_says_how_old_its_lease_is(void **state)
{
    struct fixture *f = *state;

    fixture_hello(f, 1, "eu-1", "agent-a");
    const struct coordinator_message *first = fixture_sent(f, 1, COORDINATOR_MESSAGE_WELCOME, 0);
    assert_true(first->welcome.granted);
    assert_int_equal(first->welcome.heartbeat, 0);
    fixture_hello(f, 2, "eu-1", "agent-a"); /* a new stream, the same lease */
    assert_false(fixture_sent(f, 2, COORDINATOR_MESSAGE_WELCOME, 0)->welcome.granted);
    fixture_hello(f, 3, "eu-1", "agent-b");
    fixture_heartbeat(f, 3, 41);
    fixture_heartbeat(f, 3, 42);
    fixture_close(f, 2);
    const struct coordinator_message *next = fixture_sent(f, 3, COORDINATOR_MESSAGE_WELCOME, 0);
    assert_true(next->welcome.granted);
    assert_int_equal(next->welcome.heartbeat, 42);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_agent_that_leaves_gets_no_more_tasks),
        TEST(what_a_leaving_agent_hands_back_costs_no_try),
        TEST(an_agent_that_left_without_a_report_is_looked_up_by_the_next),
        TEST(a_standby_that_leaves_is_not_called),
        TEST(a_welcome_says_how_old_its_lease_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
