/* prepared_kind.h - what is made of an operation's file once, before any task runs it, by its kind.
 *
 * No database here. What can be checked when a set is published is checked there (set_parse); this
 * turns the text into what the kind's runner wants to work with. */
#ifndef SKEIN_AGENT_CHECK_PREPARED_KIND_H
#define SKEIN_AGENT_CHECK_PREPARED_KIND_H

#include <stdbool.h>

#include "agent/check/prepared_set.h"
#include "common/core/base.h"
#include "common/model/set.h"
#include "common/sql/sql_script.h"

struct prepared_kind {
    /* Reads the operation's file (`down`: that of its rollback). *ret_data is immutable from then
     * on, shared by all workers, and stands in prepared_file.data. False: `ret_problem` says why it
     * cannot run; the tasks that would run it fail with it. */
    bool (*prepare)(struct sql_parser *parser, const struct operation *operation, bool down,
                    void **ret_data, struct sql_problem *ret_problem);
    void (*release)(void *data); /* of data that is not NULL */
};

/* NULL: this agent does not run that kind. Not for OPERATION_SQL, whose statements prepared_set
 * cuts itself. */
const struct prepared_kind *prepared_kind_find(enum operation_kind kind);

#endif
