/* SPDX-License-Identifier: MIT */
#include "model/arch.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "base/parse.h"
#include "base/suggest.h"

enum {
    WORD_MAX = 12,
    WORD_SIZE = 128,
    SIDE_MAX = 4096,
    CHANNEL_MAX = 1 << 20,
    POOL_WINDOW_MAX = 256
};

static const char *const op_words[INK_OP_COUNT] = {
#define X(name, word) [INK_OP_##name] = (word),
    INK_OP_MAP(X)
#undef X
};

/* What may stand behind an op, and how a message says so. */
enum { TAKES_STRIDE = 1, TAKES_PAD = 2, TAKES_BIAS = 4 };
struct op_form {
    int word_min, word_max; /* positional arguments */
    int takes;
    int input_min, input_max;
    const char *usage;
};

/* clang-format off */
static const struct op_form forms[INK_OP_COUNT] = {
    [INK_OP_INPUT]      = {1, 1, 0, 0, 0, "input CHANNELSxHEIGHTxWIDTH"},
    [INK_OP_CONV]       = {2, 2, TAKES_STRIDE | TAKES_PAD | TAKES_BIAS, 1, 1,
                           "conv FILTERS HEIGHTxWIDTH [stride=N] [pad=N] [bias=yes|no]"},
    [INK_OP_DENSE]      = {1, 1, TAKES_BIAS, 1, 1, "dense OUTPUTS [bias=yes|no]"},
    [INK_OP_RELU]       = {0, 0, 0, 1, 1, "relu"},
    [INK_OP_LEAKYRELU]  = {0, 1, 0, 1, 1, "leakyrelu [SLOPE]"},
    [INK_OP_SIGMOID]    = {0, 0, 0, 1, 1, "sigmoid"},
    [INK_OP_TANH]       = {0, 0, 0, 1, 1, "tanh"},
    [INK_OP_MAXPOOL]    = {1, 1, TAKES_STRIDE, 1, 1, "maxpool HEIGHTxWIDTH [stride=N]"},
    [INK_OP_AVGPOOL]    = {1, 1, TAKES_STRIDE, 1, 1, "avgpool HEIGHTxWIDTH [stride=N]"},
    [INK_OP_GLOBALPOOL] = {0, 0, 0, 1, 1, "globalpool"},
    [INK_OP_BATCHNORM]  = {0, 0, 0, 1, 1, "batchnorm"},
    [INK_OP_ADD]        = {0, 0, 0, 2, INK_ARCH_INPUT_MAX, "add from=A,B"},
    [INK_OP_CONCAT]     = {0, 0, 0, 2, INK_ARCH_INPUT_MAX, "concat from=A,B"},
    [INK_OP_FLATTEN]    = {0, 0, 0, 1, 1, "flatten"},
    [INK_OP_DROPOUT]    = {1, 1, 0, 1, 1, "dropout SHARE"},
    [INK_OP_SOFTMAX]    = {0, 0, 0, 1, 1, "softmax"},
};
/* clang-format on */

struct parser {
    struct ink_arch *arch;
    int line;
    char word[WORD_MAX][WORD_SIZE]; /* of the line: op, then arguments */
    int word_count;
    size_t activation_count;
    struct ink_err *err;
};

const char *
ink_op_name(enum ink_op op)
{
    return op_words[op];
}

size_t
ink_shape_count(struct ink_shape shape)
{
    return (size_t)shape.channels * (size_t)shape.height * (size_t)shape.width;
}

size_t
ink_node_parameter_count(const struct ink_node *node)
{
    return node->weight_count + node->bias_count;
}

int
ink_arch_find(const struct ink_arch *arch, const char *name)
{
    for (int i = 0; i < arch->node_count; i++)
        if (strcmp(arch->node[i].name, name) == 0)
            return i;
    return -1;
}

static enum ink_status
unknown_op(const struct parser *parser)
{
    const char *word = parser->word[0];
    const char *similar = ink_suggest(word, op_words, INK_OP_COUNT);

    if (similar)
        return ink_fail(parser->err, INK_BADARG, "line %d: unknown op '%.40s', did you mean %s?",
                        parser->line, word, similar);
    return ink_fail(parser->err, INK_BADARG,
                    "line %d: unknown op '%.40s', expected conv, dense, relu, maxpool, ...",
                    parser->line, word);
}

static enum ink_status
misuse(const struct parser *parser, const struct ink_node *node, const char *what)
{
    return ink_fail(parser->err, INK_BADARG, "line %d: %s, expected: %s", parser->line, what,
                    forms[node->op].usage);
}

/* ---- arguments ---- */

static enum ink_status
parse_number(const struct parser *parser, const char *what, const char *text, int max, int *out)
{
    char label[64];
    int64_t value;
    enum ink_status status;

    (void)snprintf(label, sizeof(label), "line %d: %s", parser->line, what);
    status = ink_parse_int(label, text, strcmp(what, "pad") == 0 ? 0 : 1, max, &value, parser->err);
    if (!status)
        *out = (int)value;
    return status;
}

/* AxB or AxBxC into out[count]. */
static enum ink_status
parse_sizes(const struct parser *parser, const char *text, int count, int *out)
{
    char part[WORD_SIZE];
    const char *rest = text;

    for (int i = 0; i < count; i++) {
        size_t size = strcspn(rest, "x");
        enum ink_status status;

        if ((rest[size] == 'x') != (i < count - 1))
            return ink_fail(parser->err, INK_BADARG, "line %d: '%.40s' is not %s", parser->line,
                            text, count == 2 ? "HEIGHTxWIDTH" : "CHANNELSxHEIGHTxWIDTH");
        memcpy(part, rest, size);
        part[size] = '\0';
        status = parse_number(parser, "size", part, SIDE_MAX, &out[i]);
        if (status)
            return status;
        rest += size + 1;
    }
    return INK_OK;
}

static enum ink_status
parse_from(const struct parser *parser, struct ink_node *node, const char *list)
{
    node->input_count = 0;
    for (;;) {
        char name[WORD_SIZE];
        size_t size = strcspn(list, ",");
        int index;

        memcpy(name, list, size);
        name[size] = '\0';
        index = ink_arch_find(parser->arch, name);
        if (index < 0)
            return ink_fail(parser->err, INK_BADARG,
                            "line %d: from= names '%.40s', which is no node above it", parser->line,
                            name);
        if (node->input_count == INK_ARCH_INPUT_MAX)
            return ink_fail(parser->err, INK_BADARG, "line %d: more than %d inputs", parser->line,
                            INK_ARCH_INPUT_MAX);
        node->input[node->input_count++] = index;
        if (list[size] == '\0')
            return INK_OK;
        list += size + 1;
    }
}

static enum ink_status
parse_option(const struct parser *parser, struct ink_node *node, const char *word)
{
    const char *value = strchr(word, '=') + 1;
    int takes = forms[node->op].takes;

    if (strncmp(word, "from=", 5) == 0 && node->op != INK_OP_INPUT)
        return parse_from(parser, node, value);
    if (strncmp(word, "stride=", 7) == 0 && takes & TAKES_STRIDE)
        return parse_number(parser, "stride", value, 64, &node->stride);
    if (strncmp(word, "pad=", 4) == 0 && takes & TAKES_PAD)
        return parse_number(parser, "pad", value, 64, &node->pad);
    if (strncmp(word, "bias=", 5) == 0 && takes & TAKES_BIAS) {
        if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0)
            return ink_fail(parser->err, INK_BADARG, "line %d: bias=%.40s is not yes or no",
                            parser->line, value);
        node->has_bias = value[0] == 'y';
        return INK_OK;
    }
    return ink_fail(parser->err, INK_BADARG, "line %d: %s takes no '%.40s', expected: %s",
                    parser->line, op_words[node->op], word, forms[node->op].usage);
}

static enum ink_status
parse_rate(const struct parser *parser, struct ink_node *node, const char *text)
{
    char label[64];
    double value;
    enum ink_status status;
    bool is_dropout = node->op == INK_OP_DROPOUT;

    (void)snprintf(label, sizeof(label), "line %d: %s", parser->line,
                   is_dropout ? "dropout share" : "slope");
    status = ink_parse_double(label, text, 0, is_dropout ? 0.99 : 1, &value, parser->err);
    if (!status)
        node->rate = (float)value;
    return status;
}

static enum ink_status
parse_positional(const struct parser *parser, struct ink_node *node, int position, const char *word)
{
    int sizes[3];
    enum ink_status status;

    if (node->op == INK_OP_INPUT) {
        status = parse_sizes(parser, word, 3, sizes);
        if (!status)
            node->shape = (struct ink_shape){sizes[0], sizes[1], sizes[2]};
        return status;
    }
    if (node->op == INK_OP_DENSE)
        return parse_number(parser, "outputs", word, CHANNEL_MAX, &node->shape.channels);
    if (node->op == INK_OP_LEAKYRELU || node->op == INK_OP_DROPOUT)
        return parse_rate(parser, node, word);
    if (node->op == INK_OP_CONV && position == 0)
        return parse_number(parser, "filters", word, CHANNEL_MAX, &node->shape.channels);
    status = parse_sizes(parser, word, 2, sizes);
    if (status)
        return status;
    node->kernel_height = sizes[0];
    node->kernel_width = sizes[1];
    return INK_OK;
}

/* Everything of the line but what follows from the inputs' shapes. */
static enum ink_status
parse_arguments(const struct parser *parser, struct ink_node *node)
{
    const struct op_form *form = &forms[node->op];
    int position = 0;

    node->has_bias = node->op == INK_OP_CONV || node->op == INK_OP_DENSE;
    node->rate = node->op == INK_OP_LEAKYRELU ? 0.01F : 0;
    node->input_count = parser->arch->node_count > 0 && node->op != INK_OP_INPUT;
    node->input[0] = parser->arch->node_count - 1;
    for (int i = 1; i < parser->word_count; i++) {
        const char *word = parser->word[i];
        enum ink_status status;

        if (strchr(word, '=')) {
            status = parse_option(parser, node, word);
        } else {
            if (position == form->word_max)
                return misuse(parser, node, "too many arguments");
            status = parse_positional(parser, node, position++, word);
        }
        if (status)
            return status;
    }
    if (position < form->word_min)
        return misuse(parser, node, "too few arguments");
    if (node->input_count < form->input_min || node->input_count > form->input_max)
        return misuse(parser, node,
                      form->input_max > 1 ? "two inputs or more are needed"
                                          : "exactly one input is needed");
    return INK_OK;
}

/* ---- shapes ---- */

static enum ink_status
infer_window(const struct parser *parser, struct ink_node *node, struct ink_shape in)
{
    int height = in.height + 2 * node->pad, width = in.width + 2 * node->pad;

    if (node->stride == 0)
        node->stride = node->op == INK_OP_CONV ? 1 : node->kernel_height;
    if (node->kernel_height > height || node->kernel_width > width)
        return ink_fail(parser->err, INK_BADARG,
                        "line %d: a window of %dx%d does not fit into %dx%d", parser->line,
                        node->kernel_height, node->kernel_width, height, width);
    if (node->pad >= node->kernel_height || node->pad >= node->kernel_width)
        if (node->pad > 0)
            return ink_fail(parser->err, INK_BADARG,
                            "line %d: pad=%d is not below the window %dx%d", parser->line,
                            node->pad, node->kernel_height, node->kernel_width);
    if (node->op == INK_OP_MAXPOOL && node->kernel_height * node->kernel_width > POOL_WINDOW_MAX)
        return ink_fail(parser->err, INK_BADARG, "line %d: a maxpool of more than %d pixels",
                        parser->line, POOL_WINDOW_MAX);
    node->shape.height = (height - node->kernel_height) / node->stride + 1;
    node->shape.width = (width - node->kernel_width) / node->stride + 1;
    if (node->op != INK_OP_CONV)
        node->shape.channels = in.channels;
    return INK_OK;
}

static enum ink_status
infer_joined(const struct parser *parser, struct ink_node *node, struct ink_shape first)
{
    node->shape = first;
    for (int i = 1; i < node->input_count; i++) {
        struct ink_shape other = parser->arch->node[node->input[i]].shape;

        if (other.height != first.height || other.width != first.width ||
            (node->op == INK_OP_ADD && other.channels != first.channels))
            return ink_fail(parser->err, INK_BADARG,
                            "line %d: %s of %dx%dx%d and %dx%dx%d does not fit", parser->line,
                            op_words[node->op], first.channels, first.height, first.width,
                            other.channels, other.height, other.width);
        if (node->op == INK_OP_CONCAT)
            node->shape.channels += other.channels;
    }
    return INK_OK;
}

static enum ink_status
infer_shape(const struct parser *parser, struct ink_node *node)
{
    struct ink_shape in = {0};

    if (node->input_count > 0)
        in = parser->arch->node[node->input[0]].shape;
    switch (node->op) {
    case INK_OP_INPUT:
        if (node->shape.channels != 1 || node->shape.height != INK_PICTURE_SIDE ||
            node->shape.width != INK_PICTURE_SIDE)
            return ink_fail(parser->err, INK_BADARG, "line %d: an input of %dx%dx%d, expected %s",
                            parser->line, node->shape.channels, node->shape.height,
                            node->shape.width, "1x28x28");
        return INK_OK;
    case INK_OP_CONV:
    case INK_OP_MAXPOOL:
    case INK_OP_AVGPOOL:
        return infer_window(parser, node, in);
    case INK_OP_GLOBALPOOL:
        node->shape = (struct ink_shape){in.channels, 1, 1};
        return INK_OK;
    case INK_OP_FLATTEN:
        node->shape = (struct ink_shape){(int)ink_shape_count(in), 1, 1};
        return INK_OK;
    case INK_OP_DENSE:
    case INK_OP_SOFTMAX:
        if (in.height != 1 || in.width != 1)
            return ink_fail(parser->err, INK_BADARG,
                            "line %d: %s needs a flat input, not %dx%dx%d: put a flatten before it",
                            parser->line, op_words[node->op], in.channels, in.height, in.width);
        node->shape =
            (struct ink_shape){node->op == INK_OP_DENSE ? node->shape.channels : in.channels, 1, 1};
        return INK_OK;
    case INK_OP_ADD:
    case INK_OP_CONCAT:
        return infer_joined(parser, node, in);
    case INK_OP_RELU:
    case INK_OP_LEAKYRELU:
    case INK_OP_SIGMOID:
    case INK_OP_TANH:
    case INK_OP_BATCHNORM:
    case INK_OP_DROPOUT:
    case INK_OP_COUNT:
        break;
    }
    node->shape = in;
    return INK_OK;
}

static enum ink_status
count_numbers(struct parser *parser, struct ink_node *node)
{
    struct ink_shape in = {0};
    size_t channels = (size_t)node->shape.channels;

    if (node->input_count > 0)
        in = parser->arch->node[node->input[0]].shape;
    /* Below: at most 2^20 * 2^22 * 2^24, no overflow in 64 bits after the check of activations. */
    if (node->op == INK_OP_CONV)
        node->weight_count = channels * (size_t)in.channels *
                             ((size_t)node->kernel_height * (size_t)node->kernel_width);
    else if (node->op == INK_OP_DENSE)
        node->weight_count = channels * (size_t)in.channels;
    else if (node->op == INK_OP_BATCHNORM)
        node->weight_count = channels;
    if (node->has_bias || node->op == INK_OP_BATCHNORM)
        node->bias_count = channels;
    if (node->op == INK_OP_BATCHNORM)
        node->statistic_count = 2 * channels;

    parser->activation_count += ink_shape_count(node->shape);
    if (parser->activation_count > INK_LIMIT_ACTIVATIONS)
        return ink_fail(parser->err, INK_TOOBIG,
                        "line %d: more than %d activations a picture up to here", parser->line,
                        INK_LIMIT_ACTIVATIONS);
    parser->arch->parameter_count += ink_node_parameter_count(node);
    if (parser->arch->parameter_count > INK_LIMIT_PARAMETERS)
        return ink_fail(parser->err, INK_TOOBIG, "line %d: more than %d parameters up to here",
                        parser->line, INK_LIMIT_PARAMETERS);
    return INK_OK;
}

/* ---- lines ---- */

static bool
is_name(const char *text, size_t size)
{
    if (size == 0 || size >= INK_ARCH_NAME_SIZE || text[0] < 'a' || text[0] > 'z')
        return false;
    for (size_t i = 0; i < size; i++)
        if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789_", text[i]) || text[i] == '\0')
            return false;
    return true;
}

/* Words between blanks of text[size] into parser->word. */
static enum ink_status
split_words(struct parser *parser, const char *text, size_t size)
{
    size_t at = 0;

    parser->word_count = 0;
    for (;;) {
        size_t start;

        while (at < size && (text[at] == ' ' || text[at] == '\t' || text[at] == '\r'))
            at++;
        if (at == size)
            return INK_OK;
        start = at;
        while (at < size && text[at] != ' ' && text[at] != '\t' && text[at] != '\r')
            at++;
        if (parser->word_count == WORD_MAX || at - start >= WORD_SIZE)
            return ink_fail(parser->err, INK_BADARG,
                            "line %d: more than %d words, or one above %d bytes", parser->line,
                            WORD_MAX, WORD_SIZE - 1);
        memcpy(parser->word[parser->word_count], text + start, at - start);
        parser->word[parser->word_count++][at - start] = '\0';
    }
}

static enum ink_status
parse_head(const struct parser *parser, struct ink_node *node, const char *name, size_t name_size)
{
    const struct ink_arch *arch = parser->arch;
    int op = 0;

    if (!is_name(name, name_size))
        return ink_fail(parser->err, INK_BADARG,
                        "line %d: '%.*s' is no node name: a-z, then a-z 0-9 _, below %d",
                        parser->line, (int)(name_size < 40 ? name_size : 40), name,
                        INK_ARCH_NAME_SIZE);
    memcpy(node->name, name, name_size);
    if (ink_arch_find(arch, node->name) >= 0)
        return ink_fail(parser->err, INK_BADARG, "line %d: the name '%s' is taken by line %d",
                        parser->line, node->name, arch->node[ink_arch_find(arch, node->name)].line);
    if (parser->word_count == 0)
        return ink_fail(parser->err, INK_BADARG, "line %d: no op behind '%s:'", parser->line,
                        node->name);
    while (op < INK_OP_COUNT && strcmp(parser->word[0], op_words[op]) != 0)
        op++;
    if (op == INK_OP_COUNT)
        return unknown_op(parser);
    node->op = (enum ink_op)op;
    if ((arch->node_count == 0) != (node->op == INK_OP_INPUT))
        return ink_fail(parser->err, INK_BADARG, "line %d: %s", parser->line,
                        arch->node_count == 0 ? "the first node must be: input 1x28x28"
                                              : "only the first node is the input");
    if (arch->node_count > 0 && arch->node[arch->node_count - 1].op == INK_OP_SOFTMAX)
        return ink_fail(parser->err, INK_BADARG, "line %d: nothing may follow the softmax",
                        parser->line);
    return INK_OK;
}

static enum ink_status
parse_line(struct parser *parser, const char *text, size_t size)
{
    const char *comment = memchr(text, '#', size), *colon;
    struct ink_node node = {.line = parser->line};
    enum ink_status status;
    size_t start = 0;

    if (comment)
        size = (size_t)(comment - text);
    while (size > 0 && strchr(" \t\r", text[size - 1]))
        size--;
    while (start < size && strchr(" \t", text[start]))
        start++;
    if (start == size)
        return INK_OK;
    colon = memchr(text, ':', size);
    if (!colon)
        return ink_fail(parser->err, INK_BADARG, "line %d: no ':', expected NAME: OP ARGUMENTS",
                        parser->line);
    if (parser->arch->node_count == INK_ARCH_NODE_MAX)
        return ink_fail(parser->err, INK_TOOBIG, "line %d: more than %d nodes", parser->line,
                        INK_ARCH_NODE_MAX);
    status = split_words(parser, colon + 1, (size_t)(text + size - colon - 1));
    if (!status)
        status = parse_head(parser, &node, text + start, (size_t)(colon - text) - start);
    if (!status)
        status = parse_arguments(parser, &node);
    if (!status)
        status = infer_shape(parser, &node);
    if (!status)
        status = count_numbers(parser, &node);
    if (!status)
        parser->arch->node[parser->arch->node_count++] = node;
    return status;
}

/* What can be said only of the whole. */
static enum ink_status
check_whole(const struct ink_arch *arch, struct ink_err *err)
{
    bool is_used[INK_ARCH_NODE_MAX] = {false};
    const struct ink_node *last;

    if (arch->node_count == 0)
        return ink_fail(err, INK_BADARG, "an architecture without a node, expected input first");
    last = &arch->node[arch->node_count - 1];
    for (int i = 0; i < arch->node_count; i++)
        for (int j = 0; j < arch->node[i].input_count; j++)
            is_used[arch->node[i].input[j]] = true;
    for (int i = 0; i < arch->node_count - 1; i++)
        if (!is_used[i])
            return ink_fail(err, INK_BADARG, "line %d: no node takes the output of '%s'",
                            arch->node[i].line, arch->node[i].name);
    if (last->shape.channels != INK_CLASS_COUNT || last->shape.height != 1 ||
        last->shape.width != 1)
        return ink_fail(err, INK_BADARG,
                        "line %d: the last node gives %dx%dx%d, expected %d scores", last->line,
                        last->shape.channels, last->shape.height, last->shape.width,
                        INK_CLASS_COUNT);
    return INK_OK;
}

enum ink_status
ink_arch_parse(const char *text, size_t size, struct ink_arch **out_arch, struct ink_err *err)
{
    INK_CLEANUP(ink_arch_destroy) struct ink_arch *arch = NULL;
    struct parser parser = {.err = err};
    enum ink_status status;

    assert(text || size == 0);
    if (size > INK_LIMIT_ARCH_SIZE)
        return ink_fail(err, INK_TOOBIG, "an architecture of %zu bytes, at most %d are read", size,
                        INK_LIMIT_ARCH_SIZE);
    if (size > 0 && memchr(text, '\0', size))
        return ink_fail(err, INK_BADARG, "a zero byte in the architecture");
    arch = calloc(1, sizeof(*arch));
    if (!arch)
        return ink_fail(err, INK_NOMEM, "no memory for an architecture");
    arch->text = malloc(size + 1);
    arch->node = calloc(INK_ARCH_NODE_MAX, sizeof(*arch->node));
    if (!arch->text || !arch->node)
        return ink_fail(err, INK_NOMEM, "no memory for an architecture of %zu bytes", size);
    if (size > 0)
        memcpy(arch->text, text, size);
    arch->text[size] = '\0';

    parser.arch = arch;
    for (const char *line = arch->text; *line;) {
        size_t line_size = strcspn(line, "\n");

        parser.line++;
        status = parse_line(&parser, line, line_size);
        if (status)
            return status;
        line += line_size + (line[line_size] == '\n');
    }
    status = check_whole(arch, err);
    if (status)
        return status;
    *out_arch = arch;
    arch = NULL;
    return INK_OK;
}

void
ink_arch_destroy(struct ink_arch **arch)
{
    if (!*arch)
        return;
    free((*arch)->text);
    free((*arch)->node);
    free(*arch);
    *arch = NULL;
}
