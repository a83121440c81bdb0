/* LIBS: skein_wire */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/core/limits.h"
#include "common/wire/wire.h"
#include "common/wire/wire_codec.h"
#include "skein/v1/agent.pb-c.h"

/* protobuf-c's initialisers cast const away. */
#pragma GCC diagnostic ignored "-Wcast-qual"

static const struct label labels[] = { { "region", "eu" }, { "tier", "free" } };
static const struct set_version versions[] = { { "billing", "0.4.3", "r7", 42, "r9", 77 } };
static const struct tenant_info tenants[] = {
    { "t_7", { labels, 2 }, versions, 1, true },
};
static const struct task_error task_error = {
    .tenant = "eu-1/t_7",
    .mode = TASK_RUN,
    .code = TASK_CODE_SQL,
    .sqlstate = "23505",
    .message = "duplicate key",
    .detail = "Key (id)=(1) already exists.",
    .hint = "remove it",
    .file = "0.2.0__x.sql",
    .statement = 2,
    .line = 14,
};
static const struct control_call control_call = {
    .number = 7,
    .rollout = "r7",
    .tenant = "t_7",
    .token = 42,
    .mode = TASK_RUN,
    .from = "0.4.2",
    .file = "0.4.3__x/10_tell.sql",
    .down = true,
    .key = "r6",
    .lock_timeout_ms = 2000,
};
static const struct rollout_counts counts = { 9, 8, 7, 6, 5, 4, 3, 2, 1 };

/* A field at its default would hide that it is never encoded. */
static void check_every_field(const ProtobufCMessage *message)
{
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        const char *at = (const char *)message + field->offset;
        const void *quantifier = (const char *)message + field->quantifier_offset;
        uint64_t word = 0;

        if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0 &&
            *(const uint32_t *)quantifier != field->id) {
            continue;
        }
        bool wide = field->type == PROTOBUF_C_TYPE_INT64 || field->type == PROTOBUF_C_TYPE_UINT64 ||
                    field->type == PROTOBUF_C_TYPE_DOUBLE;
        if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            assert_true(*(const size_t *)quantifier > 0);
            if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
                check_every_field((*(ProtobufCMessage *const *const *)(const void *)at)[0]);
            }
        } else if (field->type == PROTOBUF_C_TYPE_STRING) {
            if ((*(char *const *)(const void *)at)[0] == '\0') {
                fail_msg("%s.%s is not encoded", message->descriptor->name, field->name);
            }
        } else if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
            assert_non_null(*(ProtobufCMessage *const *)(const void *)at);
            check_every_field(*(ProtobufCMessage *const *)(const void *)at);
        } else {
            memcpy(&word, at, wide ? 8 : 4);
            if (word == 0) {
                fail_msg("%s.%s is not encoded", message->descriptor->name, field->name);
            }
        }
    }
}

static void check_same(struct bytes a, struct bytes b)
{
    assert_int_equal(a.size, b.size);
    assert_memory_equal(a.data, b.data, a.size);
}

/* Every field travels there and back: encoded in full, and the same again after decoding. */
static void check_agent_message(const struct agent_message *message)
{
    struct arena arena = { 0 };
    struct error err = { 0 };
    struct agent_message decoded;
    struct bytes wire = wire_encode_agent_message(message, &arena);

    check_every_field(wire_codec_unpack(&skein__v1__agent_message__descriptor, wire, &arena, &err));
    if (!wire_decode_agent_message(wire, &arena, &decoded, &err)) {
        fail_msg("%s", err.message);
    }
    assert_int_equal(decoded.kind, message->kind);
    check_same(wire, wire_encode_agent_message(&decoded, &arena));
    arena_release(&arena);
}

static const struct measured_lock measured_lock = { "orders", "ACCESS EXCLUSIVE" };
static const char *const measured_names[] = { "orders", "items" };
static const struct measured_statement measured_statement = {
    "a.sql", 2, 7, 1500, 10, 4096, 1400, &measured_lock, 1, measured_names, 2, measured_names, 1
};
static const struct task_measure task_measure = {
    "eu-1/t_7",          2000, 1400,           1300, "orders", 5000, 11, 1, 2, 3,
    &measured_statement, 1,    measured_names, 2,
};
static const struct task_measure *const worst_measure = &task_measure;

static void what_an_agent_says_arrives_whole(void **state)
{
    const struct running_task running[] = { { "r7", TASK_RUN, "t_7", 42 } };
    const struct task_result results[] = {
        { "r7", TASK_RUN, "t_7", 42, TASK_FAILED, task_error, &task_error, 1, "0.4.3", 77, 3, 5000,
          &task_measure, 99, "ab12" },
    };
    const struct history_entry entries[] = {
        { 1, "billing", "0.4.3", "0.4.3__x", "up", "ab12", "r7", "a1", 42, "done", 1000, 2.5 },
    };
    const char *const removed[] = { "t_8" };
    const char *const lines[] = { "column a.id bigint", "table a" };
    const struct tenant_schema schemas[] = { { "t_7", "ab12", lines, 2, "half" } };
    const struct task_progress progress[] = { { "r7", "t_2", 5, 10, "1 row/s", true } };
    struct agent_message message = { .kind = AGENT_MESSAGE_HELLO };

    (void)state;
    message.hello = (struct agent_hello){
        1, "eu-1", "a1", "0.1.0", { labels, 2 }, 8, 77, running, 1,
    };
    check_agent_message(&message);
    message.kind = AGENT_MESSAGE_HEARTBEAT;
    message.heartbeat = (struct agent_heartbeat){ 5, 6, "the database is away", progress,
                                                  1, 2, "a standby is behind" };
    check_agent_message(&message);
    message.kind = AGENT_MESSAGE_TENANTS;
    message.tenants = (struct tenant_report){ true, true, 3, tenants, 1, removed, 1 };
    check_agent_message(&message);
    message.kind = AGENT_MESSAGE_RESULTS;
    message.results = (struct task_results){ 9, results, 1 };
    check_agent_message(&message);
    message.kind = AGENT_MESSAGE_HISTORY;
    message.history = (struct history_reply){ 4, entries, 1, "partly", true };
    check_agent_message(&message);
    message.kind = AGENT_MESSAGE_LEAVING;
    message.leaving_done = true;
    check_agent_message(&message);
    message.kind = AGENT_MESSAGE_CONTROL_CALL;
    message.control_call = control_call;
    check_agent_message(&message);
    message.kind = AGENT_MESSAGE_CONTROL_DONE;
    message.control_done = (struct control_done){ 7, "eu-1", "after_rollout", task_error };
    check_agent_message(&message);
    message.kind = AGENT_MESSAGE_SCHEMAS;
    message.schemas = (struct schema_reply){ 4, schemas, 1, "partly" };
    check_agent_message(&message);
}

static void check_coordinator_message(const struct coordinator_message *message)
{
    struct arena arena = { 0 };
    struct error err = { 0 };
    struct coordinator_message decoded;
    struct bytes wire = wire_encode_coordinator_message(message, &arena);

    check_every_field(
        wire_codec_unpack(&skein__v1__coordinator_message__descriptor, wire, &arena, &err));
    if (!wire_decode_coordinator_message(wire, &arena, &decoded, &err)) {
        fail_msg("%s", err.message);
    }
    assert_int_equal(decoded.kind, message->kind);
    assert_int_equal(decoded.term, message->term);
    check_same(wire, wire_encode_coordinator_message(&decoded, &arena));
    arena_release(&arena);
}

static void what_the_coordinator_says_arrives_whole(void **state)
{
    const struct task_item tasks[] = { { "t_7", "0.4.2", 77, "0.1.0", 99 } };
    const char *const names[] = { "t_7", "t_8" };
    struct coordinator_message message = { .term = 12, .kind = COORDINATOR_MESSAGE_WELCOME };

    (void)state;
    message.welcome = (struct welcome){ 77, 15000, 3000, true, 4 };
    check_coordinator_message(&message);
    message.kind = COORDINATOR_MESSAGE_STANDBY;
    message.standby_for = "a1";
    check_coordinator_message(&message);
    message.kind = COORDINATOR_MESSAGE_HEARTBEAT_ACK;
    message.sequence = 5;
    check_coordinator_message(&message);
    message.kind = COORDINATOR_MESSAGE_RESULTS_ACK;
    check_coordinator_message(&message);
    message.kind = COORDINATOR_MESSAGE_REFRESH;
    message.refresh = 3;
    check_coordinator_message(&message);
    message.kind = COORDINATOR_MESSAGE_ASSIGN;
    message.assign = (struct task_assignment){ .rollout = "r7",
                                               .mode = TASK_DRY_RUN,
                                               .set = "billing",
                                               .digest = "sha256:ab",
                                               .target = "0.4.3",
                                               .token = 42,
                                               .lock_timeout_ms = 10000,
                                               .tasks = tasks,
                                               .task_count = 1,
                                               .rehearse_rollback = true,
                                               .source = "template",
                                               .from_ledger = "flyway" };
    message.assign.kind = ROLLOUT_CREATE;
    message.assign.labels = (struct labels){ labels, 2 };
    message.assign.force = true;
    message.assign.size_limit_bytes = 1 << 30;
    message.assign.allow_large = true;
    message.assign.patience_ms = 600000;
    message.assign.lock_budget_ms = 2000;
    message.assign.dry_run_step = DRY_RUN_STEP_CLONE;
    check_coordinator_message(&message);
    message.kind = COORDINATOR_MESSAGE_CANCEL;
    message.cancel = (struct task_cancel){ "r7", names, 2 };
    check_coordinator_message(&message);
    message.kind = COORDINATOR_MESSAGE_CONTROL_RUN;
    message.control_run = (struct control_run){ control_call, "eu-1",  "before_rollout", "billing",
                                                "sha256:ab",  "0.4.3", "control" };
    check_coordinator_message(&message);
    message.kind = COORDINATOR_MESSAGE_CONTROL_ANSWER;
    message.control_answer = (struct control_answer){ 7, task_error };
    check_coordinator_message(&message);
    message.kind = COORDINATOR_MESSAGE_HISTORY;
    message.history = (struct history_request){ 4, "t_7", 100, { labels, 2 }, names, 2 };
    check_coordinator_message(&message);
    message.kind = COORDINATOR_MESSAGE_SCHEMAS;
    message.schemas = (struct schema_request){ 4, names, 1, true };
    check_coordinator_message(&message);
}

/* Encodes a record, looks whether every field is set, decodes it, encodes it again. */
#define CHECK_RECORD(name, type, ...)                                                              \
    do {                                                                                           \
        struct arena arena = { 0 };                                                                \
        struct error err = { 0 };                                                                  \
        struct name record = __VA_ARGS__;                                                          \
        struct name decoded;                                                                       \
        struct bytes wire = wire_encode_##name(&record, &arena);                                   \
        check_every_field(                                                                         \
            wire_codec_unpack(&skein__v1__##type##__descriptor, wire, &arena, &err));              \
        if (!wire_decode_##name(wire, &arena, &decoded, &err)) {                                   \
            fail_msg("%s", err.message);                                                           \
        }                                                                                          \
        check_same(wire, wire_encode_##name(&decoded, &arena));                                    \
        arena_release(&arena);                                                                     \
    } while (0)

static void what_the_store_keeps_comes_back_whole(void **state)
{
    const struct dry_run_class classes[] = { { "eu-1/t_7", 12 } };

    (void)state;
    CHECK_RECORD(rollout_spec, rollout_spec,
                 { "r7",
                   ROLLOUT_MIGRATE,
                   "billing",
                   "sha256:ab",
                   "0.4.3",
                   "region=eu",
                   POLICY_CONTINUE,
                   3,
                   5,
                   7,
                   2,
                   true,
                   10000,
                   "cert:ana",
                   "because",
                   1000,
                   true,
                   "0.1.0",
                   true,
                   "eu-1/t_9",
                   true,
                   "goose:t",
                   { labels, 2 },
                   true,
                   1 << 30,
                   true,
                   600000,
                   2000,
                   DRY_RUN_CLASSES });
    CHECK_RECORD(rollout_state, rollout_state,
                 { ROLLOUT_PAUSED,
                   ROLLOUT_RUNNING,
                   1000,
                   2000,
                   "budget",
                   "cert:ana",
                   counts,
                   { [TASK_CODE_TENANT_LOCKED] = 2 },
                   ROLLBACK_LOOKING,
                   "0.2.0__a",
                   { true, true, false, false },
                   2,
                   true,
                   7,
                   classes,
                   1 });
    CHECK_RECORD(shard_progress, shard_progress, { "eu-1", counts, 5, 3, 4, 900, 500 });
    CHECK_RECORD(rollout_measures, rollout_measures,
                 { 3, { 1, 2 }, { 0, 0, 3 }, &worst_measure, 1 });
    CHECK_RECORD(failure_record, failure, { task_error, 1000 });
    CHECK_RECORD(session_record, session, { "eu-1", "a1", 77, 1000, "cert:eu-1" });
    CHECK_RECORD(shard_record, shard, { "eu-1", { labels, 2 }, 100, 1000 });
    CHECK_RECORD(lock_record, lock, { "eu-1/t_7", "ana", "audit", "r7", "abc", 1000, 2000, 77 });
    CHECK_RECORD(set_head, set_head,
                 { "billing", "sha256:ab", "0.4.3", "0.1.0", 1000, "cert:ana", 2, 600000 });
    CHECK_RECORD(audit_event, audit_event,
                 { 1000, "cert:ana", "rollout.start", "r7", "because", "more" });
}

static void a_set_travels_whole(void **state)
{
    const struct set_file files[] = {
        { "skein.yaml", { (const uint8_t *)"name: x\n", 8 } },
        { "0.1.0__a.sql", { (const uint8_t *)"a\0b", 3 } },
        { "0.2.0__empty.sql", { NULL, 0 } },
    };
    struct arena arena = { 0 };
    struct error err = { 0 };
    struct set_file *decoded = NULL;
    size_t count = 0;
    const char *set = NULL;
    const char *digest = NULL;
    struct bytes chunk;

    (void)state;
    struct bytes wire = wire_encode_set_archive(files, 3, &arena);
    assert_true(wire_decode_set_archive(wire, &arena, &decoded, &count, &err));
    assert_int_equal(count, 3);
    assert_string_equal(decoded[1].path, "0.1.0__a.sql");
    assert_int_equal(decoded[1].content.size, 3);
    assert_memory_equal(decoded[1].content.data, "a\0b", 3);
    assert_int_equal(decoded[2].content.size, 0);
    struct bytes request = wire_encode_fetch_set_request("billing", "sha256:ab", &arena);
    assert_true(wire_decode_fetch_set_request(request, &arena, &set, &digest, &err));
    assert_string_equal(set, "billing");
    assert_string_equal(digest, "sha256:ab");
    struct bytes response = wire_encode_fetch_set_response(wire, &arena);
    assert_true(wire_decode_fetch_set_response(response, &arena, &chunk, &err));
    check_same(chunk, wire);
    arena_release(&arena);
}

static void check_refused(const struct agent_message *message, const char *why)
{
    struct arena arena = { 0 };
    struct error err = { 0 };
    struct agent_message decoded;
    struct bytes wire = wire_encode_agent_message(message, &arena);

    assert_false(wire_decode_agent_message(wire, &arena, &decoded, &err));
    assert_int_equal(err.code, ERR_INVALID);
    assert_string_equal(err.message, why);
    arena_release(&arena);
}

static void a_bad_name_is_named(void **state)
{
    struct agent_message message = { .kind = AGENT_MESSAGE_HELLO };
    struct tenant_info list[2] = { tenants[0], tenants[0] };
    char long_name[NAME_BYTES_MAX + 2];

    (void)state;
    memset(long_name, 'x', sizeof(long_name) - 1);
    long_name[sizeof(long_name) - 1] = '\0';
    message.hello = (struct agent_hello){ .shard = "eu/1", .agent = "a1", .version = "" };
    check_refused(&message, "Hello: shard: 'eu/1' holds a '/'");
    message.hello.shard = "";
    check_refused(&message, "Hello: shard: '' is empty, a name is needed");
    message.hello.shard = "eu\n1";
    check_refused(&message, "Hello: shard: 'eu?1' holds a control character");
    message.hello.shard = "eu\xff";
    check_refused(&message, "Hello: shard: 'eu?' is not UTF-8");
    message.hello.shard = long_name;
    check_refused(&message, "Hello: shard: 129 bytes, at most 128 are allowed");
    message.kind = AGENT_MESSAGE_TENANTS;
    list[1].name = "a/b";
    message.tenants = (struct tenant_report){ .tenants = list, .tenant_count = 2 };
    check_refused(&message, "TenantReport: tenants[1].name: 'a/b' holds a '/'");
}

static void a_count_beyond_its_limit_is_refused(void **state)
{
    static struct tenant_info many[TENANTS_PER_MESSAGE_MAX + 1];
    const struct label twice[] = { { "a", "1" }, { "a", "2" } };
    struct agent_message message = { .kind = AGENT_MESSAGE_TENANTS };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(many); i++) {
        many[i].name = "t";
    }
    message.tenants = (struct tenant_report){ .tenants = many, .tenant_count = COUNT_OF(many) };
    check_refused(&message, "TenantReport: tenants: 501, at most 500 are allowed");
    many[0].labels = (struct labels){ twice, 2 };
    message.tenants.tenant_count = 1;
    check_refused(&message, "TenantReport: tenants[0].labels.key: 'a' comes twice");
}

static void labels_are_sorted_on_arrival(void **state)
{
    const struct label mixed[] = { { "tier", "free" }, { "region", "eu" } };
    struct arena arena = { 0 };
    struct error err = { 0 };
    struct shard_record shard = { .name = "eu-1", .labels = { mixed, 2 } };
    struct shard_record decoded;

    (void)state;
    assert_true(
        wire_decode_shard_record(wire_encode_shard_record(&shard, &arena), &arena, &decoded, &err));
    assert_string_equal(decoded.labels.items[0].key, "region");
    assert_string_equal(decoded.labels.items[1].key, "tier");
    arena_release(&arena);
}

static void an_enum_that_is_not_known_is_refused(void **state)
{
    struct arena arena = { 0 };
    struct error err = { 0 };
    struct agent_message decoded;
    Skein__V1__AgentMessage message = SKEIN__V1__AGENT_MESSAGE__INIT;
    Skein__V1__TaskResults results = SKEIN__V1__TASK_RESULTS__INIT;
    Skein__V1__TaskResult result = SKEIN__V1__TASK_RESULT__INIT;
    Skein__V1__TaskResult *items[] = { &result };

    (void)state;
    message.body_case = SKEIN__V1__AGENT_MESSAGE__BODY_RESULTS;
    message.results = &results;
    results.n_results = 1;
    results.results = items;
    result.mode = (Skein__V1__TaskMode)99;
    assert_false(
        wire_decode_agent_message(wire_codec_pack(&message.base, &arena), &arena, &decoded, &err));
    assert_string_equal(err.message,
                        "TaskResults: results[0].mode: 99 is no value that this version knows");
    message.body_case = SKEIN__V1__AGENT_MESSAGE__BODY__NOT_SET;
    assert_false(
        wire_decode_agent_message(wire_codec_pack(&message.base, &arena), &arena, &decoded, &err));
    assert_string_equal(err.message, "AgentMessage: body: none that this version knows is set");
    arena_release(&arena);
}

static void garbage_is_refused(void **state)
{
    static const uint8_t garbage[] = { 0x0a, 0xff, 0xff, 0xff, 0xff, 0x7f, 0x01 };
    struct arena arena = { 0 };
    struct error err = { 0 };
    struct agent_message decoded;
    struct failure_record failure;

    (void)state;
    assert_false(wire_decode_agent_message((struct bytes){ garbage, sizeof(garbage) }, &arena,
                                           &decoded, &err));
    assert_string_equal(err.message, "AgentMessage: these 7 bytes are no such message");
    assert_false(wire_decode_failure_record((struct bytes){ NULL, 0 }, &arena, &failure, &err));
    assert_string_equal(err.message, "Failure: error: is missing");
    arena_release(&arena);
}

static void a_message_of_empty_parts_cannot_take_the_memory(void **state)
{
    enum { PARTS = 500000 };
    static uint8_t inner[2 * PARTS];
    static uint8_t message[2 * PARTS + 8];
    struct arena arena = { 0 };
    struct error err = { 0 };
    struct agent_message decoded;
    size_t size = sizeof(inner);
    size_t at = 0;

    (void)state;
    for (size_t i = 0; i < PARTS; i++) {
        inner[2 * i] = 0x12; /* TaskResults.results, empty */
    }
    message[at++] = 0x22; /* AgentMessage.results */
    for (; size >= 0x80; size >>= 7) {
        message[at++] = (uint8_t)(size | 0x80);
    }
    message[at++] = (uint8_t)size;
    memcpy(message + at, inner, sizeof(inner));
    at += sizeof(inner);
    assert_false(wire_decode_agent_message((struct bytes){ message, at }, &arena, &decoded, &err));
    assert_true(arena.bytes < 30 * at);
    arena_release(&arena);
}

static void free_text_is_repaired_when_it_is_sent(void **state)
{
    static char long_text[2 * ERROR_BYTES_MAX];
    struct arena arena = { 0 };
    struct error err = { 0 };
    struct failure_record failure = { .error = task_error };
    struct failure_record decoded;

    (void)state;
    for (size_t i = 0; i + 2 < sizeof(long_text); i += 2) {
        memcpy(&long_text[i], "\xc3\xa4", 2);
    }
    failure.error.message = long_text;
    failure.error.detail = "caf\xe9 \xed\xa0\x80.";
    struct bytes wire = wire_encode_failure_record(&failure, &arena);
    if (!wire_decode_failure_record(wire, &arena, &decoded, &err)) {
        fail_msg("%s", err.message);
    }
    size_t length = strlen(decoded.error.message);
    assert_true(length <= ERROR_BYTES_MAX);
    assert_true(length > ERROR_BYTES_MAX - 8);
    assert_string_equal(decoded.error.message + length - 3, "...");
    assert_string_equal(decoded.error.detail, "caf? ???.");
    arena_release(&arena);
}

static void a_record_without_its_tenant_is_refused(void **state)
{
    static const char *const bad[] = { "", "eu-1", "/t", "eu-1/", "a/b/c", "eu/t\t" };
    struct arena arena = { 0 };
    struct lock_record decoded;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct error err = { 0 };
        struct lock_record lock = { .tenant = bad[i], .rollout = "", .id = "" };
        assert_false(wire_decode_lock_record(wire_encode_lock_record(&lock, &arena), &arena,
                                             &decoded, &err));
        assert_non_null(strstr(err.message, "Lock: tenant: "));
    }
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_an_agent_says_arrives_whole),
        cmocka_unit_test(what_the_coordinator_says_arrives_whole),
        cmocka_unit_test(what_the_store_keeps_comes_back_whole),
        cmocka_unit_test(a_set_travels_whole),
        cmocka_unit_test(a_bad_name_is_named),
        cmocka_unit_test(a_count_beyond_its_limit_is_refused),
        cmocka_unit_test(labels_are_sorted_on_arrival),
        cmocka_unit_test(an_enum_that_is_not_known_is_refused),
        cmocka_unit_test(garbage_is_refused),
        cmocka_unit_test(a_message_of_empty_parts_cannot_take_the_memory),
        cmocka_unit_test(free_text_is_repaired_when_it_is_sent),
        cmocka_unit_test(a_record_without_its_tenant_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
