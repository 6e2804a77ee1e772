/* SPDX-License-Identifier: MIT */
/* trainer: it learns, repeats itself to the bit, stops when told, and keeps what was good. */

#include "tests/unit/train_fixture.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "model/net.h"
#include "model/optimizer.h"
#include "model/snapshot_priv.h"
#include "model/trainer.h"
#include "model/trainer_priv.h"

static void
it_learns_with_every_optimizer(void **state)
{
    INK_CLEANUP(ink_dataset_unrefp) struct ink_dataset *train = columns(200, 1);
    INK_CLEANUP(ink_dataset_unrefp) struct ink_dataset *test = columns(50, 2);
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *start = fresh(small_net);
    static const struct {
        enum ink_optimizer optimizer;
        enum ink_schedule schedule;
        double rate, decay, smoothing, average;
    } table[] = {
        {INK_SGD, INK_CONSTANT, 0.05, 0, 0, 0},
        {INK_SGD, INK_COSINE, 0.05, 1e-4, 0, 0.9},
        {INK_ADAM, INK_ONE_CYCLE, 0.02, 1e-4, 0.05, 0},
        {INK_ADAMW, INK_ONE_CYCLE, 0.02, 0.01, 0, 0.9},
        {INK_NESTEROV, INK_STEP, 0.05, 1e-4, 0, 0},
        {INK_ADADELTA, INK_CONSTANT, 5, 0, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        struct ink_train_options options = quick();
        struct ink_train_result result = {0};
        struct ink_evaluation evaluation;
        struct ink_err err;

        options.epochs = 4;
        options.optimizer = table[i].optimizer;
        options.schedule = table[i].schedule;
        options.learning_rate = table[i].rate;
        options.weight_decay = table[i].decay;
        options.label_smoothing = table[i].smoothing;
        options.average = table[i].average;
        options.augment.shift = 0.5F;
        assert_ok(ink_train_run(start, train, test, &options, NULL, NULL, &result, &err), &err);
        assert_false(result.is_cancelled);
        assert_int_equal(result.progress.step, 40);
        assert_int_equal(result.progress.validation_count, 4);
        assert_true(result.progress.best_accuracy > 0.95);
        assert_true(ink_snapshot_record(result.best)->accuracy >= result.progress.best_accuracy);
        assert_ok(ink_evaluate(result.best, test, 1, INK_COMPUTE(F32), NULL, &evaluation, &err),
                  &err);
        assert_int_equal(evaluation.count, 50);
        assert_true(fabs((double)evaluation.correct / 50 - result.progress.best_accuracy) < 1e-9);
        free(evaluation.probabilities);
        ink_snapshot_unref(result.best);
    }
}

static const struct ink_snapshot *
trained(const struct ink_snapshot *start, const struct ink_dataset *train,
        const struct ink_train_options *options)
{
    struct ink_train_result result = {0};
    struct ink_err err;

    assert_ok(ink_train_run(start, train, NULL, options, NULL, NULL, &result, &err), &err);
    return result.best;
}

static void
same_seed_same_weights(void **state)
{
    INK_CLEANUP(ink_dataset_unrefp) struct ink_dataset *train = columns(110, 1);
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *start = fresh(small_net);

    (void)state;
    for (int threads = 1; threads <= 3; threads++) {
        INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *a = NULL;
        INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *b = NULL;
        INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *c = NULL;
        struct ink_train_options options = quick();

        options.threads = threads;
        options.average = 0.9;
        options.augment.rotate = 10;
        options.augment.elastic = 1;
        a = trained(start, train, &options);
        b = trained(start, train, &options);
        assert_true(is_same(a, b));
        assert_false(is_same(a, start));
        options.seed++;
        c = trained(start, train, &options);
        assert_false(is_same(a, c));
    }
}

/* Without batch norm and dropout the share of a thread does not matter but for rounding. */
static void
threads_change_rounding_only(void **state)
{
    INK_CLEANUP(ink_dataset_unrefp) struct ink_dataset *train = columns(57, 1);
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *start = fresh(plain_net);
    const struct ink_snapshot *by_threads[4];
    struct ink_train_options options = quick();
    int last = ink_snapshot_arch(start)->node_count - 2;

    (void)state;
    options.augment.shift = 2;
    options.batch_size = 5; /* fewer than the most threads; 57 leaves a rest of 2 */
    for (int i = 0; i < 4; i++) {
        options.threads = 1 + 2 * i;
        by_threads[i] = trained(start, train, &options);
        for (size_t j = 0; j < ink_snapshot_arch(start)->node[last].weight_count; j++)
            assert_true(fabs((double)ink_snapshot_weights(by_threads[i], last)[j] -
                             (double)ink_snapshot_weights(by_threads[0], last)[j]) < 1e-4);
    }
    for (int i = 0; i < 4; i++)
        ink_snapshot_unref(by_threads[i]);
}

static void
assert_nearly_same(const struct ink_snapshot *a, const struct ink_snapshot *b, double allowed)
{
    const struct ink_arch *arch = ink_snapshot_arch(a);

    for (int i = 0; i < arch->node_count; i++) {
        for (size_t j = 0; j < arch->node[i].weight_count; j++)
            assert_true(fabs((double)ink_snapshot_weights(a, i)[j] -
                             (double)ink_snapshot_weights(b, i)[j]) < allowed);
        for (size_t j = 0; j < arch->node[i].statistic_count; j++)
            assert_true(fabs((double)ink_snapshot_statistics(a, i)[j] -
                             (double)ink_snapshot_statistics(b, i)[j]) < allowed);
    }
}

/* Nor do the shares that a thread has of a mini-batch, of which the last one may be small. */
static void
shares_change_rounding_only(void **state)
{
    static const int batches[] = {INK_SHARE_PICTURES - 1,     INK_SHARE_PICTURES,
                                  INK_SHARE_PICTURES + 1,     2 * INK_SHARE_PICTURES + 1,
                                  4 * INK_SHARE_PICTURES + 2, 5 * INK_SHARE_PICTURES};
    INK_CLEANUP(ink_dataset_unrefp) struct ink_dataset *train = columns(131, 1);
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *start = fresh(plain_net);

    (void)state;
    for (size_t i = 0; i < sizeof(batches) / sizeof(batches[0]); i++) {
        INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *small = NULL;
        struct ink_train_options options = quick();

        options.optimizer = INK_SGD;
        options.batch_size = batches[i];
        options.threads = 70; /* one picture or two each */
        small = trained(start, train, &options);
        for (int threads = 1; threads <= 3; threads++) {
            INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *other = NULL;

            options.threads = threads;
            other = trained(start, train, &options);
            assert_nearly_same(small, other, 1e-5);
        }
    }
}

/* Batch norm's groups are those of the mini-batch, whoever computes them. */
static void
threads_do_not_change_groups(void **state)
{
    INK_CLEANUP(ink_dataset_unrefp) struct ink_dataset *train = columns(237, 1);
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *start = fresh(small_net);
    const struct ink_snapshot *alone = NULL;
    struct ink_train_options options = quick();

    (void)state;
    options.optimizer = INK_SGD;
    options.batch_size = 77; /* groups of 26, 26, 25; at the end of 6 */
    options.threads = 1;
    alone = trained(start, train, &options);
    assert_int_equal(ink_norm_groups(77), 3);
    for (int threads = 2; threads <= 5; threads++) {
        INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *other = NULL;

        options.threads = threads;
        other = trained(start, train, &options);
        assert_nearly_same(alone, other, 1e-5);
    }
    ink_snapshot_unref(alone);
}

/* With many dense weights threads take turns; nothing but rounding tells, and not whether the
 * gradient is kept first. */
static void
turns_do_not_show(void **state)
{
    static const char text[] = "image: input 1x28x28\nc: conv 2 3x3\nr: relu\nf: flatten\n"
                               "d: dense 3120\ns: relu\ne: dense 10\n";
    INK_CLEANUP(ink_dataset_unrefp) struct ink_dataset *train = columns(24, 1);
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *start = fresh(text);
    const struct ink_snapshot *by_threads[3], *kept;
    struct ink_train_options options = quick();

    (void)state;
    options.optimizer = INK_SGD;
    options.batch_size = 8;
    options.epochs = 1;
    for (int i = 0; i < 3; i++) {
        options.threads = 1 + i;
        by_threads[i] = trained(start, train, &options);
        assert_nearly_same(by_threads[0], by_threads[i], 1e-5);
    }
    options.clip = 1e6;
    kept = trained(start, train, &options);
    assert_true(is_same(kept, by_threads[2]));
    ink_snapshot_unref(kept);
    for (int i = 0; i < 3; i++)
        ink_snapshot_unref(by_threads[i]);
}

static void
groups_are_even(void **state)
{
    (void)state;
    assert_int_equal(ink_norm_groups(1), 1);
    assert_int_equal(ink_norm_groups(INK_NORM_GROUP), 1);
    assert_int_equal(ink_norm_groups(INK_NORM_GROUP + 1), 2);
    for (int count = 1; count < 300; count++) {
        int groups = ink_norm_groups(count);

        assert_int_equal(ink_norm_group_start(count, groups, 0), 0);
        assert_int_equal(ink_norm_group_start(count, groups, groups), count);
        for (int i = 0; i < groups; i++) {
            int start = ink_norm_group_start(count, groups, i);
            int size = ink_norm_group_start(count, groups, i + 1) - start;

            assert_in_range(size, count / groups, INK_NORM_GROUP);
            /* the same from the middle on, as a share has them */
            for (int j = i; j <= groups; j++)
                assert_int_equal(ink_norm_group_start(count - start, groups - i, j - i) + start,
                                 ink_norm_group_start(count, groups, j));
        }
    }
}

/* Two passes over the gradient give what one gives; a short gradient is not touched. */
static void
clipping_is_exact(void **state)
{
    INK_CLEANUP(ink_dataset_unrefp) struct ink_dataset *train = columns(110, 1);
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *start = fresh(small_net);

    (void)state;
    for (int threads = 1; threads <= 3; threads++) {
        INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *free = NULL;
        INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *wide = NULL;
        INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *tight = NULL;
        struct ink_train_options options = quick();

        options.threads = threads;
        options.average = 0.5;
        options.weight_decay = 1e-3;
        free = trained(start, train, &options);
        options.clip = 1e9;
        wide = trained(start, train, &options);
        assert_true(is_same(free, wide));
        options.clip = 0.01;
        tight = trained(start, train, &options);
        assert_false(is_same(free, tight));
    }
}

/* One step of plain SGD at rate 1 moves all weights together by no more than the clip. */
static void
clipping_clips(void **state)
{
    INK_CLEANUP(ink_dataset_unrefp) struct ink_dataset *train = columns(20, 1);
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *start = fresh(plain_net);
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *moved = NULL;
    struct ink_train_options options = quick();
    const struct ink_arch *arch = ink_snapshot_arch(start);
    double squares = 0;

    (void)state;
    options.epochs = 1;
    options.optimizer = INK_SGD;
    options.schedule = INK_CONSTANT;
    options.learning_rate = 1;
    options.clip = 0.125;
    moved = trained(start, train, &options);
    for (int i = 0; i < arch->node_count; i++) {
        for (size_t j = 0; j < arch->node[i].weight_count; j++)
            squares += pow((double)ink_snapshot_weights(moved, i)[j] -
                               (double)ink_snapshot_weights(start, i)[j],
                           2);
        for (size_t j = 0; j < arch->node[i].bias_count; j++)
            squares += pow((double)ink_snapshot_biases(moved, i)[j] -
                               (double)ink_snapshot_biases(start, i)[j],
                           2);
    }
    assert_true(fabs(sqrt(squares) - 0.125) < 1e-5);
}

struct watch {
    atomic_bool cancel;
    int64_t cancel_at; /* step; -1 = in the first validation; -2 = in the second */
    int validations, snapshots, reports;
    const struct ink_snapshot *newest;
};

static void
on_progress(void *self, const struct ink_train_progress *progress)
{
    struct watch *watch = self;

    watch->reports++;
    watch->validations += progress->is_validating;
    if (watch->cancel_at >= 0 ? progress->step >= watch->cancel_at
                              : progress->is_validating && watch->validations == -watch->cancel_at)
        atomic_store(&watch->cancel, true);
}

static void
on_snapshot(void *self, const struct ink_snapshot *snapshot)
{
    struct watch *watch = self;

    watch->snapshots++;
    ink_snapshot_unref(watch->newest);
    watch->newest = ink_snapshot_ref(snapshot);
}

static void
cancel_keeps_the_best_so_far(void **state)
{
    INK_CLEANUP(ink_dataset_unrefp) struct ink_dataset *train = columns(100, 1);
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *start = fresh(small_net);
    struct ink_train_options options = quick();
    struct ink_err err;

    (void)state;
    options.epochs = 1000;
    for (int64_t at = -2; at <= 0; at++) {
        struct watch watch = {.cancel_at = at};
        struct ink_train_observer observer = {
            .self = &watch, .on_progress = on_progress, .on_snapshot = on_snapshot};
        struct ink_train_result result = {0};

        assert_ok(
            ink_train_run(start, train, train, &options, &observer, &watch.cancel, &result, &err),
            &err);
        assert_true(result.is_cancelled);
        assert_non_null(result.best);
        if (at == 0) {
            assert_int_equal(result.progress.step, 0);
            assert_true(is_same(result.best, start));
        } else {
            assert_int_equal(result.progress.step, 5 * -at);
            assert_int_equal(result.progress.validation_count, -at - 1);
        }
        if (at == -2) /* the first epoch was validated: that is the best */
            assert_true(fabs(ink_snapshot_record(result.best)->epochs - 3) < 1e-9);
        assert_ptr_equal(watch.newest, result.best);
        ink_snapshot_unref(watch.newest);
        ink_snapshot_unref(result.best);
    }
}

/* Sets the flag from another thread, whatever the trainer is at. */
static void *
cancel_soon(void *self)
{
    struct timespec soon = {.tv_nsec = 5000000};

    (void)nanosleep(&soon, NULL);
    atomic_store((atomic_bool *)self, true);
    return NULL;
}

/* A mini-batch that takes seconds is dropped half-way: no weight has moved. */
static void
cancel_does_not_wait_for_a_mini_batch(void **state)
{
    INK_CLEANUP(ink_dataset_unrefp) struct ink_dataset *train = columns(4000, 1);
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *start = fresh(small_net);
    struct ink_train_options options = quick();
    struct ink_train_result result = {0};
    atomic_bool cancel = false;
    struct ink_err err;
    pthread_t other;

    (void)state;
    options.batch_size = 4000;
    options.augment.elastic = 1; /* some time a picture */
    assert_int_equal(pthread_create(&other, NULL, cancel_soon, &cancel), 0);
    assert_ok(ink_train_run(start, train, NULL, &options, NULL, &cancel, &result, &err), &err);
    assert_int_equal(pthread_join(other, NULL), 0);
    assert_true(result.is_cancelled);
    assert_int_equal(result.progress.step, 0);
    assert_true(is_same(result.best, start));
    ink_snapshot_unref(result.best);
}

static void
snapshots_are_handed_out(void **state)
{
    INK_CLEANUP(ink_dataset_unrefp) struct ink_dataset *train = columns(100, 1);
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *start = fresh(small_net);
    struct watch watch = {.cancel_at = INT64_MAX};
    struct ink_train_observer observer = {
        .self = &watch, .on_progress = on_progress, .on_snapshot = on_snapshot};
    struct ink_train_options options = quick();
    struct ink_train_result result = {0};
    const struct ink_record *record;
    struct ink_err err;

    (void)state;
    options.publish_s = 1e-9;
    assert_ok(ink_train_run(start, train, train, &options, &observer, NULL, &result, &err), &err);
    assert_int_equal(watch.snapshots, 10 + 2 + 1); /* steps, validations, the end */
    record = ink_snapshot_record(result.best);
    assert_string_equal(record->name, "test");
    assert_string_equal(record->data, "columns");
    assert_true(record->epochs > 2 && record->epochs <= 4);
    assert_true(result.progress.curve_count == 10);
    assert_true(result.progress.curve_step[9] == 10);
    ink_snapshot_unref(watch.newest);
    ink_snapshot_unref(result.best);
}

static void
curves_stay_within_their_room(void **state)
{
    INK_CLEANUP(ink_dataset_unrefp) struct ink_dataset *train = columns(8, 1);
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *start = fresh(plain_net);
    struct ink_train_options options = quick();
    struct ink_train_result result = {0};
    struct ink_err err;

    (void)state;
    options.epochs = 700;
    options.batch_size = 4;
    options.threads = 1;
    assert_ok(ink_train_run(start, train, train, &options, NULL, NULL, &result, &err), &err);
    assert_int_equal(result.progress.step, 1400);
    assert_in_range(result.progress.curve_count, INK_TRAIN_CURVE_MAX / 4, INK_TRAIN_CURVE_MAX);
    for (int i = 1; i < result.progress.curve_count; i++)
        assert_true(result.progress.curve_step[i] > result.progress.curve_step[i - 1]);
    assert_int_equal(result.progress.validation_count, INK_TRAIN_CURVE_MAX);
    assert_true(result.progress.validation_step[INK_TRAIN_CURVE_MAX - 1] == 1400);
    ink_snapshot_unref(result.best);
}

static void
loss_that_is_no_number_stops(void **state)
{
    static const char deep[] = "image: input 1x28x28\nf: flatten\nd: dense 20\ne: dense 20\n"
                               "g: dense 10\n";
    INK_CLEANUP(ink_dataset_unrefp) struct ink_dataset *train = columns(100, 1);
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *start = fresh(deep);
    struct ink_train_options options = quick();
    struct ink_train_result result = {0};
    struct ink_err err;

    (void)state;
    options.optimizer = INK_SGD;
    options.schedule = INK_CONSTANT;
    options.learning_rate = 1000;
    options.epochs = 50;
    assert_fails(INK_BADDATA, "try a learning rate below 1000",
                 ink_train_run(start, train, NULL, &options, NULL, NULL, &result, &err), &err);
    assert_non_null(strstr(err.message, " at step "));
    assert_non_null(result.best);
    assert_true(is_same(result.best, start));
    ink_snapshot_unref(result.best);
}

/* The last step breaks the weights, and no loss comes after it: the snapshot is looked at. */
static void
weights_that_are_no_numbers_stop(void **state)
{
    INK_CLEANUP(ink_dataset_unrefp) struct ink_dataset *train = columns(20, 1);
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *start = fresh(plain_net);
    struct ink_train_options options = quick();
    struct ink_train_result result = {0};
    struct ink_err err;

    (void)state;
    options.optimizer = INK_SGD;
    options.schedule = INK_CONSTANT;
    options.learning_rate = 1000;
    options.weight_decay = 1;
    options.momentum = 0.999;
    options.epochs = 1;
    options.batch_size = 20;
    ink_snapshot_edit_weights((struct ink_snapshot *)(uintptr_t)start, 3)[0] = 3e36F;
    memset(train->pixels, 0,
           train->count * INK_PICTURE_SIZE); /* weights play no part in the loss */
    assert_fails(INK_BADDATA, "not finite at step 1",
                 ink_train_run(start, train, NULL, &options, NULL, NULL, &result, &err), &err);
    assert_true(is_same(result.best, start));
    ink_snapshot_unref(result.best);
}

static void
options_have_ranges(void **state)
{
    INK_CLEANUP(ink_dataset_unrefp) struct ink_dataset *train = columns(10, 1);
    static const struct ink_dataset none = {.name = "none"};
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *start = fresh(plain_net);
    struct ink_train_result result;
    struct ink_err err;

    (void)state;
#define REFUSED(field, bad, text)                                                            \
    do {                                                                                     \
        struct ink_train_options options = quick();                                          \
                                                                                             \
        options.field = bad;                                                                 \
        assert_fails(INK_BADARG, text,                                                       \
                     ink_train_run(start, train, NULL, &options, NULL, NULL, &result, &err), \
                     &err);                                                                  \
        assert_null(result.best);                                                            \
    } while (0)
    REFUSED(epochs, 0, "epochs: 0 is not 1 to");
    REFUSED(batch_size, -1, "batch size: -1");
    REFUSED(threads, -1, "threads: -1");
    REFUSED(learning_rate, -0.5, "learning rate: -0.5");
    REFUSED(learning_rate, (double)NAN, "learning rate: ");
    REFUSED(momentum, 1, "momentum: 1");
    REFUSED(beta1, 1, "beta1");
    REFUSED(beta2, 1, "beta2");
    REFUSED(weight_decay, -1, "weight decay");
    REFUSED(clip, -1, "clip");
    REFUSED(rho, 1, "rho");
    REFUSED(epsilon, 2, "epsilon");
    REFUSED(label_smoothing, 1, "label smoothing");
    REFUSED(average, 1, "weight average");
    REFUSED(warm_up, -2, "warm-up");
    REFUSED(step_every, 0, "step every");
    REFUSED(step_factor, 1.5, "step factor");
    REFUSED(until, 1.01, "until");
    REFUSED(patience, -1, "patience");
    REFUSED(class_weight[3], -1, "class weight");
    REFUSED(class_weight[9], INK_CLASS_WEIGHT_MAX + 1, "class weight");
#undef REFUSED
    {
        struct ink_train_options options = quick();

        assert_fails(INK_BADARG, "has no pictures",
                     ink_train_run(start, &none, NULL, &options, NULL, NULL, &result, &err), &err);
    }
}

static void
evaluation_counts_and_cancels(void **state)
{
    INK_CLEANUP(ink_dataset_unrefp) struct ink_dataset *test = columns(75, 1);
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *snapshot = fresh(small_net);
    struct ink_evaluation one, two;
    atomic_bool cancel = true;
    struct ink_err err;
    uint32_t sum = 0, diagonal = 0;
    double loss = 0;

    (void)state;
    assert_ok(ink_evaluate(snapshot, test, 1, INK_COMPUTE(F32), NULL, &one, &err), &err);
    assert_ok(ink_evaluate(snapshot, test, 2, INK_COMPUTE(F32), NULL, &two, &err), &err);
    assert_memory_equal(one.probabilities, two.probabilities, 75 * 10 * sizeof(float));
    for (int i = 0; i < 10; i++) {
        diagonal += one.confusion[i][i];
        for (int j = 0; j < 10; j++)
            sum += one.confusion[i][j];
    }
    for (int i = 0; i < 75; i++)
        loss -= log((double)one.probabilities[i * 10 + test->labels[i]]) / 75;
    assert_int_equal(sum, 75);
    assert_int_equal(diagonal, one.correct);
    assert_true(fabs(loss - one.loss) < 1e-9);
    free(one.probabilities);
    free(two.probabilities);
    assert_fails(INK_CANCELLED, "cancelled",
                 ink_evaluate(snapshot, test, 2, INK_COMPUTE(F32), &cancel, &one, &err), &err);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_learns_with_every_optimizer),
        cmocka_unit_test(same_seed_same_weights),
        cmocka_unit_test(threads_change_rounding_only),
        cmocka_unit_test(shares_change_rounding_only),
        cmocka_unit_test(threads_do_not_change_groups),
        cmocka_unit_test(turns_do_not_show),
        cmocka_unit_test(groups_are_even),
        cmocka_unit_test(clipping_is_exact),
        cmocka_unit_test(clipping_clips),
        cmocka_unit_test(cancel_keeps_the_best_so_far),
        cmocka_unit_test(cancel_does_not_wait_for_a_mini_batch),
        cmocka_unit_test(snapshots_are_handed_out),
        cmocka_unit_test(curves_stay_within_their_room),
        cmocka_unit_test(loss_that_is_no_number_stops),
        cmocka_unit_test(weights_that_are_no_numbers_stop),
        cmocka_unit_test(options_have_ranges),
        cmocka_unit_test(evaluation_counts_and_cancels),
    };

    return cmocka_run_group_tests_name("trainer", tests, NULL, NULL);
}
