/* SPDX-License-Identifier: MIT */
#include "kernel/render/progress.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "kernel/render/chart.h"
#include "kernel/render/still.h"
#include "kernel/render/text.h"

enum { WIDTH = 760, HEIGHT = 340, MARGIN = 16, CHART_TOP = 74, CHART_WIDTH = 364 };

static float
share_done(const struct ink_train_progress *progress)
{
    return progress->step_count > 0 ? (float)((double)progress->step / (double)progress->step_count)
                                    : 0;
}

/* ---- the figure ---- */

/* What the numbers are about, right of the title. */
static void
put_facts(struct ink_buf *text, const struct ink_train_progress *progress,
          enum ink_progress_state state)
{
    ink_buf_printf(text, "epoch %d of %d \xc2\xb7 ", progress->epoch, progress->epoch_count);
    ink_text_count(text, llround(progress->images_per_s));
    ink_buf_puts(text, " images/s \xc2\xb7 ");
    if (state == INK_PROGRESS_RUNS) {
        ink_text_duration(text, progress->remaining_s);
        ink_buf_puts(text, progress->is_validating ? " left, validating" : " left");
        return;
    }
    ink_buf_puts(text, state == INK_PROGRESS_DONE ? "done in " : "stopped after ");
    ink_text_duration(text, progress->elapsed_s);
}

static void
draw_head(struct ink_figure *figure, const struct ink_train_progress *progress, const char *title,
          enum ink_progress_state state)
{
    const struct ink_colour colours[] = {INK_COLOUR_ACCENT, INK_COLOUR_RIGHT, INK_COLOUR_SECOND};
    float bar = WIDTH - 2 * MARGIN;
    INK_CLEANUP(ink_buf_fini) struct ink_buf facts = {0}, name = {0};

    put_facts(&facts, progress, state);
    ink_figure_text(figure, WIDTH - MARGIN, 30,
                    &(struct ink_pen){12, INK_ANCHOR_END, false, INK_COLOUR_MUTED},
                    ink_buf_text(&facts));
    ink_figure_fit_text(title, 15, bar - ink_figure_text_width(ink_buf_text(&facts), 12) - 20,
                        &name);
    ink_figure_text(figure, MARGIN, 30,
                    &(struct ink_pen){15, INK_ANCHOR_START, true, INK_COLOUR_INK},
                    ink_buf_text(&name));
    ink_figure_rect(figure, (struct ink_box){MARGIN, 44, bar, 10}, 5, INK_COLOUR_FIELD);
    ink_figure_rect(figure, (struct ink_box){MARGIN, 44, fmaxf(10, bar * share_done(progress)), 10},
                    5, colours[state]);
}

/* Steps to epochs. Returns the count. */
static int
epochs_of(const struct ink_train_progress *progress, const float *steps, int count, float *out)
{
    float scale = progress->step_count > 0
                      ? (float)((double)progress->epoch_count / (double)progress->step_count)
                      : 0;

    for (int i = 0; i < count; i++)
        out[i] = steps[i] * scale;
    return count;
}

/* The smallest of the curve's later values: a chart that begins there shows what still moves. */
static float
low_end(const float *values, int count, float otherwise)
{
    float least = otherwise;

    for (int i = count / 3; i < count; i++)
        if (isfinite(values[i]) && values[i] < least)
            least = values[i];
    return least;
}

static float
high_end(const float *values, int count, float otherwise)
{
    float most = otherwise;

    for (int i = count / 16; i < count; i++)
        if (isfinite(values[i]) && values[i] > most)
            most = values[i];
    return most;
}

static void
draw_charts(struct ink_figure *figure, const struct ink_train_progress *progress)
{
    float x[INK_TRAIN_CURVE_MAX], validation_x[INK_TRAIN_CURVE_MAX];
    int count = epochs_of(progress, progress->curve_step, progress->curve_count, x);
    int validations =
        epochs_of(progress, progress->validation_step, progress->validation_count, validation_x);
    struct ink_colour light = ink_colour_mix(INK_COLOUR_PAPER, INK_COLOUR_ACCENT, 0.55F);
    struct ink_series loss[] = {
        {"training", x, progress->curve_loss, count, light, false},
        {"validation", validation_x, progress->validation_losses, validations, INK_COLOUR_SECOND,
         true},
    };
    struct ink_series accuracy[] = {
        {"training", x, progress->curve_accuracy, count, light, false},
        {"validation", validation_x, progress->validation_accuracies, validations,
         INK_COLOUR_SECOND, true},
    };
    struct ink_chart chart = {
        .box = {MARGIN - 4, CHART_TOP, CHART_WIDTH, HEIGHT - CHART_TOP - 8},
        .title = "loss",
        .x_title = "epochs",
        .x_max = (float)(progress->epoch_count > 0 ? progress->epoch_count : 1),
        .series = loss,
        .series_count = validations > 0 ? 2 : 1,
    };
    float least;

    chart.y_max = high_end(progress->validation_losses, validations,
                           high_end(progress->curve_loss, count, 0.05F)) *
                  1.05F;
    ink_chart_draw(figure, &chart);
    chart.box.x += CHART_WIDTH + 8;
    chart.title = "accuracy";
    chart.series = accuracy;
    chart.is_percent = true;
    least = low_end(progress->validation_accuracies, validations,
                    low_end(progress->curve_accuracy, count, 0.99F));
    chart.y_min = fmaxf(0, least - (1 - least) * 0.3F);
    chart.y_max = 1;
    ink_chart_draw(figure, &chart);
}

void
ink_progress_figure(struct ink_figure *figure, const struct ink_train_progress *progress,
                    const char *title, enum ink_progress_state state)
{
    ink_figure_init(figure, WIDTH, HEIGHT);
    draw_head(figure, progress, title, state);
    draw_charts(figure, progress);
}

/* ---- words ---- */

void
ink_progress_line(struct ink_buf *text, const struct ink_train_progress *progress,
                  enum ink_progress_state state)
{
    ink_buf_printf(text, "epoch %d/%d ", progress->epoch, progress->epoch_count);
    ink_text_bar(text, (double)share_done(progress), 8);
    ink_buf_printf(text, " %3.0f %%  ", (double)share_done(progress) * 100);
    if (progress->step == 0) { /* nothing is measured yet */
        ink_buf_puts(text, state == INK_PROGRESS_RUNS ? "starting" : "stopped");
        return;
    }
    ink_buf_printf(text, "loss %.4f  accuracy ", progress->loss);
    ink_text_percent(text, progress->accuracy);
    ink_buf_puts(text, "  ");
    ink_text_count(text, llround(progress->images_per_s));
    ink_buf_puts(text, " img/s  ");
    ink_text_duration(text,
                      state == INK_PROGRESS_RUNS ? progress->remaining_s : progress->elapsed_s);
    if (state == INK_PROGRESS_RUNS)
        ink_buf_puts(text, " left");
}

void
ink_progress_epochs(struct ink_buf *text, const struct ink_train_progress *progress)
{
    double steps =
        progress->epoch_count > 0 ? (double)progress->step_count / progress->epoch_count : 1;

    for (int i = 0; i < progress->validation_count; i++) {
        ink_buf_printf(text, "epoch %ld/%d  validation loss %.4f  accuracy ",
                       lround((double)progress->validation_step[i] / steps), progress->epoch_count,
                       (double)progress->validation_losses[i]);
        ink_text_percent(text, (double)progress->validation_accuracies[i]);
        ink_buf_putc(text, '\n');
    }
}

static struct ink_json *
curve_to_json(const float *steps, const float *losses, const float *accuracies, int count)
{
    struct ink_json *json = ink_json_object();
    size_t size = (size_t)count;

    ink_json_set(json, "step", ink_json_from_floats(steps, size));
    ink_json_set(json, "loss", ink_json_from_floats(losses, size));
    ink_json_set(json, "accuracy", ink_json_from_floats(accuracies, size));
    return json;
}

struct ink_json *
ink_progress_to_json(const struct ink_train_progress *progress, bool with_curves)
{
    struct ink_json *json = ink_json_object();

    ink_json_set_int(json, "epoch", progress->epoch);
    ink_json_set_int(json, "epochs", progress->epoch_count);
    ink_json_set_int(json, "step", progress->step);
    ink_json_set_int(json, "steps", progress->step_count);
    ink_json_set_double(json, "elapsed_s", progress->elapsed_s);
    ink_json_set_double(json, "remaining_s", progress->remaining_s);
    ink_json_set_double(json, "images_per_s", progress->images_per_s);
    ink_json_set_double(json, "learning_rate", progress->learning_rate);
    ink_json_set_double(json, "loss", progress->loss);
    ink_json_set_double(json, "accuracy", progress->accuracy);
    ink_json_set_double(json, "validation_loss", progress->validation_loss);
    ink_json_set_double(json, "validation_accuracy", progress->validation_accuracy);
    ink_json_set_double(json, "best_accuracy", progress->best_accuracy);
    ink_json_set_int(json, "best_epoch", progress->best_epoch);
    if (!with_curves)
        return json;
    ink_json_set(json, "curve",
                 curve_to_json(progress->curve_step, progress->curve_loss, progress->curve_accuracy,
                               progress->curve_count));
    ink_json_set(json, "validation",
                 curve_to_json(progress->validation_step, progress->validation_losses,
                               progress->validation_accuracies, progress->validation_count));
    return json;
}

void
ink_progress_show(const struct ink_train_progress *progress, const char *title,
                  enum ink_progress_state state, struct ink_bundle *out_bundle)
{
    INK_CLEANUP(ink_figure_fini) struct ink_figure figure = {0};
    INK_CLEANUP(ink_json_destroy)
    struct ink_json *json = ink_progress_to_json(progress, state != INK_PROGRESS_RUNS);
    struct ink_buf text = {0}, svg = {0}, html = {0};

    ink_progress_epochs(&text, progress);
    ink_progress_line(&text, progress, state);
    if (!out_bundle->is_plain) {
        ink_progress_figure(&figure, progress, title, state);
        if (ink_figure_svg(&figure, title, &svg, NULL) == INK_OK)
            ink_bundle_add(out_bundle, INK_MIME_SVG, &svg);
        else
            out_bundle->is_broken = true;
        ink_buf_fini(&svg);
    }
    if (!out_bundle->is_plain && state != INK_PROGRESS_RUNS) {
        ink_still_add(out_bundle, &figure, ink_buf_text(&text), &html);
        ink_bundle_add(out_bundle, INK_MIME_HTML, &html);
    }
    ink_bundle_add(out_bundle, INK_MIME_TEXT, &text);
    ink_bundle_add_json(out_bundle, json);
}
