#include "agent/run/executor_queue.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/run/executor_queue_parts.h"
#include "common/core/clock.h"
#include "common/core/limits.h"
#include "common/core/memory.h"

struct executor_queue *executor_queue_new(size_t worker_count)
{
    struct executor_queue *queue = memory_alloc(sizeof(*queue));

    pthread_mutex_init(&queue->mutex, NULL);
    clock_cond_init(&queue->work);
    clock_cond_init(&queue->orders);
    clock_cond_init(&queue->changes);
    queue->slots = memory_alloc_array(worker_count, sizeof(*queue->slots));
    queue->slot_count = worker_count;
    queue->allowed = worker_count;
    queue->lease_until_ms = UINT64_MAX;
    return queue;
}

static void executor_list_release(struct executor_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        executor_task_free(&list->items[i].task);
    }
    free(list->items);
}

void executor_queue_free(struct executor_queue **queue)
{
    struct executor_queue *q = *queue;

    *queue = NULL;
    if (q == NULL) {
        return;
    }
    executor_list_release(&q->waiting);
    executor_list_release(&q->resting);
    executor_list_release(&q->dropped);
    free(q->slots);
    pthread_cond_destroy(&q->work);
    pthread_cond_destroy(&q->orders);
    pthread_cond_destroy(&q->changes);
    pthread_mutex_destroy(&q->mutex);
    free(q);
}

/* The list is short (a window of tasks), so shifting it is cheaper than being clever. */
static void executor_list_insert(struct executor_list *list, size_t at, struct executor_entry entry)
{
    list->items = memory_reserve(list->items, list->count, &list->capacity, sizeof(*list->items));
    memmove(&list->items[at + 1], &list->items[at], (list->count - at) * sizeof(*list->items));
    list->items[at] = entry;
    list->count++;
}

static struct executor_entry executor_list_take(struct executor_list *list, size_t at)
{
    struct executor_entry entry = list->items[at];

    list->count--;
    memmove(&list->items[at], &list->items[at + 1], (list->count - at) * sizeof(*list->items));
    return entry;
}

void executor_queue_push(struct executor_queue *queue, struct executor_task *task)
{
    struct executor_entry entry = { .task = task };

    pthread_mutex_lock(&queue->mutex);
    queue->load++;
    if (queue->closed) {
        executor_list_insert(&queue->dropped, queue->dropped.count, entry);
        pthread_cond_signal(&queue->orders);
    } else {
        executor_list_insert(&queue->waiting, queue->waiting.count, entry);
        pthread_cond_signal(&queue->work);
    }
    pthread_mutex_unlock(&queue->mutex);
}

bool executor_queue_put_back(struct executor_queue *queue, struct executor_task *task)
{
    pthread_mutex_lock(&queue->mutex);
    bool open = !queue->closed;
    if (open) {
        executor_list_insert(&queue->waiting, 0,
                             (struct executor_entry){ .task = task, .settle = true });
        pthread_cond_signal(&queue->work);
    }
    pthread_mutex_unlock(&queue->mutex);
    return open;
}

/* While it is known that the transaction is there which was in its way, there is no use in a try:
 * it would only make a queue. The last try is made all the same. */
static uint64_t executor_queue_due(const struct executor_entry *entry)
{
    uint64_t due_ms = entry->due_ms > entry->held_until_ms ? entry->due_ms : entry->held_until_ms;

    if (entry->task->awaits_copy != NULL) {
        return entry->due_ms; /* it waits for nobody's lock */
    }
    return due_ms < entry->task->gives_up_ms ? due_ms : entry->task->gives_up_ms;
}

/* Those that have rested long enough wait again, behind the others. Returns when the next is due.
 */
static uint64_t executor_queue_wake_rested(struct executor_queue *queue)
{
    uint64_t now_ms = clock_monotonic_ms();
    uint64_t next_ms = UINT64_MAX;

    for (size_t i = 0; i < queue->resting.count;) {
        uint64_t due_ms = executor_queue_due(&queue->resting.items[i]);

        if (due_ms <= now_ms) {
            executor_list_insert(&queue->waiting, queue->waiting.count,
                                 executor_list_take(&queue->resting, i));
        } else {
            next_ms = due_ms < next_ms ? due_ms : next_ms;
            i++;
        }
    }
    return next_ms;
}

static bool executor_queue_may_take(const struct executor_queue *queue)
{
    return queue->waiting.count > 0 && queue->at_work < queue->allowed;
}

bool executor_queue_take(struct executor_queue *queue, size_t worker,
                         struct executor_turn *ret_turn)
{
    struct executor_slot *slot = &queue->slots[worker];

    pthread_mutex_lock(&queue->mutex);
    assert(slot->turn.task == NULL);
    uint64_t next_ms = executor_queue_wake_rested(queue);
    while (!executor_queue_may_take(queue) && !(queue->closed && queue->waiting.count == 0)) {
        (void)clock_cond_wait_until(&queue->work, &queue->mutex, next_ms);
        next_ms = executor_queue_wake_rested(queue);
    }
    bool taken = queue->waiting.count > 0;
    if (taken) {
        struct executor_entry entry = executor_list_take(&queue->waiting, 0);

        slot->turn.task = entry.task;
        slot->turn.settle = entry.settle;
        slot->turn.serial = ++queue->serial;
        slot->cancelled = entry.cancelled;
        slot->next_cancel_ms = 0;
        queue->at_work++;
        *ret_turn = slot->turn;
    }
    pthread_mutex_unlock(&queue->mutex);
    return taken;
}

bool executor_queue_has_more(struct executor_queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    bool more = queue->waiting.count > 0;
    pthread_mutex_unlock(&queue->mutex);
    return more;
}

bool executor_queue_is_quiet(struct executor_queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    bool quiet = queue->waiting.count == 0;
    for (size_t i = 0; i < queue->slot_count; i++) {
        quiet = quiet && queue->slots[i].turn.task == NULL;
    }
    pthread_mutex_unlock(&queue->mutex);
    return quiet;
}

/* What is left of the turn is forgotten; another worker may have one. */
static void executor_queue_clear(struct executor_queue *queue, struct executor_slot *slot)
{
    slot->turn.task = NULL;
    slot->cancelled = false;
    slot->trouble[0] = '\0';
    slot->progress[0] = '\0';
    slot->phase[0] = '\0';
    slot->insists = false;
    slot->yields = false;
    slot->yielded[0] = '\0';
    slot->waits_for[0] = '\0';
    slot->waited_for[0] = '\0';
    slot->blocker[0] = '\0';
    queue->at_work--;
    pthread_cond_signal(&queue->work);
}

void executor_queue_end_turn(struct executor_queue *queue, size_t worker)
{
    pthread_mutex_lock(&queue->mutex);
    executor_queue_clear(queue, &queue->slots[worker]);
    pthread_mutex_unlock(&queue->mutex);
}

bool executor_queue_rest(struct executor_queue *queue, size_t worker, uint64_t due_ms)
{
    struct executor_slot *slot = &queue->slots[worker];

    pthread_mutex_lock(&queue->mutex);
    bool rests = !queue->closed && !slot->cancelled;
    if (rests) {
        executor_list_insert(&queue->resting, queue->resting.count,
                             (struct executor_entry){ .task = slot->turn.task, .due_ms = due_ms });
        executor_queue_clear(queue, slot);
    }
    pthread_mutex_unlock(&queue->mutex);
    return rests;
}

void executor_queue_wake(struct executor_queue *queue, const char *copy)
{
    pthread_mutex_lock(&queue->mutex);
    for (size_t i = 0; i < queue->resting.count; i++) {
        struct executor_entry *entry = &queue->resting.items[i];

        if (entry->task->awaits_copy != NULL && strcmp(entry->task->awaits_copy, copy) == 0) {
            entry->due_ms = 0;
        }
    }
    pthread_cond_broadcast(&queue->work);
    pthread_mutex_unlock(&queue->mutex);
}

size_t executor_queue_blockers(struct executor_queue *queue, struct buf *ret_array)
{
    pthread_mutex_lock(&queue->mutex);
    size_t count = queue->resting.count;
    size_t named = 0;
    for (size_t i = 0; i < count; i++) {
        const char *blocker = queue->resting.items[i].task->blocker;

        if (blocker != NULL && blocker[0] != '\0') {
            buf_printf(ret_array, "%s%s", named == 0 ? "" : ",", blocker);
            named++;
        }
    }
    pthread_mutex_unlock(&queue->mutex);
    return count;
}

static bool executor_queue_is_there(const char *blocker, const char *const *blockers, size_t count)
{
    size_t i = 0;

    while (i < count && strcmp(blocker, blockers[i]) != 0) {
        i++;
    }
    return i < count;
}

void executor_queue_hold(struct executor_queue *queue, const char *const *blockers, size_t count)
{
    uint64_t now_ms = clock_monotonic_ms();

    pthread_mutex_lock(&queue->mutex);
    for (size_t i = 0; i < queue->resting.count; i++) {
        struct executor_entry *entry = &queue->resting.items[i];
        const char *blocker = entry->task->blocker == NULL ? "" : entry->task->blocker;

        if (blocker[0] != '\0' && executor_queue_is_there(blocker, blockers, count)) {
            entry->held_until_ms = now_ms + WATCH_STALE_MS;
        } else if (entry->held_until_ms > 0) {
            entry->held_until_ms = 0;
            entry->due_ms = now_ms; /* the way is free */
        }
    }
    pthread_cond_broadcast(&queue->work);
    pthread_mutex_unlock(&queue->mutex);
}

void executor_queue_yield(struct executor_queue *queue, size_t worker, uint64_t serial,
                          const char *words)
{
    struct executor_slot *slot = &queue->slots[worker];

    pthread_mutex_lock(&queue->mutex);
    if (slot->turn.task != NULL && slot->turn.serial == serial && !slot->insists) {
        slot->yields = true;
        (void)snprintf(slot->yielded, sizeof(slot->yielded), "%s", words);
        pthread_cond_signal(&queue->orders);
    }
    pthread_mutex_unlock(&queue->mutex);
}

void executor_queue_allow(struct executor_queue *queue, size_t workers)
{
    assert(workers > 0);
    pthread_mutex_lock(&queue->mutex);
    queue->allowed = workers;
    pthread_cond_broadcast(&queue->work);
    pthread_mutex_unlock(&queue->mutex);
}

void executor_queue_disturb(struct executor_queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    queue->disturbances++;
    pthread_mutex_unlock(&queue->mutex);
}

uint64_t executor_queue_disturbances(struct executor_queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    uint64_t count = queue->disturbances;
    pthread_mutex_unlock(&queue->mutex);
    return count;
}

void executor_queue_answered(struct executor_queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    assert(queue->load > 0);
    queue->load--;
    if (queue->load == 0) {
        pthread_cond_broadcast(&queue->changes);
    }
    pthread_mutex_unlock(&queue->mutex);
}

bool executor_queue_is_cancelled(struct executor_queue *queue, size_t worker)
{
    pthread_mutex_lock(&queue->mutex);
    bool cancelled = queue->slots[worker].cancelled;
    pthread_mutex_unlock(&queue->mutex);
    return cancelled;
}

bool executor_queue_pause(struct executor_queue *queue, size_t worker, uint64_t milliseconds)
{
    uint64_t deadline_ms = clock_monotonic_ms() + milliseconds;

    pthread_mutex_lock(&queue->mutex);
    while (!queue->slots[worker].cancelled &&
           clock_cond_wait_until(&queue->changes, &queue->mutex, deadline_ms)) {
    }
    bool cancelled = queue->slots[worker].cancelled;
    pthread_mutex_unlock(&queue->mutex);
    return !cancelled;
}

void executor_queue_set_lease(struct executor_queue *queue, uint64_t until_ms)
{
    pthread_mutex_lock(&queue->mutex);
    queue->lease_until_ms = until_ms;
    pthread_cond_broadcast(&queue->changes);
    pthread_mutex_unlock(&queue->mutex);
}

uint64_t executor_queue_lease(struct executor_queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    uint64_t until_ms = queue->lease_until_ms;
    pthread_mutex_unlock(&queue->mutex);
    return until_ms;
}

bool executor_queue_wait_lease(struct executor_queue *queue, size_t worker)
{
    const struct executor_slot *slot = &queue->slots[worker];

    pthread_mutex_lock(&queue->mutex);
    /* By the clock, not by what the brain has noticed: after a pause workers may run first. */
    while (!slot->cancelled && queue->lease_until_ms != UINT64_MAX &&
           clock_monotonic_ms() >= queue->lease_until_ms) {
        (void)clock_cond_wait_until(&queue->changes, &queue->mutex, UINT64_MAX);
    }
    bool cancelled = slot->cancelled;
    pthread_mutex_unlock(&queue->mutex);
    return !cancelled;
}

static bool executor_queue_matches(const struct executor_task *task, const char *rollout,
                                   const char *const *tenants, size_t tenant_count)
{
    if (rollout == NULL) {
        return true;
    }
    if (task->mode == TASK_SETTLE) {
        return false; /* it is what an abort waits for */
    }
    if (strcmp(task->rollout, rollout) != 0) {
        return false;
    }
    for (size_t i = 0; i < tenant_count; i++) {
        if (strcmp(task->tenant, tenants[i]) == 0) {
            return true;
        }
    }
    return tenants == NULL;
}

static void executor_queue_drop_rested(struct executor_queue *queue, const char *rollout,
                                       const char *const *tenants, size_t tenant_count)
{
    for (size_t i = 0; i < queue->resting.count;) {
        if (executor_queue_matches(queue->resting.items[i].task, rollout, tenants, tenant_count)) {
            executor_list_insert(&queue->dropped, queue->dropped.count,
                                 executor_list_take(&queue->resting, i));
        } else {
            i++;
        }
    }
}

void executor_queue_cancel(struct executor_queue *queue, const char *rollout,
                           const char *const *tenants, size_t tenant_count)
{
    pthread_mutex_lock(&queue->mutex);
    for (size_t i = 0; i < queue->waiting.count;) {
        struct executor_entry *entry = &queue->waiting.items[i];

        if (!executor_queue_matches(entry->task, rollout, tenants, tenant_count)) {
            i++;
        } else if (entry->settle) {
            entry->cancelled = true; /* somebody has to find out what became of it */
            i++;
        } else {
            executor_list_insert(&queue->dropped, queue->dropped.count,
                                 executor_list_take(&queue->waiting, i));
        }
    }
    executor_queue_drop_rested(queue, rollout, tenants, tenant_count);
    for (size_t i = 0; i < queue->slot_count; i++) {
        struct executor_slot *slot = &queue->slots[i];

        if (slot->turn.task != NULL &&
            executor_queue_matches(slot->turn.task, rollout, tenants, tenant_count)) {
            slot->cancelled = true;
        }
    }
    pthread_cond_signal(&queue->orders);
    pthread_cond_broadcast(&queue->changes);
    pthread_mutex_unlock(&queue->mutex);
}

void executor_queue_close(struct executor_queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    queue->closed = true;
    for (size_t i = 0; i < queue->waiting.count;) {
        if (queue->waiting.items[i].settle) {
            i++;
        } else {
            executor_list_insert(&queue->dropped, queue->dropped.count,
                                 executor_list_take(&queue->waiting, i));
        }
    }
    executor_queue_drop_rested(queue, NULL, NULL, 0);
    pthread_cond_broadcast(&queue->work);
    pthread_cond_signal(&queue->orders);
    pthread_mutex_unlock(&queue->mutex);
}

void executor_queue_finish(struct executor_queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    queue->finished = true;
    pthread_cond_signal(&queue->orders);
    pthread_mutex_unlock(&queue->mutex);
}

/* Fills the order if there is something to do now; else says when to look again. */
static bool executor_queue_find_order(struct executor_queue *queue,
                                      struct executor_order *ret_order, uint64_t *ret_deadline_ms)
{
    uint64_t now_ms = clock_monotonic_ms();

    *ret_deadline_ms = UINT64_MAX;
    if (queue->dropped.count > 0) {
        struct executor_entry entry = executor_list_take(&queue->dropped, 0);

        *ret_order = (struct executor_order){ .kind = EXECUTOR_ORDER_DROP, .task = entry.task };
        return true;
    }
    for (size_t i = 0; i < queue->slot_count; i++) {
        struct executor_slot *slot = &queue->slots[i];

        if (slot->turn.task != NULL && slot->yields) {
            slot->yields = false; /* the watcher looks again, and says so again */
            *ret_order = (struct executor_order){ .kind = EXECUTOR_ORDER_CANCEL,
                                                  .worker = i,
                                                  .serial = slot->turn.serial };
            return true;
        }
        if (slot->turn.task == NULL || !slot->cancelled) {
            continue;
        }
        if (slot->next_cancel_ms <= now_ms) {
            slot->next_cancel_ms = now_ms + CANCEL_REPEAT_MS;
            *ret_order = (struct executor_order){ .kind = EXECUTOR_ORDER_CANCEL,
                                                  .worker = i,
                                                  .serial = slot->turn.serial };
            return true;
        }
        if (slot->next_cancel_ms < *ret_deadline_ms) {
            *ret_deadline_ms = slot->next_cancel_ms;
        }
    }
    *ret_order = (struct executor_order){ .kind = EXECUTOR_ORDER_END };
    return queue->finished;
}

void executor_queue_wait_order(struct executor_queue *queue, struct executor_order *ret_order)
{
    uint64_t deadline_ms = 0;

    pthread_mutex_lock(&queue->mutex);
    while (!executor_queue_find_order(queue, ret_order, &deadline_ms)) {
        (void)clock_cond_wait_until(&queue->orders, &queue->mutex, deadline_ms);
    }
    pthread_mutex_unlock(&queue->mutex);
}

size_t executor_queue_load(struct executor_queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    size_t load = queue->load;
    pthread_mutex_unlock(&queue->mutex);
    return load;
}

bool executor_queue_wait_idle(struct executor_queue *queue, uint64_t deadline_ms)
{
    pthread_mutex_lock(&queue->mutex);
    while (queue->load > 0 && clock_cond_wait_until(&queue->changes, &queue->mutex, deadline_ms)) {
    }
    bool idle = queue->load == 0;
    pthread_mutex_unlock(&queue->mutex);
    return idle;
}
