/* SPDX-License-Identifier: MIT */
/* idx: one good file, every way to spoil it, and every place to cut it short; packed or not. */

#include "tests/unit/ink_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/limits.h"
#include "model/gunzip.h"
#include "model/idx.h"
#include "tests/unit/ink_gzip.h"

/* Two 1x3 images: the smallest file that has every part of the format. */
static const uint8_t good[] = {0, 0, 8, 3, 0, 0,  0,  2,  0,  0,  0,
                               1, 0, 0, 0, 3, 10, 11, 12, 20, 21, 22};

static void
decodes_shape_and_data(void **state)
{
    struct ink_err err;
    struct ink_idx idx;

    (void)state;
    assert_ok(ink_idx_decode(good, sizeof(good), &idx, &err), &err);
    assert_int_equal(idx.ndim, 3);
    assert_int_equal(idx.dim[0], 2);
    assert_int_equal(idx.dim[1] * idx.dim[2], 3);
    assert_memory_equal(idx.data, good + 16, 6);
    assert_int_equal(idx.file_size, sizeof(good));
    assert_null(idx.owned);
}

static void
refuses_each_spoiled_byte(void **state)
{
    static const struct {
        const char *name;
        size_t at;
        uint8_t byte;
        enum ink_status want;
        const char *says;
    } cases[] = {
        {"magic", 0, 1, INK_BADDATA, "not an IDX file of bytes: starts 01 00 08"},
        {"type is float", 2, 0x0d, INK_BADDATA, "not an IDX file"},
        {"no dimension", 3, 0, INK_BADDATA, "0 dimensions, expected 1 to 3"},
        {"four dimensions", 3, 4, INK_BADDATA, "4 dimensions"},
        {"zero rows", 11, 0, INK_BADDATA, "dimension 1 is zero"},
        {"one item more", 7, 3, INK_BADDATA, "says 25"},
        {"one item less", 7, 1, INK_BADDATA, "says 19"},
        {"2^31 items", 4, 0x80, INK_TOOBIG, "more than"},
        {"2^31 rows", 8, 0x80, INK_TOOBIG, "more than"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        INK_CLEANUP(ink_buf_fini) struct ink_buf packed = {0};
        uint8_t bytes[sizeof(good)];
        struct ink_idx idx = {.ndim = 77};
        struct ink_err err;

        memcpy(bytes, good, sizeof(good));
        bytes[cases[i].at] = cases[i].byte;
        assert_fails(cases[i].want, cases[i].says, ink_idx_decode(bytes, sizeof(bytes), &idx, &err),
                     &err);
        gzip_append(&packed, bytes, sizeof(bytes));
        assert_int_equal(ink_idx_unpack((const uint8_t *)packed.bytes, packed.size, &idx, &err),
                         cases[i].want);
        assert_int_equal(idx.ndim, 77); /* untouched on failure */
    }
}

/* The product of three sizes overflows 64 bits; each step is checked, so it never is formed. */
static void
refuses_sizes_whose_product_overflows(void **state)
{
    uint8_t bytes[16] = {0, 0, 8, 3};
    struct ink_err err;
    struct ink_idx idx;

    (void)state;
    memset(bytes + 4, 0xff, 12);
    assert_fails(INK_TOOBIG, "more than", ink_idx_decode(bytes, sizeof(bytes), &idx, &err), &err);
}

static void
refuses_every_truncation(void **state)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf packed = {0};
    struct ink_idx idx;

    (void)state;
    gzip_append(&packed, good, sizeof(good));
    for (size_t size = 0; size < sizeof(good); size++) {
        INK_CLEANUP(ink_freep)
        uint8_t *exact = malloc(size + (size == 0)); /* ASan sees over-reads */

        assert_non_null(exact);
        memcpy(exact, good, size);
        assert_int_equal(ink_idx_decode(exact, size, &idx, NULL), INK_BADDATA);
    }
    for (size_t size = 0; size < packed.size; size++) {
        INK_CLEANUP(ink_freep) uint8_t *exact = malloc(size + (size == 0));

        assert_non_null(exact);
        memcpy(exact, packed.bytes, size);
        assert_int_equal(ink_idx_unpack(exact, size, &idx, NULL), INK_BADDATA);
    }
}

static void
unpacks_and_checks_the_whole_stream(void **state)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf packed = {0};
    INK_CLEANUP(ink_idx_fini) struct ink_idx idx = {0};
    struct ink_idx none;
    struct ink_err err;

    (void)state;
    gzip_append(&packed, good, sizeof(good));
    assert_ok(ink_idx_unpack((const uint8_t *)packed.bytes, packed.size, &idx, &err), &err);
    assert_memory_equal(idx.data, good + 16, 6);
    assert_ptr_equal(idx.file, idx.owned);

    /* bytes behind the end, a second member, a wrong check sum */
    ink_buf_putc(&packed, 'x');
    assert_fails(INK_BADDATA, "1 bytes behind the end",
                 ink_idx_unpack((const uint8_t *)packed.bytes, packed.size, &none, &err), &err);
    packed.size--;
    gzip_append(&packed, good, sizeof(good));
    assert_fails(INK_BADDATA, "behind the end",
                 ink_idx_unpack((const uint8_t *)packed.bytes, packed.size, &none, &err), &err);
    packed.size /= 2;
    packed.bytes[packed.size - 8] ^= 1;
    assert_fails(INK_BADDATA, "incorrect data check",
                 ink_idx_unpack((const uint8_t *)packed.bytes, packed.size, &none, &err), &err);
}

static void
stops_at_what_the_header_says(void **state)
{
    enum { BOMB_SIZE = 64 << 20 };
    INK_CLEANUP(ink_freep) uint8_t *zeros = calloc(1, BOMB_SIZE);
    INK_CLEANUP(ink_buf_fini) struct ink_buf packed = {0}, longer = {0}, plain = {0};
    struct ink_idx idx;
    struct ink_err err;

    (void)state;
    assert_non_null(zeros);
    memcpy(zeros, good, 16); /* 6 bytes of data, it says, and has 64 MiB */
    gzip_append(&packed, zeros, BOMB_SIZE);
    assert_fails(INK_BADDATA, "more than",
                 ink_idx_unpack((const uint8_t *)packed.bytes, packed.size, &idx, &err), &err);

    ink_buf_append(&plain, good, sizeof(good));
    ink_buf_putc(&plain, 'x');
    gzip_append(&longer, plain.bytes, plain.size);
    assert_fails(INK_BADDATA, "more than 22 bytes",
                 ink_idx_unpack((const uint8_t *)longer.bytes, longer.size, &idx, &err), &err);
}

static void
takes_sizes_up_to_the_limit(void **state)
{
    enum { HEADER_SIZE = 8 };
    uint8_t header[HEADER_SIZE] = {0, 0, 8, 1, INK_LIMIT_IDX_SIZE >> 24, 0, 0, 0};
    struct ink_idx idx;
    struct ink_err err;

    (void)state; /* only the header is there: at the limit that is too short, above it too big */
    assert_fails(INK_BADDATA, "8 bytes, the header says",
                 ink_idx_decode(header, HEADER_SIZE, &idx, &err), &err);
    header[7] = 1;
    assert_fails(INK_TOOBIG, "more than", ink_idx_decode(header, HEADER_SIZE, &idx, &err), &err);
}

static void
loads_files_packed_or_not(void **state)
{
    char folder[] = "/tmp/ink-idx-XXXXXX", plain[64], packed_path[64];
    INK_CLEANUP(ink_buf_fini) struct ink_buf packed = {0};
    struct ink_idx idx;
    struct ink_err err;

    (void)state;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(plain, sizeof(plain), "%s/plain", folder);
    (void)snprintf(packed_path, sizeof(packed_path), "%s/packed", folder);
    gzip_append(&packed, good, sizeof(good));
    assert_ok(ink_file_write(plain, good, sizeof(good), &err), &err);
    assert_ok(ink_file_write(packed_path, packed.bytes, packed.size, &err), &err);
    for (int i = 0; i < 2; i++) {
        assert_ok(ink_idx_load(i == 0 ? plain : packed_path, &idx, &err), &err);
        assert_memory_equal(idx.data, good + 16, 6);
        ink_idx_fini(&idx);
        assert_null(idx.data);
    }
    assert_ok(ink_file_write(plain, "no IDX", 6, &err), &err);
    assert_fails(INK_BADDATA, "/plain': not an IDX file", ink_idx_load(plain, &idx, &err), &err);
    assert_int_equal(unlink(plain), 0);
    assert_fails(INK_NOTFOUND, "/plain'", ink_idx_load(plain, &idx, &err), &err);
    assert_int_not_equal(ink_idx_load(folder, &idx, &err), INK_OK);
    assert_int_equal(unlink(packed_path), 0);
    assert_int_equal(rmdir(folder), 0);
}

static void
gunzip_reads_in_pieces_of_any_size(void **state)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf packed = {0};
    uint8_t bytes[1000], back[1000];

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * i);
    gzip_append(&packed, bytes, sizeof(bytes));
    for (size_t piece = 1; piece < 400; piece = piece * 3 + 1) {
        INK_CLEANUP(ink_gunzip_fini) struct ink_gunzip gunzip = {0};
        size_t at = 0, got = piece;
        struct ink_err err;

        assert_ok(ink_gunzip_init(&gunzip, (const uint8_t *)packed.bytes, packed.size, &err), &err);
        while (got == piece && at < sizeof(back)) {
            size_t room = sizeof(back) - at;

            assert_ok(ink_gunzip_read(&gunzip, back + at, piece < room ? piece : room, &got, &err),
                      &err);
            at += got;
        }
        assert_int_equal(at, sizeof(bytes));
        assert_ok(ink_gunzip_finish(&gunzip, &err), &err);
        assert_memory_equal(back, bytes, sizeof(bytes));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decodes_shape_and_data),
        cmocka_unit_test(refuses_each_spoiled_byte),
        cmocka_unit_test(refuses_sizes_whose_product_overflows),
        cmocka_unit_test(refuses_every_truncation),
        cmocka_unit_test(unpacks_and_checks_the_whole_stream),
        cmocka_unit_test(stops_at_what_the_header_says),
        cmocka_unit_test(takes_sizes_up_to_the_limit),
        cmocka_unit_test(loads_files_packed_or_not),
        cmocka_unit_test(gunzip_reads_in_pieces_of_any_size),
    };

    return cmocka_run_group_tests_name("idx", tests, NULL, NULL);
}
