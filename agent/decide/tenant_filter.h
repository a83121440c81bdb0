/* tenant_filter.h - which tenants can be reported at all.
 *
 * Pure. PostgreSQL takes almost any name; skein's names travel in paths ("shard/tenant") and on
 * terminals. A tenant that no coordinator would take is left out, and said so, since one of them in
 * a report would have the whole stream refused, again and again. */
#ifndef SKEIN_AGENT_DECIDE_TENANT_FILTER_H
#define SKEIN_AGENT_DECIDE_TENANT_FILTER_H

#include "common/core/arena.h"
#include "common/model/message.h"

/* The tenants that can be reported, in their order, in `arena` (their texts are borrowed). Sets
 * *ret_trouble to "" or to a sentence that names the first of the others. Returns how many. */
size_t tenant_filter(const struct tenant_info *tenants, size_t count, struct arena *arena,
                     const struct tenant_info **ret_tenants, const char **ret_trouble);

#endif
