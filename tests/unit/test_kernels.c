/* SPDX-License-Identifier: MIT */
/*
 * kernels: every table that this processor can run against the reference, on odd shapes.
 */

#include "tests/unit/kernels_fixture.h"

/* in_width, in, out, kernel height, width, stride, out height, width */
static const struct ink_conv convs[] = {
    {28, 1, 32, 3, 3, 1, 26, 26}, {9, 3, 5, 3, 3, 1, 7, 7},     {11, 17, 33, 2, 4, 1, 4, 8},
    {12, 4, 16, 3, 3, 2, 5, 5},   {30, 2, 8, 3, 3, 2, 14, 14},  {1, 600, 19, 1, 1, 1, 1, 1},
    {9, 1100, 10, 1, 1, 1, 1, 9}, {15, 5, 1, 5, 5, 3, 4, 4},    {16, 16, 48, 1, 1, 1, 16, 16},
    {19, 7, 20, 1, 3, 1, 3, 17},  {6, 6, 31, 6, 6, 1, 1, 1},    {40, 2, 16, 1, 1, 3, 5, 13},
    {30, 1, 48, 3, 3, 1, 28, 28}, {28, 1, 16, 5, 5, 1, 24, 24}, {11, 1, 16, 3, 3, 1, 3, 9},
    {6, 1, 32, 3, 3, 1, 4, 4},    {4, 1, 16, 3, 3, 1, 2, 2},
};

static void
check_conv(const struct ink_kernels *fast, const struct ink_kernels *reference,
           const struct ink_conv *conv)
{
    size_t in = (size_t)((conv->out_height - 1) * conv->stride + conv->kernel_height) *
                (size_t)conv->in_width * (size_t)conv->in_channels;
    size_t outs = (size_t)conv->out_channels, panels = (outs + 15) / 16 * 16;
    size_t window = (size_t)(conv->kernel_height * conv->kernel_width) * (size_t)conv->in_channels;
    size_t pixels = (size_t)conv->out_height * (size_t)conv->out_width, out = pixels * outs;
    float *x = noise(in), *w = noise(window * panels), *bias = noise(panels);
    float *want = noise(out + 16), *got = copy_of(want, out + 16), *start = noise(out + 16);
    float *dw_want = noise(window * panels), *dw_got, *bias_got = copy_of(bias, panels);

    for (size_t i = 0; i < window * panels; i++) /* unused channels of the last panel are zero */
        if (i / (window * 16) * 16 + i % 16 >= outs)
            w[i] = dw_want[i] = 0;
    dw_got = copy_of(dw_want, window * panels);
    for (int relu = 0; relu < 2; relu++) {
        reference->conv(conv, x, w, relu ? bias : NULL, relu, want);
        fast->conv(conv, x, w, relu ? bias : NULL, relu, got);
        assert_near(fast->name, "conv", got, want, out + 16, (double)window * (double)tolerance);
    }
    for (int other = 0; other < 2; other++) { /* added in place, or to others */
        reference->conv_add(conv, x, w, other ? start : want, want);
        fast->conv_add(conv, x, w, other ? start : got, got);
        assert_near(fast->name, "conv_add", got, want, out + 16,
                    (double)window * (double)tolerance);
    }
    for (int added = 0; added < 2 && conv->out_width > 1;
         added++) { /* each second column and row */
        struct ink_conv half = *conv;
        size_t apart[2] = {2 * outs, 2 * outs * (size_t)conv->out_width};

        half.out_height = (conv->out_height + 1) / 2;
        half.out_width = conv->out_width / 2;
        reference->conv_apart(&half, x, w, added, want + outs, apart);
        fast->conv_apart(&half, x, w, added, got + outs, apart);
        assert_near(fast->name, "conv_apart", got, want, out + 16,
                    (double)window * (double)tolerance);
    }
    for (int added = 1; added >= 0; added--) {
        reference->conv_weights(conv, x, want, added, dw_want);
        fast->conv_weights(conv, x, want, added, dw_got);
        assert_near(fast->name, "conv_weights", dw_got, dw_want, window * panels,
                    (double)pixels * (double)window * (double)tolerance);
    }
    memcpy(got, want, out * sizeof(*got));
    reference->gated_weights(conv, x, start, want, dw_want, bias);
    fast->gated_weights(conv, x, start, got, dw_got, bias_got);
    assert_near(fast->name, "gated_weights", dw_got, dw_want, window * panels,
                (double)pixels * (double)window * (double)tolerance);
    assert_near(fast->name, "gated_weights: bias", bias_got, bias, panels,
                (double)pixels * (double)window * (double)tolerance);
    free(x);
    free(w);
    free(bias);
    free(bias_got);
    free(want);
    free(got);
    free(start);
    free(dw_want);
    free(dw_got);
}

static void
convolutions_agree(void **state)
{
    const struct ink_kernels *all[INK_KERNELS_MAX], *reference;
    size_t fast;

    (void)state;
    reference = tables(all, &fast);
    for (size_t i = 0; i < fast; i++)
        for (size_t j = 0; j < sizeof(convs) / sizeof(*convs); j++)
            check_conv(all[i], reference, &convs[j]);
}

/* One picture, half of it zeros. */
static void
check_dense_one(const struct ink_kernels *fast, const struct ink_kernels *reference, int inputs,
                int outputs)
{
    const struct ink_conv conv = {1, inputs, outputs, 1, 1, 1, 1, 1};
    size_t ins = (size_t)inputs, outs = (size_t)outputs, panels = (outs + 15) / 16 * 16;
    float *x = noise(ins), *w = noise(ins * panels), *bias = noise(panels);
    float *want = noise(outs + 16), *got = copy_of(want, outs + 16);

    for (size_t i = 0; i < ins; i += 1 + ink_rng_below(&rng, 3))
        x[i] = 0;
    for (int relu = 0; relu < 2; relu++) {
        reference->conv(&conv, x, w, relu ? bias : NULL, relu, want);
        fast->dense_one(&conv, x, w, relu ? bias : NULL, relu, got);
        assert_near(fast->name, "dense_one", got, want, outs + 16,
                    (double)inputs * (double)tolerance);
    }
    free(x);
    free(w);
    free(bias);
    free(want);
    free(got);
}

static void
one_picture_agrees(void **state)
{
    static const int inputs[] = {1, 7, 600, 1024, 1025, 2500}, outputs[] = {1, 10, 16, 33, 145};
    const struct ink_kernels *all[INK_KERNELS_MAX], *reference;
    size_t fast;

    (void)state;
    reference = tables(all, &fast);
    for (size_t i = 0; i < fast; i++)
        for (size_t j = 0; j < sizeof(inputs) / sizeof(*inputs); j++)
            for (size_t k = 0; k < sizeof(outputs) / sizeof(*outputs); k++)
                check_dense_one(all[i], reference, inputs[j], outputs[k]);
}

/* The reference itself, by hand: 2 channels of 3x3, one 2x2 window, numbers that are exact. */
static void
reference_is_right_by_hand(void **state)
{
    const struct ink_conv conv = {3, 2, 1, 2, 2, 1, 2, 2};
    const struct ink_kernels *all[INK_KERNELS_MAX], *reference;
    float x[18 + 64] = {0}, w[8 * 16] = {0}, bias[16] = {0.5F}, y[4 + 16] = {0};
    size_t fast;

    (void)state;
    reference = tables(all, &fast);
    for (int i = 0; i < 9; i++) {
        x[2 * i] = (float)(i + 1); /* channel 0: 1..9; channel 1: its negative, doubled */
        x[2 * i + 1] = (float)(-2 * (i + 1));
    }
    for (int i = 0; i < 4; i++) { /* channel 0: 1 2 3 4; channel 1: 0 0 0 1 */
        w[(size_t)i * 32] = (float)(i + 1);
        w[(size_t)i * 32 + 16] = i == 3;
    }
    reference->conv(&conv, x, w, bias, false, y);
    /* top left: 1*1 + 2*2 + 3*4 + 4*5 = 37, - 2 * 5 = 27, + 0.5 */
    assert_true(y[0] == 27.5F);
    assert_true(y[1] == 2 + 6 + 15 + 24 - 12 + 0.5F);
    assert_true(y[3] == 5 + 12 + 24 + 36 - 18 + 0.5F);
}

static void
check_pools(const struct ink_kernels *fast, const struct ink_kernels *reference,
            const struct ink_pool_form *form)
{
    size_t channels = (size_t)form->channels;
    size_t in = (size_t)((form->out_height - 1) * form->stride + form->kernel_height) *
                (size_t)form->in_width * channels;
    size_t out = (size_t)form->out_height * (size_t)form->out_width * channels;
    float *x = noise(in), *want = noise(out), *got = noise(out);
    float *dx_want = noise(in), *dx_got = copy_of(dx_want, in);
    uint8_t *place_want = calloc(out, 1), *place_got = calloc(out, 1);

    assert_non_null(place_want);
    assert_non_null(place_got);
    reference->maxpool(form, x, want, place_want);
    fast->maxpool(form, x, got, place_got);
    assert_memory_equal(got, want, out * sizeof(*got));
    assert_memory_equal(place_got, place_want, out);
    reference->maxpool_backward(form, want, place_want, dx_want);
    fast->maxpool_backward(form, want, place_want, dx_got);
    assert_near(fast->name, "maxpool_backward", dx_got, dx_want, in, 1e-5);
    reference->avgpool(form, x, want);
    fast->avgpool(form, x, got);
    assert_near(fast->name, "avgpool", got, want, out, 1e-5);
    reference->avgpool_backward(form, want, dx_want);
    fast->avgpool_backward(form, want, dx_got);
    assert_near(fast->name, "avgpool_backward", dx_got, dx_want, in, 1e-5);
    free(x);
    free(want);
    free(got);
    free(dx_want);
    free(dx_got);
    free(place_want);
    free(place_got);
}

static void
pools_agree(void **state)
{
    static const struct ink_pool_form forms[] = {
        {28, 32, 2, 2, 2, 14, 14}, {7, 5, 3, 3, 2, 3, 3},    {9, 17, 2, 3, 1, 4, 7},
        {7, 10, 7, 7, 1, 1, 1},    {16, 1, 16, 16, 1, 1, 1},
    };
    const struct ink_kernels *all[INK_KERNELS_MAX], *reference;
    size_t fast;

    (void)state;
    reference = tables(all, &fast);
    for (size_t i = 0; i < fast; i++)
        for (size_t j = 0; j < sizeof(forms) / sizeof(*forms); j++)
            check_pools(all[i], reference, &forms[j]);
}

static void
check_keep(const struct ink_kernels *fast, const struct ink_kernels *reference, size_t count)
{
    static const uint32_t limits[] = {0, 1, 0x4000, 0xffff};
    uint64_t *bits = calloc(count / 4 + 1, sizeof(*bits));
    uint64_t *same = calloc(count / 4 + 1, sizeof(*bits));
    uint8_t *want = calloc(count, 1), *got = calloc(count, 1);

    assert_true(bits && same && want && got);
    reference->random(count / 4 + 1, count, bits);
    fast->random(count / 4 + 1, count, same);
    assert_memory_equal(bits, same, (count / 4 + 1) * sizeof(*bits));
    bits[0] = UINT64_C(0x00010000ffff4000); /* the limits themselves */
    for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++) {
        reference->keep(count, bits, limits[i], want);
        fast->keep(count, bits, limits[i], got);
        assert_memory_equal(got, want, count);
    }
    free(bits);
    free(same);
    free(want);
    free(got);
}

static void
check_elements(const struct ink_kernels *fast, const struct ink_kernels *reference, size_t count)
{
    static const enum ink_op ops[] = {INK_OP_RELU, INK_OP_LEAKYRELU, INK_OP_SIGMOID, INK_OP_TANH};
    float *x = noise(count), *dy = noise(count), *want = noise(count), *got = copy_of(want, count);

    x[0] = 0;
    for (size_t i = 0; i < sizeof(ops) / sizeof(*ops); i++) {
        reference->activate(ops[i], 0.1F, count, x, want);
        fast->activate(ops[i], 0.1F, count, x, got);
        assert_near(fast->name, ink_op_name(ops[i]), got, want, count, 1e-6);
        memcpy(got, x, count * sizeof(*got)); /* in place */
        fast->activate(ops[i], 0.1F, count, got, got);
        assert_near(fast->name, ink_op_name(ops[i]), got, want, count, 1e-6);
        reference->activate_backward(ops[i], 0.1F, count, x, dy, want);
        memcpy(got, dy, count * sizeof(*got));
        fast->activate_backward(ops[i], 0.1F, count, x, got, got);
        assert_near(fast->name, ink_op_name(ops[i]), got, want, count, 1e-6);
    }
    {
        uint8_t *kept = calloc(count, 1);

        assert_non_null(kept);
        for (size_t i = 0; i < count; i++)
            kept[i] = ink_rng_below(&rng, 2) == 1;
        check_keep(fast, reference, count);
        reference->drop(count, kept, 1.5F, x, want);
        memcpy(got, x, count * sizeof(*got));
        fast->drop(count, kept, 1.5F, got, got);
        assert_near(fast->name, "drop", got, want, count, 1e-6);
        for (size_t i = 0; i < count; i++)
            kept[i] = (uint8_t)i;
        reference->pixels(count, kept, want);
        fast->pixels(count, kept, got);
        assert_memory_equal(got, want, count * sizeof(*got)); /* 1031 have every byte */
        free(kept);
    }
    reference->add(count, x, want);
    fast->add(count, x, got);
    assert_near(fast->name, "add", got, want, count, 1e-6);
    reference->average(count, 0.9F, x, want);
    fast->average(count, 0.9F, x, got);
    assert_near(fast->name, "average", got, want, count, 1e-6);
    free(x);
    free(dy);
    free(want);
    free(got);
}

static void
check_norms(const struct ink_kernels *fast, const struct ink_kernels *reference, size_t pixels,
            size_t channels)
{
    size_t count = pixels * channels;
    float *x = noise(count), *dy = noise(count), *want = noise(count), *got = copy_of(want, count);
    float *line = noise(4 * channels), *sums = noise(2 * channels);
    float *sums_got = copy_of(sums, 2 * channels);
    double allowed = (double)pixels * (double)tolerance + 1e-6;
    struct ink_norm norm = {.channels = channels,
                            .mean = line,
                            .inverse = line + channels,
                            .scale = line + 2 * channels,
                            .shift = line + 3 * channels};

    reference->moments(pixels, channels, x, sums, sums + channels);
    fast->moments(pixels, channels, x, sums_got, sums_got + channels);
    assert_near(fast->name, "moments", sums_got, sums, 2 * channels, allowed);
    reference->sum_pixels(pixels, channels, x, sums);
    fast->sum_pixels(pixels, channels, x, sums_got);
    assert_near(fast->name, "sum_pixels", sums_got, sums, channels, 3 * allowed);
    memcpy(want, dy, count * sizeof(*want));
    memcpy(got, dy, count * sizeof(*got));
    reference->gate(pixels, channels, x, want, sums);
    fast->gate(pixels, channels, x, got, sums_got);
    assert_near(fast->name, "gate", got, want, count, 0);
    assert_near(fast->name, "gate: sums", sums_got, sums, channels, 5 * allowed);
    for (int relu = 0; relu < 2; relu++) {
        norm.is_relu = relu;
        reference->norm_sums(&norm, pixels, x, dy, sums);
        fast->norm_sums(&norm, pixels, x, dy, sums_got);
        assert_near(fast->name, "norm_sums", sums_got, sums, 2 * channels, 5 * allowed);
        reference->norm(&norm, pixels, x, want);
        fast->norm(&norm, pixels, x, got);
        assert_near(fast->name, "norm", got, want, count, 1e-6);
        for (int added = 0; added < 2; added++) {
            norm.is_added = added;
            reference->norm_backward(&norm, pixels, x, dy, line, want);
            fast->norm_backward(&norm, pixels, x, dy, line, got);
            assert_near(fast->name, "norm_backward", got, want, count, 1e-6 * (1 + added));
        }
    }
    free(x);
    free(dy);
    free(want);
    free(got);
    free(line);
    free(sums);
    free(sums_got);
}

static void
check_row_products(const struct ink_kernels *fast, const struct ink_kernels *reference, size_t rows,
                   size_t columns)
{
    size_t step = columns + 3;
    float *a = noise(rows * step), *b = noise(rows * step);
    double want[256] = {0}, got[256] = {0};

    assert_true(columns + INK_PANEL <= sizeof(want) / sizeof(*want));
    for (int round = 0; round < 3; round++) {
        reference->row_products(rows, columns, step, a, b, want);
        fast->row_products(rows, columns, step, a, b, got);
    }
    for (size_t j = 0; j < columns; j++)
        assert_true(fabs(want[j] - got[j]) <= 3 * (double)rows * (double)tolerance);
    assert_true(want[0] != 0);
    free(a);
    free(b);
}

static void
check_steps(const struct ink_kernels *fast, const struct ink_kernels *reference, size_t count)
{
    const struct ink_step step = {.rate = 0.01F,
                                  .scale = 0.5F,
                                  .momentum = 0.9F,
                                  .beta1 = 0.9F,
                                  .beta2 = 0.99F,
                                  .rho = 0.8F,
                                  .epsilon = 1e-8F,
                                  .correction1 = 2,
                                  .correction2 = 3,
                                  .decay = 0.1F,
                                  .shrink = 0.02F};
    struct ink_step ahead = step;
    float *gradient = noise(count), *mean = noise(count), *square = noise(count);
    float *weights = noise(count), *mean_got = copy_of(mean, count), *square_got;
    float *weights_got = copy_of(weights, count);

    for (size_t i = 0; i < count; i++)
        square[i] = fabsf(square[i]) + 0.1F;
    ahead.is_nesterov = true;
    square_got = copy_of(square, count);
    for (int round = 0; round < 3; round++) {
        reference->adam(&step, count, gradient, mean, square, weights);
        fast->adam(&step, count, gradient, mean_got, square_got, weights_got);
        reference->sgd(&step, count, gradient, mean, weights);
        fast->sgd(&step, count, gradient, mean_got, weights_got);
        reference->sgd(&ahead, count, gradient, mean, weights);
        fast->sgd(&ahead, count, gradient, mean_got, weights_got);
    }
    for (size_t i = 0; i < count; i++) /* of squares */
        mean[i] = mean_got[i] = fabsf(mean[i]);
    for (int round = 0; round < 3; round++) {
        reference->adadelta(&step, count, gradient, mean, square, weights);
        fast->adadelta(&step, count, gradient, mean_got, square_got, weights_got);
    }
    assert_near(fast->name, "step: mean", mean_got, mean, count, 1e-5);
    assert_near(fast->name, "step: square", square_got, square, count, 1e-5);
    assert_near(fast->name, "step: weights", weights_got, weights, count, 1e-5);
    free(gradient);
    free(mean);
    free(square);
    free(weights);
    free(mean_got);
    free(square_got);
    free(weights_got);
}

static void
the_rest_agrees(void **state)
{
    static const size_t sizes[] = {1, 3, 16, 17, 100, 1031};
    const struct ink_kernels *all[INK_KERNELS_MAX], *reference;
    size_t fast;

    (void)state;
    reference = tables(all, &fast);
    for (size_t i = 0; i < fast; i++)
        for (size_t j = 0; j < sizeof(sizes) / sizeof(*sizes); j++) {
            check_elements(all[i], reference, sizes[j]);
            check_steps(all[i], reference, sizes[j]);
            check_norms(all[i], reference, sizes[j], 7);
            check_norms(all[i], reference, sizes[j], 48);
            check_norms(all[i], reference, 49, sizes[j]);
            check_row_products(all[i], reference, sizes[j], 32);
            check_row_products(all[i], reference, 24, sizes[j] % 200);
        }
}

static void
check_transpose(const struct ink_kernels *fast, const struct ink_kernels *reference, size_t rows,
                size_t columns)
{
    struct ink_transpose form = {
        .rows = rows, .columns = columns, .from_step = columns + 3, .to_step = rows + 2};
    size_t size = columns * form.to_step;
    float *from = noise(rows * form.from_step), *want = noise(size), *got = copy_of(want, size);

    for (int added = 0; added < 2; added++) {
        form.is_added = added;
        reference->transpose(&form, from, want);
        fast->transpose(&form, from, got);
        assert_memory_equal(got, want, size * sizeof(*got));
    }
    assert_true(want[0] == 2 * from[0]);
    assert_true(fabs(fast->squares(size, got) - reference->squares(size, want)) <
                1e-6 * (double)size);
    free(from);
    free(want);
    free(got);
}

static void
transposes_and_squares_agree(void **state)
{
    static const size_t sizes[] = {1, 5, 16, 31, 67, 112};
    const struct ink_kernels *all[5], *reference;
    size_t fast;

    (void)state;
    reference = tables(all, &fast);
    for (size_t i = 0; i < fast; i++)
        for (size_t j = 0; j < sizeof(sizes) / sizeof(*sizes); j++)
            for (size_t k = 0; k < sizeof(sizes) / sizeof(*sizes); k++)
                check_transpose(all[i], reference, sizes[j], sizes[k]);
}

static void
tables_are_named_and_complete(void **state)
{
    const struct ink_kernels *all[INK_KERNELS_MAX];
    size_t count = ink_kernels_list(all);

    (void)state;
    assert_true(count >= 2);
    assert_string_equal(all[count - 1]->name, "reference");
    assert_string_equal(all[count - 2]->name, "baseline");
    for (size_t i = 0; i < count; i++)
        print_message("have %s\n", all[i]->name);
    assert_ptr_equal(ink_kernels(), ink_kernels());
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_are_named_and_complete),
        cmocka_unit_test(reference_is_right_by_hand),
        cmocka_unit_test(convolutions_agree),
        cmocka_unit_test(one_picture_agrees),
        cmocka_unit_test(pools_agree),
        cmocka_unit_test(the_rest_agrees),
        cmocka_unit_test(transposes_and_squares_agree),
    };

    ink_rng_init(&rng, 7, 0);
    return cmocka_run_group_tests_name("kernels", tests, NULL, NULL);
}
