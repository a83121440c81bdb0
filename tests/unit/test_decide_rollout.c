/* LIBS: coordinator_decide sim_parts */
#include "tests/unit/decide_fixture.h"

static const struct rollout_spec r1 = { .id = "r1" };

static void a_rollout_looks_at_all_before_any_leaps(void **state)
{
    struct fixture *f = *state;
    size_t mark = fixture_begin(f, 1, 5, r1);

    fixture_expect_phase(f, "r1", ROLLOUT_DRY_RUN);
    assert_int_equal(fixture_assigned(f, 1, TASK_DRY_RUN, mark), 5);
    assert_int_equal(fixture_assigned(f, 1, TASK_RUN, mark), 0);
    size_t run = fixture_mark(f);
    assert_int_equal(fixture_answer_tasks(f, 1, mark, NULL, TASK_SUCCEEDED, TASK_CODE_NONE), 5);
    fixture_expect_phase(f, "r1", ROLLOUT_RUNNING);
    assert_int_equal(fixture_view(f, "r1").state.counts.dry_run_passed, 5);
    assert_int_equal(fixture_assigned(f, 1, TASK_RUN, run), 5);
    fixture_work(f, 1, run);
    fixture_expect_phase(f, "r1", ROLLOUT_SUCCEEDED);
    struct rollout_view view = fixture_view(f, "r1");
    assert_int_equal(view.state.counts.migrated, 5);
    assert_int_equal(view.shards[0].counts.migrated, 5);
    assert_true(view.state.finished_at_ms > 0);
    assert_string_equal(view.waiting_for, "");
    assert_int_equal(sim_store_count(&f->store, RECORD_LOCK), 0);
    assert_int_equal(sim_store_find(&f->store, RECORD_ROLLOUT_STATE, "r1", "")->state.phase,
                     ROLLOUT_SUCCEEDED);
}

static void a_rollout_waits_for_every_shard_to_answer(void **state)
{
    struct fixture *f = *state;

    fixture_publish(f, 3);
    fixture_shard(f, 1, "eu-1", 2, "0.1.0");
    fixture_shard(f, 2, "eu-2", 2, "0.1.0");
    fixture_start(f, "r1");
    fixture_report(f, 1, 2, "0.1.0", fixture_refresh(f, 1));
    fixture_expect_phase(f, "r1", ROLLOUT_PENDING);
    assert_string_equal(fixture_view(f, "r1").waiting_for, "refresh(eu-2)");
    fixture_report(f, 2, 2, "0.1.0", fixture_refresh(f, 2) - 1); /* an old answer is none */
    fixture_expect_phase(f, "r1", ROLLOUT_PENDING);
    fixture_report(f, 2, 2, "0.1.0", fixture_refresh(f, 2));
    fixture_expect_phase(f, "r1", ROLLOUT_DRY_RUN);
}

static void a_shard_that_is_away_is_waited_for_by_name_until_it_is_forgotten(void **state)
{
    struct fixture *f = *state;

    fixture_publish(f, 3);
    fixture_shard(f, 1, "eu-1", 2, "0.1.0");
    fixture_shard(f, 2, "eu-2", 2, "0.1.0");
    fixture_close(f, 2);
    size_t mark = fixture_mark(f);
    fixture_start(f, "r1");
    fixture_report(f, 1, 2, "0.1.0", fixture_refresh(f, 1));
    fixture_tick(f, UINT64_C(3600000));
    fixture_expect_phase(f, "r1", ROLLOUT_PENDING);
    assert_non_null(strstr(fixture_view(f, "r1").waiting_for, "agent-offline(eu-"));
    (void)mark;
    assert_int_equal(fixture_verb(f, OPERATOR_FORGET_SHARD, "eu-2")->reply.code, ERR_NONE);
    assert_null(strstr(fixture_view(f, "r1").waiting_for, "eu-2"));
}

static void a_selector_that_cannot_reach_a_shard_does_not_wait_for_it(void **state)
{
    struct fixture *f = *state;

    fixture_publish(f, 3);
    fixture_shard(f, 1, "eu-1", 2, "0.1.0");
    fixture_shard(f, 2, "us-1", 2, "0.1.0");
    fixture_start_spec(f, (struct rollout_spec){ .id = "r1", .selector = "shard=eu-*" });
    fixture_report(f, 1, 2, "0.1.0", fixture_refresh(f, 1));
    fixture_expect_phase(f, "r1", ROLLOUT_DRY_RUN);
    assert_int_equal(fixture_view(f, "r1").state.counts.total, 2);
}

static void tenants_that_are_there_already_are_skipped(void **state)
{
    struct fixture *f = *state;
    const struct fixture_row rows[] = { { "a", "0.3.0", NULL }, { "b", "0.1.0", NULL } };

    fixture_publish(f, 3);
    fixture_shard(f, 1, "eu-1", 0, "");
    fixture_start(f, "r1");
    size_t mark = fixture_mark(f);
    fixture_report_rows(f, 1, true, fixture_refresh(f, 1), rows, 2);
    fixture_work(f, 1, mark);
    fixture_expect_phase(f, "r1", ROLLOUT_SUCCEEDED);
    struct rollout_view view = fixture_view(f, "r1");
    assert_int_equal(view.state.counts.migrated, 1);
    assert_int_equal(view.state.counts.skipped, 1);
    assert_int_equal(view.state.skips[TASK_CODE_UP_TO_DATE], 1);
}

static void nothing_to_do_succeeds_without_a_task(void **state)
{
    struct fixture *f = *state;

    fixture_publish(f, 3);
    fixture_shard(f, 1, "eu-1", 100, "0.3.0");
    size_t mark = fixture_mark(f);
    fixture_start(f, "r1");
    fixture_report(f, 1, 100, "0.3.0", fixture_refresh(f, 1));
    fixture_expect_phase(f, "r1", ROLLOUT_SUCCEEDED);
    assert_int_equal(fixture_assigned(f, 1, TASK_DRY_RUN, mark), 0);
    assert_int_equal(fixture_view(f, "r1").state.counts.skipped, 100);
}

static void one_failed_dry_run_changes_no_tenant(void **state)
{
    struct fixture *f = *state;
    size_t mark = fixture_begin(f, 1, 5, r1);
    size_t run = fixture_mark(f);

    fixture_answer_tasks(f, 1, mark, "t_003", TASK_FAILED, TASK_CODE_SQL);
    fixture_expect_phase(f, "r1", ROLLOUT_DRY_RUN_FAILED);
    assert_int_equal(fixture_assigned(f, 1, TASK_RUN, run), 0);
    struct rollout_view view = fixture_view(f, "r1");
    assert_int_equal(view.error_count, 1);
    assert_string_equal(view.errors[0]->tenant, "eu-1/t_003");
    assert_int_equal(view.errors[0]->mode, TASK_DRY_RUN);
    assert_int_equal(view.errors[0]->code, TASK_CODE_SQL);
    assert_int_equal(view.state.counts.failed, 1);
    assert_int_equal(view.state.counts.dry_run_passed, 4);
    assert_non_null(sim_store_find(&f->store, RECORD_FAILURE, "r1", "eu-1/t_003"));
}

static void a_failed_dry_run_stops_whatever_the_policy(void **state)
{
    struct fixture *f = *state;
    size_t mark = fixture_begin(
        f, 1, 5, (struct rollout_spec){ .id = "r1", .policy = POLICY_CONTINUE, .max_failures = 9 });

    fixture_answer_tasks(f, 1, mark, "t_003", TASK_FAILED, TASK_CODE_SQL);
    fixture_expect_phase(f, "r1", ROLLOUT_DRY_RUN_FAILED);
}

static void a_tenant_that_cannot_go_there_fails_the_dry_run(void **state)
{
    struct fixture *f = *state;
    const struct fixture_row rows[] = { { "a", "0.9.0", NULL }, { "b", "0.1.0", NULL } };

    fixture_publish(f, 3);
    fixture_shard(f, 1, "eu-1", 0, "");
    fixture_start(f, "r1");
    size_t mark = fixture_mark(f);
    fixture_report_rows(f, 1, true, fixture_refresh(f, 1), rows, 2);
    fixture_expect_phase(f, "r1", ROLLOUT_DRY_RUN);
    fixture_work(f, 1, mark);
    fixture_expect_phase(f, "r1", ROLLOUT_DRY_RUN_FAILED);
    assert_int_equal(fixture_view(f, "r1").errors[0]->code, TASK_CODE_FUTURE_VERSION);
}

static void a_retry_of_failed_dry_runs_repeats_only_those(void **state)
{
    struct fixture *f = *state;
    size_t mark = fixture_begin(f, 1, 5, r1);

    fixture_answer_tasks(f, 1, mark, "t_003", TASK_FAILED, TASK_CODE_SQL);
    mark = fixture_mark(f);
    assert_int_equal(fixture_verb(f, OPERATOR_RETRY, "r1")->reply.code, ERR_NONE);
    fixture_expect_phase(f, "r1", ROLLOUT_DRY_RUN);
    assert_int_equal(fixture_assigned(f, 1, TASK_DRY_RUN, mark), 1);
    assert_int_equal(sim_store_count(&f->store, RECORD_FAILURE), 0);
    fixture_work(f, 1, mark);
    fixture_expect_phase(f, "r1", ROLLOUT_SUCCEEDED);
    assert_int_equal(fixture_view(f, "r1").state.counts.migrated, 5);
    assert_int_equal(fixture_view(f, "r1").error_count, 0);
}

static void a_dry_run_only_changes_nothing_and_says_so(void **state)
{
    struct fixture *f = *state;
    size_t mark = fixture_begin(f, 1, 5, (struct rollout_spec){ .id = "r1", .dry_run_only = true });

    fixture_work(f, 1, mark);
    fixture_expect_phase(f, "r1", ROLLOUT_SUCCEEDED);
    struct rollout_view view = fixture_view(f, "r1");
    assert_string_equal(view.state.phase_reason, "dry run only");
    assert_int_equal(view.state.counts.dry_run_passed, 5);
    assert_int_equal(view.state.counts.migrated, 0);
}

static void a_new_tenant_is_taken_along_after_its_own_dry_run(void **state)
{
    struct fixture *f = *state;
    const struct fixture_row late = { "t_late", "", NULL };
    size_t mark = fixture_begin(f, 1, 2, r1);
    size_t run = fixture_mark(f);

    fixture_answer_tasks(f, 1, mark, NULL, TASK_SUCCEEDED, TASK_CODE_NONE);
    fixture_expect_phase(f, "r1", ROLLOUT_RUNNING);
    size_t seen = fixture_mark(f);
    fixture_report_rows(f, 1, false, 0, &late, 1);
    assert_int_equal(fixture_assigned(f, 1, TASK_DRY_RUN, seen), 1);
    assert_int_equal(fixture_assigned(f, 1, TASK_RUN, seen), 0);
    fixture_work(f, 1, run);
    fixture_expect_phase(f, "r1", ROLLOUT_SUCCEEDED);
    assert_int_equal(fixture_view(f, "r1").state.counts.migrated, 3);
}

static void a_tenant_that_disappears_is_skipped_with_its_reason(void **state)
{
    struct fixture *f = *state;
    size_t mark =
        fixture_begin(f, 1, 3, (struct rollout_spec){ .id = "r1", .concurrency_per_shard = 1 });

    fixture_removed(f, 1, "t_003");
    fixture_work(f, 1, mark);
    fixture_expect_phase(f, "r1", ROLLOUT_SUCCEEDED);
    struct rollout_view view = fixture_view(f, "r1");
    assert_int_equal(view.state.counts.migrated, 2);
    assert_int_equal(view.state.skips[TASK_CODE_TENANT_MISSING], 1);
}

static void a_tenant_missing_for_the_agent_is_skipped_not_failed(void **state)
{
    struct fixture *f = *state;
    size_t mark = fixture_begin(f, 1, 3, r1);
    size_t run = fixture_mark(f);

    fixture_answer_tasks(f, 1, mark, "t_002", TASK_FAILED, TASK_CODE_TENANT_MISSING);
    fixture_work(f, 1, run);
    fixture_expect_phase(f, "r1", ROLLOUT_SUCCEEDED);
    assert_int_equal(fixture_view(f, "r1").state.skips[TASK_CODE_TENANT_MISSING], 1);
}

static void a_baseline_writes_versions_without_a_dry_run(void **state)
{
    struct fixture *f = *state;
    const struct fixture_row rows[] = { { "a", "", NULL }, { "b", "0.2.0", NULL } };

    fixture_publish(f, 3);
    fixture_shard(f, 1, "eu-1", 0, "");
    const struct effect *reply = fixture_start_spec(
        f, (struct rollout_spec){ .id = "r1", .kind = ROLLOUT_BASELINE, .target = "0.2.0" });
    assert_int_equal(reply->reply.code, ERR_NONE);
    size_t mark = fixture_mark(f);
    fixture_report_rows(f, 1, true, fixture_refresh(f, 1), rows, 2);
    fixture_expect_phase(f, "r1", ROLLOUT_RUNNING);
    assert_int_equal(fixture_assigned(f, 1, TASK_BASELINE, mark), 1);
    assert_int_equal(fixture_assigned(f, 1, TASK_DRY_RUN, mark), 0);
    fixture_work(f, 1, mark);
    fixture_expect_phase(f, "r1", ROLLOUT_SUCCEEDED);
    assert_int_equal(fixture_view(f, "r1").state.skips[TASK_CODE_UP_TO_DATE], 1);
}

static void a_success_moves_the_known_version_at_once(void **state)
{
    struct fixture *f = *state;
    size_t mark = fixture_begin(f, 1, 3, r1);

    fixture_work(f, 1, mark);
    fixture_expect_phase(f, "r1", ROLLOUT_SUCCEEDED);
    /* No report has come since: the next rollout knows it all the same. */
    fixture_start(f, "r2");
    fixture_report_rows(f, 1, false, fixture_refresh(f, 1), NULL, 0);
    fixture_expect_phase(f, "r2", ROLLOUT_SUCCEEDED);
    assert_int_equal(fixture_view(f, "r2").state.counts.skipped, 3);
}

static void rate_and_time_left_are_shown_as_a_range(void **state)
{
    struct fixture *f = *state;
    size_t mark = fixture_begin(f, 1, 200, r1);

    for (int i = 0; i < 3; i++) {
        /* The first seconds say nothing of the others. */
        assert_int_equal(fixture_view(f, "r1").left_max_ms, 0);
        f->now_ms += 1500;
        size_t next = fixture_mark(f);
        fixture_answer_tasks(f, 1, mark, NULL, TASK_SUCCEEDED, TASK_CODE_NONE);
        mark = next;
    }
    struct rollout_view view = fixture_view(f, "r1");
    assert_true(view.tasks_per_second > 10);
    assert_true(view.left_min_ms > 0);
    assert_true(view.left_max_ms > view.left_min_ms);
}

static void the_end_waits_for_a_last_look(void **state)
{
    struct fixture *f = *state;
    size_t mark = fixture_begin(f, 1, 2, r1);
    uint64_t before = fixture_refresh(f, 1);

    fixture_work(f, 1, mark);
    fixture_expect_phase(f, "r1", ROLLOUT_RUNNING);
    assert_string_equal(fixture_view(f, "r1").waiting_for, "refresh(eu-1)");
    assert_true(fixture_refresh(f, 1) > before);
    const struct fixture_row appeared = { .name = "t_new", .version = "0.1.0" };
    mark = fixture_mark(f);
    fixture_report_rows(f, 1, false, fixture_refresh(f, 1), &appeared, 1);
    fixture_expect_phase(f, "r1", ROLLOUT_RUNNING);
    fixture_work(f, 1, mark);
    fixture_expect_phase(f, "r1", ROLLOUT_SUCCEEDED);
    assert_int_equal(fixture_view(f, "r1").state.counts.migrated, 3);
}

static void every_phase_is_in_the_audit(void **state)
{
    struct fixture *f = *state;

    fixture_work(f, 1, fixture_begin(f, 1, 2, r1));
    fixture_expect_phase(f, "r1", ROLLOUT_SUCCEEDED);
    bool found = false;
    for (size_t i = 0; i < fleet_event_count(f->fleet); i++) {
        const struct audit_event *event = fleet_event_at(f->fleet, i);
        found = found || (strcmp(event->action, "rollout.start") == 0 &&
                          strcmp(event->actor, "ana") == 0 && strcmp(event->object, "r1") == 0);
    }
    assert_true(found);
    assert_non_null(strstr(fleet_event_at(f->fleet, 0)->detail, "RUNNING to SUCCEEDED"));
    assert_int_equal(sim_store_count(&f->store, RECORD_EVENT), fleet_event_count(f->fleet));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_rollout_looks_at_all_before_any_leaps),
        TEST(a_rollout_waits_for_every_shard_to_answer),
        TEST(a_shard_that_is_away_is_waited_for_by_name_until_it_is_forgotten),
        TEST(a_selector_that_cannot_reach_a_shard_does_not_wait_for_it),
        TEST(tenants_that_are_there_already_are_skipped),
        TEST(nothing_to_do_succeeds_without_a_task),
        TEST(one_failed_dry_run_changes_no_tenant),
        TEST(a_failed_dry_run_stops_whatever_the_policy),
        TEST(a_tenant_that_cannot_go_there_fails_the_dry_run),
        TEST(a_retry_of_failed_dry_runs_repeats_only_those),
        TEST(a_dry_run_only_changes_nothing_and_says_so),
        TEST(a_new_tenant_is_taken_along_after_its_own_dry_run),
        TEST(a_tenant_that_disappears_is_skipped_with_its_reason),
        TEST(a_tenant_missing_for_the_agent_is_skipped_not_failed),
        TEST(a_baseline_writes_versions_without_a_dry_run),
        TEST(a_success_moves_the_known_version_at_once),
        TEST(rate_and_time_left_are_shown_as_a_range),
        TEST(the_end_waits_for_a_last_look),
        TEST(every_phase_is_in_the_audit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
