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
};
/* clang-format on */

#endif
