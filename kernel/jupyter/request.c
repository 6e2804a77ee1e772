/* SPDX-License-Identifier: MIT */
#include "kernel/jupyter/request.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "kernel/jupyter/kernel_priv.h"

enum ink_status
ink_request_check_header(struct ink_frame text, const struct ink_json *header, struct ink_err *err)
{
    static const char *const required[] = {"msg_id", "msg_type", "session"};

    /* What cJSON forgives, a client's parser would not: a byte order mark. */
    if (!ink_json_is_object(header) || text.size == 0 || *(const char *)text.bytes != '{')
        return ink_fail(err, INK_BADDATA, "the header is not a JSON object");
    for (size_t i = 0; i < sizeof(required) / sizeof(required[0]); i++)
        if (!ink_json_is_string(ink_json_find(header, required[i])))
            return ink_fail(err, INK_BADDATA, "the header has no text %s", required[i]);
    return INK_OK;
}

/* Fill in what the frames hold; what was made until a failure is released by the caller. */
static enum ink_status
decode(struct ink_jupyter_request *request, struct ink_replays *replays, struct ink_err *err)
{
    size_t count = zmsg_size(request->frames), i = 0;
    enum ink_status status;

    if (count > INK_LIMIT_JUPYTER_FRAMES)
        return ink_fail(err, INK_TOOBIG, "%zu frames, at most %d", count, INK_LIMIT_JUPYTER_FRAMES);
    for (zframe_t *frame = zmsg_first(request->frames); frame; frame = zmsg_next(request->frames))
        request->frame[i++] = (struct ink_frame){zframe_data(frame), zframe_size(frame)};
    status = ink_jmsg_decode(&request->kernel->wire.signer, replays, request->frame, count,
                             &request->wire, err);
    if (status)
        return status;

    status = ink_json_parse(request->wire.header.bytes, request->wire.header.size, &request->header,
                            err);
    if (!status)
        status = ink_request_check_header(request->wire.header, request->header, err);
    if (status)
        return status;
    request->type = ink_json_string(ink_json_find(request->header, "msg_type"), "");

    /* From here on there is somebody to answer: bad content is an error reply. */
    if (ink_json_parse(request->wire.content.bytes, request->wire.content.size, &request->content,
                       &request->content_err))
        return INK_OK;
    if (!ink_json_is_object(request->content)) {
        ink_json_destroy(&request->content);
        (void)ink_fail(&request->content_err, INK_BADDATA, "the content is not a JSON object");
    }
    return INK_OK;
}

enum ink_status
ink_request_create(struct ink_kernel *kernel, enum ink_socket channel, struct ink_replays *replays,
                   zmsg_t **frames, struct ink_jupyter_request **out_request, struct ink_err *err)
{
    INK_CLEANUP(ink_jupyter_request_unref) struct ink_jupyter_request *request = NULL;
    enum ink_status status;

    request = calloc(1, sizeof(*request));
    if (!request) {
        zmsg_destroy(frames);
        return ink_fail(err, INK_NOMEM, "no memory for a request");
    }
    atomic_init(&request->ref_count, 1);
    request->kernel = kernel;
    request->channel = channel;
    request->frames = *frames;
    *frames = NULL;
    status = decode(request, replays, err);
    if (status)
        return status;
    *out_request = request;
    request = NULL;
    return INK_OK;
}

struct ink_jupyter_request *
ink_jupyter_request_ref(struct ink_jupyter_request *request)
{
    atomic_fetch_add(&request->ref_count, 1);
    return request;
}

void
ink_jupyter_request_unref(struct ink_jupyter_request **request)
{
    struct ink_jupyter_request *mine = *request;

    *request = NULL;
    if (!mine || atomic_fetch_sub(&mine->ref_count, 1) > 1)
        return;
    ink_json_destroy(&mine->header);
    ink_json_destroy(&mine->content);
    ink_buf_fini(&mine->cell.result_text);
    ink_buf_fini(&mine->cell.payload);
    zmsg_destroy(&mine->frames);
    free(mine);
}

int
ink_jupyter_request_count(const struct ink_jupyter_request *request)
{
    return request->cell.count;
}

bool
ink_jupyter_request_is_silent(const struct ink_jupyter_request *request)
{
    return request->cell.is_silent;
}

bool
ink_jupyter_is_cancelled(const struct ink_jupyter_request *request)
{
    return atomic_load_explicit(&request->is_cancelled, memory_order_relaxed);
}

const atomic_bool *
ink_jupyter_cancel_flag(const struct ink_jupyter_request *request)
{
    return &request->is_cancelled;
}

const struct ink_json *
ink_request_find(const struct ink_jupyter_request *request, const char *name)
{
    return ink_json_find(request->content, name);
}
