/* SPDX-License-Identifier: MIT */
#include "model/schedule.h"

#include <math.h>

#define PI 3.14159265358979323846

/* One-cycle: what the highest rate is divided by at the start and at the end. */
static const double start_share = 25, end_share = 250000;

/* From a at 0 to b at 1 along half a cosine. */
static double
cosine(double a, double b, double share)
{
    return b + (a - b) * (1 + cos(PI * share)) / 2;
}

static double
one_cycle(double rate, double top, double at)
{
    if (at < top)
        return cosine(rate / start_share, rate, at / top);
    return cosine(rate, rate / end_share, top < 1 ? (at - top) / (1 - top) : 0);
}

double
ink_schedule_warm_up(const struct ink_train_options *options)
{
    if (options->warm_up >= 0)
        return options->warm_up;
    return options->schedule == INK_ONE_CYCLE ? 0.2 : 0;
}

double
ink_schedule_rate(const struct ink_train_options *options, int64_t step, int64_t step_count)
{
    double rate = options->learning_rate, last = (double)(step_count - 1);
    double at = step_count > 1 ? (double)(step - 1) / last : 0; /* 0..1 */
    double top = ink_schedule_warm_up(options);                 /* where it is highest, 0..1 */
    int64_t epoch = (step - 1) * options->epochs / step_count;  /* from 0 */
    int64_t falls = epoch / options->step_every;

    if (top > 1) /* a number of steps */
        top = last > 0 && top < last ? top / last : 1;
    if (options->schedule == INK_ONE_CYCLE)
        return step_count > 1 ? one_cycle(rate, top, at) : rate;
    if (at < top) /* the first step moves already, the one after the warm-up has the whole rate */
        rate *= (at * last + 1) / (top * last + 1);
    if (options->schedule == INK_COSINE && at >= top && top < 1)
        return cosine(rate, 0, (at - top) / (1 - top));
    if (options->schedule == INK_STEP)
        return rate * pow(options->step_factor, (double)falls);
    return rate;
}
