/* SPDX-License-Identifier: MIT */
#ifndef INK_COMMAND_SESSION_H
#define INK_COMMAND_SESSION_H

/*
 * session: what commands share: the network, data sets, drawings, views.
 *
 * Commands run one at a time. Everything below that says "Threads: any" may be
 * called at the same time from views and HTTP connections: the newest network
 * sits in a slot (model/snapshot.h), drawings and views' states sit under one
 * lock, held for pointer copies and short memcpys, never while another is taken.
 *
 * Creating a session loads nothing: the network that ships is decoded when
 * someone first asks for one.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/status.h"
#include "kernel/command/command.h"
#include "model/dataset.h"
#include "model/drawing.h"
#include "model/parallel/parallel.h"
#include "model/predictor.h"
#include "model/prepare.h"
#include "model/snapshot.h"

struct ink_session;

enum {
    INK_SESSION_DRAWN_MAX = 1024, /* drawings kept; the oldest go first */
    INK_SESSION_VIEW_MAX = 64, /* views whose last state is kept; the longest unused goes first */
    INK_SESSION_VIEW_ID_MAX = 64, /* bytes of a view's id */
};

/* Strings are copied; NULL = the default that model/store.h and model/dataset.h describe. */
struct ink_session_options {
    const char *store;
    const char *data_dir;
    const char *cache_dir;
    const char *mirror;
    /* What the command `serve` does: given by who may include kernel/http. NULL = INK_NOTNOW. */
    ink_command_fn serve;
    bool has_jobs;    /* it outlives its commands: there can be training in the background */
    void *serve_self; /* for serve: ink_session_serve_self(ctx->session) */
    /* Other processes that run the same commands: `train` learns together with them. Borrowed;
     * NULL = none. */
    const struct ink_parallel *parallel;
};

INK_MUST_CHECK enum ink_status ink_session_create(const struct ink_session_options *options,
                                                  struct ink_session **out_session,
                                                  struct ink_err *err);
void ink_session_destroy(struct ink_session **session);
ink_command_fn ink_session_serve(const struct ink_session *session);
void *ink_session_serve_self(const struct ink_session *session);
const struct ink_parallel *ink_session_parallel(const struct ink_session *session);

/* What trains in the background (kernel/command/jobs.h). Threads: any. */
struct ink_jobs *ink_session_jobs(struct ink_session *session);
bool ink_session_has_jobs(const struct ink_session *session);

/* ---- the network ---- */

/*
 * The newest network, with a reference for the caller (ink_snapshot_unref). The first call loads
 * the one that ships if none was published.
 *
 * Errors   INK_NOTFOUND, INK_BADDATA  the one that ships cannot be read;  INK_NOMEM
 * Threads  any
 */
INK_MUST_CHECK enum ink_status ink_session_snapshot(struct ink_session *session,
                                                    const struct ink_snapshot **out_snapshot,
                                                    struct ink_err *err);

/* Make a network the newest, because somebody chose it: what a job learns no longer takes its
 * place. Takes a reference of its own. Threads: any. */
void ink_session_publish(struct ink_session *session, const struct ink_snapshot *snapshot);

/* Make `fresh`, the same network under another record, the newest if `old` still is; who is
 * followed stays. Threads: any. */
void ink_session_replace(struct ink_session *session, const struct ink_snapshot *old,
                         const struct ink_snapshot *fresh);

/*
 * The network of a job (kernel/command/jobs.h): the session follows it from its beginning, so that
 * it is the newest one, until somebody chooses another. It is kept until the next job begins.
 *
 * Threads  any
 */
void ink_session_begin_job(struct ink_session *session);
/* What it has learned so far. Returns whether it is in use. */
bool ink_session_publish_job(struct ink_session *session, const struct ink_snapshot *snapshot);
/* It came to nothing: if it is followed `before` (NULL = what is there) is the newest again. */
void ink_session_drop_job(struct ink_session *session, const struct ink_snapshot *before);
/* Its network with a reference for the caller; NULL if there is none. */
const struct ink_snapshot *ink_session_job(struct ink_session *session);
/* Follow it again: its network, with a reference for the caller, is the newest one; NULL if there
 * is none. */
const struct ink_snapshot *ink_session_use_job(struct ink_session *session);
bool ink_session_uses_job(struct ink_session *session);

/*
 * Keep *predictor on the newest network: creates or replaces it when that changed, else costs a
 * pointer copy. Start with NULL; the caller destroys it.
 *
 *   batch_max, threads, compute   as ink_predictor_create
 *
 * Threads  any; one thread a predictor
 */
INK_MUST_CHECK enum ink_status ink_session_follow(struct ink_session *session, int batch_max,
                                                  int threads, struct ink_compute compute,
                                                  struct ink_predictor **predictor,
                                                  struct ink_err *err);

/* The store's folder. Errors: INK_NOTFOUND no home directory. */
INK_MUST_CHECK enum ink_status ink_session_store(const struct ink_session *session,
                                                 const char **out_path, struct ink_err *err);

/* ---- data ---- */

/*
 * A data set by name (NULL = the session's own), loaded once and kept; `drawn`: the drawings of
 * this session that have a label, as they are now, the same for both halves.
 *
 *   ctx   for progress ("downloading ...") and cancel; may be NULL
 *
 * Memory   one reference of the caller
 * Threads  any; loading happens under a lock of its own, so that two do not download at once
 */
INK_MUST_CHECK enum ink_status ink_session_dataset(struct ink_session *session, const char *name,
                                                   enum ink_split split,
                                                   const struct ink_context *ctx,
                                                   struct ink_dataset **out_dataset,
                                                   struct ink_err *err);

/* The name of the session's data set: what `data use` said, else mnist if it is on this machine,
 * else strokes. Static or kept till the session ends. Threads: any. */
const char *ink_session_data_name(struct ink_session *session);
INK_MUST_CHECK enum ink_status ink_session_use_data(struct ink_session *session, const char *name,
                                                    struct ink_err *err);

/* Whether a data set can be had without the network. Threads: any. */
bool ink_session_has_data(struct ink_session *session, const char *name);

/* ---- drawings: `drawn` ---- */

/* One finished drawing; immutable. */
struct ink_drawn {
    atomic_uint references; /* owned by ref and unref */
    struct ink_drawing *drawing;
    uint8_t row[INK_PICTURE_SIZE];
    struct ink_preparation preparation;
};

/* Keep a copy of a drawing as the newest. Threads: any. */
INK_MUST_CHECK enum ink_status ink_session_add_drawn(struct ink_session *session,
                                                     const struct ink_drawing *drawing,
                                                     struct ink_err *err);
/* Keep a copy of what stands on a view's canvas as the newest: in the place of what it had there
 * before, unless it was cleared in between. An empty drawing means cleared. Threads: any. */
INK_MUST_CHECK enum ink_status ink_session_keep_drawn(struct ink_session *session,
                                                      const char *view_id,
                                                      const struct ink_drawing *drawing,
                                                      struct ink_err *err);
/* Say which digit a drawing is, 0..9, or -1: nobody knows. One that is gone is fine. Threads: any.
 */
INK_MUST_CHECK enum ink_status ink_session_label_drawn(struct ink_session *session,
                                                       const struct ink_drawn *drawn, int label,
                                                       struct ink_err *err);
/* drawn[index], the newest is -1, the first 0, with a reference; NULL if there is none. Threads:
 * any. */
struct ink_drawn *ink_session_get_drawn(struct ink_session *session, int64_t index);
size_t ink_session_drawn_count(struct ink_session *session);
void ink_drawn_unref(struct ink_drawn *drawn);
void ink_drawn_unrefp(struct ink_drawn **drawn);

/* ---- views ---- */

/* An id for a new view, differing from all others also across sessions. Threads: any. */
void ink_session_new_view_id(struct ink_session *session,
                             char out_id[static INK_SESSION_VIEW_ID_MAX]);

/* Remember a view's last answer and strokes (JSON texts), or append them to the buffers (which
 * stay empty if nothing is known). Lack of memory forgets. Threads: any. */
void ink_session_set_view(struct ink_session *session, const char *id, const char *answer,
                          const char *strokes);
void ink_session_get_view(struct ink_session *session, const char *id, struct ink_buf *out_answer,
                          struct ink_buf *out_strokes);

#endif
