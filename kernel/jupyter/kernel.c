/* SPDX-License-Identifier: MIT */
#include "kernel/jupyter/kernel.h"

#include <assert.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/parse.h"
#include "kernel/jupyter/kernel_priv.h"

enum { PARENT_SIGNAL = SIGUSR2 };

void
ink_kernel_name_thread(const char *name)
{
    (void)prctl(PR_SET_NAME, name);
}

void *
ink_kernel_alloc(size_t size)
{
    void *memory = calloc(1, size);

    if (!memory) {
        ink_log(INK_LOG_ERROR, "jupyter", "no memory for %zu bytes: the kernel ends", size);
        abort(); /* libzmq would a moment later; Jupyter starts us again */
    }
    return memory;
}

/* ---- signals and the parent ---- */

/*
 * Take signals through a descriptor, so that no callback is ever run over.
 *
 * Blocking is inherited: the threads that are made next, libzmq's among them,
 * get no signals either.
 */
static enum ink_status
open_signals(int *out_fd, struct ink_err *err)
{
    sigset_t set;
    int fd;

    zsys_handler_set(NULL); /* czmq would take SIGINT and SIGTERM for itself */
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, PARENT_SIGNAL);
    if (pthread_sigmask(SIG_BLOCK, &set, NULL) != 0)
        return ink_fail(err, INK_BUG, "cannot block signals");
    fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0)
        return ink_fail_errno(err, "cannot make a signalfd");
    *out_fd = fd;
    return INK_OK;
}

/*
 * Arrange to end when the process that started us does, if that is Jupyter.
 *
 * The kernel's signal comes at once, but also when only the parent's thread
 * that started us ends; so it is a reason to look at the parent's id, no more
 * (io.c), and the id is looked at now and then without it.
 */
static pid_t
watch_parent(void)
{
    const char *text = getenv("JPY_PARENT_PID"); /* NOLINT(concurrency-mt-unsafe): main thread */
    int64_t pid;

    if (!text || ink_parse_int("JPY_PARENT_PID", text, 1, INT32_MAX, &pid, NULL))
        return 0;
    (void)prctl(PR_SET_PDEATHSIG, PARENT_SIGNAL);
    /* Gone before we got here: init is our parent, and nobody said so. */
    return getppid() == 1 && pid != 1 ? (pid_t)pid : getppid();
}

/* ---- life ---- */

static enum ink_status
init(struct ink_kernel *kernel, const char *connection_path, struct ink_err *err)
{
    struct ink_mailbox *const boxes[] = {&kernel->io_box, &kernel->iopub_box, &kernel->cell_box,
                                         &kernel->query_box};
    const struct ink_connection *connection = &kernel->connection;
    uint8_t id[16];
    enum ink_status status = ink_connection_load(connection_path, &kernel->connection, err);

    if (!status)
        status = ink_signer_init(&kernel->wire.signer, connection->scheme, connection->key,
                                 strlen(connection->key), err);
    if (!status)
        status = ink_replays_init(&kernel->replays, err);
    if (!status)
        status = open_signals(&kernel->signal_fd, err);
    for (size_t i = 0; i < sizeof(boxes) / sizeof(boxes[0]) && !status; i++)
        status = ink_mailbox_init(boxes[i], err);
    if (status)
        return status;
    randombytes_buf(id, sizeof(id));
    (void)sodium_bin2hex(kernel->wire.session, sizeof(kernel->wire.session), id, sizeof(id));
    kernel->parent = watch_parent();
    return ink_connection_bind(&kernel->connection, connection_path, kernel->sockets, err);
}

static void
fini(struct ink_kernel *kernel)
{
    ink_connection_unbind(&kernel->connection, kernel->sockets);
    ink_mailbox_fini(&kernel->io_box);
    ink_mailbox_fini(&kernel->iopub_box);
    ink_mailbox_fini(&kernel->cell_box);
    ink_mailbox_fini(&kernel->query_box);
    ink_replays_fini(&kernel->replays);
    ink_signer_fini(&kernel->wire.signer);
    ink_closep(&kernel->signal_fd);
    sodium_memzero(&kernel->connection, sizeof(kernel->connection));
}

/* A cell would not end. Everything that had to be said is said; leave it behind. */
static void
abandon(struct ink_kernel *kernel, zactor_t **iopub)
{
    ink_log(INK_LOG_WARN, "jupyter", "a cell still ran %d ms after it was interrupted: it is lost",
            INK_LIMIT_JUPYTER_GRACE_MS);
    zactor_destroy(iopub); /* sends what is queued */
    ink_connection_unlink(&kernel->connection);
    zclock_sleep(50); /* libzmq's thread writes it out */
    _exit(0);
}

static enum ink_status
run_threads(struct ink_kernel *kernel, struct ink_err *err)
{
    /* The order of the table is that of the starts, io last: it reads requests. */
    static zactor_fn *const tasks[] = {ink_heartbeat_actor, ink_iopub_actor, ink_execute_actor,
                                       ink_query_actor, ink_io_actor};
    enum { IOPUB = 1, IO = 4, COUNT = 5 };
    zactor_t *actors[COUNT] = {NULL};
    enum ink_status status = INK_OK;

    for (size_t i = 0; i < COUNT && !status; i++) {
        actors[i] = zactor_new(tasks[i], kernel);
        if (!actors[i])
            status = ink_fail(err, INK_NOMEM, "cannot start a thread");
    }
    if (!status) {
        (void)zsock_wait(actors[IO]); /* until it has nothing left to do */
        if (kernel->is_abandoned)
            abandon(kernel, &actors[IOPUB]);
    }
    /* Callbacks may publish until the last of them has returned, so iopub goes after that. */
    zactor_destroy(&actors[IO]);
    zactor_destroy(&actors[3]);
    zactor_destroy(&actors[2]);
    if (!status && kernel->app->shutdown)
        kernel->app->shutdown(kernel->app->user, kernel->is_restart);
    zactor_destroy(&actors[IOPUB]);
    zactor_destroy(&actors[0]);
    zclock_sleep(
        5); /* the last pipes close a moment later; czmq would wait 200 ms for them at exit */
    return status;
}

enum ink_status
ink_jupyter_run(const char *connection_path, const struct ink_jupyter_app *app, struct ink_err *err)
{
    struct ink_kernel kernel = {.app = app,
                                .signal_fd = -1,
                                .io_box.fd = -1,
                                .iopub_box.fd = -1,
                                .cell_box.fd = -1,
                                .query_box.fd = -1};
    enum ink_status status;

    assert(connection_path && app && app->execute && app->language && app->implementation);
    status = init(&kernel, connection_path, err);
    if (!status)
        status = run_threads(&kernel, err);
    fini(&kernel);
    return status;
}
