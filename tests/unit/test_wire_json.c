/* LIBS: skein_wire */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/wire/wire_codec.h"
#include "common/wire/wire_json.h"
#include "skein/v1/operator.pb-c.h"

/* protobuf-c's initialisers cast const away. */
#pragma GCC diagnostic ignored "-Wcast-qual"

static struct wire_method find(const char *name)
{
    struct wire_method method = { 0 };

    assert_true(wire_find_operator_method(name, &method));
    return method;
}

static void every_method_of_the_proto_is_found(void **state)
{
    const ProtobufCServiceDescriptor *service = &skein__v1__operator_service__descriptor;
    struct wire_method method = { 0 };

    (void)state;
    for (unsigned i = 0; i < service->n_methods; i++) {
        char path[256];
        method = find(service->methods[i].name);
        snprintf(path, sizeof(path), "/%s/%s", service->name, service->methods[i].name);
        assert_string_equal(method.path, path);
        assert_ptr_equal(method.input, service->methods[i].input);
        assert_ptr_equal(method.output, service->methods[i].output);
    }
    assert_false(wire_find_operator_method("DropEverything", &method));
}

static void check_json(const char *method_name, const ProtobufCMessage *message,
                       const char *expected)
{
    struct arena arena = { 0 };
    struct error err = { 0 };
    struct wire_method method = find(method_name);
    json_t *json = NULL;

    assert_true(wire_json_decode(&method, wire_codec_pack(message, &arena), &json, &err));
    json_t *wanted = json_loads(expected, 0, NULL);
    assert_non_null(wanted);
    if (!json_equal(json, wanted)) {
        fail_msg("%s", json_dumps(json, JSON_INDENT(1)));
    }
    json_decref(wanted);
    json_decref(json);
    arena_release(&arena);
}

static void a_lock_shows_its_times_as_text(void **state)
{
    Skein__V1__LockTenantResponse response = SKEIN__V1__LOCK_TENANT_RESPONSE__INIT;
    Skein__V1__Lock lock = SKEIN__V1__LOCK__INIT;
    char tenant[] = "eu-1/t_7";

    (void)state;
    check_json("LockTenant", &response.base, "{\"lock\": null}");
    lock.tenant = tenant;
    lock.kind = SKEIN__V1__LOCK_KIND__LOCK_KIND_OPERATOR;
    lock.since_ms = 5;
    lock.expires_at_ms = 1769860800000;
    response.lock = &lock;
    check_json("LockTenant", &response.base,
               "{\"lock\": {\"tenant\": \"eu-1/t_7\", \"owner\": \"\", \"reason\": \"\", "
               "\"rollout\": \"\", \"since_ms\": 5, \"expires_at\": \"2026-01-31T12:00:00Z\", "
               "\"lease_id\": 0, \"id\": \"\", \"kind\": \"operator\"}}");
}

static void labels_are_an_object_and_enums_are_words(void **state)
{
    Skein__V1__ListTenantsResponse page = SKEIN__V1__LIST_TENANTS_RESPONSE__INIT;
    Skein__V1__Tenant tenant = SKEIN__V1__TENANT__INIT;
    Skein__V1__Tenant *tenants[] = { &tenant };
    Skein__V1__Label label = SKEIN__V1__LABEL__INIT;
    Skein__V1__Label *labels[] = { &label };
    char key[] = "region";
    char value[] = "eu";
    char name[] = "t\"7";

    (void)state;
    label.key = key;
    label.value = value;
    tenant.name = name;
    tenant.labels = labels;
    tenant.n_labels = 1;
    tenant.has_objects = 1;
    page.tenants = tenants;
    page.n_tenants = 1;
    check_json("ListTenants", &page.base,
               "{\"tenants\": [{\"tenant\": \"\", \"shard\": \"\", \"name\": \"t\\\"7\", "
               "\"labels\": {\"region\": \"eu\"}, \"versions\": [], \"locked_by\": \"\", "
               "\"has_objects\": true}], \"shards_unknown\": []}");

    Skein__V1__PlanResponse plan = SKEIN__V1__PLAN_RESPONSE__INIT;
    Skein__V1__PlannedTenant planned = SKEIN__V1__PLANNED_TENANT__INIT;
    Skein__V1__PlannedTenant *all[] = { &planned };
    Skein__V1__TaskError error = SKEIN__V1__TASK_ERROR__INIT;
    error.mode = SKEIN__V1__TASK_MODE__TASK_MODE_DRY_RUN;
    error.code = SKEIN__V1__TASK_CODE__TASK_CODE_FUTURE_VERSION;
    planned.error = &error;
    plan.tenants = all;
    plan.n_tenants = 1;
    check_json("Plan", &plan.base,
               "{\"set\": \"\", \"digest\": \"\", \"target\": \"\", \"shards_offline\": [], "
               "\"tenants\": [{\"tenant\": \"\", \"from\": \"\", \"to\": \"\", \"scripts\": [], "
               "\"error\": {\"tenant\": \"\", \"mode\": \"dry_run\", \"code\": \"FUTURE_VERSION\", "
               "\"sqlstate\": \"\", \"message\": \"\", \"detail\": \"\", \"hint\": \"\", "
               "\"file\": \"\", \"statement\": 0, \"line\": 0}}]}");
}

static struct bytes encode(const char *method_name, const char *text, struct arena *arena,
                           struct error *err)
{
    struct wire_method method = find(method_name);
    struct bytes wire = { 0 };
    json_t *json = json_loads(text, 0, NULL);

    assert_non_null(json);
    if (!wire_json_encode(&method, json, arena, &wire, err)) {
        assert_int_not_equal(err->code, ERR_NONE);
    }
    json_decref(json);
    return wire;
}

static void a_request_is_read_from_json(void **state)
{
    struct arena arena = { 0 };
    struct error err = { 0 };
    struct bytes wire = encode("StartRollout",
                               "{\"set\": \"billing\", \"policy\": \"continue\", "
                               "\"max_failures\": 3, \"dry_run_only\": true, \"reason\": null, "
                               "\"lock_timeout_ms\": \"18446744073709551615\", "
                               "\"kind\": \"ROLLOUT_KIND_BASELINE\"}",
                               &arena, &err);
    const Skein__V1__StartRolloutRequest *request =
        wire_codec_unpack(&skein__v1__start_rollout_request__descriptor, wire, &arena, &err);

    (void)state;
    assert_int_equal(err.code, ERR_NONE);
    assert_string_equal(request->set, "billing");
    assert_string_equal(request->reason, "");
    assert_int_equal(request->policy, SKEIN__V1__ROLLOUT_POLICY__ROLLOUT_POLICY_CONTINUE);
    assert_int_equal(request->kind, SKEIN__V1__ROLLOUT_KIND__ROLLOUT_KIND_BASELINE);
    assert_int_equal(request->max_failures, 3);
    assert_true(request->dry_run_only);
    assert_true(request->lock_timeout_ms == UINT64_MAX);
    wire = encode("PublishSet", "{\"chunk\": \"aGVsbG8=\"}", &arena, &err);
    const Skein__V1__PublishSetRequest *publish =
        wire_codec_unpack(&skein__v1__publish_set_request__descriptor, wire, &arena, &err);
    assert_int_equal(publish->chunk.len, 5);
    assert_memory_equal(publish->chunk.data, "hello", 5);
    arena_release(&arena);
}

static void check_refused(const char *method, const char *text, const char *why)
{
    struct arena arena = { 0 };
    struct error err = { 0 };

    encode(method, text, &arena, &err);
    assert_int_equal(err.code, ERR_INVALID);
    assert_string_equal(err.message, why);
    arena_release(&arena);
}

static void a_wrong_field_is_named(void **state)
{
    (void)state;
    check_refused("GetSet", "{\"sett\": \"x\"}", "GetSetRequest: unknown field 'sett'");
    check_refused("GetSet", "{\"set\": 7}", "GetSetRequest: field 'set': expected text");
    check_refused("GetSet", "[]", "GetSetRequest: expected an object");
    check_refused("StartRollout", "{\"policy\": \"sometimes\"}",
                  "StartRolloutRequest: field 'policy': expected one of its names");
    check_refused("StartRollout", "{\"max_failures\": -1}",
                  "StartRolloutRequest: field 'max_failures': expected a whole number, not "
                  "negative, of 32 bits");
    check_refused("PublishSet", "{\"chunk\": \"a*\"}",
                  "PublishSetRequest: field 'chunk': expected base64");
}

/* What is printed can be read again: every type of field, through one message of its own. */
static void what_is_printed_can_be_read_again(void **state)
{
    struct arena arena = { 0 };
    struct error err = { 0 };
    struct wire_method method = find("GetRollout");
    static const char text[] =
        "{\"id\": \"r7\", \"phase\": \"RUNNING\", \"policy\": \"pause\", "
        "\"counts\": {\"total\": 9}, \"errors\": [{\"code\": \"SQL\", \"line\": 3}], "
        "\"started_at\": \"2026-01-31T12:00:00.250Z\", \"finished_at\": null, "
        "\"tasks_per_second\": 2.5, \"left_min_ms\": 18446744073709551, "
        "\"spec\": {\"dry_run_only\": true}, \"skips\": [{\"code\": \"STALE\", \"count\": 2}]}";
    json_t *json = json_loads(text, 0, NULL);
    json_t *printed = NULL;
    struct bytes first;
    struct bytes second;

    (void)state;
    method.input = method.output;
    assert_true(wire_json_encode(&method, json, &arena, &first, &err));
    assert_true(wire_json_decode(&method, first, &printed, &err));
    assert_string_equal(json_string_value(json_object_get(printed, "started_at")),
                        "2026-01-31T12:00:00Z");
    assert_true(json_is_null(json_object_get(printed, "finished_at")));
    json_object_set_new(printed, "started_at", json_string("2026-01-31T12:00:00.25Z"));
    assert_true(wire_json_encode(&method, printed, &arena, &second, &err));
    assert_int_equal(first.size, second.size);
    assert_memory_equal(first.data, second.data, first.size);
    json_decref(json);
    json_decref(printed);
    arena_release(&arena);
}

static void bytes_that_are_no_message_are_refused(void **state)
{
    struct wire_method method = find("ListSets");
    struct error err = { 0 };
    json_t *json = NULL;

    (void)state;
    assert_false(
        wire_json_decode(&method, (struct bytes){ (const uint8_t *)"\x0a\x50", 2 }, &json, &err));
    assert_null(json);
    assert_int_equal(err.code, ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_method_of_the_proto_is_found),
        cmocka_unit_test(a_lock_shows_its_times_as_text),
        cmocka_unit_test(labels_are_an_object_and_enums_are_words),
        cmocka_unit_test(a_request_is_read_from_json),
        cmocka_unit_test(a_wrong_field_is_named),
        cmocka_unit_test(what_is_printed_can_be_read_again),
        cmocka_unit_test(bytes_that_are_no_message_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
