/* emit.h - appends effects; everything is copied into the effects' own arena.
 *
 * Pure. The names of records and what they need are in effects.h. */
#ifndef SKEIN_COORDINATOR_DECIDE_EMIT_H
#define SKEIN_COORDINATOR_DECIDE_EMIT_H

#include "coordinator/decide/fleet_state.h"

void emit_put_spec(struct step *step, const struct rollout_spec *spec);
void emit_put_state(struct step *step, const char *rollout, const struct rollout_state *state);
void emit_put_progress(struct step *step, const char *rollout,
                       const struct shard_progress *progress);
void emit_put_measures(struct step *step, const char *rollout,
                       const struct rollout_measures *measures);
void emit_put_failure(struct step *step, const char *rollout, const struct failure_record *failure);
void emit_put_warning(struct step *step, const char *rollout, uint32_t number,
                      const struct failure_record *warning);
void emit_delete_warning(struct step *step, const char *rollout, uint32_t number);
void emit_put_session(struct step *step, const struct session_record *session);
void emit_put_shard(struct step *step, const struct shard_record *shard);
void emit_put_lock(struct step *step, const struct lock_record *lock);
void emit_put_head(struct step *step, const struct set_head *head);
void emit_put_archive(struct step *step, const char *set, const char *digest, struct bytes archive);
void emit_put_event(struct step *step, const struct audit_event *event);

void emit_delete(struct step *step, enum record_kind record, const char *id, const char *key);
void emit_delete_event(struct step *step, const struct audit_event *event);

void emit_after_stored(struct step *step, uint64_t ticket);
/* The body is the caller's to fill, from the effects' arena. */
struct coordinator_message *emit_send(struct step *step, uint64_t stream,
                                      enum coordinator_message_kind kind);
void emit_close(struct step *step, uint64_t stream, enum err_code code, const char *format, ...)
    PRINTF(4, 5);
/* Answers an operator: done, or why not. */
struct effect *emit_done(struct step *step, uint64_t call, const char *object);
void emit_refuse(struct step *step, uint64_t call, const struct error *err);

void emit_lease_grant(struct step *step, uint64_t request, uint64_t ttl_ms);
void emit_lease_keep_alive(struct step *step, int64_t lease_id);
void emit_lease_revoke(struct step *step, int64_t lease_id);

#endif
