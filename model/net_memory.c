/* SPDX-License-Identifier: MIT */
/*
 * net_memory: where in a workspace a node's numbers are.
 *
 * In training all values are kept for the way back. There, node by node from
 * the last to the first, a node's value and gradient are read for the last time
 * when it has its turn; behind it, gradients that are written later may take
 * their place. So a network needs little more memory than its values do, and
 * less of it has to come from outside the caches. What dense layers read and
 * their gradients stay when the way back is over: the gradients of their weights
 * are made of all pictures', also of those that were computed in the same memory.
 */
#include "model/net_run.h"

enum {
    TURN_BEFORE = INK_ARCH_NODE_MAX, /* turns go down, from the last node to the first */
    TURN_BEHIND = -1
};

/* A part of the memory, in floats a picture, and the turns that it is kept for. */
struct lot {
    size_t at, size;
    int first, last;
    bool stays;
};

/* The next `size` of a block that grows. */
static size_t
take(size_t *block_size, size_t size)
{
    *block_size += size;
    return *block_size - size;
}

/* The node whose value's memory node `index` has too. */
static int
value_root(const struct ink_plan *plan, int index)
{
    for (;;) {
        const struct ink_plan_node *at = &plan->node[index];

        if (at->is_alias || at->is_in_place || at->is_line)
            index = at->node->input[0];
        else if (at->sum >= 0)
            index = at->sum;
        else
            return index;
    }
}

static int
gradient_root(const struct ink_plan *plan, int index)
{
    for (;;) {
        const struct ink_plan_node *at = &plan->node[index];

        if (at->is_alias || at->is_in_place)
            index = at->node->input[0];
        else if (at->lent >= 0)
            index = at->lent;
        else
            return index;
    }
}

/* When node `index` goes back: a twin with its lead, the head's all in one turn, picture by
 * picture. */
static int
turn_of(const struct ink_plan *plan, int index)
{
    if (plan->node[index].lead >= 0)
        index = plan->node[index].lead;
    return index < plan->head_end ? 0 : index;
}

static void
extend(struct lot *lot, int turn)
{
    lot->first = turn > lot->first ? turn : lot->first;
    lot->last = turn < lot->last ? turn : lot->last;
}

/* From before the way back to the last turn of those who share the memory. */
static void
find_value_turns(const struct ink_plan *plan, struct lot lots[static INK_ARCH_NODE_MAX])
{
    for (int i = 0; i < plan->node_count; i++) {
        const struct ink_node *node = plan->node[i].node;
        int root = value_root(plan, i);

        lots[root].first = TURN_BEFORE;
        extend(&lots[root], i == 0 ? TURN_BEHIND : turn_of(plan, i));
        if (node->op == INK_OP_DENSE)
            lots[value_root(plan, node->input[0])].stays = plan->use == INK_USE_TRAIN;
    }
}

/* From the turn of the first reader of the node, who writes it, to the node's own, or to that of
 * the convolution that pulls it from a batch norm. */
static void
find_gradient_turns(const struct ink_plan *plan, struct lot lots[static INK_ARCH_NODE_MAX])
{
    for (int i = 0; i < plan->node_count; i++) {
        const struct ink_plan_node *at = &plan->node[i];
        struct lot *lot = &lots[gradient_root(plan, i)];

        extend(lot, turn_of(plan, i));
        if (i == plan->node_count - 1)
            extend(lot, TURN_BEFORE);
        lot->stays |= at->node->op == INK_OP_DENSE;
        if (at->pulled >= 0)
            extend(&lots[gradient_root(plan, at->pulled)], turn_of(plan, i));
        if (at->pulled >= 0 && plan->node[at->pulled].unpooled >= 0)
            extend(&lots[gradient_root(plan, plan->node[at->pulled].unpooled)], turn_of(plan, i));
        for (int j = 0; j < at->node->input_count; j++)
            extend(&lots[gradient_root(plan, at->node->input[j])], turn_of(plan, i));
    }
}

/* The lowest place that is free while it is needed; of what stays the next one. */
static void
place(struct ink_plan *plan, struct lot *placed, int *count, struct lot *lot)
{
    if (lot->stays) {
        lot->at = take(&plan->staying_size, lot->size);
        return;
    }
    lot->at = 0;
    for (int i = 0; i < *count; i++) {
        const struct lot *other = &placed[i];

        if (other->last > lot->first || lot->last > other->first ||
            other->at + other->size <= lot->at || lot->at + lot->size <= other->at)
            continue;
        lot->at = other->at + other->size;
        i = -1; /* those before may be in the way there */
    }
    placed[(*count)++] = *lot;
}

static bool
has_gradient(const struct ink_plan *plan, int index)
{
    const struct ink_plan_node *at = &plan->node[index];

    return plan->use == INK_USE_TRAIN && at->needs_gradient && at->pulled < 0 &&
           gradient_root(plan, index) == index;
}

static void
plan_places(struct ink_plan *plan)
{
    for (int i = 0; i < plan->node_count; i++) {
        struct ink_plan_node *at = &plan->node[i];
        bool has_places = at->node->op == INK_OP_MAXPOOL || at->node->op == INK_OP_DROPOUT ||
                          (at->pooled >= 0 && plan->use == INK_USE_TRAIN);

        if (has_places && !at->is_pooled_away)
            at->place_at = take(&plan->place_size, ink_panels(ink_shape_count(at->kept)));
    }
}

/* Those that own their memory. Values are placed first, in their order: the later ones are free
 * first, side by side. */
static void
plan_lots(struct ink_plan *plan, struct lot values[static INK_ARCH_NODE_MAX],
          struct lot gradients[static INK_ARCH_NODE_MAX])
{
    struct lot placed[2 * INK_ARCH_NODE_MAX];
    int count = 0;

    for (int i = 0; i < plan->node_count; i++) {
        struct ink_plan_node *at = &plan->node[i];

        values[i].size = gradients[i].size = ink_panels(ink_shape_count(at->kept));
        if (value_root(plan, i) != i)
            continue;
        if (at->value_brief > 0) {
            at->value_at = take(&plan->brief_size, (size_t)at->value_brief * values[i].size);
            continue;
        }
        place(plan, placed, &count, &values[i]);
        at->value_at = values[i].at;
        at->value_stays = values[i].stays;
    }
    for (int i = plan->node_count - 1; i >= 0; i--) {
        struct ink_plan_node *at = &plan->node[i];

        if (!has_gradient(plan, i))
            continue;
        if (at->is_gradient_brief) {
            at->gradient_at = take(&plan->brief_size, gradients[i].size);
            continue;
        }
        place(plan, placed, &count, &gradients[i]);
        at->gradient_at = gradients[i].at;
        at->gradient_stays = gradients[i].stays;
    }
    for (int i = 0; i < count; i++)
        if (placed[i].at + placed[i].size > plan->value_size)
            plan->value_size = placed[i].at + placed[i].size;
}

void
ink_plan_memory(struct ink_plan *plan)
{
    struct lot values[INK_ARCH_NODE_MAX], gradients[INK_ARCH_NODE_MAX];

    for (int i = 0; i < INK_ARCH_NODE_MAX; i++)
        values[i] = gradients[i] = (struct lot){.first = TURN_BEHIND, .last = TURN_BEFORE};
    find_value_turns(plan, values);
    find_gradient_turns(plan, gradients);
    plan_places(plan);
    plan_lots(plan, values, gradients);
    for (int i = 0; i < plan->node_count; i++) {
        struct ink_plan_node *at = &plan->node[i];
        const struct ink_plan_node *value = &plan->node[value_root(plan, i)];
        const struct ink_plan_node *gradient = &plan->node[gradient_root(plan, i)];

        at->value_at = value->value_at;
        at->value_brief = value->value_brief;
        at->value_stays = value->value_stays;
        at->gradient_at = gradient->gradient_at;
        at->gradient_stays = gradient->gradient_stays;
        at->is_gradient_brief = gradient->is_gradient_brief;
    }
}
