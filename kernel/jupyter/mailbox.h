/* SPDX-License-Identifier: MIT */
#ifndef INK_JUPYTER_MAILBOX_H
#define INK_JUPYTER_MAILBOX_H

/*
 * mailbox: how one thread hands work to another without ever waiting for it.
 *
 * A list without a bound and a descriptor to poll. An inproc socket would also
 * do between two threads, but a socket has one owner and outputs come from any
 * thread; and two bounded queues in opposite directions are a deadlock that
 * waits for a busy day. What bounds the lists is said where they are filled.
 *
 * Mail is embedded in what is sent: struct x { struct ink_mail mail; ... },
 * the mail first, so that a pointer to one is a pointer to the other.
 */

#include <pthread.h>

#include "base/status.h"

struct ink_mail {
    struct ink_mail *next;
};

struct ink_mailbox {
    pthread_mutex_t lock; /* guards first and last; nothing else is held with it */
    struct ink_mail *first, *last;
    int fd; /* an eventfd: readable while there is mail */
};

/* Errors   INK_IO */
INK_MUST_CHECK enum ink_status ink_mailbox_init(struct ink_mailbox *box, struct ink_err *err);

/* The box must be empty. A zeroed box is fine when fd is -1. */
void ink_mailbox_fini(struct ink_mailbox *box);

/* Put mail in, ownership included. Never blocks. Threads: any. */
void ink_mailbox_post(struct ink_mailbox *box, struct ink_mail *mail);

/* Take all mail, oldest first, linked by `next`; NULL if there is none. Threads: owner. */
struct ink_mail *ink_mailbox_take(struct ink_mailbox *box);

#endif
