/* SPDX-License-Identifier: MIT */
/*
 * layers: gradients of every kind of node against central differences.
 *
 * The loss of a whole small network on noise is computed in double from the
 * scores; a parameter is moved by a step both ways. Scores are floats, so a
 * quotient is known to about 1e-6 / step. A kink (relu, maxpool) between the two
 * points spoils it: then a smaller step has to do, with a wider tolerance.
 */

#include "tests/unit/ink_test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "model/net_dense.h"
#include "model/predictor.h"
#include "model/snapshot_priv.h"

enum { PICTURES = 3, SAMPLES = 12 };

static const struct {
    double step, tolerance; /* of the quotient, or of 1 if that is more */
} tries[] = {{2e-3, 4e-3}, {5e-4, 8e-3}, {1.5e-4, 2e-2}, {5e-5, 5e-2}};

#define HEAD "image: input 1x28x28\nsmall: avgpool 4x4\n" /* 7x7: fast enough for ASan */

static const struct {
    const char *name, *text;
} nets[] = {
    {"dense", HEAD "f: flatten\nd: dense 12\nt: tanh\ne: dense 10 bias=no\n"},
    {"wide dense", HEAD "c: conv 3 2x2\nf: flatten\nd: dense 300\nt: tanh\ne: dense 10\n"},
    {"dense with few inputs and outputs left",
     HEAD "c: conv 40 2x2\nt: tanh\nn: dropout 0.7\nf: flatten\nd: dense 120\no: dropout 0.7\n"
          "e: dense 10\n"},
    {"dense from the picture", "image: input 1x28x28\nf: flatten\nd: dense 20\nt: tanh\n"
                               "g: dense 5\nu: tanh\nh: dense 10 from=g\nk: dense 10 from=u\n"
                               "s: add from=h,k\n"},
    {"conv", HEAD "c: conv 5 3x3\nt: tanh\nd: conv 3 2x3 bias=no\nf: flatten\ne: dense 10\n"},
    {"conv, stride and pad",
     HEAD "c: conv 4 3x3 pad=1\nt: tanh\nd: conv 3 3x3 stride=2 pad=1\nf: flatten\ne: dense 10\n"},
    {"conv, stride that leaves a rest",
     HEAD "c: conv 4 1x1\nt: tanh\nd: conv 18 2x2 stride=3\nf: flatten\ne: dense 10\n"},
    {"conv, window of 1 and stride 2, one adding", HEAD
     "c: conv 4 3x3 pad=1\nt: tanh\nd: conv 20 1x1 stride=2\nk: conv 20 3x3 stride=2 pad=1 from=t\n"
     "s: add from=d,k\nf: flatten\ne: dense 10\n"},
    {"conv, stride over a large window",
     HEAD "c: conv 17 1x1\nt: tanh\nd: conv 5 5x4 stride=2 pad=2\nf: flatten\ne: dense 10\n"},
    {"conv, strides wider than windows, even sizes",
     "image: input 1x28x28\nsmall: avgpool 3x3 stride=2\nc: conv 3 2x2\nt: tanh\nd: conv 5 2x1 "
     "stride=3\n"
     "u: tanh\ng: conv 4 3x3 stride=4 pad=1\nf: flatten\ne: dense 10\n"},
    {"conv, flat and tall windows", HEAD "c: conv 4 1x3 pad=0\nt: tanh\nd: conv 17 3x1\nu: "
                                         "tanh\ng: conv 5 1x2\nf: flatten\ne: dense 10\n"},
    {"relu", HEAD "c: conv 4 3x3\nr: relu\nd: conv 4 3x3\ns: relu\nf: flatten\ne: dense 10\n"},
    {"leakyrelu", HEAD "c: conv 4 3x3\nl: leakyrelu 0.3\nf: flatten\ne: dense 10\n"},
    {"sigmoid", HEAD "c: conv 4 3x3\ns: sigmoid\nd: conv 4 3x3\nf: flatten\ne: dense 10\n"},
    {"sigmoid behind relu", HEAD "c: conv 4 3x3\nr: relu\ns: sigmoid\nf: flatten\ne: dense 10\n"},
    {"tanh behind relu", HEAD "c: conv 4 3x3\nr: relu\ns: tanh\nf: flatten\ne: dense 10\n"},
    {"relu behind sigmoid", HEAD "c: conv 4 3x3\nr: sigmoid\ns: relu\nf: flatten\ne: dense 10\n"},
    {"conv of the image, again on the way back",
     "image: input 1x28x28\nc: conv 3 3x3 stride=3\nr: relu\nd: conv 4 3x3 stride=2\nt: tanh\n"
     "k: conv 4 3x3 stride=2 from=r\ns: add from=t,k\nf: flatten\ne: dense 10\n"},
    {"conv of the image that others write over",
     "image: input 1x28x28\nc: conv 3 3x3 stride=3\nl: leakyrelu 0.2\nd: conv 4 3x3 stride=2\n"
     "o: dropout 0.3\nf: flatten\ne: dense 10\n"},
    {"maxpool", HEAD "c: conv 4 2x2\nt: tanh\np: maxpool 2x2\nf: flatten\ne: dense 10\n"},
    {"maxpool that overlaps",
     HEAD "c: conv 4 3x3\nt: tanh\np: maxpool 3x2 stride=1\nf: flatten\ne: dense 10\n"},
    {"pooled conv, relu before",
     HEAD "c: conv 5 2x2\nr: relu\np: maxpool 2x2\nf: flatten\ne: dense 10\n"},
    {"pooled conv, relu behind, and what follows",
     "image: input 1x28x28\nsmall: avgpool 2x2\nc: conv 17 3x3\np: maxpool 2x2\nr: relu\n"
     "d: conv 18 3x3\ns: relu\nq: maxpool 2x2\no: dropout 0.3\nf: flatten\ne: dense 10\n"},
    {"pooled conv without relu, padded, odd",
     HEAD "c: conv 4 3x3 pad=1\nt: tanh\nd: conv 20 3x3 pad=1 bias=no\np: maxpool 2x2\nf: flatten\n"
          "e: dense 10\n"},
    {"pooled conv, two users",
     HEAD "c: conv 6 3x3 pad=1\nr: relu\np: maxpool 2x2\nv: conv 4 3x3 pad=1 from=p\nw: relu\n"
          "k: conv 4 1x1 from=p\nl: relu\nm: maxpool 3x3\nn: maxpool 3x3 from=w\n"
          "j: concat from=m,n\nf: flatten\ne: dense 10\n"},
    {"pooled convs on one input",
     HEAD "c: conv 3 3x3\nt: tanh\nv: conv 4 2x2 from=t\nr: relu\np: maxpool 2x2\n"
          "w: conv 5 3x3 pad=1 from=t\nq: maxpool 2x2\nx: conv 4 1x1\nj: add from=x,p\n"
          "f: flatten\ne: dense 10\n"},
    {"batchnorm, relu and pool",
     HEAD "c: conv 5 3x3 pad=1 bias=no\nb: batchnorm\nr: relu\np: maxpool 2x2\nf: flatten\n"
          "e: dense 10\n"},
    {"batchnorm in the image's conv, in groups",
     "image: input 1x28x28\nc: conv 5 3x3 bias=no\nb: batchnorm\nr: relu\np: maxpool 2x2\n"
     "q: avgpool 4x4\nf: flatten\ne: dense 10\n"},
    {"batchnorm in the image's conv, padded, odd",
     "image: input 1x28x28\nc: conv 17 4x4 pad=1 bias=no\nb: batchnorm\nr: relu\np: maxpool 2x2\n"
     "q: avgpool 4x4\nf: flatten\ne: dense 10\n"},
    {"avgpool", HEAD "c: conv 4 3x3\nt: tanh\np: avgpool 3x3 stride=1\nf: flatten\ne: dense 10\n"},
    {"globalpool", HEAD "c: conv 6 3x3\nt: tanh\ng: globalpool\ne: dense 10\n"},
    {"globalpool and flatten", HEAD "c: conv 6 3x3\ng: globalpool\nf: flatten\ne: dense 10\n"},
    {"batchnorm before other pools", HEAD
     "c: conv 4 3x3 pad=1 bias=no\nb: batchnorm\np: avgpool 3x2 stride=1\nd: conv 17 2x2 bias=no\n"
     "b2: batchnorm\nr: relu\nm: maxpool 2x3 stride=1\nk: conv 5 2x1 bias=no\nb3: batchnorm\n"
     "g: globalpool\ne: dense 10\n"},
    {"batchnorm",
     HEAD "c: conv 4 3x3 bias=no\nb: batchnorm\nt: tanh\nd: conv 3 3x3\nf: flatten\ne: dense 10\n"},
    {"batchnorm and relu",
     HEAD "c: conv 17 3x3 bias=no\nb: batchnorm\nr: relu\no: dropout 0.2\nd: conv "
          "3 3x3\nf: flatten\ne: dense 10\n"},
    {"batchnorm in groups",
     HEAD "c: conv 4 3x3 bias=no\nb: batchnorm\nt: tanh\nd: conv 17 3x3 bias=no\nb2: batchnorm\n"
          "r: relu\nf: flatten\ne: dense 10\n"},
    {"batchnorm, all woven in, in groups",
     HEAD "c: conv 4 3x3 pad=1 bias=no\nb: batchnorm\nr: relu\nd: conv 17 3x3 pad=1 bias=no\n"
          "b2: batchnorm\ne: conv 5 3x3\nk: conv 4 1x1 from=r\nl: conv 4 1x1\ns: add from=k,l\n"
          "b3: batchnorm\np: avgpool 2x2\nq: maxpool 2x2 from=b3\nt: add from=p,q\nf: flatten\n"
          "g: dense 10\nh: flatten from=e\ni: dense 10\nj: add from=g,i\n"},
    {"batchnorm of the picture",
     HEAD "b: batchnorm\nc: conv 4 3x3\nt: tanh\nf: flatten\ne: dense 10\n"},
    {"batchnorm of a vector", HEAD "f: flatten\nd: dense 7\nb: batchnorm\nt: tanh\ne: dense 10\n"},
    {"dropout", HEAD "c: conv 4 3x3\nr: relu\no: dropout 0.4\nf: flatten\nd: dense 9\nt: tanh\n"
                     "p: dropout 0.5\ne: dense 10\n"},
    {"add", HEAD "c: conv 4 3x3 pad=1\nt: tanh\nd: conv 4 3x3 pad=1\ns: add from=d,t\nf: flatten\n"
                 "e: dense 10\n"},
    {"adds of adds, of what others read too",
     HEAD "c: conv 4 3x3 pad=1\nt: tanh\nd: conv 5 3x3 pad=1\nb: batchnorm\nr: relu\n"
          "k: conv 5 3x3 pad=1 bias=no\ns: add from=k,d\nb2: batchnorm\nr2: relu\n"
          "l: conv 5 3x3 pad=1 bias=no\nu: add from=s,l\nm: conv 5 1x1 bias=no from=t\n"
          "n: conv 5 1x1 from=u\no: add from=u,n,m\nv: add from=o,d\nw: tanh\nf: flatten\n"
          "e: dense 10\n"},
    {"adds of strided convs of one input, each with a batch norm or two users", HEAD
     "c: conv 4 3x3 pad=1\nb: batchnorm\nr: relu\nd: conv 5 3x3 stride=2 pad=1 bias=no\n"
     "k: conv 5 1x1 stride=2 from=r\ns: add from=k,d\nl: conv 5 3x3 stride=2 pad=1 bias=no from=r\n"
     "m: conv 5 2x2 stride=2 bias=no from=c\no: conv 5 1x1 stride=2 bias=no from=r\nb2: batchnorm\n"
     "q: relu\nu: add from=q,l\nb3: batchnorm from=s\nv: add from=u,b3\np: globalpool from=m\n"
     "f: flatten from=p\ng: dense 10\nh: flatten from=v\ni: dense 10\nj: add from=g,i\n"},
    {"add of one twice",
     HEAD "c: conv 4 3x3\nt: tanh\ns: add from=t,t,t\nf: flatten\ne: dense 10\n"},
    {"concat", HEAD "c: conv 3 3x3\nt: tanh from=c\nu: sigmoid from=c\nv: conv 2 1x1 from=c\n"
                    "j: concat from=u,t,v,c\nf: flatten\ne: dense 10\n"},
    {"branches of all kinds", HEAD
     "c: conv 4 3x3 pad=1\nr: relu from=c\nb: batchnorm from=c\nm: maxpool 3x3 stride=1 from=c\n"
     "a: avgpool 3x3 stride=1 from=c\nv: conv 4 3x3 from=b\nw: conv 4 3x3 from=r\n"
     "o: dropout 0.3 from=c\nx: conv 4 3x3 from=o\n"
     "s: add from=m,a,v,w\nj: concat from=s,x\nf: flatten\ne: dense 10\n"},
    {"flat, then number by number", HEAD "c: conv 3 3x3\nf: flatten\nt: tanh\no: dropout 0.2\n"
                                         "d: dense 12\nu: tanh\ne: dense 10\n"},
    {"flat branches", HEAD "f: flatten\nd: dense 6\nt: tanh\ng: dense 6 from=d\ns: add from=t,g\n"
                           "j: concat from=s,f\ne: dense 10\n"},
    {"residual, before activation", HEAD
     "c: conv 4 3x3 pad=1 bias=no\nb: batchnorm\nr: relu\nd: conv 6 3x3 stride=2 pad=1 bias=no\n"
     "b2: batchnorm\nr2: relu\ng: conv 6 3x3 pad=1 bias=no\nk: conv 6 1x1 stride=2 from=r\n"
     "s: add from=g,k\nb3: batchnorm\nr3: relu\np: globalpool\ne: dense 10\nq: softmax\n"},
    {"tiles, residual, in groups",
     HEAD "c: conv 16 3x3 pad=1 bias=no\nb: batchnorm\nr: relu\nd: conv 32 3x3 pad=1 bias=no\n"
          "b2: batchnorm\nr2: relu\ng: conv 16 3x3 pad=1 bias=no\ns: add from=g,c\nb3: batchnorm\n"
          "r3: relu\nh: conv 16 3x3\nt: tanh\nf: flatten\ne: dense 10\n"},
    {"tiles, pooled, two users of one input",
     HEAD "c: conv 16 2x2\nt: tanh\nv: conv 16 3x3 pad=2 from=t\nr: relu\np: maxpool 2x2\n"
          "w: conv 32 3x3 pad=2 from=t\nu: relu\nx: conv 16 5x5\nj: add from=x,p\nf: flatten\n"
          "e: dense 10\n"},
};

/* A network in training, with its pictures. */
struct bench {
    struct ink_arch *arch;
    const struct ink_snapshot *snapshot;
    struct ink_plan *plan;
    struct ink_workspace workspace;
    const struct ink_kernels *kernels;
    float *block, *turned, *gradient, *scratch;
};

static void
bench_init_precise(struct bench *bench, const char *text, const struct ink_kernels *kernels,
                   enum ink_precision precision)
{
    struct ink_err err;
    struct ink_rng rng;
    float *pixels;

    *bench = (struct bench){.kernels = kernels};
    assert_ok(ink_arch_parse(text, strlen(text), &bench->arch, &err), &err);
    assert_ok(ink_snapshot_create(bench->arch, NULL, 3, &bench->snapshot, &err), &err);
    assert_ok(ink_plan_create(bench->arch, INK_USE_TRAIN, precision, &bench->plan, &err), &err);
    assert_ok(ink_workspace_init(&bench->workspace, bench->plan, INK_NORM_GROUP + 1, &err), &err);
    bench->block = ink_floats(ink_plan_block_size(bench->plan));
    bench->turned = ink_floats(bench->plan->turned_size);
    bench->gradient = ink_floats(bench->plan->parameter_size);
    bench->scratch = ink_floats(ink_dense_job_size(bench->plan, PICTURES));
    assert_true(bench->block && bench->turned && bench->gradient && bench->scratch);
    ink_plan_pack(bench->plan, bench->snapshot, bench->block);
    ink_rng_init(&rng, 11, 0);
    pixels = ink_net_value(bench->plan, &bench->workspace, 0, 0);
    for (size_t i = 0; i < (size_t)PICTURES * INK_PICTURE_SIZE; i++)
        pixels[i] = ink_rng_between(&rng, -1, 3);
    for (size_t i = 0; i < bench->plan->parameter_size; i++)
        if (bench->block[i] == 1) /* batch norm scales: not all the same */
            bench->block[i] = ink_rng_between(&rng, 0.5F, 1.5F);
}

static void
bench_init(struct bench *bench, const char *text, const struct ink_kernels *kernels)
{
    bench_init_precise(bench, text, kernels, INK_PRECISION_F32);
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
    ink_snapshot_unrefp(&bench->snapshot);
    ink_arch_destroy(&bench->arch);
}

/* Forward; cross entropy against labels 1, 2, ... in double. */
static double
loss_of(struct bench *bench)
{
    double loss = 0;

    ink_plan_turn(bench->plan, bench->kernels, bench->block, bench->turned, 0, 2);
    ink_plan_turn(bench->plan, bench->kernels, bench->block, bench->turned, 1, 2);
    for (int n = 0; n < PICTURES; n++)
        ink_rng_init(&bench->workspace.rng[n], 5, (uint64_t)n); /* the same dropout each time */
    ink_net_forward(bench->plan, bench->kernels, bench->block, bench->turned, &bench->workspace,
                    PICTURES);
    for (int n = 0; n < PICTURES; n++) {
        const float *scores =
            ink_net_value(bench->plan, &bench->workspace, bench->plan->node_count - 1, n);
        double sum = 0;

        for (int c = 0; c < INK_CLASS_COUNT; c++)
            sum += exp((double)scores[c]);
        loss += log(sum) - (double)scores[n + 1];
    }
    return loss;
}

static void
keep(void *self, size_t from, size_t count, const float *gradient)
{
    struct bench *bench = self;

    for (size_t i = 0; i < count; i++) {
        assert_true(bench->gradient[from + i] == 1e9F); /* each once */
        bench->gradient[from + i] = gradient[i];
    }
}

/* The dense weights' gradients, in three parts. */
static void
dense_gradients_of(struct bench *bench)
{
    const struct ink_workspace *share = &bench->workspace;

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
            .self = bench,
        };

        ink_dense_gradients(&job);
    }
}

static void
gradients_of(struct bench *bench)
{
    int last = bench->plan->node_count - 1;

    (void)loss_of(bench);
    for (int n = 0; n < PICTURES; n++) {
        float *gradient = ink_net_gradient(bench->plan, &bench->workspace, last, n);

        ink_softmax(ink_net_value(bench->plan, &bench->workspace, last, n), gradient);
        gradient[n + 1] -= 1;
    }
    for (size_t i = 0; i < bench->plan->parameter_size; i++)
        bench->gradient[i] = 1e9F; /* backward overwrites */
    ink_net_backward(bench->plan, bench->kernels, bench->block, bench->turned, &bench->workspace,
                     PICTURES, INK_NET_BACK_ALL, bench->gradient);
    for (size_t i = bench->plan->share_size; i < bench->plan->parameter_size; i++)
        assert_true(bench->gradient[i] == 1e9F);
    dense_gradients_of(bench);
}

static double
quotient_of(struct bench *bench, size_t i, double step)
{
    float kept = bench->block[i];
    double up, down;

    bench->block[i] = kept + (float)step;
    up = loss_of(bench);
    bench->block[i] = kept - (float)step;
    down = loss_of(bench);
    bench->block[i] = kept;
    return (up - down) / (2 * step);
}

static void
check_number(struct bench *bench, const char *net, const char *part, size_t at, size_t i)
{
    double gradient = (double)bench->gradient[i], quotient = 0;

    for (size_t j = 0; j < sizeof(tries) / sizeof(*tries); j++) {
        quotient = quotient_of(bench, i, tries[j].step);
        if (fabs(quotient - gradient) <= tries[j].tolerance * fmax(1, fabs(quotient)))
            return;
    }
    fail_msg("%s, %s, %s number %zu: gradient %g, difference quotient %g", bench->kernels->name,
             net, part, i - at, gradient, quotient);
}

/* Some numbers of block[at..at + size), those that are parameters and no padding. */
static void
check_numbers(struct bench *bench, const char *net, const char *part, size_t at, size_t size,
              size_t channels)
{
    struct ink_rng rng;
    int checked = 0;

    ink_rng_init(&rng, 23, at);
    for (int i = 0; i < 20 * SAMPLES && checked < SAMPLES; i++) {
        size_t number = at + ink_rng_below(&rng, (uint32_t)size);

        if (channels < INK_PANEL && (number - at) % INK_PANEL >= channels) {
            assert_true(bench->gradient[number] == 0); /* padding stays zero */
            continue;
        }
        check_number(bench, net, part, at, number);
        checked++;
    }
}

static void
check_net(const char *name, const char *text, const struct ink_kernels *kernels)
{
    struct bench bench;

    bench_init(&bench, text, kernels);
    if (strstr(name, "in groups")) /* two pictures, and one by itself */
        bench.workspace.group_count = 2;
    gradients_of(&bench);
    for (int i = 0; i < bench.plan->node_count; i++) {
        const struct ink_plan_node *at = &bench.plan->node[i];
        char part[64];

        if (at->node->weight_count == 0)
            continue;
        (void)snprintf(part, sizeof(part), "weights of %s", at->node->name);
        check_numbers(&bench, name, part, at->weight_at, at->weight_size, (size_t)at->out.channels);
        (void)snprintf(part, sizeof(part), "biases of %s", at->node->name);
        if (at->node->bias_count > 0)
            check_numbers(&bench, name, part, at->bias_at, ink_plan_bias_size(at),
                          (size_t)at->out.channels);
    }
    bench_fini(&bench);
}

static void
gradients_match_differences(void **state)
{
    const struct ink_kernels *all[INK_KERNELS_MAX];
    size_t count = ink_kernels_list(all);

    (void)state;
    for (size_t i = 0; i < sizeof(nets) / sizeof(*nets); i++)
        for (size_t j = 0; j < count; j++)
            check_net(nets[i].name, nets[i].text, all[j]);
}

/* A batch norm that is computed from the picture is the one of its convolution's outputs: a
 * leakyrelu without a slope is a relu that keeps the plan from taking them together. */
static void
first_norm_is_that_of_the_outputs(void **state)
{
    static const char *const convs[] = {"32 5x5 pad=2", "16 3x3", "7 2x2", "20 5x5 pad=4", "3 1x1"};
    const struct ink_kernels *all[INK_KERNELS_MAX];
    size_t count = ink_kernels_list(all);

    (void)state;
    for (size_t i = 0; i < count * sizeof(convs) / sizeof(*convs); i++) {
        struct bench bench[2];

        for (int j = 0; j < 2; j++) {
            char text[200];

            (void)snprintf(text, sizeof(text),
                           "image: input 1x28x28\nc: conv %s bias=no\nb: batchnorm\nr: %s\n"
                           "p: maxpool 2x2\nf: flatten\nd: dense 10\n",
                           convs[i / count], j ? "leakyrelu 0" : "relu");
            bench_init(&bench[j], text, all[i % count]);
            bench[j].workspace.group_count = 2;
            gradients_of(&bench[j]);
        }
        assert_true(bench[0].plan->node[1].normed == 2 && bench[1].plan->node[1].normed < 0);
        assert_int_equal(bench[0].plan->parameter_size, bench[1].plan->parameter_size);
        for (size_t k = 0; k < bench[0].plan->parameter_size; k++)
            if (fabs((double)bench[0].gradient[k] - (double)bench[1].gradient[k]) >
                2e-5 * fmax(1, fabs((double)bench[1].gradient[k])))
                fail_msg("conv %s with %s: gradient %zu is %g, of the outputs %g", convs[i / count],
                         all[i % count]->name, k, (double)bench[0].gradient[k],
                         (double)bench[1].gradient[k]);
        for (size_t k = 0; k < bench[0].plan->statistic_size; k++)
            assert_true(fabs((double)bench[0].workspace.statistics[k] -
                             (double)bench[1].workspace.statistics[k]) < 2e-5);
        bench_fini(&bench[0]);
        bench_fini(&bench[1]);
    }
}

/* Every table gives the same scores in training, answering and looking. */
static void
uses_give_the_same_answers(void **state)
{
    static const enum ink_use uses[] = {INK_USE_ANSWER, INK_USE_LOOK};
    const struct ink_kernels *all[INK_KERNELS_MAX];
    size_t count = ink_kernels_list(all);

    (void)state;
    for (size_t i = 0; i < sizeof(nets) / sizeof(*nets); i++) {
        float first[PICTURES * INK_CLASS_COUNT];
        bool has_first = false;

        for (size_t j = 0; j < count * 2; j++) {
            struct ink_plan *plan = NULL;
            struct ink_workspace workspace;
            struct bench bench;
            struct ink_err err;
            float *block, *scores;

            bench_init(&bench, nets[i].text, all[j / 2]);
            assert_ok(ink_plan_create(bench.arch, uses[j % 2], INK_PRECISION_F32, &plan, &err),
                      &err);
            assert_ok(ink_workspace_init(&workspace, plan, PICTURES + 1, &err), &err);
            block = ink_floats(ink_plan_block_size(plan));
            assert_non_null(block);
            ink_plan_pack(plan, bench.snapshot, block);
            memcpy(ink_net_value(plan, &workspace, 0, 0),
                   ink_net_value(bench.plan, &bench.workspace, 0, 0),
                   PICTURES * INK_PICTURE_SIZE * sizeof(float));
            ink_net_forward(plan, bench.kernels, block, NULL, &workspace, PICTURES);
            scores = ink_net_scores(plan, &workspace);
            if (!has_first)
                memcpy(first, scores, sizeof(first));
            has_first = true;
            for (size_t k = 0; k < PICTURES * INK_CLASS_COUNT; k++)
                if (fabs((double)scores[k] - (double)first[k]) >
                    1e-4 * fmax(1, fabs((double)first[k])))
                    fail_msg("%s with %s: score %zu is %g, was %g", nets[i].name,
                             bench.kernels->name, k, (double)scores[k], (double)first[k]);
            free(block);
            ink_workspace_fini(&workspace);
            ink_plan_destroy(&plan);
            bench_fini(&bench);
        }
    }
}

/* New ones are zero, which hides what margins get wrong. */
static void
set_biases(const struct ink_plan *plan, float *block)
{
    for (int i = 0; i < plan->node_count; i++)
        for (size_t j = 0; j < (plan->node[i].has_bias ? ink_plan_bias_size(&plan->node[i]) : 0);
             j++)
            block[plan->node[i].bias_at + j] = 0.3F * (float)(j % 7) - 0.5F;
}

/* Pixels of ink on a blank picture, or none: answers are those of the plan that computes every
 * output, to the bit where the kernels are the same. */
static void
blank_margins_change_no_answer(void **state)
{
    static const char *const texts[] = {
        "image: input 1x28x28\nc: conv 4 3x3 pad=1\nr: relu\nd: conv 20 3x3\ns: relu\n"
        "p: maxpool 2x2\nf: flatten\ne: dense 10\n",
        "image: input 1x28x28\nc: conv 5 5x3\nd: conv 33 2x3\np: maxpool 2x2\nr: relu\n"
        "f: flatten\ne: dense 10\n",
    };
    static const struct {
        int row, column;
    } inks[][2] = {{{14, 14}, {9, 17}}, {{0, 0}, {0, 0}}, {{27, 27}, {0, 13}}, {{5, 0}, {6, 27}}};
    const struct ink_kernels *all[INK_KERNELS_MAX];
    size_t count = ink_kernels_list(all);

    (void)state;
    for (size_t i = 0; i < 3 * count; i++) /* the third: the first in bf16 */
        for (size_t j = 0; j <= sizeof(inks) / sizeof(*inks); j++) {
            struct bench bench;
            float *pixels, scores[PICTURES * INK_CLASS_COUNT];

            if (i % 3 == 2 && !all[i / 3]->bf16)
                continue;
            bench_init_precise(&bench, texts[i % 3 % 2], all[i / 3],
                               i % 3 == 2 ? INK_PRECISION_BF16 : INK_PRECISION_F32);
            set_biases(bench.plan, bench.block);
            assert_true(bench.plan->has_blanks);
            assert_true(bench.plan->node[3].is_bf16 == (i % 3 == 2));
            pixels = ink_net_value(bench.plan, &bench.workspace, 0, 0);
            memset(pixels, 0, PICTURES * INK_PICTURE_SIZE * sizeof(*pixels));
            for (size_t k = 0; j > 0 && k < 2; k++) /* j = 0: nothing is drawn */
                for (size_t n = 1; n < PICTURES; n++)
                    pixels[n * INK_PICTURE_SIZE + (size_t)inks[j - 1][k].row * 28 +
                           (size_t)inks[j - 1][k].column] = 0.7F;
            (void)loss_of(&bench);
            memcpy(scores, ink_net_scores(bench.plan, &bench.workspace), sizeof(scores));
            for (int k = 0; k < bench.plan->node_count; k++)
                bench.plan->node[k].skips_blank = false;
            (void)loss_of(&bench);
            assert_memory_equal(scores, ink_net_scores(bench.plan, &bench.workspace),
                                sizeof(scores));
            bench_fini(&bench);
        }
}

/* Training statistics as the running ones: then training and answering agree. */
static void
batch_norm_answers_with_its_statistics(void **state)
{
    static const char text[] =
        HEAD "c: conv 4 3x3\nb: batchnorm\nr: relu\nf: flatten\ne: dense 10\n";
    struct ink_snapshot *copy = NULL;
    struct ink_plan *plan = NULL;
    struct ink_workspace workspace;
    struct bench bench;
    struct ink_err err;
    float *block, *statistics;

    (void)state;
    bench_init(&bench, text, ink_kernels());
    (void)loss_of(&bench);
    assert_ok(ink_snapshot_begin(bench.arch, NULL, &copy, &err), &err);
    statistics = bench.block + bench.plan->parameter_size;
    memcpy(statistics, bench.workspace.statistics, bench.plan->statistic_size * sizeof(float));
    for (int c = 0; c < 4; c++) /* the running variance is the unbiased one, the batch's is not */
        statistics[16 + c] *= (PICTURES * 25.0F - 1) / (PICTURES * 25.0F);
    for (int i = 0; i < bench.plan->node_count; i++)
        ink_plan_unpack(bench.plan, bench.block, i, ink_snapshot_edit_weights(copy, i),
                        ink_snapshot_edit_biases(copy, i), ink_snapshot_edit_statistics(copy, i));
    assert_ok(ink_plan_create(bench.arch, INK_USE_ANSWER, INK_PRECISION_F32, &plan, &err), &err);
    assert_ok(ink_workspace_init(&workspace, plan, PICTURES, &err), &err);
    block = ink_floats(ink_plan_block_size(plan));
    assert_non_null(block);
    ink_plan_pack(plan, copy, block);
    memcpy(ink_net_value(plan, &workspace, 0, 0), ink_net_value(bench.plan, &bench.workspace, 0, 0),
           PICTURES * INK_PICTURE_SIZE * sizeof(float));
    ink_net_forward(plan, ink_kernels(), block, NULL, &workspace, PICTURES);
    for (size_t i = 0; i < PICTURES * INK_CLASS_COUNT; i++)
        assert_true(fabs((double)ink_net_scores(plan, &workspace)[i] -
                         (double)ink_net_scores(bench.plan, &bench.workspace)[i]) < 1e-3);
    free(block);
    ink_workspace_fini(&workspace);
    ink_plan_destroy(&plan);
    ink_snapshot_unref(copy);
    bench_fini(&bench);
}

/* A plan that gives each gradient memory of its own. */
static void
set_apart(struct ink_plan *plan)
{
    size_t behind = plan->value_size;

    for (int i = 0; i < plan->node_count; i++) {
        struct ink_plan_node *at = &plan->node[i];

        if (at->is_alias || at->is_in_place || at->lent >= 0 || at->is_gradient_brief ||
            at->gradient_stays)
            continue;
        at->gradient_at = behind;
        behind += (ink_shape_count(at->kept) + INK_PANEL - 1) / INK_PANEL * INK_PANEL;
    }
    for (int i = plan->node_count - 1; i > 0; i--)
        if (plan->node[i].lent >= 0)
            plan->node[i].gradient_at = plan->node[plan->node[i].lent].gradient_at;
    for (int i = 1; i < plan->node_count; i++)
        if (plan->node[i].is_alias || plan->node[i].is_in_place)
            plan->node[i].gradient_at = plan->node[plan->node[i].node->input[0]].gradient_at;
    plan->value_size = behind;
}

static void
check_apart(const char *name, const char *text)
{
    struct bench shared, apart;
    struct ink_err err;

    bench_init(&shared, text, ink_kernels());
    bench_init(&apart, text, ink_kernels());
    set_apart(apart.plan);
    ink_workspace_fini(&apart.workspace);
    assert_ok(ink_workspace_init(&apart.workspace, apart.plan, PICTURES, &err), &err);
    memcpy(ink_net_value(apart.plan, &apart.workspace, 0, 0),
           ink_net_value(shared.plan, &shared.workspace, 0, 0),
           sizeof(float) * PICTURES * INK_PICTURE_SIZE);
    for (int i = 0; i < 2; i++) { /* the second time not over zeros */
        gradients_of(&shared);
        gradients_of(&apart);
        if (memcmp(shared.gradient, apart.gradient,
                   shared.plan->parameter_size * sizeof(*shared.gradient)) != 0)
            fail_msg("%s: a gradient lies where something else is still needed", name);
    }
    bench_fini(&shared);
    bench_fini(&apart);
}

static void
memory_is_lent_when_free(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(nets) / sizeof(*nets); i++)
        check_apart(nets[i].name, nets[i].text);
    for (size_t i = 0; i < ink_zoo_count(INK_ZOO_ARCH); i++) {
        struct ink_zoo_entry entry = ink_zoo_get(INK_ZOO_ARCH, i);
        char *text = calloc(entry.size + 1, 1);

        assert_non_null(text);
        memcpy(text, entry.text, entry.size);
        check_apart(entry.name, text);
        free(text);
    }
}

static void
batches_have_a_limit(void **state)
{
    struct bench bench;
    struct ink_err err;
    const struct ink_plan *plan;
    int most;

    (void)state;
    bench_init(&bench, nets[0].text, ink_kernels());
    plan = bench.plan;
    most = (int)(INK_LIMIT_BATCH_NUMBERS /
                 (plan->value_size + plan->staying_size + plan->extra_size + plan->place_size / 4));
    assert_ok(ink_plan_check_batch(plan, most, &err), &err);
    assert_fails(INK_TOOBIG, "expected at most", ink_plan_check_batch(plan, most + 1, &err), &err);
    bench_fini(&bench);
}

static void
dropout_drops_its_share(void **state)
{
    static const char text[] = "image: input 1x28x28\no: dropout 0.25\nf: flatten\ne: dense 10\n";
    struct bench bench;
    const float *in, *out;
    int dropped = 0, count = PICTURES * INK_PICTURE_SIZE;

    (void)state;
    bench_init(&bench, text, ink_kernels());
    (void)loss_of(&bench);
    in = ink_net_value(bench.plan, &bench.workspace, 0, 0);
    out = ink_net_value(bench.plan, &bench.workspace, 1, 0);
    for (int i = 0; i < count; i++)
        if (out[i] == 0)
            dropped++;
        else
            assert_true(fabs((double)out[i] - (double)in[i] / 0.75) < 1e-5);
    /* 2352 draws of 0.25: five standard deviations are 105 */
    assert_in_range(dropped, count / 4 - 105, count / 4 + 105);
    bench_fini(&bench);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_match_differences),
        cmocka_unit_test(first_norm_is_that_of_the_outputs),
        cmocka_unit_test(uses_give_the_same_answers),
        cmocka_unit_test(blank_margins_change_no_answer),
        cmocka_unit_test(batch_norm_answers_with_its_statistics),
        cmocka_unit_test(memory_is_lent_when_free),
        cmocka_unit_test(batches_have_a_limit),
        cmocka_unit_test(dropout_drops_its_share),
    };

    return cmocka_run_group_tests_name("layers", tests, NULL, NULL);
}
