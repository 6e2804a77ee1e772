/* SPDX-License-Identifier: MIT */
/*
 * optimizers: runs of a linear network against the textbook, written down again in double.
 *
 * Loss (class weights, label smoothing), gradient, clipping, decay, every optimizer, schedule and
 * moving average; the gradient is compared with central differences of the loss first.
 */
#include <math.h>
#include <stdlib.h>

#include "train_fixture.h"

enum { COUNT = 30, INPUTS = 49, CLASSES = INK_CLASS_COUNT, SIZE = CLASSES * (INPUTS + 1) };

/* The rows of the matrix first, then the biases. */
struct numbers {
    double at[SIZE];
};

static const char linear_net[] = "image: input 1x28x28\n"
                                 "a: avgpool 4x4\n"
                                 "f: flatten\n"
                                 "d: dense 10\n";

static void
inputs_of(const struct ink_dataset *set, size_t n, double out[static INPUTS])
{
    for (int i = 0; i < INPUTS; i++) {
        out[i] = 0;
        for (int y = 0; y < 4; y++)
            for (int x = 0; x < 4; x++)
                out[i] +=
                    set->pixels[n * INK_PICTURE_SIZE +
                                (size_t)((i / 7 * 4 + y) * INK_PICTURE_SIDE + i % 7 * 4 + x)] /
                    255.0 / 16;
    }
}

/* The loss, and its gradient if wanted. */
static double
loss_of(const struct ink_train_options *options, const struct ink_dataset *set,
        const struct numbers *w, struct numbers *gradient)
{
    double total = 0;

    if (gradient)
        memset(gradient, 0, sizeof(*gradient));
    for (size_t n = 0; n < COUNT; n++) {
        double input[INPUTS], power[CLASSES], sum = 0;
        double weight = options->class_weight[set->labels[n]];

        inputs_of(set, n, input);
        for (int c = 0; c < CLASSES; c++) {
            double score = w->at[CLASSES * INPUTS + c];

            for (int i = 0; i < INPUTS; i++)
                score += w->at[c * INPUTS + i] * input[i];
            power[c] = exp(score);
            sum += power[c];
        }
        for (int c = 0; c < CLASSES; c++) {
            double truth = options->label_smoothing / CLASSES +
                           (c == set->labels[n] ? 1 - options->label_smoothing : 0);
            double slope = weight * (power[c] / sum - truth) / COUNT;

            total -= weight * truth * log(power[c] / sum) / COUNT;
            if (!gradient)
                continue;
            gradient->at[CLASSES * INPUTS + c] += slope;
            for (int i = 0; i < INPUTS; i++)
                gradient->at[c * INPUTS + i] += slope * input[i];
        }
    }
    return total;
}

static void
clip(double limit, struct numbers *gradient)
{
    double squares = 0;

    for (int i = 0; i < SIZE; i++)
        squares += gradient->at[i] * gradient->at[i];
    if (limit > 0 && sqrt(squares) > limit)
        for (int i = 0; i < SIZE; i++)
            gradient->at[i] *= limit / sqrt(squares);
}

/* One number's step. a and b are what the optimizer remembers of it. */
static double
stepped(const struct ink_train_options *o, double w, double g, int t, double *a, double *b)
{
    double step;

    switch (o->optimizer) {
    case INK_SGD:
        *a = o->momentum * *a + g;
        return w - o->learning_rate * *a;
    case INK_NESTEROV: /* Sutskever et al. 2013, with the gradient where the weights are */
        *a = o->momentum * *a + g;
        return w - o->learning_rate * (g + o->momentum * *a);
    case INK_ADADELTA: /* Zeiler 2012, algorithm 1 */
        *b = o->rho * *b + (1 - o->rho) * g * g;
        step = sqrt(*a + o->epsilon) / sqrt(*b + o->epsilon) * g;
        *a = o->rho * *a + (1 - o->rho) * step * step;
        return w - o->learning_rate * step;
    case INK_ADAM: /* Kingma and Ba 2015, algorithm 1 */
    case INK_ADAMW:
        *a = o->beta1 * *a + (1 - o->beta1) * g;
        *b = o->beta2 * *b + (1 - o->beta2) * g * g;
        step = *a / (1 - pow(o->beta1, t)) / (sqrt(*b / (1 - pow(o->beta2, t))) + o->epsilon);
        return w - o->learning_rate * step;
    }
    return (double)NAN;
}

static struct numbers
numbers_of(const struct ink_snapshot *snapshot)
{
    struct numbers out;

    for (int i = 0; i < CLASSES * INPUTS; i++)
        out.at[i] = (double)ink_snapshot_weights(snapshot, 3)[i];
    for (int c = 0; c < CLASSES; c++)
        out.at[CLASSES * INPUTS + c] = (double)ink_snapshot_biases(snapshot, 3)[c];
    return out;
}

/* What the run must come to. The rate is constant here; schedules have tests of their own. */
static struct numbers
by_the_book(const struct ink_train_options *options, const struct ink_dataset *set,
            struct numbers w)
{
    struct numbers gradient, a = {0}, b = {0}, mean = w;

    for (int t = 1; t <= options->epochs; t++) {
        double decay = fmin(options->average, (double)t / (9 + t));

        (void)loss_of(options, set, &w, &gradient);
        clip(options->clip, &gradient);
        for (int i = 0; i < SIZE; i++) {
            double pull = i < CLASSES * INPUTS ? options->weight_decay : 0; /* not of biases */
            double before = w.at[i], g = gradient.at[i];

            if (options->optimizer != INK_ADAMW)
                g += pull * before;
            w.at[i] = stepped(options, before, g, t, &a.at[i], &b.at[i]);
            if (options->optimizer == INK_ADAMW)
                w.at[i] -= options->learning_rate * pull * before;
            mean.at[i] = decay * mean.at[i] + (1 - decay) * w.at[i];
        }
    }
    return options->average > 0 ? mean : w;
}

static void
the_book_is_right(void **state)
{
    INK_CLEANUP(ink_dataset_unrefp) struct ink_dataset *train = columns(COUNT, 1);
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *start = fresh(linear_net);
    struct ink_train_options options = quick();
    struct numbers w = numbers_of(start), gradient;

    (void)state;
    options.label_smoothing = 0.1;
    for (int c = 0; c < CLASSES; c++)
        options.class_weight[c] = 0.2 * c;
    (void)loss_of(&options, train, &w, &gradient);
    for (int i = 0; i < SIZE; i++) {
        struct numbers up = w, down = w;
        double slope;

        up.at[i] += 1e-5;
        down.at[i] -= 1e-5;
        slope =
            (loss_of(&options, train, &up, NULL) - loss_of(&options, train, &down, NULL)) / 2e-5;
        assert_true(fabs(slope - gradient.at[i]) < 1e-8);
    }
}

/* clang-format off */
static const struct {
    enum ink_optimizer optimizer;
    double rate, momentum, decay, smoothing, clip, average;
    bool is_weighted;
} runs[] = {
    {INK_SGD,      0.5,  0,   0,    0,   0,    0,   false},
    {INK_SGD,      0.5,  0.9, 0,    0.1, 0,    0,   true},
    {INK_SGD,      0.5,  0.9, 0.01, 0.1, 0.05, 0.6, true},
    {INK_NESTEROV, 0.5,  0.9, 0,    0,   0,    0,   false},
    {INK_NESTEROV, 0.3,  0.8, 0.01, 0.2, 0.1,  0.3, true},
    {INK_ADAM,     0.01, 0,   0,    0,   0,    0,   false},
    {INK_ADAM,     0.02, 0,   0.1,  0.1, 0.01, 0.9, true},
    {INK_ADAMW,    0.02, 0,   0.5,  0.1, 0.01, 0.9, true},
    {INK_ADADELTA, 1,    0,   0,    0,   0,    0,   false},
    {INK_ADADELTA, 0.7,  0,   0.01, 0.1, 0.1,  0.5, true},
};
/* clang-format on */

static void
runs_go_by_the_book(void **state)
{
    INK_CLEANUP(ink_dataset_unrefp) struct ink_dataset *train = columns(COUNT, 1);
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *start = fresh(linear_net);

    (void)state;
    for (size_t run = 0; run < sizeof(runs) / sizeof(*runs); run++)
        for (int threads = 1; threads <= 2; threads++) {
            struct ink_train_options options = quick();
            struct ink_train_result result = {0};
            struct numbers want, got;
            struct ink_err err;
            double moved = 0;

            options.epochs = 6;
            options.batch_size = COUNT; /* a step an epoch */
            options.threads = threads;
            options.schedule = INK_CONSTANT;
            options.optimizer = runs[run].optimizer;
            options.learning_rate = runs[run].rate;
            options.momentum = runs[run].momentum;
            options.weight_decay = runs[run].decay;
            options.label_smoothing = runs[run].smoothing;
            options.clip = runs[run].clip;
            options.average = runs[run].average;
            options.beta1 = 0.8;
            options.beta2 = 0.95;
            options.rho = 0.85;
            options.epsilon = 1e-4;
            for (int c = 0; c < CLASSES && runs[run].is_weighted; c++)
                options.class_weight[c] = 0.3 * c;
            want = by_the_book(&options, train, numbers_of(start));
            assert_ok(ink_train_run(start, train, NULL, &options, NULL, NULL, &result, &err), &err);
            got = numbers_of(result.best);
            for (int i = 0; i < SIZE; i++) {
                double before = numbers_of(start).at[i];

                if (fabs(got.at[i] - want.at[i]) > 1e-6 + 1e-4 * fabs(want.at[i] - before))
                    fail_msg("run %zu, number %d: %.9g instead of %.9g", run, i, got.at[i],
                             want.at[i]);
                moved = fmax(moved, fabs(want.at[i] - before));
            }
            assert_true(moved > 1e-3); /* else the comparison says nothing */
            ink_snapshot_unref(result.best);
        }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_book_is_right),
        cmocka_unit_test(runs_go_by_the_book),
    };

    return cmocka_run_group_tests_name("optimizers", tests, NULL, NULL);
}
