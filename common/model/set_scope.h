/* set_scope.h - which database the operations of a set work on.
 *
 * Pure. */
#ifndef SKEIN_COMMON_MODEL_SET_SCOPE_H
#define SKEIN_COMMON_MODEL_SET_SCOPE_H

#include <stdbool.h>

#include "common/core/base.h"
#include "common/core/error.h"
#include "common/core/limits.h"
#include "common/model/set.h"

/* An operation of the scope control is a script in a transaction, its rollback has the same scope,
 * and the set says which database that is; so is a hook of a rollout. ERR_INVALID names the file.
 */
MUST_CHECK bool set_scope_check(const struct set *set, struct error *err);

/* The parts of set->control, which is not "". The shard's name goes into `ret_shard`; the
 * database's is borrowed. */
const char *set_scope_control(const struct set *set, char ret_shard[static NAME_BYTES_MAX + 1]);

#endif
