/* wire_record.h - records of the store as proto messages, for answers to operators that hold them.
 *
 * Pure. The messages live in the arena and borrow the record's texts. The decoding side is in
 * wire.h. */
#ifndef SKEIN_COMMON_WIRE_WIRE_RECORD_H
#define SKEIN_COMMON_WIRE_WIRE_RECORD_H

#include "common/core/arena.h"
#include "common/model/message.h"
#include "skein/v1/model.pb-c.h"

Skein__V1__RolloutSpec *wire_record_of_spec(const struct rollout_spec *spec, struct arena *arena);
Skein__V1__ShardProgress *wire_record_of_progress(const struct shard_progress *progress,
                                                  struct arena *arena);
Skein__V1__Lock *wire_record_of_lock(const struct lock_record *lock, struct arena *arena);
Skein__V1__SetHead *wire_record_of_head(const struct set_head *head, struct arena *arena);
Skein__V1__AuditEvent *wire_record_of_event(const struct audit_event *event, struct arena *arena);

#endif
