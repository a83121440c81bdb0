#include "coordinator/serve/agent_fetch.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>
#include <utlist.h>

#include "common/core/arena.h"
#include "common/core/limits.h"
#include "common/core/memory.h"
#include "common/wire/wire.h"
#include "coordinator/serve/serve_reply.h"

struct fetch_archive;

/* One open call; all but `fetch` and `call` is guarded by the mutex. */
struct fetch_call {
    struct agent_fetch *fetch;
    struct rpc_call *call;
    struct fetch_archive *archive; /* NULL until asked, and when all was sent */
    size_t sent;
    bool asked;
    struct fetch_call *prev, *next;
};

/* One archive that is wanted now: being read, or here. In the table while anybody wants it or the
 * read is under way. Guarded by the mutex. */
struct fetch_archive {
    struct agent_fetch *fetch;
    char *key; /* "set@digest" */
    bool reading;
    uint8_t *data;
    size_t size;
    struct fetch_call *calls;
    UT_hash_handle hh;
};

struct agent_fetch {
    pthread_mutex_t mutex;
    struct leader_view *leader;
    struct set_source source;
    struct fetch_archive *archives;
};

struct agent_fetch *agent_fetch_new(struct leader_view *leader, const struct set_source *source)
{
    struct agent_fetch *fetch = memory_alloc(sizeof(*fetch));

    pthread_mutex_init(&fetch->mutex, NULL);
    fetch->leader = leader;
    fetch->source = *source;
    return fetch;
}

static void agent_fetch_drop(struct fetch_archive *archive)
{
    assert(archive->calls == NULL);
    HASH_DEL(archive->fetch->archives, archive);
    free(archive->key);
    free(archive->data);
    free(archive);
}

void agent_fetch_free(struct agent_fetch **pointer)
{
    struct agent_fetch *fetch = *pointer;
    struct fetch_archive *archive = NULL;
    struct fetch_archive *next = NULL;

    if (fetch == NULL) {
        return;
    }
    HASH_ITER(hh, fetch->archives, archive, next)
    {
        agent_fetch_drop(archive);
    }
    pthread_mutex_destroy(&fetch->mutex);
    free(fetch);
    *pointer = NULL;
}

/* The call wants nothing more. The archive goes with its last call. */
static void agent_fetch_leave(struct fetch_call *state)
{
    struct fetch_archive *archive = state->archive;

    if (archive == NULL) {
        return;
    }
    state->archive = NULL;
    DL_DELETE(archive->calls, state);
    if (archive->calls == NULL && !archive->reading) {
        agent_fetch_drop(archive);
    }
}

/* Sends while the outbox is small. Called with the mutex held; goes on from on_drained. */
static void agent_fetch_pump(struct fetch_call *state)
{
    const struct fetch_archive *archive = state->archive;

    if (archive == NULL || archive->reading) {
        return;
    }
    while (state->sent < archive->size &&
           rpc_call_outbox_bytes(state->call) < STREAM_REFILL_BYTES) {
        CLEANUP(arena_release) struct arena arena = { 0 };
        size_t left = archive->size - state->sent;
        struct bytes chunk = { archive->data + state->sent,
                               left < SET_CHUNK_BYTES ? left : SET_CHUNK_BYTES };
        if (!rpc_call_send(state->call, wire_encode_fetch_set_response(chunk, &arena))) {
            agent_fetch_leave(state);
            return;
        }
        state->sent += chunk.size;
    }
    if (state->sent == archive->size) {
        rpc_call_finish(state->call, RPC_OK, NULL);
        agent_fetch_leave(state);
    }
}

/* The source has answered, on a thread of its own. */
static void agent_fetch_on_fetched(void *user, struct bytes bytes, const struct error *err)
{
    struct fetch_archive *archive = user;
    struct agent_fetch *fetch = archive->fetch;
    struct fetch_call *state = NULL;
    struct fetch_call *next = NULL;

    pthread_mutex_lock(&fetch->mutex);
    archive->reading = false;
    if (archive->calls == NULL) {
        agent_fetch_drop(archive); /* nobody waits any more */
        pthread_mutex_unlock(&fetch->mutex);
        return;
    }
    if (err == NULL) {
        archive->data = memory_alloc(bytes.size + 1);
        archive->size = bytes.size;
        if (bytes.size > 0) {
            memcpy(archive->data, bytes.data, bytes.size);
        }
    }
    DL_FOREACH_SAFE(archive->calls, state, next)
    {
        /* The archive goes with its last call, which is the last of this loop. */
        if (err != NULL) {
            serve_reply_error(state->call, err);
            agent_fetch_leave(state);
        } else {
            agent_fetch_pump(state);
        }
    }
    pthread_mutex_unlock(&fetch->mutex);
}

/* Joins those who want the same archive. True if it has to be read first. */
static bool agent_fetch_join(struct fetch_call *state, const char *key)
{
    struct agent_fetch *fetch = state->fetch;
    struct fetch_archive *archive = NULL;

    HASH_FIND_STR(fetch->archives, key, archive);
    bool made = archive == NULL;
    if (made) {
        archive = memory_alloc(sizeof(*archive));
        archive->fetch = fetch;
        archive->key = memory_strdup(key);
        archive->reading = true;
        HASH_ADD_KEYPTR(hh, fetch->archives, archive->key, strlen(archive->key), archive);
    }
    state->archive = archive;
    DL_APPEND(archive->calls, state);
    return made;
}

static void *agent_fetch_on_open(void *context, struct rpc_call *call)
{
    struct fetch_call *state = memory_alloc(sizeof(*state));

    state->fetch = context;
    state->call = call;
    if (!leader_view_is_leading(state->fetch->leader)) {
        serve_reply_not_leading(call, state->fetch->leader, "this coordinator does not lead");
        state->asked = true;
    }
    return state;
}

static void agent_fetch_on_message(void *user, struct rpc_call *call, struct bytes message)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct fetch_call *state = user;
    struct agent_fetch *fetch = state->fetch;
    struct error err = { 0 };
    const char *set = NULL;
    const char *digest = NULL;

    if (state->asked) {
        return;
    }
    state->asked = true;
    if (!wire_decode_fetch_set_request(message, &arena, &set, &digest, &err)) {
        serve_reply_error(call, &err);
        return;
    }
    const char *key = arena_printf(&arena, "%s@%s", set, digest);
    pthread_mutex_lock(&fetch->mutex);
    bool read = agent_fetch_join(state, key);
    struct fetch_archive *archive = state->archive;
    if (!read) {
        agent_fetch_pump(state);
    }
    pthread_mutex_unlock(&fetch->mutex);
    if (read) {
        /* While it is being read the archive stays, even if this call goes. */
        fetch->source.fetch(fetch->source.context, set, digest, agent_fetch_on_fetched, archive);
    }
}

static void agent_fetch_on_drained(void *user, struct rpc_call *call)
{
    struct fetch_call *state = user;

    (void)call;
    pthread_mutex_lock(&state->fetch->mutex);
    agent_fetch_pump(state);
    pthread_mutex_unlock(&state->fetch->mutex);
}

static void agent_fetch_on_closed(void *user, struct rpc_call *call)
{
    struct fetch_call *state = user;

    (void)call;
    pthread_mutex_lock(&state->fetch->mutex);
    agent_fetch_leave(state);
    pthread_mutex_unlock(&state->fetch->mutex);
    free(state);
}

struct rpc_method agent_fetch_method(struct agent_fetch *fetch)
{
    static const struct rpc_handler handler = {
        .on_open = agent_fetch_on_open,
        .on_message = agent_fetch_on_message,
        .on_closed = agent_fetch_on_closed,
        .on_drained = agent_fetch_on_drained,
    };

    return (struct rpc_method){ "/skein.v1.AgentService/FetchSet", &handler, fetch };
}
