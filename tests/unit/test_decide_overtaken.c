/* LIBS: coordinator_decide sim_parts
 *
 * Retries of rollouts that have ended, after others have moved their tenants on. */
#include "tests/unit/decide_fixture.h"

/* r1 brings t_001 to 0.2.0 and fails on t_002; then r2 brings t_001 to 0.3.0. */
static void overtaken_begin(struct fixture *f, enum rollout_kind kind)
{
    fixture_publish(f, 3);
    fixture_shard(f, 1, "eu-1", 2, "0.1.0");
    fixture_start_spec(
        f, (struct rollout_spec){
               .id = "r1", .kind = kind, .target = "0.2.0", .policy = POLICY_CONTINUE });
    size_t mark = fixture_mark(f);
    fixture_report(f, 1, 2, "0.1.0", fixture_refresh(f, 1));
    if (kind == ROLLOUT_MIGRATE) {
        size_t run = fixture_mark(f);
        fixture_answer_tasks(f, 1, mark, NULL, TASK_SUCCEEDED, TASK_CODE_NONE);
        mark = run;
    }
    fixture_answer_tasks(f, 1, mark, "t_002", TASK_FAILED, TASK_CODE_SQL);
    fixture_expect_phase(f, "r1", ROLLOUT_FAILED);
    assert_int_equal(fixture_view(f, "r1").state.counts.migrated, 1);

    fixture_start_spec(f, (struct rollout_spec){ .id = "r2", .selector = "tenant=t_001" });
    mark = fixture_mark(f);
    fixture_report_rows(f, 1, false, fixture_refresh(f, 1), NULL, 0);
    fixture_work(f, 1, mark);
    fixture_expect_phase(f, "r2", ROLLOUT_SUCCEEDED);
    assert_int_equal(fixture_view(f, "r2").state.counts.migrated, 1);
}

static size_t overtaken_retry(struct fixture *f, uint64_t stream)
{
    const struct fixture_row rows[] = { { "t_001", "0.3.0", "r2" }, { "t_002", "0.1.0", "" } };
    size_t mark = fixture_mark(f);

    assert_int_equal(fixture_verb(f, OPERATOR_RETRY, "r1")->reply.code, ERR_NONE);
    assert_int_equal(fixture_view(f, "r1").state.counts.migrated, 1);
    fixture_report_rows(f, stream, true, fixture_refresh(f, stream), rows, 2);
    return mark;
}

static void overtaken_expect_both(struct fixture *f)
{
    fixture_expect_phase(f, "r1", ROLLOUT_SUCCEEDED);
    struct rollout_view view = fixture_view(f, "r1");
    assert_int_equal(view.state.counts.total, 2);
    assert_int_equal(view.state.counts.migrated, 2);
    assert_int_equal(view.error_count, 0);
}

/* t_001 would be said to be at 0.2.0, and the next rollout run its scripts again. */
static void a_baseline_is_not_said_again_of_who_has_gone_on_since(void **state)
{
    struct fixture *f = *state;

    overtaken_begin(f, ROLLOUT_BASELINE);
    size_t mark = overtaken_retry(f, 1);
    assert_int_equal(fixture_assigned(f, 1, TASK_BASELINE, mark), 1);
    fixture_work(f, 1, mark);
    overtaken_expect_both(f);
}

static void who_was_migrated_and_has_gone_on_stays_migrated(void **state)
{
    struct fixture *f = *state;

    overtaken_begin(f, ROLLOUT_MIGRATE);
    size_t mark = overtaken_retry(f, 1);
    assert_int_equal(fixture_assigned(f, 1, TASK_DRY_RUN, mark), 1);
    assert_int_equal(fixture_view(f, "r1").state.counts.migrated, 1);
    fixture_work(f, 1, mark);
    overtaken_expect_both(f);
}

/* The new one knows only what is in the store, and counts what the journals say. */
static void it_stays_so_for_the_next_leader(void **state)
{
    struct fixture *f = *state;
    const struct fixture_row before[] = { { "t_001", "0.3.0", "r2" }, { "t_002", "0.1.0", "" } };
    const struct fixture_row after[] = { { "t_001", "0.3.0", "r2" }, { "t_002", "0.2.0", "r1" } };

    overtaken_begin(f, ROLLOUT_MIGRATE);
    /* Opened again, and not looked at yet. */
    assert_int_equal(fixture_verb(f, OPERATOR_RETRY, "r1")->reply.code, ERR_NONE);
    int64_t lease = f->lease;
    fixture_restart(f);
    assert_int_equal(fixture_view(f, "r1").state.counts.migrated, 1);
    fixture_hello_running(f, 5, "eu-1", "agent-a", lease, NULL, 0);
    size_t mark = fixture_mark(f);
    fixture_report_rows(f, 5, true, 0, before, 2);
    assert_int_equal(fixture_view(f, "r1").state.counts.migrated, 1);
    assert_int_equal(fixture_assigned(f, 5, TASK_DRY_RUN, mark), 1);

    /* Its answer is lost, but it has committed. */
    size_t run = fixture_mark(f);
    fixture_answer_tasks(f, 5, mark, NULL, TASK_SUCCEEDED, TASK_CODE_NONE);
    assert_int_equal(fixture_assigned(f, 5, TASK_RUN, run), 1);
    fixture_restart(f);
    fixture_hello_running(f, 6, "eu-1", "agent-a", lease, NULL, 0);
    fixture_report_rows(f, 6, true, 0, after, 2);
    overtaken_expect_both(f);
}

/* An older rollout knew less: what it recorded is what this baseline is to correct. */
static void what_an_older_rollout_recorded_is_corrected(void **state)
{
    struct fixture *f = *state;
    const struct fixture_row rows[] = { { "t_001", "0.1.0", "r0" }, { "t_002", "0.1.0", "r0" } };

    fixture_publish(f, 3);
    fixture_shard(f, 1, "eu-1", 0, "");
    fixture_start(f, "r0");
    fixture_verb(f, OPERATOR_ABORT, "r0");
    fixture_start_spec(
        f, (struct rollout_spec){ .id = "r1", .kind = ROLLOUT_BASELINE, .target = "0.2.0" });
    size_t mark = fixture_mark(f);
    fixture_report_rows(f, 1, true, fixture_refresh(f, 1), rows, 2); /* what r0 asked */
    fixture_report_rows(f, 1, true, fixture_refresh(f, 1), rows, 2);
    assert_int_equal(fixture_assigned(f, 1, TASK_BASELINE, mark), 2);
    fixture_work(f, 1, mark);
    fixture_expect_phase(f, "r1", ROLLOUT_SUCCEEDED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)
        TEST(a_baseline_is_not_said_again_of_who_has_gone_on_since),
        TEST(who_was_migrated_and_has_gone_on_stays_migrated),
        TEST(it_stays_so_for_the_next_leader),
        TEST(what_an_older_rollout_recorded_is_corrected),
#undef TEST
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
