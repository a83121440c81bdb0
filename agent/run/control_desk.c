#include "agent/run/control_desk.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "agent/run/control_task.h"
#include "common/core/clock.h"
#include "common/core/limits.h"
#include "common/core/memory.h"

struct control_job {
    struct arena arena; /* owns the texts of `run` */
    struct control_run run;
    struct prepared_set *set; /* one reference */
    struct control_job *prev, *next;
};

struct control_desk {
    struct control_desk_options options;
    struct worker_link link;
    pthread_t thread;
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t changed;
    struct control_job *jobs; /* the first is under way; oldest first */
    size_t job_count;
    uint64_t serial;
    bool stopped;
};

static void control_desk_free_job(struct control_job *job)
{
    if (job->set != NULL) {
        prepared_set_unref(&job->set);
    }
    arena_release(&job->arena);
    free(job);
}

static void control_desk_answer(struct control_desk *desk, const struct control_run *run,
                                struct arena *arena, const struct task_error *error)
{
    const struct control_done done = { .number = run->call.number,
                                       .shard = arena_strdup(arena, run->shard),
                                       .hook = arena_strdup(arena, run->hook),
                                       .error = *error };

    desk->options.on_done(desk->options.context, arena, &done);
}

void control_desk_refuse(struct control_desk *desk, const struct control_run *run,
                         enum task_code code, const char *message)
{
    struct arena arena = { 0 };
    const struct task_error error = { .tenant = "",
                                      .mode = run->call.mode,
                                      .code = code,
                                      .sqlstate = "",
                                      .message = arena_strdup(&arena, message),
                                      .detail = "",
                                      .hint = "",
                                      .file = "" };

    control_desk_answer(desk, run, &arena, &error);
    arena_release(&arena); /* NOLINT: empty when the callee took it over */
}

static bool control_desk_pause(void *context, uint64_t milliseconds)
{
    struct control_desk *desk = context;
    uint64_t ends_ms = clock_monotonic_ms() + milliseconds;

    pthread_mutex_lock(&desk->mutex);
    while (!desk->stopped && clock_monotonic_ms() < ends_ms) {
        clock_cond_wait_until(&desk->changed, &desk->mutex, ends_ms);
    }
    bool stopped = desk->stopped;
    pthread_mutex_unlock(&desk->mutex);
    return !stopped;
}

static void control_desk_do(struct control_desk *desk, struct control_job *job, uint64_t serial)
{
    const struct control_task_options options = {
        .agent = desk->options.agent,
        .statement_timeout_ms = desk->options.statement_timeout_ms,
        .pause = control_desk_pause,
        .context = desk,
    };
    struct arena arena = { 0 };
    struct task_error error;

    worker_link_begin(&desk->link, serial);
    control_task_run(&options, &desk->link, &job->run, job->set, &arena, &error);
    worker_link_end(&desk->link);
    control_desk_answer(desk, &job->run, &arena, &error);
    arena_release(&arena);
}

static void *control_desk_main(void *argument)
{
    struct control_desk *desk = argument;

    pthread_setname_np(pthread_self(), "control");
    pthread_mutex_lock(&desk->mutex);
    while (!desk->stopped) {
        struct control_job *job = desk->jobs;
        if (job == NULL) {
            pthread_cond_wait(&desk->changed, &desk->mutex);
            continue;
        }
        uint64_t serial = ++desk->serial;
        pthread_mutex_unlock(&desk->mutex);
        control_desk_do(desk, job, serial);
        pthread_mutex_lock(&desk->mutex);
        DL_DELETE(desk->jobs, job);
        desk->job_count--;
        control_desk_free_job(job);
    }
    pthread_mutex_unlock(&desk->mutex);
    return NULL;
}

struct control_desk *control_desk_start(const struct control_desk_options *options)
{
    struct control_desk *desk = memory_alloc(sizeof(*desk));

    desk->options = *options;
    worker_link_init(&desk->link, options->conninfo, "skein-agent control");
    pthread_mutex_init(&desk->mutex, NULL);
    clock_cond_init(&desk->changed);
    pthread_create(&desk->thread, NULL, control_desk_main, desk);
    return desk;
}

void control_desk_stop(struct control_desk **pointer)
{
    struct control_desk *desk = *pointer;
    struct control_job *job;
    struct control_job *next;

    if (desk == NULL) {
        return;
    }
    pthread_mutex_lock(&desk->mutex);
    desk->stopped = true;
    uint64_t serial = desk->serial;
    pthread_cond_broadcast(&desk->changed);
    pthread_mutex_unlock(&desk->mutex);
    worker_link_cancel(&desk->link, serial);
    pthread_join(desk->thread, NULL);
    DL_FOREACH_SAFE(desk->jobs, job, next)
    {
        control_desk_free_job(job);
    }
    worker_link_release(&desk->link);
    pthread_cond_destroy(&desk->changed);
    pthread_mutex_destroy(&desk->mutex);
    free(desk);
    *pointer = NULL;
}

static bool control_desk_lends(const struct control_desk *desk, const char *database)
{
    for (size_t i = 0; i < desk->options.database_count; i++) {
        if (strcmp(desk->options.databases[i], database) == 0) {
            return true;
        }
    }
    return false;
}

static struct control_job *control_desk_new_job(const struct control_run *run,
                                                struct prepared_set *set)
{
    struct control_job *job = memory_alloc(sizeof(*job));
    struct arena *arena = &job->arena;

    prepared_set_ref(set);
    job->set = set;
    job->run = *run;
    job->run.call.rollout = arena_strdup(arena, run->call.rollout);
    job->run.call.tenant = arena_strdup(arena, run->call.tenant);
    job->run.call.from = arena_strdup(arena, run->call.from);
    job->run.call.file = arena_strdup(arena, run->call.file);
    job->run.call.key = arena_strdup(arena, run->call.key);
    job->run.shard = arena_strdup(arena, run->shard);
    job->run.hook = arena_strdup(arena, run->hook);
    job->run.set = arena_strdup(arena, run->set);
    job->run.digest = arena_strdup(arena, run->digest);
    job->run.target = arena_strdup(arena, run->target);
    job->run.database = arena_strdup(arena, run->database);
    return job;
}

static bool control_desk_has(const struct control_desk *desk, const struct control_run *run)
{
    const struct control_job *job;

    DL_FOREACH(desk->jobs, job)
    {
        if (job->run.call.number == run->call.number && strcmp(job->run.shard, run->shard) == 0 &&
            strcmp(job->run.hook, run->hook) == 0) {
            return true;
        }
    }
    return false;
}

void control_desk_submit(struct control_desk *desk, const struct control_run *run,
                         struct prepared_set *set)
{
    bool full = false;

    if (!control_desk_lends(desk, run->database)) {
        CLEANUP(arena_release) struct arena arena = { 0 };
        control_desk_refuse(desk, run, TASK_CODE_RUNNER,
                            arena_printf(&arena,
                                         "the agent does not lend itself to the control database "
                                         "'%s': its --control-database does not name it",
                                         run->database));
        return;
    }
    pthread_mutex_lock(&desk->mutex);
    if (!control_desk_has(desk, run)) {
        full = desk->job_count == CONTROL_QUEUE_MAX;
        if (!full) {
            struct control_job *job = control_desk_new_job(run, set);
            DL_APPEND(desk->jobs, job);
            desk->job_count++;
            pthread_cond_broadcast(&desk->changed);
        }
    }
    pthread_mutex_unlock(&desk->mutex);
    if (full) {
        control_desk_refuse(desk, run, TASK_CODE_AGENT_LOST,
                            "too much waits for the control database already");
    }
}
