/* SPDX-License-Identifier: MIT */
/*
 * simd_bf16_one: a dense layer of one picture, in bf16.
 *
 * It waits for its weights, and a relu before it has left zeros: only the
 * weights of inputs that are not zero are read. Those of an input to many
 * outputs lie together, and are asked for long before they are needed; two
 * inputs become a pair when both are there.
 */
#include "model/kernels/simd_bf16.h"

/* Inputs that are looked at together, how many pairs ahead weights are asked for, and the outputs
 * that a vector of weights has. */
enum { ONE_INPUTS = 2048, ONE_AHEAD = 8, ONE_BLOCK = 2 * INK_PANEL };

/* The inputs of a part that are not zero, in pairs: each number with the number of its row. */
struct ink_some {
    size_t pairs;
    int32_t row[ONE_INPUTS + 2 * ONE_AHEAD + INK_PANEL];
    int32_t value[ONE_INPUTS + 2 * ONE_AHEAD + INK_PANEL];
};

/* From the last one on rows are read again, for nothing. */
static void
find_some(const float *x, size_t count, struct ink_some *out)
{
    const __m512i step = _mm512_set1_epi32(16);
    __m512i row = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    size_t found = 0;

    for (size_t i = 0; i < count; i += 16, row = _mm512_add_epi32(row, step)) {
        __m512 all = _mm512_maskz_loadu_ps(first_lanes(count - i), x + i);
        __m512i value = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(all));
        __mmask16 is_some = _mm512_test_epi32_mask(value, _mm512_set1_epi32(0x7fff));

        _mm512_storeu_si512(out->row + found, _mm512_maskz_compress_epi32(is_some, row));
        _mm512_storeu_si512(out->value + found, _mm512_maskz_compress_epi32(is_some, value));
        found += (size_t)__builtin_popcount(is_some);
    }
    out->pairs = (found + 1) / 2;
    for (size_t i = 0; i < 2 * ONE_AHEAD + 1; i++) {
        out->row[found + i] = found > 0 ? out->row[found - 1] : 0;
        out->value[found + i] = 0;
    }
}

/* sums[blocks][32] += the inputs times their rows of as many weights. */
ALWAYS_INLINE void
add_some(const int blocks, const struct ink_some *some, const uint16_t *w, float *sums)
{
    __m512 acc[16];
    const ptrdiff_t size = (ptrdiff_t)blocks * ONE_BLOCK;

#pragma GCC unroll 16
    for (int v = 0; v < 2 * blocks; v++)
        acc[v] = _mm512_loadu_ps(sums + v * INK_PANEL);
    for (size_t k = 0; k < 2 * some->pairs; k += 2) {
        const uint16_t *a = w + some->row[k] * size, *b = w + some->row[k + 1] * size;
        const uint16_t *soon = w + some->row[k + 2 * ONE_AHEAD] * size;
        const uint16_t *later = w + some->row[k + 2 * ONE_AHEAD + 1] * size;
        uint32_t pair = (uint32_t)some->value[k] | (uint32_t)some->value[k + 1] << 16;
        __m512bh both = (__m512bh)_mm512_set1_epi32((int)pair);

#pragma GCC unroll 8
        for (int v = 0; v < blocks; v++) {
            __m512i first = load_pairs(a + v * ONE_BLOCK), second = load_pairs(b + v * ONE_BLOCK);

            __builtin_prefetch(soon + v * ONE_BLOCK);
            __builtin_prefetch(later + v * ONE_BLOCK);
            acc[2 * v] =
                _mm512_dpbf16_ps(acc[2 * v], both, (__m512bh)_mm512_unpacklo_epi16(first, second));
            acc[2 * v + 1] = _mm512_dpbf16_ps(acc[2 * v + 1], both,
                                              (__m512bh)_mm512_unpackhi_epi16(first, second));
        }
    }
#pragma GCC unroll 16
    for (int v = 0; v < 2 * blocks; v++)
        _mm512_storeu_ps(sums + v * INK_PANEL, acc[v]);
}

static void
add_rows(size_t blocks, const struct ink_some *some, const uint16_t *w, float *sums)
{
    if (blocks == 8)
        add_some(8, some, w, sums);
    else if (blocks == 4)
        add_some(4, some, w, sums);
    else if (blocks == 2)
        add_some(2, some, w, sums);
    else
        add_some(1, some, w, sums);
}

void
ink_bf16_dense_one(const struct ink_dense *form, const float *x, const uint16_t *w,
                   const float *bias, bool is_relu, float *y)
{
    float sums[INK_BF16_ROW_MAX];
    struct ink_some some;

    for (size_t o = 0, size; o < form->outputs; o += size) {
        const uint16_t *rows = w + o * form->inputs;

        size = ink_bf16_row_size(form->outputs - o);
        for (size_t i = 0; i < size; i++)
            sums[i] = bias && o + i < form->outputs ? bias[o + i] : 0;
        for (size_t i = 0; i < form->inputs; i += ONE_INPUTS) {
            size_t count = form->inputs - i < ONE_INPUTS ? form->inputs - i : ONE_INPUTS;

            find_some(x + i, count, &some);
            add_rows(size / ONE_BLOCK, &some, rows + i * size, sums);
        }
        for (size_t i = 0; i < size && o + i < form->outputs; i++)
            y[o + i] = is_relu && sums[i] < 0 ? 0 : sums[i];
    }
}
