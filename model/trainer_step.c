/* SPDX-License-Identifier: MIT */
/* trainer_step: one mini-batch, on all threads at once. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

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

/* Loss of one picture, and its gradient over the whole mini-batch, into gradient[10]. */
static double
score_loss(const struct ink_trainer *trainer, const float *scores, int label, float *gradient)
{
    double smoothing = trainer->options->label_smoothing, highest = (double)scores[0], sum = 0;
    double loss = 0, share = 1 / (double)trainer->batch_count;

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
    return loss;
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
    ink_net_forward(plan, trainer->kernels, trainer->block, &share->workspace, share->count);
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

/* Running statistics move towards the mean of the shares', weighted by their pictures. */
static void
move_statistics(struct ink_trainer *trainer)
{
    float *running = trainer->block + trainer->plan->parameter_size;

    for (size_t i = 0; i < trainer->plan->statistic_size; i++) {
        double mean = 0;

        for (int t = 0; t < trainer->thread_count; t++)
            mean += (double)trainer->share[t].workspace.statistics[i] * trainer->share[t].count;
        mean /= (double)trainer->batch_count;
        running[i] += INK_NORM_MOMENTUM * ((float)mean - running[i]);
    }
}

/* The average starts as a plain mean: its decay grows to what was asked for. */
static float
average_decay(const struct ink_trainer *trainer)
{
    double step = (double)trainer->history.progress.step;

    return (float)fmin(trainer->options->average, (1 + step) / (10 + step));
}

/* A part of all weights: sum the shares' gradients in their order, step, average. */
static void
update_part(struct ink_trainer *trainer, size_t from, size_t to)
{
    float *sum = trainer->share[0].gradient;

    for (int t = 1; t < trainer->thread_count; t++)
        if (trainer->share[t].count > 0)
            trainer->kernels->add(to - from, trainer->share[t].gradient + from, sum + from);
    ink_optimizer_step(&trainer->optimizer, trainer->kernels, trainer->history.progress.step + 1,
                       trainer->rate, sum, trainer->block, from, to);
    if (trainer->average)
        trainer->kernels->average(to - from, average_decay(trainer), trainer->block + from,
                                  trainer->average + from);
}

static void
step_work(void *self, int thread)
{
    struct ink_trainer *trainer = self;
    struct ink_share *share = &trainer->share[thread];
    size_t threads = (size_t)trainer->thread_count, number = (size_t)thread;
    size_t first = trainer->batch_count * number / threads;
    size_t panel_count = trainer->plan->parameter_size / INK_PANEL;
    size_t parameters = trainer->plan->parameter_size;

    share->count = (int)(trainer->batch_count * (number + 1) / threads - first);
    share->loss = 0;
    share->correct = 0;
    if (share->count > 0)
        learn_share(trainer, share, first);
    else if (thread == 0) /* more threads than pictures: the sum starts here all the same */
        memset(share->gradient, 0, parameters * sizeof(*share->gradient));
    if (ink_trainer_is_cancelled(trainer))
        atomic_store(&trainer->is_dropped, true);
    ink_pool_barrier(trainer->pool);
    if (atomic_load(&trainer->is_dropped))
        return;

    update_part(trainer, panel_count * number / threads * INK_PANEL,
                panel_count * (number + 1) / threads * INK_PANEL);
    if (thread == 0) {
        move_statistics(trainer);
        if (trainer->average)
            trainer->kernels->average(trainer->plan->statistic_size, average_decay(trainer),
                                      trainer->block + parameters, trainer->average + parameters);
    }
    ink_pool_barrier(trainer->pool);

    ink_plan_turn(trainer->plan, trainer->block, trainer->turned, thread, trainer->thread_count);
}

enum ink_status
ink_trainer_step(struct ink_trainer *trainer, double *out_loss, double *out_accuracy,
                 struct ink_err *err)
{
    double loss = 0;
    int correct = 0;

    ink_pool_run(trainer->pool, step_work, trainer);
    if (atomic_load(&trainer->is_dropped))
        return ink_fail(err, INK_CANCELLED, "cancelled");
    for (int t = 0; t < trainer->thread_count; t++) {
        loss += trainer->share[t].loss;
        correct += trainer->share[t].correct;
    }
    *out_loss = loss / (double)trainer->batch_count;
    *out_accuracy = correct / (double)trainer->batch_count;
    return INK_OK;
}

enum ink_status
ink_trainer_shares_create(struct ink_trainer *trainer, struct ink_err *err)
{
    int threads = trainer->thread_count;
    int capacity = (trainer->options->batch_size + threads - 1) / threads;

    trainer->share = calloc((size_t)threads, sizeof(*trainer->share));
    if (!trainer->share)
        return ink_fail(err, INK_NOMEM, "no memory for %d threads", threads);
    for (int t = 0; t < threads; t++) {
        enum ink_status status =
            ink_workspace_init(&trainer->share[t].workspace, trainer->plan, capacity, err);

        if (status)
            return status;
        trainer->share[t].workspace.cancel = trainer->cancel;
        trainer->share[t].gradient = ink_floats(trainer->plan->parameter_size);
        if (!trainer->share[t].gradient)
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
    }
    free(trainer->share);
}
