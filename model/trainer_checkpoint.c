/* SPDX-License-Identifier: MIT */
/* trainer_checkpoint: a run's state to checkpoints, and back. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "model/checkpoint_folder.h"
#include "model/predictor.h"
#include "model/snapshot_priv.h"
#include "model/trainer_priv.h"

enum { REASON_SIZE = 64, REASON_MAX = 8 };

struct ink_keeper {
    struct ink_checkpoint_head head;
    uint64_t saved_ns; /* when the last one was begun */
    int64_t saved_step;
    bool is_submitted; /* what became of the last one is not known yet */
    /* Trouble that was reported: once a kind is enough. */
    char reason[REASON_MAX][REASON_SIZE];
    size_t reason_count;
};

/* ---- what goes wrong ---- */

static void
warn(const struct ink_trainer *trainer, const char *text)
{
    if (trainer->observer && trainer->observer->on_warning)
        trainer->observer->on_warning(trainer->observer->self, text);
}

/* The reason is what stands behind the last colon: which file it was changes every time. */
static void
warn_once(const struct ink_trainer *trainer, const struct ink_err *err)
{
    struct ink_keeper *keeper = trainer->keeper;
    const char *reason = strrchr(err->message, ':');
    char text[sizeof(err->message) + 64];

    reason = reason ? reason : err->message;
    for (size_t i = 0; i < keeper->reason_count; i++)
        if (strncmp(keeper->reason[i], reason, REASON_SIZE - 1) == 0)
            return;
    if (keeper->reason_count < REASON_MAX)
        (void)snprintf(keeper->reason[keeper->reason_count++], REASON_SIZE, "%.63s", reason);
    (void)snprintf(text, sizeof(text), "training goes on without this checkpoint: %s",
                   err->message);
    warn(trainer, text);
}

/* ---- writing ---- */

static void
add_group(struct ink_checkpoint_head *head, const char *name, bool has_statistics)
{
    struct ink_checkpoint_group *group = &head->group[head->group_count++];

    (void)snprintf(group->name, sizeof(group->name), "%s", name);
    group->has_statistics = has_statistics;
}

static void
list_groups(const struct ink_trainer *trainer, struct ink_checkpoint_head *head)
{
    struct ink_optimizer_block block[INK_OPTIMIZER_BLOCK_MAX];
    size_t count = ink_optimizer_blocks(&trainer->optimizer, block);

    head->group_count = 0;
    add_group(head, "", true);
    if (trainer->average)
        add_group(head, "average", true);
    if (trainer->best)
        add_group(head, "best", true);
    for (size_t i = 0; i < count; i++)
        add_group(head, block[i].name, false);
}

static void
fill_from_block(const struct ink_plan *plan, const float *block, bool has_statistics, float *out)
{
    for (int i = 0; i < plan->node_count; i++) {
        const struct ink_node *node = plan->node[i].node;
        size_t statistics = has_statistics ? node->statistic_count : 0;
        float *biases = out + node->weight_count, *behind = biases + node->bias_count;

        if (node->weight_count > 0)
            ink_plan_unpack(plan, block, i, out, node->bias_count > 0 ? biases : NULL,
                            statistics > 0 ? behind : NULL);
        out = behind + statistics;
    }
}

static void
fill_from_snapshot(const struct ink_snapshot *snapshot, float *out)
{
    const struct ink_arch *arch = ink_snapshot_arch(snapshot);

    for (int i = 0; i < arch->node_count; i++) {
        size_t count = ink_node_parameter_count(&arch->node[i]) + arch->node[i].statistic_count;

        if (count > 0) /* a node's numbers lie one behind the other */
            memcpy(out, ink_snapshot_weights(snapshot, i), count * sizeof(*out));
        out += count;
    }
}

static void
fill(const struct ink_trainer *trainer, float **place)
{
    struct ink_optimizer_block block[INK_OPTIMIZER_BLOCK_MAX];
    size_t count = ink_optimizer_blocks(&trainer->optimizer, block);

    fill_from_block(trainer->plan, trainer->block, true, *place++);
    if (trainer->average)
        fill_from_block(trainer->plan, trainer->average, true, *place++);
    if (trainer->best)
        fill_from_snapshot(trainer->best, *place++);
    for (size_t i = 0; i < count; i++)
        fill_from_block(trainer->plan, block[i].numbers, false, *place++);
}

static enum ink_status
capture(const struct ink_trainer *trainer, struct ink_buf *buf, struct ink_err *err)
{
    struct ink_checkpoint_head *head = &trainer->keeper->head;
    float *place[INK_CHECKPOINT_GROUP_MAX];
    enum ink_status status;

    head->history = trainer->history;
    if (trainer->best)
        head->best = *ink_snapshot_record(trainer->best);
    list_groups(trainer, head);
    status = ink_checkpoint_encode(ink_snapshot_arch(trainer->start), head, buf, place, err);
    if (status)
        return status;
    fill(trainer, place);
    if (ink_checkpoint_is_finite(buf))
        return INK_OK;
    return ink_fail(err, INK_BADDATA, "a number at step %lld is not finite",
                    (long long)trainer->history.progress.step);
}

/* Take a checkpoint; it is written while the training goes on. */
static void
save(struct ink_trainer *trainer)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf buf = {0};
    struct ink_keeper *keeper = trainer->keeper;
    int64_t step = trainer->history.progress.step;
    struct ink_err err;
    enum ink_status status = capture(trainer, &buf, &err);

    if (!status)
        status =
            ink_checkpoint_folder_submit(trainer->options->checkpoints->folder, step, &buf, &err);
    keeper->saved_ns = ink_clock_ns();
    keeper->saved_step = step;
    keeper->is_submitted = !status;
    if (status)
        warn_once(trainer, &err);
}

/* What became of the one submitted last. */
static void
settle(struct ink_trainer *trainer)
{
    struct ink_keeper *keeper = trainer->keeper;
    struct ink_err err;

    if (!keeper->is_submitted)
        return;
    keeper->is_submitted = false;
    if (ink_checkpoint_folder_wait(trainer->options->checkpoints->folder, &err) != INK_OK)
        warn_once(trainer, &err);
}

void
ink_trainer_checkpoint_if_due(struct ink_trainer *trainer)
{
    const struct ink_train_checkpoints *wanted = trainer->options->checkpoints;
    struct ink_keeper *keeper = trainer->keeper;
    int64_t steps;
    bool is_due;

    if (!keeper || !ink_trainer_is_first(trainer))
        return;
    if (!ink_checkpoint_folder_is_busy(wanted->folder))
        settle(trainer);
    steps = trainer->history.progress.step - keeper->saved_step;
    is_due = wanted->every_steps > 0
                 ? steps >= wanted->every_steps
                 : steps > 0 && ink_clock_ms_since(keeper->saved_ns) >= wanted->every_s * 1000;
    /* By the clock, a slow disk makes checkpoints rarer; by steps, it makes training wait. */
    if (!is_due || (wanted->every_steps == 0 && keeper->is_submitted))
        return;
    settle(trainer);
    save(trainer);
}

void
ink_trainer_checkpoint_last(struct ink_trainer *trainer)
{
    if (!trainer->keeper || !ink_trainer_is_first(trainer))
        return;
    settle(trainer);
    save(trainer);
    settle(trainer);
}

/* ---- reading ---- */

static enum ink_status
restore_block(const struct ink_trainer *trainer, const char *group, size_t size, float *block,
              struct ink_err *err)
{
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *snapshot = NULL;
    INK_CLEANUP(ink_freep) float *packed = ink_floats(ink_plan_block_size(trainer->plan));
    enum ink_status status =
        ink_checkpoint_snapshot(trainer->options->checkpoints->resume, group, NULL, &snapshot, err);

    if (status)
        return status;
    if (!packed)
        return ink_fail(err, INK_NOMEM, "no memory to read a checkpoint");
    ink_plan_pack(trainer->plan, snapshot, packed);
    memcpy(block, packed, size * sizeof(*block));
    return INK_OK;
}

static enum ink_status
restore_numbers(struct ink_trainer *trainer, struct ink_err *err)
{
    const struct ink_checkpoint *from = trainer->options->checkpoints->resume;
    const struct ink_checkpoint_head *head = ink_checkpoint_head(from);
    struct ink_optimizer_block block[INK_OPTIMIZER_BLOCK_MAX];
    size_t count = ink_optimizer_blocks(&trainer->optimizer, block);
    size_t size = ink_plan_block_size(trainer->plan);
    enum ink_status status = restore_block(trainer, "", size, trainer->block, err);

    if (!status && trainer->average)
        status = restore_block(trainer, "average", size, trainer->average, err);
    for (size_t i = 0; !status && i < count; i++)
        status = restore_block(trainer, block[i].name, trainer->plan->parameter_size,
                               block[i].numbers, err);
    if (!status && head->history.progress.best_epoch > 0)
        status = ink_checkpoint_snapshot(from, "best", &head->best, &trainer->best, err);
    if (!status)
        ink_plan_turn(trainer->plan, trainer->kernels, trainer->block, trainer->turned, 0, 1);
    return status;
}

/* Whether the checkpoint is of this run, as far as the trainer can tell. */
static enum ink_status
check_run(const struct ink_trainer *trainer, struct ink_err *err)
{
    const struct ink_checkpoint_head *was =
        ink_checkpoint_head(trainer->options->checkpoints->resume);
    const struct ink_checkpoint_head *is = &trainer->keeper->head;
    const struct ink_train_progress *before = &was->history.progress;
    const struct ink_train_progress *now = &trainer->history.progress;
    int64_t epoch_steps = now->step_count / now->epoch_count;
    int64_t begun = before->step - was->history.epochs_done * epoch_steps;

    if (strcmp(was->train, is->train) != 0)
        return ink_fail(err, INK_BADDATA, "'%s' is not what the checkpoint's run learned from",
                        trainer->train->name);
    if (strcmp(was->validation, is->validation) != 0)
        return ink_fail(err, INK_BADDATA, "'%s' is not what the checkpoint's run was measured on",
                        trainer->validation ? trainer->validation->name : "none");
    if (was->thread_count != is->thread_count)
        return ink_fail(err, INK_BADARG, "%d threads, the checkpoint's run has %d",
                        is->thread_count, was->thread_count);
    if (before->step_count != now->step_count || before->epoch_count != now->epoch_count)
        return ink_fail(err, INK_BADARG,
                        "%lld steps in %d epochs, the checkpoint's run has %lld in %d",
                        (long long)now->step_count, now->epoch_count, (long long)before->step_count,
                        before->epoch_count);
    if (begun < 0 || begun > epoch_steps || was->history.picture_count != trainer->train->count)
        return ink_fail(err, INK_BADDATA, "the checkpoint's history does not fit together");
    if (strcmp(ink_snapshot_arch(trainer->start)->text,
               ink_checkpoint_arch(trainer->options->checkpoints->resume)->text) != 0)
        return ink_fail(err, INK_BADARG, "the checkpoint is of another architecture");
    return INK_OK;
}

static enum ink_status
restore(struct ink_trainer *trainer, struct ink_err *err)
{
    const struct ink_checkpoint_head *head =
        ink_checkpoint_head(trainer->options->checkpoints->resume);
    enum ink_status status = check_run(trainer, err);

    if (!status)
        status = restore_numbers(trainer, err);
    if (status)
        return status;
    if (strcmp(head->compute, trainer->keeper->head.compute) != 0) {
        char text[160];

        (void)snprintf(text, sizeof(text),
                       "the run began on %s kernels and goes on with %s: the weights will differ "
                       "in their last bits",
                       head->compute, trainer->keeper->head.compute);
        warn(trainer, text);
    }
    trainer->history = head->history;
    trainer->history.progress.is_validating = false;
    trainer->keeper->saved_step = head->history.progress.step;
    return INK_OK;
}

enum ink_status
ink_trainer_checkpoints_init(struct ink_trainer *trainer, struct ink_err *err)
{
    const struct ink_train_checkpoints *wanted = trainer->options->checkpoints;
    struct ink_checkpoint_head *head;

    if (!wanted)
        return INK_OK;
    trainer->keeper = calloc(1, sizeof(*trainer->keeper));
    if (!trainer->keeper)
        return ink_fail(err, INK_NOMEM, "no memory for checkpoints");
    trainer->keeper->saved_ns = ink_clock_ns();
    head = &trainer->keeper->head;
    head->record = *ink_snapshot_record(trainer->start);
    head->thread_count = trainer->thread_count;
    head->config = wanted->config;
    (void)snprintf(head->compute, sizeof(head->compute), "%s", trainer->kernels->name);
    ink_dataset_digest(trainer->train, head->train);
    if (trainer->validation)
        ink_dataset_digest(trainer->validation, head->validation);
    return wanted->resume ? restore(trainer, err) : INK_OK;
}

void
ink_trainer_checkpoints_fini(struct ink_trainer *trainer)
{
    free(trainer->keeper);
}
