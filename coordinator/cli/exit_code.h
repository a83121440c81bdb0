/* exit_code.h - what the command `skein` ends with: one table for scripts to rely on.
 *
 * Pure. */
#ifndef SKEIN_COORDINATOR_CLI_EXIT_CODE_H
#define SKEIN_COORDINATOR_CLI_EXIT_CODE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/rpc/rpc_status.h"

enum exit_code {
    EXIT_CODE_DONE = 0,     /* or nothing to do */
    EXIT_CODE_INTERNAL = 1, /* also: what was named does not exist */
    EXIT_CODE_USAGE = 2,
    EXIT_CODE_PENDING = 3, /* changes pending or drift found, with --exit-code */
    EXIT_CODE_TENANTS_FAILED = 4,
    EXIT_CODE_WAITING = 5,  /* paused or at a gate */
    EXIT_CODE_REJECTED = 6, /* lint, validation or dry run said no; nothing was changed */
    EXIT_CODE_REFUSED = 7,  /* conflict, stale, locked, not allowed */
    EXIT_CODE_UNREACHABLE = 8,
    EXIT_CODE_TIMEOUT = 124,     /* --timeout passed; the work goes on */
    EXIT_CODE_INTERRUPTED = 130, /* Ctrl-C; the work goes on */
};

/* How a call ended. `deadline_given`: --timeout was given, so a passed deadline is its. */
enum exit_code exit_code_of_status(enum rpc_status status, bool deadline_given);

/* Where a rollout stands, by the name of its phase: EXIT_CODE_DONE also while it is at work. */
enum exit_code exit_code_of_phase(const char *phase, uint64_t failed);

/* It has ended: nothing will change any more. */
bool exit_code_phase_is_final(const char *phase);
/* It has ended, or only a person can move it on. */
bool exit_code_phase_is_settled(const char *phase);

#endif
