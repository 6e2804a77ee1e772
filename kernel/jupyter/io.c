/* SPDX-License-Identifier: MIT */
#include "kernel/jupyter/io.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "kernel/jupyter/iopub.h"

enum { CONTROL_BURST = 64, SHELL_BURST = 16, PARENT_CHECK_MS = 500, STOP_POLL_MS = 10 };
enum { DROP_LOG_MS = 1000 };

/* ---- out ---- */

void
ink_io_send(struct ink_io *io, struct ink_jupyter_request *request, enum ink_socket channel,
            const char *type, const struct ink_buf *content, char out_id[64])
{
    const struct ink_jmsg_out message = {.identities = request->wire.identities,
                                         .identity_count = request->wire.identity_count,
                                         .type = type,
                                         .parent = request->wire.header,
                                         .content = content};
    INK_CLEANUP(zmsg_destroy) zmsg_t *frames = NULL;
    struct ink_err err;

    if (ink_jmsg_encode(&io->kernel->wire, &message, out_id, &frames, &err))
        ink_log(INK_LOG_ERROR, "jupyter", "a %s is lost: %s", type, err.message);
    else
        (void)zmsg_send(&frames, io->kernel->sockets[channel]); /* a client that left: dropped */
}

/* ---- signals and the parent ---- */

static void
check_parent(struct ink_io *io)
{
    if (!io->kernel->parent || io->is_stopping || getppid() == io->kernel->parent)
        return;
    ink_log(INK_LOG_INFO, "jupyter", "process %d, which started this kernel, is gone",
            (int)io->kernel->parent);
    ink_serve_stop(io, false);
}

static void
take_signals(struct ink_io *io)
{
    struct signalfd_siginfo info;

    while (read(io->kernel->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (info.ssi_signo == SIGINT)
            ink_serve_interrupt(io);
        else if (info.ssi_signo == SIGTERM)
            ink_serve_stop(io, false);
        else
            check_parent(io);
    }
}

/* ---- in ---- */

/* Not a word to who sent it, and at most one line a second to us. */
static void
drop(struct ink_io *io, const struct ink_err *why)
{
    io->dropped_count++;
    if (io->dropped_ns && ink_clock_ms_since(io->dropped_ns) < DROP_LOG_MS)
        return;
    ink_log(INK_LOG_WARN, "jupyter", "dropped %llu messages, the last: %s",
            (unsigned long long)io->dropped_count, why->message);
    io->dropped_count = 0;
    io->dropped_ns = ink_clock_ns();
}

static bool
is_same_client(const struct ink_jmsg *one, const struct ink_jmsg *other)
{
    if (one->identity_count != other->identity_count)
        return false;
    for (size_t i = 0; i < one->identity_count; i++)
        if (one->identities[i].size != other->identities[i].size ||
            memcmp(one->identities[i].bytes, other->identities[i].bytes, one->identities[i].size) !=
                0)
            return false;
    return true;
}

/* Whether a reply names another question than ours as its parent; many clients name none. */
static bool
is_stale(const struct ink_io *io, const struct ink_jupyter_request *reply)
{
    INK_CLEANUP(ink_json_destroy) struct ink_json *parent = NULL;
    struct ink_frame text = reply->wire.parent;
    const char *id;

    if (ink_json_parse(text.bytes, text.size, &parent, NULL))
        return true;
    id = ink_json_string(ink_json_find(parent, "msg_id"), io->question_id);
    return strcmp(id, io->question_id) != 0;
}

/* An input_reply: only from the client that was asked, only while it is asked. */
static void
take_answer(struct ink_io *io, struct ink_jupyter_request *reply)
{
    const char *value = ink_json_string(ink_request_find(reply, "value"), NULL);
    struct ink_execute_mail *mail;

    if (!io->asking || !value || strcmp(reply->type, "input_reply") != 0 ||
        !is_same_client(&reply->wire, &io->asking->wire) || is_stale(io, reply))
        return;
    mail = ink_kernel_alloc(sizeof(*mail));
    mail->kind = INK_EXECUTE_ANSWER;
    ink_buf_puts(&mail->answer, value);
    ink_jupyter_request_unref(&io->asking);
    ink_mailbox_post(&io->kernel->cell_box, &mail->mail);
}

void
ink_io_read(struct ink_io *io, enum ink_socket channel, size_t count_max)
{
    zsock_t *socket = io->kernel->sockets[channel];

    for (size_t i = 0; i < count_max && (zsock_events(socket) & ZMQ_POLLIN); i++) {
        INK_CLEANUP(zmsg_destroy) zmsg_t *frames = zmsg_recv(socket);
        struct ink_jupyter_request *request = NULL;
        struct ink_err err;

        if (!frames)
            return;
        if (ink_request_create(io->kernel, channel, &io->kernel->replays, &frames, &request,
                               &err)) {
            drop(io, &err);
        } else if (channel == INK_SOCKET_STDIN) {
            take_answer(io, request);
            ink_jupyter_request_unref(&request);
        } else {
            /* A signal from before the request was sent is not for the cell that it starts. */
            take_signals(io);
            ink_serve(io, request);
        }
    }
}

bool
ink_io_has_room(const struct ink_io *io)
{
    return io->backlog_size < INK_LIMIT_JUPYTER_BACKLOG_SIZE;
}

/* ---- from the other threads ---- */

static void
post(struct ink_jupyter_request *request, struct ink_buf *content, enum ink_io_kind kind,
     bool has_failed)
{
    struct ink_io_mail *mail = ink_kernel_alloc(sizeof(*mail));

    mail->kind = kind;
    mail->request = ink_jupyter_request_ref(request);
    mail->content = *content;
    mail->has_failed = has_failed;
    *content = (struct ink_buf){0};
    ink_mailbox_post(&request->kernel->io_box, &mail->mail);
}

void
ink_io_done(struct ink_jupyter_request *request, struct ink_buf *content, bool has_failed)
{
    post(request, content, INK_IO_DONE, has_failed);
}

void
ink_io_ask(struct ink_jupyter_request *request, struct ink_buf *content)
{
    post(request, content, INK_IO_ASK, false);
}

/* Put a cell's question to its client. */
static void
ask(struct ink_io *io, struct ink_io_mail *mail)
{
    assert(mail->request);
    if (mail->request != io->running || ink_jupyter_is_cancelled(mail->request))
        return;
    ink_io_read(io, INK_SOCKET_STDIN, SIZE_MAX); /* answers to nobody's questions */
    ink_jupyter_request_unref(&io->asking);
    io->asking = ink_jupyter_request_ref(mail->request);
    ink_io_send(io, mail->request, INK_SOCKET_STDIN, "input_request", &mail->content,
                io->question_id);
}

static void
take_mail(struct ink_io *io)
{
    struct ink_mail *next;

    for (struct ink_mail *mail = ink_mailbox_take(&io->kernel->io_box); mail; mail = next) {
        struct ink_io_mail *news = (struct ink_io_mail *)mail;

        next = mail->next;
        if (news->kind == INK_IO_ASK)
            ask(io, news);
        else
            ink_serve_done(io, news);
        ink_jupyter_request_unref(&news->request);
        ink_buf_fini(&news->content);
        free(news);
    }
}

/* ---- the thread ---- */

/* Wait for something to do, and do it: control first, shell in small bites. False: give up. */
static bool
turn(struct ink_io *io, zsock_t *pipe)
{
    struct ink_kernel *kernel = io->kernel;
    zmq_pollitem_t items[] = {
        {.socket = zsock_resolve(kernel->sockets[INK_SOCKET_CONTROL]), .events = ZMQ_POLLIN},
        {.fd = kernel->signal_fd, .events = ZMQ_POLLIN},
        {.fd = kernel->io_box.fd, .events = ZMQ_POLLIN},
        {.socket = zsock_resolve(pipe), .events = ZMQ_POLLIN},
        {.socket = zsock_resolve(kernel->sockets[INK_SOCKET_STDIN]), .events = ZMQ_POLLIN},
        {.socket = zsock_resolve(kernel->sockets[INK_SOCKET_SHELL]), .events = ZMQ_POLLIN},
    };
    const int all = (int)(sizeof(items) / sizeof(items[0]));

    /* zmq_poll, not zpoller: descriptors beside sockets, and shell, last, only at times. */
    if (zmq_poll(items, ink_io_has_room(io) ? all : all - 1,
                 io->is_stopping ? STOP_POLL_MS : PARENT_CHECK_MS) < 0 &&
        errno != EINTR)
        return false;
    if (items[3].revents)
        return false;
    ink_io_read(io, INK_SOCKET_CONTROL, CONTROL_BURST);
    take_signals(io);
    take_mail(io);
    ink_io_read(io, INK_SOCKET_STDIN, CONTROL_BURST);
    if (ink_io_has_room(io))
        ink_io_read(io, INK_SOCKET_SHELL, SHELL_BURST);
    check_parent(io);
    return true;
}

void
ink_io_actor(zsock_t *pipe, void *args)
{
    struct ink_io io = {.kernel = args};

    ink_kernel_name_thread("ink-io");
    (void)zsock_signal(pipe, 0);
    while (turn(&io, pipe))
        if (io.is_stopping && (ink_serve_is_quiet(&io) ||
                               ink_clock_ms_since(io.stop_ns) > INK_LIMIT_JUPYTER_GRACE_MS))
            break;
    io.kernel->is_abandoned = !ink_serve_is_quiet(&io);
    /* Tell the caller, and stay until it sends $TERM: an actor that is gone when it is destroyed
     * may be waited for in vain. */
    (void)zsock_signal(pipe, 0);
    zstr_free(&(char *){zstr_recv(pipe)});
    ink_jupyter_request_unref(&io.asking);
    ink_jupyter_request_unref(&io.running);
    ink_history_fini(&io.history);
}
