/* process.h - runs one program beside the agent, watched by a skein-helper, until it has ended.
 *
 * Blocks; used by a worker's thread. The program gets the words and the environment that the order
 * names, an empty folder of its own to work in, and no descriptor of the agent but its standard
 * ones. Whatever it has started ends with it. If the agent dies the helper ends
 * the program; if the agent stands still it does so when the lease is over. */
#ifndef SKEIN_AGENT_RUN_PROCESS_H
#define SKEIN_AGENT_RUN_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/helper/helper_frame.h"
#include "agent/run/process_output.h"
#include "common/core/base.h"
#include "common/core/buf.h"
#include "common/core/limits.h"

enum process_turn { PROCESS_GOES_ON, PROCESS_IS_DONE, PROCESS_IS_BROKEN };

struct process_order {
    const char *helper;             /* the path of skein-helper */
    const char *const *words;       /* the program's path and its arguments, up to a NULL */
    const char *const *environment; /* "NAME=value", up to a NULL */
    uint64_t timeout_ms;
    /* Asked every PROCESS_TICK_MS; false: it is to be ended. *ret_until_ms: when it must not run
     * any more, by the monotonic clock, even if nobody can say so then. */
    bool (*may_go_on)(void *context, uint64_t *ret_until_ms);
    /* NULL: it has nothing to say but what it prints. Else it is a plugin's host: takes a frame of
     * its, and appends the answer. DONE: the talk is over, the host ends by itself. BROKEN: end it.
     */
    enum process_turn (*on_frame)(void *context, struct helper_frame *frame, struct buf *answer);
    /* NULL: standard input is /dev/null. Else what can be read from it. */
    const struct buf *input;
    /* NULL: what it prints goes to the output, whichever way. Else its standard output goes here,
     * and only its standard error there; one that prints more than fits is ended (STOPPED). */
    struct buf *printed;
    void *context;
};

enum process_ending {
    PROCESS_ENDED,       /* by itself, or killed by somebody: `status`, `signal` */
    PROCESS_NOT_STARTED, /* `words` say why */
    PROCESS_TIMED_OUT,
    PROCESS_STOPPED, /* may_go_on said no, or the talk was BROKEN */
    PROCESS_LOST,    /* the helper has died, and the program with it */
};

struct process_end {
    enum process_ending ending;
    int status;
    int signal; /* 0: it exited with `status` */
    char words[TEXT_BYTES_MAX];
};

void process_run(const struct process_order *order, struct process_output *output,
                 struct process_end *ret_end);

#endif
