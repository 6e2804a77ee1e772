/* SPDX-License-Identifier: MIT */
#ifndef INK_MODEL_NET_DENSE_H
#define INK_MODEL_NET_DENSE_H

/*
 * net_dense: the gradients of dense weights, made where they are used.
 *
 * A dense layer can have more weights than all else together. A gradient of
 * them for each thread, and a pass that adds these up, would cost more time in
 * memory than the arithmetic. So the shares of a mini-batch keep what the
 * gradient is made of, the layer's inputs and its outputs' gradients; once all
 * are there, each thread takes a part of the weights, multiplies these over
 * all shares at once, and hands the gradient over tile by tile, while it is in
 * the cache, to whoever steps on it. Sums are in the order of the pictures:
 * neither threads nor parts change a bit.
 *
 * Threads  any number at once, each with its own part and scratch, while nobody
 *          runs the shares' plan
 */

#include "model/net.h"

/* The gradient of parameters from..from + count; gradient[0] is that of `from`. */
typedef void ink_gradient_fn(void *self, size_t from, size_t count, const float *gradient);

/* Which memory using the gradient of these will need, put behind what is in `soon`. */
typedef void ink_gradient_expect_fn(void *self, size_t from, size_t count, struct ink_soon *soon);

struct ink_dense_job {
    const struct ink_plan *plan;
    const struct ink_kernels *kernels;
    const struct ink_workspace *const *shares; /* after backward, in the order of their pictures */
    int share_count;                           /* those without pictures left out */
    int part, parts;                           /* which part of the weights */
    float *scratch;                            /* [ink_dense_job_size] */
    ink_gradient_fn *use;
    ink_gradient_expect_fn *expect; /* NULL: nothing to fetch */
    void *self;
};

/* Make this part's gradients: all parameters from plan->share_size on, each once. */
void ink_dense_gradients(const struct ink_dense_job *job);

/* Floats of a job's scratch, for mini-batches of up to `pictures`. */
size_t ink_dense_job_size(const struct ink_plan *plan, size_t pictures);

/* Floats that a workspace needs for dense layers' way back. */
size_t ink_dense_scratch_size(const struct ink_plan *plan, size_t pictures);

#endif
