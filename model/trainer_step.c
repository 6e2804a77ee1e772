/* SPDX-License-Identifier: MIT */
/* trainer_step: one mini-batch, on all threads at once. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/net_dense.h"
#include "model/trainer_priv.h"

/* Random numbers of one picture of one mini-batch, whoever computes it; shuffles have the odd
 * streams. */
static void
seed_picture(const struct ink_trainer *trainer, size_t position, struct ink_rng *rng)
{
    uint64_t number =
        (uint64_t)trainer->history.progress.step * (uint64_t)trainer->options->batch_size;

    ink_rng_init(rng, trainer->options->seed, 2 * (number + position));
}

/* Weighted loss of one picture, and its gradient over the whole mini-batch, into gradient[10]. */
static double
score_loss(const struct ink_trainer *trainer, const float *scores, int label, float *gradient)
{
    double smoothing = trainer->options->label_smoothing, highest = (double)scores[0], sum = 0;
    double weight = trainer->options->class_weight[label];
    double loss = 0, share = weight / (double)trainer->batch_count;

    for (int c = 1; c < INK_CLASS_COUNT; c++)
        highest = fmax(highest, (double)scores[c]);
    for (int c = 0; c < INK_CLASS_COUNT; c++)
        sum += exp((double)scores[c] - highest);
    for (int c = 0; c < INK_CLASS_COUNT; c++) {
        double log_probability = (double)scores[c] - highest - log(sum);
        double target = smoothing / INK_CLASS_COUNT + (c == label ? 1 - smoothing : 0);

        loss -= target * log_probability;
        gradient[c] = (float)((exp(log_probability) - target) * share);
    }
    return loss * weight;
}

static void
learn_share(struct ink_trainer *trainer, struct ink_share *share, size_t first)
{
    const struct ink_plan *plan = trainer->plan;
    int last = plan->node_count - 1;

    for (int n = 0; n < share->count && !ink_trainer_is_cancelled(trainer); n++) {
        struct ink_rng *rng = &share->workspace.rng[n];
        size_t position = first + (size_t)n;
        size_t row = trainer->order[trainer->batch_first + position];

        seed_picture(trainer, position, rng);
        ink_augment_apply(&trainer->options->augment, rng,
                          trainer->train->pixels + row * INK_PICTURE_SIZE,
                          ink_net_value(plan, &share->workspace, 0, n));
    }
    ink_net_forward(plan, trainer->kernels, trainer->block, trainer->turned, &share->workspace,
                    share->count);
    for (int n = 0; n < share->count; n++) {
        const float *scores = ink_net_value(plan, &share->workspace, last, n);
        int label =
            trainer->train->labels[trainer->order[trainer->batch_first + first + (size_t)n]];
        int answer = 0;

        for (int c = 1; c < INK_CLASS_COUNT; c++)
            if (scores[c] > scores[answer])
                answer = c;
        share->correct += answer == label;
        share->loss +=
            score_loss(trainer, scores, label, ink_net_gradient(plan, &share->workspace, last, n));
    }
    ink_net_backward(plan, trainer->kernels, trainer->block, trainer->turned, &share->workspace,
                     share->count, share->gradient);
}

/* Threads that take pictures of a mini-batch: batch norm's groups are not divided. */
static int
learner_count(const struct ink_trainer *trainer, size_t batch_count)
{
    int most = trainer->plan->has_norm ? ink_norm_groups((int)batch_count) : (int)batch_count;

    return most < trainer->thread_count ? most : trainer->thread_count;
}

/* A thread's share of the mini-batch: its pictures' number, and the first one. */
static size_t
take_share(const struct ink_trainer *trainer, struct ink_share *share, int thread)
{
    int learners = trainer->learner_count, all = (int)trainer->batch_count;
    int groups = ink_norm_groups(all), unit = trainer->plan->has_norm ? groups : all;
    int first = (int)((int64_t)unit * thread / learners);
    int last = (int)((int64_t)unit * (thread + 1) / learners);

    share->count = 0;
    if (thread >= learners)
        return 0;
    share->workspace.group_count = trainer->plan->has_norm ? last - first : 0;
    if (trainer->plan->has_norm) {
        first = ink_norm_group_start(all, groups, first);
        last = ink_norm_group_start(all, groups, last);
    }
    share->count = last - first;
    return (size_t)first;
}

static void
step_work(void *self, int thread)
{
    struct ink_trainer *trainer = self;
    struct ink_share *share = &trainer->share[thread];
    size_t first = take_share(trainer, share, thread);

    share->loss = 0;
    share->correct = 0;
    if (share->count > 0)
        learn_share(trainer, share, first);
    if (ink_trainer_is_cancelled(trainer))
        atomic_store(&trainer->is_dropped, true);
    ink_pool_barrier(trainer->pool);
    if (!atomic_load(&trainer->is_dropped))
        ink_trainer_update(trainer, thread);
}

enum ink_status
ink_trainer_step(struct ink_trainer *trainer, double *out_loss, double *out_accuracy,
                 struct ink_err *err)
{
    double loss = 0;
    int correct = 0;

    trainer->learner_count = learner_count(trainer, trainer->batch_count);
    ink_pool_run(trainer->pool, step_work, trainer);
    if (atomic_load(&trainer->is_dropped))
        return ink_fail(err, INK_CANCELLED, "cancelled");
    for (int t = 0; t < trainer->learner_count; t++) {
        loss += trainer->share[t].loss;
        correct += trainer->share[t].correct;
    }
    *out_loss = loss / (double)trainer->batch_count;
    *out_accuracy = correct / (double)trainer->batch_count;
    return INK_OK;
}

/* Pictures that a share may have. */
static int
capacity_of(const struct ink_trainer *trainer)
{
    int batch = trainer->options->batch_size;
    int learners = learner_count(trainer, (size_t)batch),
        capacity = (batch + learners - 1) / learners;

    if (trainer->plan->has_norm) {
        int groups = (ink_norm_groups(batch) + learners - 1) / learners;

        capacity = groups * INK_NORM_GROUP < batch ? groups * INK_NORM_GROUP : batch;
    }
    return capacity;
}

enum ink_status
ink_trainer_shares_create(struct ink_trainer *trainer, struct ink_err *err)
{
    int threads = trainer->thread_count, batch = trainer->options->batch_size;
    int learners = learner_count(trainer, (size_t)batch);

    trainer->share = calloc((size_t)threads, sizeof(*trainer->share));
    trainer->passed = calloc((size_t)threads, sizeof(*trainer->passed));
    if (!trainer->share || !trainer->passed)
        return ink_fail(err, INK_NOMEM, "no memory for %d threads", threads);
    for (int t = 0; t < threads; t++) {
        struct ink_share *share = &trainer->share[t];
        enum ink_status status;

        trainer->passed[t] = &share->workspace;
        share->scratch = ink_floats(ink_dense_job_size(trainer->plan, (size_t)batch));
        if (!share->scratch)
            return ink_fail(err, INK_NOMEM, "no memory for %d threads", threads);
        if (t >= learners)
            continue;
        status = ink_workspace_init(&share->workspace, trainer->plan, capacity_of(trainer), err);
        if (status)
            return status;
        share->workspace.cancel = trainer->cancel;
        share->gradient = ink_floats(trainer->plan->share_size);
        if (!share->gradient)
            return ink_fail(err, INK_NOMEM, "no memory for the gradients of %d threads", threads);
    }
    return INK_OK;
}

void
ink_trainer_shares_destroy(struct ink_trainer *trainer)
{
    for (int t = 0; trainer->share && t < trainer->thread_count; t++) {
        ink_workspace_fini(&trainer->share[t].workspace);
        free(trainer->share[t].gradient);
        free(trainer->share[t].scratch);
    }
    free(trainer->share);
    free(trainer->passed);
}
