/* SPDX-License-Identifier: MIT */
/*
 * net_blank: what need not be computed because nothing was drawn there.
 *
 * A convolution without padding has the same outputs wherever all pixels that
 * it sees, through the convolutions before it, are zero. They are computed
 * once for the whole batch; of each picture's rows only the columns that its
 * ink reaches are computed. The numbers are the same to the bit, because a
 * kernel sums an output's products in the same order everywhere.
 */
#include <string.h>

#include "model/net_bf16.h"
#include "model/net_run.h"

/* A small picture is all ink, and finding that out takes as long as it saves. */
enum { WIDTH_MIN = 8 };

static bool
is_blank_kept(const struct ink_plan *plan, const struct ink_plan_node *at)
{
    const struct ink_plan_node *in = &plan->node[at->node->input[0]];

    if (!in->has_blank || at->out.height > INK_SPAN_MAX)
        return false;
    if (at->node->op == INK_OP_CONV) /* a picture's padding is as blank as its margins */
        return at->conv.stride == 1 && (at->node->pad == 0 || at->node->input[0] == 0);
    return at->is_alias && at->node->op != INK_OP_FLATTEN &&
           (at->node->op != INK_OP_BATCHNORM || plan->use == INK_USE_ANSWER);
}

/* Floats of what a node is where it is blank: of one pixel, or of a row of windows to be copied. */
static size_t
blank_count(const struct ink_plan_node *at)
{
    size_t pixels = at->skips_blank ? (size_t)at->kept.width : 1;

    return (pixels * ink_channels_of(at->out) + INK_PANEL - 1) / INK_PANEL * INK_PANEL;
}

void
ink_plan_blanks(struct ink_plan *plan)
{
    plan->node[0].has_blank = plan->use != INK_USE_LOOK && plan->node[0].out.channels == 1 &&
                              plan->node[0].out.height <= INK_SPAN_MAX;
    for (int i = 0; i < plan->node_count; i++) {
        struct ink_plan_node *at = &plan->node[i];

        if (i > 0) {
            at->has_blank = is_blank_kept(plan, at);
            at->skips_blank = at->has_blank && at->pooled >= 0 && at->kept.width >= WIDTH_MIN;
            plan->has_blanks |= at->skips_blank;
        }
        at->blank_at =
            i > 0 && at->is_alias ? plan->node[at->node->input[0]].blank_at : plan->blank_size;
        if (at->has_blank && !(i > 0 && at->is_alias))
            plan->blank_size += blank_count(at);
        if (at->has_blank && at->node->op == INK_OP_CONV) {
            size_t patch = (size_t)at->conv.kernel_height * (size_t)at->conv.kernel_width *
                           (size_t)at->conv.in_channels;

            plan->patch_size = patch > plan->patch_size ? patch : plan->patch_size;
        }
    }
}

/* `count` times the same, of which the first is there. */
static void
repeat(void *block, size_t size, size_t count)
{
    for (size_t done = 1, more; done < count; done += more) {
        more = done < count - done ? done : count - done;
        memcpy((char *)block + done * size, block, more * size);
    }
}

/* What `at` is where its input is all `patch`. */
static void
find_blank(const struct ink_run *run, const struct ink_plan_node *at, const float *patch,
           float *blank)
{
    const float *bias = at->has_bias ? run->block + at->bias_at : NULL;
    struct ink_conv one = at->conv;

    one.in_width = one.kernel_width;
    one.out_height = one.out_width = 1;
    /* Where tiles in bf16 compute it, training has no plain weights in bf16: those in float do. In
     * answers such a node has padding, and no blank. */
    if (at->is_bf16 && at->tiled_size == 0)
        ink_bf16_run_blank(run, at, &one, patch, blank);
    else
        run->kernels->conv(&one, patch, run->block + at->weight_at, bias, at->has_relu, blank);
    if (at->skips_blank)
        repeat(blank, ink_channels_of(at->out) * sizeof(*blank), (size_t)at->kept.width);
}

void
ink_run_blanks(const struct ink_run *run)
{
    float *blank = run->workspace->blank, *patch = blank + run->plan->blank_size;

    for (int i = 1; i < run->plan->node_count && run->plan->has_blanks; i++) {
        const struct ink_plan_node *at = &run->plan->node[i];
        size_t window = (size_t)at->conv.kernel_height * (size_t)at->conv.kernel_width;
        size_t channels = (size_t)at->conv.in_channels;

        if (!at->has_blank || at->node->op != INK_OP_CONV)
            continue;
        for (size_t j = 0; j < window; j++)
            memcpy(patch + j * channels, blank + run->plan->node[at->node->input[0]].blank_at,
                   channels * sizeof(*patch));
        find_blank(run, at, patch, blank + at->blank_at);
    }
}

/* ---- one picture ---- */

/* The columns of each row that are not zero; two by two, so one more may be. Bits and no branches:
 * where ink begins and ends nobody can predict. */
static void
find_ink(const float *picture, struct ink_shape shape, struct ink_span *out_spans)
{
    for (int i = 0; i < shape.height; i++, picture += shape.width) {
        uint64_t is_ink = shape.width % 2 && picture[shape.width - 1] != 0, pair;

        for (int j = shape.width / 2 * 2 - 2; j >= 0; j -= 2) {
            memcpy(&pair, picture + j, sizeof(pair));
            is_ink = is_ink << 1 | (pair != 0);
        }
        out_spans[i] = (struct ink_span){0, 0};
        if (is_ink)
            out_spans[i] =
                (struct ink_span){2 * __builtin_ctzll(is_ink), 2 * (64 - __builtin_clzll(is_ink))};
        if (out_spans[i].to > shape.width)
            out_spans[i].to = shape.width;
    }
}

static int
limited(int value, int most)
{
    return value < 0 ? 0 : value > most ? most : value;
}

/* What `count` rows from `first` on have together; none: from is not before to. */
static struct ink_span
join_rows(const struct ink_span *spans, int first, int count, int height)
{
    struct ink_span all = {INT16_MAX, 0};

    for (int i = limited(first, height); i < limited(first + count, height); i++)
        /* NOLINTNEXTLINE(clang-analyzer-core.*): the caller wrote `height` of them */
        if (spans[i].from < spans[i].to) {
            all.from = spans[i].from < all.from ? spans[i].from : all.from;
            all.to = spans[i].to > all.to ? spans[i].to : all.to;
        }
    return all;
}

/* Where ink reaches in a convolution's outputs, or in its windows. */
static void
spread_ink(const struct ink_plan_node *at, const struct ink_span *spans, struct ink_span *out_spans)
{
    int step = at->pooled >= 0 ? 2 : 1, pad = at->node->pad;

    for (int i = 0; i < at->kept.height; i++) {
        struct ink_span all =
            join_rows(spans, i * step - pad, at->conv.kernel_height + step - 1, at->in.height);

        if (all.from >= all.to) {
            out_spans[i] = (struct ink_span){0, 0};
            continue;
        }
        all.from = limited(all.from + pad - (at->conv.kernel_width - 1), at->out.width);
        all.to = limited(all.to + pad, at->out.width);
        out_spans[i].from = limited(all.from / step, at->kept.width);
        out_spans[i].to = limited((all.to + step - 1) / step, at->kept.width);
    }
}

/* Back to the picture, and forward again. */
void
ink_run_find_spans(const struct ink_run *run, int index, size_t n, struct ink_span *out_spans)
{
    const struct ink_plan_node *at = &run->plan->node[index];
    struct ink_span before[INK_SPAN_MAX];

    if (index == 0) {
        find_ink(ink_run_value(run, 0) + n * ink_shape_count(at->out), at->out, out_spans);
    } else if (at->is_alias) {
        ink_run_find_spans(run, at->node->input[0], n, out_spans);
    } else {
        ink_run_find_spans(run, at->node->input[0], n, before);
        spread_ink(at, before, out_spans);
    }
}

/* What all windows of a row are where nothing was drawn. */
struct blank {
    size_t channels;
    const float *y;
    const uint8_t *place; /* NULL until a first one is there to copy */
};

/* Windows from..to - 1 of a row. */
static void
fill_row(const struct ink_plan_node *at, int from, int to, struct blank *blank, float *y,
         uint8_t *place)
{
    size_t channels = blank->channels, first = (size_t)from * channels;

    if (from >= to)
        return;
    memcpy(y + first, blank->y, (size_t)(to - from) * channels * sizeof(*y));
    if (!place)
        return;
    if (blank->place)
        memcpy(place + first, blank->place, channels);
    for (size_t c = 0; c < channels && !blank->place; c++)
        place[first + c] = at->has_relu && !(blank->y[c] > 0) ? INK_POOLED_DEAD : 0;
    repeat(place + first, channels, (size_t)(to - from));
    blank->place = place + first;
}

void
ink_run_fill_blank(const struct ink_run *run, const struct ink_plan_node *at,
                   const struct ink_span *spans, float *y, uint8_t *place)
{
    struct blank blank = {ink_channels_of(at->out), run->workspace->blank + at->blank_at, NULL};
    size_t row = (size_t)at->kept.width * blank.channels;

    for (int i = 0; i < at->kept.height; i++, y += row, place += place ? row : 0) {
        fill_row(at, 0, spans[i].from, &blank, y, place);
        fill_row(at, spans[i].to, at->kept.width, &blank, y, place);
    }
}
