/* SPDX-License-Identifier: MIT */
/*
 * precision: networks that compute in bf16, beside the same in float.
 *
 * Rounding to 8 bits moves a number by up to 2^-9 of itself; gradients of whole
 * small networks are compared as vectors, the length of the difference with the
 * length of the gradient. Where a sum is near the kink of a relu or of a maxpool,
 * one of a few hundred gradients is there or not, which is a tenth of the length.
 */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "model/kernels/kernels.h"
#include "model/net.h"
#include "model/net_dense.h"
#include "model/precision.h"
#include "model/predictor.h"
#include "train_fixture.h"

enum { PICTURES = 5 };

#define WIDE "wide: conv 16 3x3\n"
#define HEAD "image: input 1x28x28\nsmall: avgpool 4x4\n" /* 7x7: fast enough for ASan */

static const struct {
    const char *name, *text;
    double apart;
} nets[] = {
    {"dense", HEAD "f: flatten\nd: dense 33\nt: tanh\ne: dense 10\n", 0.02},
    {"odd dense",
     HEAD "f: flatten\nd: dense 17 bias=no\nt: tanh\ne: dense 21\nu: tanh\ng: dense 10\n", 0.02},
    {"conv",
     HEAD "c: conv 5 3x5\nt: tanh\nd: conv 19 2x3 bias=no\nu: tanh\nf: flatten\ne: dense 10\n",
     0.02},
    {"stride and pad",
     HEAD "c: conv 16 3x3 pad=1\nt: tanh\nd: conv 7 3x3 stride=2 pad=1\nf: flatten\ne: dense 10\n",
     0.02},
    {"stride that leaves a rest",
     HEAD "c: conv 4 1x1\nt: tanh\nd: conv 33 2x2 stride=3\nf: flatten\ne: dense 10\n", 0.02},
    {"pooled",
     HEAD "c: conv 18 2x2 pad=1\nr: relu\np: maxpool 2x2\nd: conv 32 3x3 pad=1\n"
          "s: relu\nf: flatten\ne: dense 10\n",
     0.3},
    {"branches",
     HEAD "c: conv 16 3x3 pad=1\nt: tanh\nv: conv 4 3x3 from=t\nw: conv 4 3x3 from=t\n"
          "s: add from=v,w\nj: concat from=s,v\nf: flatten\ne: dense 10\n",
     0.02},
    {"tiles",
     HEAD "c: conv 32 3x3 pad=1\nt: tanh\nd: conv 48 3x3 pad=1\nu: tanh\n"
          "g: conv 32 3x3 pad=1 bias=no\nf: flatten\ne: dense 10\n",
     0.02},
    {"tiles among norms",
     HEAD "c: conv 32 3x3 pad=1 bias=no\nb: batchnorm\nd: conv 48 3x3 pad=1 bias=no\n"
          "b2: batchnorm\ng: conv 32 3x3 pad=1 from=b2\nh: conv 32 3x3 pad=1 from=b2 bias=no\n"
          "s: add from=g,h\nt: tanh\nf: flatten\ne: dense 10\n",
     0.03},
    {"residual",
     HEAD
     "c: conv 16 3x3 pad=1 bias=no\nb: batchnorm\nr: tanh\nd: conv 32 3x3 stride=2 pad=1 bias=no\n"
     "b2: batchnorm\nr2: relu\ng: conv 32 3x3 pad=1 bias=no\nk: conv 32 1x1 stride=2 bias=no "
     "from=r\n"
     "s: add from=g,k\nb3: batchnorm\nr3: tanh\np: globalpool\ne: dense 10\n",
     0.3},
};

/* ---- one network's gradient ---- */

struct bench {
    struct ink_plan *plan;
    struct ink_workspace workspace;
    const struct ink_kernels *kernels;
    float *block, *turned, *gradient, *scratch;
};

static void
bench_init(struct bench *bench, const struct ink_snapshot *snapshot, enum ink_precision precision,
           const struct ink_kernels *kernels)
{
    struct ink_err err;
    struct ink_rng rng;
    float *pixels;

    *bench = (struct bench){.kernels = kernels};
    assert_ok(
        ink_plan_create(ink_snapshot_arch(snapshot), INK_USE_TRAIN, precision, &bench->plan, &err),
        &err);
    assert_ok(ink_workspace_init(&bench->workspace, bench->plan, INK_NORM_GROUP + 1, &err), &err);
    if (bench->plan->has_norm) /* 3 and 2 pictures: some pair is of both */
        bench->workspace.group_count = 2;
    bench->block = ink_floats(ink_plan_block_size(bench->plan));
    bench->turned = ink_floats(bench->plan->turned_size);
    bench->gradient = ink_floats(bench->plan->parameter_size);
    bench->scratch = ink_floats(ink_dense_job_size(bench->plan, PICTURES));
    assert_true(bench->block && bench->turned && bench->gradient && bench->scratch);
    ink_plan_pack(bench->plan, snapshot, bench->block);
    for (int part = 0; part < 3; part++)
        ink_plan_turn(bench->plan, kernels, bench->block, bench->turned, part, 3);
    ink_rng_init(&rng, 11, 0);
    pixels = ink_net_value(bench->plan, &bench->workspace, 0, 0);
    for (size_t i = 0; i < (size_t)PICTURES * INK_PICTURE_SIZE; i++)
        pixels[i] = ink_rng_between(&rng, -1, 3);
}

static void
bench_fini(struct bench *bench)
{
    free(bench->block);
    free(bench->turned);
    free(bench->gradient);
    free(bench->scratch);
    ink_workspace_fini(&bench->workspace);
    ink_plan_destroy(&bench->plan);
}

static void
keep(void *self, size_t from, size_t count, const float *gradient)
{
    memcpy((float *)self + from, gradient, count * sizeof(*gradient));
}

static void
forward(struct bench *bench)
{
    ink_net_forward(bench->plan, bench->kernels, bench->block, bench->turned, &bench->workspace,
                    PICTURES);
}

static void
gradients_of(struct bench *bench)
{
    const struct ink_workspace *share = &bench->workspace;
    int last = bench->plan->node_count - 1;

    forward(bench);
    for (int n = 0; n < PICTURES; n++) {
        float *gradient = ink_net_gradient(bench->plan, &bench->workspace, last, n);

        ink_softmax(ink_net_value(bench->plan, &bench->workspace, last, n), gradient);
        gradient[n] -= 1;
    }
    ink_net_backward(bench->plan, bench->kernels, bench->block, bench->turned, &bench->workspace,
                     PICTURES, INK_NET_BACK_ALL, bench->gradient);
    for (int part = 0; part < 3; part++) {
        const struct ink_dense_job job = {
            .plan = bench->plan,
            .kernels = bench->kernels,
            .shares = &share,
            .share_count = 1,
            .part = part,
            .parts = 3,
            .scratch = bench->scratch,
            .use = keep,
            .self = bench->gradient,
        };

        ink_dense_gradients(&job);
    }
}

/* Length of a - b over length of b. */
static double
distance(const float *a, const float *b, size_t count)
{
    double apart = 0, length = 0;

    for (size_t i = 0; i < count; i++) {
        apart += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
        length += (double)b[i] * (double)b[i];
    }
    return sqrt(apart / fmax(length, 1e-30));
}

static void
check_gradients(const char *name, double allowed, const struct ink_snapshot *snapshot,
                const struct ink_kernels *kernels)
{
    const struct ink_kernels *all[INK_KERNELS_MAX];
    struct bench floats, bf16;

    bench_init(&floats, snapshot, INK_PRECISION_F32, all[ink_kernels_list(all) - 1]);
    bench_init(&bf16, snapshot, INK_PRECISION_BF16, kernels);
    gradients_of(&floats);
    gradients_of(&bf16);
    assert_int_equal(floats.plan->parameter_size, bf16.plan->parameter_size);
    for (int i = 0; i < bf16.plan->node_count; i++) {
        const struct ink_plan_node *at = &bf16.plan->node[i];
        double apart;

        if (at->node->weight_count == 0)
            continue;
        apart = distance(bf16.gradient + at->weight_at, floats.gradient + at->weight_at,
                         at->weight_size);
        if (!(apart < allowed) || (at->is_bf16 && apart < 1e-5))
            fail_msg("%s, %s, weights of %s: apart by %g", kernels->name, name, at->node->name,
                     apart);
        apart = distance(bf16.gradient + at->bias_at, floats.gradient + at->bias_at,
                         (size_t)at->out.channels);
        if (at->node->bias_count > 0 && !(apart < allowed))
            fail_msg("%s, %s, biases of %s: apart by %g", kernels->name, name, at->node->name,
                     apart);
        for (size_t j = 0; j < at->weight_size && at->node->op != INK_OP_BATCHNORM; j++)
            if (j / (at->weight_size / (ink_plan_bias_size(at) / INK_PANEL)) * INK_PANEL +
                    j % INK_PANEL >=
                (size_t)at->out.channels)
                assert_true(bf16.gradient[at->weight_at + j] == 0); /* padding stays zero */
    }
    bench_fini(&floats);
    bench_fini(&bf16);
}

static void
gradients_are_near_the_floats(void **state)
{
    const struct ink_kernels *all[INK_KERNELS_MAX];
    size_t count = ink_kernels_list(all);

    (void)state;
    for (size_t i = 0; i < sizeof(nets) / sizeof(*nets); i++)
        for (size_t j = 0; j < count; j++)
            if (all[j]->bf16) {
                INK_CLEANUP(ink_snapshot_unrefp)
                const struct ink_snapshot *snapshot = snapshot_of(nets[i].text, NULL, 3);

                check_gradients(nets[i].name, nets[i].apart, snapshot, all[j]);
            }
}

/* ---- answers ---- */

/* Answering packs weights by itself: to the same scores as training's forward. */
static void
answers_are_those_of_training(void **state)
{
    const struct ink_kernels *all[INK_KERNELS_MAX];
    const struct ink_kernels *kernels = ink_kernels();

    (void)state;
    if (!kernels->bf16)
        kernels = all[ink_kernels_list(all) - 1];
    for (size_t i = 0; i < sizeof(nets) / sizeof(*nets); i++) {
        INK_CLEANUP(ink_snapshot_unrefp)
        const struct ink_snapshot *snapshot = snapshot_of(nets[i].text, NULL, 3);
        struct ink_plan *plan = NULL;
        struct ink_workspace workspace;
        struct bench bench;
        struct ink_err err;
        float *block;

        if (strstr(nets[i].text, "batchnorm")) /* statistics of its own in training */
            continue;
        bench_init(&bench, snapshot, INK_PRECISION_BF16, kernels);
        forward(&bench);
        assert_ok(ink_plan_create(ink_snapshot_arch(snapshot), INK_USE_ANSWER, INK_PRECISION_BF16,
                                  &plan, &err),
                  &err);
        assert_ok(ink_workspace_init(&workspace, plan, PICTURES, &err), &err);
        block = ink_floats(ink_plan_block_size(plan));
        assert_non_null(block);
        ink_plan_pack(plan, snapshot, block);
        memcpy(ink_net_value(plan, &workspace, 0, 0),
               ink_net_value(bench.plan, &bench.workspace, 0, 0),
               PICTURES * INK_PICTURE_SIZE * sizeof(float));
        ink_net_forward(plan, kernels, block, NULL, &workspace, PICTURES);
        assert_true(distance(ink_net_scores(plan, &workspace),
                             ink_net_scores(bench.plan, &bench.workspace),
                             PICTURES * INK_CLASS_COUNT) < 1e-6);
        free(block);
        ink_workspace_fini(&workspace);
        ink_plan_destroy(&plan);
        bench_fini(&bench);
    }
}

/* ---- which precision ---- */

static void
words_are_read(void **state)
{
    static const char *const words[] = {"f32", "bf16", "auto"};
    enum ink_precision precision;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        assert_true(ink_precision_parse(words[i], &precision));
        assert_string_equal(ink_precision_name(precision), words[i]);
    }
    assert_false(ink_precision_parse("f16", &precision));
    assert_false(ink_precision_parse("", &precision));
}

static enum ink_precision
chosen(enum ink_precision wanted, const struct ink_kernels *kernels)
{
    enum ink_precision precision = INK_PRECISION_AUTO;
    struct ink_err err;

    assert_ok(ink_precision_choose(wanted, kernels, &precision, &err), &err);
    return precision;
}

static void
auto_is_bf16_where_it_pays(void **state)
{
    static const struct ink_bf16 fast = {.is_fast = true}, slow = {.is_fast = false};
    const struct ink_kernels has_fast = {.name = "fast", .bf16 = &fast};
    const struct ink_kernels has_slow = {.name = "slow", .bf16 = &slow};
    const struct ink_kernels has_none = {.name = "avx2"};
    enum ink_precision precision = INK_PRECISION_AUTO;
    struct ink_err err;

    (void)state;
    assert_int_equal(chosen(INK_PRECISION_AUTO, &has_fast), INK_PRECISION_BF16);
    assert_int_equal(chosen(INK_PRECISION_AUTO, &has_slow), INK_PRECISION_F32);
    assert_int_equal(chosen(INK_PRECISION_AUTO, &has_none), INK_PRECISION_F32);
    assert_int_equal(chosen(INK_PRECISION_F32, &has_fast), INK_PRECISION_F32);
    assert_int_equal(chosen(INK_PRECISION_F32, &has_none), INK_PRECISION_F32);
    assert_int_equal(chosen(INK_PRECISION_BF16, &has_fast), INK_PRECISION_BF16);
    assert_int_equal(chosen(INK_PRECISION_BF16, &has_slow), INK_PRECISION_BF16);
    assert_fails(INK_NOTNOW, "precision 'bf16': avx2 cannot",
                 ink_precision_choose(INK_PRECISION_BF16, &has_none, &precision, &err), &err);
    assert_int_equal(precision, INK_PRECISION_AUTO);
}

/* Layers that use a number too seldom to make up for rounding it stay in float. */
static void
small_layers_stay_float(void **state)
{
    static const struct {
        const char *text;
        bool is_bf16;
    } table[] = {
        {"it: conv 32 3x3", false}, /* rows of 3 numbers */
        {"it: conv 16 5x5", true},
        {WIDE "it: conv 32 1x1 stride=2", false},
        {WIDE "it: conv 32 1x1", true},
        {WIDE "it: conv 16 3x3 stride=3", true},
        {WIDE "it: conv 16 3x3 stride=4", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        INK_CLEANUP(ink_arch_destroy) struct ink_arch *arch = NULL;
        struct ink_err err;
        char text[256];

        (void)snprintf(text, sizeof(text), "image: input 1x28x28\n%s\nf: flatten\nd: dense 10\n",
                       table[i].text);
        assert_ok(ink_arch_parse(text, strlen(text), &arch, &err), &err);
        assert_int_equal(ink_precision_is_bf16(&arch->node[ink_arch_find(arch, "it")]),
                         table[i].is_bf16);
        assert_true(ink_precision_is_bf16(&arch->node[ink_arch_find(arch, "d")]));
        assert_false(ink_precision_is_bf16(&arch->node[ink_arch_find(arch, "f")]));
    }
}

/* ---- training ---- */

static const struct ink_snapshot *
train(const struct ink_dataset *pictures, const struct ink_dataset *test,
      enum ink_precision precision, double *out_accuracy)
{
    INK_CLEANUP(ink_snapshot_unrefp)
    const struct ink_snapshot *start =
        snapshot_of("image: input 1x28x28\nc: conv 16 5x5 stride=2\nb: batchnorm\nr: relu\n"
                    "d: conv 20 3x3\ns: relu\np: maxpool 2x2\nf: flatten\n"
                    "e: dense 33\nt: relu\ng: dense 10\n",
                    NULL, 3);
    struct ink_train_options options = ink_train_defaults();
    struct ink_train_result result = {0};
    struct ink_err err;

    options.epochs = 5;
    options.batch_size = 40;
    options.threads = 2;
    options.publish_s = 0;
    options.precision = precision;
    assert_ok(ink_train_run(start, pictures, test, &options, NULL, NULL, &result, &err), &err);
    assert_int_equal(result.precision, precision);
    *out_accuracy = result.progress.best_accuracy;
    return result.best;
}

static double
weights_apart(const struct ink_snapshot *a, const struct ink_snapshot *b)
{
    double apart = 0;

    for (int i = 0; i < ink_snapshot_arch(a)->node_count; i++) {
        size_t count = ink_snapshot_arch(a)->node[i].weight_count;

        if (count > 0)
            apart = fmax(apart,
                         distance(ink_snapshot_weights(a, i), ink_snapshot_weights(b, i), count));
    }
    return apart;
}

/* The same bits each time, others than in float, and as good. */
static void
training_repeats_and_learns(void **state)
{
    INK_CLEANUP(ink_dataset_unrefp) struct ink_dataset *pictures = columns_on(130, 120, 600, 1);
    INK_CLEANUP(ink_dataset_unrefp) struct ink_dataset *test = columns_on(130, 120, 200, 2);
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *first = NULL;
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *second = NULL;
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *floats = NULL;
    double accuracy, again, in_floats;

    (void)state;
    if (!ink_kernels()->bf16) {
        print_message("  no bf16 with %s\n", ink_kernels()->name);
        return;
    }
    first = train(pictures, test, INK_PRECISION_BF16, &accuracy);
    second = train(pictures, test, INK_PRECISION_BF16, &again);
    floats = train(pictures, test, INK_PRECISION_F32, &in_floats);
    assert_true(weights_apart(first, second) == 0);
    assert_true(accuracy == again);
    assert_true(weights_apart(first, floats) > 1e-4);
    print_message("  accuracy %.3f, in floats %.3f\n", accuracy, in_floats);
    assert_true(accuracy > 0.9 && fabs(accuracy - in_floats) < 0.03);
}

/* Whole networks of the zoo: the probabilities move by less than a hundredth. */
static void
probabilities_stay(void **state)
{
    static const char *const names[] = {"conv1", "keras", "resnet", "sprint"};
    INK_CLEANUP(ink_dataset_unrefp) struct ink_dataset *test = columns_on(130, 120, 8, 2);

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names) && ink_kernels()->bf16; i++) {
        INK_CLEANUP(ink_arch_destroy) struct ink_arch *arch = NULL;
        INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *snapshot = NULL;
        struct ink_evaluation floats, bf16;
        struct ink_zoo_entry entry;
        struct ink_err err;

        assert_true(ink_zoo_find(INK_ZOO_ARCH, names[i], &entry));
        assert_ok(ink_arch_parse(entry.text, entry.size, &arch, &err), &err);
        assert_ok(ink_snapshot_create(arch, NULL, 5, &snapshot, &err), &err);
        assert_ok(ink_evaluate(snapshot, test, 1, INK_COMPUTE(F32), NULL, &floats, &err), &err);
        assert_ok(ink_evaluate(snapshot, test, 1, INK_COMPUTE(BF16), NULL, &bf16, &err), &err);
        for (size_t j = 0; j < 8 * INK_CLASS_COUNT; j++)
            assert_true(fabs((double)floats.probabilities[j] - (double)bf16.probabilities[j]) <
                        0.01);
        assert_true(distance(bf16.probabilities, floats.probabilities, 8 * INK_CLASS_COUNT) > 1e-7);
        free(floats.probabilities);
        free(bf16.probabilities);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_read),
        cmocka_unit_test(auto_is_bf16_where_it_pays),
        cmocka_unit_test(small_layers_stay_float),
        cmocka_unit_test(gradients_are_near_the_floats),
        cmocka_unit_test(answers_are_those_of_training),
        cmocka_unit_test(training_repeats_and_learns),
        cmocka_unit_test(probabilities_stay),
    };

    return cmocka_run_group_tests_name("precision", tests, NULL, NULL);
}
