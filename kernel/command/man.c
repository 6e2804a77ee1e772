/* SPDX-License-Identifier: MIT */
#include "kernel/command/man.h"

#include <string.h>

#include "base/status.h"
#include "base/version.h"
#include "kernel/command/command.h"

static const char head[] =
    ".TH INKLING 1 \"\" \"inkling " INK_VERSION "\" \"User Commands\"\n"
    ".SH NAME\n"
    "inkling \\- a digit classifier to see through: notebook kernel, server and command\n"
    ".SH SYNOPSIS\n"
    ".B inkling\n"
    ".I command\n"
    ".RI [ options ]\n"
    ".RI [ words ]\n"
    ".br\n"
    ".B inkling install\n"
    ".RB [ \\-\\-user \" | \" \\-\\-prefix\n"
    ".IR DIR ]\n"
    ".br\n"
    ".B inkling kernel \\-f\n"
    ".I CONNECTION_FILE\n"
    ".SH DESCRIPTION\n"
    "Inkling recognises handwritten digits and shows how: it trains small convolutional networks,\n"
    "answers what a picture shows, and lets every layer be looked at. The same commands are the "
    "cells\n"
    "of a Jupyter notebook (see\n"
    ".BR \"inkling install\" )\n"
    "and the routes of its server (see\n"
    ".BR \"inkling serve\" ).\n";

static const char tail[] =
    ".SH PICTURES\n"
    "A picture is a file (PNG, JPEG, BMP, PNM), a row of a data set such as\n"
    ".BR test[42] \", \" train[0:20] \", \" test[label=7] \", \" test[wrong] \" or \" test[random] "
    ",\n"
    "or a drawing that was made on the canvas:\n"
    ".BR drawn \", \" drawn[\\-2] .\n"
    ".SH ENVIRONMENT\n"
    ".TP\n"
    ".B INKLING_DATA\n"
    "A folder with one folder a data set, for example mnist/ with its four files.\n"
    ".TP\n"
    ".B INKLING_STORE\n"
    "Where trained networks are kept; ~/.local/share/inkling/store if it is not set.\n"
    ".TP\n"
    ".B INKLING_LOG\n"
    "How much is logged to standard error: error, warn, info or debug.\n";

/* Text that roff shows as it is: no macro at the start of a line, no escape, hyphens that are minus
 * signs. */
static void
put_text(struct ink_buf *out, const char *text)
{
    bool is_line_start = true;

    for (; *text; text++) {
        if (is_line_start && (*text == '.' || *text == '\''))
            ink_buf_puts(out, "\\&");
        if (*text == '\\')
            ink_buf_puts(out, "\\e");
        else if (*text == '-')
            ink_buf_puts(out, "\\-");
        else
            ink_buf_putc(out, *text);
        is_line_start = *text == '\n';
    }
}

/* Paragraphs as they stand, so that examples keep their lines. */
static void
put_block(struct ink_buf *out, const char *text)
{
    ink_buf_puts(out, ".nf\n");
    put_text(out, text);
    if (text[0] && text[strlen(text) - 1] != '\n')
        ink_buf_putc(out, '\n');
    ink_buf_puts(out, ".fi\n");
}

static void
put_option(struct ink_buf *out, const struct ink_option *option)
{
    const char *value = option->type == INK_OPTION_CHOICE ? option->choices : option->metavar;

    ink_buf_puts(out, ".TP\n\\fB\\-\\-");
    put_text(out, option->name);
    ink_buf_puts(out, "\\fR");
    if (option->type != INK_OPTION_FLAG && value) {
        ink_buf_puts(out, " \\fI");
        put_text(out, value);
        ink_buf_puts(out, "\\fR");
    }
    ink_buf_putc(out, '\n');
    put_text(out, option->help);
    if (option->fallback) {
        ink_buf_puts(out, " (");
        put_text(out, option->fallback);
        ink_buf_puts(out, " if not given)");
    }
    ink_buf_putc(out, '\n');
}

static void
put_command(struct ink_buf *out, const struct ink_command *command)
{
    ink_buf_puts(out, ".SS \"inkling ");
    put_text(out, command->name);
    if (command->synopsis && command->synopsis[0]) {
        ink_buf_putc(out, ' ');
        for (const char *byte = command->synopsis; *byte; byte++) {
            char one[2] = {*byte, '\0'};

            if (*byte == '"')
                ink_buf_puts(out, "\\(dq"); /* a quote would end the macro's argument */
            else
                put_text(out, one);
        }
    }
    ink_buf_puts(out, "\"\n");
    put_text(out, command->summary);
    ink_buf_puts(out, ".\n");
    for (size_t i = 0; i < command->option_count; i++)
        put_option(out, &command->option[i]);
    if (command->help && command->help[0]) {
        ink_buf_puts(out, ".PP\n");
        put_block(out, command->help);
    }
}

/* Exit codes from the one table that knows them; codes that several statuses share are said once
 * each. */
static void
put_exit_status(struct ink_buf *out)
{
    ink_buf_puts(out, ".SH \"EXIT STATUS\"\n");
    for (int status = 0; status < INK_STATUS_COUNT; status++)
        ink_buf_printf(out, ".TP\n.B %d\n%s\n", ink_status_exit((enum ink_status)status),
                       ink_status_ename((enum ink_status)status));
}

void
ink_man_page(struct ink_buf *out)
{
    ink_buf_puts(out, head);
    ink_buf_puts(out, ".SH COMMANDS\nEvery command takes\n.B \\-\\-help\nand\n.BR \\-\\-json :\n"
                      "one JSON value, and nothing else, on standard output.\n");
    for (size_t i = 0; i < ink_command_count(); i++)
        put_command(out, ink_command_get(i));
    ink_buf_puts(out, tail);
    put_exit_status(out);
}
