/* log.h - one line per fact: time, level, a stable event name, logfmt fields; on stderr.
 *
 * Thread-safe. `core`, `model` and `decide` never log. The level and the counts are the only state
 * of the process that is not passed around. */
#ifndef SKEIN_COMMON_CORE_LOG_H
#define SKEIN_COMMON_CORE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "common/core/base.h"
#include "common/core/error.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR, LOG_LEVEL_COUNT };

/* "debug", "info", "warning", "error"; false for anything else. */
bool log_set_level(const char *name);

/* `fields` is a format that yields logfmt: "rollout=%s tasks=%zu"; quote free text with
 * log_quote. */
void log_debug(const char *event, const char *fields, ...) PRINTF(2, 3);
void log_info(const char *event, const char *fields, ...) PRINTF(2, 3);
void log_warning(const char *event, const char *fields, ...) PRINTF(2, 3);
void log_failure(const char *event, const struct error *err, const char *fields, ...) PRINTF(3, 4);

/* `text` in double quotes with quotes, backslashes and control characters escaped, cut to fit;
 * returns `quoted`. */
enum { LOG_QUOTED_BYTES = 1024 };
const char *log_quote(const char *text, char quoted[LOG_QUOTED_BYTES]);

/* How many lines of a level were written so far. */
uint64_t log_count(enum log_level level);

#endif
