/* task_text.h - what a task says to the journal's functions, as PostgreSQL's text.
 *
 * Pure. Texts live in the arena. */
#ifndef SKEIN_AGENT_RUN_TASK_TEXT_H
#define SKEIN_AGENT_RUN_TASK_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/run/executor_task.h"
#include "common/core/arena.h"
#include "common/model/plan.h"
#include "common/model/set.h"

/* "t_1" with its quotes. */
const char *task_text_identifier(struct arena *arena, const char *name);
/* {"a","b",NULL}: an item that is NULL is SQL's. */
const char *task_text_array(struct arena *arena, const char *const *items, size_t count);

/* A checksum in hex digits. */
const char *task_text_hex(struct arena *arena, const uint8_t checksum[CHECKSUM_BYTES]);
/* Whether a version goes further than another; one that is none does. */
bool task_text_is_above(const char *version, const char *other);

/* Columns as arrays of text. */
struct task_text_rows {
    const char *scripts;
    const char *versions;
    const char *directions;
    const char *checksums; /* hex digits */
};

/* The set's scripts up to `from`: scripts and checksums only. */
void task_text_applied(struct arena *arena, const struct set *set, const char *from,
                       struct task_text_rows *ret_rows);
/* All repeatable scripts of the set, by name: scripts and checksums only. */
void task_text_repeatables(struct arena *arena, const struct set *set,
                           struct task_text_rows *ret_rows);
struct task_text_labels {
    const char *keys;
    const char *values;
};
void task_text_labels(struct arena *arena, const struct labels *labels,
                      struct task_text_labels *ret_labels);
/* From where the plan begins: the tenant's version, or the baseline that is recorded first. */
const char *task_text_start(const struct executor_task *task);
/* Whether the version goes further than the last script of the plan. */
bool task_text_goes_further(const struct executor_task *task, const struct plan *plan);

/* Repeatable scripts that run, by index in the set. */
struct task_repeats {
    size_t *items;
    size_t count;
};

/* The history rows that a task leaves: its scripts, then one without a script where the version
 * goes further than they do (fast_forward), or none of them ran (baseline), then the repeatable
 * scripts. */
void task_text_history(struct arena *arena, const struct executor_task *task,
                       const struct plan *plan, const struct task_repeats *repeats,
                       struct task_text_rows *ret_rows);

#endif
