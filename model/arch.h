/* SPDX-License-Identifier: MIT */
#ifndef INK_MODEL_ARCH_H
#define INK_MODEL_ARCH_H

/*
 * arch: a network's architecture, read from text and checked.
 *
 * One node per line, `name: op arguments`, input is the node above unless
 * `from=a,b` names others. `#` starts a comment. The first node is the input,
 * the last gives the class scores (logits): softmax is applied by who asks. A
 * softmax at the end may be written all the same; training stops before it.
 *
 *     image:  input 1x28x28
 *     conv1:  conv 32 3x3 stride=1 pad=0 bias=yes
 *     relu1:  relu
 *     pool1:  maxpool 2x2
 *     flat:   flatten
 *     drop1:  dropout 0.25
 *     dense1: dense 10
 *     sum:    add from=conv4,short3
 *
 * Shapes and parameter counts are inferred here; an error names the line and
 * says what was expected. An arch is immutable once parsed.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

enum {
    INK_ARCH_NAME_SIZE = 32, /* a node's name with its zero byte: [a-z][a-z0-9_]* */
    INK_ARCH_INPUT_MAX = 4,  /* inputs of one node */
    INK_ARCH_NODE_MAX = 256,
    INK_CLASS_COUNT = 10,
    INK_PICTURE_SIDE = 28,
    INK_PICTURE_SIZE = 28 * 28, /* pixels of a network's input */
};

/* op, its word in the text */
/* clang-format off */
#define INK_OP_MAP(X)                                                        \
    X(INPUT, "input")       X(CONV, "conv")           X(DENSE, "dense")       \
    X(RELU, "relu")         X(LEAKYRELU, "leakyrelu") X(SIGMOID, "sigmoid")   \
    X(TANH, "tanh")         X(MAXPOOL, "maxpool")     X(AVGPOOL, "avgpool")   \
    X(GLOBALPOOL, "globalpool")                       X(BATCHNORM, "batchnorm") \
    X(ADD, "add")           X(CONCAT, "concat")       X(FLATTEN, "flatten")   \
    X(DROPOUT, "dropout")   X(SOFTMAX, "softmax")
/* clang-format on */

enum ink_op {
#define X(name, word) INK_OP_##name,
    INK_OP_MAP(X)
#undef X
        INK_OP_COUNT
};

/* A picture's size, [channels][height][width]; a flat vector is [n][1][1]. */
struct ink_shape {
    int channels, height, width;
};

struct ink_node {
    char name[INK_ARCH_NAME_SIZE];
    enum ink_op op;
    int input_count;
    int input[INK_ARCH_INPUT_MAX];                /* indexes of earlier nodes */
    struct ink_shape shape;                       /* of the output, one picture */
    int kernel_height, kernel_width, stride, pad; /* conv and pools; pad is the same on all sides */
    bool has_bias;                                /* conv, dense */
    float rate;                                   /* dropout: share dropped; leakyrelu: slope */
    size_t weight_count;    /* conv [oc][ic][kh][kw], dense [out][in], batchnorm scale [c] */
    size_t bias_count;      /* conv, dense [oc]; batchnorm shift [c] */
    size_t statistic_count; /* batchnorm: running mean [c] and variance [c]; not trained */
    int line;               /* in the text, from 1 */
};

struct ink_arch {
    char *text; /* as parsed, for saving; zero-terminated */
    int node_count;
    struct ink_node *node;  /* [node_count], in order: inputs before users */
    size_t parameter_count; /* trained numbers: weights and biases of all nodes */
};

/*
 * Parse and check an architecture.
 *
 * Errors   INK_BADARG  "line 4: ...": an unknown op (with "did you mean"), a bad argument, a
 *                      name used twice or unknown, shapes that do not fit, no 10 outputs
 *          INK_TOOBIG  more nodes or parameters than base/limits.h allows
 *          INK_NOMEM
 * Memory   the caller destroys *out_arch
 */
INK_MUST_CHECK enum ink_status ink_arch_parse(const char *text, size_t size,
                                              struct ink_arch **out_arch, struct ink_err *err);
void ink_arch_destroy(struct ink_arch **arch);

/* The index of the node called `name`, or -1. */
int ink_arch_find(const struct ink_arch *arch, const char *name);

/* Trained numbers of one node. */
size_t ink_node_parameter_count(const struct ink_node *node);

/* Numbers in a shape. */
size_t ink_shape_count(struct ink_shape shape);

const char *ink_op_name(enum ink_op op);

/* What comes with the program in model/zoo: architectures, and recipes: JSON objects of `train`'s
 * options, which command/train_config reads and which have no summary. */
enum ink_zoo { INK_ZOO_ARCH, INK_ZOO_RECIPE, INK_ZOO_KINDS };
enum { INK_ZOO_MAX = 32 }; /* of a kind */

struct ink_zoo_entry {
    const char *name; /* "keras" */
    char summary[96]; /* the text's first comment line */
    const char *text; /* [size], not zero-terminated */
    size_t size;
};

/* Sorted by name. */
size_t ink_zoo_count(enum ink_zoo kind);
struct ink_zoo_entry ink_zoo_get(enum ink_zoo kind, size_t index);
bool ink_zoo_find(enum ink_zoo kind, const char *name, struct ink_zoo_entry *out_entry);

#endif
