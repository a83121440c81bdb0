/* invoice_totals.c - an example of a migration in C: fills invoices.total from invoices.lines,
 * which holds lines such as "2 x 19.90; 1 x 5".
 *
 *   cc -shared -fPIC -I/usr/include/skein -o invoice_totals.so invoice_totals.c */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "skein_migration.h"

enum { ROWS_MAX = 1000 };

struct invoice {
    char id[24];
    char total[32];
};

/* The first argument of the .plugin.yaml: how many rows at once. */
static long rows_at_once(const struct skein_context *context)
{
    const char *argument = skein_argument(context, 0);
    long rows = argument == NULL ? 0 : strtol(argument, NULL, 10);

    return rows > 0 && rows <= ROWS_MAX ? rows : ROWS_MAX;
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

/* One row of the answer, which is gone with the next statement. */
static int read_invoice(struct skein_context *context, size_t row, struct invoice *invoice)
{
    const char *id = skein_value(context, row, 0);
    long long cents = total_of(skein_value(context, row, 1));
    char reason[96];

    if (cents < 0) {
        (void)snprintf(reason, sizeof(reason), "invoice %.20s has lines that cannot be read", id);
        return skein_fail(context, reason);
    }
    (void)snprintf(invoice->id, sizeof(invoice->id), "%s", id);
    (void)snprintf(invoice->total, sizeof(invoice->total), "%lld.%02lld", cents / 100, cents % 100);
    return 0;
}

/* Behind the invoice `last`; *count is how many there were. */
static int fill_some(struct skein_context *context, char last[24], const char *limit, size_t *count)
{
    static const char select[] =
        "SELECT id, lines FROM invoices WHERE id > $1 ORDER BY id LIMIT $2";
    static const char update[] = "UPDATE invoices SET total = $2 WHERE id = $1";
    struct invoice invoices[ROWS_MAX];

    if (skein_query(context, select, (const char *const[]){ last, limit }, 2) != 0) {
        return -1;
    }
    *count = skein_row_count(context);
    for (size_t i = 0; i < *count; i++) {
        if (read_invoice(context, i, &invoices[i]) != 0) {
            return -1;
        }
    }
    for (size_t i = 0; i < *count; i++) {
        const char *const parameters[] = { invoices[i].id, invoices[i].total };

        if (skein_query(context, update, parameters, 2) != 0) {
            return -1;
        }
    }
    if (*count > 0) {
        memcpy(last, invoices[*count - 1].id, sizeof(invoices[0].id));
    }
    return 0;
}

static int apply(struct skein_context *context)
{
    char last[24] = "0";
    char limit[24];
    uint64_t done = 0;
    size_t count = 1;

    (void)snprintf(limit, sizeof(limit), "%ld", rows_at_once(context));
    while (count > 0) {
        if (fill_some(context, last, limit, &count) != 0) {
            return -1;
        }
        done += count;
        skein_progress(context, done, 0);
    }
    return 0;
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
