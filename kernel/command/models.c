/* SPDX-License-Identifier: MIT */
#include "kernel/command/models.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "base/parse.h"
#include "base/suggest.h"
#include "kernel/command/jobs.h"
#include "kernel/command/session.h"
#include "model/store.h"

static const char pretrained_name[] = "inkling", job_name[] = "job";

bool
ink_model_is_path(const char *name)
{
    const char *ending = strrchr(name, '.');

    return strchr(name, '/') || (ending && strcmp(ending, ".safetensors") == 0);
}

bool
ink_model_is_arch_path(const char *name)
{
    const char *ending = strrchr(name, '.');

    return ending && strcmp(ending, ".arch") == 0;
}

void
ink_model_name_of_file(const char *path, char out_name[static 64])
{
    const char *slash = strrchr(path, '/'), *start = slash ? slash + 1 : path;
    size_t size = strcspn(start, ".");

    size = size < 63 ? size : 63;
    for (size_t i = 0; i < size; i++) {
        char byte[2] = {start[i], '\0'};

        out_name[i] = ink_store_is_name(byte) ? start[i] : '_';
    }
    out_name[size] = '\0';
    if (size == 0)
        (void)snprintf(out_name, 64, "network");
}

enum ink_status
ink_model_load_arch(const char *path, struct ink_arch **out_arch, struct ink_err *err)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf file = {0};
    struct ink_err cause = {0};
    enum ink_status status = ink_buf_load(&file, path, INK_LIMIT_ARCH_SIZE, err);

    if (status != INK_OK)
        return status;
    status = ink_arch_parse(ink_buf_text(&file), file.size, out_arch, &cause);
    return status == INK_OK ? status : ink_fail(err, status, "architecture, %s", cause.message);
}

/* "NAME:VERSION" taken apart; version 0 = the newest. */
static enum ink_status
split_name(const char *text, char out_name[static 64], int *out_version, struct ink_err *err)
{
    const char *colon = strchr(text, ':');
    size_t size = colon ? (size_t)(colon - text) : strlen(text);
    int64_t version = 0;

    if (size < 64) {
        memcpy(out_name, text, size);
        out_name[size] = '\0';
    }
    if (size >= 64 || !ink_store_is_name(out_name))
        return ink_fail(err, INK_BADARG,
                        "'%.64s' is not a model's name, expected 1 to 63 of A-Z a-z 0-9 _ -, "
                        "NAME:VERSION or a .safetensors file",
                        text);
    if (colon && ink_parse_int("", colon + 1, 1, INT32_MAX, &version, NULL) != INK_OK)
        return ink_fail(err, INK_BADARG, "'%.64s': the version is not a number from 1", text);
    *out_version = (int)version;
    return INK_OK;
}

static bool
is_in_store(const char *store, const char *name)
{
    INK_CLEANUP(ink_freep) struct ink_store_entry *entries = NULL;
    size_t count = 0;

    if (ink_store_list(store, &entries, &count, NULL) != INK_OK)
        return false;
    for (size_t i = 0; i < count; i++)
        if (strcmp(entries[i].name, name) == 0)
            return true;
    return false;
}

/* Why a name was not found: the most similar one there is. */
static enum ink_status
not_found(const char *store, const char *name, struct ink_err *err)
{
    INK_CLEANUP(ink_freep) struct ink_store_entry *entries = NULL;
    INK_CLEANUP(ink_freep) const char **names = NULL;
    const char *similar = NULL;
    size_t count = 0, zoo_count = ink_zoo_count(INK_ZOO_ARCH), all = 0;

    if (store && ink_store_list(store, &entries, &count, NULL) != INK_OK)
        count = 0;
    names = calloc(count + zoo_count + 1, sizeof(*names));
    if (!names)
        return ink_fail(err, INK_NOMEM, "out of memory");
    for (size_t i = 0; i < count; i++)
        names[all++] = entries[i].name;
    for (size_t i = 0; i < zoo_count; i++)
        names[all++] = ink_zoo_get(INK_ZOO_ARCH, i).name;
    names[all++] = pretrained_name;
    similar = ink_suggest(name, names, all);
    if (similar && strcmp(similar, name) == 0)
        return ink_fail(err, INK_NOTFOUND,
                        "model '%.64s' is an architecture without weights, expected a trained one "
                        "('train --model %.64s' makes one)",
                        name, name);
    if (similar)
        return ink_fail(err, INK_NOTFOUND, "no model '%.64s', did you mean '%.64s'?", name,
                        similar);
    return ink_fail(err, INK_NOTFOUND, "no model '%.64s', expected one that 'model list' lists",
                    name);
}

static enum ink_status
fail_no_job(struct ink_err *err)
{
    return ink_fail(err, INK_NOTFOUND,
                    "no job has learned anything yet: 'train --background' starts one");
}

/* As ink_model_find; *out_is_job: it is the newest job's. */
static enum ink_status
find(const struct ink_context *ctx, const char *name, const struct ink_snapshot **out_snapshot,
     bool *out_is_job, struct ink_err *err)
{
    const struct ink_snapshot *job;
    const char *store = NULL;
    char base[64];
    int version = 0;
    enum ink_status status;

    *out_is_job = false;
    if (!name)
        return ink_session_snapshot(ctx->session, out_snapshot, err);
    if (ink_model_is_path(name))
        return ink_snapshot_load(name, out_snapshot, err);
    status = split_name(name, base, &version, err);
    if (status != INK_OK)
        return status;
    if (ink_session_store(ctx->session, &store, NULL) == INK_OK && is_in_store(store, base))
        return ink_store_load(store, base, version, out_snapshot, err);
    if (strcmp(base, pretrained_name) == 0 && version == 0)
        return ink_snapshot_load_pretrained(out_snapshot, err);
    *out_is_job = strcmp(name, job_name) == 0;
    if (!*out_is_job)
        return not_found(store, base, err);
    job = ink_session_job(ctx->session);
    if (!job)
        return fail_no_job(err);
    *out_snapshot = job;
    return INK_OK;
}

enum ink_status
ink_model_find(const struct ink_context *ctx, const char *name,
               const struct ink_snapshot **out_snapshot, struct ink_err *err)
{
    bool is_job;

    return find(ctx, name, out_snapshot, &is_job, err);
}

void
ink_model_choose(const struct ink_context *ctx, const struct ink_snapshot *snapshot)
{
    INK_CLEANUP(ink_freep) struct ink_job_view *view = calloc(1, sizeof(*view));
    INK_CLEANUP(ink_buf_fini) struct ink_buf line = {0};
    bool is_followed = ink_session_uses_job(ctx->session);

    ink_session_publish(ctx->session, snapshot);
    if (!is_followed || !view ||
        ink_jobs_get(ink_session_jobs(ctx->session), 0, view, NULL) != INK_OK ||
        view->state != INK_JOB_RUNS)
        return;
    ink_buf_printf(&line, "job %d trains on beside it: 'model use job' goes back to that\n",
                   view->number);
    ctx->sink->print(ctx->sink->self, ink_buf_text(&line));
}

enum ink_status
ink_model_use(const struct ink_context *ctx, const char *name,
              const struct ink_snapshot **out_snapshot, struct ink_err *err)
{
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *found = NULL;
    bool is_job;
    enum ink_status status = find(ctx, name, &found, &is_job, err);

    if (status != INK_OK)
        return status;
    if (is_job) { /* it may have learned more meanwhile */
        ink_snapshot_unref(found);
        found = ink_session_use_job(ctx->session);
        if (!found)
            return fail_no_job(err);
    } else {
        ink_model_choose(ctx, found);
    }
    *out_snapshot = found;
    found = NULL;
    return INK_OK;
}

enum ink_status
ink_model_rename(const struct ink_snapshot *snapshot, const char *name,
                 const struct ink_snapshot **out_snapshot, struct ink_err *err)
{
    struct ink_record record = *ink_snapshot_record(snapshot);

    (void)snprintf(record.name, sizeof(record.name), "%s", name);
    record.version = 0;
    return ink_snapshot_copy(snapshot, &record, out_snapshot, err);
}

/* An architecture of the zoo, unless the name means a network with weights. */
static enum ink_status
find_in_zoo(const char *name, struct ink_model *out, struct ink_err *err)
{
    struct ink_zoo_entry entry;
    enum ink_status status;

    if (!ink_zoo_find(INK_ZOO_ARCH, name, &entry))
        return INK_NOTFOUND;
    status = ink_arch_parse(entry.text, entry.size, &out->own, err);
    if (status == INK_OK) {
        out->arch = out->own;
        (void)snprintf(out->name, sizeof(out->name), "%s", entry.name);
    }
    return status;
}

enum ink_status
ink_model_find_arch(const struct ink_context *ctx, const char *name, struct ink_model *out_model,
                    struct ink_err *err)
{
    struct ink_model model = {0};
    struct ink_err cause = {0};
    enum ink_status status;

    if (name && ink_model_is_arch_path(name)) {
        status = ink_model_load_arch(name, &model.own, err);
        if (status == INK_OK) {
            model.arch = model.own;
            ink_model_name_of_file(name, model.name);
            *out_model = model;
        }
        return status;
    }
    status = ink_model_find(ctx, name, &model.snapshot, &cause);
    if (status == INK_OK) {
        const struct ink_record *record = ink_snapshot_record(model.snapshot);

        model.arch = ink_snapshot_arch(model.snapshot);
        (void)snprintf(model.name, sizeof(model.name), "%s", record->name);
        model.version = record->version;
    } else if (status == INK_NOTFOUND && name) {
        status = find_in_zoo(name, &model, &cause);
    }
    if (status != INK_OK)
        return ink_fail(err, status, "%s", cause.message);
    *out_model = model;
    return INK_OK;
}

void
ink_model_fini(struct ink_model *model)
{
    ink_snapshot_unref(model->snapshot);
    ink_arch_destroy(&model->own);
    *model = (struct ink_model){0};
}

struct ink_json *
ink_shape_to_json(struct ink_shape shape)
{
    struct ink_json *json = ink_json_array();

    ink_json_push(json, ink_json_from_int(shape.channels));
    ink_json_push(json, ink_json_from_int(shape.height));
    ink_json_push(json, ink_json_from_int(shape.width));
    return json;
}

struct ink_json *
ink_layers_to_json(const struct ink_arch *arch)
{
    struct ink_json *list = ink_json_array();

    for (int i = 0; i < arch->node_count; i++) {
        const struct ink_node *node = &arch->node[i];
        struct ink_json *json = ink_json_object();

        ink_json_set_string(json, "name", node->name);
        ink_json_set_string(json, "op", ink_op_name(node->op));
        ink_json_set(json, "shape", ink_shape_to_json(node->shape));
        ink_json_set_int(json, "parameters", (int64_t)ink_node_parameter_count(node));
        ink_json_push(list, json);
    }
    return list;
}

void
ink_model_title(const struct ink_record *record, struct ink_buf *buf)
{
    ink_buf_puts(buf, record->name);
    if (record->version > 0)
        ink_buf_printf(buf, ":%d", record->version);
}
