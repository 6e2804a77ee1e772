/* SPDX-License-Identifier: MIT */
#ifndef INK_MODEL_GUNZIP_H
#define INK_MODEL_GUNZIP_H

/*
 * gunzip: read gzip bytes that are in memory, piece by piece.
 *
 * init -> read as often as wanted -> finish -> fini. The reader never makes
 * more than it is asked for, so a small file that unpacks to gigabytes costs
 * nothing. Exactly one member is read: a file that is cut short, goes on
 * behind its end, or whose CRC is wrong is an error (gzread hides all three).
 *
 * Source: RFC 1952; zlib's inflate.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zlib.h>

#include "base/status.h"

struct ink_gunzip {
    z_stream stream;
    bool is_at_end;
};

/* Whether the bytes start as gzip's do: 1f 8b. */
bool ink_gunzip_is(const uint8_t *bytes, size_t size);

/*
 *   bytes   [size] borrowed until fini; size < 4 GiB
 *
 * Errors   INK_NOMEM
 */
INK_MUST_CHECK enum ink_status ink_gunzip_init(struct ink_gunzip *gunzip, const uint8_t *bytes,
                                               size_t size, struct ink_err *err);

/*
 * The next `size` bytes, fewer only at the end of the member.
 *
 * Errors   INK_BADDATA  broken or cut short
 */
INK_MUST_CHECK enum ink_status ink_gunzip_read(struct ink_gunzip *gunzip, void *out, size_t size,
                                               size_t *out_size, struct ink_err *err);

/*
 * Check that all was read: the member ends here, and the file with it.
 *
 * Errors   INK_BADDATA  there is more to unpack, or bytes behind the end
 */
INK_MUST_CHECK enum ink_status ink_gunzip_finish(struct ink_gunzip *gunzip, struct ink_err *err);

/* Release; for INK_CLEANUP, also of a zeroed struct. */
void ink_gunzip_fini(struct ink_gunzip *gunzip);

#endif
