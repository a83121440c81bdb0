/* main.c - skein-agent: reads the options, starts the agent, waits for a signal. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/decide/uplink.h"
#include "agent/keep/journal.h"
#include "common/core/limits.h"
#include "common/core/log.h"
#include "common/core/signals.h"
#include "common/model/program.h"

enum { EXIT_USAGE = 2, FSM_TEXT_BYTES_MAX = 64 << 10 };

#define AT(member) offsetof(struct agent_options, member)

static const struct option_spec agent_specs[] = {
    { .name = "coordinator",
      .type = OPTION_LIST,
      .offset = AT(coordinators),
      .fallback = "127.0.0.1:7443",
      .argument = "HOST:PORT,...",
      .help = "any coordinators; they lead to the one that leads" },
    { .name = "shard",
      .type = OPTION_TEXT,
      .offset = AT(shard),
      .argument = "NAME",
      .help = "the shard's name, unique in the fleet",
      .required = true },
    { .name = "label",
      .type = OPTION_LIST,
      .offset = AT(labels),
      .argument = "KEY=VALUE",
      .help = "a label of the shard, for selectors; may be given again" },
    { .name = "postgres",
      .type = OPTION_TEXT,
      .offset = AT(postgres),
      .argument = "CONNINFO",
      .help = "libpq's conninfo or URI; PG* variables, service files and .pgpass work" },
    { .name = "tenants.mode",
      .type = OPTION_CHOICE,
      .offset = AT(tenants_mode),
      .fallback = "schema",
      .argument = "MODE",
      .choices = "schema|database",
      .help = "a tenant is a schema, or a database" },
    { .name = "tenants.match",
      .type = OPTION_LIST,
      .offset = AT(tenants_match),
      .argument = "GLOB,...",
      .help = "which schemas or databases are tenants; default: *" },
    { .name = "tenants.exclude",
      .type = OPTION_LIST,
      .offset = AT(tenants_exclude),
      .argument = "GLOB,...",
      .help = "which are not" },
    { .name = "tenants.query",
      .type = OPTION_TEXT,
      .offset = AT(tenants_query),
      .argument = "SQL",
      .help = "instead of match: a query of name (text) and labels (jsonb)" },
    { .name = "registry.postgres",
      .type = OPTION_TEXT,
      .offset = AT(registry_postgres),
      .argument = "CONNINFO",
      .help = "the control database with your own table of tenants; default: none" },
    { .name = "registry.table",
      .type = OPTION_TEXT,
      .offset = AT(registry_table),
      .argument = "TABLE",
      .help = "that table: a tenant's version is written there after each success" },
    { .name = "registry.set",
      .type = OPTION_TEXT,
      .offset = AT(registry_set),
      .argument = "SET",
      .help = "the migration set whose versions it holds" },
    { .name = "registry.tenant-column",
      .type = OPTION_TEXT,
      .offset = AT(registry_tenant_column),
      .fallback = "name",
      .argument = "COLUMN",
      .help = "its column of tenants' names" },
    { .name = "registry.version-column",
      .type = OPTION_TEXT,
      .offset = AT(registry_version_column),
      .fallback = "version",
      .argument = "COLUMN",
      .help = "its column of versions" },
    { .name = "registry.shard-column",
      .type = OPTION_TEXT,
      .offset = AT(registry_shard_column),
      .argument = "COLUMN",
      .help = "its column of shards' names, where it has one" },
    { .name = "control-database",
      .type = OPTION_LIST,
      .offset = AT(control_databases),
      .argument = "NAME,...",
      .help = "databases in which sets may run operations of the scope control; default: none" },
    { .name = "state-database",
      .type = OPTION_LIST,
      .offset = AT(state_databases),
      .argument = "PATTERN,...",
      .help = "other databases that event streams may be read from, and snapshots written to" },
    { .name = "workers",
      .type = OPTION_U64,
      .offset = AT(workers),
      .fallback = "4",
      .argument = "N",
      .min = 1,
      .max = AGENT_WORKERS_MAX,
      .help = "tenants at work at once, one connection each" },
    { .name = "commit",
      .type = OPTION_CHOICE,
      .offset = AT(commit),
      .fallback = "group",
      .argument = "HOW",
      .choices = "single|group",
      .help = "flush each tenant's commit, or one flush for many before they are reported" },
    { .name = "statement-timeout-ms",
      .type = OPTION_U64,
      .offset = AT(statement_timeout_ms),
      .fallback = "0",
      .argument = "MS",
      .max = 86400000,
      .help = "longest time of a statement where the set says nothing; 0: none" },
    { .name = "dry-run-statement-ms",
      .type = OPTION_U64,
      .offset = AT(dry_statement_ms),
      .fallback = "300000",
      .argument = "MS",
      .max = 86400000,
      .help = "the same in dry runs, if that is shorter; 0: as in a run" },
    { .name = "yield-sessions",
      .type = OPTION_U64,
      .offset = AT(yield_sessions),
      .fallback = "1",
      .argument = "N",
      .max = 1000,
      .help =
          "so many sessions or more that wait for a migration stop it, for a while; 0: none do" },
    { .name = "yield-after-ms",
      .type = OPTION_U64,
      .offset = AT(yield_after_ms),
      .fallback = "2000",
      .argument = "MS",
      .min = 200,
      .max = 86400000,
      .help = "when each of them has waited for so long; a rollout's --lock-budget comes first" },
    { .name = "old-transaction-ms",
      .type = OPTION_U64,
      .offset = AT(old_transaction_ms),
      .fallback = "2000",
      .argument = "MS",
      .min = 100,
      .max = 86400000,
      .help =
          "where a transaction of this age holds the locks, they are waited for 150 ms at a time" },
    { .name = "max-lag-ms",
      .type = OPTION_U64,
      .offset = AT(max_lag_ms),
      .fallback = "30000",
      .argument = "MS",
      .max = 86400000,
      .help = "no task begins while a standby is farther behind; 0: never mind" },
    { .name = "min-disk-percent",
      .type = OPTION_U64,
      .offset = AT(min_disk_percent),
      .fallback = "3",
      .argument = "N",
      .max = 99,
      .help = "nor while less is free on the disk of a server on this machine" },
    { .name = "min-connections",
      .type = OPTION_U64,
      .offset = AT(min_connections),
      .fallback = "1",
      .argument = "N",
      .max = 10000,
      .help = "nor while the server has fewer connections left" },
    { .name = "max-active",
      .type = OPTION_U64,
      .offset = AT(max_active),
      .fallback = "0",
      .argument = "N",
      .max = 10000,
      .help = "fewer workers work while more sessions of the server are at work; 0: never mind" },
    { .name = "size-limit",
      .type = OPTION_TEXT,
      .offset = AT(size_limit),
      .fallback = "1GB",
      .argument = "SIZE",
      .help = "a dry run refuses to rewrite, or scan while writers wait, so much or more; 0: off" },
    { .name = "allow-exec",
      .type = OPTION_LIST,
      .offset = AT(allow_exec),
      .argument = "PATH,...",
      .help = "programs that sets may run here, as paths without links or globs; default: none" },
    { .name = "plugin-dir",
      .type = OPTION_TEXT,
      .offset = AT(plugin_dir),
      .argument = "DIR",
      .help = "where the plugins lie that sets may load here; default: none" },
    { .name = "pg-dump",
      .type = OPTION_TEXT,
      .offset = AT(pg_dump),
      .argument = "PATH",
      .help = "PostgreSQL's pg_dump, for copies of tenants, on which dry runs try first what could "
              "hurt; "
              "default: none are" },
    { .name = "refresh-ms",
      .type = OPTION_U64,
      .offset = AT(refresh_ms),
      .fallback = "30000",
      .argument = "MS",
      .min = 100,
      .max = 86400000,
      .help = "how often to look for new and dropped tenants" },
    { .name = "grace-ms",
      .type = OPTION_U64,
      .offset = AT(grace_ms),
      .fallback = "20000",
      .argument = "MS",
      .max = 3600000,
      .help = "how long running tasks may go on at shutdown" },
    { .name = "http",
      .type = OPTION_TEXT,
      .offset = AT(http),
      .argument = "HOST:PORT",
      .help = "serve /healthz, /readyz and /metrics here" },
    { .name = "tls-cert",
      .type = OPTION_TEXT,
      .offset = AT(tls_cert),
      .argument = "FILE",
      .help = "the agent's certificate; read again when it changes" },
    { .name = "tls-key",
      .type = OPTION_TEXT,
      .offset = AT(tls_key),
      .argument = "FILE",
      .help = "its key" },
    { .name = "tls-ca",
      .type = OPTION_TEXT,
      .offset = AT(tls_ca),
      .argument = "FILE",
      .help = "the authority that signs coordinators' certificates" },
    { .name = "insecure",
      .type = OPTION_FLAG,
      .offset = AT(insecure),
      .help = "talk without encryption beyond loopback" },
    { .name = "log-level",
      .type = OPTION_CHOICE,
      .offset = AT(log_level),
      .fallback = "info",
      .argument = "LEVEL",
      .choices = "debug|info|warning|error",
      .help = "what is logged" },
    { .name = "config",
      .type = OPTION_TEXT,
      .offset = AT(config),
      .argument = "FILE",
      .help = "read options from this YAML file" },
    { .name = "help",
      .type = OPTION_FLAG,
      .offset = AT(help),
      .help = "print this",
      .flag_only = true,
      .letter = 'h' },
    { .name = "version",
      .type = OPTION_FLAG,
      .offset = AT(version),
      .help = "print the version",
      .flag_only = true },
};

static const struct program agent_program = {
    .name = "skein-agent",
    .usage = "skein-agent --shard NAME --postgres CONNINFO [OPTIONS]\n"
             "       skein-agent config show [OPTIONS]\n"
             "       skein-agent journal [OPTIONS]\n"
             "       skein-agent fsm [NAME]",
    .summary = "skein-agent works next to one PostgreSQL server, its shard, and migrates its "
               "tenants.",
    .specs = agent_specs,
    .spec_count = COUNT_OF(agent_specs),
};

static int main_fail(const struct error *err, int code)
{
    fprintf(stderr, "skein-agent: %s\n", err->message);
    return code;
}

static void main_print_machine(const struct fsm *fsm)
{
    CLEANUP(buf_release) struct buf text = { .size_max = FSM_TEXT_BYTES_MAX };

    fsm_print_mermaid(fsm, &text);
    fputs(buf_text(&text), stdout);
}

/* Words that need no server: the journal's SQL for administrators, and the state machine. */
static int main_command(int words, char *argv[])
{
    if (strcmp(argv[1], "journal") == 0 && words == 1) {
        fputs(journal_sql(), stdout);
        return 0;
    }
    if (strcmp(argv[1], "fsm") == 0 && words == 1) {
        puts(uplink_machine()->noun);
        return 0;
    }
    if (strcmp(argv[1], "fsm") == 0 && words == 2 && strcmp(argv[2], uplink_machine()->noun) == 0) {
        main_print_machine(uplink_machine());
        return 0;
    }
    fprintf(stderr, "skein-agent: unknown command '%s'; try --help\n", argv[words]);
    return EXIT_USAGE;
}

static bool main_is_command(int argc, char *argv[])
{
    return argc > 1 && (strcmp(argv[1], "journal") == 0 || strcmp(argv[1], "fsm") == 0);
}

static int main_serve(const struct agent_options *options)
{
    struct agent *agent = NULL;
    struct error err = { 0 };

    log_set_level(options->log_level);
    if (!agent_start(options, &agent, &err)) {
        return main_fail(&err, err.code == ERR_INVALID ? EXIT_USAGE : 1);
    }
    int signal_number = signals_wait_for_stop();
    log_info("agent_stopping", "signal=%d", signal_number);
    /* A frozen database would hold a worker for ever. What it was doing stands in the journal. */
    signals_end_within(options->grace_ms + STOP_MARGIN_MS);
    agent_stop(&agent);
    log_info("agent_stopped", "signal=%d", signal_number);
    return 0;
}

int main(int argc, char *argv[])
{
    struct agent_options options = { 0 };
    enum program_next next;
    struct error err = { 0 };
    int words;
    int code = 0;

    signals_block();
    if (!fsm_check(uplink_machine(), &err)) {
        return main_fail(&err, 1);
    }
    if (main_is_command(argc, argv)) {
        return main_command(argc - 1, argv);
    }
    if (!program_options(&agent_program, argc, argv, &options, &next, &words, &err)) {
        code = main_fail(&err, EXIT_USAGE);
    } else if (next == PROGRAM_COMMAND) {
        code = main_command(words, argv);
    } else if (next == PROGRAM_RUN) {
        code = main_serve(&options);
    }
    options_release(agent_specs, COUNT_OF(agent_specs), &options);
    return code;
}
