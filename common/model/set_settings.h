/* set_settings.h - the settings at the head of a script: `-- skein:key value`.
 *
 * Pure. The head is what stands before the first line that is neither blank nor a -- comment. One
 * line may carry several settings. Keys: transaction none, lock_timeout DURATION, statement_timeout
 * DURATION, scope control|tenant, ledger JSON (see ledger.h), allow RULE reason; of a batch, which
 * is never `transaction none`, also batch_rows NUMBER, batch_target DURATION, batch_pause DURATION,
 * batch_max_lag DURATION|none. */
#ifndef SKEIN_COMMON_MODEL_SET_SETTINGS_H
#define SKEIN_COMMON_MODEL_SET_SETTINGS_H

#include "common/core/buf.h"
#include "common/core/error.h"
#include "common/model/set.h"

/* Changes what the head names and leaves the rest of *settings alone; settings->ledger points into
 * the script. A setting below the head is
 * an error too: it would be ignored in silence otherwise. ERR_INVALID names file and line. */
MUST_CHECK bool set_settings_parse(const char *path, bool batch, struct bytes script,
                                   struct operation_settings *settings, struct error *err);

/* A duration that PostgreSQL takes as a timeout. */
MUST_CHECK bool set_settings_parse_timeout(const char *text, uint64_t *ret_ms, struct error *err);

#endif
