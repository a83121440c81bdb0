/* task_words.h - what a task says to the journal's functions: a statement and its parameters.
 *
 * Pure. Texts live in the arena. */
#ifndef SKEIN_AGENT_RUN_TASK_WORDS_H
#define SKEIN_AGENT_RUN_TASK_WORDS_H

#include "agent/run/executor_options.h"
#include "agent/run/executor_task.h"
#include "agent/run/task_text.h"
#include "agent/run/task_undo.h"
#include "common/core/arena.h"

enum { TASK_WORDS_MAX = 13 };

struct task_words {
    const char *sql;
    const char *parameters[TASK_WORDS_MAX];
    size_t count;
};

/* Raises the fence: above every try that came before, where the task was given out for this; above
 * its own, where it is cancelled. */
const struct task_words *task_words_settle(struct arena *arena, const struct executor_task *task);
/* Records what an unmanaged tenant is at, before its task begins. */
const struct task_words *task_words_adopt(struct arena *arena,
                                          const struct executor_options *options,
                                          const struct executor_task *task);
/* The schema is made in the very transaction that fills it and writes the journal: whatever fails,
 * and whoever dies, nothing of it is left. */
const struct task_words *task_words_create(struct arena *arena, const struct executor_task *task);
/* Asks which repeatable scripts have to run. */
const struct task_words *task_words_changed(struct arena *arena, const struct executor_task *task);
/* They have run. */
const struct task_words *task_words_repeated(struct arena *arena, const struct executor_task *task);
/* Ends any other task: writes the history and the version. */
const struct task_words *task_words_end(struct arena *arena, const struct executor_options *options,
                                        const struct executor_task *task, const struct plan *plan,
                                        const struct task_repeats *repeats);
/* Ends a rollback. */
const struct task_words *task_words_undo_end(struct arena *arena,
                                             const struct executor_options *options,
                                             const struct executor_task *task,
                                             const struct task_undo *undo);

#endif
