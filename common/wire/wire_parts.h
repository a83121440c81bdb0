/* wire_parts.h - what several messages hold: labels, tenants, errors, counts, history.
 *
 * Pure. wire_parts_of_<x> makes a proto message in the arena out of the model's struct and borrows
 * its texts; wire_parts_to_<x> goes the other way, checks, and borrows the message's texts. */
#ifndef SKEIN_COMMON_WIRE_WIRE_PARTS_H
#define SKEIN_COMMON_WIRE_WIRE_PARTS_H

#include "common/core/arena.h"
#include "common/model/message.h"
#include "common/wire/wire_check.h"
#include "skein/v1/agent.pb-c.h"
#include "skein/v1/model.pb-c.h"

Skein__V1__Label **wire_parts_of_labels(const struct labels *labels, struct arena *arena);
/* Sorts them; a key that comes twice is refused. */
struct labels wire_parts_to_labels(struct wire_check *check, Skein__V1__Label *const *items,
                                   size_t count, struct arena *arena);

Skein__V1__SetVersion **wire_parts_of_versions(const struct set_version *versions, size_t count,
                                               struct arena *arena);
Skein__V1__TenantInfo *wire_parts_of_tenant(const struct tenant_info *tenant, struct arena *arena);
struct tenant_info wire_parts_to_tenant(struct wire_check *check,
                                        const Skein__V1__TenantInfo *tenant, struct arena *arena);

Skein__V1__TaskError *wire_parts_of_error(const struct task_error *error, struct arena *arena);
/* `error` may be NULL: no error. `mode` stands in where the message names none. */
struct task_error wire_parts_to_error(struct wire_check *check, const Skein__V1__TaskError *error,
                                      enum task_mode mode);

Skein__V1__RolloutCounts *wire_parts_of_counts(const struct rollout_counts *counts,
                                               struct arena *arena);
/* NULL: all zero. */
struct rollout_counts wire_parts_to_counts(const Skein__V1__RolloutCounts *counts);

/* Only the codes that count something. */
Skein__V1__DryRunClass **wire_parts_of_classes(const struct dry_run_class *classes, size_t count,
                                               struct arena *arena);
const struct dry_run_class *wire_parts_to_classes(struct wire_check *check,
                                                  Skein__V1__DryRunClass *const *items,
                                                  size_t count, struct arena *arena);
Skein__V1__SkipCount **wire_parts_of_skips(const uint64_t skips[TASK_CODE_COUNT],
                                           struct arena *arena, size_t *ret_count);
void wire_parts_to_skips(struct wire_check *check, Skein__V1__SkipCount *const *items, size_t count,
                         uint64_t ret_skips[TASK_CODE_COUNT]);

Skein__V1__HistoryEntry **wire_parts_of_history(const struct history_entry *entries, size_t count,
                                                struct arena *arena);
const struct history_entry *wire_parts_to_history(struct wire_check *check,
                                                  Skein__V1__HistoryEntry *const *entries,
                                                  size_t count, struct arena *arena);

Skein__V1__TaskProgress *wire_parts_of_progress(const struct task_progress *progress,
                                                struct arena *arena);
struct task_progress wire_parts_to_progress(struct wire_check *check,
                                            const Skein__V1__TaskProgress *progress);

/* Lists of text. */
char **wire_parts_of_texts(const char *const *texts, size_t count, struct arena *arena);

#endif
