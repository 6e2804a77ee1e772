/* SPDX-License-Identifier: MIT */
#include "model/predictor.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "model/answer.h"

struct ink_predictor {
    enum ink_engine engine;
    struct ink_pool *pool; /* NULL = the caller's thread alone */
    struct ink_answer answer;
    struct ink_plan *look_plan;
    float *look_block;
    struct ink_workspace look;
    bool is_look_packed;
    float *trace;     /* every node's output, [C][H][W] */
    size_t *trace_at; /* [node_count] */
};

static enum ink_status
create_look(struct ink_predictor *predictor, const struct ink_snapshot *snapshot,
            struct ink_err *err)
{
    const struct ink_arch *arch = ink_snapshot_arch(snapshot);
    size_t size = 0;
    enum ink_status status;

    status = ink_plan_create(arch, INK_USE_LOOK, INK_PRECISION_F32, &predictor->look_plan, err);
    if (!status)
        status = ink_workspace_init(&predictor->look, predictor->look_plan, 1, err);
    if (status)
        return status;
    predictor->look_block = ink_floats(ink_plan_block_size(predictor->look_plan));
    predictor->trace_at = calloc((size_t)arch->node_count, sizeof(*predictor->trace_at));
    for (int i = 0; predictor->trace_at && i < arch->node_count; i++) {
        predictor->trace_at[i] = size;
        size += ink_shape_count(arch->node[i].shape);
    }
    if (size > 0)
        predictor->trace = calloc(size, sizeof(*predictor->trace));
    if (!predictor->look_block || !predictor->trace_at || !predictor->trace)
        return ink_fail(err, INK_NOMEM, "no memory for a predictor");
    return INK_OK;
}

enum ink_status
ink_predictor_create(const struct ink_snapshot *snapshot, int batch_max, int threads,
                     struct ink_compute compute, struct ink_predictor **out_predictor,
                     struct ink_err *err)
{
    INK_CLEANUP(ink_predictor_destroy) struct ink_predictor *predictor = NULL;
    enum ink_status status = INK_OK;

    if (batch_max < 1 || batch_max > INK_PREDICTOR_BATCH_MAX)
        return ink_fail(err, INK_BADARG, "a batch of %d pictures, expected 1 to %d", batch_max,
                        INK_PREDICTOR_BATCH_MAX);
    predictor = calloc(1, sizeof(*predictor));
    if (!predictor)
        return ink_fail(err, INK_NOMEM, "no memory for a predictor");
    predictor->engine = compute.engine;
    if (threads != 1 && batch_max > 1)
        status = ink_pool_create(threads, &predictor->pool, err);
    if (!status)
        status = ink_answer_init(&predictor->answer, snapshot, (size_t)batch_max, compute,
                                 predictor->pool, err);
    if (!status)
        status = create_look(predictor, snapshot, err);
    if (status)
        return status;
    *out_predictor = predictor;
    predictor = NULL;
    return INK_OK;
}

void
ink_predictor_destroy(struct ink_predictor **predictor)
{
    struct ink_predictor *gone = *predictor;

    if (!gone)
        return;
    ink_answer_fini(&gone->answer);
    ink_workspace_fini(&gone->look);
    ink_plan_destroy(&gone->look_plan);
    free(gone->look_block);
    free(gone->trace_at);
    free(gone->trace);
    ink_pool_destroy(&gone->pool);
    free(gone);
    *predictor = NULL;
}

const struct ink_snapshot *
ink_predictor_snapshot(const struct ink_predictor *predictor)
{
    return predictor->answer.snapshot;
}

enum ink_engine
ink_predictor_engine(const struct ink_predictor *predictor)
{
    return predictor->engine;
}

void
ink_predictor_run(struct ink_predictor *predictor, const float *pixels, size_t count,
                  float *out_probabilities)
{
    (void)ink_answer_run(&predictor->answer,
                         (struct ink_pictures){.pixels = pixels, .count = count}, NULL,
                         out_probabilities);
}

void
ink_predictor_trace(struct ink_predictor *predictor, const float *pixels, float *out_probabilities)
{
    const struct ink_plan *plan = predictor->look_plan;

    if (!predictor->is_look_packed) /* not before: many only run */
        ink_plan_pack(plan, predictor->answer.snapshot, predictor->look_block);
    predictor->is_look_packed = true;
    memcpy(ink_net_value(plan, &predictor->look, 0, 0), pixels, INK_PICTURE_SIZE * sizeof(*pixels));
    ink_net_forward(plan, predictor->answer.kernels, predictor->look_block, NULL, &predictor->look,
                    1);
    ink_softmax(ink_net_scores(plan, &predictor->look), out_probabilities);
    for (int i = 0; i < plan->node_count; i++) {
        struct ink_shape shape = plan->node[i].out;
        size_t channels = (size_t)shape.channels, count = ink_shape_count(shape) / channels;
        const float *from = ink_net_value(plan, &predictor->look, i, 0);
        float *to = predictor->trace + predictor->trace_at[i];

        for (size_t c = 0; c < channels; c++)
            for (size_t j = 0; j < count; j++)
                *to++ = from[j * channels + c];
    }
    if (plan->node_count < plan->arch->node_count) /* a softmax at the end */
        memcpy(predictor->trace + predictor->trace_at[plan->node_count], out_probabilities,
               INK_CLASS_COUNT * sizeof(*out_probabilities));
}

const float *
ink_predictor_activation(const struct ink_predictor *predictor, int node_index)
{
    return predictor->trace + predictor->trace_at[node_index];
}
