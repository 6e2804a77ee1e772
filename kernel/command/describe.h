/* SPDX-License-Identifier: MIT */
#ifndef INK_COMMAND_DESCRIBE_H
#define INK_COMMAND_DESCRIBE_H

/* describe: a network in words and numbers. */

#include "base/buf.h"
#include "base/json.h"
#include "kernel/command/models.h"

/* Append the table of layers, in both forms, with the sum of the parameters. */
void ink_describe_layers(const struct ink_arch *arch, struct ink_buf *text, struct ink_buf *html);

/* Append what is known of a model in one line: "inkling:3, 192,618 parameters, learned from ...".
 */
void ink_describe_line(const struct ink_model *model, struct ink_buf *text);

/* {"name","version","parameters","nodes":[...],"record":{...}} */
struct ink_json *ink_describe_json(const struct ink_model *model);

#endif
