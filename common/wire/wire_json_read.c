/* JSON to messages. */
#include "common/wire/wire_json.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/limits.h"
#include "common/wire/wire_codec.h"
#include "common/wire/wire_json_field.h"
#include "skein/v1/model.pb-c.h"

struct wire_json_reader {
    struct arena *arena;
    struct error *err;
};

static bool wire_json_read_message(const struct wire_json_reader *reader, const json_t *json,
                                   ProtobufCMessage *message, int depth);

static bool wire_json_wrong(const struct wire_json_reader *reader,
                            const ProtobufCFieldDescriptor *field, const char *expected)
{
    char name[WIRE_JSON_NAME_BYTES];

    return error_set(reader->err, ERR_INVALID, "field '%s': expected %s",
                     wire_json_field_name(field, name), expected);
}

/* Whole numbers, or text of digits, within [min, max]. */
static bool wire_json_read_signed(const json_t *json, int64_t min, int64_t max, int64_t *ret_value)
{
    int64_t value = 0;

    if (json_is_integer(json)) {
        value = json_integer_value(json);
    } else if (json_is_string(json) && json_string_length(json) > 0) {
        char *end = NULL;
        errno = 0;
        value = strtoll(json_string_value(json), &end, 10);
        if (errno != 0 || *end != '\0') {
            return false;
        }
    } else {
        return false;
    }
    *ret_value = value;
    return value >= min && value <= max;
}

static bool wire_json_read_unsigned(const json_t *json, uint64_t *ret_value)
{
    int64_t value = 0;

    if (wire_json_read_signed(json, 0, INT64_MAX, &value)) {
        *ret_value = (uint64_t)value;
        return true;
    }
    if (!json_is_string(json) || json_string_length(json) == 0 ||
        strspn(json_string_value(json), "0123456789") != json_string_length(json)) {
        return false;
    }
    errno = 0;
    *ret_value = strtoull(json_string_value(json), NULL, 10);
    return errno == 0;
}

static bool wire_json_read_number(const struct wire_json_reader *reader,
                                  const ProtobufCFieldDescriptor *field, const json_t *json,
                                  void *at)
{
    int64_t value = 0;
    uint64_t natural = 0;

    if (field->type == PROTOBUF_C_TYPE_INT32) {
        if (!wire_json_read_signed(json, INT32_MIN, INT32_MAX, &value)) {
            return wire_json_wrong(reader, field, "a whole number of 32 bits");
        }
        *(int32_t *)at = (int32_t)value;
        return true;
    }
    if (field->type == PROTOBUF_C_TYPE_UINT32) {
        if (!wire_json_read_signed(json, 0, UINT32_MAX, &value)) {
            return wire_json_wrong(reader, field, "a whole number, not negative, of 32 bits");
        }
        *(uint32_t *)at = (uint32_t)value;
        return true;
    }
    if (field->type == PROTOBUF_C_TYPE_UINT64) {
        if (!wire_json_read_unsigned(json, &natural)) {
            return wire_json_wrong(reader, field, "a whole number that is not negative");
        }
        *(uint64_t *)at = natural;
        return true;
    }
    assert(field->type == PROTOBUF_C_TYPE_INT64);
    if (wire_json_field_is_time(field)) {
        return wire_json_field_to_time(json, at) ||
               wire_json_wrong(reader, field, "a time such as 2026-01-31T12:00:00Z");
    }
    if (!wire_json_read_signed(json, INT64_MIN, INT64_MAX, &value)) {
        return wire_json_wrong(reader, field, "a whole number");
    }
    *(int64_t *)at = value;
    return true;
}

/* One value into `at`. The protos of skein use these types only; a test reads all of them. */
static bool wire_json_read_value(const struct wire_json_reader *reader,
                                 const ProtobufCFieldDescriptor *field, const json_t *json,
                                 void *at, int depth)
{
    if (field->type == PROTOBUF_C_TYPE_STRING) {
        if (!json_is_string(json) || strlen(json_string_value(json)) != json_string_length(json)) {
            return wire_json_wrong(reader, field, "text");
        }
        *(char **)at = arena_strdup(reader->arena, json_string_value(json));
        return true;
    }
    if (field->type == PROTOBUF_C_TYPE_BOOL) {
        *(protobuf_c_boolean *)at = json_is_true(json);
        return json_is_boolean(json) || wire_json_wrong(reader, field, "true or false");
    }
    if (field->type == PROTOBUF_C_TYPE_ENUM) {
        return wire_json_field_to_enum(field->descriptor, json, at) ||
               wire_json_wrong(reader, field, "one of its names");
    }
    if (field->type == PROTOBUF_C_TYPE_BYTES) {
        return wire_json_field_to_bytes(json, reader->arena, at) ||
               wire_json_wrong(reader, field, "base64");
    }
    if (field->type == PROTOBUF_C_TYPE_DOUBLE) {
        *(double *)at = json_number_value(json);
        return json_is_number(json) || wire_json_wrong(reader, field, "a number");
    }
    if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
        ProtobufCMessage *message = wire_codec_new(field->descriptor, reader->arena);
        *(ProtobufCMessage **)at = message;
        if (!wire_json_read_message(reader, json, message, depth + 1)) {
            char name[WIRE_JSON_NAME_BYTES];
            return error_wrap(reader->err, "%s", wire_json_field_name(field, name));
        }
        return true;
    }
    return wire_json_read_number(reader, field, json, at);
}

static bool wire_json_read_labels(const struct wire_json_reader *reader,
                                  const ProtobufCFieldDescriptor *field, const json_t *json,
                                  void *at, size_t *ret_count)
{
    size_t count = 0;
    const char *key = NULL;
    json_t *value = NULL;

    if (!json_is_object(json)) {
        return wire_json_wrong(reader, field, "an object of texts");
    }
    Skein__V1__Label **labels =
        arena_alloc_array(reader->arena, json_object_size(json), sizeof(Skein__V1__Label *));
    /* Iterating does not change the object, but jansson's macro wants it writable. */
    json_object_foreach((json_t *)(uintptr_t)json, key, value)
    {
        if (!json_is_string(value)) {
            return wire_json_wrong(reader, field, "an object of texts");
        }
        labels[count] = wire_codec_new(&skein__v1__label__descriptor, reader->arena);
        labels[count]->key = arena_strdup(reader->arena, key);
        labels[count]->value = arena_strdup(reader->arena, json_string_value(value));
        count++;
    }
    *(Skein__V1__Label ***)at = labels;
    *ret_count = count;
    return true;
}

static bool wire_json_read_list(const struct wire_json_reader *reader,
                                const ProtobufCFieldDescriptor *field, const json_t *json, void *at,
                                size_t *ret_count, int depth)
{
    size_t count = json_array_size(json);

    if (wire_json_field_is_labels(field)) {
        return wire_json_read_labels(reader, field, json, at, ret_count);
    }
    /* Requests to operators hold lists of texts and of messages only: pointers both. */
    if (!json_is_array(json) ||
        (field->type != PROTOBUF_C_TYPE_STRING && field->type != PROTOBUF_C_TYPE_MESSAGE)) {
        return wire_json_wrong(reader, field, "a list");
    }
    void **items = arena_alloc_array(reader->arena, count, sizeof(void *));
    for (size_t i = 0; i < count; i++) {
        if (!wire_json_read_value(reader, field, json_array_get(json, i), &items[i], depth)) {
            return false;
        }
    }
    *(void ***)at = items;
    *ret_count = count;
    return true;
}

static const ProtobufCFieldDescriptor *wire_json_find(const ProtobufCMessageDescriptor *type,
                                                      const char *name)
{
    char text[WIRE_JSON_NAME_BYTES];

    for (unsigned i = 0; i < type->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &type->fields[i];
        if (strcmp(field->name, name) == 0 ||
            strcmp(wire_json_field_name(field, text), name) == 0) {
            return field;
        }
    }
    return NULL;
}

static bool wire_json_read_message(const struct wire_json_reader *reader, const json_t *json,
                                   ProtobufCMessage *message, int depth)
{
    const char *name = NULL;
    json_t *value = NULL;

    assert(depth < WIRE_JSON_DEPTH_MAX);
    if (!json_is_object(json)) {
        return error_set(reader->err, ERR_INVALID, "expected an object");
    }
    json_object_foreach((json_t *)(uintptr_t)json, name, value)
    {
        const ProtobufCFieldDescriptor *field = wire_json_find(message->descriptor, name);
        if (field == NULL) {
            return error_set(reader->err, ERR_INVALID, "unknown field '%s'", name);
        }
        if (json_is_null(value)) {
            continue; /* the default */
        }
        void *at = (char *)message + field->offset;
        void *quantifier = (char *)message + field->quantifier_offset;
        if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            if (!wire_json_read_list(reader, field, value, at, quantifier, depth)) {
                return false;
            }
            continue;
        }
        if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0) {
            *(uint32_t *)quantifier = field->id;
        }
        if (!wire_json_read_value(reader, field, value, at, depth)) {
            return false;
        }
    }
    return true;
}

bool wire_json_encode(const struct wire_method *method, const json_t *request, struct arena *arena,
                      struct bytes *ret_wire, struct error *err)
{
    const struct wire_json_reader reader = { .arena = arena, .err = err };
    const ProtobufCMessageDescriptor *type = method->input;
    ProtobufCMessage *message = wire_codec_new(type, arena);

    if (!wire_json_read_message(&reader, request, message, 0)) {
        return error_wrap(err, "%s", type->short_name);
    }
    *ret_wire = wire_codec_pack(message, arena);
    return true;
}
