/* loose_wait.h - whether a CONCURRENTLY statement would wait for transactions that are old already.
 *
 * Such a statement blocks nobody and may wait as long as it takes, but it keeps a worker busy, and
 * while it is half done nobody wants it: so it does not begin while it is known whom it would wait
 * for. The task rests, as long as its patience lasts. On the worker's thread. */
#ifndef SKEIN_AGENT_RUN_LOOSE_WAIT_H
#define SKEIN_AGENT_RUN_LOOSE_WAIT_H

#include "agent/run/runner.h"
#include "common/sql/sql_loose.h"

/* One round trip, none for a statement that waits for nobody's end. False: LOCK_TIMEOUT, with who
 * is in the way; an answer that does not come lets the statement begin. */
MUST_CHECK bool loose_wait_look(const struct runner_call *call, const struct sql_loose *loose,
                                struct runner_report *report);

#endif
