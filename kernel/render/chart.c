/* SPDX-License-Identifier: MIT */
#include "kernel/render/chart.h"

#include <math.h>
#include <stdio.h>

enum { LEFT = 48, TOP = 28, BOTTOM = 36, RIGHT = 12, POINT_MAX = 1024 };

float
ink_chart_step(float span, int count)
{
    float raw = span / (float)count;
    float power = powf(10, floorf(log10f(raw)));
    float share = raw / power;

    return power * (share < 1.5F ? 1 : share < 3.5F ? 2 : share < 7.5F ? 5 : 10);
}

/* Where the lines go: the box without words. */
static struct ink_box
plot_box(const struct ink_chart *chart)
{
    return (struct ink_box){chart->box.x + LEFT, chart->box.y + TOP,
                            chart->box.width - LEFT - RIGHT, chart->box.height - TOP - BOTTOM};
}

static float
place_x(const struct ink_chart *chart, const struct ink_box *plot, float x)
{
    return plot->x + plot->width * fminf(fmaxf(x / chart->x_max, 0), 1);
}

static float
place_y(const struct ink_chart *chart, const struct ink_box *plot, float y)
{
    float share = (y - chart->y_min) / (chart->y_max - chart->y_min);

    return plot->y + plot->height * (1 - fminf(fmaxf(share, 0), 1));
}

/* Decimals that tell two ticks apart. */
static int
decimals(float step)
{
    int count = (int)ceilf(-log10f(step) - 0.001F);

    return count < 0 ? 0 : count;
}

static void
draw_y_axis(struct ink_figure *figure, const struct ink_chart *chart, const struct ink_box *plot)
{
    float unit = chart->is_percent ? 100 : 1;
    float step = ink_chart_step((chart->y_max - chart->y_min) * unit, 4);
    float first = ceilf(chart->y_min * unit / step - 0.001F) * step;
    struct ink_pen pen = {11, INK_ANCHOR_END, false, INK_COLOUR_MUTED};

    for (int i = 0; first + (float)i * step <= chart->y_max * unit + step * 0.001F; i++) {
        float value = first + (float)i * step;
        float y = place_y(chart, plot, value / unit);

        ink_figure_rect(figure, (struct ink_box){plot->x, y - 0.5F, plot->width, 1}, 0,
                        INK_COLOUR_LINE);
        ink_figure_textf(figure, plot->x - 7, y + 4, &pen, chart->is_percent ? "%.*f %%" : "%.*f",
                         decimals(step), (double)value);
    }
}

static void
draw_x_axis(struct ink_figure *figure, const struct ink_chart *chart, const struct ink_box *plot)
{
    float step = ink_chart_step(chart->x_max, 5);
    float bottom = plot->y + plot->height;
    struct ink_pen pen = {11, INK_ANCHOR_MIDDLE, false, INK_COLOUR_MUTED};

    for (int i = 0; (float)i * step <= chart->x_max * 1.001F; i++) {
        float x = place_x(chart, plot, (float)i * step);

        ink_figure_rect(figure, (struct ink_box){x - 0.5F, bottom, 1, 4}, 0, INK_COLOUR_LINE);
        ink_figure_textf(figure, x, bottom + 16, &pen, "%.*f", decimals(step),
                         (double)((float)i * step));
    }
    ink_figure_text(figure, plot->x + plot->width / 2, bottom + 31, &pen, chart->x_title);
}

static void
draw_series(struct ink_figure *figure, const struct ink_chart *chart, const struct ink_box *plot,
            const struct ink_series *series)
{
    float points[POINT_MAX][2];
    size_t count = 0;

    for (int i = 0; i < series->count && count < POINT_MAX; i++) {
        if (!isfinite(series->x[i]) || !isfinite(series->y[i]))
            continue;
        points[count][0] = place_x(chart, plot, series->x[i]);
        points[count++][1] = place_y(chart, plot, series->y[i]);
    }
    if (count == 0)
        return;
    ink_figure_line(figure, points[0], count, series->has_marks ? 2 : 1.5F, series->colour);
    for (size_t i = 0; series->has_marks && i < count; i++)
        ink_figure_rect(figure, (struct ink_box){points[i][0] - 3, points[i][1] - 3, 6, 6}, 3,
                        series->colour);
}

/* Names to the right of the title, the last at the edge. */
static void
draw_legend(struct ink_figure *figure, const struct ink_chart *chart)
{
    float right = chart->box.x + chart->box.width - RIGHT;
    float y = chart->box.y + 14;

    for (int i = chart->series_count - 1; i >= 0; i--) {
        const struct ink_series *series = &chart->series[i];
        float width = ink_figure_text_width(series->name, 11);
        float line[2][2] = {{right - width - 20, y - 4}, {right - width - 8, y - 4}};

        ink_figure_text(figure, right, y,
                        &(struct ink_pen){11, INK_ANCHOR_END, false, INK_COLOUR_MUTED},
                        series->name);
        ink_figure_line(figure, line[0], 2, 3, series->colour);
        right -= width + 34;
    }
}

void
ink_chart_draw(struct ink_figure *figure, const struct ink_chart *chart)
{
    struct ink_box plot = plot_box(chart);

    ink_figure_text(figure, plot.x, chart->box.y + 14,
                    &(struct ink_pen){13, INK_ANCHOR_START, true, INK_COLOUR_INK}, chart->title);
    draw_legend(figure, chart);
    draw_y_axis(figure, chart, &plot);
    draw_x_axis(figure, chart, &plot);
    for (int i = 0; i < chart->series_count; i++)
        draw_series(figure, chart, &plot, &chart->series[i]);
}
