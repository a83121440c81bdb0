/* LIBS: coordinator_decide sim_parts */
#include "tests/unit/decide_fixture.h"

static const struct shard_view *shard_at(const struct fixture *f, size_t index)
{
    static struct shard_view view;

    fleet_shard_at(f->fleet, index, &view);
    return &view;
}

static void an_agent_is_welcomed_when_its_session_is_durable(void **state)
{
    struct fixture *f = *state;

    f->store_is_slow = true;
    fixture_hello(f, 1, "eu-1", "agent-a");
    assert_null(fixture_sent(f, 1, COORDINATOR_MESSAGE_WELCOME, 0));
    fixture_store_answers(f);
    const struct coordinator_message *message = fixture_sent(f, 1, COORDINATOR_MESSAGE_WELCOME, 0);
    assert_non_null(message);
    assert_int_equal(message->term, f->term);
    assert_int_equal(message->welcome.lease_id, f->lease);
    assert_int_equal(message->welcome.lease_ttl_ms, SESSION_LEASE_TTL_MS);
    assert_non_null(sim_store_find(&f->store, RECORD_SESSION, "", "eu-1"));
    assert_non_null(sim_store_find(&f->store, RECORD_SHARD, "", "eu-1"));
    assert_int_equal(shard_at(f, 0)->presence, SHARD_ONLINE);
}

static void another_protocol_is_refused(void **state)
{
    struct fixture *f = *state;
    struct agent_message message = { .kind = AGENT_MESSAGE_HELLO };

    message.hello =
        (struct agent_hello){ .protocol = 2, .shard = "a", .agent = "b", .version = "" };
    fixture_agent(f, 1, message);
    assert_int_equal(fixture_closed(f, 1)->reply.code, ERR_INVALID);
    assert_int_equal(fleet_shard_count(f->fleet), 0);
}

static void the_first_message_must_be_hello_and_the_only_one(void **state)
{
    struct fixture *f = *state;

    fixture_heartbeat(f, 1, 1);
    assert_int_equal(fixture_closed(f, 1)->reply.code, ERR_INVALID);
    fixture_hello(f, 2, "eu-1", "agent-a");
    fixture_hello(f, 2, "eu-1", "agent-a");
    assert_int_equal(fixture_closed(f, 2)->reply.code, ERR_INVALID);
}

static void a_refused_lease_is_asked_for_again(void **state)
{
    struct fixture *f = *state;

    f->grants_refused = true;
    fixture_hello(f, 1, "eu-1", "agent-a");
    assert_null(fixture_sent(f, 1, COORDINATOR_MESSAGE_WELCOME, 0));
    f->grants_refused = false;
    fixture_tick(f, GRANT_RETRY_MS - 1);
    assert_null(fixture_sent(f, 1, COORDINATOR_MESSAGE_WELCOME, 0));
    fixture_tick(f, 1);
    assert_non_null(fixture_sent(f, 1, COORDINATOR_MESSAGE_WELCOME, 0));
}

static void a_second_agent_stands_by_and_takes_over(void **state)
{
    struct fixture *f = *state;

    fixture_hello(f, 1, "eu-1", "agent-a");
    fixture_hello(f, 2, "eu-1", "agent-b");
    const struct coordinator_message *message = fixture_sent(f, 2, COORDINATOR_MESSAGE_STANDBY, 0);
    assert_non_null(message);
    assert_string_equal(message->standby_for, "agent-a");
    assert_int_equal(shard_at(f, 0)->standbys, 1);
    fixture_close(f, 1); /* with nothing under way: at once */
    assert_non_null(fixture_sent(f, 2, COORDINATOR_MESSAGE_WELCOME, 0));
    assert_string_equal(shard_at(f, 0)->agent, "agent-b");
}

static void only_the_end_of_the_lease_frees_the_shard(void **state)
{
    struct fixture *f = *state;

    f->leases_linger = true;
    fixture_hello(f, 1, "eu-1", "agent-a");
    int64_t lease = f->lease;
    fixture_hello(f, 2, "eu-1", "agent-b");
    fixture_tick(f, SESSION_LEASE_TTL_MS);
    assert_int_equal(f->revoked, lease);
    assert_int_equal(fixture_closed(f, 1)->reply.code, ERR_CONFLICT);
    assert_null(fixture_sent(f, 2, COORDINATOR_MESSAGE_WELCOME, 0));
    fixture_tick(f, 60000);
    assert_null(fixture_sent(f, 2, COORDINATOR_MESSAGE_WELCOME, 0));
    fixture_end_lease(f, lease);
    assert_non_null(fixture_sent(f, 2, COORDINATOR_MESSAGE_WELCOME, 0));
}

static void heartbeats_keep_a_session_and_are_acknowledged(void **state)
{
    struct fixture *f = *state;

    fixture_hello(f, 1, "eu-1", "agent-a");
    for (uint64_t i = 1; i <= 20; i++) {
        f->now_ms += HEARTBEAT_INTERVAL_MS;
        fixture_heartbeat(f, 1, i);
        fixture_tick(f, 0);
        const struct coordinator_message *ack =
            fixture_sent(f, 1, COORDINATOR_MESSAGE_HEARTBEAT_ACK, 0);
        assert_non_null(ack);
        assert_int_equal(ack->sequence, i);
    }
    assert_int_equal(shard_at(f, 0)->presence, SHARD_ONLINE);
    assert_int_equal(f->revoked, 0);
}

static uint64_t newest_ack(const struct fixture *f, uint64_t stream)
{
    const struct coordinator_message *ack =
        fixture_sent(f, stream, COORDINATOR_MESSAGE_HEARTBEAT_ACK, 0);

    return ack == NULL ? 0 : ack->sequence;
}

static void few_heartbeats_go_to_the_store(void **state)
{
    struct fixture *f = *state;
    enum { BEATS = 200 };

    fixture_hello(f, 1, "eu-1", "agent-a");
    for (uint64_t i = 1; i <= BEATS; i++) {
        f->now_ms += HEARTBEAT_INTERVAL_MS;
        fixture_heartbeat(f, 1, i);
        assert_int_equal(newest_ack(f, 1), i);
    }
    assert_in_range(f->keep_alives, 2,
                    BEATS * HEARTBEAT_INTERVAL_MS / (SESSION_STORED_TTL_MS - SESSION_KEEP_MS) + 1);
}

static void no_heartbeat_is_acknowledged_beyond_what_the_store_has_promised(void **state)
{
    struct fixture *f = *state;
    uint64_t i = 0;

    fixture_hello(f, 1, "eu-1", "agent-a");
    uint64_t until_ms = f->now_ms + SESSION_STORED_TTL_MS;
    f->keep_alives_lost = true;
    while (f->now_ms + HEARTBEAT_INTERVAL_MS + SESSION_LEASE_TTL_MS <= until_ms) {
        f->now_ms += HEARTBEAT_INTERVAL_MS;
        fixture_heartbeat(f, 1, ++i);
        assert_int_equal(newest_ack(f, 1), i);
    }
    f->now_ms += HEARTBEAT_INTERVAL_MS;
    fixture_heartbeat(f, 1, i + 1);
    assert_int_equal(newest_ack(f, 1), i);
    assert_true(f->keep_alives > 1); /* it goes on asking */
    f->keep_alives_lost = false;
    f->now_ms += LEASE_ANSWER_MAX_MS + 1;
    fixture_heartbeat(f, 1, i + 2);
    assert_int_equal(newest_ack(f, 1), i + 2);
}

static void a_late_answer_acknowledges_what_came_since(void **state)
{
    struct fixture *f = *state;
    struct event kept = { .type = EVENT_LEASE_KEPT };

    fixture_hello(f, 1, "eu-1", "agent-a");
    fixture_restart(f);
    fixture_hello_running(f, 2, "eu-1", "agent-a", f->lease, NULL, 0);
    f->keep_alives_lost = true;
    for (uint64_t i = 1; i <= 2; i++) {
        f->now_ms += HEARTBEAT_INTERVAL_MS;
        fixture_heartbeat(f, 2, i);
    }
    assert_int_equal(f->keep_alives, 1);
    assert_int_equal(newest_ack(f, 2), 0); /* a new leader knows nothing of the lease yet */
    kept.lease.lease_id = f->lease;
    kept.lease.ttl_ms = SESSION_STORED_TTL_MS;
    fixture_simple(f, kept);
    assert_int_equal(newest_ack(f, 2), 2);
}

static void a_short_lease_is_kept_with_each_heartbeat(void **state)
{
    struct fixture *f = *state;

    f->lease_ttl_ms = SESSION_LEASE_TTL_MS; /* from a release that asked for so much */
    fixture_hello(f, 1, "eu-1", "agent-a");
    for (uint64_t i = 1; i <= 5; i++) {
        f->now_ms += HEARTBEAT_INTERVAL_MS;
        fixture_heartbeat(f, 1, i);
        assert_int_equal(newest_ack(f, 1), i);
    }
    assert_int_equal(f->keep_alives, 5);
}

static void a_heartbeat_after_the_end_is_not_acknowledged(void **state)
{
    struct fixture *f = *state;

    f->leases_linger = true;
    fixture_hello(f, 1, "eu-1", "agent-a");
    fixture_tick(f, SESSION_LEASE_TTL_MS);
    fixture_heartbeat(f, 1, 1);
    assert_null(fixture_sent(f, 1, COORDINATOR_MESSAGE_HEARTBEAT_ACK, 0));
}

static void the_same_agent_on_a_new_stream_goes_on_with_its_lease(void **state)
{
    struct fixture *f = *state;
    size_t writes;

    fixture_hello(f, 1, "eu-1", "agent-a");
    int64_t lease = f->lease;
    writes = f->writes;
    fixture_hello(f, 2, "eu-1", "agent-a");
    assert_int_equal(fixture_closed(f, 1)->reply.code, ERR_CONFLICT);
    assert_int_equal(fixture_sent(f, 2, COORDINATOR_MESSAGE_WELCOME, 0)->welcome.lease_id, lease);
    assert_int_equal(f->writes, writes); /* at once: it is durable already */
    assert_int_equal(f->lease, lease);
}

static void a_new_leader_adopts_a_living_lease(void **state)
{
    struct fixture *f = *state;

    fixture_hello(f, 1, "eu-1", "agent-a");
    int64_t lease = f->lease;
    fixture_restart(f);
    assert_int_equal(shard_at(f, 0)->presence, SHARD_OFFLINE);
    fixture_tick(f, SESSION_LEASE_TTL_MS - 1);
    assert_int_equal(f->revoked, 0);
    size_t mark = fixture_mark(f);
    fixture_hello_running(f, 7, "eu-1", "agent-a", lease, NULL, 0);
    const struct coordinator_message *welcome =
        fixture_sent(f, 7, COORDINATOR_MESSAGE_WELCOME, mark);
    assert_int_equal(welcome->welcome.lease_id, lease);
    assert_int_equal(welcome->term, f->term);
}

static void a_lease_that_nobody_claims_from_a_new_leader_is_revoked(void **state)
{
    struct fixture *f = *state;

    fixture_hello(f, 1, "eu-1", "agent-a");
    int64_t lease = f->lease;
    fixture_restart(f);
    fixture_hello(f, 8, "eu-1", "agent-b"); /* another one: must wait */
    assert_string_equal(fixture_sent(f, 8, COORDINATOR_MESSAGE_STANDBY, 0)->standby_for, "agent-a");
    fixture_tick(f, SESSION_LEASE_TTL_MS);
    assert_int_equal(f->revoked, lease);
    assert_non_null(fixture_sent(f, 8, COORDINATOR_MESSAGE_WELCOME, 0));
}

static void a_lost_stream_with_tasks_under_way_keeps_its_session(void **state)
{
    struct fixture *f = *state;

    fixture_begin(f, 1, 4, (struct rollout_spec){ .id = "r1" });
    assert_int_equal(shard_at(f, 0)->tasks_in_flight, 4);
    fixture_close(f, 1);
    assert_int_equal(f->revoked, 0);
    fixture_hello(f, 2, "eu-1", "agent-b");
    assert_non_null(fixture_sent(f, 2, COORDINATOR_MESSAGE_STANDBY, 0));
    fixture_tick(f, SESSION_LEASE_TTL_MS);
    assert_non_null(fixture_sent(f, 2, COORDINATOR_MESSAGE_WELCOME, 0));
}

static void a_lease_granted_to_an_agent_that_has_gone_is_given_back(void **state)
{
    struct fixture *f = *state;

    f->store_is_slow = true;
    fixture_hello(f, 1, "eu-1", "agent-a");
    fixture_close(f, 1);
    assert_int_equal(f->revoked, 0);
    fixture_store_answers(f); /* too late: nobody is welcomed */
    assert_int_equal(f->revoked, f->lease);
    assert_null(fixture_sent(f, 1, COORDINATOR_MESSAGE_WELCOME, 0));
    assert_int_equal(shard_at(f, 0)->presence, SHARD_OFFLINE);
}

/* Its successor may have adopted the session: the store refuses the write before the revoke. */
static void a_session_is_ended_only_by_who_leads(void **state)
{
    struct fixture *f = *state;

    fixture_shard(f, 1, "eu-1", 3, "0.1.0");
    f->store_is_slow = true;
    fixture_tick(f, SESSION_LEASE_TTL_MS);
    assert_non_null(fixture_closed(f, 1));
    assert_int_equal(f->revoked, 0);
    assert_null(sim_store_find(&f->store, RECORD_SESSION, "", "eu-1"));
    fixture_store_answers(f);
    assert_int_equal(f->revoked, f->lease);
}

static void tenants_are_known_and_forgotten_by_reports(void **state)
{
    struct fixture *f = *state;
    const struct fixture_row two[] = { { "t_001", "0.1.0", NULL }, { "t_009", "", NULL } };

    fixture_shard(f, 1, "eu-1", 5, "0.1.0");
    assert_int_equal(shard_at(f, 0)->tenant_count, 5);
    fixture_removed(f, 1, "t_003");
    assert_int_equal(shard_at(f, 0)->tenant_count, 4);
    fixture_report_rows(f, 1, true, 0, two, 2);
    assert_int_equal(shard_at(f, 0)->tenant_count, 2);
    assert_true(shard_at(f, 0)->tenants_known);
}

static void a_deposed_leader_forgets_and_refuses(void **state)
{
    struct fixture *f = *state;

    fixture_shard(f, 1, "eu-1", 5, "0.1.0");
    fixture_simple(f, (struct event){ .type = EVENT_DEPOSED });
    assert_false(fleet_is_leading(f->fleet));
    assert_int_equal(fleet_shard_count(f->fleet), 0);
    assert_int_equal(fixture_verb(f, OPERATOR_PAUSE, "r1")->reply.code, ERR_UNAVAILABLE);
}

static void an_agents_trouble_is_shown(void **state)
{
    struct fixture *f = *state;
    struct agent_message message = { .kind = AGENT_MESSAGE_HEARTBEAT };

    fixture_shard(f, 1, "eu-1", 1, "0.1.0");
    message.heartbeat = (struct agent_heartbeat){ .sequence = 1, .trouble = "no database" };
    fixture_agent(f, 1, message);
    assert_string_equal(shard_at(f, 0)->trouble, "no database");
    assert_int_equal(fixture_publish(f, 3)->reply.code, ERR_NONE);
    fixture_start(f, "r1");
    assert_non_null(strstr(fixture_view(f, "r1").waiting_for, "agent-trouble(eu-1: no database)"));
}

static void how_far_long_operations_are_is_shown_while_they_run(void **state)
{
    struct fixture *f = *state;
    const struct task_progress progress[] = {
        { "r1", "t_1", 50, 200, "10 rows/s", false },
        { "r2", "t_2", 1, 2, "of another rollout", true },
    };
    struct agent_message message = { .kind = AGENT_MESSAGE_HEARTBEAT };

    fixture_shard(f, 1, "eu-1", 2, "0.1.0");
    assert_int_equal(fixture_publish(f, 3)->reply.code, ERR_NONE);
    fixture_start(f, "r1");
    assert_int_equal(fixture_view(f, "r1").progress_count, 0);
    message.heartbeat = (struct agent_heartbeat){
        .sequence = 1, .trouble = "", .progress = progress, .progress_count = 2
    };
    uint64_t before = fixture_view(f, "r1").change;
    fixture_agent(f, 1, message);
    const struct rollout_view view = fixture_view(f, "r1");
    assert_int_equal(view.progress_count, 1);
    assert_string_equal(view.progress[0].shard, "eu-1");
    assert_string_equal(view.progress[0].task->tenant, "t_1");
    assert_string_equal(view.progress[0].task->words, "10 rows/s");
    assert_int_equal(view.progress[0].task->total, 200);
    assert_true(view.change > before); /* who watches hears of it */
    message.heartbeat = (struct agent_heartbeat){ .sequence = 2, .trouble = "" };
    fixture_agent(f, 1, message);
    assert_int_equal(fixture_view(f, "r1").progress_count, 0);
}

static void a_rollout_of_which_all_waits_says_for_whom(void **state)
{
    struct fixture *f = *state;
    const struct task_progress progress[] = {
        { "r1", "t_001", 0, 0, "waits for orders: pid 7 reports", true },
        { "r1", "t_002", 0, 0, "waits for a row: pid 8", true },
    };
    struct agent_message message = { .kind = AGENT_MESSAGE_HEARTBEAT };

    assert_int_equal(fixture_publish(f, 3)->reply.code, ERR_NONE);
    fixture_shard(f, 1, "eu-1", 2, "0.1.0");
    fixture_start(f, "r1");
    fixture_report(f, 1, 2, "0.1.0", fixture_refresh(f, 1));
    assert_int_equal(fixture_assigned(f, 1, TASK_DRY_RUN, 0), 2);
    message.heartbeat = (struct agent_heartbeat){
        .sequence = 1, .trouble = "", .progress = progress, .progress_count = 1
    };
    fixture_agent(f, 1, message);
    assert_string_equal(fixture_view(f, "r1").waiting_for, ""); /* the other one moves */
    message.heartbeat.sequence = 2;
    message.heartbeat.progress_count = 2;
    fixture_agent(f, 1, message);
    assert_string_equal(fixture_view(f, "r1").waiting_for,
                        "blocked(eu-1/t_001 waits for orders: pid 7 reports, "
                        "eu-1/t_002 waits for a row: pid 8)");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_agent_is_welcomed_when_its_session_is_durable),
        TEST(another_protocol_is_refused),
        TEST(the_first_message_must_be_hello_and_the_only_one),
        TEST(a_refused_lease_is_asked_for_again),
        TEST(a_second_agent_stands_by_and_takes_over),
        TEST(only_the_end_of_the_lease_frees_the_shard),
        TEST(heartbeats_keep_a_session_and_are_acknowledged),
        TEST(few_heartbeats_go_to_the_store),
        TEST(no_heartbeat_is_acknowledged_beyond_what_the_store_has_promised),
        TEST(a_late_answer_acknowledges_what_came_since),
        TEST(a_short_lease_is_kept_with_each_heartbeat),
        TEST(a_heartbeat_after_the_end_is_not_acknowledged),
        TEST(the_same_agent_on_a_new_stream_goes_on_with_its_lease),
        TEST(a_new_leader_adopts_a_living_lease),
        TEST(a_lease_that_nobody_claims_from_a_new_leader_is_revoked),
        TEST(a_lost_stream_with_tasks_under_way_keeps_its_session),
        TEST(a_lease_granted_to_an_agent_that_has_gone_is_given_back),
        TEST(a_session_is_ended_only_by_who_leads),
        TEST(tenants_are_known_and_forgotten_by_reports),
        TEST(a_deposed_leader_forgets_and_refuses),
        TEST(an_agents_trouble_is_shown),
        TEST(how_far_long_operations_are_is_shown_while_they_run),
        TEST(a_rollout_of_which_all_waits_says_for_whom),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
