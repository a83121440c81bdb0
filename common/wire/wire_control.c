#include "common/wire/wire_control.h"

#include "common/core/limits.h"
#include "common/wire/wire_codec.h"
#include "common/wire/wire_enum.h"

Skein__V1__ControlCall *wire_control_of_call(const struct control_call *call, struct arena *arena)
{
    Skein__V1__ControlCall *message = wire_codec_new(&skein__v1__control_call__descriptor, arena);

    message->number = call->number;
    message->rollout = wire_codec_borrow(call->rollout);
    message->tenant = wire_codec_borrow(call->tenant);
    message->token = call->token;
    message->mode = wire_enum_of_mode(call->mode);
    message->from = wire_codec_borrow(call->from);
    message->file = wire_codec_borrow(call->file);
    message->down = call->down;
    message->key = wire_codec_borrow(call->key);
    message->lock_timeout_ms = call->lock_timeout_ms;
    return message;
}

struct control_call wire_control_to_call(struct wire_check *check,
                                         const Skein__V1__ControlCall *call)
{
    check->message = "ControlCall";
    return (struct control_call){
        .number = call->number,
        .rollout = wire_check_key(check, "rollout", call->rollout),
        .tenant = wire_check_key(check, "tenant", call->tenant),
        .token = call->token,
        .mode = wire_enum_to_mode(check, "mode", call->mode),
        .from = wire_check_name_or_empty(check, "from", call->from),
        .file = wire_check_text(check, "file", call->file, TEXT_BYTES_MAX),
        .down = call->down != 0,
        .key = wire_check_name_or_empty(check, "key", call->key),
        .lock_timeout_ms = call->lock_timeout_ms,
    };
}

Skein__V1__ControlDone *wire_control_of_done(const struct control_done *done, struct arena *arena)
{
    Skein__V1__ControlDone *message = wire_codec_new(&skein__v1__control_done__descriptor, arena);

    message->number = done->number;
    message->shard = wire_codec_borrow(done->shard);
    message->hook = wire_codec_borrow(done->hook == NULL ? "" : done->hook);
    if (done->error.code != TASK_CODE_NONE) {
        message->error = wire_parts_of_error(&done->error, arena);
    }
    return message;
}

struct control_done wire_control_to_done(struct wire_check *check,
                                         const Skein__V1__ControlDone *done)
{
    check->message = "ControlDone";
    return (struct control_done){
        .number = done->number,
        .shard = wire_check_key(check, "shard", done->shard),
        .hook = wire_check_name_or_empty(check, "hook", done->hook),
        .error = wire_parts_to_error(check, done->error, TASK_RUN),
    };
}

Skein__V1__ControlRun *wire_control_of_run(const struct control_run *run, struct arena *arena)
{
    Skein__V1__ControlRun *message = wire_codec_new(&skein__v1__control_run__descriptor, arena);

    message->call = wire_control_of_call(&run->call, arena);
    message->shard = wire_codec_borrow(run->shard);
    message->hook = wire_codec_borrow(run->hook == NULL ? "" : run->hook);
    message->set = wire_codec_borrow(run->set);
    message->digest = wire_codec_borrow(run->digest);
    message->target = wire_codec_borrow(run->target);
    message->database = wire_codec_borrow(run->database);
    return message;
}

struct control_run wire_control_to_run(struct wire_check *check, const Skein__V1__ControlRun *run)
{
    struct control_run result = { 0 };

    check->message = "ControlRun";
    if (run->call == NULL) {
        wire_check_fail(check, "call", "is missing");
        return result;
    }
    result.call = wire_control_to_call(check, run->call);
    check->message = "ControlRun";
    result.shard = wire_check_key(check, "shard", run->shard);
    result.hook = wire_check_name_or_empty(check, "hook", run->hook);
    result.set = wire_check_key(check, "set", run->set);
    result.digest = wire_check_key(check, "digest", run->digest);
    result.target = wire_check_name(check, "target", run->target);
    result.database = wire_check_name(check, "database", run->database);
    return result;
}

Skein__V1__ControlAnswer *wire_control_of_answer(const struct control_answer *answer,
                                                 struct arena *arena)
{
    Skein__V1__ControlAnswer *message =
        wire_codec_new(&skein__v1__control_answer__descriptor, arena);

    message->number = answer->number;
    if (answer->error.code != TASK_CODE_NONE) {
        message->error = wire_parts_of_error(&answer->error, arena);
    }
    return message;
}

struct control_answer wire_control_to_answer(struct wire_check *check,
                                             const Skein__V1__ControlAnswer *answer)
{
    check->message = "ControlAnswer";
    return (struct control_answer){
        .number = answer->number,
        .error = wire_parts_to_error(check, answer->error, TASK_RUN),
    };
}
