/* SPDX-License-Identifier: MIT */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/json.h"
#include "kernel/install.h"
#include "tests/unit/ink_test.h"

static struct ink_buf out; /* of the last run */
static char root[] = "/tmp/ink-test-install-XXXXXX";

static const char *
in_root(const char *name)
{
    static char path[300];

    (void)snprintf(path, sizeof(path), "%s/%s", root, name);
    return path;
}

static bool
is_there(const char *name)
{
    return access(in_root(name), F_OK) == 0;
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
    ink_buf_fini(&out);
    (void)rmdir(in_root("share/jupyter/kernels"));
    (void)rmdir(in_root("share/jupyter/labextensions"));
    (void)rmdir(in_root("share/jupyter"));
    (void)rmdir(in_root("share"));
    return rmdir(root);
}

static enum ink_status
run(struct ink_err *err, int argc, const char *const argv[])
{
    ink_buf_clear(&out);
    return ink_install_run(argc, argv, &out, err);
}
#define RUN(err, ...)                                                               \
    run((err), (int)(sizeof((const char *[]){__VA_ARGS__}) / sizeof(const char *)), \
        (const char *const[]){__VA_ARGS__})

static void
install_writes_what_jupyter_reads(void **state)
{
    struct ink_buf text = {0};
    struct ink_json *spec = NULL;
    const struct ink_json *argv;
    struct ink_err err;

    (void)state;
    assert_ok(RUN(&err, "install", "--prefix", root, "--program", "/opt/x/inkling"), &err);
    assert_ok(
        ink_buf_load(&text, in_root("share/jupyter/kernels/inkling/kernel.json"), 1 << 16, &err),
        &err);
    assert_ok(ink_json_parse(text.bytes, text.size, &spec, &err), &err);
    argv = ink_json_find(spec, "argv");
    assert_int_equal(ink_json_count(argv), 4);
    assert_string_equal(ink_json_string(ink_json_first(argv), ""), "/opt/x/inkling");
    assert_string_equal(ink_json_string(ink_json_find(spec, "interrupt_mode"), ""), "message");
    assert_true(is_there("share/jupyter/kernels/inkling/kernel.js"));
    assert_true(is_there("share/jupyter/kernels/inkling/inkling.js"));
    assert_true(is_there("share/jupyter/kernels/inkling/logo-64x64.png"));
    assert_true(is_there("share/jupyter/labextensions/inkling-lab/package.json"));
    assert_true(is_there("share/jupyter/labextensions/inkling-lab/static/remoteEntry.js"));
    ink_json_destroy(&spec);
    ink_buf_fini(&text);
}

static void
uninstall_removes_what_was_installed_and_no_more(void **state)
{
    struct ink_err err;

    (void)state;
    assert_ok(ink_file_write(in_root("share/jupyter/kernels/inkling/mine.txt"), "x", 1, &err),
              &err);
    assert_ok(RUN(&err, "uninstall", "--prefix", root), &err);
    assert_true(is_there("share/jupyter/kernels/inkling/mine.txt"));
    assert_false(is_there("share/jupyter/kernels/inkling/kernel.json"));
    assert_false(is_there("share/jupyter/kernels/inkling/inkling.js"));
    assert_false(is_there("share/jupyter/labextensions/inkling-lab"));
    assert_int_equal(unlink(in_root("share/jupyter/kernels/inkling/mine.txt")), 0);
    assert_fails(INK_NOTFOUND, "kernel.json", RUN(&err, "uninstall", "--prefix", root), &err);
    assert_int_equal(rmdir(in_root("share/jupyter/kernels/inkling")), 0);
}

static void
the_user_s_folder_is_jupyter_s(void **state)
{
    struct ink_err err;

    (void)state;
    assert_int_equal(setenv("JUPYTER_DATA_DIR", in_root("share/jupyter"), 1), 0);
    assert_ok(RUN(&err, "install"), &err);
    assert_true(is_there("share/jupyter/kernels/inkling/kernel.json"));
    assert_ok(RUN(&err, "uninstall", "--user", "--json"), &err);
    assert_non_null(strstr(out.bytes, "\"kernelspec\":\"/tmp/"));
    assert_false(is_there("share/jupyter/kernels/inkling"));
}

static void
bad_options_say_what_was_expected(void **state)
{
    struct ink_err err;

    (void)state;
    assert_fails(INK_BADARG, "'--frobnicate'", RUN(&err, "install", "--frobnicate"), &err);
    assert_fails(INK_BADARG, "not both", RUN(&err, "install", "--user", "--prefix=/x"), &err);
    assert_fails(INK_BADARG, "wants a folder", RUN(&err, "install", "--prefix"), &err);
    assert_fails(INK_BADARG, "not an absolute path",
                 RUN(&err, "install", "--prefix", root, "--program", "bin/x"), &err);
    assert_fails(INK_BADARG, "--program", RUN(&err, "uninstall", "--program", "/x"), &err);
    assert_fails(INK_IO, "folder", RUN(&err, "install", "--prefix", "/dev/null/x"), &err);
    assert_false(is_there("share/jupyter/kernels/inkling"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(install_writes_what_jupyter_reads),
        cmocka_unit_test(uninstall_removes_what_was_installed_and_no_more),
        cmocka_unit_test(the_user_s_folder_is_jupyter_s),
        cmocka_unit_test(bad_options_say_what_was_expected),
    };

    return cmocka_run_group_tests(tests, make_root, remove_root);
}
