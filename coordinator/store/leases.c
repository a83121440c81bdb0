#include "coordinator/store/leases.h"

#include <stdlib.h>

#include "common/core/memory.h"

enum { LEASES_RETRY_MS = 500 };

struct lease_revoke {
    struct lease_revoke *next;
    int64_t lease_id;
    bool in_flight;
    uint64_t retry_at_ms;
};

struct leases {
    struct store *store;
    struct mailbox *inbox;
    uint64_t epoch; /* grows when leadership is lost */
    uint64_t now_ms;
    struct lease_revoke *revokes;
};

struct lease_call {
    struct mailbox *inbox;
    enum event_type type;
    uint64_t request;
    int64_t lease_id;
    uint64_t epoch;
};

struct leases *leases_new(struct store *store, struct mailbox *inbox)
{
    struct leases *leases = memory_alloc(sizeof(*leases));

    leases->store = store;
    leases->inbox = inbox;
    return leases;
}

void leases_forget(struct leases *leases)
{
    leases->epoch++;
    while (leases->revokes != NULL) {
        struct lease_revoke *revoke = leases->revokes;
        leases->revokes = revoke->next;
        free(revoke);
    }
}

void leases_free(struct leases **pointer)
{
    if (*pointer == NULL) {
        return;
    }
    leases_forget(*pointer);
    free(*pointer);
    *pointer = NULL;
}

/* Store's thread. */
static void lease_on_answer(void *user, const struct store_lease_result *result,
                            const struct error *err)
{
    struct lease_call *call = user;
    struct event *event = event_new(call->type);

    event->lease.request = call->request;
    event->lease.lease_id =
        call->type == EVENT_LEASE_GRANTED && err == NULL ? result->lease_id : call->lease_id;
    event->lease.ttl_ms = err == NULL ? result->ttl_ms : 0;
    event->lease.epoch = call->epoch;
    event->lease.failed = err != NULL;
    if (err == NULL && call->type == EVENT_LEASE_KEPT && result->ttl_ms == 0) {
        event->type = EVENT_LEASE_ENDED; /* the store has let it expire */
    }
    mailbox_post_reserved(call->inbox, event);
    free(call);
}

static struct lease_call *lease_call_new(struct leases *leases, enum event_type type,
                                         uint64_t request, int64_t lease_id)
{
    struct lease_call *call = memory_alloc(sizeof(*call));

    *call = (struct lease_call){ .inbox = leases->inbox,
                                 .type = type,
                                 .request = request,
                                 .lease_id = lease_id,
                                 .epoch = leases->epoch };
    return call;
}

void leases_grant(struct leases *leases, uint64_t request, uint64_t ttl_ms)
{
    store_lease_grant(leases->store, ttl_ms, lease_on_answer,
                      lease_call_new(leases, EVENT_LEASE_GRANTED, request, 0));
}

void leases_keep_alive(struct leases *leases, int64_t lease_id)
{
    store_lease_keep_alive(leases->store, lease_id, lease_on_answer,
                           lease_call_new(leases, EVENT_LEASE_KEPT, 0, lease_id));
}

static void lease_revoke_send(struct leases *leases, struct lease_revoke *revoke)
{
    revoke->in_flight = true;
    store_lease_revoke(leases->store, revoke->lease_id, lease_on_answer,
                       lease_call_new(leases, EVENT_LEASE_ENDED, 0, revoke->lease_id));
}

static struct lease_revoke **leases_find(struct leases *leases, int64_t lease_id)
{
    struct lease_revoke **place = &leases->revokes;

    while (*place != NULL && (*place)->lease_id != lease_id) {
        place = &(*place)->next;
    }
    return place;
}

void leases_revoke(struct leases *leases, int64_t lease_id)
{
    struct lease_revoke **place = leases_find(leases, lease_id);

    if (*place == NULL) {
        *place = memory_alloc(sizeof(**place));
        (*place)->lease_id = lease_id;
        lease_revoke_send(leases, *place);
    }
}

void leases_on_tick(struct leases *leases, uint64_t now_ms)
{
    leases->now_ms = now_ms;
    for (struct lease_revoke *revoke = leases->revokes; revoke != NULL; revoke = revoke->next) {
        if (!revoke->in_flight && now_ms >= revoke->retry_at_ms) {
            lease_revoke_send(leases, revoke);
        }
    }
}

bool leases_take_answer(struct leases *leases, const struct event *event)
{
    if (event->lease.epoch != leases->epoch) {
        return false;
    }
    if (event->type == EVENT_LEASE_KEPT) {
        return !event->lease.failed;
    }
    if (event->type != EVENT_LEASE_ENDED) {
        return true;
    }
    struct lease_revoke **place = leases_find(leases, event->lease.lease_id);
    if (event->lease.failed) {
        if (*place != NULL) {
            (*place)->in_flight = false;
            (*place)->retry_at_ms = leases->now_ms + LEASES_RETRY_MS;
        }
        return false;
    }
    if (*place != NULL) {
        struct lease_revoke *revoke = *place;
        *place = revoke->next;
        free(revoke);
    }
    return true;
}
