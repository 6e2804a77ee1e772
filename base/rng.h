/* SPDX-License-Identifier: MIT */
#ifndef INK_BASE_RNG_H
#define INK_BASE_RNG_H

/*
 * rng: random numbers that repeat from a seed, on every machine.
 *
 * Not for secrets: those come from libsodium. The state belongs to one owner;
 * give each thread, epoch or picture a stream of its own with ink_rng_init.
 *
 * Source: Blackman and Vigna, "Scrambled linear pseudorandom number
 * generators" (2021): xoshiro256++, seeded through splitmix64.
 */

#include <stddef.h>
#include <stdint.h>

struct ink_rng {
    uint64_t state[4];
};

/* Start stream `stream` of `seed`; different streams do not overlap in practice. */
void ink_rng_init(struct ink_rng *rng, uint64_t seed, uint64_t stream);

/* 64 random bits. */
uint64_t ink_rng_next(struct ink_rng *rng);

/* 64 random bits of another kind, whose state only counts: many can be made at once. Any state is
 * a good start. Source: Steele, Lea and Flood 2014, "Fast splittable pseudorandom number
 * generators", figure 16. */
uint64_t ink_rng_splitmix(uint64_t *state);

/* A whole number in [0, count), without bias. count > 0. Source: Lemire 2019. */
uint32_t ink_rng_below(struct ink_rng *rng, uint32_t count);

/* Uniform in [0, 1), 24 bits. */
float ink_rng_float(struct ink_rng *rng);

/* Uniform in [low, high). */
float ink_rng_between(struct ink_rng *rng, float low, float high);

/* Standard normal. Source: Box and Muller 1958, both halves drawn, one used. */
float ink_rng_normal(struct ink_rng *rng);

/* Shuffle index[count] in place. Source: Fisher and Yates, Durstenfeld's form. */
void ink_rng_shuffle(struct ink_rng *rng, uint32_t *index, uint32_t count);

#endif
