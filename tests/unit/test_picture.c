/* SPDX-License-Identifier: MIT */
/* picture: every format and depth to grey, and every way to spoil a file refused in one line. */

#include "tests/unit/ink_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/limits.h"
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

static void
put_be32(struct ink_buf *buf, size_t value)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        ink_buf_putc(buf, (char)(value >> shift));
}

static void
put_le(struct ink_buf *buf, size_t value, int size)
{
    for (int i = 0; i < size; i++)
        ink_buf_putc(buf, (char)(value >> (8 * i)));
}

/* ---- PNG ---- */

static void
put_chunk(struct ink_buf *png, const char *type, const void *data, size_t size)
{
    uLong crc = crc32(crc32(0, NULL, 0), (const Bytef *)type, 4);

    put_be32(png, size);
    ink_buf_append(png, type, 4);
    ink_buf_append(png, data, size);
    put_be32(png, size > 0 ? crc32(crc, data, (uInt)size) : crc);
}

struct png {
    size_t width, height;
    int bits, type; /* 0 grey, 2 RGB, 3 palette, 4 grey alpha, 6 RGBA */
    const char *palette, *alpha;
    size_t palette_size, alpha_size;
};

/* `rows` [size]: each row behind its filter byte. */
static void
put_png(struct ink_buf *png, const struct png *what, const void *rows, size_t size)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf header = {0};
    uLongf packed_size = compressBound((uLong)size);
    INK_CLEANUP(ink_freep) uint8_t *packed = malloc(packed_size);

    assert_non_null(packed);
    assert_int_equal(compress2(packed, &packed_size, rows, (uLong)size, 9), Z_OK);
    put_be32(&header, what->width);
    put_be32(&header, what->height);
    ink_buf_putc(&header, (char)what->bits);
    ink_buf_putc(&header, (char)what->type);
    ink_buf_append(&header, "\0\0\0", 3);
    ink_buf_append(png, "\x89PNG\r\n\x1a\n", 8);
    put_chunk(png, "IHDR", header.bytes, header.size);
    if (what->palette)
        put_chunk(png, "PLTE", what->palette, what->palette_size);
    if (what->alpha)
        put_chunk(png, "tRNS", what->alpha, what->alpha_size);
    put_chunk(png, "IDAT", packed, packed_size);
    put_chunk(png, "IEND", NULL, 0);
}

/* Each a picture of 2x1: what the two pixels must become. */
static void
png_of_every_kind_becomes_grey(void **state)
{
    static const struct {
        const char *name;
        struct png png;
        const char *row;
        size_t size;
        int want[2];
    } cases[] = {
        {"grey 8", {2, 1, 8, 0, NULL, NULL, 0, 0}, "\0\x40\xc8", 3, {64, 200}},
        {"grey 16", {2, 1, 16, 0, NULL, NULL, 0, 0}, "\0\x40\xff\xc8\x01", 5, {64, 200}},
        {"grey 4", {2, 1, 4, 0, NULL, NULL, 0, 0}, "\0\x3f", 2, {51, 255}},
        {"grey 1", {2, 1, 1, 0, NULL, NULL, 0, 0}, "\0\x40", 2, {0, 255}},
        {"RGB 8", {2, 1, 8, 2, NULL, NULL, 0, 0}, "\0\xff\0\0\0\0\xff", 7, {77, 29}},
        {"RGB 16",
         {2, 1, 16, 2, NULL, NULL, 0, 0},
         "\0\xff\xff\0\0\0\0\xff\xff\xff\xff\xff\xff",
         13,
         {77, 255}},
        {"palette 8",
         {2, 1, 8, 3, "\0\0\0\xff\xff\xff\x80\x80\x80", NULL, 9, 0},
         "\0\2\1",
         3,
         {128, 255}},
        {"palette 2",
         {2, 1, 2, 3, "\0\0\0\xff\xff\xff\x80\x80\x80", NULL, 9, 0},
         "\0\x90",
         2,
         {128, 255}},
        {"palette with alpha",
         {2, 1, 8, 3, "\0\0\0\x64\x64\x64", "\0", 6, 1},
         "\0\0\1",
         3,
         {255, 100}},
        {"grey alpha", {2, 1, 8, 4, NULL, NULL, 0, 0}, "\0\x64\xff\0\x80", 5, {100, 127}},
        {"RGBA", {2, 1, 8, 6, NULL, NULL, 0, 0}, "\0\0\0\0\0\0\0\0\xff", 9, {255, 0}},
        {"RGBA 16",
         {2, 1, 16, 6, NULL, NULL, 0, 0},
         "\0\0\0\0\0\0\0\xff\xff\x80\0\x80\0\x80\0\xff\xff",
         17,
         {0, 128}},
        {"white on nothing", {2, 1, 8, 4, NULL, NULL, 0, 0}, "\0\xff\xff\xff\0", 5, {0, 255}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        INK_CLEANUP(ink_picture_fini) struct ink_picture picture = {0};
        INK_CLEANUP(ink_buf_fini) struct ink_buf png = {0};
        struct ink_err err;

        print_message("  %s\n", cases[i].name);
        put_png(&png, &cases[i].png, cases[i].row, cases[i].size);
        assert_ok(decode(png.bytes, png.size, &picture, &err), &err);
        assert_int_equal(picture.width, 2);
        assert_int_equal(picture.height, 1);
        for (int pixel = 0; pixel < 2; pixel++)
            assert_in_range(picture.grey[pixel] + 1, cases[i].want[pixel],
                            cases[i].want[pixel] + 2); /* give or take one */
    }
}

/* The check sums catch every changed byte, the sizes every missing one. */
static void
png_with_any_byte_changed_or_missing_is_refused(void **state)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf png = {0};
    uint8_t grey[7 * 5];
    struct ink_err err;

    (void)state;
    for (size_t i = 0; i < sizeof(grey); i++)
        grey[i] = (uint8_t)(i * 31);
    assert_ok(ink_picture_encode_png(grey, 7, 5, 1, &png, &err), &err);
    for (size_t i = 0; i < png.size; i++) {
        struct ink_picture picture = {.width = 77};

        assert_int_equal(decode(png.bytes, i, &picture, &err), INK_BADDATA);
        for (int bit = 0; bit < 8; bit++) {
            png.bytes[i] ^= (char)(1 << bit);
            assert_int_equal(decode(png.bytes, png.size, &picture, &err), INK_BADDATA);
            png.bytes[i] ^= (char)(1 << bit);
        }
        assert_int_equal(picture.width, 77); /* untouched on failure */
    }
}

static void
png_that_lies_about_its_size_is_refused(void **state)
{
    enum { BOMB_SIZE = INK_LIMIT_PICTURE_MEMORY + (1 << 20) };
    INK_CLEANUP(ink_freep) uint8_t *zeros = calloc(1, BOMB_SIZE);
    static const struct {
        struct png png;
        size_t size;
        enum ink_status want;
        const char *says;
    } cases[] = {
        {{28, 28, 8, 0, NULL, NULL, 0, 0}, BOMB_SIZE, INK_TOOBIG, "takes more than 100663296"},
        {{28, 28, 8, 0, NULL, NULL, 0, 0}, 28 * 29 - 1, INK_BADDATA, "the PNG is broken"},
        {{9999, 9999, 8, 6, NULL, NULL, 0, 0}, 100, INK_TOOBIG, "takes more than"},
        {{10001, 1, 8, 0, NULL, NULL, 0, 0}, 10002, INK_TOOBIG, "10001x1 pixels, at most 10000"},
        {{1, 10001, 8, 0, NULL, NULL, 0, 0}, 20002, INK_TOOBIG, "1x10001 pixels"},
        {{0, 5, 8, 0, NULL, NULL, 0, 0}, 5, INK_BADDATA, "0x5 pixels has none"},
        {{0xffffffff, 1, 8, 0, NULL, NULL, 0, 0}, 5, INK_TOOBIG, "4294967295x1"},
        {{2, 1, 3, 0, NULL, NULL, 0, 0}, 3, INK_BADDATA, "the PNG is broken"},
        {{2, 1, 8, 5, NULL, NULL, 0, 0}, 3, INK_BADDATA, "the PNG is broken"},
    };

    (void)state;
    assert_non_null(zeros);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        INK_CLEANUP(ink_buf_fini) struct ink_buf png = {0};
        struct ink_picture picture = {0};
        struct ink_err err;

        put_png(&png, &cases[i].png, zeros, cases[i].size);
        assert_fails(cases[i].want, cases[i].says, decode(png.bytes, png.size, &picture, &err),
                     &err);
        assert_null(picture.grey);
    }
}

/* stb_image holds the unpacked rows and the pixels: 2 w h + h bytes of grey, and small change. */
static void
png_may_use_its_budget_to_the_edge(void **state)
{
    enum { WIDTH = 9000 };
    const size_t fitting = INK_LIMIT_PICTURE_MEMORY / (2 * WIDTH + 1) - 40;
    INK_CLEANUP(ink_freep) uint8_t *zeros = calloc(fitting + 100, WIDTH + 1);

    (void)state;
    assert_non_null(zeros);
    for (int over = 0; over < 2; over++) {
        INK_CLEANUP(ink_picture_fini) struct ink_picture picture = {0};
        INK_CLEANUP(ink_buf_fini) struct ink_buf png = {0};
        struct png what = {WIDTH, fitting + (over ? 60 : 0), 8, 0, NULL, NULL, 0, 0};
        struct ink_err err;

        put_png(&png, &what, zeros, what.height * (WIDTH + 1));
        if (over)
            assert_fails(INK_TOOBIG, "takes more than", decode(png.bytes, png.size, &picture, &err),
                         &err);
        else
            assert_ok(decode(png.bytes, png.size, &picture, &err), &err);
    }
}

static void
png_round_trips(void **state)
{
    static const int sides[][2] = {{1, 1}, {28, 28}, {3, 100}, {257, 2}};

    (void)state;
    for (size_t i = 0; i < sizeof(sides) / sizeof(sides[0]); i++)
        for (int channels = 1; channels <= 3; channels += 2) {
            INK_CLEANUP(ink_picture_fini) struct ink_picture picture = {0};
            INK_CLEANUP(ink_buf_fini) struct ink_buf png = {0};
            size_t count = (size_t)sides[i][0] * (size_t)sides[i][1];
            uint8_t pixels[3 * 28 * 28];
            struct ink_err err;

            for (size_t pixel = 0; pixel < count; pixel++) /* noise, then a slope */
                for (int c = 0; c < channels; c++)
                    pixels[pixel * (size_t)channels + (size_t)c] =
                        (uint8_t)(pixel < count / 2 ? (pixel * 2654435761U) >> 13 : pixel);
            assert_ok(
                ink_picture_encode_png(pixels, sides[i][0], sides[i][1], channels, &png, &err),
                &err);
            assert_ok(decode(png.bytes, png.size, &picture, &err), &err);
            assert_int_equal(picture.width, sides[i][0]);
            for (size_t pixel = 0; pixel < count; pixel++)
                assert_int_equal(picture.grey[pixel], pixels[pixel * (size_t)channels]);
        }
}

static void
sides_that_cannot_be_written_are_refused(void **state)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf buf = {0};
    const uint8_t pixel = 0;
    struct ink_err err;

    (void)state;
    assert_fails(INK_TOOBIG, "0x1", ink_picture_encode_png(&pixel, 0, 1, 1, &buf, &err), &err);
    assert_fails(INK_TOOBIG, "1x16385", ink_picture_encode_png(&pixel, 1, 16385, 1, &buf, &err),
                 &err);
    assert_fails(INK_BADDATA, "0x4", ink_picture_encode_jpeg(&pixel, -3, 4, &buf, &err), &err);
    assert_fails(INK_TOOBIG, "4x10001", ink_picture_encode_jpeg(&pixel, 4, 10001, &buf, &err),
                 &err);
    assert_int_equal(buf.size, 0);
}

/* ---- BMP ---- */

struct bmp {
    size_t width, height;
    int bits;
    const char *palette;
    size_t palette_size;
};

static void
put_bmp(struct ink_buf *bmp, const struct bmp *what, const void *rows, size_t size)
{
    ink_buf_puts(bmp, "BM");
    put_le(bmp, 54 + what->palette_size + size, 4);
    put_le(bmp, 0, 4);
    put_le(bmp, 54 + what->palette_size, 4);
    put_le(bmp, 40, 4);
    put_le(bmp, what->width, 4);
    put_le(bmp, what->height, 4);
    put_le(bmp, 1, 2);
    put_le(bmp, (size_t)what->bits, 2);
    for (int i = 0; i < 4; i++)
        put_le(bmp, 0, 4);
    put_le(bmp, what->palette_size / 4, 4);
    put_le(bmp, 0, 4);
    ink_buf_append(bmp, what->palette, what->palette_size);
    ink_buf_append(bmp, rows, size);
}

static void
bmp_is_read_and_its_size_checked(void **state)
{
    static const char rows[] = "\xff\0\0\0\xff\0\0\0"      /* the lower row: blue, green */
                               "\0\0\xff\xff\xff\xff\0\0"; /* red, white */
    static const int upright[] = {77, 255, 29, 149}, from_top[] = {29, 149, 77, 255};
    INK_CLEANUP(ink_picture_fini) struct ink_picture picture = {0};
    struct ink_err err;

    (void)state;
    for (int flipped = 0; flipped < 2; flipped++) {
        INK_CLEANUP(ink_buf_fini) struct ink_buf bmp = {0};
        struct ink_picture none = {0};

        put_bmp(&bmp, &(struct bmp){2, flipped ? 0xfffffffe : 2, 24, "", 0}, rows, 16);
        assert_ok(decode(bmp.bytes, bmp.size, &picture, &err), &err);
        for (int i = 0; i < 4; i++)
            assert_int_equal(picture.grey[i], (flipped ? from_top : upright)[i]);
        ink_picture_fini(&picture);
        for (size_t size = 0; size < bmp.size; size++)
            assert_int_equal(decode(bmp.bytes, size, &none, &err), INK_BADDATA);
    }
}

static void
bmp_with_a_palette_is_read(void **state)
{
    INK_CLEANUP(ink_picture_fini) struct ink_picture picture = {0};
    INK_CLEANUP(ink_buf_fini) struct ink_buf one = {0}, eight = {0}, huge = {0}, bad = {0};
    struct ink_err err;

    (void)state;
    put_bmp(&one, &(struct bmp){3, 1, 1, "\0\0\0\0\xff\xff\xff\0", 8}, "\xa0\0\0\0", 4);
    assert_ok(decode(one.bytes, one.size, &picture, &err), &err);
    assert_memory_equal(picture.grey, "\xff\0\xff", 3);
    ink_picture_fini(&picture);
    put_bmp(&eight, &(struct bmp){2, 1, 8, "\x64\x64\x64\0\xc8\xc8\xc8\0", 8}, "\1\0\0\0", 4);
    assert_ok(decode(eight.bytes, eight.size, &picture, &err), &err);
    assert_memory_equal(picture.grey, "\xc8\x64", 2);

    put_bmp(&huge, &(struct bmp){0x7fffffff, 0x7fffffff, 24, "", 0}, "", 0);
    assert_fails(INK_TOOBIG, "2147483647x2147483647", decode(huge.bytes, huge.size, &picture, &err),
                 &err);
    put_bmp(&bad, &(struct bmp){2, 2, 24, "", 0}, "0123456789abcdef", 16);
    bad.bytes[14] = 13;
    assert_fails(INK_BADDATA, "a header of 13 bytes", decode(bad.bytes, bad.size, &picture, &err),
                 &err);
}

/* ---- PNM ---- */

static void
pnm_of_every_kind_becomes_grey(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
        int want[2];
    } cases[] = {
        {"P1 2 1 10", 9, {0, 255}},
        {"P1\n# words\n2 1\n1 0\n", 19, {0, 255}},
        {"P2 2 1 100 50 100", 17, {128, 255}},
        {"P3 2 1 255  255 0 0  0 0 255", 28, {77, 29}},
        {"P4 2 1\n\x80", 8, {0, 255}},
        {"P5 2 1 255\n\x40\xc8", 13, {64, 200}},
        {"P5 2 1 65535\n\x40\x40\xc8\xc8", 17, {64, 200}},
        {"P5 #c\n2 1 1 \1\0", 14, {255, 0}},
        {"P6 2 1 255\n\xff\0\0\xff\xff\xff", 17, {77, 255}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        INK_CLEANUP(ink_picture_fini) struct ink_picture picture = {0};
        struct ink_err err;

        print_message("  P%c\n", cases[i].bytes[1]);
        assert_ok(decode(cases[i].bytes, cases[i].size, &picture, &err), &err);
        assert_int_equal(picture.width * 100 + picture.height, 201);
        assert_int_equal(picture.grey[0], cases[i].want[0]);
        assert_int_equal(picture.grey[1], cases[i].want[1]);
    }
}

static void
pnm_that_is_broken_is_refused(void **state)
{
    static const struct {
        const char *text;
        enum ink_status want;
        const char *says;
    } cases[] = {
        {"P5", INK_BADDATA, "header is broken, expected width, height and a maximum"},
        {"P1 2", INK_BADDATA, "header is broken, expected width, height"},
        {"P5 2 1", INK_BADDATA, "header is broken"},
        {"P5x2 1 255 ab", INK_BADDATA, "header is broken"},
        {"P5 2 1 0 ab", INK_BADDATA, "header is broken"},
        {"P5 2 1 65536 ab", INK_BADDATA, "header is broken"},
        {"P5 -2 1 255 ab", INK_BADDATA, "header is broken"},
        {"P5 2 1 255", INK_BADDATA, "ends behind its header"},
        {"P5 2 1 255 a", INK_BADDATA, "cut short"},
        {"P5 2 1 100 az", INK_BADDATA, "a sample above 100"},
        {"P2 2 1 9 1 10", INK_BADDATA, "a sample above 9"},
        {"P2 2 1 9 1 x", INK_BADDATA, "near byte 11"},
        {"P1 2 1 12", INK_BADDATA, "cut short"},
        {"P5 0 1 255 a", INK_BADDATA, "0x1 pixels has none"},
        {"P5 10001 1 255 a", INK_TOOBIG, "10001x1"},
        {"P5 99999999999999999999 1 255 a", INK_BADDATA, "header is broken"},
        {"P4 9000 9000 a", INK_BADDATA, "cut short"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ink_picture picture = {0};
        struct ink_err err;

        assert_fails(cases[i].want, cases[i].says,
                     decode(cases[i].text, strlen(cases[i].text), &picture, &err), &err);
        assert_null(picture.grey);
    }
}

/* ---- any ---- */

static void
what_is_no_picture_is_described(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
        const char *says;
    } cases[] = {
        {"", 0, "an empty file is no picture"},
        {"hello, world", 12, "not a PNG, JPEG, BMP or PNM picture: starts \"hello, w\""},
        {"GIF89a", 6, "starts \"GIF89a\""},
        {"\0\1\2", 3, "starts 00 01 02"},
        {"P7\n", 3, "starts 50 37 0a"},
        {"\x89PNG\r\n", 6, "starts 89 50 4e 47 0d 0a"},
        {"#?RADIANCE", 10, "starts \"#?RADIAN\""},
        {"8BPS", 4, "starts \"8BPS\""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ink_picture picture = {0};
        struct ink_err err;

        assert_fails(INK_BADDATA, cases[i].says,
                     decode(cases[i].bytes, cases[i].size, &picture, &err), &err);
    }
}

static void
files_are_loaded_and_bounded(void **state)
{
    INK_CLEANUP(ink_freep) char *large = calloc(1, INK_LIMIT_PICTURE_SIZE + 1);
    char folder[] = "/tmp/ink-picture-XXXXXX", path[64];
    INK_CLEANUP(ink_picture_fini) struct ink_picture picture = {0};
    struct ink_err err;

    (void)state;
    assert_non_null(large);
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/a.pgm", folder);
    assert_ok(ink_file_write(path, "P5 1 1 255 a", 12, &err), &err);
    assert_ok(ink_picture_load(path, &picture, &err), &err);
    assert_int_equal(picture.grey[0], 'a');
    assert_ok(ink_file_write(path, "text", 4, &err), &err);
    assert_fails(INK_BADDATA, "a.pgm': not a PNG", ink_picture_load(path, &picture, &err), &err);
    assert_ok(ink_file_write(path, large, INK_LIMIT_PICTURE_SIZE + 1, &err), &err);
    assert_fails(INK_TOOBIG, "at most 16777216", ink_picture_load(path, &picture, &err), &err);
    assert_fails(INK_TOOBIG, "at most 16777216",
                 ink_picture_decode(large, INK_LIMIT_PICTURE_SIZE + 1, &picture, &err), &err);
    assert_int_equal(unlink(path), 0);
    assert_fails(INK_NOTFOUND, "a.pgm", ink_picture_load(path, &picture, &err), &err);
    assert_int_equal(rmdir(folder), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(png_of_every_kind_becomes_grey),
        cmocka_unit_test(png_with_any_byte_changed_or_missing_is_refused),
        cmocka_unit_test(png_that_lies_about_its_size_is_refused),
        cmocka_unit_test(png_may_use_its_budget_to_the_edge),
        cmocka_unit_test(png_round_trips),
        cmocka_unit_test(sides_that_cannot_be_written_are_refused),
        cmocka_unit_test(bmp_is_read_and_its_size_checked),
        cmocka_unit_test(bmp_with_a_palette_is_read),
        cmocka_unit_test(pnm_of_every_kind_becomes_grey),
        cmocka_unit_test(pnm_that_is_broken_is_refused),
        cmocka_unit_test(what_is_no_picture_is_described),
        cmocka_unit_test(files_are_loaded_and_bounded),
    };

    return cmocka_run_group_tests_name("picture", tests, NULL, NULL);
}
