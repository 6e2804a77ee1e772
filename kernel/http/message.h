/* SPDX-License-Identifier: MIT */
#ifndef INK_HTTP_MESSAGE_H
#define INK_HTTP_MESSAGE_H

/*
 * message: an HTTP request and its reply as the routes see them.
 *
 * The transport fills the request after the gate let it through; a route fills
 * the reply. Neither knows the library that moves the bytes.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/status.h"

enum ink_http_method {
    INK_HTTP_GET,
    INK_HTTP_HEAD, /* answered as GET, the body is left out by the transport */
    INK_HTTP_POST,
    INK_HTTP_OPTIONS,
    INK_HTTP_OTHER,
};

/* A header field. `value` is trimmed of blanks; neither need end in a zero byte. */
struct ink_http_field {
    const char *name, *value;
    size_t name_size, value_size;
};

/* What the gate made of a request's head: all of it checked, nothing of it copied. */
struct ink_http_head {
    enum ink_http_method method;
    const char *method_name;
    const char *target; /* as on the request line: "/v1/models/m:predict?x=1" */
    const struct ink_http_field *field;
    size_t field_count;
    bool has_body;         /* Content-Length above 0, or chunked */
    bool is_chunked;       /* body_size is not known */
    size_t body_size;      /* Content-Length; 0 without */
    bool expects_continue; /* Expect: 100-continue */
};

struct ink_http_request {
    struct ink_http_head head;
    const char *body; /* [body_size], and a zero byte behind it */
    size_t body_size;
};

struct ink_http_reply {
    int status;               /* 200 when a route says nothing else */
    const char *content_type; /* static text */
    struct ink_buf body;
    const void *asset; /* [asset_size] static bytes sent instead of `body`; NULL = none */
    size_t asset_size;
    char etag[40];     /* with its quotes; "" = none */
    char allow[40];    /* for 405 and OPTIONS; "" = none */
    int retry_after_s; /* 0 = not said */
    bool must_close;   /* the connection cannot go on after this reply */
    bool is_page;      /* gets the content security policy */
};

void ink_http_reply_fini(struct ink_http_reply *reply);

/* The first field of that name (any case), or NULL. */
const struct ink_http_field *ink_http_find(const struct ink_http_head *head, const char *name);

/* Whether a field's value is exactly `text`, in any case. A NULL field is not. */
bool ink_http_is(const struct ink_http_field *field, const char *text);

/*
 * Whether the media type of a field's value, parameters left out, is `type`. A type that ends in
 * a slash-star, as "image/\*", stands for all below it.
 */
bool ink_http_is_type(const struct ink_http_field *field, const char *type);

/* Whether the target's query has the member `name` with the value `value`, undecoded. */
bool ink_http_query_is(const char *target, const char *name, const char *value);

/*
 * The path of a target, percent-decoded, without the query.
 *
 *   out_path   [size] room for the text and its zero byte
 *
 * Errors   INK_BADDATA  a broken escape, an encoded control character or zero, a `.` or `..`
 *                       segment, text that is not UTF-8
 *          INK_TOOBIG   longer than `size`
 */
INK_MUST_CHECK enum ink_status ink_http_path(const char *target, char *out_path, size_t size,
                                             struct ink_err *err);

/* Make the reply {"error": message}, whatever it held before. */
void ink_http_reply_error(struct ink_http_reply *reply, int status, const char *message);

/* The same from a failure: the code from the status table. */
void ink_http_reply_fail(struct ink_http_reply *reply, const struct ink_err *err);

/* Make the reply a JSON value; takes it over. No memory makes it a 503. */
void ink_http_reply_json(struct ink_http_reply *reply, struct ink_json *value);

#endif
