/* SPDX-License-Identifier: MIT */
#include "kernel/jupyter/history.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "kernel/jupyter/content.h"

enum { SESSION = 1, RING_SIZE = INK_LIMIT_JUPYTER_HISTORY };

struct ink_history_entry {
    int line;
    char *code, *output; /* owned; output may be NULL */
};

/* What a request asks for. */
struct selection {
    const char *pattern; /* NULL: all */
    double start, stop;  /* lines [start, stop) */
    double count;        /* the newest of those that match */
    bool is_unique;      /* of equal cells the newest alone */
    bool with_output;
};

static struct ink_history_entry *
entry_at(const struct ink_history *history, size_t index)
{
    return &history->ring[(history->oldest + index) % RING_SIZE];
}

static size_t
entry_size(const struct ink_history_entry *entry)
{
    assert(entry->code);
    return strlen(entry->code) + (entry->output ? strlen(entry->output) : 0);
}

static void
drop_oldest(struct ink_history *history)
{
    struct ink_history_entry *entry = entry_at(history, 0);

    history->size -= entry_size(entry);
    free(entry->code);
    free(entry->output);
    *entry = (struct ink_history_entry){0};
    history->oldest = (history->oldest + 1) % RING_SIZE;
    history->count--;
}

void
ink_history_add(struct ink_history *history, int line, const char *code, const char *output)
{
    struct ink_history_entry entry = {.line = line, .code = strdup(code)};

    if (!history->ring)
        history->ring = calloc(RING_SIZE, sizeof(*history->ring));
    if (output)
        entry.output = strdup(output);
    if (!history->ring || !entry.code || (output && !entry.output)) {
        free(entry.code);
        free(entry.output);
        return;
    }
    if (history->count == RING_SIZE)
        drop_oldest(history);
    *entry_at(history, history->count++) = entry;
    history->size += entry_size(&entry);
    while (history->count > 1 && history->size > INK_LIMIT_JUPYTER_HISTORY_SIZE)
        drop_oldest(history);
}

bool
ink_history_matches(const char *pattern, const char *text)
{
    const char *star = NULL, *retry = NULL;

    /* On a mismatch let the last * swallow one byte more: no recursion, at most n * m steps. */
    while (*text) {
        if (*pattern == '*') {
            star = pattern++;
            retry = text;
        } else if (*pattern == '?' || *pattern == *text) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star + 1;
            text = ++retry;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

static enum ink_status
read_selection(const struct ink_json *request, struct selection *out, struct ink_err *err)
{
    const char *type = ink_json_string(ink_json_find(request, "hist_access_type"), "");
    double session = ink_json_number(ink_json_find(request, "session"), 0);
    struct selection selection = {
        .start = 0,
        .stop = INT32_MAX,
        .count = ink_json_number(ink_json_find(request, "n"), INT32_MAX),
        .with_output = ink_json_bool(ink_json_find(request, "output"), false),
    };

    if (strcmp(type, "range") == 0) {
        selection.count = INT32_MAX;
        selection.start = ink_json_number(ink_json_find(request, "start"), 0);
        selection.stop = ink_json_number(ink_json_find(request, "stop"), INT32_MAX);
        if (session != 0 && session != SESSION)
            selection.stop = 0; /* of other sessions nothing is known */
    } else if (strcmp(type, "search") == 0) {
        selection.pattern = ink_json_string(ink_json_find(request, "pattern"), "*");
        selection.is_unique = ink_json_bool(ink_json_find(request, "unique"), false);
    } else if (strcmp(type, "tail") != 0) {
        return ink_fail(err, INK_BADARG, "hist_access_type \"%.64s\" is not range, tail or search",
                        type);
    }
    *out = selection;
    return INK_OK;
}

static bool
has_newer_equal(const struct ink_history *history, size_t index)
{
    for (size_t i = index + 1; i < history->count; i++)
        if (strcmp(entry_at(history, i)->code, entry_at(history, index)->code) == 0)
            return true;
    return false;
}

static bool
is_selected(const struct ink_history *history, size_t index, const struct selection *selection)
{
    const struct ink_history_entry *entry = entry_at(history, index);

    return entry->line >= selection->start && entry->line < selection->stop &&
           (!selection->pattern || ink_history_matches(selection->pattern, entry->code)) &&
           !(selection->is_unique && has_newer_equal(history, index));
}

static void
put_entry(const struct ink_history_entry *entry, bool with_output, struct ink_buf *buf)
{
    ink_buf_printf(buf, "[%d,%d,", SESSION, entry->line);
    if (with_output)
        ink_buf_putc(buf, '[');
    ink_content_text(buf, entry->code);
    if (with_output) {
        ink_buf_putc(buf, ',');
        ink_content_text(buf, entry->output);
        ink_buf_putc(buf, ']');
    }
    ink_buf_putc(buf, ']');
}

enum ink_status
ink_history_reply(const struct ink_history *history, const struct ink_json *request,
                  struct ink_buf *out_content, struct ink_err *err)
{
    struct selection selection = {0};
    enum ink_status status = read_selection(request, &selection, err);
    INK_CLEANUP(ink_freep) bool *is_chosen = NULL;
    double left;
    bool is_first = true;

    if (status)
        return status;
    is_chosen = calloc(history->count + 1, sizeof(*is_chosen));
    if (!is_chosen)
        return ink_fail(err, INK_NOMEM, "no memory for %zu cells of history", history->count);
    left = selection.count;
    for (size_t i = history->count; i-- > 0 && left >= 1;)
        if (is_selected(history, i, &selection)) {
            is_chosen[i] = true;
            left--;
        }
    ink_buf_puts(out_content, "{\"status\":\"ok\",\"history\":[");
    for (size_t i = 0; i < history->count; i++) {
        if (!is_chosen[i])
            continue;
        if (!is_first)
            ink_buf_putc(out_content, ',');
        is_first = false;
        put_entry(entry_at(history, i), selection.with_output, out_content);
    }
    ink_buf_puts(out_content, "]}");
    return ink_buf_check(out_content, err);
}

void
ink_history_fini(struct ink_history *history)
{
    while (history->count)
        drop_oldest(history);
    free(history->ring);
    *history = (struct ink_history){0};
}
