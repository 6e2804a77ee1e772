/* SPDX-License-Identifier: MIT */
#include "model/optimizer.h"

#include <math.h>
#include <stdlib.h>

#define PI 3.14159265358979323846

/* One-cycle: what the highest rate is divided by at the start and at the end. */
static const double start_share = 25, end_share = 250000;

enum ink_status
ink_optimizer_init(struct ink_optimizer_state *state, const struct ink_train_options *options,
                   const struct ink_plan *plan, struct ink_err *err)
{
    *state = (struct ink_optimizer_state){.options = options, .plan = plan};
    state->mean = ink_floats(plan->parameter_size);
    if (options->optimizer != INK_SGD)
        state->square = ink_floats(plan->parameter_size);
    if (!state->mean || (options->optimizer != INK_SGD && !state->square)) {
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

/* block[from..to), cut to [first, first + size) */
static void
step_part(const struct ink_optimizer_state *state, const struct ink_kernels *kernels,
          const struct ink_step *step, const float *gradient, float *block, size_t from, size_t to)
{
    if (from >= to)
        return;
    if (state->options->optimizer == INK_SGD)
        kernels->sgd(step, to - from, gradient + from, state->mean + from, block + from);
    else
        kernels->adam(step, to - from, gradient + from, state->mean + from, state->square + from,
                      block + from);
}

static size_t
clamp(size_t value, size_t low, size_t high)
{
    return value < low ? low : value > high ? high : value;
}

void
ink_optimizer_step(const struct ink_optimizer_state *state, const struct ink_kernels *kernels,
                   int64_t step_number, double rate, const float *gradient, float *block,
                   size_t from, size_t to)
{
    const struct ink_train_options *options = state->options;
    struct ink_step plain = {
        .rate = (float)rate,
        .scale = 1,
        .momentum = (float)options->momentum,
        .beta1 = (float)options->beta1,
        .beta2 = (float)options->beta2,
        .epsilon = 1e-8F,
        .correction1 = (float)(1 / (1 - pow(options->beta1, (double)step_number))),
        .correction2 = (float)(1 / (1 - pow(options->beta2, (double)step_number))),
    };
    struct ink_step decayed = plain;

    if (options->optimizer == INK_ADAMW)
        decayed.shrink = (float)(rate * options->weight_decay);
    else
        decayed.decay = (float)options->weight_decay;
    for (int i = 0; i < state->plan->node_count; i++) {
        const struct ink_plan_node *at = &state->plan->node[i];
        size_t weights = clamp(at->weight_at, from, to), biases = clamp(at->bias_at, from, to);
        size_t end = clamp(at->bias_at + ink_plan_bias_size(at), from, to);
        bool is_norm = at->node->op == INK_OP_BATCHNORM;

        if (at->node->weight_count == 0)
            continue;
        step_part(state, kernels, is_norm ? &plain : &decayed, gradient, block, weights, biases);
        step_part(state, kernels, &plain, gradient, block, biases, end);
    }
}

/* From a at 0 to b at 1 along half a cosine. */
static double
cosine(double a, double b, double share)
{
    return b + (a - b) * (1 + cos(PI * share)) / 2;
}

double
ink_schedule_rate(const struct ink_train_options *options, int64_t step, int64_t step_count)
{
    double rate = options->learning_rate, at, top;

    if (options->schedule == INK_CONSTANT || step_count < 2)
        return rate;
    at = (double)(step - 1) / (double)(step_count - 1);
    if (options->schedule == INK_COSINE)
        return cosine(rate, 0, at);
    top = options->warm_up;
    if (at < top)
        return cosine(rate / start_share, rate, at / top);
    return cosine(rate, rate / end_share, top < 1 ? (at - top) / (1 - top) : 0);
}
