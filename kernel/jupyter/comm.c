/* SPDX-License-Identifier: MIT */

/* comm: the table of open comms, and the four messages about them. */

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "kernel/jupyter/content.h"
#include "kernel/jupyter/iopub.h"
#include "kernel/jupyter/query_priv.h"

enum { NAME_SIZE_MAX = 256 };

static struct ink_comm *
find(struct ink_query *query, const char *id)
{
    for (size_t i = 0; i < query->comm_count; i++)
        if (!query->comms[i].is_closed && strcmp(query->comms[i].id, id) == 0)
            return &query->comms[i];
    return NULL;
}

/* What the application sees of a comm and its message. */
static struct ink_jupyter_comm
view(struct ink_comm *comm, const struct ink_jupyter_request *request,
     struct ink_jupyter_data *buffers)
{
    struct ink_jupyter_comm seen = {
        .id = comm->id, .target = comm->target, .buffers = buffers, .state = &comm->state};

    if (!request)
        return seen;
    seen.data = ink_request_find(request, "data");
    if (ink_json_is_object(seen.data))
        seen.text = ink_content_member(request->wire.content.bytes, request->wire.content.size,
                                       "data", &seen.text_size);
    if (!seen.text)
        seen.data = NULL;
    seen.buffer_count = request->wire.buffer_count;
    for (size_t i = 0; i < seen.buffer_count; i++)
        buffers[i] = (struct ink_jupyter_data){.bytes = request->wire.buffers[i].bytes,
                                               .size = request->wire.buffers[i].size};
    return seen;
}

/* Take a comm out of the table, after a last word to the application if it wants one. */
static void
drop(struct ink_query *query, struct ink_comm *comm, struct ink_jupyter_request *request)
{
    const struct ink_jupyter_app *app = query->kernel->app;
    struct ink_jupyter_data buffers[INK_LIMIT_JUPYTER_FRAMES];

    if (!comm->is_closed && app->comm_close) {
        struct ink_jupyter_comm seen = view(comm, request, buffers);

        app->comm_close(app->user, request, &seen);
    }
    free(comm->id);
    free(comm->target);
    *comm = query->comms[--query->comm_count];
}

void
ink_comm_sweep(struct ink_query *query)
{
    for (size_t i = query->comm_count; i-- > 0;)
        if (query->comms[i].is_closed)
            drop(query, &query->comms[i], NULL);
}

void
ink_comm_end(struct ink_query *query)
{
    while (query->comm_count)
        drop(query, &query->comms[query->comm_count - 1], NULL);
}

/* Make room for one more. */
static void
close_idlest(struct ink_query *query, struct ink_jupyter_request *request)
{
    struct ink_comm *idlest = &query->comms[0];

    for (size_t i = 1; i < query->comm_count; i++)
        if (query->comms[i].used_ns < idlest->used_ns)
            idlest = &query->comms[i];
    ink_publish_comm_close(request, idlest->id);
    drop(query, idlest, NULL);
}

static enum ink_status
read_name(const struct ink_jupyter_request *request, const char *field, const char **out_name,
          struct ink_err *err)
{
    const char *name = ink_json_string(ink_request_find(request, field), NULL);

    if (!name || strlen(name) > NAME_SIZE_MAX)
        return ink_fail(err, INK_BADARG, "%s: %s is not a string of at most %d bytes",
                        request->route->type, field, NAME_SIZE_MAX);
    *out_name = name;
    return INK_OK;
}

enum ink_status
ink_query_comm_open(struct ink_query *query, struct ink_jupyter_request *request,
                    struct ink_buf *out_content, struct ink_err *err)
{
    const struct ink_jupyter_app *app = query->kernel->app;
    struct ink_jupyter_data buffers[INK_LIMIT_JUPYTER_FRAMES];
    const char *id = "", *target = "";
    struct ink_jupyter_comm seen;
    struct ink_comm *comm;
    enum ink_status status = read_name(request, "comm_id", &id, err);

    (void)out_content;
    if (!status)
        status = read_name(request, "target_name", &target, err);
    if (status)
        return status;
    comm = find(query, id);
    if (comm)
        drop(query, comm, request); /* opened twice: the front end forgot the first */
    if (query->comm_count == INK_LIMIT_JUPYTER_COMMS)
        close_idlest(query, request);
    comm = &query->comms[query->comm_count];
    *comm =
        (struct ink_comm){.id = strdup(id), .target = strdup(target), .used_ns = ink_clock_ns()};
    if (!comm->id || !comm->target) {
        free(comm->id);
        free(comm->target);
        return ink_fail(err, INK_NOMEM, "no memory for a comm");
    }
    query->comm_count++;
    seen = view(comm, request, buffers);
    if (!app->comm_open || !app->comm_open(app->user, request, &seen)) {
        ink_publish_comm_close(request, id);
        comm->is_closed = true; /* and is swept */
    }
    return INK_OK;
}

enum ink_status
ink_query_comm_message(struct ink_query *query, struct ink_jupyter_request *request,
                       struct ink_buf *out_content, struct ink_err *err)
{
    const struct ink_jupyter_app *app = query->kernel->app;
    struct ink_jupyter_data buffers[INK_LIMIT_JUPYTER_FRAMES];
    const char *id = "";
    struct ink_jupyter_comm seen;
    struct ink_comm *comm;
    enum ink_status status = read_name(request, "comm_id", &id, err);

    (void)out_content;
    if (status)
        return status;
    comm = find(query, id);
    if (!comm) {
        /* Left from before a restart, say. The front end opens a new one. */
        ink_publish_comm_close(request, id);
        return INK_OK;
    }
    comm->used_ns = ink_clock_ns();
    seen = view(comm, request, buffers);
    if (app->comm_message)
        app->comm_message(app->user, request, &seen);
    return INK_OK;
}

enum ink_status
ink_query_comm_close(struct ink_query *query, struct ink_jupyter_request *request,
                     struct ink_buf *out_content, struct ink_err *err)
{
    const char *id = "";
    struct ink_comm *comm;
    enum ink_status status = read_name(request, "comm_id", &id, err);

    (void)out_content;
    if (status)
        return status;
    comm = find(query, id);
    if (comm)
        drop(query, comm, request);
    return INK_OK;
}

enum ink_status
ink_query_comm_info(struct ink_query *query, struct ink_jupyter_request *request,
                    struct ink_buf *out_content, struct ink_err *err)
{
    const char *wanted = ink_json_string(ink_request_find(request, "target_name"), NULL);
    bool is_first = true;

    ink_buf_puts(out_content, "{\"status\":\"ok\",\"comms\":{");
    for (size_t i = 0; i < query->comm_count; i++) {
        const struct ink_comm *comm = &query->comms[i];

        if (wanted && wanted[0] && strcmp(wanted, comm->target) != 0)
            continue;
        if (!is_first)
            ink_buf_putc(out_content, ',');
        is_first = false;
        ink_content_text(out_content, comm->id);
        ink_buf_puts(out_content, ":{\"target_name\":");
        ink_content_text(out_content, comm->target);
        ink_buf_putc(out_content, '}');
    }
    ink_buf_puts(out_content, "}}");
    return ink_buf_check(out_content, err);
}

void
ink_jupyter_comm_close(struct ink_jupyter_request *request, const char *comm_id)
{
    struct ink_comm *comm = find(request->kernel->query, comm_id);

    if (!comm)
        return;
    ink_publish_comm_close(request, comm_id);
    comm->is_closed = true;
}
