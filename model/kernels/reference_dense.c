/* SPDX-License-Identifier: MIT */
/* reference_dense: dense layers as their definitions read, summed in double. */
#include "model/kernels/reference_dense.h"

static size_t
panels(size_t count)
{
    return (count + INK_PANEL - 1) / INK_PANEL;
}

/* Where the weight of an input to an output is: w[out / 16][in][16]. */
static size_t
weight_at(const struct ink_dense *form, size_t in, size_t out)
{
    return (out / INK_PANEL * form->inputs + in) * INK_PANEL + out % INK_PANEL;
}

void
ink_reference_dense(const struct ink_dense *form, const float *x, const float *w, const float *bias,
                    bool is_relu, float *y)
{
    for (size_t n = 0; n < form->pictures; n++, x += form->inputs)
        for (size_t out = 0; out < form->outputs; out++) {
            double sum = bias ? (double)bias[out] : 0;

            for (size_t in = 0; in < form->inputs; in++)
                sum += (double)x[in] * (double)w[weight_at(form, in, out)];
            *y++ = (float)(is_relu && sum < 0 ? 0 : sum);
        }
}

void
ink_reference_dense_back(const struct ink_dense *form, size_t count, const float *w,
                         const float *dy, const float *x, float *dx)
{
    size_t outputs = panels(form->outputs) * INK_PANEL;

    (void)x;
    for (size_t in = 0; in < count; in++)
        for (size_t n = 0; n < panels(form->pictures) * INK_PANEL; n++) {
            const float *from = dy + n / INK_PANEL * outputs * INK_PANEL + n % INK_PANEL;
            double sum = 0;

            for (size_t out = 0; out < form->outputs; out++)
                sum += (double)from[out * INK_PANEL] * (double)w[weight_at(form, in, out)];
            *dx++ = (float)sum;
        }
}

void
ink_reference_dense_weights(const struct ink_dense *form, const float *x, const float *dy,
                            const struct ink_soon *soon, float *dw)
{
    size_t outputs = panels(form->outputs) * INK_PANEL;

    (void)soon;
    for (size_t out = 0; out < outputs; out++)
        for (size_t in = 0; in < form->inputs; in++) {
            double sum = 0;

            for (size_t n = 0; n < form->pictures; n++)
                sum += (double)x[n * form->step + in] * (double)dy[n * outputs + out];
            dw[weight_at(form, in, out)] = (float)sum;
        }
}

void
ink_reference_find_some(size_t rows, size_t count, size_t step, const float *x, uint32_t *has)
{
    for (size_t n = 0; n < rows; n++)
        for (size_t i = 0; i < count; i++)
            has[i] |= ink_bf16_bits(x[n * step + i]);
}

void
ink_reference_unfold(const struct ink_unfold *form, const float *from, float *dw)
{
    for (size_t i = 0; i < form->inputs * INK_PANEL; i++)
        dw[i] = 0;
    for (size_t j = 0; j < form->rows; j++)
        for (size_t l = 0; l < INK_PANEL; l++)
            if (form->lane[l] != INK_NO_LANE)
                dw[(size_t)form->row[j] * INK_PANEL + l] =
                    from[(form->lane[l] / INK_PANEL * form->rows + j) * INK_PANEL +
                         form->lane[l] % INK_PANEL];
}

/* ---- in bf16 ---- */

/* A product of two of them is exact in double. */
static double
value(uint16_t number)
{
    return (double)ink_bf16_value(number);
}

void
ink_reference_bf16_dense(const struct ink_dense *form, const uint16_t *x, const uint16_t *w,
                         const float *bias, bool is_relu, float *y)
{
    for (size_t n = 0; n < form->pictures; n++, x += (form->inputs + 1) / 2 * 2)
        for (size_t out = 0; out < form->outputs; out++) {
            double sum = bias ? (double)bias[out] : 0;

            for (size_t in = 0; in < form->inputs; in++)
                sum += value(x[in]) * value(w[weight_at(form, in, out)]);
            *y++ = (float)(is_relu && sum < 0 ? 0 : sum);
        }
}

void
ink_reference_bf16_dense_one(const struct ink_dense *form, const float *x, const uint16_t *w,
                             const float *bias, bool is_relu, float *y)
{
    for (size_t o = 0; o < form->outputs; o++) {
        double sum = bias ? (double)bias[o] : 0;

        for (size_t i = 0; i < form->inputs; i++)
            sum += (double)ink_bf16_value(ink_bf16_of(x[i])) *
                   (double)ink_bf16_value(w[ink_bf16_row_at(form->inputs, form->outputs, o, i)]);
        y[o] = (float)(is_relu && sum < 0 ? 0 : sum);
    }
}

void
ink_reference_bf16_dense_back(const struct ink_dense *form, size_t count, const uint16_t *w,
                              const uint16_t *dy, const float *x, float *dx)
{
    size_t outputs = panels(form->outputs) * INK_PANEL;

    (void)x;
    for (size_t in = 0; in < count; in++)
        for (size_t n = 0; n < panels(form->pictures) * INK_PANEL; n++) {
            const uint16_t *from = dy + (n / INK_PANEL * outputs * INK_PANEL + n % INK_PANEL * 2);
            double sum = 0;

            for (size_t out = 0; out < form->outputs; out++)
                sum += value(from[out / 2 * 2 * INK_PANEL + out % 2]) *
                       value(w[weight_at(form, in, out)]);
            *dx++ = (float)sum;
        }
}

void
ink_reference_bf16_dense_weights(const struct ink_dense *form, const uint16_t *x,
                                 const uint16_t *dy, const struct ink_soon *soon, float *dw)
{
    size_t outputs = panels(form->outputs) * INK_PANEL;

    (void)soon;
    for (size_t out = 0; out < outputs; out++)
        for (size_t in = 0; in < form->inputs; in++) {
            double sum = 0;

            for (size_t n = 0; n < form->pictures; n++)
                sum += value(x[(n / 2 * form->step + in) * 2 + n % 2]) *
                       value(dy[(n / 2 * outputs + out) * 2 + n % 2]);
            dw[weight_at(form, in, out)] = (float)sum;
        }
}
