/* sim_set.h - the migration set that simulated fleets run: `billing`, in growing editions.
 *
 * Pure. Edition n has the migrations 0.1.0 to 0.n.0. Each edition also exists with a reference
 * tenant, SIM_SET_REFERENCE, with a repeatable script that is another one in each edition, and with
 * hooks of a rollout. */
#ifndef SKEIN_TESTS_SIM_SIM_SET_H
#define SKEIN_TESTS_SIM_SIM_SET_H

#include "common/model/set.h"

enum { SIM_SET_EDITIONS = 5, SIM_SET_FILES_MAX = 2 * SIM_SET_EDITIONS + 4 };
#define SIM_SET_REFERENCE "s0/t00"
#define SIM_SET_CONTROL "s0/control" /* where its hooks run */
/* What unmanaged tenants look like. */
#define SIM_UNMANAGED_VERSION "0.1.0"

struct sim_set_kind {
    bool reference, repeatable;
    bool hooks; /* of a rollout */
};

/* Texts in the arena; returns how many. */
size_t sim_set_files(unsigned edition, struct sim_set_kind kind, struct arena *arena,
                     struct set_file ret_files[SIM_SET_FILES_MAX]);
/* Owned by the caller: set_release and free, or hand it over in an event. */
struct set *sim_set_new(unsigned edition);
struct set *sim_set_new_with_reference(unsigned edition);
struct set *sim_set_new_of(unsigned edition, struct sim_set_kind kind);
/* A new one with this digest; NULL for none. */
struct set *sim_set_of_digest(const char *digest);

#endif
