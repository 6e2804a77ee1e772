/* SPDX-License-Identifier: MIT */
/* checkpoint_folder: one always loads, whatever breaks; a folder does not fill. */

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "checkpoint_fixture.h"

static void
the_newest_three_stay(void **state)
{
    DIR *dir;
    struct dirent *entry;
    char path[128];
    int checkpoints = 0, others = 0;

    (void)state;
    put_path(path, "kept");
    fill_folder(path);
    dir = opendir(path);
    assert_non_null(dir);
    while ((entry = readdir(dir)))
        if (strncmp(entry->d_name, "checkpoint-0000000000", 21) == 0 && strlen(entry->d_name) == 35)
            checkpoints++;
        else if (entry->d_name[0] != '.')
            others++;
    (void)closedir(dir);
    assert_int_equal(checkpoints, INK_CHECKPOINT_KEEP);
    assert_int_equal(others, 1); /* the lock */
    for (int step = 13; step <= 15; step++) {
        INK_CLEANUP(ink_buf_fini) struct ink_buf buf = load(path, step);
        INK_CLEANUP(ink_checkpoint_destroy) struct ink_checkpoint *checkpoint = NULL;
        const struct ink_checkpoint_head *head;
        struct ink_err err;

        assert_ok(ink_checkpoint_decode(&buf, &checkpoint, &err), &err);
        head = ink_checkpoint_head(checkpoint);
        assert_int_equal(head->history.progress.step, step);
        assert_string_equal(head->config, "{\"mine\": \"\\\"\"}");
        assert_string_equal(head->record.command, "train \"it\"");
        assert_true(head->history.is_over == (step == 15));
    }
    remove_folder(path);
}

static void
a_broken_one_is_named_and_the_one_before_taken(void **state)
{
    INK_CLEANUP(ink_checkpoint_folder_close) struct ink_checkpoint_folder *folder = NULL;
    INK_CLEANUP(ink_checkpoint_destroy) struct ink_checkpoint *checkpoint = NULL;
    struct stopper seen = {.stop_at = 0};
    struct ink_err err;
    char path[128];

    (void)state;
    put_path(path, "broken");
    fill_folder(path);
    spoil(path, 15);
    spoil(path, 14);
    assert_ok(ink_checkpoint_folder_open(path, &folder, &err), &err);
    assert_int_equal(ink_checkpoint_folder_last(folder), 15);
    assert_ok(ink_checkpoint_folder_newest(folder, on_warning, &seen, &checkpoint, &err), &err);
    assert_int_equal(ink_checkpoint_head(checkpoint)->history.progress.step, 13);
    assert_int_equal(seen.warnings, 2);
    assert_non_null(strstr(seen.warning, "checkpoint-000000000014.safetensors: the checksum"));
    assert_int_equal(ink_checkpoint_folder_last(folder), 13); /* the others do not count any more */
    ink_checkpoint_destroy(&checkpoint);
    spoil(path, 13);
    assert_fails(INK_BADDATA,
                 "can be read, checkpoint-000000000013: bring one back from a copy, or start anew "
                 "in another folder",
                 ink_checkpoint_folder_newest(folder, on_warning, &seen, &checkpoint, &err), &err);
    assert_null(checkpoint);
    assert_int_equal(ink_checkpoint_folder_last(folder), 13); /* all broken: nothing is moved */
    ink_checkpoint_folder_close(&folder);
    remove_folder(path);
    assert_ok(ink_checkpoint_folder_open(path, &folder, &err), &err);
    assert_fails(INK_NOTFOUND, "has no checkpoints",
                 ink_checkpoint_folder_newest(folder, on_warning, &seen, &checkpoint, &err), &err);
    remove_folder(path);
}

/* A folder that cannot be synced: what was reported stays, and what was not does not pile up. */
static bool is_folder_stuck;

/* In the place of the C library's. */
int
fsync(int fd)
{
    struct stat info;

    if (is_folder_stuck && fstat(fd, &info) == 0 && S_ISDIR(info.st_mode)) {
        errno = EIO;
        return -1;
    }
    return fdatasync(fd);
}

/* How many files there are with that in their names. */
static int
count_files(const char *path, const char *part)
{
    DIR *dir = opendir(path);
    int count = 0;

    assert_non_null(dir);
    for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir))
        count += strstr(entry->d_name, part) != NULL;
    (void)closedir(dir);
    return count;
}

static enum ink_status
submit(struct ink_checkpoint_folder *folder, const char *like, int64_t step, struct ink_err *err)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf buf = load(like, 14);

    assert_ok(ink_checkpoint_folder_submit(folder, step, &buf, err), err);
    return ink_checkpoint_folder_wait(folder, err);
}

static void
a_stuck_folder_does_not_fill(void **state)
{
    INK_CLEANUP(ink_checkpoint_folder_close) struct ink_checkpoint_folder *folder = NULL;
    struct ink_err err;
    char like[128], path[128];

    (void)state;
    put_path(like, "like");
    put_path(path, "stuck");
    fill_folder(like);
    assert_ok(ink_checkpoint_folder_open(path, &folder, &err), &err);
    for (int64_t step = 1; step <= 5; step++)
        assert_ok(submit(folder, like, step, &err), &err);
    assert_int_equal(count_files(path, "checkpoint-"), INK_CHECKPOINT_KEEP);
    is_folder_stuck = true;
    for (int64_t step = 6; step <= 20; step++) {
        assert_fails(INK_IO, "cannot sync", submit(folder, like, step, &err), &err);
        assert_int_equal(ink_checkpoint_folder_last(folder), step);
        for (int reported = 3; reported <= 5; reported++) {
            char name[32];

            (void)snprintf(name, sizeof(name), "%012d.", reported);
            assert_int_equal(count_files(path, name), 1);
        }
        assert_true(count_files(path, "checkpoint-") <= 2 * INK_CHECKPOINT_KEEP);
    }
    is_folder_stuck = false;
    assert_ok(submit(folder, like, 21, &err), &err);
    assert_int_equal(count_files(path, "checkpoint-"), INK_CHECKPOINT_KEEP);
    ink_checkpoint_folder_close(&folder);
    remove_folder(like);
    remove_folder(path);
}

/* Broken ones that were put aside, resume after resume. */
static void
what_is_put_aside_does_not_pile_up(void **state)
{
    struct ink_err err;
    char path[128];

    (void)state;
    put_path(path, "aside");
    fill_folder(path);
    for (int64_t step = 16; step < 24; step++) {
        INK_CLEANUP(ink_checkpoint_folder_close) struct ink_checkpoint_folder *folder = NULL;
        INK_CLEANUP(ink_checkpoint_destroy) struct ink_checkpoint *checkpoint = NULL;

        assert_ok(ink_checkpoint_folder_open(path, &folder, &err), &err);
        assert_ok(submit(folder, path, step, &err), &err);
        spoil(path, (int)step);
        assert_ok(ink_checkpoint_folder_newest(folder, NULL, NULL, &checkpoint, &err), &err);
        assert_int_equal(ink_checkpoint_folder_last(folder), 15);
        assert_true(count_files(path, ".broken") <= INK_CHECKPOINT_KEEP);
    }
    assert_int_equal(count_files(path, "23.safetensors.broken"), 1);
    remove_folder(path);
}

static void
a_folder_has_one_user(void **state)
{
    INK_CLEANUP(ink_checkpoint_folder_close) struct ink_checkpoint_folder *folder = NULL;
    INK_CLEANUP(ink_checkpoint_folder_close) struct ink_checkpoint_folder *second = NULL;
    char path[128], leftover[200], pid[32];
    struct ink_err err;

    (void)state;
    put_path(path, "lock");
    assert_ok(ink_checkpoint_folder_open(path, &folder, &err), &err);
    (void)snprintf(pid, sizeof(pid), "process %ld", (long)getpid());
    assert_fails(INK_BUSY, pid, ink_checkpoint_folder_open(path, &second, &err), &err);
    ink_checkpoint_folder_close(&folder);
    (void)snprintf(leftover, sizeof(leftover), "%s/checkpoint-000000000014.safetensors.tmp-12345-0",
                   path);
    assert_ok(ink_file_write(leftover, "half", 4, &err), &err);
    assert_ok(ink_checkpoint_folder_open(path, &folder, &err), &err);
    assert_int_equal(access(leftover, F_OK), -1);
    remove_folder(path);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_newest_three_stay),
        cmocka_unit_test(a_broken_one_is_named_and_the_one_before_taken),
        cmocka_unit_test(a_stuck_folder_does_not_fill),
        cmocka_unit_test(what_is_put_aside_does_not_pile_up),
        cmocka_unit_test(a_folder_has_one_user),
    };

    return cmocka_run_group_tests_name("checkpoint folder", tests, make_root, remove_root);
}
