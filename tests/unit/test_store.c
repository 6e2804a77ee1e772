/* SPDX-License-Identifier: MIT */
/* store: versions count up, are found again, and publishers do not step on each other. */

#include "tests/unit/ink_test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "model/store.h"
#include "tests/unit/net_fixture.h"

enum { PUBLISHERS = 4, EACH = 5 };

static const char net[] = "image: input 1x28x28\na: avgpool 14x14\nf: flatten\nd: dense 10\n";

static char folder[64];

static const struct ink_snapshot *
named(const char *name, unsigned long long seed)
{
    struct ink_record record = {0};

    (void)snprintf(record.name, sizeof(record.name), "%s", name);
    return snapshot_of(net, &record, seed);
}

static void
publish(const char *name, unsigned long long seed, int expected)
{
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *snapshot = named(name, seed);
    struct ink_err err;
    int version;

    assert_ok(ink_store_publish(folder, snapshot, &version, &err), &err);
    assert_int_equal(version, expected);
}

static void
versions_count_up_and_are_found(void **state)
{
    INK_CLEANUP(ink_freep) struct ink_store_entry *entries = NULL;
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *second = NULL;
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *newest = NULL;
    const struct ink_snapshot *none = NULL;
    struct ink_err err;
    char path[128];
    size_t count;

    (void)state;
    assert_ok(ink_store_list(folder, &entries, &count, &err), &err); /* absent: empty */
    assert_int_equal(count, 0);
    free(entries);
    entries = NULL;
    for (int i = 1; i <= 11; i++)
        publish("b_1", (unsigned)i, i);
    publish("a-x", 100, 1);

    (void)snprintf(path, sizeof(path), "%s/b_1/notes", folder); /* not a version */
    assert_int_equal(mkdir(path, 0700), 0);
    (void)snprintf(path, sizeof(path), "%s/b_1/99", folder); /* no file in it */
    assert_int_equal(mkdir(path, 0700), 0);
    assert_ok(ink_store_list(folder, &entries, &count, &err), &err);
    assert_int_equal(count, 12);
    assert_string_equal(entries[0].name, "a-x");
    for (size_t i = 1; i < count; i++) {
        assert_string_equal(entries[i].name, "b_1");
        assert_int_equal(entries[i].version, (int)i);
    }
    assert_ok(ink_store_load(folder, "b_1", 2, &second, &err), &err);
    assert_int_equal(ink_snapshot_record(second)->seed, 2);
    assert_int_equal(ink_snapshot_record(second)->version, 2);
    assert_ok(ink_store_load(folder, "b_1", 0, &newest, &err), &err);
    assert_int_equal(ink_snapshot_record(newest)->seed, 11);
    assert_int_equal(ink_snapshot_record(newest)->version, 11);
    assert_fails(INK_NOTFOUND, "a-x:1", ink_store_load(folder, "c", 0, &none, &err), &err);
    assert_fails(INK_NOTFOUND, "b_1:12", ink_store_load(folder, "b_1", 12, &none, &err), &err);
    assert_fails(INK_NOTFOUND, "", ink_store_load(folder, "../b_1", 1, &none, &err), &err);
    assert_null(none);
    (void)rmdir(path);
}

static void
names_are_plain(void **state)
{
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *dots = named("..", 1);
    char longest[65];
    struct ink_err err;
    int version;

    (void)state;
    memset(longest, 'x', sizeof(longest));
    longest[64] = '\0';
    assert_false(ink_store_is_name(longest));
    longest[63] = '\0';
    assert_true(ink_store_is_name(longest));
    assert_true(ink_store_is_name("A-z_09"));
    assert_false(ink_store_is_name(""));
    assert_false(ink_store_is_name("a/b"));
    assert_false(ink_store_is_name("."));
    assert_false(ink_store_is_name("a b"));
    assert_false(ink_store_is_name("\xc3\xa9"));
    assert_fails(INK_BADARG, "'..' is no name", ink_store_publish(folder, dots, &version, &err),
                 &err);
}

static void *
publish_some(void *argument)
{
    atomic_int *seen = argument;

    for (int i = 0; i < EACH; i++) {
        INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *snapshot = named("many", 1);
        int version = 0;

        if (ink_store_publish(folder, snapshot, &version, NULL) == INK_OK &&
            version <= PUBLISHERS * EACH)
            (void)atomic_fetch_add(&seen[version], 1);
    }
    return NULL;
}

static void
publishers_get_a_version_each(void **state)
{
    INK_CLEANUP(ink_freep) struct ink_store_entry *entries = NULL;
    atomic_int seen[PUBLISHERS * EACH + 1] = {0};
    pthread_t threads[PUBLISHERS];
    struct ink_err err;
    size_t count, many = 0;

    (void)state;
    for (int i = 0; i < PUBLISHERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, publish_some, seen), 0);
    for (int i = 0; i < PUBLISHERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (int version = 1; version <= PUBLISHERS * EACH; version++)
        assert_int_equal(atomic_load(&seen[version]), 1);
    assert_ok(ink_store_list(folder, &entries, &count, &err), &err);
    for (size_t i = 0; i < count; i++)
        if (strcmp(entries[i].name, "many") == 0) {
            INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *back = NULL;

            many++;
            assert_ok(ink_store_load(folder, "many", entries[i].version, &back, &err), &err);
        }
    assert_int_equal(many, PUBLISHERS * EACH);
}

static void
folder_comes_from_the_environment(void **state)
{
    struct ink_err err;
    char *path = NULL;

    (void)state;
    assert_ok(ink_store_path("/given", &path, &err), &err);
    assert_string_equal(path, "/given");
    free(path);
    assert_int_equal(setenv("INKLING_STORE", "/store", 1), 0);
    assert_ok(ink_store_path(NULL, &path, &err), &err);
    assert_string_equal(path, "/store");
    free(path);
    assert_int_equal(unsetenv("INKLING_STORE"), 0);
    assert_int_equal(setenv("XDG_DATA_HOME", "/data", 1), 0);
    assert_ok(ink_store_path(NULL, &path, &err), &err);
    assert_string_equal(path, "/data/inkling/store");
    free(path);
    assert_int_equal(unsetenv("XDG_DATA_HOME"), 0);
    assert_int_equal(setenv("HOME", "/nest", 1), 0);
    assert_ok(ink_store_path(NULL, &path, &err), &err);
    assert_string_equal(path, "/nest/.local/share/inkling/store");
    free(path);
    assert_int_equal(unsetenv("HOME"), 0);
    assert_fails(INK_NOTFOUND, "INKLING_STORE", ink_store_path(NULL, &path, &err), &err);
}

static int
make_folder(void **state)
{
    static char template[] = "/tmp/ink-store-XXXXXX";

    (void)state;
    if (!mkdtemp(template))
        return -1;
    (void)snprintf(folder, sizeof(folder), "%s/s", template);
    return 0;
}

static int
remove_folder(void **state)
{
    char command[128];

    (void)state;
    (void)snprintf(command, sizeof(command), "rm -rf '%.*s'", (int)(strlen(folder) - 2), folder);
    return system(command); /* NOLINT: our own temporary folder */
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(versions_count_up_and_are_found),
        cmocka_unit_test(names_are_plain),
        cmocka_unit_test(publishers_get_a_version_each),
        cmocka_unit_test(folder_comes_from_the_environment),
    };

    return cmocka_run_group_tests_name("store", tests, make_folder, remove_folder);
}
