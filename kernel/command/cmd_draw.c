/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "base/cleanup.h"
#include "kernel/command/command_priv.h"
#include "kernel/command/draw.h"
#include "kernel/command/session.h"

/* clang-format off */
static const struct ink_option options[] = {
    {.name = "size", .type = INK_OPTION_INT, .metavar = "PIXELS", .fallback = "280", .min = 100, .max = 1000,
     .help = "side of the canvas"},
    {.name = "brush", .type = INK_OPTION_INT, .metavar = "PIXELS", .fallback = "22", .min = 1, .max = 100,
     .help = "width of the pen on the canvas; the network sees strokes at a fixed width"},
};
/* clang-format on */

static enum ink_status
run(const struct ink_context *ctx, const struct ink_args *args, struct ink_bundle *out_bundle,
    struct ink_err *err)
{
    struct ink_draw_view view = {.size = (int)ink_args_int(args, "size"),
                                 .brush = (int)ink_args_int(args, "brush")};
    char id[INK_SESSION_VIEW_ID_MAX];

    (void)err;
    ink_session_new_view_id(ctx->session, id);
    view.id = id;
    ink_draw_bundle(&view, out_bundle);
    return INK_OK;
}

const struct ink_command ink_command_draw = {
    .name = "draw",
    .synopsis = "",
    .summary = "draw a digit and watch the network",
    .help = "Opens a canvas: mouse, touch or pen; undo, clear, pen width. While you draw, the\n"
            "picture that the network sees, its ten probabilities and its first layers\n"
            "follow. What was drawn is 'drawn' in later commands, drawn[-2] the one before.\n"
            "\n"
            "  draw\n"
            "  predict drawn\n"
            "  inspect conv1 drawn",
    .option = options,
    .option_count = INK_COUNT(options),
    .flags = INK_NEEDS_MODEL | INK_CHANGES_SESSION,
    .run = run,
};
