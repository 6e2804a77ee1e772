/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <math.h>

#include "base/parse.h"
#include "base/suggest.h"
#include "command_fixture.h"
#include "kernel/command/command.h"
#include "kernel/command/help.h"
#include "kernel/command/train_options.h"
#include "kernel/command/wilson.h"

/* ---- the table keeps its promises ---- */

static bool
is_lower_word(const char *text)
{
    for (const char *c = text; *c; c++)
        if (!islower((unsigned char)*c) && *c != '-' && (c == text || !isdigit((unsigned char)*c)))
            return false;
    return *text != '\0';
}

static bool
is_one_line(const char *text)
{
    size_t size = strlen(text);

    return size > 0 && !strchr(text, '\n') && text[size - 1] != '.';
}

static void
check_option(const struct ink_command *command, const struct ink_option *option)
{
    char words[2][96];
    const char *pointers[2] = {words[0], words[1]};
    struct ink_args args;
    struct ink_err err;

    assert_true(is_lower_word(option->name));
    assert_true(is_one_line(option->help));
    if (option->type != INK_OPTION_TEXT) /* a text may offer some beside others */
        assert_int_equal(option->type == INK_OPTION_CHOICE, option->choices != NULL);
    if (option->type != INK_OPTION_FLAG && option->type != INK_OPTION_CHOICE)
        assert_non_null(option->metavar);
    if (option->type == INK_OPTION_INT || option->type == INK_OPTION_REAL)
        assert_true(option->min < option->max);
    if (!option->fallback || command->word_min > 0)
        return;
    /* the default is a value that the option takes */
    (void)snprintf(words[0], sizeof(words[0]), "--%s", option->name);
    (void)snprintf(words[1], sizeof(words[1]), "%s", option->fallback);
    assert_ok(ink_args_parse(command, pointers, 2, &args, &err), &err);
    assert_true(ink_args_has(&args, option->name));
    ink_args_fini(&args);
}

static void
test_table(void **state)
{
    (void)state;
    assert_int_equal(ink_command_count(), 15);
    for (size_t i = 0; i < ink_command_count(); i++) {
        const struct ink_command *command = ink_command_get(i);

        assert_true(is_lower_word(command->name));
        assert_ptr_equal(ink_command_find(command->name), command);
        assert_true(is_one_line(command->summary));
        assert_non_null(command->run);
        assert_non_null(command->help);
        assert_true(command->word_min <= command->word_max);
        assert_true(command->help[strlen(command->help) - 1] != '\n');
        if (i > 0)
            assert_true(strcmp(ink_command_get(i - 1)->name, command->name) < 0);
        for (const char *line = command->help; line; line = strchr(line, '\n')) {
            line += *line == '\n';
            assert_true(strcspn(line, "\n") <= 80);
        }
        for (size_t j = 0; j < command->option_count; j++) {
            check_option(command, &command->option[j]);
            assert_ptr_equal(ink_option_find(command, command->option[j].name),
                             &command->option[j]);
        }
    }
    assert_null(ink_command_find("nope"));
}

/* Every number's limits: the edge is taken, beyond it is not. */
static void
check_edge(const struct ink_command *command, const struct ink_option *option, double value,
           bool is_inside)
{
    char word[128];
    const char *pointers[4] = {word, "a", "b", "c"};
    struct ink_args args = {0};
    struct ink_err err;
    enum ink_status status;

    (void)snprintf(word, sizeof(word), "--%s=%.17g", option->name, value);
    status = ink_args_parse(command, pointers, 1 + command->word_min, &args, &err);
    if (is_inside)
        assert_ok(status, &err);
    else
        assert_int_equal(status, INK_BADARG);
    if (!is_inside)
        assert_non_null(strstr(err.message, option->name));
    ink_args_fini(&args);
}

static void
test_limits(void **state)
{
    (void)state;
    for (size_t i = 0; i < ink_command_count(); i++) {
        const struct ink_command *command = ink_command_get(i);

        for (size_t j = 0; j < command->option_count; j++) {
            const struct ink_option *option = &command->option[j];
            double step = option->type == INK_OPTION_INT ? 1 : 1e-9;

            if (option->type != INK_OPTION_INT && option->type != INK_OPTION_REAL)
                continue;
            check_edge(command, option, option->min, true);
            check_edge(command, option, option->max, true);
            check_edge(command, option, option->min - step, false);
            check_edge(command, option, option->max + (step < 1 ? option->max * 1e-6 : 1), false);
        }
    }
}

static void
test_train_defaults(void **state)
{
    struct ink_args args = {0};
    struct ink_err err;
    struct ink_train_options got, want = ink_train_defaults();

    (void)state;
    assert_ok(ink_args_parse(ink_command_find("train"), NULL, 0, &args, &err), &err);
    got = ink_train_options_get(&args, NULL);
    assert_int_equal(got.epochs, want.epochs);
    assert_int_equal(got.batch_size, want.batch_size);
    assert_int_equal(got.optimizer, want.optimizer);
    assert_int_equal(got.schedule, want.schedule);
    assert_int_equal(got.seed, want.seed);
    assert_true(got.learning_rate >= want.learning_rate && got.learning_rate <= want.learning_rate);
    assert_true(got.warm_up >= want.warm_up && got.warm_up <= want.warm_up);
    assert_int_equal(got.step_every, want.step_every);
    assert_int_equal(got.patience, want.patience);
    assert_true(fabs(got.step_factor - want.step_factor) < 1e-12);
    assert_true(got.until < 1e-12 && want.until < 1e-12);
    for (int c = 0; c < INK_CLASS_COUNT; c++)
        assert_true(fabs(got.class_weight[c] - want.class_weight[c]) < 1e-12);
    assert_true(got.momentum >= want.momentum && got.momentum <= want.momentum);
    assert_true(ink_augment_is_off(&got.augment));
    ink_args_fini(&args);
}

/* ---- arguments ---- */

/* clang-format off */
static const struct {
    const char *command, *words[5], *message;
} bad_arguments[] = {
    {"train", {"--epochs", "-3"}, "--epochs: -3"},
    {"train", {"--epochs=-3"}, "expected 1 to 1000"},
    {"train", {"--epochs"}, "--epochs: the value is missing, expected N"},
    {"train", {"--epochs", "--lr", "1"}, "--epochs: the value is missing"},
    {"train", {"--epochs", "3x"}, "--epochs"},
    {"train", {"--epochs", ""}, "--epochs"},
    {"train", {"--epoch", "3"}, "unknown option --epoch, did you mean --epochs?"},
    {"train", {"--zzzzzz", "3"}, "unknown option --zzzzzz, expected one that 'train --help' lists"},
    {"train", {"-x"}, "unknown option -x"},
    {"train", {"-"}, "too many words"},
    {"train", {"--optimizer", "adm"}, "'adm' is not one of adam, adamw, sgd, nesterov or adadelta"},
    {"train", {"--optimizer", "adam|sgd"}, "is not one of"},
    {"train", {"--optimizer", ""}, "is not one of"},
    {"train", {"--lr", "nan"}, "--lr"},
    {"train", {"--lr", "inf"}, "--lr"},
    {"train", {"--continue=yes"}, "--continue: takes no value, got 'yes'"},
    {"train", {"--save", ""}, "--save: is empty, expected FILE"},
    {"train", {"extra"}, "too many words ('extra'), expected: train"},
    {"predict", {NULL}, "too few words, expected: predict PICTURES..."},
    {"predict", {"--json=1", "x"}, "--json: takes no value"},
    {"inspect", {"conv1"}, "too few words"},
    {"draw", {"--size", "99"}, "expected 100 to 1000"},
};
/* clang-format on */

static void
test_bad_arguments(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bad_arguments) / sizeof(bad_arguments[0]); i++) {
        struct ink_args args = {0};
        struct ink_err err;
        size_t count = 0;

        while (count < 5 && bad_arguments[i].words[count])
            count++;
        assert_fails(INK_BADARG, bad_arguments[i].message,
                     ink_args_parse(ink_command_find(bad_arguments[i].command),
                                    bad_arguments[i].words, count, &args, &err),
                     &err);
        assert_null(args.word); /* untouched */
    }
}

static void
test_arguments(void **state)
{
    const char *words[] = {"--epochs=7", "--lr",          "0.5",   "--continue", "--json",
                           "-o",         "w.safetensors", "--out", "x.png"};
    const char *rest[] = {"--", "--json", "-x"};
    struct ink_args args = {0};
    struct ink_err err;

    (void)state;
    assert_ok(ink_args_parse(ink_command_find("train"), words, 9, &args, &err), &err);
    assert_int_equal(ink_args_int(&args, "epochs"), 7);
    assert_int_equal(ink_args_int(&args, "batch"), 128);
    assert_true(ink_args_real(&args, "lr") > 0.49 && ink_args_real(&args, "lr") < 0.51);
    assert_true(ink_args_flag(&args, "continue"));
    assert_true(args.is_json);
    assert_string_equal(ink_args_text(&args, "save"), "w.safetensors");
    assert_string_equal(args.out_file, "x.png");
    assert_null(ink_args_text(&args, "log"));
    assert_string_equal(ink_args_text(&args, "optimizer"), "adam");
    ink_args_fini(&args);

    assert_ok(ink_args_parse(ink_command_find("show"), rest, 3, &args, &err), &err);
    assert_int_equal(args.word_count, 2);
    assert_string_equal(args.word[0], "--json");
    assert_false(args.is_json);
    ink_args_fini(&args);
}

static void
test_suggest(void **state)
{
    const char *const words[] = {"predict", "show", "train", "evaluate", "model"};

    (void)state;
    assert_string_equal(ink_suggest("prdict", words, 5), "predict");
    assert_string_equal(ink_suggest("perdict", words, 5), "predict");
    assert_string_equal(ink_suggest("shwo", words, 5), "show");
    assert_string_equal(ink_suggest("eval", words, 5), "evaluate");
    assert_string_equal(ink_suggest("modle", words, 5), "model");
    assert_null(ink_suggest("zebra", words, 5));
    assert_null(ink_suggest("", words, 5));
    assert_null(ink_suggest("a word that is much longer than any name that there is", words, 5));
}

/* ---- help ---- */

static void
test_help(void **state)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf markdown = {0}, man = {0};

    (void)state;
    ink_help_markdown(&markdown);
    ink_help_man("1.2.3", &man);
    assert_non_null(strstr(ink_buf_text(&man), ".TH INKLING 1"));
    assert_non_null(strstr(ink_buf_text(&man), "inkling 1.2.3"));
    for (size_t i = 0; i < ink_command_count(); i++) {
        const struct ink_command *command = ink_command_get(i);
        char title[64];

        (void)snprintf(title, sizeof(title), "### %s\n", command->name);
        assert_non_null(strstr(ink_buf_text(&markdown), title));
        (void)snprintf(title, sizeof(title), ".SS %s\n", command->name);
        assert_non_null(strstr(ink_buf_text(&man), title));
        for (size_t j = 0; j < command->option_count; j++) {
            (void)snprintf(title, sizeof(title), "--%s", command->option[j].name);
            assert_non_null(strstr(ink_buf_text(&markdown), title));
        }
    }
}

/* Every command's help as a result: text, HTML and JSON. */
static void
test_help_of_each(void **state)
{
    struct fixture *fixture = *state;

    for (size_t i = 0; i < ink_command_count(); i++) {
        char code[64];

        (void)snprintf(code, sizeof(code), "%s --help", ink_command_get(i)->name);
        assert_ok(fixture_run(fixture, code), &fixture->err);
        assert_non_null(strstr(fixture_form(fixture, INK_MIME_TEXT), ink_command_get(i)->summary));
        assert_non_null(strstr(fixture_form(fixture, INK_MIME_HTML), "<table>"));
        (void)fixture_form(fixture, INK_MIME_JSON);
        (void)snprintf(code, sizeof(code), "%s?", ink_command_get(i)->name);
        assert_ok(fixture_run(fixture, code), &fixture->err);
        assert_non_null(strstr(fixture_form(fixture, INK_MIME_TEXT), ink_command_get(i)->summary));
    }
}

static void
test_wilson(void **state)
{
    double low, high;

    (void)state;
    /* 90 of 100: Newcombe 1998, method 3, gives 0.8256 to 0.9448 */
    ink_wilson(90, 100, &low, &high);
    assert_true(low > 0.8255 && low < 0.8257 && high > 0.9447 && high < 0.9449);
    ink_wilson(0, 10, &low, &high);
    assert_true(low >= 0 && low < 1e-9 && high > 0.277 && high < 0.278);
    ink_wilson(10, 10, &low, &high);
    assert_true(high <= 1 && high > 1 - 1e-9 && low > 0.722 && low < 0.723);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_train_defaults),
        cmocka_unit_test(test_bad_arguments),
        cmocka_unit_test(test_arguments),
        cmocka_unit_test(test_suggest),
        cmocka_unit_test(test_help),
        cmocka_unit_test_setup_teardown(test_help_of_each, fixture_setup, fixture_teardown),
        cmocka_unit_test(test_wilson),
    };

    return cmocka_run_group_tests_name("command", tests, NULL, NULL);
}
