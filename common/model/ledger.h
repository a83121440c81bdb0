/* ledger.h - the history tables of other migration tools: which tool, which table, and how its
 * names for migrations and a set's versions belong together.
 *
 * Pure. A ledger is written "TOOL" or "TOOL:TABLE", where {tenant} in TABLE stands for the tenant's
 * name: "flyway", "flyway:schema_version", "sqitch:sqitch_{tenant}". The table is looked for in the
 * tenant's schema, unless it is written with one (SCHEMA.TABLE); for sqitch it is the schema of its
 * registry.
 *
 * What a tool calls a migration (its key) stands in the migration's head, where `skein set import`
 * wrote it: -- skein:ledger {"key":"1.2","script":"V1.2__x.sql",...}. For a migration without that
 * line the key follows from its version, if it can. */
#ifndef SKEIN_COMMON_MODEL_LEDGER_H
#define SKEIN_COMMON_MODEL_LEDGER_H

#include <stdbool.h>
#include <stddef.h>

#include "common/core/arena.h"
#include "common/core/base.h"
#include "common/core/buf.h"
#include "common/core/error.h"
#include "common/core/limits.h"
#include "common/model/semver.h"
#include "common/model/set.h"

enum ledger_tool {
    LEDGER_NONE,
    LEDGER_FLYWAY,
    LEDGER_DBMATE,
    LEDGER_GOLANG_MIGRATE,
    LEDGER_GOOSE,
    LEDGER_SQITCH,
    LEDGER_DIESEL,
    LEDGER_PRISMA,
    LEDGER_TOOL_COUNT,
};

#define LEDGER_TOOLS "flyway, dbmate, golang-migrate, goose, sqitch, diesel or prisma"

struct ledger {
    enum ledger_tool tool;
    char table[LEDGER_TABLE_BYTES_MAX + 1]; /* the tool's own default where none was given */
};

const char *ledger_tool_name(enum ledger_tool tool); /* "flyway"; "" for LEDGER_NONE */
/* LEDGER_NONE where there is no such tool. */
enum ledger_tool ledger_tool_find(const char *name);

/* "" gives LEDGER_NONE. */
MUST_CHECK bool ledger_parse(const char *text, struct ledger *ret_ledger, struct error *err);

/* The version that stands for a tool's key: 0.0.N for tools that number or date their migrations
 * (0.0.7, 0.0.20240131120000); Flyway's 1, 1.2 and 1.2.3 as 1.0.0, 1.2.0 and 1.2.3, and its
 * 1.2.3.4, for which there is no place above 1.2.3, as the prerelease 1.2.4-0.4. ERR_INVALID for
 * sqitch, whose changes have no number: their place in the plan is it. */
MUST_CHECK bool ledger_version(enum ledger_tool tool, const char *key,
                               char ret_version[SEMVER_BYTES_MAX + 1], struct error *err);

/* Checks the value of a `-- skein:ledger` line: a JSON object with a "key". */
MUST_CHECK bool ledger_check_entry(struct bytes json, struct error *err);

/* What is to be written into the tool's table for this migration: its line, or what follows from
 * its version; lives in the arena. NULL where nothing follows (see ledger_check_set). */
const char *ledger_entry(enum ledger_tool tool, const struct migration *migration,
                         struct arena *arena);
/* The entry's key, in the form in which keys are compared; NULL as above. */
const char *ledger_key(enum ledger_tool tool, const struct migration *migration,
                       struct arena *arena);
/* A key as the tool's table has it, in that same form: Flyway's 1.02.0 is 1.2. */
const char *ledger_normal_key(enum ledger_tool tool, const char *key, struct arena *arena);

/* Whether every migration has an entry; names the one that does not. */
MUST_CHECK bool ledger_check_set(enum ledger_tool tool, const struct set *set, struct error *err);

/* One row of a tool's table, oldest first. */
enum ledger_state {
    LEDGER_APPLIED,
    LEDGER_UP_TO,  /* this one, and all before it */
    LEDGER_UNDONE, /* an earlier row for the same key does not count any more */
    LEDGER_FAILED,
};

struct ledger_row {
    const char *key;
    enum ledger_state state;
    const char *label; /* how messages name it */
};

/* The version that these rows stand for: that of the last migration applied, or "0.0.0" where none
 * is and the set begins above that. ERR_REFUSED, with what is to be done, where the table does not
 * tell a version: a failed or dirty row, a migration that the set does not know, one left out
 * between two that were applied. */
MUST_CHECK bool ledger_judge(enum ledger_tool tool, const struct set *set,
                             const struct ledger_row *rows, size_t row_count,
                             char ret_version[SEMVER_BYTES_MAX + 1], struct error *err);

#endif
