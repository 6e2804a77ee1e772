/* SPDX-License-Identifier: MIT */
#ifndef INK_MODEL_PLANE_H
#define INK_MODEL_PLANE_H

/*
 * plane: the operations on grey planes that preparing a picture is made of.
 *
 * Threads: pure.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

struct ink_plane {
    int width, height; /* each > 0 */
    uint8_t *value;    /* [height][width] */
};

/* Part of a plane; right and bottom are excluded. */
struct ink_box {
    int left, top, right, bottom;
};

/* All zero. Errors: INK_NOMEM. */
INK_MUST_CHECK enum ink_status ink_plane_init(struct ink_plane *out_plane, int width, int height,
                                              struct ink_err *err);
void ink_plane_fini(struct ink_plane *plane);

/*
 * Resize part of a plane: out (0, 0) is the box's corner. Smaller by the mean of
 * the area that a pixel covers, larger by straight lines between pixel centres.
 *
 *   scale       output pixels per input pixel
 *   box         may reach beyond the plane: there, and outside the box, all is 0
 *   out_plane   its size says how far
 *
 * Cost     reads each pixel of the box about once
 */
void ink_plane_resize(const struct ink_plane *plane, const struct ink_box *box, double scale,
                      struct ink_plane *out_plane);

/* The box of values above `threshold`; all 0 if there is none. */
struct ink_box ink_plane_bound(const struct ink_plane *plane, int threshold);

/* Counts of the values within `margin` of an edge (or everywhere, if that is all). */
void ink_plane_count_border(const struct ink_plane *plane, int margin, size_t out_count[256]);
void ink_plane_count(const struct ink_plane *plane, size_t out_count[256]);

/* The smallest value that at least `share` of what was counted does not exceed. */
int ink_quantile(const size_t count[256], double share);

/* The threshold (values above it are the upper class) that parts best. Source: Otsu 1979. */
int ink_otsu(const size_t count[256]);

/*
 * Euclidean distance of each pixel from the nearest whose value is 0 (or, with
 * `to_ink`, not 0); more than any side is long where there is none.
 *
 *   out_distance   [height][width]
 *
 * Errors   INK_NOMEM
 * Source   Felzenszwalb and Huttenlocher 2012
 */
INK_MUST_CHECK enum ink_status ink_plane_distances(const struct ink_plane *plane, int to_ink,
                                                   float *out_distance, struct ink_err *err);

/*
 * The paper below the ink, where ink is the brighter: means of blocks, the
 * darkest block around, the brightest of those around, smoothed.
 *
 * Errors   INK_NOMEM
 */
INK_MUST_CHECK enum ink_status ink_plane_estimate_paper(const struct ink_plane *plane, int block,
                                                        struct ink_plane *out_paper,
                                                        struct ink_err *err);

#endif
