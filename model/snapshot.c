/* SPDX-License-Identifier: MIT */
#include "model/snapshot.h"

#include <assert.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/rng.h"
#include "model/snapshot_priv.h"

struct ink_snapshot {
    atomic_uint references;
    unsigned long long serial;
    struct ink_arch *arch;
    struct ink_record record;
    float *block; /* [block_count] all numbers, node by node: weights, biases, statistics */
    size_t block_count;
    size_t *block_at; /* [node_count] where a node's numbers start */
};

enum ink_status
ink_snapshot_begin(const struct ink_arch *arch, const struct ink_record *record,
                   struct ink_snapshot **out_snapshot, struct ink_err *err)
{
    static atomic_ullong serials;
    struct ink_snapshot *snapshot = calloc(1, sizeof(*snapshot));
    enum ink_status status;

    if (!snapshot)
        return ink_fail(err, INK_NOMEM, "no memory for a snapshot");
    atomic_init(&snapshot->references, 1);
    snapshot->serial = atomic_fetch_add(&serials, 1) + 1;
    if (record)
        snapshot->record = *record;
    status = ink_arch_parse(arch->text, strlen(arch->text), &snapshot->arch, err);
    if (!status) {
        snapshot->block_at = calloc((size_t)arch->node_count, sizeof(*snapshot->block_at));
        for (int i = 0; snapshot->block_at && i < arch->node_count; i++) {
            snapshot->block_at[i] = snapshot->block_count;
            snapshot->block_count +=
                ink_node_parameter_count(&arch->node[i]) + arch->node[i].statistic_count;
        }
        snapshot->block = calloc(snapshot->block_count + 1, sizeof(*snapshot->block));
        if (!snapshot->block_at || !snapshot->block)
            status = ink_fail(err, INK_NOMEM, "no memory for %zu weights", snapshot->block_count);
    }
    if (status) {
        ink_snapshot_unref(snapshot);
        return status;
    }
    *out_snapshot = snapshot;
    return INK_OK;
}

/* ---- references ---- */

const struct ink_snapshot *
ink_snapshot_ref(const struct ink_snapshot *snapshot)
{
    if (snapshot)
        (void)atomic_fetch_add_explicit(&((struct ink_snapshot *)(uintptr_t)snapshot)->references,
                                        1, memory_order_relaxed);
    return snapshot;
}

void
ink_snapshot_unref(const struct ink_snapshot *snapshot)
{
    struct ink_snapshot *mine = (struct ink_snapshot *)(uintptr_t)snapshot;

    if (!mine || atomic_fetch_sub_explicit(&mine->references, 1, memory_order_acq_rel) > 1)
        return;
    ink_arch_destroy(&mine->arch);
    free(mine->block_at);
    free(mine->block);
    free(mine);
}

void
ink_snapshot_unrefp(const struct ink_snapshot **snapshot)
{
    ink_snapshot_unref(*snapshot);
    *snapshot = NULL;
}

/* ---- contents ---- */

const struct ink_arch *
ink_snapshot_arch(const struct ink_snapshot *snapshot)
{
    return snapshot->arch;
}

const struct ink_record *
ink_snapshot_record(const struct ink_snapshot *snapshot)
{
    return &snapshot->record;
}

unsigned long long
ink_snapshot_serial(const struct ink_snapshot *snapshot)
{
    return snapshot->serial;
}

float *
ink_snapshot_edit_weights(struct ink_snapshot *snapshot, int node_index)
{
    return snapshot->arch->node[node_index].weight_count > 0
               ? snapshot->block + snapshot->block_at[node_index]
               : NULL;
}

float *
ink_snapshot_edit_biases(struct ink_snapshot *snapshot, int node_index)
{
    const struct ink_node *node = &snapshot->arch->node[node_index];

    return node->bias_count > 0
               ? snapshot->block + snapshot->block_at[node_index] + node->weight_count
               : NULL;
}

float *
ink_snapshot_edit_statistics(struct ink_snapshot *snapshot, int node_index)
{
    const struct ink_node *node = &snapshot->arch->node[node_index];

    return node->statistic_count > 0
               ? snapshot->block + snapshot->block_at[node_index] + ink_node_parameter_count(node)
               : NULL;
}

struct ink_record *
ink_snapshot_edit_record(struct ink_snapshot *snapshot)
{
    return &snapshot->record;
}

const float *
ink_snapshot_weights(const struct ink_snapshot *snapshot, int node_index)
{
    return ink_snapshot_edit_weights((struct ink_snapshot *)(uintptr_t)snapshot, node_index);
}

const float *
ink_snapshot_biases(const struct ink_snapshot *snapshot, int node_index)
{
    return ink_snapshot_edit_biases((struct ink_snapshot *)(uintptr_t)snapshot, node_index);
}

const float *
ink_snapshot_statistics(const struct ink_snapshot *snapshot, int node_index)
{
    return ink_snapshot_edit_statistics((struct ink_snapshot *)(uintptr_t)snapshot, node_index);
}

bool
ink_snapshot_is_finite(const struct ink_snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->block_count; i++)
        if (!isfinite(snapshot->block[i]))
            return false;
    return true;
}

enum ink_status
ink_snapshot_copy(const struct ink_snapshot *snapshot, const struct ink_record *record,
                  const struct ink_snapshot **out_copy, struct ink_err *err)
{
    struct ink_snapshot *copy;
    enum ink_status status = ink_snapshot_begin(snapshot->arch, record, &copy, err);

    if (status)
        return status;
    memcpy(copy->block, snapshot->block, snapshot->block_count * sizeof(*copy->block));
    *out_copy = copy;
    return INK_OK;
}

/* Numbers that one output of a layer is summed from. */
static size_t
fan_in(const struct ink_node *node)
{
    return node->weight_count / (size_t)node->shape.channels;
}

enum ink_status
ink_snapshot_create(const struct ink_arch *arch, const struct ink_record *record,
                    unsigned long long seed, const struct ink_snapshot **out_snapshot,
                    struct ink_err *err)
{
    struct ink_snapshot *snapshot;
    enum ink_status status = ink_snapshot_begin(arch, record, &snapshot, err);

    if (status)
        return status;
    if (!record)
        snapshot->record.loss = snapshot->record.accuracy = (double)NAN;
    snapshot->record.seed = seed;
    for (int i = 0; i < arch->node_count; i++) {
        const struct ink_node *node = &arch->node[i];
        float *weights = ink_snapshot_edit_weights(snapshot, i);
        float *statistics = ink_snapshot_edit_statistics(snapshot, i);
        struct ink_rng rng;

        ink_rng_init(&rng, seed, (uint64_t)i);
        for (size_t j = 0; j < node->weight_count; j++)
            weights[j] = node->op == INK_OP_BATCHNORM
                             ? 1
                             : ink_rng_normal(&rng) * sqrtf(2 / (float)fan_in(node));
        for (size_t j = node->statistic_count / 2; j < node->statistic_count; j++)
            statistics[j] = 1;
    }
    *out_snapshot = snapshot;
    return INK_OK;
}

/* ---- the newest one ---- */

struct ink_slot {
    pthread_mutex_t lock; /* guards newest; nothing else is locked, freed or computed under it */
    const struct ink_snapshot *newest;
};

enum ink_status
ink_slot_create(struct ink_slot **out_slot, struct ink_err *err)
{
    struct ink_slot *slot = calloc(1, sizeof(*slot));

    if (!slot || pthread_mutex_init(&slot->lock, NULL) != 0) {
        free(slot);
        return ink_fail(err, INK_NOMEM, "no memory for a snapshot's place");
    }
    *out_slot = slot;
    return INK_OK;
}

void
ink_slot_destroy(struct ink_slot **slot)
{
    if (!*slot)
        return;
    ink_snapshot_unref((*slot)->newest);
    (void)pthread_mutex_destroy(&(*slot)->lock);
    free(*slot);
    *slot = NULL;
}

void
ink_slot_publish(struct ink_slot *slot, const struct ink_snapshot *snapshot)
{
    const struct ink_snapshot *old;

    (void)ink_snapshot_ref(snapshot);
    (void)pthread_mutex_lock(&slot->lock);
    old = slot->newest;
    slot->newest = snapshot;
    (void)pthread_mutex_unlock(&slot->lock);
    ink_snapshot_unref(old);
}

const struct ink_snapshot *
ink_slot_get(struct ink_slot *slot)
{
    const struct ink_snapshot *newest;

    (void)pthread_mutex_lock(&slot->lock);
    newest = ink_snapshot_ref(slot->newest);
    (void)pthread_mutex_unlock(&slot->lock);
    return newest;
}
