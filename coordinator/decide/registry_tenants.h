/* registry_tenants.h - the part of the registry that only reports use.
 *
 * Pure. */
#ifndef SKEIN_COORDINATOR_DECIDE_REGISTRY_TENANTS_H
#define SKEIN_COORDINATOR_DECIDE_REGISTRY_TENANTS_H

#include "coordinator/decide/registry.h"

/* Updates or adds; NULL when the shard has TENANTS_PER_SHARD_MAX. */
struct tenant *registry_put_tenant(struct step *step, struct shard *shard,
                                   const struct tenant_info *info);
/* It exists no more. Follow with registry_collect. */
void registry_mark_gone(struct step *step, struct tenant *tenant);

#endif
