#include "common/core/error.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static const char *const err_code_names[] = {
    [ERR_NONE] = "none",           [ERR_INVALID] = "invalid", [ERR_NOT_FOUND] = "not_found",
    [ERR_CONFLICT] = "conflict",   [ERR_REFUSED] = "refused", [ERR_UNAVAILABLE] = "unavailable",
    [ERR_UNCERTAIN] = "uncertain", [ERR_TIMEOUT] = "timeout", [ERR_LIMIT] = "limit",
    [ERR_INTERNAL] = "internal",
};
static_assert(COUNT_OF(err_code_names) == ERR_CODE_COUNT, "every code has a name");

static void error_mark_truncation(struct error *err, int length)
{
    size_t at = ERROR_MESSAGE_BYTES - 4;

    if (length >= ERROR_MESSAGE_BYTES) {
        while (at > 0 && ((unsigned char)err->message[at] & 0xC0) == 0x80) {
            at--; /* never half a UTF-8 character: messages travel as protobuf strings */
        }
        memcpy(err->message + at, "...", 4);
    }
}

bool error_set_v(struct error *err, enum err_code code, const char *format, va_list arguments)
{
    char message[ERROR_MESSAGE_BYTES]; /* the arguments may point into err->message */

    assert(err != NULL);
    assert(code > ERR_NONE && code < ERR_CODE_COUNT);
    int length = vsnprintf(message, sizeof(message), format, arguments);
    err->code = code;
    memcpy(err->message, message, sizeof(message));
    error_mark_truncation(err, length);
    return false;
}

bool error_set(struct error *err, enum err_code code, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    error_set_v(err, code, format, arguments);
    va_end(arguments);
    return false;
}

bool error_wrap(struct error *err, const char *format, ...)
{
    char phrase[ERROR_MESSAGE_BYTES];
    char inner[ERROR_MESSAGE_BYTES];
    va_list arguments;

    assert(err != NULL && err->code != ERR_NONE);
    va_start(arguments, format);
    vsnprintf(phrase, sizeof(phrase), format, arguments);
    va_end(arguments);
    memcpy(inner, err->message, sizeof(inner));
    int length = snprintf(err->message, sizeof(err->message), "%s: %s", phrase, inner);
    error_mark_truncation(err, length);
    return false;
}

const char *err_code_name(enum err_code code)
{
    assert(code < ERR_CODE_COUNT);
    return err_code_names[code];
}
