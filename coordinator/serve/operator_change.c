#include "coordinator/serve/operator_change.h"

#include <string.h>
#include <sys/random.h>

#include "common/core/limits.h"
#include "common/model/checksum.h"
#include "common/model/selector.h"
#include "common/model/semver.h"
#include "common/wire/wire_check.h"
#include "common/wire/wire_codec.h"
#include "common/wire/wire_enum.h"
#include "common/wire/wire_parts.h"
#include "common/wire/wire_schema.h"
#include "skein/v1/operator.pb-c.h"

enum {
    IDEMPOTENCY_KEY_BYTES_MAX = 64,
    HISTORY_LIMIT_DEFAULT = 100,
    ID_RANDOM_BYTES = 5, /* 40 bits are 8 characters of base32 */
};

static const char operator_change_digits[] = "abcdefghijklmnopqrstuvwxyz234567";

bool operator_change_make_id(const char *idempotency_key, char ret_id[ROLLOUT_ID_BYTES],
                             struct error *err)
{
    uint8_t bytes[CHECKSUM_BYTES] = { 0 };
    uint64_t number = 0;

    if (idempotency_key[0] != '\0') {
        checksum_of_text(bytes_of_text(idempotency_key), bytes);
    } else if (getrandom(bytes, ID_RANDOM_BYTES, 0) != ID_RANDOM_BYTES) {
        return error_set(err, ERR_INTERNAL, "the system gave no random bytes for an id");
    }
    for (size_t i = 0; i < ID_RANDOM_BYTES; i++) {
        number = number << 8 | bytes[i];
    }
    for (size_t i = 0; i < ROLLOUT_ID_BYTES - 1; i++) {
        ret_id[i] = operator_change_digits[(number >> (35 - 5 * i)) & 31];
    }
    ret_id[ROLLOUT_ID_BYTES - 1] = '\0';
    return true;
}

static const char *operator_change_reason(struct wire_check *check, const char *reason)
{
    return wire_check_text(check, "reason", reason, TEXT_BYTES_MAX);
}

/* ---- StartRollout ---- */

static bool operator_change_check_key(const char *key, struct error *err)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-";

    if (strlen(key) > IDEMPOTENCY_KEY_BYTES_MAX || strspn(key, allowed) != strlen(key)) {
        return error_set(err, ERR_INVALID,
                         "idempotency_key: at most %d letters, digits and dashes are allowed",
                         IDEMPOTENCY_KEY_BYTES_MAX);
    }
    return true;
}

static bool operator_change_check_selector(const char *text, struct error *err)
{
    CLEANUP(selector_free) struct selector *selector = NULL;

    if (strlen(text) > SELECTOR_BYTES_MAX) {
        return error_set(err, ERR_INVALID, "selector: at most %d bytes are allowed",
                         SELECTOR_BYTES_MAX);
    }
    return selector_parse(text, &selector, err);
}

static bool operator_change_check_target(const char *text, struct error *err)
{
    struct semver version;

    if (text[0] == '\0') {
        return true; /* the set's latest */
    }
    return semver_parse(text, &version, err) || error_wrap(err, "target");
}

static bool operator_change_check_start(const Skein__V1__StartRolloutRequest *request,
                                        struct error *err)
{
    if (request->max_failures_percent > 100) {
        return error_set(err, ERR_INVALID, "max_failures_percent: %u, at most 100 is allowed",
                         request->max_failures_percent);
    }
    if (request->max_failures > 0 && request->max_failures_percent > 0) {
        return error_set(err, ERR_INVALID,
                         "max_failures and max_failures_percent: give one of them");
    }
    if (request->lock_timeout_ms > TENANT_HOLD_TTL_MAX_MS) {
        return error_set(err, ERR_INVALID, "lock_timeout_ms: at most 24 hours are allowed");
    }
    if (request->patience_ms > PATIENCE_MAX_MS) {
        return error_set(err, ERR_INVALID, "patience_ms: at most 24 hours are allowed");
    }
    if (request->lock_budget_ms > TENANT_HOLD_TTL_MAX_MS) {
        return error_set(err, ERR_INVALID, "lock_budget_ms: at most 24 hours are allowed");
    }
    return operator_change_check_target(request->target, err) &&
           operator_change_check_selector(request->selector, err) &&
           operator_change_check_key(request->idempotency_key, err);
}

/* Nothing said is the default. */
static enum rollout_policy operator_change_policy(struct wire_check *check,
                                                  Skein__V1__RolloutPolicy policy)
{
    return policy == SKEIN__V1__ROLLOUT_POLICY__ROLLOUT_POLICY_UNSPECIFIED
               ? POLICY_PAUSE
               : wire_enum_to_policy(check, "policy", policy);
}

static enum rollout_kind operator_change_kind(struct wire_check *check, Skein__V1__RolloutKind kind)
{
    return kind == SKEIN__V1__ROLLOUT_KIND__ROLLOUT_KIND_UNSPECIFIED
               ? ROLLOUT_MIGRATE
               : wire_enum_to_kind(check, "kind", kind);
}

bool operator_change_start(struct bytes wire, struct event *event, struct error *err)
{
    struct wire_check check = { .message = "StartRolloutRequest", .err = err };
    struct operator_request *asked = &event->operator;
    char id[ROLLOUT_ID_BYTES];
    const Skein__V1__StartRolloutRequest *request =
        wire_codec_unpack(&skein__v1__start_rollout_request__descriptor, wire, &event->arena, err);

    if (request == NULL || !operator_change_check_start(request, err) ||
        !operator_change_make_id(request->idempotency_key, id, err)) {
        return false;
    }
    bool drops = request->kind == SKEIN__V1__ROLLOUT_KIND__ROLLOUT_KIND_DROP;
    asked->verb = OPERATOR_START;
    asked->reason = operator_change_reason(&check, request->reason);
    asked->object = arena_strdup(&event->arena, id);
    asked->spec = (struct rollout_spec){
        .id = asked->object,
        .kind = operator_change_kind(&check, request->kind),
        .set = drops ? wire_check_key_or_empty(&check, "set", request->set)
                     : wire_check_key(&check, "set", request->set),
        .digest = "",
        .target = request->target,
        .selector = request->selector,
        .policy = operator_change_policy(&check, request->policy),
        .max_failures = request->max_failures,
        .max_failures_percent = request->max_failures_percent,
        .concurrency = request->concurrency,
        .concurrency_per_shard = request->concurrency_per_shard,
        .dry_run_only = request->dry_run_only != 0,
        .dry_run = wire_enum_to_dry_run(&check, "dry_run", request->dry_run),
        .rehearse_rollback = request->rehearse_rollback != 0,
        .size_limit_bytes = request->size_limit_bytes,
        .allow_large = request->allow_large != 0,
        .from_ledger = wire_check_text(&check, "from_ledger", request->from_ledger, TEXT_BYTES_MAX),
        .lock_timeout_ms = request->lock_timeout_ms,
        .patience_ms = request->patience_ms,
        .lock_budget_ms = request->lock_budget_ms,
        .created_by = asked->actor,
        .reason = asked->reason,
        .created_at_ms = event->wall_ms,
        .baseline_unmanaged =
            wire_check_name_or_empty(&check, "baseline_unmanaged", request->baseline_unmanaged),
        .unmanaged_only = request->unmanaged_only != 0,
        .tenant = wire_check_text(&check, "tenant", request->tenant, SELECTOR_BYTES_MAX),
        .from_reference = request->from_reference != 0,
        .labels = wire_parts_to_labels(&check, request->labels, request->n_labels, &event->arena),
        .force = request->force != 0,
    };
    return !check.failed;
}

/* ---- Pause, Resume, Abort, Retry, Rollback ---- */

static bool operator_change_rollout(struct bytes wire, enum operator_verb verb, struct event *event,
                                    struct error *err)
{
    struct wire_check check = { .message = "ChangeRolloutRequest", .err = err };
    const Skein__V1__ChangeRolloutRequest *request =
        wire_codec_unpack(&skein__v1__change_rollout_request__descriptor, wire, &event->arena, err);

    if (request == NULL) {
        return false;
    }
    event->operator.verb = verb;
    event->operator.object = wire_check_key(&check, "id", request->id);
    event->operator.reason = operator_change_reason(&check, request->reason);
    return !check.failed;
}

bool operator_change_pause(struct bytes request, struct event *event, struct error *err)
{
    return operator_change_rollout(request, OPERATOR_PAUSE, event, err);
}

bool operator_change_resume(struct bytes request, struct event *event, struct error *err)
{
    return operator_change_rollout(request, OPERATOR_RESUME, event, err);
}

bool operator_change_abort(struct bytes request, struct event *event, struct error *err)
{
    return operator_change_rollout(request, OPERATOR_ABORT, event, err);
}

bool operator_change_retry(struct bytes request, struct event *event, struct error *err)
{
    return operator_change_rollout(request, OPERATOR_RETRY, event, err);
}

bool operator_change_rollback(struct bytes request, struct event *event, struct error *err)
{
    return operator_change_rollout(request, OPERATOR_ROLLBACK, event, err);
}

/* ---- tenants and shards ---- */

/* Who locks or unlocks, how long they wait: what the three calls share. */
static void operator_change_holder(struct wire_check *check, struct event *event,
                                   const char *tenant, const char *owner, const char *reason)
{
    struct operator_request *asked = &event->operator;

    asked->object = wire_check_tenant(check, "tenant", tenant);
    asked->reason = operator_change_reason(check, reason);
    asked->lock_owner = wire_check_name_or_empty(check, "owner", owner);
    if (asked->lock_owner[0] == '\0') {
        asked->lock_owner = asked->actor;
    }
    asked->lock_id = "";
}

static bool operator_change_check_wait(uint64_t wait_ms, struct error *err)
{
    return wait_ms <= LOCK_WAIT_MAX_MS ||
           error_set(err, ERR_INVALID, "wait_ms: a locked tenant is waited for one hour at most");
}

bool operator_change_lock(struct bytes wire, struct event *event, struct error *err)
{
    struct wire_check check = { .message = "LockTenantRequest", .err = err };
    const Skein__V1__LockTenantRequest *request =
        wire_codec_unpack(&skein__v1__lock_tenant_request__descriptor, wire, &event->arena, err);

    if (request == NULL || !operator_change_check_wait(request->wait_ms, err)) {
        return false;
    }
    if (request->ttl_ms > TENANT_HOLD_TTL_MAX_MS) {
        return error_set(err, ERR_INVALID,
                         "ttl_ms: a tenant is held for 24 hours at most; lock it again before "
                         "they are over");
    }
    event->operator.verb = OPERATOR_LOCK;
    operator_change_holder(&check, event, request->tenant, request->owner, request->reason);
    event->operator.lock_ttl_ms = request->ttl_ms == 0 ? TENANT_HOLD_TTL_DEFAULT_MS
                                                       : request->ttl_ms;
    event->operator.lock_wait_ms = request->wait_ms;
    return !check.failed;
}

/* Nobody else can guess it, so nobody attaches to this lock but its program. */
static bool operator_change_make_lock_id(struct arena *arena, const char **ret_id,
                                         struct error *err)
{
    uint8_t bytes[LOCK_ID_BYTES - 1];
    char id[LOCK_ID_BYTES] = "";

    if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes)) {
        return error_set(err, ERR_INTERNAL, "the system gave no random bytes for an id");
    }
    for (size_t i = 0; i < sizeof(bytes); i++) {
        id[i] = operator_change_digits[bytes[i] & 31];
    }
    *ret_id = arena_strdup(arena, id);
    return true;
}

bool operator_change_hold(struct bytes wire, struct event *event, struct error *err)
{
    struct wire_check check = { .message = "HoldTenantLockRequest", .err = err };
    const Skein__V1__HoldTenantLockRequest *request = wire_codec_unpack(
        &skein__v1__hold_tenant_lock_request__descriptor, wire, &event->arena, err);

    if (request == NULL || !operator_change_check_wait(request->wait_ms, err)) {
        return false;
    }
    event->operator.verb = OPERATOR_HOLD;
    operator_change_holder(&check, event, request->tenant, request->owner, request->reason);
    event->operator.lock_wait_ms = request->wait_ms;
    event->operator.lock_id = wire_check_key_or_empty(&check, "lock_id", request->lock_id);
    event->operator.lock_again = request->lock_id[0] != '\0';
    return !check.failed && (event->operator.lock_again || operator_change_make_lock_id(
                                &event->arena, &event->operator.lock_id, err));
}

bool operator_change_unlock(struct bytes wire, struct event *event, struct error *err)
{
    struct wire_check check = { .message = "UnlockTenantRequest", .err = err };
    const Skein__V1__UnlockTenantRequest *request =
        wire_codec_unpack(&skein__v1__unlock_tenant_request__descriptor, wire, &event->arena, err);

    if (request == NULL) {
        return false;
    }
    event->operator.verb = OPERATOR_UNLOCK;
    operator_change_holder(&check, event, request->tenant, request->owner, request->reason);
    event->operator.lock_force = request->force != 0;
    return !check.failed;
}

bool operator_change_forget(struct bytes wire, struct event *event, struct error *err)
{
    struct wire_check check = { .message = "ForgetShardRequest", .err = err };
    const Skein__V1__ForgetShardRequest *request =
        wire_codec_unpack(&skein__v1__forget_shard_request__descriptor, wire, &event->arena, err);

    if (request == NULL) {
        return false;
    }
    event->operator.verb = OPERATOR_FORGET_SHARD;
    event->operator.object = wire_check_key(&check, "name", request->name);
    event->operator.reason = operator_change_reason(&check, request->reason);
    return !check.failed;
}

/* Changes nothing, but the decisions have to ask the agent. */
bool operator_change_history(struct bytes wire, struct event *event, struct error *err)
{
    struct wire_check check = { .message = "GetTenantHistoryRequest", .err = err };
    const Skein__V1__GetTenantHistoryRequest *request = wire_codec_unpack(
        &skein__v1__get_tenant_history_request__descriptor, wire, &event->arena, err);

    if (request == NULL) {
        return false;
    }
    wire_check_number(&check, "limit", request->limit, HISTORY_ENTRIES_MAX);
    event->operator.verb = OPERATOR_HISTORY;
    event->operator.object = wire_check_tenant(&check, "tenant", request->tenant);
    event->operator.reason = "";
    event->operator.limit = request->limit == 0 ? HISTORY_LIMIT_DEFAULT : request->limit;
    return !check.failed;
}

/* Where a label of this name stood, no selector could ask for it. */
static bool operator_change_labels_are_free(const Skein__V1__LabelTenantRequest *request,
                                            struct error *err)
{
    for (size_t i = 0; i < request->n_labels; i++) {
        const char *key = request->labels[i]->key;

        if (strcmp(key, "shard") == 0 || strcmp(key, "tenant") == 0) {
            return error_set(err, ERR_INVALID,
                             "labels: '%s' is what selectors call the tenant's own %s: take "
                             "another key",
                             key, strcmp(key, "shard") == 0 ? "shard" : "name");
        }
    }
    return true;
}

bool operator_change_label(struct bytes wire, struct event *event, struct error *err)
{
    struct wire_check check = { .message = "LabelTenantRequest", .err = err };
    struct operator_request *asked = &event->operator;
    const Skein__V1__LabelTenantRequest *request =
        wire_codec_unpack(&skein__v1__label_tenant_request__descriptor, wire, &event->arena, err);

    if (request == NULL) {
        return false;
    }
    if (request->n_labels + request->n_removed == 0 || request->n_removed > LABELS_MAX) {
        return error_set(err, ERR_INVALID, "labels: from 1 to %d at a time", LABELS_MAX);
    }
    if (!operator_change_labels_are_free(request, err)) {
        return false;
    }
    const char **gone = arena_alloc_array(&event->arena, request->n_removed, sizeof(*gone));
    for (size_t i = 0; i < request->n_removed; i++) {
        gone[i] = wire_check_name(&check, "removed", request->removed[i]);
    }
    asked->verb = OPERATOR_LABEL;
    asked->object = wire_check_tenant(&check, "tenant", request->tenant);
    asked->reason = operator_change_reason(&check, request->reason);
    asked->labels = wire_parts_to_labels(&check, request->labels, request->n_labels, &event->arena);
    asked->unlabelled = gone;
    asked->unlabelled_count = request->n_removed;
    return !check.failed;
}

bool operator_change_schemas(struct bytes wire, struct event *event, struct error *err)
{
    struct wire_check check = { .message = "GetSchemasRequest", .err = err };
    const Skein__V1__GetSchemasRequest *request =
        wire_codec_unpack(&skein__v1__get_schemas_request__descriptor, wire, &event->arena, err);

    if (request == NULL) {
        return false;
    }
    event->operator.verb = OPERATOR_SCHEMAS;
    event->operator.object = wire_check_key(&check, "shard", request->shard);
    event->operator.reason = "";
    event->operator.lines = request->lines != 0;
    event->operator.tenants = wire_schema_to_tenants(&check, request->tenants, request->n_tenants,
                                                     request->lines != 0, &event->arena);
    event->operator.tenant_count = request->n_tenants;
    return !check.failed;
}
