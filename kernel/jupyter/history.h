/* SPDX-License-Identifier: MIT */
#ifndef INK_JUPYTER_HISTORY_H
#define INK_JUPYTER_HISTORY_H

/*
 * history: the cells of this session and what they gave, for history_request.
 *
 * Kept in memory, the oldest out at INK_LIMIT_JUPYTER_HISTORY cells or
 * INK_LIMIT_JUPYTER_HISTORY_SIZE bytes. One session, number 1, also asked for
 * as 0 ("the current one"). One owner.
 *
 * Source: messaging protocol, "History".
 */

#include "base/buf.h"
#include "base/json.h"

struct ink_history_entry;

struct ink_history {
    struct ink_history_entry *ring; /* [INK_LIMIT_JUPYTER_HISTORY], made with the first entry */
    size_t oldest, count, size;     /* size: bytes of all texts */
};

/* Remember cell `line`; `output` is NULL if it had no result. Does nothing when memory is out. */
void ink_history_add(struct ink_history *history, int line, const char *code, const char *output);

/*
 * Append the content of a history_reply.
 *
 * Errors   INK_BADARG  the request's content is not as the protocol says;  INK_NOMEM
 */
INK_MUST_CHECK enum ink_status ink_history_reply(const struct ink_history *history,
                                                 const struct ink_json *request,
                                                 struct ink_buf *out_content, struct ink_err *err);

/* Whether `pattern`, where * stands for any text and ? for any byte, matches all of `text`. */
bool ink_history_matches(const char *pattern, const char *text);

void ink_history_fini(struct ink_history *history);

#endif
