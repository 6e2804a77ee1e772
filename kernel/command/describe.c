/* SPDX-License-Identifier: MIT */
#include "kernel/command/describe.h"

#include <math.h>
#include <string.h>

#include "base/cleanup.h"
#include "kernel/render/table.h"
#include "kernel/render/text.h"

/* "5x5 stride=2", what a node was told. */
static void
put_arguments(const struct ink_arch *arch, int index, struct ink_buf *buf)
{
    const struct ink_node *node = &arch->node[index];
    size_t start = buf->size;

    if (node->op == INK_OP_CONV || node->op == INK_OP_MAXPOOL || node->op == INK_OP_AVGPOOL)
        ink_buf_printf(buf, "%dx%d", node->kernel_height, node->kernel_width);
    if (node->op == INK_OP_CONV && node->stride > 1)
        ink_buf_printf(buf, " stride=%d", node->stride);
    if (node->op == INK_OP_CONV && node->pad > 0)
        ink_buf_printf(buf, " pad=%d", node->pad);
    if (node->op == INK_OP_DROPOUT || node->op == INK_OP_LEAKYRELU)
        ink_buf_printf(buf, "%g", (double)node->rate);
    if (node->input_count == 0 || (node->input_count == 1 && node->input[0] == index - 1))
        return;
    ink_buf_puts(buf, buf->size > start ? " from=" : "from=");
    for (int i = 0; i < node->input_count; i++)
        ink_buf_printf(buf, "%s%s", i > 0 ? "," : "", arch->node[node->input[i]].name);
}

void
ink_describe_layers(const struct ink_arch *arch, struct ink_buf *text, struct ink_buf *html)
{
    INK_CLEANUP(ink_table_fini) struct ink_table table;
    INK_CLEANUP(ink_buf_fini) struct ink_buf cell = {0};

    ink_table_init(&table, "layer|op||shape|>parameters");
    for (int i = 0; i < arch->node_count; i++) {
        const struct ink_node *node = &arch->node[i];

        ink_table_add(&table, node->name);
        ink_table_add(&table, ink_op_name(node->op));
        ink_buf_clear(&cell);
        put_arguments(arch, i, &cell);
        ink_table_add(&table, ink_buf_text(&cell));
        ink_buf_clear(&cell);
        ink_text_shape(&cell, node->shape);
        ink_table_add(&table, ink_buf_text(&cell));
        ink_table_add_count(&table, (long long)ink_node_parameter_count(node));
    }
    for (int i = 0; i < 3; i++)
        ink_table_add(&table, "");
    ink_table_add(&table, "all");
    ink_table_add_count(&table, (long long)arch->parameter_count);
    ink_table_text(&table, text);
    ink_table_html(&table, html);
}

void
ink_describe_line(const struct ink_model *model, struct ink_buf *text)
{
    const struct ink_record *record = model->snapshot ? ink_snapshot_record(model->snapshot) : NULL;

    ink_text_clean(text, model->name);
    if (model->version > 0)
        ink_buf_printf(text, ":%d", model->version);
    ink_buf_puts(text, ": ");
    ink_text_count(text, (long long)model->arch->parameter_count);
    ink_buf_printf(text, " parameters in %d layers", model->arch->node_count);
    if (!record) {
        ink_buf_puts(text, ", an architecture without weights");
        return;
    }
    if (!(record->epochs > 0)) {
        ink_buf_puts(text, *record->data ? ", weights from " : ", not trained");
        ink_text_clean(text, record->data);
        return;
    }
    ink_buf_printf(text, ", %.4g epoch%s", record->epochs,
                   fabs(record->epochs - 1) < 1e-9 ? "" : "s");
    if (*record->data) {
        ink_buf_puts(text, " of ");
        ink_text_clean(text, record->data);
    }
    if (isfinite(record->accuracy)) {
        ink_buf_puts(text, ", ");
        ink_text_percent(text, record->accuracy);
        ink_buf_puts(text, " on its validation data");
    }
}

static struct ink_json *
nodes_to_json(const struct ink_arch *arch)
{
    struct ink_json *list = ink_json_array();

    for (int i = 0; i < arch->node_count; i++) {
        const struct ink_node *node = &arch->node[i];
        struct ink_json *json = ink_json_object(), *from = ink_json_array();

        for (int j = 0; j < node->input_count; j++)
            ink_json_push(from, ink_json_from_string(arch->node[node->input[j]].name));
        ink_json_set_string(json, "name", node->name);
        ink_json_set_string(json, "op", ink_op_name(node->op));
        ink_json_set(json, "from", from);
        ink_json_set(json, "shape", ink_shape_to_json(node->shape));
        ink_json_set_int(json, "parameters", (int64_t)ink_node_parameter_count(node));
        ink_json_push(list, json);
    }
    return list;
}

/* A string of a file, as JSON wants it. */
static void
set_clean(struct ink_json *json, const char *name, const char *text)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf clean = {0};

    ink_text_clean(&clean, text);
    ink_json_set_string(json, name, ink_buf_text(&clean));
}

static struct ink_json *
record_to_json(const struct ink_record *record)
{
    struct ink_json *json = ink_json_object();

    set_clean(json, "command", record->command);
    set_clean(json, "data", record->data);
    set_clean(json, "date", record->date);
    ink_json_set_double(json, "seed", (double)record->seed);
    ink_json_set_double(json, "epochs", record->epochs);
    ink_json_set_double(json, "loss", record->loss);
    ink_json_set_double(json, "accuracy", record->accuracy);
    return json;
}

struct ink_json *
ink_describe_json(const struct ink_model *model)
{
    struct ink_json *json = ink_json_object();

    set_clean(json, "name", model->name);
    ink_json_set_int(json, "version", model->version);
    ink_json_set_int(json, "parameters", (int64_t)model->arch->parameter_count);
    ink_json_set(json, "nodes", nodes_to_json(model->arch));
    ink_json_set(json, "record",
                 model->snapshot ? record_to_json(ink_snapshot_record(model->snapshot))
                                 : ink_json_from_null());
    return json;
}
