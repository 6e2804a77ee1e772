/* SPDX-License-Identifier: MIT */
/* trainer_options: what a training run does unless told otherwise, and what it can be told. */
#include "model/trainer_priv.h"

struct ink_train_options
ink_train_defaults(void)
{
    struct ink_train_options options = {
        .epochs = 5,
        .batch_size = 128,
        .threads = 0,
        .seed = 1,
        .optimizer = INK_ADAM,
        .schedule = INK_ONE_CYCLE,
        .learning_rate = 2e-3,
        .warm_up = -1,
        .step_every = 1,
        .step_factor = 0.7,
        .momentum = 0.9,
        .beta1 = 0.9,
        .beta2 = 0.999,
        .rho = 0.95,
        .epsilon = -1,
        .publish_s = 0.5,
    };

    for (int c = 0; c < INK_CLASS_COUNT; c++)
        options.class_weight[c] = 1;
    return options;
}

void
ink_train_balance(const struct ink_dataset *train, double out_weight[static INK_CLASS_COUNT])
{
    size_t count[INK_CLASS_COUNT] = {0};

    for (size_t i = 0; i < train->count; i++)
        count[train->labels[i]]++;
    for (int c = 0; c < INK_CLASS_COUNT; c++)
        out_weight[c] =
            count[c] > 0 ? (double)train->count / (INK_CLASS_COUNT * (double)count[c]) : 1;
}

/* ---- ranges ---- */

static enum ink_status
check_range(const char *name, double value, double low, double high, struct ink_err *err)
{
    if (value >= low && value <= high)
        return INK_OK;
    return ink_fail(err, INK_BADARG, "%s: %g is not %g to %g", name, value, low, high);
}

enum ink_status
ink_trainer_check_options(const struct ink_train_options *options, const struct ink_dataset *train,
                          struct ink_err *err)
{
    /* clang-format off */
    const struct { const char *name; double value, low, high; } ranges[] = {
        {"epochs",          options->epochs,          1, 100000},
        {"batch size",      options->batch_size,      1, 65536},
        {"threads",         options->threads,         0, INK_POOL_THREAD_MAX},
        {"learning rate",   options->learning_rate,   0, 1e9},
        {"warm-up",         options->warm_up,         -1, 1e9},
        {"step every",      options->step_every,      1, 100000},
        {"step factor",     options->step_factor,     0, 1},
        {"momentum",        options->momentum,        0, 0.9999},
        {"beta1",           options->beta1,           0, 0.9999},
        {"beta2",           options->beta2,           0, 0.99999},
        {"rho",             options->rho,             0, 0.9999},
        {"epsilon",         options->epsilon,         -1, 1},
        {"weight decay",    options->weight_decay,    0, 1},
        {"clip",            options->clip,            0, 1e9},
        {"label smoothing", options->label_smoothing, 0, 0.9},
        {"weight average",  options->average,         0, 0.99999},
        {"until",           options->until,           0, 1},
        {"patience",        options->patience,        0, 100000},
        {"publish",         options->publish_s,       0, 1e6},
    };
    /* clang-format on */

    for (size_t i = 0; i < sizeof(ranges) / sizeof(*ranges); i++) {
        enum ink_status status =
            check_range(ranges[i].name, ranges[i].value, ranges[i].low, ranges[i].high, err);

        if (status)
            return status;
    }
    for (int c = 0; c < INK_CLASS_COUNT; c++) {
        enum ink_status status =
            check_range("class weight", options->class_weight[c], 0, INK_CLASS_WEIGHT_MAX, err);

        if (status)
            return status;
    }
    if (train->count == 0)
        return ink_fail(err, INK_BADARG, "'%s' has no pictures to learn from", train->name);
    return INK_OK;
}
