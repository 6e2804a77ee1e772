/* SPDX-License-Identifier: MIT */
/* checkpoint: a run that goes on ends as if never stopped; no bit changes unseen; one always loads.
 */

#include "tests/unit/ink_test.h"

#include <dirent.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/rng.h"
#include "model/checkpoint_folder.h"
#include "model/snapshot_priv.h"

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

static struct ink_dataset *
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

static const struct ink_snapshot *
fresh(void)
{
    INK_CLEANUP(ink_arch_destroy) struct ink_arch *arch = NULL;
    const struct ink_snapshot *snapshot = NULL;
    struct ink_record record = {.name = "test", .command = "train \"it\"", .epochs = RECORD_EPOCHS};
    struct ink_err err;

    assert_ok(ink_arch_parse(small_net, strlen(small_net), &arch, &err), &err);
    assert_ok(ink_snapshot_create(arch, &record, 1, &snapshot, &err), &err);
    return snapshot;
}

static struct ink_train_options
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

static void
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

static void
on_progress(void *self, const struct ink_train_progress *progress)
{
    struct stopper *stopper = self;

    if (stopper->is_in_validation && progress->is_validating && progress->step >= stopper->stop_at)
        atomic_store(&stopper->cancel, true);
}

/* One comes after every mini-batch; it says how far the run is. */
static void
on_snapshot(void *self, const struct ink_snapshot *snapshot)
{
    struct stopper *stopper = self;
    double epochs = ink_snapshot_record(snapshot)->epochs - RECORD_EPOCHS;

    if (!stopper->is_in_validation && llround(epochs * EPOCH_STEPS) >= stopper->stop_at)
        atomic_store(&stopper->cancel, true);
}

static void
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

static void
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
static void
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

static void
remove_folder(const char *path)
{
    char command[200];

    (void)snprintf(command, sizeof(command), "rm -rf '%s'", path);
    assert_int_equal(system(command), 0);
}

static void
put_path(char out[static 128], const char *name)
{
    (void)snprintf(out, 128, "%s/%s", root, name);
}

/* ---- going on ---- */

/* Begin, stop somewhere, go on, stop again, go on to the end. */
static void
interrupt_twice(struct setup *setup, const struct ink_train_result *whole, int64_t first,
                bool is_in_validation)
{
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *start = fresh();
    struct stopper stopper = {.stop_at = first, .is_in_validation = is_in_validation};
    struct stopper second = {.stop_at = first + 2}, last = {.stop_at = INT64_MAX};
    struct ink_train_result result;
    char path[128];
    struct ink_err err;

    put_path(path, "run");
    assert_ok(ink_checkpoint_folder_open(path, &setup->checkpoints.folder, &err), &err);
    setup->checkpoints.resume = NULL;
    setup->options.checkpoints = &setup->checkpoints;
    run(setup, start, &stopper, &result);
    assert_true(result.is_cancelled);
    assert_int_equal(result.progress.step, first);
    ink_checkpoint_folder_close(&setup->checkpoints.folder);
    ink_snapshot_unref(result.best);
    resume(setup, path, &second, &result);
    ink_snapshot_unref(result.best);
    resume(setup, path, &last, &result);
    assert_false(result.is_cancelled);
    assert_same(result.best, whole->best);
    assert_true(ink_snapshot_record(result.best)->epochs ==
                ink_snapshot_record(whole->best)->epochs);
    assert_int_equal(result.progress.step, whole->progress.step);
    assert_int_equal(result.progress.best_epoch, whole->progress.best_epoch);
    assert_int_equal(result.progress.curve_count, whole->progress.curve_count);
    assert_memory_equal(result.progress.curve_loss, whole->progress.curve_loss,
                        (size_t)whole->progress.curve_count * sizeof(float));
    assert_memory_equal(result.progress.validation_losses, whole->progress.validation_losses,
                        (size_t)whole->progress.validation_count * sizeof(float));
    ink_snapshot_unref(result.best);

    /* from the end there is nothing to learn: the result again */
    resume(setup, path, &last, &result);
    assert_same(result.best, whole->best);
    ink_snapshot_unref(result.best);
    remove_folder(path);
}

static void
a_run_goes_on_to_the_bit(void **state)
{
    static const struct {
        enum ink_optimizer optimizer;
        double average;
    } table[] = {{INK_ADAM, 0}, {INK_ADAMW, 0.9}, {INK_SGD, 0.9}, {INK_SGD, 0}};

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *start = fresh();
        struct setup setup = {.train = noise(PICTURES, 1),
                              .test = noise(40, 2),
                              .options = options_of(table[i].optimizer, table[i].average)};
        struct stopper never = {.stop_at = INT64_MAX};
        struct ink_train_result whole;

        setup.checkpoints.every_steps = 3;
        run(&setup, start, &never, &whole);
        for (int64_t step = 1; step < whole.progress.step_count; step += i == 0 ? 1 : 4)
            interrupt_twice(&setup, &whole, step, false);
        interrupt_twice(&setup, &whole, 5, true);
        ink_snapshot_unref(whole.best);
        ink_dataset_unref(setup.train);
        ink_dataset_unref(setup.test);
    }
}

static void
a_run_without_validation_goes_on_too(void **state)
{
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *start = fresh();
    struct setup setup = {.train = noise(PICTURES, 1), .options = options_of(INK_ADAM, 0)};
    struct stopper never = {.stop_at = INT64_MAX};
    struct ink_train_result whole;

    (void)state;
    run(&setup, start, &never, &whole);
    setup.checkpoints.every_s = 1000;
    interrupt_twice(&setup, &whole, 5, false);
    interrupt_twice(&setup, &whole, 7, false);
    ink_snapshot_unref(whole.best);
    ink_dataset_unref(setup.train);
}

/* ---- a folder with checkpoints, for the tests below ---- */

/* Steps 1 .. 15 of a run; the newest three stay. */
static void
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

static struct ink_buf
load(const char *folder, int step)
{
    struct ink_buf buf = {0};
    struct ink_err err;
    char path[200];

    (void)snprintf(path, sizeof(path), "%s/checkpoint-%012d.safetensors", folder, step);
    assert_ok(ink_buf_load(&buf, path, 1 << 20, &err), &err);
    return buf;
}

static void
spoil(const char *folder, int step)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf buf = load(folder, step);
    struct ink_err err;
    char path[200];

    (void)snprintf(path, sizeof(path), "%s/checkpoint-%012d.safetensors", folder, step);
    buf.bytes[buf.size - 9] ^= 4;
    assert_ok(ink_file_write(path, buf.bytes, buf.size, &err), &err);
}

static enum ink_status
decode_copy(const char *bytes, size_t size, struct ink_err *err)
{
    INK_CLEANUP(ink_checkpoint_destroy) struct ink_checkpoint *checkpoint = NULL;
    struct ink_buf copy = {0};

    ink_buf_append(&copy, bytes, size);
    return ink_checkpoint_decode(&copy, &checkpoint, err);
}

/* ---- what is in the files ---- */

static void
the_newest_three_stay(void **state)
{
    DIR *dir;
    struct dirent *entry;
    char path[128];
    int checkpoints = 0, others = 0;

    (void)state;
    put_path(path, "kept");
    fill_folder(path);
    dir = opendir(path);
    assert_non_null(dir);
    while ((entry = readdir(dir)))
        if (strncmp(entry->d_name, "checkpoint-0000000000", 21) == 0 && strlen(entry->d_name) == 35)
            checkpoints++;
        else if (entry->d_name[0] != '.')
            others++;
    (void)closedir(dir);
    assert_int_equal(checkpoints, INK_CHECKPOINT_KEEP);
    assert_int_equal(others, 1); /* the lock */
    for (int step = 13; step <= 15; step++) {
        INK_CLEANUP(ink_buf_fini) struct ink_buf buf = load(path, step);
        INK_CLEANUP(ink_checkpoint_destroy) struct ink_checkpoint *checkpoint = NULL;
        const struct ink_checkpoint_head *head;
        struct ink_err err;

        assert_ok(ink_checkpoint_decode(&buf, &checkpoint, &err), &err);
        head = ink_checkpoint_head(checkpoint);
        assert_int_equal(head->history.progress.step, step);
        assert_string_equal(head->config, "{\"mine\": \"\\\"\"}");
        assert_string_equal(head->record.command, "train \"it\"");
        assert_true(head->history.is_over == (step == 15));
    }
    remove_folder(path);
}

static void
every_bit_of_the_header_counts(void **state)
{
    char path[128];
    INK_CLEANUP(ink_buf_fini) struct ink_buf buf = {0};
    size_t header;
    struct ink_err err;
    struct ink_rng rng;

    (void)state;
    put_path(path, "bits");
    fill_folder(path);
    buf = load(path, 14);
    header = 8 + (unsigned char)buf.bytes[0] + ((size_t)(unsigned char)buf.bytes[1] << 8) +
             ((size_t)(unsigned char)buf.bytes[2] << 16);
    assert_true(header > 1000 && header < buf.size);
    assert_ok(decode_copy(buf.bytes, buf.size, &err), &err);
    for (size_t bit = 0; bit < header * 8; bit++) {
        buf.bytes[bit / 8] = (char)(buf.bytes[bit / 8] ^ 1 << bit % 8);
        assert_fails(INK_BADDATA, "checksum", decode_copy(buf.bytes, buf.size, &err), &err);
        buf.bytes[bit / 8] = (char)(buf.bytes[bit / 8] ^ 1 << bit % 8);
    }
    ink_rng_init(&rng, 1, 0);
    for (int i = 0; i < 4000; i++) {
        size_t at = header + ink_rng_below(&rng, (uint32_t)(buf.size - header));
        int bit = (int)ink_rng_below(&rng, 8);

        buf.bytes[at] = (char)(buf.bytes[at] ^ 1 << bit);
        assert_fails(INK_BADDATA, "checksum", decode_copy(buf.bytes, buf.size, &err), &err);
        buf.bytes[at] = (char)(buf.bytes[at] ^ 1 << bit);
    }
    for (size_t size = 0; size < buf.size; size++)
        assert_fails(INK_BADDATA, "checksum", decode_copy(buf.bytes, size, &err), &err);
    ink_buf_putc(&buf, 'x');
    assert_fails(INK_BADDATA, "checksum", decode_copy(buf.bytes, buf.size, &err), &err);
    remove_folder(path);
}

/* A sum that is right excuses nothing: cut, swapped and changed text, sealed anew. */
static void
what_is_sealed_is_still_checked(void **state)
{
    static const struct {
        const char *from, *to, *says;
    } table[] = {
        {"inkling-checkpoint-1", "inkling-checkpoint-9", "format 'inkling-checkpoint-9'"},
        {"dense 10", "dense 11", "architecture"},
        {"weights+statistics", "weighta+statistics", NULL}, /* the first one's name is not read */
        {"best+statistics", "beat+statistics", "stands where"},
        {" mean ", " nean ", "stands where"},
        {"\"threads\":\"2\"", "\"threads\":\"0\"", "threads"},
        {"\\\"step\\\":14", "\\\"step\\\":99", "step 99 of 15"},
        {"\\\"epoch\\\":3", "\\\"epoch\\\":9", "epoch 9 of 3"},
        {"\\\"curve_count\\\":14", "\\\"curve_count\\\":13", "curve_step"},
        {"\\\"elapsed_s\\\":", "\\\"elapsed_x\\\":", "elapsed_s"},
        {"\"d.weight\"", "\"d.heigth\"", "stands where"},
        {"[10,147]", "[147,10]", "shape"},
    };
    INK_CLEANUP(ink_buf_fini) struct ink_buf buf = {0};
    struct ink_err err;
    char path[128];
    float bad = (float)NAN;

    (void)state;
    put_path(path, "sealed");
    fill_folder(path);
    buf = load(path, 14);
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        INK_CLEANUP(ink_buf_fini) struct ink_buf copy = {0};
        size_t size = strlen(table[i].from), at = 0;

        ink_buf_append(&copy, buf.bytes, buf.size);
        while (at + size < copy.size && memcmp(copy.bytes + at, table[i].from, size) != 0)
            at++;
        assert_true(at + size < copy.size);
        memcpy(copy.bytes + at, table[i].to, size);
        assert_true(ink_checkpoint_seal(&copy));
        if (table[i].says)
            assert_fails(INK_BADDATA, table[i].says, decode_copy(copy.bytes, copy.size, &err),
                         &err);
        else
            assert_ok(decode_copy(copy.bytes, copy.size, &err), &err);
    }
    memcpy(buf.bytes + buf.size - sizeof(bad), &bad, sizeof(bad));
    assert_false(ink_checkpoint_is_finite(&buf));
    assert_true(ink_checkpoint_seal(&buf));
    assert_fails(INK_BADDATA, "not finite", decode_copy(buf.bytes, buf.size, &err), &err);
    remove_folder(path);
}

/* ---- a folder in trouble ---- */

static void
a_broken_one_is_named_and_the_one_before_taken(void **state)
{
    INK_CLEANUP(ink_checkpoint_folder_close) struct ink_checkpoint_folder *folder = NULL;
    INK_CLEANUP(ink_checkpoint_destroy) struct ink_checkpoint *checkpoint = NULL;
    struct stopper seen = {.stop_at = 0};
    struct ink_err err;
    char path[128];

    (void)state;
    put_path(path, "broken");
    fill_folder(path);
    spoil(path, 15);
    spoil(path, 14);
    assert_ok(ink_checkpoint_folder_open(path, &folder, &err), &err);
    assert_int_equal(ink_checkpoint_folder_last(folder), 15);
    assert_ok(ink_checkpoint_folder_newest(folder, on_warning, &seen, &checkpoint, &err), &err);
    assert_int_equal(ink_checkpoint_head(checkpoint)->history.progress.step, 13);
    assert_int_equal(seen.warnings, 2);
    assert_non_null(strstr(seen.warning, "checkpoint-000000000014.safetensors: the checksum"));
    assert_int_equal(ink_checkpoint_folder_last(folder), 13); /* the others do not count any more */
    ink_checkpoint_destroy(&checkpoint);
    spoil(path, 13);
    assert_fails(INK_BADDATA, "start anew in another folder",
                 ink_checkpoint_folder_newest(folder, on_warning, &seen, &checkpoint, &err), &err);
    assert_null(checkpoint);
    assert_int_equal(ink_checkpoint_folder_last(folder), 13); /* all broken: nothing is moved */
    ink_checkpoint_folder_close(&folder);
    remove_folder(path);
    assert_ok(ink_checkpoint_folder_open(path, &folder, &err), &err);
    assert_fails(INK_NOTFOUND, "has no checkpoints",
                 ink_checkpoint_folder_newest(folder, on_warning, &seen, &checkpoint, &err), &err);
    remove_folder(path);
}

/* The checkpoint fits its own run only. */
static void
another_run_is_refused(void **state)
{
    static const struct {
        size_t train;
        uint64_t seed;
        int epochs, threads;
        enum ink_status status;
        const char *says;
    } table[] = {
        {75, 9, 3, 2, INK_BADDATA, "not what the checkpoint's run learned from"},
        {75, 1, 4, 2, INK_BADARG, "the checkpoint's run has 15 in 3"},
        {75, 1, 3, 1, INK_BADARG, "1 threads, the checkpoint's run has 2"},
    };
    INK_CLEANUP(ink_checkpoint_folder_close) struct ink_checkpoint_folder *folder = NULL;
    INK_CLEANUP(ink_checkpoint_destroy) struct ink_checkpoint *checkpoint = NULL;
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *start = fresh();
    struct ink_err err;
    char path[128];

    (void)state;
    put_path(path, "other");
    fill_folder(path);
    assert_ok(ink_checkpoint_folder_open(path, &folder, &err), &err);
    assert_ok(ink_checkpoint_folder_newest(folder, NULL, NULL, &checkpoint, &err), &err);
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        INK_CLEANUP(ink_dataset_unrefp)
        struct ink_dataset *train = noise(table[i].train, table[i].seed);
        INK_CLEANUP(ink_dataset_unrefp) struct ink_dataset *test = noise(40, 2);
        struct ink_train_options options = options_of(INK_ADAM, 0.9);
        struct ink_train_checkpoints checkpoints = {
            .folder = folder, .every_steps = 1, .resume = checkpoint};
        struct ink_train_result result;

        options.epochs = table[i].epochs;
        options.threads = table[i].threads;
        options.checkpoints = &checkpoints;
        assert_fails(table[i].status, table[i].says,
                     ink_train_run(start, train, test, &options, NULL, NULL, &result, &err), &err);
    }
    remove_folder(path);
}

static void
a_folder_has_one_user(void **state)
{
    INK_CLEANUP(ink_checkpoint_folder_close) struct ink_checkpoint_folder *folder = NULL;
    INK_CLEANUP(ink_checkpoint_folder_close) struct ink_checkpoint_folder *second = NULL;
    char path[128], leftover[200], pid[32];
    struct ink_err err;

    (void)state;
    put_path(path, "lock");
    assert_ok(ink_checkpoint_folder_open(path, &folder, &err), &err);
    (void)snprintf(pid, sizeof(pid), "process %ld", (long)getpid());
    assert_fails(INK_BUSY, pid, ink_checkpoint_folder_open(path, &second, &err), &err);
    ink_checkpoint_folder_close(&folder);
    (void)snprintf(leftover, sizeof(leftover), "%s/checkpoint-000000000014.safetensors.tmp-12345-0",
                   path);
    assert_ok(ink_file_write(leftover, "half", 4, &err), &err);
    assert_ok(ink_checkpoint_folder_open(path, &folder, &err), &err);
    assert_int_equal(access(leftover, F_OK), -1);
    remove_folder(path);
}

/* No room: the training goes on and says so once; what was safe stays safe; room again: it saves.
 */
static void
a_full_disk_does_not_stop_the_training(void **state)
{
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *start = fresh();
    INK_CLEANUP(ink_checkpoint_folder_close) struct ink_checkpoint_folder *folder = NULL;
    INK_CLEANUP(ink_checkpoint_destroy) struct ink_checkpoint *checkpoint = NULL;
    struct setup setup = {
        .train = noise(PICTURES, 1), .test = noise(40, 2), .options = options_of(INK_ADAM, 0)};
    struct stopper stopper = {.stop_at = 2}, never = {.stop_at = INT64_MAX};
    struct rlimit before, none;
    struct ink_train_result result;
    struct ink_err err;
    char path[128];

    (void)state;
    put_path(path, "full");
    (void)signal(SIGXFSZ, SIG_IGN);
    setup.checkpoints.every_steps = 1;
    assert_ok(ink_checkpoint_folder_open(path, &folder, &err), &err);
    setup.checkpoints.folder = folder;
    setup.options.checkpoints = &setup.checkpoints;
    run(&setup, start, &stopper, &result);
    ink_snapshot_unref(result.best);

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    none = before;
    none.rlim_cur = 1000;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    run(&setup, start, &never, &result);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(result.progress.step, 15);
    ink_snapshot_unref(result.best);
    assert_int_equal(never.warnings, 1);
    assert_non_null(strstr(never.warning, "File too large"));
    assert_non_null(strstr(never.warning, "training goes on"));
    assert_int_equal(ink_checkpoint_folder_last(folder), 2);
    assert_ok(ink_checkpoint_folder_newest(folder, NULL, NULL, &checkpoint, &err), &err);

    run(&setup, start, &never, &result);
    ink_snapshot_unref(result.best);
    assert_int_equal(ink_checkpoint_folder_last(folder), 15);
    ink_dataset_unref(setup.train);
    ink_dataset_unref(setup.test);
    remove_folder(path);
}

/* A rate that no learning survives: what was kept before has numbers only, and loads. */
static void
no_checkpoint_has_what_is_not_finite(void **state)
{
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *start = fresh();
    INK_CLEANUP(ink_checkpoint_folder_close) struct ink_checkpoint_folder *folder = NULL;
    INK_CLEANUP(ink_checkpoint_destroy) struct ink_checkpoint *checkpoint = NULL;
    INK_CLEANUP(ink_dataset_unrefp) struct ink_dataset *train = noise(PICTURES, 1);
    struct ink_train_options options = options_of(INK_SGD, 0);
    struct ink_train_checkpoints checkpoints = {.every_steps = 1};
    struct ink_train_result result = {0};
    struct stopper seen = {.stop_at = 0};
    struct ink_err err;
    char path[128];

    (void)state;
    put_path(path, "finite");
    assert_ok(ink_checkpoint_folder_open(path, &folder, &err), &err);
    checkpoints.folder = folder;
    options.checkpoints = &checkpoints;
    options.learning_rate = 1000;
    options.schedule = INK_CONSTANT;
    options.weight_decay = 1;
    options.epochs = 100;
    assert_int_equal(ink_train_run(start, train, NULL, &options, NULL, NULL, &result, &err),
                     INK_BADDATA);
    ink_snapshot_unref(result.best);
    assert_ok(ink_checkpoint_folder_wait(folder, &err), &err);
    if (ink_checkpoint_folder_last(folder) >= 0) { /* every one that is there loads */
        assert_ok(ink_checkpoint_folder_newest(folder, on_warning, &seen, &checkpoint, &err), &err);
        assert_int_equal(ink_checkpoint_head(checkpoint)->history.progress.step,
                         ink_checkpoint_folder_last(folder));
    }
    assert_int_equal(seen.warnings, 0);
    remove_folder(path);
}

static int
make_root(void **state)
{
    (void)state;
    return mkdtemp(root) ? 0 : -1;
}

static int
remove_root(void **state)
{
    (void)state;
    return rmdir(root);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_goes_on_to_the_bit),
        cmocka_unit_test(a_run_without_validation_goes_on_too),
        cmocka_unit_test(the_newest_three_stay),
        cmocka_unit_test(every_bit_of_the_header_counts),
        cmocka_unit_test(what_is_sealed_is_still_checked),
        cmocka_unit_test(a_broken_one_is_named_and_the_one_before_taken),
        cmocka_unit_test(another_run_is_refused),
        cmocka_unit_test(a_folder_has_one_user),
        cmocka_unit_test(no_checkpoint_has_what_is_not_finite),
        cmocka_unit_test(a_full_disk_does_not_stop_the_training),
    };

    return cmocka_run_group_tests_name("checkpoint", tests, make_root, remove_root);
}
