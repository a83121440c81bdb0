#include "agent/decide/worker_pace.h"

#include <assert.h>
#include <stddef.h>

#include "common/core/base.h"
#include "common/core/limits.h"

static const char *const worker_pace_strains[] = {
    [WORKER_STRAIN_NONE] = "",
    [WORKER_STRAIN_LOCKS] = "sessions waited for locks",
    [WORKER_STRAIN_LAG] = "a standby is behind",
    [WORKER_STRAIN_CONNECTIONS] = "few connections are left",
    [WORKER_STRAIN_LOAD] = "the server is busy",
};
static_assert(COUNT_OF(worker_pace_strains) == WORKER_STRAIN_COUNT, "every strain has words");

void worker_pace_init(struct worker_pace *pace, uint32_t workers, uint64_t now_ms)
{
    assert(workers > 0);
    *pace = (struct worker_pace){ .most = workers, .now = workers, .changed_ms = now_ms };
}

bool worker_pace_step(struct worker_pace *pace, enum worker_strain strain, uint64_t now_ms)
{
    if (strain == WORKER_STRAIN_NONE && pace->now == pace->most) {
        return false;
    }
    if (now_ms < pace->changed_ms + WORKER_PACE_STEP_MS) {
        return false;
    }
    pace->changed_ms = now_ms;
    if (strain != WORKER_STRAIN_NONE) {
        uint32_t before = pace->now;

        pace->now = before > 1 ? before / 2 : 1;
        pace->reason = strain;
        return pace->now != before;
    }
    pace->now++;
    if (pace->now == pace->most) {
        pace->reason = WORKER_STRAIN_NONE;
    }
    return true;
}

const char *worker_pace_words(enum worker_strain strain)
{
    assert(strain < WORKER_STRAIN_COUNT);
    return worker_pace_strains[strain];
}
