/* LIBS: skein_rpc */
/* Streams are opened and dropped by both sides, from several threads, in every way there is. */
#include "rpc_fixture.h"

#include <stdatomic.h>

enum { STREAMS = 10000, THREADS = 2, WAVE = 250, WAVES = STREAMS / THREADS / WAVE };
_Static_assert(WAVES *WAVE *THREADS == STREAMS, "whole waves");

struct storm {
    struct fixture fixture;
    struct probe probe;
    atomic_bool over;
};

/* Ways to go. */
enum {
    CANCEL_AT_ONCE,
    SEND_AND_CANCEL,
    HALF_CLOSE,
    SERVER_REFUSES,
    SERVER_DROPS,
    DEADLINE,
    LINGER
};
enum { WAY_COUNT = LINGER + 1 };

static const char *const paths[WAY_COUNT] = {
    [CANCEL_AT_ONCE] = "/t.Test/Hold", [SEND_AND_CANCEL] = "/t.Test/Echo",
    [HALF_CLOSE] = "/t.Test/Echo",     [SERVER_REFUSES] = "/t.Test/Fail",
    [SERVER_DROPS] = "/t.Test/Hold",   [DEADLINE] = "/t.Test/Hold",
    [LINGER] = "/t.Test/Hold",
};

/* The server's side of dropping: ends calls of Hold from a thread that is not the loop's. */
static void *drop_held_calls(void *arg)
{
    struct storm *storm = arg;
    struct fixture *fixture = &storm->fixture;

    while (!atomic_load(&storm->over)) {
        uint64_t soon_ms = clock_monotonic_ms() + 20;
        pthread_mutex_lock(&fixture->mutex);
        if (fixture->held == NULL) {
            clock_cond_wait_until(&fixture->changed, &fixture->mutex, soon_ms);
        }
        struct rpc_call *call = fixture->held;
        fixture->held = NULL;
        pthread_mutex_unlock(&fixture->mutex);
        if (call != NULL) {
            rpc_call_send(call, bytes_of_text("bye"));
            rpc_call_finish(call, RPC_ABORTED, "dropped");
            rpc_call_unref(&call);
        }
    }
    return NULL;
}

static struct rpc_stream *open_one(struct storm *storm, struct rpc_client *client, size_t way)
{
    uint64_t deadline_ms = way == DEADLINE ? clock_monotonic_ms() + 2 : UINT64_MAX;
    struct rpc_stream *stream = NULL;
    struct error err = { 0 };

    if (!rpc_stream_open(client, paths[way], deadline_ms, &probe_handler, &storm->probe, &stream,
                         &err)) {
        abort();
    }
    if (way != CANCEL_AT_ONCE && way != LINGER) {
        rpc_stream_send(stream, bytes_of_text("x"));
    }
    if (way == CANCEL_AT_ONCE || way == SEND_AND_CANCEL) {
        rpc_stream_cancel(stream);
    } else if (way == HALF_CLOSE) {
        rpc_stream_half_close(stream);
    }
    return stream;
}

/* Waits until the connection is there, so that the streams that follow do reach the server. */
static void warm_up(struct rpc_client *client)
{
    CLEANUP(buf_release) struct buf answer = { 0 };
    struct error err = { 0 };

    if (!fixture_ask(client, "/t.Test/Echo", "hello", &answer, NULL, &err)) {
        abort();
    }
}

/* Every other wave is ended by freeing its client under the open streams. */
static void *make_waves(void *arg)
{
    struct storm *storm = arg;
    struct rpc_stream *streams[WAVE];

    for (size_t wave = 0; wave < WAVES; wave++) {
        struct rpc_client *client = NULL;
        struct error err = { 0 };
        if (!rpc_client_new(storm->fixture.address, NULL, &client, &err)) {
            abort();
        }
        warm_up(client);
        for (size_t i = 0; i < WAVE; i++) {
            streams[i] = open_one(storm, client, i % WAY_COUNT);
        }
        for (size_t i = 0; i < WAVE; i++) {
            if (wave % 2 == 0) {
                rpc_stream_cancel(streams[i]);
                rpc_stream_unref(&streams[i]);
            }
        }
        rpc_client_free(&client);
        for (size_t i = 0; i < WAVE; i++) {
            rpc_stream_unref(&streams[i]); /* NULL when it was given back before */
        }
    }
    return NULL;
}

static void ten_thousand_dropped_streams_leave_nothing_behind(void **state)
{
    struct storm storm;
    pthread_t dropper;
    pthread_t threads[THREADS];

    (void)state;
    memset(&storm, 0, sizeof(storm));
    fixture_start(&storm.fixture);
    probe_init(&storm.probe);
    pthread_create(&dropper, NULL, drop_held_calls, &storm);
    for (size_t i = 0; i < THREADS; i++) {
        pthread_create(&threads[i], NULL, make_waves, &storm);
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(storm.probe.closed, STREAMS);
    atomic_store(&storm.over, true);
    pthread_join(dropper, NULL);
    /* Those that were cancelled before they left never reached the server. */
    size_t opened = fixture_read(&storm.fixture, &storm.fixture.opened);
    assert_in_range(opened, STREAMS / 4, STREAMS + THREADS * WAVES);
    fixture_wait(&storm.fixture, &storm.fixture.closed, opened);
    probe_release(&storm.probe);
    fixture_stop(&storm.fixture);
}

static void a_server_that_goes_down_in_a_storm_leaves_nothing_behind(void **state)
{
    (void)state;
    for (size_t round = 0; round < 20; round++) {
        struct storm storm;
        struct rpc_stream *streams[WAVE];

        memset(&storm, 0, sizeof(storm));
        fixture_start(&storm.fixture);
        probe_init(&storm.probe);
        warm_up(storm.fixture.client);
        for (size_t i = 0; i < WAVE; i++) {
            streams[i] = open_one(&storm, storm.fixture.client, i % WAY_COUNT);
        }
        rpc_server_stop(storm.fixture.server, round % 3);
        assert_int_equal(storm.fixture.opened, storm.fixture.closed);
        rpc_client_free(&storm.fixture.client);
        assert_int_equal(storm.probe.closed, WAVE);
        for (size_t i = 0; i < WAVE; i++) {
            rpc_stream_unref(&streams[i]);
        }
        probe_release(&storm.probe);
        fixture_stop(&storm.fixture);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_thousand_dropped_streams_leave_nothing_behind),
        cmocka_unit_test(a_server_that_goes_down_in_a_storm_leaves_nothing_behind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
