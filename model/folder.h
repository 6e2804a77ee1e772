/* SPDX-License-Identifier: MIT */
#ifndef INK_MODEL_FOLDER_H
#define INK_MODEL_FOLDER_H

/*
 * folder: a data set that is a folder of IDX files.
 *
 * Files are told by their names, as the collections publish them:
 *   train-images-idx3-ubyte, train-labels-idx1-ubyte    MNIST, Fashion-MNIST, ...
 *   t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte
 *   emnist-digits-{train,test}-{images,labels}-idx?-ubyte
 * each also with .gz, and with a dot for the dash before idx. EMNIST's pictures
 * lie on their side and are turned up. A folder without IDX files but with one
 * stroke file is that.
 */

#include "base/status.h"
#include "model/dataset.h"

/*
 * Errors   INK_NOTFOUND  no such files, or not for this half
 *          INK_BADDATA   several files would do; pictures not 28x28; labels above 9; counts differ
 *          as ink_idx_load and ink_strokefile_load
 */
INK_MUST_CHECK enum ink_status ink_folder_load(const char *path, enum ink_split split,
                                               struct ink_dataset **out_dataset,
                                               struct ink_err *err);

/*
 * The rows of a pair of IDX files that are loaded.
 *
 *   images       an owned one's bytes go over to the data set, and it is left empty: two copies
 *                of MNIST were the most memory that training took
 *   is_on_side   rows and columns are to be changed over
 */
struct ink_idx;
INK_MUST_CHECK enum ink_status ink_folder_join_idx(const char *name, struct ink_idx *images,
                                                   const struct ink_idx *labels, bool is_on_side,
                                                   struct ink_dataset **out_dataset,
                                                   struct ink_err *err);

#endif
