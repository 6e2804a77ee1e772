/* SPDX-License-Identifier: MIT */
/* json_scan and tensor_json: the same floats as a careful parser, each shape, each refusal. */
#include "tests/unit/ink_test.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "base/rng.h"
#include "kernel/http/json_scan.h"
#include "kernel/http/tensor_json.h"

/* Stands for the decoder: every byte of the "file" must be the same digit, which fills it. */
static enum ink_status
decode(void *self, const void *bytes, size_t size, float *out_pixels, struct ink_err *err)
{
    const char *text = bytes;

    (*(int *)self)++;
    if (size != 3)
        return ink_fail(err, INK_BADDATA, "not a picture");
    for (size_t i = 0; i < INK_PICTURE_SIZE; i++)
        out_pixels[i] = (float)(text[0] - '0');
    return INK_OK;
}

/* Parse a copy whose end is exact, so that ASan sees a read beyond it. */
static enum ink_status
read_text(struct ink_tensor_request *request, const char *text, size_t size, int *decoded,
          struct ink_err *err)
{
    INK_CLEANUP(ink_freep) char *exact = malloc(size + 1);

    assert_non_null(exact);
    memcpy(exact, text, size);
    exact[size] = '\0';
    return ink_tensor_request_read(request, exact, size, "image", decode, decoded, err);
}

static float
pixel_value(size_t picture, size_t i)
{
    return (float)((picture * 31 + i * 7) % 256) / 255.0F;
}

/* Append one picture as nested lists of that shape. */
static void
put_picture(struct ink_buf *buf, size_t picture, const int *dim, int rank)
{
    size_t at = 0;
    int place[3] = {0};

    for (;;) {
        int open = 0, close = 0;

        for (int i = rank - 1; i >= 0 && place[i] == 0; i--)
            open++;
        for (int i = 0; i < open; i++)
            ink_buf_putc(buf, '[');
        ink_buf_printf(buf, "%.9g", (double)pixel_value(picture, at++));
        for (int i = rank - 1; i >= 0; i--) {
            if (++place[i] < dim[i])
                break;
            place[i] = 0;
            close++;
        }
        for (int i = 0; i < close; i++)
            ink_buf_putc(buf, ']');
        if (close == rank)
            return;
        ink_buf_puts(buf, ", ");
    }
}

static void
assert_pictures(const struct ink_tensor_request *request, size_t count)
{
    assert_int_equal(request->count, count);
    for (size_t picture = 0; picture < count; picture++)
        for (size_t i = 0; i < INK_PICTURE_SIZE; i++)
            assert_true(request->pixels[picture * INK_PICTURE_SIZE + i] == pixel_value(picture, i));
}

static void
reads_every_shape_in_rows_and_columns(void **state)
{
    static const struct {
        int rank, dim[3];
    } shapes[] = {{3, {28, 28, 1}}, {2, {28, 28}}, {1, {784}}, {3, {1, 28, 28}}};
    static const struct {
        const char *before, *each, *after_each, *after;
        bool is_row;
    } forms[] = {
        {"{\"instances\": [", "", "", "]}", true},
        {"{\"signature_name\": \"serving_default\", \"instances\" : [ ", "{\"image\": ", "}",
         " ] , \"more\": {\"x\": [1, \"]\", null]}}\n", true},
        {"\xef\xbb\xbf{\"inputs\": [", "", "", "]}", false},
        {"{\"inputs\": {\"whatever\": [", "", "", "]}}", false},
        {"{\"inputs\": {\"a\": [1], \"image\": [", "", "", "], \"b\": {}}}", false},
    };
    struct ink_tensor_request request = {0};
    int decoded = 0;

    (void)state;
    for (size_t s = 0; s < sizeof(shapes) / sizeof(shapes[0]); s++)
        for (size_t f = 0; f < sizeof(forms) / sizeof(forms[0]); f++) {
            INK_CLEANUP(ink_buf_fini) struct ink_buf buf = {0};
            struct ink_err err;

            ink_buf_puts(&buf, forms[f].before);
            for (size_t picture = 0; picture < 3; picture++) {
                ink_buf_puts(&buf, picture ? "," : "");
                ink_buf_puts(&buf, forms[f].each);
                put_picture(&buf, picture, shapes[s].dim, shapes[s].rank);
                ink_buf_puts(&buf, forms[f].after_each);
            }
            ink_buf_puts(&buf, forms[f].after);
            assert_ok(read_text(&request, buf.bytes, buf.size, &decoded, &err), &err);
            assert_pictures(&request, 3);
            assert_int_equal(request.is_row, forms[f].is_row);
        }
    assert_int_equal(decoded, 0);
    ink_tensor_request_fini(&request);
}

static void
reads_pictures_as_bytes(void **state)
{
    static const struct {
        const char *text;
        size_t count;
    } cases[] = {
        {"{\"instances\": [{\"b64\": \"MTEx\"}, {\"b64\": \"MjIy\"}]}", 2},
        {"{\"instances\": [{\"image\": {\"b64\": \"MTEx\"}}]}", 1},
        {"{\"inputs\": [{\"b64\": \"MTEx\"}, {\"b64\": \"MjIy\"}]}", 2},
        {"{\"inputs\": {\"b64\": \"MTEx\"}}", 1},
        {"{\"inputs\": {\"image\": {\"b64\": \"MTEx\"}}}", 1},
        {"{\"inputs\": {\"image\": [{\"b64\": \"MTEx\"}]}}", 1},
    };
    struct ink_tensor_request request = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ink_err err;
        int decoded = 0;

        assert_ok(read_text(&request, cases[i].text, strlen(cases[i].text), &decoded, &err), &err);
        assert_int_equal(request.count, cases[i].count);
        assert_int_equal(decoded, cases[i].count);
        assert_true(request.pixels[0] == 1.0F);
        assert_true(request.pixels[request.count * INK_PICTURE_SIZE - 1] == (float)cases[i].count);
    }
    ink_tensor_request_fini(&request);
}

static void
refuses_with_the_reason(void **state)
{
    /* clang-format off */
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"", "The document is empty"},
        {"  \n", "The document is empty"},
        {"[]", "[ Is not object"},
        {"\"a\"", "\"a\" Is not object"},
        {"nul", "nul Is not object"},
        {"{}", "Missing 'inputs' or 'instances' key"},
        {"{\"Instances\": [1]}", "Missing 'inputs' or 'instances' key"},
        {"{\"instances\": [[1]], \"inputs\": [[1]]}", "a picture of shape [1]"},
        {"{\"instances\": [{\"b64\": \"MTEx\"}], \"inputs\": []}", "only one of 'inputs' or 'instances'"},
        {"{\"inputs\": [{\"b64\": \"MTEx\"}], \"inputs\": []}", "only one of 'inputs' or 'instances'"},
        {"{\"instances\": {}}", "Excepting 'instances' to be an list/array"},
        {"{\"instances\": 3}", "JSON Value: 3 Excepting"},
        {"{\"instances\": []}", "No values in 'instances' array"},
        {"{\"inputs\": []}", "No values in 'inputs' array"},
        {"{\"inputs\": {}}", "Missing named input: image in 'inputs' object."},
        {"{\"inputs\": {\"a\": 1, \"b\": 2}}", "Missing named input: image"},
        {"{\"inputs\": {\"image\": {\"b64\": \"MTEx\"}, \"b\"}}", "Missing a colon after a name"},
        {"{\"inputs\": {\"image\": {\"b64\": \"MTEx\"},}}", "Missing a string"},
        {"{\"instances\": [[]]}", "unexpected size: 0 at level: 0"},
        {"{\"instances\": [1]}", "process element: 0 of 'instances' list. Error: a picture of shape []"},
        {"{\"instances\": [[1,2]]}", "shape [2], expected [28,28,1], [28,28] or [784]: add the batch dimension"},
        {"{\"instances\": [[[1],[2,3]]]}", "Encountered list at unexpected size: 2 at level: 1 expected size: 1"},
        {"{\"instances\": [[1,[2]]]}", "Encountered list at unexpected level: 1 expected < 1"},
        {"{\"instances\": [[[1],2]]}", "found at incorrect level: 2 in the JSON DOM. Expected at level: 2"},
        {"{\"instances\": [[[[[[1]]]]]]}", "Encountered list at unexpected level: 4"},
        {"{\"instances\": [[true]]}", "JSON Value: true Type: True is not of expected type: float"},
        {"{\"instances\": [[\"x\"]]}", "JSON Value: \"x\" Type: String is not"},
        {"{\"instances\": [[null]]}", "JSON Value: null Type: Null is not"},
        {"{\"instances\": [[{}]]}", "Type: Object is not"},
        {"{\"instances\": [{}]}", "keys must be equal to: image"},
        {"{\"instances\": [{\"a\": {\"b64\": \"MTEx\"}, \"b\": 1}]}", "process element: 0 of 'instances' list. JSON object: keys"},
        {"{\"instances\": [{\"a\": [true]}]}", "Failed to process element: 0 key: a of 'instances' list. Error: JSON Value: true"},
        {"{\"instances\": [{\"b64\": \"MTEx\"}, {\"a\": 1}]}", "Expecting value/list but got object at item 1"},
        {"{\"instances\": [{\"a\": {\"b64\": \"MTEx\"}}, [1]]}", "Expecting object but got list at item 1"},
        {"{\"instances\": [{\"b64\": \"M*Ex\"}]}", "Unable to base64 decode"},
        {"{\"instances\": [{\"b64\": \"M\"}]}", "Unable to base64 decode"},
        {"{\"instances\": [{\"b64\": \"MT\\u0045x\"}]}", "Unable to base64 decode"},
        {"{\"instances\": [{\"b64\": \"MTExMTEx\"}]}", "Error: not a picture"},
        {"{\"instances\": [{\"b64\": 3}]}", "key: b64 of 'instances' list. Error: a picture of shape []"},
        {"{\"signature_name\": 3, \"instances\": [1]}", "'signature_name' key must be a string value."},
        /* numbers */
        {"{\"instances\": [[NaN]]}", "NaN and Infinity are not accepted. at offset: 16"},
        {"{\"instances\": [[-Infinity]]}", "NaN and Infinity are not accepted."},
        {"{\"instances\": [[1e39]]}", "Cannot convert JSON value: 1e39 to float"},
        {"{\"instances\": [[-1e999]]}", "Cannot convert JSON value: -1e999 to float"},
        {"{\"instances\": [[01]]}", "Invalid value."},
        {"{\"instances\": [[1.]]}", "Invalid value."},
        {"{\"instances\": [[.5]]}", "Invalid value."},
        {"{\"instances\": [[+1]]}", "Invalid value."},
        {"{\"instances\": [[0x10]]}", "Missing a comma or ]"},
        {"{\"instances\": [[1e]]}", "Invalid value."},
        {"{\"instances\": [[-]]}", "Invalid value."},
        {"{\"instances\": [[1,]]}", "Invalid value."},
        {"{\"instances\": [[1]", "a picture of shape [1]"},
        {"{\"instances\": [[1", "Missing a comma or ]"},
        {"{\"instances\": [", "Invalid value."},
        /* the rest of the document */
        {"{\"instances\"", "Missing a colon"},
        {"{instances: 1}", "Missing a string"},
        {"{\"x\": tru}", "Invalid value."},
        {"{\"x\": \"a\nb\"}", "Control character in string."},
        {"{\"x\": \"\\q\"}", "Invalid escape"},
        {"{\"x\": \"\\u12g4\"}", "Invalid escape"},
        {"{\"x\": \"open", "closing quotation mark"},
        {"{\"x\": {\"y\" 1}}", "Missing a colon"},
        {"{\"x\": [1 2]}", "Missing a comma or ]"},
        {"{\"x\": 1 \"y\": 2}", "Missing a comma or }"},
        {"{\"x\": \"\xff\"}", "Invalid encoding"},
        {"{\"inputs\": {\"b64\": \"MTEx\"}} trailing", "must not be followed by other values. at offset: 28"},
    };
    /* clang-format on */
    struct ink_tensor_request request = {0};
    int decoded = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ink_err err = {0};
        enum ink_status status =
            read_text(&request, cases[i].text, strlen(cases[i].text), &decoded, &err);

        if (status != INK_BADDATA || !strstr(err.message, cases[i].says))
            fail_msg("%s -> %d %s", cases[i].text, (int)status, err.message);
    }
    ink_tensor_request_fini(&request);
}

static void
all_pictures_have_one_shape(void **state)
{
    static const int flat[] = {784}, square[] = {28, 28};
    INK_CLEANUP(ink_buf_fini) struct ink_buf buf = {0};
    struct ink_tensor_request request = {0};
    struct ink_err err;
    int decoded = 0;

    (void)state;
    ink_buf_puts(&buf, "{\"instances\": [");
    put_picture(&buf, 0, square, 2);
    ink_buf_putc(&buf, ',');
    put_picture(&buf, 1, flat, 1);
    ink_buf_puts(&buf, "]}");
    assert_fails(INK_BADDATA,
                 "element: 1 of 'instances' list. Error: Expecting shape [28,28] but "
                 "got: [784]",
                 read_text(&request, buf.bytes, buf.size, &decoded, &err), &err);
    ink_buf_clear(&buf);
    ink_buf_puts(&buf, "{\"instances\": [");
    put_picture(&buf, 0, flat, 1);
    ink_buf_puts(&buf, ", [1, 2, 3]]}");
    assert_fails(INK_BADDATA, "Expecting tensor size: 784 but got: 3",
                 read_text(&request, buf.bytes, buf.size, &decoded, &err), &err);
    /* one picture without the batch's brackets */
    ink_buf_clear(&buf);
    ink_buf_puts(&buf, "{\"inputs\": ");
    put_picture(&buf, 0, square, 2);
    ink_buf_puts(&buf, "}");
    assert_fails(INK_BADDATA, "shape [28], expected [28,28,1], [28,28] or [784]: add the batch",
                 read_text(&request, buf.bytes, buf.size, &decoded, &err), &err);
    ink_tensor_request_fini(&request);
}

static void
limits_at_their_edge(void **state)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf buf = {0};
    struct ink_tensor_request request = {0};
    struct ink_err err;
    int decoded = 0;

    (void)state;
    for (int more = 0; more <= 1; more++) {
        ink_buf_clear(&buf);
        ink_buf_puts(&buf, "{\"instances\": [");
        for (int i = 0; i < INK_LIMIT_HTTP_INSTANCES + more; i++)
            ink_buf_puts(&buf, i ? ",{\"b64\":\"MTEx\"}" : "{\"b64\":\"MTEx\"}");
        ink_buf_puts(&buf, "]}");
        assert_int_equal(read_text(&request, buf.bytes, buf.size, &decoded, &err),
                         more ? INK_TOOBIG : INK_OK);

        ink_buf_clear(&buf);
        ink_buf_puts(&buf, "{\"inputs\": {\"b64\":\"MTEx\"}, \"deep\": ");
        for (int i = 0; i < INK_LIMIT_JSON_DEPTH + more; i++)
            ink_buf_puts(&buf, i % 2 ? "{\"a\":" : "[");
        ink_buf_putc(&buf, '1');
        for (int i = INK_LIMIT_JSON_DEPTH + more - 1; i >= 0; i--)
            ink_buf_putc(&buf, i % 2 ? '}' : ']');
        ink_buf_putc(&buf, '}');
        assert_int_equal(read_text(&request, buf.bytes, buf.size, &decoded, &err),
                         more ? INK_TOOBIG : INK_OK);

        ink_buf_clear(&buf);
        ink_buf_putc(&buf, '[');
        for (int i = 1; i < INK_LIMIT_HTTP_JSON_VALUES - 1 + more; i++)
            ink_buf_puts(&buf, "0,");
        ink_buf_puts(&buf, "\",,[[{{\\\",\"]");
        assert_int_equal(ink_json_has_few_values(buf.bytes, buf.size), !more);
    }
    ink_tensor_request_fini(&request);
}

static void
every_truncation_is_refused(void **state)
{
    static const int square[] = {28, 28};
    INK_CLEANUP(ink_buf_fini) struct ink_buf buf = {0};
    struct ink_tensor_request request = {0};
    int decoded = 0;

    (void)state;
    ink_buf_puts(&buf, "{\"signature_name\": \"serving_default\", \"instances\": [{\"image\": ");
    put_picture(&buf, 0, square, 2);
    ink_buf_puts(&buf, "}], \"x\": {\"y\": [true, false, null, \"\\u00e4\", -1.5e+3]}}");
    assert_int_equal(read_text(&request, buf.bytes, buf.size, &decoded, NULL), INK_OK);
    for (size_t size = 0; size < buf.size; size++)
        assert_int_equal(read_text(&request, buf.bytes, size, &decoded, NULL), INK_BADDATA);
    ink_tensor_request_fini(&request);
}

static void
assert_same_float(const char *text)
{
    struct ink_json_scan scan = {.text = text, .size = strlen(text)};
    float got, want = (float)strtod(text, NULL);
    struct ink_err err;

    assert_ok(ink_json_scan_float(&scan, &got, &err), &err);
    assert_int_equal(scan.at, scan.size);
    if (memcmp(&got, &want, sizeof(got)) != 0)
        fail_msg("%s: %.9g instead of %.9g", text, (double)got, (double)want);
}

static void
numbers_are_the_nearest_floats(void **state)
{
    static const char *const texts[] = {
        "0",
        "-0",
        "-0.0",
        "1",
        "0.1",
        "1e22",
        "1e23",
        "1e-22",
        "1e-23",
        "1e-45",
        "1e-46",
        "3e38",
        "3.4028234663852886e38",
        "0.000000000000000000000000000001",
        "123456789012345678901234567890",
        "9007199254740993",
        "9007199254740992",
        "18446744073709551615",
        "18446744073709551616",
        "16777217",
        "16777219",
        "1.00000005960464477539062",
        "1.0000000596046448",
        "1.00000017881393432617",
        "1E+2",
        "1e0000000000000001",
        "0e99999",
        "0.49803921568627454",
        "0.99607843137254903",
    };
    struct ink_rng rng;
    char text[64];

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_same_float(texts[i]);
    for (int i = 0; i < 256; i++) {
        (void)snprintf(text, sizeof(text), "%.17g", i / 255.0);
        assert_same_float(text);
    }
    ink_rng_init(&rng, 20261120, 0);
    for (int i = 0; i < 200000; i++) {
        int digits = 1 + (int)ink_rng_below(&rng, 19);
        uint64_t number = ink_rng_next(&rng) >> ink_rng_below(&rng, 64);

        (void)snprintf(text, sizeof(text), "%.*e", digits,
                       (double)number * pow(10, (int)ink_rng_below(&rng, 40) - 30));
        if (strtod(text, NULL) < 3e38)
            assert_same_float(text);
        (void)snprintf(text, sizeof(text), "0.%" PRIu64, number);
        assert_same_float(text);
    }
    /* next to the middle between two floats: where two roundings would go wrong */
    for (int i = 0; i < 20000; i++) {
        float low = ink_rng_float(&rng);
        double middle = ((double)low + (double)nextafterf(low, 2)) / 2;
        double beside = nextafter(middle, i % 2 ? 2 : -1);

        (void)snprintf(text, sizeof(text), "%.17g", middle);
        assert_same_float(text);
        (void)snprintf(text, sizeof(text), "%.17g", beside);
        assert_same_float(text);
    }
}

static void
floats_are_written_as_the_clients_expect(void **state)
{
    static const struct {
        float value;
        const char *text;
    } cases[] = {
        {0, "0.0"},
        {1, "1.0"},
        {-2, "-2.0"},
        {0.5F, "0.5"},
        {0.2F, "0.2"},
        {1e-5F, "1e-05"},
        {9000000, "9e+06"},
        {1.0F / 3.0F, "0.333333343"},
        {3.14159274F, "3.14159274"},
        {123456, "123456.0"},
        {16777216, "16777216.0"},
    };
    INK_CLEANUP(ink_buf_fini) struct ink_buf buf = {0};
    struct ink_tensor_request request = {.is_row = true, .count = 2};
    float probabilities[20] = {0.25F, [19] = 1};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ink_buf_clear(&buf);
        ink_tensor_float_print(cases[i].value, &buf);
        assert_string_equal(ink_buf_text(&buf), cases[i].text);
    }
    ink_buf_clear(&buf);
    ink_tensor_reply_print(&request, probabilities, &buf);
    assert_string_equal(
        ink_buf_text(&buf),
        "{\n    \"predictions\": [[0.25, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]"
        ", [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]\n    ]\n}");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_shape_in_rows_and_columns),
        cmocka_unit_test(reads_pictures_as_bytes),
        cmocka_unit_test(refuses_with_the_reason),
        cmocka_unit_test(all_pictures_have_one_shape),
        cmocka_unit_test(limits_at_their_edge),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(numbers_are_the_nearest_floats),
        cmocka_unit_test(floats_are_written_as_the_clients_expect),
    };

    return cmocka_run_group_tests_name("http_tensor", tests, NULL, NULL);
}
