/* LIBS: coordinator_decide sim_parts */
#include "tests/unit/decide_fixture.h"

static const struct effect *life_ask(struct fixture *f, const char *id, enum rollout_kind kind,
                                     const char *tenant)
{
    return fixture_start_spec(
        f, (struct rollout_spec){
               .id = id, .kind = kind, .tenant = tenant, .policy = POLICY_CONTINUE });
}

static void life_begin(struct fixture *f)
{
    fixture_publish(f, 3);
    fixture_shard(f, 1, "eu-1", 2, "0.1.0");
}

static void life_expect_refused(const struct effect *reply, enum err_code code, const char *words)
{
    assert_int_equal(reply->reply.code, code);
    if (strstr(reply->reply.message, words) == NULL) {
        fail_msg("%s", reply->reply.message);
    }
}

static void a_tenant_is_made_by_one_task_without_a_dry_run(void **state)
{
    struct fixture *f = *state;

    life_begin(f);
    assert_int_equal(life_ask(f, "c1", ROLLOUT_CREATE, "eu-1/t_new")->reply.code, ERR_NONE);
    size_t mark = fixture_mark(f);
    fixture_report(f, 1, 2, "0.1.0", fixture_refresh(f, 1));
    fixture_expect_phase(f, "c1", ROLLOUT_RUNNING);
    assert_int_equal(fixture_assigned(f, 1, TASK_CREATE, mark), 1);
    const struct task_assignment *assign =
        &fixture_sent(f, 1, COORDINATOR_MESSAGE_ASSIGN, mark)->assign;
    assert_string_equal(assign->tasks[0].tenant, "t_new");
    assert_string_equal(assign->tasks[0].from, "");
    assert_string_equal(assign->target, "0.3.0");
    assert_non_null(sim_store_find(&f->store, RECORD_LOCK, "", "eu-1/t_new"));
    fixture_work(f, 1, mark);
    /* It ends when the tenant has been reported. */
    fixture_report_rows(f, 1, true, fixture_refresh(f, 1),
                        (struct fixture_row[]){ { "t_001", "0.1.0", NULL },
                                                { "t_002", "0.1.0", NULL },
                                                { "t_new", "0.3.0", "c1" } },
                        3);
    fixture_expect_phase(f, "c1", ROLLOUT_SUCCEEDED);
    struct rollout_view view = fixture_view(f, "c1");
    assert_int_equal(view.state.counts.migrated, 1);
    assert_int_equal(view.state.counts.dry_run_passed, 0);
    assert_int_equal(sim_store_count(&f->store, RECORD_LOCK), 0);
    life_expect_refused(life_ask(f, "c2", ROLLOUT_CREATE, "eu-1/t_new"), ERR_REFUSED,
                        "TENANT_EXISTS");
}

static void one_that_appears_meanwhile_is_not_taken_over(void **state)
{
    struct fixture *f = *state;

    life_begin(f);
    life_ask(f, "c1", ROLLOUT_CREATE, "eu-1/t_003");
    size_t mark = fixture_mark(f);
    fixture_report(f, 1, 3, "", fixture_refresh(f, 1));
    fixture_expect_phase(f, "c1", ROLLOUT_FAILED);
    assert_int_equal(fixture_assigned(f, 1, TASK_CREATE, mark), 0);
    assert_int_equal(fixture_view(f, "c1").errors[0]->code, TASK_CODE_TENANT_EXISTS);
}

static void one_of_the_name_of_one_that_is_gone_begins_anew(void **state)
{
    struct fixture *f = *state;

    life_begin(f);
    /* A rollout still knows it, and at which version it was. */
    fixture_start(f, "r1");
    fixture_report(f, 1, 2, "0.1.0", fixture_refresh(f, 1));
    fixture_removed(f, 1, "t_001");
    assert_int_equal(life_ask(f, "c1", ROLLOUT_CREATE, "eu-1/t_001")->reply.code, ERR_NONE);
    size_t mark = fixture_mark(f);
    fixture_report_rows(f, 1, false, fixture_refresh(f, 1), NULL, 0);
    fixture_answer_tasks(f, 1, 0, "t_001", TASK_SKIPPED, TASK_CODE_TENANT_MISSING);
    fixture_report_rows(f, 1, false, fixture_refresh(f, 1), NULL, 0);
    fixture_tick(f, 5000);
    assert_int_equal(fixture_assigned(f, 1, TASK_CREATE, mark), 1);
    const struct coordinator_message *sent = fixture_sent(f, 1, COORDINATOR_MESSAGE_ASSIGN, mark);
    assert_int_equal(sent->assign.mode, TASK_CREATE);
    assert_string_equal(sent->assign.tasks[0].from, "");
}

static void a_failed_one_can_be_tried_again(void **state)
{
    struct fixture *f = *state;

    life_begin(f);
    life_ask(f, "c1", ROLLOUT_CREATE, "eu-1/t_new");
    size_t mark = fixture_mark(f);
    fixture_report(f, 1, 2, "0.1.0", fixture_refresh(f, 1));
    fixture_answer_tasks(f, 1, mark, "t_new", TASK_FAILED, TASK_CODE_SQL);
    fixture_expect_phase(f, "c1", ROLLOUT_FAILED);
    mark = fixture_mark(f);
    assert_int_equal(fixture_verb(f, OPERATOR_RETRY, "c1")->reply.code, ERR_NONE);
    fixture_report(f, 1, 2, "0.1.0", fixture_refresh(f, 1));
    assert_int_equal(fixture_assigned(f, 1, TASK_CREATE, mark), 1);
    fixture_work(f, 1, mark);
    fixture_expect_phase(f, "c1", ROLLOUT_SUCCEEDED);
}

static void a_new_leader_goes_on(void **state)
{
    struct fixture *f = *state;

    life_begin(f);
    life_ask(f, "c1", ROLLOUT_CREATE, "eu-1/t_new");
    size_t mark = fixture_mark(f);
    fixture_report(f, 1, 2, "0.1.0", fixture_refresh(f, 1));
    assert_int_equal(fixture_assigned(f, 1, TASK_CREATE, mark), 1);
    const struct task_assignment *assign =
        &fixture_sent(f, 1, COORDINATOR_MESSAGE_ASSIGN, mark)->assign;
    const struct running_task running = {
        .rollout = "c1", .mode = TASK_CREATE, .tenant = "t_new", .token = assign->token
    };
    int64_t lease = sim_store_find(&f->store, RECORD_SESSION, "", "eu-1")->session.lease_id;
    fixture_restart(f);
    /* The agent still has it: it is adopted, not handed out again. */
    mark = fixture_mark(f);
    fixture_hello_running(f, 2, "eu-1", "agent-a", lease, &running, 1);
    fixture_report(f, 2, 2, "0.1.0", 0);
    assert_int_equal(fixture_assigned(f, 2, TASK_CREATE, mark), 0);
    assert_int_equal(fixture_view(f, "c1").state.counts.running, 1);
    struct task_result result = { .rollout = "c1",
                                  .mode = TASK_CREATE,
                                  .tenant = "t_new",
                                  .token = running.token,
                                  .outcome = TASK_SUCCEEDED,
                                  .version = "0.3.0" };
    fixture_result(f, 2, 1, result);
    fixture_expect_phase(f, "c1", ROLLOUT_SUCCEEDED);
}

static void a_lost_agent_is_settled_before_another_makes_it(void **state)
{
    struct fixture *f = *state;

    life_begin(f);
    life_ask(f, "c1", ROLLOUT_CREATE, "eu-1/t_new");
    fixture_report(f, 1, 2, "0.1.0", fixture_refresh(f, 1));
    fixture_close(f, 1);
    for (int i = 0; i < 20; i++) {
        fixture_tick(f, 1000);
    }
    size_t mark = fixture_mark(f);
    fixture_hello(f, 2, "eu-1", "agent-b");
    fixture_report(f, 2, 2, "0.1.0", 0);
    fixture_report(f, 2, 2, "0.1.0", fixture_refresh(f, 2));
    fixture_tick(f, 5000);
    assert_int_equal(fixture_assigned(f, 2, TASK_CREATE, mark), 1);
    fixture_work(f, 2, mark);
    fixture_expect_phase(f, "c1", ROLLOUT_SUCCEEDED);
    assert_int_equal(fixture_view(f, "c1").state.counts.migrated, 1);
}

static void a_tenant_is_dropped(void **state)
{
    struct fixture *f = *state;

    life_begin(f);
    assert_int_equal(life_ask(f, "d1", ROLLOUT_DROP, "eu-1/t_001")->reply.code, ERR_NONE);
    size_t mark = fixture_mark(f);
    fixture_report(f, 1, 2, "0.1.0", fixture_refresh(f, 1));
    assert_int_equal(fixture_assigned(f, 1, TASK_DROP, mark), 1);
    assert_string_equal(fixture_sent(f, 1, COORDINATOR_MESSAGE_ASSIGN, mark)->assign.target, "");
    /* While it is going, nobody else gets it. */
    life_expect_refused(fixture_start(f, "r1"), ERR_CONFLICT, "d1");
    life_expect_refused(life_ask(f, "d2", ROLLOUT_DROP, "eu-1/t_001"), ERR_CONFLICT, "d1");
    fixture_removed(f, 1, "t_001"); /* a report overtakes the answer */
    fixture_expect_phase(f, "d1", ROLLOUT_RUNNING);
    fixture_work(f, 1, mark);
    fixture_expect_phase(f, "d1", ROLLOUT_SUCCEEDED);
    assert_int_equal(fixture_view(f, "d1").state.counts.migrated, 1);
    life_expect_refused(life_ask(f, "d3", ROLLOUT_DROP, "eu-1/t_001"), ERR_NOT_FOUND, "t_001");
}

static void guards_are_looked_at_before_a_drop(void **state)
{
    struct fixture *f = *state;

    life_begin(f);
    life_expect_refused(life_ask(f, "d", ROLLOUT_DROP, "eu-1/t_9"), ERR_NOT_FOUND, "t_9");
    life_expect_refused(life_ask(f, "d", ROLLOUT_DROP, "t_001"), ERR_INVALID, "SHARD/NAME");
    life_expect_refused(life_ask(f, "c", ROLLOUT_CREATE, "us-1/t_1"), ERR_NOT_FOUND, "no shard");
    life_expect_refused(life_ask(f, "c", ROLLOUT_CREATE, "eu-1/a,b"), ERR_INVALID, "a,b");
    fixture_ask(f, (struct operator_request){
                       .verb = OPERATOR_LOCK, .object = "eu-1/t_001", .lock_ttl_ms = 1000 });
    life_expect_refused(life_ask(f, "d", ROLLOUT_DROP, "eu-1/t_001"), ERR_REFUSED, "TENANT_LOCKED");
    fixture_start_spec(f, (struct rollout_spec){ .id = "r1", .selector = "tenant=t_002" });
    fixture_report(f, 1, 2, "0.1.0", fixture_refresh(f, 1));
    life_expect_refused(life_ask(f, "d", ROLLOUT_DROP, "eu-1/t_002"), ERR_CONFLICT, "r1");
}

static void what_skein_does_not_manage_is_dropped_by_force_only(void **state)
{
    struct fixture *f = *state;
    struct rollout_spec drop = {
        .id = "d", .kind = ROLLOUT_DROP, .tenant = "eu-1/t_001", .policy = POLICY_CONTINUE
    };

    fixture_shard(f, 1, "eu-1", 2, "");
    life_expect_refused(fixture_start_spec(f, drop), ERR_REFUSED, "UNMANAGED");
    drop.force = true;
    drop.set = "";
    life_expect_refused(fixture_start_spec(f, drop), ERR_REFUSED, "no set is published");
    fixture_publish(f, 3);
    drop.force = false;
    life_expect_refused(fixture_start_spec(f, drop), ERR_REFUSED, "--force");
    drop.force = true;
    assert_int_equal(fixture_start_spec(f, drop)->reply.code, ERR_NONE);
    size_t mark = fixture_mark(f);
    fixture_report(f, 1, 2, "", fixture_refresh(f, 1));
    assert_int_equal(fixture_assigned(f, 1, TASK_DROP, mark), 1);
    const struct task_assignment *assign =
        &fixture_sent(f, 1, COORDINATOR_MESSAGE_ASSIGN, mark)->assign;
    assert_true(assign->force);
    assert_int_equal(assign->kind, ROLLOUT_DROP);
}

static void labels_go_along_and_a_settling_says_of_what(void **state)
{
    struct fixture *f = *state;
    const struct label labels[] = { { "region", "eu" }, { "tier", "free" } };

    life_begin(f);
    fixture_start_spec(f, (struct rollout_spec){ .id = "c1",
                                                 .kind = ROLLOUT_CREATE,
                                                 .tenant = "eu-1/t_new",
                                                 .policy = POLICY_CONTINUE,
                                                 .labels = { labels, 2 } });
    size_t mark = fixture_mark(f);
    fixture_report(f, 1, 2, "0.1.0", fixture_refresh(f, 1));
    const struct task_assignment *assign =
        &fixture_sent(f, 1, COORDINATOR_MESSAGE_ASSIGN, mark)->assign;
    assert_int_equal(assign->labels.count, 2);
    assert_string_equal(assign->labels.items[1].value, "free");
    /* Aborted while its agent is away: what it may have left is settled before anything else. */
    fixture_close(f, 1);
    fixture_hello(f, 2, "eu-1", "agent-b"); /* stands by */
    mark = fixture_mark(f);
    fixture_verb(f, OPERATOR_ABORT, "c1");
    fixture_tick(f, SESSION_LEASE_TTL_MS);
    fixture_report(f, 2, 2, "0.1.0", fixture_refresh(f, 2));
    assert_int_equal(fixture_assigned(f, 2, TASK_SETTLE, mark), 1);
    assign = &fixture_sent(f, 2, COORDINATOR_MESSAGE_ASSIGN, mark)->assign;
    assert_int_equal(assign->kind, ROLLOUT_CREATE);
}

static void a_reference_is_not_dropped_and_its_copies_are_made_beside_it(void **state)
{
    struct fixture *f = *state;

    fixture_publish_set(f, sim_set_new_with_reference(3));
    fixture_hello(f, 1, "s0", "agent-a");
    fixture_report_rows(f, 1, true, 0, (struct fixture_row[]){ { "t00", "0.1.0", NULL } }, 1);
    fixture_hello(f, 2, "s1", "agent-b");
    fixture_report_rows(f, 2, true, 0, NULL, 0);
    life_expect_refused(life_ask(f, "d", ROLLOUT_DROP, "s0/t00"), ERR_REFUSED, "reference");
    struct rollout_spec copy = {
        .id = "c", .kind = ROLLOUT_CREATE, .tenant = "s1/t_new", .from_reference = true
    };
    life_expect_refused(fixture_start_spec(f, copy), ERR_REFUSED, "another shard");
    copy.tenant = "s0/t_new";
    assert_int_equal(fixture_start_spec(f, copy)->reply.code, ERR_NONE);
    size_t mark = fixture_mark(f);
    fixture_report_rows(f, 1, false, fixture_refresh(f, 1), NULL, 0);
    assert_string_equal(fixture_sent(f, 1, COORDINATOR_MESSAGE_ASSIGN, mark)->assign.source, "t00");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)
        TEST(a_tenant_is_made_by_one_task_without_a_dry_run),
        TEST(one_that_appears_meanwhile_is_not_taken_over),
        TEST(one_of_the_name_of_one_that_is_gone_begins_anew),
        TEST(a_failed_one_can_be_tried_again),
        TEST(a_new_leader_goes_on),
        TEST(a_lost_agent_is_settled_before_another_makes_it),
        TEST(a_tenant_is_dropped),
        TEST(guards_are_looked_at_before_a_drop),
        TEST(what_skein_does_not_manage_is_dropped_by_force_only),
        TEST(labels_go_along_and_a_settling_says_of_what),
        TEST(a_reference_is_not_dropped_and_its_copies_are_made_beside_it),
#undef TEST
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
