/* SPDX-License-Identifier: MIT */
/* main: the program's subcommands; what they do is elsewhere. */
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/threads.h"
#include "kernel/command/cell.h"
#include "kernel/command/command.h"
#include "kernel/command/models.h"
#include "kernel/command/session.h"
#include "kernel/command/version.h"
#include "kernel/http/serve.h"
#include "kernel/install.h"
#include "kernel/notebook.h"
#include "kernel/ranks.h"
#include "kernel/terminal.h"
#include "model/predictor.h"
#include "model/store.h"

enum { EXIT_TERMINATED = 128 + SIGTERM };

static atomic_bool cancel, is_terminated;

static void
on_interrupt(int signal_number)
{
    if (signal_number == SIGTERM)
        atomic_store(&is_terminated, true);
    atomic_store(&cancel, true); /* lock-free: fit for a handler */
}

/*
 * The first Ctrl-C, or SIGTERM, stops the command, a second one the program. Training that outgrows
 * a limit on file sizes is told by write, not killed.
 */
static void
handle_signals(void)
{
    struct sigaction interrupt = {.sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND};
    struct sigaction ignore = {.sa_handler = SIG_IGN};

    (void)sigemptyset(&interrupt.sa_mask);
    (void)sigemptyset(&ignore.sa_mask);
    (void)sigaction(SIGINT, &interrupt, NULL);
    (void)sigaction(SIGTERM, &interrupt, NULL);
    (void)sigaction(SIGPIPE, &ignore, NULL);
    (void)sigaction(SIGXFSZ, &ignore, NULL);
}

/* One line on stderr, and the exit code. */
static int
complain(const char *command, const struct ink_err *err)
{
    (void)fprintf(stderr, "inkling: %s%s%s\n", command ? command : "", command ? ": " : "",
                  err->message);
    return ink_status_exit(err->status);
}

static int
put(const char *text, size_t size)
{
    bool needs_end = size > 0 && text[size - 1] != '\n';

    if (fwrite(text, 1, size, stdout) != size || (needs_end && putchar('\n') == EOF) ||
        fflush(stdout) != 0) {
        struct ink_err err;

        (void)ink_fail_errno(&err, "stdout");
        return complain(NULL, &err);
    }
    return 0;
}

/* ---- what is not a command ---- */

typedef int (*subcommand_fn)(struct ink_session *session, int argc, const char *const argv[]);

static int
run_install(struct ink_session *session, int argc, const char *const argv[])
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf out = {0};
    struct ink_err err;

    (void)session;
    if (ink_install_run(argc, argv, &out, &err) != INK_OK)
        return complain(argv[0], &err);
    return put(ink_buf_text(&out), out.size);
}

static int
run_kernel(struct ink_session *session, int argc, const char *const argv[])
{
    static const char kernel_usage[] =
        "usage: inkling kernel -f FILE\n"
        "\n"
        "Be the kernel of a notebook, until Jupyter says to stop. FILE is the connection\n"
        "file that Jupyter wrote; 'inkling install' tells Jupyter to call this.\n";
    struct ink_err err;

    if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0))
        return put(kernel_usage, strlen(kernel_usage));
    if (argc != 3 || strcmp(argv[1], "-f") != 0) {
        (void)ink_fail(&err, INK_BADARG, "expected -f and the connection file that Jupyter wrote");
        return complain(argv[0], &err);
    }
    return ink_notebook_run(argv[2], session, &err) == INK_OK ? 0 : complain(argv[0], &err);
}

static const struct {
    const char *name;
    subcommand_fn run;
} subcommands[] = {
    {"kernel", run_kernel},
    {"install", run_install},
    {"uninstall", run_install},
};

/* ---- commands ---- */

/* The number of the network in use; 0 if none can be had. */
static unsigned long long
newest_serial(struct ink_session *session)
{
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *snapshot = NULL;

    return ink_session_snapshot(session, &snapshot, NULL) == INK_OK ? ink_snapshot_serial(snapshot)
                                                                    : 0;
}

/* Put the network in use into the store, as the newest version of "last". */
static enum ink_status
keep_newest(struct ink_session *session, int *out_version, struct ink_err *err)
{
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *snapshot = NULL, *renamed = NULL;
    const char *store;
    enum ink_status status = ink_session_snapshot(session, &snapshot, err);

    if (!status)
        status = ink_session_store(session, &store, err);
    if (!status)
        status = ink_model_rename(snapshot, "last", &renamed, err);
    return status ? status : ink_store_publish(store, renamed, out_version, err);
}

/*
 * A session ends with its command here, unlike in a notebook: weights that are new are kept,
 * and whoever chose a network or data set is told that it was for nothing.
 */
static void
end_session(struct ink_session *session, const struct ink_args *args, bool is_trained)
{
    const char *name = args->command->name;
    struct ink_err err;
    int version;

    if (is_trained && !ink_args_has(args, "save")) {
        if (keep_newest(session, &version, &err) == INK_OK)
            (void)fprintf(stderr, "inkling: %s: kept as last:%d; --model last takes it\n", name,
                          version);
        else
            (void)complain(name, &err);
    } else if ((args->command->flags & INK_CHANGES_SESSION) && args->word_count > 0 &&
               (strcmp(args->word[0], "use") == 0 || strcmp(args->word[0], "new") == 0)) {
        (void)fprintf(stderr,
                      "inkling: %s: this ends with the command: in a shell give --%s to those that "
                      "are to use it\n",
                      name, name);
    }
}

static int
run_command(struct ink_session *session, int argc, const char *const argv[])
{
    INK_CLEANUP(ink_args_fini) struct ink_args args = {0};
    INK_CLEANUP(ink_bundle_fini) struct ink_bundle bundle = {.is_plain = true};
    struct ink_terminal terminal;
    struct ink_context ctx = {session, &terminal.sink, &cancel, ""};
    const struct ink_command *command;
    const struct ink_bundle_item *text;
    unsigned long long before;
    struct ink_err err;
    enum ink_status status;
    bool trains;

    if (ink_command_find_or_suggest(argv[0], &command, &err) != INK_OK)
        return complain(NULL, &err);
    if (ink_args_parse(command, argv + 1, (size_t)argc - 1, &args, &err) != INK_OK)
        return complain(argv[0], &err);
    trains = command == ink_command_find("train") || command == ink_command_find("import");
    before = trains ? newest_serial(session) : 0;
    ink_terminal_init(&terminal, args.is_json);
    status = ink_command_run(&ctx, &args, &bundle, &err);
    ink_terminal_end(&terminal);
    if (status == INK_OK || status == INK_CANCELLED || status == INK_BADDATA)
        end_session(session, &args, trains && newest_serial(session) != before);
    if (status != INK_OK) {
        int code = complain(argv[0], &err);

        return status == INK_CANCELLED && atomic_load(&is_terminated) ? EXIT_TERMINATED : code;
    }
    if (ink_session_parallel(session) && ink_session_parallel(session)->rank > 0)
        return 0; /* the first process speaks */
    text = ink_bundle_find(&bundle, INK_MIME_TEXT);
    return text ? put(text->bytes, text->size) : 0;
}

/* ---- the words before the subcommand ---- */

static const char usage[] =
    "usage: inkling [--store DIR] [--data-dir DIR] COMMAND [OPTIONS] [WORDS...]\n"
    "\n"
    "  --store DIR      where trained networks are kept\n"
    "  --data-dir DIR   a folder with one folder a data set, before downloads\n"
    "  --version, --help\n"
    "\n"
    "  install, uninstall   make Inkling known to Jupyter, or forget it\n"
    "  kernel -f FILE       be the kernel of a notebook: Jupyter calls this\n"
    "\n";

/* Takes the options before the subcommand; returns the index of what follows, or -1. */
static int
take_options(int argc, const char *const argv[], struct ink_session_options *options,
             struct ink_err *err)
{
    static const char *const names[] = {"--store", "--data-dir"};
    const char **const places[] = {&options->store, &options->data_dir};
    int index = 1;

    while (index < argc && argv[index][0] == '-' && argv[index][1] == '-') {
        size_t which = 0, size = strcspn(argv[index], "=");

        if (strcmp(argv[index], "--help") == 0 || strcmp(argv[index], "--version") == 0)
            break;
        while (which < 2 &&
               (strlen(names[which]) != size || strncmp(argv[index], names[which], size) != 0))
            which++;
        if (which == 2 || (argv[index][size] == '\0' && index + 1 == argc)) {
            (void)ink_fail(err, INK_BADARG,
                           which == 2 ? "unknown option %.64s" : "%.64s: DIR is missing",
                           argv[index]);
            return -1;
        }
        *places[which] = argv[index][size] ? argv[index] + size + 1 : argv[++index];
        index++;
    }
    return index;
}

static int
run(struct ink_session *session, int argc, const char *const argv[])
{
    static const char *const help[] = {"help", NULL};

    if (argc == 0 || strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0) {
        int code = put(usage, strlen(usage));

        return code ? code : run_command(session, 1, help);
    }
    if (strcmp(argv[0], "--version") == 0)
        return put("inkling " INK_VERSION, strlen("inkling " INK_VERSION));
    for (size_t i = 0; i < sizeof(subcommands) / sizeof(subcommands[0]); i++)
        if (strcmp(argv[0], subcommands[i].name) == 0)
            return subcommands[i].run(session, argc, argv);
    return run_command(session, argc, argv);
}

/* INKLING_CPU is for those who compare: a word that chose nothing would mislead them. The same for
 * INKLING_THREADS. */
static enum ink_status
check_compute(struct ink_err *err)
{
    const char *wanted = getenv("INKLING_CPU"); /* NOLINT(concurrency-mt-unsafe): no thread yet */
    enum ink_status status = ink_threads_check(err);

    if (status != INK_OK)
        return status;
    if (!wanted || strcmp(wanted, ink_compute_name()) == 0)
        return INK_OK;
    return ink_fail(err, INK_BADARG,
                    "INKLING_CPU: '%.32s' is nothing this processor can do, expected avx512bf16, "
                    "avx512, avx2, baseline or reference; unset, it is %s",
                    wanted, ink_compute_name());
}

int
main(int argc, char *argv[])
{
    INK_CLEANUP(ink_session_destroy) struct ink_session *session = NULL;
    struct ink_serving serving = {0};
    struct ink_session_options options = {.serve = ink_serve_foreground, .serve_self = &serving};
    const char *const *words = (const char *const *)argv;
    struct ink_ranks ranks;
    struct ink_err err;
    int code, first = take_options(argc, words, &options, &err);

    if (first < 0 || ink_ranks_begin(argv, &ranks, &err) != INK_OK || check_compute(&err) != INK_OK)
        return complain(NULL, &err);
    if (first < argc && strcmp(words[first], "kernel") == 0) {
        options.serve = ink_serve_background; /* beside the cells */
        options.has_jobs = true;
    }
    handle_signals();
    ink_ranks_watch(&ranks);
    options.parallel = ink_ranks_parallel(&ranks);
    if (first < argc && ink_ranks_check(&ranks, words[first], &err) != INK_OK)
        return ink_ranks_end(&ranks, complain(NULL, &err));
    if (ink_session_create(&options, &session, &err) != INK_OK)
        return complain(NULL, &err);
    code = run(session, argc - first, words + first);
    ink_serving_stop(&serving);
    return ink_ranks_end(&ranks, code);
}
