/* register_desk.h - the thread that writes versions into the users' registry, behind the results.
 *
 * A result that moved a tenant passes through here on its way to the coordinator: what came in
 * while the last statement ran is written in one. If that fails the result goes on with a warning;
 * the tenant stays migrated. Each reading of the tenants that began after the last result is
 * compared with the registry as a whole: so what failed is tried again, and what a crash left out
 * comes in, without anything being remembered. */
#ifndef SKEIN_AGENT_REGISTER_DESK_H
#define SKEIN_AGENT_REGISTER_DESK_H

#include "agent/agent_event.h"
#include "agent/run/tenant_register.h"
#include "common/core/mailbox.h"

struct register_desk;

/* NULL where no registry is configured; every function accepts that. */
struct register_desk *register_desk_start(const struct tenant_register_options *options,
                                          struct mailbox *inbox);
/* Gives back what it still holds. */
void register_desk_stop(struct register_desk **pointer);

/* Takes the result over if it is to be written: it comes back to the inbox with `registered` set.
 * False: it is none of that. */
bool register_desk_take(struct register_desk *desk, struct agent_event *result, const char *set);
/* What is known of all tenants by a reading that began then; copied. */
void register_desk_compare(struct register_desk *desk, const struct tenant_info *tenants,
                           size_t count, uint64_t started_ms);

#endif
