/* SPDX-License-Identifier: MIT */
/* prepare: whatever the scale, place, sense or paper, the row is in MNIST's frame. */

#include "tests/unit/ink_test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/rng.h"
#include "model/dataset.h"
#include "model/generator.h"
#include "model/prepare_priv.h"

enum { SIDE = INK_PICTURE_SIDE };

static int
longest_of(const struct ink_extent *extent)
{
    int width = extent->right - extent->left, height = extent->bottom - extent->top;

    return width > height ? width : height;
}

/* Sum of differences as a share of the ink. */
static double
difference(const uint8_t *one, const uint8_t *two)
{
    double sum = 0, ink = 0;

    for (int i = 0; i < INK_PICTURE_SIZE; i++) {
        sum += fabs((double)one[i] - two[i]);
        ink += one[i];
    }
    return sum / fmax(ink, 1);
}

static void
generate(uint64_t stream, int digit, struct ink_drawing **out_drawing)
{
    struct ink_rng rng;
    struct ink_err err;

    ink_rng_init(&rng, 99, stream);
    assert_ok(ink_generator_draw(&rng, digit, out_drawing, &err), &err);
}

/* The drawing at another scale and place; `mirror` also turns y about. */
static void
repose(const struct ink_drawing *drawing, float scale, float x0, float y0,
       struct ink_drawing **out_drawing)
{
    INK_CLEANUP(ink_freep) float *x = malloc(drawing->point_count * sizeof(*x));
    INK_CLEANUP(ink_freep) float *y = malloc(drawing->point_count * sizeof(*y));
    struct ink_err err;

    assert_true(x && y);
    for (size_t i = 0; i < drawing->point_count; i++) {
        x[i] = drawing->x[i] * scale + x0;
        y[i] = drawing->y[i] * scale + y0;
    }
    assert_ok(ink_drawing_create(drawing->start, drawing->stroke_count, x, y, drawing->label,
                                 out_drawing, &err),
              &err);
}

static void
drawing_of(const float *points, size_t count, struct ink_drawing **out_drawing)
{
    float x[16], y[16];
    const size_t start[] = {0, count};
    struct ink_err err;

    for (size_t i = 0; i < count; i++) {
        x[i] = points[2 * i];
        y[i] = points[2 * i + 1];
    }
    assert_ok(ink_drawing_create(start, 1, x, y, -1, out_drawing, &err), &err);
}

static void
assert_framed(const uint8_t *row)
{
    struct ink_extent extent = ink_extent_measure(row);

    assert_int_equal(longest_of(&extent), INK_FRAME_BOX);
    assert_true(fabs(extent.middle_x - 14.5) <= 0.51 && fabs(extent.middle_y - 14.5) <= 0.51);
    assert_true(ink_extent_is_framed(&extent));
}

/* ---- drawings ---- */

static void
drawings_come_into_the_frame(void **state)
{
    (void)state;
    for (int digit = 0; digit < 10; digit++)
        for (uint64_t stream = 0; stream < 20; stream++) {
            INK_CLEANUP(ink_drawing_destroy) struct ink_drawing *drawing = NULL;
            struct ink_preparation preparation;
            uint8_t row[INK_PICTURE_SIZE];

            generate(stream, digit, &drawing);
            ink_prepare_drawing(drawing, row, &preparation);
            assert_framed(row);
            assert_false(preparation.is_empty);
            assert_non_null(strstr(preparation.text, "pen of 2.2 pixels"));
        }
}

static void
scale_and_place_do_not_matter(void **state)
{
    static const float scales[] = {0.001F, 0.3F, 1, 17, 1000, 20000};
    struct ink_rng rng;

    (void)state;
    ink_rng_init(&rng, 5, 0);
    for (int digit = 0; digit < 10; digit++) {
        INK_CLEANUP(ink_drawing_destroy) struct ink_drawing *drawing = NULL;
        struct ink_preparation preparation;
        uint8_t row[INK_PICTURE_SIZE];

        generate(3, digit, &drawing);
        ink_prepare_drawing(drawing, row, &preparation);
        for (size_t i = 0; i < sizeof(scales) / sizeof(scales[0]); i++) {
            INK_CLEANUP(ink_drawing_destroy) struct ink_drawing *posed = NULL;
            uint8_t other[INK_PICTURE_SIZE];
            float reach = 10 * scales[i]; /* a float holds the place only in step with the size */

            repose(drawing, scales[i], ink_rng_between(&rng, -reach, reach),
                   ink_rng_between(&rng, -reach, reach), &posed);
            ink_prepare_drawing(posed, other, &preparation);
            assert_true(difference(row, other) < 0.02);
        }
    }
}

static void
a_straight_one_stays_thin(void **state)
{
    static const float points[] = {70, 20, 70, 60, 70, 220};
    INK_CLEANUP(ink_drawing_destroy) struct ink_drawing *drawing = NULL;
    struct ink_preparation preparation;
    struct ink_extent extent;
    uint8_t row[INK_PICTURE_SIZE];

    (void)state;
    drawing_of(points, 3, &drawing);
    ink_prepare_drawing(drawing, row, &preparation);
    assert_framed(row);
    extent = ink_extent_measure(row);
    assert_int_equal(extent.bottom - extent.top, 20);
    assert_in_range(extent.right - extent.left, 2, 4);
    assert_in_range(extent.sum, 38 * 255, 48 * 255); /* 20 long, 2.2 wide, round ends */
}

static void
a_dot_is_a_dot(void **state)
{
    static const float one[] = {5, 6}, same[] = {5, 6, 5, 6, 5, 6}, far[] = {-1e6F, 1e6F};
    const float *const cases[] = {one, same, far};
    static const size_t counts[] = {1, 3, 1};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        INK_CLEANUP(ink_drawing_destroy) struct ink_drawing *drawing = NULL;
        struct ink_preparation preparation;
        struct ink_extent extent;
        uint8_t row[INK_PICTURE_SIZE];

        drawing_of(cases[i], counts[i], &drawing);
        ink_prepare_drawing(drawing, row, &preparation);
        extent = ink_extent_measure(row);
        assert_false(preparation.is_empty);
        assert_in_range(longest_of(&extent), 2, 4);
        assert_in_range(extent.sum, 3 * 255, 5 * 255); /* pi 1.1^2 = 3.8 */
    }
}

static void
nothing_drawn_is_empty(void **state)
{
    static const size_t start[] = {0, 0, 0};
    INK_CLEANUP(ink_drawing_destroy) struct ink_drawing *drawing = NULL;
    struct ink_preparation preparation;
    uint8_t row[INK_PICTURE_SIZE], zero[INK_PICTURE_SIZE] = {0};
    struct ink_err err;

    (void)state;
    memset(row, 7, sizeof(row));
    assert_ok(ink_drawing_create(start, 2, NULL, NULL, -1, &drawing, &err), &err);
    ink_prepare_drawing(drawing, row, &preparation);
    assert_true(preparation.is_empty);
    assert_string_equal(preparation.text, "nothing drawn");
    assert_memory_equal(row, zero, sizeof(row));
}

/* The largest drawing that is taken, all over the place, is prepared in milliseconds. */
static void
many_points_are_prepared_quickly(void **state)
{
    enum { ROUNDS = 3 };
    INK_CLEANUP(ink_drawing_destroy) struct ink_drawing *drawing = NULL;
    static float x[INK_DRAWING_POINT_MAX], y[INK_DRAWING_POINT_MAX];
    const size_t start[] = {0, INK_DRAWING_POINT_MAX};
    struct ink_preparation preparation;
    uint8_t row[INK_PICTURE_SIZE];
    double best_ms = 1e9;
    struct ink_rng rng;
    struct ink_err err;

    (void)state;
    ink_rng_init(&rng, 6, 0);
    for (size_t i = 0; i < INK_DRAWING_POINT_MAX; i++) {
        x[i] = ink_rng_between(&rng, -1e6F, 1e6F);
        y[i] = ink_rng_between(&rng, -1e6F, 1e6F);
    }
    assert_ok(ink_drawing_create(start, 1, x, y, -1, &drawing, &err), &err);
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t begin = ink_clock_ns();

        ink_prepare_drawing(drawing, row, &preparation);
        best_ms = fmin(best_ms, ink_clock_ms_since(begin));
    }
    print_message("  %d random points: %.1f ms (under the sanitizers)\n", INK_DRAWING_POINT_MAX,
                  best_ms);
    assert_true(best_ms < 3000); /* were it quadratic, minutes */
}

/* The raster: coverage of a line, what is outside is cut, old ink stays. */
static void
raster_covers_what_the_pen_does(void **state)
{
    static const float points[] = {-10, 5, 30, 5};
    const struct ink_raster_fit fit = {.scale = 1};
    const struct ink_raster_pen pen = {.width = 3, .softness = 1};
    INK_CLEANUP(ink_drawing_destroy) struct ink_drawing *drawing = NULL;
    uint8_t pixels[10 * 20] = {0};
    const struct ink_raster raster = {pixels, 20, 10};

    (void)state;
    pixels[0] = 9;
    pixels[5 * 20] = 9;
    drawing_of(points, 2, &drawing);
    ink_raster_draw(drawing, &fit, &pen, &raster);
    assert_int_equal(pixels[0], 9);
    for (int x = 0; x < 20; x++) { /* the edge lies in the middle of rows 3 and 6 */
        assert_int_equal(pixels[2 * 20 + x], 0);
        assert_in_range(pixels[3 * 20 + x], 126, 129);
        assert_int_equal(pixels[4 * 20 + x], 255);
        assert_int_equal(pixels[5 * 20 + x], 255);
        assert_in_range(pixels[6 * 20 + x], 126, 129);
        assert_int_equal(pixels[7 * 20 + x], 0);
    }
}

static void
floats_are_exact(void **state)
{
    float pixels[256];
    uint8_t row[256];

    (void)state;
    for (int i = 0; i < 256; i++)
        row[i] = (uint8_t)i;
    ink_prepare_floats(row, 256, pixels);
    for (int i = 0; i < 256; i++)
        assert_true(pixels[i] == (float)i / 255.0F);
}

/* ---- pictures ---- */

/* A canvas with a digit drawn on it by the rasteriser, white on black. */
struct canvas {
    struct ink_picture picture;
    struct ink_rng rng;
};

static void
canvas_init(struct canvas *canvas, int width, int height)
{
    *canvas = (struct canvas){.picture = {width, height, NULL}};
    canvas->picture.grey = calloc((size_t)width, (size_t)height);
    assert_non_null(canvas->picture.grey);
    ink_rng_init(&canvas->rng, 1, 0);
}

static void
canvas_fini(struct canvas *canvas)
{
    ink_picture_fini(&canvas->picture);
}

/* `size` pixels high or wide, its corner at (left, top), with a pen of `width` pixels. */
static void
canvas_draw(struct canvas *canvas, const struct ink_drawing *drawing, float size, float left,
            float top, float width)
{
    float min_x = INFINITY, max_x = -INFINITY, min_y = INFINITY, max_y = -INFINITY;
    const struct ink_raster_pen pen = {.width = width, .softness = 1};
    const struct ink_raster raster = {canvas->picture.grey, canvas->picture.width,
                                      canvas->picture.height};
    struct ink_raster_fit fit;

    for (size_t i = 0; i < drawing->point_count; i++) {
        min_x = fminf(min_x, drawing->x[i]);
        max_x = fmaxf(max_x, drawing->x[i]);
        min_y = fminf(min_y, drawing->y[i]);
        max_y = fmaxf(max_y, drawing->y[i]);
    }
    fit = (struct ink_raster_fit){.scale = (size - width) / fmaxf(max_x - min_x, max_y - min_y),
                                  .from_x = min_x,
                                  .from_y = min_y,
                                  .to_x = left + width / 2,
                                  .to_y = top + width / 2};
    ink_raster_draw(drawing, &fit, &pen, &raster);
}

/* Ink of `ink` on paper of `paper` grey levels, with a slope and noise. */
static void
canvas_photograph(struct canvas *canvas, float ink, float paper, float slope, float noise)
{
    struct ink_picture *picture = &canvas->picture;

    for (int y = 0; y < picture->height; y++)
        for (int x = 0; x < picture->width; x++) {
            uint8_t *pixel = &picture->grey[y * picture->width + x];
            float level = paper + slope * ((float)x / (float)picture->width - 0.5F) -
                          slope / 2 * ((float)y / (float)picture->height - 0.5F);
            float share = (float)*pixel / 255;
            float value = level + (ink - level) * share +
                          (noise > 0 ? noise * ink_rng_normal(&canvas->rng) : 0);

            *pixel = (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
        }
}

static void
prepare(const struct canvas *canvas, uint8_t *row, struct ink_preparation *preparation)
{
    struct ink_err err;

    assert_ok(ink_prepare_picture(&canvas->picture, row, preparation, &err), &err);
}

/* Every way to put the same digit on a sheet gives nearly the row that its strokes give. */
static void
pictures_come_out_as_their_drawings(void **state)
{
    static const struct {
        const char *name;
        int width, height;
        float size, left, top, pen;     /* the digit */
        float ink, paper, slope, noise; /* the sheet */
        double most;                    /* mean difference from the strokes' row */
        const char *says;
    } cases[] = {
        {"white on black", 280, 280, 200, 40, 40, 22, 255, 0, 0, 0, 0.35, "light on dark"},
        {"small, in a corner", 280, 280, 70, 5, 200, 8, 255, 0, 0, 0, 0.35, "light on dark"},
        {"black on white", 280, 280, 200, 10, 70, 22, 0, 255, 0, 0, 0.35, "dark on light"},
        {"a wide sheet", 900, 200, 150, 700, 20, 16, 0, 255, 0, 0, 0.35, "dark on light"},
        {"pencil", 280, 280, 200, 10, 70, 22, 150, 230, 0, 0, 0.35, "dark on light"},
        {"a photo", 600, 800, 400, 100, 200, 40, 60, 190, 60, 6, 0.45, "uneven paper"},
        {"a blackboard", 400, 300, 220, 90, 40, 24, 200, 50, 40, 6, 0.55, "light on dark"},
        {"thin lines", 560, 560, 400, 80, 80, 8, 0, 255, 0, 0, 0.55, "strokes of"},
        {"fat lines", 280, 280, 220, 30, 30, 48, 0, 255, 0, 0, 0.55, "strokes of"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        double sum = 0;

        for (int digit = 0; digit < 10; digit++) {
            INK_CLEANUP(ink_drawing_destroy) struct ink_drawing *drawing = NULL;
            INK_CLEANUP(canvas_fini) struct canvas canvas;
            uint8_t row[INK_PICTURE_SIZE], want[INK_PICTURE_SIZE];
            struct ink_preparation preparation;

            generate(7, digit, &drawing);
            ink_prepare_drawing(drawing, want, &preparation);
            canvas_init(&canvas, cases[i].width, cases[i].height);
            canvas_draw(&canvas, drawing, cases[i].size, cases[i].left, cases[i].top, cases[i].pen);
            canvas_photograph(&canvas, cases[i].ink, cases[i].paper, cases[i].slope,
                              cases[i].noise);
            prepare(&canvas, row, &preparation);
            assert_false(preparation.is_empty);
            assert_framed(row);
            assert_non_null(strstr(preparation.text, cases[i].says));
            sum += difference(want, row);
        }
        print_message("  %s: differs by %.2f of the ink\n", cases[i].name, sum / 10);
        assert_true(sum / 10 < cases[i].most);
    }
}

static void
blank_sheets_are_empty(void **state)
{
    static const struct {
        const char *name;
        int width, height;
        float paper, slope, noise;
    } cases[] = {
        {"white", 280, 280, 255, 0, 0},  {"black", 28, 28, 0, 0, 0},
        {"grey", 3, 500, 128, 0, 0},     {"a photo of paper", 400, 300, 180, 80, 5},
        {"noise", 200, 200, 128, 0, 12}, {"one pixel", 1, 1, 90, 0, 0},
        {"a line", 2000, 1, 90, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        INK_CLEANUP(canvas_fini) struct canvas canvas;
        uint8_t row[INK_PICTURE_SIZE], zero[INK_PICTURE_SIZE] = {0};
        struct ink_preparation preparation;

        print_message("  %s\n", cases[i].name);
        canvas_init(&canvas, cases[i].width, cases[i].height);
        canvas_photograph(&canvas, 0, cases[i].paper, cases[i].slope, cases[i].noise);
        prepare(&canvas, row, &preparation);
        assert_true(preparation.is_empty);
        assert_memory_equal(row, zero, sizeof(row));
        assert_non_null(strstr(preparation.text, "no ink found"));
    }
}

/* Specks are left out, and so is what reaches in from the edge; one speck alone is nothing. */
static void
specks_and_shadows_are_left_out(void **state)
{
    INK_CLEANUP(ink_drawing_destroy) struct ink_drawing *drawing = NULL;
    INK_CLEANUP(canvas_fini) struct canvas canvas, speck;
    uint8_t row[INK_PICTURE_SIZE], want[INK_PICTURE_SIZE];
    struct ink_preparation preparation;

    (void)state;
    generate(1, 5, &drawing);
    canvas_init(&canvas, 280, 280);
    canvas_draw(&canvas, drawing, 150, 60, 70, 16);
    prepare(&canvas, want, &preparation);
    for (int i = 0; i < 6; i++)
        memset(canvas.picture.grey + (20 + i * 40) * 280 + 20 + i * 3, 255, 2);
    for (int y = 0; y < 280; y++)
        memset(canvas.picture.grey + y * 280 + 272, 255, 8);
    prepare(&canvas, row, &preparation);
    assert_true(difference(want, row) < 0.03);
    assert_non_null(strstr(preparation.text, "left out"));

    canvas_init(&speck, 280, 280);
    memset(speck.picture.grey + 100 * 280 + 100, 255, 3);
    prepare(&speck, row, &preparation);
    assert_true(preparation.is_empty);
}

/* What fills the sheet from edge to edge is still the digit. */
static void
a_digit_on_the_edge_is_kept(void **state)
{
    INK_CLEANUP(ink_drawing_destroy) struct ink_drawing *drawing = NULL;
    INK_CLEANUP(canvas_fini) struct canvas canvas;
    struct ink_preparation preparation;
    uint8_t row[INK_PICTURE_SIZE];

    (void)state;
    generate(2, 0, &drawing);
    canvas_init(&canvas, 100, 100);
    canvas_draw(&canvas, drawing, 100, 0, 0, 10);
    prepare(&canvas, row, &preparation);
    assert_false(preparation.is_empty);
    assert_framed(row);
}

/* ---- MNIST's own rows ---- */

static void
rows_pass_unchanged_and_their_inverse_comes_back(void **state)
{
    const struct ink_data_options options = {.cache_dir = "/nonexistent", .mirror = "none"};
    INK_CLEANUP(ink_dataset_unrefp) struct ink_dataset *dataset = NULL;
    const char *data_dir = getenv("INKLING_DATA");
    char path[512];
    struct stat info;
    struct ink_err err;

    (void)state;
    (void)snprintf(path, sizeof(path), "%s/mnist/t10k-images-idx3-ubyte.gz",
                   data_dir ? data_dir : "");
    if (stat(path, &info) < 0) {
        print_message("skipped: no MNIST in INKLING_DATA\n");
        skip();
    }
    assert_ok(ink_dataset_load("mnist", INK_TEST, &options, &dataset, &err), &err);
    for (size_t i = 0; i < 500; i++) {
        const uint8_t *row = dataset->pixels + i * INK_PICTURE_SIZE;
        uint8_t copy[INK_PICTURE_SIZE], out[INK_PICTURE_SIZE];
        const struct ink_picture picture = {SIDE, SIDE, copy};
        struct ink_preparation preparation;

        memcpy(copy, row, sizeof(copy));
        assert_ok(ink_prepare_picture(&picture, out, &preparation, &err), &err);
        assert_memory_equal(out, row, sizeof(out));
        assert_non_null(strstr(preparation.text, "taken as it is"));
        for (int pixel = 0; pixel < INK_PICTURE_SIZE; pixel++)
            copy[pixel] = (uint8_t)(255 - row[pixel]);
        assert_ok(ink_prepare_picture(&picture, out, &preparation, &err), &err);
        assert_memory_equal(out, row, sizeof(out));
        assert_non_null(strstr(preparation.text, "only inverted"));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(drawings_come_into_the_frame),
        cmocka_unit_test(scale_and_place_do_not_matter),
        cmocka_unit_test(a_straight_one_stays_thin),
        cmocka_unit_test(a_dot_is_a_dot),
        cmocka_unit_test(nothing_drawn_is_empty),
        cmocka_unit_test(many_points_are_prepared_quickly),
        cmocka_unit_test(raster_covers_what_the_pen_does),
        cmocka_unit_test(floats_are_exact),
        cmocka_unit_test(pictures_come_out_as_their_drawings),
        cmocka_unit_test(blank_sheets_are_empty),
        cmocka_unit_test(specks_and_shadows_are_left_out),
        cmocka_unit_test(a_digit_on_the_edge_is_kept),
        cmocka_unit_test(rows_pass_unchanged_and_their_inverse_comes_back),
    };

    return cmocka_run_group_tests_name("prepare", tests, NULL, NULL);
}
