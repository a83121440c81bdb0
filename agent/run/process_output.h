/* process_output.h - what a program has printed: the end of it, fit to be shown to people.
 *
 * One thread. */
#ifndef SKEIN_AGENT_RUN_PROCESS_OUTPUT_H
#define SKEIN_AGENT_RUN_PROCESS_OUTPUT_H

#include <stddef.h>
#include <stdint.h>

#include "common/core/arena.h"

struct process_output {
    char *data; /* at most twice what is kept */
    size_t size;
    uint64_t dropped; /* bytes before that */
};

void process_output_release(struct process_output *output);
void process_output_add(struct process_output *output, const char *bytes, size_t size);

/* The end of it, from the beginning of a line on if possible, at most RUNNER_OUTPUT_BYTES_MAX:
 * valid UTF-8 without control characters but line ends and tabs, and `secret` (unless "") masked
 * wherever it stands. NULL when nothing was printed. In `arena`. */
const char *process_output_text(const struct process_output *output, const char *secret,
                                struct arena *arena);
/* The last line of such a text that is not empty; "" for none. In `arena`. */
const char *process_output_last_line(const char *text, struct arena *arena);

#endif
