/* SPDX-License-Identifier: MIT */
#include "model/cheader.h"

#include <assert.h>
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "model/cheader_priv.h"
#include "model/net.h"

/* More numbers than that are packed: a compiler takes 600 MB for them otherwise. */
enum { NAME_SIZE = 64, PLAIN_MAX = 2 << 20 };

/* Where a node's output lies in the workspace of the header's functions, [C][H][W]. */
struct place {
    size_t at, size; /* in floats; size 0: the pixels themselves */
    int end;         /* the last node that reads it */
};

struct writer {
    const struct ink_snapshot *snapshot;
    const struct ink_arch *arch;
    int score_index; /* the node whose output the softmax takes */
    char name[NAME_SIZE], guard[NAME_SIZE];
    struct place place[INK_ARCH_NODE_MAX];
    size_t workspace_size; /* floats */
    bool is_packed;
    struct ink_buf *buf;
};

/* ---- the workspace ---- */

static bool
is_alias(enum ink_op op)
{
    return op == INK_OP_FLATTEN || op == INK_OP_DROPOUT;
}

static bool
may_overwrite(enum ink_op op)
{
    return op == INK_OP_RELU || op == INK_OP_LEAKYRELU || op == INK_OP_SIGMOID ||
           op == INK_OP_TANH || op == INK_OP_BATCHNORM;
}

/* The last reader of each node's numbers, under whichever name. */
static void
find_ends(struct writer *writer)
{
    for (int i = 0; i <= writer->score_index; i++)
        for (int j = 0; j < writer->arch->node[i].input_count; j++)
            writer->place[writer->arch->node[i].input[j]].end = i;
    writer->place[writer->score_index].end = writer->arch->node_count;
    for (int i = writer->score_index; i > 0; i--) {
        struct place *input = &writer->place[writer->arch->node[i].input[0]];

        if (is_alias(writer->arch->node[i].op) && input->end < writer->place[i].end)
            input->end = writer->place[i].end;
    }
    for (int i = 1; i <= writer->score_index; i++) {
        const struct place *input = &writer->place[writer->arch->node[i].input[0]];

        if (is_alias(writer->arch->node[i].op))
            writer->place[i].end = input->end;
    }
}

/* The lowest place of that size that nobody needs when node `index` runs. */
static size_t
find_free(const struct writer *writer, int index, size_t size)
{
    size_t at = 0;

    for (int i = 0; i < index; i++) {
        const struct place *place = &writer->place[i];

        if (place->end >= index && at < place->at + place->size && place->at < at + size) {
            at = place->at + place->size;
            i = -1; /* again from the start, for the new place */
        }
    }
    return at;
}

static void
find_places(struct writer *writer)
{
    find_ends(writer);
    for (int i = 1; i <= writer->score_index; i++) {
        const struct ink_node *node = &writer->arch->node[i];
        const struct place *input = &writer->place[node->input[0]];
        struct place *place = &writer->place[i];

        place->size = ink_shape_count(node->shape);
        if (is_alias(node->op) || (may_overwrite(node->op) && input->end == i && input->size > 0)) {
            place->at = input->at;
            place->size = input->size; /* 0 where the pixels are passed on */
        } else {
            place->at = find_free(writer, i, place->size);
        }
        if (place->at + place->size > writer->workspace_size)
            writer->workspace_size = place->at + place->size;
    }
}

/* ---- text ---- */

static void
put_text(struct writer *writer, const char *text)
{
    while (*text) {
        size_t size = strcspn(text, "@$");

        ink_buf_append(writer->buf, text, size);
        text += size;
        if (*text)
            ink_buf_puts(writer->buf, *text++ == '@' ? writer->name : writer->guard);
    }
}

/* Text from outside, inside a comment. */
static void
put_comment(struct ink_buf *buf, const char *text)
{
    for (; *text; text++)
        ink_buf_putc(buf, (unsigned char)*text < ' ' || strchr("*\\?", *text) ? ' ' : *text);
}

/* A node's line of the architecture, without its comment. */
static void
put_line(struct writer *writer, int index)
{
    const char *line = writer->arch->text;
    size_t size;

    for (int i = 1; i < writer->arch->node[index].line; i++)
        line = strchr(line, '\n') + 1;
    line += strspn(line, " \t");
    size = strcspn(line, "#\r\n");
    while (size > 0 && (line[size - 1] == ' ' || line[size - 1] == '\t'))
        size--;
    ink_buf_append(writer->buf, line, size);
}

static void
put_array(struct writer *writer, int index, const char *suffix, size_t count, const float *numbers)
{
    char name[NAME_SIZE + sizeof(writer->arch->node->name) + 16];

    (void)snprintf(name, sizeof(name), "%s_%s_%s", writer->name, writer->arch->node[index].name,
                   suffix);
    ink_cheader_put_numbers(writer->buf, name, count, numbers, writer->is_packed);
}

/* ", digit_conv1_weight": one of a node's arrays as an argument. */
static void
put_argument(struct writer *writer, int index, const char *suffix)
{
    ink_buf_printf(writer->buf, ", %s_%s_%s%s", writer->name, writer->arch->node[index].name,
                   suffix, writer->is_packed ? ".number" : "");
}

/* The weights, and the biases or 0. */
static void
put_weight_arguments(struct writer *writer, int index)
{
    put_argument(writer, index, "weight");
    if (writer->arch->node[index].has_bias)
        put_argument(writer, index, "bias");
    else
        ink_buf_puts(writer->buf, ", 0");
}

/* Source: Ioffe and Szegedy 2015, with the running statistics. */
static enum ink_status
put_norm_arrays(struct writer *writer, int index, struct ink_err *err)
{
    size_t channels = (size_t)writer->arch->node[index].shape.channels;
    const float *statistics = ink_snapshot_statistics(writer->snapshot, index);
    const float *weights = ink_snapshot_weights(writer->snapshot, index);
    const float *biases = ink_snapshot_biases(writer->snapshot, index);
    INK_CLEANUP(ink_freep) float *line = calloc(2 * channels, sizeof(*line));

    if (!line)
        return ink_fail(err, INK_NOMEM, "no memory for a header");
    for (size_t c = 0; c < channels; c++) {
        double scale =
            (double)weights[c] / sqrt((double)statistics[channels + c] + INK_NORM_EPSILON);

        line[c] = (float)scale;
        line[channels + c] = (float)((double)biases[c] - (double)statistics[c] * scale);
    }
    put_array(writer, index, "scale", channels, line);
    put_array(writer, index, "shift", channels, line + channels);
    return INK_OK;
}

static enum ink_status
put_arrays(struct writer *writer, struct ink_err *err)
{
    enum ink_status status = INK_OK;

    if (writer->is_packed)
        ink_cheader_put_packing(writer->buf, true);
    for (int i = 1; i <= writer->score_index && status == INK_OK; i++) {
        const struct ink_node *node = &writer->arch->node[i];

        if (node->op == INK_OP_BATCHNORM) {
            status = put_norm_arrays(writer, i, err);
        } else if (node->weight_count > 0) {
            put_array(writer, i, "weight", node->weight_count,
                      ink_snapshot_weights(writer->snapshot, i));
            if (node->has_bias)
                put_array(writer, i, "bias", node->bias_count,
                          ink_snapshot_biases(writer->snapshot, i));
        }
    }
    if (writer->is_packed)
        ink_cheader_put_packing(writer->buf, false);
    else
        ink_buf_putc(writer->buf, '\n');
    return status;
}

/* "at + 784", where a node's output is. */
struct spot {
    char text[40];
};

static struct spot
spot_of(const struct writer *writer, int index)
{
    const struct place *place = &writer->place[index];
    struct spot spot;

    if (place->size == 0)
        (void)snprintf(spot.text, sizeof(spot.text), "pixels");
    else
        (void)snprintf(spot.text, sizeof(spot.text), "at + %zu", place->at);
    return spot;
}

/* ---- calls ---- */

static void
put_window_call(struct writer *writer, int index)
{
    const struct ink_node *node = &writer->arch->node[index];
    struct ink_shape in = writer->arch->node[node->input[0]].shape;
    struct spot x = spot_of(writer, node->input[0]), y = spot_of(writer, index);
    bool is_global = node->op == INK_OP_GLOBALPOOL;

    ink_buf_printf(writer->buf, "    %s_%s(%s, %d, %d, %d", writer->name,
                   node->op == INK_OP_CONV      ? "conv"
                   : node->op == INK_OP_MAXPOOL ? "maxpool"
                                                : "avgpool",
                   x.text, in.channels, in.height, in.width);
    if (node->op == INK_OP_CONV) {
        put_weight_arguments(writer, index);
        ink_buf_printf(writer->buf, ", %d", node->shape.channels);
    }
    ink_buf_printf(writer->buf, ", %d, %d, %d, ", is_global ? in.height : node->kernel_height,
                   is_global ? in.width : node->kernel_width, is_global ? 1 : node->stride);
    if (node->op == INK_OP_CONV)
        ink_buf_printf(writer->buf, "%d, ", node->pad);
    ink_buf_printf(writer->buf, "%s);\n", y.text);
}

static void
put_dense_call(struct writer *writer, int index)
{
    const struct ink_node *node = &writer->arch->node[index];

    ink_buf_printf(writer->buf, "    %s_dense(%s, %d", writer->name,
                   spot_of(writer, node->input[0]).text,
                   writer->arch->node[node->input[0]].shape.channels);
    put_weight_arguments(writer, index);
    ink_buf_printf(writer->buf, ", %d, %s);\n", node->shape.channels, spot_of(writer, index).text);
}

static void
put_join_calls(struct writer *writer, int index)
{
    const struct ink_node *node = &writer->arch->node[index];
    size_t at = writer->place[index].at;

    for (int i = 0; i < node->input_count; i++) {
        size_t size = ink_shape_count(writer->arch->node[node->input[i]].shape);

        ink_buf_printf(writer->buf, "    %s_%s(%s, %zu, at + %zu);\n", writer->name,
                       node->op == INK_OP_ADD && i > 0 ? "add" : "copy",
                       spot_of(writer, node->input[i]).text, size, at);
        if (node->op == INK_OP_CONCAT)
            at += size;
    }
}

static void
put_plain_call(struct writer *writer, int index)
{
    const struct ink_node *node = &writer->arch->node[index];
    struct spot x = spot_of(writer, node->input[0]), y = spot_of(writer, index);
    size_t size = ink_shape_count(node->shape);

    if (node->op == INK_OP_BATCHNORM) {
        ink_buf_printf(writer->buf, "    %s_norm(%s, %d, %d", writer->name, x.text,
                       node->shape.channels, node->shape.height * node->shape.width);
        put_argument(writer, index, "scale");
        put_argument(writer, index, "shift");
        ink_buf_printf(writer->buf, ", %s);\n", y.text);
    } else if (node->op == INK_OP_RELU)
        ink_buf_printf(writer->buf, "    %s_relu(%s, %zu, 0, %s);\n", writer->name, x.text, size,
                       y.text);
    else if (node->op == INK_OP_LEAKYRELU)
        ink_buf_printf(writer->buf, "    %s_relu(%s, %zu, %aF, %s);\n", writer->name, x.text, size,
                       (double)node->rate, y.text);
    else
        ink_buf_printf(writer->buf, "    %s_%s(%s, %zu, %s);\n", writer->name,
                       ink_op_name(node->op), x.text, size, y.text);
}

static void
put_call(struct writer *writer, int index)
{
    const struct ink_node *node = &writer->arch->node[index];

    ink_buf_puts(writer->buf, "    /* ");
    put_line(writer, index);
    ink_buf_puts(writer->buf, " */\n");
    if (is_alias(node->op))
        return;
    if (node->op == INK_OP_CONV || node->op == INK_OP_MAXPOOL || node->op == INK_OP_AVGPOOL ||
        node->op == INK_OP_GLOBALPOOL)
        put_window_call(writer, index);
    else if (node->op == INK_OP_DENSE)
        put_dense_call(writer, index);
    else if (node->op == INK_OP_ADD || node->op == INK_OP_CONCAT)
        put_join_calls(writer, index);
    else
        put_plain_call(writer, index);
}

/* ---- the header ---- */

static void
put_beginning(struct writer *writer)
{
    const struct ink_record *record = ink_snapshot_record(writer->snapshot);
    struct ink_buf *buf = writer->buf;

    ink_buf_printf(buf, "/*\n * %s: a digit classifier, made by inkling from the network ",
                   writer->name);
    put_comment(buf, *record->name ? record->name : "without a name");
    if (record->version > 0)
        ink_buf_printf(buf, ":%d", record->version);
    ink_buf_printf(buf, ",\n * %zu parameters", writer->arch->parameter_count);
    if (record->epochs > 0 && *record->data) {
        ink_buf_printf(buf, ", %.4g epochs of ", record->epochs);
        put_comment(buf, record->data);
    }
    if (isfinite(record->accuracy))
        ink_buf_printf(buf, ", %.2f %% right on its validation data", 100 * record->accuracy);
    put_text(
        writer,
        ".\n *\n"
        " *   #include \"this file\"\n"
        " *   @_predict(pixels, probabilities);\n"
        " *\n"
        " *   pixels         [28][28] row by row, 0 background to 1 ink, the digit centred by its\n"
        " *                  mass in a frame of 20x20, as MNIST's are\n"
        " *   probabilities  [10] of the digits 0 to 9\n"
        " *\n");
    ink_buf_printf(
        buf, " * C99, no library. %s_predict keeps %zu bytes of static memory and is for one\n",
        writer->name, writer->workspace_size * sizeof(float));
    put_text(writer, " * thread at a time; @_compute takes the caller's workspace of\n"
                     " * $_WORKSPACE floats, one a thread.\n */\n");
    ink_buf_printf(buf, "#ifndef %s_H\n#define %s_H\n\n", writer->guard, writer->guard);
    ink_buf_printf(buf, "enum { %s_WORKSPACE = %zu };\n\n", writer->guard, writer->workspace_size);
}

static void
put_functions(struct writer *writer)
{
    unsigned used = 0;

    for (int i = 1; i <= writer->score_index; i++)
        used |= 1U << writer->arch->node[i].op;
    for (size_t i = 0; i < ink_cheader_function_count; i++)
        if (ink_cheader_function[i].ops & used)
            put_text(writer, ink_cheader_function[i].text);
    put_text(writer, "static inline void\n"
                     "@_compute(const float pixels[784], float at[$_WORKSPACE], float "
                     "probabilities[10])\n{\n");
    for (int i = 1; i <= writer->score_index; i++)
        put_call(writer, i);
    ink_buf_printf(writer->buf, "    %s_softmax(%s, probabilities);\n}\n\n", writer->name,
                   spot_of(writer, writer->score_index).text);
    put_text(writer, "static inline void\n"
                     "@_predict(const float pixels[784], float probabilities[10])\n{\n"
                     "    static float workspace[$_WORKSPACE];\n\n"
                     "    @_compute(pixels, workspace, probabilities);\n}\n\n#endif\n");
}

static void
set_name(struct writer *writer, const char *name)
{
    size_t size = 0;

    if (!isalpha((unsigned char)*name))
        writer->name[size++] = 'n'; /* a digit or _ cannot be first */
    for (; *name && size < NAME_SIZE - 1; name++)
        writer->name[size++] =
            isalnum((unsigned char)*name) && (unsigned char)*name < 128 ? *name : '_';
    for (size_t i = 0; i < size; i++)
        writer->guard[i] = (char)toupper((unsigned char)writer->name[i]);
}

enum ink_status
ink_cheader_encode(const struct ink_snapshot *snapshot, const char *name, struct ink_buf *buf,
                   struct ink_err *err)
{
    INK_CLEANUP(ink_freep) struct writer *writer = NULL;
    const struct ink_arch *arch = ink_snapshot_arch(snapshot);
    const struct ink_node *last = &arch->node[arch->node_count - 1];
    enum ink_status status;

    if (arch->parameter_count > INK_LIMIT_HEADER_PARAMETERS)
        return ink_fail(
            err, INK_TOOBIG,
            "a C header of %zu parameters, at most %d: a compiler takes 1.9 GB of memory "
            "for those, take --format onnx",
            arch->parameter_count, INK_LIMIT_HEADER_PARAMETERS);
    writer = calloc(1, sizeof(*writer));
    if (!writer)
        return ink_fail(err, INK_NOMEM, "no memory for a header");
    writer->snapshot = snapshot;
    writer->arch = arch;
    writer->buf = buf;
    writer->is_packed = arch->parameter_count > PLAIN_MAX;
    writer->score_index = last->op == INK_OP_SOFTMAX ? last->input[0] : arch->node_count - 1;
    set_name(writer, name);
    find_places(writer);
    put_beginning(writer);
    status = put_arrays(writer, err);
    if (status != INK_OK)
        return status;
    put_functions(writer);
    return ink_buf_check(buf, err);
}
