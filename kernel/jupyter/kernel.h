/* SPDX-License-Identifier: MIT */
#ifndef INK_JUPYTER_KERNEL_H
#define INK_JUPYTER_KERNEL_H

/*
 * jupyter: a Jupyter kernel without a language.
 *
 * Fill in a struct ink_jupyter_app, call ink_jupyter_run with the connection
 * file that Jupyter wrote, and this library does the protocol: sockets,
 * signatures, statuses, history, comms, interrupts, shutdown. The callbacks do
 * the rest, and publish what they have to show with the functions below.
 *
 * Threads. Callbacks run on two threads, never on the one that answers the
 * control channel, so whatever they do, interrupt and shutdown get through:
 *   cell thread    execute, evaluate           one cell after the other
 *   query thread   complete, inspect, is_complete, comm_open, comm_message,
 *                  comm_close                  also while a cell runs
 * The two run at the same time: what they share, the application guards, and
 * no query may wait for a cell. `interrupt` is called on the protocol's own
 * thread and must only set a flag. Publishing functions may be called from any
 * thread; all but ink_jupyter_input never wait for a client. (A cell that
 * publishes faster than the clients read is slowed down, for at most as long
 * as INK_LIMIT_JUPYTER_STALL_MS.)
 *
 * Every output belongs to a request: the `request` a callback was given. To
 * publish after the callback has returned, keep the request with
 * ink_jupyter_request_ref; the output still lands in its own cell.
 *
 * Source: Jupyter messaging protocol 5.5,
 * https://jupyter-client.readthedocs.io/en/latest/messaging.html
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/json.h"
#include "base/status.h"

#define INK_JUPYTER_PROTOCOL "5.5"

/* The request that a callback serves. */
struct ink_jupyter_request;

/* ---- what callbacks are given and fill in ---- */

/*
 * One form of an output, as bytes of its MIME type. What becomes of the bytes:
 *   application/json, ...+json                  pasted: must be one valid JSON text
 *   text/..., ...+xml, application/javascript,  a JSON string; bytes that are not
 *   application/xml                             UTF-8 turn into U+FFFD
 *   all others (image/png, ...)                 base64: give the raw bytes
 */
struct ink_jupyter_data {
    const char *mime;
    const void *bytes;
    size_t size;
};

/* Forms of one value, under construction: see ink_jupyter_bundle_add. */
struct ink_jupyter_bundle;

/* Completions under construction: see ink_jupyter_complete_add. */
struct ink_jupyter_completion;

enum ink_jupyter_completeness {
    INK_JUPYTER_COMPLETE,
    INK_JUPYTER_INCOMPLETE, /* more lines must follow */
    INK_JUPYTER_INVALID,    /* no continuation can make it right */
    INK_JUPYTER_UNKNOWN,
};

/* What arrived on a comm. All of it lives until the callback returns. */
struct ink_jupyter_comm {
    const char *id;
    const char *target;
    const struct ink_json *data; /* an object, or NULL */
    const char *text;            /* [text_size] the same as JSON text; NULL if data is */
    size_t text_size;
    const struct ink_jupyter_data
        *buffers; /* [buffer_count], mime NULL; not covered by signatures */
    size_t buffer_count;
    void **state; /* the application's own pointer for this comm; NULL at first */
};

/* ---- the application ---- */

struct ink_jupyter_link {
    const char *text, *url;
};

struct ink_jupyter_app {
    /* For kernel_info; strings may not be NULL unless it says so. */
    const char *implementation;         /* "inkling" */
    const char *implementation_version; /* "1.0.0" */
    const char *banner;
    const char *language;                      /* name of the language of the cells */
    const char *language_version;              /* "1.0" */
    const char *mimetype;                      /* "text/x-inkling" */
    const char *file_extension;                /* ".ink" */
    const char *pygments_lexer;                /* or NULL */
    const char *codemirror_mode;               /* or NULL */
    const struct ink_jupyter_link *help_links; /* [help_link_count] */
    size_t help_link_count;

    void *user; /* passed to every callback */

    /*
     * Run a cell. `code` is UTF-8. Poll ink_jupyter_is_cancelled and return
     * INK_CANCELLED within a tenth of a second of its turning true.
     * A failure is shown in the cell as "ename: message" (base/status.h).
     */
    enum ink_status (*execute)(void *user, struct ink_jupyter_request *request, const char *code,
                               struct ink_err *err);

    /* All below may be NULL. */

    /* The value of a user expression, after a cell that succeeded. */
    enum ink_status (*evaluate)(void *user, struct ink_jupyter_request *request,
                                const char *expression, struct ink_jupyter_bundle *out_bundle,
                                struct ink_err *err);

    /* Completions at byte offset `cursor` of `code`. */
    void (*complete)(void *user, const char *code, size_t cursor,
                     struct ink_jupyter_completion *out_completion);

    /* What is known about the word at `cursor`; detail is 0 or 1. False: nothing. */
    bool (*inspect)(void *user, const char *code, size_t cursor, int detail,
                    struct ink_jupyter_bundle *out_bundle);

    /* Whether Return should run the code. *out_indent, for INCOMPLETE, starts as "". */
    enum ink_jupyter_completeness (*is_complete)(void *user, const char *code,
                                                 const char **out_indent);

    /* A front end opened a comm. False: no such target (the comm is closed at once). */
    bool (*comm_open)(void *user, struct ink_jupyter_request *request,
                      const struct ink_jupyter_comm *comm);
    /* A message on an open comm. */
    void (*comm_message)(void *user, struct ink_jupyter_request *request,
                         const struct ink_jupyter_comm *comm);
    /* The front end closed it, the limit on comms pushed it out, or the kernel ends
     * (then `request` is NULL): the last call with its state. */
    void (*comm_close)(void *user, struct ink_jupyter_request *request,
                       const struct ink_jupyter_comm *comm);

    /* The running cell's cancel flag was just set. Must return at once. */
    void (*interrupt)(void *user);

    /* All other callbacks have returned and the kernel is about to end. When this returns, requests
     * that were kept are given back and nothing is published any more. */
    void (*shutdown)(void *user, bool is_restart);
};

/*
 * Be a kernel until a client or the parent's death says to stop.
 *
 * Blocks SIGINT, SIGTERM and SIGUSR2 for the calling thread and those it starts, and
 * takes them through a descriptor: SIGINT interrupts the cell, SIGTERM ends
 * the kernel. Threads that exist already must have them blocked too.
 *
 *   connection_path  the connection file; ports that are 0 or missing are chosen and written back
 *   app              must outlive the call
 *
 * A cell that does not heed its cancel flag within INK_LIMIT_JUPYTER_GRACE_MS of a
 * shutdown ends with the process, by _exit(0).
 *
 * Errors   INK_NOTFOUND, INK_IO     the connection file cannot be read
 *          INK_BADDATA, INK_TOOBIG  it is not one; the message names the field
 *          INK_IO                   a port is taken; the message names it
 *          INK_NOMEM
 */
INK_MUST_CHECK enum ink_status ink_jupyter_run(const char *connection_path,
                                               const struct ink_jupyter_app *app,
                                               struct ink_err *err);

/* ---- requests ---- */

/* Keep a request beyond its callback; every ref needs its unref. unref zeroes and accepts NULL. */
struct ink_jupyter_request *ink_jupyter_request_ref(struct ink_jupyter_request *request);
void ink_jupyter_request_unref(struct ink_jupyter_request **request);

/* The request's execution count (cells; 0 for others). */
int ink_jupyter_request_count(const struct ink_jupyter_request *request);

/* Whether a client asked for quiet: nothing a silent cell publishes is sent. */
bool ink_jupyter_request_is_silent(const struct ink_jupyter_request *request);

/* Whether the user asked to interrupt, and the flag itself for inner loops. */
bool ink_jupyter_is_cancelled(const struct ink_jupyter_request *request);
const atomic_bool *ink_jupyter_cancel_flag(const struct ink_jupyter_request *request);

/* ---- publishing; Threads: any ---- */

enum ink_jupyter_stream { INK_JUPYTER_STDOUT, INK_JUPYTER_STDERR };

/* Text for a stream. Gathered for up to 50 ms or 64 KB into one message. */
void ink_jupyter_stream(struct ink_jupyter_request *request, enum ink_jupyter_stream stream,
                        const char *text, size_t size);

/*
 * An output in forms[form_count], with text/plain among them.
 *
 *   display_id   names the output for ink_jupyter_update_display; or NULL
 *   metadata     JSON text of an object; NULL means {}
 *
 * Errors   INK_BADDATA  bytes of a JSON type that are not UTF-8, or none
 *          INK_TOOBIG   more than INK_LIMIT_JUPYTER_MESSAGE_SIZE in all
 *          INK_NOMEM
 */
INK_MUST_CHECK enum ink_status ink_jupyter_display(struct ink_jupyter_request *request,
                                                   const struct ink_jupyter_data *forms,
                                                   size_t form_count, const char *display_id,
                                                   const char *metadata, struct ink_err *err);

/* Replace what display_id shows, wherever it is shown. While clients lag, only the newest is kept.
 * Errors as ink_jupyter_display. */
INK_MUST_CHECK enum ink_status ink_jupyter_update_display(struct ink_jupyter_request *request,
                                                          const struct ink_jupyter_data *forms,
                                                          size_t form_count, const char *display_id,
                                                          const char *metadata,
                                                          struct ink_err *err);

/* The value of the cell, shown as Out[n]: at most one a cell, and only from within execute.
 * Its text/plain goes into the history. Errors as ink_jupyter_display. */
INK_MUST_CHECK enum ink_status ink_jupyter_result(struct ink_jupyter_request *request,
                                                  const struct ink_jupyter_data *forms,
                                                  size_t form_count, const char *metadata,
                                                  struct ink_err *err);

/* Empty the cell's output: at once, or when the next output arrives. */
void ink_jupyter_clear_output(struct ink_jupyter_request *request, bool is_wait);

/* Text for the pager, shown after the cell has ended. Only from within execute.
 * Errors as ink_jupyter_display. */
INK_MUST_CHECK enum ink_status ink_jupyter_page(struct ink_jupyter_request *request,
                                                const struct ink_jupyter_data *forms,
                                                size_t form_count, struct ink_err *err);

/*
 * A message on a comm.
 *
 *   comm_id      of struct ink_jupyter_comm
 *   data         JSON text of an object
 *   buffers      [buffer_count] binary attachments, copied; mime is not used
 *
 * Errors   as ink_jupyter_display
 */
INK_MUST_CHECK enum ink_status ink_jupyter_comm_send(struct ink_jupyter_request *request,
                                                     const char *comm_id, const char *data,
                                                     const struct ink_jupyter_data *buffers,
                                                     size_t buffer_count, struct ink_err *err);

/* Close a comm from this side; comm_close is not called for it. Query thread only. */
void ink_jupyter_comm_close(struct ink_jupyter_request *request, const char *comm_id);

/*
 * Ask the client for a line of text and wait for it. Only from within execute.
 *
 *   out_text     the answer is appended
 *
 * Errors   INK_NOTNOW     this client takes no questions (allow_stdin is false)
 *          INK_CANCELLED  interrupted, or the kernel ends
 */
INK_MUST_CHECK enum ink_status ink_jupyter_input(struct ink_jupyter_request *request,
                                                 const char *prompt, bool is_password,
                                                 struct ink_buf *out_text, struct ink_err *err);

/* ---- filling in ---- */

/* Add a form; bytes are copied. A form that cannot be shown (see INK_BADDATA above) is left out. */
void ink_jupyter_bundle_add(struct ink_jupyter_bundle *bundle, const char *mime, const void *bytes,
                            size_t size);

/* Which bytes [start, end) of the code the completions replace; [cursor, cursor) unless
 * this is called, before the first ink_jupyter_complete_add. */
void ink_jupyter_complete_range(struct ink_jupyter_completion *completion, size_t start,
                                size_t end);

/* Add a completion; `type` ("keyword", "path", ...) may be NULL. */
void ink_jupyter_complete_add(struct ink_jupyter_completion *completion, const char *text,
                              const char *type);

#endif
