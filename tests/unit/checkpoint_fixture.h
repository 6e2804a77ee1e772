/* SPDX-License-Identifier: MIT */
#ifndef INK_TEST_CHECKPOINT_FIXTURE_H
#define INK_TEST_CHECKPOINT_FIXTURE_H

/* checkpoint_fixture: a small run that can be stopped anywhere, and a folder with its checkpoints.
 */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/rng.h"
#include "model/checkpoint_folder.h"
#include "model/snapshot_priv.h"
#include "tests/unit/net_fixture.h"

static const char small_net[] = "image: input 1x28x28\n"
                                "p: avgpool 4x4\n"
                                "c: conv 3 3x3 pad=1\n"
                                "b: batchnorm\n"
                                "r: relu\n"
                                "o: dropout 0.2\n"
                                "f: flatten\n"
                                "d: dense 10\n";

enum { PICTURES = 75, BATCH = 16, EPOCH_STEPS = 5, RECORD_EPOCHS = 2 };

static char root[] = "/tmp/ink-checkpoint-XXXXXX";

/* ---- a small run ---- */

static inline struct ink_dataset *
noise(size_t count, uint64_t seed)
{
    struct ink_dataset *dataset = NULL;
    struct ink_err err;
    struct ink_rng rng;

    assert_ok(ink_dataset_create("noise", count, &dataset, &err), &err);
    ink_rng_init(&rng, seed, 0);
    for (size_t n = 0; n < count; n++) {
        dataset->labels[n] = (uint8_t)(n % 10);
        for (size_t i = 0; i < INK_PICTURE_SIZE; i++)
            dataset->pixels[n * INK_PICTURE_SIZE + i] =
                (uint8_t)(i % 28 / 3 == n % 10 ? 200 : ink_rng_below(&rng, 90));
    }
    return dataset;
}

static inline const struct ink_snapshot *
fresh(void)
{
    const struct ink_record record = {
        .name = "test", .command = "train \"it\"", .epochs = RECORD_EPOCHS};

    return snapshot_of(small_net, &record, 1);
}

static inline struct ink_train_options
options_of(enum ink_optimizer optimizer, double average)
{
    struct ink_train_options options = ink_train_defaults();

    options.epochs = 3;
    options.batch_size = BATCH;
    options.threads = 2;
    options.optimizer = optimizer;
    options.average = average;
    options.learning_rate = 0.02;
    options.weight_decay = 0.001;
    options.augment = (struct ink_augment){.shift = 1, .rotate = 5};
    options.publish_s = 1e-9; /* after every mini-batch */
    return options;
}

static inline void
assert_same(const struct ink_snapshot *a, const struct ink_snapshot *b)
{
    const struct ink_arch *arch = ink_snapshot_arch(a);

    for (int i = 0; i < arch->node_count; i++) {
        size_t count = ink_node_parameter_count(&arch->node[i]) + arch->node[i].statistic_count;

        if (count > 0)
            assert_memory_equal(ink_snapshot_weights(a, i), ink_snapshot_weights(b, i),
                                count * sizeof(float));
    }
}

/* Stops a run once it has learned `stop_at` mini-batches. */
struct stopper {
    atomic_bool cancel;
    int64_t stop_at;
    bool is_in_validation; /* stop there instead */
    int warnings;
    char warning[512];
};

static inline void
on_progress(void *self, const struct ink_train_progress *progress)
{
    struct stopper *stopper = self;

    if (stopper->is_in_validation && progress->is_validating && progress->step >= stopper->stop_at)
        atomic_store(&stopper->cancel, true);
}

/* One comes after every mini-batch; it says how far the run is. */
static inline void
on_snapshot(void *self, const struct ink_snapshot *snapshot)
{
    struct stopper *stopper = self;
    double epochs = ink_snapshot_record(snapshot)->epochs - RECORD_EPOCHS;

    if (!stopper->is_in_validation && llround(epochs * EPOCH_STEPS) >= stopper->stop_at)
        atomic_store(&stopper->cancel, true);
}

static inline void
on_warning(void *self, const char *text)
{
    struct stopper *stopper = self;

    stopper->warnings++;
    (void)snprintf(stopper->warning, sizeof(stopper->warning), "%s", text);
}

/* Everything that a run takes. */
struct setup {
    struct ink_dataset *train, *test;
    struct ink_train_options options;
    struct ink_train_checkpoints checkpoints;
};

static inline void
run(struct setup *setup, const struct ink_snapshot *start, struct stopper *stopper,
    struct ink_train_result *out_result)
{
    struct ink_train_observer observer = {.self = stopper,
                                          .on_progress = on_progress,
                                          .on_snapshot = on_snapshot,
                                          .on_warning = on_warning};
    struct ink_err err;

    assert_ok(ink_train_run(start, setup->train, setup->test, &setup->options, &observer,
                            &stopper->cancel, out_result, &err),
              &err);
}

/* Go on from the newest checkpoint in a folder. */
static inline void
resume(struct setup *setup, const char *path, struct stopper *stopper,
       struct ink_train_result *out_result)
{
    INK_CLEANUP(ink_checkpoint_folder_close) struct ink_checkpoint_folder *folder = NULL;
    INK_CLEANUP(ink_checkpoint_destroy) struct ink_checkpoint *checkpoint = NULL;
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *start = NULL;
    struct ink_err err;

    assert_ok(ink_checkpoint_folder_open(path, &folder, &err), &err);
    assert_ok(ink_checkpoint_folder_newest(folder, NULL, NULL, &checkpoint, &err), &err);
    assert_ok(ink_checkpoint_snapshot(checkpoint, "", &ink_checkpoint_head(checkpoint)->record,
                                      &start, &err),
              &err);
    setup->checkpoints.folder = folder;
    setup->checkpoints.resume = checkpoint;
    setup->options.checkpoints = &setup->checkpoints;
    run(setup, start, stopper, out_result);
    setup->options.checkpoints = NULL;
}

static inline void
remove_folder(const char *path)
{
    char command[200];

    (void)snprintf(command, sizeof(command), "rm -rf '%s'", path);
    assert_int_equal(system(command), 0);
}

static inline void
put_path(char out[static 128], const char *name)
{
    (void)snprintf(out, 128, "%s/%s", root, name);
}

/* ---- a folder with checkpoints, for the tests below ---- */

/* Steps 1 .. 15 of a run; the newest three stay. */
static inline void
fill_folder(const char *path)
{
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *start = fresh();
    struct setup setup = {.train = noise(PICTURES, 1),
                          .test = noise(40, 2),
                          .options = options_of(INK_ADAM, 0.9),
                          .checkpoints = {.every_steps = 1, .config = "{\"mine\": \"\\\"\"}"}};
    struct stopper never = {.stop_at = INT64_MAX};
    struct ink_train_result result;
    struct ink_err err;

    assert_ok(ink_checkpoint_folder_open(path, &setup.checkpoints.folder, &err), &err);
    setup.options.checkpoints = &setup.checkpoints;
    run(&setup, start, &never, &result);
    assert_int_equal(never.warnings, 0);
    ink_checkpoint_folder_close(&setup.checkpoints.folder);
    ink_snapshot_unref(result.best);
    ink_dataset_unref(setup.train);
    ink_dataset_unref(setup.test);
}

static inline struct ink_buf
load(const char *folder, int step)
{
    struct ink_buf buf = {0};
    struct ink_err err;
    char path[200];

    (void)snprintf(path, sizeof(path), "%s/checkpoint-%012d.safetensors", folder, step);
    assert_ok(ink_buf_load(&buf, path, 1 << 20, &err), &err);
    return buf;
}

static inline void
spoil(const char *folder, int step)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf buf = load(folder, step);
    struct ink_err err;
    char path[200];

    (void)snprintf(path, sizeof(path), "%s/checkpoint-%012d.safetensors", folder, step);
    buf.bytes[buf.size - 9] ^= 4;
    assert_ok(ink_file_write(path, buf.bytes, buf.size, &err), &err);
}

static inline int
make_root(void **state)
{
    (void)state;
    return mkdtemp(root) ? 0 : -1;
}

static inline int
remove_root(void **state)
{
    (void)state;
    return rmdir(root);
}

#endif
