/* CoordinatorMessage: what the coordinator that leads says to an agent. */
#include "common/wire/wire.h"

#include <assert.h>

#include "common/core/limits.h"
#include "common/wire/wire_codec.h"
#include "common/wire/wire_control.h"
#include "common/wire/wire_enum.h"
#include "common/wire/wire_parts.h"
#include "common/wire/wire_schema.h"
#include "skein/v1/agent.pb-c.h"

/* ---- encode ---- */

static Skein__V1__Welcome *wire_coordinator_of_welcome(const struct welcome *welcome,
                                                       struct arena *arena)
{
    Skein__V1__Welcome *message = wire_codec_new(&skein__v1__welcome__descriptor, arena);

    message->lease_id = welcome->lease_id;
    message->lease_ttl_ms = welcome->lease_ttl_ms;
    message->heartbeat_interval_ms = welcome->heartbeat_interval_ms;
    message->granted = welcome->granted;
    message->heartbeat = welcome->heartbeat;
    return message;
}

static Skein__V1__TaskAssignment *
wire_coordinator_of_assignment(const struct task_assignment *assign, struct arena *arena)
{
    Skein__V1__TaskAssignment *message =
        wire_codec_new(&skein__v1__task_assignment__descriptor, arena);

    message->rollout = wire_codec_borrow(assign->rollout);
    message->mode = wire_enum_of_mode(assign->mode);
    message->set = wire_codec_borrow(assign->set);
    message->digest = wire_codec_borrow(assign->digest);
    message->target = wire_codec_borrow(assign->target);
    message->token = assign->token;
    message->lock_timeout_ms = assign->lock_timeout_ms;
    message->rehearse_rollback = assign->rehearse_rollback;
    message->size_limit_bytes = assign->size_limit_bytes;
    message->allow_large = assign->allow_large;
    message->source = wire_codec_borrow(assign->source);
    message->from_ledger = wire_codec_borrow(assign->from_ledger);
    message->dry_run_step = (Skein__V1__DryRunStep)assign->dry_run_step; /* the same numbers */
    message->kind = wire_enum_of_kind(assign->kind);
    message->labels = wire_parts_of_labels(&assign->labels, arena);
    message->n_labels = assign->labels.count;
    message->force = assign->force;
    message->patience_ms = assign->patience_ms;
    message->lock_budget_ms = assign->lock_budget_ms;
    message->n_tasks = assign->task_count;
    message->tasks = arena_alloc_array(arena, assign->task_count, sizeof(Skein__V1__Task *));
    for (size_t i = 0; i < assign->task_count; i++) {
        message->tasks[i] = wire_codec_new(&skein__v1__task__descriptor, arena);
        message->tasks[i]->tenant = wire_codec_borrow(assign->tasks[i].tenant);
        message->tasks[i]->from = wire_codec_borrow(assign->tasks[i].from);
        message->tasks[i]->repeatables = assign->tasks[i].repeatables;
        message->tasks[i]->baseline = wire_codec_borrow(assign->tasks[i].baseline);
        message->tasks[i]->stamp = assign->tasks[i].stamp;
    }
    return message;
}

static Skein__V1__TaskCancel *wire_coordinator_of_cancel(const struct task_cancel *cancel,
                                                         struct arena *arena)
{
    Skein__V1__TaskCancel *message = wire_codec_new(&skein__v1__task_cancel__descriptor, arena);

    message->rollout = wire_codec_borrow(cancel->rollout);
    message->tenants = wire_parts_of_texts(cancel->tenants, cancel->tenant_count, arena);
    message->n_tenants = cancel->tenant_count;
    return message;
}

static Skein__V1__HistoryRequest *wire_coordinator_of_history(const struct history_request *request,
                                                              struct arena *arena)
{
    Skein__V1__HistoryRequest *message =
        wire_codec_new(&skein__v1__history_request__descriptor, arena);

    message->request = request->request;
    message->tenant = wire_codec_borrow(request->tenant);
    message->limit = request->limit;
    message->labels = wire_parts_of_labels(&request->labels, arena);
    message->n_labels = request->labels.count;
    message->unlabelled =
        wire_parts_of_texts(request->unlabelled, request->unlabelled_count, arena);
    message->n_unlabelled = request->unlabelled_count;
    return message;
}

/* The kinds that are a single number or name. */
static void wire_coordinator_set_small(Skein__V1__CoordinatorMessage *wire,
                                       const struct coordinator_message *message,
                                       struct arena *arena)
{
    if (message->kind == COORDINATOR_MESSAGE_STANDBY) {
        wire->body_case = SKEIN__V1__COORDINATOR_MESSAGE__BODY_STANDBY;
        wire->standby = wire_codec_new(&skein__v1__standby__descriptor, arena);
        wire->standby->agent = wire_codec_borrow(message->standby_for);
    } else if (message->kind == COORDINATOR_MESSAGE_HEARTBEAT_ACK) {
        wire->body_case = SKEIN__V1__COORDINATOR_MESSAGE__BODY_HEARTBEAT_ACK;
        wire->heartbeat_ack = wire_codec_new(&skein__v1__heartbeat_ack__descriptor, arena);
        wire->heartbeat_ack->sequence = message->sequence;
    } else if (message->kind == COORDINATOR_MESSAGE_RESULTS_ACK) {
        wire->body_case = SKEIN__V1__COORDINATOR_MESSAGE__BODY_RESULTS_ACK;
        wire->results_ack = wire_codec_new(&skein__v1__results_ack__descriptor, arena);
        wire->results_ack->sequence = message->sequence;
    } else {
        assert(message->kind == COORDINATOR_MESSAGE_REFRESH);
        wire->body_case = SKEIN__V1__COORDINATOR_MESSAGE__BODY_REFRESH;
        wire->refresh = wire_codec_new(&skein__v1__refresh_tenants__descriptor, arena);
        wire->refresh->refresh = message->refresh;
    }
}

struct bytes wire_encode_coordinator_message(const struct coordinator_message *message,
                                             struct arena *arena)
{
    Skein__V1__CoordinatorMessage *wire =
        wire_codec_new(&skein__v1__coordinator_message__descriptor, arena);

    wire->term = message->term;
    switch (message->kind) {
    case COORDINATOR_MESSAGE_WELCOME:
        wire->body_case = SKEIN__V1__COORDINATOR_MESSAGE__BODY_WELCOME;
        wire->welcome = wire_coordinator_of_welcome(&message->welcome, arena);
        break;
    case COORDINATOR_MESSAGE_ASSIGN:
        wire->body_case = SKEIN__V1__COORDINATOR_MESSAGE__BODY_ASSIGN;
        wire->assign = wire_coordinator_of_assignment(&message->assign, arena);
        break;
    case COORDINATOR_MESSAGE_CANCEL:
        wire->body_case = SKEIN__V1__COORDINATOR_MESSAGE__BODY_CANCEL;
        wire->cancel = wire_coordinator_of_cancel(&message->cancel, arena);
        break;
    case COORDINATOR_MESSAGE_HISTORY:
        wire->body_case = SKEIN__V1__COORDINATOR_MESSAGE__BODY_HISTORY;
        wire->history = wire_coordinator_of_history(&message->history, arena);
        break;
    case COORDINATOR_MESSAGE_CONTROL_RUN:
        wire->body_case = SKEIN__V1__COORDINATOR_MESSAGE__BODY_CONTROL_RUN;
        wire->control_run = wire_control_of_run(&message->control_run, arena);
        break;
    case COORDINATOR_MESSAGE_CONTROL_ANSWER:
        wire->body_case = SKEIN__V1__COORDINATOR_MESSAGE__BODY_CONTROL_ANSWER;
        wire->control_answer = wire_control_of_answer(&message->control_answer, arena);
        break;
    case COORDINATOR_MESSAGE_SCHEMAS:
        wire->body_case = SKEIN__V1__COORDINATOR_MESSAGE__BODY_SCHEMAS;
        wire->schemas = wire_schema_of_request(&message->schemas, arena);
        break;
    case COORDINATOR_MESSAGE_STANDBY:
    case COORDINATOR_MESSAGE_HEARTBEAT_ACK:
    case COORDINATOR_MESSAGE_REFRESH:
    case COORDINATOR_MESSAGE_RESULTS_ACK:
        wire_coordinator_set_small(wire, message, arena);
        break;
    case COORDINATOR_MESSAGE_COUNT:
        assert(message->kind != COORDINATOR_MESSAGE_COUNT);
    }
    return wire_codec_pack(&wire->base, arena);
}

/* ---- decode ---- */

/* A coordinator that says nothing of it is an older one. */
static enum rollout_kind wire_coordinator_to_kind(struct wire_check *check,
                                                  Skein__V1__RolloutKind kind)
{
    return kind == SKEIN__V1__ROLLOUT_KIND__ROLLOUT_KIND_UNSPECIFIED
               ? ROLLOUT_MIGRATE
               : wire_enum_to_kind(check, "kind", kind);
}

static struct task_assignment
wire_coordinator_to_assignment(struct wire_check *check, const Skein__V1__TaskAssignment *assign,
                               struct arena *arena)
{
    check->message = "TaskAssignment";
    struct task_assignment result = {
        .rollout = wire_check_key(check, "rollout", assign->rollout),
        .mode = wire_enum_to_mode(check, "mode", assign->mode),
        .set = wire_check_key(check, "set", assign->set),
        .digest = wire_check_key(check, "digest", assign->digest),
        .target = wire_check_name_or_empty(check, "target", assign->target),
        .token = assign->token,
        .lock_timeout_ms = assign->lock_timeout_ms,
        .task_count = assign->n_tasks,
        .rehearse_rollback = assign->rehearse_rollback != 0,
        .size_limit_bytes = assign->size_limit_bytes,
        .allow_large = assign->allow_large != 0,
        .source = wire_check_name_or_empty(check, "source", assign->source),
        .from_ledger = wire_check_text(check, "from_ledger", assign->from_ledger, TEXT_BYTES_MAX),
        .dry_run_step = (enum dry_run_step)assign->dry_run_step,
        .kind = wire_coordinator_to_kind(check, assign->kind),
        .labels = wire_parts_to_labels(check, assign->labels, assign->n_labels, arena),
        .force = assign->force != 0,
        .patience_ms = assign->patience_ms,
        .lock_budget_ms = assign->lock_budget_ms,
    };

    wire_check_number(check, "dry_run_step", (uint64_t)assign->dry_run_step,
                      DRY_RUN_STEP_COUNT - 1);
    wire_check_number(check, "tasks", assign->n_tasks, TENANTS_PER_MESSAGE_MAX);
    if (check->failed) {
        return result;
    }
    struct task_item *tasks = arena_alloc_array(arena, assign->n_tasks, sizeof(*tasks));
    check->list = "tasks";
    for (size_t i = 0; i < assign->n_tasks; i++) {
        check->index = i;
        tasks[i].tenant = wire_check_key(check, "tenant", assign->tasks[i]->tenant);
        tasks[i].from = wire_check_name_or_empty(check, "from", assign->tasks[i]->from);
        tasks[i].repeatables = assign->tasks[i]->repeatables;
        tasks[i].baseline = wire_check_name_or_empty(check, "baseline", assign->tasks[i]->baseline);
        tasks[i].stamp = assign->tasks[i]->stamp;
    }
    result.tasks = tasks;
    return result;
}

static struct task_cancel wire_coordinator_to_cancel(struct wire_check *check,
                                                     const Skein__V1__TaskCancel *cancel,
                                                     struct arena *arena)
{
    check->message = "TaskCancel";
    struct task_cancel result = {
        .rollout = wire_check_key(check, "rollout", cancel->rollout),
        .tenant_count = cancel->n_tenants,
    };

    wire_check_number(check, "tenants", cancel->n_tenants, TENANTS_PER_MESSAGE_MAX);
    if (check->failed) {
        return result;
    }
    const char **tenants = arena_alloc_array(arena, cancel->n_tenants, sizeof(*tenants));
    for (size_t i = 0; i < cancel->n_tenants; i++) {
        tenants[i] = wire_check_key(check, "tenants", cancel->tenants[i]);
    }
    result.tenants = tenants;
    return result;
}

static struct history_request wire_coordinator_to_history(struct wire_check *check,
                                                          const Skein__V1__HistoryRequest *request,
                                                          struct arena *arena)
{
    check->message = "HistoryRequest";
    wire_check_number(check, "limit", request->limit, HISTORY_ENTRIES_MAX);
    wire_check_number(check, "unlabelled", request->n_unlabelled, LABELS_MAX);
    const char **gone = arena_alloc_array(arena, request->n_unlabelled, sizeof(*gone));
    for (size_t i = 0; i < request->n_unlabelled; i++) {
        gone[i] = wire_check_name(check, "unlabelled", request->unlabelled[i]);
    }
    return (struct history_request){
        .request = request->request,
        .tenant = wire_check_key(check, "tenant", request->tenant),
        .limit = request->limit,
        .labels = wire_parts_to_labels(check, request->labels, request->n_labels, arena),
        .unlabelled = gone,
        .unlabelled_count = request->n_unlabelled,
    };
}

static void wire_coordinator_to_body(struct wire_check *check,
                                     const Skein__V1__CoordinatorMessage *from, struct arena *arena,
                                     struct coordinator_message *message)
{
    if (from->body_case == SKEIN__V1__COORDINATOR_MESSAGE__BODY_WELCOME) {
        message->kind = COORDINATOR_MESSAGE_WELCOME;
        message->welcome =
            (struct welcome){ .lease_id = from->welcome->lease_id,
                              .lease_ttl_ms = from->welcome->lease_ttl_ms,
                              .heartbeat_interval_ms = from->welcome->heartbeat_interval_ms,
                              .granted = from->welcome->granted != 0,
                              .heartbeat = from->welcome->heartbeat };
    } else if (from->body_case == SKEIN__V1__COORDINATOR_MESSAGE__BODY_STANDBY) {
        check->message = "Standby";
        message->kind = COORDINATOR_MESSAGE_STANDBY;
        message->standby_for = wire_check_name_or_empty(check, "agent", from->standby->agent);
    } else if (from->body_case == SKEIN__V1__COORDINATOR_MESSAGE__BODY_HEARTBEAT_ACK) {
        message->kind = COORDINATOR_MESSAGE_HEARTBEAT_ACK;
        message->sequence = from->heartbeat_ack->sequence;
    } else if (from->body_case == SKEIN__V1__COORDINATOR_MESSAGE__BODY_ASSIGN) {
        message->kind = COORDINATOR_MESSAGE_ASSIGN;
        message->assign = wire_coordinator_to_assignment(check, from->assign, arena);
    } else if (from->body_case == SKEIN__V1__COORDINATOR_MESSAGE__BODY_CANCEL) {
        message->kind = COORDINATOR_MESSAGE_CANCEL;
        message->cancel = wire_coordinator_to_cancel(check, from->cancel, arena);
    } else if (from->body_case == SKEIN__V1__COORDINATOR_MESSAGE__BODY_REFRESH) {
        message->kind = COORDINATOR_MESSAGE_REFRESH;
        message->refresh = from->refresh->refresh;
    } else if (from->body_case == SKEIN__V1__COORDINATOR_MESSAGE__BODY_RESULTS_ACK) {
        message->kind = COORDINATOR_MESSAGE_RESULTS_ACK;
        message->sequence = from->results_ack->sequence;
    } else if (from->body_case == SKEIN__V1__COORDINATOR_MESSAGE__BODY_HISTORY) {
        message->kind = COORDINATOR_MESSAGE_HISTORY;
        message->history = wire_coordinator_to_history(check, from->history, arena);
    } else if (from->body_case == SKEIN__V1__COORDINATOR_MESSAGE__BODY_CONTROL_RUN) {
        message->kind = COORDINATOR_MESSAGE_CONTROL_RUN;
        message->control_run = wire_control_to_run(check, from->control_run);
    } else if (from->body_case == SKEIN__V1__COORDINATOR_MESSAGE__BODY_CONTROL_ANSWER) {
        message->kind = COORDINATOR_MESSAGE_CONTROL_ANSWER;
        message->control_answer = wire_control_to_answer(check, from->control_answer);
    } else if (from->body_case == SKEIN__V1__COORDINATOR_MESSAGE__BODY_SCHEMAS) {
        message->kind = COORDINATOR_MESSAGE_SCHEMAS;
        message->schemas = wire_schema_to_request(check, from->schemas, arena);
    } else {
        wire_check_fail(check, "body", "none that this version knows is set");
    }
}

bool wire_decode_coordinator_message(struct bytes wire, struct arena *arena,
                                     struct coordinator_message *ret_message, struct error *err)
{
    struct wire_check check = { .message = "CoordinatorMessage", .err = err };
    const Skein__V1__CoordinatorMessage *from =
        wire_codec_unpack(&skein__v1__coordinator_message__descriptor, wire, arena, err);

    if (from == NULL) {
        return false;
    }
    struct coordinator_message message = { .term = from->term };
    wire_coordinator_to_body(&check, from, arena, &message);
    if (!check.failed) {
        *ret_message = message;
    }
    return !check.failed;
}
