/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "ink_test.h"
#include "kernel/render/answer.h"
#include "kernel/render/bundle.h"
#include "kernel/render/chart.h"
#include "kernel/render/confusion.h"
#include "kernel/render/font.h"
#include "kernel/render/grid.h"
#include "kernel/render/heat.h"
#include "kernel/render/progress.h"
#include "kernel/render/still.h"
#include "kernel/render/table.h"
#include "kernel/render/text.h"
#include "kernel/render/write.h"
#include "model/picture.h"

/* What a file or a label may be called by someone who means harm. */
static const char hostile[] = "<script>alert(1)</script>\"'&|\x1b[31m\xe2\x80\xae.png\n\xff";

/* ---- bundles ---- */

static void
test_bundle(void **state)
{
    INK_CLEANUP(ink_bundle_fini) struct ink_bundle bundle = {0};
    INK_CLEANUP(ink_buf_fini) struct ink_buf text = {0}, printed = {0};
    INK_CLEANUP(ink_json_destroy) struct ink_json *json = NULL;
    struct ink_err err;

    (void)state;
    ink_buf_append(&text, "\x89PNG\0\xff", 6);
    ink_bundle_add(&bundle, INK_MIME_PNG, &text);
    assert_null(text.bytes); /* taken over */
    ink_bundle_add_text(&bundle, INK_MIME_TEXT, "old");
    ink_bundle_add_text(&bundle, INK_MIME_TEXT, "new \"quoted\"");
    ink_bundle_add_text(&bundle, INK_MIME_JSON, "{\"a\": [1, 2]}");
    assert_int_equal(bundle.count, 3);
    assert_int_equal(ink_bundle_find(&bundle, INK_MIME_PNG)->size, 6);
    assert_null(ink_bundle_find(&bundle, INK_MIME_SVG));

    assert_ok(ink_bundle_print(&bundle, &printed, &err), &err);
    assert_ok(ink_json_parse(printed.bytes, printed.size, &json, &err), &err);
    assert_string_equal(ink_json_string(ink_json_find(json, INK_MIME_TEXT), ""), "new \"quoted\"");
    assert_string_equal(ink_json_string(ink_json_find(json, INK_MIME_PNG), ""), "iVBORwD/");
    assert_int_equal(ink_json_count(ink_json_find(ink_json_find(json, INK_MIME_JSON), "a")), 2);
}

static void
test_bundle_full(void **state)
{
    static const char *const mimes[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i"};
    INK_CLEANUP(ink_bundle_fini) struct ink_bundle bundle = {0};
    struct ink_err err;

    (void)state;
    for (int i = 0; i < INK_BUNDLE_ITEM_MAX; i++)
        ink_bundle_add_text(&bundle, mimes[i], "x");
    assert_ok(ink_bundle_check(&bundle, &err), &err);
    ink_bundle_add_text(&bundle, mimes[INK_BUNDLE_ITEM_MAX], "x");
    assert_fails(INK_NOMEM, "memory", ink_bundle_check(&bundle, &err), &err);
}

/* ---- text ---- */

static void
test_text(void **state)
{
    static const struct {
        long long count;
        const char *want;
    } counts[] = {
        {0, "0"}, {999, "999"}, {1000, "1,000"}, {10000, "10,000"}, {-1234567, "-1,234,567"}};
    static const struct {
        double value;
        const char *want;
    } percents[] = {{0, "0.00 %"}, {0.9953, "99.53 %"}, {0.999999, "99.99 %"}, {1, "100.00 %"}},
      durations[] = {{-1, "0.0 s"},  {0.26, "0.3 s"},     {9.96, "10 s"},
                     {59.4, "59 s"}, {200, "3 min 20 s"}, {7500, "2 h 5 min"}};

    (void)state;
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        INK_CLEANUP(ink_buf_fini) struct ink_buf text = {0};

        ink_text_count(&text, counts[i].count);
        assert_string_equal(ink_buf_text(&text), counts[i].want);
    }
    for (size_t i = 0; i < sizeof(percents) / sizeof(percents[0]); i++) {
        INK_CLEANUP(ink_buf_fini) struct ink_buf text = {0};

        ink_text_percent(&text, percents[i].value);
        assert_string_equal(ink_buf_text(&text), percents[i].want);
    }
    for (size_t i = 0; i < sizeof(durations) / sizeof(durations[0]); i++) {
        INK_CLEANUP(ink_buf_fini) struct ink_buf text = {0};

        ink_text_duration(&text, durations[i].value);
        assert_string_equal(ink_buf_text(&text), durations[i].want);
    }
}

static void
test_bar(void **state)
{
    (void)state;
    for (int i = -2; i <= 34; i++) {
        INK_CLEANUP(ink_buf_fini) struct ink_buf text = {0};

        ink_text_bar(&text, i / 32.0, 4);
        assert_true(ink_utf8_is_valid(text.bytes, text.size));
        assert_int_equal(ink_text_width(ink_buf_text(&text)), 4);
    }
}

static void
test_clean(void **state)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf text = {0};

    (void)state;
    ink_text_clean(&text, hostile);
    assert_true(ink_utf8_is_valid(text.bytes, text.size));
    assert_null(strchr(text.bytes, '\x1b'));
    assert_null(strchr(text.bytes, '\n'));
    assert_null(strstr(text.bytes, "\xe2\x80\xae")); /* turns the direction of writing */
    assert_non_null(strstr(text.bytes, "<script>")); /* escaping is the writer's matter */
    ink_buf_clear(&text);
    ink_text_clean(&text, "caf\xc3\xa9 \xe6\x97\xa5");
    assert_string_equal(ink_buf_text(&text), "caf\xc3\xa9 \xe6\x97\xa5");
}

/* ---- tables ---- */

static void
test_table(void **state)
{
    INK_CLEANUP(ink_table_fini) struct ink_table table;
    INK_CLEANUP(ink_buf_fini) struct ink_buf text = {0}, html = {0}, markdown = {0};

    (void)state;
    ink_table_init(&table, "name|>count");
    ink_table_add(&table, "caf\xc3\xa9");
    ink_table_add_count(&table, 12345);
    ink_table_add(&table, "a|b");
    ink_table_addf(&table, "%d", 7);
    ink_table_text(&table, &text);
    assert_string_equal(ink_buf_text(&text), "name   count\n"
                                             "----  ------\n"
                                             "caf\xc3\xa9  12,345\n"
                                             "a|b        7\n");
    ink_table_html(&table, &html);
    assert_string_equal(ink_buf_text(&html),
                        "<table><thead><tr><th align=\"left\">name</th><th align=\"right\">count"
                        "</th></tr></thead><tbody><tr><td align=\"left\">caf\xc3\xa9</td>"
                        "<td align=\"right\">12,345</td></tr><tr><td align=\"left\">a|b</td>"
                        "<td align=\"right\">7</td></tr></tbody></table>");
    ink_table_markdown(&table, &markdown);
    assert_non_null(strstr(ink_buf_text(&markdown), "|---|--:|\n"));
    assert_non_null(strstr(ink_buf_text(&markdown), "a\\|b"));
}

static void
test_table_hostile(void **state)
{
    INK_CLEANUP(ink_table_fini) struct ink_table table;
    INK_CLEANUP(ink_buf_fini) struct ink_buf text = {0}, html = {0}, markdown = {0};

    (void)state;
    ink_table_init(&table, "name");
    ink_table_add(&table, hostile);
    ink_table_html(&table, &html);
    assert_null(strstr(ink_buf_text(&html), "<script"));
    assert_non_null(strstr(ink_buf_text(&html), "&lt;script&gt;"));
    ink_table_markdown(&table, &markdown);
    assert_null(strstr(ink_buf_text(&markdown), "|<script"));
    assert_non_null(strstr(ink_buf_text(&markdown), "\\<script\\>"));
    ink_table_text(&table, &text);
    assert_null(strchr(ink_buf_text(&text), '\x1b'));
}

/* ---- colours ---- */

static double
luminance(struct ink_colour colour)
{
    return 0.2126 * colour.red + 0.7152 * colour.green + 0.0722 * colour.blue;
}

/* Lightness falls all the way; the ends are far apart; nothing outside the range differs. */
static void
test_colours(void **state)
{
    double before = 256;

    (void)state;
    for (int i = 0; i <= 100; i++) {
        double now = luminance(ink_colour_sequential((float)i / 100));

        assert_true(now <= before + 0.5);
        before = now;
    }
    assert_true(luminance(ink_colour_sequential(0)) - luminance(ink_colour_sequential(1)) > 170);
    assert_true(luminance(ink_colour_diverging(0)) > 245);
    assert_true(ink_colour_diverging(-1).red > ink_colour_diverging(-1).blue);
    assert_true(ink_colour_diverging(1).blue > ink_colour_diverging(1).red);
    assert_int_equal(ink_colour_sequential(7).green, ink_colour_sequential(1).green);
    assert_int_equal(ink_colour_sequential((float)NAN).blue, ink_colour_sequential(0).blue);
    assert_int_equal(ink_colour_of_pixel(0).red, 255);
    assert_int_equal(ink_heat_colour(0, 0, 0).blue, ink_colour_sequential(0).blue);
}

/* ---- figures ---- */

/* Decode the PNG of a figure; its size must be as asked for. */
static void
decode(const struct ink_figure *figure, struct ink_picture *out)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf png = {0};
    struct ink_err err;

    assert_ok(ink_figure_png(figure, 2, &png, &err), &err);
    assert_ok(ink_picture_decode(png.bytes, png.size, out, &err), &err);
    assert_int_equal(out->width, 2 * (int)figure->width);
    assert_int_equal(out->height, 2 * (int)figure->height);
}

static void
test_figure_png(void **state)
{
    INK_CLEANUP(ink_figure_fini) struct ink_figure figure;
    INK_CLEANUP(ink_picture_fini) struct ink_picture picture = {0};
    static const uint8_t rgb[] = {0, 0, 0, 255, 255, 255};
    static const float line[] = {5, 40, 95, 40};

    (void)state;
    ink_figure_init(&figure, 100, 60);
    ink_figure_rect(&figure, (struct ink_box){10, 10, 20, 20}, 0, (struct ink_colour){0, 0, 0});
    ink_figure_image(&figure, (struct ink_box){50, 10, 20, 10}, rgb, 2, 1);
    ink_figure_line(&figure, line, 2, 2, (struct ink_colour){0, 0, 0});
    decode(&figure, &picture);
#define AT(x, y) picture.grey[(2 * (y)) * picture.width + 2 * (x)]
    assert_int_equal(AT(20, 20), 0);
    assert_int_equal(AT(35, 20), 255);
    assert_int_equal(AT(52, 15), 0);
    assert_int_equal(AT(68, 15), 255);
    assert_true(AT(50, 40) < 60);
    assert_int_equal(AT(50, 45), 255);
#undef AT
}

/* Operations beyond the page, empty ones and odd ones are drawn as far as they can be. */
static void
test_figure_edges(void **state)
{
    INK_CLEANUP(ink_figure_fini) struct ink_figure figure;
    INK_CLEANUP(ink_picture_fini) struct ink_picture picture = {0};
    INK_CLEANUP(ink_buf_fini) struct ink_buf svg = {0};
    static const float line[] = {-1000, -1000, 1000, 1000};
    struct ink_pen pen = {14, INK_ANCHOR_END, true, INK_COLOUR_INK};
    struct ink_err err;

    (void)state;
    ink_figure_init(&figure, 40, 30);
    ink_figure_rect(&figure, (struct ink_box){-50, -50, 500, 10}, 99, INK_COLOUR_INK);
    ink_figure_rect(&figure, (struct ink_box){5, 5, -3, 10}, 2, INK_COLOUR_INK);
    ink_figure_line(&figure, line, 2, 3, INK_COLOUR_INK);
    ink_figure_line(&figure, line, 1, 3, INK_COLOUR_INK);
    ink_figure_line(&figure, line, 0, 3, INK_COLOUR_INK);
    ink_figure_text(&figure, 2, 2, &pen, hostile);
    ink_figure_text(&figure, 20, 20, &pen, "");
    decode(&figure, &picture);
    assert_ok(ink_figure_svg(&figure, hostile, &svg, &err), &err);
    assert_null(strstr(ink_buf_text(&svg), "<script"));
    ink_figure_fini(&figure);
    ink_figure_init(&figure, 20000, 10);
    ink_buf_clear(&svg);
    assert_fails(INK_TOOBIG, "expected at most", ink_figure_png(&figure, 2, &svg, &err), &err);
}

/* All characters that we draw have strokes that stay in their box. */
static void
test_font(void **state)
{
    const char *text = "A\xc3\x97\xe2\x80\xa6\xff\xf0\x9f";

    (void)state;
    for (unsigned c = '!'; c <= '~'; c++) {
        struct ink_glyph glyph = ink_font_glyph(c);

        assert_true(strlen(glyph.strokes) % 3 == 2);
        for (const char *at = glyph.strokes; *at; at += at[2] ? 3 : 2) {
            int x = at[0] <= '9' ? at[0] - '0' : at[0] - 'a' + 10;

            assert_true(x >= 0 && x <= glyph.width);
            assert_non_null(strchr("0123456789abcdef", at[1]));
            assert_true(at[2] == '\0' || at[2] == ' ' || at[2] == '|');
        }
    }
    assert_int_equal(ink_font_next(&text), 'A');
    assert_int_equal(ink_font_next(&text), 0xd7);
    assert_int_equal(ink_font_next(&text), 0x2026);
    for (int i = 0; i < 3; i++)
        assert_int_equal(ink_font_next(&text), 0xfffd);
    assert_int_equal(ink_font_next(&text), 0);
}

static void
test_fit_text(void **state)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf fitted = {0};

    (void)state;
    ink_figure_fit_text("a long name of a file.png", 12, 60, &fitted);
    assert_true(ink_figure_text_width(ink_buf_text(&fitted), 12) <= 60);
    assert_non_null(strstr(ink_buf_text(&fitted), "\xe2\x80\xa6"));
    ink_buf_clear(&fitted);
    ink_figure_fit_text("short", 12, 60, &fitted);
    assert_string_equal(ink_buf_text(&fitted), "short");
}

/* ---- whole pictures ---- */

static void
test_answer(void **state)
{
    INK_CLEANUP(ink_figure_fini) struct ink_figure figure = {0};
    INK_CLEANUP(ink_picture_fini) struct ink_picture picture = {0};
    INK_CLEANUP(ink_buf_fini) struct ink_buf text = {0};
    uint8_t row[INK_PICTURE_SIZE] = {0};
    float probabilities[INK_CLASS_COUNT] = {[3] = 1};
    struct ink_answer_sight sight = {row, probabilities, 3, 5};

    (void)state;
    row[14 * 28 + 14] = 255;
    ink_answer_figure(&figure, &sight);
    decode(&figure, &picture);
    ink_answer_text(&text, &sight);
    assert_non_null(strstr(ink_buf_text(&text), "100.00 %"));
    assert_non_null(strstr(ink_buf_text(&text), "truth"));
}

static void
test_heat(void **state)
{
    static const struct ink_shape shapes[] = {
        {3, 5, 4}, {1, 28, 28}, {10, 1, 1}, {100, 1, 1}, {1, 1, 1}};
    uint8_t row[INK_PICTURE_SIZE] = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        INK_CLEANUP(ink_figure_fini) struct ink_figure figure = {0};
        INK_CLEANUP(ink_picture_fini) struct ink_picture picture = {0};
        size_t count = ink_shape_count(shapes[i]);
        float *values = calloc(count, sizeof(*values));
        struct ink_heat heat = {.values = values, .shape = shapes[i], .min = -1, .max = 2};

        assert_non_null(values);
        for (size_t j = 0; j < count; j++)
            values[j] = (float)(j % 4) - 1;
        ink_heat_figure(&figure, &heat, row);
        decode(&figure, &picture);
        free(values);
    }
}

static void
test_chart_step(void **state)
{
    static const struct {
        float span, want;
    } cases[] = {{1, 0.2F}, {5, 1}, {0.03F, 0.005F}, {100, 20}, {3, 0.5F}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        float got = ink_chart_step(cases[i].span, 5);

        assert_true(got > cases[i].want * 0.99F && got < cases[i].want * 1.01F);
    }
}

/* From the first moment to the last, with numbers that are not there yet. */
static void
test_progress(void **state)
{
    struct ink_train_progress *progress = calloc(1, sizeof(*progress));

    (void)state;
    assert_non_null(progress);
    progress->loss = progress->accuracy = progress->best_accuracy = (double)NAN;
    progress->validation_loss = progress->validation_accuracy = (double)NAN;
    for (int step = 0; step <= 3; step++) {
        INK_CLEANUP(ink_bundle_fini) struct ink_bundle bundle = {0};
        const char *svg, *text;

        ink_progress_show(progress, hostile, step < 3 ? INK_PROGRESS_RUNS : INK_PROGRESS_STOPPED,
                          &bundle);
        assert_false(bundle.is_broken);
        svg = ink_bundle_find(&bundle, INK_MIME_SVG)->bytes;
        assert_null(strstr(svg, "nan"));
        assert_null(strstr(svg, "inf"));
        assert_null(strstr(svg, "<script"));
        text = ink_bundle_find(&bundle, INK_MIME_TEXT)->bytes;
        assert_int_equal(strstr(text, "starting") != NULL, step < 2);
        assert_int_equal(strstr(text, "loss nan") != NULL, step >= 2); /* as the test has it */
        assert_int_equal(ink_bundle_find(&bundle, INK_MIME_HTML) != NULL, step == 3);
        progress->epoch = 1;
        progress->epoch_count = 2;
        progress->step = 10 * step;
        progress->step_count = 20;
        progress->curve_step[step] = (float)(10 * step);
        progress->curve_loss[step] = step == 1 ? (float)NAN : 1.0F / (float)(step + 1);
        progress->curve_accuracy[step] = 0.5F;
        progress->curve_count = step + 1;
        progress->validation_step[0] = 10;
        progress->validation_losses[0] = 0.25F;
        progress->validation_accuracies[0] = 0.9F;
        progress->validation_count = step > 1;
    }
    {
        INK_CLEANUP(ink_bundle_fini) struct ink_bundle plain = {.is_plain = true};

        ink_progress_show(progress, hostile, INK_PROGRESS_DONE, &plain);
        assert_int_equal(plain.count, 2); /* no pictures for one who shows none */
        assert_non_null(ink_bundle_find(&plain, INK_MIME_TEXT));
        assert_non_null(ink_bundle_find(&plain, INK_MIME_JSON));
    }
    free(progress);
}

static void
test_write(void **state)
{
    INK_CLEANUP(ink_bundle_fini) struct ink_bundle bundle = {0};
    struct ink_err err;

    (void)state;
    ink_bundle_add_text(&bundle, INK_MIME_TEXT, "x");
    assert_fails(INK_BADARG, "does not end in", ink_write_check("a.doc", &err), &err);
    assert_fails(INK_BADARG, "does not end in", ink_write_check("png", &err), &err);
    assert_ok(ink_write_check("a.png", &err), &err);
    assert_fails(INK_BADARG, "has no image/png form", ink_write_bundle(&bundle, "a.png", &err),
                 &err);
    assert_fails(INK_NOTFOUND, "", ink_write_bundle(&bundle, "/nonexistent/a.txt", &err), &err);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bundle),        cmocka_unit_test(test_bundle_full),
        cmocka_unit_test(test_text),          cmocka_unit_test(test_bar),
        cmocka_unit_test(test_clean),         cmocka_unit_test(test_table),
        cmocka_unit_test(test_table_hostile), cmocka_unit_test(test_colours),
        cmocka_unit_test(test_figure_png),    cmocka_unit_test(test_figure_edges),
        cmocka_unit_test(test_font),          cmocka_unit_test(test_fit_text),
        cmocka_unit_test(test_answer),        cmocka_unit_test(test_heat),
        cmocka_unit_test(test_chart_step),    cmocka_unit_test(test_progress),
        cmocka_unit_test(test_write),
    };

    return cmocka_run_group_tests_name("render", tests, NULL, NULL);
}
