/* SPDX-License-Identifier: MIT */
#include "kernel/command/shelf.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

struct kept {
    char *name;
    enum ink_split split;
    struct ink_dataset *dataset;
    unsigned long long used; /* larger = later */
};

/* A name once in use: kept until the end, since callers hold on to it. */
struct name {
    struct name *next;
    char text[];
};

struct ink_shelf {
    struct ink_data_options options;
    pthread_mutex_t load_lock; /* guards kept and clock; held while loading */
    struct kept kept[INK_SHELF_MAX];
    unsigned long long clock;
    pthread_mutex_t name_lock; /* guards names; may be taken while load_lock is held */
    struct name *names;        /* the first is in use; NULL = nobody chose yet */
};

static void
unlock(pthread_mutex_t **lock)
{
    (void)pthread_mutex_unlock(*lock);
}

enum ink_status
ink_shelf_create(const struct ink_data_options *options, struct ink_shelf **out_shelf,
                 struct ink_err *err)
{
    struct ink_shelf *shelf = calloc(1, sizeof(*shelf));

    if (!shelf)
        return ink_fail(err, INK_NOMEM, "out of memory");
    shelf->options = *options;
    (void)pthread_mutex_init(&shelf->load_lock, NULL);
    (void)pthread_mutex_init(&shelf->name_lock, NULL);
    *out_shelf = shelf;
    return INK_OK;
}

void
ink_shelf_destroy(struct ink_shelf **shelf_pointer)
{
    struct ink_shelf *shelf = *shelf_pointer;

    if (!shelf)
        return;
    for (size_t i = 0; i < INK_SHELF_MAX; i++) {
        free(shelf->kept[i].name);
        ink_dataset_unref(shelf->kept[i].dataset);
    }
    while (shelf->names) {
        struct name *next = shelf->names->next;

        free(shelf->names);
        shelf->names = next;
    }
    (void)pthread_mutex_destroy(&shelf->load_lock);
    (void)pthread_mutex_destroy(&shelf->name_lock);
    free(shelf);
    *shelf_pointer = NULL;
}

static void
on_progress(void *self, const char *text)
{
    const struct ink_sink *sink = self;
    INK_CLEANUP(ink_buf_fini) struct ink_buf line = {0};

    ink_buf_printf(&line, "%s\n", text);
    sink->print(sink->self, ink_buf_text(&line));
}

/* Load a set into the place that was unused the longest. */
static enum ink_status
load(struct ink_shelf *shelf, const char *name, enum ink_split split, const struct ink_context *ctx,
     struct kept **out_kept, struct ink_err *err)
{
    struct ink_data_options options = shelf->options;
    struct ink_sink sink = {0};
    struct ink_dataset *dataset = NULL;
    struct kept *place = &shelf->kept[0];
    char *copy;
    enum ink_status status;

    if (ctx) {
        sink = *ctx->sink;
        options.cancel = ctx->cancel;
        options.on_progress = on_progress;
        options.self = &sink;
    }
    status = ink_dataset_load(name, split, &options, &dataset, err);
    if (status != INK_OK)
        return status;
    copy = strdup(name);
    if (!copy) {
        ink_dataset_unref(dataset);
        return ink_fail(err, INK_NOMEM, "out of memory");
    }
    for (size_t i = 1; i < INK_SHELF_MAX; i++)
        if (shelf->kept[i].used < place->used)
            place = &shelf->kept[i];
    free(place->name);
    ink_dataset_unref(place->dataset);
    *place = (struct kept){copy, split, dataset, 0};
    *out_kept = place;
    return INK_OK;
}

enum ink_status
ink_shelf_get(struct ink_shelf *shelf, const char *name, enum ink_split split,
              const struct ink_context *ctx, struct ink_dataset **out_dataset, struct ink_err *err)
{
    INK_GUARD(unlock) pthread_mutex_t *lock = &shelf->load_lock;
    struct kept *found = NULL;

    (void)pthread_mutex_lock(lock);
    for (size_t i = 0; i < INK_SHELF_MAX; i++) {
        struct kept *kept = &shelf->kept[i];

        if (kept->name && kept->split == split && strcmp(kept->name, name) == 0)
            found = kept;
    }
    if (!found) {
        enum ink_status status = load(shelf, name, split, ctx, &found, err);

        if (status != INK_OK)
            return status;
    }
    found->used = ++shelf->clock;
    *out_dataset = ink_dataset_ref(found->dataset);
    return INK_OK;
}

const char *
ink_shelf_name(struct ink_shelf *shelf)
{
    INK_GUARD(unlock) pthread_mutex_t *lock = &shelf->name_lock;

    (void)pthread_mutex_lock(lock);
    if (shelf->names)
        return shelf->names->text;
    return ink_dataset_is_local("mnist", &shelf->options) ? "mnist" : "strokes";
}

enum ink_status
ink_shelf_use(struct ink_shelf *shelf, const char *name, struct ink_err *err)
{
    INK_GUARD(unlock) pthread_mutex_t *lock = &shelf->name_lock;
    size_t size = strlen(name) + 1;
    struct name *chosen = malloc(sizeof(*chosen) + size);

    (void)pthread_mutex_lock(lock);
    if (!chosen)
        return ink_fail(err, INK_NOMEM, "out of memory");
    memcpy(chosen->text, name, size);
    chosen->next = shelf->names;
    shelf->names = chosen;
    return INK_OK;
}

bool
ink_shelf_is_local(struct ink_shelf *shelf, const char *name)
{
    return ink_dataset_is_local(name, &shelf->options);
}
