/* SPDX-License-Identifier: MIT */
#ifndef INK_COMMAND_TRAIN_METRICS_H
#define INK_COMMAND_TRAIN_METRICS_H

/*
 * train_metrics: numbers of a run in files, while it runs.
 *
 *     ink_metrics_open -> ink_metrics_step, ink_metrics_validation -> ink_metrics_close
 *
 * --metrics FILE: a JSON object a line. --tensorboard DIR: a new event file in that folder. Both
 * have the means since the line before, at every step that --metrics-every divides (so that a run
 * that goes on has its lines where the first had them), and every validation; what was measured is
 * in the files before the run goes on. A file that cannot be written any more is given up with a
 * warning: no training is lost for it.
 *
 * Threads  the run's
 */

#include "kernel/command/command.h"
#include "model/trainer.h"

/* Numbers of a moment. NaN = not measured then. */
struct ink_metrics_moment {
    int64_t step;
    int epoch;
    double loss, accuracy; /* sums over the steps since the last line; means when written */
    double rate, images_per_s, elapsed_s;
    double validation_loss, validation_accuracy;
};

struct ink_metrics {
    const struct ink_sink *sink;
    const char *line_path; /* borrowed from the arguments */
    char event_path[512];
    int line_fd, event_fd; /* -1 = not asked for, or given up */
    bool is_open;
    int64_t every, steps; /* between lines; since the last one */
    struct ink_metrics_moment now;
};

/*
 * Open what the options ask for; nothing if they ask for nothing.
 *
 *   is_resumed   lines are added to the file, otherwise it begins anew
 *
 * Errors   INK_IO, INK_NOMEM
 * Memory   ink_metrics_close
 */
INK_MUST_CHECK enum ink_status ink_metrics_open(struct ink_metrics *metrics,
                                                const struct ink_context *ctx,
                                                const struct ink_args *args, bool is_resumed,
                                                struct ink_err *err);
void ink_metrics_step(struct ink_metrics *metrics, const struct ink_train_progress *progress,
                      double loss, double accuracy);
void ink_metrics_validation(struct ink_metrics *metrics, const struct ink_train_progress *progress);

/* Write what is left, and close. Fits INK_CLEANUP; a zeroed struct is fine. */
void ink_metrics_close(struct ink_metrics *metrics);

#endif
