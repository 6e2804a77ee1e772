/* SPDX-License-Identifier: MIT */

/*
 * echo_kernel: the smallest kernel there is, for tests of the protocol alone,
 * and to copy from. Each cell is one command:
 *
 *   say TEXT            TEXT on stdout          warn TEXT        on stderr
 *   result TEXT         the cell's value        display TEXT     an output
 *   raise TEXT          an error                count N          N lines on stdout
 *   sleep SECONDS       until interrupted       stubborn SECONDS not even then
 *   ask PROMPT          input                   secret PROMPT    input, hidden
 *   progress N          one display, N updates  clear            and another output
 *   page TEXT           in the pager            flood N SIZE     N displays of SIZE bytes
 *   picture             bytes and JSON          late TEXT        published after the cell's end
 *   anything else       echoed as a result;     nothing          nothing
 *
 * The comm target "echo" sends data and buffers back; {"close": true} closes.
 */

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/parse.h"
#include "kernel/jupyter/kernel.h"

struct cell {
    struct ink_jupyter_request *request;
    const char *argument;
    struct ink_err *err;
};

static struct ink_jupyter_data
plain(const char *text)
{
    return (struct ink_jupyter_data){"text/plain", text, strlen(text)};
}

static void
pause_ms(long ms)
{
    const struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    (void)nanosleep(&pause, NULL);
}

static enum ink_status
say(struct cell *cell)
{
    ink_jupyter_stream(cell->request, INK_JUPYTER_STDOUT, cell->argument, strlen(cell->argument));
    ink_jupyter_stream(cell->request, INK_JUPYTER_STDOUT, "\n", 1);
    return INK_OK;
}

static enum ink_status
warn(struct cell *cell)
{
    ink_jupyter_stream(cell->request, INK_JUPYTER_STDERR, cell->argument, strlen(cell->argument));
    return INK_OK;
}

static enum ink_status
result(struct cell *cell)
{
    struct ink_jupyter_data form = plain(cell->argument);

    return ink_jupyter_result(cell->request, &form, 1, NULL, cell->err);
}

static enum ink_status
display(struct cell *cell)
{
    struct ink_jupyter_data form = plain(cell->argument);

    return ink_jupyter_display(cell->request, &form, 1, NULL, NULL, cell->err);
}

static enum ink_status
raise_error(struct cell *cell)
{
    return ink_fail(cell->err, INK_BADARG, "%s", cell->argument);
}

static enum ink_status
count(struct cell *cell)
{
    int64_t n;
    enum ink_status status = ink_parse_int("count", cell->argument, 0, 1000000, &n, cell->err);

    for (int64_t i = 0; !status && i < n; i++) {
        char line[32];
        int size = snprintf(line, sizeof(line), "line %lld\n", (long long)i);

        ink_jupyter_stream(cell->request, INK_JUPYTER_STDOUT, line, (size_t)size);
    }
    return status;
}

static enum ink_status
sleep_for(struct cell *cell, bool is_stubborn)
{
    uint64_t start_ns = ink_clock_ns();
    double seconds;
    enum ink_status status =
        ink_parse_double("seconds", cell->argument, 0, 3600, &seconds, cell->err);

    while (!status && ink_clock_ms_since(start_ns) < seconds * 1000) {
        if (!is_stubborn && ink_jupyter_is_cancelled(cell->request))
            return ink_fail(cell->err, INK_CANCELLED, "interrupted");
        pause_ms(5);
    }
    return status;
}

static enum ink_status
sleep_until_interrupted(struct cell *cell)
{
    return sleep_for(cell, false);
}

static enum ink_status
stubborn(struct cell *cell)
{
    return sleep_for(cell, true);
}

static enum ink_status
ask_for(struct cell *cell, bool is_secret)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf text = {0};
    enum ink_status status =
        ink_jupyter_input(cell->request, cell->argument, is_secret, &text, cell->err);

    if (!status)
        ink_jupyter_stream(cell->request, INK_JUPYTER_STDOUT, ink_buf_text(&text), text.size);
    return status;
}

static enum ink_status
ask(struct cell *cell)
{
    return ask_for(cell, false);
}

static enum ink_status
secret(struct cell *cell)
{
    return ask_for(cell, true);
}

static enum ink_status
progress(struct cell *cell)
{
    struct ink_jupyter_data form = plain("0");
    char text[32];
    int64_t n;
    enum ink_status status = ink_parse_int("updates", cell->argument, 0, 100000, &n, cell->err);

    if (!status)
        status =
            ink_jupyter_display(cell->request, &form, 1, "bar", "{\"kind\":\"bar\"}", cell->err);
    for (int64_t i = 1; !status && i <= n; i++) {
        (void)snprintf(text, sizeof(text), "%lld", (long long)i);
        form = plain(text);
        status = ink_jupyter_update_display(cell->request, &form, 1, "bar", NULL, cell->err);
    }
    return status;
}

static enum ink_status
clear(struct cell *cell)
{
    ink_jupyter_clear_output(cell->request, true);
    cell->argument = "cleared";
    return display(cell);
}

static enum ink_status
page(struct cell *cell)
{
    struct ink_jupyter_data form = plain(cell->argument);

    return ink_jupyter_page(cell->request, &form, 1, cell->err);
}

static enum ink_status
flood(struct cell *cell)
{
    INK_CLEANUP(ink_freep) char *text = NULL;
    const char *space = strchr(cell->argument, ' ');
    char number[16];
    int64_t n = 0, size = 0;
    enum ink_status status;

    (void)snprintf(number, sizeof(number), "%.*s", (int)strcspn(cell->argument, " "),
                   cell->argument);
    status = ink_parse_int("displays", number, 0, 1000000, &n, cell->err);
    if (!status)
        status = ink_parse_int("bytes", space ? space + 1 : "", 0, 64 << 20, &size, cell->err);
    if (status)
        return status;
    text = malloc((size_t)size + 1);
    if (!text)
        return ink_fail(cell->err, INK_NOMEM, "no memory for %d bytes", (int)size);
    memset(text, 'x', (size_t)size);
    text[size] = '\0';
    cell->argument = text;
    for (int64_t i = 0; i < n && !status; i++)
        status = display(cell);
    return status;
}

static enum ink_status
picture(struct cell *cell)
{
    static const unsigned char bytes[] = {0x89, 'P', 'N', 'G', 0, 255};
    const struct ink_jupyter_data forms[] = {
        {"text/plain", "a picture \xff with \"quotes\"\n\x01", 27},
        {"image/png", bytes, sizeof(bytes)},
        {"application/json", "{\"digit\": 7}", 12},
        {"application/vnd.echo.v1+json", "[1, 2]", 6},
        {"image/svg+xml", "<svg/>", 6},
    };

    return ink_jupyter_display(cell->request, forms, 5, NULL, NULL, cell->err);
}

static atomic_int late_count; /* threads that still have something to say */

static void *
publish_late(void *args)
{
    struct ink_jupyter_request *request = args;

    pause_ms(200);
    ink_jupyter_stream(request, INK_JUPYTER_STDOUT, "late\n", 5);
    ink_jupyter_request_unref(&request);
    atomic_fetch_sub(&late_count, 1);
    return NULL;
}

static enum ink_status
late(struct cell *cell)
{
    pthread_t thread;
    struct ink_jupyter_request *request = ink_jupyter_request_ref(cell->request);

    atomic_fetch_add(&late_count, 1);
    if (pthread_create(&thread, NULL, publish_late, request) != 0) {
        atomic_fetch_sub(&late_count, 1);
        ink_jupyter_request_unref(&request);
        return ink_fail(cell->err, INK_NOMEM, "no thread");
    }
    (void)pthread_detach(thread);
    return INK_OK;
}

static enum ink_status
nothing(struct cell *cell)
{
    (void)cell;
    return INK_OK;
}

static const struct {
    const char *name;
    enum ink_status (*run)(struct cell *cell);
} commands[] = {
    {"say", say},
    {"warn", warn},
    {"result", result},
    {"display", display},
    {"raise", raise_error},
    {"count", count},
    {"sleep", sleep_until_interrupted},
    {"stubborn", stubborn},
    {"ask", ask},
    {"secret", secret},
    {"progress", progress},
    {"clear", clear},
    {"page", page},
    {"flood", flood},
    {"picture", picture},
    {"late", late},
    {"nothing", nothing},
};
enum { COMMAND_COUNT = sizeof(commands) / sizeof(commands[0]) };

static enum ink_status
execute(void *user, struct ink_jupyter_request *request, const char *code, struct ink_err *err)
{
    struct cell cell = {.request = request, .argument = code, .err = err};
    size_t size = strcspn(code, " \n");

    (void)user;
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strlen(commands[i].name) != size || strncmp(commands[i].name, code, size) != 0)
            continue;
        cell.argument = code[size] ? code + size + 1 : "";
        return commands[i].run(&cell);
    }
    return *code ? result(&cell) : INK_OK;
}

static enum ink_status
evaluate(void *user, struct ink_jupyter_request *request, const char *expression,
         struct ink_jupyter_bundle *out_bundle, struct ink_err *err)
{
    (void)user;
    (void)request;
    if (strncmp(expression, "bad", 3) == 0)
        return ink_fail(err, INK_NOTFOUND, "no %s here", expression);
    ink_jupyter_bundle_add(out_bundle, "text/plain", expression, strlen(expression));
    return INK_OK;
}

static void
complete(void *user, const char *code, size_t cursor, struct ink_jupyter_completion *out_completion)
{
    size_t start = cursor;

    (void)user;
    while (start > 0 && code[start - 1] != ' ' && code[start - 1] != '\n')
        start--;
    ink_jupyter_complete_range(out_completion, start, cursor);
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (strncmp(commands[i].name, code + start, cursor - start) == 0)
            ink_jupyter_complete_add(out_completion, commands[i].name, "command");
}

static bool
inspect(void *user, const char *code, size_t cursor, int detail,
        struct ink_jupyter_bundle *out_bundle)
{
    const char *text = detail ? "in detail" : "in short";

    (void)user;
    (void)cursor;
    if (strncmp(code, "unknown", 7) == 0)
        return false;
    ink_jupyter_bundle_add(out_bundle, "text/plain", text, strlen(text));
    return true;
}

static enum ink_jupyter_completeness
is_complete(void *user, const char *code, const char **out_indent)
{
    size_t size = strlen(code);

    (void)user;
    if (size > 0 && code[size - 1] == '\\') {
        *out_indent = "  ";
        return INK_JUPYTER_INCOMPLETE;
    }
    return strcmp(code, "!") == 0 ? INK_JUPYTER_INVALID : INK_JUPYTER_COMPLETE;
}

static bool
comm_open(void *user, struct ink_jupyter_request *request, const struct ink_jupyter_comm *comm)
{
    (void)user;
    if (strcmp(comm->target, "echo") != 0)
        return false;
    return ink_jupyter_comm_send(request, comm->id, "{\"hello\":true}", NULL, 0, NULL) == INK_OK;
}

static void
comm_message(void *user, struct ink_jupyter_request *request, const struct ink_jupyter_comm *comm)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf text = {0};
    struct ink_err err;

    (void)user;
    if (ink_json_bool(ink_json_find(comm->data, "close"), false))
        ink_jupyter_comm_close(request, comm->id);
    else if (ink_json_print(comm->data, &text, &err) ||
             ink_jupyter_comm_send(request, comm->id, ink_buf_text(&text), comm->buffers,
                                   comm->buffer_count, &err))
        (void)fprintf(stderr, "echo: %s\n", err.message);
}

static void
shut_down(void *user, bool is_restart)
{
    (void)user;
    (void)is_restart;
    while (atomic_load(&late_count) > 0)
        pause_ms(1);
}

int
main(int argc, char **argv)
{
    const struct ink_jupyter_link links[] = {{"Jupyter", "https://jupyter.org"}};
    const struct ink_jupyter_app app = {
        .implementation = "echo",
        .implementation_version = "1.0",
        .banner = "a kernel that says what you say",
        .language = "echo",
        .language_version = "1.0",
        .mimetype = "text/plain",
        .file_extension = ".txt",
        .help_links = links,
        .help_link_count = 1,
        .execute = execute,
        .evaluate = evaluate,
        .complete = complete,
        .inspect = inspect,
        .is_complete = is_complete,
        .comm_open = comm_open,
        .comm_message = comm_message,
        .shutdown = shut_down,
    };
    struct ink_err err;

    if (argc != 2) {
        (void)fprintf(stderr, "usage: %s CONNECTION_FILE\n", argv[0]);
        return 64;
    }
    if (ink_jupyter_run(argv[1], &app, &err)) {
        (void)fprintf(stderr, "echo: %s\n", err.message);
        return 1;
    }
    return 0;
}
