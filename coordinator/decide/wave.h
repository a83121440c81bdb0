/* wave.h - hands out tasks, a window of them at a time.
 *
 * Pure. A window is taken from one part in one mode: its locks are written in one transaction, and
 * when they are durable the tasks are sent with the transaction's revision as their token. The next
 * window goes out when half of what may be in flight has ended, so that an agent never starves and
 * locks still go in groups. */
#ifndef SKEIN_COORDINATOR_DECIDE_WAVE_H
#define SKEIN_COORDINATOR_DECIDE_WAVE_H

#include "coordinator/decide/fleet_state.h"

/* As much as fits, for every rollout that has tasks there, in turn. */
void wave_dispatch_shard(struct step *step, struct shard *shard);
void wave_dispatch_rollout(struct step *step, struct rollout *rollout);
/* The window's locks are durable: sends its tasks, or gives the locks back if they may not be sent
 * any more. Frees the window. */
void wave_on_stored(struct step *step, struct window *window, uint64_t ticket, uint64_t token);
/* How long a task of this rollout waits for a tenant that somebody holds. */
uint64_t wave_lock_wait_ms(const struct rollout *rollout);
void wave_free_window(struct window *window);
/* The rollout's tasks are about to be freed. */
void wave_forget_rollout(struct fleet *fleet, const struct rollout *rollout);

#endif
