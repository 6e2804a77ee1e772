/* SPDX-License-Identifier: MIT */
/* events: checksums against published ones, and records byte by byte. */
#include <math.h>
#include <string.h>

#include "base/cleanup.h"
#include "ink_test.h"
#include "model/events.h"

/* RFC 3720, appendix B.4, and the usual check value. */
static void
checksums_are_the_published_ones(void **state)
{
    unsigned char bytes[32];

    (void)state;
    assert_int_equal(ink_crc32c("123456789", 9), 0xe3069283U);
    assert_int_equal(ink_crc32c("", 0), 0);
    memset(bytes, 0, sizeof(bytes));
    assert_int_equal(ink_crc32c(bytes, 32), 0x8a9136aaU);
    memset(bytes, 0xff, sizeof(bytes));
    assert_int_equal(ink_crc32c(bytes, 32), 0x62a8ab43U);
    for (int i = 0; i < 32; i++)
        bytes[i] = (unsigned char)i;
    assert_int_equal(ink_crc32c(bytes, 32), 0x46dd794eU);
}

/* What TensorBoard's own writer makes of version and time 1.0. */
static void
a_file_begins_with_its_version(void **state)
{
    static const char event[] = "\x09\x00\x00\x00\x00\x00\x00\xf0\x3f\x1a\x0d"
                                "brain.Event:2";
    INK_CLEANUP(ink_buf_fini) struct ink_buf buf = {0};

    (void)state;
    ink_events_begin(&buf, 1.0);
    assert_int_equal(buf.size, 8 + 4 + 24 + 4);
    assert_memory_equal(buf.bytes, "\x18\0\0\0\0\0\0\0", 8);
    /* the masked checksum of that length, as at the start of every such file */
    assert_memory_equal(buf.bytes + 8, "\xa3\x7f\x4b\x22", 4);
    assert_memory_equal(buf.bytes + 12, event, 24);
}

static void
numbers_are_fields(void **state)
{
    /* step 300 = 0xac 0x02; value {tag "a/b", 0.5}; nothing of the NaN */
    static const char event[] = "\x09\x00\x00\x00\x00\x00\x00\x00\x40\x10\xac\x02\x2a\x0c"
                                "\x0a\x0a\x0a\x03"
                                "a/b\x15\x00\x00\x00\x3f";
    const struct ink_scalar scalars[] = {{"nan", (double)NAN}, {"a/b", 0.5}};
    INK_CLEANUP(ink_buf_fini) struct ink_buf buf = {0};

    (void)state;
    ink_events_scalars(&buf, 2.0, 300, scalars, 2);
    assert_int_equal(buf.size, 8 + 4 + 26 + 4);
    assert_memory_equal(buf.bytes + 12, event, 26);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checksums_are_the_published_ones),
        cmocka_unit_test(a_file_begins_with_its_version),
        cmocka_unit_test(numbers_are_fields),
    };

    return cmocka_run_group_tests_name("events", tests, NULL, NULL);
}
