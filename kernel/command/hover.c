/* SPDX-License-Identifier: MIT */
/* hover: what inspection (Shift-Tab) says of the word at the cursor. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "kernel/command/cell.h"
#include "kernel/command/command_priv.h"
#include "kernel/command/help.h"
#include "kernel/command/session.h"
#include "kernel/command/words.h"
#include "kernel/render/text.h"

/* One paragraph, in both forms. */
static void
say(struct ink_buf *text, struct ink_bundle *out_bundle)
{
    struct ink_buf html = {0};

    ink_buf_puts(&html, "<pre>");
    ink_buf_html(&html, ink_buf_text(text));
    ink_buf_puts(&html, "</pre>");
    ink_bundle_add(out_bundle, INK_MIME_TEXT, text);
    ink_bundle_add(out_bundle, INK_MIME_HTML, &html);
}

static void
say_command(const struct ink_command *command, int detail, struct ink_bundle *out_bundle)
{
    struct ink_buf text = {0};

    if (detail > 0) {
        ink_help_show(command, out_bundle);
        return;
    }
    ink_help_text(command, &text);
    say(&text, out_bundle);
}

/* "--epochs 3" -> the row of epochs; NULL if the word is no option. */
static const struct ink_option *
option_of(const struct ink_command *command, const char *word)
{
    char name[64];
    size_t size;

    if (strncmp(word, "--", 2) != 0)
        return NULL;
    size = strcspn(word + 2, "=");
    if (size >= sizeof(name))
        return NULL;
    memcpy(name, word + 2, size);
    name[size] = '\0';
    return ink_option_find(command, name);
}

static void
say_option(const struct ink_command *command, const struct ink_option *option,
           struct ink_bundle *out_bundle)
{
    struct ink_buf text = {0};

    ink_buf_printf(&text, "%s ", command->name);
    ink_option_usage(option, &text);
    ink_buf_puts(&text, "\n    ");
    ink_help_option(option, &text);
    ink_buf_putc(&text, '\n');
    say(&text, out_bundle);
}

/* A layer of the newest network, "conv1" or "conv1[3]". */
static bool
say_layer(struct ink_session *session, const char *word, struct ink_bundle *out_bundle)
{
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *snapshot = NULL;
    struct ink_buf text = {0};
    char name[INK_ARCH_NAME_SIZE];
    size_t size = strcspn(word, "[");
    const struct ink_node *node;
    int index;

    if (size >= sizeof(name) || ink_session_snapshot(session, &snapshot, NULL) != INK_OK)
        return false;
    memcpy(name, word, size);
    name[size] = '\0';
    index = ink_arch_find(ink_snapshot_arch(snapshot), name);
    if (index < 0)
        return false;
    node = &ink_snapshot_arch(snapshot)->node[index];
    ink_buf_printf(&text, "%s: %s, ", node->name, ink_op_name(node->op));
    ink_text_shape(&text, node->shape);
    ink_buf_puts(&text, ", ");
    ink_text_count(&text, (long long)ink_node_parameter_count(node));
    ink_buf_printf(&text, " parameters; a layer of %s\n", ink_snapshot_record(snapshot)->name);
    say(&text, out_bundle);
    return true;
}

/* Whether a word names pictures of a data set or drawings. */
static bool
is_picture(const char *word)
{
    const char *open = strchr(word, '[');
    size_t size = open ? (size_t)(open - word) : strlen(word);

    return (size >= 4 && strncmp(word + size - 4, "test", 4) == 0 && open) ||
           (size >= 5 && strncmp(word + size - 5, "train", 5) == 0 && open) ||
           (size == 5 && strncmp(word, "drawn", 5) == 0);
}

/* The line and the word that the cursor is in or right behind. */
static const struct ink_line *
find_place(const struct ink_lines *lines, size_t cursor, size_t *out_word)
{
    for (size_t i = lines->count; i-- > 0;) {
        const struct ink_line *line = &lines->line[i];

        if (cursor < line->start)
            continue;
        *out_word = 0;
        for (size_t w = 0; w < line->word_count; w++)
            if (line->word[w].start <= cursor)
                *out_word = w;
        return line;
    }
    return NULL;
}

enum ink_status
ink_cell_inspect(struct ink_session *session, const char *code, size_t size, size_t cursor,
                 int detail, struct ink_bundle *out_bundle, struct ink_err *err)
{
    INK_CLEANUP(ink_lines_fini) struct ink_lines lines = {0};
    const struct ink_line *line;
    const struct ink_command *command;
    const struct ink_option *option;
    const char *word;
    size_t index = 0;
    enum ink_status status = ink_lines_parse(code, size, &lines, err);

    if (status != INK_OK)
        return status;
    line = find_place(&lines, cursor, &index);
    command = line ? ink_command_find(line->word[0].text) : NULL;
    if (!command)
        return INK_OK; /* nothing to say */
    word = line->word[index].text;
    option = option_of(command, word);
    if (!option && index > 0 && !strchr(word, '='))
        option = option_of(command, line->word[index - 1].text);
    if (option && option_of(command, word) != option && option->type == INK_OPTION_FLAG)
        option = NULL; /* a flag has no value: the word behind it is none */
    if (index > 0 && option)
        say_option(command, option, out_bundle);
    else if (index > 0 && ink_topic_find(word))
        ink_topic_show(ink_topic_find(word), out_bundle);
    else if (index > 0 && command->word_kind[0] == INK_WORD_COMMAND && ink_command_find(word))
        say_command(ink_command_find(word), detail, out_bundle);
    else if (index > 0 && is_picture(word))
        ink_topic_show(ink_topic_find("pictures"), out_bundle);
    else if (index == 0 || !say_layer(session, word, out_bundle))
        say_command(command, detail, out_bundle);
    return ink_bundle_check(out_bundle, err);
}
