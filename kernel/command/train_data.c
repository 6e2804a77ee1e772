/* SPDX-License-Identifier: MIT */
#include "kernel/command/train_data.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "kernel/command/command_priv.h"
#include "kernel/command/session.h"

enum { SET_MAX = 8 }; /* data sets mixed */

/* The sets named, in their order; one named twice is there twice. */
struct mix {
    size_t count;
    struct ink_dataset *set[SET_MAX];
};

static void
mix_fini(struct mix *mix)
{
    for (size_t i = 0; i < mix->count; i++)
        ink_dataset_unref(mix->set[i]);
    mix->count = 0;
}

/* The training rows of one data set, or of several: "mnist,strokes". */
static enum ink_status
load_mix(const struct ink_context *ctx, const char *names, struct mix *mix, struct ink_err *err)
{
    const char *at = names;

    while (*at) {
        size_t size = strcspn(at, ",");
        INK_CLEANUP(ink_freep) char *name = strndup(at, size);
        enum ink_status status = INK_OK;

        if (!name)
            return ink_fail(err, INK_NOMEM, "out of memory");
        if (size > 0 && mix->count == SET_MAX)
            return ink_fail(err, INK_TOOBIG, "--data: more than %d data sets", SET_MAX);
        if (size > 0)
            status =
                ink_session_dataset(ctx->session, name, INK_TRAIN, ctx, &mix->set[mix->count], err);
        if (status)
            return status;
        mix->count += size > 0;
        at += size + (at[size] == ',');
    }
    if (mix->count == 0)
        return ink_fail(err, INK_BADARG, "--data: no data set in '%.64s'", names);
    return INK_OK;
}

static enum ink_status
join(const struct mix *mix, struct ink_dataset **out_set, struct ink_err *err)
{
    if (mix->count > 1)
        return ink_dataset_join(mix->set, mix->count, out_set, err);
    *out_set = ink_dataset_ref(mix->set[0]);
    return INK_OK;
}

/* Copy some rows into a set of their own. */
static enum ink_status
copy_rows(const struct ink_dataset *from, size_t first, size_t count, const char *name,
          struct ink_dataset **out_set, struct ink_err *err)
{
    enum ink_status status = ink_dataset_create(name, count, out_set, err);

    if (status != INK_OK)
        return status;
    memcpy((*out_set)->pixels, from->pixels + first * INK_PICTURE_SIZE, count * INK_PICTURE_SIZE);
    memcpy((*out_set)->labels, from->labels + first, count);
    return INK_OK;
}

/* Whether mix->set[index] stands earlier in the mix already. */
static bool
is_repeated(const struct mix *mix, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (mix->set[i] == mix->set[index])
            return true;
    return false;
}

/* Split the last `held` rows off one set: the rest takes its place, they join `out`. */
static enum ink_status
split(struct ink_dataset **set, size_t held, bool is_kept, struct mix *out, struct ink_err *err)
{
    INK_CLEANUP(ink_dataset_unrefp) struct ink_dataset *all = *set;
    size_t rest = all->count - held;
    char name[sizeof(all->name) + 16];
    enum ink_status status = INK_OK;

    *set = NULL;
    (void)snprintf(name, sizeof(name), "%s held out", all->name);
    if (is_kept && held > 0)
        status = copy_rows(all, rest, held, name, &out->set[out->count], err);
    if (status)
        return status;
    out->count += is_kept && held > 0;
    return copy_rows(all, 0, rest, all->name, set, err);
}

/* Take `count` rows out of the sets of a mix, and join them. */
static enum ink_status
hold_out(struct mix *mix, size_t count, struct ink_dataset **out_held, struct ink_err *err)
{
    INK_CLEANUP(mix_fini) struct mix held = {0};
    bool repeated[SET_MAX] = {0};
    size_t total = 0;

    for (size_t i = 0; i < mix->count; i++) {
        repeated[i] = is_repeated(mix, i);
        total += repeated[i] ? 0 : mix->set[i]->count;
    }
    if (count >= total)
        return ink_fail(err, INK_BADARG,
                        "--validation: %zu pictures of %zu, expected fewer than there are", count,
                        total);
    for (size_t i = 0; i < mix->count; i++) {
        size_t share = (size_t)((double)count * (double)mix->set[i]->count / (double)total + 0.5);
        enum ink_status status;

        if (share == mix->set[i]->count) /* rounded up: a row is left to learn from */
            share--;
        status = split(&mix->set[i], share, !repeated[i], &held, err);
        if (status)
            return status;
    }
    if (held.count == 0)
        return ink_fail(err, INK_BADARG,
                        "--validation: %zu of %zu pictures are none of any data set", count, total);
    return join(&held, out_held, err);
}

/* What --validation names besides a number: the test half of the first data set, or a data set. */
static enum ink_status
load_validation(const struct ink_context *ctx, const struct ink_args *args, const char *what,
                struct ink_dataset **out_set, struct ink_err *err)
{
    const char *data = ink_args_text(args, "data");
    char first[256] = "";

    if (strcmp(what, "test") != 0)
        return ink_session_dataset(ctx->session, what, INK_TEST, ctx, out_set, err);
    if (data) /* the first of several */
        (void)snprintf(first, sizeof(first), "%.*s", (int)strcspn(data, ","), data);
    return ink_session_dataset(ctx->session, data ? first : NULL, INK_TEST, ctx, out_set, err);
}

enum ink_status
ink_train_data_load(const struct ink_context *ctx, const struct ink_args *args,
                    struct ink_dataset **out_train, struct ink_dataset **out_validation,
                    struct ink_err *err)
{
    INK_CLEANUP(mix_fini) struct mix mix = {0};
    INK_CLEANUP(ink_dataset_unrefp) struct ink_dataset *validation = NULL;
    const char *names = ink_args_text(args, "data"), *what = ink_args_text(args, "validation");
    int64_t count;
    enum ink_status status;

    status = load_mix(ctx, names ? names : ink_session_data_name(ctx->session), &mix, err);
    if (status)
        return status;
    if (ink_parse_int("", what, 1, INT32_MAX, &count, NULL) == INK_OK)
        status = hold_out(&mix, (size_t)count, &validation, err);
    else if (strcmp(what, "none") != 0)
        status = load_validation(ctx, args, what, &validation, err);
    if (!status)
        status = join(&mix, out_train, err);
    if (status)
        return status;
    *out_validation = validation;
    validation = NULL;
    return INK_OK;
}
