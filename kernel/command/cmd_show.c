/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "kernel/command/command_priv.h"
#include "kernel/command/models.h"
#include "kernel/command/pictures.h"
#include "kernel/command/predict.h"
#include "kernel/render/grid.h"
#include "kernel/render/still.h"
#include "kernel/render/table.h"
#include "kernel/render/text.h"

enum { BESIDE = 2, DRAWN_MAX = 6 }; /* pictures in characters: in a line, and in all */

/* clang-format off */
static const struct ink_option options[] = {
    {.name = "count", .type = INK_OPTION_INT, .metavar = "N", .fallback = "40", .min = 1, .max = 500,
     .help = "show at most that many"},
    {.name = "data", .type = INK_OPTION_TEXT, .metavar = "NAME", .kind = INK_WORD_DATA,
     .help = "the data set that test[...] and train[...] mean"},
    {.name = "model", .type = INK_OPTION_TEXT, .metavar = "NAME", .kind = INK_WORD_MODEL,
     .help = "the network that test[wrong] means"},
};
/* clang-format on */

static void
add_grid(const struct ink_picked *picked, size_t count, struct ink_bundle *bundle,
         struct ink_buf *html)
{
    INK_CLEANUP(ink_figure_fini) struct ink_figure figure = {0};
    float side = (count == 1 ? 8.0F : count <= 10 ? 4.0F : 3.0F) * INK_PICTURE_SIDE;
    struct ink_grid_plan plan = {
        .count = count, .tile_width = side, .tile_height = side, .caption_count = 2};
    struct ink_grid grid;

    ink_grid_begin(&grid, &figure, &plan);
    for (size_t i = 0; i < count; i++) {
        char label[16] = "";

        if (picked[i].label >= 0)
            (void)snprintf(label, sizeof(label), "%d", picked[i].label);
        ink_grid_digit(&grid, i, picked[i].row);
        ink_grid_caption(&grid, i, 0, INK_COLOUR_INK, label);
        ink_grid_caption(&grid, i, 1, INK_COLOUR_MUTED, picked[i].source);
    }
    ink_still_add(bundle, &figure, "the pictures with their labels", html);
}

/* Pictures in characters, two side by side. */
static void
put_pictures(const struct ink_picked *picked, size_t count, struct ink_buf *text)
{
    for (size_t first = 0; first < count; first += BESIDE) {
        size_t end = first + BESIDE < count ? first + BESIDE : count;

        for (int line = 0; line < INK_TEXT_PICTURE_LINES; line++) {
            for (size_t i = first; i < end; i++) {
                ink_text_picture_line(text, picked[i].row, line);
                ink_buf_puts(text, i + 1 < end ? "    " : "\n");
            }
        }
    }
}

static struct ink_json *
to_json(const struct ink_picked *picked)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf base64 = {0};
    struct ink_json *json = ink_json_object();

    ink_json_set_string(json, "source", picked->source);
    if (picked->label >= 0)
        ink_json_set_int(json, "label", picked->label);
    ink_json_set(json, "preparation", ink_preparation_to_json(&picked->preparation));
    ink_buf_base64(&base64, picked->row, INK_PICTURE_SIZE);
    ink_json_set_string(json, "picture", ink_buf_text(&base64));
    return json;
}

static void
show(const struct ink_picked *picked, size_t shown, size_t all, struct ink_bundle *bundle)
{
    INK_CLEANUP(ink_table_fini) struct ink_table table;
    INK_CLEANUP(ink_json_destroy) struct ink_json *json = ink_json_array();
    INK_CLEANUP(ink_buf_fini) struct ink_buf more = {0};
    struct ink_buf text = {0}, html = {0};

    ink_table_init(&table, "picture|label|prepared");
    for (size_t i = 0; i < shown; i++) {
        ink_table_add(&table, picked[i].source);
        if (picked[i].label < 0)
            ink_table_add(&table, "");
        else
            ink_table_addf(&table, "%d", picked[i].label);
        ink_table_add(&table, picked[i].preparation.text);
        ink_json_push(json, to_json(&picked[i]));
    }
    if (all > shown) {
        ink_text_count(&more, (long long)shown);
        ink_buf_puts(&more, " of ");
        ink_text_count(&more, (long long)all);
        ink_buf_puts(&more, " pictures; --count shows more");
    }
    if (shown <= DRAWN_MAX)
        put_pictures(picked, shown, &text);
    ink_table_text(&table, &text);
    add_grid(picked, shown, bundle, &html);
    if (more.size > 0) {
        ink_buf_printf(&text, "\n%s\n", ink_buf_text(&more));
        ink_buf_printf(&html, "<p>%s</p>", ink_buf_text(&more));
    }
    ink_bundle_add_answer(bundle, &text, &html, json);
}

static enum ink_status
run(const struct ink_context *ctx, const struct ink_args *args, struct ink_bundle *out_bundle,
    struct ink_err *err)
{
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *snapshot = NULL;
    INK_CLEANUP(ink_pictures_fini) struct ink_picture_list pictures = {0};
    INK_CLEANUP(ink_freep) struct ink_picked *picked = NULL;
    struct ink_picture_scope scope = {ctx, ink_args_text(args, "data"), NULL};
    const char *model = ink_args_text(args, "model");
    size_t shown = (size_t)ink_args_int(args, "count");
    enum ink_status status = INK_OK;

    if (model)
        status = ink_model_find(ctx, model, &snapshot, err);
    scope.snapshot = snapshot;
    if (status == INK_OK)
        status = ink_pictures_find(&scope, args->word, args->word_count, &pictures, err);
    if (status != INK_OK)
        return status;
    shown = pictures.count < shown ? pictures.count : shown;
    picked = calloc(shown, sizeof(*picked));
    if (!picked)
        return ink_fail(err, INK_NOMEM, "out of memory for %zu pictures", shown);
    for (size_t i = 0; i < shown; i++) {
        status = ink_pictures_get(&pictures, i, &picked[i], err);
        if (status != INK_OK)
            return status;
    }
    show(picked, shown, pictures.count, out_bundle);
    return INK_OK;
}

const struct ink_command ink_command_show = {
    .name = "show",
    .synopsis = "PICTURES...",
    .summary = "show pictures with their labels",
    .help = "Pictures as the network sees them, 28 by 28. 'help pictures' tells how to name\n"
            "them.\n"
            "\n"
            "  show test[0:20]\n"
            "  show train[label=7] --count 100\n"
            "  show test[wrong]\n"
            "  show photos",
    .word_min = 1,
    .word_max = 1000,
    .word_kind = {INK_WORD_PICTURE},
    .option = options,
    .option_count = INK_COUNT(options),
    .flags = INK_LOCAL_FILES,
    .run = run,
};
