/* SPDX-License-Identifier: MIT */
#include "kernel/jupyter/mailbox.h"

#include <assert.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum ink_status
ink_mailbox_init(struct ink_mailbox *box, struct ink_err *err)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    if (fd < 0)
        return ink_fail_errno(err, "cannot make an eventfd");
    *box = (struct ink_mailbox){.fd = fd};
    (void)pthread_mutex_init(&box->lock, NULL);
    return INK_OK;
}

void
ink_mailbox_fini(struct ink_mailbox *box)
{
    assert(!box->first);
    if (box->fd < 0)
        return;
    (void)close(box->fd);
    (void)pthread_mutex_destroy(&box->lock);
    box->fd = -1;
}

void
ink_mailbox_post(struct ink_mailbox *box, struct ink_mail *mail)
{
    const uint64_t one = 1;

    mail->next = NULL;
    (void)pthread_mutex_lock(&box->lock);
    if (box->last)
        box->last->next = mail;
    else
        box->first = mail;
    box->last = mail;
    /* Inside the lock: a reader that finds mail may end and close the box. */
    if (box->first == mail) {
        ssize_t done = write(box->fd, &one, sizeof(one));

        assert(done == sizeof(one)); /* refused only at 2^64 - 1 */
    }
    (void)pthread_mutex_unlock(&box->lock);
}

struct ink_mail *
ink_mailbox_take(struct ink_mailbox *box)
{
    struct ink_mail *first;
    uint64_t count;

    (void)pthread_mutex_lock(&box->lock);
    first = box->first;
    box->first = box->last = NULL;
    if (first) {
        ssize_t done = read(box->fd, &count, sizeof(count));

        assert(done == sizeof(count)); /* written when `first` came */
    }
    (void)pthread_mutex_unlock(&box->lock);
    return first;
}
