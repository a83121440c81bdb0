#include "coordinator/brain.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/clock.h"
#include "common/core/limits.h"
#include "common/core/log.h"
#include "common/core/memory.h"
#include "coordinator/brain_metrics.h"
#include "coordinator/store/flush.h"
#include "coordinator/store/leadership.h"
#include "coordinator/store/leases.h"
#include "coordinator/store/loader.h"

enum {
    BRAIN_STOP_FLUSH_MS = 2000, /* how long a stopping leader waits for its last write */
    BRAIN_GIVE_BACK_MS = 2000,  /* ... and for the store to take the leader key back */
    BRAIN_SUCCESSOR_MS = 300,   /* ... and to hear who leads now, so that agents go there at once */
    BRAIN_LOADERS_MAX = 4,
    BRAIN_STOP_LOOK_MS = 20,
    BRAIN_IDLE_MS = 200,
    BRAIN_STATUS_INTERVAL_MS = 500,
};

struct brain {
    struct brain_parts parts;
    pthread_t thread;
    struct fleet *fleet;
    uint64_t term; /* won last */
    struct flush *flush;
    struct leadership *leadership;
    struct leases *leases;
    struct loader *loader; /* NULL unless the store is being read */
    /* Those of lost leaderships: they end when the store answers, which may take long. */
    struct loader *old_loaders[BRAIN_LOADERS_MAX];
    size_t old_loader_count;
    struct brain_metrics *metrics;
    struct effects effects; /* of the batch of events at hand */
    uint64_t now_ms;
    uint64_t status_at_ms;
    _Atomic bool stopping;
    pthread_mutex_t mutex; /* guards the two below */
    bool ready;
    char reason[BRAIN_REASON_BYTES];
};

/* ---- hooks of the flush ---- */

static void brain_step(struct brain *brain, struct event *event)
{
    event->now_ms = brain->now_ms;
    event->wall_ms = clock_wall_ms();
    fleet_step(brain->fleet, event, &brain->effects);
}

static void brain_perform_stored(struct brain *brain, const struct effect *effect,
                                 uint64_t revision)
{
    struct event event = { .type = EVENT_STORED };

    event.stored.ticket = effect->ticket;
    event.stored.revision = revision;
    brain_step(brain, &event);
}

static bool brain_is_heartbeat_ack(const struct effect *effect)
{
    return effect->kind == EFFECT_SEND &&
           effect->send.message.kind == COORDINATOR_MESSAGE_HEARTBEAT_ACK;
}

static bool brain_is_lock_beat(const struct effect *effect)
{
    return effect->kind == EFFECT_REPLY && effect->reply.lock_beat;
}

/* Lease calls do not wait for writes: a keep-alive behind a slow transaction could come too late.
 * Nor do acknowledged heartbeats and the beats of programs' locks, which promise nothing but what
 * the store has said before: while it is full or slow, what runs shall go on. */
static void brain_perform_lease_effects(struct brain *brain, const struct effects *effects)
{
    for (size_t i = 0; i < effects->count; i++) {
        const struct effect *effect = &effects->items[i];
        if (effect->kind == EFFECT_LEASE_GRANT) {
            leases_grant(brain->leases, effect->grant.request, effect->grant.ttl_ms);
        } else if (effect->kind == EFFECT_LEASE_KEEP_ALIVE) {
            leases_keep_alive(brain->leases, effect->lease_id);
        } else if (effect->kind == EFFECT_LEASE_REVOKE) {
            leases_revoke(brain->leases, effect->lease_id);
        } else if (brain_is_heartbeat_ack(effect)) {
            agent_service_send(brain->parts.agents, effect->send.stream, &effect->send.message);
        } else if (brain_is_lock_beat(effect)) {
            operator_service_reply(brain->parts.operators, effect, brain->fleet, brain->now_ms);
        }
    }
}

static void brain_perform(void *context, const struct effect *effect, uint64_t revision)
{
    struct brain *brain = context;

    switch (effect->kind) {
    case EFFECT_AFTER_STORED:
        brain_perform_stored(brain, effect, revision);
        break;
    case EFFECT_SEND:
        if (!brain_is_heartbeat_ack(effect)) { /* those were sent when they were decided */
            agent_service_send(brain->parts.agents, effect->send.stream, &effect->send.message);
        }
        break;
    case EFFECT_CLOSE:
        agent_service_close(brain->parts.agents, effect->reply.call, effect->reply.code,
                            effect->reply.message);
        break;
    case EFFECT_REPLY:
        if (!brain_is_lock_beat(effect)) { /* sent when they were decided, too */
            operator_service_reply(brain->parts.operators, effect, brain->fleet, brain->now_ms);
        }
        break;
    case EFFECT_LEASE_GRANT:
    case EFFECT_LEASE_KEEP_ALIVE:
    case EFFECT_LEASE_REVOKE:
        break; /* done when they were decided */
    case EFFECT_PUT:
    case EFFECT_DELETE:
    case EFFECT_KIND_COUNT:
        assert(false && "not for the shell to perform");
    }
}

static void brain_lease_gone(void *context, int64_t lease_id)
{
    struct brain *brain = context;
    struct event event = { .type = EVENT_LEASE_ENDED };

    log_warning("lease_gone", "lease=%" PRId64, lease_id);
    event.lease.lease_id = lease_id;
    brain_step(brain, &event);
}

static void brain_deposed(void *context)
{
    struct brain *brain = context;

    leadership_step_down(brain->leadership, "the leader key is another's");
}

/* ---- loaders ---- */

static void brain_reap_loaders(struct brain *brain)
{
    for (size_t i = brain->old_loader_count; i > 0; i--) {
        if (loader_is_over(brain->old_loaders[i - 1])) {
            loader_stop(&brain->old_loaders[i - 1]);
            brain->old_loaders[i - 1] = brain->old_loaders[--brain->old_loader_count];
        }
    }
}

/* Does not wait: the store may be slow, and there is more to do than to lose a leadership. */
static void brain_drop_loader(struct brain *brain)
{
    if (brain->loader == NULL) {
        return;
    }
    loader_ask_stop(brain->loader);
    brain_reap_loaders(brain);
    if (brain->old_loader_count == BRAIN_LOADERS_MAX) {
        loader_stop(&brain->old_loaders[0]); /* asked long ago: this is short */
        brain->old_loaders[0] = brain->old_loaders[--brain->old_loader_count];
    }
    brain->old_loaders[brain->old_loader_count++] = TAKE(brain->loader);
}

/* ---- hooks of the leadership ---- */

static void brain_won(void *context, uint64_t term)
{
    struct brain *brain = context;

    log_info("leadership_won", "term=%" PRIu64, term);
    brain->term = term;
    flush_set_term(brain->flush, term);
    leader_view_set_taking_over(brain->parts.leader);
    brain_drop_loader(brain);
    brain->loader =
        loader_start(brain->parts.store, brain->parts.inbox, brain->parts.store_prefix, term);
}

static void brain_lost(void *context, const char *why)
{
    struct brain *brain = context;
    struct event event = { .type = EVENT_DEPOSED };
    char quoted[LOG_QUOTED_BYTES];

    log_warning("leadership_lost", "why=%s", log_quote(why, quoted));
    brain_drop_loader(brain);
    flush_set_term(brain->flush, 0);
    leases_forget(brain->leases);
    effects_release(&brain->effects);
    brain_step(brain, &event);
    effects_release(&brain->effects); /* a deposed coordinator does nothing */
    leader_view_set(brain->parts.leader, false, "");
    health_set_serving(brain->parts.health, false);
    agent_service_close_all(brain->parts.agents, "this coordinator does not lead any more");
    operator_service_close_all(brain->parts.operators, "this coordinator does not lead any more");
}

static void brain_leader_known(void *context, const char *address)
{
    struct brain *brain = context;

    leader_view_set(brain->parts.leader, false, address);
}

/* ---- events ---- */

static void brain_on_loaded(struct brain *brain, struct event *event)
{
    if (leadership_state(brain->leadership) != LEADER_LOADING ||
        event->loaded.term != brain->term) {
        return; /* loaded for a leadership that is over */
    }
    flush_set_last_write(brain->flush, event->loaded.last_write);
    brain_step(brain, event);
    leadership_on_loaded(brain->leadership);
    leader_view_set(brain->parts.leader, true, brain->parts.address);
    agent_service_resume(brain->parts.agents); /* those who came while the store was read */
    health_set_serving(brain->parts.health, true);
    log_info("leading", "term=%" PRIu64 " rollouts=%zu shards=%zu sets=%zu", event->loaded.term,
             event->loaded.rollout_count, event->loaded.shard_count, event->loaded.set_count);
}

static void brain_on_store_answer(struct brain *brain, struct event *event)
{
    switch (event->answer.kind) {
    case STORE_ANSWER_FLUSH:
    case STORE_ANSWER_LAST_WRITE:
    case STORE_ANSWER_PROBE:
        flush_on_answer(brain->flush, event, brain->now_ms);
        break;
    case STORE_ANSWER_GRANT:
    case STORE_ANSWER_CAMPAIGN:
    case STORE_ANSWER_KEPT:
    case STORE_ANSWER_WATCH:
    case STORE_ANSWER_CLEARED:
    case STORE_ANSWER_LEADER_CHANGED:
    case STORE_ANSWER_REVOKED:
    case STORE_ANSWER_COUNT:
        leadership_on_answer(brain->leadership, event, brain->now_ms);
        break;
    }
}

static bool brain_is_stuck(const struct brain *brain)
{
    return flush_is_stuck(brain->flush, brain->now_ms) ||
           leadership_is_stuck(brain->leadership, brain->now_ms);
}

/* "" or what is wrong with the store. */
static const char *brain_trouble(const struct brain *brain)
{
    const char *trouble = flush_trouble(brain->flush);

    return trouble[0] != '\0' ? trouble : leadership_trouble(brain->leadership);
}

/* While the store takes no writes nothing can be promised, and what would wait must not pile up. */
static void brain_on_operator(struct brain *brain, struct event *event)
{
    bool reads =
        event->operator.verb == OPERATOR_HISTORY || event->operator.verb == OPERATOR_SCHEMAS;

    if (reads || !brain_is_stuck(brain)) {
        brain_step(brain, event);
        return;
    }
    operator_service_not_now(
        brain->parts.operators, event->operator.call,
        arena_printf(&event->arena,
                     "nothing was changed, because the store takes no writes (%.500s): try again "
                     "when it does",
                     brain_trouble(brain)));
}

/* Effects of hooks may cause further effects (locks stored -> tasks sent); bounded, since each
 * round needs an answer of the store or of an agent in between. */
static void brain_flush(struct brain *brain)
{
    while (brain->effects.count > 0) {
        struct effects effects = TAKE(brain->effects);
        brain_perform_lease_effects(brain, &effects);
        flush_add(brain->flush, &effects, brain->now_ms);
    }
}

static void brain_apply(struct brain *brain, struct event *event)
{
    brain_metrics_count_event(brain->metrics, event->type);
    switch (event->type) {
    case EVENT_LEADING:
        brain_on_loaded(brain, event);
        break;
    case EVENT_STORE_ANSWER:
        brain_on_store_answer(brain, event);
        break;
    case EVENT_QUERY:
        operator_service_query(brain->parts.operators, event, brain->fleet);
        break;
    case EVENT_LEASE_GRANTED:
    case EVENT_LEASE_KEPT:
    case EVENT_LEASE_ENDED:
        if (leases_take_answer(brain->leases, event)) {
            brain_step(brain, event);
        }
        break;
    case EVENT_AGENT_CLOSED:
        brain_flush(brain); /* what its last messages led to comes first */
        brain_step(brain, event);
        agent_service_finish(brain->parts.agents, event->agent.stream);
        break;
    case EVENT_TICK:
    case EVENT_DEPOSED:
    case EVENT_STORED:
    case EVENT_AGENT_MESSAGE:
    case EVENT_CALL_CLOSED:
    case EVENT_TYPE_COUNT:
        brain_step(brain, event);
        break;
    case EVENT_OPERATOR:
        brain_on_operator(brain, event);
        break;
    }
}

static void brain_set_status(struct brain *brain)
{
    char reason[BRAIN_REASON_BYTES] = "";
    enum leader_state state = leadership_state(brain->leadership);
    const char *trouble = brain_trouble(brain);
    bool ready = state == LEADER_LEADING && trouble[0] == '\0';

    if (trouble[0] != '\0') {
        snprintf(reason, sizeof(reason), "store: %.200s", trouble);
    } else if (state == LEADER_LOADING && brain->loader != NULL) {
        loader_trouble(brain->loader, reason);
        if (reason[0] == '\0') {
            snprintf(reason, sizeof(reason), "loading the store");
        }
    } else if (!ready) {
        char leader[LEADER_ADDRESS_BYTES];
        leader_view_address(brain->parts.leader, leader);
        snprintf(reason, sizeof(reason), "standing by; leader: %.200s",
                 leader[0] == '\0' ? "nobody" : leader);
    }
    bool known = trouble[0] == '\0' && state != LEADER_LOADING;
    leader_view_set_trouble(brain->parts.leader, known ? "" : reason);
    /* A leader whose store takes no writes for a while can answer, but it can do nothing. */
    health_set_serving(brain->parts.health, state == LEADER_LEADING && !brain_is_stuck(brain));
    pthread_mutex_lock(&brain->mutex);
    brain->ready = ready;
    memcpy(brain->reason, reason, sizeof(reason));
    pthread_mutex_unlock(&brain->mutex);
}

static void brain_tick(struct brain *brain)
{
    struct event tick = { .type = EVENT_TICK };

    leadership_on_tick(brain->leadership, brain->now_ms);
    if (flush_backlog(brain->flush) > FLUSH_BACKLOG_MAX) {
        leadership_step_down(brain->leadership, "the store has not taken writes for too long");
    }
    flush_on_tick(brain->flush, brain->now_ms);
    leases_on_tick(brain->leases, brain->now_ms);
    brain_reap_loaders(brain);
    if (fleet_is_leading(brain->fleet) && brain->now_ms >= fleet_next_tick_ms(brain->fleet)) {
        brain_step(brain, &tick);
    }
    brain_flush(brain);
    if (fleet_is_leading(brain->fleet)) {
        operator_service_tick(brain->parts.operators, brain->fleet, brain->now_ms);
    }
    if (brain->now_ms >= brain->status_at_ms) {
        brain->status_at_ms = brain->now_ms + BRAIN_STATUS_INTERVAL_MS;
        brain_set_status(brain);
        brain_metrics_update(brain->metrics, brain->fleet, leadership_state(brain->leadership),
                             mailbox_depth(brain->parts.inbox), mailbox_bytes(brain->parts.inbox));
    }
}

static uint64_t brain_next_ms(struct brain *brain)
{
    uint64_t next = brain->now_ms + BRAIN_IDLE_MS;
    uint64_t leadership = leadership_next_ms(brain->leadership);

    if (leadership < next) {
        next = leadership;
    }
    if (fleet_is_leading(brain->fleet) && fleet_next_tick_ms(brain->fleet) < next) {
        next = fleet_next_tick_ms(brain->fleet);
    }
    return next;
}

static void brain_take_batch(struct brain *brain, uint64_t deadline_ms)
{
    void *batch[EVENT_BATCH_MAX];
    size_t count = mailbox_take(brain->parts.inbox, batch, EVENT_BATCH_MAX, deadline_ms);

    agent_service_resume(brain->parts.agents);
    brain->now_ms = clock_monotonic_ms();
    /* First: after a pause our lease may have run out, and then nothing here is for us to decide.
     */
    leadership_on_tick(brain->leadership, brain->now_ms);
    for (size_t i = 0; i < count; i++) {
        struct event *event = batch[i];
        brain_apply(brain, event);
        event_free(&event);
    }
    brain_flush(brain);
}

/* All that a stopping leader still listens to. What agents and operators say now is for the next
 * leader: agents say again what was not acknowledged, operators hear that this coordinator ends. */
static void brain_take_answers(struct brain *brain)
{
    void *batch[EVENT_BATCH_MAX];
    size_t count = mailbox_take(brain->parts.inbox, batch, EVENT_BATCH_MAX,
                                brain->now_ms + BRAIN_STOP_LOOK_MS);

    brain->now_ms = clock_monotonic_ms();
    leadership_on_tick(brain->leadership, brain->now_ms);
    for (size_t i = 0; i < count; i++) {
        struct event *event = batch[i];
        if (event->type == EVENT_STORE_ANSWER) {
            brain_on_store_answer(brain, event);
        }
        event_free(&event);
    }
    brain_flush(brain);
    flush_on_tick(brain->flush, brain->now_ms);
}

static bool brain_knows_leader(struct brain *brain)
{
    char address[LEADER_ADDRESS_BYTES];

    leader_view_address(brain->parts.leader, address);
    return address[0] != '\0';
}

/* What is decided is written before leadership is given away; what is not written in time was never
 * acknowledged to anybody. The key goes back before the agents are sent away, so that they can be
 * told where to go. */
static void brain_give_away(struct brain *brain)
{
    bool alone = strncmp(store_location(brain->parts.store), "sqlite:", 7) == 0;
    uint64_t until = clock_monotonic_ms() + BRAIN_STOP_FLUSH_MS;

    while (fleet_is_leading(brain->fleet) && !flush_is_idle(brain->flush) &&
           brain->now_ms < until) {
        brain_take_answers(brain);
    }
    bool held = leadership_state(brain->leadership) == LEADER_LEADING;
    flush_set_term(brain->flush, 0);
    leadership_resign(brain->leadership, brain->now_ms);
    until = brain->now_ms + BRAIN_GIVE_BACK_MS;
    while (!leadership_is_given_back(brain->leadership) && brain->now_ms < until) {
        brain_take_answers(brain);
    }
    until = brain->now_ms + BRAIN_SUCCESSOR_MS;
    while (held && !alone && !brain_knows_leader(brain) && brain->now_ms < until) {
        brain_take_answers(brain);
    }
}

static void *brain_run(void *argument)
{
    struct brain *brain = argument;

    pthread_setname_np(pthread_self(), "brain");
    while (!brain->stopping) {
        brain_take_batch(brain, brain_next_ms(brain));
        brain_tick(brain);
    }
    if (leadership_state(brain->leadership) != LEADER_FOLLOWER) {
        leader_view_set(brain->parts.leader, false, "");
    }
    health_close(brain->parts.health);
    brain_give_away(brain);
    agent_service_close_all(brain->parts.agents, "this coordinator is shutting down");
    operator_service_close_all(brain->parts.operators, "this coordinator is shutting down");
    /* Nobody takes events any more: whoever waits for room would wait for ever. */
    mailbox_close(brain->parts.inbox);
    return NULL;
}

struct brain *brain_start(const struct brain_parts *parts)
{
    struct brain *brain = memory_alloc(sizeof(*brain));
    const struct flush_hooks flush_hooks = { .perform = brain_perform,
                                             .lease_gone = brain_lease_gone,
                                             .deposed = brain_deposed,
                                             .context = brain };
    const struct leadership_hooks leadership_hooks = {
        .won = brain_won, .lost = brain_lost, .leader_known = brain_leader_known, .context = brain
    };

    brain->parts = *parts;
    pthread_mutex_init(&brain->mutex, NULL);
    snprintf(brain->reason, sizeof(brain->reason), "starting");
    brain->now_ms = clock_monotonic_ms();
    brain->fleet = fleet_new();
    brain->metrics = brain_metrics_new(parts->metrics);
    brain->leases = leases_new(parts->store, parts->inbox);
    brain->flush =
        flush_new(parts->store, parts->inbox, parts->store_prefix, parts->metrics, &flush_hooks);
    brain->leadership = leadership_new(parts->store, parts->inbox, parts->store_prefix,
                                       parts->address, &leadership_hooks);
    pthread_create(&brain->thread, NULL, brain_run, brain);
    return brain;
}

void brain_stop(struct brain **pointer)
{
    struct brain *brain = *pointer;

    if (brain == NULL) {
        return;
    }
    brain->stopping = true;
    struct event *wake = event_new(EVENT_TICK);
    mailbox_post_reserved(brain->parts.inbox, wake);
    pthread_join(brain->thread, NULL);
    if (!leadership_is_given_back(brain->leadership)) {
        log_warning("leadership_not_given_back", "ttl_ms=%d", LEADER_LEASE_TTL_MS);
    }
    loader_stop(&brain->loader);
    for (size_t i = 0; i < brain->old_loader_count; i++) {
        loader_stop(&brain->old_loaders[i]);
    }
    leadership_free(&brain->leadership);
    flush_free(&brain->flush);
    leases_free(&brain->leases);
    brain_metrics_free(&brain->metrics);
    effects_release(&brain->effects);
    fleet_free(&brain->fleet);
    pthread_mutex_destroy(&brain->mutex);
    free(brain);
    *pointer = NULL;
}

bool brain_is_ready(struct brain *brain, char ret_reason[BRAIN_REASON_BYTES])
{
    pthread_mutex_lock(&brain->mutex);
    bool ready = brain->ready;
    memcpy(ret_reason, brain->reason, sizeof(brain->reason));
    pthread_mutex_unlock(&brain->mutex);
    return ready;
}
