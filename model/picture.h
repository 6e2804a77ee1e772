/* SPDX-License-Identifier: MIT */
#ifndef INK_MODEL_PICTURE_H
#define INK_MODEL_PICTURE_H

/*
 * picture: grey pictures from and to files.
 *
 * PNG, BMP and PNM through stb_image with a memory budget, JPEG through
 * libjpeg-turbo, both after a look at the first bytes; nothing else is tried.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/status.h"

struct ink_picture {
    int width, height;
    uint8_t *grey; /* [height][width], 0 black .. 255 white; transparent counts as white */
};

/*
 * Errors   INK_BADDATA  not one of the four formats (says what it starts with), or broken
 *          INK_TOOBIG   larger than base/limits.h allows, in pixels, bytes or memory to decode
 */
INK_MUST_CHECK enum ink_status ink_picture_decode(const void *bytes, size_t size,
                                                  struct ink_picture *out_picture,
                                                  struct ink_err *err);
INK_MUST_CHECK enum ink_status ink_picture_load(const char *path, struct ink_picture *out_picture,
                                                struct ink_err *err);
void ink_picture_fini(struct ink_picture *picture);

/* Append a PNG: channels 1 = grey, 3 = RGB; pixels [height][width][channels]. */
INK_MUST_CHECK enum ink_status ink_picture_encode_png(const uint8_t *pixels, int width, int height,
                                                      int channels, struct ink_buf *buf,
                                                      struct ink_err *err);
/* Append a grey JPEG of quality 95. */
INK_MUST_CHECK enum ink_status ink_picture_encode_jpeg(const uint8_t *grey, int width, int height,
                                                       struct ink_buf *buf, struct ink_err *err);

#endif
