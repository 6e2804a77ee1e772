/* SPDX-License-Identifier: MIT */
/* snapshot_file: snapshots to and from safetensors. */
#include <errno.h>
#include <math.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/assets.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/parse.h"
#include "model/safetensors.h"
#include "model/snapshot_priv.h"

#define FORMAT "inkling-1"

enum { DIGEST_SIZE = 32 };

static const char pretrained_path[] = "model/pretrained/inkling.safetensors";

/* The names are those of the common frameworks, so that others can read the files. */
int
ink_node_tensors(const struct ink_arch *arch, int index, const char *prefix,
                 struct ink_tensor out[static INK_NODE_TENSOR_MAX])
{
    const struct ink_node *node = &arch->node[index];
    size_t channels = (size_t)node->shape.channels;
    const struct {
        const char *suffix;
        size_t count;
    } parts[INK_NODE_TENSOR_MAX] = {{"weight", node->weight_count},
                                    {"bias", node->bias_count},
                                    {"running_mean", node->statistic_count / 2},
                                    {"running_var", node->statistic_count / 2}};
    int count = 0;

    for (int i = 0; i < INK_NODE_TENSOR_MAX; i++) {
        struct ink_tensor *tensor = &out[count];

        if (parts[i].count == 0)
            continue;
        *tensor = (struct ink_tensor){.dim_count = 1, .dim = {channels}, .count = parts[i].count};
        (void)snprintf(tensor->name, sizeof(tensor->name), "%s%s.%s", prefix, node->name,
                       parts[i].suffix);
        if (i == 0 && node->op != INK_OP_BATCHNORM) {
            tensor->dim_count = node->op == INK_OP_CONV ? 4 : 2;
            tensor->dim[1] = (size_t)arch->node[node->input[0]].shape.channels;
            tensor->dim[2] = (size_t)node->kernel_height;
            tensor->dim[3] = (size_t)node->kernel_width;
        }
        count++;
    }
    return count;
}

/* BLAKE2b of the numbers, in hexadecimal. Source: RFC 7693, by libsodium. */
struct digest {
    char text[2 * DIGEST_SIZE + 1];
};

static struct digest
digest_end(crypto_generichash_state *state)
{
    unsigned char bytes[DIGEST_SIZE];
    struct digest digest;

    (void)crypto_generichash_final(state, bytes, sizeof(bytes));
    (void)sodium_bin2hex(digest.text, sizeof(digest.text), bytes, sizeof(bytes));
    return digest;
}

/* ---- writing ---- */

static void
set_double(struct ink_json *metadata, const char *name, double value)
{
    char text[40];

    if (isnan(value))
        return;
    (void)snprintf(text, sizeof(text), "%.17g", value);
    ink_json_set_string(metadata, name, text);
}

void
ink_record_encode(const struct ink_record *record, struct ink_json *metadata)
{
    char number[32];

    ink_json_set_string(metadata, "name", record->name);
    (void)snprintf(number, sizeof(number), "%d", record->version);
    ink_json_set_string(metadata, "version", number);
    ink_json_set_string(metadata, "command", record->command);
    ink_json_set_string(metadata, "data", record->data);
    ink_json_set_string(metadata, "date", record->date);
    (void)snprintf(number, sizeof(number), "%llu", record->seed);
    ink_json_set_string(metadata, "seed", number);
    set_double(metadata, "epochs", record->epochs);
    set_double(metadata, "loss", record->loss);
    set_double(metadata, "accuracy", record->accuracy);
}

struct ink_json *
ink_snapshot_metadata(const struct ink_snapshot *snapshot)
{
    struct ink_json *metadata = ink_json_object();

    ink_json_set_string(metadata, "format", FORMAT);
    ink_json_set_string(metadata, "architecture", ink_snapshot_arch(snapshot)->text);
    ink_json_set_string(metadata, "labels", "0 1 2 3 4 5 6 7 8 9");
    ink_json_set_string(metadata, "normalisation", "pixels / 255, 0 background, 1 ink");
    ink_record_encode(ink_snapshot_record(snapshot), metadata);
    return metadata;
}

enum ink_status
ink_snapshot_encode(const struct ink_snapshot *snapshot, struct ink_buf *buf, struct ink_err *err)
{
    INK_CLEANUP(ink_freep) struct ink_tensor *tensor = NULL;
    const struct ink_arch *arch = ink_snapshot_arch(snapshot);
    crypto_generichash_state state;
    struct ink_json *metadata;
    struct digest digest;
    size_t count = 0;

    tensor = calloc((size_t)arch->node_count * INK_NODE_TENSOR_MAX, sizeof(*tensor));
    if (!tensor)
        return ink_fail(err, INK_NOMEM, "no memory for a weight file");
    (void)crypto_generichash_init(&state, NULL, 0, DIGEST_SIZE);
    for (int i = 0; i < arch->node_count; i++) {
        const unsigned char *numbers = (const unsigned char *)ink_snapshot_weights(snapshot, i);
        int parts = ink_node_tensors(arch, i, "", tensor + count);

        for (struct ink_tensor *part = tensor + count; part < tensor + count + parts; part++) {
            part->bytes = numbers; /* a node's lie one behind the other */
            numbers += part->count * sizeof(float);
            (void)crypto_generichash_update(&state, part->bytes, part->count * sizeof(float));
        }
        count += (size_t)parts;
    }
    digest = digest_end(&state);
    metadata = ink_snapshot_metadata(snapshot);
    ink_json_set_string(metadata, "blake2b", digest.text);
    return ink_safetensors_encode(metadata, tensor, count, buf, err);
}

enum ink_status
ink_snapshot_save(const struct ink_snapshot *snapshot, const char *path, struct ink_err *err)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf buf = {0};
    enum ink_status status = ink_snapshot_encode(snapshot, &buf, err);

    return status ? status : ink_file_write(path, buf.bytes, buf.size, err);
}

/* ---- reading ---- */

static void
get_text(const struct ink_json *metadata, const char *name, char *out, size_t size)
{
    (void)snprintf(out, size, "%s", ink_json_string(ink_json_find(metadata, name), ""));
}

static double
get_double(const struct ink_json *metadata, const char *name, double otherwise)
{
    double value;

    if (ink_parse_double(name, ink_json_string(ink_json_find(metadata, name), ""), -1e300, 1e300,
                         &value, NULL) != INK_OK)
        return otherwise;
    return value;
}

void
ink_record_decode(const struct ink_json *metadata, struct ink_record *record)
{
    const char *seed = ink_json_string(ink_json_find(metadata, "seed"), "0");
    int64_t version;

    *record = (struct ink_record){0};
    get_text(metadata, "name", record->name, sizeof(record->name));
    get_text(metadata, "command", record->command, sizeof(record->command));
    get_text(metadata, "data", record->data, sizeof(record->data));
    get_text(metadata, "date", record->date, sizeof(record->date));
    if (ink_parse_int("version", ink_json_string(ink_json_find(metadata, "version"), "0"), 0,
                      INT32_MAX, &version, NULL) == INK_OK)
        record->version = (int)version;
    for (; *seed >= '0' && *seed <= '9'; seed++)
        record->seed = record->seed * 10 + (unsigned)(*seed - '0');
    record->epochs = get_double(metadata, "epochs", 0);
    record->loss = get_double(metadata, "loss", (double)NAN);
    record->accuracy = get_double(metadata, "accuracy", (double)NAN);
}

enum ink_status
ink_tensor_read(const struct ink_safetensors *file, const struct ink_tensor *wanted, float *out,
                struct ink_err *err)
{
    const struct ink_tensor *found = ink_safetensors_find(file, wanted->name);
    bool is_variance = strstr(wanted->name, ".running_var") != NULL;

    if (!found)
        return ink_fail(err, INK_BADDATA, "no tensor '%s', which the architecture needs",
                        wanted->name);
    if (found->dim_count != wanted->dim_count ||
        memcmp(found->dim, wanted->dim, (size_t)wanted->dim_count * sizeof(*wanted->dim)) != 0)
        return ink_fail(err, INK_BADDATA, "tensor '%s' is not of the architecture's shape",
                        wanted->name);
    memcpy(out, found->bytes, wanted->count * sizeof(float));
    for (size_t i = 0; i < wanted->count; i++)
        if (!isfinite(out[i]))
            return ink_fail(err, INK_BADDATA, "number %zu of tensor '%s' is not finite", i,
                            wanted->name);
    for (size_t i = 0; is_variance && i < wanted->count; i++)
        if (out[i] < 0)
            return ink_fail(err, INK_BADDATA, "number %zu of tensor '%s' is negative", i,
                            wanted->name);
    return INK_OK;
}

static enum ink_status
decode_numbers(const struct ink_safetensors *file, struct ink_snapshot *snapshot,
               struct ink_err *err)
{
    const struct ink_arch *arch = ink_snapshot_arch(snapshot);
    const char *expected = ink_json_string(ink_json_find(file->metadata, "blake2b"), NULL);
    crypto_generichash_state state;
    size_t count = 0;
    struct digest digest;

    (void)crypto_generichash_init(&state, NULL, 0, DIGEST_SIZE);
    for (int i = 0; i < arch->node_count; i++) {
        struct ink_tensor part[INK_NODE_TENSOR_MAX];
        float *numbers = ink_snapshot_edit_weights(snapshot, i);
        int parts = ink_node_tensors(arch, i, "", part);

        for (int j = 0; j < parts; j++, count++) {
            enum ink_status status = ink_tensor_read(file, &part[j], numbers, err);

            if (status)
                return status;
            (void)crypto_generichash_update(&state, (const unsigned char *)numbers,
                                            part[j].count * sizeof(float));
            numbers += part[j].count;
        }
    }
    if (count != file->tensor_count)
        return ink_fail(err, INK_BADDATA, "%zu tensors, the architecture needs %zu",
                        file->tensor_count, count);
    digest = digest_end(&state);
    if (!expected || strcmp(expected, digest.text) != 0)
        return ink_fail(err, INK_BADDATA, "the checksum of the weights is %s, expected %.64s",
                        digest.text, expected ? expected : "one in the file");
    return INK_OK;
}

enum ink_status
ink_snapshot_decode(const void *bytes, size_t size, const struct ink_snapshot **out_snapshot,
                    struct ink_err *err)
{
    INK_CLEANUP(ink_safetensors_fini) struct ink_safetensors file = {0};
    INK_CLEANUP(ink_arch_destroy) struct ink_arch *arch = NULL;
    struct ink_snapshot *snapshot;
    struct ink_record record;
    const char *format, *text;
    struct ink_err why;
    enum ink_status status =
        ink_safetensors_decode(bytes, size, INK_LIMIT_WEIGHTS_SIZE, &file, err);

    if (status)
        return status;
    format = ink_json_string(ink_json_find(file.metadata, "format"), "");
    if (strcmp(format, FORMAT) != 0)
        return ink_fail(err, INK_BADDATA, "weights of format '%.32s', expected '%s'", format,
                        FORMAT);
    text = ink_json_string(ink_json_find(file.metadata, "architecture"), "");
    status = ink_arch_parse(text, strlen(text), &arch, &why);
    if (status == INK_BADARG)
        return ink_fail(err, INK_BADDATA, "the architecture in the file: %s", why.message);
    if (status)
        return ink_fail(err, status, "%s", why.message);
    ink_record_decode(file.metadata, &record);
    status = ink_snapshot_begin(arch, &record, &snapshot, err);
    if (status)
        return status;
    status = decode_numbers(&file, snapshot, err);
    if (status) {
        ink_snapshot_unref(snapshot);
        return status;
    }
    *out_snapshot = snapshot;
    return INK_OK;
}

enum ink_status
ink_snapshot_load(const char *path, const struct ink_snapshot **out_snapshot, struct ink_err *err)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf buf = {0};
    struct ink_err why;
    enum ink_status status = ink_buf_load(&buf, path, INK_LIMIT_WEIGHTS_SIZE, err);

    if (status)
        return status;
    status = ink_snapshot_decode(buf.bytes, buf.size, out_snapshot, &why);
    return status ? ink_fail(err, status, "%.100s: %s", path, why.message) : INK_OK;
}

enum ink_status
ink_snapshot_load_pretrained(const struct ink_snapshot **out_snapshot, struct ink_err *err)
{
    const struct ink_asset *asset = ink_asset_find(pretrained_path);

    if (!asset)
        return ink_fail(err, INK_NOTFOUND,
                        "this program was built without the pretrained weights (%s)",
                        pretrained_path);
    return ink_snapshot_decode(asset->bytes, asset->size, out_snapshot, err);
}
