/* SPDX-License-Identifier: MIT */
#include "kernel/jupyter/connection.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/parse.h"

enum { BIND_TRIES = 10, BIND_PAUSE_MS = 50, LINGER_MS = 300, HANDSHAKE_MS = 5000 };
enum { STALLED_READER_MESSAGES = 64, PORT_MAX = 65535 };

/* clang-format off */
static const struct {
    const char *field;
    int type;
    int message_size_max;
} socket_info[INK_SOCKET_COUNT] = {
    [INK_SOCKET_SHELL]     = {"shell_port",   ZMQ_ROUTER, INK_LIMIT_JUPYTER_MESSAGE_SIZE},
    [INK_SOCKET_CONTROL]   = {"control_port", ZMQ_ROUTER, INK_LIMIT_JUPYTER_MESSAGE_SIZE},
    [INK_SOCKET_STDIN]     = {"stdin_port",   ZMQ_ROUTER, INK_LIMIT_JUPYTER_MESSAGE_SIZE},
    [INK_SOCKET_IOPUB]     = {"iopub_port",   ZMQ_XPUB,   INK_LIMIT_JUPYTER_HEADER_SIZE},
    [INK_SOCKET_HEARTBEAT] = {"hb_port",      ZMQ_ROUTER, INK_LIMIT_JUPYTER_HEADER_SIZE},
};
/* clang-format on */

/* ---- the file ---- */

/* Copy a string member, or `otherwise` when it is absent and that is not NULL. */
static enum ink_status
read_text(const struct ink_json *json, const char *field, const char *otherwise,
          struct ink_buf *out_text, struct ink_err *err)
{
    const struct ink_json *member = ink_json_find(json, field);
    const char *text = ink_json_string(member, member ? NULL : otherwise);

    ink_buf_clear(out_text);
    if (!text)
        return ink_fail(err, INK_BADDATA, member ? "%s is not a string" : "%s is missing", field);
    ink_buf_puts(out_text, text);
    return ink_buf_check(out_text, err);
}

static enum ink_status
read_field(const struct ink_json *json, const char *field, const char *otherwise, char *out,
           size_t out_size, struct ink_err *err)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf text = {0};
    enum ink_status status = read_text(json, field, otherwise, &text, err);

    if (status)
        return status;
    if (text.size >= out_size)
        return ink_fail(err, INK_BADDATA, "%s has %zu characters, at most %zu", field, text.size,
                        out_size - 1);
    memcpy(out, ink_buf_text(&text), text.size + 1);
    return INK_OK;
}

/* A port is a number or, in some launchers' files, the same as a string. */
static enum ink_status
read_port(const struct ink_json *json, const char *field, int *out_port, struct ink_err *err)
{
    const struct ink_json *member = ink_json_find(json, field);
    double number = ink_json_number(member, 0);
    int64_t port = 0;

    if (ink_json_is_string(member)) {
        enum ink_status status =
            ink_parse_int(field, ink_json_string(member, ""), 0, PORT_MAX, &port, err);

        if (status)
            return ink_fail(err, INK_BADDATA, "%s is not a port number from 0 to %d", field,
                            PORT_MAX);
        *out_port = (int)port;
        return INK_OK;
    }
    if (member && !ink_json_is_number(member))
        return ink_fail(err, INK_BADDATA, "%s is not a number", field);
    if (!(number >= 0 && number <= PORT_MAX) || number != (double)(int)number)
        return ink_fail(err, INK_BADDATA, "%s %g is not a port number from 0 to %d", field, number,
                        PORT_MAX);
    *out_port = (int)number;
    return INK_OK;
}

/* CURVE is all or nothing: half of it would be a kernel that only seems to be private. */
static enum ink_status
check_curve(const struct ink_connection *connection, struct ink_err *err)
{
    uint8_t bytes[32];

    if (!connection->curve_secret[0] && !connection->curve_public[0])
        return INK_OK;
    if (!connection->curve_secret[0] || !connection->curve_public[0])
        return ink_fail(err, INK_BADDATA, "%s without %s",
                        connection->curve_secret[0] ? "curve_secretkey" : "curve_publickey",
                        connection->curve_secret[0] ? "curve_publickey" : "curve_secretkey");
    if (strlen(connection->curve_secret) != 40 || strlen(connection->curve_public) != 40 ||
        !zmq_z85_decode(bytes, connection->curve_secret) ||
        !zmq_z85_decode(bytes, connection->curve_public))
        return ink_fail(err, INK_BADDATA, "the curve keys are not 40 characters of Z85");
    if (!zmq_has("curve"))
        return ink_fail(err, INK_BADDATA, "curve keys, but libzmq was built without CURVE");
    return INK_OK;
}

static enum ink_status
read_fields(const struct ink_json *json, struct ink_connection *out, struct ink_err *err)
{
    const struct {
        const char *field, *otherwise;
        char *out;
        size_t out_size;
    } texts[] = {
        {"transport", "tcp", out->transport, sizeof(out->transport)},
        {"ip", "127.0.0.1", out->address, sizeof(out->address)},
        {"key", NULL, out->key, sizeof(out->key)},
        {"signature_scheme", "hmac-sha256", out->scheme, sizeof(out->scheme)},
        {"curve_secretkey", "", out->curve_secret, sizeof(out->curve_secret)},
        {"curve_publickey", "", out->curve_public, sizeof(out->curve_public)},
    };
    enum ink_status status;

    if (!ink_json_is_object(json))
        return ink_fail(err, INK_BADDATA, "not a JSON object");
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        status = read_field(json, texts[i].field, texts[i].otherwise, texts[i].out,
                            texts[i].out_size, err);
        if (status)
            return status;
    }
    for (size_t i = 0; i < INK_SOCKET_COUNT; i++) {
        status = read_port(json, socket_info[i].field, &out->ports[i], err);
        if (status)
            return status;
        for (size_t j = 0; j < i; j++)
            if (out->ports[i] && out->ports[i] == out->ports[j])
                return ink_fail(err, INK_BADDATA, "%s and %s are both %d", socket_info[j].field,
                                socket_info[i].field, out->ports[i]);
    }
    if (strcmp(out->transport, "tcp") != 0 && strcmp(out->transport, "ipc") != 0)
        return ink_fail(err, INK_BADDATA, "transport \"%s\" is not tcp or ipc", out->transport);
    if (strcmp(out->scheme, "hmac-sha256") != 0 && strcmp(out->scheme, "hmac-sha512") != 0)
        return ink_fail(err, INK_BADDATA,
                        "signature_scheme \"%s\" is not hmac-sha256 or hmac-sha512", out->scheme);
    return check_curve(out, err);
}

/* Put "path: " before what went wrong. */
static enum ink_status
blame(struct ink_err *err, const char *path, const struct ink_err *cause)
{
    return ink_fail(err, cause->status, "connection file %.100s: %s", path, cause->message);
}

enum ink_status
ink_connection_parse(const char *path, const char *text, size_t size,
                     struct ink_connection *out_connection, struct ink_err *err)
{
    INK_CLEANUP(ink_json_destroy) struct ink_json *json = NULL;
    struct ink_connection connection = {0};
    struct ink_err cause = {0};

    if (ink_json_parse(text, size, &json, &cause) || read_fields(json, &connection, &cause))
        return blame(err, path, &cause);
    *out_connection = connection;
    return INK_OK;
}

enum ink_status
ink_connection_load(const char *path, struct ink_connection *out_connection, struct ink_err *err)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf text = {0};
    struct ink_err cause = {0};
    enum ink_status status;
    struct stat info;

    if (lstat(path, &info) < 0)
        return ink_fail_errno(err, "connection file %.100s", path);
    if (!S_ISREG(info.st_mode))
        return ink_fail(err, INK_BADDATA, "connection file %.100s: not a regular file", path);
    if (ink_buf_load(&text, path, INK_LIMIT_JUPYTER_CONNECTION_SIZE, &cause))
        return blame(err, path, &cause);
    status = ink_connection_parse(path, ink_buf_text(&text), text.size, out_connection, err);
    if (status)
        return status;
    if (info.st_mode & (S_IRWXG | S_IRWXO))
        ink_log(INK_LOG_WARN, "jupyter", "connection file %s: others can read the key, mode %04o",
                path, (unsigned)(info.st_mode & 07777));
    if (!out_connection->key[0])
        ink_log(INK_LOG_WARN, "jupyter",
                "the key is empty: messages are not signed, anyone who connects can run cells");
    return INK_OK;
}

/* Put the chosen ports into the file and leave the rest of it as it is. */
static enum ink_status
write_ports(const struct ink_connection *connection, const char *path, struct ink_err *err)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf old_text = {0}, text = {0};
    INK_CLEANUP(ink_json_destroy) struct ink_json *json = NULL;
    enum ink_status status;
    mode_t mask;

    status = ink_buf_load(&old_text, path, INK_LIMIT_JUPYTER_CONNECTION_SIZE, err);
    if (!status)
        status = ink_json_parse(ink_buf_text(&old_text), old_text.size, &json, err);
    if (status)
        return status;
    for (size_t i = 0; i < INK_SOCKET_COUNT; i++)
        ink_json_set_int(json, socket_info[i].field, connection->ports[i]);
    status = ink_json_print(json, &text, err);
    if (status)
        return status;
    mask = umask(S_IRWXG | S_IRWXO); /* no other thread runs yet */
    status = ink_file_write(path, text.bytes, text.size, err);
    (void)umask(mask);
    return status;
}

/* ---- sockets ---- */

static void
format_endpoint(const struct ink_connection *connection, enum ink_socket which,
                struct ink_buf *out_text)
{
    const char *address = connection->address;
    int port = connection->ports[which];

    if (strcmp(connection->transport, "ipc") == 0)
        ink_buf_printf(out_text, "ipc://%s-%d", address, port);
    else if (strchr(address, ':') && address[0] != '[')
        ink_buf_printf(out_text, "tcp://[%s]:", address);
    else
        ink_buf_printf(out_text, "tcp://%s:", address[0] ? address : "*");
    if (strcmp(connection->transport, "ipc") == 0)
        return;
    if (port)
        ink_buf_printf(out_text, "%d", port);
    else
        ink_buf_putc(out_text, '*');
}

/* libzmq removes a socket file that is in its way; first make sure that nobody listens there. */
static bool
is_ipc_in_use(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    INK_CLEANUP(ink_closep) int fd = -1;

    if (strlen(path) >= sizeof(address.sun_path))
        return false; /* bind will say so */
    memcpy(address.sun_path, path, strlen(path) + 1);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0;
}

/* For ipc, "ports" only make names differ: take the first numbers that are free. */
static void
choose_ipc_ports(struct ink_connection *connection)
{
    int next = 1;

    for (size_t i = 0; i < INK_SOCKET_COUNT; i++) {
        for (size_t j = 0; j < INK_SOCKET_COUNT && connection->ports[i] == 0;) {
            bool is_taken = connection->ports[j] == next;

            next += is_taken;
            j = is_taken ? 0 : j + 1;
        }
        if (connection->ports[i] == 0)
            connection->ports[i] = next++;
    }
}

static void
set_options(zsock_t *socket, const struct ink_connection *connection, enum ink_socket which)
{
    zsock_set_maxmsgsize(socket, socket_info[which].message_size_max);
    zsock_set_handshake_ivl(socket, HANDSHAKE_MS);
    zsock_set_linger(socket, LINGER_MS);
    zsock_set_ipv6(socket, strchr(connection->address, ':') != NULL);
    if (connection->curve_secret[0]) {
        zsock_set_curve_server(socket, 1);
        zsock_set_curve_secretkey(socket, connection->curve_secret);
    }
    if (socket_info[which].type == ZMQ_XPUB) {
        zsock_set_xpub_verbose(socket, 1); /* each subscriber is told of, for its welcome */
        zsock_set_xpub_nodrop(socket, 1);
        zsock_set_sndhwm(socket, STALLED_READER_MESSAGES);
    } else {
        zsock_set_router_handover(socket, 1); /* a client that comes back keeps its name */
        zsock_set_sndhwm(socket, 0);          /* replies are never dropped */
    }
}

static enum ink_status
bind_socket(zsock_t *socket, struct ink_connection *connection, enum ink_socket which,
            struct ink_err *err)
{
    const struct timespec pause = {.tv_nsec = BIND_PAUSE_MS * 1000000L};
    INK_CLEANUP(ink_buf_fini) struct ink_buf endpoint = {0};
    void *handle = zsock_resolve(socket);
    enum ink_status status;
    bool is_bound = false;

    format_endpoint(connection, which, &endpoint);
    status = ink_buf_check(&endpoint, err);
    if (status)
        return status;
    /* More than one try: a restarted kernel may overlap with the last moments of the old one. */
    for (int i = 0; i < BIND_TRIES && !is_bound; i++) {
        if (i > 0)
            (void)nanosleep(&pause, NULL);
        errno = EADDRINUSE;
        is_bound = !(strcmp(connection->transport, "ipc") == 0 &&
                     is_ipc_in_use(endpoint.bytes + strlen("ipc://"))) &&
                   zmq_bind(handle, endpoint.bytes) == 0;
        if (!is_bound && errno != EADDRINUSE)
            break;
    }
    if (!is_bound)
        return ink_fail(err, INK_IO, "cannot bind %s to %s: %s", socket_info[which].field,
                        endpoint.bytes, zmq_strerror(errno));
    if (connection->ports[which] == 0) {
        char last[256] = "";
        size_t size = sizeof(last);
        const char *colon;
        int64_t port = 0;

        if (zmq_getsockopt(handle, ZMQ_LAST_ENDPOINT, last, &size) < 0)
            return ink_fail(err, INK_IO, "cannot tell which port %s got", socket_info[which].field);
        colon = strrchr(last, ':');
        status = ink_parse_int(socket_info[which].field, colon ? colon + 1 : "", 1, PORT_MAX, &port,
                               err);
        if (status)
            return status;
        connection->ports[which] = (int)port;
    }
    return INK_OK;
}

enum ink_status
ink_connection_bind(struct ink_connection *connection, const char *path, zsock_t **out_sockets,
                    struct ink_err *err)
{
    zsock_t *sockets[INK_SOCKET_COUNT] = {NULL};
    enum ink_status status = INK_OK;
    bool is_chosen = false;

    for (size_t i = 0; i < INK_SOCKET_COUNT; i++)
        is_chosen |= connection->ports[i] == 0;
    if (strcmp(connection->transport, "ipc") == 0)
        choose_ipc_ports(connection);
    for (size_t i = 0; i < INK_SOCKET_COUNT && !status; i++) {
        sockets[i] = zsock_new(socket_info[i].type);
        if (sockets[i]) {
            set_options(sockets[i], connection, (enum ink_socket)i);
            status = bind_socket(sockets[i], connection, (enum ink_socket)i, err);
        } else {
            status = ink_fail(err, INK_IO, "cannot make a socket: %s", zmq_strerror(errno));
        }
    }
    if (!status && is_chosen)
        status = write_ports(connection, path, err);
    if (status) {
        for (size_t i = 0; i < INK_SOCKET_COUNT; i++)
            zsock_destroy(&sockets[i]);
        return status;
    }
    memcpy(out_sockets, sockets, sizeof(sockets));
    return INK_OK;
}

void
ink_connection_unlink(const struct ink_connection *connection)
{
    if (strcmp(connection->transport, "ipc") != 0)
        return;
    for (size_t i = 0; i < INK_SOCKET_COUNT; i++) {
        INK_CLEANUP(ink_buf_fini) struct ink_buf endpoint = {0};

        format_endpoint(connection, (enum ink_socket)i, &endpoint);
        (void)unlink(ink_buf_text(&endpoint) + strlen("ipc://"));
    }
}

void
ink_connection_unbind(const struct ink_connection *connection, zsock_t **sockets)
{
    bool is_bound = sockets[0] != NULL;

    for (size_t i = 0; i < INK_SOCKET_COUNT; i++)
        zsock_destroy(&sockets[i]);
    if (is_bound)
        ink_connection_unlink(connection);
}
