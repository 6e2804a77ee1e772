/* SPDX-License-Identifier: MIT */
#include "kernel/command/train_outcome.h"

#include <math.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "kernel/command/command_priv.h"
#include "kernel/command/predict.h"
#include "kernel/command/train_config.h"
#include "kernel/render/progress.h"
#include "kernel/render/text.h"

static enum ink_status
write_log(const struct ink_train_outcome *outcome, const char *path, struct ink_err *err)
{
    const struct ink_train_progress *progress = &outcome->result->progress;
    INK_CLEANUP(ink_buf_fini) struct ink_buf log = {0};
    enum ink_status status;

    ink_buf_printf(&log, "# %s\n", ink_snapshot_record(outcome->start)->command);
    ink_buf_printf(&log, "# %s: %zu pictures, validated on %s\n", outcome->title,
                   outcome->train->count,
                   outcome->validation ? outcome->validation->name : "nothing");
    ink_progress_epochs(&log, progress);
    ink_buf_printf(&log, "# %s after %.1f s, %.0f images/s\n",
                   outcome->result->is_cancelled ? "stopped" : "done", progress->elapsed_s,
                   progress->images_per_s);
    status = ink_buf_check(&log, err);
    return status == INK_OK ? ink_file_write(path, log.bytes, log.size, err) : status;
}

enum ink_status
ink_train_outcome_keep(const struct ink_train_outcome *outcome, struct ink_err *err)
{
    const char *path = ink_args_text(outcome->args, "save");
    const char *log = ink_args_text(outcome->args, "log");
    enum ink_status status = INK_OK;

    if (path)
        status = ink_snapshot_save(outcome->result->best, path, err);
    if (status == INK_OK && path)
        status = ink_train_config_save(outcome->args, path, outcome->data,
                                       outcome->result->thread_count, err);
    if (status == INK_OK && log)
        status = write_log(outcome, log, err);
    return status;
}

void
ink_train_outcome_keep_sane(const struct ink_train_outcome *outcome, struct ink_err *err)
{
    const char *path = ink_args_text(outcome->args, "save");
    struct ink_err cause = *err;

    (void)ink_fail(err, cause.status, "%.140s; the last good weights are %s%s%.50s", cause.message,
                   outcome->is_used ? "in use" : "kept as 'job'", path ? " and saved as " : "",
                   path ? path : "");
    if (path && ink_train_outcome_keep(outcome, NULL) != INK_OK)
        *err = cause;
}

/* Why there were fewer epochs than asked for. */
static void
put_early(const struct ink_train_outcome *outcome, struct ink_buf *text)
{
    const struct ink_train_progress *progress = &outcome->result->progress;
    double until = ink_args_real(outcome->args, "until");

    if (!outcome->result->is_early)
        return;
    if (until > 0 && progress->best_accuracy >= until / 100)
        ink_buf_printf(text, ", enough for --until %g", until);
    else
        ink_buf_printf(text, ", none better up to epoch %d", progress->epoch);
}

static void
put_result(const struct ink_train_outcome *outcome, struct ink_buf *text)
{
    const struct ink_train_progress *progress = &outcome->result->progress;

    ink_text_clean(text, outcome->title);
    ink_buf_puts(text, ": ");
    if (isfinite(progress->best_accuracy)) {
        ink_text_percent(text, progress->best_accuracy);
        ink_buf_printf(text, " on %s after epoch %d of %d", outcome->validation->name,
                       progress->best_epoch, progress->epoch_count);
        put_early(outcome, text);
    } else {
        ink_buf_printf(text, "training loss %.4f, not validated", progress->loss);
    }
    ink_buf_puts(text, "; ");
    ink_buf_puts(text, "trained in ");
    if (outcome->trained_s < 9.995) /* where hundredths matter */
        ink_buf_printf(text, "%.2f s", outcome->trained_s);
    else
        ink_text_duration(text, outcome->trained_s);
    if (outcome->result->precision == INK_PRECISION_BF16)
        ink_buf_puts(text, " in bf16");
    ink_buf_puts(text, ", ");
    ink_text_count(text, llround(progress->images_per_s));
    ink_buf_puts(text, " images/s");
    if (ink_args_text(outcome->args, "save")) {
        ink_buf_puts(text, "; saved as ");
        ink_text_clean(text, ink_args_text(outcome->args, "save"));
    }
    if (!outcome->is_used)
        ink_buf_puts(text, "; not in use: 'model use job' takes it");
}

void
ink_train_outcome_show(const struct ink_train_outcome *outcome, struct ink_bundle *out_bundle)
{
    INK_CLEANUP(ink_json_destroy)
    struct ink_json *json = ink_progress_to_json(&outcome->result->progress, true);
    INK_CLEANUP(ink_figure_fini) struct ink_figure figure = {0};
    const struct ink_record *record = ink_snapshot_record(outcome->result->best);
    struct ink_buf text = {0}, html = {0}, svg = {0};

    put_result(outcome, &text);
    ink_buf_puts(&html, "<p>");
    ink_buf_html(&html, ink_buf_text(&text));
    ink_buf_puts(&html, "</p>");
    ink_buf_putc(&text, '\n');
    ink_json_set(json, "model", ink_model_to_json(record->name, record->version));
    ink_json_set_string(json, "data", outcome->train->name);
    ink_json_set_int(json, "count", (int64_t)outcome->train->count);
    ink_json_set_double(json, "trained_s", outcome->trained_s);
    ink_json_set_string(json, "precision", ink_precision_name(outcome->result->precision));
    ink_json_set_bool(json, "early", outcome->result->is_early);
    ink_engine_to_json(ink_args_compute(outcome->args).engine, json);
    if (ink_args_text(outcome->args, "save"))
        ink_json_set_string(json, "saved", ink_args_text(outcome->args, "save"));
    if (!out_bundle->is_plain) {
        ink_progress_figure(&figure, &outcome->result->progress, outcome->title, INK_PROGRESS_DONE);
        if (ink_figure_svg(&figure, outcome->title, &svg, NULL) == INK_OK)
            ink_bundle_add(out_bundle, INK_MIME_SVG, &svg);
    }
    ink_buf_fini(&svg);
    ink_bundle_add_answer(out_bundle, &text, &html, json);
}

enum ink_status
ink_train_outcome_stopped(const struct ink_train_outcome *outcome, struct ink_err *err)
{
    const char *path = ink_args_text(outcome->args, "save");
    const char *folder = ink_args_text(outcome->args, "resume");
    const struct ink_train_progress *progress = &outcome->result->progress;
    const char *place =
        outcome->is_used ? "in use" : "kept as 'job'"; /* what they are called there */
    char best[64];

    if (isfinite(progress->best_accuracy))
        (void)snprintf(best, sizeof(best), "the best weights so far (%.2f %%) are %s",
                       progress->best_accuracy * 100, place);
    else if (progress->epoch == 1 && !ink_args_flag(outcome->args, "continue") && outcome->is_used)
        (void)snprintf(best, sizeof(best), "the weights in use are nearly untrained");
    else
        (void)snprintf(best, sizeof(best), "the newest weights are %s", place);
    if (!folder)
        folder = ink_args_text(outcome->args, "checkpoints");
    return ink_fail(err, INK_CANCELLED, "stopped in epoch %d of %d; %s%s%.60s%s%.60s",
                    progress->epoch, progress->epoch_count, best, path ? " and saved as " : "",
                    path ? path : "", folder ? "; to go on: train --resume " : "",
                    folder ? folder : "");
}
