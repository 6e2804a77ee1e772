/* SPDX-License-Identifier: MIT */
#ifndef INK_HTTP_SERVE_H
#define INK_HTTP_SERVE_H

/*
 * serve: the command `serve`, which kernel/command cannot run itself: it does
 * not know HTTP. Who makes a session puts one of these functions into
 * ink_session_options.serve.
 *
 * The environment: INKLING_TOKEN is the token when --token is not given;
 * INKLING_HTTP_DEADLINES shortens all deadlines, 0.01 to 1, for tests.
 */

#include "base/status.h"
#include "kernel/command/command.h"
#include "kernel/http/server.h"

/*
 * `inkling serve`: start, print the page's address, answer until SIGINT, SIGTERM or ctx->cancel,
 * then finish what runs. Fits ink_command_fn.
 *
 * Threads  main only: it blocks the two signals in the caller's thread while it runs
 */
INK_MUST_CHECK enum ink_status ink_serve_foreground(const struct ink_context *ctx,
                                                    const struct ink_args *args,
                                                    struct ink_bundle *out_bundle,
                                                    struct ink_err *err);

/* The server of a kernel's session. Zeroed = none; owned by the thread that runs cells. */
struct ink_serving {
    struct ink_server *server;
};

/*
 * `serve` in a cell: start it on the live network and show the link; again: show it again;
 * stop: stop it. serve_self of the session is a struct ink_serving, and outlives it no longer
 * than ink_serving_stop. Fits ink_command_fn.
 */
INK_MUST_CHECK enum ink_status ink_serve_background(const struct ink_context *ctx,
                                                    const struct ink_args *args,
                                                    struct ink_bundle *out_bundle,
                                                    struct ink_err *err);

/* Stop the server if there is one: before the session goes. */
void ink_serving_stop(struct ink_serving *serving);

#endif
