/* SPDX-License-Identifier: MIT */
/* drawing: strokes from and to JSON and stroke files, with every bad line named. */

#include "tests/unit/ink_test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/rng.h"
#include "model/strokefile.h"
#include "tests/unit/ink_gzip.h"

/* Parse `text` as strokes. */
static enum ink_status
parse(const char *text, struct ink_drawing **out_drawing, struct ink_err *err)
{
    INK_CLEANUP(ink_json_destroy) struct ink_json *json = NULL;
    enum ink_status status = ink_json_parse(text, strlen(text), &json, err);

    return status ? status : ink_drawing_from_json(json, 7, out_drawing, err);
}

static void
reads_strokes(void **state)
{
    INK_CLEANUP(ink_drawing_destroy) struct ink_drawing *drawing = NULL, *copy = NULL;
    struct ink_err err;

    (void)state;
    assert_ok(parse("[[0,1,2.5,-3],[],[1e6,-1e6]]", &drawing, &err), &err);
    assert_int_equal(drawing->label, 7);
    assert_int_equal(drawing->stroke_count, 3);
    assert_int_equal(drawing->point_count, 3);
    assert_int_equal(drawing->start[1], 2);
    assert_int_equal(drawing->start[2], 2);
    assert_int_equal(drawing->start[3], 3);
    assert_float_equal(drawing->x[1], 2.5F, 0);
    assert_float_equal(drawing->y[1], -3, 0);
    assert_float_equal(drawing->y[2], -1e6F, 0);

    assert_ok(ink_drawing_copy(drawing, &copy, &err), &err);
    assert_int_equal(copy->start[3], 3);
    assert_float_equal(copy->x[2], 1e6F, 0);
    ink_drawing_destroy(&copy);

    assert_ok(parse("[]", &copy, &err), &err); /* empty is fine */
    assert_int_equal(copy->point_count, 0);
}

static void
refuses_what_is_not_strokes(void **state)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"{}", "expected [[x0,y0,x1,y1,...], ...]"},
        {"null", "expected [["},
        {"[1,2]", "stroke 0 is not an array"},
        {"[[1,2],{\"x\":1,\"y\":2}]", "stroke 1 is not an array"},
        {"[[1,2,3]]", "stroke 0 has 3 numbers, expected x and y in turn"},
        {"[[1,2],[3,\"4\"]]", "stroke 1: point 0 is not two numbers"},
        {"[[1,2,null,4]]", "stroke 0: point 1 is not two numbers"},
        {"[[[1,2],[3,4]]]", "point 0 is not two numbers"},
        {"[[1,1.1e6]]", "coordinate 1.1e+06, expected a number up to 1e+06"},
        {"[[-1000001,0]]", "coordinate -1e+06"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ink_drawing *drawing = NULL;
        struct ink_err err;

        assert_fails(INK_BADDATA, cases[i].says, parse(cases[i].text, &drawing, &err), &err);
        assert_null(drawing);
    }
}

static void
create_checks_what_it_copies(void **state)
{
    static const size_t start[] = {0, 1};
    const float fine[] = {1}, bad[] = {NAN}, huge[] = {INFINITY};
    struct ink_drawing *drawing = NULL;
    struct ink_err err;

    (void)state;
    assert_fails(INK_BADDATA, "coordinate",
                 ink_drawing_create(start, 1, bad, fine, 1, &drawing, &err), &err);
    assert_fails(INK_BADDATA, "coordinate",
                 ink_drawing_create(start, 1, fine, huge, 1, &drawing, &err), &err);
    assert_fails(INK_BADDATA, "label 10, expected 0 to 9",
                 ink_drawing_create(start, 1, fine, fine, 10, &drawing, &err), &err);
    assert_ok(ink_drawing_create(NULL, 0, NULL, NULL, -1, &drawing, &err), &err);
    assert_int_equal(drawing->point_count, 0);
    ink_drawing_destroy(&drawing);
    assert_null(drawing);
}

static void
append_repeated(struct ink_buf *buf, const char *piece, size_t count)
{
    ink_buf_putc(buf, '[');
    for (size_t i = 0; i < count; i++)
        ink_buf_printf(buf, "%s%s", i > 0 ? "," : "", piece);
    ink_buf_putc(buf, ']');
}

static void
limits_hold_at_their_edges(void **state)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf text = {0}, stroke = {0};
    struct ink_drawing *drawing = NULL;
    struct ink_err err;

    (void)state;
    append_repeated(&text, "[1,2]", INK_DRAWING_STROKE_MAX);
    assert_ok(parse(ink_buf_text(&text), &drawing, &err), &err);
    ink_drawing_destroy(&drawing);
    ink_buf_clear(&text);
    append_repeated(&text, "[1,2]", INK_DRAWING_STROKE_MAX + 1);
    assert_fails(INK_TOOBIG, "201 strokes, at most 200", parse(ink_buf_text(&text), &drawing, &err),
                 &err);

    for (size_t extra = 0; extra < 2; extra++) {
        ink_buf_clear(&text);
        ink_buf_clear(&stroke);
        append_repeated(&stroke, "1,2", INK_DRAWING_POINT_MAX + extra);
        ink_buf_printf(&text, "[%s]", ink_buf_text(&stroke));
        if (extra == 0) {
            assert_ok(parse(ink_buf_text(&text), &drawing, &err), &err);
            ink_drawing_destroy(&drawing);
        } else {
            assert_fails(INK_TOOBIG, "20001 points, at most 20000",
                         parse(ink_buf_text(&text), &drawing, &err), &err);
        }
    }
}

/* Any drawing survives being written and read, to the bit. */
static void
json_round_trips(void **state)
{
    enum { ROUNDS = 200, POINT_MAX = 40 };
    struct ink_rng rng;

    (void)state;
    ink_rng_init(&rng, 1, 0);
    for (int round = 0; round < ROUNDS; round++) {
        INK_CLEANUP(ink_drawing_destroy) struct ink_drawing *drawing = NULL, *back = NULL;
        INK_CLEANUP(ink_json_destroy) struct ink_json *json = NULL;
        INK_CLEANUP(ink_buf_fini) struct ink_buf text = {0};
        float x[POINT_MAX], y[POINT_MAX];
        size_t start[4] = {0};
        struct ink_err err;

        for (int s = 0; s < 3; s++)
            start[s + 1] = start[s] + ink_rng_below(&rng, 13);
        for (size_t i = 0; i < start[3]; i++) {
            x[i] = ldexpf(ink_rng_between(&rng, -1, 1), (int)ink_rng_below(&rng, 20));
            y[i] = ldexpf(ink_rng_between(&rng, -1, 1), -(int)ink_rng_below(&rng, 20));
        }
        assert_ok(ink_drawing_create(start, 3, x, y, round % 10, &drawing, &err), &err);
        json = ink_drawing_to_json(drawing);
        assert_ok(ink_json_print(json, &text, &err), &err);
        assert_ok(parse(ink_buf_text(&text), &back, &err), &err);
        assert_int_equal(back->stroke_count, 3);
        assert_memory_equal(back->start, start, sizeof(start));
        assert_memory_equal(back->x, drawing->x, start[3] * sizeof(float));
        assert_memory_equal(back->y, drawing->y, start[3] * sizeof(float));
    }
}

/* ---- stroke files ---- */

/* A file of its own for a test, removed by remove_file. */
static char folder[] = "/tmp/ink-drawing-XXXXXX", path[64];

static int
make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    (void)snprintf(path, sizeof(path), "%s/some.jsonl", folder);
    return 0;
}

static int
remove_folder(void **state)
{
    (void)state;
    (void)unlink(path);
    return rmdir(folder);
}

static enum ink_status
load(const void *bytes, size_t size, struct ink_dataset **out_dataset, struct ink_err *err)
{
    enum ink_status status = ink_file_write(path, bytes, size, err);

    return status ? status : ink_strokefile_load(path, out_dataset, err);
}

static const char two_lines[] = "{\"label\":7,\"writer\":\"x\",\"strokes\":[[0,0,9,0,4,9]]}\n"
                                "\n  \t\r\n"
                                "{\"strokes\":[[5,0,5,9]],\"more\":{\"a\":[1]},\"label\":1}";

static void
stroke_files_give_rows_and_drawings(void **state)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf packed = {0};

    (void)state;
    gzip_append(&packed, two_lines, strlen(two_lines));
    for (int is_packed = 0; is_packed < 2; is_packed++) {
        INK_CLEANUP(ink_dataset_unrefp) struct ink_dataset *dataset = NULL;
        struct ink_err err;
        unsigned sum = 0;

        assert_ok(is_packed ? load(packed.bytes, packed.size, &dataset, &err)
                            : load(two_lines, strlen(two_lines), &dataset, &err),
                  &err);
        assert_string_equal(dataset->name, "some.jsonl");
        assert_int_equal(dataset->count, 2);
        assert_int_equal(dataset->labels[0], 7);
        assert_int_equal(dataset->labels[1], 1);
        assert_int_equal(dataset->drawings[0]->point_count, 3);
        for (size_t i = 0; i < INK_PICTURE_SIZE; i++)
            sum += dataset->pixels[INK_PICTURE_SIZE + i];
        assert_in_range(sum, 20 * 255, 70 * 255); /* a line 20 long and about 2 wide */
    }
}

static void
stroke_files_name_the_bad_line(void **state)
{
    static const struct {
        const char *line, *says;
    } cases[] = {
        {"[]", "line 2: not a JSON object"},
        {"{\"label\":3}", "line 2: no \"strokes\""},
        {"{\"strokes\":[[1,2]]}", "line 2: no \"label\", expected a digit 0 to 9"},
        {"{\"label\":10,\"strokes\":[[1,2]]}", "line 2: the label is not a digit"},
        {"{\"label\":-1,\"strokes\":[[1,2]]}", "line 2: the label is not a digit"},
        {"{\"label\":1.5,\"strokes\":[[1,2]]}", "line 2: the label is not a digit"},
        {"{\"label\":\"1\",\"strokes\":[[1,2]]}", "line 2: the label is not a digit"},
        {"{\"label\":1,\"strokes\":[[1,2,3]]}", "line 2: stroke 0 has 3 numbers"},
        {"{\"label\":1,\"strokes\":[[1,2]]} x", "line 2: "},
        {"{\"label\":1,\"strokes\":[[1,2]]", "line 2: "},
        {"\xff\xfe", "line 2: "},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        INK_CLEANUP(ink_buf_fini) struct ink_buf text = {0};
        struct ink_dataset *dataset = NULL;
        struct ink_err err;

        ink_buf_printf(&text, "{\"label\":1,\"strokes\":[]}\n%s\n", cases[i].line);
        assert_fails(INK_BADDATA, cases[i].says, load(text.bytes, text.size, &dataset, &err), &err);
        assert_non_null(strstr(err.message, path));
        assert_null(dataset);
    }
}

static void
stroke_files_are_bounded(void **state)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf text = {0}, packed = {0};
    struct ink_dataset *dataset = NULL;
    struct ink_err err;

    (void)state;
    assert_fails(INK_BADDATA, "no drawing in it", load("\n\n", 2, &dataset, &err), &err);
    assert_fails(INK_BADDATA, "no drawing in it", load("", 0, &dataset, &err), &err);
    for (size_t i = 0; i <= INK_LIMIT_STROKE_LINE_SIZE; i++)
        ink_buf_putc(&text, ' ');
    assert_fails(INK_TOOBIG, "line 1 has 1048577 bytes",
                 load(text.bytes, text.size, &dataset, &err), &err);
    gzip_append(&packed, two_lines, strlen(two_lines));
    for (size_t size = 2; size < packed.size; size++)
        assert_fails(INK_BADDATA, "gzip", load(packed.bytes, size, &dataset, &err), &err);
    ink_buf_putc(&packed, 0);
    assert_fails(INK_BADDATA, "behind the end", load(packed.bytes, packed.size, &dataset, &err),
                 &err);
    assert_fails(INK_NOTFOUND, "nowhere.jsonl",
                 ink_strokefile_load("/tmp/nowhere.jsonl", &dataset, &err), &err);
}

static void
what_is_appended_is_read_again(void **state)
{
    INK_CLEANUP(ink_dataset_unrefp) struct ink_dataset *dataset = NULL, *back = NULL;
    INK_CLEANUP(ink_drawing_destroy) struct ink_drawing *unknown = NULL;
    INK_CLEANUP(ink_buf_fini) struct ink_buf text = {0};
    struct ink_err err;

    (void)state;
    assert_ok(load(two_lines, strlen(two_lines), &dataset, &err), &err);
    for (size_t i = 0; i < dataset->count; i++)
        assert_ok(ink_strokefile_append(dataset->drawings[i], &text, &err), &err);
    assert_ok(load(text.bytes, text.size, &back, &err), &err);
    assert_int_equal(back->count, dataset->count);
    assert_memory_equal(back->labels, dataset->labels, back->count);
    assert_memory_equal(back->pixels, dataset->pixels, back->count * INK_PICTURE_SIZE);

    assert_ok(ink_drawing_create(NULL, 0, NULL, NULL, -1, &unknown, &err), &err);
    ink_buf_clear(&text);
    assert_ok(ink_strokefile_append(unknown, &text, &err), &err);
    assert_string_equal(ink_buf_text(&text), "{\"strokes\":[]}\n");
}

static void
knows_stroke_files_by_name(void **state)
{
    (void)state;
    assert_true(ink_strokefile_is("a.jsonl"));
    assert_true(ink_strokefile_is("/x/a.jsonl.gz"));
    assert_false(ink_strokefile_is(".jsonl"));
    assert_false(ink_strokefile_is("a.json"));
    assert_false(ink_strokefile_is("a.gz"));
    assert_false(ink_strokefile_is(""));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_strokes),
        cmocka_unit_test(refuses_what_is_not_strokes),
        cmocka_unit_test(create_checks_what_it_copies),
        cmocka_unit_test(limits_hold_at_their_edges),
        cmocka_unit_test(json_round_trips),
        cmocka_unit_test(stroke_files_give_rows_and_drawings),
        cmocka_unit_test(stroke_files_name_the_bad_line),
        cmocka_unit_test(stroke_files_are_bounded),
        cmocka_unit_test(what_is_appended_is_read_again),
        cmocka_unit_test(knows_stroke_files_by_name),
    };

    return cmocka_run_group_tests_name("drawing", tests, make_folder, remove_folder);
}
