/* state_program.h - folds streams with a program: a line of JSON for each on its standard input,
 * and one on its standard output.
 *
 * Immutable once made, so that several threads can run the program at the same time. One run is for
 * many streams; the lines are its input from the beginning, so nothing has to be answered before it
 * has read them all. */
#ifndef SKEIN_AGENT_RUN_STATE_PROGRAM_H
#define SKEIN_AGENT_RUN_STATE_PROGRAM_H

#include <stdatomic.h>
#include <stdbool.h>

#include "agent/run/runner.h"
#include "common/model/state_answer.h"

struct state_program {
    const struct runner_call *call;
    const struct set_process *process;
    const char *const *words;
    const char *const *environment;
};

/* False: the agent does not allow it, or it is not there; the report says so. */
MUST_CHECK bool state_program_make(const struct runner_call *call,
                                   struct state_program *ret_program, struct runner_report *report);

struct state_program_run {
    const struct state_program *program;
    bool (*may_go_on)(void *context, uint64_t *ret_until_ms); /* see process.h */
    void *context;
    const char *const *streams;
    const char *const *lines; /* without their ends */
    size_t count;
    struct arena *arena; /* for the answers */
};

enum state_program_end {
    STATE_PROGRAM_DONE,    /* every stream is answered */
    STATE_PROGRAM_BROKEN,  /* those before *ret_answered are; `words` say what is wrong */
    STATE_PROGRAM_STOPPED, /* may_go_on said no */
    STATE_PROGRAM_ABSENT,  /* it cannot be started, nor could it for any other stream */
};

enum state_program_end state_program_run(const struct state_program_run *run,
                                         struct state_answer *ret_answers, size_t *ret_answered,
                                         char words[TEXT_BYTES_MAX]);

#endif
