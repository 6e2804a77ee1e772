/* SPDX-License-Identifier: MIT */
/* simd_augment: pictures bent and strokes thickened, a row in vectors. */
#include <string.h>

#include "model/kernels/simd.h"
#include "model/kernels/spline.h"

enum { SIDE = INK_PICTURE_SIDE, STRIDE = INK_WARP_SIDE };

/* x[i] and the number after it, for each lane's i. Neighbours are fetched as one: what a gather
 * costs is its loads. */
ALWAYS_INLINE void
gather_pairs(const float *x, mask i, vec *out_here, vec *out_next)
{
#if defined(__AVX512F__)
    __m512 low = (__m512)_mm512_i32gather_pd(_mm512_castsi512_si256((__m512i)i), x, 4);
    __m512 high = (__m512)_mm512_i32gather_pd(_mm512_extracti64x4_epi64((__m512i)i, 1), x, 4);

    *out_here = __builtin_shufflevector((vec)low, (vec)high, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20,
                                        22, 24, 26, 28, 30);
    *out_next = __builtin_shufflevector((vec)low, (vec)high, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21,
                                        23, 25, 27, 29, 31);
#elif defined(__AVX2__)
    const double *pairs = (const double *)(const void *)x;
    __m256 low = (__m256)_mm256_i32gather_pd(pairs, _mm256_castsi256_si128((__m256i)i), 4);
    __m256 high = (__m256)_mm256_i32gather_pd(pairs, _mm256_extracti128_si256((__m256i)i, 1), 4);

    *out_here = __builtin_shufflevector((vec)low, (vec)high, 0, 2, 4, 6, 8, 10, 12, 14);
    *out_next = __builtin_shufflevector((vec)low, (vec)high, 1, 3, 5, 7, 9, 11, 13, 15);
#else
    for (int lane = 0; lane < LANES; lane++) {
        (*out_here)[lane] = x[i[lane]];
        (*out_next)[lane] = x[i[lane] + 1];
    }
#endif
}

ALWAYS_INLINE vec
between(vec value, float low, float high)
{
    vec lows = {0}, highs = {0};
    mask is_more, is_less;

    lows += low;
    highs += high;
    is_more = value > lows; /* false for NaN */
    is_less = value < highs;
    return choose(is_more, choose(is_less, value, highs), lows);
}

void
INK_SIMD_NAME(warp)(const struct ink_warp *warp, const float *source, const float *field,
                    float *pixels)
{
    const float last = STRIDE - 1.001F; /* so that the pixel to the right exists */
    vec lane;

    for (int i = 0; i < LANES; i++)
        lane[i] = (float)i;
    for (int y = 0; y < SIDE; y++) {
        float line[STRIDE];

        for (int x = 0; x < SIDE; x += LANES) {
            vec at = lane + (float)x;
            vec from_x = at * warp->xx + (warp->x0 + warp->xy * (float)y);
            vec from_y = at * warp->yx + (warp->y0 + warp->yy * (float)y);
            vec upper, upper_next, lower, lower_next;
            mask left, top, corner;

            if (field) {
                from_x += load(field + y * STRIDE + x);
                from_y += load(field + (SIDE + y) * STRIDE + x);
            }
            from_x = between(from_x, 0, last);
            from_y = between(from_y, 0, last);
            left = __builtin_convertvector(from_x, mask);
            top = __builtin_convertvector(from_y, mask);
            from_x -= __builtin_convertvector(left, vec);
            from_y -= __builtin_convertvector(top, vec);
            corner = top * STRIDE + left;
            gather_pairs(source, corner, &upper, &upper_next);
            gather_pairs(source + STRIDE, corner, &lower, &lower_next);
            upper += from_x * (upper_next - upper);
            lower += from_x * (lower_next - lower);
            store(line + x, upper + from_y * (lower - upper));
        }
        memcpy(pixels + (size_t)y * SIDE, line, SIDE * sizeof(*line));
    }
}

void
INK_SIMD_NAME(spread)(const float *knots, float *field)
{
    float column[INK_KNOT_COUNT][STRIDE]; /* knots across, pixels down: spread one way */

    for (int i = 0; i < INK_KNOT_COUNT; i++)
        for (int x = 0; x < STRIDE; x += LANES) {
            vec sum = {0};

            for (int j = 0; j < INK_KNOT_COUNT; j++)
                sum += knots[i * INK_KNOT_COUNT + j] * load(&ink_spline[j][x]);
            store(&column[i][x], sum);
        }
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < STRIDE; x += LANES) {
            vec sum = {0};

            for (int i = y / INK_KNOT_STEP; i < y / INK_KNOT_STEP + INK_KNOT_TAPS; i++)
                sum += ink_spline[i][y] * load(&column[i][x]);
            store(field + y * STRIDE + x, sum);
        }
}

ALWAYS_INLINE vec
larger(vec a, vec b)
{
    return choose(a > b, a, b);
}

void
INK_SIMD_NAME(thicken)(float reach, float *pixels)
{
    enum { WIDE = STRIDE + 8 };
    float source[(SIDE + 2) * WIDE] = {0}; /* a pixel of paper all around */
    float slant = reach * 0.70710678F;

    for (size_t y = 0; y < SIDE; y++)
        memcpy(&source[(y + 1) * WIDE + 1], &pixels[y * SIDE], SIDE * sizeof(float));
    for (int y = 0; y < SIDE; y++) {
        float line[STRIDE];

        for (int x = 0; x < SIDE; x += LANES) {
            const float *here = &source[(y + 1) * WIDE + 1 + x];
            vec middle = load(here), none = {0};
            vec straight = larger(larger(load(here - 1), load(here + 1)),
                                  larger(load(here - WIDE), load(here + WIDE)));
            vec corner = larger(larger(load(here - WIDE - 1), load(here - WIDE + 1)),
                                larger(load(here + WIDE - 1), load(here + WIDE + 1)));
            vec most = larger(reach * (straight - middle), slant * (corner - middle));

            store(line + x, middle + larger(most, none));
        }
        memcpy(pixels + (size_t)y * SIDE, line, SIDE * sizeof(*line));
    }
}
