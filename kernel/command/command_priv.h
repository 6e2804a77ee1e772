/* SPDX-License-Identifier: MIT */
#ifndef INK_COMMAND_COMMAND_PRIV_H
#define INK_COMMAND_COMMAND_PRIV_H

/* command_priv: the rows, each defined beside the function that runs it. */

#include "kernel/command/command.h"

extern const struct ink_command ink_command_data;
extern const struct ink_command ink_command_draw;
extern const struct ink_command ink_command_evaluate;
extern const struct ink_command ink_command_export;
extern const struct ink_command ink_command_help;
extern const struct ink_command ink_command_import;
extern const struct ink_command ink_command_inspect;
extern const struct ink_command ink_command_jobs;
extern const struct ink_command ink_command_layers;
extern const struct ink_command ink_command_model;
extern const struct ink_command ink_command_predict;
extern const struct ink_command ink_command_serve;
extern const struct ink_command ink_command_show;
extern const struct ink_command ink_command_stop;
extern const struct ink_command ink_command_train;

/* Items of an array. */
#define INK_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* --json, --out and --help: what every command understands. */
extern const struct ink_option ink_common_option[];
extern const size_t ink_common_option_count;

/* Whether a command has an option of its own under the name of a common one (export --out). */
bool ink_option_is_replaced(const struct ink_command *command, const struct ink_option *common);

/* What the help of a command says, in all its forms. */
void ink_help_show(const struct ink_command *command, struct ink_bundle *out_bundle);
/* The text alone: a line or all of it. */
void ink_help_text(const struct ink_command *command, struct ink_buf *buf);
void ink_help_option(const struct ink_option *option, struct ink_buf *buf);

/*
 * Whether a value's text is of the option's type and in its range. `what` names it in the message:
 * "--epochs", "mine.json: epochs".
 *
 * Errors   INK_BADARG
 */
INK_MUST_CHECK enum ink_status ink_option_check(const char *what, const struct ink_option *option,
                                                const char *value, struct ink_err *err);

/* "--epochs N" */
void ink_option_usage(const struct ink_option *option, struct ink_buf *buf);
/* "1 to 1000; default 5", "adam, adamw or sgd"; nothing if there is nothing to say. */
void ink_option_range(const struct ink_option *option, struct ink_buf *buf);

#endif
