/* SPDX-License-Identifier: MIT */
#include "model/augment.h"

#include <math.h>
#include <string.h>

#include "model/kernels/kernels.h"

enum { SIDE = INK_PICTURE_SIDE, MARGIN = INK_WARP_MARGIN, PADDED_SIDE = INK_WARP_SIDE };

#define RADIAN 0.017453293F /* a degree */

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

/* Where does an output pixel come from? Rotation * shear * scale about the middle, inverted, then
 * shifted. */
static void
draw_warp(const struct ink_augment *augment, struct ink_rng *rng, struct ink_warp *out_warp)
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

/* One component of the elastic field. A B-spline never leaves the range of its knots, so `amount`
 * is the maximum. */
static void
draw_field(float amount, const struct ink_kernels *kernels, struct ink_rng *rng, float *out_field)
{
    float knots[INK_KNOT_COUNT * INK_KNOT_COUNT];

    for (int i = 0; i < INK_KNOT_COUNT * INK_KNOT_COUNT; i++)
        knots[i] = ink_rng_between(rng, -amount, amount);
    kernels->spread(knots, out_field);
}

static void
warp_row(const struct ink_augment *augment, const struct ink_kernels *kernels, struct ink_rng *rng,
         const uint8_t *row, float *out_pixels)
{
    float source[PADDED_SIDE * PADDED_SIDE] = {0}, pixels[INK_PICTURE_SIZE];
    float field[2][SIDE * PADDED_SIDE];
    struct ink_warp warp;

    kernels->pixels(INK_PICTURE_SIZE, row, pixels);
    for (size_t y = 0; y < SIDE; y++)
        memcpy(&source[(y + MARGIN) * PADDED_SIDE + MARGIN], &pixels[y * SIDE],
               SIDE * sizeof(*pixels));
    draw_warp(augment, rng, &warp);
    if (augment->elastic > 0) {
        draw_field(augment->elastic, kernels, rng, field[0]);
        draw_field(augment->elastic, kernels, rng, field[1]);
    }
    kernels->warp(&warp, source, augment->elastic > 0 ? field[0] : NULL, out_pixels);
}

/* ---- pen width ---- */

/* Change the pen's width by `change` pixels. Thinner is thicker paper. */
static void
change_width(const struct ink_kernels *kernels, float *pixels, float change)
{
    float reach = fabsf(change) / 2;
    int whole = (int)reach;

    if (change < 0)
        for (int i = 0; i < INK_PICTURE_SIZE; i++)
            pixels[i] = 1 - pixels[i];
    for (int i = 0; i < whole; i++)
        kernels->thicken(1, pixels);
    kernels->thicken(reach - (float)whole, pixels);
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
ink_augment_apply_with(const struct ink_augment *augment, const struct ink_kernels *kernels,
                       struct ink_rng *rng, const uint8_t *row, float *out_pixels)
{
    if (has_affine(augment) || augment->elastic > 0)
        warp_row(augment, kernels, rng, row, out_pixels);
    else
        kernels->pixels(INK_PICTURE_SIZE, row, out_pixels);
    if (augment->thickness > 0)
        change_width(kernels, out_pixels, sway(rng, augment->thickness));
    if (augment->erase > 0)
        blank_rectangle(augment, rng, out_pixels);
}

void
ink_augment_apply(const struct ink_augment *augment, struct ink_rng *rng, const uint8_t *row,
                  float *out_pixels)
{
    ink_augment_apply_with(augment, ink_kernels(), rng, row, out_pixels);
}
