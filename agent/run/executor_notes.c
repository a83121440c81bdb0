#include "agent/run/executor_notes.h"

#include <stdio.h>
#include <string.h>

#include "agent/run/executor_queue_parts.h"
#include "common/core/clock.h"
#include "common/model/duration.h"

void executor_notes_trouble(struct executor_queue *queue, size_t worker, const char *words)
{
    char *trouble =
        worker == EXECUTOR_NOTES_BARRIER ? queue->barrier_trouble : queue->slots[worker].trouble;

    pthread_mutex_lock(&queue->mutex);
    (void)snprintf(trouble, TEXT_BYTES_MAX, "%s", words);
    pthread_mutex_unlock(&queue->mutex);
}

void executor_notes_read_trouble(struct executor_queue *queue, char ret_words[TEXT_BYTES_MAX])
{
    pthread_mutex_lock(&queue->mutex);
    memcpy(ret_words, queue->barrier_trouble, TEXT_BYTES_MAX);
    for (size_t i = 0; i < queue->slot_count && ret_words[0] == '\0'; i++) {
        memcpy(ret_words, queue->slots[i].trouble, TEXT_BYTES_MAX);
    }
    pthread_mutex_unlock(&queue->mutex);
}

void executor_notes_progress(struct executor_queue *queue, size_t worker, uint64_t done,
                             uint64_t total, const char *words)
{
    struct executor_slot *slot = &queue->slots[worker];

    pthread_mutex_lock(&queue->mutex);
    slot->done = done;
    slot->total = total;
    slot->phase[0] = '\0';
    (void)snprintf(slot->progress, sizeof(slot->progress), "%s", words);
    pthread_mutex_unlock(&queue->mutex);
}

void executor_notes_advance(struct executor_queue *queue, size_t worker, uint64_t serial,
                            uint64_t done, uint64_t total, const char *phase)
{
    struct executor_slot *slot = &queue->slots[worker];

    pthread_mutex_lock(&queue->mutex);
    if (slot->turn.task != NULL && slot->turn.serial == serial) {
        slot->advance = done;
        slot->advance_total = total;
        (void)snprintf(slot->phase, sizeof(slot->phase), "%s", phase);
    }
    pthread_mutex_unlock(&queue->mutex);
}

static struct task_progress executor_notes_item(struct arena *arena,
                                                const struct executor_task *task, const char *words)
{
    return (struct task_progress){ .rollout = arena_strdup(arena, task->rollout),
                                   .tenant = arena_strdup(arena, task->tenant),
                                   .words = words };
}

static struct task_progress executor_notes_of_slot(struct arena *arena,
                                                   const struct executor_slot *slot)
{
    bool waits = slot->waits_for[0] != '\0';
    bool advances = slot->phase[0] != '\0';
    const char *words = waits ? arena_strdup(arena, slot->waits_for)
                        : !advances
                            ? arena_strdup(arena, slot->progress)
                            : arena_printf(arena, "%s%s%s", slot->progress,
                                           slot->progress[0] == '\0' ? "" : ": ", slot->phase);
    struct task_progress item = executor_notes_item(arena, slot->turn.task, words);

    item.done = advances ? slot->advance : slot->done;
    item.total = advances ? slot->advance_total : slot->total;
    item.waits = waits;
    return item;
}

static struct task_progress
executor_notes_of_rest(struct arena *arena, const struct executor_entry *entry, uint64_t now_ms)
{
    if (entry->task->awaits_copy != NULL) {
        return executor_notes_item(arena, entry->task, arena_strdup(arena, entry->task->waits_for));
    }
    char left[DURATION_TEXT_BYTES];
    uint64_t left_ms = entry->due_ms > now_ms ? entry->due_ms - now_ms : 0;
    const char *when = entry->held_until_ms > now_ms
                           ? "when that has ended"
                           : arena_printf(arena, "in %s", duration_format_whole(left_ms, left));

    struct task_progress item =
        executor_notes_item(arena, entry->task,
                            arena_printf(arena, "%.400s; try %u %s", entry->task->waits_for,
                                         (unsigned)entry->task->patience.tries + 1, when));

    item.waits = true;
    return item;
}

static bool executor_notes_has_news(const struct executor_slot *slot)
{
    return slot->progress[0] != '\0' || slot->waits_for[0] != '\0' || slot->phase[0] != '\0';
}

size_t executor_notes_read_progress(struct executor_queue *queue, struct arena *arena,
                                    struct task_progress **ret_items)
{
    struct task_progress *items = arena_alloc_array(arena, PROGRESS_SHOWN_MAX, sizeof(*items));
    uint64_t now_ms = clock_monotonic_ms();
    size_t count = 0;

    pthread_mutex_lock(&queue->mutex);
    for (size_t i = 0; i < queue->slot_count && count < PROGRESS_SHOWN_MAX; i++) {
        const struct executor_slot *slot = &queue->slots[i];

        if (slot->turn.task != NULL && executor_notes_has_news(slot)) {
            items[count++] = executor_notes_of_slot(arena, slot);
        }
    }
    for (size_t i = 0; i < queue->resting.count && count < PROGRESS_SHOWN_MAX; i++) {
        items[count++] = executor_notes_of_rest(arena, &queue->resting.items[i], now_ms);
    }
    pthread_mutex_unlock(&queue->mutex);
    *ret_items = items;
    return count;
}

static void executor_notes_put_blockers(struct executor_slot *slot, const char *words,
                                        const char *blocker)
{
    (void)snprintf(slot->waits_for, sizeof(slot->waits_for), "%s", words);
    if (words[0] != '\0') {
        memcpy(slot->waited_for, slot->waits_for, sizeof(slot->waited_for));
        (void)snprintf(slot->blocker, sizeof(slot->blocker), "%s", blocker);
    }
}

void executor_notes_blockers(struct executor_queue *queue, size_t worker, uint64_t serial,
                             const char *words, const char *blocker)
{
    struct executor_slot *slot = &queue->slots[worker];

    pthread_mutex_lock(&queue->mutex);
    if (slot->turn.task != NULL && slot->turn.serial == serial) {
        executor_notes_put_blockers(slot, words, blocker);
    }
    pthread_mutex_unlock(&queue->mutex);
}

void executor_notes_foresee(struct executor_queue *queue, size_t worker, const char *words,
                            const char *blocker)
{
    pthread_mutex_lock(&queue->mutex);
    executor_notes_put_blockers(&queue->slots[worker], words, blocker);
    pthread_mutex_unlock(&queue->mutex);
}

void executor_notes_read_blockers(struct executor_queue *queue, size_t worker,
                                  char ret_words[PROGRESS_BYTES_MAX],
                                  char ret_blocker[WATCH_KEY_BYTES])
{
    pthread_mutex_lock(&queue->mutex);
    memcpy(ret_words, queue->slots[worker].waited_for, PROGRESS_BYTES_MAX);
    memcpy(ret_blocker, queue->slots[worker].blocker, WATCH_KEY_BYTES);
    pthread_mutex_unlock(&queue->mutex);
}

bool executor_notes_has_yielded(struct executor_queue *queue, size_t worker,
                                char ret_words[TEXT_BYTES_MAX])
{
    pthread_mutex_lock(&queue->mutex);
    memcpy(ret_words, queue->slots[worker].yielded, TEXT_BYTES_MAX);
    pthread_mutex_unlock(&queue->mutex);
    return ret_words[0] != '\0';
}

enum task_code executor_notes_why(struct executor_queue *queue, size_t worker)
{
    const struct executor_slot *slot = &queue->slots[worker];

    pthread_mutex_lock(&queue->mutex);
    enum task_code why = slot->cancelled            ? TASK_CODE_CANCELLED
                         : slot->yielded[0] != '\0' ? TASK_CODE_YIELDED
                                                    : TASK_CODE_NONE;
    pthread_mutex_unlock(&queue->mutex);
    return why;
}

uint64_t executor_notes_budget(struct executor_queue *queue, size_t worker, uint64_t serial)
{
    const struct executor_slot *slot = &queue->slots[worker];

    pthread_mutex_lock(&queue->mutex);
    bool same = slot->turn.task != NULL && slot->turn.serial == serial;
    uint64_t budget_ms = same ? slot->turn.task->lock_budget_ms : 0;
    pthread_mutex_unlock(&queue->mutex);
    return budget_ms;
}

void executor_notes_insist(struct executor_queue *queue, size_t worker, bool insists)
{
    pthread_mutex_lock(&queue->mutex);
    queue->slots[worker].insists = insists;
    pthread_mutex_unlock(&queue->mutex);
}
