/* SPDX-License-Identifier: MIT */
#include "model/dataset.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/limits.h"
#include "model/folder.h"
#include "model/mnist.h"
#include "model/strokefile.h"
#include "model/strokes.h"

const struct ink_dataset_info *
ink_dataset_table(size_t *out_count)
{
    static const struct ink_dataset_info table[] = {
        {"mnist", "70,000 handwritten digits; downloaded once, or from INKLING_DATA"},
        {"strokes", "70,000 digits drawn by a generator; needs no file and no network"},
    };

    *out_count = sizeof(table) / sizeof(table[0]);
    return table;
}

enum ink_status
ink_dataset_create(const char *name, size_t count, struct ink_dataset **out_dataset,
                   struct ink_err *err)
{
    struct ink_dataset *dataset;

    if (count == 0)
        return ink_fail(err, INK_BADDATA, "'%s' has no picture", name);
    if (count > INK_LIMIT_DATASET_COUNT)
        return ink_fail(err, INK_TOOBIG, "'%s' has %zu pictures, at most %d are taken", name, count,
                        INK_LIMIT_DATASET_COUNT);
    dataset = calloc(1, sizeof(*dataset));
    if (dataset) {
        dataset->pixels = calloc(count, INK_PICTURE_SIZE);
        dataset->labels = calloc(count, 1);
    }
    if (!dataset || !dataset->pixels || !dataset->labels) {
        if (dataset) {
            free(dataset->pixels);
            free(dataset->labels);
        }
        free(dataset);
        return ink_fail(err, INK_NOMEM, "no memory for %zu pictures", count);
    }
    (void)snprintf(dataset->name, sizeof(dataset->name), "%s", name);
    dataset->count = count;
    atomic_init(&dataset->references, 1);
    *out_dataset = dataset;
    return INK_OK;
}

enum ink_status
ink_dataset_join(struct ink_dataset *const *sets, size_t set_count,
                 struct ink_dataset **out_dataset, struct ink_err *err)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf name = {0};
    struct ink_dataset *dataset = NULL;
    enum ink_status status;
    size_t count = 0, at = 0;

    for (size_t i = 0; i < set_count; i++) {
        count += sets[i]->count;
        ink_buf_printf(&name, "%s%s", i > 0 ? " + " : "", sets[i]->name);
    }
    status = ink_buf_check(&name, err);
    if (!status)
        status = ink_dataset_create(ink_buf_text(&name), count, &dataset, err);
    if (status)
        return status;
    assert(dataset);
    for (size_t i = 0; i < set_count; i++) {
        memcpy(dataset->pixels + at * INK_PICTURE_SIZE, sets[i]->pixels,
               sets[i]->count * INK_PICTURE_SIZE);
        memcpy(dataset->labels + at, sets[i]->labels, sets[i]->count);
        at += sets[i]->count;
    }
    *out_dataset = dataset;
    return INK_OK;
}

struct ink_dataset *
ink_dataset_ref(struct ink_dataset *dataset)
{
    atomic_fetch_add_explicit(&dataset->references, 1, memory_order_relaxed);
    return dataset;
}

void
ink_dataset_unref(struct ink_dataset *dataset)
{
    unsigned before;

    if (!dataset)
        return;
    before = atomic_fetch_sub_explicit(&dataset->references, 1, memory_order_acq_rel);
    assert(before > 0);
    if (before > 1)
        return;
    for (size_t i = 0; dataset->drawings && i < dataset->count; i++)
        ink_drawing_destroy(&dataset->drawings[i]);
    free(dataset->drawings);
    free(dataset->pixels);
    free(dataset->labels);
    free(dataset);
}

void
ink_dataset_unrefp(struct ink_dataset **dataset)
{
    ink_dataset_unref(*dataset);
    *dataset = NULL;
}

/* ---- by name ---- */

enum { PATH_TEXT_SIZE = 4096 };

static const char *
environment(const char *name)
{
    return getenv(name); /* NOLINT(concurrency-mt-unsafe): never set by us */
}

static bool
is_dir(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* NAME itself, or data_dir/NAME where only that is there; false if neither. */
static bool
find_path(const char *name, const char *data_dir, char out_path[static PATH_TEXT_SIZE])
{
    struct stat info;
    int size = snprintf(out_path, PATH_TEXT_SIZE, "%s", name);

    if (size < PATH_TEXT_SIZE && stat(out_path, &info) == 0)
        return true;
    if (!data_dir || name[0] == '/')
        return false;
    size = snprintf(out_path, PATH_TEXT_SIZE, "%s/%s", data_dir, name);
    return size < PATH_TEXT_SIZE && stat(out_path, &info) == 0;
}

enum ink_status
ink_dataset_load(const char *name, enum ink_split split, const struct ink_data_options *options,
                 struct ink_dataset **out_dataset, struct ink_err *err)
{
    static const struct ink_data_options defaults = {0};
    const struct ink_data_options *chosen = options ? options : &defaults;
    const char *data_dir = chosen->data_dir ? chosen->data_dir : environment("INKLING_DATA");
    char path[PATH_TEXT_SIZE];

    assert(name && out_dataset);
    if (strcmp(name, "mnist") == 0)
        return ink_mnist_load(split, chosen, out_dataset, err);
    if (strcmp(name, "strokes") == 0)
        return ink_strokes_load(split, chosen->cancel, out_dataset, err);
    if (name[0] == '\0')
        return ink_fail(err, INK_BADARG, "an empty name is no data set");
    if (!find_path(name, data_dir, path))
        return ink_fail(err, INK_NOTFOUND,
                        "no data set '%.64s': expected mnist, strokes, a folder, a .jsonl file, or "
                        "a folder in %.80s",
                        name, data_dir ? data_dir : "INKLING_DATA (not set)");
    if (is_dir(path))
        return ink_folder_load(path, split, out_dataset, err);
    if (ink_strokefile_is(path))
        return ink_strokefile_load(path, out_dataset, err);
    return ink_fail(
        err, INK_BADDATA,
        "'%.120s' is no data set: expected a folder or a file named .jsonl or .jsonl.gz", path);
}

bool
ink_dataset_is_local(const char *name, const struct ink_data_options *options)
{
    static const struct ink_data_options defaults = {0};
    const struct ink_data_options *chosen = options ? options : &defaults;
    char path[PATH_TEXT_SIZE];

    if (strcmp(name, "mnist") == 0)
        return ink_mnist_is_local(chosen);
    return strcmp(name, "strokes") == 0 ||
           find_path(name, chosen->data_dir ? chosen->data_dir : environment("INKLING_DATA"), path);
}
