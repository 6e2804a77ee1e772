/* SPDX-License-Identifier: MIT */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "base/suggest.h"
#include "kernel/command/command.h"
#include "kernel/command/command_priv.h"

enum { OPTION_NAME_MAX = 64, OPTION_MAX = 64, CHOICE_MAX = 32 };

/* clang-format off */
const struct ink_option ink_common_option[] = {
    {.name = "json", .type = INK_OPTION_FLAG, .help = "give the numbers as JSON"},
    {.name = "out", .type = INK_OPTION_TEXT, .metavar = "FILE", .kind = INK_WORD_FILE,
     .help = "also write the result to a .png, .svg, .html, .json or .txt file"},
    {.name = "help", .type = INK_OPTION_FLAG, .help = "say what the command does, and stop"},
};
/* clang-format on */
const size_t ink_common_option_count = INK_COUNT(ink_common_option);

const struct ink_option *
ink_option_find(const struct ink_command *command, const char *name)
{
    for (size_t i = 0; i < command->option_count; i++)
        if (strcmp(command->option[i].name, name) == 0)
            return &command->option[i];
    for (size_t i = 0; i < ink_common_option_count; i++)
        if (strcmp(ink_common_option[i].name, name) == 0)
            return &ink_common_option[i];
    return NULL;
}

bool
ink_option_is_replaced(const struct ink_command *command, const struct ink_option *common)
{
    return ink_option_find(command, common->name) != common;
}

static bool
is_common(const struct ink_option *option)
{
    for (size_t i = 0; i < ink_common_option_count; i++)
        if (option == &ink_common_option[i])
            return true;
    return false;
}

static enum ink_status
unknown_option(const struct ink_command *command, const char *word, const char *name,
               struct ink_err *err)
{
    const char *names[OPTION_MAX];
    const char *similar;
    size_t count = 0;

    assert(command->option_count + ink_common_option_count <= OPTION_MAX);
    for (size_t i = 0; i < command->option_count; i++)
        names[count++] = command->option[i].name;
    for (size_t i = 0; i < ink_common_option_count; i++)
        names[count++] = ink_common_option[i].name;
    similar = ink_suggest(name, names, count);
    if (similar)
        return ink_fail(err, INK_BADARG, "unknown option %.64s, did you mean --%s?", word, similar);
    return ink_fail(err, INK_BADARG, "unknown option %.64s, expected one that '%s --help' lists",
                    word, command->name);
}

/* Whether `value` is one of the words of `choices`, "adam|adamw|sgd". */
static bool
is_choice(const char *choices, const char *value)
{
    size_t size = strlen(value);
    const char *at = choices;

    while (at) {
        const char *end = strchr(at, '|');
        size_t width = end ? (size_t)(end - at) : strlen(at);

        if (width == size && size > 0 && strncmp(at, value, size) == 0)
            return true;
        at = end ? end + 1 : NULL;
    }
    return false;
}

static enum ink_status
check_choice(const char *what, const struct ink_option *option, const char *value,
             struct ink_err *err)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf range = {0}, copy = {0};
    const char *words[CHOICE_MAX];
    const char *similar;
    size_t count = 0;

    if (is_choice(option->choices, value))
        return INK_OK;
    ink_option_range(option, &range);
    ink_buf_puts(&copy, option->choices);
    for (char *at = copy.bytes; at && count < CHOICE_MAX;) {
        words[count++] = at;
        at = strchr(at, '|');
        if (at)
            *at++ = '\0';
    }
    similar = ink_suggest(value, words, count);
    return ink_fail(err, INK_BADARG, "%s: '%.64s' is not one of %s%s%s%s", what, value,
                    ink_buf_text(&range), similar ? ", did you mean " : "", similar ? similar : "",
                    similar ? "?" : "");
}

enum ink_status
ink_option_check(const char *what, const struct ink_option *option, const char *value,
                 struct ink_err *err)
{
    int64_t whole;
    double real;

    switch (option->type) {
    case INK_OPTION_FLAG:
        return ink_fail(err, INK_BADARG, "%s: takes no value, got '%.64s'", what, value);
    case INK_OPTION_INT:
        return ink_parse_int(what, value, (int64_t)option->min, (int64_t)option->max, &whole, err);
    case INK_OPTION_REAL:
        return ink_parse_double(what, value, option->min, option->max, &real, err);
    case INK_OPTION_CHOICE:
        return check_choice(what, option, value, err);
    case INK_OPTION_TEXT:
        return *value
                   ? INK_OK
                   : ink_fail(err, INK_BADARG, "%s: is empty, expected %s", what, option->metavar);
    }
    return ink_fail(err, INK_BUG, "%s: unknown type of option", what);
}

static enum ink_status
check_value(const struct ink_option *option, const char *value, struct ink_err *err)
{
    char what[OPTION_NAME_MAX + 3] = "--";

    strncat(what, option->name, OPTION_NAME_MAX);
    return ink_option_check(what, option, value, err);
}

/* Keep an option's value (NULL for a flag). */
static enum ink_status
store_option(struct ink_args *args, const struct ink_option *option, const char *value,
             struct ink_err *err)
{
    char **place = &args->out_file; /* the common --out */
    char *copy;

    if (strcmp(option->name, "json") == 0) {
        args->is_json = true;
        return INK_OK;
    }
    if (strcmp(option->name, "help") == 0) {
        args->is_help = true;
        return INK_OK;
    }
    if (!is_common(option))
        place = &args->value[option - args->command->option];
    copy = strdup(value ? value : "");
    if (!copy)
        return ink_fail(err, INK_NOMEM, "out of memory");
    free(*place);
    *place = copy;
    return INK_OK;
}

/* One option at words[*index]; steps over its value if that is the next word. */
static enum ink_status
take_option(struct ink_args *args, const char *const *words, size_t word_count, size_t *index,
            struct ink_err *err)
{
    const char *word = words[*index];
    const char *equals = strchr(word, '=');
    const char *value = equals ? equals + 1 : NULL;
    const struct ink_option *option = NULL;
    char name[OPTION_NAME_MAX] = "";
    enum ink_status status;

    if (strcmp(word, "-h") == 0)
        (void)snprintf(name, sizeof(name), "help");
    else if (strcmp(word, "-o") == 0)
        (void)snprintf(name, sizeof(name), "%s",
                       ink_option_find(args->command, "save") ? "save" : "out");
    else if (word[1] == '-')
        (void)snprintf(name, sizeof(name), "%.*s", (int)strcspn(word + 2, "="), word + 2);
    if (*name)
        option = ink_option_find(args->command, name);
    if (!option)
        return unknown_option(args->command, word, *name ? name : word + 1, err);
    if (option->type != INK_OPTION_FLAG && !value) {
        if (*index + 1 >= word_count || strncmp(words[*index + 1], "--", 2) == 0)
            return ink_fail(err, INK_BADARG, "--%s: the value is missing, expected %s",
                            option->name, option->metavar ? option->metavar : option->choices);
        value = words[++*index];
    }
    if (value) {
        status = check_value(option, value, err);
        if (status != INK_OK)
            return status;
    }
    return store_option(args, option, value, err);
}

static enum ink_status
check_word_count(const struct ink_args *args, struct ink_err *err)
{
    const struct ink_command *command = args->command;

    if (args->is_help)
        return INK_OK;
    if (args->word_count < command->word_min)
        return ink_fail(err, INK_BADARG, "too few words, expected: %s %s", command->name,
                        command->synopsis);
    if (args->word_count > command->word_max)
        return ink_fail(err, INK_BADARG, "too many words ('%.64s'), expected: %s%s%s",
                        args->word[command->word_max], command->name, *command->synopsis ? " " : "",
                        command->synopsis);
    return INK_OK;
}

enum ink_status
ink_args_parse(const struct ink_command *command, const char *const *words, size_t word_count,
               struct ink_args *out_args, struct ink_err *err)
{
    INK_CLEANUP(ink_args_fini) struct ink_args args = {.command = command};
    bool options_ended = false;
    enum ink_status status = INK_OK;

    args.word = calloc(word_count + 1, sizeof(*args.word));
    args.value = calloc(command->option_count + 1, sizeof(*args.value));
    if (!args.word || !args.value)
        return ink_fail(err, INK_NOMEM, "out of memory");
    for (size_t i = 0; i < word_count && status == INK_OK; i++) {
        const char *word = words[i];

        if (!options_ended && strcmp(word, "--") == 0) {
            options_ended = true;
        } else if (!options_ended && word[0] == '-' && word[1] != '\0') {
            status = take_option(&args, words, word_count, &i, err);
        } else {
            args.word[args.word_count] = strdup(word);
            if (!args.word[args.word_count++])
                status = ink_fail(err, INK_NOMEM, "out of memory");
        }
    }
    if (status == INK_OK)
        status = check_word_count(&args, err);
    if (status != INK_OK)
        return status;
    *out_args = args;
    args = (struct ink_args){0}; /* given away */
    return INK_OK;
}

void
ink_args_fini(struct ink_args *args)
{
    for (size_t i = 0; i < args->word_count; i++)
        free(args->word[i]);
    free(args->word);
    for (size_t i = 0; args->value && i < args->command->option_count; i++)
        free(args->value[i]);
    free(args->value);
    free(args->out_file);
    *args = (struct ink_args){0};
}

/* The row's option of that name, and the text of its value. */
static const char *
value_of(const struct ink_args *args, const char *name, enum ink_option_type type)
{
    for (size_t i = 0; i < args->command->option_count; i++) {
        const struct ink_option *option = &args->command->option[i];

        if (strcmp(option->name, name) != 0)
            continue;
        assert(option->type == type ||
               (type == INK_OPTION_TEXT && option->type == INK_OPTION_CHOICE));
        return args->value[i] ? args->value[i] : option->fallback;
    }
    assert(false && "an option that is in the command's row");
    return NULL;
}

bool
ink_args_has(const struct ink_args *args, const char *name)
{
    for (size_t i = 0; i < args->command->option_count; i++)
        if (strcmp(args->command->option[i].name, name) == 0)
            return args->value[i] != NULL;
    assert(false && "an option that is in the command's row");
    return false;
}

bool
ink_args_flag(const struct ink_args *args, const char *name)
{
    return value_of(args, name, INK_OPTION_FLAG) != NULL;
}

int64_t
ink_args_int(const struct ink_args *args, const char *name)
{
    const char *text = value_of(args, name, INK_OPTION_INT);
    int64_t value = 0;
    enum ink_status status = ink_parse_int(name, text, INT64_MIN, INT64_MAX, &value, NULL);

    assert(status == INK_OK); /* checked when it was parsed; defaults are tested */
    (void)status;
    return value;
}

double
ink_args_real(const struct ink_args *args, const char *name)
{
    const char *text = value_of(args, name, INK_OPTION_REAL);
    double value = 0;
    enum ink_status status = ink_parse_double(name, text, -1e300, 1e300, &value, NULL);

    assert(status == INK_OK);
    (void)status;
    return value;
}

struct ink_compute
ink_args_compute(const struct ink_args *args)
{
    struct ink_compute compute = {0};
    bool is_word = ink_precision_parse(ink_args_text(args, "precision"), &compute.precision) &&
                   ink_engine_parse(ink_args_text(args, "engine"), &compute.engine);

    assert(is_word); /* one of their choices */
    (void)is_word;
    return compute;
}

const char *
ink_args_text(const struct ink_args *args, const char *name)
{
    return value_of(args, name, INK_OPTION_TEXT);
}
