/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "kernel/command/command_priv.h"
#include "kernel/command/describe.h"
#include "kernel/command/models.h"
#include "kernel/command/session.h"
#include "kernel/render/table.h"
#include "kernel/render/text.h"
#include "model/import.h"
#include "model/store.h"

/* clang-format off */
static const struct ink_option options[] = {
    {.name = "model", .type = INK_OPTION_TEXT, .metavar = "NAME", .kind = INK_WORD_MODEL,
     .help = "the architecture the weights are for: of the zoo, of a network, or an .arch file; "
             "without it the one beside the weights, else the current one's"},
    {.name = "name", .type = INK_OPTION_TEXT, .metavar = "NAME",
     .help = "call the network so, instead of after its architecture"},
    {.name = "save", .type = INK_OPTION_TEXT, .metavar = "FILE", .kind = INK_WORD_FILE,
     .help = "write the network there; also -o"},
};
/* clang-format on */

/* The architecture that the weights are for. */
static enum ink_status
find_arch(const struct ink_context *ctx, const struct ink_args *args, const struct ink_buf *file,
          struct ink_model *out_model, struct ink_err *err)
{
    enum ink_status status;

    if (ink_args_has(args, "model"))
        return ink_model_find_arch(ctx, ink_args_text(args, "model"), out_model, err);
    status = ink_import_arch(file->bytes, file->size, &out_model->own, err);
    if (status == INK_NOTFOUND)
        return ink_model_find_arch(ctx, NULL, out_model, err);
    out_model->arch = out_model->own;
    ink_model_name_of_file(args->word[0], out_model->name);
    return status;
}

static enum ink_status
make_record(const struct ink_args *args, const struct ink_model *model, struct ink_record *out,
            struct ink_err *err)
{
    const char *path = args->word[0], *slash = strrchr(path, '/');
    const char *name = ink_args_has(args, "name") ? ink_args_text(args, "name") : model->name;

    if (!ink_store_is_name(name))
        return ink_fail(
            err, INK_BADARG,
            "--name: '%.64s' is not a model's name, expected 1 to 63 of A-Z a-z 0-9 _ -", name);
    *out = (struct ink_record){.loss = (double)NAN, .accuracy = (double)NAN};
    (void)snprintf(out->name, sizeof(out->name), "%s", name);
    (void)snprintf(out->data, sizeof(out->data), "%s", slash ? slash + 1 : path);
    (void)snprintf(out->command, sizeof(out->command), "import %s", path);
    ink_clock_date(out->date);
    return INK_OK;
}

static void
show(const struct ink_import *import, const struct ink_args *args, struct ink_bundle *out_bundle)
{
    struct ink_model model = {.snapshot = import->snapshot,
                              .arch = ink_snapshot_arch(import->snapshot)};
    INK_CLEANUP(ink_table_fini) struct ink_table table;
    INK_CLEANUP(ink_json_destroy) struct ink_json *json = ink_json_object();
    INK_CLEANUP(ink_buf_fini) struct ink_buf clean = {0};
    struct ink_json *list = ink_json_array();
    struct ink_buf text = {0}, html = {0};

    (void)snprintf(model.name, sizeof(model.name), "%s",
                   ink_snapshot_record(import->snapshot)->name);
    ink_table_init(&table, "tensor|from");
    for (size_t i = 0; i < import->pair_count; i++) {
        struct ink_json *pair = ink_json_object();

        ink_buf_clear(&clean);
        ink_text_clean(&clean, import->pair[i].from);
        ink_table_add(&table, import->pair[i].to);
        ink_table_add(&table, ink_buf_text(&clean));
        ink_json_set_string(pair, "tensor", import->pair[i].to);
        ink_json_set_string(pair, "from", ink_buf_text(&clean));
        ink_json_push(list, pair);
    }
    ink_buf_puts(&text, "now in use: ");
    ink_describe_line(&model, &text);
    if (ink_args_has(args, "save")) {
        ink_buf_puts(&text, "; saved as ");
        ink_text_clean(&text, ink_args_text(args, "save"));
    }
    ink_buf_puts(&html, "<p>");
    ink_buf_html(&html, ink_buf_text(&text));
    ink_buf_puts(&html, "</p>");
    ink_buf_puts(&text, "\n\n");
    ink_table_text(&table, &text);
    ink_table_html(&table, &html);
    ink_json_set(json, "model", ink_describe_json(&model));
    ink_json_set(json, "tensors", list);
    ink_bundle_add_answer(out_bundle, &text, &html, json);
}

static enum ink_status
run(const struct ink_context *ctx, const struct ink_args *args, struct ink_bundle *out_bundle,
    struct ink_err *err)
{
    INK_CLEANUP(ink_model_fini) struct ink_model model = {0};
    INK_CLEANUP(ink_import_fini) struct ink_import import = {0};
    INK_CLEANUP(ink_buf_fini) struct ink_buf file = {0};
    const char *path = args->word[0];
    struct ink_record record = {0};
    struct ink_err why = {0};
    enum ink_status status = ink_buf_load(&file, path, INK_LIMIT_WEIGHTS_SIZE, err);

    if (status != INK_OK)
        return status;
    status = find_arch(ctx, args, &file, &model, &why);
    if (status == INK_OK)
        status = make_record(args, &model, &record, &why);
    if (status == INK_OK)
        status = ink_import_decode(file.bytes, file.size, model.arch, &record, &import, &why);
    if (status == INK_BADDATA)
        return ink_fail(err, status, "%.64s: %s", path, why.message);
    if (status != INK_OK)
        return ink_fail(err, status, "%s", why.message);
    if (ink_args_has(args, "save"))
        status = ink_snapshot_save(import.snapshot, ink_args_text(args, "save"), err);
    if (status != INK_OK)
        return status;
    ink_model_choose(ctx, import.snapshot);
    show(&import, args, out_bundle);
    return INK_OK;
}

const struct ink_command ink_command_import = {
    .name = "import",
    .synopsis = "FILE",
    .summary = "take weights of another program into an architecture",
    .help = "FILE is a .safetensors file as PyTorch's programs write them: tensors called\n"
            "LAYER.weight, .bias, .running_mean, .running_var, as 32, 16 or 64 bit floats or\n"
            "bfloat16. A layer takes the tensors that are called as it is; the others take,\n"
            "in order, those that are left and have their shapes. The answer says which took\n"
            "which; what does not fit, is missing or left over is an error that names it.\n"
            "\n"
            "  import cnn.safetensors --model keras\n"
            "  import cnn.safetensors --model mine.arch --name mine\n"
            "\n"
            "In PyTorch: safetensors.torch.save_file(model.state_dict(), 'cnn.safetensors')",
    .word_min = 1,
    .word_max = 1,
    .word_kind = {INK_WORD_FILE},
    .option = options,
    .option_count = INK_COUNT(options),
    .flags = INK_CHANGES_SESSION | INK_LOCAL_FILES,
    .run = run,
};
