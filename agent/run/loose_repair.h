/* loose_repair.h - what became of a statement outside a transaction, and what it left behind.
 *
 * Used by the worker's thread on the call's connection, with no transaction open. Under the guard
 * nobody else of skein works on the tenant, so what is found there is what the statement left. */
#ifndef SKEIN_AGENT_RUN_LOOSE_REPAIR_H
#define SKEIN_AGENT_RUN_LOOSE_REPAIR_H

#include "agent/run/runner.h"
#include "common/sql/sql_loose.h"

enum loose_state {
    LOOSE_DONE,   /* the catalog says that it took effect */
    LOOSE_AGAIN,  /* it did not, and nothing is left of it: to be run (again) */
    LOOSE_TAKEN,  /* only loose_repair_look: the name that it would make is there already */
    LOOSE_FAILED, /* the report says why */
};

/* Before it runs for the first time. */
enum loose_state loose_repair_look(const struct runner_call *call, const struct sql_loose *loose,
                                   struct runner_report *report);
/* After it was under way: cleans up what a failure leaves (invalid indexes are dropped, a pending
 * detach is finished), which may take long. */
enum loose_state loose_repair(const struct runner_call *call, const struct sql_loose *loose,
                              struct runner_report *report);

/* In a dry run's transaction: whether what it works on is there. *ret_bytes is the size of the
 * table of an index, which is locked against writers then; UINT64_MAX where that would have to
 * wait, 0 where it does not matter. False: the report says what is missing. */
bool loose_repair_rehearse(const struct runner_call *call, const struct sql_loose *loose,
                           uint64_t *ret_bytes, struct runner_report *report);

#endif
