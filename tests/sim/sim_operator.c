/* Operators: they publish, start, press buttons, hold tenants, and believe what they are told. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/memory.h"
#include "common/wire/wire.h"
#include "tests/sim/sim_world.h"

enum { OPERATOR_MS_MAX = 4000, OPERATOR_PATIENCE_MS_MAX = 12000 };

struct sim_rollout *sim_operator_find(struct sim *sim, const char *id)
{
    for (unsigned i = 0; i < sim->rollout_known; i++) {
        if (strcmp(sim->rollouts[i].id, id) == 0) {
            return &sim->rollouts[i];
        }
    }
    return NULL;
}

/* ---- asking ---- */

static struct sim_coordinator *sim_operator_any_leader(struct sim *sim)
{
    unsigned first = (unsigned)sim_below(sim, SIM_COORDINATORS);

    if (sim->healed) {
        /* They find the right one in the end. */
        struct sim_coordinator *leader = sim_coordinator_leader(sim);
        return leader == NULL || leader->paused ? NULL : leader;
    }
    for (unsigned i = 0; i < SIM_COORDINATORS; i++) {
        struct sim_coordinator *c = &sim->coordinators[(first + i) % SIM_COORDINATORS];
        if (c->alive && c->serving && !c->stopping) {
            return c;
        }
    }
    return NULL;
}

bool sim_operator_ask(struct sim *sim, struct operator_request request)
{
    struct sim_coordinator *c = sim_operator_any_leader(sim);
    struct event *event = event_new(EVENT_OPERATOR);
    struct arena *arena = &event->arena;
    struct sim_call *call = &sim->calls[++sim->call_count % SIM_CALLS_MAX];
    const char *object = request.verb == OPERATOR_START ? request.spec.id : request.object;
    struct sim_rollout *rollout = object == NULL ? NULL : sim_operator_find(sim, object);

    *call = (struct sim_call){ .verb = request.verb,
                               .open = c != NULL,
                               .ttl_ms = request.lock_ttl_ms,
                               .per_shard = request.spec.concurrency_per_shard,
                               .asked_ms = sim->now_ms };
    snprintf(call->object, sizeof(call->object), "%s", object == NULL ? "" : object);
    request.call = sim->call_count;
    request.actor = "ana";
    request.reason = "";
    request.lock_owner = "";
    request.lock_id = "";
    request.object = arena_strdup(arena, call->object);
    event->operator= request;
    if (c == NULL) {
        event_free(&event);
        return false;
    }
    if (rollout != NULL && request.verb != OPERATOR_PAUSE && request.verb != OPERATOR_ABORT) {
        rollout->reopened = true;
    }
    if (rollout != NULL && request.verb == OPERATOR_ABORT) {
        rollout->given_up = true;
    }
    if (rollout != NULL && (request.verb == OPERATOR_RESUME || request.verb == OPERATOR_RETRY)) {
        rollout->stopped = rollout->aborted;
        rollout->resumed_ms = sim->now_ms;
    }
    if (rollout != NULL && request.verb == OPERATOR_ROLLBACK) {
        rollout->aborted = false; /* an abort is not the end of it any more */
        rollout->stopped = false;
        rollout->resumed_ms = sim->now_ms;
    }
    call->coordinator = c->index;
    call->life = c->life;
    sim_coordinator_post(sim, c, event);
    return true;
}

static struct bytes sim_operator_archive(const struct sim *sim, unsigned edition,
                                         struct arena *arena)
{
    struct set_file files[SIM_SET_FILES_MAX];
    size_t count = sim_set_files(edition, sim->set_kind, arena, files);

    return wire_encode_set_archive(files, count, arena);
}

bool sim_operator_publish(struct sim *sim, unsigned edition)
{
    sim->edition = edition;
    return sim_operator_ask(sim, (struct operator_request){
                                     .verb = OPERATOR_PUBLISH,
                                     .set = sim_set_new_of(edition, sim->set_kind),
                                     .archive = sim_operator_archive(sim, edition, &sim->arena) });
}

static const char *sim_operator_kind(enum rollout_kind kind)
{
    static const char *const names[ROLLOUT_KIND_COUNT] = {
        [ROLLOUT_MIGRATE] = "migrate",
        [ROLLOUT_BASELINE] = "baseline",
        [ROLLOUT_CREATE] = "create",
        [ROLLOUT_DROP] = "drop",
    };

    return names[kind];
}

bool sim_operator_start(struct sim *sim, const char *id, struct rollout_spec spec)
{
    spec.id = id;
    spec.set = "billing";
    spec.digest = "";
    spec.created_by = "";
    spec.reason = spec.dry_run == DRY_RUN_OFF ? "no time" : "";
    spec.baseline_unmanaged = spec.baseline_unmanaged == NULL ? "" : spec.baseline_unmanaged;
    spec.from_ledger = spec.from_ledger == NULL ? "" : spec.from_ledger;
    spec.selector = spec.selector == NULL ? "" : spec.selector;
    spec.target = spec.target == NULL ? "" : arena_strdup(&sim->arena, spec.target);
    spec.id = arena_strdup(&sim->arena, id);
    sim_note(sim, "start %s: %s target '%s' tenants '%s' policy %s dry run %s", id,
             sim_operator_kind(spec.kind), spec.target, spec.selector,
             rollout_policy_name(spec.policy), dry_run_mode_name(spec.dry_run));
    return sim_operator_ask(sim, (struct operator_request){ .verb = OPERATOR_START, .spec = spec });
}

/* ---- answers ---- */

static void sim_operator_on_started(struct sim *sim, const struct sim_call *call)
{
    char key[4 * SIM_TEXT_BYTES];

    snprintf(key, sizeof(key), SIM_PREFIX "/rollouts/%s/spec", call->object);
    if (sim_etcd_find(&sim->etcd, key) == NULL) {
        sim_fail(sim, "rollout %s was answered before it was durable", call->object);
    }
    if (sim_operator_find(sim, call->object) == NULL) {
        struct sim_rollout *rollout = &sim->rollouts[sim->rollout_known++];
        /* gcc takes the two for overlapping where it inlines this with snprintf. */
        memmove(rollout->id, call->object, sizeof(rollout->id));
        rollout->id[sizeof(rollout->id) - 1] = '\0';
        rollout->per_shard = call->per_shard;
        sim->statistics[SIM_COUNT_ROLLOUTS]++;
    }
}

static struct sim_hold *sim_operator_hold(struct sim *sim, const char *tenant)
{
    for (size_t i = 0; i < sim->hold_count; i++) {
        if (strcmp(sim->holds[i].tenant, tenant) == 0) {
            return &sim->holds[i];
        }
    }
    assert(sim->hold_count < SIM_HOLDS_MAX);
    struct sim_hold *hold = &sim->holds[sim->hold_count++];
    /* Not snprintf, which gcc takes to overlap where it inlines this. */
    size_t size = strlen(tenant);
    assert(size < sizeof(hold->tenant));
    memmove(hold->tenant, tenant, size + 1);
    return hold;
}

static void sim_operator_on_done(struct sim *sim, const struct sim_call *call)
{
    struct sim_rollout *rollout = sim_operator_find(sim, call->object);

    if (call->verb == OPERATOR_START) {
        sim_operator_on_started(sim, call);
    } else if (call->verb == OPERATOR_LOCK) {
        sim_operator_hold(sim, call->object)->until_ms = call->asked_ms + call->ttl_ms;
    } else if (call->verb == OPERATOR_FORGET_SHARD) {
        for (size_t i = 0; i < sim->hold_count; i++) {
            if (strncmp(sim->holds[i].tenant, call->object, strlen(call->object)) == 0) {
                sim->holds[i].until_ms = 0;
            }
        }
    } else if (rollout != NULL && (call->verb == OPERATOR_RESUME || call->verb == OPERATOR_RETRY)) {
        rollout->stopped = rollout->aborted;
    } else if (rollout != NULL && (call->verb == OPERATOR_PAUSE || call->verb == OPERATOR_ABORT)) {
        /* An answer that took its time says what was so when it was asked for. */
        bool newest = call->asked_ms > rollout->resumed_ms;
        rollout->aborted = rollout->aborted || (newest && call->verb == OPERATOR_ABORT);
        rollout->stopped = newest || rollout->aborted;
    } else if (rollout != NULL && call->verb == OPERATOR_ROLLBACK) {
        rollout->goes_back = true;
    }
}

void sim_operator_on_reply(struct sim *sim, const struct effect *effect)
{
    struct sim_call *call = &sim->calls[effect->reply.call % SIM_CALLS_MAX];

    if (!call->open) {
        return;
    }
    call->open = false;
    sim_note(sim, "operator call %llu: %s %s %s", (unsigned long long)effect->reply.call,
             err_code_name(effect->reply.code), effect->reply.object, effect->reply.message);
    if (effect->reply.code == ERR_NONE) {
        sim_operator_on_done(sim, call);
    }
}

void sim_operator_close_all(struct sim *sim, const struct sim_coordinator *coordinator)
{
    for (size_t i = 0; i < SIM_CALLS_MAX; i++) {
        struct sim_call *call = &sim->calls[i];
        if (call->open && call->coordinator == coordinator->index &&
            call->life == coordinator->life) {
            call->open = false;
        }
    }
}

/* ---- pressing ---- */

static void sim_operator_start_any(struct sim *sim)
{
    static const char *const selectors[] = { "",          "",           "shard=s0",
                                             "shard!=s0", "tenant=t0*", "tenant in (t1*,t2*)" };
    char id[SIM_TEXT_BYTES];
    char target[SIM_TEXT_BYTES] = "";
    bool baseline = sim_chance(sim, 150);
    bool reads_ledger = baseline && sim_chance(sim, 400);

    if (sim->rollout_count + 8 >= SIM_ROLLOUTS_MAX) {
        return;
    }
    snprintf(id, sizeof(id), "r%02u", ++sim->rollout_count);
    if ((baseline && !reads_ledger) || (!baseline && sim_chance(sim, 400))) {
        sim_database_version((unsigned)sim_between(sim, 1, sim->edition), target);
    }
    enum dry_run_mode dry_run = !baseline && sim_chance(sim, 500)
                                    ? (enum dry_run_mode)sim_below(sim, DRY_RUN_MODE_COUNT)
                                    : DRY_RUN_TENANTS;
    sim_operator_start(
        sim, id,
        (struct rollout_spec){
            .kind = baseline ? ROLLOUT_BASELINE : ROLLOUT_MIGRATE,
            .selector = selectors[sim_below(sim, COUNT_OF(selectors))],
            .target = target,
            .policy =
                (enum rollout_policy)sim_below(sim, baseline ? POLICY_ROLLBACK : POLICY_COUNT),
            .max_failures = sim_chance(sim, 500) ? (uint32_t)sim_below(sim, 4) : 0,
            .concurrency = sim_chance(sim, 300) ? (uint32_t)sim_between(sim, 1, 9) : 0,
            .concurrency_per_shard = sim_chance(sim, 300) ? (uint32_t)sim_between(sim, 1, 5) : 0,
            .dry_run_only = !baseline && dry_run != DRY_RUN_OFF && sim_chance(sim, 80),
            .from_ledger = reads_ledger ? "flyway" : "",
            .baseline_unmanaged =
                !baseline && target[0] == '\0' && sim_chance(sim, 800) ? SIM_UNMANAGED_VERSION : "",
            .unmanaged_only = baseline && sim_chance(sim, 300),
            .dry_run = dry_run,
        });
}

static struct sim_shard *sim_operator_any_shard(struct sim *sim)
{
    return &sim->shards[sim_below(sim, sim->shard_count)];
}

/* Makes a tenant, or drops one; whether it is there is the coordinator's business, and the agent's.
 */
static void sim_operator_life_any(struct sim *sim)
{
    const struct sim_shard *shard = sim_operator_any_shard(sim);
    bool creates = sim_chance(sim, 600);
    char id[SIM_TEXT_BYTES];

    if (sim->rollout_count + 8 >= SIM_ROLLOUTS_MAX) {
        return;
    }
    snprintf(id, sizeof(id), "r%02u", ++sim->rollout_count);
    sim_operator_start(
        sim, id,
        (struct rollout_spec){ .kind = creates ? ROLLOUT_CREATE : ROLLOUT_DROP,
                               .policy = POLICY_CONTINUE,
                               .force = !creates && sim_chance(sim, 300),
                               .tenant = arena_printf(&sim->arena, "%s/t%02u", shard->name,
                                                      (unsigned)sim_below(sim, SIM_TENANTS_MAX)) });
}

static void sim_operator_lock_any(struct sim *sim)
{
    char tenant[SIM_TEXT_BYTES];

    snprintf(tenant, sizeof(tenant), "%.20s/t%02u", sim_operator_any_shard(sim)->name,
             (unsigned)sim_below(sim, SIM_TENANTS_MAX));
    sim_operator_ask(sim, (struct operator_request){ .verb = OPERATOR_LOCK,
                                                     .object = tenant,
                                                     .lock_ttl_ms = sim_between(sim, 1, 30000) });
    if (sim_chance(sim, 300)) {
        /* From now on nothing is certain of it. */
        sim_operator_hold(sim, tenant)->until_ms = 0;
        sim->calls[sim->call_count % SIM_CALLS_MAX].ttl_ms = 0;
        sim_operator_ask(sim,
                         (struct operator_request){ .verb = OPERATOR_UNLOCK, .object = tenant });
    }
}

static void sim_operator_button(struct sim *sim)
{
    static const enum operator_verb buttons[] = { OPERATOR_PAUSE,    OPERATOR_RESUME,
                                                  OPERATOR_RESUME,   OPERATOR_RETRY,
                                                  OPERATOR_RETRY,    OPERATOR_ABORT,
                                                  OPERATOR_ROLLBACK, OPERATOR_ROLLBACK };

    if (sim->rollout_known > 0) {
        /* Mostly the newest ones: they are the ones that move. */
        uint64_t back = sim_below(sim, sim->rollout_known < 3 ? sim->rollout_known : 3);
        const char *id = sim->rollouts[sim->rollout_known - 1 - back].id;
        enum operator_verb verb = buttons[sim_below(sim, COUNT_OF(buttons))];
        sim_note(sim, "button %d on %s", (int)verb, id);
        sim_operator_ask(sim, (struct operator_request){ .verb = verb, .object = id });
    }
}

static void sim_operator_aborts(struct sim *sim, void *object, uint64_t index, uint64_t b)
{
    (void)object;
    (void)b;
    if (!sim->healed) {
        sim_operator_ask(sim, (struct operator_request){ .verb = OPERATOR_ABORT,
                                                         .object = sim->rollouts[index].id });
    }
}

void sim_operator_loses_patience(struct sim *sim, const char *rollout)
{
    const struct sim_rollout *known = sim_operator_find(sim, rollout);

    if (known != NULL && sim_chance(sim, 600)) {
        sim_after(sim, sim_below(sim, OPERATOR_PATIENCE_MS_MAX), sim_operator_aborts, NULL,
                  (uint64_t)(known - sim->rollouts), 0);
    }
}

static void sim_operator_press(struct sim *sim)
{
    switch (sim_below(sim, 10)) {
    case 0:
    case 1:
    case 2:
    case 3:
        sim_operator_start_any(sim);
        break;
    case 4:
    case 5:
    case 6:
        sim_operator_button(sim);
        break;
    case 7:
        sim_operator_lock_any(sim);
        break;
    case 8:
        if (sim->edition < SIM_SET_EDITIONS) {
            sim_operator_publish(sim, sim->edition + 1);
        }
        break;
    default:
        if (sim->edition > 0 && sim_chance(sim, 600)) {
            sim_operator_life_any(sim);
        } else if (sim_chance(sim, 100)) {
            const struct sim_shard *shard = sim_operator_any_shard(sim);
            sim_note(sim, "forget %s", shard->name);
            sim->forgot = true;
            sim_operator_ask(sim, (struct operator_request){ .verb = OPERATOR_FORGET_SHARD,
                                                             .object = shard->name });
        }
        break;
    }
}

static void sim_operator_turn(struct sim *sim, void *object, uint64_t a, uint64_t b)
{
    (void)object;
    (void)a;
    (void)b;
    if (sim->healed) {
        return;
    }
    if (sim_operator_any_leader(sim) != NULL) {
        if (sim->edition == 0) {
            sim_operator_publish(sim, 2);
        }
        sim_operator_press(sim);
    }
    sim_after(sim, sim_below(sim, OPERATOR_MS_MAX), sim_operator_turn, NULL, 0, 0);
}

void sim_operator_begin(struct sim *sim)
{
    sim_after(sim, 3000, sim_operator_turn, NULL, 0, 0);
}
