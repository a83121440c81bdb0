/* The etcd backend: jobs wait for a place in flight, fly, and land with an answer or a verdict. */
#include "common/store/store_backend.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/clock.h"
#include "common/core/limits.h"
#include "common/core/memory.h"
#include "common/store/etcd_http.h"
#include "common/store/etcd_json.h"
#include "common/store/etcd_login.h"
#include "common/store/etcd_verdict.h"
#include "common/store/etcd_watch.h"

enum {
    ETCD_BODY_BYTES_MAX = 4 << 20, /* a full transaction in base64 */
    ETCD_LEASE_TTL_MIN_S = 2,
    ETCD_TRY_TIMEOUT_MIN_MS = 500,
    ETCD_EXTRA_TRIES = 2, /* of what may be repeated, beyond one per endpoint */
    ETCD_LOGINS_MAX = 2,  /* of one job */
    ETCD_PAGE_DIVISOR = 8,
};
static_assert(STORE_TXN_BYTES_MAX * 4 / 3 + 2 * STORE_TXN_OPS_MAX * 200 < ETCD_BODY_BYTES_MAX,
              "every transaction fits in a body");

struct store_etcd;

/* One request on its way. */
struct etcd_job {
    struct etcd_job *next; /* while it waits */
    struct store_etcd *owner;
    struct store_request *request;
    struct etcd_call call;
    size_t slot; /* while it flies */
    size_t limit;
    size_t tries;
    unsigned logins;
    uint64_t generation; /* of the login that it uses */
    bool changes;        /* it may change the store */
    bool unknown;        /* one of its tries may have happened */
};

struct store_etcd {
    struct store *store;
    struct etcd_http *http;
    struct etcd_login login;
    uint64_t request_timeout_ms;
    struct etcd_job *waiting; /* by deadline, for all have the same timeout */
    struct etcd_job **waiting_end;
    struct etcd_job *flying[ETCD_REQUESTS_IN_FLIGHT_MAX];
    size_t flying_count;
    struct etcd_watch **watches;
    size_t watch_count;
    size_t watch_capacity;
};

static void store_etcd_on_done(struct etcd_call *call);

/* ---- jobs ---- */

static void etcd_job_free(struct etcd_job **job)
{
    etcd_call_release(&(*job)->call);
    free(*job);
    *job = NULL;
}

/* TTLs in etcd are whole seconds, two at least. */
static int64_t etcd_job_ttl_s(uint64_t ttl_ms)
{
    int64_t ttl_s = (int64_t)((ttl_ms + 999) / 1000);

    return ttl_s < ETCD_LEASE_TTL_MIN_S ? ETCD_LEASE_TTL_MIN_S : ttl_s;
}

static void etcd_job_write_body(struct etcd_job *job)
{
    const struct store_request *request = job->request;
    struct buf *body = &job->call.body;

    buf_clear(body);
    switch (request->kind) {
    case STORE_REQUEST_TXN:
        job->call.path = "/v3/kv/txn";
        etcd_json_put_txn(body, request->compares, request->compare_count, request->ops,
                          request->op_count);
        break;
    case STORE_REQUEST_RANGE:
        job->call.path = "/v3/kv/range";
        etcd_json_put_range(body, request->prefix, request->after, job->limit, request->revision);
        break;
    case STORE_REQUEST_LEASE_GRANT:
        job->call.path = "/v3/lease/grant";
        etcd_json_put_number(body, "TTL", etcd_job_ttl_s(request->ttl_ms));
        break;
    case STORE_REQUEST_LEASE_KEEP_ALIVE:
        job->call.path = "/v3/lease/keepalive";
        etcd_json_put_number(body, "ID", request->lease_id);
        break;
    case STORE_REQUEST_LEASE_REVOKE:
        job->call.path = "/v3/lease/revoke";
        etcd_json_put_number(body, "ID", request->lease_id);
        break;
    case STORE_REQUEST_COMPACT:
        job->call.path = "/v3/kv/compaction";
        etcd_json_put_number(body, "revision", request->revision);
        break;
    case STORE_REQUEST_WATCH_START:
    case STORE_REQUEST_WATCH_STOP:
        assert(false);
        break;
    }
    assert(!body->overflow);
}

static struct etcd_job *etcd_job_new(struct store_etcd *owner, struct store_request *request)
{
    struct etcd_job *job = memory_alloc(sizeof(*job));
    bool reads = request->kind == STORE_REQUEST_RANGE ||
                 (request->kind == STORE_REQUEST_TXN && request->op_count == 0);

    job->owner = owner;
    job->request = request;
    job->limit = request->limit;
    job->changes = !reads;
    /* Keeping, revoking and compacting twice is the same as once. */
    job->call.repeatable =
        reads || (request->kind != STORE_REQUEST_TXN && request->kind != STORE_REQUEST_LEASE_GRANT);
    job->call.body.size_max = ETCD_BODY_BYTES_MAX;
    job->call.done = store_etcd_on_done;
    job->call.user = job;
    return job;
}

/* Time for one try. What may be repeated leaves some for the endpoints that were not asked yet. */
static uint64_t etcd_job_try_ms(const struct etcd_job *job, uint64_t now_ms)
{
    uint64_t left_ms = job->request->deadline_ms - now_ms;
    size_t endpoints = etcd_http_endpoint_count(job->owner->http);

    if (!job->call.repeatable || job->tries + 1 >= endpoints) {
        return left_ms;
    }
    uint64_t part_ms = left_ms / (endpoints - job->tries);
    if (part_ms < ETCD_TRY_TIMEOUT_MIN_MS) {
        part_ms = ETCD_TRY_TIMEOUT_MIN_MS;
    }
    return part_ms < left_ms ? part_ms : left_ms;
}

/* ---- landing: the job leaves its slot and its request is answered ---- */

static void store_etcd_leave_slot(struct store_etcd *self, struct etcd_job *job)
{
    assert(self->flying[job->slot] == job);
    struct etcd_job *last = self->flying[--self->flying_count];
    self->flying[job->slot] = last;
    last->slot = job->slot;
    self->flying[self->flying_count] = NULL;
}

static void store_etcd_fail(struct store_etcd *self, struct etcd_job *job, struct error *err)
{
    struct store_request *request = job->request;

    if (err->code == ERR_UNCERTAIN || err->code == ERR_UNAVAILABLE) {
        err->code = job->changes && job->unknown ? ERR_UNCERTAIN : ERR_UNAVAILABLE;
    }
    etcd_job_free(&job);
    store_answer_error(self->store, &request, err);
}

static void store_etcd_land_txn(struct store_etcd *self, struct etcd_job *job, bool succeeded,
                                int64_t revision)
{
    const struct store_txn_result result = { .succeeded = succeeded, .revision = revision };
    struct store_request *request = job->request;

    etcd_job_free(&job);
    store_answer_txn(self->store, &request, &result);
}

static void store_etcd_land_lease(struct store_etcd *self, struct etcd_job *job,
                                  struct store_lease_result result)
{
    struct store_request *request = job->request;

    if (request->kind != STORE_REQUEST_LEASE_GRANT) {
        result.lease_id = request->lease_id;
    }
    etcd_job_free(&job);
    store_answer_lease(self->store, &request, &result);
}

static bool store_etcd_land_range(struct store_etcd *self, struct etcd_job *job, struct error *err)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct store_request *request = job->request;
    struct store_range_result result;

    if (!etcd_json_read_range(buf_view(&job->call.answer), &arena, &result, err)) {
        return false;
    }
    if (request->revision != 0) {
        result.revision = request->revision;
    }
    store_etcd_leave_slot(self, job);
    etcd_job_free(&job);
    store_answer_range(self->store, &request, &result);
    return true;
}

/* Reads the answer and hands it over; false (and the job flies on) if it cannot be read. */
static bool store_etcd_land(struct store_etcd *self, struct etcd_job *job, struct error *err)
{
    struct bytes answer = buf_view(&job->call.answer);
    struct store_txn_result txn = { .succeeded = true };
    struct store_lease_result lease = { 0 };
    bool ok = false;

    store_note_health(self->store, true);
    switch (job->request->kind) {
    case STORE_REQUEST_RANGE:
        return store_etcd_land_range(self, job, err);
    case STORE_REQUEST_TXN:
        ok = etcd_json_read_txn(answer, &txn, err);
        break;
    case STORE_REQUEST_COMPACT:
    case STORE_REQUEST_LEASE_REVOKE:
        ok = etcd_json_read_header(answer, &txn.revision, err);
        break;
    case STORE_REQUEST_LEASE_GRANT:
        ok = etcd_json_read_grant(answer, &lease, err);
        break;
    case STORE_REQUEST_LEASE_KEEP_ALIVE:
        ok = etcd_json_read_keep_alive(answer, &lease, err);
        break;
    case STORE_REQUEST_WATCH_START:
    case STORE_REQUEST_WATCH_STOP:
        break;
    }
    if (!ok) {
        return false;
    }
    store_etcd_leave_slot(self, job);
    if (job->request->kind == STORE_REQUEST_TXN || job->request->kind == STORE_REQUEST_COMPACT) {
        store_etcd_land_txn(self, job, txn.succeeded, txn.revision);
    } else {
        store_etcd_land_lease(self, job, lease);
    }
    return true;
}

/* A lease that is gone is an answer to some, and so is a history that is compacted already. */
static bool store_etcd_land_refused(struct store_etcd *self, struct etcd_job *job,
                                    enum etcd_verdict verdict)
{
    enum store_request_kind kind = job->request->kind;
    bool gone = verdict == ETCD_VERDICT_GONE &&
                (kind == STORE_REQUEST_LEASE_REVOKE || kind == STORE_REQUEST_LEASE_KEEP_ALIVE);
    bool compacted = verdict == ETCD_VERDICT_COMPACTED && kind == STORE_REQUEST_COMPACT;

    if (!gone && !compacted) {
        return false;
    }
    store_note_health(self->store, true);
    store_etcd_leave_slot(self, job);
    if (gone) {
        store_etcd_land_lease(self, job, (struct store_lease_result){ 0 });
    } else {
        store_etcd_land_txn(self, job, true, job->request->revision);
    }
    return true;
}

/* ---- flight ---- */

static void store_etcd_start(struct store_etcd *self, struct etcd_job *job, uint64_t now_ms)
{
    if (job->call.body.size == 0) {
        etcd_job_write_body(job); /* not before: what waits should be small */
    }
    job->call.timeout_ms = etcd_job_try_ms(job, now_ms);
    job->generation = self->login.generation;
    job->tries++;
    etcd_http_start(self->http, &job->call, etcd_login_token(&self->login));
}

static void store_etcd_wait_again(struct store_etcd *self, struct etcd_job *job)
{
    store_etcd_leave_slot(self, job);
    if (self->waiting == NULL) {
        self->waiting_end = &job->next;
    }
    job->next = self->waiting;
    self->waiting = job;
}

/* May the job try once more after this verdict? */
static bool store_etcd_may_retry(struct store_etcd *self, struct etcd_job *job,
                                 enum etcd_verdict verdict)
{
    size_t endpoints = etcd_http_endpoint_count(self->http);

    switch (verdict) {
    case ETCD_VERDICT_NOTHING:
        return job->tries < endpoints;
    case ETCD_VERDICT_UNKNOWN:
        return job->call.repeatable && job->tries < endpoints + ETCD_EXTRA_TRIES;
    case ETCD_VERDICT_GARBAGE:
        return job->call.repeatable && job->tries < endpoints;
    case ETCD_VERDICT_LOGIN:
        return etcd_login_has_user(&self->login) && job->logins < ETCD_LOGINS_MAX;
    case ETCD_VERDICT_OK:
    case ETCD_VERDICT_GONE:
    case ETCD_VERDICT_COMPACTED:
    case ETCD_VERDICT_NO:
        return false;
    }
    return false;
}

/* A page whose answer is larger than we take is asked for again in smaller ones. */
static bool store_etcd_shrink(struct etcd_job *job)
{
    if (job->call.result != ETCD_CALL_TOO_LARGE || job->request->kind != STORE_REQUEST_RANGE ||
        job->limit <= 1) {
        return false;
    }
    job->limit = job->limit > ETCD_PAGE_DIVISOR ? job->limit / ETCD_PAGE_DIVISOR : 1;
    job->tries--;
    buf_clear(&job->call.body); /* to be written anew */
    return true;
}

static void store_etcd_on_done(struct etcd_call *call)
{
    struct etcd_job *job = call->user;
    struct store_etcd *self = job->owner;
    const char *endpoint = etcd_http_endpoint(self->http, call->endpoint);
    struct bytes answer = buf_view(&call->answer);
    uint64_t now_ms = clock_monotonic_ms();
    struct error err = { 0 };

    if (store_etcd_shrink(job) && now_ms < job->request->deadline_ms) {
        store_etcd_start(self, job, now_ms);
        return;
    }
    enum etcd_verdict verdict = etcd_verdict_of(call, endpoint, &err);
    if (verdict == ETCD_VERDICT_OK) {
        if (store_etcd_land(self, job, &err)) {
            return;
        }
        /* A stream's refusal comes with status 200; else it is garbage. */
        struct error refused = { 0 };
        verdict = etcd_verdict_of_body(answer, call->status, endpoint, &refused);
        if (verdict == ETCD_VERDICT_GARBAGE) {
            verdict = etcd_verdict_garbage(answer, call->status, endpoint, &err);
        } else {
            err = refused;
        }
    }
    if (store_etcd_land_refused(self, job, verdict)) {
        return;
    }
    job->unknown = job->unknown || verdict == ETCD_VERDICT_UNKNOWN;
    if (verdict == ETCD_VERDICT_NOTHING || verdict == ETCD_VERDICT_UNKNOWN ||
        verdict == ETCD_VERDICT_GARBAGE) {
        etcd_http_blame(self->http, call);
    }
    bool retry = now_ms < job->request->deadline_ms && store_etcd_may_retry(self, job, verdict);
    if (verdict == ETCD_VERDICT_LOGIN) {
        etcd_login_expire(&self->login, job->generation);
    }
    if (retry && verdict == ETCD_VERDICT_LOGIN) {
        job->logins++;
        job->tries--;
        store_etcd_wait_again(self, job);
    } else if (retry) {
        store_etcd_start(self, job, now_ms);
    } else {
        bool answered = verdict == ETCD_VERDICT_GONE || verdict == ETCD_VERDICT_COMPACTED ||
                        (verdict == ETCD_VERDICT_NO && err.code != ERR_LIMIT);
        store_note_health(self->store, answered);
        store_etcd_leave_slot(self, job);
        store_etcd_fail(self, job, &err);
    }
}

/* ---- the waiting line ---- */

static struct etcd_job *store_etcd_shift(struct store_etcd *self)
{
    struct etcd_job *job = self->waiting;

    self->waiting = job->next;
    if (self->waiting == NULL) {
        self->waiting_end = &self->waiting;
    }
    job->next = NULL;
    return job;
}

static void store_etcd_fail_waiting(struct store_etcd *self, const struct error *err)
{
    while (self->waiting != NULL) {
        struct error own = *err;
        store_etcd_fail(self, store_etcd_shift(self), &own);
    }
}

static void store_etcd_on_login(void *user, const struct error *err)
{
    struct store_etcd *self = user;

    if (err != NULL) {
        store_note_health(self->store, false);
        store_etcd_fail_waiting(self, err);
    }
}

static void store_etcd_pump(struct store_etcd *self, uint64_t now_ms)
{
    while (self->waiting != NULL && self->waiting->request->deadline_ms <= now_ms) {
        struct error err = { 0 };
        error_set(&err, ERR_UNAVAILABLE, "etcd %s was too slow: the request was not sent in time",
                  etcd_http_endpoint(self->http, 0));
        store_note_health(self->store, false);
        store_etcd_fail(self, store_etcd_shift(self), &err);
    }
    while (self->waiting != NULL && self->flying_count < ETCD_REQUESTS_IN_FLIGHT_MAX &&
           etcd_login_check(&self->login)) {
        struct etcd_job *job = store_etcd_shift(self);
        job->slot = self->flying_count;
        self->flying[self->flying_count++] = job;
        store_etcd_start(self, job, now_ms);
    }
}

/* ---- watches ---- */

static void store_etcd_start_watch(struct store_etcd *self, struct store_request *request)
{
    struct etcd_watch *watch = etcd_watch_new(self->http, &self->login, request->watch);

    self->watches = memory_reserve(self->watches, self->watch_count, &self->watch_capacity,
                                   sizeof(struct etcd_watch *));
    self->watches[self->watch_count++] = watch;
    request->watch->state = watch;
    store_answer_watch(self->store, &request);
}

static void store_etcd_stop_watch(struct store_etcd *self, struct store_request *request)
{
    struct etcd_watch *watch = request->watch->state;
    size_t i = 0;

    while (self->watches[i] != watch) {
        i++;
        assert(i < self->watch_count);
    }
    self->watches[i] = self->watches[--self->watch_count];
    etcd_watch_free(&watch);
    store_answer_watch(self->store, &request);
}

/* ---- the backend ---- */

static void store_etcd_take(struct store_etcd *self)
{
    struct store_request *request = store_take(self->store, 0);

    while (request != NULL) {
        struct store_request *next = request->next;
        request->next = NULL;
        if (request->kind == STORE_REQUEST_WATCH_START) {
            store_etcd_start_watch(self, request);
        } else if (request->kind == STORE_REQUEST_WATCH_STOP) {
            store_etcd_stop_watch(self, request);
        } else {
            struct etcd_job *job = etcd_job_new(self, request);
            *self->waiting_end = job;
            self->waiting_end = &job->next;
        }
        request = next;
    }
}

static void store_etcd_run(struct store *store, void *state)
{
    struct store_etcd *self = state;
    const struct error closed = { .code = ERR_UNAVAILABLE, .message = "the store was closed" };

    while (!store_is_stopping(store)) {
        uint64_t now_ms = clock_monotonic_ms();
        store_etcd_take(self);
        store_etcd_pump(self, now_ms);
        uint64_t next_ms = self->waiting == NULL ? UINT64_MAX : self->waiting->request->deadline_ms;
        for (size_t i = 0; i < self->watch_count; i++) {
            uint64_t at_ms = etcd_watch_tick(self->watches[i], now_ms);
            next_ms = at_ms < next_ms ? at_ms : next_ms;
        }
        etcd_http_poll(self->http, next_ms);
    }
    assert(self->watch_count == 0);
    store_etcd_fail_waiting(self, &closed);
    while (self->flying_count > 0) {
        struct etcd_job *job = self->flying[0];
        struct error err = closed;
        job->unknown = job->unknown || job->call.sent;
        etcd_http_cancel(self->http, &job->call);
        store_etcd_leave_slot(self, job);
        store_etcd_fail(self, job, &err);
    }
}

static void store_etcd_wake(void *state)
{
    const struct store_etcd *self = state;

    etcd_http_wake(self->http);
}

static void store_etcd_close(void **state)
{
    struct store_etcd *self = *state;

    if (self == NULL) {
        return;
    }
    etcd_login_release(&self->login);
    etcd_http_free(&self->http);
    free(self->watches);
    free(self);
    *state = NULL;
}

static bool store_etcd_open(struct store *store, const struct store_options *options,
                            const char *address, void **ret_state, struct error *err)
{
    struct store_etcd *self = memory_alloc(sizeof(*self));
    void *state = self;

    self->store = store;
    self->waiting_end = &self->waiting;
    self->request_timeout_ms = options->request_timeout_ms;
    if (!etcd_http_new(options, address, &self->http, err)) {
        store_etcd_close(&state);
        return false;
    }
    etcd_login_init(&self->login, self->http, options, store_etcd_on_login, self);
    *ret_state = self;
    return true;
}

const struct store_backend store_etcd_backend = {
    .scheme = "etcd:",
    .open = store_etcd_open,
    .run = store_etcd_run,
    .wake = store_etcd_wake,
    .close = store_etcd_close,
};
