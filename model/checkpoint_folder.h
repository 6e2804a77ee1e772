/* SPDX-License-Identifier: MIT */
#ifndef INK_MODEL_CHECKPOINT_FOLDER_H
#define INK_MODEL_CHECKPOINT_FOLDER_H

/*
 * checkpoint_folder: numbered checkpoints of one run, of which one always loads.
 *
 *     open -> newest -> submit, ... -> wait -> close
 *
 * A file is written beside the others (temporary file, fsync, rename, fsync of
 * the folder) and only then are the oldest removed, so a crash or a loss of
 * power at any moment leaves the newest one that was reported, or a newer one.
 * Files that stand in the folder without having been reported, because it could
 * not be synced, are kept and removed by the same number beside those that were,
 * and broken ones that were put aside too. An open folder is locked; the lock
 * goes with the process that holds it.
 *
 * Threads  the owner's; a thread of the folder's own writes what was submitted
 */

#include "model/checkpoint.h"

enum { INK_CHECKPOINT_KEEP = 3 };

struct ink_checkpoint_folder;

/*
 * Make the folder if it is not there, lock it, and sweep what crashed writers left in it.
 *
 * Errors   INK_BUSY  another run has it: says which process;  INK_IO, INK_NOMEM, INK_NOAUTH
 */
INK_MUST_CHECK enum ink_status ink_checkpoint_folder_open(const char *path,
                                                          struct ink_checkpoint_folder **out_folder,
                                                          struct ink_err *err);
/* To read only, beside whoever has it: makes, sweeps and puts aside nothing. Errors: INK_NOMEM */
INK_MUST_CHECK enum ink_status ink_checkpoint_folder_look(const char *path,
                                                          struct ink_checkpoint_folder **out_folder,
                                                          struct ink_err *err);
/* Waits for what is being written. */
void ink_checkpoint_folder_close(struct ink_checkpoint_folder **folder);

/* The step of the newest checkpoint, also of a broken one; -1 if there is none. */
int64_t ink_checkpoint_folder_last(const struct ink_checkpoint_folder *folder);

/*
 * The newest checkpoint that is whole. Broken ones on the way are reported, one line each, and put
 * aside under another name.
 *
 *   warn(self, text)   may be NULL
 *
 * Errors   INK_NOTFOUND  there is none;  INK_BADDATA  all are broken: names them
 * Memory   the caller destroys *out_checkpoint
 */
INK_MUST_CHECK enum ink_status
ink_checkpoint_folder_newest(struct ink_checkpoint_folder *folder,
                             void (*warn)(void *self, const char *text), void *self,
                             struct ink_checkpoint **out_checkpoint, struct ink_err *err);

/*
 * Start to write an encoded file (it is sealed on the way), after waiting for the one before.
 *
 *   buf   taken over
 *
 * Errors   INK_NOMEM  no thread could be started
 */
INK_MUST_CHECK enum ink_status ink_checkpoint_folder_submit(struct ink_checkpoint_folder *folder,
                                                            int64_t step, struct ink_buf *buf,
                                                            struct ink_err *err);

/* Whether the file submitted last is still being written. */
bool ink_checkpoint_folder_is_busy(const struct ink_checkpoint_folder *folder);

/*
 * Wait for it.
 *
 * Errors   why it could not be written, once; what was there before is untouched
 */
INK_MUST_CHECK enum ink_status ink_checkpoint_folder_wait(struct ink_checkpoint_folder *folder,
                                                          struct ink_err *err);

#endif
