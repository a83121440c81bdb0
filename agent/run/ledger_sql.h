/* ledger_sql.h - how to read and write the history table of another tool, as SQL.
 *
 * Pure; texts live in the arena. The statements run in a task's transaction, under the tenant's
 * search_path. */
#ifndef SKEIN_AGENT_RUN_LEDGER_SQL_H
#define SKEIN_AGENT_RUN_LEDGER_SQL_H

#include <stdbool.h>
#include <stddef.h>

#include "common/core/arena.h"
#include "common/model/ledger.h"

enum { LEDGER_STATEMENTS_MAX = 16 };

/* Each takes one parameter (the entries as a JSON array, oldest first), or none. */
struct ledger_sql {
    const char *texts[LEDGER_STATEMENTS_MAX];
    bool takes_entries[LEDGER_STATEMENTS_MAX];
    size_t count;
};

/* One query: key, state ("applied", "upto", "undone", "failed"), label; oldest first. */
void ledger_sql_read(struct arena *arena, const struct ledger *ledger, const char *tenant,
                     struct ledger_sql *ret_sql);
/* What stands before the scripts: makes the table where a tenant begins from nothing, as the tool
 * itself would, and raises SK030 if the tool has applied one of the entries already. */
void ledger_sql_prepare(struct arena *arena, const struct ledger *ledger, const char *tenant,
                        bool creates, struct ledger_sql *ret_sql);
/* Writes the entries as applied, by skein. */
void ledger_sql_write(struct arena *arena, const struct ledger *ledger, const char *tenant,
                      struct ledger_sql *ret_sql);
/* Takes the entries out again, as the tool does when it goes back. The first of them is only the
 * one that is left then (JSON null for none): golang-migrate's table holds just that. */
void ledger_sql_undo(struct arena *arena, const struct ledger *ledger, const char *tenant,
                     struct ledger_sql *ret_sql);

/* The entries of some migrations in a row as the JSON array. */
const char *ledger_sql_entries(struct arena *arena, enum ledger_tool tool,
                               const struct migration *migrations, size_t count);

enum ledger_state ledger_sql_state(const char *text);

#endif
