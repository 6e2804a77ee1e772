/* SPDX-License-Identifier: MIT */
/* augment: each amount does what it says, within its maximum, and repeats from its seed. */

#include "tests/unit/ink_test.h"

#include <math.h>
#include <string.h>

#include "model/augment.h"
#include "model/kernels/kernels.h"

enum { SIDE = INK_PICTURE_SIDE, ROUNDS = 200 };

/* A filled box: 255 in [8, 20) x [10, 18). */
static const uint8_t *
box(void)
{
    static uint8_t row[INK_PICTURE_SIZE];

    for (int y = 10; y < 18; y++)
        memset(row + y * SIDE + 8, 255, 12);
    return row;
}

struct moments {
    double sum, x, y;          /* mass and its centre */
    double spread_x, spread_y; /* standard deviations */
};

static struct moments
measure(const float *pixels)
{
    struct moments m = {0};

    for (int i = 0; i < INK_PICTURE_SIZE; i++) {
        m.sum += (double)pixels[i];
        m.x += (double)pixels[i] * (i % SIDE);
        m.y += (double)pixels[i] * (i / SIDE);
    }
    m.x /= m.sum;
    m.y /= m.sum;
    for (int i = 0; i < INK_PICTURE_SIZE; i++) {
        m.spread_x += (double)pixels[i] * (i % SIDE - m.x) * (i % SIDE - m.x);
        m.spread_y += (double)pixels[i] * (i / SIDE - m.y) * (i / SIDE - m.y);
    }
    m.spread_x = sqrt(m.spread_x / m.sum);
    m.spread_y = sqrt(m.spread_y / m.sum);
    return m;
}

static void
off_only_converts(void **state)
{
    const struct ink_augment off = {0};
    float pixels[INK_PICTURE_SIZE];
    uint8_t row[INK_PICTURE_SIZE];
    struct ink_rng rng, untouched;

    (void)state;
    for (int i = 0; i < INK_PICTURE_SIZE; i++)
        row[i] = (uint8_t)i;
    ink_rng_init(&rng, 1, 1);
    untouched = rng;
    assert_true(ink_augment_is_off(&off));
    ink_augment_apply(&off, &rng, row, pixels);
    for (int i = 0; i < INK_PICTURE_SIZE; i++)
        assert_true(pixels[i] == (float)row[i] / 255.0F);
    assert_memory_equal(&rng, &untouched, sizeof(rng));
}

static void
shift_moves_and_keeps_the_rest(void **state)
{
    const struct ink_augment augment = {.shift = 3};
    double most = 0, total = 0;
    struct ink_rng rng;

    (void)state;
    assert_false(ink_augment_is_off(&augment));
    ink_rng_init(&rng, 2, 0);
    for (int round = 0; round < ROUNDS; round++) {
        float pixels[INK_PICTURE_SIZE];
        struct moments m;

        ink_augment_apply(&augment, &rng, box(), pixels);
        m = measure(pixels);
        assert_true(fabs(m.sum - 96) < 0.01);
        assert_true(fabs(m.x - 13.5) <= 3.001 && fabs(m.y - 13.5) <= 3.001);
        most = fmax(most, fabs(m.x - 13.5));
        total += m.x - 13.5;
    }
    assert_true(most > 2.7);                 /* the maximum is reached */
    assert_true(fabs(total / ROUNDS) < 0.4); /* from both sides */
}

static void
scale_and_stretch_change_the_size(void **state)
{
    static const struct {
        struct ink_augment augment;
        double ratio_min, ratio_max; /* of the area */
    } cases[] = {
        {{.scale = 0.2F}, 0.64, 1.44},
        {{.stretch = 0.2F}, 0.96, 1.0}, /* wide (1 + s), high (1 - s) */
    };
    struct ink_rng rng;

    (void)state;
    ink_rng_init(&rng, 3, 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        double least = 9, most = 0;

        for (int round = 0; round < ROUNDS; round++) {
            float pixels[INK_PICTURE_SIZE];
            struct moments m;

            ink_augment_apply(&cases[i].augment, &rng, box(), pixels);
            m = measure(pixels);
            assert_true(fabs(m.x - 13.5) < 0.02 && fabs(m.y - 13.5) < 0.02); /* about the middle */
            least = fmin(least, m.sum / 96);
            most = fmax(most, m.sum / 96);
        }
        assert_true(least > cases[i].ratio_min - 0.02 && least < cases[i].ratio_min + 0.05);
        assert_true(most < cases[i].ratio_max + 0.02 && most > cases[i].ratio_max - 0.05);
    }
}

/* Turned by up to 45 degrees: mass and centre stay, and the box leans. */
static void
rotation_turns_about_the_middle(void **state)
{
    const struct ink_augment augment = {.rotate = 45};
    double narrowest = 9;
    struct ink_rng rng;

    (void)state;
    ink_rng_init(&rng, 4, 0);
    for (int round = 0; round < ROUNDS; round++) {
        float pixels[INK_PICTURE_SIZE];
        struct moments m;

        ink_augment_apply(&augment, &rng, box(), pixels);
        m = measure(pixels);
        assert_true(fabs(m.sum - 96) < 1.5);
        assert_true(fabs(m.x - 13.5) < 0.05 && fabs(m.y - 13.5) < 0.05);
        narrowest = fmin(narrowest, m.spread_x);
    }
    assert_true(narrowest < 3.05); /* upright 3.45; at 45 degrees sqrt((3.45^2 + 2.29^2) / 2) */
}

static void
shear_slants_and_keeps_the_area(void **state)
{
    const struct ink_augment augment = {.shear = 0.3F};
    double widest = 0;
    struct ink_rng rng;

    (void)state;
    ink_rng_init(&rng, 5, 0);
    for (int round = 0; round < ROUNDS; round++) {
        float pixels[INK_PICTURE_SIZE];
        struct moments m;

        ink_augment_apply(&augment, &rng, box(), pixels);
        m = measure(pixels);
        assert_true(fabs(m.sum - 96) < 1);
        assert_true(fabs(m.spread_y - 2.29) < 0.05);
        widest = fmax(widest, m.spread_x);
    }
    assert_true(widest > 3.49);
}

/* A dark field with one bright column pair: no pixel may have come from further than the maximum.
 */
static void
elastic_stays_within_its_size(void **state)
{
    const struct ink_augment augment = {.elastic = 2.5F};
    uint8_t row[INK_PICTURE_SIZE] = {0};
    struct ink_rng rng;
    int moved = 0;

    (void)state;
    for (int y = 0; y < SIDE; y++)
        row[y * SIDE + 14] = 255;
    ink_rng_init(&rng, 6, 0);
    for (int round = 0; round < ROUNDS; round++) {
        float pixels[INK_PICTURE_SIZE];

        ink_augment_apply(&augment, &rng, row, pixels);
        for (int y = 3; y < SIDE - 3; y++) {
            double sum = 0;

            for (int x = 0; x < SIDE; x++) {
                if (x < 11 || x > 17)
                    assert_true(pixels[y * SIDE + x] == 0);
                sum += (double)pixels[y * SIDE + x];
            }
            assert_true(sum > 0.3 && sum < 3);
            moved += pixels[y * SIDE + 14] < 0.3F;
        }
    }
    assert_true(moved > ROUNDS);
}

/* The width of a vertical bar changes by no more than the amount, both ways, evenly along it. */
static void
thickness_changes_the_pen(void **state)
{
    static const float amounts[] = {0.7F, 1.5F, 3};
    uint8_t row[INK_PICTURE_SIZE] = {0};
    struct ink_rng rng;

    (void)state;
    for (int y = 0; y < SIDE; y++)
        memset(row + y * SIDE + 12, 255, 4);
    ink_rng_init(&rng, 7, 0);
    for (size_t i = 0; i < sizeof(amounts) / sizeof(amounts[0]); i++) {
        const struct ink_augment augment = {.thickness = amounts[i]};
        double least = 99, most = 0;

        for (int round = 0; round < ROUNDS; round++) {
            float pixels[INK_PICTURE_SIZE];
            double width[2] = {0};

            ink_augment_apply(&augment, &rng, row, pixels);
            for (int x = 0; x < SIDE; x++) {
                assert_true(pixels[14 * SIDE + x] >= 0 && pixels[14 * SIDE + x] <= 1);
                width[0] += (double)pixels[14 * SIDE + x];
                width[1] += (double)pixels[7 * SIDE + x];
            }
            assert_true(fabs(width[0] - width[1]) < 1e-5);
            least = fmin(least, width[0]);
            most = fmax(most, width[0]);
        }
        assert_true(fabs(most - (4 + (double)amounts[i])) < 0.1);
        assert_true(fabs(least - (4 - (double)amounts[i])) < 0.1);
    }
}

static void
erase_blanks_a_rectangle(void **state)
{
    const struct ink_augment augment = {.erase = 0.5F};
    uint8_t row[INK_PICTURE_SIZE];
    struct ink_rng rng;
    int most = 0, oblong = 0;

    (void)state;
    memset(row, 255, sizeof(row));
    ink_rng_init(&rng, 8, 0);
    for (int round = 0; round < ROUNDS; round++) {
        float pixels[INK_PICTURE_SIZE];
        int blank = 0, left = SIDE, right = -1, top = SIDE, bottom = -1;

        ink_augment_apply(&augment, &rng, row, pixels);
        for (int y = 0; y < SIDE; y++)
            for (int x = 0; x < SIDE; x++)
                if (pixels[y * SIDE + x] == 0) {
                    blank++;
                    left = x < left ? x : left;
                    right = x > right ? x : right;
                    top = y < top ? y : top;
                    bottom = y > bottom ? y : bottom;
                }
        if (blank > 0) {
            assert_int_equal(blank, (right - left + 1) * (bottom - top + 1));
            assert_in_range(right - left + 1, 1, 14);
            assert_in_range(bottom - top + 1, 1, 14);
            oblong += right - left != bottom - top;
        }
        most = blank > most ? blank : most;
    }
    assert_true(most >= 12 * 12);
    assert_true(oblong > ROUNDS / 2);
}

/* Amounts beyond reason: still numbers from 0 to 1, and no access outside (ASan watches). */
static void
large_amounts_are_harmless(void **state)
{
    const struct ink_augment augment = {.shift = 1000,
                                        .rotate = 3600,
                                        .scale = 1,
                                        .stretch = 1,
                                        .shear = 50,
                                        .elastic = 500,
                                        .thickness = 20,
                                        .erase = 3};
    uint8_t row[INK_PICTURE_SIZE];
    struct ink_rng rng;

    (void)state;
    memset(row, 255, sizeof(row));
    ink_rng_init(&rng, 9, 0);
    for (int round = 0; round < ROUNDS; round++) {
        float pixels[INK_PICTURE_SIZE];

        ink_augment_apply(&augment, &rng, row, pixels);
        for (int i = 0; i < INK_PICTURE_SIZE; i++)
            assert_true(pixels[i] >= 0 && pixels[i] <= 1);
    }
}

static void
the_same_seed_gives_the_same_picture(void **state)
{
    const struct ink_augment augment = {.shift = 2,
                                        .rotate = 12,
                                        .scale = 0.1F,
                                        .stretch = 0.1F,
                                        .shear = 0.2F,
                                        .elastic = 2,
                                        .thickness = 0.8F,
                                        .erase = 0.2F};
    float one[INK_PICTURE_SIZE], two[INK_PICTURE_SIZE], other[INK_PICTURE_SIZE];
    struct ink_rng rng;

    (void)state;
    ink_rng_init(&rng, 10, 5);
    ink_augment_apply(&augment, &rng, box(), one);
    ink_augment_apply(&augment, &rng, box(), other);
    ink_rng_init(&rng, 10, 5);
    ink_augment_apply(&augment, &rng, box(), two);
    assert_memory_equal(one, two, sizeof(one));
    assert_memory_not_equal(one, other, sizeof(one));
}

/* ---- kernels ---- */

static void
fill(struct ink_rng *rng, float *values, size_t count, float low, float high)
{
    for (size_t i = 0; i < count; i++)
        values[i] = ink_rng_between(rng, low, high);
}

static void
assert_alike(const char *what, const struct ink_kernels *table, const float *got, const float *want,
             size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!(fabsf(got[i] - want[i]) < 1e-4F))
            fail_msg("%s of %s: number %zu is %g instead of %g", what, table->name, i,
                     (double)got[i], (double)want[i]);
}

static void
check_table(const struct ink_kernels *table, const struct ink_kernels *reference,
            struct ink_rng *rng)
{
    struct ink_warp warp = {1, 0, 0, 1, 2, 2}; /* nothing moves */
    float source[INK_WARP_SIDE * INK_WARP_SIDE], knots[INK_KNOT_COUNT * INK_KNOT_COUNT];
    float field[2][SIDE * INK_WARP_SIDE], other[SIDE * INK_WARP_SIDE];
    float got[INK_PICTURE_SIZE], want[INK_PICTURE_SIZE], reach = ink_rng_float(rng);

    fill(rng, source, INK_WARP_SIDE * INK_WARP_SIDE, 0, 1);
    fill(rng, knots, INK_KNOT_COUNT * INK_KNOT_COUNT, -3, 3);
    table->warp(&warp, source, NULL, got);
    for (int y = 0; y < SIDE; y++)
        assert_alike("copy", table, got + y * SIDE, source + (y + 2) * INK_WARP_SIDE + 2, SIDE);
    table->spread(knots, field[0]);
    reference->spread(knots, other);
    for (int y = 0; y < SIDE; y++)
        assert_alike("spread", table, field[0] + y * INK_WARP_SIDE, other + y * INK_WARP_SIDE,
                     SIDE);
    fill(rng, field[1], SIDE * INK_WARP_SIDE, -3, 3);
    fill(rng, &warp.xx, 1, -2, 2);
    fill(rng, &warp.xy, 1, -2, 2);
    fill(rng, &warp.yx, 1, -2, 2);
    fill(rng, &warp.x0, 1, -20, 40);
    for (int bent = 0; bent < 2; bent++) {
        table->warp(&warp, source, bent ? field[0] : NULL, got);
        reference->warp(&warp, source, bent ? field[0] : NULL, want);
        assert_alike("warp", table, got, want, INK_PICTURE_SIZE);
    }
    table->thicken(reach, got);
    reference->thicken(reach, want);
    assert_alike("thicken", table, got, want, INK_PICTURE_SIZE);
}

static void
kernels_agree(void **state)
{
    const struct ink_kernels *tables[INK_KERNELS_MAX];
    size_t count = ink_kernels_list(tables);
    struct ink_rng rng;

    (void)state;
    ink_rng_init(&rng, 11, 0);
    for (int round = 0; round < ROUNDS; round++)
        for (size_t i = 0; i < count; i++)
            check_table(tables[i], tables[count - 1], &rng);
}

/* A constant field is what constant knots make, and a spline stays between its knots. */
static void
splines_are_splines(void **state)
{
    float knots[INK_KNOT_COUNT * INK_KNOT_COUNT], field[SIDE * INK_WARP_SIDE];

    (void)state;
    for (size_t i = 0; i < sizeof(knots) / sizeof(*knots); i++)
        knots[i] = 0.7F;
    ink_kernels()->spread(knots, field);
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++)
            assert_true(fabsf(field[y * INK_WARP_SIDE + x] - 0.7F) < 1e-6F);
    for (int i = 0; i < INK_KNOT_COUNT; i++) /* a line stays a line */
        for (int j = 0; j < INK_KNOT_COUNT; j++)
            knots[i * INK_KNOT_COUNT + j] = (float)((i - 1) * INK_KNOT_STEP);
    ink_kernels()->spread(knots, field);
    for (int y = 0; y < SIDE; y++)
        assert_true(fabsf(field[y * INK_WARP_SIDE] - (float)y) < 1e-4F);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(off_only_converts),
        cmocka_unit_test(shift_moves_and_keeps_the_rest),
        cmocka_unit_test(scale_and_stretch_change_the_size),
        cmocka_unit_test(rotation_turns_about_the_middle),
        cmocka_unit_test(shear_slants_and_keeps_the_area),
        cmocka_unit_test(elastic_stays_within_its_size),
        cmocka_unit_test(thickness_changes_the_pen),
        cmocka_unit_test(erase_blanks_a_rectangle),
        cmocka_unit_test(large_amounts_are_harmless),
        cmocka_unit_test(the_same_seed_gives_the_same_picture),
        cmocka_unit_test(kernels_agree),
        cmocka_unit_test(splines_are_splines),
    };

    return cmocka_run_group_tests_name("augment", tests, NULL, NULL);
}
