/* SPDX-License-Identifier: MIT */
#include "kernel/render/write.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"

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

static enum ink_status
write_parts(FILE *file, const char *before, const struct ink_bundle_item *item, const char *after)
{
    size_t before_size = strlen(before), after_size = strlen(after);

    if (fwrite(before, 1, before_size, file) != before_size ||
        fwrite(item->bytes, 1, item->size, file) != item->size ||
        fwrite(after, 1, after_size, file) != after_size || fflush(file) != 0)
        return INK_IO;
    return INK_OK;
}

enum ink_status
ink_write_bundle(const struct ink_bundle *bundle, const char *path, struct ink_err *err)
{
    INK_CLEANUP(ink_fclosep) FILE *file = NULL;
    const struct ink_bundle_item *item;
    const char *ending = strrchr(path, '.');
    int form = 0;

    while (form < FORM_COUNT && (!ending || strcmp(ending, forms[form].ending) != 0))
        form++;
    if (form == FORM_COUNT)
        return ink_fail(err, INK_BADARG,
                        "--out: '%.100s' does not end in .png, .svg, .html, .json or .txt", path);
    item = ink_bundle_find(bundle, forms[form].mime);
    if (!item)
        return ink_fail(err, INK_BADARG, "--out: this result has no %s form", forms[form].mime);
    file = fopen(path, "wb");
    if (!file)
        return ink_fail_errno(err, "--out: '%.100s'", path);
    if (write_parts(file, forms[form].before, item, forms[form].after) != INK_OK)
        return ink_fail_errno(err, "--out: '%.100s'", path);
    return INK_OK;
}
