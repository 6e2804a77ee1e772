/* SPDX-License-Identifier: MIT */
#include "model/picture.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "model/picture_priv.h"

struct format {
    const char *magic;
    size_t magic_size;
    enum ink_status (*decode)(const uint8_t *bytes, size_t size, struct ink_picture *out_picture,
                              struct ink_err *err);
};

/* clang-format off */
static const struct format formats[] = {
    {"\x89PNG\r\n\x1a\n", 8, ink_picture_decode_png},
    {"\xff\xd8\xff",      3, ink_picture_decode_jpeg},
    {"BM",                2, ink_picture_decode_bmp},
    {"P1", 2, ink_picture_decode_pnm}, {"P2", 2, ink_picture_decode_pnm},
    {"P3", 2, ink_picture_decode_pnm}, {"P4", 2, ink_picture_decode_pnm},
    {"P5", 2, ink_picture_decode_pnm}, {"P6", 2, ink_picture_decode_pnm},
};
/* clang-format on */

uint8_t
ink_picture_luma(unsigned red, unsigned green, unsigned blue)
{
    return (uint8_t)((77 * red + 150 * green + 29 * blue + 128) >> 8);
}

enum ink_status
ink_picture_check_sides(size_t width, size_t height, struct ink_err *err)
{
    if (width == 0 || height == 0)
        return ink_fail(err, INK_BADDATA, "a picture of %zux%zu pixels has none", width, height);
    if (width > INK_LIMIT_PICTURE_SIDE || height > INK_LIMIT_PICTURE_SIDE)
        return ink_fail(err, INK_TOOBIG, "%zux%zu pixels, at most %d either way are taken", width,
                        height, INK_LIMIT_PICTURE_SIDE);
    return INK_OK;
}

enum ink_status
ink_picture_init(struct ink_picture *out_picture, size_t width, size_t height, struct ink_err *err)
{
    enum ink_status status = ink_picture_check_sides(width, height, err);
    uint8_t *grey;

    if (status)
        return status;
    if (width > INK_LIMIT_PICTURE_MEMORY / height)
        return ink_fail(err, INK_TOOBIG, "%zux%zu pixels, at most %d in all are taken", width,
                        height, INK_LIMIT_PICTURE_MEMORY);
    grey = calloc(height, width);
    if (!grey)
        return ink_fail(err, INK_NOMEM, "no memory for %zux%zu pixels", width, height);
    *out_picture = (struct ink_picture){(int)width, (int)height, grey};
    return INK_OK;
}

void
ink_picture_fini(struct ink_picture *picture)
{
    free(picture->grey);
    *picture = (struct ink_picture){0};
}

/* Say what the bytes are if they are no picture: their start, as text or in hex. */
static enum ink_status
refuse(const uint8_t *bytes, size_t size, struct ink_err *err)
{
    enum { SHOWN_MAX = 8 };
    char hex[3 * SHOWN_MAX + 1] = "";
    size_t shown = size < SHOWN_MAX ? size : SHOWN_MAX;
    bool is_text = true;

    if (size == 0)
        return ink_fail(err, INK_BADDATA,
                        "an empty file is no picture: expected PNG, JPEG, BMP or PNM");
    for (size_t i = 0; i < shown; i++) {
        is_text = is_text && bytes[i] >= 0x20 && bytes[i] < 0x7f;
        (void)snprintf(hex + 3 * i, sizeof(hex) - 3 * i, " %02x", bytes[i]);
    }
    if (is_text)
        return ink_fail(err, INK_BADDATA, "not a PNG, JPEG, BMP or PNM picture: starts \"%.*s\"",
                        (int)shown, (const char *)bytes);
    return ink_fail(err, INK_BADDATA, "not a PNG, JPEG, BMP or PNM picture: starts%s", hex);
}

enum ink_status
ink_picture_decode(const void *bytes, size_t size, struct ink_picture *out_picture,
                   struct ink_err *err)
{
    assert(bytes || size == 0);
    assert(out_picture);
    if (size > INK_LIMIT_PICTURE_SIZE)
        return ink_fail(err, INK_TOOBIG, "a picture of %zu bytes, at most %d are read", size,
                        INK_LIMIT_PICTURE_SIZE);
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
        if (size >= formats[i].magic_size &&
            memcmp(bytes, formats[i].magic, formats[i].magic_size) == 0)
            return formats[i].decode(bytes, size, out_picture, err);
    return refuse(bytes, size, err);
}

enum ink_status
ink_picture_load(const char *path, struct ink_picture *out_picture, struct ink_err *err)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf file = {0};
    enum ink_status status;
    struct ink_err cause;

    status = ink_buf_load(&file, path, INK_LIMIT_PICTURE_SIZE, err);
    if (status)
        return status;
    status = ink_picture_decode(file.bytes, file.size, out_picture, &cause);
    if (status)
        return ink_fail(err, status, "'%.100s': %s", path, cause.message);
    return INK_OK;
}
