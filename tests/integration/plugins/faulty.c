/* faulty.c - a plugin that does what its first argument says; the second is a path or a statement.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "skein_migration.h"

static const char insert[] = "INSERT INTO marks VALUES ('plugin')";

static int do_nothing(struct skein_context *context)
{
    return skein_exec(context, insert);
}

static int do_crash(struct skein_context *context)
{
    (void)skein_exec(context, insert);
    (void)puts("about to crash");
    (void)fflush(stdout);
    (void)signal(SIGSEGV, SIG_DFL); /* a sanitizer has its own */
    return raise(SIGSEGV);
}

static int do_hang(struct skein_context *context)
{
    (void)skein_exec(context, insert);
    while (poll(NULL, 0, -1) <= 0) {
    }
    return 0;
}

static int do_hang_in_sql(struct skein_context *context)
{
    return skein_exec(context, "SELECT pg_sleep(1000)");
}

static int do_leave(struct skein_context *context)
{
    (void)skein_exec(context, insert);
    _exit(0);
}

static int do_fail(struct skein_context *context)
{
    (void)skein_exec(context, insert);
    return skein_fail(context, "seven is not a number of ours");
}

static int do_fail_in_the_run(struct skein_context *context)
{
    (void)skein_exec(context, insert);
    return skein_is_dry_run(context) ? 0 : skein_fail(context, "not today");
}

/* Looks away from the failure. */
static int do_sql(struct skein_context *context)
{
    (void)skein_exec(context, skein_argument(context, 1));
    (void)skein_exec(context, insert);
    return 0;
}

static int do_much(struct skein_context *context)
{
    return skein_query(context, "SELECT repeat('x', 2000000)", NULL, 0);
}

/* Once per tenant; then the agent's death is the test's business. */
static int do_count(struct skein_context *context)
{
    if (!skein_is_dry_run(context)) {
        FILE *file = fopen(skein_argument(context, 1), "a");

        if (file == NULL || fprintf(file, "%s\n", skein_tenant(context)) < 0 || fclose(file) != 0) {
            return skein_fail(context, "the file cannot be written");
        }
    }
    return skein_exec(context, insert);
}

static const struct {
    const char *name;
    int (*run)(struct skein_context *context);
} deeds[] = {
    { "nothing", do_nothing },
    { "crash", do_crash },
    { "hang", do_hang },
    { "hang_in_sql", do_hang_in_sql },
    { "leave", do_leave },
    { "fail", do_fail },
    { "fail_in_the_run", do_fail_in_the_run },
    { "sql", do_sql },
    { "much", do_much },
    { "count", do_count },
    { "unverified", do_nothing },
};

static int apply(struct skein_context *context)
{
    const char *wanted = skein_argument(context, 0);

    for (size_t i = 0; i < sizeof(deeds) / sizeof(deeds[0]); i++) {
        if (wanted != NULL && strcmp(wanted, deeds[i].name) == 0) {
            return deeds[i].run(context);
        }
    }
    return skein_fail(context, "no such deed");
}

static int verify(struct skein_context *context)
{
    if (strcmp(skein_argument(context, 0), "unverified") == 0) {
        return skein_fail(context, "it is not as it should be");
    }
    return skein_query(context, "SELECT 1 FROM marks WHERE what = $1",
                       (const char *const[]){ "plugin" }, 1) == 0 &&
                   skein_row_count(context) == 1
               ? 0
               : -1;
}

static int rollback(struct skein_context *context)
{
    return skein_exec(context, "DELETE FROM marks WHERE what = 'plugin'");
}

const struct skein_migration skein_migration = {
    .abi = SKEIN_MIGRATION_ABI,
    .name = "faulty",
    .apply = apply,
    .verify = verify,
    .rollback = rollback,
};
