/* SPDX-License-Identifier: MIT */
#include "model/optimizer.h"

#include <math.h>
#include <stdlib.h>

enum ink_status
ink_optimizer_init(struct ink_optimizer_state *state, const struct ink_train_options *options,
                   const struct ink_plan *plan, struct ink_err *err)
{
    bool has_square = options->optimizer != INK_SGD && options->optimizer != INK_NESTEROV;

    *state = (struct ink_optimizer_state){.options = options, .plan = plan};
    state->mean = ink_floats(plan->parameter_size);
    if (has_square)
        state->square = ink_floats(plan->parameter_size);
    if (!state->mean || (has_square && !state->square)) {
        ink_optimizer_fini(state);
        return ink_fail(err, INK_NOMEM, "no memory for the optimizer of %zu weights",
                        plan->parameter_size);
    }
    return INK_OK;
}

void
ink_optimizer_fini(struct ink_optimizer_state *state)
{
    free(state->mean);
    free(state->square);
    *state = (struct ink_optimizer_state){0};
}

size_t
ink_optimizer_blocks(const struct ink_optimizer_state *state,
                     struct ink_optimizer_block out[static INK_OPTIMIZER_BLOCK_MAX])
{
    size_t count = 0;

    if (state->mean)
        out[count++] = (struct ink_optimizer_block){"mean", state->mean};
    if (state->square)
        out[count++] = (struct ink_optimizer_block){"square", state->square};
    return count;
}

double
ink_optimizer_epsilon(const struct ink_train_options *options)
{
    if (options->epsilon >= 0)
        return options->epsilon;
    return options->optimizer == INK_ADADELTA ? 1e-6 : 1e-8;
}

struct ink_optimizer_step
ink_optimizer_step(const struct ink_train_options *options, int64_t step, double rate, double scale)
{
    struct ink_step plain = {
        .rate = (float)rate,
        .scale = (float)scale,
        .momentum = (float)options->momentum,
        .beta1 = (float)options->beta1,
        .beta2 = (float)options->beta2,
        .rho = (float)options->rho,
        .epsilon = (float)ink_optimizer_epsilon(options),
        .is_nesterov = options->optimizer == INK_NESTEROV,
        .correction1 = (float)(1 / (1 - pow(options->beta1, (double)step))),
        .correction2 = (float)(1 / (1 - pow(options->beta2, (double)step))),
    };
    struct ink_optimizer_step both = {.plain = plain, .decayed = plain};

    if (options->optimizer == INK_ADAMW)
        both.decayed.shrink = (float)(rate * options->weight_decay);
    else
        both.decayed.decay = (float)options->weight_decay;
    return both;
}

static void
expect(struct ink_soon *soon, const float *numbers, struct ink_range range)
{
    if (numbers && soon->count < INK_SOON_MAX) {
        soon->part[soon->count].at = numbers + range.from;
        soon->part[soon->count++].size = (range.to - range.from) * sizeof(*numbers);
    }
}

void
ink_optimizer_expect(const struct ink_optimizer_state *state, const float *block,
                     struct ink_range range, struct ink_soon *soon)
{
    expect(soon, block, range);
    expect(soon, state->mean, range);
    expect(soon, state->square, range);
}

static size_t
clamp(size_t value, struct ink_range range)
{
    return value < range.from ? range.from : value > range.to ? range.to : value;
}

/* block[range] by its gradient. */
static void
use(const struct ink_optimizer_state *state, const struct ink_kernels *kernels,
    const struct ink_step *step, const float *gradient, float *block, struct ink_range range)
{
    size_t from = range.from, count = range.to - from;

    switch (state->options->optimizer) {
    case INK_SGD:
    case INK_NESTEROV:
        kernels->sgd(step, count, gradient, state->mean + from, block + from);
        break;
    case INK_ADAM:
    case INK_ADAMW:
        kernels->adam(step, count, gradient, state->mean + from, state->square + from,
                      block + from);
        break;
    case INK_ADADELTA:
        kernels->adadelta(step, count, gradient, state->mean + from, state->square + from,
                          block + from);
        break;
    }
}

void
ink_optimizer_apply(const struct ink_optimizer_state *state, const struct ink_kernels *kernels,
                    const struct ink_optimizer_step *step, const float *gradient, float *block,
                    struct ink_range range)
{
    if (range.from >= state->plan->share_size) { /* weights of dense layers, all of them */
        use(state, kernels, &step->decayed, gradient, block, range);
        return;
    }
    for (int i = 0; i < state->plan->node_count; i++) {
        const struct ink_plan_node *at = &state->plan->node[i];
        const struct ink_range parts[] = {
            {at->weight_at, at->weight_at + at->weight_size},
            {at->bias_at, at->bias_at + ink_plan_bias_size(at)},
        };

        if (at->node->weight_count == 0)
            continue;
        for (int part = 0; part < 2; part++) {
            size_t from = clamp(parts[part].from, range), to = clamp(parts[part].to, range);
            bool is_decayed = part == 0 && at->node->op != INK_OP_BATCHNORM;
            const struct ink_step *how = is_decayed ? &step->decayed : &step->plain;

            if (from >= to)
                continue;
            use(state, kernels, how, gradient + (from - range.from), block,
                (struct ink_range){from, to});
        }
    }
}
