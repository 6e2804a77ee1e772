/* SPDX-License-Identifier: MIT */
#ifndef INK_COMMAND_WORDS_H
#define INK_COMMAND_WORDS_H

/*
 * words: a text of commands taken apart: lines, words, blocks.
 *
 * The one place that knows about quotes, comments, continued lines and
 * indentation. Positions are byte offsets into the text, so that completion and
 * inspection see exactly what running sees.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

enum { INK_WORDS_MAX = 1024, INK_CELL_SIZE_MAX = 1 << 20 };

struct ink_word {
    char *text;        /* without quotes */
    size_t start, end; /* in the code, quotes included */
};

struct ink_line {
    size_t word_count;
    struct ink_word *word; /* [word_count] */
    size_t number;         /* of its first line, from 1 */
    size_t start, end;     /* of the command in the code, continued lines included, without block */
    size_t block_end;      /* end of the block; = end if there is none */
    char *block;           /* indented lines below, without what they are all indented by; "" */
    bool is_open;          /* a quote is not closed, or a backslash ends the text */
};

struct ink_lines {
    size_t count;
    struct ink_line *line; /* [count] those with words only */
    size_t stray;          /* the number of an indented line that has no command above; 0 = none */
};

/*
 * Errors   INK_BADDATA  not UTF-8, or a NUL in it
 *          INK_TOOBIG   above INK_CELL_SIZE_MAX, or more words in a line than INK_WORDS_MAX
 *          INK_NOMEM
 * Memory   ink_lines_fini
 */
INK_MUST_CHECK enum ink_status ink_lines_parse(const char *code, size_t size,
                                               struct ink_lines *out_lines, struct ink_err *err);
void ink_lines_fini(struct ink_lines *lines);

#endif
