#include "coordinator/serve/operator_watch.h"

#include "common/core/limits.h"
#include "coordinator/serve/operator_view.h"
#include "coordinator/serve/serve_reply.h"

bool operator_watch_next(struct operator_stream *stream, const struct fleet *fleet, uint64_t now_ms)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct error err = { 0 };
    struct rollout_view view;

    if (stream->started &&
        (now_ms < stream->sent_ms + WATCH_INTERVAL_MS || rpc_call_outbox_bytes(stream->call) > 0)) {
        return true;
    }
    if (!fleet_rollout_find(fleet, stream->rollout, now_ms, &view, &err)) {
        serve_reply_error(stream->call, &err);
        return false;
    }
    if (stream->started && view.change == stream->change) {
        return true;
    }
    Skein__V1__Rollout *rollout = operator_view_rollout(&view, &arena);
    operator_view_add_lists(rollout, &view, stream->errors_max, &arena);
    if (!serve_reply_send(stream->call, &rollout->base)) {
        return false;
    }
    stream->started = true;
    stream->change = view.change;
    stream->sent_ms = now_ms;
    if (rollout_phase_is_final(view.state.phase)) {
        rpc_call_finish(stream->call, RPC_OK, NULL);
        return false;
    }
    return true;
}
