/* tenant_diff.h - what changed between two looks at the tenants, as reports.
 *
 * Pure. Both lists are sorted by name. */
#ifndef SKEIN_AGENT_DECIDE_TENANT_DIFF_H
#define SKEIN_AGENT_DECIDE_TENANT_DIFF_H

#include "common/core/arena.h"
#include "common/model/message.h"

/* The reports to send, in order, each within TENANTS_PER_MESSAGE_MAX; they borrow from both lists
 * and live in `arena`. `full`: everything of `now`, and the first says so. There is always at least
 * one, whose `last` is set: it answers `refresh`. Returns how many. */
size_t tenant_diff(const struct tenant_info *before, size_t before_count,
                   const struct tenant_info *now, size_t now_count, bool full, uint64_t refresh,
                   struct arena *arena, struct tenant_report **ret_reports);

#endif
