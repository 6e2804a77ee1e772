/* SPDX-License-Identifier: MIT */
/*
 * kernels for dense layers: every table that this processor can run against the reference, in
 * float and in bf16, on odd shapes; and the reference in bf16 against the one in float.
 */

#include "tests/unit/kernels_fixture.h"

static const size_t pictures[] = {1, 2, 13, 16, 35, 68}, outputs[] = {1, 16, 33, 270};
static const size_t inputs[] = {1, 9, 515, 1030};

/* One layer's numbers, in float and in bf16 as the kernels want them; what is beyond the shape in
 * panels and pairs is zero. */
struct numbers {
    struct ink_dense form;
    size_t outs, pics; /* in panels */
    float *x, *w, *bias, *dy_rows, *dy_turned, *y, *dx, *dw;
    uint16_t *x16, *w16, *x_pairs, *dy_rows16, *dy_turned16;
};

static size_t
whole_panels(size_t count)
{
    return (count + INK_PANEL - 1) / INK_PANEL * INK_PANEL;
}

static uint16_t *
halves(size_t count)
{
    uint16_t *block = (uint16_t *)ink_floats(count / 2 + 1);

    assert_non_null(block);
    return block;
}

/* Zeros as relus leave them: inputs that no picture has, and in others some pictures not. */
static void
thin_out(struct numbers *n)
{
    for (size_t i = 0; i < n->form.inputs; i++) {
        float rare = i % 2 ? ink_rng_between(&rng, -1, 1) : -1;

        for (size_t p = 0; p < n->form.pictures; p++)
            if (ink_rng_between(&rng, -1, 1) < -rare)
                n->x[p * n->form.inputs + i] = 0;
    }
}

/* dy as rows of pictures, and as rows of outputs for each panel of pictures; of every third output
 * and of all from 200 on there is none. */
static void
fill_gradients(struct numbers *n)
{
    for (size_t i = 0; i < n->pics; i++)
        for (size_t o = 0; o < n->outs; o++) {
            bool is_real = i < n->form.pictures && o < n->form.outputs && o % 3 > 0 && o < 200;
            float value = is_real ? ink_rng_between(&rng, -1, 1) : 0;

            if (i < n->form.pictures)
                n->dy_rows[i * n->outs + o] = value;
            n->dy_turned[(i / INK_PANEL * n->outs + o) * INK_PANEL + i % INK_PANEL] = value;
        }
}

static void
numbers_init(struct numbers *n, const struct ink_bf16 *bf16, struct ink_dense form)
{
    size_t even = (form.inputs + 1) / 2 * 2, pairs = (form.pictures + 1) / 2;

    *n = (struct numbers){
        .form = form, .outs = whole_panels(form.outputs), .pics = whole_panels(form.pictures)};
    n->x = noise(form.pictures * form.step);
    n->w = noise(form.inputs * n->outs);
    n->bias = noise(n->outs);
    n->dy_rows = noise(form.pictures * n->outs);
    n->dy_turned = noise(n->pics * n->outs);
    n->y = noise(form.pictures * form.outputs + 16);
    n->dx = noise(form.inputs * n->pics + 16);
    n->dw = noise(form.inputs * n->outs + 16);
    thin_out(n);
    fill_gradients(n);
    n->x16 = halves(form.pictures * even);
    n->w16 = halves(form.inputs * n->outs);
    n->x_pairs = halves(2 * pairs * form.step);
    n->dy_rows16 = halves(2 * pairs * n->outs);
    n->dy_turned16 = halves(n->pics * n->outs);
    for (size_t i = 0; i < form.pictures; i++)
        bf16->round(form.inputs, n->x + i * form.inputs, n->x16 + i * even);
    bf16->round(form.inputs * n->outs, n->w, n->w16);
    bf16->pair_rows(form.pictures, form.step, n->x, n->x_pairs);
    bf16->pair_rows(form.pictures, n->outs, n->dy_rows, n->dy_rows16);
    bf16->pair_rows(n->pics / INK_PANEL * n->outs, INK_PANEL, n->dy_turned, n->dy_turned16);
}

static void
numbers_fini(struct numbers *n)
{
    void *all[] = {n->x,  n->w,   n->bias, n->dy_rows, n->dy_turned, n->y,          n->dx,
                   n->dw, n->x16, n->w16,  n->x_pairs, n->dy_rows16, n->dy_turned16};

    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
        free(all[i]);
}

/* The gradients of inputs that are zero, which may be anything. */
static void
forget_unwanted(struct numbers *n, size_t first)
{
    for (size_t i = first; i < n->form.inputs; i++)
        for (size_t p = 0; p < n->form.pictures; p++)
            if (n->x[p * n->form.inputs + i] == 0)
                n->dx[(i - first) * n->pics + p] = 0;
}

/* All of n's kernels of one table, in float or in bf16. `half` of the inputs go back. */
static void
run(const struct ink_kernels *table, bool is_bf16, bool is_plain, struct numbers *n)
{
    const struct ink_bf16 *bf16 = table->bf16;
    struct ink_dense all = n->form;
    struct ink_soon soon = {2, {{n->w, 100}, {n->bias, n->outs * sizeof(float)}}};
    const float *bias = is_plain ? NULL : n->bias;
    size_t first = all.inputs / 2, count = all.inputs - first;
    const float *x = is_plain ? NULL : n->x + first;

    soon.count = is_plain ? 0 : 2;
    if (is_bf16) {
        bf16->dense(&all, n->x16, n->w16, bias, !is_plain, n->y);
        bf16->dense_back(&all, count, n->w16 + first * INK_PANEL, n->dy_turned16, x, n->dx);
        bf16->dense_weights(&all, n->x_pairs, n->dy_rows16, &soon, n->dw);
    } else {
        table->dense(&all, n->x, n->w, bias, !is_plain, n->y);
        table->dense_back(&all, count, n->w + first * INK_PANEL, n->dy_turned, x, n->dx);
        table->dense_weights(&all, n->x, n->dy_rows, &soon, n->dw);
    }
    if (x)
        forget_unwanted(n, first);
}

/* What two tables make of the same numbers, nothing else touched; allowed: a number's part. */
static void
compare(const struct ink_kernels *fast, bool is_fast_bf16, const struct ink_kernels *slow,
        bool is_slow_bf16, struct numbers *n, double allowed)
{
    size_t y_size = n->form.pictures * n->form.outputs + 16;
    size_t dx_size = n->form.inputs * n->pics + 16, dw_size = n->form.inputs * n->outs + 16;

    for (int plain = 0; plain < 2; plain++) {
        struct numbers want = *n;

        want.y = copy_of(n->y, y_size);
        want.dx = copy_of(n->dx, dx_size);
        want.dw = copy_of(n->dw, dw_size);
        run(slow, is_slow_bf16, plain, &want);
        run(fast, is_fast_bf16, plain, n);
        assert_near(fast->name, "dense", n->y, want.y, y_size, allowed * (double)n->form.inputs);
        assert_near(fast->name, "dense_back", n->dx, want.dx, dx_size,
                    allowed * (double)n->form.outputs);
        assert_near(fast->name, "dense_weights", n->dw, want.dw, dw_size,
                    allowed * (double)n->form.pictures);
        free(want.y);
        free(want.dx);
        free(want.dw);
    }
}

/* Every shape; step is the inputs', as forward has it, or inputs are some of more. */
static void
each_shape(void (*check)(struct ink_dense form))
{
    for (size_t i = 0; i < sizeof(pictures) / sizeof(*pictures); i++)
        for (size_t j = 0; j < sizeof(inputs) / sizeof(*inputs); j++)
            for (size_t k = 0; k < sizeof(outputs) / sizeof(*outputs); k++)
                check((struct ink_dense){pictures[i], inputs[j], outputs[k],
                                         inputs[j] + 3 * (i % 2)});
}

static void
check_tables(struct ink_dense form)
{
    const struct ink_kernels *all[INK_KERNELS_MAX], *reference;
    struct numbers n;
    size_t fast;

    reference = tables(all, &fast);
    numbers_init(&n, reference->bf16, form);
    for (size_t i = 0; i < fast; i++) {
        compare(all[i], false, reference, false, &n, 2 * (double)tolerance);
        if (all[i]->bf16)
            compare(all[i], true, reference, true, &n, 2 * (double)tolerance);
    }
    numbers_fini(&n);
}

static void
tables_agree(void **state)
{
    (void)state;
    each_shape(check_tables);
}

/* A panel's gradient from two that zeros were left out of. */
static void
unfolding_agrees(void **state)
{
    const struct ink_kernels *all[INK_KERNELS_MAX], *reference;
    float *from = noise(2 * 9 * INK_PANEL), want[20 * INK_PANEL], got[20 * INK_PANEL + 1];
    uint16_t row[9] = {0, 1, 4, 5, 6, 9, 12, 17, 18};
    size_t fast;

    (void)state;
    reference = tables(all, &fast);
    for (size_t rows = 0; rows <= 9; rows++) {
        uint8_t lane[INK_PANEL];
        const struct ink_unfold form = {18 + rows / 9, rows, row, lane};

        for (size_t l = 0; l < INK_PANEL; l++)
            lane[l] = (uint8_t)ink_rng_below(&rng, INK_NO_LANE + 1);
        reference->unfold(&form, from, want);
        for (size_t l = 0; l < INK_PANEL && rows == 9; l++) /* the last row, by hand */
            assert_true(want[18 * INK_PANEL + l] ==
                        (lane[l] == INK_NO_LANE ? 0
                                                : from[lane[l] / INK_PANEL * 9 * INK_PANEL +
                                                       8 * INK_PANEL + lane[l] % INK_PANEL]));
        for (size_t i = 0; i < fast; i++) {
            memset(got, 1, sizeof(got));
            all[i]->unfold(&form, from, got);
            assert_memory_equal(got, want, form.inputs * INK_PANEL * sizeof(*got));
            assert_memory_equal(got + form.inputs * INK_PANEL, "\1\1\1\1", sizeof(*got));
        }
    }
    free(from);
}

static void
what_is_not_zero_is_found(void **state)
{
    const struct ink_kernels *all[INK_KERNELS_MAX];
    float *x = noise(5 * 60);
    size_t fast;

    (void)state;
    (void)tables(all, &fast);
    for (size_t i = 0; i < 5 * 60; i++)
        if (i % 60 % 3 == 0 || ink_rng_below(&rng, 4) > 0)
            x[i] = 0;
    for (size_t t = 0; t <= fast; t++)
        for (size_t count = 1; count < 60; count += 7) {
            uint32_t has[61] = {0};

            has[1] = has[count] = 1;
            all[t]->find_some(5, count, 60, x, has);
            for (size_t i = 0; i < count; i++) {
                bool is_some = i == 1;

                for (size_t n = 0; n < 5; n++)
                    is_some |= x[n * 60 + i] != 0;
                assert_int_equal(has[i] != 0, is_some);
            }
            assert_int_equal(has[count], 1);
        }
    free(x);
}

static void
check_reference(struct ink_dense form)
{
    const struct ink_kernels *all[INK_KERNELS_MAX], *reference;
    struct numbers n;
    size_t fast;

    reference = tables(all, &fast);
    numbers_init(&n, reference->bf16, form);
    compare(reference, true, reference, false, &n, 1.0 / 128); /* of each product */
    numbers_fini(&n);
}

static void
bf16_is_float_but_for_rounding(void **state)
{
    (void)state;
    each_shape(check_reference);
}

/* As a convolution of 1x1 has it, whose reference is checked by hand. */
static void
reference_is_a_convolution(void **state)
{
    const struct ink_dense form = {5, 40, 19, 40};
    const struct ink_conv conv = {5, 40, 19, 1, 1, 1, 1, 5};
    const struct ink_kernels *all[INK_KERNELS_MAX], *reference;
    struct numbers n;
    float y[5 * 19], dw[40 * 32], dy[5 * 19];
    size_t fast;

    (void)state;
    reference = tables(all, &fast);
    numbers_init(&n, reference->bf16, form);
    for (size_t i = 0; i < form.inputs * n.outs; i++) /* unused outputs are zero */
        if (i / (form.inputs * INK_PANEL) * INK_PANEL + i % INK_PANEL >= form.outputs)
            n.w[i] = 0;
    for (size_t i = 0; i < 5; i++)
        memcpy(dy + i * 19, n.dy_rows + i * n.outs, 19 * sizeof(*dy));
    run(reference, false, false, &n);
    reference->conv(&conv, n.x, n.w, n.bias, true, y);
    reference->conv_weights(&conv, n.x, dy, false, dw);
    assert_near("reference", "dense", n.y, y, 5 * 19, 0);
    assert_near("reference", "dense_weights", n.dw, dw, form.inputs * n.outs, 0);
    for (size_t i = 0; i < 20; i++) /* the way back of inputs 20.., by hand */
        for (size_t p = 0; p < 5; p++) {
            double sum = 0;

            for (size_t o = 0; o < 19; o++)
                sum += (double)dy[p * 19 + o] *
                       (double)n.w[(o / INK_PANEL * 40 + 20 + i) * INK_PANEL + o % INK_PANEL];
            if (n.x[p * 40 + 20 + i] != 0)
                assert_true(fabs((double)n.dx[i * INK_PANEL + p] - sum) < 1e-5);
        }
    numbers_fini(&n);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reference_is_a_convolution),
        cmocka_unit_test(tables_agree),
        cmocka_unit_test(unfolding_agrees),
        cmocka_unit_test(what_is_not_zero_is_found),
        cmocka_unit_test(bf16_is_float_but_for_rounding),
    };

    ink_rng_init(&rng, 11, 0);
    return cmocka_run_group_tests_name("kernels_dense", tests, NULL, NULL);
}
