/* LIBS: skein_rpc */
#include "rpc_fixture.h"

enum { GRACE_MS = 20000, SOON_MS = 10000 };

static void *stop_with_grace(void *arg)
{
    rpc_server_stop(arg, GRACE_MS);
    return NULL;
}

static void a_stopping_server_lets_open_calls_end(void **state)
{
    struct fixture fixture;
    struct probe probe;
    pthread_t stopper;
    CLEANUP(buf_release) struct buf answer = { 0 };
    struct error err = { 0 };
    struct rpc_end end = { 0 };

    (void)state;
    fixture_start(&fixture);
    probe_init(&probe);
    struct rpc_stream *stream = probe_open(&probe, fixture.client, "/t.Test/Hold", UINT64_MAX);
    fixture_wait(&fixture, &fixture.opened, 1);
    uint64_t start_ms = clock_monotonic_ms();
    pthread_create(&stopper, NULL, stop_with_grace, fixture.server);
    while (fixture_ask(fixture.client, "/t.Test/Echo", "still there?", &answer, &end, &err)) {
        /* until the server has begun to stop */
    }
    /* Refused by the server, or dropped by gRPC with what had not been accepted yet. */
    assert_true(end.status == RPC_UNAVAILABLE || end.status == RPC_CANCELLED);
    assert_true(err.code == ERR_UNAVAILABLE || err.code == ERR_UNCERTAIN);
    assert_true(rpc_stream_send(stream, bytes_of_text("work")));
    fixture_wait(&fixture, &fixture.messages, 1);
    rpc_call_finish(fixture.held, RPC_OK, "done");
    pthread_join(stopper, NULL);
    assert_true(clock_monotonic_ms() - start_ms < SOON_MS);
    assert_int_equal(rpc_server_call_count(fixture.server), 0);
    probe_wait(&probe, &probe.closed, 1);
    assert_int_equal(probe.end.status, RPC_OK);
    assert_string_equal(probe.end.message, "done");
    rpc_stream_unref(&stream);
    probe_release(&probe);
    fixture_stop(&fixture);
}

static void calls_that_outlive_the_grace_are_cancelled(void **state)
{
    struct fixture fixture;
    struct probe probe;
    struct rpc_stream *streams[100];

    (void)state;
    fixture_start(&fixture);
    probe_init(&probe);
    for (size_t i = 0; i < COUNT_OF(streams); i++) {
        streams[i] = probe_open(&probe, fixture.client, "/t.Test/Hold", UINT64_MAX);
    }
    fixture_wait(&fixture, &fixture.opened, COUNT_OF(streams));
    uint64_t start_ms = clock_monotonic_ms();
    rpc_server_stop(fixture.server, 100);
    uint64_t took_ms = clock_monotonic_ms() - start_ms;
    assert_in_range(took_ms, 99, SOON_MS);
    assert_int_equal(fixture.closed, COUNT_OF(streams)); /* every on_closed has run */
    rpc_server_stop(fixture.server, 100);                /* nothing more to do */
    probe_wait(&probe, &probe.closed, COUNT_OF(streams));
    assert_int_not_equal(probe.end.status, RPC_OK);
    for (size_t i = 0; i < COUNT_OF(streams); i++) {
        rpc_stream_unref(&streams[i]);
    }
    probe_release(&probe);
    fixture_stop(&fixture);
}

static void a_call_whose_client_does_not_read_does_not_hold_up_the_stop(void **state)
{
    struct fixture fixture;
    struct probe probe;
    uint8_t *block = memory_alloc(FLOOD_MESSAGE_BYTES);
    struct bytes message = { .data = block, .size = FLOOD_MESSAGE_BYTES };

    (void)state;
    fixture_start(&fixture);
    probe_init(&probe);
    struct rpc_stream *stream = probe_open(&probe, fixture.client, "/t.Test/Hold", UINT64_MAX);
    fixture_wait(&fixture, &fixture.opened, 1);
    for (size_t i = 0; i < STREAM_OUTBOX_BYTES_MAX / FLOOD_MESSAGE_BYTES; i++) {
        assert_true(rpc_call_send(fixture.held, message));
    }
    rpc_call_finish(fixture.held, RPC_OK, NULL);
    rpc_server_stop(fixture.server, 0);
    probe_wait(&probe, &probe.closed, 1);
    rpc_stream_unref(&stream);
    free(block);
    probe_release(&probe);
    fixture_stop(&fixture);
}

static void a_client_finds_a_server_that_comes_back(void **state)
{
    struct fixture fixture;
    CLEANUP(buf_release) struct buf answer = { 0 };
    struct error err = { 0 };
    const struct rpc_method method = { "/t.Test/Echo", &echo_handler, &fixture };
    struct rpc_server_options options = { .methods = &method, .method_count = 1 };
    struct rpc_end end;

    (void)state;
    fixture_start(&fixture);
    assert_true(fixture_ask(fixture.client, "/t.Test/Echo", "1", &answer, NULL, &err));
    rpc_server_free(&fixture.server);
    assert_false(fixture_ask(fixture.client, "/t.Test/Echo", "2", &answer, &end, &err));
    assert_int_equal(end.status, RPC_UNAVAILABLE);
    options.listen = fixture.address;
    assert_true(rpc_server_start(&options, &fixture.server, &err));
    uint64_t start_ms = clock_monotonic_ms();
    while (!fixture_ask(fixture.client, "/t.Test/Echo", "3", &answer, &end, &err)) {
        assert_false(end.sent);
        assert_true(clock_monotonic_ms() - start_ms < SOON_MS); /* the longest backoff is 2 s */
    }
    assert_string_equal(buf_text(&answer), "3");
    fixture_stop(&fixture);
}

static void a_taken_port_is_an_error_that_names_it(void **state)
{
    struct fixture fixture;
    const char *const hosts[] = { "localhost", "127.0.0.1", "0.0.0.0", "[::]" };

    (void)state;
    fixture_start(&fixture);
    for (size_t i = 0; i < COUNT_OF(hosts); i++) {
        char listen[FIXTURE_ADDRESS_BYTES];
        struct rpc_server_options options = { .listen = listen };
        struct rpc_server *second = NULL;
        struct error err = { 0 };

        snprintf(listen, sizeof(listen), "%s:%d", hosts[i], rpc_server_port(fixture.server));
        assert_false(rpc_server_start(&options, &second, &err));
        assert_null(second);
        assert_int_equal(err.code, ERR_CONFLICT);
        assert_non_null(strstr(err.message, listen));
        assert_non_null(strstr(err.message, "Address already in use"));
    }
    fixture_stop(&fixture);
}

static void a_server_that_cannot_start_says_why(void **state)
{
    const struct rpc_tls empty = { .cert = "", .key = "", .ca = "" };
    const struct rpc_tls missing = { .cert = "/nowhere/c.pem", .key = "/nowhere/k.pem", .ca = "" };
    const struct {
        const char *listen;
        const struct rpc_tls *tls;
        const char *message;
    } cases[] = {
        { "198.51.100.1:0", NULL, "Cannot assign requested address" },
        { "7443", NULL, "HOST:PORT" },
        { "localhost:0", &empty, "needs a certificate" },
        { "localhost:0", &missing, "/nowhere/c.pem" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct rpc_server_options options = { .listen = cases[i].listen, .tls = cases[i].tls };
        struct rpc_server *server = NULL;
        struct error err = { 0 };

        assert_false(rpc_server_start(&options, &server, &err));
        assert_int_equal(err.code, ERR_INVALID);
        if (strstr(err.message, cases[i].message) == NULL) {
            fail_msg("'%s' does not say '%s'", err.message, cases[i].message);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stopping_server_lets_open_calls_end),
        cmocka_unit_test(calls_that_outlive_the_grace_are_cancelled),
        cmocka_unit_test(a_call_whose_client_does_not_read_does_not_hold_up_the_stop),
        cmocka_unit_test(a_client_finds_a_server_that_comes_back),
        cmocka_unit_test(a_taken_port_is_an_error_that_names_it),
        cmocka_unit_test(a_server_that_cannot_start_says_why),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
