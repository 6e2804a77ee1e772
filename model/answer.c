/* SPDX-License-Identifier: MIT */
#include "model/answer.h"

#include <stdlib.h>
#include <string.h>

/* Floats of a dense layer's weights that are worth reading for a picture more or less, and how many
 * pictures' activations are worth their room. */
enum { WEIGHTS_EACH = 1 << 14, PART_LEAST = 14, PART_MOST = 128 };

/* Pictures that are computed together: the larger the dense layers' weights, which are read once
 * for all of them, the more. */
static size_t
part_most(const struct ink_plan *plan)
{
    size_t weights = (plan->parameter_size - plan->share_size) / WEIGHTS_EACH;

    return weights < PART_LEAST ? PART_LEAST : weights > PART_MOST ? PART_MOST : weights;
}

/* Parts of about the same size, as many for each thread, none larger than `most`. */
static size_t
part_size(size_t count, size_t threads, size_t most)
{
    size_t rounds = (count + most * threads - 1) / (most * threads);

    return count > 0 ? (count + rounds * threads - 1) / (rounds * threads) : 1;
}

enum ink_status
ink_answer_init(struct ink_answer *answer, const struct ink_snapshot *snapshot, size_t count,
                struct ink_compute compute, struct ink_pool *pool, struct ink_err *err)
{
    const struct ink_arch *arch = ink_snapshot_arch(snapshot);
    enum ink_status status;

    *answer = (struct ink_answer){.snapshot = ink_snapshot_ref(snapshot),
                                  .kernels = ink_engine_kernels(compute.engine),
                                  .pool = pool,
                                  .thread_count = pool ? ink_pool_thread_count(pool) : 1};
    status = ink_precision_choose(compute.precision, answer->kernels, &compute.precision, err);
    if (!status)
        status = ink_plan_create(arch, INK_USE_ANSWER, compute.precision, &answer->plan, err);
    if (!status) {
        answer->capacity =
            (int)part_size(count, (size_t)answer->thread_count, part_most(answer->plan));
        if (answer->capacity == 1)
            ink_plan_alone(answer->plan);
        answer->block = ink_floats(ink_plan_block_size(answer->plan));
        answer->workspace = calloc((size_t)answer->thread_count, sizeof(*answer->workspace));
        if (!answer->block || !answer->workspace)
            status = ink_fail(err, INK_NOMEM, "no memory for a predictor");
    }
    for (int i = 0; !status && i < answer->thread_count; i++)
        status = ink_workspace_init(&answer->workspace[i], answer->plan, answer->capacity, err);
    if (status) {
        ink_answer_fini(answer);
        return status;
    }
    ink_plan_pack(answer->plan, snapshot, answer->block);
    return INK_OK;
}

void
ink_answer_fini(struct ink_answer *answer)
{
    for (int i = 0; answer->workspace && i < answer->thread_count; i++)
        ink_workspace_fini(&answer->workspace[i]);
    free(answer->workspace);
    free(answer->block);
    ink_plan_destroy(&answer->plan);
    ink_snapshot_unrefp(&answer->snapshot);
    *answer = (struct ink_answer){0};
}

/* One call of ink_answer_run: threads take parts until none is left. */
struct job {
    struct ink_answer *answer;
    struct ink_pictures pictures;
    const atomic_bool *cancel;
    float *out;
    size_t size;        /* pictures of a part */
    atomic_size_t next; /* first picture that nobody has taken */
    atomic_bool is_cancelled;
};

static void
answer_part(const struct job *job, struct ink_workspace *workspace, size_t first, size_t count)
{
    const struct ink_plan *plan = job->answer->plan;
    float *input = ink_net_value(plan, workspace, 0, 0);
    const float *scores;

    if (job->pictures.pixels)
        memcpy(input, job->pictures.pixels + first * INK_PICTURE_SIZE,
               count * INK_PICTURE_SIZE * sizeof(*input));
    else
        job->answer->kernels->pixels(count * INK_PICTURE_SIZE,
                                     job->pictures.rows + first * INK_PICTURE_SIZE, input);
    ink_net_forward(plan, job->answer->kernels, job->answer->block, NULL, workspace, (int)count);
    scores = ink_net_scores(plan, workspace);
    for (size_t i = 0; i < count; i++)
        ink_softmax(scores + i * INK_CLASS_COUNT, job->out + (first + i) * INK_CLASS_COUNT);
}

static void
work(void *self, int thread)
{
    struct job *job = self;
    size_t size = job->size;

    for (;;) {
        size_t first = atomic_fetch_add(&job->next, size);
        size_t left = first < job->pictures.count ? job->pictures.count - first : 0;

        if (left == 0)
            return;
        if (job->cancel && atomic_load(job->cancel)) {
            atomic_store(&job->is_cancelled, true);
            return;
        }
        answer_part(job, &job->answer->workspace[thread], first, left < size ? left : size);
    }
}

bool
ink_answer_run(struct ink_answer *answer, struct ink_pictures pictures, const atomic_bool *cancel,
               float *out_probabilities)
{
    struct job job = {
        .answer = answer,
        .pictures = pictures,
        .cancel = cancel,
        .size = part_size(pictures.count, (size_t)answer->thread_count, (size_t)answer->capacity)};

    job.out = out_probabilities;
    if (answer->pool && pictures.count > 1)
        ink_pool_run(answer->pool, work, &job);
    else
        work(&job, 0);
    return !atomic_load(&job.is_cancelled);
}
