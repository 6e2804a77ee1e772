/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "base/suggest.h"
#include "kernel/command/activation.h"
#include "kernel/command/command_priv.h"
#include "kernel/command/models.h"
#include "kernel/command/pictures.h"
#include "kernel/command/predict.h"
#include "kernel/render/heat.h"
#include "kernel/render/still.h"
#include "kernel/render/table.h"
#include "kernel/render/text.h"

enum { CELL_VALUE_MAX = 4096 }; /* numbers kept in a notebook without --json */

/* clang-format off */
static const struct ink_option options[] = {
    {.name = "scale", .type = INK_OPTION_CHOICE, .choices = "layer|channel", .fallback = "layer",
     .help = "colours run over the range of the whole layer, or of each channel"},
    {.name = "model", .type = INK_OPTION_TEXT, .metavar = "NAME", .kind = INK_WORD_MODEL,
     .help = "a network instead of the current one: NAME[:VERSION] or a file"},
    {.name = "data", .type = INK_OPTION_TEXT, .metavar = "NAME", .kind = INK_WORD_DATA,
     .help = "the data set that test[...] and train[...] mean"},
};
/* clang-format on */

/* What is looked at. */
struct view {
    const struct ink_node *node;
    int channel;            /* -1 = all of them */
    const float *values;    /* [shape] */
    struct ink_shape shape; /* of values: one channel if one was asked for */
    struct ink_picked picked;
    struct ink_activation all; /* statistics of values */
};

/* ---- names ---- */

static enum ink_status
unknown_layer(const struct ink_arch *arch, const char *name, struct ink_err *err)
{
    INK_CLEANUP(ink_freep) const char **names = NULL;
    const char *similar;

    names = calloc((size_t)arch->node_count, sizeof(*names));
    if (!names)
        return ink_fail(err, INK_NOMEM, "out of memory");
    for (int i = 0; i < arch->node_count; i++)
        names[i] = arch->node[i].name;
    similar = ink_suggest(name, names, (size_t)arch->node_count);
    if (similar)
        return ink_fail(err, INK_BADARG, "unknown layer '%.64s', did you mean '%s'?", name,
                        similar);
    return ink_fail(err, INK_BADARG,
                    "unknown layer '%.64s', expected one that 'layers' lists, %s "
                    "to %s",
                    name, names[0], names[arch->node_count - 1]);
}

/* "conv1" or "conv1[3]" */
static enum ink_status
find_layer(const struct ink_arch *arch, const char *text, int *out_node, int *out_channel,
           struct ink_err *err)
{
    const char *open = strchr(text, '[');
    size_t size = strlen(text), name_size = open ? (size_t)(open - text) : size;
    char name[64] = "", inside[32] = "";
    int64_t channel = -1;
    int node, channels;

    (void)snprintf(name, sizeof(name), "%.*s", (int)(name_size < 63 ? name_size : 63), text);
    node = ink_arch_find(arch, name);
    if (node < 0)
        return unknown_layer(arch, name, err);
    channels = arch->node[node].shape.channels;
    if (open && (text[size - 1] != ']' || size - name_size - 2 >= sizeof(inside)))
        return ink_fail(err, INK_BADARG, "'%.64s': expected LAYER or LAYER[CHANNEL]", text);
    if (open) {
        memcpy(inside, open + 1, size - name_size - 2);
        if (ink_parse_int("", inside, 0, channels - 1, &channel, NULL) != INK_OK)
            return ink_fail(err, INK_BADARG, "%.64s: %s has %d channels, expected 0 to %d", text,
                            name, channels, channels - 1);
    }
    *out_node = node;
    *out_channel = (int)channel;
    return INK_OK;
}

/* ---- what it looks like ---- */

static struct ink_json *
statistics_to_json(struct ink_json *json, const struct ink_activation *activation)
{
    ink_json_set_float(json, "min", activation->min);
    ink_json_set_float(json, "max", activation->max);
    ink_json_set_double(json, "mean", activation->mean);
    ink_json_set_double(json, "sd", activation->sd);
    ink_json_set_double(json, "zeros", activation->zeros);
    return json;
}

/* [C][H][W] nested, or flat for a vector. */
static struct ink_json *
values_to_json(const float *values, struct ink_shape shape)
{
    struct ink_json *list;

    if (shape.height == 1 && shape.width == 1)
        return ink_json_from_floats(values, (size_t)shape.channels);
    list = ink_json_array();
    for (int c = 0; c < shape.channels; c++) {
        struct ink_json *rows = ink_json_array();

        for (int y = 0; y < shape.height; y++, values += shape.width)
            ink_json_push(rows, ink_json_from_floats(values, (size_t)shape.width));
        ink_json_push(list, rows);
    }
    return list;
}

static struct ink_json *
to_json(const struct view *view, bool with_values)
{
    struct ink_json *json = ink_json_object(), *channels = ink_json_array();
    size_t plane = (size_t)view->shape.height * (size_t)view->shape.width;

    ink_json_set_string(json, "layer", view->node->name);
    ink_json_set_string(json, "op", ink_op_name(view->node->op));
    if (view->channel >= 0)
        ink_json_set_int(json, "channel", view->channel);
    ink_json_set_string(json, "source", view->picked.source);
    ink_json_set(json, "shape", ink_shape_to_json(view->shape));
    (void)statistics_to_json(json, &view->all);
    for (int c = 0; c < view->shape.channels && plane > 1; c++) {
        struct ink_activation one;

        ink_activation_measure(view->values + (size_t)c * plane, plane, &one);
        ink_json_push(channels, statistics_to_json(ink_json_object(), &one));
    }
    ink_json_set(json, "channels", channels);
    ink_json_set(json, "values",
                 with_values ? values_to_json(view->values, view->shape) : ink_json_from_null());
    return json;
}

static void
put_statistics(const struct view *view, struct ink_buf *text)
{
    ink_buf_puts(text, view->node->name);
    if (view->channel >= 0)
        ink_buf_printf(text, "[%d]", view->channel);
    ink_buf_printf(text, ": %s, ", ink_op_name(view->node->op));
    ink_text_shape(text, view->shape);
    ink_buf_printf(text, ", %.4g to %.4g, mean %.4g, sd %.4g, ", (double)view->all.min,
                   (double)view->all.max, view->all.mean, view->all.sd);
    ink_text_percent(text, view->all.zeros);
    ink_buf_printf(text, " zeros; of %s", view->picked.source);
}

/* One line a channel, or a value. */
static void
put_table(const struct view *view, struct ink_buf *text, struct ink_buf *html)
{
    INK_CLEANUP(ink_table_fini) struct ink_table table;
    INK_CLEANUP(ink_buf_fini) struct ink_buf rows = {0};
    size_t plane = (size_t)view->shape.height * (size_t)view->shape.width;

    ink_table_init(&table, plane > 1 ? ">channel|>min|>max|>mean|>sd|>zeros" : ">unit|>value");
    for (int c = 0; c < view->shape.channels; c++) {
        const float *values = view->values + (size_t)c * plane;
        struct ink_activation one;

        ink_table_addf(&table, "%d", view->channel >= 0 ? view->channel : c);
        if (plane == 1) {
            ink_table_addf(&table, "%.4g", (double)*values);
            continue;
        }
        ink_activation_measure(values, plane, &one);
        ink_table_addf(&table, "%.4g", (double)one.min);
        ink_table_addf(&table, "%.4g", (double)one.max);
        ink_table_addf(&table, "%.4g", one.mean);
        ink_table_addf(&table, "%.4g", one.sd);
        ink_table_addf(&table, "%.1f %%", one.zeros * 100);
    }
    ink_table_text(&table, text);
    ink_table_html(&table, &rows);
    ink_still_details(html, "numbers", ink_buf_text(&rows));
}

static void
show(const struct view *view, bool is_channel_scale, bool with_values, struct ink_bundle *bundle)
{
    INK_CLEANUP(ink_json_destroy) struct ink_json *json = to_json(view, with_values);
    INK_CLEANUP(ink_figure_fini) struct ink_figure figure = {0};
    INK_CLEANUP(ink_buf_fini) struct ink_buf line = {0};
    struct ink_buf text = {0}, html = {0};
    struct ink_heat heat = {
        .values = view->values,
        .shape = view->shape,
        .first_channel = view->channel >= 0 ? view->channel : 0,
        .min = view->all.min,
        .max = view->all.max,
        .is_channel_scale = is_channel_scale,
    };

    put_statistics(view, &line);
    ink_buf_printf(&text, "%s\n\n", ink_buf_text(&line));
    ink_buf_puts(&html, "<p>");
    ink_buf_html(&html, ink_buf_text(&line));
    ink_buf_puts(&html, "</p>");
    ink_heat_figure(&figure, &heat, view->picked.row);
    ink_still_add(bundle, &figure, ink_buf_text(&line), &html);
    put_table(view, &text, &html);
    ink_bundle_add_answer(bundle, &text, &html, json);
}

/* ---- the command ---- */

/* Find the one picture and run it through the network. */
static enum ink_status
trace(const struct ink_context *ctx, const struct ink_args *args,
      const struct ink_snapshot *snapshot, struct ink_predictor **out_predictor,
      struct ink_picked *out_picked, struct ink_err *err)
{
    INK_CLEANUP(ink_pictures_fini) struct ink_picture_list pictures = {0};
    struct ink_picture_scope scope = {ctx, ink_args_text(args, "data"), snapshot};
    float pixels[INK_PICTURE_SIZE], probabilities[INK_CLASS_COUNT];
    enum ink_status status = ink_pictures_find(&scope, args->word + 1, 1, &pictures, err);

    if (status == INK_OK && pictures.count != 1)
        return ink_fail(err, INK_BADARG, "%.64s: %zu pictures, expected one", args->word[1],
                        pictures.count);
    if (status == INK_OK)
        status = ink_pictures_get(&pictures, 0, out_picked, err);
    if (status == INK_OK)
        status = ink_predictor_create(snapshot, 1, 1, INK_COMPUTE(F32), out_predictor, err);
    if (status != INK_OK)
        return status;
    ink_prepare_floats(out_picked->row, INK_PICTURE_SIZE, pixels);
    ink_predictor_trace(*out_predictor, pixels, probabilities);
    return INK_OK;
}

static enum ink_status
run(const struct ink_context *ctx, const struct ink_args *args, struct ink_bundle *out_bundle,
    struct ink_err *err)
{
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *snapshot = NULL;
    INK_CLEANUP(ink_predictor_destroy) struct ink_predictor *predictor = NULL;
    struct view view = {.channel = -1};
    size_t count;
    int node = -1;
    enum ink_status status = ink_model_find(ctx, ink_args_text(args, "model"), &snapshot, err);

    if (status == INK_OK)
        status = find_layer(ink_snapshot_arch(snapshot), args->word[0], &node, &view.channel, err);
    if (status == INK_OK)
        status = trace(ctx, args, snapshot, &predictor, &view.picked, err);
    if (status != INK_OK)
        return status;
    view.node = &ink_snapshot_arch(snapshot)->node[node];
    view.shape = view.node->shape;
    view.values = ink_predictor_activation(predictor, node);
    if (view.channel >= 0) {
        view.values += (size_t)view.channel * (size_t)view.shape.height * (size_t)view.shape.width;
        view.shape.channels = 1;
    }
    count = ink_shape_count(view.shape);
    ink_activation_measure(view.values, count, &view.all);
    show(&view, strcmp(ink_args_text(args, "scale"), "channel") == 0,
         args->is_json || count <= CELL_VALUE_MAX, out_bundle);
    return INK_OK;
}

const struct ink_command ink_command_inspect = {
    .name = "inspect",
    .synopsis = "LAYER[CHANNEL] PICTURE",
    .summary = "what a layer makes of a picture: every channel's activation",
    .help = "A picture of each channel with its range, and the statistics: smallest and\n"
            "largest value, mean, standard deviation, share of exact zeros. Values that are\n"
            "never negative run from dark to light; others from blue over white to red.\n"
            "'layers' lists the names.\n"
            "\n"
            "  inspect conv1 test[42]\n"
            "  inspect conv2[7] drawn\n"
            "  inspect dense1 seven.png --json",
    .word_min = 2,
    .word_max = 2,
    .word_kind = {INK_WORD_LAYER, INK_WORD_PICTURE},
    .option = options,
    .option_count = INK_COUNT(options),
    .flags = INK_NEEDS_MODEL | INK_LOCAL_FILES,
    .run = run,
};
