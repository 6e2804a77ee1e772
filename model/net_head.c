/* SPDX-License-Identifier: MIT */
/*
 * net_head: the first nodes of a network, picture by picture: the head.
 *
 * What they write for a picture stays in the second-level cache until the next
 * of them reads it; for a whole mini-batch it would have to come from memory.
 * Numbers that only they read are kept for one picture. When answering, what
 * follows up to the first dense layer is the body: its weights are larger than
 * that cache, so some pictures go through it together. In training the way
 * back needs them once more: there a convolution of the image itself is done
 * again, which takes less time than to fetch its outputs.
 */
#include <limits.h>

#include "model/net_run.h"

/* Floats of weights that stay in that cache too; in training these are there three times: as they
 * are, turned around, and their gradient. */
enum { WEIGHTS_MAX = 128 * 1024 };

static bool
is_head_op(const struct ink_plan *plan, const struct ink_plan_node *at)
{
    bool is_train = plan->use == INK_USE_TRAIN;

    if (is_train && at->is_bf16 && at->pooled < 0) /* goes back by groups of pictures */
        return false;
    if (at->node->op == INK_OP_DENSE || (is_train && at->node->op == INK_OP_BATCHNORM) ||
        (is_train && ink_tiles_are_few(at)))
        return false;
    if ((is_train && at->twin >= 0) || at->normed >= 0 ||
        (at->sum >= 0 && plan->node[at->sum].measured >= 0))
        return false;
    return at->line < 0 && at->measured < 0 && at->summed < 0 && at->pulled < 0;
}

/* The last node that reads what node `index` wrote. */
static int
last_reader(const struct ink_plan *plan, int index)
{
    int last = -1;

    for (int i = index + 1; i < plan->node_count; i++) {
        const struct ink_plan_node *at = &plan->node[i];

        for (int j = 0; j < at->node->input_count; j++) {
            int reader = i;

            if (at->node->input[j] != index)
                continue;
            if (at->is_alias || at->is_in_place)
                reader = last_reader(plan, i);
            last = reader > last ? reader : last;
        }
    }
    return last < 0 ? INT_MAX : last;
}

/* Whether nobody writes over node `index`. */
static bool
is_left_alone(const struct ink_plan *plan, int index)
{
    for (int i = index + 1; i < plan->node_count; i++)
        if (plan->node[i].node->input[0] == index &&
            (plan->node[i].is_in_place || (plan->node[i].is_alias && !is_left_alone(plan, i))))
            return false;
    return true;
}

void
ink_plan_head(struct ink_plan *plan)
{
    size_t weights = 0, copies = plan->use == INK_USE_TRAIN ? 3 : 1;

    for (plan->head_end = 1; plan->use != INK_USE_LOOK && plan->head_end < plan->node_count;
         plan->head_end++) {
        const struct ink_plan_node *at = &plan->node[plan->head_end];

        weights += at->tiled_size > 0 ? at->tiled_size : copies * at->weight_size;
        if (!is_head_op(plan, at) || weights > WEIGHTS_MAX)
            break;
    }
    plan->body_end = plan->head_end;
    while (plan->use == INK_USE_ANSWER && plan->body_end < plan->node_count &&
           is_head_op(plan, &plan->node[plan->body_end]))
        plan->body_end++;
    for (int i = 1; i < plan->body_end; i++) {
        struct ink_plan_node *at = &plan->node[i];
        bool is_written = !at->is_alias && !at->is_in_place;
        bool is_own = is_written && last_reader(plan, i) < plan->head_end;

        at->is_again = is_own && plan->use == INK_USE_TRAIN && at->node->op == INK_OP_CONV &&
                       at->node->input[0] == 0 && at->in.channels == 1 && at->pooled < 0 &&
                       at->sum < 0 && is_left_alone(plan, i);
        if (is_own && (plan->use == INK_USE_ANSWER || at->is_again))
            at->value_brief = 1;
        else if (is_written && plan->use == INK_USE_ANSWER && last_reader(plan, i) < plan->body_end)
            at->value_brief = INK_BODY_PICTURES;
        at->is_gradient_brief = is_own && plan->use == INK_USE_TRAIN;
    }
}

/* ---- the run ---- */

struct ink_run
ink_run_some(const struct ink_run *run, int first, int most)
{
    struct ink_run some = *run;

    some.first = run->first + first;
    some.count = run->count - first < most ? run->count - first : most;
    return some;
}

struct ink_run
ink_run_one(const struct ink_run *run, int n)
{
    return ink_run_some(run, n, 1);
}

void
ink_run_head(const struct ink_run *run)
{
    for (int n = 0; n < run->count && !ink_run_is_cancelled(run); n++) {
        const struct ink_run one = ink_run_one(run, n);

        for (int i = 1; i < run->plan->head_end; i++)
            ink_run_forward(&one, i);
    }
}

void
ink_run_body(const struct ink_run *run)
{
    const struct ink_plan *plan = run->plan;

    for (int n = 0; n < run->count && !ink_run_is_cancelled(run); n += INK_BODY_PICTURES) {
        const struct ink_run some = ink_run_some(run, n, INK_BODY_PICTURES);

        ink_run_head(&some);
        for (int i = plan->head_end; i < plan->body_end; i++)
            ink_run_forward(&some, i);
    }
}

void
ink_run_again(const struct ink_run *run)
{
    for (int i = 1; i < run->plan->head_end; i++)
        if (run->plan->node[i].is_again)
            ink_run_forward(run, i);
}

void
ink_run_head_back(const struct ink_run *run)
{
    for (int n = 0; n < run->count && !ink_run_is_cancelled(run); n++) {
        const struct ink_run one = ink_run_one(run, n);

        ink_run_again(&one);
        for (int i = run->plan->head_end - 1; i > 0; i--)
            ink_run_backward(&one, i);
    }
}
