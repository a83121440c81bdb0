#include "coordinator/decide/wave.h"

#include <assert.h>
#include <stdlib.h>

#include "common/core/limits.h"
#include "common/core/memory.h"
#include "common/model/duration.h"
#include "coordinator/decide/copy.h"
#include "coordinator/decide/dry_class.h"
#include "coordinator/decide/emit.h"
#include "coordinator/decide/lock_table.h"
#include "coordinator/decide/lock_wait.h"
#include "coordinator/decide/part.h"
#include "coordinator/decide/reference.h"
#include "coordinator/decide/registry.h"
#include "coordinator/decide/rollback.h"
#include "coordinator/decide/rollout.h"
#include "coordinator/decide/tenant_plan.h"
#include "coordinator/decide/tenant_life.h"

enum {
    WAVE_IN_FLIGHT_MAX = 2 * TASK_WINDOW < TASKS_IN_FLIGHT_PER_AGENT_MAX
                             ? 2 * TASK_WINDOW
                             : TASKS_IN_FLIGHT_PER_AGENT_MAX,
};

struct window {
    struct rollout *rollout; /* NULL once that has ended */
    struct part *part;
    int64_t lease_id;
    enum task_mode mode;
    enum dry_run_step dry_run_step;
    size_t count;
    struct tenant_task *tasks[TASK_WINDOW];
};

static size_t wave_min(size_t a, size_t b)
{
    return a < b ? a : b;
}

uint64_t wave_lock_wait_ms(const struct rollout *rollout)
{
    return rollout->spec.lock_timeout_ms == 0 ? LOCK_WAIT_DEFAULT_MS
                                              : rollout->spec.lock_timeout_ms;
}

/* Who waits an hour for a tenant that somebody holds must not queue for an hour in front of its
 * live traffic: a task that does not get its locks in this time is tried again, up to the patience.
 */
static uint64_t wave_lock_timeout_ms(const struct rollout *rollout, enum task_mode mode)
{
    const struct rollout_spec *spec = &rollout->spec;
    uint64_t wait_ms =
        spec->lock_timeout_ms == 0 ? TASK_LOCK_TIMEOUT_DEFAULT_MS : spec->lock_timeout_ms;
    uint64_t most_ms = task_mode_is_dry(mode) ? DRY_RUN_LOCK_TIMEOUT_MS : TASK_LOCK_TIMEOUT_MAX_MS;

    if (spec->lock_budget_ms > 0 && spec->lock_budget_ms < most_ms) {
        most_ms = spec->lock_budget_ms;
    }
    return wait_ms < most_ms ? wait_ms : most_ms;
}

/* How many tasks of this part may be in flight at all. In a large fleet the parts that have
 * something to do share what the leader can hold: the locks, the writes that take and release them,
 * and what waits for a slow store. No part takes from another's share, so a shard whose tasks take
 * hours holds nobody up. */
static size_t wave_cap(const struct step *step, const struct part *part)
{
    const struct rollout_spec *spec = &part->rollout->spec;
    size_t busy_parts = step->fleet->parts_busy > 0 ? step->fleet->parts_busy : 1;
    size_t cap = wave_min(WAVE_IN_FLIGHT_MAX, TASKS_IN_FLIGHT_MAX / busy_parts);

    if (spec->concurrency_per_shard > 0) {
        cap = wave_min(cap, spec->concurrency_per_shard);
    }
    if (spec->concurrency > 0) {
        /* The total is shared out among the shards that have something to do. */
        size_t busy = part->rollout->parts_busy > 0 ? part->rollout->parts_busy : 1;
        size_t share = (spec->concurrency + busy - 1) / busy;
        cap = wave_min(cap, share);
    }
    return cap > 0 ? cap : 1;
}

/* How many tasks to take now: 0, or a window that is worth a write. */
static size_t wave_room(const struct step *step, const struct part *part, size_t ready)
{
    const struct rollout *rollout = part->rollout;
    size_t cap = wave_cap(step, part);
    size_t room = part->in_flight < cap ? cap - part->in_flight : 0;
    size_t shard_room = part->shard->in_flight < WAVE_IN_FLIGHT_MAX
                            ? WAVE_IN_FLIGHT_MAX - part->shard->in_flight
                            : 0;

    room = wave_min(room, shard_room);
    if (rollout->spec.concurrency > 0) {
        size_t in_all = rollout->in_flight < rollout->spec.concurrency
                            ? rollout->spec.concurrency - rollout->in_flight
                            : 0;
        room = wave_min(room, in_all);
    }
    size_t worth = wave_min(wave_min(TASK_WINDOW, cap > 1 ? cap / 2 : 1), ready);
    return room >= worth ? wave_min(wave_min(room, TASK_WINDOW), ready) : 0;
}

/* Says in the report for whom the tenant was skipped. */
static void wave_warn_locked(struct step *step, const struct tenant_task *task,
                             const struct lock *lock)
{
    struct rollout *rollout = task->part->rollout;
    char waited[DURATION_TEXT_BYTES];
    const struct task_error warning = {
        .tenant = lock->record.tenant,
        .mode = (enum task_mode)task->mode,
        .code = TASK_CODE_TENANT_LOCKED,
        .sqlstate = "",
        .message = arena_printf(&step->effects->arena, "skipped after %s: held by %s%s%s",
                                duration_format_whole(wave_lock_wait_ms(rollout), waited),
                                lock->record.owner, lock->record.reason[0] == '\0' ? "" : ": ",
                                lock->record.reason),
        .detail = "",
        .hint = "",
        .file = "",
    };

    rollout_warn(step, rollout, &warning);
}

/* Whether the tenant is free. If not, the task waits, and at last gives an operator's hold up. */
static bool wave_is_free(struct step *step, struct tenant_task *task)
{
    const struct lock *lock = lock_table_find(task->part->shard, task->tenant->info->name);

    /* People who wait get nothing before it is certain that nobody is at work there any more. */
    if (lock == NULL && (task->unfenced || !lock_wait_wants(step->fleet, task->part->shard,
                                                            task->tenant->info->name))) {
        task->held_since_ms = 0;
        return true;
    }
    if (lock == NULL) {
        /* People who wait come first: they get it as soon as this event is decided. */
        tenant_task_postpone(step, task, step->now_ms + LOCK_RECHECK_MS);
        return false;
    }
    if (task->held_since_ms == 0) {
        task->held_since_ms = step->now_ms;
        task->part->rollout->change++;
    }
    uint64_t until = task->held_since_ms + wave_lock_wait_ms(task->part->rollout);
    uint64_t again = step->now_ms + LOCK_RECHECK_MS;
    bool gives_up = lock_table_is_hold(lock) && !task->unfenced; /* that cannot be told untrue */
    if (gives_up && step->now_ms >= until) {
        wave_warn_locked(step, task, lock);
        part_skip(step, task, TASK_CODE_TENANT_LOCKED);
    } else {
        tenant_task_postpone(step, task, gives_up && until < again ? until : again);
    }
    return false;
}

static void wave_lock(struct step *step, struct tenant_task *task, uint64_t ticket)
{
    struct part *part = task->part;
    const struct lock_record record = { .tenant = part_path(step, task),
                                        .owner = "rollout",
                                        .reason = "",
                                        .rollout = part->rollout->spec.id,
                                        .id = "",
                                        .since_ms = step->wall_ms,
                                        .lease_id = part->shard->session.lease_id };
    struct lock *lock = lock_table_add(step, part->shard, &record);

    lock->task = task;
    emit_put_lock(step, &record);
    task->ticket = ticket;
    task->any_result = false;
    bool taken = tenant_task_step(step, task, TENANT_TASK_ON_TAKE, (enum task_mode)task->mode, 0);
    assert(taken); /* only tasks that wait are in a queue */
}

static struct window *wave_open(struct step *step, struct part *part,
                                const struct tenant_task *first, uint64_t *ret_ticket)
{
    struct waiting *waiting = fleet_wait(step, WAITING_WINDOW, part->shard);

    /* A tenant that came late is counted before its first task goes out: should nobody hear of it
     * again, the report calls it unknown instead of leaving it out. */
    if (part_counts(part)->total != part->total_stored) {
        part->total_stored = part_counts(part)->total;
        emit_put_progress(step, part->rollout->spec.id, &part->rollout->progress[part->progress]);
    }
    if (part->rollout->first_script_news && !task_mode_is_dry((enum task_mode)first->mode)) {
        rollout_put_state(step, part->rollout); /* what it may do is known before it does it */
    }
    waiting->window = memory_alloc(sizeof(struct window));
    *waiting->window = (struct window){ .rollout = part->rollout,
                                        .part = part,
                                        .lease_id = part->shard->session.lease_id,
                                        .mode = (enum task_mode)first->mode,
                                        .dry_run_step = dry_class_step_of(first) };
    *ret_ticket = waiting->id;
    return waiting->window;
}

/* Takes one window from the queue. False if there was nothing to take or no room. */
static bool wave_take(struct step *step, struct part *part, enum tenant_task_list list)
{
    struct tenant_task_queue *queue = &part->queues[list];
    size_t room = wave_room(step, part, queue->count);
    struct window *window = NULL;
    uint64_t ticket = 0;

    while (queue->head != NULL && (window == NULL ? 0 : window->count) < room) {
        struct tenant_task *task = queue->head;
        if (window != NULL && ((enum task_mode)task->mode != window->mode ||
                               dry_class_step_of(task) != window->dry_run_step)) {
            break;
        }
        if (!wave_is_free(step, task)) {
            continue; /* it has left the queue */
        }
        if (window == NULL) {
            window = wave_open(step, part, task, &ticket);
        }
        window->tasks[window->count++] = task;
        wave_lock(step, task, ticket);
    }
    if (window != NULL) {
        emit_after_stored(step, ticket);
    }
    return window != NULL;
}

static void wave_dispatch_part(struct step *step, struct part *part)
{
    const struct session *session = &part->shard->session;

    /* An agent that has not reported in this session may know versions that we do not; one that is
     * about to stop would hand it back. */
    if (session->state != SESSION_LIVE || !session->reported || session->link->leaving) {
        return;
    }
    while (rollout_serves(part->rollout, TASK_SETTLE) &&
           wave_take(step, part, TENANT_TASK_LIST_SETTLE)) {
    }
    bool back = rollback_is_on(part->rollout);
    while (rollout_serves(part->rollout, back ? TASK_ROLLBACK : TASK_RUN) &&
           wave_take(step, part, TENANT_TASK_LIST_RUN)) {
    }
    const struct tenant_task *reference = part->queues[TENANT_TASK_LIST_REFERENCE].head;
    if (reference != NULL && rollout_serves(part->rollout, (enum task_mode)reference->mode) &&
        reference_may_go(part->rollout)) {
        wave_take(step, part, TENANT_TASK_LIST_REFERENCE);
    }
    while (rollout_serves(part->rollout, back ? TASK_ROLLBACK_DRY_RUN : TASK_DRY_RUN) &&
           !reference_holds_others(part->rollout) && wave_take(step, part, TENANT_TASK_LIST_DRY)) {
    }
}

void wave_dispatch_shard(struct step *step, struct shard *shard)
{
    struct part *first = shard->parts;
    size_t count = 0;

    for (const struct part *part = shard->parts; part != NULL; part = part->next_of_shard) {
        count++;
    }
    /* Whoever came first is last next time. */
    for (size_t i = 0; count > 0 && i < shard->turn % count; i++) {
        first = first->next_of_shard;
    }
    shard->turn++;
    struct part *part = first;
    for (size_t i = 0; i < count; i++) {
        wave_dispatch_part(step, part);
        part = part->next_of_shard == NULL ? shard->parts : part->next_of_shard;
    }
}

void wave_dispatch_rollout(struct step *step, struct rollout *rollout)
{
    size_t count = rollout->part_count;

    for (size_t i = 0; i < count; i++) {
        wave_dispatch_part(step, rollout->parts[(rollout->cursor + i) % count]);
    }
    rollout->cursor = count == 0 ? 0 : (rollout->cursor + 1) % count;
}

/* ---- when the locks are durable ---- */

static bool wave_holds(const struct window *window, size_t index, uint64_t ticket)
{
    const struct tenant_task *task = window->tasks[index];

    return task->state == TENANT_TASK_LOCKING && task->ticket == ticket;
}

static void wave_send(struct step *step, const struct window *window, uint64_t ticket,
                      uint64_t token)
{
    const struct rollout *rollout = window->rollout;
    struct shard *shard = window->part->shard;
    struct arena *arena = &step->effects->arena;
    struct task_item *items = arena_alloc_array(arena, window->count, sizeof(*items));
    size_t count = 0;

    for (size_t i = 0; i < window->count; i++) {
        struct tenant_task *task = window->tasks[i];
        if (!wave_holds(window, i, ticket)) {
            continue;
        }
        const struct plan_start start = tenant_plan_start(&rollout->spec, task->tenant);
        items[count].tenant = copy_text(arena, task->tenant->info->name);
        items[count].from = copy_text(arena, start.from);
        items[count].repeatables = start.repeatables;
        items[count].baseline = copy_text(arena, start.baseline);
        items[count].stamp = window->mode == TASK_RUN ? task->stamp : 0;
        count++;
        lock_table_find(shard, task->tenant->info->name)->token = token;
        task->token = token;
        tenant_task_step(step, task, TENANT_TASK_ON_SENT, window->mode, 0);
    }
    if (count == 0) {
        return;
    }
    emit_send(step, shard->session.link->stream, COORDINATOR_MESSAGE_ASSIGN)->assign =
        (struct task_assignment){ .rollout = copy_text(arena, rollout->spec.id),
                                  .mode = window->mode,
                                  .set = copy_text(arena, rollout->spec.set),
                                  .digest = copy_text(arena, rollout->set->digest),
                                  .target = copy_text(arena, rollout->spec.target),
                                  .token = token,
                                  .lock_timeout_ms = wave_lock_timeout_ms(rollout, window->mode),
                                  .tasks = items,
                                  .task_count = count,
                                  .rehearse_rollback = rollout->spec.rehearse_rollback,
                                  .size_limit_bytes = rollout->spec.size_limit_bytes,
                                  .allow_large = rollout->spec.allow_large,
                                  .dry_run_step = window->dry_run_step,
                                  .source = tenant_life_source(rollout),
                                  .from_ledger = copy_text(arena, rollout->spec.from_ledger),
                                  .kind = rollout->spec.kind,
                                  .labels = copy_labels(arena, &rollout->spec.labels),
                                  .force = rollout->spec.force,
                                  .patience_ms = rollout->spec.patience_ms == 0
                                                     ? PATIENCE_DEFAULT_MS
                                                     : rollout->spec.patience_ms,
                                  .lock_budget_ms = rollout->spec.lock_budget_ms };
}

static void wave_give_back(struct step *step, const struct window *window, uint64_t ticket)
{
    for (size_t i = 0; i < window->count; i++) {
        struct tenant_task *task = window->tasks[i];
        if (!wave_holds(window, i, ticket)) {
            continue;
        }
        lock_table_release(step, lock_table_find(window->part->shard, task->tenant->info->name));
        if (window->rollout->aborting && window->mode != TASK_SETTLE) {
            part_cancel(step, task);
        } else {
            tenant_task_step(step, task, TENANT_TASK_ON_AGAIN, window->mode, 0);
        }
    }
}

void wave_on_stored(struct step *step, struct window *window, uint64_t ticket, uint64_t token)
{
    if (window->rollout != NULL) {
        struct rollout *rollout = window->rollout;
        const struct session *session = &window->part->shard->session;
        if (session->state == SESSION_LIVE && session->lease_id == window->lease_id &&
            !session->link->leaving && rollout_serves(rollout, window->mode)) {
            wave_send(step, window, ticket, token);
        } else {
            wave_give_back(step, window, ticket);
            rollout_check(step, rollout);
        }
    }
    wave_free_window(window);
}

void wave_free_window(struct window *window)
{
    free(window);
}

void wave_forget_rollout(struct fleet *fleet, const struct rollout *rollout)
{
    for (struct waiting *waiting = fleet->waiting; waiting != NULL; waiting = waiting->hh.next) {
        if (waiting->kind == WAITING_WINDOW && waiting->window->rollout == rollout) {
            waiting->window->rollout = NULL;
        }
    }
}
