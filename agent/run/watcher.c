#include "agent/run/watcher.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/decide/worker_pace.h"
#include "agent/run/executor_notes.h"
#include "agent/run/watch_advance.h"
#include "agent/run/watch_old.h"
#include "common/core/clock.h"
#include "common/core/log.h"
#include "common/core/memory.h"
#include "common/model/duration.h"

struct watcher {
    struct watcher_options options;
    pthread_t thread;
    bool started;
    /* The thread's own. */
    struct pg_conn *conn;
    bool failed; /* the last look did not get through: said once */
    uint64_t connect_ms;
    uint64_t health_ms; /* when the next look at the server is due */
    uint64_t mark_wal;  /* what a standby has to have replayed not to be behind since mark_ms */
    uint64_t mark_ms;
    uint64_t disturbances; /* of the queue, when the pace was last judged */
    struct watch_target targets[AGENT_WORKERS_MAX];
    struct watch_waits waits;
    struct watch_old seen;

    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t changed;
    bool stopping;
    uint64_t busy_ms;   /* when a task was last about to begin, or seen at work */
    uint64_t looked_ms; /* when the server was last looked at, successfully or not */
    struct worker_pace pace;
    char unfit[TEXT_BYTES_MAX];
    struct watch_old old;
};

/* ---- what the server is like ---- */

/* How long the standby has not had what was written then. */
static uint64_t watcher_lag_ms(struct watcher *watcher, const struct watch_health *health,
                               uint64_t now_ms)
{
    if (health->replayed == 0 || health->replayed >= watcher->mark_wal) {
        watcher->mark_wal = health->wal;
        watcher->mark_ms = now_ms;
        return 0;
    }
    return now_ms - watcher->mark_ms;
}

/* Why no task should begin now, and what that means for the number of workers. */
static enum worker_strain watcher_judge(const struct executor_watch *watch,
                                        const struct watch_health *health, uint64_t lag_ms,
                                        char ret_unfit[TEXT_BYTES_MAX])
{
    char lag[DURATION_TEXT_BYTES];

    ret_unfit[0] = '\0';
    if (watch->lag_max_ms > 0 && lag_ms > watch->lag_max_ms) {
        (void)snprintf(ret_unfit, TEXT_BYTES_MAX, "waits for the standby %s, which is %s behind",
                       health->standby, duration_format_whole(lag_ms, lag));
        return WORKER_STRAIN_LAG;
    }
    if (health->disk_percent < watch->disk_min_percent) {
        (void)snprintf(ret_unfit, TEXT_BYTES_MAX,
                       "waits for room on the server's disk: %" PRIu64 " %% are free",
                       health->disk_percent);
        return WORKER_STRAIN_NONE;
    }
    if (health->connections_left < watch->connections_min) {
        (void)snprintf(ret_unfit, TEXT_BYTES_MAX,
                       "waits for connections: the server has %" PRIu64 " left",
                       health->connections_left);
        return WORKER_STRAIN_CONNECTIONS;
    }
    if (watch->active_max > 0 && health->active > watch->active_max) {
        return WORKER_STRAIN_LOAD;
    }
    return WORKER_STRAIN_NONE;
}

static void watcher_note_health(struct watcher *watcher, enum worker_strain strain,
                                const char *unfit, uint64_t now_ms)
{
    uint64_t disturbances = executor_queue_disturbances(watcher->options.queue);

    if (strain == WORKER_STRAIN_NONE && disturbances != watcher->disturbances) {
        strain = WORKER_STRAIN_LOCKS;
    }
    watcher->disturbances = disturbances;
    pthread_mutex_lock(&watcher->mutex);
    watcher->looked_ms = now_ms;
    (void)snprintf(watcher->unfit, sizeof(watcher->unfit), "%s", unfit);
    watcher->old.count = watcher->seen.count;
    memcpy(watcher->old.names, watcher->seen.names,
           watcher->seen.count * sizeof(watcher->seen.names[0]));
    bool changed = worker_pace_step(&watcher->pace, strain, now_ms);
    uint32_t now = watcher->pace.now;
    pthread_cond_broadcast(&watcher->changed);
    pthread_mutex_unlock(&watcher->mutex);
    if (changed) {
        executor_queue_allow(watcher->options.queue, now);
        log_info("workers_allowed", "count=%" PRIu32 " why=\"%s\"", now, worker_pace_words(strain));
    }
}

static bool watcher_look_at_server(struct watcher *watcher, uint64_t now_ms, struct error *err)
{
    struct watch_health health;
    char unfit[TEXT_BYTES_MAX] = "";

    if (!watch_look_health(watcher->conn, &health, err) ||
        !watch_old_list(watcher->conn, watcher->options.database_mode,
                        watcher->options.watch.old_ms, &watcher->seen, err)) {
        return false;
    }
    uint64_t lag_ms = watcher_lag_ms(watcher, &health, now_ms);
    enum worker_strain strain = watcher_judge(&watcher->options.watch, &health, lag_ms, unfit);
    watcher_note_health(watcher, strain, unfit, now_ms);
    watcher->health_ms = now_ms + WATCH_HEALTH_MS;
    return true;
}

/* ---- who waits for whom ---- */

static void watcher_have_yield(struct watcher *watcher, const struct watch_target *target,
                               const struct yield_verdict *verdict)
{
    char longest[DURATION_TEXT_BYTES];
    char words[TEXT_BYTES_MAX];
    size_t worker = target->worker;

    (void)snprintf(words, sizeof(words),
                   "stopped, because %" PRIu32 " session%s waited for it, the longest for %s: %s",
                   verdict->sessions[worker], verdict->sessions[worker] == 1 ? "" : "s",
                   duration_format(verdict->longest_ms[worker], longest),
                   watcher->waits.who[worker]);
    executor_queue_yield(watcher->options.queue, worker, target->serial, words);
}

static bool watcher_look_at_locks(struct watcher *watcher, size_t count, struct error *err)
{
    const struct executor_watch *watch = &watcher->options.watch;
    struct yield_options options = { .sessions = watch->yield_sessions, .look_ms = WATCH_LOOK_MS };
    struct yield_verdict verdict;
    char words[PROGRESS_BYTES_MAX];
    char blocker[WATCH_KEY_BYTES];

    if (!watch_look_waits(watcher->conn, watcher->targets, count, &watcher->waits, err)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        const struct watch_target *target = &watcher->targets[i];

        options.after_ms[target->worker] =
            target->budget_ms > 0 ? target->budget_ms : watch->yield_after_ms;
    }
    yield_judge(&options, watcher->waits.items, watcher->waits.count, &verdict);
    for (size_t i = 0; i < count; i++) {
        const struct watch_target *target = &watcher->targets[i];

        if ((verdict.stop & UINT64_C(1) << target->worker) != 0) {
            watcher_have_yield(watcher, target, &verdict);
        }
    }
    for (size_t i = 0; i < count; i++) {
        const struct watch_target *target = &watcher->targets[i];

        words[0] = '\0';
        blocker[0] = '\0';
        if ((watcher->waits.stuck & UINT64_C(1) << i) != 0 &&
            !watch_look_blockers(watcher->conn, target->pid, words, blocker, err)) {
            return false;
        }
        executor_notes_blockers(watcher->options.queue, target->worker, target->serial, words,
                                blocker);
    }
    return true;
}

/* For people who watch a statement that takes long. */
static bool watcher_look_at_progress(struct watcher *watcher, size_t count, struct error *err)
{
    struct watch_advance items[AGENT_WORKERS_MAX];

    if (!watch_advance_look(watcher->conn, watcher->targets, count, items, err)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        executor_notes_advance(watcher->options.queue, watcher->targets[i].worker,
                               watcher->targets[i].serial, items[i].done, items[i].total,
                               items[i].phase);
    }
    return true;
}

/* For tasks that rest: whether those they wait for are there still. */
static bool watcher_look_at_rest(struct watcher *watcher, const char *blockers, struct error *err)
{
    CLEANUP(pg_result_free) struct pg_result *rows = NULL;
    const char *remaining[TASKS_IN_FLIGHT_PER_AGENT_MAX];
    size_t count = 0;

    if (blockers[0] == '\0') {
        return true;
    }
    if (!watch_look_remaining(watcher->conn, blockers, &rows, err)) {
        return false;
    }
    while (count < pg_result_row_count(rows) && count < COUNT_OF(remaining)) {
        remaining[count] = pg_result_text(rows, count, 0);
        count++;
    }
    executor_queue_hold(watcher->options.queue, remaining, count);
    return true;
}

/* ---- the loop ---- */

static bool watcher_connect(struct watcher *watcher, uint64_t now_ms, struct error *err)
{
    if (watcher->conn != NULL && !pg_conn_is_lost(watcher->conn)) {
        return true;
    }
    pg_conn_free(&watcher->conn);
    watcher->connect_ms = now_ms + WATCH_CONNECT_PAUSE_MS;
    if (!pg_conn_open(watcher->options.conninfo, "", "skein-agent watcher", &watcher->conn, err)) {
        return false;
    }
    pg_conn_set_patience(watcher->conn, WATCH_PATIENCE_MS);
    return pg_script(watcher->conn,
                     "SET statement_timeout = '2s'; SET lock_timeout = '100ms'; SET jit = off;"
                     " SET max_parallel_workers_per_gather = 0",
                     NULL, err);
}

static void watcher_look(struct watcher *watcher, uint64_t now_ms)
{
    CLEANUP(buf_release) struct buf blockers = { .size_max = WATCH_KEYS_BYTES_MAX };
    struct error err = { 0 };

    size_t count = watcher->options.targets(watcher->options.context, watcher->targets);
    size_t resting = executor_queue_blockers(watcher->options.queue, &blockers);
    if (watcher->conn == NULL && now_ms < watcher->connect_ms) {
        return;
    }
    bool fine = watcher_connect(watcher, now_ms, &err) &&
                (count == 0 || watcher_look_at_locks(watcher, count, &err)) &&
                watcher_look_at_rest(watcher, buf_text(&blockers), &err) &&
                (now_ms < watcher->health_ms ||
                 ((count == 0 || watcher_look_at_progress(watcher, count, &err)) &&
                  watcher_look_at_server(watcher, now_ms, &err)));
    if (!fine) {
        if (!watcher->failed) {
            log_failure("watch_failed", &err, "workers=%zu", count);
        }
        pg_conn_free(&watcher->conn);
        watcher->connect_ms = clock_monotonic_ms() + WATCH_CONNECT_PAUSE_MS;
        watcher->seen.count = 0;
        watcher_note_health(watcher, WORKER_STRAIN_NONE, "", clock_monotonic_ms());
    }
    watcher->failed = !fine;
    if (count > 0 || resting > 0) {
        pthread_mutex_lock(&watcher->mutex);
        watcher->busy_ms = now_ms;
        pthread_mutex_unlock(&watcher->mutex);
    }
}

/* Until the next look is due. Without tasks there is none, and no connection after a while: a
 * server may be shut down, a database dropped. False: stop. */
static bool watcher_wait(struct watcher *watcher, uint64_t next_ms)
{
    pthread_mutex_lock(&watcher->mutex);
    while (!watcher->stopping) {
        uint64_t now_ms = clock_monotonic_ms();
        bool idle = watcher->busy_ms == 0 || now_ms >= watcher->busy_ms + WATCH_IDLE_MS;

        if (!idle && now_ms >= next_ms) {
            break;
        }
        if (idle && watcher->conn != NULL) {
            pg_conn_free(&watcher->conn);
        }
        (void)clock_cond_wait_until(&watcher->changed, &watcher->mutex,
                                    idle ? UINT64_MAX : next_ms);
    }
    bool goes_on = !watcher->stopping;
    pthread_mutex_unlock(&watcher->mutex);
    return goes_on;
}

static void *watcher_run(void *argument)
{
    struct watcher *watcher = argument;
    uint64_t next_ms = 0;

    while (watcher_wait(watcher, next_ms)) {
        uint64_t now_ms = clock_monotonic_ms();

        watcher_look(watcher, now_ms);
        next_ms = now_ms + WATCH_LOOK_MS;
    }
    pg_conn_free(&watcher->conn);
    return NULL;
}

/* ---- for others ---- */

bool watcher_new(const struct watcher_options *options, struct watcher **ret_watcher,
                 struct error *err)
{
    struct watcher *watcher = memory_alloc(sizeof(*watcher));

    watcher->options = *options;
    pthread_mutex_init(&watcher->mutex, NULL);
    clock_cond_init(&watcher->changed);
    worker_pace_init(&watcher->pace, options->workers, clock_monotonic_ms());
    if (pthread_create(&watcher->thread, NULL, watcher_run, watcher) != 0) {
        watcher_free(&watcher);
        return error_set(err, ERR_INTERNAL, "start the watcher's thread");
    }
    watcher->started = true;
    (void)pthread_setname_np(watcher->thread, "watcher");
    *ret_watcher = watcher;
    return true;
}

void watcher_free(struct watcher **watcher)
{
    struct watcher *w = *watcher;

    *watcher = NULL;
    if (w == NULL) {
        return;
    }
    if (w->started) {
        pthread_mutex_lock(&w->mutex);
        w->stopping = true;
        pthread_cond_broadcast(&w->changed);
        pthread_mutex_unlock(&w->mutex);
        (void)pthread_join(w->thread, NULL);
    }
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->mutex);
    free(w);
}

bool watcher_task_begins(struct watcher *watcher, char ret_words[TEXT_BYTES_MAX])
{
    uint64_t now_ms = clock_monotonic_ms();

    pthread_mutex_lock(&watcher->mutex);
    bool slept = watcher->busy_ms == 0 || now_ms >= watcher->busy_ms + WATCH_IDLE_MS;
    watcher->busy_ms = now_ms;
    if (slept) {
        pthread_cond_broadcast(&watcher->changed);
    }
    while (!watcher->stopping && watcher->looked_ms + WATCH_STALE_MS < now_ms &&
           clock_cond_wait_until(&watcher->changed, &watcher->mutex, now_ms + WATCH_FIRST_MAX_MS)) {
    }
    memcpy(ret_words, watcher->unfit, TEXT_BYTES_MAX);
    pthread_mutex_unlock(&watcher->mutex);
    return ret_words[0] != '\0';
}

bool watcher_sees_old(struct watcher *watcher, const char *name)
{
    bool sees = false;

    pthread_mutex_lock(&watcher->mutex);
    for (size_t i = 0; i < watcher->old.count && !sees; i++) {
        sees = strcmp(watcher->old.names[i], name) == 0;
    }
    pthread_mutex_unlock(&watcher->mutex);
    return sees;
}

uint32_t watcher_workers_now(struct watcher *watcher, const char **ret_reason)
{
    pthread_mutex_lock(&watcher->mutex);
    uint32_t now = watcher->pace.now;
    *ret_reason = worker_pace_words(watcher->pace.reason);
    pthread_mutex_unlock(&watcher->mutex);
    return now;
}
