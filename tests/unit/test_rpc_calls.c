/* LIBS: skein_rpc */
#include "rpc_fixture.h"

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>

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
    assert_string_equal(err.message, "I do not lead; \xC3\xA9");
    assert_int_equal(err.code, ERR_UNAVAILABLE);
    fixture_stop(&fixture);
}

static void a_message_beyond_the_limit_is_refused_by_its_sender(void **state)
{
    struct fixture fixture;
    CLEANUP(buf_release) struct buf answer = { .size_max = MESSAGE_BYTES_MAX };
    struct error err = { 0 };
    struct rpc_end end;
    char size[32];
    uint8_t *block = memory_alloc(MESSAGE_BYTES_MAX + 1);
    struct bytes large = { .data = block, .size = MESSAGE_BYTES_MAX };

    (void)state;
    fixture_start(&fixture);
    assert_true(rpc_client_unary(fixture.client, "/t.Test/Echo", large, FIXTURE_WAIT_MS, &answer,
                                 &end, &err));
    assert_int_equal(answer.size, MESSAGE_BYTES_MAX);
    large.size++;
    assert_false(rpc_client_unary(fixture.client, "/t.Test/Echo", large, FIXTURE_WAIT_MS, &answer,
                                  &end, &err));
    assert_int_equal(end.status, RPC_RESOURCE_EXHAUSTED);
    assert_int_equal(err.code, ERR_LIMIT);
    assert_string_equal(err.message, "a message of 4194305 bytes is larger than 4194304");
    snprintf(size, sizeof(size), "%d", MESSAGE_BYTES_MAX + 1);
    assert_false(fixture_ask(fixture.client, "/t.Test/Large", size, &answer, &end, &err));
    assert_int_equal(end.status, RPC_RESOURCE_EXHAUSTED);
    assert_string_equal(err.message, "a message of 4194305 bytes is larger than 4194304");
    free(block);
    fixture_stop(&fixture);
}

/* A client that is not ours and knows no limit. */
static grpc_status_code send_raw(const char *address, size_t size, char *ret_text,
                                 size_t text_bytes)
{
    grpc_completion_queue *queue = grpc_completion_queue_create_for_pluck(NULL);
    grpc_channel_credentials *credentials = grpc_insecure_credentials_create();
    grpc_channel *channel = grpc_channel_create(address, credentials, NULL);
    grpc_slice path = grpc_slice_from_static_string("/t.Test/Echo");
    gpr_timespec deadline = gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                                         gpr_time_from_millis(FIXTURE_WAIT_MS, GPR_TIMESPAN));
    grpc_call *call = grpc_channel_create_call(channel, NULL, GRPC_PROPAGATE_DEFAULTS, queue, path,
                                               NULL, deadline, NULL);
    grpc_slice block = grpc_slice_malloc(size);
    memset(GRPC_SLICE_START_PTR(block), 0, size);
    grpc_byte_buffer *message = grpc_raw_byte_buffer_create(&block, 1);
    grpc_metadata_array headers = { 0 };
    grpc_metadata_array trailers = { 0 };
    grpc_status_code status = GRPC_STATUS_UNKNOWN;
    grpc_slice details = grpc_empty_slice();
    grpc_op ops[5] = { { .op = GRPC_OP_SEND_INITIAL_METADATA },
                       { .op = GRPC_OP_SEND_MESSAGE },
                       { .op = GRPC_OP_SEND_CLOSE_FROM_CLIENT },
                       { .op = GRPC_OP_RECV_INITIAL_METADATA },
                       { .op = GRPC_OP_RECV_STATUS_ON_CLIENT } };

    ops[1].data.send_message.send_message = message;
    ops[3].data.recv_initial_metadata.recv_initial_metadata = &headers;
    ops[4].data.recv_status_on_client.trailing_metadata = &trailers;
    ops[4].data.recv_status_on_client.status = &status;
    ops[4].data.recv_status_on_client.status_details = &details;
    assert_int_equal(grpc_call_start_batch(call, ops, COUNT_OF(ops), &status, NULL), GRPC_CALL_OK);
    grpc_completion_queue_pluck(queue, &status, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
    snprintf(ret_text, text_bytes, "%.*s", (int)GRPC_SLICE_LENGTH(details),
             (const char *)GRPC_SLICE_START_PTR(details));
    grpc_slice_unref(block);
    grpc_slice_unref(details);
    grpc_metadata_array_destroy(&headers);
    grpc_metadata_array_destroy(&trailers);
    grpc_byte_buffer_destroy(message);
    grpc_call_unref(call);
    grpc_channel_destroy(channel);
    grpc_channel_credentials_release(credentials);
    grpc_completion_queue_shutdown(queue);
    grpc_completion_queue_pluck(queue, NULL, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
    grpc_completion_queue_destroy(queue);
    return status;
}

static void a_message_beyond_the_limit_is_refused_by_its_receiver(void **state)
{
    struct fixture fixture;
    char text[256] = "";

    (void)state;
    fixture_start(&fixture);
    grpc_status_code status = send_raw(fixture.address, MESSAGE_BYTES_MAX + 1, text, sizeof(text));
    assert_int_equal(status, GRPC_STATUS_RESOURCE_EXHAUSTED);
    assert_non_null(strstr(text, "larger than max"));
    fixture_wait(&fixture, &fixture.closed, 1);
    assert_int_equal(fixture.messages, 0);
    assert_int_equal(fixture.half_closed, 0);
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

/* A reader that takes its first message and then stands still. */
static bool stand_still(void *user, struct bytes message)
{
    struct fixture *fixture = user;

    (void)message;
    fixture_wait(fixture, &fixture->closed, 1);
    return true;
}

static void a_reader_that_is_too_slow_is_dropped(void **state)
{
    struct fixture fixture;
    struct error err = { 0 };
    struct rpc_end end;
    struct bytes request = bytes_of_text("go");

    (void)state;
    fixture_start(&fixture);
    assert_false(rpc_client_stream(fixture.client, "/t.Test/Flood", &request, 1, FIXTURE_WAIT_MS,
                                   stand_still, &fixture, &end, &err));
    assert_int_equal(end.status, RPC_RESOURCE_EXHAUSTED);
    assert_int_equal(err.code, ERR_LIMIT);
    assert_string_equal(err.message, "the client reads too slowly: too much is waiting for it");
    /* What the outbox holds, and what gRPC took out of it. */
    assert_in_range(fixture_read(&fixture, &fixture.flooded),
                    STREAM_OUTBOX_BYTES_MAX / FLOOD_MESSAGE_BYTES,
                    2 * STREAM_OUTBOX_BYTES_MAX / FLOOD_MESSAGE_BYTES);
    fixture_stop(&fixture);
}

static void a_sender_that_floods_a_server_is_cancelled(void **state)
{
    struct fixture fixture;
    struct probe probe;
    struct error err = { 0 };
    struct rpc_client *unreachable = NULL;
    size_t sent = 0;

    (void)state;
    fixture_start(&fixture);
    probe_init(&probe);
    /* An address that swallows packets: the outbox cannot drain. */
    assert_true(rpc_client_new("198.51.100.1:9", NULL, &unreachable, &err));
    struct rpc_stream *stream = probe_open(&probe, unreachable, "/t.Test/Echo", UINT64_MAX);
    while (sent <= STREAM_OUTBOX_MESSAGES_MAX + 1 && rpc_stream_send(stream, bytes_of_text("x"))) {
        sent++;
    }
    probe_wait(&probe, &probe.closed, 1);
    if (probe.end.status != RPC_UNAVAILABLE) { /* no network at all: refused at once */
        assert_in_range(sent, STREAM_OUTBOX_MESSAGES_MAX, STREAM_OUTBOX_MESSAGES_MAX + 1);
        assert_int_equal(probe.end.status, RPC_RESOURCE_EXHAUSTED);
        assert_false(probe.end.sent);
    }
    rpc_stream_unref(&stream);
    rpc_client_free(&unreachable);
    probe_release(&probe);
    fixture_stop(&fixture);
}

static void calls_beyond_the_limit_are_refused(void **state)
{
    struct fixture fixture = { 0 };
    struct probe probe;
    CLEANUP(buf_release) struct buf answer = { 0 };
    struct error err = { 0 };
    struct rpc_end end;

    (void)state;
    fixture_start_server(&fixture, NULL, 2);
    fixture.client = fixture_connect(fixture.address, NULL);
    probe_init(&probe);
    struct rpc_stream *first = probe_open(&probe, fixture.client, "/t.Test/Hold", UINT64_MAX);
    struct rpc_stream *second = probe_open(&probe, fixture.client, "/t.Test/Hold", UINT64_MAX);
    fixture_wait(&fixture, &fixture.opened, 2);
    assert_false(fixture_ask(fixture.client, "/t.Test/Echo", "me too", &answer, &end, &err));
    assert_int_equal(end.status, RPC_RESOURCE_EXHAUSTED);
    assert_string_equal(err.message, "the server has 2 open calls, as many as it may");
    rpc_stream_cancel(first);
    fixture_wait(&fixture, &fixture.closed, 1);
    while (rpc_server_call_count(fixture.server) == 2) {
        /* on_closed has run; the count follows on the same thread */
    }
    assert_true(fixture_ask(fixture.client, "/t.Test/Echo", "me too", &answer, &end, &err));
    rpc_stream_cancel(second);
    probe_wait(&probe, &probe.closed, 2);
    rpc_stream_unref(&first);
    rpc_stream_unref(&second);
    probe_release(&probe);
    fixture_stop(&fixture);
}

static void a_server_that_is_not_there_is_unavailable_at_once(void **state)
{
    const char *const addresses[] = { "127.0.0.1:1", "no-such-host.invalid:7443" };

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
        assert_true(clock_monotonic_ms() - start_ms < 15000);
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
        cmocka_unit_test(a_message_beyond_the_limit_is_refused_by_its_sender),
        cmocka_unit_test(a_message_beyond_the_limit_is_refused_by_its_receiver),
        cmocka_unit_test(a_deadline_ends_a_call_on_both_sides),
        cmocka_unit_test(a_client_that_cancels_is_no_client_that_has_finished),
        cmocka_unit_test(a_server_ends_a_call_that_the_client_keeps_open),
        cmocka_unit_test(a_reader_that_is_too_slow_is_dropped),
        cmocka_unit_test(a_sender_that_floods_a_server_is_cancelled),
        cmocka_unit_test(calls_beyond_the_limit_are_refused),
        cmocka_unit_test(a_server_that_is_not_there_is_unavailable_at_once),
        cmocka_unit_test(what_is_no_address_is_refused),
        cmocka_unit_test(a_client_that_is_freed_ends_its_streams),
        cmocka_unit_test(every_error_has_a_status_and_every_status_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
