/* SPDX-License-Identifier: MIT */
#ifndef INK_MODEL_TRAINER_PRIV_H
#define INK_MODEL_TRAINER_PRIV_H

/*
 * trainer_priv: what a training run is made of.
 *
 * trainer.c owns the run (epochs, validation, snapshots), trainer_options.c what
 * it can be told, trainer_step.c one mini-batch on all threads, trainer_update.c
 * how it changes the weights, trainer_checkpoint.c what outlives the process.
 *
 * Threads  the caller's, and between the pool's start and end of a step its workers
 */

#include <stdatomic.h>
#include <stdint.h>

#include "model/history.h"
#include "model/kernels/pool.h"
#include "model/net.h"
#include "model/optimizer.h"
#include "model/trainer.h"

/* Pictures that are passed forward and back together: what they leave on the way stays in the
 * caches, and a thread's next share takes the same memory. */
enum { INK_SHARE_PICTURES = INK_NORM_GROUP };

/* A share of a mini-batch; each thread has some. */
struct ink_share {
    struct ink_workspace workspace;
    float *gradient; /* [share_size] */
    int count;       /* pictures */
    double loss;     /* sum */
    int correct;
};

struct ink_trainer {
    const struct ink_train_options *options;
    const struct ink_dataset *train, *validation;
    const struct ink_train_observer *observer;
    const atomic_bool *cancel;
    const struct ink_snapshot *start;

    struct ink_pool *pool;
    int thread_count;
    const struct ink_kernels *kernels;
    struct ink_plan *plan;
    float *block, *turned, *average; /* average: NULL when off */
    struct ink_optimizer_state optimizer;
    /* [learner_count][share_max]: of each thread that has pictures, one after the other in the same
     * memory. */
    int learner_count, share_max;
    struct ink_share *share;
    float **scratch;    /* [thread_count] of the dense weights' gradients */
    float *gradient;    /* [parameter_size] of the mini-batch; NULL unless it is needed whole */
    double *squares;    /* of it, summed piece by piece */
    double *statistics; /* [statistic_size] of the mini-batch */

    uint32_t *order; /* [train->count] rows as this epoch takes them */
    /* The mini-batch that the threads are at. */
    size_t batch_first, batch_count;
    double rate;
    int share_count;                     /* shares that it is divided in, and these: */
    struct ink_share **taken;            /* [share_count] */
    const struct ink_workspace **passed; /* [share_count] theirs */
    double loss, correct;                /* of it, of all processes: sums */
    atomic_bool is_dropped; /* cancelled before all shares were computed: no weight moves */

    struct ink_history history;
    uint64_t start_ns, progress_ns, publish_ns, validation_ns; /* last: time spent there */

    const struct ink_snapshot *best;
    /* Handed out last; and that of them which a mini-batch with a sane loss came after. */
    const struct ink_snapshot *newest, *sane;
    struct ink_keeper *keeper; /* trainer_checkpoint.c's; NULL = no checkpoints */
};

static inline bool
ink_trainer_is_cancelled(const struct ink_trainer *trainer)
{
    return trainer->cancel && atomic_load(trainer->cancel);
}

/* Whether this process writes: alone, or the first of several. */
static inline bool
ink_trainer_is_first(const struct ink_trainer *trainer)
{
    return !trainer->options->parallel || trainer->options->parallel->rank == 0;
}

/*
 * Options that no run could have, or nothing to learn from.
 *
 * Errors   INK_BADARG  says which option, its value and its range
 */
INK_MUST_CHECK enum ink_status ink_trainer_check_options(const struct ink_train_options *options,
                                                         const struct ink_dataset *train,
                                                         struct ink_err *err);

/* The shares' workspaces and gradients, and the threads' scratch. */
INK_MUST_CHECK enum ink_status ink_trainer_shares_create(struct ink_trainer *trainer,
                                                         struct ink_err *err);
void ink_trainer_shares_destroy(struct ink_trainer *trainer);

/*
 * Learn the mini-batch at batch_first: forward, backward, step, on all threads.
 *
 *   out_loss, out_accuracy   means over the mini-batch
 *
 * Errors   INK_CANCELLED   no weight was moved
 */
INK_MUST_CHECK enum ink_status ink_trainer_step(struct ink_trainer *trainer, double *out_loss,
                                                double *out_accuracy, struct ink_err *err);

/*
 * Make sure that all processes are about to do the same.
 *
 * Errors   INK_BADARG  they are not: says what differs
 */
INK_MUST_CHECK enum ink_status ink_trainer_check_alike(const struct ink_trainer *trainer,
                                                       struct ink_err *err);

/* Room for the gradient as a whole, if an option needs it. */
INK_MUST_CHECK enum ink_status ink_trainer_update_create(struct ink_trainer *trainer,
                                                         struct ink_err *err);
void ink_trainer_update_destroy(struct ink_trainer *trainer);

/* On every thread of the pool, once all shares were passed backward down to the first dense layer:
 * change a part of the dense weights, or keep their gradient. */
void ink_trainer_update_dense(struct ink_trainer *trainer, int thread);
/* And once they were passed backward altogether, and all dense weights' parts are done: change the
 * other weights. */
void ink_trainer_update(struct ink_trainer *trainer, int thread);

/*
 * Prepare checkpoints, and if the run goes on from one, put everything back that it has.
 *
 * Errors   INK_BADARG, INK_BADDATA  the checkpoint is of another run
 */
INK_MUST_CHECK enum ink_status ink_trainer_checkpoints_init(struct ink_trainer *trainer,
                                                            struct ink_err *err);
void ink_trainer_checkpoints_fini(struct ink_trainer *trainer);

/* Between mini-batches: take one if it is time. Trouble goes to the observer. */
void ink_trainer_checkpoint_if_due(struct ink_trainer *trainer);
/* At the end of a run: take one and wait until it is written. */
void ink_trainer_checkpoint_last(struct ink_trainer *trainer);

#endif
