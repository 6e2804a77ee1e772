/* SPDX-License-Identifier: MIT */
#ifndef INK_COMMAND_CELL_H
#define INK_COMMAND_CELL_H

/*
 * cell: a text of commands, one a line, as notebooks and HTTP send it.
 *
 * `#` starts a comment, a trailing `\` continues the line, words are quoted as
 * in a shell ('...' as it is, "..." with \" and \\), and indented lines below a
 * command belong to it. All positions are byte offsets into the UTF-8 text.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "kernel/command/command.h"

/*
 * Run the commands in order. The results of all but the last go to sink->display; the last one's is
 * out_bundle, which stays empty if there is nothing to show. Stops at the first error; what ran
 * before it stays done.
 *
 * Errors   as the command; INK_BADARG with the line's number if there are several; INK_CANCELLED
 * Threads  one cell at a time a session
 */
INK_MUST_CHECK enum ink_status ink_cell_run(struct ink_session *session, const char *code,
                                            size_t size, const struct ink_sink *sink,
                                            const atomic_bool *cancel,
                                            struct ink_bundle *out_bundle, struct ink_err *err);

/* What could stand at a place: replaces the bytes start..end. */
struct ink_match {
    char *text;
    const char
        *type; /* "command", "option", "choice", "picture", "layer", "model", "data", "file" */
};
struct ink_completion {
    size_t start, end;
    size_t count;
    struct ink_match *match; /* [count], sorted as they should be offered */
};

/*
 * Threads  any, while a cell runs too
 * Memory   ink_completion_fini
 */
INK_MUST_CHECK enum ink_status ink_cell_complete(struct ink_session *session, const char *code,
                                                 size_t size, size_t cursor,
                                                 struct ink_completion *out_completion,
                                                 struct ink_err *err);
void ink_completion_fini(struct ink_completion *completion);

/*
 * Explain the word at the cursor: a command, an option, a layer, how pictures are named.
 *
 *   detail       0 = the short form, 1 = everything
 *   out_bundle   text/plain and text/html; empty when there is nothing to say ("found": false)
 *
 * Threads  any, while a cell runs too
 */
INK_MUST_CHECK enum ink_status ink_cell_inspect(struct ink_session *session, const char *code,
                                                size_t size, size_t cursor, int detail,
                                                struct ink_bundle *out_bundle, struct ink_err *err);

/* Whether a text can run as it stands: for front ends where Enter either runs or breaks the line.
 */
enum ink_cell_state {
    INK_CELL_COMPLETE,
    INK_CELL_INCOMPLETE, /* an open quote, a trailing backslash, a block that can go on */
    INK_CELL_INVALID,    /* an unknown command or option */
};
/* out_indent: what the next line should start with when incomplete: static text, maybe "". */
enum ink_cell_state ink_cell_check(const char *code, size_t size, const char **out_indent);

#endif
