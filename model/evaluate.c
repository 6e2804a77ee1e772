/* SPDX-License-Identifier: MIT */
#include "model/evaluate.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "model/answer.h"

static void
count_answers(const struct ink_dataset *dataset, struct ink_evaluation *evaluation)
{
    double loss = 0;

    for (size_t i = 0; i < dataset->count; i++) {
        const float *probability = evaluation->probabilities + i * INK_CLASS_COUNT;
        int truth = dataset->labels[i], answer = 0;

        for (int c = 1; c < INK_CLASS_COUNT; c++)
            if (probability[c] > probability[answer])
                answer = c;
        evaluation->confusion[truth][answer]++;
        evaluation->correct += answer == truth;
        loss -= log(fmax((double)probability[truth], (double)FLT_MIN));
    }
    evaluation->loss = dataset->count > 0 ? loss / (double)dataset->count : (double)NAN;
}

enum ink_status
ink_evaluate_on(struct ink_pool *pool, const struct ink_snapshot *snapshot,
                const struct ink_dataset *dataset, struct ink_compute compute,
                const atomic_bool *cancel, struct ink_evaluation *out_evaluation,
                struct ink_err *err)
{
    INK_CLEANUP(ink_freep) float *probabilities = NULL;
    INK_CLEANUP(ink_answer_fini) struct ink_answer answer = {0};
    struct ink_evaluation evaluation = {.count = dataset->count};
    uint64_t start = ink_clock_ns();
    enum ink_status status;

    probabilities = calloc(dataset->count + 1, INK_CLASS_COUNT * sizeof(*probabilities));
    if (!probabilities)
        return ink_fail(err, INK_NOMEM, "no memory for %zu answers", dataset->count);
    status = ink_answer_init(&answer, snapshot, dataset->count, compute, pool, err);
    if (status)
        return status;
    if (!ink_answer_run(&answer,
                        (struct ink_pictures){.rows = dataset->pixels, .count = dataset->count},
                        cancel, probabilities))
        return ink_fail(err, INK_CANCELLED, "the evaluation was cancelled");
    evaluation.probabilities = probabilities;
    count_answers(dataset, &evaluation);
    evaluation.elapsed_s = ink_clock_ms_since(start) / 1000;
    *out_evaluation = evaluation;
    probabilities = NULL;
    return INK_OK;
}

enum ink_status
ink_evaluate(const struct ink_snapshot *snapshot, const struct ink_dataset *dataset, int threads,
             struct ink_compute compute, const atomic_bool *cancel,
             struct ink_evaluation *out_evaluation, struct ink_err *err)
{
    INK_CLEANUP(ink_pool_destroy) struct ink_pool *pool = NULL;
    enum ink_status status = ink_pool_create(threads, &pool, err);

    return status ? status
                  : ink_evaluate_on(pool, snapshot, dataset, compute, cancel, out_evaluation, err);
}
