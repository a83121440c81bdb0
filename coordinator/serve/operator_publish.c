#include "coordinator/serve/operator_publish.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/clock.h"
#include "common/core/limits.h"
#include "common/core/memory.h"
#include "common/lint/set_lint.h"
#include "common/wire/wire.h"
#include "common/wire/wire_check.h"
#include "common/wire/wire_codec.h"
#include "coordinator/decide/event.h"
#include "coordinator/serve/serve_reply.h"
#include "skein/v1/operator.pb-c.h"

struct operator_publish {
    struct mailbox *queue;
    struct mailbox *inbox;
    struct operator_calls *calls;
    struct sql_parser *parser;
    pthread_t thread;
};

struct publish_job {
    uint64_t number;
    struct operator_upload upload;
};

void operator_upload_release(struct operator_upload *upload)
{
    arena_release(&upload->arena);
    buf_release(&upload->archive);
    *upload = (struct operator_upload){ 0 };
}

static void operator_publish_job_free(struct publish_job **pointer)
{
    struct publish_job *job = *pointer;

    if (job == NULL) {
        return;
    }
    operator_upload_release(&job->upload);
    free(job);
    *pointer = NULL;
}

static void operator_publish_discard(void *message)
{
    struct publish_job *job = message;

    operator_publish_job_free(&job);
}

/* ---- on the worker ---- */

static void operator_publish_free_set(struct set **pointer)
{
    if (*pointer != NULL) {
        set_release(*pointer);
        free(*pointer);
        *pointer = NULL;
    }
}

/* The set, or NULL and why it cannot be published. */
static struct set *operator_publish_read(struct operator_publish *publish,
                                         const struct publish_job *job, struct error *err)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    CLEANUP(lint_report_release) struct lint_report report = { 0 };
    CLEANUP(operator_publish_free_set) struct set *set = memory_alloc(sizeof(*set));
    struct set_file *files = NULL;
    size_t count = 0;

    /* The name comes from skein.yaml: the folder's does not travel. */
    if (!wire_decode_set_archive(buf_view(&job->upload.archive), &arena, &files, &count, err) ||
        !set_parse(files, count, "", set, err)) {
        return NULL;
    }
    struct lint_run run;
    lint_run_begin(&run, publish->parser, &report);
    set_lint(&run, set);
    lint_run_end(&run);
    if (report.error_count > 0) {
        set_lint_refuse(&report, err);
        return NULL;
    }
    return TAKE(set);
}

static void operator_publish_note(struct operator_publish *publish, uint64_t number,
                                  const struct set *set)
{
    struct operator_published published = { .migrations = (uint32_t)set->migration_count };

    snprintf(published.set, sizeof(published.set), "%s", set->name);
    snprintf(published.digest, sizeof(published.digest), "%s", set->digest);
    snprintf(published.latest, sizeof(published.latest), "%s", set->latest_text);
    operator_calls_set_published(publish->calls, number, &published);
}

static void operator_publish_work(struct operator_publish *publish, const struct publish_job *job)
{
    CLEANUP(operator_publish_free_set) struct set *set = NULL;
    struct error err = { 0 };
    /* Nobody waits any more, and nothing was promised. */
    struct rpc_call *call = operator_calls_find(publish->calls, job->number, NULL, NULL);

    if (call == NULL) {
        return;
    }
    set = operator_publish_read(publish, job, &err);
    if (set == NULL) {
        serve_reply_error(call, &err);
        rpc_call_unref(&call);
        return;
    }
    operator_publish_note(publish, job->number, set);
    struct event *event = event_new(EVENT_OPERATOR);
    event->now_ms = clock_monotonic_ms();
    event->wall_ms = clock_wall_ms();
    event->operator.call = job->number;
    event->operator.verb = OPERATOR_PUBLISH;
    event->operator.actor = arena_strdup(&event->arena, rpc_call_peer(call));
    event->operator.reason = arena_strdup(&event->arena, job->upload.reason);
    event->operator.archive.data =
        arena_memdup(&event->arena, job->upload.archive.data, job->upload.archive.size);
    event->operator.archive.size = job->upload.archive.size;
    event->operator.publish_dry_run = job->upload.dry_run;
    event->operator.object = arena_strdup(&event->arena, set->name);
    event->operator.set = TAKE(set);
    mailbox_post(publish->inbox, event); /* may wait: this thread has time */
    rpc_call_unref(&call);
}

static void *operator_publish_run(void *arg)
{
    struct operator_publish *publish = arg;
    void *message = NULL;

    while (mailbox_take(publish->queue, &message, 1, UINT64_MAX) == 1) {
        CLEANUP(operator_publish_job_free) struct publish_job *job = message;
        operator_publish_work(publish, job);
    }
    return NULL; /* closed */
}

/* ---- life ---- */

struct operator_publish *operator_publish_new(struct mailbox *inbox, struct operator_calls *calls,
                                              struct sql_parser *parser)
{
    struct operator_publish *publish = memory_alloc(sizeof(*publish));

    publish->queue = mailbox_new(PUBLISH_QUEUE_MAX, operator_publish_discard);
    publish->inbox = inbox;
    publish->calls = calls;
    publish->parser = parser;
    if (pthread_create(&publish->thread, NULL, operator_publish_run, publish) != 0) {
        abort(); /* no thread at start-up: the host is out of them */
    }
    return publish;
}

void operator_publish_free(struct operator_publish **pointer)
{
    struct operator_publish *publish = *pointer;

    if (publish == NULL) {
        return;
    }
    mailbox_close(publish->queue);
    pthread_join(publish->thread, NULL);
    mailbox_free(&publish->queue);
    free(publish);
    *pointer = NULL;
}

/* ---- on the rpc loop ---- */

static bool operator_publish_begin(struct operator_upload *upload,
                                   const Skein__V1__PublishSetRequest *request, struct error *err)
{
    struct wire_check check = { .message = "PublishSetRequest", .err = err };

    wire_check_text(&check, "reason", request->reason, TEXT_BYTES_MAX);
    if (check.failed) {
        return false;
    }
    upload->started = true;
    upload->dry_run = request->dry_run != 0;
    upload->reason = arena_strdup(&upload->arena, request->reason);
    upload->archive.size_max = SET_ARCHIVE_BYTES_MAX;
    return true;
}

bool operator_publish_add(struct operator_upload *upload, struct bytes message, struct error *err)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    const Skein__V1__PublishSetRequest *request =
        wire_codec_unpack(&skein__v1__publish_set_request__descriptor, message, &arena, err);

    if (request == NULL || (!upload->started && !operator_publish_begin(upload, request, err))) {
        return false;
    }
    if (request->chunk.len > 0 &&
        !buf_append(&upload->archive, request->chunk.data, request->chunk.len)) {
        return error_set(err, ERR_LIMIT, "a set has at most %d bytes: split it", SET_BYTES_MAX);
    }
    return true;
}

bool operator_publish_submit(struct operator_publish *publish, uint64_t number,
                             struct operator_upload *upload, struct error *err)
{
    CLEANUP(operator_publish_job_free) struct publish_job *job = NULL;

    if (!upload->started) {
        return error_set(err, ERR_INVALID, "PublishSet wants the set's archive, in chunks");
    }
    job = memory_alloc(sizeof(*job));
    job->number = number;
    job->upload = TAKE(*upload);
    if (!mailbox_try_post(publish->queue, job)) {
        return error_set(err, ERR_LIMIT, "too many sets are being published: try again later");
    }
    job = NULL; /* the queue's */
    return true;
}
