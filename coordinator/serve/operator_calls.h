/* operator_calls.h - the operators' open calls by number, so that an answer finds its caller.
 *
 * Thread-safe. A call is in the table from its opening to its end; an answer to one that is gone
 * finds nothing, and that is no error. */
#ifndef SKEIN_COORDINATOR_SERVE_OPERATOR_CALLS_H
#define SKEIN_COORDINATOR_SERVE_OPERATOR_CALLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/core/limits.h"
#include "common/model/semver.h"
#include "common/model/set.h"
#include "common/rpc/rpc_server.h"

/* What a publish will be answered with; kept here because a dry run leaves nothing in the fleet. */
struct operator_published {
    char set[NAME_BYTES_MAX + 1];
    char digest[DIGEST_TEXT_BYTES];
    char latest[SEMVER_BYTES_MAX + 1];
    uint32_t migrations;
};

struct operator_calls;

struct operator_calls *operator_calls_new(void);
void operator_calls_free(struct operator_calls **pointer);

uint64_t operator_calls_add(struct operator_calls *calls, struct rpc_call *call, size_t method);
void operator_calls_remove(struct operator_calls *calls, uint64_t number);

/* With a reference that the caller gives back; NULL when the call is gone. `ret_method` and
 * `ret_published` may be NULL. */
struct rpc_call *operator_calls_find(struct operator_calls *calls, uint64_t number,
                                     size_t *ret_method, struct operator_published *ret_published);
bool operator_calls_is_open(struct operator_calls *calls, uint64_t number);
void operator_calls_set_published(struct operator_calls *calls, uint64_t number,
                                  const struct operator_published *published);

/* Every open call, with references; free() the array. */
struct rpc_call **operator_calls_list(struct operator_calls *calls, size_t *ret_count);

#endif
