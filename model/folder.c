/* SPDX-License-Identifier: MIT */
#include "model/folder.h"

#include <assert.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "model/idx.h"
#include "model/strokefile.h"

enum { NAME_TEXT_SIZE = 256 /* NAME_MAX + 1 */, PATH_TEXT_SIZE = 4096 };

enum file_kind { IMAGES, LABELS, KIND_COUNT };
enum { NO_HALF = 2, HALF_COUNT = 3 }; /* behind INK_TRAIN and INK_TEST: neither in the name */

/* The files of a folder that count. */
struct listing {
    char idx[HALF_COUNT][KIND_COUNT][NAME_TEXT_SIZE]; /* "" = none */
    char strokes[NAME_TEXT_SIZE];
    char twice[NAME_TEXT_SIZE]; /* a second file for a place that is taken; "" = none */
};

static void
closedirp(DIR **dir)
{
    if (*dir)
        (void)closedir(*dir);
}

static void
take_place(struct listing *listing, char place[static NAME_TEXT_SIZE], const char *name)
{
    char *target = place[0] == '\0' ? place : listing->twice;

    (void)snprintf(target, NAME_TEXT_SIZE, "%s", name);
}

/* Whether `name` is `other` but for a .gz at the end of one of them. */
static bool
is_packed_twin(const char *name, const char *other)
{
    size_t size = strlen(name), other_size = strlen(other);
    const char *longer = size > other_size ? name : other;
    size_t shorter_size = size > other_size ? other_size : size;

    return other[0] != '\0' && strncmp(name, other, shorter_size) == 0 &&
           strcmp(longer + shorter_size, ".gz") == 0;
}

/* Put a file in its place, if it has one. */
static void
sort_in(struct listing *listing, const char *name)
{
    enum file_kind kind = strstr(name, "labels") ? LABELS : IMAGES;
    int half = strstr(name, "train")                          ? INK_TRAIN
               : strstr(name, "t10k") || strstr(name, "test") ? INK_TEST
                                                              : NO_HALF;

    if (strlen(name) >= NAME_TEXT_SIZE || name[0] == '.')
        return;
    if (ink_strokefile_is(name))
        take_place(listing, listing->strokes, name);
    else if (strstr(name, kind == LABELS ? "labels" : "images") && strstr(name, "idx") &&
             strstr(name, "ubyte") && !is_packed_twin(name, listing->idx[half][kind]))
        take_place(listing, listing->idx[half][kind], name);
}

static enum ink_status
list(const char *path, struct listing *out_listing, struct ink_err *err)
{
    INK_CLEANUP(closedirp) DIR *dir = opendir(path);
    const struct dirent *entry;

    if (!dir)
        return ink_fail_errno(err, "cannot open the folder '%.120s'", path);
    *out_listing = (struct listing){0};
    while ((entry = readdir(dir))) /* NOLINT(concurrency-mt-unsafe): the stream is ours */
        sort_in(out_listing, entry->d_name);
    return INK_OK;
}

static enum ink_status
load_idx(const char *folder, const char *name, struct ink_idx *out_idx, struct ink_err *err)
{
    char path[PATH_TEXT_SIZE];

    if (snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int)sizeof(path))
        return ink_fail(err, INK_BADARG, "the path of '%s' is too long", name);
    return ink_idx_load(path, out_idx, err);
}

/* Make the bytes of a file the rows of a set: what stands before them is moved away. */
static void
take_over(struct ink_idx *images, struct ink_dataset *dataset)
{
    free(dataset->pixels);
    dataset->pixels = images->owned;
    memmove(dataset->pixels, images->data, dataset->count * INK_PICTURE_SIZE);
    images->owned = NULL;
    ink_idx_fini(images);
}

enum ink_status
ink_folder_join_idx(const char *name, struct ink_idx *images, const struct ink_idx *labels,
                    bool is_on_side, struct ink_dataset **out_dataset, struct ink_err *err)
{
    enum { SIDE = INK_PICTURE_SIDE };
    struct ink_dataset *dataset;
    enum ink_status status;

    if (images->ndim != 3 || images->dim[1] != SIDE || images->dim[2] != SIDE)
        return ink_fail(err, INK_BADDATA, "%s: pictures of %zux%zu, expected %dx%d", name,
                        images->dim[1], images->dim[2], SIDE, SIDE);
    if (labels->ndim != 1 || labels->dim[0] != images->dim[0])
        return ink_fail(err, INK_BADDATA, "%s: %zu labels for %zu pictures", name, labels->dim[0],
                        images->dim[0]);
    for (size_t i = 0; i < labels->dim[0]; i++)
        if (labels->data[i] >= INK_CLASS_COUNT)
            return ink_fail(err, INK_BADDATA, "%s: label %u of picture %zu, expected 0 to %d", name,
                            (unsigned)labels->data[i], i, INK_CLASS_COUNT - 1);
    status = ink_dataset_create(name, images->dim[0], &dataset, err);
    if (status)
        return status;

    memcpy(dataset->labels, labels->data, dataset->count);
    if (!is_on_side && images->owned)
        take_over(images, dataset);
    else if (!is_on_side)
        memcpy(dataset->pixels, images->data, dataset->count * INK_PICTURE_SIZE);
    for (size_t i = 0; is_on_side && i < dataset->count * INK_PICTURE_SIZE; i++) {
        size_t pixel = i % INK_PICTURE_SIZE;

        dataset->pixels[i] = images->data[i - pixel + pixel % SIDE * SIDE + pixel / SIDE];
    }
    *out_dataset = dataset;
    return INK_OK;
}

static enum ink_status
load_pair(const char *path, const char *name, char (*file)[NAME_TEXT_SIZE],
          struct ink_dataset **out_dataset, struct ink_err *err)
{
    INK_CLEANUP(ink_idx_fini) struct ink_idx images = {0}, labels = {0};
    enum ink_status status;

    status = load_idx(path, file[IMAGES], &images, err);
    if (!status)
        status = load_idx(path, file[LABELS], &labels, err);
    if (status)
        return status;
    return ink_folder_join_idx(name, &images, &labels, strstr(file[IMAGES], "emnist") != NULL,
                               out_dataset, err);
}

/* The last part of a path, without slashes at its end; the whole path if there is none. */
static void
base_name(const char *path, char out_name[static NAME_TEXT_SIZE])
{
    size_t end = strlen(path), start;

    while (end > 1 && path[end - 1] == '/')
        end--;
    for (start = end; start > 0 && path[start - 1] != '/'; start--)
        ;
    (void)snprintf(out_name, NAME_TEXT_SIZE, "%.*s", (int)(end - start), path + start);
}

enum ink_status
ink_folder_load(const char *path, enum ink_split split, struct ink_dataset **out_dataset,
                struct ink_err *err)
{
    INK_CLEANUP(ink_freep) struct listing *listing = calloc(1, sizeof(*listing));
    char base[NAME_TEXT_SIZE], name[NAME_TEXT_SIZE + 8], strokes[PATH_TEXT_SIZE];
    bool has_halves;
    int half;
    enum ink_status status;

    if (!listing)
        return ink_fail(err, INK_NOMEM, "no memory to list a folder");
    status = list(path, listing, err);
    if (status)
        return status;
    if (listing->twice[0] != '\0')
        return ink_fail(err, INK_BADDATA,
                        "'%.100s' holds several data sets: '%.40s' is one file too many", path,
                        listing->twice);
    has_halves = listing->idx[INK_TRAIN][IMAGES][0] || listing->idx[INK_TEST][IMAGES][0];
    half = has_halves ? (int)split : NO_HALF;
    base_name(path, base);
    (void)snprintf(name, sizeof(name), "%s%s", base,
                   !has_halves          ? ""
                   : split == INK_TRAIN ? " train"
                                        : " test");
    if (listing->idx[half][IMAGES][0] && listing->idx[half][LABELS][0])
        return load_pair(path, name, listing->idx[half], out_dataset, err);
    if (!has_halves && listing->strokes[0] != '\0') {
        if (snprintf(strokes, sizeof(strokes), "%s/%s", path, listing->strokes) >=
            (int)sizeof(strokes))
            return ink_fail(err, INK_BADARG, "the path of '%.100s' is too long", listing->strokes);
        return ink_strokefile_load(strokes, out_dataset, err);
    }
    return ink_fail(err, INK_NOTFOUND,
                    "'%.120s' has no %s pictures: expected %s-images-idx3-ubyte[.gz] and "
                    "%s-labels-idx1-ubyte[.gz]",
                    path, split == INK_TRAIN ? "training" : "test",
                    split == INK_TRAIN ? "train" : "t10k", split == INK_TRAIN ? "train" : "t10k");
}
