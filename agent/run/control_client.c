#include "agent/run/control_client.h"

#include <pthread.h>
#include <stdlib.h>

#include <utlist.h>

#include "common/core/clock.h"
#include "common/core/limits.h"
#include "common/core/memory.h"

/* Lives on the stack of the worker that waits. */
struct control_waiting {
    struct control_call call; /* texts borrowed from the caller */
    uint64_t due_ms;          /* when it is sent next */
    bool answered;
    struct task_error error;
    struct arena *arena;
    struct control_waiting *prev, *next;
};

struct control_client {
    pthread_mutex_t mutex;
    pthread_cond_t answered;
    struct control_waiting *waiting; /* one for each worker at most */
    uint64_t number;
    void (*wake)(void *context);
    void *context;
};

struct control_client *control_client_new(uint64_t seed, void (*wake)(void *context), void *context)
{
    struct control_client *client = memory_alloc(sizeof(*client));

    pthread_mutex_init(&client->mutex, NULL);
    clock_cond_init(&client->answered);
    client->number = seed;
    client->wake = wake;
    client->context = context;
    return client;
}

void control_client_free(struct control_client **pointer)
{
    struct control_client *client = *pointer;

    if (client != NULL) {
        pthread_cond_destroy(&client->answered);
        pthread_mutex_destroy(&client->mutex);
        free(client);
        *pointer = NULL;
    }
}

static struct task_error control_client_copy(struct arena *arena, const struct task_error *from)
{
    struct task_error to = *from;

    to.tenant = arena_strdup(arena, from->tenant);
    to.sqlstate = arena_strdup(arena, from->sqlstate);
    to.message = arena_strdup(arena, from->message);
    to.detail = arena_strdup(arena, from->detail);
    to.hint = arena_strdup(arena, from->hint);
    to.file = arena_strdup(arena, from->file);
    return to;
}

/* An answer that says "not now" puts the call back, until the time is over. */
static bool control_client_is_over(struct control_waiting *waiting, uint64_t ends_ms)
{
    uint64_t now_ms = clock_monotonic_ms();

    if (waiting->answered && waiting->error.code == TASK_CODE_AGENT_LOST && now_ms < ends_ms) {
        waiting->answered = false;
        waiting->due_ms = now_ms + TASK_BACKOFF_MAX_MS / 2;
    }
    return waiting->answered;
}

void control_client_call(struct control_client *client, const struct control_call *call,
                         bool (*is_cancelled)(void *context), void *context, struct arena *arena,
                         struct task_error *ret_error)
{
    struct control_waiting waiting = { .call = *call, .arena = arena };
    uint64_t ends_ms = clock_monotonic_ms() + CONTROL_OUTAGE_MAX_MS;
    bool over = false;

    pthread_mutex_lock(&client->mutex);
    waiting.call.number = ++client->number;
    DL_APPEND(client->waiting, &waiting);
    pthread_mutex_unlock(&client->mutex);
    client->wake(client->context);
    while (!over && !is_cancelled(context)) {
        pthread_mutex_lock(&client->mutex);
        over = control_client_is_over(&waiting, ends_ms);
        if (!over) {
            clock_cond_wait_until(&client->answered, &client->mutex,
                                  clock_monotonic_ms() + RUNNER_CANCEL_POLL_MS);
        }
        pthread_mutex_unlock(&client->mutex);
    }
    pthread_mutex_lock(&client->mutex);
    DL_DELETE(client->waiting, &waiting);
    pthread_mutex_unlock(&client->mutex);
    if (over) {
        *ret_error = waiting.error;
        return;
    }
    *ret_error = (struct task_error){ .tenant = "",
                                      .mode = call->mode,
                                      .code = TASK_CODE_CANCELLED,
                                      .sqlstate = "",
                                      .message = "cancelled while the control database was "
                                                 "waited for",
                                      .detail = "",
                                      .hint = "",
                                      .file = "" };
}

void control_client_send(struct control_client *client, uint64_t now_ms, bool anew,
                         void (*send)(void *context, const struct control_call *call),
                         void *context)
{
    struct control_waiting *waiting;

    pthread_mutex_lock(&client->mutex);
    DL_FOREACH(client->waiting, waiting)
    {
        if (!waiting->answered && (anew || now_ms >= waiting->due_ms)) {
            waiting->due_ms = now_ms + CONTROL_RESEND_MS;
            send(context, &waiting->call);
        }
    }
    pthread_mutex_unlock(&client->mutex);
}

void control_client_answer(struct control_client *client, const struct control_answer *answer)
{
    struct control_waiting *waiting;

    pthread_mutex_lock(&client->mutex);
    DL_FOREACH(client->waiting, waiting)
    {
        if (waiting->call.number == answer->number && !waiting->answered) {
            waiting->error = control_client_copy(waiting->arena, &answer->error);
            waiting->answered = true;
        }
    }
    pthread_cond_broadcast(&client->answered);
    pthread_mutex_unlock(&client->mutex);
}
