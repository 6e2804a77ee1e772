/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "base/cleanup.h"
#include "kernel/command/command_priv.h"
#include "kernel/command/help.h"
#include "kernel/command/version.h"
#include "kernel/render/table.h"

/* clang-format off */
static const struct ink_option options[] = {
    {.name = "markdown", .type = INK_OPTION_FLAG, .help = "give the whole reference as Markdown"},
    {.name = "man", .type = INK_OPTION_FLAG, .help = "give the manual page as roff"},
};
/* clang-format on */

static void
show_overview(struct ink_bundle *out_bundle)
{
    INK_CLEANUP(ink_table_fini) struct ink_table commands, topics;
    INK_CLEANUP(ink_json_destroy) struct ink_json *json = ink_json_array();
    struct ink_buf text = {0}, html = {0};

    ink_table_init(&commands, "command|what it does");
    for (size_t i = 0; i < ink_command_count(); i++) {
        ink_table_add(&commands, ink_command_get(i)->name);
        ink_table_add(&commands, ink_command_get(i)->summary);
        ink_json_push(json, ink_command_to_json(ink_command_get(i)));
    }
    ink_table_init(&topics, "topic|what it explains");
    for (size_t i = 0; i < ink_topic_count; i++) {
        ink_table_add(&topics, ink_topic[i].name);
        ink_table_add(&topics, ink_topic[i].summary);
    }
    ink_buf_printf(&text, "%s\n\n", ink_help_introduction);
    ink_table_text(&commands, &text);
    ink_buf_putc(&text, '\n');
    ink_table_text(&topics, &text);
    ink_buf_puts(&text, "\nhelp COMMAND or COMMAND --help says more.\n");
    ink_table_html(&commands, &html);
    ink_table_html(&topics, &html);
    ink_buf_puts(&html, "<p><code>help COMMAND</code> or <code>COMMAND --help</code> says more."
                        "</p>");
    ink_bundle_add_answer(out_bundle, &text, &html, json);
}

static enum ink_status
run(const struct ink_context *ctx, const struct ink_args *args, struct ink_bundle *out_bundle,
    struct ink_err *err)
{
    const struct ink_command *command;
    const struct ink_topic *topic;
    struct ink_buf text = {0};
    enum ink_status status;

    (void)ctx;
    if (ink_args_flag(args, "markdown") || ink_args_flag(args, "man")) {
        if (ink_args_flag(args, "man"))
            ink_help_man(INK_VERSION, &text);
        else
            ink_help_markdown(&text);
        ink_bundle_add(out_bundle, INK_MIME_TEXT, &text);
        return INK_OK;
    }
    if (args->word_count == 0) {
        show_overview(out_bundle);
        return INK_OK;
    }
    topic = ink_topic_find(args->word[0]);
    if (topic) {
        ink_topic_show(topic, out_bundle);
        return INK_OK;
    }
    status = ink_command_find_or_suggest(args->word[0], &command, err);
    if (status != INK_OK)
        return status;
    ink_help_show(command, out_bundle);
    return INK_OK;
}

const struct ink_command ink_command_help = {
    .name = "help",
    .synopsis = "[COMMAND|TOPIC]",
    .summary = "list the commands, or explain one",
    .help = "Without a word: all commands and topics. With a command's name: what it does,\n"
            "its options with their limits and defaults, and examples. Topics are\n"
            "architectures, cells, pictures and program.",
    .word_max = 1,
    .word_kind = {INK_WORD_COMMAND},
    .option = options,
    .option_count = INK_COUNT(options),
    .run = run,
};
