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
    LEADERSHIP_POLL_MS = 500, /* the watch is faster; this is for when it is not there */
    LEADERSHIP_RETRY_MS = 500,
    LEADERSHIP_OLD_LEASES_MAX = 8, /* being given back; older ones end by themselves */
};

/* A lease that we do not want any more. The leader key may be bound to it: as long as it lives
 * nobody can lead, and after an outage etcd gives it a whole TTL anew. So it is revoked until the
 * store says that it is gone. */
struct old_lease {
    int64_t lease_id;
    bool in_flight;
    uint64_t retry_at_ms;
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
    struct store_watch *watch; /* of the key; NULL for a store that nobody else can have open */
    bool watch_lost;
    bool look_again; /* the key changed while a request was under way, or while we lead */
    uint64_t term;   /* won last */
    bool resigned;   /* for good: this coordinator is about to end */
    struct old_lease old_leases[LEADERSHIP_OLD_LEASES_MAX];
    size_t old_count;
    char trouble[ERROR_MESSAGE_BYTES]; /* why it is not known who leads; "" when it is */
};

static void leadership_watch(struct leadership *leadership);

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
    leadership_watch(leadership);
    return leadership;
}

void leadership_free(struct leadership **pointer)
{
    struct leadership *leadership = *pointer;

    if (leadership == NULL) {
        return;
    }
    store_watch_stop(&leadership->watch);
    arena_release(&leadership->arena);
    free(leadership);
    *pointer = NULL;
}

static bool leadership_holds(const struct leadership *leadership)
{
    return leadership->state == LEADER_LOADING || leadership->state == LEADER_LEADING;
}

enum leader_state leadership_state(const struct leadership *leadership)
{
    return leadership->state;
}

bool leadership_is_stuck(const struct leadership *leadership, uint64_t now_ms)
{
    return leadership_holds(leadership) &&
           now_ms + LEADER_LEASE_TTL_MS / 2 >= leadership->lease_until_ms;
}

int64_t leadership_lease(const struct leadership *leadership)
{
    return leadership->lease_id;
}

const char *leadership_trouble(const struct leadership *leadership)
{
    return leadership->trouble;
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
        event->answer.revision = (uint64_t)result->kvs[0].create_revision;
        event->answer.text = arena_strndup(&event->arena, (const char *)value->data, value->size);
    }
    leadership_post(call, event);
}

/* The watch only says that something happened: what, is read. So it may lose events, be slow or
 * missing, and nothing depends on it but speed. */
static void leadership_post_change(struct leadership *leadership, bool lost)
{
    struct event *event = event_new(EVENT_STORE_ANSWER);

    event->answer.kind = STORE_ANSWER_LEADER_CHANGED;
    event->answer.gone = lost;
    event->answer.text = "";
    mailbox_post_reserved(leadership->inbox, event);
}

static void leadership_on_watched(void *user, const struct store_event *events, size_t count,
                                  int64_t revision)
{
    (void)events;
    (void)count;
    (void)revision;
    leadership_post_change(user, false);
}

static void leadership_on_watch_lost(void *user, const struct error *err)
{
    (void)err; /* a compaction, mostly; the poll says what is wrong if there is more */
    leadership_post_change(user, true);
}

/* ---- the brain's thread ---- */

/* With the embedded store no other process can have the file open, so a leader key that is found
 * there is left over from a process that is gone. */
static bool leadership_store_is_ours(const struct leadership *leadership)
{
    return strncmp(store_location(leadership->store), "sqlite:", 7) == 0;
}

static void leadership_watch(struct leadership *leadership)
{
    const struct store_watch_handler handler = { .on_events = leadership_on_watched,
                                                 .on_lost = leadership_on_watch_lost,
                                                 .user = leadership };

    if (!leadership_store_is_ours(leadership)) {
        leadership->watch = store_watch_start(leadership->store, leadership->key, 0, &handler);
    }
}

static void leadership_watch_again(struct leadership *leadership)
{
    leadership->watch_lost = false;
    store_watch_stop(&leadership->watch);
    leadership_watch(leadership);
}

static void leadership_on_changed(struct leadership *leadership, const struct event *event)
{
    leadership->watch_lost = leadership->watch_lost || event->answer.gone;
    leadership->look_again = leadership->busy || leadership_holds(leadership);
    leadership->next_ms = leadership->now_ms;
}

/* ---- leases that are given back ---- */

static void old_lease_send(struct leadership *leadership, struct old_lease *old)
{
    struct leadership_call *call = leadership_call_new(leadership, STORE_ANSWER_REVOKED);

    call->lease_id = old->lease_id;
    old->in_flight = true;
    store_lease_revoke(leadership->store, old->lease_id, leadership_on_lease, call);
}

static void leadership_drop_lease(struct leadership *leadership)
{
    if (leadership->lease_id == 0) {
        return;
    }
    if (leadership->old_count == LEADERSHIP_OLD_LEASES_MAX) {
        leadership->old_count--;
        memmove(&leadership->old_leases[0], &leadership->old_leases[1],
                leadership->old_count * sizeof(leadership->old_leases[0]));
    }
    struct old_lease *old = &leadership->old_leases[leadership->old_count++];
    *old = (struct old_lease){ .lease_id = leadership->lease_id };
    leadership->lease_id = 0;
    old_lease_send(leadership, old);
}

static void leadership_on_revoked(struct leadership *leadership, const struct event *event)
{
    for (size_t i = 0; i < leadership->old_count; i++) {
        struct old_lease *old = &leadership->old_leases[i];
        if (old->lease_id != event->answer.lease_id) {
            continue;
        }
        if (event->answer.error.code != ERR_NONE) {
            old->in_flight = false;
            old->retry_at_ms = leadership->now_ms + LEADERSHIP_RETRY_MS;
            return;
        }
        *old = leadership->old_leases[--leadership->old_count];
        if (leadership->state == LEADER_FOLLOWER) {
            leadership->next_ms = leadership->now_ms; /* the key may be free now */
        }
        return;
    }
}

static void leadership_tick_old_leases(struct leadership *leadership)
{
    for (size_t i = 0; i < leadership->old_count; i++) {
        struct old_lease *old = &leadership->old_leases[i];
        if (!old->in_flight && leadership->now_ms >= old->retry_at_ms) {
            old_lease_send(leadership, old);
        }
    }
}

/* ---- winning and losing ---- */

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
    if (leadership_holds(leadership)) {
        leadership_lose(leadership, why);
    }
}

void leadership_resign(struct leadership *leadership, uint64_t now_ms)
{
    leadership->now_ms = now_ms;
    leadership->resigned = true;
    leadership->state = leader_step(leadership->state, LEADER_EVENT_RESIGNED);
    leadership_drop_lease(leadership);
    leadership->next_ms = now_ms;
}

bool leadership_is_given_back(const struct leadership *leadership)
{
    return leadership->old_count == 0 && leadership->lease_id == 0;
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
    if (leadership->state != LEADER_CAMPAIGNING) {
        leadership->busy = false; /* resigned while it was asked for */
        leadership_drop_lease(leadership);
        return;
    }
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
    if (!event->answer.succeeded || leadership->state != LEADER_CAMPAIGNING) {
        leadership->state = leader_step(leadership->state, LEADER_EVENT_BEATEN);
        leadership_drop_lease(leadership);
        leadership->next_ms = leadership->now_ms; /* find out who it is */
        return;
    }
    leadership->state = leader_step(leadership->state, LEADER_EVENT_WON);
    leadership->term = event->answer.revision;
    leadership->hooks.won(leadership->hooks.context, leadership->term);
}

static void leadership_on_polled(struct leadership *leadership, const struct event *event)
{
    leadership->busy = false;
    leadership->trouble[0] = '\0';
    leadership->next_ms = leadership->now_ms + (leadership->look_again ? 0 : LEADERSHIP_POLL_MS);
    if (leadership->watch_lost) {
        leadership_watch_again(leadership); /* here, so that it is not tried all the time */
    }
    if (leadership_holds(leadership) && event->answer.revision != leadership->term) {
        leadership_lose(leadership, "somebody has taken the leader key away");
    }
    if (leadership->state != LEADER_FOLLOWER) {
        return;
    }
    /* A key of our own is left over from a leadership that is over: it leads to nobody. */
    bool ours = strcmp(event->answer.text, leadership->address) == 0;
    leadership->hooks.leader_known(leadership->hooks.context, ours ? "" : event->answer.text);
    if (!event->answer.succeeded && !leadership->resigned) {
        leadership->state = leader_step(leadership->state, LEADER_EVENT_FREE);
        leadership->next_ms = leadership->now_ms;
    }
}

static void leadership_note_trouble(struct leadership *leadership, const struct error *err)
{
    if (leadership->trouble[0] == '\0') {
        log_failure("leadership_unknown", err, "state=%s retry_ms=%d",
                    leader_state_name(leadership->state), LEADERSHIP_RETRY_MS);
    }
    snprintf(leadership->trouble, sizeof(leadership->trouble), "%s", err->message);
}

static void leadership_on_kept(struct leadership *leadership, const struct event *event)
{
    if (event->answer.lease_id != leadership->lease_id || leadership->lease_id == 0) {
        return; /* of a leadership that is over */
    }
    leadership->keeping = false;
    if (event->answer.error.code != ERR_NONE) {
        leadership->keep_next_ms = leadership->now_ms + LEADERSHIP_RETRY_MS;
        leadership_note_trouble(leadership, &event->answer.error);
        return; /* asked again until lease_until_ms */
    }
    leadership->trouble[0] = '\0';
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
    leadership_retry_later(leadership);
    if (leadership_holds(leadership)) {
        leadership->look_again = true;
        return;
    }
    leadership_drop_lease(leadership);
    leadership_note_trouble(leadership, &event->answer.error);
    if (leadership->state == LEADER_FOLLOWER) {
        leadership->hooks.leader_known(leadership->hooks.context, ""); /* it may be long gone */
    }
}

void leadership_on_answer(struct leadership *leadership, const struct event *event, uint64_t now_ms)
{
    leadership->now_ms = now_ms;
    if (event->answer.kind == STORE_ANSWER_KEPT) {
        leadership_on_kept(leadership, event);
    } else if (event->answer.kind == STORE_ANSWER_REVOKED) {
        leadership_on_revoked(leadership, event);
    } else if (event->answer.kind == STORE_ANSWER_LEADER_CHANGED) {
        leadership_on_changed(leadership, event);
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

static void leadership_look(struct leadership *leadership)
{
    leadership->busy = true;
    leadership->look_again = false;
    store_range(leadership->store, leadership->key, "", 1, 0, leadership_on_range,
                leadership_call_new(leadership, STORE_ANSWER_WATCH));
}

void leadership_on_tick(struct leadership *leadership, uint64_t now_ms)
{
    leadership->now_ms = now_ms;
    leadership_tick_old_leases(leadership);
    if (leadership_holds(leadership)) {
        leadership_keep(leadership);
    }
    /* While we lead there is something to look at only if the key changed, which may have been our
     * own doing. */
    bool due = !leadership->busy && now_ms >= leadership->next_ms;
    bool looks = leadership->state == LEADER_FOLLOWER ||
                 (leadership_holds(leadership) && leadership->look_again);
    if (due && looks) {
        leadership_look(leadership);
    } else if (due && leadership->state == LEADER_CAMPAIGNING) {
        leadership->keeping = false;
        leadership_campaign(leadership);
    }
}

uint64_t leadership_next_ms(const struct leadership *leadership)
{
    uint64_t next_ms = leadership->busy ? UINT64_MAX : leadership->next_ms;

    if (leadership_holds(leadership)) {
        bool keep_first =
            !leadership->keeping && leadership->keep_next_ms < leadership->lease_until_ms;
        uint64_t keep_ms = keep_first ? leadership->keep_next_ms : leadership->lease_until_ms;
        next_ms = leadership->look_again && next_ms < keep_ms ? next_ms : keep_ms;
    }
    for (size_t i = 0; i < leadership->old_count; i++) {
        const struct old_lease *old = &leadership->old_leases[i];
        if (!old->in_flight && old->retry_at_ms < next_ms) {
            next_ms = old->retry_at_ms;
        }
    }
    return next_ms;
}
