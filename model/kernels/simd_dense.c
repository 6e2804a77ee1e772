/* SPDX-License-Identifier: MIT */
/* simd_dense: dense layers in float, and a matrix turned around. */
#include "model/kernels/simd.h"

enum { UNIT = 1 };

typedef uint32_t bits __attribute__((may_alias));

ALWAYS_INLINE vec
multiply_add(vec sum, const float *a, vec b)
{
    return sum + *a * b;
}

ALWAYS_INLINE vec
weights_of(const float *w, const uint16_t *at)
{
    return load(w + *at);
}

#include "model/kernels/simd_dense_tiles.h"

void
INK_SIMD_NAME(dense)(const struct ink_dense *form, const float *x, const float *w,
                     const float *bias, bool is_relu, float *y)
{
    dense_forward(form, x, w, bias, is_relu, y);
}

void
INK_SIMD_NAME(dense_back)(const struct ink_dense *form, size_t count, const float *w,
                          const float *dy, const float *x, float *dx)
{
    dense_back(form, count, w, dy, x, dx);
}

void
INK_SIMD_NAME(dense_weights)(const struct ink_dense *form, const float *x, const float *dy,
                             const struct ink_soon *soon, float *dw)
{
    dense_weights(form, x, dy, soon, dw);
}

void
INK_SIMD_NAME(find_some)(size_t rows, size_t count, size_t step, const float *x, uint32_t *has)
{
    const bits *from = (const bits *)x;
    size_t whole = count / LANES * LANES;

    for (; rows > 0; rows--, from += step, x += step) {
        for (size_t i = 0; i < whole; i += LANES) {
            float *at = (float *)(void *)(has + i);

            __builtin_prefetch(x + i + count); /* rows are far apart, what comes next is behind */
            store(at, (vec)((mask)load(at) | (mask)load(x + i)));
        }
        for (size_t i = whole; i < count; i++)
            has[i] |= from[i];
    }
}

/* A row's numbers of the two panels in their lanes. */
ALWAYS_INLINE void
unfold_row(const uint8_t lane[static INK_PANEL], const float *first, const float *second, float *to)
{
#if defined(__AVX512F__)
    const __m512i at = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i_u *)lane));
    const __mmask16 is_there = _mm512_cmplt_epi32_mask(at, _mm512_set1_epi32(INK_NO_LANE));

    _mm512_storeu_ps(to, _mm512_maskz_permutex2var_ps(is_there, _mm512_loadu_ps(first), at,
                                                      _mm512_loadu_ps(second)));
#else
    for (size_t l = 0; l < INK_PANEL; l++) {
        const float *from = lane[l] < INK_PANEL ? first : second - INK_PANEL;

        to[l] = lane[l] == INK_NO_LANE ? 0 : from[lane[l]];
    }
#endif
}

void
INK_SIMD_NAME(unfold)(const struct ink_unfold *form, const float *from, float *dw)
{
    size_t i = 0;

    for (size_t j = 0; j < form->rows; j++, from += INK_PANEL, i++) {
        size_t row = form->row[j];

        if (i < row)
            memset(dw + i * INK_PANEL, 0, (row - i) * INK_PANEL * sizeof(*dw));
        i = row;
        unfold_row(form->lane, from, from + form->rows * INK_PANEL, dw + row * INK_PANEL);
    }
    memset(dw + i * INK_PANEL, 0, (form->inputs - i) * INK_PANEL * sizeof(*dw));
}

/* ---- turning ---- */

/* A square of vectors: shuffling the halves into each other as often as a row can be halved turns
 * it around. */
static void
transpose_square(const struct ink_transpose *form, const float *from, float *to)
{
    vec row[LANES], next[LANES];

    for (int i = 0; i < LANES; i++)
        row[i] = load(from + (size_t)i * form->from_step);
#pragma GCC unroll 4
    for (int round = 1; round < LANES; round *= 2) {
#pragma GCC unroll 8
        for (int i = 0; i < LANES / 2; i++) {
            next[2 * i] = __builtin_shufflevector(row[i], row[i + LANES / 2], LOW_HALVES);
            next[2 * i + 1] = __builtin_shufflevector(row[i], row[i + LANES / 2], HIGH_HALVES);
        }
#pragma GCC unroll 16
        for (int i = 0; i < LANES; i++)
            row[i] = next[i];
    }
#pragma GCC unroll 16
    for (int i = 0; i < LANES; i++) {
        float *at = to + (size_t)i * form->to_step;

        store(at, form->is_added ? load(at) + row[i] : row[i]);
    }
}

void
INK_SIMD_NAME(transpose)(const struct ink_transpose *form, const float *from, float *to)
{
    size_t rows = form->rows / LANES * LANES, columns = form->columns / LANES * LANES;

    for (size_t c = 0; c < columns; c += LANES)
        for (size_t r = 0; r < rows; r += LANES)
            transpose_square(form, from + r * form->from_step + c, to + c * form->to_step + r);
    for (size_t c = 0; c < form->columns; c++)
        for (size_t r = c < columns ? rows : 0; r < form->rows; r++) {
            float *at = &to[c * form->to_step + r];

            *at = from[r * form->from_step + c] + (form->is_added ? *at : 0);
        }
}

/* ---- one picture ---- */

/* Inputs that are looked at together, and the panels that are summed side by side: eight sums hide
 * how long one multiplication takes. */
enum { ONE_INPUTS = 1024, ONE_PANELS = 8 / VECTORS };

/* The inputs of a part that are not zero. */
struct ink_some {
    size_t count;
    float value[ONE_INPUTS];
    uint16_t number[ONE_INPUTS];
};

static void
find_some(const float *x, size_t count, struct ink_some *out)
{
    size_t found = 0;

    for (size_t i = 0; i < count; i++) { /* written in any case: no branch to guess */
        out->value[found] = x[i];
        out->number[found] = (uint16_t)i;
        found += x[i] != 0;
    }
    out->count = found;
}

/* sums[panels][16] += the inputs times their weights. */
ALWAYS_INLINE void
add_some(const int panels, const struct ink_some *some, const float *w, size_t step, float *sums)
{
    vec acc[8];

#pragma GCC unroll 8
    for (int v = 0; v < panels * VECTORS; v++)
        acc[v] = load(sums + v * LANES);
    for (size_t k = 0; k < some->count; k++) {
        const float *at = w + (size_t)some->number[k] * INK_PANEL;

#pragma GCC unroll 8
        for (int v = 0; v < panels * VECTORS; v++)
            acc[v] += some->value[k] *
                      load(at + (size_t)(v / VECTORS) * step + (size_t)(v % VECTORS) * LANES);
    }
#pragma GCC unroll 8
    for (int v = 0; v < panels * VECTORS; v++)
        store(sums + v * LANES, acc[v]);
}

/* As many panels as can be summed side by side of those that are left; how many that were. */
static size_t
add_panels(size_t left, const struct ink_some *some, const float *w, size_t step, float *sums)
{
    if (left >= ONE_PANELS) {
        add_some(ONE_PANELS, some, w, step, sums);
        return ONE_PANELS;
    }
    if (left * 2 >= ONE_PANELS) {
        add_some((ONE_PANELS + 1) / 2, some, w, step, sums);
        return (ONE_PANELS + 1) / 2;
    }
    add_some(1, some, w, step, sums);
    return 1;
}

void
INK_SIMD_NAME(dense_one)(const struct ink_conv *conv, const float *x, const float *w,
                         const float *bias, bool is_relu, float *y)
{
    size_t inputs = (size_t)conv->in_channels, outputs = (size_t)conv->out_channels;
    size_t step = inputs * INK_PANEL, whole = outputs / INK_PANEL;
    float rest[INK_PANEL] = {0};
    struct ink_some some;

    for (size_t o = 0; o < outputs; o++)
        *(o < whole * INK_PANEL ? &y[o] : &rest[o % INK_PANEL]) = bias ? bias[o] : 0;
    for (size_t i = 0; i < inputs; i += ONE_INPUTS) {
        find_some(x + i, inputs - i < ONE_INPUTS ? inputs - i : ONE_INPUTS, &some);
        for (size_t p = 0; p < whole;)
            p +=
                add_panels(whole - p, &some, w + p * step + i * INK_PANEL, step, y + p * INK_PANEL);
        if (outputs > whole * INK_PANEL)
            add_some(1, &some, w + whole * step + i * INK_PANEL, step, rest);
    }
    for (size_t o = whole * INK_PANEL; o < outputs; o++)
        y[o] = rest[o % INK_PANEL];
    for (size_t o = 0; o < outputs && is_relu; o++)
        y[o] = y[o] < 0 ? 0 : y[o];
}
