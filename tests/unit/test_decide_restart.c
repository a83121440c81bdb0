/* LIBS: coordinator_decide sim_parts */
#include "tests/unit/decide_fixture.h"

static size_t begin_running(struct fixture *f, size_t tenants, struct rollout_spec spec)
{
    size_t mark = fixture_begin(f, 1, tenants, spec);
    size_t run = fixture_mark(f);

    fixture_answer_tasks(f, 1, mark, NULL, TASK_SUCCEEDED, TASK_CODE_NONE);
    fixture_expect_phase(f, spec.id, ROLLOUT_RUNNING);
    return run;
}

static void before_the_barrier_everything_is_looked_at_again(void **state)
{
    struct fixture *f = *state;

    fixture_begin(f, 1, 3, (struct rollout_spec){ .id = "r1" });
    int64_t lease = f->lease;
    fixture_restart(f);
    fixture_expect_phase(f, "r1", ROLLOUT_PENDING);
    size_t mark = fixture_mark(f);
    fixture_hello_running(f, 5, "eu-1", "agent-a", lease, NULL, 0);
    fixture_report(f, 5, 3, "0.1.0", fixture_refresh(f, 5));
    fixture_expect_phase(f, "r1", ROLLOUT_DRY_RUN);
    assert_int_equal(fixture_assigned(f, 5, TASK_DRY_RUN, mark), 3);
    fixture_work(f, 5, mark);
    fixture_expect_phase(f, "r1", ROLLOUT_SUCCEEDED);
}

static void successes_are_in_the_journals(void **state)
{
    struct fixture *f = *state;
    const struct fixture_row rows[] = { { "t_001", "0.3.0", "r1" },
                                        { "t_002", "0.1.0", "" },
                                        { "t_003", "0.3.0", "other" } };

    begin_running(f, 3, (struct rollout_spec){ .id = "r1" });
    int64_t lease = f->lease;
    fixture_restart(f);
    size_t mark = fixture_mark(f);
    fixture_hello_running(f, 5, "eu-1", "agent-a", lease, NULL, 0);
    fixture_report_rows(f, 5, true, 0, rows, 3);
    fixture_expect_phase(f, "r1", ROLLOUT_RUNNING);
    struct rollout_view view = fixture_view(f, "r1");
    assert_int_equal(view.state.counts.migrated, 1);
    assert_int_equal(view.state.skips[TASK_CODE_UP_TO_DATE], 1);
    assert_int_equal(fixture_assigned(f, 5, TASK_DRY_RUN, mark), 1); /* looks before it leaps */
    assert_int_equal(fixture_assigned(f, 5, TASK_RUN, mark), 0);
    fixture_work(f, 5, mark);
    fixture_expect_phase(f, "r1", ROLLOUT_SUCCEEDED);
    assert_int_equal(fixture_view(f, "r1").state.counts.migrated, 2);
}

static void running_tasks_go_on_through_a_restart(void **state)
{
    struct fixture *f = *state;
    size_t run = begin_running(f, 2, (struct rollout_spec){ .id = "r1" });
    uint64_t token = fixture_sent(f, 1, COORDINATOR_MESSAGE_ASSIGN, run)->assign.token;
    const struct running_task running[] = {
        { .rollout = "r1", .mode = TASK_RUN, .tenant = "t_001", .token = token },
    };
    int64_t lease = f->lease;

    fixture_restart(f);
    assert_int_equal(sim_store_count(&f->store, RECORD_LOCK), 2);
    size_t mark = fixture_mark(f);
    fixture_hello_running(f, 5, "eu-1", "agent-a", lease, running, 1);
    assert_int_equal(sim_store_count(&f->store, RECORD_LOCK), 1); /* t_002 is not running */
    fixture_report(f, 5, 2, "0.1.0", 0);
    assert_int_equal(fixture_view(f, "r1").state.counts.running, 2); /* t_002's dry run */
    assert_int_equal(fixture_assigned(f, 5, TASK_DRY_RUN, mark), 1);
    fixture_result(f, 5, 1,
                   (struct task_result){ .rollout = "r1",
                                         .mode = TASK_RUN,
                                         .tenant = "t_001",
                                         .token = token,
                                         .version = "0.3.0" });
    assert_int_equal(fixture_view(f, "r1").state.counts.migrated, 1);
    fixture_work(f, 5, mark);
    fixture_expect_phase(f, "r1", ROLLOUT_SUCCEEDED);
    assert_int_equal(sim_store_count(&f->store, RECORD_LOCK), 0);
}

/* Its fence equals the newest token: the base must not move, or the tokens of the other tasks of
 * that window would seem older than their locks to the next leader. */
static void tasks_go_on_though_one_of_their_window_has_committed(void **state)
{
    struct fixture *f = *state;
    size_t run = begin_running(f, 2, (struct rollout_spec){ .id = "r1" });
    uint64_t token = fixture_sent(f, 1, COORDINATOR_MESSAGE_ASSIGN, run)->assign.token;
    const struct running_task running[] = {
        { .rollout = "r1", .mode = TASK_RUN, .tenant = "t_002", .token = token },
    };
    const struct set_version version = {
        .set = "billing", .version = "0.3.0", .rollout = "r1", .fence = token, .undone = ""
    };
    const struct tenant_info migrated = { .name = "t_001",
                                          .versions = &version,
                                          .version_count = 1 };
    struct agent_message report = { .kind = AGENT_MESSAGE_TENANTS };

    report.tenants =
        (struct tenant_report){ .last = true, .tenants = &migrated, .tenant_count = 1 };
    fixture_agent(f, 1, report);
    assert_int_equal(sim_store_count(&f->store, RECORD_TOKEN_BASE), 0);
    int64_t lease = f->lease;
    fixture_restart(f);
    fixture_hello_running(f, 5, "eu-1", "agent-a", lease, running, 1);
    assert_non_null(sim_store_find(&f->store, RECORD_LOCK, "", "eu-1/t_002"));
    assert_null(sim_store_find(&f->store, RECORD_LOCK, "", "eu-1/t_001"));
}

/* Its task is under way when the leader dies, and nobody hears of it again: then it is unknown. */
static void a_tenant_that_came_late_is_not_left_out_of_the_report(void **state)
{
    struct fixture *f = *state;
    const struct fixture_row late[] = { { "t_002", "0.1.0", "" } };

    begin_running(f, 1, (struct rollout_spec){ .id = "r1" });
    size_t mark = fixture_mark(f);
    fixture_report_rows(f, 1, false, 0, late, 1);
    assert_int_equal(fixture_assigned(f, 1, TASK_DRY_RUN, mark), 1);
    fixture_restart(f);
    fixture_verb(f, OPERATOR_ABORT, "r1");
    fixture_tick(f, SESSION_LEASE_TTL_MS); /* nobody comes back */
    fixture_tick(f, 100);
    fixture_expect_phase(f, "r1", ROLLOUT_ABORTED);
    assert_int_equal(fixture_view(f, "r1").state.counts.total, 2);
    assert_int_equal(fixture_view(f, "r1").state.counts.unknown, 2);
}

static void failures_survive(void **state)
{
    struct fixture *f = *state;
    const struct fixture_row rows[] = { { "t_001", "0.3.0", "r1" },
                                        { "t_002", "0.1.0", "" },
                                        { "t_003", "0.3.0", "r1" } };
    size_t run = begin_running(
        f, 3,
        (struct rollout_spec){ .id = "r1", .policy = POLICY_CONTINUE, .concurrency_per_shard = 0 });
    uint64_t token = fixture_sent(f, 1, COORDINATOR_MESSAGE_ASSIGN, run)->assign.token;

    fixture_result(f, 1, 1,
                   (struct task_result){ .rollout = "r1",
                                         .mode = TASK_RUN,
                                         .tenant = "t_002",
                                         .token = token,
                                         .outcome = TASK_FAILED,
                                         .error = { .code = TASK_CODE_SQL } });
    int64_t lease = f->lease;
    fixture_restart(f);
    size_t mark = fixture_mark(f);
    fixture_hello_running(f, 5, "eu-1", "agent-a", lease, NULL, 0);
    fixture_report_rows(f, 5, true, 0, rows, 3);
    assert_int_equal(fixture_assigned(f, 5, TASK_SETTLE, mark), 1);
    fixture_answer_tasks(f, 5, mark, "t_002", TASK_SKIPPED, TASK_CODE_CANCELLED);
    fixture_expect_phase(f, "r1", ROLLOUT_FAILED);
    assert_int_equal(fixture_assigned(f, 5, TASK_DRY_RUN, mark), 0);
    assert_int_equal(fixture_view(f, "r1").state.counts.failed, 1);
    assert_string_equal(fixture_view(f, "r1").errors[0]->message, "it did not work");
}

static void a_failure_that_the_journal_contradicts_is_a_success(void **state)
{
    struct fixture *f = *state;
    const struct fixture_row rows[] = { { "t_001", "0.3.0", "r1" } };
    size_t run = begin_running(f, 1, (struct rollout_spec){ .id = "r1" });

    fixture_answer_tasks(f, 1, run, "t_001", TASK_FAILED, TASK_CODE_SQL);
    fixture_expect_phase(f, "r1", ROLLOUT_PAUSED);
    int64_t lease = f->lease;
    fixture_restart(f);
    fixture_expect_phase(f, "r1", ROLLOUT_PAUSED);
    fixture_hello_running(f, 5, "eu-1", "agent-a", lease, NULL, 0);
    fixture_report_rows(f, 5, true, 0, rows, 1);
    assert_int_equal(sim_store_count(&f->store, RECORD_FAILURE), 0);
    fixture_verb(f, OPERATOR_RESUME, "r1");
    fixture_expect_phase(f, "r1", ROLLOUT_SUCCEEDED);
}

static void an_agent_that_is_away_after_a_restart_is_waited_for(void **state)
{
    struct fixture *f = *state;

    begin_running(f, 3, (struct rollout_spec){ .id = "r1" });
    fixture_restart(f);
    fixture_tick(f, 100);
    fixture_expect_phase(f, "r1", ROLLOUT_RUNNING);
    assert_string_equal(fixture_view(f, "r1").waiting_for, "agent-offline(eu-1)");
    fixture_tick(f, 1000000);
    fixture_expect_phase(f, "r1", ROLLOUT_RUNNING);
}

static void an_abort_survives_and_ends_when_the_locks_are_gone(void **state)
{
    struct fixture *f = *state;

    const struct fixture_row rows[] = { { "t_001", "0.3.0", "r1" },
                                        { "t_002", "0.1.0", "" },
                                        { "t_003", "0.1.0", "" } };

    begin_running(f, 3, (struct rollout_spec){ .id = "r1" });
    int64_t lease = f->lease;
    assert_int_equal(fixture_verb(f, OPERATOR_ABORT, "r1")->reply.code, ERR_NONE);
    fixture_expect_phase(f, "r1", ROLLOUT_RUNNING);
    assert_non_null(strstr(fixture_view(f, "r1").waiting_for, "drain("));
    fixture_restart(f);
    fixture_tick(f, 100);
    fixture_expect_phase(f, "r1", ROLLOUT_RUNNING);
    fixture_hello_running(f, 5, "eu-1", "agent-a", lease, NULL, 0);
    fixture_tick(f, 100);
    fixture_expect_phase(f, "r1", ROLLOUT_RUNNING); /* what the tasks did is not known yet */
    size_t mark = fixture_mark(f);
    fixture_report_rows(f, 5, true, 0, rows, 3);
    /* Who may have had the others is not known any more: they are settled first. */
    fixture_expect_phase(f, "r1", ROLLOUT_RUNNING);
    assert_int_equal(fixture_assigned(f, 5, TASK_SETTLE, mark), 2);
    fixture_answer_tasks(f, 5, mark, "t_002", TASK_SKIPPED, TASK_CODE_CANCELLED);
    fixture_expect_phase(f, "r1", ROLLOUT_ABORTED);
    assert_int_equal(fixture_view(f, "r1").state.counts.migrated, 2);
    assert_int_equal(fixture_view(f, "r1").state.skips[TASK_CODE_CANCELLED], 1);
}

static void what_an_agent_sent_before_it_was_started_again_is_settled(void **state)
{
    struct fixture *f = *state;
    const struct fixture_row rows[] = { { "t_001", "0.1.0", "" } };

    begin_running(f, 1, (struct rollout_spec){ .id = "r1" });
    size_t mark = fixture_mark(f);
    fixture_hello_running(f, 2, "eu-1", "agent-a", 0, NULL, 0);
    fixture_verb(f, OPERATOR_ABORT, "r1");
    const struct coordinator_message *look = fixture_sent(f, 2, COORDINATOR_MESSAGE_REFRESH, mark);
    assert_non_null(look);
    /* Its transaction may not even have begun: that the journal has nothing is no proof. */
    fixture_report_rows(f, 2, true, look->refresh, rows, 1);
    assert_int_equal(fixture_assigned(f, 2, TASK_SETTLE, mark), 1);
    fixture_expect_phase(f, "r1", ROLLOUT_RUNNING);
    fixture_answer_tasks(f, 2, mark, "t_001", TASK_SKIPPED, TASK_CODE_CANCELLED);
    fixture_expect_phase(f, "r1", ROLLOUT_ABORTED);
}

static void an_aborted_rollout_calls_unknown_what_a_lost_agent_may_have_done(void **state)
{
    struct fixture *f = *state;

    begin_running(f, 3, (struct rollout_spec){ .id = "r1" });
    fixture_restart(f);
    fixture_verb(f, OPERATOR_ABORT, "r1");
    fixture_tick(f, SESSION_LEASE_TTL_MS); /* nobody comes back */
    fixture_tick(f, 100);
    fixture_expect_phase(f, "r1", ROLLOUT_ABORTED);
    assert_int_equal(fixture_view(f, "r1").state.counts.unknown, 3);
}

static void what_has_ended_is_still_there(void **state)
{
    struct fixture *f = *state;
    size_t run =
        begin_running(f, 3, (struct rollout_spec){ .id = "r1", .policy = POLICY_CONTINUE });

    fixture_answer_tasks(f, 1, run, "t_002", TASK_FAILED, TASK_CODE_SQL);
    fixture_expect_phase(f, "r1", ROLLOUT_FAILED);
    fixture_restart(f);
    fixture_expect_phase(f, "r1", ROLLOUT_FAILED);
    struct rollout_view view = fixture_view(f, "r1");
    assert_int_equal(view.state.counts.migrated, 2);
    assert_int_equal(view.shards[0].counts.migrated, 2);
    assert_int_equal(view.error_count, 1);
    assert_int_equal(fleet_event_count(f->fleet), sim_store_count(&f->store, RECORD_EVENT));
    assert_non_null(fleet_set_find(f->fleet, "billing", ""));
}

static void a_hold_survives_and_ends_by_the_wall_clock(void **state)
{
    struct fixture *f = *state;

    fixture_shard(f, 1, "eu-1", 1, "0.1.0");
    fixture_ask(f, (struct operator_request){
                       .verb = OPERATOR_LOCK, .object = "eu-1/t_001", .lock_ttl_ms = 60000 });
    fixture_restart(f);
    struct fleet_numbers numbers;
    fleet_numbers(f->fleet, &numbers);
    assert_int_equal(numbers.locks_operator, 1);
    fixture_tick(f, 59999);
    assert_int_equal(sim_store_count(&f->store, RECORD_LOCK), 1);
    fixture_tick(f, 1);
    assert_int_equal(sim_store_count(&f->store, RECORD_LOCK), 0);
}

static void an_answer_that_nobody_acknowledged_counts_for_a_new_leader(void **state)
{
    struct fixture *f = *state;
    size_t run = begin_running(f, 1, (struct rollout_spec){ .id = "r1" });
    uint64_t token = fixture_sent(f, 1, COORDINATOR_MESSAGE_ASSIGN, run)->assign.token;
    const struct running_task running = {
        .rollout = "r1", .mode = TASK_RUN, .tenant = "t_001", .token = token
    };
    int64_t lease = f->lease;

    /* The agent lists it until it is acknowledged, and answers even before it reports. */
    fixture_restart(f);
    fixture_hello_running(f, 5, "eu-1", "agent-a", lease, &running, 1);
    fixture_result(f, 5, 1,
                   (struct task_result){ .rollout = "r1",
                                         .mode = TASK_RUN,
                                         .tenant = "t_001",
                                         .token = token,
                                         .outcome = TASK_FAILED,
                                         .error = { .code = TASK_CODE_SQL } });
    assert_int_equal(sim_store_count(&f->store, RECORD_LOCK), 0);
    assert_int_equal(sim_store_count(&f->store, RECORD_FAILURE), 1);
    size_t mark = fixture_mark(f);
    fixture_report(f, 5, 1, "0.1.0", 0);
    /* An agent that had it before this one may only be stopped, and commit yet. */
    assert_int_equal(fixture_view(f, "r1").state.counts.failed, 0);
    assert_int_equal(fixture_assigned(f, 5, TASK_SETTLE, mark), 1);
    fixture_answer_tasks(f, 5, mark, "t_001", TASK_SKIPPED, TASK_CODE_CANCELLED);
    assert_int_equal(fixture_view(f, "r1").state.counts.failed, 1);
    assert_string_equal(fixture_view(f, "r1").errors[0]->message, "it did not work");
    fixture_expect_phase(f, "r1", ROLLOUT_PAUSED);
}

static void the_same_events_give_the_same_effects(void **state)
{
    struct fixture *f = *state;
    void *other_state;
    struct fixture *g;

    fixture_set_up(&other_state);
    g = other_state;
    for (int i = 0; i < 2; i++) {
        struct fixture *x = i == 0 ? f : g;
        fixture_work(x, 1, fixture_begin(x, 1, 50, (struct rollout_spec){ .id = "r1" }));
    }
    assert_int_equal(f->list_count, g->list_count);
    for (size_t i = 0; i < f->list_count; i++) {
        assert_int_equal(f->lists[i]->count, g->lists[i]->count);
        for (size_t j = 0; j < f->lists[i]->count; j++) {
            assert_int_equal(f->lists[i]->items[j].kind, g->lists[i]->items[j].kind);
            assert_int_equal(f->lists[i]->items[j].record, g->lists[i]->items[j].record);
        }
    }
    fixture_tear_down(&other_state);
}

static void a_phase_is_shown_only_when_it_is_durable(void **state)
{
    struct fixture *f = *state;

    fixture_begin(f, 1, 2, (struct rollout_spec){ .id = "r1" });
    fixture_expect_phase(f, "r1", ROLLOUT_DRY_RUN);
    f->store_is_slow = true;
    fixture_verb(f, OPERATOR_PAUSE, "r1");
    fixture_expect_phase(f, "r1", ROLLOUT_DRY_RUN);
    assert_string_equal(fixture_view(f, "r1").waiting_for, "store");
    fixture_store_answers(f);
    fixture_expect_phase(f, "r1", ROLLOUT_PAUSED);
    assert_non_null(strstr(fixture_view(f, "r1").waiting_for, "operator"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(before_the_barrier_everything_is_looked_at_again),
        TEST(successes_are_in_the_journals),
        TEST(running_tasks_go_on_through_a_restart),
        TEST(tasks_go_on_though_one_of_their_window_has_committed),
        TEST(a_tenant_that_came_late_is_not_left_out_of_the_report),
        TEST(a_phase_is_shown_only_when_it_is_durable),
        TEST(failures_survive),
        TEST(a_failure_that_the_journal_contradicts_is_a_success),
        TEST(an_agent_that_is_away_after_a_restart_is_waited_for),
        TEST(an_abort_survives_and_ends_when_the_locks_are_gone),
        TEST(what_an_agent_sent_before_it_was_started_again_is_settled),
        TEST(an_aborted_rollout_calls_unknown_what_a_lost_agent_may_have_done),
        TEST(what_has_ended_is_still_there),
        TEST(a_hold_survives_and_ends_by_the_wall_clock),
        TEST(an_answer_that_nobody_acknowledged_counts_for_a_new_leader),
        TEST(the_same_events_give_the_same_effects),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
