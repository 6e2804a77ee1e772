/* SPDX-License-Identifier: MIT */
#ifndef INK_COMMAND_HELP_H
#define INK_COMMAND_HELP_H

/* help: what the table says of the commands, for every reader. */

#include "base/buf.h"
#include "base/json.h"
#include "kernel/command/command.h"

/* What concerns several commands: `help pictures`. */
struct ink_topic {
    const char *name, *title, *summary, *text;
};
extern const struct ink_topic ink_topic[];
extern const size_t ink_topic_count;
const struct ink_topic *ink_topic_find(const char *name); /* or NULL */
void ink_topic_show(const struct ink_topic *topic, struct ink_bundle *out_bundle);

extern const char ink_help_introduction[];
extern const char ink_help_man_end[];

/* The reference for the README, and the manual page. */
void ink_help_markdown(struct ink_buf *buf);
void ink_help_man(const char *version, struct ink_buf *buf);

/* {"name","synopsis","summary","help","options":[{"name","type","help","default",...}]} */
struct ink_json *ink_command_to_json(const struct ink_command *command);

#endif
