/* LIBS: skein_rpc */
/* What is bounded: the size of a message, what waits for a slow peer, open calls, time. */
#include "rpc_fixture.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>

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

/* A server that takes connections and never says a word. */
static int listen_silently(char *ret_address, size_t address_bytes)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(fd, 10), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    snprintf(ret_address, address_bytes, "127.0.0.1:%d", ntohs(address.sin_port));
    return fd;
}

static void a_sender_that_floods_a_silent_server_is_cancelled(void **state)
{
    struct probe probe;
    char address[FIXTURE_ADDRESS_BYTES];
    size_t sent = 0;
    int fd = listen_silently(address, sizeof(address));
    struct rpc_client *client = fixture_connect(address, NULL);

    (void)state;
    probe_init(&probe);
    struct rpc_stream *stream = probe_open(&probe, client, "/t.Test/Echo", UINT64_MAX);
    while (sent <= STREAM_OUTBOX_MESSAGES_MAX + 1 && rpc_stream_send(stream, bytes_of_text("x"))) {
        sent++;
    }
    assert_in_range(sent, STREAM_OUTBOX_MESSAGES_MAX, STREAM_OUTBOX_MESSAGES_MAX + 1);
    probe_wait(&probe, &probe.closed, 1);
    assert_int_equal(probe.end.status, RPC_RESOURCE_EXHAUSTED);
    assert_string_equal(probe.end.message,
                        "the server reads too slowly: too much is waiting for it");
    rpc_stream_unref(&stream);
    rpc_client_free(&client);
    close(fd);
    probe_release(&probe);
}

static void a_silent_server_is_unavailable_before_long(void **state)
{
    char address[FIXTURE_ADDRESS_BYTES];
    int fd = listen_silently(address, sizeof(address));
    struct rpc_client *client = fixture_connect(address, NULL);
    CLEANUP(buf_release) struct buf answer = { .size_max = 100 };
    struct error err = { 0 };
    struct rpc_end end;

    (void)state;
    assert_false(
        rpc_client_unary(client, "/t.Test/Echo", bytes_of_text("x"), 300, &answer, &end, &err));
    assert_int_equal(end.status, RPC_DEADLINE_EXCEEDED);
    assert_false(end.sent);
    assert_int_equal(err.code, ERR_UNAVAILABLE);
    assert_false(fixture_ask(client, "/t.Test/Echo", "x", &answer, &end, &err));
    assert_int_equal(end.status, RPC_UNAVAILABLE); /* when the attempt to connect has ended */
    assert_false(end.sent);
    rpc_client_free(&client);
    close(fd);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_beyond_the_limit_is_refused_by_its_sender),
        cmocka_unit_test(a_message_beyond_the_limit_is_refused_by_its_receiver),
        cmocka_unit_test(a_reader_that_is_too_slow_is_dropped),
        cmocka_unit_test(a_sender_that_floods_a_silent_server_is_cancelled),
        cmocka_unit_test(a_silent_server_is_unavailable_before_long),
        cmocka_unit_test(calls_beyond_the_limit_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
