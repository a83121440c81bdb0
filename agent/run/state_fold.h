/* state_fold.h - one of those who fold: takes a share of a page's streams to their new states.
 *
 * It writes nothing. SQL functions fold where the tenant's database is, on events that lie there,
 * or that were read elsewhere; a program folds events that were read anywhere. What a stream needs
 * travels together with others' as far as STATE_GROUP_BYTES_MAX allows. Each is used by one thread
 * at a time: the walk's for the first, threads of the team (state_team.h) for the others. */
#ifndef SKEIN_AGENT_RUN_STATE_FOLD_H
#define SKEIN_AGENT_RUN_STATE_FOLD_H

#include <stdatomic.h>

#include "agent/run/runner.h"
#include "agent/run/state_link.h"
#include "agent/run/state_program.h"
#include "agent/run/state_sql.h"
#include "common/model/state_answer.h"

/* What became of one stream; texts live in the folder's arena. */
struct state_result {
    enum state_outcome outcome;
    const char *sequence; /* up to which it is folded; of what is migrated */
    const char *text;     /* see state_answer.h */
};

enum state_folder_problem {
    STATE_FOLDER_WELL,
    STATE_FOLDER_SQL,     /* `error`, on the connection `failed_on` */
    STATE_FOLDER_PROGRAM, /* `words` */
    STATE_FOLDER_STOPPED,
};

struct state_folder {
    /* Set once; what they point to is not changed any more. */
    const struct runner_call *call;
    const struct state_sql *sql;
    const struct state_program *program; /* NULL: SQL functions fold */
    bool first;                          /* works on the walk's own connection and thread */
    bool rehearses;                      /* in a transaction that is rolled back */
    const atomic_bool *stop;
    struct state_link fold;  /* the tenant's database */
    struct state_link reads; /* another one, where the events lie; without a connection: the same */

    /* One page. */
    struct arena arena;
    const char *const *streams;
    size_t count;
    struct state_result *results; /* of `count`; the first `done` are set */
    size_t done;                  /* fewer than `count`: the bytes were enough, or a problem */
    enum state_folder_problem problem;
    const struct state_link *failed_on;
    struct pg_error error;
    char words[TEXT_BYTES_MAX];
};

/* Folds from the first stream on. */
void state_folder_run(struct state_folder *folder);
/* Forgets the page. */
void state_folder_clear(struct state_folder *folder);
/* Any thread, while it runs: asks the server to cancel what it does. */
void state_folder_cancel(struct state_folder *folder);

#endif
