/* plugin_talk.h - the agent's side of what a plugin says: its SQL runs on the task's connection.
 *
 * Used by a worker's thread, within one transaction that its caller has begun and ends. */
#ifndef SKEIN_AGENT_RUN_PLUGIN_TALK_H
#define SKEIN_AGENT_RUN_PLUGIN_TALK_H

#include <stdbool.h>

#include "agent/run/process.h"
#include "agent/run/runner.h"

struct plugin_talk {
    const struct runner_call *call;
    struct runner_report *report;
    /* Private. */
    const char *name; /* the plugin's own; the object's until it has said it */
    enum helper_function next;
    bool verifies;
    bool sql_failed; /* the report has the server's words */
    bool failed;     /* the report is complete */
    bool done;       /* every function has returned 0 */
};

/* For process_order: `context` is a struct plugin_talk. */
enum process_turn plugin_talk_on_frame(void *context, struct helper_frame *frame,
                                       struct buf *answer);

/* Whether a statement may not run because it would end the transaction, or speak with a client that
 * is not there. `ret_word` is what it begins with. Pure. */
bool plugin_talk_is_refused(const char *sql, char ret_word[16]);

#endif
