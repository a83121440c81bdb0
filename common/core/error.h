/* error.h - errors are values that gain one phrase per layer.
 *
 * Pure. An error is owned by the caller, has a fixed size and is untouched on success. */
#ifndef SKEIN_COMMON_CORE_ERROR_H
#define SKEIN_COMMON_CORE_ERROR_H

#include <stdarg.h>
#include <stdbool.h>

#include "common/core/base.h"

enum err_code {
    ERR_NONE = 0,
    ERR_INVALID, /* the input is wrong; retrying cannot help */
    ERR_NOT_FOUND,
    ERR_CONFLICT,    /* somebody else won: compare failed, lock held, lease lost */
    ERR_REFUSED,     /* not allowed in this state */
    ERR_UNAVAILABLE, /* the peer was not reached: nothing happened, retry is safe */
    ERR_UNCERTAIN,   /* it was sent and not answered: read back before doing anything */
    ERR_TIMEOUT,     /* the caller's deadline passed */
    ERR_LIMIT,       /* a bound of limits.h was reached */
    ERR_INTERNAL,
    ERR_CODE_COUNT,
};

enum { ERROR_MESSAGE_BYTES = 1024 };

struct error {
    enum err_code code;
    char message[ERROR_MESSAGE_BYTES];
};

/* Both return false, so that failing is one line: `return error_set(err, ERR_INVALID, ...);`.
 * A message that is too long ends in "...". `err` may not be NULL. */
bool error_set(struct error *err, enum err_code code, const char *format, ...) PRINTF(3, 4);
bool error_set_v(struct error *err, enum err_code code, const char *format, va_list arguments)
    PRINTF(3, 0);

/* Puts one phrase and ": " before the message and keeps the code. */
bool error_wrap(struct error *err, const char *format, ...) PRINTF(2, 3);

/* "invalid", "not_found", ... for logs. Never NULL. */
const char *err_code_name(enum err_code code);

#endif
