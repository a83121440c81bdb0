#include "agent/decide/yield.h"

#include <assert.h>

static_assert(AGENT_WORKERS_MAX <= 64, "a bit for each worker");

void yield_judge(const struct yield_options *options, const struct yield_wait *waits, size_t count,
                 struct yield_verdict *ret_verdict)
{
    uint32_t late[AGENT_WORKERS_MAX] = { 0 };
    struct yield_verdict verdict = { .stop = 0 };

    for (size_t i = 0; i < count; i++) {
        size_t worker = waits[i].worker;

        assert(worker < AGENT_WORKERS_MAX);
        verdict.sessions[worker]++;
        if (waits[i].waited_ms > verdict.longest_ms[worker]) {
            verdict.longest_ms[worker] = waits[i].waited_ms;
        }
        if (waits[i].waited_ms + options->look_ms > options->after_ms[worker]) {
            late[worker]++;
        }
    }
    for (size_t w = 0; w < AGENT_WORKERS_MAX; w++) {
        if (options->sessions > 0 && late[w] >= options->sessions) {
            verdict.stop |= UINT64_C(1) << w;
        }
    }
    *ret_verdict = verdict;
}
