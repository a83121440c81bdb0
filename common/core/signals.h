/* signals.h - a server's signals: taken by main in one place, never by a handler (but for the last
 * resort below).
 *
 * Call signals_block first in main, before any thread exists, so that every thread inherits it. */
#ifndef SKEIN_COMMON_CORE_SIGNALS_H
#define SKEIN_COMMON_CORE_SIGNALS_H

#include <stdint.h>

/* Blocks SIGTERM, SIGINT and SIGHUP in this and all later threads; ignores SIGPIPE. */
void signals_block(void);

/* Waits for SIGTERM or SIGINT (SIGHUP is ignored: files are read again when they change) and
 * returns its number. A second one during shutdown ends the process at once. */
int signals_wait_for_stop(void);

/* The last resort of a program that stops: if it still runs after so long (rounded up to seconds),
 * one line says so and it ends with exit code 1, whatever its threads wait for. */
void signals_end_within(uint64_t wait_ms);

#endif
