#include "common/model/size_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/model/quote.h"

static const char *const size_text_units[] = { "B", "kB", "MB", "GB", "TB" };

enum { SIZE_TEXT_UNIT = 1024, SIZE_TEXT_SHORT = 10 /* below it one decimal says something */ };

static bool size_text_fail(const char *text, struct error *err)
{
    char quoted[QUOTE_BYTES];

    return error_set(err, ERR_INVALID,
                     "size %s: expected a number with a unit B, kB, MB, GB or TB, such as 500MB",
                     quote_text(text, quoted));
}

bool size_text_parse(const char *text, uint64_t *ret_bytes, struct error *err)
{
    const size_t digits = strspn(text, "0123456789");
    const char *unit = text + digits + strspn(text + digits, " ");
    uint64_t bytes = 0;

    for (size_t i = 0; i < digits; i++) {
        if (__builtin_mul_overflow(bytes, 10, &bytes) ||
            __builtin_add_overflow(bytes, (uint64_t)(text[i] - '0'), &bytes)) {
            return size_text_fail(text, err);
        }
    }
    if (digits > 0 && bytes == 0 && *unit == '\0') {
        *ret_bytes = 0;
        return true;
    }
    for (size_t i = 0; i < COUNT_OF(size_text_units) && digits > 0; i++) {
        if (strcasecmp(unit, size_text_units[i]) == 0) {
            *ret_bytes = bytes;
            return true;
        }
        if (__builtin_mul_overflow(bytes, SIZE_TEXT_UNIT, &bytes)) {
            break;
        }
    }
    return size_text_fail(text, err);
}

const char *size_text_format(uint64_t bytes, char text[SIZE_TEXT_BYTES])
{
    double value = (double)bytes;
    size_t unit = 0;

    while (value >= SIZE_TEXT_UNIT && unit + 1 < COUNT_OF(size_text_units)) {
        value /= SIZE_TEXT_UNIT;
        unit++;
    }
    if (unit == 0) {
        snprintf(text, SIZE_TEXT_BYTES, "%" PRIu64 " bytes", bytes);
    } else {
        bool whole = value >= SIZE_TEXT_SHORT || value == (double)(uint64_t)value;
        snprintf(text, SIZE_TEXT_BYTES, "%.*f %s", whole ? 0 : 1, value, size_text_units[unit]);
    }
    return text;
}
