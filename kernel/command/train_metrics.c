/* SPDX-License-Identifier: MIT */
#include "kernel/command/train_metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "kernel/command/command_priv.h"
#include "model/events.h"

/* ---- files ---- */

static enum ink_status
write_all(int fd, const char *path, const struct ink_buf *bytes, struct ink_err *err)
{
    enum ink_status status = ink_buf_check(bytes, err);
    size_t done = 0;

    while (status == INK_OK && done < bytes->size) {
        ssize_t written = write(fd, bytes->bytes + done, bytes->size - done);

        if (written < 0 && errno != EINTR)
            status = ink_fail_errno(err, "cannot write '%.100s'", path);
        done += written > 0 ? (size_t)written : 0;
    }
    return status;
}

/* Add to a file; give it up if that fails. */
static void
add(struct ink_metrics *metrics, int *fd, const char *path, const struct ink_buf *bytes)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf text = {0};
    struct ink_err err;

    if (write_all(*fd, path, bytes, &err) == INK_OK)
        return;
    (void)close(*fd);
    *fd = -1;
    ink_buf_printf(&text, "warning: %s: training goes on without it\n", err.message);
    if (!text.is_broken)
        metrics->sink->print(metrics->sink->self, text.bytes);
}

static double
now_s(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* A file that nobody else has: the name says when, where and who. Source: TensorFlow's
 * events_writer.cc; readers look for "tfevents" in it. */
static enum ink_status
open_events(struct ink_metrics *metrics, const char *folder, struct ink_err *err)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf begin = {0};
    double time_s = now_s();
    char host[64] = "";
    enum ink_status status = ink_file_make_dir(folder, err);

    if (status != INK_OK)
        return status;
    if (gethostname(host, sizeof(host) - 1) != 0 || !*host || strchr(host, '/'))
        (void)snprintf(host, sizeof(host), "localhost");
    for (int number = 0; metrics->event_fd < 0; number++) {
        int size = snprintf(metrics->event_path, sizeof(metrics->event_path),
                            "%s/events.out.tfevents.%010.0f.%s.%ld.%d", folder, floor(time_s), host,
                            (long)getpid(), number);

        if (size < 0 || (size_t)size >= sizeof(metrics->event_path))
            return ink_fail(err, INK_BADARG, "--tensorboard: '%.60s...' is too long a name",
                            folder);
        metrics->event_fd =
            open(metrics->event_path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0666);
        if (metrics->event_fd < 0 && errno != EEXIST)
            return ink_fail_errno(err, "--tensorboard: cannot write '%.100s'", metrics->event_path);
    }
    ink_events_begin(&begin, time_s);
    return write_all(metrics->event_fd, metrics->event_path, &begin, err);
}

enum ink_status
ink_metrics_open(struct ink_metrics *metrics, const struct ink_context *ctx,
                 const struct ink_args *args, bool is_resumed, struct ink_err *err)
{
    const char *folder = ink_args_text(args, "tensorboard");
    int how = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | (is_resumed ? 0 : O_TRUNC);
    enum ink_status status = INK_OK;

    *metrics = (struct ink_metrics){
        .sink = ctx->sink,
        .line_path = ink_args_text(args, "metrics"),
        .line_fd = -1,
        .event_fd = -1,
        .every = ink_args_int(args, "metrics-every"),
    };
    if (!metrics->line_path && !folder)
        return INK_OK;
    metrics->is_open = true;
    if (metrics->line_path) {
        metrics->line_fd = open(metrics->line_path, how, 0666);
        if (metrics->line_fd < 0)
            status = ink_fail_errno(err, "--metrics: cannot write '%.100s'", metrics->line_path);
    }
    if (status == INK_OK && folder)
        status = open_events(metrics, folder, err);
    if (status != INK_OK)
        ink_metrics_close(metrics);
    return status;
}

/* ---- a moment in both forms ---- */

static void
put_line(const struct ink_metrics_moment *moment, struct ink_buf *buf)
{
    INK_CLEANUP(ink_json_destroy) struct ink_json *json = ink_json_object();
    char date[INK_CLOCK_DATE_SIZE];

    ink_clock_date(date);
    ink_json_set_int(json, "step", moment->step);
    ink_json_set_int(json, "epoch", moment->epoch);
    ink_json_set_double(json, "loss", moment->loss);
    ink_json_set_double(json, "accuracy", moment->accuracy);
    ink_json_set_double(json, "rate", moment->rate);
    ink_json_set_double(json, "images_per_s", moment->images_per_s);
    ink_json_set_double(json, "validation_loss", moment->validation_loss);
    ink_json_set_double(json, "validation_accuracy", moment->validation_accuracy);
    ink_json_set_double(json, "elapsed_s", moment->elapsed_s);
    ink_json_set_string(json, "time", date);
    if (ink_json_print(json, buf, NULL) != INK_OK)
        buf->is_broken = true;
    ink_buf_putc(buf, '\n');
}

static void
put_event(const struct ink_metrics_moment *moment, struct ink_buf *buf)
{
    const struct ink_scalar scalars[] = {
        {"train/loss", moment->loss},
        {"train/accuracy", moment->accuracy},
        {"train/rate", moment->rate},
        {"train/images_per_s", moment->images_per_s},
        {"validation/loss", moment->validation_loss},
        {"validation/accuracy", moment->validation_accuracy},
    };

    ink_events_scalars(buf, now_s(), moment->step, scalars, INK_COUNT(scalars));
}

/* Write the moment, with means; then the next one begins. */
static void
put(struct ink_metrics *metrics)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf line = {0}, event = {0};
    struct ink_metrics_moment moment = metrics->now;
    double steps = metrics->steps > 0 ? (double)metrics->steps : (double)NAN;

    moment.loss /= steps;
    moment.accuracy /= steps;
    if (metrics->line_fd >= 0) {
        put_line(&moment, &line);
        add(metrics, &metrics->line_fd, metrics->line_path, &line);
    }
    if (metrics->event_fd >= 0) {
        put_event(&moment, &event);
        add(metrics, &metrics->event_fd, metrics->event_path, &event);
    }
    metrics->steps = 0;
    metrics->now.loss = metrics->now.accuracy = 0;
}

static void
look(struct ink_metrics *metrics, const struct ink_train_progress *progress)
{
    struct ink_metrics_moment *now = &metrics->now;

    now->step = progress->step;
    now->epoch = progress->epoch;
    now->rate = progress->learning_rate;
    now->images_per_s = progress->images_per_s;
    now->elapsed_s = progress->elapsed_s;
    now->validation_loss = now->validation_accuracy = (double)NAN;
}

void
ink_metrics_step(struct ink_metrics *metrics, const struct ink_train_progress *progress,
                 double loss, double accuracy)
{
    if (!metrics->is_open)
        return;
    look(metrics, progress);
    metrics->now.loss += loss;
    metrics->now.accuracy += accuracy;
    metrics->steps++;
    if (progress->step % metrics->every == 0) /* the same steps when a run goes on */
        put(metrics);
}

void
ink_metrics_validation(struct ink_metrics *metrics, const struct ink_train_progress *progress)
{
    if (!metrics->is_open)
        return;
    look(metrics, progress);
    metrics->now.validation_loss = progress->validation_loss;
    metrics->now.validation_accuracy = progress->validation_accuracy;
    put(metrics);
}

void
ink_metrics_close(struct ink_metrics *metrics)
{
    if (!metrics->is_open)
        return;
    if (metrics->steps > 0)
        put(metrics);
    if (metrics->line_fd >= 0)
        (void)close(metrics->line_fd);
    if (metrics->event_fd >= 0)
        (void)close(metrics->event_fd);
    *metrics = (struct ink_metrics){0};
}
