/* SPDX-License-Identifier: MIT */
#include "model/checkpoint_folder.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/parse.h"

#define PREFIX "checkpoint-"
#define SUFFIX ".safetensors"
#define ASIDE  SUFFIX ".broken"

enum { STEP_DIGITS = 12, LOCK_TRIES = 100, LOCK_PAUSE_MS = 10, BROKEN_NAMED = 4 };

struct ink_checkpoint_folder {
    char *path;
    int lock;
    /* A file that is being written: the writer's from submit until is_done. */
    pthread_t writer;
    bool has_writer;
    atomic_bool is_done;
    int64_t step;
    int64_t safe_step; /* no file up to that one is lost with the power */
    struct ink_buf buf;
    enum ink_status status;
    struct ink_err err;
};

/* ---- names ---- */

/* The step in the name of a checkpoint of that suffix, or -1 for anything else. */
static int64_t
step_of(const char *name, const char *suffix)
{
    char digits[STEP_DIGITS + 1];
    int64_t step;

    if (strncmp(name, PREFIX, strlen(PREFIX)) != 0 ||
        strspn(name + strlen(PREFIX), "0123456789") != STEP_DIGITS ||
        strcmp(name + strlen(PREFIX) + STEP_DIGITS, suffix) != 0)
        return -1;
    memcpy(digits, name + strlen(PREFIX), STEP_DIGITS);
    digits[STEP_DIGITS] = '\0';
    return ink_parse_int("step", digits, 0, INT64_MAX, &step, NULL) ? -1 : step;
}

static bool
is_temporary(const char *name)
{
    return strncmp(name, PREFIX, strlen(PREFIX)) == 0 && strstr(name, SUFFIX ".tmp-");
}

static void
put_path(const struct ink_checkpoint_folder *folder, int64_t step, const char *suffix,
         struct ink_buf *path)
{
    ink_buf_printf(path, "%s/" PREFIX "%0*" PRId64 "%s", folder->path, STEP_DIGITS, step, suffix);
}

static int
by_step(const void *a, const void *b)
{
    const int64_t *left = a, *right = b;

    return (*left > *right) - (*left < *right);
}

/* The steps of all checkpoints of a suffix, rising; the caller frees them. */
static enum ink_status
list_steps(const struct ink_checkpoint_folder *folder, const char *suffix, int64_t **out_steps,
           size_t *out_count, struct ink_err *err)
{
    struct ink_buf steps = {0};
    DIR *dir = opendir(folder->path);
    struct dirent *entry;
    enum ink_status status;

    if (!dir)
        return ink_fail_errno(err, "cannot list '%.100s'", folder->path);
    while ((entry = readdir(dir))) {
        int64_t step = step_of(entry->d_name, suffix);

        if (step >= 0)
            ink_buf_append(&steps, &step, sizeof(step));
    }
    (void)closedir(dir);
    status = ink_buf_check(&steps, err);
    if (status) {
        ink_buf_fini(&steps);
        return status;
    }
    *out_count = steps.size / sizeof(**out_steps);
    *out_steps = (int64_t *)(void *)ink_buf_take(&steps);
    if (!*out_steps)
        return ink_fail(err, INK_NOMEM, "no memory for a list of checkpoints");
    qsort(*out_steps, *out_count, sizeof(**out_steps), by_step);
    return INK_OK;
}

/* Remove the checkpoints of a suffix and of steps above `from`, up to `upto`, but for the newest of
 * them. */
static void
thin_out(const struct ink_checkpoint_folder *folder, const char *suffix, int64_t from, int64_t upto)
{
    INK_CLEANUP(ink_freep) int64_t *steps = NULL;
    size_t count = 0, first = 0, end;

    if (list_steps(folder, suffix, &steps, &count, NULL) != INK_OK)
        return;
    while (first < count && steps[first] <= from)
        first++;
    for (end = first; end < count && steps[end] <= upto;)
        end++;
    for (; first + INK_CHECKPOINT_KEEP < end; first++) {
        INK_CLEANUP(ink_buf_fini) struct ink_buf path = {0};

        put_path(folder, steps[first], suffix, &path);
        if (!path.is_broken)
            (void)unlink(path.bytes);
    }
}

/* ---- the lock ---- */

static void
pause_ms(long milliseconds)
{
    struct timespec time = {.tv_nsec = milliseconds * 1000000};

    (void)nanosleep(&time, NULL);
}

/* The process that the lock file names; 0 if it names none that lives. */
static long
read_holder(int lock)
{
    char text[32];
    ssize_t size = pread(lock, text, sizeof(text) - 1, 0);
    int64_t holder;

    if (size <= 0)
        return 0;
    text[size] = '\0';
    text[strcspn(text, "\n")] = '\0';
    if (ink_parse_int("pid", text, 1, INT32_MAX, &holder, NULL) != INK_OK ||
        (kill((pid_t)holder, 0) < 0 && errno == ESRCH))
        return 0;
    return (long)holder;
}

/* Take the lock and write who has it; `flock` lets go when the process ends, however it ends. */
static enum ink_status
take_lock(struct ink_checkpoint_folder *folder, struct ink_err *err)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf path = {0};
    char text[32];
    long holder = 0;
    enum ink_status status;

    ink_buf_printf(&path, "%s/lock", folder->path);
    status = ink_buf_check(&path, err);
    if (status)
        return status;
    folder->lock = open(path.bytes, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (folder->lock < 0)
        return ink_fail_errno(err, "cannot lock '%.100s'", path.bytes);
    /* Who has just taken it may not have written yet; who has just died, not let go yet. */
    for (int i = 0; flock(folder->lock, LOCK_EX | LOCK_NB) < 0; i++) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return ink_fail_errno(err, "cannot lock '%.100s'", path.bytes);
        holder = read_holder(folder->lock);
        if (holder > 0 || i == LOCK_TRIES)
            return ink_fail(err, INK_BUSY, "'%.100s' is in use by process %ld", folder->path,
                            holder);
        pause_ms(LOCK_PAUSE_MS);
    }
    (void)snprintf(text, sizeof(text), "%ld\n", (long)getpid());
    /* A full disk keeps nobody from training: the name is for others' messages only. */
    if (ftruncate(folder->lock, 0) == 0)
        (void)!pwrite(folder->lock, text, strlen(text), 0);
    return INK_OK;
}

/* With the folder locked, whoever wrote a temporary file is gone. */
static void
sweep(const struct ink_checkpoint_folder *folder)
{
    DIR *dir = opendir(folder->path);
    struct dirent *entry;

    while (dir && (entry = readdir(dir)))
        if (is_temporary(entry->d_name))
            (void)unlinkat(dirfd(dir), entry->d_name, 0);
    if (dir)
        (void)closedir(dir);
}

enum ink_status
ink_checkpoint_folder_look(const char *path, struct ink_checkpoint_folder **out_folder,
                           struct ink_err *err)
{
    INK_CLEANUP(ink_checkpoint_folder_close)
    struct ink_checkpoint_folder *folder = calloc(1, sizeof(*folder));

    if (!folder)
        return ink_fail(err, INK_NOMEM, "no memory for checkpoints");
    folder->lock = -1;
    folder->path = strdup(path);
    if (!folder->path)
        return ink_fail(err, INK_NOMEM, "no memory for checkpoints");
    *out_folder = folder;
    folder = NULL;
    return INK_OK;
}

enum ink_status
ink_checkpoint_folder_open(const char *path, struct ink_checkpoint_folder **out_folder,
                           struct ink_err *err)
{
    INK_CLEANUP(ink_checkpoint_folder_close) struct ink_checkpoint_folder *folder = NULL;
    enum ink_status status = ink_file_make_dir(path, err);

    if (!status)
        status = ink_checkpoint_folder_look(path, &folder, err);
    if (!status)
        status = take_lock(folder, err);
    if (status)
        return status;
    sweep(folder);
    folder->safe_step = ink_checkpoint_folder_last(folder);
    *out_folder = folder;
    folder = NULL;
    return INK_OK;
}

void
ink_checkpoint_folder_close(struct ink_checkpoint_folder **folder)
{
    struct ink_checkpoint_folder *mine = *folder;

    if (!mine)
        return;
    (void)!ink_checkpoint_folder_wait(mine, NULL);
    ink_closep(&mine->lock);
    free(mine->path);
    free(mine);
    *folder = NULL;
}

/* ---- reading ---- */

int64_t
ink_checkpoint_folder_last(const struct ink_checkpoint_folder *folder)
{
    INK_CLEANUP(ink_freep) int64_t *steps = NULL;
    size_t count = 0;

    if (list_steps(folder, SUFFIX, &steps, &count, NULL) != INK_OK || count == 0)
        return -1;
    return steps[count - 1];
}

static enum ink_status
load(const char *path, struct ink_checkpoint **out_checkpoint, struct ink_err *err)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf buf = {0};
    struct ink_err why;
    enum ink_status status = ink_buf_load(&buf, path, INK_LIMIT_CHECKPOINT_SIZE, err);

    if (status)
        return status;
    status = ink_checkpoint_decode(&buf, out_checkpoint, &why);
    return status ? ink_fail(err, status, "%.100s: %s", path, why.message) : INK_OK;
}

/* Out of the way: its number is going to be used again. */
static void
put_aside(const struct ink_checkpoint_folder *folder, int64_t step)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf from = {0}, to = {0};

    put_path(folder, step, SUFFIX, &from);
    put_path(folder, step, ASIDE, &to);
    if (!from.is_broken && !to.is_broken)
        (void)rename(from.bytes, to.bytes);
}

/* None can be read: which those are, and what to do. */
static enum ink_status
fail_broken(const struct ink_checkpoint_folder *folder, const int64_t *steps, size_t count,
            struct ink_err *err)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf names = {0};
    size_t named = count < BROKEN_NAMED ? count : BROKEN_NAMED;

    for (size_t i = 0; i < named; i++)
        ink_buf_printf(&names, "%s%0*" PRId64, i > 0 ? ", " : PREFIX, STEP_DIGITS, steps[i]);
    if (named < count)
        ink_buf_printf(&names, " and %zu more", count - named);
    return ink_fail(err, INK_BADDATA,
                    "none in '%.64s' can be read, %s: bring one back from a copy, or start anew in "
                    "another folder",
                    folder->path, ink_buf_text(&names));
}

enum ink_status
ink_checkpoint_folder_newest(struct ink_checkpoint_folder *folder,
                             void (*warn)(void *self, const char *text), void *self,
                             struct ink_checkpoint **out_checkpoint, struct ink_err *err)
{
    INK_CLEANUP(ink_freep) int64_t *steps = NULL;
    size_t count = 0, at;
    struct ink_err why = {0};
    enum ink_status status = list_steps(folder, SUFFIX, &steps, &count, err);

    if (status)
        return status;
    if (count == 0)
        return ink_fail(err, INK_NOTFOUND,
                        "'%.100s' has no checkpoints: train --checkpoints writes them",
                        folder->path);
    for (at = count; at > 0; at--) {
        INK_CLEANUP(ink_buf_fini) struct ink_buf path = {0};
        char text[320];

        put_path(folder, steps[at - 1], SUFFIX, &path);
        status = ink_buf_check(&path, err);
        if (status)
            return status;
        status = load(path.bytes, out_checkpoint, &why);
        if (!status)
            break;
        if (status == INK_NOMEM)
            return ink_fail(err, status, "%s", why.message);
        (void)snprintf(text, sizeof(text), "broken checkpoint%s: %s",
                       at > 1 ? ", the one before is tried" : "", why.message);
        if (warn)
            warn(self, text);
    }
    if (at == 0)
        return fail_broken(folder, steps, count, err);
    for (; folder->lock >= 0 && at < count; at++)
        put_aside(folder, steps[at]);
    if (folder->lock >= 0)
        thin_out(folder, ASIDE, -1, INT64_MAX);
    return INK_OK;
}

/* ---- writing ---- */

static void *
write_submitted(void *self)
{
    struct ink_checkpoint_folder *folder = self;
    INK_CLEANUP(ink_buf_fini) struct ink_buf path = {0};

    put_path(folder, folder->step, SUFFIX, &path);
    folder->status = ink_buf_check(&path, &folder->err);
    if (!ink_checkpoint_seal(&folder->buf))
        folder->status = ink_fail(&folder->err, INK_BUG, "what was to be written is no checkpoint");
    if (!folder->status)
        folder->status =
            ink_file_write(path.bytes, folder->buf.bytes, folder->buf.size, &folder->err);
    if (!folder->status)
        folder->safe_step = folder->step;
    /* Once the file is safe those before it may go. Else it may be there, if not safely, because
     * the folder could not be synced: those of its kind must not pile up either. */
    thin_out(folder, SUFFIX, folder->status ? folder->safe_step : -1, folder->step);
    ink_buf_fini(&folder->buf);
    atomic_store(&folder->is_done, true);
    return NULL;
}

bool
ink_checkpoint_folder_is_busy(const struct ink_checkpoint_folder *folder)
{
    return folder->has_writer && !atomic_load(&folder->is_done);
}

enum ink_status
ink_checkpoint_folder_wait(struct ink_checkpoint_folder *folder, struct ink_err *err)
{
    enum ink_status status;

    if (folder->has_writer)
        (void)pthread_join(folder->writer, NULL); /* from here on what it wrote is ours */
    folder->has_writer = false;
    status = folder->status;
    folder->status = INK_OK;
    return status ? ink_fail(err, status, "%s", folder->err.message) : INK_OK;
}

enum ink_status
ink_checkpoint_folder_submit(struct ink_checkpoint_folder *folder, int64_t step,
                             struct ink_buf *buf, struct ink_err *err)
{
    enum ink_status status = ink_checkpoint_folder_wait(folder, err);
    sigset_t all, old;
    int failure;

    if (status) {
        ink_buf_fini(buf);
        return status;
    }
    folder->buf = *buf;
    folder->step = step;
    *buf = (struct ink_buf){0};
    atomic_store(&folder->is_done, false);
    (void)sigfillset(&all); /* signals are for the program's own threads */
    (void)pthread_sigmask(SIG_SETMASK, &all, &old);
    failure = pthread_create(&folder->writer, NULL, write_submitted, folder);
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (failure != 0) {
        ink_buf_fini(&folder->buf);
        return ink_fail(err, INK_NOMEM, "no thread to write a checkpoint with");
    }
    folder->has_writer = true;
    return INK_OK;
}
