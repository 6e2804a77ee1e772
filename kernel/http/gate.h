/* SPDX-License-Identifier: MIT */
#ifndef INK_HTTP_GATE_H
#define INK_HTTP_GATE_H

/*
 * gate: who may come in. Every request's head is checked here, before a byte
 * of its body is read and before any route sees it.
 *
 * The rules are those that keep two readers of one byte stream from seeing
 * different requests (smuggling), and those that keep a web page of somebody
 * else from using this server through its visitor's browser (rebinding and
 * cross-site requests). Pure: fields in, verdict out.
 *
 * Source: RFC 9110 and RFC 9112; Fetch Metadata; facts of which were measured
 * against libmicrohttpd 0.9.75, which lets most of them pass.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"
#include "kernel/http/message.h"

enum { INK_GATE_HOST_MAX = 16 };

/* Strings are borrowed for the gate's life. */
struct ink_gate {
    int port;      /* of the loopback names that are always allowed */
    bool any_port; /* ... with whatever port: ours may be published as another */
    const char *allow_host[INK_GATE_HOST_MAX]; /* "name:port", or "name" for any port */
    size_t allow_host_count;
    const char *token; /* bearer token; NULL = none is asked for */
};

/* A request's head as the library parsed it. */
struct ink_gate_input {
    const char *method, *target, *version;
    const struct ink_http_field *field; /* values trimmed */
    size_t field_count;
};

/* What is wrong with a request: the HTTP code, the message in err, and whether the connection
 * can go on (framing faults: it cannot). */
struct ink_gate_verdict {
    int status; /* 200: come in */
    bool must_close;
    struct ink_err err;
};

/*
 * Check a head.
 *
 *   out_head   filled when the verdict is 200; borrows the input's texts and fields
 */
void ink_gate_check(const struct ink_gate *gate, const struct ink_gate_input *input,
                    struct ink_http_head *out_head, struct ink_gate_verdict *out_verdict);

/*
 * Whether the head's bytes in memory are exactly the fields: method SP target SP version CRLF
 * (name ":" OWS value CRLF)* CRLF, and nothing hidden between them (a zero byte that cuts a value
 * short, a bare line feed, a folded line).
 *
 * It reads the library's own buffer, so it is for the library version whose parser works in place
 * (see ink_gate_can_check_bytes).
 *
 *   head        [head_size] where the method starts; the parser has put zeros over CR, LF, SP, ":"
 *   version     inside it
 *   field       names and values inside it; values untrimmed
 */
bool ink_gate_check_bytes(const char *head, size_t head_size, const char *version,
                          const struct ink_http_field *field, size_t field_count);

/* Whether an address is this machine's own: 127.0.0.0/8, ::1, localhost. */
bool ink_gate_is_loopback(const char *host);

#endif
