/* LIBS: coordinator_decide sim_parts
 *
 * The locks of people and programs: who gets a tenant, who waits for it, when it is free again. */
#include "tests/unit/decide_fixture.h"

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)

static size_t locks(const struct fixture *f)
{
    return sim_store_count(&f->store, RECORD_LOCK);
}

static const struct effect *lock_as(struct fixture *f, const char *tenant, const char *owner)
{
    return fixture_ask(f, (struct operator_request){ .verb = OPERATOR_LOCK,
                                                     .object = tenant,
                                                     .lock_owner = owner,
                                                     .reason = "a repair" });
}

static const struct effect *hold(struct fixture *f, const char *tenant, uint64_t wait_ms)
{
    return fixture_ask(f, (struct operator_request){ .verb = OPERATOR_HOLD,
                                                     .object = tenant,
                                                     .lock_owner = "backup",
                                                     .lock_id = "abc",
                                                     .lock_wait_ms = wait_ms });
}

static const struct effect *attach(struct fixture *f, const char *tenant, const char *id)
{
    return fixture_ask(
        f, (struct operator_request){
               .verb = OPERATOR_HOLD, .object = tenant, .lock_id = id, .lock_again = true });
}

static const struct effect *unlock_as(struct fixture *f, const char *tenant, const char *owner,
                                      bool force, const char *reason)
{
    return fixture_ask(f, (struct operator_request){ .verb = OPERATOR_UNLOCK,
                                                     .object = tenant,
                                                     .lock_owner = owner,
                                                     .lock_force = force,
                                                     .reason = reason });
}

static void close_call(struct fixture *f, uint64_t call)
{
    struct event event = { .type = EVENT_CALL_CLOSED };

    event.closed.call = call;
    fixture_simple(f, event);
}

static void expect_event(const struct fixture *f, const char *action, const char *part)
{
    for (size_t i = 0; i < fleet_event_count(f->fleet); i++) {
        const struct audit_event *event = fleet_event_at(f->fleet, i);
        if (strcmp(event->action, action) == 0 &&
            (strstr(event->detail, part) != NULL || strstr(event->reason, part) != NULL)) {
            return;
        }
    }
    fail_msg("no event %s with '%s'", action, part);
}

static void nobody_ends_somebody_elses_lock_but_by_force_and_with_a_reason(void **state)
{
    struct fixture *f = *state;

    fixture_shard(f, 1, "eu-1", 2, "0.1.0");
    lock_as(f, "eu-1/t_001", "ana@laptop:4711");
    f->now_ms += 65000;
    const struct effect *reply = unlock_as(f, "eu-1/t_001", "bob@desk:12", false, "");
    assert_int_equal(reply->reply.code, ERR_REFUSED);
    assert_non_null(strstr(reply->reply.message, "ana@laptop:4711"));
    assert_non_null(strstr(reply->reply.message, "1m 05s"));
    assert_non_null(strstr(reply->reply.message, "a repair"));
    assert_int_equal(unlock_as(f, "eu-1/t_001", "bob@desk:12", true, "")->reply.code, ERR_INVALID);
    assert_int_equal(locks(f), 1);
    assert_int_equal(unlock_as(f, "eu-1/t_001", "bob@desk:12", true, "ana is ill")->reply.code,
                     ERR_NONE);
    assert_int_equal(locks(f), 0);
    expect_event(f, "tenant.unlock-forced", "ana is ill");
    expect_event(f, "tenant.unlock-forced", "by bob@desk:12; held by ana@laptop:4711");
}

static void a_person_is_the_same_in_another_process(void **state)
{
    struct fixture *f = *state;

    fixture_shard(f, 1, "eu-1", 2, "0.1.0");
    lock_as(f, "eu-1/t_001", "ana@laptop:4711");
    const struct effect *reply = lock_as(f, "eu-1/t_001", "ana@laptop:5000");
    assert_int_equal(reply->reply.code, ERR_CONFLICT); /* two scripts of one person */
    assert_non_null(strstr(reply->reply.message, "name the owner 'ana@laptop:4711' to renew it"));
    assert_int_equal(unlock_as(f, "eu-1/t_001", "ana@laptop:5000", false, "")->reply.code,
                     ERR_NONE);
    lock_as(f, "eu-1/t_001", "ana:x");
    assert_int_equal(unlock_as(f, "eu-1/t_001", "ana:y", false, "")->reply.code, ERR_REFUSED);
}

static void a_lock_waits_for_a_rollouts_task_and_comes_before_its_next(void **state)
{
    struct fixture *f = *state;
    size_t mark = fixture_begin(f, 1, 1, (struct rollout_spec){ .id = "r1" });
    const struct effect *reply = fixture_ask(f, (struct operator_request){ .verb = OPERATOR_LOCK,
                                                                           .object = "eu-1/t_001",
                                                                           .lock_owner = "ana",
                                                                           .lock_wait_ms = 5000 });
    uint64_t call = f->calls;

    assert_null(reply); /* the task of the dry run has it */
    size_t next = fixture_mark(f);
    fixture_answer_tasks(f, 1, mark, NULL, TASK_SUCCEEDED, TASK_CODE_NONE);
    reply = fixture_reply(f, call);
    assert_non_null(reply);
    assert_int_equal(reply->reply.code, ERR_NONE);
    assert_string_equal(reply->reply.lock.owner, "ana");
    assert_int_equal(locks(f), 1);
    fixture_tick(f, 200);
    assert_int_equal(fixture_assigned(f, 1, TASK_RUN, next), 0);
    struct rollout_view view = fixture_view(f, "r1");
    assert_string_equal(view.waiting_for, "locked(eu-1/t_001 by ana)");
    /* It goes on with the very event that frees the tenant. */
    unlock_as(f, "eu-1/t_001", "ana", false, "");
    assert_int_equal(fixture_assigned(f, 1, TASK_RUN, next), 1);
}

static void who_waits_in_vain_is_told_for_whom(void **state)
{
    struct fixture *f = *state;

    fixture_shard(f, 1, "eu-1", 2, "0.1.0");
    lock_as(f, "eu-1/t_001", "ana");
    const struct effect *told = hold(f, "eu-1/t_001", 3000);
    uint64_t call = f->calls;
    assert_true(told->reply.lock_waits);
    assert_string_equal(told->reply.lock.owner, "ana");
    fixture_tick(f, 2999);
    assert_ptr_equal(fixture_reply(f, call), told);
    fixture_tick(f, 1);
    const struct effect *reply = fixture_reply(f, call);
    assert_int_equal(reply->reply.code, ERR_CONFLICT);
    assert_non_null(strstr(reply->reply.message, "waited 3s: 'eu-1/t_001' is held by ana"));
    assert_int_equal(hold(f, "eu-1/t_001", 0)->reply.code, ERR_CONFLICT);
}

static void waiting_ends_with_its_call_and_is_bounded(void **state)
{
    struct fixture *f = *state;

    fixture_shard(f, 1, "eu-1", 2, "0.1.0");
    lock_as(f, "eu-1/t_001", "ana");
    hold(f, "eu-1/t_001", 60000);
    uint64_t first = f->calls;
    for (int i = 1; i < LOCK_WAITERS_MAX; i++) {
        hold(f, "eu-1/t_001", 60000);
    }
    assert_int_equal(hold(f, "eu-1/t_001", 60000)->reply.code, ERR_LIMIT);
    close_call(f, first);
    unlock_as(f, "eu-1/t_001", "ana", false, "");
    assert_true(fixture_reply(f, first)->reply.lock_waits); /* it has heard nothing since */
    const struct effect *second = fixture_reply(f, first + 1);
    assert_int_equal(second->reply.code, ERR_NONE);
    assert_false(second->reply.lock_waits);
    assert_int_equal(locks(f), 1);
}

static void a_programs_lock_lasts_as_long_as_its_stream(void **state)
{
    struct fixture *f = *state;

    fixture_shard(f, 1, "eu-1", 2, "0.1.0");
    const struct effect *reply = hold(f, "eu-1/t_001", 0);
    uint64_t call = f->calls;
    assert_int_equal(reply->reply.code, ERR_NONE);
    assert_string_equal(reply->reply.lock.id, "abc");
    fixture_tick(f, UINT64_C(48) * 3600 * 1000);
    assert_int_equal(locks(f), 1);
    assert_true(fixture_reply(f, call)->reply.lock_beat);
    /* It is not renewed by a person of the same name. */
    assert_int_equal(lock_as(f, "eu-1/t_001", "backup")->reply.code, ERR_CONFLICT);
    close_call(f, call);
    assert_int_equal(locks(f), 0);
    expect_event(f, "tenant.unlock", "its stream has ended");
    close_call(f, call); /* once more does nothing */
}

static void a_program_hears_nothing_before_its_lock_is_durable(void **state)
{
    struct fixture *f = *state;

    fixture_shard(f, 1, "eu-1", 2, "0.1.0");
    f->store_is_slow = true;
    hold(f, "eu-1/t_001", 0);
    uint64_t call = f->calls;
    fixture_tick(f, UINT64_C(2) * HOLD_BEAT_INTERVAL_MS);
    assert_false(fixture_reply(f, call)->reply.lock_beat);
    fixture_store_answers(f);
    fixture_tick(f, HOLD_BEAT_INTERVAL_MS);
    assert_true(fixture_reply(f, call)->reply.lock_beat);
}

static void a_program_attaches_again_after_a_fail_over(void **state)
{
    struct fixture *f = *state;

    fixture_shard(f, 1, "eu-1", 2, "0.1.0");
    hold(f, "eu-1/t_001", 0);
    fixture_restart(f);
    fixture_tick(f, HOLD_GRACE_MS - 1);
    assert_int_equal(locks(f), 1);
    assert_int_equal(attach(f, "eu-1/t_001", "guessed")->reply.code, ERR_NOT_FOUND);
    const struct effect *reply = attach(f, "eu-1/t_001", "abc");
    uint64_t call = f->calls;
    assert_int_equal(reply->reply.code, ERR_NONE);
    assert_string_equal(reply->reply.lock.owner, "backup");
    fixture_tick(f, HOLD_GRACE_MS);
    assert_int_equal(locks(f), 1);
    assert_true(fixture_reply(f, call)->reply.lock_beat);
    /* Its own other stream takes over; the end of the old one means nothing then. */
    assert_int_equal(attach(f, "eu-1/t_001", "abc")->reply.code, ERR_NONE);
    assert_int_equal(fixture_reply(f, call)->reply.code, ERR_CONFLICT);
    close_call(f, call);
    assert_int_equal(locks(f), 1);
    close_call(f, f->calls);
    assert_int_equal(locks(f), 0);
    assert_int_equal(attach(f, "eu-1/t_001", "abc")->reply.code, ERR_NOT_FOUND);
}

static void a_program_that_does_not_come_back_loses_its_lock(void **state)
{
    struct fixture *f = *state;

    fixture_shard(f, 1, "eu-1", 2, "0.1.0");
    hold(f, "eu-1/t_001", 0);
    fixture_restart(f);
    /* While the grace runs its holder may live. */
    assert_int_equal(unlock_as(f, "eu-1/t_001", "bob", false, "")->reply.code, ERR_REFUSED);
    fixture_tick(f, HOLD_GRACE_MS);
    assert_int_equal(locks(f), 0);
    expect_event(f, "tenant.lock-expired", "did not come back");
}

static void a_program_is_told_when_its_lock_is_broken(void **state)
{
    struct fixture *f = *state;

    fixture_shard(f, 1, "eu-1", 2, "0.1.0");
    hold(f, "eu-1/t_001", 0);
    uint64_t call = f->calls;
    unlock_as(f, "eu-1/t_001", "bob", true, "it hangs");
    const struct effect *reply = fixture_reply(f, call);
    assert_int_equal(reply->reply.code, ERR_CONFLICT);
    assert_non_null(strstr(reply->reply.message, "bob ended the lock of 'eu-1/t_001': it hangs"));
}

static void a_tenant_that_nobody_has_reported_yet_may_be_locked(void **state)
{
    struct fixture *f = *state;

    fixture_shard(f, 1, "eu-1", 2, "0.1.0");
    fixture_restart(f);
    assert_int_equal(lock_as(f, "eu-1/t_001", "ana")->reply.code, ERR_NONE);
    assert_int_equal(lock_as(f, "eu-9/t_001", "ana")->reply.code, ERR_NOT_FOUND);
    fixture_restart(f);
    assert_int_equal(unlock_as(f, "eu-1/t_001", "ana", false, "")->reply.code, ERR_NONE);
}

static void a_rollout_says_for_whom_it_waits_and_until_when(void **state)
{
    struct fixture *f = *state;

    fixture_publish(f, 3);
    fixture_shard(f, 1, "eu-1", 3, "0.1.0");
    lock_as(f, "eu-1/t_002", "ana");
    f->now_ms += 1000;
    fixture_start_spec(f, (struct rollout_spec){ .id = "r1", .lock_timeout_ms = 5000 });
    fixture_report(f, 1, 3, "0.1.0", fixture_refresh(f, 1));
    struct rollout_view view = fixture_view(f, "r1");
    assert_int_equal(view.locked_total, 1);
    assert_int_equal(view.locked_count, 1);
    assert_string_equal(view.locked[0].lock->tenant, "eu-1/t_002");
    assert_string_equal(view.locked[0].lock->owner, "ana");
    assert_string_equal(view.locked[0].lock->reason, "a repair");
    assert_int_equal(view.locked[0].skip_at_ms, view.locked[0].lock->since_ms + 6000);
}

/* Until the rollout rests: ticks, answers, last looks. */
static void run_to_the_end(struct fixture *f, size_t mark, enum rollout_phase phase)
{
    for (int i = 0; i < 4; i++) {
        fixture_work(f, 1, mark);
        mark = fixture_mark(f);
        fixture_tick(f, LOCK_RECHECK_MS);
    }
    fixture_work(f, 1, mark);
    fixture_expect_phase(f, "r1", phase);
}

static void waiting_for_people_is_no_waiting_in_the_database(void **state)
{
    struct fixture *f = *state;
    size_t mark = fixture_begin(
        f, 1, 1, (struct rollout_spec){ .id = "r1", .lock_timeout_ms = UINT64_C(3600) * 1000 });

    assert_int_equal(fixture_sent(f, 1, COORDINATOR_MESSAGE_ASSIGN, mark)->assign.lock_timeout_ms,
                     DRY_RUN_LOCK_TIMEOUT_MS);
}

static void what_was_locked_is_taken_up_by_a_retry_also_after_a_restart(void **state)
{
    struct fixture *f = *state;

    fixture_publish(f, 3);
    fixture_shard(f, 1, "eu-1", 2, "0.1.0");
    lock_as(f, "eu-1/t_002", "ana");
    fixture_start_spec(f, (struct rollout_spec){ .id = "r1", .lock_timeout_ms = 5000 });
    size_t mark = fixture_mark(f);
    fixture_report(f, 1, 2, "0.1.0", fixture_refresh(f, 1));
    fixture_tick(f, 5000);
    run_to_the_end(f, mark, ROLLOUT_SUCCEEDED);
    struct rollout_view view = fixture_view(f, "r1");
    assert_int_equal(view.state.counts.migrated, 1);
    assert_int_equal(view.state.skips[TASK_CODE_TENANT_LOCKED], 1);
    assert_int_equal(view.warning_count, 1);
    assert_string_equal(view.warnings[0]->tenant, "eu-1/t_002");
    assert_string_equal(view.warnings[0]->message, "skipped after 5s: held by ana: a repair");

    fixture_restart(f);
    fixture_tick(f, 100);
    view = fixture_view(f, "r1");
    assert_int_equal(view.state.skips[TASK_CODE_TENANT_LOCKED], 1);
    assert_int_equal(view.warning_count, 1);
    assert_string_equal(view.warnings[0]->message, "skipped after 5s: held by ana: a repair");
    assert_int_equal(unlock_as(f, "eu-1/t_002", "ana", false, "")->reply.code, ERR_NONE);
    fixture_hello(f, 1, "eu-1", "agent-a");
    const struct fixture_row rows[] = {
        { .name = "t_001", .version = "0.3.0", .rollout = "r1" },
        { .name = "t_002", .version = "0.1.0" },
    };
    mark = fixture_mark(f);
    assert_int_equal(fixture_verb(f, OPERATOR_RETRY, "r1")->reply.code, ERR_NONE);
    assert_int_equal(fixture_view(f, "r1").state.counts.migrated, 1); /* as before */
    fixture_report_rows(f, 1, true, fixture_refresh(f, 1), rows, 2);
    run_to_the_end(f, mark, ROLLOUT_SUCCEEDED);
    view = fixture_view(f, "r1");
    assert_int_equal(view.state.counts.migrated, 2);
    assert_int_equal(view.state.counts.skipped, 0);
    assert_int_equal(view.warning_count, 0);
    assert_int_equal(sim_store_count(&f->store, RECORD_WARNING), 0);
    assert_int_equal(fixture_verb(f, OPERATOR_RETRY, "r1")->reply.code, ERR_REFUSED);
}

/* Its agent may only be stopped, with the transaction open; and its rollout is paused. */
static void nobody_gets_a_tenant_that_a_lost_agent_may_still_work_on(void **state)
{
    struct fixture *f = *state;
    const struct fixture_row rows[] = { { "t_001", "0.1.0", "" } };
    size_t mark = fixture_begin(f, 1, 1, (struct rollout_spec){ .id = "r1" });

    fixture_answer_tasks(f, 1, mark, NULL, TASK_SUCCEEDED, TASK_CODE_NONE);
    fixture_expect_phase(f, "r1", ROLLOUT_RUNNING);
    fixture_verb(f, OPERATOR_PAUSE, "r1");
    fixture_close(f, 1);
    fixture_tick(f, SESSION_LEASE_TTL_MS);
    assert_int_equal(locks(f), 0);
    const struct effect *reply = lock_as(f, "eu-1/t_001", "ana");
    assert_int_equal(reply->reply.code, ERR_CONFLICT);
    assert_non_null(strstr(reply->reply.message, "rollout r1"));

    hold(f, "eu-1/t_001", 5000);
    uint64_t call = f->calls;
    assert_true(fixture_reply(f, call)->reply.lock_waits);
    fixture_hello(f, 2, "eu-1", "agent-b");
    mark = fixture_mark(f);
    fixture_report_rows(f, 2, true, fixture_refresh(f, 2), rows, 1);
    fixture_tick(f, LOCK_RECHECK_MS);
    assert_int_equal(fixture_assigned(f, 2, TASK_RUN, mark), 0);
    assert_int_equal(fixture_assigned(f, 2, TASK_SETTLE, mark), 1);
    fixture_answer_tasks(f, 2, mark, NULL, TASK_SKIPPED, TASK_CODE_CANCELLED);
    fixture_report_rows(f, 2, false, fixture_refresh(f, 2), NULL, 0);
    reply = fixture_reply(f, call);
    assert_false(reply->reply.lock_waits);
    assert_string_equal(reply->reply.lock.owner, "backup");
    fixture_expect_phase(f, "r1", ROLLOUT_PAUSED);
}

static bool see_holder(void *user, const struct tenant_view *tenant)
{
    size_t *seen = user;

    assert_string_equal(tenant->locked_by, "rollout r1");
    (*seen)++;
    return true;
}

static void a_list_of_tenants_tells_who_has_them(void **state)
{
    struct fixture *f = *state;
    size_t seen = 0;

    (void)fixture_begin(f, 1, 2, (struct rollout_spec){ .id = "r1" });
    fleet_visit_tenants(f->fleet, NULL, see_holder, &seen);
    assert_int_equal(seen, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_list_of_tenants_tells_who_has_them),
        TEST(nobody_ends_somebody_elses_lock_but_by_force_and_with_a_reason),
        TEST(a_person_is_the_same_in_another_process),
        TEST(a_lock_waits_for_a_rollouts_task_and_comes_before_its_next),
        TEST(who_waits_in_vain_is_told_for_whom),
        TEST(waiting_ends_with_its_call_and_is_bounded),
        TEST(a_programs_lock_lasts_as_long_as_its_stream),
        TEST(a_program_hears_nothing_before_its_lock_is_durable),
        TEST(a_program_attaches_again_after_a_fail_over),
        TEST(a_program_that_does_not_come_back_loses_its_lock),
        TEST(a_program_is_told_when_its_lock_is_broken),
        TEST(a_tenant_that_nobody_has_reported_yet_may_be_locked),
        TEST(a_rollout_says_for_whom_it_waits_and_until_when),
        TEST(waiting_for_people_is_no_waiting_in_the_database),
        TEST(what_was_locked_is_taken_up_by_a_retry_also_after_a_restart),
        TEST(nobody_gets_a_tenant_that_a_lost_agent_may_still_work_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
