/* SPDX-License-Identifier: MIT */
#ifndef INK_MODEL_NET_RUN_H
#define INK_MODEL_NET_RUN_H

/*
 * net_run: what the functions of all nodes share while a plan runs.
 *
 * net_plan.c makes the plan, net_workspace.c the memory for it. net_run.c walks
 * through the nodes and has the plain ones, net_head.c through the first of them
 * picture by picture; net_conv.c and net_dense.c have those with weights,
 * net_norm.c batch normalisation.
 *
 * Threads  the workspace's owner
 */

#include "model/net.h"

/* What every node's function needs. */
struct ink_run {
    const struct ink_plan *plan;
    const struct ink_kernels *kernels;
    const float *block, *turned;
    struct ink_workspace *workspace;
    int first, count; /* pictures: 0 and all, but for the head's nodes one of them */
    float *gradient;
};

static inline float *
ink_run_value(const struct ink_run *run, int index)
{
    return ink_net_value(run->plan, run->workspace, index, run->first);
}

static inline float *
ink_run_gradient(const struct ink_run *run, int index)
{
    return ink_net_gradient(run->plan, run->workspace, index, run->first);
}

/* Picture n's, of a run of more than one; also where only one's is kept. */
static inline float *
ink_run_gradient_of(const struct ink_run *run, int index, size_t n)
{
    return ink_net_gradient(run->plan, run->workspace, index, run->first + (int)n);
}

static inline size_t
ink_pixels_of(struct ink_shape shape)
{
    return (size_t)shape.height * (size_t)shape.width;
}

static inline uint8_t *
ink_run_places(const struct ink_run *run, const struct ink_plan_node *at)
{
    return run->workspace->places + at->place_at * (size_t)run->workspace->capacity +
           (size_t)run->first * ink_shape_count(at->kept);
}

static inline size_t
ink_channels_of(struct ink_shape shape)
{
    return (size_t)shape.channels;
}

/* So many numbers, and the rest of their last panel. */
static inline size_t
ink_panels(size_t count)
{
    return (count + INK_PANEL - 1) / INK_PANEL * INK_PANEL;
}

static inline size_t
ink_panel_channels(const struct ink_plan_node *at)
{
    return ink_panels(ink_channels_of(at->out));
}

static inline bool
ink_run_is_cancelled(const struct ink_run *run)
{
    const atomic_bool *cancel = run->workspace->cancel;

    return cancel && atomic_load_explicit(cancel, memory_order_relaxed);
}

/* Whether picture n of the run is the mini-batch's first one, which starts the sums of gradients.
 */
static inline bool
ink_run_is_first(const struct ink_run *run, size_t n)
{
    return (size_t)run->first + n == 0;
}

/* Whether the run has the mini-batch's last picture. */
static inline bool
ink_run_is_last(const struct ink_run *run)
{
    return run->first + run->count == run->workspace->count;
}

/* The nodes that read node `index`: how often it is read, and in out[] the first `most` of them. */
int ink_plan_readers(const struct ink_plan *plan, int index, int *out, int most);
/* The node that alone reads it, or -1, also of none (index -1). */
int ink_plan_reader(const struct ink_plan *plan, int index);

static inline bool
ink_plan_is(const struct ink_plan *plan, int index, enum ink_op op)
{
    return index >= 0 && plan->node[index].node->op == op;
}

/* How a picture is laid into a larger one of zeros. */
struct ink_spread {
    int height, width; /* of the large one */
    int top, left, step;
};

/* A conv's input with its padding, its output's gradient as its turned form reads it. */
struct ink_spread ink_run_input_spread(const struct ink_plan_node *at);
struct ink_spread ink_run_gradient_spread(const struct ink_plan_node *at);
/* Input picture n of a conv, with its padding; through a batch norm's line on the way, if one is
 * not stored. */
const float *ink_run_padded_input(const struct ink_run *run, const struct ink_plan_node *at,
                                  size_t n);

/* Whether a convolution, with all before it planned, is computed by an earlier one. */
void ink_plan_twin(struct ink_plan *plan, int index);

/* Whether a convolution of the image has the batch norm behind it in it (net_first.c), before its
 * parameters are planned; and it, forward and backward: y, dy [count][at->kept]. */
void ink_plan_first(struct ink_plan *plan, int index);
void ink_run_first(const struct ink_run *run, const struct ink_plan_node *at, float *y);
void ink_run_first_back(const struct ink_run *run, const struct ink_plan_node *at, const float *dy);

/* conv and dense: y = act(w x + b); backward: the biases' gradients, a conv's weights' too, and
 * the input's into dx unless that is NULL. */
void ink_run_conv(const struct ink_run *run, const struct ink_plan_node *at, float *y);
void ink_run_conv_back(const struct ink_run *run, const struct ink_plan_node *at, float *dy,
                       float *dx);
/* Numbers of its lead's padded input before that of a twin. */
size_t ink_run_twin_from(const struct ink_run *run, const struct ink_plan_node *twin);
void ink_run_dense(const struct ink_run *run, const struct ink_plan_node *at, const float *x,
                   float *y);
void ink_run_dense_back(const struct ink_run *run, const struct ink_plan_node *at, const float *dy,
                        float *dx);

/* Whether a conv is computed by tiles, and where its weights for that are (net_tiles.c). */
void ink_plan_tiles(struct ink_plan *plan, struct ink_plan_node *at);
void ink_plan_training_tiles(struct ink_plan *plan);
/* Whether a picture has so few tiles that it should go together with others. */
bool ink_tiles_are_few(const struct ink_plan_node *at);
void ink_tiles_pack(const struct ink_plan_node *at, float *block);
/* In bf16, in answers: floats of all weights, 0 if tiles do not pay; and one input's window to one
 * output, put where these are. */
size_t ink_tiles_bf16_size(const struct ink_plan_node *at);
void ink_tiles_put_bf16(const struct ink_plan_node *at, const float window[static 9], size_t out,
                        size_t in, float *weights);
/* What training has of them among the turned weights, part[0] of part[1]: behind the other turned
 * ones of that part. */
void ink_tiles_turn(const struct ink_kernels *kernels, const struct ink_plan_node *at,
                    const float *block, float *turned, const int part[static 2]);
/* All pictures of a conv, with its pool; false, and nothing done, where tiles do not pay. */
bool ink_tiles_run(const struct ink_run *run, const struct ink_plan_node *at);
/* The input's gradient of picture n, from the output's; written with that of the last picture. A
 * batch norm is told. False, and nothing done, where tiles do not pay. */
bool ink_tiles_back(const struct ink_run *run, const struct ink_plan_node *at, size_t n,
                    const float *dy);

/* Where values and gradients are (net_memory.c), with all else planned. */
void ink_plan_memory(struct ink_plan *plan);

/* The gradients of a conv's or dense layer's biases: zero where it has none. */
void ink_run_bias_back(const struct ink_run *run, const struct ink_plan_node *at, const float *dy);

/* Additions (net_sum.c): which ones are done by the convolutions before them, or are nothing but
 * their inputs' gradient; to be planned behind norms and adds. */
void ink_plan_sums(struct ink_plan *plan);
/* What a convolution's sums start with, of picture n, or NULL. */
const float *ink_run_start(const struct ink_run *run, const struct ink_plan_node *at, size_t n);
void ink_run_add(const struct ink_run *run, const struct ink_plan_node *at, float *y);
void ink_run_add_back(const struct ink_run *run, const struct ink_plan_node *at, const float *dy);

/* Rows of the largest picture whose blank margins are looked for. */
enum { INK_SPAN_MAX = 64 };

/* Where nothing is drawn (net_blank.c): which nodes of a plan have outputs that are known there,
 * and what they are. */
void ink_plan_blanks(struct ink_plan *plan);
void ink_run_blanks(const struct ink_run *run);
/* The columns of each row of node `index` that the ink of picture n reaches; of a node with
 * has_blank. out_spans [INK_SPAN_MAX]. */
void ink_run_find_spans(const struct ink_run *run, int index, size_t n, struct ink_span *out_spans);
/* The windows of a pooled convolution that no span has. place: NULL where there is no way back. */
void ink_run_fill_blank(const struct ink_run *run, const struct ink_plan_node *at,
                        const struct ink_span *spans, float *y, uint8_t *place);

/* The nodes before head_end, for one picture after the other (net_head.c). */
void ink_plan_head(struct ink_plan *plan);
void ink_run_head(const struct ink_run *run);
/* And those before body_end. */
void ink_run_body(const struct ink_run *run);
void ink_run_head_back(const struct ink_run *run);
/* A run of pictures first..first + most - 1 of those there are; of picture n alone; and before its
 * way back: what was not kept, once more. */
struct ink_run ink_run_some(const struct ink_run *run, int first, int most);
struct ink_run ink_run_one(const struct ink_run *run, int n);
void ink_run_again(const struct ink_run *run);

/* One node, forward and backward, as ink_net_forward and ink_net_backward have them in turn. */
void ink_run_forward(const struct ink_run *run, int index);
void ink_run_backward(const struct ink_run *run, int index);

/* A convolution with a stride: one picture's dx from its dy, or from that rounded among zeros. */
void ink_run_strided_back(const struct ink_run *run, const struct ink_plan_node *at,
                          const float *dy, const uint16_t *rounded, float *dx);
struct ink_spread ink_run_strided_spread(const struct ink_plan_node *at);

/* The part of a strided convolution's way back that gives each stride-th pixel, both ways, its
 * gradient: a convolution of stride 1 of the output's gradient among zeros. */
struct ink_phase {
    struct ink_conv conv;
    size_t taps_before; /* weights of the phases before it, in taps */
    size_t from;        /* its first pixel in the gradient among zeros */
    size_t to;          /* its first pixel in the input */
    bool is_empty;      /* nothing to compute: no taps, or no pixels */
};

/* number < stride * stride, the row's remainder first. */
void ink_plan_phase(const struct ink_plan_node *at, int number, struct ink_phase *out_phase);
/* Which row of [out][16] in the turned weights tap `tap` of a panel of inputs is. */
size_t ink_plan_turned_tap(const struct ink_plan_node *at, size_t panel, int tap);
/* Floats of `padded` that ink_run_strided_back needs. */
size_t ink_plan_strided_size(const struct ink_plan_node *at);

/* A pool's way back for picture n. */
void ink_run_unpool(const struct ink_run *run, const struct ink_plan_node *at, size_t n);

/* batch norm; dx may be NULL, or dy. */
void ink_run_norm(const struct ink_run *run, const struct ink_plan_node *at, const float *x,
                  float *y);
void ink_run_norm_back(const struct ink_run *run, const struct ink_plan_node *at, const float *dy,
                       float *dx);

#endif
