/* SPDX-License-Identifier: MIT */
/* zoo: the architectures and recipes among the assets, model/zoo/NAME.arch and NAME.json. */
#include <stdio.h>
#include <string.h>

#include "base/assets.h"
#include "model/arch.h"

static const char folder[] = "model/zoo/";

enum { ZOO_MAX = 32, ZOO_NAME_SIZE = 32 };

enum kind { ARCH, RECIPE, KIND_COUNT };
static const char *const ending[KIND_COUNT] = {[ARCH] = ".arch", [RECIPE] = ".json"};

static bool
is_kind(const struct ink_asset *asset, enum kind kind)
{
    size_t size = strlen(asset->path), tail = strlen(ending[kind]);

    return strncmp(asset->path, folder, sizeof(folder) - 1) == 0 &&
           size > sizeof(folder) - 1 + tail && strcmp(asset->path + size - tail, ending[kind]) == 0;
}

static size_t
count_of(enum kind kind)
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
entry_of(const struct ink_asset *asset, enum kind kind, size_t index)
{
    static _Thread_local char names[KIND_COUNT][ZOO_MAX][ZOO_NAME_SIZE];
    struct ink_zoo_entry entry = {.text = (const char *)asset->bytes, .size = asset->size};
    const char *base = asset->path + sizeof(folder) - 1;
    char *name = names[kind][index % ZOO_MAX];

    (void)snprintf(name, ZOO_NAME_SIZE, "%.*s", (int)(strlen(base) - strlen(ending[kind])), base);
    entry.name = name;
    summarise(&entry);
    return entry;
}

static struct ink_zoo_entry
get(enum kind kind, size_t index)
{
    size_t asset_count, seen = 0;
    const struct ink_asset *assets = ink_asset_table(&asset_count);

    for (size_t i = 0; i < asset_count; i++)
        if (is_kind(&assets[i], kind) && seen++ == index)
            return entry_of(&assets[i], kind, index);
    return (struct ink_zoo_entry){.name = ""};
}

static bool
find(enum kind kind, const char *name, struct ink_zoo_entry *out_entry)
{
    for (size_t i = 0; i < count_of(kind); i++) {
        struct ink_zoo_entry entry = get(kind, i);

        if (strcmp(entry.name, name) == 0) {
            *out_entry = entry;
            return true;
        }
    }
    return false;
}

size_t
ink_zoo_count(void)
{
    return count_of(ARCH);
}

struct ink_zoo_entry
ink_zoo_get(size_t index)
{
    return get(ARCH, index);
}

bool
ink_zoo_find(const char *name, struct ink_zoo_entry *out_entry)
{
    return find(ARCH, name, out_entry);
}

size_t
ink_recipe_count(void)
{
    return count_of(RECIPE);
}

struct ink_zoo_entry
ink_recipe_get(size_t index)
{
    return get(RECIPE, index);
}

bool
ink_recipe_find(const char *name, struct ink_zoo_entry *out_entry)
{
    return find(RECIPE, name, out_entry);
}
