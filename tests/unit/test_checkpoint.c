/* SPDX-License-Identifier: MIT */
/* checkpoint: a run that goes on ends as if never stopped; no bit changes unseen. */
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/limits.h"
#include "checkpoint_fixture.h"

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

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_goes_on_to_the_bit),
        cmocka_unit_test(a_run_without_validation_goes_on_too),
        cmocka_unit_test(every_bit_of_the_header_counts),
        cmocka_unit_test(what_is_sealed_is_still_checked),
        cmocka_unit_test(another_run_is_refused),
        cmocka_unit_test(no_checkpoint_has_what_is_not_finite),
        cmocka_unit_test(a_full_disk_does_not_stop_the_training),
    };

    return cmocka_run_group_tests_name("checkpoint", tests, make_root, remove_root);
}
