/* wire_check.h - what may stand in a message: names, texts, counts.
 *
 * Pure. A check remembers its first failure, so a decoder checks all fields in a row and asks once
 * at the end. The text functions give back their argument, borrowed. */
#ifndef SKEIN_COMMON_WIRE_WIRE_CHECK_H
#define SKEIN_COMMON_WIRE_WIRE_CHECK_H

#include <stdbool.h>
#include <stddef.h>

#include "common/core/base.h"
#include "common/core/error.h"

struct wire_check {
    const char *message; /* as in the proto: "Hello" */
    const char *list;    /* while a list's items are checked, else NULL */
    size_t index;
    struct error *err;
    bool failed;
};

/* "Hello: tenants[3].name: ..."; ERR_INVALID. Does nothing after the first failure. */
void wire_check_fail(struct wire_check *check, const char *field, const char *format, ...)
    PRINTF(3, 4);

/* 1..NAME_BYTES_MAX bytes of UTF-8 without control characters. */
const char *wire_check_name(struct wire_check *check, const char *field, const char *value);
/* A name without "/": it becomes a part of a store key (shard, set, rollout, digest, tenant). */
const char *wire_check_key(struct wire_check *check, const char *field, const char *value);
/* The same, or "". */
const char *wire_check_name_or_empty(struct wire_check *check, const char *field,
                                     const char *value);
const char *wire_check_key_or_empty(struct wire_check *check, const char *field, const char *value);
/* "shard/name". */
const char *wire_check_tenant(struct wire_check *check, const char *field, const char *value);
/* UTF-8 of at most `bytes_max` bytes; line ends and the like are allowed. */
const char *wire_check_text(struct wire_check *check, const char *field, const char *value,
                            size_t bytes_max);
void wire_check_number(struct wire_check *check, const char *field, size_t value, size_t max);

#endif
