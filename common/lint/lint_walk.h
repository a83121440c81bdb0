/* lint_walk.h - what one statement does to what was there before, as it is found out.
 *
 * Not thread-safe; used on the parser's thread. A walk lives for one statement; its transaction for
 * one script, or for one statement outside of a transaction. */
#ifndef SKEIN_COMMON_LINT_LINT_WALK_H
#define SKEIN_COMMON_LINT_LINT_WALK_H

#include <stdbool.h>
#include <stdint.h>

#include "common/core/arena.h"
#include "common/lint/lint_catalog.h"
#include "common/lint/lint_extent.h"
#include "common/lint/lint_rule.h"
#include "common/sql/sql_tree.h"

/* PostgreSQL's lock modes, weakest first; the numbers are those of its LOCK statement. */
enum lint_mode {
    LINT_NO_LOCK,
    LINT_ACCESS_SHARE,
    LINT_ROW_SHARE,
    LINT_ROW_EXCLUSIVE,
    LINT_SHARE_UPDATE_EXCLUSIVE,
    LINT_SHARE, /* from here on it keeps out writers */
    LINT_SHARE_ROW_EXCLUSIVE,
    LINT_EXCLUSIVE,
    LINT_ACCESS_EXCLUSIVE,
    LINT_MODE_COUNT,
};
const char *lint_mode_name(enum lint_mode mode); /* "ACCESS EXCLUSIVE"; "" for none */
/* Whether one of them waits for the other where two sessions want them on the same relation. */
bool lint_mode_conflicts(enum lint_mode one, enum lint_mode other);

struct lint_lock {
    const char *relation;
    enum lint_mode mode;
    bool index;
    bool own; /* of a table that is locked for its own sake: no index, no partition */
};

/* The effects of one statement on relations that were there before. Arrays live in the arena. */
struct lint_statement {
    const char *file;
    uint32_t line;
    uint32_t number;
    bool transactional;
    uint32_t since;    /* the oldest version of PostgreSQL that takes it, of those from 12 on */
    const char *needs; /* what needs that version; NULL where it is the oldest */
    bool allowed; /* by a comment: work that grows with a table, or what lint cannot see into */
    bool grows; /* works longer the larger a table is, while a relation is locked against writers */
    bool opaque; /* it may lock relations that are not listed here */
    struct lint_lock *locks;
    size_t lock_count;
    const char **rewrites;
    size_t rewrite_count;
    const char **scans;
    size_t scan_count;
    uint32_t first_line; /* behind the statement before: where a comment about it may stand */
    uint32_t last_line;
};

struct lint_finding {
    const char *severity; /* "error", "warning" or "note" */
    const char *rule;
    const char *file;   /* inside the set */
    uint32_t line;      /* from 1 */
    uint32_t statement; /* from 1; 0 where the finding is about the file */
    const char *message;
    const char *relation; /* "" where it is about none */
    const char *lock;     /* "ACCESS EXCLUSIVE", ""... */
    const char *fix;      /* what to write instead; may be "" */
    bool sized;           /* a database has said how much it is that has to be worked on */
    struct lint_extent extent;
};

/* How bad work is that grows with a table, where a database has said how large that is: below
 * `note_bytes` a note, from `error_bytes` on an error (0: never), a warning between. */
struct lint_sizes {
    bool surveyed; /* a database was asked. Else nothing has a size, what the set makes itself
                      neither: between two of its scripts there may be years */
    uint64_t note_bytes;
    uint64_t error_bytes;
};

/* The strongest lock that keeps somebody out, of the statements so far. */
struct lint_held {
    enum lint_mode mode;
    const char *relation;
    size_t exclusive_count; /* relations under ACCESS EXCLUSIVE */
};

enum { LINT_SAVEPOINTS_MAX = 16 }; /* further ones are passed over */

/* skein refuses scripts with savepoints in them, but says what they would do. */
struct lint_savepoint {
    const char *name;
    struct lint_held held;
};

struct lint_transaction {
    struct lint_held held;
    bool told_many;
    bool told_long;
    struct lint_savepoint savepoints[LINT_SAVEPOINTS_MAX];
    size_t savepoint_count;
    const struct lint_relation *altered; /* by the last ALTER TABLE */
    uint32_t altered_by;                 /* its number */
};

/* What a statement does that grows with the data. */
struct lint_work {
    bool any;
    struct lint_extent extent;
};

struct lint_walk {
    struct lint_catalog *catalog;
    struct lint_transaction *transaction;
    struct arena *arena; /* of the results */
    struct lint_statement *statement;
    const char *text; /* of the statement */
    size_t depth;     /* of functions that call each other */
    size_t calls;     /* of functions, in all */
    bool only;        /* not the children of a table: ONLY, or because the command is like that */
    struct lint_work work;
    struct lint_sizes sizes;
    uint32_t version; /* of the oldest server; 0 where it was not said */
    bool schema_only; /* only for the catalog: --schema */
    void (*found)(void *context, const struct lint_finding *finding);
    void *context;
};

/* The relation as a person writes it: with its schema where that is not the tenant's. A copy: the
 * report outlives the catalog. */
const char *lint_walk_name(const struct lint_walk *walk, const struct lint_relation *relation);

/* It is read or written whole, or may be. */
void lint_walk_work(struct lint_walk *walk, const struct lint_relation *relation);

/* What is not live is passed over by all of these. */
void lint_walk_lock(struct lint_walk *walk, const struct lint_relation *relation,
                    enum lint_mode mode);
void lint_walk_scan(struct lint_walk *walk, const struct lint_relation *relation);
void lint_walk_rewrite(struct lint_walk *walk, const struct lint_relation *relation);

/* The relation and every partition and child of it, unless `only` is set. */
void lint_walk_lock_all(struct lint_walk *walk, const struct lint_relation *relation,
                        enum lint_mode mode);
void lint_walk_scan_all(struct lint_walk *walk, const struct lint_relation *relation);
void lint_walk_rewrite_all(struct lint_walk *walk, const struct lint_relation *relation);

/* Until lint_walk_whole gets back what this returns, partitions count and other children do not. */
MUST_CHECK bool lint_walk_parts(struct lint_walk *walk, const struct lint_relation *relation);
void lint_walk_whole(struct lint_walk *walk, bool only);

/* Views that read the relation's column (NULL: any), and those that read them. */
void lint_walk_lock_readers(struct lint_walk *walk, const struct lint_relation *relation,
                            const char *column, enum lint_mode mode);

/* The other way round: what a view reads, and what the views that it reads do. */
void lint_walk_lock_read(struct lint_walk *walk, const struct lint_relation *relation,
                         enum lint_mode mode);

/* A finding about a live relation; about none where it is NULL. `fix` NULL: the rule's own words.
 */
void lint_walk_find(struct lint_walk *walk, enum lint_rule rule,
                    const struct lint_relation *relation, const char *fix);

/* The statement with `words` behind the first `keyword`, for a fix that can be pasted; `keyword` in
 * upper case, "" for the end. NULL inside of code. */
const char *lint_walk_rewritten(struct lint_walk *walk, const char *keyword, const char *words);

/* BEGIN, COMMIT, SAVEPOINT, ...: what is no longer held behind it. */
void lint_walk_control(struct lint_walk *walk, const PgQuery__Node *statement);

/* After the statement: what its place in the transaction adds. */
void lint_walk_end(struct lint_walk *walk);

#endif
