/* SPDX-License-Identifier: MIT */
#include "base/status.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#undef ink_fail
#undef ink_fail_errno

static const struct {
    int http, grpc, exit;
    const char *ename;
} status_info[] = {
#define X(name, http, grpc, exit, ename) [INK_##name] = {http, grpc, exit, ename},
    INK_STATUS_MAP(X)
#undef X
};

/* How many bytes of UTF-8 start at `at`, 0 if what is there is none. Source: RFC 3629, section 4.
 */
static int
utf8_size(const unsigned char *at)
{
    int size = at[0] < 0x80                    ? 1
               : at[0] >= 0xc2 && at[0] < 0xe0 ? 2
               : at[0] >> 4 == 0xe             ? 3
               : at[0] >= 0xf0 && at[0] < 0xf5 ? 4
                                               : 0;

    for (int i = 1; i < size; i++)
        if (at[i] >> 6 != 2)
            return 0;
    if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f) ||
        (at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] > 0x8f))
        return 0;
    return size;
}

/* Messages quote what came from outside, and cut it: one line of UTF-8 is promised all the same. */
static void
make_presentable(char *message)
{
    unsigned char *at = (unsigned char *)message;

    while (*at) {
        int size = utf8_size(at);

        if (size == 0 || *at < 0x20 || *at == 0x7f) {
            *at = '?';
            size = 1;
        }
        at += size;
    }
}

static void record(struct ink_err *err, enum ink_status status, const char *fmt, va_list args)
    INK_PRINTF(3, 0);

static void
record(struct ink_err *err, enum ink_status status, const char *fmt, va_list args)
{
    assert(status > INK_OK && status < INK_STATUS_COUNT);
    if (!err)
        return;
    err->status = status;
    if (vsnprintf(err->message, sizeof(err->message), fmt, args) < 0)
        err->message[0] = '\0';
    make_presentable(err->message);
}

enum ink_status
ink_fail(struct ink_err *err, enum ink_status status, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    record(err, status, fmt, args);
    va_end(args);
    return status;
}

enum ink_status
ink_fail_errno(struct ink_err *err, const char *fmt, ...)
{
    int cause = errno;
    enum ink_status status = cause == ENOENT ? INK_NOTFOUND : cause == ENOMEM ? INK_NOMEM : INK_IO;
    va_list args;

    va_start(args, fmt);
    record(err, status, fmt, args);
    va_end(args);
    if (err) {
        size_t used = strlen(err->message);
        char reason[96];

        if (strerror_r(cause, reason, sizeof(reason)) != 0)
            (void)snprintf(reason, sizeof(reason), "errno %d", cause);
        (void)snprintf(err->message + used, sizeof(err->message) - used, ": %s", reason);
    }
    return status;
}

int
ink_status_http(enum ink_status status)
{
    assert(status < INK_STATUS_COUNT);
    return status_info[status].http;
}

int
ink_status_exit(enum ink_status status)
{
    assert(status < INK_STATUS_COUNT);
    return status_info[status].exit;
}

const char *
ink_status_ename(enum ink_status status)
{
    assert(status < INK_STATUS_COUNT);
    return status_info[status].ename;
}
