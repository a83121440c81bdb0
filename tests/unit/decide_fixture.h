/* decide_fixture.h - a leader's decisions with a store that answers at once and agents made by
 * hand.
 *
 * For unit tests of coordinator/decide. Everything that is sent, answered or closed stays readable
 * until the fixture ends. */
#ifndef SKEIN_TESTS_UNIT_DECIDE_FIXTURE_H
#define SKEIN_TESTS_UNIT_DECIDE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/core/limits.h"
#include "common/core/memory.h"
#include "coordinator/decide/fleet_view.h"
#include "tests/sim/sim_set.h"
#include "tests/sim/sim_store.h"

enum { FIXTURE_LISTS_MAX = 4096, FIXTURE_ROWS_MAX = 256, FIXTURE_STREAMS_MAX = 16 };

struct fixture {
    struct fleet *fleet;
    struct sim_store store;
    struct effects *lists[FIXTURE_LISTS_MAX]; /* kept to the end */
    size_t list_count;
    uint64_t now_ms;
    uint64_t term;
    int64_t lease;       /* the newest that was granted */
    int64_t revoked;     /* the newest that was asked to end */
    bool store_is_slow;  /* AFTER_STORED waits for fixture_store_answers */
    bool leases_linger;  /* a revoke is not answered */
    bool grants_refused; /* by the store */
    uint64_t lease_ttl_ms;
    size_t keep_alives; /* asked for */
    bool keep_alives_lost;
    size_t writes; /* transactions */
    uint64_t waiting[64];
    size_t waiting_count;
    uint64_t calls;
};

static inline void fixture_step(struct fixture *f, struct event *event);

static inline void fixture_simple(struct fixture *f, struct event event)
{
    struct event *copy = event_new(event.type);

    *copy = event;
    fixture_step(f, copy);
    event_free(&copy);
}

static inline bool fixture_no_lease_is_dead(void *user, int64_t lease_id)
{
    (void)user;
    (void)lease_id;
    return false;
}

static inline void fixture_end_lease(struct fixture *f, int64_t lease)
{
    struct event event = { .type = EVENT_LEASE_ENDED };

    sim_store_drop_lease(&f->store, lease);
    event.lease.lease_id = lease;
    fixture_simple(f, event);
}

static inline void fixture_answer(struct fixture *f, const struct effect *effect)
{
    struct event event = { 0 };

    if (effect->kind == EFFECT_LEASE_GRANT) {
        event.type = EVENT_LEASE_GRANTED;
        event.lease.request = effect->grant.request;
        event.lease.failed = f->grants_refused;
        event.lease.lease_id = f->grants_refused ? 0 : ++f->lease;
        event.lease.ttl_ms = f->lease_ttl_ms;
        fixture_simple(f, event);
    } else if (effect->kind == EFFECT_LEASE_KEEP_ALIVE) {
        f->keep_alives++;
        if (!f->keep_alives_lost) {
            event.type = EVENT_LEASE_KEPT;
            event.lease.lease_id = effect->lease_id;
            event.lease.ttl_ms = f->lease_ttl_ms;
            fixture_simple(f, event);
        }
    } else if (effect->kind == EFFECT_LEASE_REVOKE) {
        f->revoked = effect->lease_id;
        if (!f->leases_linger) {
            fixture_end_lease(f, effect->lease_id);
        }
    } else if (effect->kind == EFFECT_AFTER_STORED && f->store_is_slow) {
        assert_true(f->waiting_count < COUNT_OF(f->waiting));
        f->waiting[f->waiting_count++] = effect->ticket;
    } else if (effect->kind == EFFECT_AFTER_STORED) {
        event.type = EVENT_STORED;
        event.stored.ticket = effect->ticket;
        event.stored.revision = f->store.revision;
        fixture_simple(f, event);
    }
}

static inline void fixture_store_answers(struct fixture *f)
{
    f->store_is_slow = false;
    for (size_t i = 0; i < f->waiting_count; i++) {
        struct event event = { .type = EVENT_STORED };
        event.stored.ticket = f->waiting[i];
        event.stored.revision = f->store.revision;
        fixture_simple(f, event);
    }
    f->waiting_count = 0;
}

/* One event, one transaction, then everything that follows from it. */
static inline void fixture_step(struct fixture *f, struct event *event)
{
    struct effects *list = memory_alloc(sizeof(*list));

    assert_true(f->list_count < FIXTURE_LISTS_MAX);
    f->lists[f->list_count++] = list;
    event->now_ms = f->now_ms;
    event->wall_ms = (int64_t)f->now_ms + 1000000;
    fleet_step(f->fleet, event, list);

    const struct effect **writes = memory_alloc_array(list->count, sizeof(*writes));
    size_t count = 0;
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i].kind == EFFECT_PUT || list->items[i].kind == EFFECT_DELETE) {
            writes[count++] = &list->items[i];
        }
    }
    if (count > 0) {
        f->writes++;
        sim_store_apply(&f->store, writes, count, fixture_no_lease_is_dead, NULL);
    }
    free(writes);
    for (size_t i = 0; i < list->count; i++) {
        fixture_answer(f, &list->items[i]);
    }
}

static inline void fixture_lead(struct fixture *f)
{
    struct event *event = sim_store_load(&f->store, ++f->term);

    fixture_step(f, event);
    event_free(&event);
}

/* The process dies and another one leads: only the store is left. */
static inline void fixture_restart(struct fixture *f)
{
    fleet_free(&f->fleet);
    f->fleet = fleet_new();
    f->waiting_count = 0;
    fixture_lead(f);
}

static inline int fixture_set_up(void **state)
{
    struct fixture *f = memory_alloc(sizeof(*f));

    f->now_ms = 100000;
    f->lease = 700;
    f->lease_ttl_ms = SESSION_STORED_TTL_MS;
    f->fleet = fleet_new();
    fixture_lead(f);
    *state = f;
    return 0;
}

static inline int fixture_tear_down(void **state)
{
    struct fixture *f = *state;

    fleet_free(&f->fleet);
    for (size_t i = 0; i < f->list_count; i++) {
        effects_release(f->lists[i]);
        free(f->lists[i]);
    }
    sim_store_release(&f->store);
    free(f);
    return 0;
}

static inline void fixture_tick(struct fixture *f, uint64_t ms)
{
    f->now_ms += ms;
    fixture_simple(f, (struct event){ .type = EVENT_TICK });
}

/* ---- what came out ---- */

/* The newest message of this kind to the stream, or NULL. `since` of fixture_mark. */
static inline const struct coordinator_message *fixture_sent(const struct fixture *f,
                                                             uint64_t stream,
                                                             enum coordinator_message_kind kind,
                                                             size_t since)
{
    for (size_t i = f->list_count; i > since; i--) {
        for (size_t j = f->lists[i - 1]->count; j > 0; j--) {
            const struct effect *effect = &f->lists[i - 1]->items[j - 1];
            if (effect->kind == EFFECT_SEND && effect->send.stream == stream &&
                effect->send.message.kind == kind) {
                return &effect->send.message;
            }
        }
    }
    return NULL;
}

static inline size_t fixture_mark(const struct fixture *f)
{
    return f->list_count;
}

/* The EFFECT_CLOSE of a stream, or NULL. */
static inline const struct effect *fixture_closed(const struct fixture *f, uint64_t stream)
{
    for (size_t i = f->list_count; i > 0; i--) {
        for (size_t j = f->lists[i - 1]->count; j > 0; j--) {
            const struct effect *effect = &f->lists[i - 1]->items[j - 1];
            if (effect->kind == EFFECT_CLOSE && effect->reply.call == stream) {
                return effect;
            }
        }
    }
    return NULL;
}

static inline const struct effect *fixture_reply(const struct fixture *f, uint64_t call)
{
    for (size_t i = f->list_count; i > 0; i--) {
        for (size_t j = f->lists[i - 1]->count; j > 0; j--) {
            const struct effect *effect = &f->lists[i - 1]->items[j - 1];
            if (effect->kind == EFFECT_REPLY && effect->reply.call == call) {
                return effect;
            }
        }
    }
    return NULL;
}

/* How many tasks of a rollout were sent to a stream in this mode. */
static inline size_t fixture_assigned(const struct fixture *f, uint64_t stream, enum task_mode mode,
                                      size_t since)
{
    size_t count = 0;

    for (size_t i = since; i < f->list_count; i++) {
        for (size_t j = 0; j < f->lists[i]->count; j++) {
            const struct effect *effect = &f->lists[i]->items[j];
            if (effect->kind == EFFECT_SEND && effect->send.stream == stream &&
                effect->send.message.kind == COORDINATOR_MESSAGE_ASSIGN &&
                effect->send.message.assign.mode == mode) {
                count += effect->send.message.assign.task_count;
            }
        }
    }
    return count;
}

/* ---- agents ---- */

static inline void fixture_agent(struct fixture *f, uint64_t stream, struct agent_message message)
{
    struct event event = { .type = EVENT_AGENT_MESSAGE };

    event.agent.stream = stream;
    event.agent.peer = "peer";
    event.agent.message = message;
    fixture_simple(f, event);
}

static inline void fixture_hello_running(struct fixture *f, uint64_t stream, const char *shard,
                                         const char *agent, int64_t lease,
                                         const struct running_task *running, size_t count)
{
    struct agent_message message = { .kind = AGENT_MESSAGE_HELLO };

    message.hello = (struct agent_hello){ .protocol = 1,
                                          .shard = shard,
                                          .agent = agent,
                                          .version = "test",
                                          .workers = 4,
                                          .lease_id = lease,
                                          .running = running,
                                          .running_count = count };
    fixture_agent(f, stream, message);
}

static inline void fixture_hello(struct fixture *f, uint64_t stream, const char *shard,
                                 const char *agent)
{
    fixture_hello_running(f, stream, shard, agent, 0, NULL, 0);
}

static inline void fixture_close(struct fixture *f, uint64_t stream)
{
    struct event event = { .type = EVENT_AGENT_CLOSED };

    event.agent.stream = stream;
    fixture_simple(f, event);
}

static inline void fixture_heartbeat(struct fixture *f, uint64_t stream, uint64_t sequence)
{
    struct agent_message message = { .kind = AGENT_MESSAGE_HEARTBEAT };

    message.heartbeat.sequence = sequence;
    message.heartbeat.trouble = "";
    fixture_agent(f, stream, message);
}

/* A full report of tenants t_1 to t_<count>, all at `version` ("" for none). */
struct fixture_row {
    const char *name;
    const char *version;
    const char *rollout;
};

static inline void fixture_report_rows(struct fixture *f, uint64_t stream, bool full,
                                       uint64_t refresh, const struct fixture_row *rows,
                                       size_t count)
{
    struct tenant_info infos[FIXTURE_ROWS_MAX];
    struct set_version versions[FIXTURE_ROWS_MAX];
    struct agent_message message = { .kind = AGENT_MESSAGE_TENANTS };

    assert_true(count <= FIXTURE_ROWS_MAX);
    for (size_t i = 0; i < count; i++) {
        versions[i] =
            (struct set_version){ .set = "billing",
                                  .version = rows[i].version,
                                  .rollout = rows[i].rollout == NULL ? "" : rows[i].rollout,
                                  .undone = "" };
        infos[i] = (struct tenant_info){ .name = rows[i].name,
                                         .versions = &versions[i],
                                         .version_count = rows[i].version[0] == '\0' ? 0 : 1 };
    }
    message.tenants = (struct tenant_report){
        .full = full, .last = true, .refresh = refresh, .tenants = infos, .tenant_count = count
    };
    fixture_agent(f, stream, message);
}

static inline void fixture_report(struct fixture *f, uint64_t stream, size_t count,
                                  const char *version, uint64_t refresh)
{
    struct fixture_row rows[FIXTURE_ROWS_MAX];
    char names[FIXTURE_ROWS_MAX][32];

    assert_true(count <= FIXTURE_ROWS_MAX);
    for (size_t i = 0; i < count; i++) {
        snprintf(names[i], sizeof(names[i]), "t_%03zu", i + 1);
        rows[i] = (struct fixture_row){ .name = names[i], .version = version };
    }
    fixture_report_rows(f, stream, true, refresh, rows, count);
}

static inline void fixture_removed(struct fixture *f, uint64_t stream, const char *name)
{
    struct agent_message message = { .kind = AGENT_MESSAGE_TENANTS };

    message.tenants = (struct tenant_report){ .last = true, .removed = &name, .removed_count = 1 };
    fixture_agent(f, stream, message);
}

/* The number of the newest refresh that the agent was asked for. */
static inline uint64_t fixture_refresh(const struct fixture *f, uint64_t stream)
{
    const struct coordinator_message *message =
        fixture_sent(f, stream, COORDINATOR_MESSAGE_REFRESH, 0);

    assert_non_null(message);
    return message->refresh;
}

/* An agent with `count` tenants at `version` on a shard: connected and known. */
static inline void fixture_shard(struct fixture *f, uint64_t stream, const char *shard,
                                 size_t count, const char *version)
{
    fixture_hello(f, stream, shard, "agent-a");
    assert_non_null(fixture_sent(f, stream, COORDINATOR_MESSAGE_WELCOME, 0));
    fixture_report(f, stream, count, version, 0);
}

static inline void fixture_result(struct fixture *f, uint64_t stream, uint64_t sequence,
                                  struct task_result result)
{
    struct agent_message message = { .kind = AGENT_MESSAGE_RESULTS };

    if (result.version == NULL) {
        result.version = "";
    }
    result.error.tenant = result.tenant;
    result.error.mode = result.mode;
    result.error.sqlstate = "";
    result.error.message = result.error.code == TASK_CODE_NONE ? "" : "it did not work";
    result.error.detail = result.error.hint = result.error.file = "";
    message.results = (struct task_results){ .sequence = sequence, .items = &result, .count = 1 };
    fixture_agent(f, stream, message);
}

/* Answers every task of the assignments since `since`; the one of tenant `odd` with `outcome` and
 * `code`, all others with success. Returns how many were answered. */
static inline size_t fixture_answer_tasks(struct fixture *f, uint64_t stream, size_t since,
                                          const char *odd, enum task_outcome outcome,
                                          enum task_code code)
{
    size_t end = f->list_count;
    size_t answered = 0;

    for (size_t i = since; i < end; i++) {
        for (size_t j = 0; j < f->lists[i]->count; j++) {
            const struct effect *effect = &f->lists[i]->items[j];
            if (effect->kind != EFFECT_SEND || effect->send.stream != stream ||
                effect->send.message.kind != COORDINATOR_MESSAGE_ASSIGN) {
                continue;
            }
            const struct task_assignment *assign = &effect->send.message.assign;
            for (size_t k = 0; k < assign->task_count; k++) {
                bool is_odd = odd != NULL && strcmp(assign->tasks[k].tenant, odd) == 0;
                struct task_result result = { .rollout = assign->rollout,
                                              .mode = assign->mode,
                                              .tenant = assign->tasks[k].tenant,
                                              .token = assign->token,
                                              .outcome = is_odd ? outcome : TASK_SUCCEEDED,
                                              .version = assign->target };
                result.error.code = is_odd ? code : TASK_CODE_NONE;
                fixture_result(f, stream, 1000 + answered, result);
                answered++;
            }
        }
    }
    return answered;
}

/* Answers with success until nothing is assigned any more. */
static inline void fixture_work(struct fixture *f, uint64_t stream, size_t since)
{
    size_t mark = since;

    for (;;) {
        size_t next = fixture_mark(f);
        if (fixture_answer_tasks(f, stream, mark, NULL, TASK_SUCCEEDED, TASK_CODE_NONE) == 0) {
            return;
        }
        mark = next;
    }
}

/* ---- operators ---- */

static inline const struct effect *fixture_ask(struct fixture *f, struct operator_request request)
{
    struct event *event = event_new(EVENT_OPERATOR);

    request.call = ++f->calls;
    request.actor = request.actor == NULL ? "ana" : request.actor;
    request.reason = request.reason == NULL ? "" : request.reason;
    request.object = request.object == NULL ? "" : request.object;
    request.lock_owner = request.lock_owner == NULL ? "" : request.lock_owner;
    request.lock_id = request.lock_id == NULL ? "" : request.lock_id;
    event->operator= request;
    fixture_step(f, event);
    event_free(&event);
    return fixture_reply(f, f->calls);
}

static inline const struct effect *fixture_publish(struct fixture *f, unsigned edition)
{
    return fixture_ask(f, (struct operator_request){ .verb = OPERATOR_PUBLISH,
                                                     .set = sim_set_new(edition),
                                                     .archive = bytes_of_text("archive") });
}

static inline const struct effect *fixture_start_spec(struct fixture *f, struct rollout_spec spec)
{
    spec.set = spec.set == NULL ? "billing" : spec.set;
    spec.digest = "";
    spec.target = spec.target == NULL ? "" : spec.target;
    spec.selector = spec.selector == NULL ? "" : spec.selector;
    spec.created_by = "";
    spec.reason = "";
    spec.baseline_unmanaged = spec.baseline_unmanaged == NULL ? "" : spec.baseline_unmanaged;
    return fixture_ask(f, (struct operator_request){ .verb = OPERATOR_START, .spec = spec });
}

static inline const struct effect *fixture_start(struct fixture *f, const char *id)
{
    return fixture_start_spec(f, (struct rollout_spec){ .id = id });
}

static inline const struct effect *fixture_verb(struct fixture *f, enum operator_verb verb,
                                                const char *object)
{
    return fixture_ask(f, (struct operator_request){ .verb = verb, .object = object });
}

static inline struct rollout_view fixture_view(const struct fixture *f, const char *id)
{
    struct rollout_view view;
    struct error err = { 0 };

    if (!fleet_rollout_find(f->fleet, id, f->now_ms, &view, &err)) {
        fail_msg("%s", err.message);
    }
    return view;
}

/* Agents answer what a rollout asks before it ends: nothing has changed. */
static inline void fixture_answer_last_look(struct fixture *f)
{
    for (uint64_t stream = 1; stream <= FIXTURE_STREAMS_MAX; stream++) {
        const struct coordinator_message *message =
            fixture_sent(f, stream, COORDINATOR_MESSAGE_REFRESH, 0);
        if (message != NULL) {
            fixture_report_rows(f, stream, false, message->refresh, NULL, 0);
        }
    }
}

static inline void fixture_expect_phase(struct fixture *f, const char *id, enum rollout_phase phase)
{
    struct rollout_view view = fixture_view(f, id);

    /* Twice: a look that was asked for meanwhile is sent when the one before is answered. */
    for (int i = 0;
         i < 2 && rollout_phase_is_final(phase) && strstr(view.waiting_for, "refresh(") != NULL;
         i++) {
        fixture_answer_last_look(f);
        view = fixture_view(f, id);
    }
    if (view.state.phase != phase) {
        fail_msg("rollout %s is %s (%s), not %s", id, rollout_phase_name(view.state.phase),
                 view.state.phase_reason, rollout_phase_name(phase));
    }
    const struct rollout_counts *c = &view.state.counts;
    assert_int_equal(c->total, c->queued + c->running + c->migrated + c->skipped + c->failed +
                                   c->unknown + c->rolled_back);
}

static inline const struct effect *fixture_publish_set(struct fixture *f, struct set *set)
{
    return fixture_ask(f, (struct operator_request){ .verb = OPERATOR_PUBLISH,
                                                     .set = set,
                                                     .archive = bytes_of_text("archive") });
}

/* A fleet of one shard with a published set and a rollout whose shard has answered: `stream`'s
 * tasks are assigned from the returned mark on. */
static inline size_t fixture_begin(struct fixture *f, uint64_t stream, size_t tenants,
                                   struct rollout_spec spec)
{
    assert_int_equal(fixture_publish(f, 3)->reply.code, ERR_NONE);
    fixture_shard(f, stream, "eu-1", tenants, "0.1.0");
    const struct effect *reply = fixture_start_spec(f, spec);
    if (reply->reply.code != ERR_NONE) {
        fail_msg("%s", reply->reply.message);
    }
    size_t mark = fixture_mark(f);
    fixture_report(f, stream, tenants, "0.1.0", fixture_refresh(f, stream));
    return mark;
}

#endif
