/* SPDX-License-Identifier: MIT */
/* net_tiles: convolutions by tiles answer what the reference's plain ones do, whatever the sizes.
 */
#include "tests/unit/kernels_fixture.h"

#include "base/cleanup.h"
#include "model/net_run.h"

#define HEAD "image: input 1x28x28\n"
#define TAIL "m: globalpool\nf: flatten\nd: dense 10\n"

/* Where a tile reaches over an edge, rows and columns apart; more tiles than go together; more
 * outputs than are made together, and a rest of them; relu, batch norm, pools, padding of each
 * side; a picture of a single tile, and of a single output. */
static const struct {
    const char *name, *text;
    int tiled; /* convolutions that are computed so */
} nets[] = {
    {"plain", HEAD "a: conv 16 3x3\nb: conv 16 3x3\nc: conv 32 3x3\n" TAIL, 2},
    {"padded", HEAD "a: conv 32 3x3\nb: conv 48 3x3 pad=1\nr: relu\nc: conv 16 3x3 pad=2\n" TAIL,
     2},
    {"oblong", HEAD "a: conv 16 6x11\nb: conv 80 3x3 bias=no\nc: conv 16 3x3 pad=1\nr: relu\n" TAIL,
     2},
    {"pooled",
     HEAD "a: conv 16 3x3\nb: conv 32 3x3 pad=1\nr: relu\np: maxpool 2x2\n"
          "c: conv 96 3x3 pad=1\nn: batchnorm\nr2: relu\nq: maxpool 2x2\n" TAIL,
     2},
    {"odd pools",
     HEAD "a: conv 16 6x4\nb: conv 16 3x3\np: maxpool 2x2\nr: relu\n"
          "c: conv 32 3x3 pad=2\nq: maxpool 2x2\n" TAIL,
     2},
    {"small",
     HEAD "a: conv 16 8x8 stride=4\nb: conv 144 3x3\nr: relu\nc: conv 32 3x3\n"
          "e: conv 16 3x3 pad=1\n" TAIL,
     3},
    {"shared",
     HEAD "a: conv 16 5x5 stride=2\nb: conv 16 3x3 pad=1\nr: relu\nc: conv 16 3x3 pad=1\n"
          "n: batchnorm\ns: add from=n,a\nr2: relu\nj: concat from=r2,b\n" TAIL,
     2},
    {"some pictures together",
     HEAD "a: conv 16 5x5 stride=3\nb: conv 64 3x3 pad=1\nr: relu\nc: conv 128 3x3 pad=1\n"
          "n: batchnorm\nr2: relu\ne: conv 128 3x3 pad=1\nj: concat from=e,r\n"
          "k: conv 16 3x3\n" TAIL,
     4},
    {"none",
     HEAD "a: conv 16 3x3\nb: conv 16 3x3 stride=2\nc: conv 20 3x3\ne: conv 16 3x3\n"
          "g: conv 16 2x2\n" TAIL,
     0},
};

/* One table's numbers of a plan. */
struct bench {
    struct ink_plan *plan;
    struct ink_workspace workspace;
    float *block;
};

static void
bench_init(struct bench *bench, const struct ink_snapshot *snapshot)
{
    struct ink_err err;

    assert_ok(ink_plan_create(ink_snapshot_arch(snapshot), INK_USE_ANSWER, INK_PRECISION_F32,
                              &bench->plan, &err),
              &err);
    assert_ok(ink_workspace_init(&bench->workspace, bench->plan, 9, &err), &err);
    bench->block = ink_floats(ink_plan_block_size(bench->plan));
    assert_non_null(bench->block);
    ink_plan_pack(bench->plan, snapshot, bench->block);
}

static void
bench_fini(struct bench *bench)
{
    free(bench->block);
    ink_workspace_fini(&bench->workspace);
    ink_plan_destroy(&bench->plan);
}

/* All numbers of a node that are kept, beside the largest of them. */
static void
compare_node(const char *name, const struct bench *got, const struct bench *want, int index,
             int pictures)
{
    const struct ink_plan_node *at = &got->plan->node[index];
    const float *a = ink_net_value(got->plan, &got->workspace, index, 0);
    const float *b = ink_net_value(want->plan, &want->workspace, index, 0);
    size_t count = ink_shape_count(at->kept) * (at->value_brief > 0 ? 1 : (size_t)pictures);
    float most = 0;

    for (size_t i = 0; i < count; i++)
        most = fmaxf(most, fabsf(b[i]));
    assert_near(name, at->node->name, a, b, count, 5e-6 * (double)most);
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
        compare_node(what, got, want, i, pictures);
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
        INK_CLEANUP(ink_arch_destroy) struct ink_arch *arch = NULL;
        INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *snapshot = NULL;
        struct bench got, want;
        struct ink_err err;
        int tiled = 0;

        assert_ok(ink_arch_parse(nets[i].text, strlen(nets[i].text), &arch, &err), &err);
        assert_ok(ink_snapshot_create(arch, NULL, 5, &snapshot, &err), &err);
        bench_init(&got, snapshot);
        bench_init(&want, snapshot);
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

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tiles_give_what_the_reference_does),
        cmocka_unit_test(products_are_those_of_convolutions),
    };

    ink_rng_init(&rng, 11, 0);
    return cmocka_run_group_tests_name("tiles", tests, NULL, NULL);
}
