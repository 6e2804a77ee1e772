/* SPDX-License-Identifier: MIT */
#include "model/checkpoint.h"

#include <assert.h>
#include <math.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "base/parse.h"
#include "model/kernels/pool.h"
#include "model/safetensors.h"
#include "model/snapshot_priv.h"

#define FORMAT   "inkling-checkpoint-1"
#define SUM_NAME "\"blake2b\":\""

enum { SUM_SIZE = 32, SUM_DIGITS = 2 * SUM_SIZE, HEADER_AT = 8 };

static_assert(SUM_DIGITS + 1 == INK_CHECKPOINT_DIGEST_SIZE, "digits and a zero byte");

static const char no_sum[] = "0000000000000000000000000000000000000000000000000000000000000000";

struct ink_checkpoint {
    struct ink_buf buf;
    struct ink_safetensors file; /* borrows buf */
    struct ink_arch *arch;
    struct ink_checkpoint_head head;
    char *config; /* head.config */
};

/* ---- the sum ---- */

/* Where the digits of the sum are, or 0: only within the header. */
static size_t
find_sum(const struct ink_buf *buf)
{
    size_t length = 0, name_size = strlen(SUM_NAME);

    if (buf->size < HEADER_AT)
        return 0;
    for (int i = HEADER_AT - 1; i >= 0; i--)
        length = length << 8 | (unsigned char)buf->bytes[i];
    if (length > buf->size - HEADER_AT)
        return 0;
    for (size_t at = HEADER_AT; at + name_size + SUM_DIGITS < HEADER_AT + length; at++)
        if (memcmp(buf->bytes + at, SUM_NAME, name_size) == 0)
            return at + name_size;
    return 0;
}

/* The sum of all bytes, with zeros for the digits at sum_at. */
static void
compute_sum(const struct ink_buf *buf, size_t sum_at, char out[static SUM_DIGITS + 1])
{
    const unsigned char *bytes = (const unsigned char *)buf->bytes;
    unsigned char sum[SUM_SIZE];
    crypto_generichash_state state;
    size_t behind = sum_at + SUM_DIGITS;

    (void)crypto_generichash_init(&state, NULL, 0, sizeof(sum));
    (void)crypto_generichash_update(&state, bytes, sum_at);
    (void)crypto_generichash_update(&state, (const unsigned char *)no_sum, SUM_DIGITS);
    (void)crypto_generichash_update(&state, bytes + behind, buf->size - behind);
    (void)crypto_generichash_final(&state, sum, sizeof(sum));
    (void)sodium_bin2hex(out, SUM_DIGITS + 1, sum, sizeof(sum));
}

bool
ink_checkpoint_seal(struct ink_buf *buf)
{
    size_t sum_at = find_sum(buf);
    char digits[SUM_DIGITS + 1];

    if (sum_at == 0)
        return false;
    compute_sum(buf, sum_at, digits);
    memcpy(buf->bytes + sum_at, digits, SUM_DIGITS);
    return true;
}

static enum ink_status
check_sum(const struct ink_buf *buf, struct ink_err *err)
{
    size_t sum_at = find_sum(buf);
    char digits[SUM_DIGITS + 1];

    if (sum_at == 0)
        return ink_fail(err, INK_BADDATA, "no checkpoint, or one that is cut: it has no checksum");
    compute_sum(buf, sum_at, digits);
    if (memcmp(buf->bytes + sum_at, digits, SUM_DIGITS) != 0)
        return ink_fail(err, INK_BADDATA, "the checksum of its %zu bytes is %.16s..., not %.16s...",
                        buf->size, digits, buf->bytes + sum_at);
    return INK_OK;
}

void
ink_dataset_digest(const struct ink_dataset *dataset,
                   char out_digest[static INK_CHECKPOINT_DIGEST_SIZE])
{
    unsigned char sum[SUM_SIZE];
    crypto_generichash_state state;

    (void)crypto_generichash_init(&state, NULL, 0, sizeof(sum));
    (void)crypto_generichash_update(&state, dataset->pixels, dataset->count * INK_PICTURE_SIZE);
    (void)crypto_generichash_update(&state, dataset->labels, dataset->count);
    (void)crypto_generichash_final(&state, sum, sizeof(sum));
    (void)sodium_bin2hex(out_digest, INK_CHECKPOINT_DIGEST_SIZE, sum, sizeof(sum));
}

/* ---- the shape of a group ---- */

static void
put_prefix(const struct ink_checkpoint_group *group, char out[static 20])
{
    (void)snprintf(out, 20, "%s%s", group->name, group->name[0] ? "/" : "");
}

/* All tensors of a group, [capacity] of them at most; returns how many. */
static size_t
list_tensors(const struct ink_arch *arch, const struct ink_checkpoint_group *group,
             struct ink_tensor *out)
{
    char prefix[20];
    size_t count = 0;

    put_prefix(group, prefix);
    for (int i = 0; i < arch->node_count; i++) {
        int parts = ink_node_tensors(arch, i, prefix, out + count);

        if (arch->node[i].statistic_count > 0 && !group->has_statistics)
            parts -= 2;
        count += (size_t)parts;
    }
    return count;
}

/* ---- writing ---- */

/* A member that is an object, printed: metadata has strings only. Takes the object over. */
static enum ink_status
set_printed(struct ink_json *metadata, const char *name, struct ink_json *object,
            struct ink_err *err)
{
    INK_CLEANUP(ink_json_destroy) struct ink_json *mine = object;
    INK_CLEANUP(ink_buf_fini) struct ink_buf text = {0};
    enum ink_status status = ink_json_print(mine, &text, err);

    if (!status)
        status = ink_buf_check(&text, err);
    if (!status)
        ink_json_set_string(metadata, name, ink_buf_text(&text));
    return status;
}

static enum ink_status
set_record(struct ink_json *metadata, const char *name, const struct ink_record *record,
           struct ink_err *err)
{
    struct ink_json *object = ink_json_object();

    ink_record_encode(record, object);
    return set_printed(metadata, name, object, err);
}

static void
put_groups(const struct ink_checkpoint_head *head, struct ink_buf *names)
{
    for (size_t i = 0; i < head->group_count; i++)
        ink_buf_printf(names, "%s%s%s", i > 0 ? " " : "",
                       head->group[i].name[0] ? head->group[i].name : "weights",
                       head->group[i].has_statistics ? "+statistics" : "");
}

static enum ink_status
encode_metadata(const struct ink_arch *arch, const struct ink_checkpoint_head *head,
                struct ink_json *metadata, struct ink_err *err)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf groups = {0};
    char threads[16];
    enum ink_status status;

    put_groups(head, &groups);
    (void)snprintf(threads, sizeof(threads), "%d", head->thread_count);
    ink_json_set_string(metadata, "format", FORMAT);
    ink_json_set_string(metadata, "blake2b", no_sum); /* the first member of that name */
    ink_json_set_string(metadata, "architecture", arch->text);
    ink_json_set_string(metadata, "groups", ink_buf_text(&groups));
    ink_json_set_string(metadata, "threads", threads);
    ink_json_set_string(metadata, "compute", head->compute);
    ink_json_set_string(metadata, "train", head->train);
    ink_json_set_string(metadata, "validation", head->validation);
    ink_json_set_string(metadata, "config", head->config ? head->config : "");
    status = ink_buf_check(&groups, err);
    if (!status)
        status = set_record(metadata, "record", &head->record, err);
    if (!status)
        status = set_record(metadata, "best", &head->best, err);
    if (!status)
        status = set_printed(metadata, "history", ink_history_to_json(&head->history), err);
    return status;
}

enum ink_status
ink_checkpoint_encode(const struct ink_arch *arch, const struct ink_checkpoint_head *head,
                      struct ink_buf *buf, float **out_place, struct ink_err *err)
{
    INK_CLEANUP(ink_freep) struct ink_tensor *tensor = NULL;
    size_t at[INK_CHECKPOINT_GROUP_MAX], count = 0, total = 0;
    size_t room = (size_t)arch->node_count * INK_NODE_TENSOR_MAX;
    struct ink_json *metadata = ink_json_object();
    enum ink_status status;

    assert(buf->size == 0 && head->group_count > 0 &&
           head->group_count <= INK_CHECKPOINT_GROUP_MAX);
    tensor = calloc(room * head->group_count, sizeof(*tensor));
    status = tensor ? encode_metadata(arch, head, metadata, err)
                    : ink_fail(err, INK_NOMEM, "no memory for a checkpoint");
    if (status) {
        ink_json_destroy(&metadata);
        return status;
    }
    for (size_t g = 0; g < head->group_count; g++) {
        size_t first = count;

        count += list_tensors(arch, &head->group[g], tensor + count);
        at[g] = total;
        for (size_t i = first; i < count; i++)
            total += tensor[i].count * sizeof(float);
    }
    status = ink_safetensors_encode(metadata, tensor, count, buf, err);
    for (size_t g = 0; !status && g < head->group_count; g++)
        out_place[g] = (float *)(void *)(buf->bytes + (buf->size - total) + at[g]);
    return status;
}

bool
ink_checkpoint_is_finite(const struct ink_buf *buf)
{
    uint64_t length;
    const float *number;
    size_t count;

    memcpy(&length, buf->bytes, sizeof(length));
    number = (const float *)(const void *)(buf->bytes + HEADER_AT + length);
    count = (buf->size - HEADER_AT - (size_t)length) / sizeof(*number);
    for (size_t i = 0; i < count; i++)
        if (!isfinite(number[i]))
            return false;
    return true;
}

/* ---- reading ---- */

static void
get_text(const struct ink_json *metadata, const char *name, char *out, size_t size)
{
    (void)snprintf(out, size, "%s", ink_json_string(ink_json_find(metadata, name), ""));
}

/* A member that is a printed object. */
static enum ink_status
parse_member(const struct ink_json *metadata, const char *name, struct ink_json **out_json,
             struct ink_err *err)
{
    const char *text = ink_json_string(ink_json_find(metadata, name), "");
    struct ink_err why;
    enum ink_status status = ink_json_parse(text, strlen(text), out_json, &why);

    return status ? ink_fail(err, status, "its %s: %.160s", name, why.message) : INK_OK;
}

static enum ink_status
decode_record(const struct ink_json *metadata, const char *name, struct ink_record *record,
              struct ink_err *err)
{
    INK_CLEANUP(ink_json_destroy) struct ink_json *json = NULL;
    enum ink_status status = parse_member(metadata, name, &json, err);

    if (!status)
        ink_record_decode(json, record);
    return status;
}

/* "weights+statistics mean square" */
static enum ink_status
decode_groups(const char *text, struct ink_checkpoint_head *head, struct ink_err *err)
{
    while (*text) {
        struct ink_checkpoint_group *group = &head->group[head->group_count];
        size_t size = strcspn(text, " "), name = strcspn(text, " +");

        if (head->group_count == INK_CHECKPOINT_GROUP_MAX || name >= sizeof(group->name) ||
            name == 0)
            return ink_fail(err, INK_BADDATA, "its groups are more than %d or have long names",
                            INK_CHECKPOINT_GROUP_MAX);
        group->has_statistics = name != size;
        if (head->group_count > 0)
            memcpy(group->name, text, name);
        head->group_count++;
        text += size + (text[size] == ' ');
    }
    return head->group_count > 0 ? INK_OK : ink_fail(err, INK_BADDATA, "it has no weights");
}

static enum ink_status
decode_head(const struct ink_json *metadata, struct ink_checkpoint_head *head, struct ink_err *err)
{
    INK_CLEANUP(ink_json_destroy) struct ink_json *history = NULL;
    int64_t threads;
    enum ink_status status =
        decode_groups(ink_json_string(ink_json_find(metadata, "groups"), ""), head, err);

    if (!status)
        status = decode_record(metadata, "record", &head->record, err);
    if (!status)
        status = decode_record(metadata, "best", &head->best, err);
    if (!status)
        status = parse_member(metadata, "history", &history, err);
    if (!status)
        status = ink_history_from_json(history, &head->history, err);
    if (!status && ink_parse_int("threads", ink_json_string(ink_json_find(metadata, "threads"), ""),
                                 1, INK_POOL_THREAD_MAX, &threads, NULL) != INK_OK)
        status =
            ink_fail(err, INK_BADDATA, "its number of threads is not 1 to %d", INK_POOL_THREAD_MAX);
    if (status)
        return status;
    head->thread_count = (int)threads;
    get_text(metadata, "compute", head->compute, sizeof(head->compute));
    get_text(metadata, "train", head->train, sizeof(head->train));
    get_text(metadata, "validation", head->validation, sizeof(head->validation));
    return INK_OK;
}

/* The tensors must be those of the groups, in their order, with finite numbers. */
static enum ink_status
check_tensors(const struct ink_checkpoint *checkpoint, struct ink_err *err)
{
    INK_CLEANUP(ink_freep) struct ink_tensor *wanted = NULL;
    INK_CLEANUP(ink_freep) float *scratch = NULL;
    const struct ink_arch *arch = checkpoint->arch;
    const struct ink_safetensors *file = &checkpoint->file;
    size_t room = (size_t)arch->node_count * INK_NODE_TENSOR_MAX, count = 0, most = 1;
    enum ink_status status = INK_OK;

    wanted = calloc(room * checkpoint->head.group_count, sizeof(*wanted));
    if (!wanted)
        return ink_fail(err, INK_NOMEM, "no memory for a checkpoint");
    for (size_t g = 0; g < checkpoint->head.group_count; g++)
        count += list_tensors(arch, &checkpoint->head.group[g], wanted + count);
    for (size_t i = 0; i < count; i++)
        most = wanted[i].count > most ? wanted[i].count : most;
    scratch = malloc(most * sizeof(*scratch));
    if (!scratch)
        return ink_fail(err, INK_NOMEM, "no memory for %zu weights", most);
    if (count != file->tensor_count)
        return ink_fail(err, INK_BADDATA, "%zu tensors, expected %zu", file->tensor_count, count);
    for (size_t i = 0; !status && i < count; i++) {
        if (strcmp(file->tensor[i].name, wanted[i].name) != 0 ||
            (i > 0 && file->tensor[i].bytes !=
                          file->tensor[i - 1].bytes + file->tensor[i - 1].count * sizeof(float)))
            return ink_fail(err, INK_BADDATA, "tensor '%s' stands where '%s' is expected",
                            file->tensor[i].name, wanted[i].name);
        status = ink_tensor_read(file, &wanted[i], scratch, err);
    }
    return status;
}

static enum ink_status
decode(struct ink_checkpoint *checkpoint, struct ink_err *err)
{
    const struct ink_buf *buf = &checkpoint->buf;
    const char *text;
    struct ink_err why;
    enum ink_status status = check_sum(buf, err);

    if (!status)
        status = ink_safetensors_decode(buf->bytes, buf->size, INK_LIMIT_CHECKPOINT_SIZE,
                                        &checkpoint->file, err);
    if (status)
        return status;
    text = ink_json_string(ink_json_find(checkpoint->file.metadata, "format"), "");
    if (strcmp(text, FORMAT) != 0)
        return ink_fail(err, INK_BADDATA, "it is of format '%.32s', expected '%s'", text, FORMAT);
    text = ink_json_string(ink_json_find(checkpoint->file.metadata, "architecture"), "");
    status = ink_arch_parse(text, strlen(text), &checkpoint->arch, &why);
    if (status)
        return ink_fail(err, status == INK_BADARG ? INK_BADDATA : status, "its architecture: %s",
                        why.message);
    status = decode_head(checkpoint->file.metadata, &checkpoint->head, err);
    if (status)
        return status;
    checkpoint->config =
        strdup(ink_json_string(ink_json_find(checkpoint->file.metadata, "config"), ""));
    if (!checkpoint->config)
        return ink_fail(err, INK_NOMEM, "no memory for a checkpoint");
    checkpoint->head.config = checkpoint->config;
    return check_tensors(checkpoint, err);
}

enum ink_status
ink_checkpoint_decode(struct ink_buf *buf, struct ink_checkpoint **out_checkpoint,
                      struct ink_err *err)
{
    INK_CLEANUP(ink_checkpoint_destroy)
    struct ink_checkpoint *checkpoint = calloc(1, sizeof(*checkpoint));
    enum ink_status status;

    if (!checkpoint) {
        ink_buf_fini(buf);
        return ink_fail(err, INK_NOMEM, "no memory for a checkpoint");
    }
    checkpoint->buf = *buf;
    *buf = (struct ink_buf){0};
    status = decode(checkpoint, err);
    if (status)
        return status;
    *out_checkpoint = checkpoint;
    checkpoint = NULL;
    return INK_OK;
}

void
ink_checkpoint_destroy(struct ink_checkpoint **checkpoint)
{
    struct ink_checkpoint *mine = *checkpoint;

    if (!mine)
        return;
    ink_safetensors_fini(&mine->file);
    ink_arch_destroy(&mine->arch);
    ink_buf_fini(&mine->buf);
    free(mine->config);
    free(mine);
    *checkpoint = NULL;
}

const struct ink_checkpoint_head *
ink_checkpoint_head(const struct ink_checkpoint *checkpoint)
{
    return &checkpoint->head;
}

const struct ink_arch *
ink_checkpoint_arch(const struct ink_checkpoint *checkpoint)
{
    return checkpoint->arch;
}

enum ink_status
ink_checkpoint_snapshot(const struct ink_checkpoint *checkpoint, const char *group,
                        const struct ink_record *record, const struct ink_snapshot **out_snapshot,
                        struct ink_err *err)
{
    const struct ink_checkpoint_head *head = &checkpoint->head;
    const struct ink_arch *arch = checkpoint->arch;
    struct ink_snapshot *snapshot;
    char prefix[20];
    size_t g = 0;
    enum ink_status status;

    while (g < head->group_count && strcmp(head->group[g].name, group) != 0)
        g++;
    if (g == head->group_count)
        return ink_fail(err, INK_NOTFOUND, "the checkpoint has no '%s'", group);
    status = ink_snapshot_begin(arch, record, &snapshot, err);
    if (status)
        return status;
    put_prefix(&head->group[g], prefix);
    for (int i = 0; !status && i < arch->node_count; i++) {
        struct ink_tensor part[INK_NODE_TENSOR_MAX];
        float *numbers = ink_snapshot_edit_weights(snapshot, i);
        int parts = ink_node_tensors(arch, i, prefix, part);

        if (arch->node[i].statistic_count > 0 && !head->group[g].has_statistics)
            parts -= 2;
        for (int j = 0; !status && j < parts; numbers += part[j++].count)
            status = ink_tensor_read(&checkpoint->file, &part[j], numbers, err);
    }
    if (status) {
        ink_snapshot_unref(snapshot);
        return status;
    }
    *out_snapshot = snapshot;
    return INK_OK;
}
