/* duration.h - durations as people write them: 500ms, 2s, 5min, 1h, 1h30m.
 *
 * Pure. */
#ifndef SKEIN_COMMON_MODEL_DURATION_H
#define SKEIN_COMMON_MODEL_DURATION_H

#include <stdbool.h>
#include <stdint.h>

#include "common/core/base.h"
#include "common/core/error.h"

/* Units: ms, s, m, min, h, d; a bare number is refused (0 apart). ERR_INVALID says what is
 * expected. */
MUST_CHECK bool duration_parse(const char *text, uint64_t *ret_ms, struct error *err);

enum { DURATION_TEXT_BYTES = 32 };
/* "850ms", "12.3s", "4m 05s", "2h 10m"; returns `text`. */
const char *duration_format(uint64_t ms, char text[DURATION_TEXT_BYTES]);
/* The same in whole seconds, rounded up: "0s", "12s", "4m 05s". */
const char *duration_format_whole(uint64_t ms, char text[DURATION_TEXT_BYTES]);

#endif
