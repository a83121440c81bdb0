/* set.h - a migration set: files -> an ordered, checksummed list of migrations.
 *
 * Pure but for set_read_files, which reads a directory. A set owns its arena and is immutable after
 * set_parse; any number of threads may read it. */
#ifndef SKEIN_COMMON_MODEL_SET_H
#define SKEIN_COMMON_MODEL_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/core/arena.h"
#include "common/core/base.h"
#include "common/core/buf.h"
#include "common/core/error.h"
#include "common/model/semver.h"

enum operation_kind {
    OPERATION_SQL,
    OPERATION_BATCH,
    OPERATION_EXEC,
    OPERATION_PLUGIN,
    OPERATION_STATE,
    OPERATION_KIND_COUNT,
};
const char *operation_kind_name(enum operation_kind kind); /* "sql", "batch", ... */

enum { CHECKSUM_BYTES = 32, DIGEST_TEXT_BYTES = 7 + 64 + 1 /* "sha256:" hex NUL */ };

/* One file of the set, path relative to its folder with "/". */
struct set_file {
    const char *path;
    struct bytes content;
};

/* How a batch goes: `-- skein:batch_rows 1000` and so on. */
struct batch_settings {
    uint32_t rows;       /* of the first chunk; those that follow aim at `target_ms` */
    uint64_t target_ms;  /* how long a chunk should take */
    uint64_t pause_ms;   /* between chunks */
    uint64_t max_lag_ms; /* a standby further behind is waited for; 0: none is */
};

/* Settings at the head of a file: `-- skein:key value`. */
struct operation_settings {
    bool transaction;              /* false: `-- skein:transaction none` */
    bool control_scope;            /* `-- skein:scope control` */
    uint64_t lock_timeout_ms;      /* 0: the rollout's */
    uint64_t statement_timeout_ms; /* 0: none */
    struct batch_settings batch;   /* of a .batch.sql */
    struct bytes ledger;           /* `-- skein:ledger JSON`, see ledger.h; size 0 for none */
};

struct set_process;
struct set_state;

struct operation {
    const char *path;      /* the up file, inside the set: "0.4.0__x/10_add.sql" */
    const char *down_path; /* NULL: no rollback */
    const char *stem;      /* "10_add"; of a migration that is one file, the script's name */
    enum operation_kind kind;
    enum operation_kind down_kind; /* of the rollback: any operation may be undone by SQL or by a
                                      program; that of a plugin or of states may be its own file
                                      again */
    struct bytes content;
    struct bytes down_content;
    const struct set_process *process;      /* OPERATION_EXEC and OPERATION_PLUGIN, else NULL */
    const struct set_process *down_process; /* the same for the rollback */
    const struct set_state *state;          /* OPERATION_STATE, else NULL */
    uint8_t checksum[CHECKSUM_BYTES];       /* SHA-256 of the content with \n line ends */
    struct operation_settings settings;
    struct operation_settings down_settings; /* of the rollback's own head */
};

/* There is something that undoes it. */
bool operation_has_rollback(const struct operation *operation);

/* It, or with `down` its rollback, is SQL that runs in the tenant's transaction. */
bool operation_is_transactional(const struct operation *operation, bool down);

/* It stands in the folder hooks/ of the set. */
bool operation_is_hook(const struct operation *operation);

/* From which size on work on a table is worth a warning or is an error, as the set's authors see
 * it. */
struct set_sizes {
    bool has_note; /* skein.yaml says so */
    bool has_error;
    uint64_t note_bytes;  /* less is only a note */
    uint64_t error_bytes; /* so much, or more; 0: never */
};

/* What a set wants done around a rollout, or around a tenant's part of it. */
enum set_hook {
    SET_HOOK_BEFORE_ROLLOUT, /* in the set's control database: before any tenant is changed, */
    SET_HOOK_AFTER_ROLLOUT,  /* and when all of them are there */
    SET_HOOK_BEFORE_TENANT,  /* on the tenant: the first thing that its task does, */
    SET_HOOK_AFTER_TENANT,   /* and the last */
    SET_HOOK_COUNT,
};
const char *set_hook_name(enum set_hook hook); /* "before_rollout", ... */

struct migration {
    struct semver version;
    const char *version_text;
    const char *name;   /* "split_account_name" */
    const char *script; /* "0.2.0__split_account_name": how the journal and plans call it */
    const struct operation *operations;
    size_t operation_count;
    uint8_t checksum[CHECKSUM_BYTES]; /* over its operations' paths and checksums; the operation's
                                         own when it is a single file */
};

struct set {
    struct arena arena;
    const char *name;
    char digest[DIGEST_TEXT_BYTES];
    struct semver latest;
    const char *latest_text;
    struct semver min_version;
    const char *min_version_text; /* "" for none */
    bool prereleases;
    const char *reference; /* "shard/name", "" for none */
    const char *control; /* "shard/database": where operations of the scope control run; "" none */
    struct set_sizes sizes;
    const char *ledger; /* another tool's history table to be kept up, see ledger.h; "" for none */
    const struct migration *migrations; /* ascending by version */
    size_t migration_count;
    /* R__name.sql, by name: run after the others, on a tenant that is at the latest version,
     * whenever their checksum is not the one that was applied last. One operation each. */
    const struct migration *repeatables;
    size_t repeatable_count;
    uint64_t repeatables_digest; /* of all of them, to compare with a tenant's; 0: none */
    /* hooks/NAME.KIND: one operation each, without a version; NULL where there is none. */
    const struct migration *hooks[SET_HOOK_COUNT];
};

void set_release(struct set *set);

/* Checks every rule of a set (names, versions, duplicates, kinds, settings, skein.yaml,
 * prereleases, latest and min_version) and copies everything. ERR_INVALID names file, line where
 * there is one, value and what was expected; `fallback_name` is the set's name where skein.yaml
 * gives none. Without `latest` in skein.yaml the newest script's version is the latest. */
MUST_CHECK bool set_parse(const struct set_file *files, size_t file_count,
                          const char *fallback_name, struct set *ret_set, struct error *err);

/* The files of a directory, sorted by path, into `arena`. Refuses what does not belong there
 * (links, devices, empty folders, too large or too many files), with the path. Hidden files and
 * README.md are left out; set_parse and the digest ignore them too. */
MUST_CHECK bool set_read_files(const char *directory, struct arena *arena,
                               struct set_file **ret_files, size_t *ret_count, struct error *err);

/* A published set may only grow: every migration of `old_set` is in `new_set`, unchanged, with its
 * rollback; new ones are above old_set's latest, because a tenant that is past a version never gets
 * a script that appears there later; the latest never goes down. A rollback may be added where
 * there was none. Repeatable scripts and hooks may come, change and go. ERR_REFUSED names the file
 * that breaks the rule. */
MUST_CHECK bool set_check_growth(const struct set *old_set, const struct set *new_set,
                                 struct error *err);

const struct migration *set_find_script(const struct set *set, const char *script);

#endif
