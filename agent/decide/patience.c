#include "agent/decide/patience.h"

#include "common/core/limits.h"

bool patience_try_again(struct patience *patience, uint64_t patience_ms, uint64_t try_ms,
                        uint64_t now_ms, uint64_t random, uint64_t *ret_at_ms)
{
    uint64_t pause_ms = PATIENCE_PAUSE_MIN_MS;
    /* Of a long patience longer pauses, so that the number of tries stays small. */
    uint64_t most_ms = patience_ms / PATIENCE_TRIES < PATIENCE_PAUSE_MAX_MS
                           ? PATIENCE_PAUSE_MAX_MS
                           : patience_ms / PATIENCE_TRIES;

    if (patience->tries == 0) {
        patience->began_ms = try_ms;
    }
    patience->tries++;
    uint64_t ends_ms = patience->began_ms + patience_ms;
    if (now_ms >= ends_ms) {
        return false;
    }
    for (uint32_t i = 1; i < patience->tries && pause_ms < most_ms; i++) {
        pause_ms *= 2;
    }
    if (pause_ms > most_ms) {
        pause_ms = most_ms;
    }
    uint64_t at_ms = now_ms + pause_ms / 2 + random % (pause_ms / 2 + 1);
    *ret_at_ms = at_ms < ends_ms ? at_ms : ends_ms;
    return true;
}
