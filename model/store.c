/* SPDX-License-Identifier: MIT */
#include "model/store.h"

#include <assert.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/parse.h"
#include "model/snapshot_priv.h"

enum { VERSION_MAX = 999999999, NAME_SIZE_MAX = 63, PUBLISH_TRIES = 100 };

#define WEIGHTS_FILE "model.safetensors"

static void
closedirp(DIR **dir)
{
    if (*dir)
        (void)closedir(*dir);
}

bool
ink_store_is_name(const char *name)
{
    size_t size = 0;

    for (; name[size]; size++)
        if (!isalnum((unsigned char)name[size]) && name[size] != '_' && name[size] != '-')
            return false;
    return size >= 1 && size <= NAME_SIZE_MAX;
}

/* A version's folder name: a whole number from 1 without leading zeros; 0 if it is none. */
static int
version_of(const char *text)
{
    int64_t version;

    if (text[0] < '1' || text[0] > '9' ||
        ink_parse_int("version", text, 1, VERSION_MAX, &version, NULL) != INK_OK)
        return 0;
    return (int)version;
}

enum ink_status
ink_store_path(const char *path, char **out_path, struct ink_err *err)
{
    const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    struct ink_buf buf = {0};

    if (!path || !path[0])
        path = getenv("INKLING_STORE");
    if (path && path[0])
        ink_buf_puts(&buf, path);
    else if (data && data[0] == '/')
        ink_buf_printf(&buf, "%s/inkling/store", data);
    else if (home && home[0])
        ink_buf_printf(&buf, "%s/.local/share/inkling/store", home);
    else
        return ink_fail(err, INK_NOTFOUND,
                        "no folder for models: set INKLING_STORE, or HOME, or name one");
    *out_path = ink_buf_take(&buf);
    if (!*out_path) {
        ink_buf_fini(&buf);
        return ink_fail(err, INK_NOMEM, "no memory for a path");
    }
    return INK_OK;
}

/* ---- listing ---- */

struct listing {
    struct ink_store_entry *entries;
    size_t count, capacity;
};

static enum ink_status
add_entry(struct listing *listing, const char *name, int version, struct ink_err *err)
{
    struct ink_store_entry *entry;

    if (listing->count == listing->capacity) {
        size_t capacity = listing->capacity ? 2 * listing->capacity : 16;
        void *grown = realloc(listing->entries, capacity * sizeof(*listing->entries));

        if (!grown)
            return ink_fail(err, INK_NOMEM, "no memory for a list of %zu models", capacity);
        listing->entries = grown;
        listing->capacity = capacity;
    }
    entry = &listing->entries[listing->count++];
    (void)snprintf(entry->name, sizeof(entry->name), "%s", name);
    entry->version = version;
    return INK_OK;
}

/* The versions of one model that have their file. */
static enum ink_status
list_versions(const char *store, const char *name, struct listing *listing, struct ink_err *err)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf path = {0};
    INK_CLEANUP(closedirp) DIR *dir = NULL;
    size_t base_size;

    ink_buf_printf(&path, "%s/%s", store, name);
    base_size = path.size;
    dir = opendir(ink_buf_text(&path));
    if (!dir)
        return INK_OK; /* not a folder, or gone in this moment */
    for (struct dirent *at = readdir(dir); at; at = readdir(dir)) { /* NOLINT: the stream is ours */
        int version = version_of(at->d_name);
        enum ink_status status;

        if (version == 0)
            continue;
        path.size = base_size;
        ink_buf_printf(&path, "/%d/" WEIGHTS_FILE, version);
        if (access(ink_buf_text(&path), R_OK) != 0)
            continue;
        status = add_entry(listing, name, version, err);
        if (status)
            return status;
    }
    return ink_buf_check(&path, err);
}

static int
compare_entries(const void *one, const void *other)
{
    const struct ink_store_entry *a = one, *b = other;
    int order = strcmp(a->name, b->name);

    return order != 0 ? order : (a->version > b->version) - (a->version < b->version);
}

enum ink_status
ink_store_list(const char *store, struct ink_store_entry **out_entries, size_t *out_count,
               struct ink_err *err)
{
    INK_CLEANUP(closedirp) DIR *dir = opendir(store);
    struct listing listing = {0};

    if (!dir && errno != ENOENT)
        return ink_fail_errno(err, "cannot list '%s'", store);
    while (dir) {
        struct dirent *at = readdir(dir); /* NOLINT: the stream is ours */
        enum ink_status status;

        if (!at)
            break;
        if (!ink_store_is_name(at->d_name))
            continue;
        status = list_versions(store, at->d_name, &listing, err);
        if (status) {
            free(listing.entries);
            return status;
        }
    }
    if (listing.count > 1)
        qsort(listing.entries, listing.count, sizeof(*listing.entries), compare_entries);
    *out_entries = listing.entries;
    *out_count = listing.count;
    return INK_OK;
}

/* ---- loading ---- */

/* "tiny 1-3, mine 2": what there is, for a message. */
static void
describe_store(const struct ink_store_entry *entries, size_t count, struct ink_buf *buf)
{
    for (size_t i = 0; i < count; i++)
        ink_buf_printf(buf, "%s%s:%d", i ? ", " : "", entries[i].name, entries[i].version);
    if (count == 0)
        ink_buf_puts(buf, "nothing");
}

enum ink_status
ink_store_load(const char *store, const char *name, int version,
               const struct ink_snapshot **out_snapshot, struct ink_err *err)
{
    INK_CLEANUP(ink_freep) struct ink_store_entry *entries = NULL;
    INK_CLEANUP(ink_buf_fini) struct ink_buf path = {0}, known = {0};
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *loaded = NULL;
    struct ink_record record;
    enum ink_status status;
    size_t count;
    int found = 0;

    assert(store && name && version >= 0 && out_snapshot);
    status = ink_store_list(store, &entries, &count, err);
    if (status)
        return status;
    for (size_t i = 0; i < count; i++)
        if (strcmp(entries[i].name, name) == 0 && (version == 0 || entries[i].version == version))
            found = entries[i].version; /* sorted: the newest comes last */
    if (found == 0) {
        describe_store(entries, count, &known);
        if (version > 0)
            return ink_fail(err, INK_NOTFOUND, "no model %.63s:%d in '%s'; there is %.120s", name,
                            version, store, ink_buf_text(&known));
        return ink_fail(err, INK_NOTFOUND, "no model '%.63s' in '%s'; there is %.120s", name, store,
                        ink_buf_text(&known));
    }
    ink_buf_printf(&path, "%s/%s/%d/" WEIGHTS_FILE, store, name, found);
    status = ink_buf_check(&path, err);
    if (!status)
        status = ink_snapshot_load(ink_buf_text(&path), &loaded, err);
    if (status)
        return status;
    /* The file was written before its number was known. */
    record = *ink_snapshot_record(loaded);
    record.version = found;
    (void)snprintf(record.name, sizeof(record.name), "%s", name);
    return ink_snapshot_copy(loaded, &record, out_snapshot, err);
}

/* ---- publishing ---- */

/* The number after the newest version's. */
static enum ink_status
next_version(const char *store, const char *name, int *out_version, struct ink_err *err)
{
    struct listing listing = {0};
    enum ink_status status = list_versions(store, name, &listing, err);

    *out_version = 1;
    for (size_t i = 0; !status && i < listing.count; i++)
        if (listing.entries[i].version >= *out_version)
            *out_version = listing.entries[i].version + 1;
    free(listing.entries);
    return status;
}

static void
sync_folder(const char *path)
{
    INK_CLEANUP(ink_closep) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd >= 0)
        (void)fsync(fd);
}

/* Move a finished folder to the first free version; another publisher may take one in between. */
static enum ink_status
rename_into_place(const char *folder, const char *store, const char *name, int *out_version,
                  struct ink_err *err)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf model = {0}, target = {0};
    enum ink_status status;
    int version;

    ink_buf_printf(&model, "%s/%s", store, name);
    status = next_version(store, name, &version, err);
    for (int tries = 0; !status && tries < PUBLISH_TRIES; tries++, version++) {
        ink_buf_clear(&target);
        ink_buf_printf(&target, "%s/%d", ink_buf_text(&model), version);
        status = ink_buf_check(&target, err);
        if (status)
            return status;
        if (rename(folder, ink_buf_text(&target)) == 0) {
            sync_folder(ink_buf_text(&model));
            *out_version = version;
            return INK_OK;
        }
        if (errno != ENOTEMPTY && errno != EEXIST && errno != ENOTDIR)
            return ink_fail_errno(err, "cannot publish '%s'", ink_buf_text(&target));
    }
    return status ? status
                  : ink_fail(err, INK_BUSY, "others publish '%.63s' all the time: try again", name);
}

/* A folder for what is not finished; its name is none of a version. */
static enum ink_status
make_temporary(const char *store, const char *name, struct ink_buf *out_path, struct ink_err *err)
{
    enum ink_status status;
    char *path;

    ink_buf_printf(out_path, "%s/%s", store, name);
    status = ink_buf_check(out_path, err);
    if (!status)
        status = ink_file_make_dir(ink_buf_text(out_path), err);
    if (status)
        return status;
    ink_buf_puts(out_path, "/.new-XXXXXX");
    status = ink_buf_check(out_path, err);
    if (status)
        return status;
    path = out_path->bytes;
    if (!mkdtemp(path))
        return ink_fail_errno(err, "cannot make a folder in '%s/%s'", store, name);
    if (chmod(path, 0755) != 0) /* mkdtemp's 0700 would hide a shared store */
        return ink_fail_errno(err, "cannot open '%s' to readers", path);
    return INK_OK;
}

enum ink_status
ink_store_publish(const char *store, const struct ink_snapshot *snapshot, int *out_version,
                  struct ink_err *err)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf folder = {0}, file = {0};
    const char *name = ink_snapshot_record(snapshot)->name;
    enum ink_status status;

    if (!ink_store_is_name(name))
        return ink_fail(err, INK_BADARG,
                        "'%.63s' is no name for a model: expected 1 to %d of A-Z a-z 0-9 _ -", name,
                        NAME_SIZE_MAX);
    status = make_temporary(store, name, &folder, err);
    if (status)
        return status;
    ink_buf_printf(&file, "%s/" WEIGHTS_FILE, ink_buf_text(&folder));
    status = ink_buf_check(&file, err);
    if (!status)
        status = ink_snapshot_save(snapshot, ink_buf_text(&file), err);
    if (!status)
        status = rename_into_place(ink_buf_text(&folder), store, name, out_version, err);
    if (status) {
        (void)unlink(ink_buf_text(&file));
        (void)rmdir(ink_buf_text(&folder));
    }
    return status;
}
