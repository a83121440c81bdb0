/* task_piece.h - a step of a walk as a piece of a batch: what task_batch and it share.
 *
 * Private to task_batch.c and task_piece.c; on the worker's thread. */
#ifndef SKEIN_AGENT_RUN_TASK_PIECE_H
#define SKEIN_AGENT_RUN_TASK_PIECE_H

#include "agent/run/look_group.h"
#include "agent/run/task_batch.h"
#include "agent/run/task_sql.h"
#include "agent/run/task_text.h"
#include "agent/run/task_words.h"
#include "common/core/arena.h"

struct task_tag {
    enum task_step step;
    const struct prepared_operation *operation;
    const struct sql_statement *statement;
    bool down;
    bool look;     /* none of the task's own: see task_looks.h */
    bool foreseen; /* of such a one: see measure_log.h */
    bool bound;    /* the same */
    bool stamps;   /* its answer has the stamp of the schema */
};

struct task_batch {
    struct pg_conn *conn;
    struct pg_batch *batch;
    const struct task_order *order;
    struct arena arena; /* parameters */
    struct task_tag *tags;
    size_t tag_count;
    size_t tag_capacity;
    bool splits; /* a crash point stands between two statements: separate round trips */
    size_t sent; /* of the tags */
    const char *settings[TASK_SETTING_COUNT];
    struct task_repeats repeats; /* repeatable scripts that run */
    size_t rows;                 /* of the history, up to the script that is being added */
    struct look_group looks;     /* of a dry run that is measured */
    struct task_outcome_report *report;
};

void task_batch_add(struct task_batch *b, struct task_tag tag, const char *sql,
                    const char *const *parameters, size_t parameter_count);
void task_batch_add_step(struct task_batch *b, enum task_step step, const char *sql);
/* The statements of an operation, or of its rollback, between its settings. */
void task_batch_add_operation(struct task_batch *b, const struct prepared_operation *operation,
                              bool down);
/* BEGIN, and the settings before anything else of the task. */
void task_batch_add_settings_first(struct task_batch *b);
void task_batch_say(struct task_batch *b, enum task_step step, const struct task_words *words);
/* Asks which repeatable scripts have to run, while the tenant's row is locked. */
void task_batch_find_changed(struct task_batch *b);
/* A point in the middle of the transaction at which a test build may die or stand still. */
void task_batch_cut(struct task_batch *b, const char *crash_name);
bool task_batch_is_broken(const struct task_batch *b);
/* A task_ledger_add, whose context is the batch. */
void task_batch_add_ledger(void *batch, enum task_step step, const char *sql,
                           const char *const *parameters, size_t parameter_count);
/* The n-th row of the history that the transaction writes begins here. */
void task_batch_add_mark(struct task_batch *b, size_t number);

/* The piece: everything up to COMMIT. */
void task_piece_add(struct task_batch *b);
/* A server that is alive ends each statement after its statement_timeout: an answer that is much
 * later than that does not come. 0 where a statement may take any time. */
uint64_t task_piece_patience_ms(const struct task_order *order);

#endif
