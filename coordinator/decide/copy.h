/* copy.h - copies of messages and records, texts included, into an arena or into one block.
 *
 * Pure. What comes in an event dies with it; what is decided must not borrow from it. */
#ifndef SKEIN_COORDINATOR_DECIDE_COPY_H
#define SKEIN_COORDINATOR_DECIDE_COPY_H

#include "common/core/arena.h"
#include "common/model/message.h"

/* "" for NULL. */
const char *copy_text(struct arena *arena, const char *text);
struct labels copy_labels(struct arena *arena, const struct labels *from);
struct task_error copy_error(struct arena *arena, const struct task_error *from);
struct rollout_measures copy_measures(struct arena *arena, const struct rollout_measures *from);
struct rollout_spec copy_spec(struct arena *arena, const struct rollout_spec *from);
const struct dry_run_class *copy_classes(struct arena *arena, const struct dry_run_class *from,
                                         size_t count);
struct session_record copy_session(struct arena *arena, const struct session_record *from);
struct shard_record copy_shard(struct arena *arena, const struct shard_record *from);
struct lock_record copy_lock(struct arena *arena, const struct lock_record *from);
struct set_head copy_head(struct arena *arena, const struct set_head *from);
struct audit_event copy_event(struct arena *arena, const struct audit_event *from);
struct schema_reply copy_schemas(struct arena *arena, const struct schema_reply *from);
struct history_reply copy_history(struct arena *arena, const struct history_reply *from);

/* One block each, texts behind the struct: free() it. */
struct labels *copy_labels_block(const struct labels *from);
struct tenant_info *copy_tenant_block(const struct tenant_info *from);
struct failure_record *copy_failure_block(const struct failure_record *from);
struct audit_event *copy_event_block(const struct audit_event *from);

#endif
