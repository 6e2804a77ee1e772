/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "base/suggest.h"
#include "kernel/command/command_priv.h"
#include "kernel/command/pictures.h"
#include "kernel/command/session.h"
#include "kernel/render/grid.h"
#include "kernel/render/still.h"
#include "kernel/render/table.h"
#include "kernel/render/text.h"

enum { SAMPLES = 3 }; /* of each digit */

/* ---- list ---- */

static enum ink_status
list(const struct ink_context *ctx, struct ink_bundle *out_bundle)
{
    INK_CLEANUP(ink_table_fini) struct ink_table table;
    INK_CLEANUP(ink_json_destroy) struct ink_json *json = ink_json_array();
    const char *current = ink_session_data_name(ctx->session);
    struct ink_buf text = {0}, html = {0};
    size_t count;
    const struct ink_dataset_info *info = ink_dataset_table(&count);

    ink_table_init(&table, "name|here|about");
    for (size_t i = 0; i < count; i++) {
        bool is_local = ink_session_has_data(ctx->session, info[i].name);
        struct ink_json *row = ink_json_object();

        ink_table_add(&table, info[i].name);
        ink_table_add(&table, is_local ? "yes" : "no");
        ink_table_add(&table, info[i].summary);
        ink_json_set_string(row, "name", info[i].name);
        ink_json_set_bool(row, "here", is_local);
        ink_json_set_bool(row, "in_use", strcmp(info[i].name, current) == 0);
        ink_json_set_string(row, "about", info[i].summary);
        ink_json_push(json, row);
    }
    ink_table_text(&table, &text);
    ink_buf_puts(&text, "\nin use: ");
    ink_text_clean(&text, current);
    ink_buf_puts(&text, "; a folder of IDX files or a stroke file (.jsonl, .jsonl.gz) is a data "
                        "set too\n");
    ink_table_html(&table, &html);
    ink_buf_puts(&html, "<p>in use: <b>");
    ink_buf_html(&html, current);
    ink_buf_puts(&html, "</b>; a folder of IDX files or a stroke file (.jsonl, .jsonl.gz) is a "
                        "data set too</p>");
    ink_bundle_add_answer(out_bundle, &text, &html, json);
    return INK_OK;
}

/* ---- describe ---- */

static struct ink_json *
add_counts(struct ink_table *table, const char *name, const struct ink_dataset *dataset)
{
    size_t counts[INK_CLASS_COUNT] = {0};
    struct ink_json *json = ink_json_object(), *labels = ink_json_array();

    for (size_t i = 0; i < dataset->count; i++)
        counts[dataset->labels[i]]++;
    ink_table_add(table, name);
    ink_table_add_count(table, (long long)dataset->count);
    for (int digit = 0; digit < INK_CLASS_COUNT; digit++) {
        ink_table_add_count(table, (long long)counts[digit]);
        ink_json_push(labels, ink_json_from_int((int64_t)counts[digit]));
    }
    ink_json_set_int(json, "count", (int64_t)dataset->count);
    ink_json_set(json, "labels", labels);
    return json;
}

/* The first few pictures of each digit, digits side by side. */
static void
add_samples(const struct ink_dataset *dataset, struct ink_bundle *bundle, struct ink_buf *html)
{
    INK_CLEANUP(ink_figure_fini) struct ink_figure figure = {0};
    struct ink_grid_plan plan = {.count = (size_t)SAMPLES * INK_CLASS_COUNT,
                                 .tile_width = 2 * INK_PICTURE_SIDE,
                                 .tile_height = 2 * INK_PICTURE_SIDE,
                                 .columns = INK_CLASS_COUNT};
    size_t taken[INK_CLASS_COUNT] = {0};
    struct ink_grid grid;

    ink_grid_begin(&grid, &figure, &plan);
    for (size_t i = 0; i < dataset->count; i++) {
        size_t digit = dataset->labels[i];

        if (taken[digit] < SAMPLES)
            ink_grid_digit(&grid, taken[digit]++ * INK_CLASS_COUNT + digit,
                           dataset->pixels + i * INK_PICTURE_SIZE);
    }
    ink_still_add(bundle, &figure, "some pictures of each digit", html);
}

static enum ink_status
describe(const struct ink_context *ctx, const char *name, struct ink_bundle *out_bundle,
         struct ink_err *err)
{
    INK_CLEANUP(ink_dataset_unrefp) struct ink_dataset *train = NULL, *test = NULL;
    INK_CLEANUP(ink_table_fini) struct ink_table table = {0};
    INK_CLEANUP(ink_json_destroy) struct ink_json *json = ink_json_object();
    struct ink_buf text = {0}, html = {0};
    enum ink_status status = ink_session_dataset(ctx->session, name, INK_TRAIN, ctx, &train, err);

    if (status == INK_OK)
        status = ink_session_dataset(ctx->session, name, INK_TEST, ctx, &test, err);
    if (status != INK_OK)
        return status;
    ink_table_init(&table, "set|>pictures|>0|>1|>2|>3|>4|>5|>6|>7|>8|>9");
    ink_json_set_string(json, "name", name);
    ink_json_set(json, "train", add_counts(&table, "train", train));
    ink_json_set(json, "test", add_counts(&table, "test", test));
    ink_text_clean(&text, name);
    ink_buf_puts(&text, test->drawings ? ": drawn with a pen, strokes are kept\n\n" : "\n\n");
    ink_table_text(&table, &text);
    ink_buf_puts(&html, "<p><b>");
    ink_buf_html(&html, name);
    ink_buf_puts(&html, "</b></p>");
    add_samples(test, out_bundle, &html);
    ink_table_html(&table, &html);
    ink_bundle_add_answer(out_bundle, &text, &html, json);
    return INK_OK;
}

/* ---- use, fetch, label ---- */

static enum ink_status
use(const struct ink_context *ctx, const char *name, struct ink_bundle *out_bundle,
    struct ink_err *err)
{
    enum ink_status status = describe(ctx, name, out_bundle, err); /* it can be read: so keep it */

    return status == INK_OK ? ink_session_use_data(ctx->session, name, err) : status;
}

/* Say which digit drawings are: the newest, or those named. */
static enum ink_status
label(const struct ink_context *ctx, const struct ink_args *args, struct ink_bundle *out_bundle,
      struct ink_err *err)
{
    static char newest[] = "drawn";
    char *word = args->word_count > 2 ? args->word[2] : newest;
    INK_CLEANUP(ink_pictures_fini) struct ink_picture_list pictures = {0};
    struct ink_picture_scope scope = {.ctx = ctx};
    int64_t digit;
    enum ink_status status;

    if (args->word_count < 2)
        return ink_fail(err, INK_BADARG, "too few words, expected: data label DIGIT [DRAWN]");
    status = ink_parse_int("label", args->word[1], 0, INK_CLASS_COUNT - 1, &digit, err);
    if (status == INK_OK)
        status = ink_pictures_find(&scope, &word, 1, &pictures, err);
    for (size_t i = 0; i < pictures.count && status == INK_OK; i++)
        status =
            ink_pictures_drawn(&pictures, i)
                ? ink_session_label_drawn(ctx->session, ink_pictures_drawn(&pictures, i),
                                          (int)digit, err)
                : ink_fail(err, INK_BADARG, "%.64s: is not a drawing, expected drawn[...]", word);
    return status == INK_OK ? describe(ctx, "drawn", out_bundle, err) : status;
}

static enum ink_status
run(const struct ink_context *ctx, const struct ink_args *args, struct ink_bundle *out_bundle,
    struct ink_err *err)
{
    static const char *const actions[] = {"describe", "fetch", "label", "list", "use"};
    const char *action = args->word_count > 0 ? args->word[0] : "list";
    const char *name = args->word_count > 1 ? args->word[1] : NULL;
    const char *similar;

    if (strcmp(action, "label") == 0)
        return label(ctx, args, out_bundle, err);
    if (args->word_count > 2)
        return ink_fail(err, INK_BADARG, "too many words ('%.64s'), expected: data %s NAME",
                        args->word[2], action);
    if (strcmp(action, "list") == 0)
        return name ? ink_fail(err, INK_BADARG, "too many words ('%.64s') for 'data list'", name)
                    : list(ctx, out_bundle);
    if (strcmp(action, "describe") == 0)
        return describe(ctx, name ? name : ink_session_data_name(ctx->session), out_bundle, err);
    if (strcmp(action, "use") == 0)
        return name ? use(ctx, name, out_bundle, err)
                    : ink_fail(err, INK_BADARG, "too few words, expected: data use NAME");
    if (strcmp(action, "fetch") == 0)
        return describe(ctx, name ? name : "mnist", out_bundle, err);
    similar = ink_suggest(action, actions, INK_COUNT(actions));
    if (similar)
        return ink_fail(err, INK_BADARG, "unknown action '%.64s', did you mean 'data %s'?", action,
                        similar);
    return ink_fail(err, INK_BADARG,
                    "unknown action '%.64s', expected describe, fetch, label, list or use", action);
}

const struct ink_command ink_command_data = {
    .name = "data",
    .synopsis = "[list|describe|use|fetch|label] [NAME]",
    .summary = "list, describe, choose or download data sets",
    .help = "A session's data set is what test[...] and train[...] mean and what 'train' and\n"
            "'evaluate' take: mnist if it is on this machine, else strokes, which the program\n"
            "draws itself and which needs no download.\n"
            "\n"
            "  data                       what there is\n"
            "  data describe strokes      how many pictures of each digit, and some of them\n"
            "  data use strokes           the session's data set from now on\n"
            "  data use DRAWINGS.jsonl.gz\n"
            "  data fetch mnist           download it once (11 MB, checked by SHA-256)\n"
            "  data label 7               the newest drawing of this session is a 7\n"
            "  data label 7 drawn[-3:]    the last three are\n"
            "\n"
            "Drawings that have a label are the data set 'drawn': train --data mnist,drawn.",
    .word_max = 3,
    .word_kind = {INK_WORD_ACTION, INK_WORD_DATA},
    .actions = "describe|fetch|label|list|use",
    .flags = INK_CHANGES_SESSION | INK_LONG_RUNNING | INK_LOCAL_FILES,
    .run = run,
};
