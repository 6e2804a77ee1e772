/* SPDX-License-Identifier: MIT */
#include "base/assets.h"

#include <string.h>

/* Defined in build/<V>/assets.S, which the Makefile writes from its list ASSETS. */
extern const struct ink_asset ink_assets[];
extern const size_t ink_assets_count;

const struct ink_asset *
ink_asset_table(size_t *out_count)
{
    *out_count = ink_assets_count;
    return ink_assets;
}

const struct ink_asset *
ink_asset_find(const char *path)
{
    for (size_t i = 0; i < ink_assets_count; i++)
        if (strcmp(ink_assets[i].path, path) == 0)
            return &ink_assets[i];
    return NULL;
}
