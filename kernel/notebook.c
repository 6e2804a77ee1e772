/* SPDX-License-Identifier: MIT */
#include "kernel/notebook.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "kernel/command/cell.h"
#include "kernel/command/command.h"
#include "kernel/command/jobs.h"
#include "kernel/command/session.h"
#include "kernel/command/version.h"
#include "kernel/command/view.h"
#include "kernel/jupyter/kernel.h"
#include "kernel/render/bundle.h"

#define VIEW_TARGET "inkling.v1"

/* What the callbacks share; immutable but for the viewer, which is the query thread's. */
struct notebook {
    struct ink_session *session;
    struct ink_viewer *viewer;
};

/* The forms of a bundle for the protocol library; returns how many. */
static size_t
forms_of(const struct ink_bundle *bundle, struct ink_jupyter_data out_forms[INK_BUNDLE_ITEM_MAX])
{
    for (size_t i = 0; i < bundle->count; i++)
        out_forms[i] = (struct ink_jupyter_data){bundle->item[i].mime, bundle->item[i].bytes,
                                                 bundle->item[i].size};
    return bundle->count;
}

static void
add_forms(const struct ink_bundle *bundle, struct ink_jupyter_bundle *out_bundle)
{
    for (size_t i = 0; i < bundle->count; i++)
        ink_jupyter_bundle_add(out_bundle, bundle->item[i].mime, bundle->item[i].bytes,
                               bundle->item[i].size);
}

/* ---- cells ---- */

static void
on_print(void *self, const char *text)
{
    ink_jupyter_stream(self, INK_JUPYTER_STDOUT, text, strlen(text));
}

static void
on_display(void *self, const struct ink_bundle *bundle, const char *display_id, bool is_update)
{
    struct ink_jupyter_data forms[INK_BUNDLE_ITEM_MAX];
    size_t count = forms_of(bundle, forms);
    struct ink_err err;
    enum ink_status status = ink_bundle_check(bundle, &err);

    if (!status)
        status = is_update ? ink_jupyter_update_display(self, forms, count, display_id, NULL, &err)
                           : ink_jupyter_display(self, forms, count, display_id, NULL, &err);
    if (status)
        ink_log(INK_LOG_ERROR, "notebook", "a display is lost: %s", err.message);
}

/* A sink that outlives its cell: outputs still land there. */
static struct ink_sink *
on_keep(void *self)
{
    struct ink_sink *kept = malloc(sizeof(*kept));

    if (kept)
        *kept = (struct ink_sink){
            .self = ink_jupyter_request_ref(self), .print = on_print, .display = on_display};
    return kept;
}

static void
on_release(struct ink_sink *sink)
{
    struct ink_jupyter_request *request = sink->self;

    ink_jupyter_request_unref(&request);
    free(sink);
}

/* The word that `?word`, `word?` or `word??` asks about: bytes [start, end), or false. */
static bool
find_question(const char *code, size_t *out_start, size_t *out_end, int *out_detail)
{
    static const char space[] = " \t\r\n";
    size_t start = strspn(code, space), end = strlen(code), marks = 0;

    while (end > start && strchr(space, code[end - 1]))
        end--;
    if (start == end || memchr(code + start, '\n', end - start))
        return false;
    for (; end > start && code[end - 1] == '?'; marks++)
        end--;
    for (; start < end && code[start] == '?'; marks++)
        start++;
    *out_start = start + strspn(code + start, space);
    *out_end = end;
    *out_detail = marks > 1;
    return marks > 0 && *out_start < end && code[start] != '#';
}

static enum ink_status
show_help(struct notebook *notebook, struct ink_jupyter_request *request, const char *code,
          struct ink_err *err)
{
    INK_CLEANUP(ink_bundle_fini) struct ink_bundle bundle = {0};
    struct ink_jupyter_data forms[INK_BUNDLE_ITEM_MAX];
    size_t start = 0, end = 0;
    int detail = 0;
    enum ink_status status;

    (void)find_question(code, &start, &end, &detail);
    status = ink_cell_inspect(notebook->session, code + start, end - start, end - start, detail,
                              &bundle, err);
    if (!status)
        status = ink_bundle_check(&bundle, err);
    if (status)
        return status;
    if (bundle.count == 0)
        return ink_fail(err, INK_NOTFOUND, "nothing is known about \"%.*s\"; help lists the words",
                        (int)(end - start > 64 ? 64 : end - start), code + start);
    return ink_jupyter_page(request, forms, forms_of(&bundle, forms), err);
}

static enum ink_status
on_execute(void *user, struct ink_jupyter_request *request, const char *code, struct ink_err *err)
{
    const struct ink_sink sink = {.self = request,
                                  .print = on_print,
                                  .display = on_display,
                                  .keep = on_keep,
                                  .release = on_release};
    INK_CLEANUP(ink_bundle_fini) struct ink_bundle bundle = {0};
    struct ink_jupyter_data forms[INK_BUNDLE_ITEM_MAX];
    struct notebook *notebook = user;
    size_t start, end;
    int detail;
    enum ink_status status;

    if (find_question(code, &start, &end, &detail))
        return show_help(notebook, request, code, err);
    status = ink_cell_run(notebook->session, code, strlen(code), &sink,
                          ink_jupyter_cancel_flag(request), &bundle, err);
    if (!status)
        status = ink_bundle_check(&bundle, err);
    if (status || bundle.count == 0)
        return status;
    return ink_jupyter_result(request, forms, forms_of(&bundle, forms), NULL, err);
}

static void
ignore_print(void *self, const char *text)
{
    (void)self;
    (void)text;
}

static void
ignore_display(void *self, const struct ink_bundle *bundle, const char *display_id, bool is_update)
{
    (void)self;
    (void)bundle;
    (void)display_id;
    (void)is_update;
}

/* A user expression: one command that only looks. */
static enum ink_status
on_evaluate(void *user, struct ink_jupyter_request *request, const char *expression,
            struct ink_jupyter_bundle *out_bundle, struct ink_err *err)
{
    const struct ink_sink sink = {.print = ignore_print, .display = ignore_display};
    INK_CLEANUP(ink_bundle_fini) struct ink_bundle bundle = {0};
    INK_CLEANUP(ink_freep) char *name = NULL;
    const struct ink_command *command;
    struct notebook *notebook = user;
    enum ink_status status;

    name = strndup(expression, strcspn(expression, " \t\r\n"));
    if (!name)
        return ink_fail(err, INK_NOMEM, "no memory for an expression");
    command = ink_command_find(name);
    if (command && (command->flags & (INK_CHANGES_SESSION | INK_LONG_RUNNING)))
        return ink_fail(err, INK_BADARG, "%.32s is not an expression: it does more than look",
                        name);
    status = ink_cell_run(notebook->session, expression, strlen(expression), &sink,
                          ink_jupyter_cancel_flag(request), &bundle, err);
    if (!status)
        status = ink_bundle_check(&bundle, err);
    if (!status)
        add_forms(&bundle, out_bundle);
    return status;
}

/* The kernel ends: training in the background ends as by `stop`. */
static void
on_shutdown(void *user, bool is_restart)
{
    struct notebook *notebook = user;

    (void)is_restart;
    ink_jobs_end(ink_session_jobs(notebook->session));
}

/* ---- queries ---- */

static void
on_complete(void *user, const char *code, size_t cursor,
            struct ink_jupyter_completion *out_completion)
{
    INK_CLEANUP(ink_completion_fini) struct ink_completion found = {0};
    struct notebook *notebook = user;
    struct ink_err err;

    if (ink_cell_complete(notebook->session, code, strlen(code), cursor, &found, &err)) {
        ink_log(INK_LOG_DEBUG, "notebook", "no completions: %s", err.message);
        return;
    }
    ink_jupyter_complete_range(out_completion, found.start, found.end);
    for (size_t i = 0; i < found.count; i++)
        ink_jupyter_complete_add(out_completion, found.match[i].text, found.match[i].type);
}

static bool
on_inspect(void *user, const char *code, size_t cursor, int detail,
           struct ink_jupyter_bundle *out_bundle)
{
    INK_CLEANUP(ink_bundle_fini) struct ink_bundle bundle = {0};
    struct notebook *notebook = user;

    if (ink_cell_inspect(notebook->session, code, strlen(code), cursor, detail, &bundle, NULL))
        return false;
    add_forms(&bundle, out_bundle);
    return bundle.count > 0 && !bundle.is_broken;
}

static enum ink_jupyter_completeness
on_is_complete(void *user, const char *code, const char **out_indent)
{
    static const enum ink_jupyter_completeness answers[] = {
        [INK_CELL_COMPLETE] = INK_JUPYTER_COMPLETE,
        [INK_CELL_INCOMPLETE] = INK_JUPYTER_INCOMPLETE,
        [INK_CELL_INVALID] = INK_JUPYTER_INVALID,
    };
    size_t start, end;
    int detail;

    (void)user;
    if (find_question(code, &start, &end, &detail))
        return INK_JUPYTER_COMPLETE;
    return answers[ink_cell_check(code, strlen(code), out_indent)];
}

/* ---- views ---- */

static void
send_reply(struct ink_jupyter_request *request, const struct ink_jupyter_comm *comm,
           const struct ink_buf *reply)
{
    struct ink_err err;
    enum ink_status status = ink_buf_check(reply, &err);

    if (!status)
        status = ink_jupyter_comm_send(request, comm->id, ink_buf_text(reply), NULL, 0, &err);
    if (status)
        ink_log(INK_LOG_ERROR, "notebook", "a view's answer is lost: %s", err.message);
}

static bool
on_comm_open(void *user, struct ink_jupyter_request *request, const struct ink_jupyter_comm *comm)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf reply = {0};
    struct notebook *notebook = user;

    if (strcmp(comm->target, VIEW_TARGET) != 0)
        return false;
    /* Refused or not, the reply tells the view. */
    (void)!ink_viewer_open(notebook->viewer, comm->text ? comm->text : "", comm->text_size, &reply,
                           NULL);
    send_reply(request, comm, &reply);
    return true;
}

static void
on_comm_message(void *user, struct ink_jupyter_request *request,
                const struct ink_jupyter_comm *comm)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf reply = {0};
    struct notebook *notebook = user;

    (void)!ink_viewer_answer(notebook->viewer, comm->text ? comm->text : "", comm->text_size,
                             &reply, NULL);
    send_reply(request, comm, &reply);
}

enum ink_status
ink_notebook_run(const char *connection_path, struct ink_session *session, struct ink_err *err)
{
    INK_CLEANUP(ink_viewer_destroy) struct ink_viewer *viewer = NULL;
    struct notebook notebook = {.session = session};
    const struct ink_jupyter_app app = {
        .implementation = "inkling",
        .implementation_version = INK_VERSION,
        .banner = "Inkling " INK_VERSION ": draw a digit and watch the network think.\n"
                  "Type help for the words, draw for a canvas, NAME? for more about NAME.",
        .language = "inkling",
        .language_version = INK_VERSION,
        .mimetype = "text/x-inkling",
        .file_extension = ".ink",
        .pygments_lexer = "bash", /* words, options, quotes and # comments look the same */
        .codemirror_mode = "shell",
        .user = &notebook,
        .execute = on_execute,
        .evaluate = on_evaluate,
        .complete = on_complete,
        .inspect = on_inspect,
        .is_complete = on_is_complete,
        .comm_open = on_comm_open,
        .comm_message = on_comm_message,
        .shutdown = on_shutdown,
    };
    enum ink_status status = ink_viewer_create(session, &viewer, err);

    if (status)
        return status;
    notebook.viewer = viewer;
    return ink_jupyter_run(connection_path, &app, err);
}
