/* SPDX-License-Identifier: MIT */
#include "kernel/jupyter/iopub.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "kernel/jupyter/content.h"

enum { STREAM_MS = 50, STREAM_SIZE = 64 << 10, QUIET_MS = 100, RETRY_MS = 1, LAST_MS = 300 };
enum { UPDATE_SEARCH_MAX = 256 };
/* Past a reader that stands still: 10,000 messages and 32 MB a second. */
enum { PACE_BURST_NS = 2000000, PACE_MESSAGE_NS = 100000, PACE_BYTE_NS = 30 };
enum { STALL_MEMORY_MS = 60000, STALL_AGAIN_MS = 1000 };

enum output_kind { OUTPUT_MESSAGE, OUTPUT_STREAM, OUTPUT_UPDATE, OUTPUT_STATUS, OUTPUT_HELD };

struct output {
    struct ink_mail mail; /* first */
    enum output_kind kind;
    struct ink_jupyter_request *request; /* a reference, or NULL */
    const char *type;
    struct ink_buf content;           /* JSON; of a stream the bare text */
    char *display_id;                 /* owned, or NULL */
    char *topic;                      /* owned; NULL: the usual one */
    struct ink_jupyter_data *buffers; /* [buffer_count], with their bytes behind */
    size_t buffer_count;
    enum ink_jupyter_stream stream;
    enum ink_iopub_state state;
    uint64_t born_ns;
    size_t counted; /* bytes that are part of the kernel's outbox_size */
    zmsg_t *frames; /* encoded at the first attempt to send */
};

/* The iopub thread's own. */
struct iopub {
    struct ink_kernel *kernel;
    zsock_t *socket;
    struct output *first, *last; /* to be sent, oldest first */
    struct output *held_first, *held_last;
    size_t held_count;
    uint64_t held_ns;                    /* when the newest of them came */
    struct ink_jupyter_request *running; /* the cell whose busy is out; a reference */
    bool has_subscriber;
    bool is_blocked;     /* the first output was refused */
    uint64_t blocked_ns; /* since when */
    bool is_stalled;     /* some reader stood still too long: drop what it has no room for */
    uint64_t stalled_ns; /* when that was last found */
    uint64_t pace_ns;    /* not before then is the next message sent past it */
};

static struct output *
next_of(const struct output *output)
{
    return (struct output *)output->mail.next;
}

static void
destroy(struct ink_kernel *kernel, struct output *output)
{
    atomic_fetch_sub(&kernel->outbox_size, output->counted);
    ink_jupyter_request_unref(&output->request);
    ink_buf_fini(&output->content);
    free(output->display_id);
    free(output->topic);
    free(output->buffers);
    zmsg_destroy(&output->frames);
    free(output);
}

static struct output *
create(struct ink_jupyter_request *request, enum output_kind kind, const char *type)
{
    struct output *output = ink_kernel_alloc(sizeof(*output));

    output->kind = kind;
    output->type = type;
    output->request = request ? ink_jupyter_request_ref(request) : NULL;
    output->born_ns = ink_clock_ns();
    return output;
}

/* ---- publishing, from any thread ---- */

/* Slow a cell down that publishes faster than clients read; see kernel.h, Threads. */
static void
wait_for_room(struct ink_jupyter_request *request)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    struct ink_kernel *kernel = request->kernel;
    uint64_t start_ns = ink_clock_ns();

    if (!(request->route->flags & INK_ROUTE_CELL))
        return;
    while (atomic_load(&kernel->outbox_size) > INK_LIMIT_JUPYTER_OUTBOX_SIZE &&
           !atomic_load(&kernel->is_stopping)) {
        if (ink_jupyter_is_cancelled(request) && ink_clock_ms_since(start_ns) > 10)
            return; /* it must get back to its cancel flag */
        (void)nanosleep(&pause, NULL);
    }
}

static void
post(struct ink_kernel *kernel, struct output *output)
{
    output->counted = sizeof(*output) + output->content.size;
    for (size_t i = 0; i < output->buffer_count; i++)
        output->counted += output->buffers[i].size;
    atomic_fetch_add(&kernel->outbox_size, output->counted);
    ink_mailbox_post(&kernel->iopub_box, &output->mail);
}

void
ink_iopub_status(struct ink_kernel *kernel, struct ink_jupyter_request *request,
                 enum ink_iopub_state state)
{
    struct output *output = create(request, OUTPUT_STATUS, "status");

    output->state = state;
    post(kernel, output);
}

void
ink_iopub_status_held(struct ink_kernel *kernel, struct ink_jupyter_request *request)
{
    struct output *output = create(request, OUTPUT_HELD, "status");

    output->state = INK_IOPUB_BUSY;
    post(kernel, output);
}

void
ink_iopub_stream(struct ink_jupyter_request *request, enum ink_jupyter_stream stream,
                 const char *text, size_t size)
{
    struct output *output;

    wait_for_room(request);
    output = create(request, OUTPUT_STREAM, "stream");
    output->stream = stream;
    ink_buf_append(&output->content, text, size);
    post(request->kernel, output);
}

static void
copy_buffers(struct output *output, const struct ink_jupyter_data *buffers, size_t count)
{
    size_t size = count * sizeof(*buffers);
    char *bytes;

    if (count == 0)
        return;
    for (size_t i = 0; i < count; i++)
        size += buffers[i].size;
    output->buffers = ink_kernel_alloc(size);
    output->buffer_count = count;
    bytes = (char *)(output->buffers + count);
    for (size_t i = 0; i < count; i++) {
        output->buffers[i] = (struct ink_jupyter_data){.bytes = bytes, .size = buffers[i].size};
        if (buffers[i].size)
            memcpy(bytes, buffers[i].bytes, buffers[i].size);
        bytes += buffers[i].size;
    }
}

void
ink_iopub_send(struct ink_jupyter_request *request, struct ink_iopub_message *message)
{
    struct output *output;

    wait_for_room(request);
    output = create(request, message->display_id ? OUTPUT_UPDATE : OUTPUT_MESSAGE, message->type);
    output->content = message->content;
    message->content = (struct ink_buf){0};
    if (message->display_id)
        output->display_id = strdup(message->display_id); /* lost: the update is not replaced */
    copy_buffers(output, message->buffers, message->buffer_count);
    post(request->kernel, output);
}

/* ---- the queue; the iopub thread from here on ---- */

static void
append(struct iopub *pub, struct output *output)
{
    output->mail.next = NULL;
    if (pub->last)
        pub->last->mail.next = &output->mail;
    else
        pub->first = output;
    pub->last = output;
}

static void
append_status(struct iopub *pub, struct ink_jupyter_request *request, enum ink_iopub_state state)
{
    struct output *output = create(request, OUTPUT_STATUS, "status");

    output->state = state;
    append(pub, output);
}

/* Queue what was held: each message's busy and idle. */
static void
release_held(struct iopub *pub)
{
    if (!pub->held_first)
        return;
    while (pub->held_first) {
        struct output *busy = pub->held_first;

        pub->held_first = next_of(busy);
        append(pub, busy);
        append_status(pub, busy->request, INK_IOPUB_IDLE);
    }
    pub->held_last = NULL;
    pub->held_count = 0;
    if (pub->running)
        append_status(pub, pub->running, INK_IOPUB_BUSY);
}

static void
hold(struct iopub *pub, struct output *output)
{
    output->mail.next = NULL;
    if (pub->held_last)
        pub->held_last->mail.next = &output->mail;
    else
        pub->held_first = output;
    pub->held_last = output;
    pub->held_ns = output->born_ns;
    if (++pub->held_count >= INK_LIMIT_JUPYTER_HELD)
        release_held(pub);
}

static void
queue_status(struct iopub *pub, struct output *output)
{
    const struct ink_route *route = output->request ? output->request->route : NULL;

    release_held(pub);
    append(pub, output);
    if (route && (route->flags & INK_ROUTE_CELL)) {
        ink_jupyter_request_unref(&pub->running);
        if (output->state == INK_IOPUB_BUSY)
            pub->running = ink_jupyter_request_ref(output->request);
    } else if (output->state == INK_IOPUB_IDLE && pub->running) {
        append_status(pub, pub->running, INK_IOPUB_BUSY);
    }
}

static void
queue_stream(struct iopub *pub, struct output *output)
{
    struct output *last = pub->last;

    if (last && last->kind == OUTPUT_STREAM && last->request == output->request &&
        last->stream == output->stream && !last->frames && last->content.size < STREAM_SIZE) {
        ink_buf_append(&last->content, output->content.bytes, output->content.size);
        last->counted += output->counted;
        output->counted = 0;
        destroy(pub->kernel, output);
        return;
    }
    append(pub, output);
}

/* An update that still waits for its turn is replaced by the newer one. */
static void
queue_update(struct iopub *pub, struct output *output)
{
    size_t searched = 0;

    for (struct output *old = pub->first; old && searched++ < UPDATE_SEARCH_MAX;
         old = next_of(old)) {
        struct ink_buf content = old->content;
        size_t counted = old->counted;

        if (old->kind != OUTPUT_UPDATE || old->frames || !old->display_id || !output->display_id ||
            old->request != output->request || strcmp(old->display_id, output->display_id) != 0)
            continue;
        old->content = output->content;
        old->counted = output->counted;
        output->content = content;
        output->counted = counted;
        destroy(pub->kernel, output);
        return;
    }
    append(pub, output);
}

static void
take_mail(struct iopub *pub)
{
    struct ink_mail *next;

    for (struct ink_mail *mail = ink_mailbox_take(&pub->kernel->iopub_box); mail; mail = next) {
        struct output *output = (struct output *)mail;

        next = mail->next;
        switch (output->kind) {
        case OUTPUT_MESSAGE:
            append(pub, output);
            break;
        case OUTPUT_STREAM:
            queue_stream(pub, output);
            break;
        case OUTPUT_UPDATE:
            queue_update(pub, output);
            break;
        case OUTPUT_STATUS:
            queue_status(pub, output);
            break;
        case OUTPUT_HELD:
            hold(pub, output);
            break;
        }
    }
}

/* ---- sending ---- */

/* Turn what a stream or a status still keeps apart into JSON. */
static void
write_content(struct output *output)
{
    static const char *const states[] = {"starting", "busy", "idle"};

    if (output->kind == OUTPUT_STREAM) {
        INK_CLEANUP(ink_buf_fini) struct ink_buf text = output->content;

        output->content = (struct ink_buf){0};
        ink_buf_printf(&output->content, "{\"name\":\"%s\",\"text\":",
                       output->stream == INK_JUPYTER_STDERR ? "stderr" : "stdout");
        ink_content_string(&output->content, ink_buf_text(&text), text.size);
        ink_buf_putc(&output->content, '}');
    } else if (output->kind == OUTPUT_STATUS || output->kind == OUTPUT_HELD) {
        ink_buf_printf(&output->content, "{\"execution_state\":\"%s\"}", states[output->state]);
    }
}

static bool
encode(struct iopub *pub, struct output *output)
{
    struct ink_jmsg_out message = {.type = output->type,
                                   .content = &output->content,
                                   .buffers = output->buffers,
                                   .buffer_count = output->buffer_count};
    struct ink_err err;

    if (output->request)
        message.parent = output->request->wire.header;
    write_content(output);
    if (ink_jmsg_encode(&pub->kernel->wire, &message, NULL, &output->frames, &err)) {
        ink_log(INK_LOG_ERROR, "jupyter", "a %s message is lost: %s", output->type, err.message);
        return false;
    }
    if (output->topic)
        (void)zmsg_pushstr(output->frames, output->topic);
    else
        (void)zmsg_pushstrf(output->frames, "kernel.%s.%s", pub->kernel->wire.session,
                            output->type);
    return true;
}

/*
 * Whether the socket may drop a message for readers that have no room for it.
 *
 * One stands still; the others, whom the socket does not tell apart from it, must not lose
 * anything. So messages go past it at a pace that they can keep up with.
 */
static bool
may_drop(struct iopub *pub, size_t size)
{
    bool is_known = pub->stalled_ns && ink_clock_ms_since(pub->stalled_ns) < STALL_MEMORY_MS;
    uint64_t now_ns = ink_clock_ns();

    if (!pub->is_stalled && ink_clock_ms_since(pub->blocked_ns) >
                                (is_known ? STALL_AGAIN_MS : INK_LIMIT_JUPYTER_STALL_MS)) {
        if (!is_known)
            ink_log(INK_LOG_WARN, "jupyter", "a client does not read its outputs: it loses some");
        pub->is_stalled = true;
        pub->stalled_ns = now_ns;
    }
    if (!pub->is_stalled || now_ns < pub->pace_ns)
        return false;
    if (pub->pace_ns + PACE_BURST_NS < now_ns)
        pub->pace_ns = now_ns - PACE_BURST_NS;
    pub->pace_ns += PACE_MESSAGE_NS + (uint64_t)size * PACE_BYTE_NS;
    return true;
}

/* Give frames to the socket. False: a reader has no room, the frames are as they were. */
static bool
try_send(struct iopub *pub, zmsg_t **frames)
{
    if (zmsg_send(frames, pub->socket) == 0) {
        pub->is_blocked = pub->is_stalled = false;
        return true;
    }
    if (errno != EAGAIN) {
        zmsg_destroy(frames);
        return true;
    }
    if (!pub->is_blocked) {
        pub->is_blocked = true;
        pub->blocked_ns = ink_clock_ns();
    }
    if (!may_drop(pub, zmsg_content_size(*frames)))
        return false;
    /* Only this message, and only for those without room; the next tries anew. */
    zsock_set_xpub_nodrop(pub->socket, 0);
    if (zmsg_send(frames, pub->socket) != 0)
        zmsg_destroy(frames);
    zsock_set_xpub_nodrop(pub->socket, 1);
    return true;
}

/* Text that may grow a little longer before it is sent. */
static bool
is_gathering(const struct iopub *pub, const struct output *output)
{
    return output->kind == OUTPUT_STREAM && output == pub->last &&
           output->content.size < STREAM_SIZE && !output->frames &&
           ink_clock_ms_since(output->born_ns) < STREAM_MS;
}

/* Answer a subscription, before anything else that this subscriber gets. */
static void
welcome(struct iopub *pub, const char *topic, size_t size)
{
    struct output *output;

    if (size > INK_LIMIT_JUPYTER_TOPIC_SIZE || memchr(topic, '\0', size) ||
        !ink_utf8_is_valid(topic, size))
        return;
    output = create(NULL, OUTPUT_MESSAGE, "iopub_welcome");
    output->topic = ink_kernel_alloc(size + 1);
    memcpy(output->topic, topic, size);
    ink_buf_puts(&output->content, "{\"subscription\":");
    ink_content_string(&output->content, topic, size);
    ink_buf_putc(&output->content, '}');
    output->mail.next = pub->first ? &pub->first->mail : NULL;
    pub->first = output;
    if (!pub->last)
        pub->last = output;
    if (!pub->has_subscriber)
        append_status(pub, NULL, INK_IOPUB_STARTING);
    pub->has_subscriber = true;
}

/* Take what subscribers say: 1 and a topic, or 0 and a topic; all else is noise. */
static void
read_subscriptions(struct iopub *pub)
{
    while (zsock_events(pub->socket) & ZMQ_POLLIN) {
        INK_CLEANUP(zmsg_destroy) zmsg_t *frames = zmsg_recv(pub->socket);
        zframe_t *frame = frames ? zmsg_first(frames) : NULL;

        if (!frame)
            return;
        if (zmsg_size(frames) == 1 && zframe_size(frame) > 0 && zframe_data(frame)[0] == 1)
            welcome(pub, (const char *)zframe_data(frame) + 1, zframe_size(frame) - 1);
    }
}

/* Send what can be sent. */
static void
flush(struct iopub *pub, bool is_last)
{
    while (pub->first) {
        struct output *output = pub->first;

        if (!is_last && is_gathering(pub, output))
            return;
        read_subscriptions(pub);
        output = pub->first;
        if ((output->frames || encode(pub, output)) && !try_send(pub, &output->frames))
            return;
        pub->first = next_of(output);
        if (!pub->first)
            pub->last = NULL;
        destroy(pub->kernel, output);
    }
}

/* ---- the thread ---- */

/* Milliseconds until something is due; -1: nothing is. */
static long
until_due(const struct iopub *pub)
{
    double left = -1;

    if (pub->is_blocked && pub->first)
        return RETRY_MS;
    if (pub->first)
        left = STREAM_MS - ink_clock_ms_since(pub->first->born_ns);
    if (pub->held_first) {
        double quiet = QUIET_MS - ink_clock_ms_since(pub->held_ns);

        left = pub->first && left < quiet ? left : quiet;
    }
    if (!pub->first && !pub->held_first)
        return -1;
    return left > 0 ? (long)left + 1 : 0;
}

/* Last chance for what is queued. */
static void
end(struct iopub *pub)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    uint64_t start_ns = ink_clock_ns();

    take_mail(pub);
    release_held(pub);
    flush(pub, true);
    while (pub->first && ink_clock_ms_since(start_ns) < LAST_MS) {
        (void)nanosleep(&pause, NULL);
        flush(pub, true);
    }
    while (pub->first) {
        struct output *output = pub->first;

        pub->first = next_of(output);
        destroy(pub->kernel, output);
    }
    ink_jupyter_request_unref(&pub->running);
}

void
ink_iopub_actor(zsock_t *pipe, void *args)
{
    struct iopub pub = {.kernel = args};

    pub.socket = pub.kernel->sockets[INK_SOCKET_IOPUB];
    zsock_set_sndtimeo(pub.socket, 0);
    ink_kernel_name_thread("ink-iopub");
    (void)zsock_signal(pipe, 0);
    for (;;) {
        zmq_pollitem_t items[] = {
            {.socket = zsock_resolve(pipe), .events = ZMQ_POLLIN},
            {.socket = zsock_resolve(pub.socket), .events = ZMQ_POLLIN},
            {.fd = pub.kernel->iopub_box.fd, .events = ZMQ_POLLIN},
        };

        if (zmq_poll(items, 3, until_due(&pub)) < 0 && errno != EINTR)
            break; /* the context is gone */
        if (items[0].revents)
            break;
        read_subscriptions(&pub);
        take_mail(&pub);
        if (pub.held_first && ink_clock_ms_since(pub.held_ns) >= QUIET_MS)
            release_held(&pub);
        flush(&pub, false);
    }
    end(&pub);
}
