#include "coordinator/store/loader.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/clock.h"
#include "common/core/log.h"
#include "common/core/memory.h"
#include "coordinator/store/load.h"

enum { LOADER_RETRY_MS = 200 }; /* nobody leads meanwhile */

struct loader {
    struct store *store;
    struct mailbox *inbox;
    char *prefix;
    uint64_t term;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t stop_asked;
    _Atomic bool stopped; /* set under the mutex */
    _Atomic bool over;
    char trouble[256];
};

/* False once the loader was stopped. */
static bool loader_pause(struct loader *loader, const struct error *err)
{
    uint64_t until = clock_monotonic_ms() + LOADER_RETRY_MS;

    pthread_mutex_lock(&loader->mutex);
    bool news = strncmp(loader->trouble, err->message, sizeof(loader->trouble) - 1) != 0;
    if (!loader->stopped && news) {
        log_failure("load_failed", err, "term=%" PRIu64 " retry_ms=%d", loader->term,
                    LOADER_RETRY_MS);
    }
    snprintf(loader->trouble, sizeof(loader->trouble), "%.255s", err->message);
    while (!loader->stopped && clock_cond_wait_until(&loader->stop_asked, &loader->mutex, until)) {
    }
    bool stopped = loader->stopped;
    pthread_mutex_unlock(&loader->mutex);
    return !stopped;
}

static void loader_load(struct loader *loader)
{
    for (;;) {
        struct event *event = event_new(EVENT_LEADING);
        struct error err = { 0 };
        bool loaded = load_all(loader->store, loader->prefix, &event->arena, &event->loaded,
                               &loader->stopped, &err);
        if (loaded && !loader->stopped) {
            event->loaded.term = loader->term;
            mailbox_post_reserved(loader->inbox, event);
            return;
        }
        load_release_sets(&event->loaded);
        event_free(&event);
        if (loaded || !loader_pause(loader, &err)) {
            return;
        }
    }
}

static void *loader_run(void *argument)
{
    struct loader *loader = argument;

    loader_load(loader);
    loader->over = true;
    return NULL;
}

struct loader *loader_start(struct store *store, struct mailbox *inbox, const char *prefix,
                            uint64_t term)
{
    struct loader *loader = memory_alloc(sizeof(*loader));

    loader->store = store;
    loader->inbox = inbox;
    loader->prefix = memory_strdup(prefix);
    loader->term = term;
    pthread_mutex_init(&loader->mutex, NULL);
    clock_cond_init(&loader->stop_asked);
    pthread_create(&loader->thread, NULL, loader_run, loader);
    return loader;
}

void loader_ask_stop(struct loader *loader)
{
    pthread_mutex_lock(&loader->mutex);
    loader->stopped = true;
    pthread_cond_signal(&loader->stop_asked);
    pthread_mutex_unlock(&loader->mutex);
}

bool loader_is_over(struct loader *loader)
{
    return loader->over;
}

void loader_stop(struct loader **pointer)
{
    struct loader *loader = *pointer;

    if (loader == NULL) {
        return;
    }
    loader_ask_stop(loader);
    pthread_join(loader->thread, NULL);
    pthread_cond_destroy(&loader->stop_asked);
    pthread_mutex_destroy(&loader->mutex);
    free(loader->prefix);
    free(loader);
    *pointer = NULL;
}

void loader_trouble(struct loader *loader, char ret_text[256])
{
    pthread_mutex_lock(&loader->mutex);
    memcpy(ret_text, loader->trouble, sizeof(loader->trouble));
    pthread_mutex_unlock(&loader->mutex);
}
