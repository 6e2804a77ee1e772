/* SPDX-License-Identifier: MIT */
/*
 * picture_pnm: PBM, PGM and PPM, as text (P1 P2 P3) and in bytes (P4 P5 P6).
 *
 * Our own: stb_image 2.27 reads past the end of a 16-bit PNM. Source: Netpbm's
 * format pages pbm(5), pgm(5), ppm(5).
 */
#include <stdbool.h>
#include <string.h>

#include "model/picture_priv.h"

struct reader {
    const uint8_t *bytes;
    size_t size, at;
};

enum { MAXIMUM_MAX = 65535 };

static bool
is_space(uint8_t byte)
{
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

static void
skip_space(struct reader *reader)
{
    bool is_comment = false;

    for (; reader->at < reader->size; reader->at++) {
        uint8_t byte = reader->bytes[reader->at];

        if (is_comment)
            is_comment = byte != '\n' && byte != '\r';
        else if (byte == '#')
            is_comment = true;
        else if (!is_space(byte))
            return;
    }
}

/* A decimal number up to `max`; `one_digit`: P1 may write its bits without space. */
static bool
read_number(struct reader *reader, size_t max, bool one_digit, size_t *out_value)
{
    size_t value = 0, start;

    skip_space(reader);
    for (start = reader->at; reader->at < reader->size; reader->at++) {
        unsigned digit = (unsigned)reader->bytes[reader->at] - '0';

        if (digit > 9 || (one_digit && reader->at > start))
            break;
        value = value * 10 + digit;
        if (value > max)
            return false;
    }
    *out_value = value;
    return reader->at > start;
}

/* One sample, as text or in 1 or 2 bytes. */
static bool
read_sample(struct reader *reader, bool is_text, size_t maximum, size_t *out_value)
{
    size_t size = maximum > 255 ? 2 : 1, value = 0;

    if (is_text)
        return read_number(reader, maximum, false, out_value);
    if (reader->size - reader->at < size)
        return false;
    while (size-- > 0)
        value = value << 8 | reader->bytes[reader->at++];
    *out_value = value;
    return value <= maximum;
}

/* PBM: 1 is black; in bytes, eight pixels each, rows start anew. */
static bool
read_bits(struct reader *reader, bool is_text, struct ink_picture *picture)
{
    size_t width = (size_t)picture->width, height = (size_t)picture->height;
    size_t row_size = (width + 7) / 8;

    if (!is_text && (reader->size - reader->at) / row_size < height)
        return false;
    for (size_t i = 0; i < width * height; i++) {
        size_t x = i % width, y = i / width, bit;

        if (!is_text)
            bit = reader->bytes[reader->at + y * row_size + x / 8] >> (7 - x % 8) & 1;
        else if (!read_number(reader, 1, true, &bit))
            return false;
        picture->grey[i] = bit ? 0 : 255;
    }
    return true;
}

static bool
read_samples(struct reader *reader, bool is_text, bool is_color, size_t maximum,
             struct ink_picture *picture)
{
    size_t count = (size_t)picture->width * (size_t)picture->height;

    for (size_t i = 0; i < count; i++) {
        unsigned sample[3] = {0};

        for (int channel = 0; channel < (is_color ? 3 : 1); channel++) {
            size_t value;

            if (!read_sample(reader, is_text, maximum, &value))
                return false;
            sample[channel] = (unsigned)((value * 255 + maximum / 2) / maximum);
        }
        picture->grey[i] = (uint8_t)sample[0];
        if (is_color)
            picture->grey[i] = ink_picture_luma(sample[0], sample[1], sample[2]);
    }
    return true;
}

enum ink_status
ink_picture_decode_pnm(const uint8_t *bytes, size_t size, struct ink_picture *out_picture,
                       struct ink_err *err)
{
    struct reader reader = {bytes, size, 2}; /* behind the P and the digit */
    int kind = bytes[1] - '0';
    bool is_text = kind <= 3, is_bits = kind == 1 || kind == 4, is_color = kind == 3 || kind == 6;
    size_t width = 0, height = 0, maximum = 1;
    struct ink_picture picture = {0};
    enum ink_status status;

    if (size < 3 || (!is_space(bytes[2]) && bytes[2] != '#') ||
        !read_number(&reader, 1 << 30, false, &width) ||
        !read_number(&reader, 1 << 30, false, &height) ||
        (!is_bits && !read_number(&reader, MAXIMUM_MAX, false, &maximum)) || maximum == 0)
        return ink_fail(err, INK_BADDATA,
                        "the P%d picture's header is broken, expected width, height%s", kind,
                        is_bits ? "" : " and a maximum of 1 to 65535");
    if (reader.at == size || !is_space(bytes[reader.at]))
        return ink_fail(err, INK_BADDATA, "the P%d picture ends behind its header", kind);
    reader.at++; /* the one white space before the pixels */

    status = ink_picture_check_sides(width, height, err);
    if (status)
        return status;
    if ((size - reader.at) * 8 < width * height)
        return ink_fail(err, INK_BADDATA,
                        "the P%d picture is cut short: %zux%zu pixels in %zu bytes", kind, width,
                        height, size);
    status = ink_picture_init(&picture, width, height, err);
    if (status)
        return status;
    if (is_bits ? !read_bits(&reader, is_text, &picture)
                : !read_samples(&reader, is_text, is_color, maximum, &picture)) {
        ink_picture_fini(&picture);
        return ink_fail(err, INK_BADDATA,
                        "the P%d picture is cut short or has a sample above %zu, near byte %zu",
                        kind, maximum, reader.at);
    }
    *out_picture = picture;
    return INK_OK;
}
