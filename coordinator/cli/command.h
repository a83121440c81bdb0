/* command.h - the table of verbs, which feeds dispatch, help and completion.
 *
 * Pure but for the verbs themselves, which are in cmd_*.c. */
#ifndef SKEIN_COORDINATOR_CLI_COMMAND_H
#define SKEIN_COORDINATOR_CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include "common/core/buf.h"

struct cli;

enum { COMMAND_WORDS_MAX = 2 };

struct command {
    const char *path; /* "rollout start" */
    int (*run)(struct cli *cli);
    const char *arguments; /* "SET"; "" for none */
    size_t arguments_min, arguments_max;
    const char *options; /* names of cli_options.h, separated by blanks */
    const char *help;    /* one line */
    const char *more;    /* paragraphs and examples for --help; may be NULL */
    bool offline;        /* needs no coordinator */
    bool hidden;         /* not in lists: not available in this version */
};

size_t command_count(void);
const struct command *command_at(size_t index);

/* The row whose path the words begin with, and how many words that takes; NULL. */
const struct command *command_find(char *const words[], size_t word_count, size_t *ret_used);
/* Whether verbs begin with this word: "rollout". */
bool command_is_group(const char *word);
/* The path that was probably meant; NULL. */
const char *command_suggest(char *const words[], size_t word_count);

/* --help of one verb, of a group, of everything (`group` NULL). */
void command_help(const struct command *command, struct buf *buf);
void command_help_group(const char *group, struct buf *buf);

#endif
