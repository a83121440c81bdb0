/* A coordinator's client of the store: the functions of common/store/store.h, over a network and
 * members that fail in etcd's ways. A request may be refused, late, carried out without an answer,
 * or not at all; what its sender wanted is done even when the sender has died meanwhile. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/memory.h"
#include "coordinator/store/store_keys.h"
#include "tests/sim/sim_world.h"

enum {
    CLIENT_DELAY_MS_MAX = 12,
    CLIENT_TIMEOUT_MS = 5000, /* what the real client waits for an answer */
    CLIENT_REFUSED_MS_MAX = 50,
    CLIENT_LATE_MS_MAX = 15000, /* what is held up may arrive long after it was given up */
    CLIENT_WATCH_MS = 100,
};

enum sim_request_kind { SIM_TXN, SIM_RANGE, SIM_GRANT, SIM_KEEP, SIM_REVOKE };

struct sim_request {
    struct sim_request *prev, *next; /* of the sim */
    uint64_t number;
    struct sim *sim;
    struct store *store; /* NULL once nobody waits for the answer */
    enum sim_request_kind kind;
    struct arena arena;
    struct store_compare *compares;
    size_t compare_count;
    struct store_op *ops;
    size_t op_count;
    const char *prefix, *after;
    size_t limit;
    int64_t lease_id;
    uint64_t ttl_ms;
    uint64_t term; /* of the sender, for the check that only leaders write */
    store_txn_done *txn_done;
    store_range_done *range_done;
    store_lease_done *lease_done;
    void *user;
    /* What came of it. */
    struct error error;
    bool succeeded;
    int64_t revision;
};

struct store {
    struct sim *sim;
    struct sim_coordinator *coordinator;
    bool synchronous; /* ranges answer at once: the coordinator is loading */
    struct store_watch *watch;
    uint64_t watch_count; /* numbers them */
};

/* Of one key. */
struct store_watch {
    struct store *store;
    char *key;
    struct store_watch_handler handler;
    int64_t seen; /* the key's mod revision; 0: it was not there */
};

struct store *sim_client_new(struct sim *sim, struct sim_coordinator *coordinator)
{
    struct store *store = memory_alloc(sizeof(*store));

    *store = (struct store){ .sim = sim, .coordinator = coordinator };
    return store;
}

void sim_client_set_synchronous(struct store *store, bool synchronous)
{
    store->synchronous = synchronous;
}

static struct sim_request *sim_request_new(struct store *store, enum sim_request_kind kind,
                                           void *user)
{
    struct sim_request *request = memory_alloc(sizeof(*request));
    struct sim *sim = store->sim;

    request->sim = sim;
    request->number = ++sim->request_count;
    request->store = store;
    request->kind = kind;
    request->user = user;
    request->next = sim->requests;
    if (sim->requests != NULL) {
        sim->requests->prev = request;
    }
    sim->requests = request;
    return request;
}

static void sim_request_free(struct sim_request *request)
{
    struct sim *sim = request->sim;

    if (request->prev != NULL) {
        request->prev->next = request->next;
    } else {
        sim->requests = request->next;
    }
    if (request->next != NULL) {
        request->next->prev = request->prev;
    }
    arena_release(&request->arena);
    free(request);
}

/* ---- answers ---- */

static void sim_request_answer_range(struct sim_request *request, const struct error *err)
{
    const struct sim_etcd *etcd = &request->sim->etcd;
    size_t bytes = strlen(request->prefix);
    bool beyond = strcmp(request->after, request->prefix) > 0;
    size_t at = sim_etcd_place(etcd, beyond ? request->after : request->prefix);
    struct store_kv *kvs = arena_alloc_array(&request->arena, etcd->count + 1, sizeof(*kvs));
    struct store_range_result result = { .kvs = kvs, .revision = etcd->revision };

    while (err == NULL && at < etcd->count &&
           strncmp(etcd->kvs[at]->key, request->prefix, bytes) == 0) {
        const struct sim_kv *kv = etcd->kvs[at++];
        if (strcmp(kv->key, request->after) <= 0) {
            continue;
        }
        if (request->limit > 0 && result.count == request->limit) {
            result.more = true;
            break;
        }
        kvs[result.count++] = (struct store_kv){ .key = kv->key,
                                                 .value = { .data = kv->value, .size = kv->size },
                                                 .create_revision = kv->create_revision,
                                                 .mod_revision = kv->mod_revision,
                                                 .lease_id = kv->lease_id };
    }
    request->range_done(request->user, &result, err);
}

/* Tells whoever waits, once. */
static void sim_request_answer(struct sim_request *request)
{
    const struct error *err = request->error.code == ERR_NONE ? NULL : &request->error;
    struct store *store = request->store;

    if (store == NULL) {
        return;
    }
    request->store = NULL;
    if (request->kind == SIM_TXN) {
        const struct store_txn_result result = { .succeeded = request->succeeded,
                                                 .revision = request->revision };
        request->txn_done(request->user, &result, err);
    } else if (request->kind == SIM_RANGE) {
        sim_request_answer_range(request, err);
    } else {
        const struct store_lease_result result = { .lease_id = request->lease_id,
                                                   .ttl_ms = request->ttl_ms };
        request->lease_done(request->user, &result, err);
    }
    sim_coordinator_wake(request->sim, store->coordinator, request->sim->now_ms);
}

static void sim_request_end(struct sim *sim, void *object, uint64_t a, uint64_t b)
{
    struct sim_request *request = object;

    (void)sim;
    (void)a;
    (void)b;
    sim_request_answer(request);
    sim_request_free(request);
}

void sim_client_free(struct store **pointer)
{
    struct store *store = *pointer;

    if (store == NULL) {
        return;
    }
    /* What was sent goes on; nobody waits for it any more. */
    for (struct sim_request *request = store->sim->requests; request != NULL;
         request = request->next) {
        if (request->store == store) {
            request->error.code = ERR_UNCERTAIN;
            sim_request_answer(request);
        }
    }
    free(store);
    *pointer = NULL;
}

void sim_client_drop_requests(struct sim *sim)
{
    struct sim_request *next = NULL;

    for (struct sim_request *request = sim->requests; request != NULL; request = next) {
        next = request->next;
        assert(request->store == NULL);
        sim_request_free(request);
    }
}

/* ---- at the store ---- */

bool sim_store_reaches(const struct sim *sim, const struct sim_coordinator *coordinator)
{
    return sim->now_ms >= sim->store_down_until_ms &&
           sim->now_ms >= coordinator->store_cut_until_ms;
}

static void sim_request_fail_later(struct sim_request *request, enum err_code code,
                                   uint64_t delay_ms)
{
    error_set(&request->error, code, "simulated");
    sim_after(request->sim, delay_ms, sim_request_end, request, 0, 0);
}

static bool sim_request_is_put(const struct sim_request *request)
{
    for (size_t i = 0; i < request->op_count; i++) {
        if (request->ops[i].kind == STORE_PUT) {
            return true;
        }
    }
    return false;
}

/* The first fence: whoever writes records has the leader key. */
static void sim_request_check_leader(const struct sim_request *request)
{
    struct sim *sim = request->sim;
    CLEANUP(arena_release) struct arena arena = { 0 };
    const char *key = store_key_leader(&arena, SIM_PREFIX);
    const struct sim_kv *leader = sim_etcd_find(&sim->etcd, key);

    if (request->op_count == 1 && strcmp(request->ops[0].key, key) == 0) {
        return; /* a campaign */
    }
    if (leader == NULL || (uint64_t)leader->create_revision != request->term) {
        sim_fail(sim, "a coordinator wrote with term %llu, and the leader's is %lld",
                 (unsigned long long)request->term,
                 leader == NULL ? 0 : (long long)leader->create_revision);
    }
}

static void sim_request_carry_out(struct sim_request *request)
{
    struct sim *sim = request->sim;
    struct sim_etcd *etcd = &sim->etcd;
    enum err_code code;

    switch (request->kind) {
    case SIM_TXN:
        code = sim_etcd_txn(etcd, request->compares, request->compare_count, request->ops,
                            request->op_count, sim->now_ms, &request->succeeded);
        request->revision = etcd->revision;
        if (code != ERR_NONE) {
            error_set(&request->error, code, "a lease is gone");
        } else if (request->succeeded) {
            sim->statistics[SIM_COUNT_WRITES]++;
            sim_request_check_leader(request);
        }
        break;
    case SIM_GRANT:
        request->lease_id = sim_etcd_grant(etcd, request->ttl_ms, sim->now_ms);
        break;
    case SIM_KEEP:
        request->ttl_ms = sim_etcd_keep(etcd, request->lease_id, sim->now_ms);
        break;
    case SIM_REVOKE:
        sim_etcd_expire(etcd, sim->now_ms);
        sim_etcd_revoke(etcd, request->lease_id);
        break;
    case SIM_RANGE:
        sim_etcd_expire(etcd, sim->now_ms);
        break;
    }
}

static void sim_request_arrive(struct sim *sim, void *object, uint64_t coordinator, uint64_t b)
{
    struct sim_request *request = object;
    const struct sim_coordinator *sender = &sim->coordinators[coordinator];

    (void)b;
    if (!sim_store_reaches(sim, sender)) {
        bool refused = sim_chance(sim, 500);
        sim_request_fail_later(request, refused ? ERR_UNAVAILABLE : ERR_UNCERTAIN,
                               refused ? sim_below(sim, CLIENT_REFUSED_MS_MAX) : CLIENT_TIMEOUT_MS);
        return;
    }
    bool full = sim->now_ms < sim->store_full_until_ms && sim_request_is_put(request);
    if (full && !sim_chance(sim, 200)) {
        sim_request_fail_later(request, ERR_LIMIT, 1);
        return;
    }
    sim_request_carry_out(request);
    if (full) {
        sim_request_fail_later(request, ERR_LIMIT, 1); /* etcd has done it all the same */
    } else if (!sim->healed && sim_chance(sim, sim->answer_loss)) {
        sim->statistics[SIM_COUNT_UNANSWERED]++;
        sim_request_fail_later(request, ERR_UNCERTAIN, CLIENT_TIMEOUT_MS);
    } else {
        sim_after(sim, sim_between(sim, 1, CLIENT_DELAY_MS_MAX), sim_request_end, request, 0, 0);
    }
}

/* The answer did not come in time. What was asked for may still happen. */
static void sim_request_give_up(struct sim *sim, void *object, uint64_t number, uint64_t life)
{
    const struct sim_coordinator *c = object;
    struct sim_request *request = sim->requests;

    while (request != NULL && request->number != number) {
        request = request->next;
    }
    if (request != NULL && request->store != NULL && c->life == life) {
        error_set(&request->error, ERR_UNCERTAIN, "simulated");
        sim_request_answer(request);
    }
}

static void sim_request_send(struct sim_request *request)
{
    struct sim *sim = request->sim;
    uint64_t delay = sim_between(sim, 1, CLIENT_DELAY_MS_MAX);

    if (!sim->healed && sim_chance(sim, 10)) {
        delay += sim_below(sim, 2000);
    }
    if (sim->now_ms < sim->store_slow_until_ms) {
        delay += sim_below(sim, CLIENT_TIMEOUT_MS - 1000);
    }
    if (!sim->healed && sim->answer_loss > 0 && sim_chance(sim, 4)) {
        /* Held up on its way, while its sender gives it up. */
        delay = CLIENT_TIMEOUT_MS + sim_below(sim, CLIENT_LATE_MS_MAX);
        sim_after(sim, CLIENT_TIMEOUT_MS, sim_request_give_up, request->store->coordinator,
                  request->number, request->store->coordinator->life);
    }
    sim_after(sim, delay, sim_request_arrive, request, request->store->coordinator->index, 0);
}

/* ---- watches ---- */

static void sim_client_look(struct sim *sim, void *object, uint64_t number, uint64_t life)
{
    struct sim_coordinator *c = object;

    if (!c->alive || c->life != life || c->store->watch == NULL ||
        c->store->watch_count != number) {
        return;
    }
    struct store_watch *watch = c->store->watch;
    sim_after(sim, CLIENT_WATCH_MS, sim_client_look, c, number, life);
    if (!sim_store_reaches(sim, c)) {
        return; /* it goes on by itself when the store is back */
    }
    sim_etcd_expire(&sim->etcd, sim->now_ms);
    const struct sim_kv *kv = sim_etcd_find(&sim->etcd, watch->key);
    int64_t revision = kv == NULL ? 0 : kv->mod_revision;
    if (!sim->healed && sim_chance(sim, 2)) {
        struct error err = { .code = ERR_NOT_FOUND, .message = "compacted" };
        watch->handler.on_lost(watch->handler.user, &err);
        sim_coordinator_wake(sim, c, sim->now_ms);
    } else if (revision != watch->seen) {
        watch->seen = revision;
        watch->handler.on_events(watch->handler.user, NULL, 0, sim->etcd.revision);
        sim_coordinator_wake(sim, c, sim->now_ms);
    }
}

struct store_watch *store_watch_start(struct store *store, const char *prefix,
                                      int64_t from_revision,
                                      const struct store_watch_handler *handler)
{
    struct store_watch *watch = memory_alloc(sizeof(*watch));
    const struct sim_kv *kv = sim_etcd_find(&store->sim->etcd, prefix);

    assert(from_revision == 0);
    assert(store->watch == NULL);
    *watch = (struct store_watch){ .store = store,
                                   .key = memory_strdup(prefix),
                                   .handler = *handler,
                                   .seen = kv == NULL ? 0 : kv->mod_revision };
    store->watch = watch;
    sim_after(store->sim, CLIENT_WATCH_MS, sim_client_look, store->coordinator,
              ++store->watch_count, store->coordinator->life);
    return watch;
}

void store_watch_stop(struct store_watch **pointer)
{
    struct store_watch *watch = *pointer;

    if (watch != NULL) {
        watch->store->watch = NULL;
        free(watch->key);
        free(watch);
        *pointer = NULL;
    }
}

/* ---- common/store/store.h ---- */

void store_txn(struct store *store, const struct store_compare *compares, size_t compare_count,
               const struct store_op *ops, size_t op_count, store_txn_done *done, void *user)
{
    struct sim_request *request = sim_request_new(store, SIM_TXN, user);
    struct arena *arena = &request->arena;

    request->txn_done = done;
    request->term = store->coordinator->term;
    request->compares = arena_alloc_array(arena, compare_count, sizeof(*compares));
    request->compare_count = compare_count;
    for (size_t i = 0; i < compare_count; i++) {
        request->compares[i] = compares[i];
        request->compares[i].key = arena_strdup(arena, compares[i].key);
    }
    request->ops = arena_alloc_array(arena, op_count, sizeof(*ops));
    request->op_count = op_count;
    for (size_t i = 0; i < op_count; i++) {
        request->ops[i] = ops[i];
        request->ops[i].key = arena_strdup(arena, ops[i].key);
        request->ops[i].value.data = arena_memdup(arena, ops[i].value.data, ops[i].value.size);
    }
    sim_request_send(request);
}

void store_range(struct store *store, const char *prefix, const char *after, size_t limit,
                 int64_t revision, store_range_done *done, void *user)
{
    struct sim_request *request = sim_request_new(store, SIM_RANGE, user);

    (void)revision;
    request->prefix = arena_strdup(&request->arena, prefix);
    request->after = arena_strdup(&request->arena, after);
    request->limit = limit;
    request->range_done = done;
    if (store->synchronous) {
        sim_request_end(store->sim, request, 0, 0);
    } else {
        sim_request_send(request);
    }
}

static void sim_client_page(void *user, const struct store_range_result *result,
                            const struct error *err)
{
    struct store_kv_list *list = user;

    assert(err == NULL);
    list->kvs = memory_alloc_array(result->count + 1, sizeof(*list->kvs));
    list->count = result->count;
    list->revision = result->revision;
    for (size_t i = 0; i < result->count; i++) {
        struct store_kv *kv = &list->kvs[i];
        uint8_t *value = memory_alloc(result->kvs[i].value.size + 1);
        *kv = result->kvs[i];
        kv->key = memory_strdup(kv->key);
        memcpy(value, kv->value.data, kv->value.size);
        kv->value.data = value;
    }
}

bool store_range_wait(struct store *store, const char *prefix, struct store_kv_list *ret_list,
                      struct error *err)
{
    (void)err;
    assert(store->synchronous);
    store_range(store, prefix, "", 0, 0, sim_client_page, ret_list);
    return true;
}

void store_kv_list_release(struct store_kv_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free((char *)(uintptr_t)list->kvs[i].key);
        free((uint8_t *)(uintptr_t)list->kvs[i].value.data);
    }
    free(list->kvs);
    *list = (struct store_kv_list){ 0 };
}

static void sim_client_lease(struct store *store, enum sim_request_kind kind, int64_t lease_id,
                             uint64_t ttl_ms, store_lease_done *done, void *user)
{
    struct sim_request *request = sim_request_new(store, kind, user);

    request->lease_id = lease_id;
    request->ttl_ms = ttl_ms;
    request->lease_done = done;
    sim_request_send(request);
}

void store_lease_grant(struct store *store, uint64_t ttl_ms, store_lease_done *done, void *user)
{
    sim_client_lease(store, SIM_GRANT, 0, ttl_ms, done, user);
}

void store_lease_keep_alive(struct store *store, int64_t lease_id, store_lease_done *done,
                            void *user)
{
    sim_client_lease(store, SIM_KEEP, lease_id, 0, done, user);
}

void store_lease_revoke(struct store *store, int64_t lease_id, store_lease_done *done, void *user)
{
    sim_client_lease(store, SIM_REVOKE, lease_id, 0, done, user);
}

const char *store_location(const struct store *store)
{
    (void)store;
    return "etcd:simulated";
}
