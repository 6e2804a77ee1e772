/* SPDX-License-Identifier: MIT */
#ifndef INK_BASE_LIMITS_H
#define INK_BASE_LIMITS_H

/*
 * limits: every bound on what comes from outside, with its reason.
 *
 * One list, so that a reader can see what a hostile input can cost. Each has a
 * test at its edge.
 */

/* clang-format off */
enum {
    /* json */
    INK_LIMIT_JSON_DEPTH        = 100,      /* nesting; cJSON's own limit is 1000 stack frames */
    INK_LIMIT_JSON_NUMBER_SIZE  = 64,       /* digits of one number; doubles need 25 */
    INK_LIMIT_JSON_SIZE         = 8 << 20,  /* bytes of one document; cJSON takes about 40x that */

    /* data sets */
    INK_LIMIT_IDX_SIZE          = 256 << 20, /* unpacked bytes of a file; EMNIST digits have 180 MiB */
    INK_LIMIT_STROKE_LINE_SIZE  = 1 << 20,   /* one drawing of INK_DRAWING_POINT_MAX points in 26 digits each */
    INK_LIMIT_STROKE_FILE_SIZE  = 256 << 20, /* unpacked */
    INK_LIMIT_STROKE_FILE_COUNT = 500000,    /* drawings; their rows take 374 MiB */
    INK_LIMIT_DATASET_COUNT     = 1000000,   /* rows: 748 MiB */

    /* pictures */
    INK_LIMIT_PICTURE_SIZE      = 16 << 20,  /* bytes of a file: a camera's best JPEG */
    INK_LIMIT_PICTURE_SIDE      = 10000,     /* pixels, either way */
    INK_LIMIT_PICTURE_PIXELS    = 64 << 20,  /* of a JPEG, which is shrunk as it is decoded */
    INK_LIMIT_PICTURE_MEMORY    = 64 << 20,  /* one decoder may hold; a PNG can claim gigabytes in 1 MB */
};
/* clang-format on */

#endif
