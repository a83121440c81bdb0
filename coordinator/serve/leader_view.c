#include "coordinator/serve/leader_view.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/base.h"
#include "common/core/memory.h"

struct leader_view {
    pthread_mutex_t mutex;
    bool leading;
    bool taking_over;
    char address[LEADER_ADDRESS_BYTES];
    char trouble[LEADER_TROUBLE_BYTES];
};

struct leader_view *leader_view_new(void)
{
    struct leader_view *view = memory_alloc(sizeof(*view));

    pthread_mutex_init(&view->mutex, NULL);
    return view;
}

void leader_view_free(struct leader_view **pointer)
{
    struct leader_view *view = *pointer;

    if (view == NULL) {
        return;
    }
    pthread_mutex_destroy(&view->mutex);
    free(view);
    *pointer = NULL;
}

void leader_view_set(struct leader_view *view, bool leading, const char *address)
{
    pthread_mutex_lock(&view->mutex);
    view->leading = leading;
    view->taking_over = false;
    snprintf(view->address, sizeof(view->address), "%s", address);
    pthread_mutex_unlock(&view->mutex);
}

bool leader_view_is_leading(struct leader_view *view)
{
    pthread_mutex_lock(&view->mutex);
    bool leading = view->leading;
    pthread_mutex_unlock(&view->mutex);
    return leading;
}

void leader_view_address(struct leader_view *view, char ret_address[LEADER_ADDRESS_BYTES])
{
    pthread_mutex_lock(&view->mutex);
    memcpy(ret_address, view->address, sizeof(view->address));
    pthread_mutex_unlock(&view->mutex);
}

void leader_view_set_trouble(struct leader_view *view, const char *trouble)
{
    pthread_mutex_lock(&view->mutex);
    snprintf(view->trouble, sizeof(view->trouble), "%.*s", LEADER_TROUBLE_BYTES - 1, trouble);
    pthread_mutex_unlock(&view->mutex);
}

void leader_view_trouble(struct leader_view *view, char ret_trouble[LEADER_TROUBLE_BYTES])
{
    pthread_mutex_lock(&view->mutex);
    memcpy(ret_trouble, view->trouble, sizeof(view->trouble));
    pthread_mutex_unlock(&view->mutex);
}

void leader_view_set_taking_over(struct leader_view *view)
{
    pthread_mutex_lock(&view->mutex);
    view->leading = false;
    view->taking_over = true;
    view->address[0] = '\0';
    pthread_mutex_unlock(&view->mutex);
}

bool leader_view_is_taking_over(struct leader_view *view)
{
    pthread_mutex_lock(&view->mutex);
    bool taking_over = view->taking_over;
    pthread_mutex_unlock(&view->mutex);
    return taking_over;
}
