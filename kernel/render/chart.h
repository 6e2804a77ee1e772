/* SPDX-License-Identifier: MIT */
#ifndef INK_RENDER_CHART_H
#define INK_RENDER_CHART_H

/* chart: lines over axes with round numbers. */

#include "kernel/render/figure.h"

struct ink_series {
    const char *name;   /* for the legend */
    const float *x, *y; /* [count]; points that are not finite are left out */
    int count;
    struct ink_colour colour;
    bool has_marks; /* a dot at each point */
};

struct ink_chart {
    struct ink_box box; /* axes, numbers and title are inside */
    const char *title, *x_title;
    float x_max; /* from 0 */
    float y_min, y_max;
    bool is_percent; /* y is a share: 0.98 is shown as 98 % */
    const struct ink_series *series;
    int series_count;
};

void ink_chart_draw(struct ink_figure *figure, const struct ink_chart *chart);

/* A round number of 1, 2 or 5 times a power of ten, so that `span` has about `count` steps of it.
 * Source: Heckbert, "Nice numbers for graph labels" (Graphics Gems, 1990). */
float ink_chart_step(float span, int count);

#endif
