/* cli.h - one run of the command `skein`: what the dispatcher prepares for a verb.
 *
 * Main thread only. */
#ifndef SKEIN_COORDINATOR_CLI_CLI_H
#define SKEIN_COORDINATOR_CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/core/base.h"
#include "coordinator/cli/call.h"
#include "coordinator/cli/cli_options.h"
#include "coordinator/cli/exit_code.h"
#include "coordinator/cli/output.h"
#include "coordinator/cli/style.h"

struct command;

struct cli {
    const struct command *command;
    struct cli_options options;
    char **arguments; /* behind the verb; as many as the command's row allows */
    size_t argument_count;
    enum output_format format;
    struct style style;
    bool terminal; /* stdout is one */
    bool has_deadline;
    struct caller caller; /* not for verbs that work offline */
};

/* Parses, dispatches, and gives back what the process exits with. */
int cli_run(int argc, char *argv[]);

/* For verbs: says what went wrong and gives back the exit code. */
int cli_fail(const struct cli *cli, const struct rpc_end *end, const struct error *err);
/* What the user typed makes no sense: the sentence, a hint at --help, exit code 2. */
int cli_usage(const struct cli *cli, const char *format, ...) PRINTF(2, 3);
/* Asks before `question` is done; EXIT_CODE_DONE to go on. */
int cli_confirm(const struct cli *cli, const char *question, ...) PRINTF(2, 3);
/* Parses a duration of the command line; "" is `fallback_ms`. False after saying why. */
MUST_CHECK bool cli_duration(const struct cli *cli, const char *option, const char *text,
                             uint64_t fallback_ms, uint64_t *ret_ms);
/* The same for a size, such as 1GB. */
MUST_CHECK bool cli_size(const struct cli *cli, const char *option, const char *text,
                         uint64_t fallback_bytes, uint64_t *ret_bytes);

#endif
