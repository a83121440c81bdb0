/* make_side.h - one of the databases that the making or dropping of a tenant works in.
 *
 * Blocks; used by a worker's thread. The home side is the agent's own database: where a tenant is a
 * database, too, its state while it is made is kept there. While the home side is open its session
 * holds the tenant's guard (skein.walk_guard), so CREATE DATABASE and DROP DATABASE, which no
 * transaction guards, have the tenant to themselves: a try with a later token ends this session
 * first. Everything that is asked may be asked again: so an answer that was lost is, on a new
 * connection, for as long as a task waits for its database. A cancel does not reach these sessions;
 * what is being made is removed behind it. */
#ifndef SKEIN_AGENT_RUN_MAKE_SIDE_H
#define SKEIN_AGENT_RUN_MAKE_SIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/run/task_run.h"
#include "common/core/base.h"
#include "common/pg/pg_conn.h"

struct make_side {
    struct task_context *context;
    struct executor_task *task;
    struct task_result *result; /* says why not, where something ends */
    const char *database;       /* "": the agent's own */
    bool guarded;
    bool bare;            /* the journal is not made sure of */
    struct pg_conn *conn; /* NULL: none */
    uint64_t ends_ms;     /* 0: nothing is waited for */
    uint64_t backoff_ms;
};

enum make_end {
    MAKE_DONE,
    MAKE_ALREADY, /* SK007: this rollout has done it */
    MAKE_AGAIN,   /* the connection is lost: it is not known what became of it */
    MAKE_ENDED,   /* the result says why not */
};

/* An open connection, through an outage of bounded length. */
enum make_end make_side_open(struct make_side *side);
void make_side_close(struct make_side *side);

/* One statement that does no harm if it runs twice; never MAKE_AGAIN. `ret_rows` may be NULL. */
enum make_end make_side_ask(struct make_side *side, const char *sql, const char *const *parameters,
                            size_t count, struct pg_result **ret_rows);
/* One that may do harm, or takes any time: tried once. `ret_words` has the server's, for
 * MAKE_ENDED. */
enum make_end make_side_say(struct make_side *side, const char *sql, struct pg_error *ret_words);
/* What to do with an error: MAKE_AGAIN after a pause, with the connection closed; MAKE_ALREADY; or
 * MAKE_ENDED. */
enum make_end make_side_judge(struct make_side *side, const struct pg_error *words);
/* The result says that it has failed with these words. */
void make_side_fail(struct make_side *side, enum task_code code, const char *words);

#endif
