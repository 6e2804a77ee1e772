/* SPDX-License-Identifier: MIT */
#include "kernel/command/train_config.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/suggest.h"
#include "kernel/command/command_priv.h"
#include "kernel/command/train_options.h"
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

/* An object of options that is being read. */
struct source {
    char label[96]; /* "recipe sprint" */
    bool is_recipe;
    bool is_seen[INK_TRAIN_OPTION_COUNT]; /* in this object */
    struct ink_args *args;                /* where they go */
    bool *is_decided;                     /* [option_count] by what goes before */
};

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

/* Whether commas part the option's value: --data NAME,... */
static bool
is_list(const struct ink_option *option)
{
    return option->type == INK_OPTION_TEXT && strstr(option->metavar, ",...");
}

/* Whether a number is a value of the option, as in --validation N|DATA. */
static bool
is_number_or_text(const struct ink_option *option)
{
    return option->type == INK_OPTION_TEXT && strncmp(option->metavar, "N|", 2) == 0;
}

/* ---- reading ---- */

static enum ink_status
wrong_type(const struct source *source, const struct ink_option *option,
           const struct ink_json *value, struct ink_err *err)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf got = {0}, want = {0};

    if (ink_json_print(value, &got, err) != INK_OK)
        return INK_NOMEM;
    switch (option->type) {
    case INK_OPTION_FLAG:
        ink_buf_puts(&want, "true or false");
        break;
    case INK_OPTION_INT:
        ink_buf_puts(&want, "a whole number, ");
        break;
    case INK_OPTION_REAL:
        ink_buf_puts(&want, "a number, ");
        break;
    case INK_OPTION_CHOICE:
        ink_buf_puts(&want, "in quotes ");
        break;
    case INK_OPTION_TEXT:
        ink_buf_printf(&want, "%s in quotes%s", option->metavar,
                       is_list(option) ? " or a list" : "");
        break;
    }
    ink_option_range(option, &want);
    return ink_fail(err, INK_BADARG, "%s: %s: got %.40s, expected %s", source->label, option->name,
                    ink_buf_text(&got), ink_buf_text(&want));
}

/* A text or number as a word of the command line; false for anything else. A number that was
 * parsed is printed with 15 digits: made anew it has all that it needs. */
static bool
put_word(const struct ink_json *value, bool is_number_fine, struct ink_buf *word)
{
    INK_CLEANUP(ink_json_destroy) struct ink_json *number = NULL;

    if (ink_json_is_string(value)) {
        ink_buf_puts(word, ink_json_string(value, ""));
        return true;
    }
    if (!ink_json_is_number(value) || !is_number_fine)
        return false;
    number = ink_json_from_double(ink_json_number(value, 0));
    word->is_broken |= ink_json_print(number, word, NULL) != INK_OK;
    return true;
}

/* A whole number in plain digits; false for any other. */
static bool
put_whole(const struct ink_json *value, struct ink_buf *word)
{
    double number = ink_json_number(value, 0.5);

    if (!(fabs(number) < 9e15) || floor(number) < number)
        return false;
    ink_buf_printf(word, "%.0f", number);
    return true;
}

/* The value as the command line would have it; false if it is of a wrong type. */
static bool
put_value(const struct ink_option *option, const struct ink_json *value, struct ink_buf *word)
{
    if (option->type == INK_OPTION_INT)
        return put_whole(value, word);
    if (option->type == INK_OPTION_REAL)
        return ink_json_is_number(value) && put_word(value, true, word);
    if (option->type == INK_OPTION_FLAG)
        return ink_json_is_bool(value);
    if (!is_list(option) || !ink_json_is_array(value))
        return put_word(value, is_number_or_text(option), word);
    for (const struct ink_json *item = ink_json_first(value); item; item = ink_json_next(item)) {
        if (word->size > 0)
            ink_buf_putc(word, ',');
        if (!put_word(item, true, word))
            return false;
    }
    return true;
}

static enum ink_status
unknown_member(const struct source *source, const char *name, struct ink_err *err)
{
    const char *names[INK_TRAIN_OPTION_COUNT];
    const char *similar;

    for (size_t i = 0; i < INK_TRAIN_OPTION_COUNT; i++)
        names[i] = ink_train_option[i].name;
    similar = ink_suggest(name, names, INK_TRAIN_OPTION_COUNT);
    if (similar)
        return ink_fail(err, INK_BADARG, "%s: unknown option '%.64s', did you mean '%s'?",
                        source->label, name, similar);
    return ink_fail(err, INK_BADARG,
                    "%s: unknown option '%.64s', expected one that 'train --help' lists",
                    source->label, name);
}

/* Keep one option, unless what goes before has decided it. */
static enum ink_status
take_member(struct source *source, size_t index, const struct ink_json *value, struct ink_err *err)
{
    const struct ink_option *option = &ink_train_option[index];
    INK_CLEANUP(ink_buf_fini) struct ink_buf word = {0};
    char what[sizeof(source->label) + 64];
    enum ink_status status;

    if (source->is_seen[index])
        return ink_fail(err, INK_BADARG, "%s: %s is given twice", source->label, option->name);
    source->is_seen[index] = true;
    if (ink_json_is_null(value))
        return INK_OK;
    if (!put_value(option, value, &word))
        return wrong_type(source, option, value, err);
    status = ink_buf_check(&word, err);
    if (status != INK_OK)
        return status;
    (void)snprintf(what, sizeof(what), "%s: %s", source->label, option->name);
    if (option->type != INK_OPTION_FLAG) {
        status = ink_option_check(what, option, ink_buf_text(&word), err);
        if (status != INK_OK)
            return status;
    }
    if (source->is_decided[index])
        return INK_OK;
    source->is_decided[index] = true;
    if (option->type == INK_OPTION_FLAG && !ink_json_bool(value, false))
        return INK_OK;
    source->args->value[index] = strdup(ink_buf_text(&word));
    return source->args->value[index] ? INK_OK : ink_fail(err, INK_NOMEM, "out of memory");
}

static enum ink_status
take_object(struct source *source, const char *text, size_t size, struct ink_err *err)
{
    INK_CLEANUP(ink_json_destroy) struct ink_json *json = NULL;
    struct ink_err cause = {0};
    enum ink_status status = ink_json_parse(text, size, &json, &cause);

    if (status != INK_OK)
        return ink_fail(err, status, "%s: %.120s", source->label, cause.message);
    if (!ink_json_is_object(json))
        return ink_fail(err, INK_BADDATA, "%s: is not an object, expected {\"epochs\": 3, ...}",
                        source->label);
    for (const struct ink_json *value = ink_json_first(json); value && status == INK_OK;
         value = ink_json_next(value)) {
        const char *name = ink_json_name(value);
        size_t index = 0;

        while (index < INK_TRAIN_OPTION_COUNT && strcmp(ink_train_option[index].name, name) != 0)
            index++;
        if (index == INK_TRAIN_OPTION_COUNT)
            return unknown_member(source, name, err);
        if (strcmp(name, "config") == 0 || strcmp(name, "resume") == 0 ||
            (source->is_recipe && is_place(name)))
            return ink_fail(err, INK_BADARG, "%s: %s: cannot be given here", source->label, name);
        status = take_member(source, index, value, err);
    }
    return status;
}

static enum ink_status
take_file(struct source *source, const char *path, struct ink_err *err)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf text = {0};
    enum ink_status status = ink_buf_load(&text, path, INK_LIMIT_CONFIG_SIZE, err);

    if (status != INK_OK)
        return status;
    source->is_recipe = false;
    (void)snprintf(source->label, sizeof(source->label), "%.90s", path);
    return take_object(source, ink_buf_text(&text), text.size, err);
}

static enum ink_status
unknown_recipe(const char *name, struct ink_err *err)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf all = {0};
    const char *names[INK_RECIPE_MAX], *similar;
    size_t count = ink_recipe_count();

    count = count < INK_RECIPE_MAX ? count : INK_RECIPE_MAX;
    for (size_t i = 0; i < count; i++) {
        names[i] = ink_recipe_get(i).name;
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
take_recipe(struct source *source, const char *name, struct ink_err *err)
{
    struct ink_zoo_entry recipe;

    if (!ink_recipe_find(name, &recipe))
        return unknown_recipe(name, err);
    source->is_recipe = true;
    memset(source->is_seen, 0, sizeof(source->is_seen));
    (void)snprintf(source->label, sizeof(source->label), "recipe %s", recipe.name);
    return take_object(source, recipe.text, recipe.size, err);
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
    struct source source = {.args = &args, .is_decided = is_decided};
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
    struct source source = {.label = "the checkpoint", .args = &args, .is_decided = is_decided};
    enum ink_status status = copy_given(given, &args, err);

    if (status != INK_OK)
        return status;
    for (size_t i = 0; i < INK_TRAIN_OPTION_COUNT; i++)
        is_decided[i] = given->value[i] != NULL;
    status = take_object(&source, kept, strlen(kept), err);
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
