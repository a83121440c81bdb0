#include "coordinator/serve/reflection.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/memory.h"
#include "common/wire/wire_codec.h"
#include "coordinator/serve/descriptor_set.h"
#include "coordinator/serve/serve_reply.h"
#include "grpc/reflection/v1/reflection.pb-c.h"

extern const unsigned char skein_descriptors[];
extern const size_t skein_descriptors_size;

/* Both versions of the protocol have the same fields with the same numbers, so v1's types serve
 * both; only the path differs. */
typedef Grpc__Reflection__V1__ServerReflectionRequest reflection_request;
typedef Grpc__Reflection__V1__ServerReflectionResponse reflection_response;

/* The generated names of these are longer than a line. */
enum {
    REFLECTION_FILE =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_BY_FILENAME,
    REFLECTION_SYMBOL =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_SYMBOL,
    REFLECTION_EXTENSION =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_EXTENSION,
    REFLECTION_EXTENSIONS_OF_TYPE =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_ALL_EXTENSION_NUMBERS_OF_TYPE,
    REFLECTION_LIST_SERVICES =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_LIST_SERVICES,
};

struct reflection {
    struct descriptor_set set;
};

struct reflection *reflection_new(void)
{
    struct reflection *reflection = memory_alloc(sizeof(*reflection));
    struct error err = { 0 };
    bool ok = descriptor_set_read((struct bytes){ skein_descriptors, skein_descriptors_size },
                                  &reflection->set, &err);

    assert(ok); /* the build made these bytes */
    (void)ok;
    return reflection;
}

void reflection_free(struct reflection **pointer)
{
    struct reflection *reflection = *pointer;

    if (reflection == NULL) {
        return;
    }
    descriptor_set_release(&reflection->set);
    free(reflection);
    *pointer = NULL;
}

static void reflection_refuse(reflection_response *response, struct arena *arena,
                              enum rpc_status status, const char *message)
{
    Grpc__Reflection__V1__ErrorResponse *error =
        wire_codec_new(&grpc__reflection__v1__error_response__descriptor, arena);

    error->error_code = (int32_t)status;
    error->error_message = wire_codec_borrow(message);
    response->message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_ERROR_RESPONSE;
    response->error_response = error;
}

/* The file and all that it imports: a client that knows nothing yet can build its types at once. */
static void reflection_give_file(const struct descriptor_set *set, size_t file,
                                 reflection_response *response, struct arena *arena)
{
    size_t files[DESCRIPTOR_FILES_MAX];
    Grpc__Reflection__V1__FileDescriptorResponse *answer =
        wire_codec_new(&grpc__reflection__v1__file_descriptor_response__descriptor, arena);

    answer->n_file_descriptor_proto = descriptor_set_closure(set, file, files);
    answer->file_descriptor_proto =
        arena_alloc_array(arena, answer->n_file_descriptor_proto, sizeof(ProtobufCBinaryData));
    for (size_t i = 0; i < answer->n_file_descriptor_proto; i++) {
        struct bytes bytes = set->files[files[i]].bytes;
        answer->file_descriptor_proto[i] =
            (ProtobufCBinaryData){ bytes.size, (uint8_t *)(uintptr_t)bytes.data };
    }
    response->message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_FILE_DESCRIPTOR_RESPONSE;
    response->file_descriptor_response = answer;
}

static void reflection_give_services(const struct descriptor_set *set,
                                     reflection_response *response, struct arena *arena)
{
    Grpc__Reflection__V1__ListServiceResponse *answer =
        wire_codec_new(&grpc__reflection__v1__list_service_response__descriptor, arena);

    answer->n_service = set->service_count;
    answer->service = arena_alloc_array(arena, set->service_count,
                                        sizeof(Grpc__Reflection__V1__ServiceResponse *));
    for (size_t i = 0; i < set->service_count; i++) {
        answer->service[i] =
            wire_codec_new(&grpc__reflection__v1__service_response__descriptor, arena);
        answer->service[i]->name = wire_codec_borrow(set->services[i]);
    }
    response->message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_LIST_SERVICES_RESPONSE;
    response->list_services_response = answer;
}

/* proto3 has no extensions, so no message of ours has any: an empty list for a message that is
 * known. */
static void reflection_give_extensions(const struct descriptor_set *set, char *type,
                                       reflection_response *response, struct arena *arena)
{
    if (descriptor_set_find_symbol(set, type) == DESCRIPTOR_FILES_MAX) {
        reflection_refuse(response, arena, RPC_NOT_FOUND, "no such message is served here");
        return;
    }
    Grpc__Reflection__V1__ExtensionNumberResponse *answer =
        wire_codec_new(&grpc__reflection__v1__extension_number_response__descriptor, arena);
    answer->base_type_name = type;
    response->message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_ALL_EXTENSION_NUMBERS_RESPONSE;
    response->all_extension_numbers_response = answer;
}

static void reflection_fill(const struct descriptor_set *set, const reflection_request *request,
                            reflection_response *response, struct arena *arena)
{
    const int asked = (int)request->message_request_case;
    size_t file = DESCRIPTOR_FILES_MAX;

    if (asked == REFLECTION_LIST_SERVICES) {
        reflection_give_services(set, response, arena);
        return;
    }
    if (asked == REFLECTION_EXTENSIONS_OF_TYPE) {
        reflection_give_extensions(set, request->all_extension_numbers_of_type, response, arena);
        return;
    }
    if (asked == REFLECTION_FILE) {
        file = descriptor_set_find_file(set, request->file_by_filename);
    } else if (asked == REFLECTION_SYMBOL) {
        file = descriptor_set_find_symbol(set, request->file_containing_symbol);
    } else if (asked != REFLECTION_EXTENSION) { /* of which there is none */
        reflection_refuse(response, arena, RPC_UNIMPLEMENTED, "this kind of request is not known");
        return;
    }
    if (file == DESCRIPTOR_FILES_MAX) {
        reflection_refuse(response, arena, RPC_NOT_FOUND, "no file here holds that");
    } else {
        reflection_give_file(set, file, response, arena);
    }
}

bool reflection_answer(const struct reflection *reflection, struct bytes request,
                       struct arena *arena, struct bytes *ret_response, struct error *err)
{
    reflection_response response;
    reflection_request *asked = wire_codec_unpack(
        &grpc__reflection__v1__server_reflection_request__descriptor, request, arena, err);

    if (asked == NULL) {
        return false;
    }
    grpc__reflection__v1__server_reflection_response__init(&response);
    response.valid_host = asked->host;
    response.original_request = asked;
    reflection_fill(&reflection->set, asked, &response, arena);
    *ret_response = wire_codec_pack(&response.base, arena);
    return true;
}

/* ---- handlers: a call keeps no state, so the reflection is the user pointer ---- */

static void *reflection_on_open(void *context, struct rpc_call *call)
{
    (void)call;
    return context;
}

static void reflection_on_message(void *user, struct rpc_call *call, struct bytes message)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct error err = { 0 };
    struct bytes response;

    if (reflection_answer(user, message, &arena, &response, &err)) {
        rpc_call_send(call, response);
    } else {
        serve_reply_error(call, &err);
    }
}

static void reflection_on_half_close(void *user, struct rpc_call *call)
{
    (void)user;
    rpc_call_finish(call, RPC_OK, NULL);
}

static void reflection_on_closed(void *user, struct rpc_call *call)
{
    (void)user;
    (void)call;
}

size_t reflection_methods(struct reflection *reflection,
                          struct rpc_method ret_methods[REFLECTION_METHODS])
{
    static const struct rpc_handler handler = {
        .on_open = reflection_on_open,
        .on_message = reflection_on_message,
        .on_half_close = reflection_on_half_close,
        .on_closed = reflection_on_closed,
    };

    ret_methods[0] =
        (struct rpc_method){ "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", &handler,
                             reflection };
    ret_methods[1] =
        (struct rpc_method){ "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
                             &handler, reflection };
    return REFLECTION_METHODS;
}
