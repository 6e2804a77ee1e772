/* SPDX-License-Identifier: MIT */
#ifndef INK_BASE_CLOCK_H
#define INK_BASE_CLOCK_H

/* clock: durations from the monotonic clock, dates from the real one. */

#include <stdint.h>

enum { INK_CLOCK_DATE_SIZE = 40 };

/* Nanoseconds since some fixed moment; never goes back. Threads: any. */
uint64_t ink_clock_ns(void);

/* Milliseconds since `start_ns`, a value of ink_clock_ns. */
double ink_clock_ms_since(uint64_t start_ns);

/* Now in UTC, as 2026-11-20T09:30:00.123456Z. Source: ISO 8601, RFC 3339. */
void ink_clock_date(char out_date[static INK_CLOCK_DATE_SIZE]);

#endif
