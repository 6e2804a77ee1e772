/* SPDX-License-Identifier: MIT */
#include "kernel/command/session.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "kernel/command/gallery.h"
#include "kernel/command/jobs.h"
#include "kernel/command/shelf.h"
#include "model/store.h"

struct ink_session {
    struct ink_session_options options; /* strings owned */
    char *store;                        /* resolved at creation; NULL = no home directory */
    struct ink_slot *slot;              /* the newest network; empty until someone asks */
    pthread_mutex_t choice;             /* guards what comes into the slot, and the two below; the
                                           slot's own lock is taken inside */
    bool uses_job;
    const struct ink_snapshot *job; /* what the newest job learned; NULL = nothing yet */
    struct ink_shelf *shelf;        /* data sets */
    struct ink_gallery *gallery;    /* drawings and views */
    struct ink_jobs *jobs;          /* training in the background */
};

static void
unlock(pthread_mutex_t **lock)
{
    (void)pthread_mutex_unlock(*lock);
}

static enum ink_status
copy_text(const char *text, const char **out_copy, struct ink_err *err)
{
    *out_copy = NULL;
    if (!text)
        return INK_OK;
    *out_copy = strdup(text);
    return *out_copy ? INK_OK : ink_fail(err, INK_NOMEM, "out of memory");
}

static enum ink_status
copy_options(const struct ink_session_options *options, struct ink_session_options *out,
             struct ink_err *err)
{
    enum ink_status status;

    *out = (struct ink_session_options){
        .serve = options->serve,
        .serve_self = options->serve_self,
        .parallel = options->parallel,
        .has_jobs = options->has_jobs,
    };
    status = copy_text(options->store, &out->store, err);
    if (status == INK_OK)
        status = copy_text(options->data_dir, &out->data_dir, err);
    if (status == INK_OK)
        status = copy_text(options->cache_dir, &out->cache_dir, err);
    if (status == INK_OK)
        status = copy_text(options->mirror, &out->mirror, err);
    return status;
}

enum ink_status
ink_session_create(const struct ink_session_options *options, struct ink_session **out_session,
                   struct ink_err *err)
{
    INK_CLEANUP(ink_session_destroy) struct ink_session *session = calloc(1, sizeof(*session));
    struct ink_data_options data = {0};
    enum ink_status status;

    if (!session)
        return ink_fail(err, INK_NOMEM, "out of memory");
    (void)pthread_mutex_init(&session->choice, NULL);
    status = copy_options(options, &session->options, err);
    if (status == INK_OK)
        status = ink_slot_create(&session->slot, err);
    data.data_dir = session->options.data_dir;
    data.cache_dir = session->options.cache_dir;
    data.mirror = session->options.mirror;
    if (status == INK_OK)
        status = ink_shelf_create(&data, &session->shelf, err);
    if (status == INK_OK)
        status = ink_gallery_create(&session->gallery, err);
    if (status == INK_OK)
        status = ink_jobs_create(&session->jobs, err);
    if (status == INK_OK &&
        ink_store_path(session->options.store, &session->store, NULL) == INK_NOMEM)
        status = ink_fail(err, INK_NOMEM, "out of memory");
    if (status != INK_OK)
        return status;
    *out_session = session;
    session = NULL;
    return INK_OK;
}

void
ink_session_destroy(struct ink_session **session_pointer)
{
    struct ink_session *session = *session_pointer;

    if (!session)
        return;
    ink_jobs_destroy(&session->jobs); /* first: it uses the others */
    ink_gallery_destroy(&session->gallery);
    ink_shelf_destroy(&session->shelf);
    ink_slot_destroy(&session->slot);
    ink_snapshot_unref(session->job);
    (void)pthread_mutex_destroy(&session->choice);
    free(session->store);
    free((char *)session->options.store);
    free((char *)session->options.data_dir);
    free((char *)session->options.cache_dir);
    free((char *)session->options.mirror);
    free(session);
    *session_pointer = NULL;
}

ink_command_fn
ink_session_serve(const struct ink_session *session)
{
    return session->options.serve;
}

void *
ink_session_serve_self(const struct ink_session *session)
{
    return session->options.serve_self;
}

const struct ink_parallel *
ink_session_parallel(const struct ink_session *session)
{
    return session->options.parallel;
}

struct ink_jobs *
ink_session_jobs(struct ink_session *session)
{
    return session->jobs;
}

bool
ink_session_has_jobs(const struct ink_session *session)
{
    return session->options.has_jobs;
}

/* ---- the network ---- */

/* Load the one that ships, if nobody chose one meanwhile. */
static enum ink_status
load_first(struct ink_session *session, const struct ink_snapshot **out_snapshot,
           struct ink_err *err)
{
    INK_GUARD(unlock) pthread_mutex_t *lock = &session->choice;
    const struct ink_snapshot *snapshot;
    enum ink_status status = INK_OK;

    (void)pthread_mutex_lock(lock);
    snapshot = ink_slot_get(session->slot);
    if (!snapshot) {
        status = ink_snapshot_load_pretrained(&snapshot, err);
        if (status == INK_OK)
            ink_slot_publish(session->slot, snapshot);
    }
    if (status == INK_OK)
        *out_snapshot = snapshot;
    return status;
}

enum ink_status
ink_session_snapshot(struct ink_session *session, const struct ink_snapshot **out_snapshot,
                     struct ink_err *err)
{
    const struct ink_snapshot *snapshot = ink_slot_get(session->slot);

    if (!snapshot)
        return load_first(session, out_snapshot, err);
    *out_snapshot = snapshot;
    return INK_OK;
}

void
ink_session_publish(struct ink_session *session, const struct ink_snapshot *snapshot)
{
    (void)pthread_mutex_lock(&session->choice);
    session->uses_job = false;
    ink_slot_publish(session->slot, snapshot);
    (void)pthread_mutex_unlock(&session->choice);
}

void
ink_session_replace(struct ink_session *session, const struct ink_snapshot *old,
                    const struct ink_snapshot *fresh)
{
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *newest = NULL;

    (void)pthread_mutex_lock(&session->choice);
    newest = ink_slot_get(session->slot);
    if (newest == old)
        ink_slot_publish(session->slot, fresh);
    (void)pthread_mutex_unlock(&session->choice);
}

/* ---- the network of a job ---- */

/* Under the lock. */
static void
set_job(struct ink_session *session, const struct ink_snapshot *snapshot)
{
    const struct ink_snapshot *old = session->job;

    session->job = ink_snapshot_ref(snapshot);
    ink_snapshot_unref(old);
}

void
ink_session_begin_job(struct ink_session *session)
{
    (void)pthread_mutex_lock(&session->choice);
    session->uses_job = true;
    set_job(session, NULL);
    (void)pthread_mutex_unlock(&session->choice);
}

bool
ink_session_publish_job(struct ink_session *session, const struct ink_snapshot *snapshot)
{
    bool is_used;

    (void)pthread_mutex_lock(&session->choice);
    set_job(session, snapshot);
    is_used = session->uses_job;
    if (is_used)
        ink_slot_publish(session->slot, snapshot);
    (void)pthread_mutex_unlock(&session->choice);
    return is_used;
}

void
ink_session_drop_job(struct ink_session *session, const struct ink_snapshot *before)
{
    (void)pthread_mutex_lock(&session->choice);
    if (session->uses_job && before)
        ink_slot_publish(session->slot, before);
    session->uses_job = false;
    set_job(session, NULL);
    (void)pthread_mutex_unlock(&session->choice);
}

const struct ink_snapshot *
ink_session_job(struct ink_session *session)
{
    const struct ink_snapshot *job;

    (void)pthread_mutex_lock(&session->choice);
    job = ink_snapshot_ref(session->job);
    (void)pthread_mutex_unlock(&session->choice);
    return job;
}

const struct ink_snapshot *
ink_session_use_job(struct ink_session *session)
{
    const struct ink_snapshot *job;

    (void)pthread_mutex_lock(&session->choice);
    job = ink_snapshot_ref(session->job);
    if (job) {
        session->uses_job = true;
        ink_slot_publish(session->slot, job);
    }
    (void)pthread_mutex_unlock(&session->choice);
    return job;
}

bool
ink_session_uses_job(struct ink_session *session)
{
    bool is_followed;

    (void)pthread_mutex_lock(&session->choice);
    is_followed = session->uses_job;
    (void)pthread_mutex_unlock(&session->choice);
    return is_followed;
}

enum ink_status
ink_session_follow(struct ink_session *session, int batch_max, int threads,
                   struct ink_compute compute, struct ink_predictor **predictor,
                   struct ink_err *err)
{
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *newest = NULL;
    struct ink_predictor *fresh = NULL;
    enum ink_status status = ink_session_snapshot(session, &newest, err);

    if (status != INK_OK)
        return status;
    if (*predictor && ink_predictor_snapshot(*predictor) == newest)
        return INK_OK;
    status = ink_predictor_create(newest, batch_max, threads, compute, &fresh, err);
    if (status != INK_OK)
        return status;
    ink_predictor_destroy(predictor);
    *predictor = fresh;
    return INK_OK;
}

enum ink_status
ink_session_store(const struct ink_session *session, const char **out_path, struct ink_err *err)
{
    if (!session->store)
        return ink_fail(err, INK_NOTFOUND,
                        "no folder for the model store: set HOME or INKLING_STORE");
    *out_path = session->store;
    return INK_OK;
}

/* ---- data: model/dataset.h behind kernel/command/shelf.h ---- */

enum ink_status
ink_session_dataset(struct ink_session *session, const char *name, enum ink_split split,
                    const struct ink_context *ctx, struct ink_dataset **out_dataset,
                    struct ink_err *err)
{
    if (!name)
        name = ink_shelf_name(session->shelf);
    if (strcmp(name, "drawn") == 0)
        return ink_gallery_dataset(session->gallery, out_dataset, err);
    return ink_shelf_get(session->shelf, name, split, ctx, out_dataset, err);
}

const char *
ink_session_data_name(struct ink_session *session)
{
    return ink_shelf_name(session->shelf);
}

enum ink_status
ink_session_use_data(struct ink_session *session, const char *name, struct ink_err *err)
{
    return ink_shelf_use(session->shelf, name, err);
}

bool
ink_session_has_data(struct ink_session *session, const char *name)
{
    return strcmp(name, "drawn") == 0 || ink_shelf_is_local(session->shelf, name);
}

/* ---- drawings and views ---- */

enum ink_status
ink_session_add_drawn(struct ink_session *session, const struct ink_drawing *drawing,
                      struct ink_err *err)
{
    return ink_gallery_add(session->gallery, drawing, err);
}

enum ink_status
ink_session_keep_drawn(struct ink_session *session, const char *view_id,
                       const struct ink_drawing *drawing, struct ink_err *err)
{
    return ink_gallery_keep(session->gallery, view_id, drawing, err);
}

enum ink_status
ink_session_label_drawn(struct ink_session *session, const struct ink_drawn *drawn, int label,
                        struct ink_err *err)
{
    return ink_gallery_label(session->gallery, drawn, label, err);
}

struct ink_drawn *
ink_session_get_drawn(struct ink_session *session, int64_t index)
{
    return ink_gallery_get(session->gallery, index);
}

size_t
ink_session_drawn_count(struct ink_session *session)
{
    return ink_gallery_count(session->gallery);
}

void
ink_session_new_view_id(struct ink_session *session, char out_id[static INK_SESSION_VIEW_ID_MAX])
{
    ink_gallery_new_id(session->gallery, out_id);
}

void
ink_session_set_view(struct ink_session *session, const char *id, const char *answer,
                     const char *strokes)
{
    ink_gallery_set_view(session->gallery, id, answer, strokes);
}

void
ink_session_get_view(struct ink_session *session, const char *id, struct ink_buf *out_answer,
                     struct ink_buf *out_strokes)
{
    ink_gallery_get_view(session->gallery, id, out_answer, out_strokes);
}
