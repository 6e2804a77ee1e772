/* SPDX-License-Identifier: MIT */
#ifndef INK_MODEL_HISTORY_H
#define INK_MODEL_HISTORY_H

/*
 * history: the book that a training run keeps for those who watch it.
 *
 * Threads  the trainer's only
 */

#include "base/json.h"
#include "model/trainer.h"

enum { INK_HISTORY_RECENT_MAX = 100 };

struct ink_history {
    struct ink_train_progress progress;
    size_t picture_count; /* of an epoch */
    double recent_loss[INK_HISTORY_RECENT_MAX], recent_accuracy[INK_HISTORY_RECENT_MAX];
    double best_loss;
    int64_t curve_every; /* steps between points of the curve; doubles when the curve is full */
    int epochs_done;     /* learned and, if there is a validation, measured */
    bool is_over;        /* nothing is left to be learned */
};

void ink_history_init(struct ink_history *history, int epochs, size_t picture_count,
                      size_t batch_size);

/* One more mini-batch was learned: its mean loss, share of right answers and rate. */
void ink_history_step(struct ink_history *history, double rate, double loss, double accuracy);

/* A validation's results; whether they are the best so far (a smaller loss decides a tie). */
bool ink_history_validation(struct ink_history *history, double loss, double accuracy);

/* The time now: since the start, and how much of that went into validation. */
void ink_history_time(struct ink_history *history, double elapsed_s, double validation_s);

/* The book as JSON, to the bit; NULL on lack of memory. */
struct ink_json *ink_history_to_json(const struct ink_history *history);

/*
 * Errors   INK_BADDATA  a member is missing, of another type or out of range: says which
 */
INK_MUST_CHECK enum ink_status ink_history_from_json(const struct ink_json *json,
                                                     struct ink_history *out_history,
                                                     struct ink_err *err);

#endif
