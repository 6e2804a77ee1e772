/* SPDX-License-Identifier: MIT */
#include "kernel/render/confusion.h"

#include <math.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "kernel/render/table.h"
#include "kernel/render/text.h"

enum { MARGIN = 16, LEFT = 64, TOP = 62, CELL = 46, HEIGHT = 36, RIGHT = 84 };

static uint32_t
row_sum(const uint32_t *row)
{
    uint32_t sum = 0;

    for (int i = 0; i < INK_CLASS_COUNT; i++)
        sum += row[i];
    return sum;
}

/* Right answers run from paper to blue by their share, wrong ones to red by the root of theirs, so
 * that few among many are seen. */
static struct ink_colour
cell_colour(bool is_right, double share)
{
    if (share <= 0)
        return INK_COLOUR_FIELD;
    if (is_right)
        return ink_colour_diverging((float)(0.25 + 0.5 * share));
    return ink_colour_diverging(-(float)fmin(0.12 + 2.2 * sqrt(share), 1.0));
}

static void
draw_cell(struct ink_figure *figure, int truth, int answer, uint32_t count, uint32_t of)
{
    struct ink_box box = {LEFT + (float)(answer * CELL), TOP + (float)(truth * HEIGHT), CELL - 2,
                          HEIGHT - 2};
    struct ink_colour ground =
        cell_colour(truth == answer, of > 0 ? (double)count / (double)of : 0);
    struct ink_pen pen = {13, INK_ANCHOR_MIDDLE, truth == answer, ink_colour_on(ground)};

    ink_figure_rect(figure, box, 3, ground);
    if (count > 0)
        ink_figure_textf(figure, box.x + box.width / 2, box.y + 22, &pen, "%u", count);
}

void
ink_confusion_figure(struct ink_figure *figure,
                     const uint32_t counts[INK_CLASS_COUNT][INK_CLASS_COUNT])
{
    struct ink_pen digit = {14, INK_ANCHOR_MIDDLE, true, INK_COLOUR_INK};
    struct ink_pen word = {12, INK_ANCHOR_START, false, INK_COLOUR_MUTED};
    float right = LEFT + INK_CLASS_COUNT * CELL;

    ink_figure_init(figure, right + RIGHT, TOP + INK_CLASS_COUNT * HEIGHT + MARGIN);
    ink_figure_text(figure, LEFT, MARGIN + 12, &word, "answer \xe2\x86\x92");
    ink_figure_text(figure, MARGIN, TOP - 10, &word, "truth");
    ink_figure_text(figure, right + 14, TOP - 10, &word, "right");
    for (int i = 0; i < INK_CLASS_COUNT; i++) {
        uint32_t sum = row_sum(counts[i]);
        float y = TOP + (float)(i * HEIGHT) + 22;
        INK_CLEANUP(ink_buf_fini) struct ink_buf share = {0};

        ink_figure_textf(figure, LEFT + (float)(i * CELL) + (CELL - 2) / 2.0F, TOP - 10, &digit,
                         "%d", i);
        ink_figure_textf(figure, MARGIN + 20, y, &digit, "%d", i);
        for (int j = 0; j < INK_CLASS_COUNT; j++)
            draw_cell(figure, i, j, counts[i][j], sum);
        if (sum == 0)
            continue;
        ink_text_percent(&share, (double)counts[i][i] / (double)sum);
        ink_figure_text(figure, right + 10, y, &word, ink_buf_text(&share));
    }
}

static void
fill_table(struct ink_table *table, const uint32_t counts[INK_CLASS_COUNT][INK_CLASS_COUNT])
{
    ink_table_init(table, "truth|>0|>1|>2|>3|>4|>5|>6|>7|>8|>9|>right");
    for (int i = 0; i < INK_CLASS_COUNT; i++) {
        uint32_t sum = row_sum(counts[i]);
        INK_CLEANUP(ink_buf_fini) struct ink_buf share = {0};

        ink_table_addf(table, "%d", i);
        for (int j = 0; j < INK_CLASS_COUNT; j++)
            ink_table_addf(table, counts[i][j] ? "%u" : ".", counts[i][j]);
        if (sum > 0)
            ink_text_percent(&share, (double)counts[i][i] / (double)sum);
        ink_table_add(table, ink_buf_text(&share));
    }
}

void
ink_confusion_text(struct ink_buf *text, const uint32_t counts[INK_CLASS_COUNT][INK_CLASS_COUNT])
{
    INK_CLEANUP(ink_table_fini) struct ink_table table;

    fill_table(&table, counts);
    ink_table_text(&table, text);
}

void
ink_confusion_html(struct ink_buf *html, const uint32_t counts[INK_CLASS_COUNT][INK_CLASS_COUNT])
{
    INK_CLEANUP(ink_table_fini) struct ink_table table;

    fill_table(&table, counts);
    ink_table_html(&table, html);
}
