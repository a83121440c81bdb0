/* cmd_lock.c - the locks of people: tenant lock and unlock, lock list. */
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/core/clock.h"
#include "common/core/limits.h"
#include "coordinator/cli/cli.h"
#include "coordinator/cli/cmd.h"
#include "coordinator/cli/cmd_tenant.h"
#include "coordinator/cli/field.h"
#include "coordinator/cli/table.h"

enum { LOCK_SELECTOR_BYTES = 2 * NAME_BYTES_MAX + 32 };

/* "ana@laptop:4711": more to people than the address that the coordinator sees. The process makes
 * it unique: the coordinator lets an owner lock again what is theirs, which suits a call that is
 * repeated, and must not let two scripts of one person into the same tenant. */
static void cmd_lock_owner(const struct cli *cli, struct buf *owner)
{
    const struct passwd *account = getpwuid(getuid());
    const char *user = getenv("SUDO_USER");
    char host[HOST_NAME_MAX + 1] = "";

    if (cli->options.owner[0] != '\0') {
        buf_puts(owner, cli->options.owner);
        return;
    }
    if (user == NULL || user[0] == '\0') {
        user = account == NULL ? NULL : account->pw_name;
    }
    (void)gethostname(host, sizeof(host) - 1);
    if (user != NULL && user[0] != '\0') {
        buf_printf(owner, "%s@%s:%d", user, host, (int)getpid());
    }
}

/* ---- as JSON ---- */

/* The times as everywhere else; without what is the coordinator's own. */
static json_t *cmd_lock_shape(const json_t *lock)
{
    static const char *const keys[] = { "tenant", "kind", "owner", "reason", "rollout" };
    json_t *shaped = json_object();

    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        field_copy(shaped, keys[i], lock, keys[i]);
    }
    field_copy_time(shaped, "since", lock, "since_ms");
    field_copy(shaped, "expires_at", lock, "expires_at");
    return shaped;
}

/* ---- lock ---- */

static void cmd_lock_say_taken(const json_t *lock)
{
    char left[STYLE_DURATION_BYTES];
    const int64_t expires_ms = field_time_ms(lock, "expires_at");
    const int64_t left_ms = expires_ms - clock_wall_ms();

    (void)printf("%s is locked by %s until %s (%s)\n", field_text(lock, "tenant"),
                 field_text(lock, "owner"), field_text(lock, "expires_at"),
                 style_duration(left_ms > 0 ? (uint64_t)left_ms : 0, left));
}

static bool cmd_lock_durations(const struct cli *cli, uint64_t *ret_ttl_ms, uint64_t *ret_wait_ms)
{
    if (!cli_duration(cli, "ttl", cli->options.ttl, 0, ret_ttl_ms) ||
        !cli_duration(cli, "wait-for", cli->options.wait_for, 0, ret_wait_ms)) {
        return false;
    }
    if (cli->options.ttl[0] != '\0' && *ret_ttl_ms == 0) {
        (void)cli_usage(cli, "--ttl: a lock of no time at all locks nothing");
        return false;
    }
    return true;
}

int cmd_tenant_lock(struct cli *cli)
{
    CLEANUP(buf_release) struct buf owner = { .size_max = TEXT_BYTES_MAX };
    CLEANUP(buf_release) struct buf selector = { .size_max = LOCK_SELECTOR_BYTES };
    uint64_t ttl_ms = 0;
    uint64_t wait_ms = 0;
    json_t *response = NULL;
    struct rpc_end end;
    struct error err = { 0 };

    if (!cmd_tenant_selector(cli, cli->arguments[0], &selector) ||
        !cmd_lock_durations(cli, &ttl_ms, &wait_ms)) {
        return EXIT_CODE_USAGE;
    }
    cmd_lock_owner(cli, &owner);
    json_t *request = json_pack("{s:s, s:s, s:I, s:s, s:I}", "tenant", cli->arguments[0], "reason",
                                cli->options.reason, "ttl_ms", (json_int_t)ttl_ms, "owner",
                                buf_text(&owner), "wait_ms", (json_int_t)wait_ms);
    bool locked =
        call_unary(&cli->caller, "LockTenant", request, CALL_REPEATABLE, &response, &end, &err);
    json_decref(request);
    if (!locked) {
        return cli_fail(cli, &end, &err);
    }
    const json_t *lock = field_get(response, "lock");
    if (cli->format != OUTPUT_TABLE) {
        json_t *shaped = cmd_lock_shape(lock);
        output_json(cli->format, shaped);
        json_decref(shaped);
    } else {
        cmd_lock_say_taken(lock);
    }
    json_decref(response);
    return EXIT_CODE_DONE;
}

/* ---- unlock ---- */

int cmd_tenant_unlock(struct cli *cli)
{
    CLEANUP(buf_release) struct buf owner = { .size_max = TEXT_BYTES_MAX };
    CLEANUP(buf_release) struct buf selector = { .size_max = LOCK_SELECTOR_BYTES };
    json_t *response = NULL;
    struct rpc_end end;
    struct error err = { 0 };

    if (!cmd_tenant_selector(cli, cli->arguments[0], &selector)) {
        return EXIT_CODE_USAGE;
    }
    if (cli->options.force && cli->options.reason[0] == '\0') {
        return cli_usage(cli, "--force wants a --reason, which the audit events keep");
    }
    /* Asked only where somebody is there to answer: a script has said --force and why. */
    bool asked = false;
    if (cli->options.force &&
        !output_confirm(cli->options.yes, "End that tenant's lock, whoever holds it?", &asked) &&
        asked) {
        output_say("nothing was done");
        return EXIT_CODE_USAGE;
    }
    cmd_lock_owner(cli, &owner);
    json_t *request = json_pack("{s:s, s:s, s:s, s:b}", "tenant", cli->arguments[0], "reason",
                                cli->options.reason, "owner", buf_text(&owner), "force",
                                cli->options.force ? 1 : 0);
    bool unlocked =
        call_unary(&cli->caller, "UnlockTenant", request, CALL_ONCE, &response, &end, &err);
    json_decref(request);
    if (!unlocked) {
        return cli_fail(cli, &end, &err);
    }
    if (cli->format != OUTPUT_TABLE) {
        json_object_set_new(response, "tenant", json_string(cli->arguments[0]));
        output_json(cli->format, response);
    } else {
        (void)printf("%s is free\n", cli->arguments[0]);
    }
    json_decref(response);
    return EXIT_CODE_DONE;
}

/* ---- list ---- */

static void cmd_lock_cell_left(struct table *table, const json_t *lock, int64_t now_ms)
{
    char left[STYLE_DURATION_BYTES];
    const char *kind = field_text(lock, "kind");
    const int64_t expires_ms = field_time_ms(lock, "expires_at");

    if (strcmp(kind, "operator") == 0) {
        table_cell(table,
                   style_duration(expires_ms > now_ms ? (uint64_t)(expires_ms - now_ms) : 0, left));
    } else {
        table_cell(table, strcmp(kind, "program") == 0 ? "its stream" : "its task");
    }
}

static void cmd_lock_list_table(const struct cli *cli, const json_t *locks, uint64_t total)
{
    static const struct table_column columns[] = {
        { "TENANT", false }, { "OWNER", false }, { "ROLLOUT", false },
        { "AGE", true },     { "LEFT", true },   { "REASON", false },
    };
    CLEANUP(table_release) struct table table = { 0 };
    CLEANUP(buf_release) struct buf text = { .size_max = OUTPUT_BYTES_MAX };
    const int64_t now_ms = clock_wall_ms();

    table_init(&table, columns, COUNT_OF(columns));
    for (size_t i = 0; i < json_array_size(locks); i++) {
        const json_t *lock = json_array_get(locks, i);
        const int64_t since_ms = (int64_t)field_u64(lock, "since_ms");
        char age[STYLE_DURATION_BYTES];
        table_cell(&table, field_text(lock, "tenant"));
        table_cell(&table, field_text(lock, "owner"));
        table_cell(&table, field_text(lock, "rollout"));
        table_cell(&table,
                   style_duration(now_ms > since_ms ? (uint64_t)(now_ms - since_ms) : 0, age));
        cmd_lock_cell_left(&table, lock, now_ms);
        table_cell(&table, field_text(lock, "reason"));
    }
    table_print(&table, &cli->style, &text);
    output_text(&text);
    if (total > json_array_size(locks)) {
        output_say("%zu of %llu locks are listed", json_array_size(locks),
                   (unsigned long long)total);
    }
}

int cmd_lock_list(struct cli *cli)
{
    json_t *request = json_object();
    json_t *response = NULL;
    struct rpc_end end;
    struct error err = { 0 };

    bool got =
        call_unary(&cli->caller, "ListLocks", request, CALL_REPEATABLE, &response, &end, &err);
    json_decref(request);
    if (!got) {
        return cli_fail(cli, &end, &err);
    }
    const json_t *locks = field_get(response, "locks");
    if (cli->format != OUTPUT_TABLE) {
        json_t *shaped = json_array();
        for (size_t i = 0; i < json_array_size(locks); i++) {
            json_array_append_new(shaped, cmd_lock_shape(json_array_get(locks, i)));
        }
        output_json_list(cli->format, shaped);
        json_decref(shaped);
    } else if (json_array_size(locks) == 0) {
        output_say("no tenant is locked");
    } else {
        cmd_lock_list_table(cli, locks, field_u64(response, "total"));
    }
    json_decref(response);
    return EXIT_CODE_DONE;
}
