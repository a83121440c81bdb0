#include "coordinator/decide/history.h"

#include <stdio.h>
#include <stdlib.h>

#include <utlist.h>

#include "common/core/limits.h"
#include "common/core/memory.h"
#include "coordinator/decide/audit.h"
#include "coordinator/decide/copy.h"
#include "coordinator/decide/emit.h"
#include "coordinator/decide/registry.h"

struct history_call {
    uint64_t request;
    uint64_t call;
    uint64_t stream;
    uint64_t deadline_ms;
    char *what;   /* "history of 'eu-1/t_7'" */
    char *object; /* the tenant, or the shard of schemas */
    bool labels;  /* are to be written */
    struct history_call *prev, *next;
};

static void history_free_call(struct fleet *fleet, struct history_call *call)
{
    DL_DELETE(fleet->history, call);
    fleet->history_count--;
    free(call->what);
    free(call->object);
    free(call);
}

static void history_fail(struct step *step, struct history_call *call, enum err_code code,
                         const char *why)
{
    struct error err;

    error_set(&err, code, "%s: %s", call->what, why);
    emit_refuse(step, call->call, &err);
    history_free_call(step->fleet, call);
}

/* NULL after the call was refused. */
static struct history_call *history_begin(struct step *step, const struct operator_request *request,
                                          const struct shard *shard, const char *what,
                                          enum err_code away)
{
    const struct session *session = &shard->session;
    char words[2 * NAME_BYTES_MAX + 32];
    struct error err;

    if (session->state != SESSION_LIVE) {
        error_set(&err, away,
                  "the agent of shard '%s' is not connected, and only it can read the %s",
                  shard->name, what);
        emit_refuse(step, request->call, &err);
        return NULL;
    }
    if (step->fleet->history_count == HISTORY_CALLS_MAX) {
        error_set(&err, ERR_LIMIT, "%d such things are being read already: try again in a moment",
                  HISTORY_CALLS_MAX);
        emit_refuse(step, request->call, &err);
        return NULL;
    }
    snprintf(words, sizeof(words), "%s of '%s'", what, request->object);
    struct history_call *call = memory_alloc(sizeof(*call));
    call->request = ++step->fleet->next_id;
    call->call = request->call;
    call->stream = session->link->stream;
    call->deadline_ms = step->now_ms + HISTORY_ANSWER_MAX_MS;
    call->what = memory_strdup(words);
    call->object = memory_strdup(request->object);
    DL_APPEND(step->fleet->history, call);
    step->fleet->history_count++;
    return call;
}

/* NULL after the call was refused. */
static const struct tenant *history_tenant(struct step *step,
                                           const struct operator_request *request)
{
    const struct tenant *tenant = registry_find_path(step->fleet, request->object);
    struct error err;

    if (tenant == NULL) {
        error_set(&err, ERR_NOT_FOUND, "there is no tenant '%s'; `skein tenant list` has them all",
                  request->object);
        emit_refuse(step, request->call, &err);
    }
    return tenant;
}

void history_ask(struct step *step, const struct operator_request *request)
{
    const struct tenant *tenant = history_tenant(step, request);

    if (tenant == NULL) {
        return;
    }
    struct history_call *call =
        history_begin(step, request, tenant->shard, "history", ERR_UNAVAILABLE);
    if (call == NULL) {
        return;
    }
    emit_send(step, call->stream, COORDINATOR_MESSAGE_HISTORY)->history =
        (struct history_request){ .request = call->request,
                                  .tenant = copy_text(&step->effects->arena, tenant->info->name),
                                  .limit = request->limit };
}

/* What of the request the event names: "tier=free -region". */
static const char *history_label_words(struct arena *arena, const struct operator_request *request)
{
    const char *words = "";

    for (size_t i = 0; i < request->labels.count; i++) {
        words = arena_printf(arena, "%s%s%s=%s", words, words[0] == '\0' ? "" : " ",
                             request->labels.items[i].key, request->labels.items[i].value);
    }
    for (size_t i = 0; i < request->unlabelled_count; i++) {
        words = arena_printf(arena, "%s%s%s-", words, words[0] == '\0' ? "" : " ",
                             request->unlabelled[i]);
    }
    return words;
}

void history_ask_label(struct step *step, const struct operator_request *request)
{
    const struct tenant *tenant = history_tenant(step, request);
    struct arena *arena = &step->effects->arena;

    if (tenant == NULL) {
        return;
    }
    struct history_call *call =
        history_begin(step, request, tenant->shard, "labels", ERR_UNAVAILABLE);
    if (call == NULL) {
        return;
    }
    const char **gone = arena_alloc_array(arena, request->unlabelled_count, sizeof(*gone));
    for (size_t i = 0; i < request->unlabelled_count; i++) {
        gone[i] = copy_text(arena, request->unlabelled[i]);
    }
    call->labels = true;
    audit_add(step, request->actor, "tenant.label", request->object, request->reason, "%.200s",
              history_label_words(arena, request));
    emit_send(step, call->stream, COORDINATOR_MESSAGE_HISTORY)->history =
        (struct history_request){ .request = call->request,
                                  .tenant = copy_text(arena, tenant->info->name),
                                  .limit = 1,
                                  .labels = copy_labels(arena, &request->labels),
                                  .unlabelled = gone,
                                  .unlabelled_count = request->unlabelled_count };
}

void history_ask_schemas(struct step *step, const struct operator_request *request)
{
    const struct shard *shard = registry_find_shard(step->fleet, request->object);
    struct arena *arena = &step->effects->arena;
    struct error err;

    if (shard == NULL) {
        error_set(&err, ERR_NOT_FOUND, "there is no shard '%s'; `skein shard list` has them all",
                  request->object);
        emit_refuse(step, request->call, &err);
        return;
    }
    /* Refused: who asks for many tenants goes on with other shards, and does not wait for this. */
    struct history_call *call = history_begin(step, request, shard, "schemas", ERR_REFUSED);
    if (call == NULL) {
        return;
    }
    const char **tenants = arena_alloc_array(arena, request->tenant_count, sizeof(*tenants));
    for (size_t i = 0; i < request->tenant_count; i++) {
        tenants[i] = copy_text(arena, request->tenants[i]);
    }
    emit_send(step, call->stream, COORDINATOR_MESSAGE_SCHEMAS)->schemas =
        (struct schema_request){ .request = call->request,
                                 .tenants = tenants,
                                 .tenant_count = request->tenant_count,
                                 .lines = request->lines };
}

static struct history_call *history_find(const struct fleet *fleet, uint64_t stream,
                                         uint64_t request)
{
    struct history_call *call;

    DL_SEARCH_SCALAR(fleet->history, call, request, request);
    return call == NULL || call->stream != stream ? NULL : call;
}

void history_on_reply(struct step *step, uint64_t stream, const struct history_reply *reply)
{
    struct history_call *call = history_find(step->fleet, stream, reply->request);

    if (call == NULL) {
        return; /* the operator has given up */
    }
    if (reply->error[0] != '\0') {
        history_fail(step, call, ERR_INTERNAL, reply->error);
        return;
    }
    if (call->labels && !reply->labelled) {
        history_fail(step, call, ERR_UNAVAILABLE, "the shard's agent is of an older version");
        return;
    }
    emit_done(step, call->call, call->object)->reply.history =
        copy_history(&step->effects->arena, reply);
    history_free_call(step->fleet, call);
}

void history_on_schemas(struct step *step, uint64_t stream, const struct schema_reply *reply)
{
    struct history_call *call = history_find(step->fleet, stream, reply->request);

    if (call == NULL) {
        return;
    }
    if (reply->error[0] != '\0') {
        history_fail(step, call, ERR_INTERNAL, reply->error);
        return;
    }
    emit_done(step, call->call, call->object)->reply.schemas =
        copy_schemas(&step->effects->arena, reply);
    history_free_call(step->fleet, call);
}

void history_on_closed(struct step *step, uint64_t stream)
{
    struct history_call *call;
    struct history_call *next;

    DL_FOREACH_SAFE(step->fleet->history, call, next)
    {
        if (call->stream == stream) {
            history_fail(step, call, ERR_UNAVAILABLE, "the agent's connection was lost: try again");
        }
    }
}

void history_on_tick(struct step *step)
{
    struct history_call *call;
    struct history_call *next;

    DL_FOREACH_SAFE(step->fleet->history, call, next)
    {
        if (step->now_ms >= call->deadline_ms) {
            history_fail(step, call, ERR_TIMEOUT, "the agent did not answer in time");
        }
    }
}

void history_release(struct fleet *fleet)
{
    while (fleet->history != NULL) {
        history_free_call(fleet, fleet->history);
    }
}
