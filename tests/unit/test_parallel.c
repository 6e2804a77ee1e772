/* SPDX-License-Identifier: MIT */
/* parallel: several trainers, here threads instead of processes, learn what one learns. */

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "train_fixture.h"

enum { RANK_MAX = 5, PICTURES = 203 };

/* What stands for MPI: a place where all meet. */
struct meeting {
    pthread_barrier_t barrier;
    int size;
    const void *numbers[RANK_MAX];
};

struct member {
    struct meeting *meeting;
    struct ink_parallel parallel;
    struct ink_train_options options;
    const struct ink_snapshot *start;
    const struct ink_dataset *train, *validation;
    atomic_bool cancel;
    int64_t cancel_at; /* step; 0 = never */
    int validations, snapshots;
    struct ink_train_result result;
    enum ink_status status;
    struct ink_err err;
};

static void
sum_floats(void *self, float *numbers, size_t count)
{
    struct member *member = self;
    struct meeting *meeting = member->meeting;
    float *sums = calloc(count, sizeof(*sums));

    assert_non_null(sums);
    meeting->numbers[member->parallel.rank] = numbers;
    (void)pthread_barrier_wait(&meeting->barrier);
    for (int r = 0; r < meeting->size; r++)
        for (size_t i = 0; i < count; i++)
            sums[i] += ((const float *)meeting->numbers[r])[i];
    (void)pthread_barrier_wait(&meeting->barrier);
    memcpy(numbers, sums, count * sizeof(*sums));
    (void)pthread_barrier_wait(&meeting->barrier);
    free(sums);
}

static void
sum_doubles(void *self, double *numbers, size_t count)
{
    struct member *member = self;
    struct meeting *meeting = member->meeting;
    double *sums = calloc(count, sizeof(*sums));

    assert_non_null(sums);
    meeting->numbers[member->parallel.rank] = numbers;
    (void)pthread_barrier_wait(&meeting->barrier);
    for (int r = 0; r < meeting->size; r++)
        for (size_t i = 0; i < count; i++)
            sums[i] += ((const double *)meeting->numbers[r])[i];
    (void)pthread_barrier_wait(&meeting->barrier);
    memcpy(numbers, sums, count * sizeof(*sums));
    (void)pthread_barrier_wait(&meeting->barrier);
    free(sums);
}

static void
on_step(void *self, const struct ink_train_progress *progress, double loss, double accuracy)
{
    struct member *member = self;

    assert_true(isfinite(loss) && accuracy >= 0 && accuracy <= 1);
    if (progress->step == member->cancel_at)
        atomic_store(&member->cancel, true);
}

static void
on_validation(void *self, const struct ink_train_progress *progress)
{
    struct member *member = self;

    assert_true(isfinite(progress->validation_accuracy));
    member->validations++;
}

static void *
work(void *self)
{
    struct member *member = self;
    const struct ink_train_observer observer = {
        .self = member, .on_step = on_step, .on_validation = on_validation};

    member->status =
        ink_train_run(member->start, member->train, member->validation, &member->options, &observer,
                      &member->cancel, &member->result, &member->err);
    return NULL;
}

/* Train in `size` members with `threads` each. */
static void
train_together(struct member *member, int size, const struct member *like)
{
    struct meeting meeting = {.size = size};
    pthread_t thread[RANK_MAX];

    assert_int_equal(pthread_barrier_init(&meeting.barrier, NULL, (unsigned)size), 0);
    for (int r = 0; r < size; r++) {
        member[r].meeting = &meeting;
        member[r].options = like->options;
        member[r].start = like->start;
        member[r].train = like->train;
        member[r].validation = like->validation;
        member[r].parallel = (struct ink_parallel){.rank = r,
                                                   .size = size,
                                                   .threads = 1,
                                                   .self = &member[r],
                                                   .sum_floats = sum_floats,
                                                   .sum_doubles = sum_doubles};
        member[r].options.parallel = &member[r].parallel;
        assert_int_equal(pthread_create(&thread[r], NULL, work, &member[r]), 0);
    }
    for (int r = 0; r < size; r++)
        (void)pthread_join(thread[r], NULL);
    (void)pthread_barrier_destroy(&meeting.barrier);
}

/* The largest difference of two networks' numbers. */
static double
difference(const struct ink_snapshot *one, const struct ink_snapshot *other)
{
    const struct ink_arch *arch = ink_snapshot_arch(one);
    double worst = 0;

    for (int i = 0; i < arch->node_count; i++) {
        const struct ink_node *node = &arch->node[i];
        size_t count = node->weight_count + node->bias_count + node->statistic_count;
        const float *a = ink_snapshot_weights(one, i), *b = ink_snapshot_weights(other, i);

        /* weights, biases and statistics of a node lie one behind the other */
        for (size_t j = 0; j < count; j++)
            worst = fmax(worst, fabs((double)a[j] - (double)b[j]));
    }
    return worst;
}

/* A bias before batch norm has no gradient but rounding, which Adam makes steps of: there is none.
 */
static const struct {
    const char *arch;
    int size, threads, batch;
    double clip, average;
} runs[] = {
    {"flat: flatten\nd: dense 10\n", 2, 1, 32, 0, 0},
    {"c: conv 6 3x3 stride=2\nr: relu\nf: flatten\nd: dense 12\nt: tanh\ne: dense 10\n", 3, 2, 25,
     0, 0},
    {"c: conv 6 3x3 bias=no\nb: batchnorm\nr: relu\np: maxpool 2x2\ng: globalpool\nf: flatten\nd: "
     "dense "
     "10\n",
     2, 2, 64, 1.5, 0.9},
    {"c: conv 4 5x5 stride=3 bias=no\nb: batchnorm\nr: relu\no: dropout 0.3\nf: flatten\nd: dense "
     "10\n",
     4, 1, 40, 0, 0.5},
    {"f: flatten\nd: dense 10\n", 5, 2, 3, 0.5, 0}, /* more processes than pictures */
};

static void
make_start(const char *nodes, struct member *out)
{
    char text[512];

    (void)snprintf(text, sizeof(text), "image: input 1x28x28\n%s", nodes);
    out->start = snapshot_of(text, &(struct ink_record){.name = "x"}, 3);
}

static void
test_same_weights(void **state)
{
    struct ink_dataset *train = *state;

    for (size_t i = 0; i < sizeof(runs) / sizeof(*runs); i++) {
        struct member alone = {.train = train, .validation = train};
        struct member *member = calloc(RANK_MAX, sizeof(*member));
        double worst;

        assert_non_null(member);
        alone.options = ink_train_defaults();
        alone.options.epochs = 3;
        alone.options.batch_size = runs[i].batch;
        alone.options.threads = runs[i].threads;
        alone.options.clip = runs[i].clip;
        alone.options.average = runs[i].average;
        alone.options.augment.shift = 2;
        make_start(runs[i].arch, &alone);
        (void)work(&alone);
        assert_ok(alone.status, &alone.err);
        train_together(member, runs[i].size, &alone);
        for (int r = 0; r < runs[i].size; r++) {
            assert_ok(member[r].status, &member[r].err);
            assert_int_equal(member[r].validations, 3);
            /* the same bits in all, and what one process learns up to the order of sums */
            assert_true(difference(member[r].result.best, member[0].result.best) <= 0);
            worst = difference(member[r].result.best, alone.result.best);
            if (worst > 1e-5)
                fail_msg("run %zu, %d processes: %g apart", i, runs[i].size, worst);
            assert_true(fabs(member[r].result.progress.loss - alone.result.progress.loss) < 1e-4);
        }
        for (int r = 0; r < runs[i].size; r++)
            ink_snapshot_unref(member[r].result.best);
        ink_snapshot_unref(alone.result.best);
        ink_snapshot_unref(alone.start);
        free(member);
    }
}

/* Whoever is cancelled, all stop at the same mini-batch. */
static void
test_cancel(void **state)
{
    for (int who = 0; who < 3; who++) {
        struct member like = {.train = *state};
        struct member *member = calloc(RANK_MAX, sizeof(*member));

        assert_non_null(member);
        like.options = ink_train_defaults();
        like.options.batch_size = 16;
        like.options.threads = 1;
        like.options.epochs = 50;
        make_start(runs[1].arch, &like);
        member[who].cancel_at = 7;
        train_together(member, 3, &like);
        for (int r = 0; r < 3; r++) {
            assert_ok(member[r].status, &member[r].err);
            assert_true(member[r].result.is_cancelled);
            assert_int_equal(member[r].result.progress.step, 7);
            ink_snapshot_unref(member[r].result.best);
        }
        ink_snapshot_unref(like.start);
        free(member);
    }
}

static int
setup(void **state)
{
    *state = columns(PICTURES, 5);
    return 0;
}

static int
teardown(void **state)
{
    ink_dataset_unref(*state);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_weights),
        cmocka_unit_test(test_cancel),
    };

    return cmocka_run_group_tests_name("parallel", tests, setup, teardown);
}
