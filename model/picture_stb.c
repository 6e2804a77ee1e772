/* SPDX-License-Identifier: MIT */
/*
 * picture_stb: PNG and BMP through stb_image, which trusts too much.
 *
 * It allocates what a file asks for (a 1 MB PNG can ask for 2 GB), does not look
 * at PNG's check sums, and reads zeros behind the end. So: check sums and sizes
 * are checked before, and its memory comes from a budget. Its JPEG, GIF, HDR, PSD,
 * PIC, TGA and PNM decoders, some with known memory errors, are not compiled in.
 */
#include <assert.h>
#include <limits.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "model/picture_priv.h"

/* ---- memory by budget ---- */

/* What stb_image may still take in this thread's decoding. Owned by the thread. */
static _Thread_local size_t budget_left;
static _Thread_local bool was_refused;

/* Stands before each block, so that its size is known when it goes. */
struct block {
    alignas(max_align_t) size_t size;
};

static void *
budget_realloc(void *memory, size_t size)
{
    struct block *old = memory ? (struct block *)memory - 1 : NULL;
    size_t old_size = old ? old->size : 0;
    struct block *block;

    if (size > old_size && size - old_size > budget_left) {
        was_refused = true;
        return NULL;
    }
    block = realloc(old, sizeof(*block) + size);
    if (!block)
        return NULL;
    budget_left = budget_left + old_size - size;
    block->size = size;
    return block + 1;
}

static void *
budget_malloc(size_t size)
{
    return budget_realloc(NULL, size);
}

static void
budget_free(void *memory)
{
    struct block *block = memory ? (struct block *)memory - 1 : NULL;

    if (!block)
        return;
    budget_left += block->size;
    free(block);
}

#define STBI_MALLOC(size)          budget_malloc(size)
#define STBI_REALLOC(memory, size) budget_realloc(memory, size)
#define STBI_FREE(memory)          budget_free(memory)
#define STBI_ONLY_PNG
#define STBI_ONLY_BMP
#define STBI_NO_STDIO
#define STBI_MAX_DIMENSIONS INK_LIMIT_PICTURE_SIDE
#define STB_IMAGE_STATIC
#define STB_IMAGE_IMPLEMENTATION
#pragma GCC diagnostic ignored "-Wunused-function" /* judged at the end of the file: no pop */
#include <stb/stb_image.h>

static void
budget_freep(stbi_uc **memory)
{
    budget_free(*memory);
}

/* ---- decoding ---- */

/* Grey of one pixel of 1 to 4 channels (grey, grey alpha, RGB, RGBA) on white paper. */
static uint8_t
grey_of(const stbi_uc *pixel, int channels)
{
    unsigned grey = channels < 3 ? pixel[0] : ink_picture_luma(pixel[0], pixel[1], pixel[2]);
    unsigned alpha = channels == 2 ? pixel[1] : channels == 4 ? pixel[3] : 255;

    return (uint8_t)((grey * alpha + 255 * (255 - alpha) + 127) / 255);
}

/*
 * White ink on nothing (a canvas saved from a dark page) would vanish on white
 * paper: where all is white but not all is opaque, what is opaque counts as ink.
 */
static void
rescue_white_ink(const stbi_uc *pixels, int channels, size_t count, uint8_t *grey)
{
    const stbi_uc *alpha = pixels + channels - 1;
    size_t step = (size_t)channels, clear_count = 0;

    if (channels != 2 && channels != 4)
        return;
    for (size_t i = 0; i < count; i++) {
        if (grey[i] < 250)
            return;
        clear_count += alpha[i * step] == 0;
    }
    for (size_t i = 0; i < count && clear_count > 0; i++)
        grey[i] = (uint8_t)(255 - alpha[i * step]);
}

static enum ink_status
decode(const char *format, const uint8_t *bytes, size_t size, struct ink_picture *out_picture,
       struct ink_err *err)
{
    INK_CLEANUP(budget_freep) stbi_uc *pixels = NULL;
    int width, height, channels;
    enum ink_status status;
    size_t count;

    assert(size <= INT_MAX);
    budget_left = INK_LIMIT_PICTURE_MEMORY;
    was_refused = false;
    pixels = stbi_load_from_memory(bytes, (int)size, &width, &height, &channels, 0);
    if (!pixels && was_refused)
        return ink_fail(err, INK_TOOBIG, "the %s takes more than %d bytes to decode", format,
                        INK_LIMIT_PICTURE_MEMORY);
    if (!pixels) {
        const char *reason = stbi_failure_reason(); /* may be NULL */

        return ink_fail(err, INK_BADDATA, "the %s is broken: %s", format,
                        reason ? reason : "unknown reason");
    }
    status = ink_picture_init(out_picture, (size_t)width, (size_t)height, err);
    if (status)
        return status;
    count = (size_t)width * (size_t)height;
    for (size_t i = 0; i < count; i++)
        out_picture->grey[i] = grey_of(pixels + i * (size_t)channels, channels);
    rescue_white_ink(pixels, channels, count, out_picture->grey);
    return INK_OK;
}

static size_t
be32_at(const uint8_t *bytes)
{
    return (size_t)bytes[0] << 24 | (size_t)bytes[1] << 16 | (size_t)bytes[2] << 8 | bytes[3];
}

static size_t
le_at(const uint8_t *bytes, size_t size)
{
    size_t value = 0;

    while (size > 0)
        value = value << 8 | bytes[--size];
    return value;
}

/* Walk over the chunks: whole, with the right check sums, IHDR first, up to IEND. */
static enum ink_status
check_chunks(const uint8_t *bytes, size_t size, struct ink_err *err)
{
    enum { SIGNATURE_SIZE = 8, FRAME_SIZE = 12 /* size, type, check sum */ };

    for (size_t at = SIGNATURE_SIZE;;) {
        const uint8_t *chunk = bytes + at;
        size_t data_size;

        if (size - at < FRAME_SIZE || be32_at(chunk) > size - at - FRAME_SIZE)
            return ink_fail(err, INK_BADDATA, "the PNG is cut short at byte %zu", size);
        data_size = be32_at(chunk);
        if (crc32(crc32(0, NULL, 0), chunk + 4, (uInt)(4 + data_size)) !=
            be32_at(chunk + 8 + data_size))
            return ink_fail(err, INK_BADDATA,
                            "the PNG is damaged: check sum of its part at byte %zu", at);
        if (at == SIGNATURE_SIZE && (memcmp(chunk + 4, "IHDR", 4) != 0 || data_size != 13))
            return ink_fail(err, INK_BADDATA, "the PNG does not start with its header");
        if (memcmp(chunk + 4, "IEND", 4) == 0)
            return INK_OK;
        at += FRAME_SIZE + data_size;
    }
}

enum ink_status
ink_picture_decode_png(const uint8_t *bytes, size_t size, struct ink_picture *out_picture,
                       struct ink_err *err)
{
    enum ink_status status = check_chunks(bytes, size, err);

    if (!status) /* the header is there: check_chunks */
        status = ink_picture_check_sides(be32_at(bytes + 16), be32_at(bytes + 20), err);
    return status ? status : decode("PNG", bytes, size, out_picture, err);
}

/* Source: Microsoft's BITMAPFILEHEADER, BITMAPCOREHEADER and BITMAPINFOHEADER. */
enum ink_status
ink_picture_decode_bmp(const uint8_t *bytes, size_t size, struct ink_picture *out_picture,
                       struct ink_err *err)
{
    enum { INFO_AT = 14, CORE_SIZE = 12, INFO_SIZE = 40 };
    size_t width, height, bits, row_size, info_size, start;
    enum ink_status status;

    if (size < INFO_AT + CORE_SIZE)
        return ink_fail(err, INK_BADDATA, "the BMP is cut short at byte %zu", size);
    start = le_at(bytes + 10, 4);
    info_size = le_at(bytes + INFO_AT, 4);
    if (info_size == CORE_SIZE) {
        width = le_at(bytes + 18, 2);
        height = le_at(bytes + 20, 2);
        bits = le_at(bytes + 24, 2);
    } else if (info_size >= INFO_SIZE && size >= INFO_AT + INFO_SIZE) {
        width = le_at(bytes + 18, 4);
        height = le_at(bytes + 22, 4);
        height = height > INT_MAX ? (1ULL << 32) - height : height; /* negative: from the top */
        bits = le_at(bytes + 28, 2);
    } else {
        return ink_fail(err, INK_BADDATA, "the BMP has a header of %zu bytes, expected 12 or 40 up",
                        info_size);
    }
    status = ink_picture_check_sides(width, height, err);
    if (status)
        return status;
    row_size = (width * bits + 31) / 32 * 4;
    if (start > size || row_size * height > size - start)
        return ink_fail(err, INK_BADDATA,
                        "the BMP is cut short: %zux%zu pixels of %zu bits in %zu "
                        "bytes",
                        width, height, bits, size);
    return decode("BMP", bytes, size, out_picture, err);
}
