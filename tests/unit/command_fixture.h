/* SPDX-License-Identifier: MIT */
#ifndef INK_TEST_COMMAND_FIXTURE_H
#define INK_TEST_COMMAND_FIXTURE_H

/* command_fixture: a session in an empty folder, with a small data set and an untrained network. */

#include <dirent.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "ink_test.h"
#include "kernel/command/cell.h"
#include "kernel/command/session.h"
#include "model/generator.h"

enum { FIXTURE_DRAWINGS = 40 }; /* in tiny.jsonl: four of each digit, in order */

struct fixture {
    char folder[64], home[1024]; /* the temporary one, and the one before */
    struct ink_session *session;
    atomic_bool cancel;
    struct ink_buf printed;   /* commentary */
    struct ink_buf displayed; /* text/plain of displays, each followed by a line ---- */
    int display_count, update_count;
    struct ink_sink sink;
    struct ink_bundle result; /* of the last cell */
    struct ink_err err;
};

static inline void
fixture_print(void *self, const char *text)
{
    struct fixture *fixture = self;

    ink_buf_puts(&fixture->printed, text);
}

static inline void
fixture_display(void *self, const struct ink_bundle *bundle, const char *display_id, bool is_update)
{
    struct fixture *fixture = self;
    const struct ink_bundle_item *text = ink_bundle_find(bundle, INK_MIME_TEXT);

    assert_true(display_id || !is_update);
    fixture->display_count += !is_update;
    fixture->update_count += is_update;
    if (text)
        ink_buf_printf(&fixture->displayed, "%s\n----\n", text->bytes);
}

/* tiny.jsonl, in the current folder. */
static inline void
fixture_write_drawings(void)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf lines = {0};
    struct ink_err err;
    struct ink_rng rng;

    ink_rng_init(&rng, 7, 0);
    for (int i = 0; i < FIXTURE_DRAWINGS; i++) {
        INK_CLEANUP(ink_drawing_destroy) struct ink_drawing *drawing = NULL;
        INK_CLEANUP(ink_json_destroy) struct ink_json *json = ink_json_object();

        assert_ok(ink_generator_draw(&rng, i % 10, &drawing, &err), &err);
        ink_json_set_int(json, "label", i % 10);
        ink_json_set(json, "strokes", ink_drawing_to_json(drawing));
        assert_ok(ink_json_print(json, &lines, &err), &err);
        ink_buf_putc(&lines, '\n');
    }
    assert_ok(ink_file_write("tiny.jsonl", lines.bytes, lines.size, &err), &err);
}

/* Run a cell; its result is in fixture->result. */
static inline enum ink_status
fixture_run(struct fixture *fixture, const char *code)
{
    ink_bundle_fini(&fixture->result);
    ink_buf_clear(&fixture->printed);
    ink_buf_clear(&fixture->displayed);
    fixture->display_count = fixture->update_count = 0;
    fixture->err.message[0] = '\0';
    return ink_cell_run(fixture->session, code, strlen(code), &fixture->sink, &fixture->cancel,
                        &fixture->result, &fixture->err);
}

/* A form of the last result; fails if it is not there. */
static inline const char *
fixture_form(const struct fixture *fixture, const char *mime)
{
    const struct ink_bundle_item *item = ink_bundle_find(&fixture->result, mime);

    if (!item)
        fail_msg("the result has no %s", mime);
    return item ? item->bytes : "";
}

static inline int
fixture_setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    struct ink_session_options options = {
        .store = "store", .data_dir = "none", .cache_dir = "none", .has_jobs = true};

    assert_non_null(fixture);
    assert_non_null(getcwd(fixture->home, sizeof(fixture->home)));
    (void)snprintf(fixture->folder, sizeof(fixture->folder), "/tmp/inkling-test-XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    assert_int_equal(chdir(fixture->folder), 0);
    fixture_write_drawings();
    fixture->sink =
        (struct ink_sink){.self = fixture, .print = fixture_print, .display = fixture_display};
    assert_ok(ink_session_create(&options, &fixture->session, &fixture->err), &fixture->err);
    assert_ok(fixture_run(fixture, "data use tiny.jsonl"), &fixture->err);
    assert_ok(fixture_run(fixture, "model new small conv1 --seed 3"), &fixture->err);
    *state = fixture;
    return 0;
}

static inline void
fixture_remove(const char *folder)
{
    DIR *entries = opendir(folder);

    for (struct dirent *entry = entries ? readdir(entries) : NULL; entry;
         entry = readdir(entries)) {
        INK_CLEANUP(ink_buf_fini) struct ink_buf path = {0};

        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        ink_buf_printf(&path, "%s/%s", folder, entry->d_name);
        if (!path.is_broken && unlink(path.bytes) != 0)
            fixture_remove(path.bytes);
    }
    if (entries)
        (void)closedir(entries);
    (void)rmdir(folder);
}

static inline int
fixture_teardown(void **state)
{
    struct fixture *fixture = *state;

    ink_bundle_fini(&fixture->result);
    ink_buf_fini(&fixture->printed);
    ink_buf_fini(&fixture->displayed);
    ink_session_destroy(&fixture->session);
    assert_int_equal(chdir(fixture->home), 0);
    fixture_remove(fixture->folder);
    free(fixture);
    return 0;
}

#endif
