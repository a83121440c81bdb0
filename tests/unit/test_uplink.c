/* LIBS: agent_decide */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/decide/uplink.h"
#include "common/core/buf.h"

enum { TTL_MS = 15000, INTERVAL_MS = 3000 };

static void welcomed(struct uplink *uplink, int64_t lease_id, bool granted, uint64_t heartbeat,
                     uint64_t now_ms)
{
    const struct welcome welcome = { .lease_id = lease_id,
                                     .lease_ttl_ms = TTL_MS,
                                     .heartbeat_interval_ms = INTERVAL_MS,
                                     .granted = granted,
                                     .heartbeat = heartbeat };

    uplink_start_lease(uplink, &welcome, now_ms);
}

static struct uplink working_at(uint64_t hello_ms, uint64_t welcome_ms)
{
    struct uplink uplink;

    uplink_init(&uplink, hello_ms);
    assert_true(uplink_step(&uplink, UPLINK_EVENT_OPENED, hello_ms));
    assert_true(uplink_step(&uplink, UPLINK_EVENT_WELCOME, welcome_ms));
    welcomed(&uplink, 7, true, 0, welcome_ms);
    return uplink;
}

static void the_table_is_well_formed(void **state)
{
    struct error err = { 0 };

    (void)state;
    assert_true(fsm_check(uplink_machine(), &err));
}

static void the_readme_shows_the_table(void **state)
{
    CLEANUP(buf_release) struct buf readme = { .size_max = 1 << 20 };
    CLEANUP(buf_release) struct buf diagram = { .size_max = 1 << 16 };
    struct error err = { 0 };

    (void)state;
    fsm_print_mermaid(uplink_machine(), &diagram);
    assert_true(file_read(SKEIN_SOURCE_DIR "/agent/README.md", &readme, &err));
    assert_non_null(strstr(buf_text(&readme), buf_text(&diagram)));
}

/* The other side of the line: coordinator/decide/session.c answers hello with welcome or standby,
 * welcomes who stands by when the shard becomes free, and may end a stream at any time. */
static void whatever_the_coordinator_may_say_has_an_edge(void **state)
{
    static const struct {
        enum uplink_state from;
        enum uplink_event on;
    } said[] = {
        { UPLINK_GREETING, UPLINK_EVENT_WELCOME }, { UPLINK_GREETING, UPLINK_EVENT_STANDBY },
        { UPLINK_STANDBY, UPLINK_EVENT_WELCOME },  { UPLINK_WORKING, UPLINK_EVENT_WELCOME },
        { UPLINK_WORKING, UPLINK_EVENT_STANDBY },  { UPLINK_GREETING, UPLINK_EVENT_CLOSED },
        { UPLINK_STANDBY, UPLINK_EVENT_CLOSED },   { UPLINK_WORKING, UPLINK_EVENT_CLOSED },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(said); i++) {
        struct uplink uplink = { .state = said[i].from };
        assert_true(uplink_step(&uplink, said[i].on, 1));
    }
}

static void a_lease_counts_from_when_hello_was_sent(void **state)
{
    struct uplink uplink = working_at(1000, 9000);

    (void)state;
    assert_int_equal(uplink_works_until_ms(&uplink), 1000 + TTL_MS);
    assert_false(uplink_lease_ran_out(&uplink, 1000 + TTL_MS - 1));
    assert_true(uplink_lease_ran_out(&uplink, 1000 + TTL_MS));
    assert_int_equal(uplink.lease_id, 0);
    assert_false(uplink_lease_ran_out(&uplink, 99000)); /* only once */
    assert_int_equal(uplink_works_until_ms(&uplink), 0);
}

static void a_lease_out_of_standby_counts_from_the_heartbeat_that_was_heard(void **state)
{
    struct uplink uplink;
    uint64_t sequence = 0;

    (void)state;
    uplink_init(&uplink, 0);
    assert_true(uplink_step(&uplink, UPLINK_EVENT_OPENED, 0));
    assert_true(uplink_step(&uplink, UPLINK_EVENT_STANDBY, 10));
    for (uint64_t at = 3000; at <= 60000; at += INTERVAL_MS) {
        assert_true(uplink_take_heartbeat(&uplink, at, &sequence));
    }
    assert_true(uplink_step(&uplink, UPLINK_EVENT_WELCOME, 61000));
    welcomed(&uplink, 7, true, sequence - 1, 61000);
    assert_int_equal(uplink_works_until_ms(&uplink), 57000 + TTL_MS);
    /* Stopped for an hour, and only then does it see the welcome: the lease is over. */
    assert_true(uplink_lease_ran_out(&uplink, 3600000));
}

static void a_lease_that_was_taken_over_is_proven_by_a_heartbeat_first(void **state)
{
    struct uplink uplink;
    uint64_t sequence = 0;

    (void)state;
    uplink_init(&uplink, 0);
    assert_true(uplink_step(&uplink, UPLINK_EVENT_OPENED, 0));
    assert_true(uplink_step(&uplink, UPLINK_EVENT_WELCOME, 20));
    welcomed(&uplink, 7, false, 0, 20);
    assert_int_equal(uplink_works_until_ms(&uplink), 0); /* it may have a second left, or none */
    assert_false(uplink_lease_ran_out(&uplink, 21));
    assert_true(uplink_take_heartbeat(&uplink, 30, &sequence));
    uplink_on_heartbeat_ack(&uplink, sequence);
    assert_int_equal(uplink_works_until_ms(&uplink), 30 + TTL_MS);
}

static void a_new_stream_does_not_lengthen_the_lease(void **state)
{
    struct uplink uplink = working_at(1000, 1010);

    (void)state;
    assert_true(uplink_step(&uplink, UPLINK_EVENT_CLOSED, 14000));
    assert_true(uplink_step(&uplink, UPLINK_EVENT_OPENED, 14000));
    assert_true(uplink_step(&uplink, UPLINK_EVENT_WELCOME, 14010));
    welcomed(&uplink, 7, false, 0, 14010);
    assert_int_equal(uplink_works_until_ms(&uplink), 1000 + TTL_MS);
}

static void an_acknowledged_heartbeat_counts_from_when_it_was_sent(void **state)
{
    struct uplink uplink = working_at(0, 10);
    uint64_t sequence = 0;

    (void)state;
    assert_true(uplink_take_heartbeat(&uplink, 10, &sequence));
    assert_false(uplink_take_heartbeat(&uplink, 11, &sequence));
    assert_true(uplink_take_heartbeat(&uplink, 5000, &sequence));
    uplink_on_heartbeat_ack(&uplink, sequence); /* the answer may take long; that does not count */
    assert_false(uplink_lease_ran_out(&uplink, 5000 + TTL_MS - 1));
    assert_true(uplink_lease_ran_out(&uplink, 5000 + TTL_MS));
}

static void an_old_or_invented_acknowledgement_does_not_lengthen_the_lease(void **state)
{
    struct uplink uplink = working_at(0, 10);
    uint64_t sequence = 0;

    (void)state;
    for (uint64_t at = 10; at < 100000; at += INTERVAL_MS) {
        uplink_take_heartbeat(&uplink, at, &sequence);
    }
    uint64_t until = uplink.lease_until_ms;
    uplink_on_heartbeat_ack(&uplink, 1); /* its slot was used again */
    uplink_on_heartbeat_ack(&uplink, sequence + 5);
    uplink_on_heartbeat_ack(&uplink, 0);
    assert_int_equal(uplink.lease_until_ms, until);
}

static void messages_of_an_older_term_are_not_obeyed(void **state)
{
    struct uplink uplink;

    (void)state;
    uplink_init(&uplink, 0);
    assert_true(uplink_accepts_term(&uplink, 5));
    assert_true(uplink_accepts_term(&uplink, 5));
    assert_true(uplink_accepts_term(&uplink, 9));
    assert_false(uplink_accepts_term(&uplink, 8));
}

static void a_new_store_s_terms_are_obeyed_once_there_is_no_session(void **state)
{
    struct uplink uplink = working_at(0, 10);

    (void)state;
    assert_true(uplink_accepts_term(&uplink, 50));
    uplink_step(&uplink, UPLINK_EVENT_CLOSED, 20);
    uplink_step(&uplink, UPLINK_EVENT_OPENED, 20);
    assert_false(uplink_accepts_term(&uplink, 3)); /* the lease may live */
    assert_true(uplink_lease_ran_out(&uplink, UINT64_C(2) * TTL_MS));
    uplink_step(&uplink, UPLINK_EVENT_CLOSED, UINT64_C(2) * TTL_MS);
    uplink_step(&uplink, UPLINK_EVENT_OPENED, UINT64_C(2) * TTL_MS);
    assert_true(uplink_accepts_term(&uplink, 3));
}

static void reconnects_wait_longer_each_time_and_start_over_after_a_good_stream(void **state)
{
    struct uplink uplink;
    uint64_t now = 0;

    (void)state;
    uplink_init(&uplink, now);
    uint64_t delays[8];
    for (int i = 0; i < 8; i++) {
        uplink_step(&uplink, UPLINK_EVENT_OPENED, now);
        uplink_step(&uplink, UPLINK_EVENT_CLOSED, now);
        delays[i] = uplink.retry_at_ms - now;
        now = uplink.retry_at_ms;
    }
    assert_int_equal(delays[0], 0);
    assert_true(delays[2] > delays[1]);
    assert_int_equal(delays[7], 1000);
    uplink_step(&uplink, UPLINK_EVENT_OPENED, now);
    uplink_step(&uplink, UPLINK_EVENT_WELCOME, now);
    uplink_step(&uplink, UPLINK_EVENT_CLOSED, now + 10);
    assert_int_equal(uplink.retry_at_ms, now + 10 + 1000); /* welcome, and thrown out at once */
    now = uplink.retry_at_ms;
    uplink_step(&uplink, UPLINK_EVENT_OPENED, now);
    uplink_step(&uplink, UPLINK_EVENT_WELCOME, now);
    uplink_step(&uplink, UPLINK_EVENT_CLOSED, now + 60000);
    assert_int_equal(uplink.retry_at_ms, now + 60000);
}

static void each_agent_takes_its_own_time_to_reconnect(void **state)
{
    uint64_t sum[2] = { 0 };

    (void)state;
    for (size_t agent = 0; agent < COUNT_OF(sum); agent++) {
        struct uplink uplink;
        uplink_init(&uplink, 0);
        uplink_set_seed(&uplink, 77 + agent);
        for (int i = 0; i < 50; i++) {
            uplink_step(&uplink, UPLINK_EVENT_OPENED, 0);
            uint64_t most = uplink.retry_delay_ms;
            uplink_step(&uplink, UPLINK_EVENT_CLOSED, 0);
            assert_in_range(uplink.retry_at_ms, most / 2, most);
            sum[agent] += uplink.retry_at_ms;
        }
    }
    assert_int_not_equal(sum[0], sum[1]);
}

static void who_says_where_the_leader_is_is_believed_but_not_twice_in_a_row(void **state)
{
    struct uplink uplink;

    (void)state;
    uplink_init(&uplink, 0);
    for (int i = 0; i < 4; i++) { /* so that there is a delay */
        uplink_step(&uplink, UPLINK_EVENT_OPENED, 0);
        uplink_step(&uplink, UPLINK_EVENT_CLOSED, 0);
    }
    for (int round = 0; round < 3; round++) {
        assert_true(uplink_follows(&uplink, 5));
        assert_int_equal(uplink.retry_at_ms, 5);
        uplink_step(&uplink, UPLINK_EVENT_OPENED, 5);
        uplink_step(&uplink, UPLINK_EVENT_CLOSED, 6); /* that one is dead, or does not lead */
        assert_true(uplink.retry_at_ms > 6);
        assert_false(uplink_follows(&uplink, 6));
        uplink_step(&uplink, UPLINK_EVENT_OPENED, 6);
        uplink_step(&uplink, UPLINK_EVENT_CLOSED, 6);
    }
    /* A leader that was found by word of mouth steps down and says who follows it. */
    assert_true(uplink_follows(&uplink, 7));
    uplink_step(&uplink, UPLINK_EVENT_OPENED, 7);
    uplink_step(&uplink, UPLINK_EVENT_WELCOME, 8);
    uplink_step(&uplink, UPLINK_EVENT_CLOSED, 60000);
    assert_true(uplink_follows(&uplink, 60000));
}

static void a_lost_stream_does_not_end_the_lease(void **state)
{
    struct uplink uplink = working_at(0, 10);

    (void)state;
    assert_true(uplink_step(&uplink, UPLINK_EVENT_CLOSED, 20));
    assert_int_equal(uplink.lease_id, 7);
    assert_int_equal(uplink.state, UPLINK_DOWN);
    assert_true(uplink_next_ms(&uplink) <= 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_is_well_formed),
        cmocka_unit_test(the_readme_shows_the_table),
        cmocka_unit_test(whatever_the_coordinator_may_say_has_an_edge),
        cmocka_unit_test(a_lease_counts_from_when_hello_was_sent),
        cmocka_unit_test(a_lease_out_of_standby_counts_from_the_heartbeat_that_was_heard),
        cmocka_unit_test(a_lease_that_was_taken_over_is_proven_by_a_heartbeat_first),
        cmocka_unit_test(a_new_stream_does_not_lengthen_the_lease),
        cmocka_unit_test(an_acknowledged_heartbeat_counts_from_when_it_was_sent),
        cmocka_unit_test(an_old_or_invented_acknowledgement_does_not_lengthen_the_lease),
        cmocka_unit_test(messages_of_an_older_term_are_not_obeyed),
        cmocka_unit_test(a_new_store_s_terms_are_obeyed_once_there_is_no_session),
        cmocka_unit_test(reconnects_wait_longer_each_time_and_start_over_after_a_good_stream),
        cmocka_unit_test(each_agent_takes_its_own_time_to_reconnect),
        cmocka_unit_test(who_says_where_the_leader_is_is_believed_but_not_twice_in_a_row),
        cmocka_unit_test(a_lost_stream_does_not_end_the_lease),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
