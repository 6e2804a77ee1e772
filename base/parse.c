/* SPDX-License-Identifier: MIT */
#include "base/parse.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

/* Texts longer than this in a message would push out what was expected. */
#define QUOTED "'%.60s'"

static bool
is_number_start(char byte)
{
    return (byte >= '0' && byte <= '9') || byte == '-' || byte == '+' || byte == '.';
}

enum ink_status
ink_parse_int(const char *what, const char *text, int64_t min, int64_t max, int64_t *out_value,
              struct ink_err *err)
{
    long long value;
    char *end;

    assert(what && text && out_value && min <= max);
    errno = 0;
    value = strtoll(text, &end, 10); /* NOLINT: the one place that wraps it */
    if (!is_number_start(text[0]) || end == text || *end != '\0')
        return ink_fail(err, INK_BADARG, "%s: " QUOTED " is not a whole number", what, text);
    if (errno == ERANGE || value < min || value > max)
        return ink_fail(err, INK_BADARG,
                        "%s: %.60s is out of range, expected %" PRId64 " to %" PRId64, what, text,
                        min, max);
    *out_value = value;
    return INK_OK;
}

enum ink_status
ink_parse_double(const char *what, const char *text, double min, double max, double *out_value,
                 struct ink_err *err)
{
    double value;
    char *end;

    assert(what && text && out_value && min <= max);
    value = strtod(text, &end); /* NOLINT: the one place that wraps it; the locale is never set */
    if (!is_number_start(text[0]) || end == text || *end != '\0' || !isfinite(value))
        return ink_fail(err, INK_BADARG, "%s: " QUOTED " is not a number", what, text);
    if (value < min || value > max)
        return ink_fail(err, INK_BADARG, "%s: %.60s is out of range, expected %g to %g", what, text,
                        min, max);
    *out_value = value;
    return INK_OK;
}
