/* SPDX-License-Identifier: MIT */
#ifndef INK_MODEL_STORE_H
#define INK_MODEL_STORE_H

/*
 * store: trained networks on disk, STORE/NAME/VERSION/model.safetensors.
 *
 * Versions are whole numbers from 1, published by renaming a finished folder,
 * so a reader never sees half of one.
 */

#include "model/snapshot.h"

/* The folder in use: `path`, else $INKLING_STORE, else $XDG_DATA_HOME/inkling/store, else
 * ~/.local/share/inkling/store. Errors: INK_NOTFOUND no home; INK_NOMEM. The caller frees. */
INK_MUST_CHECK enum ink_status ink_store_path(const char *path, char **out_path,
                                              struct ink_err *err);

/* Publish as the next version of its record's name; *out_version is its number. */
INK_MUST_CHECK enum ink_status ink_store_publish(const char *store,
                                                 const struct ink_snapshot *snapshot,
                                                 int *out_version, struct ink_err *err);

/* Load version `version` of `name`, 0 = the newest. Errors: INK_NOTFOUND names what there is. */
INK_MUST_CHECK enum ink_status ink_store_load(const char *store, const char *name, int version,
                                              const struct ink_snapshot **out_snapshot,
                                              struct ink_err *err);

/* What is there, sorted by name, then version. The caller frees. An absent store is empty. */
struct ink_store_entry {
    char name[64];
    int version;
};
INK_MUST_CHECK enum ink_status ink_store_list(const char *store,
                                              struct ink_store_entry **out_entries,
                                              size_t *out_count, struct ink_err *err);

/* Whether `name` is 1 to 63 of A-Z a-z 0-9 _ -. */
bool ink_store_is_name(const char *name);

#endif
