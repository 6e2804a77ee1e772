/* SPDX-License-Identifier: MIT */
#ifndef INK_TEST_KERNELS_FIXTURE_H
#define INK_TEST_KERNELS_FIXTURE_H

/*
 * kernels_fixture: random numbers, and what "as the reference says" means.
 *
 * Numbers are of size 1; a sum of n products in float may be off by about
 * n * 2^-24 of its parts' sizes: TOLERANCE a part is generous and still finds a
 * wrong index, which is off by whole numbers.
 */

#include "tests/unit/ink_test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "model/kernels/kernels.h"
#include "model/net.h"

static const float tolerance = 2e-6F;

static struct ink_rng rng;

static inline float *
noise(size_t count)
{
    float *block = ink_floats(count);

    assert_non_null(block);
    for (size_t i = 0; i < count; i++)
        block[i] = ink_rng_between(&rng, -1, 1);
    return block;
}

static inline float *
copy_of(const float *from, size_t count)
{
    float *block = ink_floats(count);

    assert_non_null(block);
    memcpy(block, from, count * sizeof(*block));
    return block;
}

static inline void
assert_near(const char *kernel, const char *what, const float *got, const float *want, size_t count,
            double allowed)
{
    for (size_t i = 0; i < count; i++)
        if (!(fabs((double)got[i] - (double)want[i]) <= allowed))
            fail_msg("%s %s: number %zu of %zu is %g, the reference says %g", kernel, what, i,
                     count, (double)got[i], (double)want[i]);
}

static inline const struct ink_kernels *
tables(const struct ink_kernels *out[static INK_KERNELS_MAX], size_t *out_fast)
{
    *out_fast = ink_kernels_list(out) - 1;
    return out[*out_fast];
}

#endif
