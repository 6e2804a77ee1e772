/* SPDX-License-Identifier: MIT */
#ifndef INK_MODEL_PICTURE_PRIV_H
#define INK_MODEL_PICTURE_PRIV_H

/* picture_priv: one decoder a format, for picture.c, which has looked at the first bytes. */

#include "model/picture.h"

/* All: `bytes` [size] a whole file; *out_picture is set on success only. */
INK_MUST_CHECK enum ink_status ink_picture_decode_png(const uint8_t *bytes, size_t size,
                                                      struct ink_picture *out_picture,
                                                      struct ink_err *err);
INK_MUST_CHECK enum ink_status ink_picture_decode_bmp(const uint8_t *bytes, size_t size,
                                                      struct ink_picture *out_picture,
                                                      struct ink_err *err);
INK_MUST_CHECK enum ink_status ink_picture_decode_pnm(const uint8_t *bytes, size_t size,
                                                      struct ink_picture *out_picture,
                                                      struct ink_err *err);
INK_MUST_CHECK enum ink_status ink_picture_decode_jpeg(const uint8_t *bytes, size_t size,
                                                       struct ink_picture *out_picture,
                                                       struct ink_err *err);

/*
 * A picture with its pixels, all 0.
 *
 * Errors   INK_BADDATA  a side of 0
 *          INK_TOOBIG   a side above INK_LIMIT_PICTURE_SIDE, memory above INK_LIMIT_PICTURE_MEMORY
 *          INK_NOMEM
 */
INK_MUST_CHECK enum ink_status ink_picture_init(struct ink_picture *out_picture, size_t width,
                                                size_t height, struct ink_err *err);

/* The checks of ink_picture_init alone, before a decoder starts. */
INK_MUST_CHECK enum ink_status ink_picture_check_sides(size_t width, size_t height,
                                                       struct ink_err *err);

/* Luma of full-range RGB. Source: ITU-R BT.601, as JPEG's Y. */
uint8_t ink_picture_luma(unsigned red, unsigned green, unsigned blue);

#endif
