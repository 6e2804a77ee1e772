/* SPDX-License-Identifier: MIT */
/*
 * bench_layers: where a training step's time goes, or an answer's, node by node, on one thread.
 *
 *   bench_layers [f32|bf16] [answer=PICTURES] [ARCHITECTURE|FILE.safetensors ...]
 *
 * keras in f32, training on 64 pictures unless said otherwise. Pictures of MNIST
 * (of noise, if it is not on this machine), new weights or those of the file;
 * the thread's own time, the best of many rounds, a picture. Work is what is
 * executed: where the picture has ink, and backward through a pool the windows
 * that are left. The percentage is of what this thread's registers can do (peak.h).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "base/rng.h"
#include "model/dataset.h"
#include "model/net_run.h"
#include "model/predictor.h"
#include "tests/bench/peak.h"

enum { PICTURES = 64, PICTURE_MAX = 1024, ROUNDS = 40, PEAK_ROUNDS = 40, PEAK_REPEATS = 20000 };

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

/* One network. */
struct bench {
    struct ink_plan *plan;
    int pictures;
    struct ink_workspace workspace;
    struct ink_run run;
    float *block, *turned, *gradient;
    uint8_t labels[PICTURE_MAX];
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
    for (size_t i = 0; i < (size_t)bench->pictures * INK_PICTURE_SIZE; i++)
        pixels[i] = data ? (float)data->pixels[i] / 255.0F : ink_rng_between(&rng, 0, 1);
    for (size_t i = 0; i < (size_t)bench->pictures; i++)
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

    for (int n = 0; n < bench->pictures; n++)
        ink_rng_init(&bench->workspace.rng[n], (uint64_t)round, (uint64_t)n);
    bench->workspace.count = bench->pictures;
    ink_run_blanks(&bench->run);
    for (int n = 0; n < bench->pictures; n += INK_BODY_PICTURES) {
        const struct ink_run some = ink_run_some(&bench->run, n, INK_BODY_PICTURES);

        for (int m = 0; m < some.count; m++) {
            const struct ink_run one = ink_run_one(&some, m);

            for (int i = 1; i < bench->plan->head_end; i++)
                run_node(&one, i, ink_run_forward, us);
        }
        for (int i = bench->plan->head_end; i < bench->plan->body_end; i++)
            run_node(&some, i, ink_run_forward, us);
    }
    for (int i = bench->plan->body_end; i < bench->plan->node_count; i++)
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
    for (size_t n = 0; n < (size_t)bench->pictures; n++) {
        ink_run_find_spans(&bench->run, index, n, spans);
        for (int i = 0; i < at->kept.height; i++)
            inked += spans[i].to - spans[i].from;
    }
    return inked / ((double)at->kept.height * at->kept.width * bench->pictures);
}

/* A run's outputs of a pooled convolution that have a gradient: while it is there. */
static double
count_live(const struct ink_run *run, int index)
{
    const struct ink_plan_node *at = &run->plan->node[index];
    size_t count = ink_shape_count(at->kept) * (size_t)run->count, live = 0;

    if (at->pooled < 0 || !at->needs_gradient)
        return 0;
    for (size_t i = 0; i < count; i++)
        live +=
            ink_run_gradient(run, index)[i] != 0 && ink_run_places(run, at)[i] != INK_POOLED_DEAD;
    return (double)live;
}

static void
run_node_back(struct bench *bench, const struct ink_run *run, int index,
              double us[static INK_ARCH_NODE_MAX])
{
    double outputs = (double)ink_shape_count(bench->plan->node[index].out) * bench->pictures;

    bench->live[index] += count_live(run, index) / outputs;
    run_node(run, index, ink_run_backward, us);
}

static void
run_backward(struct bench *bench)
{
    int last = bench->plan->node_count - 1;
    double us[INK_ARCH_NODE_MAX] = {0};

    for (int n = 0; n < bench->pictures; n++) {
        float *gradient = ink_net_gradient(bench->plan, &bench->workspace, last, n);

        ink_softmax(ink_net_value(bench->plan, &bench->workspace, last, n), gradient);
        gradient[bench->labels[n]] -= 1;
    }
    memset(bench->live, 0, sizeof(bench->live));
    for (int i = last; i >= bench->plan->head_end; i--)
        run_node_back(bench, &bench->run, i, us);
    for (int n = 0; n < bench->pictures; n++) {
        const struct ink_run one = ink_run_one(&bench->run, n);

        for (int i = 1; i < bench->plan->head_end; i++)
            if (bench->plan->node[i].is_again)
                run_node(&one, i, ink_run_forward, us);
        for (int i = bench->plan->head_end - 1; i > 0; i--)
            run_node_back(bench, &one, i, us);
    }
    keep_least(bench, us, bench->backward);
}

static double
work_of(const struct ink_plan_node *at)
{
    if (at->node->op != INK_OP_CONV && at->node->op != INK_OP_DENSE)
        return 0;
    return 2.0 * (double)ink_shape_count(at->out) * at->conv.kernel_height * at->conv.kernel_width *
           at->conv.in_channels;
}

static void
print_part(double us, double work, double peak)
{
    printf(" %9.2f us", us);
    if (work > 0 && peak > 0)
        printf(" %7.2f MFLOP %5.1f %%", work / 1e6, work / us / 1e3 / peak * 100);
    else
        printf(" %21s", "");
}

static void
print_node(const struct bench *bench, int index, double peak)
{
    const struct ink_plan_node *at = &bench->plan->node[index];
    bool is_back = bench->plan->node[at->node->input[0]].needs_gradient;
    int ways_back = is_back + (at->node->op == INK_OP_CONV); /* dense weights: model/net_dense.h */
    double work = at->lead < 0 ? work_of(at) : 0;

    if (at->twin >= 0)
        work += work_of(&bench->plan->node[at->twin]);
    printf("%-12.12s %-9s", at->node->name, ink_op_name(at->node->op));
    print_part(bench->forward[index] / bench->pictures, work * inked_share(bench, index), peak);
    if (bench->plan->use == INK_USE_TRAIN)
        print_part(bench->backward[index] / bench->pictures,
                   work * ways_back * (at->pooled >= 0 ? bench->live[index] : 1), peak);
    printf("\n");
}

static void
print_times(const struct bench *bench, const char *name, double peak)
{
    bool is_training = bench->plan->use == INK_USE_TRAIN;
    double forward = 0, backward = 0;

    printf("%s in %s: a picture of %d, one thread, %s, peak of f32 %.0f GFLOP/s\n", name,
           ink_precision_name(bench->plan->precision), bench->pictures, ink_compute_name(), peak);
    printf("%-22s %34s %34s\n", "", "forward", is_training ? "backward" : "");
    for (int i = 1; i < bench->plan->node_count; i++) {
        forward += bench->forward[i] / bench->pictures;
        backward += bench->backward[i] / bench->pictures;
        print_node(bench, i, peak);
    }
    printf("%-22s %9.2f us", "all", forward);
    if (is_training)
        printf(" %21s %9.2f us", "", backward);
    printf("\n");
}

static enum ink_status
bench_plan(struct bench *bench, const struct ink_snapshot *snapshot, struct ink_err *err)
{
    struct ink_plan *plan = bench->plan;
    enum ink_status status = ink_workspace_init(&bench->workspace, plan, bench->pictures, err);

    if (status)
        return status;
    bench->block = ink_floats(ink_plan_block_size(plan));
    bench->turned = ink_floats(plan->turned_size);
    bench->gradient = ink_floats(plan->parameter_size);
    if (!bench->block || !bench->turned || !bench->gradient)
        return ink_fail(err, INK_NOMEM, "no memory for a network");
    ink_plan_pack(plan, snapshot, bench->block);
    if (plan->use == INK_USE_TRAIN)
        ink_plan_turn(plan, ink_kernels(), bench->block, bench->turned, 0, 1);
    bench->run = (struct ink_run){.plan = plan,
                                  .kernels = ink_kernels(),
                                  .block = bench->block,
                                  .turned = bench->turned,
                                  .workspace = &bench->workspace,
                                  .count = bench->pictures,
                                  .gradient = bench->gradient};
    status = fill_pictures(bench, err);
    for (int i = 0; i < plan->node_count; i++)
        bench->forward[i] = bench->backward[i] = 1e30;
    for (int i = 0; !status && i < ROUNDS * (1 + PICTURES / bench->pictures); i++) {
        run_forward(bench, i);
        if (plan->use == INK_USE_TRAIN)
            run_backward(bench);
    }
    return status;
}

static enum ink_status
find_network(const char *name, const struct ink_snapshot **out_snapshot, struct ink_err *err)
{
    INK_CLEANUP(ink_arch_destroy) struct ink_arch *arch = NULL;
    struct ink_zoo_entry entry;
    enum ink_status status;

    if (strstr(name, ".safetensors"))
        return ink_snapshot_load(name, out_snapshot, err);
    if (!ink_zoo_find(INK_ZOO_ARCH, name, &entry))
        return ink_fail(err, INK_NOTFOUND, "no architecture '%s'", name);
    status = ink_arch_parse(entry.text, entry.size, &arch, err);
    return status ? status : ink_snapshot_create(arch, NULL, 1, out_snapshot, err);
}

/* answers: pictures to answer together, or 0 for training. */
static enum ink_status
bench_network(const char *name, enum ink_precision precision, int answers, struct ink_err *err)
{
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *snapshot = NULL;
    struct bench bench = {.pictures = answers ? answers : PICTURES};
    enum ink_status status = find_network(name, &snapshot, err);

    if (!status)
        status = ink_precision_choose(precision, ink_kernels(), &precision, err);
    if (!status)
        status =
            ink_plan_create(ink_snapshot_arch(snapshot), answers ? INK_USE_ANSWER : INK_USE_TRAIN,
                            precision, &bench.plan, err);
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
    enum ink_precision precision = INK_PRECISION_F32;
    int64_t answers = 0;
    int first = argc > 1 && ink_precision_parse(argv[1], &precision) ? 2 : 1;
    enum ink_status status = INK_OK;
    struct ink_err err;

    if (argc > first && strncmp(argv[first], "answer=", 7) == 0)
        status = ink_parse_int("answer", argv[first++] + 7, 1, PICTURE_MAX, &answers, &err);
    if (argc == first)
        argv[--first] = keras;
    for (int i = first; !status && i < argc; i++)
        status = bench_network(argv[i], precision, (int)answers, &err);
    if (status)
        (void)fprintf(stderr, "bench_layers: %s\n", err.message);
    return ink_status_exit(status);
}
