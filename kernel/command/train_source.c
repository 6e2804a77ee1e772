/* SPDX-License-Identifier: MIT */
#include "kernel/command/train_source.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/suggest.h"
#include "kernel/command/command_priv.h"

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

static enum ink_status
wrong_type(const struct ink_train_source *source, const struct ink_option *option,
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
unknown_member(const struct ink_train_source *source, const char *name, struct ink_err *err)
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
take_member(struct ink_train_source *source, bool *is_seen, size_t index,
            const struct ink_json *value, struct ink_err *err)
{
    const struct ink_option *option = &ink_train_option[index];
    INK_CLEANUP(ink_buf_fini) struct ink_buf word = {0};
    char what[sizeof(source->label) + 64];
    enum ink_status status;

    if (is_seen[index])
        return ink_fail(err, INK_BADARG, "%s: %s is given twice", source->label, option->name);
    is_seen[index] = true;
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

enum ink_status
ink_train_source_take(struct ink_train_source *source, const char *text, size_t size,
                      struct ink_err *err)
{
    INK_CLEANUP(ink_json_destroy) struct ink_json *json = NULL;
    bool is_seen[INK_TRAIN_OPTION_COUNT] = {0};
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
            (source->is_refused && source->is_refused(name)))
            return ink_fail(err, INK_BADARG, "%s: %s: cannot be given here", source->label, name);
        status = take_member(source, is_seen, index, value, err);
    }
    return status;
}
