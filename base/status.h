/* SPDX-License-Identifier: MIT */
#ifndef INK_BASE_STATUS_H
#define INK_BASE_STATUS_H

/*
 * status: how every fallible function of this program fails.
 *
 * A function that can fail returns an enum ink_status and takes, last, a
 * struct ink_err to explain itself in. Four front ends show the same failure
 * to four kinds of reader; the table below is the only place that knows how.
 */

#include <stddef.h>

/* clang-format off */
/*   name           HTTP gRPC exit  Jupyter ename */
#define INK_STATUS_MAP(X)                                                     \
    X(OK,           200,  0,   0, "Ok")                                       \
    X(BADARG,       400,  3,  64, "ValueError")      /* caller's fault */     \
    X(BADDATA,      422,  3,  65, "DataError")       /* bytes not as spec */  \
    X(NOTFOUND,     404,  5,  66, "NotFoundError")                            \
    X(TOOBIG,       413,  8,  65, "LimitError")      /* see base/limits.h */  \
    X(NOTNOW,       409,  9,  69, "StateError")      /* e.g. no model yet */  \
    X(CANCELLED,    409,  1, 130, "KeyboardInterrupt")                        \
    X(NOAUTH,       401, 16,  77, "AuthError")                                \
    X(NOMEM,        503,  8,  71, "MemoryError")                              \
    X(BUSY,         503, 14,  75, "BusyError")       /* try again later */    \
    X(IO,           500, 14,  74, "IOError")                                  \
    X(BUG,          500, 13,  70, "InternalError")   /* our fault */

enum ink_status {
#define X(name, http, grpc, exit, ename) INK_##name,
    INK_STATUS_MAP(X)
#undef X
    INK_STATUS_COUNT
};
/* clang-format on */

/* What went wrong, for a person. Caller-owned, usually on the stack. */
struct ink_err {
    enum ink_status status;
    char message[240]; /* UTF-8, one line, no full stop, always terminated */
};

#define INK_MUST_CHECK        __attribute__((warn_unused_result))
#define INK_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/*
 * Record a failure and hand its status back, so that a failing line reads
 * `return ink_fail(err, INK_BADARG, "digit %d is not 0-9", d);`.
 *
 *   err      may be NULL: the status alone is returned
 *   status   not INK_OK
 */
enum ink_status ink_fail(struct ink_err *err, enum ink_status status, const char *fmt, ...)
    INK_PRINTF(3, 4);

/* As ink_fail, with the status and the ": reason" taken from errno. */
enum ink_status ink_fail_errno(struct ink_err *err, const char *fmt, ...) INK_PRINTF(2, 3);

#ifdef __clang_analyzer__ /* it sees one file at a time, and would take a failure for INK_OK */
#define ink_fail(err, status, ...) ((void)(ink_fail)(err, status, __VA_ARGS__), (status))
#define ink_fail_errno(...)        ((void)(ink_fail_errno)(__VA_ARGS__), INK_IO)
#endif

int ink_status_http(enum ink_status status);
int ink_status_exit(enum ink_status status);
const char *ink_status_ename(enum ink_status status);

#endif
