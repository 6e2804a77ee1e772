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

/* Of up to 16 numbers and as many others. */
ALWAYS_INLINE __m512i
zipped(__m256i first, __m256i second)
{
    __m512i both = _mm512_inserti64x4(_mm512_castsi256_si512(first), second, 1);

    return _mm512_permutexvar_epi16(zip_halves(), both);
}

ALWAYS_INLINE __m256i
load_16(const uint16_t *from)
{
    return _mm256_loadu_si256((const __m256i *)from);
}

/* y[i][2] = first[i], second[i]; second may be NULL: zeros */
ALWAYS_INLINE void
zip(size_t count, const uint16_t *first, const uint16_t *second, uint16_t *y)
{
    const __m256i zero = _mm256_setzero_si256();
    size_t i = 0;

    for (; i + 16 <= count; i += 16)
        _mm512_storeu_si512(y + 2 * i,
                            zipped(load_16(first + i), second ? load_16(second + i) : zero));
    if (i < count) {
        __mmask16 rest = first_lanes(count - i);
        __m256i last = second ? _mm256_maskz_loadu_epi16(rest, second + i) : zero;

        _mm512_mask_storeu_epi32(y + 2 * i, rest,
                                 zipped(_mm256_maskz_loadu_epi16(rest, first + i), last));
    }
}

void
ink_bf16_zip_distance(size_t count, size_t distance, const uint16_t *x, uint16_t *y)
{
    size_t whole = count > distance ? count - distance : 0;

    zip(whole, x, x + distance, y);
    zip(count - whole, x + whole, NULL, y + 2 * whole);
}

void
ink_bf16_zip_rows(size_t rows, size_t count, size_t step, const uint16_t *x, uint16_t *y)
{
    for (; rows >= 2; rows -= 2, x += 2 * step, y += 2 * count)
        zip(count, x, x + step, y);
    if (rows > 0)
        zip(count, x, NULL, y);
}

/* y[i][2] = x[i], second[i]; second may be NULL: zeros */
ALWAYS_INLINE void
pair(size_t count, const float *x, const float *second, uint16_t *y)
{
    size_t i = 0;

    for (; second && i + 16 <= count; i += 16)
        _mm512_storeu_si512(y + 2 * i,
                            pairs_of(_mm512_loadu_ps(x + i), _mm512_loadu_ps(second + i)));
    for (; i < count; i += 16) {
        __mmask16 rest = first_lanes(count - i);
        __m512 a = _mm512_maskz_loadu_ps(rest, x + i);
        __m512 b = second ? _mm512_maskz_loadu_ps(rest, second + i) : _mm512_setzero_ps();

        _mm512_mask_storeu_epi32(y + 2 * i, rest, pairs_of(a, b));
    }
}

void
ink_bf16_pair_rows(size_t rows_left, size_t count, const float *x, uint16_t *y)
{
    for (; rows_left >= 2; rows_left -= 2, x += 2 * count, y += 2 * count)
        pair(count, x, x + count, y);
    if (rows_left)
        pair(count, x, NULL, y);
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
