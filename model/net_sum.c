/* SPDX-License-Identifier: MIT */
/*
 * net_sum: additions, most of which need no pass of their own.
 *
 * Forward, the last input to be computed, if it is a convolution, starts its sums with the other
 * input's numbers and writes the sum. Backward, the gradient of a sum is that of each of its
 * inputs: they share its memory as long as one of them does not add to it what others have yet to
 * read.
 */
#include <string.h>

#include "model/net_norm.h"

/* ---- the plan ---- */

/* When a node is computed: a twin with its lead. */
static int
turn_of(const struct ink_plan *plan, int index)
{
    return plan->node[index].lead >= 0 ? plan->node[index].lead : index;
}

/* How often others than node `reader` read node `input`; the last of them. */
static int
other_users(const struct ink_plan *plan, int input, int reader, int *out_last)
{
    int count = 0;

    *out_last = -1;
    for (int i = input + 1; i < plan->node_count; i++)
        for (int j = 0; j < plan->node[i].node->input_count; j++)
            if (plan->node[i].node->input[j] == input && i != reader) {
                count++;
                *out_last = turn_of(plan, i) > *out_last ? turn_of(plan, i) : *out_last;
            }
    return count;
}

/* A convolution that is nothing but an input of this add, and wants its output for nothing. */
static bool
is_only_added(const struct ink_plan *plan, int input, int add)
{
    const struct ink_plan_node *at = &plan->node[input];
    int last;

    return at->node->op == INK_OP_CONV && !at->has_relu && at->pooled < 0 && !at->is_alias &&
           other_users(plan, input, add, &last) == 0;
}

static void
plan_sum(struct ink_plan *plan, int index)
{
    const int *input = plan->node[index].node->input;
    int last, other;

    if (plan->node[index].node->input_count != 2 || input[0] == input[1])
        return;
    last = turn_of(plan, input[0]) > turn_of(plan, input[1]) ? input[0] : input[1];
    other = last == input[0] ? input[1] : input[0];
    if (turn_of(plan, last) == turn_of(plan, other) || plan->node[last].lead >= 0 ||
        plan->node[last].has_bias || !is_only_added(plan, last, index))
        return;
    plan->node[index].is_summed = true;
    plan->node[last].sum = index;
    plan->node[last].start = other;
    if (is_only_added(plan, other, index))
        plan->node[other].sum = index;
}

/* Convolutions only read their gradient; turns[root] is when the last one of those with the same
 * memory does. One more input may add to it, after that. */
static void
plan_loan(struct ink_plan *plan, int index, int turns[static INK_ARCH_NODE_MAX])
{
    const struct ink_plan_node *add = &plan->node[index];
    int root = index, more = -1;

    while (plan->node[root].lent >= 0)
        root = plan->node[root].lent;
    for (int j = 0; j < add->node->input_count; j++) {
        int i = add->node->input[j], last, users = other_users(plan, i, index, &last);
        struct ink_plan_node *in = &plan->node[i];

        if (!in->needs_gradient || add->adds[j] || in->is_alias || in->is_in_place || in->lent >= 0)
            continue;
        if (is_only_added(plan, i, index)) {
            in->lent = index;
            turns[root] = turn_of(plan, i) < turns[root] ? turn_of(plan, i) : turns[root];
        } else if (in->node->op == INK_OP_ADD ||
                   (in->node->op == INK_OP_CONV && !in->has_relu && in->pooled < 0 && users > 0)) {
            more = i;
        }
    }
    if (more >= 0) {
        int last;

        (void)other_users(plan, more, index, &last);
        if (last < turns[root])
            plan->node[more].lent = index;
    }
}

void
ink_plan_sums(struct ink_plan *plan)
{
    int turns[INK_ARCH_NODE_MAX];

    for (int i = plan->node_count - 1; i > 0; i--) {
        turns[i] = i;
        if (plan->node[i].node->op != INK_OP_ADD || plan->use == INK_USE_LOOK)
            continue;
        plan_sum(plan, i);
        if (plan->use == INK_USE_TRAIN)
            plan_loan(plan, i, turns);
    }
}

/* ---- forward ---- */

const float *
ink_run_start(const struct ink_run *run, const struct ink_plan_node *at, size_t n)
{
    return at->start < 0 ? NULL : ink_run_value(run, at->start) + n * ink_shape_count(at->out);
}

/* Picture by picture, so that the sum is in the cache when it is measured. */
void
ink_run_add(const struct ink_run *run, const struct ink_plan_node *at, float *y)
{
    size_t size = ink_shape_count(at->out);

    for (size_t n = 0; n < (size_t)run->count; n++) {
        memcpy(y + n * size, ink_run_value(run, at->node->input[0]) + n * size, size * sizeof(*y));
        for (int j = 1; j < at->node->input_count; j++)
            run->kernels->add(size, ink_run_value(run, at->node->input[j]) + n * size,
                              y + n * size);
        ink_norm_wrote(run, at, n);
    }
}

/* ---- backward ---- */

void
ink_run_add_back(const struct ink_run *run, const struct ink_plan_node *at, const float *dy)
{
    int index = (int)(at - run->plan->node);
    size_t count = ink_shape_count(at->out) * (size_t)run->count;

    for (int j = 0; j < at->node->input_count; j++) {
        int input = at->node->input[j];

        if (!run->plan->node[input].needs_gradient || run->plan->node[input].lent == index)
            continue;
        if (at->adds[j])
            run->kernels->add(count, dy, ink_run_gradient(run, input));
        else
            memcpy(ink_run_gradient(run, input), dy, count * sizeof(*dy));
    }
}
