/* SPDX-License-Identifier: MIT */
/* arch: what is read, what is refused and how the refusal reads; the zoo's sizes. */

#include "tests/unit/ink_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/limits.h"
#include "model/arch.h"

static void
zoo_has_the_sizes_it_says(void **state)
{
    static const struct {
        const char *name;
        size_t parameters;
    } known[] = {
        {"softmax", 7850},  {"conv1", 13610},        {"keras", 1199882}, {"resnet", 77562},
        {"sprint", 108618}, {"twobranch", 25927246}, {"inkling", 0},
    };
    struct ink_err err;

    (void)state;
    for (size_t i = 0; i < ink_zoo_count(INK_ZOO_ARCH); i++) {
        INK_CLEANUP(ink_arch_destroy) struct ink_arch *arch = NULL;
        struct ink_zoo_entry entry = ink_zoo_get(INK_ZOO_ARCH, i);

        assert_ok(ink_arch_parse(entry.text, entry.size, &arch, &err), &err);
        assert_true(entry.summary[0] != '\0' && entry.summary[0] != '#');
        if (i > 0) {
            char before[64];

            (void)snprintf(before, sizeof(before), "%s", ink_zoo_get(INK_ZOO_ARCH, i - 1).name);
            assert_true(strcmp(before, ink_zoo_get(INK_ZOO_ARCH, i).name) < 0);
        }
    }
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
        INK_CLEANUP(ink_arch_destroy) struct ink_arch *arch = NULL;
        struct ink_zoo_entry entry;

        assert_true(ink_zoo_find(INK_ZOO_ARCH, known[i].name, &entry));
        assert_ok(ink_arch_parse(entry.text, entry.size, &arch, &err), &err);
        if (known[i].parameters > 0)
            assert_int_equal(arch->parameter_count, known[i].parameters);
        else /* what ships has to fit into 3 MB */
            assert_true(arch->parameter_count <= 750000);
    }
    assert_false(ink_zoo_find(INK_ZOO_ARCH, "nothing", &(struct ink_zoo_entry){0}));
}

static void
shapes_and_counts_follow(void **state)
{
    static const char text[] = "# a comment\n"
                               "image: input 1x28x28 # behind\n"
                               "\n"
                               "  c1:conv 6 5x3 stride=2 pad=1 bias=no\r\n"
                               "b1: batchnorm\n"
                               "left: conv 4 1x1\n"
                               "right: maxpool 2x2 stride=1 from=b1\n"
                               "wide: avgpool 2x2 stride=1 from=left\n"
                               "both: concat from=wide,right\n"
                               "act: leakyrelu 0.2\n"
                               "sum: add from=both,act\n"
                               "all: globalpool\n"
                               "out: dense 10\n"
                               "p: softmax";
    INK_CLEANUP(ink_arch_destroy) struct ink_arch *arch = NULL;
    const struct ink_node *node;
    struct ink_err err;

    (void)state;
    assert_ok(ink_arch_parse(text, sizeof(text) - 1, &arch, &err), &err);
    assert_int_equal(arch->node_count, 12);
    assert_string_equal(arch->text, text);
    node = &arch->node[ink_arch_find(arch, "c1")];
    assert_int_equal(node->shape.channels, 6);
    assert_int_equal(node->shape.height, 13);
    assert_int_equal(node->shape.width, 14);
    assert_int_equal(node->weight_count, 6 * 5 * 3);
    assert_int_equal(node->bias_count, 0);
    assert_int_equal(node->line, 4);
    node = &arch->node[ink_arch_find(arch, "b1")];
    assert_int_equal(ink_node_parameter_count(node), 12);
    assert_int_equal(node->statistic_count, 12);
    node = &arch->node[ink_arch_find(arch, "both")];
    assert_int_equal(ink_shape_count(node->shape), 10 * 12 * 13);
    assert_int_equal(arch->node[ink_arch_find(arch, "out")].weight_count, 100);
    assert_int_equal(arch->parameter_count, 90 + 12 + 28 + 110);
    assert_int_equal(ink_arch_find(arch, "absent"), -1);
}

/* Each is put between "image: input 1x28x28\n" and what makes it whole. */
static void
bad_lines_say_what_was_expected(void **state)
{
    static const struct {
        const char *text, *message;
        enum ink_status status;
    } table[] = {
        {"c: conw 8 3x3", "line 2: unknown op 'conw', did you mean conv?", INK_BADARG},
        {"c: bar", "unknown op 'bar', expected conv, dense,", INK_BADARG},
        {"c: batchnom", "did you mean batchnorm?", INK_BADARG},
        {"c: elephantine", "expected conv, dense", INK_BADARG},
        {"c: conv 8", "too few arguments, expected: conv FILTERS", INK_BADARG},
        {"c: conv 8 3x3 3x3", "too many arguments", INK_BADARG},
        {"c: conv eight 3x3", "line 2: filters: ", INK_BADARG},
        {"c: conv 0 3x3", "line 2: filters: ", INK_BADARG},
        {"c: conv -3 3x3", "line 2: filters: ", INK_BADARG},
        {"c: conv 8 3", "'3' is not HEIGHTxWIDTH", INK_BADARG},
        {"c: conv 8 3x3x3", "is not HEIGHTxWIDTH", INK_BADARG},
        {"c: conv 8 3x", "line 2: size: ", INK_BADARG},
        {"c: conv 8 29x3", "a window of 29x3 does not fit into 28x28", INK_BADARG},
        {"c: conv 8 3x3 pad=3", "pad=3 is not below the window 3x3", INK_BADARG},
        {"c: conv 8 3x3 stride=0", "line 2: stride: ", INK_BADARG},
        {"c: conv 8 3x3 bias=maybe", "bias=maybe is not yes or no", INK_BADARG},
        {"c: conv 8 3x3 colour=red", "conv takes no 'colour=red'", INK_BADARG},
        {"c: relu stride=2", "relu takes no 'stride=2', expected: relu", INK_BADARG},
        {"c: relu from=later", "'later', which is no node above it", INK_BADARG},
        {"c: relu from=image,image", "exactly one input is needed", INK_BADARG},
        {"c: add", "two inputs or more are needed, expected: add from=A,B", INK_BADARG},
        {"c: add from=image,image,image,image,image", "more than 4 inputs", INK_BADARG},
        {"c: conv 2 3x3\nd: add from=c,image", "line 3: add of 2x26x26 and 1x28x28", INK_BADARG},
        {"c: conv 2 3x3\nd: concat from=c,image", "line 3: concat of", INK_BADARG},
        {"c: dense 10", "put a flatten before it", INK_BADARG},
        {"c: dropout 1.5", "line 2: dropout share: ", INK_BADARG},
        {"c: dropout", "too few arguments", INK_BADARG},
        {"c: leakyrelu x", "line 2: slope: ", INK_BADARG},
        {"c: maxpool 20x20", "a maxpool of more than 256 pixels", INK_BADARG},
        {"c relu", "no ':', expected NAME: OP", INK_BADARG},
        {"c:", "no op behind 'c:'", INK_BADARG},
        {": relu", "'' is no node name", INK_BADARG},
        {"Big: relu", "'Big' is no node name", INK_BADARG},
        {"a_name_of_more_than_thirty_one_bytes: relu", "is no node name", INK_BADARG},
        {"image: relu", "the name 'image' is taken by line 1", INK_BADARG},
        {"c: input 1x28x28", "only the first node is the input", INK_BADARG},
        {"c: flatten\nd: softmax\ne: relu", "nothing may follow the softmax", INK_BADARG},
        {"c: relu\nd: flatten from=image\ne: dense 10", "line 2: no node takes the output of 'c'",
         INK_BADARG},
        {"c: flatten\nd: dense 11", "line 3: the last node gives 11x1x1, expected 10", INK_BADARG},
        {"c: flatten\nd: dense 1000000", "more than", INK_TOOBIG},
        {"c: conv 60000 3x3", "activations a picture", INK_TOOBIG},
        {"c: relu 1 2 3 4 5 6 7 8 9 10 11 12 13", "more than 12 words", INK_BADARG},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        struct ink_arch *arch = NULL;
        struct ink_err err = {0};
        char text[512];
        int size = snprintf(text, sizeof(text), "image: input 1x28x28\n%s\n", table[i].text);

        if (ink_arch_parse(text, (size_t)size, &arch, &err) != table[i].status ||
            !strstr(err.message, table[i].message))
            fail_msg("%s: got '%s', expected '%s'", table[i].text, err.message, table[i].message);
        assert_null(arch);
    }
}

static void
first_node_is_the_picture(void **state)
{
    struct ink_arch *arch = NULL;
    struct ink_err err;

    (void)state;
    assert_fails(INK_BADARG, "without a node", ink_arch_parse("", 0, &arch, &err), &err);
    assert_fails(INK_BADARG, "without a node", ink_arch_parse("# x\n\n", 5, &arch, &err), &err);
    assert_fails(INK_BADARG, "must be: input 1x28x28", ink_arch_parse("a: relu", 7, &arch, &err),
                 &err);
    assert_fails(INK_BADARG, "expected 1x28x28",
                 ink_arch_parse("a: input 3x28x28", 16, &arch, &err), &err);
    assert_fails(INK_BADARG, "zero byte", ink_arch_parse("a: rel\0u", 8, &arch, &err), &err);
}

static void
limits_hold_at_their_edges(void **state)
{
    INK_CLEANUP(ink_arch_destroy) struct ink_arch *arch = NULL;
    INK_CLEANUP(ink_buf_fini) struct ink_buf text = {0};
    struct ink_arch *none = NULL;
    struct ink_err err;

    (void)state;
    ink_buf_puts(&text, "image: input 1x28x28\n");
    for (int i = 0; i < INK_ARCH_NODE_MAX - 3; i++)
        ink_buf_printf(&text, "r%d: relu\n", i);
    ink_buf_puts(&text, "f: flatten\nd: dense 10\n");
    assert_ok(ink_arch_parse(text.bytes, text.size, &arch, &err), &err);
    assert_int_equal(arch->node_count, INK_ARCH_NODE_MAX);
    ink_buf_puts(&text, "e: relu\n");
    assert_fails(INK_TOOBIG, "more than 256 nodes",
                 ink_arch_parse(text.bytes, text.size, &none, &err), &err);

    ink_buf_clear(&text);
    ink_buf_puts(&text, "image: input 1x28x28\nf: flatten\nd: dense 10\n#");
    while (text.size < INK_LIMIT_ARCH_SIZE)
        ink_buf_putc(&text, 'x');
    ink_arch_destroy(&arch);
    assert_ok(ink_arch_parse(text.bytes, text.size, &arch, &err), &err);
    ink_buf_putc(&text, 'x');
    assert_fails(INK_TOOBIG, "at most", ink_arch_parse(text.bytes, text.size, &none, &err), &err);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zoo_has_the_sizes_it_says),
        cmocka_unit_test(shapes_and_counts_follow),
        cmocka_unit_test(bad_lines_say_what_was_expected),
        cmocka_unit_test(first_node_is_the_picture),
        cmocka_unit_test(limits_hold_at_their_edges),
    };

    return cmocka_run_group_tests_name("arch", tests, NULL, NULL);
}
