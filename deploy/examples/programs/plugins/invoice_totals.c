/* invoice_totals.c - an example of a migration in C: fills invoices.total from invoices.lines,
 * which holds lines such as "2 x 19.90; 1 x 5".
 *
 *   cc -shared -fPIC -I/usr/include/skein -o invoice_totals.so invoice_totals.c */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "skein_migration.h"

/* The first argument of the .plugin.yaml: how many rows at once. */
static long rows_at_once(const struct skein_context *context)
{
    const char *argument = skein_argument(context, 0);
    long rows = argument == NULL ? 0 : strtol(argument, NULL, 10);

    return rows > 0 && rows <= 10000 ? rows : 500;
}

/* "2 x 19.90; 1 x 5" in cents; -1 if it is no such text. */
static long long total_of(const char *lines)
{
    long long total = 0;

    while (*lines != '\0') {
        char *end;
        long long count = strtoll(lines, &end, 10);

        if (end == lines || strncmp(end, " x ", 3) != 0) {
            return -1;
        }
        double price = strtod(end + 3, &end);
        total += count * (long long)(price * 100 + 0.5);
        lines = end + strspn(end, "; ");
        if (lines == end && *lines != '\0') {
            return -1;
        }
    }
    return total;
}

static int fill_one(struct skein_context *context, const char *id, const char *lines)
{
    long long cents = total_of(lines);
    char total[32];
    char reason[128];

    if (cents < 0) {
        (void)snprintf(reason, sizeof(reason), "invoice %.40s has lines that cannot be read", id);
        return skein_fail(context, reason);
    }
    (void)snprintf(total, sizeof(total), "%lld.%02lld", cents / 100, cents % 100);
    return skein_query(context, "UPDATE invoices SET total = $2 WHERE id = $1",
                       (const char *const[]){ id, total }, 2);
}

static int apply(struct skein_context *context)
{
    char last[32] = "0";
    char limit[32];
    uint64_t done = 0;

    (void)snprintf(limit, sizeof(limit), "%ld", rows_at_once(context));
    for (;;) {
        if (skein_query(context,
                        "SELECT id, lines FROM invoices WHERE id > $1 ORDER BY id LIMIT $2",
                        (const char *const[]){ last, limit }, 2) != 0) {
            return -1;
        }
        size_t count = skein_row_count(context);
        if (count == 0) {
            return 0;
        }
        /* The rows go with the next statement: copied, because each gets one. */
        char *rows[10000][2];
        for (size_t i = 0; i < count; i++) {
            rows[i][0] = strdup(skein_value(context, i, 0));
            rows[i][1] = strdup(skein_value(context, i, 1));
        }
        int failed = 0;
        for (size_t i = 0; i < count; i++) {
            failed = failed || fill_one(context, rows[i][0], rows[i][1]) != 0;
            (void)snprintf(last, sizeof(last), "%s", rows[i][0]);
            free(rows[i][0]);
            free(rows[i][1]);
        }
        if (failed) {
            return -1;
        }
        done += count;
        skein_progress(context, done, 0);
    }
}

static int verify(struct skein_context *context)
{
    if (skein_query(context, "SELECT count(*) FROM invoices WHERE total IS NULL", NULL, 0) != 0) {
        return -1;
    }
    return strcmp(skein_value(context, 0, 0), "0") == 0
               ? 0
               : skein_fail(context, "some invoices have no total");
}

static int rollback(struct skein_context *context)
{
    return skein_exec(context, "UPDATE invoices SET total = NULL");
}

const struct skein_migration skein_migration = {
    .abi = SKEIN_MIGRATION_ABI,
    .name = "invoice_totals",
    .apply = apply,
    .verify = verify,
    .rollback = rollback,
};
