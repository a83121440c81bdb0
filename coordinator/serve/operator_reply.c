#include "coordinator/serve/operator_reply.h"

#include "common/core/arena.h"
#include "common/core/limits.h"
#include "common/wire/wire_codec.h"
#include "common/wire/wire_parts.h"
#include "common/wire/wire_record.h"
#include "common/wire/wire_schema.h"
#include "coordinator/serve/operator_view.h"
#include "coordinator/serve/serve_reply.h"
#include "skein/v1/operator.pb-c.h"

void operator_reply_published(const struct operator_answer *answer)
{
    Skein__V1__PublishSetResponse response;

    skein__v1__publish_set_response__init(&response);
    response.set = wire_codec_borrow(answer->published->set);
    response.digest = wire_codec_borrow(answer->published->digest);
    response.changed = answer->effect->reply.publish_changed;
    response.latest = wire_codec_borrow(answer->published->latest);
    response.migrations = answer->published->migrations;
    serve_reply_message(answer->call, &response.base);
}

void operator_reply_rollout(const struct operator_answer *answer)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct error err = { 0 };
    struct rollout_view view;

    if (!fleet_rollout_find(answer->fleet, answer->effect->reply.object, answer->now_ms, &view,
                            &err)) {
        serve_reply_error(answer->call, &err);
        return;
    }
    Skein__V1__Rollout *rollout = operator_view_rollout(&view, &arena);
    operator_view_add_lists(rollout, &view, 0, &arena);
    serve_reply_message(answer->call, &rollout->base);
}

void operator_reply_locked(const struct operator_answer *answer)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    Skein__V1__LockTenantResponse response;

    skein__v1__lock_tenant_response__init(&response);
    response.lock = wire_record_of_lock(&answer->effect->reply.lock, &arena);
    serve_reply_message(answer->call, &response.base);
}

/* The call stays open: what it says next is that the lock is held still, or why not. */
void operator_reply_held(const struct operator_answer *answer)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    Skein__V1__HoldTenantLockResponse response;
    bool waits = answer->effect->reply.lock_waits;

    /* A program that does not read keeps its lock, and its outbox does not fill up. */
    if (answer->effect->reply.lock_beat && rpc_call_outbox_bytes(answer->call) > 0) {
        return;
    }
    skein__v1__hold_tenant_lock_response__init(&response);
    response.state =
        waits ? SKEIN__V1__HOLD_STATE__HOLD_STATE_WAITING : SKEIN__V1__HOLD_STATE__HOLD_STATE_HELD;
    response.lock = wire_record_of_lock(&answer->effect->reply.lock, &arena);
    if (waits) {
        response.lock->id = wire_codec_borrow(""); /* another program's alone */
    }
    response.silence_max_ms = HOLD_SILENCE_MAX_MS;
    response.grace_ms = HOLD_GRACE_MS;
    serve_reply_send(answer->call, &response.base);
}

void operator_reply_unlocked(const struct operator_answer *answer)
{
    Skein__V1__UnlockTenantResponse response;

    skein__v1__unlock_tenant_response__init(&response);
    serve_reply_message(answer->call, &response.base);
}

void operator_reply_forgotten(const struct operator_answer *answer)
{
    Skein__V1__ForgetShardResponse response;

    skein__v1__forget_shard_response__init(&response);
    serve_reply_message(answer->call, &response.base);
}

void operator_reply_history(const struct operator_answer *answer)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    Skein__V1__GetTenantHistoryResponse response;
    const struct history_reply *history = &answer->effect->reply.history;

    skein__v1__get_tenant_history_response__init(&response);
    if (history->error != NULL && history->error[0] != '\0') {
        rpc_call_finish(answer->call, RPC_FAILED_PRECONDITION, history->error);
        return;
    }
    response.entries = wire_parts_of_history(history->entries, history->count, &arena);
    response.n_entries = history->count;
    serve_reply_message(answer->call, &response.base);
}

void operator_reply_labelled(const struct operator_answer *answer)
{
    Skein__V1__LabelTenantResponse response;

    skein__v1__label_tenant_response__init(&response);
    serve_reply_message(answer->call, &response.base);
}

void operator_reply_schemas(const struct operator_answer *answer)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    Skein__V1__GetSchemasResponse response;
    const struct schema_reply *schemas = &answer->effect->reply.schemas;

    skein__v1__get_schemas_response__init(&response);
    response.schemas = wire_schema_of_items(schemas->items, schemas->count, &arena);
    response.n_schemas = schemas->count;
    serve_reply_message(answer->call, &response.base);
}
