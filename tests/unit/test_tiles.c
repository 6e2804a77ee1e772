/* SPDX-License-Identifier: MIT */
/* net_tiles: convolutions by tiles answer what the reference's plain ones do, whatever the sizes.
 */
#include "tests/unit/kernels_fixture.h"

#include "base/cleanup.h"
#include "model/net_run.h"
#include "tests/unit/net_fixture.h"

#define HEAD "image: input 1x28x28\n"
#define TAIL "m: globalpool\nf: flatten\nd: dense 10\n"

/* Where a tile reaches over an edge, rows and columns apart; more tiles than go together; more
 * outputs than are made together, and a rest of them; relu, batch norm, pools, padding of each
 * side; a picture of a single tile, and of a single output. */
static const struct {
    const char *name, *text;
    int tiled, trained; /* convolutions that are computed so */
} nets[] = {
    {"plain", HEAD "a: conv 16 3x3\nb: conv 16 3x3\nc: conv 32 3x3\n" TAIL, 2, 2},
    {"padded", HEAD "a: conv 32 3x3\nb: conv 48 3x3 pad=1\nr: relu\nc: conv 16 3x3 pad=2\n" TAIL, 2,
     2},
    {"oblong", HEAD "a: conv 16 6x11\nb: conv 80 3x3 bias=no\nc: conv 16 3x3 pad=1\nr: relu\n" TAIL,
     2, 2},
    {"pooled",
     HEAD "a: conv 16 3x3\nb: conv 32 3x3 pad=1\nr: relu\np: maxpool 2x2\n"
          "c: conv 96 3x3 pad=1\nn: batchnorm\nr2: relu\nq: maxpool 2x2\n" TAIL,
     2, 2},
    {"odd pools",
     HEAD "a: conv 16 6x4\nb: conv 16 3x3\np: maxpool 2x2\nr: relu\n"
          "c: conv 32 3x3 pad=2\nq: maxpool 2x2\n" TAIL,
     2, 2},
    {"small",
     HEAD "a: conv 16 8x8 stride=4\nb: conv 144 3x3\nr: relu\nc: conv 32 3x3\n"
          "e: conv 16 3x3 pad=1\n" TAIL,
     3, 1},
    {"shared",
     HEAD "a: conv 16 5x5 stride=2\nb: conv 16 3x3 pad=1\nr: relu\nc: conv 16 3x3 pad=1\n"
          "n: batchnorm\ns: add from=n,a\nr2: relu\nj: concat from=r2,b\n" TAIL,
     2, 2},
    {"some pictures together",
     HEAD "a: conv 16 5x5 stride=3\nb: conv 64 3x3 pad=1\nr: relu\nc: conv 128 3x3 pad=1\n"
          "n: batchnorm\nr2: relu\ne: conv 128 3x3 pad=1\nj: concat from=e,r\n"
          "k: conv 16 3x3\n" TAIL,
     4, 4},
    {"none",
     HEAD "a: conv 16 3x3\nb: conv 16 3x3 stride=2\nc: conv 20 3x3\ne: conv 16 3x3\n"
          "g: conv 16 2x2\n" TAIL,
     0, 0},
};

/* One table's numbers of a plan. */
struct bench {
    struct ink_plan *plan;
    struct ink_workspace workspace;
    float *block, *turned, *gradient;
};

static void
bench_init_as(struct bench *bench, const struct ink_snapshot *snapshot, enum ink_use use,
              enum ink_precision precision)
{
    struct ink_err err;

    assert_ok(ink_plan_create(ink_snapshot_arch(snapshot), use, precision, &bench->plan, &err),
              &err);
    assert_ok(ink_workspace_init(&bench->workspace, bench->plan, 9, &err), &err);
    bench->block = ink_floats(ink_plan_block_size(bench->plan));
    bench->turned = ink_floats(bench->plan->turned_size);
    bench->gradient = ink_floats(bench->plan->parameter_size);
    assert_true(bench->block && bench->turned && bench->gradient);
    ink_plan_pack(bench->plan, snapshot, bench->block);
}

static void
bench_init(struct bench *bench, const struct ink_snapshot *snapshot, enum ink_use use)
{
    bench_init_as(bench, snapshot, use, INK_PRECISION_F32);
}

static void
bench_fini(struct bench *bench)
{
    free(bench->gradient);
    free(bench->turned);
    free(bench->block);
    ink_workspace_fini(&bench->workspace);
    ink_plan_destroy(&bench->plan);
}

/* All numbers of a node that are kept, beside the largest of them, which is returned, or `most` if
 * that is more; in bf16 these differ by a last digit here and there. */
static float
compare_node(const char *name, const struct bench *got, const struct bench *want,
             const int which[static 2], float most)
{
    double allowed = got->plan->precision == INK_PRECISION_BF16 ? 4e-3 : 5e-6;
    int index = which[0], pictures = which[1];
    const struct ink_plan_node *at = &got->plan->node[index];
    const float *a = ink_net_value(got->plan, &got->workspace, index, 0);
    const float *b = ink_net_value(want->plan, &want->workspace, index, 0);
    size_t count = ink_shape_count(at->kept) * (at->value_brief > 0 ? 1 : (size_t)pictures);

    for (size_t i = 0; i < count; i++)
        most = fmaxf(most, fabsf(b[i]));
    assert_near(name, at->node->name, a, b, count, allowed * (double)most);
    return most;
}

/* Every node's numbers; those of a node that is written over are the next one's. */
static void
compare(const char *name, const struct ink_kernels *fast, int pictures, struct bench *got,
        struct bench *want)
{
    const struct ink_kernels *all[INK_KERNELS_MAX];
    size_t last;
    char what[128];

    (void)snprintf(what, sizeof(what), "%s, %s, %d pictures:", fast->name, name, pictures);
    for (size_t i = 0; i < (size_t)pictures * INK_PICTURE_SIZE; i++)
        ink_net_value(want->plan, &want->workspace, 0, 0)[i] =
            ink_net_value(got->plan, &got->workspace, 0, 0)[i] = ink_rng_between(&rng, -1, 1);
    ink_net_forward(got->plan, fast, got->block, NULL, &got->workspace, pictures);
    ink_net_forward(want->plan, tables(all, &last), want->block, NULL, &want->workspace, pictures);
    for (int i = 1; i < got->plan->node_count; i++)
        (void)compare_node(what, got, want, (const int[2]){i, pictures}, 0);
}

static void
tiles_give_what_the_reference_does(void **state)
{
    static const int counts[] = {1, 2, 9};
    const struct ink_kernels *all[INK_KERNELS_MAX];
    size_t fast_count;

    (void)state;
    (void)tables(all, &fast_count);
    for (size_t i = 0; i < sizeof(nets) / sizeof(*nets); i++) {
        INK_CLEANUP(ink_snapshot_unrefp)
        const struct ink_snapshot *snapshot = snapshot_of(nets[i].text, NULL, 5);
        struct bench got, want;
        int tiled = 0;

        bench_init(&got, snapshot, INK_USE_ANSWER);
        bench_init(&want, snapshot, INK_USE_ANSWER);
        if (strcmp(nets[i].name, "some pictures together") == 0)
            assert_true(got.plan->body_end > got.plan->head_end);
        for (int j = 0; j < got.plan->node_count; j++)
            tiled += got.plan->node[j].tiled_size > 0;
        assert_int_equal(tiled, nets[i].tiled);
        for (size_t table = 0; table < fast_count; table++)
            for (size_t j = 0; j < sizeof(counts) / sizeof(*counts); j++)
                compare(nets[i].name, all[table], counts[j], &got, &want);
        bench_fini(&got);
        bench_fini(&want);
    }
}

static void
forward(struct bench *bench, const struct ink_kernels *kernels, const float *pixels, int pictures)
{
    memcpy(ink_net_value(bench->plan, &bench->workspace, 0, 0), pixels,
           (size_t)pictures * INK_PICTURE_SIZE * sizeof(*pixels));
    for (int part = 0; part < 3; part++)
        ink_plan_turn(bench->plan, kernels, bench->block, bench->turned, part, 3);
    ink_net_forward(bench->plan, kernels, bench->block, bench->turned, &bench->workspace, pictures);
}

/* Back from gradients of noise. */
static void
backward(struct bench *bench, const struct ink_kernels *kernels, const float *gradient,
         int pictures)
{
    memcpy(ink_net_gradient(bench->plan, &bench->workspace, bench->plan->node_count - 1, 0),
           gradient, (size_t)pictures * INK_CLASS_COUNT * sizeof(*gradient));
    ink_net_backward(bench->plan, kernels, bench->block, bench->turned, &bench->workspace, pictures,
                     INK_NET_BACK_ALL, bench->gradient);
}

/* Every node's numbers that are kept for all pictures. A convolution's weights are off alike for
 * all pixels, so what sums these is beside its input. */
static void
compare_forward(const char *what, const struct bench *got, const struct bench *want, int pictures)
{
    float largest[INK_ARCH_NODE_MAX] = {0};

    for (int i = 1; i < got->plan->node_count; i++) {
        const struct ink_node *node = got->plan->node[i].node;

        if (got->plan->node[i].value_brief == 0)
            largest[i] = compare_node(what, got, want, (const int[2]){i, pictures},
                                      node->op == INK_OP_CONV ? 0 : largest[node->input[0]]);
    }
}

/* Gradients behind a globalpool are alike, thus off alike, at the thousands of pixels that a weight
 * sums up. */
static void
compare_gradients(const char *what, const struct bench *got, const struct bench *want)
{
    float most = 0;

    for (size_t i = 0; i < got->plan->share_size; i++)
        most = fmaxf(most, fabsf(want->gradient[i]));
    assert_near(what, "gradient", got->gradient, want->gradient, got->plan->share_size,
                5e-5 * (double)most);
}

static void
copy_numbers(struct ink_workspace *to, const struct ink_workspace *from,
             const struct ink_plan *plan)
{
    memcpy(to->block, from->block,
           ((size_t)(from->brief - from->block) + plan->brief_size) * sizeof(*to->block));
    memcpy(to->own, from->own,
           ((size_t)(from->statistics - from->own) + plan->statistic_size) * sizeof(*to->own));
    memcpy(to->places, from->places, plan->place_size * (size_t)from->capacity);
}

/* The way back is from the reference's numbers: a relu's may be zero or not, but for rounding. */
static void
compare_training(const char *name, int pictures, struct bench *want, struct bench *got,
                 struct bench *kept)
{
    const struct ink_kernels *all[INK_KERNELS_MAX], *reference;
    float *pixels = noise((size_t)pictures * INK_PICTURE_SIZE);
    size_t fast_count;
    char what[128];

    reference = tables(all, &fast_count);
    forward(kept, reference, pixels, pictures);
    copy_numbers(&want->workspace, &kept->workspace, want->plan);
    want->workspace.count = pictures;
    for (int part = 0; part < 3; part++)
        ink_plan_turn(want->plan, reference, want->block, want->turned, part, 3);
    backward(want, reference, pixels, pictures);
    for (size_t table = 0; table < fast_count; table++) {
        (void)snprintf(what, sizeof(what), "%s, training %s, %d pictures:", all[table]->name, name,
                       pictures);
        forward(got, all[table], pixels, pictures);
        compare_forward(what, got, kept, pictures);
        copy_numbers(&got->workspace, &kept->workspace, got->plan);
        backward(got, all[table], pixels, pictures);
        compare_gradients(what, got, want);
    }
    free(pixels);
}

static void
training_is_that_of_the_reference(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(nets) / sizeof(*nets); i++) {
        INK_CLEANUP(ink_snapshot_unrefp)
        const struct ink_snapshot *snapshot = snapshot_of(nets[i].text, NULL, 5);
        struct bench bench[3];
        int tiled = 0;

        for (size_t j = 0; j < 3; j++)
            bench_init(&bench[j], snapshot, INK_USE_TRAIN);
        for (int j = 0; j < bench[0].plan->node_count; j++)
            tiled += bench[0].plan->node[j].tiled_size > 0;
        assert_int_equal(tiled, nets[i].trained);
        for (int pictures = 1; pictures <= 5; pictures += 4)
            compare_training(nets[i].name, pictures, &bench[0], &bench[1], &bench[2]);
        for (size_t j = 0; j < 3; j++)
            bench_fini(&bench[j]);
    }
}

/* Weights turned for tiles in float are those turned in double, but for rounding. */
static void
weights_are_turned_alike(void **state)
{
    enum { INS = 48, OUTS = 32, SIZE = INS * OUTS };
    const struct ink_plan_node at = {.in = {.channels = INS, .height = 1, .width = 1},
                                     .weight_at = 0,
                                     .tiled_at = 9 * SIZE,
                                     .tiled_size = (size_t)INK_TILES_NUMBERS * SIZE};
    const struct ink_kernels *all[INK_KERNELS_MAX];
    float *want = noise((9 + INK_TILES_NUMBERS) * SIZE);
    size_t fast_count;

    (void)state;
    (void)tables(all, &fast_count);
    ink_tiles_pack(&at, want);
    for (size_t table = 0; table < fast_count; table++) {
        float *got = noise(at.tiled_size);

        for (size_t panel = 0; panel < OUTS / INK_PANEL; panel++)
            all[table]->tiles_weights((size_t)INS * INK_PANEL, want + panel * 9 * INS * INK_PANEL,
                                      got + panel * INS * INK_PANEL, SIZE);
        assert_near(all[table]->name, "weights of tiles", got, want + at.tiled_at, at.tiled_size,
                    3 * (double)tolerance);
        free(got);
    }
    free(want);
}

static void
bf16_weights_are_turned_alike(void **state)
{
    enum { COUNT = 5 * INK_PANEL, STEP = COUNT + 7 };
    const struct ink_kernels *all[INK_KERNELS_MAX], *reference;
    float *w = noise((size_t)9 * STEP), *want = noise((size_t)INK_BF16_TILES_NUMBERS * COUNT);
    size_t fast_count;

    (void)state;
    reference = tables(all, &fast_count);
    reference->bf16->tiles_weights(COUNT, w, STEP, want);
    for (size_t table = 0; table < fast_count; table++) {
        float *got = noise((size_t)INK_BF16_TILES_NUMBERS * COUNT);

        if (all[table]->bf16) {
            all[table]->bf16->tiles_weights(COUNT, w, STEP, got);
            assert_near(all[table]->name, "weights of tiles in bf16", got, want,
                        (size_t)INK_BF16_TILES_NUMBERS * COUNT, (double)tolerance);
        }
        free(got);
    }
    free(w);
    free(want);
}

/* Products of matrices whose rows are few, many, and not a tile's. */
static void
products_are_those_of_convolutions(void **state)
{
    static const size_t shapes[][3] = {
        {1, 1, 16}, {5, 16, 16}, {14, 7, 32}, {29, 48, 48}, {3, 9, 80}};
    const struct ink_kernels *all[INK_KERNELS_MAX], *reference;
    size_t fast_count;

    (void)state;
    reference = tables(all, &fast_count);
    for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++) {
        const struct ink_products form = {
            .count = 3,
            .rows = shapes[i][0],
            .ins = shapes[i][1],
            .outs = shapes[i][2],
            .a_step = shapes[i][0] * shapes[i][1] + 3,
            .b_step = shapes[i][1] * shapes[i][2] + 5,
            .y_step = shapes[i][0] * shapes[i][2] + 7,
        };
        const struct ink_conv conv = {.in_width = (int)form.rows,
                                      .in_channels = (int)form.ins,
                                      .out_channels = (int)form.outs,
                                      .kernel_height = 1,
                                      .kernel_width = 1,
                                      .stride = 1,
                                      .out_height = 1,
                                      .out_width = (int)form.rows};
        float *a = noise(3 * form.a_step), *b = noise(3 * form.b_step);
        float *want = noise(3 * form.y_step), *first = copy_of(want, 3 * form.y_step);

        for (size_t j = 0; j < 3; j++)
            reference->conv(&conv, a + j * form.a_step, b + j * form.b_step, NULL, false,
                            want + j * form.y_step);
        for (size_t table = 0; table < fast_count; table++) {
            float *got = copy_of(first, 3 * form.y_step);

            all[table]->products(&form, a, b, got);
            assert_near(all[table]->name, "products", got, want, 3 * form.y_step,
                        (double)form.ins * (double)tolerance);
            free(got);
        }
        free(a);
        free(b);
        free(want);
        free(first);
    }
}

/* ---- in bf16 ---- */

/* As above. None: without padding, too few channels, a stride, tiles that are mostly outside. */
static const struct {
    const char *name, *text;
    int tiled;
} bf16_nets[] = {
    {"padded", HEAD "a: conv 32 3x3\nb: conv 48 3x3 pad=1\nr: relu\nc: conv 16 3x3 pad=2\n" TAIL,
     2},
    {"oblong",
     HEAD "a: conv 32 6x11\nb: conv 80 3x3 pad=2 bias=no\nc: conv 16 3x3 pad=1\nr: relu\n" TAIL, 2},
    {"pooled",
     HEAD "a: conv 32 3x3\nr: relu\np: maxpool 2x2\nb: conv 32 3x3 pad=1\nq: maxpool 2x2\n"
          "s: relu\nc: conv 96 3x3 pad=1\nn: batchnorm\nr2: relu\nq2: maxpool 2x2\n" TAIL,
     2},
    {"some pictures together",
     HEAD "a: conv 32 5x5 stride=3\nb: conv 64 3x3 pad=1\nr: relu\nc: conv 128 3x3 pad=1\n"
          "n: batchnorm\nr2: relu\ne: conv 128 3x3 pad=1\nj: concat from=e,r\n" TAIL,
     3},
    {"none",
     HEAD "a: conv 32 3x3\nb: conv 32 3x3\nc: conv 24 3x3 pad=1\ne: conv 16 3x3 pad=1\n"
          "g: conv 32 3x3 pad=1\nh: conv 32 3x3 pad=1 stride=5\nk: conv 16 3x3 pad=1\n" TAIL,
     0},
};

/* The scores' length of difference over their length. */
static double
scores_apart(const struct bench *a, const struct bench *b, int pictures)
{
    const float *first = ink_net_scores(a->plan, &a->workspace);
    const float *second = ink_net_scores(b->plan, &b->workspace);
    double apart = 0, length = 0;

    for (int i = 0; i < pictures * INK_CLASS_COUNT; i++) {
        apart += pow((double)first[i] - (double)second[i], 2);
        length += pow((double)second[i], 2);
    }
    return sqrt(apart / length);
}

/* Beside the reference's tiles, and not far from plain convolutions of floats. */
static void
compare_bf16(const char *name, const struct ink_kernels *fast, const struct ink_snapshot *snapshot,
             int tiled)
{
    static const int counts[] = {1, 2, 9};
    const struct ink_kernels *all[INK_KERNELS_MAX];
    struct bench got, want, floats;
    size_t last;

    bench_init_as(&got, snapshot, INK_USE_ANSWER, INK_PRECISION_BF16);
    bench_init_as(&want, snapshot, INK_USE_ANSWER, INK_PRECISION_BF16);
    bench_init(&floats, snapshot, INK_USE_ANSWER);
    for (int i = 0; i < got.plan->node_count; i++)
        tiled -= got.plan->node[i].tiled_size > 0;
    assert_int_equal(tiled, 0);
    for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
        double apart;

        compare(name, fast, counts[i], &got, &want);
        memcpy(ink_net_value(floats.plan, &floats.workspace, 0, 0),
               ink_net_value(got.plan, &got.workspace, 0, 0),
               (size_t)counts[i] * INK_PICTURE_SIZE * sizeof(float));
        ink_net_forward(floats.plan, tables(all, &last), floats.block, NULL, &floats.workspace,
                        counts[i]);
        apart = scores_apart(&got, &floats, counts[i]);
        if (!(apart < 0.01 && apart > 1e-5))
            fail_msg("%s, %s: scores are %g apart from those of floats", fast->name, name, apart);
    }
    bench_fini(&got);
    bench_fini(&want);
    bench_fini(&floats);
}

static void
bf16_tiles_give_what_the_reference_does(void **state)
{
    const struct ink_kernels *all[INK_KERNELS_MAX];
    size_t fast_count;

    (void)state;
    (void)tables(all, &fast_count);
    for (size_t i = 0; i < sizeof(bf16_nets) / sizeof(*bf16_nets); i++) {
        INK_CLEANUP(ink_snapshot_unrefp)
        const struct ink_snapshot *snapshot = snapshot_of(bf16_nets[i].text, NULL, 5);

        for (size_t table = 0; table < fast_count; table++)
            if (all[table]->bf16)
                compare_bf16(bf16_nets[i].name, all[table], snapshot, bf16_nets[i].tiled);
    }
}

/* Convolutions by tiles before one that leaves out blank margins: what they are there is the same,
 * but for rounding, as where all is computed. Scores of a blank picture, and of one with a stroke.
 */
static void
compare_blank(const struct ink_kernels *kernels, const struct ink_snapshot *snapshot,
              enum ink_precision precision)
{
    enum { PICTURES = 2 };
    float scores[2][PICTURES * INK_CLASS_COUNT], pixels[PICTURES * INK_PICTURE_SIZE] = {0};
    struct bench bench;
    float most = 0;

    bench_init_as(&bench, snapshot, INK_USE_TRAIN, precision);
    assert_true(bench.plan->node[2].tiled_size > 0 && bench.plan->node[3].skips_blank);
    for (int i = 1; i <= 3; i++) /* new ones are zero */
        for (size_t j = 0; j < ink_plan_bias_size(&bench.plan->node[i]); j++)
            bench.block[bench.plan->node[i].bias_at + j] = ink_rng_between(&rng, -1, 1);
    for (size_t i = 10; i < 18; i++)
        pixels[INK_PICTURE_SIZE + i * INK_PICTURE_SIDE + 14] = 1;
    for (int i = 0; i < 2; i++, bench.plan->node[3].skips_blank = false) {
        forward(&bench, kernels, pixels, PICTURES);
        memcpy(scores[i], ink_net_scores(bench.plan, &bench.workspace), sizeof(scores[i]));
    }
    for (size_t i = 0; i < PICTURES * INK_CLASS_COUNT; i++)
        most = fmaxf(most, fabsf(scores[1][i]));
    assert_near(kernels->name, "scores with blank margins", scores[0], scores[1],
                PICTURES * INK_CLASS_COUNT,
                (precision == INK_PRECISION_BF16 ? 0.01 : 1e-5) * (double)most);
    bench_fini(&bench);
}

static void
blank_margins_are_those_of_tiles(void **state)
{
    INK_CLEANUP(ink_snapshot_unrefp)
    const struct ink_snapshot *snapshot =
        snapshot_of(HEAD "a: conv 32 3x3\nb: conv 32 3x3\nc: conv 32 3x3\nr: relu\n"
                         "p: maxpool 2x2\nf: flatten\nd: dense 10\n",
                    NULL, 5);
    const struct ink_kernels *all[INK_KERNELS_MAX];
    size_t fast_count;

    (void)state;
    (void)tables(all, &fast_count);
    for (size_t table = 0; table <= fast_count; table++) {
        compare_blank(all[table], snapshot, INK_PRECISION_F32);
        if (all[table]->bf16)
            compare_blank(all[table], snapshot, INK_PRECISION_BF16);
    }
}

/* What is rounded is the same to the last bit: sums are in the same order. */
static void
bf16_tiles_are_rounded_alike(void **state)
{
    static const struct ink_tiles shapes[] = {
        {.channels = 16, .height = 5, .width = 7, .pad = 1, .out_height = 5, .out_width = 7},
        {.channels = 48, .height = 8, .width = 6, .pad = 0, .out_height = 6, .out_width = 4},
        {.channels = 32, .height = 1, .width = 2, .pad = 2, .out_height = 3, .out_width = 4},
    };
    const struct ink_kernels *all[INK_KERNELS_MAX], *reference;
    size_t fast_count;

    (void)state;
    reference = tables(all, &fast_count);
    for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++)
        for (size_t table = 0; table < fast_count && all[table]->bf16; table++) {
            struct ink_tiles form = shapes[i];
            int down = (form.out_height + 1) / 2, across = (form.out_width + 1) / 2;
            size_t size = (size_t)(down * across * form.channels);
            float *x = noise((size_t)(form.height * form.width * form.channels));
            uint16_t *got = calloc(INK_BF16_TILES_NUMBERS, (size + 3) * sizeof(*got));
            uint16_t *want = calloc(INK_BF16_TILES_NUMBERS, (size + 3) * sizeof(*want));

            assert_true(got && want);
            form.step = size + 3;
            for (form.first_row = 0; form.first_row < down; form.first_row = form.last_row) {
                size_t to = (size_t)(form.first_row * across * form.channels);

                form.last_row = form.first_row + 2 < down ? form.first_row + 2 : down;
                all[table]->bf16->tiles_in(&form, x, got + to);
                reference->bf16->tiles_in(&form, x, want + to);
            }
            assert_memory_equal(got, want, INK_BF16_TILES_NUMBERS * (size + 3) * sizeof(*got));
            free(x);
            free(got);
            free(want);
        }
}

/* With whole numbers every sum is exact, so that the same one wins; ties are won by the first. */
static void
bf16_winners_are_alike(void **state)
{
    static const struct ink_tiles shapes[] = {
        {.channels = 16, .out_height = 5, .out_width = 7, .y_pixel = 48, .is_relu = true},
        {.channels = 48, .out_height = 6, .out_width = 4, .y_pixel = 48},
        {.channels = 32, .out_height = 2, .out_width = 9, .y_pixel = 32, .is_relu = true},
    };
    const struct ink_kernels *all[INK_KERNELS_MAX], *reference;
    size_t fast_count;

    (void)state;
    reference = tables(all, &fast_count);
    for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++)
        for (size_t table = 0; table < fast_count && all[table]->bf16; table++) {
            struct ink_tiles form = shapes[i];
            int across = (form.out_width + 1) / 2;
            size_t outs = (size_t)(form.out_height / 2 * (form.out_width / 2) * form.y_pixel);
            float *m, *bias = noise((size_t)form.channels), *want = noise(outs), *got;
            uint8_t *places = calloc(2, outs);

            assert_non_null(places);
            form.is_pooled = true;
            form.last_row = (form.out_height + 1) / 2;
            form.step = (size_t)(form.last_row * across * form.channels) + 5;
            m = noise(INK_BF16_TILES_NUMBERS * form.step);
            for (size_t j = 0; j < INK_BF16_TILES_NUMBERS * form.step; j++)
                m[j] = roundf(m[j] * 2);
            for (int j = 0; j < form.channels; j++)
                bias[j] = roundf(bias[j] * 4);
            got = copy_of(want, outs);
            reference->bf16->tiles_out(&form, m, bias, NULL, want, places);
            all[table]->bf16->tiles_out(&form, m, bias, NULL, got, places + outs);
            assert_memory_equal(got, want, outs * sizeof(*got));
            assert_memory_equal(places, places + outs, outs);
            free(m);
            free(bias);
            free(want);
            free(got);
            free(places);
        }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tiles_give_what_the_reference_does),
        cmocka_unit_test(training_is_that_of_the_reference),
        cmocka_unit_test(weights_are_turned_alike),
        cmocka_unit_test(bf16_weights_are_turned_alike),
        cmocka_unit_test(products_are_those_of_convolutions),
        cmocka_unit_test(bf16_tiles_give_what_the_reference_does),
        cmocka_unit_test(blank_margins_are_those_of_tiles),
        cmocka_unit_test(bf16_tiles_are_rounded_alike),
        cmocka_unit_test(bf16_winners_are_alike),
    };

    ink_rng_init(&rng, 11, 0);
    return cmocka_run_group_tests_name("tiles", tests, NULL, NULL);
}
