#include "agent/complaint.h"

#include <string.h>

#include "common/core/log.h"

enum { COMPLAINTS_AT_ONCE = 4, COMPLAINT_REST_MS = 10000 };

void complaint_forget(struct complaint *complaint)
{
    *complaint = (struct complaint){ 0 };
}

void complaint_say(struct complaint *complaint, const struct error *err, const char *coordinator,
                   uint64_t now_ms)
{
    if (now_ms < complaint->quiet_until_ms || strcmp(complaint->said, err->message) == 0) {
        return;
    }
    log_failure("stream_closed", err, "coordinator=%s", coordinator);
    memcpy(complaint->said, err->message, sizeof(complaint->said));
    if (++complaint->count >= COMPLAINTS_AT_ONCE) {
        complaint->quiet_until_ms = now_ms + COMPLAINT_REST_MS;
    }
}
