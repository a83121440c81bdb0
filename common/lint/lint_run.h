/* lint_run.h - scripts read one after another, each knowing what those before it made.
 *
 * Pure but for the parser's thread; any thread, one at a time. Reading takes seconds for a large
 * set, so the rpc loop and the brain do not. */
#ifndef SKEIN_COMMON_LINT_LINT_RUN_H
#define SKEIN_COMMON_LINT_LINT_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/core/arena.h"
#include "common/core/base.h"
#include "common/core/buf.h"
#include "common/lint/lint_catalog.h"
#include "common/lint/lint_walk.h"
#include "common/sql/sql_script.h"

/* Owns its texts. Findings and statements are in the order in which they were read; at most
 * LINT_FINDINGS_MAX findings are listed, all errors are counted. */
struct lint_report {
    struct arena arena;
    struct lint_finding *findings;
    size_t count;
    size_t error_count;
    struct lint_statement *statements;
    size_t statement_count;
    size_t statement_capacity;
};
void lint_report_release(struct lint_report *report);

struct lint_run {
    struct sql_parser *parser;
    struct lint_report *report;
    struct lint_catalog catalog;
    bool down;        /* what is read takes back: see lint_run_script */
    uint32_t version; /* of the oldest server, 12 to 17; 0: not said. May be set after begin */
    struct lint_sizes sizes; /* the same */
};

void lint_run_begin(struct lint_run *run, struct sql_parser *parser, struct lint_report *report);
void lint_run_end(struct lint_run *run);

/* What was there before: SQL such as pg_dump --schema-only writes. What cannot be read of it is
 * passed over. False where nothing can. */
MUST_CHECK bool lint_run_schema(struct lint_run *run, struct bytes text, struct error *err);

/* The same of one statement; what cannot be read is passed over. */
void lint_run_define(struct lint_run *run, const char *statement);

/* The scripts that follow are another migration's: what those before made is live by then. */
void lint_run_migration(struct lint_run *run);

/* Findings and effects of one script; `path` as findings name it. Of a rollback (`down`) they are
 * warnings at most, unless nothing can be read of it, and that it takes things away is no news. */
void lint_run_script(struct lint_run *run, const char *path, struct bytes content,
                     bool transactional);

/* A finding from elsewhere. */
void lint_run_add(struct lint_run *run, enum lint_rule rule, const char *path, uint32_t line,
                  const char *message);

/* The same about a statement that was read: what somebody who ran it has found. */
void lint_run_add_at(struct lint_run *run, enum lint_rule rule,
                     const struct lint_statement *statement, const char *message);

#endif
