/* SPDX-License-Identifier: MIT */

/* publish: the functions by which callbacks show something (kernel.h). */

#include <assert.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "kernel/jupyter/content.h"
#include "kernel/jupyter/execute.h"
#include "kernel/jupyter/iopub.h"

void
ink_jupyter_stream(struct ink_jupyter_request *request, enum ink_jupyter_stream stream,
                   const char *text, size_t size)
{
    if (size > 0 && !request->cell.is_silent)
        ink_iopub_stream(request, stream, text, size);
}

/* An output of any of the three kinds: {"data":...,"metadata":...,<rest>}. */
struct show {
    const struct ink_jupyter_data *forms;
    size_t form_count;
    const char *metadata;
    const char *display_id;
    bool is_update;
};

static enum ink_status
show(struct ink_jupyter_request *request, const char *type, const struct show *what,
     struct ink_err *err)
{
    struct ink_iopub_message message = {.type = type};
    struct ink_buf *content = &message.content;
    enum ink_status status;

    if (request->cell.is_silent)
        return INK_OK;
    ink_buf_puts(content, "{\"data\":");
    status = ink_content_bundle(content, what->forms, what->form_count, err);
    ink_buf_printf(content, ",\"metadata\":%s", what->metadata ? what->metadata : "{}");
    if (strcmp(type, "execute_result") == 0) {
        ink_buf_printf(content, ",\"execution_count\":%d", request->cell.count);
    } else {
        ink_buf_puts(content, ",\"transient\":{");
        if (what->display_id) {
            ink_buf_puts(content, "\"display_id\":");
            ink_content_text(content, what->display_id);
        }
        ink_buf_putc(content, '}');
    }
    ink_buf_putc(content, '}');
    if (!status)
        status = ink_buf_check(content, err);
    if (status) {
        ink_buf_fini(content);
        return status;
    }
    if (what->is_update)
        message.display_id = what->display_id;
    ink_iopub_send(request, &message);
    return INK_OK;
}

enum ink_status
ink_jupyter_display(struct ink_jupyter_request *request, const struct ink_jupyter_data *forms,
                    size_t form_count, const char *display_id, const char *metadata,
                    struct ink_err *err)
{
    const struct show what = {forms, form_count, metadata, display_id, false};

    return show(request, "display_data", &what, err);
}

enum ink_status
ink_jupyter_update_display(struct ink_jupyter_request *request,
                           const struct ink_jupyter_data *forms, size_t form_count,
                           const char *display_id, const char *metadata, struct ink_err *err)
{
    const struct show what = {forms, form_count, metadata, display_id, true};

    assert(display_id);
    return show(request, "update_display_data", &what, err);
}

enum ink_status
ink_jupyter_result(struct ink_jupyter_request *request, const struct ink_jupyter_data *forms,
                   size_t form_count, const char *metadata, struct ink_err *err)
{
    const struct show what = {forms, form_count, metadata, NULL, false};
    enum ink_status status;

    if (request->cell.has_result)
        return ink_fail(err, INK_BUG, "a cell has one result, this is a second");
    status = show(request, "execute_result", &what, err);
    if (status)
        return status;
    request->cell.has_result = true;
    for (size_t i = 0; i < form_count; i++)
        if (strcmp(forms[i].mime, "text/plain") == 0)
            ink_buf_append(&request->cell.result_text, forms[i].bytes, forms[i].size);
    return INK_OK;
}

void
ink_jupyter_clear_output(struct ink_jupyter_request *request, bool is_wait)
{
    struct ink_iopub_message message = {.type = "clear_output"};

    if (request->cell.is_silent)
        return;
    ink_buf_printf(&message.content, "{\"wait\":%s}", is_wait ? "true" : "false");
    ink_iopub_send(request, &message);
}

enum ink_status
ink_jupyter_page(struct ink_jupyter_request *request, const struct ink_jupyter_data *forms,
                 size_t form_count, struct ink_err *err)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf item = {0};
    struct ink_buf *payload = &request->cell.payload;
    enum ink_status status;

    ink_buf_puts(&item, "{\"source\":\"page\",\"start\":0,\"data\":");
    status = ink_content_bundle(&item, forms, form_count, err);
    if (status)
        return status;
    ink_buf_putc(&item, '}');
    if (payload->size)
        ink_buf_putc(payload, ',');
    ink_buf_append(payload, item.bytes, item.size);
    return ink_buf_check(payload, err);
}

static void
put_comm(struct ink_buf *content, const char *comm_id, const char *data)
{
    ink_buf_puts(content, "{\"comm_id\":");
    ink_content_text(content, comm_id);
    ink_buf_printf(content, ",\"data\":%s}", data);
}

enum ink_status
ink_jupyter_comm_send(struct ink_jupyter_request *request, const char *comm_id, const char *data,
                      const struct ink_jupyter_data *buffers, size_t buffer_count,
                      struct ink_err *err)
{
    struct ink_iopub_message message = {
        .type = "comm_msg", .buffers = buffers, .buffer_count = buffer_count};
    size_t size = strlen(data);
    enum ink_status status = INK_OK;

    for (size_t i = 0; i < buffer_count; i++)
        size += buffers[i].size < INK_LIMIT_JUPYTER_MESSAGE_SIZE ? buffers[i].size
                                                                 : INK_LIMIT_JUPYTER_MESSAGE_SIZE;
    if (size > INK_LIMIT_JUPYTER_MESSAGE_SIZE)
        return ink_fail(err, INK_TOOBIG, "a comm message of more than %d bytes",
                        INK_LIMIT_JUPYTER_MESSAGE_SIZE);
    if (!ink_utf8_is_valid(data, strlen(data)))
        return ink_fail(err, INK_BADDATA, "data of a comm message is not UTF-8");
    put_comm(&message.content, comm_id, data);
    status = ink_buf_check(&message.content, err);
    if (status)
        ink_buf_fini(&message.content);
    else
        ink_iopub_send(request, &message);
    return status;
}

void
ink_publish_comm_close(struct ink_jupyter_request *request, const char *comm_id)
{
    struct ink_iopub_message message = {.type = "comm_close"};

    put_comm(&message.content, comm_id, "{}");
    ink_iopub_send(request, &message);
}

enum ink_status
ink_jupyter_input(struct ink_jupyter_request *request, const char *prompt, bool is_password,
                  struct ink_buf *out_text, struct ink_err *err)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf content = {0};
    enum ink_status status;

    if (!request->cell.may_ask)
        return ink_fail(err, INK_NOTNOW, "this front end takes no questions (allow_stdin is off)");
    ink_buf_puts(&content, "{\"prompt\":");
    ink_content_text(&content, prompt);
    ink_buf_printf(&content, ",\"password\":%s}", is_password ? "true" : "false");
    status = ink_buf_check(&content, err);
    if (status)
        return status;
    ink_execute_discard_mail(request->kernel);
    ink_io_ask(request, &content);
    return ink_execute_wait_answer(request, out_text, err);
}

void
ink_jupyter_bundle_add(struct ink_jupyter_bundle *bundle, const char *mime, const void *bytes,
                       size_t size)
{
    size_t start = bundle->buf->size;

    if (start)
        ink_buf_putc(bundle->buf, ',');
    if (ink_content_form(bundle->buf, mime, bytes, size, NULL) && bundle->buf->bytes) {
        bundle->buf->size = start;
        bundle->buf->bytes[start] = '\0';
    }
}
