#include "coordinator/store/leadership.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/arena.h"
#include "common/core/clock.h"
#include "common/core/limits.h"
#include "common/core/log.h"
#include "common/core/memory.h"
#include "coordinator/store/store_keys.h"

enum {
    LEADERSHIP_KEEP_MS = LEADER_LEASE_TTL_MS / 3,
    LEADERSHIP_POLL_MS = 500,
    LEADERSHIP_RETRY_MS = 500,
};

struct leadership {
    struct store *store;
    struct mailbox *inbox;
    struct arena arena;
    const char *key;
    const char *address;
    struct leadership_hooks hooks;
    enum leader_state state;
    /* A request of the campaign or of the poll is under way; one at a time. */
    bool busy;
    uint64_t next_ms; /* when to campaign or to poll again */
    int64_t lease_id;
    /* Keeping the lease. */
    bool keeping;
    uint64_t keep_sent_ms;
    uint64_t keep_next_ms;
    uint64_t lease_until_ms;
    uint64_t now_ms;
    char trouble[ERROR_MESSAGE_BYTES]; /* why it is not known who leads; "" when it is */
};

struct leadership *leadership_new(struct store *store, struct mailbox *inbox, const char *prefix,
                                  const char *address, const struct leadership_hooks *hooks)
{
    struct leadership *leadership = memory_alloc(sizeof(*leadership));

    leadership->store = store;
    leadership->inbox = inbox;
    leadership->key = store_key_leader(&leadership->arena, prefix);
    leadership->address = arena_strdup(&leadership->arena, address);
    leadership->hooks = *hooks;
    leadership->state = (enum leader_state)leader_fsm.initial;
    return leadership;
}

void leadership_free(struct leadership **pointer)
{
    struct leadership *leadership = *pointer;

    if (leadership == NULL) {
        return;
    }
    arena_release(&leadership->arena);
    free(leadership);
    *pointer = NULL;
}

enum leader_state leadership_state(const struct leadership *leadership)
{
    return leadership->state;
}

const char *leadership_trouble(const struct leadership *leadership)
{
    return leadership->trouble;
}

int64_t leadership_lease(const struct leadership *leadership)
{
    return leadership->lease_id;
}

/* ---- the store's thread: answers become events ---- */

struct leadership_call {
    struct mailbox *inbox;
    enum store_answer kind;
    int64_t lease_id;
};

static struct leadership_call *leadership_call_new(struct leadership *leadership,
                                                   enum store_answer kind)
{
    struct leadership_call *call = memory_alloc(sizeof(*call));

    *call = (struct leadership_call){ .inbox = leadership->inbox,
                                      .kind = kind,
                                      .lease_id = leadership->lease_id };
    return call;
}

static struct event *leadership_answer_new(const struct leadership_call *call,
                                           const struct error *err)
{
    struct event *event = event_new(EVENT_STORE_ANSWER);

    event->answer.kind = call->kind;
    event->answer.lease_id = call->lease_id;
    event->answer.text = "";
    if (err != NULL) {
        event->answer.error = *err;
    }
    return event;
}

static void leadership_post(struct leadership_call *call, struct event *event)
{
    mailbox_post_reserved(call->inbox, event);
    free(call);
}

static void leadership_on_lease(void *user, const struct store_lease_result *result,
                                const struct error *err)
{
    struct leadership_call *call = user;
    struct event *event = leadership_answer_new(call, err);

    if (err == NULL) {
        event->answer.gone = result->ttl_ms == 0;
        if (call->kind == STORE_ANSWER_GRANT) {
            event->answer.lease_id = result->lease_id;
        }
    }
    leadership_post(call, event);
}

static void leadership_on_txn(void *user, const struct store_txn_result *result,
                              const struct error *err)
{
    struct leadership_call *call = user;
    struct event *event = leadership_answer_new(call, err);

    if (err == NULL) {
        event->answer.succeeded = result->succeeded;
        event->answer.revision = (uint64_t)result->revision;
    }
    leadership_post(call, event);
}

static void leadership_on_range(void *user, const struct store_range_result *result,
                                const struct error *err)
{
    struct leadership_call *call = user;
    struct event *event = leadership_answer_new(call, err);

    if (err == NULL && result->count > 0) {
        const struct bytes *value = &result->kvs[0].value;
        event->answer.succeeded = true;
        event->answer.text = arena_strndup(&event->arena, (const char *)value->data, value->size);
    }
    leadership_post(call, event);
}

/* The answer does not matter: a lease that is not revoked ends by itself. */
static void leadership_on_revoked(void *user, const struct store_lease_result *result,
                                  const struct error *err)
{
    (void)user;
    (void)result;
    (void)err;
}

/* ---- the brain's thread ---- */

static void leadership_drop_lease(struct leadership *leadership)
{
    if (leadership->lease_id != 0) {
        store_lease_revoke(leadership->store, leadership->lease_id, leadership_on_revoked, NULL);
        leadership->lease_id = 0;
    }
}

static void leadership_retry_later(struct leadership *leadership)
{
    leadership->next_ms = leadership->now_ms + LEADERSHIP_RETRY_MS;
}

static void leadership_lose(struct leadership *leadership, const char *why)
{
    leadership->state = leader_step(leadership->state, LEADER_EVENT_LOST);
    leadership_drop_lease(leadership);
    leadership_retry_later(leadership);
    leadership->hooks.lost(leadership->hooks.context, why);
}

void leadership_step_down(struct leadership *leadership, const char *why)
{
    if (leadership->state == LEADER_LOADING || leadership->state == LEADER_LEADING) {
        leadership_lose(leadership, why);
    }
}

void leadership_on_loaded(struct leadership *leadership)
{
    leadership->state = leader_step(leadership->state, LEADER_EVENT_LOADED);
}

static void leadership_campaign(struct leadership *leadership)
{
    leadership->busy = true;
    leadership->keep_sent_ms = leadership->now_ms; /* the lease counts from before it was asked */
    store_lease_grant(leadership->store, LEADER_LEASE_TTL_MS, leadership_on_lease,
                      leadership_call_new(leadership, STORE_ANSWER_GRANT));
}

/* With the embedded store no other process can have the file open, so a leader key that is found
 * there is left over from a process that is gone. */
static bool leadership_store_is_ours(const struct leadership *leadership)
{
    return strncmp(store_location(leadership->store), "sqlite:", 7) == 0;
}

static void leadership_take_key(struct leadership *leadership)
{
    const struct store_compare absent = { .key = leadership->key, .create_revision = 0 };
    const struct store_op put = { .kind = STORE_PUT,
                                  .key = leadership->key,
                                  .value = bytes_of_text(leadership->address),
                                  .lease_id = leadership->lease_id };

    store_txn(leadership->store, &absent, 1, &put, 1, leadership_on_txn,
              leadership_call_new(leadership, STORE_ANSWER_CAMPAIGN));
}

static void leadership_on_granted(struct leadership *leadership, const struct event *event)
{
    const struct store_op delete = { .kind = STORE_DELETE, .key = leadership->key };

    leadership->lease_id = event->answer.lease_id;
    leadership->lease_until_ms = leadership->keep_sent_ms + LEADER_LEASE_TTL_MS;
    leadership->keep_next_ms = leadership->keep_sent_ms + LEADERSHIP_KEEP_MS;
    if (leadership_store_is_ours(leadership)) {
        store_txn(leadership->store, NULL, 0, &delete, 1, leadership_on_txn,
                  leadership_call_new(leadership, STORE_ANSWER_CLEARED));
    } else {
        leadership_take_key(leadership);
    }
}

static void leadership_on_campaigned(struct leadership *leadership, const struct event *event)
{
    leadership->busy = false;
    leadership->trouble[0] = '\0';
    if (event->answer.lease_id != leadership->lease_id) {
        return;
    }
    if (!event->answer.succeeded) {
        leadership->state = leader_step(leadership->state, LEADER_EVENT_BEATEN);
        leadership_drop_lease(leadership);
        leadership->next_ms = leadership->now_ms; /* find out who it is */
        return;
    }
    leadership->state = leader_step(leadership->state, LEADER_EVENT_WON);
    leadership->hooks.won(leadership->hooks.context, event->answer.revision);
}

static void leadership_on_polled(struct leadership *leadership, const struct event *event)
{
    leadership->busy = false;
    leadership->trouble[0] = '\0';
    leadership->next_ms = leadership->now_ms + LEADERSHIP_POLL_MS;
    if (leadership->state != LEADER_FOLLOWER) {
        return;
    }
    leadership->hooks.leader_known(leadership->hooks.context, event->answer.text);
    if (!event->answer.succeeded) {
        leadership->state = leader_step(leadership->state, LEADER_EVENT_FREE);
        leadership->next_ms = leadership->now_ms;
    }
}

static void leadership_on_kept(struct leadership *leadership, const struct event *event)
{
    if (event->answer.lease_id != leadership->lease_id || leadership->lease_id == 0) {
        return; /* of a leadership that is over */
    }
    leadership->keeping = false;
    if (event->answer.error.code != ERR_NONE) {
        leadership->keep_next_ms = leadership->now_ms + LEADERSHIP_RETRY_MS;
        return; /* asked again until lease_until_ms */
    }
    if (event->answer.gone) {
        leadership_lose(leadership, "the store has let the leader's lease expire");
        return;
    }
    leadership->lease_until_ms = leadership->keep_sent_ms + LEADER_LEASE_TTL_MS;
    leadership->keep_next_ms = leadership->keep_sent_ms + LEADERSHIP_KEEP_MS;
}

/* Campaign and poll failed to get an answer. A campaign's write may have happened: giving its lease
 * back takes the key back too. */
static void leadership_on_failure(struct leadership *leadership, const struct event *event)
{
    leadership->busy = false;
    leadership_drop_lease(leadership);
    leadership_retry_later(leadership);
    if (leadership->trouble[0] == '\0') {
        log_failure("leadership_unknown", &event->answer.error, "state=%s retry_ms=%d",
                    leader_state_name(leadership->state), LEADERSHIP_RETRY_MS);
    }
    snprintf(leadership->trouble, sizeof(leadership->trouble), "%s", event->answer.error.message);
}

void leadership_on_answer(struct leadership *leadership, const struct event *event, uint64_t now_ms)
{
    leadership->now_ms = now_ms;
    if (event->answer.kind == STORE_ANSWER_KEPT) {
        leadership_on_kept(leadership, event);
    } else if (event->answer.error.code != ERR_NONE) {
        leadership_on_failure(leadership, event);
    } else if (event->answer.kind == STORE_ANSWER_GRANT) {
        leadership_on_granted(leadership, event);
    } else if (event->answer.kind == STORE_ANSWER_CLEARED) {
        leadership_take_key(leadership);
    } else if (event->answer.kind == STORE_ANSWER_CAMPAIGN) {
        leadership_on_campaigned(leadership, event);
    } else {
        leadership_on_polled(leadership, event);
    }
}

static void leadership_keep(struct leadership *leadership)
{
    if (leadership->now_ms >= leadership->lease_until_ms) {
        leadership_lose(leadership, "the store has not answered for the lease's whole time");
    } else if (!leadership->keeping && leadership->now_ms >= leadership->keep_next_ms) {
        leadership->keeping = true;
        leadership->keep_sent_ms = leadership->now_ms;
        store_lease_keep_alive(leadership->store, leadership->lease_id, leadership_on_lease,
                               leadership_call_new(leadership, STORE_ANSWER_KEPT));
    }
}

void leadership_on_tick(struct leadership *leadership, uint64_t now_ms)
{
    leadership->now_ms = now_ms;
    if (leadership->state == LEADER_LOADING || leadership->state == LEADER_LEADING) {
        leadership_keep(leadership);
    } else if (leadership->busy || now_ms < leadership->next_ms) {
        return;
    } else if (leadership->state == LEADER_CAMPAIGNING) {
        leadership->keeping = false;
        leadership_campaign(leadership);
    } else {
        leadership->busy = true;
        store_range(leadership->store, leadership->key, "", 1, 0, leadership_on_range,
                    leadership_call_new(leadership, STORE_ANSWER_WATCH));
    }
}

uint64_t leadership_next_ms(const struct leadership *leadership)
{
    if (leadership->state == LEADER_LOADING || leadership->state == LEADER_LEADING) {
        bool keep_first =
            !leadership->keeping && leadership->keep_next_ms < leadership->lease_until_ms;
        return keep_first ? leadership->keep_next_ms : leadership->lease_until_ms;
    }
    return leadership->busy ? UINT64_MAX : leadership->next_ms;
}
