#include "common/model/duration.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/model/quote.h"

static const struct duration_unit {
    const char *name;
    uint64_t ms;
} duration_units[] = {
    { "ms", 1 },    { "s", 1000 },    { "min", 60000 },
    { "m", 60000 }, { "h", 3600000 }, { "d", 86400000 },
};

static bool duration_fail(const char *text, struct error *err)
{
    char quoted[QUOTE_BYTES];

    return error_set(
        err, ERR_INVALID,
        "duration %s: expected numbers with units ms, s, min (or m), h, d, the largest "
        "first, such as 500ms, 2s, 5min, 1h30m",
        quote_text(text, quoted));
}

static const struct duration_unit *duration_find_unit(const char *text, size_t size)
{
    for (size_t i = 0; i < COUNT_OF(duration_units); i++) {
        const struct duration_unit *unit = &duration_units[i];
        if (strlen(unit->name) == size && strncmp(unit->name, text, size) == 0) {
            return unit;
        }
    }
    return NULL;
}

bool duration_parse(const char *text, uint64_t *ret_ms, struct error *err)
{
    const char *at = text;
    uint64_t total = 0;
    uint64_t last_unit = UINT64_MAX;

    if (strcmp(text, "0") == 0) {
        *ret_ms = 0;
        return true;
    }
    do {
        uint64_t number = 0;
        size_t digits = strspn(at, "0123456789");
        size_t letters = strspn(at + digits, "abcdefghijklmnopqrstuvwxyz");
        const struct duration_unit *unit = duration_find_unit(at + digits, letters);
        if (digits == 0 || unit == NULL || unit->ms >= last_unit) {
            return duration_fail(text, err);
        }
        for (size_t i = 0; i < digits; i++) {
            if (__builtin_mul_overflow(number, 10, &number) ||
                __builtin_add_overflow(number, (uint64_t)(at[i] - '0'), &number)) {
                return duration_fail(text, err);
            }
        }
        if (__builtin_mul_overflow(number, unit->ms, &number) ||
            __builtin_add_overflow(total, number, &total)) {
            return duration_fail(text, err);
        }
        last_unit = unit->ms;
        at += digits + letters;
    } while (*at != '\0');
    *ret_ms = total;
    return true;
}

const char *duration_format_whole(uint64_t ms, char text[DURATION_TEXT_BYTES])
{
    const uint64_t seconds = ms / 1000 + (ms % 1000 > 0 ? 1 : 0);

    if (seconds >= 60) {
        return duration_format(seconds * 1000, text);
    }
    snprintf(text, DURATION_TEXT_BYTES, "%" PRIu64 "s", seconds);
    return text;
}

const char *duration_format(uint64_t ms, char text[DURATION_TEXT_BYTES])
{
    uint64_t s = ms / 1000;

    if (ms < 1000) {
        snprintf(text, DURATION_TEXT_BYTES, "%" PRIu64 "ms", ms);
    } else if (s < 60) {
        snprintf(text, DURATION_TEXT_BYTES, "%" PRIu64 ".%" PRIu64 "s", s, ms / 100 % 10);
    } else if (s < 3600) {
        snprintf(text, DURATION_TEXT_BYTES, "%" PRIu64 "m %02" PRIu64 "s", s / 60, s % 60);
    } else if (s < 86400) {
        snprintf(text, DURATION_TEXT_BYTES, "%" PRIu64 "h %02" PRIu64 "m", s / 3600, s / 60 % 60);
    } else {
        snprintf(text, DURATION_TEXT_BYTES, "%" PRIu64 "d %02" PRIu64 "h", s / 86400,
                 s / 3600 % 24);
    }
    return text;
}
