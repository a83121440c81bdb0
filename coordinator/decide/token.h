/* token.h - fencing tokens: the store's revision plus a base that only grows.
 *
 * Pure. Revisions alone would do while there is one store for ever. When it is made anew, or the
 * fleet moves to another one, revisions begin again below the fences that the tenants' journals
 * hold, and every task would be refused. So an agent's report of such a fence raises the base,
 * which is durable before any lock that is taken after it. */
#ifndef SKEIN_COORDINATOR_DECIDE_TOKEN_H
#define SKEIN_COORDINATOR_DECIDE_TOKEN_H

#include "coordinator/decide/fleet_state.h"

void token_load(struct fleet *fleet, const struct loaded *loaded);
/* The store answered with this revision: the token of locks taken in that transaction. */
uint64_t token_of_revision(struct fleet *fleet, uint64_t revision);
/* Makes sure that later tokens are greater than all fences of these tenants. */
void token_note_fences(struct step *step, const struct tenant_info *tenants, size_t count);

#endif
