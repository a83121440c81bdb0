/* sim_set.h - the migration set that simulated fleets run: `billing`, in growing editions.
 *
 * Pure. Edition n has the migrations 0.1.0 to 0.n.0. */
#ifndef SKEIN_TESTS_SIM_SIM_SET_H
#define SKEIN_TESTS_SIM_SIM_SET_H

#include "common/model/set.h"

enum { SIM_SET_EDITIONS = 5 };

/* Owned by the caller: set_release and free, or hand it over in an event. */
struct set *sim_set_new(unsigned edition);
/* The edition with this digest; 0 for none. */
unsigned sim_set_edition(const char *digest);

#endif
