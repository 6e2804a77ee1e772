/* SPDX-License-Identifier: MIT */
#ifndef INK_MODEL_NET_NORM_H
#define INK_MODEL_NET_NORM_H

/*
 * net_norm: batch normalisation, woven into the nodes around it.
 *
 * Who computes a node picture by picture calls these in its loop, so that each
 * number of a picture is touched while it is in the cache:
 *
 *     forward    x = ink_norm_input(at, n); compute; ink_norm_wrote(at, n)
 *     backward   dy = ink_norm_gradient(at, n); compute; ink_norm_wrote_back(at, n)
 *
 * All of them do nothing, or give the stored numbers, where no batch norm is
 * near, and outside of training.
 *
 * Threads  the workspace's owner
 */

#include "model/net_run.h"

/* A group of pictures that is measured by itself, and where its numbers are. */
struct ink_norm_group {
    size_t first, count; /* pictures */
    size_t pixels;       /* of a picture */
    struct ink_norm norm;
    float *mean, *inverse, *scale, *shift; /* what norm points to */
    float *sums;                           /* [2][channels] of the way back */
    float *line;                           /* [3][channels] */
};
int ink_norm_group_count(const struct ink_run *run);
struct ink_norm_group ink_norm_group_at(const struct ink_run *run, const struct ink_plan_node *at,
                                        int number);

/* Before the first group of a mini-batch is measured. */
void ink_norm_start(const struct ink_run *run, const struct ink_plan_node *at);
/* From a group's mean, and the sum of squared distances from it (in `inverse` until now), to the
 * line, and to what the running statistics move towards. */
void ink_norm_take_moments(const struct ink_run *run, const struct ink_plan_node *at,
                           const struct ink_norm_group *group);

/* Decide in a plan for training which batch norms are woven in. */
void ink_plan_norms(struct ink_plan *plan);

/* Picture n of what a node reads first; through the batch norm's line if its output is not stored:
 * then in workspace->lined, until the next call. */
const float *ink_norm_input(const struct ink_run *run, const struct ink_plan_node *at, size_t n);

/* The line that picture n is to be read through, for who draws it himself. False: it is not. */
bool ink_norm_line(const struct ink_run *run, const struct ink_plan_node *at, size_t n,
                   struct ink_norm *out_norm);

/* Picture n of a node, or of the sum that it ends, was written: its part in the moments of a batch
 * norm behind. */
void ink_norm_wrote(const struct ink_run *run, const struct ink_plan_node *at, size_t n);

/* The line that makes the gradient of picture n of a node's output, for who draws it himself: as
 * ink_kernels' norm_backward wants it. False: it is stored. */
struct ink_norm_back {
    struct ink_norm norm;
    const float *x, *dy, *abc;
};
bool ink_norm_back(const struct ink_run *run, const struct ink_plan_node *at, size_t n,
                   struct ink_norm_back *out_back);

/* The gradient of picture n of a node's output; if a batch norm behind has not stored it, in
 * workspace->pulled until the next call. */
const float *ink_norm_gradient(const struct ink_run *run, const struct ink_plan_node *at, size_t n);

/* Gradient n of a node's first input was written: its part in the sums of a batch norm before. */
void ink_norm_wrote_back(const struct ink_run *run, const struct ink_plan_node *at, size_t n);

#endif
