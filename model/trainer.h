/* SPDX-License-Identifier: MIT */
#ifndef INK_MODEL_TRAINER_H
#define INK_MODEL_TRAINER_H

/*
 * trainer: learns weights from a data set.
 *
 * ink_train_run blocks until it is done or cancelled, computing on `threads`
 * threads of its own pool; the observer is called on the caller's thread.
 * The same seed, data, options and thread count give the same weights to the bit.
 *
 * Each thread takes a share of a mini-batch; batch normalisation measures groups
 * of it that do not depend on the threads (model/net.h). The moving average covers its running
 * statistics too, with the same decay, which grows from 0.1 in the first steps.
 * Weight decay leaves biases and batch normalisation alone.
 *
 * A run that goes on from a checkpoint ends with the same weights to the bit as
 * one that was never interrupted. A checkpoint costs the run the time to copy
 * its numbers; it is written by a thread of its own. The last one is taken when
 * the run ends or is cancelled, and going on from the end gives the result again.
 * None is taken of numbers that are not finite.
 */

#include <stdatomic.h>
#include <stdint.h>

#include "model/augment.h"
#include "model/compute.h"
#include "model/dataset.h"
#include "model/parallel/parallel.h"
#include "model/snapshot.h"

enum ink_optimizer { INK_SGD, INK_ADAM, INK_ADAMW, INK_NESTEROV, INK_ADADELTA };
enum ink_schedule { INK_CONSTANT, INK_ONE_CYCLE, INK_COSINE, INK_STEP };

/* How a run outlives its process. */
struct ink_checkpoint;
struct ink_checkpoint_folder;
struct ink_train_checkpoints {
    struct ink_checkpoint_folder *folder; /* open; model/checkpoint_folder.h */
    int64_t every_steps;                  /* > 0; or 0: every_s */
    double every_s;
    const struct ink_checkpoint *resume; /* go on from there, not from the start; NULL = do not */
    const char *config;                  /* kept in the files for the caller; may be NULL */
};

struct ink_train_options {
    int epochs;                   /* >= 1 */
    int batch_size;               /* >= 1 */
    int threads;                  /* 0 = all cores */
    enum ink_precision precision; /* of what layers multiply, validation's too */
    enum ink_engine engine;       /* of everything, validation's too */
    uint64_t seed;
    enum ink_optimizer optimizer;
    enum ink_schedule schedule;
    double learning_rate; /* the highest of the schedule */
    double warm_up; /* up to 1: share of the steps with a rising rate; above: their number; -1: 0.2
                       for one-cycle, none for others */
    int step_every; /* step: epochs between two changes */
    double step_factor;     /* step: what the rate is multiplied with */
    double momentum;        /* SGD and Nesterov */
    double beta1, beta2;    /* Adam */
    double rho;             /* Adadelta */
    double epsilon;         /* Adam and Adadelta: beside the root; -1: 1e-8 and 1e-6 */
    double weight_decay;    /* added to the gradient; AdamW: decoupled */
    double clip;            /* gradients longer than that are shortened to it; 0 = off */
    double label_smoothing; /* 0..1 */
    /* A picture's loss and gradient are multiplied with its digit's; the mean is over pictures all
     * the same. Validation counts all alike. */
    double class_weight[INK_CLASS_COUNT];
    double average; /* decay of the weights' moving average, 0 = off; validation and snapshots use
                       it */
    struct ink_augment augment;
    double until;     /* accuracy: a validation that reaches it ends the run; 0 = off */
    int patience;     /* so many validations without a better one end the run; 0 = off */
    double publish_s; /* seconds between published snapshots; 0 = never but at the end */
    const struct ink_train_checkpoints *checkpoints; /* NULL = none */
    /* Other processes that run the same with the same: each learns its part of every mini-batch,
     * the first one validates and writes checkpoints; cancelling one cancels all. NULL = none */
    const struct ink_parallel *parallel;
};

/* The defaults that `train` shows in its help. */
struct ink_train_options ink_train_defaults(void);

enum { INK_TRAIN_CURVE_MAX = 512, INK_CLASS_WEIGHT_MAX = 1000 };

/* State of a run, as the observer sees it. Lives in the trainer: copy what is to be kept. */
struct ink_train_progress {
    int epoch, epoch_count;   /* epoch from 1 */
    int64_t step, step_count; /* mini-batches done and planned */
    double elapsed_s, remaining_s;
    double validation_s; /* part of what elapsed */
    double images_per_s; /* training pictures, since the start, without validation */
    double learning_rate;
    double loss, accuracy; /* training, running mean of the last 100 steps or so */
    double validation_loss, validation_accuracy; /* newest; NaN before the first */
    double best_accuracy; /* of the validations so far; NaN before the first */
    int best_epoch;
    bool is_validating;
    /* Curves for drawing, thinned out as they grow. */
    int curve_count; /* training points */
    float curve_step[INK_TRAIN_CURVE_MAX], curve_loss[INK_TRAIN_CURVE_MAX],
        curve_accuracy[INK_TRAIN_CURVE_MAX];
    int validation_count; /* one point an epoch (newest 512) */
    float validation_step[INK_TRAIN_CURVE_MAX], validation_losses[INK_TRAIN_CURVE_MAX],
        validation_accuracies[INK_TRAIN_CURVE_MAX];
};

/* All may be NULL. Called between mini-batches; a slow observer slows training. */
struct ink_train_observer {
    void *self;
    void (*on_progress)(void *self,
                        const struct ink_train_progress *progress); /* about 20 times a second */
    void (*on_snapshot)(void *self, const struct ink_snapshot *snapshot); /* ref it to keep it */
    /* After each mini-batch, with its own loss and accuracy, and after each validation. */
    void (*on_step)(void *self, const struct ink_train_progress *progress, double loss,
                    double accuracy);
    void (*on_validation)(void *self, const struct ink_train_progress *progress);
    void (*on_warning)(void *self, const char *text); /* no newline: a checkpoint was not written */
};

struct ink_train_result {
    const struct ink_snapshot
        *best; /* the caller unrefs: best validated weights, else the newest */
    struct ink_train_progress progress;
    int thread_count; /* as many as computed */
    bool is_cancelled;
    bool is_early;                /* ended by `until` or `patience` */
    enum ink_precision precision; /* that it computed in */
};

/* A mini-batch of a mean loss above this, times the largest class weight, ends the run: guessing
 * costs 2.3. */
#define INK_TRAIN_LOSS_MAX 1e4

/*
 *   start        weights to begin from (a fresh ink_snapshot_create or an earlier result); with
 *                options->checkpoints->resume its weights (group "") with the record of its head
 *   validation   evaluated after each epoch; NULL = none
 *   cancel       polled every node of every mini-batch; set = drop the mini-batch, keep the best so
 *                far (status is INK_OK)
 *
 * Errors   INK_BADARG   an option out of range
 *          INK_BADDATA  the loss is not finite, or beyond INK_TRAIN_LOSS_MAX: says the step and to
 *                       lower the rate. out_result has the best validated weights; without any
 *                       those last handed out before a mini-batch whose loss was fine, or the start
 *          INK_NOMEM
 */
INK_MUST_CHECK enum ink_status
ink_train_run(const struct ink_snapshot *start, const struct ink_dataset *train,
              const struct ink_dataset *validation, const struct ink_train_options *options,
              const struct ink_train_observer *observer, const atomic_bool *cancel,
              struct ink_train_result *out_result, struct ink_err *err);

/* Class weights that make up for classes of different sizes: count / (classes * class's count), 1
 * for those that have no pictures. Threads: pure. */
void ink_train_balance(const struct ink_dataset *train, double out_weight[static INK_CLASS_COUNT]);

/* Accuracy, loss and all probabilities of a snapshot on a data set. */
struct ink_evaluation {
    size_t count, correct;
    double loss;                                          /* mean cross entropy, nats */
    uint32_t confusion[INK_CLASS_COUNT][INK_CLASS_COUNT]; /* [truth][answer] */
    float *probabilities;                                 /* [count][10]; the caller frees */
    double elapsed_s;
};
/* threads: 0 = all cores. Errors: INK_NOTNOW no such precision here; INK_CANCELLED; INK_NOMEM */
INK_MUST_CHECK enum ink_status ink_evaluate(const struct ink_snapshot *snapshot,
                                            const struct ink_dataset *dataset, int threads,
                                            struct ink_compute compute, const atomic_bool *cancel,
                                            struct ink_evaluation *out_evaluation,
                                            struct ink_err *err);

#endif
