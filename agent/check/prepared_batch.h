/* prepared_batch.h - a `.batch.sql`, read.
 *
 * Immutable; shared by all workers. */
#ifndef SKEIN_AGENT_CHECK_PREPARED_BATCH_H
#define SKEIN_AGENT_CHECK_PREPARED_BATCH_H

#include "agent/check/prepared_kind.h"
#include "common/sql/batch_script.h"

extern const struct prepared_kind prepared_batch;

/* The batch of an operation's file, or of its rollback's. */
const struct batch_script *prepared_batch_script(const struct prepared_operation *operation,
                                                 bool down);

#endif
