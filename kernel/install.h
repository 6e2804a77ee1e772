/* SPDX-License-Identifier: MIT */
#ifndef INK_KERNEL_INSTALL_H
#define INK_KERNEL_INSTALL_H

/*
 * install: put what Jupyter reads where Jupyter looks for it.
 *
 * Two folders below a Jupyter data folder, written from the program's own
 * assets, so that the program alone is enough to install from:
 *
 *   kernels/inkling/              kernel.json, kernel.js, inkling.js, logos
 *   labextensions/inkling-lab/    the extension of JupyterLab 4 and Notebook 7
 *
 * No jupyter command is run and none needs to be installed.
 *
 * Source: jupyter_client, "Kernel specs"; jupyter_core, "Data files";
 * JupyterLab, "Prebuilt extensions".
 */

#include "base/buf.h"
#include "base/status.h"

/*
 * Write both folders; files that are there are replaced one by one, kernel.json last.
 *
 *   data_dir   e.g. /usr/local/share/jupyter; made if missing
 *   program    absolute path that kernel.json will start
 *
 * Errors   INK_BADARG  program is not an absolute path;  INK_IO, INK_NOTFOUND, INK_NOMEM
 */
INK_MUST_CHECK enum ink_status ink_install_write(const char *data_dir, const char *program,
                                                 struct ink_err *err);

/*
 * Remove the files that ink_install_write writes, kernel.json first, and the folders that are empty
 * then.
 *
 * Errors   INK_NOTFOUND  there is no kernelspec of ours;  INK_IO, INK_NOMEM
 */
INK_MUST_CHECK enum ink_status ink_install_remove(const char *data_dir, struct ink_err *err);

/*
 * The subcommands `install` and `uninstall`: [--user | --prefix DIR] [--program PATH] [--json],
 * --help. Without an option: for the user alone.
 *
 *   argv   argv[0] is "install" or "uninstall"
 *   out    what belongs on stdout is appended
 *
 * Errors   INK_BADARG  an unknown option, --user with --prefix, no home;  and those above
 */
INK_MUST_CHECK enum ink_status ink_install_run(int argc, const char *const argv[],
                                               struct ink_buf *out, struct ink_err *err);

#endif
