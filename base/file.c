/* SPDX-License-Identifier: MIT */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"

/* The folder that `path` is in, as a buffer's text. */
static void
append_parent(struct ink_buf *buf, const char *path)
{
    const char *slash = strrchr(path, '/');

    if (!slash)
        ink_buf_puts(buf, ".");
    else if (slash == path)
        ink_buf_puts(buf, "/");
    else
        ink_buf_append(buf, path, (size_t)(slash - path));
}

static enum ink_status
write_all(int fd, const char *path, const char *bytes, size_t size, struct ink_err *err)
{
    while (size > 0) {
        ssize_t written = write(fd, bytes, size);

        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return ink_fail_errno(err, "cannot write '%s'", path);
        bytes += written;
        size -= (size_t)written;
    }
    if (fsync(fd) < 0)
        return ink_fail_errno(err, "cannot sync '%s'", path);
    return INK_OK;
}

/* Make a rename in `dir` last. A file system that cannot is none of our caller's faults. */
static enum ink_status
sync_dir(const char *dir, struct ink_err *err)
{
    INK_CLEANUP(ink_closep) int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return ink_fail_errno(err, "cannot open '%s'", dir);
    if (fsync(fd) < 0 && errno != EINVAL && errno != EROFS)
        return ink_fail_errno(err, "cannot sync '%s'", dir);
    return INK_OK;
}

/* The same for the folder that `path` is in. */
static enum ink_status
sync_parent(const char *path, struct ink_err *err)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf parent = {0};
    enum ink_status status;

    append_parent(&parent, path);
    status = ink_buf_check(&parent, err);
    return status ? status : sync_dir(parent.bytes, err);
}

/* Failures name `path`, the file that was asked for. */
static enum ink_status
write_temporary(const char *temporary, const char *path, const void *bytes, size_t size,
                struct ink_err *err)
{
    INK_CLEANUP(ink_closep) int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    enum ink_status status;
    int opened = fd;

    if (fd < 0)
        return ink_fail_errno(err, "cannot create '%s'", path);
    status = write_all(fd, path, bytes, size, err);
    if (status)
        return status;
    fd = -1;
    return close(opened) == 0 ? INK_OK : ink_fail_errno(err, "cannot close '%s'", path);
}

enum ink_status
ink_file_write(const char *path, const void *bytes, size_t size, struct ink_err *err)
{
    static atomic_uint serial;
    INK_CLEANUP(ink_buf_fini) struct ink_buf temporary = {0};
    enum ink_status status;

    ink_buf_printf(&temporary, "%s.tmp-%ld-%u", path, (long)getpid(), atomic_fetch_add(&serial, 1));
    if ((status = ink_buf_check(&temporary, err)))
        return status;
    status = write_temporary(temporary.bytes, path, bytes, size, err);
    if (!status && rename(temporary.bytes, path) < 0)
        status = ink_fail_errno(err, "cannot replace '%s'", path);
    if (status) {
        (void)unlink(temporary.bytes);
        return status;
    }
    return sync_parent(path, err);
}

enum ink_status
ink_file_make_dir(const char *path, struct ink_err *err)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf prefix = {0};
    enum ink_status status;
    struct stat info;

    ink_buf_puts(&prefix, path);
    if ((status = ink_buf_check(&prefix, err)))
        return status;
    for (char *end = prefix.bytes; end; *end = '/') {
        end = strchr(end + 1, '/');
        if (end)
            *end = '\0';
        if (mkdir(prefix.bytes, 0777) == 0)
            status = sync_parent(prefix.bytes, err);
        else if (errno != EEXIST && errno != EISDIR)
            status = ink_fail_errno(err, "cannot make the folder '%s'", prefix.bytes);
        if (status)
            return status;
        if (!end)
            break;
    }
    if (stat(path, &info) < 0)
        return ink_fail_errno(err, "cannot make the folder '%s'", path);
    if (!S_ISDIR(info.st_mode))
        return ink_fail(err, INK_IO, "cannot make the folder '%s': a file is in the way", path);
    return INK_OK;
}
