/* SPDX-License-Identifier: MIT */
/* dataset: by name, from folders, files, mirrors and the generator; counted references. */

#include "tests/unit/ink_test.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/limits.h"
#include "model/dataset.h"
#include "model/download.h"
#include "model/strokes.h"
#include "tests/unit/ink_gzip.h"

static char folder[] = "/tmp/ink-dataset-XXXXXX";

static int
make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int
remove_folder(void **state)
{
    char command[64];

    (void)state;
    (void)snprintf(command, sizeof(command), "rm -r '%s'", folder);
    return system(command); /* NOLINT: a path of our own */
}

/* The path of NAME in the test's folder; valid until the fourth call after. */
static const char *
path_of(const char *name)
{
    static char paths[4][128];
    static unsigned next;
    char *path = paths[next++ % 4];

    (void)snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
    return path;
}

static void
put(const char *name, const void *bytes, size_t size)
{
    struct ink_err err;

    assert_ok(ink_file_write(path_of(name), bytes, size, &err), &err);
}

/* A pair of IDX files in DIR with `count` pictures of side x side; picture i is filled with i + 1
 * in its first row and has the label `label`. */
static void
put_pair(const char *dir, const char *images, const char *labels, size_t count, uint8_t side,
         uint8_t label)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf image = {0}, text = {0}, packed = {0}, name = {0};
    const uint8_t image_head[] = {0, 0, 8, 3,    0, 0, 0, (uint8_t)count,
                                  0, 0, 0, side, 0, 0, 0, side};
    const uint8_t label_head[] = {0, 0, 8, 1, 0, 0, 0, (uint8_t)count};
    struct ink_err err;

    ink_buf_append(&image, image_head, sizeof(image_head));
    ink_buf_append(&text, label_head, sizeof(label_head));
    for (size_t i = 0; i < count; i++) {
        for (size_t pixel = 0; pixel < (size_t)side * side; pixel++)
            ink_buf_putc(&image, (char)(pixel < side ? i + 1 : 0));
        ink_buf_putc(&text, (char)label);
    }
    gzip_append(&packed, image.bytes, image.size);
    assert_ok(ink_file_make_dir(path_of(dir), &err), &err);
    ink_buf_printf(&name, "%s/%s", dir, images);
    if (strstr(images, ".gz"))
        put(ink_buf_text(&name), packed.bytes, packed.size);
    else
        put(ink_buf_text(&name), image.bytes, image.size);
    ink_buf_clear(&name);
    ink_buf_printf(&name, "%s/%s", dir, labels);
    put(ink_buf_text(&name), text.bytes, text.size);
}

static void
folders_are_read_by_half(void **state)
{
    const struct ink_data_options options = {.data_dir = folder};
    INK_CLEANUP(ink_dataset_unrefp) struct ink_dataset *train = NULL, *test = NULL;
    struct ink_err err;

    (void)state;
    put_pair("fashion", "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte", 3, 28, 9);
    put_pair("fashion", "t10k-images.idx3-ubyte", "t10k-labels.idx1-ubyte", 2, 28, 1);
    put("fashion/README.txt", "x", 1);
    assert_ok(ink_dataset_load("fashion", INK_TRAIN, &options, &train, &err), &err);
    assert_ok(ink_dataset_load(path_of("fashion"), INK_TEST, &options, &test, &err), &err);
    assert_string_equal(train->name, "fashion train");
    assert_string_equal(test->name, "fashion test");
    assert_int_equal(train->count, 3);
    assert_int_equal(test->count, 2);
    assert_int_equal(train->labels[2], 9);
    assert_int_equal(train->pixels[2 * INK_PICTURE_SIZE + 27], 3);
    assert_int_equal(train->pixels[2 * INK_PICTURE_SIZE + 28], 0);
    assert_null(train->drawings);
}

static void
emnist_is_turned_up(void **state)
{
    const struct ink_data_options options = {.data_dir = folder};
    INK_CLEANUP(ink_dataset_unrefp) struct ink_dataset *dataset = NULL;
    struct ink_err err;

    (void)state;
    put_pair("emnist", "emnist-digits-train-images-idx3-ubyte",
             "emnist-digits-train-labels-idx1-ubyte", 2, 28, 4);
    assert_ok(ink_dataset_load("emnist", INK_TRAIN, &options, &dataset, &err), &err);
    for (size_t pixel = 0; pixel < INK_PICTURE_SIZE; pixel++) /* the first row: now a column */
        assert_int_equal(dataset->pixels[INK_PICTURE_SIZE + pixel], pixel % 28 == 0 ? 2 : 0);
    assert_fails(INK_NOTFOUND, "has no test pictures: expected t10k-images-idx3-ubyte[.gz]",
                 ink_dataset_load("emnist", INK_TEST, &options, &dataset, &err), &err);
}

static void
folders_that_are_wrong_say_why(void **state)
{
    const struct ink_data_options options = {.data_dir = folder};
    struct ink_dataset *dataset = NULL;
    struct ink_err err;

    (void)state;
    put_pair("small", "train-images-idx3-ubyte", "train-labels-idx1-ubyte", 1, 16, 0);
    assert_fails(INK_BADDATA, "pictures of 16x16, expected 28x28",
                 ink_dataset_load("small", INK_TRAIN, &options, &dataset, &err), &err);
    put_pair("letters", "train-images-idx3-ubyte", "train-labels-idx1-ubyte", 2, 28, 10);
    assert_fails(INK_BADDATA, "label 10 of picture 0, expected 0 to 9",
                 ink_dataset_load("letters", INK_TRAIN, &options, &dataset, &err), &err);
    put_pair("unequal", "x", "train-labels-idx1-ubyte", 2, 28, 1);
    put_pair("unequal", "train-images-idx3-ubyte", "y", 3, 28, 1);
    assert_fails(INK_BADDATA, "2 labels for 3 pictures",
                 ink_dataset_load("unequal", INK_TRAIN, &options, &dataset, &err), &err);
    put_pair("crowd", "train-images-idx3-ubyte", "train-labels-idx1-ubyte", 1, 28, 1);
    put_pair("crowd", "emnist-train-images-idx3-ubyte", "emnist-train-labels-idx1-ubyte", 1, 28, 1);
    assert_fails(INK_BADDATA, "holds several data sets",
                 ink_dataset_load("crowd", INK_TRAIN, &options, &dataset, &err), &err);
    assert_ok(ink_file_make_dir(path_of("void"), &err), &err);
    assert_fails(INK_NOTFOUND, "has no training pictures",
                 ink_dataset_load("void", INK_TRAIN, &options, &dataset, &err), &err);
    put("text.txt", "hello", 5);
    assert_fails(INK_BADDATA, "is no data set: expected a folder or a file named .jsonl",
                 ink_dataset_load("text.txt", INK_TRAIN, &options, &dataset, &err), &err);
    assert_fails(INK_NOTFOUND, "no data set 'fashoin': expected mnist, strokes",
                 ink_dataset_load("fashoin", INK_TRAIN, &options, &dataset, &err), &err);
    assert_fails(INK_BADARG, "empty name",
                 ink_dataset_load("", INK_TRAIN, &options, &dataset, &err), &err);
    assert_null(dataset);
}

/* The packed and the raw form of one file beside each other are one file. */
static void
a_packed_twin_is_no_second_set(void **state)
{
    const struct ink_data_options options = {.data_dir = folder};
    INK_CLEANUP(ink_dataset_unrefp) struct ink_dataset *dataset = NULL;
    struct ink_err err;

    (void)state;
    put_pair("twins", "train-images-idx3-ubyte", "train-labels-idx1-ubyte", 1, 28, 1);
    put_pair("twins", "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte", 1, 28, 1);
    assert_ok(ink_dataset_load("twins", INK_TRAIN, &options, &dataset, &err), &err);
    assert_int_equal(dataset->count, 1);
}

static void
a_folder_with_one_stroke_file_is_that(void **state)
{
    static const char line[] = "{\"label\":3,\"strokes\":[[0,0,5,5]]}\n";
    const struct ink_data_options options = {.data_dir = folder};
    struct ink_err err;

    (void)state;
    assert_ok(ink_file_make_dir(path_of("mine"), &err), &err);
    put("mine/a.jsonl", line, strlen(line));
    for (int half = INK_TRAIN; half <= INK_TEST; half++) {
        INK_CLEANUP(ink_dataset_unrefp) struct ink_dataset *dataset = NULL;

        assert_ok(ink_dataset_load("mine", (enum ink_split)half, &options, &dataset, &err), &err);
        assert_int_equal(dataset->count, 1);
        assert_int_equal(dataset->labels[0], 3);
    }
}

/* ---- sets in memory ---- */

static void
sets_are_created_joined_and_counted(void **state)
{
    struct ink_dataset *both[2], *joined, *again;
    struct ink_err err;

    (void)state;
    assert_ok(ink_dataset_create("one", 2, &both[0], &err), &err);
    assert_ok(ink_dataset_create("two", 1, &both[1], &err), &err);
    both[0]->labels[1] = 5;
    both[1]->labels[0] = 6;
    both[1]->pixels[0] = 77;
    assert_ok(ink_dataset_join(both, 2, &joined, &err), &err);
    again = ink_dataset_ref(joined);
    ink_dataset_unref(both[0]);
    ink_dataset_unref(both[1]);
    ink_dataset_unrefp(&joined);
    assert_null(joined);
    assert_string_equal(again->name, "one + two");
    assert_int_equal(again->count, 3);
    assert_int_equal(again->labels[1], 5);
    assert_int_equal(again->labels[2], 6);
    assert_int_equal(again->pixels[2 * INK_PICTURE_SIZE], 77);
    ink_dataset_unref(again);
    ink_dataset_unref(NULL);

    assert_fails(INK_BADDATA, "'none' has no picture", ink_dataset_create("none", 0, &joined, &err),
                 &err);
    assert_fails(INK_TOOBIG, "1000001 pictures, at most 1000000",
                 ink_dataset_create("all", INK_LIMIT_DATASET_COUNT + 1, &joined, &err), &err);
    assert_fails(INK_BADDATA, "no picture", ink_dataset_join(NULL, 0, &joined, &err), &err);
}

/* Runs before anything has drawn that half: a cancelled one is not kept. */
static void
strokes_stop_when_cancelled(void **state)
{
    INK_CLEANUP(ink_dataset_unrefp) struct ink_dataset *dataset = NULL;
    atomic_bool cancel = true;
    const struct ink_data_options options = {.cancel = &cancel};
    struct ink_err err;

    (void)state;
    for (int split = INK_TRAIN; split <= INK_TEST; split++)
        assert_fails(INK_CANCELLED, "cancelled",
                     ink_dataset_load("strokes", (enum ink_split)split, &options, &dataset, &err),
                     &err);
    assert_null(dataset);
}

/* The smaller half is enough. */
static void
strokes_repeat_and_are_kept(void **state)
{
    INK_CLEANUP(ink_dataset_unrefp) struct ink_dataset *dataset = NULL, *again = NULL;
    struct ink_err err;

    (void)state;
    assert_ok(ink_dataset_load("strokes", INK_TEST, NULL, &dataset, &err), &err);
    assert_ok(ink_dataset_load("strokes", INK_TEST, NULL, &again, &err), &err);
    assert_ptr_equal(dataset, again);
    assert_int_equal(dataset->count, INK_STROKES_TEST_COUNT);
    for (size_t i = 0; i < dataset->count; i++) {
        const uint8_t *row = dataset->pixels + i * INK_PICTURE_SIZE;
        unsigned sum = 0;

        assert_int_equal(dataset->labels[i], i % 10);
        assert_non_null(dataset->drawings[i]);
        for (size_t pixel = 0; pixel < INK_PICTURE_SIZE; pixel++)
            sum += row[pixel];
        assert_in_range(sum, 20 * 255, 300 * 255);
    }
}

static void
table_names_what_loads(void **state)
{
    size_t count;
    const struct ink_dataset_info *table = ink_dataset_table(&count);

    (void)state;
    assert_int_equal(count, 2);
    assert_string_equal(table[0].name, "mnist");
    assert_string_equal(table[1].name, "strokes");
}

/* ---- mnist ---- */

static const char *
real_data_dir(void)
{
    const char *dir = getenv("INKLING_DATA");
    char path[512];
    struct stat info;

    (void)snprintf(path, sizeof(path), "%s/mnist/t10k-labels-idx1-ubyte.gz", dir ? dir : "");
    if (stat(path, &info) == 0)
        return dir;
    print_message("skipped: no MNIST in INKLING_DATA\n");
    return NULL;
}

static void
mnist_comes_from_the_data_folder(void **state)
{
    const struct ink_data_options options = {.data_dir = real_data_dir(), .cache_dir = folder};
    INK_CLEANUP(ink_dataset_unrefp) struct ink_dataset *dataset = NULL;
    size_t count[10] = {0};
    struct ink_err err;

    (void)state;
    if (!options.data_dir)
        skip();
    assert_ok(ink_dataset_load("mnist", INK_TEST, &options, &dataset, &err), &err);
    assert_string_equal(dataset->name, "mnist test");
    assert_int_equal(dataset->count, 10000);
    for (size_t i = 0; i < dataset->count; i++)
        count[dataset->labels[i]]++;
    assert_int_equal(dataset->labels[0], 7);
    assert_int_equal(count[0], 980); /* as published */
    assert_int_equal(count[1], 1135);
}

/* What a progress callback saw. */
struct watch {
    unsigned calls;
    char last[160];
};

static void
on_progress(void *self, const char *text)
{
    struct watch *watch = self;

    watch->calls++;
    (void)snprintf(watch->last, sizeof(watch->last), "%s", text);
}

static void
mnist_comes_from_a_mirror_once(void **state)
{
    const char *data_dir = real_data_dir();
    struct watch watch = {0};
    char mirror[600];
    struct ink_data_options options = {
        .data_dir = "/nonexistent", .mirror = mirror, .on_progress = on_progress, .self = &watch};
    struct stat info;

    (void)state;
    if (!data_dir)
        skip();
    options.cache_dir = path_of("cache");
    (void)snprintf(mirror, sizeof(mirror), "file://%s%s/mnist/", data_dir[0] == '/' ? "" : "/",
                   data_dir);
    for (int round = 0; round < 3; round++) {
        INK_CLEANUP(ink_dataset_unrefp) struct ink_dataset *dataset = NULL;
        struct ink_err err;

        if (round == 2) { /* damaged on the disk: fetched again */
            put("cache/mnist/t10k-labels-idx1-ubyte.gz", "damage", 6);
            (void)snprintf(mirror, sizeof(mirror), "file://%s/mnist", data_dir);
        }
        assert_ok(ink_dataset_load("mnist", INK_TEST, &options, &dataset, &err), &err);
        assert_int_equal(dataset->count, 10000);
        assert_int_equal(stat(path_of("cache/mnist/t10k-labels-idx1-ubyte.gz"), &info), 0);
        assert_int_equal(info.st_size, 4542);
        if (round == 0) {
            assert_in_range(watch.calls, 1, 2 * 11); /* a line each tenth of each file */
            assert_non_null(strstr(watch.last, "downloading t10k-labels-idx1-ubyte.gz: 100 %"));
            (void)snprintf(mirror, sizeof(mirror), "file:///nonexistent"); /* the cache suffices */
        }
    }
}

static void
downloads_can_be_cancelled_and_are_bounded(void **state)
{
    const atomic_bool cancel = true;
    const struct ink_data_options stopped = {.cancel = &cancel}, plain = {0};
    INK_CLEANUP(ink_buf_fini) struct ink_buf buf = {0};
    char url[160];
    struct ink_err err;

    (void)state;
    put("some.bin", "0123456789", 10);
    (void)snprintf(url, sizeof(url), "file://%s", path_of("some.bin"));
    assert_ok(ink_download(url, 10, &plain, &buf, &err), &err);
    assert_string_equal(ink_buf_text(&buf), "0123456789");
    ink_buf_clear(&buf);
    assert_fails(INK_TOOBIG, "more than 9 bytes", ink_download(url, 9, &plain, &buf, &err), &err);
    ink_buf_clear(&buf);
    assert_fails(INK_CANCELLED, "was cancelled", ink_download(url, 10, &stopped, &buf, &err), &err);
    assert_fails(INK_NOTFOUND, "gopher", ink_download("gopher://x/", 10, &plain, &buf, &err), &err);
    assert_fails(INK_NOTFOUND, "nonexistent",
                 ink_download("file:///nonexistent", 10, &plain, &buf, &err), &err);
}

static void
mnist_that_is_not_mnist_is_refused(void **state)
{
    struct ink_data_options options = {.data_dir = folder, .cache_dir = folder};
    struct ink_dataset *dataset = NULL;
    struct ink_err err;

    (void)state;
    put_pair("mnist", "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte", 3, 28, 9);
    assert_fails(INK_BADDATA, "SHA-256 is ",
                 ink_dataset_load("mnist", INK_TRAIN, &options, &dataset, &err), &err);
    assert_non_null(strstr(err.message, "MNIST's is ba891046e6505d7a..."));
    assert_null(dataset);
}

/* Nowhere to be found, and no network: the one line says where it was looked for. */
static void
mnist_that_is_missing_says_where_it_was_looked_for(void **state)
{
    const struct ink_data_options options = {
        .data_dir = "/no/data", .cache_dir = "/no/cache", .mirror = "none"};
    struct ink_dataset *dataset = NULL;
    struct ink_err err;

    (void)state;
    assert_fails(INK_NOTFOUND,
                 "no MNIST: not in '/no/data/mnist' (INKLING_DATA), not in '/no/cache/mnist', ",
                 ink_dataset_load("mnist", INK_TRAIN, &options, &dataset, &err), &err);
    assert_non_null(strstr(err.message, "downloads are switched off"));
    assert_false(ink_dataset_is_local("mnist", &options));
    assert_null(dataset);
}

/* The environment's folders, in the order of their rank; restored at the end. */
static void
folders_come_from_the_environment(void **state)
{
    const struct ink_data_options none = {.mirror = "none"};
    const char *data = getenv("INKLING_DATA"), *home = getenv("HOME");
    INK_CLEANUP(ink_freep) char *data_before = data ? strdup(data) : NULL;
    INK_CLEANUP(ink_freep) char *home_before = home ? strdup(home) : NULL;
    struct ink_dataset *dataset = NULL;
    struct ink_err err;

    (void)state;
    assert_int_equal(unsetenv("INKLING_DATA") | setenv("HOME", "/no/home", 1) |
                         setenv("XDG_CACHE_HOME", "/no/xdg", 1),
                     0);
    assert_fails(INK_NOTFOUND,
                 "no MNIST: INKLING_DATA is not set, not in '/no/xdg/inkling/mnist', ",
                 ink_dataset_load("mnist", INK_TEST, &none, &dataset, &err), &err);
    assert_int_equal(setenv("XDG_CACHE_HOME", "relative", 1), 0);
    assert_fails(INK_NOTFOUND, "'/no/home/.cache/inkling/mnist'",
                 ink_dataset_load("mnist", INK_TEST, &none, &dataset, &err), &err);
    assert_int_equal(setenv("INKLING_MNIST_MIRROR", "none", 1), 0);
    assert_fails(INK_NOTFOUND, "switched off",
                 ink_dataset_load("mnist", INK_TEST, NULL, &dataset, &err), &err);
    assert_int_equal(unsetenv("INKLING_MNIST_MIRROR") | unsetenv("XDG_CACHE_HOME"), 0);
    if (data_before)
        assert_int_equal(setenv("INKLING_DATA", data_before, 1), 0);
    if (home_before)
        assert_int_equal(setenv("HOME", home_before, 1), 0);
}

static void
what_is_local_is_known_by_name(void **state)
{
    const struct ink_data_options options = {
        .data_dir = folder, .cache_dir = "/no/cache", .mirror = "none"};
    struct ink_err err;

    (void)state;
    assert_true(ink_dataset_is_local("strokes", NULL));
    assert_false(ink_dataset_is_local("nothing", &options));
    assert_ok(ink_file_make_dir(path_of("something"), &err), &err);
    assert_true(ink_dataset_is_local("something", &options));
    put_pair("mnist", "train-images-idx3-ubyte", "train-labels-idx1-ubyte", 1, 28, 1);
    assert_false(ink_dataset_is_local("mnist", &options)); /* half of it */
    put_pair("mnist", "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte", 1, 28, 1);
    assert_true(ink_dataset_is_local("mnist", &options));
}

/* A mirror with other bytes under the right name. The public mirrors, which come next, are kept out
 * of reach by a proxy that is not there. */
static void
a_mirror_with_other_bytes_is_not_believed(void **state)
{
    char mirror[160];
    struct ink_data_options options = {.data_dir = "/no/data", .mirror = mirror};
    struct ink_dataset *dataset = NULL;
    struct stat info;
    struct ink_err err;

    (void)state;
    options.cache_dir = path_of("cache2");
    put_pair("false", "t10k-images-idx3-ubyte.gz", "x", 2, 28, 1);
    (void)snprintf(mirror, sizeof(mirror), "file://%s", path_of("false"));
    assert_int_equal(setenv("https_proxy", "http://127.0.0.1:9", 1), 0);
    assert_fails(INK_NOTFOUND, "download failed: SHA-256 is ",
                 ink_dataset_load("mnist", INK_TEST, &options, &dataset, &err), &err);
    assert_int_equal(unsetenv("https_proxy"), 0);
    assert_int_equal(stat(path_of("cache2/mnist"), &info), -1); /* nothing kept */
    assert_null(dataset);
}

static void
a_cancelled_download_says_so(void **state)
{
    const atomic_bool cancel = true;
    const struct ink_data_options options = {.data_dir = "/no/data",
                                             .cache_dir = "/no/cache",
                                             .mirror = "file:///no/mirror",
                                             .cancel = &cancel};
    struct ink_dataset *dataset = NULL;
    struct ink_err err;

    (void)state;
    assert_int_equal(setenv("https_proxy", "http://127.0.0.1:9", 1), 0);
    assert_fails(INK_CANCELLED, "the download of MNIST was cancelled",
                 ink_dataset_load("mnist", INK_TEST, &options, &dataset, &err), &err);
    assert_int_equal(unsetenv("https_proxy"), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folders_are_read_by_half),
        cmocka_unit_test(emnist_is_turned_up),
        cmocka_unit_test(folders_that_are_wrong_say_why),
        cmocka_unit_test(a_packed_twin_is_no_second_set),
        cmocka_unit_test(a_folder_with_one_stroke_file_is_that),
        cmocka_unit_test(sets_are_created_joined_and_counted),
        cmocka_unit_test(strokes_stop_when_cancelled),
        cmocka_unit_test(strokes_repeat_and_are_kept),
        cmocka_unit_test(table_names_what_loads),
        cmocka_unit_test(mnist_comes_from_the_data_folder),
        cmocka_unit_test(mnist_comes_from_a_mirror_once),
        cmocka_unit_test(downloads_can_be_cancelled_and_are_bounded),
        cmocka_unit_test(mnist_that_is_not_mnist_is_refused),
        cmocka_unit_test(mnist_that_is_missing_says_where_it_was_looked_for),
        cmocka_unit_test(folders_come_from_the_environment),
        cmocka_unit_test(what_is_local_is_known_by_name),
        cmocka_unit_test(a_mirror_with_other_bytes_is_not_believed),
        cmocka_unit_test(a_cancelled_download_says_so),
    };

    return cmocka_run_group_tests_name("dataset", tests, make_folder, remove_folder);
}
