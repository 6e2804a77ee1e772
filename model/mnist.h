/* SPDX-License-Identifier: MIT */
#ifndef INK_MODEL_MNIST_H
#define INK_MODEL_MNIST_H

/*
 * mnist: find or fetch the MNIST database of handwritten digits.
 *
 * Looked for, in this order: DATA_DIR/mnist, the cache's mnist folder (each with
 * the four files as published, packed or not), the mirror that the caller
 * names, public mirrors. Wherever it comes from, the unpacked bytes must have
 * MNIST's SHA-256, so that an accuracy "on MNIST" always means the same.
 *
 * Source: LeCun, Cortes and Burges, "The MNIST database of handwritten digits".
 */

#include "base/status.h"
#include "model/dataset.h"

/* As ink_dataset_load("mnist", ...), which documents it. */
INK_MUST_CHECK enum ink_status ink_mnist_load(enum ink_split split,
                                              const struct ink_data_options *options,
                                              struct ink_dataset **out_dataset,
                                              struct ink_err *err);

/* Whether all four files are in the data folder or the cache; their contents are not looked at. */
bool ink_mnist_is_local(const struct ink_data_options *options);

#endif
