/* SPDX-License-Identifier: MIT */
#include "model/augment.h"

#include <math.h>
#include <string.h>

#include "model/kernels/kernels.h"

enum {
    SIDE = INK_PICTURE_SIDE,
    MARGIN = 2, /* blank pixels around the source: sampling needs no tests, only a clamp */
    PADDED_SIDE = SIDE + 2 * MARGIN,
    KNOT_COUNT = 7, /* control points of the elastic field along a side, 7 pixels apart */
    KNOT_STEP = 7,
    TAP_COUNT = 4,
};

#define RADIAN    0.017453293F /* a degree */
#define SQRT_HALF 0.70710678F

/* Inverse map: where in the source does an output pixel come from? */
struct warp {
    float xx, xy, yx, yy; /* the linear part */
    float x0, y0;         /* what the output's pixel (0, 0) maps to, in the padded source */
};

/* The elastic part of the map, in pixels. */
struct field {
    float x[INK_PICTURE_SIZE], y[INK_PICTURE_SIZE];
};

static int
has_affine(const struct ink_augment *augment)
{
    return augment->shift > 0 || augment->rotate > 0 || augment->scale > 0 ||
           augment->stretch > 0 || augment->shear > 0;
}

int
ink_augment_is_off(const struct ink_augment *augment)
{
    return !has_affine(augment) && !(augment->elastic > 0) && !(augment->thickness > 0) &&
           !(augment->erase > 0);
}

/* Evenly from both sides of 0. Draws nothing where the amount is 0. */
static float
sway(struct ink_rng *rng, float amount)
{
    return amount > 0 ? ink_rng_between(rng, -amount, amount) : 0;
}

/* ---- geometry ---- */

/* Rotation * shear * scale about the middle, inverted, then shifted. */
static void
draw_warp(const struct ink_augment *augment, struct ink_rng *rng, struct warp *out_warp)
{
    const float middle = (SIDE - 1) / 2.0F;
    float angle = sway(rng, augment->rotate) * RADIAN;
    float scale = 1 + sway(rng, augment->scale), stretch = sway(rng, augment->stretch);
    float wide = 1 / (scale * (1 + stretch)), high = 1 / (scale * (1 - stretch));
    float shear = sway(rng, augment->shear);
    float shift_x = sway(rng, augment->shift), shift_y = sway(rng, augment->shift);
    float sine = sinf(angle), cosine = cosf(angle);

    /* (S^-1)(H^-1)(R^-1), with H = [1 shear; 0 1] */
    out_warp->xx = wide * (cosine + shear * sine);
    out_warp->xy = wide * (sine - shear * cosine);
    out_warp->yx = high * -sine;
    out_warp->yy = high * cosine;
    out_warp->x0 = middle + (float)MARGIN - out_warp->xx * (middle + shift_x) -
                   out_warp->xy * (middle + shift_y);
    out_warp->y0 = middle + (float)MARGIN - out_warp->yx * (middle + shift_x) -
                   out_warp->yy * (middle + shift_y);
}

/*
 * One component of the elastic field: random values at the knots, a cubic
 * B-spline between them. A B-spline never leaves the range of its knots, so
 * `amount` is the maximum.
 */
static void
draw_field(float amount, struct ink_rng *rng, float *restrict out_field)
{
    float knot[KNOT_COUNT][KNOT_COUNT], basis[KNOT_STEP][TAP_COUNT];
    float column[KNOT_COUNT][SIDE]; /* knots across, pixels down: spread one way */

    for (int i = 0; i < KNOT_STEP; i++) {
        float t = (float)i / KNOT_STEP, s = 1 - t;

        basis[i][0] = s * s * s / 6;
        basis[i][1] = (3 * t * t * t - 6 * t * t + 4) / 6;
        basis[i][2] = (3 * s * s * s - 6 * s * s + 4) / 6;
        basis[i][3] = t * t * t / 6;
    }
    for (int i = 0; i < KNOT_COUNT; i++)
        for (int j = 0; j < KNOT_COUNT; j++)
            knot[i][j] = ink_rng_between(rng, -amount, amount);
    for (int i = 0; i < KNOT_COUNT; i++)
        for (int x = 0; x < SIDE; x++) {
            const float *from = knot[i] + x / KNOT_STEP, *weight = basis[x % KNOT_STEP];

            column[i][x] = weight[0] * from[0] + weight[1] * from[1] + weight[2] * from[2] +
                           weight[3] * from[3];
        }
    for (int y = 0; y < SIDE; y++) {
        const float *restrict weight = basis[y % KNOT_STEP];
        const float(*restrict from)[SIDE] = (const float(*)[SIDE])(column + y / KNOT_STEP);

        for (int x = 0; x < SIDE; x++)
            out_field[y * SIDE + x] = weight[0] * from[0][x] + weight[1] * from[1][x] +
                                      weight[2] * from[2][x] + weight[3] * from[3][x];
    }
}

/* `low` for NaN, which a scale of 0 can give. */
static float
clamp(float value, float low, float high)
{
    return value > low ? value < high ? value : high : low;
}

/* out[p] = source at warp(p) + field(p), bilinear. `field` may be NULL. */
static void
resample(const float source[static PADDED_SIDE * PADDED_SIDE], const struct warp *warp,
         const struct field *field, float *restrict out_pixels)
{
    const float last = PADDED_SIDE - 1.001F; /* so that the pixel to the right exists */

    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            int i = y * SIDE + x, left, top;
            float from_x = warp->x0 + warp->xx * (float)x + warp->xy * (float)y;
            float from_y = warp->y0 + warp->yx * (float)x + warp->yy * (float)y;
            const float *corner;
            float upper, lower;

            if (field) {
                from_x += field->x[i];
                from_y += field->y[i];
            }
            from_x = clamp(from_x, 0, last);
            from_y = clamp(from_y, 0, last);
            left = (int)from_x;
            top = (int)from_y;
            from_x -= (float)left;
            from_y -= (float)top;
            corner = &source[top * PADDED_SIDE + left];
            upper = corner[0] + from_x * (corner[1] - corner[0]);
            lower = corner[PADDED_SIDE] + from_x * (corner[PADDED_SIDE + 1] - corner[PADDED_SIDE]);
            out_pixels[i] = upper + from_y * (lower - upper);
        }
}

static void
warp_row(const struct ink_augment *augment, struct ink_rng *rng, const uint8_t *row,
         float *out_pixels)
{
    float source[PADDED_SIDE * PADDED_SIDE] = {0};
    struct field field;
    struct warp warp;

    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++)
            source[(y + MARGIN) * PADDED_SIDE + MARGIN + x] =
                (float)row[y * SIDE + x] * (1 / 255.0F);
    draw_warp(augment, rng, &warp);
    if (augment->elastic > 0) {
        draw_field(augment->elastic, rng, field.x);
        draw_field(augment->elastic, rng, field.y);
    }
    resample(source, &warp, augment->elastic > 0 ? &field : NULL, out_pixels);
}

/* ---- pen width ---- */

static float
larger(float a, float b)
{
    return a > b ? a : b;
}

/*
 * Move every edge outwards by `reach` pixels, 0..1: the largest value on a
 * circle of that radius, at 8 of its points, read off between pixels.
 */
static void
thicken(float *restrict pixels, float reach)
{
    enum { STRIDE = SIDE + 2 };
    float source[STRIDE * STRIDE] = {0};
    float slant = reach * SQRT_HALF;

    for (size_t y = 0; y < SIDE; y++)
        memcpy(&source[(y + 1) * STRIDE + 1], &pixels[y * SIDE], SIDE * sizeof(float));
    for (int y = 0; y < SIDE; y++) {
        const float *restrict here = &source[(y + 1) * STRIDE + 1];

        for (int x = 0; x < SIDE; x++) {
            float middle = here[x];
            float straight = larger(larger(here[x - 1], here[x + 1]),
                                    larger(here[x - STRIDE], here[x + STRIDE]));
            float corner = larger(larger(here[x - STRIDE - 1], here[x - STRIDE + 1]),
                                  larger(here[x + STRIDE - 1], here[x + STRIDE + 1]));
            float most = larger(reach * (straight - middle), slant * (corner - middle));

            pixels[y * SIDE + x] = middle + larger(most, 0);
        }
    }
}

/* Change the pen's width by `change` pixels. Thinner is thicker paper. */
static void
change_width(float *pixels, float change)
{
    float reach = fabsf(change) / 2;
    int whole = (int)reach;

    if (change < 0)
        for (int i = 0; i < INK_PICTURE_SIZE; i++)
            pixels[i] = 1 - pixels[i];
    for (int i = 0; i < whole; i++)
        thicken(pixels, 1);
    thicken(pixels, reach - (float)whole);
    if (change < 0)
        for (int i = 0; i < INK_PICTURE_SIZE; i++)
            pixels[i] = 1 - pixels[i];
}

static int
draw_side(float most, struct ink_rng *rng)
{
    int side = (int)(ink_rng_float(rng) * most * SIDE + 0.5F);

    return side < SIDE ? side : SIDE;
}

/* Source: Zhong et al. 2017, with what is erased left blank, as paper is. */
static void
blank_rectangle(const struct ink_augment *augment, struct ink_rng *rng, float *pixels)
{
    int width = draw_side(augment->erase, rng), height = draw_side(augment->erase, rng);
    int left = (int)ink_rng_below(rng, (uint32_t)(SIDE - width + 1));
    int top = (int)ink_rng_below(rng, (uint32_t)(SIDE - height + 1));

    for (int y = top; y < top + height; y++)
        memset(&pixels[y * SIDE + left], 0, (size_t)width * sizeof(float));
}

void
ink_augment_apply(const struct ink_augment *augment, struct ink_rng *rng, const uint8_t *row,
                  float *out_pixels)
{
    if (has_affine(augment) || augment->elastic > 0)
        warp_row(augment, rng, row, out_pixels);
    else
        ink_kernels()->pixels(INK_PICTURE_SIZE, row, out_pixels);
    if (augment->thickness > 0)
        change_width(out_pixels, sway(rng, augment->thickness));
    if (augment->erase > 0)
        blank_rectangle(augment, rng, out_pixels);
}
