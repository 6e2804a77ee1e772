/* SPDX-License-Identifier: MIT */
#ifndef INK_MODEL_NET_H
#define INK_MODEL_NET_H

/*
 * net: an architecture made ready to be computed.
 *
 * A plan says where each node's numbers are; it is made once per use (training,
 * answering, looking inside) and never changes. Three blocks of memory hold the
 * numbers: the parameters in the kernels' layout (weights, biases, running
 * statistics), the same weights turned around for the way back, and a workspace
 * with one thread's activations and gradients for up to `capacity` pictures.
 *
 *     plan -> pack parameters -> workspace -> forward -> backward
 *
 * Batch normalisation in training takes its statistics over groups of at most
 * INK_NORM_GROUP pictures ("ghost batch normalisation", Hoffer et al. 2017):
 * ink_norm_groups says how many, and they are as even as can be. So results do
 * not depend on how many threads or processes share a mini-batch, as long as
 * each takes whole groups. The running ones move by INK_NORM_MOMENTUM towards
 * the mean of the groups' after each mini-batch.
 *
 * In training, what a batch norm writes is stored only if somebody else than
 * convolutions and pools reads it: these draw its line while they read a picture,
 * and the convolution before it makes the gradient of a picture when it needs it
 * (model/net_norm.h). A pass through memory costs more than the line.
 *
 * The first nodes of a network are computed for one picture after the other, and
 * what only they read is kept for one picture; the others for all, node by node.
 *
 * The gradients of dense weights are not part of the way back: they are made
 * when they are used, tile by tile, from the activations and gradients that
 * all shares of a mini-batch keep (model/net_dense.h). They lie behind all
 * other parameters, from share_size on.
 *
 * Threads  a plan and packed parameters are read by any; a workspace has one owner
 */

#include <stdatomic.h>
#include <stdint.h>

#include "base/rng.h"
#include "model/kernels/kernels.h"
#include "model/precision.h"
#include "model/snapshot.h"

#define INK_NORM_EPSILON  1e-5
#define INK_NORM_MOMENTUM 0.1F

enum { INK_NORM_GROUP = 32, INK_NORM_NUMBERS = 9, INK_BODY_PICTURES = 8 };

enum ink_use {
    INK_USE_ANSWER, /* forward; batch norm folded into the layer before it where that is possible */
    INK_USE_LOOK,   /* forward; every node's output is kept as the architecture has it */
    INK_USE_TRAIN   /* forward and backward */
};

struct ink_plan_node {
    const struct ink_node *node;
    struct ink_shape in; /* of the first input */
    struct ink_shape out;
    struct ink_shape
        flat; /* of a vector that lies as the picture did that it was: that picture's */
    struct ink_shape kept;     /* what of out is in memory: all, or of a pooled conv the pool's */
    struct ink_conv conv;      /* conv and dense; dense: out_width = pictures, set at run time */
    struct ink_conv turned;    /* backward to the input: the conv that does it */
    struct ink_pool_form pool; /* pools */
    size_t weight_at, weight_size; /* in the parameters, in floats, panels */
    size_t tiled_at, tiled_size;   /* the same weights as tiles want them; size 0: no tiles;
                                      in training among the turned weights */
    size_t tiled_back_at;          /* and those for the way back to the input */
    size_t bias_at;                /* [panels][16]; batch norm: shift */
    size_t statistic_at;           /* batch norm: mean, then variance, each [panels][16] */
    size_t turned_at;              /* in the turned weights; not of a dense layer, nor in bf16
                                      where is_tiled_back */
    size_t forward_at;             /* bf16, training: forward weights, among the turned ones, where
                                      there are no tiles; a dense layer's are those of the way back
                                      too */
    size_t value_at, gradient_at;  /* in the workspace, in floats a picture */
    size_t place_at;               /* in the workspace's bytes a picture: pool winners, dropout */
    size_t own_at;                 /* pooled conv, floats in the workspace's pooled */
    size_t moment_at;              /* batch norm, floats in the workspace's moments */
    int folded;                    /* the batch norm that is part of this conv or dense, or -1 */
    int normed;   /* training: the batch norm that is part of this conv (net_first.c), or -1 */
    int line;     /* the batch norm whose line this node draws as it reads, or -1 */
    int measured; /* the batch norm whose input this node is: measured as it is written, or -1 */
    int summed;   /* the batch norm whose gradients this node writes last, or -1 */
    int pulled;   /* the batch norm that this node has its output's gradients from, or -1 */
    int unpooled; /* the pool from whose gradient this batch norm's is made whenever a picture's is
                     read, or -1 */
    int twin;     /* the convolution that this one computes too, from the same input; or -1 */
    int lead;     /* the convolution that computes this one too, or -1 */
    int sum;      /* the add in whose memory this one's outputs are, or -1 */
    int start;    /* what this conv, the last of that add's inputs, adds itself to, or -1 */
    int lent;     /* the add whose gradient is this one's too, in the same memory, or -1 */
    int pooled;   /* the maxpool 2x2 that this conv does in its own pass, or -1 */
    bool has_bias, has_relu; /* of the fused kernel */
    bool is_tiled_back;      /* the way back to its input goes by tiles */
    bool is_bf16;            /* what it multiplies is rounded */
    bool is_packed_bf16;     /* answering: and its weights are so in the parameters */
    bool is_in_rows;         /* a dense layer's, as bf16's dense_one reads them */
    bool is_line;            /* batch norm whose output is not stored: its readers draw it */
    bool is_late;            /* batch norm whose gradient is not stored: see pulled */
    size_t blank_at;         /* in the workspace's blanks, a number a channel */
    bool has_blank;          /* the outputs are all the same where nothing is drawn */
    bool skips_blank;        /* and are not computed there */
    bool is_pooled_away;     /* relu or maxpool that a pooled conv does, both ways */
    bool is_summed;          /* an add that its last input does */
    bool is_alias;           /* nothing to compute: shares its input's numbers */
    bool is_in_place;        /* writes over its input's numbers */
    bool is_shared;          /* others read these numbers too: not to be written over */
    bool is_sign_kept, is_value_kept; /* what the way back needs of the shared numbers */
    bool needs_gradient;              /* some parameter is at or above it */
    bool adds[INK_ARCH_INPUT_MAX];    /* backward: this input's gradient has been written already */
    bool has_padding, has_turned_padding;
    int value_brief;                  /* pictures that its value is kept for: 1 before head_end,
                                         INK_BODY_PICTURES before body_end, or 0 for all */
    bool is_gradient_brief;           /* kept for one picture */
    bool value_stays, gradient_stays; /* and these when the way back is over */
    bool is_again;                    /* its value is computed again on the way back */
};

struct ink_plan {
    const struct ink_arch *arch; /* borrowed */
    enum ink_use use;
    enum ink_precision precision; /* INK_PRECISION_F32 or INK_PRECISION_BF16 */
    int node_count;               /* without a softmax at the end */
    struct ink_plan_node *node;
    size_t parameter_size; /* floats: weights and biases, all panels */
    size_t share_size;     /* of them: not the weights of dense layers, which are the last */
    size_t statistic_size; /* floats behind them: running statistics */
    size_t turned_size;    /* floats */
    size_t value_size;     /* floats a picture: values and gradients */
    size_t staying_size;   /* floats a picture: those of them that stay */
    size_t extra_size;     /* floats a picture: a gradient on its way to be added */
    size_t place_size;     /* bytes a picture */
    size_t moment_size;    /* floats */
    size_t window_size;    /* doubles a group: what net_first.c knows of its pictures' windows */
    size_t window_scratch; /* doubles: while it finds that out, or uses it */
    size_t line_size;      /* floats: the largest picture that is read through a line */
    size_t pull_size;      /* floats: the largest gradient of a picture that is pulled */
    size_t padded_size;    /* floats: one padded picture */
    size_t tiles_size;     /* floats: tiles that are computed together */
    size_t blank_size;     /* floats: what nodes are where nothing is drawn */
    size_t patch_size;     /* floats: the widest window of such a convolution */
    bool has_blanks;       /* some node computes less because of that */
    size_t pooled_size;    /* floats: pooled convs' gradients, as their kernel sums them */
    size_t dense_size;     /* floats: panels of the widest dense layer */
    size_t rounded_size;   /* bf16 numbers: a convolution's largest picture, pairs and all */
    size_t rounded_each;   /* bf16 numbers a picture: the widest dense layer's input or output */
    size_t brief_size;     /* floats: what is not kept for all pictures */
    int head_end;          /* the nodes before it are computed picture by picture (net_head.c) */
    int body_end;          /* and in a plan for answers those before this one, some at a time */
    bool has_norm;
};

/* Numbers of one user of a plan. */
struct ink_workspace {
    int capacity;
    int count;        /* pictures of the last forward */
    int group_count;  /* batch norm's groups among them; the owner's choice, 0 = as many as
                         ink_norm_groups says */
    bool is_borrowed; /* the memory is another one's but for `own` */
    float *block;     /* what the pointers below point into */
    float *own;       /* what `staying` and `statistics` point into */
    float *value;     /* [..][capacity][...], node by node, gradients among them */
    float *staying;   /* the same, of what stays */
    float *extra, *padded;
    float *tiles;      /* inputs and outputs of tiles */
    float *blank;      /* what nodes are where nothing is drawn, and a window of it */
    float *pooled;     /* gradients of pooled convs' weights, on their way to be gathered */
    float *dense;      /* dense layers' way back: gradients turned around */
    uint16_t *rounded; /* what a layer multiplies in bf16 */
    double *windows;   /* of a first convolution with a batch norm, group by group */
    float *moments;    /* batch norm, group by group: INK_NORM_NUMBERS numbers a channel */
    float *lined;      /* a picture that is read through a line */
    float *pulled;     /* a picture's gradient, made when it is read */
    float *brief;      /* values and gradients of one picture or some, node by node */
    float *statistics; /* [plan->statistic_size] mean and variance of this share */
    uint8_t *places;
    struct ink_rng *rng;       /* [capacity] each picture's own; dropout draws from it */
    const atomic_bool *cancel; /* set = leave forward and backward early; the numbers are then of no
                                  use. The owner's choice; NULL = never */
};

/* precision: INK_PRECISION_F32, or INK_PRECISION_BF16 if it is run with kernels that have it;
 * INK_USE_LOOK is float. */
INK_MUST_CHECK enum ink_status ink_plan_create(const struct ink_arch *arch, enum ink_use use,
                                               enum ink_precision precision,
                                               struct ink_plan **out_plan, struct ink_err *err);
void ink_plan_destroy(struct ink_plan **plan);
/* A plan for answers that is run with one picture at a time: before anything is packed. */
void ink_plan_alone(struct ink_plan *plan);

INK_MUST_CHECK enum ink_status ink_workspace_init(struct ink_workspace *workspace,
                                                  const struct ink_plan *plan, int capacity,
                                                  struct ink_err *err);
/*
 * One for pictures that are passed forward and back when those of `lender` were: in the same memory
 * but for what stays, so that it is in the caches. lender: of the same plan; it must live longer.
 */
INK_MUST_CHECK enum ink_status ink_workspace_borrow(struct ink_workspace *workspace,
                                                    const struct ink_plan *plan,
                                                    const struct ink_workspace *lender,
                                                    struct ink_err *err);
void ink_workspace_fini(struct ink_workspace *workspace);

/* INK_TOOBIG if the activations of so many pictures are more than base/limits.h allows. */
INK_MUST_CHECK enum ink_status ink_plan_check_batch(const struct ink_plan *plan, int pictures,
                                                    struct ink_err *err);

/* Groups that batch norm takes `count` pictures in; the first ones have one picture more. */
int ink_norm_groups(int count);
/* The first picture of group 0..groups, the last being the end. */
int ink_norm_group_start(int count, int groups, int group);
/* The group that a picture is in. */
int ink_norm_group_of(int count, int groups, int picture);

/* Floats of a parameter block: weights, biases, statistics and slack. */
size_t ink_plan_block_size(const struct ink_plan *plan);

/* Floats of a node's biases (batch norm: shifts), with the panel's rest. */
size_t ink_plan_bias_size(const struct ink_plan_node *at);

/* A zeroed block of floats, 64-byte aligned, with slack behind it; free() it. NULL: no memory. */
float *ink_floats(size_t count);

/* Between a snapshot's layouts and the kernels'. block [ink_plan_block_size], of zeros. */
void ink_plan_pack(const struct ink_plan *plan, const struct ink_snapshot *snapshot, float *block);
/* Unpack node `index` of a block; any out may be NULL. Not for INK_USE_ANSWER. */
void ink_plan_unpack(const struct ink_plan *plan, const float *block, int index, float *out_weights,
                     float *out_biases, float *out_statistics);
/* The convolutions' weights as the way back wants them, those in bf16 or by tiles also as forward
 * does, and the dense ones that are multiplied in bf16, rounded; part of `parts` of the work, for
 * as many threads. */
void ink_plan_turn(const struct ink_plan *plan, const struct ink_kernels *kernels,
                   const float *block, float *turned, int part, int parts);
/* Of it only the convolutions, or the dense weights among parameters from..to - 1, for those who
 * change these one after the other: a pass over all of them is a pass through memory. */
void ink_plan_turn_convs(const struct ink_plan *plan, const struct ink_kernels *kernels,
                         const float *block, float *turned, int part, int parts);
void ink_plan_round_dense(const struct ink_plan *plan, const struct ink_kernels *kernels,
                          const float *block, float *turned, size_t from, size_t to);

/* Where a node's output for picture `picture` is, [at->kept]; node 0's are the pixels, to be
 * filled. */
float *ink_net_value(const struct ink_plan *plan, const struct ink_workspace *workspace,
                     int node_index, int picture);
float *ink_net_gradient(const struct ink_plan *plan, const struct ink_workspace *workspace,
                        int node_index, int picture);
/* The scores: [count][10], one behind the other. */
float *ink_net_scores(const struct ink_plan *plan, const struct ink_workspace *workspace);

/* Compute all nodes for the `count` pictures in node 0. turned: NULL if not for training. */
void ink_net_forward(const struct ink_plan *plan, const struct ink_kernels *kernels,
                     const float *block, const float *turned, struct ink_workspace *workspace,
                     int count);

/* The nodes from the first dense layer on, with which all is there that the gradients of dense
 * weights are made of; and those before it, afterwards, which do not read these weights. */
enum ink_net_back {
    INK_NET_BACK_DENSE = 1,
    INK_NET_BACK_REST = 2,
    INK_NET_BACK_ALL = INK_NET_BACK_DENSE | INK_NET_BACK_REST
};

/*
 * From the scores' gradient (in ink_net_gradient of the last node) to those of
 * all parameters but dense weights. INK_USE_TRAIN only, after forward of the
 * same pictures; once, since gradients are written over values.
 *
 *   out_gradient   [plan->share_size] as the parameters lie in block; overwritten
 */
void ink_net_backward(const struct ink_plan *plan, const struct ink_kernels *kernels,
                      const float *block, const float *turned, struct ink_workspace *workspace,
                      int count, enum ink_net_back part, float *out_gradient);

/* Softmax of 10 scores. */
void ink_softmax(const float *scores, float *out_probabilities);

#endif
