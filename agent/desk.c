#include "agent/desk.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/run/clone.h"
#include "common/core/clock.h"
#include "common/core/limits.h"
#include "common/core/log.h"
#include "common/core/memory.h"
#include "common/wire/wire.h"

enum {
    DESK_JOBS_MAX = 64,
    DESK_RETRY_MS = 1000, /* a database that was away is looked for this often */
};

struct desk_job {
    struct history_request history; /* `tenant` lives in the arena */
    struct schema_request schemas;  /* no tenants: it is none of these */
    struct arena arena;
    struct agent_event *archive; /* NULL for a history job */
};

struct desk {
    struct tenants_reader *reader;
    struct mailbox *inbox;
    struct sql_parser *parser;
    uint64_t refresh_interval_ms;
    const char *conninfo;
    const char *shard; /* whose copies are looked for */
    bool swept;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t asked;
    bool stopped;
    bool refresh_asked;
    uint64_t refresh;
    uint64_t reading;
    struct desk_job jobs[DESK_JOBS_MAX];
    size_t head;
    size_t count;
};

static void desk_job_release(struct desk_job *job)
{
    arena_release(&job->arena);
    agent_event_free(&job->archive);
}

/* Copies that an agent of this shard was killed over. Until none is left: who is still connected to
 * one may be a session that has not noticed yet. */
static bool desk_sweep(const struct desk *desk)
{
    CLEANUP(pg_conn_free) struct pg_conn *conn = NULL;
    struct error err = { 0 };
    bool left = false;

    if (!pg_conn_open(desk->conninfo, "", "skein-agent sweep", &conn, &err) ||
        !clone_sweep(conn, desk->shard, &left, &err)) {
        log_warning("copies_left", "error=%s", err.message);
        return false;
    }
    return !left;
}

/* Returns after how long to read again. */
static uint64_t desk_read_tenants(struct desk *desk, uint64_t refresh, uint64_t reading)
{
    struct agent_event *event = agent_event_new(AGENT_EVENT_TENANTS);
    uint64_t again_ms = desk->refresh_interval_ms;

    event->tenants.refresh = refresh;
    event->tenants.reading = reading;
    event->tenants.started_ms = clock_monotonic_ms();
    event->tenants.trouble = "";
    if (tenants_reader_read(desk->reader, &event->tenants.snapshot, &event->tenants.error)) {
        event->tenants.trouble = arena_strdup(&event->arena, tenants_reader_trouble(desk->reader));
        desk->swept = desk->swept || desk_sweep(desk);
    } else if (again_ms > DESK_RETRY_MS) {
        again_ms = DESK_RETRY_MS;
    }
    mailbox_post_reserved(desk->inbox, event);
    return again_ms;
}

static void desk_read_history(struct desk *desk, const struct history_request *request)
{
    struct agent_event *event = agent_event_new(AGENT_EVENT_HISTORY);
    bool labels = request->labels.count > 0 || request->unlabelled_count > 0;
    struct error err = { 0 };

    if ((labels && !tenants_reader_label(desk->reader, request, &err)) ||
        !tenants_reader_history(desk->reader, request->tenant, request->limit, &event->arena,
                                &event->history, &err)) {
        event->history = (struct history_reply){ 0 };
        event->history.error = arena_strdup(&event->arena, err.message);
    }
    if (event->history.error == NULL) {
        event->history.error = "";
    }
    event->history.labelled = labels && event->history.error[0] == '\0';
    if (event->history.labelled) { /* before it is answered: who asks next sees them */
        pthread_mutex_lock(&desk->mutex);
        uint64_t refresh = desk->refresh;
        uint64_t reading = desk->reading;
        pthread_mutex_unlock(&desk->mutex);
        (void)desk_read_tenants(desk, refresh, reading);
    }
    event->history.request = request->request;
    mailbox_post_reserved(desk->inbox, event);
}

static void desk_read_schemas(struct desk *desk, const struct schema_request *request)
{
    struct agent_event *event = agent_event_new(AGENT_EVENT_SCHEMAS);

    tenants_reader_schemas(desk->reader, request, &event->arena, &event->schemas);
    event->schemas.request = request->request;
    mailbox_post_reserved(desk->inbox, event);
}

static void desk_prepare_set(struct desk *desk, const struct agent_event *archive)
{
    struct agent_event *event = agent_event_new(AGENT_EVENT_SET);
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct set_file *files;
    size_t count;

    event->set.name = arena_strdup(&event->arena, archive->archive.name);
    event->set.digest = arena_strdup(&event->arena, archive->archive.digest);
    if (!wire_decode_set_archive(archive->archive.bytes, &arena, &files, &count,
                                 &event->set.error) ||
        !prepared_set_new(desk->parser, event->set.name, event->set.digest, files, count,
                          &event->set.prepared, &event->set.error)) {
        error_wrap(&event->set.error, "set %s@%s", event->set.name, event->set.digest);
    }
    mailbox_post_reserved(desk->inbox, event);
}

static void desk_do(struct desk *desk, struct desk_job *job)
{
    if (job->archive != NULL) {
        desk_prepare_set(desk, job->archive);
    } else if (job->schemas.tenant_count > 0) {
        desk_read_schemas(desk, &job->schemas);
    } else {
        desk_read_history(desk, &job->history);
    }
    desk_job_release(job);
}

static void *desk_run(void *argument)
{
    struct desk *desk = argument;
    uint64_t read_at_ms = clock_monotonic_ms();

    pthread_setname_np(pthread_self(), "desk");
    pthread_mutex_lock(&desk->mutex);
    while (!desk->stopped) {
        if (desk->count > 0) {
            struct desk_job job = desk->jobs[desk->head];
            desk->head = (desk->head + 1) % DESK_JOBS_MAX;
            desk->count--;
            pthread_mutex_unlock(&desk->mutex);
            desk_do(desk, &job);
            pthread_mutex_lock(&desk->mutex);
        } else if (desk->refresh_asked || clock_monotonic_ms() >= read_at_ms) {
            uint64_t refresh = desk->refresh;
            uint64_t reading = desk->reading;
            desk->refresh_asked = false;
            pthread_mutex_unlock(&desk->mutex);
            uint64_t again_ms = desk_read_tenants(desk, refresh, reading);
            read_at_ms = clock_monotonic_ms() + again_ms;
            pthread_mutex_lock(&desk->mutex);
        } else {
            clock_cond_wait_until(&desk->asked, &desk->mutex, read_at_ms);
        }
    }
    pthread_mutex_unlock(&desk->mutex);
    return NULL;
}

struct desk *desk_start(const struct desk_options *options)
{
    struct desk *desk = memory_alloc(sizeof(*desk));

    desk->reader = tenants_reader_new(&options->tenants);
    desk->inbox = options->inbox;
    desk->conninfo = options->tenants.conninfo;
    desk->shard = options->shard;
    desk->swept = options->shard == NULL;
    desk->parser = options->parser;
    desk->refresh_interval_ms = options->refresh_interval_ms;
    pthread_mutex_init(&desk->mutex, NULL);
    clock_cond_init(&desk->asked);
    pthread_create(&desk->thread, NULL, desk_run, desk);
    return desk;
}

void desk_stop(struct desk **pointer)
{
    struct desk *desk = *pointer;

    if (desk == NULL) {
        return;
    }
    pthread_mutex_lock(&desk->mutex);
    desk->stopped = true;
    pthread_cond_signal(&desk->asked);
    pthread_mutex_unlock(&desk->mutex);
    pthread_join(desk->thread, NULL);
    for (size_t i = 0; i < desk->count; i++) {
        desk_job_release(&desk->jobs[(desk->head + i) % DESK_JOBS_MAX]);
    }
    tenants_reader_free(&desk->reader);
    pthread_cond_destroy(&desk->asked);
    pthread_mutex_destroy(&desk->mutex);
    free(desk);
    *pointer = NULL;
}

void desk_refresh(struct desk *desk, uint64_t refresh)
{
    pthread_mutex_lock(&desk->mutex);
    if (refresh > desk->refresh) {
        desk->refresh = refresh;
    }
    desk->refresh_asked = true;
    pthread_cond_signal(&desk->asked);
    pthread_mutex_unlock(&desk->mutex);
}

void desk_forget_refresh(struct desk *desk)
{
    pthread_mutex_lock(&desk->mutex);
    desk->refresh = 0;
    pthread_mutex_unlock(&desk->mutex);
}

uint64_t desk_read_anew(struct desk *desk)
{
    pthread_mutex_lock(&desk->mutex);
    uint64_t reading = ++desk->reading;
    desk->refresh_asked = true;
    pthread_cond_signal(&desk->asked);
    pthread_mutex_unlock(&desk->mutex);
    return reading;
}

static bool desk_add(struct desk *desk, struct desk_job *job)
{
    pthread_mutex_lock(&desk->mutex);
    bool room = desk->count < DESK_JOBS_MAX;
    if (room) {
        desk->jobs[(desk->head + desk->count++) % DESK_JOBS_MAX] = *job;
        pthread_cond_signal(&desk->asked);
    }
    pthread_mutex_unlock(&desk->mutex);
    return room;
}

static struct labels desk_copy_labels(struct arena *arena, const struct labels *from)
{
    struct label *items = arena_alloc_array(arena, from->count, sizeof(*items));

    for (size_t i = 0; i < from->count; i++) {
        items[i].key = arena_strdup(arena, from->items[i].key);
        items[i].value = arena_strdup(arena, from->items[i].value);
    }
    return (struct labels){ .items = items, .count = from->count };
}

bool desk_history(struct desk *desk, const struct history_request *request)
{
    struct desk_job job = { .history = *request };

    job.history.tenant = arena_strdup(&job.arena, request->tenant);
    job.history.labels = desk_copy_labels(&job.arena, &request->labels);
    const char **gone = arena_alloc_array(&job.arena, request->unlabelled_count, sizeof(*gone));
    for (size_t i = 0; i < request->unlabelled_count; i++) {
        gone[i] = arena_strdup(&job.arena, request->unlabelled[i]);
    }
    job.history.unlabelled = gone;
    if (!desk_add(desk, &job)) {
        desk_job_release(&job);
        return false;
    }
    return true;
}

bool desk_schemas(struct desk *desk, const struct schema_request *request)
{
    struct desk_job job = { .schemas = *request };
    const char **tenants = arena_alloc_array(&job.arena, request->tenant_count, sizeof(*tenants));

    for (size_t i = 0; i < request->tenant_count; i++) {
        tenants[i] = arena_strdup(&job.arena, request->tenants[i]);
    }
    job.schemas.tenants = tenants;
    if (!desk_add(desk, &job)) {
        desk_job_release(&job);
        return false;
    }
    return true;
}

bool desk_prepare(struct desk *desk, struct agent_event *archive)
{
    struct desk_job job = { .archive = archive };

    if (!desk_add(desk, &job)) {
        desk_job_release(&job);
        return false;
    }
    return true;
}
