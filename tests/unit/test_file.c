/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "tests/unit/ink_test.h"

static char root[] = "/tmp/ink-test-file-XXXXXX";

static const char *
in_root(const char *name)
{
    static char path[200];

    (void)snprintf(path, sizeof(path), "%s/%s", root, name);
    return path;
}

static int
make_root(void **state)
{
    (void)state;
    return mkdtemp(root) ? 0 : -1;
}

static int
remove_root(void **state)
{
    (void)state;
    (void)unlink(in_root("file"));
    (void)unlink(in_root("a/b/c/file"));
    (void)rmdir(in_root("a/b/c"));
    (void)rmdir(in_root("a/b"));
    (void)rmdir(in_root("a"));
    return rmdir(root); /* fails if a temporary file was left */
}

static void
assert_contents(const char *path, const char *want, size_t size)
{
    struct ink_buf buf = {0};
    struct ink_err err;

    assert_ok(ink_buf_load(&buf, path, 1 << 20, &err), &err);
    assert_int_equal(buf.size, size);
    assert_memory_equal(buf.bytes, want, size);
    ink_buf_fini(&buf);
}

static void
write_replaces_the_whole_file(void **state)
{
    struct ink_err err;

    (void)state;
    assert_ok(ink_file_write(in_root("file"), "a long first text", 17, &err), &err);
    assert_contents(in_root("file"), "a long first text", 17);
    assert_ok(ink_file_write(in_root("file"), "b\0c", 3, &err), &err);
    assert_contents(in_root("file"), "b\0c", 3);
    assert_ok(ink_file_write(in_root("file"), "", 0, &err), &err);
}

static void
write_that_fails_leaves_nothing(void **state)
{
    struct ink_err err;

    (void)state;
    assert_fails(INK_NOTFOUND, "none/file': No such",
                 ink_file_write(in_root("none/file"), "x", 1, &err), &err);
    assert_ok(ink_file_make_dir(in_root("a"), &err), &err);
    assert_fails(INK_IO, "cannot replace", ink_file_write(in_root("a"), "x", 1, &err), &err);
}

static void
make_dir_makes_parents_and_repeats(void **state)
{
    struct ink_err err;

    (void)state;
    assert_ok(ink_file_make_dir(in_root("a/b//c/"), &err), &err);
    assert_ok(ink_file_make_dir(in_root("a/b/c"), &err), &err);
    assert_ok(ink_file_write(in_root("a/b/c/file"), "x", 1, &err), &err);
    assert_fails(INK_IO, "a/b/c/file", ink_file_make_dir(in_root("a/b/c/file"), &err), &err);
    assert_fails(INK_IO, "a/b/c/file", ink_file_make_dir(in_root("a/b/c/file/d"), &err), &err);
    assert_ok(ink_file_make_dir("/", &err), &err);
}

static void
make_dir_is_relative_too(void **state)
{
    struct ink_err err;
    char before[4096];

    (void)state;
    assert_non_null(getcwd(before, sizeof(before)));
    assert_int_equal(chdir(root), 0);
    assert_ok(ink_file_make_dir("a/b", &err), &err);
    assert_ok(ink_file_write("file", "here", 4, &err), &err);
    assert_int_equal(chdir(before), 0);
    assert_contents(in_root("file"), "here", 4);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(write_replaces_the_whole_file),
        cmocka_unit_test(write_that_fails_leaves_nothing),
        cmocka_unit_test(make_dir_makes_parents_and_repeats),
        cmocka_unit_test(make_dir_is_relative_too),
    };

    return cmocka_run_group_tests(tests, make_root, remove_root);
}
