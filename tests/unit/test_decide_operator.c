/* LIBS: coordinator_decide sim_parts */
#include "tests/unit/decide_fixture.h"

static void a_set_is_published_once_and_may_only_grow(void **state)
{
    struct fixture *f = *state;

    assert_true(fixture_publish(f, 2)->reply.publish_changed);
    assert_false(fixture_publish(f, 2)->reply.publish_changed);
    assert_true(fixture_publish(f, 3)->reply.publish_changed);
    const struct effect *reply = fixture_publish(f, 2);
    assert_int_equal(reply->reply.code, ERR_REFUSED);
    assert_non_null(strstr(reply->reply.message, "0.3.0"));
    assert_string_equal(fleet_set_head(f->fleet, "billing")->latest, "0.3.0");
    assert_int_equal(sim_store_count(&f->store, RECORD_SET_ARCHIVE), 2);
}

static void a_dry_publish_stores_nothing(void **state)
{
    struct fixture *f = *state;
    const struct effect *reply =
        fixture_ask(f, (struct operator_request){ .verb = OPERATOR_PUBLISH,
                                                  .set = sim_set_new(2),
                                                  .archive = bytes_of_text("archive"),
                                                  .publish_dry_run = true });

    assert_int_equal(reply->reply.code, ERR_NONE);
    assert_true(reply->reply.publish_changed);
    assert_int_equal(fleet_set_count(f->fleet), 0);
    assert_int_equal(sim_store_count(&f->store, RECORD_SET_HEAD), 0);
}

static void an_old_set_is_kept_while_a_rollout_uses_it(void **state)
{
    struct fixture *f = *state;
    size_t mark = fixture_begin(f, 1, 2, (struct rollout_spec){ .id = "r1" });
    char digest[DIGEST_TEXT_BYTES];

    snprintf(digest, sizeof(digest), "%s", fleet_set_head(f->fleet, "billing")->digest);
    fixture_publish(f, 4);
    assert_non_null(fleet_set_find(f->fleet, "billing", digest));
    fixture_work(f, 1, mark);
    fixture_expect_phase(f, "r1", ROLLOUT_SUCCEEDED);
    assert_string_equal(fixture_view(f, "r1").spec->target, "0.3.0");
    assert_null(fleet_set_find(f->fleet, "billing", digest));
}

static void a_start_says_what_is_wrong(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(fixture_start(f, "r1")->reply.code, ERR_NOT_FOUND);
    fixture_publish(f, 3);
    const struct {
        struct rollout_spec spec;
        enum err_code code;
    } cases[] = {
        { { .id = "r1", .target = "0.9.0" }, ERR_REFUSED },
        { { .id = "r1", .target = "nine" }, ERR_INVALID },
        { { .id = "r1", .selector = "a in (" }, ERR_INVALID },
        { { .id = "r1", .max_failures = 1, .max_failures_percent = 1 }, ERR_INVALID },
        { { .id = "r1", .max_failures_percent = 101 }, ERR_INVALID },
        { { .id = "r1", .kind = ROLLOUT_BASELINE }, ERR_INVALID },
        { { .id = "r1", .kind = ROLLOUT_BASELINE, .target = "0.9.0" }, ERR_REFUSED },
        { { .id = "" }, ERR_INVALID },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct effect *reply = fixture_start_spec(f, cases[i].spec);
        assert_int_equal(reply->reply.code, cases[i].code);
        assert_true(strlen(reply->reply.message) > 20);
    }
    assert_int_equal(fleet_rollout_count(f->fleet), 0);
}

static void a_start_that_is_sent_twice_starts_once(void **state)
{
    struct fixture *f = *state;

    fixture_publish(f, 3);
    fixture_shard(f, 1, "eu-1", 2, "0.1.0");
    assert_string_equal(fixture_start(f, "r1")->reply.object, "r1");
    const struct effect *again = fixture_start(f, "r1");
    assert_int_equal(again->reply.code, ERR_NONE);
    assert_string_equal(again->reply.object, "r1");
    assert_int_equal(fleet_rollout_count(f->fleet), 1);
}

static void rollouts_of_one_set_do_not_overlap(void **state)
{
    struct fixture *f = *state;
    size_t mark =
        fixture_begin(f, 1, 4, (struct rollout_spec){ .id = "r1", .selector = "tenant=t_00*" });

    const struct effect *reply =
        fixture_start_spec(f, (struct rollout_spec){ .id = "r2", .selector = "tenant=*2" });
    assert_int_equal(reply->reply.code, ERR_CONFLICT);
    assert_non_null(strstr(reply->reply.message, "r1"));
    assert_non_null(strstr(reply->reply.message, "eu-1/t_002"));
    reply = fixture_start_spec(f, (struct rollout_spec){ .id = "r2", .selector = "tenant=other" });
    assert_int_equal(reply->reply.code, ERR_NONE);
    fixture_work(f, 1, mark);
    fixture_expect_phase(f, "r1", ROLLOUT_SUCCEEDED);
    assert_int_equal(
        fixture_start_spec(f, (struct rollout_spec){ .id = "r3", .selector = "tenant=t_002" })
            ->reply.code,
        ERR_NONE);
}

static void rollouts_are_found_by_the_beginning_of_their_id(void **state)
{
    struct fixture *f = *state;

    fixture_publish(f, 3);
    fixture_shard(f, 1, "eu-1", 2, "0.1.0");
    fixture_start_spec(f, (struct rollout_spec){ .id = "abc1", .selector = "tenant=t_001" });
    fixture_start_spec(f, (struct rollout_spec){ .id = "abd2", .selector = "tenant=t_002" });
    assert_int_equal(fixture_verb(f, OPERATOR_PAUSE, "abc")->reply.code, ERR_NONE);
    fixture_expect_phase(f, "abc1", ROLLOUT_PAUSED);
    const struct effect *reply = fixture_verb(f, OPERATOR_PAUSE, "ab");
    assert_int_equal(reply->reply.code, ERR_INVALID);
    assert_non_null(strstr(reply->reply.message, "abc1"));
    assert_non_null(strstr(reply->reply.message, "abd2"));
    assert_int_equal(fixture_verb(f, OPERATOR_PAUSE, "x")->reply.code, ERR_NOT_FOUND);
    assert_int_equal(fixture_verb(f, OPERATOR_PAUSE, "")->reply.code, ERR_NOT_FOUND);
}

static void a_pause_has_its_reason_and_a_resume_goes_on(void **state)
{
    struct fixture *f = *state;
    size_t mark = fixture_begin(f, 1, 4, (struct rollout_spec){ .id = "r1" });

    fixture_ask(
        f, (struct operator_request){ .verb = OPERATOR_PAUSE, .object = "r1", .reason = "lunch" });
    struct rollout_view view = fixture_view(f, "r1");
    assert_string_equal(view.waiting_for, "operator(paused by ana: lunch)");
    assert_string_equal(view.state.changed_by, "ana");
    fixture_answer_tasks(f, 1, mark, NULL, TASK_SUCCEEDED, TASK_CODE_NONE);
    fixture_expect_phase(f, "r1", ROLLOUT_PAUSED);
    size_t run = fixture_mark(f);
    fixture_verb(f, OPERATOR_RESUME, "r1");
    fixture_expect_phase(f, "r1", ROLLOUT_RUNNING);
    fixture_work(f, 1, run);
    fixture_expect_phase(f, "r1", ROLLOUT_SUCCEEDED);
}

static void an_abort_cancels_what_runs_and_waits_for_it(void **state)
{
    struct fixture *f = *state;
    size_t mark =
        fixture_begin(f, 1, 10, (struct rollout_spec){ .id = "r1", .concurrency_per_shard = 4 });

    assert_int_equal(fixture_verb(f, OPERATOR_ABORT, "r1")->reply.code, ERR_NONE);
    fixture_expect_phase(f, "r1", ROLLOUT_DRY_RUN);
    assert_string_equal(fixture_sent(f, 1, COORDINATOR_MESSAGE_CANCEL, mark)->cancel.rollout, "r1");
    assert_int_equal(fixture_view(f, "r1").state.skips[TASK_CODE_CANCELLED], 6);
    fixture_answer_tasks(f, 1, mark, "t_001", TASK_FAILED, TASK_CODE_CANCELLED);
    fixture_expect_phase(f, "r1", ROLLOUT_ABORTED);
    struct rollout_view view = fixture_view(f, "r1");
    assert_int_equal(view.state.counts.failed, 0);
    assert_string_equal(view.state.phase_reason, "aborted by ana");
    assert_int_equal(fixture_verb(f, OPERATOR_ABORT, "r1")->reply.code, ERR_NONE);
    assert_int_equal(fixture_verb(f, OPERATOR_RETRY, "r1")->reply.code, ERR_REFUSED);
}

static void buttons_that_mean_nothing_now_are_refused(void **state)
{
    struct fixture *f = *state;

    fixture_work(f, 1, fixture_begin(f, 1, 2, (struct rollout_spec){ .id = "r1" }));
    fixture_expect_phase(f, "r1", ROLLOUT_SUCCEEDED);
    const enum operator_verb verbs[] = { OPERATOR_PAUSE, OPERATOR_RESUME, OPERATOR_ABORT,
                                         OPERATOR_RETRY };
    for (size_t i = 0; i < COUNT_OF(verbs); i++) {
        const struct effect *reply = fixture_verb(f, verbs[i], "r1");
        assert_int_equal(reply->reply.code, ERR_REFUSED);
        assert_non_null(strstr(reply->reply.message, "SUCCEEDED"));
    }
}

static void a_tenant_is_held_by_one_owner_at_a_time(void **state)
{
    struct fixture *f = *state;

    fixture_shard(f, 1, "eu-1", 2, "0.1.0");
    assert_int_equal(fixture_verb(f, OPERATOR_LOCK, "eu-1/none")->reply.code, ERR_NOT_FOUND);
    assert_int_equal(fixture_verb(f, OPERATOR_LOCK, "eu-1/t_001")->reply.code, ERR_NONE);
    assert_int_equal(fixture_verb(f, OPERATOR_LOCK, "eu-1/t_001")->reply.code, ERR_NONE);
    assert_int_equal(fixture_ask(f, (struct operator_request){ .verb = OPERATOR_LOCK,
                                                               .object = "eu-1/t_001",
                                                               .lock_owner = "bob" })
                         ->reply.code,
                     ERR_CONFLICT);
    assert_int_equal(
        fixture_ask(
            f, (struct operator_request){ .verb = OPERATOR_LOCK,
                                          .object = "eu-1/t_002",
                                          .lock_ttl_ms = (uint64_t)TENANT_HOLD_TTL_MAX_MS + 1 })
            ->reply.code,
        ERR_INVALID);
    assert_int_equal(fixture_verb(f, OPERATOR_UNLOCK, "eu-1/t_001")->reply.code, ERR_NONE);
    assert_int_equal(fixture_verb(f, OPERATOR_UNLOCK, "eu-1/t_001")->reply.code, ERR_NOT_FOUND);
    assert_int_equal(sim_store_count(&f->store, RECORD_LOCK), 0);
}

static void a_rollouts_lock_is_not_an_operators_to_take_or_give(void **state)
{
    struct fixture *f = *state;

    fixture_begin(f, 1, 2, (struct rollout_spec){ .id = "r1" });
    const struct effect *reply = fixture_verb(f, OPERATOR_LOCK, "eu-1/t_001");
    assert_int_equal(reply->reply.code, ERR_CONFLICT);
    assert_non_null(strstr(reply->reply.message, "r1"));
    assert_int_equal(fixture_verb(f, OPERATOR_UNLOCK, "eu-1/t_001")->reply.code, ERR_REFUSED);
}

static void a_shard_with_an_agent_is_not_forgotten(void **state)
{
    struct fixture *f = *state;

    fixture_shard(f, 1, "eu-1", 2, "0.1.0");
    assert_int_equal(fixture_verb(f, OPERATOR_FORGET_SHARD, "eu-1")->reply.code, ERR_REFUSED);
    assert_int_equal(fixture_verb(f, OPERATOR_FORGET_SHARD, "eu-9")->reply.code, ERR_NOT_FOUND);
    fixture_close(f, 1);
    assert_int_equal(fixture_verb(f, OPERATOR_FORGET_SHARD, "eu-1")->reply.code, ERR_NONE);
    assert_int_equal(fleet_shard_count(f->fleet), 0);
    assert_int_equal(sim_store_count(&f->store, RECORD_SHARD), 0);
}

static void forgetting_a_shard_settles_its_tasks(void **state)
{
    struct fixture *f = *state;

    fixture_publish(f, 3);
    fixture_shard(f, 1, "eu-1", 2, "0.1.0");
    fixture_shard(f, 2, "eu-2", 2, "0.1.0");
    fixture_start(f, "r1");
    size_t mark = fixture_mark(f);
    fixture_report(f, 1, 2, "0.1.0", fixture_refresh(f, 1));
    fixture_report(f, 2, 2, "0.1.0", fixture_refresh(f, 2));
    fixture_answer_tasks(f, 1, mark, NULL, TASK_SUCCEEDED, TASK_CODE_NONE);
    size_t run = fixture_mark(f);
    fixture_answer_tasks(f, 2, mark, NULL, TASK_SUCCEEDED, TASK_CODE_NONE);
    fixture_close(f, 2); /* two runs under way: unknown */
    fixture_tick(f, SESSION_LEASE_TTL_MS / 2);
    fixture_heartbeat(f, 1, 1);
    fixture_tick(f, SESSION_LEASE_TTL_MS / 2);
    fixture_work(f, 1, run);
    assert_int_equal(fixture_view(f, "r1").state.counts.unknown, 2);
    assert_int_equal(fixture_verb(f, OPERATOR_FORGET_SHARD, "eu-2")->reply.code, ERR_NONE);
    struct rollout_view view = fixture_view(f, "r1");
    assert_int_equal(view.state.counts.failed, 2);
    assert_int_equal(view.errors[0]->code, TASK_CODE_OUTCOME_UNKNOWN);
    assert_int_equal(view.shard_count, 2);
    fixture_expect_phase(f, "r1", ROLLOUT_PAUSED);
}

static void history_is_asked_of_the_agent(void **state)
{
    struct fixture *f = *state;
    struct agent_message message = { .kind = AGENT_MESSAGE_HISTORY };
    const struct history_entry entry = { .id = 7,
                                         .set = "billing",
                                         .version = "0.1.0",
                                         .script = "0.1.0__step",
                                         .direction = "up",
                                         .checksum = "",
                                         .rollout = "r0",
                                         .agent = "agent-a",
                                         .state = "done" };

    fixture_shard(f, 1, "eu-1", 2, "0.1.0");
    assert_null(fixture_verb(f, OPERATOR_HISTORY, "eu-1/t_001"));
    uint64_t call = f->calls;
    const struct history_request *asked =
        &fixture_sent(f, 1, COORDINATOR_MESSAGE_HISTORY, 0)->history;
    assert_string_equal(asked->tenant, "t_001");
    message.history = (struct history_reply){
        .request = asked->request, .entries = &entry, .count = 1, .error = ""
    };
    fixture_agent(f, 1, message);
    const struct effect *reply = fixture_reply(f, call);
    assert_int_equal(reply->reply.code, ERR_NONE);
    assert_int_equal(reply->reply.history.count, 1);
    assert_string_equal(reply->reply.history.entries[0].script, "0.1.0__step");
}

static const struct effect *ask_schemas(struct fixture *f, const char *shard)
{
    static const char *const tenants[] = { "t_001", "t_000" };

    return fixture_ask(f, (struct operator_request){ .verb = OPERATOR_SCHEMAS,
                                                     .object = shard,
                                                     .tenants = tenants,
                                                     .tenant_count = COUNT_OF(tenants) });
}

static void schemas_are_asked_of_the_agent(void **state)
{
    struct fixture *f = *state;
    struct agent_message message = { .kind = AGENT_MESSAGE_SCHEMAS };
    const struct tenant_schema schema = { .tenant = "t_001", .digest = "ab", .error = "" };

    fixture_shard(f, 1, "eu-1", 2, "0.1.0");
    assert_null(ask_schemas(f, "eu-1"));
    const struct schema_request *asked =
        &fixture_sent(f, 1, COORDINATOR_MESSAGE_SCHEMAS, 0)->schemas;
    assert_int_equal(asked->tenant_count, 2);
    assert_string_equal(asked->tenants[1], "t_000");
    message.schemas = (struct schema_reply){
        .request = asked->request, .items = &schema, .count = 1, .error = ""
    };
    fixture_agent(f, 1, message);
    const struct effect *reply = fixture_reply(f, f->calls);
    assert_int_equal(reply->reply.code, ERR_NONE);
    assert_int_equal(reply->reply.schemas.count, 1);
    assert_string_equal(reply->reply.schemas.items[0].digest, "ab");

    assert_int_equal(ask_schemas(f, "nowhere")->reply.code, ERR_NOT_FOUND);
    fixture_close(f, 1);
    assert_int_equal(ask_schemas(f, "eu-1")->reply.code, ERR_REFUSED);
}

static void labels_are_written_by_the_agent(void **state)
{
    struct fixture *f = *state;
    struct agent_message message = { .kind = AGENT_MESSAGE_HISTORY };
    const struct label label = { "tier", "free" };
    static const char *const gone[] = { "trial" };
    struct operator_request request = { .verb = OPERATOR_LABEL,
                                        .object = "eu-1/t_001",
                                        .labels = { &label, 1 },
                                        .unlabelled = gone,
                                        .unlabelled_count = 1 };

    fixture_shard(f, 1, "eu-1", 2, "0.1.0");
    size_t events = sim_store_count(&f->store, RECORD_EVENT);
    for (int i = 0; i < 2; i++) {
        size_t mark = fixture_mark(f);
        assert_null(fixture_ask(f, request));
        const struct history_request *asked =
            &fixture_sent(f, 1, COORDINATOR_MESSAGE_HISTORY, mark)->history;
        assert_string_equal(asked->labels.items[0].value, "free");
        assert_string_equal(asked->unlabelled[0], "trial");
        /* An agent of an older version takes the request for one of the history. */
        message.history =
            (struct history_reply){ .request = asked->request, .error = "", .labelled = i == 0 };
        fixture_agent(f, 1, message);
        assert_int_equal(fixture_reply(f, f->calls)->reply.code,
                         i == 0 ? ERR_NONE : ERR_UNAVAILABLE);
    }
    assert_int_equal(sim_store_count(&f->store, RECORD_EVENT), events + 2);
    request.object = "eu-1/t_9";
    assert_int_equal(fixture_ask(f, request)->reply.code, ERR_NOT_FOUND);
}

static void history_is_not_waited_for_for_ever(void **state)
{
    struct fixture *f = *state;

    fixture_shard(f, 1, "eu-1", 2, "0.1.0");
    fixture_verb(f, OPERATOR_HISTORY, "eu-1/t_001");
    fixture_tick(f, HISTORY_ANSWER_MAX_MS);
    assert_int_equal(fixture_reply(f, f->calls)->reply.code, ERR_TIMEOUT);
    fixture_verb(f, OPERATOR_HISTORY, "eu-1/t_001");
    fixture_close(f, 1);
    assert_int_equal(fixture_reply(f, f->calls)->reply.code, ERR_UNAVAILABLE);
    assert_int_equal(fixture_verb(f, OPERATOR_HISTORY, "eu-1/t_001")->reply.code, ERR_UNAVAILABLE);
}

static void events_and_rollouts_are_kept_up_to_a_bound(void **state)
{
    struct fixture *f = *state;

    fixture_publish(f, 3);
    for (int i = 0; i < ROLLOUTS_KEPT_MAX + 5; i++) {
        char id[16];
        snprintf(id, sizeof(id), "r%04d", i);
        fixture_start(f, id); /* there is no shard: it ends at once */
    }
    assert_int_equal(fleet_rollout_count(f->fleet), ROLLOUTS_KEPT_MAX);
    assert_int_equal(sim_store_count(&f->store, RECORD_ROLLOUT_SPEC), ROLLOUTS_KEPT_MAX);
    assert_null(sim_store_find(&f->store, RECORD_ROLLOUT_SPEC, "r0000", ""));
    assert_int_equal(fleet_event_count(f->fleet), EVENTS_KEPT_MAX);
    assert_int_equal(sim_store_count(&f->store, RECORD_EVENT), EVENTS_KEPT_MAX);
}

/* Who only believes that it leads must not say that a rollout is paused: the guard of a write finds
 * out before the answer goes. */
static void what_is_so_already_is_answered_behind_a_write(void **state)
{
    struct fixture *f = *state;

    fixture_begin(f, 1, 3, (struct rollout_spec){ .id = "r1" });
    assert_int_equal(fixture_verb(f, OPERATOR_PAUSE, "r1")->reply.code, ERR_NONE);
    size_t writes = f->writes;
    assert_int_equal(fixture_verb(f, OPERATOR_PAUSE, "r1")->reply.code, ERR_NONE);
    assert_int_equal(f->writes, writes + 1);
    assert_int_equal(fixture_start(f, "r1")->reply.code, ERR_NONE);
    assert_int_equal(f->writes, writes + 2);
    assert_int_equal(fixture_verb(f, OPERATOR_ABORT, "r1")->reply.code, ERR_NONE);
    writes = f->writes;
    assert_int_equal(fixture_verb(f, OPERATOR_ABORT, "r1")->reply.code, ERR_NONE);
    assert_int_equal(f->writes, writes + 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_set_is_published_once_and_may_only_grow),
        TEST(what_is_so_already_is_answered_behind_a_write),
        TEST(a_dry_publish_stores_nothing),
        TEST(an_old_set_is_kept_while_a_rollout_uses_it),
        TEST(a_start_says_what_is_wrong),
        TEST(a_start_that_is_sent_twice_starts_once),
        TEST(rollouts_of_one_set_do_not_overlap),
        TEST(rollouts_are_found_by_the_beginning_of_their_id),
        TEST(a_pause_has_its_reason_and_a_resume_goes_on),
        TEST(an_abort_cancels_what_runs_and_waits_for_it),
        TEST(buttons_that_mean_nothing_now_are_refused),
        TEST(a_tenant_is_held_by_one_owner_at_a_time),
        TEST(a_rollouts_lock_is_not_an_operators_to_take_or_give),
        TEST(a_shard_with_an_agent_is_not_forgotten),
        TEST(forgetting_a_shard_settles_its_tasks),
        TEST(history_is_asked_of_the_agent),
        TEST(schemas_are_asked_of_the_agent),
        TEST(labels_are_written_by_the_agent),
        TEST(history_is_not_waited_for_for_ever),
        TEST(events_and_rollouts_are_kept_up_to_a_bound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
