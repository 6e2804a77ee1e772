/* SPDX-License-Identifier: MIT */
#include "kernel/render/write.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"

/* clang-format off */
static const struct {
    const char *ending, *mime, *before, *after;
} forms[] = {
    {".png", INK_MIME_PNG, "", ""},
    {".svg", INK_MIME_SVG, "", "\n"},
    {".html", INK_MIME_HTML,
     "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Inkling</title></head><body>\n",
     "\n</body></html>\n"},
    {".json", INK_MIME_JSON, "", "\n"},
    {".txt", INK_MIME_TEXT, "", "\n"},
};
/* clang-format on */

enum { FORM_COUNT = sizeof(forms) / sizeof(forms[0]) };

static int
find_form(const char *path)
{
    const char *ending = strrchr(path, '.');
    int form = 0;

    while (form < FORM_COUNT && (!ending || strcmp(ending, forms[form].ending) != 0))
        form++;
    return form;
}

enum ink_status
ink_write_check(const char *path, struct ink_err *err)
{
    if (find_form(path) < FORM_COUNT)
        return INK_OK;
    return ink_fail(err, INK_BADARG,
                    "--out: '%.100s' does not end in .png, .svg, .html, .json or .txt", path);
}

enum ink_status
ink_write_bundle(const struct ink_bundle *bundle, const char *path, struct ink_err *err)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf contents = {0};
    const struct ink_bundle_item *item;
    int form = find_form(path);
    enum ink_status status = ink_write_check(path, err);

    if (status != INK_OK)
        return status;
    item = ink_bundle_find(bundle, forms[form].mime);
    if (!item)
        return ink_fail(err, INK_BADARG, "--out: this result has no %s form", forms[form].mime);
    ink_buf_puts(&contents, forms[form].before);
    ink_buf_append(&contents, item->bytes, item->size);
    ink_buf_puts(&contents, forms[form].after);
    status = ink_buf_check(&contents, err);
    return status == INK_OK ? ink_file_write(path, contents.bytes, contents.size, err) : status;
}
