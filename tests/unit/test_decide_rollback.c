/* LIBS: coordinator_decide sim_parts */
#include "tests/unit/decide_fixture.h"

enum { TENANTS = 4 };

static const struct rollout_spec r1 = { .id = "r1" };

/* What the journals say: the first `undone` are back at 0.1.0. */
static void report_undone(struct fixture *f, uint64_t refresh, size_t undone)
{
    static const char *const names[TENANTS] = { "t_001", "t_002", "t_003", "t_004" };
    struct set_version versions[TENANTS];
    struct tenant_info infos[TENANTS];
    struct agent_message message = { .kind = AGENT_MESSAGE_TENANTS };

    for (size_t i = 0; i < TENANTS; i++) {
        versions[i] = (struct set_version){ .set = "billing",
                                            .version = i < undone ? "0.1.0" : "0.3.0",
                                            .rollout = i < undone ? "r0" : "r1",
                                            .undone = i < undone ? "r1" : "" };
        infos[i] =
            (struct tenant_info){ .name = names[i], .versions = &versions[i], .version_count = 1 };
    }
    message.tenants = (struct tenant_report){
        .full = true, .last = true, .refresh = refresh, .tenants = infos, .tenant_count = TENANTS
    };
    fixture_agent(f, 1, message);
}

/* r1 has taken all tenants from 0.1.0 to 0.3.0. */
static void succeed(struct fixture *f)
{
    size_t mark = fixture_begin(f, 1, TENANTS, r1);

    fixture_work(f, 1, mark);
    fixture_expect_phase(f, "r1", ROLLOUT_SUCCEEDED);
}

/* The dry runs of its rollback are assigned from the returned mark on. */
static size_t begin_rollback(struct fixture *f)
{
    const struct effect *reply = fixture_verb(f, OPERATOR_ROLLBACK, "r1");

    if (reply->reply.code != ERR_NONE) {
        fail_msg("%s", reply->reply.message);
    }
    size_t mark = fixture_mark(f);
    report_undone(f, fixture_refresh(f, 1), 0);
    return mark;
}

static void a_rollback_looks_at_all_before_any_leaps(void **state)
{
    struct fixture *f = *state;

    succeed(f);
    size_t mark = begin_rollback(f);
    fixture_expect_phase(f, "r1", ROLLOUT_ROLLING_BACK);
    assert_int_equal(fixture_assigned(f, 1, TASK_ROLLBACK_DRY_RUN, mark), TENANTS);
    assert_int_equal(fixture_assigned(f, 1, TASK_ROLLBACK, mark), 0);
    size_t leap = fixture_mark(f);
    fixture_answer_tasks(f, 1, mark, NULL, TASK_SUCCEEDED, TASK_CODE_NONE);
    assert_int_equal(fixture_assigned(f, 1, TASK_ROLLBACK, leap), TENANTS);
    assert_int_equal(sim_store_find(&f->store, RECORD_ROLLOUT_STATE, "r1", "")->state.rollback,
                     ROLLBACK_UNDOING); /* durable before the first is told */
    fixture_work(f, 1, leap);
    fixture_expect_phase(f, "r1", ROLLOUT_ROLLED_BACK);
    assert_int_equal(fixture_view(f, "r1").state.counts.rolled_back, TENANTS);
    assert_int_equal(sim_store_count(&f->store, RECORD_LOCK), 0);
    /* Once more is as good as once; there is nothing to try again. */
    assert_int_equal(fixture_verb(f, OPERATOR_ROLLBACK, "r1")->reply.code, ERR_NONE);
    assert_int_equal(fixture_verb(f, OPERATOR_RETRY, "r1")->reply.code, ERR_REFUSED);
    fixture_expect_phase(f, "r1", ROLLOUT_ROLLED_BACK);
}

static void one_that_cannot_go_back_keeps_all_where_they_are(void **state)
{
    struct fixture *f = *state;

    succeed(f);
    size_t mark = begin_rollback(f);
    fixture_answer_tasks(f, 1, mark, "t_002", TASK_FAILED, TASK_CODE_SQL);
    fixture_expect_phase(f, "r1", ROLLOUT_FAILED);
    assert_int_equal(fixture_assigned(f, 1, TASK_ROLLBACK, mark), 0);
    assert_int_equal(fixture_view(f, "r1").errors[0]->mode, TASK_ROLLBACK_DRY_RUN);
    assert_int_equal(fixture_view(f, "r1").state.counts.migrated, TENANTS - 1);
    /* A retry looks at all again. */
    assert_int_equal(fixture_verb(f, OPERATOR_RETRY, "r1")->reply.code, ERR_NONE);
    fixture_expect_phase(f, "r1", ROLLOUT_ROLLING_BACK);
    mark = fixture_mark(f);
    report_undone(f, fixture_refresh(f, 1), 0);
    fixture_work(f, 1, mark);
    fixture_expect_phase(f, "r1", ROLLOUT_ROLLED_BACK);
    assert_int_equal(fixture_view(f, "r1").error_count, 0);
}

static void what_runs_is_ended_and_looked_up_first(void **state)
{
    struct fixture *f = *state;
    size_t mark = fixture_begin(f, 1, TENANTS, r1);
    size_t run = fixture_mark(f);

    fixture_answer_tasks(f, 1, mark, NULL, TASK_SUCCEEDED, TASK_CODE_NONE);
    assert_int_equal(fixture_assigned(f, 1, TASK_RUN, run), TENANTS);
    size_t pressed = fixture_mark(f);
    assert_int_equal(fixture_verb(f, OPERATOR_ROLLBACK, "r1")->reply.code, ERR_NONE);
    assert_non_null(fixture_sent(f, 1, COORDINATOR_MESSAGE_CANCEL, pressed));
    fixture_tick(f, 1000);
    assert_int_equal(fixture_assigned(f, 1, TASK_ROLLBACK_DRY_RUN, pressed), 0);
    /* One had not begun, the others have committed. */
    size_t answered = fixture_mark(f);
    fixture_answer_tasks(f, 1, run, "t_003", TASK_FAILED, TASK_CODE_CANCELLED);
    report_undone(f, fixture_refresh(f, 1), 0);
    report_undone(f, fixture_refresh(f, 1), 0); /* what was asked for behind another one */
    fixture_expect_phase(f, "r1", ROLLOUT_ROLLING_BACK);
    assert_int_equal(fixture_assigned(f, 1, TASK_ROLLBACK_DRY_RUN, answered), TENANTS);
    size_t leap = fixture_mark(f);
    fixture_answer_tasks(f, 1, answered, "t_003", TASK_SKIPPED, TASK_CODE_UP_TO_DATE);
    fixture_work(f, 1, leap);
    fixture_expect_phase(f, "r1", ROLLOUT_ROLLED_BACK);
    assert_int_equal(fixture_view(f, "r1").state.counts.rolled_back, TENANTS - 1);
    assert_int_equal(fixture_view(f, "r1").state.counts.skipped, 1);
}

static void a_tenant_that_was_moved_since_is_left_and_named(void **state)
{
    struct fixture *f = *state;

    succeed(f);
    size_t mark = begin_rollback(f);
    size_t leap = fixture_mark(f);
    fixture_answer_tasks(f, 1, mark, "t_004", TASK_SKIPPED, TASK_CODE_VERSION_MOVED);
    fixture_work(f, 1, leap);
    fixture_expect_phase(f, "r1", ROLLOUT_ROLLED_BACK);
    struct rollout_view view = fixture_view(f, "r1");
    assert_int_equal(view.state.skips[TASK_CODE_VERSION_MOVED], 1);
    assert_int_equal(view.warning_count, 1);
    assert_string_equal(view.warnings[0]->tenant, "eu-1/t_004");
}

static void a_new_leader_goes_on_where_the_journals_are(void **state)
{
    struct fixture *f = *state;

    succeed(f);
    size_t mark = begin_rollback(f);
    fixture_answer_tasks(f, 1, mark, NULL, TASK_SUCCEEDED, TASK_CODE_NONE);
    fixture_restart(f);
    fixture_expect_phase(f, "r1", ROLLOUT_ROLLING_BACK);
    fixture_hello(f, 1, "eu-1", "agent-a");
    size_t since = fixture_mark(f);
    report_undone(f, 0, 3); /* three have committed, whoever heard of it */
    fixture_work(f, 1, since);
    fixture_expect_phase(f, "r1", ROLLOUT_ROLLED_BACK);
    assert_int_equal(fixture_view(f, "r1").state.counts.rolled_back, TENANTS);
}

static void an_answer_of_the_way_up_says_nothing_of_the_way_back(void **state)
{
    struct fixture *f = *state;

    succeed(f);
    size_t mark = begin_rollback(f);
    struct task_result late = {
        .rollout = "r1", .mode = TASK_RUN, .tenant = "t_001", .token = 1, .version = "0.3.0"
    };
    fixture_result(f, 1, 77, late);
    assert_int_equal(fixture_view(f, "r1").state.counts.rolled_back, 0);
    fixture_work(f, 1, mark);
    fixture_expect_phase(f, "r1", ROLLOUT_ROLLED_BACK);
}

static void the_policy_goes_back_by_itself(void **state)
{
    struct fixture *f = *state;
    size_t mark = fixture_begin(f, 1, TENANTS,
                                (struct rollout_spec){ .id = "r1", .policy = POLICY_ROLLBACK });
    size_t run = fixture_mark(f);

    fixture_answer_tasks(f, 1, mark, NULL, TASK_SUCCEEDED, TASK_CODE_NONE);
    size_t back = fixture_mark(f);
    fixture_answer_tasks(f, 1, run, "t_001", TASK_FAILED, TASK_CODE_SQL);
    fixture_expect_phase(f, "r1", ROLLOUT_ROLLING_BACK);
    report_undone(f, fixture_refresh(f, 1), 0);
    size_t leap = fixture_mark(f);
    fixture_answer_tasks(f, 1, back, "t_001", TASK_SKIPPED, TASK_CODE_UP_TO_DATE);
    fixture_work(f, 1, leap);
    fixture_expect_phase(f, "r1", ROLLOUT_ROLLED_BACK);
    struct rollout_view view = fixture_view(f, "r1");
    assert_int_equal(view.error_count, 1); /* why it went back */
    assert_int_equal(view.errors[0]->mode, TASK_RUN);
    assert_int_equal(view.state.counts.rolled_back, TENANTS - 1);
}

static void an_abort_leaves_the_rest_migrated(void **state)
{
    struct fixture *f = *state;

    succeed(f);
    size_t mark = begin_rollback(f);
    size_t leap = fixture_mark(f);
    fixture_answer_tasks(f, 1, mark, NULL, TASK_SUCCEEDED, TASK_CODE_NONE);
    assert_int_equal(fixture_verb(f, OPERATOR_ABORT, "r1")->reply.code, ERR_NONE);
    fixture_answer_tasks(f, 1, leap, "t_002", TASK_FAILED, TASK_CODE_CANCELLED);
    fixture_expect_phase(f, "r1", ROLLOUT_ABORTED);
    assert_int_equal(fixture_view(f, "r1").state.counts.rolled_back, TENANTS - 1);
    assert_int_equal(fixture_view(f, "r1").state.counts.migrated, 1);
    /* And the rest can follow. */
    assert_int_equal(fixture_verb(f, OPERATOR_ROLLBACK, "r1")->reply.code, ERR_NONE);
    fixture_expect_phase(f, "r1", ROLLOUT_ROLLING_BACK);
}

/* Its tenants are not gone, only nobody who could take them back. */
static void a_forgotten_shard_stays_migrated(void **state)
{
    struct fixture *f = *state;

    succeed(f);
    (void)begin_rollback(f);
    fixture_close(f, 1);
    fixture_tick(f, SESSION_LEASE_TTL_MS);
    fixture_tick(f, 100);
    assert_int_equal(fixture_verb(f, OPERATOR_FORGET_SHARD, "eu-1")->reply.code, ERR_NONE);
    fixture_expect_phase(f, "r1", ROLLOUT_FAILED);
    struct rollout_view view = fixture_view(f, "r1");
    assert_int_equal(view.state.counts.migrated, TENANTS);
    assert_int_equal(view.state.skips[TASK_CODE_TENANT_MISSING], 0);
}

static void nothing_to_undo_is_refused(void **state)
{
    struct fixture *f = *state;
    size_t mark = fixture_begin(f, 1, TENANTS, r1);

    assert_int_equal(fixture_verb(f, OPERATOR_ROLLBACK, "r1")->reply.code, ERR_REFUSED);
    fixture_answer_tasks(f, 1, mark, "t_001", TASK_FAILED, TASK_CODE_SQL);
    fixture_expect_phase(f, "r1", ROLLOUT_DRY_RUN_FAILED);
    assert_int_equal(fixture_verb(f, OPERATOR_ROLLBACK, "r1")->reply.code, ERR_REFUSED);
    const struct effect *reply = fixture_start_spec(
        f,
        (struct rollout_spec){
            .id = "r2", .kind = ROLLOUT_BASELINE, .target = "0.2.0", .policy = POLICY_ROLLBACK });
    assert_int_equal(reply->reply.code, ERR_INVALID);
}

static void a_script_without_a_down_is_named(void **state)
{
    struct fixture *f = *state;
    const struct set_file files[] = {
        { "0.1.0__a.sql", bytes_of_text("SELECT 1;") },
        { "0.2.0__b.sql", bytes_of_text("SELECT 2;") },
        { "0.2.0__b.down.sql", bytes_of_text("SELECT 3;") },
        { "0.3.0__c.sql", bytes_of_text("SELECT 4;") },
    };
    struct set *set = memory_alloc(sizeof(*set));
    struct error err = { 0 };

    assert_true(set_parse(files, COUNT_OF(files), "billing", set, &err));
    assert_int_equal(fixture_publish_set(f, set)->reply.code, ERR_NONE);
    fixture_shard(f, 1, "eu-1", TENANTS, "0.1.0");
    const struct effect *refused =
        fixture_start_spec(f, (struct rollout_spec){ .id = "r9", .policy = POLICY_ROLLBACK });
    assert_int_equal(refused->reply.code, ERR_REFUSED);
    assert_non_null(strstr(refused->reply.message, "0.3.0__c.sql"));
    fixture_start_spec(f, r1);
    size_t mark = fixture_mark(f);
    fixture_report(f, 1, TENANTS, "0.1.0", fixture_refresh(f, 1));
    fixture_work(f, 1, mark);
    fixture_expect_phase(f, "r1", ROLLOUT_SUCCEEDED);
    refused = fixture_verb(f, OPERATOR_ROLLBACK, "r1");
    assert_int_equal(refused->reply.code, ERR_REFUSED);
    assert_non_null(strstr(refused->reply.message, "0.3.0__c.down.sql"));
    fixture_expect_phase(f, "r1", ROLLOUT_SUCCEEDED);
    assert_int_equal(fixture_view(f, "r1").state.counts.migrated, TENANTS);
}

static void what_does_not_run_in_the_transaction_is_undone_as_well(void **state)
{
    struct fixture *f = *state;
    const struct set_file files[] = {
        { "0.1.0__a.sql", bytes_of_text("SELECT 1;") },
        { "0.2.0__b.sql", bytes_of_text("-- skein:transaction none\nVACUUM;") },
        { "0.2.0__b.down.exec.yaml", bytes_of_text("program: /bin/true\n") },
        { "0.3.0__c.sql", bytes_of_text("SELECT 4;") },
        { "0.3.0__c.down.sql", bytes_of_text("-- skein:transaction none\nVACUUM;") },
    };
    struct set *set = memory_alloc(sizeof(*set));
    struct error err = { 0 };

    assert_true(set_parse(files, COUNT_OF(files), "billing", set, &err));
    assert_int_equal(fixture_publish_set(f, set)->reply.code, ERR_NONE);
    fixture_shard(f, 1, "eu-1", TENANTS, "0.1.0");
    const struct effect *reply = fixture_start_spec(
        f,
        (struct rollout_spec){ .id = "r1", .policy = POLICY_ROLLBACK, .rehearse_rollback = true });
    assert_int_equal(reply->reply.code, ERR_NONE);
    size_t mark = fixture_mark(f);
    fixture_report(f, 1, TENANTS, "0.1.0", fixture_refresh(f, 1));
    fixture_work(f, 1, mark);
    fixture_expect_phase(f, "r1", ROLLOUT_SUCCEEDED);
    mark = begin_rollback(f);
    fixture_work(f, 1, mark);
    fixture_expect_phase(f, "r1", ROLLOUT_ROLLED_BACK);
}

static void every_script_without_a_down_is_named(void **state)
{
    struct fixture *f = *state;
    const struct set_file files[] = {
        { "0.1.0__a.sql", bytes_of_text("SELECT 1;") },
        { "0.2.0__b/10_x.exec.yaml", bytes_of_text("program: /bin/true\n") },
        { "0.2.0__b/20_y.sql", bytes_of_text("SELECT 2;") },
        { "0.2.0__b/20_y.down.sql", bytes_of_text("SELECT 2;") },
        { "0.3.0__c.sql", bytes_of_text("-- skein:transaction none\nVACUUM;") },
    };
    struct set *set = memory_alloc(sizeof(*set));
    struct error err = { 0 };

    assert_true(set_parse(files, COUNT_OF(files), "billing", set, &err));
    assert_int_equal(fixture_publish_set(f, set)->reply.code, ERR_NONE);
    fixture_shard(f, 1, "eu-1", TENANTS, "0.1.0");
    const struct effect *refused =
        fixture_start_spec(f, (struct rollout_spec){ .id = "r9", .rehearse_rollback = true });
    assert_int_equal(refused->reply.code, ERR_REFUSED);
    assert_non_null(strstr(refused->reply.message, "0.2.0__b/10_x.exec.yaml"));
    assert_non_null(strstr(refused->reply.message, "0.3.0__c.sql"));
    assert_null(strstr(refused->reply.message, "20_y"));
}

/* Tried again from there, or given up; what it has undone by then stays undone. */
static void a_rollback_that_failed_can_be_left(void **state)
{
    struct fixture *f = *state;

    succeed(f);
    assert_int_equal(fixture_verb(f, OPERATOR_ABORT, "r1")->reply.code, ERR_REFUSED);
    size_t mark = begin_rollback(f);
    size_t leap = fixture_mark(f);
    fixture_answer_tasks(f, 1, mark, NULL, TASK_SUCCEEDED, TASK_CODE_NONE);
    fixture_answer_tasks(f, 1, leap, "t_002", TASK_FAILED, TASK_CODE_SQL);
    fixture_expect_phase(f, "r1", ROLLOUT_FAILED);
    assert_int_equal(fixture_view(f, "r1").state.counts.rolled_back, TENANTS - 1);
    assert_int_equal(fixture_verb(f, OPERATOR_ABORT, "r1")->reply.code, ERR_NONE);
    fixture_expect_phase(f, "r1", ROLLOUT_ABORTED);
    struct rollout_view view = fixture_view(f, "r1");
    assert_int_equal(view.state.counts.rolled_back, TENANTS - 1);
    assert_int_equal(view.error_count, 1);
    assert_string_equal(view.errors[0]->tenant, "eu-1/t_002");
    assert_int_equal(fixture_verb(f, OPERATOR_ABORT, "r1")->reply.code, ERR_NONE); /* so it is */
    /* Another may take its tenants; the rest can still follow. */
    assert_int_equal(fixture_verb(f, OPERATOR_ROLLBACK, "r1")->reply.code, ERR_NONE);
    mark = fixture_mark(f);
    report_undone(f, fixture_refresh(f, 1), 0);
    fixture_work(f, 1, mark);
    fixture_expect_phase(f, "r1", ROLLOUT_ROLLED_BACK);
}

/* Whoever leads then has to know it, or it would be a plain abort: as if nothing had been undone.
 */
static void a_second_rollback_that_is_given_up_is_known_after_a_fail_over(void **state)
{
    struct fixture *f = *state;

    succeed(f);
    size_t mark = begin_rollback(f);
    fixture_answer_tasks(f, 1, mark, NULL, TASK_SUCCEEDED, TASK_CODE_NONE);
    assert_int_equal(fixture_verb(f, OPERATOR_ABORT, "r1")->reply.code, ERR_NONE);
    fixture_close(f, 1);
    fixture_tick(f, SESSION_LEASE_TTL_MS);
    fixture_tick(f, 100);
    fixture_expect_phase(f, "r1", ROLLOUT_ABORTED);
    assert_int_equal(fixture_view(f, "r1").state.counts.unknown, TENANTS);
    assert_int_equal(fixture_verb(f, OPERATOR_ROLLBACK, "r1")->reply.code, ERR_NONE);
    assert_int_equal(fixture_view(f, "r1").state.rollback, ROLLBACK_STOPPING);

    fixture_restart(f);
    fixture_expect_phase(f, "r1", ROLLOUT_ROLLING_BACK);
    assert_int_equal(fixture_verb(f, OPERATOR_ABORT, "r1")->reply.code, ERR_NONE);
    assert_int_equal(fixture_view(f, "r1").state.rollback, ROLLBACK_LOOKING);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_rollback_looks_at_all_before_any_leaps),
        TEST(one_that_cannot_go_back_keeps_all_where_they_are),
        TEST(what_runs_is_ended_and_looked_up_first),
        TEST(a_tenant_that_was_moved_since_is_left_and_named),
        TEST(a_new_leader_goes_on_where_the_journals_are),
        TEST(an_answer_of_the_way_up_says_nothing_of_the_way_back),
        TEST(the_policy_goes_back_by_itself),
        TEST(an_abort_leaves_the_rest_migrated),
        TEST(a_forgotten_shard_stays_migrated),
        TEST(nothing_to_undo_is_refused),
        TEST(a_script_without_a_down_is_named),
        TEST(every_script_without_a_down_is_named),
        TEST(what_does_not_run_in_the_transaction_is_undone_as_well),
        TEST(a_rollback_that_failed_can_be_left),
        TEST(a_second_rollback_that_is_given_up_is_known_after_a_fail_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
