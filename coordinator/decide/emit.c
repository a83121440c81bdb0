#include "coordinator/decide/emit.h"

#include <assert.h>
#include <stdarg.h>

#include "coordinator/decide/copy.h"

static struct effect *emit_put(struct step *step, enum record_kind record, const char *id,
                               const char *key)
{
    struct effect *effect = effects_add(step->effects, EFFECT_PUT);

    assert(record < RECORD_KIND_COUNT);
    effect->record = record;
    effect->id = copy_text(&step->effects->arena, id);
    effect->key = copy_text(&step->effects->arena, key);
    return effect;
}

void emit_put_spec(struct step *step, const struct rollout_spec *spec)
{
    emit_put(step, RECORD_ROLLOUT_SPEC, spec->id, "")->spec =
        copy_spec(&step->effects->arena, spec);
}

void emit_put_state(struct step *step, const char *rollout, const struct rollout_state *state)
{
    struct effect *effect = emit_put(step, RECORD_ROLLOUT_STATE, rollout, "");

    effect->state = *state;
    effect->state.phase_reason = copy_text(&step->effects->arena, state->phase_reason);
    effect->state.changed_by = copy_text(&step->effects->arena, state->changed_by);
    effect->state.first_script = copy_text(&step->effects->arena, state->first_script);
    effect->state.dry_run_classes =
        copy_classes(&step->effects->arena, state->dry_run_classes, state->dry_run_class_count);
}

void emit_put_progress(struct step *step, const char *rollout,
                       const struct shard_progress *progress)
{
    struct effect *effect = emit_put(step, RECORD_SHARD_PROGRESS, rollout, progress->shard);

    effect->progress = *progress;
    effect->progress.shard = effect->key;
}

void emit_put_measures(struct step *step, const char *rollout,
                       const struct rollout_measures *measures)
{
    emit_put(step, RECORD_MEASURES, rollout, "")->measures =
        copy_measures(&step->effects->arena, measures);
}

void emit_put_failure(struct step *step, const char *rollout, const struct failure_record *failure)
{
    struct effect *effect = emit_put(step, RECORD_FAILURE, rollout, failure->error.tenant);

    effect->failure = *failure;
    effect->failure.error = copy_error(&step->effects->arena, &failure->error);
}

static const char *emit_warning_key(struct step *step, uint32_t number)
{
    return arena_printf(&step->effects->arena, "%06u", number); /* in order as text, too */
}

void emit_put_warning(struct step *step, const char *rollout, uint32_t number,
                      const struct failure_record *warning)
{
    struct effect *effect = emit_put(step, RECORD_WARNING, rollout, emit_warning_key(step, number));

    effect->failure = *warning;
    effect->failure.error = copy_error(&step->effects->arena, &warning->error);
}

void emit_delete_warning(struct step *step, const char *rollout, uint32_t number)
{
    emit_delete(step, RECORD_WARNING, rollout, emit_warning_key(step, number));
}

void emit_put_session(struct step *step, const struct session_record *session)
{
    struct effect *effect = emit_put(step, RECORD_SESSION, "", session->shard);

    effect->lease_id = session->lease_id;
    effect->session = copy_session(&step->effects->arena, session);
}

void emit_put_shard(struct step *step, const struct shard_record *shard)
{
    emit_put(step, RECORD_SHARD, "", shard->name)->shard = copy_shard(&step->effects->arena, shard);
}

void emit_put_lock(struct step *step, const struct lock_record *lock)
{
    struct effect *effect = emit_put(step, RECORD_LOCK, "", lock->tenant);

    effect->lease_id = lock->lease_id;
    effect->lock = copy_lock(&step->effects->arena, lock);
}

void emit_put_head(struct step *step, const struct set_head *head)
{
    emit_put(step, RECORD_SET_HEAD, "", head->name)->head = copy_head(&step->effects->arena, head);
}

void emit_put_archive(struct step *step, const char *set, const char *digest, struct bytes archive)
{
    emit_put(step, RECORD_SET_ARCHIVE, digest, set)->archive = (struct bytes){
        .data = arena_memdup(&step->effects->arena, archive.data, archive.size),
        .size = archive.size,
    };
}

void emit_put_event(struct step *step, const struct audit_event *event)
{
    emit_put(step, RECORD_EVENT, "", "")->event = copy_event(&step->effects->arena, event);
}

void emit_delete(struct step *step, enum record_kind record, const char *id, const char *key)
{
    struct effect *effect = effects_add(step->effects, EFFECT_DELETE);

    assert(record < RECORD_KIND_COUNT);
    effect->record = record;
    effect->id = copy_text(&step->effects->arena, id);
    effect->key = copy_text(&step->effects->arena, key);
}

void emit_delete_event(struct step *step, const struct audit_event *event)
{
    struct effect *effect = effects_add(step->effects, EFFECT_DELETE);

    effect->record = RECORD_EVENT;
    effect->id = "";
    effect->key = "";
    effect->event = copy_event(&step->effects->arena, event);
}

void emit_after_stored(struct step *step, uint64_t ticket)
{
    effects_add(step->effects, EFFECT_AFTER_STORED)->ticket = ticket;
}

struct coordinator_message *emit_send(struct step *step, uint64_t stream,
                                      enum coordinator_message_kind kind)
{
    struct effect *effect = effects_add(step->effects, EFFECT_SEND);

    assert(kind < COORDINATOR_MESSAGE_COUNT);
    effect->send.stream = stream;
    effect->send.message.term = step->fleet->term;
    effect->send.message.kind = kind;
    return &effect->send.message;
}

void emit_close(struct step *step, uint64_t stream, enum err_code code, const char *format, ...)
{
    struct effect *effect = effects_add(step->effects, EFFECT_CLOSE);
    struct error text = { 0 };
    va_list arguments;

    va_start(arguments, format);
    error_set_v(&text, code, format, arguments);
    va_end(arguments);
    effect->reply.call = stream;
    effect->reply.code = code;
    effect->reply.message = copy_text(&step->effects->arena, text.message);
    effect->reply.object = "";
}

struct effect *emit_done(struct step *step, uint64_t call, const char *object)
{
    struct effect *effect = effects_add(step->effects, EFFECT_REPLY);

    effect->reply.call = call;
    effect->reply.message = "";
    effect->reply.object = copy_text(&step->effects->arena, object);
    effect->reply.history.error = "";
    effect->reply.schemas.error = "";
    return effect;
}

void emit_refuse(struct step *step, uint64_t call, const struct error *err)
{
    struct effect *effect = emit_done(step, call, "");

    assert(err->code != ERR_NONE);
    effect->reply.code = err->code;
    effect->reply.message = copy_text(&step->effects->arena, err->message);
}

void emit_lease_grant(struct step *step, uint64_t request, uint64_t ttl_ms)
{
    struct effect *effect = effects_add(step->effects, EFFECT_LEASE_GRANT);

    effect->grant.request = request;
    effect->grant.ttl_ms = ttl_ms;
}

void emit_lease_keep_alive(struct step *step, int64_t lease_id)
{
    effects_add(step->effects, EFFECT_LEASE_KEEP_ALIVE)->lease_id = lease_id;
}

void emit_lease_revoke(struct step *step, int64_t lease_id)
{
    effects_add(step->effects, EFFECT_LEASE_REVOKE)->lease_id = lease_id;
}
