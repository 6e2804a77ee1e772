/* SPDX-License-Identifier: MIT */
#include "model/onnx/onnx.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "model/net.h"
#include "model/onnx/onnx.pb-c.h"
#include "model/snapshot_priv.h"

enum {
    NAME_SIZE = INK_ARCH_NAME_SIZE + 16, /* a node's name with ".running_mean" behind it */
    ATTRIBUTE_MAX = 3,
    INPUT_MAX = 5, /* of an operator: batch normalisation has five */
    NODE_PER_NODE =
        1 + INK_ARCH_INPUT_MAX, /* an operator, and one more where an input's form differs */
    TENSOR_PER_NODE = 4,        /* batch normalisation's */
    PROPERTY_MAX = 32
};

static_assert((int)INPUT_MAX > (int)INK_ARCH_INPUT_MAX, "add and concat fit");

/* An operator with what its message points to. */
struct operation {
    Onnx__NodeProto proto;
    Onnx__AttributeProto attribute[ATTRIBUTE_MAX], *attributes[ATTRIBUTE_MAX];
    int64_t ints[ATTRIBUTE_MAX][4];
    char name[NAME_SIZE], output[NAME_SIZE];
    char *inputs[INPUT_MAX], *outputs[1];
};

struct constant {
    Onnx__TensorProto proto;
    int64_t dims[4];
    char name[NAME_SIZE];
};

/* What a node's output is called in the graph: as [N][C][H][W], as [N][C], or both. */
struct value {
    char *picture, *flat;
};

struct builder {
    const struct ink_snapshot *snapshot;
    const struct ink_arch *arch;
    struct operation *operation;
    Onnx__NodeProto **nodes; /* [..] of operation, likewise */
    size_t operation_count;
    struct constant *constant;
    Onnx__TensorProto **tensors;
    size_t constant_count;
    struct value value[INK_ARCH_NODE_MAX];
    char input_name[NAME_SIZE];
    char *picture_shape; /* the constant that makes a picture of a flat vector; NULL = not needed */
};

/* ---- parts ---- */

static struct operation *
add_operation(struct builder *builder, const char *op, const char *name, const char *suffix)
{
    struct operation *operation = &builder->operation[builder->operation_count];

    builder->nodes[builder->operation_count++] = &operation->proto;
    onnx__node_proto__init(&operation->proto);
    (void)snprintf(operation->name, sizeof(operation->name), "%s%s", name, suffix);
    (void)snprintf(operation->output, sizeof(operation->output), "%s%s", name,
                   *suffix ? suffix : ".out");
    operation->outputs[0] = operation->output;
    operation->proto.name = operation->name;
    operation->proto.op_type = (char *)(uintptr_t)op;
    operation->proto.input = operation->inputs;
    operation->proto.output = operation->outputs;
    operation->proto.n_output = 1;
    operation->proto.attribute = operation->attributes;
    return operation;
}

static void
add_input(struct operation *operation, char *name)
{
    assert(operation->proto.n_input < INPUT_MAX);
    operation->inputs[operation->proto.n_input++] = name;
}

static Onnx__AttributeProto *
add_attribute(struct operation *operation, const char *name, Onnx__AttributeProto__Type type)
{
    size_t index = operation->proto.n_attribute++;
    Onnx__AttributeProto *attribute = &operation->attribute[index];

    assert(index < ATTRIBUTE_MAX);
    operation->attributes[index] = attribute;
    onnx__attribute_proto__init(attribute);
    attribute->name = (char *)(uintptr_t)name;
    attribute->has_type = 1;
    attribute->type = type;
    return attribute;
}

static void
add_float(struct operation *operation, const char *name, float value)
{
    Onnx__AttributeProto *attribute =
        add_attribute(operation, name, ONNX__ATTRIBUTE_PROTO__TYPE__FLOAT);

    attribute->has_f = 1;
    attribute->f = value;
}

static void
add_int(struct operation *operation, const char *name, int64_t value)
{
    Onnx__AttributeProto *attribute =
        add_attribute(operation, name, ONNX__ATTRIBUTE_PROTO__TYPE__INT);

    attribute->has_i = 1;
    attribute->i = value;
}

/* `count` sizes: a, b, a, b. */
static void
add_ints(struct operation *operation, const char *name, size_t count, int64_t a, int64_t b)
{
    int64_t *ints = operation->ints[operation->proto.n_attribute];
    Onnx__AttributeProto *attribute =
        add_attribute(operation, name, ONNX__ATTRIBUTE_PROTO__TYPE__INTS);

    for (size_t i = 0; i < count; i++)
        ints[i] = i % 2 == 0 ? a : b;
    attribute->ints = ints;
    attribute->n_ints = count;
}

/* `bytes` are borrowed until the file is written. */
static struct constant *
add_constant(struct builder *builder, const char *name, const char *suffix, const void *bytes,
             size_t size)
{
    struct constant *constant = &builder->constant[builder->constant_count];

    builder->tensors[builder->constant_count++] = &constant->proto;
    onnx__tensor_proto__init(&constant->proto);
    (void)snprintf(constant->name, sizeof(constant->name), "%s.%s", name, suffix);
    constant->proto.name = constant->name;
    constant->proto.dims = constant->dims;
    constant->proto.has_data_type = 1;
    constant->proto.data_type = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
    constant->proto.has_raw_data = 1;
    constant->proto.raw_data.data = (uint8_t *)(uintptr_t)bytes;
    constant->proto.raw_data.len = size;
    return constant;
}

/* One number a channel, as an operator's next input. */
static void
add_channels(struct builder *builder, struct operation *operation, const struct ink_node *node,
             const char *suffix, const float *numbers)
{
    size_t channels = (size_t)node->shape.channels;
    struct constant *constant =
        add_constant(builder, node->name, suffix, numbers, channels * sizeof(*numbers));

    constant->dims[0] = (int64_t)channels;
    constant->proto.n_dims = 1;
    add_input(operation, constant->name);
}

/* ---- values in the form that an operator wants ---- */

static char *
flat_value(struct builder *builder, int index)
{
    struct value *value = &builder->value[index];

    if (!value->flat) {
        struct operation *operation =
            add_operation(builder, "Flatten", builder->arch->node[index].name, ".flat");

        add_input(operation, value->picture);
        value->flat = operation->output;
    }
    return value->flat;
}

static char *
picture_value(struct builder *builder, int index)
{
    static const int64_t sizes[] = {0, 0, 1, 1}; /* 0: as it is */
    struct value *value = &builder->value[index];

    if (!value->picture) {
        struct operation *operation =
            add_operation(builder, "Reshape", builder->arch->node[index].name, ".picture");

        if (!builder->picture_shape) {
            struct constant *constant =
                add_constant(builder, "picture", "shape", sizes, sizeof(sizes));

            constant->proto.data_type = ONNX__TENSOR_PROTO__DATA_TYPE__INT64;
            constant->dims[0] = (int64_t)(sizeof(sizes) / sizeof(*sizes));
            constant->proto.n_dims = 1;
            builder->picture_shape = constant->name;
        }
        add_input(operation, value->flat);
        add_input(operation, builder->picture_shape);
        value->picture = operation->output;
    }
    return value->picture;
}

/* ---- nodes ---- */

static void
build_conv(struct builder *builder, int index)
{
    const struct ink_node *node = &builder->arch->node[index];
    char *input = picture_value(builder, node->input[0]);
    struct operation *operation = add_operation(builder, "Conv", node->name, "");
    struct constant *weight =
        add_constant(builder, node->name, "weight", ink_snapshot_weights(builder->snapshot, index),
                     node->weight_count * sizeof(float));

    weight->dims[0] = node->shape.channels;
    weight->dims[1] = builder->arch->node[node->input[0]].shape.channels;
    weight->dims[2] = node->kernel_height;
    weight->dims[3] = node->kernel_width;
    weight->proto.n_dims = 4;
    add_input(operation, input);
    add_input(operation, weight->name);
    if (node->has_bias)
        add_channels(builder, operation, node, "bias",
                     ink_snapshot_biases(builder->snapshot, index));
    add_ints(operation, "kernel_shape", 2, node->kernel_height, node->kernel_width);
    add_ints(operation, "strides", 2, node->stride, node->stride);
    add_ints(operation, "pads", 4, node->pad, node->pad);
    builder->value[index].picture = operation->output;
}

static void
build_dense(struct builder *builder, int index)
{
    const struct ink_node *node = &builder->arch->node[index];
    char *input = flat_value(builder, node->input[0]);
    struct operation *operation = add_operation(builder, "Gemm", node->name, "");
    struct constant *weight =
        add_constant(builder, node->name, "weight", ink_snapshot_weights(builder->snapshot, index),
                     node->weight_count * sizeof(float));

    weight->dims[0] = node->shape.channels;
    weight->dims[1] = builder->arch->node[node->input[0]].shape.channels;
    weight->proto.n_dims = 2;
    add_input(operation, input);
    add_input(operation, weight->name);
    if (node->has_bias)
        add_channels(builder, operation, node, "bias",
                     ink_snapshot_biases(builder->snapshot, index));
    add_int(operation, "transB", 1); /* weights are [out][in] */
    builder->value[index].flat = operation->output;
}

static void
build_pool(struct builder *builder, int index, const char *op)
{
    const struct ink_node *node = &builder->arch->node[index];
    char *input = picture_value(builder, node->input[0]);
    struct operation *operation = add_operation(builder, op, node->name, "");

    add_input(operation, input);
    if (node->op != INK_OP_GLOBALPOOL) {
        add_ints(operation, "kernel_shape", 2, node->kernel_height, node->kernel_width);
        add_ints(operation, "strides", 2, node->stride, node->stride);
    }
    builder->value[index].picture = operation->output;
}

/* An operator whose output has its inputs' form: flat where one of them is only that. */
static struct operation *
build_like(struct builder *builder, int index, const char *op)
{
    const struct ink_node *node = &builder->arch->node[index];
    struct operation *operation;
    char *input[INK_ARCH_INPUT_MAX] = {0};
    bool is_picture = true;

    for (int i = 0; i < node->input_count; i++)
        is_picture = is_picture && builder->value[node->input[i]].picture;
    for (int i = 0; i < node->input_count; i++)
        input[i] = is_picture ? picture_value(builder, node->input[i])
                              : flat_value(builder, node->input[i]);
    operation = add_operation(builder, op, node->name, "");
    for (int i = 0; i < node->input_count; i++)
        add_input(operation, input[i]);
    *(is_picture ? &builder->value[index].picture : &builder->value[index].flat) =
        operation->output;
    return operation;
}

static void
build_norm(struct builder *builder, int index)
{
    const struct ink_node *node = &builder->arch->node[index];
    const float *statistics = ink_snapshot_statistics(builder->snapshot, index);
    struct operation *operation = build_like(builder, index, "BatchNormalization");

    add_channels(builder, operation, node, "weight",
                 ink_snapshot_weights(builder->snapshot, index));
    add_channels(builder, operation, node, "bias", ink_snapshot_biases(builder->snapshot, index));
    add_channels(builder, operation, node, "running_mean", statistics);
    add_channels(builder, operation, node, "running_var", statistics + node->shape.channels);
    add_float(operation, "epsilon", (float)INK_NORM_EPSILON);
}

static void
build_node(struct builder *builder, int index)
{
    const struct ink_node *node = &builder->arch->node[index];
    struct operation *operation;

    switch (node->op) {
    case INK_OP_CONV:
        build_conv(builder, index);
        return;
    case INK_OP_DENSE:
        build_dense(builder, index);
        return;
    case INK_OP_RELU:
        (void)build_like(builder, index, "Relu");
        return;
    case INK_OP_LEAKYRELU:
        add_float(build_like(builder, index, "LeakyRelu"), "alpha", node->rate);
        return;
    case INK_OP_SIGMOID:
        (void)build_like(builder, index, "Sigmoid");
        return;
    case INK_OP_TANH:
        (void)build_like(builder, index, "Tanh");
        return;
    case INK_OP_MAXPOOL:
        build_pool(builder, index, "MaxPool");
        return;
    case INK_OP_AVGPOOL:
        build_pool(builder, index, "AveragePool");
        return;
    case INK_OP_GLOBALPOOL:
        build_pool(builder, index, "GlobalAveragePool");
        return;
    case INK_OP_BATCHNORM:
        build_norm(builder, index);
        return;
    case INK_OP_ADD:
        (void)build_like(builder, index, node->input_count > 2 ? "Sum" : "Add");
        return;
    case INK_OP_CONCAT:
        add_int(build_like(builder, index, "Concat"), "axis", 1);
        return;
    case INK_OP_FLATTEN:
        operation = build_like(builder, index, "Flatten");
        builder->value[index] = (struct value){.flat = operation->output};
        return;
    case INK_OP_DROPOUT:
        builder->value[index] = builder->value[node->input[0]];
        return;
    case INK_OP_INPUT:
    case INK_OP_SOFTMAX:
    case INK_OP_COUNT:
        break;
    }
    assert(false && "an op without an operator");
}

/* All nodes; the last two values are called as the outputs are. */
static void
build_nodes(struct builder *builder)
{
    const struct ink_arch *arch = builder->arch;
    const struct ink_node *last = &arch->node[arch->node_count - 1];
    int score_index = arch->node_count - 1;
    struct operation *softmax;
    char *scores;

    /* The names of the outputs are ours; only an input can be called so too. */
    (void)snprintf(builder->input_name, sizeof(builder->input_name), "%s%s", arch->node[0].name,
                   strcmp(arch->node[0].name, "scores") == 0 ||
                           strcmp(arch->node[0].name, "probabilities") == 0
                       ? ".in"
                       : "");
    builder->value[0].picture = builder->input_name;
    if (last->op == INK_OP_SOFTMAX)
        score_index = last->input[0];
    for (int i = 1; i < arch->node_count; i++)
        if (arch->node[i].op != INK_OP_SOFTMAX)
            build_node(builder, i);
    scores = flat_value(builder, score_index);
    (void)snprintf(scores, NAME_SIZE, "scores"); /* renames it for all who point to it */
    softmax = last->op == INK_OP_SOFTMAX
                  ? add_operation(builder, "Softmax", last->name, "")
                  : add_operation(builder, "Softmax", last->name, ".softmax");
    (void)snprintf(softmax->output, sizeof(softmax->output), "probabilities");
    add_input(softmax, scores);
    add_int(softmax, "axis", 1);
}

/* ---- the file ---- */

/* A named tensor of floats, [N] and then `dims`. */
struct described {
    Onnx__ValueInfoProto proto, *list[1];
    Onnx__TypeProto type;
    Onnx__TypeProto__Tensor tensor;
    Onnx__TensorShapeProto shape;
    Onnx__TensorShapeProto__Dimension dim[4], *dims[4];
};

static void
describe(struct described *out, const char *name, const char *about, const int *sizes, size_t count)
{
    onnx__value_info_proto__init(&out->proto);
    onnx__type_proto__init(&out->type);
    onnx__type_proto__tensor__init(&out->tensor);
    onnx__tensor_shape_proto__init(&out->shape);
    for (size_t i = 0; i <= count; i++) {
        onnx__tensor_shape_proto__dimension__init(&out->dim[i]);
        out->dims[i] = &out->dim[i];
        out->dim[i].has_dim_value = i > 0;
        if (i > 0)
            out->dim[i].dim_value = sizes[i - 1];
    }
    out->dim[0].dim_param = (char *)(uintptr_t) "N";
    out->shape.n_dim = count + 1;
    out->shape.dim = out->dims;
    out->tensor.has_elem_type = 1;
    out->tensor.elem_type = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
    out->tensor.shape = &out->shape;
    out->type.tensor_type = &out->tensor;
    out->proto.name = (char *)(uintptr_t)name;
    out->proto.doc_string = (char *)(uintptr_t)about;
    out->proto.type = &out->type;
    out->list[0] = &out->proto;
}

/* Where protobuf-c puts its bytes. */
struct sink {
    ProtobufCBuffer base;
    struct ink_buf *buf;
};

static void
append(ProtobufCBuffer *self, size_t size, const uint8_t *bytes)
{
    ink_buf_append(((struct sink *)self)->buf, bytes, size);
}

static void
write_model(struct builder *builder, const struct ink_json *metadata, struct ink_buf *buf)
{
    static const int picture[] = {1, INK_PICTURE_SIDE, INK_PICTURE_SIDE},
                     classes[] = {INK_CLASS_COUNT};
    const struct ink_record *record = ink_snapshot_record(builder->snapshot);
    Onnx__StringStringEntryProto property[PROPERTY_MAX], *properties[PROPERTY_MAX];
    Onnx__OperatorSetIdProto set = ONNX__OPERATOR_SET_ID_PROTO__INIT, *sets[] = {&set};
    Onnx__GraphProto graph = ONNX__GRAPH_PROTO__INIT;
    Onnx__ModelProto model = ONNX__MODEL_PROTO__INIT;
    struct described input, probabilities, scores;
    Onnx__ValueInfoProto *outputs[] = {&probabilities.proto, &scores.proto};
    struct sink sink = {{append}, buf};
    size_t count = 0;

    describe(&input, builder->input_name, "pixels / 255, 0 background, 1 ink", picture, 3);
    describe(&probabilities, "probabilities", "of the digits 0 to 9", classes, 1);
    describe(&scores, "scores", "before the softmax", classes, 1);
    graph.name = (char *)(uintptr_t)(*record->name ? record->name : "inkling");
    graph.node = builder->nodes;
    graph.n_node = builder->operation_count;
    graph.initializer = builder->tensors;
    graph.n_initializer = builder->constant_count;
    graph.input = input.list;
    graph.n_input = 1;
    graph.output = outputs;
    graph.n_output = 2;
    for (const struct ink_json *entry = ink_json_first(metadata); entry && count < PROPERTY_MAX;
         entry = ink_json_next(entry), count++) {
        onnx__string_string_entry_proto__init(&property[count]);
        property[count].key = (char *)(uintptr_t)ink_json_name(entry);
        property[count].value = (char *)(uintptr_t)ink_json_string(entry, "");
        properties[count] = &property[count];
    }
    set.domain = (char *)(uintptr_t) ""; /* the standard operators */
    set.has_version = 1;
    set.version = INK_ONNX_OPSET;
    model.has_ir_version = 1;
    model.ir_version = INK_ONNX_IR_VERSION;
    model.producer_name = (char *)(uintptr_t) "inkling";
    model.has_model_version = 1;
    model.model_version = record->version;
    model.graph = &graph;
    model.opset_import = sets;
    model.n_opset_import = 1;
    model.metadata_props = properties;
    model.n_metadata_props = count;
    (void)onnx__model_proto__pack_to_buffer(&model, &sink.base);
}

enum ink_status
ink_onnx_encode(const struct ink_snapshot *snapshot, struct ink_buf *buf, struct ink_err *err)
{
    INK_CLEANUP(ink_json_destroy) struct ink_json *metadata = ink_snapshot_metadata(snapshot);
    INK_CLEANUP(ink_freep) struct builder *builder = calloc(1, sizeof(*builder));
    INK_CLEANUP(ink_freep) struct operation *operation = NULL;
    INK_CLEANUP(ink_freep) struct constant *constant = NULL;
    INK_CLEANUP(ink_freep) Onnx__NodeProto **nodes = NULL;
    INK_CLEANUP(ink_freep) Onnx__TensorProto **tensors = NULL;
    size_t count = (size_t)ink_snapshot_arch(snapshot)->node_count + 1;

    operation = calloc(count * NODE_PER_NODE, sizeof(*operation));
    nodes = calloc(count * NODE_PER_NODE, sizeof(*nodes));
    constant = calloc(count * TENSOR_PER_NODE, sizeof(*constant));
    tensors = calloc(count * TENSOR_PER_NODE, sizeof(*tensors));
    if (!metadata || !builder || !operation || !nodes || !constant || !tensors)
        return ink_fail(err, INK_NOMEM, "no memory for an ONNX file");
    builder->snapshot = snapshot;
    builder->arch = ink_snapshot_arch(snapshot);
    builder->operation = operation;
    builder->nodes = nodes;
    builder->constant = constant;
    builder->tensors = tensors;
    build_nodes(builder);
    write_model(builder, metadata, buf);
    return ink_buf_check(buf, err);
}
