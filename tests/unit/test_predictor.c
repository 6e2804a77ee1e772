/* SPDX-License-Identifier: MIT */
/* predictor: parts and threads give the same answers, tracing shows them, nothing is allocated. */

#include "tests/unit/ink_test.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/rng.h"
#include "model/predictor.h"
#include "model/snapshot_priv.h"

enum { PICTURES = 37 };

static const char branched[] = "image: input 1x28x28\n"
                               "c: conv 8 3x3 stride=2 bias=no\n"
                               "b: batchnorm\n"
                               "r: relu\n"
                               "d: conv 8 3x3 pad=1\n"
                               "b2: batchnorm\n"
                               "s: add from=b2,r\n"
                               "b3: batchnorm\n"
                               "r2: relu\n"
                               "p: maxpool 2x2\n"
                               "o: dropout 0.5\n"
                               "j: concat from=o,p\n"
                               "f: flatten\n"
                               "e: dense 10\n"
                               "q: softmax\n";

static float pixels[PICTURES * INK_PICTURE_SIZE];

static const struct ink_snapshot *
fresh_of(const char *text, size_t size)
{
    INK_CLEANUP(ink_arch_destroy) struct ink_arch *arch = NULL;
    const struct ink_snapshot *snapshot = NULL;
    struct ink_snapshot *mine;
    struct ink_err err;
    struct ink_rng rng;

    assert_ok(ink_arch_parse(text, size, &arch, &err), &err);
    assert_ok(ink_snapshot_create(arch, NULL, 9, &snapshot, &err), &err);
    ink_rng_init(&rng, 2, 0);
    mine = (struct ink_snapshot *)(uintptr_t)snapshot;
    for (int i = 0; i < arch->node_count; i++) /* batch norms that do something */
        for (size_t j = 0; j < arch->node[i].statistic_count; j++)
            ink_snapshot_edit_statistics(mine, i)[j] = ink_rng_between(&rng, 0.2F, 1);
    for (size_t i = 0; i < PICTURES * INK_PICTURE_SIZE; i++)
        pixels[i] = ink_rng_float(&rng);
    return snapshot;
}

static const struct ink_snapshot *
fresh(const char *text)
{
    return fresh_of(text, strlen(text));
}

static void
check_parts(const struct ink_snapshot *snapshot, struct ink_compute compute)
{
    static const struct {
        int batch_max, threads;
    } table[] = {{1, 1}, {5, 1}, {16, 2}, {64, 3}, {1024, 0}, {1, 2}};
    float first[PICTURES * 10];
    struct ink_err err;

    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        INK_CLEANUP(ink_predictor_destroy) struct ink_predictor *predictor = NULL;
        float got[PICTURES * 10] = {0};

        assert_ok(ink_predictor_create(snapshot, table[i].batch_max, table[i].threads, compute,
                                       &predictor, &err),
                  &err);
        assert_ptr_equal(ink_predictor_snapshot(predictor), snapshot);
        ink_predictor_run(predictor, pixels, PICTURES, got);
        if (i == 0)
            memcpy(first, got, sizeof(first));
        for (int n = 0; n < PICTURES; n++) {
            double sum = 0;

            for (int c = 0; c < 10; c++) {
                assert_true(fabs((double)got[n * 10 + c] - (double)first[n * 10 + c]) < 1e-5);
                sum += (double)got[n * 10 + c];
            }
            assert_true(fabs(sum - 1) < 1e-6);
        }
        ink_predictor_run(predictor, pixels, 0, got);
        ink_predictor_run(predictor, pixels + 3 * INK_PICTURE_SIZE, 1, got);
        for (int c = 0; c < 10; c++)
            assert_true(fabs((double)got[c] - (double)first[30 + c]) < 1e-5);
    }
}

/* Nor, in bf16, whether dense weights are packed for one picture. */
static void
parts_and_threads_do_not_matter(void **state)
{
    static const char wide[] = "image: input 1x28x28\nc: conv 32 3x3 stride=2\nr: relu\n"
                               "f: flatten\nd: dense 300\nr2: relu\ne: dense 10\n";
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *first = fresh(branched);
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *second = fresh(wide);

    (void)state;
    check_parts(first, INK_COMPUTE(F32));
    check_parts(first, INK_COMPUTE(AUTO));
    check_parts(second, INK_COMPUTE(F32));
    check_parts(second, INK_COMPUTE(AUTO));
}

/* One number of conv c, by its definition, from the snapshot's own layouts. */
static double
conv_by_hand(const struct ink_snapshot *snapshot, int channel, int row, int column)
{
    const float *w = ink_snapshot_weights(snapshot, 1) + channel * 9;
    double sum = 0;

    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++)
            sum += (double)w[i * 3 + j] *
                   (double)pixels[(row * 2 + i) * INK_PICTURE_SIDE + column * 2 + j];
    return sum;
}

static void
trace_shows_every_node(void **state)
{
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *snapshot = fresh(branched);
    INK_CLEANUP(ink_predictor_destroy) struct ink_predictor *predictor = NULL;
    const struct ink_arch *arch = ink_snapshot_arch(snapshot);
    float traced[10], run[10];
    const float *c, *b, *r, *f, *j;
    struct ink_err err;

    (void)state;
    assert_ok(ink_predictor_create(snapshot, 4, 1, INK_COMPUTE(F32), &predictor, &err), &err);
    ink_predictor_run(predictor, pixels, 1, run);
    ink_predictor_trace(predictor, pixels, traced);
    for (int i = 0; i < 10; i++)
        assert_true(fabs((double)run[i] - (double)traced[i]) < 1e-5);
    assert_memory_equal(ink_predictor_activation(predictor, 0), pixels,
                        INK_PICTURE_SIZE * sizeof(float));
    c = ink_predictor_activation(predictor, ink_arch_find(arch, "c"));
    b = ink_predictor_activation(predictor, ink_arch_find(arch, "b"));
    r = ink_predictor_activation(predictor, ink_arch_find(arch, "r"));
    for (int channel = 0; channel < 8; channel++)
        for (int i = 0; i < 169; i++) {
            const float *statistics = ink_snapshot_statistics(snapshot, 2);
            int at = channel * 169 + i; /* [C][H][W] */
            double conv = conv_by_hand(snapshot, channel, i / 13, i % 13);
            double norm =
                (conv - (double)statistics[channel]) / sqrt((double)statistics[8 + channel] + 1e-5);

            assert_true(fabs((double)c[at] - conv) < 1e-4);
            assert_true(fabs((double)b[at] - norm) < 1e-3);
            assert_true(fabs((double)r[at] - fmax(norm, 0)) < 1e-3);
        }
    f = ink_predictor_activation(predictor, ink_arch_find(arch, "f"));
    j = ink_predictor_activation(predictor, ink_arch_find(arch, "j"));
    assert_memory_equal(f, j, 16 * 36 * sizeof(float)); /* flat is in the pictures' order */
    assert_memory_equal(ink_predictor_activation(predictor, ink_arch_find(arch, "q")), traced,
                        sizeof(traced));
}

/* Answers fold batch norms, start sums with other nodes' numbers and compute two convolutions of an
 * input at once; what is traced does none of it. */
static void
answers_are_what_is_traced(void **state)
{
    static const char residual[] =
        "image: input 1x28x28\nc: conv 16 3x3 stride=2 bias=no\nb: batchnorm\nr: relu\n"
        "d: conv 32 3x3 pad=1 stride=2 bias=no\nb2: batchnorm\nr2: relu\n"
        "g: conv 32 3x3 pad=1 bias=no\nk: conv 32 1x1 stride=2 bias=no from=r\n"
        "s: add from=g,k\nb3: batchnorm\nr3: relu\nh: conv 32 3x3 pad=1 bias=no\n"
        "t: add from=h,s\nu: add from=t,s\nm: globalpool\nf: flatten\ne: dense 10\n";
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *snapshot = fresh(residual);
    static const enum ink_precision precisions[] = {INK_PRECISION_F32, INK_PRECISION_AUTO};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        INK_CLEANUP(ink_predictor_destroy) struct ink_predictor *predictor = NULL;
        const struct ink_compute compute = {.precision = precisions[i]};
        float run[PICTURES * 10], traced[10];
        struct ink_err err;

        assert_ok(ink_predictor_create(snapshot, 20, 2, compute, &predictor, &err), &err);
        ink_predictor_run(predictor, pixels, PICTURES, run);
        for (int n = 0; n < PICTURES; n++) {
            ink_predictor_trace(predictor, pixels + n * INK_PICTURE_SIZE, traced);
            for (int c = 0; c < 10; c++)
                assert_true(fabs((double)run[n * 10 + c] - (double)traced[c]) <
                            (i == 0 ? 1e-5 : 0.01));
        }
    }
}

/* AddressSanitizer's library counts for us; other builds have nothing like it and skip. */
extern int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void *,
                                                                       size_t),
                                                     void (*on_free)(const volatile void *))
    __attribute__((weak));

static atomic_int allocations;

static void
count_malloc(const volatile void *memory, size_t size)
{
    (void)memory;
    (void)size;
    (void)atomic_fetch_add(&allocations, 1);
}

static void
count_free(const volatile void *memory)
{
    (void)memory;
}

/* Once its threads have started, a predictor allocates nothing. */
static void
expect_no_allocation(const struct ink_snapshot *snapshot, struct ink_compute compute)
{
    INK_CLEANUP(ink_predictor_destroy) struct ink_predictor *predictor = NULL;
    float got[PICTURES * 10];
    struct ink_err err;
    int before = atomic_load(&allocations);

    assert_ok(ink_predictor_create(snapshot, 4, 2, compute, &predictor, &err), &err);
    assert_true(atomic_load(&allocations) > before); /* the counter counts */
    ink_predictor_run(predictor, pixels, 5, got);
    before = atomic_load(&allocations);
    for (int i = 0; i < 2; i++) {
        ink_predictor_run(predictor, pixels, 5, got); /* 4 on two threads, 1 on this one */
        ink_predictor_run(predictor, pixels, 1, got);
        ink_predictor_trace(predictor, pixels, got);
    }
    assert_int_equal(atomic_load(&allocations), before);
}

static void
run_and_trace_allocate_nothing(void **state)
{
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *snapshot = fresh(branched);

    (void)state;
    if (!__sanitizer_install_malloc_and_free_hooks) {
        print_message("skipped: allocations are counted under ASan only\n");
        skip();
    }
    assert_true(__sanitizer_install_malloc_and_free_hooks(count_malloc, count_free) > 0);
    expect_no_allocation(snapshot, INK_COMPUTE(F32));
    assert_true(ink_zoo_count(INK_ZOO_ARCH) >= 7);
    for (size_t i = 0; i < ink_zoo_count(INK_ZOO_ARCH); i++) {
        struct ink_zoo_entry entry = ink_zoo_get(INK_ZOO_ARCH, i);
        INK_CLEANUP(ink_snapshot_unrefp)
        const struct ink_snapshot *network = fresh_of(entry.text, entry.size);

        expect_no_allocation(network, INK_COMPUTE(F32));
        expect_no_allocation(network, INK_COMPUTE(AUTO));
    }
}

static void
sizes_have_a_range(void **state)
{
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *snapshot = fresh(branched);
    struct ink_predictor *predictor = NULL;
    struct ink_err err;

    (void)state;
    assert_fails(INK_BADARG, "a batch of 0",
                 ink_predictor_create(snapshot, 0, 1, INK_COMPUTE(F32), &predictor, &err), &err);
    assert_fails(INK_BADARG, "a batch of 1025",
                 ink_predictor_create(snapshot, 1025, 1, INK_COMPUTE(F32), &predictor, &err), &err);
    assert_fails(INK_BADARG, "-2 threads",
                 ink_predictor_create(snapshot, 8, -2, INK_COMPUTE(F32), &predictor, &err), &err);
    assert_null(predictor);
    assert_true(strlen(ink_compute_name()) > 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_and_threads_do_not_matter),
        cmocka_unit_test(trace_shows_every_node),
        cmocka_unit_test(answers_are_what_is_traced),
        cmocka_unit_test(run_and_trace_allocate_nothing),
        cmocka_unit_test(sizes_have_a_range),
    };

    return cmocka_run_group_tests_name("predictor", tests, NULL, NULL);
}
