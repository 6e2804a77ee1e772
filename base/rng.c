/* SPDX-License-Identifier: MIT */
#include "base/rng.h"

#include <assert.h>
#include <math.h>

uint64_t
ink_rng_splitmix(uint64_t *state)
{
    uint64_t word = *state += 0x9e3779b97f4a7c15U;

    word = (word ^ word >> 30) * 0xbf58476d1ce4e5b9U;
    word = (word ^ word >> 27) * 0x94d049bb133111ebU;
    return word ^ word >> 31;
}

static uint64_t
rotate_left(uint64_t word, int count)
{
    return word << count | word >> (64 - count);
}

void
ink_rng_init(struct ink_rng *rng, uint64_t seed, uint64_t stream)
{
    uint64_t mix = seed, other = stream ^ 0xd1b54a32d192ed03U;

    mix = ink_rng_splitmix(&mix) ^ ink_rng_splitmix(&other);
    for (int i = 0; i < 4; i++)
        rng->state[i] = ink_rng_splitmix(&mix);
}

uint64_t
ink_rng_next(struct ink_rng *rng)
{
    uint64_t *s = rng->state;
    uint64_t result = rotate_left(s[0] + s[3], 23) + s[0];
    uint64_t shifted = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = rotate_left(s[3], 45);
    return result;
}

uint32_t
ink_rng_below(struct ink_rng *rng, uint32_t count)
{
    uint64_t product;

    assert(count > 0);
    product = (ink_rng_next(rng) >> 32) * count;
    if ((uint32_t)product < count) {
        uint32_t threshold = -count % count;

        while ((uint32_t)product < threshold)
            product = (ink_rng_next(rng) >> 32) * count;
    }
    return (uint32_t)(product >> 32);
}

float
ink_rng_float(struct ink_rng *rng)
{
    return (float)(ink_rng_next(rng) >> 40) * 0x1p-24f;
}

float
ink_rng_between(struct ink_rng *rng, float low, float high)
{
    return low + (high - low) * ink_rng_float(rng);
}

float
ink_rng_normal(struct ink_rng *rng)
{
    double radius = 1.0 - (double)ink_rng_float(rng); /* (0, 1]: the log is finite */
    double angle = 6.283185307179586 * (double)ink_rng_float(rng);

    return (float)(sqrt(-2.0 * log(radius)) * cos(angle));
}

void
ink_rng_shuffle(struct ink_rng *rng, uint32_t *index, uint32_t count)
{
    for (uint32_t i = count; i > 1; i--) {
        uint32_t other = ink_rng_below(rng, i), kept = index[i - 1];

        index[i - 1] = index[other];
        index[other] = kept;
    }
}
