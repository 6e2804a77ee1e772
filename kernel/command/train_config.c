/* SPDX-License-Identifier: MIT */
#include "kernel/command/train_config.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/suggest.h"
#include "kernel/command/command_priv.h"
#include "kernel/command/train_options.h"
#include "kernel/command/train_source.h"
#include "model/arch.h"
#include "model/optimizer.h"
#include "model/schedule.h"

/* Options that say where results go, and those that name a source of options. */
static const char *const places[] = {"config",      "recipe",      "save",   "log",       "metrics",
                                     "tensorboard", "checkpoints", "resume", "background"};

/* Options that may be given anew when a run goes on: they do not change what comes out. */
static const char *const free_options[] = {"resume",      "checkpoint-every", "save",
                                           "log",         "metrics",          "metrics-every",
                                           "tensorboard", "background"};

static bool
is_one_of(const char *name, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(list[i], name) == 0)
            return true;
    return false;
}

static bool
is_place(const char *name)
{
    return is_one_of(name, places, INK_COUNT(places));
}

static bool
is_free(const char *name)
{
    return is_one_of(name, free_options, INK_COUNT(free_options));
}

static enum ink_status
take_file(struct ink_train_source *source, const char *path, struct ink_err *err)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf text = {0};
    enum ink_status status = ink_buf_load(&text, path, INK_LIMIT_CONFIG_SIZE, err);

    if (status != INK_OK)
        return status;
    source->is_refused = NULL;
    (void)snprintf(source->label, sizeof(source->label), "%.90s", path);
    return ink_train_source_take(source, ink_buf_text(&text), text.size, err);
}

static enum ink_status
unknown_recipe(const char *name, struct ink_err *err)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf all = {0};
    const char *names[INK_ZOO_MAX], *similar;
    size_t count = ink_zoo_count(INK_ZOO_RECIPE);

    count = count < INK_ZOO_MAX ? count : INK_ZOO_MAX;
    for (size_t i = 0; i < count; i++) {
        names[i] = ink_zoo_get(INK_ZOO_RECIPE, i).name;
        ink_buf_printf(&all, "%s%s", i > 0 ? ", " : "", names[i]);
    }
    similar = ink_suggest(name, names, count);
    if (similar)
        return ink_fail(err, INK_NOTFOUND, "--recipe: no recipe '%.64s', did you mean '%s'?", name,
                        similar);
    return ink_fail(err, INK_NOTFOUND, "--recipe: no recipe '%.64s', expected one of: %s", name,
                    ink_buf_text(&all));
}

static enum ink_status
take_recipe(struct ink_train_source *source, const char *name, struct ink_err *err)
{
    struct ink_zoo_entry recipe;

    if (!ink_zoo_find(INK_ZOO_RECIPE, name, &recipe))
        return unknown_recipe(name, err);
    source->is_refused = is_place;
    (void)snprintf(source->label, sizeof(source->label), "recipe %s", recipe.name);
    return ink_train_source_take(source, recipe.text, recipe.size, err);
}

static enum ink_status
copy_given(const struct ink_args *given, struct ink_args *out_args, struct ink_err *err)
{
    INK_CLEANUP(ink_args_fini)
    struct ink_args args = {
        .command = given->command, .is_json = given->is_json, .is_help = given->is_help};

    args.word = calloc(1, sizeof(*args.word)); /* `train` takes none */
    args.value = calloc(INK_TRAIN_OPTION_COUNT, sizeof(*args.value));
    if (!args.word || !args.value)
        return ink_fail(err, INK_NOMEM, "out of memory");
    for (size_t i = 0; i < INK_TRAIN_OPTION_COUNT; i++) {
        if (!given->value[i])
            continue;
        args.value[i] = strdup(given->value[i]);
        if (!args.value[i])
            return ink_fail(err, INK_NOMEM, "out of memory");
    }
    *out_args = args;
    args = (struct ink_args){.command = args.command}; /* given away */
    return INK_OK;
}

/* Where the options are written that made these weights. */
static void
put_path(const char *weights, struct ink_buf *path)
{
    static const char ending[] = ".safetensors";
    size_t size = strlen(weights), tail = sizeof(ending) - 1;

    if (size > tail && strcmp(weights + size - tail, ending) == 0)
        size -= tail;
    ink_buf_append(path, weights, size);
    ink_buf_puts(path, ".json");
}

/* The file that was read is not the one that will be written. */
static enum ink_status
check_path(const struct ink_args *args, struct ink_err *err)
{
    const char *config = ink_args_text(args, "config"), *weights = ink_args_text(args, "save");
    INK_CLEANUP(ink_buf_fini) struct ink_buf path = {0};

    if (!config || !weights)
        return INK_OK;
    put_path(weights, &path);
    if (strcmp(ink_buf_text(&path), config) == 0)
        return ink_fail(err, INK_BADARG,
                        "--save: '%.60s' would write its options over '%.60s', expected another "
                        "name",
                        weights, config);
    return ink_buf_check(&path, err);
}

enum ink_status
ink_train_config_merge(const struct ink_args *given, struct ink_args *out_args, struct ink_err *err)
{
    INK_CLEANUP(ink_args_fini) struct ink_args args = {.command = given->command};
    bool is_decided[INK_TRAIN_OPTION_COUNT] = {0};
    struct ink_train_source source = {.args = &args, .is_decided = is_decided};
    enum ink_status status = copy_given(given, &args, err);

    assert(given->command->option == ink_train_option && given->word_count == 0);
    if (status != INK_OK)
        return status;
    for (size_t i = 0; i < INK_TRAIN_OPTION_COUNT; i++)
        is_decided[i] = given->value[i] != NULL;
    if (ink_args_has(&args, "config"))
        status = take_file(&source, ink_args_text(&args, "config"), err);
    if (status == INK_OK && ink_args_has(&args, "recipe"))
        status = take_recipe(&source, ink_args_text(&args, "recipe"), err);
    if (status == INK_OK)
        status = check_path(&args, err);
    if (status == INK_OK)
        status = ink_train_options_check(&args, err);
    if (status != INK_OK)
        return status;
    *out_args = args;
    args = (struct ink_args){.command = args.command}; /* given away */
    return INK_OK;
}

enum ink_status
ink_train_config_check_resume(const struct ink_args *given, struct ink_err *err)
{
    for (size_t i = 0; i < INK_TRAIN_OPTION_COUNT; i++)
        if (given->value[i] && !is_free(ink_train_option[i].name))
            return ink_fail(err, INK_BADARG,
                            "--%s: cannot be given with --resume, which goes on with the options "
                            "that the run began with",
                            ink_train_option[i].name);
    return INK_OK;
}

enum ink_status
ink_train_config_resume(const struct ink_args *given, const char *kept, struct ink_args *out_args,
                        struct ink_err *err)
{
    INK_CLEANUP(ink_args_fini) struct ink_args args = {.command = given->command};
    bool is_decided[INK_TRAIN_OPTION_COUNT] = {0};
    struct ink_train_source source = {
        .label = "the checkpoint", .args = &args, .is_decided = is_decided};
    enum ink_status status = copy_given(given, &args, err);

    if (status != INK_OK)
        return status;
    for (size_t i = 0; i < INK_TRAIN_OPTION_COUNT; i++)
        is_decided[i] = given->value[i] != NULL;
    status = ink_train_source_take(&source, kept, strlen(kept), err);
    if (status != INK_OK)
        return status;
    *out_args = args;
    args = (struct ink_args){.command = args.command}; /* given away */
    return INK_OK;
}

enum ink_status
ink_train_config_pin(struct ink_args *args, int version, struct ink_err *err)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf pinned = {0};
    char *text;
    size_t i = 0;

    while (strcmp(args->command->option[i].name, "model") != 0)
        i++;
    if (version == 0 || !args->value[i] || strpbrk(args->value[i], ":./"))
        return INK_OK;
    ink_buf_printf(&pinned, "%s:%d", args->value[i], version);
    text = ink_buf_take(&pinned);
    if (!text)
        return ink_fail(err, INK_NOMEM, "out of memory");
    free(args->value[i]);
    args->value[i] = text;
    return INK_OK;
}

/* ---- writing ---- */

static void
set_option(struct ink_json *json, const struct ink_args *args, const struct ink_option *option)
{
    switch (option->type) {
    case INK_OPTION_FLAG:
        ink_json_set_bool(json, option->name, ink_args_flag(args, option->name));
        break;
    case INK_OPTION_INT:
        ink_json_set_int(json, option->name, ink_args_int(args, option->name));
        break;
    case INK_OPTION_REAL:
        ink_json_set_double(json, option->name, ink_args_real(args, option->name));
        break;
    case INK_OPTION_CHOICE:
    case INK_OPTION_TEXT:
        ink_json_set_string(json, option->name, ink_args_text(args, option->name));
        break;
    }
}

struct ink_json *
ink_train_config_to_json(const struct ink_args *args, const char *model, const char *data,
                         int threads)
{
    struct ink_train_options options = ink_train_options_get(args, NULL);
    const struct {
        const char *name;
        float amount;
    } amounts[] = {
        {"shift", options.augment.shift},         {"rotate", options.augment.rotate},
        {"scale", options.augment.scale},         {"stretch", options.augment.stretch},
        {"shear", options.augment.shear},         {"elastic", options.augment.elastic},
        {"thickness", options.augment.thickness}, {"erase", options.augment.erase},
    };
    struct ink_json *json = ink_json_object();

    if (model)
        ink_json_set_string(json, "model", model);
    ink_json_set_string(json, "data", data);
    for (size_t i = 0; i < INK_TRAIN_OPTION_COUNT; i++) {
        const struct ink_option *option = &ink_train_option[i];
        bool is_there = args->value[i] || option->fallback || option->type == INK_OPTION_FLAG;

        if (is_there && !is_place(option->name) && !ink_json_find(json, option->name))
            set_option(json, args, option);
    }
    for (size_t i = 0; i < INK_COUNT(amounts); i++)
        ink_json_set_float(json, amounts[i].name, amounts[i].amount);
    ink_json_set_double(json, "epsilon", ink_optimizer_epsilon(&options));
    ink_json_set_double(json, "warm-up", ink_schedule_warm_up(&options));
    ink_json_set_int(json, "threads", threads);
    return json;
}

/* An object with a line for each member. */
static enum ink_status
print_lines(const struct ink_json *json, struct ink_buf *text, struct ink_err *err)
{
    const char *before = "{\n";

    for (const struct ink_json *value = ink_json_first(json); value; value = ink_json_next(value)) {
        enum ink_status status;

        ink_buf_printf(text, "%s  \"%s\": ", before, ink_json_name(value));
        status = ink_json_print(value, text, err);
        if (status != INK_OK)
            return status;
        before = ",\n";
    }
    ink_buf_puts(text, "\n}\n");
    return ink_buf_check(text, err);
}

enum ink_status
ink_train_config_save(const struct ink_args *args, const char *weights, const char *data,
                      int threads, struct ink_err *err)
{
    /* the file knows the architecture; what --continue went on from is the session's matter */
    const char *model = ink_args_has(args, "model")       ? ink_args_text(args, "model")
                        : ink_args_flag(args, "continue") ? NULL
                                                          : weights;
    INK_CLEANUP(ink_json_destroy)
    struct ink_json *json = ink_train_config_to_json(args, model, data, threads);
    INK_CLEANUP(ink_buf_fini) struct ink_buf text = {0}, path = {0};
    enum ink_status status;

    put_path(weights, &path);
    status = ink_buf_check(&path, err);
    if (status == INK_OK)
        status = print_lines(json, &text, err);
    return status == INK_OK ? ink_file_write(ink_buf_text(&path), text.bytes, text.size, err)
                            : status;
}

enum ink_status
ink_train_config_keep(const struct ink_args *args, const char *data, struct ink_buf *text,
                      struct ink_err *err)
{
    INK_CLEANUP(ink_json_destroy)
    struct ink_json *json = ink_train_config_to_json(args, ink_args_text(args, "model"), data,
                                                     (int)ink_args_int(args, "threads"));
    enum ink_status status;

    for (size_t i = 0; i < INK_TRAIN_OPTION_COUNT; i++) {
        const struct ink_option *option = &ink_train_option[i];

        if (args->value[i] && is_free(option->name) && strcmp(option->name, "resume") != 0 &&
            option->type != INK_OPTION_FLAG)
            set_option(json, args, option);
    }
    status = ink_json_print(json, text, err);
    return status == INK_OK ? ink_buf_check(text, err) : status;
}
