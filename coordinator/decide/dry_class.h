/* dry_class.h - tenants of one shard with the same schema at the same version, of which a rollout
 * dry-runs one.
 *
 * Pure. With the dry run "classes" or "clone" a tenant's first task only looks what its schema is;
 * that tells its class. The first of a class (its front) is then dry-run, or a copy of it is; the
 * others wait and pass with it. If it fails before anything runs they wait on: no tenant will be
 * changed, and a retry begins with the next of them. If it is skipped, or fails when others run
 * already, the next one is the front. A tenant whose schema has changed since (STALE) is looked at
 * again. */
#ifndef SKEIN_COORDINATOR_DECIDE_DRY_CLASS_H
#define SKEIN_COORDINATOR_DECIDE_DRY_CLASS_H

#include "coordinator/decide/part.h"

struct dry_class {
    char *key;
    struct tenant_task *front;        /* is dry-run for all; NULL: nobody is left */
    char *stood;                      /* "shard/name" of the latest front */
    uint64_t members;                 /* that front included */
    struct tenant_task_queue waiting; /* for the front: TENANT_TASK_LIST_CLASS */
    bool passed;
    bool held; /* the front has failed: who waits is counted in rollout->dry_held */
    UT_hash_handle hh;
};

/* How much of a dry run the task's next hand-out is. */
enum dry_run_step dry_class_step_of(const struct tenant_task *task);
/* Another one is dry-run for it. */
bool dry_class_waits(const struct tenant_task *task);

/* The task was looked at: it passes with its class, is its front, or waits. */
void dry_class_join(struct step *step, struct tenant_task *task, const char *fingerprint,
                    uint64_t stamp);
/* What was known of its schema is old; it must not wait now. */
void dry_class_leave(struct step *step, struct tenant_task *task);
/* The task's state has changed. */
void dry_class_follow(struct step *step, struct tenant_task *task);

/* Puts into the rollout's state how many there were, and who stood for how many. */
void dry_class_report(struct rollout *rollout);
/* The rollout's tasks are about to be freed. */
void dry_class_forget(struct rollout *rollout);

#endif
