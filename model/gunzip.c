/* SPDX-License-Identifier: MIT */
#include "model/gunzip.h"

#include <assert.h>
#include <limits.h>

enum { WINDOW_BITS_GZIP = 15 + 16 /* the largest window; gzip's wrapping only */ };

bool
ink_gunzip_is(const uint8_t *bytes, size_t size)
{
    return size >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b;
}

enum ink_status
ink_gunzip_init(struct ink_gunzip *gunzip, const uint8_t *bytes, size_t size, struct ink_err *err)
{
    assert(size <= UINT_MAX);
    *gunzip = (struct ink_gunzip){0};
    if (inflateInit2(&gunzip->stream, WINDOW_BITS_GZIP) != Z_OK)
        return ink_fail(err, INK_NOMEM, "no memory to unpack a gzip file");
    gunzip->stream.next_in = (z_const Bytef *)bytes;
    gunzip->stream.avail_in = (uInt)size;
    return INK_OK;
}

enum ink_status
ink_gunzip_read(struct ink_gunzip *gunzip, void *out, size_t size, size_t *out_size,
                struct ink_err *err)
{
    z_stream *stream = &gunzip->stream;
    size_t got = 0;

    while (got < size && !gunzip->is_at_end) {
        size_t step = size - got < INT_MAX ? size - got : INT_MAX;
        int result;

        stream->next_out = (Bytef *)out + got;
        stream->avail_out = (uInt)step;
        result = inflate(stream, Z_NO_FLUSH);
        got += step - stream->avail_out;
        gunzip->is_at_end = result == Z_STREAM_END;
        if (result == Z_MEM_ERROR)
            return ink_fail(err, INK_NOMEM, "no memory to unpack a gzip file");
        if (result == Z_BUF_ERROR || (result == Z_OK && stream->avail_out > 0))
            return ink_fail(err, INK_BADDATA, "the gzip file is cut short: it ends at byte %lu",
                            stream->total_in);
        if (result != Z_OK && result != Z_STREAM_END)
            return ink_fail(err, INK_BADDATA, "broken gzip data at byte %lu: %s", stream->total_in,
                            stream->msg ? stream->msg : "preset dictionary");
    }
    *out_size = got;
    return INK_OK;
}

enum ink_status
ink_gunzip_finish(struct ink_gunzip *gunzip, struct ink_err *err)
{
    uint8_t extra;
    size_t size = 0;
    enum ink_status status = ink_gunzip_read(gunzip, &extra, 1, &size, err);

    if (status)
        return status;
    if (size > 0)
        return ink_fail(err, INK_BADDATA, "the gzip file unpacks to more than %lu bytes",
                        gunzip->stream.total_out - 1);
    if (gunzip->stream.avail_in > 0)
        return ink_fail(err, INK_BADDATA, "%u bytes behind the end of the gzip data",
                        gunzip->stream.avail_in);
    return INK_OK;
}

void
ink_gunzip_fini(struct ink_gunzip *gunzip)
{
    (void)inflateEnd(&gunzip->stream); /* a zeroed stream is refused, harmlessly */
}
