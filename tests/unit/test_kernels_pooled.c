/* SPDX-License-Identifier: MIT */
/* kernels: a convolution and its pool in one, both ways, against the two apart. */
#include "tests/unit/kernels_fixture.h"

/* Small whole numbers: sums are exact in any order, so that equal outputs tie as in the reference.
 */
static float *
whole_numbers(size_t count, int most)
{
    float *block = ink_floats(count);

    assert_non_null(block);
    for (size_t i = 0; i < count; i++)
        block[i] = (float)((int)ink_rng_below(&rng, 2 * (uint32_t)most + 1) - most);
    return block;
}

static const struct ink_conv pooled_convs[] = {
    {28, 1, 32, 3, 3, 1, 26, 26}, {26, 32, 64, 3, 3, 1, 24, 24}, {28, 1, 16, 5, 5, 1, 24, 24},
    {9, 3, 5, 3, 3, 1, 7, 7},     {11, 17, 33, 2, 4, 1, 4, 8},   {12, 16, 48, 3, 3, 1, 10, 10},
    {9, 20, 70, 1, 1, 1, 9, 9},   {8, 5, 130, 5, 5, 1, 4, 4},    {19, 7, 20, 1, 3, 1, 3, 17},
    {5, 40, 17, 3, 3, 1, 3, 3},   {2, 1, 1, 1, 1, 1, 2, 2},      {14, 2, 9, 11, 11, 1, 4, 4},
    {136, 1, 3, 1, 2, 1, 2, 135}, {16, 33, 80, 3, 3, 1, 14, 14}, {9, 1, 48, 3, 3, 1, 7, 7},
    {5, 1, 32, 3, 3, 1, 3, 3},    {12, 1, 16, 3, 3, 1, 8, 10},   {61, 1, 48, 3, 3, 1, 63, 59},
    {64, 1, 16, 5, 5, 1, 31, 60}, {65, 1, 32, 3, 3, 1, 2, 63},
};

/* A pooled convolution's numbers; dy has the zeros that dropout and a later relu leave. */
struct pooled_case {
    const struct ink_conv *conv;
    size_t in, out, weights, own;
    float *x, *w, *turned, *bias, *dy;
    float *want, *got;
    uint8_t *place_want, *place_got;
};

static void
pooled_case_init(struct pooled_case *c, const struct ink_conv *conv)
{
    size_t panels = ((size_t)conv->out_channels + 15) / 16 * 16;
    size_t in_panels = ((size_t)conv->in_channels + 15) / 16 * 16;
    size_t window = (size_t)(conv->kernel_height * conv->kernel_width);
    size_t row = (size_t)conv->in_width * (size_t)conv->in_channels;

    *c = (struct pooled_case){.conv = conv};
    c->in = (size_t)(conv->out_height - 1 + conv->kernel_height) * row;
    c->out =
        (size_t)(conv->out_height / 2) * (size_t)(conv->out_width / 2) * (size_t)conv->out_channels;
    c->weights = window * (size_t)conv->in_channels * panels;
    c->own = ink_pooled_size(conv);
    assert_true(c->own >= c->weights);
    c->x = whole_numbers(c->in, 3);
    c->w = whole_numbers(c->weights, 2);
    c->bias = whole_numbers(panels, 4);
    c->dy = whole_numbers(c->out, 2);
    c->turned = whole_numbers(in_panels * window * (size_t)conv->out_channels, 2);
    for (size_t i = 0; i < c->weights; i++) /* unused channels of the last panel are zero */
        if (i / (c->weights / panels * 16) * 16 + i % 16 >= (size_t)conv->out_channels)
            c->w[i] = 0;
    for (size_t i = 0; i < in_panels * window * (size_t)conv->out_channels; i++)
        if (i / (window * (size_t)conv->out_channels * 16) * 16 + i % 16 >=
            (size_t)conv->in_channels)
            c->turned[i] = 0;
    c->want = ink_floats(c->out);
    c->got = ink_floats(c->out);
    c->place_want = calloc(c->out + 1, 1);
    c->place_got = calloc(c->out + 1, 1);
    assert_true(c->want && c->got && c->place_want && c->place_got);
}

static void
pooled_case_fini(struct pooled_case *c)
{
    free(c->x);
    free(c->w);
    free(c->turned);
    free(c->bias);
    free(c->dy);
    free(c->want);
    free(c->got);
    free(c->place_want);
    free(c->place_got);
}

static void
check_pooled_backward(const struct ink_kernels *fast, const struct ink_kernels *reference,
                      const struct pooled_case *c)
{
    const struct ink_conv *conv = c->conv;
    size_t channels = (size_t)conv->out_channels;
    float *own_want = ink_floats(c->own), *own_got = ink_floats(c->own);
    float *dw_want = noise(c->weights), *dw_got = noise(c->weights);
    float *dx_want = whole_numbers(c->in, 5), *dx_got = copy_of(dx_want, c->in);
    float *bias_want = whole_numbers(channels, 5), *bias_got = copy_of(bias_want, channels);

    assert_true(own_want && own_got);
    for (int picture = 0; picture < 2; picture++) {
        reference->pooled_weights(conv, c->x, c->dy, c->place_want, own_want,
                                  picture ? bias_want : NULL);
        fast->pooled_weights(conv, c->x, c->dy, c->place_want, own_got, picture ? bias_got : NULL);
    }
    reference->pooled_gather(conv, own_want, dw_want);
    fast->pooled_gather(conv, own_got, dw_got);
    assert_near(fast->name, "pooled_weights", dw_got, dw_want, c->weights, 0);
    reference->pooled_input(conv, c->dy, c->place_want, c->turned, dx_want);
    fast->pooled_input(conv, c->dy, c->place_want, c->turned, dx_got);
    assert_near(fast->name, "pooled_input", dx_got, dx_want, c->in, 0);
    assert_near(fast->name, "pooled_bias", bias_got, bias_want, channels, 0);
    free(own_want);
    free(own_got);
    free(dw_want);
    free(dw_got);
    free(dx_want);
    free(dx_got);
    free(bias_want);
    free(bias_got);
}

/* A pooled convolution is a convolution, a relu and a maxpool one after the other. */
static void
check_pooled_parts(const struct ink_kernels *reference, const struct pooled_case *c, bool is_relu)
{
    const struct ink_conv *conv = c->conv;
    const struct ink_pool_form form = {conv->out_width,      conv->out_channels, 2, 2, 2,
                                       conv->out_height / 2, conv->out_width / 2};
    size_t whole = (size_t)conv->out_height * (size_t)conv->out_width * (size_t)conv->out_channels;
    float *y = ink_floats(whole), *pooled = ink_floats(c->out);
    uint8_t *place = calloc(c->out + 1, 1);

    assert_true(y && pooled && place);
    reference->conv(conv, c->x, c->w, c->bias, is_relu, y);
    reference->maxpool(&form, y, pooled, place);
    assert_memory_equal(pooled, c->want, c->out * sizeof(*pooled));
    for (size_t i = 0; i < c->out; i++)
        if (is_relu && pooled[i] == 0)
            assert_int_equal(c->place_want[i], INK_POOLED_DEAD);
        else
            assert_int_equal(c->place_want[i], place[i]);
    free(y);
    free(pooled);
    free(place);
}

/* Some windows of each row: in them the same numbers as of the whole, which are in want. */
static void
check_pooled_spans(const struct ink_kernels *fast, const struct pooled_case *c, bool is_relu)
{
    int height = c->conv->out_height / 2, width = c->conv->out_width / 2;
    size_t channels = (size_t)c->conv->out_channels;
    struct ink_span *spans = calloc((size_t)height, sizeof(*spans));

    assert_non_null(spans);
    for (int i = 0; i < height; i++) {
        spans[i].from = (int)ink_rng_below(&rng, (uint32_t)width + 1);
        spans[i].to =
            spans[i].from + (int)ink_rng_below(&rng, (uint32_t)(width - spans[i].from) + 1);
    }
    memset(c->got, 0, c->out * sizeof(*c->got));
    memset(c->place_got, 9, c->out);
    fast->conv_pooled_spans(c->conv, spans, c->x, c->w, c->bias, is_relu, c->got, c->place_got);
    for (int i = 0; i < height; i++)
        for (int j = spans[i].from; j < spans[i].to; j++) {
            size_t at = (size_t)(i * width + j) * channels;

            assert_memory_equal(c->got + at, c->want + at, channels * sizeof(*c->got));
            assert_memory_equal(c->place_got + at, c->place_want + at, channels);
        }
    free(spans);
}

static void
check_pooled(const struct ink_kernels *fast, const struct ink_kernels *reference,
             const struct ink_conv *conv)
{
    struct pooled_case c;

    pooled_case_init(&c, conv);
    for (int relu = 0; relu < 2; relu++) {
        reference->conv_pooled(conv, c.x, c.w, c.bias, relu, c.want, c.place_want);
        check_pooled_parts(reference, &c, relu);
        fast->conv_pooled(conv, c.x, c.w, c.bias, relu, c.got, c.place_got);
        assert_memory_equal(c.got, c.want, c.out * sizeof(*c.got));
        assert_memory_equal(c.place_got, c.place_want, c.out);
        memset(c.got, 0, c.out * sizeof(*c.got));
        fast->conv_pooled(conv, c.x, c.w, c.bias, relu, c.got, NULL);
        assert_memory_equal(c.got, c.want, c.out * sizeof(*c.got));
        check_pooled_spans(fast, &c, relu);
        check_pooled_backward(fast, reference, &c);
        reference->conv_pooled(conv, c.x, c.w, NULL, relu, c.want, NULL);
        fast->conv_pooled(conv, c.x, c.w, NULL, relu, c.got, NULL);
        assert_memory_equal(c.got, c.want, c.out * sizeof(*c.got));
    }
    memset(c.dy, 0, c.out * sizeof(*c.dy)); /* nothing lives */
    check_pooled_backward(fast, reference, &c);
    pooled_case_fini(&c);
}

static void
pooled_convolutions_agree(void **state)
{
    const struct ink_kernels *all[INK_KERNELS_MAX], *reference;
    size_t fast;

    (void)state;
    reference = tables(all, &fast);
    for (size_t i = 0; i < fast; i++)
        for (size_t j = 0; j < sizeof(pooled_convs) / sizeof(*pooled_convs); j++)
            check_pooled(all[i], reference, &pooled_convs[j]);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pooled_convolutions_agree),
    };

    ink_rng_init(&rng, 7, 0);
    return cmocka_run_group_tests_name("kernels_pooled", tests, NULL, NULL);
}
