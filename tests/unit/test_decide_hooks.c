/* LIBS: coordinator_decide sim_parts */
#include "tests/unit/decide_fixture.h"

/* Hooks of a rollout; the agent next to the control database has stream 2. */
static struct set *hooks_set(void)
{
    return sim_set_new_of(2, (struct sim_set_kind){ .hooks = true });
}

static void hooks_answer_last(struct fixture *f, uint64_t stream, uint64_t number,
                              enum task_code code)
{
    struct agent_message message = { .kind = AGENT_MESSAGE_CONTROL_DONE };

    message.control_done = (struct control_done){ .number = number,
                                                  .shard = "s0",
                                                  .hook = "before_rollout",
                                                  .error = { .tenant = "",
                                                             .code = code,
                                                             .sqlstate = "22012",
                                                             .message = "not on fridays",
                                                             .detail = "",
                                                             .hint = "",
                                                             .file = "hooks/before_rollout.sql",
                                                             .line = 7 } };
    fixture_agent(f, stream, message);
}

/* What was asked for since `mark`; NULL for nothing. */
static const struct control_run *hooks_asked(const struct fixture *f, size_t mark)
{
    const struct coordinator_message *message =
        fixture_sent(f, 2, COORDINATOR_MESSAGE_CONTROL_RUN, mark);

    return message == NULL ? NULL : &message->control_run;
}

static void hooks_answer(struct fixture *f, const char *hook, enum task_mode mode,
                         enum task_code code)
{
    const struct control_run *run = hooks_asked(f, 0);

    assert_non_null(run);
    assert_string_equal(run->hook, hook);
    assert_int_equal(run->call.mode, mode);
    hooks_answer_last(f, 2, run->call.number, code);
}

/* Two tenants, dry runs done; the hook's rehearsal is answered. */
static size_t hooks_begin(struct fixture *f, struct rollout_spec spec)
{
    fixture_publish_set(f, hooks_set());
    fixture_shard(f, 1, "eu-1", 2, "0.1.0");
    fixture_shard(f, 2, "s0", 0, "0.1.0");
    assert_int_equal(fixture_start_spec(f, spec)->reply.code, ERR_NONE);
    size_t mark = fixture_mark(f);
    fixture_report(f, 1, 2, "0.1.0", fixture_refresh(f, 1));
    fixture_report(f, 2, 0, "0.1.0", fixture_refresh(f, 2));
    assert_null(hooks_asked(f, 0));
    assert_int_equal(fixture_answer_tasks(f, 1, mark, NULL, TASK_SUCCEEDED, TASK_CODE_NONE), 2);
    fixture_expect_phase(f, "r1", ROLLOUT_DRY_RUN);
    assert_string_equal(fixture_view(f, "r1").waiting_for, "hook(before_rollout)");
    mark = fixture_mark(f);
    hooks_answer(f, "before_rollout", TASK_DRY_RUN, TASK_CODE_NONE);
    return mark;
}

static void each_hook_runs_once_in_its_place(void **state)
{
    struct fixture *f = *state;
    size_t mark = hooks_begin(f, (struct rollout_spec){ .id = "r1" });

    fixture_expect_phase(f, "r1", ROLLOUT_RUNNING);
    assert_int_equal(fixture_assigned(f, 1, TASK_RUN, 0), 0);
    assert_string_equal(fixture_view(f, "r1").waiting_for, "hook(before_rollout)");
    const struct control_run *run = hooks_asked(f, mark);
    assert_non_null(run);
    assert_string_equal(run->call.tenant, "r1");
    assert_string_equal(run->call.key, "r1");
    assert_string_equal(run->database, "control");
    assert_int_equal(fixture_view(f, "r1").state.hook_asked, 1);
    hooks_answer(f, "before_rollout", TASK_RUN, TASK_CODE_NONE);
    assert_int_equal(fixture_assigned(f, 1, TASK_RUN, 0), 2);
    assert_true(fixture_view(f, "r1").state.hooks_done[SET_HOOK_BEFORE_ROLLOUT]);
    mark = fixture_mark(f);
    hooks_answer_last(f, 2, hooks_asked(f, 0)->call.number, TASK_CODE_NONE); /* it comes twice */
    fixture_work(f, 1, 0);
    fixture_answer_last_look(f);
    fixture_answer_last_look(f);
    fixture_expect_phase(f, "r1", ROLLOUT_RUNNING);
    assert_string_equal(hooks_asked(f, mark)->hook, "after_rollout");
    assert_string_equal(fixture_view(f, "r1").waiting_for, "hook(after_rollout)");
    hooks_answer(f, "after_rollout", TASK_RUN, TASK_CODE_NONE);
    fixture_expect_phase(f, "r1", ROLLOUT_SUCCEEDED);
    assert_int_equal(fixture_view(f, "r1").error_count, 0);
}

static void nothing_to_do_has_no_hooks(void **state)
{
    struct fixture *f = *state;

    fixture_publish_set(f, hooks_set());
    fixture_shard(f, 1, "eu-1", 2, "0.2.0");
    fixture_shard(f, 2, "s0", 0, "0.2.0");
    fixture_start(f, "r1");
    fixture_report(f, 1, 2, "0.2.0", fixture_refresh(f, 1));
    fixture_report(f, 2, 0, "0.2.0", fixture_refresh(f, 2));
    fixture_expect_phase(f, "r1", ROLLOUT_SUCCEEDED);
    assert_null(hooks_asked(f, 0));
}

static void a_rehearsal_that_fails_stops_before_the_barrier(void **state)
{
    struct fixture *f = *state;

    fixture_publish_set(f, hooks_set());
    fixture_shard(f, 1, "eu-1", 1, "0.1.0");
    fixture_shard(f, 2, "s0", 0, "0.1.0");
    fixture_start(f, "r1");
    size_t mark = fixture_mark(f);
    fixture_report(f, 1, 1, "0.1.0", fixture_refresh(f, 1));
    fixture_report(f, 2, 0, "0.1.0", fixture_refresh(f, 2));
    fixture_answer_tasks(f, 1, mark, NULL, TASK_SUCCEEDED, TASK_CODE_NONE);
    hooks_answer(f, "before_rollout", TASK_DRY_RUN, TASK_CODE_SQL);
    fixture_expect_phase(f, "r1", ROLLOUT_DRY_RUN_FAILED);
    const struct rollout_view view = fixture_view(f, "r1");
    assert_int_equal(view.error_count, 1);
    assert_string_equal(view.errors[0]->tenant, "hooks/before_rollout");
    assert_string_equal(view.errors[0]->file, "hooks/before_rollout.sql");
    assert_int_equal(view.errors[0]->line, 7);
    assert_string_equal(view.state.phase_reason, "hook before_rollout failed: not on fridays");
    mark = fixture_mark(f);
    fixture_verb(f, OPERATOR_RETRY, "r1");
    assert_non_null(hooks_asked(f, mark));
    hooks_answer(f, "before_rollout", TASK_DRY_RUN, TASK_CODE_NONE);
    fixture_expect_phase(f, "r1", ROLLOUT_RUNNING);
    assert_int_equal(fixture_view(f, "r1").error_count, 0);
}

static void a_rehearsal_that_fails_waits_for_who_has_come_late(void **state)
{
    struct fixture *f = *state;

    fixture_publish_set(f, hooks_set());
    fixture_shard(f, 1, "eu-1", 1, "0.1.0");
    fixture_shard(f, 2, "s0", 0, "0.1.0");
    fixture_start(f, "r1");
    size_t mark = fixture_mark(f);
    fixture_report(f, 1, 1, "0.1.0", fixture_refresh(f, 1));
    fixture_report(f, 2, 0, "0.1.0", fixture_refresh(f, 2));
    fixture_answer_tasks(f, 1, mark, NULL, TASK_SUCCEEDED, TASK_CODE_NONE);
    mark = fixture_mark(f);
    const struct fixture_row late = { "t_009", "0.1.0", "" };
    fixture_report_rows(f, 1, false, 0, &late, 1);
    assert_int_equal(fixture_assigned(f, 1, TASK_DRY_RUN, mark), 1);
    hooks_answer(f, "before_rollout", TASK_DRY_RUN, TASK_CODE_SQL);
    fixture_expect_phase(f, "r1", ROLLOUT_DRY_RUN);
    fixture_answer_tasks(f, 1, mark, NULL, TASK_SUCCEEDED, TASK_CODE_NONE);
    fixture_expect_phase(f, "r1", ROLLOUT_DRY_RUN_FAILED);
}

static void a_hook_that_fails_is_a_matter_of_the_policy(void **state)
{
    static const struct {
        enum rollout_policy policy;
        enum rollout_phase phase;
    } cases[] = { { POLICY_PAUSE, ROLLOUT_PAUSED },
                  { POLICY_ABORT, ROLLOUT_ABORTED },
                  { POLICY_CONTINUE, ROLLOUT_FAILED } };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        void *own = NULL;
        assert_int_equal(fixture_set_up(&own), 0);
        struct fixture *f = own;
        hooks_begin(f, (struct rollout_spec){ .id = "r1", .policy = cases[i].policy });
        hooks_answer(f, "before_rollout", TASK_RUN, TASK_CODE_SQL);
        fixture_expect_phase(f, "r1", cases[i].phase);
        assert_int_equal(fixture_assigned(f, 1, TASK_RUN, 0), 0);
        assert_int_equal(fixture_view(f, "r1").error_count, 1);
        size_t mark = fixture_mark(f);
        if (cases[i].phase != ROLLOUT_ABORTED) {
            assert_int_equal(fixture_verb(f, OPERATOR_RETRY, "r1")->reply.code, ERR_NONE);
            fixture_tick(f, 100);
            assert_non_null(hooks_asked(f, mark));
            hooks_answer(f, "before_rollout", TASK_RUN, TASK_CODE_NONE);
            fixture_report(f, 1, 2, "0.1.0", fixture_refresh(f, 1));
            fixture_report(f, 2, 0, "0.1.0", fixture_refresh(f, 2));
            fixture_work(f, 1, mark);
            fixture_answer_last_look(f);
            fixture_answer_last_look(f);
            hooks_answer(f, "after_rollout", TASK_RUN, TASK_CODE_NONE);
            fixture_expect_phase(f, "r1", ROLLOUT_SUCCEEDED);
            assert_int_equal(fixture_view(f, "r1").error_count, 0);
        }
        assert_int_equal(fixture_tear_down(&own), 0);
    }
}

static void after_rollout_that_fails_keeps_the_rollout_from_succeeding(void **state)
{
    struct fixture *f = *state;

    hooks_begin(f, (struct rollout_spec){ .id = "r1", .policy = POLICY_CONTINUE });
    hooks_answer(f, "before_rollout", TASK_RUN, TASK_CODE_NONE);
    fixture_work(f, 1, 0);
    fixture_answer_last_look(f);
    fixture_answer_last_look(f);
    hooks_answer(f, "after_rollout", TASK_RUN, TASK_CODE_SQL);
    fixture_expect_phase(f, "r1", ROLLOUT_FAILED);
    assert_int_equal(fixture_view(f, "r1").state.counts.migrated, 2);
    fixture_verb(f, OPERATOR_RETRY, "r1");
    const struct fixture_row rows[] = { { "t_001", "0.2.0", "r1" }, { "t_002", "0.2.0", "r1" } };
    size_t mark = fixture_mark(f);
    fixture_report_rows(f, 1, true, fixture_refresh(f, 1), rows, 2);
    fixture_report(f, 2, 0, "0.1.0", fixture_refresh(f, 2));
    fixture_answer_last_look(f);
    fixture_answer_last_look(f);
    fixture_tick(f, 100);
    assert_string_equal(hooks_asked(f, mark)->hook, "after_rollout"); /* not the first once more */
    hooks_answer(f, "after_rollout", TASK_RUN, TASK_CODE_NONE);
    fixture_expect_phase(f, "r1", ROLLOUT_SUCCEEDED);
}

static void whoever_leads_asks_again(void **state)
{
    struct fixture *f = *state;

    hooks_begin(f, (struct rollout_spec){ .id = "r1" });
    uint64_t earlier = hooks_asked(f, 0)->call.number;
    size_t mark = fixture_mark(f);
    fixture_tick(f, CONTROL_RESEND_MS);
    assert_int_equal(hooks_asked(f, mark)->call.number, earlier);
    fixture_restart(f);
    mark = fixture_mark(f);
    fixture_tick(f, 100);
    assert_null(hooks_asked(f, mark)); /* no agent is there yet */
    assert_string_equal(fixture_view(f, "r1").waiting_for,
                        "hook(before_rollout), agent-offline(s0), agent-offline(eu-1, s0)");
    f->term++;
    fixture_hello(f, 1, "eu-1", "agent-a");
    fixture_hello(f, 2, "s0", "agent-a");
    fixture_tick(f, 100);
    const struct control_run *run = hooks_asked(f, mark);
    assert_non_null(run);
    assert_true(run->call.number != earlier);
    assert_true(run->call.token > 0);
    fixture_report(f, 1, 2, "0.1.0", fixture_refresh(f, 1));
    fixture_report(f, 2, 0, "0.1.0", fixture_refresh(f, 2));
    hooks_answer_last(f, 2, earlier, TASK_CODE_SQL); /* of the earlier leader's call */
    fixture_expect_phase(f, "r1", ROLLOUT_RUNNING);
    hooks_answer_last(f, 2, run->call.number, TASK_CODE_DATABASE_LOST);
    assert_string_equal(fixture_view(f, "r1").waiting_for, "hook(before_rollout: not on fridays)");
    mark = fixture_mark(f);
    fixture_tick(f, CONTROL_RESEND_MS);
    assert_non_null(hooks_asked(f, mark));
    hooks_answer(f, "before_rollout", TASK_RUN, TASK_CODE_NONE);
    assert_true(fixture_view(f, "r1").state.hooks_done[SET_HOOK_BEFORE_ROLLOUT]);
}

static void an_abort_waits_for_the_hook(void **state)
{
    struct fixture *f = *state;

    hooks_begin(f, (struct rollout_spec){ .id = "r1" });
    fixture_verb(f, OPERATOR_ABORT, "r1");
    fixture_expect_phase(f, "r1", ROLLOUT_RUNNING);
    assert_non_null(strstr(fixture_view(f, "r1").waiting_for, "hook(before_rollout)"));
    hooks_answer(f, "before_rollout", TASK_RUN, TASK_CODE_NONE);
    fixture_expect_phase(f, "r1", ROLLOUT_ABORTED);
    assert_int_equal(fixture_view(f, "r1").error_count, 0);
    assert_int_equal(fixture_assigned(f, 1, TASK_RUN, 0), 0);
}

static void an_abort_without_an_answer_says_so(void **state)
{
    struct fixture *f = *state;

    hooks_begin(f, (struct rollout_spec){ .id = "r1" });
    fixture_restart(f);
    fixture_verb(f, OPERATOR_ABORT, "r1");
    fixture_tick(f, 100);
    fixture_tick(f, 30000);
    fixture_expect_phase(f, "r1", ROLLOUT_ABORTED);
    const struct rollout_view view = fixture_view(f, "r1");
    assert_int_equal(view.error_count, 1);
    assert_int_equal(view.errors[0]->code, TASK_CODE_OUTCOME_UNKNOWN);
    assert_string_equal(view.errors[0]->tenant, "hooks/before_rollout");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_hook_runs_once_in_its_place, fixture_set_up,
                                        fixture_tear_down),
        cmocka_unit_test_setup_teardown(nothing_to_do_has_no_hooks, fixture_set_up,
                                        fixture_tear_down),
        cmocka_unit_test_setup_teardown(a_rehearsal_that_fails_stops_before_the_barrier,
                                        fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(a_rehearsal_that_fails_waits_for_who_has_come_late,
                                        fixture_set_up, fixture_tear_down),
        cmocka_unit_test(a_hook_that_fails_is_a_matter_of_the_policy),
        cmocka_unit_test_setup_teardown(after_rollout_that_fails_keeps_the_rollout_from_succeeding,
                                        fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(whoever_leads_asks_again, fixture_set_up,
                                        fixture_tear_down),
        cmocka_unit_test_setup_teardown(an_abort_waits_for_the_hook, fixture_set_up,
                                        fixture_tear_down),
        cmocka_unit_test_setup_teardown(an_abort_without_an_answer_says_so, fixture_set_up,
                                        fixture_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
