/* SPDX-License-Identifier: MIT */
#include "model/history.h"

#include <assert.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

void
ink_history_init(struct ink_history *history, int epochs, size_t picture_count, size_t batch_size)
{
    struct ink_train_progress *progress = &history->progress;

    *history = (struct ink_history){.picture_count = picture_count, .curve_every = 1};
    progress->epoch = 1;
    progress->epoch_count = epochs;
    progress->step_count = (int64_t)((picture_count + batch_size - 1) / batch_size) * epochs;
    progress->loss = progress->validation_loss = (double)NAN;
    progress->accuracy = progress->validation_accuracy = progress->best_accuracy = (double)NAN;
}

void
ink_history_time(struct ink_history *history, double elapsed_s, double validation_s)
{
    struct ink_train_progress *progress = &history->progress;
    double share = (double)progress->step / (double)progress->step_count;
    double pictures = (double)history->picture_count * progress->epoch_count * share;

    progress->elapsed_s = elapsed_s;
    progress->validation_s = validation_s;
    if (progress->step == 0 || elapsed_s <= validation_s)
        return;
    progress->remaining_s = elapsed_s / share - elapsed_s;
    progress->images_per_s = pictures / (elapsed_s - validation_s);
}

/* Keep every second point. */
static void
thin_out(struct ink_history *history)
{
    struct ink_train_progress *progress = &history->progress;

    for (int i = 0; i < INK_TRAIN_CURVE_MAX / 2; i++) {
        progress->curve_step[i] = progress->curve_step[2 * i + 1];
        progress->curve_loss[i] = progress->curve_loss[2 * i + 1];
        progress->curve_accuracy[i] = progress->curve_accuracy[2 * i + 1];
    }
    progress->curve_count /= 2;
    history->curve_every *= 2;
}

void
ink_history_step(struct ink_history *history, double rate, double loss, double accuracy)
{
    struct ink_train_progress *progress = &history->progress;
    int64_t slot = progress->step++ % INK_HISTORY_RECENT_MAX;
    int64_t count =
        progress->step < INK_HISTORY_RECENT_MAX ? progress->step : INK_HISTORY_RECENT_MAX;
    double losses = 0, accuracies = 0;

    history->recent_loss[slot] = loss;
    history->recent_accuracy[slot] = accuracy;
    for (int64_t i = 0; i < count; i++) {
        losses += history->recent_loss[i];
        accuracies += history->recent_accuracy[i];
    }
    progress->loss = losses / (double)count;
    progress->accuracy = accuracies / (double)count;
    progress->learning_rate = rate;
    if (progress->step % history->curve_every != 0 && progress->step != progress->step_count)
        return;
    if (progress->curve_count == INK_TRAIN_CURVE_MAX)
        thin_out(history);
    progress->curve_step[progress->curve_count] = (float)progress->step;
    progress->curve_loss[progress->curve_count] = (float)progress->loss;
    progress->curve_accuracy[progress->curve_count++] = (float)progress->accuracy;
}

bool
ink_history_validation(struct ink_history *history, double loss, double accuracy)
{
    struct ink_train_progress *progress = &history->progress;
    int at = progress->validation_count;
    bool is_best = isnan(progress->best_accuracy) || accuracy > progress->best_accuracy ||
                   (accuracy >= progress->best_accuracy && loss < history->best_loss);

    if (at == INK_TRAIN_CURVE_MAX) { /* the newest stay */
        size_t size = (INK_TRAIN_CURVE_MAX - 1) * sizeof(float);

        at--;
        memmove(progress->validation_step, progress->validation_step + 1, size);
        memmove(progress->validation_losses, progress->validation_losses + 1, size);
        memmove(progress->validation_accuracies, progress->validation_accuracies + 1, size);
    }
    progress->validation_loss = loss;
    progress->validation_accuracy = accuracy;
    progress->validation_step[at] = (float)progress->step;
    progress->validation_losses[at] = (float)loss;
    progress->validation_accuracies[at] = (float)accuracy;
    progress->validation_count = at + 1;
    if (is_best) {
        progress->best_accuracy = accuracy;
        progress->best_epoch = progress->epoch;
        history->best_loss = loss;
    }
    return is_best;
}

/* ---- in a file ---- */

enum kind { KIND_INT, KIND_INT64, KIND_SIZE, KIND_BOOL, KIND_DOUBLE, KIND_FLOATS, KIND_DOUBLES };

#define AT(member)       offsetof(struct ink_history, member)
#define PROGRESS(member) offsetof(struct ink_history, progress.member)

/* clang-format off */
static const struct field {
    const char *name;
    enum kind kind;
    size_t at;
    double min, max;  /* whole numbers */
    size_t count_at;  /* floats: where the int with their number is */
} fields[] = {
    {"epoch",                 KIND_INT,     PROGRESS(epoch),                 1, 1e6, 0},
    {"epoch_count",           KIND_INT,     PROGRESS(epoch_count),           1, 1e6, 0},
    {"step",                  KIND_INT64,   PROGRESS(step),                  0, 1e15, 0},
    {"step_count",            KIND_INT64,   PROGRESS(step_count),            1, 1e15, 0},
    {"elapsed_s",             KIND_DOUBLE,  PROGRESS(elapsed_s),             0, 0, 0},
    {"remaining_s",           KIND_DOUBLE,  PROGRESS(remaining_s),           0, 0, 0},
    {"images_per_s",          KIND_DOUBLE,  PROGRESS(images_per_s),          0, 0, 0},
    {"learning_rate",         KIND_DOUBLE,  PROGRESS(learning_rate),         0, 0, 0},
    {"loss",                  KIND_DOUBLE,  PROGRESS(loss),                  0, 0, 0},
    {"accuracy",              KIND_DOUBLE,  PROGRESS(accuracy),              0, 0, 0},
    {"validation_loss",       KIND_DOUBLE,  PROGRESS(validation_loss),       0, 0, 0},
    {"validation_accuracy",   KIND_DOUBLE,  PROGRESS(validation_accuracy),   0, 0, 0},
    {"best_accuracy",         KIND_DOUBLE,  PROGRESS(best_accuracy),         0, 0, 0},
    {"best_epoch",            KIND_INT,     PROGRESS(best_epoch),            0, 1e6, 0},
    {"best_loss",             KIND_DOUBLE,  AT(best_loss),                   0, 0, 0},
    {"curve_count",           KIND_INT,     PROGRESS(curve_count),           0, INK_TRAIN_CURVE_MAX, 0},
    {"curve_step",            KIND_FLOATS,  PROGRESS(curve_step),            0, 0, PROGRESS(curve_count)},
    {"curve_loss",            KIND_FLOATS,  PROGRESS(curve_loss),            0, 0, PROGRESS(curve_count)},
    {"curve_accuracy",        KIND_FLOATS,  PROGRESS(curve_accuracy),        0, 0, PROGRESS(curve_count)},
    {"validation_count",      KIND_INT,     PROGRESS(validation_count),      0, INK_TRAIN_CURVE_MAX, 0},
    {"validation_step",       KIND_FLOATS,  PROGRESS(validation_step),       0, 0, PROGRESS(validation_count)},
    {"validation_losses",     KIND_FLOATS,  PROGRESS(validation_losses),     0, 0, PROGRESS(validation_count)},
    {"validation_accuracies", KIND_FLOATS,  PROGRESS(validation_accuracies), 0, 0, PROGRESS(validation_count)},
    {"recent_loss",           KIND_DOUBLES, AT(recent_loss),                 0, 0, 0},
    {"recent_accuracy",       KIND_DOUBLES, AT(recent_accuracy),             0, 0, 0},
    {"picture_count",         KIND_SIZE,    AT(picture_count),               1, 1e15, 0},
    {"curve_every",           KIND_INT64,   AT(curve_every),                 1, 1e15, 0},
    {"validation_s",          KIND_DOUBLE,  PROGRESS(validation_s),          0, 0, 0},
    {"epochs_done",           KIND_INT,     AT(epochs_done),                 0, 1e6, 0},
    {"is_over",               KIND_BOOL,    AT(is_over),                     0, 0, 0},
};
/* clang-format on */

/* A member more: a row above (is_validating alone needs none), then its size here. */
static_assert(sizeof(void *) != 8 || sizeof(struct ink_history) == 14040,
              "what a checkpoint keeps of a run");

static const void *
place(const struct ink_history *history, size_t at)
{
    return (const unsigned char *)history + at;
}

static struct ink_json *
doubles_to_json(const double *values, size_t count)
{
    struct ink_json *array = ink_json_array();

    for (size_t i = 0; i < count; i++)
        ink_json_push(array, ink_json_from_double(values[i]));
    return array;
}

struct ink_json *
ink_history_to_json(const struct ink_history *history)
{
    struct ink_json *json = ink_json_object();

    for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
        const struct field *field = &fields[i];
        const void *at = place(history, field->at);

        switch (field->kind) {
        case KIND_INT:
            ink_json_set_int(json, field->name, *(const int *)at);
            break;
        case KIND_INT64:
            ink_json_set_int(json, field->name, *(const int64_t *)at);
            break;
        case KIND_SIZE:
            ink_json_set_int(json, field->name, (int64_t) * (const size_t *)at);
            break;
        case KIND_BOOL:
            ink_json_set_bool(json, field->name, *(const bool *)at);
            break;
        case KIND_DOUBLE:
            ink_json_set_double(json, field->name, *(const double *)at);
            break;
        case KIND_FLOATS:
            ink_json_set(
                json, field->name,
                ink_json_from_floats(at, (size_t) * (const int *)place(history, field->count_at)));
            break;
        case KIND_DOUBLES:
            ink_json_set(json, field->name, doubles_to_json(at, INK_HISTORY_RECENT_MAX));
            break;
        }
    }
    return json;
}

static bool
read_array(const struct field *field, const struct ink_json *value, struct ink_history *history,
           void *at)
{
    bool is_floats = field->kind == KIND_FLOATS;
    int count = is_floats ? *(const int *)place(history, field->count_at) : INK_HISTORY_RECENT_MAX;
    int i = 0;

    if (!ink_json_is_array(value) || ink_json_count(value) != (size_t)count)
        return false;
    for (value = ink_json_first(value); value; value = ink_json_next(value), i++)
        if (is_floats)
            ((float *)at)[i] = (float)ink_json_number(value, (double)NAN);
        else
            ((double *)at)[i] = ink_json_number(value, (double)NAN);
    return true;
}

static bool
read_field(const struct field *field, const struct ink_json *value, struct ink_history *history)
{
    void *at = (unsigned char *)history + field->at;
    double number = ink_json_number(value, (double)NAN);

    switch (field->kind) {
    case KIND_BOOL:
        *(bool *)at = ink_json_bool(value, false);
        return ink_json_is_bool(value);
    case KIND_DOUBLE: /* null is NaN */
        *(double *)at = number;
        return ink_json_is_number(value) || ink_json_is_null(value);
    case KIND_FLOATS:
    case KIND_DOUBLES:
        return read_array(field, value, history, at);
    case KIND_INT:
    case KIND_INT64:
    case KIND_SIZE:
        break;
    }
    if (!(number >= field->min && number <= field->max) || number != floor(number))
        return false;
    if (field->kind == KIND_INT)
        *(int *)at = (int)number;
    else if (field->kind == KIND_INT64)
        *(int64_t *)at = (int64_t)number;
    else
        *(size_t *)at = (size_t)number;
    return true;
}

enum ink_status
ink_history_from_json(const struct ink_json *json, struct ink_history *out_history,
                      struct ink_err *err)
{
    struct ink_history history = {0};
    const struct ink_train_progress *progress = &history.progress;

    for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
        if (!read_field(&fields[i], ink_json_find(json, fields[i].name), &history))
            return ink_fail(err, INK_BADDATA, "the history's '%s' is missing or impossible",
                            fields[i].name);
    if (!(progress->elapsed_s >= 0 && progress->elapsed_s <= 1e9) ||
        !(progress->validation_s >= 0 && progress->validation_s <= 1e9))
        return ink_fail(err, INK_BADDATA, "the history's times are missing or impossible");
    if (progress->step > progress->step_count || progress->epoch > progress->epoch_count ||
        history.epochs_done > progress->epoch)
        return ink_fail(err, INK_BADDATA, "the history is at step %lld of %lld in epoch %d of %d",
                        (long long)progress->step, (long long)progress->step_count, progress->epoch,
                        progress->epoch_count);
    *out_history = history;
    return INK_OK;
}
