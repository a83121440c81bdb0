#include "coordinator/serve/serve_reply.h"

#include <stdio.h>

#include "common/core/limits.h"
#include "common/wire/wire_codec.h"

bool serve_reply_send(struct rpc_call *call, const ProtobufCMessage *message)
{
    CLEANUP(arena_release) struct arena arena = { 0 };

    return rpc_call_send(call, wire_codec_pack(message, &arena));
}

void serve_reply_message(struct rpc_call *call, const ProtobufCMessage *message)
{
    size_t bytes = protobuf_c_message_get_packed_size(message);

    if (bytes > MESSAGE_BYTES_MAX) {
        struct error err = { 0 };
        error_set(&err, ERR_LIMIT,
                  "the answer has %zu bytes, more than the %d of a message: ask for less", bytes,
                  MESSAGE_BYTES_MAX);
        serve_reply_error(call, &err);
        return;
    }
    if (serve_reply_send(call, message)) {
        rpc_call_finish(call, RPC_OK, NULL);
    }
}

void serve_reply_error(struct rpc_call *call, const struct error *err)
{
    rpc_call_finish(call, rpc_status_of_error(err->code), err->message);
}

void serve_reply_not_now(struct rpc_call *call, const char *message)
{
    rpc_call_add_trailer(call, "skein-refused", "store");
    rpc_call_finish(call, RPC_UNAVAILABLE, message);
}

static void serve_reply_unavailable(struct rpc_call *call, struct leader_view *leader,
                                    const char *message, bool refused)
{
    char address[LEADER_ADDRESS_BYTES];
    char trouble[LEADER_TROUBLE_BYTES];
    char text[LEADER_ADDRESS_BYTES + LEADER_TROUBLE_BYTES + 128];

    leader_view_address(leader, address);
    leader_view_trouble(leader, trouble);
    if (address[0] != '\0') {
        snprintf(text, sizeof(text), "%.100s: ask %s", message, address);
    } else if (trouble[0] != '\0') {
        snprintf(text, sizeof(text), "%.100s, nor is it known who does: %s", message, trouble);
    } else {
        snprintf(text, sizeof(text), "%.100s: try again in a few seconds", message);
    }
    if (address[0] != '\0') {
        rpc_call_add_trailer(call, "skein-leader", address);
    }
    if (refused) {
        rpc_call_add_trailer(call, "skein-refused", "not-leading");
    }
    rpc_call_finish(call, RPC_UNAVAILABLE, text);
}

void serve_reply_not_leading(struct rpc_call *call, struct leader_view *leader, const char *message)
{
    serve_reply_unavailable(call, leader, message, true);
}

void serve_reply_deposed(struct rpc_call *call, struct leader_view *leader, const char *message)
{
    serve_reply_unavailable(call, leader, message, false);
}
