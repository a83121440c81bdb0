#include "common/pg/pg_cancel.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "common/core/clock.h"
#include "common/core/limits.h"
#include "common/core/memory.h"

struct pg_cancel {
    pthread_mutex_t mutex; /* guards what follows but `request`, which is only read */
    pthread_cond_t ended;
    PGcancel *request;
    bool busy;
    unsigned owners; /* the connection, and the thread that sends */
};

struct pg_cancel *pg_cancel_new(PGcancel *request)
{
    struct pg_cancel *cancel = memory_alloc(sizeof(*cancel));

    pthread_mutex_init(&cancel->mutex, NULL);
    clock_cond_init(&cancel->ended);
    cancel->request = request;
    cancel->owners = 1;
    return cancel;
}

/* Called with the mutex held, which it releases. */
static void pg_cancel_disown(struct pg_cancel *cancel)
{
    bool last = --cancel->owners == 0;

    pthread_mutex_unlock(&cancel->mutex);
    if (last) {
        PQfreeCancel(cancel->request);
        pthread_cond_destroy(&cancel->ended);
        pthread_mutex_destroy(&cancel->mutex);
        free(cancel);
    }
}

static void *pg_cancel_run(void *argument)
{
    struct pg_cancel *cancel = argument;
    char ignored[256];

    /* A cancel is a wish: it may come too late, and whoever made it looks at what became of the
     * statement. So its own failure says nothing. */
    (void)PQcancel(cancel->request, ignored, (int)sizeof(ignored));
    pthread_mutex_lock(&cancel->mutex);
    cancel->busy = false;
    pthread_cond_broadcast(&cancel->ended);
    pg_cancel_disown(cancel);
    return NULL;
}

static bool pg_cancel_start(struct pg_cancel *cancel)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, pg_cancel_run, cancel) != 0) {
        return false;
    }
    (void)pthread_setname_np(thread, "cancel");
    (void)pthread_detach(thread);
    return true;
}

void pg_cancel_send(struct pg_cancel *cancel)
{
    uint64_t deadline_ms = clock_monotonic_ms() + PG_CANCEL_WAIT_MS;

    pthread_mutex_lock(&cancel->mutex);
    if (!cancel->busy && cancel->request != NULL && pg_cancel_start(cancel)) {
        cancel->busy = true;
        cancel->owners++;
        while (cancel->busy && clock_cond_wait_until(&cancel->ended, &cancel->mutex, deadline_ms)) {
        }
    }
    pthread_mutex_unlock(&cancel->mutex);
}

void pg_cancel_free(struct pg_cancel **cancel)
{
    if (*cancel != NULL) {
        struct pg_cancel *c = *cancel;

        *cancel = NULL;
        pthread_mutex_lock(&c->mutex);
        pg_cancel_disown(c);
    }
}
