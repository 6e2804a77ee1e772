/* SPDX-License-Identifier: MIT */
/*
 * test_cases: tests/cases/NAME.txt, cells and what they must answer.
 *
 *   >>> CELL           a line of a cell; more of them in a row are one cell
 *   ~~~ TEXT           text/plain of the result has it
 *   {{{ TEXT           application/json has it
 *   <<< TEXT           text/html has it
 *   --- TEXT           text/plain of a display has it
 *   !!! ENAME: TEXT    the cell fails with exactly that
 *   !!~ ENAME: TEXT    the cell fails with something that begins so
 *   # ...              a note
 *
 * All cells of a file share a session: the data set is tiny.jsonl (four of each
 * digit), the network is `small`, an untrained conv1.
 */
#include "command_fixture.h"

struct reader {
    const char *name;
    char *at;
    int line;
};

/* The next line, without its end; NULL at the end. */
static char *
next_line(struct reader *reader)
{
    char *line = reader->at, *end;

    if (!*line)
        return NULL;
    end = strchr(line, '\n');
    reader->at = end ? end + 1 : line + strlen(line);
    if (end)
        *end = '\0';
    reader->line++;
    return line;
}

static bool
has(const char *line, const char *mark)
{
    return strncmp(line, mark, 4) == 0;
}

static void
expect(const struct reader *reader, const char *where, const char *text, const char *want)
{
    if (!strstr(text, want))
        fail_msg("%s:%d: expected in %s: %s\n%s", reader->name, reader->line, where, want, text);
}

static void
check_line(const struct reader *reader, struct fixture *fixture, enum ink_status status,
           const char *line)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf error = {0};

    ink_buf_printf(&error, "%s: %s", ink_status_ename(status), fixture->err.message);
    if (has(line, "!!~ ")) {
        expect(reader, "the error", ink_buf_text(&error), line + 4);
    } else if (has(line, "!!! ")) {
        if (strcmp(ink_buf_text(&error), line + 4) != 0)
            fail_msg("%s:%d: got: %s", reader->name, reader->line, ink_buf_text(&error));
    } else if (has(line, "--- ")) {
        expect(reader, "a display", ink_buf_text(&fixture->displayed), line + 4);
    } else {
        const char *mime = has(line, "~~~ ")   ? INK_MIME_TEXT
                           : has(line, "{{{ ") ? INK_MIME_JSON
                           : has(line, "<<< ") ? INK_MIME_HTML
                                               : NULL;

        if (!mime)
            fail_msg("%s:%d: not understood: %s", reader->name, reader->line, line);
        expect(reader, mime, fixture_form(fixture, mime), line + 4);
    }
}

/* Run a file's cells and check what is said of each. */
static int
run_file(struct fixture *fixture, struct reader *reader)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf cell = {0};
    enum ink_status status = INK_OK;
    bool is_run = true, is_excused = true;
    int count = 0;

    for (char *line = next_line(reader); line; line = next_line(reader)) {
        if (!*line || *line == '#')
            continue;
        if (has(line, ">>> ") || strcmp(line, ">>>") == 0) {
            if (is_run && status != INK_OK && !is_excused)
                fail_msg("%s:%d: before: %s", reader->name, reader->line, fixture->err.message);
            if (is_run)
                ink_buf_clear(&cell);
            is_run = is_excused = false;
            ink_buf_printf(&cell, "%s\n", line[3] ? line + 4 : "");
            if (has(reader->at, ">>> ") || has(reader->at, ">>>\n"))
                continue;
            status = fixture_run(fixture, ink_buf_text(&cell));
            is_run = true;
            count++;
            continue;
        }
        is_excused = is_excused || strncmp(line, "!!", 2) == 0;
        check_line(reader, fixture, status, line);
    }
    if (status != INK_OK && !is_excused)
        fail_msg("%s: at the end: %s", reader->name, fixture->err.message);
    return count;
}

static void
test_file(void **state, const char *name)
{
    struct fixture *fixture = *state;
    INK_CLEANUP(ink_buf_fini) struct ink_buf path = {0}, text = {0};
    struct reader reader = {.name = name};

    ink_buf_printf(&path, "%s/tests/cases/%s.txt", fixture->home, name);
    assert_ok(ink_buf_load(&text, ink_buf_text(&path), 1 << 20, &fixture->err), &fixture->err);
    reader.at = text.bytes;
    assert_true(run_file(fixture, &reader) > 0);
}

#define CASES(name)                        \
    static void cases_##name(void **state) \
    {                                      \
        test_file(state, #name);           \
    }
CASES(data)
CASES(errors)
CASES(export)
CASES(import)
CASES(inspect)
CASES(model)
CASES(predict)
CASES(train)
#undef CASES

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define CASES(name) cmocka_unit_test_setup_teardown(cases_##name, fixture_setup, fixture_teardown)
        CASES(data),    CASES(errors), CASES(export),  CASES(import),
        CASES(inspect), CASES(model),  CASES(predict), CASES(train),
    };

    return cmocka_run_group_tests_name("cases", tests, NULL, NULL);
}
