#include "common/core/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "common/core/clock.h"

static const char *const log_level_names[] = { "debug", "info", "warning", "error" };

static _Atomic int log_threshold = LOG_INFO;
static _Atomic uint64_t log_counts[LOG_LEVEL_COUNT];

bool log_set_level(const char *name)
{
    for (int i = 0; i < LOG_LEVEL_COUNT; i++) {
        if (strcmp(name, log_level_names[i]) == 0) {
            log_threshold = i;
            return true;
        }
    }
    return false;
}

uint64_t log_count(enum log_level level)
{
    return log_counts[level];
}

const char *log_quote(const char *text, char quoted[LOG_QUOTED_BYTES])
{
    size_t size = 0;

    quoted[size++] = '"';
    for (; *text != '\0' && size < LOG_QUOTED_BYTES - 8; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\') {
            quoted[size++] = '\\';
            quoted[size++] = (char)c;
        } else if (c == '\n') {
            quoted[size++] = '\\';
            quoted[size++] = 'n';
        } else if (c < 0x20 || c == 0x7f) {
            size += (size_t)snprintf(quoted + size, 5, "\\x%02x", c);
        } else {
            quoted[size++] = (char)c;
        }
    }
    quoted[size++] = '"';
    quoted[size] = '\0';
    return quoted;
}

/* One write per line, so that lines of several threads do not mix. */
PRINTF(4, 0)
static void log_write(enum log_level level, const char *event, const struct error *err,
                      const char *fields, va_list arguments)
{
    char line[4096];
    char quoted[LOG_QUOTED_BYTES];
    char time_text[CLOCK_TEXT_BYTES];
    const size_t room = sizeof(line) - 2;

    log_counts[level]++;
    if ((int)level < log_threshold) {
        return;
    }
    int64_t now_ms = clock_wall_ms();
    clock_format_wall(now_ms, time_text);
    time_text[19] = '\0'; /* replace the final Z by milliseconds and Z */
    int size = snprintf(line, room, "time=%s.%03dZ level=%s event=%s ", time_text,
                        (int)(now_ms % 1000), log_level_names[level], event);
    int more = vsnprintf(line + size, room - (size_t)size, fields, arguments);
    size_t used = (size_t)size + (size_t)(more < 0 ? 0 : more);
    if (used > room - 1) {
        used = room - 1;
    }
    if (err != NULL && used < room) {
        more = snprintf(line + used, room - used, " code=%s error=%s", err_code_name(err->code),
                        log_quote(err->message, quoted));
        used += (size_t)(more < 0 ? 0 : more);
        if (used > room - 1) {
            used = room - 1;
        }
    }
    line[used++] = '\n';
    fwrite(line, 1, used, stderr);
}

void log_debug(const char *event, const char *fields, ...)
{
    va_list arguments;

    va_start(arguments, fields);
    log_write(LOG_DEBUG, event, NULL, fields, arguments);
    va_end(arguments);
}

void log_info(const char *event, const char *fields, ...)
{
    va_list arguments;

    va_start(arguments, fields);
    log_write(LOG_INFO, event, NULL, fields, arguments);
    va_end(arguments);
}

void log_warning(const char *event, const char *fields, ...)
{
    va_list arguments;

    va_start(arguments, fields);
    log_write(LOG_WARNING, event, NULL, fields, arguments);
    va_end(arguments);
}

void log_failure(const char *event, const struct error *err, const char *fields, ...)
{
    va_list arguments;

    va_start(arguments, fields);
    log_write(LOG_ERROR, event, err, fields, arguments);
    va_end(arguments);
}
