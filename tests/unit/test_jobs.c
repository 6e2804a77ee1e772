/* SPDX-License-Identifier: MIT */
/* jobs: training goes on beside cells, one at a time; it is seen, stopped, and ends with its
 * session. */
#include <time.h>

#include "command_fixture.h"
#include "kernel/command/jobs.h"

static void
assert_runs(struct fixture *fixture, const char *code, const char *has)
{
    assert_ok(fixture_run(fixture, code), &fixture->err);
    if (!strstr(fixture_form(fixture, INK_MIME_TEXT), has))
        fail_msg("%s: expected '%s' in: %s", code, has, fixture_form(fixture, INK_MIME_TEXT));
}

static struct ink_job_view
job_of(struct fixture *fixture, int number)
{
    struct ink_job_view view;

    assert_ok(ink_jobs_get(ink_session_jobs(fixture->session), number, &view, &fixture->err),
              &fixture->err);
    return view;
}

/* Until a job has ended by itself. */
static struct ink_job_view
wait_for(struct fixture *fixture, int number)
{
    struct timespec moment = {.tv_nsec = 5000000};

    for (int i = 0; i < 6000; i++) {
        struct ink_job_view view = job_of(fixture, number);

        if (view.state != INK_JOB_RUNS)
            return view;
        (void)nanosleep(&moment, NULL);
    }
    fail_msg("job %d does not end", number);
    return (struct ink_job_view){0};
}

static unsigned long long
serial(struct fixture *fixture)
{
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *snapshot = NULL;

    assert_ok(ink_session_snapshot(fixture->session, &snapshot, &fixture->err), &fixture->err);
    return ink_snapshot_serial(snapshot);
}

static void
cells_run_beside_a_job(void **state)
{
    struct fixture *fixture = *state;
    struct timespec moment = {.tv_nsec = 5000000};
    struct ink_job_view view;
    unsigned long long before;

    assert_runs(fixture, "jobs", "no jobs: 'train --background' starts one");
    assert_fails(INK_NOTFOUND, "no job 3", fixture_run(fixture, "jobs 3"), &fixture->err);
    assert_fails(INK_NOTNOW, "no job is running", fixture_run(fixture, "stop"), &fixture->err);
    assert_runs(fixture,
                "train --background --epochs 1000 --batch 8 --threads 1 --save kept.safetensors",
                "job 1: small on tiny.jsonl trains in the background");
    assert_string_equal(fixture_form(fixture, INK_MIME_JSON), "{\"job\":1}");
    assert_int_equal(job_of(fixture, 0).state, INK_JOB_RUNS);

    before = serial(fixture);
    assert_runs(fixture, "predict test[1]", "%");
    for (int i = 0; i < 4000 && serial(fixture) == before; i++)
        (void)nanosleep(&moment, NULL);
    assert_true(serial(fixture) != before); /* the newest weights are the session's */
    assert_runs(fixture, "jobs", "runs");
    assert_runs(fixture, "jobs 1", "epoch");
    assert_fails(INK_NOTNOW, "job 1 (small on tiny.jsonl) is training",
                 fixture_run(fixture, "train --epochs 1"), &fixture->err);
    assert_fails(INK_NOTNOW, "'stop' it", fixture_run(fixture, "train --background --epochs 1"),
                 &fixture->err);

    /* an interrupt is the cell's */
    atomic_store(&fixture->cancel, true);
    assert_int_equal(fixture_run(fixture, "evaluate"), INK_CANCELLED);
    atomic_store(&fixture->cancel, false);
    assert_int_equal(job_of(fixture, 1).state, INK_JOB_RUNS);

    assert_runs(fixture, "stop", "job 1: stopped in epoch ");
    assert_non_null(strstr(fixture_form(fixture, INK_MIME_TEXT), "saved as kept.safetensors"));
    assert_int_equal(access("kept.safetensors", F_OK), 0);
    view = job_of(fixture, 1);
    assert_int_equal(view.state, INK_JOB_STOPPED);
    assert_true(view.progress.step > 0);
    assert_fails(INK_NOTNOW, "job 1 has ended already", fixture_run(fixture, "stop 1"),
                 &fixture->err);
    assert_fails(INK_NOTFOUND, "no job 9", fixture_run(fixture, "stop 9"), &fixture->err);
    assert_runs(fixture, "jobs 1", "epoch");
    assert_non_null(strstr(ink_buf_text(&fixture->printed), "job 1: stopped in epoch "));
}

static void
a_job_ends_by_itself(void **state)
{
    struct fixture *fixture = *state;
    struct ink_job_view view;

    assert_runs(fixture, "train --background --epochs 2 --batch 8 --threads 1 --name mine",
                "job 1: mine on");
    view = wait_for(fixture, 1);
    assert_int_equal(view.state, INK_JOB_DONE);
    assert_int_equal(view.progress.step, 10);
    assert_non_null(strstr(view.message, "mine on tiny.jsonl: "));
    assert_runs(fixture, "jobs", "done");
    assert_runs(fixture, "model", "mine:");
    assert_runs(fixture, "train --epochs 1 --batch 8", "tiny.jsonl"); /* the way is free again */
}

static void
assert_in_use(struct fixture *fixture, const char *name)
{
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *snapshot = NULL;

    assert_ok(ink_session_snapshot(fixture->session, &snapshot, &fixture->err), &fixture->err);
    assert_string_equal(ink_snapshot_record(snapshot)->name, name);
}

/* Until the job's network is another than `before`; its serial. */
static unsigned long long
wait_for_news(struct fixture *fixture, unsigned long long before)
{
    struct timespec moment = {.tv_nsec = 5000000};

    for (int i = 0; i < 6000; i++) {
        INK_CLEANUP(ink_snapshot_unrefp)
        const struct ink_snapshot *job = ink_session_job(fixture->session);

        if (job && ink_snapshot_serial(job) != before)
            return ink_snapshot_serial(job);
        (void)nanosleep(&moment, NULL);
    }
    fail_msg("the job publishes nothing");
    return 0;
}

/* Whoever chooses a network beside a job keeps it; the job's is a word away. */
static void
what_is_chosen_stays(void **state)
{
    static const char *const choices[][2] = {
        {"model use inkling", "inkling"},
        {"model new other softmax", "other"},
        {"model load kept.safetensors", "small"},
        {"import kept.safetensors --model conv1 --name taken", "taken"},
    };
    struct fixture *fixture = *state;
    unsigned long long job = 0;

    assert_runs(fixture, "model save kept.safetensors", "saved");
    assert_fails(INK_NOTFOUND, "no job has learned anything yet",
                 fixture_run(fixture, "model use job"), &fixture->err);
    assert_runs(
        fixture,
        "train --background --epochs 1000 --batch 8 --threads 1 --name mine --save m.safetensors",
        "job 1");
    for (size_t i = 0; i < sizeof(choices) / sizeof(*choices); i++) {
        job = wait_for_news(fixture, job);
        assert_in_use(fixture, "mine");
        assert_runs(fixture, choices[i][0], choices[i][1]);
        assert_non_null(strstr(ink_buf_text(&fixture->printed),
                               "job 1 trains on beside it: 'model use job' goes back to that"));
        assert_runs(fixture, "jobs", "job 1's network is not the one in use: 'model use job'");
        job = wait_for_news(fixture, job);
        assert_in_use(fixture, choices[i][1]);
        assert_runs(fixture, "predict test[1] --model job", "mine");
        assert_runs(fixture, "model list", "trained in the background");
        assert_runs(fixture, "model use job", "now in use: mine:");
        job = serial(fixture);
        for (int wait = 0; wait < 4000 && serial(fixture) == job; wait++)
            (void)nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
        assert_true(serial(fixture) != job); /* and it is followed again */
        assert_null(strstr(fixture_form(fixture, INK_MIME_TEXT), "not the one in use"));
    }
    /* keeping a copy in the store is no choice */
    assert_runs(fixture, "model save copy", "saved: copy:1");
    job = wait_for_news(fixture, job);
    job = wait_for_news(fixture, job);
    assert_in_use(fixture, "mine");

    assert_runs(fixture, "model use inkling", "inkling");
    assert_runs(fixture, "stop", "are kept as 'job' and saved as m.safetensors");
    assert_in_use(fixture, "inkling");
    assert_runs(fixture, "model use job", "now in use: mine:");
    assert_runs(fixture, "model use inkling", "inkling");
    assert_string_equal(ink_buf_text(&fixture->printed), ""); /* nothing trains beside it */

    assert_runs(fixture, "train --background --epochs 1 --batch 8 --threads 1 --name next",
                "job 2");
    (void)wait_for(fixture, 2);
    assert_in_use(fixture, "next");
}

/* A job that fails gives back what was there, but not in the place of what was chosen. */
static void
a_failed_job_takes_no_place(void **state)
{
    static const char explodes[] =
        "train --background --epochs 400 --batch 8 --lr 9 --schedule constant --model softmax "
        "--weight-decay 1 --optimizer sgd --momentum 0.999 --name bad";
    struct fixture *fixture = *state;

    assert_runs(fixture, explodes, "job 1");
    assert_runs(fixture, "model use inkling", "inkling");
    assert_int_equal(wait_for(fixture, 1).state, INK_JOB_FAILED);
    assert_in_use(fixture, "inkling");
}

static void
what_is_wrong_is_said_in_the_cell(void **state)
{
    struct fixture *fixture = *state;

    assert_fails(INK_BADARG, "--epochs", fixture_run(fixture, "train --background --epochs 0"),
                 &fixture->err);
    assert_fails(INK_NOTFOUND, "nothing",
                 fixture_run(fixture, "train --background --data nothing.jsonl"), &fixture->err);
    assert_runs(fixture, "jobs", "no jobs");
    assert_runs(fixture,
                "train --background --epochs 9 --batch 8 --lr 9 --schedule constant "
                "--model softmax --weight-decay 1 --optimizer sgd --momentum 0.999",
                "job 1");
    assert_int_equal(wait_for(fixture, 1).state == INK_JOB_RUNS, false);
}

static void
the_oldest_are_forgotten(void **state)
{
    struct fixture *fixture = *state;

    for (int i = 1; i <= INK_JOB_KEEP + 2; i++) {
        assert_ok(fixture_run(fixture, "train --background --epochs 1 --batch 40 --model softmax "
                                       "--threads 1 --validation none"),
                  &fixture->err);
        assert_int_equal(wait_for(fixture, i).state, INK_JOB_DONE);
    }
    assert_fails(INK_NOTFOUND, "no job 2", fixture_run(fixture, "jobs 2"), &fixture->err);
    assert_runs(fixture, "jobs 3", "epoch");
}

/* The teardown ends the session under it: with a last checkpoint. */
static void
a_session_stops_its_job(void **state)
{
    struct fixture *fixture = *state;

    assert_runs(fixture, "train --background --epochs 1000 --batch 8 --threads 1 --checkpoints run",
                "job 1");
    ink_session_destroy(&fixture->session);
    assert_int_equal(access("run/lock", F_OK), 0);
    {
        DIR *dir = opendir("run");
        int count = 0;

        assert_non_null(dir);
        for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir))
            count += strncmp(entry->d_name, "checkpoint-", 11) == 0;
        (void)closedir(dir);
        assert_int_equal(count, 1);
    }
}

/* A sink that outlives its cell is given back. */
static int kept, given_back;

static struct ink_sink *
on_keep(void *self)
{
    struct ink_sink *sink = calloc(1, sizeof(*sink));
    struct fixture *fixture = self;

    kept++;
    assert_non_null(sink);
    *sink = fixture->sink;
    return sink;
}

static void
on_release(struct ink_sink *sink)
{
    given_back++;
    free(sink);
}

static void
its_display_goes_on(void **state)
{
    struct fixture *fixture = *state;

    fixture->sink.keep = on_keep;
    fixture->sink.release = on_release;
    assert_runs(fixture, "train --background --epochs 2 --batch 8 --threads 1", "job 1");
    assert_int_equal(wait_for(fixture, 1).state, INK_JOB_DONE);
    assert_int_equal(fixture->display_count, 1);
    assert_non_null(strstr(ink_buf_text(&fixture->displayed), "epoch 2/2"));
    assert_int_equal(kept, 1);
    assert_int_equal(given_back, 1);
}

int
main(void)
{
#define WITH_SESSION(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        WITH_SESSION(cells_run_beside_a_job),
        WITH_SESSION(a_job_ends_by_itself),
        WITH_SESSION(what_is_chosen_stays),
        WITH_SESSION(a_failed_job_takes_no_place),
        WITH_SESSION(what_is_wrong_is_said_in_the_cell),
        WITH_SESSION(the_oldest_are_forgotten),
        WITH_SESSION(a_session_stops_its_job),
        WITH_SESSION(its_display_goes_on),
    };

    return cmocka_run_group_tests_name("jobs", tests, NULL, NULL);
}
