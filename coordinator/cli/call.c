#include "coordinator/cli/call.h"

#include <assert.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "common/core/arena.h"
#include "common/core/clock.h"
#include "common/core/limits.h"
#include "coordinator/cli/output.h"

enum {
    CALL_ATTEMPT_MS = 30000,      /* one try of a call, unless --timeout says less */
    CALL_FIRST_ATTEMPT_MS = 3000, /* the same while other addresses may be better */
    CALL_ROUND_PAUSE_MS = 250,
    /* While coordinators are there and none leads: an election may have to wait for a lease. */
    CALL_ELECTION_MS = LEADER_LEASE_TTL_MS + 2 * FAILOVER_MS,
    CALL_TELL_MS = 2000,
    CALL_LEADER_HOPS_MAX = 4,
};

/* What one call needs, whatever its shape. */
struct call {
    struct wire_method method;
    const struct bytes *requests;
    size_t request_count;
    enum call_repeat repeat;
    json_t *answers; /* array */
    struct error decode_error;
};

bool caller_init(struct caller *caller, const struct option_list *addresses,
                 const struct rpc_tls *tls, bool insecure, uint64_t deadline_ms, struct error *err)
{
    *caller = (struct caller){ .tls = *tls, .insecure = insecure, .deadline_ms = deadline_ms };
    caller->use_tls = tls->ca[0] != '\0' || tls->cert[0] != '\0';
    if (addresses->count == 0 || addresses->count >= CALL_ADDRESSES_MAX) {
        return error_set(err, ERR_INVALID, "--coordinator: from 1 to %d addresses, not %zu",
                         CALL_ADDRESSES_MAX - 1, addresses->count);
    }
    for (size_t i = 0; i < addresses->count; i++) {
        if (strlen(addresses->items[i]) >= RPC_TRAILER_BYTES) {
            return error_set(err, ERR_INVALID, "--coordinator: an address is too long");
        }
        snprintf(caller->addresses[i], RPC_TRAILER_BYTES, "%s", addresses->items[i]);
    }
    caller->address_count = addresses->count;
    return !caller->use_tls || rpc_tls_check(&caller->tls, err);
}

void caller_release(struct caller *caller)
{
    rpc_client_free(&caller->client);
}

void caller_pause(uint64_t milliseconds)
{
    (void)poll(NULL, 0, (int)milliseconds);
}

static const char *caller_address(const struct caller *caller)
{
    return caller->addresses[caller->current];
}

bool caller_connect(struct caller *caller, struct error *err)
{
    const char *address = caller_address(caller);

    if (caller->client != NULL) {
        return true;
    }
    if (strchr(address, ':') == NULL) {
        return error_set(err, ERR_INVALID, "--coordinator: '%s' has no port: expected HOST:PORT",
                         address);
    }
    if (!caller->use_tls && !caller->insecure && !rpc_address_is_loopback(address)) {
        return error_set(err, ERR_INVALID,
                         "%s is another machine: give --tls-ca (and --tls-cert, --tls-key), or "
                         "--insecure to talk in plain text",
                         address);
    }
    return rpc_client_new(address, caller->use_tls ? &caller->tls : NULL, &caller->client, err);
}

static void caller_use(struct caller *caller, size_t index)
{
    if (index != caller->current || caller->client == NULL) {
        rpc_client_free(&caller->client);
        caller->current = index;
        caller->proven = false;
    }
}

/* The last place is kept for a leader whose address nobody gave us. */
static void caller_follow(struct caller *caller, const char *leader)
{
    for (size_t i = 0; i < caller->address_count; i++) {
        if (strcmp(caller->addresses[i], leader) == 0) {
            caller_use(caller, i);
            return;
        }
    }
    if (caller->address_count < CALL_ADDRESSES_MAX) {
        caller->address_count++;
    }
    snprintf(caller->addresses[caller->address_count - 1], RPC_TRAILER_BYTES, "%s", leader);
    rpc_client_free(&caller->client);
    caller->current = caller->address_count - 1;
    caller->proven = false;
}

void caller_move_on(struct caller *caller, const struct rpc_end *end)
{
    if (end->leader[0] != '\0' && strcmp(end->leader, caller_address(caller)) != 0) {
        caller_follow(caller, end->leader);
    } else {
        caller_use(caller, (caller->current + 1) % caller->address_count);
    }
}

static bool call_on_message(void *user, struct bytes message)
{
    struct call *call = user;
    json_t *answer = NULL;

    if (!wire_json_decode(&call->method, message, &answer, &call->decode_error)) {
        return false;
    }
    json_array_append_new(call->answers, answer);
    return true;
}

static bool call_try(struct caller *caller, struct call *call, struct rpc_end *end,
                     struct error *err)
{
    uint64_t now_ms = clock_monotonic_ms();
    uint64_t timeout_ms = CALL_ATTEMPT_MS;

    *end = (struct rpc_end){ .status = RPC_INTERNAL };
    if (!caller_connect(caller, err)) {
        end->status = RPC_INVALID_ARGUMENT;
        return false;
    }
    if (now_ms >= caller->deadline_ms) {
        end->status = RPC_DEADLINE_EXCEEDED;
        return error_set(err, ERR_TIMEOUT, "--timeout has passed");
    }
    if (!caller->proven && caller->address_count > 1) {
        timeout_ms = CALL_FIRST_ATTEMPT_MS;
    }
    if (timeout_ms > caller->deadline_ms - now_ms) {
        timeout_ms = caller->deadline_ms - now_ms;
    }
    json_array_clear(call->answers);
    bool done = rpc_client_stream(caller->client, call->method.path, call->requests,
                                  call->request_count, timeout_ms, call_on_message, call, end, err);
    if (call->decode_error.code != ERR_NONE) {
        *err = call->decode_error;
        end->status = RPC_INTERNAL;
        return error_wrap(err, "the coordinator's answer");
    }
    if (end->status == RPC_DEADLINE_EXCEEDED && !end->sent) {
        end->status = RPC_UNAVAILABLE; /* nobody was there, so no work goes on either */
    }
    caller->proven = caller->proven || done || end->status != RPC_UNAVAILABLE;
    return done;
}

/* Whether trying again can help, and cannot do anything twice. */
static bool call_may_repeat(const struct caller *caller, const struct call *call,
                            const struct rpc_end *end)
{
    const bool nothing_happened = !end->sent || end->refused;

    if (end->status != RPC_UNAVAILABLE &&
        !(end->status == RPC_DEADLINE_EXCEEDED && clock_monotonic_ms() < caller->deadline_ms)) {
        return false;
    }
    return nothing_happened || call->repeat == CALL_REPEATABLE;
}

static bool call_explain(const struct caller *caller, const struct call *call,
                         const struct rpc_end *end, struct error *err)
{
    if (end->status == RPC_DEADLINE_EXCEEDED) {
        return error_set(err, ERR_TIMEOUT, "%s did not answer in time", caller_address(caller));
    }
    if (end->status != RPC_UNAVAILABLE) {
        return false;
    }
    if (end->sent && !end->refused && call->repeat == CALL_ONCE) {
        return error_wrap(err, "the answer of %s was lost, so look before you try again",
                          caller_address(caller));
    }
    if (!end->sent) {
        return error_wrap(err, "no coordinator could be reached%s; --coordinator says where it is",
                          caller->address_count > 1 ? " at any address" : "");
    }
    return error_wrap(err, "%s", caller_address(caller));
}

/* What those who stand by have said. */
struct call_election {
    uint64_t began_ms;
    bool told;
    struct error said;
};

static void call_note_election(struct caller *caller, struct call_election *election,
                               const struct error *err, uint64_t *give_up_ms)
{
    election->said = *err;
    if (caller->deadline_ms == UINT64_MAX) {
        *give_up_ms = election->began_ms + CALL_ELECTION_MS;
    }
    if (!election->told && clock_monotonic_ms() - election->began_ms >= CALL_TELL_MS) {
        election->told = true;
        output_say("waiting for a coordinator that can do it: %s", err->message);
    }
}

/* Of the ends of several tries, what those who were reached have said is what helps. */
static bool call_give_up(const struct caller *caller, const struct call *call,
                         const struct call_election *election, const struct rpc_end *end,
                         struct error *err)
{
    bool nobody = end->status == RPC_DEADLINE_EXCEEDED ||
                  (end->status == RPC_UNAVAILABLE && (!end->sent || end->refused));

    if (nobody && election->said.code != ERR_NONE) {
        *err = election->said;
        return error_wrap(err, "no coordinator could do it");
    }
    return call_explain(caller, call, end, err);
}

static bool call_run(struct caller *caller, struct call *call, struct rpc_end *ret_end,
                     struct error *err)
{
    struct call_election election = { .began_ms = clock_monotonic_ms() };
    uint64_t give_up_ms = election.began_ms + CALL_PATIENCE_MS;
    size_t hops = 0;
    size_t tried = 0;

    if (caller->deadline_ms != UINT64_MAX) {
        give_up_ms = caller->deadline_ms;
    }
    for (;;) {
        if (call_try(caller, call, ret_end, err)) {
            return true;
        }
        if (ret_end->status == RPC_UNAVAILABLE && ret_end->refused) {
            call_note_election(caller, &election, err, &give_up_ms);
        }
        if (!call_may_repeat(caller, call, ret_end) ||
            clock_monotonic_ms() + CALL_ROUND_PAUSE_MS >= give_up_ms) {
            return call_give_up(caller, call, &election, ret_end, err);
        }
        const bool follows = ret_end->leader[0] != '\0' && hops++ < CALL_LEADER_HOPS_MAX;
        caller_move_on(caller, ret_end);
        if (!follows && ++tried % caller->address_count == 0) {
            caller_pause(CALL_ROUND_PAUSE_MS);
        }
    }
}

/* The end of every call: takes the answers out, or frees them. */
static bool call_finish(struct caller *caller, struct call *call, json_t **ret_answers,
                        struct rpc_end *ret_end, struct error *err)
{
    call->answers = json_array();
    if (!call_run(caller, call, ret_end, err)) {
        json_decref(call->answers);
        return false;
    }
    *ret_answers = call->answers;
    return true;
}

static bool call_start(const char *method, const json_t *request, struct arena *arena,
                       struct call *call, struct bytes *wire, struct rpc_end *ret_end,
                       struct error *err)
{
    *ret_end = (struct rpc_end){ .status = RPC_INTERNAL };
    bool known = wire_find_operator_method(method, &call->method);
    assert(known);
    if (request != NULL && !wire_json_encode(&call->method, request, arena, wire, err)) {
        /* The request was made of what the user typed: a number too large, a text too long. */
        ret_end->status = RPC_INVALID_ARGUMENT;
        return false;
    }
    call->requests = wire;
    call->request_count = 1;
    return true;
}

static bool call_take_single(json_t *answers, json_t **ret_response, struct rpc_end *ret_end,
                             struct error *err)
{
    json_t *single = json_array_get(answers, 0);

    if (single == NULL) {
        json_decref(answers);
        ret_end->status = RPC_INTERNAL;
        return error_set(err, ERR_INTERNAL, "the coordinator sent no answer");
    }
    *ret_response = json_incref(single);
    json_decref(answers);
    return true;
}

bool call_unary(struct caller *caller, const char *method, const json_t *request,
                enum call_repeat repeat, json_t **ret_response, struct rpc_end *ret_end,
                struct error *err)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct call call = { .repeat = repeat };
    struct bytes wire = { 0 };
    json_t *answers = NULL;

    return call_start(method, request, &arena, &call, &wire, ret_end, err) &&
           call_finish(caller, &call, &answers, ret_end, err) &&
           call_take_single(answers, ret_response, ret_end, err);
}

bool call_pages(struct caller *caller, const char *method, const json_t *request,
                json_t **ret_pages, struct rpc_end *ret_end, struct error *err)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct call call = { .repeat = CALL_REPEATABLE };
    struct bytes wire = { 0 };

    return call_start(method, request, &arena, &call, &wire, ret_end, err) &&
           call_finish(caller, &call, ret_pages, ret_end, err);
}

bool call_upload(struct caller *caller, const char *method, const struct bytes *requests,
                 size_t request_count, json_t **ret_response, struct rpc_end *ret_end,
                 struct error *err)
{
    struct call call = { .repeat = CALL_REPEATABLE };
    json_t *answers = NULL;

    if (!call_start(method, NULL, NULL, &call, NULL, ret_end, err)) {
        return false;
    }
    call.requests = requests;
    call.request_count = request_count;
    return call_finish(caller, &call, &answers, ret_end, err) &&
           call_take_single(answers, ret_response, ret_end, err);
}
