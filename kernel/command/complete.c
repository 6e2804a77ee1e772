/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "kernel/command/cell.h"
#include "kernel/command/command_priv.h"
#include "kernel/command/help.h"
#include "kernel/command/session.h"
#include "kernel/command/words.h"
#include "model/store.h"

enum { MATCH_MAX = 200 };

/* What is being completed. */
struct place {
    struct ink_session *session;
    const struct ink_command *command; /* NULL: its name is */
    const char *stem;                  /* the beginning of the word */
    size_t stem_size;
    struct ink_completion *out;
    bool is_broken; /* no memory */
};

/* Offer a text if it begins with the stem. */
static void
offer(struct place *place, const char *text, const char *type)
{
    struct ink_completion *out = place->out;
    struct ink_match *grown;

    if (strncmp(text, place->stem, place->stem_size) != 0 || out->count == MATCH_MAX)
        return;
    for (size_t i = 0; i < out->count; i++)
        if (strcmp(out->match[i].text, text) == 0)
            return;
    grown = realloc(out->match, (out->count + 1) * sizeof(*grown));
    if (!grown) {
        place->is_broken = true;
        return;
    }
    out->match = grown;
    out->match[out->count].text = strdup(text);
    out->match[out->count].type = type;
    if (!out->match[out->count].text)
        place->is_broken = true;
    else
        out->count++;
}

/* Offer the words of "a|b|c". */
static void
offer_choices(struct place *place, const char *choices, const char *type)
{
    while (*choices) {
        size_t size = strcspn(choices, "|");
        char word[64];

        (void)snprintf(word, sizeof(word), "%.*s", (int)size, choices);
        offer(place, word, type);
        choices += size + (choices[size] == '|');
    }
}

/* ---- kinds of words ---- */

static void
offer_commands(struct place *place)
{
    for (size_t i = 0; i < ink_command_count(); i++)
        offer(place, ink_command_get(i)->name, "command");
}

static void
offer_topics(struct place *place)
{
    for (size_t i = 0; i < ink_topic_count; i++)
        offer(place, ink_topic[i].name, "topic");
}

static void
offer_options(struct place *place)
{
    char text[80];

    for (size_t i = 0; i < place->command->option_count; i++) {
        (void)snprintf(text, sizeof(text), "--%s", place->command->option[i].name);
        offer(place, text, "option");
    }
    for (size_t i = 0; i < ink_common_option_count; i++) {
        (void)snprintf(text, sizeof(text), "--%s", ink_common_option[i].name);
        offer(place, text, "option");
    }
}

static void
offer_layers(struct place *place)
{
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *snapshot = NULL;
    const struct ink_arch *arch;

    if (ink_session_snapshot(place->session, &snapshot, NULL) != INK_OK)
        return;
    arch = ink_snapshot_arch(snapshot);
    for (int i = 0; i < arch->node_count; i++)
        offer(place, arch->node[i].name, "layer");
}

static void
offer_zoo(struct place *place)
{
    for (size_t i = 0; i < ink_zoo_count(INK_ZOO_ARCH); i++)
        offer(place, ink_zoo_get(INK_ZOO_ARCH, i).name, "architecture");
}

static void
offer_recipes(struct place *place)
{
    for (size_t i = 0; i < ink_zoo_count(INK_ZOO_RECIPE); i++)
        offer(place, ink_zoo_get(INK_ZOO_RECIPE, i).name, "recipe");
}

static void
offer_models(struct place *place)
{
    INK_CLEANUP(ink_freep) struct ink_store_entry *entries = NULL;
    INK_CLEANUP(ink_snapshot_unrefp)
    const struct ink_snapshot *job = ink_session_job(place->session);
    const char *store;
    size_t count = 0;

    offer(place, "inkling", "model");
    if (job)
        offer(place, "job", "model");
    if (ink_session_store(place->session, &store, NULL) == INK_OK &&
        ink_store_list(store, &entries, &count, NULL) == INK_OK) {
        for (size_t i = 0; i < count; i++) {
            char versioned[96];

            offer(place, entries[i].name, "model");
            (void)snprintf(versioned, sizeof(versioned), "%s:%d", entries[i].name,
                           entries[i].version);
            if (strchr(place->stem, ':'))
                offer(place, versioned, "model");
        }
    }
    offer_zoo(place);
}

static void
offer_data(struct place *place)
{
    size_t count;
    const struct ink_dataset_info *info = ink_dataset_table(&count);

    for (size_t i = 0; i < count; i++)
        offer(place, info[i].name, "data");
    if (ink_session_drawn_count(place->session) > 0)
        offer(place, "drawn", "data");
}

static void
close_folder(DIR **folder)
{
    if (*folder)
        (void)closedir(*folder);
}

static int
by_text(const void *a, const void *b)
{
    const struct ink_match *left = a, *right = b;

    return strcmp(left->text, right->text);
}

/* Files whose path begins with the stem; folders end with /. */
static void
offer_files(struct place *place)
{
    INK_CLEANUP(close_folder) DIR *folder = NULL;
    const char *slash = strrchr(place->stem, '/');
    int head = slash ? (int)(slash - place->stem) + 1 : 0;
    size_t before = place->out->count;
    char path[1024];
    struct stat info;

    if ((size_t)head >= sizeof(path))
        return;
    (void)snprintf(path, sizeof(path), "%.*s", head, place->stem);
    folder = opendir(head ? path : ".");
    for (struct dirent *entry = folder ? readdir(folder) : NULL; entry; entry = readdir(folder)) {
        bool is_hidden = entry->d_name[0] == '.' && place->stem[head] != '.';
        int size;

        if (is_hidden || strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
            strcspn(entry->d_name, " \t\n'\"\\#") != strlen(entry->d_name) ||
            !ink_utf8_is_valid(entry->d_name, strlen(entry->d_name)))
            continue;
        size = snprintf(path, sizeof(path) - 1, "%.*s%s", head, place->stem, entry->d_name);
        if (size < 0 || (size_t)size >= sizeof(path) - 1)
            continue;
        if (stat(path, &info) == 0 && S_ISDIR(info.st_mode))
            memcpy(path + size, "/", 2);
        offer(place, path, "file");
    }
    if (place->out->count > before)
        qsort(place->out->match + before, place->out->count - before, sizeof(*place->out->match),
              by_text);
}

static void
offer_pictures(struct place *place)
{
    static const char *const forms[] = {"test[",  "test[label=",  "test[random]",  "test[wrong]",
                                        "train[", "train[label=", "train[random]", "train[wrong]"};
    bool has_bracket = strchr(place->stem, '[') != NULL;

    offer(place, "drawn", "picture");
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        size_t size = strlen(forms[i]);

        if (has_bracket || forms[i][size - 1] == '[')
            offer(place, forms[i], "picture");
    }
    if (!has_bracket)
        offer_files(place);
}

static void
offer_kind(struct place *place, enum ink_word_kind kind)
{
    switch (kind) {
    case INK_WORD_ACTION:
        offer_choices(place, place->command->actions, "action");
        break;
    case INK_WORD_COMMAND:
        offer_commands(place);
        offer_topics(place);
        break;
    case INK_WORD_PICTURE:
        offer_pictures(place);
        break;
    case INK_WORD_LAYER:
        offer_layers(place);
        break;
    case INK_WORD_MODEL:
        offer_models(place);
        break;
    case INK_WORD_ARCH:
        offer_zoo(place);
        break;
    case INK_WORD_RECIPE:
        offer_recipes(place);
        break;
    case INK_WORD_DATA:
        offer_data(place);
        offer_files(place);
        break;
    case INK_WORD_FILE:
        offer_files(place);
        break;
    case INK_WORD_ANY:
        break;
    }
}

static void
offer_value(struct place *place, const struct ink_option *option)
{
    if (option->choices)
        offer_choices(place, option->choices, "choice");
    offer_kind(place, option->kind);
}

/* ---- where the cursor is ---- */

/* The option "--name" of exactly `size` bytes, or NULL. */
static const struct ink_option *
find_option(const struct ink_command *command, const char *word, size_t size)
{
    char name[64];

    if (size < 3 || size - 2 >= sizeof(name) || strncmp(word, "--", 2) != 0)
        return NULL;
    memcpy(name, word + 2, size - 2);
    name[size - 2] = '\0';
    return ink_option_find(command, name);
}

/* Which positional word comes after the first `count` words. */
static size_t
position(const struct ink_command *command, const struct ink_line *line, size_t count)
{
    size_t positional = 0;

    for (size_t i = 1; i < count; i++) {
        const char *word = line->word[i].text;
        const struct ink_option *option = find_option(command, word, strlen(word));

        if (strncmp(word, "--", 2) != 0)
            positional++;
        else if (option && option->type != INK_OPTION_FLAG)
            i++; /* its value */
    }
    return positional;
}

static enum ink_word_kind
kind_at(const struct ink_command *command, size_t index)
{
    size_t last = 0;

    while (last + 1 < INK_WORD_KIND_MAX && command->word_kind[last + 1] != INK_WORD_ANY)
        last++;
    if (index >= command->word_max)
        return INK_WORD_ANY;
    return command->word_kind[index < last ? index : last];
}

/* Offer what fits as word `index` of the line, which begins with the stem. */
static void
offer_word(struct place *place, const struct ink_line *line, size_t index)
{
    const char *equals = strchr(place->stem, '=');
    const struct ink_option *option = NULL;

    place->command = ink_command_find(line->word[0].text);
    if (!place->command)
        return;
    if (strncmp(place->stem, "--", 2) == 0 && equals) {
        option = find_option(place->command, place->stem, (size_t)(equals - place->stem));
        if (!option || option->type == INK_OPTION_FLAG)
            return;
        place->out->start += (size_t)(equals - place->stem) + 1;
        place->stem_size -= (size_t)(equals - place->stem) + 1;
        place->stem = equals + 1;
        offer_value(place, option);
        return;
    }
    if (index > 1)
        option = find_option(place->command, line->word[index - 1].text,
                             strlen(line->word[index - 1].text));
    if (option && option->type != INK_OPTION_FLAG) {
        offer_value(place, option);
        return;
    }
    if (place->stem_size > 0 && place->stem[0] == '-')
        offer_options(place);
    else
        offer_kind(place, kind_at(place->command, position(place->command, line, index)));
}

enum ink_status
ink_cell_complete(struct ink_session *session, const char *code, size_t size, size_t cursor,
                  struct ink_completion *out_completion, struct ink_err *err)
{
    INK_CLEANUP(ink_lines_fini) struct ink_lines lines = {0};
    INK_CLEANUP(ink_completion_fini) struct ink_completion completion = {0};
    INK_CLEANUP(ink_freep) char *stem = NULL;
    struct place place = {.session = session, .out = &completion};
    const struct ink_line *line;
    size_t index;
    enum ink_status status;

    cursor = cursor < size ? cursor : size;
    status = ink_lines_parse(code, cursor, &lines, err); /* what is behind does not matter */
    if (status != INK_OK)
        return status;
    line = lines.count > 0 ? &lines.line[lines.count - 1] : NULL;
    if (line && line->end < cursor)
        line = NULL; /* the cursor is on a line of its own */
    index = line ? line->word_count : 0;
    completion.start = completion.end = cursor;
    if (line && line->word_count > 0 && line->word[line->word_count - 1].end == cursor) {
        index--;
        completion.start = line->word[index].start;
    }
    stem = strndup(code + completion.start, completion.end - completion.start);
    if (!stem)
        return ink_fail(err, INK_NOMEM, "out of memory");
    place.stem = stem;
    place.stem_size = strlen(stem);
    if (index == 0)
        offer_commands(&place);
    else
        offer_word(&place, line, index);
    if (place.is_broken)
        return ink_fail(err, INK_NOMEM, "out of memory");
    *out_completion = completion;
    completion = (struct ink_completion){0}; /* given away */
    return INK_OK;
}

void
ink_completion_fini(struct ink_completion *completion)
{
    for (size_t i = 0; i < completion->count; i++)
        free(completion->match[i].text);
    free(completion->match);
    *completion = (struct ink_completion){0};
}
