/* SPDX-License-Identifier: MIT */
/* Bytes from outside become a picture of the size they say, and that a 28x28 for the network, or an
 * error. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/limits.h"
#include "model/picture.h"
#include "model/prepare.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Give a PNG's parts the check sums that they should have: else no change gets past them. */
static void
mend_png(uint8_t *bytes, size_t size)
{
    for (size_t at = 8; size - at >= 12;) {
        size_t length = (size_t)bytes[at] << 24 | (size_t)bytes[at + 1] << 16 |
                        (size_t)bytes[at + 2] << 8 | bytes[at + 3];
        uLong crc;

        if (length > size - at - 12)
            return;
        crc = crc32(crc32(0, NULL, 0), bytes + at + 4, (uInt)(4 + length));
        for (int i = 0; i < 4; i++)
            bytes[at + 8 + length + (size_t)i] = (uint8_t)(crc >> (24 - 8 * i));
        at += 12 + length;
    }
}

static void
check(const uint8_t *bytes, size_t size)
{
    struct ink_picture picture = {0};
    struct ink_preparation preparation;
    uint8_t row[INK_PICTURE_SIZE];
    struct ink_err err = {0};
    unsigned sum = 0;

    if (ink_picture_decode(bytes, size, &picture, &err)) {
        assert(!picture.grey && err.message[0]);
        return;
    }
    assert(picture.width > 0 && picture.width <= INK_LIMIT_PICTURE_SIDE);
    assert(picture.height > 0 && picture.height <= INK_LIMIT_PICTURE_SIDE);
    sum = picture.grey[0] + picture.grey[(size_t)picture.width * (size_t)picture.height - 1];
    assert(sum <= 510);
    if (ink_prepare_picture(&picture, row, &preparation, &err) == INK_OK)
        assert(row[0] + row[INK_PICTURE_SIZE - 1] <= 510);
    ink_picture_fini(&picture);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    check(bytes, size);
    if (size > 8 && bytes[0] == 0x89) {
        uint8_t *mended = malloc(size);

        assert(mended);
        memcpy(mended, bytes, size);
        mend_png(mended, size);
        check(mended, size);
        free(mended);
    }
    return 0;
}
