/* SPDX-License-Identifier: MIT */
/* generator: repeats exactly, stays in its box, and no two hands are alike. */

#include "tests/unit/ink_test.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/cleanup.h"
#include "model/generator.h"

static struct ink_drawing *
draw(uint64_t seed, uint64_t stream, int digit)
{
    struct ink_drawing *drawing = NULL;
    struct ink_rng rng;
    struct ink_err err;

    ink_rng_init(&rng, seed, stream);
    assert_ok(ink_generator_draw(&rng, digit, &drawing, &err), &err);
    return drawing;
}

static bool
is_same(const struct ink_drawing *one, const struct ink_drawing *other)
{
    return one->stroke_count == other->stroke_count && one->point_count == other->point_count &&
           memcmp(one->x, other->x, one->point_count * sizeof(*one->x)) == 0 &&
           memcmp(one->y, other->y, one->point_count * sizeof(*one->y)) == 0;
}

static void
a_seed_repeats_and_another_differs(void **state)
{
    (void)state;
    for (int digit = 0; digit <= 9; digit++) {
        INK_CLEANUP(ink_drawing_destroy) struct ink_drawing *one = draw(1, 2, digit);
        INK_CLEANUP(ink_drawing_destroy) struct ink_drawing *same = draw(1, 2, digit);
        INK_CLEANUP(ink_drawing_destroy) struct ink_drawing *stream = draw(1, 3, digit);
        INK_CLEANUP(ink_drawing_destroy) struct ink_drawing *seed = draw(2, 2, digit);

        assert_true(is_same(one, same));
        assert_false(is_same(one, stream));
        assert_false(is_same(one, seed));
    }
}

/* Enough draws that every way of writing every digit is chosen: the rarest comes once in 80. */
static void
every_way_of_writing_is_well_formed(void **state)
{
    enum { DRAW_COUNT = 3000 };
    size_t strokes_min[10], strokes_max[10];

    (void)state;
    for (int digit = 0; digit <= 9; digit++) {
        strokes_min[digit] = SIZE_MAX;
        strokes_max[digit] = 0;
        for (uint64_t i = 0; i < DRAW_COUNT; i++) {
            INK_CLEANUP(ink_drawing_destroy) struct ink_drawing *drawing = draw(7, i, digit);

            assert_int_equal(drawing->label, digit);
            assert_in_range(drawing->stroke_count, 1, 3);
            for (size_t p = 0; p < drawing->point_count; p++)
                assert_true(fabsf(drawing->x[p]) < 3.0F && fabsf(drawing->y[p]) < 3.0F);
            for (size_t s = 0; s < drawing->stroke_count; s++)
                assert_true(drawing->start[s + 1] - drawing->start[s] >= 2);
            if (drawing->stroke_count < strokes_min[digit])
                strokes_min[digit] = drawing->stroke_count;
            if (drawing->stroke_count > strokes_max[digit])
                strokes_max[digit] = drawing->stroke_count;
        }
    }
    /* What the ways are there for: slashed zeros, ones with a foot, open fours, barred sevens. */
    for (int digit = 0; digit <= 9; digit++)
        assert_int_equal(strokes_min[digit], 1);
    assert_int_equal(strokes_max[0], 2);
    assert_int_equal(strokes_max[1], 2);
    assert_int_equal(strokes_max[4], 2);
    assert_int_equal(strokes_max[7], 2);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_seed_repeats_and_another_differs),
        cmocka_unit_test(every_way_of_writing_is_well_formed),
    };

    return cmocka_run_group_tests_name("generator", tests, NULL, NULL);
}
