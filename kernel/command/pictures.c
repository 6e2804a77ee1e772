/* SPDX-License-Identifier: MIT */
#include "kernel/command/pictures.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/parse.h"
#include "base/rng.h"
#include "base/suggest.h"
#include "kernel/command/predict.h"
#include "kernel/render/text.h"
#include "model/trainer.h"

/* Exactly one of the three is set. */
struct ink_picture_item {
    struct ink_dataset *dataset;
    struct ink_drawn *drawn;
    char *path;
    char *name;   /* "test", "mnist.test", "drawn": what stands before the [ */
    size_t index; /* in the data set, or of the drawing */
};

/* A word taken apart: name[inside], or a name alone. */
struct word {
    const char *text; /* the whole, for messages */
    char head[128];   /* "mnist.test", "drawn" */
    char data[128];   /* "mnist"; "" = the scope's */
    char inside[64];  /* between the brackets; "" = no brackets */
    enum ink_split split;
};

static enum ink_status
no_memory(struct ink_err *err)
{
    return ink_fail(err, INK_NOMEM, "out of memory");
}

/* ---- the list ---- */

static void
clear_item(struct ink_picture_item *item)
{
    ink_dataset_unref(item->dataset);
    ink_drawn_unref(item->drawn);
    free(item->path);
    free(item->name);
}

void
ink_pictures_fini(struct ink_picture_list *pictures)
{
    for (size_t i = 0; i < pictures->count; i++)
        clear_item(&pictures->item[i]);
    free(pictures->item);
    *pictures = (struct ink_picture_list){0};
}

/* Takes over what the item holds, also when it fails. */
static enum ink_status
push(struct ink_picture_list *pictures, struct ink_picture_item item, const char *name,
     struct ink_err *err)
{
    item.name = name ? strdup(name) : NULL;
    if ((name && !item.name) || (!item.dataset && !item.drawn && !item.path)) {
        clear_item(&item);
        return no_memory(err);
    }
    if (pictures->count == INK_PICTURES_MAX) {
        clear_item(&item);
        return ink_fail(err, INK_TOOBIG, "too many pictures at once, expected at most %d",
                        INK_PICTURES_MAX);
    }
    if (pictures->count == pictures->room) {
        size_t room = pictures->room ? pictures->room * 2 : 16;
        struct ink_picture_item *grown = realloc(pictures->item, room * sizeof(*grown));

        if (!grown) {
            clear_item(&item);
            return no_memory(err);
        }
        pictures->item = grown;
        pictures->room = room;
    }
    pictures->item[pictures->count++] = item;
    return INK_OK;
}

static enum ink_status
push_row(struct ink_picture_list *pictures, const struct word *word, struct ink_dataset *dataset,
         size_t index, struct ink_err *err)
{
    return push(pictures,
                (struct ink_picture_item){.dataset = ink_dataset_ref(dataset), .index = index},
                word->head, err);
}

/* ---- inside the brackets ---- */

static enum ink_status
bad_index(const struct word *word, size_t count, const char *data, struct ink_err *err)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf number = {0};

    ink_text_count(&number, (long long)count);
    if (!data)
        return ink_fail(err, INK_BADARG, "%.64s: drawn %s so far, expected 0 to %zu", word->text,
                        ink_buf_text(&number), count - 1);
    return ink_fail(err, INK_BADARG,
                    "%.64s: the %s set of %.64s has %s pictures, expected 0 to %zu", word->text,
                    word->split == INK_TEST ? "test" : "train", data, ink_buf_text(&number),
                    count - 1);
}

static enum ink_status
bad_inside(const struct word *word, struct ink_err *err)
{
    return ink_fail(err, INK_BADARG,
                    "%.64s: '%.32s' is not an index, expected a number, a range like 0:20%s",
                    word->text, word->inside,
                    strcmp(word->head, "drawn") == 0 ? "" : ", label=7, wrong, random or random:9");
}

/* A number or a range, "a:b" with either left out, of `count` things. */
static enum ink_status
parse_range(const struct word *word, size_t count, const char *data, int64_t *out_first,
            int64_t *out_end, struct ink_err *err)
{
    const char *colon = strchr(word->inside, ':');
    char from[64] = "";
    int64_t size = (int64_t)count, first = 0, end = size;

    strncat(from, word->inside, colon ? (size_t)(colon - word->inside) : sizeof(from) - 1);
    if (*from && ink_parse_int("", from, -INT32_MAX, INT32_MAX, &first, NULL) != INK_OK)
        return bad_inside(word, err);
    if (colon && colon[1] &&
        ink_parse_int("", colon + 1, -INT32_MAX, INT32_MAX, &end, NULL) != INK_OK)
        return bad_inside(word, err);
    if (!colon && !*from)
        return bad_inside(word, err);
    first += first < 0 ? size : 0;
    end += end < 0 ? size : 0;
    if (!colon)
        end = first + 1;
    if (first < 0 || first >= size || end > size || end < 0)
        return bad_index(word, count, data, err);
    if (end <= first)
        return ink_fail(err, INK_BADARG, "%.64s: an empty range, expected the end after the start",
                        word->text);
    *out_first = first;
    *out_end = end;
    return INK_OK;
}

static enum ink_status
push_label(struct ink_picture_list *pictures, const struct word *word, struct ink_dataset *dataset,
           struct ink_err *err)
{
    int64_t label;
    size_t before = pictures->count;
    enum ink_status status = INK_OK;

    if (ink_parse_int("", word->inside + strlen("label="), 0, INK_CLASS_COUNT - 1, &label, NULL) !=
        INK_OK)
        return ink_fail(err, INK_BADARG, "%.64s: expected label=0 to label=9", word->text);
    for (size_t i = 0; i < dataset->count && status == INK_OK; i++)
        if (dataset->labels[i] == label)
            status = push_row(pictures, word, dataset, i, err);
    if (status == INK_OK && pictures->count == before)
        return ink_fail(err, INK_NOTFOUND, "%.64s: %s has no such picture", word->text,
                        dataset->name);
    return status;
}

static enum ink_status
push_wrong(const struct ink_picture_scope *scope, struct ink_picture_list *pictures,
           const struct word *word, struct ink_dataset *dataset, struct ink_err *err)
{
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *snapshot = NULL;
    INK_CLEANUP(ink_freep) float *probabilities = NULL;
    struct ink_evaluation evaluation;
    size_t before = pictures->count;
    enum ink_status status = INK_OK;

    if (scope->snapshot)
        snapshot = ink_snapshot_ref(scope->snapshot);
    else
        status = ink_session_snapshot(scope->ctx->session, &snapshot, err);
    if (status == INK_OK)
        status = ink_evaluate(snapshot, dataset, 0, INK_COMPUTE(F32), scope->ctx->cancel,
                              &evaluation, err);
    if (status != INK_OK)
        return status;
    probabilities = evaluation.probabilities;
    for (size_t i = 0; i < dataset->count && status == INK_OK; i++)
        if (ink_prediction_best(probabilities + i * INK_CLASS_COUNT) != dataset->labels[i])
            status = push_row(pictures, word, dataset, i, err);
    if (status == INK_OK && pictures->count == before)
        return ink_fail(err, INK_NOTFOUND, "%.64s: %s gets all of %s right", word->text,
                        ink_snapshot_record(snapshot)->name, dataset->name);
    return status;
}

/* "random" or "random:9". */
static enum ink_status
push_random(struct ink_picture_list *pictures, const struct word *word, struct ink_dataset *dataset,
            struct ink_err *err)
{
    const char *colon = strchr(word->inside, ':');
    struct ink_rng rng;
    int64_t count = 1;
    enum ink_status status = INK_OK;

    if (colon && ink_parse_int("", colon + 1, 1, 10000, &count, NULL) != INK_OK)
        return ink_fail(err, INK_BADARG, "%.64s: expected random:1 to random:10000", word->text);
    ink_rng_init(&rng, ink_clock_ns(), 0);
    for (int64_t i = 0; i < count && status == INK_OK; i++)
        status =
            push_row(pictures, word, dataset, ink_rng_below(&rng, (uint32_t)dataset->count), err);
    return status;
}

static bool
begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static enum ink_status
push_rows(const struct ink_picture_scope *scope, struct ink_picture_list *pictures,
          const struct word *word, struct ink_err *err)
{
    INK_CLEANUP(ink_dataset_unrefp) struct ink_dataset *dataset = NULL;
    struct ink_session *session = scope->ctx->session;
    const char *data = *word->data ? word->data : scope->data;
    int64_t first = 0, end = 0;
    enum ink_status status;

    if (!data)
        data = ink_session_data_name(session);
    status = ink_session_dataset(session, data, word->split, scope->ctx, &dataset, err);
    if (status != INK_OK)
        return status;
    if (dataset->count == 0)
        return ink_fail(err, INK_NOTFOUND, "%.64s: %s is empty", word->text, dataset->name);
    if (begins(word->inside, "label="))
        return push_label(pictures, word, dataset, err);
    if (strcmp(word->inside, "wrong") == 0)
        return push_wrong(scope, pictures, word, dataset, err);
    if (strcmp(word->inside, "random") == 0 || begins(word->inside, "random:"))
        return push_random(pictures, word, dataset, err);
    status = parse_range(word, dataset->count, data, &first, &end, err);
    for (int64_t i = first; status == INK_OK && i < end; i++)
        status = push_row(pictures, word, dataset, (size_t)i, err);
    return status;
}

static enum ink_status
push_drawn(const struct ink_picture_scope *scope, struct ink_picture_list *pictures,
           const struct word *word, struct ink_err *err)
{
    struct ink_session *session = scope->ctx->session;
    size_t count = ink_session_drawn_count(session);
    int64_t first = 0, end = 0;
    enum ink_status status;

    if (count == 0)
        return ink_fail(err, INK_NOTNOW, "%.64s: nothing was drawn yet, 'draw' opens a canvas",
                        word->text);
    status = parse_range(word, count, NULL, &first, &end, err);
    for (int64_t i = first; status == INK_OK && i < end; i++)
        status = push(pictures,
                      (struct ink_picture_item){.drawn = ink_session_get_drawn(session, i),
                                                .index = (size_t)i},
                      "drawn", err);
    return status;
}

/* ---- files and folders ---- */

static bool
is_picture_name(const char *name)
{
    static const char *const endings[] = {".png", ".jpg", ".jpeg", ".bmp", ".pgm", ".ppm", ".pnm"};
    const char *ending = strrchr(name, '.');

    for (size_t i = 0; ending && i < sizeof(endings) / sizeof(endings[0]); i++)
        if (strcasecmp(ending, endings[i]) == 0)
            return *name != '.';
    return false;
}

static int
by_path(const void *a, const void *b)
{
    const struct ink_picture_item *left = a, *right = b;

    return strcmp(left->path, right->path);
}

static void
close_folder(DIR **folder)
{
    if (*folder)
        (void)closedir(*folder);
}

static char *
join_path(const char *folder, const char *name)
{
    size_t size = strlen(folder) + strlen(name) + 2;
    char *path = malloc(size);

    if (path)
        (void)snprintf(path, size, "%s%s%s", folder,
                       *folder && folder[strlen(folder) - 1] == '/' ? "" : "/", name);
    return path;
}

static enum ink_status
push_folder(struct ink_picture_list *pictures, const char *path, struct ink_err *err)
{
    INK_CLEANUP(close_folder) DIR *folder = opendir(path);
    size_t before = pictures->count;
    enum ink_status status = INK_OK;

    if (!folder)
        return ink_fail_errno(err, "'%.100s'", path);
    for (struct dirent *entry = readdir(folder); entry && status == INK_OK; entry = readdir(folder))
        if (is_picture_name(entry->d_name))
            status =
                push(pictures, (struct ink_picture_item){.path = join_path(path, entry->d_name)},
                     NULL, err);
    if (status == INK_OK && pictures->count == before)
        return ink_fail(err, INK_NOTFOUND,
                        "'%.100s': no pictures in this folder, expected .png, .jpg, .bmp, .pgm or "
                        ".ppm files",
                        path);
    if (status == INK_OK)
        qsort(pictures->item + before, pictures->count - before, sizeof(*pictures->item), by_path);
    return status;
}

static enum ink_status
push_path(struct ink_picture_list *pictures, const char *path, struct ink_err *err)
{
    struct stat info;

    if (stat(path, &info) != 0) {
        INK_CLEANUP(ink_buf_fini) struct ink_buf clean = {0};

        ink_text_clean(&clean, path);
        return ink_fail(err, INK_NOTFOUND,
                        "'%.80s': no such file, expected one or a picture's name like test[42] or "
                        "drawn (see 'help pictures')",
                        ink_buf_text(&clean));
    }
    if (S_ISDIR(info.st_mode))
        return push_folder(pictures, path, err);
    return push(pictures, (struct ink_picture_item){.path = strdup(path)}, NULL, err);
}

/* ---- words ---- */

/* Whether a word names pictures of a data set or drawings, and its parts. */
static bool
take_apart(const char *text, struct word *out)
{
    const char *open = strrchr(text, '[');
    size_t size = strlen(text), head_size = open ? (size_t)(open - text) : size;
    const char *dot, *half;

    *out = (struct word){.text = text};
    if (head_size >= sizeof(out->head) || (open && text[size - 1] != ']') ||
        (open && size - head_size - 2 >= sizeof(out->inside)))
        return false;
    memcpy(out->head, text, head_size);
    if (open)
        memcpy(out->inside, open + 1, size - head_size - 2);
    if (strcmp(out->head, "drawn") == 0) {
        if (!open)
            memcpy(out->inside, "-1", 3);
        return true;
    }
    dot = strrchr(out->head, '.');
    half = dot ? dot + 1 : out->head;
    if (strcmp(half, "test") != 0 && strcmp(half, "train") != 0)
        return false;
    out->split = strcmp(half, "test") == 0 ? INK_TEST : INK_TRAIN;
    if (dot)
        memcpy(out->data, out->head, (size_t)(dot - out->head));
    if (!open)
        memcpy(out->inside, ":", 2); /* all of it */
    return true;
}

/* A word with brackets that is neither: most likely a slip. */
static enum ink_status
unknown_name(const char *text, struct ink_err *err)
{
    static const char *const names[] = {"test", "train", "drawn"};
    char head[64];
    const char *open = strrchr(text, '['), *similar;

    (void)snprintf(head, sizeof(head), "%.*s", (int)(open - text < 63 ? open - text : 63), text);
    similar = ink_suggest(head, names, 3);
    if (similar)
        return ink_fail(err, INK_BADARG, "unknown picture '%.64s', did you mean '%s%.32s'?", text,
                        similar, open);
    return ink_fail(err, INK_BADARG,
                    "unknown picture '%.64s', expected test[...], train[...], drawn[...] or a file",
                    text);
}

enum ink_status
ink_pictures_find(const struct ink_picture_scope *scope, char *const *words, size_t word_count,
                  struct ink_picture_list *out_pictures, struct ink_err *err)
{
    INK_CLEANUP(ink_pictures_fini) struct ink_picture_list pictures = {0};
    struct word word;
    struct stat info;
    enum ink_status status = INK_OK;

    for (size_t i = 0; i < word_count && status == INK_OK; i++) {
        const char *text = words[i];
        size_t size = strlen(text);

        if (take_apart(text, &word))
            status = strcmp(word.head, "drawn") == 0 ? push_drawn(scope, &pictures, &word, err)
                                                     : push_rows(scope, &pictures, &word, err);
        else if (size > 0 && text[size - 1] == ']' && strchr(text, '[') && stat(text, &info) != 0)
            status = unknown_name(text, err);
        else
            status = push_path(&pictures, text, err);
    }
    if (status != INK_OK)
        return status;
    *out_pictures = pictures;
    pictures = (struct ink_picture_list){0}; /* given away */
    return INK_OK;
}

/* ---- rows ---- */

static void
set_source(struct ink_picked *picked, const char *text)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf clean = {0};
    size_t size;

    ink_text_clean(&clean, text);
    (void)snprintf(picked->source, sizeof(picked->source), "%s", ink_buf_text(&clean));
    size = strlen(picked->source);
    while (size > 0 && !ink_utf8_is_valid(picked->source, size))
        picked->source[--size] = '\0'; /* cut inside a character */
}

static enum ink_status
get_file(const char *path, struct ink_picked *out, struct ink_err *err)
{
    INK_CLEANUP(ink_picture_fini) struct ink_picture picture = {0};
    struct ink_err cause = {0};
    enum ink_status status = ink_picture_load(path, &picture, &cause);
    uint64_t start_ns = ink_clock_ns();

    set_source(out, path);
    if (status == INK_OK)
        status = ink_prepare_picture(&picture, out->row, &out->preparation, &cause);
    if (status == INK_OK) {
        out->elapsed_ms = ink_clock_ms_since(start_ns);
        return INK_OK;
    }
    if (strstr(cause.message, path))
        return ink_fail(err, status, "%s", cause.message);
    return ink_fail(err, status, "%.80s: %s", out->source, cause.message);
}

enum ink_status
ink_pictures_get(const struct ink_picture_list *pictures, size_t index,
                 struct ink_picked *out_picked, struct ink_err *err)
{
    const struct ink_picture_item *item = &pictures->item[index];
    struct ink_picked picked = {.label = -1};
    char source[160];
    enum ink_status status = INK_OK;

    if (item->path) {
        status = get_file(item->path, &picked, err);
    } else {
        (void)snprintf(source, sizeof(source), "%s[%zu]", item->name, item->index);
        set_source(&picked, source);
        if (item->drawn) {
            uint64_t start_ns = ink_clock_ns();

            ink_prepare_drawing(item->drawn->drawing, picked.row, &picked.preparation);
            picked.label = item->drawn->drawing->label;
            picked.elapsed_ms = ink_clock_ms_since(start_ns);
        } else {
            memcpy(picked.row, item->dataset->pixels + item->index * INK_PICTURE_SIZE,
                   INK_PICTURE_SIZE);
            picked.label = item->dataset->labels[item->index];
        }
    }
    if (status == INK_OK)
        *out_picked = picked;
    return status;
}

const struct ink_drawn *
ink_pictures_drawn(const struct ink_picture_list *pictures, size_t index)
{
    return pictures->item[index].drawn;
}
