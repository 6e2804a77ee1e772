/* SPDX-License-Identifier: MIT */
#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

enum { LINE_SIZE_MAX = 1024, UNSET = -1 };

static const char *const level_names[] = {"error", "warn", "info", "debug"};
static atomic_int shown_level = UNSET;

static int
level_from_environment(void)
{
    const char *name = getenv("INKLING_LOG");

    for (int i = 0; name && i < 4; i++)
        if (strcmp(name, level_names[i]) == 0)
            return i;
    return INK_LOG_WARN;
}

void
ink_log_set_level(enum ink_log_level level)
{
    atomic_store(&shown_level, (int)level);
}

void
ink_log(enum ink_log_level level, const char *area, const char *fmt, ...)
{
    char text[LINE_SIZE_MAX / 2], line[LINE_SIZE_MAX], date[INK_CLOCK_DATE_SIZE];
    int size, shown = atomic_load(&shown_level);
    va_list args;

    if (shown == UNSET) {
        shown = level_from_environment();
        atomic_store(&shown_level, shown);
    }
    if ((int)level > shown)
        return;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    ink_clock_date(date);
    size = snprintf(line, sizeof(line), "%s %s %s: ", date, level_names[level], area);
    for (const char *at = text; *at && size < LINE_SIZE_MAX - 8; at++) {
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            size += snprintf(line + size, 5, "\\x%02x", (unsigned)(unsigned char)*at);
        else
            line[size++] = *at;
    }
    line[size++] = '\n';
    if (write(STDERR_FILENO, line, (size_t)size) < 0)
        return; /* nobody is left to tell */
}
