/* SPDX-License-Identifier: MIT */
#include "kernel/command/cell.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "kernel/command/command_priv.h"
#include "kernel/command/words.h"

/* "predict?" and "?predict" ask for help, as everywhere in notebooks. */
static const char *
asks_for_help(const struct ink_line *line, char out_name[static 32])
{
    const char *word = line->word[0].text;
    size_t size = strlen(word);

    if (line->word_count == 2 && strcmp(word, "?") == 0)
        return line->word[1].text;
    if (line->word_count != 1 || size < 2 || size >= 32)
        return NULL;
    if (word[0] == '?')
        return word + 1;
    if (word[size - 1] != '?')
        return NULL;
    memcpy(out_name, word, size - 1);
    out_name[size - 1] = '\0';
    return out_name;
}

/* The command of a line and its words, checked. */
static enum ink_status
prepare(const struct ink_line *line, struct ink_args *out_args, struct ink_err *err)
{
    INK_CLEANUP(ink_freep) const char **words = NULL;
    const struct ink_command *command;
    char name[32];
    const char *asked = asks_for_help(line, name);
    enum ink_status status =
        ink_command_find_or_suggest(asked ? asked : line->word[0].text, &command, err);

    if (status != INK_OK)
        return status;
    if (asked)
        return ink_args_parse(command, (const char *const[]){"--help"}, 1, out_args, err);
    if (line->is_open)
        return ink_fail(err, INK_BADARG, "the line is not finished: a quote is not closed");
    if (*line->block && !(command->flags & INK_TAKES_BLOCK))
        return ink_fail(err, INK_BADARG, "'%s' takes no indented lines below it", command->name);
    words = calloc(line->word_count, sizeof(*words));
    if (!words)
        return ink_fail(err, INK_NOMEM, "out of memory");
    for (size_t i = 1; i < line->word_count; i++)
        words[i - 1] = line->word[i].text;
    return ink_args_parse(command, words, line->word_count - 1, out_args, err);
}

static enum ink_status
run_line(const struct ink_line *line, struct ink_context *ctx, struct ink_bundle *out_bundle,
         struct ink_err *err)
{
    INK_CLEANUP(ink_args_fini) struct ink_args args = {0};
    enum ink_status status = prepare(line, &args, err);

    if (status != INK_OK)
        return status;
    ctx->block = line->block;
    return ink_command_run(ctx, &args, out_bundle, err);
}

/* With several commands, say which one it was. */
static enum ink_status
fail_line(const struct ink_lines *lines, const struct ink_line *line, const struct ink_err *cause,
          enum ink_status status, struct ink_err *err)
{
    if (lines->count == 1)
        return ink_fail(err, status, "%s", cause->message);
    return ink_fail(err, status, "line %zu: %s", line->number, cause->message);
}

enum ink_status
ink_cell_run(struct ink_session *session, const char *code, size_t size,
             const struct ink_sink *sink, const atomic_bool *cancel, struct ink_bundle *out_bundle,
             struct ink_err *err)
{
    INK_CLEANUP(ink_lines_fini) struct ink_lines lines = {0};
    struct ink_context ctx = {session, sink, cancel, ""};
    struct ink_bundle bundle = {0};
    struct ink_err cause = {0};
    enum ink_status status = ink_lines_parse(code, size, &lines, err);

    if (status != INK_OK)
        return status;
    if (lines.stray > 0)
        return ink_fail(err, INK_BADARG, "line %zu: indented, but there is no command above it",
                        lines.stray);
    for (size_t i = 0; i < lines.count; i++) {
        if (atomic_load(cancel))
            return ink_fail(err, INK_CANCELLED, "stopped before line %zu", lines.line[i].number);
        if (bundle.count > 0)
            sink->display(sink->self, &bundle, NULL, false);
        ink_bundle_fini(&bundle);
        status = run_line(&lines.line[i], &ctx, &bundle, &cause);
        if (status != INK_OK)
            return fail_line(&lines, &lines.line[i], &cause, status, err);
    }
    *out_bundle = bundle;
    return INK_OK;
}

/* A command whose block may still go on: `model new NAME` without an architecture's name. */
static bool
wants_block(const struct ink_line *line, const char *code, size_t size)
{
    const struct ink_command *command = ink_command_find(line->word[0].text);

    if (!command || !(command->flags & INK_TAKES_BLOCK) || line->word_count != 3 ||
        strcmp(line->word[1].text, "new") != 0)
        return false;
    return size == 0 || line->block_end >= size || code[size - 1] != '\n' ||
           (size > 1 && line->block_end + 1 >= size);
}

enum ink_cell_state
ink_cell_check(const char *code, size_t size, const char **out_indent)
{
    INK_CLEANUP(ink_lines_fini) struct ink_lines lines = {0};
    const struct ink_line *last;

    *out_indent = "";
    if (ink_lines_parse(code, size, &lines, NULL) != INK_OK || lines.stray > 0)
        return INK_CELL_INVALID;
    if (lines.count == 0)
        return INK_CELL_COMPLETE;
    last = &lines.line[lines.count - 1];
    for (size_t i = 0; i < lines.count; i++) {
        INK_CLEANUP(ink_args_fini) struct ink_args args = {0};
        const struct ink_line *line = &lines.line[i];

        if (line == last && line->is_open)
            return INK_CELL_INCOMPLETE;
        if (prepare(line, &args, NULL) != INK_OK)
            return INK_CELL_INVALID;
    }
    if (wants_block(last, code, size)) {
        *out_indent = "    ";
        return INK_CELL_INCOMPLETE;
    }
    return INK_CELL_COMPLETE;
}
