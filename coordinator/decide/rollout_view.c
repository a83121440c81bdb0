#include <stdio.h>
#include <string.h>

#include "coordinator/decide/fleet_view.h"

#include "coordinator/decide/lock_table.h"
#include "coordinator/decide/operator_rollout.h"
#include "coordinator/decide/part.h"
#include "coordinator/decide/reference.h"
#include "coordinator/decide/registry.h"
#include "coordinator/decide/rollout_hook.h"
#include "coordinator/decide/wave.h"

enum { ROLLOUT_VIEW_NAMES_MAX = 3, ROLLOUT_VIEW_WORDS_MAX = 130 };

/* A list such as "agent-offline(eu-1, eu-2 +3)", built name by name. */
struct reason_list {
    char *text;
    size_t used; /* of WAITING_FOR_BYTES */
    size_t begin;
    size_t count;
};

static void reason_put(struct reason_list *list, const char *text)
{
    size_t room = WAITING_FOR_BYTES - list->used;
    int bytes = snprintf(list->text + list->used, room, "%s", text);

    list->used += bytes < 0 ? 0 : (size_t)bytes < room ? (size_t)bytes : room - 1;
}

static void reason_add(struct reason_list *list, const char *kind, const char *name)
{
    list->count++;
    if (list->count == 1) {
        reason_put(list, list->used > 0 ? ", " : "");
        reason_put(list, kind);
        reason_put(list, "(");
    } else if (list->count <= ROLLOUT_VIEW_NAMES_MAX) {
        reason_put(list, ", ");
    }
    if (list->count <= ROLLOUT_VIEW_NAMES_MAX) {
        reason_put(list, name);
    }
}

static void reason_end(struct reason_list *list)
{
    char more[32] = "";

    if (list->count > ROLLOUT_VIEW_NAMES_MAX) {
        snprintf(more, sizeof(more), " +%zu", list->count - ROLLOUT_VIEW_NAMES_MAX);
    }
    if (list->count > 0) {
        reason_put(list, more);
        reason_put(list, ")");
    }
    list->count = 0;
}

static bool rollout_view_needs(const struct part *part)
{
    return !part->planned || part->open > 0;
}

static void rollout_view_offline(const struct rollout *rollout, struct reason_list *list)
{
    for (size_t i = 0; i < rollout->part_count; i++) {
        const struct part *part = rollout->parts[i];
        if (rollout_view_needs(part) && part->shard->session.state != SESSION_LIVE) {
            reason_add(list, "agent-offline", part->shard->name);
        }
    }
    reason_end(list);
}

static void rollout_view_trouble(const struct rollout *rollout, struct reason_list *list)
{
    for (size_t i = 0; i < rollout->part_count; i++) {
        const struct part *part = rollout->parts[i];
        const char *trouble = part->shard->session.trouble;
        if (rollout_view_needs(part) && trouble != NULL && trouble[0] != '\0') {
            char text[WAITING_FOR_BYTES / 4];
            snprintf(text, sizeof(text), "%.64s: %.180s", part->shard->name, trouble);
            reason_add(list, "agent-trouble", text);
        }
    }
    reason_end(list);
}

static void rollout_view_refresh(const struct rollout *rollout, struct reason_list *list)
{
    for (size_t i = 0; i < rollout->part_count; i++) {
        const struct part *part = rollout->parts[i];
        bool asks = !part->planned || part->queues[TENANT_TASK_LIST_UNKNOWN].count > 0 ||
                    part->last_look > part->shard->refresh_seen;
        if (asks && part->shard->session.state == SESSION_LIVE) {
            reason_add(list, "refresh", part->shard->name);
        }
    }
    reason_end(list);
}

/* The lock that this task waits for; NULL: it waits for something else. */
static const struct lock *rollout_view_lock_of(const struct part *part,
                                               const struct tenant_task *task)
{
    return task->held_since_ms == 0 ? NULL : lock_table_find(part->shard, task->tenant->info->name);
}

static void rollout_view_locked_in(const struct part *part, struct reason_list *list)
{
    const struct tenant_task *task = part->queues[TENANT_TASK_LIST_LATER].head;

    for (; task != NULL; task = task->next) {
        const struct lock *lock = rollout_view_lock_of(part, task);
        if (lock != NULL) {
            char text[WAITING_FOR_BYTES / 4];
            snprintf(text, sizeof(text), "%.80s by %.40s", lock->record.tenant,
                     lock_table_is_hold(lock) ? lock->record.owner : lock->record.rollout);
            reason_add(list, "locked", text);
        }
    }
}

static void rollout_view_hook(const struct fleet *fleet, const struct rollout *rollout,
                              struct reason_list *list)
{
    const char *trouble;
    const char *offline;
    const char *name = rollout_hook_awaited(fleet, rollout, &trouble, &offline);
    char text[WAITING_FOR_BYTES / 4];

    if (name == NULL) {
        return;
    }
    snprintf(text, sizeof(text), "%s%s%.180s", name, trouble[0] == '\0' ? "" : ": ", trouble);
    reason_add(list, "hook", text);
    reason_end(list);
    if (offline[0] != '\0') {
        reason_add(list, "agent-offline", offline);
        reason_end(list);
    }
}

/* How many of its tasks do nothing but wait; with a list they are told, too. */
static size_t rollout_view_blocked(const struct rollout *rollout, struct reason_list *list)
{
    size_t count = 0;

    for (size_t i = 0; i < rollout->part_count; i++) {
        const struct shard *shard = rollout->parts[i]->shard;

        for (size_t p = 0; p < shard->session.progress_count; p++) {
            const struct task_progress *task = &shard->session.progress[p];
            char text[WAITING_FOR_BYTES / 4];

            if (!task->waits || strcmp(task->rollout, rollout->spec.id) != 0) {
                continue;
            }
            count++;
            if (list != NULL) {
                /* The first of those in its way; all of them stand beside its progress. */
                const size_t size = strcspn(task->words, ";");

                (void)snprintf(text, sizeof(text), "%.60s/%.60s %.*s", shard->name, task->tenant,
                               size < ROLLOUT_VIEW_WORDS_MAX ? (int)size : ROLLOUT_VIEW_WORDS_MAX,
                               task->words);
                reason_add(list, "blocked", text);
            }
        }
    }
    return count;
}

static void rollout_view_waiting(const struct fleet *fleet, const struct rollout *rollout,
                                 char *ret_text)
{
    struct reason_list list = { .text = ret_text };
    bool paused = rollout->state.phase == ROLLOUT_PAUSED;

    ret_text[0] = '\0';
    if (!rollout_is_active(rollout)) {
        return;
    }
    if (rollout->aborting) {
        char text[64];
        snprintf(text, sizeof(text), "%zu tasks in flight", rollout->lock_count);
        reason_add(&list, "drain", text);
        reason_end(&list);
    }
    if (paused && !rollout->aborting) {
        char text[WAITING_FOR_BYTES / 2];
        const char *reason = rollout->reason;
        snprintf(text, sizeof(text), "%s%.200s",
                 strncmp(reason, "paused", 6) == 0 ? "" : "paused: ", reason);
        reason_add(&list, "operator", text);
        reason_end(&list);
        return;
    }
    if (!rollout->open_now) {
        reason_add(&list, "set-missing", rollout->spec.set);
        reason_end(&list);
        return;
    }
    rollout_view_hook(fleet, rollout, &list);
    rollout_view_offline(rollout, &list);
    rollout_view_trouble(rollout, &list);
    for (size_t i = 0; i < rollout->part_count; i++) {
        rollout_view_locked_in(rollout->parts[i], &list);
    }
    reason_end(&list);
    if (rollout->in_flight == 0) {
        rollout_view_refresh(rollout, &list);
    } else if (rollout_view_blocked(rollout, NULL) >= rollout->in_flight) {
        (void)rollout_view_blocked(rollout, &list);
        reason_end(&list);
    }
    if (reference_holds_others(rollout) && rollout->open[0] > 1) {
        reason_add(&list, "reference", rollout->set->reference);
        reason_end(&list);
    }
}

/* The same with all that is known, for those who want to do something about it. */
static void rollout_view_locks(const struct fleet *fleet, const struct rollout *rollout,
                               struct rollout_view *view)
{
    for (size_t i = 0; i < rollout->part_count; i++) {
        const struct part *part = rollout->parts[i];
        const struct tenant_task *task = part->queues[TENANT_TASK_LIST_LATER].head;
        for (; task != NULL; task = task->next) {
            const struct lock *lock = rollout_view_lock_of(part, task);
            if (lock == NULL) {
                continue;
            }
            view->locked_total++;
            if (view->locked_count == ROLLOUT_LOCKED_SHOWN_MAX) {
                continue;
            }
            int64_t until_ms =
                (int64_t)(task->held_since_ms + wave_lock_wait_ms(rollout)) + fleet->wall_ahead_ms;
            view->locked[view->locked_count++] = (struct locked_view){
                .lock = &lock->record,
                .skip_at_ms = lock_table_is_hold(lock) ? until_ms : 0,
            };
        }
    }
}

static void rollout_view_progress(const struct rollout *rollout, struct rollout_view *view)
{
    for (size_t i = 0; i < rollout->part_count; i++) {
        const struct shard *shard = rollout->parts[i]->shard;

        for (size_t p = 0; p < shard->session.progress_count; p++) {
            const struct task_progress *task = &shard->session.progress[p];

            if (view->progress_count < PROGRESS_SHOWN_MAX &&
                strcmp(task->rollout, rollout->spec.id) == 0) {
                view->progress[view->progress_count++] =
                    (struct progress_view){ .shard = shard->name, .task = task };
            }
        }
    }
}

static void rollout_view_fill(const struct fleet *fleet, const struct rollout *rollout,
                              uint64_t now_ms, struct rollout_view *ret_view)
{
    /* A tenant that has its dry run ahead of it has its run ahead of it, too. */
    bool runs = !rollout->spec.dry_run_only && rollout_has_dry_run(rollout);
    uint64_t left =
        rollout->open[1] * (rollout->spec.dry_run_only ? 0 : 1) + rollout->open[0] * (runs ? 2 : 1);

    *ret_view = (struct rollout_view){
        .spec = &rollout->spec,
        .state = rollout->state,
        .errors = rollout->failures.errors,
        .error_count = rollout->failures.count,
        .warnings = rollout->warnings.errors,
        .warning_count = rollout->warnings.count,
        .shards = rollout->progress,
        .shard_count = rollout->progress_count,
        .change = rollout->change,
        .measures = rollout->measures.sum.worst_count > 0 ? &rollout->measures.sum : NULL,
    };
    measures_estimate(rollout, &ret_view->estimate_min_ms, &ret_view->estimate_max_ms);
    if (rollout->untold > 0) {
        ret_view->state.phase = rollout->told.phase;
        ret_view->state.resume_phase = rollout->told.resume_phase;
        ret_view->state.finished_at_ms = rollout->told.finished_at_ms;
        ret_view->state.phase_reason = "";
        (void)snprintf(ret_view->waiting_for, sizeof(ret_view->waiting_for), "store");
    } else {
        rollout_view_waiting(fleet, rollout, ret_view->waiting_for);
    }
    rollout_view_locks(fleet, rollout, ret_view);
    if (rollout_is_active(rollout)) {
        rollout_view_progress(rollout, ret_view);
        ret_view->tasks_per_second = rate_per_second(&rollout->rate, now_ms);
        rate_left_ms(&rollout->rate, now_ms, left, &ret_view->left_min_ms, &ret_view->left_max_ms);
    }
}

size_t fleet_rollout_count(const struct fleet *fleet)
{
    return fleet->rollout_count;
}

void fleet_rollout_at(const struct fleet *fleet, size_t index, uint64_t now_ms,
                      struct rollout_view *ret_view)
{
    rollout_view_fill(fleet, fleet->rollouts[fleet->rollout_count - 1 - index], now_ms, ret_view);
}

bool fleet_rollout_find(const struct fleet *fleet, const char *id, uint64_t now_ms,
                        struct rollout_view *ret_view, struct error *err)
{
    const struct rollout *rollout = operator_rollout_find(fleet, id, err);

    if (rollout == NULL) {
        return false;
    }
    rollout_view_fill(fleet, rollout, now_ms, ret_view);
    return true;
}
