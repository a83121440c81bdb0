#include "common/wire/wire_json_field.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "common/core/clock.h"
#include "common/core/memory.h"
#include "skein/v1/model.pb-c.h"

static const char unspecified[] = "UNSPECIFIED";
static const char milliseconds[] = "_ms";

bool wire_json_field_is_labels(const ProtobufCFieldDescriptor *field)
{
    return field->type == PROTOBUF_C_TYPE_MESSAGE && field->label == PROTOBUF_C_LABEL_REPEATED &&
           field->descriptor == &skein__v1__label__descriptor;
}

bool wire_json_field_is_time(const ProtobufCFieldDescriptor *field)
{
    static const char ending[] = "_at_ms";
    size_t length = strlen(field->name);

    if (field->type != PROTOBUF_C_TYPE_INT64 || field->label == PROTOBUF_C_LABEL_REPEATED) {
        return false;
    }
    return strcmp(field->name, ending + 1) == 0 ||
           (length > strlen(ending) && strcmp(field->name + length - strlen(ending), ending) == 0);
}

const char *wire_json_field_name(const ProtobufCFieldDescriptor *field,
                                 char name[WIRE_JSON_NAME_BYTES])
{
    size_t length = strlen(field->name);

    assert(length < WIRE_JSON_NAME_BYTES); /* names come from our own protos */
    if (wire_json_field_is_time(field)) {
        length -= strlen(milliseconds);
    }
    memcpy(name, field->name, length);
    name[length] = '\0';
    return name;
}

/* ---- enums ---- */

/* "TASK_MODE_" of TASK_MODE_UNSPECIFIED; 0 for an enum that has no such value. */
static size_t wire_json_field_prefix(const ProtobufCEnumDescriptor *type)
{
    size_t length = strlen(type->values[0].name);
    size_t tail = strlen(unspecified);

    if (length <= tail || strcmp(type->values[0].name + length - tail, unspecified) != 0) {
        return 0;
    }
    return length - tail;
}

/* Modes, policies and kinds are words of the command line; states are shouted. */
static bool wire_json_field_is_lower(const ProtobufCEnumDescriptor *type)
{
    return type == &skein__v1__task_mode__descriptor ||
           type == &skein__v1__rollout_policy__descriptor ||
           type == &skein__v1__rollout_kind__descriptor ||
           type == &skein__v1__dry_run_mode__descriptor ||
           type == &skein__v1__lock_kind__descriptor;
}

json_t *wire_json_field_of_enum(const ProtobufCEnumDescriptor *type, int value)
{
    const ProtobufCEnumValue *found = protobuf_c_enum_descriptor_get_value(type, value);
    size_t prefix = wire_json_field_prefix(type);
    char text[WIRE_JSON_NAME_BYTES];

    if (found == NULL) {
        return json_integer(value); /* of a newer version */
    }
    if (prefix > 0 && found == &type->values[0]) {
        return json_string("");
    }
    snprintf(text, sizeof(text), "%s", found->name + prefix);
    for (char *at = text; wire_json_field_is_lower(type) && *at != '\0'; at++) {
        *at = (char)tolower((unsigned char)*at);
    }
    return json_string(text);
}

bool wire_json_field_to_enum(const ProtobufCEnumDescriptor *type, const json_t *json,
                             int *ret_value)
{
    size_t prefix = wire_json_field_prefix(type);

    if (json_is_integer(json)) {
        json_int_t value = json_integer_value(json);
        if (value < 0 || value > INT32_MAX) {
            return false;
        }
        *ret_value = (int)value;
        return true;
    }
    if (!json_is_string(json)) {
        return false;
    }
    const char *text = json_string_value(json);
    if (text[0] == '\0') {
        *ret_value = 0;
        return true;
    }
    for (unsigned i = 0; i < type->n_values; i++) {
        const char *name = type->values[i].name;
        if (strcasecmp(text, name) == 0 || strcasecmp(text, name + prefix) == 0) {
            *ret_value = type->values[i].value;
            return true;
        }
    }
    return false;
}

/* ---- times ---- */

json_t *wire_json_field_of_time(int64_t wall_ms)
{
    char text[CLOCK_TEXT_BYTES];

    if (wall_ms == 0) {
        return json_null();
    }
    clock_format_wall(wall_ms, text);
    return json_string(text);
}

bool wire_json_field_to_time(const json_t *json, int64_t *ret_wall_ms)
{
    struct tm tm = { 0 };

    if (json_is_null(json)) {
        *ret_wall_ms = 0;
        return true;
    }
    if (json_is_integer(json)) {
        *ret_wall_ms = json_integer_value(json);
        return true;
    }
    if (!json_is_string(json)) {
        return false;
    }
    const char *rest = strptime(json_string_value(json), "%Y-%m-%dT%H:%M:%S", &tm);
    if (rest == NULL) {
        return false;
    }
    int64_t fraction_ms = 0;
    if (*rest == '.') {
        int64_t unit = 100;
        for (rest++; isdigit((unsigned char)*rest); rest++) {
            fraction_ms += (*rest - '0') * unit;
            unit /= 10;
        }
    }
    if (strcmp(rest, "Z") != 0) {
        return false;
    }
    *ret_wall_ms = (int64_t)timegm(&tm) * 1000 + fraction_ms;
    return true;
}

/* ---- bytes ---- */

static const char wire_json_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

json_t *wire_json_field_of_bytes(const ProtobufCBinaryData *bytes)
{
    size_t length = (bytes->len + 2) / 3 * 4;
    CLEANUP(memory_free) char *text = memory_alloc(length + 1);
    char *to = text;

    for (size_t i = 0; i < bytes->len; i += 3) {
        size_t left = bytes->len - i;
        uint32_t group = (uint32_t)bytes->data[i] << 16;
        group |= left > 1 ? (uint32_t)bytes->data[i + 1] << 8 : 0;
        group |= left > 2 ? (uint32_t)bytes->data[i + 2] : 0;
        to[0] = wire_json_digits[group >> 18];
        to[1] = wire_json_digits[(group >> 12) & 63];
        to[2] = wire_json_digits[(group >> 6) & 63];
        to[3] = wire_json_digits[group & 63];
        if (left < 3) {
            to[3] = '=';
        }
        if (left < 2) {
            to[2] = '=';
        }
        to += 4;
    }
    return json_stringn_nocheck(text, length);
}

bool wire_json_field_to_bytes(const json_t *json, struct arena *arena,
                              ProtobufCBinaryData *ret_bytes)
{
    if (!json_is_string(json)) {
        return false;
    }
    const char *text = json_string_value(json);
    size_t length = json_string_length(json);
    while (length > 0 && text[length - 1] == '=') {
        length--;
    }
    uint8_t *data = arena_alloc(arena, length / 4 * 3 + 3);
    size_t size = 0;
    uint32_t group = 0;
    for (size_t i = 0; i < length; i++) {
        const char *digit = text[i] == '\0' ? NULL : memchr(wire_json_digits, text[i], 64);
        if (digit == NULL) {
            return false;
        }
        group = group << 6 | (uint32_t)(digit - wire_json_digits);
        if (i % 4 != 0) {
            data[size++] = (uint8_t)(group >> (6 - 2 * (i % 4)));
        }
    }
    *ret_bytes = (ProtobufCBinaryData){ size, data };
    return length % 4 != 1;
}
