/* cli_options.h - every option of every verb of `skein`.
 *
 * Pure tables. A verb names its options; the global ones belong to all. */
#ifndef SKEIN_COORDINATOR_CLI_CLI_OPTIONS_H
#define SKEIN_COORDINATOR_CLI_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/core/options.h"

struct cli_options {
    /* global */
    struct option_list coordinator;
    const char *output;
    const char *timeout;
    bool yes;
    const char *reason;
    const char *tls_cert;
    const char *tls_key;
    const char *tls_ca;
    bool insecure;
    const char *config;
    const char *color;
    bool help;
    bool show_version;
    /* of single verbs; a text that was not given is "" */
    bool dry_run;
    const char *to;
    const char *tenants;
    const char *baseline_unmanaged;
    bool strict;
    bool exit_code;
    const char *policy;
    const char *max_failures;
    uint64_t concurrency;
    uint64_t concurrency_per_shard;
    const char *lock_timeout;
    const char *patience;
    const char *lock_budget;
    bool dry_run_only;
    const char *dry_run_mode;
    bool rehearse_rollback;
    const char *size_limit;
    bool allow_large;
    bool wait;
    bool detach;
    const char *where;
    const char *set;
    const char *version;
    const char *ttl;
    const char *owner;
    const char *wait_for;
    bool force;
    struct option_list placeholder;
    struct option_list labels;
    const char *from;
    uint64_t limit;
    uint64_t errors;
    const char *schema;
    uint64_t postgres_version;
    const char *trace;
    const char *format;
    const char *explain;
    const char *database;
    const char *search_path;
    const char *size_note;
    const char *size_error;
};

enum { CLI_OPTIONS_MAX = 64 };

/* The rows of one verb: those that `names` lists (separated by blanks), then the global ones; a
 * verb's own row hides a global one of the same name. Returns how many. */
size_t cli_options_collect(const char *names, struct option_spec ret_specs[CLI_OPTIONS_MAX]);
/* How many of the rows of cli_options_collect are the verb's own. */
size_t cli_options_own_count(const char *names);
/* Any verb's row, else a global one; NULL. */
const struct option_spec *cli_options_find(const char *name);
const struct option_spec *cli_options_find_letter(char letter);

#endif
