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

    share->loss = 0;
    share->correct = 0;
    for (int n = 0; n < share->count && !ink_trainer_is_cancelled(trainer); n++) {
        struct ink_rng *rng = &share->workspace.rng[n];
        size_t position = first + (size_t)n;
        size_t row = trainer->order[trainer->batch_first + position];

        seed_picture(trainer, position, rng);
        ink_augment_apply_with(&trainer->options->augment, trainer->kernels, rng,
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
                     share->count, INK_NET_BACK_DENSE, share->gradient);
}

static void
learn_rest(const struct ink_trainer *trainer, struct ink_share *share)
{
    ink_net_backward(trainer->plan, trainer->kernels, trainer->block, trainer->turned,
                     &share->workspace, share->count, INK_NET_BACK_REST, share->gradient);
}

/*
 * The step of many dense weights waits for memory, the way back through convolutions does not: so
 * every other thread begins with the one, the others with the other. From there on a mini-batch is
 * no longer given up, since weights have moved; with few of them that is not worth while.
 */
enum { MANY_DENSE_WEIGHTS = 1 << 22 };

static bool
has_many_dense_weights(const struct ink_trainer *trainer)
{
    return trainer->plan->parameter_size - trainer->plan->share_size >= MANY_DENSE_WEIGHTS;
}

/* What a mini-batch is divided in: pictures, or batch norm's groups, which are not divided. */
static int
unit_count(const struct ink_trainer *trainer, size_t batch_count)
{
    return trainer->plan->has_norm ? ink_norm_groups((int)batch_count) : (int)batch_count;
}

/* Pictures that a unit has at most. */
static int
unit_size(const struct ink_trainer *trainer)
{
    return trainer->plan->has_norm ? INK_NORM_GROUP : 1;
}

/* The first of this process's units; with `next` 1 that of the process after it. */
static int
first_unit(const struct ink_trainer *trainer, int units, int next)
{
    const struct ink_parallel *parallel = trainer->options->parallel;

    return parallel ? (int)((int64_t)units * (parallel->rank + next) / parallel->size)
                    : units * next;
}

/* Shares that `units` of at most `size` pictures are divided in: as many for each thread, small
 * ones unless weights are stepped in turns, which all pictures must have been passed for. */
static int
count_shares(const struct ink_trainer *trainer, int units, int size)
{
    int learners = units < trainer->thread_count ? units : trainer->thread_count;
    int most = learners > 0 ? (units + learners - 1) / learners * size : 0;
    int each = (most + INK_SHARE_PICTURES - 1) / INK_SHARE_PICTURES;

    if (has_many_dense_weights(trainer))
        return learners;
    return learners * each < units ? learners * each : units;
}

/* Those of a mini-batch in this process. */
static int
share_count(const struct ink_trainer *trainer, size_t batch_count)
{
    int units = unit_count(trainer, batch_count);
    int own = first_unit(trainer, units, 1) - first_unit(trainer, units, 0);

    return count_shares(trainer, own, unit_size(trainer));
}

/* The pictures of share number `number` of the mini-batch; the first one's position. */
static size_t
take_share(const struct ink_trainer *trainer, int number)
{
    struct ink_share *share = trainer->taken[number];
    int shares = trainer->share_count, all = (int)trainer->batch_count;
    int groups = ink_norm_groups(all), units = unit_count(trainer, trainer->batch_count);
    int start = first_unit(trainer, units, 0), own = first_unit(trainer, units, 1) - start;
    int first = start + (int)((int64_t)own * number / shares);
    int last = start + (int)((int64_t)own * (number + 1) / shares);

    share->workspace.group_count = trainer->plan->has_norm ? last - first : 0;
    if (trainer->plan->has_norm) {
        first = ink_norm_group_start(all, groups, first);
        last = ink_norm_group_start(all, groups, last);
    }
    share->count = last - first;
    return (size_t)first;
}

/* The first share of a thread's. */
static int
first_share(const struct ink_trainer *trainer, int thread)
{
    return thread < trainer->learner_count
               ? (int)((int64_t)trainer->share_count * thread / trainer->learner_count)
               : trainer->share_count;
}

/* Which ones the mini-batch's shares are. */
static void
divide(struct ink_trainer *trainer)
{
    trainer->share_count = share_count(trainer, trainer->batch_count);
    for (int t = 0; t < trainer->learner_count; t++)
        for (int first = first_share(trainer, t), i = first; i < first_share(trainer, t + 1); i++) {
            trainer->taken[i] = &trainer->share[t * trainer->share_max + i - first];
            trainer->passed[i] = &trainer->taken[i]->workspace;
        }
}

/* One thread's: what all shares found, of all processes; if one of them gave up, so do all. */
static void
sum_shares(struct ink_trainer *trainer)
{
    const struct ink_parallel *parallel = trainer->options->parallel;
    double sums[3] = {0, 0, atomic_load(&trainer->is_dropped)};

    for (int t = 0; t < trainer->share_count; t++) {
        sums[0] += trainer->taken[t]->loss;
        sums[1] += trainer->taken[t]->correct;
    }
    if (parallel)
        parallel->sum_doubles(parallel->self, sums, 3);
    trainer->loss = sums[0];
    trainer->correct = sums[1];
    atomic_store(&trainer->is_dropped, sums[2] > 0);
}

static void
step_in_turns(struct ink_trainer *trainer, int thread)
{
    if (thread % 2)
        ink_trainer_update_dense(trainer, thread);
    for (int i = first_share(trainer, thread); i < first_share(trainer, thread + 1); i++) {
        trainer->taken[i]->workspace.cancel = NULL;
        learn_rest(trainer, trainer->taken[i]);
        trainer->taken[i]->workspace.cancel = trainer->cancel;
    }
    if (thread % 2 == 0)
        ink_trainer_update_dense(trainer, thread);
    ink_pool_barrier(trainer->pool);
}

static void
step_work(void *self, int thread)
{
    struct ink_trainer *trainer = self;
    bool is_in_turns = has_many_dense_weights(trainer);

    for (int i = first_share(trainer, thread); i < first_share(trainer, thread + 1); i++) {
        learn_share(trainer, trainer->taken[i], take_share(trainer, i));
        if (!is_in_turns)
            learn_rest(trainer, trainer->taken[i]);
    }
    if (ink_trainer_is_cancelled(trainer))
        atomic_store(&trainer->is_dropped, true);
    ink_pool_barrier(trainer->pool);
    if (trainer->options->parallel) {
        if (thread == 0)
            sum_shares(trainer);
        ink_pool_barrier(trainer->pool);
    }
    if (atomic_load(&trainer->is_dropped))
        return;
    if (is_in_turns)
        step_in_turns(trainer, thread);
    else
        ink_trainer_update_dense(trainer, thread);
    ink_trainer_update(trainer, thread);
}

enum ink_status
ink_trainer_step(struct ink_trainer *trainer, double *out_loss, double *out_accuracy,
                 struct ink_err *err)
{
    divide(trainer);
    ink_pool_run(trainer->pool, step_work, trainer);
    if (atomic_load(&trainer->is_dropped))
        return ink_fail(err, INK_CANCELLED, "cancelled");
    if (!trainer->options->parallel)
        sum_shares(trainer);
    *out_loss = trainer->loss / (double)trainer->batch_count;
    *out_accuracy = trainer->correct / (double)trainer->batch_count;
    return INK_OK;
}

/* Units that this process may have of a mini-batch. */
static int
own_units_max(const struct ink_trainer *trainer)
{
    int units = unit_count(trainer, (size_t)trainer->options->batch_size);
    int size = trainer->options->parallel ? trainer->options->parallel->size : 1;

    return (units + size - 1) / size;
}

/* Pictures that a share may have, also of a smaller mini-batch, which has fewer shares. */
static int
capacity_of(const struct ink_trainer *trainer)
{
    int units = own_units_max(trainer), learners = trainer->learner_count;
    int capacity = (units + learners - 1) / learners * unit_size(trainer);

    if (capacity > INK_SHARE_PICTURES && !has_many_dense_weights(trainer))
        capacity = INK_SHARE_PICTURES;
    return capacity < trainer->options->batch_size ? capacity : trainer->options->batch_size;
}

/* Share number `number` of a thread that has share_max of them. */
static enum ink_status
create_share(struct ink_trainer *trainer, struct ink_share *share, int number, struct ink_err *err)
{
    struct ink_workspace *workspace = &share->workspace;
    enum ink_status status =
        number == 0
            ? ink_workspace_init(workspace, trainer->plan, capacity_of(trainer), err)
            : ink_workspace_borrow(workspace, trainer->plan, &(share - number)->workspace, err);

    if (status)
        return status;
    workspace->cancel = trainer->cancel;
    share->gradient = ink_floats(trainer->plan->share_size);
    if (!share->gradient)
        return ink_fail(err, INK_NOMEM, "no memory for the gradients of a mini-batch");
    return INK_OK;
}

enum ink_status
ink_trainer_shares_create(struct ink_trainer *trainer, struct ink_err *err)
{
    int threads = trainer->thread_count, batch = trainer->options->batch_size;
    int most = count_shares(trainer, own_units_max(trainer), unit_size(trainer)), all;
    enum ink_status status;

    trainer->learner_count = most < threads ? most : threads;
    trainer->share_max = (most + trainer->learner_count - 1) / trainer->learner_count;
    all = trainer->learner_count * trainer->share_max;
    status = ink_plan_check_batch(trainer->plan, all * capacity_of(trainer), err);
    if (status)
        return status;
    trainer->share = calloc((size_t)all, sizeof(*trainer->share));
    trainer->taken = calloc((size_t)all, sizeof(*trainer->taken));
    trainer->passed = calloc((size_t)all, sizeof(*trainer->passed));
    trainer->scratch = calloc((size_t)threads, sizeof(*trainer->scratch));
    if (!trainer->share || !trainer->taken || !trainer->passed || !trainer->scratch)
        return ink_fail(err, INK_NOMEM, "no memory for %d threads", threads);
    for (int i = 0; i < all && !status; i++)
        status = create_share(trainer, &trainer->share[i], i % trainer->share_max, err);
    for (int t = 0; t < threads && !status; t++) {
        trainer->scratch[t] = ink_floats(ink_dense_job_size(trainer->plan, (size_t)batch));
        if (!trainer->scratch[t])
            status = ink_fail(err, INK_NOMEM, "no memory for %d threads", threads);
    }
    return status;
}

void
ink_trainer_shares_destroy(struct ink_trainer *trainer)
{
    for (int i = 0; trainer->share && i < trainer->learner_count * trainer->share_max; i++) {
        ink_workspace_fini(&trainer->share[i].workspace);
        free(trainer->share[i].gradient);
    }
    for (int t = 0; trainer->scratch && t < trainer->thread_count; t++)
        free(trainer->scratch[t]);
    free(trainer->share);
    free(trainer->taken);
    free(trainer->passed);
    free(trainer->scratch);
    trainer->share = NULL;
    trainer->taken = NULL;
    trainer->passed = NULL;
    trainer->scratch = NULL;
}
