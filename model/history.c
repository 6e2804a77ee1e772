/* SPDX-License-Identifier: MIT */
#include "model/history.h"

#include <math.h>
#include <string.h>

void
ink_history_init(struct ink_history *history, int epochs, size_t picture_count, size_t batch_size)
{
    struct ink_train_progress *progress = &history->progress;

    *history = (struct ink_history){.picture_count = picture_count, .curve_every = 1};
    progress->epoch = 1;
    progress->epoch_count = epochs;
    progress->step_count = (int64_t)((picture_count + batch_size - 1) / batch_size) * epochs;
    progress->loss = progress->validation_loss = (double)NAN;
    progress->accuracy = progress->validation_accuracy = progress->best_accuracy = (double)NAN;
}

void
ink_history_time(struct ink_history *history, double elapsed_s, double validation_s)
{
    struct ink_train_progress *progress = &history->progress;
    double share = (double)progress->step / (double)progress->step_count;
    double pictures = (double)history->picture_count * progress->epoch_count * share;

    progress->elapsed_s = elapsed_s;
    if (progress->step == 0 || elapsed_s <= validation_s)
        return;
    progress->remaining_s = elapsed_s / share - elapsed_s;
    progress->images_per_s = pictures / (elapsed_s - validation_s);
}

/* Keep every second point. */
static void
thin_out(struct ink_history *history)
{
    struct ink_train_progress *progress = &history->progress;

    for (int i = 0; i < INK_TRAIN_CURVE_MAX / 2; i++) {
        progress->curve_step[i] = progress->curve_step[2 * i + 1];
        progress->curve_loss[i] = progress->curve_loss[2 * i + 1];
        progress->curve_accuracy[i] = progress->curve_accuracy[2 * i + 1];
    }
    progress->curve_count /= 2;
    history->curve_every *= 2;
}

void
ink_history_step(struct ink_history *history, double rate, double loss, double accuracy)
{
    struct ink_train_progress *progress = &history->progress;
    int64_t slot = progress->step++ % INK_HISTORY_RECENT_MAX;
    int64_t count =
        progress->step < INK_HISTORY_RECENT_MAX ? progress->step : INK_HISTORY_RECENT_MAX;
    double losses = 0, accuracies = 0;

    history->recent_loss[slot] = loss;
    history->recent_accuracy[slot] = accuracy;
    for (int64_t i = 0; i < count; i++) {
        losses += history->recent_loss[i];
        accuracies += history->recent_accuracy[i];
    }
    progress->loss = losses / (double)count;
    progress->accuracy = accuracies / (double)count;
    progress->learning_rate = rate;
    if (progress->step % history->curve_every != 0 && progress->step != progress->step_count)
        return;
    if (progress->curve_count == INK_TRAIN_CURVE_MAX)
        thin_out(history);
    progress->curve_step[progress->curve_count] = (float)progress->step;
    progress->curve_loss[progress->curve_count] = (float)progress->loss;
    progress->curve_accuracy[progress->curve_count++] = (float)progress->accuracy;
}

bool
ink_history_validation(struct ink_history *history, double loss, double accuracy)
{
    struct ink_train_progress *progress = &history->progress;
    int at = progress->validation_count;
    bool is_best = isnan(progress->best_accuracy) || accuracy > progress->best_accuracy ||
                   (accuracy >= progress->best_accuracy && loss < history->best_loss);

    if (at == INK_TRAIN_CURVE_MAX) { /* the newest stay */
        size_t size = (INK_TRAIN_CURVE_MAX - 1) * sizeof(float);

        at--;
        memmove(progress->validation_step, progress->validation_step + 1, size);
        memmove(progress->validation_losses, progress->validation_losses + 1, size);
        memmove(progress->validation_accuracies, progress->validation_accuracies + 1, size);
    }
    progress->validation_loss = loss;
    progress->validation_accuracy = accuracy;
    progress->validation_step[at] = (float)progress->step;
    progress->validation_losses[at] = (float)loss;
    progress->validation_accuracies[at] = (float)accuracy;
    progress->validation_count = at + 1;
    if (is_best) {
        progress->best_accuracy = accuracy;
        progress->best_epoch = progress->epoch;
        history->best_loss = loss;
    }
    return is_best;
}
