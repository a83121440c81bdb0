/* output.h - where the command's words go: data to stdout, chatter to stderr.
 *
 * Main thread only. */
#ifndef SKEIN_COORDINATOR_CLI_OUTPUT_H
#define SKEIN_COORDINATOR_CLI_OUTPUT_H

#include <stdbool.h>

#include <jansson.h>

#include "common/core/base.h"
#include "common/core/buf.h"
#include "coordinator/cli/style.h"

enum output_format { OUTPUT_TABLE, OUTPUT_JSON, OUTPUT_NDJSON };

enum { OUTPUT_BYTES_MAX = 256 << 20, OUTPUT_REAL_DIGITS = 15 };

/* The style of stdout. `color` is "auto", "always" or "never"; NO_COLOR and TERM=dumb count. */
struct style output_style(const char *color);

void output_text(const struct buf *text);
/* One object. */
void output_json(enum output_format format, const json_t *value);
/* An array: JSON prints it whole, NDJSON one line per element. */
void output_json_list(enum output_format format, const json_t *list);

/* "skein: ..." on stderr, control characters cleaned away. */
void output_say(const char *format, ...) PRINTF(1, 2);

/* True with --yes, or after a "y" on a terminal; *ret_asked says whether there was one to ask. */
bool output_confirm(bool yes, const char *question, bool *ret_asked);

/* True after somebody at a terminal has typed the word itself. */
bool output_confirm_word(const char *word, bool *ret_asked);

/* False if anything could not be written (a full disk, a closed pipe). */
bool output_finish(void);

#endif
