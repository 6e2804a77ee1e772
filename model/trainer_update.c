/* SPDX-License-Identifier: MIT */
/*
 * trainer_update: from the shares' gradients to new weights, on all threads.
 *
 * Gradients come piece by piece, summed over the shares, and each is stepped on
 * at once, while it is in the cache. What needs the whole gradient before any
 * step (clipping by its length, several processes) has it kept first: the
 * numbers are the same.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/net_dense.h"
#include "model/trainer_priv.h"

enum { PIECE_SIZE = 4096 };

static size_t
piece_count(const struct ink_trainer *trainer)
{
    return (trainer->plan->parameter_size + PIECE_SIZE - 1) / PIECE_SIZE;
}

static size_t
least(size_t a, size_t b)
{
    return a < b ? a : b;
}

enum ink_status
ink_trainer_update_create(struct ink_trainer *trainer, struct ink_err *err)
{
    trainer->statistics = calloc(trainer->plan->statistic_size + 1, sizeof(*trainer->statistics));
    if (!trainer->statistics)
        return ink_fail(err, INK_NOMEM, "no memory for statistics");
    if (trainer->options->clip == 0 && !trainer->options->parallel)
        return INK_OK;
    trainer->gradient = ink_floats(trainer->plan->parameter_size);
    trainer->squares = calloc(piece_count(trainer), sizeof(*trainer->squares));
    if (!trainer->gradient || !trainer->squares)
        return ink_fail(err, INK_NOMEM, "no memory for the gradient of %zu weights",
                        trainer->plan->parameter_size);
    return INK_OK;
}

void
ink_trainer_update_destroy(struct ink_trainer *trainer)
{
    free(trainer->gradient);
    free(trainer->squares);
    free(trainer->statistics);
}

/* ---- what is done with a piece of the gradient ---- */

/* One thread's way through an update. */
struct update {
    struct ink_trainer *trainer;
    struct ink_optimizer_step step;
    float average_decay;
};

/* The average starts as a plain mean: its decay grows to what was asked for. */
static float
average_decay(const struct ink_trainer *trainer)
{
    double step = (double)trainer->history.progress.step;

    return (float)fmin(trainer->options->average, (1 + step) / (10 + step));
}

static void
begin_update(struct update *update, struct ink_trainer *trainer, double scale)
{
    update->trainer = trainer;
    update->step = ink_optimizer_step(trainer->options, trainer->history.progress.step + 1,
                                      trainer->rate, scale);
    update->average_decay = average_decay(trainer);
}

static void
step_piece(void *self, size_t from, size_t count, const float *gradient)
{
    const struct update *update = self;
    struct ink_trainer *trainer = update->trainer;

    ink_optimizer_apply(&trainer->optimizer, trainer->kernels, &update->step, gradient,
                        trainer->block, (struct ink_range){from, from + count});
    ink_plan_round_dense(trainer->plan, trainer->kernels, trainer->block, trainer->turned, from,
                         from + count);
    if (trainer->average)
        trainer->kernels->average(count, update->average_decay, trainer->block + from,
                                  trainer->average + from);
}

static void
expect_step(void *self, size_t from, size_t count, struct ink_soon *soon)
{
    const struct update *update = self;

    ink_optimizer_expect(&update->trainer->optimizer, update->trainer->block,
                         (struct ink_range){from, from + count}, soon);
}

static void
keep_piece(void *self, size_t from, size_t count, const float *gradient)
{
    const struct update *update = self;

    memcpy(update->trainer->gradient + from, gradient, count * sizeof(*gradient));
}

/* ---- the pieces ---- */

void
ink_trainer_update_dense(struct ink_trainer *trainer, int thread)
{
    bool is_kept = trainer->gradient != NULL;
    struct update update = {.trainer = trainer};
    const struct ink_dense_job job = {
        .plan = trainer->plan,
        .kernels = trainer->kernels,
        .shares = trainer->passed,
        .share_count = trainer->share_count,
        .part = thread,
        .parts = trainer->thread_count,
        .scratch = trainer->scratch[thread],
        .use = is_kept ? keep_piece : step_piece,
        .expect = is_kept ? NULL : expect_step,
        .self = &update,
    };

    if (!is_kept)
        begin_update(&update, trainer, 1);
    if (trainer->share_count > 0)
        ink_dense_gradients(&job);
}

/* Sum the shares' gradients in their order; dense weights are not among them. */
static void
make_pieces(struct update *update, int thread, ink_gradient_fn *use)
{
    struct ink_trainer *trainer = update->trainer;
    size_t panel_count = trainer->plan->share_size / INK_PANEL;
    size_t threads = (size_t)trainer->thread_count, number = (size_t)thread;
    size_t end = panel_count * (number + 1) / threads * INK_PANEL;

    for (size_t from = panel_count * number / threads * INK_PANEL, size; from < end; from += size) {
        float *sum = trainer->taken[0]->gradient + from;

        size = least(PIECE_SIZE, end - from);
        for (int t = 1; t < trainer->share_count; t++)
            trainer->kernels->add(size, trainer->taken[t]->gradient + from, sum);
        use(update, from, size, sum);
    }
}

/* What the whole gradient is to be multiplied with. The same on every thread, whatever their
 * number: pieces do not depend on it. */
static double
clip_scale(struct ink_trainer *trainer, int thread)
{
    size_t pieces = piece_count(trainer), size = trainer->plan->parameter_size;
    size_t threads = (size_t)trainer->thread_count, number = (size_t)thread;
    double sum = 0;

    for (size_t i = pieces * number / threads; i < pieces * (number + 1) / threads; i++)
        trainer->squares[i] = trainer->kernels->squares(least(PIECE_SIZE, size - i * PIECE_SIZE),
                                                        trainer->gradient + i * PIECE_SIZE);
    ink_pool_barrier(trainer->pool);
    for (size_t i = 0; i < pieces; i++)
        sum += trainer->squares[i];
    return sqrt(sum) > trainer->options->clip ? trainer->options->clip / sqrt(sum) : 1;
}

static void
step_in_two_passes(struct ink_trainer *trainer, int thread)
{
    size_t panel_count = trainer->plan->parameter_size / INK_PANEL;
    size_t threads = (size_t)trainer->thread_count, number = (size_t)thread;
    size_t from = panel_count * number / threads * INK_PANEL;
    size_t to = panel_count * (number + 1) / threads * INK_PANEL;
    struct update update = {.trainer = trainer};

    if (trainer->share_count > 0)
        make_pieces(&update, thread, keep_piece);
    else if (thread == 0) /* more processes than pictures */
        memset(trainer->gradient, 0, trainer->plan->parameter_size * sizeof(*trainer->gradient));
    ink_pool_barrier(trainer->pool);
    if (trainer->options->parallel) {
        if (thread == 0)
            trainer->options->parallel->sum_floats(
                trainer->options->parallel->self, trainer->gradient, trainer->plan->parameter_size);
        ink_pool_barrier(trainer->pool);
    }
    begin_update(&update, trainer, trainer->options->clip > 0 ? clip_scale(trainer, thread) : 1);
    step_piece(&update, from, to - from, trainer->gradient + from);
}

/* Running statistics move towards the mean of the shares', weighted by their pictures. */
static void
move_statistics(struct ink_trainer *trainer)
{
    size_t size = trainer->plan->statistic_size, at = trainer->plan->parameter_size;
    float *running = trainer->block + at;
    double *sum = trainer->statistics;

    if (size == 0)
        return;
    for (size_t i = 0; i < size; i++) {
        sum[i] = 0;
        for (int t = 0; t < trainer->share_count; t++)
            sum[i] += (double)trainer->taken[t]->workspace.statistics[i] * trainer->taken[t]->count;
    }
    if (trainer->options->parallel)
        trainer->options->parallel->sum_doubles(trainer->options->parallel->self, sum, size);
    for (size_t i = 0; i < size; i++)
        running[i] +=
            INK_NORM_MOMENTUM * ((float)(sum[i] / (double)trainer->batch_count) - running[i]);
    if (trainer->average)
        trainer->kernels->average(size, average_decay(trainer), running, trainer->average + at);
}

void
ink_trainer_update(struct ink_trainer *trainer, int thread)
{
    struct update update;

    if (trainer->gradient) {
        step_in_two_passes(trainer, thread);
    } else {
        begin_update(&update, trainer, 1);
        make_pieces(&update, thread, step_piece);
    }
    if (thread == 0)
        move_statistics(trainer);
    ink_pool_barrier(trainer->pool);
    ink_plan_turn_convs(trainer->plan, trainer->kernels, trainer->block, trainer->turned, thread,
                        trainer->thread_count);
}
