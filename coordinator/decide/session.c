#include "coordinator/decide/session.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "common/core/memory.h"
#include "coordinator/decide/copy.h"
#include "coordinator/decide/emit.h"
#include "coordinator/decide/history.h"
#include "coordinator/decide/lock_table.h"
#include "coordinator/decide/outcome.h"
#include "coordinator/decide/registry.h"
#include "coordinator/decide/rollout.h"
#include "coordinator/decide/session_edges.h"
#include "coordinator/decide/wave.h"

enum { SESSION_PROTOCOL = 1 };

/* ---- streams ---- */

struct agent_link *session_find_link(const struct fleet *fleet, uint64_t stream)
{
    struct agent_link *link;

    HASH_FIND(hh, fleet->links, &stream, sizeof(stream), link);
    return link;
}

static struct agent_link *session_add_link(struct fleet *fleet, struct shard *shard,
                                           uint64_t stream, const char *peer,
                                           const struct agent_hello *hello)
{
    struct agent_link *link = memory_alloc(sizeof(*link));

    link->stream = stream;
    link->shard = shard;
    link->agent = memory_strdup(hello->agent);
    link->version = memory_strdup(hello->version);
    link->peer = memory_strdup(peer);
    link->labels = copy_labels_block(&hello->labels);
    link->workers = hello->workers;
    DL_APPEND(shard->links, link);
    shard->link_count++;
    HASH_ADD(hh, fleet->links, stream, sizeof(link->stream), link);
    return link;
}

static void session_free_link(struct fleet *fleet, struct agent_link *link)
{
    assert(link->shard->links != NULL);
    DL_DELETE(link->shard->links, link);
    link->shard->link_count--;
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): not followed through the table */
    HASH_DEL(fleet->links, link);
    free(link->agent);
    free(link->version);
    free(link->peer);
    free(link->labels);
    free(link);
}

/* Ends a stream from our side; the agent may say hello on a new one. */
static void session_close_link(struct step *step, struct agent_link *link, enum err_code code,
                               const char *why)
{
    emit_close(step, link->stream, code, "%s", why);
    history_on_closed(step, link->stream);
    session_free_link(step->fleet, link);
}

/* ---- the session ---- */

static void session_clear(struct fleet *fleet, struct shard *shard)
{
    struct session *session = &shard->session;

    if (session->lease_id != 0) {
        assert(fleet->by_lease != NULL);               /* a shard with a lease is in it */
        HASH_DELETE(by_lease, fleet->by_lease, shard); /* NOLINT(clang-analyzer-core.*) */
    }
    free(session->agent);
    free(session->peer);
    free(session->workers_reason);
    free(session->trouble);
    arena_release(&session->told);
    *session = (struct session){ .state = session->state, .retry_ms = session->retry_ms };
}

static void session_set_lease(struct fleet *fleet, struct shard *shard, int64_t lease_id)
{
    assert(lease_id != 0);
    assert(shard->session.lease_id == 0);
    shard->session.lease_id = lease_id;
    HASH_ADD(by_lease, fleet->by_lease, session.lease_id, sizeof(shard->session.lease_id), shard);
}

static void session_begin(struct step *step, struct agent_link *link)
{
    struct shard *shard = link->shard;
    struct session *session = &shard->session;

    if (!session_step(session, SESSION_ON_HELLO)) {
        return;
    }
    session->agent = memory_strdup(link->agent);
    session->peer = memory_strdup(link->peer);
    session->link = link;
    session->since_ms = step->wall_ms;
    session->asked_stream = link->stream;
    session->asked_heard = link->heard;
    session->keep_ms = step->now_ms;
    emit_lease_grant(step, fleet_wait(step, WAITING_GRANT, shard)->id, SESSION_STORED_TTL_MS);
}

/* Who has waited for longest is next. */
static void session_promote(struct step *step, struct shard *shard)
{
    struct agent_link *link = shard->links;

    while (link != NULL && link->leaving) {
        link = link->next;
    }
    if (shard->session.state == SESSION_NONE && link != NULL &&
        step->now_ms >= shard->session.retry_ms) {
        session_begin(step, link);
    }
}

static void session_welcome(struct step *step, struct shard *shard)
{
    struct session *session = &shard->session;
    struct coordinator_message *message =
        emit_send(step, session->link->stream, COORDINATOR_MESSAGE_WELCOME);

    assert(session->state == SESSION_LIVE);
    message->welcome = (struct welcome){ .lease_id = session->lease_id,
                                         .lease_ttl_ms = SESSION_LEASE_TTL_MS,
                                         .heartbeat_interval_ms = HEARTBEAT_INTERVAL_MS,
                                         .granted = session->asked_stream == session->link->stream,
                                         .heartbeat = session->asked_heard };
    session->deadline_ms = step->now_ms + SESSION_LEASE_TTL_MS;
    session->keep_sequence =
        0; /* heartbeats of an earlier stream: answers to them are for nobody */
    session->wait_sequence = 0;
    registry_put_labels(step, shard, session->link->labels);
    registry_resend_refresh(step, shard);
    rollout_on_shard(step, shard);
    rollout_touch_shard(shard);
}

/* The agent of a living session is back on a new stream: it goes on with the same lease. */
static void session_adopt(struct step *step, struct agent_link *link,
                          const struct agent_hello *hello)
{
    struct shard *shard = link->shard;
    struct session *session = &shard->session;
    struct agent_link *old = session->link;

    if (!session_step(session, SESSION_ON_ADOPTED)) {
        return;
    }
    session->link = link;
    if (old != NULL) {
        session_close_link(step, old, ERR_CONFLICT, "the agent has opened a new stream");
    }
    if (session->state != SESSION_LIVE) {
        return; /* the welcome follows when its record is stored */
    }
    session_welcome(step, shard);
    outcome_reconcile(step, shard, hello->running, hello->running_count);
    wave_dispatch_shard(step, shard);
}

static bool session_hello_is_valid(struct step *step, uint64_t stream,
                                   const struct agent_hello *hello)
{
    if (session_find_link(step->fleet, stream) != NULL) {
        emit_close(step, stream, ERR_INVALID, "a stream says hello only once");
        return false;
    }
    if (hello->protocol != SESSION_PROTOCOL) {
        emit_close(step, stream, ERR_INVALID,
                   "protocol %u is not spoken here: this coordinator speaks protocol %d; use an "
                   "agent of the same release",
                   hello->protocol, SESSION_PROTOCOL);
        return false;
    }
    if (hello->shard[0] == '\0' || strchr(hello->shard, '/') != NULL ||
        strlen(hello->shard) > NAME_BYTES_MAX || hello->agent[0] == '\0') {
        emit_close(step, stream, ERR_INVALID,
                   "hello must name a shard (at most %d bytes, no \"/\") and an agent",
                   NAME_BYTES_MAX);
        return false;
    }
    return true;
}

void session_on_hello(struct step *step, uint64_t stream, const char *peer,
                      const struct agent_hello *hello)
{
    if (!session_hello_is_valid(step, stream, hello)) {
        return;
    }
    struct shard *shard = registry_add_shard(step, hello->shard, &hello->labels);
    if (shard == NULL) {
        emit_close(step, stream, ERR_LIMIT,
                   "there are %d shards already, which is the limit; forget one that is gone "
                   "(skein shard forget)",
                   SHARDS_MAX);
        return;
    }
    if (shard->link_count > STANDBYS_PER_SHARD_MAX) {
        emit_close(step, stream, ERR_LIMIT, "%d agents stand by for shard '%s' already",
                   STANDBYS_PER_SHARD_MAX, hello->shard);
        return;
    }
    struct agent_link *link = session_add_link(step->fleet, shard, stream, peer, hello);
    struct session *session = &shard->session;
    bool same = session->agent != NULL && strcmp(session->agent, hello->agent) == 0;
    bool holds = session->lease_id != 0 && session->lease_id == hello->lease_id;

    if (session->state == SESSION_NONE) {
        session_promote(step, shard);
    } else if ((same || holds) && session->state != SESSION_ENDING) {
        session_adopt(step, link, hello);
    } else {
        emit_send(step, stream, COORDINATOR_MESSAGE_STANDBY)->standby_for =
            copy_text(&step->effects->arena, session->agent);
    }
}

void session_on_granted(struct step *step, struct shard *shard, int64_t lease_id, uint64_t ttl_ms,
                        bool failed)
{
    struct session *session = &shard->session;

    assert(session->state == SESSION_GRANTING);
    if (failed) {
        session_step(session, SESSION_ON_REFUSED);
        session->retry_ms = step->now_ms + GRANT_RETRY_MS;
        session_clear(step->fleet, shard);
        return;
    }
    session_set_lease(step->fleet, shard, lease_id);
    session->proven_until_ms = session->keep_ms + ttl_ms;
    session->keep_ms = 0;
    session_step(session, SESSION_ON_GRANTED);
    if (session->state == SESSION_ENDING) {
        emit_lease_revoke(step, lease_id);
        return;
    }
    const struct session_record record = { .shard = shard->name,
                                           .agent = session->agent,
                                           .lease_id = lease_id,
                                           .since_ms = session->since_ms,
                                           .peer = session->peer };
    struct waiting *waiting = fleet_wait(step, WAITING_SESSION, shard);

    waiting->lease_id = lease_id;
    session->deadline_ms = step->now_ms + SESSION_LEASE_TTL_MS;
    emit_put_session(step, &record);
    registry_put_labels(step, shard, session->link->labels);
    audit_add(step, session->peer, "agent.connected", shard->name, "", "agent %s, version %s",
              session->agent, session->link->version);
    emit_after_stored(step, waiting->id);
}

void session_on_stored(struct step *step, struct shard *shard, int64_t lease_id)
{
    struct session *session = &shard->session;

    if (session->state == SESSION_ENDING && session->lease_id == lease_id) {
        emit_lease_revoke(step, lease_id);
    }
    if (session->state != SESSION_STORING || session->lease_id != lease_id) {
        return; /* it ended while it was being stored */
    }
    session_step(session, SESSION_ON_STORED);
    session_welcome(step, shard);
}

/* ---- heartbeats ---- */

static void session_acknowledge(struct step *step, const struct session *session, uint64_t sequence)
{
    emit_send(step, session->link->stream, COORDINATOR_MESSAGE_HEARTBEAT_ACK)->sequence = sequence;
}

/* A heartbeat may be acknowledged when the lease in the store outlives what the agent will count
 * on: then no new leader finds the session gone before its agent has stopped. (That this leader
 * leads is judged before each event, and who leads after it waits for a whole
 * SESSION_LEASE_TTL_MS.) So the store is asked about twice a minute, not at each heartbeat, and
 * long before the proof runs out. A keep-alive that was not answered in time is asked for again;
 * should its answer come all the same, the proof is wrong by less than it is renewed too early. */
static void session_prove(struct step *step, struct session *session, uint64_t sequence)
{
    bool asks = session->keep_ms != 0 && step->now_ms - session->keep_ms <= LEASE_ANSWER_MAX_MS;
    bool proven = session->proven_until_ms >= step->now_ms + SESSION_LEASE_TTL_MS;

    if (proven) {
        session_acknowledge(step, session, sequence);
    } else {
        session->wait_ms = step->now_ms;
        session->wait_sequence = sequence;
    }
    if (!asks && session->proven_until_ms < step->now_ms + SESSION_KEEP_MS) {
        session->keep_ms = step->now_ms;
        session->keep_sequence = proven ? 0 : sequence;
        emit_lease_keep_alive(step, session->lease_id);
    }
}

/* For those who look on; bounded by the message, and forgotten with the session. */
static void session_tell(struct shard *shard, const struct agent_heartbeat *heartbeat)
{
    struct session *session = &shard->session;
    size_t count = heartbeat->progress_count;

    if (count == 0 && session->progress_count == 0) {
        return; /* nearly always */
    }
    arena_release(&session->told);
    session->told = (struct arena){ 0 };
    struct task_progress *progress = arena_alloc_array(&session->told, count, sizeof(*progress));
    for (size_t i = 0; i < count; i++) {
        progress[i] = heartbeat->progress[i];
        progress[i].rollout = arena_strdup(&session->told, progress[i].rollout);
        progress[i].tenant = arena_strdup(&session->told, progress[i].tenant);
        progress[i].words = arena_strdup(&session->told, progress[i].words);
    }
    session->progress = progress;
    session->progress_count = count;
    rollout_touch_shard(shard);
}

static void session_note_workers(struct session *session, const struct agent_heartbeat *heartbeat)
{
    const char *reason = heartbeat->workers_reason == NULL ? "" : heartbeat->workers_reason;

    session->workers_now = heartbeat->workers_now;
    if (strcmp(session->workers_reason == NULL ? "" : session->workers_reason, reason) != 0) {
        free(session->workers_reason);
        session->workers_reason = memory_strdup(reason);
    }
}

void session_on_heartbeat(struct step *step, struct agent_link *link,
                          const struct agent_heartbeat *heartbeat)
{
    struct shard *shard = link->shard;
    struct session *session = &shard->session;

    link->heard = heartbeat->sequence;
    if (session->link != link || session->state != SESSION_LIVE) {
        return; /* who stands by has no lease to keep */
    }
    session->deadline_ms = step->now_ms + SESSION_LEASE_TTL_MS;
    if (strcmp(session->trouble == NULL ? "" : session->trouble, heartbeat->trouble) != 0) {
        free(session->trouble);
        session->trouble = memory_strdup(heartbeat->trouble);
        rollout_touch_shard(shard);
    }
    session_note_workers(session, heartbeat);
    session_tell(shard, heartbeat);
    session_prove(step, session, heartbeat->sequence);
}

static struct shard *session_find_lease(const struct fleet *fleet, int64_t lease_id)
{
    struct shard *shard;

    HASH_FIND(by_lease, fleet->by_lease, &lease_id, sizeof(lease_id), shard);
    return shard;
}

/* The answer proves that the lease lives its TTL from when it was asked for, which is enough for
 * the heartbeat that asked and, mostly, for all that came since. */
void session_on_kept(struct step *step, int64_t lease_id, uint64_t ttl_ms)
{
    struct shard *shard = session_find_lease(step->fleet, lease_id);
    uint64_t sequence = 0;

    if (shard == NULL || shard->session.keep_ms == 0) {
        return;
    }
    struct session *session = &shard->session;
    uint64_t until_ms = session->keep_ms + ttl_ms;
    if (session->wait_ms + SESSION_LEASE_TTL_MS <= until_ms) {
        sequence = session->wait_sequence;
        session->wait_sequence = 0;
    } else if (ttl_ms >= SESSION_LEASE_TTL_MS) {
        sequence = session->keep_sequence;
    }
    session->keep_ms = 0;
    session->keep_sequence = 0;
    if (until_ms > session->proven_until_ms) {
        session->proven_until_ms = until_ms;
    }
    if (session->state == SESSION_LIVE && sequence != 0) {
        session_acknowledge(step, session, sequence);
    }
}

/* ---- the end ---- */

/* The lease is asked to end only when the record of the session is gone, which only the leader can
 * write: a leader of the past, which was stopped and goes on or whose request is late, must not end
 * a session that its successor has adopted. */
static void session_end(struct step *step, struct shard *shard)
{
    struct waiting *waiting = fleet_wait(step, WAITING_SESSION, shard);

    assert(shard->session.state == SESSION_ENDING);
    waiting->lease_id = shard->session.lease_id;
    emit_delete(step, RECORD_SESSION, "", shard->name);
    emit_after_stored(step, waiting->id);
}

void session_on_leaving(struct step *step, struct agent_link *link, bool done)
{
    link->leaving = true;
    link->left = done;
    rollout_touch_shard(link->shard);
    if (done) {
        session_on_closed(step, link->stream); /* it half-closes, and the shell ends the call */
    }
}

void session_on_closed(struct step *step, uint64_t stream)
{
    struct agent_link *link = session_find_link(step->fleet, stream);

    if (link == NULL) {
        return;
    }
    struct shard *shard = link->shard;
    struct session *session = &shard->session;
    bool own = session->link == link;
    bool left = link->left;

    history_on_closed(step, stream);
    session_free_link(step->fleet, link);
    if (!own) {
        return;
    }
    session->link = NULL;
    /* Whoever has no task under way may be replaced at once: without its stream it gets none. What
     * an agent that left in good order has not reported is looked up. */
    bool idle = left || (shard->in_flight == 0 && !lock_table_has_lease(shard, session->lease_id));
    bool ends = session->state == SESSION_LIVE && idle;
    session_step(session, ends ? SESSION_ON_LEFT : SESSION_ON_CLOSED);
    if (session->state == SESSION_ENDING) {
        session_end(step, shard);
    }
    rollout_touch_shard(shard);
}

void session_on_ended(struct step *step, int64_t lease_id)
{
    struct shard *shard = session_find_lease(step->fleet, lease_id);

    if (shard == NULL) {
        return;
    }
    struct session *session = &shard->session;
    struct agent_link *link = session->link;
    bool ended = session_step(session, SESSION_ON_ENDED);
    assert(ended); /* every state with a lease has that edge */
    audit_add(step, session->peer, "agent.gone", shard->name, "", "agent %s: its session has ended",
              session->agent);
    session_clear(step->fleet, shard);
    if (link != NULL) {
        session_close_link(step, link, ERR_CONFLICT, "the session has ended: say hello again");
    }
    outcome_lose_session(step, shard, lease_id);
    rollout_touch_shard(shard);
    session_promote(step, shard);
}

void session_on_tick(struct step *step, struct shard *shard)
{
    struct session *session = &shard->session;

    if ((session->state == SESSION_LIVE || session->state == SESSION_DETACHED) &&
        step->now_ms >= session->deadline_ms && session_step(session, SESSION_ON_SILENT)) {
        struct agent_link *link = session->link;
        session->link = NULL;
        if (link != NULL) {
            session_close_link(step, link, ERR_CONFLICT,
                               "no heartbeat came for the lease's time: say hello again");
        }
        session_end(step, shard);
        rollout_touch_shard(shard);
    }
    session_promote(step, shard);
}

void session_load(struct step *step, struct shard *shard, const struct session_record *record)
{
    struct session *session = &shard->session;

    if (session->state != SESSION_NONE || record->lease_id == 0) {
        return;
    }
    session_step(session, SESSION_ON_LOADED);
    session->agent = memory_strdup(record->agent);
    session->peer = memory_strdup(record->peer);
    session->since_ms = record->since_ms;
    session->deadline_ms = step->now_ms + SESSION_LEASE_TTL_MS;
    session_set_lease(step->fleet, shard, record->lease_id);
}

void session_release(struct fleet *fleet)
{
    struct agent_link *link;
    struct agent_link *next;

    HASH_ITER(hh, fleet->links, link, next)
    {
        session_free_link(fleet, link);
    }
    for (size_t i = 0; i < fleet->shard_count; i++) {
        session_clear(fleet, fleet->shards[i]);
    }
}
