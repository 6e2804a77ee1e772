/* SPDX-License-Identifier: MIT */
/* zoo: the architectures among the assets, model/zoo/NAME.arch. */
#include <stdio.h>
#include <string.h>

#include "base/assets.h"
#include "model/arch.h"

static const char folder[] = "model/zoo/", suffix[] = ".arch";

enum { ZOO_MAX = 32, ZOO_NAME_SIZE = 32 };

static bool
is_zoo(const struct ink_asset *asset)
{
    size_t size = strlen(asset->path);

    return strncmp(asset->path, folder, sizeof(folder) - 1) == 0 &&
           size > sizeof(folder) + sizeof(suffix) - 2 &&
           strcmp(asset->path + size - (sizeof(suffix) - 1), suffix) == 0;
}

size_t
ink_zoo_count(void)
{
    size_t asset_count, count = 0;
    const struct ink_asset *assets = ink_asset_table(&asset_count);

    for (size_t i = 0; i < asset_count; i++)
        count += is_zoo(&assets[i]);
    return count;
}

/* Entry names are the assets' paths without folder and suffix; the table is static, so one copy
 * a thread is enough to give them a zero byte. */
static struct ink_zoo_entry
entry_of(const struct ink_asset *asset, size_t index)
{
    static _Thread_local char names[ZOO_MAX][ZOO_NAME_SIZE];
    struct ink_zoo_entry entry = {.text = (const char *)asset->bytes, .size = asset->size};
    const char *base = asset->path + sizeof(folder) - 1;
    char *name = names[index % ZOO_MAX];
    const char *comment = entry.text, *end = entry.text + entry.size, *stop;
    size_t size;

    (void)snprintf(name, ZOO_NAME_SIZE, "%.*s", (int)(strlen(base) - (sizeof(suffix) - 1)), base);
    entry.name = name;
    while (comment < end && (*comment == '#' || *comment == ' '))
        comment++;
    stop = memchr(comment, '\n', (size_t)(end - comment));
    size = (size_t)((stop ? stop : end) - comment);
    if (size >= sizeof(entry.summary))
        size = sizeof(entry.summary) - 1;
    memcpy(entry.summary, comment, size);
    return entry;
}

struct ink_zoo_entry
ink_zoo_get(size_t index)
{
    size_t asset_count, seen = 0;
    const struct ink_asset *assets = ink_asset_table(&asset_count);

    for (size_t i = 0; i < asset_count; i++)
        if (is_zoo(&assets[i]) && seen++ == index)
            return entry_of(&assets[i], index);
    return (struct ink_zoo_entry){.name = ""};
}

bool
ink_zoo_find(const char *name, struct ink_zoo_entry *out_entry)
{
    for (size_t i = 0; i < ink_zoo_count(); i++) {
        struct ink_zoo_entry entry = ink_zoo_get(i);

        if (strcmp(entry.name, name) == 0) {
            *out_entry = entry;
            return true;
        }
    }
    return false;
}
