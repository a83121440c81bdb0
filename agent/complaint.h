/* complaint.h - says in the log why streams to coordinators end, but not all day long.
 *
 * Owned by the agent's brain thread. While no coordinator leads, each of them is asked about once a
 * second, and each has its own words for it. */
#ifndef SKEIN_AGENT_COMPLAINT_H
#define SKEIN_AGENT_COMPLAINT_H

#include <stdint.h>

#include "common/core/error.h"

struct complaint {
    char said[ERROR_MESSAGE_BYTES]; /* last */
    unsigned count;                 /* since the last session */
    uint64_t quiet_until_ms;
};

/* All is well again: what comes next is news. */
void complaint_forget(struct complaint *complaint);
/* At first whenever it is something else, later every now and then. */
void complaint_say(struct complaint *complaint, const struct error *err, const char *coordinator,
                   uint64_t now_ms);

#endif
