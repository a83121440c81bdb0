/* wire_json.h - any message of skein's protos <-> JSON, by walking protobuf-c's descriptors.
 *
 * Pure. Follows protobuf's JSON mapping with three differences that people asked for: field names
 * stay as in the proto (snake_case), 64-bit integers are numbers, and every field is printed also
 * when it is zero. Enum values lose their type's prefix ("RUNNING"), those of modes, policies and
 * kinds are lower case ("dry_run", "pause"), an unspecified one is ""; bytes are base64; lists of
 * Label become one object; a message that is not set is null. Times (`*_at_ms`, and `at_ms` itself)
 * become `*_at` (`at`) as RFC 3339 text, null when 0. A 64-bit number that JSON's readers could not
 * hold is text. Reading takes what is printed, and numbers for enums, too. */
#ifndef SKEIN_COMMON_WIRE_WIRE_JSON_H
#define SKEIN_COMMON_WIRE_WIRE_JSON_H

#include <stdbool.h>
#include <jansson.h>

#include "common/core/arena.h"
#include "common/core/base.h"
#include "common/core/buf.h"
#include "common/core/error.h"

/* A method of a service of skein: what the command line needs to call it by name. */
struct wire_method {
    const char *path;  /* "/skein.v1.OperatorService/GetRollout" */
    const void *input; /* descriptors, opaque here */
    const void *output;
};

/* By the method's name in OperatorService; NULL if there is none. */
MUST_CHECK bool wire_find_operator_method(const char *name, struct wire_method *ret_method);

/* JSON -> bytes. ERR_INVALID names the field that is unknown or of the wrong type. */
MUST_CHECK bool wire_json_encode(const struct wire_method *method, const json_t *request,
                                 struct arena *arena, struct bytes *ret_wire, struct error *err);
/* Bytes -> JSON; the caller owns *ret_json. */
MUST_CHECK bool wire_json_decode(const struct wire_method *method, struct bytes wire,
                                 json_t **ret_json, struct error *err);

#endif
