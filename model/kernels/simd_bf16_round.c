/* SPDX-License-Identifier: MIT */
/* simd_bf16_round: floats to bf16 and to pairs of them, as the kernels want to read them. */
#include "model/kernels/simd_bf16.h"

void
ink_bf16_round(size_t count, const float *x, uint16_t *y)
{
    size_t i = 0;

    for (; i + 16 <= count; i += 16)
        _mm256_storeu_si256((__m256i *)(y + i),
                            (__m256i)_mm512_cvtneps_pbh(_mm512_loadu_ps(x + i)));
    if (i < count) {
        __mmask16 rest = first_lanes(count - i);

        _mm256_mask_storeu_epi16(y + i, rest,
                                 (__m256i)_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(rest, x + i)));
    }
}

/* ---- batch norm's lines ---- */

/* All lanes, or `some` of them: masked stores of such small numbers take much longer. */
ALWAYS_INLINE void
store_rounded(uint16_t *to, __mmask16 some, __m512 value)
{
    __m256i rounded = (__m256i)_mm512_cvtneps_pbh(value);

    if (some == 0xffff)
        _mm256_storeu_si256((__m256i *)to, rounded);
    else
        _mm256_mask_storeu_epi16(to, some, rounded);
}

void
ink_bf16_norm(const struct ink_norm *norm, size_t pixels, const float *x, uint16_t *y)
{
    size_t channels = norm->channels;

    for (size_t c = 0; c < channels; c += 16) {
        __mmask16 some = first_lanes(channels - c);
        __m512 scale = _mm512_maskz_loadu_ps(some, norm->scale + c);
        __m512 shift = _mm512_maskz_loadu_ps(some, norm->shift + c);

        for (size_t i = c; i < pixels * channels; i += channels) {
            __m512 value = _mm512_maskz_loadu_ps(some, x + i) * scale + shift;

            if (norm->is_relu)
                value = positive(value);
            store_rounded(y + i, some, value);
        }
    }
}

void
ink_bf16_norm_backward(const struct ink_norm *norm, size_t pixels, const float *x, const float *dy,
                       const float *abc, uint16_t *dx)
{
    size_t channels = norm->channels;

    for (size_t c = 0; c < channels; c += 16) {
        __mmask16 some = first_lanes(channels - c);
        __m512 scale = _mm512_maskz_loadu_ps(some, norm->scale + c);
        __m512 shift = _mm512_maskz_loadu_ps(some, norm->shift + c);
        __m512 a = _mm512_maskz_loadu_ps(some, abc + c);
        __m512 b = _mm512_maskz_loadu_ps(some, abc + channels + c);
        __m512 d = _mm512_maskz_loadu_ps(some, abc + 2 * channels + c);

        for (size_t i = c; i < pixels * channels; i += channels) {
            __m512 value = _mm512_maskz_loadu_ps(some, x + i);
            __m512 gradient = _mm512_maskz_loadu_ps(some, dy + i);

            if (norm->is_relu)
                gradient = _mm512_maskz_mov_ps(
                    _mm512_cmp_ps_mask(value * scale + shift, _mm512_setzero_ps(), _CMP_GT_OQ),
                    gradient);
            store_rounded(dx + i, some, gradient * a + (value * b + d));
        }
    }
}

/* ---- pairs ---- */

/* Two vectors as pairs: first in the lower halves, second in the upper. */
ALWAYS_INLINE __m512i
pairs_of(__m512 first, __m512 second)
{
    return _mm512_permutexvar_epi16(zip_halves(), (__m512i)_mm512_cvtne2ps_pbh(second, first));
}

ALWAYS_INLINE void
store_pairs(uint16_t *to, __mmask16 some, __m512i pairs)
{
    if (some == 0xffff)
        _mm512_storeu_si512(to, pairs);
    else
        _mm512_mask_storeu_epi32(to, some, pairs);
}

/* What a batch norm's line makes of up to 16 channels. */
struct line {
    __m512 scale, shift;
    bool is_relu;
};

ALWAYS_INLINE struct line
line_at(const struct ink_norm *norm, size_t channel, __mmask16 some)
{
    return (struct line){
        .scale = _mm512_maskz_loadu_ps(some, norm->scale + channel),
        .shift = _mm512_maskz_loadu_ps(some, norm->shift + channel),
        .is_relu = norm->is_relu,
    };
}

ALWAYS_INLINE __m512
drawn(const struct line *line, __m512 x)
{
    x = x * line->scale + line->shift;
    return line->is_relu ? positive(x) : x;
}

/* Floats that are asked for before they are read: two pictures come from far away side by side,
 * which the processor is slow to notice. */
enum { AHEAD = 1024 };

void
ink_bf16_pair(const struct ink_norm *norms, size_t pixels, const float *x, const float *second,
              uint16_t *y)
{
    size_t channels = norms->channels, count = pixels * channels;

    for (size_t i = 0; i < count && !norms->scale; i += 16) {
        __mmask16 some = first_lanes(count - i);
        __m512 b = second ? _mm512_maskz_loadu_ps(some, second + i) : _mm512_setzero_ps();

        store_pairs(y + 2 * i, some, pairs_of(_mm512_maskz_loadu_ps(some, x + i), b));
    }
    for (size_t c = 0; c < channels && norms->scale; c += 16) {
        __mmask16 some = first_lanes(channels - c);
        const struct line line = line_at(norms, c, some);
        const struct line other = second ? line_at(norms + 1, c, some) : (struct line){0};

        for (size_t i = c; i < count; i += channels) {
            __m512 a = drawn(&line, _mm512_maskz_loadu_ps(some, x + i)), b = _mm512_setzero_ps();

            __builtin_prefetch(x + i + AHEAD);
            if (second) {
                __builtin_prefetch(second + i + AHEAD);
                b = drawn(&other, _mm512_maskz_loadu_ps(some, second + i));
            }
            store_pairs(y + 2 * i, some, pairs_of(a, b));
        }
    }
}

void
ink_bf16_zip_panels(const struct ink_zip *form, const uint16_t *x, const uint16_t *second,
                    uint16_t *y)
{
    for (size_t c = 0; c < form->channels; c += 16, y += form->panel_step) {
        __mmask16 some = first_lanes(form->channels - c);

        for (size_t i = 0, from = c; i < form->pixels; i++, from += form->step) {
            __m256i a = _mm256_maskz_loadu_epi16(some, x + from), b = _mm256_setzero_si256();

            if (second)
                b = _mm256_maskz_loadu_epi16(some, second + from);
            _mm512_storeu_si512(
                y + 2 * i * INK_PANEL,
                _mm512_permutexvar_epi16(zip_halves(),
                                         _mm512_inserti64x4(_mm512_castsi256_si512(a), b, 1)));
        }
    }
}

void
ink_bf16_pair_rows(size_t rows, size_t count, const float *x, uint16_t *y)
{
    const struct ink_norm none[2] = {{.channels = 1}};

    for (size_t row = 0; row < rows; row += 2, x += 2 * count, y += 2 * count)
        ink_bf16_pair(none, count, x, row + 1 < rows ? x + count : NULL, y);
}

/* Two blocks of `height` rows, 16 pairs each: one under the other, its left and its right half. */
ALWAYS_INLINE void
stack_halves(const int height, __m512i *a, __m512i *b)
{
    const int width = 16 / height;
    int left[16], right[16];
    __m512i upper = *a, lower = *b;

#pragma GCC unroll 16
    for (int i = 0; i < 16; i++) {
        int row = i / (width / 2), column = i % (width / 2);

        left[i] = row % height * width + column + (row < height ? 0 : 16);
        right[i] = left[i] + width / 2;
    }
    *a = _mm512_permutex2var_epi32(upper, _mm512_loadu_si512(left), lower);
    *b = _mm512_permutex2var_epi32(upper, _mm512_loadu_si512(right), lower);
}

void
ink_bf16_turn_block(size_t count, const float *w, uint16_t *y)
{
    __m512i block[8];

    for (size_t i = 0; i < 8; i++) { /* two rows of eight pairs in each */
        __m512 zero = _mm512_setzero_ps();
        __m512 even = 2 * i < count ? _mm512_loadu_ps(w + 2 * i * INK_PANEL) : zero;
        __m512 odd = 2 * i + 1 < count ? _mm512_loadu_ps(w + (2 * i + 1) * INK_PANEL) : zero;

        block[i] = (__m512i)_mm512_cvtne2ps_pbh(odd, even);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++)
        stack_halves(2, &block[2 * i], &block[2 * i + 1]);
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++)
        stack_halves(4, &block[i / 2 * 4 + i % 2], &block[i / 2 * 4 + i % 2 + 2]);
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++)
        stack_halves(8, &block[i], &block[i + 4]);
        /* The columns lie in the order of reversed bits. */
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++)
        _mm512_storeu_si512(y + (ptrdiff_t)((i & 1) * 4 + (i & 2) + (i >> 2)) * 32, block[i]);
}
