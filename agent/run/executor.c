#include "agent/run/executor.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/run/barrier.h"
#include "agent/run/copy_first.h"
#include "agent/run/copy_table.h"
#include "agent/run/executor_notes.h"
#include "agent/run/executor_queue.h"
#include "agent/run/executor_rest.h"
#include "agent/run/task_answer.h"
#include "agent/run/task_make.h"
#include "agent/run/task_run.h"
#include "agent/run/watcher.h"
#include "agent/run/worker_link.h"
#include "common/core/clock.h"
#include "common/core/limits.h"
#include "common/core/memory.h"

struct executor_worker {
    struct executor *executor;
    size_t index;
    pthread_t thread;
    bool started;
    struct worker_link link;
    char application[NAME_BYTES_MAX];
    uint64_t random; /* of the pauses' jitter */
};

struct executor {
    struct arena arena; /* owns the options' texts */
    struct executor_options options;
    struct executor_queue *queue;
    struct copy_table *copies;
    struct executor_worker *workers;
    struct watcher *watcher; /* NULL: nothing is looked at */
    struct barrier *barrier; /* NULL: every commit waits for the WAL itself */
    pthread_t canceller;
    bool canceller_started;
    bool stopped;
};

/* Takes the task over: its arena, with the result in it, goes to the callee. */
static void executor_answer(struct executor *executor, struct executor_task *task,
                            const struct task_result *result)
{
    struct arena arena = TAKE(task->arena);

    executor_task_free(&task);
    /* First, so that whoever hears of the last result finds no load. executor_stop joins this
     * thread, so the result is out before it returns. */
    executor_queue_answered(executor->queue);
    executor->options.on_result(executor->options.context, &arena, result);
    arena_release(&arena); /* empty if the callee took it */
}

static void executor_answer_cancelled(struct executor *executor, struct executor_task *task)
{
    struct task_result *result = executor_rest_dropped(task);

    if (result == NULL) {
        result = task_answer_new(task);
        task_answer_fail(result, task, executor->options.shard, TASK_FAILED, TASK_CODE_CANCELLED,
                         "cancelled before it began");
        result->version = task->from;
    }
    executor_answer(executor, task, result);
}

static void executor_on_barrier(void *context, struct executor_task *task,
                                struct task_result *result, enum barrier_answer answer,
                                const char *words)
{
    struct executor *executor = context;

    if (answer == BARRIER_DURABLE) {
        executor_answer(executor, task, result);
        return;
    }
    if (answer == BARRIER_GONE && executor_queue_put_back(executor->queue, task)) {
        return;
    }
    result = task_answer_new(task);
    if (answer == BARRIER_GONE) {
        task_answer_fail(result, task, executor->options.shard, TASK_FAILED, TASK_CODE_CANCELLED,
                         "PostgreSQL crashed and lost the commit; the agent is about to stop, so "
                         "the tenant is as it was");
        result->version = task->from;
    } else {
        task_answer_fail(result, task, executor->options.shard, TASK_FAILED,
                         TASK_CODE_DATABASE_LOST,
                         "it could not be looked up whether the tenant was migrated: %s", words);
    }
    executor_answer(executor, task, result);
}

static void executor_note_barrier(void *context, const char *words)
{
    struct executor *executor = context;

    executor_notes_trouble(executor->queue, EXECUTOR_NOTES_BARRIER, words);
}

/* Whether the server is fit for the task. If not, the result says why. What changes nothing, or
 * only what is asked of people, needs no fit server. */
static bool executor_may_begin(struct executor_worker *worker, const struct executor_turn *turn,
                               struct task_result **ret_result)
{
    struct executor *executor = worker->executor;
    struct executor_task *task = turn->task;
    bool heavy = task->mode == TASK_RUN || task->mode == TASK_CREATE || task->mode == TASK_ROLLBACK;
    char words[TEXT_BYTES_MAX];

    if (executor->watcher == NULL) {
        return true;
    }
    bool unfit = watcher_task_begins(executor->watcher, words);
    if (!unfit || !heavy || turn->settle) {
        return true;
    }
    *ret_result = task_answer_new(task);
    task_answer_fail(*ret_result, task, executor->options.shard, TASK_FAILED, TASK_CODE_SERVER_BUSY,
                     "%s", words);
    (*ret_result)->version = task->from;
    return false;
}

static uint64_t executor_random(struct executor_worker *worker)
{
    worker->random ^= worker->random << 13;
    worker->random ^= worker->random >> 7;
    worker->random ^= worker->random << 17;
    return worker->random;
}

/* One turn: the task is answered, waits for the barrier, or rests. */
static void executor_do(struct executor_worker *worker, const struct executor_turn *turn)
{
    struct executor *executor = worker->executor;
    struct task_context context = { .options = &executor->options,
                                    .queue = executor->queue,
                                    .link = &worker->link,
                                    .copies = executor->copies,
                                    .worker = worker->index,
                                    .watcher = executor->watcher };
    const struct executor_try attempt = { .queue = executor->queue,
                                          .worker = worker->index,
                                          .turn = *turn,
                                          .began_ms = clock_monotonic_ms(),
                                          .random = executor_random(worker) };
    struct task_result *result = NULL;
    bool to_barrier = false;

    /* Said anew by each try: one that ends before it gets so far waits for no copy. */
    turn->task->awaits_copy = NULL;
    if (!executor_may_begin(worker, turn, &result)) {
        to_barrier = false; /* it says why */
    } else if (task_make_is(&executor->options, turn->task)) {
        task_make_run(&context, turn, &result);
    } else {
        to_barrier = task_run(&context, turn, &result);
    }

    bool waits = turn->task->awaits_copy != NULL;
    if (!to_barrier &&
        (waits ? copy_first_rest(&context, turn->task) : executor_rest(&attempt, result))) {
        return;
    }
    executor_queue_end_turn(executor->queue, worker->index);
    if (to_barrier) {
        barrier_add(executor->barrier, turn->task, result);
    } else {
        executor_answer(executor, turn->task, result);
    }
}

static void *executor_work(void *argument)
{
    struct executor_worker *worker = argument;
    struct executor *executor = worker->executor;
    struct executor_turn turn;

    while (executor_queue_take(executor->queue, worker->index, &turn)) {
        executor_do(worker, &turn);
        if (executor->barrier != NULL && executor_queue_is_quiet(executor->queue)) {
            barrier_hurry(executor->barrier);
        }
        if (executor->options.database_mode && !executor_queue_has_more(executor->queue)) {
            worker_link_close(&worker->link); /* else it would stand in the way of DROP DATABASE */
        }
    }
    return NULL;
}

static size_t executor_find_targets(void *context, struct watch_target *ret_targets)
{
    struct executor *executor = context;
    size_t count = 0;

    for (size_t i = 0; i < executor->options.workers; i++) {
        struct watch_target *target = &ret_targets[count];

        target->worker = i;
        if (worker_link_backend(&executor->workers[i].link, &target->serial, &target->pid)) {
            target->budget_ms = executor_notes_budget(executor->queue, i, target->serial);
            count++;
        }
    }
    return count;
}

static bool executor_start_watcher(struct executor *executor, struct error *err)
{
    const struct watcher_options options = { .conninfo = executor->options.conninfo,
                                             .queue = executor->queue,
                                             .workers = executor->options.workers,
                                             .watch = executor->options.watch,
                                             .database_mode = executor->options.database_mode,
                                             .targets = executor_find_targets,
                                             .context = executor };

    return !executor->options.watch.enabled || watcher_new(&options, &executor->watcher, err);
}

/* A thread of its own, because asking a server that is away may block for long. */
static void *executor_cancel_run(void *argument)
{
    struct executor *executor = argument;
    struct executor_order order;

    for (;;) {
        executor_queue_wait_order(executor->queue, &order);
        switch (order.kind) {
        case EXECUTOR_ORDER_DROP:
            executor_answer_cancelled(executor, order.task);
            break;
        case EXECUTOR_ORDER_CANCEL:
            worker_link_cancel(&executor->workers[order.worker].link, order.serial);
            break;
        case EXECUTOR_ORDER_END:
            return NULL;
        }
    }
}

static bool executor_start_threads(struct executor *executor, struct error *err)
{
    struct barrier_options barrier = { .conninfo = executor->options.conninfo,
                                       .answer = executor_on_barrier,
                                       .note_trouble = executor_note_barrier,
                                       .context = executor };

    if (!executor_start_watcher(executor, err)) {
        return false;
    }
    if (executor->options.commit_group && !barrier_new(&barrier, &executor->barrier, err)) {
        return false;
    }
    if (pthread_create(&executor->canceller, NULL, executor_cancel_run, executor) != 0) {
        return error_set(err, ERR_INTERNAL, "start the canceller's thread");
    }
    executor->canceller_started = true;
    (void)pthread_setname_np(executor->canceller, "canceller");
    for (size_t i = 0; i < executor->options.workers; i++) {
        struct executor_worker *worker = &executor->workers[i];
        char name[16]; /* the kernel's limit */

        if (pthread_create(&worker->thread, NULL, executor_work, worker) != 0) {
            return error_set(err, ERR_INTERNAL, "start worker %zu", i);
        }
        worker->started = true;
        (void)snprintf(name, sizeof(name), "worker-%u", (unsigned)((i + 1) % 1000));
        (void)pthread_setname_np(worker->thread, name);
    }
    return true;
}

static const char *const *executor_copy_list(struct executor *executor, const char *const *items,
                                             size_t count)
{
    const char **copy = arena_alloc_array(&executor->arena, count + 1, sizeof(*copy));

    for (size_t i = 0; i < count; i++) {
        copy[i] = arena_strdup(&executor->arena, items[i]);
    }
    return copy;
}

bool executor_start(const struct executor_options *options, struct executor **ret_executor,
                    struct error *err)
{
    if (options->workers == 0 || options->workers > AGENT_WORKERS_MAX) {
        return error_set(err, ERR_INVALID, "the number of workers has to be 1 to %d",
                         AGENT_WORKERS_MAX);
    }
    CLEANUP(executor_free) struct executor *executor = memory_alloc(sizeof(*executor));

    executor->options = *options;
    executor->options.conninfo = arena_strdup(&executor->arena, options->conninfo);
    executor->options.shard = arena_strdup(&executor->arena, options->shard);
    executor->options.agent = arena_strdup(&executor->arena, options->agent);
    executor->options.plugin_dir = arena_strdup(&executor->arena, options->plugin_dir);
    executor->options.helper = arena_strdup(&executor->arena, options->helper);
    executor->options.allow_exec =
        executor_copy_list(executor, options->allow_exec, options->allow_exec_count);
    /* The barrier looks tenants up in one database; where each has its own, opening connections
     * costs more than the commits, so each commit waits for itself. */
    executor->options.commit_group = options->commit_group && !options->database_mode;
    executor->queue = executor_queue_new(options->workers);
    executor->copies = copy_table_new();
    executor->workers = memory_alloc_array(options->workers, sizeof(*executor->workers));
    for (size_t i = 0; i < options->workers; i++) {
        struct executor_worker *worker = &executor->workers[i];

        worker->executor = executor;
        worker->index = i;
        worker->random = clock_monotonic_us() * 64 + i + 1;
        (void)snprintf(worker->application, sizeof(worker->application), "skein-agent worker %zu",
                       i + 1);
        worker_link_init(&worker->link, executor->options.conninfo, worker->application);
    }
    if (!executor_start_threads(executor, err)) {
        return false;
    }
    *ret_executor = TAKE(executor);
    return true;
}

void executor_set_lease(struct executor *executor, uint64_t until_ms)
{
    executor_queue_set_lease(executor->queue, until_ms);
}

void executor_submit(struct executor *executor, struct executor_task *task)
{
    executor_queue_push(executor->queue, task);
}

void executor_cancel(struct executor *executor, const char *rollout, const char *const *tenants,
                     size_t tenant_count)
{
    executor_queue_cancel(executor->queue, rollout, tenants, tenant_count);
}

size_t executor_progress(struct executor *executor, struct arena *arena,
                         struct task_progress **ret_items)
{
    return executor_notes_read_progress(executor->queue, arena, ret_items);
}

void executor_trouble(struct executor *executor, char ret_words[TEXT_BYTES_MAX])
{
    executor_notes_read_trouble(executor->queue, ret_words);
}

uint32_t executor_workers_now(struct executor *executor, const char **ret_reason)
{
    *ret_reason = "";
    return executor->watcher == NULL ? executor->options.workers
                                     : watcher_workers_now(executor->watcher, ret_reason);
}

size_t executor_load(struct executor *executor)
{
    return executor_queue_load(executor->queue);
}

void executor_stop(struct executor *executor, uint64_t grace_ms)
{
    if (executor->stopped) {
        return;
    }
    executor->stopped = true;
    executor_queue_close(executor->queue);
    if (!executor_queue_wait_idle(executor->queue, clock_monotonic_ms() + grace_ms)) {
        executor_queue_cancel(executor->queue, NULL, NULL, 0);
    }
    for (size_t i = 0; i < executor->options.workers; i++) {
        if (executor->workers[i].started) {
            (void)pthread_join(executor->workers[i].thread, NULL);
        }
    }
    watcher_free(&executor->watcher);
    barrier_free(&executor->barrier);
    if (executor->canceller_started) {
        executor_queue_finish(executor->queue);
        (void)pthread_join(executor->canceller, NULL);
    }
}

void executor_free(struct executor **executor)
{
    struct executor *e = *executor;

    *executor = NULL;
    if (e == NULL) {
        return;
    }
    executor_stop(e, 0);
    for (size_t i = 0; i < e->options.workers; i++) {
        worker_link_release(&e->workers[i].link);
    }
    free(e->workers);
    executor_queue_free(&e->queue);
    copy_table_free(&e->copies);
    arena_release(&e->arena);
    free(e);
}
