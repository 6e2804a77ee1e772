/* SPDX-License-Identifier: MIT */
/* snapshot: files keep every bit and every doubt about them is raised; references and slots. */

#include "tests/unit/ink_test.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/limits.h"
#include "model/safetensors.h"
#include "model/snapshot_priv.h"

static const char net[] = "# all kinds of numbers\n"
                          "image: input 1x28x28\n"
                          "p1: avgpool 7x7\n"
                          "conv1: conv 3 2x2 bias=no\n"
                          "bn1: batchnorm\n"
                          "g: globalpool\n"
                          "dense1: dense 10\n";

static char folder[] = "/tmp/ink-snapshot-XXXXXX";

static const struct ink_snapshot *
fresh(void)
{
    INK_CLEANUP(ink_arch_destroy) struct ink_arch *arch = NULL;
    const struct ink_snapshot *snapshot = NULL;
    struct ink_record record = {.name = "mine",
                                .version = 7,
                                .command = "train \"x\" --seed 3",
                                .data = "mnist train + strokes",
                                .date = "2026-11-20T09:30:00.123456Z",
                                .epochs = 3.25,
                                .loss = 0.1234567890123,
                                .accuracy = 0.9953};
    struct ink_err err;

    assert_ok(ink_arch_parse(net, sizeof(net) - 1, &arch, &err), &err);
    assert_ok(ink_snapshot_create(arch, &record, 0xfedcba9876543210, &snapshot, &err), &err);
    return snapshot;
}

/* A saved file's bytes. */
static struct ink_buf
saved(const struct ink_snapshot *snapshot)
{
    struct ink_buf buf = {0};
    struct ink_err err;
    char path[64];

    (void)snprintf(path, sizeof(path), "%s/a.safetensors", folder);
    assert_ok(ink_snapshot_save(snapshot, path, &err), &err);
    assert_ok(ink_buf_load(&buf, path, 1 << 20, &err), &err);
    (void)unlink(path);
    return buf;
}

static void
assert_same(const struct ink_snapshot *a, const struct ink_snapshot *b)
{
    const struct ink_arch *arch = ink_snapshot_arch(a);

    assert_string_equal(arch->text, ink_snapshot_arch(b)->text);
    for (int i = 0; i < arch->node_count; i++) {
        const struct ink_node *node = &arch->node[i];

        if (node->weight_count > 0)
            assert_memory_equal(ink_snapshot_weights(a, i), ink_snapshot_weights(b, i),
                                node->weight_count * sizeof(float));
        if (node->bias_count > 0)
            assert_memory_equal(ink_snapshot_biases(a, i), ink_snapshot_biases(b, i),
                                node->bias_count * sizeof(float));
        if (node->statistic_count > 0)
            assert_memory_equal(ink_snapshot_statistics(a, i), ink_snapshot_statistics(b, i),
                                node->statistic_count * sizeof(float));
    }
}

static void
files_keep_everything(void **state)
{
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *snapshot = fresh();
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *back = NULL;
    INK_CLEANUP(ink_buf_fini) struct ink_buf buf = saved(snapshot);
    const struct ink_record *a, *b;
    struct ink_err err;

    (void)state;
    assert_ok(ink_snapshot_decode(buf.bytes, buf.size, &back, &err), &err);
    assert_same(snapshot, back);
    assert_true(ink_snapshot_serial(snapshot) != ink_snapshot_serial(back));
    a = ink_snapshot_record(snapshot);
    b = ink_snapshot_record(back);
    assert_string_equal(a->name, b->name);
    assert_string_equal(a->command, b->command);
    assert_string_equal(a->data, b->data);
    assert_string_equal(a->date, b->date);
    assert_int_equal(a->version, b->version);
    assert_true(a->seed == b->seed && a->epochs == b->epochs);
    assert_true(a->loss == b->loss && a->accuracy == b->accuracy);
}

static void
unknown_results_stay_unknown(void **state)
{
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *snapshot = fresh();
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *copy = NULL;
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *back = NULL;
    INK_CLEANUP(ink_buf_fini) struct ink_buf buf = {0};
    struct ink_record record = *ink_snapshot_record(snapshot);
    struct ink_err err;

    (void)state;
    record.loss = record.accuracy = (double)NAN;
    assert_ok(ink_snapshot_copy(snapshot, &record, &copy, &err), &err);
    assert_same(snapshot, copy);
    buf = saved(copy);
    assert_ok(ink_snapshot_decode(buf.bytes, buf.size, &back, &err), &err);
    assert_true(isnan(ink_snapshot_record(back)->loss));
    assert_true(isnan(ink_snapshot_record(back)->accuracy));
}

/* Others can read the file: the format's own names, types and order. */
static void
file_is_a_plain_safetensors(void **state)
{
    static const struct {
        const char *name;
        int dim_count;
        size_t dim[4];
    } known[] = {{"conv1.weight", 4, {3, 1, 2, 2}},
                 {"bn1.weight", 1, {3}},
                 {"bn1.bias", 1, {3}},
                 {"bn1.running_mean", 1, {3}},
                 {"bn1.running_var", 1, {3}},
                 {"dense1.weight", 2, {10, 3}},
                 {"dense1.bias", 1, {10}}};
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *snapshot = fresh();
    INK_CLEANUP(ink_buf_fini) struct ink_buf buf = saved(snapshot);
    INK_CLEANUP(ink_safetensors_fini) struct ink_safetensors file = {0};
    const struct ink_tensor *weight;
    struct ink_err err;

    (void)state;
    assert_ok(ink_safetensors_decode(buf.bytes, buf.size, 1 << 20, &file, &err), &err);
    assert_int_equal(file.tensor_count, sizeof(known) / sizeof(*known));
    assert_int_equal((file.data - (const unsigned char *)buf.bytes) % 8, 0);
    for (size_t i = 0; i < file.tensor_count; i++) {
        const struct ink_tensor *tensor = ink_safetensors_find(&file, known[i].name);

        assert_non_null(tensor);
        assert_int_equal(tensor->dim_count, known[i].dim_count);
        assert_memory_equal(tensor->dim, known[i].dim, sizeof(tensor->dim));
    }
    weight = ink_safetensors_find(&file, "dense1.weight");
    assert_memory_equal(
        weight->bytes,
        ink_snapshot_weights(snapshot, ink_arch_find(ink_snapshot_arch(snapshot), "dense1")),
        30 * sizeof(float));
    assert_string_equal(ink_json_string(ink_json_find(file.metadata, "labels"), ""),
                        "0 1 2 3 4 5 6 7 8 9");
    assert_non_null(
        strstr(ink_json_string(ink_json_find(file.metadata, "normalisation"), ""), "/ 255"));
}

static void
every_truncation_is_refused(void **state)
{
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *snapshot = fresh();
    INK_CLEANUP(ink_buf_fini) struct ink_buf buf = saved(snapshot);
    struct ink_err err;

    (void)state;
    for (size_t size = 0; size < buf.size; size++) {
        const struct ink_snapshot *back = NULL;
        char *part = malloc(size + 1); /* of its own, so that reading on is found out */

        assert_non_null(part);
        memcpy(part, buf.bytes, size);
        part = realloc(part, size ? size : 1);
        assert_int_equal(ink_snapshot_decode(part, size, &back, &err), INK_BADDATA);
        assert_null(back);
        free(part);
    }
}

/* A changed bit is refused, or it is in the text about the weights and they are unharmed. */
static void
no_bit_flip_harms_the_weights(void **state)
{
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *snapshot = fresh();
    INK_CLEANUP(ink_buf_fini) struct ink_buf buf = saved(snapshot);
    size_t header_size =
        8 + (unsigned char)buf.bytes[0] + ((size_t)(unsigned char)buf.bytes[1] << 8);
    struct ink_err err;

    (void)state;
    for (size_t bit = 0; bit < buf.size * 8; bit++) {
        const struct ink_snapshot *back = NULL;
        enum ink_status status;

        buf.bytes[bit / 8] = (char)(buf.bytes[bit / 8] ^ 1 << bit % 8);
        status = ink_snapshot_decode(buf.bytes, buf.size, &back, &err);
        if (bit / 8 >= header_size)
            assert_int_equal(status, INK_BADDATA);
        for (int i = 0; !status && i < ink_snapshot_arch(back)->node_count; i++) {
            const struct ink_node *node = &ink_snapshot_arch(back)->node[i];

            if (node->weight_count > 0)
                assert_memory_equal(ink_snapshot_weights(back, i),
                                    ink_snapshot_weights(snapshot, i),
                                    node->weight_count * sizeof(float));
        }
        ink_snapshot_unref(back);
        buf.bytes[bit / 8] = (char)(buf.bytes[bit / 8] ^ 1 << bit % 8);
    }
}

static void
bad_headers_are_named(void **state)
{
#define PLACE(a, b) "\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[" #a "," #b "]"
    static const struct {
        const char *header, *message; /* in front of 16 bytes of numbers */
    } table[] = {
        {"[]", "no object"},
        {"{\"a\":{" PLACE(0, 8) "}}", "8 bytes of data belong to no tensor"},
        {"{\"a\":{" PLACE(0, 8) "},\"b\":{" PLACE(4, 12) "}}", "overlaps another"},
        {"{\"a\":{" PLACE(0, 8) "},\"b\":{" PLACE(0, 8) "}}", "overlaps another"},
        {"{\"a\":{" PLACE(0, 8) "},\"b\":{" PLACE(12, 20) "}}", "outside the 16 bytes"},
        {"{\"a\":{" PLACE(8, 16) "}}", "leaves a hole"},
        {"{\"a\":{" PLACE(8, 0) "}}", "outside"},
        {"{\"a\":{" PLACE(-8, 0) "}}", "outside"},
        {"{\"a\":{" PLACE(0.5, 8.5) "}}", "outside"},
        {"{\"a\":{" PLACE(0, 1e300) "}}", "outside"},
        {"{\"a\":{" PLACE(0, 16) "}}", "has 16 bytes, its shape says 8"},
        {"{\"a\":{" PLACE(0, 8) "},\"a\":{" PLACE(8, 16) "}}", "is there twice"},
        {"{\"a\":{\"dtype\":\"F64\",\"shape\":[2],\"data_offsets\":[0,16]}}", "type 'F64'"},
        {"{\"a\":{\"shape\":[2],\"data_offsets\":[0,16]}}", "type 'none'"},
        {"{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,16]}}", "no shape"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,2,2],\"data_offsets\":[0,16]}}", "no shape"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-4],\"data_offsets\":[0,16]}}", "shape of more"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[65536,65536],\"data_offsets\":[0,16]}}",
         "shape of more"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16,16]}}", "outside"},
        {"{\"a\":3}", "type 'none'"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]}}", "format ''"},
        {"{\"a\":", ""},
    };
    struct ink_err err;

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        INK_CLEANUP(ink_buf_fini) struct ink_buf buf = {0};
        const struct ink_snapshot *back = NULL;

        ink_buf_putc(&buf, (char)strlen(table[i].header));
        ink_buf_append(&buf, "\0\0\0\0\0\0", 7);
        ink_buf_puts(&buf, table[i].header);
        ink_buf_append(&buf, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
        err.message[0] = '\0';
        assert_int_equal(ink_snapshot_decode(buf.bytes, buf.size, &back, &err), INK_BADDATA);
        if (!strstr(err.message, table[i].message))
            fail_msg("%s: got '%s', expected '%s'", table[i].header, err.message, table[i].message);
    }
}

static void
sizes_have_limits(void **state)
{
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *snapshot = fresh();
    INK_CLEANUP(ink_buf_fini) struct ink_buf buf = saved(snapshot);
    const struct ink_snapshot *back = NULL;
    struct ink_err err;

    (void)state;
    /* The size alone is refused: the bytes are not touched, there are far fewer. */
    assert_fails(INK_TOOBIG, "at most",
                 ink_snapshot_decode(buf.bytes, (size_t)INK_LIMIT_WEIGHTS_SIZE + 1, &back, &err),
                 &err);
    assert_fails(INK_BADDATA, "too few", ink_snapshot_decode("1234567", 7, &back, &err), &err);
    assert_fails(INK_BADDATA, "a header of 18446744073709551615 bytes",
                 ink_snapshot_decode("\xff\xff\xff\xff\xff\xff\xff\xff{}", 10, &back, &err), &err);
}

static void
weights_must_be_numbers(void **state)
{
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    struct ink_err err;

    (void)state;
    for (size_t i = 0; i <= sizeof(bad) / sizeof(*bad); i++) {
        INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *snapshot = fresh();
        INK_CLEANUP(ink_buf_fini) struct ink_buf buf = {0};
        const struct ink_snapshot *back = NULL;
        struct ink_snapshot *mine = (struct ink_snapshot *)(uintptr_t)snapshot;

        if (i < sizeof(bad) / sizeof(*bad))
            ink_snapshot_edit_weights(mine, 2)[5] = bad[i];
        else
            ink_snapshot_edit_statistics(mine, 3)[4] = -1;
        buf = saved(snapshot);
        assert_fails(INK_BADDATA,
                     i < sizeof(bad) / sizeof(*bad) ? "number 5 of tensor 'conv1.weight'"
                                                    : "'bn1.running_var' is negative",
                     ink_snapshot_decode(buf.bytes, buf.size, &back, &err), &err);
    }
}

static void
missing_files_are_named(void **state)
{
    const struct ink_snapshot *back = NULL;
    struct ink_err err;

    (void)state;
    assert_fails(INK_NOTFOUND, "/nowhere/a.safetensors",
                 ink_snapshot_load("/nowhere/a.safetensors", &back, &err), &err);
    if (ink_snapshot_load_pretrained(&back, &err) == INK_OK) {
        assert_true(ink_snapshot_arch(back)->parameter_count > 0);
        ink_snapshot_unref(back);
    } else {
        assert_int_equal(err.status, INK_NOTFOUND);
        assert_non_null(strstr(err.message, "built without the pretrained weights"));
    }
}

static void
fresh_weights_are_spread_as_he_said(void **state)
{
    INK_CLEANUP(ink_arch_destroy) struct ink_arch *arch = NULL;
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *a = NULL;
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *b = NULL;
    struct ink_zoo_entry entry;
    struct ink_err err;
    double sum = 0, square = 0;
    size_t count;
    int index;

    (void)state;
    assert_true(ink_zoo_find(INK_ZOO_ARCH, "keras", &entry));
    assert_ok(ink_arch_parse(entry.text, entry.size, &arch, &err), &err);
    assert_ok(ink_snapshot_create(arch, NULL, 4, &a, &err), &err);
    assert_ok(ink_snapshot_create(arch, NULL, 5, &b, &err), &err);
    index = ink_arch_find(arch, "conv2");
    count = arch->node[index].weight_count;
    for (size_t i = 0; i < count; i++) {
        double weight = (double)ink_snapshot_weights(a, index)[i];

        sum += weight;
        square += weight * weight;
    }
    assert_true(fabs(sum / (double)count) < 0.003);
    assert_true(fabs(square / (double)count / (2.0 / 288) - 1) < 0.05);
    assert_true(ink_snapshot_biases(a, index)[3] == 0);
    assert_true(ink_snapshot_weights(a, index)[0] != ink_snapshot_weights(b, index)[0]);
}

enum { ROUNDS = 2000 };

static void *
read_slot(void *argument)
{
    struct ink_slot *slot = argument;
    unsigned long long newest = 0;

    for (int i = 0; i < ROUNDS; i++) {
        INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *snapshot = ink_slot_get(slot);

        if (!snapshot)
            continue;
        if (ink_snapshot_serial(snapshot) < newest || ink_snapshot_weights(snapshot, 2) == NULL)
            return argument;
        newest = ink_snapshot_serial(snapshot);
    }
    return NULL;
}

static void
slot_gives_the_newest_to_all(void **state)
{
    INK_CLEANUP(ink_slot_destroy) struct ink_slot *slot = NULL;
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *last = NULL;
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *got = NULL;
    pthread_t readers[3];
    struct ink_err err;

    (void)state;
    assert_ok(ink_slot_create(&slot, &err), &err);
    assert_null(ink_slot_get(slot));
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, read_slot, slot), 0);
    for (int i = 0; i < 100; i++) {
        ink_snapshot_unref(last);
        last = fresh();
        ink_slot_publish(slot, last);
    }
    for (int i = 0; i < 3; i++) {
        void *mistake;

        assert_int_equal(pthread_join(readers[i], &mistake), 0);
        assert_null(mistake);
    }
    got = ink_slot_get(slot);
    assert_ptr_equal(got, last);
}

static int
make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int
remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_keep_everything),
        cmocka_unit_test(unknown_results_stay_unknown),
        cmocka_unit_test(file_is_a_plain_safetensors),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(no_bit_flip_harms_the_weights),
        cmocka_unit_test(bad_headers_are_named),
        cmocka_unit_test(sizes_have_limits),
        cmocka_unit_test(weights_must_be_numbers),
        cmocka_unit_test(missing_files_are_named),
        cmocka_unit_test(fresh_weights_are_spread_as_he_said),
        cmocka_unit_test(slot_gives_the_newest_to_all),
    };

    return cmocka_run_group_tests_name("snapshot", tests, make_folder, remove_folder);
}
