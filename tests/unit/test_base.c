/* SPDX-License-Identifier: MIT */
/* base: buffers, numbers, random numbers and JSON keep their promises at the edges. */

#include "tests/unit/ink_test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/parse.h"
#include "base/rng.h"

static void
base64_round_trips_every_length(void **state)
{
    unsigned char bytes[64];
    struct ink_err err;

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)(i * 37 + 5);
    for (size_t size = 0; size <= sizeof(bytes); size++) {
        INK_CLEANUP(ink_buf_fini) struct ink_buf text = {0}, back = {0};

        ink_buf_base64(&text, bytes, size);
        assert_int_equal(text.size, (size + 2) / 3 * 4);
        assert_ok(ink_buf_unbase64(&back, ink_buf_text(&text), text.size, &err), &err);
        assert_int_equal(back.size, size);
        assert_memory_equal(ink_buf_text(&back), bytes, size);
    }
}

static void
base64_refuses_what_it_is_not(void **state)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf back = {0};
    struct ink_err err;

    (void)state;
    assert_fails(INK_BADDATA, "0x2a at 2", ink_buf_unbase64(&back, "ab*d", 4, &err), &err);
    assert_fails(INK_BADDATA, "no whole bytes", ink_buf_unbase64(&back, "abcde", 5, &err), &err);
    assert_ok(ink_buf_unbase64(&back, "-_ -_", 5, &err), &err); /* url-safe, blanks */
}

static void
html_is_escaped(void **state)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf buf = {0};

    (void)state;
    ink_buf_html(&buf, "<img src=\"x\" onerror='a&b'>");
    assert_string_equal(ink_buf_text(&buf),
                        "&lt;img src=&quot;x&quot; onerror=&#39;a&amp;b&#39;&gt;");
}

static void
numbers_are_whole_strings_in_range(void **state)
{
    static const char *const bad[] = {"", " 3", "3 ", "3x", "0x3", "three", "--3", "1e3", "3.0"};
    struct ink_err err;
    int64_t value = 0;
    double real = 0;

    (void)state;
    assert_ok(ink_parse_int("--epochs", "12", 1, 12, &value, &err), &err);
    assert_int_equal(value, 12);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_fails(INK_BADARG, "not a whole number",
                     ink_parse_int("--epochs", bad[i], -9, 9, &value, &err), &err);
    assert_fails(INK_BADARG, "--epochs: -3 is out of range, expected 1 to 1000",
                 ink_parse_int("--epochs", "-3", 1, 1000, &value, &err), &err);
    assert_fails(INK_BADARG, "out of range",
                 ink_parse_int("n", "99999999999999999999", INT64_MIN, INT64_MAX, &value, &err),
                 &err);
    assert_ok(ink_parse_double("--lr", "1e-3", 0, 1, &real, &err), &err);
    assert_fails(INK_BADARG, "not a number", ink_parse_double("--lr", "nan", 0, 1, &real, &err),
                 &err);
    assert_fails(INK_BADARG, "not a number", ink_parse_double("--lr", "1e999", 0, 1, &real, &err),
                 &err);
    assert_fails(INK_BADARG, "out of range", ink_parse_double("--lr", "2", 0, 1, &real, &err),
                 &err);
}

static void
rng_repeats_and_stays_in_range(void **state)
{
    struct ink_rng one, same, other;
    uint64_t counter = 0;
    uint32_t seen[7] = {0};
    double sum = 0, squares = 0;
    enum { COUNT = 100000 };

    (void)state;
    ink_rng_init(&one, 42, 0);
    ink_rng_init(&same, 42, 0);
    ink_rng_init(&other, 42, 1);
    assert_int_equal(ink_rng_next(&one), ink_rng_next(&same));
    assert_int_not_equal(ink_rng_next(&one), ink_rng_next(&other));
    assert_true(ink_rng_splitmix(&counter) == 0xe220a8397b1dcdafU); /* as published */
    assert_true(ink_rng_splitmix(&counter) == 0x6e789e6aa1b965f4U);
    for (int i = 0; i < COUNT; i++)
        seen[ink_rng_below(&one, 7)]++;
    for (int i = 0; i < 7; i++)
        assert_in_range(seen[i], COUNT / 7 - 600, COUNT / 7 + 600); /* 5 sigma */
    for (int i = 0; i < COUNT; i++) {
        double x = (double)ink_rng_normal(&one);

        sum += x;
        squares += x * x;
    }
    assert_true(sum / COUNT > -0.02 && sum / COUNT < 0.02);
    assert_true(squares / COUNT > 0.97 && squares / COUNT < 1.03);
}

static void
json_refuses_what_cjson_takes(void **state)
{
    static const char *const bad[] = {
        "",
        "[01]",
        "[1.]",
        "[1e999]",
        "\"\x01\"",
        "\"a\\u0000b\"",
        "\"\xff\"",
        "\"\xed\xa0\x80\"",
        "{} trailing",
        "[1,]",
        "\"open",
        "[-]",
    };
    INK_CLEANUP(ink_buf_fini) struct ink_buf deep = {0};
    struct ink_json *json = NULL;
    struct ink_err err;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(ink_json_parse(bad[i], strlen(bad[i]), &json, &err), INK_BADDATA);
        assert_null(json);
    }
    for (int depth = INK_LIMIT_JSON_DEPTH; depth <= INK_LIMIT_JSON_DEPTH + 1; depth++) {
        ink_buf_clear(&deep);
        for (int i = 0; i < depth; i++)
            ink_buf_putc(&deep, '[');
        for (int i = 0; i < depth; i++)
            ink_buf_putc(&deep, ']');
        assert_int_equal(ink_json_parse(ink_buf_text(&deep), deep.size, &json, &err),
                         depth > INK_LIMIT_JSON_DEPTH ? INK_TOOBIG : INK_OK);
        ink_json_destroy(&json);
    }
}

static void
json_round_trips(void **state)
{
    static const char text[] =
        "{\"a\":[1,-2.5,1e-07],\"b\":{\"c\":\"x\\ny\"},\"d\":null,\"e\":true}";
    INK_CLEANUP(ink_json_destroy) struct ink_json *json = NULL, *made = NULL;
    INK_CLEANUP(ink_buf_fini) struct ink_buf buf = {0};
    const float third = 1.0F / 3.0F;
    struct ink_err err;

    (void)state;
    assert_ok(ink_json_parse(text, strlen(text), &json, &err), &err);
    assert_ok(ink_json_print(json, &buf, &err), &err);
    assert_string_equal(ink_buf_text(&buf), text);
    assert_null(ink_json_find(json, "A"));
    assert_int_equal(ink_json_count(ink_json_find(json, "a")), 3);
    assert_string_equal(ink_json_string(ink_json_find(ink_json_find(json, "b"), "c"), ""), "x\ny");

    made = ink_json_object();
    ink_json_set_int(made, "n", INT64_C(9007199254740993));
    ink_json_set_float(made, "third", third);
    ink_json_set_double(made, "tenth", 0.1);
    ink_json_set_double(made, "nan", (double)NAN);
    ink_buf_clear(&buf);
    assert_ok(ink_json_print(made, &buf, &err), &err);
    assert_string_equal(ink_buf_text(&buf),
                        "{\"n\":9007199254740993,\"third\":0.33333334,\"tenth\":0.1,\"nan\":null}");
}

static void
messages_are_one_line_of_utf8(void **state)
{
    static const struct {
        const char *text, *shown;
    } table[] = {
        {"plain", "plain"},
        {"a\nb\t\x1b[1m\x7f", "a?b??[1m?"},
        {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"},
        {"cut \xe2\x82", "cut ??"},
        {"\xff\xc0\xaf\xed\xa0\x80\xf4\x90\x80\x80", "??????????"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        struct ink_err err;

        assert_int_equal(ink_fail(&err, INK_BADARG, "%s", table[i].text), INK_BADARG);
        assert_string_equal(err.message, table[i].shown);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_are_one_line_of_utf8),
        cmocka_unit_test(base64_round_trips_every_length),
        cmocka_unit_test(base64_refuses_what_it_is_not),
        cmocka_unit_test(html_is_escaped),
        cmocka_unit_test(numbers_are_whole_strings_in_range),
        cmocka_unit_test(rng_repeats_and_stays_in_range),
        cmocka_unit_test(json_refuses_what_cjson_takes),
        cmocka_unit_test(json_round_trips),
    };

    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
