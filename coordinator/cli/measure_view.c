#include "coordinator/cli/measure_view.h"

#include <inttypes.h>
#include <stdio.h>

#include "coordinator/cli/field.h"
#include "coordinator/cli/table.h"

enum { MEASURE_TIME_BYTES = 32, MEASURE_LIST_BYTES = 1024 };

/* "850us", "12.5ms", "3.2s", "5m 03s" */
static const char *measure_view_time(uint64_t us, char text[MEASURE_TIME_BYTES])
{
    char long_text[STYLE_DURATION_BYTES];

    if (us < 1000) {
        (void)snprintf(text, MEASURE_TIME_BYTES, "%" PRIu64 "us", us);
    } else if (us < 1000000) {
        (void)snprintf(text, MEASURE_TIME_BYTES, "%.1fms", (double)us / 1000);
    } else if (us < 60000000) {
        (void)snprintf(text, MEASURE_TIME_BYTES, "%.1fs", (double)us / 1000000);
    } else {
        (void)snprintf(text, MEASURE_TIME_BYTES, "%s", style_duration(us / 1000, long_text));
    }
    return text;
}

static void measure_view_cell_time(struct table *table, const json_t *object, const char *key)
{
    char text[MEASURE_TIME_BYTES];
    uint64_t us = field_u64(object, key);

    table_cell(table, us == 0 ? "" : measure_view_time(us, text));
}

static void measure_view_cell_bytes(struct table *table, uint64_t bytes)
{
    if (bytes < 10 << 10) {
        table_cell_f(table, "%" PRIu64 " B", bytes);
    } else if (bytes < 10 << 20) {
        table_cell_f(table, "%" PRIu64 " kB", bytes >> 10);
    } else {
        table_cell_f(table, "%" PRIu64 " MB", bytes >> 20);
    }
}

static void measure_view_estimate(const json_t *rollout, struct buf *buf)
{
    char least[MEASURE_TIME_BYTES];
    char most[MEASURE_TIME_BYTES];

    if (field_u64(rollout, "estimate_max_ms") > 0) {
        buf_printf(buf, "; the run takes %s to %s",
                   measure_view_time(1000 * field_u64(rollout, "estimate_min_ms"), least),
                   measure_view_time(1000 * field_u64(rollout, "estimate_max_ms"), most));
    }
}

void measure_view_line(const json_t *rollout, struct buf *buf)
{
    const json_t *measures = field_get(rollout, "measures");
    const json_t *worst = json_array_get(field_get(measures, "worst"), 0);
    char time[MEASURE_TIME_BYTES];

    if (worst == NULL) {
        return;
    }
    buf_printf(buf, "measured %" PRIu64 " dry run%s", field_u64(measures, "tenants"),
               field_u64(measures, "tenants") == 1 ? "" : "s");
    if (field_u64(worst, "blocked_us") > 0) {
        buf_printf(buf, "; writers wait up to %s for ",
                   measure_view_time(field_u64(worst, "blocked_us"), time));
        style_clean(field_text(worst, "blocked_relation"), buf);
        buf_puts(buf, " of ");
        style_clean(field_text(worst, "tenant"), buf);
    } else {
        buf_puts(buf, "; nobody waits for a lock");
    }
    measure_view_estimate(rollout, buf);
    buf_puts(buf, "\n");
}

static void measure_view_histogram(const json_t *measures, const struct style *style,
                                   struct buf *buf)
{
    static const struct table_column columns[] = { { "UP TO", true },
                                                   { "WRITERS WAIT", true },
                                                   { "DRY RUN TAKES", true } };
    CLEANUP(table_release) struct table table = { 0 };
    const json_t *bounds = field_get(measures, "upto_us");
    const json_t *blocked = field_get(measures, "blocked");
    const json_t *took = field_get(measures, "took");
    char time[MEASURE_TIME_BYTES];

    table_init(&table, columns, COUNT_OF(columns));
    for (size_t i = 0; i < json_array_size(took); i++) {
        json_int_t locked = json_integer_value(json_array_get(blocked, i));
        json_int_t worked = json_integer_value(json_array_get(took, i));
        uint64_t bound = (uint64_t)json_integer_value(json_array_get(bounds, i));

        if (locked == 0 && worked == 0) {
            continue;
        }
        table_cell(&table, i < json_array_size(bounds) ? measure_view_time(bound, time) : "more");
        table_cell_f(&table, "%" JSON_INTEGER_FORMAT, locked);
        table_cell_f(&table, "%" JSON_INTEGER_FORMAT, worked);
    }
    if (table_row_count(&table) > 0) {
        buf_puts(buf,
                 "\ntenants, by how long their writers wait and how long their dry run takes\n");
        table_print(&table, style, buf);
    }
}

static void measure_view_tenants(const json_t *worst, const struct style *style, struct buf *buf)
{
    static const struct table_column columns[] = {
        { "TENANT", false }, { "WRITERS WAIT", true }, { "ALL WAIT", true },
        { "FOR", false },    { "TOOK", true },         { "REWRITES", true },
        { "SCANS", true },   { "ROWS", true },         { "WAL", true },
    };
    CLEANUP(table_release) struct table table = { 0 };

    table_init(&table, columns, COUNT_OF(columns));
    for (size_t i = 0; i < json_array_size(worst); i++) {
        const json_t *tenant = json_array_get(worst, i);

        table_cell(&table, field_text(tenant, "tenant"));
        measure_view_cell_time(&table, tenant, "blocked_us");
        measure_view_cell_time(&table, tenant, "exclusive_us");
        table_cell(&table, field_text(tenant, "blocked_relation"));
        measure_view_cell_time(&table, tenant, "took_us");
        table_cell_f(&table, "%" PRIu64, field_u64(tenant, "rewrites"));
        table_cell_f(&table, "%" PRIu64, field_u64(tenant, "scans"));
        table_cell_f(&table, "%" PRIu64, field_u64(tenant, "rows"));
        measure_view_cell_bytes(&table, field_u64(tenant, "wal_bytes"));
    }
    buf_puts(buf, "\nthe worst tenants, by their dry runs\n");
    table_print(&table, style, buf);
}

/* "orders ACCESS EXCLUSIVE; rewrites orders; reads all of items" */
static void measure_view_effects(struct table *table, const json_t *statement)
{
    static const char *const lists[][2] = { { "rewrites", "rewrites" },
                                            { "scans", "reads all of" } };
    CLEANUP(buf_release) struct buf text = { .size_max = MEASURE_LIST_BYTES };
    const json_t *locks = field_get(statement, "locks");

    for (size_t i = 0; i < json_array_size(locks); i++) {
        const json_t *lock = json_array_get(locks, i);

        buf_printf(&text, "%s%s %s", i == 0 ? "" : "; ", field_text(lock, "relation"),
                   field_text(lock, "mode"));
    }
    for (size_t l = 0; l < COUNT_OF(lists); l++) {
        const json_t *names = field_get(statement, lists[l][0]);

        for (size_t i = 0; i < json_array_size(names); i++) {
            buf_printf(&text, "%s%s %s", text.size == 0 ? "" : "; ", lists[l][1],
                       json_string_value(json_array_get(names, i)));
        }
    }
    table_cell(table, buf_text(&text));
}

static void measure_view_statements(const json_t *tenant, const struct style *style,
                                    struct buf *buf)
{
    static const struct table_column columns[] = {
        { "WHERE", false }, { "TOOK", true }, { "WRITERS WAIT", true },
        { "ROWS", true },   { "WAL", true },  { "LOCKS AND WORK", false },
    };
    CLEANUP(table_release) struct table table = { 0 };
    const json_t *statements = field_get(tenant, "worst");
    const json_t *sequences = field_get(tenant, "sequences");

    table_init(&table, columns, COUNT_OF(columns));
    for (size_t i = 0; i < json_array_size(statements); i++) {
        const json_t *statement = json_array_get(statements, i);

        table_cell_f(&table, "%s:%" PRIu64 " statement %" PRIu64, field_text(statement, "file"),
                     field_u64(statement, "line"), field_u64(statement, "statement"));
        measure_view_cell_time(&table, statement, "took_us");
        measure_view_cell_time(&table, statement, "blocked_us");
        table_cell_f(&table, "%" PRIu64, field_u64(statement, "rows"));
        measure_view_cell_bytes(&table, field_u64(statement, "wal_bytes"));
        measure_view_effects(&table, statement);
    }
    if (table_row_count(&table) > 0) {
        buf_puts(buf, "\nwhat takes longest there (");
        style_clean(field_text(tenant, "tenant"), buf);
        const uint64_t count = field_u64(tenant, "statements");
        buf_printf(buf, ", %" PRIu64 " statement%s)\n", count, count == 1 ? "" : "s");
        table_print(&table, style, buf);
    }
    for (size_t i = 0; i < json_array_size(sequences); i++) {
        buf_puts(buf, i == 0 ? "the dry run has moved for good: " : ", ");
        style_clean(json_string_value(json_array_get(sequences, i)), buf);
    }
    buf_puts(buf, json_array_size(sequences) > 0 ? "\n" : "");
}

void measure_view_report(const json_t *rollout, const struct style *style, struct buf *buf)
{
    const json_t *measures = field_get(rollout, "measures");
    const json_t *worst = field_get(measures, "worst");

    if (json_array_size(worst) == 0) {
        return;
    }
    measure_view_histogram(measures, style, buf);
    measure_view_tenants(worst, style, buf);
    measure_view_statements(json_array_get(worst, 0), style, buf);
}
