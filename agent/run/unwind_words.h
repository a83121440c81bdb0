/* unwind_words.h - what a walk that goes down says to the journal, with its parameters.
 *
 * Pure. The texts are in the arena. */
#ifndef SKEIN_AGENT_RUN_UNWIND_WORDS_H
#define SKEIN_AGENT_RUN_UNWIND_WORDS_H

#include "agent/run/executor_options.h"
#include "agent/run/executor_task.h"
#include "agent/run/task_words.h"
#include "agent/run/unwind_plan.h"
#include "common/core/arena.h"

/* Whose words they are. */
struct unwind_speaker {
    struct arena *arena;
    const struct executor_options *options;
    const struct executor_task *task;
};

/* A row for each script to be undone, at least one. */
enum {
    UNWIND_COLUMN_VERSION,
    UNWIND_COLUMN_START,
    UNWIND_COLUMN_HALF, /* "" for none */
    UNWIND_COLUMN_SCRIPT,
};
const struct task_words *unwind_words_begin(const struct unwind_speaker *speaker);
/* `operation` opens its migration. */
const struct task_words *unwind_words_open(const struct unwind_speaker *speaker,
                                           const struct unwind_operation *operation);
/* `note` is what it has printed, or NULL. */
const struct task_words *unwind_words_end(const struct unwind_speaker *speaker,
                                          const struct unwind_operation *operation,
                                          const char *note);
/* The tenant is at `version`. */
const struct task_words *unwind_words_finish(const struct unwind_speaker *speaker,
                                             const char *version);

#endif
