/* SPDX-License-Identifier: MIT */
#ifndef INK_RENDER_TABLE_H
#define INK_RENDER_TABLE_H

/*
 * table: rows of words and numbers, written as text, HTML and Markdown.
 *
 * Cells are cleaned (ink_text_clean) when added and escaped when written, so
 * anything from outside may be put in. Adding never fails at once.
 */

#include <stddef.h>

#include "base/buf.h"

enum { INK_TABLE_COLUMN_MAX = 16 };

struct ink_table {
    size_t column_count;
    struct ink_buf cells; /* zero-terminated, row by row, the heading first */
    size_t cell_count;
    char is_number[INK_TABLE_COLUMN_MAX]; /* set to the right */
};

/* heading: "name|op|>parameters"; > sets a column to the right. */
void ink_table_init(struct ink_table *table, const char *heading);
void ink_table_fini(struct ink_table *table);

/* Add the next cell; a row is full when all its columns are. */
void ink_table_add(struct ink_table *table, const char *text);
void ink_table_addf(struct ink_table *table, const char *fmt, ...) INK_PRINTF(2, 3);
void ink_table_add_count(struct ink_table *table, long long count);

/* Append the table: columns two spaces apart with a line below the heading; every line ends. */
void ink_table_text(const struct ink_table *table, struct ink_buf *buf);
void ink_table_html(const struct ink_table *table, struct ink_buf *buf);
void ink_table_markdown(const struct ink_table *table, struct ink_buf *buf);

#endif
