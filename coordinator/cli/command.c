#include "coordinator/cli/command.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "common/core/base.h"
#include "common/core/suggest.h"
#include "coordinator/cli/cli_options.h"
#include "coordinator/cli/cmd.h"

static const struct command commands[] = {
    { "set publish", cmd_set_publish, "DIR", 1, 1, "dry-run",
      "check a migration set and give it to the coordinator",
      "The set is linted here and again by the coordinator. A published set may only grow: "
      "changing\n"
      "or removing a published script is refused.\n\n"
      "  skein set publish ./billing --dry-run\n"
      "  skein set publish ./billing --reason 'ticket 4711'\n",
      false, false },
    { "set import", cmd_set_import, "TOOL DIR OUT", 3, 3, "force placeholder",
      "make a set of another tool's folder of migrations",
      "TOOL is flyway, dbmate, golang-migrate, goose, sqitch, diesel or prisma; OUT must not "
      "exist,\n"
      "or be empty. Says what it could not carry over: a note where something beside the set is\n"
      "lost, a problem where the set would not do what the folder does. With a problem nothing is\n"
      "written (exit code 6) unless --force is given.\n\n"
      "  skein set import flyway src/main/resources/db/migration billing\n"
      "  skein set import flyway sql billing --placeholder table_prefix=app_\n"
      "  skein set import sqitch . ../billing\n",
      true, false },
    { "set list", cmd_set_list, "", 0, 0, "", "the newest published of each set", NULL, false,
      false },
    { "set show", cmd_set_show, "NAME[@DIGEST]", 1, 1, "", "the migrations of one set",
      "  skein set show billing\n", false, false },
    { "lint", cmd_lint, "DIR|FILE...", 0, SIZE_MAX,
      "schema database search-path from=VERSION size-note size-error postgres-version strict trace "
      "format explain",
      "check scripts without a coordinator",
      "Says which locks each statement takes, what it rewrites or reads whole, and what is safe\n"
      "instead. A directory is checked as a whole set; files one after another, each knowing\n"
      "what those before it made. Exits with 6 if there is an error; with --strict on warnings, "
      "too.\n"
      "With --trace a set is also run for real, on a database skein_trace_... that is made on "
      "that\n"
      "server and dropped again; what lint did not foresee is a warning.\n"
      "With --database the catalog of a live tenant is read (nothing is changed, no row is read),\n"
      "and the size of a table decides how bad work on it is. Scripts up to the version that\n"
      "skein's journal has there, or up to --from VERSION, are taken to be applied.\n\n"
      "  skein lint ./billing\n"
      "  skein lint ./billing --schema dump.sql --format github --strict\n"
      "  skein lint ./billing --database 'host=db1 dbname=app' --search-path t_7\n"
      "  skein lint ./billing --postgres-version 13\n"
      "  skein lint ./billing --schema dump.sql --trace 'host=localhost dbname=postgres'\n"
      "  skein lint --explain create-index\n"
      "  skein lint billing/0.4.0__x.sql -o json\n",
      true, false },
    { "plan", cmd_plan, "SET", 1, 1, "to tenants baseline-unmanaged exit-code",
      "which tenants, from where to where, by which scripts; changes nothing",
      "  skein plan billing\n"
      "  skein plan billing --to 0.4.3 --tenants 'shard=eu-*' --exit-code\n",
      false, false },
    { "drift", cmd_drift, "SET", 1, 1, "where exit-code",
      "tenants whose schema is not what others at the same version have",
      "Exits with 3 where there are some and --exit-code is given; with 8 where some tenants "
      "could\n"
      "not be read.\n\n"
      "  skein drift billing\n"
      "  skein drift billing --exit-code\n",
      false, false },
    { "rollout start", cmd_rollout_start, "SET", 1, 1,
      "to tenants policy max-failures concurrency concurrency-per-shard lock-timeout patience "
      "dry-run=MODE dry-run-only baseline-unmanaged rehearse-rollback size-limit allow-large "
      "lock-budget wait detach",
      "dry-run every tenant, then migrate them; prints the rollout's id",
      "If the dry run fails on one tenant, none is changed. When tenants fail later, the policy\n"
      "acts: pause (the default), abort, continue (collect every error, stop for none), or\n"
      "rollback (undo what this rollout did; every script needs a .down for that).\n"
      "--dry-run says what is tried first: the scripts on all tenants (tenants, the default), on\n"
      "one of each class with the same schema and version (classes), on an empty copy of one of\n"
      "each class, where also what cannot run in a transaction is run (clone), or nothing (off).\n"
      "A tenant whose schema has changed by its turn is tried again first.\n\n"
      "  skein rollout start billing\n"
      "  skein rollout start billing --dry-run clone --dry-run-only --wait\n"
      "  skein rollout start billing --to 0.4.3 --tenants 'region=eu,tier!=free' --wait\n"
      "  skein rollout start billing --policy continue --max-failures 2% --concurrency 16\n",
      false, false },
    { "rollout list", cmd_rollout_list, "", 0, 0, "", "rollouts, newest first", NULL, false,
      false },
    { "rollout status", cmd_rollout_status, "ID", 1, 1, "wait",
      "is it moving, waiting or broken, and what makes sense now",
      "  skein rollout status 7f3a\n"
      "  skein rollout status 7f3a --wait --timeout 30min; echo $?\n"
      "      0 done, 4 finished with failed tenants, 5 waits for you, 6 the dry run said no,\n"
      "      7 aborted, 124 the timeout passed and the work goes on\n",
      false, false },
    { "rollout watch", cmd_rollout_watch, "ID", 1, 1, "", "follow it live until it ends",
      "Ctrl-C leaves; the work goes on. Without a terminal: one line per second.\n\n"
      "  skein rollout watch 7f3a\n"
      "  skein rollout watch 7f3a -o ndjson\n",
      false, false },
    { "rollout report", cmd_rollout_report, "ID", 1, 1, "errors",
      "what became of every tenant: counts, causes, each error, each warning", NULL, false, false },
    { "rollout pause", cmd_rollout_pause, "ID", 1, 1, "wait",
      "hand out no more tasks; what runs is finished", NULL, false, false },
    { "rollout resume", cmd_rollout_resume, "ID", 1, 1, "wait", "go on after a pause", NULL, false,
      false },
    { "rollout abort", cmd_rollout_abort, "ID", 1, 1, "wait",
      "end it for good; what is migrated stays migrated", NULL, false, false },
    { "rollout retry", cmd_rollout_retry, "ID", 1, 1, "wait",
      "queue again what failed, and what was skipped as somebody held it", NULL, false, false },
    { "rollout approve", cmd_rollout_unavailable, "ID", 0, SIZE_MAX, "", "", NULL, true, true },
    { "rollout rollback", cmd_rollout_rollback, "ID", 1, 1, "wait",
      "undo what it did, newest script first, by the .down files",
      "What runs is ended first. Then the rollback is dry-run on every tenant that the rollout\n"
      "has changed, and if it fails on one, none is changed back. Refused before anything is\n"
      "touched if scripts have no .down, with their names. A tenant that something else has moved\n"
      "since is left as it is, and named in the warnings. If it fails on a tenant: the same again\n"
      "undoes what is left, 'rollout abort' leaves every tenant as it is.\n\n"
      "  skein rollout rollback 7f3a --wait --yes --reason 'orders are slow'\n",
      false, false },
    { "tenant list", cmd_tenant_list, "", 0, 0, "where", "tenants with their labels and versions",
      "  skein tenant list --where 'region=eu,tenant in (t_1*,t_2*),!frozen'\n", false, false },
    { "tenant show", cmd_tenant_show, "TENANT", 1, 1, "", "all that is known of one tenant",
      "  skein tenant show eu-1/t_7\n", false, false },
    { "tenant census", cmd_tenant_census, "", 0, 0, "set where",
      "which schemas there are, and how the odd ones differ",
      "Each agent reads the schemas of its tenants now, a few at a time. Tenants with the same\n"
      "tables, columns, types, constraints, indexes, functions, triggers and policies are one\n"
      "class; the others are compared with the largest.\n\n"
      "  skein tenant census\n"
      "  skein tenant census --set billing --where shard=eu-1\n",
      false, false },
    { "tenant history", cmd_tenant_history, "TENANT", 1, 1, "limit",
      "what was applied to it, from its own journal", "  skein tenant history eu-1/t_7\n", false,
      false },
    { "tenant lock", cmd_tenant_lock, "TENANT", 1, 1, "ttl owner wait-for",
      "keep rollouts away from one tenant for a while",
      "The coordinator keeps the lock, through restarts and fail-overs, until its time is over or\n"
      "'tenant unlock' ends it. A rollout waits for the tenant up to its --lock-timeout, says for\n"
      "whom, and then skips it (TENANT_LOCKED); 'rollout retry' takes it up later.\n\n"
      "  skein tenant lock eu-1/t_7 --ttl 2h --reason 'restoring a backup'\n"
      "  skein tenant lock eu-1/t_7 --wait-for 30s    when a rollout works on it right now\n",
      false, false },
    { "tenant unlock", cmd_tenant_unlock, "TENANT", 1, 1, "owner force",
      "end a lock before its time",
      "Rollouts that wait for the tenant go on at once. Somebody else's lock is ended only by "
      "--force.\n\n"
      "  skein tenant unlock eu-1/t_7\n"
      "  skein tenant unlock eu-1/t_7 --force --reason 'ana is on holiday'\n",
      false, false },
    { "tenant baseline", cmd_baseline, "[TENANT]", 0, 1,
      "set to version from=TOOL[:TABLE] tenants where",
      "say which version tenants have that skein has not migrated; runs no script",
      "For one tenant, whatever was recorded of it; or with --tenants for those of a selector "
      "that\n"
      "hold objects and have no version yet.\n"
      "With --from each tenant's version is read from the history table of the tool that has\n"
      "migrated it so far (flyway, dbmate, golang-migrate, goose, sqitch, diesel, prisma); the\n"
      "set is one that 'set import' made. A failed or dirty row, a gap or an unknown migration\n"
      "is refused (LEDGER). TOOL:TABLE names another table (of sqitch: registry), in which "
      "{tenant}\n"
      "stands for the tenant's name.\n"
      "--version is another word for --to here, and --where for --tenants.\n\n"
      "  skein tenant baseline eu-1/t_7 --set billing --to 0.3.0\n"
      "  skein tenant baseline --tenants 'shard=eu-*' --set billing --to 0.3.0\n"
      "  skein tenant baseline --from flyway --set billing --tenants 'tenant=*'\n"
      "  skein tenant baseline --from sqitch:sqitch_{tenant} --set billing eu-1/t_7\n",
      false, false },
    { "tenant create", cmd_tenant_create, "TENANT", 1, 1, "set from=scripts|reference to label",
      "make a tenant and bring it to the newest version",
      "Makes the schema or the database and runs the set's scripts in it; if any of that fails,\n"
      "nothing of it is left, and until it is whole nobody sees it. The name has to be one that\n"
      "the shard's agent looks for (tenants.match, exclude, query). It is a rollout of one\n"
      "tenant: 'rollout report' and 'rollout retry' work on it.\n"
      "--from scripts is the default. --from reference copies the structure (no rows) of the\n"
      "set's reference tenant, which has to be on the same shard, and goes on from its version.\n\n"
      "  skein tenant create eu-1/t_9 --set billing\n"
      "  skein tenant create eu-1/t_9 --set billing --from reference --label tier=free\n"
      "  skein tenant create eu-1/t_9 --set billing --to 0.4.3\n",
      false, false },
    { "tenant drop", cmd_tenant_drop, "TENANT", 1, 1, "set force",
      "drop a tenant with all that is in it",
      "Asks for the tenant's name. Refused while somebody holds it or a rollout selects it, and\n"
      "for the reference tenant of a set; without --force also for what skein does not manage,\n"
      "and for a database that somebody is connected to, whose sessions --force ends. Of a\n"
      "schema the journal keeps what was applied to it.\n\n"
      "  skein tenant drop eu-1/t_9\n"
      "  skein tenant drop eu-1/t_9 --yes --reason 'ticket 4712: contract ended'\n",
      false, false },
    { "tenant label", cmd_tenant_label, "TENANT KEY=VALUE|KEY-...", 2, SIZE_MAX, "",
      "give a tenant labels of its own, or take them away",
      "KEY=VALUE sets a label, KEY- takes it away. Labels of the tenant's own stand beside those\n"
      "that the agent's tenants.query gives; of the same key the tenant's own counts.\n\n"
      "  skein tenant label eu-1/t_9 tier=paid\n"
      "  skein tenant label eu-1/t_9 tier=free trial-\n",
      false, false },
    { "shard list", cmd_shard_list, "", 0, 0, "", "shards and their agents", NULL, false, false },
    { "shard forget", cmd_shard_forget, "NAME", 1, 1, "",
      "forget a shard whose agent is gone for good", "  skein shard forget eu-9 --yes\n", false,
      false },
    { "lock list", cmd_lock_list, "", 0, 0, "", "who holds which tenant, and why", NULL, false,
      false },
    { "event list", cmd_event_list, "", 0, 0, "limit", "who did what, newest first", NULL, false,
      false },
    { "config show", cmd_config_show, "", 0, 0, "", "the options as they are in effect", NULL, true,
      false },
    { "completion bash", cmd_completion_bash, "", 0, 0, "", "a script for bash-completion",
      "  skein completion bash > /etc/bash_completion.d/skein\n", true, false },
};

enum { COMMAND_HELP_COLUMNS = 90 };

size_t command_count(void)
{
    return COUNT_OF(commands);
}

const struct command *command_at(size_t index)
{
    return &commands[index];
}

/* How many words of the path are the first of `words`; 0 if not all of the path is there. */
static size_t command_match(const char *path, char *const words[], size_t word_count)
{
    size_t used = 0;

    while (*path != '\0') {
        size_t size = strcspn(path, " ");
        if (used >= word_count || strlen(words[used]) != size ||
            memcmp(words[used], path, size) != 0) {
            return 0;
        }
        used++;
        path += size;
        path += *path == ' ' ? 1 : 0;
    }
    return used;
}

const struct command *command_find(char *const words[], size_t word_count, size_t *ret_used)
{
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        size_t used = command_match(commands[i].path, words, word_count);
        if (used > 0) {
            *ret_used = used;
            return &commands[i];
        }
    }
    return NULL;
}

bool command_is_group(const char *word)
{
    const size_t size = strlen(word);

    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        if (strncmp(commands[i].path, word, size) == 0 && commands[i].path[size] == ' ') {
            return true;
        }
    }
    return false;
}

const char *command_suggest(char *const words[], size_t word_count)
{
    static const char *const groups[] = { "rollout", "tenant", "set", "shard", "lock", "event" };
    struct suggestion near = { 0 };
    struct suggestion verb = { 0 };
    char typed[128];

    snprintf(typed, sizeof(typed), "%s%s%s", words[0], word_count > 1 ? " " : "",
             word_count > 1 ? words[1] : "");
    for (size_t i = 0; i < COUNT_OF(groups) && word_count == 1; i++) {
        suggest_offer(&near, typed, groups[i]);
    }
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        if (commands[i].hidden) {
            continue;
        }
        suggest_offer(&near, typed, commands[i].path);
        /* `skein start` and `skein tenants` are worth an answer too. */
        const char *space = strchr(commands[i].path, ' ');
        if (space != NULL && suggest_distance(words[0], space + 1) <= 1 && verb.word == NULL) {
            verb.word = commands[i].path;
        }
        if (space != NULL && suggest_distance(words[0], commands[i].path) != 0 &&
            strlen(words[0]) >= 3 &&
            strncmp(words[0], commands[i].path, (size_t)(space - commands[i].path)) == 0 &&
            verb.word == NULL) {
            verb.word = commands[i].path;
        }
    }
    return near.word != NULL ? near.word : verb.word;
}

/* Their names; what they mean stands in `skein --help`. */
static void command_help_global(const struct option_spec *specs, size_t count, struct buf *buf)
{
    size_t columns = COMMAND_HELP_COLUMNS;

    buf_puts(buf, "\nFor every verb ('skein --help' explains them):");
    for (size_t i = 0; i < count; i++) {
        const size_t size = strlen(specs[i].name) + strlen(" --,");

        if (columns + size > COMMAND_HELP_COLUMNS) {
            buf_puts(buf, "\n ");
            columns = 1;
        }
        buf_printf(buf, " --%s%s", specs[i].name, i + 1 < count ? "," : "");
        columns += size;
    }
    buf_puts(buf, "\n");
}

void command_help(const struct command *command, struct buf *buf)
{
    struct option_spec specs[CLI_OPTIONS_MAX];
    const size_t own = cli_options_own_count(command->options);
    const size_t count = cli_options_collect(command->options, specs);

    buf_printf(buf, "skein %s - %s\n\nUsage: skein %s%s%s [options]\n", command->path,
               command->help, command->path, command->arguments[0] != '\0' ? " " : "",
               command->arguments);
    if (command->more != NULL) {
        buf_printf(buf, "\n%s", command->more);
    }
    if (own > 0) {
        buf_puts(buf, "\nOptions:\n");
        options_help(specs, own, buf);
    }
    command_help_global(&specs[own], count - own, buf);
}

static void command_help_row(const struct command *command, struct buf *buf)
{
    char left[64];

    snprintf(left, sizeof(left), "%s%s%s", command->path, command->arguments[0] != '\0' ? " " : "",
             command->arguments);
    buf_printf(buf, "  %-30s  %s\n", left, command->help);
}

/* How many rows begin with the first word of this one. */
static size_t command_group_size(const struct command *command)
{
    const size_t size = strcspn(command->path, " ");
    size_t count = 0;

    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        count += strncmp(commands[i].path, command->path, size) == 0 &&
                         commands[i].path[size] == command->path[size]
                     ? 1
                     : 0;
    }
    return count;
}

/* Larger groups stand apart, single verbs stand together. */
static bool command_starts_block(const struct command *command, const struct command *last)
{
    const size_t size = strcspn(command->path, " ");

    if (last == NULL) {
        return true;
    }
    bool same = strncmp(last->path, command->path, size) == 0 && last->path[size] == ' ';
    return !same && (command_group_size(command) > 1 || command_group_size(last) > 1);
}

static void command_help_tail(struct buf *buf)
{
    struct option_spec specs[CLI_OPTIONS_MAX];

    buf_puts(buf, "\nFor every verb (before or after it; each also as SKEIN_NAME and in "
                  "--config FILE):\n");
    options_help(specs, cli_options_collect("", specs), buf);
    buf_puts(
        buf,
        "\nExit codes: 0 done, 1 unexpected, 2 usage, 3 changes pending, 4 tenants failed,\n"
        "5 waits for you, 6 lint or dry run said no, 7 refused, 8 not reachable, 124 timeout\n");
}

void command_help_group(const char *group, struct buf *buf)
{
    const size_t size = group == NULL ? 0 : strlen(group);
    const struct command *last = NULL;

    if (group == NULL) {
        buf_puts(buf, "skein - take schema and data migrations to every tenant of a fleet\n\n"
                      "Usage: skein VERB [arguments] [options]\n");
    } else {
        buf_printf(buf, "Usage: skein %s VERB [arguments] [options]\n", group);
    }
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        const struct command *command = &commands[i];
        bool belongs = group == NULL ||
                       (strncmp(command->path, group, size) == 0 && command->path[size] == ' ');
        if (command->hidden || !belongs) {
            continue;
        }
        buf_puts(buf, command_starts_block(command, last) ? "\n" : "");
        command_help_row(command, buf);
        last = command;
    }
    if (group == NULL) {
        command_help_tail(buf);
    }
    buf_printf(buf, "\n'skein %s%sVERB --help' tells more.\n", group == NULL ? "" : group,
               group == NULL ? "" : " ");
}
