/* SPDX-License-Identifier: MIT */
#ifndef INK_BASE_THREADS_H
#define INK_BASE_THREADS_H

/*
 * threads: on how many to compute where nobody says: INKLING_THREADS, or as many as there are
 * processors.
 *
 * Threads: any; the environment is read at each call.
 */

#include "base/status.h"

enum { INK_THREADS_MAX = 256 };

/* Whether INKLING_THREADS is a number of 0, which says nothing, to INK_THREADS_MAX, or not set.
 * Errors: INK_BADARG. */
INK_MUST_CHECK enum ink_status ink_threads_check(struct ink_err *err);

/* What INKLING_THREADS says; 0 = nothing. */
int ink_threads_wanted(void);

/* 1 to INK_THREADS_MAX. */
int ink_threads_default(void);

#endif
