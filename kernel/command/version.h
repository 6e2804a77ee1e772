/* SPDX-License-Identifier: MIT */
#ifndef INK_COMMAND_VERSION_H
#define INK_COMMAND_VERSION_H

/* version: of the program, as --version, kernel_info and HTTP's Server header show it. */
#define INK_VERSION "0.1.0"

#endif
