/* SPDX-License-Identifier: MIT */
#include "kernel/jupyter/query.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "kernel/jupyter/content.h"
#include "kernel/jupyter/query_priv.h"

/* "code" and "cursor_pos", checked; a missing position is the end. */
struct place {
    const char *code;
    size_t cursor; /* bytes */
};

static enum ink_status
read_place(const struct ink_jupyter_request *request, struct place *out, struct ink_err *err)
{
    const struct ink_json *cursor = ink_request_find(request, "cursor_pos");
    const char *code = ink_json_string(ink_request_find(request, "code"), NULL);

    if (!code)
        return ink_fail(err, INK_BADARG, "%s: code is not a string", request->route->type);
    out->code = code;
    out->cursor = ink_json_is_number(cursor)
                      ? ink_content_byte_offset(code, ink_json_number(cursor, 0))
                      : strlen(code);
    return INK_OK;
}

/* ---- complete ---- */

struct ink_jupyter_completion {
    const char *code;
    struct ink_buf matches, types; /* items, with commas between */
    size_t start, end;             /* code points */
};

void
ink_jupyter_complete_range(struct ink_jupyter_completion *completion, size_t start, size_t end)
{
    assert(completion->matches.size == 0);
    completion->start = ink_content_code_point_index(completion->code, start);
    completion->end = ink_content_code_point_index(completion->code, end);
}

void
ink_jupyter_complete_add(struct ink_jupyter_completion *completion, const char *text,
                         const char *type)
{
    const char *comma = completion->matches.size ? "," : "";

    ink_buf_puts(&completion->matches, comma);
    ink_content_text(&completion->matches, text);
    ink_buf_printf(&completion->types, "%s{\"start\":%zu,\"end\":%zu,\"text\":", comma,
                   completion->start, completion->end);
    ink_content_text(&completion->types, text);
    ink_buf_puts(&completion->types, ",\"type\":");
    ink_content_text(&completion->types, type ? type : "");
    ink_buf_putc(&completion->types, '}');
}

enum ink_status
ink_query_complete(struct ink_query *query, struct ink_jupyter_request *request,
                   struct ink_buf *out_content, struct ink_err *err)
{
    const struct ink_jupyter_app *app = query->kernel->app;
    struct ink_jupyter_completion completion = {0};
    struct place place = {0};
    enum ink_status status = read_place(request, &place, err);

    if (status)
        return status;
    completion.code = place.code;
    ink_jupyter_complete_range(&completion, place.cursor, place.cursor);
    if (app->complete)
        app->complete(app->user, place.code, place.cursor, &completion);
    ink_buf_printf(out_content,
                   "{\"status\":\"ok\",\"matches\":[%s],\"cursor_start\":%zu,\"cursor_end\":%zu,",
                   ink_buf_text(&completion.matches), completion.start, completion.end);
    /* Clients look for the types under this name, long after the experiment. */
    ink_buf_printf(out_content, "\"metadata\":{\"_jupyter_types_experimental\":[%s]}}",
                   ink_buf_text(&completion.types));
    ink_buf_fini(&completion.matches);
    ink_buf_fini(&completion.types);
    return ink_buf_check(out_content, err);
}

/* ---- inspect, is_complete ---- */

enum ink_status
ink_query_inspect(struct ink_query *query, struct ink_jupyter_request *request,
                  struct ink_buf *out_content, struct ink_err *err)
{
    const struct ink_jupyter_app *app = query->kernel->app;
    int detail = ink_json_number(ink_request_find(request, "detail_level"), 0) >= 1;
    INK_CLEANUP(ink_buf_fini) struct ink_buf text = {0};
    struct ink_jupyter_bundle bundle = {.buf = &text};
    struct place place = {0};
    bool is_found = false;
    enum ink_status status = read_place(request, &place, err);

    if (status)
        return status;
    if (app->inspect)
        is_found = app->inspect(app->user, place.code, place.cursor, detail, &bundle);
    status = ink_buf_check(&text, err);
    if (status)
        return status;
    ink_buf_printf(out_content, "{\"status\":\"ok\",\"found\":%s,\"data\":{%s},\"metadata\":{}}",
                   is_found ? "true" : "false", is_found ? ink_buf_text(&text) : "");
    return ink_buf_check(out_content, err);
}

enum ink_status
ink_query_is_complete(struct ink_query *query, struct ink_jupyter_request *request,
                      struct ink_buf *out_content, struct ink_err *err)
{
    static const char *const names[] = {[INK_JUPYTER_COMPLETE] = "complete",
                                        [INK_JUPYTER_INCOMPLETE] = "incomplete",
                                        [INK_JUPYTER_INVALID] = "invalid",
                                        [INK_JUPYTER_UNKNOWN] = "unknown"};
    const struct ink_jupyter_app *app = query->kernel->app;
    enum ink_jupyter_completeness answer = INK_JUPYTER_UNKNOWN;
    const char *indent = "";
    struct place place = {0};
    enum ink_status status = read_place(request, &place, err);

    if (status)
        return status;
    if (app->is_complete)
        answer = app->is_complete(app->user, place.code, &indent);
    ink_buf_printf(out_content, "{\"status\":\"%s\"", names[answer]);
    if (answer == INK_JUPYTER_INCOMPLETE) {
        ink_buf_puts(out_content, ",\"indent\":");
        ink_content_text(out_content, indent);
    }
    ink_buf_putc(out_content, '}');
    return ink_buf_check(out_content, err);
}

/* ---- the thread ---- */

static void
serve(struct ink_query *query, struct ink_jupyter_request *request)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf content = {0};
    struct ink_err err;
    enum ink_status status = request->route->answer(query, request, &content, &err);

    if (status) {
        ink_log(INK_LOG_DEBUG, "jupyter", "%s: %s", request->route->type, err.message);
        ink_buf_fini(&content);
        ink_content_failure(&content, status, &err);
    }
    ink_comm_sweep(query);
    ink_io_done(request, &content, status != INK_OK);
}

static void
take_mail(struct ink_query *query, bool is_served)
{
    struct ink_mail *next;

    for (struct ink_mail *mail = ink_mailbox_take(&query->kernel->query_box); mail; mail = next) {
        struct ink_query_mail *news = (struct ink_query_mail *)mail;

        next = mail->next;
        if (is_served)
            serve(query, news->request);
        ink_jupyter_request_unref(&news->request);
        free(news);
    }
}

void
ink_query_actor(zsock_t *pipe, void *args)
{
    struct ink_kernel *kernel = args;
    struct ink_query *query = ink_kernel_alloc(sizeof(*query));

    query->kernel = kernel;
    kernel->query = query;
    ink_kernel_name_thread("ink-query");
    (void)zsock_signal(pipe, 0);
    for (;;) {
        zmq_pollitem_t items[] = {
            {.socket = zsock_resolve(pipe), .events = ZMQ_POLLIN},
            {.fd = kernel->query_box.fd, .events = ZMQ_POLLIN},
        };

        if ((zmq_poll(items, 2, -1) < 0 && errno != EINTR) || items[0].revents)
            break;
        take_mail(query, true);
    }
    take_mail(query, false);
    ink_comm_end(query);
    free(query);
}
