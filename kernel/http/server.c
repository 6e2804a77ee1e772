/* SPDX-License-Identifier: MIT */
#include "kernel/http/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/threads.h"
#include "kernel/http/routes.h"
#include "kernel/http/transport.h"
#include "kernel/http/worker.h"
#include "model/store.h"

enum { THREADS_MIN = 2, THREADS_MAX = 8, TOKEN_SIZE_MIN = 8, TEXT_SIZE = 256 };

struct ink_server {
    struct ink_routes routes;
    struct ink_transport *transport;
    char token[TEXT_SIZE];
    char allow_host[INK_GATE_HOST_MAX][TEXT_SIZE];
    char url[TEXT_SIZE + 32];
};

static enum ink_status
copy_text(const char *what, const char *text, char *out, size_t size, struct ink_err *err)
{
    if (strlen(text) >= size)
        return ink_fail(err, INK_BADARG, "%s: %zu bytes, at most %zu", what, strlen(text),
                        size - 1);
    (void)snprintf(out, size, "%s", text);
    return INK_OK;
}

/* The token's bytes must survive a header field; a short one can be guessed. */
static enum ink_status
check_token(const char *token, struct ink_err *err)
{
    if (strlen(token) < TOKEN_SIZE_MIN)
        return ink_fail(err, INK_BADARG, "--token: %zu characters, expected at least %d",
                        strlen(token), TOKEN_SIZE_MIN);
    for (const char *at = token; *at; at++)
        if (*at <= 0x20 || *at >= 0x7f)
            return ink_fail(err, INK_BADARG,
                            "--token: expected printable ASCII characters without blanks");
    return INK_OK;
}

static enum ink_status
copy_options(struct ink_server *server, const struct ink_server_options *options,
             struct ink_gate *gate, struct ink_err *err)
{
    const char *host = options->host ? options->host : "127.0.0.1";
    enum ink_status status = INK_OK;

    if (!ink_gate_is_loopback(host) && !options->token && !options->is_open)
        return ink_fail(err, INK_NOAUTH,
                        "%.60s can be reached from other machines: give --token, or --open to "
                        "answer anybody",
                        host);
    gate->any_port = !ink_gate_is_loopback(host);
    if (options->model_name && !ink_store_is_name(options->model_name))
        return ink_fail(err, INK_BADARG,
                        "--model-name: '%.60s', expected 1 to 63 of A-Z a-z 0-9 _ -",
                        options->model_name);
    if (options->model_name)
        (void)snprintf(server->routes.model_name, sizeof(server->routes.model_name), "%s",
                       options->model_name);
    if (options->token) {
        status = check_token(options->token, err);
        if (!status)
            status = copy_text("--token", options->token, server->token, TEXT_SIZE, err);
        gate->token = server->token;
    }
    if (options->allow_host_count > INK_GATE_HOST_MAX)
        return ink_fail(err, INK_BADARG, "--allow-host: %zu names, at most %d",
                        options->allow_host_count, INK_GATE_HOST_MAX);
    for (size_t i = 0; !status && i < options->allow_host_count; i++) {
        status = copy_text("--allow-host", options->allow_host[i], server->allow_host[i], TEXT_SIZE,
                           err);
        gate->allow_host[gate->allow_host_count++] = server->allow_host[i];
    }
    return status;
}

static int
thread_count(int wanted)
{
    int usual = ink_threads_default();

    if (wanted > 0)
        return wanted;
    return usual < THREADS_MIN ? THREADS_MIN : usual > THREADS_MAX ? THREADS_MAX : usual;
}

static struct ink_connection_deadlines
deadlines_of(const struct ink_connection_deadlines *given)
{
    struct ink_connection_deadlines all = *given;

    all.head_ms = all.head_ms ? all.head_ms : INK_LIMIT_HTTP_HEAD_MS;
    all.body_ms = all.body_ms ? all.body_ms : INK_LIMIT_HTTP_BODY_MS;
    all.total_ms = all.total_ms ? all.total_ms : INK_LIMIT_HTTP_TOTAL_MS;
    all.idle_ms = all.idle_ms ? all.idle_ms : INK_LIMIT_HTTP_IDLE_MS;
    return all;
}

/* As many descriptors as connections may need, with as many again for everything else. */
static void
raise_descriptor_limit(void)
{
    const rlim_t wanted = (rlim_t)INK_LIMIT_HTTP_CONNECTIONS * 2;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur =
        limit.rlim_max == RLIM_INFINITY || limit.rlim_max > wanted ? wanted : limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < wanted)
        ink_log(INK_LOG_WARN, "http", "only %llu file descriptors, %llu would be right: ulimit -n",
                (unsigned long long)limit.rlim_cur, (unsigned long long)wanted);
}

static enum ink_status
start(struct ink_server *server, const struct ink_server_options *options, struct ink_err *err)
{
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *snapshot = NULL;
    struct ink_transport_options transport = {
        .host = options->host ? options->host : "127.0.0.1",
        .port = options->port,
        .threads = thread_count(options->threads),
        .deadlines = deadlines_of(&options->deadlines),
        .handler = ink_routes_answer,
        .self = &server->routes,
    };
    bool is_bare_ipv6;
    enum ink_status status = copy_options(server, options, &transport.gate, err);

    if (!status)
        status = ink_precision_check(options->compute.precision,
                                     ink_engine_kernels(options->compute.engine), err);
    if (!status)
        status = ink_session_snapshot(server->routes.session, &snapshot, err);
    raise_descriptor_limit();
    if (!status)
        status = ink_worker_pool_create(server->routes.session, transport.threads, options->compute,
                                        &server->routes.pool, err);
    if (!status)
        status = ink_transport_start(&transport, &server->transport, err);
    if (status)
        return status;
    is_bare_ipv6 = strchr(transport.host, ':') != NULL;
    (void)snprintf(server->url, sizeof(server->url), "http://%s%s%s:%d/", is_bare_ipv6 ? "[" : "",
                   transport.host, is_bare_ipv6 ? "]" : "", ink_transport_port(server->transport));
    return INK_OK;
}

enum ink_status
ink_server_start(const struct ink_server_options *options, struct ink_session *session,
                 struct ink_server **out_server, struct ink_err *err)
{
    struct ink_server *server = calloc(1, sizeof(*server));
    enum ink_status status;

    if (!server)
        return ink_fail(err, INK_NOMEM, "no memory for the server");
    server->routes.session = session;
    status = start(server, options, err);
    if (status) {
        (void)ink_server_stop(&server);
        return status;
    }
    *out_server = server;
    return INK_OK;
}

int
ink_server_port(const struct ink_server *server)
{
    return ink_transport_port(server->transport);
}

const char *
ink_server_url(const struct ink_server *server)
{
    return server->url;
}

size_t
ink_server_stop(struct ink_server **server)
{
    size_t cut_count;

    if (!*server)
        return 0;
    cut_count = ink_transport_stop(&(*server)->transport, INK_LIMIT_HTTP_DRAIN_MS);
    ink_worker_pool_destroy(&(*server)->routes.pool);
    free(*server);
    *server = NULL;
    return cut_count;
}
