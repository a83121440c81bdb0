/* LIBS: coordinator_decide sim_parts */
#include "tests/unit/decide_fixture.h"

/* How the tasks of one mark are answered. */
struct answers {
    const char *odd; /* this tenant's schema is another; NULL: none is */
    const char *fails;
    enum task_code code; /* of `fails` */
};

/* Answers everything that was handed out since `since`, as an agent that sees schemas would.
 * Returns how much of each step there was. */
static void answer(struct fixture *f, size_t since, struct answers how,
                   size_t ret_steps[DRY_RUN_STEP_COUNT])
{
    size_t end = f->list_count;
    uint64_t sequence = 5000 + 100 * since;

    memset(ret_steps, 0, DRY_RUN_STEP_COUNT * sizeof(*ret_steps));
    for (size_t i = since; i < end; i++) {
        for (size_t j = 0; j < f->lists[i]->count; j++) {
            const struct effect *effect = &f->lists[i]->items[j];
            if (effect->kind != EFFECT_SEND ||
                effect->send.message.kind != COORDINATOR_MESSAGE_ASSIGN) {
                continue;
            }
            const struct task_assignment *assign = &effect->send.message.assign;
            for (size_t k = 0; k < assign->task_count; k++) {
                const char *tenant = assign->tasks[k].tenant;
                bool looks = assign->dry_run_step == DRY_RUN_STEP_LOOK;
                bool fails = how.fails != NULL && strcmp(tenant, how.fails) == 0;
                struct task_result result = {
                    .rollout = assign->rollout,
                    .mode = assign->mode,
                    .tenant = tenant,
                    .token = assign->token,
                    .outcome = fails ? TASK_FAILED : TASK_SUCCEEDED,
                    .version = assign->target,
                    .stamp = assign->mode == TASK_DRY_RUN ? 7 : 0,
                    .fingerprint = !looks || fails                                   ? ""
                                   : how.odd != NULL && strcmp(tenant, how.odd) == 0 ? "odd"
                                                                                     : "even",
                };
                result.error.code = fails ? how.code : TASK_CODE_NONE;
                ret_steps[assign->dry_run_step]++;
                if (assign->mode == TASK_RUN) {
                    assert_int_equal(assign->tasks[k].stamp, 7);
                }
                fixture_result(f, 1, ++sequence, result);
            }
        }
    }
}

static void one_of_each_class_is_dry_run(void **state)
{
    struct fixture *f = *state;
    size_t steps[DRY_RUN_STEP_COUNT];
    size_t mark =
        fixture_begin(f, 1, 6, (struct rollout_spec){ .id = "r1", .dry_run = DRY_RUN_CLASSES });
    size_t whole = fixture_mark(f);

    answer(f, mark, (struct answers){ .odd = "t_003" }, steps);
    assert_int_equal(steps[DRY_RUN_STEP_LOOK], 6);
    fixture_expect_phase(f, "r1", ROLLOUT_DRY_RUN);
    size_t runs = fixture_mark(f);
    answer(f, whole, (struct answers){ 0 }, steps);
    assert_int_equal(steps[DRY_RUN_STEP_WHOLE], 2);
    fixture_expect_phase(f, "r1", ROLLOUT_RUNNING);
    struct rollout_view view = fixture_view(f, "r1");
    assert_int_equal(view.state.counts.dry_run_passed, 6);
    assert_int_equal(view.state.dry_run_class_total, 2);
    assert_int_equal(view.state.dry_run_classes[0].tenants + view.state.dry_run_classes[1].tenants,
                     6);
    answer(f, runs, (struct answers){ 0 }, steps);
    fixture_expect_phase(f, "r1", ROLLOUT_SUCCEEDED);
    assert_int_equal(fixture_view(f, "r1").state.dry_run_class_count, 2);
}

static void a_class_waits_for_its_front_and_a_retry_asks_the_next(void **state)
{
    struct fixture *f = *state;
    size_t steps[DRY_RUN_STEP_COUNT];
    size_t mark =
        fixture_begin(f, 1, 4, (struct rollout_spec){ .id = "r1", .dry_run = DRY_RUN_CLONE });
    size_t whole = fixture_mark(f);

    answer(f, mark, (struct answers){ 0 }, steps);
    assert_int_equal(fixture_assigned(f, 1, TASK_DRY_RUN, whole), 1);
    answer(f, whole, (struct answers){ .fails = "t_001", .code = TASK_CODE_SQL }, steps);
    assert_int_equal(steps[DRY_RUN_STEP_CLONE], 1);
    fixture_expect_phase(f, "r1", ROLLOUT_DRY_RUN_FAILED);
    assert_int_equal(fixture_view(f, "r1").state.counts.failed, 1);
    assert_int_equal(fixture_view(f, "r1").state.counts.queued, 3);

    size_t again = fixture_mark(f);
    fixture_verb(f, OPERATOR_RETRY, "r1");
    assert_int_equal(fixture_assigned(f, 1, TASK_DRY_RUN, again), 2); /* a look, and the next */
    size_t runs = fixture_mark(f);
    answer(f, again, (struct answers){ 0 }, steps);
    fixture_expect_phase(f, "r1", ROLLOUT_RUNNING);
    answer(f, runs, (struct answers){ 0 }, steps);
    fixture_expect_phase(f, "r1", ROLLOUT_SUCCEEDED);
}

static void a_stale_tenant_is_dry_run_again_and_no_failure(void **state)
{
    struct fixture *f = *state;
    size_t steps[DRY_RUN_STEP_COUNT];
    size_t mark = fixture_begin(f, 1, 3, (struct rollout_spec){ .id = "r1" });
    size_t runs = fixture_mark(f);

    answer(f, mark, (struct answers){ 0 }, steps);
    size_t after = fixture_mark(f);
    answer(f, runs, (struct answers){ .fails = "t_001", .code = TASK_CODE_STALE }, steps);
    fixture_report_rows(f, 1, false, fixture_refresh(f, 1), NULL, 0);
    assert_int_equal(fixture_assigned(f, 1, TASK_DRY_RUN, after), 1);
    size_t last = fixture_mark(f);
    answer(f, after, (struct answers){ 0 }, steps);
    assert_int_equal(fixture_assigned(f, 1, TASK_RUN, last), 1);
    answer(f, last, (struct answers){ 0 }, steps);
    fixture_expect_phase(f, "r1", ROLLOUT_SUCCEEDED);
    struct rollout_view view = fixture_view(f, "r1");
    assert_int_equal(view.error_count, 0);
    assert_int_equal(view.warning_count, 1);
    assert_int_equal(view.warnings[0]->code, TASK_CODE_STALE);
}

static void a_schema_that_never_stays_fails_in_the_end(void **state)
{
    struct fixture *f = *state;
    size_t steps[DRY_RUN_STEP_COUNT];
    size_t mark =
        fixture_begin(f, 1, 1, (struct rollout_spec){ .id = "r1", .policy = POLICY_CONTINUE });
    size_t tries = 0;

    while (!rollout_phase_is_final(fixture_view(f, "r1").state.phase) && tries < 100) {
        size_t next = fixture_mark(f);
        bool runs = fixture_assigned(f, 1, TASK_RUN, mark) > 0;
        answer(f, mark,
               runs ? (struct answers){ .fails = "t_001", .code = TASK_CODE_STALE }
                    : (struct answers){ 0 },
               steps);
        fixture_answer_last_look(f);
        mark = next;
        tries += runs ? 1 : 0;
    }
    fixture_expect_phase(f, "r1", ROLLOUT_FAILED);
    assert_int_equal(fixture_view(f, "r1").errors[0]->code, TASK_CODE_STALE);
    assert_int_equal(tries, STALE_TRIES_MAX + 1);
}

static void no_dry_run_wants_a_reason(void **state)
{
    struct fixture *f = *state;
    struct rollout_spec spec = { .id = "r1", .dry_run = DRY_RUN_OFF };

    assert_int_equal(fixture_publish(f, 3)->reply.code, ERR_NONE);
    fixture_shard(f, 1, "eu-1", 2, "0.1.0");
    const struct effect *refused = fixture_start_spec(f, spec);
    assert_int_equal(refused->reply.code, ERR_INVALID);
    assert_non_null(strstr(refused->reply.message, "needs a reason"));

    spec.set = "billing";
    spec.digest = spec.target = spec.selector = spec.created_by = spec.baseline_unmanaged = "";
    spec.reason = "tried elsewhere";
    size_t mark = fixture_mark(f);
    (void)fixture_ask(f, (struct operator_request){ .verb = OPERATOR_START, .spec = spec });
    fixture_report(f, 1, 2, "0.1.0", fixture_refresh(f, 1));
    assert_int_equal(fixture_assigned(f, 1, TASK_DRY_RUN, mark), 0);
    assert_int_equal(fixture_assigned(f, 1, TASK_RUN, mark), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_of_each_class_is_dry_run, fixture_set_up,
                                        fixture_tear_down),
        cmocka_unit_test_setup_teardown(a_class_waits_for_its_front_and_a_retry_asks_the_next,
                                        fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(a_stale_tenant_is_dry_run_again_and_no_failure,
                                        fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(a_schema_that_never_stays_fails_in_the_end, fixture_set_up,
                                        fixture_tear_down),
        cmocka_unit_test_setup_teardown(no_dry_run_wants_a_reason, fixture_set_up,
                                        fixture_tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
