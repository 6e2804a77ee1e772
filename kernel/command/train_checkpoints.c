/* SPDX-License-Identifier: MIT */
#include "kernel/command/train_checkpoints.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "kernel/command/command_priv.h"
#include "kernel/command/session.h"
#include "kernel/command/train_config.h"

static const double interval_min_s = 0.1, interval_max_s = 86400;
enum { INTERVAL_MAX_STEPS = 1000000000 };

/* "500" mini-batches, "30s", "5m" or "1h". */
static enum ink_status
parse_interval(const char *text, struct ink_train_checkpoints *checkpoints, struct ink_err *err)
{
    static const struct {
        char letter;
        double seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}};
    INK_CLEANUP(ink_freep) char *number = strdup(text);
    size_t size = strlen(text);
    double value;

    if (!number)
        return ink_fail(err, INK_NOMEM, "out of memory");
    checkpoints->every_steps = 0;
    if (ink_parse_int("", text, 1, INTERVAL_MAX_STEPS, &checkpoints->every_steps, NULL) == INK_OK)
        return INK_OK;
    for (size_t i = 0; i < INK_COUNT(units) && size > 1; i++) {
        if (text[size - 1] != units[i].letter)
            continue;
        number[size - 1] = '\0';
        if (ink_parse_double("", number, 0, interval_max_s, &value, NULL) != INK_OK)
            break;
        checkpoints->every_s = value * units[i].seconds;
        if (checkpoints->every_s >= interval_min_s && checkpoints->every_s <= interval_max_s)
            return INK_OK;
    }
    return ink_fail(err, INK_BADARG,
                    "--checkpoint-every: '%.40s' is not a number of steps (500) or a time of 0.1s "
                    "to 24h (30s, 5m, 1h)",
                    text);
}

static void
warn(void *self, const char *text)
{
    const struct ink_sink *sink = self;
    char line[400];

    (void)snprintf(line, sizeof(line), "warning: %s\n", text);
    sink->print(sink->self, line);
}

/* Whether another process of the run writes the checkpoints. */
static bool
is_helper(const struct ink_context *ctx)
{
    const struct ink_parallel *parallel = ink_session_parallel(ctx->session);

    return parallel && parallel->rank > 0;
}

static enum ink_status
open_new(const char *path, struct ink_train_keeping *keeping, struct ink_err *err)
{
    enum ink_status status = ink_checkpoint_folder_open(path, &keeping->folder, err);
    int64_t last;

    if (status != INK_OK)
        return status;
    last = ink_checkpoint_folder_last(keeping->folder);
    if (last < 0)
        return INK_OK;
    return ink_fail(
        err, INK_NOTNOW,
        "--checkpoints: '%.60s' has those of a run at step %lld: 'train --resume %.60s' "
        "goes on with it; a new run needs a folder of its own",
        path, (long long)last, path);
}

static enum ink_status
go_on(const struct ink_context *ctx, const struct ink_args *given,
      struct ink_train_keeping *keeping, struct ink_args *out_args, struct ink_err *err)
{
    const char *path = ink_args_text(given, "resume");
    struct ink_err why;
    enum ink_status status = ink_train_config_check_resume(given, err);

    if (status == INK_OK && access(path, F_OK) != 0)
        status = ink_fail_errno(err, "--resume: '%.100s'", path);
    if (status == INK_OK)
        status = is_helper(ctx) ? ink_checkpoint_folder_look(path, &keeping->folder, err)
                                : ink_checkpoint_folder_open(path, &keeping->folder, err);
    if (status != INK_OK)
        return status;
    status = ink_checkpoint_folder_newest(keeping->folder, is_helper(ctx) ? NULL : warn,
                                          (void *)(uintptr_t)ctx->sink, /* warn only reads it */
                                          &keeping->checkpoint, &why);
    if (status != INK_OK)
        return ink_fail(err, status, "--resume: %s", why.message);
    return ink_train_config_resume(given, ink_checkpoint_head(keeping->checkpoint)->config,
                                   out_args, err);
}

enum ink_status
ink_train_keeping_begin(const struct ink_context *ctx, const struct ink_args *given,
                        struct ink_train_keeping *keeping, struct ink_args *out_args,
                        struct ink_err *err)
{
    INK_CLEANUP(ink_args_fini) struct ink_args args = {.command = given->command};
    const char *path;
    enum ink_status status = ink_args_has(given, "resume")
                                 ? go_on(ctx, given, keeping, &args, err)
                                 : ink_train_config_merge(given, &args, err);

    if (status != INK_OK)
        return status;
    status = parse_interval(ink_args_text(&args, "checkpoint-every"), &keeping->checkpoints, err);
    path = ink_args_text(&args, "checkpoints");
    if (status == INK_OK && path && !keeping->folder && !is_helper(ctx))
        status = open_new(path, keeping, err);
    if (status != INK_OK)
        return status;
    *out_args = args;
    args = (struct ink_args){.command = args.command}; /* given away */
    return INK_OK;
}

void
ink_train_keeping_end(struct ink_train_keeping *keeping)
{
    ink_checkpoint_destroy(&keeping->checkpoint);
    ink_checkpoint_folder_close(&keeping->folder);
    ink_buf_fini(&keeping->config);
}

enum ink_status
ink_train_keeping_set(struct ink_train_keeping *keeping, const struct ink_args *args,
                      const char *data, struct ink_train_options *options, struct ink_err *err)
{
    enum ink_status status;

    if (!keeping->folder)
        return INK_OK;
    status = ink_train_config_keep(args, data, &keeping->config, err);
    if (status != INK_OK)
        return status;
    keeping->checkpoints.folder = keeping->folder;
    keeping->checkpoints.resume = keeping->checkpoint;
    keeping->checkpoints.config = ink_buf_text(&keeping->config);
    options->checkpoints = &keeping->checkpoints;
    if (keeping->checkpoint) /* "all cores" may be another number here */
        options->threads = ink_checkpoint_head(keeping->checkpoint)->thread_count;
    return INK_OK;
}

enum ink_status
ink_train_keeping_start(const struct ink_train_keeping *keeping,
                        const struct ink_snapshot **out_start, struct ink_err *err)
{
    const struct ink_checkpoint_head *head = ink_checkpoint_head(keeping->checkpoint);

    return ink_checkpoint_snapshot(keeping->checkpoint, "", &head->record, out_start, err);
}
