/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "kernel/command/command_priv.h"
#include "kernel/command/session.h"

/* clang-format off */
static const struct ink_option options[] = {
    {.name = "port", .type = INK_OPTION_INT, .metavar = "N", .fallback = "8501", .max = 65535,
     .help = "listen there, 0 = any free port"},
    {.name = "host", .type = INK_OPTION_TEXT, .metavar = "ADDRESS", .fallback = "127.0.0.1",
     .help = "listen on that address; others than this machine's own need --token or --open"},
    {.name = "allow-host", .type = INK_OPTION_TEXT, .metavar = "NAMES",
     .help = "names this server is called by, besides the loopback's, with commas between"},
    {.name = "token", .type = INK_OPTION_TEXT, .metavar = "TEXT",
     .help = "ask every request for this bearer token; or the variable INKLING_TOKEN"},
    {.name = "open", .type = INK_OPTION_FLAG, .help = "answer other machines without a token"},
    {.name = "threads", .type = INK_OPTION_INT, .metavar = "N", .fallback = "0", .max = 64,
     .help = "answer on that many threads, 0 = 2 to 8: as INKLING_THREADS says, else one a core"},
    {.name = "model", .type = INK_OPTION_TEXT, .metavar = "NAME", .kind = INK_WORD_MODEL,
     .help = "serve this network instead of the current one: NAME[:VERSION] or a file"},
    {.name = "model-name", .type = INK_OPTION_TEXT, .metavar = "NAME",
     .help = "what /v1/models/NAME calls it, where that is not its own name"},
    {.name = "precision", .type = INK_OPTION_CHOICE, .choices = "f32|bf16|auto", .fallback = "f32",
     .help = "what layers multiply: bf16 has 8 significant bits; auto = bf16 where it is faster"},
    {.name = "engine", .type = INK_OPTION_CHOICE, .choices = "fast|reference", .fallback = "fast",
     .help = "reference: plain loops, slow, which the fast ones are judged by"},
};
/* clang-format on */

static enum ink_status
check_action(const struct ink_args *args, struct ink_err *err)
{
    static const char *const actions[] = {"start", "status", "stop"};

    for (size_t i = 0; i < INK_COUNT(actions); i++)
        if (args->word_count == 0 || strcmp(args->word[0], actions[i]) == 0)
            return INK_OK;
    return ink_fail(err, INK_BADARG, "unknown action '%.64s', expected start, status or stop",
                    args->word[0]);
}

static enum ink_status
run(const struct ink_context *ctx, const struct ink_args *args, struct ink_bundle *out_bundle,
    struct ink_err *err)
{
    ink_command_fn serve = ink_session_serve(ctx->session);
    enum ink_status status = check_action(args, err);

    if (status)
        return status;
    if (!serve)
        return ink_fail(err, INK_NOTNOW, "no server in this program");
    return serve(ctx, args, out_bundle, err);
}

const struct ink_command ink_command_serve = {
    .name = "serve",
    .synopsis = "[start|status|stop]",
    .summary = "answer over HTTP: a page to draw on, REST, TensorFlow Serving's API",
    .help = "On the command line it serves until Ctrl-C or SIGTERM, and then finishes what\n"
            "runs. In a cell the server runs beside the notebook, on the network that the\n"
            "notebook has: train, and what it answers gets better. 'serve stop' ends it.\n"
            "\n"
            "  serve\n"
            "  serve --port 0\n"
            "  serve stop\n"
            "\n"
            "What it answers:\n"
            "\n"
            "  GET  /                           draw in the browser\n"
            "  POST /api/v1/predict             a picture file, or JSON, see below\n"
            "  GET  /api/v1/model, /layers      what is served\n"
            "  POST /v1/models/inkling:predict  what TensorFlow Serving's clients send\n"
            "  GET  /v1/models/inkling          its status; /metadata: its signature\n"
            "  GET  /mnist/classify/42          MNISTified's routes: /status, /mnist/...\n"
            "  GET  /healthz, /readyz           for whoever watches over it\n"
            "\n"
            "JSON for /api/v1/predict is one of these, or a list of them:\n"
            "\n"
            "  {\"strokes\": [[x0, y0, x1, y1, ...], ...]}   any scale, y down\n"
            "  {\"image\": \"BASE64\"}                         a picture file\n"
            "  {\"pixels\": [784 numbers]}                   0 to 1 or 0 to 255, ink is high\n"
            "\n"
            "with \"verbose\": true for every layer's maps, \"values\" for its numbers too, and\n"
            "\"prepare\": true or false for whether it is made as the training pictures are.\n"
            "\n"
            "  curl -H 'Content-Type: image/png' --data-binary @seven.png \\\n"
            "       http://127.0.0.1:8501/api/v1/predict",
    .word_max = 1,
    .word_kind = {INK_WORD_ACTION},
    .actions = "start|status|stop",
    .option = options,
    .option_count = INK_COUNT(options),
    .flags = INK_NEEDS_MODEL | INK_LONG_RUNNING | INK_LOCAL_FILES,
    .run = run,
};
