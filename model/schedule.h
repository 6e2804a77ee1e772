/* SPDX-License-Identifier: MIT */
#ifndef INK_MODEL_SCHEDULE_H
#define INK_MODEL_SCHEDULE_H

/* schedule: the learning rate at each step. */

#include <stdint.h>

#include "model/trainer.h"

/*
 * The rate of step 1..step_count, of which each epoch has the same number.
 *
 * One-cycle: from rate / 25 up to rate over the warm-up, then down to rate / 250000, both along
 * half a cosine. Source: Smith and Topin 2018.
 * The others rise in a line over the warm-up, if there is one. Source: Goyal et al. 2017, 2.2.
 * Cosine: from there down to 0. Source: Loshchilov and Hutter 2017, eq. 5, without restarts.
 * Step: multiplied by step_factor after every step_every epochs.
 *
 * Threads  pure
 */
double ink_schedule_rate(const struct ink_train_options *options, int64_t step, int64_t step_count);

/* options->warm_up, or what -1 stands for. */
double ink_schedule_warm_up(const struct ink_train_options *options);

#endif
