/* fake_fleet.h - a fleet that shows what a test wants, in place of the real decisions.
 *
 * Defines the functions of fleet_view.h, so it is included by one file of a test program only. What
 * the test's thread and its brain both touch is atomic. */
#ifndef SKEIN_TESTS_UNIT_FAKE_FLEET_H
#define SKEIN_TESTS_UNIT_FAKE_FLEET_H

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "coordinator/decide/fleet_view.h"

struct fleet {
    atomic_bool leading;
    atomic_bool silent; /* orders are not answered */
    atomic_size_t tenant_count;
    atomic_int phase;
    atomic_uint change;
    struct set *set; /* the published one */
    struct set_head head;
    struct rollout_spec spec;
    char id[32];
    struct lock_record lock;
    atomic_size_t orders;
    char last_actor[256];
};

bool fleet_is_leading(const struct fleet *fleet)
{
    return atomic_load(&fleet->leading);
}

size_t fleet_rollout_count(const struct fleet *fleet)
{
    return fleet->spec.id != NULL;
}

void fleet_rollout_at(const struct fleet *fleet, size_t index, uint64_t now_ms,
                      struct rollout_view *ret_view)
{
    static const struct task_error error = {
        .tenant = "eu-1/t_7",
        .mode = TASK_RUN,
        .code = TASK_CODE_SQL,
        .sqlstate = "23505",
        .message = "duplicate key",
        .detail = "",
        .hint = "",
        .file = "0.1.0__a.sql",
    };
    static const struct task_error *const errors[] = { &error, &error };
    static const struct shard_progress shards[] = { { .shard = "eu-1", .counts = { .total = 3 } } };

    (void)index;
    (void)now_ms;
    *ret_view = (struct rollout_view){
        .spec = &fleet->spec,
        .state = { .phase = (enum rollout_phase)atomic_load(&fleet->phase),
                   .phase_reason = "",
                   .changed_by = "",
                   .counts = { .total = 3, .failed = 2 } },
        .errors = errors,
        .error_count = COUNT_OF(errors),
        .shards = shards,
        .shard_count = 1,
        .change = atomic_load(&fleet->change),
    };
    ret_view->state.skips[TASK_CODE_TENANT_LOCKED] = 1;
    snprintf(ret_view->waiting_for, sizeof(ret_view->waiting_for), "agent-offline(eu-2)");
}

bool fleet_rollout_find(const struct fleet *fleet, const char *id, uint64_t now_ms,
                        struct rollout_view *ret_view, struct error *err)
{
    if (fleet->spec.id == NULL || strncmp(fleet->spec.id, id, strlen(id)) != 0) {
        return error_set(err, ERR_NOT_FOUND, "no rollout '%s'", id);
    }
    fleet_rollout_at(fleet, 0, now_ms, ret_view);
    return true;
}

size_t fleet_shard_count(const struct fleet *fleet)
{
    (void)fleet;
    return 2;
}

static const struct label shard_label_list[] = { { "region", "eu" } };
static const struct labels shard_labels = { shard_label_list, 1 };

void fleet_shard_at(const struct fleet *fleet, size_t index, struct shard_view *ret_view)
{
    (void)fleet;
    *ret_view = (struct shard_view){ .name = index == 0 ? "eu-1" : "eu-2",
                                     .labels = &shard_labels,
                                     .presence = index == 0 ? SHARD_ONLINE : SHARD_OFFLINE,
                                     .tenants_known = index == 0,
                                     .agent = "a1",
                                     .agent_version = "0.1.0",
                                     .peer = "",
                                     .trouble = "" };
}

/* Names live until the program ends, as the fleet's live until its next step. */
enum { FAKE_TENANTS_MAX = 80000, FAKE_NAME_BYTES = 16 };

static inline const struct tenant_info *fake_fleet_tenant(size_t index)
{
    static struct tenant_info infos[FAKE_TENANTS_MAX];
    static char names[FAKE_TENANTS_MAX][FAKE_NAME_BYTES];

    if (infos[index].name == NULL) {
        snprintf(names[index], FAKE_NAME_BYTES, "t_%06u", (unsigned)index % 1000000);
        infos[index].name = names[index];
    }
    return &infos[index];
}

void fleet_visit_tenants(const struct fleet *fleet, const struct selector *selector,
                         bool (*visit)(void *user, const struct tenant_view *tenant), void *user)
{
    bool more = true;

    for (size_t i = 0; i < atomic_load(&fleet->tenant_count) && more; i++) {
        const struct tenant_info *info = fake_fleet_tenant(i);
        const struct tenant_view view = { "eu-1", &shard_labels, info, "" };
        if (selector_matches(selector, "eu-1", &shard_labels, info->name, &info->labels)) {
            more = visit(user, &view);
        }
    }
}

size_t fleet_set_count(const struct fleet *fleet)
{
    return fleet->set != NULL;
}

void fleet_set_at(const struct fleet *fleet, size_t index, const struct set_head **ret_head,
                  const struct set **ret_set)
{
    (void)index;
    *ret_head = &fleet->head;
    *ret_set = fleet->set;
}

const struct set *fleet_set_find(const struct fleet *fleet, const char *name, const char *digest)
{
    bool found = fleet->set != NULL && strcmp(fleet->set->name, name) == 0 &&
                 (digest[0] == '\0' || strcmp(fleet->set->digest, digest) == 0);
    return found ? fleet->set : NULL;
}

const struct set_head *fleet_set_head(const struct fleet *fleet, const char *name)
{
    return fleet_set_find(fleet, name, "") != NULL ? &fleet->head : NULL;
}

void fleet_visit_locks(const struct fleet *fleet,
                       void (*visit)(void *user, const struct lock_record *lock), void *user)
{
    static const struct lock_record of_rollout = { "eu-1/t_1", "rollout", "", "r7", "", 0, 0, 0 };

    visit(user, &of_rollout);
    if (fleet->lock.tenant != NULL) {
        visit(user, &fleet->lock);
    }
}

size_t fleet_event_count(const struct fleet *fleet)
{
    (void)fleet;
    return 3;
}

const struct audit_event *fleet_event_at(const struct fleet *fleet, size_t index)
{
    static const struct audit_event event = { 1000, "cert:ana", "rollout.start", "r7", "", "" };

    (void)fleet;
    (void)index;
    return &event;
}

#endif
