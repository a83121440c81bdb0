#include "agent/run/barrier.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "agent/run/task_text.h"
#include "common/core/clock.h"
#include "common/core/limits.h"
#include "common/core/memory.h"

/* A transactional message is a WAL record of its own, so the commit has something to flush. Where
 * the server commits asynchronously by its own settings, this one does not. */
static const char barrier_flush_sql[] =
    "SELECT set_config('synchronous_commit',"
    " coalesce(nullif(current_setting('synchronous_commit'), 'off'), 'local'), true),"
    " pg_logical_emit_message(true, 'skein', '')";

static const char barrier_look_sql[] =
    "SELECT h.i FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[])"
    " WITH ORDINALITY AS h(tenant, set_name, version, rollout, fence, i)"
    " JOIN skein.tenant t ON t.tenant = h.tenant AND t.set_name = h.set_name"
    " AND t.version = h.version AND t.rollout = h.rollout AND t.fence = h.fence";

struct barrier_item {
    struct executor_task *task;
    struct task_result *result;
    bool there;
};

struct barrier {
    struct barrier_options options;
    pthread_t thread;
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t added;
    struct barrier_item items[BARRIER_TASKS_MAX];
    size_t count;
    uint64_t first_ms; /* when the first of them came */
    bool hurry;
    pthread_cond_t taken;
    bool closed;
    /* Of the thread. */
    struct pg_conn *conn;
};

bool barrier_flush(struct pg_conn *conn, struct error *err)
{
    CLEANUP(pg_result_free) struct pg_result *result = NULL;

    return pg_query(conn, barrier_flush_sql, NULL, 0, &result, NULL, err);
}

void barrier_add(struct barrier *barrier, struct executor_task *task, struct task_result *result)
{
    pthread_mutex_lock(&barrier->mutex);
    while (barrier->count == BARRIER_TASKS_MAX) {
        (void)clock_cond_wait_until(&barrier->taken, &barrier->mutex, UINT64_MAX);
    }
    if (barrier->count == 0) {
        barrier->first_ms = clock_monotonic_ms();
    }
    barrier->items[barrier->count++] = (struct barrier_item){ .task = task, .result = result };
    pthread_cond_signal(&barrier->added);
    pthread_mutex_unlock(&barrier->mutex);
}

void barrier_hurry(struct barrier *barrier)
{
    pthread_mutex_lock(&barrier->mutex);
    barrier->hurry = barrier->count > 0;
    pthread_cond_signal(&barrier->added);
    pthread_mutex_unlock(&barrier->mutex);
}

/* The next group; 0 when there will be none. */
static size_t barrier_take(struct barrier *barrier, struct barrier_item items[BARRIER_TASKS_MAX])
{
    pthread_mutex_lock(&barrier->mutex);
    while (!barrier->closed && !barrier->hurry && barrier->count < BARRIER_TASKS_ENOUGH) {
        uint64_t deadline_ms =
            barrier->count == 0 ? UINT64_MAX : barrier->first_ms + BARRIER_WAIT_MS;

        if (!clock_cond_wait_until(&barrier->added, &barrier->mutex, deadline_ms) &&
            barrier->count > 0) {
            break;
        }
    }
    size_t count = barrier->count;
    memcpy(items, barrier->items, count * sizeof(items[0]));
    barrier->count = 0;
    barrier->hurry = false;
    pthread_cond_broadcast(&barrier->taken);
    pthread_mutex_unlock(&barrier->mutex);
    return count;
}

static bool barrier_look(struct barrier *barrier, struct barrier_item *items, size_t count,
                         struct error *err)
{
    enum { COLUMN_COUNT = 5 };
    CLEANUP(arena_release) struct arena arena = { 0 };
    CLEANUP(pg_result_free) struct pg_result *rows = NULL;
    const char *columns[COLUMN_COUNT][BARRIER_TASKS_MAX];
    const char *parameters[COLUMN_COUNT];

    for (size_t i = 0; i < count; i++) {
        const struct executor_task *task = items[i].task;

        columns[0][i] = task->tenant;
        columns[1][i] = prepared_set_model(task->set)->name;
        columns[2][i] = task->target;
        columns[3][i] = task->rollout;
        columns[4][i] = arena_printf(&arena, "%" PRIu64, task->token);
    }
    for (size_t c = 0; c < COLUMN_COUNT; c++) {
        parameters[c] = task_text_array(&arena, columns[c], count);
    }
    if (!pg_query(barrier->conn, barrier_look_sql, parameters, COLUMN_COUNT, &rows, NULL, err)) {
        return false;
    }
    for (size_t row = 0; row < pg_result_row_count(rows); row++) {
        uint64_t index = pg_result_u64(rows, row, 0);

        if (index >= 1 && index <= count) {
            items[index - 1].there = true;
        }
    }
    return true;
}

/* The order matters: what is seen after the flush was committed before it (then it is flushed), or
 * was recovered from the WAL by a server that came back in between (then it was). */
static bool barrier_try(struct barrier *barrier, struct barrier_item *items, size_t count,
                        struct error *err)
{
    if (barrier->conn == NULL &&
        !pg_conn_open(barrier->options.conninfo, "", "skein-agent barrier", &barrier->conn, err)) {
        return false;
    }
    if (barrier_flush(barrier->conn, err) && barrier_look(barrier, items, count, err)) {
        return true;
    }
    pg_conn_free(&barrier->conn);
    return error_wrap(err, "make the commits durable");
}

/* Nobody posts to this; it only waits on the monotonic clock. */
static void barrier_pause(struct barrier *barrier, uint64_t milliseconds)
{
    uint64_t deadline_ms = clock_monotonic_ms() + milliseconds;

    pthread_mutex_lock(&barrier->mutex);
    while (clock_cond_wait_until(&barrier->added, &barrier->mutex, deadline_ms)) {
    }
    pthread_mutex_unlock(&barrier->mutex);
}

static bool barrier_pass(struct barrier *barrier, struct barrier_item *items, size_t count,
                         struct error *err)
{
    uint64_t began_ms = clock_monotonic_ms();
    uint64_t backoff_ms = TASK_BACKOFF_MIN_MS;

    while (!barrier_try(barrier, items, count, err)) {
        barrier->options.note_trouble(barrier->options.context, err->message);
        uint64_t most_ms = err->code == ERR_LIMIT ? TASK_FULL_MAX_MS : TASK_OUTAGE_MAX_MS;
        if (clock_monotonic_ms() >= began_ms + most_ms) {
            return false;
        }
        barrier_pause(barrier, backoff_ms);
        backoff_ms = backoff_ms < TASK_BACKOFF_MAX_MS / 2 ? 2 * backoff_ms : TASK_BACKOFF_MAX_MS;
    }
    return true;
}

static void *barrier_run(void *argument)
{
    struct barrier *barrier = argument;
    struct barrier_item items[BARRIER_TASKS_MAX];
    size_t count = 0;

    while ((count = barrier_take(barrier, items)) > 0) {
        struct error err = { 0 };
        bool passed = barrier_pass(barrier, items, count, &err);
        barrier->options.note_trouble(barrier->options.context, "");

        for (size_t i = 0; i < count; i++) {
            enum barrier_answer answer = items[i].there ? BARRIER_DURABLE : BARRIER_GONE;

            barrier->options.answer(barrier->options.context, items[i].task, items[i].result,
                                    passed ? answer : BARRIER_UNKNOWN, err.message);
        }
    }
    return NULL;
}

static void barrier_destroy(struct barrier *barrier)
{
    pg_conn_free(&barrier->conn);
    pthread_cond_destroy(&barrier->added);
    pthread_cond_destroy(&barrier->taken);
    pthread_mutex_destroy(&barrier->mutex);
    free(barrier);
}

bool barrier_takes(enum task_mode mode)
{
    return mode == TASK_RUN || mode == TASK_BASELINE || mode == TASK_SETTLE;
}

bool barrier_new(const struct barrier_options *options, struct barrier **ret_barrier,
                 struct error *err)
{
    struct barrier *barrier = memory_alloc(sizeof(*barrier));

    barrier->options = *options;
    pthread_mutex_init(&barrier->mutex, NULL);
    clock_cond_init(&barrier->added);
    clock_cond_init(&barrier->taken);
    if (pthread_create(&barrier->thread, NULL, barrier_run, barrier) != 0) {
        barrier_destroy(barrier);
        return error_set(err, ERR_INTERNAL, "start the barrier's thread");
    }
    (void)pthread_setname_np(barrier->thread, "barrier");
    *ret_barrier = barrier;
    return true;
}

void barrier_free(struct barrier **barrier)
{
    struct barrier *b = *barrier;

    *barrier = NULL;
    if (b == NULL) {
        return;
    }
    pthread_mutex_lock(&b->mutex);
    b->closed = true;
    pthread_cond_signal(&b->added);
    pthread_mutex_unlock(&b->mutex);
    (void)pthread_join(b->thread, NULL);
    barrier_destroy(b);
}
