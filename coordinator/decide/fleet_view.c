#include "coordinator/decide/fleet_view.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/memory.h"
#include "coordinator/decide/lock_table.h"
#include "coordinator/decide/registry.h"
#include "coordinator/decide/rollout.h"

/* ---- shards ---- */

size_t fleet_shard_count(const struct fleet *fleet)
{
    return fleet->shard_count;
}

static const char *fleet_view_text(const char *text)
{
    return text == NULL ? "" : text;
}

static uint32_t fleet_view_workers_now(const struct session *session)
{
    uint32_t all = session->link == NULL ? 0 : session->link->workers;

    return session->workers_now == 0 || session->workers_now > all ? all : session->workers_now;
}

void fleet_shard_at(const struct fleet *fleet, size_t index, struct shard_view *ret_view)
{
    assert(index < fleet->shard_count);
    const struct shard *shard = fleet->shards[index];
    const struct session *session = &shard->session;
    const char *trouble = fleet_view_text(session->trouble);

    *ret_view = (struct shard_view){
        .name = shard->name,
        .labels = shard->labels,
        .presence = session->state == SESSION_LIVE ? SHARD_ONLINE : SHARD_OFFLINE,
        .tenants_known = shard->tenants_known,
        .leaving = session->link != NULL && session->link->leaving,
        .agent = fleet_view_text(session->agent),
        .agent_version = session->link == NULL ? "" : session->link->version,
        .peer = fleet_view_text(session->peer),
        .trouble = trouble[0] != '\0' ? trouble : shard->trouble,
        .workers = session->link == NULL ? 0 : session->link->workers,
        .workers_now = fleet_view_workers_now(session),
        .workers_reason = fleet_view_text(session->workers_reason),
        .tasks_in_flight = (uint32_t)shard->in_flight,
        .tenant_count = shard->tenants_known ? shard->present_count : shard->tenants_stored,
        .since_ms = session->since_ms,
    };
    for (const struct agent_link *link = shard->links; link != NULL; link = link->next) {
        if (link != session->link) {
            assert(ret_view->standbys < COUNT_OF(ret_view->standby_agents));
            ret_view->standby_agents[ret_view->standbys++] = link->agent;
        }
    }
}

/* ---- tenants ---- */

static const char *fleet_view_holder(const struct shard *shard, const char *tenant, char *text,
                                     size_t bytes)
{
    const struct lock *lock = lock_table_find(shard, tenant);

    if (lock == NULL) {
        return "";
    }
    if (lock_table_is_hold(lock)) {
        return lock->record.owner;
    }
    (void)snprintf(text, bytes, "rollout %s", lock->record.rollout);
    return text;
}

void fleet_visit_tenants(const struct fleet *fleet, const struct selector *selector,
                         bool (*visit)(void *user, const struct tenant_view *tenant), void *user)
{
    char holder[256];

    for (size_t i = 0; i < fleet->shard_count; i++) {
        const struct shard *shard = fleet->shards[i];
        if (selector != NULL && !selector_may_match_shard(selector, shard->name, shard->labels)) {
            continue;
        }
        for (size_t j = 0; j < shard->tenant_count; j++) {
            const struct tenant *tenant = shard->tenants[j];
            if (!tenant->present ||
                (selector != NULL &&
                 !selector_matches(selector, shard->name, shard->labels, tenant->info->name,
                                   &tenant->info->labels))) {
                continue;
            }
            const struct tenant_view view = {
                .shard = shard->name,
                .shard_labels = shard->labels,
                .info = tenant->info,
                .locked_by = fleet_view_holder(shard, tenant->info->name, holder, sizeof(holder)),
            };
            if (!visit(user, &view)) {
                return;
            }
        }
    }
}

/* ---- sets ---- */

size_t fleet_set_count(const struct fleet *fleet)
{
    return fleet->sets.title_count;
}

void fleet_set_at(const struct fleet *fleet, size_t index, const struct set_head **ret_head,
                  const struct set **ret_set)
{
    assert(index < fleet->sets.title_count);
    *ret_head = &fleet->sets.titles[index].head;
    *ret_set = set_shelf_find(&fleet->sets, (*ret_head)->name, "");
}

const struct set *fleet_set_find(const struct fleet *fleet, const char *name, const char *digest)
{
    return set_shelf_find(&fleet->sets, name, digest);
}

const struct set_head *fleet_set_head(const struct fleet *fleet, const char *name)
{
    return set_shelf_head(&fleet->sets, name);
}

/* ---- locks and audit ---- */

static int fleet_view_compare_locks(const void *a, const void *b)
{
    const struct lock *x = *(const struct lock *const *)a;
    const struct lock *y = *(const struct lock *const *)b;

    return strcmp(x->name, y->name);
}

void fleet_visit_locks(const struct fleet *fleet,
                       void (*visit)(void *user, const struct lock_record *lock), void *user)
{
    for (size_t i = 0; i < fleet->shard_count; i++) {
        const struct shard *shard = fleet->shards[i];
        size_t count = HASH_COUNT(shard->locks);
        CLEANUP(memory_free)
        const struct lock **locks = memory_alloc_array(count, sizeof(struct lock *));
        size_t filled = 0;
        for (const struct lock *lock = shard->locks; lock != NULL; lock = lock->hh.next) {
            locks[filled++] = lock;
        }
        assert(filled == count);
        if (count > 1) {
            qsort(locks, count, sizeof(struct lock *), fleet_view_compare_locks);
        }
        for (size_t j = 0; j < count; j++) {
            visit(user, &locks[j]->record);
        }
    }
}

size_t fleet_event_count(const struct fleet *fleet)
{
    return fleet->audit.count;
}

const struct audit_event *fleet_event_at(const struct fleet *fleet, size_t index)
{
    return audit_at(&fleet->audit, index);
}

/* ---- numbers ---- */

void fleet_numbers(const struct fleet *fleet, struct fleet_numbers *ret_numbers)
{
    struct fleet_numbers numbers = { .shards = fleet->shard_count,
                                     .tenants = fleet->tenant_count,
                                     .locks_operator = fleet->hold_count,
                                     .locks_rollout = fleet->rollout_lock_count };

    for (size_t i = 0; i < fleet->shard_count; i++) {
        const struct shard *shard = fleet->shards[i];
        numbers.sessions += shard->session.lease_id != 0;
        numbers.standbys += shard->link_count - (shard->session.link == NULL ? 0 : 1);
    }
    for (size_t i = 0; i < fleet->rollout_count; i++) {
        numbers.rollouts[fleet->rollouts[i]->state.phase]++;
    }
    memcpy(numbers.tasks_in_flight, fleet->tasks_in_flight, sizeof(numbers.tasks_in_flight));
    memcpy(numbers.task_results, fleet->task_results, sizeof(numbers.task_results));
    *ret_numbers = numbers;
}
