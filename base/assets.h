/* SPDX-License-Identifier: MIT */
#ifndef INK_BASE_ASSETS_H
#define INK_BASE_ASSETS_H

/*
 * assets: files of this tree that are part of the program.
 *
 * The Makefile's ASSETS lists them by their path from the root; the linker
 * puts their bytes into read-only data, so the program runs from anywhere and
 * nothing is looked up on disk.
 */

#include <stddef.h>

struct ink_asset {
    const char *path;           /* "model/zoo/keras.arch" */
    const unsigned char *bytes; /* [size], 64-byte aligned, static; no zero byte behind them */
    size_t size;
};

/* All assets, sorted by path. */
const struct ink_asset *ink_asset_table(size_t *out_count);

/* The asset of exactly that path, or NULL. */
const struct ink_asset *ink_asset_find(const char *path);

#endif
