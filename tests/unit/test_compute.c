/* SPDX-License-Identifier: MIT */
/* compute: the reference and the fast engine in one process, training and answering alike. */

#include <math.h>

#include "model/kernels/kernels.h"
#include "model/predictor.h"
#include "train_fixture.h"

static const struct ink_compute fast = {INK_PRECISION_F32, INK_ENGINE_FAST};
static const struct ink_compute reference = {INK_PRECISION_F32, INK_ENGINE_REFERENCE};

static const char net[] = "image: input 1x28x28\n"
                          "conv1: conv 5 3x3 stride=2 pad=1 bias=no\n"
                          "bn1: batchnorm\n"
                          "relu1: relu\n"
                          "conv2: conv 5 3x3 pad=1\n"
                          "tanh2: tanh\n"
                          "sum: add from=relu1,tanh2\n"
                          "pool: maxpool 2x2\n"
                          "drop: dropout 0.2\n"
                          "flat: flatten\n"
                          "dense1: dense 10\n";

static const struct ink_snapshot *
all_kinds(void)
{
    return snapshot_of(net, &(struct ink_record){.name = "x"}, 3);
}

static const struct ink_snapshot *
train_with(enum ink_engine engine, const struct ink_snapshot *start,
           const struct ink_dataset *train)
{
    struct ink_train_options options = ink_train_defaults();
    struct ink_train_result result = {0};
    struct ink_err err;

    options.engine = engine;
    options.threads = 2;
    options.batch_size = 20;
    options.epochs = 3;
    options.augment.shift = 2;
    options.augment.rotate = 10;
    options.augment.elastic = 1;
    options.augment.thickness = 1;
    assert_ok(ink_train_run(start, train, train, &options, NULL, NULL, &result, &err), &err);
    return result.best;
}

static void
test_names(void **state)
{
    enum ink_engine engine = INK_ENGINE_FAST;

    (void)state;
    assert_string_equal(ink_engine_name(INK_ENGINE_REFERENCE), "reference");
    assert_string_equal(ink_engine_name(INK_ENGINE_FAST), ink_kernels()->name);
    assert_true(ink_engine_parse("reference", &engine) && engine == INK_ENGINE_REFERENCE);
    assert_true(ink_engine_parse("fast", &engine) && engine == INK_ENGINE_FAST);
    assert_false(ink_engine_parse("slow", &engine));
}

/* Trained by both, asked by both: four combinations that agree. */
static void
test_same_answers(void **state)
{
    INK_CLEANUP(ink_dataset_unrefp) struct ink_dataset *train = columns(120, 1);
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *start = all_kinds();
    const enum ink_engine engines[] = {INK_ENGINE_FAST, INK_ENGINE_REFERENCE};
    struct ink_evaluation evaluation[2][2];
    struct ink_err err;

    (void)state;
    for (int i = 0; i < 2; i++) {
        INK_CLEANUP(ink_snapshot_unrefp)
        const struct ink_snapshot *trained = train_with(engines[i], start, train);

        for (int j = 0; j < 2; j++)
            assert_ok(ink_evaluate(trained, train, 2, (struct ink_compute){.engine = engines[j]},
                                   NULL, &evaluation[i][j], &err),
                      &err);
    }
    for (size_t n = 0; n < train->count * INK_CLASS_COUNT; n++) {
        double by_both = (double)evaluation[0][0].probabilities[n];

        assert_true(fabs((double)evaluation[0][1].probabilities[n] - by_both) < 1e-5);
        assert_true(fabs((double)evaluation[1][0].probabilities[n] - by_both) < 1e-3);
        assert_true(fabs((double)evaluation[1][1].probabilities[n] - by_both) < 1e-3);
    }
    for (int i = 0; i < 4; i++)
        free(evaluation[i / 2][i % 2].probabilities);
}

/* Two predictors beside each other; the reference is what the reference's kernels give. */
static void
test_side_by_side(void **state)
{
    INK_CLEANUP(ink_dataset_unrefp) struct ink_dataset *pictures = columns(8, 1);
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *snapshot = all_kinds();
    INK_CLEANUP(ink_predictor_destroy) struct ink_predictor *one = NULL, *other = NULL;
    float pixels[INK_PICTURE_SIZE], a[INK_CLASS_COUNT], b[INK_CLASS_COUNT], c[INK_CLASS_COUNT];
    struct ink_err err;

    (void)state;
    assert_ok(ink_predictor_create(snapshot, 1, 1, fast, &one, &err), &err);
    assert_ok(ink_predictor_create(snapshot, 1, 1, reference, &other, &err), &err);
    assert_int_equal(ink_predictor_engine(one), INK_ENGINE_FAST);
    assert_int_equal(ink_predictor_engine(other), INK_ENGINE_REFERENCE);
    for (size_t n = 0; n < pictures->count; n++) {
        for (size_t i = 0; i < INK_PICTURE_SIZE; i++)
            pixels[i] = (float)pictures->pixels[n * INK_PICTURE_SIZE + i] / 255;
        ink_predictor_run(one, pixels, 1, a);
        ink_predictor_run(other, pixels, 1, b);
        ink_predictor_trace(other, pixels, c);
        for (int i = 0; i < INK_CLASS_COUNT; i++)
            assert_true(fabsf(a[i] - b[i]) < 1e-5F && fabsf(b[i] - c[i]) < 1e-5F);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_same_answers),
        cmocka_unit_test(test_side_by_side),
    };

    return cmocka_run_group_tests_name("compute", tests, NULL, NULL);
}
