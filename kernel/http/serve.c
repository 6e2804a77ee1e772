/* SPDX-License-Identifier: MIT */
#include "kernel/http/serve.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/parse.h"
#include "kernel/command/models.h"

enum { HOSTS_SIZE = 1024, LOOK_MS = 200 /* how soon ctx->cancel is seen */ };

/* What the command's words come to. */
struct plan {
    struct ink_server_options options;
    char hosts[HOSTS_SIZE]; /* --allow-host, cut at its commas */
    const char *host[INK_GATE_HOST_MAX];
};

static enum ink_status
split_hosts(const char *text, struct plan *plan, struct ink_err *err)
{
    char *at = plan->hosts;

    if (strlen(text) >= sizeof(plan->hosts))
        return ink_fail(err, INK_BADARG, "--allow-host: %zu bytes, at most %d", strlen(text),
                        HOSTS_SIZE - 1);
    (void)snprintf(plan->hosts, sizeof(plan->hosts), "%s", text);
    while (*at) {
        char *comma = at + strcspn(at, ",");
        bool is_last = *comma == '\0';

        if (plan->options.allow_host_count == INK_GATE_HOST_MAX)
            return ink_fail(err, INK_BADARG, "--allow-host: more than %d names", INK_GATE_HOST_MAX);
        plan->host[plan->options.allow_host_count++] = at;
        *comma = '\0';
        at = is_last ? comma : comma + 1;
    }
    plan->options.allow_host = plan->host;
    return INK_OK;
}

static enum ink_status
scale_deadlines(struct ink_connection_deadlines *deadlines, struct ink_err *err)
{
    const char *text = getenv("INKLING_HTTP_DEADLINES"); /* NOLINT: nobody sets any */
    double scale;
    enum ink_status status;

    if (!text)
        return INK_OK;
    status = ink_parse_double("INKLING_HTTP_DEADLINES", text, 0.01, 1, &scale, err);
    if (status)
        return status;
    deadlines->head_ms = (int)(INK_LIMIT_HTTP_HEAD_MS * scale);
    deadlines->body_ms = (int)(INK_LIMIT_HTTP_BODY_MS * scale);
    deadlines->total_ms = (int)(INK_LIMIT_HTTP_TOTAL_MS * scale);
    deadlines->idle_ms = (int)(INK_LIMIT_HTTP_IDLE_MS * scale);
    return INK_OK;
}

static enum ink_status
read_plan(const struct ink_args *args, struct plan *plan, struct ink_err *err)
{
    const char *hosts = ink_args_text(args, "allow-host");
    enum ink_status status = INK_OK;

    *plan = (struct plan){.options = {.host = ink_args_text(args, "host"),
                                      .port = (int)ink_args_int(args, "port"),
                                      .threads = (int)ink_args_int(args, "threads"),
                                      .compute = ink_args_compute(args),
                                      .model_name = ink_args_text(args, "model-name"),
                                      .token = ink_args_text(args, "token"),
                                      .is_open = ink_args_flag(args, "open")}};
    if (!plan->options.token)
        plan->options.token = getenv("INKLING_TOKEN"); /* NOLINT: nobody sets any */
    if (plan->options.token && plan->options.token[0] == '\0')
        plan->options.token = NULL; /* set to nothing is not set */
    if (hosts)
        status = split_hosts(hosts, plan, err);
    if (!status)
        status = scale_deadlines(&plan->options.deadlines, err);
    return status;
}

static bool
is_action(const struct ink_args *args, const char *action)
{
    return args->word_count > 0 && strcmp(args->word[0], action) == 0;
}

/* --model NAME[:VERSION] becomes the session's network. */
static enum ink_status
use_model(const struct ink_context *ctx, const struct ink_args *args, struct ink_err *err)
{
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *snapshot = NULL;
    const char *name = ink_args_text(args, "model");

    return name ? ink_model_use(ctx, name, &snapshot, err) : INK_OK;
}

static enum ink_status
start(const struct ink_context *ctx, const struct ink_args *args, bool may_move,
      struct ink_server **out_server, struct ink_err *err)
{
    struct plan plan;
    enum ink_status status = read_plan(args, &plan, err);

    if (!status)
        status = use_model(ctx, args, err);
    if (!status)
        status = ink_server_start(&plan.options, ctx->session, out_server, err);
    if (status == INK_BUSY && may_move && !ink_args_has(args, "port")) {
        plan.options.port = 0; /* somebody has the usual one: any other will do */
        status = ink_server_start(&plan.options, ctx->session, out_server, err);
    }
    if (!status && !ink_gate_is_loopback(plan.options.host) && !plan.options.token)
        ink_log(INK_LOG_WARN, "http", "anybody who reaches %s may use this server",
                ink_server_url(*out_server));
    return status;
}

/* What there is to say of a running server, in words or as JSON. */
static enum ink_status
describe(const struct ink_context *ctx, const struct ink_server *server, struct ink_buf *text,
         struct ink_buf *json, struct ink_err *err)
{
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *snapshot = NULL;
    INK_CLEANUP(ink_json_destroy) struct ink_json *object = NULL;
    const struct ink_record *record;
    enum ink_status status = ink_session_snapshot(ctx->session, &snapshot, err);

    if (status)
        return status;
    record = ink_snapshot_record(snapshot);
    ink_buf_printf(text, "Serving %s at %s", record->name, ink_server_url(server));
    object = ink_json_object();
    ink_json_set_string(object, "url", ink_server_url(server));
    ink_json_set_int(object, "port", ink_server_port(server));
    ink_json_set_string(object, "model", record->name);
    ink_json_set_int(object, "version", record->version);
    return ink_json_print(object, json, err);
}

/* ---- the program ---- */

static void
wait_for_the_end(const struct ink_context *ctx, const sigset_t *signals)
{
    const struct timespec look = {.tv_nsec = LOOK_MS * 1000000L};

    while (!atomic_load(ctx->cancel)) {
        int got = sigtimedwait(signals, NULL, &look);

        if (got > 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
            return;
    }
}

enum ink_status
ink_serve_foreground(const struct ink_context *ctx, const struct ink_args *args,
                     struct ink_bundle *out_bundle, struct ink_err *err)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf text = {0}, json = {0};
    struct ink_server *server = NULL;
    enum ink_status status;
    sigset_t signals, before;
    size_t cut_count;

    if (is_action(args, "stop") || is_action(args, "status"))
        return ink_fail(err, INK_BADARG, "'%s' is for cells of a notebook", args->word[0]);
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGINT);
    (void)sigaddset(&signals, SIGTERM);
    (void)pthread_sigmask(SIG_BLOCK, &signals, &before); /* the server's threads inherit it */
    status = start(ctx, args, false, &server, err);
    if (!status)
        status = describe(ctx, server, &text, &json, err);
    if (!status) {
        ink_buf_putc(&text, '\n');
        ink_buf_putc(&json, '\n');
        (void)fputs(ink_buf_text(args->is_json ? &json : &text), stdout);
        (void)fflush(stdout); /* whoever started the program waits for this line */
        wait_for_the_end(ctx, &signals);
    }
    cut_count = ink_server_stop(&server);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    ink_bundle_add_text(out_bundle, INK_MIME_JSON, ""); /* --json had its one value at the start */
    if (cut_count > 0)
        ink_log(INK_LOG_WARN, "http", "stopped with %zu requests unfinished", cut_count);
    return status;
}

/* ---- a cell ---- */

static enum ink_status
show(const struct ink_context *ctx, const struct ink_server *server, struct ink_bundle *out_bundle,
     struct ink_err *err)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf text = {0}, json = {0}, html = {0};
    enum ink_status status = describe(ctx, server, &text, &json, err);

    if (status)
        return status;
    ink_buf_puts(&text, "\nIt follows what you train; 'serve stop' stops it.");
    ink_buf_puts(&html, "<p>Serving the live network at <a target=\"_blank\" href=\"");
    ink_buf_html(&html, ink_server_url(server));
    ink_buf_puts(&html, "\">");
    ink_buf_html(&html, ink_server_url(server));
    ink_buf_puts(&html, "</a>. It follows what you train; <code>serve stop</code> stops it.</p>");
    ink_bundle_add(out_bundle, INK_MIME_TEXT, &text);
    ink_bundle_add(out_bundle, INK_MIME_HTML, &html);
    ink_bundle_add(out_bundle, INK_MIME_JSON, &json);
    return ink_bundle_check(out_bundle, err);
}

enum ink_status
ink_serve_background(const struct ink_context *ctx, const struct ink_args *args,
                     struct ink_bundle *out_bundle, struct ink_err *err)
{
    struct ink_serving *serving = ink_session_serve_self(ctx->session);
    enum ink_status status;

    if (is_action(args, "stop")) {
        ink_bundle_add_text(out_bundle, INK_MIME_TEXT,
                            serving->server ? "Stopped serving." : "Nothing was being served.");
        ink_serving_stop(serving);
        return ink_bundle_check(out_bundle, err);
    }
    if (!serving->server && is_action(args, "status")) {
        ink_bundle_add_text(out_bundle, INK_MIME_TEXT, "Nothing is being served; 'serve' starts.");
        return ink_bundle_check(out_bundle, err);
    }
    if (!serving->server) {
        status = start(ctx, args, true, &serving->server, err);
        if (status)
            return status;
    }
    return show(ctx, serving->server, out_bundle, err);
}

void
ink_serving_stop(struct ink_serving *serving)
{
    (void)ink_server_stop(&serving->server);
}
