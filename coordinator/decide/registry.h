/* registry.h - the shards and their tenants, from the store and from agents' reports.
 *
 * Pure. A tenant that is gone stays as long as a task refers to it. */
#ifndef SKEIN_COORDINATOR_DECIDE_REGISTRY_H
#define SKEIN_COORDINATOR_DECIDE_REGISTRY_H

#include "coordinator/decide/fleet_state.h"
#include "coordinator/decide/session.h"

struct part;
struct tenant_task;

struct tenant {
    struct shard *shard;
    struct tenant_info *info;  /* one block, replaced as a whole */
    struct tenant_task *tasks; /* of rollouts that have not ended */
    uint32_t report;           /* the full report that last named it */
    bool present;
};

struct shard {
    char *name;
    struct labels *labels; /* never NULL */
    int64_t first_seen_ms;
    uint64_t tenants_stored; /* tenant_count of the record in the store */
    bool stored;             /* the store has a record of it */

    struct tenant **tenants; /* sorted by name */
    size_t tenant_count, tenant_capacity;
    uint64_t present_count;
    uint32_t report; /* number of the full report that is coming in or came last */
    bool reporting;  /* a full report has begun and not ended */
    bool tenants_known;
    const char *trouble; /* what the decisions themselves have to say; static; "" */

    uint64_t refresh_sent, refresh_seen;
    bool refresh_open;   /* sent, not answered */
    bool refresh_wanted; /* one more as soon as that one is answered */

    struct session session;
    struct agent_link *links; /* streams of its agents in order of arrival */
    size_t link_count;
    struct lock *locks;
    struct part *parts; /* of rollouts that have not ended, in the order of their starts */
    size_t turn;        /* which of them gets tasks out first next time */
    size_t in_flight;   /* tasks whose lock was taken for its agent */
    UT_hash_handle by_lease;
};

struct shard *registry_find_shard(const struct fleet *fleet, const char *name);
/* Finds or makes. NULL when there are SHARDS_MAX. */
struct shard *registry_add_shard(struct step *step, const char *name, const struct labels *labels);
/* Frees everything; only without session, links, locks and parts. */
void registry_remove_shard(struct fleet *fleet, struct shard *shard);
void registry_release(struct fleet *fleet);
/* Takes the labels over; writes the shard's record if anything in it is news. */
void registry_put_labels(struct step *step, struct shard *shard, const struct labels *labels);
void registry_store_shard(struct step *step, struct shard *shard);

/* NULL if it never was; look at `present`. */
struct tenant *registry_find_tenant(const struct shard *shard, const char *name);
/* By "shard/name"; only one that is present. */
struct tenant *registry_find_path(const struct fleet *fleet, const char *path);
/* Finds, or makes one that is not present: it is about to be. NULL when the shard is full. */
struct tenant *registry_expect_tenant(struct shard *shard, const char *name);
/* Version of a set, or NULL. */
const struct set_version *registry_version(const struct tenant *tenant, const char *set);
/* After a task that moved it. */
void registry_put_version(struct tenant *tenant, const struct set_version *version);
/* Frees a tenant that is gone and has no task. */
void registry_collect(struct tenant *tenant);

/* The number of a RefreshTenants that will be answered with what is true from now on; it is sent as
 * soon as there is an agent and no earlier one is open. */
uint64_t registry_want_refresh(struct step *step, struct shard *shard);
/* The agent has a new stream: what was open may be lost. */
void registry_resend_refresh(struct step *step, struct shard *shard);

/* A report came in: updates tenants and tells the rollouts. */
void registry_on_report(struct step *step, struct shard *shard, const struct tenant_report *report);

#endif
