/* SPDX-License-Identifier: MIT */
#include "kernel/http/gate.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/limits.h"

enum { HOST_SIZE_MAX = 256 };

/* Record a refusal. Framing faults close the connection: what follows on it cannot be trusted. */
#define REFUSE(verdict, code, close, ...)                          \
    do {                                                           \
        (verdict)->status = (code);                                \
        (verdict)->must_close = (close);                           \
        (void)ink_fail(&(verdict)->err, INK_BADDATA, __VA_ARGS__); \
        return false;                                              \
    } while (0)

/* Source: RFC 9110, 5.6.2. */
static bool
is_token(const char *text, size_t size)
{
    static const char others[] = "!#$%&'*+-.^_`|~";

    for (size_t i = 0; i < size; i++) {
        char byte = text[i];
        bool is_alphanumeric = (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
                               (byte >= 'A' && byte <= 'Z');

        if (!is_alphanumeric && (byte == '\0' || !strchr(others, byte)))
            return false;
    }
    return size > 0;
}

/* Text without control characters; bytes above 0x7f are opaque. Source: RFC 9110, 5.5. */
static bool
is_field_value(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (((unsigned char)text[i] < 0x20 && text[i] != '\t') || text[i] == 0x7f)
            return false;
    return true;
}

static enum ink_http_method
method_of(const char *name)
{
    static const char *const names[] = {[INK_HTTP_GET] = "GET",
                                        [INK_HTTP_HEAD] = "HEAD",
                                        [INK_HTTP_POST] = "POST",
                                        [INK_HTTP_OPTIONS] = "OPTIONS"};

    for (int i = 0; i < INK_HTTP_OTHER; i++)
        if (strcmp(name, names[i]) == 0)
            return (enum ink_http_method)i;
    return INK_HTTP_OTHER;
}

static bool
check_request_line(const struct ink_gate_input *input, struct ink_http_head *head,
                   struct ink_gate_verdict *verdict)
{
    size_t size = strlen(input->target);

    if (strcmp(input->version, "HTTP/1.1") != 0 && strcmp(input->version, "HTTP/1.0") != 0)
        REFUSE(verdict, 505, true, "HTTP version '%.20s', expected HTTP/1.1", input->version);
    if (!is_token(input->method, strlen(input->method)))
        REFUSE(verdict, 400, true, "the method is not a token");
    if (size > INK_LIMIT_HTTP_TARGET_SIZE)
        REFUSE(verdict, 414, true, "a target of %zu bytes, at most %d", size,
               INK_LIMIT_HTTP_TARGET_SIZE);
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)input->target[i] <= 0x20 || (unsigned char)input->target[i] >= 0x7f)
            REFUSE(verdict, 400, true, "the target has a byte 0x%02x, which must be escaped",
                   (unsigned)(unsigned char)input->target[i]);
    head->method = method_of(input->method);
    head->method_name = input->method;
    head->target = input->target;
    if (input->target[0] != '/' &&
        !(head->method == INK_HTTP_OPTIONS && strcmp(input->target, "*") == 0))
        REFUSE(verdict, 400, true, "the target does not start with a slash");
    return true;
}

static bool
check_fields(const struct ink_gate_input *input, struct ink_gate_verdict *verdict)
{
    size_t total = strlen(input->method) + strlen(input->target) + strlen(input->version) + 4;

    if (input->field_count > INK_LIMIT_HTTP_FIELD_COUNT)
        REFUSE(verdict, 431, true, "%zu header fields, at most %d", input->field_count,
               INK_LIMIT_HTTP_FIELD_COUNT);
    for (size_t i = 0; i < input->field_count; i++) {
        const struct ink_http_field *field = &input->field[i];

        total += field->name_size + field->value_size + 4;
        if (!is_token(field->name, field->name_size))
            REFUSE(verdict, 400, true, "the name of header field %zu is not a token", i + 1);
        if (!is_field_value(field->value, field->value_size))
            REFUSE(verdict, 400, true, "header field %.*s has a control character",
                   (int)(field->name_size < 40 ? field->name_size : 40), field->name);
    }
    if (total > INK_LIMIT_HTTP_HEAD_SIZE)
        REFUSE(verdict, 431, true, "a header of %zu bytes, at most %d", total,
               INK_LIMIT_HTTP_HEAD_SIZE);
    return true;
}

/* The one field of that name in *out_field, or NULL; more than one is refused. */
static bool
check_single(const struct ink_http_head *head, const char *name,
             const struct ink_http_field **out_field, struct ink_gate_verdict *verdict)
{
    size_t size = strlen(name);

    *out_field = NULL;
    for (size_t i = 0; i < head->field_count; i++) {
        if (head->field[i].name_size != size || strncasecmp(head->field[i].name, name, size) != 0)
            continue;
        if (*out_field)
            REFUSE(verdict, 400, true, "header field %s is given twice", name);
        *out_field = &head->field[i];
    }
    return true;
}

static bool
read_length(const struct ink_http_field *length, size_t *out_size, struct ink_gate_verdict *verdict)
{
    if (length->value_size == 0 || length->value_size > 18)
        REFUSE(verdict, length->value_size ? 413 : 400, true,
               "Content-Length has %zu digits, expected 1 to 18", length->value_size);
    for (size_t i = 0; i < length->value_size; i++) {
        if (length->value[i] < '0' || length->value[i] > '9')
            REFUSE(verdict, 400, true, "Content-Length is not a number");
        *out_size = *out_size * 10 + (size_t)(length->value[i] - '0');
    }
    return true;
}

/* Where the body ends must have one reading only. Source: RFC 9112, 6.3. */
static bool
check_framing(struct ink_http_head *head, bool is_http_1_0, struct ink_gate_verdict *verdict)
{
    const struct ink_http_field *length, *coding, *expect, *type, *content_coding;

    if (!check_single(head, "Content-Length", &length, verdict) ||
        !check_single(head, "Transfer-Encoding", &coding, verdict) ||
        !check_single(head, "Content-Type", &type, verdict) ||
        !check_single(head, "Expect", &expect, verdict))
        return false;
    head->expects_continue = expect != NULL;
    if (coding && length)
        REFUSE(verdict, 400, true, "both Content-Length and Transfer-Encoding are given");
    if (coding && (is_http_1_0 || !ink_http_is(coding, "chunked")))
        REFUSE(verdict, 400, true, "Transfer-Encoding is not 'chunked'");
    if (length && !read_length(length, &head->body_size, verdict))
        return false;
    head->is_chunked = coding != NULL;
    head->has_body = head->is_chunked || head->body_size > 0;
    if (head->body_size > INK_LIMIT_HTTP_BODY_SIZE)
        REFUSE(verdict, 413, true, "a body of %zu bytes, at most %d", head->body_size,
               INK_LIMIT_HTTP_BODY_SIZE);
    if (expect && !ink_http_is(expect, "100-continue"))
        REFUSE(verdict, 417, true, "Expect is not '100-continue'");
    content_coding = ink_http_find(head, "Content-Encoding");
    if (head->has_body && content_coding && !ink_http_is(content_coding, "identity"))
        REFUSE(verdict, 415, true, "Content-Encoding is not supported: send the body as it is");
    return true;
}

/* Whether "name:port" is what a rule allows: the same, or the rule has no port and allows any. */
static bool
host_matches(const char *host, size_t size, const char *allowed)
{
    size_t allowed_size = strlen(allowed);
    const char *port = allowed[0] == '[' ? strchr(allowed, ']') : allowed;

    if (size == allowed_size && strncasecmp(host, allowed, size) == 0)
        return true;
    if (port && strchr(port, ':')) /* the rule names a port: only that one */
        return false;
    if (size == allowed_size + 1 || size <= allowed_size || host[allowed_size] != ':' ||
        strncasecmp(host, allowed, allowed_size) != 0)
        return false;
    for (size_t i = allowed_size + 1; i < size; i++)
        if (host[i] < '0' || host[i] > '9')
            return false;
    return true;
}

/* Whether "name:port" is one of this server's names. */
static bool
is_own_host(const struct ink_gate *gate, const char *host, size_t size)
{
    static const char *const loopback[] = {"localhost", "127.0.0.1", "[::1]"};
    char own[32];

    for (size_t i = 0; i < sizeof(loopback) / sizeof(loopback[0]); i++) {
        if (gate->any_port || gate->port == 80)
            (void)snprintf(own, sizeof(own), "%s", loopback[i]);
        else
            (void)snprintf(own, sizeof(own), "%s:%d", loopback[i], gate->port);
        if (host_matches(host, size, own))
            return true;
    }
    for (size_t i = 0; i < gate->allow_host_count; i++)
        if (host_matches(host, size, gate->allow_host[i]))
            return true;
    return false;
}

/* Rebinding: the name the browser thinks it talks to must be ours. */
static bool
check_host(const struct ink_gate *gate, struct ink_http_head *head, bool is_http_1_0,
           struct ink_gate_verdict *verdict)
{
    const struct ink_http_field *host;
    char text[HOST_SIZE_MAX];

    if (!check_single(head, "Host", &host, verdict))
        return false;
    if (!host && is_http_1_0)
        return true; /* no browser speaks it */
    if (!host)
        REFUSE(verdict, 400, true, "header field Host is missing");
    if (host->value_size >= sizeof(text))
        REFUSE(verdict, 400, true, "a Host of %zu bytes, at most %zu", host->value_size,
               sizeof(text) - 1);
    memcpy(text, host->value, host->value_size);
    text[host->value_size] = '\0';
    if (!ink_utf8_is_valid(text, host->value_size))
        REFUSE(verdict, 400, true, "Host is not a name");
    if (!is_own_host(gate, text, host->value_size))
        REFUSE(verdict, 403, false, "Host '%.60s' is not served here; to allow it: --allow-host",
               text);
    return true;
}

/*
 * Requests that a page of another site made its visitor's browser send. A link to our page is
 * fine: nobody but the visitor sees what it shows.
 */
static bool
check_origin(const struct ink_gate *gate, const struct ink_http_head *head,
             struct ink_gate_verdict *verdict)
{
    const struct ink_http_field *origin = ink_http_find(head, "Origin");
    bool is_link = (head->method == INK_HTTP_GET || head->method == INK_HTTP_HEAD) &&
                   ink_http_is(ink_http_find(head, "Sec-Fetch-Mode"), "navigate");
    const char *scheme = "http://";

    if (ink_http_is(ink_http_find(head, "Sec-Fetch-Site"), "cross-site") && !is_link)
        REFUSE(verdict, 403, false, "cross-site requests are not answered");
    if (!origin)
        return true;
    if (origin->value_size > 8 && strncasecmp(origin->value, "https://", 8) == 0)
        scheme = "https://"; /* a proxy in front that speaks TLS */
    if (origin->value_size <= strlen(scheme) ||
        strncasecmp(origin->value, scheme, strlen(scheme)) != 0 ||
        origin->value_size >= HOST_SIZE_MAX ||
        !is_own_host(gate, origin->value + strlen(scheme), origin->value_size - strlen(scheme)))
        REFUSE(verdict, 403, false, "requests from pages of another origin are not answered");
    return true;
}

/* Whether the texts are equal, in a time that depends on the given one's size only. */
static bool
is_equal_in_constant_time(const char *given, size_t size, const char *secret)
{
    size_t secret_size = strlen(secret);
    volatile unsigned char difference = size != secret_size;

    for (size_t i = 0; i < size; i++)
        difference |=
            (unsigned char)((unsigned char)given[i] ^ (unsigned char)secret[i % (secret_size + 1)]);
    return difference == 0;
}

static bool
check_token(const struct ink_gate *gate, const struct ink_http_head *head,
            struct ink_gate_verdict *verdict)
{
    static const char *const open_paths[] = {"/",         "/index.html",  "/inkling.js", "/page.js",
                                             "/page.css", "/favicon.ico", "/healthz",    "/readyz"};
    const struct ink_http_field *given = ink_http_find(head, "Authorization");
    size_t path_size = strcspn(head->target, "?");

    if (!gate->token)
        return true;
    for (size_t i = 0; i < sizeof(open_paths) / sizeof(open_paths[0]); i++)
        if (strlen(open_paths[i]) == path_size &&
            memcmp(open_paths[i], head->target, path_size) == 0)
            return true; /* static, the same for everybody */
    if (!given || given->value_size <= 7 || strncasecmp(given->value, "Bearer ", 7) != 0 ||
        !is_equal_in_constant_time(given->value + 7, given->value_size - 7, gate->token))
        REFUSE(verdict, 401, false,
               "the header field 'Authorization: Bearer TOKEN' is missing or "
               "has another token");
    return true;
}

void
ink_gate_check(const struct ink_gate *gate, const struct ink_gate_input *input,
               struct ink_http_head *out_head, struct ink_gate_verdict *out_verdict)
{
    bool is_http_1_0 = strcmp(input->version, "HTTP/1.0") == 0;

    assert(gate && input->method && input->target && input->version);
    *out_head = (struct ink_http_head){.field = input->field, .field_count = input->field_count};
    *out_verdict = (struct ink_gate_verdict){.status = 200};
    if (check_request_line(input, out_head, out_verdict) && check_fields(input, out_verdict) &&
        check_framing(out_head, is_http_1_0, out_verdict) &&
        check_host(gate, out_head, is_http_1_0, out_verdict) &&
        check_origin(gate, out_head, out_verdict))
        (void)check_token(gate, out_head, out_verdict);
}

bool
ink_gate_check_bytes(const char *head, size_t head_size, const char *version,
                     const struct ink_http_field *field, size_t field_count)
{
    const char *end = head + head_size;
    const char *expected = version + strlen(version) + 2; /* behind the request line's CRLF */

    if (version < head || expected > end)
        return false;
    for (size_t i = 0; i < field_count; i++) {
        const char *colon = field[i].name + field[i].name_size;

        if (field[i].name != expected || field[i].value <= colon || field[i].value > end)
            return false;
        for (const char *blank = colon + 1; blank < field[i].value; blank++)
            if (*blank != ' ' && *blank != '\t')
                return false;
        expected = field[i].value + field[i].value_size + 2;
    }
    return expected + 2 == end; /* the empty line */
}

bool
ink_gate_is_loopback(const char *host)
{
    return strcmp(host, "localhost") == 0 || strcmp(host, "::1") == 0 ||
           strncmp(host, "127.", 4) == 0;
}
