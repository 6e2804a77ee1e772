/* SPDX-License-Identifier: MIT */
#ifndef INK_COMMAND_GALLERY_H
#define INK_COMMAND_GALLERY_H

/*
 * gallery: what was drawn in a session, and the last state of its views.
 *
 * See kernel/command/session.h, which these functions stand behind.
 *
 * Threads  any. One lock guards all of it, held for pointer copies and short
 * memcpys; no other lock is taken while it is held.
 */

#include "kernel/command/session.h"

struct ink_gallery;

INK_MUST_CHECK enum ink_status ink_gallery_create(struct ink_gallery **out_gallery,
                                                  struct ink_err *err);
void ink_gallery_destroy(struct ink_gallery **gallery);

INK_MUST_CHECK enum ink_status ink_gallery_add(struct ink_gallery *gallery,
                                               const struct ink_drawing *drawing,
                                               struct ink_err *err);
INK_MUST_CHECK enum ink_status ink_gallery_keep(struct ink_gallery *gallery, const char *view_id,
                                                const struct ink_drawing *drawing,
                                                struct ink_err *err);
INK_MUST_CHECK enum ink_status ink_gallery_label(struct ink_gallery *gallery,
                                                 const struct ink_drawn *drawn, int label,
                                                 struct ink_err *err);
INK_MUST_CHECK enum ink_status ink_gallery_dataset(struct ink_gallery *gallery,
                                                   struct ink_dataset **out_dataset,
                                                   struct ink_err *err);
struct ink_drawn *ink_gallery_get(struct ink_gallery *gallery, int64_t index);
size_t ink_gallery_count(struct ink_gallery *gallery);

void ink_gallery_new_id(struct ink_gallery *gallery, char out_id[static INK_SESSION_VIEW_ID_MAX]);
void ink_gallery_set_view(struct ink_gallery *gallery, const char *id, const char *answer,
                          const char *strokes);
void ink_gallery_get_view(struct ink_gallery *gallery, const char *id, struct ink_buf *out_answer,
                          struct ink_buf *out_strokes);

#endif
