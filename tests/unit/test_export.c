/* SPDX-License-Identifier: MIT */
/* export: the limit of a C header, names, and files that are the same each time. */

#include "tests/unit/ink_test.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "model/cheader.h"
#include "model/onnx/onnx.h"

/* A network with 2 * norms + 794 * width parameters. */
static const struct ink_snapshot *
sized(int norms, int width)
{
    INK_CLEANUP(ink_arch_destroy) struct ink_arch *arch = NULL;
    INK_CLEANUP(ink_buf_fini) struct ink_buf text = {0};
    const struct ink_snapshot *snapshot = NULL;
    struct ink_record record = {.name = "sized"};
    struct ink_err err;

    ink_buf_puts(&text, "image: input 1x28x28\n");
    for (int i = 0; i < norms; i++)
        ink_buf_printf(&text, "bn%d: batchnorm\n", i);
    ink_buf_printf(&text, "flat: flatten\nwide: dense %d bias=no\nout: dense 10 bias=no\n", width);
    assert_ok(ink_arch_parse(text.bytes, text.size, &arch, &err), &err);
    assert_ok(ink_snapshot_create(arch, &record, 1, &snapshot, &err), &err);
    return snapshot;
}

static void
test_header_limit(void **state)
{
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *largest = sized(149, 37783);
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *larger = sized(150, 37783);
    INK_CLEANUP(ink_buf_fini) struct ink_buf buf = {0};
    struct ink_err err;

    (void)state;
    assert_int_equal(ink_snapshot_arch(largest)->parameter_count, INK_LIMIT_HEADER_PARAMETERS);
    assert_ok(ink_cheader_encode(largest, "x", &buf, &err), &err);
    ink_buf_clear(&buf);
    assert_fails(INK_TOOBIG, "30000002 parameters, at most 30000000",
                 ink_cheader_encode(larger, "x", &buf, &err), &err);
    assert_int_equal(buf.size, 0);
}

/* Two millions are floats that any compiler reads; more are strings. */
static void
test_header_packed(void **state)
{
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *plain = sized(99, 2641);
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *packed = sized(100, 2641);
    INK_CLEANUP(ink_buf_fini) struct ink_buf buf = {0};
    size_t longest = 0;
    struct ink_err err;

    (void)state;
    assert_ok(ink_cheader_encode(plain, "x", &buf, &err), &err);
    assert_non_null(strstr(buf.bytes, "static const float x_wide_weight[2070544] = {"));
    assert_null(strstr(buf.bytes, "#pragma"));
    ink_buf_clear(&buf);
    assert_ok(ink_cheader_encode(packed, "x", &buf, &err), &err);
    assert_non_null(strstr(buf.bytes, "static const union {\n    char bytes[8283][1000];\n"
                                      "    float number[2070544];\n} x_wide_weight = {{\n"));
    assert_non_null(strstr(buf.bytes, "char bytes[1][4];\n    float number[1];\n} x_bn0_shift"));
    assert_non_null(strstr(buf.bytes, "x_wide_weight.number, 0, 2641, "));
    assert_non_null(strstr(buf.bytes, "x_bn99_scale.number, x_bn99_shift.number, "));
    assert_null(strstr(buf.bytes, "??"));
    for (const char *line = buf.bytes; *line; line += strcspn(line, "\n") + 1)
        longest = strcspn(line, "\n") > longest ? strcspn(line, "\n") : longest;
    assert_in_range(longest, 2000, 4095); /* what C99 asks of a compiler */
}

static void
test_header_names(void **state)
{
    static const char *const names[][2] = {
        {"digit", " digit_predict("}, {"7", " n7_predict("},         {"", " n_predict("},
        {"a-b.c", " a_b_c_predict("}, {"\xc3\xa9", " n___predict("},
    };
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *snapshot = sized(0, 1);
    char long_name[200];
    struct ink_err err;

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        INK_CLEANUP(ink_buf_fini) struct ink_buf buf = {0};

        assert_ok(ink_cheader_encode(snapshot, names[i][0], &buf, &err), &err);
        if (!strstr(buf.bytes, names[i][1] + 1))
            fail_msg("no '%s' for '%s'", names[i][1], names[i][0]);
    }
    memset(long_name, 'x', sizeof(long_name) - 1);
    long_name[sizeof(long_name) - 1] = '\0';
    {
        INK_CLEANUP(ink_buf_fini) struct ink_buf buf = {0};

        assert_ok(ink_cheader_encode(snapshot, long_name, &buf, &err), &err);
    }
}

/* The same network is the same bytes; another one is not. */
static void
test_repeatable(void **state)
{
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *one = sized(1, 3);
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *other = sized(2, 3);
    INK_CLEANUP(ink_buf_fini) struct ink_buf a = {0}, b = {0}, c = {0};
    struct ink_err err;

    (void)state;
    assert_ok(ink_onnx_encode(one, &a, &err), &err);
    assert_ok(ink_onnx_encode(one, &b, &err), &err);
    assert_ok(ink_onnx_encode(other, &c, &err), &err);
    assert_int_equal(a.size, b.size);
    assert_memory_equal(a.bytes, b.bytes, a.size);
    assert_true(c.size > a.size);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_header_limit),
        cmocka_unit_test(test_header_packed),
        cmocka_unit_test(test_header_names),
        cmocka_unit_test(test_repeatable),
    };

    return cmocka_run_group_tests_name("export", tests, NULL, NULL);
}
