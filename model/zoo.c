/* SPDX-License-Identifier: MIT */
/* zoo: the architectures and recipes among the assets, model/zoo/NAME.arch and NAME.json. */
#include <stdio.h>
#include <string.h>

#include "base/assets.h"
#include "model/arch.h"

static const char folder[] = "model/zoo/";

enum { NAME_SIZE = 32 };

static const char *const ending[INK_ZOO_KINDS] = {
    [INK_ZOO_ARCH] = ".arch", [INK_ZOO_RECIPE] = ".json"};

static bool
is_kind(const struct ink_asset *asset, enum ink_zoo kind)
{
    size_t size = strlen(asset->path), tail = strlen(ending[kind]);

    return strncmp(asset->path, folder, sizeof(folder) - 1) == 0 &&
           size > sizeof(folder) - 1 + tail && strcmp(asset->path + size - tail, ending[kind]) == 0;
}

size_t
ink_zoo_count(enum ink_zoo kind)
{
    size_t asset_count, count = 0;
    const struct ink_asset *assets = ink_asset_table(&asset_count);

    for (size_t i = 0; i < asset_count; i++)
        count += is_kind(&assets[i], kind);
    return count;
}

/* What the comment in the first line says; "" where a text has none. */
static void
summarise(struct ink_zoo_entry *entry)
{
    const char *comment = entry->text, *end = entry->text + entry->size, *stop;
    size_t size;

    while (comment < end && (*comment == '#' || *comment == ' '))
        comment++;
    stop = memchr(comment, '\n', (size_t)(end - comment));
    size = (size_t)((stop ? stop : end) - comment);
    if (comment == entry->text)
        size = 0;
    if (size >= sizeof(entry->summary))
        size = sizeof(entry->summary) - 1;
    memcpy(entry->summary, comment, size);
}

/* Entry names are the assets' paths without folder and ending; the table is static, so one copy
 * a thread is enough to give them a zero byte. */
static struct ink_zoo_entry
entry_of(const struct ink_asset *asset, enum ink_zoo kind, size_t index)
{
    static _Thread_local char names[INK_ZOO_KINDS][INK_ZOO_MAX][NAME_SIZE];
    struct ink_zoo_entry entry = {.text = (const char *)asset->bytes, .size = asset->size};
    const char *base = asset->path + sizeof(folder) - 1;
    char *name = names[kind][index % INK_ZOO_MAX];

    (void)snprintf(name, NAME_SIZE, "%.*s", (int)(strlen(base) - strlen(ending[kind])), base);
    entry.name = name;
    summarise(&entry);
    return entry;
}

struct ink_zoo_entry
ink_zoo_get(enum ink_zoo kind, size_t index)
{
    size_t asset_count, seen = 0;
    const struct ink_asset *assets = ink_asset_table(&asset_count);

    for (size_t i = 0; i < asset_count; i++)
        if (is_kind(&assets[i], kind) && seen++ == index)
            return entry_of(&assets[i], kind, index);
    return (struct ink_zoo_entry){.name = ""};
}

bool
ink_zoo_find(enum ink_zoo kind, const char *name, struct ink_zoo_entry *out_entry)
{
    for (size_t i = 0; i < ink_zoo_count(kind); i++) {
        struct ink_zoo_entry entry = ink_zoo_get(kind, i);

        if (strcmp(entry.name, name) == 0) {
            *out_entry = entry;
            return true;
        }
    }
    return false;
}
