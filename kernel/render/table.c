/* SPDX-License-Identifier: MIT */
#include "kernel/render/table.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "kernel/render/text.h"

enum { CELL_SIZE = 512 };

void
ink_table_init(struct ink_table *table, const char *heading)
{
    *table = (struct ink_table){0};
    while (heading && table->column_count < INK_TABLE_COLUMN_MAX) {
        const char *end = strchr(heading, '|');
        char word[CELL_SIZE];

        table->is_number[table->column_count++] = *heading == '>';
        if (*heading == '>')
            heading++;
        (void)snprintf(word, sizeof(word), "%.*s",
                       end ? (int)(end - heading) : (int)strlen(heading), heading);
        ink_table_add(table, word);
        heading = end ? end + 1 : NULL;
    }
}

void
ink_table_fini(struct ink_table *table)
{
    ink_buf_fini(&table->cells);
    *table = (struct ink_table){0};
}

void
ink_table_add(struct ink_table *table, const char *text)
{
    ink_text_clean(&table->cells, text);
    ink_buf_putc(&table->cells, '\0');
    table->cell_count++;
}

void
ink_table_addf(struct ink_table *table, const char *fmt, ...)
{
    char text[CELL_SIZE];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    ink_table_add(table, text);
}

void
ink_table_add_count(struct ink_table *table, long long count)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf text = {0};

    ink_text_count(&text, count);
    ink_table_add(table, ink_buf_text(&text));
}

static void
pad(struct ink_buf *buf, size_t count, char byte)
{
    while (count-- > 0)
        ink_buf_putc(buf, byte);
}

/* Cells are read in order; a broken buffer has none. */
static const char *
next_cell(const struct ink_table *table, const char *cell)
{
    if (!cell)
        return ink_buf_text(&table->cells);
    return cell + strlen(cell) + 1;
}

void
ink_table_text(const struct ink_table *table, struct ink_buf *buf)
{
    size_t width[INK_TABLE_COLUMN_MAX] = {0};
    const char *cell = NULL;

    if (table->cells.is_broken) {
        buf->is_broken = true;
        return;
    }
    for (size_t i = 0; i < table->cell_count; i++) {
        size_t column = i % table->column_count, wide;

        cell = next_cell(table, cell);
        wide = ink_text_width(cell);
        width[column] = wide > width[column] ? wide : width[column];
    }
    cell = NULL;
    for (size_t i = 0; i < table->cell_count; i++) {
        size_t column = i % table->column_count;
        bool is_last = column == table->column_count - 1;
        size_t gap;

        cell = next_cell(table, cell);
        gap = width[column] - ink_text_width(cell);
        if (table->is_number[column])
            pad(buf, gap, ' ');
        ink_buf_puts(buf, cell);
        if (!table->is_number[column] && !is_last)
            pad(buf, gap, ' ');
        ink_buf_puts(buf, is_last ? "\n" : "  ");
        if (i == table->column_count - 1)
            for (size_t c = 0; c < table->column_count; c++) {
                pad(buf, width[c], '-');
                ink_buf_puts(buf, c == table->column_count - 1 ? "\n" : "  ");
            }
    }
}

void
ink_table_html(const struct ink_table *table, struct ink_buf *buf)
{
    const char *cell = NULL;

    if (table->cells.is_broken) {
        buf->is_broken = true;
        return;
    }
    ink_buf_puts(buf, "<table>");
    for (size_t i = 0; i < table->cell_count; i++) {
        size_t column = i % table->column_count;
        const char *tag = i < table->column_count ? "th" : "td";

        cell = next_cell(table, cell);
        if (i == 0)
            ink_buf_puts(buf, "<thead>");
        if (i == table->column_count)
            ink_buf_puts(buf, "<tbody>");
        if (column == 0)
            ink_buf_puts(buf, "<tr>");
        ink_buf_printf(buf, "<%s align=\"%s\">", tag, table->is_number[column] ? "right" : "left");
        ink_buf_html(buf, cell);
        ink_buf_printf(buf, "</%s>", tag);
        if (column == table->column_count - 1)
            ink_buf_puts(buf, "</tr>");
        if (i == table->column_count - 1)
            ink_buf_puts(buf, "</thead>");
    }
    if (table->cell_count > table->column_count)
        ink_buf_puts(buf, "</tbody>");
    ink_buf_puts(buf, "</table>");
}

void
ink_table_markdown(const struct ink_table *table, struct ink_buf *buf)
{
    const char *cell = NULL;

    if (table->cells.is_broken) {
        buf->is_broken = true;
        return;
    }
    for (size_t i = 0; i < table->cell_count; i++) {
        bool is_last = i % table->column_count == table->column_count - 1;

        cell = next_cell(table, cell);
        ink_buf_puts(buf, "| ");
        for (const char *c = cell; *c; c++) {
            if (strchr("|\\*_`<>[]", *c))
                ink_buf_putc(buf, '\\');
            ink_buf_putc(buf, *c);
        }
        ink_buf_puts(buf, is_last ? " |\n" : " ");
        if (i != table->column_count - 1)
            continue;
        for (size_t c = 0; c < table->column_count; c++)
            ink_buf_puts(buf, table->is_number[c] ? "|--:" : "|---");
        ink_buf_puts(buf, "|\n");
    }
}
