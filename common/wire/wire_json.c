/* Messages to JSON. The other direction is in wire_json_read.c. */
#include "common/wire/wire_json.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "common/wire/wire_codec.h"
#include "common/wire/wire_json_field.h"
#include "skein/v1/operator.pb-c.h"

/* Paths have to live as long as the program; a test holds them against the descriptor. */
static const char *const wire_json_paths[] = {
    "/skein.v1.OperatorService/PublishSet",       "/skein.v1.OperatorService/ListSets",
    "/skein.v1.OperatorService/GetSet",           "/skein.v1.OperatorService/Plan",
    "/skein.v1.OperatorService/StartRollout",     "/skein.v1.OperatorService/ListRollouts",
    "/skein.v1.OperatorService/GetRollout",       "/skein.v1.OperatorService/WatchRollout",
    "/skein.v1.OperatorService/PauseRollout",     "/skein.v1.OperatorService/ResumeRollout",
    "/skein.v1.OperatorService/AbortRollout",     "/skein.v1.OperatorService/RetryRollout",
    "/skein.v1.OperatorService/RollbackRollout",  "/skein.v1.OperatorService/ListTenants",
    "/skein.v1.OperatorService/GetTenantHistory", "/skein.v1.OperatorService/LockTenant",
    "/skein.v1.OperatorService/UnlockTenant",     "/skein.v1.OperatorService/HoldTenantLock",
    "/skein.v1.OperatorService/ListShards",       "/skein.v1.OperatorService/ForgetShard",
    "/skein.v1.OperatorService/ListLocks",        "/skein.v1.OperatorService/ListEvents",
    "/skein.v1.OperatorService/GetSchemas",       "/skein.v1.OperatorService/LabelTenant",
};

bool wire_find_operator_method(const char *name, struct wire_method *ret_method)
{
    const ProtobufCMethodDescriptor *method = protobuf_c_service_descriptor_get_method_by_name(
        &skein__v1__operator_service__descriptor, name);

    for (size_t i = 0; method != NULL && i < COUNT_OF(wire_json_paths); i++) {
        if (strcmp(strrchr(wire_json_paths[i], '/') + 1, name) == 0) {
            *ret_method = (struct wire_method){ wire_json_paths[i], method->input, method->output };
            return true;
        }
    }
    return false;
}

static json_t *wire_json_of_message(const ProtobufCMessage *message, int depth);

static json_t *wire_json_of_number(uint64_t value)
{
    char text[24];

    if (value <= INT64_MAX) {
        return json_integer((json_int_t)value);
    }
    snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
    return json_string(text);
}

static json_t *wire_json_of_text(const char *text)
{
    CLEANUP(arena_release) struct arena arena = { 0 };

    if (text == NULL) {
        return json_string("");
    }
    json_t *json = json_string(text);
    /* Not UTF-8: show what can be shown. */
    return json != NULL ? json : json_string(wire_codec_text(&arena, text, strlen(text) + 3));
}

/* One value; `at` points to it. */
static json_t *wire_json_of_value(const ProtobufCFieldDescriptor *field, const void *at, int depth)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        return json_integer(*(const int32_t *)at);
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        return json_integer(*(const uint32_t *)at);
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        return wire_json_field_is_time(field) ? wire_json_field_of_time(*(const int64_t *)at)
                                              : json_integer(*(const int64_t *)at);
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        return wire_json_of_number(*(const uint64_t *)at);
    case PROTOBUF_C_TYPE_FLOAT:
        return json_real((double)*(const float *)at);
    case PROTOBUF_C_TYPE_DOUBLE:
        return json_real(*(const double *)at);
    case PROTOBUF_C_TYPE_BOOL:
        return json_boolean(*(const protobuf_c_boolean *)at);
    case PROTOBUF_C_TYPE_ENUM:
        return wire_json_field_of_enum(field->descriptor, *(const int *)at);
    case PROTOBUF_C_TYPE_STRING:
        return wire_json_of_text(*(char *const *)at);
    case PROTOBUF_C_TYPE_BYTES:
        return wire_json_field_of_bytes(at);
    case PROTOBUF_C_TYPE_MESSAGE:
        return wire_json_of_message(*(ProtobufCMessage *const *)at, depth + 1);
    }
    return NULL;
}

static size_t wire_json_item_bytes(const ProtobufCFieldDescriptor *field)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
        return sizeof(uint32_t);
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return sizeof(uint64_t);
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    case PROTOBUF_C_TYPE_ENUM:
        return sizeof(int);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    }
    return 0;
}

static json_t *wire_json_of_labels(Skein__V1__Label *const *labels, size_t count)
{
    json_t *object = json_object();

    for (size_t i = 0; i < count; i++) {
        json_object_set_new(object, labels[i]->key, wire_json_of_text(labels[i]->value));
    }
    return object;
}

static json_t *wire_json_of_field(const ProtobufCMessage *message,
                                  const ProtobufCFieldDescriptor *field, int depth)
{
    const char *at = (const char *)message + field->offset;

    if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0) {
        const char *which = (const char *)message + field->quantifier_offset;
        if (*(const uint32_t *)(const void *)which != field->id) {
            return NULL; /* another member, or none */
        }
    }
    if (field->label != PROTOBUF_C_LABEL_REPEATED) {
        return wire_json_of_value(field, at, depth);
    }
    const char *quantifier = (const char *)message + field->quantifier_offset;
    size_t count = *(const size_t *)(const void *)quantifier;
    const char *items = *(const char *const *)(const void *)at;
    if (wire_json_field_is_labels(field)) {
        return wire_json_of_labels((Skein__V1__Label *const *)(const void *)items, count);
    }
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(
            array, wire_json_of_value(field, items + i * wire_json_item_bytes(field), depth));
    }
    return array;
}

/* As deep as the protos nest, which is not up to the input. */
static json_t *wire_json_of_message(const ProtobufCMessage *message, int depth)
{
    char name[WIRE_JSON_NAME_BYTES];

    assert(depth < WIRE_JSON_DEPTH_MAX);
    if (message == NULL) {
        return json_null();
    }
    json_t *object = json_object();
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        json_t *value = wire_json_of_field(message, field, depth);
        if (value != NULL) {
            json_object_set_new(object, wire_json_field_name(field, name), value);
        }
    }
    return object;
}

bool wire_json_decode(const struct wire_method *method, struct bytes wire, json_t **ret_json,
                      struct error *err)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    const ProtobufCMessage *message = wire_codec_unpack(method->output, wire, &arena, err);

    if (message == NULL) {
        return false;
    }
    *ret_json = wire_json_of_message(message, 0);
    return true;
}
