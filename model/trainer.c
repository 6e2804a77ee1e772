/* SPDX-License-Identifier: MIT */
#include "model/trainer.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "model/evaluate.h"
#include "model/schedule.h"
#include "model/snapshot_priv.h"
#include "model/trainer_priv.h"

enum { PROGRESS_MS = 50 };

/* ---- snapshots ---- */

static enum ink_status
make_snapshot(const struct ink_trainer *trainer, struct ink_snapshot **out_snapshot,
              struct ink_err *err)
{
    const struct ink_record *start = ink_snapshot_record(trainer->start);
    const float *block = trainer->average ? trainer->average : trainer->block;
    const struct ink_train_progress *progress = &trainer->history.progress;
    struct ink_record record = *start;
    enum ink_status status;

    record.version = 0;
    record.seed = trainer->options->seed;
    record.epochs += (double)progress->step * progress->epoch_count / (double)progress->step_count;
    record.loss = record.accuracy = (double)NAN;
    (void)snprintf(record.data, sizeof(record.data), "%s", trainer->train->name);
    ink_clock_date(record.date);
    status = ink_snapshot_begin(ink_snapshot_arch(trainer->start), &record, out_snapshot, err);
    if (status)
        return status;
    for (int i = 0; i < trainer->plan->node_count; i++)
        ink_plan_unpack(trainer->plan, block, i, ink_snapshot_edit_weights(*out_snapshot, i),
                        ink_snapshot_edit_biases(*out_snapshot, i),
                        ink_snapshot_edit_statistics(*out_snapshot, i));
    if (ink_snapshot_is_finite(*out_snapshot))
        return INK_OK;
    ink_snapshot_unref(*out_snapshot);
    return ink_fail(err, INK_BADDATA,
                    "the weights are not finite at step %lld: try a learning rate below %g",
                    (long long)progress->step, trainer->options->learning_rate);
}

static void
hand_out(struct ink_trainer *trainer, const struct ink_snapshot *snapshot)
{
    if (trainer->observer && trainer->observer->on_snapshot)
        trainer->observer->on_snapshot(trainer->observer->self, snapshot);
    trainer->publish_ns = ink_clock_ns();
    ink_snapshot_unref(trainer->newest);
    trainer->newest = ink_snapshot_ref(snapshot);
}

static enum ink_status
publish_newest(struct ink_trainer *trainer, struct ink_err *err)
{
    struct ink_snapshot *snapshot;
    enum ink_status status = make_snapshot(trainer, &snapshot, err);

    if (status)
        return status;
    hand_out(trainer, snapshot);
    ink_snapshot_unref(snapshot);
    return INK_OK;
}

/* ---- progress ---- */

static void
take_time(struct ink_trainer *trainer)
{
    ink_history_time(&trainer->history, (double)(ink_clock_ns() - trainer->start_ns) / 1e9,
                     (double)trainer->validation_ns / 1e9);
}

static void
report(struct ink_trainer *trainer)
{
    take_time(trainer);
    if (trainer->observer && trainer->observer->on_progress)
        trainer->observer->on_progress(trainer->observer->self, &trainer->history.progress);
    trainer->progress_ns = ink_clock_ns();
}

/* ---- epochs ---- */

/* Measure weights: the first of several processes does, and tells the others. */
static enum ink_status
measure(struct ink_trainer *trainer, const struct ink_snapshot *snapshot, double *out_loss,
        double *out_accuracy, struct ink_err *err)
{
    const struct ink_parallel *parallel = trainer->options->parallel;
    const struct ink_compute compute = {trainer->plan->precision, trainer->options->engine};
    struct ink_evaluation evaluation;
    double told[3] = {0}; /* status, loss, accuracy */
    enum ink_status status = INK_OK, first;

    if (ink_trainer_is_first(trainer)) {
        status = ink_evaluate_on(trainer->pool, snapshot, trainer->validation, compute,
                                 trainer->cancel, &evaluation, err);
        told[0] = status;
        if (!status) {
            free(evaluation.probabilities);
            told[1] = evaluation.loss;
            told[2] = (double)evaluation.correct / (double)evaluation.count;
        }
    }
    if (parallel)
        parallel->sum_doubles(parallel->self, told, 3);
    first = (enum ink_status)told[0];
    if (!status && first)
        return ink_fail(err, first, "the first process could not validate");
    *out_loss = told[1];
    *out_accuracy = told[2];
    return status;
}

/* Evaluate the newest weights; keep them if they are the best so far. */
static enum ink_status
validate(struct ink_trainer *trainer, struct ink_err *err)
{
    struct ink_train_progress *progress = &trainer->history.progress;
    struct ink_snapshot *snapshot;
    uint64_t start = ink_clock_ns();
    double loss, accuracy;
    bool is_best;
    enum ink_status status = make_snapshot(trainer, &snapshot, err);

    if (status)
        return status;
    progress->is_validating = true;
    report(trainer);
    status = measure(trainer, snapshot, &loss, &accuracy, err);
    progress->is_validating = false;
    trainer->validation_ns += ink_clock_ns() - start;
    if (status) {
        ink_snapshot_unref(snapshot);
        return status;
    }
    is_best = ink_history_validation(&trainer->history, loss, accuracy);
    ink_snapshot_edit_record(snapshot)->loss = progress->validation_loss;
    ink_snapshot_edit_record(snapshot)->accuracy = progress->validation_accuracy;
    if (is_best) {
        ink_snapshot_unref(trainer->best);
        trainer->best = ink_snapshot_ref(snapshot);
    }
    if (trainer->options->publish_s > 0)
        hand_out(trainer, snapshot);
    ink_snapshot_unref(snapshot);
    report(trainer);
    if (trainer->observer && trainer->observer->on_validation)
        trainer->observer->on_validation(trainer->observer->self, progress);
    return INK_OK;
}

/* Whether a mini-batch's loss is one that learning can go on from. */
static enum ink_status
check_loss(struct ink_trainer *trainer, double loss, struct ink_err *err)
{
    const struct ink_train_options *options = trainer->options;
    long long step = (long long)trainer->history.progress.step;
    double heaviest = 1;

    for (int c = 0; c < INK_CLASS_COUNT; c++)
        heaviest = fmax(heaviest, options->class_weight[c]);
    if (!isfinite(loss))
        return ink_fail(err, INK_BADDATA,
                        "the loss is not finite at step %lld: try a learning rate below %g", step,
                        options->learning_rate);
    if (loss > INK_TRAIN_LOSS_MAX * heaviest)
        return ink_fail(err, INK_BADDATA,
                        "the loss exploded to %.3g at step %lld: try a learning rate below %g",
                        loss, step, options->learning_rate);
    if (trainer->newest) {
        ink_snapshot_unref(trainer->sane);
        trainer->sane = trainer->newest;
        trainer->newest = NULL;
    }
    return INK_OK;
}

static enum ink_status
run_step(struct ink_trainer *trainer, struct ink_err *err)
{
    const struct ink_train_options *options = trainer->options;
    double loss, accuracy;
    enum ink_status status;

    trainer->rate = ink_schedule_rate(options, trainer->history.progress.step + 1,
                                      trainer->history.progress.step_count);
    status = ink_trainer_step(trainer, &loss, &accuracy, err);
    if (status)
        return status;
    ink_history_step(&trainer->history, trainer->rate, loss, accuracy);
    status = check_loss(trainer, loss, err);
    if (status)
        return status;
    if (trainer->observer && trainer->observer->on_step) {
        take_time(trainer);
        trainer->observer->on_step(trainer->observer->self, &trainer->history.progress, loss,
                                   accuracy);
    }
    if (ink_clock_ms_since(trainer->progress_ns) >= PROGRESS_MS)
        report(trainer);
    if (options->publish_s > 0 &&
        ink_clock_ms_since(trainer->publish_ns) >= options->publish_s * 1000)
        return publish_newest(trainer, err);
    return INK_OK;
}

/* The order of an epoch is a shuffle of that of the one before. */
static void
shuffle(struct ink_trainer *trainer, int epoch)
{
    struct ink_rng rng;

    ink_rng_init(&rng, trainer->options->seed, 2 * (uint64_t)epoch + 1);
    ink_rng_shuffle(&rng, trainer->order, (uint32_t)trainer->train->count);
}

/* The epoch that the history is in, from its first mini-batch or from where it was left. */
static enum ink_status
run_epoch(struct ink_trainer *trainer, struct ink_err *err)
{
    size_t count = trainer->train->count, batch = (size_t)trainer->options->batch_size;
    size_t epoch_steps = (count + batch - 1) / batch;
    size_t done =
        (size_t)trainer->history.progress.step - (size_t)trainer->history.epochs_done * epoch_steps;
    enum ink_status status = INK_OK;

    shuffle(trainer, trainer->history.progress.epoch);
    for (size_t first = done * batch; first < count; first += batch) {
        if (ink_trainer_is_cancelled(trainer) && !trainer->options->parallel) /* else all agree */
            return ink_fail(err, INK_CANCELLED, "cancelled");
        trainer->batch_first = first;
        trainer->batch_count = count - first < batch ? count - first : batch;
        status = run_step(trainer, err);
        if (status)
            return status;
        if (first + batch < count) /* the last one's comes after the validation */
            ink_trainer_checkpoint_if_due(trainer);
    }
    if (trainer->validation)
        status = validate(trainer, err);
    if (status)
        return status;
    trainer->history.epochs_done++;
    ink_trainer_checkpoint_if_due(trainer);
    return INK_OK;
}

/* Whether the validations so far end the run before its last epoch. */
static bool
is_enough(const struct ink_trainer *trainer)
{
    const struct ink_train_options *options = trainer->options;
    const struct ink_train_progress *progress = &trainer->history.progress;

    if (isnan(progress->best_accuracy))
        return false;
    if (options->until > 0 && progress->best_accuracy >= options->until)
        return true;
    return options->patience > 0 &&
           trainer->history.epochs_done - progress->best_epoch >= options->patience;
}

static enum ink_status
run_epochs(struct ink_trainer *trainer, struct ink_err *err)
{
    struct ink_history *history = &trainer->history;
    enum ink_status status = INK_OK;

    trainer->publish_ns = ink_clock_ns();
    trainer->start_ns -= (uint64_t)(history->progress.elapsed_s * 1e9);
    trainer->validation_ns = (uint64_t)(history->progress.validation_s * 1e9);
    for (int epoch = 1; epoch <= history->epochs_done; epoch++)
        shuffle(trainer, epoch);
    report(trainer);
    while (!status && !history->is_over && history->epochs_done < trainer->options->epochs &&
           !is_enough(trainer)) {
        history->progress.epoch = history->epochs_done + 1;
        status = run_epoch(trainer, err);
    }
    if (history->is_over) /* it was when it was resumed */
        return INK_OK;
    history->is_over = !status;
    if (!status || status == INK_CANCELLED)
        ink_trainer_checkpoint_last(trainer);
    return status;
}

/* ---- a run ---- */

static enum ink_status
create_numbers(struct ink_trainer *trainer, struct ink_err *err)
{
    size_t size = ink_plan_block_size(trainer->plan);

    trainer->block = ink_floats(size);
    trainer->turned = ink_floats(trainer->plan->turned_size);
    if (trainer->options->average > 0)
        trainer->average = ink_floats(size);
    trainer->order = calloc(trainer->train->count, sizeof(*trainer->order));
    if (!trainer->block || !trainer->turned || !trainer->order ||
        (trainer->options->average > 0 && !trainer->average))
        return ink_fail(err, INK_NOMEM, "no memory to train %zu weights",
                        ink_snapshot_arch(trainer->start)->parameter_count);
    for (size_t i = 0; i < trainer->train->count; i++)
        trainer->order[i] = (uint32_t)i;
    ink_plan_pack(trainer->plan, trainer->start, trainer->block);
    ink_plan_turn(trainer->plan, trainer->kernels, trainer->block, trainer->turned, 0, 1);
    if (trainer->average)
        memcpy(trainer->average, trainer->block, size * sizeof(*trainer->block));
    return INK_OK;
}

static enum ink_status
trainer_init(struct ink_trainer *trainer, struct ink_err *err)
{
    const struct ink_train_options *options = trainer->options;
    const struct ink_arch *arch = ink_snapshot_arch(trainer->start);
    enum ink_precision precision;
    size_t batch = (size_t)options->batch_size;
    enum ink_status status = ink_trainer_check_options(options, trainer->train, err);

    if (status)
        return status;
    ink_history_init(&trainer->history, options->epochs, trainer->train->count, batch);
    trainer->kernels = ink_engine_kernels(options->engine);
    status = ink_pool_create(options->threads, &trainer->pool, err);
    if (status)
        return status;
    trainer->thread_count = ink_pool_thread_count(trainer->pool);
    status = ink_precision_choose(options->precision, trainer->kernels, &precision, err);
    if (!status)
        status = ink_plan_create(arch, INK_USE_TRAIN, precision, &trainer->plan, err);
    if (!status)
        status = create_numbers(trainer, err);
    if (!status)
        status = ink_optimizer_init(&trainer->optimizer, options, trainer->plan, err);
    if (!status)
        status = ink_trainer_update_create(trainer, err);
    if (!status)
        status = ink_trainer_shares_create(trainer, err);
    if (!status)
        status = ink_trainer_checkpoints_init(trainer, err);
    return status ? status : ink_trainer_check_alike(trainer, err);
}

static void
trainer_fini(struct ink_trainer *trainer)
{
    ink_pool_destroy(&trainer->pool);
    ink_trainer_checkpoints_fini(trainer);
    ink_trainer_shares_destroy(trainer);
    ink_trainer_update_destroy(trainer);
    ink_optimizer_fini(&trainer->optimizer);
    free(trainer->block);
    free(trainer->turned);
    free(trainer->average);
    free(trainer->order);
    ink_plan_destroy(&trainer->plan);
    ink_snapshot_unrefp(&trainer->best);
    ink_snapshot_unrefp(&trainer->newest);
    ink_snapshot_unrefp(&trainer->sane);
}

/* The best validated weights; without any the newest, or the last that were sane if the newest are
 * no numbers. */
static enum ink_status
finish(struct ink_trainer *trainer, enum ink_status status, struct ink_train_result *out_result,
       struct ink_err *err)
{
    out_result->is_early =
        !status && is_enough(trainer) && trainer->history.epochs_done < trainer->options->epochs;
    out_result->thread_count = trainer->thread_count;
    out_result->is_cancelled = status == INK_CANCELLED;
    if (status == INK_CANCELLED)
        status = INK_OK;
    ink_trainer_shares_destroy(trainer); /* makes room for a last copy of the weights */
    if (!trainer->best && !status) {
        struct ink_snapshot *newest;

        status = make_snapshot(trainer, &newest, err);
        if (!status)
            trainer->best = newest;
    }
    if (status && status != INK_BADDATA)
        return status;
    if (!trainer->best)
        trainer->best = ink_snapshot_ref(trainer->sane ? trainer->sane : trainer->start);
    hand_out(trainer, trainer->best);
    report(trainer);
    out_result->best = trainer->best;
    out_result->precision = trainer->plan->precision;
    out_result->progress = trainer->history.progress;
    trainer->best = NULL;
    return status;
}

enum ink_status
ink_train_run(const struct ink_snapshot *start, const struct ink_dataset *train,
              const struct ink_dataset *validation, const struct ink_train_options *options,
              const struct ink_train_observer *observer, const atomic_bool *cancel,
              struct ink_train_result *out_result, struct ink_err *err)
{
    INK_CLEANUP(ink_freep) struct ink_trainer *trainer = NULL;
    enum ink_status status;

    assert(start && train && options && out_result);
    *out_result = (struct ink_train_result){0};
    trainer = calloc(1, sizeof(*trainer));
    if (!trainer)
        return ink_fail(err, INK_NOMEM, "no memory for a trainer");
    trainer->options = options;
    trainer->train = train;
    trainer->validation = validation && validation->count > 0 ? validation : NULL;
    trainer->observer = observer;
    trainer->cancel = cancel;
    trainer->start = start;
    trainer->start_ns = ink_clock_ns(); /* making threads and buffers counts */
    status = trainer_init(trainer, err);
    if (!status)
        status = finish(trainer, run_epochs(trainer, err), out_result, err);
    trainer_fini(trainer);
    return status;
}
