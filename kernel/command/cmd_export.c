/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "kernel/command/command_priv.h"
#include "kernel/command/describe.h"
#include "kernel/command/models.h"
#include "kernel/render/text.h"
#include "model/cheader.h"
#include "model/onnx/onnx.h"

/* clang-format off */
static const struct ink_option options[] = {
    {.name = "format", .type = INK_OPTION_CHOICE, .choices = "c|onnx|safetensors",
     .help = "what to write; without it the file's ending says"},
    {.name = "model", .type = INK_OPTION_TEXT, .metavar = "NAME", .kind = INK_WORD_MODEL,
     .help = "write this network instead of the current one: NAME[:VERSION] or a file"},
    {.name = "out", .type = INK_OPTION_TEXT, .metavar = "FILE", .kind = INK_WORD_FILE,
     .help = "the file to write; one that is there is replaced"},
};
/* clang-format on */

/* `name`: of the file, without folder and ending. */
typedef enum ink_status (*encode_fn)(const struct ink_snapshot *snapshot, const char *name,
                                     struct ink_buf *buf, struct ink_err *err);

static enum ink_status
encode_onnx(const struct ink_snapshot *snapshot, const char *name, struct ink_buf *buf,
            struct ink_err *err)
{
    (void)name;
    return ink_onnx_encode(snapshot, buf, err);
}

static enum ink_status
encode_safetensors(const struct ink_snapshot *snapshot, const char *name, struct ink_buf *buf,
                   struct ink_err *err)
{
    (void)name;
    return ink_snapshot_encode(snapshot, buf, err);
}

static const struct form {
    const char *name, *ending, *about;
    encode_fn encode;
} forms[] = {
    {"c", ".h", "a C header", ink_cheader_encode},
    {"onnx", ".onnx", "ONNX, operator set 13", encode_onnx},
    {"safetensors", ".safetensors", "safetensors", encode_safetensors},
};

/* The form that was asked for, by name or by the file's ending. */
static enum ink_status
find_form(const char *name, const char *path, const struct form **out_form, struct ink_err *err)
{
    const char *ending = strrchr(path, '.');

    for (size_t i = 0; i < INK_COUNT(forms); i++)
        if (name ? strcmp(name, forms[i].name) == 0
                 : ending && strcmp(ending, forms[i].ending) == 0) {
            *out_form = &forms[i];
            return INK_OK;
        }
    return ink_fail(err, INK_BADARG,
                    "'%.64s' ends in no format's name (.h, .onnx or .safetensors): say --format",
                    path);
}

static struct ink_json *
result_to_json(const struct ink_snapshot *snapshot, const struct form *form, const char *path,
               size_t size)
{
    const struct ink_record *record = ink_snapshot_record(snapshot);
    struct ink_json *json = ink_json_object(), *model = ink_json_object();
    INK_CLEANUP(ink_buf_fini) struct ink_buf clean = {0};

    ink_text_clean(&clean, path);
    ink_json_set_string(json, "file", ink_buf_text(&clean));
    ink_json_set_string(json, "format", form->name);
    ink_json_set_int(json, "bytes", (int64_t)size);
    ink_buf_clear(&clean);
    ink_text_clean(&clean, record->name);
    ink_json_set_string(model, "name", ink_buf_text(&clean));
    ink_json_set_int(model, "version", record->version);
    ink_json_set_int(model, "parameters", (int64_t)ink_snapshot_arch(snapshot)->parameter_count);
    ink_json_set(json, "model", model);
    return json;
}

static enum ink_status
run(const struct ink_context *ctx, const struct ink_args *args, struct ink_bundle *out_bundle,
    struct ink_err *err)
{
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *snapshot = NULL;
    INK_CLEANUP(ink_json_destroy) struct ink_json *json = NULL;
    INK_CLEANUP(ink_buf_fini) struct ink_buf file = {0}, title = {0};
    const char *path = ink_args_text(args, "out");
    const struct form *form = NULL;
    struct ink_buf text = {0};
    char name[64];
    enum ink_status status;

    if (!path)
        return ink_fail(err, INK_BADARG, "--out is missing, expected --out FILE");
    status = find_form(ink_args_text(args, "format"), path, &form, err);
    if (status == INK_OK)
        status = ink_model_find(ctx, ink_args_text(args, "model"), &snapshot, err);
    ink_model_name_of_file(path, name);
    if (status == INK_OK)
        status = form->encode(snapshot, name, &file, err);
    if (status == INK_OK)
        status = ink_file_write(path, file.bytes, file.size, err);
    if (status != INK_OK)
        return status;
    ink_buf_puts(&text, "written: ");
    ink_text_clean(&text, path);
    ink_buf_puts(&text, ", ");
    ink_text_count(&text, (long long)file.size);
    ink_model_title(ink_snapshot_record(snapshot), &title);
    ink_buf_printf(&text, " bytes of %s: the network ", form->about);
    ink_text_clean(&text, ink_buf_text(&title));
    ink_buf_putc(&text, '\n');
    json = result_to_json(snapshot, form, path, file.size);
    ink_bundle_add(out_bundle, INK_MIME_TEXT, &text);
    ink_bundle_add_json(out_bundle, json);
    return INK_OK;
}

const struct ink_command ink_command_export = {
    .name = "export",
    .synopsis = "",
    .summary = "write the network to a file for other programs",
    .help = "The file answers as the network does here, to 1e-5, and needs nothing of this\n"
            "program.\n"
            "\n"
            "  onnx         for ONNX Runtime and others. Input: floats [N][1][28][28],\n"
            "               0 background to 1 ink. Outputs: probabilities [N][10], and\n"
            "               scores [N][10] before the softmax\n"
            "  c            one header that needs no library. digit.h has\n"
            "               void digit_predict(const float pixels[784],\n"
            "                                  float probabilities[10])\n"
            "               More than two million parameters: for little-endian machines\n"
            "  safetensors  the weights under the names that PyTorch uses, with the\n"
            "               architecture beside them; this program reads it back\n"
            "\n"
            "  export --out digits.onnx\n"
            "  export --out digit.h\n"
            "  export --format onnx --model keras:3 --out model.bin",
    .option = options,
    .option_count = INK_COUNT(options),
    .flags = INK_NEEDS_MODEL | INK_LOCAL_FILES,
    .run = run,
};
