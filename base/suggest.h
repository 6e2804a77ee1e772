/* SPDX-License-Identifier: MIT */
#ifndef INK_BASE_SUGGEST_H
#define INK_BASE_SUGGEST_H

/*
 * suggest: "did you mean", for names that nothing has.
 */

#include <stddef.h>

/*
 * The most similar of `count` words, if it is similar enough to be what was meant; else NULL.
 *
 * Threads  pure
 * Source   Damerau 1964 (optimal string alignment distance)
 */
const char *ink_suggest(const char *word, const char *const *candidates, size_t count);

#endif
