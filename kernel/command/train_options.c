/* SPDX-License-Identifier: MIT */
#include "kernel/command/train_options.h"

#include <assert.h>
#include <string.h>

#include "base/parse.h"
#include "kernel/command/command_priv.h"

/* clang-format off */
const struct ink_option ink_train_option[] = { /* as many as the header says */
    {.name = "model", .type = INK_OPTION_TEXT, .metavar = "NAME", .kind = INK_WORD_MODEL,
     .help = "train this architecture, or that of this network, instead of the current one's"},
    {.name = "continue", .type = INK_OPTION_FLAG,
     .help = "go on from the network's weights; without it they start afresh from --seed"},
    {.name = "data", .type = INK_OPTION_TEXT, .metavar = "NAME,...", .kind = INK_WORD_DATA,
     .help = "learn from these data sets, mixed, instead of the session's; one named twice counts "
             "twice, 'drawn' are the drawings that 'data label' named"},
    {.name = "recipe", .type = INK_OPTION_TEXT, .metavar = "NAME", .kind = INK_WORD_RECIPE,
     .help = "take the options that are not given from one that comes with the program"},
    {.name = "config", .type = INK_OPTION_TEXT, .metavar = "FILE", .kind = INK_WORD_FILE,
     .help = "take the options that are not given from a JSON object: {\"epochs\": 3, ...}; "
             "--save writes one"},
    {.name = "validation", .type = INK_OPTION_TEXT, .metavar = "N|DATA", .fallback = "test",
     .choices = "test|none", .kind = INK_WORD_DATA,
     .help = "measure after each epoch on: 'test', the test half; a number of training pictures "
             "held out, the last of each data set; a data set; 'none'"},
    {.name = "epochs", .type = INK_OPTION_INT, .metavar = "N", .fallback = "5", .min = 1, .max = 1000,
     .help = "go through the data that often"},
    {.name = "batch", .type = INK_OPTION_INT, .metavar = "N", .fallback = "128", .min = 1, .max = 4096,
     .help = "pictures a step"},
    {.name = "precision", .type = INK_OPTION_CHOICE, .choices = "f32|bf16|auto", .fallback = "f32",
     .help = "what layers multiply, each way and in validation: bf16 has 8 significant bits; sums "
             "and weights are f32; auto = bf16 where it is faster"},
    {.name = "engine", .type = INK_OPTION_CHOICE, .choices = "fast|reference", .fallback = "fast",
     .help = "reference: plain loops, slow, which the fast ones are judged by"},
    {.name = "optimizer", .type = INK_OPTION_CHOICE, .choices = "adam|adamw|sgd|nesterov|adadelta", .fallback = "adam",
     .help = "how the weights follow the gradient"},
    {.name = "lr", .type = INK_OPTION_REAL, .metavar = "X", .fallback = "0.002", .min = 1e-8, .max = 1e6,
     .help = "learning rate, the highest of the schedule"},
    {.name = "schedule", .type = INK_OPTION_CHOICE, .choices = "one-cycle|cosine|step|constant",
     .fallback = "one-cycle", .help = "how the rate changes"},
    {.name = "step-every", .type = INK_OPTION_INT, .metavar = "EPOCHS", .fallback = "1", .min = 1, .max = 1000,
     .help = "of step: when the rate falls"},
    {.name = "step-factor", .type = INK_OPTION_REAL, .metavar = "X", .fallback = "0.7", .max = 1,
     .help = "of step: what it is multiplied with"},
    {.name = "warm-up", .type = INK_OPTION_REAL, .metavar = "SHARE", .max = 1e6,
     .help = "share of the steps in which the rate rises, above 1 their number; without it 0.2 for "
             "one-cycle, 0 for others"},
    {.name = "momentum", .type = INK_OPTION_REAL, .metavar = "X", .fallback = "0.9", .max = 0.999,
     .help = "of sgd and nesterov"},
    {.name = "beta1", .type = INK_OPTION_REAL, .metavar = "X", .fallback = "0.9", .max = 0.9999,
     .help = "of adam and adamw: how much of the mean gradient stays each step"},
    {.name = "beta2", .type = INK_OPTION_REAL, .metavar = "X", .fallback = "0.999", .max = 0.99999,
     .help = "of adam and adamw: how much of the mean square stays each step"},
    {.name = "rho", .type = INK_OPTION_REAL, .metavar = "X", .fallback = "0.95", .max = 0.9999,
     .help = "of adadelta: how much of its means stays each step"},
    {.name = "epsilon", .type = INK_OPTION_REAL, .metavar = "X", .max = 1,
     .help = "of adam, adamw and adadelta: what keeps them from dividing by 0; without it 1e-8, for "
             "adadelta 1e-6"},
    {.name = "clip", .type = INK_OPTION_REAL, .metavar = "LENGTH", .fallback = "0", .max = 1e6,
     .help = "shorten gradients that are longer than that, 0 = leave them"},
    {.name = "weight-decay", .type = INK_OPTION_REAL, .metavar = "X", .fallback = "0", .max = 1,
     .help = "pull of the weights towards zero"},
    {.name = "label-smoothing", .type = INK_OPTION_REAL, .metavar = "X", .fallback = "0", .max = 0.9,
     .help = "share of the truth that is spread over all digits"},
    {.name = "class-weights", .type = INK_OPTION_TEXT, .metavar = "X,...", .choices = "balanced",
     .help = "how much pictures of 0, 1, ... 9 count, ten numbers, 0 to 1000; 'balanced': digits "
             "that are rare count more"},
    {.name = "average", .type = INK_OPTION_REAL, .metavar = "DECAY", .fallback = "0", .max = 0.99999,
     .help = "validate and keep a moving average of the weights, 0 = off"},
    {.name = "until", .type = INK_OPTION_REAL, .metavar = "PERCENT", .fallback = "0", .max = 100,
     .help = "stop after the first validation that has so many right, 0 = go on"},
    {.name = "patience", .type = INK_OPTION_INT, .metavar = "EPOCHS", .fallback = "0", .max = 1000,
     .help = "stop when so many validations in a row were no better than the best, 0 = go on"},
    {.name = "augment", .type = INK_OPTION_CHOICE, .choices = "none|light|full", .fallback = "none",
     .help = "show each picture a little differently each time; the amounts below override it"},
    {.name = "shift", .type = INK_OPTION_REAL, .metavar = "PIXELS", .max = 8,
     .help = "augment: up to so far, both ways"},
    {.name = "rotate", .type = INK_OPTION_REAL, .metavar = "DEGREES", .max = 45,
     .help = "augment: up to so much, both ways"},
    {.name = "scale", .type = INK_OPTION_REAL, .metavar = "SHARE", .max = 0.5,
     .help = "augment: larger and smaller, 0.1 = 0.9 to 1.1"},
    {.name = "stretch", .type = INK_OPTION_REAL, .metavar = "SHARE", .max = 0.5,
     .help = "augment: width and height apart"},
    {.name = "shear", .type = INK_OPTION_REAL, .metavar = "SHARE", .max = 0.5,
     .help = "augment: slant, as a share of the height"},
    {.name = "elastic", .type = INK_OPTION_REAL, .metavar = "PIXELS", .max = 4,
     .help = "augment: a smooth random bend"},
    {.name = "thickness", .type = INK_OPTION_REAL, .metavar = "PIXELS", .max = 2,
     .help = "augment: pen width, thinner and thicker"},
    {.name = "erase", .type = INK_OPTION_REAL, .metavar = "SHARE", .max = 0.8,
     .help = "augment: a blank rectangle, width and height up to that share of the side"},
    {.name = "seed", .type = INK_OPTION_INT, .metavar = "N", .fallback = "1", .max = 1e15,
     .help = "the same seed, data and thread count give the same weights to the bit"},
    {.name = "threads", .type = INK_OPTION_INT, .metavar = "N", .fallback = "0", .max = 256,
     .help = "compute on that many threads, 0 = as INKLING_THREADS says, else all cores"},
    {.name = "name", .type = INK_OPTION_TEXT, .metavar = "NAME",
     .help = "call the network so, instead of after its architecture"},
    {.name = "save", .type = INK_OPTION_TEXT, .metavar = "FILE", .kind = INK_WORD_FILE,
     .help = "write the best weights there, and all options beside them (.json); also -o"},
    {.name = "metrics", .type = INK_OPTION_TEXT, .metavar = "FILE", .kind = INK_WORD_FILE,
     .help = "write loss, accuracy, rate and speed there while it runs, a JSON object a line"},
    {.name = "tensorboard", .type = INK_OPTION_TEXT, .metavar = "DIR", .kind = INK_WORD_FILE,
     .help = "write the same as an event file for TensorBoard into this folder"},
    {.name = "metrics-every", .type = INK_OPTION_INT, .metavar = "STEPS", .fallback = "10", .min = 1, .max = 1e6,
     .help = "of metrics and tensorboard: one line for so many steps, with their means"},
    {.name = "log", .type = INK_OPTION_TEXT, .metavar = "FILE", .kind = INK_WORD_FILE,
     .help = "write the command and one line an epoch there"},
    {.name = "checkpoints", .type = INK_OPTION_TEXT, .metavar = "DIR", .kind = INK_WORD_FILE,
     .help = "keep the state of the run in this folder, so that --resume can go on with it"},
    {.name = "checkpoint-every", .type = INK_OPTION_TEXT, .metavar = "N|TIME", .fallback = "60s",
     .help = "write a checkpoint every N steps, or every 30s, 5m, 1h; the newest three are kept"},
    {.name = "resume", .type = INK_OPTION_TEXT, .metavar = "DIR", .kind = INK_WORD_FILE,
     .help = "go on with a run that was stopped, from its newest checkpoint and with its options"},
    {.name = "background", .type = INK_OPTION_FLAG,
     .help = "train on while other cells run; 'jobs' shows it, 'stop' ends it"},
};
/* clang-format on */
_Static_assert(INK_COUNT(ink_train_option) == INK_TRAIN_OPTION_COUNT, "a row more or less");

/* How much `light` and `full` change; the order of the fields is augment.h's. */
static const struct {
    const char *name;
    struct ink_augment amounts;
} presets[] = {
    {"none", {.shift = 0}},
    {"light", {.shift = 1.5F, .rotate = 8, .scale = 0.08F, .stretch = 0.05F, .shear = 0.08F}},
    {"full",
     {.shift = 2.5F,
      .rotate = 12,
      .scale = 0.12F,
      .stretch = 0.1F,
      .shear = 0.15F,
      .elastic = 1.2F,
      .thickness = 0.7F}},
};

static struct ink_augment
augment_of(const struct ink_args *args)
{
    struct ink_augment augment = {0};
    const struct {
        const char *name;
        float *amount;
    } amounts[] = {
        {"shift", &augment.shift},         {"rotate", &augment.rotate},
        {"scale", &augment.scale},         {"stretch", &augment.stretch},
        {"shear", &augment.shear},         {"elastic", &augment.elastic},
        {"thickness", &augment.thickness}, {"erase", &augment.erase},
    };
    const char *preset = ink_args_text(args, "augment");

    for (size_t i = 0; i < INK_COUNT(presets); i++)
        if (strcmp(presets[i].name, preset) == 0)
            augment = presets[i].amounts;
    for (size_t i = 0; i < INK_COUNT(amounts); i++)
        if (ink_args_has(args, amounts[i].name))
            *amounts[i].amount = (float)ink_args_real(args, amounts[i].name);
    return augment;
}

/* ---- class weights ---- */

static const char balanced[] = "balanced";

static enum ink_status
parse_weights(const char *text, double out_weight[static INK_CLASS_COUNT], struct ink_err *err)
{
    for (int c = 0; c < INK_CLASS_COUNT; c++) {
        size_t size = strcspn(text, ",");
        char word[32] = "";
        enum ink_status status;

        strncat(word, text, size < sizeof(word) - 1 ? size : sizeof(word) - 1);
        if ((text[size] == ',') != (c + 1 < INK_CLASS_COUNT))
            return ink_fail(err, INK_BADARG,
                            "--class-weights: %s than %d numbers, expected 'balanced' or one for "
                            "each digit",
                            text[size] ? "more" : "fewer", INK_CLASS_COUNT);
        status =
            ink_parse_double("--class-weights", word, 0, INK_CLASS_WEIGHT_MAX, &out_weight[c], err);
        if (status != INK_OK)
            return status;
        text += size + (text[size] == ',');
    }
    return INK_OK;
}

static void
weigh(const struct ink_args *args, const struct ink_dataset *train,
      double out_weight[static INK_CLASS_COUNT])
{
    const char *text = ink_args_text(args, "class-weights");

    if (text && strcmp(text, balanced) != 0) {
        enum ink_status status = parse_weights(text, out_weight, NULL);

        assert(status == INK_OK); /* ink_train_options_check was there */
        (void)status;
    } else if (text && train) {
        ink_train_balance(train, out_weight);
    }
}

/* ---- all of them ---- */

enum ink_status
ink_train_options_check(const struct ink_args *args, struct ink_err *err)
{
    const char *text = ink_args_text(args, "class-weights");
    bool is_measured = strcmp(ink_args_text(args, "validation"), "none") != 0;
    double weight[INK_CLASS_COUNT];

    if (!is_measured && ink_args_real(args, "until") > 0)
        return ink_fail(err, INK_BADARG, "--until: nothing is measured with --validation none");
    if (!is_measured && ink_args_int(args, "patience") > 0)
        return ink_fail(err, INK_BADARG, "--patience: nothing is measured with --validation none");
    if (text && strcmp(text, balanced) != 0)
        return parse_weights(text, weight, err);
    return INK_OK;
}

struct ink_train_options
ink_train_options_get(const struct ink_args *args, const struct ink_dataset *train)
{
    struct ink_train_options options = ink_train_defaults();
    const char *optimizer = ink_args_text(args, "optimizer");
    const char *schedule = ink_args_text(args, "schedule");

    options.epochs = (int)ink_args_int(args, "epochs");
    options.batch_size = (int)ink_args_int(args, "batch");
    options.threads = (int)ink_args_int(args, "threads");
    options.precision = ink_args_compute(args).precision;
    options.engine = ink_args_compute(args).engine;
    options.seed = (uint64_t)ink_args_int(args, "seed");
    options.optimizer = strcmp(optimizer, "sgd") == 0        ? INK_SGD
                        : strcmp(optimizer, "adamw") == 0    ? INK_ADAMW
                        : strcmp(optimizer, "nesterov") == 0 ? INK_NESTEROV
                        : strcmp(optimizer, "adadelta") == 0 ? INK_ADADELTA
                                                             : INK_ADAM;
    options.schedule = strcmp(schedule, "constant") == 0 ? INK_CONSTANT
                       : strcmp(schedule, "cosine") == 0 ? INK_COSINE
                       : strcmp(schedule, "step") == 0   ? INK_STEP
                                                         : INK_ONE_CYCLE;
    options.learning_rate = ink_args_real(args, "lr");
    if (ink_args_has(args, "warm-up"))
        options.warm_up = ink_args_real(args, "warm-up");
    options.step_every = (int)ink_args_int(args, "step-every");
    options.step_factor = ink_args_real(args, "step-factor");
    options.momentum = ink_args_real(args, "momentum");
    options.beta1 = ink_args_real(args, "beta1");
    options.beta2 = ink_args_real(args, "beta2");
    options.rho = ink_args_real(args, "rho");
    if (ink_args_has(args, "epsilon"))
        options.epsilon = ink_args_real(args, "epsilon");
    options.clip = ink_args_real(args, "clip");
    options.weight_decay = ink_args_real(args, "weight-decay");
    options.label_smoothing = ink_args_real(args, "label-smoothing");
    options.average = ink_args_real(args, "average");
    options.until = ink_args_real(args, "until") / 100;
    options.patience = (int)ink_args_int(args, "patience");
    weigh(args, train, options.class_weight);
    options.augment = augment_of(args);
    return options;
}

void
ink_train_options_print(const struct ink_args *args, struct ink_buf *text)
{
    ink_buf_puts(text, args->command->name);
    for (size_t i = 0; i < args->command->option_count; i++) {
        const char *value = args->value[i];

        if (!value)
            continue;
        ink_buf_printf(text, " --%s", args->command->option[i].name);
        if (*value)
            ink_buf_printf(text, strcspn(value, " \t'\"\\#") == strlen(value) ? " %s" : " '%s'",
                           value);
    }
}
