/* LIBS: coordinator_decide sim_parts */
#include "tests/unit/decide_fixture.h"

/* A rollout in its run phase; its runs are assigned from the returned mark on. */
static size_t begin_running(struct fixture *f, size_t tenants, struct rollout_spec spec)
{
    size_t mark = fixture_begin(f, 1, tenants, spec);
    size_t run = fixture_mark(f);

    /* With a limit the dry runs come in several windows. */
    while (fixture_view(f, spec.id).state.phase == ROLLOUT_DRY_RUN) {
        size_t next = fixture_mark(f);
        run = next;
        assert_true(fixture_answer_tasks(f, 1, mark, NULL, TASK_SUCCEEDED, TASK_CODE_NONE) > 0);
        mark = next;
    }
    fixture_expect_phase(f, spec.id, ROLLOUT_RUNNING);
    return run;
}

static void the_first_failure_pauses_by_default(void **state)
{
    struct fixture *f = *state;
    size_t run = begin_running(f, 5, (struct rollout_spec){ .id = "r1" });

    fixture_answer_tasks(f, 1, run, "t_002", TASK_FAILED, TASK_CODE_SQL);
    fixture_expect_phase(f, "r1", ROLLOUT_PAUSED);
    struct rollout_view view = fixture_view(f, "r1");
    assert_int_equal(view.state.counts.migrated, 4); /* what was in flight has ended */
    assert_int_equal(view.state.counts.failed, 1);
    assert_string_equal(view.waiting_for, "operator(paused: failure budget 1/0)");
    assert_int_equal(view.state.resume_phase, ROLLOUT_RUNNING);
}

static void a_paused_rollout_hands_nothing_out(void **state)
{
    struct fixture *f = *state;
    size_t run =
        begin_running(f, 6, (struct rollout_spec){ .id = "r1", .concurrency_per_shard = 2 });
    size_t next = fixture_mark(f);

    fixture_answer_tasks(f, 1, run, "t_001", TASK_FAILED, TASK_CODE_SQL);
    fixture_expect_phase(f, "r1", ROLLOUT_PAUSED);
    size_t before = fixture_assigned(f, 1, TASK_RUN, next);
    for (int i = 0; i < 20; i++) {
        fixture_tick(f, 100);
    }
    assert_int_equal(fixture_assigned(f, 1, TASK_RUN, next), before);
}

static void a_budget_bears_so_many_failures(void **state)
{
    struct fixture *f = *state;
    size_t run = begin_running(f, 5, (struct rollout_spec){ .id = "r1", .max_failures = 1 });

    fixture_answer_tasks(f, 1, run, "t_002", TASK_FAILED, TASK_CODE_SQL);
    fixture_expect_phase(f, "r1", ROLLOUT_FAILED);
    assert_int_equal(fixture_view(f, "r1").state.counts.migrated, 4);
}

static void a_budget_may_be_a_percentage(void **state)
{
    struct fixture *f = *state;
    size_t run =
        begin_running(f, 10, (struct rollout_spec){ .id = "r1", .max_failures_percent = 10 });

    fixture_answer_tasks(f, 1, run, "t_002", TASK_FAILED, TASK_CODE_SQL);
    fixture_expect_phase(f, "r1", ROLLOUT_FAILED); /* ran to its end: 1 of 10 was borne */
}

static void policy_abort_lets_tasks_end_and_skips_the_rest(void **state)
{
    struct fixture *f = *state;
    size_t run = begin_running(
        f, 10,
        (struct rollout_spec){ .id = "r1", .policy = POLICY_ABORT, .concurrency_per_shard = 4 });

    fixture_answer_tasks(f, 1, run, "t_001", TASK_FAILED, TASK_CODE_SQL);
    fixture_expect_phase(f, "r1", ROLLOUT_ABORTED);
    struct rollout_view view = fixture_view(f, "r1");
    assert_int_equal(view.state.counts.failed, 1);
    assert_true(view.state.counts.migrated >= 3);
    assert_int_equal(view.state.skips[TASK_CODE_CANCELLED], view.state.counts.skipped);
    assert_int_equal(view.state.counts.skipped, 9 - view.state.counts.migrated);
    assert_non_null(strstr(view.state.phase_reason, "failure budget"));
}

static void policy_continue_collects_every_error(void **state)
{
    struct fixture *f = *state;
    size_t run =
        begin_running(f, 5, (struct rollout_spec){ .id = "r1", .policy = POLICY_CONTINUE });

    fixture_answer_tasks(f, 1, run, "t_002", TASK_FAILED, TASK_CODE_SQL);
    fixture_expect_phase(f, "r1", ROLLOUT_FAILED);
    assert_int_equal(fixture_view(f, "r1").state.counts.migrated, 4);
    assert_int_equal(fixture_view(f, "r1").error_count, 1);
}

static void a_resumed_rollout_acts_only_on_new_failures(void **state)
{
    struct fixture *f = *state;
    size_t run =
        begin_running(f, 8, (struct rollout_spec){ .id = "r1", .concurrency_per_shard = 2 });

    fixture_answer_tasks(f, 1, run, "t_001", TASK_FAILED, TASK_CODE_SQL);
    fixture_expect_phase(f, "r1", ROLLOUT_PAUSED);
    size_t resumed = fixture_mark(f);
    assert_int_equal(fixture_verb(f, OPERATOR_RESUME, "r1")->reply.code, ERR_NONE);
    fixture_expect_phase(f, "r1", ROLLOUT_RUNNING);
    fixture_work(f, 1, resumed);
    fixture_expect_phase(f, "r1", ROLLOUT_FAILED);
    assert_int_equal(fixture_view(f, "r1").state.counts.migrated, 7);
}

static void a_retry_of_a_paused_rollout_tries_what_failed_again(void **state)
{
    struct fixture *f = *state;
    size_t run = begin_running(f, 5, (struct rollout_spec){ .id = "r1" });

    fixture_answer_tasks(f, 1, run, "t_002", TASK_FAILED, TASK_CODE_SQL);
    size_t mark = fixture_mark(f);
    assert_int_equal(fixture_verb(f, OPERATOR_RETRY, "r1")->reply.code, ERR_NONE);
    assert_int_equal(fixture_assigned(f, 1, TASK_DRY_RUN, mark),
                     1); /* looks again before it leaps */
    assert_int_equal(sim_store_count(&f->store, RECORD_FAILURE), 0);
    fixture_work(f, 1, mark);
    fixture_expect_phase(f, "r1", ROLLOUT_SUCCEEDED);
    assert_int_equal(fixture_view(f, "r1").state.counts.migrated, 5);
}

static void a_retry_of_a_failed_rollout_tries_what_failed_again(void **state)
{
    struct fixture *f = *state;
    struct fixture_row rows[] = { { "t_001", "0.3.0", "r1" },
                                  { "t_002", "0.1.0", "" },
                                  { "t_003", "0.3.0", "r1" } };
    size_t run =
        begin_running(f, 3, (struct rollout_spec){ .id = "r1", .policy = POLICY_CONTINUE });

    fixture_answer_tasks(f, 1, run, "t_002", TASK_FAILED, TASK_CODE_SQL);
    fixture_expect_phase(f, "r1", ROLLOUT_FAILED);
    size_t mark = fixture_mark(f);
    assert_int_equal(fixture_verb(f, OPERATOR_RETRY, "r1")->reply.code, ERR_NONE);
    fixture_expect_phase(f, "r1", ROLLOUT_RUNNING);
    fixture_report_rows(f, 1, true, fixture_refresh(f, 1), rows, 3);
    assert_int_equal(fixture_assigned(f, 1, TASK_DRY_RUN, mark), 1);
    fixture_work(f, 1, mark);
    fixture_expect_phase(f, "r1", ROLLOUT_SUCCEEDED);
    assert_int_equal(fixture_view(f, "r1").state.counts.migrated, 3);
    assert_int_equal(sim_store_count(&f->store, RECORD_FAILURE), 0);
}

static void a_lost_database_is_tried_again_after_a_look_at_the_journal(void **state)
{
    struct fixture *f = *state;
    size_t run = begin_running(f, 2, (struct rollout_spec){ .id = "r1" });
    size_t mark;

    for (int i = 1; i < TASK_TRIES_MAX; i++) {
        size_t next = fixture_mark(f);
        fixture_answer_tasks(f, 1, run, "t_002", TASK_FAILED, TASK_CODE_DATABASE_LOST);
        fixture_expect_phase(f, "r1", ROLLOUT_RUNNING);
        assert_int_equal(fixture_view(f, "r1").state.counts.unknown, 1);
        mark = fixture_mark(f);
        fixture_report_rows(f, 1, false, fixture_refresh(f, 1), NULL, 0);
        assert_int_equal(fixture_assigned(f, 1, TASK_RUN, mark), 0); /* it pauses first */
        fixture_tick(f, TASK_BACKOFF_MAX_MS);
        assert_int_equal(fixture_assigned(f, 1, TASK_RUN, mark), 1);
        run = next;
    }
    fixture_answer_tasks(f, 1, run, "t_002", TASK_FAILED, TASK_CODE_DATABASE_LOST);
    mark = fixture_mark(f);
    fixture_report_rows(f, 1, false, fixture_refresh(f, 1), NULL, 0);
    /* The last try may still be under way in the database: not failed before that is settled. */
    fixture_expect_phase(f, "r1", ROLLOUT_RUNNING);
    assert_int_equal(fixture_view(f, "r1").state.counts.unknown, 1);
    assert_int_equal(fixture_assigned(f, 1, TASK_SETTLE, mark), 1);
    fixture_answer_tasks(f, 1, mark, "t_002", TASK_SKIPPED, TASK_CODE_CANCELLED);
    fixture_expect_phase(f, "r1", ROLLOUT_PAUSED);
    assert_int_equal(fixture_view(f, "r1").errors[0]->code, TASK_CODE_DATABASE_LOST);
    assert_string_equal(fixture_view(f, "r1").errors[0]->message, "it did not work");
}

/* Its agent may only be stopped, with the transaction open. */
static void what_a_lost_agent_had_is_settled_before_it_counts_as_failed_or_skipped(void **state)
{
    struct fixture *f = *state;
    const struct fixture_row rows[] = { { "t_001", "0.1.0", "" },
                                        { "t_002", "0.1.0", "" },
                                        { "t_003", "0.1.0", "" } };

    begin_running(f, 3, (struct rollout_spec){ .id = "r1", .policy = POLICY_CONTINUE });
    fixture_close(f, 1);
    fixture_tick(f, SESSION_LEASE_TTL_MS);
    fixture_hello(f, 2, "eu-1", "agent-b");
    size_t mark = fixture_mark(f);
    fixture_report_rows(f, 2, true, fixture_refresh(f, 2), rows, 3);
    fixture_tick(f, TASK_BACKOFF_MAX_MS);
    assert_int_equal(fixture_assigned(f, 2, TASK_RUN, mark), 3);
    /* A try that fails has rolled its fence back, too. */
    size_t settle = fixture_mark(f);
    fixture_answer_tasks(f, 2, mark, "t_002", TASK_FAILED, TASK_CODE_SQL);
    assert_int_equal(fixture_view(f, "r1").state.counts.unknown, 1);
    assert_int_equal(fixture_view(f, "r1").state.counts.failed, 0);
    assert_int_equal(fixture_assigned(f, 2, TASK_SETTLE, settle), 1);
    /* Not answered, not settled: it is asked again, and again is locked under a newer token. */
    size_t again = fixture_mark(f);
    fixture_answer_tasks(f, 2, settle, "t_002", TASK_FAILED, TASK_CODE_DATABASE_LOST);
    fixture_tick(f, TASK_BACKOFF_MAX_MS);
    assert_int_equal(fixture_assigned(f, 2, TASK_SETTLE, again), 1);
    fixture_answer_tasks(f, 2, again, "t_002", TASK_SKIPPED, TASK_CODE_CANCELLED);
    fixture_expect_phase(f, "r1", ROLLOUT_FAILED);
    assert_int_equal(fixture_view(f, "r1").errors[0]->code, TASK_CODE_SQL);
    assert_int_equal(fixture_view(f, "r1").state.counts.migrated, 2);
}

static void an_abort_waits_until_what_was_lost_is_settled(void **state)
{
    struct fixture *f = *state;
    const struct fixture_row rows[] = { { "t_001", "0.1.0", "" }, { "t_002", "0.1.0", "" } };

    begin_running(f, 2, (struct rollout_spec){ .id = "r1" });
    fixture_close(f, 1);
    fixture_hello(f, 2, "eu-1", "agent-b"); /* stands by */
    size_t mark = fixture_mark(f);
    fixture_verb(f, OPERATOR_ABORT, "r1");
    fixture_tick(f, SESSION_LEASE_TTL_MS);
    fixture_expect_phase(f, "r1", ROLLOUT_RUNNING);
    fixture_report_rows(f, 2, true, fixture_refresh(f, 2), rows, 2);
    assert_int_equal(fixture_assigned(f, 2, TASK_RUN, mark), 0);
    assert_int_equal(fixture_assigned(f, 2, TASK_SETTLE, mark), 2);
    /* One was committed after the report was read. */
    fixture_answer_tasks(f, 2, mark, "t_002", TASK_SKIPPED, TASK_CODE_CANCELLED);
    fixture_expect_phase(f, "r1", ROLLOUT_ABORTED);
    assert_int_equal(fixture_view(f, "r1").state.counts.migrated, 1);
    assert_int_equal(fixture_view(f, "r1").state.skips[TASK_CODE_CANCELLED], 1);
}

static void an_unknown_outcome_that_the_journal_knows_is_a_success(void **state)
{
    struct fixture *f = *state;
    const struct fixture_row done = { "t_002", "0.3.0", "r1" };
    size_t run = begin_running(f, 2, (struct rollout_spec){ .id = "r1" });

    fixture_answer_tasks(f, 1, run, "t_002", TASK_FAILED, TASK_CODE_DATABASE_LOST);
    fixture_report_rows(f, 1, false, fixture_refresh(f, 1), &done, 1);
    fixture_expect_phase(f, "r1", ROLLOUT_SUCCEEDED);
    assert_int_equal(fixture_view(f, "r1").state.counts.migrated, 2);
}

/* A standby that lagged behind was promoted: what was reported as done is done again. */
static void a_database_that_lost_commits_is_migrated_again(void **state)
{
    struct fixture *f = *state;
    const struct fixture_row back[] = { { "t_001", "0.1.0", "" }, { "t_002", "0.1.0", "" } };
    const struct fixture_row ours = { "t_002", "0.3.0", "r1" };
    size_t run = begin_running(f, 3, (struct rollout_spec){ .id = "r1" });
    uint64_t token = fixture_sent(f, 1, COORDINATOR_MESSAGE_ASSIGN, run)->assign.token;

    for (size_t i = 0; i < COUNT_OF(back); i++) {
        fixture_result(f, 1, 5 + i,
                       (struct task_result){ .rollout = "r1",
                                             .mode = TASK_RUN,
                                             .tenant = back[i].name,
                                             .token = token,
                                             .version = "0.3.0" });
    }
    assert_int_equal(fixture_view(f, "r1").state.counts.migrated, 2);
    fixture_report_rows(f, 1, false, 0, back, 2);
    assert_int_equal(fixture_view(f, "r1").state.counts.migrated, 0);
    assert_int_equal(fixture_view(f, "r1").state.counts.unknown, 2);
    assert_string_equal(fleet_event_at(f->fleet, 0)->action, "tenants.gone_back");
    /* One had only been read before its commit. */
    size_t mark = fixture_mark(f);
    fixture_report_rows(f, 1, false, fixture_refresh(f, 1), &ours, 1);
    assert_int_equal(fixture_view(f, "r1").state.counts.migrated, 1);
    fixture_tick(f, TASK_BACKOFF_MAX_MS);
    assert_int_equal(fixture_assigned(f, 1, TASK_RUN, mark), 1);
}

static void a_moved_version_is_looked_up_once_and_looked_at_before_it_leaps(void **state)
{
    struct fixture *f = *state;
    const struct fixture_row moved = { "t_002", "0.2.0", "" };
    size_t run = begin_running(f, 2, (struct rollout_spec){ .id = "r1" });

    fixture_answer_tasks(f, 1, run, "t_002", TASK_FAILED, TASK_CODE_VERSION_MOVED);
    size_t mark = fixture_mark(f);
    fixture_report_rows(f, 1, false, fixture_refresh(f, 1), &moved, 1);
    assert_int_equal(fixture_assigned(f, 1, TASK_DRY_RUN, mark), 1);
    assert_string_equal(fixture_sent(f, 1, COORDINATOR_MESSAGE_ASSIGN, mark)->assign.tasks[0].from,
                        "0.2.0");
    fixture_answer_tasks(f, 1, mark, "t_002", TASK_FAILED, TASK_CODE_VERSION_MOVED);
    fixture_expect_phase(f, "r1", ROLLOUT_PAUSED);
    assert_int_equal(fixture_view(f, "r1").errors[0]->code, TASK_CODE_VERSION_MOVED);
}

static void there_already_is_looked_up_before_it_counts_as_skipped(void **state)
{
    struct fixture *f = *state;
    const struct fixture_row ours = { "t_002", "0.3.0", "r1" };
    size_t run = begin_running(f, 2, (struct rollout_spec){ .id = "r1" });

    fixture_answer_tasks(f, 1, run, "t_002", TASK_SKIPPED, TASK_CODE_UP_TO_DATE);
    assert_int_equal(fixture_view(f, "r1").state.counts.unknown, 1);
    fixture_report_rows(f, 1, false, fixture_refresh(f, 1), &ours, 1);
    assert_int_equal(fixture_view(f, "r1").state.counts.migrated, 2);
}

static void an_old_answer_changes_nothing_and_is_acknowledged(void **state)
{
    struct fixture *f = *state;
    size_t mark = fixture_begin(f, 1, 1, (struct rollout_spec){ .id = "r1" });
    uint64_t token = fixture_sent(f, 1, COORDINATOR_MESSAGE_ASSIGN, mark)->assign.token;

    fixture_result(f, 1, 5,
                   (struct task_result){ .rollout = "r1",
                                         .mode = TASK_DRY_RUN,
                                         .tenant = "t_001",
                                         .token = token - 1,
                                         .outcome = TASK_FAILED,
                                         .error = { .code = TASK_CODE_SQL } });
    fixture_expect_phase(f, "r1", ROLLOUT_DRY_RUN);
    assert_int_equal(fixture_sent(f, 1, COORDINATOR_MESSAGE_RESULTS_ACK, 0)->sequence, 5);
    assert_int_equal(sim_store_count(&f->store, RECORD_LOCK), 1);
}

static void an_answer_that_comes_twice_counts_once(void **state)
{
    struct fixture *f = *state;
    size_t run =
        begin_running(f, 3, (struct rollout_spec){ .id = "r1", .policy = POLICY_CONTINUE });
    uint64_t token = fixture_sent(f, 1, COORDINATOR_MESSAGE_ASSIGN, run)->assign.token;
    const struct task_result result = { .rollout = "r1",
                                        .mode = TASK_RUN,
                                        .tenant = "t_001",
                                        .token = token,
                                        .outcome = TASK_FAILED,
                                        .error = { .code = TASK_CODE_DATABASE_LOST } };

    fixture_result(f, 1, 5, result);
    fixture_result(f, 1, 6, result);
    assert_int_equal(fixture_view(f, "r1").state.counts.unknown, 1);
    fixture_report_rows(f, 1, false, fixture_refresh(f, 1), NULL, 0);
    fixture_result(f, 1, 7, result);
    assert_int_equal(fixture_view(f, "r1").state.counts.queued, 1);
    assert_int_equal(fixture_view(f, "r1").state.counts.running, 2);
}

static void a_lost_session_is_no_failure_its_tasks_are_looked_up(void **state)
{
    struct fixture *f = *state;
    const struct fixture_row rows[] = { { "t_001", "0.3.0", "r1" }, { "t_002", "0.1.0", "" } };

    begin_running(f, 2, (struct rollout_spec){ .id = "r1" });
    fixture_close(f, 1);
    fixture_tick(f, SESSION_LEASE_TTL_MS);
    struct rollout_view view = fixture_view(f, "r1");
    assert_int_equal(view.state.counts.unknown, 2);
    assert_string_equal(view.waiting_for, "agent-offline(eu-1)");
    size_t mark = fixture_mark(f);
    fixture_hello(f, 2, "eu-1", "agent-b");
    fixture_report_rows(f, 2, true, 0, rows, 2); /* read before we asked: not yet */
    fixture_report_rows(f, 2, true, fixture_refresh(f, 2), rows, 2);
    assert_int_equal(fixture_view(f, "r1").state.counts.migrated, 1);
    fixture_tick(f, TASK_BACKOFF_MAX_MS);
    assert_int_equal(fixture_assigned(f, 2, TASK_RUN, mark), 1);
    fixture_work(f, 2, mark);
    fixture_expect_phase(f, "r1", ROLLOUT_SUCCEEDED);
}

static void a_task_that_loses_every_agent_fails_at_last(void **state)
{
    struct fixture *f = *state;

    fixture_begin(f, 1, 1, (struct rollout_spec){ .id = "r1" });
    for (uint64_t i = 1; i <= TASK_TRIES_MAX; i++) {
        fixture_expect_phase(f, "r1", ROLLOUT_DRY_RUN);
        fixture_close(f, i);
        fixture_tick(f, SESSION_LEASE_TTL_MS);
        fixture_hello(f, i + 1, "eu-1", "agent-x");
        fixture_report(f, i + 1, 1, "0.1.0", 0);
        fixture_tick(f, TASK_BACKOFF_MAX_MS);
    }
    fixture_expect_phase(f, "r1", ROLLOUT_DRY_RUN_FAILED);
    assert_int_equal(fixture_view(f, "r1").errors[0]->code, TASK_CODE_AGENT_LOST);
}

static void a_task_that_a_reconnected_agent_does_not_know_is_looked_up(void **state)
{
    struct fixture *f = *state;
    size_t run = begin_running(f, 2, (struct rollout_spec){ .id = "r1" });
    uint64_t token = fixture_sent(f, 1, COORDINATOR_MESSAGE_ASSIGN, run)->assign.token;
    const struct running_task running = {
        .rollout = "r1", .mode = TASK_RUN, .tenant = "t_001", .token = token
    };

    fixture_hello_running(f, 2, "eu-1", "agent-a", f->lease, &running, 1);
    struct rollout_view view = fixture_view(f, "r1");
    assert_int_equal(view.state.counts.running, 1);
    assert_int_equal(view.state.counts.unknown, 1);
    /* Its answer was only on the way. */
    fixture_result(f, 2, 9,
                   (struct task_result){ .rollout = "r1",
                                         .mode = TASK_RUN,
                                         .tenant = "t_002",
                                         .token = token,
                                         .version = "0.3.0" });
    assert_int_equal(fixture_view(f, "r1").state.counts.migrated, 1);
}

static void warnings_never_fail_a_task(void **state)
{
    struct fixture *f = *state;
    size_t mark = fixture_begin(f, 1, 1, (struct rollout_spec){ .id = "r1" });
    const struct task_error warning = { .tenant = "t_001",
                                        .code = TASK_CODE_SQL,
                                        .sqlstate = "00000",
                                        .message = "notice",
                                        .detail = "",
                                        .hint = "",
                                        .file = "" };

    fixture_result(f, 1, 1,
                   (struct task_result){
                       .rollout = "r1",
                       .mode = TASK_DRY_RUN,
                       .tenant = "t_001",
                       .token = fixture_sent(f, 1, COORDINATOR_MESSAGE_ASSIGN, mark)->assign.token,
                       .warnings = &warning,
                       .warning_count = 1 });
    fixture_expect_phase(f, "r1", ROLLOUT_RUNNING);
    assert_int_equal(fixture_view(f, "r1").warning_count, 1);
    assert_string_equal(fixture_view(f, "r1").warnings[0]->tenant, "eu-1/t_001");
    fixture_restart(f);
    assert_int_equal(fixture_view(f, "r1").warning_count, 1);
    assert_string_equal(fixture_view(f, "r1").warnings[0]->message, "notice");
}

static void of_many_warnings_the_first_survive_a_restart(void **state)
{
    struct fixture *f = *state;
    size_t mark = fixture_begin(f, 1, 1, (struct rollout_spec){ .id = "r1" });
    struct task_error warnings[WARNINGS_STORED_MAX + 5];

    for (size_t i = 0; i < COUNT_OF(warnings); i++) {
        warnings[i] = (struct task_error){ .tenant = "t_001",
                                           .code = TASK_CODE_SQL,
                                           .sqlstate = "00000",
                                           .message = "notice",
                                           .detail = "",
                                           .hint = "",
                                           .file = "" };
    }
    fixture_result(f, 1, 1,
                   (struct task_result){
                       .rollout = "r1",
                       .mode = TASK_DRY_RUN,
                       .tenant = "t_001",
                       .token = fixture_sent(f, 1, COORDINATOR_MESSAGE_ASSIGN, mark)->assign.token,
                       .warnings = warnings,
                       .warning_count = COUNT_OF(warnings) });
    assert_int_equal(fixture_view(f, "r1").warning_count, COUNT_OF(warnings));
    fixture_restart(f);
    assert_int_equal(fixture_view(f, "r1").warning_count, WARNINGS_STORED_MAX);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_first_failure_pauses_by_default),
        TEST(a_paused_rollout_hands_nothing_out),
        TEST(a_budget_bears_so_many_failures),
        TEST(a_budget_may_be_a_percentage),
        TEST(policy_abort_lets_tasks_end_and_skips_the_rest),
        TEST(policy_continue_collects_every_error),
        TEST(a_resumed_rollout_acts_only_on_new_failures),
        TEST(a_retry_of_a_paused_rollout_tries_what_failed_again),
        TEST(a_retry_of_a_failed_rollout_tries_what_failed_again),
        TEST(a_lost_database_is_tried_again_after_a_look_at_the_journal),
        TEST(a_database_that_lost_commits_is_migrated_again),
        TEST(what_a_lost_agent_had_is_settled_before_it_counts_as_failed_or_skipped),
        TEST(an_abort_waits_until_what_was_lost_is_settled),
        TEST(an_unknown_outcome_that_the_journal_knows_is_a_success),
        TEST(a_moved_version_is_looked_up_once_and_looked_at_before_it_leaps),
        TEST(there_already_is_looked_up_before_it_counts_as_skipped),
        TEST(an_old_answer_changes_nothing_and_is_acknowledged),
        TEST(an_answer_that_comes_twice_counts_once),
        TEST(a_lost_session_is_no_failure_its_tasks_are_looked_up),
        TEST(a_task_that_loses_every_agent_fails_at_last),
        TEST(a_task_that_a_reconnected_agent_does_not_know_is_looked_up),
        TEST(warnings_never_fail_a_task),
        TEST(of_many_warnings_the_first_survive_a_restart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
