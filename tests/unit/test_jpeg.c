/* SPDX-License-Identifier: MIT */
/* jpeg: grey and colour, held any way, cut short, changed, and larger than is good. */

#include "tests/unit/ink_test.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/rng.h"
#include "model/picture.h"

/* Decode from a block of the exact size, so that ASan sees any over-read. */
static enum ink_status
decode(const void *bytes, size_t size, struct ink_picture *out_picture, struct ink_err *err)
{
    INK_CLEANUP(ink_freep) uint8_t *exact = malloc(size + (size == 0));

    assert_non_null(exact);
    memcpy(exact, bytes, size);
    return ink_picture_decode(exact, size, out_picture, err);
}

/* 24x16, black but for a white corner of 8x8 in the upper left. */
static void
put_corner_jpeg(struct ink_buf *jpeg)
{
    uint8_t grey[24 * 16] = {0};
    struct ink_err err;

    for (int y = 0; y < 8; y++)
        memset(grey + y * 24, 255, 8);
    assert_ok(ink_picture_encode_jpeg(grey, 24, 16, jpeg, &err), &err);
}

static void
jpeg_round_trips_nearly(void **state)
{
    INK_CLEANUP(ink_picture_fini) struct ink_picture picture = {0};
    INK_CLEANUP(ink_buf_fini) struct ink_buf jpeg = {0};
    uint8_t grey[40 * 30];
    struct ink_err err;

    (void)state;
    for (int i = 0; i < 40 * 30; i++)
        grey[i] = (uint8_t)(i % 40 * 4 + i / 40 * 3);
    assert_ok(ink_picture_encode_jpeg(grey, 40, 30, &jpeg, &err), &err);
    assert_ok(decode(jpeg.bytes, jpeg.size, &picture, &err), &err);
    assert_int_equal(picture.width, 40);
    assert_int_equal(picture.height, 30);
    for (int i = 0; i < 40 * 30; i++)
        assert_in_range(picture.grey[i] + 6, grey[i], grey[i] + 12);
}

static void
jpeg_in_color_becomes_luma(void **state)
{
    /* 8x8 pixels of (200, 100, 50), 4:2:0 */
    /* clang-format off */
    static const uint8_t color[] = {
        0xff, 0xd8, 0xff, 0xe0, 0x00, 0x10, 0x4a, 0x46, 0x49, 0x46, 0x00, 0x01, 0x01, 0x00, 0x00, 0x01,
        0x00, 0x01, 0x00, 0x00, 0xff, 0xdb, 0x00, 0x43, 0x00, 0x03, 0x02, 0x02, 0x03, 0x02, 0x02, 0x03,
        0x03, 0x03, 0x03, 0x04, 0x03, 0x03, 0x04, 0x05, 0x08, 0x05, 0x05, 0x04, 0x04, 0x05, 0x0a, 0x07,
        0x07, 0x06, 0x08, 0x0c, 0x0a, 0x0c, 0x0c, 0x0b, 0x0a, 0x0b, 0x0b, 0x0d, 0x0e, 0x12, 0x10, 0x0d,
        0x0e, 0x11, 0x0e, 0x0b, 0x0b, 0x10, 0x16, 0x10, 0x11, 0x13, 0x14, 0x15, 0x15, 0x15, 0x0c, 0x0f,
        0x17, 0x18, 0x16, 0x14, 0x18, 0x12, 0x14, 0x15, 0x14, 0xff, 0xdb, 0x00, 0x43, 0x01, 0x03, 0x04,
        0x04, 0x05, 0x04, 0x05, 0x09, 0x05, 0x05, 0x09, 0x14, 0x0d, 0x0b, 0x0d, 0x14, 0x14, 0x14, 0x14,
        0x14, 0x14, 0x14, 0x14, 0x14, 0x14, 0x14, 0x14, 0x14, 0x14, 0x14, 0x14, 0x14, 0x14, 0x14, 0x14,
        0x14, 0x14, 0x14, 0x14, 0x14, 0x14, 0x14, 0x14, 0x14, 0x14, 0x14, 0x14, 0x14, 0x14, 0x14, 0x14,
        0x14, 0x14, 0x14, 0x14, 0x14, 0x14, 0x14, 0x14, 0x14, 0x14, 0x14, 0x14, 0x14, 0x14, 0xff, 0xc0,
        0x00, 0x11, 0x08, 0x00, 0x08, 0x00, 0x08, 0x03, 0x01, 0x22, 0x00, 0x02, 0x11, 0x01, 0x03, 0x11,
        0x01, 0xff, 0xc4, 0x00, 0x15, 0x00, 0x01, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04, 0xff, 0xc4, 0x00, 0x14, 0x10, 0x01, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xff, 0xc4,
        0x00, 0x15, 0x01, 0x01, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x07, 0x08, 0xff, 0xc4, 0x00, 0x14, 0x11, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xff, 0xda, 0x00, 0x0c, 0x03,
        0x01, 0x00, 0x02, 0x11, 0x03, 0x11, 0x00, 0x3f, 0x00, 0x90, 0x00, 0x7a, 0x90, 0x7f, 0xff, 0xd9,
    };
    /* clang-format on */
    INK_CLEANUP(ink_picture_fini) struct ink_picture picture = {0};
    struct ink_err err;

    (void)state;
    assert_ok(decode(color, sizeof(color), &picture, &err), &err);
    assert_in_range(picture.grey[0], 122, 126); /* 0.299 R + 0.587 G + 0.114 B = 124 */
    assert_in_range(picture.grey[63], 122, 126);
}

static void
jpeg_is_turned_as_the_camera_was_held(void **state)
{
    /* where the white corner is after orientation 1..8: right, below */
    static const bool is_right[] = {false, true, true, false, false, true, true, false};
    static const bool is_below[] = {false, false, true, true, false, false, true, true};
    INK_CLEANUP(ink_buf_fini) struct ink_buf plain = {0};

    (void)state;
    put_corner_jpeg(&plain);
    for (int round = 0; round < 16; round++) {
        INK_CLEANUP(ink_picture_fini) struct ink_picture picture = {0};
        INK_CLEANUP(ink_buf_fini) struct ink_buf jpeg = {0};
        int orientation = round / 2 + 1, column, row;
        struct ink_err err;

        ink_buf_append(&jpeg, "\xff\xd8\xff\xe1\0\x22", 6); /* SOI, APP1 of 34 bytes */
        if (round % 2 == 0)
            ink_buf_append(&jpeg, "Exif\0\0MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0", 25);
        else
            ink_buf_append(&jpeg, "Exif\0\0II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0", 24);
        ink_buf_putc(&jpeg, (char)orientation);
        ink_buf_append(&jpeg, "\0\0\0\0\0\0\0", round % 2 == 0 ? 6 : 7);
        ink_buf_append(&jpeg, plain.bytes + 2, plain.size - 2);
        assert_ok(decode(jpeg.bytes, jpeg.size, &picture, &err), &err);
        assert_int_equal(picture.width, orientation < 5 ? 24 : 16);
        assert_int_equal(picture.height, orientation < 5 ? 16 : 24);
        column = is_right[orientation - 1] ? picture.width - 4 : 3;
        row = is_below[orientation - 1] ? picture.height - 4 : 3;
        assert_true(picture.grey[row * picture.width + column] > 240);
        column = picture.width - 1 - column;
        assert_true(picture.grey[row * picture.width + column] < 15);
    }
}

static void
jpeg_cut_short_is_refused(void **state)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf jpeg = {0};
    struct ink_picture picture = {0};
    struct ink_err err;

    (void)state;
    put_corner_jpeg(&jpeg);
    for (size_t size = 3; size < jpeg.size - 2; size++) /* all but the end marker */
        assert_fails(INK_BADDATA, "the JPEG is broken", decode(jpeg.bytes, size, &picture, &err),
                     &err);
    assert_fails(INK_BADDATA, "cut short", decode(jpeg.bytes, jpeg.size - 3, &picture, &err), &err);
    assert_null(picture.grey);
}

/* Where the height stands in a file of our encoder: behind the SOF0 marker's length and depth. */
static char *
sides_of(struct ink_buf *jpeg)
{
    for (size_t i = 0; i + 9 < jpeg->size; i++)
        if (memcmp(jpeg->bytes + i, "\xff\xc0\0\x0b", 4) == 0)
            return jpeg->bytes + i + 5;
    fail_msg("no SOF0");
    return NULL;
}

static void
jpeg_with_too_many_pixels_is_refused(void **state)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf jpeg = {0};
    struct ink_picture picture = {0};
    struct ink_err err;

    (void)state;
    put_corner_jpeg(&jpeg);
    memcpy(sides_of(&jpeg), "\xff\0\xff\0", 4); /* 65280x65280 */
    assert_fails(INK_TOOBIG, "too many pixels", decode(jpeg.bytes, jpeg.size, &picture, &err),
                 &err);
    memcpy(sides_of(&jpeg), "\x20\0\x20\0", 4); /* 8192x8192 is at the limit: read, and too short */
    assert_fails(INK_BADDATA, "cut short", decode(jpeg.bytes, jpeg.size, &picture, &err), &err);
    memcpy(sides_of(&jpeg), "\x20\x01\x20\0", 4);
    assert_fails(INK_TOOBIG, "too many pixels", decode(jpeg.bytes, jpeg.size, &picture, &err),
                 &err);
}

static void
jpeg_that_is_large_is_shrunk(void **state)
{
    enum { WIDTH = 6000, HEIGHT = 40 };
    INK_CLEANUP(ink_picture_fini) struct ink_picture picture = {0};
    INK_CLEANUP(ink_freep) uint8_t *grey = calloc(WIDTH, HEIGHT);
    INK_CLEANUP(ink_buf_fini) struct ink_buf jpeg = {0};
    struct ink_err err;

    (void)state;
    assert_non_null(grey);
    for (int y = 0; y < HEIGHT; y++)
        memset(grey + y * WIDTH + WIDTH / 2, 200, WIDTH / 2);
    assert_ok(ink_picture_encode_jpeg(grey, WIDTH, HEIGHT, &jpeg, &err), &err);
    assert_ok(decode(jpeg.bytes, jpeg.size, &picture, &err), &err);
    assert_int_equal(picture.width, WIDTH * 3 / 8);
    assert_int_equal(picture.height, HEIGHT * 3 / 8);
    assert_in_range(picture.grey[picture.width / 2 - 20], 0, 5);
    assert_in_range(picture.grey[picture.width / 2 + 20], 195, 205);
}

/* No byte changed anywhere brings the decoder down; what is accepted is whole. */
static void
jpeg_with_bytes_changed_is_survived(void **state)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf jpeg = {0};
    struct ink_rng rng;

    (void)state;
    put_corner_jpeg(&jpeg);
    ink_rng_init(&rng, 4, 0);
    for (int round = 0; round < 3000; round++) {
        INK_CLEANUP(ink_picture_fini) struct ink_picture picture = {0};
        size_t at = 3 + ink_rng_below(&rng, (uint32_t)jpeg.size - 3);
        char before = jpeg.bytes[at];
        struct ink_err err;

        jpeg.bytes[at] = (char)ink_rng_next(&rng);
        if (decode(jpeg.bytes, jpeg.size, &picture, &err) == INK_OK)
            assert_true(picture.width > 0 && picture.height > 0 && picture.grey);
        else
            assert_null(picture.grey);
        jpeg.bytes[at] = before;
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jpeg_round_trips_nearly),
        cmocka_unit_test(jpeg_in_color_becomes_luma),
        cmocka_unit_test(jpeg_is_turned_as_the_camera_was_held),
        cmocka_unit_test(jpeg_cut_short_is_refused),
        cmocka_unit_test(jpeg_with_too_many_pixels_is_refused),
        cmocka_unit_test(jpeg_that_is_large_is_shrunk),
        cmocka_unit_test(jpeg_with_bytes_changed_is_survived),
    };

    return cmocka_run_group_tests_name("jpeg", tests, NULL, NULL);
}
