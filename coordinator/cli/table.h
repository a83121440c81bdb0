/* table.h - aligned columns for people.
 *
 * Pure. Cells are copied and cleaned (style_clean). A zeroed table is empty; table_init first. */
#ifndef SKEIN_COORDINATOR_CLI_TABLE_H
#define SKEIN_COORDINATOR_CLI_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/core/arena.h"
#include "common/core/base.h"
#include "common/core/buf.h"
#include "coordinator/cli/style.h"

struct table_column {
    const char *title;
    bool right; /* numbers */
};

struct table {
    struct arena arena;
    const struct table_column *columns; /* borrowed */
    size_t column_count;
    const char **cells; /* row after row */
    size_t cell_count;
    size_t cell_capacity;
};

void table_init(struct table *table, const struct table_column *columns, size_t column_count);
void table_release(struct table *table);

/* The next cell of the row; a row is full after as many cells as there are columns. "" and NULL are
 * shown as "-". */
void table_cell(struct table *table, const char *text);
void table_cell_f(struct table *table, const char *format, ...) PRINTF(2, 3);

size_t table_row_count(const struct table *table);

/* Titles, then rows. Where the style has a width, a last column of text goes on in further lines,
 * and one of numbers is cut. Nothing after the last column's text. */
void table_print(const struct table *table, const struct style *style, struct buf *buf);

#endif
