/* SPDX-License-Identifier: MIT */
/* train_config: options from a JSON object, their order of precedence, and back into a file. */
#include <math.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "command_fixture.h"
#include "kernel/command/command.h"
#include "kernel/command/train_config.h"
#include "kernel/command/train_options.h"

static enum ink_status
merge(const char *json, const char *const *words, size_t word_count, struct ink_args *out_args,
      struct ink_err *err)
{
    INK_CLEANUP(ink_args_fini)
    struct ink_args given = {.command = ink_command_find("train")};

    assert_ok(ink_file_write("some.json", json, strlen(json), err), err);
    assert_ok(ink_args_parse(given.command, words, word_count, &given, err), err);
    return ink_train_config_merge(&given, out_args, err);
}

static const char *const from_file[] = {"--config", "some.json"};

/* clang-format off */
static const struct { const char *json; enum ink_status status; const char *message; } bad[] = {
    {"{\"epochs\": \"three\"}", INK_BADARG, "some.json: epochs: got \"three\", expected a whole number, 1 to 1000"},
    {"{\"epochs\": 2.5}", INK_BADARG, "epochs: got 2.5, expected a whole number, 1 to 1000"},
    {"{\"epochs\": 1e300}", INK_BADARG, "epochs: got 1e+300, expected a whole number"},
    {"{\"epochs\": [1]}", INK_BADARG, "epochs: got [1], expected a whole number"},
    {"{\"epochs\": 0}", INK_BADARG, "epochs: 0 is out of range, expected 1 to 1000"},
    {"{\"epochs\": 1001}", INK_BADARG, "epochs: 1001 is out of range, expected 1 to 1000"},
    {"{\"epochs\": true}", INK_BADARG, "epochs: got true, expected a whole number"},
    {"{\"epoch\": 3}", INK_BADARG, "some.json: unknown option 'epoch', did you mean 'epochs'?"},
    {"{\"--epochs\": 3}", INK_BADARG, "unknown option '--epochs'"},
    {"{\"zzzz\": 3}", INK_BADARG, "unknown option 'zzzz', expected one that 'train --help' lists"},
    {"{\"json\": true}", INK_BADARG, "unknown option 'json'"},
    {"{\"lr\": 1e7}", INK_BADARG, "lr: 10000000 is out of range, expected 1e-08 to 1e+06"},
    {"{\"lr\": \"0.1\"}", INK_BADARG, "lr: got \"0.1\", expected a number, 1e-08 to 1000000"},
    {"{\"continue\": 1}", INK_BADARG, "continue: got 1, expected true or false"},
    {"{\"optimizer\": \"adm\"}", INK_BADARG, "optimizer: 'adm' is not one of adam, "},
    {"{\"optimizer\": 3}", INK_BADARG, "optimizer: got 3, expected in quotes adam, "},
    {"{\"data\": 7}", INK_BADARG, "data: got 7, expected NAME,... in quotes or a list"},
    {"{\"data\": [\"a\", {}]}", INK_BADARG, "data: got [\"a\",{}], expected NAME,... in quotes or a list"},
    {"{\"data\": []}", INK_BADARG, "data: is empty"},
    {"{\"name\": [\"a\"]}", INK_BADARG, "name: got [\"a\"], expected NAME in quotes"},
    {"{\"save\": \"\"}", INK_BADARG, "save: is empty, expected FILE"},
    {"{\"seed\": 1, \"seed\": 1}", INK_BADARG, "seed is given twice"},
    {"{\"config\": \"a.json\"}", INK_BADARG, "some.json: config: cannot be given here"},
    {"{\"recipe\": \"sprnt\"}", INK_NOTFOUND, "no recipe 'sprnt', did you mean 'sprint'?"},
    {"{\"recipe\": \"zzzzzz\"}", INK_NOTFOUND, "no recipe 'zzzzzz', expected one of: "},
    {"{\"save\": \"some.safetensors\"}", INK_BADARG, "would write its options over 'some.json'"},
    {"{\"save\": \"some\"}", INK_BADARG, "would write its options over 'some.json'"},
    {"{\"class-weights\": [1, 1]}", INK_BADARG, "fewer than 10 numbers, expected 'balanced' or one for each"},
    {"{\"class-weights\": \"1,1,1,1,1,1,1,1,1,1,1\"}", INK_BADARG, "more than 10 numbers"},
    {"{\"class-weights\": \"1,1,1,1,1,1,1,1,1,-1\"}", INK_BADARG, "-1 is out of range, expected 0 to 1000"},
    {"{\"class-weights\": \"1,1,1,1,1,1,1,1,1,\"}", INK_BADARG, "'' is not a number"},
    {"{\"class-weights\": \"even\"}", INK_BADARG, "fewer than 10"},
    {"{\"class-weights\": 1}", INK_BADARG, "got 1, expected X,... in quotes or a list"},
    {"{\"until\": 99, \"validation\": \"none\"}", INK_BADARG, "--until: nothing is measured with --validation none"},
    {"{\"patience\": 1, \"validation\": \"none\"}", INK_BADARG, "--patience: nothing is measured"},
    {"[1]", INK_BADDATA, "some.json: is not an object, expected {"},
    {"{\"epochs\": ", INK_BADDATA, "some.json: JSON: syntax error"},
    {"", INK_BADDATA, "some.json"},
};
/* clang-format on */

static void
it_refuses(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct ink_args args = {0};
        struct ink_err err;

        assert_fails(bad[i].status, bad[i].message, merge(bad[i].json, from_file, 2, &args, &err),
                     &err);
        assert_null(args.value); /* untouched */
    }
}

static void
every_type_is_read(void **state)
{
    INK_CLEANUP(ink_args_fini) struct ink_args args = {.command = ink_command_find("train")};
    struct ink_err err;

    (void)state;
    assert_ok(merge("{\"epochs\": 7, \"lr\": 5e-1, \"continue\": true, \"optimizer\": \"sgd\","
                    " \"data\": [\"a.jsonl\", \"strokes\"], \"validation\": 50, \"name\": null,"
                    " \"seed\": 1000000000000000}",
                    from_file, 2, &args, &err),
              &err);
    assert_int_equal(ink_args_int(&args, "epochs"), 7);
    assert_true(fabs(ink_args_real(&args, "lr") - 0.5) < 1e-12);
    assert_true(ink_args_flag(&args, "continue"));
    assert_string_equal(ink_args_text(&args, "optimizer"), "sgd");
    assert_string_equal(ink_args_text(&args, "data"), "a.jsonl,strokes");
    assert_string_equal(ink_args_text(&args, "validation"), "50");
    assert_false(ink_args_has(&args, "name"));
    assert_int_equal(ink_args_int(&args, "seed"), 1000000000000000);
    assert_false(ink_args_has(&args, "batch"));
}

static void
class_weights_are_ten_or_balanced(void **state)
{
    const char *words[] = {"--class-weights", "0,1,2,3,4,5,6,7,8.5,1000"};
    const char *even[] = {"--class-weights", "balanced"};
    INK_CLEANUP(ink_args_fini) struct ink_args args = {.command = ink_command_find("train")};
    INK_CLEANUP(ink_args_fini) struct ink_args listed = {.command = ink_command_find("train")};
    INK_CLEANUP(ink_args_fini) struct ink_args same = {.command = ink_command_find("train")};
    INK_CLEANUP(ink_dataset_unrefp) struct ink_dataset *train = NULL;
    struct ink_train_options options, as_list;
    struct ink_err err;

    (void)state;
    assert_ok(merge("{}", words, 2, &args, &err), &err);
    assert_ok(merge("{\"class-weights\": [0, 1, 2, 3, 4, 5, 6, 7, 8.5, 1000]}", from_file, 2,
                    &listed, &err),
              &err);
    options = ink_train_options_get(&args, NULL);
    as_list = ink_train_options_get(&listed, NULL);
    assert_memory_equal(options.class_weight, as_list.class_weight, sizeof(options.class_weight));
    assert_true(fabs(options.class_weight[8] - 8.5) < 1e-12);
    assert_true(fabs(options.class_weight[9] - 1000) < 1e-12);
    assert_ok(merge("{}", even, 2, &same, &err), &err);
    assert_ok(ink_dataset_create("two", 4, &train, &err), &err);
    memcpy(train->labels, "\1\1\1\2", 4);
    options = ink_train_options_get(&same, train);
    assert_true(fabs(options.class_weight[1] - 4 / 30.0) < 1e-12);
    assert_true(fabs(options.class_weight[2] - 4 / 10.0) < 1e-12);
}

/* Every number of the table at its edges: what the command line takes the file takes. */
static void
the_edges_are_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < INK_TRAIN_OPTION_COUNT; i++) {
        const struct ink_option *option = &ink_train_option[i];
        const double value[] = {option->min, option->max};

        if (option->type != INK_OPTION_INT && option->type != INK_OPTION_REAL)
            continue;
        for (int edge = 0; edge < 2; edge++) {
            INK_CLEANUP(ink_args_fini)
            struct ink_args args = {.command = ink_command_find("train")};
            double beyond = value[edge] + (edge ? 1 : -1);
            struct ink_args none = {0};
            struct ink_err err;
            char json[128];

            (void)snprintf(json, sizeof(json), "{\"%s\": %.17g}", option->name, value[edge]);
            assert_ok(merge(json, from_file, 2, &args, &err), &err);
            assert_true(ink_args_has(&args, option->name));
            (void)snprintf(json, sizeof(json), "{\"%s\": %.17g}", option->name, beyond);
            assert_fails(INK_BADARG, "is out of range", merge(json, from_file, 2, &none, &err),
                         &err);
        }
    }
}

static void
the_nearer_word_wins(void **state)
{
    const char *words[] = {"--config", "some.json", "--recipe=sprint", "--epochs", "9"};
    INK_CLEANUP(ink_args_fini) struct ink_args args = {.command = ink_command_find("train")};
    INK_CLEANUP(ink_args_fini) struct ink_args plain = {.command = ink_command_find("train")};
    struct ink_err err;

    (void)state;
    assert_ok(merge("{\"epochs\": 8, \"batch\": 7, \"continue\": false}", words, 5, &args, &err),
              &err);
    assert_int_equal(ink_args_int(&args, "epochs"), 9);               /* the command line's */
    assert_int_equal(ink_args_int(&args, "batch"), 7);                /* the file's */
    assert_string_equal(ink_args_text(&args, "validation"), "none");  /* the recipe's */
    assert_string_equal(ink_args_text(&args, "model"), "sprint");     /* the recipe's */
    assert_true(fabs(ink_args_real(&args, "momentum") - 0.9) < 1e-9); /* the default */
    assert_false(ink_args_flag(&args, "continue"));
    assert_ok(merge("{}", NULL, 0, &plain, &err), &err);
    for (size_t i = 0; i < INK_TRAIN_OPTION_COUNT; i++)
        assert_null(plain.value[i]);
}

/* A recipe in a file: what stands beside it goes before it. */
static void
a_file_may_name_a_recipe(void **state)
{
    INK_CLEANUP(ink_args_fini) struct ink_args args = {.command = ink_command_find("train")};
    struct ink_err err;

    (void)state;
    assert_ok(merge("{\"recipe\": \"sprint\", \"batch\": 7}", from_file, 2, &args, &err), &err);
    assert_int_equal(ink_args_int(&args, "batch"), 7);
    assert_string_equal(ink_args_text(&args, "model"), "sprint");
}

/* All that ship are read without complaint, and name a model of the zoo and data. */
static void
recipes_are_whole(void **state)
{
    (void)state;
    assert_in_range(ink_zoo_count(INK_ZOO_RECIPE), 1, INK_ZOO_MAX);
    for (size_t i = 0; i < ink_zoo_count(INK_ZOO_RECIPE); i++) {
        const char *words[] = {"--recipe", ink_zoo_get(INK_ZOO_RECIPE, i).name};
        INK_CLEANUP(ink_args_fini) struct ink_args args = {.command = ink_command_find("train")};
        struct ink_zoo_entry entry;
        struct ink_err err;

        assert_ok(merge("{}", words, 2, &args, &err), &err);
        assert_true(ink_args_has(&args, "model") && ink_args_has(&args, "data"));
        assert_true(ink_zoo_find(INK_ZOO_ARCH, ink_args_text(&args, "model"), &entry));
        assert_true(ink_zoo_find(INK_ZOO_RECIPE, words[1], &entry));
        assert_string_equal(entry.name, words[1]);
    }
}

/* A random value of an option as a word; false for those that are words themselves. */
static bool
put_random(struct ink_rng *rng, const struct ink_option *option, struct ink_buf *word)
{
    double value = option->min + (double)ink_rng_float(rng) * (option->max - option->min);
    const char *at = option->choices;

    switch (option->type) {
    case INK_OPTION_INT:
        ink_buf_printf(word, "%.0f", floor(value));
        return true;
    case INK_OPTION_REAL:
        ink_buf_printf(word, "%.17g", value);
        return true;
    case INK_OPTION_CHOICE:
        for (uint32_t skip = ink_rng_below(rng, 9); skip > 0; skip--)
            at = strchr(at, '|') ? strchr(at, '|') + 1 : option->choices;
        ink_buf_append(word, at, strcspn(at, "|"));
        return true;
    case INK_OPTION_FLAG:
    case INK_OPTION_TEXT:
        break;
    }
    return false;
}

static void
put_config(const struct ink_args *args, struct ink_buf *text)
{
    INK_CLEANUP(ink_json_destroy)
    struct ink_json *json = ink_train_config_to_json(args, "softmax", "tiny.jsonl", 3);
    struct ink_err err;

    assert_ok(ink_json_print(json, text, &err), &err);
}

/* Any options, written and read: the same options, every number to the last bit. */
static void
random_options_come_back(void **state)
{
    struct ink_rng rng;

    (void)state;
    ink_rng_init(&rng, 12, 0);
    for (int round = 0; round < 100; round++) {
        INK_CLEANUP(ink_args_fini) struct ink_args args = {.command = ink_command_find("train")};
        INK_CLEANUP(ink_args_fini) struct ink_args back = {.command = ink_command_find("train")};
        INK_CLEANUP(ink_buf_fini) struct ink_buf one = {0}, two = {0};
        struct ink_train_options before, after;
        struct ink_err err;

        assert_ok(ink_args_parse(args.command, NULL, 0, &args, &err), &err);
        for (size_t i = 0; i < INK_TRAIN_OPTION_COUNT; i++) {
            INK_CLEANUP(ink_buf_fini) struct ink_buf word = {0};

            if (ink_rng_below(&rng, 2) && put_random(&rng, &ink_train_option[i], &word))
                args.value[i] = ink_buf_take(&word);
        }
        put_config(&args, &one);
        assert_ok(merge(ink_buf_text(&one), from_file, 2, &back, &err), &err);
        put_config(&back, &two);
        assert_string_equal(ink_buf_text(&one), ink_buf_text(&two));
        before = ink_train_options_get(&args, NULL);
        after = ink_train_options_get(&back, NULL);
        assert_memory_equal(&before.learning_rate, &after.learning_rate, sizeof(double));
        assert_memory_equal(&before.weight_decay, &after.weight_decay, sizeof(double));
        assert_memory_equal(&before.augment, &after.augment, sizeof(before.augment));
        assert_int_equal(before.seed, after.seed);
        assert_int_equal(before.optimizer, after.optimizer);
        assert_int_equal(before.schedule, after.schedule);
    }
}

/* The written configuration names every option but the places, and is the same run to the bit. */
static void
what_is_written_repeats_the_run(void **state)
{
    struct fixture *fixture = *state;
    INK_CLEANUP(ink_buf_fini) struct ink_buf text = {0}, a = {0}, b = {0};
    INK_CLEANUP(ink_json_destroy) struct ink_json *json = NULL;
    const struct ink_json *record;

    assert_ok(fixture_run(fixture, "train --model softmax --data tiny.jsonl,strokes --epochs 1 "
                                   "--augment light --rotate 11 --batch 100 --lr .0123 "
                                   "--validation none --schedule cosine --seed 5 --threads 2 "
                                   "--average 0.9 --name mine --save mine.safetensors"),
              &fixture->err);
    assert_ok(ink_buf_load(&text, "mine.json", 1 << 20, &fixture->err), &fixture->err);
    assert_ok(ink_json_parse(text.bytes, text.size, &json, &fixture->err), &fixture->err);
    for (size_t i = 0; i < INK_TRAIN_OPTION_COUNT; i++) {
        const struct ink_option *option = &ink_train_option[i];

        if (option->type == INK_OPTION_INT || option->type == INK_OPTION_REAL ||
            option->type == INK_OPTION_CHOICE || option->fallback)
            assert_non_null(ink_json_find(json, option->name));
    }
    record = ink_json_find(json, "rotate");
    assert_true(fabs(ink_json_number(record, 0) - 11) < 1e-9);
    assert_true(fabs(ink_json_number(ink_json_find(json, "shift"), 0) - 1.5) < 1e-9);
    assert_int_equal((int)ink_json_number(ink_json_find(json, "threads"), 0), 2);
    assert_string_equal(ink_json_string(ink_json_find(json, "name"), ""), "mine");
    assert_null(ink_json_find(json, "save"));
    assert_null(ink_json_find(json, "config"));

    assert_ok(fixture_run(fixture, "train --config mine.json --save again.safetensors"),
              &fixture->err);
    assert_ok(ink_buf_load(&text, "again.json", 1 << 20, &fixture->err), &fixture->err);
    assert_ok(ink_buf_load(&a, "mine.json", 1 << 20, &fixture->err), &fixture->err);
    assert_ok(ink_buf_load(&b, "again.json", 1 << 20, &fixture->err), &fixture->err);
    assert_string_equal(ink_buf_text(&a), ink_buf_text(&b));
    ink_buf_clear(&a);
    ink_buf_clear(&b);
    assert_ok(ink_buf_load(&a, "mine.safetensors", 1 << 20, &fixture->err), &fixture->err);
    assert_ok(ink_buf_load(&b, "again.safetensors", 1 << 20, &fixture->err), &fixture->err);
    /* the weights are at the end; 7,850 of them */
    assert_true(a.size > 31400 && b.size > 31400);
    assert_memory_equal(a.bytes + a.size - 31400, b.bytes + b.size - 31400, 31400);
}

/* Without --model the architecture is the session's: the weights' file knows it. */
static void
a_network_of_ones_own(void **state)
{
    struct fixture *fixture = *state;
    INK_CLEANUP(ink_buf_fini) struct ink_buf text = {0};

    assert_ok(fixture_run(fixture, "train --epochs 1 --batch 20 --save own.safetensors"),
              &fixture->err);
    assert_ok(ink_buf_load(&text, "own.json", 1 << 20, &fixture->err), &fixture->err);
    assert_non_null(strstr(ink_buf_text(&text), "\"model\": \"own.safetensors\""));
    assert_non_null(strstr(ink_buf_text(&text), "\"data\": \"tiny.jsonl\""));
    ink_buf_clear(&text);
    assert_ok(fixture_run(fixture, "train --continue --epochs 1 --batch 20 --save on.out"),
              &fixture->err);
    assert_ok(ink_buf_load(&text, "on.out.json", 1 << 20, &fixture->err), &fixture->err);
    assert_null(strstr(ink_buf_text(&text), "\"model\""));
    assert_non_null(strstr(ink_buf_text(&text), "\"continue\": true"));
}

static void
a_file_that_is_too_large(void **state)
{
    struct fixture *fixture = *state;
    INK_CLEANUP(ink_buf_fini) struct ink_buf text = {0};

    assert_fails(INK_NOTFOUND, "nothing.json", fixture_run(fixture, "train --config nothing.json"),
                 &fixture->err);
    ink_buf_puts(&text, "{}");
    while (text.size < INK_LIMIT_CONFIG_SIZE)
        ink_buf_putc(&text, ' ');
    assert_ok(ink_file_write("edge.json", text.bytes, text.size, &fixture->err), &fixture->err);
    assert_ok(fixture_run(fixture, "train --config edge.json --epochs 1 --model softmax"),
              &fixture->err);
    ink_buf_putc(&text, ' ');
    assert_ok(ink_file_write("edge.json", text.bytes, text.size, &fixture->err), &fixture->err);
    assert_fails(INK_TOOBIG, "edge.json", fixture_run(fixture, "train --config edge.json"),
                 &fixture->err);
}

static void
recipes_are_completed(void **state)
{
    struct fixture *fixture = *state;
    INK_CLEANUP(ink_completion_fini) struct ink_completion completion = {0};
    const char code[] = "train --recipe spr";

    assert_ok(ink_cell_complete(fixture->session, code, strlen(code), strlen(code), &completion,
                                &fixture->err),
              &fixture->err);
    assert_true(completion.count >= 1);
    assert_string_equal(completion.match[0].text, "sprint");
    assert_string_equal(completion.match[0].type, "recipe");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(it_refuses),
        TEST(every_type_is_read),
        TEST(class_weights_are_ten_or_balanced),
        TEST(the_edges_are_the_same),
        TEST(the_nearer_word_wins),
        TEST(a_file_may_name_a_recipe),
        TEST(recipes_are_whole),
        TEST(random_options_come_back),
        TEST(what_is_written_repeats_the_run),
        TEST(a_network_of_ones_own),
        TEST(a_file_that_is_too_large),
        TEST(recipes_are_completed),
    };

    return cmocka_run_group_tests_name("train config", tests, NULL, NULL);
}
