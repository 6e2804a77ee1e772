/* SPDX-License-Identifier: MIT */
/* training: rates, early ends, explosions, and what is told of every step. */
#include <math.h>

#include "model/schedule.h"
#include "train_fixture.h"

static void
rates_follow_their_schedule(void **state)
{
    struct ink_train_options options = ink_train_defaults();

    (void)state;
    options.learning_rate = 0.5;
    options.schedule = INK_CONSTANT;
    assert_true(ink_schedule_rate(&options, 1, 100) == 0.5);
    assert_true(ink_schedule_rate(&options, 100, 100) == 0.5);
    options.schedule = INK_COSINE;
    assert_true(fabs(ink_schedule_rate(&options, 1, 101) - 0.5) < 1e-9);
    assert_true(fabs(ink_schedule_rate(&options, 51, 101) - 0.25) < 1e-9);
    assert_true(fabs(ink_schedule_rate(&options, 101, 101)) < 1e-9);
    options.schedule = INK_ONE_CYCLE;
    options.warm_up = 0.2;
    assert_true(fabs(ink_schedule_rate(&options, 1, 101) - 0.02) < 1e-9);
    assert_true(fabs(ink_schedule_rate(&options, 21, 101) - 0.5) < 1e-9);
    assert_true(fabs(ink_schedule_rate(&options, 61, 101) - 0.25) < 1e-5);
    assert_true(fabs(ink_schedule_rate(&options, 101, 101) - 0.000002) < 1e-9);
    options.warm_up = 20; /* the same, as a number of steps */
    assert_true(fabs(ink_schedule_rate(&options, 21, 101) - 0.5) < 1e-9);
    assert_true(ink_schedule_rate(&options, 20, 101) < 0.5);
    for (int edge = 0; edge <= 1; edge++) { /* no rise, no fall */
        options.warm_up = edge;
        for (int step = 1; step <= 10; step++) {
            double rate = ink_schedule_rate(&options, step, 10);

            assert_true(rate > 0 && rate <= 0.5);
        }
    }
}

/* The others rise in a line, from what the first step moves already. */
static void
rates_warm_up(void **state)
{
    static const enum ink_schedule all[] = {INK_CONSTANT, INK_COSINE, INK_STEP};
    struct ink_train_options options = ink_train_defaults();

    (void)state;
    options.learning_rate = 0.5;
    options.epochs = 10;
    options.step_every = 3;
    options.step_factor = 0.1;
    options.warm_up = 4;
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
        options.schedule = all[i];
        for (int step = 1; step <= 5; step++)
            assert_true(fabs(ink_schedule_rate(&options, step, 100) - 0.1 * step) < 1e-12);
    }
    options.schedule = INK_COSINE; /* over what is left */
    options.warm_up = 0.5;
    assert_true(fabs(ink_schedule_rate(&options, 51, 101) - 0.5) < 1e-12);
    assert_true(fabs(ink_schedule_rate(&options, 76, 101) - 0.25) < 1e-12);
    assert_true(fabs(ink_schedule_rate(&options, 101, 101)) < 1e-12);
    options.warm_up = 1; /* nothing is left */
    assert_true(fabs(ink_schedule_rate(&options, 101, 101) - 0.5) < 1e-12);
    options.warm_up = 1e9;
    assert_true(ink_schedule_rate(&options, 1, 101) > 0);
    assert_true(ink_schedule_rate(&options, 1, 1) > 0);
}

/* Epochs of 10 steps, a tenth after every third. */
static void
rates_fall_in_steps(void **state)
{
    struct ink_train_options options = ink_train_defaults();

    (void)state;
    options.learning_rate = 0.5;
    options.schedule = INK_STEP;
    options.epochs = 10;
    options.step_every = 3;
    options.step_factor = 0.1;
    for (int step = 1; step <= 100; step++) {
        int falls = (step - 1) / 30;
        double want = 0.5;

        while (falls-- > 0)
            want /= 10;
        assert_true(fabs(ink_schedule_rate(&options, step, 100) - want) < 1e-12);
    }
}

/* A run ends with the first validation that is good enough, or when none gets better any more. */
static void
it_ends_early(void **state)
{
    INK_CLEANUP(ink_dataset_unrefp) struct ink_dataset *train = columns(200, 1);
    INK_CLEANUP(ink_dataset_unrefp) struct ink_dataset *test = columns(50, 2);
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *start = fresh(small_net);
    struct ink_train_options options = quick();
    struct ink_train_result result = {0};
    struct ink_err err;

    (void)state;
    options.epochs = 40;
    options.schedule = INK_CONSTANT;
    options.until = 0.9;
    assert_ok(ink_train_run(start, train, test, &options, NULL, NULL, &result, &err), &err);
    assert_true(result.is_early);
    assert_true(result.progress.epoch < 40);
    assert_int_equal(result.progress.best_epoch, result.progress.epoch);
    assert_true(result.progress.best_accuracy >= 0.9);
    for (int i = 0; i + 1 < result.progress.validation_count; i++)
        assert_true(result.progress.validation_accuracies[i] < 0.9F);
    ink_snapshot_unref(result.best);

    options.until = 0;
    options.patience = 2;
    options.learning_rate = 1e-12; /* nothing changes */
    assert_ok(ink_train_run(start, train, test, &options, NULL, NULL, &result, &err), &err);
    assert_true(result.is_early);
    assert_int_equal(result.progress.epoch, result.progress.best_epoch + 2);
    ink_snapshot_unref(result.best);

    options.epochs = 1; /* the last one anyway */
    assert_ok(ink_train_run(start, train, test, &options, NULL, NULL, &result, &err), &err);
    assert_false(result.is_early);
    ink_snapshot_unref(result.best);
    options.until = 0.01; /* nothing is measured: it goes to the end */
    options.epochs = 2;
    assert_ok(ink_train_run(start, train, NULL, &options, NULL, NULL, &result, &err), &err);
    assert_false(result.is_early);
    assert_int_equal(result.progress.step, result.progress.step_count);
    ink_snapshot_unref(result.best);
}

struct steps {
    int steps, validations;
    double losses;
};

static void
count_step(void *self, const struct ink_train_progress *progress, double loss, double accuracy)
{
    struct steps *steps = self;

    assert_int_equal(progress->step, ++steps->steps);
    assert_true(accuracy >= 0 && accuracy <= 1 && isfinite(loss));
    steps->losses += loss;
    if (steps->steps <= 100)
        assert_true(fabs(progress->loss - steps->losses / steps->steps) < 1e-9);
}

static void
count_validation(void *self, const struct ink_train_progress *progress)
{
    struct steps *steps = self;

    assert_int_equal(progress->epoch, ++steps->validations);
    assert_true(isfinite(progress->validation_loss));
}

static void
every_step_is_told(void **state)
{
    INK_CLEANUP(ink_dataset_unrefp) struct ink_dataset *train = columns(110, 1);
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *start = fresh(plain_net);
    struct steps steps = {0};
    struct ink_train_observer observer = {
        .self = &steps, .on_step = count_step, .on_validation = count_validation};
    struct ink_train_options options = quick();
    struct ink_train_result result = {0};
    struct ink_err err;

    (void)state;
    assert_ok(ink_train_run(start, train, train, &options, &observer, NULL, &result, &err), &err);
    assert_int_equal(steps.steps, 12);
    assert_int_equal(steps.validations, 2);
    ink_snapshot_unref(result.best);
}

/* Rates that no learning survives: the step is named, and what is left is finite. */
static void
explosions_stop(void **state)
{
    static const enum ink_optimizer all[] = {INK_SGD, INK_ADAM, INK_ADAMW, INK_NESTEROV,
                                             INK_ADADELTA};
    INK_CLEANUP(ink_dataset_unrefp) struct ink_dataset *train = columns(200, 1);
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *start = fresh(small_net);

    (void)state;
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
        struct ink_train_options options = quick();
        struct ink_train_result result = {0};
        struct ink_err err;

        options.optimizer = all[i];
        options.schedule = INK_CONSTANT;
        options.learning_rate = 1e6;
        assert_fails(INK_BADDATA, " at step ",
                     ink_train_run(start, train, train, &options, NULL, NULL, &result, &err), &err);
        assert_non_null(strstr(err.message, "try a learning rate below 1e+06"));
        assert_non_null(result.best);
        assert_true(ink_snapshot_is_finite(result.best));
        ink_snapshot_unref(result.best);
    }
}

/* A loss of just below the limit is learned from, one above is not; class weights raise it. */
static void
the_limit_of_a_loss_is_sharp(void **state)
{
    static const struct {
        double loss, weight;
        bool is_fine;
    } table[] = {
        {INK_TRAIN_LOSS_MAX - 1, 1, true},
        {INK_TRAIN_LOSS_MAX + 1, 1, false},
        {INK_TRAIN_LOSS_MAX - 1, 5, true},
        {INK_TRAIN_LOSS_MAX + 1, 5, false},
    };
    INK_CLEANUP(ink_dataset_unrefp) struct ink_dataset *train = columns(20, 1);
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *start = fresh(plain_net);
    struct ink_snapshot *edited = (struct ink_snapshot *)(uintptr_t)start;
    struct ink_train_options options = quick();

    (void)state;
    options.epochs = 1;
    options.learning_rate = 1e-6;
    memset(train->labels, 1, train->count);
    memset(ink_snapshot_edit_weights(edited, 3), 0, 490 * sizeof(float));
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        struct ink_train_result result = {0};
        struct ink_err err;
        enum ink_status status;

        options.class_weight[1] = table[i].weight;
        ink_snapshot_edit_biases(edited, 3)[0] = (float)table[i].loss; /* and a 1 is never a 0 */
        status = ink_train_run(start, train, NULL, &options, NULL, NULL, &result, &err);
        assert_int_equal(status, table[i].is_fine ? INK_OK : INK_BADDATA);
        if (!table[i].is_fine)
            assert_non_null(strstr(err.message, "e+04 at step 1: try a learning rate below 1e-06"));
        ink_snapshot_unref(result.best);
    }
}

/* Sane weights that were handed out are better than those of the start. */
static void
an_explosion_leaves_the_last_sane_weights(void **state)
{
    INK_CLEANUP(ink_dataset_unrefp) struct ink_dataset *train = columns(200, 1);
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *start = fresh(plain_net);
    struct ink_train_options options = quick();
    struct ink_train_result result = {0};
    struct ink_evaluation evaluation;
    struct ink_err err;

    (void)state;
    options.optimizer = INK_SGD;
    options.schedule = INK_CONSTANT;
    options.learning_rate = 100; /* it rises and rises; from 2 on the decay drives weights apart */
    options.weight_decay = 1;
    options.warm_up = 1;
    options.epochs = 400;
    options.momentum = 0;
    options.publish_s = 1e-9;
    assert_fails(INK_BADDATA, " at step ",
                 ink_train_run(start, train, NULL, &options, NULL, NULL, &result, &err), &err);
    assert_false(is_same(result.best, start));
    assert_ok(ink_evaluate(result.best, train, 1, INK_COMPUTE(F32), NULL, &evaluation, &err), &err);
    assert_true(evaluation.loss < INK_TRAIN_LOSS_MAX);
    free(evaluation.probabilities);
    ink_snapshot_unref(result.best);
}

/* A gradient that is not finite has no length to be clipped to: the run stops all the same. */
static void
clipping_does_not_hide_infinity(void **state)
{
    static const char text[] = "image: input 1x28x28\nf: flatten\ne: dense 20\ng: dense 10\n";
    INK_CLEANUP(ink_dataset_unrefp) struct ink_dataset *train = columns(4, 1);
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *start = fresh(text);
    float *weights = ink_snapshot_edit_weights((struct ink_snapshot *)(uintptr_t)start, 3);
    struct ink_train_options options = quick();
    struct ink_train_result result = {0};
    struct ink_err err;

    (void)state;
    memset(train->pixels, 0, train->count * INK_PICTURE_SIZE); /* scores 0, a loss of 2.3 */
    memset(train->labels, 0, train->count);
    for (int i = 0; i < 200; i++)
        weights[i] = i < 20 ? 3e38F : -3e38F;
    options.clip = 1;
    options.batch_size = 1;
    options.learning_rate = 1e-6;
    options.schedule = INK_CONSTANT;
    for (options.epochs = 1; options.epochs <= 2; options.epochs++) {
        assert_fails(INK_BADDATA, "not finite at step",
                     ink_train_run(start, train, NULL, &options, NULL, NULL, &result, &err), &err);
        assert_true(is_same(result.best, start));
        ink_snapshot_unref(result.best);
    }
}

static void
classes_are_balanced(void **state)
{
    INK_CLEANUP(ink_dataset_unrefp) struct ink_dataset *train = columns(20, 1);
    double weight[INK_CLASS_COUNT];

    (void)state;
    for (size_t i = 0; i < 20; i++)
        train->labels[i] = i < 15 ? 0 : i < 19 ? 1 : 2;
    ink_train_balance(train, weight);
    assert_true(fabs(weight[0] - 20 / (10 * 15.0)) < 1e-12);
    assert_true(fabs(weight[1] - 20 / (10 * 4.0)) < 1e-12);
    assert_true(fabs(weight[2] - 20 / (10 * 1.0)) < 1e-12);
    assert_true(weight[9] == 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rates_follow_their_schedule),
        cmocka_unit_test(rates_warm_up),
        cmocka_unit_test(rates_fall_in_steps),
        cmocka_unit_test(it_ends_early),
        cmocka_unit_test(every_step_is_told),
        cmocka_unit_test(explosions_stop),
        cmocka_unit_test(the_limit_of_a_loss_is_sharp),
        cmocka_unit_test(an_explosion_leaves_the_last_sane_weights),
        cmocka_unit_test(clipping_does_not_hide_infinity),
        cmocka_unit_test(classes_are_balanced),
    };

    return cmocka_run_group_tests_name("training", tests, NULL, NULL);
}
