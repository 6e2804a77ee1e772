/* SPDX-License-Identifier: MIT */
#ifndef INK_MODEL_EVENTS_H
#define INK_MODEL_EVENTS_H

/*
 * events: numbers over time in the files that TensorBoard reads.
 *
 *     ink_events_begin -> ink_events_scalars, each appended to the file
 *
 * A file is a row of TFRecords (length, its checksum, bytes, their checksum), each an Event message
 * of protocol buffers. Encoded by hand: it is five fields.
 *
 * Threads  pure
 * Source   tensorflow/core/lib/io/record_writer.h; core/util/event.proto, framework/summary.proto;
 *          the checksum is CRC-32C (RFC 3720, appendix B.4), masked as record_writer.h says
 */

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* One number under a name: "train/loss". */
struct ink_scalar {
    const char *tag;
    double value;
};

/* Append what a file begins with: the version of its format. time_s: since 1970. */
void ink_events_begin(struct ink_buf *buf, double time_s);

/* Append the numbers of one step as one record; those that are not finite are left out. */
void ink_events_scalars(struct ink_buf *buf, double time_s, int64_t step,
                        const struct ink_scalar *scalars, size_t count);

/* CRC-32C of size bytes. */
uint32_t ink_crc32c(const void *bytes, size_t size);

#endif
