/* set_kind.h - what the file of an operation says by its kind, where that is YAML.
 *
 * Pure. */
#ifndef SKEIN_COMMON_MODEL_SET_KIND_H
#define SKEIN_COMMON_MODEL_SET_KIND_H

#include <stdbool.h>

#include "common/core/arena.h"
#include "common/core/base.h"
#include "common/core/error.h"
#include "common/model/set.h"

/* Reads the operation's file, or with `down` that of its rollback, whose path, kind and content are
 * there. An operation that is its own rollback gets that, too. ERR_INVALID or ERR_LIMIT with file,
 * line, value and what was expected. */
MUST_CHECK bool set_kind_read(struct operation *operation, bool down, struct arena *arena,
                              struct error *err);

#endif
