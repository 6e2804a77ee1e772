/* SPDX-License-Identifier: MIT */
#ifndef INK_TEST_GZIP_H
#define INK_TEST_GZIP_H

/* ink_gzip: bytes packed as gzip does, for tests of what unpacks them. */

#include <assert.h>
#include <zlib.h>

#include "base/buf.h"

static inline void
gzip_append(struct ink_buf *out, const void *bytes, size_t size)
{
    z_stream stream = {0};
    unsigned char piece[4096];
    int result;

    result = deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
    assert(result == Z_OK);
    stream.next_in = (z_const Bytef *)bytes;
    stream.avail_in = (uInt)size;
    do {
        stream.next_out = piece;
        stream.avail_out = sizeof(piece);
        result = deflate(&stream, Z_FINISH);
        ink_buf_append(out, piece, sizeof(piece) - stream.avail_out);
    } while (result == Z_OK);
    assert(result == Z_STREAM_END);
    (void)deflateEnd(&stream);
}

#endif
