/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "kernel/command/command_priv.h"
#include "kernel/command/models.h"
#include "kernel/command/pictures.h"
#include "kernel/command/predict.h"
#include "kernel/command/sight.h"
#include "kernel/render/grid.h"
#include "kernel/render/still.h"
#include "kernel/render/table.h"
#include "kernel/render/text.h"

enum {
    ROW_MAX = 200,
    TILE_MAX = 60
}; /* of the table and of the pictures: more is a number below */

/* clang-format off */
static const struct ink_option options[] = {
    {.name = "model", .type = INK_OPTION_TEXT, .metavar = "NAME", .kind = INK_WORD_MODEL,
     .help = "ask this network instead of the current one: NAME[:VERSION] or a file"},
    {.name = "data", .type = INK_OPTION_TEXT, .metavar = "NAME", .kind = INK_WORD_DATA,
     .help = "the data set that test[...] and train[...] mean"},
    {.name = "precision", .type = INK_OPTION_CHOICE, .choices = "f32|bf16|auto", .fallback = "f32",
     .help = "what layers multiply: bf16 has 8 significant bits; auto = bf16 where it is faster"},
    {.name = "engine", .type = INK_OPTION_CHOICE, .choices = "fast|reference", .fallback = "fast",
     .help = "reference: plain loops, slow, which the fast ones are judged by"},
};
/* clang-format on */

/* One question with its answer. */
struct asked {
    struct ink_picked picked;
    struct ink_prediction prediction;
};

static enum ink_status
ask(const struct ink_picture_list *pictures, size_t index, struct ink_predictor *predictor,
    struct asked *out, struct ink_err *err)
{
    enum ink_status status = ink_pictures_get(pictures, index, &out->picked, err);

    if (status != INK_OK)
        return status;
    ink_predict_row(predictor, out->picked.row, &out->prediction);
    out->prediction.elapsed_ms += out->picked.elapsed_ms;
    out->prediction.preparation = out->picked.preparation;
    return INK_OK;
}

static enum ink_status
ask_all(const struct ink_context *ctx, const struct ink_picture_list *pictures,
        struct ink_predictor *predictor, struct asked *out_asked, struct ink_err *err)
{
    for (size_t i = 0; i < pictures->count; i++) {
        enum ink_status status = ask(pictures, i, predictor, &out_asked[i], err);

        if (status != INK_OK)
            return status;
        if (atomic_load(ctx->cancel))
            return ink_fail(err, INK_CANCELLED, "stopped after %zu of %zu pictures", i + 1,
                            pictures->count);
    }
    return INK_OK;
}

static void
add_row(struct ink_table *table, const struct asked *asked)
{
    const struct ink_prediction *prediction = &asked->prediction;
    INK_CLEANUP(ink_buf_fini) struct ink_buf percent = {0};

    ink_table_add(table, asked->picked.source);
    if (prediction->preparation.is_empty) {
        ink_table_add(table, "empty");
    } else {
        ink_table_addf(table, "%d", prediction->prediction);
        ink_text_percent(&percent, (double)prediction->probabilities[prediction->prediction]);
    }
    ink_table_add(table, ink_buf_text(&percent));
    if (asked->picked.label < 0)
        ink_table_add(table, "");
    else
        ink_table_addf(table, "%d%s", asked->picked.label,
                       asked->picked.label == prediction->prediction ? "" : "  wrong");
    ink_table_addf(table, "%.2f", prediction->elapsed_ms);
}

/* The pictures with their answers below. */
static void
add_grid(const struct asked *asked, size_t count, struct ink_bundle *bundle, struct ink_buf *html)
{
    INK_CLEANUP(ink_figure_fini) struct ink_figure figure = {0};
    struct ink_grid_plan plan = {.count = count < TILE_MAX ? count : TILE_MAX,
                                 .tile_width = 3 * INK_PICTURE_SIDE,
                                 .tile_height = 3 * INK_PICTURE_SIDE,
                                 .caption_count = 2};
    struct ink_grid grid;

    ink_grid_begin(&grid, &figure, &plan);
    for (size_t i = 0; i < plan.count; i++) {
        const struct ink_prediction *prediction = &asked[i].prediction;
        int label = asked[i].picked.label;
        bool is_wrong = label >= 0 && label != prediction->prediction;
        INK_CLEANUP(ink_buf_fini) struct ink_buf words = {0};

        ink_grid_digit(&grid, i, asked[i].picked.row);
        ink_buf_printf(&words, "%d  ", prediction->prediction);
        ink_text_percent(&words, (double)prediction->probabilities[prediction->prediction]);
        ink_grid_caption(&grid, i, 0, is_wrong ? INK_COLOUR_WRONG : INK_COLOUR_INK,
                         ink_buf_text(&words));
        ink_buf_clear(&words);
        if (is_wrong)
            ink_buf_printf(&words, "truth %d", label);
        else
            ink_buf_puts(&words, asked[i].picked.source);
        ink_grid_caption(&grid, i, 1, is_wrong ? INK_COLOUR_RIGHT : INK_COLOUR_MUTED,
                         ink_buf_text(&words));
    }
    ink_still_add(bundle, &figure, "the pictures with the network's answers", html);
}

/* "20 pictures, 19 of 20 right" */
static void
put_summary(const struct asked *asked, size_t count, struct ink_buf *buf)
{
    size_t known = 0, right = 0;

    for (size_t i = 0; i < count; i++) {
        known += asked[i].picked.label >= 0;
        right += asked[i].picked.label == asked[i].prediction.prediction;
    }
    if (count > ROW_MAX) {
        ink_buf_puts(buf, "and ");
        ink_text_count(buf, (long long)(count - ROW_MAX));
        ink_buf_puts(buf, " more; ");
    }
    ink_text_count(buf, (long long)count);
    ink_buf_puts(buf, " pictures");
    if (known > 0)
        ink_buf_printf(buf, ", %zu of %zu right", right, known);
}

static void
show_many(const struct asked *asked, size_t count, struct ink_bundle *bundle)
{
    INK_CLEANUP(ink_json_destroy) struct ink_json *json = ink_json_array();
    INK_CLEANUP(ink_table_fini) struct ink_table table;
    INK_CLEANUP(ink_buf_fini) struct ink_buf summary = {0}, rows = {0};
    struct ink_buf text = {0}, html = {0};

    ink_table_init(&table, "picture|answer|>probability|truth|>ms");
    for (size_t i = 0; i < count; i++) {
        if (i < ROW_MAX)
            add_row(&table, &asked[i]);
        ink_json_push(json, ink_prediction_to_json(&asked[i].prediction, asked[i].picked.source,
                                                   asked[i].picked.label));
    }
    put_summary(asked, count, &summary);
    ink_table_text(&table, &text);
    ink_buf_printf(&text, "\n%s\n", ink_buf_text(&summary));
    add_grid(asked, count, bundle, &html);
    ink_buf_printf(&html, "<p>%s</p>", ink_buf_text(&summary));
    ink_table_html(&table, &rows);
    ink_still_details(&html, "table", ink_buf_text(&rows));
    ink_bundle_add_answer(bundle, &text, &html, json);
}

static void
show_one(const struct asked *asked, struct ink_bundle *bundle)
{
    INK_CLEANUP(ink_json_destroy)
    struct ink_json *json =
        ink_prediction_to_json(&asked->prediction, asked->picked.source, asked->picked.label);

    ink_sight_add(
        &(struct ink_sight){&asked->prediction, asked->picked.source, asked->picked.label, 0},
        bundle);
    ink_bundle_add_json(bundle, json);
}

static enum ink_status
run(const struct ink_context *ctx, const struct ink_args *args, struct ink_bundle *out_bundle,
    struct ink_err *err)
{
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *snapshot = NULL;
    INK_CLEANUP(ink_pictures_fini) struct ink_picture_list pictures = {0};
    INK_CLEANUP(ink_predictor_destroy) struct ink_predictor *predictor = NULL;
    INK_CLEANUP(ink_freep) struct asked *asked = NULL;
    struct ink_picture_scope scope = {ctx, ink_args_text(args, "data"), NULL};
    enum ink_status status = ink_model_find(ctx, ink_args_text(args, "model"), &snapshot, err);

    if (status != INK_OK)
        return status;
    scope.snapshot = snapshot;
    status = ink_pictures_find(&scope, args->word, args->word_count, &pictures, err);
    if (status == INK_OK)
        status = ink_predictor_create(snapshot, 1, 1, ink_args_compute(args), &predictor, err);
    if (status != INK_OK)
        return status;
    asked = calloc(pictures.count, sizeof(*asked));
    if (!asked)
        return ink_fail(err, INK_NOMEM, "out of memory for %zu pictures", pictures.count);
    status = ask_all(ctx, &pictures, predictor, asked, err);
    if (status != INK_OK)
        return status;
    if (pictures.count == 1)
        show_one(asked, out_bundle);
    else
        show_many(asked, pictures.count, out_bundle);
    return INK_OK;
}

const struct ink_command ink_command_predict = {
    .name = "predict",
    .synopsis = "PICTURES...",
    .summary = "say what digits pictures show",
    .help = "One picture: what the network sees of it, the ten probabilities, the time it\n"
            "took, and what was done to the picture before. Several pictures or a folder: a\n"
            "table. 'help pictures' tells how to name them.\n"
            "\n"
            "  predict test[42]\n"
            "  predict drawn\n"
            "  predict seven.png photos\n"
            "  predict test[0:20] --data strokes",
    .word_min = 1,
    .word_max = 1000,
    .word_kind = {INK_WORD_PICTURE},
    .option = options,
    .option_count = INK_COUNT(options),
    .flags = INK_NEEDS_MODEL | INK_LOCAL_FILES,
    .run = run,
};
