/* clock.h - what time it is, and waiting for a moment on a condition.
 *
 * Thread-safe. Deadlines are always of the monotonic clock; wall time is for people only. */
#ifndef SKEIN_COMMON_CORE_CLOCK_H
#define SKEIN_COMMON_CORE_CLOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

uint64_t clock_monotonic_ms(void);
uint64_t clock_monotonic_us(void);
int64_t clock_wall_ms(void); /* milliseconds since the Unix epoch */

/* "2026-01-31T12:00:00Z"; `text` holds at least CLOCK_TEXT_BYTES. */
enum { CLOCK_TEXT_BYTES = 32 };
void clock_format_wall(int64_t wall_ms, char *text);

/* A condition whose timed waits follow the monotonic clock. */
void clock_cond_init(pthread_cond_t *cond);
/* False when the deadline passed. UINT64_MAX waits for ever. */
bool clock_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *mutex, uint64_t deadline_ms);

#endif
