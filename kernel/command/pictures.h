/* SPDX-License-Identifier: MIT */
#ifndef INK_COMMAND_PICTURES_H
#define INK_COMMAND_PICTURES_H

/*
 * pictures: test[42], train[0:20], test[label=7], test[wrong], test[random],
 * mnist.test[3], drawn[-2], seven.png, photos: the one parser of picture names.
 *
 *     ink_pictures_find -> ink_pictures_get an index as often as wanted -> fini
 *
 * Names are checked in full by find; files are read by get, one at a time.
 *
 * Threads  as the session's commands
 */

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "kernel/command/session.h"

enum { INK_PICTURES_MAX = 100000 }; /* at once */

/* What the names are looked up in. */
struct ink_picture_scope {
    const struct ink_context *ctx;
    const char *data; /* the data set meant by test and train; NULL = the session's */
    const struct ink_snapshot *snapshot; /* for test[wrong]; NULL = the session's */
};

struct ink_picture_item; /* of pictures.c */

struct ink_picture_list {
    size_t count;
    struct ink_picture_item *item; /* [count] */
    size_t room;
};

/* One picture as a row. */
struct ink_picked {
    char source[160]; /* clean UTF-8: "test[42]", "photos/seven.png" */
    int label;        /* the truth, -1 = unknown */
    uint8_t row[INK_PICTURE_SIZE];
    struct ink_preparation preparation; /* text "" for rows of data sets */
    double elapsed_ms;                  /* of the preparation, without reading the file */
};

/*
 * Errors   INK_BADARG    not a name of a picture, or an index out of range: says what was expected
 *          INK_NOTFOUND  no such file;  INK_NOTNOW nothing drawn yet
 *          INK_TOOBIG    more than INK_PICTURES_MAX; those of data sets
 */
INK_MUST_CHECK enum ink_status ink_pictures_find(const struct ink_picture_scope *scope,
                                                 char *const *words, size_t word_count,
                                                 struct ink_picture_list *out_pictures,
                                                 struct ink_err *err);
void ink_pictures_fini(struct ink_picture_list *pictures);

/* The drawing behind a picture, NULL if there is none. It lives as long as the list. */
const struct ink_drawn *ink_pictures_drawn(const struct ink_picture_list *pictures, size_t index);

/* Errors: as model/picture.h and model/prepare.h, with the file's name before. */
INK_MUST_CHECK enum ink_status ink_pictures_get(const struct ink_picture_list *pictures,
                                                size_t index, struct ink_picked *out_picked,
                                                struct ink_err *err);

#endif
