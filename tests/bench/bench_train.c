/* SPDX-License-Identifier: MIT */
/*
 * bench_train: how fast this machine learns and answers.
 *
 *   bench_train [ARCHITECTURE ...]     keras and inkling unless said otherwise
 *
 * Training: mini-batches of 128 with Adam on pictures of noise (the time does
 * not depend on what they show), the median of the times between progress
 * reports, scaled to the 469 mini-batches of an MNIST epoch. Answering: 256
 * pictures at once on all threads, and one picture on one thread.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/rng.h"
#include "model/predictor.h"
#include "model/trainer.h"

enum { BATCH = 128, STEPS = 96, EPOCH_STEPS = 469, BULK = 256, ROUNDS = 300, TIME_MAX = 1024 };

struct times {
    double ms[TIME_MAX];
    int count;
    int64_t step;
    uint64_t at_ns;
};

static int
by_value(const void *a, const void *b)
{
    const double *left = a, *right = b;

    return (*left > *right) - (*left < *right);
}

static double
median(struct times *times)
{
    qsort(times->ms, (size_t)times->count, sizeof(*times->ms), by_value);
    return times->count > 0 ? times->ms[times->count / 2] : (double)NAN;
}

static void
note_progress(void *self, const struct ink_train_progress *progress)
{
    struct times *times = self;
    uint64_t now = ink_clock_ns();

    if (times->step > 0 && progress->step > times->step && times->count < TIME_MAX)
        times->ms[times->count++] =
            (double)(now - times->at_ns) / 1e6 / (double)(progress->step - times->step);
    times->step = progress->step;
    times->at_ns = now;
}

static enum ink_status
bench_training(const struct ink_snapshot *snapshot, const char *name, struct ink_err *err)
{
    INK_CLEANUP(ink_dataset_unrefp) struct ink_dataset *noise = NULL;
    struct ink_train_options options = ink_train_defaults();
    struct ink_train_result result = {0};
    struct times times = {0};
    struct ink_train_observer observer = {.self = &times, .on_progress = note_progress};
    struct ink_rng rng;
    enum ink_status status;
    double ms;

    status = ink_dataset_create("noise", (size_t)BATCH * STEPS, &noise, err);
    if (status)
        return status;
    ink_rng_init(&rng, 1, 1);
    for (size_t i = 0; i < noise->count * INK_PICTURE_SIZE; i++)
        noise->pixels[i] = ink_rng_below(&rng, 5) == 0 ? (uint8_t)ink_rng_below(&rng, 256) : 0;
    for (size_t i = 0; i < noise->count; i++)
        noise->labels[i] = (uint8_t)ink_rng_below(&rng, INK_CLASS_COUNT);
    options.epochs = 1;
    options.batch_size = BATCH;
    options.publish_s = 0;
    status = ink_train_run(snapshot, noise, NULL, &options, &observer, NULL, &result, err);
    ink_snapshot_unref(result.best);
    if (status)
        return status;
    ms = median(&times);
    printf("%-10s train    %8.2f ms a mini-batch of %d, %7.2f s an MNIST epoch\n", name, ms, BATCH,
           ms * EPOCH_STEPS / 1000);
    return INK_OK;
}

static enum ink_status
bench_answers(const struct ink_snapshot *snapshot, const char *name, size_t count, int threads,
              struct ink_err *err)
{
    static float pixels[BULK * INK_PICTURE_SIZE], probabilities[BULK * INK_CLASS_COUNT];
    INK_CLEANUP(ink_predictor_destroy) struct ink_predictor *predictor = NULL;
    struct times times = {0};
    uint64_t start = ink_clock_ns();
    enum ink_status status;
    double first_ms;

    for (size_t i = 0; i < BULK * INK_PICTURE_SIZE; i++)
        pixels[i] = i % 7 == 0 ? (float)(i % 256) / 255.0F : 0;
    status = ink_predictor_create(snapshot, BULK, threads, INK_PRECISION_F32, &predictor, err);
    if (status)
        return status;
    ink_predictor_run(predictor, pixels, count, probabilities);
    first_ms = ink_clock_ms_since(start);
    for (; times.count < ROUNDS; times.count++) {
        start = ink_clock_ns();
        ink_predictor_run(predictor, pixels, count, probabilities);
        times.ms[times.count] = ink_clock_ms_since(start);
    }
    if (count > 1)
        printf("%-10s answer   %8.0f pictures/s in batches of %zu\n", name,
               (double)count * 1000 / median(&times), count);
    else
        printf("%-10s answer   %8.1f us one picture (p50), %.2f ms the first with its set-up\n",
               name, median(&times) * 1000, first_ms);
    return INK_OK;
}

static enum ink_status
bench_arch(const char *name, struct ink_err *err)
{
    INK_CLEANUP(ink_arch_destroy) struct ink_arch *arch = NULL;
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *snapshot = NULL;
    struct ink_zoo_entry entry;
    enum ink_status status;

    if (!ink_zoo_find(name, &entry))
        return ink_fail(err, INK_NOTFOUND, "no architecture '%s'", name);
    status = ink_arch_parse(entry.text, entry.size, &arch, err);
    if (!status)
        status = ink_snapshot_create(arch, NULL, 1, &snapshot, err);
    if (!status)
        status = bench_training(snapshot, name, err);
    if (!status)
        status = bench_answers(snapshot, name, BULK, 0, err);
    return status ? status : bench_answers(snapshot, name, 1, 1, err);
}

int
main(int argc, char **argv)
{
    static char keras[] = "keras", inkling[] = "inkling";
    char *usual[] = {keras, inkling};
    char **names = argc > 1 ? argv + 1 : usual;
    int count = argc > 1 ? argc - 1 : 2;

    printf("computing with %s\n", ink_compute_name());
    for (int i = 0; i < count; i++) {
        struct ink_err err;
        enum ink_status status = bench_arch(names[i], &err);

        if (status) {
            (void)fprintf(stderr, "bench_train: %s\n", err.message);
            return ink_status_exit(status);
        }
    }
    return 0;
}
