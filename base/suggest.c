/* SPDX-License-Identifier: MIT */
#include "base/suggest.h"

#include <string.h>

enum { WORD_MAX = 32 }; /* longer words get no suggestion */

static size_t
min3(size_t a, size_t b, size_t c)
{
    size_t least = a < b ? a : b;

    return least < c ? least : c;
}

/* Edits between two words of at most WORD_MAX bytes: insert, delete, replace, swap neighbours. */
static size_t
distance(const char *a, size_t a_size, const char *b, size_t b_size)
{
    size_t row[3][WORD_MAX + 1]; /* the last two rows of the table, and the one in the making */

    for (size_t j = 0; j <= b_size; j++)
        row[0][j] = j;
    for (size_t i = 1; i <= a_size; i++) {
        size_t *now = row[i % 3], *above = row[(i + 2) % 3], *two_above = row[(i + 1) % 3];

        now[0] = i;
        for (size_t j = 1; j <= b_size; j++) {
            size_t cost = a[i - 1] != b[j - 1];

            now[j] = min3(above[j] + 1, now[j - 1] + 1, above[j - 1] + cost);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                two_above[j - 2] + 1 < now[j])
                now[j] = two_above[j - 2] + 1;
        }
    }
    return row[a_size % 3][b_size];
}

const char *
ink_suggest(const char *word, const char *const *candidates, size_t count)
{
    size_t size = strlen(word);
    size_t best = size / 3 + 1; /* that many slips, not more */
    const char *found = NULL;

    if (size == 0 || size > WORD_MAX)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        size_t candidate_size = strlen(candidates[i]);
        size_t edits;

        if (candidate_size == 0 || candidate_size > WORD_MAX)
            continue;
        edits = distance(word, size, candidates[i], candidate_size);
        if (size >= 3 && strncmp(word, candidates[i], size) == 0)
            edits = 0; /* the beginning of it */
        if (edits <= best && edits < candidate_size && (!found || edits < best)) {
            best = edits;
            found = candidates[i];
        }
    }
    return found;
}
