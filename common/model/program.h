/* program.h - what the main of each server shares: flags, environment, --config, --help, --version,
 * `config show`.
 *
 * Used in main only. */
#ifndef SKEIN_COMMON_MODEL_PROGRAM_H
#define SKEIN_COMMON_MODEL_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>

#include "common/core/base.h"
#include "common/core/error.h"
#include "common/core/options.h"

struct program {
    const char *name;    /* "skein-agent" */
    const char *usage;   /* the lines behind "Usage:" */
    const char *summary; /* one sentence */
    const struct option_spec *specs;
    size_t spec_count;
};

enum program_next {
    PROGRAM_RUN,     /* start */
    PROGRAM_DONE,    /* --help, --version or `config show` was answered on stdout: exit 0 */
    PROGRAM_COMMAND, /* another word was given: the program's own business */
};

/* Fills `config` (zeroed by the caller, who releases it with options_release). Words that are no
 * options are moved to argv[1..] and counted. */
MUST_CHECK bool program_options(const struct program *program, int argc, char *argv[], void *config,
                                enum program_next *ret_next, int *ret_words, struct error *err);

#endif
