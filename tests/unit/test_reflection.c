/* LIBS: coordinator_serve */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/wire/wire_codec.h"
#include "coordinator/serve/descriptor_set.h"
#include "coordinator/serve/reflection.h"
#include "grpc/reflection/v1/reflection.pb-c.h"

typedef Grpc__Reflection__V1__ServerReflectionRequest request_type;
typedef Grpc__Reflection__V1__ServerReflectionResponse response_type;

enum {
    FILE_BY_FILENAME =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_BY_FILENAME,
    SYMBOL =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_SYMBOL,
    EXTENSIONS =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_ALL_EXTENSION_NUMBERS_OF_TYPE,
    LIST = GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_LIST_SERVICES,
    FILES =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_FILE_DESCRIPTOR_RESPONSE,
    SERVICES =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_LIST_SERVICES_RESPONSE,
    NUMBERS =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_ALL_EXTENSION_NUMBERS_RESPONSE,
    REFUSED = GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_ERROR_RESPONSE,
};

struct fixture {
    struct reflection *reflection;
    struct arena arena;
};

static int set_up(void **state)
{
    static struct fixture fixture;

    fixture.reflection = reflection_new();
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    reflection_free(&fixture->reflection);
    arena_release(&fixture->arena);
    return 0;
}

static const response_type *ask(struct fixture *fixture, int kind, const char *text)
{
    request_type request;
    struct error err = { 0 };
    struct bytes wire;

    grpc__reflection__v1__server_reflection_request__init(&request);
    request.message_request_case =
        (Grpc__Reflection__V1__ServerReflectionRequest__MessageRequestCase)kind;
    request.file_by_filename = wire_codec_borrow(text); /* all members of the union are texts */
    assert_true(reflection_answer(fixture->reflection,
                                  wire_codec_pack(&request.base, &fixture->arena), &fixture->arena,
                                  &wire, &err));
    const response_type *response = wire_codec_unpack(
        &grpc__reflection__v1__server_reflection_response__descriptor, wire, &fixture->arena, &err);
    assert_non_null(response);
    assert_int_equal(response->original_request->message_request_case, kind);
    return response;
}

/* The first file's name, by its first field. */
static void check_first_file(const response_type *response, const char *name, size_t count)
{
    assert_int_equal((int)response->message_response_case, FILES);
    assert_int_equal(response->file_descriptor_response->n_file_descriptor_proto, count);
    const ProtobufCBinaryData *file = &response->file_descriptor_response->file_descriptor_proto[0];
    assert_int_equal(file->data[0], 0x0a);
    assert_int_equal(file->data[1], strlen(name));
    assert_memory_equal(file->data + 2, name, strlen(name));
}

static void every_service_is_listed(void **state)
{
    static const char *const names[] = {
        "skein.v1.AgentService",
        "skein.v1.OperatorService",
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
    };
    const response_type *response = ask(*state, LIST, "*");

    assert_int_equal((int)response->message_response_case, SERVICES);
    assert_int_equal(response->list_services_response->n_service, COUNT_OF(names));
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        size_t found = 0;
        for (size_t j = 0; j < COUNT_OF(names); j++) {
            found += strcmp(response->list_services_response->service[j]->name, names[i]) == 0;
        }
        assert_int_equal(found, 1);
    }
}

static void a_file_comes_with_what_it_imports(void **state)
{
    check_first_file(ask(*state, FILE_BY_FILENAME, "skein/v1/model.proto"), "skein/v1/model.proto",
                     1);
    check_first_file(ask(*state, FILE_BY_FILENAME, "skein/v1/operator.proto"),
                     "skein/v1/operator.proto", 3);
}

static void symbols_of_every_kind_are_found(void **state)
{
    check_first_file(ask(*state, SYMBOL, "skein.v1.OperatorService"), "skein/v1/operator.proto", 3);
    check_first_file(ask(*state, SYMBOL, "skein.v1.AgentService.Connect"), "skein/v1/agent.proto",
                     2);
    check_first_file(ask(*state, SYMBOL, "skein.v1.SetArchive.File"), "skein/v1/model.proto", 1);
    check_first_file(ask(*state, SYMBOL, "skein.v1.RolloutPhase"), "skein/v1/model.proto", 1);
    check_first_file(ask(*state, SYMBOL, "grpc.health.v1.HealthCheckResponse.ServingStatus"),
                     "grpc/health/v1/health.proto", 1);
}

static void what_is_not_there_is_refused(void **state)
{
    static const struct {
        int kind;
        const char *text;
        enum rpc_status status;
    } cases[] = {
        { FILE_BY_FILENAME, "skein/v2/model.proto", RPC_NOT_FOUND },
        { SYMBOL, "skein.v1.OperatorService.DropAll", RPC_NOT_FOUND },
        { SYMBOL, "", RPC_NOT_FOUND },
        { EXTENSIONS, "skein.v1.Nothing", RPC_NOT_FOUND },
        { 0, "", RPC_UNIMPLEMENTED },
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const response_type *response = ask(*state, cases[i].kind, cases[i].text);
        assert_int_equal((int)response->message_response_case, REFUSED);
        assert_int_equal(response->error_response->error_code, cases[i].status);
    }
    const response_type *response = ask(*state, EXTENSIONS, "skein.v1.Rollout");
    assert_int_equal((int)response->message_response_case, NUMBERS);
}

static void garbage_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct error err = { 0 };
    struct bytes wire;

    assert_false(reflection_answer(fixture->reflection,
                                   (struct bytes){ (const uint8_t *)"\x0a\x7f", 2 },
                                   &fixture->arena, &wire, &err));
    assert_int_equal(err.code, ERR_INVALID);
}

static void a_broken_descriptor_set_is_refused(void **state)
{
    static const uint8_t cut[] = { 0x0a, 0x05, 0x0a, 0x7f, 'a', 'b', 'c' };
    struct descriptor_set set;
    struct error err = { 0 };

    (void)state;
    assert_false(descriptor_set_read((struct bytes){ cut, sizeof(cut) }, &set, &err));
    assert_false(descriptor_set_read((struct bytes){ cut, 3 }, &set, &err));
    assert_true(descriptor_set_read((struct bytes){ cut, 0 }, &set, &err));
    assert_int_equal(descriptor_set_find_symbol(&set, "a"), DESCRIPTOR_FILES_MAX);
    descriptor_set_release(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_service_is_listed),
        cmocka_unit_test(a_file_comes_with_what_it_imports),
        cmocka_unit_test(symbols_of_every_kind_are_found),
        cmocka_unit_test(what_is_not_there_is_refused),
        cmocka_unit_test(garbage_is_refused),
        cmocka_unit_test(a_broken_descriptor_set_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
