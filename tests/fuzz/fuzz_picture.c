/* SPDX-License-Identifier: MIT */
/* Bytes from outside become a picture of the size they say, and that a 28x28 for the network, or an
 * error. */
#include <assert.h>
#include <stdint.h>

#include "base/limits.h"
#include "model/picture.h"
#include "model/prepare.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct ink_picture picture = {0};
    struct ink_preparation preparation;
    uint8_t row[INK_PICTURE_SIZE];
    struct ink_err err = {0};
    unsigned sum = 0;

    if (ink_picture_decode(bytes, size, &picture, &err)) {
        assert(!picture.grey && err.message[0]);
        return 0;
    }
    assert(picture.width > 0 && picture.width <= INK_LIMIT_PICTURE_SIDE);
    assert(picture.height > 0 && picture.height <= INK_LIMIT_PICTURE_SIDE);
    sum = picture.grey[0] + picture.grey[(size_t)picture.width * (size_t)picture.height - 1];
    assert(sum <= 510);
    if (ink_prepare_picture(&picture, row, &preparation, &err) == INK_OK)
        assert(row[0] + row[INK_PICTURE_SIZE - 1] <= 510);
    ink_picture_fini(&picture);
    return 0;
}
