/* SPDX-License-Identifier: MIT */
#ifndef INK_MODEL_DATASET_H
#define INK_MODEL_DATASET_H

/*
 * dataset: labelled pictures in memory, immutable and reference counted.
 *
 * Rows are [28][28] bytes, 0 background .. 255 ink, exactly what the network is
 * given after division by 255. Sets made from strokes keep the drawings too.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "model/arch.h"
#include "model/drawing.h"

struct ink_dataset {
    char name[64]; /* "mnist test", "drawings.jsonl.gz" */
    size_t count;
    uint8_t *pixels;               /* [count][784] */
    uint8_t *labels;               /* [count], 0..9 */
    struct ink_drawing **drawings; /* [count] what the rows were drawn from; NULL if pixels only */
    atomic_uint references;        /* owned by ref and unref */
};

/* Which half of a data set. Stroke files and folders without halves give all of it for both. */
enum ink_split { INK_TRAIN, INK_TEST };

/* Where data comes from; strings are borrowed for the call. */
struct ink_data_options {
    const char *data_dir; /* a folder with one folder a data set; NULL = $INKLING_DATA, then none */
    const char *cache_dir; /* downloads; NULL = $XDG_CACHE_HOME/inkling, else ~/.cache/inkling */
    const char *mirror; /* URL prefix tried before the public mirrors, "none" = never download; NULL
                           = $INKLING_MNIST_MIRROR, then the public ones */
    const atomic_bool *cancel; /* polled while downloading or drawing; NULL = never */
    void (*on_progress)(void *self, const char *text); /* "downloading ...": may be NULL */
    void *self;
};

/*
 * Load a data set by the name people use:
 *   mnist              the cache, a data folder, or a download (SHA-256 checked)
 *   strokes            made by our generator (model/generator.h); no file needed
 *   FOLDER             a folder of IDX files (train-images-idx3-ubyte[.gz], ...), or NAME for
 *                      data_dir/NAME
 *   FILE.jsonl[.gz]    a stroke file
 *
 * Errors   INK_NOTFOUND  with what was looked for and where, and how to get it
 *          INK_BADDATA, INK_TOOBIG, INK_IO, INK_NOMEM, INK_CANCELLED
 * Memory   one reference of the caller
 */
INK_MUST_CHECK enum ink_status ink_dataset_load(const char *name, enum ink_split split,
                                                const struct ink_data_options *options,
                                                struct ink_dataset **out_dataset,
                                                struct ink_err *err);

/* Whether ink_dataset_load would find that set on this machine, without the network (a look at the
 * files' names only). */
bool ink_dataset_is_local(const char *name, const struct ink_data_options *options);

/* An empty set with room for `count` rows (pixels zeroed), to be filled by its maker before it is
 * shared. */
INK_MUST_CHECK enum ink_status ink_dataset_create(const char *name, size_t count,
                                                  struct ink_dataset **out_dataset,
                                                  struct ink_err *err);
/* All rows of several sets, one after the other; drawings are not carried over. */
INK_MUST_CHECK enum ink_status ink_dataset_join(struct ink_dataset *const *sets, size_t set_count,
                                                struct ink_dataset **out_dataset,
                                                struct ink_err *err);

struct ink_dataset *ink_dataset_ref(struct ink_dataset *dataset);
void ink_dataset_unref(struct ink_dataset *dataset);
void ink_dataset_unrefp(struct ink_dataset **dataset); /* for INK_CLEANUP */

/* A description of the data sets that can be had without a path: name and one line. */
struct ink_dataset_info {
    const char *name, *summary;
};
const struct ink_dataset_info *ink_dataset_table(size_t *out_count);

#endif
