/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <sched.h>

#include "base/clock.h"
#include "command_fixture.h"
#include "kernel/command/pictures.h"
#include "kernel/command/predict.h"
#include "kernel/command/view.h"

/* ---- drawings ---- */

static struct ink_drawing *
line(float to)
{
    static const size_t start[] = {0, 2};
    struct ink_drawing *drawing = NULL;
    struct ink_err err;
    float x[] = {0, to}, y[] = {0, to};

    assert_ok(ink_drawing_create(start, 1, x, y, -1, &drawing, &err), &err);
    return drawing;
}

static void
test_drawn_is_bounded(void **state)
{
    struct fixture *fixture = *state;

    for (int i = 0; i < INK_SESSION_DRAWN_MAX + 3; i++) {
        INK_CLEANUP(ink_drawing_destroy) struct ink_drawing *drawing = line((float)i + 1);

        assert_ok(ink_session_add_drawn(fixture->session, drawing, &fixture->err), &fixture->err);
    }
    assert_int_equal(ink_session_drawn_count(fixture->session), INK_SESSION_DRAWN_MAX);
    {
        INK_CLEANUP(ink_drawn_unrefp)
        struct ink_drawn *oldest = ink_session_get_drawn(fixture->session, 0);
        INK_CLEANUP(ink_drawn_unrefp)
        struct ink_drawn *newest = ink_session_get_drawn(fixture->session, -1);

        assert_true(oldest->drawing->x[1] > 3.5F && oldest->drawing->x[1] < 4.5F);
        assert_true(newest->drawing->x[1] > INK_SESSION_DRAWN_MAX + 2);
    }
    assert_fails(INK_BADARG, "drawn 1,024 so far, expected 0 to 1023",
                 fixture_run(fixture, "show drawn[1024]"), &fixture->err);
}

/* A drawing that someone holds outlives its place in the list. */
static void
test_drawn_outlives(void **state)
{
    struct fixture *fixture = *state;
    INK_CLEANUP(ink_drawing_destroy) struct ink_drawing *first = line(5), *second = line(9);
    INK_CLEANUP(ink_drawn_unrefp) struct ink_drawn *held = NULL;

    assert_ok(ink_session_keep_drawn(fixture->session, "v", first, &fixture->err), &fixture->err);
    held = ink_session_get_drawn(fixture->session, -1);
    assert_ok(ink_session_keep_drawn(fixture->session, "v", second, &fixture->err), &fixture->err);
    assert_int_equal(ink_session_drawn_count(fixture->session), 1);
    assert_true(held->drawing->x[1] < 6);
}

static int
label_of(struct fixture *fixture, int64_t index)
{
    INK_CLEANUP(ink_drawn_unrefp)
    struct ink_drawn *drawn = ink_session_get_drawn(fixture->session, index);

    return drawn->drawing->label;
}

/* Drawings that were said to be a digit are a data set. */
static void
test_drawn_is_data(void **state)
{
    struct fixture *fixture = *state;
    INK_CLEANUP(ink_drawing_destroy) struct ink_drawing *first = line(5), *second = line(9);
    INK_CLEANUP(ink_drawn_unrefp) struct ink_drawn *held = NULL;
    INK_CLEANUP(ink_dataset_unrefp) struct ink_dataset *dataset = NULL;

    assert_fails(INK_NOTNOW, "nothing was drawn yet", fixture_run(fixture, "data label 7"),
                 &fixture->err);
    assert_ok(ink_session_add_drawn(fixture->session, first, &fixture->err), &fixture->err);
    assert_ok(ink_session_add_drawn(fixture->session, first, &fixture->err), &fixture->err);
    assert_ok(ink_session_keep_drawn(fixture->session, "v", first, &fixture->err), &fixture->err);
    assert_fails(INK_NOTNOW, "drawn: no drawing has a label, expected some",
                 fixture_run(fixture, "train --data drawn"), &fixture->err);
    held = ink_session_get_drawn(fixture->session, -1);
    assert_ok(fixture_run(fixture, "data label 7"), &fixture->err);
    assert_non_null(strstr(fixture_form(fixture, INK_MIME_TEXT), "drawn"));
    assert_ok(fixture_run(fixture, "data label 3 drawn[0]"), &fixture->err);
    assert_int_equal(held->drawing->label, -1); /* what others hold does not change */
    assert_int_equal(label_of(fixture, 0), 3);
    assert_int_equal(label_of(fixture, 1), -1);
    assert_int_equal(label_of(fixture, 2), 7);
    /* a stroke more is the same digit; one that is gone does no harm */
    assert_ok(ink_session_keep_drawn(fixture->session, "v", second, &fixture->err), &fixture->err);
    assert_int_equal(ink_session_drawn_count(fixture->session), 3);
    assert_int_equal(label_of(fixture, 2), 7);
    assert_ok(ink_session_label_drawn(fixture->session, held, 1, &fixture->err), &fixture->err);
    assert_int_equal(label_of(fixture, 2), 7);

    assert_ok(
        ink_session_dataset(fixture->session, "drawn", INK_TRAIN, NULL, &dataset, &fixture->err),
        &fixture->err);
    assert_int_equal(dataset->count, 2);
    assert_int_equal(dataset->labels[0], 3);
    assert_int_equal(dataset->labels[1], 7);
    assert_memory_equal(dataset->pixels, held->row, INK_PICTURE_SIZE);
    assert_ok(fixture_run(fixture, "train --data tiny.jsonl,drawn --epochs 1 --model softmax"),
              &fixture->err);
    assert_non_null(strstr(fixture_form(fixture, INK_MIME_JSON), "\"count\":42"));
    assert_ok(fixture_run(fixture, "evaluate --data drawn"), &fixture->err);
    assert_ok(fixture_run(fixture, "data label 5 drawn[0:3]"), &fixture->err);
    assert_int_equal(label_of(fixture, 1), 5);
    assert_fails(INK_BADARG, "label: 10 is out of range, expected 0 to 9",
                 fixture_run(fixture, "data label 10"), &fixture->err);
    assert_fails(INK_BADARG, "test[1]: is not a drawing, expected drawn[...]",
                 fixture_run(fixture, "data label 1 test[1]"), &fixture->err);
    assert_fails(INK_BADARG, "expected: data label DIGIT [DRAWN]",
                 fixture_run(fixture, "data label"), &fixture->err);
    assert_fails(INK_BADARG, "too many words ('x'), expected: data use NAME",
                 fixture_run(fixture, "data use tiny.jsonl x"), &fixture->err);
}

/* ---- predictions ---- */

static void
test_predictions_agree(void **state)
{
    struct fixture *fixture = *state;
    INK_CLEANUP(ink_predictor_destroy) struct ink_predictor *predictor = NULL;
    INK_CLEANUP(ink_drawing_destroy) struct ink_drawing *drawing = line(100);
    struct ink_prediction by_drawing, by_row, by_floats;
    float pixels[INK_PICTURE_SIZE];

    assert_ok(
        ink_session_follow(fixture->session, 1, 1, INK_COMPUTE(F32), &predictor, &fixture->err),
        &fixture->err);
    ink_predict_drawing(predictor, drawing, &by_drawing);
    ink_predict_row(predictor, by_drawing.row, &by_row);
    ink_prepare_floats(by_drawing.row, INK_PICTURE_SIZE, pixels);
    ink_predict_floats(predictor, pixels, &by_floats);
    assert_memory_equal(by_drawing.probabilities, by_row.probabilities,
                        sizeof(by_row.probabilities));
    assert_memory_equal(by_drawing.probabilities, by_floats.probabilities,
                        sizeof(by_row.probabilities));
    assert_memory_equal(by_drawing.row, by_floats.row, INK_PICTURE_SIZE);
    assert_string_equal(by_drawing.model, "small");
    assert_true(*by_drawing.preparation.text && !*by_row.preparation.text);
}

static void
test_predict_bytes(void **state)
{
    struct fixture *fixture = *state;
    INK_CLEANUP(ink_predictor_destroy) struct ink_predictor *predictor = NULL;
    INK_CLEANUP(ink_json_destroy) struct ink_json *json = NULL;
    INK_CLEANUP(ink_buf_fini) struct ink_buf png = {0}, text = {0};
    struct ink_prediction prediction;

    assert_ok(fixture_run(fixture, "show test[4]"), &fixture->err);
    {
        const struct ink_bundle_item *item = ink_bundle_find(&fixture->result, INK_MIME_PNG);

        ink_buf_append(&png, item->bytes, item->size);
    }
    assert_ok(
        ink_session_follow(fixture->session, 1, 1, INK_COMPUTE(F32), &predictor, &fixture->err),
        &fixture->err);
    assert_ok(ink_predict_bytes(predictor, png.bytes, png.size, &prediction, &fixture->err),
              &fixture->err);
    json = ink_prediction_to_json(&prediction, "a \"name\"", 4);
    assert_ok(ink_json_print(json, &text, &fixture->err), &fixture->err);
    assert_non_null(strstr(ink_buf_text(&text), "\"source\":\"a \\\"name\\\"\",\"label\":4"));
    assert_fails(INK_BADDATA, "",
                 ink_predict_bytes(predictor, "hello", 5, &prediction, &fixture->err),
                 &fixture->err);
}

/* Numbers out of range do not turn into something else. */
static void
test_predict_floats_range(void **state)
{
    struct fixture *fixture = *state;
    INK_CLEANUP(ink_predictor_destroy) struct ink_predictor *predictor = NULL;
    struct ink_prediction prediction;
    float pixels[INK_PICTURE_SIZE] = {-1, 2, 0.5F, 1e30F};

    assert_ok(
        ink_session_follow(fixture->session, 1, 1, INK_COMPUTE(F32), &predictor, &fixture->err),
        &fixture->err);
    ink_predict_floats(predictor, pixels, &prediction);
    assert_int_equal(prediction.row[0], 0);
    assert_int_equal(prediction.row[1], 255);
    assert_int_equal(prediction.row[2], 128);
    assert_int_equal(prediction.row[3], 255);
}

/* ---- hostile names ---- */

static void
test_hostile_names(void **state)
{
    struct fixture *fixture = *state;
    static const char name[] = "<b onclick=x>\x1b[31m\xff.png";
    const struct ink_bundle_item *item;

    assert_ok(fixture_run(fixture, "show test[4] --out good.png"), &fixture->err);
    assert_int_equal(rename("good.png", name), 0);
    assert_ok(fixture_run(fixture, "predict ."), &fixture->err);
    item = ink_bundle_find(&fixture->result, INK_MIME_HTML);
    assert_null(strstr(item->bytes, "<b on"));
    assert_non_null(strstr(item->bytes, "&lt;b on"));
    for (size_t i = 0; i < fixture->result.count; i++) {
        item = &fixture->result.item[i];
        if (strcmp(item->mime, INK_MIME_PNG) == 0)
            continue;
        assert_true(ink_utf8_is_valid(item->bytes, item->size));
        assert_null(memchr(item->bytes, '\x1b', item->size));
    }
    assert_fails(INK_NOTFOUND, "no such file", fixture_run(fixture, "predict <i>.png"),
                 &fixture->err);
}

/* ---- threads: views answer while a cell trains ---- */

struct drawer {
    struct fixture *fixture;
    atomic_bool stop;
    atomic_int answers, models; /* models: how often another network answered */
};

static void *
draw_on(void *self)
{
    static const char frame[] = "{\"type\":\"strokes\",\"seq\":1,\"id\":\"t\",\"strokes\":"
                                "[[10,10,200,40,90,250]],\"final\":true,\"layers\":1}";
    struct drawer *drawer = self;
    struct ink_viewer *viewer = NULL;
    const struct ink_snapshot *before = NULL, *now = NULL;

    if (ink_viewer_create(drawer->fixture->session, &viewer, NULL) != INK_OK)
        return NULL;
    while (!atomic_load(&drawer->stop)) {
        INK_CLEANUP(ink_buf_fini) struct ink_buf reply = {0};

        if (ink_viewer_answer(viewer, frame, strlen(frame), &reply, NULL) == INK_OK)
            (void)atomic_fetch_add(&drawer->answers, 1);
        if (ink_session_snapshot(drawer->fixture->session, &now, NULL) != INK_OK)
            break;
        if (now != before)
            (void)atomic_fetch_add(&drawer->models, 1);
        ink_snapshot_unref(before);
        before = now;
    }
    ink_snapshot_unref(before);
    ink_viewer_destroy(&viewer);
    return NULL;
}

/* Cancels a while after the first display. */
struct canceller {
    struct fixture *fixture;
    uint64_t cancelled_ns;
};

static void
cancel_on_display(void *self, const struct ink_bundle *bundle, const char *display_id,
                  bool is_update)
{
    struct canceller *canceller = self;

    fixture_display(canceller->fixture, bundle, display_id, is_update);
    if (canceller->fixture->update_count == 3) {
        canceller->cancelled_ns = ink_clock_ns();
        atomic_store(&canceller->fixture->cancel, true);
    }
}

static void
print_nothing(void *self, const char *text)
{
    (void)self;
    (void)text;
}

static void
test_draw_while_training(void **state)
{
    struct fixture *fixture = *state;
    struct drawer drawer = {.fixture = fixture};
    struct canceller canceller = {.fixture = fixture};
    struct ink_sink sink = {
        .self = &canceller, .print = print_nothing, .display = cancel_on_display};
    static const char code[] = "train --epochs 1000 --batch 4 --threads 1 --save kept.safetensors";
    struct ink_bundle bundle = {0};
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, draw_on, &drawer), 0);
    while (atomic_load(&drawer.answers) == 0 || atomic_load(&drawer.models) == 0)
        (void)sched_yield();
    fixture->display_count = fixture->update_count = 0;
    assert_fails(INK_CANCELLED, "saved as kept.safetensors",
                 ink_cell_run(fixture->session, code, strlen(code), &sink, &fixture->cancel,
                              &bundle, &fixture->err),
                 &fixture->err);
    assert_non_null(strstr(fixture->err.message, "stopped in epoch"));
    assert_int_equal(fixture->display_count, 1); /* one display, updated */
    assert_true(fixture->update_count >= 4);     /* the last one says that it was stopped */
    assert_true(ink_clock_ms_since(canceller.cancelled_ns) < 3000);
    atomic_store(&fixture->cancel, false);
    atomic_store(&drawer.stop, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(atomic_load(&drawer.answers) > 0);
    /* what was learned so far is in use, and in the file */
    assert_ok(fixture_run(fixture, "model"), &fixture->err);
    assert_non_null(strstr(fixture_form(fixture, INK_MIME_TEXT), "epoch"));
    assert_ok(fixture_run(fixture, "predict drawn --model kept.safetensors"), &fixture->err);
}

/* A session costs nothing: no network is read. */
static void
test_create_is_quick(void **state)
{
    struct ink_session_options options = {.store = "store"};
    double best = 1e9;

    (void)state;
    for (int i = 0; i < 5; i++) {
        INK_CLEANUP(ink_session_destroy) struct ink_session *session = NULL;
        uint64_t start_ns = ink_clock_ns();
        struct ink_err err;
        double ms;

        assert_ok(ink_session_create(&options, &session, &err), &err);
        ms = ink_clock_ms_since(start_ns);
        best = ms < best ? ms : best;
    }
    assert_true(best < 10);
}

static void
test_serve_is_given(void **state)
{
    struct fixture *fixture = *state;

    assert_fails(INK_NOTNOW, "no server", fixture_run(fixture, "serve"), &fixture->err);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define WITH_SESSION(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
        WITH_SESSION(test_drawn_is_data),       WITH_SESSION(test_drawn_is_bounded),
        WITH_SESSION(test_drawn_outlives),      WITH_SESSION(test_predictions_agree),
        WITH_SESSION(test_predict_bytes),       WITH_SESSION(test_predict_floats_range),
        WITH_SESSION(test_hostile_names),       WITH_SESSION(test_draw_while_training),
        cmocka_unit_test(test_create_is_quick), WITH_SESSION(test_serve_is_given),
    };

    return cmocka_run_group_tests_name("session", tests, NULL, NULL);
}
