/* SPDX-License-Identifier: MIT */
#include "model/mnist.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "model/download.h"
#include "model/folder.h"
#include "model/idx.h"

enum { PATH_TEXT_SIZE = 4096, URL_TEXT_SIZE = 2048, PACKED_SIZE_MAX = 16 << 20 };

enum file_kind { IMAGES, LABELS, KIND_COUNT };

/* Of the unpacked bytes: the .gz differ from mirror to mirror. */
struct published_file {
    const char *name, *sha256;
};

/* clang-format off */
static const struct published_file published[2][KIND_COUNT] = {
    [INK_TRAIN] = {{"train-images-idx3-ubyte", "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"},
                   {"train-labels-idx1-ubyte", "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"}},
    [INK_TEST] = {{"t10k-images-idx3-ubyte", "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"},
                  {"t10k-labels-idx1-ubyte", "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"}},
};
/* clang-format on */

static const char *const public_mirrors[] = {
    "https://ossci-datasets.s3.amazonaws.com/mnist",
    "https://storage.googleapis.com/cvdf-datasets/mnist",
    "https://raw.githubusercontent.com/fgnt/mnist/master",
};

/* Where to look, made from the options. "" = nowhere. */
struct places {
    char data_dir[PATH_TEXT_SIZE], cache_dir[PATH_TEXT_SIZE]; /* with /mnist at the end */
    const char *mirror;                                       /* NULL = only the public ones */
    const struct ink_data_options *options;
};

static enum ink_status
check_sha256(const struct ink_idx *idx, const char *expected, struct ink_err *err)
{
    unsigned char digest[crypto_hash_sha256_BYTES];
    char text[2 * sizeof(digest) + 1];

    (void)crypto_hash_sha256(digest, idx->file, idx->file_size);
    (void)sodium_bin2hex(text, sizeof(text), digest, sizeof(digest));
    if (strcmp(text, expected) != 0)
        return ink_fail(err, INK_BADDATA, "SHA-256 is %.16s..., MNIST's is %.16s...", text,
                        expected);
    return INK_OK;
}

/* ---- places ---- */

static const char *
environment(const char *name)
{
    return getenv(name); /* NOLINT(concurrency-mt-unsafe): never set by us */
}

/* `directory`/`name` where the directory is named, else "". */
static enum ink_status
join_path(const char *directory, const char *name, char out_path[static PATH_TEXT_SIZE],
          struct ink_err *err)
{
    out_path[0] = '\0';
    if (!directory || directory[0] == '\0')
        return INK_OK;
    if (snprintf(out_path, PATH_TEXT_SIZE, "%s/%s", directory, name) >= PATH_TEXT_SIZE)
        return ink_fail(err, INK_BADARG, "the path '%.80s...' is too long", directory);
    return INK_OK;
}

static enum ink_status
find_places(const struct ink_data_options *options, struct places *out_places, struct ink_err *err)
{
    const char *cache_home = environment("XDG_CACHE_HOME");
    const char *mirror = options->mirror ? options->mirror : environment("INKLING_MNIST_MIRROR");
    enum ink_status status;

    *out_places = (struct places){.options = options};
    out_places->mirror = mirror && mirror[0] != '\0' ? mirror : NULL;
    status = join_path(options->data_dir ? options->data_dir : environment("INKLING_DATA"), "mnist",
                       out_places->data_dir, err);
    if (status)
        return status;
    if (options->cache_dir)
        return join_path(options->cache_dir, "mnist", out_places->cache_dir, err);
    if (cache_home && cache_home[0] == '/') /* the specification ignores relative ones */
        return join_path(cache_home, "inkling/mnist", out_places->cache_dir, err);
    return join_path(environment("HOME"), ".cache/inkling/mnist", out_places->cache_dir, err);
}

/* Load NAME.gz or NAME from a folder, if there; INK_NOTFOUND if not. */
static enum ink_status
load_from(const char *directory, const struct published_file *file, struct ink_idx *out_idx,
          struct ink_err *err)
{
    static const char *const endings[] = {".gz", ""};
    char name[64], path[PATH_TEXT_SIZE];

    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        INK_CLEANUP(ink_idx_fini) struct ink_idx idx = {0};
        enum ink_status status;
        struct ink_err cause;
        struct stat info;

        (void)snprintf(name, sizeof(name), "%s%s", file->name, endings[i]);
        status = join_path(directory, name, path, err);
        if (status)
            return status;
        if (path[0] == '\0' || stat(path, &info) < 0)
            continue;
        status = ink_idx_load(path, &idx, err);
        if (status)
            return status;
        status = check_sha256(&idx, file->sha256, &cause);
        if (status)
            return ink_fail(err, status, "'%.120s': %s", path, cause.message);
        *out_idx = idx;
        idx = (struct ink_idx){0};
        return INK_OK;
    }
    return ink_fail(err, INK_NOTFOUND, "no %s in '%.120s'", file->name, directory);
}

/* ---- download ---- */

/* One file from one mirror, checked; kept in the cache as it came, if there is one. */
static enum ink_status
fetch_from(const char *mirror, const struct places *places, const struct published_file *file,
           struct ink_idx *out_idx, struct ink_err *err)
{
    INK_CLEANUP(ink_idx_fini) struct ink_idx idx = {0};
    INK_CLEANUP(ink_buf_fini) struct ink_buf packed = {0};
    size_t mirror_size = strlen(mirror);
    char url[URL_TEXT_SIZE], name[64], path[PATH_TEXT_SIZE];
    enum ink_status status;

    while (mirror_size > 0 && mirror[mirror_size - 1] == '/')
        mirror_size--;
    (void)snprintf(name, sizeof(name), "%s.gz", file->name);
    if (snprintf(url, sizeof(url), "%.*s/%s", (int)mirror_size, mirror, name) >= (int)sizeof(url))
        return ink_fail(err, INK_BADARG, "the mirror '%.80s...' is too long", mirror);
    status = ink_download(url, PACKED_SIZE_MAX, places->options, &packed, err);
    if (!status)
        status = ink_idx_unpack((const uint8_t *)ink_buf_text(&packed), packed.size, &idx, err);
    if (!status)
        status = check_sha256(&idx, file->sha256, err);
    if (status)
        return status;

    /* A cache that cannot be written is no reason to fail: the data is here. */
    if (!join_path(places->cache_dir, name, path, NULL) && path[0] != '\0' &&
        !ink_file_make_dir(places->cache_dir, NULL))
        (void)!ink_file_write(path, packed.bytes, packed.size, NULL);
    *out_idx = idx;
    idx = (struct ink_idx){0};
    return INK_OK;
}

static enum ink_status
fetch(const struct places *places, const struct published_file *file, struct ink_idx *out_idx,
      struct ink_err *err)
{
    enum { PUBLIC_COUNT = sizeof(public_mirrors) / sizeof(public_mirrors[0]) };
    struct ink_err cause = {.message = "downloads are switched off"};
    bool is_offline = places->mirror && strcmp(places->mirror, "none") == 0;
    int first = places->mirror ? -1 : 0; /* the one whose failure is told */

    for (int i = first; i < PUBLIC_COUNT && !is_offline; i++) {
        const char *mirror = i < 0 ? places->mirror : public_mirrors[i];
        struct ink_err ignored;
        enum ink_status status =
            fetch_from(mirror, places, file, out_idx, i == first ? &cause : &ignored);

        if (!status)
            return INK_OK;
        if (status == INK_CANCELLED || status == INK_NOMEM)
            return ink_fail(err, status, "%s",
                            status == INK_NOMEM ? "no memory to download MNIST"
                                                : "the download of MNIST was cancelled");
    }
    return ink_fail(
        err, INK_NOTFOUND, "no MNIST: %s%.60s%s, not in '%.60s', download failed: %.120s",
        places->data_dir[0] ? "not in '" : "INKLING_DATA is not set", places->data_dir,
        places->data_dir[0] ? "' (INKLING_DATA)" : "", places->cache_dir, cause.message);
}

static enum ink_status
load_file(const struct places *places, const struct published_file *file, struct ink_idx *out_idx,
          struct ink_err *err)
{
    enum ink_status status = load_from(places->data_dir, file, out_idx, err);

    if (status != INK_NOTFOUND)
        return status; /* the user's own folder: what is wrong there is said */
    status = load_from(places->cache_dir, file, out_idx, err);
    if (status == INK_OK || status == INK_NOMEM)
        return status;
    return fetch(places, file, out_idx, err); /* also where the cache is damaged */
}

enum ink_status
ink_mnist_load(enum ink_split split, const struct ink_data_options *options,
               struct ink_dataset **out_dataset, struct ink_err *err)
{
    INK_CLEANUP(ink_idx_fini) struct ink_idx images = {0}, labels = {0};
    INK_CLEANUP(ink_freep) struct places *places = malloc(sizeof(*places));
    enum ink_status status;

    if (!places)
        return ink_fail(err, INK_NOMEM, "no memory to look for MNIST");
    status = find_places(options, places, err);
    if (!status)
        status = load_file(places, &published[split][IMAGES], &images, err);
    if (!status)
        status = load_file(places, &published[split][LABELS], &labels, err);
    if (status)
        return status;
    return ink_folder_join_idx(split == INK_TRAIN ? "mnist train" : "mnist test", &images, &labels,
                               false, out_dataset, err);
}

static bool
is_in(const char *directory, const struct published_file *file)
{
    char name[64], path[PATH_TEXT_SIZE];
    struct stat info;

    if (directory[0] == '\0' || join_path(directory, file->name, path, NULL) != INK_OK)
        return false;
    if (stat(path, &info) == 0)
        return true;
    (void)snprintf(name, sizeof(name), "%s.gz", file->name);
    return join_path(directory, name, path, NULL) == INK_OK && stat(path, &info) == 0;
}

bool
ink_mnist_is_local(const struct ink_data_options *options)
{
    INK_CLEANUP(ink_freep) struct places *places = malloc(sizeof(*places));

    if (!places || find_places(options, places, NULL) != INK_OK)
        return false;
    for (int split = INK_TRAIN; split <= INK_TEST; split++)
        for (int kind = IMAGES; kind < KIND_COUNT; kind++)
            if (!is_in(places->data_dir, &published[split][kind]) &&
                !is_in(places->cache_dir, &published[split][kind]))
                return false;
    return true;
}
