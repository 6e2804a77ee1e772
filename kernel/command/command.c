/* SPDX-License-Identifier: MIT */
#include "kernel/command/command.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/suggest.h"
#include "kernel/command/command_priv.h"
#include "kernel/render/write.h"

/* Sorted by name. */
static const struct ink_command *const commands[] = {
    &ink_command_data,   &ink_command_draw,   &ink_command_evaluate, &ink_command_export,
    &ink_command_help,   &ink_command_import, &ink_command_inspect,  &ink_command_jobs,
    &ink_command_layers, &ink_command_model,  &ink_command_predict,  &ink_command_serve,
    &ink_command_show,   &ink_command_stop,   &ink_command_train,
};

size_t
ink_command_count(void)
{
    return INK_COUNT(commands);
}

const struct ink_command *
ink_command_get(size_t index)
{
    return commands[index];
}

const struct ink_command *
ink_command_find(const char *name)
{
    for (size_t i = 0; i < INK_COUNT(commands); i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}

enum ink_status
ink_command_find_or_suggest(const char *name, const struct ink_command **out_command,
                            struct ink_err *err)
{
    const char *names[INK_COUNT(commands)];
    const char *similar;
    const struct ink_command *command = ink_command_find(name);

    if (command) {
        *out_command = command;
        return INK_OK;
    }
    for (size_t i = 0; i < INK_COUNT(commands); i++)
        names[i] = commands[i]->name;
    similar = ink_suggest(name, names, INK_COUNT(names));
    if (similar)
        return ink_fail(err, INK_BADARG, "unknown command '%.64s', did you mean '%s'?", name,
                        similar);
    return ink_fail(err, INK_BADARG, "unknown command '%.64s', expected one that 'help' lists",
                    name);
}

/* --json: the numbers are all there is to see; a result without numbers is its text. */
static void
show_json_only(struct ink_bundle *bundle)
{
    const struct ink_bundle_item *item = ink_bundle_find(bundle, INK_MIME_JSON);
    INK_CLEANUP(ink_json_destroy) struct ink_json *json = NULL;
    struct ink_bundle only = {0};

    if (item) {
        json = ink_json_from_raw(item->bytes);
    } else {
        item = ink_bundle_find(bundle, INK_MIME_TEXT);
        json = item ? ink_json_from_string(item->bytes) : ink_json_from_null();
    }
    ink_bundle_add_json(&only, json);
    item = ink_bundle_find(&only, INK_MIME_JSON);
    if (item)
        ink_bundle_add_text(&only, INK_MIME_TEXT, item->bytes);
    ink_bundle_fini(bundle);
    *bundle = only;
}

enum ink_status
ink_command_run(const struct ink_context *ctx, const struct ink_args *args,
                struct ink_bundle *out_bundle, struct ink_err *err)
{
    struct ink_bundle bundle = {.is_plain = out_bundle->is_plain && !args->out_file};
    enum ink_status status;

    if (args->is_help) {
        ink_help_show(args->command, out_bundle);
        return ink_bundle_check(out_bundle, err);
    }
    status = args->out_file ? ink_write_check(args->out_file, err) : INK_OK;
    if (status != INK_OK)
        return status;
    status = args->command->run(ctx, args, &bundle, err);
    if (status == INK_OK)
        status = ink_bundle_check(&bundle, err);
    if (status == INK_OK && args->out_file)
        status = ink_write_bundle(&bundle, args->out_file, err);
    if (status != INK_OK) {
        ink_bundle_fini(&bundle);
        return status;
    }
    if (args->is_json)
        show_json_only(&bundle);
    *out_bundle = bundle;
    return ink_bundle_check(out_bundle, err);
}
