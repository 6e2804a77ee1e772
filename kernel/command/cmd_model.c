/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/suggest.h"
#include "kernel/command/command_priv.h"
#include "kernel/command/describe.h"
#include "kernel/command/models.h"
#include "kernel/command/session.h"
#include "kernel/command/words.h"
#include "kernel/render/table.h"
#include "kernel/render/text.h"
#include "model/store.h"

/* clang-format off */
static const struct ink_option options[] = {
    {.name = "seed", .type = INK_OPTION_INT, .metavar = "N", .fallback = "1", .max = 1e15,
     .help = "for 'new': where the random weights start from"},
};
/* clang-format on */

/* ---- what the actions show ---- */

/* The model's table, with a line above. */
static void
show_model(const struct ink_model *model, const char *before, struct ink_bundle *out_bundle)
{
    INK_CLEANUP(ink_json_destroy) struct ink_json *json = ink_describe_json(model);
    struct ink_buf text = {0}, html = {0};

    ink_buf_puts(&text, before);
    ink_describe_line(model, &text);
    ink_buf_puts(&html, "<p>");
    ink_buf_html(&html, ink_buf_text(&text));
    ink_buf_puts(&html, "</p>");
    ink_buf_puts(&text, "\n\n");
    ink_describe_layers(model->arch, &text, &html);
    ink_bundle_add_answer(out_bundle, &text, &html, json);
}

/* One line about a snapshot that is now, or was just, dealt with. */
static void
show_line(const char *before, const struct ink_snapshot *snapshot, const char *after,
          struct ink_bundle *out_bundle)
{
    struct ink_model model = {.snapshot = snapshot, .arch = ink_snapshot_arch(snapshot)};
    const struct ink_record *record = ink_snapshot_record(snapshot);
    INK_CLEANUP(ink_json_destroy) struct ink_json *json = NULL;
    struct ink_buf text = {0}, html = {0};

    (void)snprintf(model.name, sizeof(model.name), "%s", record->name);
    model.version = record->version;
    json = ink_describe_json(&model);
    ink_buf_puts(&text, before);
    ink_describe_line(&model, &text);
    ink_text_clean(&text, after);
    ink_buf_puts(&html, "<p>");
    ink_buf_html(&html, ink_buf_text(&text));
    ink_buf_puts(&html, "</p>");
    ink_buf_putc(&text, '\n');
    ink_bundle_add_answer(out_bundle, &text, &html, json);
}

/* ---- the actions ---- */

typedef enum ink_status (*action_fn)(const struct ink_context *ctx, const struct ink_args *args,
                                     struct ink_bundle *out_bundle, struct ink_err *err);

static enum ink_status
describe(const struct ink_context *ctx, const struct ink_args *args, struct ink_bundle *out_bundle,
         struct ink_err *err)
{
    INK_CLEANUP(ink_model_fini) struct ink_model model = {0};
    enum ink_status status =
        ink_model_find_arch(ctx, args->word_count > 1 ? args->word[1] : NULL, &model, err);

    if (status == INK_OK)
        show_model(&model, "", out_bundle);
    return status;
}

static void
list_row(struct ink_table *table, struct ink_json *json, const char *name, const char *kind,
         const char *about)
{
    struct ink_json *row = ink_json_object();

    ink_table_add(table, name);
    ink_table_add(table, kind);
    ink_table_add(table, about);
    ink_json_set_string(row, "name", name);
    ink_json_set_string(row, "kind", kind);
    ink_json_set_string(row, "about", about);
    ink_json_push(json, row);
}

/* The store's networks. One that cannot be read is listed with the reason. */
static enum ink_status
list_store(const struct ink_context *ctx, struct ink_table *table, struct ink_json *json,
           struct ink_err *err)
{
    INK_CLEANUP(ink_freep) struct ink_store_entry *entries = NULL;
    const char *store;
    size_t count = 0;
    enum ink_status status;

    if (ink_session_store(ctx->session, &store, NULL) != INK_OK)
        return INK_OK; /* no store, nothing in it */
    status = ink_store_list(store, &entries, &count, err);
    for (size_t i = 0; status == INK_OK && i < count; i++) {
        INK_CLEANUP(ink_buf_fini) struct ink_buf about = {0};
        INK_CLEANUP(ink_model_fini) struct ink_model model = {0};
        struct ink_err cause = {0};
        char name[96];

        (void)snprintf(name, sizeof(name), "%s:%d", entries[i].name, entries[i].version);
        if (ink_model_find_arch(ctx, name, &model, &cause) == INK_OK)
            ink_describe_line(&model, &about);
        else
            ink_text_clean(&about, cause.message);
        list_row(table, json, name, "trained", ink_buf_text(&about));
    }
    return status;
}

/* What the newest job has learned, if it did. */
static void
list_job(const struct ink_context *ctx, struct ink_table *table, struct ink_json *json)
{
    INK_CLEANUP(ink_model_fini) struct ink_model model = {0};
    INK_CLEANUP(ink_buf_fini) struct ink_buf about = {0};

    model.snapshot = ink_session_job(ctx->session);
    if (!model.snapshot)
        return;
    model.arch = ink_snapshot_arch(model.snapshot);
    (void)snprintf(model.name, sizeof(model.name), "%s", ink_snapshot_record(model.snapshot)->name);
    ink_describe_line(&model, &about);
    list_row(table, json, "job", "trained in the background", ink_buf_text(&about));
}

static enum ink_status
list(const struct ink_context *ctx, const struct ink_args *args, struct ink_bundle *out_bundle,
     struct ink_err *err)
{
    INK_CLEANUP(ink_table_fini) struct ink_table table;
    INK_CLEANUP(ink_json_destroy) struct ink_json *json = ink_json_array();
    struct ink_buf text = {0}, html = {0};
    enum ink_status status;

    (void)args;
    ink_table_init(&table, "name|kind|about");
    list_row(&table, json, "inkling", "comes with the program", "what a session starts with");
    list_job(ctx, &table, json);
    status = list_store(ctx, &table, json, err);
    if (status != INK_OK)
        return status;
    for (size_t i = 0; i < ink_zoo_count(INK_ZOO_ARCH); i++) {
        struct ink_zoo_entry entry = ink_zoo_get(INK_ZOO_ARCH, i);

        list_row(&table, json, entry.name, "architecture", entry.summary);
    }
    ink_table_text(&table, &text);
    ink_table_html(&table, &html);
    ink_bundle_add_answer(out_bundle, &text, &html, json);
    return INK_OK;
}

static enum ink_status
use(const struct ink_context *ctx, const struct ink_args *args, struct ink_bundle *out_bundle,
    struct ink_err *err)
{
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *snapshot = NULL;
    enum ink_status status;

    if (args->word_count < 2)
        return ink_fail(err, INK_BADARG, "too few words, expected: model %s %s", args->word[0],
                        strcmp(args->word[0], "load") == 0 ? "FILE" : "NAME[:VERSION]");
    if (strcmp(args->word[0], "use") == 0) {
        status = ink_model_use(ctx, args->word[1], &snapshot, err);
    } else {
        status = ink_snapshot_load(args->word[1], &snapshot, err);
        if (status == INK_OK)
            ink_model_choose(ctx, snapshot);
    }
    if (status != INK_OK)
        return status;
    show_line("now in use: ", snapshot, "", out_bundle);
    return INK_OK;
}

static enum ink_status
check_name(const char *name, struct ink_err *err)
{
    if (ink_store_is_name(name))
        return INK_OK;
    return ink_fail(err, INK_BADARG,
                    "'%.64s' is not a model's name, expected 1 to 63 of A-Z a-z 0-9 _ -", name);
}

static enum ink_status
parse_text(const char *text, size_t size, struct ink_arch **out_arch, struct ink_err *err)
{
    struct ink_err cause = {0};
    enum ink_status status = ink_arch_parse(text, size, out_arch, &cause);

    return status == INK_OK ? status : ink_fail(err, status, "architecture, %s", cause.message);
}

/* The text of a new network: the block, else a file or the zoo. */
static enum ink_status
parse_new(const struct ink_context *ctx, const struct ink_args *args, struct ink_arch **out_arch,
          struct ink_err *err)
{
    struct ink_zoo_entry entry;
    const char *names[64];
    const char *similar;
    size_t count = 0;

    if (*ctx->block)
        return parse_text(ctx->block, strlen(ctx->block), out_arch, err);
    if (args->word_count < 3)
        return ink_fail(err, INK_BADARG,
                        "an architecture is missing, expected one of the zoo ('model list') or "
                        "indented lines below (see 'help architectures')");
    if (strchr(args->word[2], '/') || ink_model_is_arch_path(args->word[2]))
        return ink_model_load_arch(args->word[2], out_arch, err);
    if (ink_zoo_find(INK_ZOO_ARCH, args->word[2], &entry))
        return ink_arch_parse(entry.text, entry.size, out_arch, err);
    for (size_t i = 0; i < ink_zoo_count(INK_ZOO_ARCH) && count < INK_COUNT(names); i++)
        names[count++] = ink_zoo_get(INK_ZOO_ARCH, i).name;
    similar = ink_suggest(args->word[2], names, count);
    return ink_fail(err, INK_NOTFOUND, "no architecture '%.64s'%s%s%s", args->word[2],
                    similar ? ", did you mean '" : ", expected one that 'model list' lists",
                    similar ? similar : "", similar ? "'?" : "");
}

static enum ink_status
new_model(const struct ink_context *ctx, const struct ink_args *args, struct ink_bundle *out_bundle,
          struct ink_err *err)
{
    INK_CLEANUP(ink_arch_destroy) struct ink_arch *arch = NULL;
    INK_CLEANUP(ink_model_fini) struct ink_model model = {0};
    struct ink_record record = {.loss = (double)NAN, .accuracy = (double)NAN};
    enum ink_status status;

    if (args->word_count < 2)
        return ink_fail(err, INK_BADARG, "too few words, expected: model new NAME [ARCHITECTURE]");
    status = check_name(args->word[1], err);
    if (status == INK_OK)
        status = parse_new(ctx, args, &arch, err);
    if (status != INK_OK)
        return status;
    (void)snprintf(record.name, sizeof(record.name), "%s", args->word[1]);
    record.seed = (unsigned long long)ink_args_int(args, "seed");
    ink_clock_date(record.date);
    status = ink_snapshot_create(arch, &record, record.seed, &model.snapshot, err);
    if (status != INK_OK)
        return status;
    model.arch = ink_snapshot_arch(model.snapshot);
    (void)snprintf(model.name, sizeof(model.name), "%s", record.name);
    ink_model_choose(ctx, model.snapshot);
    show_model(&model, "now in use: ", out_bundle);
    return INK_OK;
}

/* The session's network under another name. */
static enum ink_status
publish_as(const struct ink_context *ctx, const struct ink_snapshot *snapshot, const char *name,
           struct ink_bundle *out_bundle, struct ink_err *err)
{
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *renamed = NULL;
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *stored = NULL;
    const char *store;
    char after[320];
    int version;
    enum ink_status status = ink_session_store(ctx->session, &store, err);

    if (status == INK_OK)
        status = ink_model_rename(snapshot, name, &renamed, err);
    if (status == INK_OK)
        status = ink_store_publish(store, renamed, &version, err);
    if (status == INK_OK)
        status = ink_store_load(store, name, version, &stored, err);
    if (status != INK_OK)
        return status;
    ink_session_replace(ctx->session, snapshot, stored);
    (void)snprintf(after, sizeof(after), "; in %.200s", store);
    show_line("saved: ", stored, after, out_bundle);
    return INK_OK;
}

static enum ink_status
save(const struct ink_context *ctx, const struct ink_args *args, struct ink_bundle *out_bundle,
     struct ink_err *err)
{
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *snapshot = NULL;
    const char *name;
    char after[320];
    enum ink_status status = ink_session_snapshot(ctx->session, &snapshot, err);

    if (status != INK_OK)
        return status;
    name = args->word_count > 1 ? args->word[1] : ink_snapshot_record(snapshot)->name;
    if (ink_model_is_path(name)) {
        status = ink_snapshot_save(snapshot, name, err);
        (void)snprintf(after, sizeof(after), "; in %.200s", name);
        if (status == INK_OK)
            show_line("saved: ", snapshot, after, out_bundle);
        return status;
    }
    status = check_name(name, err);
    return status == INK_OK ? publish_as(ctx, snapshot, name, out_bundle, err) : status;
}

static const struct {
    const char *name;
    size_t word_max;
    action_fn run;
} actions[] = {
    {"describe", 2, describe}, {"list", 1, list}, {"load", 2, use},
    {"new", 3, new_model},     {"save", 2, save}, {"use", 2, use},
};

static enum ink_status
run(const struct ink_context *ctx, const struct ink_args *args, struct ink_bundle *out_bundle,
    struct ink_err *err)
{
    const char *names[INK_COUNT(actions)];
    const char *similar;

    if (args->word_count == 0)
        return describe(ctx, args, out_bundle, err);
    for (size_t i = 0; i < INK_COUNT(actions); i++) {
        names[i] = actions[i].name;
        if (strcmp(args->word[0], actions[i].name) != 0)
            continue;
        if (args->word_count > actions[i].word_max)
            return ink_fail(err, INK_BADARG, "too many words ('%.64s') for 'model %s'",
                            args->word[actions[i].word_max], actions[i].name);
        if (*ctx->block && actions[i].run != new_model)
            return ink_fail(err, INK_BADARG, "'model %s' takes no indented lines", actions[i].name);
        return actions[i].run(ctx, args, out_bundle, err);
    }
    similar = ink_suggest(args->word[0], names, INK_COUNT(names));
    if (similar)
        return ink_fail(err, INK_BADARG, "unknown action '%.64s', did you mean 'model %s'?",
                        args->word[0], similar);
    return ink_fail(err, INK_BADARG,
                    "unknown action '%.64s', expected describe, list, load, new, save or use",
                    args->word[0]);
}

const struct ink_command ink_command_model = {
    .name = "model",
    .synopsis = "[describe|list|load|new|save|use] [NAME]",
    .summary = "show, choose, make, save or load a network",
    .help = "Without a word: the network in use. A session starts with the one that comes\n"
            "with the program.\n"
            "\n"
            "  model list                 what there is: trained networks, architectures\n"
            "  model use NAME[:VERSION]   go on with a network of the store\n"
            "  model use job              ... with what trains in the background\n"
            "  model describe NAME        a network or architecture, layer by layer\n"
            "  model new mine keras       fresh weights for an architecture of the zoo\n"
            "  model new mine mine.arch   ... for one in a file\n"
            "  model new mine             ... for the indented lines that follow\n"
            "      image:  input 1x28x28\n"
            "      flat:   flatten\n"
            "      dense1: dense 10\n"
            "  model save [NAME]          keep it in the store as the next version\n"
            "  model save mine.safetensors\n"
            "  model load mine.safetensors",
    .word_max = 3,
    .word_kind = {INK_WORD_ACTION, INK_WORD_MODEL, INK_WORD_ARCH},
    .actions = "describe|list|load|new|save|use",
    .option = options,
    .option_count = INK_COUNT(options),
    .flags = INK_NEEDS_MODEL | INK_CHANGES_SESSION | INK_LOCAL_FILES | INK_TAKES_BLOCK,
    .run = run,
};
