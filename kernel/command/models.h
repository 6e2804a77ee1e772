/* SPDX-License-Identifier: MIT */
#ifndef INK_COMMAND_MODELS_H
#define INK_COMMAND_MODELS_H

/*
 * models: networks by the names people use.
 *
 * NAME is the newest version in the store, else the one that ships or `job`, what
 * the newest job has learned so far; NAME:3 a version; anything with a / or ending
 * in .safetensors a file. Where weights do not matter, names of the zoo are
 * understood too.
 */

#include <stdbool.h>

#include "base/json.h"
#include "base/status.h"
#include "kernel/command/command.h"
#include "model/snapshot.h"

/*
 * A network with weights; name NULL = the session's.
 *
 * Errors   INK_NOTFOUND, INK_BADARG (not a name), INK_BADDATA, INK_IO
 * Memory   one reference of the caller
 */
INK_MUST_CHECK enum ink_status ink_model_find(const struct ink_context *ctx, const char *name,
                                              const struct ink_snapshot **out_snapshot,
                                              struct ink_err *err);

/* Make a network the session's, and say so if that ends the following of a job that runs. */
void ink_model_choose(const struct ink_context *ctx, const struct ink_snapshot *snapshot);
/* Find a network and choose it; `job` is followed from here on. Errors, memory: ink_model_find */
INK_MUST_CHECK enum ink_status ink_model_use(const struct ink_context *ctx, const char *name,
                                             const struct ink_snapshot **out_snapshot,
                                             struct ink_err *err);

/* Whether a name means a file: it has a / or ends in .safetensors. */
bool ink_model_is_path(const char *name);

/* The same weights under another name, as version 0. Memory: one reference of the caller. */
INK_MUST_CHECK enum ink_status ink_model_rename(const struct ink_snapshot *snapshot,
                                                const char *name,
                                                const struct ink_snapshot **out_snapshot,
                                                struct ink_err *err);

/* An architecture with what is known of it. */
struct ink_model {
    const struct ink_snapshot *snapshot; /* NULL for an architecture of the zoo */
    struct ink_arch *own;                /* then this is set */
    const struct ink_arch *arch;         /* of either */
    char name[64];
    int version;
};

/* Whether a name means a file with an architecture: it ends in .arch. */
bool ink_model_is_arch_path(const char *name);

/* "dir/my net.arch" -> "my_net": a name that a store takes. */
void ink_model_name_of_file(const char *path, char out_name[static 64]);

/*
 * An architecture from a file.
 *
 * Errors   INK_NOTFOUND, INK_IO; INK_BADARG "architecture, line 4: ..."; INK_TOOBIG
 */
INK_MUST_CHECK enum ink_status ink_model_load_arch(const char *path, struct ink_arch **out_arch,
                                                   struct ink_err *err);

/* As ink_model_find, the zoo, and .arch files. Memory: ink_model_fini. */
INK_MUST_CHECK enum ink_status ink_model_find_arch(const struct ink_context *ctx, const char *name,
                                                   struct ink_model *out_model,
                                                   struct ink_err *err);
void ink_model_fini(struct ink_model *model);

/* The layers of an architecture: [{"name","op","shape","parameters"}, ...]. */
struct ink_json *ink_layers_to_json(const struct ink_arch *arch);

/* [C, H, W] */
struct ink_json *ink_shape_to_json(struct ink_shape shape);

/* Append "inkling", or "inkling:3" for a version of the store. */
void ink_model_title(const struct ink_record *record, struct ink_buf *buf);

#endif
