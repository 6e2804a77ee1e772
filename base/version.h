/* SPDX-License-Identifier: MIT */
#ifndef INK_BASE_VERSION_H
#define INK_BASE_VERSION_H

/* version: which program this is. Semantic versioning of what other programs rely on. */

#define INK_VERSION "1.0.0"

#endif
