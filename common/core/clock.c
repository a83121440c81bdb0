#include "common/core/clock.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <time.h>

static uint64_t clock_us(clockid_t id)
{
    struct timespec now;

    clock_gettime(id, &now);
    return (uint64_t)now.tv_sec * 1000000U + (uint64_t)now.tv_nsec / 1000U;
}

uint64_t clock_monotonic_ms(void)
{
    return clock_us(CLOCK_MONOTONIC) / 1000U;
}

uint64_t clock_monotonic_us(void)
{
    return clock_us(CLOCK_MONOTONIC);
}

int64_t clock_wall_ms(void)
{
    return (int64_t)(clock_us(CLOCK_REALTIME) / 1000U);
}

void clock_format_wall(int64_t wall_ms, char *text)
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm tm;

    gmtime_r(&seconds, &tm);
    strftime(text, CLOCK_TEXT_BYTES, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

void clock_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attributes;

    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attributes);
    pthread_condattr_destroy(&attributes);
}

bool clock_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *mutex, uint64_t deadline_ms)
{
    if (deadline_ms == UINT64_MAX) {
        pthread_cond_wait(cond, mutex);
        return true;
    }
    struct timespec until = {
        .tv_sec = (time_t)(deadline_ms / 1000U),
        .tv_nsec = (long)(deadline_ms % 1000U) * 1000000L,
    };
    int rc = pthread_cond_timedwait(cond, mutex, &until);
    assert(rc == 0 || rc == ETIMEDOUT);
    return rc == 0;
}
