/* SPDX-License-Identifier: MIT */
#include "kernel/command/words.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/json.h"

/* A place in the text. */
struct reader {
    const char *code;
    size_t size, at;
    size_t number; /* of the line at `at`, from 1 */
};

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* The size of a line break continued by a backslash at `at`, or 0. */
static size_t
continuation(const struct reader *reader, size_t at)
{
    if (reader->code[at] != '\\')
        return 0;
    if (at + 1 < reader->size && reader->code[at + 1] == '\n')
        return 2;
    if (at + 2 < reader->size && reader->code[at + 1] == '\r' && reader->code[at + 2] == '\n')
        return 3;
    return 0;
}

static enum ink_status
no_memory(struct ink_err *err)
{
    return ink_fail(err, INK_NOMEM, "out of memory");
}

/* ---- one word ---- */

/* Take what is between quotes; the reader stands on the opening one. */
static void
take_quoted(struct reader *reader, struct ink_buf *text, struct ink_line *line)
{
    char quote = reader->code[reader->at++];

    while (reader->at < reader->size && reader->code[reader->at] != '\n') {
        char c = reader->code[reader->at++];
        char next = reader->at < reader->size ? reader->code[reader->at] : '\0';

        if (c == quote)
            return;
        if (quote == '"' && c == '\\' && (next == '"' || next == '\\')) {
            c = next;
            reader->at++;
        }
        ink_buf_putc(text, c);
    }
    line->is_open = true;
}

/* A word; the reader stands on its first byte. */
static enum ink_status
take_word(struct reader *reader, struct ink_line *line, struct ink_err *err)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf text = {0};
    struct ink_word word = {.start = reader->at};
    struct ink_word *grown;

    while (reader->at < reader->size) {
        char c = reader->code[reader->at];

        if (c == '\n' || is_blank(c) || continuation(reader, reader->at))
            break;
        if (c == '\'' || c == '"') {
            take_quoted(reader, &text, line);
            continue;
        }
        if (c == '\\' && reader->at + 1 == reader->size)
            line->is_open = true;
        else if (c == '\\' && reader->code[reader->at + 1] != '\n')
            c = reader->code[++reader->at];
        if (reader->at < reader->size && !line->is_open)
            ink_buf_putc(&text, c);
        reader->at++;
    }
    word.end = reader->at;
    if (line->is_open && text.size == 0 && reader->code[word.start] == '\\')
        return INK_OK; /* the backslash alone */
    if (line->word_count == INK_WORDS_MAX)
        return ink_fail(err, INK_TOOBIG, "line %zu: too many words, expected at most %d",
                        line->number, INK_WORDS_MAX);
    grown = realloc(line->word, (line->word_count + 1) * sizeof(*grown));
    if (!grown)
        return no_memory(err);
    line->word = grown;
    word.text = ink_buf_take(&text);
    if (!word.text)
        return no_memory(err);
    line->word[line->word_count++] = word;
    return INK_OK;
}

/* ---- one command, with its continued lines ---- */

static enum ink_status
take_line(struct reader *reader, struct ink_line *line, struct ink_err *err)
{
    enum ink_status status = INK_OK;

    line->number = reader->number;
    line->start = reader->at;
    while (status == INK_OK && reader->at < reader->size && reader->code[reader->at] != '\n') {
        size_t skip = continuation(reader, reader->at);

        if (skip > 0) {
            reader->at += skip;
            reader->number++;
            line->is_open = reader->at >= reader->size;
        } else if (is_blank(reader->code[reader->at])) {
            reader->at++;
        } else if (reader->code[reader->at] == '#') {
            while (reader->at < reader->size && reader->code[reader->at] != '\n')
                reader->at++;
        } else {
            status = take_word(reader, line, err);
        }
    }
    line->end = line->block_end = reader->at;
    if (reader->at < reader->size) {
        reader->at++; /* the line break */
        reader->number++;
    }
    return status;
}

/* ---- the block below ---- */

/* The end of the line at `at`, without its break. */
static size_t
line_end(const struct reader *reader, size_t at)
{
    const char *end = memchr(reader->code + at, '\n', reader->size - at);

    return end ? (size_t)(end - reader->code) : reader->size;
}

/* How far a line is indented; `out_is_empty` when there is nothing else in it, or it is a comment
 * at the margin. */
static size_t
indentation(const struct reader *reader, size_t at, bool *out_is_empty)
{
    size_t end = line_end(reader, at), start = at;

    while (at < end && is_blank(reader->code[at]))
        at++;
    *out_is_empty = at == end || (at == start && reader->code[at] == '#');
    return at - start;
}

/* Find the lines of a block; empty ones inside belong to it. */
static size_t
find_block(const struct reader *reader, size_t *out_indent)
{
    size_t at = reader->at, block_end = reader->at;
    size_t least = SIZE_MAX;

    while (at < reader->size) {
        size_t end = line_end(reader, at);
        bool is_empty;
        size_t indent = indentation(reader, at, &is_empty);

        if (!is_empty && indent == 0)
            break;
        if (!is_empty) {
            least = indent < least ? indent : least;
            block_end = end;
        }
        at = end + 1;
    }
    *out_indent = least;
    return block_end;
}

static enum ink_status
take_block(struct reader *reader, struct ink_line *line, struct ink_err *err)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf text = {0};
    size_t indent = 0;
    size_t block_end = reader->at < reader->size ? find_block(reader, &indent) : reader->at;

    while (reader->at < block_end) {
        size_t end = line_end(reader, reader->at);
        bool is_empty;

        (void)indentation(reader, reader->at, &is_empty);
        if (!is_empty)
            ink_buf_append(&text, reader->code + reader->at + indent, end - reader->at - indent);
        ink_buf_putc(&text, '\n');
        reader->at = end < reader->size ? end + 1 : end;
        reader->number++;
        line->block_end = end;
    }
    line->block = ink_buf_take(&text);
    return line->block ? INK_OK : no_memory(err);
}

/* ---- the whole ---- */

static void
fini_line(struct ink_line *line)
{
    for (size_t i = 0; i < line->word_count; i++)
        free(line->word[i].text);
    free(line->word);
    free(line->block);
}

void
ink_lines_fini(struct ink_lines *lines)
{
    for (size_t i = 0; i < lines->count; i++)
        fini_line(&lines->line[i]);
    free(lines->line);
    *lines = (struct ink_lines){0};
}

static enum ink_status
push_line(struct ink_lines *lines, struct ink_line *line, struct ink_err *err)
{
    struct ink_line *grown = realloc(lines->line, (lines->count + 1) * sizeof(*grown));

    if (!grown)
        return no_memory(err);
    lines->line = grown;
    lines->line[lines->count++] = *line;
    *line = (struct ink_line){0}; /* given away */
    return INK_OK;
}

/* The next line that begins at the margin, with its block; none with words is dropped. */
static enum ink_status
take_command(struct reader *reader, struct ink_lines *lines, struct ink_err *err)
{
    INK_CLEANUP(fini_line) struct ink_line line = {0};
    bool is_empty;
    size_t indent = indentation(reader, reader->at, &is_empty);
    enum ink_status status;

    if (indent > 0 && !is_empty && lines->count == 0 && lines->stray == 0 &&
        reader->code[reader->at + indent] != '#')
        lines->stray = reader->number;
    status = take_line(reader, &line, err);
    if (status != INK_OK || line.word_count == 0)
        return status;
    status = take_block(reader, &line, err);
    return status == INK_OK ? push_line(lines, &line, err) : status;
}

enum ink_status
ink_lines_parse(const char *code, size_t size, struct ink_lines *out_lines, struct ink_err *err)
{
    INK_CLEANUP(ink_lines_fini) struct ink_lines lines = {0};
    struct reader reader = {code, size, 0, 1};
    enum ink_status status = INK_OK;

    if (size > INK_CELL_SIZE_MAX)
        return ink_fail(err, INK_TOOBIG, "a cell of %zu bytes, expected at most %d", size,
                        INK_CELL_SIZE_MAX);
    if (!ink_utf8_is_valid(code, size) || memchr(code, '\0', size))
        return ink_fail(err, INK_BADDATA, "the cell is not UTF-8 text");
    while (reader.at < reader.size && status == INK_OK)
        status = take_command(&reader, &lines, err);
    if (status != INK_OK)
        return status;
    *out_lines = lines;
    lines = (struct ink_lines){0}; /* given away */
    return INK_OK;
}
