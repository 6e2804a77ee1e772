/* SPDX-License-Identifier: MIT */
#ifndef INK_COMMAND_COMMAND_H
#define INK_COMMAND_COMMAND_H

/*
 * command: the table of everything a person can ask for.
 *
 * One row a command. Cells, the program's subcommands, help, completion,
 * inspection, "did you mean", the man page and the HTTP routes all read this
 * table; a command itself never knows who is looking. It takes a context and
 * checked arguments and gives one bundle; what it has to say on the way goes
 * to the sink.
 *
 *     ink_command_find -> ink_args_parse -> ink_command_run
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/status.h"
#include "kernel/render/bundle.h"
#include "model/compute.h"

struct ink_session;
struct ink_command;

enum { INK_WORD_KIND_MAX = 4 };

enum ink_option_type {
    INK_OPTION_FLAG,   /* --fresh: given or not, takes no value */
    INK_OPTION_INT,    /* a whole number in [min, max] */
    INK_OPTION_REAL,   /* a finite number in [min, max] */
    INK_OPTION_TEXT,   /* anything; see metavar */
    INK_OPTION_CHOICE, /* one of `choices` */
};

/* What a word stands for, so that it can be completed. */
enum ink_word_kind {
    INK_WORD_ANY,
    INK_WORD_ACTION,  /* one of the command's `actions` */
    INK_WORD_COMMAND, /* or a help topic */
    INK_WORD_PICTURE,
    INK_WORD_LAYER,
    INK_WORD_MODEL,
    INK_WORD_ARCH,   /* of the zoo */
    INK_WORD_RECIPE, /* of the zoo */
    INK_WORD_DATA,
    INK_WORD_FILE,
};

struct ink_option {
    const char *name; /* "epochs", without dashes */
    enum ink_option_type type;
    const char *metavar;     /* "N", "FILE"; NULL for flags and choices */
    const char *fallback;    /* the value's text when it is not given; NULL = none */
    double min, max;         /* numbers only */
    const char *choices;     /* "adam|adamw|sgd"; of a text: words that are offered beside others */
    enum ink_word_kind kind; /* of the value */
    const char *help;        /* one line, no full stop */
};

enum ink_command_flag {
    INK_NEEDS_MODEL = 1 << 0,     /* there must be a network (there is: the one that ships) */
    INK_CHANGES_SESSION = 1 << 1, /* what later commands answer may differ */
    INK_LONG_RUNNING = 1 << 2,    /* may take seconds; stops when cancelled */
    INK_LOCAL_FILES = 1 << 3,     /* reads or writes files by name: not for strangers over HTTP */
    INK_TAKES_BLOCK = 1 << 4,     /* indented lines may follow */
};

/* Where a command talks while it runs. Called in the thread that runs the command. */
struct ink_sink {
    void *self;
    /* Running commentary, whole lines. */
    void (*print)(void *self, const char *text);
    /*
     * Show a bundle now. With a display_id it can be updated later (is_update) under that id.
     * In the text/plain of an updated display every line but the last is final.
     */
    void (*display)(void *self, const struct ink_bundle *bundle, const char *display_id,
                    bool is_update);
    /*
     * A sink that talks to the same place after the command has ended, from any one thread; NULL on
     * lack of memory. release gives it back. Both may be NULL: then there is none.
     */
    struct ink_sink *(*keep)(void *self);
    void (*release)(struct ink_sink *sink);
    bool is_plain; /* it shows words only (struct ink_bundle) */
};

struct ink_context {
    struct ink_session *session;
    const struct ink_sink *sink;
    const atomic_bool *cancel; /* set = stop soon with INK_CANCELLED; never NULL */
    const char *block;         /* the indented lines below the command, unindented; "" if none */
};

/* A command's words, checked against its row. */
struct ink_args {
    const struct ink_command *command;
    size_t word_count; /* positional arguments */
    char **word;       /* [word_count] */
    char **value;      /* [option_count] text of each option; NULL = not given */
    char *out_file;    /* --out: where the result is written too; NULL = nowhere */
    bool is_json;      /* --json: the numbers rather than the words */
    bool is_help;      /* --help: what the command does rather than doing it */
};

/*
 * Run a command.
 *
 *   out_bundle   empty before; may stay empty (nothing to show)
 *
 * Errors   the command's own; INK_CANCELLED when ctx->cancel was seen set
 * Threads  one command at a time a session
 */
typedef enum ink_status (*ink_command_fn)(const struct ink_context *ctx,
                                          const struct ink_args *args,
                                          struct ink_bundle *out_bundle, struct ink_err *err);

struct ink_command {
    const char *name;
    const char *synopsis; /* positional arguments: "PICTURES..." */
    const char *summary;  /* one line, no full stop */
    const char *help;     /* paragraphs and examples, plain text */
    size_t word_min, word_max;
    enum ink_word_kind
        word_kind[INK_WORD_KIND_MAX]; /* of the words; 0 ends, the last one repeats */
    const char *actions;              /* "list|use": what the first word may be */
    const struct ink_option *option;  /* [option_count], in the order of the help */
    size_t option_count;
    unsigned flags; /* enum ink_command_flag */
    ink_command_fn run;
};

/* All commands, sorted by name. */
size_t ink_command_count(void);
const struct ink_command *ink_command_get(size_t index);

/* The command of that name, or NULL. */
const struct ink_command *ink_command_find(const char *name);

/* As ink_command_find. Errors: INK_BADARG with "did you mean". */
INK_MUST_CHECK enum ink_status ink_command_find_or_suggest(const char *name,
                                                           const struct ink_command **out_command,
                                                           struct ink_err *err);

/* The option of that name, or NULL; --json, --out and --help are in every command's row. */
const struct ink_option *ink_option_find(const struct ink_command *command, const char *name);

/*
 * Check words (without the command's name) against a command's row. Options may stand anywhere,
 * as --name value or --name=value; `--` ends them; -o is --save where there is one.
 *
 * Errors   INK_BADARG  an unknown option (with "did you mean"), a value missing, not a number or
 *                      out of range, too few or too many words
 * Memory   copies; ink_args_fini
 */
INK_MUST_CHECK enum ink_status ink_args_parse(const struct ink_command *command,
                                              const char *const *words, size_t word_count,
                                              struct ink_args *out_args, struct ink_err *err);
void ink_args_fini(struct ink_args *args);

/* Run the command, or for --help show its help. Errors have no prefix: the front end adds the
 * command's name where it helps. */
INK_MUST_CHECK enum ink_status ink_command_run(const struct ink_context *ctx,
                                               const struct ink_args *args,
                                               struct ink_bundle *out_bundle, struct ink_err *err);

/* An option's value, given or default. The name must be in the row, and of that type. */
bool ink_args_has(const struct ink_args *args, const char *name); /* given by the user */
bool ink_args_flag(const struct ink_args *args, const char *name);
int64_t ink_args_int(const struct ink_args *args, const char *name);
double ink_args_real(const struct ink_args *args, const char *name);
/* The options --precision f32|bf16|auto and --engine fast|reference. */
struct ink_compute ink_args_compute(const struct ink_args *args);
const char *ink_args_text(const struct ink_args *args, const char *name); /* NULL: no default */

#endif
