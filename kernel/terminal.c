/* SPDX-License-Identifier: MIT */
#define _DEFAULT_SOURCE /* struct winsize */
#include "kernel/terminal.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "kernel/render/bundle.h"

enum { COLUMNS_DEFAULT = 80 };

static size_t
columns(void)
{
    struct winsize size;

    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 20)
        return COLUMNS_DEFAULT;
    return size.ws_col;
}

/* The bytes of the first `width` characters of a line. */
static size_t
fitting(const char *line, size_t size, size_t width)
{
    size_t at = 0;

    for (size_t shown = 0; at < size && shown < width; shown++)
        do
            at++;
        while (at < size && ((unsigned char)line[at] & 0xc0) == 0x80);
    return at;
}

void
ink_terminal_end(struct ink_terminal *terminal)
{
    if (terminal->has_line)
        (void)fputs("\n", stderr);
    terminal->has_line = false;
}

/* Wipe the line that is being redrawn, for something else to stand there. */
static void
wipe(struct ink_terminal *terminal)
{
    if (terminal->has_line)
        (void)fputs("\r\033[K", stderr);
    terminal->has_line = false;
}

static void
on_print(void *self, const char *text)
{
    size_t size = strlen(text);

    wipe(self);
    (void)fprintf(stderr, "%s%s", text, size > 0 && text[size - 1] == '\n' ? "" : "\n");
}

/* Print the lines that became final, and redraw the last one. */
static void
update(struct ink_terminal *terminal, const char *text)
{
    size_t line = 0;
    const char *end;

    wipe(terminal);
    for (end = strchr(text, '\n'); end; end = strchr(text, '\n')) {
        if (line++ >= terminal->line_count) {
            (void)fprintf(stderr, "%.*s\n", (int)(end - text), text);
            terminal->line_count = line;
        }
        text = end + 1;
    }
    if (terminal->is_live && *text) {
        (void)fprintf(stderr, "%.*s", (int)fitting(text, strlen(text), columns() - 1), text);
        terminal->has_line = true;
    }
    (void)fflush(stderr);
}

static void
on_display(void *self, const struct ink_bundle *bundle, const char *display_id, bool is_update)
{
    struct ink_terminal *terminal = self;
    const struct ink_bundle_item *text = ink_bundle_find(bundle, INK_MIME_TEXT);

    if (!text)
        return;
    if (!display_id) {
        wipe(terminal);
        if (!terminal->is_quiet)
            (void)printf("%s%s", text->bytes,
                         text->size > 0 && text->bytes[text->size - 1] == '\n' ? "" : "\n");
        return;
    }
    if (!is_update)
        terminal->line_count = 0;
    update(terminal, text->bytes);
}

void
ink_terminal_init(struct ink_terminal *terminal, bool is_quiet)
{
    *terminal = (struct ink_terminal){
        .sink = {.self = terminal, .print = on_print, .display = on_display, .is_plain = true},
        .is_live = isatty(STDERR_FILENO) == 1,
        .is_quiet = is_quiet,
    };
}
