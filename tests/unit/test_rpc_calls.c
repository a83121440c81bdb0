/* LIBS: skein_rpc */
#include "rpc_fixture.h"

enum { MANY = 20000, WINDOW = 200 };

static void a_unary_call_brings_back_an_answer(void **state)
{
    struct fixture fixture;
    CLEANUP(buf_release) struct buf answer = { 0 };
    struct error err = { 0 };
    struct rpc_end end;

    (void)state;
    fixture_start(&fixture);
    assert_true(fixture_ask(fixture.client, "/t.Test/Echo", "hello", &answer, &end, &err));
    assert_string_equal(buf_text(&answer), "hello");
    assert_int_equal(end.status, RPC_OK);
    assert_true(end.sent);
    assert_true(fixture_ask(fixture.client, "/t.Test/Echo", "", &answer, &end, &err));
    assert_int_equal(answer.size, 0);
    fixture_stop(&fixture);
}

static void the_handler_knows_the_peer_and_its_metadata(void **state)
{
    struct fixture fixture;
    CLEANUP(buf_release) struct buf answer = { 0 };
    struct error err = { 0 };

    (void)state;
    fixture_start(&fixture);
    assert_true(fixture_ask(fixture.client, "/t.Test/Peer", "?", &answer, NULL, &err));
    if (strncmp(buf_text(&answer), "addr:ipv6:[::1]:", 16) != 0) {
        assert_memory_equal(buf_text(&answer), "addr:ipv4:127.0.0.1:", 20);
    }
    assert_true(fixture_ask(fixture.client, "/t.Test/Agent", "?", &answer, NULL, &err));
    assert_non_null(strstr(buf_text(&answer), "grpc-c/"));
    fixture_stop(&fixture);
}

static void an_ip_address_of_either_family_is_dialled(void **state)
{
    const char *const hosts[] = { "127.0.0.1", "[::1]" };
    const struct rpc_method methods[] = { { "/t.Test/Peer", &peer_handler, NULL } };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(hosts); i++) {
        struct fixture fixture = { 0 };
        char listen[FIXTURE_ADDRESS_BYTES];
        CLEANUP(buf_release) struct buf answer = { 0 };
        struct error err = { 0 };
        struct rpc_method method = methods[0];

        method.context = &fixture;
        pthread_mutex_init(&fixture.mutex, NULL);
        clock_cond_init(&fixture.changed);
        snprintf(listen, sizeof(listen), "%s:0", hosts[i]);
        struct rpc_server_options options = { .listen = listen,
                                              .methods = &method,
                                              .method_count = 1 };
        if (!rpc_server_start(&options, &fixture.server, &err)) {
            assert_int_equal(i, 1); /* a host without IPv6 */
            continue;
        }
        snprintf(fixture.address, sizeof(fixture.address), "%s:%d", hosts[i],
                 rpc_server_port(fixture.server));
        fixture.client = fixture_connect(fixture.address, NULL);
        assert_true(fixture_ask(fixture.client, "/t.Test/Peer", "?", &answer, NULL, &err));
        assert_non_null(strstr(buf_text(&answer), hosts[i]));
        fixture_stop(&fixture);
    }
}

static bool count_answer(void *user, struct bytes message)
{
    struct probe *probe = user;

    probe_on_message(probe, NULL, message);
    return true;
}

static void a_server_streams_many_messages_in_order(void **state)
{
    struct fixture fixture;
    struct probe probe;
    struct error err = { 0 };
    struct bytes request = bytes_of_text("20000");

    (void)state;
    fixture_start(&fixture);
    probe_init(&probe);
    assert_true(rpc_client_stream(fixture.client, "/t.Test/Count", &request, 1, FIXTURE_WAIT_MS,
                                  count_answer, &probe, &probe.end, &err));
    assert_int_equal(probe.messages, MANY);
    assert_false(probe.out_of_order);
    assert_int_equal(probe.end.status, RPC_OK);
    probe_release(&probe);
    fixture_stop(&fixture);
}

static bool take_three(void *user, struct bytes message)
{
    struct probe *probe = user;

    probe_on_message(probe, NULL, message);
    return probe->messages < 3;
}

static void a_waiting_stream_ends_when_its_reader_has_enough(void **state)
{
    struct fixture fixture;
    struct probe probe;
    struct error err = { 0 };
    struct bytes request = bytes_of_text("100");

    (void)state;
    fixture_start(&fixture);
    probe_init(&probe);
    assert_true(rpc_client_stream(fixture.client, "/t.Test/Count", &request, 1, FIXTURE_WAIT_MS,
                                  take_three, &probe, &probe.end, &err));
    assert_int_equal(probe.messages, 3);
    fixture_wait(&fixture, &fixture.closed, 1);
    probe_release(&probe);
    fixture_stop(&fixture);
}

static void a_waiting_stream_sends_more_than_an_outbox_holds(void **state)
{
    struct fixture fixture;
    struct probe probe;
    struct error err = { 0 };
    enum { CHUNKS = 160 };
    uint8_t *block = memory_alloc(SET_CHUNK_BYTES);
    struct bytes requests[CHUNKS];

    (void)state;
    fixture_start(&fixture);
    probe_init(&probe);
    for (size_t i = 0; i < CHUNKS; i++) {
        requests[i] = (struct bytes){ .data = block, .size = SET_CHUNK_BYTES };
    }
    assert_true(rpc_client_stream(fixture.client, "/t.Test/Echo", requests, CHUNKS, FIXTURE_WAIT_MS,
                                  count_answer, &probe, NULL, &err));
    assert_int_equal(probe.messages, CHUNKS);
    assert_int_equal(probe.bytes, (size_t)CHUNKS * SET_CHUNK_BYTES);
    free(block);
    probe_release(&probe);
    fixture_stop(&fixture);
}

static void messages_go_both_ways_in_order(void **state)
{
    struct fixture fixture;
    struct probe probe;
    char text[32];

    (void)state;
    fixture_start(&fixture);
    probe_init(&probe);
    struct rpc_stream *stream = probe_open(&probe, fixture.client, "/t.Test/Echo", UINT64_MAX);
    for (size_t i = 0; i < MANY; i++) {
        snprintf(text, sizeof(text), "%zu", i);
        assert_true(rpc_stream_send(stream, bytes_of_text(text)));
        if (i >= WINDOW) {
            probe_wait(&probe, &probe.messages, i - WINDOW);
        }
    }
    rpc_stream_half_close(stream);
    probe_wait(&probe, &probe.closed, 1);
    assert_int_equal(probe.messages, MANY);
    assert_false(probe.out_of_order);
    assert_int_equal(probe.end.status, RPC_OK);
    assert_false(rpc_stream_send(stream, bytes_of_text("late")));
    assert_int_equal(rpc_stream_outbox_bytes(stream), 0);
    rpc_stream_unref(&stream);
    probe_release(&probe);
    fixture_stop(&fixture);
}

static void an_unknown_method_is_named(void **state)
{
    struct fixture fixture;
    CLEANUP(buf_release) struct buf answer = { 0 };
    struct error err = { 0 };
    struct rpc_end end;

    (void)state;
    fixture_start(&fixture);
    assert_false(fixture_ask(fixture.client, "/t.Test/Nope", "?", &answer, &end, &err));
    assert_int_equal(end.status, RPC_UNIMPLEMENTED);
    assert_int_equal(err.code, ERR_INVALID);
    assert_string_equal(err.message, "there is no method '/t.Test/Nope' here");
    assert_int_equal(fixture.opened, 0);
    fixture_stop(&fixture);
}

static void a_refusal_carries_its_sentence_and_the_leader(void **state)
{
    struct fixture fixture;
    CLEANUP(buf_release) struct buf answer = { 0 };
    struct error err = { 0 };
    struct rpc_end end;

    (void)state;
    fixture_start(&fixture);
    assert_false(fixture_ask(fixture.client, "/t.Test/Fail", "I do not lead; \xC3\xA9", &answer,
                             &end, &err));
    assert_int_equal(end.status, RPC_UNAVAILABLE);
    assert_string_equal(end.leader, "10.0.0.1:7443");
    assert_true(end.refused);
    assert_string_equal(err.message, "I do not lead; \xC3\xA9");
    assert_int_equal(err.code, ERR_UNAVAILABLE);
    fixture_stop(&fixture);
}

static void a_deadline_ends_a_call_on_both_sides(void **state)
{
    struct fixture fixture;
    CLEANUP(buf_release) struct buf answer = { .size_max = 100 };
    struct error err = { 0 };
    struct rpc_end end;

    (void)state;
    fixture_start(&fixture);
    assert_true(fixture_ask(fixture.client, "/t.Test/Echo", "warm", &answer, &end, &err));
    uint64_t start_ms = clock_monotonic_ms();
    assert_false(rpc_client_unary(fixture.client, "/t.Test/Hold", bytes_of_text("x"), 150, &answer,
                                  &end, &err));
    assert_true(clock_monotonic_ms() - start_ms >= 149);
    assert_int_equal(end.status, RPC_DEADLINE_EXCEEDED);
    assert_int_equal(err.code, ERR_TIMEOUT);
    assert_true(end.sent);
    fixture_wait(&fixture, &fixture.closed, 2);
    fixture_stop(&fixture);
}

static void a_client_that_cancels_is_no_client_that_has_finished(void **state)
{
    struct fixture fixture;
    struct probe probe;

    (void)state;
    fixture_start(&fixture);
    probe_init(&probe);
    struct rpc_stream *stream = probe_open(&probe, fixture.client, "/t.Test/Hold", UINT64_MAX);
    assert_true(rpc_stream_send(stream, bytes_of_text("half of it")));
    fixture_wait(&fixture, &fixture.messages, 1);
    assert_int_equal(rpc_server_call_count(fixture.server), 1);
    rpc_stream_cancel(stream);
    assert_false(rpc_stream_send(stream, bytes_of_text("the other half")));
    probe_wait(&probe, &probe.closed, 1);
    fixture_wait(&fixture, &fixture.closed, 1);
    assert_int_equal(probe.end.status, RPC_CANCELLED);
    assert_int_equal(fixture.half_closed, 0);
    assert_false(
        rpc_call_send(fixture.held, bytes_of_text("over"))); /* the memory is still there */
    rpc_call_finish(fixture.held, RPC_OK, NULL);
    rpc_stream_unref(&stream);
    probe_release(&probe);
    fixture_stop(&fixture);
}

static void a_server_ends_a_call_that_the_client_keeps_open(void **state)
{
    struct fixture fixture;
    struct probe probe;

    (void)state;
    fixture_start(&fixture);
    probe_init(&probe);
    struct rpc_stream *stream = probe_open(&probe, fixture.client, "/t.Test/Hold", UINT64_MAX);
    fixture_wait(&fixture, &fixture.opened, 1);
    rpc_call_send(fixture.held, bytes_of_text("0"));
    rpc_call_send(fixture.held, bytes_of_text("1"));
    rpc_call_finish(fixture.held, RPC_FAILED_PRECONDITION, "not today");
    rpc_call_finish(fixture.held, RPC_OK, "too late");
    probe_wait(&probe, &probe.closed, 1);
    fixture_wait(&fixture, &fixture.closed, 1);
    assert_int_equal(probe.end.status, RPC_FAILED_PRECONDITION);
    assert_string_equal(probe.end.message, "not today");
    assert_false(rpc_stream_send(stream, bytes_of_text("hello?")));
    rpc_stream_unref(&stream);
    probe_release(&probe);
    fixture_stop(&fixture);
}

static void a_server_that_is_not_there_is_unavailable_at_once(void **state)
{
    const char *const addresses[] = { "127.0.0.1:1", "localhost:1" };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(addresses); i++) {
        struct rpc_client *client = fixture_connect(addresses[i], NULL);
        CLEANUP(buf_release) struct buf answer = { 0 };
        struct error err = { 0 };
        struct rpc_end end;
        uint64_t start_ms = clock_monotonic_ms();

        assert_false(fixture_ask(client, "/t.Test/Echo", "?", &answer, &end, &err));
        assert_int_equal(err.code, ERR_UNAVAILABLE);
        assert_int_equal(end.status, RPC_UNAVAILABLE);
        assert_false(end.sent);
        assert_non_null(strstr(err.message, addresses[i]));
        assert_non_null(strstr(err.message, "Connection refused"));
        assert_true(clock_monotonic_ms() - start_ms < RPC_CONNECT_TIMEOUT_MS);
        rpc_client_free(&client);
    }
}

static void what_is_no_address_is_refused(void **state)
{
    const char *const wrong[] = { "",           "host",   ":80",        "host:",  "host:x",
                                  "host:70000", "::1:80", "unix:/a:80", "a b:80", "host:80:90" };
    const char *const loopback[] = { "localhost:1", "127.0.0.1:1", "127.8.9.1:1", "[::1]:1",
                                     "[::ffff:127.0.0.1]:1" };
    const char *const remote[] = { "10.0.0.1:1",          "[::]:1",  "0.0.0.0:1", "127.example:1",
                                   "localhost.example:1", "nonsense" };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct rpc_client *client = NULL;
        struct error err = { 0 };
        assert_false(rpc_client_new(wrong[i], NULL, &client, &err));
        assert_int_equal(err.code, ERR_INVALID);
    }
    for (size_t i = 0; i < COUNT_OF(loopback); i++) {
        assert_true(rpc_address_is_loopback(loopback[i]));
    }
    for (size_t i = 0; i < COUNT_OF(remote); i++) {
        assert_false(rpc_address_is_loopback(remote[i]));
    }
}

static void a_client_that_is_freed_ends_its_streams(void **state)
{
    struct fixture fixture;
    struct probe probe;
    struct rpc_stream *streams[10];

    (void)state;
    fixture_start(&fixture);
    probe_init(&probe);
    for (size_t i = 0; i < COUNT_OF(streams); i++) {
        streams[i] = probe_open(&probe, fixture.client, "/t.Test/Hold", UINT64_MAX);
    }
    rpc_client_free(&fixture.client);
    assert_int_equal(probe.closed, COUNT_OF(streams));
    for (size_t i = 0; i < COUNT_OF(streams); i++) {
        assert_false(rpc_stream_send(streams[i], bytes_of_text("x")));
        rpc_stream_cancel(streams[i]);
        rpc_stream_unref(&streams[i]);
    }
    probe_release(&probe);
    fixture_stop(&fixture);
}

static void every_error_has_a_status_and_every_status_an_error(void **state)
{
    (void)state;
    assert_int_equal(rpc_status_of_error(ERR_CONFLICT), RPC_ABORTED);
    assert_int_equal(rpc_status_of_error(ERR_UNCERTAIN), RPC_UNAVAILABLE);
    assert_int_equal(rpc_status_to_error(RPC_ABORTED), ERR_CONFLICT);
    assert_int_equal(rpc_status_to_error(RPC_UNAVAILABLE), ERR_UNAVAILABLE);
    assert_int_equal(rpc_status_to_error((enum rpc_status)99), ERR_INTERNAL);
    assert_string_equal(rpc_status_name(RPC_DATA_LOSS), "DATA_LOSS");
    for (enum rpc_status status = RPC_OK + 1; status <= RPC_UNAUTHENTICATED; status++) {
        assert_int_not_equal(rpc_status_to_error(status), ERR_NONE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_unary_call_brings_back_an_answer),
        cmocka_unit_test(the_handler_knows_the_peer_and_its_metadata),
        cmocka_unit_test(an_ip_address_of_either_family_is_dialled),
        cmocka_unit_test(a_server_streams_many_messages_in_order),
        cmocka_unit_test(a_waiting_stream_ends_when_its_reader_has_enough),
        cmocka_unit_test(a_waiting_stream_sends_more_than_an_outbox_holds),
        cmocka_unit_test(messages_go_both_ways_in_order),
        cmocka_unit_test(an_unknown_method_is_named),
        cmocka_unit_test(a_refusal_carries_its_sentence_and_the_leader),
        cmocka_unit_test(a_deadline_ends_a_call_on_both_sides),
        cmocka_unit_test(a_client_that_cancels_is_no_client_that_has_finished),
        cmocka_unit_test(a_server_ends_a_call_that_the_client_keeps_open),
        cmocka_unit_test(a_server_that_is_not_there_is_unavailable_at_once),
        cmocka_unit_test(what_is_no_address_is_refused),
        cmocka_unit_test(a_client_that_is_freed_ends_its_streams),
        cmocka_unit_test(every_error_has_a_status_and_every_status_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
