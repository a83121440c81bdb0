/* leader_view.h - who leads, as the serving threads may know it.
 *
 * Written by the brain thread, read by any. */
#ifndef SKEIN_COORDINATOR_SERVE_LEADER_VIEW_H
#define SKEIN_COORDINATOR_SERVE_LEADER_VIEW_H

#include <stdbool.h>

struct leader_view;

struct leader_view *leader_view_new(void);
void leader_view_free(struct leader_view **pointer);

/* `address` is the leader's --advertise, "" while nobody is known to lead. */
void leader_view_set(struct leader_view *view, bool leading, const char *address);
bool leader_view_is_leading(struct leader_view *view);
/* The key is ours, and the store is being read: until leader_view_set says more. Agents may wait.
 */
void leader_view_set_taking_over(struct leader_view *view);
bool leader_view_is_taking_over(struct leader_view *view);
enum { LEADER_ADDRESS_BYTES = 256, LEADER_TROUBLE_BYTES = 256 };
void leader_view_address(struct leader_view *view, char ret_address[LEADER_ADDRESS_BYTES]);
/* Why it is not known who leads, or why nobody does; "" when there is nothing to say. */
void leader_view_set_trouble(struct leader_view *view, const char *trouble);
void leader_view_trouble(struct leader_view *view, char ret_trouble[LEADER_TROUBLE_BYTES]);

#endif
