/* SPDX-License-Identifier: MIT */
/* help: what the table says of a command, as text, HTML, Markdown and roff. */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "kernel/command/command_priv.h"
#include "kernel/command/help.h"

/* ---- pieces of an option's row ---- */

void
ink_option_usage(const struct ink_option *option, struct ink_buf *buf)
{
    ink_buf_printf(buf, "--%s", option->name);
    if (option->metavar)
        ink_buf_printf(buf, " %s", option->metavar);
    else if (option->choices)
        ink_buf_printf(buf, " %s", option->choices);
}

static void
put_choices(const char *choices, struct ink_buf *buf)
{
    for (const char *at = choices; *at;) {
        const char *end = strchr(at, '|');
        size_t size = end ? (size_t)(end - at) : strlen(at);

        if (at != choices)
            ink_buf_puts(buf, end ? ", " : " or ");
        ink_buf_append(buf, at, size);
        at += size + (end ? 1 : 0);
    }
}

void
ink_option_range(const struct ink_option *option, struct ink_buf *buf)
{
    if (option->type == INK_OPTION_CHOICE)
        put_choices(option->choices, buf);
    if (option->type == INK_OPTION_INT || option->type == INK_OPTION_REAL)
        ink_buf_printf(buf, "%.10g to %.10g", option->min, option->max);
}

void
ink_help_option(const struct ink_option *option, struct ink_buf *buf)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf range = {0};

    ink_buf_puts(buf, option->help);
    if (option->type != INK_OPTION_CHOICE)
        ink_option_range(option, &range);
    if (range.size > 0)
        ink_buf_printf(buf, "; %s", ink_buf_text(&range));
    if (option->fallback)
        ink_buf_printf(buf, "; default %s", option->fallback);
}

/* The options of a command, its own first, then those of all. */
static const struct ink_option *
option_at(const struct ink_command *command, size_t index)
{
    if (index < command->option_count)
        return &command->option[index];
    index -= command->option_count;
    for (size_t i = 0; i < ink_common_option_count; i++)
        if (!ink_option_is_replaced(command, &ink_common_option[i]) && index-- == 0)
            return &ink_common_option[i];
    return NULL;
}

static void
put_usage(const struct ink_command *command, struct ink_buf *buf)
{
    ink_buf_printf(buf, "%s%s%s%s", command->name, command->option_count ? " [OPTIONS]" : "",
                   *command->synopsis ? " " : "", command->synopsis);
}

/* ---- text ---- */

void
ink_help_text(const struct ink_command *command, struct ink_buf *buf)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf usage = {0};
    const struct ink_option *option;
    size_t width = 0;

    ink_buf_printf(buf, "%s: %s\n\n  ", command->name, command->summary);
    put_usage(command, buf);
    ink_buf_printf(buf, "\n\n%s\n\nOptions\n", command->help);
    for (size_t i = 0; (option = option_at(command, i)) != NULL; i++) {
        ink_buf_clear(&usage);
        ink_option_usage(option, &usage);
        if (usage.size > width && usage.size < 26)
            width = usage.size;
    }
    for (size_t i = 0; (option = option_at(command, i)) != NULL; i++) {
        ink_buf_clear(&usage);
        ink_option_usage(option, &usage);
        ink_buf_printf(buf, "  %-*s", (int)width, ink_buf_text(&usage));
        if (usage.size > width)
            ink_buf_printf(buf, "\n  %*s", (int)width, "");
        ink_buf_puts(buf, "  ");
        ink_help_option(option, buf);
        ink_buf_putc(buf, '\n');
    }
}

/* ---- paragraphs: blank lines part them, indented ones are shown as they are ---- */

typedef void (*paragraph_fn)(struct ink_buf *buf, const char *text, size_t size, bool is_code);

static void
each_paragraph(const char *text, struct ink_buf *buf, paragraph_fn write)
{
    while (*text) {
        const char *end = strstr(text, "\n\n");
        size_t size = end ? (size_t)(end - text) : strlen(text);

        write(buf, text, size, *text == ' ');
        text += size + (end ? 2 : 0);
    }
}

static void
put_html(struct ink_buf *buf, const char *text, size_t size)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf copy = {0};

    ink_buf_append(&copy, text, size);
    ink_buf_html(buf, ink_buf_text(&copy));
}

static void
paragraph_html(struct ink_buf *buf, const char *text, size_t size, bool is_code)
{
    ink_buf_puts(buf, is_code ? "<pre>" : "<p>");
    put_html(buf, text, size);
    ink_buf_puts(buf, is_code ? "</pre>" : "</p>");
}

static void
paragraph_markdown(struct ink_buf *buf, const char *text, size_t size, bool is_code)
{
    if (is_code)
        ink_buf_puts(buf, "```\n");
    for (size_t i = 0; i < size; i++) {
        if (is_code && (i == 0 || text[i - 1] == '\n') && size - i > 2 && text[i] == ' ')
            i += 2; /* the indentation */
        if (!is_code && strchr("*_<>[]|", text[i]))
            ink_buf_putc(buf, '\\');
        ink_buf_putc(buf, text[i]);
    }
    ink_buf_puts(buf, is_code ? "\n```\n\n" : "\n\n");
}

/* roff: backslashes and dots at the start of a line mean something. */
static void
put_roff(struct ink_buf *buf, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if ((i == 0 || text[i - 1] == '\n') && (text[i] == '.' || text[i] == '\''))
            ink_buf_puts(buf, "\\&");
        if (text[i] == '\\')
            ink_buf_puts(buf, "\\e");
        else if (text[i] == '-')
            ink_buf_puts(buf, "\\-");
        else
            ink_buf_putc(buf, text[i]);
    }
}

static void
paragraph_roff(struct ink_buf *buf, const char *text, size_t size, bool is_code)
{
    ink_buf_puts(buf, is_code ? ".PP\n.nf\n" : ".PP\n");
    put_roff(buf, text, size);
    ink_buf_puts(buf, is_code ? "\n.fi\n" : "\n");
}

/* ---- a command in HTML, Markdown, roff ---- */

static void
help_html(const struct ink_command *command, struct ink_buf *buf)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf part = {0};
    const struct ink_option *option;

    ink_buf_printf(buf, "<p><b>%s</b>: ", command->name);
    ink_buf_html(buf, command->summary);
    put_usage(command, &part);
    ink_buf_puts(buf, "</p><pre>");
    ink_buf_html(buf, ink_buf_text(&part));
    ink_buf_puts(buf, "</pre>");
    each_paragraph(command->help, buf, paragraph_html);
    ink_buf_puts(buf, "<table><thead><tr><th align=\"left\">option</th><th align=\"left\"></th>"
                      "</tr></thead><tbody>");
    for (size_t i = 0; (option = option_at(command, i)) != NULL; i++) {
        ink_buf_puts(buf, "<tr><td align=\"left\"><code>");
        ink_buf_clear(&part);
        ink_option_usage(option, &part);
        ink_buf_html(buf, ink_buf_text(&part));
        ink_buf_puts(buf, "</code></td><td align=\"left\">");
        ink_buf_clear(&part);
        ink_help_option(option, &part);
        ink_buf_html(buf, ink_buf_text(&part));
        ink_buf_puts(buf, "</td></tr>");
    }
    ink_buf_puts(buf, "</tbody></table>");
}

static void
help_markdown(const struct ink_command *command, struct ink_buf *buf)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf part = {0};
    const struct ink_option *option;

    ink_buf_printf(buf, "### %s\n\n%s.\n\n```\n", command->name, command->summary);
    put_usage(command, buf);
    ink_buf_puts(buf, "\n```\n\n");
    each_paragraph(command->help, buf, paragraph_markdown);
    if (command->option_count == 0)
        return;
    ink_buf_puts(buf, "| option | |\n|---|---|\n");
    for (size_t i = 0; i < command->option_count; i++) {
        option = &command->option[i];
        ink_buf_clear(&part);
        ink_option_usage(option, &part);
        ink_buf_puts(buf, "| `");
        for (const char *c = ink_buf_text(&part); *c; c++)
            ink_buf_printf(buf, *c == '|' ? "\\%c" : "%c", *c);
        ink_buf_puts(buf, "` | ");
        ink_buf_clear(&part);
        ink_help_option(option, &part);
        for (const char *c = ink_buf_text(&part); *c; c++)
            ink_buf_printf(buf, strchr("*_<>[]|", *c) ? "\\%c" : "%c", *c);
        ink_buf_puts(buf, " |\n");
    }
    ink_buf_putc(buf, '\n');
}

static void
help_roff(const struct ink_command *command, struct ink_buf *buf)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf part = {0};

    ink_buf_printf(buf, ".SS %s\n", command->name);
    put_roff(buf, command->summary, strlen(command->summary));
    ink_buf_puts(buf, ".\n.PP\n.B ");
    put_usage(command, &part);
    put_roff(buf, ink_buf_text(&part), part.size);
    ink_buf_putc(buf, '\n');
    each_paragraph(command->help, buf, paragraph_roff);
    for (size_t i = 0; i < command->option_count; i++) {
        ink_buf_clear(&part);
        ink_option_usage(&command->option[i], &part);
        ink_buf_puts(buf, ".TP\n.B ");
        put_roff(buf, ink_buf_text(&part), part.size);
        ink_buf_putc(buf, '\n');
        ink_buf_clear(&part);
        ink_help_option(&command->option[i], &part);
        put_roff(buf, ink_buf_text(&part), part.size);
        ink_buf_putc(buf, '\n');
    }
}

void
ink_help_show(const struct ink_command *command, struct ink_bundle *out_bundle)
{
    INK_CLEANUP(ink_json_destroy) struct ink_json *json = ink_command_to_json(command);
    struct ink_buf text = {0}, html = {0};

    ink_help_text(command, &text);
    help_html(command, &html);
    ink_bundle_add_answer(out_bundle, &text, &html, json);
}

/* ---- the whole table ---- */

void
ink_help_markdown(struct ink_buf *buf)
{
    for (size_t i = 0; i < ink_command_count(); i++)
        help_markdown(ink_command_get(i), buf);
    for (size_t i = 0; i < ink_topic_count; i++) {
        ink_buf_printf(buf, "### %s\n\n", ink_topic[i].title);
        each_paragraph(ink_topic[i].text, buf, paragraph_markdown);
    }
}

void
ink_help_man(const char *version, struct ink_buf *buf)
{
    ink_buf_printf(buf, ".TH INKLING 1 \"\" \"inkling %s\" \"User Commands\"\n", version);
    ink_buf_puts(buf,
                 ".SH NAME\ninkling \\- see\\-through digit classifier: Jupyter kernel, server "
                 "and command\\-line tool\n.SH SYNOPSIS\n.B inkling\n[\\-\\-store DIR] "
                 "[\\-\\-data\\-dir DIR] COMMAND [OPTIONS] [WORDS...]\n.SH DESCRIPTION\n");
    each_paragraph(ink_help_introduction, buf, paragraph_roff);
    ink_buf_puts(buf, ".SH COMMANDS\nEvery command also understands\n");
    for (size_t i = 0; i < ink_common_option_count; i++) {
        INK_CLEANUP(ink_buf_fini) struct ink_buf usage = {0};

        ink_option_usage(&ink_common_option[i], &usage);
        ink_buf_puts(buf, ".TP\n.B ");
        put_roff(buf, ink_buf_text(&usage), usage.size);
        ink_buf_putc(buf, '\n');
        put_roff(buf, ink_common_option[i].help, strlen(ink_common_option[i].help));
        ink_buf_putc(buf, '\n');
    }
    for (size_t i = 0; i < ink_command_count(); i++)
        help_roff(ink_command_get(i), buf);
    for (size_t i = 0; i < ink_topic_count; i++) {
        ink_buf_puts(buf, ".SH ");
        for (const char *c = ink_topic[i].title; *c; c++)
            ink_buf_putc(buf, (char)(*c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c));
        ink_buf_putc(buf, '\n');
        each_paragraph(ink_topic[i].text, buf, paragraph_roff);
    }
    each_paragraph(ink_help_man_end, buf, paragraph_roff);
}

void
ink_topic_show(const struct ink_topic *topic, struct ink_bundle *out_bundle)
{
    struct ink_buf text = {0}, html = {0};

    ink_buf_printf(&text, "%s\n\n%s\n", topic->title, topic->text);
    ink_buf_printf(&html, "<p><b>%s</b></p>", topic->title);
    each_paragraph(topic->text, &html, paragraph_html);
    ink_bundle_add(out_bundle, INK_MIME_TEXT, &text);
    ink_bundle_add(out_bundle, INK_MIME_HTML, &html);
}

/* ---- JSON ---- */

static struct ink_json *
option_to_json(const struct ink_option *option)
{
    static const char *const types[] = {"flag", "int", "real", "text", "choice"};
    struct ink_json *json = ink_json_object();

    ink_json_set_string(json, "name", option->name);
    ink_json_set_string(json, "type", types[option->type]);
    ink_json_set_string(json, "help", option->help);
    if (option->fallback)
        ink_json_set_string(json, "default", option->fallback);
    if (option->type == INK_OPTION_INT || option->type == INK_OPTION_REAL) {
        ink_json_set_double(json, "min", option->min);
        ink_json_set_double(json, "max", option->max);
    }
    if (option->type == INK_OPTION_CHOICE) {
        struct ink_json *choices = ink_json_array();

        for (const char *at = option->choices; *at;) {
            char word[64];
            size_t size = strcspn(at, "|");

            (void)snprintf(word, sizeof(word), "%.*s", (int)size, at);
            ink_json_push(choices, ink_json_from_string(word));
            at += size + (at[size] == '|');
        }
        ink_json_set(json, "choices", choices);
    }
    return json;
}

struct ink_json *
ink_command_to_json(const struct ink_command *command)
{
    struct ink_json *json = ink_json_object();
    struct ink_json *options = ink_json_array();

    ink_json_set_string(json, "name", command->name);
    ink_json_set_string(json, "synopsis", command->synopsis);
    ink_json_set_string(json, "summary", command->summary);
    ink_json_set_string(json, "help", command->help);
    for (size_t i = 0; i < command->option_count; i++)
        ink_json_push(options, option_to_json(&command->option[i]));
    ink_json_set(json, "options", options);
    return json;
}
