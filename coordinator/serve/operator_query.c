#include "coordinator/serve/operator_query.h"

#include <string.h>

#include "common/core/limits.h"
#include "common/model/plan.h"
#include "common/wire/wire_check.h"
#include "common/wire/wire_codec.h"
#include "common/wire/wire_record.h"
#include "coordinator/serve/operator_pages.h"
#include "coordinator/serve/operator_view.h"
#include "coordinator/serve/operator_watch.h"
#include "coordinator/serve/serve_reply.h"
#include "skein/v1/operator.pb-c.h"

enum { EVENTS_LIMIT_DEFAULT = 100 };

/* ---- sets ---- */

bool operator_query_sets(const struct operator_question *question, struct error *err)
{
    Skein__V1__ListSetsResponse response;
    size_t count = fleet_set_count(question->fleet);

    skein__v1__list_sets_response__init(&response);
    (void)err;
    response.sets = arena_alloc_array(question->arena, count, sizeof(*response.sets));
    for (size_t i = 0; i < count; i++) {
        const struct set_head *head = NULL;
        const struct set *set = NULL;
        fleet_set_at(question->fleet, i, &head, &set);
        response.sets[i] = wire_record_of_head(head, question->arena);
    }
    response.n_sets = count;
    serve_reply_message(question->call, &response.base);
    return true;
}

static const struct set *operator_query_find_set(const struct fleet *fleet, const char *name,
                                                 const char *digest, struct error *err)
{
    const struct set *set = fleet_set_find(fleet, name, digest);

    if (set != NULL) {
        return set;
    }
    if (digest[0] == '\0' || fleet_set_head(fleet, name) == NULL) {
        error_set(err, ERR_NOT_FOUND,
                  "no set '%s' is published: `skein set list` shows those that are", name);
    } else {
        error_set(err, ERR_NOT_FOUND,
                  "set '%s' has no digest %s that is still in use: ask without one for the newest",
                  name, digest);
    }
    return NULL;
}

bool operator_query_set(const struct operator_question *question, struct error *err)
{
    struct wire_check check = { .message = "GetSetRequest", .err = err };
    const Skein__V1__GetSetRequest *request = wire_codec_unpack(
        &skein__v1__get_set_request__descriptor, question->request, question->arena, err);

    if (request == NULL) {
        return false;
    }
    wire_check_key(&check, "set", request->set);
    wire_check_key_or_empty(&check, "digest", request->digest);
    const struct set *set =
        check.failed ? NULL
                     : operator_query_find_set(question->fleet, request->set, request->digest, err);
    if (set == NULL) {
        return false;
    }
    serve_reply_message(
        question->call,
        &operator_view_set(set, fleet_set_head(question->fleet, set->name), question->arena)->base);
    return true;
}

/* ---- tenants ---- */

/* Starts sending the tenants that the selector selects, page by page. */
static bool operator_query_start_pages(const struct operator_question *question,
                                       const char *selector_text, const struct set *set,
                                       const char *target, const char *baseline, struct error *err)
{
    CLEANUP(selector_free) struct selector *selector = NULL;

    if (strlen(selector_text) > SELECTOR_BYTES_MAX) {
        return error_set(err, ERR_INVALID, "selector: at most %d bytes are allowed",
                         SELECTOR_BYTES_MAX);
    }
    if (!selector_parse(selector_text, &selector, err)) {
        return false;
    }
    struct operator_stream *stream = operator_stream_new(question->call, question->number);
    stream->selector = TAKE(selector);
    stream->next = operator_pages_next;
    if (set != NULL) {
        stream->set = arena_strdup(&stream->arena, set->name);
        stream->digest = arena_strdup(&stream->arena, set->digest);
        stream->target = arena_strdup(&stream->arena, target);
        stream->baseline = arena_strdup(&stream->arena, baseline);
    }
    operator_streams_start(question->streams, stream, question->fleet, question->now_ms);
    return true;
}

bool operator_query_tenants(const struct operator_question *question, struct error *err)
{
    const Skein__V1__ListTenantsRequest *request = wire_codec_unpack(
        &skein__v1__list_tenants_request__descriptor, question->request, question->arena, err);

    return request != NULL &&
           operator_query_start_pages(question, request->selector, NULL, NULL, "", err);
}

bool operator_query_plan(const struct operator_question *question, struct error *err)
{
    struct wire_check check = { .message = "PlanRequest", .err = err };
    const char *target = NULL;
    const Skein__V1__PlanRequest *request = wire_codec_unpack(
        &skein__v1__plan_request__descriptor, question->request, question->arena, err);

    if (request == NULL) {
        return false;
    }
    wire_check_key(&check, "set", request->set);
    wire_check_name_or_empty(&check, "target", request->target);
    wire_check_name_or_empty(&check, "baseline_unmanaged", request->baseline_unmanaged);
    const struct set *set =
        check.failed ? NULL : operator_query_find_set(question->fleet, request->set, "", err);
    const char *baseline = request->baseline_unmanaged;
    return set != NULL && plan_check_target(set, request->target, &target, err) &&
           (baseline[0] == '\0' || plan_check_baseline(set, baseline, target, err)) &&
           operator_query_start_pages(question, request->selector, set, target, baseline, err);
}

/* ---- rollouts ---- */

bool operator_query_rollouts(const struct operator_question *question, struct error *err)
{
    Skein__V1__ListRolloutsResponse response;
    size_t count = fleet_rollout_count(question->fleet);
    size_t bytes = 0;

    skein__v1__list_rollouts_response__init(&response);
    (void)err;
    response.rollouts = arena_alloc_array(question->arena, count, sizeof(*response.rollouts));
    /* Newest first, so what does not fit into a message is the oldest. */
    for (size_t i = 0; i < count && bytes < ANSWER_BYTES_MAX; i++) {
        struct rollout_view view;
        fleet_rollout_at(question->fleet, i, question->now_ms, &view);
        response.rollouts[i] = operator_view_rollout(&view, question->arena);
        bytes += protobuf_c_message_get_packed_size(&response.rollouts[i]->base) + 8;
        response.n_rollouts++;
    }
    serve_reply_message(question->call, &response.base);
    return true;
}

static const Skein__V1__GetRolloutRequest *
operator_query_read_rollout(const struct operator_question *question, struct error *err)
{
    struct wire_check check = { .message = "GetRolloutRequest", .err = err };
    const Skein__V1__GetRolloutRequest *request = wire_codec_unpack(
        &skein__v1__get_rollout_request__descriptor, question->request, question->arena, err);

    if (request == NULL) {
        return NULL;
    }
    wire_check_key(&check, "id", request->id);
    return check.failed ? NULL : request;
}

bool operator_query_rollout(const struct operator_question *question, struct error *err)
{
    struct rollout_view view;
    const Skein__V1__GetRolloutRequest *request = operator_query_read_rollout(question, err);

    if (request == NULL ||
        !fleet_rollout_find(question->fleet, request->id, question->now_ms, &view, err)) {
        return false;
    }
    Skein__V1__Rollout *rollout = operator_view_rollout(&view, question->arena);
    operator_view_add_lists(rollout, &view, request->errors_max, question->arena);
    serve_reply_message(question->call, &rollout->base);
    return true;
}

bool operator_query_watch(const struct operator_question *question, struct error *err)
{
    struct rollout_view view;
    const Skein__V1__GetRolloutRequest *request = operator_query_read_rollout(question, err);

    if (request == NULL ||
        !fleet_rollout_find(question->fleet, request->id, question->now_ms, &view, err)) {
        return false;
    }
    struct operator_stream *stream = operator_stream_new(question->call, question->number);
    /* The whole id: a beginning may become ambiguous while somebody watches. */
    stream->rollout = arena_strdup(&stream->arena, view.spec->id);
    stream->errors_max = request->errors_max;
    stream->next = operator_watch_next;
    operator_streams_start(question->streams, stream, question->fleet, question->now_ms);
    return true;
}

/* ---- shards, locks, events ---- */

bool operator_query_shards(const struct operator_question *question, struct error *err)
{
    Skein__V1__ListShardsResponse response;
    size_t count = fleet_shard_count(question->fleet);

    skein__v1__list_shards_response__init(&response);
    (void)err;
    response.shards = arena_alloc_array(question->arena, count, sizeof(*response.shards));
    for (size_t i = 0; i < count; i++) {
        struct shard_view view;
        fleet_shard_at(question->fleet, i, &view);
        response.shards[i] = operator_view_shard(&view, question->arena);
    }
    response.n_shards = count;
    serve_reply_message(question->call, &response.base);
    return true;
}

struct operator_query_locks {
    Skein__V1__ListLocksResponse response;
    struct arena *arena;
    size_t capacity;
    size_t bytes;
    bool holds; /* this pass: operators' holds, else rollouts' locks */
};

static void operator_query_count_lock(void *user, const struct lock_record *lock)
{
    struct operator_query_locks *locks = user;

    (void)lock;
    locks->response.total++;
}

static void operator_query_add_lock(void *user, const struct lock_record *lock)
{
    struct operator_query_locks *locks = user;

    if ((lock->rollout[0] == '\0') != locks->holds || locks->bytes > ANSWER_BYTES_MAX) {
        return;
    }
    Skein__V1__Lock *message = wire_record_of_lock(lock, locks->arena);
    message->id = wire_codec_borrow(""); /* its program's alone */
    locks->bytes += protobuf_c_message_get_packed_size(&message->base) + 8;
    locks->response.locks[locks->response.n_locks++] = message;
}

bool operator_query_locks(const struct operator_question *question, struct error *err)
{
    struct operator_query_locks locks = {
        .arena = question->arena,
        .holds = true,
    };

    (void)err;
    skein__v1__list_locks_response__init(&locks.response);
    fleet_visit_locks(question->fleet, operator_query_count_lock, &locks);
    locks.response.locks =
        arena_alloc_array(question->arena, locks.response.total, sizeof(*locks.response.locks));
    fleet_visit_locks(question->fleet, operator_query_add_lock, &locks);
    locks.holds = false;
    fleet_visit_locks(question->fleet, operator_query_add_lock, &locks);
    serve_reply_message(question->call, &locks.response.base);
    return true;
}

bool operator_query_events(const struct operator_question *question, struct error *err)
{
    struct wire_check check = { .message = "ListEventsRequest", .err = err };
    Skein__V1__ListEventsResponse response;
    size_t count = fleet_event_count(question->fleet);
    size_t bytes = 0;
    const Skein__V1__ListEventsRequest *request = wire_codec_unpack(
        &skein__v1__list_events_request__descriptor, question->request, question->arena, err);

    skein__v1__list_events_response__init(&response);
    if (request == NULL) {
        return false;
    }
    wire_check_number(&check, "limit", request->limit, EVENTS_KEPT_MAX);
    if (check.failed) {
        return false;
    }
    size_t limit = request->limit == 0 ? EVENTS_LIMIT_DEFAULT : request->limit;
    response.events = arena_alloc_array(question->arena, count, sizeof(*response.events));
    for (size_t i = 0; i < count && i < limit && bytes < ANSWER_BYTES_MAX; i++) {
        response.events[i] =
            wire_record_of_event(fleet_event_at(question->fleet, i), question->arena);
        bytes += protobuf_c_message_get_packed_size(&response.events[i]->base) + 8;
        response.n_events++;
    }
    serve_reply_message(question->call, &response.base);
    return true;
}
