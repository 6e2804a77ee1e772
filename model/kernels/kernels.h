/* SPDX-License-Identifier: MIT */
#ifndef INK_MODEL_KERNELS_KERNELS_H
#define INK_MODEL_KERNELS_KERNELS_H

/*
 * kernels: the arithmetic of all layers, behind one table of functions.
 *
 * One table is the reference (plain loops, sums in double: the judge), the
 * others are one SIMD source compiled for several instruction sets; the best
 * that the processor has is chosen once, or INKLING_CPU=avx512bf16|avx512|avx2|
 * baseline|reference says which.
 *
 * Pictures are [H][W][C] here: channels last, so that a vector holds 16
 * channels of one pixel. Weights are in panels of 16 output channels,
 * [ceil(O/16)][KH][KW][I][16], the unused places zero; a dense layer's as those
 * of a 1x1 convolution.
 *
 * Kernels read up to INK_KERNEL_SLACK floats behind a picture's end (what they
 * read there is not used): leave that room behind every block.
 *
 * Threads  all functions are pure
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/arch.h"
#include "model/kernels/bf16.h"

enum { INK_PANEL = 16, INK_KERNEL_SLACK = 64, INK_KERNELS_MAX = 5 };

/* In the place of a pooled window's winner: a relu has cut it, no gradient goes through. */
enum { INK_POOLED_DEAD = 4 };

/* A convolution over one picture that has its padding already. */
struct ink_conv {
    int in_width; /* with padding, in pixels */
    int in_channels, out_channels;
    int kernel_height, kernel_width, stride;
    int out_height, out_width;
};

/* Numbers that are zero for all pictures are left out of dense layers, where these have so many
 * outputs: with fewer it takes longer to look for zeros than they save. */
enum { INK_DENSE_CUT_MIN = 256 };

/* A dense layer of some pictures at once, or some of its inputs. */
struct ink_dense {
    size_t pictures, inputs, outputs;
    size_t step; /* dense_weights: numbers from picture to picture of x */
};

/* Memory that is wanted next, a wish: kernels have it fetched while they compute. */
enum { INK_SOON_MAX = 8 };
struct ink_soon {
    size_t count;
    struct {
        const void *at;
        size_t size; /* bytes */
    } part[INK_SOON_MAX];
};

/* How a panel's gradient [inputs][16] is made of rows of one or two panels of which zeros were left
 * out: its row row[j] from their row j, and of that number lane[l] for output l. */
enum { INK_NO_LANE = 2 * INK_PANEL };
struct ink_unfold {
    size_t inputs, rows;
    const uint16_t *row; /* [rows], growing */
    const uint8_t *lane; /* [16], or INK_NO_LANE */
};

/* Columns from..to - 1 of a row. */
struct ink_span {
    int from, to;
};

/*
 * Tiles of 4x4 outputs of a 3x3 convolution of stride 1, which multiplies 36 numbers a tile and
 * channel in place of 144 (simd_winograd.c). A last row or column of tiles may reach over the edge.
 */
enum { INK_TILES_OUT = 4, INK_TILES_IN = 6, INK_TILES_NUMBERS = INK_TILES_IN * INK_TILES_IN };
#define INK_TILES_P 0.625F
#define INK_TILES_Q 1.5F

struct ink_tiles {
    int channels; /* a multiple of 16: the input's, or those of the outputs that are written */
    int height, width, pad; /* of the input, which lies there without its padding */
    int out_height, out_width;
    int first_row, last_row; /* rows of tiles first_row..last_row - 1 */
    size_t step;             /* floats from one of the 36 numbers to the next */
    ptrdiff_t y_pixel;       /* floats from one output pixel to the next */
    bool is_relu, is_pooled; /* the largest of each 2x2 outputs, of whole windows */
};

/* `count` products of matrices: y[rows][outs] = a[rows][ins] * b[panels][ins][16]. */
struct ink_products {
    size_t count, rows, ins, outs; /* outs: a multiple of 16 */
    size_t a_step, b_step, y_step; /* floats from one to the next */
};

/* A pool over one picture. */
struct ink_pool_form {
    int in_width, channels;
    int kernel_height, kernel_width, stride;
    int out_height, out_width;
};

/* Batch normalisation of one share: y = act((x - mean) * inverse * weight + bias), a channel, as
 * the line x * scale + shift. */
struct ink_norm {
    size_t channels;
    const float *mean, *inverse; /* backward only */
    const float *scale, *shift;
    bool is_relu;  /* y is clamped, and gradients pass where the line is above zero */
    bool is_added; /* backward: dx is what it was, and that */
};

/* A matrix turned around: to[c][r] = from[r][c], or added to it. */
struct ink_transpose {
    size_t rows, columns;      /* of `from` */
    size_t from_step, to_step; /* numbers from row to row */
    bool is_added;
};

/* A picture that is bent is read with two blank pixels around it. Random bends are splines through
 * knots that stand INK_KNOT_STEP pixels apart. */
enum {
    INK_WARP_MARGIN = 2,
    INK_WARP_SIDE = INK_PICTURE_SIDE + 2 * INK_WARP_MARGIN,
    INK_KNOT_COUNT = 7, /* along a side */
    INK_KNOT_STEP = 7,
    INK_KNOT_TAPS = 4, /* knots that a pixel is under */
};

/* Where in the source an output pixel (x, y) comes from: (x0 + xx * x + xy * y, y0 + ...). */
struct ink_warp {
    float xx, xy, yx, yy, x0, y0;
};

/* How optimizers step; `scale` is what the summed gradients are multiplied with. */
struct ink_step {
    float rate, scale, momentum, beta1, beta2, rho, epsilon;
    bool is_nesterov;               /* SGD: step where the velocity will be */
    float correction1, correction2; /* Adam: 1 / (1 - beta^t) */
    float decay;                    /* added to the gradient */
    float shrink;                   /* AdamW: rate * decay, applied to the weights themselves */
};

struct ink_kernels {
    const char *name;
    const struct ink_bf16 *bf16; /* NULL: this table computes in float only */

    /* y[OH][OW][O] = act(w * x + bias), or start + w * x. bias [panels][16] or NULL; relu: clamp.
     * start [OH][OW][O] may be y. */
    void (*conv)(const struct ink_conv *conv, const float *x, const float *w, const float *bias,
                 bool is_relu, float *y);
    void (*conv_add)(const struct ink_conv *conv, const float *x, const float *w,
                     const float *start, float *y);
    /* y = w * x, or y += w * x, where y's pixels are apart: floats from one to the next, and from
     * row to row. */
    void (*conv_apart)(const struct ink_conv *conv, const float *x, const float *w, bool is_added,
                       float *y, const size_t apart[static 2]);
    /* y[pictures][outputs] = act(w * x + bias), w [panels][inputs][16]. */
    void (*dense)(const struct ink_dense *form, const float *x, const float *w, const float *bias,
                  bool is_relu, float *y);
    /* dx[count][pictures, in panels] = the gradients of `count` inputs, w pointing at the first;
     * dy [panels of pictures][outputs, in panels][16], zero where there are none.
     * x [pictures][inputs], pointing at the first, or NULL: where a picture has zero its gradient
     * may be zero too, whatever it is. */
    void (*dense_back)(const struct ink_dense *form, size_t count, const float *w, const float *dy,
                       const float *x, float *dx);
    /* dw[panels][inputs][16] = the gradient from x[pictures][inputs] and
     * dy[pictures][outputs, in panels], zero where there are none. */
    void (*dense_weights)(const struct ink_dense *form, const float *x, const float *dy,
                          const struct ink_soon *soon, float *dw);
    /* has[count] |= the bits of x[rows][count], whose rows are `step` apart: zero where all are. */
    void (*find_some)(size_t rows, size_t count, size_t step, const float *x, uint32_t *has);
    /* dw[inputs][16], zero where there is nothing, from one or two panels [rows][16]. */
    void (*unfold)(const struct ink_unfold *form, const float *from, float *dw);
    /* A dense layer of one picture, as conv: the weights of inputs that are zero are not read. */
    void (*dense_one)(const struct ink_conv *conv, const float *x, const float *w,
                      const float *bias, bool is_relu, float *y);
    /* One picture's tiles, row by row: v[36][tiles][channels], from x [H][W][C]; y from
     * m[36][tiles][channels], what v's numbers were multiplied to; bias [channels] or NULL; or as
     * conv_add has it, start not being NULL; or as conv_pooled, with place or NULL.
     * NULL in a table that always computes as conv does. */
    void (*tiles_in)(const struct ink_tiles *tiles, const float *x, float *v);
    void (*tiles_out)(const struct ink_tiles *tiles, const float *m, const float *bias,
                      const float *start, float *y, uint8_t *place);
    /* u[36], `step` floats apart, from w[9][count]: what v's numbers are to be multiplied with. */
    void (*tiles_weights)(size_t count, const float *w, float *u, size_t step);
    void (*products)(const struct ink_products *form, const float *a, const float *b, float *y);
    /* dw[panels][KH][KW][I][16] (+)= the gradient from one picture. */
    void (*conv_weights)(const struct ink_conv *conv, const float *x, const float *dy,
                         bool is_added, float *dw);
    /* gate and conv_weights in one: dw += and bias += the gradients of y = relu(conv + bias).
     * Whether dy has been through the relu afterwards is left open. */
    void (*gated_weights)(const struct ink_conv *conv, const float *x, const float *y, float *dy,
                          float *dw, float *bias);

    /*
     * A convolution of stride 1 and the largest of each 2x2 of its outputs, [OH / 2][OW / 2][O]
     * with place as maxpool has it; with a relu INK_POOLED_DEAD where y is not above zero. A last
     * odd row or column belongs to no window. place may be NULL.
     */
    void (*conv_pooled)(const struct ink_conv *conv, const float *x, const float *w,
                        const float *bias, bool is_relu, float *y, uint8_t *place);
    /* The same for some of each row's windows, spans [OH / 2]; others may be left as they are. */
    void (*conv_pooled_spans)(const struct ink_conv *conv, const struct ink_span *spans,
                              const float *x, const float *w, const float *bias, bool is_relu,
                              float *y, uint8_t *place);
    /* Backward, from one picture's dy and places: own [ink_pooled_size] += the weights' gradient as
     * the table likes to sum it (start with zeros), which gather turns into dw's panels;
     * bias [channels] += that of the biases, or NULL. */
    void (*pooled_weights)(const struct ink_conv *conv, const float *x, const float *dy,
                           const uint8_t *place, float *own, float *bias);
    void (*pooled_gather)(const struct ink_conv *conv, const float *own, float *dw);
    /* dx += the input's gradient, with its padding; w [panels of I][O][KH][KW][16 of I]. */
    void (*pooled_input)(const struct ink_conv *conv, const float *dy, const uint8_t *place,
                         const float *w, float *dx);
    /* out[channels] += the sum of x[pixels][channels] over its pixels. */
    void (*sum_pixels)(size_t pixels, size_t channels, const float *x, float *out);

    /* sums[columns] += a * b of each of `rows` rows, `step` floats apart; room for whole panels of
     * sums. */
    void (*row_products)(size_t rows, size_t columns, size_t step, const float *a, const float *b,
                         double *sums);

    /* x = row / 255, rounded as it should be: the same in all tables. */
    void (*pixels)(size_t count, const uint8_t *row, float *x);
    /* pixels[28][28] = source[32][32] at warp(p) + field(p), between pixels in straight lines.
     * field [2][28][32]: x, then y; or NULL. */
    void (*warp)(const struct ink_warp *warp, const float *source, const float *field,
                 float *pixels);
    /* field[28][32] = the cubic B-spline through knots[7][7], rows of knots downwards. */
    void (*spread)(const float *knots, float *field);
    /* Move every edge outwards by `reach` pixels, 0..1: the largest value on a circle of that
     * radius, at 8 of its points, read off between pixels. */
    void (*thicken)(float reach, float *pixels);
    /* Back through a relu, and the bias before it: dy = y > 0 ? dy : 0, out[channels] += its sum.
     */
    void (*gate)(size_t pixels, size_t channels, const float *y, float *dy, float *out);

    /* relu, leakyrelu, sigmoid, tanh; y may be x. Backward: dx = dy * f'(from y); dx may be dy. */
    void (*activate)(enum ink_op op, float slope, size_t count, const float *x, float *y);
    void (*activate_backward)(enum ink_op op, float slope, size_t count, const float *y,
                              const float *dy, float *dx);
    /* y += x */
    void (*add)(size_t count, const float *x, float *y);
    void (*transpose)(const struct ink_transpose *form, const float *from, float *to);
    /* The sum of all squares. */
    double (*squares)(size_t count, const float *x);

    /* place: the winner's number in its window, row by row. Backward adds to dx. */
    void (*maxpool)(const struct ink_pool_form *form, const float *x, float *y, uint8_t *place);
    void (*maxpool_backward)(const struct ink_pool_form *form, const float *dy,
                             const uint8_t *place, float *dx);
    void (*avgpool)(const struct ink_pool_form *form, const float *x, float *y);
    void (*avgpool_backward)(const struct ink_pool_form *form, const float *dy, float *dx);

    /* Batch normalisation: mean and sum of squared distances from it over pixels, a channel. */
    void (*moments)(size_t pixels, size_t channels, const float *x, float *mean, float *squares);
    /* y = act(x * scale + shift); y may be x. */
    void (*norm)(const struct ink_norm *norm, size_t pixels, const float *x, float *y);
    /* sums [2][channels]: += dy, += dy * (x - mean) * inverse, of the dy that pass. */
    void (*norm_sums)(const struct ink_norm *norm, size_t pixels, const float *x, const float *dy,
                      float *sums);
    /* dx = dy * a + x * b + c of the dy that pass; abc [3][channels]; dx may be dy. */
    void (*norm_backward)(const struct ink_norm *norm, size_t pixels, const float *x,
                          const float *dy, const float *abc, float *dx);
    /* out[i] = what ink_rng_splitmix gives the i-th time, from that state on. */
    void (*random)(size_t count, uint64_t state, uint64_t *out);
    /* kept[i] = the i-th 16 bits of bits, from the low ones on, are not below limit. */
    void (*keep)(size_t count, const uint64_t *bits, uint32_t limit, uint8_t *kept);
    /* y = kept ? x * scale : 0; y may be x. */
    void (*drop)(size_t count, const uint8_t *kept, float scale, const float *x, float *y);

    /* One optimizer step over count numbers. */
    void (*sgd)(const struct ink_step *step, size_t count, const float *gradient, float *velocity,
                float *weights);
    void (*adam)(const struct ink_step *step, size_t count, const float *gradient, float *mean,
                 float *square, float *weights);
    /* moved, square: running means of squared steps and gradients. */
    void (*adadelta)(const struct ink_step *step, size_t count, const float *gradient, float *moved,
                     float *square, float *weights);
    /* average += (1 - decay) * (weights - average) */
    void (*average)(size_t count, float decay, const float *weights, float *average);
};

static inline int
ink_tiles_across(const struct ink_tiles *tiles)
{
    return (tiles->out_width + INK_TILES_OUT - 1) / INK_TILES_OUT;
}

/* Floats of a pooled convolution's `own`: a row of the window, rounded up, is one line of it. */
size_t ink_pooled_size(const struct ink_conv *conv);

/* The table in use, chosen at the first call. Threads: any. */
const struct ink_kernels *ink_kernels(void);

/* Compute with a table of one's own from now on, such as one that counts. Threads: while nothing
 * else computes; the table stays. */
void ink_kernels_use(const struct ink_kernels *kernels);

/* All tables that this processor can run, best first; the reference is the last. */
size_t ink_kernels_list(const struct ink_kernels *out_tables[static INK_KERNELS_MAX]);

#endif
