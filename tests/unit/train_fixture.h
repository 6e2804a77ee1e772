/* SPDX-License-Identifier: MIT */
#ifndef INK_TEST_TRAIN_FIXTURE_H
#define INK_TEST_TRAIN_FIXTURE_H

/* train_fixture: small networks, pictures that show their label, and quick options. */

#include <stdatomic.h>
#include <string.h>

#include "base/cleanup.h"
#include "model/snapshot_priv.h"
#include "model/trainer.h"
#include "tests/unit/net_fixture.h"

static const char small_net[] = "image: input 1x28x28\n"
                                "c: conv 6 5x5 stride=3\n"
                                "b: batchnorm\n"
                                "r: relu\n"
                                "p: maxpool 2x2\n"
                                "o: dropout 0.1\n"
                                "f: flatten\n"
                                "d: dense 10\n";
static const char plain_net[] = "image: input 1x28x28\n"
                                "a: avgpool 4x4\n"
                                "f: flatten\n"
                                "d: dense 10\n"
                                "s: softmax\n";

/* Pictures that show their label: a brighter column, on noise below `noise`. */
static inline struct ink_dataset *
columns_on(uint32_t noise, int brighter, size_t count, uint64_t seed)
{
    struct ink_dataset *dataset = NULL;
    struct ink_err err;
    struct ink_rng rng;

    assert_ok(ink_dataset_create("columns", count, &dataset, &err), &err);
    ink_rng_init(&rng, seed, 0);
    for (size_t n = 0; n < count; n++) {
        int label = (int)(n % 10);

        dataset->labels[n] = (uint8_t)label;
        for (int i = 0; i < INK_PICTURE_SIZE; i++) {
            int column = i % INK_PICTURE_SIDE;
            bool is_bright = column >= 2 + label * 5 / 2 && column < 5 + label * 5 / 2;

            dataset->pixels[n * INK_PICTURE_SIZE + (size_t)i] =
                (uint8_t)((int)ink_rng_below(&rng, noise) + (is_bright ? brighter : 0));
        }
    }
    return dataset;
}

static inline struct ink_dataset *
columns(size_t count, uint64_t seed)
{
    return columns_on(60, 180, count, seed);
}

static inline const struct ink_snapshot *
fresh(const char *text)
{
    const struct ink_record record = {.name = "test", .command = "none", .epochs = 2};

    return snapshot_of(text, &record, 1);
}

static inline struct ink_train_options
quick(void)
{
    struct ink_train_options options = ink_train_defaults();

    options.epochs = 2;
    options.batch_size = 20;
    options.threads = 2;
    options.learning_rate = 0.02;
    options.publish_s = 0;
    return options;
}

static inline bool
is_same(const struct ink_snapshot *a, const struct ink_snapshot *b)
{
    const struct ink_arch *arch = ink_snapshot_arch(a);

    for (int i = 0; i < arch->node_count; i++) {
        const struct ink_node *node = &arch->node[i];

        if (node->weight_count > 0 && memcmp(ink_snapshot_weights(a, i), ink_snapshot_weights(b, i),
                                             node->weight_count * sizeof(float)) != 0)
            return false;
        if (node->bias_count > 0 && memcmp(ink_snapshot_biases(a, i), ink_snapshot_biases(b, i),
                                           node->bias_count * sizeof(float)) != 0)
            return false;
        if (node->statistic_count > 0 &&
            memcmp(ink_snapshot_statistics(a, i), ink_snapshot_statistics(b, i),
                   node->statistic_count * sizeof(float)) != 0)
            return false;
    }
    return true;
}

#endif
