/* SPDX-License-Identifier: MIT */
#include "kernel/http/transport.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "kernel/http/listen.h"

enum {
    POOL_SIZE = 64 << 10,   /* of a connection: its head, and what is read of a body at once */
    CONNECTIONS_SPARE = 64, /* the table (connections.h) is to say no, not the library */
    SWEEP_MS = 100,         /* a deadline is kept within this */
    ACCEPT_MAX = 64,        /* connections taken in a row, then the deadlines have their turn */
    DRAIN_GRACE_MS = 100,   /* requests that are in the sockets' buffers already */
    DRAIN_POLL_MS = 5,
};

struct ink_transport {
    struct MHD_Daemon *daemon;
    int listen_fd, port;
    struct ink_gate gate;
    ink_http_handler_fn handler;
    void *self;
    struct ink_connections *connections;
    atomic_size_t flight_size; /* bytes of bodies held */
    atomic_bool is_draining;
    bool can_check_bytes; /* the library parses in place: see ink_gate_check_bytes */

    /* The keeper accepts connections and keeps the deadlines. The library can accept too, but
     * told to stop it races with its own threads and ends the process (0.9.75). */
    pthread_t keeper;
    bool has_keeper;
    int wake[2]; /* a pipe: a byte written to it ends the keeper's wait */
    atomic_bool is_stopping;
};

/* One request on its way: from its first line until its reply is out. */
struct exchange {
    struct ink_connection *row; /* may be NULL: no memory */
    uint64_t start_ns;
    bool is_begun;
    struct ink_http_head head;
    struct ink_http_field field[INK_LIMIT_HTTP_FIELD_COUNT + 1]; /* trimmed */
    size_t field_count;
    struct ink_buf body;
    size_t flight_size;              /* this body's share of the transport's */
    struct ink_gate_verdict verdict; /* answered when the request is whole, if it is not 200 */
    size_t dropped;                  /* bytes of the body that were not kept */
    char target[];
};

static const char security_policy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/* ---- the reply ---- */

static struct MHD_Response *
response_of(struct ink_http_reply *reply)
{
    size_t size = reply->body.size;
    char *bytes;

    if (reply->asset)
        return MHD_create_response_from_buffer(reply->asset_size, (void *)(uintptr_t)reply->asset,
                                               MHD_RESPMEM_PERSISTENT);
    bytes = ink_buf_take(&reply->body);
    if (!bytes)
        return NULL;
    return MHD_create_response_from_buffer(size, bytes, MHD_RESPMEM_MUST_FREE);
}

static void
add_headers(const struct ink_transport *transport, struct MHD_Response *response,
            const struct ink_http_reply *reply)
{
    char number[16];

    if (reply->content_type)
        (void)MHD_add_response_header(response, "Content-Type", reply->content_type);
    (void)MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    /* Answers follow a network that learns; pages are asked again by their tag. */
    (void)MHD_add_response_header(response, "Cache-Control",
                                  reply->etag[0] ? "no-cache" : "no-store");
    if (reply->etag[0])
        (void)MHD_add_response_header(response, "ETag", reply->etag);
    if (reply->is_page) {
        (void)MHD_add_response_header(response, "Content-Security-Policy", security_policy);
        (void)MHD_add_response_header(response, "Referrer-Policy", "no-referrer");
    }
    if (reply->allow[0])
        (void)MHD_add_response_header(response, "Allow", reply->allow);
    if (reply->status == 401)
        (void)MHD_add_response_header(response, "WWW-Authenticate", "Bearer realm=\"inkling\"");
    if (reply->retry_after_s > 0) {
        (void)snprintf(number, sizeof(number), "%d", reply->retry_after_s);
        (void)MHD_add_response_header(response, "Retry-After", number);
    }
    if (reply->must_close || atomic_load(&transport->is_draining))
        (void)MHD_add_response_header(response, "Connection", "close");
}

/* Send the reply; its bytes are taken. */
static enum MHD_Result
queue_reply(struct ink_transport *transport, struct MHD_Connection *connection,
            struct exchange *exchange, struct ink_http_reply *reply)
{
    struct MHD_Response *response;
    enum MHD_Result result;

    ink_connections_enter(transport->connections, exchange->row, INK_CONNECTION_REPLY);
    response = response_of(reply);
    if (!response)
        return MHD_NO;
    add_headers(transport, response, reply);
    result = MHD_queue_response(connection, (unsigned)reply->status, response);
    MHD_destroy_response(response);
    ink_log(INK_LOG_DEBUG, "http", "'%.64s' %d in %.2f ms", exchange->target, reply->status,
            ink_clock_ms_since(exchange->start_ns));
    return result;
}

/* Answer with the exchange's verdict. */
static enum MHD_Result
queue_error(struct ink_transport *transport, struct MHD_Connection *connection,
            struct exchange *exchange)
{
    INK_CLEANUP(ink_http_reply_fini) struct ink_http_reply reply = {0};

    ink_http_reply_error(&reply, exchange->verdict.status, exchange->verdict.err.message);
    reply.must_close = exchange->verdict.must_close;
    reply.retry_after_s = exchange->verdict.status == 503;
    return queue_reply(transport, connection, exchange, &reply);
}

/* ---- the head ---- */

static enum MHD_Result
on_field(void *self, enum MHD_ValueKind kind, const char *name, size_t name_size, const char *value,
         size_t value_size)
{
    struct exchange *exchange = self;

    (void)kind;
    if (exchange->field_count > INK_LIMIT_HTTP_FIELD_COUNT)
        return MHD_NO; /* one too many is enough to know */
    exchange->field[exchange->field_count++] =
        (struct ink_http_field){name, value ? value : "", name_size, value ? value_size : 0};
    return MHD_YES;
}

static void
trim_fields(struct exchange *exchange)
{
    for (size_t i = 0; i < exchange->field_count; i++) {
        struct ink_http_field *field = &exchange->field[i];

        while (field->value_size > 0 && (field->value[field->value_size - 1] == ' ' ||
                                         field->value[field->value_size - 1] == '\t'))
            field->value_size--;
    }
}

/* What the parser does not show: bytes between the fields. */
static bool
has_hidden_bytes(const struct ink_transport *transport, struct MHD_Connection *connection,
                 const struct exchange *exchange, const char *method, const char *version)
{
    const union MHD_ConnectionInfo *info;

    if (!transport->can_check_bytes || exchange->field_count > INK_LIMIT_HTTP_FIELD_COUNT)
        return false;
    info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    if (version != method + strlen(method) + 1 + strlen(exchange->target) + 1)
        return true;
    return info && !ink_gate_check_bytes(method, info->header_size, version, exchange->field,
                                         exchange->field_count);
}

static enum MHD_Result
begin(struct ink_transport *transport, struct MHD_Connection *connection, struct exchange *exchange,
      const char *method, const char *version)
{
    struct ink_gate_verdict *verdict = &exchange->verdict;
    struct ink_gate_input input = {
        .method = method, .target = exchange->target, .version = version};
    bool is_little_too_much;

    exchange->is_begun = true;
    (void)MHD_get_connection_values_n(connection, MHD_HEADER_KIND, on_field, exchange);
    if (has_hidden_bytes(transport, connection, exchange, method, version)) {
        *verdict = (struct ink_gate_verdict){.status = 400, .must_close = true};
        (void)ink_fail(&verdict->err, INK_BADDATA,
                       "the head has a zero byte, a bare line feed, a folded line or blanks where "
                       "none belong");
        return queue_error(transport, connection, exchange);
    }
    trim_fields(exchange);
    input.field = exchange->field;
    input.field_count = exchange->field_count;
    ink_gate_check(&transport->gate, &input, &exchange->head, verdict);

    /* A little too much is read and dropped: the client then sees the answer, not a reset. */
    is_little_too_much =
        verdict->status == 413 && !exchange->head.expects_continue && exchange->head.has_body &&
        exchange->head.body_size <= INK_LIMIT_HTTP_BODY_SIZE + INK_LIMIT_HTTP_BODY_SLACK;
    /* A reply that is queued now closes the connection; all others wait for the next call. */
    if (verdict->status != 200 && !is_little_too_much &&
        (verdict->must_close || exchange->head.has_body)) {
        verdict->must_close = true;
        return queue_error(transport, connection, exchange);
    }
    if (exchange->head.has_body)
        ink_connections_enter(transport->connections, exchange->row, INK_CONNECTION_BODY);
    return MHD_YES;
}

/* ---- the body ---- */

/* From here on the body is read and dropped. */
static void
refuse_body(struct ink_transport *transport, struct exchange *exchange, int http_status)
{
    struct ink_gate_verdict *verdict = &exchange->verdict;

    *verdict = (struct ink_gate_verdict){.status = http_status, .must_close = true};
    if (http_status == 413)
        (void)ink_fail(&verdict->err, INK_TOOBIG, "the body is larger than %d bytes",
                       INK_LIMIT_HTTP_BODY_SIZE);
    else
        (void)ink_fail(&verdict->err, INK_BUSY,
                       "no memory for the body now: too many requests at once");
    ink_buf_fini(&exchange->body);
    atomic_fetch_sub(&transport->flight_size, exchange->flight_size);
    exchange->flight_size = 0;
}

static enum MHD_Result
take_body(struct ink_transport *transport, struct exchange *exchange, const char *bytes,
          size_t size)
{
    ink_connections_received(transport->connections, exchange->row, size);
    if (exchange->verdict.status == 200) {
        size_t in_flight = atomic_fetch_add(&transport->flight_size, size) + size;

        exchange->flight_size += size;
        if (exchange->body.size + size > INK_LIMIT_HTTP_BODY_SIZE)
            refuse_body(transport, exchange, 413);
        else if (in_flight > INK_LIMIT_HTTP_FLIGHT_SIZE)
            refuse_body(transport, exchange, 503);
    }
    if (exchange->verdict.status == 200) {
        ink_buf_append(&exchange->body, bytes, size);
        if (!exchange->body.is_broken)
            return MHD_YES;
        refuse_body(transport, exchange, 503);
    }
    exchange->dropped += size;
    if (exchange->head.is_chunked && exchange->dropped > INK_LIMIT_HTTP_BODY_SLACK)
        return MHD_NO; /* it does not end: the connection is closed */
    return MHD_YES;
}

static enum MHD_Result
dispatch(struct ink_transport *transport, struct MHD_Connection *connection,
         struct exchange *exchange)
{
    INK_CLEANUP(ink_http_reply_fini) struct ink_http_reply reply = {.status = 200};
    struct ink_http_request request = {.head = exchange->head};

    if (exchange->verdict.status != 200)
        return queue_error(transport, connection, exchange);
    ink_connections_enter(transport->connections, exchange->row, INK_CONNECTION_REPLY);
    request.body = ink_buf_text(&exchange->body);
    request.body_size = exchange->body.size;
    transport->handler(transport->self, &request, &reply);
    return queue_reply(transport, connection, exchange, &reply);
}

/* ---- the library's callbacks ---- */

static void *
on_request_line(void *self, const char *target, struct MHD_Connection *connection)
{
    struct ink_transport *transport = self;
    size_t size = target ? strlen(target) : 0;
    struct exchange *exchange = calloc(1, sizeof(*exchange) + size + 1);
    const union MHD_ConnectionInfo *info;

    if (!exchange)
        return NULL;
    if (target)
        memcpy(exchange->target, target, size + 1);
    exchange->start_ns = ink_clock_ns();
    info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    exchange->row = info ? info->socket_context : NULL;
    ink_connections_enter(transport->connections, exchange->row, INK_CONNECTION_HEAD);
    return exchange;
}

static enum MHD_Result /* NOLINTNEXTLINE: the library's parameters */
on_request(void *self, struct MHD_Connection *connection, const char *url, const char *method,
           const char *version, const char *bytes, size_t *size, void **request_state)
{
    struct ink_transport *transport = self;
    struct exchange *exchange = *request_state;

    (void)url; /* decoded by the library; ours is the one from the request line */
    if (!exchange)
        return MHD_NO; /* there was no memory for it */
    if (!exchange->is_begun)
        return begin(transport, connection, exchange, method, version);
    if (*size > 0) {
        enum MHD_Result result = take_body(transport, exchange, bytes, *size);

        *size = 0;
        return result;
    }
    return dispatch(transport, connection, exchange);
}

static void
on_completed(void *self, struct MHD_Connection *connection, void **request_state,
             enum MHD_RequestTerminationCode reason)
{
    struct ink_transport *transport = self;
    struct exchange *exchange = *request_state;

    (void)connection, (void)reason;
    if (!exchange)
        return;
    ink_connections_enter(transport->connections, exchange->row, INK_CONNECTION_IDLE);
    atomic_fetch_sub(&transport->flight_size, exchange->flight_size);
    ink_buf_fini(&exchange->body);
    free(exchange);
    *request_state = NULL;
}

static void
on_connection(void *self, struct MHD_Connection *connection, void **socket_state,
              enum MHD_ConnectionNotificationCode what)
{
    struct ink_transport *transport = self;
    const union MHD_ConnectionInfo *fd;

    if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
        ink_connections_remove(transport->connections, *socket_state);
        *socket_state = NULL;
        return;
    }
    fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    *socket_state = fd ? ink_connections_find(transport->connections, fd->connect_fd) : NULL;
}

static void on_log(void *self, const char *fmt, va_list args) INK_PRINTF(2, 0);

static void
on_log(void *self, const char *fmt, va_list args)
{
    char text[256];

    (void)self;
    (void)vsnprintf(text, sizeof(text), fmt, args);
    text[strcspn(text, "\n")] = '\0';
    ink_log(INK_LOG_DEBUG, "http", "libmicrohttpd: %s", text);
}

/* ---- start and stop ---- */

/* Hand a new socket to the library; closes it on failure. */
static void
take_in(struct ink_transport *transport, int fd, const struct sockaddr *address, socklen_t size)
{
    struct ink_connection *row = NULL;

    (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    if (ink_connections_admit(transport->connections, address, size))
        row = ink_connections_add(transport->connections, fd, address, size);
    if (!row)
        (void)close(fd);
    else if (MHD_add_connection(transport->daemon, fd, address, size) == MHD_NO) /* closed it */
        ink_connections_remove(transport->connections, row);
}

/* Take in who waits; false when descriptors or memory have run out. */
static bool
accept_newcomers(struct ink_transport *transport)
{
    for (int i = 0; i < ACCEPT_MAX; i++) {
        struct sockaddr_storage address;
        socklen_t size = sizeof(address);
        int fd = accept(transport->listen_fd, (struct sockaddr *)&address, &size);

        if (fd < 0)
            return errno != EMFILE && errno != ENFILE && errno != ENOMEM && errno != ENOBUFS;
        take_in(transport, fd, (struct sockaddr *)&address, size);
    }
    return true;
}

static void *
run_keeper(void *self)
{
    struct ink_transport *transport = self;
    bool can_accept = true;

    while (!atomic_load(&transport->is_stopping)) {
        struct pollfd wait[] = {{.fd = transport->wake[0], .events = POLLIN},
                                {.fd = transport->listen_fd, .events = POLLIN}};
        char byte;
        size_t count;

        if (!can_accept)
            wait[1].fd = -1; /* it would be ready at once, again and again */
        (void)poll(wait, 2, SWEEP_MS);
        if (wait[0].revents & POLLIN && read(transport->wake[0], &byte, 1) < 0)
            break;
        can_accept = transport->listen_fd < 0 || accept_newcomers(transport);
        if (atomic_load(&transport->is_draining) && transport->listen_fd >= 0) {
            (void)close(transport->listen_fd);
            transport->listen_fd = -1;
        }
        count = ink_connections_sweep(transport->connections, ink_clock_ns());
        if (count > 0)
            ink_log(INK_LOG_INFO, "http", "closed %zu connections at their deadline", count);
    }
    return NULL;
}

static void
wake_keeper(struct ink_transport *transport)
{
    if (write(transport->wake[1], "", 1) < 0)
        ink_log(INK_LOG_ERROR, "http", "cannot wake the keeper thread");
}

static enum ink_status
start_keeper(struct ink_transport *transport, struct ink_err *err)
{
    if (pthread_create(&transport->keeper, NULL, run_keeper, transport) != 0)
        return ink_fail(err, INK_NOMEM, "cannot start a thread for connections");
    transport->has_keeper = true;
    return INK_OK;
}

static enum ink_status
start_daemon(struct ink_transport *transport, const struct ink_transport_options *options,
             struct ink_err *err)
{
    const unsigned flags =
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ERROR_LOG;
    struct MHD_OptionItem items[] = {
        {MHD_OPTION_CONNECTION_MEMORY_LIMIT, POOL_SIZE, NULL},
        {MHD_OPTION_CONNECTION_LIMIT,
         (intptr_t)(INK_LIMIT_HTTP_CONNECTIONS + CONNECTIONS_SPARE) * options->threads, NULL},
        {MHD_OPTION_CONNECTION_TIMEOUT, (options->deadlines.idle_ms + 999) / 1000, NULL},
        {MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)on_completed, transport},
        {MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)on_connection, transport},
        {MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)on_request_line, transport},
#if MHD_VERSION >= 0x01000000
        {MHD_OPTION_CLIENT_DISCIPLINE_LVL, 1, NULL},
#endif
        /* A pool of one is none. */
        {options->threads > 1 ? MHD_OPTION_THREAD_POOL_SIZE : MHD_OPTION_END, options->threads,
         NULL},
        {MHD_OPTION_END, 0, NULL},
    };

    transport->daemon =
        MHD_start_daemon(flags, 0, NULL, NULL, on_request, transport, MHD_OPTION_EXTERNAL_LOGGER,
                         on_log, NULL, MHD_OPTION_ARRAY, items, MHD_OPTION_END);
    if (!transport->daemon)
        return ink_fail_errno(err, "cannot start the HTTP server");
    return INK_OK;
}

enum ink_status
ink_transport_start(const struct ink_transport_options *options,
                    struct ink_transport **out_transport, struct ink_err *err)
{
    struct ink_transport *transport;
    enum ink_status status;

    assert(options->handler && options->threads >= 1 && options->threads <= 64);
    transport = calloc(1, sizeof(*transport));
    if (!transport)
        return ink_fail(err, INK_NOMEM, "no memory for the HTTP server");
    transport->listen_fd = transport->wake[0] = transport->wake[1] = -1;
    transport->gate = options->gate;
    transport->handler = options->handler;
    transport->self = options->self;
    transport->can_check_bytes = strcmp(MHD_get_version(), "0.9.75") == 0;
    if (pipe(transport->wake) < 0)
        status = ink_fail_errno(err, "cannot make a pipe");
    else
        status = ink_connections_create(&options->deadlines, &transport->connections, err);
    if (!status)
        status =
            ink_listen(options->host, options->port, &transport->listen_fd, &transport->port, err);
    transport->gate.port = transport->port;
    if (!status)
        status = start_daemon(transport, options, err);
    if (!status)
        status = start_keeper(transport, err);
    if (status) {
        (void)ink_transport_stop(&transport, 0);
        return status;
    }
    *out_transport = transport;
    return INK_OK;
}

int
ink_transport_port(const struct ink_transport *transport)
{
    return transport->port;
}

/* Let what runs finish; returns the requests that did not. */
static size_t
drain(struct ink_transport *transport, int drain_ms)
{
    const struct timespec nap = {.tv_nsec = DRAIN_POLL_MS * 1000000L};
    uint64_t start = ink_clock_ns();
    size_t active;

    atomic_store(&transport->is_draining, true);
    wake_keeper(transport); /* it takes in who waits already and closes the door */
    for (;;) {
        active = ink_connections_active_count(transport->connections);
        if (ink_clock_ms_since(start) >= drain_ms ||
            (active == 0 && ink_clock_ms_since(start) >= DRAIN_GRACE_MS))
            return active;
        (void)nanosleep(&nap, NULL);
    }
}

size_t
ink_transport_stop(struct ink_transport **transport, int drain_ms)
{
    struct ink_transport *gone = *transport;
    size_t cut_count = 0;

    if (!gone)
        return 0;
    if (gone->has_keeper) {
        cut_count = drain(gone, drain_ms);
        atomic_store(&gone->is_stopping, true);
        wake_keeper(gone);
        (void)pthread_join(gone->keeper, NULL);
    }
    if (gone->daemon)
        MHD_stop_daemon(gone->daemon);
    ink_connections_destroy(&gone->connections);
    ink_closep(&gone->listen_fd);
    ink_closep(&gone->wake[0]);
    ink_closep(&gone->wake[1]);
    free(gone);
    *transport = NULL;
    return cut_count;
}
