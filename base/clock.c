/* SPDX-License-Identifier: MIT */
#include "base/clock.h"

#include <stdio.h>
#include <time.h>

uint64_t
ink_clock_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

double
ink_clock_ms_since(uint64_t start_ns)
{
    return (double)(ink_clock_ns() - start_ns) * 1e-6;
}

void
ink_clock_date(char out_date[static INK_CLOCK_DATE_SIZE])
{
    struct timespec now;
    struct tm parts;
    char seconds[20];

    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)gmtime_r(&now.tv_sec, &parts);
    (void)strftime(seconds, sizeof(seconds), "%Y-%m-%dT%H:%M:%S", &parts);
    (void)snprintf(out_date, INK_CLOCK_DATE_SIZE, "%s.%06ldZ", seconds, now.tv_nsec / 1000);
}
