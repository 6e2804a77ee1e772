/* SPDX-License-Identifier: MIT */
/*
 * bf16: rounding by hand; every table that knows bf16 against the reference, on odd shapes; and
 * the reference against the float kernels, from which rounding alone may part it.
 */

#include "tests/unit/ink_test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "model/kernels/kernels.h"
#include "model/net_bf16.h"

/* Of a sum, a part: sums in float differ by that; rounding one number of two to 8 bits by this. */
static const double tolerance = 2e-6, rounding = 1.0 / 256;

static struct ink_rng rng;

static float *
noise(size_t count)
{
    float *block = ink_floats(count);

    assert_non_null(block);
    for (size_t i = 0; i < count; i++)
        block[i] = ink_rng_between(&rng, -1, 1);
    return block;
}

static uint16_t *
halves(size_t count)
{
    return (uint16_t *)noise((count + 1) / 2 + INK_KERNEL_SLACK);
}

static const struct ink_bf16 *
the_reference(void)
{
    const struct ink_kernels *all[INK_KERNELS_MAX];

    return all[ink_kernels_list(all) - 1]->bf16;
}

static void
assert_near(const char *what, const float *got, const float *want, size_t count, double allowed)
{
    for (size_t i = 0; i < count; i++)
        if (!(fabs((double)got[i] - (double)want[i]) <= allowed))
            fail_msg("%s: number %zu of %zu is %g, expected %g", what, i, count, (double)got[i],
                     (double)want[i]);
}

/* What `check` says of each table with bf16, the reference too. */
static void
each_table(void (*check)(const struct ink_bf16 *bf16))
{
    const struct ink_kernels *all[INK_KERNELS_MAX];
    size_t count = ink_kernels_list(all);

    for (size_t i = 0; i < count; i++)
        if (all[i]->bf16) {
            print_message("  %s\n", all[i]->name);
            check(all[i]->bf16);
        }
}

/* ---- rounding ---- */

static void
check_rounding(const struct ink_bf16 *bf16)
{
    static const struct {
        uint32_t bits;
        uint16_t want;
    } table[] = {
        {0x00000000, 0x0000}, {0x80000000, 0x8000},                       /* zeros */
        {0x3f800000, 0x3f80}, {0x3f807fff, 0x3f80}, {0x3f808001, 0x3f81}, /* about 1 */
        {0x3f808000, 0x3f80}, {0x3f818000, 0x3f82}, {0xbf818000, 0xbf82}, /* ties, to even */
        {0x3fffffff, 0x4000}, {0x00800000, 0x0080},                       /* carried; the least */
        {0x007fffff, 0x0000}, {0x80000001, 0x8000},                       /* below that */
        {0x7f7fffff, 0x7f80}, {0x7f7f7fff, 0x7f7f},                       /* too large, and not */
        {0x7f800000, 0x7f80}, {0xff800000, 0xff80},                       /* infinities */
        {0x7f800001, 0x7fc0}, {0xffc12345, 0xffc1},                       /* no numbers */
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        uint16_t got;
        float x;

        memcpy(&x, &table[i].bits, sizeof(x));
        bf16->round(1, &x, &got);
        if (got != table[i].want)
            fail_msg("bf16 of %08x is %04x, expected %04x", (unsigned)table[i].bits, (unsigned)got,
                     (unsigned)table[i].want);
    }
}

static void
rounding_is_to_nearest_even(void **state)
{
    (void)state;
    each_table(check_rounding);
    assert_true(ink_bf16_value(0x3f81) == 1.0078125F);
    assert_true(ink_bf16_value(0xc000) == -2);
}

/* Any bits, any lengths: exactly the reference's, and nothing written behind the end. */
static void
check_copies(const struct ink_bf16 *bf16)
{
    const struct ink_bf16 *reference = the_reference();
    static const size_t counts[] = {1, 2, 15, 16, 17, 33, 100};

    for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++)
        for (size_t rows = 1; rows < 6; rows++) {
            size_t count = counts[i], size = rows * count, pairs = (rows + 1) / 2 * count * 2;
            float *x = noise(size);
            uint16_t *got = halves(2 * size + 16), *want = halves(2 * size + 16);

            for (size_t j = 0; rows == 1 && j < size; j++) {
                uint32_t bits = (uint32_t)ink_rng_next(&rng);

                memcpy(&x[j], &bits, sizeof(bits));
            }
            memcpy(got, want, (2 * size + 16) * sizeof(*got));
            reference->round(size, x, want);
            bf16->round(size, x, got);
            assert_memory_equal(got, want, (size + 16) * sizeof(*got));
            reference->pair_rows(rows, count, x, want);
            bf16->pair_rows(rows, count, x, got);
            assert_memory_equal(got, want, (pairs + 16) * sizeof(*got));
            free(x);
            free(got);
            free(want);
        }
}

/* Two pictures as pairs, plain or through lines of their own, and by panels; or one and zeros. */
static void
check_pairs(const struct ink_bf16 *bf16)
{
    static const size_t shapes[][2] = {{1, 1}, {3, 5}, {7, 16}, {28, 17}, {5, 64}, {2, 130}};

    for (size_t i = 0; i < 4 * sizeof(shapes) / sizeof(*shapes); i++) {
        size_t pixels = shapes[i / 4][0], channels = shapes[i / 4][1], step = channels + i % 3;
        size_t most = pixels * 2 * (channels + 40), size = pixels * (channels + 2);
        float *x = noise(size), *second = noise(size), *line = noise(4 * channels);
        uint16_t *got = halves(most), *want = halves(most), *a = halves(size), *b = halves(size);
        struct ink_norm norms[2] = {{.channels = channels}, {.channels = channels}};
        const struct ink_zip form = {pixels, channels, step, 2 * INK_PANEL * pixels + i % 2 * 32};

        for (size_t j = 0; j < 2 && i % 2; j++) {
            norms[j].scale = line + 2 * j * channels;
            norms[j].shift = line + (2 * j + 1) * channels;
            norms[j].is_relu = j > 0;
        }
        memcpy(got, want, most * sizeof(*got));
        the_reference()->pair(norms, pixels, x, i % 4 < 2 ? second : NULL, want);
        bf16->pair(norms, pixels, x, i % 4 < 2 ? second : NULL, got);
        assert_memory_equal(got, want, most * sizeof(*got));
        the_reference()->zip_panels(&form, a, i % 4 < 2 ? b : NULL, want);
        bf16->zip_panels(&form, a, i % 4 < 2 ? b : NULL, got);
        assert_memory_equal(got, want, most * sizeof(*got));
        free(x);
        free(second);
        free(line);
        free(got);
        free(want);
        free(a);
        free(b);
    }
}

/* A batch norm's lines: what the same table's float kernels give, rounded. */
static void
check_norm(const struct ink_kernels *kernels)
{
    static const size_t shapes[][2] = {{1, 1}, {3, 5}, {7, 16}, {28, 17}, {5, 64}, {2, 130}};

    for (size_t i = 0; i < 2 * sizeof(shapes) / sizeof(*shapes); i++) {
        size_t pixels = shapes[i / 2][0], channels = shapes[i / 2][1], size = pixels * channels;
        float *x = noise(size), *dy = noise(size), *line = noise(5 * channels), *y = noise(size);
        uint16_t *got = halves(size + 16), *want = halves(size + 16);
        const struct ink_norm norm = {
            .channels = channels, .scale = line, .shift = line + channels, .is_relu = i % 2};

        memcpy(got, want, (size + 16) * sizeof(*got));
        kernels->norm(&norm, pixels, x, y);
        kernels->bf16->round(size, y, want);
        kernels->bf16->norm(&norm, pixels, x, got);
        assert_memory_equal(got, want, (size + 16) * sizeof(*got));
        kernels->norm_backward(&norm, pixels, x, dy, line + 2 * channels, y);
        kernels->bf16->round(size, y, want);
        kernels->bf16->norm_backward(&norm, pixels, x, dy, line + 2 * channels, got);
        assert_memory_equal(got, want, (size + 16) * sizeof(*got));
        free(x);
        free(dy);
        free(line);
        free(y);
        free(got);
        free(want);
    }
}

static void
check_turn(const struct ink_bf16 *bf16)
{
    for (size_t count = 1; count <= INK_PANEL; count++) {
        float *w = noise((size_t)INK_PANEL * INK_PANEL);
        uint16_t *got = halves(272), *want = halves(272);

        memcpy(got, want, 272 * sizeof(*got));
        the_reference()->turn(count, w, want);
        bf16->turn(count, w, got);
        assert_memory_equal(got, want, 272 * sizeof(*got));
        free(w);
        free(got);
        free(want);
    }
}

static void
copies_are_the_references(void **state)
{
    (void)state;
    each_table(check_copies);
    each_table(check_pairs);
    each_table(check_turn);
}

static void
norms_are_the_floats_rounded(void **state)
{
    const struct ink_kernels *all[INK_KERNELS_MAX];
    size_t count = ink_kernels_list(all);

    (void)state;
    for (size_t i = 0; i < count; i++)
        if (all[i]->bf16)
            check_norm(all[i]);
}

/* ---- convolutions ---- */

/* in_width, in, out, kernel height, width, stride, out height, width */
static const struct ink_conv convs[] = {
    {28, 1, 32, 3, 3, 1, 26, 26},  {9, 3, 5, 3, 3, 1, 7, 7},    {11, 17, 33, 2, 4, 1, 4, 8},
    {12, 4, 16, 3, 3, 2, 5, 5},    {30, 2, 8, 3, 3, 2, 14, 14}, {1, 600, 19, 1, 1, 1, 1, 1},
    {1, 2301, 250, 1, 1, 1, 1, 1}, {1, 33, 5, 1, 1, 1, 1, 1},   {9, 1100, 10, 1, 1, 1, 1, 9},
    {5, 1101, 64, 1, 1, 1, 1, 5},  {15, 5, 1, 5, 5, 3, 4, 4},   {16, 16, 48, 1, 1, 1, 16, 16},
    {19, 7, 20, 1, 3, 1, 3, 17},   {6, 6, 31, 6, 6, 1, 1, 1},   {40, 2, 16, 1, 1, 3, 5, 13},
    {16, 32, 32, 3, 3, 1, 2, 14},  {17, 6, 9, 3, 3, 1, 3, 15},  {18, 2, 48, 2, 3, 1, 3, 16},
};

enum { PICTURES = 5 };

/* One convolution's numbers: as floats, and as the bf16 kernels want them. x and dy of PICTURES. */
struct numbers {
    size_t in, out, window, outs, weights, pixels;
    float *x, *w, *bias, *y, *dw, *dy;
    uint16_t *x16, *w16;
    struct ink_pairs pairs;
};

/* The first pictures as pairs; of the last pair one is there if that makes PICTURES. */
static void
numbers_pair(struct numbers *n, size_t count)
{
    const struct ink_bf16 *reference = the_reference();
    size_t panels = (n->outs + 15) / 16, panel_step = count * n->pixels * 32;
    uint16_t *x = halves(2 * count * n->in), *dy = halves(panels * panel_step);
    const struct ink_zip form = {n->pixels, n->outs, n->outs, panel_step};
    const struct ink_norm plain[2] = {{.channels = 1}};

    for (size_t i = 0; i < count; i++) {
        const float *from = n->x + 2 * i * n->in;
        uint16_t *rounded = halves(2 * n->out);
        bool has_second = 2 * i + 1 < PICTURES;

        reference->pair(plain, n->in, from, has_second ? from + n->in : NULL, x + 2 * i * n->in);
        reference->round((has_second ? 2 : 1) * n->out, n->dy + 2 * i * n->out, rounded);
        reference->zip_panels(&form, rounded, has_second ? rounded + n->out : NULL,
                              dy + i * n->pixels * 32);
        free(rounded);
    }
    free((void *)n->pairs.x);
    free((void *)n->pairs.dy);
    n->pairs = (struct ink_pairs){count, x, dy, 2 * n->in};
}

static void
numbers_init(struct numbers *n, const struct ink_conv *conv)
{
    const struct ink_bf16 *reference = the_reference();
    size_t run = (size_t)(conv->kernel_width * conv->in_channels), pairs = (run + 1) / 2;
    size_t panels = ((size_t)conv->out_channels + 15) / 16;

    n->in = (size_t)((conv->out_height - 1) * conv->stride + conv->kernel_height) *
            (size_t)conv->in_width * (size_t)conv->in_channels;
    n->outs = (size_t)conv->out_channels;
    n->window = (size_t)conv->kernel_height * run;
    n->weights = panels * 16 * n->window;
    n->pixels = (size_t)(conv->out_height * conv->out_width);
    n->out = n->pixels * n->outs;
    n->x = noise(PICTURES * n->in);
    for (size_t i = 0; n->pixels == 1 && i < n->in; i++) /* zeros, as a relu leaves them */
        n->x[i] = fmaxf(n->x[i], 0);
    n->w = noise(n->weights);
    n->bias = noise(panels * 16);
    n->y = noise(n->out + 16);
    n->dw = noise(n->weights);
    n->x16 = halves(n->in);
    n->w16 = halves(panels * (size_t)conv->kernel_height * pairs * 32);
    n->dy = noise(PICTURES * n->out);
    n->pairs = (struct ink_pairs){0};
    for (size_t i = 0; i < n->weights; i++) /* unused channels of the last panel are zero */
        if (i / (n->window * 16) * 16 + i % 16 >= n->outs)
            n->w[i] = n->dw[i] = 0;
    reference->round(n->in, n->x, n->x16);
    for (size_t i = 0; i < panels * (size_t)conv->kernel_height; i++)
        reference->pair_rows(run, 16, n->w + i * run * 16, n->w16 + i * pairs * 32);
    numbers_pair(n, (PICTURES + 1) / 2);
}

static void
numbers_fini(struct numbers *n)
{
    void *all[] = {n->x,    n->w,
                   n->bias, n->y,
                   n->dw,   n->x16,
                   n->w16,  (void *)n->pairs.x,
                   n->dy,   (void *)n->pairs.dy};

    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
        free(all[i]);
}

static float *
copy_of(const float *from, size_t count)
{
    float *block = ink_floats(count);

    assert_non_null(block);
    memcpy(block, from, count * sizeof(*block));
    return block;
}

static void
check_conv(const struct ink_bf16 *bf16, const struct ink_conv *conv)
{
    const struct ink_bf16 *reference = the_reference();
    struct numbers n;
    float *want, *start, *dw_want;

    numbers_init(&n, conv);
    want = copy_of(n.y, n.out + 16);
    start = noise(n.out + 16);
    dw_want = copy_of(n.dw, n.weights);
    for (int form = 0; form < 4; form++) { /* plain; bias and relu; added; added and relu */
        bool is_relu = form % 2, is_added = form / 2;

        reference->conv(conv, n.x16, n.w16, form == 1 ? n.bias : NULL, is_relu,
                        is_added ? want : NULL, want);
        bf16->conv(conv, n.x16, n.w16, form == 1 ? n.bias : NULL, is_relu, is_added ? n.y : NULL,
                   n.y);
        assert_near("conv", n.y, want, n.out + 16, (double)n.window * tolerance);
    }
    reference->conv(conv, n.x16, n.w16, NULL, false, start, want); /* added to others */
    bf16->conv(conv, n.x16, n.w16, NULL, false, start, n.y);
    assert_near("conv", n.y, want, n.out + 16, (double)n.window * tolerance);
    for (int added = 1; added >= 0; added--) {
        size_t apart[2] = {n.outs + 3, (n.outs + 3) * (size_t)conv->out_width + 5};
        size_t size = apart[1] * (size_t)conv->out_height + 16;
        float *far_want = noise(size), *far_got = copy_of(far_want, size);

        reference->conv_apart(conv, n.x16, n.w16, added, far_want, apart);
        bf16->conv_apart(conv, n.x16, n.w16, added, far_got, apart);
        assert_near("conv_apart", far_got, far_want, size, (double)n.window * tolerance);
        free(far_want);
        free(far_got);
    }
    for (int pairs = (PICTURES + 1) / 2; pairs > 0; pairs--) { /* all, added to them, anew */
        numbers_pair(&n, (size_t)pairs);
        reference->conv_weights(conv, &n.pairs, pairs == 2, dw_want);
        bf16->conv_weights(conv, &n.pairs, pairs == 2, n.dw);
        assert_near("conv_weights", n.dw, dw_want, n.weights,
                    PICTURES * (double)n.pixels * tolerance);
    }
    numbers_fini(&n);
    free(want);
    free(start);
    free(dw_want);
}

/* With whole numbers up to 8 every sum is exact, so that the same one wins. */
static void
check_pooled(const struct ink_bf16 *bf16, const struct ink_conv *conv)
{
    struct ink_span spans[64];
    const struct ink_bf16 *reference = the_reference();
    struct numbers n;
    size_t windows = (size_t)(conv->out_height / 2) * (size_t)(conv->out_width / 2), out;
    size_t run = (size_t)(conv->kernel_width * conv->in_channels), rows;
    uint8_t *place, *place_want;
    float *want;

    numbers_init(&n, conv);
    assert_true(conv->out_height / 2 <= (int)(sizeof(spans) / sizeof(*spans)));
    rows = n.weights / 16 / run;
    out = windows * n.outs;
    want = copy_of(n.y, out + 16);
    place = calloc(2, out + 16);
    assert_non_null(place);
    place_want = place + out + 16;
    for (size_t i = 0; i < n.in; i++)
        n.x[i] = roundf(n.x[i] * 8);
    for (size_t i = 0; i < n.in; i++) { /* much of it like the others, as a digit's ground is */
        size_t pixel = i / (size_t)conv->in_channels, column = pixel % (size_t)conv->in_width;

        if (column * 3 < (size_t)conv->in_width * 2 && pixel % 47 != 13)
            n.x[i] = (float)(i % (size_t)conv->in_channels % 5);
    }
    for (size_t i = 0; i < n.weights; i++)
        n.w[i] = roundf(n.w[i] * 8);
    for (size_t i = 0; i < n.outs; i++)
        n.bias[i] = roundf(n.bias[i] * 8);
    reference->round(n.in, n.x, n.x16);
    for (size_t i = 0; i < rows; i++)
        reference->pair_rows(run, 16, n.w + i * run * 16, n.w16 + i * ((run + 1) / 2) * 32);
    for (int form = 0; form < 4; form++) {
        bool is_relu = form % 2;
        const float *bias = form / 2 ? n.bias : NULL;

        reference->conv_pooled(conv, n.x16, n.w16, bias, is_relu, want, place_want);
        bf16->conv_pooled(conv, n.x16, n.w16, bias, is_relu, n.y, place);
        assert_near("conv_pooled", n.y, want, out + 16, (double)n.window * 64 * tolerance);
        assert_memory_equal(place, place_want, out + 16);
        memset(n.y, 0, out * sizeof(*n.y));
        bf16->conv_pooled(conv, n.x16, n.w16, bias, is_relu, n.y, NULL);
        assert_near("conv_pooled", n.y, want, out + 16, (double)n.window * 64 * tolerance);
        memset(n.y, 0, out * sizeof(*n.y));
        memset(want, 0, out * sizeof(*want));
        for (int i = 0; i < conv->out_height / 2; i++)
            spans[i] = (struct ink_span){i % 2, conv->out_width / 2 - i % 3 / 2};
        reference->conv_pooled_spans(conv, spans, n.x16, n.w16, bias, is_relu, want, place_want);
        bf16->conv_pooled_spans(conv, spans, n.x16, n.w16, bias, is_relu, n.y, place);
        assert_near("conv_pooled_spans", n.y, want, out + 16, (double)n.window * 64 * tolerance);
        assert_memory_equal(place, place_want, out + 16);
    }
    numbers_fini(&n);
    free(want);
    free(place);
}

static void
check_convs(const struct ink_bf16 *bf16)
{
    static const struct ink_conv pooled[] = {
        {26, 32, 64, 3, 3, 1, 24, 24}, {28, 1, 32, 3, 3, 1, 26, 26}, {12, 3, 5, 5, 3, 1, 8, 10},
        {9, 17, 40, 2, 3, 1, 5, 7},    {3, 2, 100, 2, 2, 1, 2, 2},   {20, 5, 16, 1, 3, 1, 3, 18},
        {31, 40, 33, 3, 4, 1, 9, 28},  {70, 9, 16, 3, 3, 1, 4, 68},  {64, 8, 5, 2, 2, 1, 6, 63},
    };

    for (size_t i = 0; i < sizeof(pooled) / sizeof(*pooled); i++)
        check_pooled(bf16, &pooled[i]);
    for (size_t i = 0; i < sizeof(convs) / sizeof(*convs); i++)
        check_conv(bf16, &convs[i]);
}

static void
convolutions_agree(void **state)
{
    (void)state;
    each_table(check_convs);
}

/* ---- one picture ---- */

/* Inputs of which many are zero, some so small that they are rounded to it; outputs of one row, of
 * several, and of a last one that is not full. */
static void
check_dense_one(const struct ink_bf16 *bf16)
{
    static const size_t inputs[] = {1, 2, 33, 2049, 4500}, outputs[] = {1, 32, 70, 256, 500};
    const struct ink_bf16 *reference = the_reference();

    for (size_t i = 0; i < 25; i++) {
        const struct ink_dense form = {1, inputs[i / 5], outputs[i % 5], 0};
        size_t size = (form.outputs + 31) / 32 * 32 * form.inputs;
        float *x = noise(form.inputs), *bias = noise(form.outputs), want[500], got[500];
        uint16_t *w = halves(size);

        for (size_t in = 0; in < form.inputs; in++) {
            x[in] = ink_rng_below(&rng, 3) > 0 ? x[in] * (in % 7 ? 1 : 1e-39F) : 0;
            for (size_t out = 0; out < form.outputs; out++)
                w[ink_bf16_row_at(form.inputs, form.outputs, out, in)] =
                    ink_bf16_of(ink_rng_between(&rng, -1, 1));
        }
        for (int way = 0; way < 4; way++) {
            reference->dense_one(&form, x, w, way % 2 ? bias : NULL, way / 2, want);
            bf16->dense_one(&form, x, w, way % 2 ? bias : NULL, way / 2, got);
            assert_near("dense_one", got, want, form.outputs, (double)form.inputs * tolerance);
        }
        free(x);
        free(bias);
        free(w);
    }
}

static void
one_picture_agrees(void **state)
{
    (void)state;
    each_table(check_dense_one);
}

/* Every weight has a place of its own, within the size. */
static void
rows_hold_all_weights(void **state)
{
    static const size_t outputs[] = {1, 31, 33, 64, 96, 257, 1000};
    enum { INPUTS = 3 };

    (void)state;
    for (size_t i = 0; i < sizeof(outputs) / sizeof(*outputs); i++) {
        size_t size = (outputs[i] + 31) / 32 * 32 * INPUTS;
        const struct ink_conv conv = {.in_channels = INPUTS, .out_channels = (int)outputs[i]};
        uint16_t *taken = calloc(size, sizeof(*taken));

        assert_non_null(taken);
        assert_int_equal(2 * ink_bf16_rows_size(&conv), size);
        for (size_t out = 0; out < outputs[i]; out++)
            for (size_t in = 0; in < INPUTS; in++) {
                size_t at = ink_bf16_row_at(INPUTS, outputs[i], out, in);

                assert_true(at < size && taken[at] == 0);
                taken[at] = 1;
            }
        free(taken);
    }
}

/* The layouts mean what the header says: the float kernels find the same but for rounding, and
 * pooling is the largest of four. */
static void
floats_agree(void **state)
{
    const struct ink_kernels *all[INK_KERNELS_MAX], *reference;

    (void)state;
    reference = all[ink_kernels_list(all) - 1];
    for (size_t i = 0; i < sizeof(convs) / sizeof(*convs); i++) {
        struct numbers n;
        float *y, *dw;

        numbers_init(&n, &convs[i]);
        y = copy_of(n.y, n.out);
        dw = copy_of(n.dw, n.weights);
        for (size_t j = 0; j < PICTURES; j++)
            reference->conv_weights(&convs[i], n.x + j * n.in, n.dy + j * n.out, j > 0, n.dw);
        reference->bf16->conv_weights(&convs[i], &n.pairs, false, dw);
        assert_near("conv_weights", dw, n.dw, n.weights,
                    (2 + sqrt(PICTURES * (double)n.pixels)) * rounding);
        reference->conv(&convs[i], n.x, n.w, n.bias, true, n.y);
        reference->bf16->conv(&convs[i], n.x16, n.w16, n.bias, true, NULL, y);
        assert_near("conv", y, n.y, n.out, (2 + sqrt((double)n.window)) * rounding);
        if (convs[i].stride == 1 && convs[i].out_height > 1 && convs[i].out_width > 1) {
            size_t windows = (size_t)(convs[i].out_height / 2 * (convs[i].out_width / 2));

            reference->conv_pooled(&convs[i], n.x, n.w, n.bias, true, n.y, NULL);
            reference->bf16->conv_pooled(&convs[i], n.x16, n.w16, n.bias, true, y, NULL);
            assert_near("conv_pooled", y, n.y, windows * n.outs,
                        (2 + sqrt((double)n.window)) * rounding);
        }
        numbers_fini(&n);
        free(y);
        free(dw);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rounding_is_to_nearest_even),
        cmocka_unit_test(copies_are_the_references),
        cmocka_unit_test(norms_are_the_floats_rounded),
        cmocka_unit_test(convolutions_agree),
        cmocka_unit_test(one_picture_agrees),
        cmocka_unit_test(rows_hold_all_weights),
        cmocka_unit_test(floats_agree),
    };

    ink_rng_init(&rng, 16, 0);
    return cmocka_run_group_tests_name("bf16", tests, NULL, NULL);
}
