/* task_sql.h - the settings of every transaction that works on a tenant, as SQL.
 *
 * Pure. All LOCAL, so that a pooler in transaction mode is safe too. $1 is the search_path (NULL:
 * as it is), $2 and $3 are lock_timeout and statement_timeout. `standard_conforming_strings`
 * because scripts were cut into statements by that rule. A commit is never less than locally
 * durable unless a barrier follows ($4 is 'off' then, else NULL). */
#ifndef SKEIN_AGENT_RUN_TASK_SQL_H
#define SKEIN_AGENT_RUN_TASK_SQL_H

#define TASK_SETTINGS                                                                              \
    "set_config('search_path', coalesce($1, current_setting('search_path')), true),"               \
    " set_config('lock_timeout', $2, true), set_config('statement_timeout', $3, true),"            \
    " set_config('synchronous_commit', coalesce($4, nullif(current_setting('synchronous_commit')," \
    " 'off'), 'local'), true),"                                                                    \
    " set_config('standard_conforming_strings', 'on', true),"                                      \
    " set_config('client_min_messages', 'warning', true)"
/* A server that notices that nobody listens any more ends the statement, and with it the wait of
 * the next try for the row lock. */
#define TASK_SETTINGS_14 ", set_config('client_connection_check_interval', '5s', true)"

enum { TASK_SETTING_COUNT = 4 };

#endif
