/* SPDX-License-Identifier: MIT */
/* jobs, stop: what trains in the background. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "kernel/command/command_priv.h"
#include "kernel/command/jobs.h"
#include "kernel/command/session.h"
#include "kernel/render/progress.h"
#include "kernel/render/table.h"
#include "kernel/render/text.h"

static const char *const state_name[] = {
    [INK_JOB_RUNS] = "runs",
    [INK_JOB_DONE] = "done",
    [INK_JOB_STOPPED] = "stopped",
    [INK_JOB_FAILED] = "failed",
};

/* The word that names a job; 0 if none was given. */
static enum ink_status
get_number(const struct ink_args *args, int *out_number, struct ink_err *err)
{
    int64_t number = 0;
    enum ink_status status = INK_OK;

    if (args->word_count > 0)
        status = ink_parse_int("job", args->word[0], 1, INT32_MAX, &number, err);
    *out_number = (int)number;
    return status;
}

static void
add_percent(struct ink_table *table, double share)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf text = {0};

    if (isfinite(share))
        ink_text_percent(&text, share);
    ink_table_add(table, ink_buf_text(&text));
}

static void
add_duration(struct ink_table *table, double seconds)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf text = {0};

    ink_text_duration(&text, seconds);
    ink_table_add(table, ink_buf_text(&text));
}

static void
add_row(const struct ink_job_view *job, struct ink_table *table)
{
    const struct ink_train_progress *progress = &job->progress;

    ink_table_addf(table, "%d", job->number);
    ink_table_add(table, job->title);
    ink_table_add(table, state_name[job->state]);
    ink_table_addf(table, "%d/%d", progress->epoch, progress->epoch_count);
    ink_table_addf(table, "%lld/%lld", (long long)progress->step, (long long)progress->step_count);
    add_percent(table, progress->best_accuracy);
    add_duration(table, progress->elapsed_s);
    if (job->state == INK_JOB_RUNS)
        add_duration(table, progress->remaining_s);
    else
        ink_table_add(table, "");
}

static struct ink_json *
to_json(const struct ink_job_view *job, bool with_curves)
{
    struct ink_json *json = ink_json_object();

    ink_json_set_int(json, "job", job->number);
    ink_json_set_string(json, "title", job->title);
    ink_json_set_string(json, "state", state_name[job->state]);
    ink_json_set_string(json, "message", job->message);
    ink_json_set(json, "progress", ink_progress_to_json(&job->progress, with_curves));
    return json;
}

/* What is to be said below the table: where the newest job's network is. */
static void
put_place(const struct ink_job_view *newest, struct ink_session *session, struct ink_buf *text,
          struct ink_buf *html)
{
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *learned = ink_session_job(session);

    if (!learned || ink_session_uses_job(session))
        return;
    ink_buf_printf(text, "job %d's network is not the one in use: 'model use job' takes it\n",
                   newest->number);
    ink_buf_printf(html,
                   "<p>job %d's network is not the one in use: <code>model use job</code> takes "
                   "it</p>",
                   newest->number);
}

static enum ink_status
list(struct ink_session *session, struct ink_bundle *out_bundle, struct ink_err *err)
{
    INK_CLEANUP(ink_freep) struct ink_job_view *views = NULL;
    INK_CLEANUP(ink_table_fini) struct ink_table table;
    INK_CLEANUP(ink_json_destroy) struct ink_json *json = ink_json_array();
    struct ink_buf text = {0}, html = {0};
    size_t count = 0;
    enum ink_status status;

    ink_table_init(&table, ">job|what|state|>epoch|>step|>best|>time|>left");
    status = ink_jobs_list(ink_session_jobs(session), &views, &count, err);
    if (status != INK_OK)
        return status;
    for (size_t i = 0; i < count; i++) {
        add_row(&views[i], &table);
        ink_json_push(json, to_json(&views[i], false));
    }
    if (count > 0) {
        ink_table_text(&table, &text);
        ink_table_html(&table, &html);
        put_place(&views[count - 1], session, &text, &html);
    } else {
        ink_buf_puts(&text, "no jobs: 'train --background' starts one\n");
        ink_buf_puts(&html, "<p>no jobs: <code>train --background</code> starts one</p>");
    }
    ink_bundle_add_answer(out_bundle, &text, &html, json);
    return INK_OK;
}

static enum ink_status
run_jobs(const struct ink_context *ctx, const struct ink_args *args, struct ink_bundle *out_bundle,
         struct ink_err *err)
{
    static const enum ink_progress_state states[] = {
        [INK_JOB_RUNS] = INK_PROGRESS_RUNS,
        [INK_JOB_DONE] = INK_PROGRESS_DONE,
        [INK_JOB_STOPPED] = INK_PROGRESS_STOPPED,
        [INK_JOB_FAILED] = INK_PROGRESS_STOPPED,
    };
    INK_CLEANUP(ink_freep) struct ink_job_view *view = calloc(1, sizeof(*view));
    struct ink_jobs *jobs = ink_session_jobs(ctx->session);
    char line[sizeof(view->message) + 32];
    int number;
    enum ink_status status = get_number(args, &number, err);

    if (status == INK_OK && args->word_count == 0)
        return list(ctx->session, out_bundle, err);
    if (status == INK_OK)
        status = view ? ink_jobs_get(jobs, number, view, err)
                      : ink_fail(err, INK_NOMEM, "out of memory");
    if (status != INK_OK)
        return status;
    if (view->message[0]) {
        (void)snprintf(line, sizeof(line), "job %d: %s\n", number, view->message);
        ctx->sink->print(ctx->sink->self, line);
    }
    ink_progress_show(&view->progress, view->title, states[view->state], out_bundle);
    return INK_OK;
}

static enum ink_status
run_stop(const struct ink_context *ctx, const struct ink_args *args, struct ink_bundle *out_bundle,
         struct ink_err *err)
{
    INK_CLEANUP(ink_freep) struct ink_job_view *view = calloc(1, sizeof(*view));
    INK_CLEANUP(ink_json_destroy) struct ink_json *json = NULL;
    struct ink_buf text = {0};
    int number;
    enum ink_status status = get_number(args, &number, err);

    if (status == INK_OK)
        status = view
                     ? ink_jobs_stop(ink_session_jobs(ctx->session), number, ctx->cancel, view, err)
                     : ink_fail(err, INK_NOMEM, "out of memory");
    if (status != INK_OK)
        return status;
    ink_buf_printf(&text, "job %d: %s\n", view->number, view->message);
    ink_bundle_add(out_bundle, INK_MIME_TEXT, &text);
    json = to_json(view, true);
    ink_bundle_add_json(out_bundle, json);
    return INK_OK;
}

const struct ink_command ink_command_jobs = {
    .name = "jobs",
    .synopsis = "[N]",
    .summary = "list what trains in the background, or show one job's curves",
    .help = "'train --background' starts a job. It goes on while other cells run: predict and\n"
            "draw use its newest weights, until you choose another network with 'model use';\n"
            "'model use job' goes back to the newest job's. One trains at a time; 'stop' ends\n"
            "it.\n"
            "\n"
            "  train --background --epochs 20\n"
            "  jobs\n"
            "  jobs 1",
    .word_max = 1,
    .run = run_jobs,
};

const struct ink_command ink_command_stop = {
    .name = "stop",
    .synopsis = "[N]",
    .summary = "stop what trains in the background",
    .help = "Ends job N, or the one that runs, as Ctrl-C ends training: the best weights so\n"
            "far stay in use, --save is written, and with --checkpoints a last checkpoint.\n"
            "\n"
            "  stop\n"
            "  stop 1",
    .word_max = 1,
    .flags = INK_CHANGES_SESSION | INK_LONG_RUNNING,
    .run = run_stop,
};
