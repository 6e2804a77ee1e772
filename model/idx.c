/* SPDX-License-Identifier: MIT */
#include "model/idx.h"

#include <assert.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/limits.h"
#include "model/gunzip.h"

enum { TYPE_UBYTE = 0x08, PREFIX_SIZE = 4, DIM_SIZE = 4 };

static size_t
be32_at(const uint8_t *bytes)
{
    return (size_t)bytes[0] << 24 | (size_t)bytes[1] << 16 | (size_t)bytes[2] << 8 | bytes[3];
}

/* Read shape and file_size from a header; `size` bytes of the file are there, perhaps not all. */
static enum ink_status
decode_header(const uint8_t *bytes, size_t size, struct ink_idx *out_idx, struct ink_err *err)
{
    struct ink_idx idx = {.dim = {1, 1, 1}};
    size_t header_size, data_size = 1;

    if (size < PREFIX_SIZE)
        return ink_fail(err, INK_BADDATA, "%zu bytes is too short for an IDX file", size);
    if (bytes[0] != 0 || bytes[1] != 0 || bytes[2] != TYPE_UBYTE)
        return ink_fail(err, INK_BADDATA,
                        "not an IDX file of bytes: starts %02x %02x %02x, expected 00 00 08",
                        bytes[0], bytes[1], bytes[2]);
    idx.ndim = bytes[3];
    if (idx.ndim < 1 || idx.ndim > INK_IDX_NDIM_MAX)
        return ink_fail(err, INK_BADDATA, "%u dimensions, expected 1 to %d", idx.ndim,
                        INK_IDX_NDIM_MAX);

    header_size = PREFIX_SIZE + (size_t)idx.ndim * DIM_SIZE;
    if (size < header_size)
        return ink_fail(err, INK_BADDATA, "the file ends inside its %zu-byte header", header_size);
    for (size_t i = 0; i < idx.ndim; i++) {
        idx.dim[i] = be32_at(bytes + PREFIX_SIZE + i * DIM_SIZE);
        if (idx.dim[i] == 0)
            return ink_fail(err, INK_BADDATA, "dimension %zu is zero", i);
        /* data_size stays <= the limit, so the product fits in 64 bits. */
        if (idx.dim[i] > INK_LIMIT_IDX_SIZE / data_size)
            return ink_fail(err, INK_TOOBIG, "the header asks for more than %d bytes of data",
                            INK_LIMIT_IDX_SIZE);
        data_size *= idx.dim[i];
    }
    idx.file_size = header_size + data_size;
    *out_idx = idx;
    return INK_OK;
}

/* Point into the whole file that the header was read from. */
static void
attach(struct ink_idx *idx, const uint8_t *file)
{
    idx->file = file;
    idx->data = file + PREFIX_SIZE + (size_t)idx->ndim * DIM_SIZE;
}

enum ink_status
ink_idx_decode(const uint8_t *bytes, size_t size, struct ink_idx *out_idx, struct ink_err *err)
{
    struct ink_idx idx = {0};
    enum ink_status status;

    assert(bytes || size == 0);
    assert(out_idx);

    status = decode_header(bytes, size, &idx, err);
    if (status)
        return status;
    if (size != idx.file_size)
        return ink_fail(err, INK_BADDATA, "%zu bytes, the header says %zu", size, idx.file_size);
    attach(&idx, bytes);
    *out_idx = idx;
    return INK_OK;
}

enum ink_status
ink_idx_unpack(const uint8_t *bytes, size_t size, struct ink_idx *out_idx, struct ink_err *err)
{
    INK_CLEANUP(ink_gunzip_fini) struct ink_gunzip gunzip = {0};
    INK_CLEANUP(ink_freep) uint8_t *file = NULL;
    uint8_t header[INK_IDX_HEADER_MAX];
    size_t head = 0, got = 0;
    struct ink_idx idx = {0};
    enum ink_status status;

    assert(bytes || size == 0);
    assert(out_idx);

    status = ink_gunzip_init(&gunzip, bytes, size, err);
    if (!status)
        status = ink_gunzip_read(&gunzip, header, sizeof(header), &head, err);
    if (!status)
        status = decode_header(header, head, &idx, err);
    if (status)
        return status;

    assert(idx.file_size > 0);
    if (idx.file_size < head)
        return ink_fail(err, INK_BADDATA, "more than the %zu bytes that the header says",
                        idx.file_size);
    file = malloc(idx.file_size);
    if (!file)
        return ink_fail(err, INK_NOMEM, "no memory for %zu bytes", idx.file_size);
    memcpy(file, header, head);
    status = ink_gunzip_read(&gunzip, file + head, idx.file_size - head, &got, err);
    if (status)
        return status;
    if (head + got != idx.file_size)
        return ink_fail(err, INK_BADDATA, "%zu bytes, the header says %zu", head + got,
                        idx.file_size);
    status = ink_gunzip_finish(&gunzip, err);
    if (status)
        return status;

    attach(&idx, file);
    idx.owned = file;
    file = NULL; /* ownership moves to the caller */
    *out_idx = idx;
    return INK_OK;
}

/* As ink_idx_decode, but takes over the buffer's bytes. */
static enum ink_status
decode_owned(struct ink_buf *buf, struct ink_idx *out_idx, struct ink_err *err)
{
    enum ink_status status;

    status = ink_idx_decode((const uint8_t *)ink_buf_text(buf), buf->size, out_idx, err);
    if (!status)
        out_idx->owned = (uint8_t *)ink_buf_take(buf);
    return status;
}

enum ink_status
ink_idx_load(const char *path, struct ink_idx *out_idx, struct ink_err *err)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf buf = {0};
    enum ink_status status;
    struct ink_err cause;
    const uint8_t *bytes;

    assert(path);
    assert(out_idx);

    status = ink_buf_load(&buf, path, INK_LIMIT_IDX_SIZE + INK_IDX_HEADER_MAX, err);
    if (status)
        return status;
    bytes = (const uint8_t *)ink_buf_text(&buf);
    status = ink_gunzip_is(bytes, buf.size) ? ink_idx_unpack(bytes, buf.size, out_idx, &cause)
                                            : decode_owned(&buf, out_idx, &cause);
    if (status)
        return ink_fail(err, status, "'%s': %s", path, cause.message);
    return INK_OK;
}

void
ink_idx_fini(struct ink_idx *idx)
{
    free(idx->owned);
    *idx = (struct ink_idx){0};
}
