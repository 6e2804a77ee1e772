/* SPDX-License-Identifier: MIT */
/* Options of a run as JSON: what is taken is within its ranges and comes back the same from what is
 * written; what is refused says why in one line. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "kernel/command/train_config.h"
#include "kernel/command/train_options.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Write the options, and read what was written into others. */
static void
copy(const struct ink_args *given, const struct ink_args *args, struct ink_buf *text,
     struct ink_args *out_args)
{
    struct ink_err err;

    assert(ink_train_config_keep(args, "strokes", text, &err) == INK_OK);
    assert(ink_train_config_resume(given, ink_buf_text(text), out_args, &err) == INK_OK);
}

static void
check(const struct ink_args *given, const struct ink_args *args)
{
    struct ink_train_options options = ink_train_options_get(args, NULL);
    struct ink_args once = {0}, twice = {0}, last = {0};
    struct ink_buf first = {0}, second = {0}, third = {0};

    assert(options.epochs >= 1 && options.batch_size >= 1 && options.learning_rate > 0);
    copy(given, args, &first, &once);
    copy(given, &once, &second, &twice); /* all are given now, in another order perhaps */
    copy(given, &twice, &third, &last);
    assert(first.size == second.size);
    assert(strcmp(ink_buf_text(&second), ink_buf_text(&third)) == 0);
    ink_args_fini(&once);
    ink_args_fini(&twice);
    ink_args_fini(&last);
    ink_buf_fini(&first);
    ink_buf_fini(&second);
    ink_buf_fini(&third);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const struct ink_command *command = ink_command_find("train");
    struct ink_args given = {0}, args = {.command = command};
    char *text = strndup((const char *)bytes, size);
    struct ink_err err = {0};

    assert(text && ink_args_parse(command, NULL, 0, &given, &err) == INK_OK);
    if (ink_train_config_resume(&given, text, &args, &err) != INK_OK)
        assert(!args.value && err.message[0] && !strchr(err.message, '\n'));
    else if (ink_train_options_check(&args, &err) == INK_OK)
        check(&given, &args);
    ink_args_fini(&args);
    ink_args_fini(&given);
    free(text);
    return 0;
}
