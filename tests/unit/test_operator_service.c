/* LIBS: coordinator_serve */
/* OperatorService over a real connection, answered by a brain that only pretends to be one,
 * over the fleet of fake_fleet.h. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/core/clock.h"
#include "common/core/limits.h"
#include "common/rpc/rpc_client.h"
#include "common/wire/wire.h"
#include "common/wire/wire_json.h"
#include "coordinator/serve/operator_change.h"
#include "coordinator/serve/operator_service.h"
#include "tests/unit/fake_fleet.h"

enum { CALL_TIMEOUT_MS = 20000, TICK_MS = 20 };

/* ---- a brain that says yes ---- */

struct fixture {
    struct mailbox *inbox;
    struct leader_view *leader;
    struct sql_parser *parser;
    struct operator_service *service;
    struct rpc_server *server;
    struct rpc_client *client;
    struct fleet fleet;
    struct arena memory; /* what the fleet remembers */
    pthread_t brain;
    atomic_bool stopped;
    struct rpc_end end; /* of the last call */
    char message[ERROR_MESSAGE_BYTES];
};

static void brain_keep_set(struct fixture *fixture, struct event *event)
{
    struct fleet *fleet = &fixture->fleet;

    if (event->operator.publish_dry_run) {
        return;
    }
    if (fleet->set != NULL) {
        set_release(fleet->set);
        free(fleet->set);
    }
    fleet->set = TAKE(event->operator.set);
    fleet->head = (struct set_head){ .name = fleet->set->name,
                                     .digest = fleet->set->digest,
                                     .latest = fleet->set->latest_text,
                                     .min_version = "",
                                     .published_by = "",
                                     .archive_bytes = event->operator.archive.size };
}

static void brain_on_order(struct fixture *fixture, struct event *event)
{
    static const struct history_entry entry = {
        1, "billing", "0.1.0", "0.1.0__a", "up", "ab", "r7", "a1", 42, "done", 1000, 2.5,
    };
    struct effect effect = { .kind = EFFECT_REPLY, .reply.call = event->operator.call };
    struct operator_request *asked = &event->operator;
    struct fleet *fleet = &fixture->fleet;

    snprintf(fleet->last_actor, sizeof(fleet->last_actor), "%s", asked->actor);
    effect.reply.message = "";
    effect.reply.object = asked->object;
    effect.reply.publish_changed = true;
    effect.reply.history = (struct history_reply){ 1, &entry, 1, "", true };
    if (asked->verb == OPERATOR_PUBLISH) {
        brain_keep_set(fixture, event);
    } else if (asked->verb == OPERATOR_START) {
        snprintf(fleet->id, sizeof(fleet->id), "%s", asked->spec.id);
        fleet->spec = (struct rollout_spec){ .id = fleet->id,
                                             .set = "billing",
                                             .digest = "sha256:ab",
                                             .target = "0.1.0",
                                             .selector = "",
                                             .policy = asked->spec.policy,
                                             .max_failures = asked->spec.max_failures };
        atomic_store(&fleet->phase, ROLLOUT_RUNNING);
    } else if (asked->verb == OPERATOR_LOCK) {
        effect.reply.lock = fleet->lock = (struct lock_record){
            .tenant = arena_strdup(&fixture->memory, asked->object),
            .owner = arena_strdup(&fixture->memory, asked->lock_owner),
            .reason = arena_strdup(&fixture->memory, asked->reason),
            .rollout = "",
            .expires_at_ms = (int64_t)asked->lock_ttl_ms,
            .id = "",
        };
    } else if (asked->verb == OPERATOR_ABORT) {
        effect.reply.code = ERR_REFUSED;
        effect.reply.message = "the rollout has ended: there is nothing to abort";
    }
    atomic_fetch_add(&fleet->orders, 1);
    if (!atomic_load(&fleet->silent)) {
        operator_service_reply(fixture->service, &effect, fleet, event->now_ms);
    }
}

static void *brain_run(void *arg)
{
    struct fixture *fixture = arg;

    while (!atomic_load(&fixture->stopped)) {
        void *message = NULL;
        uint64_t now_ms = clock_monotonic_ms();
        if (mailbox_take(fixture->inbox, &message, 1, now_ms + TICK_MS) == 1) {
            struct event *event = message;
            if (event->type == EVENT_QUERY) {
                operator_service_query(fixture->service, event, &fixture->fleet);
            } else if (event->type == EVENT_OPERATOR) {
                brain_on_order(fixture, event);
            }
            event_free(&event);
        }
        operator_service_tick(fixture->service, &fixture->fleet, clock_monotonic_ms());
    }
    return NULL;
}

static void discard(void *message)
{
    struct event *event = message;

    event_free(&event);
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    struct rpc_method methods[OPERATOR_SERVICE_METHODS_MAX];
    struct error err = { 0 };
    char address[64];

    fixture->inbox = mailbox_new(256, discard);
    fixture->leader = leader_view_new();
    leader_view_set(fixture->leader, true, "here:1");
    fixture->parser = sql_parser_new();
    fixture->service = operator_service_new(fixture->inbox, fixture->leader, fixture->parser);
    atomic_store(&fixture->fleet.leading, true);
    const struct rpc_server_options options = {
        .listen = "127.0.0.1:0",
        .methods = methods,
        .method_count = operator_service_methods(fixture->service, methods),
    };
    assert_true(rpc_server_start(&options, &fixture->server, &err));
    snprintf(address, sizeof(address), "127.0.0.1:%d", rpc_server_port(fixture->server));
    assert_true(rpc_client_new(address, NULL, &fixture->client, &err));
    pthread_create(&fixture->brain, NULL, brain_run, fixture);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    rpc_client_free(&fixture->client);
    atomic_store(&fixture->stopped, true);
    pthread_join(fixture->brain, NULL);
    mailbox_close(fixture->inbox);
    rpc_server_stop(fixture->server, 0);
    rpc_server_free(&fixture->server);
    operator_service_free(&fixture->service);
    leader_view_free(&fixture->leader);
    sql_parser_free(&fixture->parser);
    mailbox_free(&fixture->inbox);
    if (fixture->fleet.set != NULL) {
        set_release(fixture->fleet.set);
        free(fixture->fleet.set);
    }
    arena_release(&fixture->memory);
    free(fixture);
    return 0;
}

/* What the brain left when it answered the last order. */
static const struct fleet *settled(struct fixture *fixture)
{
    atomic_load(&fixture->fleet.orders);
    return &fixture->fleet;
}

/* ---- calls ---- */

struct answers {
    const struct wire_method *method;
    json_t *list;
    size_t max; /* then the call is given up; 0: never */
    struct fixture *fixture;
};

static bool keep_answer(void *user, struct bytes message)
{
    struct answers *answers = user;
    struct error err = { 0 };
    json_t *json = NULL;

    assert_true(wire_json_decode(answers->method, message, &json, &err));
    json_array_append_new(answers->list, json);
    if (strstr(answers->method->path, "/WatchRollout") != NULL) {
        /* Make the next thing happen. */
        atomic_store(&answers->fixture->fleet.phase,
                     json_array_size(answers->list) == 1 ? ROLLOUT_PAUSED : ROLLOUT_SUCCEEDED);
        atomic_fetch_add(&answers->fixture->fleet.change, 1);
    }
    return answers->max == 0 || json_array_size(answers->list) < answers->max;
}

/* All answers of a call as a list, or NULL with fixture->message and fixture->end. */
static json_t *call_wire(struct fixture *fixture, const char *name, const struct bytes *requests,
                         size_t count, size_t max, uint64_t timeout_ms)
{
    struct wire_method method = { 0 };
    struct error err = { 0 };

    assert_true(wire_find_operator_method(name, &method));
    struct answers answers = { &method, json_array(), max, fixture };
    if (rpc_client_stream(fixture->client, method.path, requests, count, timeout_ms, keep_answer,
                          &answers, &fixture->end, &err)) {
        return answers.list;
    }
    snprintf(fixture->message, sizeof(fixture->message), "%s", err.message);
    json_decref(answers.list);
    return NULL;
}

static json_t *call(struct fixture *fixture, const char *name, const char *text)
{
    struct arena arena = { 0 };
    struct wire_method method = { 0 };
    struct error err = { 0 };
    struct bytes wire;
    json_t *request = json_loads(text, 0, NULL);

    assert_non_null(request);
    assert_true(wire_find_operator_method(name, &method));
    if (!wire_json_encode(&method, request, &arena, &wire, &err)) {
        fail_msg("%s", err.message);
    }
    json_t *answers = call_wire(fixture, name, &wire, 1, 0, CALL_TIMEOUT_MS);
    json_decref(request);
    arena_release(&arena);
    return answers;
}

/* The one answer of a unary call, borrowed from *ret_answers. */
static json_t *call_one(struct fixture *fixture, const char *name, const char *text,
                        json_t **ret_answers)
{
    *ret_answers = call(fixture, name, text);
    if (*ret_answers == NULL) {
        fail_msg("%s: %s", name, fixture->message);
    }
    assert_int_equal(json_array_size(*ret_answers), 1);
    return json_array_get(*ret_answers, 0);
}

static void check_text(const json_t *object, const char *key, const char *value)
{
    assert_string_equal(json_string_value(json_object_get(object, key)), value);
}

static void check_refused(struct fixture *fixture, const char *name, const char *text,
                          enum rpc_status status, const char *message)
{
    assert_null(call(fixture, name, text));
    assert_string_equal(fixture->message, message);
    assert_int_equal(fixture->end.status, status);
}

static json_t *publish(struct fixture *fixture, const char *script, bool dry_run)
{
    const struct set_file files[] = {
        { "skein.yaml", bytes_of_text("name: billing\n") },
        { "0.1.0__a.sql", bytes_of_text(script) },
    };
    struct arena arena = { 0 };
    struct bytes archive = wire_encode_set_archive(files, 2, &arena);
    struct bytes half = { archive.data, archive.size / 2 };
    struct bytes rest = { archive.data + half.size, archive.size - half.size };
    const struct bytes requests[] = {
        wire_encode_publish_set_request(half, dry_run, "because", &arena),
        wire_encode_publish_set_request(rest, false, "", &arena),
    };
    json_t *answers = call_wire(fixture, "PublishSet", requests, 2, 0, CALL_TIMEOUT_MS);
    arena_release(&arena);
    return answers;
}

/* ---- tests ---- */

static void one_that_does_not_lead_names_the_leader(void **state)
{
    struct fixture *fixture = *state;

    leader_view_set(fixture->leader, false, "there:7443");
    check_refused(fixture, "ListSets", "{}", RPC_UNAVAILABLE,
                  "this coordinator does not lead: ask there:7443");
    assert_true(fixture->end.refused && strcmp(fixture->end.leader, "there:7443") == 0);
    leader_view_set(fixture->leader, false, "");
    check_refused(fixture, "PauseRollout", "{\"id\": \"r7\"}", RPC_UNAVAILABLE,
                  "this coordinator does not lead: try again in a few seconds");
    assert_string_equal(fixture->end.leader, "");
}

static void a_set_is_published_and_shown(void **state)
{
    struct fixture *fixture = *state;
    json_t *answers = publish(fixture, "CREATE TABLE a (b int);", true);
    json_t *answer = json_array_get(answers, 0);

    check_text(answer, "set", "billing");
    check_text(answer, "latest", "0.1.0");
    assert_int_equal(json_integer_value(json_object_get(answer, "migrations")), 1);
    json_decref(answers);
    check_refused(fixture, "GetSet", "{\"set\": \"billing\"}", RPC_NOT_FOUND,
                  "no set 'billing' is published: `skein set list` shows those that are");
    json_decref(publish(fixture, "CREATE TABLE a (b int);", false));
    answer = call_one(fixture, "GetSet", "{\"set\": \"billing\"}", &answers);
    check_text(json_object_get(answer, "head"), "latest", "0.1.0");
    const json_t *migration = json_array_get(json_object_get(answer, "migrations"), 0);
    check_text(json_array_get(json_object_get(migration, "operations"), 0), "path", "0.1.0__a.sql");
    json_decref(answers);
    answer = call_one(fixture, "ListSets", "{}", &answers);
    assert_int_equal(json_array_size(json_object_get(answer, "sets")), 1);
    json_decref(answers);
    assert_non_null(strstr(settled(fixture)->last_actor, "127.0.0.1"));
}

static void a_set_that_cannot_run_is_refused_with_its_line(void **state)
{
    static const struct {
        const char *script;
        const char *begin;
    } cases[] = {
        { "SELECT 1;\nCOMMIT;", "TRANSACTION_CONTROL: 0.1.0__a.sql:2: " },
        { "SELEC 1;", "LINT: 0.1.0__a.sql:1: " },
        { "-- skein:transaction none\nDISCARD ALL;", "LINT: 0.1.0__a.sql:2: a statement on" },
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_null(publish(fixture, cases[i].script, false));
        assert_int_equal(fixture->end.status, RPC_INVALID_ARGUMENT);
        if (strncmp(fixture->message, cases[i].begin, strlen(cases[i].begin)) != 0) {
            fail_msg("%s", fixture->message);
        }
    }
    assert_int_equal(atomic_load(&fixture->fleet.orders), 0);
    assert_null(call_wire(fixture, "PublishSet", NULL, 0, 0, CALL_TIMEOUT_MS));
    assert_string_equal(fixture->message, "PublishSet wants the set's archive, in chunks");
}

static void many_tenants_come_in_pages(void **state)
{
    struct fixture *fixture = *state;
    char expected[32];
    size_t seen = 0;

    atomic_store(&fixture->fleet.tenant_count, 70250);
    json_t *answers = call(fixture, "ListTenants", "{\"selector\": \"shard=eu-*\"}");
    assert_int_equal(json_array_size(answers), 141);
    for (size_t i = 0; i < json_array_size(answers); i++) {
        const json_t *page = json_object_get(json_array_get(answers, i), "tenants");
        for (size_t j = 0; j < json_array_size(page); j++) {
            snprintf(expected, sizeof(expected), "eu-1/t_%06zu", seen++);
            check_text(json_array_get(page, j), "tenant", expected);
        }
    }
    assert_int_equal(seen, 70250);
    json_decref(answers);
    answers = call(fixture, "ListTenants", "{\"selector\": \"tenant=nobody\"}");
    assert_int_equal(json_array_size(answers), 1);
    json_decref(answers);
    assert_null(call(fixture, "ListTenants", "{\"selector\": \"=\"}"));
    assert_int_equal(fixture->end.status, RPC_INVALID_ARGUMENT);
}

static void a_plan_says_what_it_does_not_know(void **state)
{
    struct fixture *fixture = *state;
    json_t *answers = NULL;

    atomic_store(&fixture->fleet.tenant_count, 2);
    json_decref(publish(fixture, "CREATE TABLE a (b int);", false));
    json_t *answer = call_one(fixture, "Plan", "{\"set\": \"billing\"}", &answers);
    check_text(answer, "target", "0.1.0");
    const json_t *tenants = json_object_get(answer, "tenants");
    assert_int_equal(json_array_size(tenants), 2);
    check_text(json_array_get(tenants, 1), "tenant", "eu-1/t_000001");
    const json_t *scripts = json_object_get(json_array_get(tenants, 1), "scripts");
    assert_string_equal(json_string_value(json_array_get(scripts, 0)), "0.1.0__a");
    const json_t *offline = json_object_get(answer, "shards_offline");
    assert_int_equal(json_array_size(offline), 1);
    assert_string_equal(json_string_value(json_array_get(offline, 0)), "eu-2");
    json_decref(answers);
    assert_null(call(fixture, "Plan", "{\"set\": \"billing\", \"target\": \"9.0.0\"}"));
    assert_int_equal(fixture->end.status, RPC_FAILED_PRECONDITION);
}

static void a_rollout_is_started_once_per_key(void **state)
{
    struct fixture *fixture = *state;
    json_t *answers = NULL;
    char first[64];

    json_t *answer = call_one(fixture, "StartRollout",
                              "{\"set\": \"billing\", \"policy\": \"continue\", "
                              "\"max_failures\": 3, \"idempotency_key\": \"k-1\"}",
                              &answers);
    snprintf(first, sizeof(first), "%s", json_string_value(json_object_get(answer, "id")));
    assert_int_equal(strlen(first), 8);
    check_text(answer, "policy", "continue");
    check_text(answer, "waiting_for", "agent-offline(eu-2)");
    assert_int_equal(json_array_size(json_object_get(answer, "errors")), 2);
    assert_int_equal(json_array_size(json_object_get(answer, "shards")), 1);
    json_decref(answers);
    answer = call_one(fixture, "StartRollout",
                      "{\"set\": \"billing\", \"idempotency_key\": \"k-1\"}", &answers);
    check_text(answer, "id", first);
    check_text(answer, "policy", "pause");
    json_decref(answers);
    answer = call_one(fixture, "StartRollout", "{\"set\": \"billing\"}", &answers);
    assert_string_not_equal(json_string_value(json_object_get(answer, "id")), first);
    json_decref(answers);
    answer = call_one(fixture, "ListRollouts", "{}", &answers);
    const json_t *listed = json_array_get(json_object_get(answer, "rollouts"), 0);
    assert_int_equal(json_array_size(json_object_get(listed, "errors")), 0);
    json_decref(answers);
    char request[64];
    snprintf(request, sizeof(request), "{\"id\": \"%.4s\", \"errors_max\": 1}",
             settled(fixture)->id);
    answer = call_one(fixture, "GetRollout", request, &answers);
    check_text(answer, "id", settled(fixture)->id);
    assert_int_equal(json_array_size(json_object_get(answer, "errors")), 1);
    json_decref(answers);
}

static void a_bad_request_is_refused_in_one_sentence(void **state)
{
    struct fixture *fixture = *state;

    check_refused(fixture, "StartRollout", "{\"set\": \"x\", \"max_failures_percent\": 101}",
                  RPC_INVALID_ARGUMENT, "max_failures_percent: 101, at most 100 is allowed");
    check_refused(fixture, "StartRollout", "{\"set\": \"\"}", RPC_INVALID_ARGUMENT,
                  "StartRolloutRequest: set: '' is empty, a name is needed");
    check_refused(fixture, "LockTenant", "{\"tenant\": \"t_7\"}", RPC_INVALID_ARGUMENT,
                  "LockTenantRequest: tenant: 't_7' is no tenant, shard/name is needed");
    check_refused(fixture, "GetTenantHistory", "{\"tenant\": \"eu-1/t_7\", \"limit\": 1001}",
                  RPC_INVALID_ARGUMENT,
                  "GetTenantHistoryRequest: limit: 1001, at most 1000 are allowed");
    check_refused(fixture, "GetRollout", "{\"id\": \"zz\"}", RPC_NOT_FOUND, "no rollout 'zz'");
    assert_int_equal(atomic_load(&fixture->fleet.orders), 0);
    check_refused(fixture, "AbortRollout", "{\"id\": \"zz\"}", RPC_FAILED_PRECONDITION,
                  "the rollout has ended: there is nothing to abort");
    assert_null(call_wire(fixture, "ListSets", NULL, 0, 0, CALL_TIMEOUT_MS));
    assert_string_equal(fixture->message, "the call ended without a request");
}

static void tenants_and_shards_are_looked_after(void **state)
{
    struct fixture *fixture = *state;
    json_t *answers = NULL;

    json_t *answer =
        call_one(fixture, "LockTenant", "{\"tenant\": \"eu-1/t_7\", \"owner\": \"ana\"}", &answers);
    check_text(json_object_get(answer, "lock"), "owner", "ana");
    check_text(json_object_get(answer, "lock"), "expires_at", "1970-01-01T01:00:00Z");
    json_decref(answers);
    answer = call_one(fixture, "ListLocks", "{}", &answers);
    check_text(json_array_get(json_object_get(answer, "locks"), 0), "owner", "ana");
    assert_int_equal(json_integer_value(json_object_get(answer, "total")), 2);
    json_decref(answers);
    call_one(fixture, "UnlockTenant", "{\"tenant\": \"eu-1/t_7\"}", &answers);
    json_decref(answers);
    answer = call_one(fixture, "GetTenantHistory", "{\"tenant\": \"eu-1/t_7\"}", &answers);
    check_text(json_array_get(json_object_get(answer, "entries"), 0), "script", "0.1.0__a");
    json_decref(answers);
    answer = call_one(fixture, "ListShards", "{}", &answers);
    check_text(json_array_get(json_object_get(answer, "shards"), 1), "state", "offline");
    json_decref(answers);
    call_one(fixture, "ForgetShard", "{\"name\": \"eu-2\"}", &answers);
    json_decref(answers);
    answer = call_one(fixture, "ListEvents", "{\"limit\": 2}", &answers);
    assert_int_equal(json_array_size(json_object_get(answer, "events")), 2);
    json_decref(answers);
}

static void a_watcher_sees_changes_until_the_end(void **state)
{
    struct fixture *fixture = *state;

    json_decref(call(fixture, "StartRollout", "{\"set\": \"billing\"}"));
    char request[64];
    snprintf(request, sizeof(request), "{\"id\": \"%s\"}", settled(fixture)->id);
    json_t *answers = call(fixture, "WatchRollout", request);
    assert_int_equal(json_array_size(answers), 3);
    check_text(json_array_get(answers, 0), "phase", "RUNNING");
    check_text(json_array_get(answers, 1), "phase", "PAUSED");
    check_text(json_array_get(answers, 2), "phase", "SUCCEEDED");
    json_decref(answers);
    assert_int_equal(fixture->end.status, RPC_OK);
}

static void nobody_minds_a_caller_that_left(void **state)
{
    struct fixture *fixture = *state;

    atomic_store(&fixture->fleet.silent, true);
    assert_null(call_wire(fixture, "PauseRollout",
                          &(struct bytes){ (const uint8_t *)"\x0a\x01r", 3 }, 1, 0, 300));
    assert_int_equal(fixture->end.status, RPC_DEADLINE_EXCEEDED);
    struct effect late = { .kind = EFFECT_REPLY, .reply = { .call = 1, .object = "" } };
    operator_service_reply(fixture->service, &late, &fixture->fleet, 0);
    /* A watcher that leaves after the first answer. */
    atomic_store(&fixture->fleet.silent, false);
    json_decref(call(fixture, "StartRollout", "{\"set\": \"billing\"}"));
    char id[16];
    snprintf(id, sizeof(id), "\x0a\x08%.8s", settled(fixture)->id);
    json_t *answers = call_wire(fixture, "WatchRollout", &(struct bytes){ (const uint8_t *)id, 10 },
                                1, 1, CALL_TIMEOUT_MS);
    assert_int_equal(json_array_size(answers), 1);
    json_decref(answers);
}

static void *close_soon(void *arg)
{
    struct fixture *fixture = arg;

    while (atomic_load(&fixture->fleet.orders) == 0) {
        sched_yield();
    }
    leader_view_set(fixture->leader, false, "there:7443");
    operator_service_close_all(fixture->service, "this coordinator does not lead any more");
    return NULL;
}

static void losing_leadership_ends_every_call(void **state)
{
    struct fixture *fixture = *state;
    pthread_t thread;

    atomic_store(&fixture->fleet.silent, true);
    pthread_create(&thread, NULL, close_soon, fixture);
    check_refused(fixture, "RetryRollout", "{\"id\": \"r7\"}", RPC_UNAVAILABLE,
                  "this coordinator does not lead any more: ask there:7443");
    assert_string_equal(fixture->end.leader, "there:7443");
    assert_false(fixture->end.refused); /* it may have been done */
    pthread_join(thread, NULL);
}

static void an_id_follows_from_its_key(void **state)
{
    char a[ROLLOUT_ID_BYTES];
    char b[ROLLOUT_ID_BYTES];
    struct error err = { 0 };

    (void)state;
    assert_true(operator_change_make_id("abc", a, &err));
    assert_string_equal(a, "xj4bnp4p"); /* the first 40 bits of SHA-256("abc"), ba7816bf8f */
    assert_true(operator_change_make_id("", a, &err));
    assert_true(operator_change_make_id("", b, &err));
    assert_string_not_equal(a, b);
    assert_int_equal(strspn(a, "abcdefghijklmnopqrstuvwxyz234567"), 8);
}

#define WITH_SERVICE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVICE(one_that_does_not_lead_names_the_leader),
        WITH_SERVICE(a_set_is_published_and_shown),
        WITH_SERVICE(a_set_that_cannot_run_is_refused_with_its_line),
        WITH_SERVICE(many_tenants_come_in_pages),
        WITH_SERVICE(a_plan_says_what_it_does_not_know),
        WITH_SERVICE(a_rollout_is_started_once_per_key),
        WITH_SERVICE(a_bad_request_is_refused_in_one_sentence),
        WITH_SERVICE(tenants_and_shards_are_looked_after),
        WITH_SERVICE(a_watcher_sees_changes_until_the_end),
        WITH_SERVICE(nobody_minds_a_caller_that_left),
        WITH_SERVICE(losing_leadership_ends_every_call),
        cmocka_unit_test(an_id_follows_from_its_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
