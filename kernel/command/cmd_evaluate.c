/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "kernel/command/command_priv.h"
#include "kernel/command/models.h"
#include "kernel/command/predict.h"
#include "kernel/command/session.h"
#include "kernel/command/wilson.h"
#include "kernel/render/confusion.h"
#include "kernel/render/grid.h"
#include "kernel/render/still.h"
#include "kernel/render/text.h"
#include "model/trainer.h"

/* clang-format off */
static const struct ink_option options[] = {
    {.name = "data", .type = INK_OPTION_TEXT, .metavar = "NAME", .kind = INK_WORD_DATA,
     .help = "a data set, folder or stroke file instead of the session's"},
    {.name = "split", .type = INK_OPTION_CHOICE, .choices = "test|train", .fallback = "test",
     .help = "which half of it"},
    {.name = "model", .type = INK_OPTION_TEXT, .metavar = "NAME", .kind = INK_WORD_MODEL,
     .help = "a network instead of the current one: NAME[:VERSION] or a file"},
    {.name = "worst", .type = INK_OPTION_INT, .metavar = "N", .fallback = "20", .max = 500,
     .help = "show that many of the worst mistakes"},
    {.name = "threads", .type = INK_OPTION_INT, .metavar = "N", .fallback = "0", .max = 256,
     .help = "compute on that many threads, 0 = as INKLING_THREADS says, else all cores"},
    {.name = "precision", .type = INK_OPTION_CHOICE, .choices = "f32|bf16|auto", .fallback = "f32",
     .help = "what layers multiply: bf16 has 8 significant bits; auto = bf16 where it is faster"},
    {.name = "engine", .type = INK_OPTION_CHOICE, .choices = "fast|reference", .fallback = "fast",
     .help = "reference: plain loops, slow, which the fast ones are judged by"},
};
/* clang-format on */

/* A wrong answer. */
struct mistake {
    size_t index; /* in the data set */
    int label, prediction;
    float truth_probability, probability;
};

/* What is to be shown. */
struct outcome {
    const struct ink_snapshot *snapshot;
    const struct ink_dataset *dataset;
    const char *split;
    enum ink_engine engine;
    struct ink_evaluation evaluation;
    struct mistake *mistake; /* [mistake_count], the worst first */
    size_t mistake_count, shown;
    double low, high; /* of the accuracy, 95 % */
};

/* The less the truth was believed, the worse. */
static int
by_badness(const void *a, const void *b)
{
    const struct mistake *left = a, *right = b;

    if (left->truth_probability < right->truth_probability)
        return -1;
    if (left->truth_probability > right->truth_probability)
        return 1;
    return left->index < right->index ? -1 : 1;
}

static enum ink_status
find_mistakes(struct outcome *outcome, struct ink_err *err)
{
    const struct ink_evaluation *evaluation = &outcome->evaluation;
    size_t wrong = evaluation->count - evaluation->correct;

    outcome->mistake = calloc(wrong + 1, sizeof(*outcome->mistake));
    if (!outcome->mistake)
        return ink_fail(err, INK_NOMEM, "out of memory for %zu mistakes", wrong);
    for (size_t i = 0; i < evaluation->count && outcome->mistake_count < wrong; i++) {
        const float *probabilities = evaluation->probabilities + i * INK_CLASS_COUNT;
        int best = ink_prediction_best(probabilities), label = outcome->dataset->labels[i];

        if (best != label)
            outcome->mistake[outcome->mistake_count++] =
                (struct mistake){i, label, best, probabilities[label], probabilities[best]};
    }
    qsort(outcome->mistake, outcome->mistake_count, sizeof(*outcome->mistake), by_badness);
    if (outcome->shown > outcome->mistake_count)
        outcome->shown = outcome->mistake_count;
    return INK_OK;
}

/* ---- what it looks like ---- */

static void
put_summary(const struct outcome *outcome, struct ink_buf *text)
{
    const struct ink_evaluation *evaluation = &outcome->evaluation;

    ink_text_percent(text, (double)evaluation->correct / (double)evaluation->count);
    ink_buf_puts(text, " of ");
    ink_text_count(text, (long long)evaluation->count);
    ink_buf_puts(text, " right (95 % interval ");
    ink_text_percent(text, outcome->low);
    ink_buf_puts(text, " to ");
    ink_text_percent(text, outcome->high);
    ink_buf_printf(text, "), loss %.4f; ", evaluation->loss);
    ink_text_clean(text, outcome->dataset->name);
    ink_buf_puts(text, ", ");
    ink_model_title(ink_snapshot_record(outcome->snapshot), text);
    ink_buf_printf(text, ", %.2f s", evaluation->elapsed_s);
}

static void
add_worst(const struct outcome *outcome, struct ink_buf *text, struct ink_buf *html)
{
    INK_CLEANUP(ink_figure_fini) struct ink_figure figure = {0};
    struct ink_grid_plan plan = {.title = "the worst mistakes",
                                 .count = outcome->shown,
                                 .tile_width = 3 * INK_PICTURE_SIDE,
                                 .tile_height = 3 * INK_PICTURE_SIDE,
                                 .caption_count = 2};
    struct ink_grid grid;

    if (outcome->shown == 0)
        return;
    ink_buf_puts(text, "\nworst mistakes (picture: truth, answer)\n");
    ink_grid_begin(&grid, &figure, &plan);
    for (size_t i = 0; i < outcome->shown; i++) {
        const struct mistake *mistake = &outcome->mistake[i];
        char words[64];

        ink_buf_printf(text, "  %s[%zu]: %d, %d with %.2f %%\n", outcome->split, mistake->index,
                       mistake->label, mistake->prediction, (double)mistake->probability * 100);
        ink_grid_digit(&grid, i, outcome->dataset->pixels + mistake->index * INK_PICTURE_SIZE);
        (void)snprintf(words, sizeof(words), "%d not %d", mistake->label, mistake->prediction);
        ink_grid_caption(&grid, i, 0, INK_COLOUR_WRONG, words);
        (void)snprintf(words, sizeof(words), "%s[%zu]", outcome->split, mistake->index);
        ink_grid_caption(&grid, i, 1, INK_COLOUR_MUTED, words);
    }
    ink_still_add(NULL, &figure, "the worst mistakes", html);
}

static struct ink_json *
confusion_to_json(const struct ink_evaluation *evaluation)
{
    struct ink_json *rows = ink_json_array();

    for (int i = 0; i < INK_CLASS_COUNT; i++) {
        struct ink_json *row = ink_json_array();

        for (int j = 0; j < INK_CLASS_COUNT; j++)
            ink_json_push(row, ink_json_from_int(evaluation->confusion[i][j]));
        ink_json_push(rows, row);
    }
    return rows;
}

static struct ink_json *
per_digit_to_json(const struct ink_evaluation *evaluation)
{
    struct ink_json *list = ink_json_array();

    for (int i = 0; i < INK_CLASS_COUNT; i++) {
        uint32_t sum = 0;

        for (int j = 0; j < INK_CLASS_COUNT; j++)
            sum += evaluation->confusion[i][j];
        ink_json_push(
            list, sum > 0 ? ink_json_from_double((double)evaluation->confusion[i][i] / (double)sum)
                          : ink_json_from_null());
    }
    return list;
}

static struct ink_json *
worst_to_json(const struct outcome *outcome)
{
    struct ink_json *list = ink_json_array();

    for (size_t i = 0; i < outcome->shown; i++) {
        const struct mistake *mistake = &outcome->mistake[i];
        struct ink_json *json = ink_json_object();
        char source[64];

        (void)snprintf(source, sizeof(source), "%s[%zu]", outcome->split, mistake->index);
        ink_json_set_string(json, "source", source);
        ink_json_set_int(json, "label", mistake->label);
        ink_json_set_int(json, "prediction", mistake->prediction);
        ink_json_set_float(json, "probability", mistake->probability);
        ink_json_set_float(json, "truth_probability", mistake->truth_probability);
        ink_json_push(list, json);
    }
    return list;
}

static struct ink_json *
to_json(const struct outcome *outcome)
{
    const struct ink_evaluation *evaluation = &outcome->evaluation;
    const struct ink_record *record = ink_snapshot_record(outcome->snapshot);
    struct ink_json *json = ink_json_object(), *interval = ink_json_array();
    INK_CLEANUP(ink_buf_fini) struct ink_buf data = {0};

    ink_json_push(interval, ink_json_from_double(outcome->low));
    ink_json_push(interval, ink_json_from_double(outcome->high));
    ink_text_clean(&data, outcome->dataset->name);
    ink_json_set_double(json, "accuracy", (double)evaluation->correct / (double)evaluation->count);
    ink_json_set(json, "interval", interval);
    ink_json_set_int(json, "count", (int64_t)evaluation->count);
    ink_json_set_int(json, "correct", (int64_t)evaluation->correct);
    ink_json_set_double(json, "loss", evaluation->loss);
    ink_json_set(json, "confusion", confusion_to_json(evaluation));
    ink_json_set(json, "per_digit", per_digit_to_json(evaluation));
    ink_json_set(json, "worst", worst_to_json(outcome));
    ink_json_set_string(json, "data", ink_buf_text(&data));
    ink_json_set(json, "model", ink_model_to_json(record->name, record->version));
    ink_json_set_double(json, "elapsed_s", evaluation->elapsed_s);
    ink_engine_to_json(outcome->engine, json);
    return json;
}

static void
show(const struct outcome *outcome, struct ink_bundle *bundle)
{
    INK_CLEANUP(ink_json_destroy) struct ink_json *json = to_json(outcome);
    INK_CLEANUP(ink_figure_fini) struct ink_figure figure = {0};
    INK_CLEANUP(ink_buf_fini) struct ink_buf summary = {0}, table = {0};
    struct ink_buf text = {0}, html = {0};

    put_summary(outcome, &summary);
    ink_buf_printf(&text, "%s\n\n", ink_buf_text(&summary));
    ink_confusion_text(&text, outcome->evaluation.confusion);
    ink_buf_puts(&html, "<p>");
    ink_buf_html(&html, ink_buf_text(&summary));
    ink_buf_puts(&html, "</p>");
    ink_confusion_figure(&figure, outcome->evaluation.confusion);
    ink_still_add(bundle, &figure, "confusion matrix: truth down, answer across", &html);
    ink_buf_puts(&html, "<br>");
    add_worst(outcome, &text, &html);
    ink_confusion_html(&table, outcome->evaluation.confusion);
    ink_still_details(&html, "the matrix as numbers", ink_buf_text(&table));
    ink_bundle_add_answer(bundle, &text, &html, json);
}

static enum ink_status
run(const struct ink_context *ctx, const struct ink_args *args, struct ink_bundle *out_bundle,
    struct ink_err *err)
{
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *snapshot = NULL;
    INK_CLEANUP(ink_dataset_unrefp) struct ink_dataset *dataset = NULL;
    INK_CLEANUP(ink_freep) float *probabilities = NULL;
    INK_CLEANUP(ink_freep) struct mistake *mistakes = NULL;
    struct outcome outcome = {.split = ink_args_text(args, "split"),
                              .shown = (size_t)ink_args_int(args, "worst")};
    enum ink_split split = *outcome.split == 't' && outcome.split[1] == 'e' ? INK_TEST : INK_TRAIN;
    enum ink_status status = ink_model_find(ctx, ink_args_text(args, "model"), &snapshot, err);

    if (status == INK_OK)
        status = ink_session_dataset(ctx->session, ink_args_text(args, "data"), split, ctx,
                                     &dataset, err);
    if (status != INK_OK)
        return status;
    if (dataset->count == 0)
        return ink_fail(err, INK_NOTFOUND, "%.100s has no pictures", dataset->name);
    outcome.snapshot = snapshot;
    outcome.dataset = dataset;
    outcome.engine = ink_args_compute(args).engine;
    status = ink_evaluate(snapshot, dataset, (int)ink_args_int(args, "threads"),
                          ink_args_compute(args), ctx->cancel, &outcome.evaluation, err);
    if (status != INK_OK)
        return status;
    probabilities = outcome.evaluation.probabilities;
    status = find_mistakes(&outcome, err);
    mistakes = outcome.mistake;
    if (status != INK_OK)
        return status;
    ink_wilson(outcome.evaluation.correct, outcome.evaluation.count, &outcome.low, &outcome.high);
    show(&outcome, out_bundle);
    return INK_OK;
}

const struct ink_command ink_command_evaluate = {
    .name = "evaluate",
    .synopsis = "",
    .summary = "how good the network is, and where it is wrong",
    .help = "The accuracy with its 95 % interval (Wilson), the mean cross entropy, how often\n"
            "each digit is taken for each other one, and the mistakes the network was\n"
            "surest of.\n"
            "\n"
            "  evaluate\n"
            "  evaluate --data strokes --worst 50\n"
            "  evaluate --data drawings.jsonl.gz --model mine:2",
    .option = options,
    .option_count = INK_COUNT(options),
    .flags = INK_NEEDS_MODEL | INK_LONG_RUNNING | INK_LOCAL_FILES,
    .run = run,
};
