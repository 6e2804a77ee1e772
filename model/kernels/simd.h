/* SPDX-License-Identifier: MIT */
#ifndef INK_MODEL_KERNELS_SIMD_H
#define INK_MODEL_KERNELS_SIMD_H

/*
 * simd: vectors as long as the processor's, in GCC's vector extensions.
 *
 * The sources simd*.c are compiled once for each instruction set, INK_SIMD
 * being its name: baseline, avx2, avx512. What differs is the vector's length
 * and how many accumulators fit into the registers.
 */

#include "model/kernels/kernels.h"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#define INK_PASTE_(a, b) a##b
#define INK_PASTE(a, b)  INK_PASTE_(a, b)

/* PIXELS: 12 to 16 accumulators are best; the weights and a broadcast need registers too. With
 * long vectors a tile of two panels and half the pixels does with fewer loads. */
#if defined(__AVX512F__)
enum { LANES = 16, PIXELS = 14, PAIR_PIXELS = 7 };
#elif defined(__AVX2__)
enum { LANES = 8, PIXELS = 6, PAIR_PIXELS = 0 };
#else
enum { LANES = 4, PIXELS = 3, PAIR_PIXELS = 0 };
#endif
enum { VECTORS = INK_PANEL / LANES };

typedef float vec __attribute__((vector_size(LANES * sizeof(float))));
typedef int mask __attribute__((vector_size(LANES * sizeof(float))));
typedef uint8_t bytes __attribute__((vector_size(LANES)));
typedef uint8_t bytes_in_memory __attribute__((vector_size(LANES), aligned(1), may_alias));
typedef float vec_in_memory
    __attribute__((vector_size(LANES * sizeof(float)), aligned(sizeof(float)), may_alias));

/* For __builtin_shufflevector: the numbers of two vectors in turn, in two vectors. */
/* clang-format off */
#if defined(__AVX512F__)
#define LOW_HALVES  0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define HIGH_HALVES 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#elif defined(__AVX2__)
#define LOW_HALVES  0, 8, 1, 9, 2, 10, 3, 11
#define HIGH_HALVES 4, 12, 5, 13, 6, 14, 7, 15
#else
#define LOW_HALVES  0, 4, 1, 5
#define HIGH_HALVES 2, 6, 3, 7
#endif
/* clang-format on */

#define ALWAYS_INLINE static inline __attribute__((always_inline))

ALWAYS_INLINE vec
load(const float *from)
{
    return *(const vec_in_memory *)from;
}

ALWAYS_INLINE void
store(float *to, vec value)
{
    *(vec_in_memory *)to = value;
}

/* The positive part; NaN stays, so that a broken network shows in its loss. */
ALWAYS_INLINE vec
clamp(vec value)
{
    return (vec)((mask)value & ~(value < 0));
}

ALWAYS_INLINE vec
choose(mask which, vec yes, vec no)
{
    return (vec)((which & (mask)yes) | (~which & (mask)no));
}

ALWAYS_INLINE int
least(int a, int b)
{
    return a < b ? a : b;
}

ALWAYS_INLINE int
part_of(int total, int most)
{
    int parts = (total + most - 1) / most;

    return (total + parts - 1) / parts;
}

/* A byte a lane, in memory. gcc 12 takes a conversion between the two apart byte by byte. */
ALWAYS_INLINE mask
load_bytes(const uint8_t *from)
{
#if defined(__AVX512F__)
    return (mask)_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i_u *)from));
#elif defined(__AVX2__)
    return (mask)_mm256_cvtepu8_epi32(_mm_loadu_si64(from));
#else
    return __builtin_convertvector(*(const bytes_in_memory *)from, mask);
#endif
}

ALWAYS_INLINE void
store_bytes(uint8_t *to, mask values)
{
#if defined(__AVX512F__)
    _mm_storeu_si128((__m128i_u *)to, _mm512_cvtepi32_epi8((__m512i)values));
#elif defined(__AVX2__)
    __m256i wide = (__m256i)values;
    __m128i half = _mm_packs_epi32(_mm256_castsi256_si128(wide), _mm256_extracti128_si256(wide, 1));

    _mm_storel_epi64((__m128i_u *)to, _mm_packus_epi16(half, half));
#else
    *(bytes_in_memory *)to = __builtin_convertvector(values, bytes);
#endif
}

/* The largest of a window's four and its number, or INK_POOLED_DEAD where a relu cuts it. */
ALWAYS_INLINE void
store_window(const vec of[static 4], bool is_relu, float *y, uint8_t *place)
{
    vec best = of[0];
    mask winner = {0};

#pragma GCC unroll 4
    for (int n = 1; n < 4; n++) {
        mask is_more = of[n] > best;

        best = choose(is_more, of[n], best);
        winner = (is_more & n) | (~is_more & winner);
    }
    if (is_relu) {
        mask is_alive = best > 0;

        winner = (is_alive & winner) | (~is_alive & INK_POOLED_DEAD);
        best = clamp(best);
    }
    store(y, best);
    if (place)
        store_bytes(place, winner);
}

/* A function of this instruction set: INK_SIMD_NAME(conv) is ink_avx2_conv. */
#define INK_SIMD_NAME(name) INK_PASTE(INK_PASTE(ink_, INK_SIMD), INK_PASTE(_, name))

void INK_SIMD_NAME(conv)(const struct ink_conv *conv, const float *x, const float *w,
                         const float *bias, bool is_relu, float *y);
void INK_SIMD_NAME(conv_add)(const struct ink_conv *conv, const float *x, const float *w,
                             const float *start, float *y);
void INK_SIMD_NAME(conv_apart)(const struct ink_conv *conv, const float *x, const float *w,
                               bool is_added, float *y, const size_t apart[static 2]);
void INK_SIMD_NAME(conv_weights)(const struct ink_conv *conv, const float *x, const float *dy,
                                 bool is_added, float *dw);
void INK_SIMD_NAME(products)(const struct ink_products *form, const float *a, const float *b,
                             float *y);
void INK_SIMD_NAME(tiles_in)(const struct ink_tiles *tiles, const float *x, float *v);
void INK_SIMD_NAME(tiles_out)(const struct ink_tiles *tiles, const float *m, const float *bias,
                              const float *start, float *y, uint8_t *place);
void INK_SIMD_NAME(tiles_weights)(size_t count, const float *w, float *u, size_t step);
void INK_SIMD_NAME(warp)(const struct ink_warp *warp, const float *source, const float *field,
                         float *pixels);
void INK_SIMD_NAME(spread)(const float *knots, float *field);
void INK_SIMD_NAME(thicken)(float reach, float *pixels);
void INK_SIMD_NAME(dense)(const struct ink_dense *form, const float *x, const float *w,
                          const float *bias, bool is_relu, float *y);
void INK_SIMD_NAME(dense_back)(const struct ink_dense *form, size_t count, const float *w,
                               const float *dy, const float *x, float *dx);
void INK_SIMD_NAME(dense_weights)(const struct ink_dense *form, const float *x, const float *dy,
                                  const struct ink_soon *soon, float *dw);
void INK_SIMD_NAME(find_some)(size_t rows, size_t count, size_t step, const float *x,
                              uint32_t *has);
void INK_SIMD_NAME(unfold)(const struct ink_unfold *form, const float *from, float *dw);
void INK_SIMD_NAME(dense_one)(const struct ink_conv *conv, const float *x, const float *w,
                              const float *bias, bool is_relu, float *y);
void INK_SIMD_NAME(transpose)(const struct ink_transpose *form, const float *from, float *to);

/* The same for pictures of one channel; false, and nothing done, where simd_first.c has no way for
 * that shape. The pooled one adds to dw's panels: its `own` is the gradient. */
bool INK_SIMD_NAME(is_first)(const struct ink_conv *conv);
bool INK_SIMD_NAME(first_conv)(const struct ink_conv *conv, const float *x, const float *w,
                               const float *bias, bool is_relu, float *y);
bool INK_SIMD_NAME(first_pooled)(const struct ink_conv *conv, const struct ink_span *spans,
                                 const float *x, const float *w, const float *bias, bool is_relu,
                                 float *y, uint8_t *place);
bool INK_SIMD_NAME(first_weights)(const struct ink_conv *conv, const float *x, const float *dy,
                                  bool is_added, float *dw);
bool INK_SIMD_NAME(first_gated_weights)(const struct ink_conv *conv, const float *x, const float *y,
                                        const float *dy, float *dw, float *bias);
bool INK_SIMD_NAME(first_pooled_weights)(const struct ink_conv *conv, const float *x,
                                         const float *dy, const uint8_t *place, float *dw,
                                         float *bias);

void INK_SIMD_NAME(conv_pooled)(const struct ink_conv *conv, const float *x, const float *w,
                                const float *bias, bool is_relu, float *y, uint8_t *place);
void INK_SIMD_NAME(conv_pooled_spans)(const struct ink_conv *conv, const struct ink_span *spans,
                                      const float *x, const float *w, const float *bias,
                                      bool is_relu, float *y, uint8_t *place);
void INK_SIMD_NAME(pooled_weights)(const struct ink_conv *conv, const float *x, const float *dy,
                                   const uint8_t *place, float *own, float *bias);
void INK_SIMD_NAME(pooled_gather)(const struct ink_conv *conv, const float *own, float *dw);
void INK_SIMD_NAME(pooled_input)(const struct ink_conv *conv, const float *dy, const uint8_t *place,
                                 const float *w, float *dx);

#endif
