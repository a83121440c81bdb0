/* LIBS: coordinator_decide sim_parts */
#include "tests/unit/decide_fixture.h"

/* The reference is t00 on s0; with it there are as many tenants at 0.1.0 as are asked for. */
static void reference_report(struct fixture *f, uint64_t stream, size_t count, bool with_reference)
{
    struct fixture_row rows[FIXTURE_ROWS_MAX];
    char names[FIXTURE_ROWS_MAX][16];

    for (size_t i = 0; i < count; i++) {
        snprintf(names[i], sizeof(names[i]), "t%02zu", with_reference ? i : i + 1);
        rows[i] = (struct fixture_row){ .name = names[i], .version = "0.1.0" };
    }
    fixture_report_rows(f, stream, true, fixture_refresh(f, stream), rows, count);
}

static size_t reference_begin_spec(struct fixture *f, struct rollout_spec spec)
{
    fixture_publish_set(f, sim_set_new_with_reference(3));
    fixture_hello(f, 1, "s0", "agent-a");
    fixture_report_rows(f, 1, true, 0, (struct fixture_row[]){ { "t00", "0.1.0", NULL } }, 1);
    fixture_hello(f, 2, "s1", "agent-b");
    fixture_report_rows(f, 2, true, 0, NULL, 0);
    const struct effect *reply = fixture_start_spec(f, spec);
    if (reply->reply.code != ERR_NONE) {
        fail_msg("%s", reply->reply.message);
    }
    size_t mark = fixture_mark(f);
    if (fixture_sent(f, 1, COORDINATOR_MESSAGE_REFRESH, 0) != NULL) {
        reference_report(f, 1, 3, true);
    }
    reference_report(f, 2, 2, false);
    return mark;
}

static size_t reference_begin(struct fixture *f)
{
    return reference_begin_spec(f, (struct rollout_spec){ .id = "r1" });
}

static size_t reference_pass(struct fixture *f, uint64_t stream, size_t since)
{
    return fixture_answer_tasks(f, stream, since, NULL, TASK_SUCCEEDED, TASK_CODE_NONE);
}

static void the_reference_is_looked_at_first_and_migrated_last(void **state)
{
    struct fixture *f = *state;
    size_t mark = reference_begin(f);

    assert_int_equal(fixture_assigned(f, 1, TASK_DRY_RUN, mark), 1);
    assert_int_equal(fixture_assigned(f, 2, TASK_DRY_RUN, mark), 0);
    assert_non_null(strstr(fixture_view(f, "r1").waiting_for, "reference(s0/t00)"));
    fixture_tick(f, 1000);
    assert_int_equal(fixture_assigned(f, 2, TASK_DRY_RUN, mark), 0);

    size_t others = fixture_mark(f);
    assert_int_equal(reference_pass(f, 1, mark), 1);
    assert_int_equal(fixture_assigned(f, 1, TASK_DRY_RUN, others), 2);
    assert_int_equal(fixture_assigned(f, 2, TASK_DRY_RUN, others), 2);
    assert_null(strstr(fixture_view(f, "r1").waiting_for, "reference"));

    size_t runs = fixture_mark(f);
    reference_pass(f, 1, others);
    reference_pass(f, 2, others);
    fixture_expect_phase(f, "r1", ROLLOUT_RUNNING);
    assert_int_equal(fixture_assigned(f, 1, TASK_RUN, runs), 2);
    assert_int_equal(fixture_assigned(f, 2, TASK_RUN, runs), 2);
    size_t last = fixture_mark(f);
    reference_pass(f, 1, runs);
    assert_int_equal(fixture_assigned(f, 1, TASK_RUN, last), 0);
    reference_pass(f, 2, runs);
    assert_int_equal(fixture_assigned(f, 1, TASK_RUN, last), 1);
    assert_string_equal(
        fixture_sent(f, 1, COORDINATOR_MESSAGE_ASSIGN, last)->assign.tasks[0].tenant, "t00");
    reference_pass(f, 1, last);
    fixture_expect_phase(f, "r1", ROLLOUT_SUCCEEDED);
    assert_int_equal(fixture_view(f, "r1").state.counts.migrated, 5);
}

static void if_its_dry_run_fails_nobody_else_is_asked(void **state)
{
    struct fixture *f = *state;
    size_t mark = reference_begin(f);

    fixture_answer_tasks(f, 1, mark, "t00", TASK_FAILED, TASK_CODE_SQL);
    fixture_expect_phase(f, "r1", ROLLOUT_DRY_RUN_FAILED);
    struct rollout_view view = fixture_view(f, "r1");
    assert_int_equal(view.state.counts.failed, 1);
    assert_int_equal(view.state.counts.queued, 4);
    assert_string_equal(view.errors[0]->tenant, "s0/t00");
    assert_int_equal(fixture_assigned(f, 1, TASK_DRY_RUN, mark), 1);
    assert_int_equal(fixture_assigned(f, 2, TASK_DRY_RUN, mark), 0);

    /* Repaired: it goes first again, then all others. */
    size_t again = fixture_mark(f);
    assert_int_equal(fixture_verb(f, OPERATOR_RETRY, "r1")->reply.code, ERR_NONE);
    assert_int_equal(fixture_assigned(f, 1, TASK_DRY_RUN, again), 1);
    assert_int_equal(fixture_assigned(f, 2, TASK_DRY_RUN, again), 0);
    size_t others = fixture_mark(f);
    reference_pass(f, 1, again);
    assert_int_equal(fixture_assigned(f, 2, TASK_DRY_RUN, others), 2);
}

static void it_is_left_alone_while_another_has_failed(void **state)
{
    struct fixture *f = *state;
    size_t mark =
        reference_begin_spec(f, (struct rollout_spec){ .id = "r1", .policy = POLICY_CONTINUE });
    size_t others = fixture_mark(f);

    reference_pass(f, 1, mark);
    size_t runs = fixture_mark(f);
    reference_pass(f, 1, others);
    reference_pass(f, 2, others);
    size_t last = fixture_mark(f);
    fixture_answer_tasks(f, 1, runs, "t01", TASK_FAILED, TASK_CODE_SQL);
    reference_pass(f, 2, runs);
    assert_int_equal(fixture_assigned(f, 1, TASK_RUN, last), 0);
    fixture_expect_phase(f, "r1", ROLLOUT_FAILED);
    struct rollout_view view = fixture_view(f, "r1");
    assert_int_equal(view.state.counts.migrated, 3);
    assert_int_equal(view.state.skips[TASK_CODE_OTHERS_BEHIND], 1);
    assert_int_equal(view.warning_count, 1);
    assert_int_equal(view.warnings[0]->code, TASK_CODE_OTHERS_BEHIND);
    assert_string_equal(view.warnings[0]->tenant, "s0/t00");

    /* When the other one is repaired the reference follows it. */
    assert_int_equal(fixture_verb(f, OPERATOR_RETRY, "r1")->reply.code, ERR_NONE);
    size_t retry = fixture_mark(f);
    fixture_report_rows(f, 1, true, fixture_refresh(f, 1),
                        (struct fixture_row[]){ { "t00", "0.1.0", NULL },
                                                { "t01", "0.1.0", NULL },
                                                { "t02", "0.3.0", "r1" } },
                        3);
    fixture_report_rows(
        f, 2, true, fixture_refresh(f, 2),
        (struct fixture_row[]){ { "t01", "0.3.0", "r1" }, { "t02", "0.3.0", "r1" } }, 2);
    fixture_work(f, 1, retry);
    fixture_expect_phase(f, "r1", ROLLOUT_SUCCEEDED);
    assert_int_equal(fixture_view(f, "r1").state.counts.migrated, 5);
    assert_int_equal(fixture_view(f, "r1").warning_count, 0);
    assert_string_equal(
        fixture_sent(f, 1, COORDINATOR_MESSAGE_ASSIGN, retry)->assign.tasks[0].tenant, "t00");
}

static void it_is_left_alone_while_another_is_locked(void **state)
{
    struct fixture *f = *state;
    const struct effect *locked =
        (reference_begin_spec(f, (struct rollout_spec){ .id = "r1", .lock_timeout_ms = 1000 }),
         fixture_ask(f, (struct operator_request){
                            .verb = OPERATOR_LOCK, .object = "s1/t02", .lock_ttl_ms = 60000 }));

    assert_int_equal(locked->reply.code, ERR_NONE);
    size_t mark = 0;
    for (int i = 0; i < 30; i++) {
        size_t next = fixture_mark(f);
        reference_pass(f, 1, mark);
        reference_pass(f, 2, mark);
        fixture_tick(f, 500);
        fixture_heartbeat(f, 1, (uint64_t)i + 1);
        fixture_heartbeat(f, 2, (uint64_t)i + 1);
        mark = next;
    }
    fixture_expect_phase(f, "r1", ROLLOUT_SUCCEEDED);
    struct rollout_view view = fixture_view(f, "r1");
    assert_int_equal(view.state.counts.migrated, 3);
    assert_int_equal(view.state.skips[TASK_CODE_TENANT_LOCKED], 1);
    assert_int_equal(view.state.skips[TASK_CODE_OTHERS_BEHIND], 1);
}

static void a_rollout_of_other_tenants_leaves_it_alone(void **state)
{
    struct fixture *f = *state;
    size_t mark =
        reference_begin_spec(f, (struct rollout_spec){ .id = "r1", .selector = "shard=s1" });

    assert_int_equal(fixture_assigned(f, 1, TASK_DRY_RUN, mark), 0);
    assert_int_equal(fixture_assigned(f, 2, TASK_DRY_RUN, mark), 2);
    fixture_work(f, 2, mark);
    fixture_expect_phase(f, "r1", ROLLOUT_SUCCEEDED);
    assert_int_equal(fixture_view(f, "r1").state.counts.total, 2);
}

static void a_reference_that_is_not_there_is_told_at_the_start(void **state)
{
    struct fixture *f = *state;

    fixture_publish_set(f, sim_set_new_with_reference(3));
    fixture_shard(f, 1, "s0", 2, "0.1.0");
    const struct effect *reply = fixture_start(f, "r1");
    assert_int_equal(reply->reply.code, ERR_REFUSED);
    assert_non_null(strstr(reply->reply.message, "s0/t00"));
    /* It does not concern who selects others, and a baseline runs no script. */
    reply = fixture_start_spec(f, (struct rollout_spec){ .id = "r2", .selector = "tenant=t_001" });
    assert_int_equal(reply->reply.code, ERR_NONE);
    reply = fixture_start_spec(f, (struct rollout_spec){ .id = "r3",
                                                         .kind = ROLLOUT_BASELINE,
                                                         .target = "0.1.0",
                                                         .selector = "tenant=t_002" });
    assert_int_equal(reply->reply.code, ERR_NONE);
}

static void one_that_goes_before_it_is_planned_is_a_warning(void **state)
{
    struct fixture *f = *state;

    fixture_publish_set(f, sim_set_new_with_reference(3));
    fixture_hello(f, 1, "s0", "agent-a");
    fixture_report_rows(f, 1, true, 0, (struct fixture_row[]){ { "t00", "0.1.0", NULL } }, 1);
    fixture_start(f, "r1");
    size_t mark = fixture_mark(f);
    fixture_report(f, 1, 2, "0.1.0", fixture_refresh(f, 1));
    struct rollout_view view = fixture_view(f, "r1");
    assert_int_equal(view.warning_count, 1);
    assert_int_equal(view.warnings[0]->code, TASK_CODE_TENANT_MISSING);
    fixture_work(f, 1, mark);
    fixture_expect_phase(f, "r1", ROLLOUT_SUCCEEDED);
}

static void a_new_leader_goes_on_in_the_same_order(void **state)
{
    struct fixture *f = *state;
    size_t mark = reference_begin(f);
    size_t others = fixture_mark(f);

    reference_pass(f, 1, mark);
    reference_pass(f, 1, others);
    reference_pass(f, 2, others);
    fixture_expect_phase(f, "r1", ROLLOUT_RUNNING);
    int64_t lease_a = sim_store_find(&f->store, RECORD_SESSION, "", "s0")->session.lease_id;
    int64_t lease_b = sim_store_find(&f->store, RECORD_SESSION, "", "s1")->session.lease_id;
    fixture_restart(f);
    mark = fixture_mark(f);
    fixture_hello_running(f, 3, "s0", "agent-a", lease_a, NULL, 0);
    fixture_hello_running(f, 4, "s1", "agent-b", lease_b, NULL, 0);
    fixture_report_rows(f, 3, true, 0,
                        (struct fixture_row[]){ { "t00", "0.1.0", NULL },
                                                { "t01", "0.3.0", "r1" },
                                                { "t02", "0.3.0", "r1" } },
                        3);
    fixture_report_rows(
        f, 4, true, 0, (struct fixture_row[]){ { "t01", "0.1.0", NULL }, { "t02", "0.3.0", "r1" } },
        2);
    for (int i = 0; i < 20; i++) {
        size_t next = fixture_mark(f);
        reference_pass(f, 4, mark);
        reference_pass(f, 3, mark);
        if (fixture_assigned(f, 3, TASK_RUN, mark) > 0) {
            assert_int_equal(fixture_view(f, "r1").state.counts.migrated, 5);
        }
        fixture_tick(f, 200);
        mark = next;
    }
    fixture_expect_phase(f, "r1", ROLLOUT_SUCCEEDED);
    assert_int_equal(fixture_view(f, "r1").state.counts.migrated, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)
        TEST(the_reference_is_looked_at_first_and_migrated_last),
        TEST(if_its_dry_run_fails_nobody_else_is_asked),
        TEST(it_is_left_alone_while_another_has_failed),
        TEST(it_is_left_alone_while_another_is_locked),
        TEST(a_rollout_of_other_tenants_leaves_it_alone),
        TEST(a_reference_that_is_not_there_is_told_at_the_start),
        TEST(one_that_goes_before_it_is_planned_is_a_warning),
        TEST(a_new_leader_goes_on_in_the_same_order),
#undef TEST
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
