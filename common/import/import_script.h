/* import_script.h - one script of another tool, made one of a set.
 *
 * Pure but for the parser's thread. */
#ifndef SKEIN_COMMON_IMPORT_IMPORT_SCRIPT_H
#define SKEIN_COMMON_IMPORT_IMPORT_SCRIPT_H

#include "common/import/import_work.h"

/* The script with its head: a BEGIN at its start and the COMMIT at its end are taken off (skein's
 * transaction is around it), `transaction none` is set where PostgreSQL demands it. What stands in
 * the way of running it is a problem of the work. `ledger` may be NULL. */
struct bytes import_script_make(struct import_work *work, const struct import_script *script,
                                const char *ledger);

/* Whether there is anything but blanks and comments. */
bool import_script_is_empty(struct bytes text);

#endif
