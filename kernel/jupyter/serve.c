/* SPDX-License-Identifier: MIT */

/*
 * serve: what each type of request means.
 *
 * routes[] at the end is the list. Every request, known or not, is bracketed
 * by busy and idle; every known one gets its reply, also when it makes no
 * sense; and all of that happens in finish().
 */

#include "kernel/jupyter/io.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "kernel/jupyter/content.h"
#include "kernel/jupyter/execute.h"
#include "kernel/jupyter/iopub.h"
#include "kernel/jupyter/query.h"

enum { DRAIN_MAX = 20000 };

/* ---- the frame around every request ---- */

static bool
is_held(const struct ink_jupyter_request *request)
{
    return request->route && (request->route->flags & INK_ROUTE_HELD);
}

static void
begin(struct ink_io *io, struct ink_jupyter_request *request)
{
    if (!is_held(request))
        ink_iopub_status(io->kernel, request, INK_IOPUB_BUSY);
}

/* Reply, then idle; releases the request. Outputs are in iopub's queue already. */
static void
finish(struct ink_io *io, struct ink_jupyter_request *request, const struct ink_buf *content)
{
    if (content && content->size && request->route->reply)
        ink_io_send(io, request, request->channel, request->route->reply, content, NULL);
    if (is_held(request))
        ink_iopub_status_held(io->kernel, request);
    else
        ink_iopub_status(io->kernel, request, INK_IOPUB_IDLE);
    ink_jupyter_request_unref(&request);
}

/* Begin and finish with an error reply. */
static void
refuse(struct ink_io *io, struct ink_jupyter_request *request, const struct ink_err *err)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf content = {0};

    begin(io, request);
    ink_content_failure(&content, err->status, err);
    if (request->route->flags & INK_ROUTE_CELL) {
        content.size--; /* the closing brace */
        ink_buf_printf(&content, ",\"execution_count\":%d}", io->count);
    }
    finish(io, request, &content);
}

/* ---- cells ---- */

static void
start_next(struct ink_io *io)
{
    struct ink_jupyter_request *request = io->waiting_first;
    struct ink_execute_mail *mail;

    if (io->running || !request)
        return;
    io->waiting_first = request->next;
    if (!io->waiting_first)
        io->waiting_last = NULL;
    request->next = NULL;
    io->running = request;
    begin(io, request);
    mail = ink_kernel_alloc(sizeof(*mail));
    mail->kind = INK_EXECUTE_RUN;
    mail->request = ink_jupyter_request_ref(request);
    ink_mailbox_post(&io->kernel->cell_box, &mail->mail);
}

static void
abort_cell(struct ink_io *io, struct ink_jupyter_request *request)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf content = {0};

    begin(io, request);
    ink_buf_printf(&content, "{\"status\":\"aborted\",\"execution_count\":%d}", io->count);
    finish(io, request, &content);
}

static void
abort_waiting(struct ink_io *io)
{
    struct ink_jupyter_request *next;

    for (struct ink_jupyter_request *request = io->waiting_first; request; request = next) {
        next = request->next;
        io->backlog_size -= request->wire.size;
        abort_cell(io, request);
    }
    io->waiting_first = io->waiting_last = NULL;
}

static void
handle_execute(struct ink_io *io, struct ink_jupyter_request *request)
{
    struct ink_execution *cell = &request->cell;
    struct ink_err err;

    if (!ink_json_is_string(ink_request_find(request, "code"))) {
        (void)ink_fail(&err, INK_BADARG, "execute_request: code is not a string");
        refuse(io, request, &err);
        return;
    }
    if (io->is_stopping) {
        abort_cell(io, request);
        return;
    }
    cell->is_silent = ink_json_bool(ink_request_find(request, "silent"), false);
    cell->is_stored =
        ink_json_bool(ink_request_find(request, "store_history"), true) && !cell->is_silent;
    cell->may_ask = ink_json_bool(ink_request_find(request, "allow_stdin"), true);
    cell->stops_on_error = ink_json_bool(ink_request_find(request, "stop_on_error"), true);
    io->backlog_size += request->wire.size;
    if (io->waiting_last)
        io->waiting_last->next = request;
    else
        io->waiting_first = request;
    io->waiting_last = request;
    start_next(io);
}

/* The running cell has ended. */
static void
finish_cell(struct ink_io *io, struct ink_io_mail *mail)
{
    struct ink_jupyter_request *request = io->running;
    const struct ink_execution *cell = &request->cell;
    bool is_abort = mail->has_failed && cell->stops_on_error;

    assert(request == mail->request);
    io->count = cell->count;
    ink_jupyter_request_unref(&io->asking);
    if (cell->is_stored)
        ink_history_add(&io->history, cell->count,
                        ink_json_string(ink_request_find(request, "code"), ""),
                        cell->has_result ? ink_buf_text(&cell->result_text) : NULL);
    /* What has been sent before the client can know of the error is aborted, no more and no less:
     * so read all of it before the reply goes out. */
    if (is_abort && ink_io_has_room(io))
        ink_io_read(io, INK_SOCKET_SHELL, DRAIN_MAX);
    io->running = NULL;
    finish(io, request, &mail->content);
    if (is_abort)
        abort_waiting(io);
    start_next(io);
}

/* ---- queries ---- */

static void
hand_to_query(struct ink_io *io, struct ink_jupyter_request *request)
{
    struct ink_query_mail *mail = ink_kernel_alloc(sizeof(*mail));

    begin(io, request);
    io->query_count++;
    io->backlog_size += request->wire.size;
    mail->request = request;
    ink_mailbox_post(&io->kernel->query_box, &mail->mail);
}

void
ink_serve_done(struct ink_io *io, struct ink_io_mail *mail)
{
    io->backlog_size -= mail->request->wire.size;
    if (mail->request == io->running) {
        finish_cell(io, mail);
        return;
    }
    io->query_count--;
    finish(io, ink_jupyter_request_ref(mail->request), &mail->content);
}

static void
handle_history(struct ink_io *io, struct ink_jupyter_request *request)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf content = {0};
    struct ink_err err;

    if (ink_history_reply(&io->history, request->content, &content, &err)) {
        refuse(io, request, &err);
        return;
    }
    begin(io, request);
    finish(io, request, &content);
}

/* ---- about the kernel ---- */

static void
put_member(struct ink_buf *buf, const char *name, const char *text)
{
    if (!text)
        return;
    ink_buf_printf(buf, ",\"%s\":", name);
    ink_content_text(buf, text);
}

static void
handle_kernel_info(struct ink_io *io, struct ink_jupyter_request *request)
{
    const struct ink_jupyter_app *app = io->kernel->app;
    INK_CLEANUP(ink_buf_fini) struct ink_buf content = {0};

    begin(io, request);
    ink_buf_puts(&content, "{\"status\":\"ok\",\"protocol_version\":\"" INK_JUPYTER_PROTOCOL "\"");
    put_member(&content, "implementation", app->implementation);
    put_member(&content, "implementation_version", app->implementation_version);
    put_member(&content, "banner", app->banner);
    ink_buf_puts(&content, ",\"language_info\":{\"name\":");
    ink_content_text(&content, app->language);
    put_member(&content, "version", app->language_version);
    put_member(&content, "mimetype", app->mimetype);
    put_member(&content, "file_extension", app->file_extension);
    put_member(&content, "pygments_lexer", app->pygments_lexer);
    put_member(&content, "codemirror_mode", app->codemirror_mode);
    ink_buf_puts(&content, "},\"help_links\":[");
    for (size_t i = 0; i < app->help_link_count; i++) {
        ink_buf_puts(&content, i ? ",{\"text\":" : "{\"text\":");
        ink_content_text(&content, app->help_links[i].text);
        put_member(&content, "url", app->help_links[i].url);
        ink_buf_putc(&content, '}');
    }
    ink_buf_puts(&content, "],\"supported_features\":[]}");
    finish(io, request, &content);
}

static void
handle_connect(struct ink_io *io, struct ink_jupyter_request *request)
{
    const int *ports = io->kernel->connection.ports;
    INK_CLEANUP(ink_buf_fini) struct ink_buf content = {0};

    begin(io, request);
    ink_buf_printf(&content,
                   "{\"status\":\"ok\",\"shell_port\":%d,\"iopub_port\":%d,\"stdin_port\":%d,"
                   "\"control_port\":%d,\"hb_port\":%d}",
                   ports[INK_SOCKET_SHELL], ports[INK_SOCKET_IOPUB], ports[INK_SOCKET_STDIN],
                   ports[INK_SOCKET_CONTROL], ports[INK_SOCKET_HEARTBEAT]);
    finish(io, request, &content);
}

void
ink_serve_interrupt(struct ink_io *io)
{
    struct ink_execute_mail *mail;

    if (!io->running)
        return;
    atomic_store(&io->running->is_cancelled, true);
    mail = ink_kernel_alloc(sizeof(*mail));
    mail->kind = INK_EXECUTE_WAKE;
    ink_mailbox_post(&io->kernel->cell_box, &mail->mail);
    if (io->kernel->app->interrupt)
        io->kernel->app->interrupt(io->kernel->app->user);
}

static void
handle_interrupt(struct ink_io *io, struct ink_jupyter_request *request)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf content = {0};

    begin(io, request);
    ink_serve_interrupt(io);
    ink_buf_puts(&content, "{\"status\":\"ok\"}");
    finish(io, request, &content);
}

void
ink_serve_stop(struct ink_io *io, bool is_restart)
{
    if (io->is_stopping)
        return;
    io->is_stopping = true;
    io->stop_ns = ink_clock_ns();
    io->kernel->is_restart = is_restart;
    atomic_store(&io->kernel->is_stopping, true);
    ink_serve_interrupt(io);
    abort_waiting(io);
}

static void
handle_shutdown(struct ink_io *io, struct ink_jupyter_request *request)
{
    bool is_restart = ink_json_bool(ink_request_find(request, "restart"), false);
    struct ink_iopub_message broadcast = {.type = "shutdown_reply"};
    INK_CLEANUP(ink_buf_fini) struct ink_buf content = {0};

    begin(io, request);
    ink_buf_printf(&content, "{\"status\":\"ok\",\"restart\":%s}", is_restart ? "true" : "false");
    ink_buf_append(&broadcast.content, content.bytes, content.size);
    ink_iopub_send(request, &broadcast); /* for the other clients */
    finish(io, request, &content);
    ink_serve_stop(io, is_restart);
}

bool
ink_serve_is_quiet(const struct ink_io *io)
{
    return !io->running && io->query_count == 0;
}

/* ---- the table ---- */

enum { SHELL = INK_ROUTE_SHELL, BOTH = INK_ROUTE_SHELL | INK_ROUTE_CONTROL };
enum { CELL = SHELL | INK_ROUTE_CELL, COMM = SHELL | INK_ROUTE_HELD };

/* clang-format off */
static const struct ink_route routes[] = {
    {"execute_request",     "execute_reply",     CELL,  handle_execute,     NULL},
    {"comm_msg",            NULL,                COMM,  hand_to_query,      ink_query_comm_message},
    {"comm_open",           NULL,                COMM,  hand_to_query,      ink_query_comm_open},
    {"comm_close",          NULL,                COMM,  hand_to_query,      ink_query_comm_close},
    {"complete_request",    "complete_reply",    SHELL, hand_to_query,      ink_query_complete},
    {"inspect_request",     "inspect_reply",     SHELL, hand_to_query,      ink_query_inspect},
    {"is_complete_request", "is_complete_reply", SHELL, hand_to_query,      ink_query_is_complete},
    {"comm_info_request",   "comm_info_reply",   SHELL, hand_to_query,      ink_query_comm_info},
    {"history_request",     "history_reply",     SHELL, handle_history,     NULL},
    {"kernel_info_request", "kernel_info_reply", BOTH,  handle_kernel_info, NULL},
    {"connect_request",     "connect_reply",     BOTH,  handle_connect,     NULL},
    {"interrupt_request",   "interrupt_reply",   BOTH,  handle_interrupt,   NULL},
    {"shutdown_request",    "shutdown_reply",    BOTH,  handle_shutdown,    NULL},
};
/* clang-format on */

static const struct ink_route *
find_route(const char *type, enum ink_socket channel)
{
    unsigned flag = channel == INK_SOCKET_CONTROL ? INK_ROUTE_CONTROL : INK_ROUTE_SHELL;

    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
        if (strcmp(routes[i].type, type) == 0)
            return routes[i].flags & flag ? &routes[i] : NULL;
    return NULL;
}

void
ink_serve(struct ink_io *io, struct ink_jupyter_request *request)
{
    request->route = find_route(request->type, request->channel);
    if (!request->route) {
        begin(io, request);
        finish(io, request, NULL);
    } else if (!request->content) {
        refuse(io, request, &request->content_err);
    } else {
        request->route->handle(io, request);
    }
}
