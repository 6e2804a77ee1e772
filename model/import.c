/* SPDX-License-Identifier: MIT */
#include "model/import.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "model/snapshot_priv.h"

enum { LISTED_MAX = 4 }; /* names in a message */

enum part { WEIGHT, BIAS, MEAN, VARIANCE, PART_COUNT };

static const char *const part_names[PART_COUNT] = {"weight", "bias", "running_mean", "running_var"};

/* Tensors whose names begin alike: a layer of the other program. */
struct module {
    const char *prefix; /* in the first tensor's name */
    size_t prefix_size; /* without the dot */
    const struct ink_tensor *tensor[PART_COUNT];
    bool is_used;
};

struct importer {
    const struct ink_arch *arch;
    struct ink_safetensors file;
    struct module *module; /* [module_count] in the order in which they are given to nodes */
    size_t module_count;
    const struct module *of[INK_ARCH_NODE_MAX]; /* what each node takes */
    struct ink_err *err;
};

/* ---- names ---- */

/* What a tensor's name ends in; PART_COUNT for others. */
static enum part
part_of(const char *name)
{
    const char *dot = strrchr(name, '.');
    const char *suffix = dot ? dot + 1 : name;
    enum part part = WEIGHT;

    while (part < PART_COUNT && strcmp(suffix, part_names[part]) != 0)
        part++;
    return part;
}

static bool
is_ignored(const char *name)
{
    const char *dot = strrchr(name, '.');

    return strcmp(dot ? dot + 1 : name, "num_batches_tracked") == 0;
}

/* How many digits a number at `text` has, which loses its leading zeros. */
static size_t
count_digits(const char **text, const char *end)
{
    size_t count = 0;

    while (*text + 1 < end && **text == '0' && isdigit((unsigned char)(*text)[1]))
        (*text)++;
    while (*text + count < end && isdigit((unsigned char)(*text)[count]))
        count++;
    return count;
}

/* Names compared as people count: layer2 before layer10. */
static int
compare_counting(const struct module *a, const struct module *b)
{
    const char *x = a->prefix, *x_end = x + a->prefix_size;
    const char *y = b->prefix, *y_end = y + b->prefix_size;

    while (x < x_end && y < y_end) {
        if (isdigit((unsigned char)*x) && isdigit((unsigned char)*y)) {
            size_t x_size = count_digits(&x, x_end), y_size = count_digits(&y, y_end);
            int order;

            if (x_size != y_size)
                return x_size < y_size ? -1 : 1;
            order = memcmp(x, y, x_size);
            if (order != 0)
                return order;
            x += x_size;
            y += y_size;
        } else {
            if (*x != *y)
                return (unsigned char)*x < (unsigned char)*y ? -1 : 1;
            x++;
            y++;
        }
    }
    return (x < x_end) - (y < y_end);
}

static int
by_counting(const void *a, const void *b)
{
    return compare_counting(a, b);
}

/* ---- modules ---- */

static struct module *
find_module(const struct importer *importer, const char *prefix, size_t size)
{
    for (size_t i = 0; i < importer->module_count; i++) {
        struct module *module = &importer->module[i];

        if (module->prefix_size == size && memcmp(module->prefix, prefix, size) == 0)
            return module;
    }
    return NULL;
}

static enum ink_status
sort_modules(struct importer *importer)
{
    const struct ink_tensor *before = NULL;
    bool is_sorted = true;

    importer->module_count = 0;
    importer->module = calloc(importer->file.tensor_count + 1, sizeof(*importer->module));
    if (!importer->module)
        return ink_fail(importer->err, INK_NOMEM, "no memory for %zu tensors",
                        importer->file.tensor_count);
    for (size_t i = 0; i < importer->file.tensor_count; i++) {
        const struct ink_tensor *tensor = &importer->file.tensor[i];
        const char *dot = strrchr(tensor->name, '.');
        size_t size = dot ? (size_t)(dot - tensor->name) : 0;
        enum part part = part_of(tensor->name);
        struct module *module;

        if (is_ignored(tensor->name) || part == PART_COUNT)
            continue;
        is_sorted = is_sorted && (!before || strcmp(before->name, tensor->name) < 0);
        before = tensor;
        module = find_module(importer, tensor->name, size);
        if (!module) {
            module = &importer->module[importer->module_count++];
            module->prefix = tensor->name;
            module->prefix_size = size;
        }
        module->tensor[part] = tensor;
    }
    if (is_sorted) /* by whoever wrote the file, not as the layers follow each other */
        qsort(importer->module, importer->module_count, sizeof(*importer->module), by_counting);
    return INK_OK;
}

/* ---- shapes ---- */

static bool
is_of_shape(const struct ink_tensor *tensor, const struct ink_tensor *wanted)
{
    return tensor->dim_count == wanted->dim_count &&
           memcmp(tensor->dim, wanted->dim, (size_t)wanted->dim_count * sizeof(*wanted->dim)) == 0;
}

static bool
fits(const struct module *module, const struct ink_tensor *wanted, int count)
{
    for (int i = 0; i < count; i++) {
        const struct ink_tensor *tensor = module->tensor[part_of(wanted[i].name)];

        if (!tensor || !is_of_shape(tensor, &wanted[i]))
            return false;
    }
    return true;
}

/* Whether a module is of a node's kind: convolution, dense or batch normalisation. */
static bool
is_alike(const struct module *module, const struct ink_tensor *wanted)
{
    return module->tensor[WEIGHT] && module->tensor[WEIGHT]->dim_count == wanted->dim_count;
}

struct shape_text {
    char text[96];
};

static struct shape_text
text_of(const struct ink_tensor *tensor)
{
    struct shape_text shape = {"["};
    size_t size = 1;

    for (int i = 0; i < tensor->dim_count; i++)
        size += (size_t)snprintf(shape.text + size, sizeof(shape.text) - size, "%s%zu",
                                 i > 0 ? "," : "", tensor->dim[i]);
    (void)snprintf(shape.text + size, sizeof(shape.text) - size, "]");
    return shape;
}

static enum ink_status
complain_of(const struct importer *importer, const struct module *module,
            const struct ink_tensor *wanted, int count)
{
    for (int i = 0; i < count; i++) {
        const struct ink_tensor *tensor = module->tensor[part_of(wanted[i].name)];

        if (!tensor)
            return ink_fail(importer->err, INK_BADDATA,
                            "no tensor '%.*s.%s', the architecture wants it, %s, for '%s'",
                            (int)module->prefix_size, module->prefix,
                            part_names[part_of(wanted[i].name)], text_of(&wanted[i]).text,
                            wanted[i].name);
        if (!is_of_shape(tensor, &wanted[i])) {
            char target[INK_TENSOR_NAME_SIZE + 8] = "";

            if (strcmp(tensor->name, wanted[i].name) != 0)
                (void)snprintf(target, sizeof(target), " for '%.40s'", wanted[i].name);
            return ink_fail(importer->err, INK_BADDATA,
                            "tensor '%.60s': shape %s, the architecture wants %s%s", tensor->name,
                            text_of(tensor).text, text_of(&wanted[i]).text, target);
        }
    }
    return ink_fail(importer->err, INK_BUG, "a module that fits and does not");
}

/* ---- which node takes what ---- */

static enum ink_status
match_names(struct importer *importer)
{
    for (int i = 0; i < importer->arch->node_count; i++) {
        struct ink_tensor wanted[INK_NODE_TENSOR_MAX];
        const struct ink_node *node = &importer->arch->node[i];
        int count = ink_node_tensors(importer->arch, i, "", wanted);
        struct module *module = find_module(importer, node->name, strlen(node->name));

        if (count == 0 || !module)
            continue;
        if (!fits(module, wanted, count))
            return complain_of(importer, module, wanted, count);
        module->is_used = true;
        importer->of[i] = module;
    }
    return INK_OK;
}

static enum ink_status
match_in_order(struct importer *importer, int index)
{
    struct ink_tensor wanted[INK_NODE_TENSOR_MAX];
    int count = ink_node_tensors(importer->arch, index, "", wanted);
    const struct module *alike = NULL;

    if (count == 0 || importer->of[index])
        return INK_OK;
    for (size_t i = 0; i < importer->module_count; i++) {
        struct module *module = &importer->module[i];

        if (module->is_used)
            continue;
        if (fits(module, wanted, count)) {
            module->is_used = true;
            importer->of[index] = module;
            return INK_OK;
        }
        if (!alike && is_alike(module, wanted))
            alike = module;
    }
    if (alike)
        return complain_of(importer, alike, wanted, count);
    return ink_fail(importer->err, INK_BADDATA,
                    "no tensor for '%s', which the architecture wants with shape %s",
                    wanted[0].name, text_of(&wanted[0]).text);
}

/* All of the file must have found its place. */
static enum ink_status
check_left_over(const struct importer *importer)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf names = {0};
    size_t count = 0;

    for (size_t i = 0; i < importer->file.tensor_count; i++) {
        const struct ink_tensor *tensor = &importer->file.tensor[i];
        enum part part = part_of(tensor->name);
        bool is_taken = is_ignored(tensor->name);

        for (int j = 0; j < importer->arch->node_count && !is_taken; j++) {
            struct ink_tensor wanted[INK_NODE_TENSOR_MAX];
            int parts = ink_node_tensors(importer->arch, j, "", wanted);

            for (int k = 0; importer->of[j] && k < parts; k++)
                is_taken = is_taken || (part_of(wanted[k].name) == part &&
                                        importer->of[j]->tensor[part] == tensor);
        }
        if (!is_taken && count++ < LISTED_MAX)
            ink_buf_printf(&names, "%s'%.40s'", count > 1 ? ", " : "", tensor->name);
    }
    if (count == 0)
        return INK_OK;
    if (count > LISTED_MAX)
        ink_buf_printf(&names, " and %zu more", count - LISTED_MAX);
    return ink_fail(importer->err, INK_BADDATA, "left over, with no place in the architecture: %s",
                    ink_buf_text(&names));
}

/* ---- numbers ---- */

/* Source: IEEE 754-2008, binary16. */
static float
half_to_float(uint16_t half)
{
    int exponent = half >> 10 & 31;
    float mantissa = (float)(half & 1023);
    float value;

    if (exponent == 31)
        value = mantissa > 0 ? NAN : INFINITY;
    else if (exponent == 0)
        value = ldexpf(mantissa, -24);
    else
        value = ldexpf(mantissa + 1024, exponent - 25);
    return half & 0x8000 ? -value : value;
}

static float
number_at(const struct ink_tensor *tensor, size_t index)
{
    const unsigned char *bytes = tensor->bytes + index * tensor->width;
    uint16_t half;
    uint32_t word;
    double wide;
    float value;

    switch (tensor->type) {
    case INK_F16:
        memcpy(&half, bytes, sizeof(half));
        return half_to_float(half);
    case INK_BF16:
        memcpy(&half, bytes, sizeof(half));
        word = (uint32_t)half << 16;
        memcpy(&value, &word, sizeof(value));
        return value;
    case INK_F64:
        memcpy(&wide, bytes, sizeof(wide));
        return (float)wide;
    case INK_F32:
    case INK_NO_FLOAT:
        break;
    }
    memcpy(&value, bytes, sizeof(value));
    return value;
}

static enum ink_status
copy_numbers(const struct importer *importer, const struct ink_tensor *tensor, bool is_variance,
             float *out)
{
    if (tensor->type == INK_NO_FLOAT)
        return ink_fail(importer->err, INK_BADDATA,
                        "tensor '%s' has whole numbers, expected F32, F16, BF16 or F64",
                        tensor->name);
    for (size_t i = 0; i < tensor->count; i++) {
        out[i] = number_at(tensor, i);
        if (!isfinite(out[i]) || (is_variance && out[i] < 0))
            return ink_fail(importer->err, INK_BADDATA, "number %zu of tensor '%s' is %s", i,
                            tensor->name, isfinite(out[i]) ? "negative" : "not finite");
    }
    return INK_OK;
}

static enum ink_status
copy_all(const struct importer *importer, struct ink_snapshot *snapshot, struct ink_import *out)
{
    for (int i = 0; i < importer->arch->node_count; i++) {
        struct ink_tensor wanted[INK_NODE_TENSOR_MAX];
        int count = ink_node_tensors(importer->arch, i, "", wanted);
        float *numbers = ink_snapshot_edit_weights(snapshot, i);

        for (int j = 0; j < count; j++) {
            enum part part = part_of(wanted[j].name);
            const struct ink_tensor *tensor = importer->of[i]->tensor[part];
            struct ink_import_pair *pair = &out->pair[out->pair_count++];
            enum ink_status status = copy_numbers(importer, tensor, part == VARIANCE, numbers);

            if (status)
                return status;
            numbers += tensor->count;
            memcpy(pair->to, wanted[j].name, sizeof(pair->to));
            memcpy(pair->from, tensor->name, sizeof(pair->from));
        }
    }
    return INK_OK;
}

/* ---- the whole ---- */

static enum ink_status
match(struct importer *importer)
{
    enum ink_status status = sort_modules(importer);

    if (status == INK_OK)
        status = match_names(importer);
    for (int i = 0; i < importer->arch->node_count && status == INK_OK; i++)
        status = match_in_order(importer, i);
    return status == INK_OK ? check_left_over(importer) : status;
}

static void
importer_fini(struct importer *importer)
{
    ink_safetensors_fini(&importer->file);
    free(importer->module);
}

enum ink_status
ink_import_decode(const void *bytes, size_t size, const struct ink_arch *arch,
                  const struct ink_record *record, struct ink_import *out_import,
                  struct ink_err *err)
{
    INK_CLEANUP(importer_fini) struct importer importer = {.arch = arch, .err = err};
    INK_CLEANUP(ink_import_fini) struct ink_import import = {0};
    struct ink_snapshot *snapshot;
    enum ink_status status =
        ink_safetensors_decode_any(bytes, size, INK_LIMIT_WEIGHTS_SIZE, &importer.file, err);

    if (status == INK_OK)
        status = match(&importer);
    if (status != INK_OK)
        return status;
    import.pair = calloc((size_t)arch->node_count * INK_NODE_TENSOR_MAX, sizeof(*import.pair));
    if (!import.pair)
        return ink_fail(err, INK_NOMEM, "no memory for %zu tensors", importer.file.tensor_count);
    status = ink_snapshot_begin(arch, record, &snapshot, err);
    if (status != INK_OK)
        return status;
    import.snapshot = snapshot;
    status = copy_all(&importer, snapshot, &import);
    if (status != INK_OK)
        return status;
    *out_import = import;
    import = (struct ink_import){0};
    return INK_OK;
}

void
ink_import_fini(struct ink_import *import)
{
    ink_snapshot_unref(import->snapshot);
    free(import->pair);
    *import = (struct ink_import){0};
}

enum ink_status
ink_import_arch(const void *bytes, size_t size, struct ink_arch **out_arch, struct ink_err *err)
{
    INK_CLEANUP(ink_safetensors_fini) struct ink_safetensors file = {0};
    struct ink_err why;
    const char *text;
    enum ink_status status =
        ink_safetensors_decode_any(bytes, size, INK_LIMIT_WEIGHTS_SIZE, &file, err);

    if (status != INK_OK)
        return status;
    text = ink_json_string(ink_json_find(file.metadata, "architecture"), NULL);
    if (!text)
        return ink_fail(err, INK_NOTFOUND, "no architecture beside the weights");
    status = ink_arch_parse(text, strlen(text), out_arch, &why);
    return status == INK_OK
               ? status
               : ink_fail(err, INK_BADDATA, "the architecture in the file: %s", why.message);
}
