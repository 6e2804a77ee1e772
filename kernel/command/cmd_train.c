/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "kernel/command/command_priv.h"
#include "kernel/command/jobs.h"
#include "kernel/command/models.h"
#include "kernel/command/session.h"
#include "kernel/command/train_checkpoints.h"
#include "kernel/command/train_config.h"
#include "kernel/command/train_data.h"
#include "kernel/command/train_metrics.h"
#include "kernel/command/train_options.h"
#include "kernel/command/train_outcome.h"
#include "kernel/render/progress.h"
#include "model/store.h"

enum { UPDATE_MS = 100 }; /* between two updates of the display */

/* A run, as its observer sees it. */
struct run {
    const struct ink_context *ctx;
    const struct ink_args *given; /* as typed; not in the background */
    const struct ink_args *args;  /* with those of --config and --recipe: `all` */
    struct ink_args all;
    struct ink_job *job; /* NULL = in the foreground */
    struct ink_context job_ctx;
    struct ink_sink *job_sink; /* ctx's kept one, to be released; NULL if it has none */
    void (*release)(struct ink_sink *sink);
    struct ink_train_keeping keeping;
    const struct ink_snapshot *start;
    struct ink_dataset *train, *validation;
    char title[192]; /* "keras on mnist" */
    char display_id[INK_SESSION_VIEW_ID_MAX];
    struct ink_metrics metrics;
    bool is_shown; /* the display is there */
    bool is_used;  /* the session's network is this run's: a job's, unless another was chosen */
    uint64_t shown_ns;
    uint64_t loaded_ns;    /* the pictures were in memory */
    double trained_s;      /* from then to the weights, without validation */
    int shown_validations; /* epochs in the display */
};

/* A file that is written at the end: that it can be is looked at now, not after an hour. */
static enum ink_status
check_folder(const struct ink_args *args, const char *option, struct ink_err *err)
{
    const char *path = ink_args_text(args, option);
    const char *slash = path ? strrchr(path, '/') : NULL;
    INK_CLEANUP(ink_freep) char *folder = NULL;

    if (!path)
        return INK_OK;
    folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    if (!folder)
        return ink_fail(err, INK_NOMEM, "out of memory");
    if (access(folder, W_OK | X_OK) != 0)
        return ink_fail_errno(err, "--%s: cannot write '%.100s'", option, path);
    return INK_OK;
}

static const char *
data_names(const struct run *run)
{
    const char *names = ink_args_text(run->args, "data");

    return names ? names : ink_session_data_name(run->ctx->session);
}

/* ---- the network to start from ---- */

static void
set_title(struct run *run, const char *name)
{
    (void)snprintf(run->title, sizeof(run->title), "%s on %s", name, data_names(run));
}

static enum ink_status
load_start(struct run *run, struct ink_err *err)
{
    INK_CLEANUP(ink_model_fini) struct ink_model model = {0};
    INK_CLEANUP(ink_buf_fini) struct ink_buf command = {0};
    const char *name = ink_args_text(run->args, "name");
    struct ink_record record = {.loss = (double)NAN, .accuracy = (double)NAN};
    enum ink_status status;

    if (name && !ink_store_is_name(name))
        return ink_fail(
            err, INK_BADARG,
            "--name: '%.64s' is not a model's name, expected 1 to 63 of A-Z a-z 0-9 _ -", name);
    status = ink_model_find_arch(run->ctx, ink_args_text(run->args, "model"), &model, err);
    if (status != INK_OK)
        return status;
    if (ink_args_flag(run->args, "continue") && !model.snapshot)
        return ink_fail(err, INK_BADARG, "--continue: '%.64s' has no weights to go on from",
                        model.name);
    if (ink_args_flag(run->args, "continue"))
        record = *ink_snapshot_record(model.snapshot);
    status = ink_train_config_pin(&run->all, model.version, err);
    if (status != INK_OK)
        return status;
    ink_train_options_print(run->given, &command);
    (void)snprintf(record.name, sizeof(record.name), "%s", name ? name : model.name);
    (void)snprintf(record.command, sizeof(record.command), "%s", ink_buf_text(&command));
    (void)snprintf(record.data, sizeof(record.data), "%s", run->train->name);
    record.version = 0;
    record.seed = (unsigned long long)ink_args_int(run->args, "seed");
    ink_clock_date(record.date);
    if (ink_args_flag(run->args, "continue"))
        status = ink_snapshot_copy(model.snapshot, &record, &run->start, err);
    else
        status = ink_snapshot_create(model.arch, &record, record.seed, &run->start, err);
    set_title(run, record.name);
    return status;
}

/* The start of a run that goes on has been chosen long ago. */
static enum ink_status
find_start(struct run *run, struct ink_err *err)
{
    enum ink_status status;

    if (!run->keeping.checkpoint)
        return load_start(run, err);
    status = ink_train_keeping_start(&run->keeping, &run->start, err);
    if (status == INK_OK)
        set_title(run, ink_snapshot_record(run->start)->name);
    return status;
}

/* ---- while it runs ---- */

static void
show(struct run *run, const struct ink_train_progress *progress, enum ink_progress_state state)
{
    const struct ink_sink *sink = run->ctx->sink;
    INK_CLEANUP(ink_bundle_fini) struct ink_bundle bundle = {.is_plain = sink->is_plain};

    ink_progress_show(progress, run->title, state, &bundle);
    if (bundle.is_broken)
        return; /* no memory for a picture: the training goes on */
    sink->display(sink->self, &bundle, run->display_id, run->is_shown);
    run->is_shown = true;
    run->shown_ns = ink_clock_ns();
    run->shown_validations = progress->validation_count;
}

static void
on_progress(void *self, const struct ink_train_progress *progress)
{
    struct run *run = self;

    if (run->job && run->is_shown) /* the first time after the display, so that it is there */
        ink_job_report(run->job, progress);
    if (run->is_shown && ink_clock_ms_since(run->shown_ns) < UPDATE_MS)
        return;
    show(run, progress, INK_PROGRESS_RUNS);
    if (run->job)
        ink_job_report(run->job, progress);
}

static void
on_step(void *self, const struct ink_train_progress *progress, double loss, double accuracy)
{
    ink_metrics_step(&((struct run *)self)->metrics, progress, loss, accuracy);
}

static void
on_validation(void *self, const struct ink_train_progress *progress)
{
    ink_metrics_validation(&((struct run *)self)->metrics, progress);
}

static void
publish(struct run *run, const struct ink_snapshot *snapshot)
{
    run->is_used = true;
    if (run->job)
        run->is_used = ink_session_publish_job(run->ctx->session, snapshot);
    else
        ink_session_publish(run->ctx->session, snapshot);
}

static void
on_snapshot(void *self, const struct ink_snapshot *snapshot)
{
    publish(self, snapshot);
}

static void
on_warning(void *self, const char *text)
{
    const struct run *run = self;
    INK_CLEANUP(ink_buf_fini) struct ink_buf line = {0};

    ink_buf_printf(&line, "warning: %s\n", text);
    run->ctx->sink->print(run->ctx->sink->self, ink_buf_text(&line));
}

/* The processes that mpirun started with this one take part. */
static void
set_parallel(const struct run *run, struct ink_train_options *options)
{
    options->parallel = ink_session_parallel(run->ctx->session);
    if (options->parallel && options->threads == 0)
        options->threads = options->parallel->threads;
}

/* What a process beside the first one does: that one shows and keeps. */
static enum ink_status
train_beside(const struct run *run, struct ink_train_options *options, struct ink_err *err)
{
    INK_CLEANUP(ink_freep) struct ink_train_result *result = calloc(1, sizeof(*result));
    enum ink_status status;

    if (!result)
        return ink_fail(err, INK_NOMEM, "out of memory");
    options->publish_s = 0;
    status = ink_train_run(run->start, run->train, run->validation, options, NULL, run->ctx->cancel,
                           result, err);
    ink_snapshot_unref(result->best);
    return status == INK_BADDATA ? INK_OK : status; /* all find the same; the first one says so */
}

/* It came to nothing: what was in use is so again, unless another network was chosen. */
static void
put_back(const struct run *run, const struct ink_snapshot *before)
{
    if (run->job)
        ink_session_drop_job(run->ctx->session, before);
    else if (before)
        ink_session_publish(run->ctx->session, before);
}

/* How it ended: `status`, and in `err` why. */
static enum ink_status
finish(struct run *run, const struct ink_train_result *result, const struct ink_snapshot *before,
       enum ink_status status, struct ink_bundle *out_bundle, struct ink_err *err)
{
    bool is_good = result->best && (status == INK_OK || result->best != run->start);
    struct ink_train_outcome outcome = {.args = run->args,
                                        .title = run->title,
                                        .data = data_names(run),
                                        .start = run->start,
                                        .train = run->train,
                                        .validation = run->validation,
                                        .result = result,
                                        .trained_s = run->trained_s};

    if (!is_good) { /* nothing was learned yet */
        put_back(run, before);
        return status != INK_OK ? status : ink_fail(err, INK_BUG, "no weights came back");
    }
    publish(run, result->best);
    outcome.is_used = run->is_used;
    if (status != INK_OK) {
        ink_train_outcome_keep_sane(&outcome, err);
        return status;
    }
    show(run, &result->progress, result->is_cancelled ? INK_PROGRESS_STOPPED : INK_PROGRESS_DONE);
    status = ink_train_outcome_keep(&outcome, err);
    if (status != INK_OK)
        return status;
    if (result->is_cancelled)
        return ink_train_outcome_stopped(&outcome, err);
    ink_train_outcome_show(&outcome, out_bundle);
    return INK_OK;
}

/* Train, and leave the best weights in use; an error leaves those that were. */
static enum ink_status
train(struct run *run, struct ink_bundle *out_bundle, struct ink_err *err)
{
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *before = NULL;
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *best = NULL;
    INK_CLEANUP(ink_freep) struct ink_train_result *result = calloc(1, sizeof(*result));
    struct ink_train_options options = ink_train_options_get(run->args, run->train);
    struct ink_train_observer observer = {.self = run,
                                          .on_progress = on_progress,
                                          .on_snapshot = on_snapshot,
                                          .on_step = on_step,
                                          .on_validation = on_validation,
                                          .on_warning = on_warning};
    enum ink_status status;

    if (!result)
        return ink_fail(err, INK_NOMEM, "out of memory");
    status = ink_train_keeping_set(&run->keeping, run->args, data_names(run), &options, err);
    if (status != INK_OK)
        return status;
    set_parallel(run, &options);
    if (options.parallel && options.parallel->rank > 0)
        return train_beside(run, &options, err);
    if (ink_session_snapshot(run->ctx->session, &before, NULL) != INK_OK)
        before = NULL;
    status =
        ink_metrics_open(&run->metrics, run->ctx, run->args, run->keeping.checkpoint != NULL, err);
    if (status != INK_OK)
        return status;
    run->trained_s = ink_clock_ms_since(run->loaded_ns) / 1000;
    status = ink_train_run(run->start, run->train, run->validation, &options, &observer,
                           run->ctx->cancel, result, err);
    ink_metrics_close(&run->metrics);
    if (run->job)
        ink_job_report(run->job, &result->progress);
    run->trained_s += result->progress.elapsed_s - result->progress.validation_s;
    best = result->best;
    return finish(run, result, before, status, out_bundle, err);
}

/* ---- in the background ---- */

static void
print_nowhere(void *self, const char *text)
{
    (void)self;
    (void)text;
}

static void
display_nowhere(void *self, const struct ink_bundle *bundle, const char *display_id, bool is_update)
{
    (void)self;
    (void)bundle;
    (void)display_id;
    (void)is_update;
}

static void
destroy_run(void *self)
{
    struct run *run = self;

    ink_train_keeping_end(&run->keeping);
    ink_snapshot_unref(run->start);
    ink_dataset_unref(run->train);
    ink_dataset_unref(run->validation);
    ink_args_fini(&run->all);
    if (run->job_sink)
        run->release(run->job_sink);
    free(run);
}

static enum ink_status
run_job(void *self, struct ink_job *job, struct ink_buf *out_text, struct ink_err *err)
{
    INK_CLEANUP(ink_bundle_fini) struct ink_bundle bundle = {0};
    const struct ink_bundle_item *text;
    struct run *run = self;
    enum ink_status status;

    run->job = job;
    run->job_ctx.cancel = ink_job_cancel_flag(job);
    status = train(run, &bundle, err);
    text = status == INK_OK ? ink_bundle_find(&bundle, INK_MIME_TEXT) : NULL;
    if (text)
        ink_buf_append(out_text, text->bytes, text->size);
    return status;
}

/* Takes the run over. */
static enum ink_status
start_job(struct run *run, struct ink_bundle *out_bundle, struct ink_err *err)
{
    static const struct ink_sink nowhere = {.print = print_nowhere, .display = display_nowhere};
    const struct ink_sink *sink = run->ctx->sink;
    struct ink_jobs *jobs = ink_session_jobs(run->ctx->session);
    INK_CLEANUP(ink_json_destroy) struct ink_json *json = ink_json_object();
    struct ink_job_work work = {.self = run, .run = run_job, .destroy = destroy_run};
    struct ink_buf text = {0};
    int number = 0;
    enum ink_status status;

    run->release = sink->release;
    run->job_sink = sink->keep ? sink->keep(sink->self) : NULL;
    run->job_ctx = (struct ink_context){.session = run->ctx->session,
                                        .sink = run->job_sink ? run->job_sink : &nowhere,
                                        .block = ""};
    run->ctx = &run->job_ctx;
    run->given = NULL;
    ink_buf_printf(&text, ": %s trains in the background; jobs shows it, stop ends it\n",
                   run->title);
    ink_session_begin_job(run->ctx->session);
    status = ink_jobs_start(jobs, run->title, &work, &number, err);
    if (status == INK_OK) {
        struct ink_buf line = {0};

        ink_buf_printf(&line, "job %d%s", number, ink_buf_text(&text));
        ink_bundle_add(out_bundle, INK_MIME_TEXT, &line);
        ink_json_set_int(json, "job", number);
        ink_bundle_add_json(out_bundle, json);
    }
    ink_buf_fini(&text);
    return status;
}

/* ---- a run ---- */

static enum ink_status
check_session(const struct ink_context *ctx, const struct ink_args *args, struct ink_err *err)
{
    if (ink_args_flag(args, "background") && !ink_session_has_jobs(ctx->session))
        return ink_fail(err, INK_NOTNOW,
                        "--background: is for notebooks; in a shell end the line with '&' and give "
                        "--checkpoints");
    return ink_jobs_check_idle(ink_session_jobs(ctx->session), err);
}

static enum ink_status
prepare(struct run *run, struct ink_err *err)
{
    const struct ink_context *ctx = run->ctx;
    enum ink_status status =
        ink_train_keeping_begin(ctx, run->given, &run->keeping, &run->all, err);

    if (status == INK_OK)
        status = check_session(ctx, run->args, err);
    if (status == INK_OK)
        status = check_folder(run->args, "save", err);
    if (status == INK_OK)
        status = check_folder(run->args, "log", err);
    if (status == INK_OK)
        status = ink_train_data_load(ctx, run->args, &run->train, &run->validation, err);
    run->loaded_ns = ink_clock_ns();
    return status == INK_OK ? find_start(run, err) : status;
}

static enum ink_status
run_train(const struct ink_context *ctx, const struct ink_args *args, struct ink_bundle *out_bundle,
          struct ink_err *err)
{
    struct run *run = calloc(1, sizeof(*run));
    enum ink_status status;

    if (!run)
        return ink_fail(err, INK_NOMEM, "out of memory");
    run->ctx = ctx;
    run->given = args;
    run->args = &run->all;
    run->all.command = args->command;
    ink_session_new_view_id(ctx->session, run->display_id);
    status = prepare(run, err);
    if (status == INK_OK && ink_args_flag(run->args, "background"))
        return start_job(run, out_bundle, err);
    if (status == INK_OK)
        status = train(run, out_bundle, err);
    destroy_run(run);
    return status;
}

const struct ink_command ink_command_train = {
    .name = "train",
    .synopsis = "",
    .summary = "teach a network from pictures with known digits",
    .help = "Weights start afresh from --seed; --continue goes on from those there are. While\n"
            "it runs, the newest weights are the session's network: draw and watch it learn.\n"
            "Ctrl-C or the stop button ends it; the best weights so far stay in use. Weights\n"
            "are kept by --save, or later by 'model save'. With --checkpoints a run that was\n"
            "stopped or killed goes on with --resume, to the same weights.\n"
            "\n"
            "  train --model keras --epochs 3\n"
            "  train --data mnist,strokes --augment full --average 0.999\n"
            "  train --continue --epochs 1 --lr 0.0005\n"
            "  train --recipe sprint --seed 3\n"
            "  train --model conv1 --epochs 20 --until 98 --metrics run.jsonl\n"
            "  train --config mine.json --save again.safetensors\n"
            "  train --checkpoints run --epochs 100\n"
            "  train --resume run\n"
            "  train --background --epochs 50\n"
            "\n"
            "The best epoch is chosen on the validation data, by default the test half: to\n"
            "report an accuracy that was not chosen, hold pictures out (--validation 5000)\n"
            "and 'evaluate' afterwards. A loss that explodes ends the run with the step's\n"
            "number and keeps the last good weights.\n"
            "\n"
            "  mpirun -np 4 inkling train --model keras\n"
            "\n"
            "trains in four processes, on one machine or several: each loads the data and\n"
            "learns its part of every mini-batch, and the weights are those that one process\n"
            "would learn, up to rounding. The first one shows, measures and writes. When one\n"
            "is lost all end; the newest checkpoint is there to go on from.",
    .option = ink_train_option,
    .option_count = INK_TRAIN_OPTION_COUNT,
    .flags = INK_CHANGES_SESSION | INK_LONG_RUNNING | INK_LOCAL_FILES,
    .run = run_train,
};
