/* SPDX-License-Identifier: MIT */
#include "model/plane.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

enum ink_status
ink_plane_init(struct ink_plane *out_plane, int width, int height, struct ink_err *err)
{
    uint8_t *value;

    assert(width > 0 && height > 0);
    value = calloc((size_t)height, (size_t)width);
    if (!value)
        return ink_fail(err, INK_NOMEM, "no memory for %dx%d pixels", width, height);
    *out_plane = (struct ink_plane){width, height, value};
    return INK_OK;
}

void
ink_plane_fini(struct ink_plane *plane)
{
    free(plane->value);
    *plane = (struct ink_plane){0};
}

static int
clamp(int value, int low, int high)
{
    return value < low ? low : value > high ? high : value;
}

/* ---- size ---- */

/* Mean over [x0, x1) x [y0, y1); what is outside the clip is 0. */
static double
mean_of(const struct ink_plane *plane, const struct ink_box *clip, const double x[2],
        const double y[2])
{
    int left = clamp((int)floor(x[0]), clip->left, clip->right);
    int right = clamp((int)ceil(x[1]), clip->left, clip->right);
    int top = clamp((int)floor(y[0]), clip->top, clip->bottom);
    int bottom = clamp((int)ceil(y[1]), clip->top, clip->bottom);
    double sum = 0;

    if (left >= right)
        return 0;
    for (int row = top; row < bottom; row++) {
        const uint8_t *value = plane->value + (size_t)row * (size_t)plane->width;
        double height = fmin(row + 1, y[1]) - fmax(row, y[0]);
        double ends = value[left] * (fmin(left + 1, x[1]) - fmax(left, x[0]));
        unsigned inner = 0;

        for (int column = left + 1; column < right - 1; column++)
            inner += value[column];
        if (left + 1 < right)
            ends += value[right - 1] * (fmin(right, x[1]) - (right - 1));
        sum += height * (inner + ends);
    }
    return sum / ((x[1] - x[0]) * (y[1] - y[0]));
}

/* The value at (x, y), between pixel centres; what is outside the clip is 0. */
static double
value_between(const struct ink_plane *plane, const struct ink_box *clip, double x, double y)
{
    int left = (int)floor(x - 0.5), top = (int)floor(y - 0.5);
    double right_share = x - 0.5 - left, lower_share = y - 0.5 - top, line[2] = {0};

    for (int i = 0; i < 2; i++) {
        const uint8_t *row;

        if (top + i < clip->top || top + i >= clip->bottom)
            continue;
        row = plane->value + (size_t)(top + i) * (size_t)plane->width;
        if (left >= clip->left && left < clip->right)
            line[i] = row[left] * (1 - right_share);
        if (left + 1 >= clip->left && left + 1 < clip->right)
            line[i] += row[left + 1] * right_share;
    }
    return line[0] + (line[1] - line[0]) * lower_share;
}

void
ink_plane_resize(const struct ink_plane *plane, const struct ink_box *box, double scale,
                 struct ink_plane *out_plane)
{
    const struct ink_box clip = {
        clamp(box->left, 0, plane->width), clamp(box->top, 0, plane->height),
        clamp(box->right, 0, plane->width), clamp(box->bottom, 0, plane->height)};

    for (int row = 0; row < out_plane->height; row++)
        for (int column = 0; column < out_plane->width; column++) {
            const double x[2] = {box->left + column / scale, box->left + (column + 1) / scale};
            const double y[2] = {box->top + row / scale, box->top + (row + 1) / scale};
            double value = scale < 1
                               ? mean_of(plane, &clip, x, y)
                               : value_between(plane, &clip, (x[0] + x[1]) / 2, (y[0] + y[1]) / 2);

            out_plane->value[(size_t)row * (size_t)out_plane->width + (size_t)column] =
                (uint8_t)lround(fmin(value, 255));
        }
}

struct ink_box
ink_plane_bound(const struct ink_plane *plane, int threshold)
{
    struct ink_box box = {plane->width, plane->height, 0, 0};

    for (int y = 0; y < plane->height; y++)
        for (int x = 0; x < plane->width; x++) {
            if (plane->value[(size_t)y * (size_t)plane->width + (size_t)x] <= threshold)
                continue;
            box.left = x < box.left ? x : box.left;
            box.right = x + 1 > box.right ? x + 1 : box.right;
            box.top = y < box.top ? y : box.top;
            box.bottom = y + 1;
        }
    return box.right > 0 ? box : (struct ink_box){0};
}

/* ---- values ---- */

void
ink_plane_count_border(const struct ink_plane *plane, int margin, size_t out_count[256])
{
    memset(out_count, 0, 256 * sizeof(out_count[0]));
    for (int y = 0; y < plane->height; y++) {
        bool is_edge_row = y < margin || y >= plane->height - margin;

        for (int x = 0; x < plane->width; x++)
            if (is_edge_row || x < margin || x >= plane->width - margin)
                out_count[plane->value[(size_t)y * (size_t)plane->width + (size_t)x]]++;
    }
}

void
ink_plane_count(const struct ink_plane *plane, size_t out_count[256])
{
    ink_plane_count_border(plane, plane->height, out_count);
}

int
ink_quantile(const size_t count[256], double share)
{
    size_t total = 0, seen = 0;

    for (int i = 0; i < 256; i++)
        total += count[i];
    for (int i = 0; i < 256; i++) {
        seen += count[i];
        if (seen > 0 && (double)seen >= share * (double)total)
            return i;
    }
    return 255;
}

int
ink_otsu(const size_t count[256])
{
    double total = 0, sum = 0, low_total = 0, low_sum = 0, best = -1;
    int threshold = 0;

    for (int i = 0; i < 256; i++) {
        total += (double)count[i];
        sum += (double)count[i] * i;
    }
    for (int i = 0; i < 255; i++) {
        double high_total, gap, between;

        low_total += (double)count[i];
        low_sum += (double)count[i] * i;
        high_total = total - low_total;
        if (low_total <= 0 || high_total <= 0)
            continue;
        gap = low_sum / low_total - (sum - low_sum) / high_total;
        between = low_total * high_total * gap * gap;
        if (between > best) {
            best = between;
            threshold = i;
        }
    }
    return threshold;
}

/* ---- distances ---- */

enum { FAR = 1000000000 /* a squared distance that no picture has */ };

/*
 * One line of squared distances: out[i] = min over j of (i - j)^2 + in[j], the
 * lower envelope of parabolas. `hull` [count] and `border` [count + 1] are room to work in.
 */
static void
transform_line(const float *in, int count, int *hull, float *border, float *out)
{
    int last = 0;

    hull[0] = 0;
    border[0] = -(float)FAR;
    border[1] = (float)FAR;
    for (int i = 1; i < count; i++) {
        float meet;

        for (;; last--) {
            int j = hull[last];

            meet = (in[i] - in[j] + (float)(i * i - j * j)) / (float)(2 * (i - j));
            if (meet > border[last] || last == 0)
                break;
        }
        if (meet > border[last])
            last++;
        hull[last] = i;
        border[last] = last > 0 ? meet : -(float)FAR;
        border[last + 1] = (float)FAR;
    }
    for (int i = 0, k = 0; i < count; i++) {
        while (k < last && border[k + 1] < (float)i)
            k++;
        out[i] = (float)((i - hull[k]) * (i - hull[k])) + in[hull[k]];
    }
}

enum ink_status
ink_plane_distances(const struct ink_plane *plane, int to_ink, float *out_distance,
                    struct ink_err *err)
{
    size_t longer = (size_t)(plane->width > plane->height ? plane->width : plane->height);
    INK_CLEANUP(ink_freep) float *line = malloc((3 * longer + 1) * sizeof(*line));
    INK_CLEANUP(ink_freep) int *hull = malloc(longer * sizeof(*hull));
    size_t width = (size_t)plane->width, height = (size_t)plane->height;
    float *result = line ? line + longer : NULL, *border = line ? line + 2 * longer : NULL;

    if (!line || !hull)
        return ink_fail(err, INK_NOMEM, "no memory for %dx%d distances", plane->width,
                        plane->height);
    for (size_t x = 0; x < width; x++) {
        for (size_t y = 0; y < height; y++)
            line[y] = (plane->value[y * width + x] != 0) == (to_ink != 0) ? 0 : (float)FAR;
        transform_line(line, plane->height, hull, border, result);
        for (size_t y = 0; y < height; y++)
            out_distance[y * width + x] = result[y];
    }
    for (size_t y = 0; y < height; y++) {
        transform_line(out_distance + y * width, plane->width, hull, border, result);
        for (size_t x = 0; x < width; x++)
            out_distance[y * width + x] = sqrtf(result[x]);
    }
    return INK_OK;
}

/* ---- paper ---- */

/* The extreme (smallest or largest) within `reach` along one axis. */
static void
spread_extreme(const struct ink_plane *from, struct ink_plane *to, int reach, bool is_largest,
               bool is_vertical)
{
    for (int y = 0; y < from->height; y++)
        for (int x = 0; x < from->width; x++) {
            int at = is_vertical ? y : x, end = is_vertical ? from->height : from->width;
            int best = is_largest ? 0 : 255;

            for (int i = clamp(at - reach, 0, end); i < clamp(at + reach + 1, 0, end); i++) {
                int value = is_vertical ? from->value[i * from->width + x]
                                        : from->value[y * from->width + i];

                best = (value > best) == is_largest ? value : best;
            }
            to->value[y * from->width + x] = (uint8_t)best;
        }
}

enum ink_status
ink_plane_estimate_paper(const struct ink_plane *plane, int block, struct ink_plane *out_paper,
                         struct ink_err *err)
{
    enum { REACH = 3 /* blocks: a window of 7 is wider than a stroke */ };
    INK_CLEANUP(ink_plane_fini) struct ink_plane blocks = {0}, other = {0};
    int width = (plane->width + block - 1) / block, height = (plane->height + block - 1) / block;
    enum ink_status status = ink_plane_init(&blocks, width, height, err);

    if (!status)
        status = ink_plane_init(&other, width, height, err);
    if (!status)
        status = ink_plane_init(out_paper, plane->width, plane->height, err);
    if (status)
        return status;
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            int right = clamp((x + 1) * block, 0, plane->width);
            int bottom = clamp((y + 1) * block, 0, plane->height);
            unsigned sum = 0, count = (unsigned)((right - x * block) * (bottom - y * block));

            assert(count > 0); /* width and height are rounded up */
            for (int row = y * block; row < bottom; row++)
                for (int column = x * block; column < right; column++)
                    sum += plane->value[(size_t)row * (size_t)plane->width + (size_t)column];
            blocks.value[y * width + x] = (uint8_t)((sum + count / 2) / count);
        }
    spread_extreme(&blocks, &other, REACH, false, false);
    spread_extreme(&other, &blocks, REACH, false, true);
    spread_extreme(&blocks, &other, REACH, true, false);
    spread_extreme(&other, &blocks, REACH, true, true);

    for (int y = 0; y < plane->height; y++)
        for (int x = 0; x < plane->width; x++) {
            double at_x = fmin(fmax((x + 0.5) / block, 0.5), width - 0.5);
            double at_y = fmin(fmax((y + 0.5) / block, 0.5), height - 0.5);
            const struct ink_box whole = {0, 0, width, height};

            out_paper->value[(size_t)y * (size_t)plane->width + (size_t)x] =
                (uint8_t)lround(value_between(&blocks, &whole, at_x, at_y));
        }
    return INK_OK;
}
