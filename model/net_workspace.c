/* SPDX-License-Identifier: MIT */
/* net_workspace: the memory that a plan runs in, and where each picture's numbers are in it. */
#define _DEFAULT_SOURCE /* madvise */
#include "model/net_run.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/limits.h"
#include "model/net_dense.h"

enum { PAGE_SIZE = 4096, FRESH_SIZE = 1 << 17 };
enum { HUGE_PAGE_SIZE = 2 << 20, LARGE_SIZE = 2 * HUGE_PAGE_SIZE };

/* Zeros; pages that nobody touches afterwards are not there yet, and take no time. */
static void
clear(void *block, size_t size)
{
    char *start = block, *end = start + size;
    char *first = (char *)(((uintptr_t)start + PAGE_SIZE - 1) / PAGE_SIZE * PAGE_SIZE);
    size_t pages = size / PAGE_SIZE * PAGE_SIZE - PAGE_SIZE;

    if (size < FRESH_SIZE || madvise(first, pages, MADV_DONTNEED) != 0) {
        memset(block, 0, size);
        return;
    }
    memset(start, 0, (size_t)(first - start));
    memset(first + pages, 0, (size_t)(end - first) - pages);
}

float *
ink_floats(size_t count)
{
    size_t size = (ink_panels(count) + INK_KERNEL_SLACK) * sizeof(float);
    size_t whole = size / HUGE_PAGE_SIZE * HUGE_PAGE_SIZE;
    bool is_large = size >= LARGE_SIZE;
    float *block;

    if (count > SIZE_MAX / sizeof(float) / 2)
        return NULL;
    block =
        is_large ? aligned_alloc(HUGE_PAGE_SIZE, whole + HUGE_PAGE_SIZE) : aligned_alloc(64, size);
    if (!block)
        return NULL;
    if (is_large) /* only a wish: it saves most misses of the address cache; the rest stays small */
        (void)madvise(block, whole, MADV_HUGEPAGE);
    clear(block, size);
    return block;
}

enum ink_status
ink_plan_check_batch(const struct ink_plan *plan, int pictures, struct ink_err *err)
{
    size_t each = plan->value_size + plan->staying_size + plan->extra_size + plan->place_size / 4;
    size_t most = INK_LIMIT_BATCH_NUMBERS / each;

    if ((size_t)pictures <= most)
        return INK_OK;
    return ink_fail(err, INK_TOOBIG,
                    "a batch of %d pictures takes %zu MB of activations, the limit is %d: "
                    "expected at most %zu pictures",
                    pictures, each * (size_t)pictures / ((1 << 20) / sizeof(float)),
                    INK_LIMIT_BATCH_NUMBERS / ((1 << 20) / (int)sizeof(float)), most);
}

/* What a workspace does not borrow. */
static enum ink_status
create_own(struct ink_workspace *workspace, const struct ink_plan *plan, struct ink_err *err)
{
    size_t staying = plan->staying_size * (size_t)workspace->capacity + INK_KERNEL_SLACK;

    workspace->own = ink_floats(staying + plan->statistic_size);
    if (!workspace->own) {
        ink_workspace_fini(workspace);
        return ink_fail(err, INK_NOMEM, "no memory for the activations of %d pictures",
                        workspace->capacity);
    }
    workspace->staying = workspace->own;
    workspace->statistics = workspace->own + staying;
    return INK_OK;
}

enum ink_status
ink_workspace_init(struct ink_workspace *workspace, const struct ink_plan *plan, int capacity,
                   struct ink_err *err)
{
    size_t pictures = (size_t)capacity, at = 0;
    size_t groups = (size_t)ink_norm_groups(capacity);
    size_t of_dense = plan->rounded_each * pictures;
    size_t rounded_count = of_dense > plan->rounded_size ? of_dense : plan->rounded_size;
    size_t value = 0, extra, padded, blank, pooled, dense, rounded, moments, lined;
    size_t pulled, brief, tiles, windows;

    extra = at += plan->value_size * pictures + INK_KERNEL_SLACK;
    padded = at += plan->extra_size * pictures + INK_KERNEL_SLACK;
    tiles = at += ink_panels(plan->padded_size) + INK_KERNEL_SLACK;
    blank = at += plan->tiles_size + INK_KERNEL_SLACK;
    pooled = at += plan->blank_size + ink_panels(plan->patch_size) + INK_KERNEL_SLACK;
    dense = at += plan->pooled_size + INK_KERNEL_SLACK;
    rounded = at += ink_dense_scratch_size(plan, pictures);
    moments = at += ink_panels(rounded_count / 2) + (size_t)2 * INK_KERNEL_SLACK;
    windows = at += ink_panels(plan->moment_size * groups);
    lined = at += 2 * ink_panels(plan->window_size * groups + plan->window_scratch);
    pulled = at += plan->line_size + INK_KERNEL_SLACK;
    brief = at += plan->pull_size + INK_KERNEL_SLACK;
    at += plan->brief_size + INK_KERNEL_SLACK;

    *workspace = (struct ink_workspace){.capacity = capacity};
    workspace->block = ink_floats(at);
    workspace->places = calloc(plan->place_size * pictures + 1, 1);
    workspace->rng = calloc(pictures, sizeof(*workspace->rng));
    if (!workspace->block || !workspace->places || !workspace->rng) {
        ink_workspace_fini(workspace);
        return ink_fail(err, INK_NOMEM, "no memory for the activations of %d pictures", capacity);
    }
    workspace->value = workspace->block + value;
    workspace->extra = workspace->block + extra;
    workspace->padded = workspace->block + padded;
    workspace->tiles = workspace->block + tiles;
    workspace->blank = workspace->block + blank;
    workspace->pooled = workspace->block + pooled;
    workspace->dense = workspace->block + dense;
    workspace->rounded = (uint16_t *)(workspace->block + rounded);
    workspace->moments = workspace->block + moments;
    workspace->windows = (double *)(workspace->block + windows);
    workspace->lined = workspace->block + lined;
    workspace->pulled = workspace->block + pulled;
    workspace->brief = workspace->block + brief;
    return create_own(workspace, plan, err);
}

enum ink_status
ink_workspace_borrow(struct ink_workspace *workspace, const struct ink_plan *plan,
                     const struct ink_workspace *lender, struct ink_err *err)
{
    *workspace = *lender;
    workspace->is_borrowed = true;
    return create_own(workspace, plan, err);
}

void
ink_workspace_fini(struct ink_workspace *workspace)
{
    if (!workspace->is_borrowed) {
        free(workspace->block);
        free(workspace->places);
        free(workspace->rng);
    }
    free(workspace->own);
    *workspace = (struct ink_workspace){0};
}

/* A picture's numbers among all. */
static float *
numbers_at(const struct ink_workspace *workspace, const struct ink_plan_node *at, bool stays,
           size_t from, int picture)
{
    return (stays ? workspace->staying : workspace->value) + from * (size_t)workspace->capacity +
           (size_t)picture * ink_shape_count(at->kept);
}

float *
ink_net_value(const struct ink_plan *plan, const struct ink_workspace *workspace, int node_index,
              int picture)
{
    const struct ink_plan_node *at = &plan->node[node_index];

    if (at->value_brief > 0)
        return workspace->brief + at->value_at +
               (size_t)(picture % at->value_brief) * ink_shape_count(at->kept);
    return numbers_at(workspace, at, at->value_stays, at->value_at, picture);
}

float *
ink_net_gradient(const struct ink_plan *plan, const struct ink_workspace *workspace, int node_index,
                 int picture)
{
    const struct ink_plan_node *at = &plan->node[node_index];

    assert(at->needs_gradient);
    if (at->is_gradient_brief)
        return workspace->brief + at->gradient_at;
    return numbers_at(workspace, at, at->gradient_stays, at->gradient_at, picture);
}

float *
ink_net_scores(const struct ink_plan *plan, const struct ink_workspace *workspace)
{
    return ink_net_value(plan, workspace, plan->node_count - 1, 0);
}
