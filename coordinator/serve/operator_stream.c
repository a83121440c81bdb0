#include "coordinator/serve/operator_stream.h"

#include <stdlib.h>

#include <uthash.h>
#include <utlist.h>

#include "common/core/memory.h"

struct operator_streams {
    struct operator_calls *calls;
    struct operator_stream *list;
};

struct operator_streams *operator_streams_new(struct operator_calls *calls)
{
    struct operator_streams *streams = memory_alloc(sizeof(*streams));

    streams->calls = calls;
    return streams;
}

struct operator_stream *operator_stream_new(struct rpc_call *call, uint64_t number)
{
    struct operator_stream *stream = memory_alloc(sizeof(*stream));

    rpc_call_ref(call);
    stream->call = call;
    stream->number = number;
    return stream;
}

static void operator_stream_free(struct operator_stream **pointer)
{
    struct operator_stream *stream = *pointer;

    rpc_call_unref(&stream->call);
    selector_free(&stream->selector);
    arena_release(&stream->arena);
    free(stream);
    *pointer = NULL;
}

void operator_streams_free(struct operator_streams **pointer)
{
    if (*pointer != NULL) {
        operator_streams_clear(*pointer);
        free(*pointer);
        *pointer = NULL;
    }
}

void operator_streams_start(struct operator_streams *streams, struct operator_stream *stream,
                            const struct fleet *fleet, uint64_t now_ms)
{
    if (stream->next(stream, fleet, now_ms)) {
        DL_APPEND2(streams->list, stream, prev, next_stream);
    } else {
        operator_stream_free(&stream);
    }
}

void operator_streams_tick(struct operator_streams *streams, const struct fleet *fleet,
                           uint64_t now_ms)
{
    struct operator_stream *stream = NULL;
    struct operator_stream *after = NULL;

    DL_FOREACH_SAFE2(streams->list, stream, after, next_stream)
    {
        if (!operator_calls_is_open(streams->calls, stream->number) ||
            !stream->next(stream, fleet, now_ms)) {
            DL_DELETE2(streams->list, stream, prev, next_stream);
            operator_stream_free(&stream);
        }
    }
}

void operator_streams_clear(struct operator_streams *streams)
{
    struct operator_stream *stream = NULL;
    struct operator_stream *after = NULL;

    DL_FOREACH_SAFE2(streams->list, stream, after, next_stream)
    {
        DL_DELETE2(streams->list, stream, prev, next_stream);
        operator_stream_free(&stream);
    }
}
