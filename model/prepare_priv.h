/* SPDX-License-Identifier: MIT */
#ifndef INK_MODEL_PREPARE_PRIV_H
#define INK_MODEL_PREPARE_PRIV_H

/* prepare_priv: MNIST's frame, shared by what prepares drawings and what prepares pictures. */

#include "model/prepare.h"

enum { INK_FRAME_BOX = 20 /* the longest side of a digit, in pixels */ };

/* Ink as a whole: where its box and its middle are. */
struct ink_extent {
    int left, top, right, bottom; /* the box of pixels that are not 0; right, bottom excluded */
    double middle_x, middle_y;    /* centre of mass, a pixel's own centre at .5 */
    unsigned sum;                 /* of all pixels; 0 = no ink, and then no middle */
};

struct ink_extent ink_extent_measure(const uint8_t row[static INK_PICTURE_SIZE]);

/* Whether a row is in MNIST's frame: box at most 20, centre of mass where MNIST has it. */
bool ink_extent_is_framed(const struct ink_extent *extent);

/* Move by whole pixels so that the centre of mass comes to the middle, without losing ink. */
void ink_extent_center(uint8_t row[static INK_PICTURE_SIZE], int *out_right, int *out_down);

#endif
