/* SPDX-License-Identifier: MIT */
#ifndef INK_RENDER_PROGRESS_H
#define INK_RENDER_PROGRESS_H

/* progress: training as one display that is updated: a bar, two charts, a table of epochs. */

#include "base/json.h"
#include "kernel/render/bundle.h"
#include "kernel/render/figure.h"
#include "model/trainer.h"

enum ink_progress_state { INK_PROGRESS_RUNS, INK_PROGRESS_DONE, INK_PROGRESS_STOPPED };

/* Start a figure and fill it. title: "inkling on mnist". */
void ink_progress_figure(struct ink_figure *figure, const struct ink_train_progress *progress,
                         const char *title, enum ink_progress_state state);

/* One line: "epoch 2/5 ███       42 %  loss 0.0712  accuracy 97.81 %  21,000 img/s  8 s left".
 */
void ink_progress_line(struct ink_buf *text, const struct ink_train_progress *progress,
                       enum ink_progress_state state);

/* One line for each finished epoch: "epoch 1/5  validation loss 0.0801  accuracy 97.53 %". */
void ink_progress_epochs(struct ink_buf *text, const struct ink_train_progress *progress);

/* The numbers, with the curves if asked for. */
struct ink_json *ink_progress_to_json(const struct ink_train_progress *progress, bool with_curves);

/*
 * The display: image/svg+xml, text/plain, application/json; when it has ended also text/html and
 * image/png, so that it reads in a saved and untrusted notebook.
 */
void ink_progress_show(const struct ink_train_progress *progress, const char *title,
                       enum ink_progress_state state, struct ink_bundle *out_bundle);

#endif
