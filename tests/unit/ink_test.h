/* SPDX-License-Identifier: MIT */
#ifndef INK_TEST_H
#define INK_TEST_H

/* ink_test: cmocka, and the assertions that speak this program's language. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/status.h"

/* `call` must return INK_OK; the message it failed with is printed if not. */
#define assert_ok(call, err)                                                       \
    do {                                                                           \
        enum ink_status got_ = (call);                                             \
        if (got_ != INK_OK)                                                        \
            fail_msg("%s: %s: %s", #call, ink_status_ename(got_), (err)->message); \
    } while (0)

/* `call` must fail with exactly `want` and say something that has `text`. */
#define assert_fails(want, text, call, err)              \
    do {                                                 \
        (err)->message[0] = '\0';                        \
        assert_int_equal((call), (want));                \
        assert_non_null(strstr((err)->message, (text))); \
    } while (0)

#endif
