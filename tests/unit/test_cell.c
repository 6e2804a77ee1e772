/* SPDX-License-Identifier: MIT */
#include "command_fixture.h"
#include "kernel/command/words.h"

/* ---- taking a text apart ---- */

/* Lines and words as one text: words in <>, blocks in {}. */
static void
spell(const char *code, struct ink_buf *out)
{
    struct ink_lines lines = {0};
    struct ink_err err;

    assert_ok(ink_lines_parse(code, strlen(code), &lines, &err), &err);
    for (size_t i = 0; i < lines.count; i++) {
        const struct ink_line *line = &lines.line[i];

        for (size_t w = 0; w < line->word_count; w++) {
            ink_buf_printf(out, "<%s>", line->word[w].text);
            assert_true(line->word[w].start < line->word[w].end);
            assert_true(line->word[w].end <= line->end);
        }
        if (*line->block)
            ink_buf_printf(out, "{%s}", line->block);
        if (line->is_open)
            ink_buf_putc(out, '!');
        ink_buf_putc(out, ';');
        assert_true(line->end <= line->block_end && line->block_end <= strlen(code));
    }
    if (lines.stray)
        ink_buf_printf(out, "stray %zu", lines.stray);
    ink_lines_fini(&lines);
}

static void
test_words(void **state)
{
    static const struct {
        const char *code, *want;
    } cases[] = {
        {"", ""},
        {"\n\n  \n", ""},
        {"# only a comment", ""},
        {"show test[1]", "<show><test[1]>;"},
        {"  \n show x", "<show><x>;stray 2"},
        {"show a # b", "<show><a>;"},
        {"show a#b", "<show><a#b>;"},
        {"show 'a # b'", "<show><a # b>;"},
        {"show \"a \\\"b\\\" \\\\ \\c\"", "<show><a \"b\" \\ \\c>;"},
        {"show 'it'\"'\"'s'", "<show><it's>;"},
        {"show a\\ b", "<show><a b>;"},
        {"show ''", "<show><>;"},
        {"show a \\\n  b", "<show><a><b>;"},
        {"show a \\\r\n  b\r\nhelp\r\n", "<show><a><b>;<help>;"},
        {"show a\nhelp", "<show><a>;<help>;"},
        {"show 'a", "<show><a>!;"},
        {"show a \\", "<show><a>!;"},
        {"show 'a\nhelp", "<show><a>!;<help>;"},
        {"model new m\n    a: b\n    c: d\nhelp", "<model><new><m>{a: b\nc: d\n};<help>;"},
        {"model new m\n  a\n\n    b\n", "<model><new><m>{a\n\n  b\n};"},
        {"model new m\n  a\n# note\n  b\n", "<model><new><m>{a\n\nb\n};"},
        {"model new m\n\n\nhelp", "<model><new><m>;<help>;"},
        {"model new m\n\ta\n\tb", "<model><new><m>{a\nb\n};"},
        {"show caf\xc3\xa9", "<show><caf\xc3\xa9>;"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        INK_CLEANUP(ink_buf_fini) struct ink_buf got = {0};

        spell(cases[i].code, &got);
        assert_string_equal(ink_buf_text(&got), cases[i].want);
    }
}

/* Every beginning of a text is taken apart too, without a fault. */
static void
test_truncations(void **state)
{
    static const char code[] =
        "show 'a b' \\\n  \"c\\\"d\" # e\nmodel new m\n\timage: input\n\n  x \\";

    (void)state;
    for (size_t size = 0; size <= strlen(code); size++) {
        struct ink_lines lines = {0};
        struct ink_err err;
        char *copy = malloc(size + 1); /* exactly as large, for the sanitizer */

        assert_non_null(copy);
        memcpy(copy, code, size);
        assert_ok(ink_lines_parse(copy, size, &lines, &err), &err);
        ink_lines_fini(&lines);
        free(copy);
    }
}

static void
test_bad_text(void **state)
{
    struct ink_lines lines = {0};
    struct ink_buf many = {0};
    struct ink_err err;
    char *large = malloc(INK_CELL_SIZE_MAX + 1);

    (void)state;
    assert_non_null(large);
    memset(large, '#', INK_CELL_SIZE_MAX + 1);
    assert_ok(ink_lines_parse(large, INK_CELL_SIZE_MAX, &lines, &err), &err);
    assert_fails(INK_TOOBIG, "expected at most 1048576",
                 ink_lines_parse(large, INK_CELL_SIZE_MAX + 1, &lines, &err), &err);
    assert_fails(INK_BADDATA, "not UTF-8", ink_lines_parse("show \xff", 6, &lines, &err), &err);
    assert_fails(INK_BADDATA, "not UTF-8", ink_lines_parse("a\0b", 3, &lines, &err), &err);
    for (int i = 0; i < INK_WORDS_MAX; i++)
        ink_buf_puts(&many, "a ");
    assert_ok(ink_lines_parse(many.bytes, many.size, &lines, &err), &err);
    ink_lines_fini(&lines);
    ink_buf_puts(&many, "a");
    assert_fails(INK_TOOBIG, "too many words", ink_lines_parse(many.bytes, many.size, &lines, &err),
                 &err);
    ink_buf_fini(&many);
    free(large);
}

/* ---- running ---- */

static void
test_several(void **state)
{
    struct fixture *fixture = *state;

    assert_ok(fixture_run(fixture, "show test[0]\n# note\nlayers\nhelp cells"), &fixture->err);
    assert_int_equal(fixture->display_count, 2);
    assert_non_null(strstr(ink_buf_text(&fixture->displayed), "test[0]"));
    assert_non_null(strstr(fixture_form(fixture, INK_MIME_TEXT), "backslash"));
    assert_ok(fixture_run(fixture, "   \n# nothing\n"), &fixture->err);
    assert_int_equal(fixture->result.count, 0);
}

/* What ran before an error stays; what is behind it does not run; nothing is lost. */
static void
test_error(void **state)
{
    struct fixture *fixture = *state;
    const struct ink_snapshot *before, *after;

    assert_ok(ink_session_snapshot(fixture->session, &before, &fixture->err), &fixture->err);
    assert_fails(INK_BADARG, "line 3: unknown command 'prdict', did you mean 'predict'?",
                 fixture_run(fixture, "show test[0]\n\nprdict test[1]\nmodel new other softmax"),
                 &fixture->err);
    assert_int_equal(fixture->display_count, 1);
    assert_int_equal(fixture->result.count, 0);
    assert_fails(INK_BADARG, "architecture, line 1",
                 fixture_run(fixture, "model new broken\n    image: inptu 1x28x28\n"),
                 &fixture->err);
    assert_fails(INK_BADARG, "takes no indented lines", fixture_run(fixture, "help\n  x\n"),
                 &fixture->err);
    assert_fails(INK_BADARG, "line 1: indented", fixture_run(fixture, "  help"), &fixture->err);
    assert_fails(INK_BADARG, "a quote is not closed", fixture_run(fixture, "show 'a"),
                 &fixture->err);
    assert_ok(ink_session_snapshot(fixture->session, &after, &fixture->err), &fixture->err);
    assert_ptr_equal(before, after);
    ink_snapshot_unref(before);
    ink_snapshot_unref(after);
    assert_ok(fixture_run(fixture, "predict test[0]"), &fixture->err);
}

static void
test_cancel(void **state)
{
    struct fixture *fixture = *state;

    atomic_store(&fixture->cancel, true);
    assert_fails(INK_CANCELLED, "stopped", fixture_run(fixture, "help"), &fixture->err);
    atomic_store(&fixture->cancel, false);
    assert_ok(fixture_run(fixture, "help"), &fixture->err);
}

/* ---- complete or not ---- */

static void
test_check(void **state)
{
    static const struct {
        const char *code;
        enum ink_cell_state want;
        const char *indent;
    } cases[] = {
        {"", INK_CELL_COMPLETE, ""},
        {"help", INK_CELL_COMPLETE, ""},
        {"show test[1]\npredict drawn", INK_CELL_COMPLETE, ""},
        {"show 'a", INK_CELL_INCOMPLETE, ""},
        {"show a \\", INK_CELL_INCOMPLETE, ""},
        {"show a \\\n", INK_CELL_INCOMPLETE, ""},
        {"shwo a", INK_CELL_INVALID, ""},
        {"train --epoch 3", INK_CELL_INVALID, ""},
        {"shwo a\nshow 'b", INK_CELL_INVALID, ""},
        {"show \xff", INK_CELL_INVALID, ""},
        {"  help", INK_CELL_INVALID, ""},
        {"model new mine", INK_CELL_INCOMPLETE, "    "},
        {"model new mine\n    a: input 1x28x28", INK_CELL_INCOMPLETE, "    "},
        {"model new mine\n    a: input 1x28x28\n", INK_CELL_INCOMPLETE, "    "},
        {"model new mine\n    a: input 1x28x28\n\n", INK_CELL_COMPLETE, ""},
        {"model new mine keras", INK_CELL_COMPLETE, ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *indent = NULL;
        enum ink_cell_state got = ink_cell_check(cases[i].code, strlen(cases[i].code), &indent);

        if (got != cases[i].want)
            fail_msg("%s: %d, expected %d", cases[i].code, (int)got, (int)cases[i].want);
        assert_string_equal(indent, cases[i].indent);
    }
}

/* ---- completion: | is the cursor, the rest what must be offered, ! what must not ---- */

/* clang-format off */
static const struct {
    const char *code, *replaced;
    const char *want[4];
} completions[] = {
    {"|", "", {"help", "train", "!--epochs"}},
    {"pre|", "pre", {"predict", "!show"}},
    {"help\npre|", "pre", {"predict"}},
    {"predict te|", "te", {"test["}},
    {"predict test[|", "test[", {"test[random]", "test[wrong]", "!train[random]"}},
    {"predict ti|", "ti", {"tiny.jsonl"}},
    {"predict |", "", {"drawn", "test[", "tiny.jsonl"}},
    {"train --ep|", "--ep", {"--epochs"}},
    {"train --epochs 3 --opt|", "--opt", {"--optimizer", "!--epochs"}},
    {"train --optimizer |", "", {"adam", "adamw", "sgd", "!--epochs"}},
    {"train --optimizer=a|", "a", {"adam", "adamw", "!sgd"}},
    {"train --data st|", "st", {"strokes"}},
    {"train --data mnist --validation |", "", {"test", "none", "strokes", "tiny.jsonl"}},
    {"train --class-weights |", "", {"balanced", "!none"}},
    {"train --class-weights=ba|", "ba", {"balanced"}},
    {"train --continue |", "", {"!adam"}},
    {"inspect co|", "co", {"conv1", "!drawn"}},
    {"inspect conv1 dr|", "dr", {"drawn", "!conv1"}},
    {"inspect --scale layer conv1 dr|", "dr", {"drawn"}},
    {"model u|", "u", {"use"}},
    {"model use ink|", "ink", {"inkling"}},
    {"model new mine ke|", "ke", {"keras"}},
    {"data use mn|", "mn", {"mnist"}},
    {"help pic|", "pic", {"pictures"}},
    {"nope x|", "x", {"!drawn"}},
    {"predict --js| test[1]", "--js", {"--json"}},
};
/* clang-format on */

static bool
is_offered(const struct ink_completion *completion, const char *text)
{
    for (size_t i = 0; i < completion->count; i++)
        if (strcmp(completion->match[i].text, text) == 0)
            return true;
    return false;
}

static void
test_complete(void **state)
{
    struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof(completions) / sizeof(completions[0]); i++) {
        struct ink_completion completion = {0};
        char code[128];
        size_t cursor = strcspn(completions[i].code, "|");

        (void)snprintf(code, sizeof(code), "%.*s%s", (int)cursor, completions[i].code,
                       completions[i].code + cursor + 1);
        assert_ok(ink_cell_complete(fixture->session, code, strlen(code), cursor, &completion,
                                    &fixture->err),
                  &fixture->err);
        assert_int_equal(completion.end - completion.start, strlen(completions[i].replaced));
        assert_memory_equal(code + completion.start, completions[i].replaced,
                            completion.end - completion.start);
        for (size_t j = 0; j < 4 && completions[i].want[j]; j++) {
            const char *want = completions[i].want[j];

            if (is_offered(&completion, want + (*want == '!')) == (*want == '!'))
                fail_msg("%s: %s", completions[i].code, want);
        }
        for (size_t j = 0; j < completion.count; j++)
            assert_non_null(completion.match[j].type);
        ink_completion_fini(&completion);
    }
}

static void
test_inspect(void **state)
{
    static const struct {
        const char *code, *want; /* NULL = nothing to say */
    } cases[] = {
        {"pred|ict test[1]", "say what digits"},
        {"train --epo|chs 3", "1 to 1000; default 5"},
        {"train --epochs |3", "1 to 1000; default 5"},
        {"inspect conv|1 test[1]", "conv1: conv, 8x13x13"},
        {"help pict|ures", "test[label=7]"},
        {"predict test[|3]", "test[label=7]"},
        {"predict draw|n", "test[label=7]"},
        {"help tra|in", "teach a network"},
        {"nope|", NULL},
        {"|", NULL},
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ink_bundle bundle = {0};
        const struct ink_bundle_item *text;
        char code[128];
        size_t cursor = strcspn(cases[i].code, "|");

        (void)snprintf(code, sizeof(code), "%.*s%s", (int)cursor, cases[i].code,
                       cases[i].code + cursor + 1);
        assert_ok(ink_cell_inspect(fixture->session, code, strlen(code), cursor, 0, &bundle,
                                   &fixture->err),
                  &fixture->err);
        text = ink_bundle_find(&bundle, INK_MIME_TEXT);
        if (!cases[i].want)
            assert_null(text);
        else if (!text || !strstr(text->bytes, cases[i].want))
            fail_msg("%s: %s", cases[i].code, text ? text->bytes : "nothing");
        ink_bundle_fini(&bundle);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_truncations),
        cmocka_unit_test(test_bad_text),
        cmocka_unit_test_setup_teardown(test_several, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_error, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_cancel, fixture_setup, fixture_teardown),
        cmocka_unit_test(test_check),
        cmocka_unit_test_setup_teardown(test_complete, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_inspect, fixture_setup, fixture_teardown),
    };

    return cmocka_run_group_tests_name("cell", tests, NULL, NULL);
}
