/* What the store keeps. A record that does not decode was not written by skein. */
#include "common/wire/wire_record.h"

#include <inttypes.h>

#include "common/core/limits.h"
#include "common/wire/wire.h"
#include "common/wire/wire_codec.h"
#include "common/wire/wire_enum.h"
#include "common/wire/wire_parts.h"

/* ---- rollouts ---- */

Skein__V1__RolloutSpec *wire_record_of_spec(const struct rollout_spec *spec, struct arena *arena)
{
    Skein__V1__RolloutSpec *message = wire_codec_new(&skein__v1__rollout_spec__descriptor, arena);

    message->id = wire_codec_borrow(spec->id);
    message->kind = wire_enum_of_kind(spec->kind);
    message->set = wire_codec_borrow(spec->set);
    message->digest = wire_codec_borrow(spec->digest);
    message->target = wire_codec_borrow(spec->target);
    message->selector = wire_codec_borrow(spec->selector);
    message->policy = wire_enum_of_policy(spec->policy);
    message->max_failures = spec->max_failures;
    message->max_failures_percent = spec->max_failures_percent;
    message->concurrency = spec->concurrency;
    message->concurrency_per_shard = spec->concurrency_per_shard;
    message->dry_run_only = spec->dry_run_only;
    message->lock_timeout_ms = spec->lock_timeout_ms;
    message->created_by = wire_codec_text(arena, spec->created_by, TEXT_BYTES_MAX);
    message->reason = wire_codec_text(arena, spec->reason, TEXT_BYTES_MAX);
    message->created_at_ms = spec->created_at_ms;
    message->rehearse_rollback = spec->rehearse_rollback;
    message->size_limit_bytes = spec->size_limit_bytes;
    message->allow_large = spec->allow_large;
    message->baseline_unmanaged = wire_codec_borrow(spec->baseline_unmanaged);
    message->unmanaged_only = spec->unmanaged_only;
    message->tenant = wire_codec_borrow(spec->tenant);
    message->from_reference = spec->from_reference;
    message->from_ledger = wire_codec_borrow(spec->from_ledger);
    message->dry_run = wire_enum_of_dry_run(spec->dry_run);
    message->labels = wire_parts_of_labels(&spec->labels, arena);
    message->n_labels = spec->labels.count;
    message->force = spec->force;
    message->patience_ms = spec->patience_ms;
    message->lock_budget_ms = spec->lock_budget_ms;
    return message;
}

struct bytes wire_encode_rollout_spec(const struct rollout_spec *record, struct arena *arena)
{
    return wire_codec_pack(&wire_record_of_spec(record, arena)->base, arena);
}

bool wire_decode_rollout_spec(struct bytes wire, struct arena *arena,
                              struct rollout_spec *ret_record, struct error *err)
{
    struct wire_check check = { .message = "RolloutSpec", .err = err };
    const Skein__V1__RolloutSpec *from =
        wire_codec_unpack(&skein__v1__rollout_spec__descriptor, wire, arena, err);

    if (from == NULL) {
        return false;
    }
    struct rollout_spec spec = {
        .id = wire_check_key(&check, "id", from->id),
        .kind = wire_enum_to_kind(&check, "kind", from->kind),
        .set = wire_check_key(&check, "set", from->set),
        .digest = wire_check_key(&check, "digest", from->digest),
        .target = wire_check_name_or_empty(&check, "target", from->target),
        .selector = wire_check_text(&check, "selector", from->selector, SELECTOR_BYTES_MAX),
        .policy = wire_enum_to_policy(&check, "policy", from->policy),
        .max_failures = from->max_failures,
        .max_failures_percent = from->max_failures_percent,
        .concurrency = from->concurrency,
        .concurrency_per_shard = from->concurrency_per_shard,
        .dry_run_only = from->dry_run_only != 0,
        .lock_timeout_ms = from->lock_timeout_ms,
        .created_by = wire_check_text(&check, "created_by", from->created_by, TEXT_BYTES_MAX),
        .reason = wire_check_text(&check, "reason", from->reason, TEXT_BYTES_MAX),
        .created_at_ms = from->created_at_ms,
        .rehearse_rollback = from->rehearse_rollback != 0,
        .size_limit_bytes = from->size_limit_bytes,
        .allow_large = from->allow_large != 0,
        .baseline_unmanaged =
            wire_check_name_or_empty(&check, "baseline_unmanaged", from->baseline_unmanaged),
        .unmanaged_only = from->unmanaged_only != 0,
        .tenant = wire_check_text(&check, "tenant", from->tenant, SELECTOR_BYTES_MAX),
        .from_reference = from->from_reference != 0,
        .from_ledger = wire_check_text(&check, "from_ledger", from->from_ledger, TEXT_BYTES_MAX),
        .dry_run = wire_enum_to_dry_run(&check, "dry_run", from->dry_run),
        .labels = wire_parts_to_labels(&check, from->labels, from->n_labels, arena),
        .force = from->force != 0,
        .patience_ms = from->patience_ms,
        .lock_budget_ms = from->lock_budget_ms,
    };
    wire_check_number(&check, "max_failures_percent", from->max_failures_percent, 100);
    if (!check.failed) {
        *ret_record = spec;
    }
    return !check.failed;
}

struct bytes wire_encode_rollout_state(const struct rollout_state *record, struct arena *arena)
{
    Skein__V1__RolloutState *message = wire_codec_new(&skein__v1__rollout_state__descriptor, arena);

    message->phase = wire_enum_of_phase(record->phase);
    message->resume_phase = wire_enum_of_phase(record->resume_phase);
    message->started_at_ms = record->started_at_ms;
    message->finished_at_ms = record->finished_at_ms;
    message->phase_reason = wire_codec_text(arena, record->phase_reason, TEXT_BYTES_MAX);
    message->changed_by = wire_codec_text(arena, record->changed_by, TEXT_BYTES_MAX);
    message->counts = wire_parts_of_counts(&record->counts, arena);
    message->skips = wire_parts_of_skips(record->skips, arena, &message->n_skips);
    message->rollback = wire_enum_of_rollback(record->rollback);
    message->first_script = wire_codec_borrow(record->first_script);
    message->before_rollout_done = record->hooks_done[SET_HOOK_BEFORE_ROLLOUT];
    message->after_rollout_done = record->hooks_done[SET_HOOK_AFTER_ROLLOUT];
    message->hook_asked = record->hook_asked;
    message->went_back = record->went_back;
    message->dry_run_class_total = record->dry_run_class_total;
    message->n_dry_run_classes = record->dry_run_class_count;
    message->dry_run_classes =
        wire_parts_of_classes(record->dry_run_classes, record->dry_run_class_count, arena);
    return wire_codec_pack(&message->base, arena);
}

bool wire_decode_rollout_state(struct bytes wire, struct arena *arena,
                               struct rollout_state *ret_record, struct error *err)
{
    struct wire_check check = { .message = "RolloutState", .err = err };
    const Skein__V1__RolloutState *from =
        wire_codec_unpack(&skein__v1__rollout_state__descriptor, wire, arena, err);

    if (from == NULL) {
        return false;
    }
    struct rollout_state state = {
        .phase = wire_enum_to_phase(&check, "phase", from->phase),
        .resume_phase = wire_enum_to_phase(&check, "resume_phase", from->resume_phase),
        .started_at_ms = from->started_at_ms,
        .finished_at_ms = from->finished_at_ms,
        .phase_reason = wire_check_text(&check, "phase_reason", from->phase_reason, TEXT_BYTES_MAX),
        .changed_by = wire_check_text(&check, "changed_by", from->changed_by, TEXT_BYTES_MAX),
        .counts = wire_parts_to_counts(from->counts),
        .rollback = wire_enum_to_rollback(&check, "rollback", from->rollback),
        .first_script = wire_check_text(&check, "first_script", from->first_script, TEXT_BYTES_MAX),
        .hooks_done = { [SET_HOOK_BEFORE_ROLLOUT] = from->before_rollout_done != 0,
                        [SET_HOOK_AFTER_ROLLOUT] = from->after_rollout_done != 0 },
        .hook_asked = from->hook_asked <= SET_HOOK_COUNT ? from->hook_asked : 0,
        .went_back = from->went_back != 0,
        .dry_run_class_total = from->dry_run_class_total,
        .dry_run_class_count = from->n_dry_run_classes,
        .dry_run_classes =
            wire_parts_to_classes(&check, from->dry_run_classes, from->n_dry_run_classes, arena),
    };
    wire_parts_to_skips(&check, from->skips, from->n_skips, state.skips);
    if (!check.failed) {
        *ret_record = state;
    }
    return !check.failed;
}

Skein__V1__ShardProgress *wire_record_of_progress(const struct shard_progress *progress,
                                                  struct arena *arena)
{
    Skein__V1__ShardProgress *message =
        wire_codec_new(&skein__v1__shard_progress__descriptor, arena);

    message->shard = wire_codec_borrow(progress->shard);
    message->counts = wire_parts_of_counts(&progress->counts, arena);
    message->expected = progress->expected;
    message->overtaken = progress->overtaken;
    message->measured = progress->measured;
    message->measured_us = progress->measured_us;
    message->measured_max_us = progress->measured_max_us;
    return message;
}

struct bytes wire_encode_shard_progress(const struct shard_progress *record, struct arena *arena)
{
    return wire_codec_pack(&wire_record_of_progress(record, arena)->base, arena);
}

bool wire_decode_shard_progress(struct bytes wire, struct arena *arena,
                                struct shard_progress *ret_record, struct error *err)
{
    struct wire_check check = { .message = "ShardProgress", .err = err };
    const Skein__V1__ShardProgress *from =
        wire_codec_unpack(&skein__v1__shard_progress__descriptor, wire, arena, err);

    if (from == NULL) {
        return false;
    }
    struct shard_progress progress = {
        .shard = wire_check_key(&check, "shard", from->shard),
        .counts = wire_parts_to_counts(from->counts),
        .expected = from->expected,
        .overtaken = from->overtaken,
        .measured = from->measured,
        .measured_us = from->measured_us,
        .measured_max_us = from->measured_max_us,
    };
    if (!check.failed) {
        *ret_record = progress;
    }
    return !check.failed;
}

struct bytes wire_encode_failure_record(const struct failure_record *record, struct arena *arena)
{
    Skein__V1__Failure *message = wire_codec_new(&skein__v1__failure__descriptor, arena);

    message->error = wire_parts_of_error(&record->error, arena);
    message->at_ms = record->at_ms;
    return wire_codec_pack(&message->base, arena);
}

bool wire_decode_failure_record(struct bytes wire, struct arena *arena,
                                struct failure_record *ret_record, struct error *err)
{
    struct wire_check check = { .message = "Failure", .err = err };
    const Skein__V1__Failure *from =
        wire_codec_unpack(&skein__v1__failure__descriptor, wire, arena, err);

    if (from == NULL) {
        return false;
    }
    if (from->error == NULL) {
        wire_check_fail(&check, "error", "is missing");
        return false;
    }
    /* Here the mode and the tenant must be said: nothing else says them. */
    wire_enum_to_mode(&check, "error.mode", from->error->mode);
    wire_check_tenant(&check, "error.tenant", from->error->tenant);
    struct failure_record failure = {
        .error = wire_parts_to_error(&check, from->error, TASK_DRY_RUN),
        .at_ms = from->at_ms,
    };
    if (!check.failed) {
        *ret_record = failure;
    }
    return !check.failed;
}

/* ---- sessions, shards, locks ---- */

struct bytes wire_encode_session_record(const struct session_record *record, struct arena *arena)
{
    Skein__V1__Session *message = wire_codec_new(&skein__v1__session__descriptor, arena);

    message->shard = wire_codec_borrow(record->shard);
    message->agent = wire_codec_borrow(record->agent);
    message->lease_id = record->lease_id;
    message->since_ms = record->since_ms;
    message->peer = wire_codec_text(arena, record->peer, TEXT_BYTES_MAX);
    return wire_codec_pack(&message->base, arena);
}

bool wire_decode_session_record(struct bytes wire, struct arena *arena,
                                struct session_record *ret_record, struct error *err)
{
    struct wire_check check = { .message = "Session", .err = err };
    const Skein__V1__Session *from =
        wire_codec_unpack(&skein__v1__session__descriptor, wire, arena, err);

    if (from == NULL) {
        return false;
    }
    struct session_record session = {
        .shard = wire_check_key(&check, "shard", from->shard),
        .agent = wire_check_name(&check, "agent", from->agent),
        .lease_id = from->lease_id,
        .since_ms = from->since_ms,
        .peer = wire_check_text(&check, "peer", from->peer, TEXT_BYTES_MAX),
    };
    if (!check.failed) {
        *ret_record = session;
    }
    return !check.failed;
}

struct bytes wire_encode_token_base(const struct token_base *record, struct arena *arena)
{
    Skein__V1__TokenBase *message = wire_codec_new(&skein__v1__token_base__descriptor, arena);

    message->added = record->base;
    return wire_codec_pack(&message->base, arena);
}

bool wire_decode_token_base(struct bytes wire, struct arena *arena, struct token_base *ret_record,
                            struct error *err)
{
    const Skein__V1__TokenBase *from =
        wire_codec_unpack(&skein__v1__token_base__descriptor, wire, arena, err);

    if (from == NULL) {
        return false;
    }
    if (from->added > TOKEN_MAX) {
        return error_set(err, ERR_INVALID, "TokenBase.added %" PRIu64 ": more than a token can be",
                         from->added);
    }
    *ret_record = (struct token_base){ .base = from->added };
    return true;
}

struct bytes wire_encode_shard_record(const struct shard_record *record, struct arena *arena)
{
    Skein__V1__Shard *message = wire_codec_new(&skein__v1__shard__descriptor, arena);

    message->name = wire_codec_borrow(record->name);
    message->labels = wire_parts_of_labels(&record->labels, arena);
    message->n_labels = record->labels.count;
    message->tenant_count = record->tenant_count;
    message->first_seen_ms = record->first_seen_ms;
    return wire_codec_pack(&message->base, arena);
}

bool wire_decode_shard_record(struct bytes wire, struct arena *arena,
                              struct shard_record *ret_record, struct error *err)
{
    struct wire_check check = { .message = "Shard", .err = err };
    const Skein__V1__Shard *from =
        wire_codec_unpack(&skein__v1__shard__descriptor, wire, arena, err);

    if (from == NULL) {
        return false;
    }
    struct shard_record shard = {
        .name = wire_check_key(&check, "name", from->name),
        .labels = wire_parts_to_labels(&check, from->labels, from->n_labels, arena),
        .tenant_count = from->tenant_count,
        .first_seen_ms = from->first_seen_ms,
    };
    if (!check.failed) {
        *ret_record = shard;
    }
    return !check.failed;
}

static Skein__V1__LockKind wire_record_lock_kind(const struct lock_record *lock)
{
    if (lock->rollout[0] != '\0') {
        return SKEIN__V1__LOCK_KIND__LOCK_KIND_ROLLOUT;
    }
    return lock->id[0] != '\0' ? SKEIN__V1__LOCK_KIND__LOCK_KIND_PROGRAM
                               : SKEIN__V1__LOCK_KIND__LOCK_KIND_OPERATOR;
}

Skein__V1__Lock *wire_record_of_lock(const struct lock_record *lock, struct arena *arena)
{
    Skein__V1__Lock *message = wire_codec_new(&skein__v1__lock__descriptor, arena);

    message->tenant = wire_codec_borrow(lock->tenant);
    message->owner = wire_codec_text(arena, lock->owner, TEXT_BYTES_MAX);
    message->reason = wire_codec_text(arena, lock->reason, TEXT_BYTES_MAX);
    message->rollout = wire_codec_borrow(lock->rollout);
    message->since_ms = lock->since_ms;
    message->expires_at_ms = lock->expires_at_ms;
    message->lease_id = lock->lease_id;
    message->id = wire_codec_borrow(lock->id);
    message->kind = wire_record_lock_kind(lock);
    return message;
}

struct bytes wire_encode_lock_record(const struct lock_record *record, struct arena *arena)
{
    return wire_codec_pack(&wire_record_of_lock(record, arena)->base, arena);
}

bool wire_decode_lock_record(struct bytes wire, struct arena *arena, struct lock_record *ret_record,
                             struct error *err)
{
    struct wire_check check = { .message = "Lock", .err = err };
    const Skein__V1__Lock *from = wire_codec_unpack(&skein__v1__lock__descriptor, wire, arena, err);

    if (from == NULL) {
        return false;
    }
    struct lock_record lock = {
        .tenant = wire_check_tenant(&check, "tenant", from->tenant),
        .owner = wire_check_text(&check, "owner", from->owner, TEXT_BYTES_MAX),
        .reason = wire_check_text(&check, "reason", from->reason, TEXT_BYTES_MAX),
        .rollout = wire_check_key_or_empty(&check, "rollout", from->rollout),
        .since_ms = from->since_ms,
        .expires_at_ms = from->expires_at_ms,
        .lease_id = from->lease_id,
        .id = wire_check_key_or_empty(&check, "id", from->id),
    };
    if (!check.failed) {
        *ret_record = lock;
    }
    return !check.failed;
}

/* ---- sets, audit ---- */

Skein__V1__SetHead *wire_record_of_head(const struct set_head *head, struct arena *arena)
{
    Skein__V1__SetHead *message = wire_codec_new(&skein__v1__set_head__descriptor, arena);

    message->name = wire_codec_borrow(head->name);
    message->digest = wire_codec_borrow(head->digest);
    message->latest = wire_codec_borrow(head->latest);
    message->min_version = wire_codec_borrow(head->min_version);
    message->published_at_ms = head->published_at_ms;
    message->published_by = wire_codec_text(arena, head->published_by, TEXT_BYTES_MAX);
    message->chunk_count = head->chunk_count;
    message->archive_bytes = head->archive_bytes;
    return message;
}

struct bytes wire_encode_set_head(const struct set_head *record, struct arena *arena)
{
    return wire_codec_pack(&wire_record_of_head(record, arena)->base, arena);
}

bool wire_decode_set_head(struct bytes wire, struct arena *arena, struct set_head *ret_record,
                          struct error *err)
{
    struct wire_check check = { .message = "SetHead", .err = err };
    const Skein__V1__SetHead *from =
        wire_codec_unpack(&skein__v1__set_head__descriptor, wire, arena, err);

    if (from == NULL) {
        return false;
    }
    struct set_head head = {
        .name = wire_check_key(&check, "name", from->name),
        .digest = wire_check_key(&check, "digest", from->digest),
        .latest = wire_check_name_or_empty(&check, "latest", from->latest),
        .min_version = wire_check_name_or_empty(&check, "min_version", from->min_version),
        .published_at_ms = from->published_at_ms,
        .published_by = wire_check_text(&check, "published_by", from->published_by, TEXT_BYTES_MAX),
        .chunk_count = from->chunk_count,
        .archive_bytes = from->archive_bytes,
    };
    wire_check_number(&check, "archive_bytes", from->archive_bytes, SET_ARCHIVE_BYTES_MAX);
    if (!check.failed) {
        *ret_record = head;
    }
    return !check.failed;
}

Skein__V1__AuditEvent *wire_record_of_event(const struct audit_event *event, struct arena *arena)
{
    Skein__V1__AuditEvent *message = wire_codec_new(&skein__v1__audit_event__descriptor, arena);

    message->at_ms = event->at_ms;
    message->actor = wire_codec_text(arena, event->actor, TEXT_BYTES_MAX);
    message->action = wire_codec_text(arena, event->action, TEXT_BYTES_MAX);
    message->object = wire_codec_text(arena, event->object, TEXT_BYTES_MAX);
    message->reason = wire_codec_text(arena, event->reason, TEXT_BYTES_MAX);
    message->detail = wire_codec_text(arena, event->detail, ERROR_BYTES_MAX);
    return message;
}

struct bytes wire_encode_audit_event(const struct audit_event *record, struct arena *arena)
{
    return wire_codec_pack(&wire_record_of_event(record, arena)->base, arena);
}

bool wire_decode_audit_event(struct bytes wire, struct arena *arena, struct audit_event *ret_record,
                             struct error *err)
{
    struct wire_check check = { .message = "AuditEvent", .err = err };
    const Skein__V1__AuditEvent *from =
        wire_codec_unpack(&skein__v1__audit_event__descriptor, wire, arena, err);

    if (from == NULL) {
        return false;
    }
    struct audit_event event = {
        .at_ms = from->at_ms,
        .actor = wire_check_text(&check, "actor", from->actor, TEXT_BYTES_MAX),
        .action = wire_check_text(&check, "action", from->action, TEXT_BYTES_MAX),
        .object = wire_check_text(&check, "object", from->object, TEXT_BYTES_MAX),
        .reason = wire_check_text(&check, "reason", from->reason, TEXT_BYTES_MAX),
        .detail = wire_check_text(&check, "detail", from->detail, ERROR_BYTES_MAX),
    };
    if (!check.failed) {
        *ret_record = event;
    }
    return !check.failed;
}
