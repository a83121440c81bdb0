/* wire_json_field.h - how a field of a message looks in JSON: names, enums, times, bytes.
 *
 * Pure. Shared by both directions of wire_json.h. */
#ifndef SKEIN_COMMON_WIRE_WIRE_JSON_FIELD_H
#define SKEIN_COMMON_WIRE_WIRE_JSON_FIELD_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>
#include <protobuf-c/protobuf-c.h>

#include "common/core/arena.h"
#include "common/core/base.h"

enum { WIRE_JSON_NAME_BYTES = 64, WIRE_JSON_DEPTH_MAX = 8 };

/* `repeated Label`, which is one object in JSON. */
bool wire_json_field_is_labels(const ProtobufCFieldDescriptor *field);
/* `started_at_ms` and its like. */
bool wire_json_field_is_time(const ProtobufCFieldDescriptor *field);
/* The field's name in JSON; returns `name`. */
const char *wire_json_field_name(const ProtobufCFieldDescriptor *field,
                                 char name[WIRE_JSON_NAME_BYTES]);

json_t *wire_json_field_of_enum(const ProtobufCEnumDescriptor *type, int value);
bool wire_json_field_to_enum(const ProtobufCEnumDescriptor *type, const json_t *json,
                             int *ret_value);

json_t *wire_json_field_of_time(int64_t wall_ms);
/* RFC 3339 in UTC ("2026-01-31T12:00:00Z", a fraction is allowed), null, or milliseconds. */
bool wire_json_field_to_time(const json_t *json, int64_t *ret_wall_ms);

json_t *wire_json_field_of_bytes(const ProtobufCBinaryData *bytes);
bool wire_json_field_to_bytes(const json_t *json, struct arena *arena,
                              ProtobufCBinaryData *ret_bytes);

#endif
