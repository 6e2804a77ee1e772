/* SPDX-License-Identifier: MIT */
/*
 * bench_net: this program's side of the comparisons: it does what it is told
 * on its standard input, a line at a time, and answers each with a line of JSON.
 *
 *   load net=NAME|FILE.arch|FILE.safetensors
 *   train  threads=2 batch=128 pictures=5120 [precision=f32]   a second of ink_train_run, say
 *   profile batch=128 pictures=2560 [precision=f32]   the same on one thread, kernel by kernel
 *   answer threads=1 count=1 rounds=2000 gap_ms=0 [precision=f32]
 *   show   count=100                                  probabilities, for others to be compared with
 *   save   file=FILE.safetensors
 *
 * Training goes on where the last `train` left the weights, on MNIST itself:
 * how much there is to compute depends on what the pictures show. The clock
 * starts after the first steps, and stops before the weights are copied out.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/parse.h"
#include "model/predictor.h"
#include "model/trainer.h"
#include "tests/bench/profile.h"

enum { LINE_SIZE = 4096, ROUND_MAX = 100000, COUNT_MAX = 1024 };

struct bench {
    struct ink_dataset *train, *test;
    const struct ink_snapshot *snapshot;
    size_t next; /* training picture */
    size_t word_count;
    char *word[16]; /* the command, and `name=value` */
};

static char one_thread[] = "threads=1";

/* ---- words ---- */

static void
split(struct bench *bench, char *line)
{
    char *rest = line;

    bench->word_count = 0;
    while (bench->word_count < sizeof(bench->word) / sizeof(*bench->word) - 1) {
        rest += strspn(rest, " \t\n");
        if (!*rest)
            break;
        bench->word[bench->word_count++] = rest;
        rest += strcspn(rest, " \t\n");
        if (*rest)
            *rest++ = '\0';
    }
}

static const char *
text_of(const struct bench *bench, const char *name)
{
    size_t size = strlen(name);

    for (size_t i = 1; i < bench->word_count; i++)
        if (strncmp(bench->word[i], name, size) == 0 && bench->word[i][size] == '=')
            return bench->word[i] + size + 1;
    return NULL;
}

static enum ink_status
number_of(const struct bench *bench, const char *name, int fallback, int max, int *out_value,
          struct ink_err *err)
{
    const char *text = text_of(bench, name);
    int64_t value = fallback;
    enum ink_status status = text ? ink_parse_int(name, text, 0, max, &value, err) : INK_OK;

    *out_value = (int)value;
    return status;
}

static enum ink_status
precision_of(const struct bench *bench, enum ink_precision *out_precision, struct ink_err *err)
{
    const char *text = text_of(bench, "precision");

    if (ink_precision_parse(text ? text : "f32", out_precision))
        return INK_OK;
    return ink_fail(err, INK_BADARG, "precision: '%s' is not f32, bf16 or auto", text);
}

/* ---- the network ---- */

static enum ink_status
parse_arch(const char *name, struct ink_arch **out_arch, struct ink_err *err)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf file = {0};
    struct ink_zoo_entry entry;
    enum ink_status status;

    if (ink_zoo_find(INK_ZOO_ARCH, name, &entry))
        return ink_arch_parse(entry.text, entry.size, out_arch, err);
    status = ink_buf_load(&file, name, INK_LIMIT_ARCH_SIZE, err);
    return status ? status : ink_arch_parse(ink_buf_text(&file), file.size, out_arch, err);
}

static enum ink_status
load(struct bench *bench, struct ink_err *err)
{
    INK_CLEANUP(ink_arch_destroy) struct ink_arch *arch = NULL;
    const struct ink_snapshot *snapshot = NULL;
    const char *name = text_of(bench, "net");
    enum ink_status status;

    if (!name)
        return ink_fail(err, INK_BADARG, "load: net=NAME is missing");
    if (strstr(name, ".safetensors")) {
        status = ink_snapshot_load(name, &snapshot, err);
    } else {
        status = parse_arch(name, &arch, err);
        if (!status)
            status = ink_snapshot_create(arch, NULL, 1, &snapshot, err);
    }
    if (status)
        return status;
    ink_snapshot_unref(bench->snapshot);
    bench->snapshot = snapshot;
    printf("{\"parameters\": %zu, \"computing\": \"%s\"}\n",
           ink_snapshot_arch(snapshot)->parameter_count, ink_compute_name());
    return INK_OK;
}

static enum ink_status
save(struct bench *bench, struct ink_err *err)
{
    const char *path = text_of(bench, "file");
    enum ink_status status;

    if (!path)
        return ink_fail(err, INK_BADARG, "save: file=FILE is missing");
    status = ink_snapshot_save(bench->snapshot, path, err);
    if (!status)
        printf("{\"saved\": true}\n");
    return status;
}

/* ---- training ---- */

/* The first report with a step, and the first of the last one: between them nothing but steps. */
struct watch {
    int64_t first_step, last_step;
    uint64_t first_ns, last_ns;
};

static void
watch_step(void *self, const struct ink_train_progress *progress)
{
    struct watch *watch = self;

    if (progress->step == 0 || progress->step == watch->last_step)
        return;
    watch->last_step = progress->step;
    watch->last_ns = ink_clock_ns();
    if (watch->first_step == 0) {
        watch->first_step = watch->last_step;
        watch->first_ns = watch->last_ns;
    }
}

/* The next `count` pictures of the training half, from its start again when they are used up. */
static enum ink_status
take_pictures(struct bench *bench, size_t count, struct ink_dataset **out_part, struct ink_err *err)
{
    const struct ink_dataset *all = bench->train;
    enum ink_status status = ink_dataset_create("part", count, out_part, err);

    for (size_t i = 0; !status && i < count; i++) {
        size_t row = (bench->next + i) % all->count;

        memcpy((*out_part)->pixels + i * INK_PICTURE_SIZE, all->pixels + row * INK_PICTURE_SIZE,
               INK_PICTURE_SIZE);
        (*out_part)->labels[i] = all->labels[row];
    }
    bench->next = (bench->next + count) % all->count;
    return status;
}

/* Train with the options of the line, from where the last time ended. */
static enum ink_status
learn(struct bench *bench, struct watch *watch, struct ink_err *err)
{
    INK_CLEANUP(ink_dataset_unrefp) struct ink_dataset *part = NULL;
    INK_CLEANUP(ink_freep) struct ink_train_result *result = calloc(1, sizeof(*result));
    struct ink_train_options options = ink_train_defaults();
    struct ink_train_observer observer = {.self = watch, .on_progress = watch_step};
    int pictures;
    enum ink_status status = number_of(bench, "threads", 0, 256, &options.threads, err);

    if (!result)
        return ink_fail(err, INK_NOMEM, "out of memory");
    if (!status)
        status = number_of(bench, "batch", 128, 4096, &options.batch_size, err);
    if (!status)
        status = precision_of(bench, &options.precision, err);
    if (!status)
        status = number_of(bench, "pictures", 5120, 1000000, &pictures, err);
    if (!status)
        status = take_pictures(bench, (size_t)pictures, &part, err);
    if (status)
        return status;
    options.epochs = 1;
    options.publish_s = 0;
    options.schedule = INK_CONSTANT;
    options.learning_rate = 1e-3;
    status = ink_train_run(bench->snapshot, part, NULL, &options, &observer, NULL, result, err);
    if (status)
        return status;
    ink_snapshot_unref(bench->snapshot);
    bench->snapshot = result->best;
    return INK_OK;
}

static enum ink_status
train(struct bench *bench, struct ink_err *err)
{
    struct watch watch = {0};
    enum ink_status status = learn(bench, &watch, err);

    if (!status && watch.last_step == watch.first_step)
        status = ink_fail(err, INK_BADARG, "train: too few pictures to measure");
    if (status)
        return status;
    printf("{\"seconds_per_step\": %.9f, \"steps\": %lld}\n",
           (double)(watch.last_ns - watch.first_ns) / 1e9 /
               (double)(watch.last_step - watch.first_step),
           (long long)(watch.last_step - watch.first_step));
    return INK_OK;
}

static enum ink_status
profile(struct bench *bench, struct ink_err *err)
{
    struct profile_operations operations;
    struct watch watch = {0};
    enum ink_status status;

    bench->word[bench->word_count++] = one_thread;
    profile_begin();
    status = learn(bench, &watch, err);
    profile_end();
    if (status)
        return status;
    operations = profile_operations();
    printf("{\"steps\": %lld, \"f32\": %.0f, \"bf16\": %.0f, \"kernels\": ",
           (long long)watch.last_step, operations.f32 / (double)watch.last_step,
           operations.bf16 / (double)watch.last_step);
    profile_print(watch.last_step);
    printf("}\n");
    return INK_OK;
}

/* ---- answering ---- */

static int
by_value(const void *a, const void *b)
{
    const double *left = a, *right = b;

    return (*left > *right) - (*left < *right);
}

static void
pause_ms(int ms)
{
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};

    if (ms > 0)
        (void)nanosleep(&time, NULL);
}

/* Microseconds of each round, after a tenth as many that warm up; each with the next pictures. */
static void
time_rounds(const struct bench *bench, struct ink_predictor *predictor, int count, int rounds,
            int gap_ms, double *out_us)
{
    static float pixels[COUNT_MAX * INK_PICTURE_SIZE], probabilities[COUNT_MAX * INK_CLASS_COUNT];
    size_t parts = bench->test->count / (size_t)count;
    int warm = gap_ms > 0 ? 3 : rounds / 10 + 3;

    for (int round = -warm; round < rounds; round++) {
        const uint8_t *rows =
            bench->test->pixels + (size_t)(round + warm) % parts * (size_t)count * INK_PICTURE_SIZE;
        uint64_t start;

        for (size_t i = 0; i < (size_t)count * INK_PICTURE_SIZE; i++)
            pixels[i] = (float)rows[i] / 255;
        pause_ms(gap_ms);
        start = ink_clock_ns();
        ink_predictor_run(predictor, pixels, (size_t)count, probabilities);
        if (round >= 0)
            out_us[round] = (double)(ink_clock_ns() - start) / 1e3;
    }
}

static enum ink_status
answer(struct bench *bench, struct ink_err *err)
{
    INK_CLEANUP(ink_predictor_destroy) struct ink_predictor *predictor = NULL;
    INK_CLEANUP(ink_freep) double *us = NULL;
    enum ink_precision precision;
    int threads, count, rounds, gap_ms;
    enum ink_status status = number_of(bench, "threads", 1, 256, &threads, err);

    if (!status)
        status = number_of(bench, "count", 1, COUNT_MAX, &count, err);
    if (!status)
        status = number_of(bench, "rounds", 2000, ROUND_MAX, &rounds, err);
    if (!status)
        status = number_of(bench, "gap_ms", 0, 1000, &gap_ms, err);
    if (!status && (count == 0 || rounds == 0))
        status = ink_fail(err, INK_BADARG, "answer: nothing to do");
    if (!status)
        status = precision_of(bench, &precision, err);
    if (!status)
        status =
            ink_predictor_create(bench->snapshot, count, threads,
                                 (struct ink_compute){.precision = precision}, &predictor, err);
    if (status)
        return status;
    us = calloc((size_t)rounds, sizeof(*us));
    if (!us)
        return ink_fail(err, INK_NOMEM, "out of memory");
    time_rounds(bench, predictor, count, rounds, gap_ms, us);
    qsort(us, (size_t)rounds, sizeof(*us), by_value);
    printf("{\"p50_us\": %.2f, \"p99_us\": %.2f, \"least_us\": %.2f}\n", us[rounds / 2],
           us[(size_t)rounds * 99 / 100], us[0]);
    return INK_OK;
}

/* Class probabilities of the first pictures of the test half, for peers to be compared with. */
static enum ink_status
show(struct bench *bench, struct ink_err *err)
{
    INK_CLEANUP(ink_predictor_destroy) struct ink_predictor *predictor = NULL;
    enum ink_status status =
        ink_predictor_create(bench->snapshot, 1, 1, INK_COMPUTE(F32), &predictor, err);
    int count;

    if (!status)
        status = number_of(bench, "count", 100, 10000, &count, err);
    if (status)
        return status;
    printf("[");
    for (int n = 0; n < count; n++) {
        float pixels[INK_PICTURE_SIZE], probabilities[INK_CLASS_COUNT];

        for (size_t i = 0; i < INK_PICTURE_SIZE; i++)
            pixels[i] = (float)bench->test->pixels[(size_t)n * INK_PICTURE_SIZE + i] / 255;
        ink_predictor_run(predictor, pixels, 1, probabilities);
        for (int c = 0; c < INK_CLASS_COUNT; c++)
            printf("%s%.7f", n + c ? ", " : "", (double)probabilities[c]);
    }
    printf("]\n");
    return INK_OK;
}

/* ---- lines ---- */

static enum ink_status
obey(struct bench *bench, struct ink_err *err)
{
    const struct {
        const char *name;
        enum ink_status (*run)(struct bench *bench, struct ink_err *err);
    } commands[] = {
        {"load", load},     {"save", save},       {"train", train},
        {"answer", answer}, {"profile", profile}, {"show", show},
    };

    for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
        if (strcmp(bench->word[0], commands[i].name) != 0)
            continue;
        else if (commands[i].run != load && !bench->snapshot)
            return ink_fail(err, INK_BADARG, "%s: load a network first", commands[i].name);
        else
            return commands[i].run(bench, err);
    return ink_fail(err, INK_BADARG, "no command '%.64s'", bench->word[0]);
}

int
main(void)
{
    struct bench bench = {0};
    struct ink_data_options data = {0};
    char line[LINE_SIZE];
    struct ink_err err;
    enum ink_status status = ink_dataset_load("mnist", INK_TRAIN, &data, &bench.train, &err);

    if (!status)
        status = ink_dataset_load("mnist", INK_TEST, &data, &bench.test, &err);
    while (!status && fgets(line, sizeof(line), stdin)) {
        split(&bench, line);
        if (bench.word_count > 0)
            status = obey(&bench, &err);
        (void)fflush(stdout);
    }
    if (status)
        (void)fprintf(stderr, "bench_net: %s\n", err.message);
    ink_snapshot_unref(bench.snapshot);
    ink_dataset_unref(bench.train);
    ink_dataset_unref(bench.test);
    return ink_status_exit(status);
}
