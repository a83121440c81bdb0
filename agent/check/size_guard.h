/* size_guard.h - how much of a tenant's data a plan would rewrite, or read whole while others wait,
 * looked at before anything of it runs.
 *
 * Thread-safe: workers share one. What is the same for many tenants (the scripts, and what lint
 * says of them over a catalog) is found out once; of each tenant only the sizes are asked, and its
 * catalog only where a table that the plan touches is not small. */
#ifndef SKEIN_AGENT_CHECK_SIZE_GUARD_H
#define SKEIN_AGENT_CHECK_SIZE_GUARD_H

#include "agent/check/size_plan.h"
#include "common/pg/pg_conn.h"

struct size_guard;

/* The parser is borrowed. */
struct size_guard *size_guard_new(struct sql_parser *parser);
void size_guard_free(struct size_guard **guard);

struct size_guard_call {
    struct pg_conn *conn; /* no transaction is open */
    const char *schema;   /* the tenant's; "" for a whole database */
    uint64_t lock_timeout_ms;
    struct size_way way;
};

struct size_finding {
    const struct size_item *item; /* lives as long as the look */
    uint64_t bytes;
};

struct size_look {
    struct size_plan *plan;        /* one reference; NULL where nothing is large */
    struct size_finding *findings; /* of SIZE_SMALL_BYTES or more, as the plan runs */
    size_t count;
};
void size_look_release(struct size_look *look);

/* One round trip for a tenant whose tables are small, else two. Otherwise as pg_query. */
MUST_CHECK bool size_guard_look(struct size_guard *guard, const struct size_guard_call *call,
                                struct size_look *ret_look, struct pg_error *ret_pg_error,
                                struct error *err);

/* Whether `bytes` of a finding are worth a word more in a rollout: the first of it, and then only
 * what is twice as large as what was told last. So a fleet of tenants with the same finding makes a
 * few warnings, and the worst of them is known to a factor of two. */
bool size_guard_is_news(struct size_guard *guard, const char *rollout, const struct size_item *item,
                        uint64_t bytes);

#endif
