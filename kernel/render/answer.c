/* SPDX-License-Identifier: MIT */
#include "kernel/render/answer.h"

#include "base/cleanup.h"
#include "kernel/render/grid.h"
#include "kernel/render/table.h"
#include "kernel/render/text.h"

enum { MARGIN = 16, PICTURE = 8 * INK_PICTURE_SIDE, BARS_LEFT = 306, BAR = 200, LINE = 22 };

static struct ink_colour
bar_colour(const struct ink_answer_sight *sight, int digit)
{
    if (digit == sight->prediction)
        return sight->label >= 0 && sight->label != digit ? INK_COLOUR_WRONG : INK_COLOUR_ACCENT;
    return digit == sight->label ? INK_COLOUR_RIGHT
                                 : ink_colour_mix(INK_COLOUR_PAPER, INK_COLOUR_MUTED, 0.6F);
}

static void
draw_bar(struct ink_figure *figure, const struct ink_answer_sight *sight, int digit)
{
    float top = MARGIN + (float)(digit * LINE) + 4, share = sight->probabilities[digit];
    bool is_best = digit == sight->prediction;
    struct ink_colour words = is_best ? INK_COLOUR_INK : INK_COLOUR_MUTED;
    struct ink_pen pen = {14, INK_ANCHOR_END, is_best, words};
    INK_CLEANUP(ink_buf_fini) struct ink_buf percent = {0};

    ink_figure_textf(figure, BARS_LEFT - 10, top + 12, &pen, "%d", digit);
    ink_figure_rect(figure, (struct ink_box){BARS_LEFT, top, BAR, 14}, 3, INK_COLOUR_FIELD);
    ink_figure_rect(figure, (struct ink_box){BARS_LEFT, top, share * BAR, 14}, 3,
                    bar_colour(sight, digit));
    ink_text_percent(&percent, (double)share);
    pen.size = 13;
    ink_figure_text(figure, BARS_LEFT + BAR + 66, top + 12, &pen, ink_buf_text(&percent));
    if (digit == sight->label)
        ink_figure_text(figure, BARS_LEFT - 26, top + 12,
                        &(struct ink_pen){11, INK_ANCHOR_END, false, INK_COLOUR_RIGHT}, "truth");
}

void
ink_answer_figure(struct ink_figure *figure, const struct ink_answer_sight *sight)
{
    uint8_t rgb[3 * INK_PICTURE_SIZE];

    ink_figure_init(figure, BARS_LEFT + BAR + 66 + MARGIN, PICTURE + 2 * MARGIN);
    ink_figure_rect(figure, (struct ink_box){MARGIN - 1, MARGIN - 1, PICTURE + 2, PICTURE + 2}, 2,
                    INK_COLOUR_LINE);
    ink_digit_rgb(sight->row, rgb);
    ink_figure_image(figure, (struct ink_box){MARGIN, MARGIN, PICTURE, PICTURE}, rgb,
                     INK_PICTURE_SIDE, INK_PICTURE_SIDE);
    for (int digit = 0; digit < INK_CLASS_COUNT; digit++)
        draw_bar(figure, sight, digit);
}

void
ink_answer_text(struct ink_buf *buf, const struct ink_answer_sight *sight)
{
    for (int line = 0; line < INK_TEXT_PICTURE_LINES; line++) {
        int digit = line - 2;

        ink_buf_puts(buf, "  ");
        ink_text_picture_line(buf, sight->row, line);
        if (digit >= 0 && digit < INK_CLASS_COUNT) {
            double share = (double)sight->probabilities[digit];

            ink_buf_printf(buf, "  %d ", digit);
            ink_text_bar(buf, share, 24);
            ink_buf_puts(buf, share < 0.1 ? "   " : share < 0.99995 ? "  " : " ");
            ink_text_percent(buf, share);
            if (digit == sight->label)
                ink_buf_puts(buf, "  truth");
        }
        ink_buf_putc(buf, '\n');
    }
}

void
ink_answer_html(struct ink_buf *buf, const struct ink_answer_sight *sight)
{
    INK_CLEANUP(ink_table_fini) struct ink_table table;

    ink_table_init(&table, "digit|>probability");
    for (int digit = 0; digit < INK_CLASS_COUNT; digit++) {
        ink_table_addf(&table, "%d", digit);
        ink_table_addf(&table, "%.6f", (double)sight->probabilities[digit]);
    }
    ink_table_html(&table, buf);
}
