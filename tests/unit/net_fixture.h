/* SPDX-License-Identifier: MIT */
#ifndef INK_TEST_NET_FIXTURE_H
#define INK_TEST_NET_FIXTURE_H

/* net_fixture: networks with new weights. */

#include <string.h>

#include "base/cleanup.h"
#include "model/snapshot.h"
#include "tests/unit/ink_test.h"

/* record: may be NULL. */
static inline const struct ink_snapshot *
snapshot_of(const char *text, const struct ink_record *record, unsigned long long seed)
{
    INK_CLEANUP(ink_arch_destroy) struct ink_arch *arch = NULL;
    const struct ink_snapshot *snapshot = NULL;
    struct ink_err err;

    assert_ok(ink_arch_parse(text, strlen(text), &arch, &err), &err);
    assert_ok(ink_snapshot_create(arch, record, seed, &snapshot, &err), &err);
    return snapshot;
}

#endif
