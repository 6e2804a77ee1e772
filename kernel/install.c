/* SPDX-License-Identifier: MIT */
#include "kernel/install.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assets.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/json.h"

#define KERNEL_DIR "kernels/inkling"
#define LAB_DIR    "labextensions/inkling-lab"

/* Where each asset goes. kernel.json, which makes the rest visible, is written, not copied. */
/* clang-format off */
static const struct {
    const char *asset, *target;
} files[] = {
    {"webui/inkling.js",                 KERNEL_DIR "/inkling.js"},
    {"webui/inkling.js",                 LAB_DIR "/static/inkling.js"},
    {"webui/jupyter/kernel.js",          KERNEL_DIR "/kernel.js"},
    {"webui/jupyter/logo-32x32.png",     KERNEL_DIR "/logo-32x32.png"},
    {"webui/jupyter/logo-64x64.png",     KERNEL_DIR "/logo-64x64.png"},
    {"webui/jupyter/logo-svg.svg",       KERNEL_DIR "/logo-svg.svg"},
    {"webui/jupyter/lab/remoteEntry.js", LAB_DIR "/static/remoteEntry.js"},
    {"webui/jupyter/lab/package.json",   LAB_DIR "/package.json"},
};
static const char *const folders[] = { /* a folder before the one it is in */
    LAB_DIR "/static", LAB_DIR, KERNEL_DIR,
};
/* clang-format on */
enum {
    FILE_COUNT = sizeof(files) / sizeof(files[0]),
    FOLDER_COUNT = sizeof(folders) / sizeof(folders[0]),
};

struct options {
    bool is_user, is_json, is_help;
    const char *prefix;  /* NULL: not given */
    const char *program; /* NULL: the running one */
};

static const char usage[] =
    "Usage: inkling install   [--user | --prefix DIR] [--program PATH] [--json]\n"
    "       inkling uninstall [--user | --prefix DIR] [--json]\n"
    "\n"
    "Put the kernel where Jupyter finds it: its kernelspec, and the extension that\n"
    "JupyterLab 4 and Notebook 7 show its views with. uninstall removes both.\n"
    "\n"
    "  --user          for you alone: $JUPYTER_DATA_DIR, or share/jupyter in ~/.local\n"
    "                  (what happens without an option)\n"
    "  --prefix DIR    in DIR/share/jupyter: /usr/local for everybody, or an environment\n"
    "  --program PATH  the program that Jupyter starts, if it is not this one\n"
    "  --json          name the folders as JSON\n";

/* data_dir and a target below it, as one path. */
static enum ink_status
join(struct ink_buf *path, const char *data_dir, const char *target, struct ink_err *err)
{
    ink_buf_clear(path);
    ink_buf_printf(path, "%s/%s", data_dir, target);
    return ink_buf_check(path, err);
}

/* ---- writing and removing ---- */

static enum ink_status
format_kernelspec(struct ink_buf *text, const char *program, struct ink_err *err)
{
    INK_CLEANUP(ink_json_destroy) struct ink_json *spec = ink_json_object();
    struct ink_json *argv = ink_json_array(), *encryptions = ink_json_array();
    struct ink_json *metadata = ink_json_object();
    enum ink_status status;

    ink_json_push(argv, ink_json_from_string(program));
    ink_json_push(argv, ink_json_from_string("kernel"));
    ink_json_push(argv, ink_json_from_string("-f"));
    ink_json_push(argv, ink_json_from_string("{connection_file}"));
    ink_json_set(spec, "argv", argv);
    ink_json_set_string(spec, "display_name", "Inkling");
    ink_json_set_string(spec, "language", "inkling");
    ink_json_set_string(spec, "interrupt_mode", "message");
    /* jupyter_client from 8.9 on encrypts for those that say so, if the user wants it. */
    ink_json_push(encryptions, ink_json_from_string("curve"));
    ink_json_set(metadata, "supported_encryption", encryptions);
    ink_json_set(spec, "metadata", metadata);
    status = ink_json_print(spec, text, err);
    ink_buf_putc(text, '\n');
    return status ? status : ink_buf_check(text, err);
}

enum ink_status
ink_install_write(const char *data_dir, const char *program, struct ink_err *err)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf path = {0};
    INK_CLEANUP(ink_buf_fini) struct ink_buf spec = {0};
    enum ink_status status;

    if (program[0] != '/')
        return ink_fail(err, INK_BADARG, "--program: '%s' is not an absolute path", program);
    for (size_t i = 0; i < FOLDER_COUNT; i++)
        if ((status = join(&path, data_dir, folders[i], err)) ||
            (status = ink_file_make_dir(ink_buf_text(&path), err)))
            return status;
    for (size_t i = 0; i < FILE_COUNT; i++) {
        const struct ink_asset *asset = ink_asset_find(files[i].asset);

        if (!asset)
            return ink_fail(err, INK_BUG, "this program was built without %s", files[i].asset);
        if ((status = join(&path, data_dir, files[i].target, err)) ||
            (status = ink_file_write(ink_buf_text(&path), asset->bytes, asset->size, err)))
            return status;
    }
    if ((status = format_kernelspec(&spec, program, err)) ||
        (status = join(&path, data_dir, KERNEL_DIR "/kernel.json", err)))
        return status;
    return ink_file_write(ink_buf_text(&path), spec.bytes, spec.size, err);
}

enum ink_status
ink_install_remove(const char *data_dir, struct ink_err *err)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf path = {0};
    enum ink_status status;

    if ((status = join(&path, data_dir, KERNEL_DIR "/kernel.json", err)))
        return status;
    if (unlink(ink_buf_text(&path)) < 0)
        return ink_fail_errno(err, "cannot remove '%s'", ink_buf_text(&path));
    for (size_t i = 0; i < FILE_COUNT; i++) {
        if ((status = join(&path, data_dir, files[i].target, err)))
            return status;
        if (unlink(ink_buf_text(&path)) < 0 && errno != ENOENT)
            return ink_fail_errno(err, "cannot remove '%s'", ink_buf_text(&path));
    }
    for (size_t i = 0; i < FOLDER_COUNT; i++) {
        if ((status = join(&path, data_dir, folders[i], err)))
            return status;
        /* Somebody else's file keeps the folder. */
        if (rmdir(ink_buf_text(&path)) < 0 && errno != ENOENT && errno != ENOTEMPTY &&
            errno != EEXIST)
            return ink_fail_errno(err, "cannot remove '%s'", ink_buf_text(&path));
    }
    return INK_OK;
}

/* ---- the subcommands ---- */

/* The value of the option at argv[*index], written `--name VALUE` or `--name=VALUE`; NULL if it is
 * another. */
static const char *
option_value(const char *name, int argc, const char *const argv[], int *index)
{
    size_t size = strlen(name);
    const char *arg = argv[*index];

    assert(arg);
    if (strncmp(arg, name, size) != 0)
        return NULL;
    if (arg[size] == '=')
        return arg + size + 1;
    if (arg[size] != '\0')
        return NULL;
    return *index + 1 < argc ? argv[++*index] : "";
}

static enum ink_status
parse_options(int argc, const char *const argv[], struct options *out_options, struct ink_err *err)
{
    struct options options = {0};
    const char *value;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--user") == 0)
            options.is_user = true;
        else if (strcmp(argv[i], "--json") == 0)
            options.is_json = true;
        else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            options.is_help = true;
        else if ((value = option_value("--prefix", argc, argv, &i)))
            options.prefix = value;
        else if (strcmp(argv[0], "install") == 0 &&
                 (value = option_value("--program", argc, argv, &i)))
            options.program = value;
        else
            return ink_fail(err, INK_BADARG, "unknown option '%.64s', see inkling %s --help",
                            argv[i], argv[0]);
    }
    if (options.is_user && options.prefix)
        return ink_fail(err, INK_BADARG, "--user or --prefix, not both");
    if (options.prefix && !options.prefix[0])
        return ink_fail(err, INK_BADARG, "--prefix wants a folder");
    if (options.program && !options.program[0])
        return ink_fail(err, INK_BADARG, "--program wants a path");
    *out_options = options;
    return INK_OK;
}

/* The Jupyter data folder that the options name. Source: jupyter_core.paths.jupyter_data_dir. */
static enum ink_status
find_data_dir(const struct options *options, struct ink_buf *out_path, struct ink_err *err)
{
    /* NOLINTBEGIN(concurrency-mt-unsafe): there is one thread yet */
    const char *data_dir = getenv("JUPYTER_DATA_DIR");
    const char *xdg = getenv("XDG_DATA_HOME");
    const char *home = getenv("HOME");
    /* NOLINTEND(concurrency-mt-unsafe) */

    if (options->prefix)
        ink_buf_printf(out_path, "%s/share/jupyter", options->prefix);
    else if (data_dir && data_dir[0])
        ink_buf_puts(out_path, data_dir);
    else if (xdg && xdg[0])
        ink_buf_printf(out_path, "%s/jupyter", xdg);
    else if (home && home[0])
        ink_buf_printf(out_path, "%s/.local/share/jupyter", home);
    else
        return ink_fail(err, INK_BADARG, "--user: neither JUPYTER_DATA_DIR nor HOME is set");
    return ink_buf_check(out_path, err);
}

static enum ink_status
find_program(struct ink_buf *out_path, struct ink_err *err)
{
    char path[4096];
    ssize_t size = readlink("/proc/self/exe", path, sizeof(path));

    if (size < 0)
        return ink_fail_errno(err, "cannot find this program's own path");
    if ((size_t)size == sizeof(path))
        return ink_fail(err, INK_TOOBIG, "this program's path has more than %zu bytes",
                        sizeof(path) - 1);
    ink_buf_append(out_path, path, (size_t)size);
    return ink_buf_check(out_path, err);
}

static enum ink_status
format_done(const char *verb, const char *data_dir, bool is_json, struct ink_buf *out,
            struct ink_err *err)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf path = {0};
    INK_CLEANUP(ink_json_destroy) struct ink_json *json = NULL;
    enum ink_status status;

    if (!is_json) {
        ink_buf_printf(out, "%s %s/" KERNEL_DIR "\n", verb, data_dir);
        ink_buf_printf(out, "%s %s/" LAB_DIR "\n", verb, data_dir);
        return ink_buf_check(out, err);
    }
    json = ink_json_object();
    ink_buf_printf(&path, "%s/" KERNEL_DIR, data_dir);
    ink_json_set_string(json, "kernelspec", ink_buf_text(&path));
    ink_buf_clear(&path);
    ink_buf_printf(&path, "%s/" LAB_DIR, data_dir);
    ink_json_set_string(json, "labextension", ink_buf_text(&path));
    if ((status = ink_buf_check(&path, err)) || (status = ink_json_print(json, out, err)))
        return status;
    ink_buf_putc(out, '\n');
    return ink_buf_check(out, err);
}

enum ink_status
ink_install_run(int argc, const char *const argv[], struct ink_buf *out, struct ink_err *err)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf data_dir = {0};
    INK_CLEANUP(ink_buf_fini) struct ink_buf program = {0};
    bool is_install = strcmp(argv[0], "install") == 0;
    struct options options = {0};
    enum ink_status status;

    if ((status = parse_options(argc, argv, &options, err)))
        return status;
    if (options.is_help) {
        ink_buf_puts(out, usage);
        return ink_buf_check(out, err);
    }
    if ((status = find_data_dir(&options, &data_dir, err)))
        return status;
    if (!is_install)
        status = ink_install_remove(ink_buf_text(&data_dir), err);
    else if (options.program)
        status = ink_install_write(ink_buf_text(&data_dir), options.program, err);
    else if (!(status = find_program(&program, err)))
        status = ink_install_write(ink_buf_text(&data_dir), ink_buf_text(&program), err);
    if (status)
        return status;
    return format_done(is_install ? "installed" : "removed", ink_buf_text(&data_dir),
                       options.is_json, out, err);
}
