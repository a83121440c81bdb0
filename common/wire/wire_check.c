#include "common/wire/wire_check.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/core/limits.h"
#include "common/wire/wire_codec.h"

enum { SHOWN_BYTES = 80, WHY_BYTES = 256 };

void wire_check_fail(struct wire_check *check, const char *field, const char *format, ...)
{
    char why[WHY_BYTES];
    va_list arguments;

    if (check->failed) {
        return;
    }
    check->failed = true;
    va_start(arguments, format);
    vsnprintf(why, sizeof(why), format, arguments);
    va_end(arguments);
    if (check->list == NULL) {
        error_set(check->err, ERR_INVALID, "%s: %s: %s", check->message, field, why);
    } else {
        error_set(check->err, ERR_INVALID, "%s: %s[%zu].%s: %s", check->message, check->list,
                  check->index, field, why);
    }
}

/* A value as an error may show it: short, and without what would spoil a terminal or a log. */
static const char *wire_check_show(const char *value, char shown[SHOWN_BYTES])
{
    size_t at = 0;

    while (value[at] != '\0' && at < SHOWN_BYTES - 1) {
        shown[at] = value[at];
        if (value[at] < 0x20 || value[at] >= 0x7F) {
            shown[at] = '?'; /* a byte above 0x7F is negative, or large */
        }
        at++;
    }
    shown[at] = '\0';
    return shown;
}

static bool wire_check_is_utf8(const char *value, bool controls)
{
    while (*value != '\0') {
        size_t length = wire_codec_utf8_length(value);
        unsigned char byte = (unsigned char)*value;
        if (length == 0 || (!controls && (byte < 0x20 || byte == 0x7F))) {
            return false;
        }
        value += length;
    }
    return true;
}

const char *wire_check_text(struct wire_check *check, const char *field, const char *value,
                            size_t bytes_max)
{
    char shown[SHOWN_BYTES];
    size_t bytes = strlen(value);

    if (bytes > bytes_max) {
        wire_check_fail(check, field, "%zu bytes, at most %zu are allowed", bytes, bytes_max);
    } else if (!wire_check_is_utf8(value, true)) {
        wire_check_fail(check, field, "'%s' is not UTF-8", wire_check_show(value, shown));
    }
    return value;
}

const char *wire_check_name_or_empty(struct wire_check *check, const char *field, const char *value)
{
    char shown[SHOWN_BYTES];

    wire_check_text(check, field, value, NAME_BYTES_MAX);
    if (!check->failed && !wire_check_is_utf8(value, false)) {
        wire_check_fail(check, field, "'%s' holds a control character",
                        wire_check_show(value, shown));
    }
    return value;
}

const char *wire_check_name(struct wire_check *check, const char *field, const char *value)
{
    if (value[0] == '\0') {
        wire_check_fail(check, field, "'' is empty, a name is needed");
    }
    return wire_check_name_or_empty(check, field, value);
}

const char *wire_check_key_or_empty(struct wire_check *check, const char *field, const char *value)
{
    char shown[SHOWN_BYTES];

    wire_check_name_or_empty(check, field, value);
    if (!check->failed && strchr(value, '/') != NULL) {
        wire_check_fail(check, field, "'%s' holds a '/'", wire_check_show(value, shown));
    }
    return value;
}

const char *wire_check_key(struct wire_check *check, const char *field, const char *value)
{
    if (value[0] == '\0') {
        wire_check_fail(check, field, "'' is empty, a name is needed");
    }
    return wire_check_key_or_empty(check, field, value);
}

const char *wire_check_tenant(struct wire_check *check, const char *field, const char *value)
{
    char shown[SHOWN_BYTES];
    const char *slash = strchr(value, '/');

    if (slash == NULL || slash == value || slash[1] == '\0' || strchr(slash + 1, '/') != NULL) {
        wire_check_fail(check, field, "'%s' is no tenant, shard/name is needed",
                        wire_check_show(value, shown));
        return value;
    }
    if ((size_t)(slash - value) > NAME_BYTES_MAX || strlen(slash + 1) > NAME_BYTES_MAX) {
        wire_check_fail(check, field, "'%s' is too long, %d bytes each are allowed",
                        wire_check_show(value, shown), NAME_BYTES_MAX);
    } else if (!wire_check_is_utf8(value, false)) {
        wire_check_fail(check, field, "'%s' holds a control character or is not UTF-8",
                        wire_check_show(value, shown));
    }
    return value;
}

void wire_check_number(struct wire_check *check, const char *field, size_t value, size_t max)
{
    if (value > max) {
        wire_check_fail(check, field, "%zu, at most %zu are allowed", value, max);
    }
}
