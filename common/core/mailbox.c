#include "common/core/mailbox.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include "common/core/clock.h"
#include "common/core/memory.h"

struct mailbox {
    pthread_mutex_t mutex;
    pthread_cond_t filled;
    pthread_cond_t drained;
    void **ring;
    size_t ring_size; /* capacity plus the reserve */
    size_t capacity;
    size_t head;
    size_t count;
    size_t bytes, bytes_max; /* 0: not measured */
    size_t (*measure)(const void *message);
    bool closed;
    void (*discard)(void *message);
};

struct mailbox *mailbox_new(size_t capacity, void (*discard)(void *message))
{
    struct mailbox *mailbox = memory_alloc(sizeof(*mailbox));

    assert(capacity > 0 && discard != NULL);
    pthread_mutex_init(&mailbox->mutex, NULL);
    clock_cond_init(&mailbox->filled);
    clock_cond_init(&mailbox->drained);
    mailbox->capacity = capacity;
    mailbox->ring_size = capacity + capacity / 4 + 1;
    mailbox->ring = memory_alloc_array(mailbox->ring_size, sizeof(void *));
    mailbox->discard = discard;
    return mailbox;
}

void mailbox_bound_bytes(struct mailbox *mailbox, size_t bytes_max,
                         size_t (*measure)(const void *message))
{
    assert(mailbox->count == 0);
    assert(bytes_max > 0);
    mailbox->bytes_max = bytes_max;
    mailbox->measure = measure;
}

static void *mailbox_pop(struct mailbox *mailbox)
{
    void *message = mailbox->ring[mailbox->head];

    assert(mailbox->count > 0);
    mailbox->head = (mailbox->head + 1) % mailbox->ring_size;
    mailbox->count--;
    mailbox->bytes -= mailbox->measure == NULL ? 0 : mailbox->measure(message);
    return message;
}

void mailbox_free(struct mailbox **pointer)
{
    struct mailbox *mailbox = *pointer;

    if (mailbox == NULL) {
        return;
    }
    while (mailbox->count > 0) {
        mailbox->discard(mailbox_pop(mailbox));
    }
    pthread_cond_destroy(&mailbox->filled);
    pthread_cond_destroy(&mailbox->drained);
    pthread_mutex_destroy(&mailbox->mutex);
    free(mailbox->ring);
    free(mailbox);
    *pointer = NULL;
}

static void mailbox_push(struct mailbox *mailbox, void *message)
{
    assert(mailbox->count < mailbox->ring_size);
    mailbox->ring[(mailbox->head + mailbox->count) % mailbox->ring_size] = message;
    mailbox->count++;
    mailbox->bytes += mailbox->measure == NULL ? 0 : mailbox->measure(message);
    pthread_cond_signal(&mailbox->filled);
}

static bool mailbox_has_room(const struct mailbox *mailbox, bool reserved)
{
    if (reserved) {
        return mailbox->count < mailbox->ring_size;
    }
    return mailbox->count < mailbox->capacity &&
           (mailbox->measure == NULL || mailbox->bytes < mailbox->bytes_max);
}

static void mailbox_post_within(struct mailbox *mailbox, void *message, bool reserved)
{
    pthread_mutex_lock(&mailbox->mutex);
    while (!mailbox->closed && !mailbox_has_room(mailbox, reserved)) {
        pthread_cond_wait(&mailbox->drained, &mailbox->mutex);
    }
    bool closed = mailbox->closed;
    if (!closed) {
        mailbox_push(mailbox, message);
    }
    pthread_mutex_unlock(&mailbox->mutex);
    if (closed) {
        mailbox->discard(message);
    }
}

void mailbox_post(struct mailbox *mailbox, void *message)
{
    mailbox_post_within(mailbox, message, false);
}

void mailbox_post_reserved(struct mailbox *mailbox, void *message)
{
    mailbox_post_within(mailbox, message, true);
}

bool mailbox_try_post(struct mailbox *mailbox, void *message)
{
    pthread_mutex_lock(&mailbox->mutex);
    bool room = !mailbox->closed && mailbox_has_room(mailbox, false);
    if (room) {
        mailbox_push(mailbox, message);
    }
    pthread_mutex_unlock(&mailbox->mutex);
    return room;
}

size_t mailbox_take(struct mailbox *mailbox, void *messages[], size_t max, uint64_t deadline_ms)
{
    size_t taken = 0;

    pthread_mutex_lock(&mailbox->mutex);
    while (mailbox->count == 0 && !mailbox->closed) {
        if (!clock_cond_wait_until(&mailbox->filled, &mailbox->mutex, deadline_ms)) {
            break;
        }
    }
    while (taken < max && mailbox->count > 0) {
        messages[taken++] = mailbox_pop(mailbox);
    }
    if (taken > 0) {
        pthread_cond_broadcast(&mailbox->drained);
    }
    pthread_mutex_unlock(&mailbox->mutex);
    return taken;
}

void mailbox_close(struct mailbox *mailbox)
{
    pthread_mutex_lock(&mailbox->mutex);
    mailbox->closed = true;
    pthread_cond_broadcast(&mailbox->filled);
    pthread_cond_broadcast(&mailbox->drained);
    pthread_mutex_unlock(&mailbox->mutex);
}

size_t mailbox_depth(struct mailbox *mailbox)
{
    pthread_mutex_lock(&mailbox->mutex);
    size_t count = mailbox->count;
    pthread_mutex_unlock(&mailbox->mutex);
    return count;
}

size_t mailbox_bytes(struct mailbox *mailbox)
{
    pthread_mutex_lock(&mailbox->mutex);
    size_t bytes = mailbox->bytes;
    pthread_mutex_unlock(&mailbox->mutex);
    return bytes;
}
