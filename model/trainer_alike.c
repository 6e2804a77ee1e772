/* SPDX-License-Identifier: MIT */
/* trainer_alike: processes that train together start from the same. */
#include <string.h>

#include "model/trainer_priv.h"

/* 32 bits, so that sums of them stay exact in a double. Source: FNV-1a, RFC 9923. */
static double
hash(const void *bytes, size_t size)
{
    const unsigned char *at = bytes;
    uint32_t sum = 2166136261U;

    for (size_t i = 0; i < size; i++)
        sum = (sum ^ at[i]) * 16777619U;
    return sum;
}

enum ink_status
ink_trainer_check_alike(const struct ink_trainer *trainer, struct ink_err *err)
{
    const struct ink_parallel *parallel = trainer->options->parallel;
    const struct ink_train_options *options = trainer->options;
    const char *architecture = ink_snapshot_arch(trainer->start)->text;
    static const char *const names[] = {"data",       "architecture", "weights to start from",
                                        "checkpoint", "batch size",   "seed"};
    enum { FACTS = sizeof(names) / sizeof(*names) };
    double own[FACTS], sum[FACTS];

    if (!parallel)
        return INK_OK;
    own[0] = hash(trainer->train->pixels, trainer->train->count * INK_PICTURE_SIZE);
    own[1] = hash(architecture, strlen(architecture));
    own[2] = hash(trainer->block, ink_plan_block_size(trainer->plan) * sizeof(*trainer->block));
    own[3] = (double)trainer->history.progress.step;
    own[4] = options->batch_size;
    own[5] = hash(&options->seed, sizeof(options->seed));
    memcpy(sum, own, sizeof(sum));
    parallel->sum_doubles(parallel->self, sum, FACTS);
    for (int i = 0; i < FACTS; i++)
        if (sum[i] < own[i] * parallel->size || sum[i] > own[i] * parallel->size)
            return ink_fail(err, INK_BADARG,
                            "process %d of %d differs from the others in its %s: all must be "
                            "started with the same words, program and data",
                            parallel->rank, parallel->size, names[i]);
    return INK_OK;
}
