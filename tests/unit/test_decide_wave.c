/* LIBS: coordinator_decide sim_parts */
#include "tests/unit/decide_fixture.h"

static const struct rollout_spec r1 = { .id = "r1" };

static size_t locks_of(const struct fixture *f)
{
    return sim_store_count(&f->store, RECORD_LOCK);
}

static void tasks_go_out_in_windows_whose_locks_are_durable(void **state)
{
    struct fixture *f = *state;

    fixture_publish(f, 3);
    fixture_shard(f, 1, "eu-1", 200, "0.1.0");
    fixture_start(f, "r1");
    size_t mark = fixture_mark(f);
    f->store_is_slow = true;
    fixture_report(f, 1, 200, "0.1.0", fixture_refresh(f, 1));
    assert_int_equal(fixture_assigned(f, 1, TASK_DRY_RUN, mark), 0);
    assert_int_equal(locks_of(f), 2 * TASK_WINDOW);
    fixture_store_answers(f);
    assert_int_equal(fixture_assigned(f, 1, TASK_DRY_RUN, mark), 2 * TASK_WINDOW);
    const struct coordinator_message *assign = fixture_sent(f, 1, COORDINATOR_MESSAGE_ASSIGN, mark);
    assert_int_equal(assign->assign.token, f->store.revision);
    assert_string_equal(assign->assign.tasks[0].from, "0.1.0");
    assert_string_equal(assign->assign.target, "0.3.0");
}

static void the_next_window_goes_when_half_of_the_tasks_have_ended(void **state)
{
    struct fixture *f = *state;
    size_t mark = fixture_begin(f, 1, 200, r1);
    const struct coordinator_message *assign = fixture_sent(f, 1, COORDINATOR_MESSAGE_ASSIGN, mark);
    size_t next = fixture_mark(f);

    for (size_t i = 0; i < TASK_WINDOW; i++) {
        assert_int_equal(fixture_assigned(f, 1, TASK_DRY_RUN, next), 0);
        fixture_result(f, 1, i + 1,
                       (struct task_result){ .rollout = "r1",
                                             .mode = TASK_DRY_RUN,
                                             .tenant = assign->assign.tasks[i].tenant,
                                             .token = assign->assign.token });
    }
    assert_int_equal(fixture_assigned(f, 1, TASK_DRY_RUN, next), TASK_WINDOW);
}

static void a_window_costs_two_writes_of_locks(void **state)
{
    struct fixture *f = *state;
    size_t mark = fixture_begin(f, 1, TASK_WINDOW, r1);
    const struct coordinator_message *assign = fixture_sent(f, 1, COORDINATOR_MESSAGE_ASSIGN, mark);
    struct task_result results[TASK_WINDOW];
    struct agent_message message = { .kind = AGENT_MESSAGE_RESULTS };
    size_t writes = f->writes;

    for (size_t i = 0; i < TASK_WINDOW; i++) {
        results[i] = (struct task_result){ .rollout = "r1",
                                           .mode = TASK_DRY_RUN,
                                           .tenant = assign->assign.tasks[i].tenant,
                                           .token = assign->assign.token,
                                           .version = "" };
    }
    message.results =
        (struct task_results){ .sequence = 1, .items = results, .count = TASK_WINDOW };
    fixture_agent(f, 1, message);
    /* All dry runs are answered in one transaction, and the locks of the runs go with it. */
    assert_int_equal(f->writes, writes + 1);
    fixture_expect_phase(f, "r1", ROLLOUT_RUNNING);
    assert_int_equal(fixture_sent(f, 1, COORDINATOR_MESSAGE_RESULTS_ACK, 0)->sequence, 1);
}

static void limits_hold_in_total_and_per_shard(void **state)
{
    struct fixture *f = *state;

    fixture_publish(f, 3);
    fixture_shard(f, 1, "eu-1", 20, "0.1.0");
    fixture_shard(f, 2, "eu-2", 20, "0.1.0");
    fixture_start_spec(
        f, (struct rollout_spec){ .id = "r1", .concurrency = 6, .concurrency_per_shard = 4 });
    size_t mark = fixture_mark(f);
    fixture_report(f, 1, 20, "0.1.0", fixture_refresh(f, 1));
    fixture_report(f, 2, 20, "0.1.0", fixture_refresh(f, 2));
    fixture_tick(f, 100);
    size_t first = fixture_assigned(f, 1, TASK_DRY_RUN, mark);
    size_t second = fixture_assigned(f, 2, TASK_DRY_RUN, mark);
    assert_int_equal(first + second, 6);
    assert_true(first <= 4);
    assert_true(second <= 4);
    assert_true(first > 0);
    assert_true(second > 0);
}

static void a_limit_of_one_goes_one_by_one(void **state)
{
    struct fixture *f = *state;
    size_t mark = fixture_begin(f, 1, 3, (struct rollout_spec){ .id = "r1", .concurrency = 1 });

    for (size_t i = 0; i < 6; i++) {
        size_t next = fixture_mark(f);
        assert_int_equal(locks_of(f), 1);
        assert_int_equal(fixture_answer_tasks(f, 1, mark, NULL, TASK_SUCCEEDED, TASK_CODE_NONE), 1);
        mark = next;
    }
    fixture_expect_phase(f, "r1", ROLLOUT_SUCCEEDED);
}

static void a_held_tenant_is_waited_for_while_others_go_on_and_then_skipped(void **state)
{
    struct fixture *f = *state;

    fixture_publish(f, 3);
    fixture_shard(f, 1, "eu-1", 3, "0.1.0");
    const struct effect *reply =
        fixture_ask(f, (struct operator_request){ .verb = OPERATOR_LOCK,
                                                  .object = "eu-1/t_002",
                                                  .lock_owner = "ana",
                                                  .reason = "data repair" });
    assert_int_equal(reply->reply.code, ERR_NONE);
    fixture_start_spec(f, (struct rollout_spec){ .id = "r1", .lock_timeout_ms = 5000 });
    size_t mark = fixture_mark(f);
    fixture_report(f, 1, 3, "0.1.0", fixture_refresh(f, 1));
    assert_int_equal(fixture_assigned(f, 1, TASK_DRY_RUN, mark), 2);
    assert_string_equal(fixture_view(f, "r1").waiting_for, "locked(eu-1/t_002 by ana)");
    fixture_tick(f, 4900);
    fixture_answer_tasks(f, 1, mark, NULL, TASK_SUCCEEDED, TASK_CODE_NONE);
    fixture_expect_phase(f, "r1", ROLLOUT_DRY_RUN);
    size_t run = fixture_mark(f);
    fixture_tick(f, 200);
    fixture_expect_phase(f, "r1", ROLLOUT_RUNNING);
    fixture_work(f, 1, run);
    fixture_expect_phase(f, "r1", ROLLOUT_SUCCEEDED);
    assert_int_equal(fixture_view(f, "r1").state.skips[TASK_CODE_TENANT_LOCKED], 1);
}

static void a_hold_that_is_given_back_in_time_delays_only(void **state)
{
    struct fixture *f = *state;

    fixture_publish(f, 3);
    fixture_shard(f, 1, "eu-1", 1, "0.1.0");
    fixture_verb(f, OPERATOR_LOCK, "eu-1/t_001");
    fixture_start(f, "r1");
    size_t mark = fixture_mark(f);
    fixture_report(f, 1, 1, "0.1.0", fixture_refresh(f, 1));
    fixture_tick(f, 1000);
    assert_int_equal(fixture_verb(f, OPERATOR_UNLOCK, "eu-1/t_001")->reply.code, ERR_NONE);
    fixture_tick(f, LOCK_RECHECK_MS);
    fixture_work(f, 1, mark);
    fixture_expect_phase(f, "r1", ROLLOUT_SUCCEEDED);
    assert_int_equal(fixture_view(f, "r1").state.counts.migrated, 1);
}

static void nothing_is_sent_when_the_session_ends_before_the_locks_are_durable(void **state)
{
    struct fixture *f = *state;

    fixture_publish(f, 3);
    fixture_shard(f, 1, "eu-1", 3, "0.1.0");
    fixture_start(f, "r1");
    f->store_is_slow = true;
    size_t mark = fixture_mark(f);
    fixture_report(f, 1, 3, "0.1.0", fixture_refresh(f, 1));
    fixture_end_lease(f, f->lease);
    fixture_store_answers(f);
    assert_int_equal(fixture_assigned(f, 1, TASK_DRY_RUN, mark), 0);
    assert_int_equal(fixture_view(f, "r1").state.counts.queued, 3);
}

static void a_pause_between_lock_and_send_gives_the_locks_back(void **state)
{
    struct fixture *f = *state;

    fixture_publish(f, 3);
    fixture_shard(f, 1, "eu-1", 3, "0.1.0");
    fixture_start(f, "r1");
    f->store_is_slow = true;
    size_t mark = fixture_mark(f);
    fixture_report(f, 1, 3, "0.1.0", fixture_refresh(f, 1));
    assert_int_equal(fixture_verb(f, OPERATOR_PAUSE, "r1")->reply.code, ERR_NONE);
    fixture_store_answers(f);
    assert_int_equal(fixture_assigned(f, 1, TASK_DRY_RUN, mark), 0);
    assert_int_equal(locks_of(f), 0);
    fixture_verb(f, OPERATOR_RESUME, "r1");
    fixture_work(f, 1, mark);
    fixture_expect_phase(f, "r1", ROLLOUT_SUCCEEDED);
}

static void two_sets_never_work_on_one_tenant_at_once(void **state)
{
    struct fixture *f = *state;
    size_t mark = fixture_begin(f, 1, 2, r1);
    struct set *set = sim_set_new(2);

    set->name = "other";
    fixture_ask(f, (struct operator_request){
                       .verb = OPERATOR_PUBLISH, .set = set, .archive = bytes_of_text("archive") });
    assert_int_equal(
        fixture_start_spec(f, (struct rollout_spec){ .id = "r2", .set = "other" })->reply.code,
        ERR_NONE);
    size_t second = fixture_mark(f);
    fixture_report(f, 1, 2, "0.1.0", fixture_refresh(f, 1));
    fixture_expect_phase(f, "r2", ROLLOUT_DRY_RUN);
    assert_int_equal(fixture_assigned(f, 1, TASK_DRY_RUN, second), 0);
    assert_non_null(strstr(fixture_view(f, "r2").waiting_for, "locked(eu-1/t_001 by r1"));
    fixture_work(f, 1, mark);
    fixture_expect_phase(f, "r1", ROLLOUT_SUCCEEDED);
    size_t run = fixture_mark(f);
    fixture_tick(f, LOCK_RECHECK_MS);
    fixture_work(f, 1, run);
    fixture_expect_phase(f, "r2", ROLLOUT_SUCCEEDED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(tasks_go_out_in_windows_whose_locks_are_durable),
        TEST(the_next_window_goes_when_half_of_the_tasks_have_ended),
        TEST(a_window_costs_two_writes_of_locks),
        TEST(limits_hold_in_total_and_per_shard),
        TEST(a_limit_of_one_goes_one_by_one),
        TEST(a_held_tenant_is_waited_for_while_others_go_on_and_then_skipped),
        TEST(a_hold_that_is_given_back_in_time_delays_only),
        TEST(nothing_is_sent_when_the_session_ends_before_the_locks_are_durable),
        TEST(a_pause_between_lock_and_send_gives_the_locks_back),
        TEST(two_sets_never_work_on_one_tenant_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
