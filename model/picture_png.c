/* SPDX-License-Identifier: MIT */
/* picture_png: PNG files written through zlib. Source: W3C PNG specification, third edition. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "model/picture.h"

enum { FILTER_NONE = 0, FILTER_SUB = 1, FILTER_UP = 2, FILTER_COUNT = 3 };

/* Pixels of a picture that is written: as much as a display can want. */
enum { SIDE_MAX = 16384, BYTES_MAX = 1 << 28 };

static void
append_be32(struct ink_buf *buf, uint32_t value)
{
    const uint8_t bytes[] = {(uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8),
                             (uint8_t)value};

    ink_buf_append(buf, bytes, sizeof(bytes));
}

static void
append_chunk(struct ink_buf *buf, const char type[static 4], const uint8_t *data, size_t size)
{
    uLong crc = crc32(crc32(0, NULL, 0), (const Bytef *)type, 4);

    append_be32(buf, (uint32_t)size);
    ink_buf_append(buf, type, 4);
    if (size > 0) {
        ink_buf_append(buf, data, size);
        crc = crc32(crc, data, (uInt)size);
    }
    append_be32(buf, (uint32_t)crc);
}

/* One row by one filter; `above` is the row before, NULL for the first. */
static void
filter_row(int filter, const uint8_t *row, const uint8_t *above, size_t size, size_t step,
           uint8_t *out)
{
    if (filter == FILTER_NONE || (filter == FILTER_UP && !above)) {
        memcpy(out, row, size);
        return;
    }
    if (filter == FILTER_UP) {
        for (size_t i = 0; i < size; i++)
            out[i] = (uint8_t)(row[i] - above[i]);
        return;
    }
    memcpy(out, row, step < size ? step : size);
    for (size_t i = step; i < size; i++)
        out[i] = (uint8_t)(row[i] - row[i - step]);
}

/* The specification's heuristic: the filter that leaves the smallest bytes, taken as signed. */
static size_t
cost_of(const uint8_t *bytes, size_t size)
{
    size_t cost = 0;

    for (size_t i = 0; i < size; i++)
        cost += bytes[i] < 128 ? bytes[i] : 256U - bytes[i];
    return cost;
}

/* out [height][1 + size]: each row behind the number of its filter. `spare` [size]. */
static void
filter_rows(const uint8_t *pixels, size_t height, size_t size, size_t step, uint8_t *spare,
            uint8_t *out)
{
    for (size_t y = 0; y < height; y++, out += 1 + size) {
        const uint8_t *row = pixels + y * size;
        size_t best = SIZE_MAX;

        if (y > 0 && memcmp(row, row - size, size) == 0) { /* drawings have many such rows */
            out[0] = FILTER_UP;
            memset(out + 1, 0, size);
            continue;
        }
        for (int filter = FILTER_NONE; filter < FILTER_COUNT; filter++) {
            size_t cost;

            filter_row(filter, row, y > 0 ? row - size : NULL, size, step, spare);
            cost = cost_of(spare, size);
            if (cost >= best)
                continue;
            best = cost;
            out[0] = (uint8_t)filter;
            memcpy(out + 1, spare, size);
        }
    }
}

enum ink_status
ink_picture_encode_png(const uint8_t *pixels, int width, int height, int channels,
                       struct ink_buf *buf, struct ink_err *err)
{
    static const uint8_t signature[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    INK_CLEANUP(ink_freep) uint8_t *filtered = NULL;
    INK_CLEANUP(ink_freep) uint8_t *packed = NULL;
    size_t size = (size_t)width * (size_t)channels, total = (size_t)height * (size + 1);
    uint8_t header[13] = {0};
    uLongf packed_size;

    assert(channels == 1 || channels == 3);
    if (width < 1 || height < 1 || width > SIDE_MAX || height > SIDE_MAX || total > BYTES_MAX)
        return ink_fail(err, INK_TOOBIG, "a picture of %dx%d is not written: at most %d a side",
                        width, height, SIDE_MAX);
    packed_size = compressBound((uLong)total);
    filtered = malloc(total + size);
    packed = malloc(packed_size);
    if (!filtered || !packed)
        return ink_fail(err, INK_NOMEM, "no memory to write %dx%d pixels", width, height);
    filter_rows(pixels, (size_t)height, size, (size_t)channels, filtered + total, filtered);
    if (compress2(packed, &packed_size, filtered, (uLong)total, Z_DEFAULT_COMPRESSION) != Z_OK)
        return ink_fail(err, INK_NOMEM, "no memory to pack %dx%d pixels", width, height);

    for (int i = 0; i < 4; i++) {
        header[i] = (uint8_t)(width >> (24 - 8 * i));
        header[4 + i] = (uint8_t)(height >> (24 - 8 * i));
    }
    header[8] = 8; /* bits */
    header[9] = channels == 1 ? 0 : 2;
    ink_buf_append(buf, signature, sizeof(signature));
    append_chunk(buf, "IHDR", header, sizeof(header));
    append_chunk(buf, "IDAT", packed, packed_size);
    append_chunk(buf, "IEND", NULL, 0);
    return ink_buf_check(buf, err);
}
