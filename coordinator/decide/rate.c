#include "coordinator/decide/rate.h"

#include <stdbool.h>

#include "common/core/base.h"

/* Seconds count from 1, so that 0 means "not yet". */
static uint64_t rate_second(uint64_t now_ms)
{
    return now_ms / 1000 + 1;
}

void rate_add(struct rate *rate, uint64_t now_ms)
{
    uint64_t second = rate_second(now_ms);

    if (rate->started_s == 0) {
        rate->started_s = second;
        rate->newest_s = second;
    }
    if (second > rate->newest_s + COUNT_OF(rate->counts)) {
        *rate =
            (struct rate){ .started_s = rate->started_s, .newest_s = second, .total = rate->total };
    }
    while (rate->newest_s < second) {
        rate->newest_s++;
        rate->counts[rate->newest_s % COUNT_OF(rate->counts)] = 0;
    }
    rate->counts[second % COUNT_OF(rate->counts)]++;
    rate->total++;
}

double rate_per_second(const struct rate *rate, uint64_t now_ms)
{
    uint64_t second = rate_second(now_ms);
    uint64_t oldest = second > RATE_SECONDS ? second - RATE_SECONDS + 1 : 1;
    uint64_t sum = 0;

    if (rate->started_s == 0) {
        return 0;
    }
    if (oldest < rate->started_s) {
        oldest = rate->started_s;
    }
    for (uint64_t s = oldest; s <= second && s <= rate->newest_s; s++) {
        if (s + COUNT_OF(rate->counts) > rate->newest_s) {
            sum += rate->counts[s % COUNT_OF(rate->counts)];
        }
    }
    uint64_t begin_ms = (oldest - 1) * 1000;
    uint64_t span_ms = now_ms - begin_ms;
    return (double)sum * 1000.0 / (double)(span_ms < 1000 ? 1000 : span_ms);
}

void rate_left_ms(const struct rate *rate, uint64_t now_ms, uint64_t left, uint64_t *ret_min_ms,
                  uint64_t *ret_max_ms)
{
    double per_second = rate_per_second(rate, now_ms);

    *ret_min_ms = 0;
    *ret_max_ms = 0;
    bool enough =
        rate->total >= RATE_TASKS_MIN && rate_second(now_ms) >= rate->started_s + RATE_SECONDS_MIN;
    if (enough && per_second > 0 && left > 0) {
        double estimate_ms = (double)left / per_second * 1000.0;
        *ret_min_ms = (uint64_t)(estimate_ms * 0.8);
        *ret_max_ms = (uint64_t)(estimate_ms * 1.5) + 1;
    }
}
