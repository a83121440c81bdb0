#include "coordinator/cli/table.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/core/memory.h"

enum { TABLE_COLUMNS_MAX = 16, TABLE_CELL_BYTES_MAX = 16 << 10, TABLE_LINE_BYTES_MAX = 1 << 20 };
enum { TABLE_LAST_COLUMNS_MIN = 24, TABLE_INDENT = 8 };

void table_init(struct table *table, const struct table_column *columns, size_t column_count)
{
    assert(column_count > 0 && column_count <= TABLE_COLUMNS_MAX);
    *table = (struct table){ .columns = columns, .column_count = column_count };
}

void table_release(struct table *table)
{
    arena_release(&table->arena);
    free(table->cells);
    *table = (struct table){ 0 };
}

void table_cell(struct table *table, const char *text)
{
    CLEANUP(buf_release) struct buf clean = { .size_max = (size_t)4 * TABLE_CELL_BYTES_MAX };

    style_clean(text == NULL || text[0] == '\0' ? "-" : text, &clean);
    table->cells = memory_reserve(table->cells, table->cell_count, &table->cell_capacity,
                                  sizeof(table->cells[0]));
    table->cells[table->cell_count++] = arena_strdup(&table->arena, buf_text(&clean));
}

void table_cell_f(struct table *table, const char *format, ...)
{
    char text[TABLE_CELL_BYTES_MAX];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    table_cell(table, text);
}

size_t table_row_count(const struct table *table)
{
    return table->cell_count / table->column_count;
}

static void table_put(const struct table *table, size_t column, const char *text, size_t width,
                      struct buf *line)
{
    size_t pad = width - style_columns(text);
    const bool right = table->columns[column].right;

    if (column > 0) {
        buf_puts(line, "  ");
    }
    if (right) {
        buf_printf(line, "%*s%s", (int)pad, "", text);
    } else if (column + 1 < table->column_count) {
        buf_printf(line, "%s%*s", text, (int)pad, "");
    } else {
        buf_puts(line, text);
    }
}

void table_print(const struct table *table, const struct style *style, struct buf *buf)
{
    size_t widths[TABLE_COLUMNS_MAX];
    const size_t rows = table_row_count(table);
    size_t last = 0; /* where the last column begins */
    CLEANUP(buf_release) struct buf line = { .size_max = TABLE_LINE_BYTES_MAX };
    CLEANUP(buf_release) struct buf titles = { .size_max = TABLE_LINE_BYTES_MAX };

    assert(table->cell_count % table->column_count == 0);
    for (size_t i = 0; i < table->column_count; i++) {
        widths[i] = style_columns(table->columns[i].title);
        for (size_t row = 0; row < rows; row++) {
            size_t columns = style_columns(table->cells[row * table->column_count + i]);
            widths[i] = columns > widths[i] ? columns : widths[i];
        }
    }
    for (size_t i = 0; i < table->column_count; i++) {
        table_put(table, i, table->columns[i].title, widths[i], &line);
        last += i + 1 < table->column_count ? widths[i] + 2 : 0;
    }
    if (last + TABLE_LAST_COLUMNS_MIN > style->width) {
        last = TABLE_INDENT; /* too little is left beside the others */
    }
    style_put(style, &titles, TONE_BOLD, buf_text(&line));
    style_cut_lines(style, buf_text(&titles), buf);
    buf_puts(buf, "\n");
    for (size_t row = 0; row < rows; row++) {
        buf_clear(&line);
        for (size_t i = 0; i < table->column_count; i++) {
            table_put(table, i, table->cells[row * table->column_count + i], widths[i], &line);
        }
        if (table->columns[table->column_count - 1].right) {
            style_cut_lines(style, buf_text(&line), buf);
        } else {
            style_fold_lines(style, buf_text(&line), last, buf);
        }
        buf_puts(buf, "\n");
    }
}
