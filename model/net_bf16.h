/* SPDX-License-Identifier: MIT */
#ifndef INK_MODEL_NET_BF16_H
#define INK_MODEL_NET_BF16_H

/*
 * net_bf16: layers with weights that compute in bf16 (model/kernels/bf16.h).
 *
 * Activations and gradients stay float in the workspace; a picture is rounded
 * when a layer reads it, on the way through a batch norm's line and among the
 * padding that it is copied for anyway.
 * The parameters of a plan for training stay float too: what forward and
 * backward multiply is made of them once a step, a convolution's by
 * ink_plan_turn_convs, a dense layer's, one copy for both ways, by who steps on
 * its weights. A plan for answering has its weights as forward wants them, and
 * no others.
 *
 * Threads  as model/net_run.h
 */

#include "model/net_run.h"

/* Floats that a layer's weights take up in pairs, forward. */
size_t ink_bf16_weight_size(const struct ink_conv *conv);
/* Those of a dense layer in rows. */
size_t ink_bf16_rows_size(const struct ink_conv *conv);
/* Where weight [out][in][window] is among them, in numbers of 16 bits. */
size_t ink_bf16_weight_at(const struct ink_conv *conv, size_t out, size_t in, size_t window);

/* Whether the input's gradient is made in bf16 too: not that of a pooled convolution, which has few
 * gradients. */
bool ink_bf16_is_turned(const struct ink_plan_node *at);

/* What a node needs of the workspace's `rounded`. */
void ink_bf16_plan_scratch(struct ink_plan *plan, const struct ink_plan_node *at);

/* As ink_run_conv and so on, without the biases' gradients. */
void ink_bf16_run_conv(const struct ink_run *run, const struct ink_plan_node *at, float *y);
/* How many pictures go back together through a convolution that is not pooled, and its twin. */
size_t ink_bf16_group(const struct ink_plan_node *at);
/* Those from picture `first` on: the gradients of weights that they give, and of their input, from
 * dx on, unless that is NULL; a batch norm before is told. */
void ink_bf16_run_conv_back(const struct ink_run *run, const struct ink_plan_node *at, size_t first,
                            float *dx);
/* One output of a convolution from its window's input. */
void ink_bf16_run_blank(const struct ink_run *run, const struct ink_plan_node *at,
                        const struct ink_conv *one, const float *patch, float *y);
void ink_bf16_run_dense(const struct ink_run *run, const struct ink_plan_node *at, const float *x,
                        float *y);

/* A dense layer's weights in training, [panels][inputs][16] as in float. */
const uint16_t *ink_bf16_dense_copy(const struct ink_run *run, const struct ink_plan_node *at);

/* Weights forward, and with is_back turned around; part[0] of part[1] parts. */
void ink_bf16_turn(const struct ink_bf16 *bf16, const struct ink_plan_node *at, bool is_back,
                   const float *block, float *turned, const int part[static 2]);

#endif
