/* signals.h - a server's signals: taken by main in one place, never by a handler.
 *
 * Call signals_block first in main, before any thread exists, so that every thread inherits it. */
#ifndef SKEIN_COMMON_CORE_SIGNALS_H
#define SKEIN_COMMON_CORE_SIGNALS_H

/* Blocks SIGTERM, SIGINT and SIGHUP in this and all later threads; ignores SIGPIPE. */
void signals_block(void);

/* Waits for SIGTERM or SIGINT (SIGHUP is ignored: files are read again when they change) and
 * returns its number. A second one during shutdown ends the process at once. */
int signals_wait_for_stop(void);

#endif
