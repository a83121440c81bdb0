/* AgentMessage: what an agent says. */
#include "common/wire/wire.h"

#include <assert.h>

#include "common/core/limits.h"
#include "common/wire/wire_codec.h"
#include "common/wire/wire_control.h"
#include "common/wire/wire_enum.h"
#include "common/wire/wire_measure.h"
#include "common/wire/wire_parts.h"
#include "common/wire/wire_schema.h"
#include "skein/v1/agent.pb-c.h"

/* ---- encode ---- */

static Skein__V1__Hello *wire_agent_of_hello(const struct agent_hello *hello, struct arena *arena)
{
    Skein__V1__Hello *message = wire_codec_new(&skein__v1__hello__descriptor, arena);

    message->protocol = hello->protocol;
    message->shard = wire_codec_borrow(hello->shard);
    message->agent = wire_codec_borrow(hello->agent);
    message->version = wire_codec_borrow(hello->version);
    message->labels = wire_parts_of_labels(&hello->labels, arena);
    message->n_labels = hello->labels.count;
    message->workers = hello->workers;
    message->lease_id = hello->lease_id;
    message->n_running = hello->running_count;
    message->running =
        arena_alloc_array(arena, hello->running_count, sizeof(Skein__V1__RunningTask *));
    for (size_t i = 0; i < hello->running_count; i++) {
        Skein__V1__RunningTask *task = wire_codec_new(&skein__v1__running_task__descriptor, arena);
        task->rollout = wire_codec_borrow(hello->running[i].rollout);
        task->mode = wire_enum_of_mode(hello->running[i].mode);
        task->tenant = wire_codec_borrow(hello->running[i].tenant);
        task->token = hello->running[i].token;
        message->running[i] = task;
    }
    return message;
}

static Skein__V1__Heartbeat *wire_agent_of_heartbeat(const struct agent_heartbeat *heartbeat,
                                                     struct arena *arena)
{
    Skein__V1__Heartbeat *message = wire_codec_new(&skein__v1__heartbeat__descriptor, arena);

    message->sequence = heartbeat->sequence;
    message->tasks_in_flight = heartbeat->tasks_in_flight;
    message->trouble = wire_codec_text(arena, heartbeat->trouble, ERROR_BYTES_MAX);
    message->workers_now = heartbeat->workers_now;
    message->workers_reason = wire_codec_text(arena, heartbeat->workers_reason, TEXT_BYTES_MAX);
    message->n_progress = heartbeat->progress_count;
    message->progress =
        arena_alloc_array(arena, heartbeat->progress_count, sizeof(Skein__V1__TaskProgress *));
    for (size_t i = 0; i < heartbeat->progress_count; i++) {
        message->progress[i] = wire_parts_of_progress(&heartbeat->progress[i], arena);
    }
    return message;
}

static Skein__V1__TenantReport *wire_agent_of_tenants(const struct tenant_report *report,
                                                      struct arena *arena)
{
    Skein__V1__TenantReport *message = wire_codec_new(&skein__v1__tenant_report__descriptor, arena);

    message->full = report->full;
    message->last = report->last;
    message->refresh = report->refresh;
    message->n_tenants = report->tenant_count;
    message->tenants =
        arena_alloc_array(arena, report->tenant_count, sizeof(Skein__V1__TenantInfo *));
    for (size_t i = 0; i < report->tenant_count; i++) {
        message->tenants[i] = wire_parts_of_tenant(&report->tenants[i], arena);
    }
    message->removed = wire_parts_of_texts(report->removed, report->removed_count, arena);
    message->n_removed = report->removed_count;
    return message;
}

static Skein__V1__TaskResult *wire_agent_of_result(const struct task_result *result,
                                                   struct arena *arena)
{
    Skein__V1__TaskResult *message = wire_codec_new(&skein__v1__task_result__descriptor, arena);

    message->rollout = wire_codec_borrow(result->rollout);
    message->mode = wire_enum_of_mode(result->mode);
    message->tenant = wire_codec_borrow(result->tenant);
    message->token = result->token;
    message->outcome = wire_enum_of_outcome(result->outcome);
    if (result->error.code != TASK_CODE_NONE) {
        message->error = wire_parts_of_error(&result->error, arena);
    }
    message->n_warnings = result->warning_count;
    message->warnings =
        arena_alloc_array(arena, result->warning_count, sizeof(Skein__V1__TaskError *));
    for (size_t i = 0; i < result->warning_count; i++) {
        message->warnings[i] = wire_parts_of_error(&result->warnings[i], arena);
    }
    message->version = wire_codec_borrow(result->version);
    message->scripts = result->scripts;
    message->repeatables = result->repeatables;
    message->duration_us = result->duration_us;
    if (result->measure != NULL) {
        message->measure = wire_measure_of_task(result->measure, arena);
    }
    message->stamp = result->stamp;
    message->fingerprint =
        wire_codec_borrow(result->fingerprint == NULL ? "" : result->fingerprint);
    return message;
}

static Skein__V1__TaskResults *wire_agent_of_results(const struct task_results *results,
                                                     struct arena *arena)
{
    Skein__V1__TaskResults *message = wire_codec_new(&skein__v1__task_results__descriptor, arena);

    message->sequence = results->sequence;
    message->n_results = results->count;
    message->results = arena_alloc_array(arena, results->count, sizeof(Skein__V1__TaskResult *));
    for (size_t i = 0; i < results->count; i++) {
        message->results[i] = wire_agent_of_result(&results->items[i], arena);
    }
    return message;
}

static Skein__V1__HistoryReply *wire_agent_of_history(const struct history_reply *reply,
                                                      struct arena *arena)
{
    Skein__V1__HistoryReply *message = wire_codec_new(&skein__v1__history_reply__descriptor, arena);

    message->request = reply->request;
    message->entries = wire_parts_of_history(reply->entries, reply->count, arena);
    message->labelled = reply->labelled;
    message->n_entries = reply->count;
    message->error = wire_codec_text(arena, reply->error, ERROR_BYTES_MAX);
    return message;
}

struct bytes wire_encode_agent_message(const struct agent_message *message, struct arena *arena)
{
    Skein__V1__AgentMessage *wire = wire_codec_new(&skein__v1__agent_message__descriptor, arena);

    switch (message->kind) {
    case AGENT_MESSAGE_HELLO:
        wire->body_case = SKEIN__V1__AGENT_MESSAGE__BODY_HELLO;
        wire->hello = wire_agent_of_hello(&message->hello, arena);
        break;
    case AGENT_MESSAGE_HEARTBEAT:
        wire->body_case = SKEIN__V1__AGENT_MESSAGE__BODY_HEARTBEAT;
        wire->heartbeat = wire_agent_of_heartbeat(&message->heartbeat, arena);
        break;
    case AGENT_MESSAGE_TENANTS:
        wire->body_case = SKEIN__V1__AGENT_MESSAGE__BODY_TENANTS;
        wire->tenants = wire_agent_of_tenants(&message->tenants, arena);
        break;
    case AGENT_MESSAGE_RESULTS:
        wire->body_case = SKEIN__V1__AGENT_MESSAGE__BODY_RESULTS;
        wire->results = wire_agent_of_results(&message->results, arena);
        break;
    case AGENT_MESSAGE_HISTORY:
        wire->body_case = SKEIN__V1__AGENT_MESSAGE__BODY_HISTORY;
        wire->history = wire_agent_of_history(&message->history, arena);
        break;
    case AGENT_MESSAGE_LEAVING:
        wire->body_case = SKEIN__V1__AGENT_MESSAGE__BODY_LEAVING;
        wire->leaving = wire_codec_new(&skein__v1__leaving__descriptor, arena);
        wire->leaving->done = message->leaving_done;
        break;
    case AGENT_MESSAGE_CONTROL_CALL:
        wire->body_case = SKEIN__V1__AGENT_MESSAGE__BODY_CONTROL_CALL;
        wire->control_call = wire_control_of_call(&message->control_call, arena);
        break;
    case AGENT_MESSAGE_CONTROL_DONE:
        wire->body_case = SKEIN__V1__AGENT_MESSAGE__BODY_CONTROL_DONE;
        wire->control_done = wire_control_of_done(&message->control_done, arena);
        break;
    case AGENT_MESSAGE_SCHEMAS:
        wire->body_case = SKEIN__V1__AGENT_MESSAGE__BODY_SCHEMAS;
        wire->schemas = wire_schema_of_reply(&message->schemas, arena);
        break;
    case AGENT_MESSAGE_COUNT:
        assert(message->kind != AGENT_MESSAGE_COUNT);
    }
    return wire_codec_pack(&wire->base, arena);
}

/* ---- decode ---- */

static struct agent_hello wire_agent_to_hello(struct wire_check *check,
                                              const Skein__V1__Hello *hello, struct arena *arena)
{
    check->message = "Hello";
    struct agent_hello result = {
        .protocol = hello->protocol,
        .shard = wire_check_key(check, "shard", hello->shard),
        .agent = wire_check_name(check, "agent", hello->agent),
        .version = wire_check_name_or_empty(check, "version", hello->version),
        .labels = wire_parts_to_labels(check, hello->labels, hello->n_labels, arena),
        .workers = hello->workers,
        .lease_id = hello->lease_id,
        .running_count = hello->n_running,
    };

    wire_check_number(check, "workers", hello->workers, AGENT_WORKERS_MAX);
    wire_check_number(check, "running", hello->n_running, TENANTS_PER_MESSAGE_MAX);
    if (check->failed) {
        return result;
    }
    struct running_task *running = arena_alloc_array(arena, hello->n_running, sizeof(*running));
    check->list = "running";
    for (size_t i = 0; i < hello->n_running; i++) {
        const Skein__V1__RunningTask *task = hello->running[i];
        check->index = i;
        running[i] = (struct running_task){
            .rollout = wire_check_key(check, "rollout", task->rollout),
            .mode = wire_enum_to_mode(check, "mode", task->mode),
            .tenant = wire_check_key(check, "tenant", task->tenant),
            .token = task->token,
        };
    }
    result.running = running;
    return result;
}

static struct agent_heartbeat wire_agent_to_heartbeat(struct wire_check *check,
                                                      const Skein__V1__Heartbeat *heartbeat,
                                                      struct arena *arena)
{
    check->message = "Heartbeat";
    struct agent_heartbeat result = {
        .sequence = heartbeat->sequence,
        .tasks_in_flight = heartbeat->tasks_in_flight,
        .trouble = wire_check_text(check, "trouble", heartbeat->trouble, ERROR_BYTES_MAX),
        .progress_count = heartbeat->n_progress,
        .workers_now = heartbeat->workers_now,
        .workers_reason =
            wire_check_text(check, "workers_reason", heartbeat->workers_reason, TEXT_BYTES_MAX),
    };

    wire_check_number(check, "progress", heartbeat->n_progress, PROGRESS_SHOWN_MAX);
    if (check->failed) {
        return result;
    }
    struct task_progress *progress =
        arena_alloc_array(arena, heartbeat->n_progress, sizeof(*progress));
    check->list = "progress";
    for (size_t i = 0; i < heartbeat->n_progress; i++) {
        check->index = i;
        progress[i] = wire_parts_to_progress(check, heartbeat->progress[i]);
    }
    check->list = NULL;
    result.progress = progress;
    return result;
}

static struct tenant_report wire_agent_to_tenants(struct wire_check *check,
                                                  const Skein__V1__TenantReport *report,
                                                  struct arena *arena)
{
    struct tenant_report result = {
        .full = report->full != 0,
        .last = report->last != 0,
        .refresh = report->refresh,
        .tenant_count = report->n_tenants,
        .removed_count = report->n_removed,
    };

    check->message = "TenantReport";
    wire_check_number(check, "tenants", report->n_tenants, TENANTS_PER_MESSAGE_MAX);
    wire_check_number(check, "removed", report->n_removed, TENANTS_PER_SHARD_MAX);
    if (check->failed) {
        return result;
    }
    struct tenant_info *tenants = arena_alloc_array(arena, report->n_tenants, sizeof(*tenants));
    check->list = "tenants";
    for (size_t i = 0; i < report->n_tenants && !check->failed; i++) {
        check->index = i;
        tenants[i] = wire_parts_to_tenant(check, report->tenants[i], arena);
    }
    check->list = NULL;
    const char **removed = arena_alloc_array(arena, report->n_removed, sizeof(*removed));
    for (size_t i = 0; i < report->n_removed; i++) {
        removed[i] = wire_check_key(check, "removed", report->removed[i]);
    }
    result.tenants = tenants;
    result.removed = removed;
    return result;
}

static struct task_result wire_agent_to_result(struct wire_check *check,
                                               const Skein__V1__TaskResult *result,
                                               struct arena *arena)
{
    enum task_mode mode = wire_enum_to_mode(check, "mode", result->mode);
    struct task_result to = {
        .rollout = wire_check_key(check, "rollout", result->rollout),
        .mode = mode,
        .tenant = wire_check_key(check, "tenant", result->tenant),
        .token = result->token,
        .outcome = wire_enum_to_outcome(check, "outcome", result->outcome),
        .error = wire_parts_to_error(check, result->error, mode),
        .warning_count = result->n_warnings,
        .version = wire_check_name_or_empty(check, "version", result->version),
        .scripts = result->scripts,
        .repeatables = result->repeatables,
        .duration_us = result->duration_us,
        .measure = wire_measure_to_task(check, result->measure, arena),
        .stamp = result->stamp,
        .fingerprint = wire_check_name_or_empty(check, "fingerprint", result->fingerprint),
    };

    if (to.outcome != TASK_SUCCEEDED && to.error.code == TASK_CODE_NONE) {
        wire_check_fail(check, "error.code", "a task that did not succeed needs one");
    }
    wire_check_number(check, "warnings", result->n_warnings, WARNINGS_PER_TASK_MAX);
    if (check->failed) {
        return to;
    }
    struct task_error *warnings = arena_alloc_array(arena, result->n_warnings, sizeof(*warnings));
    for (size_t i = 0; i < result->n_warnings; i++) {
        warnings[i] = wire_parts_to_error(check, result->warnings[i], mode);
    }
    to.warnings = warnings;
    return to;
}

static struct task_results wire_agent_to_results(struct wire_check *check,
                                                 const Skein__V1__TaskResults *results,
                                                 struct arena *arena)
{
    struct task_results to = { .sequence = results->sequence, .count = results->n_results };

    check->message = "TaskResults";
    wire_check_number(check, "results", results->n_results, TENANTS_PER_MESSAGE_MAX);
    if (check->failed) {
        return to;
    }
    struct task_result *items = arena_alloc_array(arena, results->n_results, sizeof(*items));
    check->list = "results";
    for (size_t i = 0; i < results->n_results && !check->failed; i++) {
        check->index = i;
        items[i] = wire_agent_to_result(check, results->results[i], arena);
    }
    to.items = items;
    return to;
}

static struct history_reply wire_agent_to_history(struct wire_check *check,
                                                  const Skein__V1__HistoryReply *reply,
                                                  struct arena *arena)
{
    check->message = "HistoryReply";
    return (struct history_reply){
        .request = reply->request,
        .error = wire_check_text(check, "error", reply->error, ERROR_BYTES_MAX),
        .entries = wire_parts_to_history(check, reply->entries, reply->n_entries, arena),
        .labelled = reply->labelled != 0,
        .count = reply->n_entries,
    };
}

bool wire_decode_agent_message(struct bytes wire, struct arena *arena,
                               struct agent_message *ret_message, struct error *err)
{
    struct wire_check check = { .message = "AgentMessage", .err = err };
    struct agent_message message = { 0 };
    const Skein__V1__AgentMessage *from =
        wire_codec_unpack(&skein__v1__agent_message__descriptor, wire, arena, err);

    if (from == NULL) {
        return false;
    }
    if (from->body_case == SKEIN__V1__AGENT_MESSAGE__BODY_HELLO) {
        message.kind = AGENT_MESSAGE_HELLO;
        message.hello = wire_agent_to_hello(&check, from->hello, arena);
    } else if (from->body_case == SKEIN__V1__AGENT_MESSAGE__BODY_HEARTBEAT) {
        message.kind = AGENT_MESSAGE_HEARTBEAT;
        message.heartbeat = wire_agent_to_heartbeat(&check, from->heartbeat, arena);
    } else if (from->body_case == SKEIN__V1__AGENT_MESSAGE__BODY_TENANTS) {
        message.kind = AGENT_MESSAGE_TENANTS;
        message.tenants = wire_agent_to_tenants(&check, from->tenants, arena);
    } else if (from->body_case == SKEIN__V1__AGENT_MESSAGE__BODY_RESULTS) {
        message.kind = AGENT_MESSAGE_RESULTS;
        message.results = wire_agent_to_results(&check, from->results, arena);
    } else if (from->body_case == SKEIN__V1__AGENT_MESSAGE__BODY_HISTORY) {
        message.kind = AGENT_MESSAGE_HISTORY;
        message.history = wire_agent_to_history(&check, from->history, arena);
    } else if (from->body_case == SKEIN__V1__AGENT_MESSAGE__BODY_LEAVING) {
        message.kind = AGENT_MESSAGE_LEAVING;
        message.leaving_done = from->leaving->done != 0;
    } else if (from->body_case == SKEIN__V1__AGENT_MESSAGE__BODY_CONTROL_CALL) {
        message.kind = AGENT_MESSAGE_CONTROL_CALL;
        message.control_call = wire_control_to_call(&check, from->control_call);
    } else if (from->body_case == SKEIN__V1__AGENT_MESSAGE__BODY_CONTROL_DONE) {
        message.kind = AGENT_MESSAGE_CONTROL_DONE;
        message.control_done = wire_control_to_done(&check, from->control_done);
    } else if (from->body_case == SKEIN__V1__AGENT_MESSAGE__BODY_SCHEMAS) {
        message.kind = AGENT_MESSAGE_SCHEMAS;
        message.schemas = wire_schema_to_reply(&check, from->schemas, arena);
    } else {
        wire_check_fail(&check, "body", "none that this version knows is set");
    }
    if (!check.failed) {
        *ret_message = message;
    }
    return !check.failed;
}
