/* SPDX-License-Identifier: MIT */
#include "base/cleanup.h"
#include "kernel/command/command_priv.h"
#include "kernel/command/describe.h"
#include "kernel/command/models.h"

/* clang-format off */
static const struct ink_option options[] = {
    {.name = "model", .type = INK_OPTION_TEXT, .metavar = "NAME", .kind = INK_WORD_MODEL,
     .help = "a network or architecture instead of the current one (see 'model list')"},
};
/* clang-format on */

static enum ink_status
run(const struct ink_context *ctx, const struct ink_args *args, struct ink_bundle *out_bundle,
    struct ink_err *err)
{
    INK_CLEANUP(ink_model_fini) struct ink_model model = {0};
    INK_CLEANUP(ink_json_destroy) struct ink_json *json = NULL;
    struct ink_buf text = {0}, html = {0};
    const char *name = args->word_count > 0 ? args->word[0] : ink_args_text(args, "model");
    enum ink_status status = ink_model_find_arch(ctx, name, &model, err);

    if (status != INK_OK)
        return status;
    ink_describe_layers(model.arch, &text, &html);
    json = ink_layers_to_json(model.arch);
    ink_bundle_add_answer(out_bundle, &text, &html, json);
    return INK_OK;
}

const struct ink_command ink_command_layers = {
    .name = "layers",
    .synopsis = "[MODEL]",
    .summary = "list the network's layers: names, shapes, parameters",
    .help = "One line a layer, from the picture to the ten scores. The names are what\n"
            "'inspect' takes; shapes are channels x height x width, or a plain number for a\n"
            "flat vector.\n"
            "\n"
            "  layers\n"
            "  layers keras",
    .word_max = 1,
    .word_kind = {INK_WORD_MODEL},
    .option = options,
    .option_count = INK_COUNT(options),
    .flags = INK_NEEDS_MODEL,
    .run = run,
};
