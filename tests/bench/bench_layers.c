/* SPDX-License-Identifier: MIT */
/*
 * bench_layers: where a training step's time goes, node by node, on one thread.
 *
 *   bench_layers [f32|bf16] [ARCHITECTURE ...]     keras in f32 unless said otherwise
 *
 * 64 pictures of MNIST (of noise, if it is not on this machine), new weights;
 * the thread's own time, the best of many rounds, a picture. Work is what is
 * executed: where the picture has ink, and backward through a pool the windows
 * that are left. The percentage is of what this thread's registers can do (peak.h).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/rng.h"
#include "model/dataset.h"
#include "model/net_run.h"
#include "model/predictor.h"
#include "tests/bench/peak.h"

enum { PICTURES = 64, ROUNDS = 40, PEAK_ROUNDS = 40, PEAK_REPEATS = 20000 };

static double
now_us(void)
{
    struct timespec time;

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

static double
lesser(double a, double b)
{
    return a < b ? a : b;
}

/* Thousand floating-point operations a microsecond, 0 if unknown. */
static double
measure_peak(void)
{
    struct kind kinds[3];
    double best = 1e30;

    if (find_kinds(kinds) == 0 || strcmp(kinds[0].name, "f32") != 0)
        return 0;
    for (int i = 0; i < PEAK_ROUNDS; i++) {
        double start = now_us();

        kinds[0].run(PEAK_REPEATS);
        best = lesser(best, now_us() - start);
    }
    return kinds[0].operations * CHAINS * PEAK_REPEATS / best / 1e3;
}

/* One network in training. */
struct bench {
    struct ink_plan *plan;
    struct ink_workspace workspace;
    struct ink_run run;
    float *block, *turned, *gradient;
    uint8_t labels[PICTURES];
    double forward[INK_ARCH_NODE_MAX], backward[INK_ARCH_NODE_MAX]; /* us, the best */
    double live[INK_ARCH_NODE_MAX]; /* of a pooled convolution's outputs */
};

static enum ink_status
fill_pictures(struct bench *bench, struct ink_err *err)
{
    INK_CLEANUP(ink_dataset_unrefp) struct ink_dataset *data = NULL;
    struct ink_data_options options = {0};
    float *pixels = ink_net_value(bench->plan, &bench->workspace, 0, 0);
    enum ink_status status;
    struct ink_rng rng;

    ink_rng_init(&rng, 1, 1);
    if (ink_dataset_is_local("mnist", &options)) {
        status = ink_dataset_load("mnist", INK_TRAIN, &options, &data, err);
        if (status)
            return status;
    }
    for (size_t i = 0; i < (size_t)PICTURES * INK_PICTURE_SIZE; i++)
        pixels[i] = data ? (float)data->pixels[i] / 255.0F : ink_rng_between(&rng, 0, 1);
    for (size_t i = 0; i < PICTURES; i++)
        bench->labels[i] = data ? data->labels[i] : (uint8_t)(i % INK_CLASS_COUNT);
    return INK_OK;
}

/* One node both ways, for all of a run's pictures; its time is added to us[]. */
static void
run_node(const struct ink_run *run, int index, void (*way)(const struct ink_run *run, int index),
         double us[static INK_ARCH_NODE_MAX])
{
    double start = now_us();

    way(run, index);
    us[index] += now_us() - start;
}

static void
keep_least(const struct bench *bench, const double us[static INK_ARCH_NODE_MAX],
           double least[static INK_ARCH_NODE_MAX])
{
    for (int i = 1; i < bench->plan->node_count; i++)
        least[i] = lesser(least[i], us[i]);
}

static void
run_forward(struct bench *bench, int round)
{
    double us[INK_ARCH_NODE_MAX] = {0};

    for (int n = 0; n < PICTURES; n++)
        ink_rng_init(&bench->workspace.rng[n], (uint64_t)round, (uint64_t)n);
    bench->workspace.count = PICTURES;
    ink_run_blanks(&bench->run);
    for (int n = 0; n < PICTURES; n++) {
        const struct ink_run one = ink_run_one(&bench->run, n);

        for (int i = 1; i < bench->plan->head_end; i++)
            run_node(&one, i, ink_run_forward, us);
    }
    for (int i = bench->plan->head_end; i < bench->plan->node_count; i++)
        run_node(&bench->run, i, ink_run_forward, us);
    keep_least(bench, us, bench->forward);
}

/* The share of a convolution's outputs that are computed. */
static double
inked_share(const struct bench *bench, int index)
{
    const struct ink_plan_node *at = &bench->plan->node[index];
    struct ink_span spans[INK_SPAN_MAX];
    double inked = 0;

    if (!at->skips_blank)
        return 1;
    for (size_t n = 0; n < PICTURES; n++) {
        ink_run_find_spans(&bench->run, index, n, spans);
        for (int i = 0; i < at->kept.height; i++)
            inked += spans[i].to - spans[i].from;
    }
    return inked / ((double)at->kept.height * at->kept.width * PICTURES);
}

/* The share of a pooled convolution's outputs that have a gradient. */
static double
live_share(const struct bench *bench, int index)
{
    const struct ink_plan_node *at = &bench->plan->node[index];
    size_t count = ink_shape_count(at->kept) * PICTURES, live = 0;
    const float *gradient = ink_run_gradient(&bench->run, index);
    const uint8_t *place = ink_run_places(&bench->run, at);

    for (size_t i = 0; i < count; i++)
        live += gradient[i] != 0 && place[i] != INK_POOLED_DEAD;
    return (double)live / ((double)ink_shape_count(at->out) * PICTURES);
}

static void
run_backward(struct bench *bench)
{
    int last = bench->plan->node_count - 1;
    double us[INK_ARCH_NODE_MAX] = {0};

    for (int n = 0; n < PICTURES; n++) {
        float *gradient = ink_net_gradient(bench->plan, &bench->workspace, last, n);

        ink_softmax(ink_net_value(bench->plan, &bench->workspace, last, n), gradient);
        gradient[bench->labels[n]] -= 1;
    }
    for (int i = last; i >= bench->plan->head_end; i--)
        run_node(&bench->run, i, ink_run_backward, us);
    for (int n = 0; n < PICTURES; n++) {
        const struct ink_run one = ink_run_one(&bench->run, n);

        for (int i = 1; i < bench->plan->head_end; i++)
            if (bench->plan->node[i].is_again)
                run_node(&one, i, ink_run_forward, us);
        for (int i = bench->plan->head_end - 1; i > 0; i--)
            run_node(&one, i, ink_run_backward, us);
    }
    for (int i = last; i > 0; i--)
        if (bench->plan->node[i].pooled >= 0)
            bench->live[i] = live_share(bench, i);
    keep_least(bench, us, bench->backward);
}

static void
print_part(double us, double work, double peak)
{
    printf(" %9.2f us", us / PICTURES);
    if (work > 0 && peak > 0)
        printf(" %7.2f MFLOP %5.1f %%", work / 1e6, work * PICTURES / us / 1e3 / peak * 100);
    else
        printf(" %21s", "");
}

static void
print_times(const struct bench *bench, const char *name, double peak)
{
    double forward = 0, backward = 0;

    printf("%s in %s: a picture, one thread, %s, peak of f32 %.0f GFLOP/s\n", name,
           ink_precision_name(bench->plan->precision), ink_compute_name(), peak);
    printf("%-22s %34s %34s\n", "", "forward", "backward");
    for (int i = 1; i < bench->plan->node_count; i++) {
        const struct ink_plan_node *at = &bench->plan->node[i];
        bool is_back = bench->plan->node[at->node->input[0]].needs_gradient;
        double outputs = (double)ink_shape_count(at->out), work = 0;

        forward += bench->forward[i] / PICTURES;
        backward += bench->backward[i] / PICTURES;
        if (at->node->op == INK_OP_CONV || at->node->op == INK_OP_DENSE)
            work = 2.0 * outputs * at->conv.kernel_height * at->conv.kernel_width *
                   at->conv.in_channels;
        printf("%-12.12s %-9s", at->node->name, ink_op_name(at->node->op));
        print_part(bench->forward[i], work * inked_share(bench, i), peak);
        print_part(bench->backward[i],
                   work * (is_back ? 2 : 1) * (at->pooled >= 0 ? bench->live[i] : 1), peak);
        printf("\n");
    }
    printf("%-22s %9.2f us %21s %9.2f us\n", "all", forward, "", backward);
}

static enum ink_status
bench_plan(struct bench *bench, const struct ink_snapshot *snapshot, struct ink_err *err)
{
    struct ink_plan *plan = bench->plan;
    enum ink_status status = ink_workspace_init(&bench->workspace, plan, PICTURES, err);

    if (status)
        return status;
    bench->block = ink_floats(ink_plan_block_size(plan));
    bench->turned = ink_floats(plan->turned_size);
    bench->gradient = ink_floats(plan->parameter_size);
    if (!bench->block || !bench->turned || !bench->gradient)
        return ink_fail(err, INK_NOMEM, "no memory for a network");
    ink_plan_pack(plan, snapshot, bench->block);
    ink_plan_turn(plan, ink_kernels(), bench->block, bench->turned, 0, 1);
    bench->run = (struct ink_run){.plan = plan,
                                  .kernels = ink_kernels(),
                                  .block = bench->block,
                                  .turned = bench->turned,
                                  .workspace = &bench->workspace,
                                  .count = PICTURES,
                                  .gradient = bench->gradient};
    status = fill_pictures(bench, err);
    for (int i = 0; i < plan->node_count; i++)
        bench->forward[i] = bench->backward[i] = 1e30;
    for (int i = 0; !status && i < ROUNDS; i++) {
        run_forward(bench, i);
        run_backward(bench);
    }
    return status;
}

static enum ink_status
bench_arch(const char *name, enum ink_precision precision, struct ink_err *err)
{
    INK_CLEANUP(ink_arch_destroy) struct ink_arch *arch = NULL;
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *snapshot = NULL;
    struct bench bench = {0};
    struct ink_zoo_entry entry;
    enum ink_status status;

    if (!ink_zoo_find(name, &entry))
        return ink_fail(err, INK_NOTFOUND, "no architecture '%s'", name);
    status = ink_arch_parse(entry.text, entry.size, &arch, err);
    if (!status)
        status = ink_snapshot_create(arch, NULL, 1, &snapshot, err);
    if (!status)
        status = ink_precision_choose(precision, ink_kernels(), &precision, err);
    if (!status)
        status = ink_plan_create(arch, INK_USE_TRAIN, precision, &bench.plan, err);
    if (!status)
        status = bench_plan(&bench, snapshot, err);
    if (!status)
        print_times(&bench, name, measure_peak());
    free(bench.block);
    free(bench.turned);
    free(bench.gradient);
    ink_workspace_fini(&bench.workspace);
    ink_plan_destroy(&bench.plan);
    return status;
}

int
main(int argc, char **argv)
{
    static char keras[] = "keras";
    char *usual[] = {keras};
    enum ink_precision precision = INK_PRECISION_F32;
    int first = argc > 1 && ink_precision_parse(argv[1], &precision) ? 2 : 1;
    char **names = argc > first ? argv + first : usual;
    int count = argc > first ? argc - first : 1;

    for (int i = 0; i < count; i++) {
        struct ink_err err;
        enum ink_status status = bench_arch(names[i], precision, &err);

        if (status) {
            (void)fprintf(stderr, "bench_layers: %s\n", err.message);
            return ink_status_exit(status);
        }
    }
    return 0;
}
