/* SPDX-License-Identifier: MIT */
#include "kernel/command/gallery.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/rng.h"

struct view {
    char id[INK_SESSION_VIEW_ID_MAX]; /* "" = free */
    struct ink_buf answer, strokes;   /* JSON texts; memory is kept for the next */
    const struct ink_drawn *current;  /* what stands on its canvas: to be compared, not followed */
    unsigned long long used;          /* larger = later */
};

struct ink_gallery {
    pthread_mutex_t lock;                           /* guards everything below */
    struct ink_drawn *drawn[INK_SESSION_DRAWN_MAX]; /* [drawn_count], oldest first */
    size_t drawn_count;
    struct view view[INK_SESSION_VIEW_MAX];
    unsigned long long clock;
    struct ink_rng ids;
};

static void
unlock(pthread_mutex_t **lock)
{
    (void)pthread_mutex_unlock(*lock);
}

enum ink_status
ink_gallery_create(struct ink_gallery **out_gallery, struct ink_err *err)
{
    struct ink_gallery *gallery = calloc(1, sizeof(*gallery));

    if (!gallery)
        return ink_fail(err, INK_NOMEM, "out of memory");
    (void)pthread_mutex_init(&gallery->lock, NULL);
    ink_rng_init(&gallery->ids, ink_clock_ns(), (uint64_t)getpid()); /* unlike, not secret */
    *out_gallery = gallery;
    return INK_OK;
}

void
ink_gallery_destroy(struct ink_gallery **gallery_pointer)
{
    struct ink_gallery *gallery = *gallery_pointer;

    if (!gallery)
        return;
    for (size_t i = 0; i < gallery->drawn_count; i++)
        ink_drawn_unref(gallery->drawn[i]);
    for (size_t i = 0; i < INK_SESSION_VIEW_MAX; i++) {
        ink_buf_fini(&gallery->view[i].answer);
        ink_buf_fini(&gallery->view[i].strokes);
    }
    (void)pthread_mutex_destroy(&gallery->lock);
    free(gallery);
    *gallery_pointer = NULL;
}

/* ---- drawings ---- */

void
ink_drawn_unref(struct ink_drawn *drawn)
{
    if (!drawn || atomic_fetch_sub(&drawn->references, 1) != 1)
        return;
    ink_drawing_destroy(&drawn->drawing);
    free(drawn);
}

void
ink_drawn_unrefp(struct ink_drawn **drawn)
{
    ink_drawn_unref(*drawn);
    *drawn = NULL;
}

static enum ink_status
make_drawn(const struct ink_drawing *drawing, struct ink_drawn **out_drawn, struct ink_err *err)
{
    INK_CLEANUP(ink_drawn_unrefp) struct ink_drawn *drawn = calloc(1, sizeof(*drawn));
    enum ink_status status;

    if (!drawn)
        return ink_fail(err, INK_NOMEM, "out of memory");
    atomic_init(&drawn->references, 1);
    status = ink_drawing_copy(drawing, &drawn->drawing, err);
    if (status != INK_OK)
        return status;
    ink_prepare_drawing(drawn->drawing, drawn->row, &drawn->preparation);
    *out_drawn = drawn;
    drawn = NULL; /* given away */
    return INK_OK;
}

/* Take an entry off the list. The lock is held. */
static struct ink_drawn *
take_out(struct ink_gallery *gallery, size_t index)
{
    struct ink_drawn *drawn = gallery->drawn[index];

    gallery->drawn_count--;
    memmove(gallery->drawn + index, gallery->drawn + index + 1,
            (gallery->drawn_count - index) * sizeof(*gallery->drawn));
    return drawn;
}

enum ink_status
ink_gallery_add(struct ink_gallery *gallery, const struct ink_drawing *drawing, struct ink_err *err)
{
    INK_CLEANUP(ink_drawn_unrefp) struct ink_drawn *oldest = NULL; /* released after the lock */
    INK_GUARD(unlock) pthread_mutex_t *lock = &gallery->lock;
    struct ink_drawn *drawn = NULL;
    enum ink_status status = make_drawn(drawing, &drawn, err);

    (void)pthread_mutex_lock(lock);
    if (status != INK_OK)
        return status;
    if (gallery->drawn_count == INK_SESSION_DRAWN_MAX)
        oldest = take_out(gallery, 0);
    gallery->drawn[gallery->drawn_count++] = drawn;
    return INK_OK;
}

static struct view *find_view(struct ink_gallery *gallery, const char *id);
static struct view *make_room(struct ink_gallery *gallery, const char *id);

enum ink_status
ink_gallery_keep(struct ink_gallery *gallery, const char *view_id,
                 const struct ink_drawing *drawing, struct ink_err *err)
{
    INK_CLEANUP(ink_drawn_unrefp) struct ink_drawn *replaced = NULL; /* released after the lock */
    INK_GUARD(unlock) pthread_mutex_t *lock = &gallery->lock;
    struct ink_drawn *drawn = NULL;
    struct view *view;
    enum ink_status status = INK_OK;

    if (drawing->point_count > 0)
        status = make_drawn(drawing, &drawn, err);
    (void)pthread_mutex_lock(lock);
    if (status != INK_OK)
        return status;
    view = find_view(gallery, view_id);
    if (!view)
        view = make_room(gallery, view_id);
    if (!drawn) {
        view->current = NULL; /* cleared: what was there stays, the next one is another */
        return INK_OK;
    }
    for (size_t i = gallery->drawn_count; view->current && !replaced && i-- > 0;)
        if (gallery->drawn[i] == view->current)
            replaced = take_out(gallery, i);
    if (replaced) /* a stroke more: it is the same digit */
        drawn->drawing->label = replaced->drawing->label;
    if (gallery->drawn_count == INK_SESSION_DRAWN_MAX)
        replaced = take_out(gallery, 0);
    gallery->drawn[gallery->drawn_count++] = drawn;
    view->current = drawn;
    return INK_OK;
}

enum ink_status
ink_gallery_label(struct ink_gallery *gallery, const struct ink_drawn *drawn, int label,
                  struct ink_err *err)
{
    INK_CLEANUP(ink_drawn_unrefp) struct ink_drawn *replaced = NULL; /* released after the lock */
    INK_GUARD(unlock) pthread_mutex_t *lock = &gallery->lock;
    struct ink_drawn *labelled = NULL; /* drawings are immutable: another takes its place */
    enum ink_status status = make_drawn(drawn->drawing, &labelled, err);

    (void)pthread_mutex_lock(lock);
    if (status != INK_OK)
        return status;
    labelled->drawing->label = label;
    for (size_t i = 0; i < INK_SESSION_VIEW_MAX; i++)
        if (gallery->view[i].current == drawn)
            gallery->view[i].current = labelled;
    for (size_t i = 0; i < gallery->drawn_count; i++)
        if (gallery->drawn[i] == drawn) {
            replaced = gallery->drawn[i];
            gallery->drawn[i] = labelled;
            return INK_OK;
        }
    replaced = labelled; /* it went in the meantime */
    return INK_OK;
}

/* References to all drawings that have a label. The lock is not held. */
static size_t
hold_labelled(struct ink_gallery *gallery, struct ink_drawn *out[static INK_SESSION_DRAWN_MAX])
{
    INK_GUARD(unlock) pthread_mutex_t *lock = &gallery->lock;
    size_t count = 0;

    (void)pthread_mutex_lock(lock);
    for (size_t i = 0; i < gallery->drawn_count; i++)
        if (gallery->drawn[i]->drawing->label >= 0) {
            out[count] = gallery->drawn[i];
            (void)atomic_fetch_add(&out[count++]->references, 1);
        }
    return count;
}

enum ink_status
ink_gallery_dataset(struct ink_gallery *gallery, struct ink_dataset **out_dataset,
                    struct ink_err *err)
{
    struct ink_drawn *drawn[INK_SESSION_DRAWN_MAX];
    size_t count = hold_labelled(gallery, drawn);
    enum ink_status status;

    if (count == 0)
        return ink_fail(err, INK_NOTNOW,
                        "drawn: no drawing has a label, expected some: 'draw', then 'data label 7' "
                        "says that the newest is a 7");
    status = ink_dataset_create("drawn", count, out_dataset, err);
    for (size_t i = 0; i < count; i++) {
        if (status == INK_OK) {
            memcpy((*out_dataset)->pixels + i * INK_PICTURE_SIZE, drawn[i]->row, INK_PICTURE_SIZE);
            (*out_dataset)->labels[i] = (uint8_t)drawn[i]->drawing->label;
        }
        ink_drawn_unref(drawn[i]);
    }
    return status;
}

struct ink_drawn *
ink_gallery_get(struct ink_gallery *gallery, int64_t index)
{
    INK_GUARD(unlock) pthread_mutex_t *lock = &gallery->lock;
    struct ink_drawn *drawn;

    (void)pthread_mutex_lock(lock);
    if (index < 0)
        index += (int64_t)gallery->drawn_count;
    if (index < 0 || index >= (int64_t)gallery->drawn_count)
        return NULL;
    drawn = gallery->drawn[index];
    (void)atomic_fetch_add(&drawn->references, 1);
    return drawn;
}

size_t
ink_gallery_count(struct ink_gallery *gallery)
{
    INK_GUARD(unlock) pthread_mutex_t *lock = &gallery->lock;

    (void)pthread_mutex_lock(lock);
    return gallery->drawn_count;
}

/* ---- views ---- */

void
ink_gallery_new_id(struct ink_gallery *gallery, char out_id[static INK_SESSION_VIEW_ID_MAX])
{
    INK_GUARD(unlock) pthread_mutex_t *lock = &gallery->lock;

    (void)pthread_mutex_lock(lock);
    (void)snprintf(out_id, INK_SESSION_VIEW_ID_MAX, "view-%016" PRIx64,
                   ink_rng_next(&gallery->ids));
}

static struct view *
find_view(struct ink_gallery *gallery, const char *id)
{
    for (size_t i = 0; i < INK_SESSION_VIEW_MAX; i++)
        if (*gallery->view[i].id && strcmp(gallery->view[i].id, id) == 0)
            return &gallery->view[i];
    return NULL;
}

/* Give the view a free place, else the one that was unused the longest. */
static struct view *
make_room(struct ink_gallery *gallery, const char *id)
{
    struct view *room = &gallery->view[0];

    for (size_t i = 1; i < INK_SESSION_VIEW_MAX; i++)
        if (gallery->view[i].used < room->used)
            room = &gallery->view[i];
    ink_buf_clear(&room->answer);
    ink_buf_clear(&room->strokes);
    room->current = NULL;
    room->used = ++gallery->clock;
    (void)snprintf(room->id, sizeof(room->id), "%s", id);
    return room;
}

void
ink_gallery_set_view(struct ink_gallery *gallery, const char *id, const char *answer,
                     const char *strokes)
{
    INK_GUARD(unlock) pthread_mutex_t *lock = &gallery->lock;
    struct view *view;

    (void)pthread_mutex_lock(lock);
    if (!*id || strlen(id) >= INK_SESSION_VIEW_ID_MAX)
        return;
    view = find_view(gallery, id);
    if (!view)
        view = make_room(gallery, id);
    ink_buf_clear(&view->answer);
    ink_buf_clear(&view->strokes);
    ink_buf_puts(&view->answer, answer);
    ink_buf_puts(&view->strokes, strokes);
    view->used = ++gallery->clock;
    if (view->answer.is_broken || view->strokes.is_broken) {
        ink_buf_fini(&view->answer);
        ink_buf_fini(&view->strokes);
        *view = (struct view){0};
    }
}

void
ink_gallery_get_view(struct ink_gallery *gallery, const char *id, struct ink_buf *out_answer,
                     struct ink_buf *out_strokes)
{
    INK_GUARD(unlock) pthread_mutex_t *lock = &gallery->lock;
    struct view *view;

    (void)pthread_mutex_lock(lock);
    view = find_view(gallery, id);
    if (!view)
        return;
    view->used = ++gallery->clock;
    ink_buf_append(out_answer, view->answer.bytes, view->answer.size);
    ink_buf_append(out_strokes, view->strokes.bytes, view->strokes.size);
}
