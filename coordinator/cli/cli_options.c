#include "coordinator/cli/cli_options.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "common/core/limits.h"

#define CLI_FIELD(name) offsetof(struct cli_options, name)

static const struct option_spec cli_global_options[] = {
    { "coordinator", OPTION_LIST, CLI_FIELD(coordinator), .argument = "HOST:PORT[,...]",
      .fallback = "127.0.0.1:7443", .help = "coordinators; the one that leads is found" },
    { "output", OPTION_CHOICE, CLI_FIELD(output), .letter = 'o', .choices = "table|json|ndjson",
      .fallback = "table", .help = "form of what is printed" },
    { "timeout", OPTION_TEXT, CLI_FIELD(timeout), .argument = "DURATION", .fallback = "",
      .help = "give up after this long, such as 30s or 5min (exit code 124)" },
    { "yes", OPTION_FLAG, CLI_FIELD(yes), .help = "do not ask" },
    { "reason", OPTION_TEXT, CLI_FIELD(reason), .argument = "TEXT", .fallback = "",
      .help = "why, for the audit events" },
    { "tls-cert", OPTION_TEXT, CLI_FIELD(tls_cert), .argument = "FILE", .fallback = "",
      .help = "your certificate (PEM)" },
    { "tls-key", OPTION_TEXT, CLI_FIELD(tls_key), .argument = "FILE", .fallback = "",
      .help = "its key" },
    { "tls-ca", OPTION_TEXT, CLI_FIELD(tls_ca), .argument = "FILE", .fallback = "",
      .help = "who signs coordinators' certificates" },
    { "insecure", OPTION_FLAG, CLI_FIELD(insecure), .help = "plain text also to other machines" },
    { "config", OPTION_TEXT, CLI_FIELD(config), .argument = "FILE", .fallback = "",
      .flag_only = true, .help = "YAML file with any of these options (SKEIN_CONFIG)" },
    { "color", OPTION_CHOICE, CLI_FIELD(color), .choices = "auto|always|never", .fallback = "auto",
      .help = "colours; NO_COLOR is honoured" },
    { "help", OPTION_FLAG, CLI_FIELD(help), .letter = 'h', .flag_only = true,
      .help = "what this verb does, with examples" },
    { "version", OPTION_FLAG, CLI_FIELD(show_version), .flag_only = true,
      .help = "the version of skein" },
};

static const struct option_spec cli_verb_options[] = {
    { "dry-run", OPTION_FLAG, CLI_FIELD(dry_run), .help = "check everything, store nothing" },
    { "dry-run", OPTION_CHOICE, CLI_FIELD(dry_run_mode), .argument = "MODE",
      .choices = "tenants|classes|clone|off", .fallback = "tenants", .flag_only = true,
      .help = "what is tried first: tenants, classes, clone or off; see above" },
    { "to", OPTION_TEXT, CLI_FIELD(to), .argument = "VERSION", .fallback = "",
      .help = "target version; the set's latest where it is not given" },
    { "tenants", OPTION_TEXT, CLI_FIELD(tenants), .argument = "SELECTOR", .fallback = "",
      .help = "which tenants, such as 'shard=eu-*,tier!=free'; all where not given" },
    { "baseline-unmanaged", OPTION_TEXT, CLI_FIELD(baseline_unmanaged), .argument = "VERSION",
      .fallback = "",
      .help = "tenants that hold objects but have no version are recorded at this one first" },
    { "exit-code", OPTION_FLAG, CLI_FIELD(exit_code),
      .help = "exit with 3 if there is something: changes pending, or drift" },
    { "policy", OPTION_CHOICE, CLI_FIELD(policy), .choices = "pause|abort|continue|rollback",
      .fallback = "pause", .help = "what to do when tenants fail" },
    { "max-failures", OPTION_TEXT, CLI_FIELD(max_failures), .argument = "N|P%", .fallback = "",
      .help = "failures borne before the policy acts" },
    { "concurrency", OPTION_U64, CLI_FIELD(concurrency), .argument = "N", .max = UINT32_MAX,
      .help = "tenants at work at once, in all" },
    { "concurrency-per-shard", OPTION_U64, CLI_FIELD(concurrency_per_shard), .argument = "N",
      .max = UINT32_MAX, .help = "the same on each shard" },
    { "lock-timeout", OPTION_TEXT, CLI_FIELD(lock_timeout), .argument = "DURATION", .fallback = "",
      .help = "how long a tenant that somebody holds is waited for, then skipped (10s)" },
    { "patience", OPTION_TEXT, CLI_FIELD(patience), .argument = "DURATION", .fallback = "",
      .help = "how long a task that live traffic is in the way of is tried again (10min)" },
    { "lock-budget", OPTION_TEXT, CLI_FIELD(lock_budget), .argument = "DURATION", .fallback = "",
      .help = "how long a tenant's tables may be locked against writers, by its dry run (any)" },
    { "dry-run-only", OPTION_FLAG, CLI_FIELD(dry_run_only),
      .help = "run everything in transactions that are rolled back, then stop" },
    { "rehearse-rollback", OPTION_FLAG, CLI_FIELD(rehearse_rollback),
      .help = "dry-run up, down and up again, and compare the schema before and after" },
    { "size-limit", OPTION_TEXT, CLI_FIELD(size_limit), .argument = "SIZE", .fallback = "",
      .help = "refuse tenants with more to rewrite or scan while writers wait (the agents': 1GB)" },
    { "allow-large", OPTION_FLAG, CLI_FIELD(allow_large),
      .help = "go on with them all the same, with a warning" },
    { "wait", OPTION_FLAG, CLI_FIELD(wait),
      .help = "return when it has ended or waits for a person; the exit code says which" },
    { "detach", OPTION_FLAG, CLI_FIELD(detach), .help = "do not wait (the default)" },
    { "where", OPTION_TEXT, CLI_FIELD(where), .argument = "SELECTOR", .fallback = "",
      .help = "which tenants, such as 'shard=eu-*,tier!=free'" },
    { "set", OPTION_TEXT, CLI_FIELD(set), .argument = "SET", .fallback = "",
      .help = "the migration set's name" },
    { "from", OPTION_TEXT, CLI_FIELD(from), .argument = "VERSION", .fallback = "",
      .flag_only = true,
      .help = "scripts up to this one are applied there (what the journal says)" },
    { "from", OPTION_TEXT, CLI_FIELD(from), .argument = "TOOL[:TABLE]", .fallback = "",
      .flag_only = true, .help = "read each tenant's version from this tool's table; see above" },
    { "from", OPTION_TEXT, CLI_FIELD(from), .argument = "scripts|reference", .fallback = "",
      .flag_only = true, .help = "what the new tenant is made by; see above (scripts)" },
    { "version", OPTION_TEXT, CLI_FIELD(version), .argument = "VERSION", .fallback = "",
      .flag_only = true, .help = "the version that the tenant has already" },
    { "ttl", OPTION_TEXT, CLI_FIELD(ttl), .argument = "DURATION", .fallback = "",
      .help = "the lock ends by itself after this long (1h; at most 24h)" },
    { "owner", OPTION_TEXT, CLI_FIELD(owner), .argument = "NAME", .fallback = "",
      .help = "who you are (user@host:process); the same owner may lock again to renew" },
    { "wait-for", OPTION_TEXT, CLI_FIELD(wait_for), .argument = "DURATION", .fallback = "",
      .help = "wait this long while a rollout or somebody else has it (not at all; at most 1h)" },
    { "force", OPTION_FLAG, CLI_FIELD(force),
      .help = "in spite of what stands in the way: somebody else's lock (wants a --reason, which "
              "the audit events keep), problems of an import, sessions that are connected" },
    { "label", OPTION_LIST, CLI_FIELD(labels), .argument = "KEY=VALUE",
      .help = "a label of the tenant's own, for selectors; may be given several times" },
    { "placeholder", OPTION_LIST, CLI_FIELD(placeholder), .argument = "NAME=VALUE",
      .help = "the value of Flyway's ${NAME}; may be given several times" },
    { "limit", OPTION_U64, CLI_FIELD(limit), .argument = "N", .fallback = "100", .min = 1,
      .max = 1000, .help = "how many, newest first" },
    { "errors", OPTION_U64, CLI_FIELD(errors), .argument = "N", .fallback = "5000", .min = 1,
      .max = FAILURES_KEPT_MAX, .help = "how many errors and warnings to list" },
    { "schema", OPTION_TEXT, CLI_FIELD(schema), .argument = "FILE", .fallback = "",
      .help = "what existed before, as SQL such as pg_dump --schema-only writes" },
    { "postgres-version", OPTION_U64, CLI_FIELD(postgres_version), .argument = "N", .min = 12,
      .max = 17, .help = "of the oldest server: what it does not know is an error" },
    { "format", OPTION_CHOICE, CLI_FIELD(format), .choices = "text|github", .fallback = "text",
      .help = "github: annotations for a pull request" },
    { "explain", OPTION_TEXT, CLI_FIELD(explain), .argument = "RULE", .fallback = "",
      .flag_only = true, .help = "what a rule means and what is safe instead; 'all' lists them" },
    { "strict", OPTION_FLAG, CLI_FIELD(strict), .help = "exit with 6 on warnings, too" },
    { "trace", OPTION_TEXT, CLI_FIELD(trace), .argument = "CONNINFO", .fallback = "",
      .help = "run the set on a new scratch database of this server, and compare" },
    { "database", OPTION_TEXT, CLI_FIELD(database), .argument = "CONNINFO", .fallback = "",
      .help = "what exists, and how large it is, as this tenant's database says" },
    { "search-path", OPTION_TEXT, CLI_FIELD(search_path), .argument = "SCHEMA", .fallback = "",
      .help = "the tenant's schema in that database; without it the whole database" },
    { "size-note", OPTION_TEXT, CLI_FIELD(size_note), .argument = "SIZE", .fallback = "",
      .help = "work on less than this is only a note (skein.yaml's lint.size_note; else 1MB)" },
    { "size-error", OPTION_TEXT, CLI_FIELD(size_error), .argument = "SIZE", .fallback = "",
      .help = "on so much or more an error; 0: never (skein.yaml's lint.size_error; else 1GB)" },
};

static_assert(COUNT_OF(cli_global_options) + COUNT_OF(cli_verb_options) <= CLI_OPTIONS_MAX,
              "any verb's rows fit");

static bool cli_options_has_word(const char *names, const char *name)
{
    const size_t size = strlen(name);

    for (const char *at = strstr(names, name); at != NULL; at = strstr(at + 1, name)) {
        bool starts = at == names || at[-1] == ' ';
        if (starts && (at[size] == ' ' || at[size] == '\0')) {
            return true;
        }
    }
    return false;
}

/* Where two rows have one name, "name" means the first of them, and "name=ARGUMENT" the one with
 * this argument. */
static bool cli_options_has(const char *names, const struct option_spec *spec)
{
    char exact[64];

    (void)snprintf(exact, sizeof(exact), "%s=%s", spec->name,
                   spec->argument == NULL ? "" : spec->argument);
    if (cli_options_has_word(names, exact)) {
        return true;
    }
    const struct option_spec *first =
        options_find(cli_verb_options, COUNT_OF(cli_verb_options), spec->name);
    return (first == spec || first == NULL) && cli_options_has_word(names, spec->name);
}

size_t cli_options_own_count(const char *names)
{
    size_t count = 0;

    for (size_t i = 0; i < COUNT_OF(cli_verb_options); i++) {
        count += cli_options_has(names, &cli_verb_options[i]) ? 1 : 0;
    }
    return count;
}

size_t cli_options_collect(const char *names, struct option_spec ret_specs[CLI_OPTIONS_MAX])
{
    size_t count = 0;

    for (size_t i = 0; i < COUNT_OF(cli_verb_options); i++) {
        if (cli_options_has(names, &cli_verb_options[i])) {
            ret_specs[count++] = cli_verb_options[i];
        }
    }
    for (size_t i = 0; i < COUNT_OF(cli_global_options); i++) {
        if (!cli_options_has_word(names, cli_global_options[i].name)) {
            ret_specs[count++] = cli_global_options[i];
        }
    }
    return count;
}

const struct option_spec *cli_options_find(const char *name)
{
    const struct option_spec *spec =
        options_find(cli_global_options, COUNT_OF(cli_global_options), name);

    return spec != NULL ? spec : options_find(cli_verb_options, COUNT_OF(cli_verb_options), name);
}

const struct option_spec *cli_options_find_letter(char letter)
{
    for (size_t i = 0; i < COUNT_OF(cli_global_options); i++) {
        if (cli_global_options[i].letter == letter) {
            return &cli_global_options[i];
        }
    }
    return NULL;
}
