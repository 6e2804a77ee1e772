/* SPDX-License-Identifier: MIT */
#include "model/events.h"

#include <math.h>
#include <string.h>

#include "base/cleanup.h"

/* Fields of the messages, and how protocol buffers write them. */
enum {
    EVENT_WALL_TIME = 1,
    EVENT_STEP = 2,
    EVENT_FILE_VERSION = 3,
    EVENT_SUMMARY = 5,
    SUMMARY_VALUE = 1,
    VALUE_TAG = 1,
    VALUE_SIMPLE = 2,
};
enum wire { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

uint32_t
ink_crc32c(const void *bytes, size_t size)
{
    static const uint32_t polynomial = 0x82f63b78; /* reflected */
    const unsigned char *at = bytes;
    uint32_t crc = ~0U;

    /* a bit at a time: a record has 100 bytes, and there are a few a second */
    for (size_t i = 0; i < size; i++) {
        crc ^= at[i];
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (crc & 1 ? polynomial : 0);
    }
    return ~crc;
}

/* ---- numbers, least significant byte first ---- */

static void
put_fixed(struct ink_buf *buf, uint64_t value, int size)
{
    for (int i = 0; i < size; i++)
        ink_buf_putc(buf, (char)(unsigned char)(value >> (8 * i) & 0xff));
}

static void
put_varint(struct ink_buf *buf, uint64_t value)
{
    for (; value > 0x7f; value >>= 7)
        ink_buf_putc(buf, (char)(unsigned char)((value & 0x7f) | 0x80));
    ink_buf_putc(buf, (char)value);
}

static void
put_key(struct ink_buf *buf, unsigned field, enum wire wire)
{
    put_varint(buf, field << 3 | (unsigned)wire);
}

static void
put_bytes(struct ink_buf *buf, unsigned field, const char *bytes, size_t size)
{
    put_key(buf, field, BYTES);
    put_varint(buf, size);
    ink_buf_append(buf, bytes, size);
}

static void
put_double(struct ink_buf *buf, unsigned field, double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof(bits));
    put_key(buf, field, FIXED64);
    put_fixed(buf, bits, 8);
}

static void
put_float(struct ink_buf *buf, unsigned field, float value)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof(bits));
    put_key(buf, field, FIXED32);
    put_fixed(buf, bits, 4);
}

/* ---- records ---- */

/* Checksums are masked so that one of bytes that have checksums in them is no trap. */
static void
put_checksum(struct ink_buf *buf, const char *bytes, size_t size)
{
    uint32_t crc = ink_crc32c(bytes, size);

    put_fixed(buf, (crc >> 15 | crc << 17) + 0xa282ead8U, 4);
}

static void
put_record(struct ink_buf *buf, const struct ink_buf *event)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf length = {0};

    put_fixed(&length, event->size, 8);
    if (length.is_broken || event->is_broken) {
        buf->is_broken = true;
        return;
    }
    ink_buf_append(buf, length.bytes, length.size);
    put_checksum(buf, length.bytes, length.size);
    ink_buf_append(buf, event->bytes, event->size);
    put_checksum(buf, event->bytes, event->size);
}

void
ink_events_begin(struct ink_buf *buf, double time_s)
{
    static const char version[] = "brain.Event:2";
    INK_CLEANUP(ink_buf_fini) struct ink_buf event = {0};

    put_double(&event, EVENT_WALL_TIME, time_s);
    put_bytes(&event, EVENT_FILE_VERSION, version, sizeof(version) - 1);
    put_record(buf, &event);
}

void
ink_events_scalars(struct ink_buf *buf, double time_s, int64_t step,
                   const struct ink_scalar *scalars, size_t count)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf event = {0}, summary = {0};

    for (size_t i = 0; i < count; i++) {
        INK_CLEANUP(ink_buf_fini) struct ink_buf value = {0};

        if (!isfinite(scalars[i].value))
            continue;
        put_bytes(&value, VALUE_TAG, scalars[i].tag, strlen(scalars[i].tag));
        put_float(&value, VALUE_SIMPLE, (float)scalars[i].value);
        put_bytes(&summary, SUMMARY_VALUE, ink_buf_text(&value), value.size);
        summary.is_broken |= value.is_broken;
    }
    put_double(&event, EVENT_WALL_TIME, time_s);
    put_key(&event, EVENT_STEP, VARINT);
    put_varint(&event, (uint64_t)step);
    put_bytes(&event, EVENT_SUMMARY, ink_buf_text(&summary), summary.size);
    event.is_broken |= summary.is_broken;
    put_record(buf, &event);
}
