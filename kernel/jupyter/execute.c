/* SPDX-License-Identifier: MIT */
#include "kernel/jupyter/execute.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "kernel/jupyter/content.h"
#include "kernel/jupyter/iopub.h"

static void
destroy_mail(struct ink_execute_mail *mail)
{
    ink_jupyter_request_unref(&mail->request);
    ink_buf_fini(&mail->answer);
    free(mail);
}

void
ink_execute_discard_mail(struct ink_kernel *kernel)
{
    struct ink_mail *next;

    for (struct ink_mail *mail = ink_mailbox_take(&kernel->cell_box); mail; mail = next) {
        next = mail->next;
        destroy_mail((struct ink_execute_mail *)mail);
    }
}

enum ink_status
ink_execute_wait_answer(struct ink_jupyter_request *request, struct ink_buf *out_text,
                        struct ink_err *err)
{
    struct pollfd box = {.fd = request->kernel->cell_box.fd, .events = POLLIN};
    bool is_answered = false;
    struct ink_mail *next;

    while (!is_answered && !ink_jupyter_is_cancelled(request)) {
        if (poll(&box, 1, -1) < 0 && errno != EINTR)
            return ink_fail_errno(err, "cannot wait for an answer");
        for (struct ink_mail *mail = ink_mailbox_take(&request->kernel->cell_box); mail;
             mail = next) {
            struct ink_execute_mail *news = (struct ink_execute_mail *)mail;

            next = mail->next;
            if (news->kind == INK_EXECUTE_ANSWER) {
                ink_buf_append(out_text, ink_buf_text(&news->answer), news->answer.size);
                is_answered = true;
            }
            destroy_mail(news);
        }
    }
    if (!is_answered)
        return ink_fail(err, INK_CANCELLED, "interrupted while waiting for an answer");
    return ink_buf_check(out_text, err);
}

/* One user expression: its bundle, or why there is none. */
static void
put_expression(struct ink_jupyter_request *request, const char *expression, struct ink_buf *buf)
{
    const struct ink_jupyter_app *app = request->kernel->app;
    INK_CLEANUP(ink_buf_fini) struct ink_buf text = {0};
    struct ink_jupyter_bundle bundle = {.buf = &text};
    struct ink_err err;
    enum ink_status status = app->evaluate
                                 ? app->evaluate(app->user, request, expression, &bundle, &err)
                                 : ink_fail(&err, INK_BADARG, "this kernel has no expressions");

    if (!status)
        status = ink_buf_check(&text, &err);
    if (status)
        ink_content_failure(buf, status, &err);
    else
        ink_buf_printf(buf, "{\"status\":\"ok\",\"data\":{%s},\"metadata\":{}}",
                       ink_buf_text(&text));
}

static void
put_expressions(struct ink_jupyter_request *request, struct ink_buf *buf)
{
    const struct ink_json *wanted = ink_request_find(request, "user_expressions");
    bool is_first = true;

    ink_buf_puts(buf, ",\"user_expressions\":{");
    if (!ink_json_is_object(wanted))
        wanted = NULL;
    for (const struct ink_json *each = ink_json_first(wanted); each; each = ink_json_next(each)) {
        if (!is_first)
            ink_buf_putc(buf, ',');
        is_first = false;
        ink_content_text(buf, ink_json_name(each));
        ink_buf_putc(buf, ':');
        put_expression(request, ink_json_string(each, ""), buf);
    }
    ink_buf_putc(buf, '}');
}

static void
publish_input(struct ink_jupyter_request *request, const char *code)
{
    struct ink_iopub_message message = {.type = "execute_input"};

    ink_buf_puts(&message.content, "{\"code\":");
    ink_content_text(&message.content, code);
    ink_buf_printf(&message.content, ",\"execution_count\":%d}", request->cell.count);
    ink_iopub_send(request, &message);
}

static void
publish_error(struct ink_jupyter_request *request, enum ink_status status,
              const struct ink_err *err)
{
    struct ink_iopub_message message = {.type = "error"};

    ink_buf_putc(&message.content, '{');
    ink_content_error(&message.content, ink_status_ename(status), err->message);
    ink_buf_putc(&message.content, '}');
    ink_iopub_send(request, &message);
}

static void
put_reply(struct ink_jupyter_request *request, enum ink_status status, const struct ink_err *err,
          struct ink_buf *content)
{
    ink_buf_printf(content, "{\"status\":\"%s\",\"execution_count\":%d,", status ? "error" : "ok",
                   request->cell.count);
    if (status)
        ink_content_error(content, ink_status_ename(status), err->message);
    else
        ink_buf_printf(content, "\"payload\":[%s]", ink_buf_text(&request->cell.payload));
    if (!status)
        put_expressions(request, content);
    ink_buf_putc(content, '}');
}

/* Run a cell; `count` is the execution count so far. */
static void
run(struct ink_jupyter_request *request, int *count)
{
    const struct ink_jupyter_app *app = request->kernel->app;
    const char *code = ink_json_string(ink_request_find(request, "code"), "");
    INK_CLEANUP(ink_buf_fini) struct ink_buf content = {0};
    struct ink_err err = {.message = ""};
    enum ink_status status;

    if (request->cell.is_stored)
        ++*count;
    request->cell.count = *count;
    if (!request->cell.is_silent)
        publish_input(request, code);
    status = app->execute(app->user, request, code, &err);
    if (status && !request->cell.is_silent)
        publish_error(request, status, &err);
    put_reply(request, status, &err, &content);
    ink_io_done(request, &content, status != INK_OK);
}

void
ink_execute_actor(zsock_t *pipe, void *args)
{
    struct ink_kernel *kernel = args;
    int count = 0;

    ink_kernel_name_thread("ink-cell");
    (void)zsock_signal(pipe, 0);
    for (;;) {
        zmq_pollitem_t items[] = {
            {.socket = zsock_resolve(pipe), .events = ZMQ_POLLIN},
            {.fd = kernel->cell_box.fd, .events = ZMQ_POLLIN},
        };
        struct ink_mail *next;

        if ((zmq_poll(items, 2, -1) < 0 && errno != EINTR) || items[0].revents)
            break;
        for (struct ink_mail *mail = ink_mailbox_take(&kernel->cell_box); mail; mail = next) {
            struct ink_execute_mail *news = (struct ink_execute_mail *)mail;

            next = mail->next;
            if (news->kind == INK_EXECUTE_RUN)
                run(news->request, &count);
            destroy_mail(news);
        }
    }
    ink_execute_discard_mail(kernel);
}
